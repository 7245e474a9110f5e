"""KL between posterior and prior, exact where it can be, and the density of every z under every posterior."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import singledispatch

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence

from textvae.latents.distributions import factorises

PairDensity = Callable[[Tensor], Tensor]
PER_DIMENSION = "exact per dimension"

# Rounding, in nats, beyond which the products of Gaussian pairs are taken in float64.
ROUNDING_TOLERANCE = 1e-3


def kl_groups(q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    """KL(q(z|x) || p(z)) -> (B,G), nats; its sum over G is the KL of a sentence.

    Exact for each dimension (G = Z) where q and p factorise, else one for each stochastic layer where there
    are several (sampled from the layers above), else exact as a whole (G = 1), else the mean
    of log q(z|x) - log p(z) over the samples z (S,B,Z), z ~ q (G = 1; unbiased, can be negative): kl_kind
    says which. p has batch shape () or, where the prior is conditional, (B,).
    """
    if (per_dimension := _kl_per_dimension(q, p)) is not None:
        return per_dimension
    if (layers := kl_of_layers(q, p, z)) is not None:
        return layers
    if (total := _registered_kl(q, p)) is not None:
        return total.unsqueeze(-1)
    return (q.log_prob(z) - p.log_prob(z)).mean(0).unsqueeze(-1)


@singledispatch
def kl_of_layers(q: Distribution, p: Distribution, z: Tensor) -> Tensor | None:
    """The KL of each stochastic layer (B,G), where q's family registers it; None for all of one layer."""
    return None


def kl_kind(q: Distribution, p: Distribution) -> str:
    """How kl_groups comes by its figure: "exact per dimension", "exact" or "sampled"."""
    if _kl_per_dimension(q, p) is not None:
        return PER_DIMENSION
    return "sampled" if _registered_kl(q, p) is None else "exact"


def _kl_per_dimension(q: Distribution, p: Distribution) -> Tensor | None:
    """(B,Z), or None where either does not factorise over the dimensions of z."""
    if isinstance(q, Independent) and isinstance(p, Independent) and factorises(q) and factorises(p):
        return _registered_kl(q.base_dist, p.base_dist)
    return None


def _registered_kl(q: Distribution, p: Distribution) -> Tensor | None:
    try:
        return kl_divergence(q, p)
    except NotImplementedError:
        return None


@singledispatch
def pair_density(q: Distribution) -> PairDensity:
    """z (M,Z) -> log q_n(z_m) (M,N), with all that depends on q alone done once.

    A family with a way of its own registers it here by type; this one broadcasts, at M * N * Z numbers. The
    result is the caller's to overwrite. Call what it gives within full_precision().
    """
    return lambda z: q.log_prob(z.unsqueeze(1))


@pair_density.register
def _(q: Independent) -> PairDensity:
    if isinstance(q.base_dist, Normal) and factorises(q):
        return _gaussian_pairs(q.base_dist.loc, q.base_dist.scale)
    return lambda z: q.log_prob(z.unsqueeze(1))


def _gaussian_pairs(loc: Tensor, scale: Tensor) -> PairDensity:
    """-sum_d (z - mu)^2 / 2 sigma^2 as the product of [z^2, z] and [-1 / 2 sigma^2, mu / sigma^2], and constants.

    Opened like this, terms as large as mu^2 / sigma^2 cancel. About the mean of the means, what rounding
    leaves near mu is a few times eps * sum_d mu^2 / sigma^2; where that passes ROUNDING_TOLERANCE for any
    posterior (all far sharper than they are apart) the product is taken in float64.
    """
    centre = loc.mean(0).double()
    mu, precision = loc.double() - centre, scale.double().pow(-2)
    magnitude = float((mu.square() * precision).sum(-1).max()) if loc.numel() else 0.0
    rounding = magnitude * torch.finfo(loc.dtype).eps
    dtype = loc.dtype if rounding <= ROUNDING_TOLERANCE else torch.float64
    weights = torch.cat((-0.5 * precision, mu * precision), -1).T.to(dtype).contiguous()
    normaliser = scale.double().log().sum(-1) + 0.5 * math.log(2 * math.pi) * loc.shape[-1]
    constant = (-0.5 * (mu.square() * precision).sum(-1) - normaliser).to(dtype)

    def density(z: Tensor) -> Tensor:
        moved = z.double() - centre
        return torch.addmm(constant, torch.cat((moved.square(), moved), -1).to(dtype), weights)

    return density


@contextmanager
def full_precision() -> Iterator[None]:
    """Products in the full type of their factors: what cancels here would not survive shorter ones."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
