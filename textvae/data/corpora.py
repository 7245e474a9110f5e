"""The sources of sentences by the names they have in a config."""

from collections.abc import Callable
from typing import Protocol

from textvae.data.corpus import Corpus
from textvae.data.grammar import GrammarCorpus
from textvae.data.hub import HubCorpus
from textvae.data.ptb import PTBCorpus
from textvae.data.text import TextCorpus


class Source(Protocol):
    """Settings that say where sentences come from."""

    def load(self) -> Corpus:
        """The corpus; DataError where it cannot be had."""


SOURCES: dict[str, Callable[..., Source]] = {
    "ptb": PTBCorpus,
    "text": TextCorpus,
    "hub": HubCorpus,
    "grammar": GrammarCorpus,
}
