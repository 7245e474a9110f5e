"""The frame of a run: who may write in its folder, and how it ends for its tracker."""

import subprocess
import sys
from pathlib import Path

import pytest

from textvae.errors import CheckpointError, Interrupted, TrainingError
from textvae.training.interruption import heeding
from textvae.training.locks import LOCK, only_writer
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


def test_a_folder_has_one_writer_at_a_time(tmp_path):
    run = tmp_path / "run"
    with only_writer(run), only_writer(run / "pretraining"):
        with (
            pytest.raises(CheckpointError, match=f"another process is training in {run}: "),
            only_writer(run),
        ):
            pass
        (run / "config.json").touch()
    with only_writer(run):
        pass
    assert [path.name for path in run.iterdir()] == ["config.json"]


def test_what_was_made_for_the_lock_alone_is_taken_away(tmp_path):
    with pytest.raises(TrainingError), only_writer(tmp_path / "runs" / "ptb" / "run"):
        raise TrainingError("nothing was written")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_said_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(CheckpointError, match="cannot be written to: Not a directory"),
        only_writer(tmp_path / "file" / "run"),
    ):
        pass


HOLDS = """
import sys, time
from pathlib import Path
from textvae.training.locks import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_writer_holds_nothing(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(CheckpointError), only_writer(tmp_path):
            pass
        process.kill()
    assert (tmp_path / LOCK).exists()
    with only_writer(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_work_ends_at_its_next_report_once_a_stop_is_requested():
    reported: list[int] = []
    report = heeding(lambda what, done, of: reported.append(done), lambda: len(reported) == 2, "go on later")
    report("likelihood", 1, 9)
    with pytest.raises(Interrupted, match="go on later"):
        report("likelihood", 2, 9)
    assert reported == [1, 2]
