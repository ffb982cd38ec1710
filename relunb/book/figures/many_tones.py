"""Pictures of the chapter "Many tones: a walk in the plane"."""

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider
from ...spectrum import intermodulation, multitone_dc

OWN = [(1, 0), (0, 1)]
LOWEST, HIGHEST = 1 / math.sqrt(2 * math.pi), math.sqrt(2) / math.pi  # of DC / RMS, phases independent


def walks(amplitudes: Tensor, angles: Tensor, shown: int = 12) -> Figure:
    """Walks with these steps in these directions, (walks, steps), and how long they are, with the mean length."""
    steps = torch.polar(amplitudes.expand_as(angles), angles)
    places = torch.cat([torch.zeros_like(steps[:, :1]), steps.cumsum(-1)], -1).numpy()
    lengths = np.abs(places[:, -1])
    figure, (plane, histogram) = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    for place in places[:shown]:
        plane.plot(np.real(place), np.imag(place), color=GRAY, linewidth=1)
    plane.plot(np.real(places[:shown, -1]), np.imag(places[:shown, -1]), "o", color=BLUE, markersize=5)
    plane.plot(0, 0, "o", color=ORANGE, markersize=6)
    turn = np.linspace(0, 2 * np.pi, 200)
    plane.plot(lengths.mean() * np.cos(turn), lengths.mean() * np.sin(turn), ":", color=ORANGE, linewidth=1.5)
    plane.set(aspect="equal", xlabel="real part", ylabel="imaginary part")
    histogram.hist(lengths, bins=60, density=True, color=BLUE, alpha=0.6)
    histogram.axvline(lengths.mean(), color=ORANGE, linestyle=":", label=f"mean {lengths.mean():.3f}")
    histogram.set(xlabel="length $R$", ylabel="density", xlim=(0, None))
    histogram.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def ratios(sets: dict[int, Tensor], most: int = 20) -> Figure:
    """DC over RMS of equal tones, of the sets of amplitudes (sets, tones) by number of tones, and the two bounds."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.2))
    numbers = np.arange(1, most + 1)
    equal = [multitone_dc([1.0] * n).item() / math.sqrt(n / 2) for n in range(1, most + 1)]
    for index, (n, amplitudes) in enumerate(sets.items()):
        rms = (amplitudes.square().sum(-1) / 2).sqrt()
        shift = torch.linspace(-0.25, 0.25, len(amplitudes))
        label = "random" if index == 0 else None
        ax.plot(n + shift, multitone_dc(amplitudes) / rms, ".", color=GRAY, markersize=3, label=label)
    ax.plot(numbers, equal, "o", color=BLUE, markersize=5, label="equal")
    for bound, color, label in ((HIGHEST, ORANGE, r"$\sqrt{2}/\pi$"), (LOWEST, GREEN, r"$1/\sqrt{2\pi}$")):
        ax.axhline(bound, color=color, linestyle="--", linewidth=1.5, label=label)
    ax.set(xlabel="number of tones", ylabel="DC / RMS", ylim=(0.39, 0.46), xticks=[1, 5, 10, 15, 20])
    ax.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, columnspacing=1)
    return figure


def _orders(highest: int) -> list[tuple[int, int]]:
    """One of k and -k, for two tones, by their order |k1| + |k2|."""
    half = [
        (k1, k2)
        for k1 in range(highest + 1)
        for k2 in range(-highest, highest + 1)
        if k1 + abs(k2) <= highest and (k1 > 0 or k2 >= 0)
    ]
    return sorted(half, key=lambda k: (k[0] + abs(k[1]), -k[0], -k[1]))


def lines_over_ratio(highest: int = 6) -> Interactive:
    """The lines of ReLU of two tones, the second sqrt(2) as fast, with a slider for its amplitude."""
    import plotly.graph_objects as go

    ratio = torch.linspace(0, 1.5, 16, dtype=torch.float64)
    amplitudes = torch.stack([torch.ones_like(ratio), ratio], -1)
    groups = {
        "even order: new": (BLUE, [k for k in _orders(highest) if sum(map(abs, k)) % 2 == 0]),
        "order 1: the input's, halved": (ORANGE, OWN),
        "odd order from 3 on: zero": (GRAY, [k for k in _orders(highest) if sum(map(abs, k)) % 2 and k not in OWN]),
    }
    floor = 1e-4
    sizes: dict[tuple[int, int], np.ndarray] = {}
    figure = go.Figure()
    heights = []
    start = 5
    for name, (color, orders) in groups.items():
        place = [round(abs(k1 + math.sqrt(2) * k2), 4) for k1, k2 in orders]
        if color == GRAY:
            figure.add_scatter(
                x=place,
                y=[1.3 * floor] * len(place),
                mode="markers",
                marker={"color": color, "symbol": "x", "size": 7},
                text=[f"k = {k}: zero" for k in orders],
                hovertemplate="%{text}<br>at %{x:.3f}<extra></extra>",
                name=name,
            )
            continue
        rows = []
        for k1, k2 in orders:  # a sum and a difference tone are equally high
            if (k1, abs(k2)) not in sizes:
                sizes[k1, abs(k2)] = intermodulation(amplitudes, (k1, abs(k2))).abs().numpy()
            rows.append(sizes[k1, abs(k2)])
        table = [[float(f"{h:.4g}") if h > 1e-9 else 0 for h in column] for column in np.stack(rows, 1)]
        heights.append(table)
        figure.add_bar(
            x=place,
            y=table[start],
            width=0.07,
            marker={"color": color, "line": {"width": 0}},
            text=["DC" if k == (0, 0) else f"k = {k}" for k in orders],
            textposition="none",
            hovertemplate="%{text}<br>at %{x:.3f}<br>height %{y:.4g}<extra></extra>",
            name=name,
        )
    steps = [
        {"method": "restyle", "label": f"{value:g}", "args": [{"y": [table[i] for table in heights]}, [0, 1]]}
        for i, value in enumerate(round(v, 3) for v in ratio.tolist())
    ]
    figure.update_layout(
        sliders=slider(steps, start, "second amplitude: ", pad=45),
        xaxis={"title": "frequency, first tone = 1", "range": [-0.2, 8.7], "gridcolor": GRID},
        yaxis={
            "type": "log",
            "range": [-4, 0],
            "title": "|line|",
            "gridcolor": GRID,
            "dtick": 1,
            "exponentformat": "power",
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        barmode="overlay",
        margin={"l": 55, "r": 10, "t": 10, "b": 10},
        height=440,
    )
    return Interactive(figure, "Lines of two rectified tones by frequency, with a slider for the second amplitude.")


def phases(
    angles: Tensor, pairs: dict[str, Tensor], independent: float, many: Tensor, marks: dict[str, float]
) -> Figure:
    """DC of pairs of tones over one phase; and the DC of many phases at once, as a histogram with marks."""
    figure, (curve, histogram) = plt.subplots(2, 1, figsize=(WIDTH, 5))
    for (name, values), color in zip(pairs.items(), (BLUE, ORANGE), strict=True):
        curve.plot(angles / math.pi, values, color=color, label=name)
    curve.axhline(independent, color=GRAY, linestyle="--", linewidth=1.3, label="independent")
    curve.set(xlabel=r"phase $p/\pi$", ylabel="DC", xlim=(0, 2))
    curve.legend(ncols=3, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    histogram.hist(many.numpy(), bins=50, color=BLUE, alpha=0.6, density=True)
    for (name, value), style, color in zip(marks.items(), ("-", "--"), (ORANGE, GRAY), strict=True):
        histogram.axvline(value, color=color, linestyle=style, label=name)
    histogram.set(xlabel="DC of the four tones", ylabel="density")
    histogram.legend(ncols=3, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def two_paths(x: Any, real: Any, imaginary: Any) -> Figure:
    """How large an integrand is on the real axis, and the one that replaces it on the imaginary axis."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.2))
    ax.semilogy(x, np.abs(real), color=ORANGE, linewidth=1.2, label="real axis")
    ax.semilogy(x, np.abs(imaginary), color=BLUE, label="imaginary axis")
    ax.set(xlabel="$u$ and $t$", ylabel="size of the integrand", xlim=(0, float(x[-1])), ylim=(1e-10, 3))
    ax.legend(fontsize=9, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def band(minutes: Tensor, ratio: Tensor, independent: Tensor) -> Figure:
    """DC over RMS of windows over time, as it is and as it would be with independent phases, and the two bounds."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.2))
    ax.axhspan(LOWEST, HIGHEST, color=GREEN, alpha=0.2, linewidth=0)
    ax.plot(minutes, independent, "_", color=GRAY, markersize=8, label="independent phases")
    inside = (ratio > LOWEST) & (ratio < HIGHEST)
    ax.plot(minutes[inside], ratio[inside], "o", color=BLUE, markersize=4, label="inside")
    ax.plot(minutes[~inside], ratio[~inside], "o", color=ORANGE, markersize=4, label="outside")
    ax.set(xlabel="minute", ylabel="DC / RMS")
    ax.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
