"""psi drawn with a ruler: the straight line between the exact values at two neighbouring knots."""

import torch
from torch import Tensor

from relunb.wavelet import VALUES


def psi_by_lines(u: Tensor) -> tuple[Tensor, Tensor]:
    """psi and its slope at float64 points ``u``; on a knot, the slope to the right."""
    values = torch.tensor([0.0, *(float(v) for v in VALUES), 0.0], dtype=torch.float64, device=u.device)
    cell = (2 * u.detach()).floor().clamp(-1, 6).long()
    left, right = values[cell + 1], values[cell + 2]
    slope = 2 * (right - left)
    return left + slope * (u - cell / 2), slope
