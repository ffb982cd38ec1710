"""Pictures of the chapter on the exact transform and its second derivative."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, ORANGE, WIDTH

COLORS = (ORANGE, BLUE, GREEN, GRAY)
STYLES = ("-", "--", "-.", ":")


def cells(ends: Sequence[tuple[float, float]]) -> Figure:
    """A cell for each pair (a, b): the state from a to b, and where it is positive."""
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 3.9), sharex=True, sharey=True)
    for ax, (a, b) in zip(axes.flat, ends, strict=True):
        size = abs(a) + abs(b)
        lo, hi = max(-a, 0) / size, 1 - max(-b, 0) / size
        ax.axhline(0, color=GRAY, linewidth=0.8)
        ax.plot([0, 1], [a, b], color=GRAY, linewidth=1.5)
        if max(a, b) > 0:
            ax.fill_between([lo, hi], [max(a, 0), max(b, 0)], color=BLUE, alpha=0.3, linewidth=0)
            ax.plot([lo, hi], [max(a, 0), max(b, 0)], "o-", color=BLUE, markersize=4)
        place = max(a, 0) + max(b, 0)
        ax.set_title(f"$a={a:g}$, $b={b:g}$: mean {place**2 / (2 * size):.3g}", fontsize=10, color=GRAY)
    for ax in axes[1]:
        ax.set_xlabel("place $t$ in the cell")
    return figure


def digits(gaps: Sequence[float], errors: Mapping[str, Sequence[float]]) -> Figure:
    """Relative errors over a small number, on logarithmic axes; an error of zero is drawn at the lower edge."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.3))
    for (name, error), color, style in zip(errors.items(), COLORS, STYLES, strict=False):
        ax.loglog(gaps, np.maximum(error, 1e-17), style, color=color, marker="o", markersize=4, label=name)
    ax.axhline(1, color=GRAY, linewidth=0.8)
    ax.set(xlabel=r"small number $\varepsilon$", ylabel="relative error", ylim=(5e-18, None))
    ax.legend(fontsize=9, ncols=2, loc="lower center", bbox_to_anchor=(0.45, 1.0))
    return figure


def curvature(values: Any, curves: Mapping[str, Tensor]) -> Figure:
    """An entry of the Hessian over one entry of the input, for several bases."""
    figure, ax = plt.subplots()
    for (name, curve), color, style in zip(curves.items(), COLORS, STYLES, strict=False):
        ax.plot(values, curve, style, color=color, label=name)
    ax.axvline(0, color=GRAY, linewidth=0.8)
    ax.set(xlabel="$x_2$", ylabel=r"$\partial^2\,\mathrm{IAT}_2/\partial x_2^2$", ylim=(0, None))
    ax.legend(fontsize=9)
    return figure


def solutions(x: Any, truth: Tensor, fits: Mapping[str, Tensor]) -> Figure:
    """A function and networks for it above, the size of what each misses below."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.4), sharex=True)
    above.plot(x, truth, color=GRAY, linestyle="--", linewidth=3, label="solution")
    for (name, fit), color, style in zip(fits.items(), COLORS, STYLES, strict=False):
        above.plot(x, fit, style, color=color, linewidth=1.5, label=name)
        below.semilogy(x, (fit - truth).abs().clamp_min(1e-9), style, color=color, linewidth=1.5)
    above.set_ylabel("$u(x)$")
    above.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.45, 1.0))
    below.set(xlabel="$x$", ylabel="error", ylim=(1e-8, 1))
    return figure


def loads(x: Any, truth: Tensor, fits: Mapping[str, Tensor]) -> Figure:
    """The wanted second derivative and that of each network, a panel each."""
    figure, axes = plt.subplots(len(fits), 1, figsize=(WIDTH, 0.5 + 1.5 * len(fits)), sharex=True, sharey=True)
    for ax, (name, fit), color in zip(axes, fits.items(), COLORS, strict=False):
        ax.plot(x, truth, color=GRAY, linestyle="--", linewidth=1.3, label="$f$")
        ax.plot(x, fit, color=color, linewidth=1.5, label="$-u''$")
        ax.set_title(name, fontsize=10, color=GRAY)
        ax.set_ylabel("$-u''$")
    axes[-1].set_xlabel("$x$")
    return figure
