"""Curves of runs as pictures."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt

from textvae.reporting.runs import Run


def kl_curves(runs: Sequence[Run], path: Path) -> Path:
    """KL and active units on validation over training, one line a run."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for run in runs:
        for axes, metric in ((left, "valid/kl"), (right, "valid/active_units")):
            axes.plot(*run.curve(metric), marker="o", markersize=3, label=run.name)
    left.set_ylabel("KL(q(z|x) || p(z)), nats a sentence")
    right.set_ylabel("active units")
    for axes in (left, right):
        axes.set_xlabel("training step")
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]) if axes is left else -0.5)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle("Validation after each epoch")
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path
