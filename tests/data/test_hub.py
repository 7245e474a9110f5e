"""Text sets come through the real `datasets` library, from parquet files that stand for the hub's."""

import shutil
import time
from pathlib import Path

import datasets
import pytest
from huggingface_hub import constants

from textvae.data import hub
from textvae.data.hub import HubCorpus
from textvae.errors import DataError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with train and test parquet files: columns sentence, kind (a class) and year."""
    folder = tmp_path_factory.mktemp("set") / "reviews"
    folder.mkdir()
    kinds = datasets.ClassLabel(names=["bad", "good"])
    features = datasets.Features(
        {"sentence": datasets.Value("string"), "kind": kinds, "year": datasets.Value("int64")}
    )
    for split, count in (("train", 20), ("test", 5)):
        sentences = [f" {split} sentence {i} \n" for i in range(count - 1)] + [None]
        columns = {"sentence": sentences, "kind": [i % 2 for i in range(count)], "year": [1990] * count}
        datasets.Dataset.from_dict(columns, features).to_parquet(folder / f"{split}.parquet")
    return str(folder)


@pytest.fixture(autouse=True)
def library_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)


def test_rows_of_the_column_are_sentences(dataset: str) -> None:
    corpus = HubCorpus(dataset, column="sentence", valid=None).load()
    assert corpus.name == "reviews" and corpus.labels is None
    assert list(corpus.splits) == ["train", "test"]
    for _ in range(2):
        assert list(corpus.splits["test"]) == [*(f"test sentence {i}" for i in range(4)), ""]


def test_slices_are_splits_and_classes_are_labels(dataset: str) -> None:
    corpus = HubCorpus(dataset, "sentence", label="kind", train="train[:16]", valid="train[16:]").load()
    assert list(corpus.splits["valid"]) == ["train sentence 16", "train sentence 17", "train sentence 18", ""]
    assert list(corpus.labels["valid"]) == ["bad", "good", "bad", "good"]
    assert len(list(corpus.splits["train"])) == 16


def test_the_fingerprint_tells_splits_and_columns_apart(dataset: str) -> None:
    made = [
        HubCorpus(dataset, "sentence", valid=None),
        HubCorpus(dataset, "sentence", valid="train[16:]"),
        HubCorpus(dataset, "sentence", label="kind", valid=None),
    ]
    assert len({corpus.load().fingerprint for corpus in made}) == 3
    assert made[0].load().fingerprint == made[0].load().fingerprint


def test_the_fingerprint_is_that_of_the_rows_wherever_they_lie(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprint(path: Path | str) -> str:
        return HubCorpus(str(path), "sentence", label="kind", valid=None).load().fingerprint

    first, moved = fingerprint(dataset), tmp_path / "elsewhere" / "reviews"
    shutil.copytree(dataset, moved)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "another cache")
    assert fingerprint(moved) == first
    rows = datasets.Dataset.from_parquet(str(moved / "train.parquet"))
    for changed in (
        rows.cast_column("kind", datasets.ClassLabel(names=["poor", "good"])),
        rows.map(lambda row: row | {"kind": 0}),
        rows.map(lambda row: row | {"sentence": "another"}),
    ):
        changed.to_parquet(moved / "train.parquet")
        assert fingerprint(moved) != first
    rows.map(lambda row: row | {"year": 1991}).to_parquet(moved / "train.parquet")
    assert fingerprint(moved) == first, "a column that is not read"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"column": "body"}, r"no column 'body'; it has: sentence, kind, year"),
        ({"column": "sentence", "label": "mood"}, r"no column 'mood'"),
        (
            {"column": "sentence", "train": "dev"},
            r"split dev, cannot be had: .*dev.*; data\.train=\"'train\[:5%\]'\" would",
        ),
        ({"column": "sentence", "config": "french"}, r"cannot be had: .*french"),
    ],
)
def test_what_the_set_lacks_is_named(dataset: str, settings, message) -> None:
    with pytest.raises(DataError, match=message) as caught:
        HubCorpus(dataset, valid=None, **settings).load()
    assert "\n" not in str(caught.value)


def test_a_column_of_numbers_is_no_text(dataset: str) -> None:
    corpus = HubCorpus(dataset, "year", valid=None).load()
    with pytest.raises(DataError, match="'year' holds int, not text"):
        list(corpus.splits["train"])


def test_rows_without_a_class_are_refused(tmp_path: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "kind": datasets.ClassLabel(names=["bad"])}
    )
    datasets.Dataset.from_dict({"text": ["a"], "kind": [-1]}, features).to_parquet(tmp_path / "test.parquet")
    corpus = HubCorpus(str(tmp_path), label="kind", train=None, valid=None).load()
    with pytest.raises(DataError, match="choose splits that have labels"):
        list(corpus.labels["test"])


def test_rows_without_a_label_are_no_class_of_their_own(tmp_path: Path) -> None:
    rows = {"text": ["a", "b"], "kind": ["x", None]}
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "test.parquet")
    corpus = HubCorpus(str(tmp_path), label="kind", train=None, valid=None).load()
    with pytest.raises(DataError, match="some sentences have none; choose splits that have labels"):
        list(corpus.labels["test"])


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would ask the hub, which lies at an address where nobody answers."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.usefixtures("online")
def test_a_hub_out_of_reach_fails_at_once_and_in_one_line() -> None:
    began = time.monotonic()
    with pytest.raises(
        DataError, match=r"somebody/reviews, split train, cannot be had: .*:9 does not answer"
    ) as caught:
        HubCorpus("somebody/reviews").load()
    assert time.monotonic() - began < 5
    assert "\n" not in str(caught.value)
    assert not constants.HF_HUB_OFFLINE and not datasets.config.HF_HUB_OFFLINE


@pytest.mark.usefixtures("online")
def test_files_on_this_machine_need_no_hub(dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_answers", lambda address: pytest.fail("the hub was asked"))
    assert len(list(HubCorpus(dataset, "sentence", valid=None).load().splits["test"])) == 5


@pytest.mark.usefixtures("online")
def test_a_hub_that_answers_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_answers", lambda address: True)
    asked = {}

    def load_dataset(name, config, **options):
        asked.update(options, name=name, offline=constants.HF_HUB_OFFLINE)
        return datasets.Dataset.from_dict({"text": ["a"]})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    HubCorpus("somebody/reviews", revision="r", train="train[:1%]", valid=None, test=None).load()
    assert asked == {"name": "somebody/reviews", "revision": "r", "split": "train[:1%]", "offline": False}
