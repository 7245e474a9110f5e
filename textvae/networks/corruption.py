"""What the decoder is shown in place of the words it should predict the next of.

Word dropout and the inputless decoder are of Bowman et al. 2016 (arXiv 1511.06349, section 3.1).
"""

import torch
from torch import Tensor


def drop_words(ids: Tensor, keep: float, unk: int) -> Tensor:
    """Each word of ids (B,T), but never the first position `<s>`, becomes `<unk>` with probability 1 - keep."""
    dropped = torch.rand(ids.shape, device=ids.device) >= keep
    dropped[:, 0] = False
    return ids.masked_fill(dropped, unk)


class WordDropout:
    """Drops words in training only; keep is the keep rate of Bowman et al. (1 = off), in (0, 1]."""

    def __init__(self, keep: float, unk: int) -> None:
        if keep == 0:
            raise ValueError("word_keep is 0: a decoder that never sees a word is set by inputless=true")
        if not 0 < keep <= 1:
            raise ValueError(f"word_keep is {keep}, must be in (0, 1]")
        self.keep, self.unk = keep, unk

    def __call__(self, ids: Tensor, training: bool) -> Tensor:
        return drop_words(ids, self.keep, self.unk) if training and self.keep < 1 else ids


class Inputless:
    """Every input is `<unk>`, in training, evaluation and generation alike."""

    def __init__(self, unk: int) -> None:
        self.unk = unk

    def __call__(self, ids: Tensor, training: bool) -> Tensor:
        return torch.full_like(ids, self.unk)
