"""What is told of the time that is left."""

import pytest

from textvae.cli import progress
from textvae.cli.progress import Progress, remaining


def test_the_time_left_of_work_that_goes_on_is_that_of_its_own_steps(monkeypatch, capsys):
    """One second a step, resumed at 900 of 1330."""
    clock = {"now": 0.0}
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock["now"])
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False, raising=False)
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
