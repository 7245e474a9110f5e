"""Gradient steps: optimisers over the inference and the generative parameters, a clipped norm, one learning rate."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from textvae.errors import TrainingError
from textvae.model import SentenceVAE

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


class Part:
    """Parameters that are updated together."""

    def __init__(self, parameters: Iterable[nn.Parameter], make: MakeOptimizer) -> None:
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self.optimizer = make(self.parameters) if self.parameters else None

    def step(self) -> None:
        if self.optimizer is not None:
            self.optimizer.step()


class Descent:
    """The two parts of a model, q(z|x) and p(x, z), each with its optimiser.

    `clip` bounds the gradient norm (0: no bound); the norm is that of the parts named in `descend`.
    """

    def __init__(self, model: SentenceVAE, make: MakeOptimizer, clip: float) -> None:
        if not clip >= 0:
            raise ValueError(f"clip is {clip}, must be at least 0 (0: no clipping)")
        self.inference = Part(model.inference_parameters(), make)
        self.generative = Part(model.generative_parameters(), make)
        self.parts = (self.inference, self.generative)
        self.clip, self._make = clip, make

    def descend(self, loss: Tensor, update: Sequence[Part], norm_over: Sequence[Part]) -> Tensor:
        """One step of the parts in `update` down the gradient of loss; returns the gradient norm before clipping.

        Raises TrainingError, leaving the parameters as they were, where the loss or the norm is not finite.
        """
        for part in self.parts:
            for parameter in part.parameters:
                parameter.grad = None
        loss.backward()
        measured = [parameter for part in norm_over for parameter in part.parameters]
        norm = nn.utils.clip_grad_norm_(measured, self.clip or math.inf)
        if not bool(torch.isfinite(loss.detach() + norm)):
            raise TrainingError(f"the loss is {loss.item():g} and its gradient norm {norm.item():g}")
        for part in update:
            part.step()
        return norm

    @property
    def learning_rate(self) -> float:
        return float(self._optimizers()[0].param_groups[0]["lr"])

    def scale_learning_rate(self, factor: float) -> None:
        for optimizer in self._optimizers():
            for group in optimizer.param_groups:
                group["lr"] *= factor

    def forget(self) -> None:
        """Drops what the optimisers have gathered, as when the best weights are loaded again."""
        for optimizer in self._optimizers():
            optimizer.state.clear()

    def state_dict(self) -> dict[str, Any]:
        return {"optimizers": [optimizer.state_dict() for optimizer in self._optimizers()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for optimizer, saved in zip(self._optimizers(), state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def _optimizers(self) -> list[Optimizer]:
        return [part.optimizer for part in self.parts if part.optimizer is not None]


def sgd(lr: float = 1.0, momentum: float = 0.0) -> MakeOptimizer:
    """Plain SGD as He et al. 2019 use it; the learning rate must be above 0."""
    _check_rate(lr)
    return lambda parameters: SGD(parameters, lr=lr, momentum=momentum)


def adamw(
    lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), weight_decay: float = 0.0
) -> MakeOptimizer:
    """AdamW (Loshchilov & Hutter 2019)."""
    _check_rate(lr)
    return lambda parameters: AdamW(parameters, lr=lr, betas=(betas[0], betas[1]), weight_decay=weight_decay)


def _check_rate(lr: float) -> None:
    if not lr > 0:
        raise ValueError(f"lr is {lr}, must be above 0")


OPTIMIZERS: dict[str, Callable[..., MakeOptimizer]] = {"sgd": sgd, "adamw": adamw}
