"""textvae report RUN...: finished runs side by side, as a table and a figure."""

from collections.abc import Sequence
from pathlib import Path

from textvae.errors import ConfigError
from textvae.reporting.figures import kl_curves
from textvae.reporting.runs import read_run
from textvae.reporting.table import markdown, rows, text


def main(arguments: Sequence[str]) -> None:
    options = dict(item.split("=", 1) for item in arguments if "=" in item)
    paths = [item for item in arguments if "=" not in item]
    if not paths or set(options) - {"output"}:
        raise ConfigError("usage: textvae report RUN [RUN ...] [output=FOLDER]")
    runs = [read_run(path) for path in paths]
    table = rows(runs)
    print(text(table))
    if "output" in options:
        folder = Path(options["output"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "table.md").write_text(markdown(table) + "\n", encoding="utf-8")
        print(f"\ntable: {folder / 'table.md'}\nfigure: {kl_curves(runs, folder / 'kl.png')}")
