"""Mixtures of diagonal Gaussians."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal, constraints

from textvae.latents.distributions import Shape

STANDARD = Normal(0.0, 1.0, validate_args=False)


class GaussianMixture(Distribution):
    """p(z) = sum_k softmax(logits)_k N(z; loc_k, diag scale_k^2): logits (K,), loc and scale (K,Z).

    Batch shape (), event shape (Z,). A draw takes Z + 1 normal numbers, so that the first of many draws are
    those of few, as with a single Gaussian.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "logits": constraints.real_vector,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real_vector

    def __init__(self, logits: Tensor, loc: Tensor, scale: Tensor, validate_args: bool | None = None) -> None:
        self.logits, self.loc, self.scale = logits, loc, scale
        super().__init__(torch.Size(), loc.shape[-1:], validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        components = Normal(self.loc, self.scale, validate_args=False).log_prob(value.unsqueeze(-2)).sum(-1)
        return (self.logits.log_softmax(-1) + components).logsumexp(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Shape = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        noise = torch.randn((*shape[:-1], shape[-1] + 1), dtype=self.loc.dtype, device=self.loc.device)
        until = self.logits.softmax(-1).cumsum(-1)[:-1].contiguous()
        which = torch.bucketize(STANDARD.cdf(noise[..., 0]), until, right=True)
        return self.loc[which] + self.scale[which] * noise[..., 1:]

    @property
    def mean(self) -> Tensor:
        return self.logits.softmax(-1) @ self.loc

    @property
    def variance(self) -> Tensor:
        second = self.logits.softmax(-1) @ (self.scale.square() + self.loc.square())
        return second - self.mean.square()
