"""The DC of ReLU of a sum of tones with independent phases."""

import math

import torch
from torch import Tensor

from .._checks import Numbers, check_known, check_real
from .._functorch import hidden_batch, outside_graphs, wrapped
from .._scaling import power_of_two
from ._dc_integral import dc_integral
from ._tone import lines_of_tone

_MOST_TONES = 10**5  # seconds for a row, and a gibibyte


@outside_graphs("It chooses its integrals by the amplitudes.")
def multitone_dc(amplitudes: Numbers, bias: Numbers = 0.0) -> Tensor:
    """The exact DC of ``ReLU(b + sum_i a_i cos(w_i t + phase_i))`` for frequencies that are independent.

    Frequencies are independent where no sum of them with integer factors is zero, but that with all factors zero. Then
    the DC does not depend on frequencies and phases. It is the mean length of a walk in the plane with steps a_i in
    random directions, over pi, and without a bias it lies between 0.3989 and 0.4502 times the RMS. Where frequencies
    are related, as 5 Hz and 10 Hz are, phases matter: use :func:`commensurate_dc`.

    Args:
        amplitudes: shape (..., tones), float64 or float32; a list of numbers is taken as float64. Signs do not matter.
        bias: b, a number or a tensor that broadcasts with shape (...).

    Returns:
        Tensor of shape (...), computed in float64 and rounded to the dtype of ``amplitudes``. The relative error is
        below 1e-10 where the bias is not negative; a negative one leaves the difference of two numbers of the size of
        the amplitudes. Differentiable twice, but where tones and bias, with some signs, add up to zero.

    Raises:
        TypeError: an input is not real, or comes from ``torch.func.vmap``: rows are a batch already.
        NotImplementedError: forward mode inside forward mode. ``torch.func.hessian``, forward over reverse, works.
        ValueError: an input is empty, not finite, or of a shape that does not fit; or ``amplitudes`` is one number, or
            has more than 100,000 tones.

    Example:
        >>> f"{multitone_dc([1.0, 1.0]).item():.6f}"  # 4 / pi^2
        '0.405285'
        >>> f"{multitone_dc([1.0, 0.5], 2.0).item():.6f}"  # a bias that outweighs the tones
        '2.000000'

    Source: Kechris et al. (2024), Section IV and Eq. (8), say what it depends on; the formula is derived in
    :doc:`/book/spectrum/many-tones`.
    """
    a, b, unit, dtype = rows_of_tones(amplitudes, bias)
    return (dc_of_rows(a, b).reshape(unit.shape) * unit).to(dtype)


def dc_of_rows(a: Tensor, b: Tensor) -> Tensor:
    """The DC of rows of tones (rows, tones) of any sign, with a bias (rows,)."""
    if a.shape[-1] == 1:
        return lines_of_tone(a[:, 0], b, torch.zeros(1, device=a.device))[:, 0]
    a = a * sign(a)
    # A bias that outweighs all tones keeps ReLU on, or off.
    switches = b.detach().abs() < a.detach().sum(-1)
    result = torch.where(b.detach() > 0, b, 0.0)
    if switches.any():
        rows = switches.nonzero()[:, 0]
        bias_rows = b[rows]
        size = bias_rows * sign(bias_rows) if (bias_rows != 0).any() or followed(b) else None
        integral = dc_integral(a[rows], size)
        result = result.index_put((rows,), bias_rows / 2 + integral / math.pi)
    return result


def rows_of_tones(amplitudes: Numbers, bias: Numbers) -> tuple[Tensor, Tensor, Tensor, torch.dtype]:
    """Amplitudes (rows, tones) and bias (rows,) over a power of two, float64; it, in the batch shape; the dtype."""
    amplitudes = check_real("amplitudes", amplitudes)
    bias = check_real("bias", bias, like=amplitudes)
    refuse_vmap(amplitudes, bias)
    check_known(amplitudes=amplitudes, bias=bias)
    if amplitudes.ndim == 0:
        raise ValueError("amplitudes must have a last dimension of tones; got a single number. One tone is [a].")
    if amplitudes.shape[-1] > _MOST_TONES:
        raise ValueError(f"amplitudes has {amplitudes.shape[-1]:,} tones, and {_MOST_TONES:,} is the limit.")
    try:
        shape = torch.broadcast_shapes(amplitudes.shape[:-1], bias.shape)
    except RuntimeError:
        raise ValueError(
            f"bias of shape {tuple(bias.shape)} does not fit amplitudes of shape {tuple(amplitudes.shape)}: it must "
            f"broadcast with {tuple(amplitudes.shape[:-1])}, one bias a row of tones."
        ) from None
    dtype = torch.promote_types(amplitudes.dtype, bias.dtype)
    a, b = amplitudes.double().expand(*shape, -1), bias.double().expand(shape)
    unit = power_of_two(torch.cat([a.detach(), b.detach().unsqueeze(-1)], -1), -1)[..., 0]
    return (a / unit.unsqueeze(-1)).reshape(-1, a.shape[-1]), (b / unit).reshape(-1), unit, dtype


def refuse_vmap(*given: Tensor) -> None:
    """Refuse what ``torch.func.vmap`` hides, also where ``grad`` is inside it."""
    if any(map(hidden_batch, given)):
        raise TypeError("each row of amplitudes is an input of its own already: call it on all rows, without vmap.")


def followed(x: Tensor) -> bool:
    """Whether a derivative of ``x`` may be asked for: by autograd, or by a transform of torch.func."""
    return x.requires_grad or wrapped(x)


def sign(x: Tensor) -> Tensor:
    """1 or -1, and 1 at zero: ``x sign(x)`` is |x| with a slope at zero, which even functions of x need there."""
    return 1 - 2 * (x.detach() < 0).to(x.dtype)
