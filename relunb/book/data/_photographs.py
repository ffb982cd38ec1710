"""Photographs that ship with scikit-image, as gray values."""

import importlib
from typing import Any

import torch
from torch import Tensor

from ..._checks import check_count, shown

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
        ImportError: scikit-image is not installed.
        TypeError: ``window`` or ``shrink`` is not of integers.
        ValueError: there is no such photograph, the window leaves it, or ``shrink`` does not divide its sides.

    Example:
        >>> photograph("chelsea", window=(70, 120, 96), shrink=2).shape
        torch.Size([48, 48])

    Source: scikit-image's data module. Used in :doc:`/book/wavelet/wavelet-activation`.
    """
    if not isinstance(name, str) or name not in PHOTOGRAPHS:
        raise ValueError(f"name must be one of {', '.join(map(repr, PHOTOGRAPHS))}; got {shown(name)}.")
    window, shrink = None if window is None else _window(window), check_count("shrink", shrink)
    data, color = skimage_module("data", "photograph"), skimage_module("color", "photograph")
    pixels = getattr(data, name)()
    gray = color.rgb2gray(pixels) if pixels.ndim == 3 else pixels / 255
    picture = torch.from_numpy(gray).float()
    if window is not None:
        top, left, side = window
        height, width = picture.shape
        if top + side > height or left + side > width:
            raise ValueError(f"window {shown(window)} leaves the picture, which has {height} x {width} pixels.")
        picture = picture[top : top + side, left : left + side].contiguous()
    return shrunk(picture, shrink)


def _window(window: Any) -> tuple[int, int, int]:
    try:
        top, left, side = window
    except (TypeError, ValueError) as error:
        raise ValueError(f"window must be three integers, (top, left, side); got {shown(window)}.") from error
    lows = {"the top of window": (top, 0), "the left of window": (left, 0), "the side of window": (side, 1)}
    top, left, side = (check_count(name, value, least=least) for name, (value, least) in lows.items())
    return top, left, side


def skimage_module(name: str, caller: str) -> Any:
    """A module of scikit-image, or a sentence on how to get it."""
    try:
        return importlib.import_module(f"skimage.{name}")
    except ImportError as error:
        raise ImportError(f"{caller} needs scikit-image: pip install scikit-image.") from error


def shrunk(picture: Tensor, factor: int) -> Tensor:
    """Means of blocks of ``factor * factor`` pixels."""
    height, width = picture.shape
    if height % factor or width % factor:
        raise ValueError(f"shrink must be a common divisor of the sides, {height} x {width}; got {shown(factor)}.")
    return picture.reshape(height // factor, factor, width // factor, factor).mean((1, 3))
