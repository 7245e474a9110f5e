"""Own text: what is in the files comes out in its order; faults are named with file and line."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textvae.data.text import TextCorpus
from textvae.errors import DataError

LINES = "".join(f"sentence {i}\n" for i in range(100))


def read(corpus) -> dict[str, list[str]]:
    return {split: list(sentences) for split, sentences in corpus.splits.items()}


def test_each_file_is_a_split_and_can_be_read_again(lines_of) -> None:
    corpus = TextCorpus(
        train=lines_of("a", "one\n  two words \n\nthree"), test=lines_of("b", "four\r\n")
    ).load()
    expected = {"train": ["one", "two words", "", "three"], "test": ["four"]}
    assert read(corpus) == read(corpus) == expected
    assert corpus.labels is None


def test_a_byte_order_mark_is_no_word(lines_of) -> None:
    assert read(TextCorpus(train=lines_of("a", b"\xef\xbb\xbfone\n")).load()) == {"train": ["one"]}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(lines=st.integers(3, 80), seed=st.integers(0, 3), part=st.sampled_from([0.01, 0.1, 0.3]))
def test_one_file_is_dealt_out_whole(lines_of, lines, seed, part) -> None:
    sentences = [f"sentence {i}" for i in range(lines)]
    path = lines_of("all", "\n".join(sentences))
    corpus = TextCorpus(file=path, valid_fraction=part, test_fraction=part, seed=seed).load()
    dealt = read(corpus)
    assert dealt == read(corpus)
    assert sorted(line for split in dealt.values() for line in split) == sorted(sentences)
    assert len(dealt["valid"]) == len(dealt["test"]) == max(1, round(lines * part))
    assert all(split == sorted(split, key=sentences.index) for split in dealt.values())


def test_blank_lines_are_no_sentences_to_deal_out(lines_of) -> None:
    sentences = [f"sentence {i}" for i in range(20)]
    apart, together = lines_of("apart", "\n\n".join(sentences)), lines_of("together", "\n".join(sentences))
    for seed in range(4):
        blank, plain = (TextCorpus(file=path, seed=seed).load() for path in (apart, together))
        dealt = {split: [line for line in rows if line] for split, rows in read(blank).items()}
        assert dealt == read(plain)
        assert "blank" in blank.fingerprint and "blank" not in plain.fingerprint


def test_seeds_deal_differently(lines_of) -> None:
    path = lines_of("all", LINES)
    dealt = [read(TextCorpus(file=path, seed=seed).load())["valid"] for seed in (0, 0, 1)]
    assert dealt[0] == dealt[1] != dealt[2]


def test_labels_stay_with_their_sentences(lines_of) -> None:
    path = lines_of("all", "".join(f"sentence {i}\tkind {i % 3}\n" for i in range(30)) + "\n")
    corpus = TextCorpus(file=path, labels=True).load()
    pairs = [
        pair
        for split in corpus.splits
        for pair in zip(corpus.splits[split], corpus.labels[split], strict=True)
    ]
    assert sorted(pairs) == sorted([("", ""), *((f"sentence {i}", f"kind {i % 3}") for i in range(30))])


@pytest.mark.parametrize("line", ["no label", "no label\t", "\tno sentence"])
def test_a_line_that_lacks_label_or_sentence_is_named(lines_of, line) -> None:
    corpus = TextCorpus(train=lines_of("a.tsv", f"good\tyes\n{line}\n"), labels=True).load()
    with pytest.raises(DataError, match=r"a\.tsv, line 2: not `sentence TAB label`"):
        read(corpus)


def test_a_line_that_is_not_utf8_is_named(lines_of) -> None:
    corpus = TextCorpus(train=lines_of("a", b"fine\ncaf\xe9 bar\n")).load()
    with pytest.raises(DataError, match="a, line 2: byte 4 is not UTF-8"):
        read(corpus)


@pytest.mark.parametrize(
    ("made", "message"), [(None, "does not exist"), ("", "is empty"), ("one\ntwo\n", "2 sentences, too few")]
)
def test_files_that_cannot_serve_are_named(lines_of, tmp_path, made, message) -> None:
    path = tmp_path / "all.txt"
    if made is not None:
        lines_of("all.txt", made)
    with pytest.raises(DataError, match=rf"all\.txt.* {message}"):
        TextCorpus(file=str(path)).load()


def test_a_folder_is_no_file(tmp_path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        TextCorpus(train=str(tmp_path)).load()


@pytest.mark.parametrize(
    "settings_",
    [
        {},
        {"file": "a", "train": "b"},
        {"file": "a", "valid_fraction": 0},
        {"file": "a", "test_fraction": 0.95},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings_) -> None:
    with pytest.raises(ValueError, match=r"give either file|above 0"):
        TextCorpus(**settings_)


def test_the_fingerprint_follows_content_split_and_settings(lines_of) -> None:
    one, other, copy = lines_of("one", LINES), lines_of("other", LINES + "x"), lines_of("copy", LINES)
    corpora = [
        TextCorpus(file=one),
        TextCorpus(file=other),
        TextCorpus(file=one, seed=1),
        TextCorpus(train=one),
        TextCorpus(test=one),
    ]
    assert len({corpus.load().fingerprint for corpus in corpora}) == len(corpora)
    assert TextCorpus(file=one).load().fingerprint == TextCorpus(file=copy).load().fingerprint
