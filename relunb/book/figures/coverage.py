"""Pictures of the chapter "Coverage of the domain"."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, ORANGE, WIDTH

_COLORS = (ORANGE, BLUE, GREEN, GRAY)
_INFINITE = 1e7  # where a condition number without a place on the axis is drawn


def where_they_live(panels: Mapping[str, Sequence[Tensor]]) -> Figure:
    """The support of every neuron, scale by scale: a panel has level, shift, left and right end, one a neuron."""
    figure, axes = plt.subplots(3, 1, figsize=(WIDTH, 5.6), sharex=True)
    gap = 0.012  # so that a neuron is seen to end where the next of its row begins
    for ax, (title, parts) in zip(axes, panels.items(), strict=True):
        level, shift, left, right = (part.numpy() for part in parts)
        height = level + 0.24 * (shift % 3 - 1)  # neighbours overlap: three rows a level
        sticks_out = (left < -1 - 1e-9) | (right > 1 + 1e-9)
        for chosen, color in ((~sticks_out, BLUE), (sticks_out, ORANGE)):
            ax.hlines(height[chosen], left[chosen] + gap, right[chosen] - gap, color=color, linewidth=2)
        ax.axvspan(-1, 1, color=GRAY, alpha=0.12, linewidth=0)
        last = level.max()
        ax.set(ylim=(last + 0.6, -0.6), yticks=range(last + 1), xlim=(-2.4, 2.4), ylabel="level $j$")
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
