"""The picture of the introduction."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, WIDTH


def three_lenses(
    lines: Tensor, x: Tensor, terms: Sequence[Tensor], psi: Tensor, u: Tensor, relu: Tensor, mean: Tensor
) -> Figure:
    """One ReLU, three ways: the lines of a rectified tone, ReLUs as a wavelet over x, and averaged over u."""
    figure, axes = plt.subplots(3, 1, figsize=(WIDTH, 6.6))
    spectrum, wavelet, integral = axes
    spectrum.vlines([1], 0, [1.0], color=GRAY, linewidth=7, alpha=0.35, label="one tone")
    spectrum.vlines(range(len(lines)), 0, lines, color=BLUE, linewidth=3, label="after ReLU")
    spectrum.set(xlabel="harmonic", ylim=(0, 1.05), title="Spectrum: one tone becomes a constant and even harmonics")
    spectrum.legend()
    for term in terms:
        wavelet.plot(x, term, color=GRAY, linewidth=1)
    wavelet.plot(x, psi, color=BLUE, label=r"seven ReLUs: $\psi$")
    wavelet.set(xlabel="$x$", ylim=(-0.8, 1.1), title="Wavelet: seven ReLUs cancel outside [0, 3]")
    wavelet.legend(loc="upper right")
    integral.plot(u, relu, color=GRAY, linewidth=1.5, label="one ReLU")
    integral.plot(u, mean, color=BLUE, label="mean of ReLUs over shifts")
    integral.set(xlabel="$x$", title="Integral: a continuum of ReLUs has no kink")
    integral.legend()
    for ax in axes:
        ax.title.set_fontsize(10.5)
    return figure
