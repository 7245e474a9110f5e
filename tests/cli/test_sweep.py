"""What a sweep's command means, and what becomes of it where its launcher does not come to an end."""

from collections.abc import Callable
from pathlib import Path

import pytest

from textvae.cli import sweep as cli
from textvae.cli.flags import one_word_flags
from textvae.cli.sweep import _lost_a_process
from textvae.cli.sweep_settings import for_hydra, is_sweep, sweep_folder, with_sweep_folder
from textvae.errors import ConfigError, Interrupted, TextVAEError
from textvae.training.measurement import Console
from textvae.training.sweeps import FAILED, FINISHED, RUNNING, Sweep


def folder(*overrides: str) -> str:
    return with_sweep_folder(overrides)[-1]


def test_the_same_command_names_the_same_folder():
    command = ("-m", "experiment=ptb/annealing,ptb/free_bits", "seed=0,1")
    assert folder(*command) == folder(*reversed(command))
    assert folder(*command).startswith("sweep_dir=sweeps/ptb_annealing__ptb_free_bits-")
    assert folder(*command) != folder("-m", "experiment=ptb/annealing,ptb/free_bits", "seed=0,1,2")


def test_how_the_jobs_run_does_not_name_another_folder():
    command = ("-m", "seed=0,1")
    how = ("jobs=failed", "launcher=joblib", "hydra.launcher.n_jobs=4", "hydra/launcher=joblib")
    how += ("hydra.sweeper.max_batch_size=2",)
    how += ("tracker=none", "tracker.mode=online", "+tracker.group=a")
    how += ("compute.device=cuda", "compute.threads=2", "train.checkpoint_minutes=1", "train.log_every=5")
    assert folder(*command) == folder(*how, *command)


@pytest.mark.parametrize(
    "what",
    [
        "compute.precision=float32",
        "compute.normaliser_words=null",
        "train.max_steps=5",
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.n_jobs=4",
    ],
)
def test_what_the_jobs_are_names_another_folder(what):
    assert folder("-m", "seed=0,1", what) != folder("-m", "seed=0,1")


def test_only_what_this_command_saw_finished_has_a_value(tmp_path):
    sweep = Sweep.take(tmp_path / "jobs", "a command")
    names = ("failed", "finished", "open", "other", "never")
    failed, finished, going, other, never = (sweep.folder / name for name in names)
    Sweep(sweep.folder, "another").record(other, FINISHED)
    for folder, state in ((failed, FAILED), (finished, FINISHED), (going, RUNNING)):
        sweep.record(folder, state)
    assert [sweep.has_finished(path) for path in (failed, finished, going, other, never)] == [
        *(False, True, False, False, False)
    ]


def test_a_sweep_in_which_nothing_ran_is_no_success(tmp_path):
    with pytest.raises(TextVAEError, match="no job of the sweep has run"):
        cli.conclude(Sweep.take(tmp_path / "jobs", "a command"), ["-m", "seed=0"], False, "")


def test_a_ready_sweep_names_its_folder():
    assert folder("sweep=seeds", "experiment=ptb/lm").startswith("sweep_dir=sweeps/ptb_lm-seeds-")


def test_a_named_folder_stays_as_it_is():
    assert with_sweep_folder(["-m", "sweep_dir=mine", "seed=0,1"]) == ["sweep_dir=mine", "seed=0,1"]


def test_what_is_a_sweep():
    assert is_sweep(["-m", "seed=0,1"]) and is_sweep(["+sweep=seeds"]) and is_sweep(["--multirun"])
    assert not is_sweep(["seed=0"]) and not is_sweep(["-m", "--help"]) and not is_sweep([])


@pytest.mark.parametrize("said", [["--config-dir", "mine"], ["-cd", "mine"], ["--config-dir=mine"]])
def test_a_folder_of_own_configs_may_stand_beside_a_sweep(said):
    words = one_word_flags([*said, "-m", "seed=0,1"])
    assert words == ["--config-dir=mine", "-m", "seed=0,1"]
    assert is_sweep(words) and not is_sweep(words[:1])
    assert for_hydra(with_sweep_folder(words))[:2] == ["-m", "--config-dir=mine"]


def test_the_folder_is_the_one_that_hydra_reads():
    assert sweep_folder(["sweep_dir='a,b'"]) == Path("a,b")
    assert sweep_folder(["sweep_dir=x", "sweep_dir=2026_01_02"]) == Path("2026_01_02")


@pytest.mark.parametrize("given", ["${oc.env:HOME}/x", "a,b", "[a]", "null", "", "''"])
def test_a_folder_that_is_no_plain_text_is_refused(given):
    with pytest.raises(ConfigError, match="as it stands"):
        sweep_folder([f"sweep_dir={given}"])


@pytest.mark.parametrize("said", ["data.file=~/a.txt", "name=it's"])
def test_what_hydra_cannot_read_is_left_to_it(said):
    assert for_hydra(["seed=0,1", said]) == ["-m", "seed=0,1", said]


