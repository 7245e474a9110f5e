"""From a source of sentences and a tokenizer to mapped token ids, tokenised once and kept in the cache."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Any

from textvae.data.cache import cache_folder, new_folder
from textvae.data.census import Census
from textvae.data.corpora import SOURCES
from textvae.data.corpus import SPLITS, Corpus
from textvae.data.limits import LIMITS, Limit
from textvae.data.store import TokenStore, write_store
from textvae.data.tokenization import TOKENIZERS, Ready, Tokenizer, TokenizerTrainer
from textvae.errors import DataError
from textvae.registry import construct

_LAYOUT = 2  # of what is kept; another number makes every cached folder stale


@dataclass(frozen=True)
class Prepared:
    """What training and evaluation read: ids of each split, the tokenizer that made them, figures and remarks.

    facts: `vocabulary`; of each split `SPLIT/sentences`, `SPLIT/tokens` (targets, end-of-sentence counted),
    `SPLIT/tokens_per_sentence`, `SPLIT/longest`, `SPLIT/unknown_share`; and what the source knows of itself.
    label_names: of labels 0, 1, ... fingerprint: changes when the text of the corpus does, or which of it goes where;
    behind a colon where what stands before it says how it was made.
    """

    tokenizer: Tokenizer
    stores: dict[str, TokenStore]
    facts: dict[str, float]
    notes: list[str]
    label_names: list[str]
    fingerprint: str


def prepare(
    source: Mapping[str, Any],
    tokenizer: Mapping[str, Any] | Tokenizer,
    *,
    max_length: Mapping[str, Any] | None = None,
    splits: Sequence[str] = SPLITS,
    label_names: Sequence[str] = (),
    cache_dir: Path | None = None,
) -> Prepared:
    """Tokenise `splits` of a source, or open what was tokenised earlier from the same text with the same settings.

    source, tokenizer, max_length: {"name": ..., settings}. A tokenizer of settings is trained on `train`; one that
    is ready is used as it is. label_names: those that labels are numbered by, such as a model's; none: the corpus's
    own. ConfigError for settings, DataError for text that cannot be had or used.
    """
    cache = cache_dir or cache_folder()
    limit = None if max_length is None else construct(LIMITS, max_length, "data.max_length")
    trainer, trained_how = _trainer(tokenizer)
    corpus = construct(SOURCES, source, "data", cache_dir=cache).load()
    for split in splits:
        if split not in corpus.splits:
            raise DataError(f"{corpus.name} has no {split} split; it has: {', '.join(corpus.splits)}")
    if label_names and corpus.labels is None:
        raise DataError(
            f"{corpus.name} has no labels, which the model reads; it knows {', '.join(label_names)}"
        )
    state = [_LAYOUT, corpus.name, corpus.fingerprint, trained_how, dict(max_length or {}), list(splits)]
    state += [list(label_names)] if label_names else []
    key = _digest(state)
    folder = cache / "tokenised" / f"{corpus.name}-{key[:20]}"
    if not folder.is_dir():
        with new_folder(folder) as made:
            trained = trainer.train(corpus.splits.get("train", ()))
            names = list(label_names) or corpus.label_names(splits)
            _tokenise(corpus, trained, limit, splits, names, made)
    form = f"{corpus.form}:" if corpus.form else ""
    return _open(folder, splits, form + _digest([corpus.name, corpus.fingerprint]))


def _digest(state: list[Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True, default=str).encode()).hexdigest()


def _trainer(tokenizer: Mapping[str, Any] | Tokenizer) -> tuple[TokenizerTrainer, Any]:
    """What makes the tokenizer, and what tells it apart from others."""
    if isinstance(tokenizer, Tokenizer):
        return Ready(tokenizer), tokenizer.fingerprint
    return construct(TOKENIZERS, tokenizer, "data.tokenizer"), dict(tokenizer)


def _tokenise(
    corpus: Corpus,
    tokenizer: Tokenizer,
    limit: Limit | None,
    splits: Sequence[str],
    names: list[str],
    folder: Path,
) -> None:
    facts, notes = {"vocabulary": float(tokenizer.size)}, list(corpus.notes)
    for split in splits:
        census = Census(split)
        pairs = census.encode(corpus.numbered(split, names), tokenizer, limit)
        rows, labels = _apart(pairs) if names else ((ids for ids, _ in pairs), None)
        write_store(_store_path(folder, split), rows, labels)
        if not census.sentences:
            raise DataError(
                f"{corpus.name}: nothing is left of the {split} split ({census.blank} blank lines, {census.empty} "
                f"sentences without a token, {census.long} too long); give it sentences"
            )
        facts |= census.facts()
        notes += census.notes(limit)
        if census.unknown and facts.get("train/unknown_share") == 0:
            notes.append(
                f"{split}: train never shows <unk>, so it is not learnt; a smaller data.tokenizer.size would"
            )
    tokenizer.save(folder / "tokenizer.json")
    # What is known of the text is known of its words, all of them.
    whole = limit is None and not any(facts[f"{split}/unknown_share"] for split in splits)
    known = dict(corpus.facts()) if whole else {}
    kept = {"facts": facts | known, "notes": notes, "label_names": names}
    (folder / "kept.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")


def _apart(pairs: Iterable[tuple[list[int], int]]) -> tuple[Iterator[list[int]], Iterator[int]]:
    """Ids and labels; what is read of the one is held until the other comes to it: a chunk of the store."""
    left, right = tee(pairs)
    return (ids for ids, _ in left), (label for _, label in right)


def _open(folder: Path, splits: Sequence[str], fingerprint: str) -> Prepared:
    try:
        kept = json.loads((folder / "kept.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} is incomplete ({error}); delete it, and it is made again") from error
    stores = {split: TokenStore(_store_path(folder, split)) for split in splits}
    return Prepared(Tokenizer.load(folder / "tokenizer.json"), stores, **kept, fingerprint=fingerprint)


def _store_path(folder: Path, split: str) -> Path:
    return folder / f"{split}.arrow"
