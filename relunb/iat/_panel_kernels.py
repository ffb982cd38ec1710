"""The compiled forms of what is done panel by panel, where there are kernels: see relunb/ops/_kernels_of_panels.h."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..ops._native import kernel_of_panels
from ._legendre import CLOSE, maps


class Domain(NamedTuple):
    """Where states are positive, on all panels of some samples together."""

    after: Tensor  # (panels,), bool: at the right end of a panel
    panel: Tensor  # (roots,): those of one panel in a row
    place: Tensor  # (roots,): on the panel, in [-1, 1]
    falling: Tensor  # (roots,), bool: from positive to negative


def find_domain(state: Tensor, noise: Tensor, steps: int) -> tuple[Domain, Tensor] | None:
    """Where states (panels, n) in Legendre coefficients, rounded by noise (panels,), are positive.

    Returns:
        The domain, and the panels of which it says nothing, as they are not clear; None without a kernel.
    """
    panels, n = state.shape
    kernel = kernel_of_panels("panel_roots", n, state, noise) if n > 1 else None
    if kernel is None:
        return None
    state, noise, to = state.contiguous(), noise.contiguous(), maps(n, state.device)
    # Beside the state, whatever the default device is.
    after, unclear = state.new_empty(2, panels, dtype=torch.bool)
    room = 2 * panels + n
    panel, place, falling = (state.new_empty(room, dtype=dtype) for dtype in (torch.int64, torch.float64, torch.bool))
    tensors = (state, noise, to.bernstein, to.powers, after, unclear, panel, place, falling)
    addresses = (t.data_ptr() for t in tensors)
    roots = kernel(*addresses, room, CLOSE[steps], panels, n, steps, torch.get_num_threads())
    return Domain(after, *(t[:roots].clone() for t in (panel, place, falling))), unclear


def fill_restricted(c: Tensor, domain: Domain, inner: Tensor, outer: Tensor, kept: Tensor) -> bool:
    """Fill ``kept`` with the coefficients c restricted to a domain, if there is a kernel."""
    kernel = kernel_of_panels("panel_restricted", max(c.shape[1], len(outer)), c, kept)
    if kernel is None:
        return False
    c, inner, outer = c.contiguous(), inner.contiguous(), outer.contiguous()
    kernel(
        c.data_ptr(),
        c.dtype == torch.float64,
        domain.after.data_ptr(),
        kept.data_ptr(),
        kept.dtype == torch.float64,
        len(c),
        c.shape[1],
        len(outer),
        *(t.data_ptr() for t in (inner, outer, *domain[1:])),
        len(domain.panel),
        torch.get_num_threads(),
    )
    return True
