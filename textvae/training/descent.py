"""Gradient steps: optimisers over the inference and the generative parameters, a clipped norm, one learning rate."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from textvae.errors import TrainingError
from textvae.model import SentenceVAE
from textvae.training.optimizers import Recipe, ScaledOptimizer


class Part:
    """Parameters that are updated together."""

    def __init__(self, parameters: Iterable[nn.Parameter], recipe: Recipe) -> None:
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self.optimizer: ScaledOptimizer | None = recipe.make(self.parameters) if self.parameters else None

    def descend(self, factor: float) -> None:
        if self.optimizer is not None:
            self.optimizer.descend(factor)

    def scale_learning_rate(self, factor: float) -> None:
        for group in self.optimizer.param_groups if self.optimizer is not None else ():
            group["lr"] *= factor


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The Euclidean norm of all gradients together; a row that a sparse one holds twice counts as its sum."""
    gradients = []
    for parameter in parameters:
        if parameter.grad is not None:
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
            gradients.append(parameter.grad.values() if parameter.grad.is_sparse else parameter.grad)
    return torch.stack(torch._foreach_norm(gradients)).norm()


class Descent:
    """The two parts of a model, q(z|x) and p(x, z), each with its optimiser.

    `clip` bounds the gradient norm (0: no bound); the norm is that of the parts named in `descend`. Learning rates of
    q(z|x) are `encoder_lr_factor` times those of the recipe. `auxiliary` parameters, such as those of an objective's
    terms, are updated with p(x, z), whose learning rate is the one that is shown.
    """

    def __init__(
        self,
        model: SentenceVAE,
        recipe: Recipe,
        clip: float,
        encoder_lr_factor: float = 1.0,
        auxiliary: Iterable[nn.Parameter] = (),
    ) -> None:
        if not clip >= 0:
            raise ValueError(f"clip is {clip}, must be at least 0 (0: no clipping)")
        if not encoder_lr_factor > 0:
            raise ValueError(f"encoder_lr_factor is {encoder_lr_factor}, must be above 0")
        self.inference = Part(model.inference_parameters(), recipe)
        self.inference.scale_learning_rate(encoder_lr_factor)
        self.generative = Part([*model.generative_parameters(), *auxiliary], recipe)
        self.parts = (self.inference, self.generative)
        self.clip = clip
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                # On a GPU sparse gradients would wait for it, and add up in no fixed order.
                module.sparse = recipe.sparse and module.weight.device.type == "cpu"

    def descend(
        self, loss: Tensor, update: Sequence[Part], norm_over: Sequence[Part], norm_a_nat: float = 0.0
    ) -> Tensor:
        """One step of the parts in `update` down the gradient of loss; returns the gradient norm before clipping.

        norm_a_nat: the norm counts as at least so much a nat of loss, where gradients that belong to it were not computed.
        Raises TrainingError, leaving the parameters as they were, where the loss or the norm is not finite.
        """
        for part in self.parts:
            for parameter in part.parameters:
                parameter.grad = None
        loss.backward()
        norm = gradient_norm(parameter for part in norm_over for parameter in part.parameters)
        both = torch.stack([norm.double(), loss.detach().double()])  # so that a GPU is waited for once
        size, value = both.tolist()
        if not math.isfinite(size + value):
            raise TrainingError(f"the loss is {value:g} and its gradient norm {size:g}")
        bounded = max(size, norm_a_nat * value)
        factor = self.clip / bounded if 0 < self.clip < bounded else 1.0
        for part in update:
            part.descend(factor)
        return norm

    @property
    def learning_rate(self) -> float:
        return float(self._optimizers()[-1].param_groups[0]["lr"])

    def scale_learning_rate(self, factor: float) -> None:
        for part in self.parts:
            part.scale_learning_rate(factor)

    def forget(self) -> None:
        """Drops what the optimisers have gathered, as when the best weights are loaded again."""
        for optimizer in self._optimizers():
            optimizer.state.clear()

    def state_dict(self) -> dict[str, Any]:
        return {"optimizers": [optimizer.state_dict() for optimizer in self._optimizers()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for optimizer, saved in zip(self._optimizers(), state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def _optimizers(self) -> list[ScaledOptimizer]:
        return [part.optimizer for part in self.parts if part.optimizer is not None]
