"""The columns that a reproduced table can have: each knows a row's cell, and the cell of a published row below it."""

from collections.abc import Callable
from typing import NamedTuple

from textvae.evaluation.diagnosis import in_brief
from textvae.reporting.reproduction.evidence import evidence
from textvae.reporting.reproduction.prose import NOT_RUN, written
from textvae.reporting.reproduction.records import Results, Spread
from textvae.reporting.reproduction.tables import Row

PARTS = ("index_code_mi", "total_correlation", "dimension_wise_kl")
COMPARED = ("nll_iw", "neg_elbo", "rec", "kl")  # with what was published; nats a sentence


class Column(NamedTuple):
    heading: str
    cell: Callable[[Results, Row], str]
    published: Callable[[Results, Row, str], str] = lambda results, row, source: ""


def spread_text(metric: str, found: Spread | None) -> str:
    """`mean`, and of several seeds `mean (largest - smallest)`."""
    if found is None:
        return ""
    text = written(metric, found.mean)
    return f"{text} ({written(metric, found.width)})" if found.seeds > 1 else text


def differences(results: Results, row: Row, source: str) -> dict[str, float]:
    """Ours less each published figure, nats; without those that did not run or were not published."""
    published = row.published[source]
    ours = {name: results.spread(row.name, name) for name in COMPARED if name in published}
    return {name: mine.mean - float(published[name]) for name, mine in ours.items() if mine}


def _figure(metric: str, heading: str) -> Column:
    def cell(results: Results, row: Row) -> str:
        return spread_text(metric, results.spread(row.name, metric))

    def published(results: Results, row: Row, source: str) -> str:
        value = row.published[source].get(metric, "")
        return written(metric, value) if isinstance(value, float) else str(value)

    return Column(heading, cell, published)


def _bounds(results: Results, row: Row) -> str:
    low, high = (spread_text(name, results.spread(row.name, name)) for name in ("mi_lower", "mi_upper"))
    return f"{low} - {high}" if low or high else ""


def _parts(results: Results, row: Row) -> str:
    """KL = index-code information + total correlation + dimension-wise KL, of the seeds that measured them."""
    found = [results.spread(row.name, name) for name in PARTS]
    return " + ".join(written(name, part.mean) for name, part in zip(PARTS, found, strict=True) if part)


def _published_information(results: Results, row: Row, source: str) -> str:
    figures = row.published[source]
    return written("mi", float(figures["mi"])) if "mi" in figures else ""


def _seeds(results: Results, row: Row) -> str:
    return " ".join(str(record["seed"]) for record in results.of(row.name)) or NOT_RUN


def _epochs(results: Results, row: Row) -> str:
    """Epochs of each seed, and of how many published ones, and after which first stage, where a run was cut short."""
    cells = []
    for record in results.of(row.name):
        text = str(record["epochs"]) if record["epochs"] else f"{record['steps']} steps"
        if record["cut_short"] and "first_stage_epochs" in record:
            text = f"first stage {record['first_stage_epochs']}, then {text}"
        of = f" of {record['published_epochs']}" if record["published_epochs"] else ""
        cells.append(f"{text}{of}, cut short" if record["cut_short"] else text)
    return "; ".join(dict.fromkeys(cells))


def _wall(results: Results, row: Row) -> str:
    found = results.spread(row.name, "wall_s")
    if found is None:
        return ""
    return f"{found.mean:.0f} s" if found.mean < 600 else f"{found.mean / 60:.0f} min"


def _verdict(results: Results, row: Row) -> str:
    return "; ".join(dict.fromkeys(in_brief(record) for record in results.of(row.name)))


def _difference(results: Results, row: Row, source: str) -> str:
    """That of the first bound; KL alone says little."""
    bounds = [value for name, value in differences(results, row, source).items() if name != "kl"]
    return f"{bounds[0]:+.2f}" if bounds else ""


def _remedy(results: Results, row: Row) -> str:
    return f"**{row.name}**: {row.about}" + (f" [{row.source}]" if row.source else "")


COLUMNS = {
    "setting": Column(
        "setting",
        lambda results, row: row.name + (f": {row.about}" if row.about else ""),
        lambda results, row, source: f"*published* [{source}]",
    ),
    "remedy": Column("remedy", _remedy),
    "switch": Column("override", lambda results, row: f"`{row.switch}`" if row.switch else ""),
    "family": Column("family", lambda results, row: row.family),
    "seeds": Column("seeds", _seeds),
    "epochs": Column("epochs", _epochs),
    "nll_iw": _figure("nll_iw", "NLL (IW)"),
    "ppl_iw": _figure("ppl_iw", "PPL (IW)"),
    "neg_elbo": _figure("neg_elbo", "-ELBO"),
    "ppl_elbo": _figure("ppl_elbo", "PPL (ELBO)"),
    "rec": _figure("rec", "rec"),
    "kl": _figure("kl", "KL"),
    "active_units": _figure("active_units", "AU"),
    "mi": Column("MI bounds", _bounds, _published_information),
    "kl_parts": Column("I(x; z) + TC + dimension-wise", _parts),
    "mi_cap": _figure("mi_cap", "cap ln N"),
    "mi_he2019_batch": _figure("mi_he2019_batch", "MI in batches"),
    "status": Column("verdict", _verdict),
    "grammatical_prior": _figure("grammatical_prior", "grammatical, from p(z)"),
    "grammatical_aggregate": _figure("grammatical_aggregate", "grammatical, from q(z)"),
    "wall": Column("wall", _wall),
    "difference": Column("ours - published", lambda results, row: "", _difference),
    "evidence": Column("evidence", lambda results, row: evidence(results, row.name)),
}
