"""What callers may give for sentences, points, labels and ways, and what each of it means."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard, TypeVar

import numpy as np
from torch import Tensor

from textvae.errors import ConfigError
from textvae.registry import construct

T = TypeVar("T")

Points = Tensor | np.ndarray | Sequence[Sequence[float]]
Choice = str | Mapping[str, Any]  # "beam", or {"name": "beam", "size": 10}


def is_text(x: Sequence[str] | Points) -> TypeGuard[Sequence[str]]:
    several = isinstance(x, Sequence) or (isinstance(x, np.ndarray) and x.ndim == 1)
    return isinstance(x, str) or (several and all(isinstance(item, str) for item in x))


def whole(n: int) -> int:
    """The least multiple of 16 that holds n: torch draws in sixteens, and only whole ones are the same for every n."""
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise ValueError(f"n is {n!r}, must be a whole number of at least 1")
    return -(-n // 16) * 16


def numbered(names: Sequence[str], label: str | int) -> int:
    """The number of a label given by its name or its number. ConfigError for one that is not among `names`."""
    if not names:
        raise ConfigError(f"label is {label!r}, but this model has no labels: it was trained without any")
    if str(label) in names:
        return names.index(str(label))
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(names):
        return label
    raise ConfigError(
        f"label is {label!r}, must be one of {', '.join(names)}, or a number from 0 to {len(names) - 1}"
    )


def chosen(registry: Mapping[str, Callable[..., T]], choice: T | Choice, what: str) -> T:
    """The object that a choice names, or the object itself. ConfigError for an unknown name or setting."""
    if isinstance(choice, str):
        return construct(registry, {"name": choice}, what)
    return construct(registry, choice, what) if isinstance(choice, Mapping) else choice
