"""What a run's folder tells of it: its summary and its curves."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from textvae.errors import CheckpointError


class Run(NamedTuple):
    """`summary` is summary.json; `rows` are those of metrics.jsonl."""

    path: Path
    summary: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return str(self.summary.get("name") or self.path.name)

    def curve(self, metric: str) -> tuple[list[float], list[float]]:
        """(steps, values) of a metric, where it was logged."""
        points = [(row["step"], row[metric]) for row in self.rows if row.get(metric) is not None]
        return [step for step, _ in points], [value for _, value in points]


def read_run(path: str | Path) -> Run:
    """The finished run in `path`. CheckpointError where it is none, is not finished, or is damaged."""
    folder = Path(path)
    summary, metrics = folder / "summary.json", folder / "metrics.jsonl"
    if not summary.is_file():
        why = (
            "its training has not ended"
            if (folder / "config.json").is_file()
            else "it is not the folder of a run"
        )
        raise CheckpointError(f"{folder} holds no summary.json: {why}")
    try:
        rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
        return Run(folder, json.loads(summary.read_text(encoding="utf-8")), rows)
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder}: a file of the run is missing or damaged: {error}") from error
