"""Pictures of the chapter "Continuous-width networks"."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider

_MIDDLE = "#bdbdbd"  # of a kernel's colors: zero, a gray that reads on white and on black
_COLORS = LinearSegmentedColormap.from_list("kernel", [ORANGE, _MIDDLE, BLUE])
_LINES: list[dict[str, Any]] = [
    {"color": BLUE, "marker": "o"},
    {"color": ORANGE, "marker": "s"},
    {"color": GREEN, "marker": "^"},
    {"color": GRAY, "marker": "D"},
]


class Column(NamedTuple):
    """What is drawn of a network of continuous width."""

    s: Tensor
    functions: Sequence[Tensor]  # the first weight function and the first bias over s
    steps: Sequence[Tensor]  # the same in so many equal cells, or none
    kernel: Tensor  # s down, s' to the right


def kernels(columns: Mapping[str, Column]) -> Figure:
    """The first weight function, the first bias and the kernel of two networks, each a column (Figure 1)."""
    figure, axes = plt.subplots(3, 2, figsize=(WIDTH, 5.7), height_ratios=[1, 1, 1.9], sharex=True)
    for (*rows, picture), (name, column) in zip(axes.T, columns.items(), strict=True):
        for ax, function in zip(rows, column.functions, strict=True):
            ax.axhline(0, color=GRAY, linewidth=0.8)
            ax.plot(column.s, function, color=BLUE, linewidth=1.6)
        for ax, values in zip(rows, column.steps, strict=False):
            ax.stairs(values, np.linspace(-1, 1, len(values) + 1), color=ORANGE, baseline=None)
        rows[0].set_title(name, fontsize=10, color=GRAY)
        _picture(picture, column.kernel)
        picture.set_xlabel("$s'$")
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


def sampled_kernel(s: Tensor, curve: Tensor, samples: Mapping[int, tuple[Tensor, Tensor, Tensor]]) -> Interactive:
    """A bias and the kernel, sampled at M midpoints: a slider for M. Every cell has the value at its middle.

    For each M the midpoints, the bias there, and the kernel.
    """
    from plotly.subplots import make_subplots

    start, drawn = 3, []
    for size, (places, bias, kernel) in samples.items():
        edges = np.repeat(np.linspace(-1, 1, size + 1), 2)[1:-1]
        drawn.append([_short(edges), _short(bias.repeat_interleave(2)), _short(places), _short(kernel)])
    bound = max(float(z.abs().max()) for *_, z in samples.values())
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
        for size, (e, v, m, z) in zip(samples, drawn, strict=True)
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


def _picture(ax: Axes, values: Tensor) -> None:
    """A kernel: s down, s' to the right, orange below zero and blue above."""
    bound = float(values.abs().max())
    ax.imshow(values.numpy(), cmap=_COLORS, vmin=-bound, vmax=bound, extent=(-1, 1, 1, -1), interpolation="nearest")
    ax.grid(False)
    ax.set_yticks([-1, 0, 1])


def _short(values: Any) -> list[Any]:
    return np.round(np.asarray(values, dtype=float), 3).tolist()
