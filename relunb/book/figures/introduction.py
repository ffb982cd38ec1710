"""The picture of the introduction."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from ...plot._base import BLUE, GRAY, WIDTH
from ...wavelet import bw_relu


def three_lenses() -> Figure:
    """One ReLU, three ways: the lines of a rectified tone, seven ReLUs as a wavelet, and ReLU averaged into a curve."""
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
