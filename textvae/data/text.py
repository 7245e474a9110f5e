"""Own text: UTF-8 files with one sentence a line, and a label behind a tab where labels are asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np

from textvae.data.corpus import SPLITS, Corpus, Reread
from textvae.data.lines import checksum, read_lines
from textvae.errors import DataError

Reader = Callable[[Callable[[str], str]], Iterator[str]]


@dataclass(frozen=True)
class TextCorpus:
    """A file for each split, or one `file` whose lines are dealt out by `seed`: three bytes a line are held.

    labels: a line is `sentence TAB label`. ValueError where neither or both are given, or for a bad fraction.
    """

    train: str | None = None
    valid: str | None = None
    test: str | None = None
    file: str | None = None
    valid_fraction: float = 0.05
    test_fraction: float = 0.05
    seed: int = 0
    labels: bool = False

    def __post_init__(self) -> None:
        if bool(self.file) == any((self.train, self.valid, self.test)):
            raise ValueError("give either file, or train, valid and test")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}, must be at least 0")
        valid, test = self.valid_fraction, self.test_fraction
        if valid <= 0 or test <= 0 or valid + test >= 1:
            raise ValueError(
                f"valid_fraction {valid} and test_fraction {test} must be above 0, and their sum below 1"
            )

    def load(self) -> Corpus:
        """DataError where a file is missing or empty; and, here or later in reading, for a line that is not UTF-8."""
        paths = {what: Path(name).expanduser() for what in ("file", *SPLITS) if (name := getattr(self, what))}
        sums = " ".join(f"{what} {checksum(path)}" for what, path in paths.items())
        readers: dict[str, Reader] = {split: partial(read_lines, path) for split, path in paths.items()}
        if self.file:
            blank = _blank(paths["file"])
            readers = self._dealt(paths["file"], blank)
            sums += f" {int(blank.sum())} blank" if blank.any() else ""
        return Corpus(
            name="text",
            splits=_columns(readers, _sentence if self.labels else str),
            fingerprint=f"{sums} {self.valid_fraction} {self.test_fraction} {self.seed} {self.labels}",
            labels=_columns(readers, _label) if self.labels else None,
        )

    def _dealt(self, path: Path, blank: np.ndarray) -> dict[str, Reader]:
        """Readers of disjoint sets of lines that together are all lines, one sentence for each split at least.

        blank: which lines hold none; they stay with train.
        """
        lines = int((~blank).sum())
        valid, test = (max(1, round(lines * part)) for part in (self.valid_fraction, self.test_fraction))
        if valid + test >= lines:
            raise DataError(
                f"{path} has {lines} sentences, too few to split into train, {valid} valid and {test} test"
            )
        place = np.zeros(lines, dtype=np.uint8)
        place[:valid], place[valid : valid + test] = 1, 2
        np.random.default_rng(self.seed).shuffle(place)
        dealt = np.zeros(len(blank), dtype=np.uint8)
        dealt[~blank] = place
        return {split: partial(_chosen, path, dealt == i) for i, split in enumerate(SPLITS)}


def _blank(path: Path) -> np.ndarray:
    """Which lines of a file are (L,)."""
    return np.fromiter((not line for line in read_lines(path)), dtype=bool)


def _columns(readers: dict[str, Reader], part: Callable[[str], str]) -> dict[str, Reread[str]]:
    return {split: Reread(partial(reader, part)) for split, reader in readers.items()}


def _sentence(line: str) -> str:
    return _parts(line)[0]


def _label(line: str) -> str:
    return _parts(line)[1]


def _parts(line: str) -> tuple[str, str]:
    sentence, _, label = line.rpartition("\t")
    if not sentence.strip() or not label.strip():
        raise ValueError("not `sentence TAB label`; mend the line, or set labels to false")
    return sentence, label


def _chosen(path: Path, chosen: np.ndarray, part: Callable[[str], str]) -> Iterator[str]:
    return compress(read_lines(path, part), chosen)
