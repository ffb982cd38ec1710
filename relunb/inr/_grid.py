"""The plain alternative to a coordinate network: values on a grid, interpolated."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_count, check_points, check_same_place, shown

_MOST = 2**30  # values: 4 GB in float32
_WHOLE = 2**64  # parts of a size


class Grid(nn.Module):
    """Values on a regular grid over [-1, 1]^n, and multilinear interpolation between them: no network at all.

    It takes what a :class:`relunb.inr.CoordinateNetwork` takes and trains as one. Its parameters are the values
    themselves, from zero.

    Args:
        size: points along each coordinate, at least 2 each; one to three coordinates. ``(height, width)`` for an image.
        out_features: values at a point.

    Raises:
        TypeError: a size is not an integer.
        ValueError: there are no coordinates or more than three, a size is below 2, or there are more than 2**30 values.

    Example:
        >>> grid = Grid((2, 2))
        >>> grid.values.data = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
        >>> grid(torch.tensor([[-1.0, 1.0], [0.0, 0.0]])).tolist()
        [[1.0], [1.5]]

    Used in :doc:`/book/inr/image-fitting`.
    """

    def __init__(self, size: Sequence[int], out_features: int = 1) -> None:
        super().__init__()
        self.size = _sides(size)
        self.in_features, self.out_features = len(self.size), check_count("out_features", out_features)
        total = math.prod(self.size) * self.out_features
        if total > _MOST:
            raise ValueError(f"a grid of size {shown(self.size)} has {shown(total)} values; {_MOST:,} are the most.")
        self.values = nn.Parameter(torch.zeros(self.out_features, *self.size))

    @classmethod
    def within(cls, parameters: int, size: Sequence[int], out_features: int = 1) -> "Grid":
        """The finest grid of the shape of ``size``, and no finer, that has at most ``parameters`` parameters.

        A side that would get fewer than two points gets two, and the others share what is left.

        Raises:
            TypeError: a number is not an integer.
            ValueError: a size is below 2, or even two points along each coordinate are too many.

        Example:
            >>> Grid.within(100, (20, 80)).size, Grid.within(30, (3, 100)).size
            ((5, 20), (2, 15))
        """
        budget, sides = check_count("parameters", parameters) // check_count("out_features", out_features), _sides(size)
        if budget < 2 ** len(sides):
            raise ValueError(
                f"a grid needs two points along each coordinate, {2 ** len(sides) * out_features} parameters; "
                f"{shown(parameters)} parameters are too few."
            )

        def scaled(part: int) -> list[int]:
            return [max(n * part // _WHOLE, 2) for n in sides]

        # The largest part of the size that fits: bisection, in integers.
        fits, most = 0, _WHOLE + 1
        while most - fits > 1:
            middle = (fits + most) // 2
            fits, most = (middle, most) if math.prod(scaled(middle)) <= budget else (fits, middle)
        return cls(scaled(fits), out_features)

    def forward(self, coordinates: Tensor) -> Tensor:
        """(..., coordinates) in [-1, 1] to (..., out_features); outside, the nearest value on the border.

        A coordinate that is NaN gives NaN. Derivatives by the coordinates are those of torch's ``grid_sample``: none in
        forward mode, and at a point of the grid that of one side.

        Raises:
            TypeError: ``coordinates`` are not real floating-point numbers, or of another dtype than the values.
            ValueError: a point has another number of coordinates, or they are on another device than the values.
        """
        check_points("coordinates", coordinates, self.in_features)
        check_same_place(coordinates=coordinates, values=self.values)
        if coordinates.dtype != self.values.dtype:
            raise TypeError(
                f"coordinates are {coordinates.dtype} and the grid's values {self.values.dtype}: convert one, "
                f"for example grid.to({coordinates.dtype})."
            )
        wide = torch.promote_types(coordinates.dtype, torch.float32)  # bfloat16 does not tell pixels apart
        places, values = coordinates.reshape(-1, self.in_features).flip(-1).to(wide), self.values.to(wide)
        if self.in_features == 1:  # torch interpolates in two or three dimensions
            places, values = torch.cat([places, torch.zeros_like(places)], -1), values[:, None]
        lifted = places.reshape(1, *[1] * (places.shape[1] - 1), *places.shape)
        sampled = nn.functional.grid_sample(values[None], lifted, padding_mode="border", align_corners=True)
        sampled = sampled.reshape(self.out_features, -1).T.reshape(*coordinates.shape[:-1], self.out_features)
        nowhere = coordinates.isnan().any(-1, keepdim=True)  # torch would take the border
        return torch.where(nowhere, math.nan, sampled).to(coordinates.dtype)

    def extra_repr(self) -> str:
        return f"size={self.size}, out_features={self.out_features}"


def _sides(size: Any) -> tuple[int, ...]:
    if not isinstance(size, Sequence) or isinstance(size, str) or not 1 <= len(size) <= 3:
        raise ValueError(f"size must have one entry a coordinate, one to three of them; got {shown(size)}.")
    return tuple(check_count("size", n, least=2) for n in size)
