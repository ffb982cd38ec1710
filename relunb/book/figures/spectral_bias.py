"""Pictures of the chapter "Spectral bias"."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider


def rates_by_frequency(
    periods: Tensor, relu: Tensor, by_scale: Mapping[float, tuple[Tensor, Tensor, float]]
) -> Interactive:
    """How fast fixed features learn each frequency, relative to the fastest one, with a slider for the scale c.

    Periods are those on a picture. For each scale the rates of the wavelet and the Gaussian, and the sine's place.
    """
    import plotly.graph_objects as go

    def drawn(scale: float) -> tuple[list[list[float]], list[list[float]]]:
        wavelet, gaussian, sine = by_scale[scale]
        x = [periods.tolist(), periods.tolist(), [sine] * 2]
        y = [wavelet.clamp(min=1e-9).tolist(), gaussian.clamp(min=1e-9).tolist(), [1e-9, 1.0]]
        return x, [[float(f"{n:.4g}") for n in line] for line in y]

    scales = list(by_scale)
    start = scales.index(8.0)
    figure: Any = go.Figure()
    figure.add_scatter(x=periods.numpy(), y=relu.numpy(), name="ReLU", line={"color": GRAY, "width": 2})
    x, y = drawn(scales[start])
    for name, color, one, other in zip(("ψ", "Gaussian", "sine"), (BLUE, GREEN, ORANGE), x, y, strict=True):
        figure.add_scatter(x=one, y=other, name=name, line={"color": color, "width": 3}, mode="lines")
    octaves = [2.0**n for n in range(7)]
    marks = {"color": GRAY, "size": 9, "symbol": "diamond-open"}
    figure.add_scatter(x=octaves, y=[1.0] * 7, name="octaves", mode="markers", marker=marks)
    steps = []
    for scale in scales:
        x, y = drawn(scale)
        steps.append({"method": "restyle", "label": f"{scale:.3g}", "args": [{"x": x, "y": y}, [1, 2, 3]]})
    figure.update_layout(
        sliders=slider(steps, start, "c: ", pad=45),
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 55, "r": 10, "t": 10, "b": 10},
        height=430,
    )
    ticks = [0.5, 1, 2, 4, 8, 16, 32, 64]
    figure.update_xaxes(type="log", title="periods on a picture", tickvals=ticks, gridcolor=GRID, zeroline=False)
    figure.update_yaxes(type="log", title="rate of learning", range=[-6.2, 0.4], gridcolor=GRID, zeroline=False)
    powers = range(-6, 1)
    figure.update_yaxes(tickvals=[10.0**n for n in powers], ticktext=[f"10<sup>{n}</sup>" for n in powers])
    return Interactive(
        figure, "The rate of learning over frequency for ReLU, the wavelet, a Gaussian and a sine, with a slider for c."
    )


def what_is_left(shares: Mapping[str, Tensor], bands: Sequence[str]) -> Figure:
    """For each network, (steps, bands): the share of the picture's power in a band that the network still misses."""
    rows = -(-len(shares) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(WIDTH, 0.6 + 2.05 * rows), sharex=True, sharey=True, squeeze=False)
    colors = mpl.colormaps["plasma"](np.linspace(0.05, 0.8, len(bands)))
    for ax in axes.flat[len(shares) :]:
        ax.axis("off")
    for ax, (name, share) in zip(axes.flat, shares.items(), strict=False):
        for band, color, line in zip(bands, colors, share.T, strict=True):
            ax.plot(range(1, 1 + len(line)), line, color=color, linewidth=1.8, label=band)
        ax.axhline(1, color=GRAY, linewidth=0.8, linestyle="--")
        ax.set_title(name, fontsize=10, color=GRAY)
        ax.set(xscale="log", yscale="log", ylim=(1e-3, 20))
    for ax in axes[-1]:
        ax.set_xlabel("steps + 1")
    for ax in axes[:, 0]:
        ax.set_ylabel("share left")
    lines = axes[0, 0].lines[: len(bands)]
    figure.legend(lines, bands, ncols=len(bands), loc="outside upper center", fontsize=9, handlelength=1.2)
    return figure
