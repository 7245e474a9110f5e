"""Text goes to ids and back; <unk> stays a word; a broken tokenizer.json is refused in one line."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st

from textvae.data.specials import SPECIAL_WORDS
from textvae.data.tokenization import TOKENIZERS, ByteLevelBPE, Ready, Tokenizer, WordLevel
from textvae.errors import CheckpointError, ConfigError, DataError
from textvae.registry import construct

LINES = ["the cat saw the dog", " the dog did n't see <unk> ", "N cats saw a dog 's cat"]
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=5)
SENTENCES = st.lists(st.lists(WORDS, min_size=1, max_size=6).map(" ".join), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return ByteLevelBPE(275).train(LINES)


@given(sentences=SENTENCES)
def test_word_level_round_trip(sentences) -> None:
    tokenizer = WordLevel().train(sentences)
    rows = tokenizer.encode(sentences)
    assert [len(row) for row in rows] == [len(sentence.split()) for sentence in sentences]
    assert tokenizer.decode(rows) == sentences


@given(
    sentences=st.lists(
        st.text(st.characters(exclude_categories=["Cs"])).map(str.strip), min_size=1, max_size=8
    )
)
def test_bytes_write_any_text(bpe, sentences) -> None:
    assert bpe.decode(bpe.encode(sentences)) == sentences


@given(sentences=SENTENCES, size=st.integers(5, 30))
def test_words_are_ranked_by_frequency_then_alphabet(sentences, size) -> None:
    counts = Counter(" ".join(sentences).split())
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    assert WordLevel().train(sentences).vocabulary == [*SPECIAL_WORDS, *ranked]
    assert WordLevel(size).train(sentences).vocabulary == [*SPECIAL_WORDS, *ranked][:size]


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
@example("a\x1cb\x1d c\x85d\x1f")
def test_what_it_learnt_a_word_from_it_knows(text) -> None:
    """Python's idea of white space is wider than Unicode's, by which the tokenizer divides a sentence."""
    assume(not any(word in text for word in SPECIAL_WORDS))
    tokenizer = WordLevel().train([text, "some word"])
    assert tokenizer.unk not in tokenizer.encode([text])[0]


def test_unknown_is_an_ordinary_word() -> None:
    tokenizer = WordLevel().train(LINES)
    assert tokenizer.encode(["the <unk> did n't fly"]) == [
        [tokenizer.vocabulary.index(word) for word in ["the", "<unk>", "did", "n't", "<unk>"]]
    ]
    assert tokenizer.decode(tokenizer.encode([LINES[1]])) == [LINES[1].strip()]


def test_framing_tokens_in_the_text_are_unknown(bpe) -> None:
    words = WordLevel().train([*LINES, "<s> <pad> </s>"])
    assert words.encode(["<s> the </s>"]) == [[words.unk, words.vocabulary.index("the"), words.unk]]
    assert min(min(row) for row in bpe.encode(["<s> <pad> </s> <unk>"])) > bpe.unk
    assert bpe.decode(bpe.encode(["a <s> <pad> </s> <unk>"])) == ["a <s> <pad> </s> <unk>"]


def test_decoding_stops_at_the_end_and_leaves_out_the_frame() -> None:
    tokenizer = WordLevel().train(LINES)
    the, dog = (tokenizer.vocabulary.index(word) for word in ("the", "dog"))
    ids = [[1, the, 3, dog, 2, dog, 0], [the, 0, 0, 0, 0, 0, 0], [2, the, the, the, the, the, the]]
    assert tokenizer.decode(ids) == tokenizer.decode(torch.tensor(ids)) == ["the <unk> dog", "the", ""]


@pytest.mark.parametrize("name", ["word", "bpe"])
def test_saved_and_loaded_it_is_the_same(tmp_path: Path, name: str) -> None:
    tokenizer = construct(TOKENIZERS, {"name": name, "size": 290}, "tokenizer").train(LINES)
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert (loaded.fingerprint, loaded.size) == (tokenizer.fingerprint, tokenizer.size)
    assert loaded.encode(LINES) == tokenizer.encode(LINES)
    assert loaded.decode(loaded.encode(LINES)) == [line.strip() for line in LINES]
    assert (loaded.pad, loaded.bos, loaded.eos, loaded.unk) == (0, 1, 2, 3)
    assert tuple(loaded.vocabulary[:4]) == SPECIAL_WORDS


def test_bpe_has_the_asked_size_or_what_the_text_gives(bpe) -> None:
    assert bpe.size == 275
    assert 260 < ByteLevelBPE(5000).train(LINES).size < 400


def test_fingerprints_tell_vocabularies_apart() -> None:
    assert WordLevel().train(LINES).fingerprint == WordLevel().train(LINES[::-1]).fingerprint
    assert WordLevel().train(LINES).fingerprint != WordLevel().train(LINES[:2]).fingerprint


def test_a_vocabulary_in_the_order_of_its_ids_is_kept(bpe) -> None:
    words = [*SPECIAL_WORDS, "zebra", "ant"]
    tokenizer = Tokenizer.from_vocabulary(words)
    assert tokenizer.vocabulary == words
    assert tokenizer.encode(["ant zebra cow"]) == [[5, 4, 3]]
    assert Ready(tokenizer).train(["cow"]) is tokenizer


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*SPECIAL_WORDS, "ant", "ant"], "'ant' more than once"),
        (["ant", *SPECIAL_WORDS], "first four tokens"),
    ],
)
def test_a_vocabulary_that_cannot_be_is_refused(words, message) -> None:
    with pytest.raises(DataError, match=message):
        Tokenizer.from_vocabulary(words)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"version": "1.0"}', "\0", '"text"'])
def test_a_broken_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json") as caught:
        Tokenizer.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_or_foreign_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="absent"):
        Tokenizer.load(tmp_path / "absent.json")
    path = tmp_path / "tokenizer.json"
    WordLevel().train(LINES).save(path)
    content = json.loads(path.read_text())
    content["model"]["vocab"]["the"] = 1000
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="ids beyond that"):
        Tokenizer.load(path)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "word", "size": 4}, "size is 4"),
        ({"name": "bpe", "size": 260}, "the bytes alone take 260"),
        ({"name": "characters"}, "known: bpe, word"),
    ],
)
def test_settings_out_of_range_are_refused(spec, message) -> None:
    with pytest.raises(ConfigError, match=message):
        construct(TOKENIZERS, spec, "tokenizer")


@pytest.mark.parametrize("trainer", [WordLevel(), ByteLevelBPE(300)])
def test_no_text_makes_no_tokenizer(trainer) -> None:
    with pytest.raises(DataError, match="training text"):
        trainer.train([])
