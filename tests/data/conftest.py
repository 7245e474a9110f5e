"""Stores of given sentences, and text files of given lines."""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest

from textvae.data.store import TokenStore, write_store

StoreOf = Callable[..., TokenStore]


@pytest.fixture(scope="session")
def store_of(tmp_path_factory: pytest.TempPathFactory) -> StoreOf:
    """store_of(rows, labels=None, chunk=...) -> TokenStore."""
    folder, numbers = tmp_path_factory.mktemp("stores"), count()

    def make(
        rows: Sequence[Sequence[int]], labels: Sequence[int] | None = None, chunk: int = 1 << 16
    ) -> TokenStore:
        path = folder / f"{next(numbers)}.arrow"
        write_store(path, rows, labels, chunk)
        return TokenStore(path)

    return make


@pytest.fixture
def lines_of(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """lines_of(name, text) -> path of a file that holds it."""

    def make(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return make
