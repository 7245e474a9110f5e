"""Standard error, on which all that is said of work goes; imports nothing heavy."""

import sys
from contextlib import suppress


def say(line: str) -> None:
    clear = "\r\033[K" if is_terminal() else ""
    tell(f"{clear}{line}\n")


def is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def tell(text: str) -> None:
    """To standard error, if anyone still reads it: hours of training do not end with the terminal they were begun in."""
    if sys.stderr is not None:  # as it is under 2>&-
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()
