"""Priors p(z), event shape (Z,), batch shape () or, where the prior is conditional, (B,)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal


class StandardNormal(nn.Module):
    """p(z) = N(0, I)."""

    mean: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size), persistent=False)

    def forward(self, labels: Tensor | None = None) -> Distribution:
        return Independent(
            Normal(self.mean, torch.ones_like(self.mean), validate_args=False), 1, validate_args=False
        )


PRIORS: dict[str, Callable[..., nn.Module]] = {"standard_normal": StandardNormal}
