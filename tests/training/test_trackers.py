import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from textvae.registry import construct
from textvae.training.trackers import TRACKERS, JsonLines, Nothing, Several, Tracker
from textvae.training.trackers_jsonlines import plain


def rows(path: Path) -> list[dict[str, Any]]:
    """Every line of the file; a bare NaN or Infinity, which is no JSON, fails."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in path.read_text(encoding="utf-8").splitlines()]


def write(tracker: Tracker, steps: range) -> None:
    for step in steps:
        tracker.log({"train/rec": 100 / step, "train/kl": float(step)}, step)
        if step % 10 == 0:
            tracker.histogram("valid/kl_per_dim", [step / 3, 0.0], step)
            tracker.table("samples/prior", ["i", "sentence"], [[0, "a café <unk>"], [1, "b"]], step)


def test_each_row_is_one_json_object_with_its_step(tmp_path: Path) -> None:
    tracker = JsonLines(tmp_path / "new" / "metrics.jsonl")
    tracker.log({"train/kl": 0.1, "epoch": 2}, 7)
    tracker.histogram("valid/kl_per_dim", [0.5, float("nan")], 8)
    tracker.table("samples/prior", ["i", "sentence"], [[0, "a café\nnow"]], 9)
    assert rows(tmp_path / "new" / "metrics.jsonl") == [
        {"step": 7, "train/kl": 0.1, "epoch": 2},
        {"step": 8, "valid/kl_per_dim": [0.5, None]},
        {"step": 9, "samples/prior": {"columns": ["i", "sentence"], "rows": [[0, "a café\nnow"]]}},
    ]


def test_plain_values() -> None:
    given = {
        "tensor": torch.tensor(0.25, requires_grad=True),
        "tensors": torch.tensor([[1, 2], [3, 4]]),
        "array": np.array([1.5, np.inf, -np.inf]),
        "numpy": (np.float32(0.5), np.int64(3), np.bool_(True), np.float64("nan")),
        "python": [1, 1.0, True, None, "x", float("inf")],
        5: Path("a/b"),
    }
    expected = {
        "tensor": 0.25,
        "tensors": [[1, 2], [3, 4]],
        "array": [1.5, None, None],
        "numpy": [0.5, 3, True, None],
        "python": [1, 1.0, True, None, "x", None],
        "5": "a/b",
    }
    assert repr(plain(given)) == repr(expected)


def test_numbers_survive_exactly(tmp_path: Path) -> None:
    values = {str(i): float(value) for i, value in enumerate(np.random.default_rng(0).standard_normal(100))}
    tracker = JsonLines(tmp_path / "metrics.jsonl")
    tracker.log(values, 1)
    assert rows(tmp_path / "metrics.jsonl") == [{"step": 1} | values]


def test_a_new_run_starts_the_file_anew_but_not_before_its_first_row(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 99}\n')
    tracker = JsonLines(path)
    tracker.finish(failed=True, reason="the checkpoint is damaged")
    assert rows(path) == [{"step": 99}]
    tracker.log({"a": 1.0}, 1)
    assert rows(path) == [{"step": 1, "a": 1.0}]


def test_a_resumed_file_equals_that_of_an_uninterrupted_run(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    write(JsonLines(whole), range(1, 41))
    first = JsonLines(broken)
    write(first, range(1, 16))
    state = json.loads(json.dumps(first.state_dict()))
    write(first, range(16, 26))
    first.finish(failed=True, reason="interrupted")
    second = JsonLines(broken)
    second.load_state_dict(state)
    assert second.state_dict() == state
    write(second, range(16, 31))
    third = JsonLines(broken)
    third.load_state_dict(second.state_dict())
    write(third, range(31, 41))
    assert broken.read_bytes() == whole.read_bytes()


def test_a_file_that_lost_its_end_keeps_its_whole_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "metrics.jsonl"
    tracker = JsonLines(path)
    write(tracker, range(1, 5))
    state = tracker.state_dict()
    path.write_bytes(path.read_bytes()[:-3])
    resumed = JsonLines(path)
    resumed.load_state_dict(state)
    resumed.log({"a": 1.0}, 5)
    assert [row["step"] for row in rows(path)] == [1, 2, 3, 5]
    assert str(path) in caplog.text


def test_a_failed_run_ends_with_the_reason(tmp_path: Path) -> None:
    tracker = JsonLines(tmp_path / "metrics.jsonl")
    tracker.log({"a": 1.0}, 3)
    tracker.finish(failed=True, reason="the loss is nan")
    assert rows(tmp_path / "metrics.jsonl")[-1] == {"step": 3, "failed": "the loss is nan"}


KILLED = """
import os, signal, sys
from textvae.training.trackers import JsonLines
tracker = JsonLines(sys.argv[1])
for step in range(10**9):
    tracker.log({"train/rec": step / 3}, step)
    if step == 500:
        print("ready", flush=True)
