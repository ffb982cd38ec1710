"""The lines that any activation makes of tones: exact for linear splines, by Bessel functions, or by quadrature."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import Numbers, check_broadcast, check_count, check_integers, check_known, check_real, shown
from .._functorch import outside_graphs
from .._tables import kept_table
from ..ops import LinearSpline
from ._bessel import bessel_j
from ._intermodulation import intermodulation
from ._multitone import refuse_vmap, rows_of_tones, sign
from ._tone import check_lines, tone_harmonics

Activation = LinearSpline | str | Callable[[Tensor], Tensor]

_SMOOTH: dict[str, Callable[[Tensor], Tensor]] = {"siren": torch.sin, "gauss": lambda x: torch.exp(-x.square())}
_MOST_NUMBERS = 2**25  # points times rows at once: 256 MiB
_FIRST_POINTS, _MOST_POINTS = 256, 2**20  # of a period, for a function that we know nothing of
_TOLERANCE = 1e-10  # relative to the largest value on the period
_MOST_TONES = 3  # of such a function: points to the power of tones
_TAIL = 13.0  # exp(-u^2 / 4) is below 1e-18 from here on


@outside_graphs("It chooses its form by the amplitudes.")
def activation_harmonics(
    activation: Activation,
    amplitude: Numbers,
    bias: Numbers = 0.0,
    n_harmonics: int = 8,
    *,
    samples_per_period: int | None = None,
) -> Tensor:
    """The cosine lines of ``activation(a cos t + b)``.

    A linear spline is an affine part and shifted ReLUs, so its lines are those of :func:`tone_harmonics` with the bias
    ``b - knot``, added up: exact. Lines of "siren", ``sin x``, are Bessel functions (Jacobi and Anger), those of
    "gauss", ``exp(-x^2)``, modified ones; evenly spaced points give all their digits. Any other function is sampled at
    256, 512, ... points a period until two answers agree to 1e-10 of its largest value: soon for a smooth one, at a
    million points for one with a kink.

    Args:
        activation: a :class:`relunb.LinearSpline`, the name of one (see ``LinearSpline.named``), "siren", "gauss", or
            a function that torch applies element by element. For a scale c give ``c a`` and ``c b``.
        amplitude: a, a number or a tensor of any shape.
        bias: b, a number or a tensor that broadcasts with ``amplitude``.
        n_harmonics: the highest harmonic, at least 0. With ``samples_per_period`` at most half of it.
        samples_per_period: P; then the lines are those of P samples a period, all aliases added up, as a discrete
            Fourier transform reads them. None for continuous time.

    Returns:
        Tensor (..., n_harmonics + 1), as from :func:`tone_harmonics`: the constant (DC), then the signed amplitudes of
        ``cos t, cos 2t, ...``. The error is a few roundings of the largest value, or 1e-10 of it for a function.
        Differentiable in ``amplitude`` and ``bias``, and in the parameters of the activation.

    Raises:
        TypeError: ``activation`` is none of these, or an input is not real; or no spline is given amplitudes from
            ``torch.func.vmap``: each is a tone of its own already.
        ValueError: as :func:`tone_harmonics`; or the spline has channels, or points of a period fill the memory.

    Warns:
        UserWarning: a function's lines have not settled at a million points; the message says to what they are known.

    Example:
        >>> [round(line, 6) for line in activation_harmonics("bw_relu", 1.0, n_harmonics=2).tolist()]
        [-0.092279, -0.177335, -0.148409]

    Source: Jacobi-Anger for the sine; splines are derived in :doc:`/book/together/harmonics`.
    """
    activation = _known(activation)
    a = check_real("amplitude", amplitude)
    b = check_real("bias", bias, like=a)
    n_harmonics = check_count("n_harmonics", n_harmonics, least=0)
    dtype = torch.promote_types(a.dtype, b.dtype)
    a, b = (x.double() for x in check_broadcast(amplitude=a, bias=b))
    if samples_per_period is not None:
        samples_per_period = check_count("samples_per_period", samples_per_period, most=_MOST_POINTS)
        if n_harmonics > samples_per_period // 2:
            raise ValueError(
                f"n_harmonics must be at most {samples_per_period // 2}, the highest line of {samples_per_period} "
                f"samples a period; got {n_harmonics}."
            )
        check_lines(samples_per_period, a.numel())
        return _lines_of_points(_values(activation), a, b, n_harmonics, samples_per_period).to(dtype)
    if isinstance(activation, LinearSpline):
        return _spline_harmonics(activation, a, b, n_harmonics).to(dtype)
    refuse_vmap(a, b)
    check_known(amplitude=a, bias=b)
    check_lines(n_harmonics, a.numel())
    if isinstance(activation, str):
        # The line of sin or exp(-x^2) at a harmonic m beyond 6 (a + 1) is below 1e-18.
        points = _even(2 * n_harmonics + 64 + 12 * int(a.detach().abs().amax().item()))
        if points * a.numel() > _MOST_NUMBERS:
            size = a.detach().abs().amax().item()
            raise ValueError(
                f"amplitude has the size {size:g}: its lines need {points:,} points in each of {a.numel():,} rows. "
                "Split the rows, or take smaller amplitudes."
            )
        return _lines_of_points(_values(activation), a, b, n_harmonics, points).to(dtype)
    return _settled(_values(activation), a, b, n_harmonics).to(dtype)


def activation_dc(activation: Activation, amplitudes: Numbers, bias: Numbers = 0.0) -> Tensor:
    """The DC of ``activation(b + sum_i a_i cos(w_i t + phase_i))`` for frequencies that are independent.

    The line of :func:`activation_line` with all orders zero; see there.

    Args:
        activation: as for :func:`activation_harmonics`.
        amplitudes: shape (..., tones).
        bias: b, a number or a tensor that broadcasts with shape (...).

    Returns:
        Tensor of shape (...).

    Raises:
        TypeError, ValueError: as :func:`activation_line`.

    Example:
        >>> round(activation_dc("abs", [1.0, 1.0]).item(), 6)  # 8 / pi^2
        0.810569

    Source: derived in :doc:`/book/together/harmonics`.
    """
    tones = rows_of_tones(amplitudes, bias)[0].shape[-1]
    return activation_line(activation, amplitudes, [0] * tones, bias)


@outside_graphs("It chooses its integrals by the amplitudes.")
def activation_line(
    activation: Activation, amplitudes: Numbers, orders: Sequence[int] | Tensor, bias: Numbers = 0.0
) -> Tensor:
    """The line of ``activation(b + sum_i a_i cos(w_i t))`` at ``sum_i k_i w_i``, for independent frequencies.

    A linear spline adds up :func:`intermodulation` with the bias ``b - knot``. "siren" is a product of Bessel
    functions, "gauss" one integral of them. Another function is averaged over a grid of phases: three tones at most.

    Args:
        activation: as for :func:`activation_harmonics`.
        amplitudes: shape (..., tones).
        orders: k_i, one integer a tone, of any sign.
        bias: b, a number or a tensor that broadcasts with shape (...).

    Returns:
        Tensor of shape (...), the signed amplitude of ``cos((sum k_i w_i) t)``, or the DC where all orders are zero.
        The absolute error is 1e-10 times the largest value of the activation's ReLUs, or of the function.

    Raises:
        TypeError: ``activation`` is none of these, or an input is not real.
        ValueError: as :func:`intermodulation`; or a function is given with more than three tones.

    Warns:
        UserWarning: as :func:`activation_harmonics`.

    Example:
        >>> round(activation_line("siren", [1.0, 0.5], [2, 1]).item(), 6)  # -2 J_2(1) J_1(1/2)
        -0.055675

    Source: derived in :doc:`/book/together/harmonics`.
    """
    activation = _known(activation)
    a, b, unit, dtype = rows_of_tones(amplitudes, bias)
    shape, unit = unit.shape, unit.reshape(-1)
    a, b = a * unit.unsqueeze(-1), b * unit
    k = [abs(order) for order in check_integers("orders", "each order", orders, tones=a.shape[-1], least=None)]
    if isinstance(activation, LinearSpline):
        line = _spline_line(activation, a, b, k)
    elif activation == "siren":
        line = _sine(b, sum(k)) * _bessel_product(a, k) * _sides(k)
    elif activation == "gauss":
        line = _gauss_line(a, b, k)
    else:
        line = _mean_over_phases(_values(activation), a, b, k)
    return line.reshape(shape).to(dtype)


def _known(activation: Any) -> Activation:
    if isinstance(activation, str):
        if activation in _SMOOTH:
            return activation
        try:
            return _named(activation)
        except ValueError as error:
            names = ", ".join(map(repr, _SMOOTH))
            raise ValueError(f"activation: {error} Or one of {names}, a LinearSpline or a function.") from None
    known = isinstance(activation, LinearSpline) or callable(activation)
    if not known:
        raise TypeError(f"activation must be a LinearSpline, a name or a function; got {shown(activation)}.")
    if isinstance(activation, LinearSpline) and activation.knots.ndim == 2:
        raise ValueError("activation has a spline in each channel: give them one by one.")
    return activation  # pyright: ignore[reportReturnType]


@kept_table(8)
def _named(name: str) -> LinearSpline:
    return LinearSpline.named(name)


def _values(activation: Any) -> Callable[[Tensor], Tensor]:
    """The activation as a function, whose answers are looked at."""
    f = _SMOOTH[activation] if isinstance(activation, str) else activation

    def values(x: Tensor) -> Tensor:
        try:
            y: Any = _in_its_precision(f, x) if isinstance(f, nn.Module) else f(x)
        except RuntimeError as error:
            raise ValueError(
                f"activation must act element by element on float64 numbers; it failed: {error}"
            ) from error
        if not isinstance(y, Tensor) or y.is_complex():
            raise TypeError(f"activation must return a real tensor; it returned {shown(y)}.")
        if y.shape != x.shape:
            raise ValueError(
                f"activation must act element by element; it made the shape {tuple(y.shape)} of {tuple(x.shape)}."
            )
        return y.to(x.dtype)

    return values


def _in_its_precision(module: nn.Module, x: Tensor) -> Any:
    """What the module makes of x with its parameters, which may be learned in float32, in the precision of x."""
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    wide = {name: part.to(x.dtype) if part.is_floating_point() else part for name, part in state.items()}
    return torch.func.functional_call(module, wide, (x,))


def _sides(k: list[int]) -> int:
    """A line other than the DC is the sum of two exponentials."""
    return 2 if any(k) else 1


def _even(n: int) -> int:
    return n + n % 2


# Linear splines ------------------------------------------------------------------------------------------------------


def _spline_harmonics(spline: LinearSpline, a: Tensor, b: Tensor, n_harmonics: int) -> Tensor:
    check_lines(n_harmonics, a.numel() * spline.knots.numel())
    knots, jumps, slope, value = (part.to(a) for part in (spline.knots, spline.jumps, spline.slope, spline.value))
    lines = tone_harmonics(a.unsqueeze(-1), b.unsqueeze(-1) - knots, n_harmonics)
    n = torch.arange(n_harmonics + 1, device=a.device)
    affine = (value + slope * b).unsqueeze(-1) * (n == 0) + (slope * a).unsqueeze(-1) * (n == 1)
    return (jumps.unsqueeze(-1) * lines).sum(-2) + affine


def _spline_line(spline: LinearSpline, a: Tensor, b: Tensor, k: list[int]) -> Tensor:
    knots, jumps, slope, value = (part.to(a) for part in (spline.knots, spline.jumps, spline.slope, spline.value))
    rows = a.unsqueeze(-2).expand(-1, len(knots), -1)
    line = (jumps * intermodulation(rows, k, b.unsqueeze(-1) - knots)).sum(-1)
    if not any(k):
        return line + value + slope * b
    return line + slope * a[:, k.index(1)] if sum(k) == 1 else line


# Sampled periods -----------------------------------------------------------------------------------------------------


def _lines_of_points(f: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, n_harmonics: int, points: int) -> Tensor:
    """The lines that a discrete Fourier transform of ``points`` samples of a period reads."""
    t = torch.arange(points, dtype=a.dtype, device=a.device) * (2 * math.pi / points)
    spectrum = torch.fft.rfft(f(a.unsqueeze(-1) * t.cos() + b.unsqueeze(-1))).real / points
    n = torch.arange(n_harmonics + 1, device=a.device)
    return spectrum[..., : n_harmonics + 1] * torch.where((n == 0) | (2 * n == points), 1.0, 2.0)


def _settled(f: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, n_harmonics: int) -> Tensor:
    """The lines at so many points that half of them say the same."""
    points, before, change, size = max(_FIRST_POINTS, _even(4 * n_harmonics)), None, math.inf, 1.0
    while points <= _MOST_POINTS and points * a.numel() <= _MOST_NUMBERS:
        lines = _lines_of_points(f, a, b, n_harmonics, points)
        if before is not None:
            change = (lines - before).detach().abs().amax().item()
            size = f((a + b).detach()).abs().amax().item() + lines.detach().abs().amax().item()
            if change <= _TOLERANCE * size or not math.isfinite(change):
                break
        before, points = lines, 2 * points
    if before is None:
        raise ValueError(
            f"n_harmonics={n_harmonics} of {a.numel():,} rows need more points than memory holds: ask for less."
        )
    if change > _TOLERANCE * size:
        _unsettled(change)
    return lines


def _unsettled(change: float) -> None:
    warnings.warn(
        f"the activation's lines are known to about {change:.1g} only: it is not smooth. "
        "If it is piecewise linear, a LinearSpline is exact.",
        UserWarning,
        3,
    )


# Many tones ----------------------------------------------------------------------------------------------------------


def _bessel_product(a: Tensor, k: list[int]) -> Tensor:
    """``prod_i J_{k_i}(a_i)``."""
    signs = sign(a)
    factors = [bessel_j(order, a[..., i] * signs[..., i]) * signs[..., i] ** order for i, order in enumerate(k)]
    return torch.stack(factors).prod(0)


def _sine(x: Tensor, quarters: int) -> Tensor:
    """sin(x + quarters pi/2), zero where it is."""
    wave = torch.cos(x) if quarters % 2 else torch.sin(x)
    return -wave if quarters % 4 >= 2 else wave


def _gauss_line(a: Tensor, b: Tensor, k: list[int]) -> Tensor:
    """The integral of ``exp(-u^2/4) cos(u b + |k| pi/2) prod J(a u)`` over u > 0, over sqrt(pi).

    Evenly spaced points: their error is what the function has beyond half a period 2 pi / h of its argument.
    """
    reach = (a.detach().abs().sum(-1) + b.detach().abs()).amax().item()
    points = math.ceil(_TAIL * (reach + 7.0) / math.pi)
    if points * a.numel() > _MOST_NUMBERS:
        raise ValueError(f"amplitudes of the size {reach:.3g} in {len(a):,} rows need too many points: split the rows.")
    h = _TAIL / points
    u = torch.arange(points + 1, dtype=a.dtype, device=a.device) * h
    weights = torch.exp(-u.square() / 4) * (h / math.sqrt(math.pi)) * torch.where(u == 0, 0.5, 1.0)
    waves = _sine(u * b.unsqueeze(-1), sum(k) + 1)
    return (weights * waves * _bessel_product(a.unsqueeze(-2) * u.unsqueeze(-1), k)).sum(-1) * _sides(k)


def _mean_over_phases(f: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, k: list[int]) -> Tensor:
    tones = a.shape[-1]
    if tones > _MOST_TONES:
        raise ValueError(
            f"amplitudes has {tones} tones, and {_MOST_TONES} is the limit for a function that is known by its values "
            "alone. If it is piecewise linear, give a LinearSpline."
        )
    points, before, change, size = 4 * max(k) + 16, None, math.inf, 1.0
    while points**tones * len(a) <= _MOST_NUMBERS:
        # No phase at 0 or pi, so that half a period has half of the points.
        t = (torch.arange(points, dtype=a.dtype, device=a.device) + 0.5) * (math.pi / points)
        x, wave = b.reshape(-1, *[1] * tones), torch.ones((), dtype=a.dtype, device=a.device)
        for i, order in enumerate(k):
            along = [-1 if i == j else 1 for j in range(tones)]
            x = x + a[:, i].reshape(-1, *[1] * tones) * t.cos().reshape(along)
            wave = wave * torch.cos(order * t).reshape(along)
        values = f(x)
        line = (values * wave).flatten(1).mean(-1) * _sides(k)
        if before is not None:
            change, size = (line - before).detach().abs().amax().item(), values.detach().abs().amax().item()
            if change <= _TOLERANCE * size or not math.isfinite(change):
                return line
        before, points = line, 2 * points
    if before is None:
        raise ValueError(
            f"orders up to {max(k)} in {len(a):,} rows need more points than memory holds: split the rows."
        )
    _unsettled(change)
    return before
