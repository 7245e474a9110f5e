"""Sweeps, most in real processes: stopped, killed and failing ones, and each launcher."""

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tests.cli.process import SMALL, command, environment, inside, says_one_line, summary, textvae
from tests.cli.test_train import EPOCHS, metrics, same_weights
from textvae.cli import job
from textvae.cli import sweep as sweep_module
from textvae.cli.folders import folder_name
from textvae.cli.locations import config_directory
from textvae.latents.posteriors import HEADS
from textvae.objectives.objective import build_objective
from textvae.registry import construct
from textvae.reporting import settings
from textvae.training.files import load_state

CONF = config_directory()
READY = sorted(path.stem for path in (CONF / "sweep").glob("*.yaml"))
SIX = [*EPOCHS, "train.max_epochs=6"]
LONG = [*SIX, "train.checkpoint_minutes=0.0001"]


def sweep(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return textvae("train", "-m", *overrides, f"sweep_dir={folder}", cwd=folder.parent)


def begin(folder: Path, *overrides: str) -> subprocess.Popen:
    """The same, returned once the sweep's second job has saved a state."""
    with open(folder.with_suffix(".log"), "w") as log:
        arguments = command("train", "-m", *overrides, f"sweep_dir={folder}")
        process = subprocess.Popen(arguments, env=environment(), cwd=folder.parent, stderr=log)
    deadline = time.monotonic() + 120
    while len(list(folder.glob("*/last.safetensors"))) < 2 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


@contextmanager
def jobs_within() -> Iterator[None]:
    """Jobs run in this process, which is quicker where nothing of processes of their own is in question."""

    def run(command: list[str], *, input: str, **how: Any) -> subprocess.CompletedProcess[str]:
        assert command[1:] == ["-m", "textvae.cli.job"]
        request = json.loads(input) | {"parent": os.getppid()}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.StringIO(json.dumps(request)))
            job.main()
        return subprocess.CompletedProcess(command, 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_module, "subprocess", SimpleNamespace(run=run))
        yield


@pytest.fixture
def jobs_inside() -> Iterator[None]:
    with jobs_within():
        yield


