"""The columns that a reproduced table can have: each knows a row's cell, and the cell of a published row below it."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from textvae.evaluation.diagnosis import in_brief
from textvae.reporting.reproduction.evidence import evidence
from textvae.reporting.reproduction.prose import NOT_RUN, written
from textvae.reporting.reproduction.records import Results, Spread
from textvae.reporting.reproduction.tables import Row

PARTS = ("index_code_mi", "total_correlation", "dimension_wise_kl")
COMPARED = ("nll_iw", "neg_elbo", "rec", "kl")  # with what was published; nats a sentence
PERPLEXITIES = {"nll_iw": "ppl_iw", "neg_elbo": "ppl_elbo"}
SAME_TOKENS = 0.01  # of their number: what perplexities that are rounded to a whole leave open


class Column(NamedTuple):
    heading: str
    cell: Callable[[Results, Row], str]
    published: Callable[[Results, Row, str], str] = lambda results, row, source: ""


def spread_text(metric: str, found: Spread | None) -> str:
    """`mean`, and of several seeds `mean (largest - smallest)`; seeds whose figure is not finite are counted apart."""
    if found is None:
        return ""
    text = written(metric, found.mean)
    text = f"{text} ({written(metric, found.width)})" if found.seeds > 1 else text
    return f"{text}, not finite in {found.missing} more" if found.missing else text


def differences(results: Results, row: Row, source: str) -> dict[str, float]:
    """Ours less each published figure, nats; without those that did not run or were not published.

    None of a source whose sentences have another number of tokens, which no nats a sentence compare with.
    """
    if tokens_elsewhere(results, row, source) is not None:
        return {}
    published = row.published[source]
    ours = {name: results.spread(row.name, name) for name in COMPARED if name in published}
    return {name: mine.mean - float(published[name]) for name, mine in ours.items() if mine}


def tokens_elsewhere(results: Results, row: Row, source: str) -> float | None:
    """The tokens of a source's sentence, bound / ln perplexity, by all rows that have both; None where they are ours."""
    theirs = [count for other in results.table.rows for count in _tokens(other.published.get(source, {}))]
    ours = [count for record in results.of(row.name) for count in _tokens(record)]
    if not theirs or not ours:
        return None
    mean = sum(theirs) / len(theirs)
    return mean if abs(mean / ours[0] - 1) > SAME_TOKENS else None


def _tokens(figures: Mapping[str, Any]) -> Iterator[float]:
    for bound, perplexity in PERPLEXITIES.items():
        nats, words = figures.get(bound), figures.get(perplexity)
        if isinstance(nats, int | float) and isinstance(words, int | float) and words > 1:
            yield nats / math.log(words)


def _figure(metric: str, heading: str) -> Column:
    def cell(results: Results, row: Row) -> str:
        found = results.spread(row.name, metric)
        if found is None and any(metric in record for record in results.of(row.name)):
            return "not finite"
        return spread_text(metric, found)

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
    """That of the first bound, by its name; KL alone says little."""
    tokens = tokens_elsewhere(results, row, source)
    if tokens is not None:
        return f"{tokens:.1f} tokens a sentence there"
    bounds = [(name, value) for name, value in differences(results, row, source).items() if name != "kl"]
    return f"{COLUMNS[bounds[0][0]].heading} {bounds[0][1]:+.2f}" if bounds else ""


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
    "mi": Column("MI bounds", _bounds),
    "mi_li2019": Column(
        "MI (Li et al.)",
        lambda results, row: spread_text("mi_li2019", results.spread(row.name, "mi_li2019")),
        _published_information,
    ),
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
