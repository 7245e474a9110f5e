"""Sentences become token ids one by one, and what is found, skipped or shortened on the way is counted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from textvae.data.limits import Limit
from textvae.data.tokenization import Tokenizer

_AT_ONCE = 4096  # sentences encoded in one call


@dataclass
class Census:
    """Counts over one split; tokens are those of the sentences that were kept, without end-of-sentence."""

    split: str
    sentences: int = 0
    tokens: int = 0
    longest: int = 0
    unknown: int = 0
    only_unknown: int = 0
    blank: int = 0
    empty: int = 0
    long: int = 0

    def encode(
        self, labelled: Iterable[tuple[str, int]], tokenizer: Tokenizer, limit: Limit | None
    ) -> Iterator[tuple[list[int], int]]:
        """(sentence, label) -> (ids, label) for the sentences that are kept; counts them as they pass."""
        lines = iter(labelled)
        while part := list(islice(lines, _AT_ONCE)):
            rows = tokenizer.encode([sentence for sentence, _ in part])
            for (sentence, label), ids in zip(part, rows, strict=True):
                kept = ids if limit is None else limit(ids)
                self._count(sentence, ids, kept, tokenizer.unk)
                if kept:
                    yield kept, label

    def _count(self, sentence: str, ids: list[int], kept: list[int], unk: int) -> None:
        if not ids:
            self.empty += bool(sentence)
            self.blank += not sentence
            return
        self.long += len(kept) < len(ids)
        if not kept:
            return
        unknown = kept.count(unk)
        self.sentences += 1
        self.tokens += len(kept)
        self.longest = max(self.longest, len(kept))
        self.unknown += unknown
        self.only_unknown += unknown == len(kept)

    def facts(self) -> dict[str, float]:
        """Figures of the split under `SPLIT/...`; `tokens` are targets, with end-of-sentence."""
        targets = self.tokens + self.sentences
        figures = {
            "sentences": self.sentences,
            "tokens": targets,
            "tokens_per_sentence": targets / self.sentences,
            "longest": self.longest,
            "unknown_share": self.unknown / self.tokens,
        }
        return {f"{self.split}/{name}": float(figure) for name, figure in figures.items()}

    def notes(self, limit: Limit | None) -> list[str]:
        """A line for each thing that a user should know."""
        shortened = "" if limit is None else f"sentences longer than {limit.tokens} tokens {limit.done}"
        counted = [
            (self.blank, "blank lines skipped"),
            (self.empty, "sentences without a token skipped"),
            (self.long, shortened),
            (self.only_unknown, "sentences hold only unknown words"),
        ]
        lines = [f"{self.split}: {count:,} {what}" for count, what in counted if count]
        if self.unknown and self.split != "train":
            lines.append(f"{self.split}: {self.unknown / self.tokens:.2%} of the words are <unk>")
        return lines
