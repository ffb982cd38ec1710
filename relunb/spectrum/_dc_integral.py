"""The integral behind the DC, its gradient found beside it: autograd would record a hundred small steps.

:func:`phase_mean_integral` defines the value, and by autograd all derivatives. Here the same numbers take less:

* The growth that is taken out of a Hankel function, and the decay of a term, cancel in every term. So the derivative of
  a term has the derivative of one factor in that factor's place, and no more.
* Terms that die away early need the first panels of the imaginary axis only.
* K_1 costs a division, as ``I_0 K_1 + I_1 K_0 = 1/x``, and ``J_1`` shares the waves of ``J_0``.

A second derivative, and every transform of ``torch.func``, takes the plain form.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._functorch import has_tangent, inside_transform, plain_only
from ._bessel import bessel_without_record, jy_near_zero_without_record
from ._factors import BesselFactor, BiasFactor, Factor, exp
from ._phase_mean import (
    PANELS,
    RADIUS,
    Terms,
    on_axis,
    on_quarter_circle,
    phase_mean_integral,
    portion,
    portions,
    routes,
    scale_of,
    terms_of,
)

_SILENT = 45.0  # a term is nothing from excess x t = 45 on: exp(-45) is 3e-20


def dc_integral(amplitudes: Tensor, bias: Tensor | None) -> Tensor:
    """:func:`phase_mean_integral` of orders that are all zero, (rows,): its arguments, its errors."""
    weights = amplitudes if bias is None else torch.cat([amplitudes, bias.unsqueeze(-1)], -1)
    biased = bias is not None
    if plain_only(weights) or inside_transform() or has_tangent(weights):
        return _plain(weights, biased)
    if torch.is_grad_enabled() and weights.requires_grad:
        return _Integral.apply(weights, biased)[0]  # pyright: ignore[reportOptionalSubscript]
    return _value_and_slope(weights, biased, with_slope=False)[0]


def _plain(weights: Tensor, biased: bool) -> Tensor:
    amplitudes, bias = (weights[:, :-1], weights[:, -1]) if biased else (weights, None)
    return phase_mean_integral(amplitudes, [0] * amplitudes.shape[-1], bias)


class _Integral(torch.autograd.Function):
    """The integral, and its gradient as a second output that nobody follows."""

    @staticmethod
    def forward(weights: Tensor, biased: bool) -> tuple[Tensor, Tensor]:
        return _value_and_slope(weights, biased, with_slope=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, bool], output: tuple[Tensor, Tensor]) -> None:
        weights, ctx.biased = inputs
        ctx.save_for_backward(weights, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None]:
        weights, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of the gradient may be asked for
            (slope,) = torch.autograd.grad(_plain(weights, ctx.biased).sum(), weights, create_graph=True)
        return grad.unsqueeze(-1) * slope, None


def _value_and_slope(weights: Tensor, biased: bool, with_slope: bool) -> tuple[Tensor, Tensor]:
    """The integral of rows (rows, tones and bias), and its gradient, or an empty tensor. It is of degree one."""
    values, slopes = [], []
    for some in weights.split(portion(weights.device, weights.shape[-1])):
        scale = scale_of(some)
        value, slope = _of_block(some / scale, biased, with_slope)
        values.append(value * scale[:, 0])
        slopes.append(slope)
    return torch.cat(values), torch.cat(slopes)


def _of_block(weights: Tensor, biased: bool, with_slope: bool) -> tuple[Tensor, Tensor]:
    columns = weights.shape[-1]
    factors: list[Factor] = [BesselFactor(0)] * (columns - biased)
    factors += [BiasFactor(odd=False)] * biased
    split, rotate, points = routes(weights, factors)
    value = torch.zeros_like(weights[:, 0])
    slope = torch.zeros_like(weights) if with_slope else weights[:, :0]

    rotated = rotate.nonzero()[:, 0]
    if len(rotated):
        own, own_split = weights[rotated], split[rotated]
        terms = terms_of(own, own_split, torch.arange(columns, device=own.device) >= columns - biased)
        for number, mine in _panels_needed(terms):
            path = _path(own.device, PANELS[: number + 1])
            for rows in portions(mine, terms.on_axis.shape[-1] * len(path.counts)):
                found = _rotated(own[rows], own_split[rows], terms.of_rows(rows), path, biased, with_slope)
                value[rotated[rows]], slope[rotated[rows]] = found
    for length in points[~rotate].unique().tolist():
        for rows in portions((~rotate & (points == length)).nonzero()[:, 0], length * columns):
            value[rows], slope[rows] = _sampled(weights[rows], length, biased, with_slope)
    return value, slope


def _panels_needed(terms: Terms) -> list[tuple[int, Tensor]]:
    """How many panels of the imaginary axis the terms of a row reach into, and the rows of each such number."""
    starts = torch.tensor(PANELS[:-1], dtype=torch.float64, device=terms.excess.device).exp() * RADIUS
    slowest = torch.where(terms.on_axis > 0, terms.excess, math.inf).amin(-1, keepdim=True)
    needed = (slowest * starts < _SILENT).sum(-1)
    return [(number, (needed == number).nonzero()[:, 0]) for number in needed.unique().tolist()]


class _Path(NamedTuple):
    """The quarter circle and then the imaginary axis: angles, distances, and what a value at each counts, complex."""

    angle: Tensor
    t: Tensor
    counts: Tensor


def _path(device: torch.device, panels: tuple[float, ...]) -> _Path:
    angle, turn = on_quarter_circle(device)
    t, weight = on_axis(device, panels)
    return _Path(angle, t, torch.cat([-turn, 2j * weight]))


def _rotated(
    weights: Tensor, split: Tensor, terms: Terms, path: _Path, biased: bool, with_slope: bool
) -> tuple[Tensor, Tensor]:
    angle, t, counts = path
    shape = (*weights.shape, 2, len(counts))
    parts = [torch.empty(shape, dtype=torch.complex128, device=weights.device) for _ in range(1 + with_slope)]
    on_arc, on_line = ([part[..., some] for part in parts] for some in (slice(len(angle)), slice(len(angle), None)))
    w, s = weights.unsqueeze(-1), split.unsqueeze(-1)
    tones = slice(weights.shape[-1] - biased)
    _tones_on_arc(w[:, tones], s[:, tones], angle, [part[:, tones] for part in on_arc])
    _tones_on_line(w[:, tones], s[:, tones], t, [part[:, tones] for part in on_line])
    if biased:
        _bias(w[:, -1], s[:, -1], angle, t, [part[:, -1] for part in on_arc], [part[:, -1] for part in on_line])
    decay = exp(-terms.excess.unsqueeze(-1) * t) * terms.on_axis.unsqueeze(-1)
    of_terms = torch.cat([terms.on_arc.unsqueeze(-1).expand(-1, -1, len(angle)), decay], -1)
    return _multiplied_out(parts, terms, of_terms, counts)


def _set(part: Tensor, split: Tensor, whole: Tensor, upper: Tensor, lower: Tensor) -> None:
    """Store the two parts of a factor, or where it is left whole the whole and zero."""
    part[..., 0, :] = torch.where(split, upper, whole)
    part[..., 1, :] = torch.where(split, lower, 0.0)


def _tones_on_arc(weights: Tensor, split: Tensor, angle: Tensor, parts: list[Tensor]) -> None:
    """J_0 and half of each Hankel function. Y_0 of a silent tone is not finite, and not used."""
    found = jy_near_zero_without_record(range(len(parts)), RADIUS * weights, angle)
    slope_of_0 = torch.polar(torch.full_like(angle, -RADIUS), angle)  # times a function of order 1
    for order, (part, (j, y)) in enumerate(zip(parts, found, strict=True)):
        if order:
            j, y = j * slope_of_0, y * slope_of_0
        half, y = j * 0.5, y * 0.5j
        _set(part, split, j, half + y, half - y)


def _tones_on_line(weights: Tensor, split: Tensor, t: Tensor, parts: list[Tensor]) -> None:
    """I_0 and K_0 over their exponentials: the lower part is their sum."""
    x = weights * t
    i = torch.special.i0e(x)
    k = torch.special.scaled_modified_bessel_k0(x) * (-1 / math.pi)
    decay = exp(-2 * x).neg_()
    found = [(i, k)]
    if len(parts) > 1:
        di = torch.special.i1e(x).mul_(t)
        found.append((di, (di * k).add_(1 / (math.pi * weights)).div_(i)))
    for part, (real, imaginary) in zip(parts, found, strict=True):
        _set(part.real, split, real, torch.zeros_like(real), real)
        _set(part.imag, split, torch.zeros_like(real), imaginary, imaginary * decay)


def _bias(bias: Tensor, split: Tensor, angle: Tensor, t: Tensor, on_arc: list[Tensor], on_line: list[Tensor]) -> None:
    """Half of each wave."""
    step = 1j * RADIUS * torch.polar(torch.ones_like(angle), angle)
    wave = torch.exp(bias * step) / 2
    other = 0.25 / wave
    half = torch.full_like(t, 0.5)
    decay = exp(-2 * bias * t) / 2
    _set(on_arc[0], split, wave + other, wave, other)
    _set(on_line[0], split, half + decay, half, half)
    if len(on_arc) > 1:
        _set(on_arc[1], split, (wave - other) * step, wave * step, -other * step)
        _set(on_line[1], split, (half - decay) * t, -half * t, half * t)


def _multiplied_out(parts: list[Tensor], terms: Terms, of_terms: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of all terms, each weighed by ``of_terms``, and of all points by ``counts``, and its derivatives.

    The signs of half of the tones are summed over at a time, with real weights. The derivatives by the parts of all
    tones follow the same products backwards.
    """
    all_parts, chosen, of_points = parts, terms.chosen, counts
    left = rest_without = torch.empty(0)  # of the tones that are not chosen
    if chosen is not None:
        left = torch.ones_like(parts[0][..., 0, 0], dtype=torch.bool).scatter(1, chosen, False)
        whole = torch.where(left.unsqueeze(-1), parts[0][:, :, 0], 1.0)
        rest, rest_without = _product_and_others(whole, len(parts) > 1)
        of_points = rest * counts
        index = chosen[..., None, None].expand(-1, -1, *parts[0].shape[2:])
        parts = [part.gather(1, index) for part in parts]
    pairs = parts[0].unbind(1)  # (rows, 2, points) each
    half = (len(pairs) + 1) // 2
    first, second = _products(pairs[:half]), _products(pairs[half:])
    of_terms = of_terms.unflatten(1, (-1, first[-1].shape[1]))
    by_second = _weighed(of_terms, first[-1].unsqueeze(1), 2)
    total = (by_second * second[-1]).sum(1)
    value = (total * of_points).sum(-1).real
    if len(parts) == 1:
        return value, value.new_zeros(len(value), 0)
    by_first = _weighed(of_terms, second[-1].unsqueeze(2), 1)
    by_parts = _backwards(by_first, pairs[:half], first) + _backwards(by_second, pairs[half:], second)
    by_tones = (torch.stack(by_parts, 1) * parts[1]).sum(2)
    slope = (by_tones * of_points.unsqueeze(-2)).sum(-1).real
    if chosen is not None:
        of_left = rest_without * all_parts[1][:, :, 0] * (total * counts).unsqueeze(1)
        slope = torch.where(left, of_left.sum(-1).real, 0.0).scatter(1, chosen, slope)
    return value, slope


