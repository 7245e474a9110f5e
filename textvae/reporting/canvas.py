"""Panels to draw on, and what is drawn as the bytes of a PNG."""

import io
from collections.abc import Sequence

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from textvae.reporting.styles import legend_rows


def panels_with_legend(panels: int, names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Panels side by side, with room for the legend below."""
    width, height = {1: (9.0, 5.6), 2: (14.0, 5.2), 3: (15.0, 4.2)}[panels]
    return plain_panels(panels, width, height + 0.2 * legend_rows(names, width))


def plain_panels(panels: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Panels side by side, inches."""
    figure, axes = plt.subplots(1, panels, figsize=(width, height), layout="constrained", squeeze=False)
    return figure, list(axes[0])


def png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
    return file.getvalue()
