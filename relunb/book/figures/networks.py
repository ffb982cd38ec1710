"""Pictures of the chapter "Networks that differentiate and average"."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider
from ...spectrum import amplitude_spectrum, differentiator


def lines(ax: Axes, spectrum: tuple[Tensor, Tensor], *, color: str, upto: float, width: float = 2.0) -> None:
    """Draw every line of a spectrum that is there, as a stick."""
    frequencies, amplitudes = (part.numpy() for part in spectrum)
    shown = (frequencies <= upto) & (amplitudes > 1e-9 * amplitudes.max())
    ax.vlines(frequencies[shown], 0, amplitudes[shown], color=color, linewidth=width)
    ax.set(xlim=(-0.015 * upto, 1.012 * upto), ylim=(0, None))
    ax.margins(y=0.1)


def under_the_gain(before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor], gain: Tensor) -> Figure:
    """Lines before and after a filter whose gain is drawn over them, on a logarithmic scale."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.1))
    frequencies = before[0].numpy()
    ax.semilogy(frequencies, gain.numpy(), color=GRAY, linewidth=1.2, label=r"gain $|H(f)|^5$")
    for (_, amplitudes), color, name, size in ((before, ORANGE, "ReLU", 4.5), (after, GREEN, "averager", 4.5)):
        there = amplitudes.numpy() > 1e-9
        there &= frequencies % 5 == 0
        ax.plot(frequencies[there], amplitudes.numpy()[there], "o", color=color, markersize=size, label=name)
    ax.set(xlim=(-3, 200), ylim=(1e-8, 3), xlabel="frequency (Hz)", ylabel="amplitude, gain")
    ax.legend(fontsize=9, loc="lower left")
    return figure


def layers_of_a_tone() -> Interactive:
    """A slider over the layers of the differentiator, for a tone of 32 samples a period: signal and lines."""
    from plotly.subplots import make_subplots

    samples, depth, start = 32, 8, 1
    n = torch.arange(2 * samples, dtype=torch.float64)
    x = torch.sin(2 * torch.pi / samples * (n - samples // 4 + 0.145))
    net = differentiator(depth)
    titles = ("signal, largest sample 1", "lines, largest line 1")
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.22, subplot_titles=titles)
    figure.add_scatter(x=n.numpy(), y=x.numpy().round(5), line={"color": GRAY, "dash": "dot", "width": 1.5})
    for layer in range(depth + 1):
        y = net[: 1 + 2 * layer](x)
        _, amplitudes = amplitude_spectrum(y, samples)
        bars = (amplitudes[::2] / amplitudes.max()).numpy().round(5)
        shown: dict[str, Any] = {"visible": layer == start, "showlegend": False}
        line: dict[str, Any] = {"mode": "lines+markers", "line": {"color": BLUE, "width": 2}, "marker": {"size": 5}}
        figure.add_scatter(x=n.numpy(), y=(y / y.max()).numpy().round(5), row=1, col=1, **line, **shown)
        figure.add_bar(x=np.arange(len(bars)), y=bars, marker={"color": BLUE}, row=2, col=1, **shown)
    steps = [
        {
            "method": "update",
            "label": str(layer),
            "args": [{"visible": [True, *(trace // 2 == layer for trace in range(2 * depth + 2))]}],
        }
        for layer in range(depth + 1)
    ]
    figure.update_layout(
        sliders=slider(steps, start, "layer: ", pad=50),
        showlegend=False,
        bargap=0.5,
        margin={"l": 40, "r": 10, "t": 30, "b": 10},
        height=500,
    )
    figure.update_xaxes(title="sample", gridcolor=GRID, zeroline=False, title_standoff=4, row=1, col=1)
    figure.update_xaxes(title="harmonic of the tone", gridcolor=GRID, zeroline=False, title_standoff=4, row=2, col=1)
    figure.update_yaxes(gridcolor=GRID, zerolinecolor="rgba(128,128,128,.5)")
    figure.update_yaxes(range=[-1.1, 1.1], row=1, col=1)
    figure.update_yaxes(range=[0, 1.05], row=2, col=1)
    alt = (
        "Layers of the differentiator on a tone, with a slider from 0 to 8. Layer 0 is a half wave with few harmonics; "
        "layer 1 keeps its rising steps; layer 2 two samples a period; layer 8 one impulse a period, with equal lines."
    )
    return Interactive(figure, alt)


def pooling(before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor], gain: Tensor, nyquist: float) -> Figure:
    """A spectrum before and after average pooling, with the gain of the average and the new Nyquist frequency."""
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 3.6), sharex=True, sharey=True)
    top = before[0][-1].item()
    for ax, spectrum, color, name in zip(axes, (before, after), (BLUE, GREEN), ("before", "after"), strict=True):
        lines(ax, spectrum, color=color, upto=top, width=2.5)
        ax.axvline(nyquist, color=ORANGE, linestyle=":", linewidth=1.5)
        ax.set_title(name, fontsize=10, loc="right", color=color)
        ax.set_ylabel("amplitude")
    axes[0].plot(before[0].numpy(), gain.numpy(), color=GRAY, linewidth=1.2)
    axes[0].set_ylim(0, 1.1)
    axes[-1].set_xlabel("frequency (Hz)")
    return figure
