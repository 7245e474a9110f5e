"""scripts/runner.py: what is left of a job to do, told from the files of its folder."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.reporting.reproduction.records import table
from tests.scripts.loading import script_module
from textvae.errors import CheckpointError, ConfigError
from textvae.reporting.reproduction.tables import Row
from textvae.training.locks import only_writer

ROW, PLAIN = Row("a", ("experiment=x",)), Row("plain", ("experiment=grammar/collapse",))


@pytest.fixture(scope="module")
def runner() -> Iterator[ModuleType]:
    with script_module("runner") as module:
        yield module


class Stages:
    """The folder of a run with a first stage, each limited to `limit` epochs when it was begun."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, train = folder, {"max_epochs": limit, "max_steps": None}
        (folder / "pretraining").mkdir(parents=True)
        config = {
            "overrides": ["experiment=x", f"train.max_epochs={limit}"],
            "train": train,
            "pretraining": {"train": {"max_epochs": limit}},
            "compute": {"device": "auto"},
        }
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "pretraining" / "last.safetensors").touch()

    def end(self, stage: str, epochs: int, **more: Any) -> None:
        train = {"epochs": epochs, "steps": 10 * epochs, **more}
        (self.folder / stage / "summary.json").write_text(json.dumps({"train": train}))

    def words(self, runner: ModuleType, epochs: int, device: str | None = None) -> list[str] | None:
        job = runner.Job(ROW, 0, self.folder)
        return runner.arguments(table(epochs=100), job, epochs, device)


def test_a_first_stage_that_was_cut_short_goes_on_and_the_second_one_begins_anew(
    runner, tmp_path, capsys
) -> None:
    stages, further = Stages(tmp_path / "0", limit=2), [f"resume={tmp_path / '0'}", "train.max_epochs=100"]
    assert stages.words(runner, 100) == further  # it has not ended yet, and takes the limit along
    stages.end("pretraining", 2)
    assert stages.words(runner, 2) == [*further[:1], "train.max_epochs=2"]
    stages.end("", 1, ended="plateaus")
    (stages.folder / "last.safetensors").touch()
    assert stages.words(runner, 2) is None and capsys.readouterr().out == ""
    assert stages.words(runner, 100) == further
    assert "goes on from 2 epochs to 100, the second one begins anew" in capsys.readouterr().out
    left = {str(path.relative_to(stages.folder)) for path in stages.folder.rglob("*") if path.is_file()}
    assert left == {"config.json", "pretraining/last.safetensors"}


def test_a_first_stage_without_a_state_is_refused_before_anything_is_taken_away(runner, tmp_path) -> None:
    stages = Stages(tmp_path / "0", limit=2)
    stages.end("pretraining", 2)
    stages.end("", 2)
    (stages.folder / "pretraining" / "last.safetensors").rename(stages.folder / "last.safetensors")
    with pytest.raises(ConfigError, match="first stage of 2 epochs, 100 are asked for"):
        stages.words(runner, 100)
    assert (stages.folder / "summary.json").exists() and (stages.folder / "last.safetensors").exists()


def test_a_first_stage_that_ended_by_itself_lets_the_second_go_further(runner, tmp_path) -> None:
    stages = Stages(tmp_path / "0", limit=50)
    stages.end("pretraining", 40, ended="plateaus")
    stages.end("", 50)
    assert stages.words(runner, 100) == [f"resume={tmp_path / '0'}", "train.max_epochs=100"]
    stages.end("", 60, ended="plateaus")
    assert stages.words(runner, 100) is None  # taken further once, it has ended by itself


def test_a_first_stage_stays_short_where_the_second_was_taken_further_by_hand(runner, tmp_path) -> None:
    stages = Stages(tmp_path / "0", limit=2)
    config = json.loads((stages.folder / "config.json").read_text())
    config["overrides"] = ["experiment=x", "train.max_epochs=50", "++pretraining.train.max_epochs=2"]
    config["train"]["max_epochs"] = 50
    (stages.folder / "config.json").write_text(json.dumps(config))
    stages.end("pretraining", 2)
    stages.end("", 50)
    with pytest.raises(ConfigError, match="limited to 2 epochs since the second one was given 50; 100 are"):
        stages.words(runner, 100)
    assert (stages.folder / "summary.json").exists()


