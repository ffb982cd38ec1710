"""Bessel functions that torch lacks, or has with a few digits only, in float64 on every device, and differentiable.

``torch.special.bessel_j0`` is off by 4e-7 just above 5 in float64, and the K functions have no derivative. J0 and J1
here are good to 4e-15: a polynomial up to 8, and an amplitude and a phase beyond it. No coefficient is typed in. The
tables are interpolated, once, from two integrals that define the functions.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.polynomial import chebyshev, hermite
from torch import Tensor

from .._functorch import nested_forward_mode

_SPLIT = 8.0
_DEGREE, _FAR_DEGREE = 18, 11  # one degree less costs a digit; more only adds roundings


def _mean_over_circle(order: int, x: Any) -> Any:
    """J_n(x), the mean of cos(n t - x sin t) over a circle: exact to rounding with this many points for x <= 8."""
    t = 2 * np.pi * (np.arange(64) + 0.5) / 64
    return np.cos(order * t - x[..., None] * np.sin(t)).mean(-1)


def _slow_part(order: int, x: Any) -> Any:
    """H_n(x) without its ``sqrt(2 / (pi x)) e^(i (x - n pi/2 - pi/4))``: what is left of Hankel's integral."""
    s, weights = hermite.hermgauss(120)
    values = s ** (2 * order) * (1 + 0.5j * s**2 / x[..., None]) ** (order - 0.5)
    return (weights * values).sum(-1) / math.gamma(order + 0.5)


@functools.cache
def _tables(order: int) -> tuple[list[float], list[float], list[float]]:
    """Polynomials in the squares of x (up to 8) and 8/x (beyond): J_n / x^n, and the slow part, real and imaginary."""

    def near(y: Any) -> Any:
        x = np.sqrt((y + 1) / 2) * _SPLIT
        return _mean_over_circle(order, x) / x**order

    def far(y: Any) -> Any:
        x = _SPLIT / np.sqrt((y + 1) / 2)
        slow = _slow_part(order, x)
        return slow.real + 1j * slow.imag * x

    middle = chebyshev.cheb2poly(chebyshev.chebinterpolate(near, _DEGREE))
    real = chebyshev.cheb2poly(chebyshev.chebinterpolate(lambda y: far(y).real, _FAR_DEGREE))
    imaginary = chebyshev.cheb2poly(chebyshev.chebinterpolate(lambda y: far(y).imag, _FAR_DEGREE))
    return middle.tolist(), real.tolist(), imaginary.tolist()


