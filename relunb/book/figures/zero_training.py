"""Pictures of the chapter "Classification without training"."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider

CLASSES = {3.0: BLUE, 5.0: ORANGE, 10.0: GREEN}  # Hz


def random_filters(
    taps: Tensor, gains: tuple[Tensor, Tensor], marks: Tensor, dc: Tensor, frequencies: Tensor
) -> Figure:
    """Figure 5: the responses of a few random filters, and the DC of every sample against its frequency.

    Args:
        taps: (filters, 2).
        gains: frequencies in Hz, and the gain at each, (filters, frequencies).
        marks: the gain at the classes, (filters, 3).
        dc: (samples, filters).
        frequencies: (samples,) in Hz.
    """
    figure, axes = plt.subplots(2, len(taps), figsize=(WIDTH, 4.4), sharey="row", squeeze=False)
    f, responses = gains
    for column, (w0, w1) in enumerate(taps.tolist()):
        above, below = axes[0, column], axes[1, column]
        above.plot(f, responses[column], color=GRAY)
        above.set_title(f"({w0:.2f}, {w1:.2f})", fontsize=9, color=GRAY)
        above.set(xlabel="$f$ (Hz)", xticks=[0, 5, 10, 15])
        for (class_frequency, color), mark in zip(CLASSES.items(), marks[column], strict=True):
            above.axvline(class_frequency, color=color, linewidth=1.2, linestyle="--")
            above.plot([class_frequency], [mark], "o", color=color, markersize=5)
            near = (frequencies - class_frequency).abs() < 1
            below.plot(dc[near, column], frequencies[near], ".", color=color, markersize=2, rasterized=True)
        below.set(xlabel="DC", yticks=[3, 5, 10])
    axes[0, 0].set_ylabel("$|H(f)|$")
    axes[1, 0].set_ylabel("frequency (Hz)")
    return figure


def turning_taps(taps: Tensor, gains: tuple[Tensor, Tensor], marks: Tensor, dc: Tensor) -> Interactive:
    """|H(f)| with a slider over pairs of taps, (pairs, frequencies), and the three classes marked, with their DC."""
    import plotly.graph_objects as go

    f, responses = (part.numpy() for part in gains)
    start = 5
    figure = go.Figure()
    for number, (response, mark, means) in enumerate(zip(responses, marks.numpy(), dc.tolist(), strict=True)):
        line, text = {"color": GRAY, "width": 3}, [f"{mean:.2f}" for mean in means]
        shown = number == start
        figure.add_scatter(x=f, y=response, line=line, name="|H(f)|", visible=shown, hoverinfo="skip")
        figure.add_scatter(
            x=np.array(list(CLASSES)),
            y=mark,
            mode="markers+text",
            marker={"size": 13, "color": list(CLASSES.values())},
            text=text,
            textposition="top center",
            name="the three classes, with their DC",
            visible=shown,
        )
    steps = []
    for number, (w0, w1) in enumerate(taps.tolist()):
        visible = [k // 2 == number for k in range(2 * len(taps))]
        steps.append({"method": "update", "label": f"({w0:.2f}, {w1:.2f})", "args": [{"visible": visible}]})
    figure.update_layout(
        sliders=slider(steps, start, "taps (w0, w1) = ", pad=45),
        xaxis={"title": "f (Hz)", "range": [0, 16], "gridcolor": GRID, "zeroline": False},
        yaxis={"range": [0, 1.6], "gridcolor": GRID, "zerolinecolor": "rgba(128,128,128,.5)"},
        legend={"orientation": "h", "y": 1.14},
        margin={"l": 40, "r": 10, "t": 10, "b": 10},
        height=420,
    )
    alt = (
        "Frequency response of two taps on the unit circle, with a slider for their angle and the classes at 3, 5 and "
        "10 hertz marked with their DC."
    )
    return Interactive(figure, alt)


def square_of_taps(taps: Tensor, perfect: Tensor, critical: float) -> Figure:
    """Each random filter as a point of the square of taps; crosses where it fails, lines at the critical ratio."""
    figure, ax = plt.subplots(figsize=(WIDTH * 0.75, WIDTH * 0.75))
    points, good = taps.numpy(), perfect.numpy()
    ax.plot(*points[good].T, ".", color=BLUE, markersize=2, label="separates all samples")
    ax.plot(*points[~good].T, "x", color=ORANGE, markersize=5, label="fails")
    edge = np.sqrt(1.5)
    for sign in (-1, 1):
        for x, y in (((-edge, edge), (-sign * critical * edge, sign * critical * edge)),):
            ax.plot(x, y, color=GRAY, linewidth=1)
            ax.plot(y, x, color=GRAY, linewidth=1)
    ax.set(xlabel="$w_0$", ylabel="$w_1$", aspect="equal", xlim=(-edge, edge), ylim=(-edge, edge))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=9)
    return figure
