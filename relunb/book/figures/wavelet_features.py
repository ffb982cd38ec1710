"""Pictures of the chapter "Conditioning of wavelet features"."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider

_FILLS = {BLUE: "rgba(31,95,168,.13)", ORANGE: "rgba(200,80,10,.13)", GREEN: "rgba(46,125,50,.13)", GRAY: GRID}


class Place(NamedTuple):
    """One position of a slider, a symmetric matrix."""

    discs: tuple[Tensor, Tensor]  # centers and radii, one a row
    eigenvalues: Tensor
    kappa: float
    bound: float  # of kappa, by the discs: infinite where they hold zero


def discs_over_factor(places: Mapping[float, Place], level: Tensor) -> Interactive:
    """Gershgorin's discs of a dyadic system, with a slider for p in the factor 2^(pj) of level j, one a row."""
    return _sliding(
        places,
        {f"level {j}": level == j for j in sorted(set(level.tolist()))},
        start=2,
        prefix="exponent p of the factor 2^(pj): ",
        window=((-0.04, 0.36), (-0.12, 0.12)),
        alt="Discs and eigenvalues of four levels of wavelets, with a slider for the factor of a level.",
    )


def discs_over_spacing(places: Mapping[float, Place]) -> Interactive:
    """Gershgorin's discs of one row of wavelets, with a slider for the distance of neighbours."""
    return _sliding(
        places,
        {"discs": slice(None)},
        start=6,
        prefix="spacing s: ",
        window=((-0.22, 0.56), (-0.38, 0.38)),
        alt="Discs and eigenvalues of sixteen shifted wavelets, with a slider for their spacing.",
    )


def _sliding(
    places: Mapping[float, Place],
    groups: Mapping[str, Any],
    *,
    start: int,
    prefix: str,
    window: tuple[tuple[float, float], tuple[float, float]],
    alt: str,
) -> Interactive:
    """Discs, one color a group of rows, eigenvalues as dots in them, and a line at zero, which a slider moves."""
    import plotly.graph_objects as go

    traces = [_traces(place, groups) for place in places.values()]
    titles = [_title(place) for place in places.values()]
    colors = [BLUE, ORANGE, GREEN, GRAY][: len(groups)]
    figure = go.Figure()
    (*circles_x, values), (*circles_y, zeros) = traces[start]
    for x, y, name, color in zip(circles_x, circles_y, groups, colors, strict=True):
        line = {"color": color, "width": 1.2}
        figure.add_scatter(
            x=x, y=y, name=name, mode="lines", line=line, fill="toself", fillcolor=_FILLS[color], hoverinfo="skip"
        )
    figure.add_scatter(
        x=values,
        y=zeros,
        name="eigenvalues",
        mode="markers",
        marker={"color": ORANGE if len(groups) == 1 else BLUE, "size": 7, "line": {"color": "white", "width": 1}},
        hovertemplate="eigenvalue %{x:.5f}<extra></extra>",
    )
    steps = [
        {"method": "update", "label": f"{n:g}", "args": [dict(zip("xy", trace, strict=True)), {"title.text": title}]}
        for n, trace, title in zip(places, traces, titles, strict=True)
    ]
    figure.add_vline(x=0, line={"color": GRAY, "dash": "dot", "width": 2})
    figure.update_layout(
        sliders=slider(steps, start, prefix, pad=45),
        xaxis={"title": "real part", "range": window[0], "gridcolor": GRID, "zeroline": False},
        yaxis={"range": window[1], "gridcolor": GRID, "scaleanchor": "x", "zeroline": False},
        showlegend=False,
        title={"text": titles[start], "x": 0.02, "y": 0.97, "yanchor": "top", "font": {"size": 15}},
        margin={"l": 40, "r": 10, "t": 45, "b": 10},
        height=440,
    )
    return Interactive(figure, alt)


