"""Dropout whose mask costs a quarter of torch's on a CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHORT, LONG = 8, 16  # bits that decide over a number


class Dropout(nn.Module):
    """Each number becomes 0 with probability p, the others are divided by 1 - p (Srivastava et al. 2014), in training only.

    On a CPU one draw of 64 bits decides over eight numbers where p is a multiple of 2^-8, such as a half, else over
    four, and p is rounded to a multiple of 2^-16. ValueError for p outside [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout is {p}, must be in [0, 1)")
        self.p, self.bits = p, LONG if p * 2**SHORT % 1 else SHORT

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        draws = torch.empty(-(-x.numel() * self.bits // 64), dtype=torch.int64).random_(-(2**63), None)
        levels, small = 2**self.bits, torch.int8 if self.bits == SHORT else torch.int16
        dropped = min(round(self.p * levels), levels - 1)
        kept = draws.view(small)[: x.numel()].view(x.shape) >= dropped - levels // 2
        return x * kept.to(x.dtype).mul_(levels / (levels - dropped))
