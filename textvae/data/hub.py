"""Any text set of the hub, by name and column, through the `datasets` library."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib import error as url_error
from urllib import request

from textvae.data.corpus import SPLITS, Corpus, Reread
from textvae.errors import DataError

_TIMEOUT = 5  # seconds until the hub counts as out of reach


@dataclass(frozen=True)
class HubCorpus:
    """Sentences are the rows of `column`; train, valid, test name splits, or slices such as `train[:5%]`.

    Read from the library's own mapped files; label: a column of labels. What identifies the corpus are the last
    part of the set's name and the rows of these columns in each split, wherever they lie.
    """

    dataset: str
    column: str = "text"
    label: str | None = None
    config: str | None = None
    revision: str | None = None
    train: str | None = "train"
    valid: str | None = "validation"
    test: str | None = "test"

    def load(self) -> Corpus:
        """DataError where the set, a split or a column cannot be had."""
        names = {split: name for split in SPLITS if (name := getattr(self, split))}
        sets = {split: self._rows(split, name) for split, name in names.items()}
        columns = [column for column in (self.column, self.label) if column]
        for found in sets.values():
            for column in columns:
                if column not in found.column_names:
                    has = ", ".join(found.column_names)
                    raise DataError(f"{self.dataset} has no column {column!r}; it has: {has}")
        return Corpus(
            name=Path(self.dataset).name,
            splits={split: Reread(partial(_sentences, found, self.column)) for split, found in sets.items()},
            fingerprint=str({split: _checksum(found, columns) for split, found in sets.items()}),
            labels=None if self.label is None else _label_columns(sets, self.label),
            form="rows",
        )

    def _rows(self, split: str, name: str) -> Any:
        try:
            return load_split(self.dataset, self.config, self.revision, name)
        except DataError as error:
            if "split" not in str(error.__cause__).lower():
                raise
            hint = f"""data.{split}="'train[:5%]'" would take a part of another"""
            raise DataError(f"{error}; {hint}") from error


def load_split(dataset: str, config: str | None, revision: str | None, split: str) -> Any:
    """One split as a datasets.Dataset. DataError, in one line, with what the library said."""
    import datasets  # slow to import, and of use to this source alone
    import pyarrow as pa

    faults = (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError, pa.ArrowException)
    with _offline_where_out_of_reach(dataset) as silence:
        try:
            return datasets.load_dataset(dataset, config, revision=revision, split=split)
        except faults as error:
            why = silence or " ".join(str(error).split())[:200]
            raise DataError(f"the hub's {dataset}, split {split}, cannot be had: {why}") from error


def _sentences(found: Any, column: str) -> Iterator[str]:
    for rows in found.select_columns([column]).iter(batch_size=1000):
        for sentence in rows[column]:
            if not isinstance(sentence, str | None):
                raise DataError(
                    f"column {column!r} holds {type(sentence).__name__}, not text; choose another column"
                )
            yield (sentence or "").strip()


def _label_columns(sets: dict[str, Any], label: str) -> dict[str, Reread[Any]]:
    return {split: Reread(partial(_labels, found, label)) for split, found in sets.items()}


def _labels(found: Any, label: str) -> Iterator[Any]:
    name = getattr(found.features[label], "int2str", str)
    try:
        for rows in found.select_columns([label]).iter(batch_size=1000):
            if None in rows[label]:
                raise ValueError("some sentences have none")
            yield from map(name, rows[label])
    except ValueError as error:
        raise DataError(f"column {label!r}: {error}; choose splits that have labels, or no label") from error


def _checksum(found: Any, columns: list[str]) -> str:
    """Of the rows, with the names of classes, which stand in them as numbers."""
    chosen = found.select_columns(columns)
    classes = [getattr(chosen.features[column], "names", None) for column in columns]
    digest = hashlib.sha256(json.dumps(classes).encode())
    for rows in chosen.iter(batch_size=1000):
        digest.update(json.dumps([rows[column] for column in columns], default=str).encode())
    return digest.hexdigest()


@contextmanager
def _offline_where_out_of_reach(dataset: str) -> Iterator[str]:
    """Without a network the library would retry for half a minute before it reads its local cache.

    Gives what is to be said where the hub does not answer, else nothing.
    """
    import datasets
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    silence = ""
    if not any(before) and not Path(dataset).exists() and not _answers(constants.ENDPOINT):
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
        silence = f"{constants.ENDPOINT} does not answer, and it was not fetched earlier"
    try:
        yield silence
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before


def _answers(address: str) -> bool:
    try:
        request.urlopen(request.Request(address, method="HEAD"), timeout=_TIMEOUT).close()
    except url_error.HTTPError:
        return True  # a refusal is an answer
    except OSError:
        return False
    return True
