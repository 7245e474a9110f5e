"""Runs that take weights from others: init_from, and a pretraining of their own as a first stage."""

import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.cli.process import (
    EPOCHS,
    SMALL,
    inside,
    interrupt,
    metrics,
    same_weights,
    says_one_line,
    summary,
)

STAGES = ("experiment=grammar/pretraining", "train.max_epochs=3")
OFTEN = (*STAGES, "train.checkpoint_minutes=0.0001")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Both stages, three epochs each, that nothing interrupts."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    done = inside("train", *EPOCHS, *STAGES, f"run_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def same_run(a: Path, b: Path) -> None:
    assert same_weights(a, b)
    assert metrics(a) == metrics(b)
    assert summary(a)["test"] == summary(b)["test"]


def test_the_first_stage_is_a_run_of_its_own_at_its_own_beta(whole):
    first, second = metrics(whole / "pretraining"), metrics(whole)
    assert {row["train/beta"] for row in first if "train/beta" in row} == {0.0}
    assert any(row.get("train/beta", 0) > 0 for row in second)
    assert summary(whole / "pretraining")["name"] == "grammar/pretraining/pretraining"
    assert inside("sample", f"checkpoint={whole / 'pretraining'}", "n=2").returncode == 0


def test_the_second_stage_is_what_init_from_gives(whole, tmp_path):
    """The same second stage by hand: another run's folder instead of a pretraining."""
    by_hand = ("pretraining=null", f"init_from.run={whole / 'pretraining'}", f"run_dir={tmp_path / 'run'}")
    assert inside("train", *EPOCHS, *STAGES, *by_hand).returncode == 0
    same_run(tmp_path / "run", whole)


def test_threads_of_the_first_stage_are_its_own(tmp_path):
    run, before = tmp_path / "run", torch.get_num_threads()
    settings = ("train.max_epochs=1", "train.max_steps=2", f"+pretraining.compute.threads={before + 1}")
    done = inside("train", *SMALL, *STAGES, *settings, f"run_dir={run}")
    assert done.returncode == 0, done.stderr
    assert summary(run / "pretraining")["environment"]["threads"] == before + 1
    assert summary(run)["environment"]["threads"] == torch.get_num_threads() == before


@pytest.mark.parametrize("stage", ["pretraining", ""])
def test_killed_in_either_stage_and_resumed_equals_uninterrupted(whole, tmp_path, stage):
    folder = tmp_path / "killed"
    assert interrupt(folder, signal.SIGKILL, OFTEN, stage).returncode == -signal.SIGKILL
    assert not (folder / stage / "summary.json").exists()
    assert (folder / "last.safetensors").exists() == (stage == "")
    resumed = inside("train", f"resume={folder}")
    assert resumed.returncode == 0, resumed.stderr
    same_run(folder, whole)
    same_run(folder / "pretraining", whole / "pretraining")


@pytest.mark.parametrize("kept", [["config.json", "pretraining"], ["config.json"]])
def test_killed_where_a_stage_has_saved_nothing_yet(whole, tmp_path, kept):
    """Between the stages, and before the first state of the first one."""
    folder = tmp_path / "killed"
    folder.mkdir()
    for name in kept:
        copy = shutil.copytree if (whole / name).is_dir() else shutil.copy
        copy(whole / name, folder / name)
    if "pretraining" not in kept:
        (folder / "pretraining").mkdir()
        shutil.copy(whole / "pretraining" / "config.json", folder / "pretraining")
    done = inside("train", f"resume={folder}")
    assert done.returncode == 0, done.stderr
    same_run(folder, whole)


def test_a_second_stage_does_not_begin_on_another_text(tmp_path):
    text, folder = tmp_path / "text.txt", tmp_path / "run"
    lines = [f"the {word} sat on the {word}" for word in "abcdefghij" * 8]
    text.write_text("\n".join(lines))
    small = [item for item in SMALL if not item.startswith("data")]
    own = [*STAGES, *small, "data=text", f"data.file={text}", "train.max_steps=2", f"run_dir={folder}"]
    assert inside("train", *own).returncode == 0
    for path in folder.iterdir():
        if path.name not in ("config.json", "pretraining"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    text.write_text("\n".join(reversed(lines)))
    says_one_line(inside("train", f"resume={folder}"), "begun on another text")
    text.write_text("\n".join(lines))
    assert inside("train", f"resume={folder}").returncode == 0


def test_sigterm_in_the_first_stage_says_how_to_go_on(tmp_path):
    folder = tmp_path / "stopped"
    process = interrupt(folder, signal.SIGTERM, OFTEN, "pretraining")
    assert process.returncode == 130
    assert process.stderr.read().splitlines()[-1].endswith(f"textvae train resume={folder}")


def beginning(whole: Path, folder: Path) -> Path:
    """The run as it was when its first stage had trained and was not measured yet."""
    folder.mkdir()
    shutil.copy(whole / "config.json", folder)
    shutil.copytree(whole / "pretraining", folder / "pretraining")
    (folder / "pretraining" / "summary.json").unlink()
    return folder


def test_both_stages_take_another_limit_while_the_first_one_goes_on(whole, tmp_path):
    further, anew = beginning(whole, tmp_path / "further"), tmp_path / "anew"
    assert inside("train", f"resume={further}", "train.max_epochs=5").returncode == 0
    assert inside("train", *EPOCHS, *STAGES[:1], "train.max_epochs=5", f"run_dir={anew}").returncode == 0
    assert [summary(further / stage)["train"]["epochs"] for stage in ("pretraining", "")] == [5, 5]
    same_run(further, anew)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("corpus.json", '{"fingerprint": "another"}', "begun on another text"),
        ("last.safetensors", "", "truncated or damaged"),
    ],
)
def test_a_first_stage_that_cannot_go_on_leaves_the_run_with_its_limits(
    whole, tmp_path, file, content, reason
):
    folder = beginning(whole, tmp_path / "run")
    (folder / "pretraining" / file).write_text(content)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    says_one_line(inside("train", f"resume={folder}", "train.max_epochs=5"), reason)
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path in before}
    assert kept == before


