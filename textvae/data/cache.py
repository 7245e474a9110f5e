"""The folder in which what was fetched or tokenised is kept, and how several processes fill it safely."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textvae.errors import DataError


def cache_folder() -> Path:
    """TEXTVAE_CACHE_DIR, else ~/.cache/textvae; it need not exist."""
    return Path(os.environ.get("TEXTVAE_CACHE_DIR") or "~/.cache/textvae").expanduser()


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path` at the end, all at once, and vanishes where the body fails.

    Where another process has made `path` meanwhile, that one stays. DataError where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
        made.mkdir()  # by the umask: several users may share the folder
    except OSError as error:
        raise DataError(f"{path.parent} cannot be written ({error}); set TEXTVAE_CACHE_DIR") from error
    try:
        yield made
        made.rename(path)
    except OSError as error:
        if not path.is_dir():
            raise DataError(f"{path} cannot be made: {error}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
