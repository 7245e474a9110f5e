"""Every legal pair of posterior and prior, once; all others are refused."""

from typing import Any, NamedTuple

from tests.tiny import tiny_model
from textvae.model import SentenceVAE

LABELS = 3
LATENTS: dict[str, dict[str, Any]] = {
    "gaussian": {"size": 3},
    "batch_norm": {"size": 3},
    "delta": {"size": 3},
    "von_mises_fisher": {"size": 3, "kappa": 4.0},
    "von_mises_fisher_learned": {"size": 3, "kappa": 4.0},
    "quantised": {"size": 4, "slots": 2, "codes": 5},
    "hierarchical": {"size": 4},
    "none": {},
}
PRIORS: dict[str, dict[str, Any]] = {
    "standard_normal": {},
    "mixture": {"components": 4},
    "vamp": {"components": 3, "length": 2},
    "conditional": {"labels": LABELS},
    "uniform_sphere": {},
    "uniform_codes": {},
    "hierarchical": {"hidden": 5},
}


class Family(NamedTuple):
    """Names of a posterior head and a prior, and how their KL is had."""

    latent: str
    prior: str
    kl: str

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        return {
            "latent": {"name": self.latent, **LATENTS[self.latent]},
            "prior": {"name": self.prior, **PRIORS[self.prior]},
        }

    def model(self, seed: int = 0) -> SentenceVAE:
        without_z = {"encoder": {"name": "none"}} if self.latent == "none" else {}
        return tiny_model(seed, **self.sections, **without_z)


FAMILIES = [
    Family("gaussian", "standard_normal", "exact per dimension"),
    Family("gaussian", "mixture", "sampled"),
    Family("gaussian", "vamp", "sampled"),
    Family("gaussian", "conditional", "exact per dimension"),
    Family("batch_norm", "standard_normal", "exact per dimension"),
    Family("batch_norm", "mixture", "sampled"),
    Family("batch_norm", "conditional", "exact per dimension"),
    Family("delta", "standard_normal", "exact per dimension"),
    Family("delta", "mixture", "sampled"),
    Family("delta", "vamp", "sampled"),
    Family("delta", "conditional", "exact per dimension"),
    Family("von_mises_fisher", "uniform_sphere", "exact"),
    Family("von_mises_fisher_learned", "uniform_sphere", "exact"),
    Family("quantised", "uniform_codes", "exact"),
    Family("hierarchical", "hierarchical", "sampled"),
    Family("none", "standard_normal", "exact per dimension"),
]
