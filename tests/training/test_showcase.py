"""Sentences for a tracker, of models whose samples may not be sentences to read again."""

from typing import Any

import pytest

from tests.generation.small import WORDS, random_model
from tests.test_conditional import NAMES, TOKENIZER, conditional
from textvae.data.specials import SPECIAL_WORDS
from textvae.data.tokenization import Tokenizer
from textvae.generation.sentences import SentenceSpace
from textvae.training.showcase import show_sentences
from textvae.training.trackers import Nothing


class Tables(Nothing):
    def __init__(self) -> None:
        self.found: dict[str, list[Any]] = {}

    def table(self, name: str, columns: Any, rows: Any, step: int) -> None:
        self.found[name] = [dict(zip(columns, row, strict=True)) for row in rows]


class Blank(SentenceSpace):
    """Whose samples are white space, as those of byte pairs may be: no text that could be encoded."""

    def sample(self, n: int, *args: Any, **settings: Any) -> list[str]:
        return [" "] * n


@pytest.mark.parametrize("kind", [SentenceSpace, Blank])
def test_the_path_is_between_draws_and_not_between_readings_of_samples(kind: type[SentenceSpace]) -> None:
    vae, tracker = kind(random_model(), Tokenizer.from_vocabulary([*SPECIAL_WORDS, *WORDS])), Tables()
    show_sentences(vae, tracker, step=3, count=4, steps=5, seed=2)
    assert [row["sentence"] for row in tracker.found["samples"]] == vae.sample(4, seed=2)
    path = tracker.found["interpolation"]
    assert [row["position"] for row in path] == [0, 0.25, 0.5, 0.75, 1]
    assert [row["sentence"] for row in path] == vae.interpolate(steps=5, seed=3)


def test_the_path_of_a_conditional_model_is_of_its_first_label() -> None:
    vae, tracker = SentenceSpace(conditional(), TOKENIZER, NAMES), Tables()
    show_sentences(vae, tracker, step=0)
    path = [row["sentence"] for row in tracker.found["interpolation"]]
    assert path == vae.given("bad").interpolate(steps=7, seed=1)
