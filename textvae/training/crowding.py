"""Whether other programs leave a training the cores that its threads want."""

import os
import time
from pathlib import Path
from typing import NamedTuple

STATISTICS = Path("/proc/stat")  # of Linux: elsewhere nothing is known
SHORTEST = 0.1  # seconds between two looks: the system counts in hundredths
MISSING = 0.5  # of a core, from which on threads wait for one another


class Look(NamedTuple):
    """Seconds: by the wall clock, those that cores have been idle and those that this process has had of them."""

    now: float
    idle: float
    own: float


def look(statistics: Path = STATISTICS) -> Look | None:
    """None where the system does not tell."""
    try:
        idle, waiting = (int(field) for field in statistics.read_text().split()[4:6])
    except (OSError, ValueError):
        return None
    used = os.times()
    return Look(time.monotonic(), (idle + waiting) / os.sysconf("SC_CLK_TCK"), used.user + used.system)


def crowded(before: Look | None, after: Look | None, threads: int) -> str | None:
    """What to say of `threads` threads by the cores that this process had or could have had between two looks."""
    if before is None or after is None or after.now - before.now < SHORTEST:
        return None
    free = (after.idle - before.idle + after.own - before.own) / (after.now - before.now)
    if threads < 2 or free >= threads - MISSING:
        return None
    fewer = max(1, int(free + MISSING))
    return (
        f"note: other programs leave about {free:.1f} cores to {threads} threads, which lose much of them in waiting for "
        f"one another: compute.threads={fewer} may be faster"
    )
