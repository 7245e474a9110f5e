"""What every way of turning z into words shares: its limits, the words it may not say, and its result."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from textvae.data.specials import SPECIALS
from textvae.errors import ConfigError

State = tuple[Tensor, ...]  # dimension 1 of each is the row


class WordByWord(Protocol):
    """All that a search asks of a decoder."""

    def start(self, z: Tensor) -> State:
        """z (N,Z) -> the state before the first word."""

    def step(self, tokens: Tensor, z: Tensor, state: State) -> tuple[Tensor, State]:
        """The next word's logits (N,V) after tokens (N,), and the state to go on from."""


class Decoded(NamedTuple):
    """N sentences: ids (N,L) `w1 .. wn </s>` then <pad>; log_p (N,) nats; finished (N,) bool.

    log_p is log p(x|z) of the model, its end included, whatever temperature, cut or ban led to the words. A
    sentence cut at max_length is not finished: it has no </s>, and log_p is that of its words alone.
    """

    ids: Tensor
    log_p: Tensor
    finished: Tensor


@dataclass(frozen=True, kw_only=True)
class Decoding(ABC):
    """A way from z to words.

    max_length counts tokens with </s>. <pad> and <s> are never said, nor are the ids in `banned`, nor <unk>
    where ban_unk. </s> cannot come first, for no text holds an empty sentence, unless allow_empty.
    ValueError for a max_length below 1 and for a ban of </s>.
    """

    max_length: int = 60  # as on the command line, so that a seed says the same sentences
    banned: Sequence[int] = ()
    ban_unk: bool = False
    allow_empty: bool = False

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise ValueError(f"max_length is {self.max_length}, must be at least 1")
        if SPECIALS.eos in self.banned:
            raise ValueError(f"banned holds {SPECIALS.eos}, the end of a sentence: no sentence could end")

    @property
    def width(self) -> int:
        """Rows of the decoder that one sentence takes."""
        return 1

    @abstractmethod
    def decode(self, decoder: WordByWord, z: Tensor, generator: torch.Generator) -> Decoded:
        """z (N,Z) -> N sentences, all at once; chance comes from `generator` (on the CPU) alone."""

    def forbidden(self, vocabulary: int, first: bool) -> Tensor:
        """Ids that may not come next. ConfigError for one outside the vocabulary, and where no word is left."""
        outside = [i for i in self.banned if not 0 <= i < vocabulary]
        if outside:
            raise ConfigError(f"banned holds {outside[0]}, but ids go from 0 to {vocabulary - 1}")
        ids = {SPECIALS.pad, SPECIALS.bos, *self.banned} | ({SPECIALS.unk} if self.ban_unk else set())
        if len(ids) >= vocabulary - 1:
            raise ConfigError(f"{len(ids)} of {vocabulary} ids are banned, so no word is left to say")
        return torch.tensor(sorted(ids | ({SPECIALS.eos} if first and not self.allow_empty else set())))


def forbid(logits: Tensor, ids: Tensor) -> Tensor:
    """logits (N,V) with those of `ids` at -inf, in place."""
    return logits.index_fill_(1, ids.to(logits.device), -torch.inf)


def rows_of(state: State, index: Tensor) -> State:
    """The rows `index` of a state."""
    return tuple(part.index_select(1, index) for part in state)


def join(parts: Sequence[Decoded]) -> Decoded:
    """Results of one kind below each other, padded to the longest."""
    longest = max(part.ids.shape[1] for part in parts)
    padded = [
        torch.nn.functional.pad(p.ids, (0, longest - p.ids.shape[1]), value=SPECIALS.pad) for p in parts
    ]
    return Decoded(
        torch.cat(padded), torch.cat([p.log_p for p in parts]), torch.cat([p.finished for p in parts])
    )


@torch.no_grad()
def decode_chunks(
    decoder: WordByWord, z: Tensor, decoding: Decoding, seed: int = 0, rows: int = 512
) -> Iterator[Decoded]:
    """z (N,Z) -> N sentences, at most `rows` rows of the decoder at a time, which changes no sentence."""
    generator = torch.Generator().manual_seed(seed)
    for part in z.split(max(1, rows // decoding.width)):
        yield decoding.decode(decoder, part, generator)


def decode_all(decoder: WordByWord, z: Tensor, decoding: Decoding, seed: int = 0, rows: int = 512) -> Decoded:
    """The chunks of decode_chunks in one."""
    return join(list(decode_chunks(decoder, z, decoding, seed, rows)))
