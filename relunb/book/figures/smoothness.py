"""Pictures of the chapter on the smoothness of IAT-ReLU."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, ORANGE, WIDTH

COLORS = (ORANGE, GRAY, GREEN, BLUE)


def double_root(s: Tensor, states: Mapping[float, tuple[Tensor, Tensor]], c: Tensor, lengths: Tensor) -> Figure:
    """States by their entry c around a double root, with the intervals of D, and the length of D over c."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 2.9), width_ratios=(1.25, 1))
    floor = -1.85
    for row, ((entry, (z, intervals)), color, style) in enumerate(
        zip(states.items(), (GREEN, GRAY, ORANGE), ("--", "-", "-"), strict=True)
    ):
        left.plot(s, z, style, color=color, linewidth=1.8)
        for start, end in intervals.tolist():
            left.plot([start, end], [floor - 0.22 * row] * 2, color=color, linewidth=4, solid_capstyle="butt")
        left.plot([], [], style, color=color, label=f"$c={entry:g}$")
    left.axhline(0, color=GRAY, linewidth=0.8)
    left.set(xlabel="$s$", ylabel="$z(s)$", ylim=(-2.5, 2.5))
    left.legend(fontsize=9, handlelength=1.4, ncols=3, columnspacing=1, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    right.plot(c, lengths, color=BLUE)
    right.axvline(1, color=GRAY, linewidth=0.8, linestyle=":")
    right.set(xlabel="$c$", ylabel="$|D|$")
    return figure


def rulers(records: Mapping[str, Tensor]) -> Figure:
    """The largest change (second row) over the step (first row) for each basis, with lines of slope 1/2 and 1."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.6))
    markers = ("o", "s", "o", "s", "^", "D")
    colors = (ORANGE, ORANGE, GREEN, GREEN, BLUE, BLUE)
    for (name, (steps, change)), marker, color in zip(records.items(), markers, colors, strict=False):
        hollow = "none" if marker in "sD" else color
        ax.plot(steps, change, marker, color=color, markersize=5, markerfacecolor=hollow, linestyle="-", linewidth=1)
        ax.plot([], [], marker, color=color, markerfacecolor=hollow, linestyle="-", linewidth=1, label=name)
    h = np.array([min(steps.min().item() for steps, _ in records.values()), 1e-2])
    for power, height in ((0.5, 3), (1, 10)):
        ax.plot(h, height * h**power, color=GRAY, linestyle=":", linewidth=1.5)
    ax.set(xscale="log", yscale="log", xlabel="step $h$", ylabel="change of the gradient")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def three(t: Tensor, functions: Mapping[str, Sequence[Tensor]]) -> Figure:
    """Columns: activations. Rows: the function, its slope and its decoupled form, each over ``t`` (Figure 3)."""
    figure, axes = plt.subplots(3, len(functions), figsize=(WIDTH, 5.2), sharex=True, sharey="row", squeeze=False)
    rows = zip(axes, ("function", "slope", "decoupled"), (BLUE, ORANGE, GREEN), strict=True)
    for i, (row, label, color) in enumerate(rows):
        row[0].set_ylabel(label)
        for ax, curves in zip(row, functions.values(), strict=True):
            y = curves[i].detach().clone()
            jumps = y.diff().abs() > 0.02 * (y.max() - y.min())
            y[1:][jumps] = np.nan  # a jump is a gap, not a steep line
            ax.plot(t, y, color=color, linewidth=1.7)
            ax.tick_params(labelsize=8)
    for ax, name in zip(axes[0], functions, strict=True):
        ax.set_title(name, fontsize=10, color=GRAY)
    for ax in axes[-1]:
        ax.set_xlabel("$t$")
    return figure


def training(histories: Mapping[str, Tensor]) -> Figure:
    """The loss (seeds, steps) of each activation, a thin line a seed, one panel each."""
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 4.4), sharex=True, sharey=True)
    for ax, (name, losses), color in zip(axes.flat, histories.items(), COLORS, strict=False):
        ax.plot(losses.T, color=color, linewidth=0.9)
        ax.set_title(name, fontsize=10, color=GRAY)
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(FixedLocator([0.25, 0.5, 1, 2]))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(NullLocator())
        ax.tick_params(labelsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("step")
    for ax in axes[:, 0]:
        ax.set_ylabel("loss")
    return figure
