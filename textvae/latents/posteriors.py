"""The posterior heads by name."""

from textvae.latents.codes import Quantised
from textvae.latents.committed import BatchNormHead, DeltaHead
from textvae.latents.heads import GaussianHead, Head, NoLatent
from textvae.latents.layers import LayeredHead
from textvae.latents.spherical import FixedConcentration, LearnedConcentration

HEADS: dict[str, type[Head]] = {
    "gaussian": GaussianHead,
    "batch_norm": BatchNormHead,
    "delta": DeltaHead,
    "von_mises_fisher": FixedConcentration,
    "von_mises_fisher_learned": LearnedConcentration,
    "quantised": Quantised,
    "hierarchical": LayeredHead,
    "none": NoLatent,
}
