"""The plain alternative to a coordinate network: values on a grid, interpolated."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .._checks import count, points


class Grid(nn.Module):
    """Values on a regular grid over [-1, 1]^n, and multilinear interpolation between them: no network at all.

    It takes what a :class:`relunb.inr.CoordinateNetwork` takes and trains as one. Its parameters are the values
    themselves, from zero.

    Args:
        size: points along each coordinate, at least 2 each; one to three coordinates. ``(height, width)`` for an image.
        out_features: values at a point.

    Raises:
        TypeError: a size is not an integer.
        ValueError: there are no coordinates or more than three, or a size is below 2.

    Used in :doc:`/book/inr/photograph`.
    """

    def __init__(self, size: Sequence[int], out_features: int = 1) -> None:
        super().__init__()
        if not isinstance(size, Sequence) or not 1 <= len(size) <= 3:
            raise ValueError(f"size must have one entry a coordinate, one to three of them; got {size!r}.")
        self.size = tuple(count("size", n, least=2) for n in size)
        self.in_features, self.out_features = len(self.size), count("out_features", out_features)
        self.values = nn.Parameter(torch.zeros(self.out_features, *self.size))

    @classmethod
    def within(cls, parameters: int, size: Sequence[int], out_features: int = 1) -> "Grid":
        """The finest grid of the shape of ``size``, and no finer, that has at most ``parameters`` parameters.

        Raises:
            ValueError: even two points along each coordinate are too many.
        """
        budget = count("parameters", parameters) / count("out_features", out_features)
        factor = min((budget / math.prod(size)) ** (1 / len(size)), 1.0)
        sizes = [max(math.floor(n * factor + 1e-9), 2) for n in size]
        if math.prod(sizes) > budget:
            raise ValueError(f"a grid needs two points along each coordinate; {parameters} parameters are too few.")
        return cls(sizes, out_features)

    def forward(self, coordinates: Tensor) -> Tensor:
        """(..., coordinates) in [-1, 1] to (..., out_features); outside, the nearest value on the border.

        Raises:
            TypeError: ``coordinates`` are not real floating-point numbers.
            ValueError: a point has another number of coordinates.
        """
        points("coordinates", coordinates, self.in_features)
        places, values = coordinates.reshape(-1, self.in_features).flip(-1), self.values
        if self.in_features == 1:  # torch interpolates in two or three dimensions
            places, values = torch.cat([places, torch.zeros_like(places)], -1), values[:, None]
        lifted = places.reshape(1, *[1] * (places.shape[1] - 1), *places.shape)
        sampled = nn.functional.grid_sample(values[None], lifted, padding_mode="border", align_corners=True)
        return sampled.reshape(self.out_features, -1).T.reshape(*coordinates.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        return f"size={self.size}, out_features={self.out_features}"
