"""Pictures of the chapter on activation patterns."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider

_ON = ListedColormap(["#1f5fa800", "#1f5fa866"])  # off, on


def state(s: Tensor, z: Tensor, roots: Tensor, intervals: Tensor, matrix: Tensor) -> Figure:
    """A state function with its roots and its pattern, and the activation matrix."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 2.8), width_ratios=[1.55, 1])
    left.plot(s, z, color=BLUE)
    left.fill_between(s, 0, z.clamp_min(0), color=BLUE, alpha=0.25, linewidth=0)
    left.axhline(0, color=GRAY, linewidth=0.8)
    low = float(z.min()) - 0.18 * float(z.max() - z.min())
    for start, end in intervals.tolist():
        left.plot([start, end], [low, low], color=ORANGE, linewidth=5, solid_capstyle="butt")
    left.plot(roots, [0] * len(roots), "o", color=ORANGE, markersize=5)
    left.set(xlabel="$s$", title="state function $z(s)$")
    size = float(matrix.abs().max())
    shown = right.imshow(matrix.numpy(), cmap="PuOr_r", vmin=-size, vmax=size)
    right.set_title("$A(D)$")
    right.set_xticks(range(len(matrix)), range(1, len(matrix) + 1))
    right.set_yticks(range(len(matrix)), range(1, len(matrix) + 1))
    right.grid(False)
    figure.colorbar(shown, ax=right, shrink=0.75)
    for ax in (left, right):
        ax.title.set(fontsize=10, color=GRAY)
    return figure


def turning(s: Tensor, degrees: Tensor, states: Tensor, roots: Tensor, every: Tensor, on: Tensor) -> Interactive:
    """An input that turns, with a slider for the angle in degrees: state function and roots, and every pattern.

    States (degrees, s) and roots, NaN where there are less; ``on`` says where each pattern (every, s) is on.
    """
    from plotly.subplots import make_subplots

    start = 4
    z = np.round(states.numpy(), 4)
    rows = [[round(r, 5) for r in row if r == r] for row in roots.tolist()]
    place = s.numpy().round(4)
    figure = make_subplots(rows=2, cols=1, row_heights=[0.5, 0.5], vertical_spacing=0.13, shared_xaxes=True)
    figure.add_scatter(
        x=place, y=z[start].clip(0), line={"color": BLUE, "width": 0}, fill="tozeroy", name="on", row=1, col=1
    )
    figure.add_scatter(x=place, y=z[start], line={"color": BLUE, "width": 3}, name="state function", row=1, col=1)
    figure.add_scatter(
        x=rows[start],
        y=[0] * len(rows[start]),
        mode="markers",
        marker={"color": ORANGE, "size": 10},
        name="roots",
        row=1,
        col=1,
    )
    figure.add_heatmap(
        x=place,
        y=every.numpy(),
        z=on.int().numpy(),
        colorscale=[[0, "rgba(0,0,0,0)"], [1, "rgba(31,95,168,.4)"]],
        showscale=False,
        hoverinfo="skip",
        row=2,
        col=1,
    )
    level = [int(degrees[start])] * 2
    figure.add_scatter(x=[-1, 1], y=level, mode="lines", line={"color": GRAY}, showlegend=False, row=2, col=1)
    figure.add_scatter(
        x=rows[start],
        y=[level[0]] * len(rows[start]),
        mode="markers",
        marker={"color": ORANGE, "size": 8},
        showlegend=False,
        row=2,
        col=1,
    )
    steps = []
    for degree, curve, row in zip(map(int, degrees), z, rows, strict=True):
        xs = [place.tolist(), place.tolist(), row, [-1, 1], row]
        ys = [curve.clip(0).tolist(), curve.tolist(), [0] * len(row), [degree] * 2, [degree] * len(row)]
        steps.append({"method": "restyle", "label": str(degree), "args": [{"x": xs, "y": ys}, [0, 1, 2, 4, 5]]})
    figure.update_layout(
        sliders=slider(steps, start, "degrees: ", pad=45),
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 50, "r": 10, "t": 10, "b": 10},
        height=540,
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, range=[-1, 1])
    figure.update_yaxes(gridcolor=GRID, zerolinecolor="rgba(128,128,128,.7)")
    figure.update_xaxes(title="s", row=2, col=1)
    top = float(np.abs(z).max()) * 1.08
    figure.update_yaxes(title="z", range=[-top, top], row=1, col=1)
    figure.update_yaxes(title="degrees", range=[0, 360], tickvals=[0, 90, 180, 270, 360], row=2, col=1)
    return Interactive(figure, "A state function, its roots and the activation pattern, with a slider to turn x.")


def along(seconds: Tensor, signal: Tensor, patterns: Mapping[str, Tensor]) -> Figure:
    """A signal, and below it where patterns (time, cell) are on: time to the right, the interval upwards."""
    figure, axes = plt.subplots(
        1 + len(patterns), 1, figsize=(WIDTH, 1.3 + 1.9 * len(patterns)), sharex=True,
        height_ratios=[0.7] + [1] * len(patterns),
    )  # fmt: skip
    axes[0].plot(seconds, signal, color=GREEN, linewidth=1.6)
    axes[0].set_ylabel("pulse")
    extent: Any = (float(seconds[0]), float(seconds[-1]), -1, 1)
    for ax, (name, on) in zip(axes[1:], patterns.items(), strict=True):
        ax.imshow(
            on.T.numpy(),
            cmap=_ON,
            vmin=0,
            vmax=1,
            extent=extent,
            aspect="auto",
            origin="lower",
            interpolation="nearest",
        )
        ax.set_title(name, fontsize=10, color=GRAY)
        ax.set(ylabel="$s$", yticks=[-1, 0, 1])
        ax.grid(False)
    axes[-1].set_xlabel("seconds")
    return figure
