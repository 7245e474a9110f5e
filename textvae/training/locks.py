"""One writer at a time in the folder of a run."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from textvae.errors import CheckpointError

LOCK = ".training"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds `folder`, which is made where it is not there, against every other process that trains in it.

    Leaves neither the lock's file behind nor folders that were made for it alone; where a killed process left that
    file, it holds nothing. CheckpointError where another process has the folder.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    file = _locked(folder / LOCK)
    try:
        yield
    finally:
        Path(file.name).unlink(missing_ok=True)
        file.close()
        with suppress(OSError):  # the first that holds something
            for path in missing:
                path.rmdir()


def _locked(path: Path) -> IO[str]:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise CheckpointError(
                f"another process is training in {path.parent}: wait for it or stop it, or name another run_dir"
            ) from error
        except OSError:  # a file system that knows no locks
            return file
        if _is_at(file, path):
            return file
        file.close()  # its holder has just ended and taken the file along


def _is_at(file: IO[str], path: Path) -> bool:
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())
