"""A model at rest: evaluation mode, no gradients, and chance of its own that leaves no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def at_rest(model: nn.Module, seed: int = 0) -> Iterator[None]:
    """Evaluation mode, no gradients, torch's generators seeded; modes and random states are put back after."""
    training = [module for module in model.modules() if module.training]
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(list(devices)):
            torch.manual_seed(seed)
            yield
    finally:
        for module in training:
            module.training = True


def seeds(seed: int) -> tuple[int, int, int]:
    """Seeds for the draws of z, of the words and of labels: one for all would tie the words to z."""
    latent, words, labels = np.random.SeedSequence(seed).generate_state(3)
    return int(latent), int(words), int(labels)
