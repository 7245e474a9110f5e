"""The frame of a run: how it ends for its tracker."""

import pytest

from textvae.errors import Interrupted, TrainingError
from textvae.training.run import _finishing
from textvae.training.trackers import Nothing


class Ends(Nothing):
    def __init__(self) -> None:
        self.ends: list[tuple[bool, str]] = []

    def finish(self, failed: bool = False, reason: str = "") -> None:
        self.ends.append((failed, reason))


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (TrainingError("no longer finite"), (True, "TrainingError: no longer finite")),
        (MemoryError("all of it"), (True, "MemoryError: all of it")),
        (Interrupted("stopped at step 3"), (False, "")),
        (KeyboardInterrupt(), (False, "")),
    ],
)
def test_a_stopped_run_has_not_failed(error, end):
    tracker = Ends()
    with pytest.raises(type(error)), _finishing(tracker):
        raise error
    assert tracker.ends == [end]
