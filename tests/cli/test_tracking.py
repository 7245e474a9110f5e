"""What a multirun leaves with wandb, read back from its offline files after the process has ended."""

import pytest
from wandb.sdk.launch.sweeps.utils import (
    create_sweep_command,
    create_sweep_command_args,
    load_sweep_config,
)

from tests.cli.process import SMALL, says_one_line, summary, textvae
from tests.wandb_offline import read_runs
from textvae.cli.locations import config_directory

OVERRIDES = [item for item in SMALL if not item.startswith("tracker")] + [
    "train.max_steps=12",
    "train.log_every=2",
]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Two jobs, of which the second fails: -1 free nats are refused."""
    folder = tmp_path_factory.mktemp("sweep")
    arguments = [
        "train",
        "-m",
        *OVERRIDES,
        "rate=free_bits_per_sentence",
        "rate.total=0.5,-1,1",
        "sweep_dir=mine",
    ]
    done = textvae(*arguments, cwd=folder, WANDB_MODE="offline")
    return folder / "mine", done


def test_a_failing_job_stops_no_other_and_shows_in_the_exit_status(sweep):
    folder, done = sweep
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("textvae: 1 of 3 jobs failed: rate.total--1: ")
    assert "total is -1" in done.stderr.splitlines()[-1]
    finished = sorted(path.parent.name for path in folder.glob("*/summary.json"))
    assert len(finished) == 2
    assert not any("=" in name or "," in name for name in finished)


def test_every_job_is_a_run_of_its_own_in_the_sweeps_group(sweep):
    folder, _ = sweep
    runs = [run for path in folder.glob("*/summary.json") for run in read_runs(path.parent)]
    assert len({run.id for run in runs}) == len(runs) == 2
    assert {run.group for run in runs} == {"mine"}
    unfinished = [path for path in folder.iterdir() if path.is_dir() and not (path / "summary.json").exists()]
    (failed,) = [run for path in unfinished for run in read_runs(path)]
    assert failed.exit_code == 1 and failed.group == "mine" and "total is -1" in failed.summary["failure"]
    assert {run.config["rate"]["total"] for run in runs} == {0.5, 1}
    assert all("rate.total" in run.name for run in runs)
    assert all(run.exit_code == 0 for run in runs)


def test_online_without_a_key_is_one_line_and_leaves_nothing(tmp_path):
    (tmp_path / "here").mkdir()
    nobody = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc"), "WANDB_API_KEY": ""}
    done = textvae("train", *OVERRIDES, "tracker.mode=online", cwd=tmp_path / "here", **nobody)
    says_one_line(done, "mode is online, and there is no key: run `wandb login`")
    assert not list((tmp_path / "here").iterdir())


def test_what_wandb_holds_is_what_the_run_reports(sweep):
    folder, _ = sweep
    path = next(iter(folder.glob("*/summary.json"))).parent
    (run,) = read_runs(path)
    steps = len(run.series("train/beta"))
    assert steps >= 5 and len(run.series("train/tokens_per_s")) == steps
    for name in ("kl", "rec", "elbo", "active_units", "mi_lower", "mi_upper"):
        assert run.series(f"valid/{name}"), name
    assert run.series("valid/kl_per_dim")
    ((_, columns, rows),) = run.table("samples")
    assert columns == ["sentence"] and len(rows) == 5
    ((_, columns, rows),) = run.table("interpolation")
    assert columns == ["position", "sentence"] and len(rows) == 7
    assert run.summary["test"]["status"] == summary(path)["test"]["status"]
    assert run.summary["test"]["kl"] == pytest.approx(summary(path)["test"]["kl"])


def test_an_agent_of_a_wandb_sweep_can_run_its_jobs(tmp_path):
    """The agent's part without its server: from the sweep file to a command, with the ids that it gives a job."""
    sweep = load_sweep_config(str(config_directory() / "wandb_sweep.yaml"))
    values = {"schedule.warmup_epochs": 5, "decoder.word_keep": 0.8251, "seed": 2}
    assert set(values) == set(sweep["parameters"]) and sweep["metric"]["name"] == "valid/neg_elbo"
    expanded = create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
    expanded |= {"env": ["/usr/bin/env"], "program": [sweep["program"]]}
    parts = [expanded.get(part.strip("${}"), [part]) for part in create_sweep_command(sweep["command"])]
    env, program, verb, *overrides = [item for part in parts for item in part]
    assert (env, program, verb) == ("/usr/bin/env", "textvae", "train")
    offline = [item for item in overrides if item != "tracker.mode=online"]
    assert len(offline) == len(overrides) - 1
    done = textvae(
        verb,
        *offline,
        *(item for item in SMALL if not item.startswith("tracker")),
        "train.max_epochs=1",
        f"run_dir={tmp_path / 'run'}",
        cwd=tmp_path,
        WANDB_MODE="offline",
        WANDB_SWEEP_ID="sweep123",
        WANDB_RUN_ID="job45678",
    )
    assert done.returncode == 0, done.stderr
    (run,) = read_runs(tmp_path / "run")
    assert run.id == "job45678" and run.exit_code == 0 and run.series("valid/neg_elbo")
    assert (run.config["decoder"]["word_keep"], run.config["seed"]) == (0.8251, 2)
