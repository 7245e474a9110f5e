"""How settings are told apart in pictures, and where their legend and their outliers go."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito's
DASHES = ("solid", "dashed", "dotted", "dashdot")
MARKERS = ("o", "s", "^", "D", "v", "P")
FONT_SIZE = 8


class Style(NamedTuple):
    colour: str
    dashes: str
    marker: str

    def line(self, marked: bool = True) -> dict[str, Any]:
        marker = self.marker if marked else ""
        return {
            "color": self.colour,
            "linestyle": self.dashes,
            "marker": marker,
            "markersize": 3.5,
            "linewidth": 1.3,
            "alpha": 0.85,
        }

    def point(self) -> dict[str, Any]:
        return {
            "color": self.colour,
            "linestyle": "none",
            "marker": self.marker,
            "markersize": 7,
            "alpha": 0.8,
            "markeredgecolor": "white",
            "markeredgewidth": 0.6,
        }


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each name: 84 that differ, neighbours in colour, dashes and marker; then the same again."""
    return {
        name: Style(COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)], MARKERS[i % len(MARKERS)])
        for i, name in enumerate(dict.fromkeys(names))
    }


def add_legend(figure: Figure, drawn: Mapping[str, Mapping[str, Any]]) -> None:
    """The legend below the panels, from the keywords that each name is drawn with, in as many columns as there is room for."""
    handles = [Line2D([], [], **keywords, label=as_it_stands(name)) for name, keywords in drawn.items()]
    font: dict[str, Any] = {"fontsize": FONT_SIZE, "handlelength": 3.5}
    columns = _columns(list(drawn), figure.get_figwidth())
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, **font)


def as_it_stands(name: str) -> str:
    """A name of the user's in a picture, where a dollar would begin a formula."""
    return name.replace("$", r"\$")


def legend_rows(names: Sequence[str], width: float) -> int:
    count = len(set(names))
    return -(-count // _columns(names, width))


def _columns(names: Sequence[str], width: float) -> int:
    """How many names fit side by side in `width` inches, an inch taking some 15 characters."""
    longest = max(len(name) for name in names)
    return max(1, min(len(set(names)), int(width * 15 / (longest + 9))))


def compress(axes: Axes, values: Sequence[float]) -> None:
    """Makes y linear up to 1 and logarithmic beyond, and says so, where the largest value would flatten the others."""
    largest, typical = max(values, default=0), statistics.median(values or [0])
    if largest > 20 and largest > 10 * typical:
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(-0.1, 1.5 * largest)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_ylabel(f"{axes.get_ylabel()} (log above 1)")
