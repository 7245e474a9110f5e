"""A reproduced table as a page of Markdown: figures beside the published ones, differences, commands, prose."""

from textvae.errors import ConfigError
from textvae.reporting.reproduction.columns import COLUMNS, differences
from textvae.reporting.reproduction.evidence import evidence
from textvae.reporting.reproduction.prose import fill, written
from textvae.reporting.reproduction.records import Record, Results
from textvae.reporting.reproduction.tables import Row
from textvae.reporting.table import markdown

TRUTH = {"setting": "the truth", "remedy": "the truth", "nll_iw": "true_nll", "mi": "information"}


def page(results: Results, notes: str = "", elsewhere: Results | None = None) -> str:
    """The whole page; with `elsewhere`, the evidence that the rows of another table give.

    ConfigError for an unknown column, and for a placeholder that names no row.
    """
    table = results.table
    parts = [
        f"# {table.title}",
        fill(table.intro, results),
        markdown(cells(results)),
        *_sources(results),
        *_differences(results),
        *_elsewhere(elsewhere),
        fill(notes, results),
        *_settings(results),
        *_commands(results),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def cells(results: Results) -> list[list[str]]:
    """Headings, each row with its published ones below, and what is known of the corpus."""
    unknown = [name for name in results.table.columns if name not in COLUMNS]
    if unknown:
        raise ConfigError(f"table {results.table.name} has columns {unknown}; known: {', '.join(COLUMNS)}")
    columns = [COLUMNS[name] for name in results.table.columns]
    lines = [[column.heading for column in columns]]
    for row in results.table.rows:
        lines.append([column.cell(results, row) for column in columns])
        for source in row.published:
            lines.append([column.published(results, row, source) for column in columns])
    return [*lines, *_truth(results)]


def _truth(results: Results) -> list[list[str]]:
    if results.truth("true_nll") is None:
        return []
    known = {
        name: written(fact, value) if (value := results.truth(fact)) is not None else fact
        for name, fact in TRUTH.items()
    }
    known["mi"] += " (plan)"
    return [[known.get(name, "") for name in results.table.columns]]


def _sources(results: Results) -> list[str]:
    lines = [f"- [{key}] {text}" for key, text in results.table.sources.items()]
    return ["Sources of the published figures:", "\n".join(lines)] if lines else []


def _differences(results: Results) -> list[str]:
    """Each row with figures that differ by more than the tolerance, and what explains them."""
    lines, tolerance = [], results.table.tolerance
    for row in results.table.rows:
        for source in row.published:
            found = differences(results, row, source).items()
            far = [f"{COLUMNS[name].heading} {value:+.2f}" for name, value in found if abs(value) > tolerance]
            if far:
                why = fill(row.explained, results).strip() or "not explained yet."
                lines.append(f"- {row.name} against [{source}], {', '.join(far)}: {why}")
    if not lines:
        return []
    return [f"## Differences above {tolerance:g} nats from what was published", "\n".join(lines)]


def _elsewhere(other: Results | None) -> list[str]:
    if other is None:
        return []
    lines = [f"- {row.name}: {evidence(other, row.name)}" for row in other.table.rows if other.of(row.name)]
    head = f"The same evidence from the rows of [{other.table.title}]({other.table.page}):"
    return [head, "\n".join(lines) or "- not run"]


def _settings(results: Results) -> list[str]:
    lines = [f"- {row.name}: {f'`{row.ran}`' if row.ran else 'nothing'}" for row in results.table.rows]
    text = "What each row changes of the plain VAE's settings, its experiment spelt out:"
    return ["## Settings", text, "\n".join(lines)] if results.table.spell_out else []


def _commands(results: Results) -> list[str]:
    records = [(row, record) for row in results.table.rows for record in results.of(row.name)]
    lines = [_line(row, record) for row, record in records]
    changed = any(str(record["commit"]).endswith("+") for _, record in records)
    mark = ["A + behind a commit: tracked files had been changed since it."] if changed else []
    return ["## Commands", *mark, "\n".join(lines)] if lines else []


def _line(row: Row, record: Record) -> str:
    return (
        f"- {row.name}: `{record['command']}`: {_epochs(record)} in {record['wall_s']:.0f} s, {record['date']}, "
        f"commit {record['commit'] or 'unknown'}, {_made_on(record)}{_weighted(record)}{_by_rate(record)}"
    )


def _epochs(record: Record) -> str:
    first = f"first stage {record['first_stage_epochs']}, then " if "first_stage_epochs" in record else ""
    return f"{first}{record['epochs']} epochs"


def _made_on(record: Record) -> str:
    """Threads, processor, and (older records lack them) device and type of matrix products, on which figures depend."""
    told = f"{record['threads']} threads, {record['machine']}"
    return f"{told}, {record['device']}, products in {record['products']}" if record.get("products") else told


def _by_rate(record: Record) -> str:
    least = [f"{nats:.2f} at {rate:g}" for rate, nats in record.get("valid_by_rate", [])]
    return f"; least validation -ELBO by learning rate: {', '.join(least)}" if len(least) > 1 else ""


def _weighted(record: Record) -> str:
    if not record.get("iw_samples"):
        return ""
    some = record.get("iw_sentences")
    part = f" of {some} sentences" if some != record.get("sentences") else ""
    return f"; NLL (IW) from {record['iw_samples']} samples{part}"
