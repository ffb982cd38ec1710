"""Pictures of the chapter "The B-spline wavelet activation"."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...plot._base import BLUE, GRAY, GRID, ORANGE, WIDTH, Interactive, slider


def fourteen_relus(knots: Sequence[Any], weights: Sequence[Any]) -> Figure:
    """A network of two BW-ReLU neurons, drawn as fourteen ReLUs that share weights seven by seven (Figure 1, right)."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.6))
    node: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 10}
    ax.text(0, 7, "$x$", bbox={"boxstyle": "circle", "fc": "none", "ec": GRAY}, **node)
    ax.text(10, 7, "$g(x)$", bbox={"boxstyle": "circle", "fc": "none", "ec": GRAY}, **node)
    for group, (color, top) in enumerate([(BLUE, 13.6), (ORANGE, 6.4)], start=1):
        for row, (knot, weight) in enumerate(zip(knots, weights, strict=True)):
            y = top - row * 0.95
            ax.plot([0.5, 3.1], [7, y], color=color, linewidth=1, alpha=0.7)
            ax.plot([6.6, 9.3], [y, 7], color=color, linewidth=1, alpha=0.7)
            shift = f"-{_fraction(knot)}" if knot else ""
            ax.text(3.3, y, rf"$\sigma(u_{group}{shift})$", ha="left", va="center", fontsize=9)
            ax.text(6.4, y, rf"$\times$ ${{{_fraction(weight)}}}$", ha="right", va="center", fontsize=9, color=GRAY)
        middle = top - 3 * 0.95
        side = 1 if group == 1 else -1
        ax.text(0.75, 7 + side * 4.2, f"$u_{group}=w_{group}x-b_{group}$", color=color, fontsize=10, ha="center")
        ax.text(9.0, 7 + side * 4.2, f"$v_{group}$", color=color, fontsize=11, ha="center")
        bracket = Rectangle((3.15, middle - 3.3), 3.4, 6.6, fill=False, edgecolor=color, alpha=0.5, linewidth=1)
        ax.add_patch(bracket)
    ax.set(xlim=(-0.8, 10.8), ylim=(0, 14.3))
    ax.axis("off")
    return figure


def _fraction(value: Any) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    return rf"{sign}{abs(value.numerator)}/{value.denominator}"


def one_by_one(x: Any, sums: Any) -> Interactive:
    """The sums (8, x) of the first n of the seven ReLUs, with a slider for n."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(x=x, y=sums[7], line={"color": GRAY, "dash": "dot", "width": 1.5}, name="ψ")
    start = 3
    for n, y in enumerate(sums):
        name = "no ReLU yet" if n == 0 else "one ReLU" if n == 1 else f"{n} ReLUs"
        figure.add_scatter(x=x, y=y, line={"color": BLUE, "width": 3}, name=name, visible=n == start)
    steps = [
        {"method": "update", "label": str(n), "args": [{"visible": [True, *(m == n for m in range(8))]}]}
        for n in range(8)
    ]
    figure.update_layout(
        sliders=slider(steps, start, "ReLUs summed: ", pad=30),
        xaxis={"title": "x", "range": [-0.5, 4.5], "gridcolor": GRID, "zeroline": False},
        yaxis={"range": [-1.2, 1.5], "gridcolor": GRID, "zerolinecolor": "rgba(128,128,128,.5)"},
        legend={"orientation": "h", "y": 1.12},
        margin={"l": 40, "r": 10, "t": 10, "b": 10},
        height=380,
    )
    return Interactive(figure, "Sum of the first n of the seven scaled ReLUs, with a slider for n from 0 to 7.")
