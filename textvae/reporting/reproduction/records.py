"""What is kept of a run of a table: one flat record a (row, seed), and what the seeds of a row say together."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from textvae.keys import key_of
from textvae.reporting.reproduction.limits import cut_short, ended
from textvae.reporting.reproduction.tables import LIMIT, Row, Table, made_from

Record = dict[str, Any]
TRUTH = {"true_nll": "test_nll", "entropy": "entropy", "information": "information"}
MADE = ("commit", "date", "machine", "device", "products", "threads", "torch")


def record_of(
    table: Table,
    row: Row,
    summary: Mapping[str, Any],
    config: Mapping[str, Any],
    first: Mapping[str, Any] | None = None,
    own: int | None = None,
) -> Record:
    """The record of a finished run from its summary.json and config.json; figures are the test split's.

    first: the summary of its first stage, where it has one, whose time is then counted too. own: the epochs of the row's
    recipe, where they are known and the table says none.
    """
    train, made, corpus = summary["train"], summary.get("environment", {}), summary.get("corpus", {})
    limit = max(config["train"]["max_epochs"], train["epochs"])
    published = table.epochs_of(row)
    return {
        "row": row.name,
        "seed": summary["seed"],
        **{name: value for name, value in summary["test"].items() if _flat(value)},
        **{name: corpus[fact] for name, fact in TRUTH.items() if fact in corpus},
        "epochs": train["epochs"],
        "steps": train["steps"],
        "max_epochs": limit,
        "published_epochs": published,
        "ended": ended(config["train"], train),
        "cut_short": cut_short(table, row, config, train, first["train"] if first else None, own),
        "wall_s": train["wall_s"] + (first["train"]["wall_s"] if first else 0.0),
        **({"first_stage_epochs": first["train"]["epochs"]} if first else {}),
        "command": command(config.get("overrides", []), summary["seed"], train["epochs"]),
        **{name: made.get(name) for name in MADE},
    }


def least_by_rate(rows: Iterable[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """(learning rate, least validation -ELBO at it) in the order of training, from the rows of metrics.jsonl."""
    least: dict[float, float] = {}
    rate = None
    for row in rows:
        rate = row.get("train/learning_rate", rate)
        if rate is not None and (found := row.get("valid/neg_elbo")) is not None:
            least[rate] = min(found, least.get(rate, found))
    return list(least.items())


def command(overrides: Iterable[str], seed: int, epochs: int) -> str:
    """The command that makes the run, wherever it lies. A run that was taken beyond its limit names the new one."""
    words = made_from(overrides)
    bound = [int(word.partition("=")[2]) for word in words if key_of(word) == LIMIT]
    if bound and epochs > bound[-1]:
        words = [word for word in words if key_of(word) != LIMIT] + [f"{LIMIT}={epochs}"]
    return shlex.join(["textvae", "train", *words, f"seed={seed}"])


def merged(records: Sequence[Record], new: Record, order: Sequence[str]) -> list[Record]:
    """The records with one more, in the place of that of the same row and seed; in the order of the rows.

    One that is cut short does not take the place of one that is not: then the records stay as they are.
    """
    if beaten(records, new):
        return list(records)
    kept = [old for old in records if (old["row"], old["seed"]) != (new["row"], new["seed"])]
    places = {name: number for number, name in enumerate(order)}
    return sorted([*kept, new], key=lambda record: (places.get(record["row"], len(places)), record["seed"]))


def beaten(records: Iterable[Record], new: Record) -> bool:
    """Whether the new record is cut short while there is one of its row and seed that is not."""
    key = (new["row"], new["seed"])
    return bool(new["cut_short"]) and any(
        (old["row"], old["seed"]) == key and not old["cut_short"] for old in records
    )


def same_run(one: Record, other: Record) -> bool:
    """Whether two records are of one and the same run, not of two runs of one setting."""
    return all(one.get(key) == other.get(key) for key in ("row", "seed", "command", "commit", "wall_s"))


class Spread(NamedTuple):
    """A figure over the seeds that have a finite one; `missing` others have none, as runs that diverged."""

    mean: float
    least: float
    most: float
    seeds: int
    missing: int = 0

    @property
    def width(self) -> float:
        """Largest minus smallest."""
        return self.most - self.least


class Results:
    """A table and the records of its runs."""

    def __init__(self, table: Table, records: Iterable[Record]) -> None:
        self.table, self.records = table, list(records)

    def of(self, row: str) -> list[Record]:
        return [record for record in self.records if record["row"] == row]

    def spread(self, row: str, metric: str) -> Spread | None:
        """None where nothing ran, or where no run has a finite figure of that name."""
        return spread(record[metric] for record in self.of(row) if metric in record)

    def truth(self, metric: str) -> float | None:
        """What is known of the corpus beforehand: the first record's, as all runs of a table share their test split."""
        return next((record[metric] for record in self.records if record.get(metric) is not None), None)

    def baseline(self, which: str, metric: str) -> Spread | None:
        name = self.table.baselines.get(which)
        return self.spread(name, metric) if name else None


def spread(values: Iterable[Any]) -> Spread | None:
    """None where no value is a number; a value of None stands for one that is not finite."""
    told = list(values)
    found = [float(value) for value in told if isinstance(value, int | float)]
    if not found:
        return None
    return Spread(sum(found) / len(found), min(found), max(found), len(found), len(told) - len(found))


def _flat(value: Any) -> bool:
    return value is None or isinstance(value, int | float | str)
