"""Lines of UTF-8 files, read as a stream; every fault names the file and the line."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from pathlib import Path

from textvae.errors import DataError


def read_lines(path: Path, part: Callable[[str], str] = str) -> Iterator[str]:
    """`part` of each line, without white space around it; a blank line gives "".

    DataError for a line that is not UTF-8, or of which `part` says ValueError.
    """
    with open_file(path) as file:
        yield from lines_of(file, str(path), part)


def lines_of(file: Iterable[bytes], name: str, part: Callable[[str], str] = str) -> Iterator[str]:
    """The same of an open file, or standard input, that errors call `name`."""
    for number, raw in enumerate(file, 1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            yield part(line).strip() if line.strip() else ""
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}, line {number}: byte {error.start + 1} is not UTF-8; save the text as UTF-8"
            ) from error
        except ValueError as error:
            raise DataError(f"{name}, line {number}: {error}") from error


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of the file's bytes. DataError where it is missing or empty."""
    with open_file(path) as file:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty; give a file with one sentence a line")
        return hashlib.file_digest(file, algorithm).hexdigest()


def open_file(path: Path) -> BufferedReader:
    """The file for reading bytes. DataError where it cannot be opened."""
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; give the path of a text file") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