"""


def test_sigkill_loses_no_row_and_the_run_can_go_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGKILL)
    *lines, tail = path.read_text().split("\n")
    assert len(lines) > 500
    assert lines == [json.dumps({"step": step, "train/rec": step / 3}) for step in range(len(lines))]
    # A kill between two pages of the file cuts the last line, about once in a thousand times.
    assert json.dumps({"step": len(lines), "train/rec": len(lines) / 3}).startswith(tail)
    resumed = JsonLines(path)
    resumed.load_state_dict({"bytes": sum(len(line) + 1 for line in lines[:300]), "step": 299})
    resumed.log({"train/rec": 100.0}, 300)
    assert path.read_text().split("\n") == [*lines[:301], ""]


class Recorder(Nothing):
    """Notes every call and fails in finish where told to."""

    def __init__(self, notes: list[Any], name: str, fails: bool = False) -> None:
        self.notes, self.name, self.fails = notes, name, fails

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self.notes.append((self.name, "log", dict(metrics), step))

    def histogram(self, name: str, values: Sequence[float], step: int) -> None:
        self.notes.append((self.name, "histogram", name, values, step))

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        self.notes.append((self.name, "table", name, columns, rows, step))

    def summary(self, values: Mapping[str, Any]) -> None:
        self.notes.append((self.name, "summary", dict(values)))

    def finish(self, failed: bool = False, reason: str = "") -> None:
        self.notes.append((self.name, "finish", failed, reason))
        if self.fails:
            raise OSError("no space left")


def test_several_pass_everything_to_each_in_order() -> None:
    notes: list[Any] = []
    tracker = Several([Recorder(notes, "a"), Recorder(notes, "b")])
    tracker.log({"x": 1.0}, 1)
    tracker.histogram("h", [1.0], 2)
    tracker.table("t", ["c"], [["r"]], 3)
    tracker.summary({"s": 1})
    tracker.finish(True, "why")
    calls = [("log", {"x": 1.0}, 1), ("histogram", "h", [1.0], 2), ("table", "t", ["c"], [["r"]], 3)]
    calls += [("summary", {"s": 1}), ("finish", True, "why")]
    assert notes == [(name, *call) for call in calls for name in "ab"]


def test_several_finish_all_even_where_one_fails() -> None:
    notes: list[Any] = []
    with pytest.raises(OSError, match="no space left"):
        Several([Recorder(notes, "a", fails=True), Recorder(notes, "b")]).finish()
    assert [note[0] for note in notes] == ["a", "b"]


def test_several_can_be_resumed_with_other_trackers(tmp_path: Path) -> None:
    first = Several([JsonLines(tmp_path / "a"), JsonLines(tmp_path / "b")])
    first.log({"x": 1.0}, 1)
    state = first.state_dict()
    second = Several([JsonLines(tmp_path / "a"), Nothing()])
    second.load_state_dict(state)
    second.log({"x": 2.0}, 2)
    assert [row["step"] for row in rows(tmp_path / "a")] == [1, 2]


def test_nothing_is_a_tracker_that_the_registry_makes(tmp_path: Path) -> None:
    tracker = construct(TRACKERS, {"name": "none"}, "tracker", directory=tmp_path, config={})
    write(tracker, range(1, 11))
    tracker.load_state_dict(tracker.state_dict())
    tracker.finish()
    assert isinstance(tracker, Nothing) and not list(tmp_path.iterdir())
