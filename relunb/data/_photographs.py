"""Photographs that ship with scikit-image, as gray values."""

import torch
from torch import Tensor

from .._checks import count

PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "rocket")


def photograph(name: str = "chelsea", *, window: tuple[int, int, int] | None = None, shrink: int = 1) -> Tensor:
    """A photograph as gray values.

    Args:
        name: one of ``PHOTOGRAPHS``.
        window: ``(top, left, side)`` in pixels: a square part of it. Default: the whole picture.
        shrink: replace blocks of ``shrink * shrink`` pixels by their means.

    Returns:
        float32 tensor (height, width), values in [0, 1].

    Raises:
        ValueError: there is no such photograph, the window leaves it, or ``shrink`` does not divide its sides.

    Source: scikit-image's data module. Used in :doc:`/book/wavelet/seven-relus`.
    """
    from skimage import color, data

    if name not in PHOTOGRAPHS:
        raise ValueError(f"name must be one of {', '.join(map(repr, PHOTOGRAPHS))}; got {name!r}.")
    pixels = getattr(data, name)()
    gray = color.rgb2gray(pixels) if pixels.ndim == 3 else pixels / 255
    picture = torch.from_numpy(gray).float()
    if window is not None:
        top, left, side = window
        height, width = picture.shape
        if min(top, left) < 0 or side < 1 or top + side > height or left + side > width:
            raise ValueError(f"window {window} leaves the picture, which has {height} x {width} pixels.")
        picture = picture[top : top + side, left : left + side].contiguous()
    return shrunk(picture, shrink)


def shrunk(picture: Tensor, factor: int) -> Tensor:
    """Means of blocks of ``factor * factor`` pixels."""
    height, width = picture.shape
    if height % count("shrink", factor) or width % factor:
        raise ValueError(f"shrink must be a common divisor of the sides, {height} x {width}; got {factor}.")
    return picture.reshape(height // factor, factor, width // factor, factor).mean((1, 3))