def states(folder: Path) -> dict[str, str]:
    jobs = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/job.json")}
    return {name: job["state"] for name, job in jobs.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A sweep of three seeds that nothing interrupts."""
    folder = tmp_path_factory.mktemp("sweeps") / "whole"
    with jobs_within():
        done = inside("train", "-m", *SIX, "seed=0,1,2", f"sweep_dir={folder}", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert states(folder) == dict.fromkeys(("seed-0", "seed-1", "seed-2"), "finished")
    return folder


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_same_command_goes_on_where_a_sweep_ended(whole, tmp_path, number):
    folder = tmp_path / "ended"
    process = begin(folder, *LONG, "seed=0,1,2")
    first = (folder / "seed-0" / "summary.json").stat().st_mtime_ns
    process.send_signal(number)
    log = (process.wait(60), folder.with_suffix(".log").read_text())[1]
    assert not (folder / "seed-1" / "summary.json").exists()
    assert not (folder / "seed-2" / "config.json").exists()
    if number == signal.SIGKILL:
        deadline = time.monotonic() + 30
        while states(folder)["seed-1"] != "open":  # its job has seen that nobody waits for it
            assert time.monotonic() < deadline
            time.sleep(0.01)
    else:
        assert process.returncode == 130
        assert "Error executing job" not in log and "Traceback" not in log
        assert log.splitlines()[-1].startswith("textvae: stopped; go on with: textvae train -m ")
    with jobs_within():
        done = inside("train", "-m", *LONG, "seed=0,1,2", f"sweep_dir={folder}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 jobs finished (1 of them before), 0 failed" in done.stderr
    assert (folder / "seed-0" / "summary.json").stat().st_mtime_ns == first
    assert all(same_weights(folder / name, whole / name) for name in states(whole))
    assert summary(folder / "seed-1")["test"] == summary(whole / "seed-1")["test"]


@pytest.mark.usefixtures("jobs_inside")
def test_failed_jobs_are_listed_and_run_again_alone(tmp_path):
    """The text of one job is not there at first."""
    small = [item for item in SMALL if not item.startswith("data")]
    (tmp_path / "a.txt").write_text("a b c d\n" * 40)
    overrides = ["-m", *small, "data=text", "data.file=a.txt,b.txt", "sweep_dir=mine"]
    done = inside("train", *overrides, cwd=tmp_path)
    says_one_line(done, "1 of 2 jobs failed: data.file-b.txt: ", "b.txt")
    assert "textvae train -m " in done.stderr and " jobs=failed" in done.stderr
    first = summary(tmp_path / "mine" / "data.file-a.txt")
    says_one_line(inside("train", *overrides, cwd=tmp_path), "1 of 2 jobs failed: data.file-b.txt: ")
    (tmp_path / "b.txt").write_text("d c b a\n" * 40)
    says_one_line(inside("train", *overrides, cwd=tmp_path), "1 of 2 jobs failed")  # not by itself
    done = inside("train", *overrides, "jobs=failed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert states(tmp_path / "mine") == {"data.file-a.txt": "finished", "data.file-b.txt": "finished"}
    assert summary(tmp_path / "mine" / "data.file-a.txt") == first


def test_a_job_stopped_in_its_first_stage_goes_on_there(tmp_path):
    stages = [*LONG, "experiment=grammar/pretraining", "train.max_epochs=3", "sweep_dir=mine"]
    job = tmp_path / "mine" / "run"
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            command("train", "-m", *stages), env=environment(), cwd=tmp_path, stderr=log
        )
    deadline = time.monotonic() + 120
    while not (job / "pretraining" / "last.safetensors").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130 and states(tmp_path / "mine") == {"run": "open"}
    stopped_at = load_state(job / "pretraining" / "last.safetensors")["step"]
    assert not (job / "last.safetensors").exists()
    with jobs_within():
        done = inside("train", "-m", *stages, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    steps = summary(job / "pretraining")["train"]["steps"]
    assert 0 < stopped_at < steps == summary(job)["train"]["steps"]
    epochs = [row["epoch"] for row in metrics(job / "pretraining") if "epoch" in row]
    assert epochs == [1, 2, 3]


@pytest.mark.usefixtures("jobs_inside")
def test_a_changed_setting_does_not_pass_for_the_finished_one(tmp_path):
    assert inside("train", "-m", *SMALL, "sweep_dir=mine", "seed=0", cwd=tmp_path).returncode == 0
    changed = inside("train", "-m", *SMALL, "latent.size=5", "sweep_dir=mine", "seed=0", cwd=tmp_path)
    says_one_line(changed, "latent.size=32, this command has latent.size=5", "another sweep_dir")
    (file,) = tmp_path.glob("mine/*/config.json")
    former = json.loads(file.read_text())
    del former["plugins"], former["eval"]["fisher_sentences"]  # as it was before there were these
    file.write_text(json.dumps(former))
    done = inside("train", "-m", *SMALL, "sweep_dir=mine", "seed=0", cwd=tmp_path)
    assert "1 job finished (1 of them before)" in done.stderr or "1 jobs finished (1 of" in done.stderr
    changed = inside(
        "train", "-m", *SMALL, "eval.fisher_sentences=3", "sweep_dir=mine", "seed=0", cwd=tmp_path
    )
    says_one_line(changed, "eval.fisher_sentences=256, this command has eval.fisher_sentences=3")


@pytest.mark.usefixtures("jobs_inside")
def test_jobs_whose_names_would_be_the_same_have_folders_of_their_own(tmp_path):
    """A folder of before there were digests in names is found all the same, by the job that made it."""
    for name in ("ä", "ö"):
        (tmp_path / f"{name}.txt").write_text(f"a b {name}\n" * 60)
    small = [item for item in SMALL if not item.startswith("data")]
    sweeping = ("train", "-m", "data=text", "data.file='ä.txt','ö.txt'", *small, "sweep_dir=mine")
    done = inside(*sweeping, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folders = {
        json.loads(path.read_text())["data"]["file"]: path.parent
        for path in tmp_path.glob("mine/*/config.json")
    }
    assert set(folders) == {"ä.txt", "ö.txt"}
    former = folders["ö.txt"].rename(folders["ö.txt"].with_name(folder_name("data.file='ö.txt'")))
    done = inside(*sweeping, cwd=tmp_path)
    assert "2 jobs finished (2 of them before), 0 failed" in done.stderr
    assert states(tmp_path / "mine") == {folders["ä.txt"].name: "finished", former.name: "finished"}
    assert not folders["ö.txt"].exists()
    changed = inside(*sweeping, "latent.size=5", cwd=tmp_path)  # as a yaml file could have it
    says_one_line(changed, "2 of 2 jobs failed", f"{former.name} holds a run with latent.size=32")
    assert not folders["ö.txt"].exists()


@pytest.mark.usefixtures("jobs_inside")
def test_two_jobs_that_share_a_folder_do_not_pass_for_one(tmp_path):
    own_experiment(tmp_path, "a/b_c", "name: first")
    own_experiment(tmp_path, "a_b/c", "name: second")
    sweeping = ("train", "-m", "--config-dir", "own", "experiment=a/b_c,a_b/c", *SMALL, "sweep_dir=mine")
    says_one_line(
        inside(*sweeping, cwd=tmp_path), "1 of 1 jobs failed", "two jobs of this sweep share a folder"
    )


@pytest.mark.usefixtures("jobs_inside")
def test_a_job_without_a_section_fails_alone(tmp_path):
    own_experiment(tmp_path, "good", "name: good")
    own_experiment(tmp_path, "bad", "compute: null")
    sweeping = ("train", "-m", "--config-dir", "own", "experiment=bad,good", *SMALL, "sweep_dir=mine")
    says_one_line(inside(*sweeping, cwd=tmp_path), "1 of 2 jobs failed", "compute is None")
    assert states(tmp_path / "mine") == {"experiment-good": "finished", "experiment-bad": "failed"}


@pytest.mark.usefixtures("jobs_inside")
def test_experiments_and_a_key_that_only_their_data_has(tmp_path):
    small = [item for item in SMALL if item != "data=grammar"]
    done = inside(
        "train", "-m", "experiment=grammar/collapse,grammar/hinge", *small, "sweep_dir=mine", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert set(states(tmp_path / "mine")) == {"experiment-grammar_collapse", "experiment-grammar_hinge"}


def own_experiment(folder: Path, name: str, *lines: str) -> None:
    place = folder / "own" / "experiment" / f"{name}.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join(["# @package _global_", *lines]) + "\n")


@pytest.mark.usefixtures("jobs_inside")
def test_experiments_of_the_user_s_own_and_one_with_a_section_that_there_is_not(tmp_path):
    own_experiment(tmp_path, "good", "defaults: [override /schedule: linear]", "name: good")
    own_experiment(tmp_path, "bad", "shedule: {name: linear}")
    says_one_line(
        inside("train", "--config-dir", "own", "experiment=bad", cwd=tmp_path),
        "'shedule'; close to it: schedule",
    )
    sweeping = ("train", "-m", "--config-dir", "own", "experiment=good,bad", *SMALL, "sweep_dir=mine")
    done = inside(*sweeping, cwd=tmp_path)
    assert done.returncode == 1 and "experiment-bad: train has no key 'shedule'" in done.stderr
    assert states(tmp_path / "mine") == {"experiment-good": "finished", "experiment-bad": "failed"}
    config = json.loads((tmp_path / "mine" / "experiment-good" / "config.json").read_text())
    assert (config["name"], config["schedule"]["name"]) == ("good", "linear")
    assert settings.command(config).startswith("textvae train --config-dir=own experiment=good ")


def test_a_folder_of_one_s_own_that_lies_elsewhere_is_told_from_the_root(tmp_path):
    own_experiment(tmp_path, "good", "name: good")
    (tmp_path / "here").mkdir()
    run = inside(
        "train", "--config-dir", "../own", "experiment=good", *SMALL, "run_dir=run", cwd=tmp_path / "here"
    )
    assert run.returncode == 0, run.stderr
    config = json.loads((tmp_path / "here" / "run" / "config.json").read_text())
    assert config["config_dir"] == str(tmp_path / "own")


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["run_dir=x", "seed=0,1"], ["run_dir is for a single run", "sweep_dir"]),
        (["resume=x"], ["resume is for a single run"]),
        (["hydra.sweep.dir=x", "seed=0,1"], ["hydra.sweep.dir would hide the jobs", "sweep_dir"]),
        (["++hydra.sweep.subdir=x", "seed=0,1"], ["hydra.sweep.subdir would hide the jobs", "sweep_dir"]),
        (["jobs=some"], ["jobs is 'some'", "unfinished, failed, all"]),
        (["experiment=grammar/collapse,grammar/nonsense"], ["grammar/nonsense"]),
        (["sweep=nonsense"], ["sweep=nonsense"]),
        (["launcher=nonsense"], ["launcher=nonsense", "joblib"]),
        (["hydra/launcher=submitit_nonsense"], ["pip install 'textvae[submitit]'"]),
    ],
)
def test_errors_of_the_command_leave_nothing(tmp_path, overrides, parts):
    says_one_line(inside("train", "-m", *overrides, cwd=tmp_path), *parts)
    assert not list(tmp_path.glob("sweeps/*"))


@pytest.mark.parametrize("name", READY)
def test_every_job_of_a_ready_sweep_composes(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for job in jobs_of(name):
            compose("train", job)
    assert CONF.joinpath("sweep", f"{name}.yaml").read_text().splitlines()[1].startswith("# ")


@pytest.mark.parametrize(
    ("name", "experiment"),
    [
        ("schedules", "ptb/free_bits"),
        ("schedules", "grammar/annealing"),
        ("free_bits", "grammar/cured"),
        ("free_bits", "ptb/pretraining"),
    ],
)
def test_every_job_of_a_ready_sweep_can_be_made_of_an_experiment(name, experiment):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for job in jobs_of(name):
            config = OmegaConf.to_container(compose("train", [f"experiment={experiment}", *job]))
            head = construct(HEADS, config["latent"], "latent", inputs=1)
            build_objective(config, steps_per_epoch=10, vocabulary=20, head=head)


def jobs_of(name: str) -> list[list[str]]:
    """Their overrides; those of a search are not known beforehand."""
    params = compose("train", [f"sweep={name}"], return_hydra_config=True).hydra.sweeper.params
    lists = [[f"{key}={value}" for value in str(values).split(",")] for key, values in params.items()]
    return [list(job) for job in product(*lists)] if name != "optuna" else []


def test_there_are_ready_sweeps():
    wanted = {"seeds", "schedules", "free_bits", "word_keep", "latent_size", "decoder_size", "optuna"}
    assert wanted <= set(READY)


@pytest.mark.usefixtures("jobs_inside")
def test_a_ready_sweep_needs_no_flag(tmp_path):
    done = inside("train", "sweep=latent_size", *SMALL, "latent.size=3,4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("sweeps/latent_size-*")
    assert set(states(folder)) == {"latent.size-3", "latent.size-4"}


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_other_processes_run_the_jobs(tmp_path, launcher):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher")
    overrides = ["rate=free_bits_per_sentence", "rate.total=-1,2", f"launcher={launcher}", "sweep_dir=mine"]
    free = {key: value for key, value in environment().items() if not key.endswith("_NUM_THREADS")}
    arguments = command("train", "-m", *SMALL, *overrides)
    done = subprocess.run(arguments, env=free, cwd=tmp_path, capture_output=True, text=True)
    says_one_line(done, "1 of 2 jobs failed: rate.total--1: ", "total is -1")
    assert states(tmp_path / "mine") == {"rate.total--1": "failed", "rate.total-2": "finished"}
    if launcher == "joblib":
        threads = max(1, pytest.importorskip("joblib").cpu_count() // 2)
        assert summary(tmp_path / "mine" / "rate.total-2")["environment"]["threads"] == threads


@pytest.mark.slow
def test_a_launcher_that_starts_all_jobs_at_once_can_be_given_one_at_a_time(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    one = ["launcher=submitit_local", "hydra.sweeper.max_batch_size=1"]
    done = sweep(tmp_path / "mine", *SMALL, "seed=0,1", *one)
    assert done.returncode == 0, done.stderr
    first, second = (tmp_path / "mine" / name for name in ("seed-0", "seed-1"))
    begun = (second / "config.json").stat().st_mtime_ns
    assert (first / "summary.json").stat().st_mtime_ns < begun


@pytest.mark.usefixtures("jobs_inside")
def test_optuna_proposes_what_is_finished_again(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    overrides = [*SMALL, "sweep=optuna", "experiment=grammar/annealing", "hydra.sweeper.n_trials=2"]
    overrides += ["sweep_dir=mine"]
    for finished in ("2 jobs finished (0 of them before)", "2 jobs finished (2 of them before)"):
        done = inside("train", *overrides, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert finished in done.stderr
    assert "best_value" in (tmp_path / "mine" / "optimization_results.yaml").read_text()
    alone = [
        shlex.split(settings.command(json.loads(path.read_text())))
        for path in tmp_path.glob("mine/*/config.json")
    ]
    assert len(alone) == 2 and all("schedule=constant" in words for words in alone)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["serial", "joblib"])
def test_a_killed_job_takes_no_other_along(tmp_path, launcher):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    folder = tmp_path / "mine"
    process = begin(folder, *LONG, "train.max_epochs=40", f"launcher={launcher}", "seed=0,1,2")
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout.splitlines()
    jobs = [int(line.split()[0]) for line in listed if line.endswith("-m textvae.cli.job")]
    ours = [pid for pid in jobs if os.readlink(f"/proc/{pid}/cwd") == str(tmp_path)]
    os.kill(ours[0], signal.SIGKILL)
    assert process.wait(200) == 1
    assert sorted(states(folder).values()) == ["failed", "finished", "finished"]
    last = folder.with_suffix(".log").read_text().splitlines()[-1]
    assert "1 of 3 jobs failed" in last and "signal 9" in last


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_command_in_processes_ends_and_another_takes_over(tmp_path, number):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    folder, overrides = tmp_path / "mine", [*LONG, "train.max_epochs=40", "launcher=joblib", "seed=0,1,2"]
    process = begin(folder, *overrides)
    process.send_signal(number)
    assert process.wait(60) in (130, -signal.SIGKILL)
    assert "finished" not in states(folder).values()
    done = sweep(folder, *overrides)
    assert done.returncode == 0, done.stderr
    assert set(states(folder).values()) == {"finished"} and len(states(folder)) == 3
    for path in folder.glob("seed-*"):
        epochs = [row["epoch"] for row in metrics(path) if "epoch" in row]
        assert epochs == list(range(1, len(epochs) + 1))
