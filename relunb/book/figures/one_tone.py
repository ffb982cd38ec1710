"""Pictures of the chapter "Harmonics of a rectified tone"."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider


def lines_of_a_tone(phase: Tensor, waves: Mapping[str, Tensor], heights: Tensor) -> Figure:
    """Above, a tone, its ReLU and two sums of lines over the phase in units of pi; below, the lines with signs."""
    figure, (wave, lines) = plt.subplots(2, 1, figsize=(WIDTH, 5.2))
    styles = ((GRAY, 1), (BLUE, 3), (ORANGE, 1.3), (GREEN, 1.3))
    for (name, values), (color, width) in zip(waves.items(), styles, strict=True):
        wave.plot(phase, values, color=color, linewidth=width, label=name)
    wave.set(xlabel=r"phase $t/\pi$", xlim=(-1, 3), ylim=(-1.08, 1.08))
    figure.legend(*wave.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9)
    numbers = np.arange(len(heights))
    lines.axhline(0, color=GRAY, linewidth=0.8)
    lines.bar(numbers, heights.numpy(), width=0.35, color=BLUE)
    for number in (0, 1, 2, 4, 6):
        above = heights[number] > 0
        place = (number, heights[number] + (0.015 if above else -0.015))
        lines.annotate(f"{heights[number]:.4f}", place, ha="center", va="bottom" if above else "top", fontsize=9)
    lines.set(xlabel="harmonic", ylabel="line $h_n$", ylim=(-0.13, 0.6), xticks=numbers)
    return figure


def lines_over_bias(ratios: Sequence[float], heights: Tensor) -> Interactive:
    """The lines (ratio, harmonic) of ReLU(cos t + b), with a slider for b."""
    import plotly.graph_objects as go

    start = ratios.index(0.0)
    figure = go.Figure()
    figure.add_bar(x=np.arange(9), y=heights[start].numpy(), marker_color=BLUE, width=0.4)
    steps = [
        {"method": "restyle", "label": f"{ratio:g}", "args": [{"y": [row.tolist()]}]}
        for ratio, row in zip(ratios, heights, strict=True)
    ]
    figure.update_layout(
        sliders=slider(steps, start, "b/a = ", pad=30),
        xaxis={"title": "harmonic", "tickmode": "array", "tickvals": list(range(9)), "gridcolor": GRID},
        yaxis={"range": [-0.25, 1.25], "title": "line", "gridcolor": GRID, "zerolinecolor": "rgba(128,128,128,.7)"},
        showlegend=False,
        margin={"l": 50, "r": 10, "t": 10, "b": 10},
        height=380,
    )
    return Interactive(figure, "Lines of a rectified tone against the harmonic, with a slider for its bias.")
