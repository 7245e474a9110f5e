"""The comparison of settings, one row each, from the records of runs: aligned text, Markdown, CSV."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

from textvae.reporting.comparison import Record, Setting, flat, settings, verdict

Table = list[list[str]]


class Column(NamedTuple):
    """A heading, a setting's cell, and whether the column says something of the settings at hand."""

    heading: str
    cell: Callable[[Setting], str]
    shown: Callable[[Sequence[Setting]], bool] = lambda grouped: True


def figure(mean: float | None, spread: float | None, digits: int = 2) -> str:
    """`1.23`, or `1.23 (0.04)` where there is a spread; `-` where there is no figure."""
    if mean is None:
        return "-"
    return f"{mean:z.{digits}f}" + ("" if spread is None else f" ({spread:.{digits}f})")


def duration(seconds: float) -> str:
    """Seconds up to ten minutes, then minutes, then hours from five on."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5 * 3600 else f"{seconds / 3600:.1f} h"


def _figure(name: str) -> Callable[[Setting], str]:
    return lambda one: figure(one.mean(name), one.spread(name))


def _fact(name: str) -> Callable[[Setting], str]:
    return lambda one: "-" if one.fact(name) is None else str(one.fact(name))


def _active_units(one: Setting) -> str:
    mean, spread = one.mean("active_units"), one.spread("active_units")
    whole = mean is not None and mean.is_integer() and not spread
    counted = figure(mean, None, 0) if whole else figure(mean, None, 1)
    return f"{counted}/{_fact('total_dimensions')(one)}" + (f" ({spread:.0f})" if spread else "")


def _information(one: Setting) -> str:
    return f"{_figure('mi_lower')(one)} - {_figure('mi_upper')(one)}"


def _wall(one: Setting) -> str:
    mean = one.mean("wall_s")
    return "-" if mean is None else duration(mean)


def _several_runs(grouped: Sequence[Setting]) -> bool:
    """Of a setting, which may have run twice with one seed, or with other seeds than another."""
    alike = len({tuple(one.seeds) for one in grouped}) == 1
    return not alike or any(len(one.records) > 1 for one in grouped)


def _some_lack_iw(grouped: Sequence[Setting]) -> bool:
    return any(one.mean("ppl_iw") is None for one in grouped)


def _samples_differ(grouped: Sequence[Setting]) -> bool:
    return len({str(one.fact("iw_samples")) for one in grouped}) > 1


def _some_are_given(grouped: Sequence[Setting]) -> bool:
    return any(one.facts("given") for one in grouped)


COLUMNS = (
    Column("setting", lambda one: one.name),
    Column("likelihoods given", _fact("given"), _some_are_given),
    Column("seeds: mean (max - min)", lambda one: ",".join(str(seed) for seed in one.seeds), _several_runs),
    Column("NLL (IW)", _figure("nll_iw")),
    Column("PPL (IW)", _figure("ppl_iw")),
    Column("IW samples", _fact("iw_samples"), _samples_differ),
    Column("-ELBO", _figure("neg_elbo")),
    Column("PPL (ELBO)", _figure("ppl_elbo"), _some_lack_iw),
    Column("rec", _figure("rec")),
    Column("KL", _figure("kl")),
    Column("AU", _active_units),
    Column("MI bounds", _information),
    Column("cap ln N", lambda one: figure(one.mean("mi_cap"), None)),
    Column("verdict", verdict),
    Column("wall", _wall),
)


def rows(records: Sequence[Record]) -> Table:
    """Headings, a row a setting, and a row with the truth where the corpus is one that is known exactly."""
    grouped = settings(records)
    columns = [column for column in COLUMNS if column.shown(grouped)]
    table = [[column.heading for column in columns]]
    table += [[column.cell(one) for column in columns] for one in grouped]
    known = {(record.get("true_nll"), record.get("true_information")) for record in records}
    if len(known) == 1 and None not in (truth := known.pop()):
        cells = {"setting": "the truth", "NLL (IW)": f"{truth[0]:.2f}", "MI bounds": f"{truth[1]:.2f} (plan)"}
        table.append([cells.get(column.heading, "") for column in columns])
    return table


def notes(records: Sequence[Record]) -> list[str]:
    """What the table's figures are, in lines to stand below it."""
    grouped = settings(records)
    counts = sorted({count for one in grouped for count in one.facts("iw_samples")})
    lines = ["Test split, nats a sentence. -ELBO = rec + KL; AU: active units of all dimensions."]
    if counts:
        samples = " or ".join(str(count) for count in counts)
        lines.append(
            f"NLL (IW), PPL (IW): the importance-weighted bound from K = {samples} samples{_subset(grouped)}."
        )
    if _some_lack_iw(grouped):
        lines.append("PPL (ELBO): the perplexity by -ELBO, a looser bound.")
    if _some_are_given(grouped):
        lines.append(
            "Likelihoods given something of a sentence bound no p(x), and compare with others given the same."
        )
    if any(len(one.records) > 1 for one in grouped):
        lines.append("Of several runs: the mean, and in brackets the largest less the smallest.")
    return lines


def text(table: Sequence[Sequence[str]]) -> str:
    """Aligned columns."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def markdown(table: Sequence[Sequence[str]]) -> str:
    head, *body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table]
    return "\n".join([head, "|" + "---|" * len(table[0]), *body])


def comma_separated(records: Sequence[Record]) -> str:
    """CSV with a line a setting, all figures unrounded with their `_spread`; what is not known is empty."""
    lines = flat(settings(records))
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(lines[0]) if lines else ["setting"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def _subset(grouped: Sequence[Setting]) -> str:
    parts = [(one.fact("iw_sentences"), one.fact("sentences")) for one in grouped]
    fewer = [
        f"{chosen} ({one.name})"
        for one, (chosen, of) in zip(grouped, parts, strict=True)
        if chosen not in (None, of)
    ]
    return f" for some sentences only: {', '.join(fewer)}" if fewer else ""
