"""From text to stores: every count is right, the cache is used, and labels and tokenizers go where they belong."""

import threading
import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from textvae.data import census
from textvae.data import prepare as module
from textvae.data.batching import Batcher, EqualLength
from textvae.data.prepare import Prepared, prepare
from textvae.data.store import write_store
from textvae.data.text import TextCorpus
from textvae.errors import ConfigError, DataError

WORD = {"name": "word"}


def texts(prepared: Prepared, split: str) -> list[str]:
    store = prepared.stores[split]
    return prepared.tokenizer.decode([row.tolist() for row in store.rows(np.arange(len(store)))])


@pytest.fixture
def source(lines_of) -> dict[str, str]:
    return {
        "name": "text",
        "train": lines_of("train", "the cat sat\n\nthe dog sat <unk>\n\na dog\n"),
        "valid": lines_of("valid", "the bird sat\nbirds fly\n"),
        "test": lines_of("test", "a cat\n"),
    }


def test_sentences_facts_and_notes(source, tmp_path: Path) -> None:
    prepared = prepare(source, WORD, cache_dir=tmp_path)
    assert texts(prepared, "train") == ["the cat sat", "the dog sat <unk>", "a dog"]
    assert texts(prepared, "valid") == ["the <unk> sat", "<unk> <unk>"]
    assert prepared.facts["vocabulary"] == prepared.tokenizer.size == 9
    valid = {name: value for name, value in prepared.facts.items() if name.startswith("valid/")}
    assert valid == {
        "valid/sentences": 2,
        "valid/tokens": 7,
        "valid/tokens_per_sentence": 3.5,
        "valid/longest": 3,
        "valid/unknown_share": 3 / 5,
    }
    assert prepared.notes == [
        "train: 2 blank lines skipped",
        "valid: 1 sentences hold only unknown words",
        "valid: 60.00% of the words are <unk>",
    ]
    assert prepared.label_names == [] and prepared.stores["train"].labels_of(np.array([0])) is None


def test_what_was_tokenised_is_not_tokenised_again(source, tmp_path: Path, monkeypatch) -> None:
    first = prepare(source, WORD, cache_dir=tmp_path)
    monkeypatch.setattr(module, "_tokenise", lambda *_: pytest.fail("tokenised again"))
    again = prepare(source, WORD, cache_dir=tmp_path)
    assert (again.facts, again.notes) == (first.facts, first.notes)
    assert again.tokenizer.fingerprint == first.tokenizer.fingerprint
    assert texts(again, "train") == texts(first, "train")


def test_what_is_known_of_a_text_is_known_of_all_its_words_alone(tmp_path: Path) -> None:
    grammar = {"name": "grammar", "train": 5000, "valid": 10, "test": 10}
    assert prepare(grammar, WORD, cache_dir=tmp_path).facts["entropy"] > 0
    for tokenizer, limit in (
        ({"name": "word", "size": 50}, None),
        (WORD, {"name": "truncate", "tokens": 8}),
    ):
        assert "entropy" not in prepare(grammar, tokenizer, max_length=limit, cache_dir=tmp_path).facts


def test_the_fingerprint_says_how_it_was_made(source, tmp_path: Path, monkeypatch) -> None:
    plain = prepare(source, WORD, cache_dir=tmp_path).fingerprint
    load = TextCorpus.load
    monkeypatch.setattr(TextCorpus, "load", lambda self: replace(load(self), form="rows"))
    assert prepare(source, WORD, cache_dir=tmp_path).fingerprint == f"rows:{plain}"


def test_the_fingerprint_is_of_the_text(source, tmp_path: Path, lines_of) -> None:
    first = prepare(source, WORD, cache_dir=tmp_path).fingerprint
    assert prepare(source, {"name": "word", "size": 6}, cache_dir=tmp_path).fingerprint == first
    lines_of("train", "another text\n")
    assert prepare(source, WORD, cache_dir=tmp_path).fingerprint != first


