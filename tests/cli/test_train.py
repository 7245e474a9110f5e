"""textvae train, where processes matter in real ones: a run's folder, exact resumption, signals, errors."""

import json
import os
import shutil
import signal
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.process import (
    EPOCHS,
    SMALL,
    inside,
    interrupt,
    metrics,
    same_weights,
    says_one_line,
    summary,
    textvae,
    train_small,
)
from textvae.cli import train
from textvae.errors import Interrupted
from textvae.training import run
from textvae.training.locks import only_writer
from textvae.training.measurement import measure
from textvae.training.trainer import Trainer


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run of four epochs that nothing interrupts."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    done = inside("train", *EPOCHS, f"run_dir={folder}", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_leaves_all_that_is_needed(whole):
    files = {path.name for path in whole.iterdir()}
    assert {"config.json", "tokenizer.json", "model.safetensors", "metrics.jsonl", "summary.json"} <= files
    assert not [name for name in files if name.endswith(".tmp")]
    test, train = summary(whole)["test"], summary(whole)["train"]
    wanted = "nll_iw ppl_iw elbo rec kl active_units mi_lower mi_upper mi_cap sentences tokens status"
    assert set(wanted.split()) <= set(test)
    assert set(("tokens_per_s", "epochs", "steps", "wall_s")) <= set(train)
    assert (train["epochs"], train["ended"]) == (4, "epochs")
    made = summary(whole)["environment"]
    assert made["device"] in ("cpu", "cuda") and made["products"] in ("float32", "bfloat16")
    assert test["elbo"] == pytest.approx(-(test["rec"] + test["kl"]))


@pytest.mark.parametrize("updater", ["joint", "aggressive"])
def test_killed_and_resumed_equals_uninterrupted(whole, tmp_path, updater):
    extra = ("train.checkpoint_minutes=0.0001", f"updater={updater}")
    reference = whole
    if updater == "aggressive":
        extra += ("updater.most=4", "updater.window=2")
        reference = tmp_path / "whole"
        assert inside("train", *EPOCHS, *extra, f"run_dir={reference}", cwd=tmp_path).returncode == 0
    folder = tmp_path / "killed"
    process = interrupt(folder, signal.SIGKILL, extra)
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "summary.json").exists()
    resumed = textvae("train", f"resume={folder}")
    assert resumed.returncode == 0, resumed.stderr
    assert same_weights(folder, reference)
    assert metrics(folder) == metrics(reference)
    assert summary(folder)["test"] == summary(reference)["test"]


def test_sigterm_saves_and_says_how_to_go_on(whole, tmp_path):
    folder = tmp_path / "stopped"
    process = interrupt(folder, signal.SIGTERM, ())
    assert process.returncode == 130
    said = process.stderr.read()
    assert f"textvae train resume={folder}" in said.splitlines()[-1]
    assert "Error executing job" not in said and "Traceback" not in said
    assert not any("failed" in row for row in metrics(folder))
    assert inside("train", f"resume={folder}").returncode == 0
    assert same_weights(folder, whole)
    assert summary(folder)["test"] == summary(whole)["test"]


