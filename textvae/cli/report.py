"""textvae report SWEEP|RUN...: settings side by side, as a table, figures and one page."""

from collections.abc import Sequence
from pathlib import Path

from textvae.cli.flags import HELP_FLAGS
from textvae.errors import ConfigError
from textvae.reporting.comparison import results
from textvae.reporting.runs import read_runs
from textvae.reporting.table import notes, rows, text
from textvae.reporting.writing import write_report

USAGE = "usage: textvae report SWEEP_DIR|RUN [SWEEP_DIR|RUN ...] [output=FOLDER]"
HELP = """A row for each setting, over its seeds, of the runs that lie in the folders, and beneath it those without a result.
With output=FOLDER also as Markdown, CSV and JSON, with figures and one page, report.html."""


def main(arguments: Sequence[str]) -> int:
    """Exit status 1 where no run has a result."""
    if set(HELP_FLAGS) & set(arguments):
        print(f"{USAGE}\n\n{HELP}")
        return 0
    outputs = [item.removeprefix("output=") for item in arguments if item.startswith("output=")]
    paths = [item for item in arguments if not item.startswith("output=")]
    if not paths or len(outputs) > 1 or "" in outputs:
        raise ConfigError(USAGE)
    runs = read_runs(paths)
    records, without = results(runs)
    if records:
        print(text(rows(records)))
        print("\n" + "\n".join(notes(records)))
    if without:
        print(f"\n{len(without)} of {len(runs)} runs without a result:")
        print("\n".join(f"  {run.path}: {run.problem}" for run in without))
    for folder in outputs:
        print("\nwritten: " + " ".join(str(path) for path in write_report(runs, Path(folder))))
    return 0 if records else 1
