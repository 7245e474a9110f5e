"""Real processes write offline runs; what they stored is read back when they have ended."""

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.wandb_offline import OfflineRun, read_records, read_runs
from textvae.errors import ConfigError, TextVAEError
from textvae.registry import construct
from textvae.training.trackers import TRACKERS, JsonLines, Wandb

ROOT = Path(__file__).resolve().parents[2]


def environment(home: Path) -> dict[str, str]:
    """Nothing of wandb's, neither settings nor a key."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    return kept | {"HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def python(script: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", script, str(folder / "run"), *arguments]
    return subprocess.run(command, env=environment(folder), capture_output=True, text=True, timeout=120)


FOUR_RUNS = """
import json, random, sys
import numpy as np
import wandb
from textvae.training.trackers import Wandb

def make(**settings):
    return Wandb(project="test", directory=sys.argv[1], group="sweep", **settings)

random.seed(5)
np.random.seed(5)
run = make(job_type="train", run_name="n" * 300, config={"model": {"latent": 32}, "lr": 0.5, "none": None})
run.log({"train/rec": 5.0, "train/kl": 0.5}, 10)
run.log({"valid/kl": 0.25}, 10)
run.histogram("valid/kl_per_dim", [0.0, 0.0, 1.0, 2.0, float("nan")], 10)
run.table("samples/prior", ["i", "sentence"], [[0, "a café <unk> 's"], [1, None]], 10)
run.log({"train/rec": float("nan")}, 20)
run.log({"test/elbo": -1.5}, 15)
run.table("samples/prior", ["i", "sentence"], [[0, "other"], ["one", "mixed"]], 20)
run.summary({"verdict": {"status": "HEALTHY"}, "mi_lower": np.float32(1.5), "nll_iw": float("inf")})
wandb.run.log({"dropped": 1.0}, step=3)  # as rows of a resumed run that its server has
run.finish()
run.finish(failed=True)
unfinished = make()
unfinished.log({"train/rec": 1.0}, 1)
failed = make()
failed.log({"train/rec": 2.0}, 1)
failed.finish(failed=True, reason="the loss is nan")
make().finish(failed=True, reason="no data")
make().finish()
off = make(mode="disabled")
off.log({"a": 1.0}, 1)
off.histogram("h", [1.0], 1)
off.table("t", ["c"], [[1]], 1)
off.summary({"s": 1})
off.finish()
try:
    run.log({"a": 1.0}, 30)
except Exception as error:
    print(json.dumps([random.random(), np.random.rand(), f"{type(error).__name__}: {error}"]))
