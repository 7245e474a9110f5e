"""What a sweep's folder says of its jobs, and who may run them."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from textvae.errors import Interrupted, TrainingError
from textvae.training import sweeps
from textvae.training.measurement import Console
from textvae.training.sweeps import FAILED, FINISHED, OPEN, RUNNING, WHICH, Sweep, found

CONFIG = {"seed": 0, "latent": {"size": 2}, "tracker": {"name": "none"}}


@pytest.fixture
def sweep(tmp_path) -> Sweep:
    return Sweep.take(tmp_path / "sweep", "textvae train -m seed=0,1")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def console(said) -> Console:
    return Console(said.append, lambda what, done, of: None)


def trains(monkeypatch, error: BaseException | None = None) -> list:
    """Stands for a run: counts them, and finishes or raises."""
    runs = []

    def go_on(folder, config, console, sweep):
        runs.append(folder.name)
        if error:
            raise error
        (folder / "summary.json").write_text("{}")

    monkeypatch.setattr(sweeps, "go_on", go_on)
    return runs


def test_a_job_runs_once(sweep, console, monkeypatch):
    runs = trains(monkeypatch)
    for fresh in (True, True, False):  # twice by one command, as where its launcher is started again
        sweep = sweep if fresh else Sweep.take(sweep.folder, "again")
        sweep.visit(sweep.folder / "a", CONFIG, "unfinished", console)
        assert [outcome[:] for outcome in sweep.outcomes()] == [("a", FINISHED, "", fresh)]
    assert runs == ["a"]


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (TrainingError("no longer\nfinite"), FAILED, "no longer finite"),
        (MemoryError("all of it"), FAILED, "MemoryError: all of it"),
        (Interrupted("stopped at step 3"), OPEN, ""),
    ],
)
def test_an_error_is_the_jobs_alone(sweep, console, monkeypatch, error, state, reason):
    trains(monkeypatch, error)
    sweep.visit(sweep.folder / "a", CONFIG, "unfinished", console)
    assert sweep.outcomes() == [("a", state, reason, True)]
    job = json.loads((sweep.folder / "a" / "job.json").read_text())
    assert ("traceback" in job) == isinstance(error, MemoryError)


def test_which_jobs_run(sweep, console, monkeypatch):
    for which in WHICH:
        for state in (OPEN, RUNNING, FAILED, FINISHED):
            folder = sweep.folder / f"{which}-{state}"
            sweep.record(folder, state)
            if state == FINISHED:
                (folder / "summary.json").write_text("{}")
    runs, sweep = trains(monkeypatch), Sweep.take(sweep.folder, "again")
    for folder in sorted(sweep.folder.glob("*-*")):
        sweep.visit(folder, CONFIG, folder.name.split("-")[0], console)
    unfinished = ["unfinished-open", "unfinished-running"]
    assert runs == ["all-failed", "all-open", "all-running", "failed-failed", *unfinished]


def test_a_job_without_its_summary_is_not_finished(sweep):
    sweep.record(sweep.folder / "a", FINISHED)
    assert found(sweep.folder / "a") == (OPEN, "")


@pytest.mark.parametrize("end", ["stopped", "taken"])
def test_jobs_of_a_command_that_lost_the_sweep_end(sweep, console, monkeypatch, end):
    runs = trains(monkeypatch)
    with sweep.stopping(every=0) as stop_requested:
        assert not stop_requested()
        if end == "stopped":
            sweep.stop()
        else:
            assert not Sweep.take(sweep.folder, "another").lost()
        assert stop_requested()
    sweep.visit(sweep.folder / "a", CONFIG, "unfinished", console)
    assert runs == [] and sweep.outcomes() == []


def test_a_command_tells_only_of_the_jobs_it_has_seen(sweep, console, monkeypatch):
    trains(monkeypatch)
    sweep.visit(sweep.folder / "a", CONFIG, "unfinished", console)
    other = Sweep.take(sweep.folder, "another")
    other.visit(other.folder / "b", CONFIG, "unfinished", console)
    assert [outcome.name for outcome in other.outcomes()] == ["b"]


def test_a_run_of_another_config_is_neither_skipped_nor_gone_on_with(sweep, console, monkeypatch):
    runs, folder = trains(monkeypatch), sweep.folder / "a"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG | {"latent": {"size": 3}}))
    sweep.visit(folder, CONFIG, "all", console)
    (outcome,) = sweep.outcomes()
    assert outcome.state == FAILED and "latent.size=3, this command has latent.size=2" in outcome.reason
    sweep = Sweep.take(sweep.folder, "again")
    sweep.visit(folder, CONFIG | {"latent": {"size": 3}, "tracker": {"name": "wandb"}}, "all", console)
    assert runs == ["a"]


def test_a_job_is_run_by_one_process_at_a_time(sweep, console, said, monkeypatch):
    runs, folder = trains(monkeypatch), sweep.folder / "a"
    with sweeps._alone(folder, console):
        waiting = threading.Thread(target=sweep.visit, args=(folder, CONFIG, "unfinished", console))
        waiting.start()
        while not said:
            waiting.join(0.005)
        assert "another process" in said[0] and runs == []
    waiting.join(10)
    assert runs == ["a"]


def test_a_file_system_that_does_not_answer_stops_no_job(sweep, monkeypatch):
    with sweep.stopping(every=0.0) as stop_requested:
        with monkeypatch.context() as patch:
            patch.setattr(Sweep, "lost", lambda self: raising(OSError(116, "Stale file handle")))
            assert not stop_requested()
        assert not stop_requested()
        Sweep.take(sweep.folder, "another")
        assert stop_requested()


def raising(error: BaseException) -> None:
    raise error


def test_commands_that_take_a_sweep_at_once_all_have_had_it(tmp_path):
    """The last one has it; none finds the file that it writes taken away by another."""
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda number: Sweep.take(tmp_path / "sweep", str(number)), range(40)))
    assert sum(not sweep.lost() for sweep in taken) == 1


def test_a_command_that_lost_the_sweep_stops_nothing_of_the_next_one(sweep):
    other = Sweep.take(sweep.folder, "another")
    sweep.stop()
    assert not other.lost()
    other.stop()
    assert other.lost()


def test_a_process_that_died_fails_its_job(sweep):
    for name, state in (("a", RUNNING), ("b", FINISHED)):
        sweep.record(sweep.folder / name, state)
        sweep.bury(sweep.folder / name, "signal 9")
    assert [(outcome.state, outcome.reason) for outcome in sweep.outcomes()] == [
        (FAILED, "signal 9"),
        (FINISHED, ""),
    ]


def test_a_job_whose_process_died_is_not_begun_twice_by_one_command(sweep, console, monkeypatch):
    runs, folder = trains(monkeypatch), sweep.folder / "a"
    sweep.record(folder, RUNNING)
    sweep.visit(folder, CONFIG, "all", console)
    assert sweep.outcomes() == [("a", FAILED, sweeps.DIED, True)] and runs == []
    another = Sweep.take(sweep.folder, "again")
    another.visit(folder, CONFIG, "failed", console)
    assert another.outcomes() == [("a", FINISHED, "", True)] and runs == ["a"]


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
@pytest.mark.parametrize("file", ["job.json", "config.json"])
def test_a_job_with_a_damaged_file_has_failed(sweep, console, monkeypatch, file, content):
    runs, damaged = trains(monkeypatch), sweep.folder / "a" / file
    damaged.parent.mkdir()
    damaged.write_bytes(content.encode("latin-1"))
    sweep.visit(damaged.parent, CONFIG, "unfinished", console)
    (outcome,) = sweep.outcomes()
    assert outcome.state == FAILED and f"{damaged} is damaged" in outcome.reason and runs == []
    another = Sweep.take(sweep.folder, "again")
    if file == "config.json":
        damaged.unlink()
    another.visit(damaged.parent, CONFIG, "failed", console)
    assert another.outcomes() == [("a", FINISHED, "", True)]


def test_a_damaged_file_of_a_job_that_is_not_the_commands_stops_nothing(sweep, console, monkeypatch):
    trains(monkeypatch)
    (sweep.folder / "b").mkdir()
    (sweep.folder / "b" / "job.json").write_text("{")
    sweep.visit(sweep.folder / "a", CONFIG, "unfinished", console)
    assert [outcome.name for outcome in sweep.outcomes()] == ["a"]


def test_a_job_may_go_on_elsewhere(sweep, console, monkeypatch):
    runs, folder = trains(monkeypatch), sweep.folder / "a"
    folder.mkdir()
    here = {"compute": {"device": "cuda", "precision": "auto"}, "train": {"log_every": 5, "max_epochs": 1}}
    there = {"compute": {"device": "cpu", "precision": "auto", "threads": 2}}
    (folder / "config.json").write_text(json.dumps(CONFIG | here))
    sweep.visit(folder, CONFIG | there | {"train": {"log_every": 9, "max_epochs": 1}}, "all", console)
    assert sweep.outcomes() == [("a", FINISHED, "", True)] and runs == ["a"]


def test_a_damaged_summary_is_no_finished_job(sweep, console, monkeypatch):
    runs, folder = trains(monkeypatch), sweep.folder / "a"
    folder.mkdir()
    (folder / "summary.json").write_text("{")
    sweep.visit(folder, CONFIG, "unfinished", console)
    (outcome,) = sweep.outcomes()
    assert outcome.state == FAILED and "summary.json is damaged" in outcome.reason and runs == []
    Sweep.take(sweep.folder, "again").visit(folder, CONFIG, "failed", console)
    assert runs == ["a"]
