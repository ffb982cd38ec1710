"""Pictures of the chapter "DC of many tones"."""

import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, GREEN, ORANGE, WIDTH
from ...spectrum import multitone_dc

LOWEST, HIGHEST = 1 / math.sqrt(2 * math.pi), math.sqrt(2) / math.pi  # of DC / RMS, phases independent


def walks(amplitudes: Tensor, angles: Tensor, shown: int = 12) -> Figure:
    """Walks with these steps in these directions, (walks, steps), and how long they are, with the mean length."""
    steps = torch.polar(amplitudes.expand_as(angles), angles)
    places = torch.cat([torch.zeros_like(steps[:, :1]), steps.cumsum(-1)], -1).numpy()
    lengths = np.abs(places[:, -1])
    figure, (plane, histogram) = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    for place in places[:shown]:
        plane.plot(np.real(place), np.imag(place), color=GRAY, linewidth=1)
    plane.plot(np.real(places[:shown, -1]), np.imag(places[:shown, -1]), "o", color=BLUE, markersize=5)
    plane.plot(0, 0, "o", color=ORANGE, markersize=6)
    turn = np.linspace(0, 2 * np.pi, 200)
    plane.plot(lengths.mean() * np.cos(turn), lengths.mean() * np.sin(turn), ":", color=ORANGE, linewidth=1.5)
    plane.set(aspect="equal", xlabel="real part", ylabel="imaginary part")
    histogram.hist(lengths, bins=60, density=True, color=BLUE, alpha=0.6)
    histogram.axvline(lengths.mean(), color=ORANGE, linestyle=":", label=f"mean {lengths.mean():.3f}")
    histogram.set(xlabel="length $R$", ylabel="density", xlim=(0, None))
    histogram.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def ratios(sets: dict[int, Tensor], most: int = 20) -> Figure:
    """DC over RMS of equal tones, of the sets of amplitudes (sets, tones) by number of tones, and the two bounds."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.2))
    numbers = np.arange(1, most + 1)
    equal = [multitone_dc([1.0] * n).item() / math.sqrt(n / 2) for n in range(1, most + 1)]
    for index, (n, amplitudes) in enumerate(sets.items()):
        rms = (amplitudes.square().sum(-1) / 2).sqrt()
        shift = torch.linspace(-0.25, 0.25, len(amplitudes))
        label = "random" if index == 0 else None
        ax.plot(n + shift, multitone_dc(amplitudes) / rms, ".", color=GRAY, markersize=3, label=label)
    ax.plot(numbers, equal, "o", color=BLUE, markersize=5, label="equal")
    for bound, color, label in ((HIGHEST, ORANGE, r"$\sqrt{2}/\pi$"), (LOWEST, GREEN, r"$1/\sqrt{2\pi}$")):
        ax.axhline(bound, color=color, linestyle="--", linewidth=1.5, label=label)
    ax.set(xlabel="number of tones", ylabel="DC / RMS", ylim=(0.39, 0.46), xticks=[1, 5, 10, 15, 20])
    ax.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, columnspacing=1)
    return figure
