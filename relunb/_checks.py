"""What the public functions ask of their input, and the sentence they answer bad input with."""

import math
from collections.abc import Sequence
from numbers import Integral, Rational, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ._functorch import hidden_batch, valueless

Numbers = float | Sequence[Any] | np.ndarray | Tensor


def check_real(name: str, value: Any, *, like: Tensor | None = None) -> Tensor:
    """``value`` as a finite float32 or float64 tensor; numbers, lists and integers become float64, or like ``like``."""
    given = value
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a number, a list of numbers or a tensor; got {value}.")
    value = check_tensor(name, value, like=like)
    if value.is_complex():
        raise TypeError(f"{name} must be real; got {value.dtype}.")
    if not value.is_floating_point():
        value = value.double()
    if value.dtype not in (torch.float32, torch.float64):
        hint = f"{name}.float()" if isinstance(given, Tensor) else f'{name}.astype("float32")'
        raise TypeError(f"{name} must be float64 or float32; got {value.dtype}. Use {hint}.")
    if value.numel() == 0:
        raise ValueError(f"{name} is empty: its shape is {tuple(value.shape)}.")
    check_finite(name, value)
    return value


def check_tensor(name: str, value: Any, *, like: Tensor | None = None) -> Tensor:
    """``value`` as a dense tensor: a number, a list, an array or a tensor, of any dtype.

    A tensor, and a NumPy array of any strides and byte order, keep their precision. Numbers and lists become float64,
    or of the dtype of ``like``. A list that holds tensors keeps their gradients. All but tensors go to the device of
    ``like``, or to torch's default.
    """
    dtype = torch.float64 if like is None else like.dtype
    device = None if like is None else like.device
    if isinstance(value, Tensor):
        check_dense(name, value)
        if like is not None and value.device != device:
            if value.ndim or value.is_meta:
                raise ValueError(f"{name} is on the device {value.device} and the input beside it on {device}.")
            value = value.to(device)
        return value
    if isinstance(value, list | tuple) and _holds_tensor(value):
        return _stacked(name, value, dtype)
    device = torch.empty(0).device if device is None else device
    exact = not hasattr(value, "dtype")
    if isinstance(value, float | int) and type(value) in (float, int):  # without NumPy, which torch.compile would trace
        try:
            number = float(value)
        except OverflowError:
            raise ValueError(f"{name} is {shown(value)}, too large for float64.") from None
        result = torch.tensor(number, dtype=torch.float64, device=device)
    else:
        result = torch.from_numpy(_array(name, value)).to(device)
    if not exact or result.is_complex():
        return result
    narrow = result.to(dtype)
    if dtype != torch.float64 and is_readable(result):
        lost = result.isfinite() & ~narrow.isfinite()
        if lost.any():
            raise ValueError(
                f"{name} has {result[lost][0].item():g}, which {dtype} cannot hold, the dtype of the tensor beside it. "
                "Make that one float64, with .double()."
            )
    return narrow


def check_dense(name: str, value: Tensor) -> None:
    """Refuse a sparse tensor: few of torch's operations know it."""
    if value.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor; got {value.layout}. Use {name}.to_dense().")


def check_floating(name: str, value: Any) -> Tensor:
    """``value``, a dense tensor of real floating-point numbers; anything else is refused."""
    if not isinstance(value, Tensor):
        got = type(value).__name__
        raise TypeError(f"{name} must be a real floating-point tensor; got {got}. Use torch.as_tensor({name}).")
    if not value.is_floating_point():
        raise not_floating(name, value, value.dtype)
    check_dense(name, value)
    return value


def not_floating(name: str, value: Any, dtype: torch.dtype, integers: str = "Use {cast}.") -> TypeError:
    """The sentence for numbers of this dtype, with what makes floating-point ones of them, or of ``integers``."""
    if isinstance(value, Tensor):
        kind, cast = f"tensor; got {dtype}", f"{name}.float()"
    elif isinstance(value, np.ndarray | np.generic):
        kind, cast = f"array; got {value.dtype.name}", f'{name}.astype("float32")'
    else:
        kind, cast = f"tensor or array; got {type(value).__name__} of {dtype}", f'np.asarray({name}, "float32")'
    if dtype.is_complex:
        hint = "Use its .real, or the magnitude."
    elif dtype.is_floating_point or dtype == torch.bool:
        hint = f"Use {cast}."
    else:
        hint = integers.format(cast=cast)
    return TypeError(f"{name} must be a real floating-point {kind}. {hint}")


def check_broadcast(**named: Tensor) -> list[Tensor]:
    """The tensors in their common shape; a sentence with their names where they have none."""
    try:
        return list(torch.broadcast_tensors(*named.values()))
    except RuntimeError:
        (name, value), *others = named.items()
        rest = " and ".join(f"{other} of shape {tuple(tensor.shape)}" for other, tensor in others)
        raise ValueError(f"{name} of shape {tuple(value.shape)} and {rest} do not broadcast.") from None


