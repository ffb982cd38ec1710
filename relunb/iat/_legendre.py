"""Where polynomials change their sign on [-1, 1], for a batch of them in Legendre coefficients at once.

A polynomial of degree n has at most as many roots as its n + 1 Bernstein coefficients have changes of sign, and an even
number fewer if fewer. So no change says that there is no root, and one change that there is just one. Where there are
more, seldom, four parts are looked at in the same way. Nothing is sampled, so no pair of roots is missed that is deeper
than rounding. What is not resolved where all coefficients are rounding is a double root, and bounds nothing.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import comb
from typing import NamedTuple

import numpy as np
import torch
from numpy.polynomial import legendre
from torch import Tensor

from .._tables import kept_table

_PARTS = 4
CLOSE = {2: 2e-3, 3: 1e-5}  # by steps: the cube of a last step is left, beside a second root more
_LEVELS = 15  # of four parts each: two roots closer than the square root of the rounding are one double root


class SignChanges(NamedTuple):
    """Every change of sign, in any order; along one polynomial they rise and fall in turn."""

    number: Tensor  # (changes,): of the polynomial
    place: Tensor  # (changes,): in [-1, 1]
    falling: Tensor  # (changes,), bool: from positive to negative
    after: Tensor  # (polynomials,), bool: positive at 1


class _Maps(NamedTuple):
    """Matrices that take a column of Legendre coefficients to others."""

    powers: Tensor  # (size, size): of u
    bernstein: Tensor  # (size, size)
    parts: Tensor  # (parts * size, size): Legendre coefficients on each part
    starts: Tensor  # (parts,): 0, 1, ...


@kept_table(64)
def maps(size: int, device: torch.device) -> _Maps:
    """For ``size`` coefficients."""
    powers, bernstein = np.zeros((2, size, size))
    for k in range(size):
        powers[: k + 1, k] = legendre.leg2poly(np.eye(size)[k])[: k + 1]
        of = [Fraction((-1) ** (k + i) * comb(k, i)) for i in range(k + 1)]
        for n in range(k + 1, size):  # of one degree more: in whole numbers, as floats would cancel
            of = [(i * of[max(i - 1, 0)] + (n - i) * of[min(i, n - 1)]) / n for i in range(n + 1)]
        bernstein[:, k] = [float(b) for b in of]
    nodes, weights = legendre.leggauss(size)
    project = (legendre.legvander(nodes, size - 1) * weights[:, None]).T * (np.arange(size)[:, None] + 0.5)
    parts = [
        np.triu(project @ legendre.legvander((2 * part + nodes + 1) / _PARTS - 1, size - 1)) for part in range(_PARTS)
    ]
    tables = (powers, bernstein, np.concatenate(parts), np.arange(_PARTS, dtype=np.float64))
    return _Maps(*(torch.from_numpy(t).to(device) for t in tables))


def sign_changes(c: Tensor, noise: Tensor, steps: int) -> SignChanges:
    """Of sum_k c[n, k] L_k(u), which is rounded by noise[n]. A place takes ``steps``, each of which cubes its error."""
    to = maps(c.shape[1], c.device)
    number, low, length = torch.arange(len(c), device=c.device), torch.full_like(noise, -1), 2.0
    b = to.bernstein @ c.mT
    positive = _signs(b, noise)[0]
    changes = _changes(positive)
    after, alone, touching = positive[-1], [], []
    for level in range(1, _LEVELS + 1):
        one, several = (changes == 1).nonzero().squeeze(1), (changes > 1).nonzero().squeeze(1)
        alone.append((*(of.index_select(0, one) for of in (number, low, c)), *_around(b, positive, one)))
        alone[-1] += (torch.full_like(alone[-1][1], length),)
        if not len(several):
            break
        length /= _PARTS
        c = (c.index_select(0, several) @ to.parts.mT).reshape(-1, c.shape[1])
        number = number[several].repeat_interleave(_PARTS)
        low = (low[several, None] + to.starts * length).flatten()
        b = to.bernstein @ c.mT
        ends = positive[:: len(b) - 1, several]
        positive, clear = _signs(b, noise[number])
        _agree(positive.view(len(b), -1, _PARTS), clear.view(-1, _PARTS), ends)
        changes = _changes(positive)
        rounding = ~clear | ((changes > 1) & (level == _LEVELS))
        changes.masked_fill_(rounding, 0)
        at = rounding & (positive[0] != positive[-1])
        touching.append((number[at], low[at] + length / 2, positive[0, at]))
    number, low, c, falling, guess, length = (torch.cat(t) for t in zip(*alone, strict=True))
    place = torch.addcmul(low, length, _root(c, guess, falling, steps) + 1, value=0.5)
    if touching:
        number, place, falling = (torch.cat(t) for t in zip((number, place, falling), *touching, strict=True))
    return SignChanges(number, place, falling, after)


def _changes(positive: Tensor) -> Tensor:
    """How often the signs change along each column."""
    return (positive[1:] != positive[:-1]).view(torch.uint8).sum(0, dtype=torch.uint8)


def _signs(b: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Whether coefficients (size, polynomials) are positive, and of which polynomials some are not rounding.

    Where an end is rounding, what is rounding is as its neighbour before, the first ones as the next: those of a
    polynomial as near as rounding, with the fewest changes. So a double root there, which rounding parts, is none.
    """
    positive, clear = b > 0, torch.ones_like(noise, dtype=torch.bool)
    weak = (torch.minimum(b[0].abs(), b[-1].abs()) <= noise).nonzero().squeeze(1)
    if len(weak):
        few = b.index_select(1, weak)
        sure = few.abs() > noise[weak]
        places = torch.arange(len(b), device=b.device)[:, None]
        first = torch.where(sure, places, len(b) - 1).amin(0)
        before = torch.where(sure, places, -1).cummax(0).values
        positive[:, weak] = ((few > 0) & sure).gather(0, torch.where(before < 0, first, before))
        clear[weak] = sure.any(0)
    return positive, clear


