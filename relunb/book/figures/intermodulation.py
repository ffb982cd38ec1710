"""Pictures of the chapter "Intermodulation and phases"."""

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GRID, ORANGE, WIDTH, Interactive, slider

Order = tuple[int, int]


def lines_over_ratio(ratio: Tensor, places: Mapping[Order, float], heights: Mapping[Order, Tensor]) -> Interactive:
    """The lines of ReLU of two tones at their places, with a slider for the ratio of the amplitudes.

    Heights, one a ratio, of the orders that have a line; those of the other orders are zero.
    """
    import plotly.graph_objects as go

    groups = {
        "even order: new": (BLUE, [k for k in heights if sum(map(abs, k)) % 2 == 0]),
        "order 1: the input's, halved": (ORANGE, [k for k in heights if sum(map(abs, k)) == 1]),
        "odd order from 3 on: zero": (GRAY, [k for k in places if k not in heights]),
    }
    floor, start = 1e-4, 5
    figure = go.Figure()
    tables = []
    for name, (color, orders) in groups.items():
        place = [round(places[k], 4) for k in orders]
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
        columns = np.stack([heights[k].numpy() for k in orders], 1)
        table = [[float(f"{h:.4g}") if h > 1e-9 else 0 for h in column] for column in columns]
        tables.append(table)
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
        {"method": "restyle", "label": f"{value:g}", "args": [{"y": [table[i] for table in tables]}, [0, 1]]}
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
