"""How long work speaks: lines on standard error, one status line on a terminal, remaining time for what is long."""

import time

from textvae.cli.stderr import is_terminal, say, tell
from textvae.training.measurement import Console


class Progress:
    """Called with (what, done, of): rewrites one line on a terminal, else prints one every `every` seconds."""

    def __init__(self, every: float = 20.0) -> None:
        self.every = every
        self.what, self.first, self.began, self.said = "", 0, 0.0, 0.0

    def __call__(self, what: str, done: int, of: int) -> None:
        now = time.monotonic()
        if what != self.what or done <= 1:
            self.what, self.first, self.began, self.said = what, done, now, now
        terminal = is_terminal()
        finished = done >= of
        if now - self.said < (0.2 if terminal else self.every) and not (finished and terminal):
            return
        self.said = now
        line = f"{what}: {done}/{of}, {remaining(now - self.began, done - self.first, of - self.first)}"
        tell(f"\r\033[K{'' if finished else line}" if terminal else f"{line}\n")


def remaining(elapsed: float, done: int, of: int) -> str:
    seconds = round(elapsed / max(done, 1) * (of - done))
    if seconds < 90:
        return f"{seconds} s left"
    return f"{seconds // 60} min left" if seconds < 5400 else f"{seconds / 3600:.1f} h left"


def console() -> Console:
    return Console(say, Progress())
