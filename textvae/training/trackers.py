"""Where the numbers of a run go. The trainer knows no more of a tracker than `Tracker`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

from textvae.training.trackers_jsonlines import JsonLines
from textvae.training.trackers_wandb import Wandb

__all__ = ["TRACKERS", "JsonLines", "Nothing", "Several", "Tracker", "Wandb"]


class Tracker(Protocol):
    """Takes what a run reports. Steps are optimiser steps; names are paths such as valid/kl.

    `load_state_dict` comes before the first row or not at all. No row follows `finish`, which may come twice.
    """

    def log(self, metrics: Mapping[str, float], step: int) -> None: ...

    def histogram(self, name: str, values: Sequence[float], step: int) -> None: ...

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None: ...

    def summary(self, values: Mapping[str, Any]) -> None: ...

    def finish(self, failed: bool = False, reason: str = "") -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Nothing:
    """Forgets everything."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        pass

    def histogram(self, name: str, values: Sequence[float], step: int) -> None:
        pass

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        pass

    def summary(self, values: Mapping[str, Any]) -> None:
        pass

    def finish(self, failed: bool = False, reason: str = "") -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


class Several:
    """Passes everything on to each of `trackers`, in order."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = list(trackers)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        for tracker in self._trackers:
            tracker.log(metrics, step)

    def histogram(self, name: str, values: Sequence[float], step: int) -> None:
        for tracker in self._trackers:
            tracker.histogram(name, values, step)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        for tracker in self._trackers:
            tracker.table(name, columns, rows, step)

    def summary(self, values: Mapping[str, Any]) -> None:
        for tracker in self._trackers:
            tracker.summary(values)

    def finish(self, failed: bool = False, reason: str = "") -> None:
        """Finishes all, also where one of them raises."""
        with ExitStack() as stack:
            for tracker in reversed(self._trackers):
                stack.callback(tracker.finish, failed, reason)

    def state_dict(self) -> dict[str, Any]:
        """Keyed by place and class, since a run may be resumed with other trackers."""
        return {key: tracker.state_dict() for key, tracker in self._keyed()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for key, tracker in self._keyed():
            if key in state:
                tracker.load_state_dict(state[key])

    def _keyed(self) -> list[tuple[str, Tracker]]:
        return [
            (f"{place}:{type(tracker).__name__}", tracker) for place, tracker in enumerate(self._trackers)
        ]


TRACKERS: dict[str, Callable[..., Tracker]] = {"wandb": Wandb, "none": Nothing}