def test_a_run_stopped_in_its_evaluation_is_evaluated_again(tmp_path, monkeypatch):
    reference, folder = train_small(tmp_path / "whole"), tmp_path / "run"

    def measured(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return measure(*arguments)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(run, "measure", measured)
        done = inside("train", *SMALL, f"run_dir={folder}")
    assert done.returncode == 130 and not (folder / "summary.json").exists()
    says_one_line(done, "stopped in the evaluation", f"textvae train resume={folder}")
    with only_writer(folder):
        says_one_line(inside("train", f"resume={folder}"), "another process is training in", str(folder))
    assert inside("train", f"resume={folder}").returncode == 0
    assert summary(folder)["test"] == summary(reference)["test"]
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_run_stopped_between_its_last_step_and_the_end_of_the_epoch_ends_that_epoch(
    whole, tmp_path, monkeypatch
):
    """Where the bound of steps is an epoch's end."""
    epoch = summary(whole)["train"]["steps"] // 4
    one = (*(item for item in EPOCHS if "max_epochs" not in item), f"train.max_steps={epoch}")
    reference, folder = tmp_path / "whole", tmp_path / "run"
    assert inside("train", *one, f"run_dir={reference}").returncode == 0

    def stopped(trainer):
        trainer.save()
        raise Interrupted("before the end of the epoch")

    with monkeypatch.context() as interrupted:
        interrupted.setattr(Trainer, "_close_epoch", stopped)
        assert inside("train", *one, f"run_dir={folder}").returncode == 130
    assert inside("train", f"resume={folder}").returncode == 0
    assert metrics(folder) == metrics(reference)
    assert summary(folder)["train"]["epochs"] == summary(reference)["train"]["epochs"] == 1


def test_a_run_goes_on_with_its_own_text_alone(tmp_path):
    """The same words in another order would be other ids under the same weights."""
    text, folder = tmp_path / "text.txt", tmp_path / "run"
    lines = [f"the {word} sat on the {word}" for word in "abcdefghij" * 8]
    text.write_text("\n".join(lines))
    own = ["data=text", f"data.file={text}", *(item for item in SMALL if not item.startswith("data"))]
    assert inside("train", *own, f"run_dir={folder}", cwd=tmp_path).returncode == 0
    weights = (folder / "model.safetensors").read_bytes()
    assert inside("train", f"resume={folder}", "train.max_steps=3").returncode == 0
    text.write_text("\n".join(reversed(lines[3:])))
    says_one_line(inside("train", f"resume={folder}", "train.max_steps=5"), "begun on another text")
    assert (folder / "model.safetensors").read_bytes() != weights  # of the first resumption
    measured = ("evaluate", f"checkpoint={folder}", "eval.iw_samples=0", "eval.tc_sentences=0")
    for reading in ([], ["data.batch_size=3"]):
        done = inside(*measured, *reading)
        assert done.returncode == 0 and "the text of this run has changed since" in done.stderr
    done = inside(*measured, f"data.file={text}")
    assert done.returncode == 0 and "this is another text than that of the run" in done.stderr


def test_a_run_that_plateaus_ended_says_that_no_limit_takes_it_further(tmp_path):
    ends = ("optimizer.plateau.patience=0", "optimizer.plateau.from_epoch=1", "optimizer.plateau.plateaus=1")
    epochs = [item for item in EPOCHS if not item.startswith("train.max_epochs")]
    run = f"run_dir={tmp_path / 'run'}"
    assert inside("train", *epochs, "train.max_epochs=9", *ends, run).returncode == 0
    before = summary(tmp_path / "run")
    assert before["train"]["ended"] == "plateaus"
    done = inside("train", f"resume={tmp_path / 'run'}", "train.max_epochs=20")
    after = before["train"]["epochs"]
    assert f"its last plateau ended this run after {after} epochs: no limit takes it further" in done.stderr
    assert done.returncode == 0 and summary(tmp_path / "run")["test"] == before["test"]


def test_runs_that_begin_in_one_second_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "datetime", SimpleNamespace(now=lambda: datetime(2026, 1, 2, 3, 4, 5)))
    monkeypatch.chdir(tmp_path)
    with train.own_folder(Path("runs") / "a") as first, train.own_folder(Path("runs") / "a") as second:
        assert [first.name, second.name] == ["2026-01-02_03-04-05", "2026-01-02_03-04-05_2"]
        (first / "config.json").touch()
    assert list(tmp_path.rglob("*.json")) == [tmp_path / first / "config.json"] and not second.exists()


def test_a_folder_into_which_nothing_came_is_taken_away_with_those_made_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyError), train.own_folder(Path("runs") / "ptb" / "lm"):
        raise KeyError("refused")
    assert not list(tmp_path.iterdir())


def test_no_run_is_overwritten(whole):
    says_one_line(inside("train", *SMALL, f"run_dir={whole}"), "holds a run already", "resume=")


def test_loss_that_is_not_finite_stops_with_the_step(tmp_path):
    folder = tmp_path / "wild"
    wild = ("optimizer.lr=9e37", "optimizer.clip=0", "train.max_steps=50")
    done = inside("train", *SMALL, *wild, f"run_dir={folder}")
    says_one_line(done, "training stopped at step", "holds no checkpoint", "learning rate")
    assert not (folder / "summary.json").exists()


