"""A fresh CPU output without the price of a page fault every 4 KiB."""

import ctypes
import sys

import torch
from torch import Tensor

_PAGE = 4096
_MADV_HUGEPAGE = 14
_WORTH_IT = 4 << 20  # bytes; numpy asks for huge pages from the same size on

_madvise = getattr(ctypes.CDLL(None), "madvise", None) if sys.platform == "linux" else None
if _madvise is not None:
    _madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def empty_like_fast(x: Tensor) -> Tensor:
    """``torch.empty_like(x)`` that asks Linux for huge pages.

    Three quarters of the time of an elementwise operator on a large fresh output is the kernel zeroing 4 KiB pages.
    The request is a hint: where it is refused, the tensor is the same and the first write is slower.
    """
    out = torch.empty_like(x)
    size = out.numel() * out.element_size()
    if _madvise is not None and size >= _WORTH_IT and out.device.type == "cpu":
        start = -(-out.data_ptr() // _PAGE) * _PAGE
        _madvise(start, (out.data_ptr() + size - start) // _PAGE * _PAGE, _MADV_HUGEPAGE)
    return out
