"""Phrases: sequences of words and weighted choices between phrases; the notation of the grammar's rules."""

from bisect import bisect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Union

Phrase = tuple[Union[str, "Choice"], ...]


@dataclass(frozen=True)
class Choice:
    """One of several phrases, each with its probability; the probabilities sum to 1."""

    options: tuple[tuple[Phrase, float], ...]

    @cached_property
    def _bounds(self) -> list[float]:
        # Without the last bound, so that rounding in the sum can never point behind the last option.
        return list(accumulate(p for _, p in self.options))[:-1]

    def pick(self, uniform: float) -> Phrase:
        """The option that a number in [0, 1) falls on."""
        return self.options[bisect(self._bounds, uniform)][0]


def weighted(options: Iterable[tuple[Phrase, float]]) -> Choice:
    """A choice with probabilities proportional to the weights; equal options are added up."""
    weights: dict[Phrase, float] = {}
    for phrase, weight in options:
        weights[phrase] = weights.get(phrase, 0.0) + weight
    total = sum(weights.values())
    return Choice(tuple((phrase, weight / total) for phrase, weight in weights.items() if weight > 0))


def any_word(words: str | Iterable[str]) -> Choice:
    """One of the words (of a string parted by spaces), each as likely as the others."""
    return weighted(((word,), 1.0) for word in (words.split() if isinstance(words, str) else words))


def any_phrase(phrases: str) -> Choice:
    """One of the phrases parted by "|", each as likely as the others."""
    return weighted((tuple(phrase.split()), 1.0) for phrase in phrases.split("|"))


def maybe(probability: float, *phrase: str | Choice) -> Choice:
    """The phrase with this probability, else nothing."""
    return weighted([(phrase, probability), ((), 1 - probability)])


def draw(phrase: Phrase, uniform: Callable[[], float], words: list[str]) -> None:
    """Append to `words` one outcome of the phrase; `uniform()` gives independent numbers in [0, 1)."""
    for item in phrase:
        if isinstance(item, str):
            words.append(item)
        else:
            draw(item.pick(uniform()), uniform, words)


def types(phrase: Phrase) -> set[str]:
    """All words that can occur in the phrase."""
    found: set[str] = set()
    for item in phrase:
        found |= (
            {item} if isinstance(item, str) else set().union(*(types(option) for option, _ in item.options))
        )
    return found
