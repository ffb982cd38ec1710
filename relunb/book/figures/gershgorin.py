"""Pictures of the chapter "Conditioning of wavelet features"."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider
from ...wavelet import (
    dyadic_system,
    gershgorin_interval,
    inner_product,
    toeplitz_symbol,
    wavelet_condition_number,
    wavelet_fourier,
    wavelet_gram,
)

_FILLS = {BLUE: "rgba(31,95,168,.13)", ORANGE: "rgba(200,80,10,.13)", GREEN: "rgba(46,125,50,.13)", GRAY: GRID}
_LOWEST, _HIGHEST = 8 / 81, 2 / 9  # of the symbol


class _State(NamedTuple):
    """One position of a slider: a symmetric matrix, whose rows belong to the groups of ``rows``."""

    label: str
    matrix: Tensor
    rows: Sequence[slice]


def discs_over_factor(levels: int = 4) -> Interactive:
    """Gershgorin's discs of the dyadic system with the factor 2^(pj) instead of 2^(j/2), with a slider for p."""
    level = dyadic_system(levels).level.double()
    ends = [2**j - 1 for j in range(levels + 1)]
    rows = [slice(start, stop) for start, stop in zip(ends, ends[1:], strict=False)]
    gram = wavelet_gram(levels, normalized=False)
    states = []
    for p in (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        factor = 2 ** (p * level)
        states.append(_State(f"{p:g}", factor[:, None] * gram * factor, rows))
    return _sliding(
        states,
        [f"level {j}" for j in range(levels)],
        start=2,
        prefix="exponent p of the factor 2^(pj): ",
        window=((-0.04, 0.36), (-0.12, 0.12)),
        alt="Discs and eigenvalues of four levels of wavelets, with a slider for the factor of a level.",
    )


def discs_over_spacing(neurons: int = 16) -> Interactive:
    """Gershgorin's discs of one row of wavelets, with a slider for the distance of neighbours."""
    states = []
    for spacing in (0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1, 1.25, 1.5, 2, 3):
        shift = spacing * torch.arange(neurons, dtype=torch.float64)
        gram = 2 / 3 * inner_product(1, shift[:, None], 1, shift, -math.inf, math.inf)
        states.append(_State(f"{spacing:g}", gram, [slice(0, neurons)]))
    return _sliding(
        states,
        ["discs"],
        start=6,
        prefix="spacing s: ",
        window=((-0.22, 0.56), (-0.38, 0.38)),
        alt="Discs and eigenvalues of sixteen shifted wavelets, with a slider for their spacing.",
    )


def _sliding(
    states: Sequence[_State],
    names: Sequence[str],
    *,
    start: int,
    prefix: str,
    window: tuple[tuple[float, float], tuple[float, float]],
    alt: str,
) -> Interactive:
    """Discs, one color a group of rows, eigenvalues as dots in them, and a line at zero, which a slider moves."""
    import plotly.graph_objects as go

    frames = [_frame(state) for state in states]
    colors = [BLUE, ORANGE, GREEN, GRAY][: len(names)]
    figure = go.Figure()
    (*circles_x, values), (*circles_y, zeros) = frames[start][0]
    for x, y, name, color in zip(circles_x, circles_y, names, colors, strict=True):
        line = {"color": color, "width": 1.2}
        figure.add_scatter(
            x=x, y=y, name=name, mode="lines", line=line, fill="toself", fillcolor=_FILLS[color], hoverinfo="skip"
        )
    figure.add_scatter(
        x=values,
        y=zeros,
        name="eigenvalues",
        mode="markers",
        marker={"color": ORANGE if len(names) == 1 else BLUE, "size": 7, "line": {"color": "white", "width": 1}},
        hovertemplate="eigenvalue %{x:.5f}<extra></extra>",
    )
    traces = [trace for trace, _ in frames]
    titles = [title for _, title in frames]
    steps = [
        {"method": "update", "label": state.label, "args": [dict(zip("xy", trace, strict=True)), {"title.text": title}]}
        for state, trace, title in zip(states, traces, titles, strict=True)
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


def _frame(state: _State) -> tuple[tuple[list[Any], list[Any]], str]:
    """x and y of each trace, the circles of each group and then the eigenvalues, and what stands above them."""
    centers, radii = gershgorin_interval(state.matrix).discs
    values = torch.linalg.eigvalsh(state.matrix)
    circles = [_circles(centers[rows], radii[rows]) for rows in state.rows]
    xs: list[Any] = [x for x, _ in circles] + [[float(f"{value:.6g}") for value in values.tolist()]]
    ys: list[Any] = [y for _, y in circles] + [[0.0] * len(values)]
    low, high = gershgorin_interval(state.matrix).interval
    bound = "the discs hold zero"
    if low > 0:
        bound = f"at most {math.ceil(100 * float(high / low) - 1e-6) / 100:.2f} by the discs"  # never rounded down
    kappa = float(values[-1] / values[0])
    return (xs, ys), f"κ = {kappa:.2f}, {bound}" if kappa < 1000 else f"κ = {kappa:,.0f}, {bound}"


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


def symbol(neurons: int = 8, levels: int = 12) -> Figure:
    """Above, the symbol with the eigenvalues of one block on it; below, how far kappa is from 9/4."""
    figure, (curve, gap) = plt.subplots(2, 1, figsize=(WIDTH, 5.2))
    theta = torch.linspace(0, math.pi, 200, dtype=torch.float64)
    curve.plot(theta, toeplitz_symbol(theta), color=BLUE, label=r"$f(\theta)$")
    block = wavelet_gram(neurons.bit_length())[-neurons:, -neurons:]
    values = torch.linalg.eigvalsh(block)
    angles = ((10 - (324 - 1296 * values).sqrt()) / 4).acos()  # where f has these values
    curve.plot(angles, values, "o", color=ORANGE, markersize=6, label=f"eigenvalues, {neurons} neurons")
    for bound in gershgorin_interval(block).interval:
        label = "ends of the discs" if float(bound) < 0.15 else None
        curve.axhline(float(bound), color=GRAY, linestyle="--", linewidth=1.3, label=label)
    curve.set(xlabel=r"$\theta$", xticks=[0, math.pi / 2, math.pi], xticklabels=["0", r"$\pi/2$", r"$\pi$"])
    curve.set(ylim=(0.08, 0.25), ylabel="eigenvalue")
    curve.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1)
    n = 2.0 ** np.arange(levels)
    gaps = [9 / 4 - wavelet_condition_number(j + 1) for j in range(levels)]
    gap.loglog(n[3:], 75 / 64 * math.pi**2 / n[3:] ** 2, ":", color=GRAY, label=r"$\frac{75}{64}\,\pi^2/n^2$")
    gap.loglog(n, gaps, "o", color=BLUE, markersize=5, label=r"$\frac{9}{4}-\kappa$")
    gap.set(xlabel="neurons $n$ of the finest level", ylabel="distance from 9/4")
    gap.legend(fontsize=10)
    return figure


def copies(most: int = 3) -> Figure:
    """The squared transform of psi and its copies, 2 pi apart, and their sum, the symbol, with its bounds."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.4))
    theta = torch.linspace(-2 * math.pi, 2 * math.pi, 501, dtype=torch.float64)
    for k in range(-most, most + 1):
        copy = 2 / 3 * wavelet_fourier(theta + 2 * math.pi * k).abs().square()
        label = r"$\frac{2}{3}|\widehat\psi(\theta+2\pi k)|^2$" if k == 0 else None
        ax.plot(theta, copy, color=ORANGE, linewidth=1.2, alpha=1 if k == 0 else 0.55, label=label)
    ax.plot(theta, toeplitz_symbol(theta), color=BLUE, label=r"sum over $k$: $f(\theta)$")
    for bound in (_LOWEST, _HIGHEST):
        ax.axhline(bound, color=GRAY, linestyle="--", linewidth=1.2)
    ticks = range(-2, 3)
    names = [r"$-2\pi$", r"$-\pi$", "0", r"$\pi$", r"$2\pi$"]
    ax.set(xlabel=r"$\theta$", xticks=[k * math.pi for k in ticks], xticklabels=names, ylim=(0, 0.25))
    ax.legend(fontsize=9, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def pulse(seconds: Tensor, signal: Tensor, fit: Tensor, errors: Mapping[str, Sequence[float]]) -> Figure:
    """Above, a signal and its fit; below, what is missing of each best fit by step, and the promise for wavelets."""
    figure, (wave, decay) = plt.subplots(2, 1, figsize=(WIDTH, 5.2))
    wave.plot(seconds, signal, color=GRAY, linewidth=1.5, label="pulse")
    wave.plot(seconds, fit, color=BLUE, linewidth=1.2, label="fit")
    wave.set(xlabel="seconds", xlim=(0, float(seconds[-1])), ylabel="standard deviations")
    wave.legend(fontsize=9, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for (name, values), color, marker in zip(errors.items(), (BLUE, ORANGE), ("o", "s"), strict=True):
        decay.semilogy(range(len(values)), values, marker, color=color, markersize=4, label=name)
    steps = np.arange(max(map(len, errors.values())))
    decay.semilogy(steps, (5 / 13) ** steps, ":", color=GRAY, label="5/13 a step")
    decay.set(xlabel="steps of gradient descent", ylabel="missing of the best fit")
    decay.legend(fontsize=9)
    return figure
