"""Pictures of the chapter "ReLU as a power series"."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider
from ...spectrum import abs_series_coefficients, amplitude_spectrum, series_sup_error

TERMS = (1, 2, 3, 4, 6, 8, 12, 20, 50, 200)
_PEAK = 0.5  # A: the series converges on [-1, 1]


def partial_sums() -> Interactive:
    """ReLU and the first N terms of its series, with a slider for N."""
    import plotly.graph_objects as go

    x = np.unique(np.concatenate([np.linspace(-1.3, 1.3, 261), np.linspace(-0.2, 0.2, 81)]))
    figure = go.Figure()
    figure.add_vrect(x0=-1, x1=1, fillcolor="rgba(128,128,128,.12)", line_width=0)
    figure.add_scatter(x=x, y=np.maximum(x, 0), line={"color": GRAY, "dash": "dot", "width": 2}, name="ReLU")
    start = 3
    coefficients = abs_series_coefficients(max(TERMS)).numpy()
    for position, terms in enumerate(TERMS):
        total = np.polynomial.polynomial.polyval(x**2 / _PEAK - 1, coefficients[:terms])
        y = x / 2 + np.sqrt(_PEAK) / 2 * total
        y[np.abs(y) > 3] = np.nan  # far off the picture
        name = "1 term" if terms == 1 else f"{terms} terms"
        figure.add_scatter(x=x, y=y, line={"color": BLUE, "width": 3}, name=name, visible=position == start)
    steps = [
        {
            "method": "update",
            "label": str(terms),
            "args": [{"visible": [True, *(other == terms for other in TERMS)]}],
        }
        for terms in TERMS
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


def four_tones(time: Tensor, signal: Tensor, exact: Tensor, series: Tensor) -> Figure:
    """One period of the signal, its ReLU and the series; an enlarged part; the three spectra (the paper's Figure 1)."""
    figure, (whole, part, lines) = plt.subplots(3, 1, figsize=(WIDTH, 7.4))
    named = (("signal", signal, GRAY, 1.2), ("ReLU", exact, ORANGE, 3.0), ("series, 50 terms", series, BLUE, 1.3))
    for name, values, color, width in named:
        for ax in (whole, part):
            ax.plot(time, values, color=color, linewidth=width, label=name)
    whole.set(xlim=(0, 0.2), xlabel="time (s)")
    part.set(xlim=(0.01, 0.06), ylim=(-0.3, 0.8), xlabel="time (s), enlarged")
    rate = 1 / float(time[1] - time[0])
    for shift, (_, values, color, _) in zip((-0.9, 0.0, 0.9), named, strict=True):
        hertz, heights = amplitude_spectrum(values, rate)
        shown = (heights > 2e-3) & (hertz <= 150)
        lines.vlines(hertz[shown] + shift, 0, heights[shown], color=color, linewidth=2)
    lines.set(xlim=(-3, 150), ylim=(0, 1.05), xlabel="frequency (Hz)", ylabel="amplitude")
    handles, labels = whole.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=9.5)
    return figure


def three_polynomials(grid: Any, best_error: Any, counts: Sequence[int], best_errors: Sequence[float]) -> Figure:
    """Errors of the series, the Chebyshev and the best polynomial for |x|: over x at 50 terms, and against N.

    Args:
        grid: values of x^2 in [0, 1].
        best_error: the error of the best polynomial with 50 terms there.
        counts: numbers of terms for the lower panel.
        best_errors: the worst error of the best polynomial for each.
    """
    figure, (over, rate) = plt.subplots(2, 1, figsize=(WIDTH, 5.8))
    x, terms = np.sqrt(grid), 50
    total = np.polynomial.polynomial.polyval(2 * grid - 1, abs_series_coefficients(terms).numpy())
    k = np.arange(1, terms)
    lines = np.concatenate([[2 / np.pi], 4 / np.pi * (-1.0) ** (k + 1) / (4 * k**2 - 1)])
    cut = np.polynomial.chebyshev.chebval(2 * grid - 1, lines)  # T_2k(x) = T_k(2 x^2 - 1)
    over.plot(x, total / np.sqrt(2) - x, color=BLUE, label="series")
    over.plot(x, cut - x, color=ORANGE, linewidth=1.2, label="Chebyshev")
    over.plot(x, best_error, color=GREEN, linewidth=1.2, label="best")
    over.set(xlim=(0, 0.6), xlabel="$x$", ylabel="error, 50 terms")
    over.legend()
    n = np.asarray(counts)
    rate.loglog(n, [series_sup_error(int(c), _PEAK) for c in n], "o-", color=BLUE, label="series")
    rate.loglog(n, 2 / (np.pi * (2 * n - 1)), "s-", color=ORANGE, label="Chebyshev")
    rate.loglog(n, best_errors, "^-", color=GREEN, label="best")
    rate.loglog(n, 1 / np.sqrt(2 * np.pi * n), ":", color=GRAY, label=r"$1/\sqrt{2\pi N}$")
    rate.loglog(n, 0.2801694990 / (2 * n), "--", color=GRAY, label="$0.2802/(2N)$")
    rate.set(xlabel="terms $N$", ylabel="worst error")
    rate.set_xticks(n, [str(c) for c in n])
    rate.minorticks_off()
    rate.legend(fontsize=9, loc="lower left")
    return figure
