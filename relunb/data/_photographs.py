"""Photographs that ship with scikit-image, as gray values."""

import torch
from torch import Tensor

PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "rocket")


def photograph(name: str = "chelsea", *, window: tuple[int, int, int] | None = None) -> Tensor:
    """A photograph as gray values.

    Args:
        name: one of ``PHOTOGRAPHS``.
        window: ``(top, left, side)`` in pixels: a square part of it. Default: the whole picture.

    Returns:
        float32 tensor (height, width), values in [0, 1].

    Raises:
        ValueError: there is no such photograph, or the window leaves it.

    Source: scikit-image's data module. Used in :doc:`/book/wavelet/seven-relus`.
    """
    from skimage import color, data

    if name not in PHOTOGRAPHS:
        raise ValueError(f"name must be one of {', '.join(map(repr, PHOTOGRAPHS))}; got {name!r}.")
    pixels = getattr(data, name)()
    gray = color.rgb2gray(pixels) if pixels.ndim == 3 else pixels / 255
    picture = torch.from_numpy(gray).float()
    if window is None:
        return picture
    top, left, side = window
    height, width = picture.shape
    if min(top, left) < 0 or side < 1 or top + side > height or left + side > width:
        raise ValueError(f"window {window} leaves the picture, which has {height} x {width} pixels.")
    return picture[top : top + side, left : left + side].contiguous()


def pixel_grid(height: int, width: int) -> Tensor:
    """The coordinates of every pixel of a picture, the input of a coordinate network.

    Args:
        height: rows.
        width: columns.

    Returns:
        float32 tensor of shape (height * width, 2) with the row and column of each pixel in [-1, 1], row by row.

    Raises:
        ValueError: a side has no pixel.

    Used in :doc:`/book/wavelet/seven-relus`.
    """
    if height < 1 or width < 1:
        raise ValueError(f"a picture needs at least one pixel a side; got {height} x {width}.")
    rows, columns = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    return torch.cartesian_prod(rows, columns)
