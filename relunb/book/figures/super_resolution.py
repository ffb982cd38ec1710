"""Pictures of the chapter on super-resolution."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ...plot._base import BLUE, GRAY, GREEN, GRID, ORANGE, WIDTH, Interactive, slider

LOOKS = ((BLUE, "-"), (BLUE, "--"), (ORANGE, "-"), (ORANGE, "--"), (GREEN, "-"), (GRAY, "-"))


def waves(
    places: tuple[Any, Any, Any], frames: Mapping[float, tuple[Any, Any, Any, Any, float]], gain: tuple[Any, Any]
) -> Interactive:
    """A wave, the means of its blocks, and the slow wave that has the same means; below, the factor of the means.

    Args:
        places: of curves, of pixels, and of the middles of blocks.
        frames: for each frequency the wave, its pixels, the slow wave, the means of both, and the factor.
        gain: frequencies and the factor at each.
    """
    from plotly.subplots import make_subplots

    start = 5
    place, pixel, middle = places

    def drawn(omega: float) -> dict[str, list[Any]]:
        *curves, factor = frames[omega]
        x, y = [place, pixel, place, middle, [omega]], [*curves, [factor]]
        return {"x": [np.round(v, 4).tolist() for v in x], "y": [np.round(v, 4).tolist() for v in y]}

    fast = list(frames)
    first = drawn(fast[start])
    figure = make_subplots(rows=2, cols=1, row_heights=[0.62, 0.38], vertical_spacing=0.17)
    looks: list[dict[str, Any]] = [
        {"mode": "lines", "line": {"color": GRAY, "dash": "dot", "width": 1.5}, "name": "wave"},
        {"mode": "markers", "marker": {"color": GRAY, "size": 5}, "name": "its pixels"},
        {"mode": "lines", "line": {"color": BLUE, "width": 2.5}, "name": "slow wave"},
        {"mode": "markers", "marker": {"color": ORANGE, "size": 10}, "name": "block means of both"},
        {"mode": "markers", "marker": {"color": ORANGE, "size": 12}, "showlegend": False},
    ]
    for look, x, y in zip(looks, first["x"], first["y"], strict=True):
        figure.add_scatter(x=x, y=y, row=2 if len(x) == 1 else 1, col=1, **look)
    curve, factors = gain
    figure.add_scatter(
        x=curve, y=factors, line={"color": GRAY, "width": 1.5}, showlegend=False, row=2, col=1, mode="lines"
    )
    steps = [
        {"method": "restyle", "label": {0: "0", 16: "π"}.get(k, f"{k}π/16"), "args": [drawn(omega), [0, 1, 2, 3, 4]]}
        for k, omega in enumerate(fast)
    ]
    figure.update_layout(
        sliders=slider(steps, start, "ω = ", pad=45),
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 45, "r": 10, "t": 10, "b": 10},
        height=520,
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False)
    figure.update_yaxes(gridcolor=GRID, zerolinecolor=GRID)
    figure.update_xaxes(title="pixel", range=[-0.5, 32], row=1, col=1)
    figure.update_yaxes(range=[-1.3, 1.3], row=1, col=1)
    figure.update_xaxes(
        title="ω, radians a pixel",
        range=[0, np.pi + 0.05],
        tickvals=[k * np.pi / 4 for k in range(5)],
        ticktext=["0", "π/4", "π/2", "3π/4", "π"],
        row=2,
        col=1,
    )
    figure.update_yaxes(title="factor", range=[-0.5, 1.1], row=2, col=1)
    return Interactive(
        figure, "A wave of 32 pixels with a slider for its frequency, the means of its blocks, and a slow wave."
    )


def training(
    losses: Mapping[str, Sequence[float]], quality: Mapping[str, Sequence[float]], marks: Mapping[str, float]
) -> Figure:
    """Loss, and PSNR below it, over the step; ``marks`` names levels of PSNR."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5), sharex=True)
    for name, (color, dashes) in zip(losses, LOOKS, strict=False):
        look: dict[str, Any] = {"color": color, "linestyle": dashes, "linewidth": 1.6}
        above.plot(losses[name], label=name, **look)
        below.plot(quality[name], **look)
    above.set(yscale="log", ylabel="training loss")
    above.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for (name, level), style in zip(marks.items(), ("-.", ":"), strict=False):
        below.axhline(level, color=GRAY, linestyle=style, linewidth=1.3, label=name)
    below.legend(fontsize=9, loc="lower right")
    below.set(xlabel="step", ylabel="PSNR (dB)", ylim=(min(8.0, *marks.values()), None))
    return figure