def _products(pairs: Sequence[Tensor]) -> list[Tensor]:
    """All products of the first one, of the first two, ...: (rows, 2^n, points), the first factor's sign in a row."""
    products = [pairs[0]]
    for pair in pairs[1:]:
        products.append((pair.unsqueeze(2) * products[-1].unsqueeze(1)).flatten(1, 2))
    return products


def _backwards(grad: Tensor, pairs: Sequence[Tensor], products: list[Tensor]) -> list[Tensor]:
    """The derivatives by each pair, given those by all products of the whole list."""
    found = []
    for pair, before in zip(reversed(pairs[1:]), reversed(products[:-1]), strict=True):
        grad = grad.unflatten(1, (2, -1))
        found.append((grad * before.unsqueeze(1)).sum(2))
        grad = (grad * pair.unsqueeze(2)).sum(1)
    return [grad, *reversed(found)]


def _weighed(weights: Tensor, values: Tensor, dim: int) -> Tensor:
    """The sum of complex values times real weights."""
    return torch.complex(*((weights * part.contiguous()).sum(dim) for part in (values.real, values.imag)))


def _sampled(weights: Tensor, points: int, biased: bool, with_slope: bool) -> tuple[Tensor, Tensor]:
    """The sum over the real axis of :func:`phase_mean_integral`."""
    reach = weights.sum(-1, keepdim=True)
    k = torch.arange(1, 2 * points, 2, dtype=weights.dtype, device=weights.device)
    u = k * (math.pi / reach)
    shares = reach * (-2 / math.pi) / k.square()
    x = weights.unsqueeze(-1) * u.unsqueeze(1)
    tones = weights.shape[-1] - biased
    values, *slopes = bessel_without_record(range(1 + with_slope), x[:, :tones])
    if biased:
        values = torch.cat([values, x[:, tones:].cos()], 1)
    product, others = _product_and_others(values, with_slope)
    value = reach[:, 0] * (math.pi / 4) + (product * shares).sum(-1)
    if not with_slope:
        return value, weights[:, :0]
    # J_0 has the slope -J_1, and cos -sin.
    slope = torch.cat([*slopes, x[:, tones:].sin()], 1)
    return value, -(others * slope * (u * shares).unsqueeze(1)).sum(-1)


def _product_and_others(values: Tensor, with_others: bool) -> tuple[Tensor, Tensor]:
    """The product along dimension 1, halves by halves, and for each factor that of all others, or an empty tensor."""
    number = values.shape[1]
    if number == 1:
        return values[:, 0], torch.ones_like(values) if with_others else values[:, :0]
    first, second, odd = values.split([number // 2, number // 2, number % 2], 1)
    product, others = _product_and_others(torch.cat([first * second, odd], 1), with_others)
    if not with_others:
        return product, others
    of_pairs, of_odd = others.split([number // 2, number % 2], 1)
    return product, torch.cat([of_pairs * second, of_pairs * first, of_odd], 1)
