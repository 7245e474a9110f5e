"""How parameters start."""

import torch
from torch import nn


class Uniform:
    """All parameters U(-bound, bound), embeddings U(-embedding, embedding) (He et al. 2019: 0.01 and 0.1)."""

    def __init__(self, bound: float = 0.01, embedding: float = 0.1) -> None:
        if bound <= 0 or embedding <= 0:
            raise ValueError(f"bound is {bound} and embedding {embedding}, both must be above 0")
        self.bound, self.embedding = bound, embedding

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> None:
        for parameter in model.parameters():
            parameter.uniform_(-self.bound, self.bound)
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                module.weight.uniform_(-self.embedding, self.embedding)


class Default:
    """As torch starts each module."""

    def __call__(self, model: nn.Module) -> None:
        return None


INITIALISATIONS = {"uniform": Uniform, "default": Default}
