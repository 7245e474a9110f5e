"""As many threads as other programs leave cores: threads of a product wait for one another, so one without a core stops all."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from textvae.training.measurement import Console

STATISTICS = Path("/proc/stat")  # of Linux: elsewhere nothing is known, and threads stay as they are
SHORTEST = 0.1  # seconds between two looks: the system counts in hundredths
INTERVAL = 10.0  # seconds: what other programs do for less is not followed
MISSING = 0.5  # of a core, from which on threads wait for one another
SPARE = 0.75  # of a core, from which on another thread is worth having; above MISSING, lest the number swings


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


def cores_left(before: Look | None, after: Look | None) -> float | None:
    """Cores that this process had or could have had between two looks; None where they are too near or tell nothing."""
    if before is None or after is None or after.now - before.now < SHORTEST:
        return None
    return (after.idle - before.idle + after.own - before.own) / (after.now - before.now)


def threads_for(cores: float, threads: int, most: int) -> int:
    """How many threads to go on with where `threads` of `most` have had `cores` to themselves."""
    fewer, more = int(cores + MISSING), int(cores + 1 - SPARE)
    return max(1, fewer if fewer < threads else min(max(threads, more), most))


class Crowding:
    """Torch's threads as other programs come and go, between 1 and as many as torch had when this was made."""

    def __init__(self, say: Callable[[str], None], look: Callable[[], Look | None] = look) -> None:
        self.most = torch.get_num_threads()
        self._say, self._look = say, look
        self._last, self._due = look(), 0.0
        self._told = False

    def follow(self) -> None:
        """To be called often: it looks at most once an INTERVAL. The first change is told."""
        if time.monotonic() < self._due:
            return
        before, self._last = self._last, self._look()
        self._due = time.monotonic() + INTERVAL
        cores, threads = cores_left(before, self._last), torch.get_num_threads()
        if cores is None or (wanted := threads_for(cores, threads, self.most)) == threads:
            return
        torch.set_num_threads(wanted)
        if not self._told:
            self._told = True
            self._say(
                f"note: other programs leave about {cores:.1f} cores to {threads} threads, which would wait for one another: "
                f"{wanted} from here on, and more when they are gone (compute.threads={threads} keeps {threads})"
            )


def sharing(console: Console, threads: int | None) -> Console:
    """A console under whose progress torch's threads follow other programs, but where so many `threads` were asked for."""
    if threads is not None:
        return console
    crowding = Crowding(console.say)

    def progress(what: str, done: int, of: int) -> None:
        crowding.follow()
        console.progress(what, done, of)

    return console._replace(progress=progress)
