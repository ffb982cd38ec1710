"""Rows in blocks that stay in cache: the loop of every operator that makes several passes over its input.

Ten torch calls on a tensor move it through memory ten times. Ten calls on a block that stays in cache move it once.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

# Numbers of one array in a block. On a CPU 1 MiB of float32 for each thread: starting torch's threads ten times a block
# then costs little, and a core finds its part of three such arrays in its cache again. On a GPU enough to fill it.
_PER_THREAD, _MOST_THREADS, _GPU = 262_144, 8, 16_777_216


def block_rows(x: Tensor, width: int) -> int:
    """How many rows a block has, for ``width`` numbers a row in each array that is held on the way: at least one."""
    numbers = _PER_THREAD * min(torch.get_num_threads(), _MOST_THREADS) if x.is_cpu else _GPU
    return max(1, numbers // width)


def blocks(rows: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """So many rows of each tensor (..., columns) at a time, as matrices."""
    return zip(*(t.reshape(-1, t.shape[-1]).split(rows) for t in tensors), strict=True)
