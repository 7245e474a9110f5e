"""Running means of what the steps of training report."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor


class Means:
    """Means of named values, each weighted by the sentences it stands for, since the last `take`."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._weight = 0

    def __bool__(self) -> bool:
        """Whether anything was added since the last `take`."""
        return self._weight > 0

    def add(self, values: Mapping[str, Tensor | float], weight: int) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * weight
        self._weight += weight

    def take(self) -> dict[str, float]:
        means = (
            {name: float(total) / self._weight for name, total in self._sums.items()} if self._weight else {}
        )
        self._sums, self._weight = {}, 0
        return means

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self._sums), "weight": self._weight}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._weight = dict(state["sums"]), state["weight"]
