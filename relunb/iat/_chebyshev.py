"""Where polynomials change their sign on [-1, 1], for a batch of them in Chebyshev coefficients at once."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .._tables import kept_table

_HALVINGS = 30  # of [-1, 1]: two roots closer than the square root of the rounding are one double root


def crossings(c: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Number n and place u of every sign change of sum_k c[n, k] T_k(u) on [-1, 1], and of what may be one.

    That is -1 or 1 where the value is noise, at most noise[n], and an end of a halved part with a simple root there.
    """
    degree = c.shape[1] - 1
    whole, number, low = c, torch.arange(len(c), device=c.device), -torch.ones_like(c[:, 0])
    numbers, places = [number[:0]], [low[:0]]
    squares = torch.arange(degree + 1, dtype=c.dtype, device=c.device)[2:] ** 2
    halves = [half.to(c) for half in _halves(degree)]
    for turn in range(_HALVINGS if degree else 0):
        high = low + 2.0 ** (1 - turn)
        size = c.abs()
        left, right = end_values(c)
        monotone = size[:, 1] > size[:, 2:] @ squares
        some = size.amax(1) > 0
        if turn:  # what is noise beside -1 or 1 is a root there
            some &= (size.sum(1) > noise[number]) | ((low > -1) & (high < 1))
        for value, place in ((left, low), (right, high)):
            zero = some & (value.abs() <= noise[number])
            if turn:
                zero &= monotone & (value.abs() * 1024 < size[:, 1])
            numbers.append(number[zero])
            places.append(place[zero])
        several = some & ~monotone & (size[:, 0] <= size[:, 1:].sum(1))
        last = several & (turn == _HALVINGS - 1)
        single = some & (monotone | last) & (left.sign() * right.sign() < 0)
        numbers.append(number[single])
        places.append(_refined(whole[number[single]], low[single], high[single], left[single] > 0))
        if not several.any():
            break
        c, number, low = c[several], number[several], low[several]
        low = torch.cat([low, low + 2.0**-turn])
        c, number = torch.cat([c @ half for half in halves]), number.repeat(2)
    return torch.cat(numbers), torch.cat(places)


def end_values(c: Tensor) -> tuple[Tensor, Tensor]:
    """The values at u = -1 and u = 1."""
    even, odd = c[..., ::2].sum(-1), c[..., 1::2].sum(-1)
    return even - odd, even + odd


@kept_table(16)
def _halves(degree: int) -> tuple[Tensor, Tensor]:
    """Maps of the coefficients on [-1, 1] to those on its left and on its right half: (degree + 1, degree + 1) each."""
    angles = math.pi * (np.arange(degree + 1) + 0.5) / (degree + 1)
    to_values = np.polynomial.chebyshev.chebvander(np.cos(angles), degree)
    halves = [np.polynomial.chebyshev.chebvander((np.cos(angles) + side) / 2, degree) for side in (-1, 1)]
    return tuple(torch.from_numpy(np.linalg.solve(to_values, half).T.copy()) for half in halves)  # pyright: ignore[reportReturnType]


def chebyshev(c: Tensor, u: Tensor) -> Tensor:
    """sum_k c[..., k] T_k(u) by Clenshaw's recurrence; c (..., degree + 1) and u broadcast."""
    b1 = b2 = torch.zeros_like(u)
    for k in range(c.shape[-1] - 1, 0, -1):
        b1, b2 = torch.addcmul(c[..., k] - b2, u, b1, value=2), b1
    return c[..., 0] + u * b1 - b2


def _refined(c: Tensor, low: Tensor, high: Tensor, falling: Tensor) -> Tensor:
    """The root between low and high, where z changes its sign once."""
    slopes = torch.from_numpy(np.polynomial.chebyshev.chebder(np.eye(c.shape[-1]), axis=0).copy()).to(c)
    derivative = c @ slopes.T
    rounding = 4e-16 * c.abs().sum(-1)
    return bracketed_root(
        lambda u: (chebyshev(c, u), chebyshev(derivative, u)), (low + high) / 2, low, high, falling, rounding
    )


def bracketed_root(
    value_and_slope: Callable[[Tensor], tuple[Tensor, Tensor]],
    u: Tensor,
    low: Tensor,
    high: Tensor,
    falling: Tensor,
    rounding: Tensor,
) -> Tensor:
    """Roots between signs that differ, from u on: Newton's steps, or halves where they leave the bracket."""
    for turn in range(100):
        value, slope = value_and_slope(u)
        below = (value > 0) == falling  # the root lies above u
        low, high = torch.where(below, u, low), torch.where(below, high, u)
        step = u - value / slope
        inside = (step > low) & (step < high)
        if turn % 3 == 2:  # steps that crawl along one side
            inside &= high - low < 1e-3
        new = torch.where(inside, step, (low + high) / 2)
        # A panel is at most half as long as [-1, 1], so this is the last digit of s.
        noise = value.abs() <= rounding
        done = ((new - u).abs() <= 4e-16) | noise
        u = torch.where(noise, u, new)
        if bool(done.all()):
            break
    return u
