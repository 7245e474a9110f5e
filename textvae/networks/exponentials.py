"""The exponentials of all logits, by blocks of words, with what is added up over them."""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

ALIGNED = 64  # bytes: a line of the cache, and the longest vector of a processor
BLOCK = 2048  # words at a time on a CPU: what is made of them is met again before it has left the cache
LEAST, MOST = 1e-30, 1e30  # of a normaliser that float32 and bfloat16 hold with all digits


class Block(NamedTuple):
    """Some words W (v,H) of the vocabulary, and for how many each of them stands (v,); None: for itself."""

    words: Tensor
    counts: Tensor | None


def blocks_of(weight: Tensor, counts: Tensor | None) -> list[Block]:
    """Those of weight (V,H) and counts (V,): BLOCK words each, on a GPU all in one, which is spared small products."""
    size = BLOCK if weight.device.type == "cpu" else len(weight)
    words = weight.split(size)
    return [*map(Block, words, [None] * len(words) if counts is None else counts.split(size))]


class Met(NamedTuple):
    """E = exp(h W^T) by blocks (N,v), s = the row sums of E C (N,), E C W (N,H) where it is wanted, and log s.

    Where the logits were shifted E, s and E C W are those of the shifted ones, and log s is that of the logits as they were.
    """

    exponentials: list[Tensor]
    sums: Tensor
    sums_of_words: Tensor | None
    log_normaliser: Tensor


def meet(hidden: Tensor, blocks: Sequence[Block], dtype: torch.dtype, wanted: bool) -> Met:
    """States (N,H) with all words; E is of their type, all else of `dtype`.

    On a CPU logits keep their size, which spares two passes over them, unless a sum of so large or small ones would lose
    digits: a look for which a GPU would be waited for. Else the largest of each row is taken off before.
    """
    if hidden.device.type == "cpu":
        met = _add_up(_logits(hidden, blocks), blocks, dtype, wanted)
        if bool(((met.sums > LEAST) & (met.sums < MOST)).all()):
            return met
        del met
    whole = list(_logits(hidden, blocks))
    top = reduce(torch.maximum, (logits.amax(1, keepdim=True) for _, logits in whole))
    met = _add_up(((words, logits.sub_(top)) for words, logits in whole), blocks, dtype, wanted)
    return met._replace(log_normaliser=met.log_normaliser + top.squeeze(1).to(dtype))


def _logits(hidden: Tensor, blocks: Iterable[Block]) -> Iterator[tuple[Tensor, Tensor]]:
    """Each block's words in the type of the states, and the logits of those (N,v)."""
    for block in blocks:
        words = block.words.to(hidden.dtype)
        yield words, logits_of(hidden, words)


def _add_up(
    logits: Iterable[tuple[Tensor, Tensor]], blocks: Iterable[Block], dtype: torch.dtype, wanted: bool
) -> Met:
    """Block by block, while what has just been made is in the cache."""
    exponentials, sums, sums_of_words = [], [], []
    for (words, some), block in zip(logits, blocks, strict=True):
        e = some.exp_()
        exponentials.append(e)
        sums.append(_row_sums(e, dtype) if block.counts is None else e.to(dtype) @ block.counts)
        if wanted:
            counted = words if block.counts is None else (block.words * block.counts[:, None]).to(words.dtype)
            sums_of_words.append((e @ counted).to(dtype))
    total = reduce(torch.add, sums)
    return Met(exponentials, total, reduce(torch.add, sums_of_words) if wanted else None, total.log())


def _row_sums(e: Tensor, dtype: torch.dtype) -> Tensor:
    """(N,v) -> (N,): on a CPU rounded once to the type of e, since torch takes copies of it there where the sum has another.

    Where that type is bfloat16 the logits were rounded as much before.
    """
    return e.sum(1).to(dtype) if e.device.type == "cpu" else e.sum(1, dtype=dtype)


def logits_of(hidden: Tensor, weight: Tensor) -> Tensor:
    """h W^T (N,V) without gradient; rows in memory begin at multiples of ALIGNED bytes: a view where V is no round number.

    Libraries write, and read again for the gradients, rows that begin anywhere at two thirds of the speed. Types below 32
    bits are left as they are: their products are another library's.
    """
    words, size = len(weight), hidden.element_size()
    if size < 4 or not words * size % ALIGNED:
        return hidden @ weight.T
    stored = -(-words * size // ALIGNED) * ALIGNED // size
    return torch.mm(hidden, weight.T, out=hidden.new_empty(len(hidden), stored)[:, :words])
