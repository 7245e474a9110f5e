"""Decoding that says one word after the other and never goes back: greedy search and ancestral sampling."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from textvae.data.specials import SPECIALS
from textvae.generation.decoding import Decoded, Decoding, WordByWord, forbid, rows_of


class Stepwise(Decoding):
    """Chooses each word for good; a sentence that has ended takes no part in the next step."""

    def noise(self, rows: int, generator: torch.Generator) -> Tensor:
        """(rows, max_length) in [0,1): each row its own, so that no result depends on which rows go together."""
        return torch.rand(rows, self.max_length, generator=generator)

    @abstractmethod
    def choose(self, logits: Tensor, noise: Tensor) -> Tensor:
        """logits (N,V), -inf where forbidden, and noise (N,) in [0,1) -> the next words (N,)."""

    def decode(self, decoder: WordByWord, z: Tensor, generator: torch.Generator) -> Decoded:
        noise = self.noise(len(z), generator).to(z.device)
        ids = torch.full((len(z), self.max_length), SPECIALS.pad, device=z.device)
        log_p = z.new_zeros(len(z))
        going = torch.arange(len(z), device=z.device)  # rows that have not ended
        tokens, state = torch.full_like(going, SPECIALS.bos), decoder.start(z)
        length = 0
        while len(going) and length < self.max_length:
            logits, state = decoder.step(tokens, z, state)
            logits = logits.log_softmax(-1)
            allowed = forbid(logits, self.forbidden(logits.shape[1], first=length == 0))
            tokens = self.choose(allowed, noise[going, length])
            ids[going, length] = tokens
            log_p[going] += logits.gather(1, tokens[:, None])[:, 0]
            length += 1
            kept = (tokens != SPECIALS.eos).nonzero()[:, 0]
            if len(kept) < len(tokens):
                going, tokens, z, state = going[kept], tokens[kept], z[kept], rows_of(state, kept)
        finished = (ids == SPECIALS.eos).any(1)
        return Decoded(ids[:, :length], log_p, finished)


@dataclass(frozen=True, kw_only=True)
class Greedy(Stepwise):
    """The most probable word at each step."""

    def noise(self, rows: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(1, 1).expand(rows, self.max_length)

    def choose(self, logits: Tensor, noise: Tensor) -> Tensor:
        return logits.argmax(-1)


@dataclass(frozen=True)
class Sample(Stepwise):
    """A word drawn from softmax(log p / temperature), cut to its top_k most probable words (0: no cut), and then to
    the fewest of those that hold a mass of top_p (the nucleus of Holtzman et al. 2020, arXiv 1904.09751).

    ValueError for a temperature not above 0, a top_k below 0 or a top_p not in (0,1].
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.temperature < torch.inf:
            raise ValueError(f"temperature is {self.temperature}, must be above 0 and finite")
        if self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k}, must be at least 1, or 0 for no cut")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}, must be in (0, 1]")

    def choose(self, logits: Tensor, noise: Tensor) -> Tensor:
        words = None
        if self.top_k:
            logits, words = logits.topk(min(self.top_k, logits.shape[1]))
        # The greatest goes to 0 first: a small temperature then overflows to -inf, never to NaN.
        weights = ((logits - logits.amax(1, keepdim=True)) / self.temperature).softmax(1)
        if self.top_p < 1:
            weights, columns = nucleus(weights, self.top_p)
            words = columns if words is None else words.gather(1, columns)
        column = draw(weights, noise)[:, None]
        return (column if words is None else words.gather(1, column))[:, 0]


def nucleus(probabilities: Tensor, mass: float) -> tuple[Tensor, Tensor]:
    """The fewest greatest of probabilities (N,V) that hold `mass` -> weights (N,C), falling, 0 beyond; columns (N,C)."""
    values, columns = _greatest(probabilities, mass)
    before = values.cumsum(1) - values
    return values.masked_fill(before >= mass, 0.0), columns


def _greatest(probabilities: Tensor, mass: float) -> tuple[Tensor, Tensor]:
    """As many sorted columns as hold `mass` in every row: few mostly, where sorting all of V costs ten times as much."""
    vocabulary, size = probabilities.shape[1], 64
    while size < vocabulary:
        values, columns = probabilities.topk(size)
        if bool((values.sum(1) > mass).all()):
            return values, columns
        size *= 8
    return probabilities.sort(1, descending=True)


def draw(weights: Tensor, noise: Tensor) -> Tensor:
    """One column a row with probability in proportion to weights (N,C), by the inverse of their sums at noise (N,)."""
    sums = weights.cumsum(1)
    column = torch.searchsorted(sums, noise[:, None] * sums[:, -1:], right=True)
    column = column.clamp_(max=weights.shape[1] - 1)
    # Rounding in the sums may point at a weight of 0, which must never be drawn.
    chosen = weights.gather(1, column) > 0
    return torch.where(chosen, column, weights.argmax(1, keepdim=True))[:, 0]
