"""Von Mises-Fisher posteriors: z on the unit sphere."""

import math

from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import normalize, softplus

from textvae.latents.heads import SPHERE, Head, check_size
from textvae.latents.spheres import VonMisesFisher

# Below it a posterior is uniform for all purposes, and its kappa no longer far from 0 in float32.
LEAST_KAPPA = 1e-3
MOST_KAPPA = 1e6  # above it the digits of the KL are lost in kappa's, float64 or not


class FixedConcentration(Head):
    """q(z|x) = vMF(W h / |W h|, kappa), kappa fixed: the KL to the uniform prior is the same for every sentence.

    What the KL is follows from kappa and Z: 4.2 nats at kappa 20, 9.9 at 40, 17.9 at 80 for Z = 32. Xu &
    Durrett 2018, arXiv 1808.10805.
    """

    space = SPHERE
    fixed_kl = True
    tells = ("kappa",)
    path = "spherical"

    def __init__(self, inputs: int, size: int = 32, kappa: float = 25.0) -> None:
        super().__init__()
        if not LEAST_KAPPA <= kappa <= MOST_KAPPA:
            raise ValueError(f"kappa is {kappa}, must be at least {LEAST_KAPPA} and at most {MOST_KAPPA:g}")
        self.size, self.kappa = check_size(size, least=2), kappa
        self.linear = nn.Linear(inputs, size, bias=False)

    def forward(self, h: Tensor) -> Distribution:
        return VonMisesFisher(normalize(self.linear(h), dim=-1), self.concentration(h), validate_args=False)

    def onto_space(self, z: Tensor) -> Tensor:
        return normalize(z, dim=-1)

    def concentration(self, h: Tensor) -> Tensor:
        """kappa (B,)."""
        return h.new_full((len(h),), self.kappa)


class LearnedConcentration(FixedConcentration):
    """q(z|x) = vMF(W h / |W h|, kappa softplus(w h) / ln 2 + 0.001): a concentration for each sentence.

    `kappa` is where it starts (w h = 0). Davidson et al. 2018, arXiv 1804.00891.
    """

    fixed_kl = False

    def __init__(self, inputs: int, size: int = 32, kappa: float = 25.0) -> None:
        super().__init__(inputs, size, kappa)
        self.spread = nn.Linear(inputs, 1, bias=False)

    def concentration(self, h: Tensor) -> Tensor:
        return self.kappa / math.log(2) * softplus(self.spread(h)).squeeze(-1) + LEAST_KAPPA
