"""Batches of sentences: what one looks like, and a seeded stream of them whose position can be restored."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch

from textvae.data.grouping import EqualLength, Grouping, LengthIndex
from textvae.data.specials import SPECIALS, Specials
from textvae.errors import ConfigError, DataError

ONE_LENGTH = EqualLength()


class Batch(NamedTuple):
    """inputs (B,T) `<s> w1..wn`, targets (B,T) `w1..wn </s>`, lengths (B,) = n + 1, labels (B,) or None.

    All int64; beyond a sentence's length inputs and targets hold <pad>.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    lengths: torch.Tensor
    labels: torch.Tensor | None = None

    @property
    def sentences(self) -> torch.Tensor:
        """(B,T+1) `<s> w1..wn </s>`: what the encoder reads."""
        return torch.cat((self.inputs[:, :1], self.targets), 1)

    @property
    def mask(self) -> torch.Tensor:
        """(B,T) bool: True on target tokens, end-of-sentence among them."""
        return torch.arange(self.targets.shape[1], device=self.lengths.device) < self.lengths[:, None]

    @property
    def tokens(self) -> int:
        """Target tokens with end-of-sentence, without padding."""
        return int(self.lengths.sum())

    def rows(self, chosen: torch.Tensor) -> "Batch":
        """The sentences at `chosen`, a mask or numbers, without padding that none of them needs."""
        lengths = self.lengths[chosen]
        longest = int(lengths.max())
        labels = None if self.labels is None else self.labels[chosen]
        return Batch(self.inputs[chosen, :longest], self.targets[chosen, :longest], lengths, labels)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on `device`."""
        labels = None if self.labels is None else self.labels.to(device, non_blocking=True)
        inputs, targets, lengths = (part.to(device, non_blocking=True) for part in self[:3])
        return Batch(inputs, targets, lengths, labels)


class Sentences(Protocol):
    """What a Batcher reads: a TokenStore, or anything that answers like one."""

    @property
    def lengths(self) -> np.ndarray:
        """(N,) int32: words of each sentence, without <s> and </s>."""

    def padded(self, index: np.ndarray, pad: int) -> np.ndarray:
        """(B, longest) int64: the words of sentences `index` (B,), `pad` beyond each one's length."""

    def labels_of(self, index: np.ndarray) -> np.ndarray | None:
        """(B,) int64, or None where the sentences have no labels."""


def frame(words: np.ndarray, lengths: np.ndarray, labels: np.ndarray | None, specials: Specials) -> Batch:
    """(B,n) words padded with <pad> and their numbers (B,) -> Batch."""
    sentences, longest = words.shape
    inputs = np.full((sentences, longest + 1), specials.bos, dtype=np.int64)
    inputs[:, 1:] = words
    targets = np.full((sentences, longest + 1), specials.pad, dtype=np.int64)
    targets[:, :longest] = words
    targets[np.arange(sentences), lengths] = specials.eos
    counts = torch.from_numpy(lengths.astype(np.int64) + 1)
    tags = None if labels is None else torch.from_numpy(np.asarray(labels, dtype=np.int64))
    return Batch(torch.from_numpy(inputs), torch.from_numpy(targets), counts, tags)


def collate(
    rows: Sequence[Sequence[int] | np.ndarray],
    labels: Sequence[int] | None = None,
    specials: Specials = SPECIALS,
) -> Batch:
    """Word ids of B sentences, without <s> and </s> -> Batch, padded to the longest; DataError for none."""
    if not rows:
        raise DataError("no sentence was given, so there is no batch to make")
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    words = np.full((len(rows), lengths.max()), specials.pad, dtype=np.int64)
    for line, row in zip(words, rows, strict=True):
        line[: len(row)] = row
    return frame(words, lengths, None if labels is None else np.asarray(labels), specials)


class Batcher:
    """Batches of `size` sentences of a split; an epoch's order is a pure function of (seed, epoch).

    Keeps 8 bytes a sentence, 12 while an epoch runs. ConfigError for a size below 1, DataError for no
    sentences.
    """

    def __init__(
        self,
        store: Sentences,
        size: int = 32,
        grouping: Grouping = ONE_LENGTH,
        seed: int = 0,
        specials: Specials = SPECIALS,
    ) -> None:
        if not isinstance(size, int) or size < 1:
            raise ConfigError(f"the batch size is {size}; it must be a whole number of at least 1")
        if len(store.lengths) == 0:
            raise DataError("the split has no sentences, so no batch can be made of it")
        self.store, self.size, self.grouping, self.seed, self.specials = store, size, grouping, seed, specials
        self.index = LengthIndex.of(store.lengths)
        self._bounds = grouping.bounds(self.index, size)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch; the same in every epoch."""
        return len(self._bounds) - 1

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Every sentence once, from batch `start` on; the batches before it are not built."""
        if not 0 <= start <= self.steps_per_epoch:
            raise DataError(f"an epoch has {self.steps_per_epoch} batches; it cannot start at batch {start}")
        generator = np.random.default_rng((self.seed, epoch))
        order = self.grouping.shuffled(self.index, self.size, generator)
        slots = generator.permutation(self.steps_per_epoch)[start:]
        return (self._batch(order[self._bounds[slot] : self._bounds[slot + 1]]) for slot in slots)

    def in_order(self) -> Iterator[Batch]:
        """Every sentence once, shortest first, in the same batches each time: for evaluation."""
        pairs = zip(self._bounds[:-1], self._bounds[1:], strict=True)
        return (self._batch(self.index.order[first:end]) for first, end in pairs)

    def draw(self, generator: np.random.Generator) -> Batch:
        """One random batch, such as a random step of an epoch would give."""
        return self._batch(self.grouping.draw(self.index, self._bounds, self.size, generator))

    def _batch(self, index: np.ndarray) -> Batch:
        words = self.store.padded(index, self.specials.pad)
        return frame(words, self.store.lengths[index], self.store.labels_of(index), self.specials)
