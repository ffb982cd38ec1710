"""How the book's figures look, and the pictures that more than one chapter draws."""

import html
import os
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
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


def pictures(images: Mapping[str, Tensor], columns: int = 2) -> Figure:
    """Pictures with values in [0, 1], gray or in color, ``columns`` in a row, each under its name."""
    rows, lines = -(-len(images) // columns), 1 + max(name.count("\n") for name in images)
    size = (WIDTH, rows * (WIDTH / columns + 0.18 + 0.17 * lines))
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (name, image) in zip(axes.flat, images.items(), strict=False):
        ax.imshow(image.detach().clamp(0, 1).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        # a gray that reads on white and on black: photographs keep theirs
        ax.set_title(name, fontsize=10 if columns < 3 else 9, color=GRAY)
    return figure


def learning_curves(histories: Mapping[str, Sequence[float]]) -> Figure:
    """PSNR in dB against the step of training."""
    figure, ax = plt.subplots()
    curves(ax, range(1, 1 + len(next(iter(histories.values())))), histories, xlabel="step")
    ax.set_ylabel("PSNR (dB)")
    return figure


GRID = "rgba(128,128,128,.25)"  # of a plotly figure


def slider(steps: Sequence[Mapping[str, Any]], start: int, prefix: str, *, pad: int) -> list[dict[str, Any]]:
    """The one slider of an interactive figure, ``pad`` pixels below it, with what it shows after ``prefix``."""
    return [{"active": start, "steps": steps, "currentvalue": {"prefix": prefix}, "pad": {"t": pad}}]


class Interactive:
    """A plotly figure that works in the built book without a network, and in a notebook as plotly shows it there.

    Args:
        figure: the plotly figure.
        alt: what a reader who cannot see it should know.
    """

    def __init__(self, figure: Any, alt: str) -> None:
        transparent = "rgba(0,0,0,0)"  # for light and dark pages
        figure.update_layout(paper_bgcolor=transparent, plot_bgcolor=transparent, font={"size": 13})
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