def _traces(place: Place, groups: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """x and y of each trace: the circles of each group, and then the eigenvalues."""
    centers, radii = place.discs
    circles = [_circles(centers[rows], radii[rows]) for rows in groups.values()]
    xs: list[Any] = [x for x, _ in circles] + [[float(f"{value:.6g}") for value in place.eigenvalues.tolist()]]
    ys: list[Any] = [y for _, y in circles] + [[0.0] * len(place.eigenvalues)]
    return xs, ys


def _title(place: Place) -> str:
    bound = "the discs hold zero"
    if place.bound < math.inf:
        bound = f"at most {math.ceil(100 * place.bound - 1e-6) / 100:.2f} by the discs"  # never rounded down
    return f"κ = {place.kappa:.2f}, {bound}" if place.kappa < 1000 else f"κ = {place.kappa:,.0f}, {bound}"


def _circles(centers: Tensor, radii: Tensor) -> tuple[list[float | None], list[float | None]]:
    """Outlines of the discs that differ, with a gap between two of them."""
    turn = np.linspace(0, 2 * np.pi, 61)
    x: list[float | None] = []
    y: list[float | None] = []
    for center, radius in sorted(
        {(round(c, 5), round(r, 5)) for c, r in zip(centers.tolist(), radii.tolist(), strict=True)}
    ):
        x += [*(center + radius * np.cos(turn)).round(4).tolist(), None]
        y += [*(radius * np.sin(turn)).round(4).tolist(), None]
    return x, y


def symbol(
    curve: tuple[Tensor, Tensor],
    dots: tuple[Tensor, Tensor],
    ends: Sequence[float],
    gaps: Mapping[int, float],
    predicted: Mapping[int, float],
) -> Figure:
    """Above, the symbol with the eigenvalues of one block on it and the ends of the discs; below, 9/4 - kappa by n."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.2))
    above.plot(*curve, color=BLUE, label=r"$f(\theta)$")
    above.plot(*dots, "o", color=ORANGE, markersize=6, label=f"eigenvalues, {len(dots[0])} neurons")
    for end, label in zip(ends, ("ends of the discs", None), strict=True):
        above.axhline(float(end), color=GRAY, linestyle="--", linewidth=1.3, label=label)
    above.set(xlabel=r"$\theta$", xticks=[0, math.pi / 2, math.pi], xticklabels=["0", r"$\pi/2$", r"$\pi$"])
    above.set(ylim=(0.08, 0.25), ylabel="eigenvalue")
    above.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1)
    label = r"$\frac{75}{64}\,\pi^2/n^2$"
    below.loglog(list(predicted), list(predicted.values()), ":", color=GRAY, label=label)
    below.loglog(list(gaps), list(gaps.values()), "o", color=BLUE, markersize=5, label=r"$\frac{9}{4}-\kappa$")
    below.set(xlabel="neurons $n$ of the finest level", ylabel="distance from 9/4")
    below.legend(fontsize=10)
    return figure


def pulse(
    seconds: Tensor, signal: Tensor, fit: Tensor, errors: Mapping[str, Sequence[float]], promised: Sequence[float]
) -> Figure:
    """Above, a signal and its fit; below, what is missing of each best fit by step, and the promise for wavelets."""
    figure, (wave, decay) = plt.subplots(2, 1, figsize=(WIDTH, 5.2))
    wave.plot(seconds, signal, color=GRAY, linewidth=1.5, label="pulse")
    wave.plot(seconds, fit, color=BLUE, linewidth=1.2, label="fit")
    wave.set(xlabel="seconds", xlim=(0, float(seconds[-1])), ylabel="standard deviations")
    wave.legend(fontsize=9, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for (name, values), color, marker in zip(errors.items(), (BLUE, ORANGE), ("o", "s"), strict=True):
        decay.semilogy(range(len(values)), values, marker, color=color, markersize=4, label=name)
    decay.semilogy(range(len(promised)), promised, ":", color=GRAY, label="5/13 a step")
    decay.set(xlabel="steps of gradient descent", ylabel="missing of the best fit")
    decay.legend(fontsize=9)
    return figure
