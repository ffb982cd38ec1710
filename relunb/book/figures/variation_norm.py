"""Pictures of the chapter "The variation norm"."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider


def jumps(knots: Sequence[Any], values: Sequence[Any], exact: Sequence[Any]) -> Figure:
    """The wavelet with its values at its kinks, and below by how much its slope jumps at each of them, exactly."""
    places, heights, weights = (np.array(row, dtype=float) for row in (knots, values, exact))
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 4.4), sharex=True)
    above.plot([-0.5, *places, 3.5], [0, *heights, 0], color=BLUE)
    above.plot(places, heights, "o", color=BLUE, markersize=5)
    above.set_ylabel(r"$\psi(x)$")
    for sign, color in ((1, GREEN), (-1, ORANGE)):
        chosen = weights * sign > 0
        below.vlines(places[chosen], 0, weights[chosen], color=color, linewidth=2)
        below.plot(places[chosen], weights[chosen], "o", color=color, markersize=5)
    for place, name, weight in zip(places, exact, weights, strict=True):
        side = 6 if weight > 0 else -6
        aligned = {"ha": "center", "va": "bottom" if weight > 0 else "top"}
        below.annotate(str(name), (place, weight), (0, side), textcoords="offset points", fontsize=9, **aligned)
    below.axhline(0, color=GRAY, linewidth=0.8)
    below.set(xlabel="$x$", ylabel="jump of the slope", ylim=(-7.2, 5.4))
    return figure


def shifted_pair(x: Any, first: Any, pairs: Mapping[float, tuple[Any, Any]], totals: Sequence[float]) -> Interactive:
    """Two wavelets, a slider for the shift of the second, and the total variation of the slope of their sum.

    ``pairs`` has the second and the sum for each shift, over ``x``; ``totals`` has the total variation.
    """
    from plotly.subplots import make_subplots

    start, places = 4, list(pairs)
    figure = make_subplots(rows=2, cols=1, row_heights=[0.6, 0.4], vertical_spacing=0.16)
    figure.add_scatter(x=x, y=first, line={"color": GRAY, "dash": "dot", "width": 1.5}, name="first", row=1, col=1)
    drawn = [[np.round(curve, 6).tolist() for curve in pair] for pair in pairs.values()]
    figure.add_scatter(x=x, y=drawn[start][0], line={"color": GRAY, "width": 1.5}, name="second", row=1, col=1)
    figure.add_scatter(x=x, y=drawn[start][1], line={"color": BLUE, "width": 3}, name="sum", row=1, col=1)
    figure.add_scatter(
        x=places, y=totals, mode="markers", marker={"color": GRAY, "size": 5}, showlegend=False, row=2, col=1
    )
    figure.add_scatter(
        x=[places[start]],
        y=[totals[start]],
        mode="markers",
        marker={"color": ORANGE, "size": 12},
        name="total variation",
        row=2,
        col=1,
    )
    steps = [
        {
            "method": "restyle",
            "label": f"{place:g}",
            "args": [
                {"x": [x.tolist(), x.tolist(), [place]], "y": [*curves, [total]]},
                [1, 2, 4],
            ],
        }
        for place, total, curves in zip(places, totals, drawn, strict=True)
    ]
    figure.update_layout(
        sliders=slider(steps, start, "shift: ", pad=45),
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 45, "r": 10, "t": 10, "b": 10},
        height=500,
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False)
    figure.update_yaxes(gridcolor=GRID, zerolinecolor=GRID)
    figure.update_xaxes(title="x", range=[-0.5, 6.8], row=1, col=1)
    figure.update_xaxes(title="shift", range=[-0.1, 3.6], row=2, col=1)
    figure.update_yaxes(range=[-1.2, 1.8], row=1, col=1)
    figure.update_yaxes(title="bends", range=[0, 36], row=2, col=1)
    return Interactive(
        figure, "Two wavelets, a slider for the shift of one, and how much the slope of their sum varies."
    )


def norms_and_errors(scales: Sequence[float], errors: Tensor, norms: Mapping[str, Tensor], least: float) -> Figure:
    """Error between the samples, and norms, (scales, seeds), over the scale: a dot a network, lines for medians."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5), sharex=True)
    above.plot(scales, errors, "o", color=BLUE, markersize=4, alpha=0.5)
    above.plot(scales, errors.median(1).values, color=BLUE)
    above.set(xscale="log", yscale="log", ylabel="error to the target")
    for (name, norm), color, marker in zip(norms.items(), (ORANGE, GREEN), "os", strict=True):
        below.plot(scales, norm, marker, color=color, markersize=4, alpha=0.5)
        below.plot(scales, norm.median(1).values, color=color, label=name)
    below.axhline(least, color=GRAY, linestyle="--", linewidth=1.3, label="least possible")
    below.set(xscale="log", yscale="log", xlabel="scale $c$", ylabel="variation norm")
    below.set_xticks(list(scales))
    below.xaxis.set_major_formatter(ScalarFormatter())
    below.xaxis.set_minor_formatter(NullFormatter())
    below.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
