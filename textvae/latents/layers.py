"""Two stochastic layers as one event: z = [z1, z2], the lower layer beside the upper one, Z/2 dimensions each."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, constraints, kl_divergence

from textvae.latents.distributions import Shape
from textvae.latents.divergence import kl_of_layers
from textvae.latents.heads import LAYERS, Head, check_size, gaussian

# z2 (...,Z/2) -> p(z1|z2), batch shape (...).
Lower = Callable[[Tensor], Independent]


class LayeredGaussian(Distribution):
    """q(z1, z2) = N(z2; upper, diag upper_scale^2) N(z1; lower + gain z2, diag lower_scale^2), each (B,Z/2)."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "lower": constraints.real_vector,
        "gain": constraints.real_vector,
        "lower_scale": constraints.positive,
        "upper": constraints.real_vector,
        "upper_scale": constraints.positive,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        lower: Tensor,
        gain: Tensor,
        lower_scale: Tensor,
        upper: Tensor,
        upper_scale: Tensor,
        validate_args: bool | None = None,
    ) -> None:
        self.lower, self.gain, self.lower_scale = lower, gain, lower_scale
        self.upper, self.upper_scale = upper, upper_scale
        super().__init__(lower.shape[:-1], torch.Size([2 * lower.shape[-1]]), validate_args=validate_args)

    def above(self) -> Independent:
        """q(z2)."""
        return gaussian(self.upper, self.upper_scale)

    def below(self, z2: Tensor) -> Independent:
        """q(z1|z2)."""
        mu = self.lower + self.gain * z2
        return gaussian(mu, self.lower_scale.expand_as(mu))

    @property
    def mean(self) -> Tensor:
        return torch.cat((self.lower + self.gain * self.upper, self.upper), -1)

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def variance(self) -> Tensor:
        from_above = (self.gain * self.upper_scale).square()
        return torch.cat((self.lower_scale.square() + from_above, self.upper_scale.square()), -1)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        z2 = self.above().rsample(torch.Size(sample_shape))
        return torch.cat((self.below(z2).rsample(), z2), -1)

    def log_prob(self, value: Tensor) -> Tensor:
        z1, z2 = value.chunk(2, -1)
        return self.above().log_prob(z2) + self.below(z2).log_prob(z1)

    def entropy(self) -> Tensor:
        return self.above().entropy() + self.below(self.upper).entropy()


class LayeredPrior(Distribution):
    """p(z1, z2) = N(z2; 0, I) p(z1|z2); `centre` is zeros (Z/2,)."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {"centre": constraints.real_vector}
    support = constraints.real_vector

    def __init__(self, centre: Tensor, below: Lower, validate_args: bool | None = None) -> None:
        self.centre, self.below = centre, below
        super().__init__(torch.Size(), torch.Size([2 * len(centre)]), validate_args=validate_args)

    def above(self) -> Independent:
        """p(z2)."""
        return gaussian(self.centre, torch.ones_like(self.centre))

    def log_prob(self, value: Tensor) -> Tensor:
        z1, z2 = value.chunk(2, -1)
        return self.above().log_prob(z2) + self.below(z2).log_prob(z1)

    @torch.no_grad()
    def sample(self, sample_shape: Shape = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        noise = torch.randn(shape, dtype=self.centre.dtype, device=self.centre.device)
        below, z2 = noise.chunk(2, -1)
        lower = self.below(z2)
        return torch.cat((lower.mean + lower.stddev * below, z2), -1)


class LayeredHead(Head):
    """q(z1, z2|x) = q(z2|x) q(z1|x, z2): Gaussians whose parameters are W h, the mean of z1 linear in z2.

    The upper layer explains the lower one, as in Sonderby et al. 2016, arXiv 1602.02282; the gain of z2 is
    the sentence's own, dimension by dimension, so that joint mean and variance are known.
    """

    space = LAYERS

    def __init__(self, inputs: int, size: int = 32) -> None:
        super().__init__()
        if check_size(size) % 2:
            raise ValueError(f"size is {size}, must be even: it is that of two layers together")
        self.size = size
        self.linear = nn.Linear(inputs, 5 * size // 2, bias=False)

    def forward(self, h: Tensor) -> Distribution:
        lower, gain, lower_logvar, upper, upper_logvar = self.linear(h).chunk(5, dim=-1)
        scales = (0.5 * lower_logvar).exp(), (0.5 * upper_logvar).exp()
        return LayeredGaussian(lower, gain, scales[0], upper, scales[1], validate_args=False)


@kl_of_layers.register
def _(q: LayeredGaussian, p: Distribution, z: Tensor) -> Tensor | None:
    """E_z2 KL(q(z1|x,z2) || p(z1|z2)) at the samples' z2, and KL(q(z2|x) || p(z2)) exactly: (B,2)."""
    if not isinstance(p, LayeredPrior):
        return None
    z2 = z.chunk(2, -1)[1]
    lower = kl_divergence(q.below(z2).base_dist, p.below(z2).base_dist).sum(-1).mean(0)
    upper = kl_divergence(q.above().base_dist, Normal(p.centre, 1.0, validate_args=False)).sum(-1)
    return torch.stack((lower, upper), -1)
