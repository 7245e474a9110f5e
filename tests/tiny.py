"""Small models and batches for tests."""

from typing import Any

import torch

from textvae.data.batching import Batch, collate
from textvae.latents.posteriors import HEADS
from textvae.model import SentenceVAE, build_model
from textvae.objectives.objective import Objective, build_objective
from textvae.registry import construct

VOCABULARY = 19
CONFIG: dict[str, Any] = {
    "encoder": {"name": "lstm", "embedding": 5, "hidden": 6},
    "latent": {"name": "gaussian", "size": 3},
    "prior": {"name": "standard_normal"},
    "decoder": {"name": "lstm", "embedding": 5, "hidden": 6, "dropout_in": 0.0, "dropout_out": 0.0},
    "initialisation": {"name": "default"},
    "schedule": {"name": "constant", "beta": 1.0},
    "rate": {"name": "true_kl"},
    "terms": {},
}


def tiny_config(**sections: dict[str, Any]) -> dict[str, Any]:
    """CONFIG with sections replaced."""
    return {**CONFIG, **sections}


def tiny_model(seed: int = 0, **sections: dict[str, Any]) -> SentenceVAE:
    torch.manual_seed(seed)
    return build_model(tiny_config(**sections), VOCABULARY, unk=3).double()


def tiny_objective(**sections: dict[str, Any]) -> Objective:
    config = tiny_config(**sections)
    with torch.random.fork_rng():
        head = construct(HEADS, config["latent"], "latent", inputs=1)
    return build_objective(config, steps_per_epoch=10, vocabulary=VOCABULARY, head=head)


def tiny_batch(lengths: tuple[int, ...] = (4, 4, 4, 4), seed: int = 0) -> Batch:
    """Random sentences of the given numbers of words."""
    generator = torch.Generator().manual_seed(seed)
    return collate([torch.randint(3, VOCABULARY, (n,), generator=generator).numpy() for n in lengths])
