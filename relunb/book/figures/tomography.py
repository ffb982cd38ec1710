"""Pictures of the chapter on tomography."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from ...plot._base import BLUE, GRAY, ORANGE, WIDTH


def scan(image: Tensor, sinogram: Tensor, angles: Tensor) -> Figure:
    """A slice, and its sinogram with one column for each of evenly spaced ``angles`` in degrees."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, WIDTH / 2 + 0.2))
    left.imshow(image.detach().numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    left.axis("off")
    step = float(angles[1] - angles[0])
    middle = len(sinogram) // 2
    right.imshow(
        sinogram.detach().numpy(),
        cmap="gray",
        aspect="auto",
        interpolation="nearest",
        extent=(float(angles[0]) - step / 2, float(angles[-1]) + step / 2, len(sinogram) - middle - 0.5, -middle - 0.5),
    )
    right.set_xticks([0, 45, 90, 135, 180])
    right.grid(visible=False)
    right.set_xlabel("angle (degrees)", color=GRAY)
    right.set_ylabel("detector", color=GRAY)
    right.tick_params(colors=GRAY)  # a photograph is not turned round on a dark page: its ticks must read on both
    for side in right.spines.values():
        side.set_color(GRAY)
    for ax, name in ((left, "slice"), (right, "sinogram")):
        ax.set_title(name, fontsize=10, color=GRAY)
    return figure


def compared(tasks: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """PSNR by method in one panel a task, all of the same methods: a small dot for a seed, a large one for the mean."""
    names = list(next(iter(tasks.values())))[::-1]  # from below
    figure, axes = plt.subplots(1, len(tasks), figsize=(WIDTH, 3.4), sharey=True, squeeze=False)
    for ax, (task, rows) in zip(axes[0], tasks.items(), strict=True):
        for place, name in enumerate(names):
            values = rows[name]
            color = GRAY if "back-projection" in name else ORANGE if name == "BW-ReLU" else BLUE
            ax.plot(values, [place] * len(values), "o", color=color, markersize=4, alpha=0.4)
            ax.plot(sum(values) / len(values), place, "o", color=color, markersize=8)
        ax.set_yticks(range(len(names)), names)
        ax.set_xlabel("PSNR (dB)")
        ax.set_title(task, fontsize=10, color=GRAY)
    return figure
