"""The line that ReLU puts at a combination of the frequencies of its input."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .._checks import Numbers, count
from ._multitone import multitone_dc, rows_of_tones, sign
from ._phase_mean import phase_mean_integral
from ._tone import tone_harmonics


def intermodulation(amplitudes: Numbers, orders: Sequence[int] | Tensor, bias: Numbers = 0.0) -> Tensor:
    """The exact line of ``ReLU(b + sum_i a_i cos(w_i t))`` at ``sum_i k_i w_i``.

    The frequencies are independent, as for :func:`multitone_dc`, so phases do not matter.

    Without a bias the parity rule holds: a line whose orders have an odd sum of 3 or more is zero, and one of sum 1 is
    half of the input's own. Sum and difference tones, (1, 1) and (1, -1), have the same amplitude.

    Args:
        amplitudes: shape (..., tones), float64 or float32; a list of numbers is taken as float64. A negative one is a
            tone of opposite phase.
        orders: k_i, one integer a tone, of any sign.
        bias: b, a number or a tensor that broadcasts with shape (...).

    Returns:
        Tensor of shape (...), the signed amplitude of ``cos((sum k_i w_i) t)``, or the DC where all orders are zero.
        Absolute error below 1e-10 times the sum of amplitudes.

    Raises:
        TypeError: an input is not real, or an order is not an integer.
        ValueError: an input is empty or not finite, or there is not one order a tone.

    Source: Kechris et al. (2024), Section III, names these frequencies; the amplitudes are derived in
    :doc:`/book/spectrum/many-tones`.
    """
    a, b, dtype = rows_of_tones(amplitudes, bias)
    listed = orders.tolist() if isinstance(orders, Tensor) else list(orders)
    k = [abs(count("each order", order, least=-(10**6))) for order in listed]
    if len(k) != a.shape[-1]:
        raise ValueError(f"orders must have one integer a tone: {a.shape[-1]}; got {len(k)}.")
    if not any(k):
        return multitone_dc(amplitudes, bias)
    if not a.requires_grad:  # silent tones take no part; with a gradient they have a say in the second one
        heard = [i for i, order in enumerate(k) if order or bool((a[..., i] != 0).any())]
        a, k = a[..., heard], [k[i] for i in heard]
    if len(k) == 1:
        return tone_harmonics(a[..., 0], b, k[0])[..., -1].to(dtype)
    total = sum(k)
    flat_a, flat_b = a.reshape(-1, a.shape[-1]), b.reshape(-1)
    # x/2 keeps half of each tone, |x|/2 makes all the rest.
    own = flat_a[:, k.index(1)] / 2 if total == 1 else torch.zeros_like(flat_b)
    biased = bool((flat_b != 0).any()) or flat_b.requires_grad
    result = own
    if total % 2 == 0 or biased:
        size, bias_size = flat_a * sign(flat_a), flat_b * sign(flat_b)
        switches = (bias_size < size.sum(-1)).detach()
        result = own * (1 + torch.where(switches, 0, flat_b.detach().sign()))  # all of it, or nothing
        if switches.any():
            rows = switches.nonzero()[:, 0]
            integral = phase_mean_integral(size[rows], k, bias_size[rows] if biased else None)
            # cos of the sum of phases, and the sign of i^|k| e^{i u b}; see the chapter.
            if total % 2:
                factor = (-1) ** ((total - 1) // 2 + 1) * sign(flat_b[rows])
            else:
                factor = (-1) ** (total // 2)
            flips = torch.stack([sign(flat_a[rows, i]) for i, k_i in enumerate(k) if k_i % 2] or [torch.ones(1)]).prod(
                0
            )
            result = result.index_add(0, rows, integral * factor * flips.to(integral) * (2 / math.pi))
    return result.reshape(b.shape).to(dtype)
