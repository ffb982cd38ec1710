"""Pictures of the chapter "The integral activation transform"."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider


def three_steps(s: Tensor, terms: Tensor, state: Tensor, activated: Tensor, roots: Tensor, means: Tensor) -> Figure:
    """State function with its roots, the same after ReLU, and the means of that over equal cells (Figure 2)."""
    figure, axes = plt.subplots(3, 1, figsize=(WIDTH, 5.6), sharex=True)
    top, middle, bottom = axes
    top.plot(s, terms, color=GRAY, linewidth=0.9, alpha=0.7)
    top.plot(s, state, color=BLUE)
    top.set_title("1. a state function: $z(s)=p(s)^{\\mathsf{T}}x$", fontsize=10, color=GRAY)
    middle.plot(s, activated, color=BLUE)
    middle.fill_between(s, activated, color=BLUE, alpha=0.15, linewidth=0)
    middle.set_title("2. activated: $\\sigma(z(s))$", fontsize=10, color=GRAY)
    for ax in (top, middle):
        ax.plot(roots, [0] * len(roots), "o", color=ORANGE, markersize=6, zorder=3)
    cells = len(means)
    left = 2 * np.arange(cells) / cells - 1
    bottom.bar(
        left, means.numpy(), width=2 / cells, align="edge", color=GREEN, alpha=0.35, edgecolor=GREEN, linewidth=1.3
    )
    bottom.plot(s, activated, color=BLUE, linewidth=1)
    highest = float(activated.max())
    bottom.set_ylim(0, 1.3 * highest or 1)
    for i, place in enumerate(left + 1 / cells):
        bottom.text(place, 1.1 * highest, f"$y_{i + 1}$", ha="center", fontsize=10)
    bottom.set_title("3. read out: $y_i=\\int q_i(s)\\,\\sigma(z(s))\\,ds$", fontsize=10, color=GRAY)
    bottom.set_xlabel("$s$")
    for ax in axes:
        ax.axhline(0, color=GRAY, linewidth=0.8)
    return figure


def bases(families: Mapping[str, tuple[Tensor, Tensor]], columns: int = 2) -> Figure:
    """Each family (place, function) over its places in a panel, the second and the third in color (Figure 5)."""
    rows = -(-len(families) // columns)
    size = (WIDTH, 0.4 + 1.55 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, (name, (s, values)) in zip(axes.flat, families.items(), strict=True):
        for i in [i for i in range(values.shape[1]) if i not in (1, 2)] + [2, 1]:
            color, width = {1: (BLUE, 2), 2: (ORANGE, 2)}.get(i, (GRAY, 0.9))
            ax.plot(s, values[:, i], color=color, linewidth=width)
        ax.set_title(name, fontsize=10, color=GRAY)
    for ax in axes[-1]:
        ax.set_xlabel("$s$")
    return figure


def bars(s: Tensor, curve: Tensor, rules: Mapping[int, tuple[Tensor, Tensor, float]]) -> Interactive:
    """The midpoint rule as bars, a slider for their number, and below how wrong their area is.

    For each number of nodes the nodes, the heights of the bars, and the error.
    """
    from plotly.subplots import make_subplots

    start, points = 4, list(rules)
    errors = [error for *_, error in rules.values()]
    drawn = [[np.round(part.numpy(), 6).tolist() for part in rule[:2]] for rule in rules.values()]
    figure = make_subplots(rows=2, cols=1, row_heights=[0.6, 0.4], vertical_spacing=0.16)
    figure.add_bar(
        x=drawn[start][0],
        y=drawn[start][1],
        marker={"color": "rgba(46,125,50,.35)", "line": {"color": GREEN, "width": 1}},
        name="midpoint rule",
        row=1,
        col=1,
    )
    line = {"color": BLUE, "width": 3}
    figure.add_scatter(x=s.numpy(), y=np.round(curve.numpy(), 6), line=line, name="activated state", row=1, col=1)
    dots = {"color": GRAY, "size": 5}
    figure.add_scatter(x=list(points), y=errors, mode="markers", marker=dots, showlegend=False, row=2, col=1)
    figure.add_scatter(
        x=[points[start]],
        y=[errors[start]],
        mode="markers",
        marker={"color": ORANGE, "size": 12},
        name="error",
        row=2,
        col=1,
    )
    steps = [
        {
            "method": "restyle",
            "label": str(m),
            "args": [{"x": [nodes, [m]], "y": [heights, [error]]}, [0, 3]],
        }
        for m, error, (nodes, heights) in zip(points, errors, drawn, strict=True)
    ]
    figure.update_layout(
        sliders=slider(steps, start, "M = ", pad=45),
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 45, "r": 10, "t": 10, "b": 10},
        height=500,
        bargap=0,  # a bar is as wide as its cell
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False)
    figure.update_yaxes(gridcolor=GRID, zerolinecolor=GRID)
    figure.update_xaxes(title="s", range=[-1.02, 1.02], row=1, col=1)
    figure.update_xaxes(title="M", type="log", tickvals=[4, 8, 16, 32, 64, 128], row=2, col=1)
    figure.update_yaxes(title="error", type="log", dtick=1, exponentformat="power", row=2, col=1)
    return Interactive(figure, "Midpoint bars under an activated state, a slider for their number, and the error.")


def rates(points: Sequence[int], errors: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Errors of values (left) and gradients (right) over the number of nodes, a line a pair of bases."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.1), sharey=True)
    m = np.array(points, dtype=float)
    for which, (ax, power) in enumerate(zip(axes, (2, 1), strict=True)):
        for (name, pair), marker in zip(errors.items(), "osv^", strict=False):
            ax.plot(m, pair[which], marker=marker, markersize=4, linewidth=1.4, label=name)
        highest = max(pair[which][0] for pair in errors.values())
        ax.plot(m, 2.5 * highest * (m / m[0]) ** -power, color=GRAY, linestyle="--", linewidth=1.2)
        ax.text(m[1], 4.5 * highest * (m[1] / m[0]) ** -power, f"$M^{{-{power}}}$", fontsize=10, color=GRAY)
        ax.set(xscale="log", yscale="log", xlabel="nodes $M$")
        ax.set_xticks(list(points[::2]))
        ax.xaxis.set_major_formatter(ScalarFormatter())
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_title(("values", "gradients")[which], fontsize=10, color=GRAY)
    axes[0].set_ylabel("error")
    axes[0].legend(fontsize=9, loc="lower left")
    return figure