def _agree(positive: Tensor, clear: Tensor, ends: Tensor) -> None:
    """Neighbours have one sign between them: (coefficients, wholes, parts), and at the ends that of the whole.

    A part that is all rounding, and so not clear, has those of its neighbours.
    """
    at = [ends[0]]
    for k in range(1, _PARTS):
        before = torch.where(clear[:, k - 1], positive[-1, :, k - 1], at[-1])
        at.append(torch.where(clear[:, k], positive[0, :, k], before))
    at.append(ends[1])
    positive[0], positive[-1] = torch.stack(at[:-1], 1), torch.stack(at[1:], 1)


def _around(b: Tensor, positive: Tensor, one: Tensor) -> tuple[Tensor, Tensor]:
    """Of those with one change of sign: whether they fall, and where the polygon of their coefficients does it."""
    falling = positive[0].index_select(0, one)
    many = positive.view(torch.uint8).sum(0, dtype=torch.uint8).index_select(0, one).long()
    before = torch.where(falling, many, len(b) - many)
    at = before * b.shape[1] + one
    right, left = (b.view(-1).index_select(0, place) for place in (at, at - b.shape[1]))
    return falling, (before - right / (right - left)) * (2 / max(1, len(b) - 1)) - 1


def _root(c: Tensor, u: Tensor, falling: Tensor, steps: int) -> Tensor:
    """The one root in [-1, 1], from a guess: Halley's steps, and halves for the few that they do not lead there."""
    if not len(u) or c.shape[1] < 2:
        return u
    powers = maps(c.shape[1], c.device).powers @ c.mT
    u, lost = _stepped(powers, u, steps, CLOSE[steps])
    if len(lost):
        powers, falling = powers[:, lost], falling[lost]
        u[lost], still = _stepped(powers, u[lost], 3, CLOSE[steps])
        if len(still):
            u[lost[still]] = _halved(powers[:, still], falling[still])
    return u


def _stepped(powers: Tensor, u: Tensor, steps: int, close: float) -> tuple[Tensor, Tensor]:
    """After some of Halley's steps; and where they have not come to a stop in [-1, 1]."""
    rows = powers.unbind(0)
    step = new = slope = bend = u
    for _ in range(steps):
        value, slope, bend = _horner(rows, u)
        step = value * slope / torch.addcmul(slope * slope, value, bend, value=-1)
        new = u - step
        u = new.clamp(-1, 1)
    near = step.abs() * (step * bend).square() <= close**3 * slope.square()
    lost = ~((step.abs() <= close) & near & ((new - u).abs() <= 1e-9))
    return u, lost.nonzero().squeeze(1)


def _horner(rows: Sequence[Tensor], u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """sum_k rows[k] u^k, its first derivative, and half of its second."""
    value, slope = torch.addcmul(rows[-2], rows[-1], u), rows[-1]
    if len(rows) == 2:
        return value, slope, torch.zeros_like(u)
    bend, slope = slope, torch.addcmul(value, slope, u)
    value = torch.addcmul(rows[-3], value, u)
    for row in rows[-4::-1]:
        bend = torch.addcmul(slope, bend, u)
        slope = torch.addcmul(value, slope, u)
        value = torch.addcmul(row, value, u)
    return value, slope, bend


def legendre_sum(c: Tensor, u: Tensor) -> Tensor:
    """sum_k c[..., k] L_k(u) by Clenshaw's recurrence; c (..., size) and u broadcast."""
    b1 = b2 = torch.zeros_like(u)
    for k in range(c.shape[-1] - 1, 0, -1):
        b1, b2 = c[..., k] + (2 * k + 1) / (k + 1) * u * b1 - (k + 1) / (k + 2) * b2, b1
    return c[..., 0] + u * b1 - b2 / 2


def _halved(powers: Tensor, falling: Tensor) -> Tensor:
    """The root in [-1, 1] between signs that differ: Newton's steps, or halves where they leave the bracket."""
    rows, u = powers.unbind(0), torch.zeros_like(powers[0])
    low, high, rounding = u - 1, u + 1, powers.abs().sum(0) * 2.0**-52
    for turn in range(100):
        value, slope, _ = _horner(rows, u)
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
