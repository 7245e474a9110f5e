"""Between text and token ids: word level, as for the Penn Treebank, and byte-level BPE for raw text."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import tokenizers
import torch
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from textvae.data.specials import SPECIAL_WORDS, SPECIALS
from textvae.errors import CheckpointError, DataError

_MEND = "take the tokenizer.json that was written beside the weights"


class Tokenizer:
    """Text to ids and back; ids 0..3 are <pad> <s> </s> <unk>, which is an ordinary word.

    Wraps a tokenizer of the `tokenizers` library without special tokens: there <unk> would vanish in
    decoding. DataError where the first four ids are others or ids are left out.
    """

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        found = tuple(backend.id_to_token(i) for i in range(len(SPECIAL_WORDS)))
        if found != SPECIAL_WORDS:
            raise DataError(f"the tokenizer's first four tokens are {found}; they must be {SPECIAL_WORDS}")
        if max(backend.get_vocab().values()) >= backend.get_vocab_size():
            raise DataError(f"the tokenizer has {backend.get_vocab_size()} tokens, but ids beyond that")
        self._backend = backend
        self.pad, self.bos, self.eos, self.unk = self.specials = SPECIALS

    @property
    def size(self) -> int:
        """V, with the four first ids."""
        return int(self._backend.get_vocab_size())

    @property
    def vocabulary(self) -> list[str]:
        """The V tokens in the order of their ids."""
        known = self._backend.get_vocab()
        return sorted(known, key=known.__getitem__)

    @property
    def fingerprint(self) -> str:
        """The same for tokenizers that give the same ids."""
        return hashlib.sha256(self._backend.to_str().encode()).hexdigest()

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Ids of each sentence, without <s> and </s>; the words `<s>`, `</s>`, `<pad>` are unknown there."""
        encoded = self._backend.encode_batch_fast(list(sentences), add_special_tokens=False)
        rows: list[list[int]] = [one.ids for one in encoded]
        for row in rows:
            if row and min(row) < self.unk:
                row[:] = [max(i, self.unk) for i in row]
        return rows

    def decode(self, ids: torch.Tensor | Sequence[Sequence[int]]) -> list[str]:
        """(B,T) ids -> B sentences: each stops at </s>; <pad> and <s> are dropped, <unk> is kept."""
        rows = ids.tolist() if isinstance(ids, torch.Tensor) else [list(row) for row in ids]
        rows = [row[: row.index(self.eos)] if self.eos in row else row for row in rows]
        words = [[i for i in row if i not in (self.pad, self.bos)] for row in rows]
        texts: list[str] = self._backend.decode_batch(words, skip_special_tokens=False)
        return [text.removeprefix(" ") for text in texts]

    def save(self, path: str | Path) -> None:
        """Write one tokenizer.json."""
        Path(path).write_text(self._backend.to_str(pretty=True), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """Read what `save` wrote. CheckpointError where it is missing or broken."""
        try:
            text = Path(path).read_text(encoding="utf-8")
            json.loads(text)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} is not a readable tokenizer ({error}); {_MEND}") from error
        try:
            return cls(tokenizers.Tokenizer.from_str(text))
        except DataError as error:
            raise CheckpointError(f"{path}: {error}; {_MEND}") from error
        except Exception as error:  # the library raises nothing narrower
            raise CheckpointError(f"{path} is not a tokenizer ({error}); {_MEND}") from error

    @classmethod
    def from_vocabulary(cls, words: Sequence[str]) -> "Tokenizer":
        """Word level, split at white space, from the V words in the order of their ids, the first four
        too. DataError for a word that stands there twice."""
        vocabulary = {word: i for i, word in enumerate(words)}
        if len(vocabulary) != len(words):
            twice = next(word for word, count in Counter(words).items() if count > 1)
            raise DataError(f"the vocabulary holds {twice!r} more than once; a word has one id")
        backend = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL_WORDS[SPECIALS.unk]))
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return cls(backend)


# What stands between Unicode's white space, as the tokenizer divides a text: str.split takes some controls for space too.
WORD = re.compile(r"[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


class TokenizerTrainer(Protocol):
    """Settings of a tokenizer that is yet to be made."""

    def train(self, sentences: Iterable[str]) -> Tokenizer:
        """The tokenizer of these sentences. DataError where they are too few."""


class WordLevel:
    """Words between white space, by frequency, then alphabetically: all of the training text's, or the first.

    V = `size` in all, the first four ids included; 10,002 on the Penn Treebank.
    ValueError for a size below 5.
    """

    def __init__(self, size: int | None = None) -> None:
        if size is not None and size <= len(SPECIAL_WORDS):
            raise ValueError(f"size is {size}; it counts {', '.join(SPECIAL_WORDS)}, so it must be above 4")
        self.size = size

    def train(self, sentences: Iterable[str]) -> Tokenizer:
        """The tokenizer of these sentences. DataError where they hold no word."""
        counts = Counter(chain.from_iterable(map(WORD.findall, sentences)))
        if not counts:
            raise DataError("the training text holds no word, so no vocabulary can be made of it")
        for word in SPECIAL_WORDS:
            counts.pop(word, None)
        words = sorted(counts, key=lambda word: (-counts[word], word))
        return Tokenizer.from_vocabulary([*SPECIAL_WORDS, *words][: self.size])


class ByteLevelBPE:
    """Byte pairs on UTF-8 bytes (Sennrich et al. 2016; Radford et al. 2019): no text is unknown.

    V = `size` in all: <pad> <s> </s> <unk>, 256 bytes, merges; fewer where the text gives no more merges.
    ValueError for a size below 261; null is 8,000.
    """

    def __init__(self, size: int | None = None) -> None:
        least = len(SPECIAL_WORDS) + 256
        if size is not None and size <= least:
            raise ValueError(f"size is {size}; the bytes alone take {least}, so give more than that")
        self.size = 8000 if size is None else size

    def train(self, sentences: Iterable[str]) -> Tokenizer:
        """The tokenizer of these sentences. DataError where there is no text."""
        trained = _byte_level(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=self.size,
            special_tokens=list(SPECIAL_WORDS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        trained.train_from_iterator(sentences, trainer)
        model = json.loads(trained.to_str())["model"]
        if not model["merges"]:
            raise DataError("the training text is too short for byte pairs; give more of it, or take words")
        # A backend of its own: the trainer's would cut `<unk>` out of raw text and drop it when it decodes.
        return Tokenizer(_byte_level(models.BPE(model["vocab"], [tuple(pair) for pair in model["merges"]])))


def _byte_level(model: models.BPE) -> tokenizers.Tokenizer:
    """White space around a sentence is no part of it; each word carries the space before it, the first word too."""
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = normalizers.Strip()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    return backend


@dataclass(frozen=True)
class Ready:
    """A tokenizer that was made earlier, such as a run's, for text that it was not trained on."""

    tokenizer: Tokenizer

    def train(self, sentences: Iterable[str]) -> Tokenizer:
        """The tokenizer, whatever the sentences."""
        return self.tokenizer


TOKENIZERS: dict[str, Callable[..., TokenizerTrainer]] = {"word": WordLevel, "bpe": ByteLevelBPE}
