"""Which sentences share a batch: those of one length, or neighbours in length within a shuffled pool."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

_CHUNK = 1 << 17  # sentences sorted at a time, so that sorting a large split needs no second copy of it


@dataclass(frozen=True)
class LengthIndex:
    """The sentences of a split by length: 8 bytes a sentence.

    lengths (N,) int32 in words; order (N,) int32: sentence numbers sorted by length, then by number;
    edges (number of lengths + 1,): order[edges[i]:edges[i + 1]] are the sentences of one length.
    """

    lengths: np.ndarray
    order: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, lengths: np.ndarray) -> "LengthIndex":
        """Counting sort of `lengths` (N,), in pieces."""
        pieces = [lengths[first : first + _CHUNK] for first in range(0, len(lengths), _CHUNK)]
        longest = int(lengths.max())
        histograms = [np.bincount(piece, minlength=longest + 1) for piece in pieces]
        counts = np.sum(histograms, axis=0)
        free = np.cumsum(counts) - counts
        edges = np.append(free[counts > 0], len(lengths))
        order = np.empty(len(lengths), dtype=np.int32)
        for number, (piece, here) in enumerate(zip(pieces, histograms, strict=True)):
            ranked = np.argsort(piece, kind="stable")
            shift = free - (np.cumsum(here) - here)
            order[np.arange(len(piece)) + shift[piece[ranked]]] = ranked + number * _CHUNK
            free += here
        return cls(lengths, order, edges)


class Grouping(Protocol):
    """How batches are cut: batch k of an epoch is order[bounds[k]:bounds[k + 1]]."""

    def bounds(self, index: LengthIndex, size: int) -> np.ndarray:
        """(steps + 1,) int64; the same for every epoch."""

    def shuffled(self, index: LengthIndex, size: int, generator: np.random.Generator) -> np.ndarray:
        """(N,) int32: the sentences in an order that `bounds` cuts into batches."""

    def draw(
        self, index: LengthIndex, bounds: np.ndarray, size: int, generator: np.random.Generator
    ) -> np.ndarray:
        """(at most `size`,): sentence numbers of one batch, such as a random batch of a random epoch."""


@dataclass(frozen=True)
class EqualLength:
    """Batches of one length, no padding; the last one of a length is smaller (He et al. 2019)."""

    def bounds(self, index: LengthIndex, size: int) -> np.ndarray:
        pairs = zip(index.edges[:-1], index.edges[1:], strict=True)
        starts = [np.arange(first, end, size) for first, end in pairs]
        return np.concatenate([*starts, index.edges[-1:]])

    def shuffled(self, index: LengthIndex, size: int, generator: np.random.Generator) -> np.ndarray:
        order = index.order.copy()
        for first, end in zip(index.edges[:-1], index.edges[1:], strict=True):
            generator.shuffle(order[first:end])
        return order

    def draw(
        self, index: LengthIndex, bounds: np.ndarray, size: int, generator: np.random.Generator
    ) -> np.ndarray:
        slot = generator.integers(len(bounds) - 1)
        group = np.searchsorted(index.edges, bounds[slot], side="right") - 1
        first, end = index.edges[group], index.edges[group + 1]
        picked = generator.choice(end - first, bounds[slot + 1] - bounds[slot], replace=False)
        return index.order[first + picked]


@dataclass(frozen=True)
class Bucketed:
    """Batches of similar lengths, padded: shuffled, then sorted by length within pools of `pool` batches."""

    pool: int = 50

    def __post_init__(self) -> None:
        if self.pool < 1:
            raise ValueError(f"pool is {self.pool}; it must be at least 1 batch")

    def bounds(self, index: LengthIndex, size: int) -> np.ndarray:
        return np.append(np.arange(0, len(index.order), size), len(index.order))

    def shuffled(self, index: LengthIndex, size: int, generator: np.random.Generator) -> np.ndarray:
        order = np.arange(len(index.order), dtype=np.int32)
        generator.shuffle(order)
        for first in range(0, len(order), self.pool * size):
            part = order[first : first + self.pool * size]
            part[:] = part[np.argsort(index.lengths[part], kind="stable")]
        return order

    def draw(
        self, index: LengthIndex, bounds: np.ndarray, size: int, generator: np.random.Generator
    ) -> np.ndarray:
        count = min(self.pool * size, len(index.order))
        pool = generator.choice(len(index.order), count, replace=False)
        pool = pool[np.argsort(index.lengths[pool], kind="stable")]
        slot = size * generator.integers(-(-count // size))
        return pool[slot : slot + size]


GROUPINGS = {"equal_length": EqualLength, "bucketed": Bucketed}
