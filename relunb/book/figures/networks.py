"""Pictures of the chapter "Networks that differentiate and average"."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from ...plot._base import BLUE, GRAY, GRID, Interactive, slider


def lines(ax: Axes, spectrum: tuple[Tensor, Tensor], *, color: str, upto: float, width: float = 2.0) -> None:
    """Draw every line of a spectrum that is there, as a stick."""
    frequencies, amplitudes = (part.numpy() for part in spectrum)
    shown = (frequencies <= upto) & (amplitudes > 1e-9 * amplitudes.max())
    ax.vlines(frequencies[shown], 0, amplitudes[shown], color=color, linewidth=width)
    ax.set(xlim=(-0.015 * upto, 1.012 * upto), ylim=(0, None))
    ax.margins(y=0.1)


def layers_of_a_tone(tone: Tensor, layers: Sequence[tuple[Tensor, Tensor]]) -> Interactive:
    """A slider over the layers of the differentiator, for a tone: each layer's signal and lines, the largest 1."""
    from plotly.subplots import make_subplots

    n, start = np.arange(float(len(tone))), 1
    titles = ("signal, largest sample 1", "lines, largest line 1")
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.22, subplot_titles=titles)
    figure.add_scatter(x=n, y=tone.numpy().round(5), line={"color": GRAY, "dash": "dot", "width": 1.5})
    for layer, (signal, bars) in enumerate(layers):
        shown: dict[str, Any] = {"visible": layer == start, "showlegend": False}
        line: dict[str, Any] = {"mode": "lines+markers", "line": {"color": BLUE, "width": 2}, "marker": {"size": 5}}
        figure.add_scatter(x=n, y=signal.numpy().round(5), row=1, col=1, **line, **shown)
        figure.add_bar(x=np.arange(len(bars)), y=bars.numpy().round(5), marker={"color": BLUE}, row=2, col=1, **shown)
    steps = [
        {
            "method": "update",
            "label": str(layer),
            "args": [{"visible": [True, *(trace // 2 == layer for trace in range(2 * len(layers)))]}],
        }
        for layer in range(len(layers))
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
