"""log sum_v exp(h . w_v) of many hidden states that follow the same words, from some of the vocabulary."""

import torch
from torch import Tensor
from torch.nn import functional as F

PILOTS = 4  # states whose mean distribution decides which words are looked at
PLACES = 128  # at a time: the choice of words takes some 13 numbers for each place and word of the vocabulary
DEFENCE = 1e-3  # share of the uniform distribution in it: no word is left without a chance


def estimated_log_normaliser(hidden: Tensor, weight: Tensor, words: int) -> Tensor:
    """hidden (S,N,H): S states at each of N places; weight (V,H) -> (S,N), nats, from `words` = M of the V words.

    Z^ = sum_{v in M} exp(h . w_v) / pi_v (Horvitz & Thompson 1952), where v is taken with probability
    pi_v = min(1, c p_v), sum pi = M, p the mean softmax of the first states: the probable words surely, and of the
    others a sample. Z^ is unbiased, so that log Z^ is too low, to second order by half its variance; it is next to
    exact where all states are equal, and worse the further a state is from the first ones. Sums are in the type of h.
    """
    return torch.cat([_estimated(part, weight, words) for part in hidden.split(PLACES, dim=1)], dim=1)


def _estimated(hidden: Tensor, weight: Tensor, words: int) -> Tensor:
    pilots = hidden[:PILOTS]
    chances = torch.stack([(pilot @ weight.T).softmax(1) for pilot in pilots]).mean(0)
    ids, log_inclusion = choose(chances.lerp(chances.new_tensor(1 / len(weight)), DEFENCE), words)
    normaliser = hidden.new_empty(hidden.shape[:2])
    for place, (some, log_pi) in enumerate(zip(ids, log_inclusion, strict=True)):
        normaliser[:, place] = F.linear(hidden[:, place], weight[some], -log_pi).logsumexp(1)
    return normaliser


def choose(chances: Tensor, words: int) -> tuple[Tensor, Tensor]:
    """chances (N,V) -> `words` = M numbers of words in each row, (N,M), and the log pi of each, pi = min(1, c chance).

    Systematic sampling (Madow 1949): the words lie side by side, pi_v wide, and one rule with a step of 1 is laid over
    them at a random place, so that exactly M are met and neighbours seldom together.
    """
    largest = chances.topk(words, dim=1).values.double()
    before = largest.cumsum(1) - largest
    positions = torch.arange(words, device=chances.device)
    scales = (words - positions) / (chances.sum(1, keepdim=True, dtype=torch.float64) - before)
    # The least j with pi <= 1 beyond the j largest.
    sure = (scales * largest <= 1).int().argmax(1, keepdim=True)
    pi = (chances * scales.gather(1, sure)).clamp(max=1)
    ends = pi.cumsum(1)
    ends = ends * (words / ends[:, -1:])
    rule = positions + torch.rand(len(chances), 1, dtype=torch.float64, device=chances.device)
    ids = torch.searchsorted(ends, rule, right=True).clamp(max=chances.shape[1] - 1)
    return ids, pi.gather(1, ids).log().to(chances.dtype)
