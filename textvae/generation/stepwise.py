"""Decoding that says one word after the other and never goes back: greedy search and ancestral sampling."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from textvae.data.specials import SPECIALS
from textvae.generation.decoding import Decoded, Decoding, WordByWord, forbid, rows_of
from textvae.networks.exponentials import LEAST, MOST

BLOCK = 128  # columns whose weights are added up before one of them is drawn


class Stepwise(Decoding):
    """Chooses each word for good; a sentence that has ended takes no part in the next step."""

    def noise(self, rows: int, generator: torch.Generator) -> Tensor:
        """(rows, max_length) in [0,1): each row has its own, so that its company does not matter."""
        return torch.rand(rows, self.max_length, generator=generator)

    @abstractmethod
    def choose(self, logits: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """logits (N,V), -inf where forbidden, and noise (N,) in [0,1) -> the next words, log sum_v exp(logit_v), (N,) each."""

    def decode(self, decoder: WordByWord, z: Tensor, generator: torch.Generator) -> Decoded:
        noise = self.noise(len(z), generator).to(z.device)
        ids = torch.full((len(z), self.max_length), SPECIALS.pad, device=z.device)
        log_p = z.new_zeros(len(z))
        going = torch.arange(len(z), device=z.device)  # rows that have not ended
        tokens, state = torch.full_like(going, SPECIALS.bos), decoder.start(z)
        length = 0
        while len(going) and length < self.max_length:
            logits, state = decoder.step(tokens, z, state)
            banned = self.forbidden(logits.shape[1], first=length == 0)
            beside = logits.index_select(1, banned.to(logits.device)).logsumexp(1)
            tokens, normaliser = self.choose(forbid(logits, banned), noise[going, length])
            ids[going, length] = tokens
            log_p[going] += logits.gather(1, tokens[:, None])[:, 0] - normaliser.logaddexp(beside)
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

    def choose(self, logits: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        return logits.argmax(-1), logits.logsumexp(-1)


@dataclass(frozen=True)
class Sample(Stepwise):
    """A word drawn from softmax(log p / temperature), cut to its top_k most probable words (0: no cut), and then
    to the fewest of those that hold a mass of top_p (the nucleus of Holtzman et al. 2020, arXiv 1904.09751).

    ValueError for a temperature not above 0, a top_k below 0 or a top_p not in (0,1].
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1e-6 <= self.temperature < torch.inf:
            raise ValueError(
                f"temperature is {self.temperature}, must be above 0: 1e-6 or more (0 is greedy)"
            )
        if self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k}, must be at least 1, or 0 for no cut")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}, must be in (0, 1]")

    def choose(self, logits: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        weights, normaliser = exponentials(logits)
        if self.temperature != 1:
            weights = (logits / self.temperature).softmax(1)
        words = None
        if self.top_k:
            weights, words = weights.topk(min(self.top_k, logits.shape[1]))
        if self.top_p < 1:
            weights = nucleus(weights / weights.sum(1, keepdim=True), self.top_p)
        column = draw(weights, noise)
        return column if words is None else words.gather(1, column[:, None])[:, 0], normaliser


def exponentials(logits: Tensor) -> tuple[Tensor, Tensor]:
    """logits (N,V) -> weights (N,V) in proportion to their exponentials in each row, and log sum_v exp(logit_v) (N,).

    No pass over them finds a maximum, unless sums of logits so large or small would lose digits.
    """
    weights = logits.exp()
    sums = weights.sum(1)
    if bool(((sums > LEAST) & (sums < MOST)).all()):
        return weights, sums.log()
    top = logits.amax(1, keepdim=True)
    weights = (logits - top).exp_()
    return weights, weights.sum(1).log() + top[:, 0]


def nucleus(probabilities: Tensor, mass: float) -> Tensor:
    """probabilities (N,V), 0 but for the fewest greatest that hold `mass` (and what equals the least of those)."""
    # Few words hold the mass mostly, and sorting all of V costs ten times as much.
    least, enough = _least_kept(probabilities.topk(min(256, probabilities.shape[1])).values, mass)
    if not bool(enough.all()):
        least[~enough] = _least_kept(probabilities[~enough].sort(1, descending=True).values, mass)[0]
    return probabilities.masked_fill(probabilities < least, 0.0)


def _least_kept(falling: Tensor, mass: float) -> tuple[Tensor, Tensor]:
    """falling (N,C): the last value (N,1) that is needed to hold `mass`, and whether all of them hold it (N,)."""
    sums = falling.cumsum(1)
    needed = (sums < mass).sum(1, keepdim=True).clamp_(max=falling.shape[1] - 1)
    return falling.gather(1, needed), sums[:, -1] >= mass


def draw(weights: Tensor, noise: Tensor) -> Tensor:
    """A column of each row, in proportion to weights (N,C): where their sums pass the share noise (N,).

    First a block of columns and then one in it: sums of blocks take less time than sums up to each column.
    """
    whole = weights.shape[1] - weights.shape[1] % BLOCK
    blocks = weights[:, :whole].unflatten(1, (whole // BLOCK, BLOCK)).sum(2)
    sums = torch.cat([blocks, weights[:, whole:].sum(1, keepdim=True)], 1)
    ends = sums.cumsum(1)
    block, rest = _passed(ends, noise[:, None] * ends[:, -1:])
    inside = BLOCK * block + torch.arange(BLOCK, device=weights.device)
    beyond = inside >= weights.shape[1]
    inside.clamp_(max=weights.shape[1] - 1)
    within, _ = _passed(weights.gather(1, inside).masked_fill_(beyond, 0.0).cumsum(1), rest)
    column = inside.gather(1, within)
    missed = weights.gather(1, column) == 0
    if bool(missed.any()):  # rounding in the sums pointed at a weight of 0, which must never be drawn
        column = torch.where(missed, weights.argmax(1, keepdim=True), column)
    return column[:, 0]


def _passed(ends: Tensor, mark: Tensor) -> tuple[Tensor, Tensor]:
    """The first column of each row whose rising `ends` (N,C) pass the mark (N,1), and what of the mark lies in it; (N,1) each."""
    column = torch.searchsorted(ends, mark, right=True).clamp_(max=ends.shape[1] - 1)
    before = ends.gather(1, (column - 1).clamp_(min=0)).masked_fill_(column == 0, 0.0)
    return column, mark - before