def test_a_figure_beyond_all_bounds_is_null_in_the_summary(tmp_path):
    """Weights of 1e18 and more give finite nats, but a perplexity that no float holds."""
    folder = train_small(tmp_path / "huge", "optimizer.lr=1e20", "optimizer.clip=0")
    assert summary(folder)["test"]["ppl_elbo"] is None
    assert summary(folder)["test"]["rec"] > 1000


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["decoder.word_keep=0"], ["word_keep is 0", "inputless"]),
        (["decoder.word_keep=1.5"], ["word_keep is 1.5"]),
        (["rate=free_bits_per_sentence", "rate.total=-1"], ["total is -1", "at least 0"]),
        (["decoder.depth=3"], ["depth"]),
        (["nonsense=1"], ["nonsense"]),
        (["experiment=ptb/nonsense"], ["ptb/nonsense"]),
        (["compute.precision=int4"], ["precision is 'int4'", "bfloat16"]),
        (["eval.iw_samples=-3"], ["iw_samples is -3"]),
        (["eval.tc_sentences=-1"], ["tc_sentences is -1"]),
        (
            ["latent=quantised", "prior=uniform_codes", "+term=total_correlation"],
            ["'quantised' and terms.total_correlation do not go together"],
        ),
        (["train.max_epochs=-1"], ["max_epochs is -1"]),
        (["train.max_epochs=many"], ["max_epochs"]),
        (["data=text", "data.file=/nowhere.txt"], ["/nowhere.txt"]),
        (["data=ptb", "data.path=/nowhere"], ["/nowhere"]),
        (["=3"], ["no key ''"]),
        (["optimizer=3"], ["Config group override"]),
        (["optimizer.plateau=null"], ["optimizer.plateau is None, must be a group"]),
        (["terms=foo"], ["terms is 'foo', must be a group"]),
        (["condition=foo"], ["condition is 'foo', must be a group"]),
        (["init_from=foo"], ["init_from is 'foo', must be a group"]),
        (["~schedule"], ["schedule must be given"]),
        (["~rate"], ["rate must be given"]),
        (["~updater"], ["updater must be given"]),
        (["train=null"], ["train is None, must be a group"]),
        (["optimizer=adamw", "optimizer.betas=[0.9]"], ["betas is [0.9], must be two numbers"]),
        (["seed=-1"], ["seed is -1, must be a whole number of at least 0"]),
        (["seed=abc"], ["seed is 'abc'"]),
        (["data.batch_size=2.5"], ["the batch size is 2.5; it must be a whole number"]),
        (["data.max_length=5"], ["max_length is 5, must be a group"]),
        (["data.tokenizer=null"], ["tokenizer is None, must be a group"]),
        (["latent=none"], ["add encoder=none"]),
    ],
)
def test_errors_are_one_line_and_leave_nothing(tmp_path, overrides, parts):
    small = [item for item in SMALL if "data=" not in str(overrides) or not item.startswith("data")]
    says_one_line(inside("train", *small, f"run_dir={tmp_path / 'run'}", *overrides, cwd=tmp_path), *parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["missing", "empty", "truncated"])
def test_resume_of_what_is_no_run(tmp_path, folder):
    path = tmp_path / folder
    if folder != "missing":
        path.mkdir()
    if folder == "truncated":
        train_small(tmp_path / "run").rename(path.with_name("full"))
        for source in path.with_name("full").iterdir():
            (path / source.name).write_bytes(source.read_bytes())
        (path / "last.safetensors").write_bytes((path / "last.safetensors").read_bytes()[:500])
    says_one_line(inside("train", f"resume={path}"), folder)


def test_a_state_of_another_config_is_one_line_and_changes_nothing(whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    settings = json.loads((folder / "config.json").read_text())
    settings["encoder"]["hidden"] += 1
    (folder / "config.json").write_text(json.dumps(settings))
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    done = inside("train", f"resume={folder}", "train.max_epochs=5")
    says_one_line(done, str(folder / "last.safetensors"), "size mismatch for encoder")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_names_that_are_numbers_name_folders_as_they_are_written(tmp_path):
    for folder in ("5", "2026_01_02"):
        done = inside("train", *SMALL, "name=5", f"run_dir={folder}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert inside("sample", f"checkpoint={folder}", "n=1", cwd=tmp_path).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"5", "2026_01_02"}
    assert json.loads((tmp_path / "5" / "config.json").read_text())["name"] == "5"
    assert inside("train", "resume=5", cwd=tmp_path).returncode == 0


def test_resume_refuses_to_change_the_run(whole):
    says_one_line(inside("train", f"resume={whole}", "latent.size=3"), "latent.size=3", "train.*")