"""


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    folder = tmp_path_factory.mktemp("four")
    return folder, python(FOUR_RUNS, folder)


@pytest.fixture(scope="module")
def runs(four: tuple[Path, Any]) -> list[OfflineRun]:
    return read_runs(four[0] / "run")


def test_jobs_of_one_process_are_runs_of_their_own(runs: list[OfflineRun]) -> None:
    assert len({run.id for run in runs}) == len(runs) == 4
    assert {(run.project, run.group, run.job_type, run.resumes) for run in runs} == {
        ("test", "sweep", "train", False)
    }
    assert [run.series("train/rec")[:1] for run in runs] == [[(10, 5.0)], [(1, 1.0)], [(1, 2.0)], []]


def test_name_and_config(runs: list[OfflineRun]) -> None:
    assert runs[0].name == "n" * 128
    assert runs[0].config == {"model": {"latent": 32}, "lr": 0.5, "none": None}


def test_rows_of_a_step_are_one_and_none_is_lost(runs: list[OfflineRun]) -> None:
    assert [row["_step"] for row in runs[0].history] == [10, 20]
    assert runs[0].series("train/kl") == [(10, 0.5)]
    assert runs[0].series("valid/kl") == [(10, 0.25)]
    assert runs[0].series("test/elbo") == [(20, -1.5)], "a row of an earlier step joins the last"
    assert str(runs[0].series("train/rec")) == "[(10, 5), (20, nan)]"


def test_histogram(runs: list[OfflineRun]) -> None:
    ((step, histogram),) = runs[0].series("valid/kl_per_dim")
    counts, edges = histogram["values"], histogram["bins"]
    assert (step, histogram["_type"], sum(counts), len(edges)) == (10, "histogram", 4, len(counts) + 1)
    assert (edges[0], edges[-1], counts[0], counts[-1]) == (0.0, 2.0, 2, 1)


def test_tables(runs: list[OfflineRun]) -> None:
    columns = ["i", "sentence"]
    assert runs[0].table("samples/prior") == [
        (10, columns, [[0, "a café <unk> 's"], [1, None]]),
        (20, columns, [[0, "other"], ["one", "mixed"]]),
    ]


def test_summary_and_exit_code(runs: list[OfflineRun]) -> None:
    assert [run.exit_code for run in runs] == [0, 0, 1, 1]
    assert [run.summary.get("failure") for run in runs] == [None, None, "the loss is nan", "no data"]
    summary = runs[0].summary
    assert (summary["verdict"], summary["mi_lower"], summary["nll_iw"]) == ({"status": "HEALTHY"}, 1.5, None)
    assert (summary["valid/kl"], summary["test/elbo"]) == (0.25, -1.5), "the last value of every scalar"


def test_wandb_is_silent_and_touches_no_random_state(
    four: tuple[Path, "subprocess.CompletedProcess[str]"], runs: list[OfflineRun]
) -> None:
    done = four[1]
    assert (done.returncode, done.stderr) == (0, "")
    of_random, of_numpy, error = json.loads(done.stdout)
    assert (of_random, of_numpy) == (0.6229016948897019, 0.22199317108973948)
    assert error == f"TextVAEError: wandb run {runs[0].id} is finished and takes no more rows"


def test_copies_of_tables_stay_with_the_run(four: tuple[Path, Any]) -> None:
    assert not (four[0] / ".local").exists()
    assert any((four[0] / "run" / "wandb" / "artifacts" / "staging").iterdir())


def test_the_reader_refuses_damage_and_reads_what_is_there_of_a_cut_file(runs: list[OfflineRun]) -> None:
    (file,) = runs[0].path.glob("*.wandb")
    data = file.read_bytes()
    whole = list(read_records(data))
    assert list(read_records(data[:-3])) == whole[:-1]
    with pytest.raises(ValueError, match="checksum"):
        list(read_records(data[:50] + bytes([data[50] ^ 1]) + data[51:]))
    with pytest.raises(ValueError, match="starts with"):
        list(read_records(b"{" + data[1:]))


INTERRUPTED = """
import json, os, signal, sys, time
from textvae.training.trackers import JsonLines, Several, Wandb

directory, state = sys.argv[1], sys.argv[2:]
tracker = Several([JsonLines(directory + "/metrics.jsonl"), Wandb(project="test", directory=directory)])
if state:
    tracker.load_state_dict(json.loads(state[0]))
if state:
    tracker.log({"valid/kl": 0.5}, 20)
for step in range(21, 41) if state else range(1, 31):
    tracker.log({"train/rec": 1 / step}, step)
    if step % 10 == 0:
        print(json.dumps(tracker.state_dict()), flush=True)
if not state:
    time.sleep(1.5)  # wandb writes every second
    os.kill(os.getpid(), signal.SIGKILL)
tracker.log({"test/elbo": -1.0}, 40)
tracker.finish()
"""


def test_a_killed_run_goes_on_under_its_id(tmp_path: Path) -> None:
    killed = python(INTERRUPTED, tmp_path)
    _, state, _ = killed.stdout.splitlines()
    resumed = python(INTERRUPTED, tmp_path, state)
    assert (killed.returncode, resumed.returncode, resumed.stderr) == (-9, 0, "")

    reference = JsonLines(tmp_path / "reference.jsonl")
    for step in range(1, 41):
        reference.log({"train/rec": 1 / step}, step)
        if step == 20:
            reference.log({"valid/kl": 0.5}, 20)
    reference.log({"test/elbo": -1.0}, 40)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (tmp_path / "reference.jsonl").read_bytes()

    first, second = read_runs(tmp_path / "run")
    assert first.id == second.id == json.loads(state)["1:Wandb"]["run_id"]
    assert (first.resumes, second.resumes) == (False, True)
    assert (first.exit_code, second.exit_code) == (None, 0)
    assert first.series("train/rec") == [(step, 1 / step) for step in range(1, 31)], "a saved row is not lost"
    assert second.series("train/rec") == [(step, 1 / step) for step in range(21, 41)]
    after = second.series("valid/kl"), second.series("test/elbo")
    assert after == ([(21, 0.5)], [(41, -1.0)]), "a row closed by a checkpoint stays closed"


AT_A_TERMINAL = """
import os, signal, sys
from pathlib import Path
from textvae.training.trackers import Wandb

