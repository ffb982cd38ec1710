"""Pictures for chapters. Each function draws one and returns the figure. `import relunb` imports none of this."""

import html
import os
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

BLUE, ORANGE, GREEN, GRAY = "#1f5fa8", "#c8500a", "#2e7d32", "#7a7a7a"
WIDTH = 5.6  # inches: a figure this wide stays legible on a phone


def style() -> None:
    """Set how the book's figures look: vector pictures without a background, for light and dark pages."""
    mpl.rcParams.update(
        {
            "figure.figsize": (WIDTH, 2.9),
            "figure.constrained_layout.use": True,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, GRAY]),
            "lines.linewidth": 2,
            "font.size": 10.5,
            "legend.frameon": False,
            "svg.hashsalt": "relunb",
        }
    )
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # no notebook: plt.show() or savefig decide
        return
    set_matplotlib_formats("svg")


def curves(ax: Axes, x: Any, lines: Mapping[str, Any], *, xlabel: str = "$x$") -> None:
    """Draw each named line over ``x``, with a legend."""
    for name, y in lines.items():
        ax.plot(x, y, label=name)
    ax.set_xlabel(xlabel)
    ax.legend()


def seven_relus() -> Figure:
    """The wavelet and the seven scaled ReLUs that it is the sum of (the left half of the paper's Figure 1)."""
    from .wavelet import KNOTS, VALUES, WEIGHTS

    figure, ax = plt.subplots(figsize=(WIDTH, 3.4))
    x = np.linspace(-0.5, 4, 10)
    for knot, weight in zip(KNOTS, WEIGHTS, strict=True):
        y = float(weight) * np.maximum(x - float(knot), 0)
        right = x >= float(knot)
        start = np.concatenate([[float(knot)], x[right]]), np.concatenate([[0.0], y[right]])
        ax.plot(*start, color=ORANGE, linewidth=1, alpha=0.8)
    ax.plot([], [], color=ORANGE, linewidth=1, label="the seven scaled ReLUs")
    ax.plot([-0.5, *map(float, KNOTS), 4], [0, *map(float, VALUES), 0], color=BLUE, linewidth=2.5, label=r"$\psi$")
    ax.plot([float(k) for k in KNOTS], [float(v) for v in VALUES], "o", color=BLUE, markersize=4)
    ax.set(xlim=(-0.5, 4), ylim=(-1.6, 1.6), xlabel="$x$")
    ax.legend(loc="lower left")
    return figure


def fourteen_relus() -> Figure:
    """A network of two BW-ReLU neurons, drawn as fourteen ReLUs that share weights seven by seven (Figure 1, right)."""
    from .wavelet import KNOTS, WEIGHTS

    figure, ax = plt.subplots(figsize=(WIDTH, 4.6))
    node: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 10}
    ax.text(0, 7, "$x$", bbox={"boxstyle": "circle", "fc": "none", "ec": GRAY}, **node)
    ax.text(10, 7, "$g(x)$", bbox={"boxstyle": "circle", "fc": "none", "ec": GRAY}, **node)
    for group, (color, top) in enumerate([(BLUE, 13.6), (ORANGE, 6.4)], start=1):
        for row, (knot, weight) in enumerate(zip(KNOTS, WEIGHTS, strict=True)):
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


def _fraction(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    return rf"{sign}{abs(value.numerator)}/{value.denominator}"


def seven_relus_one_by_one() -> "Interactive":
    """The sum of the first n of the seven ReLUs, with a slider for n."""
    import plotly.graph_objects as go

    from .wavelet import KNOTS, WEIGHTS

    x = np.linspace(-0.5, 4.5, 301)
    terms = [float(w) * np.maximum(x - float(k), 0) for k, w in zip(KNOTS, WEIGHTS, strict=True)]
    sums = np.cumsum([np.zeros_like(x), *terms], axis=0)
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
        sliders=[{"active": start, "steps": steps, "currentvalue": {"prefix": "ReLUs summed: "}, "pad": {"t": 30}}],
        xaxis={"title": "x", "range": [-0.5, 4.5], "gridcolor": "rgba(128,128,128,.25)", "zeroline": False},
        yaxis={"range": [-1.2, 1.5], "gridcolor": "rgba(128,128,128,.25)", "zerolinecolor": "rgba(128,128,128,.5)"},
        legend={"orientation": "h", "y": 1.12},
        margin={"l": 40, "r": 10, "t": 10, "b": 10},
        height=380,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"size": 13},
    )
    return Interactive(figure, "Sum of the first n of the seven scaled ReLUs, with a slider for n from 0 to 7.")


