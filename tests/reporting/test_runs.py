import json
import os
import shutil

import pytest

from tests.reporting.folders import config, finished, measured, rows, write_run
from textvae.errors import CheckpointError
from textvae.reporting.runs import read_runs


def problem(folder) -> str | None:
    (run,) = read_runs([folder])
    return run.problem


def test_runs_are_found_at_any_depth_each_once(tmp_path):
    for seed, place in enumerate(("b/0", "a/1", "a/0")):
        finished(tmp_path / "sweep" / place, seed=seed)
    (tmp_path / "sweep" / "a" / "0.log").write_text("said")
    found = read_runs([tmp_path / "sweep", tmp_path / "sweep" / "b", tmp_path / "sweep" / "a" / "1"])
    assert [str(run.path.relative_to(tmp_path / "sweep")) for run in found] == ["a/0", "a/1", "b/0"]
    assert all(run.problem is None for run in found)


def test_a_run_that_lies_elsewhere_and_is_linked_is_found_once(tmp_path):
    """Linked too: the folder that it all lies in, one above, and a run that lies here."""
    finished(tmp_path / "sweep" / "0")
    elsewhere = finished(tmp_path / "elsewhere" / "1", seed=1)
    (tmp_path / "sweep" / "1").symlink_to(elsewhere)
    (tmp_path / "sweep" / "around").symlink_to(tmp_path / "sweep")
    (tmp_path / "sweep" / "above").symlink_to(tmp_path)
    (tmp_path / "sweep" / "-best").symlink_to(tmp_path / "sweep" / "0")
    found = read_runs([tmp_path / "sweep", elsewhere])
    assert [str(run.path.relative_to(tmp_path / "sweep")) for run in found] == ["0", "1"]


def test_a_copy_of_a_run_is_told_and_counts_once(tmp_path):
    finished(tmp_path / "sweep" / "0")
    shutil.copytree(tmp_path / "sweep", tmp_path / "backup")
    run, copy = read_runs([tmp_path / "sweep", tmp_path / "backup"])
    assert run.problem is None and copy.problem == f"a copy of {run.path}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_told(tmp_path):
    finished(tmp_path / "sweep" / "0")
    closed = finished(tmp_path / "sweep" / "1", seed=1)
    closed.chmod(0)
    try:
        run, other = read_runs([tmp_path / "sweep"])
    finally:
        closed.chmod(0o755)
    assert run.problem is None and "Permission denied" in str(other.problem)


def test_a_first_stage_is_part_of_its_run(tmp_path):
    folder = finished(tmp_path / "run")
    finished(folder / "pretraining", name="ptb/vae/pretraining", seed=5)
    (run,) = read_runs([tmp_path])
    assert run.first_stage["train"]["wall_s"] == 65


def test_what_is_no_run_is_not_taken_for_one(tmp_path):
    finished(tmp_path / "run")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "table.md").write_text("| a |")
    (tmp_path / ".hidden").mkdir()
    assert len(read_runs([tmp_path])) == 1


@pytest.mark.parametrize(
    "make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("")]
)
def test_a_path_without_runs_is_an_error(tmp_path, make):
    make(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="nothing"):
        read_runs([tmp_path / "nothing"])


def test_a_run_on_its_way(tmp_path):
    folder = write_run(tmp_path / "run", config(), None, rows())
    with (folder / "metrics.jsonl").open("ab") as file:
        file.write('{"step": 301, "text": "caf\u00e9'.encode()[:-1])  # killed within a character
    (run,) = read_runs([folder])
    assert run.problem == "unfinished: step 300, running still, stopped or killed"
    assert run.curve("valid/kl")[0] == [100, 200, 300]


def test_a_job_that_a_sweep_can_go_on_with_has_not_failed(tmp_path):
    folder = write_run(
        tmp_path / "run", config(), None, [*rows(), {"step": 310, "failed": "Interrupted: stopped"}]
    )
    (folder / "job.json").write_text(json.dumps({"state": "open", "reason": ""}))
    assert problem(folder) == "unfinished: step 310, running still, stopped or killed"


def test_a_run_in_its_first_stage_says_so(tmp_path):
    folder = write_run(tmp_path / "run", config(pretraining={"eval": {}}), None, [])
    assert problem(folder) == "unfinished: in its first stage, nothing logged yet"
    stage = write_run(folder / "pretraining", config(), None, rows())
    assert problem(folder) == "in its first stage, unfinished: step 300, running still, stopped or killed"
    with (stage / "metrics.jsonl").open("a") as file:
        file.write('{"step": 310, "failed": "no memory"}\n')
    assert problem(folder) == "in its first stage, failed at step 310: no memory"
    (stage / "summary.json").write_text('{"train": {}}')
    assert problem(folder) == "unfinished: its first stage has ended, nothing logged since"
    (folder / "job.json").write_text('{"state": "failed", "reason": "killed"}')
    assert problem(folder) == "failed: killed"


def test_a_run_that_was_not_trained_here_says_how_to_measure_it(tmp_path):
    folder = write_run(tmp_path / "run", config(), None, [])
    assert problem(folder) == "unfinished: nothing logged yet"
    (folder / "model.safetensors").touch()
    assert problem(folder) == f"imported; evaluate it: textvae evaluate checkpoint={folder} keep=true"


def test_separators_of_lines_within_sentences_are_no_ends_of_rows(tmp_path):
    folder = finished(tmp_path / "run")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 400, "text": "one\u2028two"}, ensure_ascii=False) + "\n")
    assert problem(folder) is None


def test_failures_say_why_in_one_line(tmp_path):
    failed = [*rows(), {"step": 310, "failed": "TrainingError: the loss\nis nan"}]
    at_a_step = write_run(tmp_path / "a", config(), None, failed)
    assert problem(at_a_step) == "failed at step 310: TrainingError: the loss is nan"
    in_a_sweep = tmp_path / "sweep" / "job"
    in_a_sweep.mkdir(parents=True)
    (in_a_sweep / "job.json").write_text(json.dumps({"state": "failed", "reason": "total is -1"}))
    (in_a_sweep.parent / "other" / "wandb").mkdir(parents=True)
    assert [run.problem for run in read_runs([tmp_path / "sweep"])] == [
        "failed: total is -1",
        "no result: failed before its first step, or not begun",
    ]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("summary.json", b"{"),
        ("summary.json", b"[]"),
        ("config.json", b"\xff\xfe"),
        ("metrics.jsonl", b"nonsense\n"),
        ("metrics.jsonl", b"[1]\n"),
        ("metrics.jsonl", b'{"kl": 1}\n'),
    ],
)
def test_damage_is_a_problem_of_one_line(tmp_path, file, content):
    folder = write_run(tmp_path / "run", config(), measured(), rows())
    (folder / file).write_bytes(content)
    found = problem(folder)
    assert found is not None and found.startswith("damaged: ") and "\n" not in found


def test_a_missing_config_is_a_problem(tmp_path):
    folder = finished(tmp_path / "run")
    (folder / "config.json").unlink()
    assert problem(folder) == "damaged: it holds no config.json"
