"""Pictures of the chapter "Coverage of the domain"."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, ORANGE, WIDTH
from ...wavelet import dyadic_system

_COLORS = (ORANGE, BLUE, GREEN, GRAY)
_INFINITE = 1e7  # where a condition number without a place on the axis is drawn


def where_they_live(levels: int = 5) -> Figure:
    """The support of every neuron, scale by scale: the theorem's, all that fit, and all that meet [-1, 1]."""
    figure, axes = plt.subplots(3, 1, figsize=(WIDTH, 5.6), sharex=True)
    gap = 0.012  # so that a neuron is seen to end where the next of its row begins
    systems = {
        "the theorem's": dyadic_system(levels, "paper"),
        "all that fit inside": dyadic_system(levels, "interior"),
        "all that reach inside": dyadic_system(levels, "all"),
    }
    for ax, (title, system) in zip(axes, systems.items(), strict=True):
        level, shift = (part.numpy() for part in system)
        left = 2 / 3 * shift / 2.0**level - 1
        right = left + 2 / 2.0**level
        height = level + 0.24 * (shift % 3 - 1)  # neighbours overlap: three rows a level
        sticks_out = (left < -1 - 1e-9) | (right > 1 + 1e-9)
        for chosen, color in ((~sticks_out, BLUE), (sticks_out, ORANGE)):
            ax.hlines(height[chosen], left[chosen] + gap, right[chosen] - gap, color=color, linewidth=2)
        ax.axvspan(-1, 1, color=GRAY, alpha=0.12, linewidth=0)
        ax.set(ylim=(levels - 0.4, -0.6), yticks=range(levels), xlim=(-2.4, 2.4), ylabel="level $j$")
        ax.grid(axis="y", visible=False)
        ax.set_title(f"{title}: {len(level)}", fontsize=10, loc="left", color=GRAY)
    axes[-1].set_xlabel("$x$")
    return figure


def figure_2(every: int, conditions: Mapping[str, Tensor], losses: Mapping[str, Tensor]) -> Figure:
    """Condition number and loss during training: medians over the seeds, shaded from the smallest to the largest.

    Tensors are (time, seed), one row each ``every`` steps. Infinite condition numbers are drawn on a line of their own.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5), sharex=True)
    for (name, condition), color in zip(conditions.items(), _COLORS, strict=False):
        _band(above, every, condition.clamp(max=_INFINITE), color, name)
        _band(below, every, losses[name].clamp(min=1e-16), color, name)
    ticks = {1: "1", 1e2: "$10^2$", 1e4: "$10^4$", _INFINITE: "infinite"}
    above.set(yscale="log", ylabel="condition number", ylim=(1, 3 * _INFINITE))
    above.set_yticks(list(ticks), ticks.values())
    above.legend(fontsize=9, loc="upper right", bbox_to_anchor=(1, 0.92))
    below.set(yscale="log", ylabel="mean squared error", xlabel="step of Adam", ylim=(1e-11, 1))
    return figure


def _band(ax: Axes, every: int, values: Tensor, color: str, name: str) -> None:
    steps = every * np.arange(len(values))
    ordered = values.sort(dim=1).values.numpy()
    ax.fill_between(steps, ordered[:, 0], ordered[:, -1], color=color, alpha=0.2, linewidth=0)
    ax.plot(steps, ordered[:, ordered.shape[1] // 2], color=color, label=name)


def exchanged(every: int, panels: Mapping[str, Mapping[str, Tensor]]) -> Figure:
    """Median losses of networks with their own singular values (solid) and with each other's (dashed), a panel each."""
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 2.5 * len(panels)), sharex=True)
    for ax, (title, losses) in zip(axes, panels.items(), strict=True):
        for index, (name, loss) in enumerate(losses.items()):
            style = {"color": _COLORS[index // 2], "linestyle": ("-", "--")[index % 2]}
            ax.semilogy(every * np.arange(len(loss)), loss.median(1).values, label=name, **style)
        ax.set(ylabel="mean squared error", ylim=(1e-9, 1))
        ax.set_title(title, fontsize=10, loc="left", color=GRAY)
    axes[0].legend(fontsize=9, loc="lower left")
    axes[-1].set_xlabel("step of Adam")
    return figure
