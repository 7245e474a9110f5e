import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from textvae.training import crowding
from textvae.training.crowding import Crowding, Look, cores_left, look, sharing, threads_for
from textvae.training.measurement import Console


@pytest.mark.parametrize(
    "cores, threads, wanted",
    [
        (2.0, 2, 2),
        (1.6, 2, 2),
        (1.4, 2, 1),
        (0.3, 2, 1),
        (0.3, 1, 1),
        (1.7, 1, 1),
        (1.8, 1, 2),
        (4.0, 8, 4),
        (7.0, 4, 7),
        (64.0, 4, 8),
    ],
)
def test_threads_are_as_many_as_cores_are_left(cores: float, threads: int, wanted: int) -> None:
    assert threads_for(cores, threads, most=8) == wanted


@given(st.floats(0, 100), st.integers(1, 32), st.integers(1, 32))
def test_the_number_settles_at_once(cores: float, threads: int, most: int) -> None:
    wanted = threads_for(cores, min(threads, most), most)
    assert 1 <= wanted <= most
    assert threads_for(cores, wanted, most) == wanted


def test_cores_are_the_idle_ones_and_ones_own() -> None:
    assert cores_left(Look(5.0, 10.0, 1.0), Look(7.0, 12.4, 2.6)) == pytest.approx(2.0)


def test_looks_too_near_or_missing_tell_nothing() -> None:
    busy = Look(5.0, 10.0, 1.0)
    assert cores_left(busy, busy._replace(now=5.05)) is None
    assert cores_left(None, busy) is cores_left(busy, None) is None


@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_threads_follow_other_programs_and_the_first_change_is_told(
    four_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    seen = iter([Look(0.0, 0.0, 0.0), Look(10.0, 0.0, 20.0), Look(20.0, 15.0, 40.0), Look(30.0, 15.0, 50.0)])
    now = 100.0
    monkeypatch.setattr(crowding.time, "monotonic", lambda: now)
    crowd = Crowding(said.append, lambda: next(seen))
    for wanted in (2, 3, 1):  # by 2.0 cores, 3.5 and 1.0
        crowd.follow()
        crowd.follow()  # too soon: it does not look
        assert torch.get_num_threads() == wanted
        now += crowding.INTERVAL
    assert len(said) == 1
    assert "about 2.0 cores to 4 threads" in said[0]
    assert "2 from here on" in said[0] and "compute.threads=4 " in said[0]


def test_threads_stay_where_the_system_tells_nothing(four_threads: None) -> None:
    crowd = Crowding(pytest.fail, lambda: None)
    crowd.follow()
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("asked, looked", [(None, 2), (2, 0)])
def test_progress_follows_unless_a_number_of_threads_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, looked: int
) -> None:
    looks: list[None] = []
    told: list[tuple[str, int, int]] = []
    monkeypatch.setattr(crowding, "Crowding", partial(Crowding, look=lambda: looks.append(None)))
    console = Console(pytest.fail, lambda what, done, of: told.append((what, done, of)))
    sharing(console, asked).progress("epoch", 1, 2)
    assert len(looks) == looked  # at its beginning and at the first progress
    assert told == [("epoch", 1, 2)]


def test_looks_at_the_systems_own_statistics(tmp_path: Path) -> None:
    told = tmp_path / "stat"
    told.write_text("cpu  100 20 30 4000 500 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n")
    found = look(told)
    assert found is not None and found.idle == pytest.approx(4500 / crowding.os.sysconf("SC_CLK_TCK"))
    assert look(tmp_path / "none") is None
    told.write_text("cpu\n")
    assert look(told) is None


@pytest.mark.skipif(not crowding.STATISTICS.exists(), reason="no /proc/stat on this system")
def test_own_work_counts_as_cores_to_be_had() -> None:
    before = look()
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        pass
    after = look()
    assert before and after
    assert after.own > before.own
    assert after.idle >= before.idle
