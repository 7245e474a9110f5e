"""From the states of all words to one vector a sentence; padding never counts."""

from collections.abc import Callable

import torch
from torch import Tensor

Pooling = Callable[[Tensor, Tensor, int], Tensor]


def last(states: Tensor, lengths: Tensor, directions: int) -> Tensor:
    """The state after the last word; of a backward direction, which ends at the first word, the state there."""
    rows = torch.arange(len(states), device=states.device)
    forward, *backward = states.chunk(directions, dim=-1)
    return torch.cat([forward[rows, lengths - 1], *(part[:, 0] for part in backward)], dim=-1)


def mean(states: Tensor, lengths: Tensor, directions: int) -> Tensor:
    """The mean over words (Long et al. 2019, arXiv 1911.03976)."""
    return states.masked_fill(_padding(states, lengths), 0.0).sum(1) / lengths[:, None]


def maximum(states: Tensor, lengths: Tensor, directions: int) -> Tensor:
    """The largest value over words, unit by unit (Long et al. 2019, arXiv 1911.03976)."""
    return states.masked_fill(_padding(states, lengths), -torch.inf).amax(1)


def _padding(states: Tensor, lengths: Tensor) -> Tensor:
    return (torch.arange(states.shape[1], device=states.device) >= lengths[:, None])[:, :, None]


# (states (B,T,D), lengths (B,), directions) -> (B,D)
POOLINGS: dict[str, Pooling] = {"last": last, "mean": mean, "max": maximum}
