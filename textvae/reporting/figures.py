"""Runs as pictures: curves over training, the rate-distortion plane, the KL of each dimension. All return PNG bytes."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from textvae.evaluation.diagnosis import ACTIVE_KL
from textvae.reporting.comparison import Record, results
from textvae.reporting.runs import Run
from textvae.reporting.settings import labels
from textvae.reporting.styles import Style, add_legend, compress, legend_rows, styles

KL_LABEL = "KL(q(z|x) || p(z)), nats a sentence"
CURVES = (
    ("valid/kl", KL_LABEL),
    ("train/beta", "beta, weight of the rate"),
    ("valid/active_units", "active units"),
)


def pictures(runs: Sequence[Run]) -> dict[str, bytes]:
    """The figures that the runs give cause for, by the names of their files. A setting looks the same in all."""
    lines = [
        (name, run)
        for name, run in zip(labels([run.config for run in runs]), runs, strict=True)
        if has_curves(run)
    ]
    records = [record for record in results(runs)[0] if None not in (record["kl"], record["rec"])]
    styled = styles([*(name for name, _ in lines), *(record["setting"] for record in records)])
    drawn = {}
    if lines:
        drawn["training"] = training_curves(lines, styled)
    if records:
        drawn["rate_distortion"] = rate_distortion(records, styled)
    if len(runs) == 1 and has_dimensions(runs[0]):
        drawn["kl_per_dimension"] = kl_per_dimension(runs[0])
    return drawn


def training_curves(lines: Sequence[tuple[str, Run]], styled: Mapping[str, Style]) -> bytes:
    """KL and active units on validation after each epoch, and beta, over training: a line a run, in its setting's style."""
    looks = {name: styled[name].line() for name, _ in lines}
    figure, panels = _figure(3, list(looks))
    for axes, (metric, label) in zip(panels, CURVES, strict=True):
        for name, run in lines:
            axes.plot(*run.curve(metric), **styled[name].line(marked=metric != "train/beta"))
        axes.set_xlabel("training step")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        bottom, top = axes.get_ylim()
        axes.set_ylim(min(bottom, -0.03 * top), 1.03 * top)
    compress(panels[0], [value for _, run in lines for value in run.curve("valid/kl")[1]])
    panels[2].yaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(figure, looks)
    figure.suptitle("KL and active units on validation after each epoch, and beta")
    return _png(figure)


def rate_distortion(records: Sequence[Record], styled: Mapping[str, Style]) -> bytes:
    """Results on test, KL against rec, with lines of equal -ELBO = rec + KL (Alemi et al. 2018, arXiv 1711.00464).

    A second panel shows those near the lowest -ELBO where others are far off. Where the corpus is known exactly, no
    unconditional model's expected -ELBO lies below the line of its true NLL.
    """
    near = _near_best(records)
    shown = [records] if len(near) in (1, len(records)) else [records, near]
    points = {record["setting"]: styled[record["setting"]].point() for record in records}
    figure, panels = _figure(len(shown), list(points))
    for axes, chosen in zip(panels, shown, strict=True):
        for record in chosen:
            axes.plot(record["kl"], record["rec"], **points[record["setting"]])
        _equal_elbo(axes, chosen)
        axes.set_xlabel(f"rate: {KL_LABEL}")
        axes.set_ylabel("distortion: rec = -log p(x|z), nats a sentence")
    if len(panels) > 1:
        panels[0].set_title("all", fontsize=10)
        panels[1].set_title("those near the lowest -ELBO", fontsize=10)
    add_legend(figure, points)
    figure.suptitle("Rate and distortion on test; dashed: equal -ELBO, nats a sentence")
    return _png(figure)


def _near_best(records: Sequence[Record]) -> list[Record]:
    """Those within a tenth, or 4 nats, of the lowest -ELBO."""
    best = min(record["kl"] + record["rec"] for record in records)
    return [record for record in records if record["kl"] + record["rec"] <= best + max(4.0, best / 10)]


