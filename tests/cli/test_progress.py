"""What is told of the time that is left."""

import os
import subprocess

import pytest

from tests.cli.process import SMALL, command, environment
from textvae.cli import progress, stderr
from textvae.cli.progress import Progress, remaining


def test_the_time_left_of_work_that_goes_on_is_that_of_its_own_steps(monkeypatch, capsys):
    """One second a step, resumed at 900 of 1330."""
    clock = {"now": 0.0}
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock["now"])
    monkeypatch.setattr(stderr.sys.stderr, "isatty", lambda: False, raising=False)
    report = Progress(every=20)
    for done in range(901, 942):
        report("epoch 3/9", done, 1330)
        clock["now"] += 1
    assert capsys.readouterr().err.splitlines() == [
        "epoch 3/9: 921/1330, 6 min left",
        "epoch 3/9: 941/1330, 6 min left",
    ]


@pytest.mark.parametrize(
    ("elapsed", "done", "of", "said"),
    [(10, 10, 60, "50 s left"), (100, 1, 4, "5 min left"), (3600, 1, 4, "3.0 h left"), (0, 0, 9, "0 s left")],
)
def test_time_in_the_unit_that_fits(elapsed, done, of, said):
    assert remaining(elapsed, done, of) == said


class Gone:
    """A terminal that is no more."""

    def isatty(self):
        return False

    def write(self, text):
        raise BrokenPipeError

    def flush(self):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("terminal", [Gone(), None])
def test_a_terminal_that_is_gone_is_no_error(monkeypatch, terminal):
    monkeypatch.setattr(stderr.sys, "stderr", terminal)
    stderr.say("epoch 1")
    Progress(every=0.0)("epoch", 1, 2)


def test_training_outlives_the_terminal_it_was_begun_in(tmp_path):
    """As under `textvae train 2>&1 | head -1`: nobody reads what it says."""
    unread, said = os.pipe()
    os.close(unread)
    run = command("train", *SMALL, f"run_dir={tmp_path / 'run'}")
    done = subprocess.run(run, stdout=said, stderr=said, env=environment(), check=False)
    os.close(said)
    assert done.returncode == 0
    assert (tmp_path / "run" / "summary.json").is_file()