def test_a_change_is_seen(source, tmp_path: Path, lines_of) -> None:
    prepare(source, WORD, cache_dir=tmp_path)
    few = prepare(source, {"name": "word", "size": 6}, cache_dir=tmp_path)
    assert texts(few, "train") == ["<unk> <unk> sat", "<unk> dog sat <unk>", "<unk> dog"]
    short = prepare(source, WORD, max_length={"name": "drop", "tokens": 3}, cache_dir=tmp_path)
    assert texts(short, "train") == ["the cat sat", "a dog"]
    lines_of("train", "another text\n")
    assert texts(prepare(source, WORD, cache_dir=tmp_path), "train") == ["another text"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [("drop", ["the cat sat", "a dog"]), ("truncate", ["the cat sat", "the dog sat", "a dog"])],
)
def test_a_maximum_length_says_how_many(source, tmp_path: Path, name, kept) -> None:
    prepared = prepare(source, WORD, max_length={"name": name, "tokens": 3}, cache_dir=tmp_path)
    assert texts(prepared, "train") == kept
    done = {"drop": "dropped", "truncate": "truncated"}[name]
    assert f"train: 1 sentences longer than 3 tokens {done}" in prepared.notes


def test_an_unknown_word_that_is_never_trained_is_remarked(source, tmp_path: Path, lines_of) -> None:
    lines_of("train", "the cat sat\n")
    notes = prepare(source, WORD, cache_dir=tmp_path).notes
    assert [note.split(":")[0] for note in notes if "train never shows <unk>" in note] == ["valid", "test"]


def test_a_ready_tokenizer_reads_other_text(source, tmp_path: Path, lines_of) -> None:
    tokenizer = prepare(source, WORD, cache_dir=tmp_path).tokenizer
    other = {"name": "text", "test": lines_of("other", "the cow sat\n")}
    prepared = prepare(other, tokenizer, splits=["test"], cache_dir=tmp_path)
    assert prepared.tokenizer.fingerprint == tokenizer.fingerprint
    assert texts(prepared, "test") == ["the <unk> sat"]


def test_byte_pairs_know_every_word(source, tmp_path: Path) -> None:
    prepared = prepare(source, {"name": "bpe", "size": 262}, cache_dir=tmp_path)
    assert texts(prepared, "valid") == ["the bird sat", "birds fly"]
    assert prepared.facts["valid/unknown_share"] == 0


def test_labels_are_numbered_by_their_names(lines_of, tmp_path: Path) -> None:
    lines = "good day\tsunny\n\nbad day\train\nbad luck\train\n"
    source = {
        "name": "text",
        "labels": True,
        "train": lines_of("a", lines),
        "test": lines_of("b", "day\tsunny\n"),
    }
    prepared = prepare(source, WORD, splits=["train", "test"], cache_dir=tmp_path)
    assert prepared.label_names == ["rain", "sunny"]
    assert prepared.stores["train"].labels_of(np.arange(3)).tolist() == [1, 0, 0]
    assert next(Batcher(prepared.stores["test"], 4).in_order()).labels.tolist() == [1]


def test_labels_are_numbered_by_the_names_that_are_given(lines_of, tmp_path: Path) -> None:
    source = {"name": "text", "labels": True, "train": lines_of("a", "good\tsun\nbad\train\n")}
    names = ["sun", "snow", "rain"]
    for given, expected in ((names, [0, 2]), ((), [1, 0])):
        prepared = prepare(source, WORD, splits=["train"], label_names=given, cache_dir=tmp_path)
        assert prepared.stores["train"].labels_of(np.arange(2)).tolist() == expected
        assert prepared.label_names == (list(given) or ["rain", "sun"])
    with pytest.raises(DataError, match="has label 'rain', the known ones are sun: leave"):
        prepare(source, WORD, splits=["train"], label_names=["sun"], cache_dir=tmp_path)
    with pytest.raises(DataError, match="text has no labels, which the model reads; it knows sun"):
        prepare(source | {"labels": False}, WORD, splits=["train"], label_names=["sun"], cache_dir=tmp_path)


def test_numbers_as_labels_keep_their_order(lines_of, tmp_path: Path) -> None:
    source = {
        "name": "text",
        "labels": True,
        "train": lines_of("a", "ten\t10\ntwo\t2\nless\t-1\nalso\t01\none\t1\n"),
    }
    names = prepare(source, WORD, splits=["train"], cache_dir=tmp_path).label_names
    assert names == ["-1", "01", "1", "2", "10"]  # whatever the order of a set


def test_a_label_that_train_lacks_is_refused(lines_of, tmp_path: Path) -> None:
    source = {
        "name": "text",
        "labels": True,
        "train": lines_of("a", "a\tx\n"),
        "test": lines_of("b", "a\ty\n"),
    }
    with pytest.raises(DataError, match="the test split has label 'y', the known ones are x: leave"):
        prepare(source, WORD, splits=["train", "test"], cache_dir=tmp_path)
    assert not list((tmp_path / "tokenised").iterdir())


