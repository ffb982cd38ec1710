"""Pictures of the chapter "Heart rate from a pulse wave"."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, ORANGE, WIDTH
from ...spectrum import amplitude_spectrum


def pulse(window: Tensor, sample_rate: float, beats: Any, heart: float) -> Figure:
    """A window of a pulse with its beats (seconds from its start), and its amplitude spectrum.

    Args:
        window: (time,).
        sample_rate: samples a second.
        beats: seconds from the start of the window.
        heart: the heart's frequency in Hz.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 4.4))
    time = np.arange(len(window)) / sample_rate
    above.plot(time, window.numpy())
    above.plot(beats, np.interp(beats, time, window.numpy()), "o", color=ORANGE, label="beats")
    above.set(xlabel="seconds", ylabel="counts")
    above.legend(loc="upper right", bbox_to_anchor=(1.0, 1.2))
    frequencies, amplitudes = amplitude_spectrum(window - window.mean(), sample_rate)
    below.plot(frequencies.numpy(), amplitudes.numpy())
    height = float(amplitudes.max())
    for multiple, name in ((1, "$f_0$"), (2, "$2f_0$"), (3, "$3f_0$")):
        below.axvline(multiple * heart, color=ORANGE, linestyle=":", linewidth=1.2)
        below.text(multiple * heart + 0.07, height, name, color=ORANGE, va="top")
    below.set(xlabel="frequency (Hz)", ylabel="amplitude", xlim=(0, 8))
    return figure


def pooling(gain: Any, pool: int, sample_rate: float) -> Figure:
    """What average pooling does to a tone: how much of it is left, and where it arrives.

    Args:
        gain: function of the angular frequency in radians a sample.
        pool: samples averaged.
        sample_rate: samples a second before pooling.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 4.4), sharex=True)
    after = sample_rate / pool
    f = np.linspace(1e-6, sample_rate / 2 - 1e-6, 801)
    arrives = np.abs(f - after * np.round(f / after))
    heard = f <= after / 2
    above.plot(f[heard], np.abs(gain(2 * np.pi * f[heard] / sample_rate)), color=BLUE, label="stays")
    above.plot(f[~heard], np.abs(gain(2 * np.pi * f[~heard] / sample_rate)), color=ORANGE, label="aliases")
    above.plot([0], [1], "o", color=BLUE, clip_on=False)
    above.set(ylabel="gain", ylim=(0, 1.05))
    above.legend()
    below.plot(f[heard], arrives[heard], color=BLUE)
    below.plot(f[~heard], arrives[~heard], color=ORANGE)
    below.set(xlabel="frequency before pooling (Hz)", ylabel="after (Hz)", xlim=(0, sample_rate / 2))
    return figure


def activations(
    window: Tensor, said: Mapping[str, tuple[Tensor, float]], heart: float, titles: Sequence[str] | None = None
) -> Figure:
    """The paper's Figure 3: spectra of the living units of some layers, each divided by its own DC.

    Args:
        window: the input (time,), at 32 Hz; drawn dashed, scaled to a highest line of 1.
        said: for each layer its activations (channels, time) and their samples a second.
        heart: the heart's frequency in Hz.
        titles: one a layer; the names of ``said`` unless given.
    """
    figure, grid = plt.subplots(len(said), 1, figsize=(WIDTH, 1.75 * len(said)), sharey=True, squeeze=False)
    axes = grid[:, 0]
    frequencies, pure = amplitude_spectrum(window - window.mean(), 32.0)
    for ax, (values, rate), title in zip(axes, said.values(), titles or list(said), strict=True):
        living = values[values.amax(-1) > 0]
        f, lines = amplitude_spectrum(living, rate)
        lines = (lines / lines[:, :1]).numpy()
        ax.plot(f.numpy(), lines.T, color=BLUE, linewidth=0.8, alpha=0.35)
        keep = frequencies <= rate / 2
        ax.plot(frequencies[keep], (pure / pure.max())[keep], "--", color=ORANGE, linewidth=1.3)
        ax.axhline(2, color=GRAY, linestyle=":", linewidth=1.2)
        ax.plot([0], [1], "o", color=BLUE, clip_on=False, zorder=3)
        for multiple in range(1, int(rate / 2 / heart) + 1):
            ax.axvline(multiple * heart, color=GRAY, linewidth=0.5, alpha=0.5)
        ax.set(xlim=(0, rate / 2), ylim=(0, 2.15), yticks=(0, 1, 2))
        ax.grid(False)
        ax.set_title(f"{title}: {len(living)} of {len(values)} units alive", fontsize=9.5, color=GRAY)
    figure.supylabel("amplitude / DC", fontsize=10.5, color=GRAY)
    axes[-1].set_xlabel("frequency (Hz)")
    return figure
