"""The picture of a card, or of several: the function and its slope, its lines, and the overlap of its shifts."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..plot import BLUE, GRAY, ORANGE, WIDTH
from ..plot._conditioning import line_style
from ..spectrum import activation_harmonics
from ._finding import SHIFTS, gram_eigenvalues
from ._measured import on_the_line, symbol
from ._subject import Subject

_LINES, _SAMPLES, _FLOOR = 32, 2**14, -140  # aliases are below the floor, in dB


def picture(subjects: Sequence[Subject], bounded: Sequence[bool]) -> Figure:
    """Two rows, so that it stays legible on a phone; ``bounded`` says whose shifts have a Gram matrix on the line."""
    rows = -(-len(subjects) // 3) if len(subjects) > 1 else 1
    figure = plt.figure(figsize=(WIDTH, 4.6 + 0.22 * rows), layout="constrained")
    axes = figure.subplot_mosaic([["function", "function"], ["lines", "shifts"]])
    for index, subject in enumerate(subjects):
        style = _style(index, len(subjects))
        _function(axes["function"], subject, style, slope=len(subjects) == 1)
        _lines(axes["lines"], subject, style)
    _shifts(axes["shifts"], subjects, bounded)
    axes["function"].legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=3, fontsize=9)
    return figure


def _function(ax: Axes, subject: Subject, style: dict[str, Any], slope: bool) -> None:
    x = torch.linspace(-3, 3, 1201, dtype=torch.float64, device="cpu")
    y = subject.values(x)
    ax.plot(x, y, label=subject.name, **style)
    if slope:
        steps = y.diff() / x.diff()
        steps[steps.abs() > 100] = math.nan  # where the function jumps
        ax.plot((x[1:] + x[:-1]) / 2, steps, color=ORANGE, linewidth=1.2, label="its slope")
    ax.set(xlabel="$x$", xlim=(-3, 3))


def _lines(ax: Axes, subject: Subject, style: dict[str, Any]) -> None:
    one = torch.tensor(1.0, dtype=torch.float64, device="cpu")
    lines = activation_harmonics(subject.values, one, n_harmonics=_LINES, samples_per_period=_SAMPLES)
    decibels = 20 * lines.abs().clamp(min=1e-300).log10()
    n = np.arange(_LINES + 1)[decibels > _FLOOR]
    ax.plot(n, decibels[n], marker="o", markersize=3, linewidth=0.8, **style)
    ax.set(xlabel="harmonic", ylabel="line of $\\cos t$ (dB)", xlim=(-1, _LINES + 1), ylim=(_FLOOR, 15))


def _shifts(ax: Axes, subjects: Sequence[Subject], bounded: Sequence[bool]) -> None:
    """The symbol where there is one; the eigenvalues of 16 shifts on [-1, 1] where no activation has one."""
    for index, subject in enumerate(subjects):
        style = _style(index, len(subjects))
        if bounded[index]:
            theta = torch.linspace(0, math.pi, 181, dtype=torch.float64, device="cpu")
            ax.plot(theta, _decibels(symbol(on_the_line(subject), theta)), **style)
        elif not any(bounded):
            values = gram_eigenvalues(subject)
            values = _decibels(values[values > 1e-16])  # what is smaller is rounding
            ax.plot(range(1, len(values) + 1), values, marker="o", markersize=3, **style)
    if any(bounded):
        ax.set(xlabel="phase $\\theta$", ylabel="symbol (dB)", xticks=[0, math.pi / 2, math.pi])
        ax.set_xticklabels(["0", "π/2", "π"])
        if not all(bounded):
            ax.set_title(f"{bounded.count(False)} of {len(bounded)} have none", fontsize=9, color=GRAY)
    else:
        ax.set(xlabel="eigenvalue of 16 shifts", ylabel="size (dB)", xlim=(0.5, SHIFTS + 0.5))


def _decibels(power: Tensor) -> Tensor:
    """A power beside the largest, down to where it is rounding."""
    return 10 * (power / power.amax().clamp(min=1e-300)).clamp(min=1e-17).log10()


def _style(index: int, several: int) -> dict[str, Any]:
    return {**line_style(index)} if several > 1 else {"color": BLUE, "linestyle": "-"}
