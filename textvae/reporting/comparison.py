"""From runs to flat records of their results, and from records to settings: means and spreads over seeds."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from textvae.evaluation.diagnosis import in_brief
from textvae.reporting.runs import Run
from textvae.reporting.settings import command, labels

Record = Mapping[str, Any]

# Nats a sentence on test, but: perplexities, active units of all dimensions, seconds.
FIGURES = (
    "nll_iw",
    "ppl_iw",
    "neg_elbo",
    "ppl_elbo",
    "rec",
    "kl",
    "active_units",
    "mi_lower",
    "mi_upper",
    "wall_s",
)
# Mostly the same for every seed.
FACTS = (
    *("total_dimensions", "mi_cap", "iw_samples", "iw_sentences", "sentences", "given"),
    *("label_entropy", "mi_lower_given_label", "mi_cap_given_label"),
)
NEEDED = ("neg_elbo", "rec", "kl", "active_units", "total_dimensions", "mi_lower", "mi_upper", "status")


class Setting(NamedTuple):
    """Records that differ in their seed alone."""

    name: str
    records: tuple[Record, ...]

    def mean(self, figure: str) -> float | None:
        """The mean over the runs; None where a run lacks the figure, or has one beyond all bounds."""
        values = self._values(figure)
        return None if values is None else statistics.fmean(values)

    def spread(self, figure: str) -> float | None:
        """The largest less the smallest; None for a single run."""
        values = self._values(figure)
        return None if values is None or len(values) < 2 else max(values) - min(values)

    def facts(self, name: str) -> list[Any]:
        """What the runs say of it that say something: one value where they agree."""
        values: list[Any] = []
        for record in self.records:
            value = record.get(name)
            values += [] if value is None or value in values else [value]
        return values

    def fact(self, name: str) -> Any:
        """What all runs agree on; where they do not, all of it in words; None where none says anything."""
        values = self.facts(name)
        return " or ".join(str(value) for value in values) if len(values) > 1 else next(iter(values), None)

    def statuses(self) -> dict[str, int]:
        """How many runs ended with which verdict."""
        found = [in_brief(record) for record in self.records]
        return {status: found.count(status) for status in dict.fromkeys(found)}

    @property
    def seeds(self) -> list[int]:
        return [record["seed"] for record in self.records]

    def _values(self, figure: str) -> list[float] | None:
        values = [record.get(figure) for record in self.records]
        return None if None in values else [float(value) for value in values if value is not None]


def results(runs: Iterable[Run]) -> tuple[list[dict[str, Any]], list[Run]]:
    """The records of finished runs, and the runs that have no result, each with its problem.

    A record's `setting` is what tells its run from all the others but for the seed.
    """
    checked = [_checked(run) for run in runs]
    names = labels([run.config for run in checked])
    records = [record(run, name) for run, name in zip(checked, names, strict=True) if run.problem is None]
    return records, [run for run in checked if run.problem is not None]


def record(run: Run, name: str) -> dict[str, Any]:
    """The figures of a finished run under their names in summary.json, what it took, and where it was made."""
    test, train, corpus, made = (run.summary[part] for part in ("test", "train", "corpus", "environment"))
    figures = {key: test.get(key) for key in (*FIGURES, *FACTS, "status") if key != "wall_s"}
    return {
        "setting": name,
        "seed": run.summary["seed"],
        **figures,
        **{key: train.get(key) for key in ("epochs", "steps")},
        "wall_s": _wall(train, run.first_stage.get("train") or {}),
        "true_nll": corpus.get("test_nll"),
        "true_information": corpus.get("information"),
        **{key: made.get(key) for key in ("commit", "machine", "date")},
        "command": command(run.config),
        "path": str(run.path),
    }


def settings(records: Iterable[Record]) -> list[Setting]:
    """The records by their `setting`, in the order in which these first come, each in the order of seeds."""
    groups: dict[str, list[Record]] = {}
    for item in records:
        groups.setdefault(str(item["setting"]), []).append(item)
    return [
        Setting(name, tuple(sorted(group, key=lambda item: item["seed"]))) for name, group in groups.items()
    ]


def flat(grouped: Sequence[Setting]) -> list[dict[str, Any]]:
    """A mapping a setting, as CSV and JSON hold it: each figure's mean, its spread (largest - smallest), and facts."""
    rows = []
    for one in grouped:
        row: dict[str, Any] = {"setting": one.name, "runs": len(one.records)}
        row["seeds"] = " ".join(str(seed) for seed in one.seeds)
        for figure in FIGURES:
            row |= {figure: one.mean(figure), f"{figure}_spread": one.spread(figure)}
        row |= {fact: one.fact(fact) for fact in FACTS}
        row["status"] = verdict(one)
        rows.append(row)
    return rows


def verdict(one: Setting) -> str:
    """The runs' verdict, or how many of them ended with which."""
    counts = one.statuses()
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{n} {name}" for name, n in counts.items())


def _wall(*stages: Mapping[str, Any]) -> float | None:
    """The time of all stages that there were, where the last is known."""
    seconds = [stage["wall_s"] for stage in stages if stage.get("wall_s") is not None]
    return sum(seconds) if stages[0].get("wall_s") is not None else None


def _checked(run: Run) -> Run:
    """The run, with a problem where its summary is not what training writes."""
    fault = None if run.problem is not None else _fault(run.summary) or _fault_beside(run)
    return run if fault is None else run._replace(problem=f"damaged: {fault}")


def _fault_beside(run: Run) -> str | None:
    """What is wrong with the two other files that a record is made of."""
    told, first = run.config.get("overrides", []), run.first_stage.get("train", {})
    if not isinstance(told, list) or not all(isinstance(word, str) for word in told):
        return f"config.json has overrides = {told!r}, which is no list of text"
    if not isinstance(first, dict) or not _is_number(first.get("wall_s")):
        return f"the first stage's summary.json has train = {first!r}"
    return None


def _is_number(value: Any) -> bool:
    """Whether it is one, or not there."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _fault(summary: Mapping[str, Any]) -> str | None:
    for part in ("test", "train", "corpus", "environment"):
        if not isinstance(summary.get(part), dict):
            return f"summary.json lacks {part}"
    if summary.get("seed") is None or not _is_number(summary["seed"]):
        return "summary.json lacks seed"
    for key in NEEDED:
        if key not in summary["test"]:
            return f"summary.json lacks test.{key}"
    if len({"mi_lower_given_label", "mi_cap_given_label"} & summary["test"].keys()) == 1:
        return "summary.json has one of test.mi_lower_given_label and test.mi_cap_given_label alone"
    corpus = {key: summary["corpus"].get(key) for key in ("test_nll", "information")}
    figures = {**summary["test"], **corpus, "wall_s": summary["train"].get("wall_s")}
    for key in (*FIGURES, *FACTS, *corpus):
        if key != "given" and not _is_number(figures.get(key)):
            return f"summary.json has {key} = {figures[key]!r}, which is no number"
    return None