def test_a_job_that_died_before_its_first_word_has_failed(tmp_path):
    sweep = Sweep.take(tmp_path / "mine", "command")
    job = sweep.folder / "seed-0"
    sweep.bury(job, "killed")
    assert [(outcome.state, outcome.reason) for outcome in sweep.outcomes()] == [(FAILED, "killed")]
    sweep.record(job, FINISHED)
    sweep.bury(job, "killed")
    assert [outcome.state for outcome in sweep.outcomes()] == [FINISHED], "what it has said stands"
    sweep.stop()
    sweep.bury(sweep.folder / "seed-1", "killed")
    assert not (sweep.folder / "seed-1").exists(), "a sweep that was stopped has killed it itself"


def excluded(*overrides: str) -> str:
    return for_hydra(overrides)[-1].partition("=")[2]


def test_jobs_are_named_by_what_differs_between_them():
    assert excluded("data=grammar", "seed=0,1", "+term=mmd") == "['sweep','data','term']"


def test_values_wait_for_the_section_that_a_job_chooses():
    fixed = ["data.train=100", "+term.mmd.weight=2", "decoder.z_into=[state,input]", "data.file='a, b'"]
    waiting = ["data.train=choice(100)", "+term.mmd.weight=choice(2)"]
    waiting += ["decoder.z_into=choice([state,input])", "data.file=choice('a, b')"]
    assert for_hydra(["experiment=a,b", *fixed, "seed=1"])[1:-1] == ["experiment=a,b", *waiting, "seed=1"]
    assert for_hydra(["seed=0,1", *fixed])[1:-1] == ["seed=0,1", *fixed]


def sweeps_by(monkeypatch, *starts: Callable[[Sweep], None]) -> None:
    """Stands for Hydra and its launcher: what happens at each start."""
    left = list(starts)
    monkeypatch.setattr(cli.compose, "call", lambda verb, overrides, job: left.pop(0)(job.sweep))


def dies(sweep: Sweep) -> None:
    sweep.record(sweep.folder / "b", FINISHED, fresh=True)
    sweep.record(sweep.folder / "a", RUNNING)
    raise RuntimeError("Job 7 has not produced any output\n" + "its log\n" * 1000)


def goes_on(sweep: Sweep) -> None:
    quiet = Console(lambda line: None, lambda what, done, of: None)
    for name in "ab":
        sweep.visit(sweep.folder / name, {}, "unfinished", quiet)
    sweep.record(sweep.folder / "c", FINISHED, fresh=True)


def test_a_launcher_that_lost_a_process_goes_on_with_the_other_jobs(tmp_path, monkeypatch, capsys):
    sweeps_by(monkeypatch, dies, goes_on)
    with pytest.raises(TextVAEError) as caught:
        cli.run_sweep(["-m", f"sweep_dir={tmp_path / 'mine'}"])
    assert str(caught.value).startswith("1 of 3 jobs failed: a: its process died")
    said = capsys.readouterr().err
    assert "Job 7 has not produced any output its log" in said and said.count("its log") < 30
    assert "2 jobs finished (0 of them before), 1 failed" in said


def test_a_launcher_that_gets_nowhere_is_given_up(tmp_path, monkeypatch):
    sweeps_by(monkeypatch, dies, dies)
    with pytest.raises(
        TextVAEError, match="the launcher ended with RuntimeError: Job 7 has not produced any output"
    ):
        cli.run_sweep(["-m", f"sweep_dir={tmp_path / 'mine'}"])
    assert not list(tmp_path.glob("mine/c"))


@pytest.mark.parametrize("visited", [False, True])
def test_a_stopped_sweep_is_stopped_whatever_its_launcher_makes_of_it(tmp_path, monkeypatch, visited):
    def stopped(sweep: Sweep) -> None:
        if visited:
            sweep.record(sweep.folder / "a", FINISHED, fresh=True)
        sweep.stop()
        raise ValueError("No trials are completed yet.")

    sweeps_by(monkeypatch, stopped)
    with pytest.raises(Interrupted, match="stopped; go on with: textvae train -m"):
        cli.run_sweep(["-m", f"sweep_dir={tmp_path / 'mine'}"])


def test_a_sweep_that_never_began_leaves_nothing(tmp_path: Path, monkeypatch):
    def refused(sweep: Sweep) -> None:
        raise ConfigError("no such thing")

    sweeps_by(monkeypatch, refused)
    with pytest.raises(ConfigError, match="no such thing"):
        cli.run_sweep(["-m", f"sweep_dir={tmp_path / 'mine'}"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("a worker was killed"), True),
        (NotImplementedError("a fault"), False),
        (RecursionError("a fault"), False),
        (ValueError("a fault"), False),
    ],
)
def test_a_fault_of_the_program_is_no_lost_process(error, lost):
    assert _lost_a_process(error) is lost
