import time
from pathlib import Path

import pytest

from textvae.training import crowding
from textvae.training.crowding import Look, crowded, look


@pytest.mark.parametrize("idle, own, threads", [(0.0, 2.0, 2), (1.2, 0.8, 2), (0.0, 1.6, 2), (0.0, 0.3, 1)])
def test_silent_where_threads_have_their_cores(idle: float, own: float, threads: int) -> None:
    assert crowded(Look(5.0, 10.0, 1.0), Look(6.0, 10.0 + idle, 1.0 + own), threads) is None


@pytest.mark.parametrize("idle, own, threads, fewer", [(0.0, 1.0, 2, 1), (0.1, 0.2, 2, 1), (3.0, 1.0, 8, 4)])
def test_tells_how_many_threads_others_leave_cores_for(
    idle: float, own: float, threads: int, fewer: int
) -> None:
    said = crowded(Look(5.0, 10.0, 1.0), Look(7.0, 10.0 + 2 * idle, 1.0 + 2 * own), threads)
    assert said is not None
    assert f"about {idle + own:.1f} cores to {threads} threads" in said
    assert f"compute.threads={fewer} " in said


def test_says_nothing_of_looks_too_near_or_missing() -> None:
    busy = Look(5.0, 10.0, 1.0)
    assert crowded(busy, busy._replace(now=5.05), 2) is None
    assert crowded(None, busy, 2) is crowded(busy, None, 2) is None


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
