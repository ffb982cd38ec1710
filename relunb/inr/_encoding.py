"""Positional encoding: sines and cosines of the coordinates, in octaves."""

import math

import torch
from torch import Tensor, nn

from .._checks import check_count, check_points

MOST_OCTAVES = 127  # 2**126 pi is the last frequency that float32 holds


class PositionalEncoding(nn.Module):
    """``x``, and ``sin(2**i pi x_j)`` and ``cos(2**i pi x_j)`` for i = 0, ..., octaves - 1 and every coordinate j.

    Args:
        in_features: how many coordinates a point has.
        octaves: how many frequencies, up to 127; the highest is ``2**(octaves - 1)`` periods on [-1, 1]. From about the
            24th on, float32 has no points between the zeros of the sine.

    Attributes:
        out_features: ``in_features * (1 + 2 * octaves)``.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: an argument is below 1, or there are more than 127 octaves.

    Example:
        >>> encode = PositionalEncoding(1, octaves=2)
        >>> [round(v, 4) for v in encode(torch.tensor([-0.25])).tolist()]  # x, two sines, two cosines
        [-0.25, -0.7071, -1.0, 0.7071, -0.0]

    Source: Mildenhall et al. (2021), as Shenouda, Zhou and Nowak (2024) use it. Used in
    :doc:`/book/inr/spectral-bias`.
    """

    def __init__(self, in_features: int, octaves: int) -> None:
        super().__init__()
        self.in_features = check_count("in_features", in_features)
        self.octaves = check_count("octaves", octaves, most=MOST_OCTAVES)
        self.out_features = self.in_features * (1 + 2 * self.octaves)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features), same dtype and device."""
        check_points("x", x, self.in_features)
        wide = torch.promote_types(x.dtype, torch.float32)
        powers = torch.tensor([2.0**i for i in range(self.octaves)], dtype=wide, device=x.device)
        # A sine repeats after two half-turns. The remainders are exact, and so is a product with a power of two.
        half_turns = torch.fmod(torch.fmod(x.to(wide), 2)[..., None] * powers, 2)
        angle = (math.pi * half_turns).flatten(-2)  # (..., in_features * octaves)
        return torch.cat([x, angle.sin().to(x.dtype), angle.cos().to(x.dtype)], -1)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, octaves={self.octaves}"