def _equal_elbo(axes: Axes, records: Sequence[Record]) -> None:
    known = {record.get("true_nll") for record in records}
    truth = [value for value in known if value is not None] if len(known) == 1 else []
    left, right = _room([0.0, *(record["kl"] for record in records)])
    low, high = _room([*truth, *(record["rec"] for record in records)])
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    levels = MaxNLocator(8).tick_values(left + low, right + high)
    apart = [level for level in levels if all(abs(level - value) > np.ptp(levels) / 40 for value in truth)]
    _sum_lines(axes, apart, "%g", colors="grey", linewidths=0.7, linestyles="dashed")
    for value in truth:
        _sum_lines(axes, [value], f"true NLL {value:.2f}", colors="black", linewidths=1.2)


def _sum_lines(axes: Axes, levels: Sequence[float], label: str, **looks: Any) -> None:
    """x + y = level, for the levels that cross the panel well within it, labelled where its diagonal crosses them."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    shares = {level: (level - left - low) / (right - left + high - low) for level in levels}
    within = {level: share for level, share in shares.items() if 0.04 < share < 0.96}
    if within:
        x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(low, high, 200))
        lines = axes.contour(x, y, x + y, levels=sorted(within), **looks)
        places = [(left + share * (right - left), low + share * (high - low)) for share in within.values()]
        axes.clabel(lines, fmt=label, fontsize=8, manual=places)


def _room(values: Sequence[float]) -> tuple[float, float]:
    """The range of an axis, never narrower than 2 nats."""
    low, high = min(values), max(values)
    margin = max(0.08 * (high - low), 1 - (high - low) / 2)
    return low - margin, high + margin


def has_curves(run: Run) -> bool:
    """Whether the run logged anything that is drawn over training."""
    return any(run.curve(metric)[0] for metric, _ in CURVES)


def has_dimensions(run: Run) -> bool:
    """Whether the run logged a KL of dimensions."""
    return any(run.curve("valid/kl_per_dim")[1])


def kl_per_dimension(run: Run) -> bytes:
    """KL of each dimension on validation over training, as a heat map, the largest first, and as lines.

    Where the posterior has no KL of each dimension, its groups take their place.
    """
    steps, values = run.curve("valid/kl_per_dim")
    kl = np.clip(np.array(values, dtype=float), 1e-4, None)
    kl = kl[:, np.argsort(-kl.sum(0), kind="stable")]
    each = "dimension" if [kl.shape[1]] == run.curve("valid/total_dimensions")[1][-1:] else "group"
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.4), layout="constrained")
    _heat_map(left, kl, each)
    right.set_prop_cycle(color=plt.get_cmap("viridis")(np.linspace(0, 0.9, kl.shape[1])))
    right.plot(steps, kl, marker="o", markersize=2.5, linewidth=0.9)
    if each == "dimension":
        right.axhline(ACTIVE_KL, color="black", linestyle="dashed", linewidth=1)
        where = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
        right.annotate(f"active above {ACTIVE_KL:g}", (0.99, ACTIVE_KL), **where)
    right.set_yscale("log")
    right.set_xlabel("training step")
    right.set_ylabel(f"KL of each {each}, nats a sentence")
    right.grid(alpha=0.3)
    seed = run.config.get("seed", "-")
    figure.suptitle(f"{labels([run.config])[0]}, seed {seed}: KL of each {each} on validation")
    return _png(figure)


def _heat_map(axes: Axes, kl: np.ndarray, each: str) -> None:
    """kl (validations, dimensions) with a logarithmic scale of colours."""
    edges = [np.arange(count + 1) + 0.5 for count in kl.shape]
    image = axes.pcolormesh(*edges, kl.T, norm=LogNorm(1e-3, np.nanmax(kl, initial=1.0)), cmap="viridis")
    axes.figure.colorbar(image, ax=axes, label=f"KL of the {each}, nats a sentence", extend="min")
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{each}, by its KL over training")
    axes.invert_yaxis()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _figure(panels: int, names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Panels side by side, with room for the legend below."""
    width, height = {1: (9.0, 5.6), 2: (14.0, 5.2), 3: (15.0, 4.2)}[panels]
    height += 0.2 * legend_rows(names, width)
    figure, axes = plt.subplots(1, panels, figsize=(width, height), layout="constrained", squeeze=False)
    return figure, list(axes[0])


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
    return file.getvalue()
