"""Pictures of the chapter "Conditioning of ReLU features"."""

import math
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider
from ...wavelet import relu_condition_number


def _biases(k: int) -> Tensor:
    return -1 + 2 * torch.arange(k, dtype=torch.float64) / k


def three_neighbours(k: int = 16, first: int = 5) -> Figure:
    """Left, k ReLUs on [-1, 1], three neighbours in color. Right, those three with weights 1, -2, 1, on one scale."""
    x = torch.linspace(-1, 1, 16 * k + 1, dtype=torch.float64)
    features = torch.relu(x - _biases(k)[:, None])
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 2.5), sharey=True)
    for feature in features:
        left.plot(x, feature, color=GRAY, linewidth=0.8, alpha=0.6)
    for feature, color in zip(features[first : first + 3], (BLUE, ORANGE, GREEN), strict=True):
        left.plot(x, feature, color=color)
    left.set_title("neurons", fontsize=10, color=GRAY)
    right.plot(x, features[first] - 2 * features[first + 1] + features[first + 2], color=BLUE)
    right.set_title("three, weights 1, −2, 1", fontsize=10, color=GRAY)
    for ax in (left, right):
        ax.set(xlabel="$x$", xticks=(-1, 0, 1), ylim=(-0.1, 2.1))
    return figure


def growth(exact: Mapping[int, float], limit: float) -> Figure:
    """Condition numbers over the width: exact ones (k: kappa) as dots, the function's as a line; and over K^4."""
    widths = np.unique(np.geomspace(2, 2**20, 120).astype(int))
    kappa = np.array([relu_condition_number(int(k)) for k in widths])
    powers = widths.astype(float)
    numbers = np.array(list(exact))
    values = np.array([float(value) for value in exact.values()])
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5), sharex=True)
    above.loglog(widths, kappa, color=BLUE, label=r"$\kappa$")
    above.loglog(numbers, values, "o", color=ORANGE, markersize=5, label="exact matrix")
    above.loglog(widths, powers**3, "--", color=GRAY, linewidth=1.3, label="$K^3$")
    above.set(ylabel=r"$\kappa$")
    below.semilogx(widths, kappa / powers**4, color=BLUE)
    below.semilogx(numbers, values / numbers.astype(float) ** 4, "o", color=ORANGE, markersize=5)
    below.semilogx(widths, 4 * (1 + 1 / powers) ** 2, ":", color=GREEN, linewidth=1.5, label="bounds")
    below.semilogx(widths, np.full(len(widths), 2.4), ":", color=GREEN, linewidth=1.5)
    below.axhline(limit, color=GRAY, linestyle="--", linewidth=1.3, label=r"$48/\beta_1^4$")
    below.set(xlabel="width $K$", ylabel=r"$\kappa/K^4$", ylim=(2, 6))
    for ax in (above, below):
        ax.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def beam_root(n: int) -> float:
    """The n-th positive root of cos(b) cosh(b) = -1, n = 1, 2, ..."""
    b = (n - 0.5) * math.pi if n > 1 else 1.875
    for _ in range(20):
        b -= (math.cos(b) + 1 / math.cosh(b)) / (-math.sin(b) - math.tanh(b) / math.cosh(b))
    return b


def beam_mode(n: int, x: Any) -> np.ndarray:
    """Shape of the n-th mode of a beam on [-1, 1], clamped at -1 and free at 1, largest value 1 in size."""
    b, y = beam_root(n), (np.asarray(x, dtype=float) + 1) / 2
    below_one = (math.sin(b) - math.cos(b) - math.exp(-b)) / (math.sinh(b) + math.sin(b))  # 1 - ratio, no cancelling
    ratio = 1 - below_one
    growing, fading = np.exp(b * y) * below_one / 2, np.exp(-b * y) * (1 + ratio) / 2
    return (growing + fading - np.cos(b * y) + ratio * np.sin(b * y)) / 2


