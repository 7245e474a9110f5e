"""The Penn Treebank: a named folder and nothing else; else the hub, then the mirrors; else one clear line."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import datasets
import pytest

from textvae.data import ptb
from textvae.data.corpus import SPLITS
from textvae.data.ptb import PTBCorpus
from textvae.errors import DataError

TEXT = {split: f" {split} <unk> N \n it 's {split} \n" for split in SPLITS}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of a local server of the folder `tmp_path / "site"`."""
    (tmp_path / "site").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "site")))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder is named, no mirror known, and the files that are right are those of TEXT."""
    monkeypatch.delenv("TEXTVAE_PTB_DIR", raising=False)
    monkeypatch.setattr(ptb, "MIRRORS", ())
    monkeypatch.setattr(
        ptb, "MD5", {split: hashlib.md5(text.encode()).hexdigest() for split, text in TEXT.items()}
    )


def write(folder: Path, text: dict[str, str] = TEXT) -> str:
    folder.mkdir(exist_ok=True)
    for split, content in text.items():
        (folder / f"ptb.{split}.txt").write_text(content)
    return str(folder)


def sentences(corpus) -> dict[str, list[str]]:
    return {split: list(lines) for split, lines in corpus.splits.items()}


EXPECTED = {split: [f"{split} <unk> N", f"it 's {split}"] for split in SPLITS}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        pytest.fail("a named folder must never lead to the network")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    monkeypatch.setattr(ptb.request, "urlopen", fail)


@pytest.mark.usefixtures("no_network")
def test_a_named_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "given")
    assert sentences(PTBCorpus(folder).load()) == EXPECTED
    assert PTBCorpus(folder).load().notes == ()
    monkeypatch.setenv("TEXTVAE_PTB_DIR", folder)
    assert sentences(PTBCorpus(cache_dir=tmp_path).load()) == EXPECTED


@pytest.mark.usefixtures("no_network")
def test_a_named_folder_that_lacks_files_fails_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"absent, named by data\.path, has no ptb\.train\.txt"):
        PTBCorpus(str(tmp_path / "absent")).load()
    monkeypatch.setenv("TEXTVAE_PTB_DIR", write(tmp_path / "given"))
    (tmp_path / "given" / "ptb.valid.txt").unlink()
    with pytest.raises(DataError, match=r"given, named by TEXTVAE_PTB_DIR, has no ptb\.valid\.txt"):
        PTBCorpus().load()


def test_other_files_are_read_with_a_remark(tmp_path: Path) -> None:
    corpus = PTBCorpus(write(tmp_path / "given", TEXT | {"test": " other \n"})).load()
    assert sentences(corpus)["test"] == ["other"]
    assert len(corpus.notes) == 1 and "ptb.test.txt" in corpus.notes[0]
    assert corpus.fingerprint != PTBCorpus(write(tmp_path / "same")).load().fingerprint


def test_the_hubs_export_becomes_the_raw_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split, name in (("train", "train"), ("valid", "validation"), ("test", "test")):
        rows = [line.strip() for line in TEXT[split].splitlines()]
        datasets.Dataset.from_dict({"sentence": rows}).to_parquet(tmp_path / f"{name}.parquet")
    real, asked = datasets.load_dataset, []

    def load_dataset(name, config, *, revision, split):
        asked.append((name, revision))
        files = {split: str(tmp_path / f"{split}.parquet")}
        return real("parquet", data_files=files, split=split, cache_dir=str(tmp_path / "library"))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    cache = tmp_path / "cache"
    assert sentences(PTBCorpus(cache_dir=cache).load()) == EXPECTED
    assert PTBCorpus(cache_dir=cache).load().notes == ()
    assert asked == [("ptb-text-only/ptb_text_only", "refs/convert/parquet")] * 3, "fetched once, then cached"


def test_the_mirrors_serve_where_the_hub_does_not(tmp_path: Path, site: str, monkeypatch) -> None:
    write(tmp_path / "site")
    monkeypatch.setattr(ptb, "MIRRORS", (f"{site}/nowhere", site))
    cache = tmp_path / "cache"
    assert sentences(PTBCorpus(cache_dir=cache).load()) == EXPECTED
    monkeypatch.setattr(ptb, "MIRRORS", ())
    assert sentences(PTBCorpus(cache_dir=cache).load()) == EXPECTED, "the second time from the cache"


def test_a_corrupted_file_is_not_taken(tmp_path: Path, site: str, monkeypatch) -> None:
    write(tmp_path / "site", TEXT | {"valid": "<html> not found </html>\n"})
    monkeypatch.setattr(ptb, "MIRRORS", (site,))
    with pytest.raises(DataError, match=rf"{site}/ptb\.valid\.txt \(MD5 \w+, expected {ptb.MD5['valid']}\)"):
        PTBCorpus(cache_dir=tmp_path / "cache").load()
    assert not list((tmp_path / "cache").iterdir()), "nothing half-made stays"


def test_where_nothing_can_be_had_one_line_says_what_was_tried(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(ptb, "MIRRORS", ("http://127.0.0.1:9/data",))
    with pytest.raises(DataError) as caught:
        PTBCorpus(cache_dir=tmp_path / "cache").load()
    message = str(caught.value)
    assert "\n" not in message
    tried = [
        "ptb-text-only/ptb_text_only",
        "http://127.0.0.1:9/data/ptb.train.txt",
        "data.path",
        "TEXTVAE_PTB_DIR",
    ]
    assert [what for what in tried if what not in message] == []
