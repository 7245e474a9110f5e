"""What every source of sentences gives: splits that can be read again and again, and never lie in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Generic, TypeVar

from textvae.errors import DataError

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

    fingerprint: changes when the text does, and is made in the way that `form` names; facts(): figures that are known
    of the corpus, such as its entropy in nats, worked out where they are asked for; notes: lines that a user should see;
    known_labels: all labels there are, where the source knows them.
    """

    name: str
    splits: Mapping[str, Iterable[str]]
    fingerprint: str
    labels: Mapping[str, Iterable[Any]] | None = None
    facts: Callable[[], Mapping[str, float]] = dict
    notes: tuple[str, ...] = ()
    known_labels: tuple[str, ...] = ()
    form: str = ""

    def label_names(self, splits: Sequence[str]) -> list[str]:
        """The known ones, or those of `train`, else of `splits`: by value where all are whole numbers, else by the alphabet.

        None without labels.
        """
        if self.known_labels or self.labels is None:
            return list(self.known_labels)
        known = ("train",) if "train" in self.splits else splits
        pairs = (pair for split in known for pair in zip(self.splits[split], self.labels[split], strict=True))
        names = {str(label) for sentence, label in pairs if sentence}
        if all(name.removeprefix("-").isdecimal() for name in names):
            return sorted(names, key=lambda name: (int(name), name))
        return sorted(names)

    def numbered(self, split: str, names: Sequence[str]) -> Iterator[tuple[str, int]]:
        """(sentence, number of its label in `names`); 0 where there are no labels, and for blank lines.

        DataError for a label that is not among `names`.
        """
        if self.labels is None:
            yield from zip(self.splits[split], repeat(0))
            return
        numbers = {name: number for number, name in enumerate(names)}
        for sentence, label in zip(self.splits[split], self.labels[split], strict=True):
            if sentence and str(label) not in numbers:
                known = ", ".join(names)
                raise DataError(
                    f"{self.name}: the {split} split has label {label!r}, the known ones are {known}: leave its "
                    "sentences out, or have some in train (one file is dealt out otherwise by another data.seed)"
                )
            yield sentence, numbers.get(str(label), 0)
