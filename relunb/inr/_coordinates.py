"""Where a network is evaluated: at the pixels of a picture, or at the times of a sound."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .._checks import check_count, is_readable, shown
from ._data import check_dtype

_MOST = 2**30  # pixels: 8 GB of coordinates


def pixel_grid(height: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The coordinates of every pixel of a picture, the input of a coordinate network.

    Args:
        height: rows.
        width: columns.
        dtype: of the coordinates, float32 or float64. Lower precision does not tell neighbours apart.

    Returns:
        Tensor of shape (height * width, 2) with the row and column of each pixel in [-1, 1], row by row.

    Raises:
        TypeError: a side is not an integer, or ``dtype`` is another one.
        ValueError: a side has no pixel, or there are more than 2**30 pixels.

    Example:
        >>> pixel_grid(2, 3).tolist()
        [[-1.0, -1.0], [-1.0, 0.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 0.0], [1.0, 1.0]]

    Used in :doc:`/book/wavelet/wavelet-activation`.
    """
    check_dtype(dtype)
    sides = [check_count(name, n) for name, n in (("height", height), ("width", width))]
    if math.prod(sides) > _MOST:
        raise ValueError(f"height times width must be at most {_MOST:,} pixels; got {shown(math.prod(sides))}.")
    return torch.cartesian_prod(*(torch.linspace(-1, 1, n, dtype=dtype) for n in sides))


def pixels(shape: Sequence[int], data: Tensor) -> Tensor:
    """The coordinates of the pixels of a picture of this shape, in the precision and on the device of the data."""
    with torch.device(data.device):
        return pixel_grid(shape[0], shape[1], data.dtype)


def lattice(sides: Sequence[int], data: Tensor) -> Tensor:
    """The coordinates of the points of a regular grid over [-1, 1]^n, in the precision and on the device of the data.

    Raises:
        ValueError: there are more than 2**30 points.
    """
    if math.prod(sides) > _MOST:
        raise ValueError(f"there must be at most {_MOST:,} points; got {math.prod(sides):,}.")
    return torch.cartesian_prod(*(torch.linspace(-1, 1, n, dtype=data.dtype, device=data.device) for n in sides))


def times(extent: float, samples: Tensor) -> Tensor:
    """A time for each sample, and no two alike."""
    info = torch.finfo(samples.dtype)
    if info.tiny * len(samples) <= extent <= info.max / 2:
        found = torch.linspace(-extent, extent, len(samples), dtype=samples.dtype, device=samples.device)
        if not is_readable(found) or (found.diff() > 0).all():
            return found
    more = "" if samples.dtype == torch.float64 else ", or take float64, with samples.double()"
    raise ValueError(
        f"{samples.dtype} does not tell {len(samples):,} times between -{extent:g} and {extent:g} apart: use another "
        f"extent{more}."
    )
