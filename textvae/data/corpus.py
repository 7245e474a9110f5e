"""What every source of sentences gives: splits that can be read again and again, and never lie in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

SPLITS = ("train", "valid", "test")


class Reread(Generic[T]):
    """An iterable that calls `read` anew for each pass."""

    def __init__(self, read: Callable[[], Iterator[T]]) -> None:
        self._read = read

    def __iter__(self) -> Iterator[T]:
        return self._read()


@dataclass(frozen=True)
class Corpus:
    """Sentences of each split (blank ones among them), a label for each where there are labels.

    fingerprint: changes when the text does; facts: figures that are known of the corpus, such as its entropy
    in nats; notes: lines that a user should see.
    """

    name: str
    splits: Mapping[str, Iterable[str]]
    fingerprint: str
    labels: Mapping[str, Iterable[Any]] | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
