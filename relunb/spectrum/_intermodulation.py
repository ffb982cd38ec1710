"""The line that ReLU puts at a combination of the frequencies of its input."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .._checks import Numbers, check_integers
from .._functorch import outside_graphs
from ._multitone import dc_of_rows, followed, rows_of_tones, sign
from ._phase_mean import HIGHEST_ROTATED as _HIGHEST_ROTATED
from ._phase_mean import phase_mean_integral
from ._tone import lines_of_tone

_LOW = 6  # order up to which the integral of Bessel functions has its fast route
_HIGHEST = 10**6  # sum of orders, of one tone or two
_HIGHEST_OF_MANY = 10_000  # of three or more
_PORTION = 1 << 16  # points at once
_MOST_POINTS, _MOST_FOLLOWED = 1 << 30, 1 << 23  # of all rows of two tones: minutes; with a gradient, 3 GiB
_MOST_WORK = 10**5  # rows x sum of orders of three tones or more: minutes


@outside_graphs("It chooses its integrals by the amplitudes.")
def intermodulation(amplitudes: Numbers, orders: Sequence[int] | Tensor, bias: Numbers = 0.0) -> Tensor:
    """The exact line of ``ReLU(b + sum_i a_i cos(w_i t))`` at ``sum_i k_i w_i``.

    The frequencies are independent, as for :func:`multitone_dc`, so phases do not matter.

    Without a bias the parity rule holds: a line whose orders have an odd sum of 3 or more is zero, and one of sum 1 is
    half of the input's own. Sum and difference tones, (1, 1) and (1, -1), have the same amplitude.

    Args:
        amplitudes: shape (..., tones), float64 or float32; a list of numbers is taken as float64. A negative one is a
            tone of opposite phase.
        orders: k_i, one integer a tone, of any sign. Their sizes add up to 1,000,000 at most where two tones or one are
            not zero, and to 10,000 where more are.
        bias: b, a number or a tensor that broadcasts with shape (...).

    Returns:
        Tensor of shape (...), the signed amplitude of ``cos((sum k_i w_i) t)``, or the DC where all orders are zero.
        The error is absolute, below 1e-10 times the sum of amplitudes: a line that is smaller than that, as
        many of high order are, has no digit to trust. One tone, or two of which one has order 7 or more, have the
        error of a few roundings where the larger outweighs the smaller and the bias.

    Raises:
        TypeError: an input is not real, or an order is not an integer.
        ValueError: an input is empty or not finite, there is not one order a tone, or the orders are too high
            for so many rows.

    Example:
        >>> [f"{intermodulation([1.0, 0.5], k).item():.6f}" for k in ([1, 1], [1, -1], [2, 1])]
        ['0.154012', '0.154012', '0.000000']

    Source: Kechris et al. (2024), Section III, names these frequencies; the amplitudes are derived in
    :doc:`/book/spectrum/intermodulation`.
    """
    a, b, unit, dtype = rows_of_tones(amplitudes, bias)
    k = [abs(order) for order in check_integers("orders", "each order", orders, tones=a.shape[-1], least=None)]
    if not any(k):
        return (dc_of_rows(a, b).reshape(unit.shape) * unit).to(dtype)
    if not followed(a):  # silent tones take no part; with a gradient they have a say in the second one
        heard = [i for i, order in enumerate(k) if order or bool((a[:, i] != 0).any())]
        a, k = a[:, heard], [k[i] for i in heard]
    most = _HIGHEST if len(k) <= 2 else _HIGHEST_OF_MANY
    if sum(k) > most:
        raise ValueError(
            f"orders add up to {sum(k):,} in size, and {most:,} is the limit for {len(k)} tones: "
            "a line of so high an order would take too long."
        )
    if len(k) == 1:
        line = lines_of_tone(a[:, 0], b, torch.tensor(k, device=a.device))[:, 0]
    elif len(k) == 2 and max(k) > _LOW:
        most_points = _MOST_FOLLOWED if followed(a) or followed(b) else _MOST_POINTS
        _check_rows(len(a), max(most_points // _points_of_two(*k), 1), k, most_points == _MOST_FOLLOWED)
        line = _line_of_two(a, b, *k)
    else:
        if max(k) > _HIGHEST_ROTATED:
            _check_rows(len(a), max(_MOST_WORK // sum(k), 1), k, with_gradient=False)
        line = _line_of_many(a, b, k)
    return (line.reshape(unit.shape) * unit).to(dtype)


def _check_rows(rows: int, most: int, k: list[int], with_gradient: bool) -> None:
    """Refuse what takes too long, or too much memory, before it starts."""
    if rows > most:
        raise ValueError(
            f"{rows:,} rows at orders that add up to {sum(k):,} are too many{' with a gradient' * with_gradient}: "
            f"{most:,} is the limit. Split the rows."
        )


def _points_of_two(first: int, second: int) -> int:
    """How many points a period a line of two tones is summed over."""
    return max(1 << (first + second).bit_length() + 2, 1 << 16)


def _line_of_many(a: Tensor, b: Tensor, k: list[int]) -> Tensor:
    total = sum(k)
    # x/2 keeps half of each tone, |x|/2 makes all the rest.
    own = a[:, k.index(1)] / 2 if total == 1 else torch.zeros_like(b)
    biased = bool((b != 0).any()) or followed(b)
    if total % 2 and not biased:
        return own
    size, bias_size = a * sign(a), b * sign(b)
    switches = (bias_size < size.sum(-1)).detach()
    result = own * (1 + torch.where(switches, 0, b.detach().sign()))  # all of it, or nothing
    if switches.any():
        rows = switches.nonzero()[:, 0]
        integral = phase_mean_integral(size[rows], k, bias_size[rows] if biased else None)
        # cos of the sum of phases, and the sign of i^|k| e^{i u b}; see the chapter.
        if total % 2:
            factor = (-1) ** ((total - 1) // 2 + 1) * sign(b[rows])
        else:
            factor = (-1) ** (total // 2)
        odd = [sign(a[rows, i]) for i, k_i in enumerate(k) if k_i % 2]
        flips = torch.stack(odd).prod(0) if odd else 1.0
        result = result.index_add(0, rows, integral * factor * flips * (2 / math.pi))
    return result


def _line_of_two(a: Tensor, b: Tensor, first: int, second: int) -> Tensor:
    """A line of two tones: the mean over the phase of the weaker of the line of the stronger, whose bias it is.

    The mean is over a period. Where the stronger tone outweighs the rest the integrand is smooth, and evenly spaced
    points give all its digits; else it has kinks of order 3/2, and they give 12.
    """
    lines = torch.zeros_like(b)
    first_is_larger = a[:, 0].detach().abs() >= a[:, 1].detach().abs()
    points = _points_of_two(first, second)
    t = torch.arange(points // 2 + 1, dtype=a.dtype, device=a.device) * (2 * math.pi / points)
    ends = torch.where((t == 0) | (t >= math.pi), 0.5, 1.0)  # the other half of the period mirrors this one
    for inner, outer, mine in ((0, 1, first_is_larger), (1, 0, ~first_is_larger)):
        k = (first, second)[inner], (first, second)[outer]
        for row in mine.nonzero()[:, 0]:
            total = torch.zeros_like(b[0])
            for some, weight in zip(t.split(_PORTION), ends.split(_PORTION), strict=True):
                bias = b[row] + a[row, outer] * some.cos()
                line = lines_of_tone(a[row, inner].expand_as(bias), bias, torch.tensor([k[0]], device=a.device))[:, 0]
                total = total + (line * weight * torch.cos(k[1] * some)).sum()
            # A line is twice a mean; that of the stronger tone holds the 2 already, unless it is the DC.
            lines = lines.index_put((row,), total * (2 / points * (1 if k[0] else 2)))
    # What parity or silence makes zero is zero, and not a rounding; its derivatives stay.
    silent = (b.detach() == 0) if (first + second) % 2 else torch.zeros_like(b, dtype=torch.bool)
    for tone, order in enumerate((first, second)):
        if order:
            silent = silent | (a.detach()[:, tone] == 0)
    return torch.where(silent, lines - lines.detach(), lines)
