"""Optimisers that take the factor of a clipped gradient norm along, so that no gradient is scaled beforehand."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn

LARGEST = 1e38  # what float32 can hold


class ScaledOptimizer(Protocol):
    """An optimiser that goes down `factor` times the gradient."""

    param_groups: list[dict[str, Any]]
    state: Any

    def descend(self, factor: float) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


class SGD:
    """theta -= lr * factor * gradient, in place; of a sparse gradient only the rows that it holds.

    No torch.optim.Optimizer: the first one in a process imports torch's compiler, a second of each start.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": lr}]
        self.state: dict[Any, Any] = {}  # it gathers nothing

    @torch.no_grad()
    def descend(self, factor: float) -> None:
        for group in self.param_groups:
            rate = -group["lr"] * factor
            changed = [parameter for parameter in group["params"] if parameter.grad is not None]
            dense = [parameter for parameter in changed if not parameter.grad.is_sparse]
            torch._foreach_add_(dense, [parameter.grad for parameter in dense], alpha=rate)
            for parameter in changed:
                if parameter.grad.is_sparse:
                    rows = parameter.grad.coalesce()
                    parameter.index_add_(0, rows.indices()[0], rows.values(), alpha=rate)

    def state_dict(self) -> dict[str, Any]:
        """As torch's optimisers write theirs: parameters by number."""
        (group,) = self.param_groups
        return {"state": {}, "param_groups": [{**group, "params": [*range(len(group["params"]))]}]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """ValueError where the state is of another number of parameters."""
        (group,), (saved,) = self.param_groups, state_dict["param_groups"]
        if len(saved["params"]) != len(group["params"]):
            raise ValueError(f"it is of {len(saved['params'])} parameters, these are {len(group['params'])}")
        group["lr"] = saved["lr"]


class AdamW(torch.optim.AdamW):
    """AdamW (Loshchilov & Hutter 2019) of factor times the gradient."""

    @torch.no_grad()
    def descend(self, factor: float) -> None:
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        torch._foreach_mul_(gradients, factor)
        self.step()


class Recipe(NamedTuple):
    """How to make an optimiser of some parameters, and whether it takes sparse gradients of embeddings."""

    make: Callable[[Iterable[nn.Parameter]], ScaledOptimizer]
    sparse: bool


def sgd(lr: float = 1.0) -> Recipe:
    """SGD without momentum, as He et al. 2019 use it. ValueError unless lr > 0."""
    _check_rate(lr)
    return Recipe(lambda parameters: SGD(parameters, lr), sparse=True)


def adamw(lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), weight_decay: float = 0.0) -> Recipe:
    """AdamW with decoupled weight decay. ValueError unless lr > 0."""
    _check_rate(lr)
    if len(betas) != 2:
        raise ValueError(f"betas is {list(betas)}, must be two numbers")
    settings: dict[str, Any] = {"lr": lr, "betas": (betas[0], betas[1]), "weight_decay": weight_decay}
    return Recipe(lambda parameters: AdamW(parameters, **settings), sparse=False)


def _check_rate(lr: float) -> None:
    if not 0 < lr < LARGEST:
        raise ValueError(f"lr is {lr}, must be above 0 and below {LARGEST:g}")


OPTIMIZERS: dict[str, Callable[..., Recipe]] = {"sgd": sgd, "adamw": adamw}
