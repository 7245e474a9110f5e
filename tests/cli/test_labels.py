"""Conditional models on the command line: trained on labelled text, then asked for sentences by label."""

import json

import pytest

from tests.cli.process import SMALL, inside, says_one_line, summary, textvae, train_small


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train_small(tmp_path_factory.mktemp("runs") / "run", "experiment=grammar/conditional")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "plain"
    lines(inside("train", *SMALL, "experiment=grammar/collapse", f"run_dir={folder}", cwd=folder.parent))
    return folder


def lines(done) -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_sentences_by_label(run, tmp_path):
    names = json.loads((run / "labels.json").read_text())
    assert names[:2] == ["music", "theatre"] and len(names) == 8
    common = ["sample", f"checkpoint={run}", "n=6", "max_length=9"]
    by_name = lines(textvae(*common, "label=theatre", cwd=tmp_path))
    assert len(by_name) == 6
    assert by_name == lines(inside(*common, "label=1"))
    assert by_name != lines(inside(*common, "label=music"))
    assert len(lines(inside(*common))) == 6


def test_evaluate_numbers_labels_as_the_run_did(run, tmp_path):
    out = tmp_path / "figures.json"
    lines(inside("evaluate", f"checkpoint={run}", "eval.iw_samples=3", f"output={out}"))
    assert json.loads(out.read_text()) == summary(run)["test"]


def test_labels_that_the_text_has_not_are_told_before_anything_is_written(tmp_path):
    (tmp_path / "days").write_text("\n".join(f"it is day number {i}" for i in range(60)), encoding="utf-8")
    setting = [item for item in SMALL if not item.startswith("data")]
    own = ["data=text", "data.file=days", "prior=conditional", "prior.labels=3", "run_dir=run"]
    says_one_line(
        inside("train", *setting, *own, cwd=tmp_path), "the model reads 3 labels, but the data has none"
    )
    assert not (tmp_path / "run").exists()


def test_own_text_with_a_column_of_labels(tmp_path):
    """Names are kept by number, and a file whose labels come in another order is read by them."""
    rows = [
        f"it is a {word} day number {i}\t{label}"
        for i in range(30)
        for word, label in (("fine", "sun"), ("wet", "rain"))
    ]
    (tmp_path / "days.tsv").write_text("\n".join(rows), encoding="utf-8")
    setting = [item for item in SMALL if not item.startswith("data")]
    own = ["data=text", "data.file=days.tsv", "data.labels=true", "condition.decoder=3", "prior=conditional"]
    lines(inside("train", *setting, *own, "run_dir=run", cwd=tmp_path))
    assert json.loads((tmp_path / "run" / "labels.json").read_text()) == ["rain", "sun"]
    assert len(lines(inside("sample", "checkpoint=run", "label=rain", "n=3", cwd=tmp_path))) == 3
    (tmp_path / "other.tsv").write_text(
        "\n".join(row.replace("rain", "snow") for row in rows), encoding="utf-8"
    )
    says_one_line(
        inside("evaluate", "checkpoint=run", "data.file=other.tsv", cwd=tmp_path), "'snow'", "rain, sun"
    )
    says_one_line(
        inside("evaluate", "checkpoint=run", "+data.labels=false", cwd=tmp_path), "has no labels", "rain, sun"
    )


def test_text_without_labels_is_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "plain.txt").write_text("a b\n" * 50, encoding="utf-8")
    setting = [item for item in SMALL if not item.startswith("data")]
    for choice in ("prior=conditional", "condition.encoder=2"):
        done = inside(
            "train", *setting, "data=text", "data.file=plain.txt", choice, "run_dir=run", cwd=tmp_path
        )
        says_one_line(done, "the data has no labels")
        assert not (tmp_path / "run" / "config.json").exists()


def test_a_model_that_reads_no_labels_keeps_none(plain):
    assert not (plain / "labels.json").exists()
    says_one_line(inside("sample", f"checkpoint={plain}", "label=music"), "'music'", "has no labels")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["sample", "label=poetry"], ["'poetry'", "music, theatre"]),
        (["sample", "label=8"], ["label is 8", "from 0 to 7"]),
        (["reconstruct"], ["reads a label"]),
        (["evaluate", "label=music"], ["sentences of a split have their own"]),
    ],
)
def test_errors_are_one_line(run, arguments, parts):
    verb, *settings = arguments
    says_one_line(inside(verb, f"checkpoint={run}", *settings), *parts)


def test_own_sentences_have_the_label_that_is_given(run):
    sentence = "\n".join(lines(inside("sample", f"checkpoint={run}", "n=2", "max_length=9", "ban_unk=true")))
    for verb in ("reconstruct", "encode", "evaluate"):
        assert lines(inside(verb, f"checkpoint={run}", "input=-", "label=music", stdin=sentence))


def test_labels_in_the_sentences_of_ones_own_are_not_taken_for_words(run):
    done = inside("evaluate", f"checkpoint={run}", "input=-", "label=music", stdin="a quiet song\tmusic\n")
    says_one_line(done, "input holds tabs, but its lines are sentences alone; label= gives that of all")


def test_damaged_names_are_one_line(run, tmp_path):
    folder = tmp_path / "damaged"
    folder.mkdir()
    for source in run.iterdir():
        (folder / source.name).write_bytes(source.read_bytes())
    for text in ("[1, 2]", "{", "{}"):
        (folder / "labels.json").write_text(text)
        says_one_line(inside("sample", f"checkpoint={folder}"), "labels.json is damaged")
