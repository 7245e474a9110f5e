"""What the folder of a run, or of a sweep, tells: configs, summaries, curves, and what did not end."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from textvae.errors import CheckpointError

CONFIG, SUMMARY, METRICS = "config.json", "summary.json", "metrics.jsonl"


class Run(NamedTuple):
    """`config` and `summary` are the files' contents, empty where there is none; `rows` are those of metrics.jsonl.

    `problem` says why there is no result, and is None for a finished run.
    """

    path: Path
    config: dict[str, Any]
    summary: dict[str, Any]
    rows: list[dict[str, Any]]
    problem: str | None = None

    def curve(self, metric: str) -> tuple[list[float], list[Any]]:
        """(steps, values) of a metric, where it was logged."""
        points = [(row["step"], row[metric]) for row in self.rows if row.get(metric) is not None]
        return [step for step, _ in points], [value for _, value in points]


def read_runs(paths: Iterable[str | Path]) -> list[Run]:
    """All runs in the folders, each of which is a run's or holds runs at any depth; each run once.

    What is unfinished, failed or damaged is among them, with its problem. CheckpointError for a path that is no
    folder or holds no run.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        folders = list(run_folders(Path(path)))
        if not folders:
            raise CheckpointError(f"{path} holds no run: no {CONFIG}, {SUMMARY} or {METRICS} in it or below")
        for folder in folders:
            found.setdefault(folder.resolve(), read_run(folder))
    return list(found.values())


def run_folders(path: Path) -> Iterator[Path]:
    """The run folders at `path` or below, in the order of their names, with those of jobs that left nothing."""
    if not path.is_dir():
        raise CheckpointError(f"{path} is no folder; give the folder of a run or of a sweep")
    for folder, below, files in os.walk(path):
        below.sort()
        if {CONFIG, SUMMARY, METRICS} & set(files):
            below.clear()
            yield Path(folder)
        elif not files and set(below) <= {"wandb"} and Path(folder) != path:
            below.clear()  # where a job failed before its first step, a tracker may have been there
            yield Path(folder)


def read_run(folder: Path) -> Run:
    """The run in `folder`, whatever state it is in: nothing that is missing or damaged raises."""
    try:
        config = _object(folder / CONFIG) if (folder / CONFIG).exists() else {}
        rows = _rows(folder / METRICS) if (folder / METRICS).exists() else []
        summary = _object(folder / SUMMARY) if (folder / SUMMARY).exists() else {}
    except (OSError, ValueError) as error:  # bytes that are no JSON or no text are ValueErrors
        return Run(folder, {}, {}, [], f"damaged: {error}")
    return Run(folder, config, summary, rows, None if summary and config else _why(config, summary, rows))


def _why(config: dict[str, Any], summary: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    if summary:
        return f"damaged: it holds no {CONFIG}"
    if rows and "failed" in rows[-1]:
        return f"failed at step {rows[-1]['step']}: {' '.join(str(rows[-1]['failed']).split())}"
    if rows:
        return f"unfinished: step {rows[-1]['step']}, running still or killed"
    return (
        "unfinished: nothing logged yet"
        if config
        else "no result: failed before its first step, or not begun"
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rows; half a line at the end is what a running or a killed process leaves, and is left out."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    rows = [json.loads(line) for line in whole.split(b"\n") if line]
    if not all(isinstance(row, dict) and isinstance(row.get("step"), int) for row in rows):
        raise ValueError(f"{path.name} holds a row without a step")
    return rows


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no mapping")
    return content
