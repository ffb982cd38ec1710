"""Pictures of the chapter "Scale selection by the variation norm"."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from ...plot._base import BLUE, GRAY, GREEN, ORANGE, WIDTH

# One look a scale, the same in every figure of the chapter: colors that read on white and on black, and a marker each.
_SCALES = (0.5, 1.0, 2.0, 3.0, 5.0)
_LOOKS: dict[float, dict[str, Any]] = {
    scale: {"color": color, "marker": marker}
    for scale, color, marker in zip(_SCALES, (GRAY, BLUE, GREEN, "#b8860b", ORANGE), "vosD^", strict=True)
}

Path = Sequence[tuple[float, float, float]]  # loss, norm, PSNR
Case = Mapping[float, Sequence[tuple[float, float]]]  # by scale: norm and PSNR of each run


def along_training(paths: Mapping[float, Path]) -> Figure:
    """Norm over the training loss, a line a scale; training goes from left to right, and lines begin untrained."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.4))
    for scale, path in paths.items():
        losses, norms, _ = zip(*path, strict=True)
        ax.plot(losses, norms, label=f"$c={scale:g}$", linewidth=1.6, markersize=5, **_LOOKS[scale])
        ax.plot(losses[0], norms[0], "o", markersize=10, markerfacecolor="none", color=_LOOKS[scale]["color"])
    ax.set(xscale="log", yscale="log", xlabel="training loss, falling to the right", ylabel="norm (53)")
    ax.invert_xaxis()
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_formatter(NullFormatter())
    low, high = ax.get_ylim()
    ax.set_yticks([tick for tick in (500, 1000, 2000, 5000, 10000, 20000) if low <= tick <= high])
    ax.legend(fontsize=9, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1.0, handlelength=1.4)
    return figure


def norm_against_psnr(cases: Mapping[str, Case]) -> Figure:
    """PSNR over the norm, a panel for each task and loss, one mark a run; two panels in a row."""
    rows = -(-len(cases) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(WIDTH, 0.5 + 1.9 * rows), squeeze=False)
    for ax, (name, case) in zip(axes.flat, cases.items(), strict=False):
        for scale, runs in case.items():
            norms, psnrs = np.array(runs, dtype=float).reshape(-1, 2).T
            ax.plot(norms, psnrs, linestyle="none", markersize=5, alpha=0.75, label=f"$c={scale:g}$", **_LOOKS[scale])
        ax.set_title(name, fontsize=10, color=GRAY)
        ax.tick_params(labelsize=9)
        ax.margins(0.1)
    for ax in axes.flat[len(cases) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel("PSNR (dB)", fontsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("norm (53)", fontsize=9)
    shown: dict[str, Any] = {}
    for ax in axes.flat:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, handle)
    names = sorted(shown, key=lambda label: float(label.strip("$").removeprefix("c=")))
    text = mpl.rcParams["text.color"]
    figure.legend(
        [shown[name] for name in names],
        names,
        fontsize=9,
        ncols=len(names),
        loc="outside upper center",
        labelcolor=text,
    )
    return figure