try:
    Wandb(project="test", directory=sys.argv[1], mode="online").log({"a": 1.0}, 1)
except Exception as error:
    print(f"<{type(error).__name__}: {error}>")
run = Wandb(project="test", directory=sys.argv[1])
run.log({"a": 1.0}, 1)
for stat in Path("/proc").glob("[0-9]*/stat"):
    if stat.read_text().split(")")[1].split()[1] == str(os.getpid()):
        os.kill(int(stat.parent.name), signal.SIGKILL)
for step in range(2, 1000):
    run.log({"a": 1.0}, step)
run.histogram("h", [1.0], 1000)
run.table("t", ["c"], [[1]], 1000)
run.summary({"s": 1})
run.finish()
print("<trained on>")
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds wandb's process in /proc")
def test_no_login_is_asked_for_and_a_dead_wandb_ends_no_training(tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    command = [sys.executable, "-c", AT_A_TERMINAL, str(tmp_path / "run")]
    process = subprocess.Popen(
        command, env=environment(tmp_path), stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    output = b""
    try:
        while select.select([master], [], [], 60)[0] and (chunk := _read(master)):
            output += chunk
    finally:
        process.kill()
        process.wait()
        os.close(master)
    text = " ".join(output.decode().split())
    assert "<ValueError: mode is online, and there is no key: run `wandb login`" in text
    assert text.count("gets no more rows") == 1
    assert "<trained on>" in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux reports that the last process has left the terminal
        return b""


def test_no_wandb_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    tracker = Wandb(project="test", directory=tmp_path)
    with pytest.raises(
        TextVAEError, match=r"^wandb does not start; mend it or use tracker=none: [^\n]*wandb[^\n]*$"
    ):
        tracker.log({"a": 1.0}, 1)
    tracker.log({"a": 1.0}, 2)
    tracker.finish(failed=True)


def test_a_run_that_failed_for_another_reason_keeps_its_own_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    Wandb(project="test", directory=tmp_path, group="sweep").finish(failed=True, reason="the loss is nan")
    assert "wandb does not start" in caplog.text


def test_a_run_that_failed_before_its_first_row_is_recorded_in_a_group_only(tmp_path: Path) -> None:
    Wandb(project="test", directory=tmp_path / "alone").finish(failed=True, reason="no data")
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_made_is_an_error_not_another_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TextVAEError, match="file"):
        Wandb(project="test", directory=tmp_path / "file" / "run").log({"a": 1.0}, 1)


def test_the_registry_makes_it_and_refuses_an_unknown_mode(tmp_path: Path) -> None:
    spec = {"name": "wandb", "project": "test", "group": None, "job_type": "train", "run_name": "r"}
    tracker = construct(TRACKERS, spec | {"mode": "offline"}, "tracker", directory=tmp_path, config={"a": 1})
    assert isinstance(tracker, Wandb) and not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="mode is 'on'; known: offline, online, disabled"):
        construct(TRACKERS, spec | {"mode": "on"}, "tracker", directory=tmp_path, config={"a": 1})
    for project in ("a/b", "100%", "", "a" * 129):
        with pytest.raises(ConfigError, match="must be a name of 1 to 128 characters"):
            construct(TRACKERS, spec | {"project": project}, "tracker", directory=tmp_path)


def test_a_resumed_tracker_keeps_the_id_of_its_checkpoint(tmp_path: Path) -> None:
    first, second = (Wandb(project="test", directory=tmp_path) for _ in range(2))
    assert first.run_id != second.run_id
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == first.state_dict() == {"run_id": first.run_id, "step": 0}
