"""The two kinds of factor of the product behind a line: a tone's Bessel function, and the wave of the bias."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ._bessel import bessel_j, ie, j_near_zero, jy_near_zero, ke


class Parts(NamedTuple):
    """A factor, and the two parts that it is the sum of: one dies away upwards in the complex plane, one downwards."""

    whole: Tensor
    upper: Tensor
    lower: Tensor


@dataclass(frozen=True)
class BesselFactor:
    """``J_order(a u)``. Its parts are half a Hankel function each: no value at zero, and a huge one near it."""

    order: int

    def near_zero(self, size: Tensor, split: Tensor, angle: Tensor) -> Parts:
        """At ``size`` e^(i angle). The parts count where ``split``."""
        j, y = jy_near_zero(self.order, torch.where(split, size, 1.0), angle)
        half, y = j * 0.5, y * 0.5j
        whole = j if split.all() else j_near_zero(self.order, size, angle)
        return Parts(whole, half + y, half - y)

    def on_imaginary_axis(self, weight: Tensor, split: Tensor, t: Tensor) -> Parts:
        """At ``i weight t``: the whole and the lower part over ``exp(weight t)``, the upper part over its inverse."""
        x = weight * t
        silent = weight.detach() == 0
        k = ke(self.order, torch.where(split, x, 1.0)) * ((-1) ** (self.order + 1) / math.pi)
        i = ie(self.order, torch.where(silent, 1.0, x))
        if silent.any():  # a silent tone is 1, or 0, and has two derivatives: the first terms of its series carry them
            square = (x / 2).square()
            series = {0: 1 + square, 1: x / 2, 2: square / 2}.get(self.order, torch.zeros_like(x))
            i = torch.where(silent, series, i)
        zero = torch.zeros_like(x)
        parts = torch.complex(i, zero), torch.complex(zero, k), torch.complex(i, -k * exp(-2 * x))
        return Parts(*(part * 1j**self.order if self.order else part for part in parts))

    def on_real_axis(self, x: Tensor) -> Tensor:
        """At ``x``."""
        return bessel_j(self.order, x)

    def square_bound(self, x: Tensor) -> Tensor:
        """At least its square, at ``x`` and beyond."""
        bound = torch.where(x < 1.5, exp(-x.square() / 2), (2 / math.pi / x).clamp_max(0.33))
        if self.order == 0:
            return bound
        return torch.where(x > 1.5 * self.order, (4 * bound).clamp_max(1), 1)


@dataclass(frozen=True)
class BiasFactor:
    """``cos(b u)``, or ``sin(b u)`` where the orders of the tones have an odd sum. Its parts are waves."""

    odd: bool
    order = 0

    def near_zero(self, size: Tensor, split: Tensor, angle: Tensor) -> Parts:
        """At ``size`` e^(i angle)."""
        del split  # a wave has both parts everywhere
        wave = torch.exp(1j * size * torch.polar(torch.ones_like(angle), angle))
        upper, lower = (wave / 2j, -1 / wave / 2j) if self.odd else (wave / 2, 1 / wave / 2)
        return Parts(upper + lower, upper, lower)

    def on_imaginary_axis(self, weight: Tensor, split: Tensor, t: Tensor) -> Parts:
        """At ``i weight t``, over the same exponentials as a tone."""
        del split
        x = weight * t
        upper = torch.full_like(x, 0.5) * (-1j if self.odd else 1)
        lower = -upper if self.odd else upper
        return Parts(lower + upper * exp(-2 * x), upper, lower)

    def on_real_axis(self, x: Tensor) -> Tensor:
        """At ``x``."""
        return torch.sin(x) if self.odd else torch.cos(x)

    def square_bound(self, x: Tensor) -> Tensor:
        """At least its square, at ``x`` and beyond."""
        return torch.ones_like(x)


Factor = BesselFactor | BiasFactor


def exp(x: Tensor) -> Tensor:
    """exp(x). torch.exp wakes all threads from 2,048 numbers on, exp2 from 32,768 on."""
    return torch.exp2(x * math.log2(math.e))
