"""Runs as pictures: curves over training, the rate-distortion plane, the KL of each dimension. All return PNG bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from textvae.evaluation.diagnosis import ACTIVE_KL
from textvae.latents.heads import LAYERS, Head
from textvae.latents.posteriors import HEADS
from textvae.reporting.canvas import panels_with_legend, plain_panels, png
from textvae.reporting.comparison import results
from textvae.reporting.plane import KL_LABEL, rate_distortion
from textvae.reporting.runs import COPY, Run
from textvae.reporting.settings import labels
from textvae.reporting.styles import COLOURS, Style, add_legend, as_it_stands, compress, styles

LEAST_KL = 1e-4  # that a logarithmic axis shows, nats
CURVES = (
    ("valid/kl", KL_LABEL),
    ("train/beta", "beta, weight of the rate"),
    ("valid/active_units", "active units"),
)


def pictures(runs: Sequence[Run]) -> dict[str, bytes]:
    """The figures that the runs give cause for, by the names of their files. A setting looks the same in all."""
    names = labels([run.config for run in runs])
    own = [pair for pair in zip(names, runs, strict=True) if not (pair[1].problem or "").startswith(COPY)]
    lines = [line for name, run in own for line in _lines(name, run)]
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


def _lines(name: str, run: Run) -> list[tuple[str, Run]]:
    """A run's curves, those of its first stage before them, and its name for each, which says where it has not ended."""
    ending = f" ({_ending(run.problem)})" if run.problem else ""
    first = run._replace(rows=list(run.first_rows))
    named = [(f"{name}: first stage{'' if run.first_stage else ending}", first), (f"{name}{ending}", run)]
    return [(called, stage) for called, stage in named if has_curves(stage)]


def _ending(problem: str) -> str:
    known = ("failed", "unfinished", "damaged")
    return next((word for word in known if word in problem.partition(":")[0]), "no result")


def training_curves(lines: Sequence[tuple[str, Run]], styled: Mapping[str, Style]) -> bytes:
    """KL and active units on validation after each epoch, and beta, over training: a line a run, in its setting's style."""
    looks = {name: styled[name].line() for name, _ in lines}
    figure, panels = panels_with_legend(3, list(looks))
    for axes, (metric, label) in zip(panels, CURVES, strict=True):
        drawn = [(styled[name], run.curve(metric)) for name, run in lines]
        for style, (steps, values) in drawn:
            axes.plot(steps, values, **style.line(marked=metric != "train/beta" or len(steps) == 1))
        if not any(steps for _, (steps, _) in drawn):
            axes.text(0.5, 0.5, "not logged", transform=axes.transAxes, ha="center")
        axes.set_xlabel("training step")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        bottom, top = axes.get_ylim()
        axes.set_ylim(min(bottom, -0.03 * top), 1.03 * top)
    compress(panels[0], [value for _, run in lines for value in run.curve("valid/kl")[1]])
    for axis in (*(axes.xaxis for axes in panels), panels[2].yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    add_legend(figure, looks)
    figure.suptitle("KL and active units on validation after each epoch, and beta")
    return png(figure)


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
    measured = np.array(values, dtype=float)
    kl = np.clip(measured, LEAST_KL, None)
    kl = kl[:, np.argsort(-kl.sum(0), kind="stable")]
    each = _part(run, kl.shape[1])
    figure, (left, right) = plain_panels(2, 12, 4.4)
    _heat_map(left, kl, each)
    right.plot(steps, kl, color=COLOURS[0], alpha=0.5, marker="o", markersize=2.5, linewidth=0.9)
    if each == "dimension":
        right.axhline(ACTIVE_KL, color="black", linestyle="dashed", linewidth=1)
        where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
        right.annotate(f"active above {ACTIVE_KL:g}", (0.99, ACTIVE_KL), **where)
    right.set_yscale("log")
    right.set_xlabel("training step")
    clipped = f"\n(below {LEAST_KL:g} drawn at {LEAST_KL:g})" if (measured < LEAST_KL).any() else ""
    right.set_ylabel(f"KL of each {each}, nats a sentence{clipped}")
    right.grid(alpha=0.3)
    seed = run.config.get("seed", "-")
    figure.suptitle(f"{as_it_stands(labels([run.config])[0])}, seed {seed}: KL of each {each} on validation")
    return png(figure)


def _part(run: Run, groups: int) -> str:
    """What each of the groups of a KL is. As many as dimensions are two layers of one dimension each, too."""
    head = HEADS.get(str((run.config.get("latent") or {}).get("name")), Head)
    parted = head.space != LAYERS and [groups] == run.curve("valid/total_dimensions")[1][-1:]
    return "dimension" if parted else "group"


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