class Interactive:
    """A plotly figure that works in the built book without a network, and in a notebook as plotly shows it there.

    Args:
        figure: the plotly figure.
        alt: what a reader who cannot see it should know.
    """

    def __init__(self, figure: Any, alt: str) -> None:
        self.figure, self.alt = figure, alt

    def _repr_mimebundle_(self, **_: Any) -> Any:
        import plotly.io as pio

        if os.environ.get("RELUNB_BOOK") != "1":  # JupyterLab, with the extension that plotly brings
            return pio.renderers["plotly_mimetype"].to_mimebundle(self.figure.to_dict())
        name = "plotly-" + "-".join(self.alt.lower().split()[:6]).strip(".,")
        body = pio.to_html(
            self.figure,
            include_plotlyjs=False,
            include_mathjax=False,
            full_html=False,
            div_id=name,
            default_width="100%",
            config={"responsive": True, "displayModeBar": False},
        )
        return {"text/html": f'<div role="img" aria-label="{html.escape(self.alt)}">{body}</div>'}

    def __repr__(self) -> str:
        return f"<interactive figure: {self.alt}>"


def rounding_error(sizes: Sequence[float], errors: Mapping[str, Sequence[float]], bounds: Mapping[str, Any]) -> Figure:
    """Largest wrong value off the support against the size of x, log-log; dotted: the estimates."""
    figure, ax = plt.subplots()
    for (name, error), color in zip(errors.items(), (BLUE, ORANGE), strict=True):
        ax.loglog(sizes, error, "o-", color=color, label=f"seven ReLUs, {name}")
        ax.loglog(sizes, bounds[name], ":", color=color, label=rf"$6\,\varepsilon\,|x|$, {name}")
    ax.set(xlabel="$|x|$", ylabel="largest $|\\psi(x)|$, true value 0")
    ax.legend(fontsize=9)
    return figure


def magnitude(transform: Callable[[Any], Any], peak: float) -> Figure:
    """|transform| over angular frequency, with its peak marked."""
    figure, ax = plt.subplots()
    w = np.linspace(1e-3, 26, 800)
    ax.plot(w, np.abs(transform(w)), color=BLUE)
    ax.plot([peak], np.abs(transform(np.array([peak]))), "o", color=ORANGE)
    ax.annotate(rf"peak at $\omega={peak:.3f}$", (peak, abs(transform(np.array([peak])))[0]), (peak + 1.5, 0.45))
    ax.set(xlabel=r"$\omega$ (radians per unit of $x$)", ylabel=r"$|\widehat\psi(\omega)|$", ylim=(0, 0.55))
    return figure


def pictures(images: Mapping[str, Tensor]) -> Figure:
    """Gray pictures with values in [0, 1], two in a row, each under its name."""
    rows = -(-len(images) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(WIDTH, rows * (WIDTH / 2 + 0.35)), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (name, image) in zip(axes.flat, images.items(), strict=False):
        ax.imshow(image.detach().clamp(0, 1).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(name, fontsize=10, color=GRAY)  # a gray that reads on white and on black: photographs keep theirs
    return figure


def learning_curves(histories: Mapping[str, Sequence[float]]) -> Figure:
    """PSNR in dB against the step of training."""
    figure, ax = plt.subplots()
    curves(ax, range(1, 1 + len(next(iter(histories.values())))), histories, xlabel="step")
    ax.set_ylabel("PSNR (dB)")
    return figure


def three_lenses() -> Figure:
    """One ReLU, three ways: the lines of a rectified tone, seven ReLUs as a wavelet, and ReLU averaged into a curve."""
    from .wavelet import bw_relu

    figure, axes = plt.subplots(3, 1, figsize=(WIDTH, 6.6))
    spectrum, wavelet, integral = axes
    time = np.arange(4096) / 4096
    lines = np.abs(np.fft.rfft(np.maximum(np.cos(2 * np.pi * 8 * time), 0))) * 2 / 4096
    lines[0] /= 2
    harmonics = np.arange(0, 9)
    spectrum.vlines([1], 0, [1.0], color=GRAY, linewidth=7, alpha=0.35, label="one tone")
    spectrum.vlines(harmonics, 0, lines[harmonics * 8], color=BLUE, linewidth=3, label="after ReLU")
    spectrum.set(xlabel="harmonic", ylim=(0, 1.05), title="Spectrum: one tone becomes a constant and even harmonics")
    spectrum.legend()
    x = torch.linspace(-0.5, 3.5, 401)
    for weight, knot in ((1, 0.0), (-8, 0.5), (23, 1.0)):
        wavelet.plot(x, weight / 6 * (x - knot).relu(), color=GRAY, linewidth=1)
    wavelet.plot(x, bw_relu(x), color=BLUE, label=r"seven ReLUs: $\psi$")
    wavelet.set(xlabel="$x$", ylim=(-0.8, 1.1), title="Wavelet: seven ReLUs cancel outside [0, 3]")
    wavelet.legend(loc="upper right")
    u = torch.linspace(-1.5, 1.5, 301)
    spread = torch.linspace(-0.5, 0.5, 101)
    integral.plot(u, u.relu(), color=GRAY, linewidth=1.5, label="one ReLU")
    integral.plot(u, (u[:, None] + spread).relu().mean(1), color=BLUE, label="mean of ReLUs over shifts")
    integral.set(xlabel="$x$", title="Integral: a continuum of ReLUs has no kink")
    integral.legend()
    for ax in axes:
        ax.title.set_fontsize(10.5)
    return figure
