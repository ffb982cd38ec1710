"""Pictures of the chapter "DC of many tones"."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, ORANGE, WIDTH


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