def test_a_first_stage_does_not_go_on_without_its_run(whole, tmp_path):
    folder = beginning(whole, tmp_path / "run")
    alone = inside("train", f"resume={folder / 'pretraining'}", "train.max_epochs=5")
    says_one_line(alone, "is the first stage of a run", f"resume={folder}")
    copy = shutil.copytree(folder / "pretraining", tmp_path / "copy")
    assert inside("train", f"resume={copy}", "train.max_epochs=5").returncode == 0


def test_a_pretraining_that_is_there_is_not_taken_for_that_of_a_new_run(whole, tmp_path):
    shutil.copytree(whole / "pretraining", tmp_path / "run" / "pretraining")
    says_one_line(inside("train", *EPOCHS, *STAGES, f"run_dir={tmp_path / 'run'}"), "holds a run already")


def test_only_the_named_modules_are_taken(whole, tmp_path):
    source, folder = whole / "pretraining", tmp_path / "run"
    modules = "init_from.modules=[encoder,decoder,prior_module]"
    no_step = ("train.max_steps=0", f"run_dir={folder}", f"init_from.run={source}", modules)
    assert inside("train", *EPOCHS, "experiment=grammar/collapse", *no_step).returncode == 0
    taken, given = load_file(folder / "model.safetensors"), load_file(source / "model.safetensors")
    assert taken.keys() == given.keys()
    for name, tensor in taken.items():
        assert bool((tensor == given[name]).all()) == (name.split(".")[0] != "head"), name


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "other"
    done = inside("train", *SMALL, "latent.size=5", "data.seed=3", f"run_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


WRONG = {
    "no run": (["init_from.run=/nowhere"], ["init_from.run", "/nowhere"]),
    "unfinished": (["init_from.run={empty}"], ["init_from.run", "config.json"]),
    "module": (["init_from.run={other}", "init_from.modules=[encodr]"], ["'encodr'", "prior_module"]),
    "no list": (["init_from.run={other}", "init_from.modules=encoder"], ["'encoder'", "list"]),
    "shape": (
        ["init_from.run={other}", "data.seed=3", "init_from.modules=[head]"],
        ["head.linear.weight", "(10, 8)", "(64, 8)"],
    ),
    "kind": (
        ["init_from.run={other}", "data.seed=3", "latent=batch_norm", "latent.size=5"],
        ["lacks head."],
    ),
    "vocabulary": (
        ["init_from.run={other}", "data.tokenizer.size=50", "data.seed=3"],
        ["another vocabulary", "50"],
    ),
    "both": (["init_from.run={other}", "+pretraining={{seed: 1}}"], ["init_from.run", "pretraining"]),
    "section": (["+pretraining={{scedule: {{beta: 0}}}}"], ["'scedule'", "schedule"]),
    "first stage": (["+pretraining={{schedule: {{beta: -1}}}}"], ["beta is -1"]),
    "first source": (["+pretraining={{init_from: {{run: /nowhere}}}}"], ["/nowhere"]),
    "second stage": (["+pretraining={{schedule: {{beta: 0}}}}", "schedule.beta=-1"], ["beta is -1"]),
    "passage": (["+pretraining={{latent: {{size: 7}}}}"], ["head.linear.weight", "(14, 8)", "(64, 8)"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(other, tmp_path, what):
    overrides, parts = WRONG[what]
    empty = tmp_path / "empty"
    empty.mkdir()
    given = [item.format(other=other, empty=empty) for item in overrides]
    says_one_line(inside("train", *SMALL, f"run_dir={tmp_path / 'run'}", *given, cwd=tmp_path), *parts)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
