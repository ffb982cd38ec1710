"""The picture of ``relunb.wavelet.conditioning``."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..wavelet import Conditioning
from ._base import BLUE, GRAY, GREEN, ORANGE, WIDTH, named_of

_LINES = ("-", "--", ":", "-.")
_STEPS = 1_000_000


def conditioning(result: Conditioning | Mapping[str, Conditioning]) -> Figure:
    """What the features of one network, or of several, allow gradient descent on the output weights to do.

    Above, the singular values of the feature matrix, the largest as 1; a cross ends those of a matrix without full
    rank. Below, the part of the error that is left after n steps with the best constant step: the root mean square over
    the singular directions that are not zero, which is what a random target would leave.

    Args:
        result: of :func:`relunb.wavelet.conditioning`, or a mapping from names to such results.

    Returns:
        The figure.

    Raises:
        TypeError: ``result`` holds anything else.
        ValueError: ``result`` is an empty mapping.

    Example:
        >>> import torch
        >>> from relunb import wavelet
        >>> x = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
        >>> figure = conditioning(wavelet.conditioning(lambda x: x, x))
        >>> figure.axes[0].get_legend().get_texts()[0].get_text()
        'κ = 3.00'

    Used in :doc:`/book/wavelet/coverage`.
    """
    named = {"": result} if isinstance(result, Conditioning) else named_of("result", result)
    for name, one in named.items():
        if not isinstance(one, Conditioning):
            raise TypeError(f"result must hold what wavelet.conditioning returns; {name!r} is a {type(one).__name__}.")
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 4.8 + 0.2 * len(named)))
    n = np.unique(np.geomspace(1, _STEPS, 300).round())
    for index, (name, one) in enumerate(named.items()):
        style = line_style(index) if len(named) > 1 else {"color": BLUE}
        values = one.singular_values[: one.rank].double().cpu().numpy()
        label = ", ".join(part for part in (name, _kappa(one), _dead(one)) if part)
        if one.rank == 0:
            above.plot([], [], label=label, **style)
            continue
        values = values / values[0]
        above.plot(np.arange(1, one.rank + 1), values, label=label, **style)
        if one.rank < len(one.singular_values):
            above.plot([one.rank], values[-1], "x", color=style["color"], markersize=8)
        shrink = np.abs(1 - 2 * values**2 / (1 + values[-1] ** 2))  # one.step * values**2, at any scale
        left = np.sqrt(np.mean(shrink[:, None] ** (2 * n), axis=0))
        below.plot(n, left, **style)
    above.set(yscale="log", xlabel="singular value, from the largest", ylabel="size, largest 1")
    above.xaxis.set_major_locator(MaxNLocator(integer=True))
    above.legend(fontsize=9, loc="lower left", bbox_to_anchor=(-0.02, 1))
    below.set(xscale="log", xlim=(1, _STEPS), ylim=(0, 1.02), xlabel="steps of gradient descent", ylabel="error left")
    return figure


def line_style(index: int) -> dict[str, str]:
    """Color and dashes of the network with this number: sixteen that differ."""
    return {"color": (BLUE, ORANGE, GREEN, GRAY)[index % 4], "linestyle": _LINES[(index + index // 4) % 4]}


def _kappa(result: Conditioning) -> str:
    kappa = result.condition_number
    if np.isinf(kappa):
        return f"κ infinite, rank {result.rank} of {len(result.singular_values)}"
    return f"κ = {kappa:.2f}" if kappa < 10 else f"κ = {kappa:,.0f}" if kappa < 1e6 else f"κ = {kappa:.1e}"


def _dead(result: Conditioning) -> str:
    count = int(result.dead.sum())
    return f"{count} of {len(result.dead)} dead" if count else ""
