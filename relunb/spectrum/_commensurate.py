"""The DC of ReLU of tones whose frequencies are multiples of one: here phases matter."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .._checks import Numbers, check_broadcast, check_integers, check_known, check_real
from .._functorch import outside_graphs
from .._scaling import power_of_two
from ._multitone import refuse_vmap

_HIGHEST = 10**6  # harmonic, once common divisors are taken out
_MOST_WORK = 10**9  # rows x tones x highest harmonic: minutes
_POINTS = 8  # of the first grid, in a period of the highest harmonic
_BLOCK = 1 << 20  # numbers worked on at once
_FLAT = 1e-12  # of the sum of amplitudes: what happens below this height is not looked into


@outside_graphs("It finds the roots of each signal.")
def commensurate_dc(amplitudes: Numbers, harmonics: Sequence[int] | Tensor, phases: Numbers = 0.0) -> Tensor:
    """The exact DC of ``ReLU(sum_i a_i cos(k_i t + phase_i))`` over one period, for integers k_i.

    Between two zeros the signal is all on or all off, and its integral is known. So the DC is exact once the zeros are
    found. The mean over independent phases is :func:`multitone_dc`.

    Args:
        amplitudes: shape (..., tones), float64 or float32; a list of numbers is taken as float64.
        harmonics: k_i, one integer a tone, at least 0; 0 is a constant ``a cos(phase)``. Divided by their greatest
            common divisor, which changes nothing, at most 1,000,000.
        phases: radians; a number or a tensor that broadcasts with ``amplitudes``.

    Returns:
        Tensor of shape (...), with an error below 1e-12 times the sum of amplitudes, rounded to the dtype of
        ``amplitudes``. Differentiable twice where the signal crosses zero with a slope. The work grows with the highest
        harmonic, and with rows and tones.

    Raises:
        TypeError: an input is not real, or comes from ``torch.func.vmap``, or a harmonic is not an integer.
        ValueError: an input is empty or not finite, a harmonic is negative or too high, there is not one a tone, phases
            do not broadcast with amplitudes, or rows times tones times the highest harmonic are above 1,000,000,000.

    Example:
        >>> f"{commensurate_dc([1.0], [7]).item():.6f}"  # 1 / pi, at any harmonic
        '0.318310'
        >>> [f"{commensurate_dc([1.0, 1.0], [1, 2], [0.0, p]).item():.6f}" for p in (0.0, 1.0)]
        ['0.413497', '0.401886']

    Source: Kechris et al. (2024), Section III, sets all phases to zero; derived in
    :doc:`/book/spectrum/intermodulation`.
    """
    a = check_real("amplitudes", amplitudes)
    if a.ndim == 0:
        raise ValueError("amplitudes must have a last dimension of tones; got a single number. One tone is [a].")
    phase = check_real("phases", phases, like=a)
    refuse_vmap(a, phase)
    check_known(amplitudes=a, phases=phase)
    k = check_integers("harmonics", "each harmonic", harmonics, tones=a.shape[-1])
    dtype = torch.promote_types(a.dtype, phase.dtype)
    a, phase = check_broadcast(amplitudes=a.double(), phases=phase.double())
    if a.shape[-1] != len(k):
        raise ValueError(f"phases have {a.shape[-1]} tones and harmonics have {len(k)}.")
    divisor = math.gcd(*k) or 1
    k = [harmonic // divisor for harmonic in k]
    rows, highest = a.numel() // len(k), max(k)
    if highest > _HIGHEST:
        raise ValueError(
            f"the highest harmonic is {highest:,} times the common divisor of all, and {_HIGHEST:,} is the limit."
        )
    if rows * len(k) * highest > _MOST_WORK:
        raise ValueError(
            f"{rows:,} rows of {len(k)} tones up to harmonic {highest:,} would take too long: the product is "
            f"{rows * len(k) * highest:,}, and {_MOST_WORK:,} is the limit. Split the rows, or lower the harmonics."
        )
    unit = power_of_two(a, -1)
    flat, turned = (a / unit).reshape(-1, len(k)), _whole_turns_removed(phase).reshape(-1, len(k))
    multiples = torch.tensor(k, device=a.device)
    block = max(_BLOCK // (len(k) * (highest * _POINTS + 1)), 1)
    parts = [_dc(*pair, multiples) for pair in zip(flat.split(block), turned.split(block), strict=True)]
    return (torch.cat(parts).reshape(a.shape[:-1]) * unit[..., 0]).to(dtype)


def _whole_turns_removed(phase: Tensor) -> Tensor:
    """The phase in [-pi, pi]: a huge one would swallow the angle that it is added to. Its slope is 1."""
    fixed = phase.detach()
    return torch.atan2(fixed.sin(), fixed.cos()) + (phase - fixed)


class _Signals:
    """Rows of tones, at times ``2 pi (j + s) / points``: whole steps and a share of one, so no angle loses a digit."""

    def __init__(self, a: Tensor, phase: Tensor, k: Tensor) -> None:
        self.a, self.phase, self.k = a, phase, k
        self.points = max(int(k.max()) * _POINTS, 1)
        self.step = 2 * math.pi / self.points

    def on_grid(self) -> Tensor:
        """Every row at every step, (rows, points)."""
        in_phase, in_quadrature = self.a * self.phase.cos(), self.a * self.phase.sin()
        parts = []
        for j in torch.arange(self.points, device=self.a.device).split(max(_BLOCK // len(self.k), 1)):
            angle = self._whole(j).mT
            parts.append(in_phase @ angle.cos() - in_quadrature @ angle.sin())
        return torch.cat(parts, 1)

    def near(self, row: Tensor, j: Tensor) -> tuple[Tensor, Tensor]:
        """Amplitudes and angles (times, tones) of rows at whole steps."""
        return self.a[row], self._whole(j) + self.phase[row]

    def _whole(self, j: Tensor) -> Tensor:
        return (j.unsqueeze(-1) * self.k % self.points).to(self.a.dtype) * self.step

    def value_and_slope(self, near: tuple[Tensor, Tensor], ahead: Tensor) -> tuple[Tensor, Tensor]:
        """Of the signals so many radians later."""
        a, angle = near
        angle = angle + ahead.unsqueeze(-1) * self.k
        return (a * angle.cos()).sum(-1), -(a * self.k * angle.sin()).sum(-1)


def _dc(a: Tensor, phase: Tensor, k: Tensor) -> Tensor:
    signals = _Signals(a, phase, k)
    with torch.no_grad():
        starts_on, (row, j, ahead, rises) = _zeros(a, phase, k)
    # A zero moves with the amplitudes. That changes no integral at first order, but it does at second order: a step of
    # Newton's method from the zero itself leaves its value alone and gives it its derivative.
    near = signals.near(row, j)
    value, slope = signals.value_and_slope(near, ahead)
    slope = slope.detach()
    crosses = slope.abs() > 1e-6 * a.detach().abs().sum(-1)[row]
    ahead = ahead - torch.where(crosses, value / torch.where(crosses, slope, 1.0), 0.0)

    # The integral from zero to zero is a difference of end values. Where ReLU turns on, one is taken away.
    constant = k == 0
    angle = near[1] + ahead.unsqueeze(-1) * k
    time = (j.to(a.dtype) * signals.step + ahead).unsqueeze(-1)
    ends = torch.where(constant, time * angle.cos(), angle.sin() / torch.where(constant, 1, k))
    ends = (near[0] * ends).sum(-1) * (1 - 2 * rises.to(a.dtype))
    always = (a * phase.cos() * constant).sum(-1)  # a period of it, if ReLU is on at time 0 and so at 2 pi
    return torch.where(starts_on, always, 0.0).index_add(0, row, ends / (2 * math.pi))


Zeros = tuple[
    Tensor, Tensor, Tensor, Tensor
]  # row, whole step, radians ahead of it, and whether the signal rises there


def _zeros(a: Tensor, phase: Tensor, k: Tensor) -> tuple[Tensor, Zeros]:
    """Whether each row starts above zero, and where it changes sign.

    A grid brackets most zeros. In an interval of length h a signal of curvature at most C stays within ``C h^2/8`` of
    the chord, and where its slope in the middle is above ``C h/2`` it has one sign of slope: there no zero hides.
    All other intervals are halved, until what may hide in them is nothing.
    """
    # Tones of one harmonic are one tone, which may be silent: the curvature must not count them one by one.
    distinct, place = k.unique(return_inverse=True)
    wave = torch.zeros(len(a), len(distinct), dtype=torch.complex128, device=a.device)
    wave.index_add_(1, place, torch.polar(a.abs(), torch.where(a < 0, phase + math.pi, phase)))
    signals = _Signals(wave.abs(), wave.angle(), distinct)
    size = a.abs().sum(-1)
    curvature = (wave.abs() * distinct.square()).sum(-1)

    nodes = signals.on_grid()
    starts_on = nodes[:, 0] > 0
    left, right = nodes, nodes.roll(-1, 1)
    unsure = _may_hide_a_zero(left, right, curvature.unsqueeze(-1), signals.step)
    row, j = unsure.nonzero().unbind(-1)
    todo = [(row, j, torch.zeros_like(left[row, j]), left[row, j], right[row, j], 0)]
    found: list[Zeros] = []
    while todo:
        row, j, start, left, right, level = todo.pop()
        if len(row) > _BLOCK // len(distinct):  # one half after the other
            half = len(row) // 2
            todo += [(*(v[p] for v in (row, j, start, left, right)), level) for p in (slice(half), slice(half, None))]
            continue
        width = signals.step * 0.5**level
        middle = start + width / 2
        value, slope = signals.value_and_slope(signals.near(row, j), middle)
        bend = curvature[row]
        steep = slope.abs() > bend * (width / 2)
        done = steep | (bend * width**2 <= _FLAT * size[row])
        changes = done & ((left > 0) != (right > 0))
        clear, flat = changes & steep, changes & ~steep
        if clear.any():
            found.append(_refined(signals, row[clear], j[clear], start[clear], left[clear], width))
        if flat.any():  # wherever in it the signal changes sign, the integral is the same
            found.append((row[flat], j[flat], middle[flat], left[flat] <= 0))
        halves = ((row, j, start, left, value), (row, j, middle, value, right))
        keep = [~done & _may_hide_a_zero(half[3], half[4], bend, width / 2) for half in halves]
        row, j, start, left, right = (
            torch.cat([v[kept] for v, kept in zip(pair, keep, strict=True)]) for pair in zip(*halves, strict=True)
        )
        if len(row):
            todo.append((row, j, start, left, right, level + 1))
    if not found:
        none = row[:0]
        return starts_on, (none, none, size[:0], none.bool())
    zeros = [torch.cat(part) for part in zip(*found, strict=True)]
    # In order of time a turn on and a turn off are neighbours, and no partial sum of the integrals grows.
    for key in (2, 1, 0):
        order = zeros[key].argsort(stable=True)
        zeros = [part[order] for part in zeros]
    row, j, ahead, rises = zeros
    return starts_on, (row, j, ahead, rises)


def _may_hide_a_zero(left: Tensor, right: Tensor, bend: Tensor, width: float) -> Tensor:
    lowest = torch.minimum(left.abs(), right.abs())
    return ((left > 0) != (right > 0)) | (lowest <= bend * (width**2 / 8))


def _refined(signals: _Signals, row: Tensor, j: Tensor, start: Tensor, left: Tensor, width: float) -> Zeros:
    """The one zero of each interval, by Newton's method; a step that leaves the bracket is a bisection instead."""
    rises = left <= 0
    low, high = start, start + width
    time, near = start + width / 2, signals.near(row, j)
    last = False
    for _ in range(60):
        value, slope = signals.value_and_slope(near, time)
        before = (value > 0) != rises
        low, high = torch.where(before, time, low), torch.where(before, high, time)
        trial = time - value / torch.where(slope == 0, 1.0, slope)
        trial = torch.where((trial < low) | (trial > high) | (slope == 0), (low + high) / 2, trial)
        moved, time = (trial - time).abs().amax(), trial
        if last:
            break
        last = bool(moved <= 1e-8 * width)  # the next step leaves the square of it, or a half where it touches zero
    return row, j, time, rises
