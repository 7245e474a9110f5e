"""A sentence's label beside what a network reads of it."""

import torch
from torch import Tensor, nn

from textvae.errors import DataError


class NoLabels(nn.Module):
    """x as it is, whatever its labels."""

    size = 0

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        return x


class LabelVectors(nn.Module):
    """x (..,N,D), labels (N,) -> [x; e(label)], (..,N,D+size), e learned. DataError where there are no labels."""

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.vectors = nn.Embedding(count, size)

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        if labels is None:
            last = self.vectors.num_embeddings - 1
            raise DataError(
                f"the model reads a label with each sentence and none is given; give label=, a name or 0 to {last} "
                "(in Python the methods of given(label))"
            )
        return torch.cat([x, self.vectors(labels).expand(*x.shape[:-1], -1)], -1)


class Condition(nn.Module):
    """What the networks of a conditional model read of each sentence's label (Sohn et al. 2015).

    The posterior's head reads a vector of `encoder` units of it beside the encoder's, the decoder one of `decoder`
    units beside z; 0: none. ValueError for a size below 0, and where the data has no `labels` to tell apart.
    """

    def __init__(self, labels: int, encoder: int = 0, decoder: int = 0) -> None:
        super().__init__()
        self.labels = labels if encoder or decoder else 0
        self.encoder, self.decoder = (
            _vectors(labels, size, place) for place, size in (("encoder", encoder), ("decoder", decoder))
        )


def _vectors(labels: int, size: int, place: str) -> LabelVectors | NoLabels:
    if size < 0:
        raise ValueError(f"{place} is {size}, must be at least 0")
    if size and not labels:
        raise ValueError(
            f"{place} is {size}, but the data has no labels (your own text has them by data.labels=true)"
        )
    return LabelVectors(labels, size) if size else NoLabels()