def trial(folder: Path, *overrides: str) -> None:
    """The folder of a run of grammar/collapse, whose experiment has twelve epochs, with overrides of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "last.safetensors").touch()
    limits = {"max_epochs": 2, "max_steps": None}
    config = {"overrides": [*PLAIN.overrides, *overrides], "train": limits, "compute": {"device": "auto"}}
    (folder / "config.json").write_text(json.dumps(config))


def test_a_trial_goes_on_to_the_end_of_its_recipe_where_nothing_bounds_it(runner, tmp_path) -> None:
    job, further = runner.Job(PLAIN, 0, tmp_path / "0"), [f"resume={tmp_path / '0'}", "train.max_epochs=12"]
    trial(job.folder, "train.max_epochs=2")
    assert runner.arguments(table(), job, None, None) == further
    for epochs, words in ((2, further), (12, None)):
        train = {"epochs": epochs, "steps": 9, "ended": "epochs"}
        (job.folder / "summary.json").write_text(json.dumps({"train": train}))
        assert runner.arguments(table(), job, None, None) == words
        assert runner.arguments(table(), job, 2, None) is None
    trial(job.folder)
    (job.folder / "summary.json").unlink()
    assert runner.arguments(table(), job, None, None) == further[:1]


def test_a_bound_beyond_the_recipe_is_none(runner, tmp_path) -> None:
    job = runner.Job(PLAIN, 0, tmp_path / "0")
    limits = {
        (epochs, published): [
            word
            for word in runner.arguments(table(epochs=published), job, epochs, None)
            if word.startswith("train.")
        ]
        for published in (None, 5)
        for epochs in (2, 40, None)
    }
    assert [limits[epochs, None] for epochs in (2, 40, None)] == [["train.max_epochs=2"], [], []]
    assert [limits[epochs, 5] for epochs in (2, 40, None)] == [
        ["train.max_epochs=2"],
        ["train.max_epochs=5"],
        ["train.max_epochs=5"],
    ]


def test_a_device_that_a_resumed_run_does_not_take_is_said(runner, tmp_path, capsys) -> None:
    stages = Stages(tmp_path / "0", limit=2)
    stages.words(runner, 2, "cuda")
    assert "own compute.device=auto; --device cuda is for new runs" in capsys.readouterr().err
    stages.words(runner, 2, "auto")
    assert capsys.readouterr().err == ""


def test_a_run_without_a_checkpoint_begins_anew_unless_somebody_trains_it(runner, tmp_path) -> None:
    folder = tmp_path / "0"
    (folder / "wandb").mkdir(parents=True)
    config = {"overrides": ["experiment=x"], "train": {"max_epochs": 100, "max_steps": None}}
    (folder / "config.json").write_text(json.dumps(config))
    job = runner.Job(ROW, 0, folder)
    with only_writer(folder), pytest.raises(CheckpointError, match="another process is training in"):
        runner.arguments(table(), job, None, None)
    assert (folder / "config.json").is_file()
    assert f"run_dir={folder}" in runner.arguments(table(), job, None, None)
    assert not list(folder.iterdir())


def test_what_another_process_trains_is_skipped(runner, tmp_path, capsys) -> None:
    job, planned = runner.Job(ROW, 0, tmp_path / "a" / "0"), []
    runs = runner.Runner(planned.append, lambda job: None, at_once=1)  # append: None, as of a finished run
    with runner.taken(job.lock):
        runs.run([job])
    assert "a seed 0: skipped: another process trains it" in capsys.readouterr().out
    assert planned == [] and runs.failures == {}
    runs.run([job])
    assert planned == [job]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "config.json is damaged: Expecting"), ("[]", "config.json is damaged: it holds no mapping")],
)
def test_a_damaged_run_is_a_failure_that_names_its_file(runner, tmp_path, text, reason) -> None:
    job = runner.Job(PLAIN, 0, tmp_path / "0")
    trial(job.folder)
    (job.folder / "config.json").write_text(text)
    runs = runner.Runner(lambda job: runner.arguments(table(), job, None, None), lambda job: None, at_once=1)
    runs.run([job])
    assert f"{job.folder}/{reason}" in runs.failures[job.name]


def test_a_run_that_lacks_a_setting_is_a_failure_that_names_its_folder(runner, tmp_path) -> None:
    job = runner.Job(PLAIN, 0, tmp_path / "0")
    runs = runner.Runner(lambda job: {}["train"], lambda job: None, at_once=1)
    runs.run([job])
    assert runs.failures[job.name] == f"{job.folder}: KeyError: 'train'"


def test_a_process_keeps_its_lock_where_its_parent_has_gone(runner, tmp_path) -> None:
    with runner.taken(tmp_path / "lock") as lock:
        child = subprocess.Popen(["sleep", "100"], pass_fds=(lock.fileno(),))
    assert runner.taken(tmp_path / "lock") is None
    child.kill()
    child.wait()
    with runner.taken(tmp_path / "lock"):
        pass


def test_the_end_of_a_terminal_counts_unless_it_was_to_be_ignored(runner) -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert signal.SIGHUP in runner.ending_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert runner.ending_signals() == (signal.SIGINT, signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    "at_once, asked, threads",
    [(1, "", 8), (3, "", 2), (9, "", 1), (2, "1", 1), (2, "6", 4), (1, "0", 1), (2, "4,2", 4)],
)
def test_jobs_share_the_cores_and_heed_who_asks_for_fewer_threads(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch, at_once: int, asked: str, threads: int
) -> None:
    monkeypatch.setattr(runner, "cores", lambda: 8)
    assert runner.threads_of_a_job(at_once, asked) == threads
