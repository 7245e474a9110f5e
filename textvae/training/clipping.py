"""By which gradient norm a step of the encoder alone is clipped."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from torch import Tensor

from textvae.networks.frozen import frozen
from textvae.objectives.objective import Loss
from textvae.training.descent import Descent, Part


class NormANat:
    """The gradient norm of all parameters a nat of loss, as the last update of the decoder had it; 0 before the first.

    It tells what an encoder update's norm of all gradients would be without computing those of the decoder: both grow
    with the length of the sentences.
    """

    def __init__(self) -> None:
        self.value = 0.0

    def see(self, loss: Loss) -> None:
        nats = float(loss.logs["loss"])
        if nats > 0:  # a term may pay for more than all the rest costs
            self.value = float(loss.logs["gradient_norm"]) / nats


class NotCounted(NormANat):
    """0: what was not computed does not bound a step."""

    def see(self, loss: Loss) -> None:
        return None


class Clip(NamedTuple):
    """Whose gradients are computed in encoder updates, and what of the others counts in their norm."""

    norm_over: Sequence[Part]
    decoder_mode: Callable[[Iterable[Tensor]], AbstractContextManager[None]]
    beside: NormANat


def clips(descent: Descent) -> dict[str, Clip]:
    """The choices by name."""
    alone = (descent.inference,)
    return {
        "joint": Clip(descent.parts, _as_they_are, NotCounted()),
        "own": Clip(alone, frozen, NotCounted()),
        "foretold": Clip(alone, frozen, NormANat()),
    }


@contextmanager
def _as_they_are(parameters: Iterable[Tensor]) -> Iterator[None]:
    yield
