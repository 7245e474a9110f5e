"""The figure that a search minimises: which there are, and what a finished run has of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textvae.cli.overrides import close, parsed
from textvae.cli.stderr import say
from textvae.errors import ConfigError
from textvae.evaluation.evaluator import FIGURES
from textvae.latents.posteriors import HEADS
from textvae.reporting.runs import read_run


def known_metrics() -> list[str]:
    """The numbers of a validation, those of any family among them."""
    own = [name for head in HEADS.values() for name in head.tells]
    return [f"valid/{name}" for name in dict.fromkeys([*FIGURES, *own])]


def check_metric(metric: Any) -> None:
    """ConfigError for what no run logs of a validation."""
    known = known_metrics()
    if metric not in known:
        near = close(str(metric), known)
        said = "close to it" if near else "must be one of"
        raise ConfigError(f"there is no metric={metric}; {said}: {', '.join(near or known)}")


def check_metrics(settings: Sequence[str]) -> None:
    """The same for the command line's, as far as it says one."""
    for override in parsed(settings):
        if override.key_or_group == "metric" and "${" not in str(override.input_line):
            if override.is_sweep_override():
                raise ConfigError(f"{override.input_line}: a search minimises one metric")
            check_metric(override.value())


def score(folder: Path, metric: str) -> float | None:
    """The metric of a finished run at the epoch of its least valid/neg_elbo."""
    if not (folder / "summary.json").exists():
        return None
    rows = [row for row in read_run(folder).rows if row.get(metric) is not None]
    if not rows:
        say(f"{folder} has logged no {metric}")
        return None
    return float(min(rows, key=lambda row: row.get("valid/neg_elbo") or float("inf"))[metric])
