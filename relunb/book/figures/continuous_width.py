"""Pictures of the chapter "Continuous-width networks"."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from ...iat import ContinuousWidthNetwork
from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider

_MIDDLE = "#bdbdbd"  # of a kernel's colors: zero, a gray that reads on white and on black
_COLORS = LinearSegmentedColormap.from_list("kernel", [ORANGE, _MIDDLE, BLUE])
_LINES: list[dict[str, Any]] = [
    {"color": BLUE, "marker": "o"},
    {"color": ORANGE, "marker": "s"},
    {"color": GREEN, "marker": "^"},
    {"color": GRAY, "marker": "D"},
]


def kernels(constant: ContinuousWidthNetwork, continuous: ContinuousWidthNetwork, points: int) -> Figure:
    """The first weight function, the first bias and the kernel of two networks of one input, side by side (Figure 1).

    Args:
        constant: one with rectangles.
        continuous: another, drawn with the steps that ``points`` midpoints make of its functions.
        points: how many.
    """
    figure, axes = plt.subplots(3, 2, figsize=(WIDTH, 5.7), height_ratios=[1, 1, 1.9], sharex=True)
    for column, (name, network) in enumerate({"piecewise constant": constant, "continuous": continuous}.items()):
        width = network.widths[0]
        s = _between(width) if network is constant else torch.linspace(-1, 1, 401, dtype=torch.float64)
        for row, function in enumerate((lambda u, n=network: n.kernel(0)(u)[..., 0], network.bias(0))):
            ax = axes[row, column]
            ax.axhline(0, color=GRAY, linewidth=0.8)
            with torch.no_grad():
                ax.plot(s, function(s), color=BLUE, linewidth=1.6)
                if network is continuous:
                    ax.stairs(function(_midpoints(points)), np.linspace(-1, 1, points + 1), color=ORANGE, baseline=None)
        axes[0, column].set_title(name, fontsize=10, color=GRAY)
        places = _midpoints(width if network is constant else 200)
        with torch.no_grad():
            values = network.kernel(1)(places[:, None], places)
        _picture(axes[2, column], values)
        axes[2, column].set_xlabel("$s'$")
    for ax, label in zip(axes[:, 0], ("$w_1(s)$", "$b_1(s)$", "$s$,  for $w_2(s,s')$"), strict=True):
        ax.set_ylabel(label)
    for row in axes[:2]:
        bound = max(abs(end) for ax in row for end in ax.get_ylim())
        for ax in row:
            ax.set_ylim(-bound, bound)
            ax.set_xlabel("$s$")
            ax.set_xticks([-1, 0, 1])
            ax.tick_params(labelbottom=True)
    return figure


def sampled_kernel(network: ContinuousWidthNetwork, sizes: Sequence[int], start: int) -> Interactive:
    """A bias and the kernel, sampled at M midpoints: a slider for M. Every cell has the value at its middle."""
    from plotly.subplots import make_subplots

    s = torch.linspace(-1, 1, 201, dtype=torch.float64)
    drawn, values = [], []
    with torch.no_grad():
        curve = network.bias(0)(s)
        for size in sizes:
            places = _midpoints(size)
            edges = np.repeat(np.linspace(-1, 1, size + 1), 2)[1:-1]
            steps = network.bias(0)(places).repeat_interleave(2)
            values.append(network.kernel(1)(places[:, None], places))
            drawn.append([_short(edges), _short(steps), _short(places), _short(values[-1])])
    bound = max(float(z.abs().max()) for z in values)
    figure = make_subplots(rows=2, cols=1, row_heights=[0.32, 0.68], vertical_spacing=0.13)
    figure.add_scatter(x=_short(s), y=_short(curve), line={"color": GRAY, "width": 1.5, "dash": "dot"}, row=1, col=1)
    edges, steps, places, z = drawn[start]
    figure.add_scatter(x=edges, y=steps, line={"color": BLUE, "width": 2.5}, row=1, col=1)
    figure.add_heatmap(
        x=places, y=places, z=z, zmin=-bound, zmax=bound, showscale=False, row=2, col=1,
        colorscale=[[0, ORANGE], [0.5, _MIDDLE], [1, BLUE]],
    )  # fmt: skip
    choices = [
        {"method": "restyle", "label": str(size), "args": [{"x": [e, m], "y": [v, m], "z": [None, z]}, [1, 2]]}
        for size, (e, v, m, z) in zip(sizes, drawn, strict=True)
    ]
    figure.update_layout(
        sliders=slider(choices, start, "M = ", pad=45),
        showlegend=False,
        margin={"l": 50, "r": 10, "t": 10, "b": 10},
        height=620,
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, range=[-1, 1])
    figure.update_yaxes(gridcolor=GRID, zerolinecolor=GRID)
    figure.update_yaxes(title="bias at s", row=1, col=1)
    figure.update_xaxes(title="s'", row=2, col=1)
    figure.update_yaxes(title="kernel at s, s'", range=[1, -1], zeroline=False, row=2, col=1)
    return Interactive(
        figure, "The bias and the kernel of a network of continuous width in M steps, with a slider for M."
    )


def rates(mesh: Sequence[int], errors: Mapping[str, Sequence[float]], orders: Mapping[str, int]) -> Figure:
    """Errors of M-wide networks over M, and for each of their ``orders`` a dashed line that falls with that power."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.3))
    for (name, error), look in zip(errors.items(), _LINES, strict=False):
        ax.plot(mesh, error, label=name, markersize=5, linewidth=1.6, **look)
    last = np.array([mesh[-3], mesh[-1]], dtype=float)
    for order in sorted(set(orders.values())):
        lowest = min(error[-3] for name, error in errors.items() if orders[name] == order)
        line = 0.45 * lowest * (last / last[0]) ** -order
        ax.plot(last, line, color=GRAY, linestyle="--", linewidth=1.3)
        label = f"$M^{{-{order}}}$"
        ax.annotate(label, (last[0], line[0]), (-4, 0), textcoords="offset points", ha="right", va="center", fontsize=9)
    ax.set(xscale="log", yscale="log", xlabel="width $M$ of the ordinary network", ylabel="error")
    ax.set_xticks(list(mesh), [str(m) for m in mesh])
    ax.minorticks_off()
    ax.legend(fontsize=9, loc="lower left")
    return figure


def _midpoints(points: int) -> Tensor:
    return (2 * torch.arange(points, dtype=torch.float64) + 1) / points - 1


def _between(cells: int) -> Tensor:
    """Both ends of every cell, a hair inside: a step is then a vertical line."""
    edges = torch.linspace(-1, 1, cells + 1, dtype=torch.float64)
    return torch.stack([edges[:-1] + 1e-9, edges[1:] - 1e-9], -1).flatten()


def _picture(ax: Axes, values: Tensor) -> None:
    """A kernel: s down, s' to the right, orange below zero and blue above."""
    bound = float(values.abs().max())
    ax.imshow(values.numpy(), cmap=_COLORS, vmin=-bound, vmax=bound, extent=(-1, 1, 1, -1), interpolation="nearest")
    ax.grid(False)
    ax.set_yticks([-1, 0, 1])


def _short(values: Any) -> list[Any]:
    return np.round(np.asarray(values, dtype=float), 3).tolist()
