"""What the folder of a run, or of a sweep, tells: configs, summaries, curves, and what did not end."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

from textvae.errors import CheckpointError
from textvae.keys import WHERE

CONFIG, SUMMARY, METRICS = "config.json", "summary.json", "metrics.jsonl"
WEIGHTS = "model.safetensors"
JOB = "job.json"  # what a sweep says became of a job
COPY = "a copy of"  # begins the problem of a run that is another's, word for word
FIRST_STAGE = "pretraining"  # the folder of a run that a run began with


class Run(NamedTuple):
    """`config` and `summary` are the files' contents, empty where there is none; `rows` are those of metrics.jsonl.

    `first_stage` is the summary of the run that this one began with, where it had one of its own, and `first_rows` are
    its metrics. `problem` says why there is no result, and is None for a finished run.
    """

    path: Path
    config: dict[str, Any]
    summary: dict[str, Any]
    rows: list[dict[str, Any]]
    first_stage: dict[str, Any]
    problem: str | None = None
    first_rows: Sequence[dict[str, Any]] = ()

    def curve(self, metric: str) -> tuple[list[float], list[Any]]:
        """(steps, values) of a metric, where it was logged."""
        points = [(row["step"], row[metric]) for row in self.rows if row.get(metric) is not None]
        return [step for step, _ in points], [value for _, value in points]


def read_runs(paths: Iterable[str | Path]) -> list[Run]:
    """All runs in the folders, each of which is a run's or holds runs at any depth; each run once.

    What is unfinished, failed or damaged is among them, with its problem, and so is a copy of an earlier one. CheckpointError
    for a path that is no folder or holds no run.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        folders = list(run_folders(Path(path)))
        if not folders:
            raise CheckpointError(f"{path} holds no run: no {CONFIG}, {SUMMARY} or {METRICS} in it or below")
        for folder in folders:
            found.setdefault(folder.resolve(), read_run(folder))
    return _copies_told(found.values())


def _copies_told(runs: Iterable[Run]) -> list[Run]:
    """The runs; a finished one that is another's, word for word and times too, has that as its problem: its seed counts once."""
    originals: dict[str, Path] = {}
    told = []
    for run in runs:
        if run.problem is None:
            config = {key: value for key, value in run.config.items() if key not in WHERE}
            first = originals.setdefault(json.dumps([config, run.summary], sort_keys=True), run.path)
            run = run if first == run.path else run._replace(problem=f"{COPY} {first}")
        told.append(run)
    return told


def run_folders(path: Path) -> Iterator[Path]:
    """The run folders at `path` or below, in the order of their names, with those of jobs that left nothing."""
    if not path.is_dir():
        raise CheckpointError(f"{path} is no folder; give the folder of a run or of a sweep")
    seen = {os.path.realpath(above) for above in path.resolve().parents}
    unreadable: list[Path] = []
    walk = os.walk(path, followlinks=True, onerror=lambda error: unreadable.append(Path(error.filename)))
    for folder, below, files in walk:
        below[:] = _links_last(folder, sorted(name for name in below if not name.startswith(".")))
        if (place := os.path.realpath(folder)) in seen:  # by a link, perhaps to a folder that it lies in
            below.clear()
            continue
        seen.add(place)
        if {CONFIG, SUMMARY, METRICS, JOB} & set(files):
            below.clear()
            yield Path(folder)
        elif set(below) <= {"wandb"} and all(name.startswith(".") for name in files) and Path(folder) != path:
            below.clear()  # a job that failed before its first step: a tracker may have been there
            yield Path(folder)
    yield from unreadable


def _links_last(folder: str, names: list[str]) -> list[str]:
    """So that a run is called by where it lies, whatever links lead there."""
    return sorted(names, key=lambda name: os.path.islink(os.path.join(folder, name)))


def read_run(folder: Path) -> Run:
    """The run in `folder`, whatever state it is in: nothing that is missing or damaged raises."""
    try:
        config, summary, job, first = (
            _object(folder / name) for name in (CONFIG, SUMMARY, JOB, f"{FIRST_STAGE}/{SUMMARY}")
        )
        rows, first_rows = _rows(folder / METRICS), _rows(folder / FIRST_STAGE / METRICS)
    except (OSError, ValueError) as error:  # bytes that are no JSON or no text are ValueErrors
        return Run(folder, {}, {}, [], {}, f"damaged: {' '.join(str(error).split())}")
    problem = _problem(config, summary, rows, job)
    if config and not (summary or rows) and job.get("state") != "failed":
        problem = _before_its_own_steps(folder, config, first, first_rows) or problem
    return Run(folder, config, summary, rows, first, problem, first_rows)


def _before_its_own_steps(
    folder: Path, config: dict[str, Any], first: dict[str, Any], first_rows: list[dict[str, Any]]
) -> str | None:
    """Why a run that has logged nothing has no result: it was not trained here, or is in its first stage."""
    if (folder / WEIGHTS).exists():
        return f"imported; evaluate it: textvae evaluate checkpoint={quote(str(folder))} keep=true"
    if first:
        return "unfinished: its first stage has ended, nothing logged since"
    if not first_rows:
        return "unfinished: in its first stage, nothing logged yet" if config.get("pretraining") else None
    return f"in its first stage, {_problem(config, {}, first_rows, {})}"


def _problem(
    config: dict[str, Any], summary: dict[str, Any], rows: list[dict[str, Any]], job: dict[str, Any]
) -> str | None:
    last = rows[-1] if rows else {}
    if summary:
        return None if config else f"damaged: it holds no {CONFIG}"
    if job.get("state") == "failed":
        return f"failed: {' '.join(str(job.get('reason')).split())}"
    if "failed" in last and job.get("state") != "open":  # where a stop was its end, the job goes on
        return f"failed at step {last['step']}: {' '.join(str(last['failed']).split())}"
    if rows:
        return f"unfinished: step {last['step']}, running still, stopped or killed"
    return (
        "unfinished: nothing logged yet"
        if config
        else "no result: failed before its first step, or not begun"
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rows; half a line at the end is what a running or a killed process leaves, and is left out."""
    if not path.exists():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    rows = [json.loads(line) for line in whole.split(b"\n") if line]
    if not all(isinstance(row, dict) and isinstance(row.get("step"), int) for row in rows):
        raise ValueError(f"{path.name} holds a row without a step")
    return rows


def _object(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; empty where there is no file."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no mapping")
    return content
