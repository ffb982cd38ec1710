"""Pictures of the chapter "The DC as a trained feature"."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...plot._base import BLUE, GRAY, GREEN, ORANGE, WIDTH

CLASSES = {"3 Hz": BLUE, "5 Hz": ORANGE, "10 Hz": GREEN}
NETWORKS = {  # what the stored result calls them: what a reader does, and how they are drawn
    "relu": ("ReLU", BLUE, "-"),
    "linear": ("linear", ORANGE, "-"),
    "label": ("linear + label constant", GREEN, "-"),
    "label, small": ("linear + small label constant", GREEN, "--"),
    "rectified": ("linear + real DC", "#8e5bb5", "--"),
    "rectified, large": ("linear + real DC, stretched", "#8e5bb5", "-"),
    "shuffled": ("linear + shuffled constant", GRAY, "-"),
    "louder": ("linear, 100 times louder", ORANGE, "--"),
}


def training(stored: Mapping[str, Any], names: Sequence[str], *, band: str = "std") -> Figure:
    """Loss, and distance of both kernels from their start, mean over repetitions (Figure 4).

    Args:
        stored: the variants of the stored result.
        names: which of them to draw.
        band: ``"std"`` for one deviation on each side, as in the paper, or ``"none"``.
    """
    figure, panels = plt.subplot_mosaic([["loss", "loss"], ["first", "second"]], figsize=(WIDTH, 5.2))
    titles = {"loss": "loss", "first": "distance, first layer", "second": "distance, second layer"}
    for quantity, ax in panels.items():
        for name in names:
            label, color, dash = NETWORKS[name]
            _line(ax, stored[name][quantity], label, color, dash, band == "std")
        ax.set_title(titles[quantity], fontsize=10, color=GRAY)
        ax.set(xlabel="epoch", ylim=(0, None))
    panels["loss"].legend(fontsize=8.5)
    return figure


def _line(ax: Axes, row: Mapping[str, Sequence[float]], label: str, color: str, dash: str, band: bool) -> None:
    mean, std = np.array(row["mean"]), np.array(row["std"])
    epochs = np.arange(1, 1 + len(mean))
    ax.plot(epochs, mean, dash, color=color, label=label, linewidth=1.6)
    if band:
        ax.fill_between(epochs, np.maximum(mean - std, 0), mean + std, color=color, alpha=0.2, linewidth=0)


def near_and_able(stored: Mapping[str, Any]) -> Figure:
    """Loss against distance from the start at the last epoch: a cross from the first to the last decile."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.6))
    for name, (label, color, dash) in NETWORKS.items():
        x, y = (
            [stored[name][quantity][key][-1] for key in ("decile_1", "median", "decile_9")]
            for quantity in ("second", "loss")
        )
        ax.plot([x[0], x[2]], [y[1], y[1]], dash, color=color, linewidth=1.5)
        ax.plot([x[1], x[1]], [y[0], y[2]], dash, color=color, linewidth=1.5)
        ax.plot(x[1], y[1], "o" if dash == "-" else "s", color=color, markersize=7, label=label)
    ax.set(xscale="log", yscale="log", xlim=(0.5, 60))
    ax.set(xlabel="distance of the second kernel from its start", ylabel="loss in the last epoch")
    figure.legend(loc="outside upper center", ncols=2, fontsize=8.5)
    return figure
