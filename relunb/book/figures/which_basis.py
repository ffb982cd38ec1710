"""Pictures of the chapter "Choice of basis"."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, ORANGE, WIDTH

STYLES = {  # an input basis that jumps is orange
    "rect": (ORANGE, "-"),
    "rect-w": (ORANGE, "--"),
    "pwl": (BLUE, "-"),
    "pwl-w": (BLUE, "--"),
    "pwq": (GREEN, "-"),
    "fourier": (GREEN, "--"),
}
_LABELS = {"fit": "mean squared error", "memorise": "labels right (%)"}


def by_input(
    names: Sequence[str],
    paper: Mapping[str, Tensor],
    ours: Mapping[str, Tensor],
    scalars: Mapping[str, Mapping[str, float]],
) -> Figure:
    """Errors and accuracies (inputs, outputs) of every pair, a dot each: a row of dots for each input basis.

    Args:
        names: of the bases.
        paper, ours: a table for each of the tasks "fit" and "memorise".
        scalars: for each task our number for scalar activations: vertical lines.
    """
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 6))
    for ax, task in zip(axes, ("fit", "memorise"), strict=True):
        rows = np.arange(len(names))[::-1]
        for table, shift, color, marker, label in (
            (paper[task], 0.14, GRAY, "o", "paper"),
            (ours[task], -0.14, BLUE, "s", "ours"),
        ):
            for row, dots in zip(rows, table, strict=True):
                ax.plot(
                    dots,
                    np.full(len(dots), row + shift),
                    marker,
                    color=color,
                    markersize=5,
                    alpha=0.75,
                    label=label if row == 0 else None,
                )
        for (name, value), style in zip(scalars[task].items(), ("--", ":", "-."), strict=False):
            ax.axvline(value, color=ORANGE, linestyle=style, linewidth=1.3, label=f"{name}, ours")
        ax.set_yticks(rows, names)
        ax.set(xlabel=_LABELS[task], ylabel="input basis", ylim=(-0.6, len(names) - 0.4))
        if task == "fit":
            ax.set_xscale("log")
    axes[0].legend(fontsize=9, ncols=4, loc="lower center", bbox_to_anchor=(0.45, 1.0), columnspacing=1)
    return figure


def tables(names: Sequence[str], paper: Tensor, ours: Tensor, task: str) -> Figure:
    """The paper's table and ours as heat maps with the same colors. Rows: input; columns: output."""
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 6.2))
    both = np.stack([np.asarray(paper), np.asarray(ours)])
    if task == "fit":
        norm, colors, unit = LogNorm(both.min(), both.max()), "Blues_r", 1e-4
    else:
        norm, colors, unit = Normalize(both.min(), both.max()), "Blues", 1.0
    for ax, table, title in zip(axes, both, ("paper", "ours"), strict=True):
        shown = ax.imshow(table, cmap=colors, norm=norm, aspect="auto")
        for (row, column), value in np.ndenumerate(table):
            red, green, blue, _ = shown.to_rgba(np.array([value]))[0]
            dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.55
            text = _short(value / unit) if task == "fit" else f"{value:.1f}"
            ax.text(column, row, text, ha="center", va="center", fontsize=9.5, color="white" if dark else "black")
        _name(ax, names)
        note = ", in $10^{-4}$" if task == "fit" else ""
        ax.set_title(f"{title}: {_LABELS[task]}{note}", fontsize=10, color=GRAY)
        ax.set_ylabel("input basis")
    axes[1].set_xlabel("output basis")
    return figure


def _short(value: float) -> str:
    """Two digits, or all that stand before the point."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:#.2g}"


def _name(ax: Axes, names: Sequence[str]) -> None:
    ax.grid(False)
    ax.set_xticks(range(len(names)), names, fontsize=9.5)
    ax.set_yticks(range(len(names)), names, fontsize=9.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def by_mesh(
    ratios: Sequence[int],
    scores: Mapping[str, Mapping[str, Sequence[Tensor]]],
    pieces: Sequence[float],
) -> Figure:
    """Both tasks over M / d, with a standard error (the paper's Figure 6).

    Args:
        ratios: M / d.
        scores: for each task and each input basis the mean, and the mean less and plus its standard error.
        pieces: the error of M straight pieces, drawn dashed.
    """
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 5.4), sharex=True)
    for ax, (task, lines) in zip(axes, scores.items(), strict=True):
        for name, (middle, low, high) in lines.items():
            color, style = STYLES[name]
            ax.plot(ratios, middle, style, color=color, marker="o", markersize=4, label=f"{name} in, pwq out")
            ax.fill_between(ratios, low, high, color=color, alpha=0.18, linewidth=0)
        ax.set_ylabel(_LABELS[task])
    top = axes[0].get_ylim()[1]
    axes[0].plot(ratios, pieces, color=GRAY, linestyle=":", label="$M$ equal pieces")
    axes[0].set_yscale("log")
    axes[0].set_ylim(3e-5, max(top, 4e-3))
    axes[1].set(xscale="log", xlabel="$M/d$", ylim=(80, 100))
    axes[1].set_xticks(list(ratios), [str(ratio) for ratio in ratios])
    axes[1].minorticks_off()
    axes[0].legend(fontsize=9, ncols=2, loc="lower center", bbox_to_anchor=(0.45, 1.0))
    return figure
