"""Pictures of the chapter "The variation norm"."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider
from ...wavelet import KNOTS, VALUES, WEIGHTS, variation_norm


def jumps() -> Figure:
    """The wavelet with its kinks, and below by how much its slope jumps at each of them."""
    knots, weights = np.array(KNOTS, dtype=float), np.array(WEIGHTS, dtype=float)
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 4.4), sharex=True)
    above.plot([-0.5, *knots, 3.5], [0, *map(float, VALUES), 0], color=BLUE)
    above.plot(knots, np.array(VALUES, dtype=float), "o", color=BLUE, markersize=5)
    above.set_ylabel(r"$\psi(x)$")
    for sign, color in ((1, GREEN), (-1, ORANGE)):
        chosen = weights * sign > 0
        below.vlines(knots[chosen], 0, weights[chosen], color=color, linewidth=2)
        below.plot(knots[chosen], weights[chosen], "o", color=color, markersize=5)
    for knot, exact, weight in zip(knots, WEIGHTS, weights, strict=True):
        side = 6 if weight > 0 else -6
        place = {"ha": "center", "va": "bottom" if weight > 0 else "top"}
        below.annotate(str(exact), (knot, weight), (0, side), textcoords="offset points", fontsize=9, **place)
    below.axhline(0, color=GRAY, linewidth=0.8)
    below.set(xlabel="$x$", ylabel="jump of the slope", ylim=(-7.2, 5.4))
    return figure


def shifted_pair() -> Interactive:
    """Two wavelets, a slider for the shift between them, and the exact total variation of the slope of their sum."""
    from plotly.subplots import make_subplots

    shifts = [Fraction(n, 8) for n in range(29)]
    totals = [float(variation_norm([1, 1], [1, 1], bias=[0, s], exact=True)) for s in shifts]
    x = np.arange(-8, 57) / 8  # every kink of both is one of these points
    knots, values = np.array(KNOTS, dtype=float), np.array(VALUES, dtype=float)
    first = np.interp(x, knots, values)
    start = 4
    figure = make_subplots(rows=2, cols=1, row_heights=[0.6, 0.4], vertical_spacing=0.16)
    figure.add_scatter(x=x, y=first, line={"color": GRAY, "dash": "dot", "width": 1.5}, name="first", row=1, col=1)
    drawn = []
    for shift in shifts:
        second = np.round(np.interp(x - float(shift), knots, values), 6)
        drawn.append([second.tolist(), np.round(first + second, 6).tolist()])
    figure.add_scatter(x=x, y=drawn[start][0], line={"color": GRAY, "width": 1.5}, name="second", row=1, col=1)
    figure.add_scatter(x=x, y=drawn[start][1], line={"color": BLUE, "width": 3}, name="sum", row=1, col=1)
    places = [float(s) for s in shifts]
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
