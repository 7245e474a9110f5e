"""All pairs of posteriors and points at once."""

from torch import Tensor
from torch.distributions import Distribution

from textvae.latents.divergence import full_precision, pair_density


def pairwise_log_prob(q: Distribution, z: Tensor) -> Tensor:
    """log q_n(z_m): q of batch shape (N,), z (M,Z) -> (M,N), nats."""
    with full_precision():
        return pair_density(q)(z)
