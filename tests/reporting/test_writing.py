import json
from html.parser import HTMLParser

import pytest

from tests.reporting.folders import config, finished, rows, write_run
from textvae.errors import ConfigError
from textvae.reporting.comparison import results
from textvae.reporting.runs import read_runs
from textvae.reporting.writing import document, write_report


class Reader(HTMLParser):
    """What a page refers to, and whether its elements are closed in the order in which they were opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def runs(tmp_path):
    for seed in (0, 1):
        finished(tmp_path / "sweep" / f"good-{seed}", name="a <b> & c", seed=seed)
    failed = [*rows(), {"step": 310, "failed": "TrainingError: <nan>"}]
    write_run(tmp_path / "sweep" / "failed", config(), None, failed)
    return read_runs([tmp_path / "sweep"])


def test_all_files_are_written_and_json_reads_back_equal(runs, tmp_path):
    written = write_report(runs, tmp_path / "out")
    assert {path.name for path in written} == {
        "table.md",
        "table.csv",
        "table.json",
        "training.png",
        "rate_distortion.png",
        "report.html",
    }
    read = json.loads((tmp_path / "out" / "table.json").read_text())
    assert read == document(*results(runs))
    assert [row["seed"] for row in read["runs"]] == [0, 1]
    assert [row["problem"] for row in read["without_result"]] == ["failed at step 310: TrainingError: <nan>"]


def test_the_page_needs_no_other_file(runs, tmp_path):
    write_report(runs, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    reader = Reader(page)
    assert reader.open == [] and "script" not in reader.tags and "link" not in reader.tags
    pictures = [source for source in reader.sources if source.startswith("data:image/png;base64,")]
    assert pictures == reader.sources and len(pictures) == 4
    assert "a &lt;b&gt; &amp; c, seed 1" in page and "TrainingError: &lt;nan&gt;" in page
    assert "it was &lt;unk&gt; after epoch 3" in page


def test_what_another_report_left_goes_and_nothing_else(runs, tmp_path):
    out = tmp_path / "out"
    assert out / "kl_per_dimension.png" in write_report(runs[:1], out)
    kept = {"kl_per_dimension.pdf": "mine", "notes.md": "mine", "training.png.txt": "mine"}
    for name, content in kept.items():
        (out / name).write_text(content)
    written = write_report(runs, out)
    assert {path.name for path in out.iterdir()} == {path.name for path in written} | kept.keys()
    unfinished = write_report(read_runs([write_run(tmp_path / "empty", config(), None, [])]), out)
    assert {path.name for path in unfinished} == {"table.json", "report.html"}
    assert {path.name for path in out.iterdir()} == {path.name for path in unfinished} | kept.keys()
    assert all((out / name).read_text() == content for name, content in kept.items())


def test_a_folder_without_a_report_keeps_all_it_has(runs, tmp_path):
    (tmp_path / "kl_per_dimension.png").write_text("mine")
    assert tmp_path / "kl_per_dimension.png" not in write_report(runs, tmp_path)
    assert (tmp_path / "kl_per_dimension.png").read_text() == "mine"


def test_a_folder_that_cannot_be_is_an_error_of_one_line(runs, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="output="):
        write_report(runs, tmp_path / "file")
