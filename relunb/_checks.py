"""What the public functions ask of their input, and the sentence they answer bad input with."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_batchedtensor, is_gradtrackingtensor

Numbers = float | Sequence[Any] | Tensor


def real(name: str, value: Any, *, like: Tensor | None = None) -> Tensor:
    """``value`` as a finite float32 or float64 tensor; numbers, lists and integers become float64, or like ``like``."""
    if not isinstance(value, Tensor):
        try:
            default = torch.float64 if like is None else like.dtype
            device = None if like is None else like.device
            array = hasattr(value, "dtype")  # a NumPy array keeps its precision
            value = torch.as_tensor(value, dtype=None if array else default, device=device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"{name} must be a number, a list of numbers or a tensor; got {value!r:.60}.") from error
    if value.is_complex():
        raise TypeError(f"{name} must be real; got {value.dtype}.")
    if not value.is_floating_point():
        value = value.double()
    if value.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be float64 or float32; got {value.dtype}. Use {name}.float().")
    if value.numel() == 0:
        raise ValueError(f"{name} is empty: its shape is {tuple(value.shape)}.")
    finite(name, value)
    return value


def readable(value: Tensor) -> bool:
    """Whether a value can be read back: not while compiling, nor under ``vmap``, also where ``grad`` is inside it."""
    if torch.compiler.is_compiling():
        return False
    while is_gradtrackingtensor(value):
        value = get_unwrapped(value)
    return not (is_batchedtensor(value) or value.is_meta)


def finite(name: str, value: Tensor) -> None:
    """Refuse infinities and NaN, and say where the first one is."""
    if not readable(value):
        return
    bad = ~value.detach().isfinite()
    if bad.any():
        first = bad.nonzero()[0].tolist()
        where = f"; the first is at {tuple(first)}" if first else ""
        raise ValueError(f"{name} has {int(bad.sum())} non-finite value{'s' if bad.sum() > 1 else ''}{where}.")


def count(name: str, value: Any, *, least: int = 1) -> int:
    """``value`` as an integer that is at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer; got {value!r:.60}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}.")
    return int(value)


def positive(name: str, value: Any) -> float:
    """``value`` as a positive, finite number."""
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number; got {value!r:.60}.")
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be positive and finite; got {number:g}.")
    return number


def points(name: str, value: Any, coordinates: int) -> None:
    """Refuse what is not a tensor of points with so many coordinates each."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must be a real floating-point tensor; got {kind}.")
    if value.ndim == 0 or value.shape[-1] != coordinates:
        raise ValueError(f"{name} must be (..., {coordinates}); got {tuple(value.shape)}.")
