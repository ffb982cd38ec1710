"""Scale first: a function that is homogeneous computes on numbers of the size of one, at any size of its input."""

import torch
from torch import Tensor


def power_of_two(x: Tensor, dim: int | None = None) -> Tensor:
    """The power of two with ``1 <= max |x| / power < 2`` along ``dim`` (kept), or for each entry; 1 where all are zero.

    Dividing by it rounds nothing, and so a homogeneous function gives the same digits at every scale. It has no
    gradient: it is a constant of the computation.
    """
    size = x.detach().abs()
    if size.dtype not in (torch.float32, torch.float64):
        return power_of_two(size.float(), dim).to(x.dtype)
    if dim is not None:
        size = size.amax(dim, keepdim=True)
    positive = (size > 0) & size.isfinite()
    mantissa = torch.frexp(torch.where(positive, size, 1.0)).mantissa
    return torch.where(positive, size / (2 * mantissa), 1.0)
