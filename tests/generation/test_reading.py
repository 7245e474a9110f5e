"""Sentences to posteriors: the order given, and sentences that cannot be read."""

import pytest
import torch

from tests.generation.small import UNK, WORDS
from textvae.data.specials import SPECIAL_WORDS
from textvae.data.tokenization import ByteLevelBPE, Tokenizer
from textvae.errors import DataError
from textvae.generation import SentenceSpace
from textvae.generation.reading import batches, posterior, read

TOKENIZER = Tokenizer.from_vocabulary([*SPECIAL_WORDS, *WORDS])
SENTENCES = [
    "the cat sees a bird",
    "a dog",
    "the old dog likes the small red bird today",
    "birds find <unk>",
    "a",
] * 5


def test_posteriors_stand_in_the_order_given_whatever_the_batches(space: SentenceSpace) -> None:
    rows = read(TOKENIZER, ["the bird", *SENTENCES])
    with torch.no_grad():
        alone = torch.cat([posterior(space.model, [row]).mean for row in rows])
        for size in (1, 3, 1000):
            q = posterior(space.model, rows, size)
            assert q.batch_shape == (26,) and q.event_shape == (4,)
            torch.testing.assert_close(q.mean, alone)


def test_batches_hold_each_sentence_once_and_are_of_like_length() -> None:
    rows = read(TOKENIZER, SENTENCES)
    seen, longest = [], 0
    for index, batch in batches(rows, size=4):
        for i, targets, length in zip(
            index.tolist(), batch.targets.tolist(), batch.lengths.tolist(), strict=True
        ):
            assert targets[: length - 1] == rows[i]
        assert longest <= int(batch.lengths.min())
        longest = int(batch.lengths.max())
        seen += index.tolist()
    assert sorted(seen) == list(range(len(rows)))


def test_unknown_words_become_unk_among_known_ones() -> None:
    assert read(TOKENIZER, ["the zebra sees"]) == read(TOKENIZER, ["the <unk> sees"])
    assert read(TOKENIZER, ["<unk> zebra"]) == [[UNK, UNK]], "a written <unk> is a word of the corpus"


@pytest.mark.parametrize(
    ("sentences", "said"),
    [
        (
            ["the cat", "zebras gallop"],
            r"sentence 2 \('zebras gallop'\) has only words that the model does not know",
        ),
        (["the cat", "a dog", ""], "sentence 3 is empty"),
        ([" \t"], "sentence 1 is empty"),
        ([], "no sentence was given"),
        ("the cat", r"give \['the cat'\]"),
        (["zebra " * 100], r"sentence 1 \('zebra zebra .{28}\.\.\.'\)"),
    ],
)
def test_sentences_that_cannot_be_read(sentences: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said) as raised:
        read(TOKENIZER, sentences)
    assert "\n" not in str(raised.value)


def test_bytes_leave_no_word_unknown_but_blank_text_is_empty() -> None:
    tokenizer = ByteLevelBPE(300).train(["the cat sees the cat"] * 3)
    assert len(read(tokenizer, ["zebras gallop"])) == 1
    with pytest.raises(DataError, match="sentence 1 is empty"):
        read(tokenizer, ["  "])
