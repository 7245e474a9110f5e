"""The comparison of runs, one row each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from textvae.reporting.runs import Run


class Column(NamedTuple):
    """A heading, and a run's cell from its summary."""

    heading: str
    cell: Callable[[Mapping[str, Any]], str]


def _figure(name: str, digits: int = 2) -> Callable[[Mapping[str, Any]], str]:
    return lambda summary: f"{summary['test'][name]:.{digits}f}" if name in summary["test"] else "-"


def _information(summary: Mapping[str, Any]) -> str:
    test = summary["test"]
    return f"{test['mi_lower']:.2f} - {test['mi_upper']:.2f}"


COLUMNS = (
    Column("setting", lambda summary: str(summary["name"])),
    Column("NLL (IW)", _figure("nll_iw")),
    Column("PPL (IW)", _figure("ppl_iw")),
    Column("-ELBO", _figure("neg_elbo")),
    Column("rec", _figure("rec")),
    Column("KL", _figure("kl")),
    Column("AU", lambda summary: f"{summary['test']['active_units']}/{summary['test']['total_dimensions']}"),
    Column("MI bounds", _information),
    Column("cap ln N", _figure("mi_cap")),
    Column("verdict", lambda summary: str(summary["test"]["status"])),
    Column("wall", lambda summary: f"{summary['train']['wall_s']:.0f} s"),
)


def rows(runs: Sequence[Run]) -> list[list[str]]:
    """Headings, a row a run, and a row with the truth where the corpus is one that is known exactly."""
    table = [[column.heading for column in COLUMNS]]
    table += [[column.cell(run.summary) for column in COLUMNS] for run in runs]
    known = [run.summary.get("corpus", {}) for run in runs]
    if known and all("test_nll" in facts for facts in known):
        truth = {"setting": "the truth", "NLL (IW)": f"{known[0]['test_nll']:.2f}"}
        truth["MI bounds"] = f"{known[0]['information']:.2f} (plan)"
        table.append([truth.get(column.heading, "") for column in COLUMNS])
    return table


def text(table: Sequence[Sequence[str]]) -> str:
    """Aligned columns."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def markdown(table: Sequence[Sequence[str]]) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([head, "|" + "---|" * len(table[0]), *body])
