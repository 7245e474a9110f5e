"""Locks on files, gone with the last process that holds them; one writer at a time in the folder of a run."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from textvae.errors import CheckpointError

LOCK = ".training"
TRIES = 1000  # to make a folder that others take away


def taken(path: Path) -> IO[bytes] | None:
    """The open file with its lock, which its own close and that of all who inherited it end; None where another has it.

    On a file system that knows no locks everyone has it.
    """
    file = _opened(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError:
        return file
    return file


def awaited(path: Path) -> IO[bytes]:
    """The same, as soon as nobody else has it."""
    file = _opened(path)
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds `folder`, which is made where it is not there, against every other process that trains in it.

    Leaves neither the lock's file behind nor folders that were made for it alone; where a killed process left that
    file, it holds nothing. CheckpointError where another process has the folder.
    """
    with without_empty(folder):
        file = _sole(folder / LOCK)
        try:
            yield
        finally:
            Path(file.name).unlink(missing_ok=True)
            file.close()


@contextmanager
def without_empty(folder: Path) -> Iterator[None]:
    """Takes `folder` and those above it away at the end, where they were made within and nothing came into them."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        with suppress(OSError):  # the first that holds something
            for path in missing:
                path.rmdir()


def _sole(path: Path) -> IO[bytes]:
    while True:
        file = taken(path)
        if file is None:
            raise CheckpointError(
                f"another process is training in {path.parent}: wait for it or stop it, or name another run_dir"
            )
        with suppress(FileNotFoundError):  # its holder has just ended and taken the file along
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _opened(path: Path) -> IO[bytes]:
    for _ in range(TRIES):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("ab")
        except FileNotFoundError as error:  # the folder's last user has just taken it along
            reason = error.strerror
        except OSError as error:
            raise CheckpointError(f"{path.parent} cannot be written to: {error.strerror}") from error
    raise CheckpointError(f"{path.parent} cannot be made: {reason}")
