"""Pictures of the chapter "Conditioning of ReLU features"."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider


def growth(widths: Any, lines: Mapping[str, Any], exact: Mapping[int, tuple[float, float]], limit: float) -> Figure:
    """Above, kappa and K^3; below, kappa/K^4, its bounds and its limit. Dots: for each K the exact kappa, kappa/K^4."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5), sharex=True)
    kappa, ratio = zip(*exact.values(), strict=True)
    above.loglog(widths, lines["kappa"], color=BLUE, label=r"$\kappa$")
    above.loglog(list(exact), kappa, "o", color=ORANGE, markersize=5, label="exact matrix")
    above.loglog(widths, lines["cube"], "--", color=GRAY, linewidth=1.3, label="$K^3$")
    above.set(ylabel=r"$\kappa$")
    below.semilogx(widths, lines["ratio"], color=BLUE)
    below.semilogx(list(exact), ratio, "o", color=ORANGE, markersize=5)
    below.semilogx(widths, lines["upper"], ":", color=GREEN, linewidth=1.5, label="bounds")
    below.semilogx(widths, lines["lower"], ":", color=GREEN, linewidth=1.5)
    below.axhline(limit, color=GRAY, linestyle="--", linewidth=1.3, label=r"$48/\beta_1^4$")
    below.set(xlabel="width $K$", ylabel=r"$\kappa/K^4$", ylim=(2, 6))
    for ax in (above, below):
        ax.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def modes(weights: Any, networks: Any, beams: Any, times: Sequence[float]) -> Interactive:
    """Modes of ReLUs, slowest last: weights, the network with these weights, and a beam; a slider.

    Each of the three is a pair, its places and its values (place, mode). A mode is learned in so many steps.
    """
    from plotly.subplots import make_subplots

    k = len(times)
    (biases, *_), (mesh, *_), (x, *_) = drawn = [
        [np.asarray(part).round(4) for part in pair] for pair in (weights, networks, beams)
    ]
    tables = [values.T.tolist() for _, values in drawn]
    titles = [f"weights of mode {n + 1}: {_steps(time)} to learn" for n, time in enumerate(times)]
    start = 2
    below = "the network with these weights"
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.16, subplot_titles=(titles[start], below))
    stems: dict[str, Any] = {"width": 0.3 * 2 / k, "marker": {"color": ORANGE, "line": {"width": 0}}}
    figure.add_bar(x=biases, y=tables[0][start], showlegend=False, row=1, col=1, **stems)
    line: dict[str, Any] = {"line": {"color": BLUE, "width": 2.5}, "name": "network"}
    figure.add_scatter(x=mesh, y=tables[1][start], row=2, col=1, **line)
    dots: dict[str, Any] = {"line": {"color": GRAY, "width": 1.5, "dash": "dot"}, "name": "beam"}
    figure.add_scatter(x=x, y=tables[2][start], row=2, col=1, **dots)
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


def _steps(time: float) -> str:
    if time >= 1e6:
        return f"{time / 1e6:.1f} million steps"
    return "1 step" if time < 1.5 else f"{time:,.0f} steps"


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
