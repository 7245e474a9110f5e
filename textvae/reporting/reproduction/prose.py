"""Figures in prose: `{row.metric}` is filled in from the records, so that no number is typed.

{row.metric}             mean over seeds              {row.metric.width}       largest minus smallest; also least, most
{row.published.metric}   the published figure         {truth.metric}           what is known of the corpus
{A - B}                  the difference of two such   anything not run         "not run"
"""

import re

from textvae.errors import ConfigError
from textvae.reporting.reproduction.records import TRUTH, Results

NOT_RUN = "not run"
_NAME = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_]+){1,2}"
_HOLE = re.compile(rf"\{{({_NAME})(?: - ({_NAME}))?\}}")
_WHOLE = {
    "active_units",
    "total_dimensions",
    "epochs",
    "steps",
    "sentences",
    "iw_samples",
    "published_epochs",
}


def fill(text: str, results: Results) -> str:
    """The text with each placeholder's figure. ConfigError for a row that the table does not have."""

    def figure(hole: re.Match[str]) -> str:
        first, second = hole.groups()
        value, metric = _value(results, first), first.split(".")[1]
        if second:
            other = _value(results, second)
            return NOT_RUN if value is None or other is None else f"{value - other:.2f}"
        return NOT_RUN if value is None else written(metric, value)

    return _HOLE.sub(figure, text)


def written(metric: str, value: float) -> str:
    """A figure as prose and tables have it: counts without needless digits, shares as percentages, nats with two digits.

    What is known exactly of the corpus has three.
    """
    if metric.startswith("grammatical_"):
        return f"{value:.1%}"
    if metric in _WHOLE:
        return f"{value:.0f}" if value == round(value) else f"{value:.1f}"
    digits = 3 if metric in TRUTH else 2
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no "-0.00"


def _value(results: Results, reference: str) -> float | None:
    row, metric, *statistic = reference.split(".")
    if row == "truth":
        return results.truth(metric)
    if metric == "published":
        return _published(results, row, statistic[0] if statistic else "")
    results.table.chosen([row])
    found = results.spread(row, metric)
    statistic_name = statistic[0] if statistic else "mean"
    if statistic_name not in ("mean", "least", "most", "width"):
        raise ConfigError(f"{{{reference}}}: {statistic_name} is none of mean, least, most, width")
    if found is None or (statistic_name == "width" and found.seeds < 2):
        return None
    return float(getattr(found, statistic_name))


def _published(results: Results, row: str, metric: str) -> float | None:
    (entry,) = results.table.chosen([row])
    found = [figures[metric] for figures in entry.published.values() if metric in figures]
    return float(found[0]) if found else None
