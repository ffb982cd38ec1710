"""Pictures of the chapter "Decoupled IAT"."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, ORANGE, WIDTH


def halves(t: Tensor, functions: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """Coupled (thin) and decoupled over ``t``, a panel each; a jump is a gap (the decoupled half of Figure 3)."""
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 4.1), sharex=True, sharey=True)
    for ax, (name, (coupled, decoupled)) in zip(axes.flat, functions.items(), strict=True):
        y = decoupled.detach().clone()
        y[1:][y.diff().abs() > 0.01 * (y.max() - y.min())] = np.nan
        ax.plot(t, coupled.detach(), color=GRAY, linewidth=1.2, linestyle="--", label="coupled")
        ax.plot(t, y, color=BLUE, linewidth=1.8, label="decoupled")
        ax.set_title(name, fontsize=10, color=GRAY)
        ax.tick_params(labelsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("$t$")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), fontsize=9, ncols=2, loc="outside upper center")
    return figure


def planes(functions: Mapping[str, Tensor], points: Sequence[Sequence[float]]) -> Figure:
    """Decoupled functions of two inputs in [-1, 1], as pictures; ``points`` are marked in each."""
    figure, axes = plt.subplots(1, len(functions), figsize=(WIDTH, 2.25), sharey=True, squeeze=False)
    for ax, (name, values) in zip(axes[0], functions.items(), strict=True):
        ax.imshow(
            values.detach().numpy(), cmap="cividis", origin="lower", extent=(-1, 1, -1, 1), interpolation="nearest"
        )
        for a, b in points:
            ax.plot(a, b, "o", color="white", markersize=9, markerfacecolor="none", markeredgewidth=1.6)
        ax.set_title(name, fontsize=10, color=GRAY)
        ax.set(xlabel="$t_1$", xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        ax.tick_params(labelsize=9)
        ax.grid(False)
    axes[0, 0].set_ylabel("$t_2$")
    return figure


def transfers(widths: Sequence[int], errors: Mapping[str, Tensor]) -> Figure:
    """Errors (widths, seeds) by origin of the pattern, over the width of the values: dots, and a line of medians."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.3))
    styles = zip((GRAY, ORANGE, BLUE, GREEN), ("s", "^", "o", "D"), (-0.24, -0.08, 0.08, 0.24), strict=True)
    for (name, error), (color, marker, shift) in zip(errors.items(), styles, strict=False):
        places = np.arange(len(widths)) + shift
        ax.plot(places, error, marker, color=color, markersize=4, alpha=0.5)
        ax.plot(places, error.median(1).values, color=color, marker=marker, markersize=7, label=name)
    ax.set(yscale="log", xlabel="width of the values", ylabel="mean squared error")
    ax.set_xticks(range(len(widths)), [str(width) for width in widths])
    ticks = (0.05, 0.1, 0.2, 0.5, 1)
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.legend(fontsize=9, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
