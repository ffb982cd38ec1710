"""Pictures of the chapter "Harmonics of a rectified tone"."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider
from ...spectrum import series_tone_harmonics, tone_harmonics


def lines_of_a_tone() -> Figure:
    """A tone after ReLU with the sums of its first lines, and the lines with their signs."""
    figure, (wave, lines) = plt.subplots(2, 1, figsize=(WIDTH, 5.2))
    t = np.linspace(-np.pi, 3 * np.pi, 801)
    heights = tone_harmonics(1.0).numpy()
    wave.plot(t / np.pi, np.cos(t), color=GRAY, linewidth=1, label="tone")
    wave.plot(t / np.pi, np.maximum(np.cos(t), 0), color=BLUE, linewidth=3, label="after ReLU")
    for last, color in ((2, ORANGE), (8, GREEN)):
        total = np.cos(np.outer(t, np.arange(last + 1))) @ heights[: last + 1]
        wave.plot(t / np.pi, total, color=color, linewidth=1.3, label=f"lines up to {last}")
    wave.set(xlabel=r"phase $t/\pi$", xlim=(-1, 3), ylim=(-1.08, 1.08))
    figure.legend(*wave.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9)
    numbers = np.arange(len(heights))
    lines.axhline(0, color=GRAY, linewidth=0.8)
    lines.bar(numbers, heights, width=0.35, color=BLUE)
    for number in (0, 1, 2, 4, 6):
        above = heights[number] > 0
        place = (number, heights[number] + (0.015 if above else -0.015))
        lines.annotate(f"{heights[number]:.4f}", place, ha="center", va="bottom" if above else "top", fontsize=9)
    lines.set(xlabel="harmonic", ylabel="line $h_n$", ylim=(-0.13, 0.6), xticks=numbers)
    return figure


def lines_over_bias() -> Interactive:
    """The lines of ReLU(cos t + b), with a slider for b from -1 to 1.2."""
    import plotly.graph_objects as go

    ratios = [tenths / 10 for tenths in range(-10, 13)]
    start = ratios.index(0.0)
    heights = tone_harmonics(1.0, ratios).numpy()
    figure = go.Figure()
    figure.add_bar(x=np.arange(9), y=heights[start], marker_color=BLUE, width=0.4)
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


def decay() -> Figure:
    """The lines of a rectified tone and those of the power series with 8 and 50 terms, log-log."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.4))
    numbers = np.arange(2, 301, 2)
    ax.loglog(numbers, 2 / np.pi / numbers**2.0, ":", color=GRAY, label=r"$2/(\pi n^2)$")
    ax.loglog(numbers, tone_harmonics(1.0, n_harmonics=300).abs().numpy()[2::2], ".", color=BLUE, label="ReLU")
    for terms, color in ((8, ORANGE), (50, GREEN)):
        last = 2 * (terms - 1)
        lines = series_tone_harmonics(1.0, terms, n_harmonics=last).abs().numpy()[2::2]
        ax.loglog(np.arange(2, last + 1, 2), lines, "-", color=color, linewidth=1.5, label=f"series, {terms} terms")
    ax.set(xlabel="harmonic $n$", ylabel="$|h_n|$", ylim=(1e-7, 1))
    ax.legend(fontsize=9, loc="lower left")
    return figure


def folding(frequencies: Tensor, heights: Tensor, tone: float) -> Figure:
    """A spectrum in which the lines at 0, ``tone`` and its even harmonics have one colour and the rest another."""
    figure, ax = plt.subplots()
    f, h = frequencies.numpy(), heights.numpy()
    there = h > 1e-9
    own = np.isclose(f, 0) | np.isclose(f, tone) | np.isclose(f % (2 * tone), 0)
    for mask, color, label in ((there & own, BLUE, "in continuous time"), (there & ~own, ORANGE, "folded back")):
        ax.vlines(f[mask], 1e-4, h[mask], color=color, linewidth=4, label=label)
    ax.set(
        yscale="log", ylim=(1e-3, 1), xlabel="frequency (Hz)", ylabel="amplitude", xticks=range(0, int(f[-1]) + 1, 2)
    )
    ax.legend(loc="upper right")
    return figure
