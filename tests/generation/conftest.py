"""The small random model with a tokenizer of its size."""

import pytest

from tests.generation.small import WORDS, random_model
from textvae.data.specials import SPECIAL_WORDS
from textvae.data.tokenization import Tokenizer
from textvae.generation import SentenceSpace
from textvae.model import SentenceVAE


@pytest.fixture
def model() -> SentenceVAE:
    return random_model()


@pytest.fixture
def space(model: SentenceVAE) -> SentenceSpace:
    return SentenceSpace(model, Tokenizer.from_vocabulary([*SPECIAL_WORDS, *WORDS]))