def _horner(coefficients: list[float], y: Tensor) -> Tensor:
    total = torch.full_like(y, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total.mul_(y).add_(coefficient)
    return total


def _evaluate(orders: Sequence[int], x: Tensor) -> list[Tensor]:
    """J of each order, 0 or 1. The waves of the two are a quarter apart: one cosine and one sine make both."""
    size = x.abs()
    y = size.clamp_max(_SPLIT).square_().mul_(2 / _SPLIT**2).sub_(1)
    near = [_horner(_tables(order)[0], y) for order in orders]
    near = [j.mul_(x) if order else j for order, j in zip(orders, near, strict=True)]
    if x.device.type == "cpu" and (x.numel() == 0 or size.amax() <= _SPLIT):
        return near
    is_near = size <= _SPLIT
    phase = size.clamp_min(_SPLIT)
    inverse = phase.reciprocal()
    y = inverse.square().mul_(2 * _SPLIT**2).sub_(1)
    height = (inverse * (2 / math.pi)).sqrt_()
    cosine = phase.sub_(math.pi / 4).cos().mul_(height)
    sine = phase.sin_().mul_(height)
    found = []
    for order, inner in zip(orders, near, strict=True):
        _, real, imaginary = _tables(order)
        far, small = _horner(real, y), _horner(imaginary, y).mul_(inverse)
        if order:
            far.mul_(sine).addcmul_(small, cosine).mul_(x.sign())
        else:
            far.mul_(cosine).addcmul_(small, sine, value=-1)
        found.append(torch.where(is_near, inner, far))
    return found


def _refuse_nested_jvp() -> None:
    """Forward mode inside forward mode loses the outer tangent of what a Function saved, and says nothing."""
    if nested_forward_mode():
        raise NotImplementedError(
            "no second derivative by jacfwd of jacfwd, or jvp of jvp, here: use torch.func.hessian or jacrev of jacrev."
        )


class _J0(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _evaluate((0,), x)[0]

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return -grad * bessel_j1(x)

    @staticmethod
    def jvp(ctx, grad: Tensor) -> Tensor:
        _refuse_nested_jvp()
        return _J0.backward(ctx, grad)


class _J1(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _evaluate((1,), x)[0]

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        x, j1 = ctx.saved_tensors
        zero = x == 0
        return grad * (bessel_j0(x) - torch.where(zero, 0.5, j1 / torch.where(zero, 1, x)))

    @staticmethod
    def jvp(ctx, grad: Tensor) -> Tensor:
        _refuse_nested_jvp()
        return _J1.backward(ctx, grad)


class _K0e(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.special.scaled_modified_bessel_k0(x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        x, k0 = ctx.saved_tensors
        return grad * (k0 - k1e(x))

    @staticmethod
    def jvp(ctx, grad: Tensor) -> Tensor:
        _refuse_nested_jvp()
        return _K0e.backward(ctx, grad)


class _K1e(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.special.scaled_modified_bessel_k1(x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        x, k1 = ctx.saved_tensors
        return grad * (k1 - k0e(x) - k1 / x)

    @staticmethod
    def jvp(ctx, grad: Tensor) -> Tensor:
        _refuse_nested_jvp()
        return _K1e.backward(ctx, grad)


def bessel_j0(x: Tensor) -> Tensor:
    """J_0(x), float64."""
    return _J0.apply(x)


def bessel_j1(x: Tensor) -> Tensor:
    """J_1(x), float64."""
    return _J1.apply(x)


def bessel_without_record(orders: Sequence[int], x: Tensor) -> list[Tensor]:
    """J_n(x) for each n of 0 and 1, float64. Not followed by autograd."""
    return _evaluate(orders, x)


def k0e(x: Tensor) -> Tensor:
    """exp(x) K_0(x), float64, x > 0."""
    return _K0e.apply(x)


def k1e(x: Tensor) -> Tensor:
    """exp(x) K_1(x), float64, x > 0."""
    return _K1e.apply(x)


def bessel_j(order: int, x: Tensor) -> Tensor:
    """J_n(x) for n >= 0, x >= 0: the recurrence where it is stable (x > n), the mean over a circle elsewhere."""
    if order < 2:
        return bessel_j1(x) if order else bessel_j0(x)
    low = max(float(order), _SPLIT)
    points = 2 * order + 48  # the mean is off by J_(points - n)(x), below 1e-16 for x <= low
    t = torch.arange(points, dtype=x.dtype, device=x.device) * (2 * math.pi / points)
    small = x <= low
    inner = x[small]
    near = torch.zeros_like(inner)
    for angle in t:
        near = near + torch.cos(order * angle - inner * torch.sin(angle)) / points
    outer = torch.where(small, low, x)
    previous, current = bessel_j0(outer), bessel_j1(outer)
    for n in range(1, order):
        previous, current = current, 2 * n / outer * current - previous
    return current.masked_scatter(small, near)


def ke(order: int, x: Tensor) -> Tensor:
    """exp(x) K_n(x) for n >= 0, x > 0, by the recurrence, which is stable upwards."""
    if order < 2:
        return k1e(x) if order else k0e(x)
    previous, current = k0e(x), k1e(x)
    for n in range(1, order):
        previous, current = current, previous + 2 * n / x * current
    return current


def ie(order: int, x: Tensor) -> Tensor:
    """exp(-x) I_n(x) for n >= 0, x >= 0: the recurrence where it loses little (x > n^2 / 4), the power series below.

    All terms of the series are positive, so even a tiny value has all its digits.
    """
    if order < 2:
        return torch.special.i1e(x) if order else torch.special.i0e(x)
    low = min(max(order**2 / 4, 30.0), 600.0)  # exp(600) is still a number
    far = x.detach() > low
    inner = torch.where(far, low, x)
    square = (inner / 2).square()
    term = torch.exp(order * (inner / 2).log() - math.lgamma(order + 1) - inner)
    near = term
    for m in range(1, int(low) + 40):
        term = term * square / (m * (m + order))
        near = near + term
    outer = torch.where(far, x, low)
    previous, current = torch.special.i0e(outer), torch.special.i1e(outer)
    for n in range(1, order):
        previous, current = current, previous - 2 * n / outer * current
    return torch.where(far, current, near)


_TERMS = 14  # of a power series: (|z| / 2)^28 / 14!^2 is below 1e-18 for |z| <= 1.5


def _series_near_zero(half: Tensor, *coefficients: list[float]) -> list[Tensor]:
    """The power series in ``-half^2`` with these coefficients: one product, as steps of Horner's would be a hundred."""
    square = -half * half
    powers = torch.stack([torch.ones_like(square), square])
    while len(powers) < _TERMS:
        powers = torch.cat([powers, powers[: _TERMS - len(powers)] * (powers[-1] * square)])
    numbers = torch.tensor(coefficients, dtype=torch.float64, device=half.device)
    return list(torch.view_as_complex((numbers @ torch.view_as_real(powers).flatten(1)).unflatten(1, (*half.shape, 2))))


def j_near_zero(order: int, size: Tensor, angle: Tensor) -> Tensor:
    """J_n(z) at ``z = size e^(i angle)``, ``0 <= size <= 1.5``, by its power series. complex128."""
    half = size / 2 * torch.polar(torch.ones_like(angle), angle)
    (total,) = _series_near_zero(half, _shares(order))
    return total * half**order if order else total


def _both_near_zero(orders: Sequence[int], size: Tensor, angle: Tensor) -> list[tuple[Tensor, Tensor]]:
    """J_n and Y_n of each order, of the same powers."""
    half = size / 2 * torch.polar(torch.ones_like(angle), angle)
    most = max(orders)
    harmonic = [sum(1 / j for j in range(1, m + 1)) for m in range(_TERMS + most)]
    coefficients = []
    for order in orders:
        # The digamma function at integers is a harmonic number less Euler's constant, which joins the logarithm.
        shares = _shares(order)
        coefficients += [shares, [share * (harmonic[m] + harmonic[m + order]) for m, share in enumerate(shares)]]
    sums = _series_near_zero(half, *coefficients)
    log_square = 2 * torch.complex(*torch.broadcast_tensors((size / 2).log() + np.euler_gamma, angle))
    found = []
    for order, series, other in zip(orders, sums[::2], sums[1::2], strict=True):
        y = log_square * series - other
        if order:
            power = half**order
            series, y = series * power, y * power
        for m in range(order):
            y = y - math.factorial(order - m - 1) / math.factorial(m) * half ** (2 * m - order)
        found.append((series, y * (1 / math.pi)))  # a complex division takes ten times as long
    return found


class _NearZero(torch.autograd.Function):
    """J_n and Y_n of ``size e^(i angle)``. Their derivatives are series of a neighbour, not of each of their terms."""

    generate_vmap_rule = True

    @staticmethod
    def forward(order: int, size: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
        ((j, y),) = _both_near_zero((order,), size, angle)
        return j.clone(), y  # no view: forward mode cannot have one as an output

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.order, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def _slopes(ctx) -> list[Tensor]:
        """By ``size``: regular at zero, where the other formula for them is not."""
        (size, angle), n = ctx.saved_tensors, ctx.order
        above = jy_near_zero(n + 1, size, angle)
        below = jy_near_zero(n - 1, size, angle) if n else [-z for z in above]
        turn = torch.polar(torch.full_like(angle, 0.5), angle)
        return [turn * (low - high) for low, high in zip(below, above, strict=True)]

    @staticmethod
    def backward(ctx, *grads: Tensor) -> tuple[None, Tensor, None]:
        each = (
            grad.real * slope.real + grad.imag * slope.imag
            for grad, slope in zip(grads, _NearZero._slopes(ctx), strict=True)
        )
        return None, sum(each, torch.zeros(())).sum_to_size(ctx.saved_tensors[0].shape), None

    @staticmethod
    def jvp(ctx, _, size_dot: Tensor, __) -> tuple[Tensor, ...]:
        _refuse_nested_jvp()
        return tuple(slope * size_dot for slope in _NearZero._slopes(ctx))


def jy_near_zero(order: int, size: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """J_n(z) and Y_n(z) at ``z = size e^(i angle)``, ``0 < size <= 1.5``, by power series. complex128."""
    return _NearZero.apply(order, size, angle)  # pyright: ignore[reportReturnType]


def jy_near_zero_without_record(orders: Sequence[int], size: Tensor, angle: Tensor) -> list[tuple[Tensor, Tensor]]:
    """J_n and Y_n as above for each order. Not followed by autograd."""
    return _both_near_zero(orders, size, angle)


def _shares(order: int) -> list[float]:
    return [1 / (math.factorial(m) * math.factorial(m + order)) for m in range(_TERMS)]
