"""Positional encoding: sines and cosines of the coordinates, in octaves."""

import math

import torch
from torch import Tensor, nn

from .._checks import count, points


class PositionalEncoding(nn.Module):
    """``x``, and ``sin(2**i pi x_j)`` and ``cos(2**i pi x_j)`` for i = 0, ..., octaves - 1 and every coordinate j.

    Args:
        in_features: how many coordinates a point has.
        octaves: how many frequencies; the highest is ``2**(octaves - 1)`` periods on [-1, 1].

    Attributes:
        out_features: ``in_features * (1 + 2 * octaves)``.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: an argument is below 1.

    Source: Mildenhall et al. (2021), as Shenouda, Zhou and Nowak (2024) use it. Used in
    :doc:`/book/inr/spectral-bias`.
    """

    def __init__(self, in_features: int, octaves: int) -> None:
        super().__init__()
        self.in_features = count("in_features", in_features)
        self.octaves = count("octaves", octaves)
        self.out_features = self.in_features * (1 + 2 * self.octaves)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features), same dtype and device."""
        points("x", x, self.in_features)
        frequency = math.pi * 2.0 ** torch.arange(self.octaves, dtype=x.dtype, device=x.device)
        angle = (x[..., None] * frequency).flatten(-2)  # (..., in_features * octaves)
        return torch.cat([x, angle.sin(), angle.cos()], -1)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, octaves={self.octaves}"
