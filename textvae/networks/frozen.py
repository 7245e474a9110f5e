"""Parameters that a pass should not spend gradients on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor


@contextmanager
def frozen(parameters: Iterable[Tensor]) -> Iterator[None]:
    """None of the `parameters`, all of which want gradients outside, asks for them within."""
    held = list(parameters)
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)
