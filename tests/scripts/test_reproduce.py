"""scripts/reproduce.py with a table of tiny runs: what it keeps, skips, takes up again and reports."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.process import SMALL, environment
from tests.conftest import ROOT

TINY = [word for word in SMALL if not word.startswith(("tracker", "train.max_steps"))]
TABLE = {
    "title": "Tiny",
    "page": "tiny.md",
    "runs": "tiny",
    "columns": ["setting", "seeds", "epochs", "kl", "difference"],
    "overrides": [*TINY, "latent.size=2"],
    "epochs": 2,
    "samples": 5,
    "sources": {"paper": "A Paper"},
    "rows": [
        {
            "name": "vae",
            "overrides": ["experiment=grammar/collapse"],
            "published": {"paper": {"nll_iw": 1.0}},
        },
        {"name": "broken", "overrides": ["experiment=grammar/collapse", "latent.size=-1"]},
        {"name": "lm", "overrides": ["experiment=grammar/lm", "~latent.size"]},
    ],
}


class Place:
    """A docs folder with the table `tiny`, and a folder of runs."""

    def __init__(self, root: Path) -> None:
        self.docs, self.folder = root / "docs", root / "runs"
        self.define(TABLE)
        (self.docs / "results" / "notes").mkdir()
        (self.docs / "results" / "notes" / "tiny.md").write_text("KL {vae.kl}, of the broken {broken.kl}.")

    def define(self, table: dict) -> None:
        path = self.docs / "results" / "tables" / "tiny.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(table))

    def command(self, *words: str) -> list[str]:
        where = ["--docs", str(self.docs), "--folder", str(self.folder)]
        return [sys.executable, str(ROOT / "scripts" / "reproduce.py"), *(words or ("tiny",)), *where]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), env=environment(), capture_output=True, text=True, check=False
        )

    def records(self) -> list[dict]:
        return json.loads((self.docs / "results" / "tiny.json").read_text())

    def page(self) -> str:
        return (self.docs / "tiny.md").read_text()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, subprocess.CompletedProcess[str]]:
    """All rows once, two at a time."""
    place = Place(tmp_path_factory.mktemp("reproduce"))
    return place, place.run("tiny", "--jobs", "2")


def test_figures_and_page_are_kept_and_a_failure_stops_no_other(done) -> None:
    place, outcome = done
    assert outcome.returncode == 1
    assert [(record["row"], record["seed"]) for record in place.records()] == [("vae", 0), ("lm", 0)]
    vae = place.records()[0]
    asked = {
        "nll_iw",
        "ppl_iw",
        "neg_elbo",
        "rec",
        "kl",
        "active_units",
        "mi_lower",
        "mi_upper",
        "mi_cap",
        "epochs",
    }
    assert asked | {"wall_s", "commit", "command", "grammatical_prior", "true_nll"} <= set(vae)
    assert vae["command"].startswith("textvae train data=grammar") and "run_dir" not in vae["command"]
    assert f"KL {vae['kl']:.2f}, of the broken not run." in place.page()
    assert "| broken | not run |" in place.page()
    last = outcome.stderr.strip().splitlines()[-1]
    assert last.startswith("failed: broken seed 0: textvae: ") and "size" in last and "Traceback" not in last


def test_finished_runs_are_skipped_and_collected_from_their_folders(done, tmp_path) -> None:
    place, _ = done
    again = place.run("tiny", "--rows", "vae,lm")
    assert again.returncode == 0 and again.stdout.count("finished before") == 2
    other = Place(tmp_path)
    shutil.copytree(place.folder, other.folder)
    (other.folder / "tiny" / "vae" / "0").rename(other.folder / "tiny" / "vae" / "7")
    collected = other.run("tiny", "--collect")
    assert collected.returncode == 0, collected.stderr
    assert {record["row"]: record["kl"] for record in other.records()} == {
        record["row"]: record["kl"] for record in place.records()
    }


def test_a_run_of_other_settings_is_not_taken_for_the_row(done, tmp_path) -> None:
    place, _ = done
    other = Place(tmp_path)
    shutil.copytree(place.folder / "tiny" / "lm", other.folder / "tiny" / "vae")
    refused = other.run("tiny", "--rows", "vae")
    assert refused.returncode == 1 and "holds a run of other settings" in refused.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("tiny", "--rows", "vea"), "has no row 'vea'; it has vae, broken, lm"),
        (("tyni",), "'tyni' is no table"),
    ],
)
def test_what_does_not_exist_is_one_line(tmp_path, words, reason) -> None:
    outcome = Place(tmp_path).run(*words)
    assert outcome.returncode == 1 and len(outcome.stderr.splitlines()) == 1
    assert reason in outcome.stderr


def test_ctrl_c_ends_the_runs_and_the_same_command_goes_on(tmp_path) -> None:
    place = Place(tmp_path)
    place.define({**TABLE, "rows": TABLE["rows"][:1], "epochs": 100000})
    process = subprocess.Popen(place.command(), env=environment(), stdout=subprocess.PIPE, text=True)
    metrics = place.folder / "tiny" / "vae" / "0" / "last.safetensors"
    wait_for(metrics)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    steps = json.loads((place.folder / "tiny" / "vae" / "0" / "config.json").read_text())["train"][
        "max_epochs"
    ]
    assert steps == 100000 and not (place.docs / "results" / "tiny.json").exists()

    place.define({**TABLE, "rows": TABLE["rows"][:1]})
    shutil.rmtree(place.folder / "tiny" / "vae" / "1", ignore_errors=True)
    outcome = place.run("tiny")
    assert "vae seed 0: goes on" in outcome.stdout and outcome.returncode == 0, outcome.stderr
    (record,) = place.records()
    assert record["epochs"] >= 1 and "vae | 0 |" in place.page()


def wait_for(path: Path, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path} never came"
        time.sleep(0.05)


def test_the_command_is_there_for_a_checkout() -> None:
    script = ROOT / "scripts" / "reproduce"
    assert os.access(script, os.X_OK) and "scripts/environment" in script.read_text()
