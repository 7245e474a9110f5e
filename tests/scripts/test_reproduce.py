"""scripts/reproduce.py with a table of tiny runs: what it keeps, skips, takes up again and reports."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.cli.process import SMALL, environment, same_weights
from tests.conftest import ROOT
from tests.scripts.loading import script_module

TINY = [word for word in SMALL if not word.startswith(("tracker", "train.max_steps"))]
VAE, BROKEN = (
    {"name": "vae", "overrides": ["latent.size=2"], "published": {"paper": {"nll_iw": 1.0}}},
    {"name": "broken", "overrides": ["latent.size=-1"]},
)
TABLE = {
    "title": "Tiny",
    "page": "tiny.md",
    "runs": "tiny",
    "columns": ["setting", "seeds", "epochs", "kl", "difference"],
    "overrides": [
        "experiment=grammar/collapse",
        *TINY,
        "data.train=1000",
    ],  # which show every word of the test split
    "epochs": 2,
    "samples": 5,
    "sources": {"paper": "A Paper"},
    "rows": [VAE, BROKEN],
}


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """Its processes have one thread each, as the workers of the tests have: more would wait for each other."""
    with script_module("reproduce") as module, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["runner"], "cores", lambda: 1)
        yield module


class Place:
    """A docs folder with the table `tiny`, and a folder of runs."""

    def __init__(self, root: Path) -> None:
        self.docs, self.folder = root / "docs", root / "runs"
        (self.docs / "results" / "tables").mkdir(parents=True)
        (self.docs / "results" / "notes").mkdir()
        (self.docs / "results" / "notes" / "tiny.md").write_text("KL {vae.kl}, of the broken {broken.kl}.")
        self.define()

    def define(self, **changes: object) -> None:
        (self.docs / "results" / "tables" / "tiny.yaml").write_text(json.dumps({**TABLE, **changes}))

    def words(self, *words: str) -> list[str]:
        return [*(words or ("tiny",)), "--docs", str(self.docs), "--folder", str(self.folder)]

    def run(self, name: str) -> Path:
        return self.folder / "tiny" / name / "0"

    def records(self) -> list[dict]:
        return json.loads((self.docs / "results" / "tiny.json").read_text())

    def page(self) -> str:
        return (self.docs / "tiny.md").read_text()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, int, str]:
    """A long run and one that fails, two at a time, stopped by the end of the terminal: the place, status and what was said."""
    place = Place(tmp_path_factory.mktemp("reproduce"))
    place.define(epochs=100000)
    command = [sys.executable, str(ROOT / "scripts" / "reproduce.py"), *place.words("tiny", "--jobs", "2")]
    process = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # nohup's children would ignore it
    )
    assert process.stdout
    said = [process.stdout.readline() for _ in range(3)]  # both start, the broken one fails
    wait_for(place.run("vae") / "last.safetensors")
    with pytest.raises(BlockingIOError):
        lock(place.run("vae"))
    process.send_signal(signal.SIGHUP)
    said.append(process.communicate(timeout=200)[0])
    lock(place.run("vae"))  # free again
    return place, process.returncode, "".join(said)


@pytest.fixture(scope="module")
def resumed(stopped: tuple[Place, int, str], script: ModuleType) -> tuple[Place, int]:
    """The same again, with an end in sight."""
    place = stopped[0]
    place.define()
    return place, script.main(place.words("tiny", "--rows", "vae", "--jobs", "2"))


def lock(run: Path) -> None:
    with run.with_name(f"{run.name}.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def wait_for(path: Path, seconds: float = 100.0) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path} never came"
        time.sleep(0.05)


def test_a_failure_stops_no_other_and_is_listed_with_its_reason(stopped) -> None:
    _, status, said = stopped
    assert status == 130
    (failed,) = [line for line in said.splitlines() if line.startswith("failed: ")]
    assert failed.startswith("failed: broken seed 0: textvae: ") and "Traceback" not in said
    assert said.rstrip().endswith("the same command goes on")


def test_a_run_that_is_stopped_saves_its_state(stopped) -> None:
    place, _, _ = stopped
    log = (place.folder / "tiny" / "vae" / "0.log").read_text()
    assert "go on with: textvae train resume=" in log


def test_the_same_command_goes_on_and_keeps_figures_and_page(resumed) -> None:
    place, status = resumed
    assert status == 0
    (vae,) = place.records()
    asked = {"nll_iw", "ppl_iw", "neg_elbo", "rec", "kl", "active_units", "mi_lower", "mi_upper", "mi_cap"}
    assert asked | {"epochs", "wall_s", "commit", "command", "grammatical_prior", "true_nll"} <= set(vae)
    assert (vae["row"], vae["seed"]) == ("vae", 0)
    assert (
        vae["command"].startswith("textvae train experiment=grammar/collapse")
        and "run_dir" not in vae["command"]
    )
    assert f"KL {vae['kl']:.2f}, of the broken not run." in place.page()
    assert "| broken | not run |" in place.page()
    log = (place.folder / "tiny" / "vae" / "0.log").read_text()
    assert log.count("epoch 1:") == 1


def test_finished_runs_are_skipped(resumed, script, capsys) -> None:
    place, _ = resumed
    before = place.records()
    assert script.main(place.words("tiny", "--rows", "vae")) == 0
    assert "vae seed 0: finished before" in capsys.readouterr().out and place.records() == before


def test_runs_are_collected_from_their_folders_whatever_their_seeds(resumed, script, tmp_path) -> None:
    place, other = resumed[0], Place(tmp_path)
    shutil.copytree(place.run("vae"), other.folder / "tiny" / "vae" / "7")
    assert script.main(other.words("tiny", "--collect")) == 0
    assert [record["kl"] for record in other.records()] == [record["kl"] for record in place.records()]


def test_a_trial_does_not_replace_a_whole_run(resumed, script, tmp_path, capsys) -> None:
    place, other = resumed[0], Place(tmp_path)
    other.define(epochs=100)
    shutil.copytree(place.run("vae"), other.run("vae"))
    kept = [{**place.records()[0], "kl": 9.0, "cut_short": False}]
    (other.docs / "results" / "tiny.json").write_text(json.dumps(kept))
    assert script.main(other.words("tiny", "--rows", "vae", "--collect")) == 0
    said = capsys.readouterr().out
    assert "cut short after 2 epochs" in said and "keeps the whole run" in said
    assert other.records() == kept


def test_a_trial_goes_on_to_the_whole_recipe_and_its_record_with_it(script, tmp_path, capsys) -> None:
    place = Place(tmp_path)
    recipe = ["experiment=grammar/collapse", *TINY, "train.max_epochs=3"]
    place.define(epochs=None, samples=0, overrides=recipe)

    def rebuilt(*words: str) -> tuple[int, bool, bool]:
        """Epochs, and whether they are cut short, by the record and by the page."""
        assert script.main(place.words("tiny", "--rows", "vae", *words)) == 0
        (record,) = place.records()
        return record["epochs"], record["cut_short"], "cut short" in place.page()

    assert rebuilt("--epochs", "2") == (2, True, True)
    assert "(without --epochs it goes further)" in capsys.readouterr().out
    assert rebuilt() == (3, False, False)
    whole = place.records()
    assert "finished before" not in capsys.readouterr().out
    assert rebuilt("--epochs", "1") == (3, False, False) and place.records() == whole
    assert "finished before" in capsys.readouterr().out


def test_a_trial_of_two_stages_goes_on_with_both_to_what_the_whole_recipe_makes(script, tmp_path) -> None:
    staged = {"name": "vae", "overrides": ["experiment=grammar/pretraining", *TINY]}
    places = [Place(tmp_path / name) for name in ("trial", "whole")]
    for place in places:
        place.define(epochs=2, samples=0, overrides=[], rows=[staged, BROKEN])
    trial, whole = places
    assert script.main(trial.words("tiny", "--rows", "vae", "--epochs", "1")) == 0
    assert trial.records()[0]["cut_short"] is True
    for place in places:
        assert script.main(place.words("tiny", "--rows", "vae")) == 0
    made = [
        (record["first_stage_epochs"], record["epochs"], record["cut_short"])
        for (record,) in (place.records() for place in places)
    ]
    assert made == [(2, 2, False)] * 2
    assert same_weights(trial.run("vae"), whole.run("vae"))


def test_a_run_of_other_settings_is_not_taken_for_the_row(resumed, script, tmp_path, capsys) -> None:
    place, other = resumed[0], Place(tmp_path)
    other.define(rows=[{**VAE, "overrides": ["latent.size=3"]}, BROKEN])
    shutil.copytree(place.run("vae"), other.run("vae"))
    assert script.main(other.words("tiny", "--rows", "vae")) == 1
    assert "holds a run of other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [(("tiny", "--rows", "vea"), "has no row 'vea'; it has vae, broken"), (("tyni",), "'tyni' is no table")],
)
def test_what_does_not_exist_is_one_line(script, tmp_path, capsys, words, reason) -> None:
    assert script.main(Place(tmp_path).words(*words)) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and reason in said


@pytest.mark.parametrize("words", [("tiny",), ("tiny", "--collect")])
@pytest.mark.parametrize("content", ["[", "{}", '[{"row": "vae"}]'])
def test_damaged_figures_are_one_line_and_stay_as_they_are(script, tmp_path, capsys, words, content) -> None:
    place = Place(tmp_path)
    file = place.docs / "results" / "tiny.json"
    file.write_text(content)
    assert script.main(place.words(*words)) == 1
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1 and f"{file} is damaged: " in said.err and said.out == ""
    assert file.read_text() == content and not (place.docs / "tiny.md").exists()


@pytest.mark.parametrize("text", ["rows: [", "word", "[1]", "", "a: ${", "title: x"])
def test_a_table_that_cannot_be_read_is_one_line(script, tmp_path, capsys, text) -> None:
    place = Place(tmp_path)
    (place.docs / "results" / "tables" / "tiny.yaml").write_text(text)
    assert script.main(place.words("tiny")) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "tiny" in said


def test_figures_that_are_damaged_meanwhile_are_a_failure_and_stay(resumed, script, tmp_path, capsys) -> None:
    place, other = resumed[0], Place(tmp_path)
    shutil.copytree(place.run("vae"), other.run("vae"))
    job = script.jobs_of(script.Book("tiny", other.docs).table, script.options_of(other.words("tiny")))[0]
    file, book = other.docs / "results" / "tiny.json", script.Book("tiny", other.docs)
    runner = script.Runner(lambda job: None, book.keep, 1)
    file.write_text("[")
    runner.done(job)
    assert f"{file} is damaged" in runner.failures[job.name] and file.read_text() == "["


def test_help_lists_every_table_that_there_is(script, capsys) -> None:
    with pytest.raises(SystemExit):
        script.main(["--help"])
    said = capsys.readouterr().out
    names = [path.stem for path in (ROOT / "docs" / "results" / "tables").glob("*.yaml")]
    assert "ptb_short" in names and all(name in said.split("positional")[1] for name in names)


def test_the_command_is_there_for_a_checkout() -> None:
    script = ROOT / "scripts" / "reproduce"
    assert os.access(script, os.X_OK) and "scripts/environment" in script.read_text()
