"""Pictures of the chapter "Image fitting"."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ...plot._base import BLUE, GRAY, GREEN, ORANGE, WIDTH

PURPLE, RED = "#8e44ad", "#b03060"
LINES = ((BLUE, "-"), (ORANGE, "-"), (GREEN, "-"), (PURPLE, "-"), (GRAY, "-"), (RED, "--"), (GRAY, ":"))
_APART = 6.5  # dB between two labels of the ruler, so that none covers another


def ruler(limits: Mapping[str, float], scores: Mapping[str, float]) -> Figure:
    """A scale of decibels: on its left what they mean, on its right what was reported."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.6))
    for marks, color, side, align in ((limits, GREEN, -1, "right"), (scores, ORANGE, 1, "left")):
        places = spread(list(marks.values()), _APART)
        for (name, value), place in zip(marks.items(), places, strict=True):
            ax.plot([0, 0.12 * side, 0.3 * side], [value, value, place], color=color, linewidth=1.2)
            ax.text(0.34 * side, place, f"{name}, {value:.1f}", color=color, ha=align, va="center", fontsize=9.5)
    ax.axvline(0, color=GRAY, linewidth=2)
    ax.set(xlim=(-2.3, 1.6), ylim=(15, 165), xticks=[], ylabel="PSNR (dB)")
    ax.spines["bottom"].set_visible(False)
    ax.grid(visible=False)
    return figure


def spread(values: Sequence[float], apart: float) -> list[float]:
    """Places near the values, in their order, at least ``apart`` from one another."""
    order = np.argsort(values)
    places = np.asarray(values, dtype=float)[order]
    groups = [[v] for v in places]  # of values whose labels touch; a group is centered on its values
    merged = True
    while merged:
        merged = False
        for k in range(len(groups) - 1):
            room = (len(groups[k]) + len(groups[k + 1])) / 2 * apart
            if np.mean(groups[k + 1]) - np.mean(groups[k]) < room - 1e-9:
                groups[k : k + 2] = [groups[k] + groups[k + 1]]
                merged = True
                break
    flat = [np.mean(group) + (i - (len(group) - 1) / 2) * apart for group in groups for i in range(len(group))]
    result = np.empty(len(values))
    result[order] = flat
    return result.tolist()


def stored_curves(rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Mean PSNR over seeds against the step, and a band from the lowest to the highest, from a stored run.

    Args:
        rows: by name, with ``moments`` (steps) and ``curve`` (seeds, moments).
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 3.6))
    for (name, row), (color, line) in zip(rows.items(), LINES, strict=False):
        steps, curves = np.array(row["moments"]), np.array(row["curve"], dtype=float)
        later = steps > 0
        mean, low, high = (f(curves, axis=0)[later] for f in (np.mean, np.min, np.max))
        ax.fill_between(steps[later], low, high, color=color, alpha=0.18, linewidth=0)
        ax.plot(steps[later], mean, color=color, linestyle=line, label=name, linewidth=1.8)
    ax.set(xscale="log", xlabel="step", ylabel="PSNR (dB)")
    ax.legend(fontsize=9, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