def modes(biases: Tensor, values: Tensor, vectors: Tensor) -> Interactive:
    """Eigenvectors of the Gram matrix of ReLUs, slowest last, and the functions they are the weights of: a slider."""
    from plotly.subplots import make_subplots

    k = len(biases)
    mesh = torch.cat([biases, biases.new_ones(1)])
    functions = torch.relu(mesh[:, None] - biases) @ vectors
    x = np.linspace(-1, 1, 401)
    tables: list[list[list[float]]] = [[], [], []]
    for n in range(k):
        shape = beam_mode(n + 1, x)
        f = functions[:, n] / functions[:, n].abs().max() * (1 if functions[-1, n] * shape[-1] > 0 else -1)
        v = vectors[:, n] / vectors[:, n].abs().max() * (1 if (f * functions[:, n]).sum() > 0 else -1)
        for table, row in zip(tables, (v, f, shape), strict=True):
            table.append([round(float(number), 4) for number in row])
    titles = [f"weights of mode {n + 1}: {_steps(float(values[0] / values[n]))} to learn" for n in range(k)]
    start = 2
    below = "the network with these weights"
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.16, subplot_titles=(titles[start], below))
    stems: dict[str, Any] = {"width": 0.3 * 2 / k, "marker": {"color": ORANGE, "line": {"width": 0}}}
    figure.add_bar(x=biases.numpy().round(4), y=tables[0][start], showlegend=False, row=1, col=1, **stems)
    line: dict[str, Any] = {"line": {"color": BLUE, "width": 2.5}, "name": "network"}
    figure.add_scatter(x=mesh.numpy().round(4), y=tables[1][start], row=2, col=1, **line)
    dots: dict[str, Any] = {"line": {"color": GRAY, "width": 1.5, "dash": "dot"}, "name": "beam"}
    figure.add_scatter(x=x.round(4), y=tables[2][start], row=2, col=1, **dots)
    steps = [
        {
            "method": "update",
            "label": str(n + 1),
            "args": [{"y": [table[n] for table in tables]}, {"annotations[0].text": titles[n]}, [0, 1, 2]],
        }
        for n in range(k)
    ]
    figure.update_layout(
        sliders=slider(steps, start, "mode: ", pad=45),
        legend={"orientation": "h", "y": 1.08, "yanchor": "bottom", "x": 0},
        margin={"l": 40, "r": 10, "t": 60, "b": 10},
        height=520,
    )
    figure.update_xaxes(range=[-1.06, 1.06], gridcolor=GRID, zeroline=False)
    figure.update_xaxes(title="x", title_standoff=4, row=2, col=1)
    figure.update_yaxes(range=[-1.1, 1.1], gridcolor=GRID, zerolinecolor="rgba(128,128,128,.5)")
    alt = (
        "Modes of the Gram matrix of 24 ReLUs, with a slider. The first is a slow bend that takes one step; each has "
        "one wave more, follows a beam at first, and the last is a zigzag that takes over a million steps."
    )
    return Interactive(figure, alt)


def _steps(ratio: float) -> str:
    if ratio >= 1e6:
        return f"{ratio / 1e6:.1f} million steps"
    return "1 step" if ratio < 1.5 else f"{ratio:,.0f} steps"


def descent(x: Tensor, row: Tensor, fits: Mapping[str, Tensor], histories: Mapping[str, Any], best: float) -> Figure:
    """A row of pixels with fits to it; and PSNR over steps, histories are (steps, PSNR), dashed where predicted."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.4))
    above.plot(x, row, ".", color=GRAY, markersize=2.5, label="pixels")
    for (name, fit), color in zip(fits.items(), (ORANGE, GREEN), strict=False):
        above.plot(x, fit, color=color, linewidth=1.6, label=name)
    above.set(xlabel="$x$", ylabel="gray value")
    colors = {"ReLU": ORANGE, "ReLU, predicted": ORANGE, "wavelets": GREEN}
    for name, (steps, psnr) in histories.items():
        below.semilogx(steps, psnr, "--" if "predicted" in name else "-", color=colors[name], label=name)
    below.axhline(best, color=BLUE, linestyle=":", linewidth=1.5, label="least squares")
    below.set(xlabel="steps of gradient descent", ylabel="PSNR (dB)")
    for ax in (above, below):
        ax.legend(fontsize=9, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
