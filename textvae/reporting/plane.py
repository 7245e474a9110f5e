"""The rate-distortion plane: results on test, KL against rec (Alemi et al. 2018, arXiv 1711.00464)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from textvae.reporting.canvas import panels_with_legend, png
from textvae.reporting.comparison import Record
from textvae.reporting.styles import Style, add_legend

KL_LABEL = "KL(q(z|x) || p(z)), nats a sentence"
TRUTH: Mapping[str, Any] = {"color": "black", "linewidth": 1.2, "linestyle": "solid", "zorder": 1}


def rate_distortion(records: Sequence[Record], styled: Mapping[str, Style]) -> bytes:
    """KL against rec, with lines of equal -ELBO = rec + KL, as PNG.

    A second panel shows those near the lowest -ELBO where others are far off. Where the corpus is known exactly, no
    unconditional model's expected -ELBO lies below the line of its true NLL, which is drawn where the panels reach it.
    """
    near, truth = _near_best(records), _truth(records)
    shown = [records] if len(near) in (1, len(records)) else [records, near]
    points = {record["setting"]: styled[record["setting"]].point() for record in records}
    known = {} if truth is None else {f"true NLL {truth:.2f}": TRUTH}
    figure, panels = panels_with_legend(len(shown), [*points, *known])
    for axes, chosen in zip(panels, shown, strict=True):
        _panel(axes, chosen, truth)
        for record in chosen:
            axes.plot(record["kl"], record["rec"], **points[record["setting"]])
    if len(panels) > 1:
        panels[0].set_title("all", fontsize=10)
        panels[1].set_title("those near the lowest -ELBO", fontsize=10)
    reached = any(_share(axes, truth) > 0 for axes in panels) if truth is not None else False
    add_legend(figure, {**points, **(known if reached else {})})
    figure.suptitle("Rate and distortion on test; dashed: equal -ELBO, nats a sentence")
    return png(figure)


def _near_best(records: Sequence[Record]) -> list[Record]:
    """Those within a tenth, or 4 nats, of the lowest -ELBO."""
    best = min(record["kl"] + record["rec"] for record in records)
    return [record for record in records if record["kl"] + record["rec"] <= best + max(4.0, best / 10)]


def _truth(records: Sequence[Record]) -> float | None:
    """The true NLL, where all records share one."""
    known = {record.get("true_nll") for record in records}
    return known.pop() if len(known) == 1 else None


def _panel(axes: Axes, records: Sequence[Record], truth: float | None) -> None:
    """Axes with room for the records, and the lines of equal rec + KL."""
    left, right = _rates([record["kl"] for record in records])
    low, high = _distortions([record["rec"] for record in records], truth)
    axes.set(xlim=(left, right), ylim=(low, high))
    levels = MaxNLocator(8).tick_values(left + low, right + high)
    apart = [level for level in levels if truth is None or abs(level - truth) > np.ptp(levels) / 40]
    _equal_elbo(axes, apart)
    if truth is not None:
        axes.axline((0, truth), slope=-1, **TRUTH)
    axes.set_xlabel(f"rate: {KL_LABEL}")
    axes.set_ylabel("distortion: rec = -log p(x|z), nats a sentence")


def _rates(values: Sequence[float]) -> tuple[float, float]:
    """From a sliver below 0, since no KL is less, or below what an estimate has as its least."""
    least, most = min(0.0, *values), max(values)
    width = max(1.08 * (most - least), 2.0)
    return least - 0.02 * width, least + width


def _distortions(values: Sequence[float], truth: float | None) -> tuple[float, float]:
    """Never narrower than 2 nats; down to the truth where that adds no more than half, which else would press the points flat."""
    low, high = min(values), max(values)
    margin = max(0.08 * (high - low), 1 - (high - low) / 2)
    low, high = max(low - margin, min(low, -0.02 * high)), high + margin  # no -log p is below 0
    reach = low if truth is None else truth - margin / 2
    return (reach if low - (high - low) / 2 <= reach < low else low), high


def _equal_elbo(axes: Axes, levels: Sequence[float]) -> None:
    """x + y = level, for the levels that cross the panel well within it, labelled where its diagonal crosses them."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    within = {level: share for level in levels if 0.04 < (share := _share(axes, level)) < 0.96}
    if within:
        x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(low, high, 200))
        looks: dict[str, Any] = {"colors": "grey", "linewidths": 0.7, "linestyles": "dashed"}
        lines = axes.contour(x, y, x + y, levels=sorted(within), **looks)
        places = [(left + share * (right - left), low + share * (high - low)) for share in within.values()]
        axes.clabel(lines, fmt="%g", fontsize=8, manual=places)


def _share(axes: Axes, level: float) -> float:
    """Where x + y = level crosses the panel's diagonal: 0 at its lower left, 1 at its upper right."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    return (level - left - low) / (right - left + high - low)
