"""Pictures of the chapter "DC of many tones"."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, ORANGE, WIDTH


def walks(paths: Tensor, lengths: Tensor) -> Figure:
    """Some walks from zero, complex, (walks, places), and how long many are, with the mean length."""
    mean = float(lengths.mean())
    figure, (plane, histogram) = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    for path in paths:
        plane.plot(path.real, path.imag, color=GRAY, linewidth=1)
    plane.plot(paths[:, -1].real, paths[:, -1].imag, "o", color=BLUE, markersize=5)
    plane.plot(0, 0, "o", color=ORANGE, markersize=6)
    turn = np.linspace(0, 2 * np.pi, 200)
    plane.plot(mean * np.cos(turn), mean * np.sin(turn), ":", color=ORANGE, linewidth=1.5)
    plane.set(aspect="equal", xlabel="real part", ylabel="imaginary part")
    histogram.hist(lengths.numpy(), bins=60, density=True, color=BLUE, alpha=0.6)
    histogram.axvline(mean, color=ORANGE, linestyle=":", label=f"mean {mean:.3f}")
    histogram.set(xlabel="length $R$", ylabel="density", xlim=(0, None))
    histogram.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def ratios(equal: Sequence[float], random: Mapping[int, Tensor], bounds: Mapping[str, float]) -> Figure:
    """DC over RMS by number of tones: of equal ones, from one tone on, and of random ones; and two bounds."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.2))
    for index, (n, values) in enumerate(random.items()):
        places = n + np.linspace(-0.25, 0.25, len(values))
        ax.plot(places, values, ".", color=GRAY, markersize=3, label="random" if index == 0 else None)
    ax.plot(range(1, len(equal) + 1), equal, "o", color=BLUE, markersize=5, label="equal")
    for (label, bound), color in zip(bounds.items(), (ORANGE, GREEN), strict=True):
        ax.axhline(bound, color=color, linestyle="--", linewidth=1.5, label=label)
    ax.set(xlabel="number of tones", ylabel="DC / RMS", ylim=(0.39, 0.46), xticks=[1, 5, 10, 15, 20])
    ax.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, columnspacing=1)
    return figure
