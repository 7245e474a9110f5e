"""The files of a report: table.md, table.csv, table.json, the figures, and report.html with all of it in one."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textvae.errors import ConfigError
from textvae.replacing import replacing
from textvae.reporting.comparison import Record, flat, results, settings
from textvae.reporting.figures import pictures
from textvae.reporting.page import TITLES, page
from textvae.reporting.runs import Run
from textvae.reporting.table import comma_separated, markdown, notes, rows

NAMES = frozenset({"table.md", "table.csv", "table.json", "report.html", *(f"{name}.png" for name in TITLES)})


def write_report(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Writes all that the runs give cause for and returns the paths. ConfigError where the folder cannot be written.

    Where an earlier report lies there its files go that this one has not; nothing else does.
    """
    files = _contents(runs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES - files.keys() if (folder / "report.html").exists() else ():
            (folder / name).unlink(missing_ok=True)
        for name, content in files.items():
            with replacing(folder / name) as beside:
                beside.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"output={folder}: cannot be written: {error}") from error
    return [folder / name for name in sorted(files)]


def _contents(runs: Sequence[Run]) -> dict[str, bytes]:
    records, without = results(runs)
    drawn = pictures(runs)
    files: dict[str, bytes] = {f"{name}.png": png for name, png in drawn.items()}
    if records:
        files["table.md"] = "\n\n".join([markdown(rows(records)), *notes(records)]).encode() + b"\n"
        files["table.csv"] = comma_separated(records).encode()
    files["table.json"] = (
        json.dumps(document(records, without), indent=2, ensure_ascii=False).encode() + b"\n"
    )
    files["report.html"] = page(runs, drawn).encode()
    return files


def document(records: Sequence[Record], without: Sequence[Run]) -> dict[str, Any]:
    """What table.json holds: settings with mean and spread, runs, and those without a result."""
    return {
        "spread": "largest less smallest over the runs of a setting",
        "settings": flat(settings(records)),
        "runs": [dict(record) for record in records],
        "without_result": [{"path": str(run.path), "problem": run.problem} for run in without],
    }
