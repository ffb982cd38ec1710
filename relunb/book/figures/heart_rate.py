"""Pictures of the chapter "Heart rate from a pulse wave"."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, ORANGE, WIDTH


def pulse(wave: tuple[Any, Tensor], beats: tuple[Tensor, Any], spectrum: tuple[Tensor, Tensor], heart: float) -> Figure:
    """A window of a pulse over its seconds, with its beats, and its amplitude spectrum with the heart's frequency."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 4.4))
    above.plot(*wave)
    above.plot(*beats, "o", color=ORANGE, label="beats")
    above.set(xlabel="seconds", ylabel="counts")
    above.legend(loc="upper right", bbox_to_anchor=(1.0, 1.2))
    below.plot(*spectrum)
    height = float(spectrum[1].max())
    for multiple, name in ((1, "$f_0$"), (2, "$2f_0$"), (3, "$3f_0$")):
        below.axvline(multiple * heart, color=ORANGE, linestyle=":", linewidth=1.2)
        below.text(multiple * heart + 0.07, height, name, color=ORANGE, va="top")
    below.set(xlabel="frequency (Hz)", ylabel="amplitude", xlim=(0, 8))
    return figure


def activations(layers: Mapping[str, tuple[Tensor, Tensor]], window: tuple[Tensor, Tensor], heart: float) -> Figure:
    """The paper's Figure 3: spectra of the living units of some layers, each divided by its own DC.

    Args:
        layers: by title, frequencies up to half the layer's sample rate, and amplitudes (units, frequencies).
        window: the spectrum of the input; drawn dashed.
        heart: the heart's frequency in Hz.
    """
    figure, grid = plt.subplots(len(layers), 1, figsize=(WIDTH, 1.75 * len(layers)), sharey=True, squeeze=False)
    axes = grid[:, 0]
    frequencies, pure = window
    for ax, (title, (f, lines)) in zip(axes, layers.items(), strict=True):
        half = float(f[-1])
        ax.plot(f, lines.T, color=BLUE, linewidth=0.8, alpha=0.35)
        keep = frequencies <= half
        ax.plot(frequencies[keep], pure[keep], "--", color=ORANGE, linewidth=1.3)
        ax.axhline(2, color=GRAY, linestyle=":", linewidth=1.2)
        ax.plot([0], [1], "o", color=BLUE, clip_on=False, zorder=3)
        for multiple in range(1, int(half / heart) + 1):
            ax.axvline(multiple * heart, color=GRAY, linewidth=0.5, alpha=0.5)
        ax.set(xlim=(0, half), ylim=(0, 2.15), yticks=(0, 1, 2))
        ax.grid(False)
        ax.set_title(title, fontsize=9.5, color=GRAY)
    figure.supylabel("amplitude / DC", fontsize=10.5, color=GRAY)
    axes[-1].set_xlabel("frequency (Hz)")
    return figure
