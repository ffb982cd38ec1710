"""Bases at the midpoints in float64, written here from their definitions: what the fast maps must reproduce."""

import math

import torch
from torch import Tensor


def midpoints(nodes: int) -> Tensor:
    return -1 + (2 * torch.arange(1, nodes + 1, dtype=torch.float64) - 1) / nodes


def fourier(size: int, nodes: int) -> Tensor:
    """cos(pi s), sin(pi s), cos(2 pi s), ...: (size, nodes); angles in whole parts of a turn, so not rounded."""
    parts = [(i // 2 + 1) * (2 * torch.arange(1, nodes + 1) - 1 - nodes) % (2 * nodes) for i in range(size)]
    return torch.stack(
        [(torch.sin if i % 2 else torch.cos)(t.double() * (math.pi / nodes)) for i, t in enumerate(parts)]
    )


def rect(size: int, nodes: int) -> Tensor:
    """Means over ``size`` cells, times 2/M: (size, nodes); an empty cell has no nodes."""
    cell = ((midpoints(nodes) + 1) / 2 * size).floor()
    return (cell == torch.arange(size)[:, None]).double() * (size / nodes)


def hats(size: int, nodes: int) -> Tensor:
    """Hat functions at ``size`` nodes from -1 to 1, times 2/M: (size, nodes)."""
    place = (midpoints(nodes) + 1) / 2 * (size - 1)
    return (1 - (place - torch.arange(size)[:, None]).abs()).relu() * (2 / nodes)


def shifted_rect(size: int, nodes: int) -> Tensor:
    """Cell i minus cell i + 1, the last minus the first: the bands of no map hold it."""
    cells = rect(size, nodes)
    return cells - cells.roll(-1, 0)
