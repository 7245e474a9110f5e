"""A report as one HTML page that needs no other file: no script, no link outwards, pictures within."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from textvae.reporting.comparison import Record, results
from textvae.reporting.figures import has_dimensions, kl_per_dimension
from textvae.reporting.runs import Run
from textvae.reporting.table import duration, notes, rows

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 90em; padding: 0 1.5em; color: #1a1a1a }
table { border-collapse: collapse; font-size: 13px; margin: 1em 0 }
th, td { border-bottom: 1px solid #ddd; padding: .3em .7em; text-align: left; vertical-align: top }
thead th { border-bottom: 2px solid #888 }
img { max-width: 100%; display: block; margin: 1em 0 }
code { background: #f3f3f3; padding: .1em .3em; overflow-wrap: anywhere }
summary { cursor: pointer; padding: .3em 0 }
details { border-bottom: 1px solid #ddd }
.wide { overflow-x: auto }
"""
TITLES = {
    "training": "Training",
    "rate_distortion": "Rate and distortion",
    "kl_per_dimension": "KL of each dimension",
}
FACTS = ("epochs", "steps", "commit", "machine", "date", "path")


def page(runs: Sequence[Run], drawn: Mapping[str, bytes]) -> str:
    """The table, the figures `drawn` (PNG by name), the runs without a result, and what each run was and says."""
    records, without = results(runs)
    body = ["<h1>textvae report</h1>", f"<p>{len(records)} of {len(runs)} runs with a result.</p>"]
    if records:
        head, *rest = rows(records)
        body += [
            f'<div class="wide">{_table(head, rest)}</div>',
            *(f"<p>{escape(line)}</p>" for line in notes(records)),
        ]
    if without:
        body += [
            "<h2>Without a result</h2>",
            _table(["run", "why"], [[str(run.path), run.problem or ""] for run in without]),
        ]
    for name, png in drawn.items():
        body += [f"<h2>{TITLES[name]}</h2>", _image(png, TITLES[name])]
    if records:
        by_path = {str(run.path): run for run in runs}
        body += ["<h2>Runs</h2>", *(_details(by_path[record["path"]], record) for record in records)]
    return _document("\n".join(body))


def _details(run: Run, record: Record) -> str:
    """What one run was, its dimensions over training, and the sentences that it showed last."""
    facts = [[name, str(record[name])] for name in FACTS if record.get(name) is not None]
    if record.get("wall_s") is not None:
        facts.append(["wall", duration(record["wall_s"])])
    parts = [f"<p><code>{escape(record['command'])}</code></p>", _table(None, facts)]
    if has_dimensions(run):
        parts.append(_image(kl_per_dimension(run), TITLES["kl_per_dimension"]))
    for title in ("samples", "interpolation"):
        _, shown = run.curve(title)
        if shown:
            parts += [f"<h4>{title}, at the end of training</h4>", _sentences(shown[-1])]
    name = f"{record['setting']}, seed {record['seed']}: {record['status']}"
    return f"<details><summary>{escape(name)}</summary>\n{''.join(parts)}\n</details>"


def _sentences(shown: Mapping[str, Sequence[Sequence[object]]]) -> str:
    return "<ul>" + "".join(f"<li>{escape(str(row[-1]))}</li>" for row in shown["rows"]) + "</ul>"


def _table(head: Sequence[str] | None, body: Iterable[Sequence[str]]) -> str:
    top = "" if head is None else f"<thead><tr>{_cells('th', head)}</tr></thead>"
    rows_of_cells = "".join(f"<tr>{_cells('td', row)}</tr>" for row in body)
    return f"<table>{top}<tbody>{rows_of_cells}</tbody></table>"


def _cells(tag: str, row: Sequence[str]) -> str:
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)


def _image(png: bytes, title: str) -> str:
    return f'<img alt="{escape(title)}" src="data:image/png;base64,{b64encode(png).decode()}">'


def _document(body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>textvae report</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
