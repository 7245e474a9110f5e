"""From the encoder's vector h (B,H) to the posterior q(z|x), batch shape (B,), event shape (Z,)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

EUCLIDEAN, SPHERE, CODES = "R^Z", "the unit sphere", "a codebook"
LAYERS, NOWHERE = "two layers", "no space (Z = 0)"


class Head(nn.Module):
    """h (B,H) -> q(z|x), event shape (size,).

    `space` is where z lies, which the prior must cover, and `path` the natural way from one z to another, by
    name or with its settings.
    `joint`: in training a sentence's posterior depends on the others of its batch.
    `fixed_kl`: the KL to its prior is one number, whatever the sentence and the parameters.
    `factorises`: q(z|x) is a product over the dimensions of z.
    `gaussian`: each factor is a normal distribution.
    `tells`: the names of the facts that its posteriors have of their own.
    """

    size: int
    space = EUCLIDEAN
    path: str | Mapping[str, Any] = "linear"
    joint = False
    fixed_kl = False
    factorises = False
    gaussian = False
    tells: tuple[str, ...] = ()

    def onto_space(self, z: Tensor) -> Tensor:
        """The point of `space` nearest to z, (..,Z) each: what arithmetic has led off it, a decoder has never read."""
        return z

    def gauges(self) -> dict[str, Tensor]:
        """What a log of training should show of the head."""
        return {}


def gaussian(mu: Tensor, scale: Tensor) -> Independent:
    """N(mu, diag scale^2), (B,Z) each."""
    return Independent(Normal(mu, scale, validate_args=False), 1, validate_args=False)


def check_size(size: int, least: int = 1) -> int:
    """size, or ValueError where it is below `least`."""
    if size < least:
        raise ValueError(
            f"size is {size}, must be at least {least} (a model without z is latent=none encoder=none)"
        )
    return size


class GaussianHead(Head):
    """q(z|x) = N(mu, diag exp(logvar)), (mu, logvar) = W h without bias (He et al. 2019)."""

    factorises = True
    gaussian = True

    def __init__(self, inputs: int, size: int = 32) -> None:
        super().__init__()
        self.size = check_size(size)
        self.linear = nn.Linear(inputs, 2 * size, bias=False)

    def forward(self, h: Tensor) -> Distribution:
        return self.at(self.linear(h))

    def at(self, parameters: Tensor) -> Independent:
        """The posterior of W h = (mu, logvar), (B,2Z)."""
        mu, logvar = parameters.chunk(2, dim=-1)
        return gaussian(mu, (0.5 * logvar).exp())


class NoLatent(Head):
    """The posterior over no z at all (Z = 0): what is left is a language model, and every KL an empty sum."""

    size = 0
    space = NOWHERE
    factorises = True

    def forward(self, h: Tensor) -> Distribution:
        empty = h.new_zeros(len(h), 0)
        return gaussian(empty, empty.exp())
