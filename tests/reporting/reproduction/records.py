"""Small tables and records that the tests of reporting share."""

from typing import Any

from textvae.reporting.reproduction.records import Record, Results
from textvae.reporting.reproduction.tables import Row, Table

PUBLISHED = {"paper": {"nll_iw": 101.03, "active_units": 4}}
ROWS = (
    Row("lm", ("experiment=ptb/lm",), published=PUBLISHED, explained="fewer epochs: {lm.epochs}"),
    Row("plain", ("experiment=ptb/collapse",)),
    Row("cure", ("experiment=ptb/free_bits",), about="free bits"),
)


def table(rows: tuple[Row, ...] = ROWS, **settings: Any) -> Table:
    shared: dict[str, Any] = {
        "name": "small",
        "title": "Small",
        "page": "small.md",
        "runs": "small",
        "columns": (
            "setting",
            "seeds",
            "epochs",
            "nll_iw",
            "kl",
            "active_units",
            "mi",
            "difference",
            "evidence",
        ),
        "baselines": {"lm": "lm", "plain": "plain"},
        "sources": {"paper": "A Paper 2019"},
    }
    return Table(rows=rows, **{**shared, **settings})


def record(row: str, seed: int = 0, **figures: Any) -> Record:
    made = {
        "command": f"textvae train seed={seed}",
        "commit": "abc",
        "date": "2026-01-01",
        "machine": "m",
        "threads": 1,
    }
    ran = {
        "epochs": 3,
        "steps": 9,
        "published_epochs": None,
        "cut_short": False,
        "wall_s": 5.0,
        "status": "HEALTHY",
    }
    zeros = {"kl": 0.0, "active_units": 0, "mi_lower": 0.0, "mi_upper": 0.0}
    return {"row": row, "seed": seed, "nll_iw": 101.0, **zeros, **ran, **made, **figures}


def baselines() -> list[Record]:
    """A language model at 101.00 and 101.10 nats, and a plain VAE that has collapsed."""
    return [record("lm", 0, nll_iw=101.0), record("lm", 1, nll_iw=101.1), record("plain", nll_iw=101.05)]


def results(*more: Record) -> Results:
    return Results(table(), [*baselines(), *more])