def _array(name: str, value: Any) -> np.ndarray:
    """The numbers of a list or an array, in a fresh NumPy array that torch can take."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name} has masked values. Fill them, with {name}.filled(...).")
    refusal = TypeError(f"{name} must be a number, a list of numbers or a tensor; got {shown(value)}.")
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O":
            array = np.array([float(v) for v in array.ravel()]).reshape(array.shape)
    except OverflowError:
        raise ValueError(f"{name} has a number that is too large for float64: {shown(value)}.") from None
    except (TypeError, ValueError, RuntimeError) as error:
        if "complex" in str(error):
            raise TypeError(f"{name} must be real; got {shown(value)}.") from None
        raise refusal from error
    if array.dtype.kind not in "biufc":
        raise refusal
    if array.dtype.itemsize > 8 and array.dtype.kind != "c":
        raise TypeError(f'{name} must be float64 or float32; got {array.dtype}. Use {name}.astype("float64").')
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _holds_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, list | tuple) and any(_holds_tensor(v) for v in value))


def _stacked(name: str, value: Any, dtype: torch.dtype) -> Tensor:
    """A list with tensors in it, as one tensor that their gradients flow through."""
    if not isinstance(value, list | tuple):
        result = check_tensor(name, value)
        return result if result.is_complex() else result.to(dtype)
    parts = [_stacked(name, v, dtype) for v in value]
    places = {part.device for part in parts if part.ndim}
    shapes = {tuple(part.shape) for part in parts}
    if len(shapes) > 1 or len(places) > 1:
        raise ValueError(f"{name} is a list of tensors that do not stack: their shapes are {sorted(shapes)}.")
    at = next((part.device for part, v in zip(parts, value, strict=True) if _holds_tensor(v)), None)
    return torch.stack([part.to(at) for part in parts])


def shown(value: Any) -> str:
    """The first characters of a value, for a message."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"an integer of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_readable(value: Tensor) -> bool:
    """Whether a value can be read back: not while compiling, nor under ``vmap``, also where ``grad`` is inside it."""
    if torch.compiler.is_compiling():
        return False
    return not (hidden_batch(value) or valueless(value))


def check_finite(name: str, value: Tensor) -> None:
    """Refuse infinities and NaN, and say where the first one is."""
    if not is_readable(value):
        return
    bad = ~value.detach().isfinite()
    if bad.any():
        first = bad.nonzero()[0].tolist()
        where = f"; the first is at {tuple(first)}" if first else ""
        raise ValueError(f"{name} has {int(bad.sum())} non-finite value{'s' if bad.sum() > 1 else ''}{where}.")


def check_count(name: str, value: Any, *, least: int | None = 1, most: int | None = None) -> int:
    """``value`` as an integer that is at least ``least``, and at most ``most``; None is no bound."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer; got {shown(value)}.")
    number = int(value)
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}; got {shown(number)}.")
    if most is not None and number > most:
        raise ValueError(f"{name} must be at most {most:,}; got {shown(number)}.")
    return number


def is_rational(value: Any) -> bool:
    """Whether ``value`` is an integer or a fraction: True and False are neither."""
    return isinstance(value, Rational) and not isinstance(value, bool)


def check_flag(name: str, value: Any) -> bool:
    """``value`` as True or False: a string such as "no" would count as true."""
    if isinstance(value, bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    raise TypeError(f"{name} must be True or False; got {shown(value)}.")


def check_integers(name: str, each: str, value: Any, *, tones: int, least: int | None = 0) -> list[int]:
    """A list of integers, one for each tone."""
    check_known(**{name: value})
    if isinstance(value, Tensor):
        check_dense(name, value)
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__") or getattr(value, "ndim", 1) != 1:
        raise TypeError(f"{name} must be a flat list of integers, one a tone; got {shown(value)}.")
    listed = [
        check_count(each, entry, least=least) for entry in (value.tolist() if hasattr(value, "tolist") else value)
    ]
    if len(listed) != tones:
        raise ValueError(f"{name} must have one integer a tone: {tones}; got {len(listed)}.")
    return listed


def check_known(**named: Any) -> None:
    """Refuse tensors of the meta device, for what depends on values."""
    for name, value in named.items():
        if isinstance(value, Tensor) and value.is_meta:
            raise ValueError(f"{name} has a shape and no values: it is on torch's meta device. Move it to another.")


def check_same_place(**values: Tensor) -> None:
    """Refuse tensors on several devices, but for a single number on the CPU, which torch takes anywhere."""
    first, here = "", None
    for name, value in values.items():
        if value.ndim == 0 and value.device.type == "cpu":
            continue
        if here is None:
            first, here = name, value.device
        elif value.device != here:
            raise ValueError(f"{first} is on {here} and {name} on {value.device}: move one with .to().")


def check_beside(network: nn.Module, **values: Any) -> None:
    """Refuse a network's input that is on another device than its first parameter."""
    parameter = next(network.parameters(), None)
    for name, value in values.items():
        if parameter is not None and isinstance(value, Tensor):
            check_same_place(**{name: value, "the network": parameter})


def check_positive(name: str, value: Any) -> float:
    """``value`` as a positive, finite number."""
    number = check_single(name, value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be positive and finite; got {number:g}.")
    return number


def check_single(name: str, value: Any) -> float:
    """``value`` as one number of Python: also a tensor or an array without dimensions; NaN and infinity pass."""
    check_known(**{name: value})
    if isinstance(value, Tensor | np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number; got {shown(value)}.")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is {shown(value)}, too large for float64.") from None


def check_points(name: str, value: Any, coordinates: int) -> None:
    """Refuse what is not a tensor of points with so many coordinates each."""
    check_floating(name, value)
    if value.ndim == 0 or value.shape[-1] != coordinates:
        raise ValueError(f"{name} must be (..., {coordinates}); got {tuple(value.shape)}.")
