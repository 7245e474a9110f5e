"""Beam search: the sentence of the greatest log p(x|z) that a search of limited width finds."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from textvae.data.specials import SPECIALS
from textvae.generation.decoding import Decoded, Decoding, State, WordByWord, forbid, rows_of


class Live(NamedTuple):
    """Hypotheses that go on: K of them for each of the B sentences that are not settled."""

    sentence: Tensor  # (B,) which sentence
    ids: Tensor  # (B,K,1+t) `<s> w1 .. wt`
    log_p: Tensor  # (B,K) nats, falling; -inf where there are fewer than K hypotheses
    z: Tensor  # (B*K,Z)
    state: State


class Ranked(NamedTuple):
    """One step's continuations, each (B,K): the ends, and the best words with the hypotheses they go on from."""

    end_log_p: Tensor  # -inf where an end is not among the K best continuations
    log_p: Tensor
    parents: Tensor
    words: Tensor


class Ended:
    """The best ended hypothesis of each sentence so far."""

    def __init__(self, z: Tensor, max_length: int) -> None:
        self.ids = torch.full((len(z), max_length), SPECIALS.pad, device=z.device)
        self.log_p = z.new_full((len(z),), -torch.inf)
        self.score = self.log_p.clone()

    def offer(self, live: Live, end_log_p: Tensor, norm: float) -> None:
        """Takes those ends (B,K) of live hypotheses whose log p / norm passes the best score so far."""
        log_p, which = end_log_p.max(1)
        better = (log_p / norm > self.score[live.sentence]).nonzero()[:, 0]
        rows, words = live.sentence[better], live.ids[better, which[better], 1:]
        self.score[rows], self.log_p[rows] = log_p[better] / norm, log_p[better]
        self.ids[rows, : words.shape[1]] = words  # never shorter than the end that it replaces
        self.ids[rows, words.shape[1]] = SPECIALS.eos

    def result(self, live: Live) -> Decoded:
        """The ended hypotheses, and the best live one of each sentence that has none."""
        finished = self.score > -torch.inf
        cut = (~finished[live.sentence]).nonzero()[:, 0]
        rows, words = live.sentence[cut], live.ids[cut, 0, 1:]
        self.ids[rows, : words.shape[1]], self.log_p[rows] = words, live.log_p[cut, 0]
        used = int((self.ids != SPECIALS.pad).any(0).sum())
        return Decoded(self.ids[:, :used], self.log_p, finished)


@dataclass(frozen=True)
class Beam(Decoding):
    """Goes on with the `size` best hypotheses of each sentence by log p; the ended ones compete by
    log p / ((5 + n) / 6)^length_penalty, n the tokens with </s> (Wu et al. 2016, arXiv 1609.08144); 0 is log p.

    An end counts where it is among the `size` best continuations; a sentence is settled once no live
    hypothesis can pass its best ended one. Size 1 without a penalty is greedy search.
    ValueError for a size below 1 or a penalty below 0.
    """

    size: int = 5
    length_penalty: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1:
            raise ValueError(f"size is {self.size}, must be at least 1")
        if not 0 <= self.length_penalty < torch.inf:
            raise ValueError(f"length_penalty is {self.length_penalty}, must be at least 0 and finite")

    @property
    def width(self) -> int:
        return self.size

    def decode(self, decoder: WordByWord, z: Tensor, generator: torch.Generator) -> Decoded:
        live, ended = self._start(decoder, z), Ended(z, self.max_length)
        for length in range(1, self.max_length + 1):
            if not len(live.sentence):
                break
            logits, state = decoder.step(live.ids[:, :, -1].flatten(), live.z, live.state)
            ranked = self._rank(logits.log_softmax(-1), live.log_p, first=length == 1)
            ended.offer(live, ranked.end_log_p, self._norm(length))
            # The most that the best live hypothesis can come to: no further nats lost, at the longest length.
            hope = ranked.log_p[:, 0] / self._norm(self.max_length)
            live = self._go_on(live, state, ranked, (hope > ended.score[live.sentence]).nonzero()[:, 0])
        return ended.result(live)

    def _start(self, decoder: WordByWord, z: Tensor) -> Live:
        """One hypothesis a sentence, `<s>`; the others cannot be reached."""
        ids = torch.full((len(z), self.size, 1), SPECIALS.bos, device=z.device)
        log_p = z.new_full((len(z), self.size), -torch.inf)
        log_p[:, 0] = 0
        z = z.repeat_interleave(self.size, 0)
        return Live(torch.arange(len(ids), device=z.device), ids, log_p, z, decoder.start(z))

    def _rank(self, word_log_p: Tensor, log_p: Tensor, first: bool) -> Ranked:
        """log p of the next words (B*K,V) and of the hypotheses (B,K) -> the K best, and the ends among them."""
        vocabulary, shape = word_log_p.shape[1], log_p.shape
        forbid(word_log_p, self.forbidden(vocabulary, first))
        ends = log_p + word_log_p[:, SPECIALS.eos].view(shape)
        word_log_p[:, SPECIALS.eos] = -torch.inf
        best, words = word_log_p.topk(min(self.size, vocabulary))
        total = (log_p[:, :, None] + best.view(*shape, best.shape[1])).flatten(1)
        log_p, column = total.topk(self.size)
        last_place = torch.cat([log_p, ends], 1).topk(self.size).values[:, -1:]
        words = words.view(total.shape).gather(1, column)
        return Ranked(ends.masked_fill(ends < last_place, -torch.inf), log_p, column // best.shape[1], words)

    def _go_on(self, live: Live, state: State, ranked: Ranked, open_: Tensor) -> Live:
        """The hypotheses of the sentences `open_` (rows of live), each grown by its word."""
        parents = ranked.parents[open_]
        rows = (open_[:, None] * self.size + parents).flatten()
        ids = torch.cat([live.ids[open_[:, None], parents], ranked.words[open_][:, :, None]], 2)
        return Live(live.sentence[open_], ids, ranked.log_p[open_], live.z[rows], rows_of(state, rows))

    def _norm(self, length: int) -> float:
        return float(((5 + length) / 6) ** self.length_penalty)
