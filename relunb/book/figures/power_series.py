"""Pictures of the chapter "ReLU as a power series"."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider


def partial_sums(x: Any, relu: Any, sums: Mapping[int, Any]) -> Interactive:
    """ReLU and the first N terms of its series, by N, with a slider for N."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_vrect(x0=-1, x1=1, fillcolor="rgba(128,128,128,.12)", line_width=0)
    figure.add_scatter(x=x, y=relu, line={"color": GRAY, "dash": "dot", "width": 2}, name="ReLU")
    start = 3
    for position, (terms, total) in enumerate(sums.items()):
        y = np.where(np.abs(total) > 3, np.nan, total)  # far off the picture
        name = "1 term" if terms == 1 else f"{terms} terms"
        figure.add_scatter(x=x, y=y, line={"color": BLUE, "width": 3}, name=name, visible=position == start)
    steps = [
        {
            "method": "update",
            "label": str(terms),
            "args": [{"visible": [True, *(other == terms for other in sums)]}],
        }
        for terms in sums
    ]
    figure.update_layout(
        sliders=slider(steps, start, "N = ", pad=30),
        xaxis={"title": "x", "range": [-1.3, 1.3], "gridcolor": GRID, "zeroline": False},
        yaxis={"range": [-0.4, 1.5], "gridcolor": GRID, "zerolinecolor": "rgba(128,128,128,.5)"},
        legend={"orientation": "h", "y": 1.12},
        margin={"l": 40, "r": 10, "t": 10, "b": 10},
        height=380,
    )
    return Interactive(figure, "ReLU and the first N terms of its power series, with a slider for N from 1 to 200.")


def four_tones(time: Tensor, waves: Mapping[str, Tensor], spectra: Sequence[tuple[Tensor, Tensor]]) -> Figure:
    """One period of the signal, its ReLU and the series; an enlarged part; the three spectra (the paper's Figure 1)."""
    figure, (whole, part, lines) = plt.subplots(3, 1, figsize=(WIDTH, 7.4))
    styles = ((GRAY, 1.2), (ORANGE, 3.0), (BLUE, 1.3))
    for (name, values), (color, width) in zip(waves.items(), styles, strict=True):
        for ax in (whole, part):
            ax.plot(time, values, color=color, linewidth=width, label=name)
    whole.set(xlim=(0, 0.2), xlabel="time (s)")
    part.set(xlim=(0.01, 0.06), ylim=(-0.3, 0.8), xlabel="time (s), enlarged")
    for shift, (hertz, heights), (color, _) in zip((-0.9, 0.0, 0.9), spectra, styles, strict=True):
        shown = (heights > 2e-3) & (hertz <= 150)
        lines.vlines(hertz[shown] + shift, 0, heights[shown], color=color, linewidth=2)
    lines.set(xlim=(-3, 150), ylim=(0, 1.05), xlabel="frequency (Hz)", ylabel="amplitude")
    handles, labels = whole.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=9.5)
    return figure


def three_polynomials(
    x: Any, errors: Mapping[str, Any], counts: Sequence[int], worst: Mapping[str, Any], guides: Mapping[str, Any]
) -> Figure:
    """Errors of three polynomials for |x|: over x at 50 terms; and their worst ones against the number of terms."""
    figure, (over, rate) = plt.subplots(2, 1, figsize=(WIDTH, 5.8))
    for (name, error), color, width in zip(errors.items(), (BLUE, ORANGE, GREEN), (None, 1.2, 1.2), strict=True):
        over.plot(x, error, color=color, linewidth=width, label=name)
    over.set(xlim=(0, 0.6), xlabel="$x$", ylabel="error, 50 terms")
    over.legend()
    for (name, error), color, style in zip(worst.items(), (BLUE, ORANGE, GREEN), ("o-", "s-", "^-"), strict=True):
        rate.loglog(counts, error, style, color=color, label=name)
    for (name, values), style in zip(guides.items(), (":", "--"), strict=True):
        rate.loglog(counts, values, style, color=GRAY, label=name)
    rate.set(xlabel="terms $N$", ylabel="worst error")
    rate.set_xticks(list(counts), [str(c) for c in counts])
    rate.minorticks_off()
    rate.legend(fontsize=9, loc="lower left")
    return figure
