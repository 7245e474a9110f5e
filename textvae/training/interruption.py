"""Ctrl-C and SIGTERM as a wish that is read between two steps of training, or of what takes long after it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from textvae.errors import Interrupted

Progress = Callable[[str, int, int], None]  # what, done, of


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Yields `stop_requested`; a second Ctrl-C ends the process at once. Outside the main thread it never asks to stop."""
    requested = False

    def request(number: int, frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def heeding(progress: Progress, stop_requested: Callable[[], bool], message: str) -> Progress:
    """The progress of work that has no state to save: Interrupted(message) at its next report once a stop is requested."""

    def report(what: str, done: int, of: int) -> None:
        progress(what, done, of)
        if stop_requested():
            raise Interrupted(message)

    return report
