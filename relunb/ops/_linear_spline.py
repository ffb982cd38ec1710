"""Linear splines: an affine part and shifted ReLUs, evaluated by a sorted lookup."""

import torch
from torch import Tensor
from torch.nn.functional import embedding


def linear_spline_plain(x: Tensor, knots: Tensor, jumps: Tensor, slope: Tensor, value: Tensor) -> Tensor:
    """``value + slope x + sum_k jumps_k ReLU(x - knots_k)``, as it is written: a pass over ``x`` for each knot.

    Args:
        x: any shape; with one spline a channel (..., channels).
        knots, jumps: (knots,), or (channels, knots).
        slope, value: without dimensions, or (channels,).

    Returns:
        Tensor of the shape of ``x``.

    Example:
        >>> l = torch.tensor([-1.0, 1.0]), torch.tensor([1.0, -1.0]), torch.tensor(0.0), torch.tensor(-1.0)
        >>> linear_spline_plain(torch.tensor([-2.0, 0.25, 9.0]), *l).tolist()  # hard tanh
        [-1.0, 0.25, 1.0]

    Source: the definition in :class:`relunb.LinearSpline`.
    """
    total = value + slope * x
    for knot, jump in zip(knots.unbind(-1), jumps.unbind(-1), strict=True):
        total = total + jump * (x - knot).relu()
    return total


def linear_spline(x: Tensor, pieces: Tensor) -> Tensor:
    """As :func:`linear_spline_plain`, in time that grows with the logarithm of the number of knots.

    At a knot the slope is that of the left side, as ``torch.relu`` has it. Nothing cancels right of the last knot: a
    spline that ends flat has its last value there, at infinity too. Differentiable in both inputs, twice.

    Args:
        x: as above.
        pieces: from :func:`spline_pieces`, of the dtype of ``x``.

    Returns:
        Tensor of the shape of ``x``.

    Example:
        >>> l = torch.tensor([-1.0, 1.0]), torch.tensor([1.0, -1.0]), torch.tensor(0.0), torch.tensor(-1.0)
        >>> linear_spline(torch.tensor([-2.0, 0.25, 9.0]), spline_pieces(*l)).tolist()  # hard tanh
        [-1.0, 0.25, 1.0]

    Source: :class:`relunb.LinearSpline`.
    """
    knots = pieces.detach()[..., 1:, 0].contiguous()
    if pieces.ndim == 2:
        piece = torch.searchsorted(knots, x.detach().contiguous())
    else:
        columns = x.detach().movedim(-1, 0)
        piece = torch.searchsorted(knots, columns.reshape(len(columns), -1).contiguous()).reshape(columns.shape)
        piece = piece.movedim(0, -1) + torch.arange(len(columns), device=x.device) * pieces.shape[-2]
    start, height, rise = embedding(piece, pieces.flatten(0, -2)).unbind(-1)
    flat_for_ever = (rise == 0) & x.isinf()
    return height + rise * torch.where(flat_for_ever, 0.0, x - start)


def spline_pieces(knots: Tensor, jumps: Tensor, slope: Tensor, value: Tensor) -> Tensor:
    """The straight pieces of a spline: where each starts, its value there, and its slope.

    The first piece has no left end and is told from 0. Knots may come in any order, and more than once.

    Args:
        knots, jumps, slope, value: as above.

    Returns:
        Tensor (..., knots + 1, 3).

    Example:
        >>> spline_pieces(torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor(0.0), torch.tensor(5.0)).tolist()
        [[0.0, 5.0, 0.0], [2.0, 5.0, 1.0]]

    Source: :class:`relunb.LinearSpline`.
    """
    knots, order = knots.sort(-1)
    slope, value = slope.unsqueeze(-1), value.unsqueeze(-1)
    rises = torch.cat([slope, slope + jumps.gather(-1, order).cumsum(-1)], -1)
    first = value + slope * knots[..., :1]
    heights = torch.cat([value, first, first + (rises[..., 1:-1] * knots.diff(dim=-1)).cumsum(-1)], -1)
    return torch.stack([torch.cat([torch.zeros_like(value), knots], -1), heights, rises], -1)
