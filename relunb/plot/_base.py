"""How the book's figures look, and the pictures that more than one chapter draws."""

import html
import os
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .._checks import check_count, check_real, check_tensor, shown

BLUE, ORANGE, GREEN, GRAY = "#1f5fa8", "#c8500a", "#2e7d32", "#7a7a7a"
WIDTH = 5.6  # inches: a figure this wide stays legible on a phone


def style() -> None:
    """Set how the book's figures look: vector pictures without a background, for light and dark pages.

    Example:
        >>> with mpl.rc_context():  # as they were, afterwards
        ...     style()
        ...     mpl.rcParams["axes.grid"]
        True
    """
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
    """Draw each named line over ``x``, with a legend.

    Args:
        ax: axes of matplotlib.
        x: places, (N,).
        lines: by name, the values there, (N,): tensors, arrays or lists of finite numbers.
        xlabel: what x is.

    Raises:
        TypeError: ``x`` or a line is not real, or ``lines`` is not a mapping.
        ValueError: there are no lines, or one has another length than ``x``.

    Example:
        >>> figure, ax = plt.subplots()
        >>> curves(ax, [0, 1, 2], {"ReLU": [0, 1, 2], "zero": [0, 0, 0]})
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['ReLU', 'zero']
    """
    places = _numbers("x", x)
    for name, y in named_of("lines", lines).items():
        values = _numbers(f"the line {name!r}", y)
        if len(values) != len(places):
            raise ValueError(f"the line {name!r} has {len(values)} values, and x has {len(places)}.")
        ax.plot(places, values, label=name)
    ax.set_xlabel(xlabel)
    ax.legend()


def _numbers(name: str, value: Any) -> np.ndarray:
    numbers = check_real(name, value).detach()
    if numbers.ndim != 1:
        raise ValueError(f"{name} must have one dimension; got the shape {tuple(numbers.shape)}.")
    return numbers.cpu().numpy()


def named_of(name: str, value: Any) -> dict[str, Any]:
    """A mapping from names that is not empty."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping from names, as {{'mine': ...}}; got {shown(value)}.")
    if not value:
        raise ValueError(f"{name} is empty: there is nothing to draw.")
    return {str(key): entry for key, entry in value.items()}


def _image(name: str, value: Any) -> np.ndarray:
    image = check_tensor(f"the picture {name!r}", value).detach()
    if not image.is_floating_point():
        hint = ".float() / 255" if image.dtype == torch.uint8 else ".float(), with values from 0 to 1"
        raise TypeError(
            f"the picture {name!r} must be floating point, from 0 to 1; got {image.dtype}. Use it as {hint}."
        )
    if image.ndim not in (2, 3) or not image.numel() or (image.ndim == 3 and image.shape[-1] != 3):
        hint = " Use image.permute(1, 2, 0)." if image.ndim == 3 and image.shape[0] == 3 else ""
        raise ValueError(
            f"the picture {name!r} must be (height, width) or (height, width, 3); got {tuple(image.shape)}.{hint}"
        )
    return image.float().clamp(0, 1).cpu().numpy()


def pictures(images: Mapping[str, Tensor], columns: int = 2) -> Figure:
    """Pictures with values in [0, 1], gray or in color, ``columns`` in a row, each under its name.

    Args:
        images: by name, (height, width) or (height, width, 3), floating point; what lies outside of [0, 1] is drawn
            black or white.
        columns: how many stand in a row.

    Raises:
        TypeError: a picture is not floating point, ``images`` is not a mapping, or ``columns`` not an integer.
        ValueError: there are no pictures, one has another shape, or ``columns`` is not from 1 to 100.

    Example:
        >>> figure = pictures({"black": torch.zeros(4, 4), "white": torch.ones(4, 4)})
        >>> [ax.get_title() for ax in figure.axes]
        ['black', 'white']
    """
    columns = check_count("columns", columns, most=100)
    drawn = {name: _image(name, image) for name, image in named_of("images", images).items()}
    rows, lines = -(-len(drawn) // columns), 1 + max(name.count("\n") for name in drawn)
    size = (WIDTH, rows * (WIDTH / columns + 0.18 + 0.17 * lines))
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (name, image) in zip(axes.flat, drawn.items(), strict=False):
        ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        # a gray that reads on white and on black: photographs keep theirs
        ax.set_title(name, fontsize=10 if columns < 3 else 9, color=GRAY)
    return figure


def learning_curves(histories: Mapping[str, Sequence[float]]) -> Figure:
    """PSNR in dB against the step of training.

    Args:
        histories: by name, the PSNR after each step, from the first on. They may differ in length.

    Raises:
        TypeError: a history is not a list of real numbers, or ``histories`` is not a mapping.
        ValueError: there are no histories.

    Example:
        >>> figure = learning_curves({"ReLU": [10.0, 11.0], "sine": [12.0, 15.0]})
        >>> figure.axes[0].get_ylabel()
        'PSNR (dB)'
    """
    found = {
        name: _numbers(f"the history {name!r}", values) for name, values in named_of("histories", histories).items()
    }
    figure, ax = plt.subplots()
    for name, values in found.items():
        ax.plot(range(1, 1 + len(values)), values, label=name)
    ax.set(xlabel="step", ylabel="PSNR (dB)")
    ax.legend()
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

    Raises:
        TypeError: ``figure`` is not a figure of plotly, or ``alt`` is not text.

    Example:
        >>> import plotly.graph_objects as go
        >>> Interactive(go.Figure(), "An empty picture.")
        <interactive figure: An empty picture.>
    """

    def __init__(self, figure: Any, alt: str) -> None:
        if not hasattr(figure, "update_layout") or not isinstance(alt, str):
            raise TypeError(f"Interactive takes a figure of plotly and a text; got {shown(figure)} and {shown(alt)}.")
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
