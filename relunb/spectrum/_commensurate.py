"""The DC of ReLU of tones whose frequencies are multiples of one: here phases matter."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .._checks import Numbers, count, real


def commensurate_dc(amplitudes: Numbers, harmonics: Sequence[int] | Tensor, phases: Numbers = 0.0) -> Tensor:
    """The exact DC of ``ReLU(sum_i a_i cos(k_i t + phase_i))`` over one period, for integers k_i.

    Between two zeros the signal is all on or all off, and its integral is known. So the DC is exact once the zeros are
    found, and they are the roots of a polynomial. The mean over independent phases is :func:`multitone_dc`.

    Args:
        amplitudes: shape (..., tones), float64 or float32; a list of numbers is taken as float64.
        harmonics: k_i, one integer a tone, at least 0; 0 is a constant ``a cos(phase)``.
        phases: radians; a number or a tensor that broadcasts with ``amplitudes``.

    Returns:
        Tensor of shape (...), with an error below 1e-12 times the sum of amplitudes, rounded to the dtype of
        ``amplitudes``. Differentiable twice where the signal crosses zero with a slope. The work grows like the cube of
        the highest harmonic.

    Raises:
        TypeError: an input is not real, or a harmonic is not an integer.
        ValueError: an input is empty or not finite, a harmonic is negative, there is not one a tone, or phases do not
            broadcast with amplitudes.

    Source: Kechris et al. (2024), Section III, sets all phases to zero; derived in :doc:`/book/spectrum/many-tones`.
    """
    a = real("amplitudes", amplitudes)
    if a.ndim == 0:
        raise ValueError("amplitudes must have a last dimension of tones; got a single number. One tone is [a].")
    phase = real("phases", phases, like=a)
    listed = harmonics.tolist() if isinstance(harmonics, Tensor) else list(harmonics)
    k = [count("each harmonic", harmonic, least=0) for harmonic in listed]
    if len(k) != a.shape[-1]:
        raise ValueError(f"harmonics must have one integer a tone: {a.shape[-1]}; got {len(k)}.")
    dtype = torch.promote_types(a.dtype, phase.dtype)
    try:
        a, phase = torch.broadcast_tensors(a.double(), phase.double())
    except RuntimeError:
        raise ValueError(
            f"phases of shape {tuple(phase.shape)} do not broadcast with amplitudes of shape {tuple(a.shape)}."
        ) from None
    if a.shape[-1] != len(k):
        raise ValueError(f"phases have {a.shape[-1]} tones and harmonics have {len(k)}.")
    result = _dc(a.reshape(-1, len(k)), torch.tensor(k, dtype=a.dtype, device=a.device), phase.reshape(-1, len(k)))
    return result.reshape(a.shape[:-1]).to(dtype)


def _signal(a: Tensor, k: Tensor, phase: Tensor, t: Tensor, derivative: int = 0) -> Tensor:
    """x, or its first derivative, at times (rows, points)."""
    angle = t.unsqueeze(-1) * k + phase.unsqueeze(1)
    wave = -k * torch.sin(angle) if derivative else torch.cos(angle)
    return (a.unsqueeze(1) * wave).sum(-1)


def _dc(a: Tensor, k: Tensor, phase: Tensor) -> Tensor:
    with torch.no_grad():
        t = _times_to_split_at(a, k, phase)
        middle = (t[:, 1:] + t[:, :-1]) / 2
        on = (_signal(a, k, phase, middle) > 0).to(a.dtype)
    # A zero moves with the amplitudes. That changes no integral at first order, but it does at second order: a step of
    # Newton's method from the zero itself leaves its value alone and gives it its derivative.
    value, slope = _signal(a, k, phase, t), _signal(a, k, phase, t, 1).detach()
    size = a.detach().abs().sum(-1, keepdim=True)
    crossing = (value.detach().abs() < 1e-9 * size) & (slope.abs() > 1e-6 * size)
    t = t - torch.where(crossing, value / torch.where(crossing, slope, 1.0), 0.0)

    constant = k == 0
    angle = t.unsqueeze(-1) * k + phase.unsqueeze(1)
    integral = torch.where(constant, t.unsqueeze(-1) * torch.cos(angle), torch.sin(angle) / torch.where(constant, 1, k))
    integral = (a.unsqueeze(1) * integral).sum(-1)
    return ((integral[:, 1:] - integral[:, :-1]) * on).sum(-1) / (2 * math.pi)


def _times_to_split_at(a: Tensor, k: Tensor, phase: Tensor) -> Tensor:
    """Sorted times (rows, points) from 0 to 2 pi that hold every zero of x. Times that are not zeros do no harm."""
    highest = int(k.max())
    ends = torch.tensor([0.0, 2 * math.pi], dtype=a.dtype, device=a.device).expand(len(a), 2)
    if highest == 0:
        return ends
    # Zeros that a fine grid brackets, and, for pairs of zeros between two grid points, the roots of the polynomial.
    grid = torch.arange(16 * highest + 1, dtype=a.dtype, device=a.device) * (2 * math.pi / (16 * highest))
    grid = grid.expand(len(a), -1)
    value = _signal(a, k, phase, grid)
    low, high = value[:, :-1], value[:, 1:]
    crosses = (low < 0) != (high < 0)
    share = torch.where(crosses, low / torch.where(crosses, low - high, 1.0), 0.0)
    bracketed = grid[:, :-1] + share * (grid[:, 1:] - grid[:, :-1])
    times = torch.cat([bracketed, _angles_of_roots(a, k, phase, highest)], 1)
    limit = 2 * math.pi / (16 * highest)
    for _ in range(8):
        slope = _signal(a, k, phase, times, 1)
        step = _signal(a, k, phase, times) / torch.where(slope == 0, 1.0, slope)
        times = times - step.clamp(-limit, limit)
    return torch.cat([ends, times.clamp(0, 2 * math.pi)], 1).sort(-1).values


def _angles_of_roots(a: Tensor, k: Tensor, phase: Tensor, highest: int) -> Tensor:
    """x = 0 as a polynomial in ``z = e^(i t)`` of degree twice the highest harmonic: the angles of its roots."""
    lines = torch.zeros(len(a), 2 * highest + 1, dtype=torch.complex128, device=a.device)
    index = k.long().expand(len(a), -1)
    half = torch.polar(a / 2, phase)
    lines.scatter_add_(1, highest + index, half)
    lines.scatter_add_(1, highest - index, half.conj())
    angles = torch.zeros(len(a), 2 * highest, dtype=a.dtype, device=a.device)
    # The top harmonic may be silent, or cancel: each row has a degree of its own.
    size = lines.abs().amax(-1, keepdim=True)
    heard = (lines.abs()[:, highest:] > 1e-14 * size) & (size > 0)
    degree = (heard * torch.arange(highest + 1, device=a.device)).amax(-1)
    for top in degree.unique().tolist():
        rows = (degree == top).nonzero()[:, 0]
        if top:
            polynomial = lines[rows, highest - top : highest + top + 1]
            companion = torch.diag_embed(torch.ones(len(rows), 2 * top - 1, dtype=lines.dtype, device=a.device), -1)
            companion[:, :, -1] = -polynomial[:, :-1] / polynomial[:, -1:]
            angles[rows, : 2 * top] = torch.linalg.eigvals(companion).angle() % (2 * math.pi)
    return angles
