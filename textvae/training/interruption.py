"""Ctrl-C, SIGTERM and the end of a terminal as a wish, read between two steps of training or of what takes long after it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from textvae.errors import Interrupted

Progress = Callable[[str, int, int], None]  # what, done, of


def ending_signals() -> tuple[int, ...]:
    """Those that are heeded: the end of the terminal among them unless it was to be ignored, as by nohup."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,)))


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
    before = {number: signal.signal(number, request) for number in ending_signals()}
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