def test_a_split_without_sentences_is_refused(source, tmp_path: Path, lines_of) -> None:
    lines_of("valid", "\n  \n")
    with pytest.raises(DataError, match=r"nothing is left of the valid split \(2 blank lines"):
        prepare(source, WORD, cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"tokenizer": {"name": "word", "width": 3}},
            "data.tokenizer 'word' has no setting 'width'; it has: size",
        ),
        ({"source": {"name": "novel"}}, "data.name is 'novel'; known: grammar, hub, ptb, text"),
        (
            {"source": {"name": "ptb", "cache_dir": "x"}},
            "data 'ptb' has no setting 'cache_dir'; it has: path",
        ),
        ({"source": {"name": "text"}}, "give either file, or train, valid and test"),
        ({"max_length": {"name": "drop"}}, "data.max_length 'drop': .*tokens"),
    ],
)
def test_settings_that_are_not_known_are_refused(source, tmp_path: Path, change, message) -> None:
    settings = {"source": source, "tokenizer": WORD, "cache_dir": tmp_path} | change
    with pytest.raises(ConfigError, match=message):
        prepare(settings.pop("source"), settings.pop("tokenizer"), **settings)


def test_a_missing_split_is_named(lines_of, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="text has no valid split; it has: train"):
        prepare({"name": "text", "train": lines_of("a", "x\n")}, WORD, cache_dir=tmp_path)


@pytest.mark.parametrize("broken", ["kept.json", "train.arrow"])
def test_a_damaged_cache_is_named(source, tmp_path: Path, broken) -> None:
    prepare(source, WORD, cache_dir=tmp_path)
    (path,) = tmp_path.glob(f"tokenised/*/{broken}")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match=r"delete (it|its folder)"):
        prepare(source, WORD, cache_dir=tmp_path)


@pytest.mark.parametrize("labels", [False, True])
def test_memory_does_not_grow_with_the_text(lines_of, tmp_path: Path, monkeypatch, labels) -> None:
    monkeypatch.setattr(module, "write_store", partial(write_store, chunk=100))
    monkeypatch.setattr(census, "_AT_ONCE", 100)

    def peak(sentences: int) -> int:
        path = lines_of("all", "one sentence of seven words or so\tlabel\n" * sentences)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        prepare({"name": "text", "train": path, "labels": labels}, WORD, splits=["train"], cache_dir=tmp_path)
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        peak(100)  # what is made once in a process
        few, many = peak(1000), peak(5000)
    finally:
        tracemalloc.stop()
    assert many < 1.5 * few


def test_several_at_once_make_one_cache(source, tmp_path: Path) -> None:
    made: list[Prepared] = []
    threads = [
        threading.Thread(target=lambda: made.append(prepare(source, WORD, cache_dir=tmp_path)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [texts(prepared, "train") for prepared in made] == [texts(made[0], "train")] * 4
    assert len(list((tmp_path / "tokenised").iterdir())) == 1


def test_the_grammar_is_a_source(tmp_path: Path) -> None:
    source = {"name": "grammar", "train": 5000, "valid": 5, "test": 5}
    prepared = prepare(source, WORD, cache_dir=tmp_path)
    assert len(prepared.stores["train"]) == 5000
    assert prepared.facts["entropy"] > 0


def test_penn_treebank_has_its_published_counts(ptb_dir: Path, tmp_path: Path) -> None:
    prepared = prepare({"name": "ptb", "path": str(ptb_dir)}, WORD, cache_dir=tmp_path)
    assert prepared.tokenizer.size == 10_002
    sentences = {split: len(store) for split, store in prepared.stores.items()}
    assert sentences == {"train": 42_068, "valid": 3_370, "test": 3_761}
    tokens = {split: prepared.facts[f"{split}/tokens"] for split in sentences}
    assert tokens == {"train": 887_521 + 42_068, "valid": 70_390 + 3_370, "test": 82_430}
    assert round(prepared.facts["test/tokens_per_sentence"], 3) == 21.917
    batches = list(Batcher(prepared.stores["test"], 32, EqualLength()).epoch(0))
    assert sum(batch.tokens for batch in batches) == sum(int(batch.mask.sum()) for batch in batches) == 82_430
    assert texts(prepared, "test") == [line.strip() for line in (ptb_dir / "ptb.test.txt").open()]
