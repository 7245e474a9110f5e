"""What becomes of sentences that are longer than asked for; without a limit all are kept whole."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Limit(Protocol):
    """A rule for long sentences."""

    @property
    def tokens(self) -> int:
        """The longest that is kept as it is, end-of-sentence not counted."""

    @property
    def done(self) -> str:
        """What becomes of longer ones, in a word."""

    def __call__(self, ids: list[int]) -> list[int]:
        """The sentence as it is kept; empty where it is not."""


@dataclass(frozen=True)
class _AtLeastOne:
    tokens: int

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ValueError(f"tokens is {self.tokens}; a sentence has at least 1")


class Drop(_AtLeastOne):
    """Leaves out sentences of more than `tokens` tokens, end-of-sentence not counted."""

    done = "dropped"

    def __call__(self, ids: list[int]) -> list[int]:
        return ids if len(ids) <= self.tokens else []


class Truncate(_AtLeastOne):
    """Keeps the first `tokens` tokens, end-of-sentence not counted."""

    done = "truncated"

    def __call__(self, ids: list[int]) -> list[int]:
        return ids[: self.tokens]


LIMITS: dict[str, Callable[..., Limit]] = {"drop": Drop, "truncate": Truncate}
