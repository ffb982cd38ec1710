"""Pictures, scans and sounds as users have them, and the sentences that they get where a number would be wrong."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._checks import check_finite, check_known, check_positive, check_tensor, is_readable, not_floating, shown

Data = Tensor | np.ndarray

WIDE = torch.float64, torch.float32
_HALF = torch.bfloat16, torch.float16
# What integers are called, and the numbers that they are divided by: a picture's, to [0, 1], and a sound's, to [-1, 1].
_INTEGERS = {
    torch.uint8: ("Bytes", 255, 128),
    torch.int8: ("Signed bytes", 128, 128),
    torch.uint16: ("16 bits", 65535, 32768),
    torch.int16: ("16 bits with a sign", 32768, 32768),
    torch.uint32: ("32 bits", 2**32 - 1, 2**31),
    torch.int32: ("32 bits with a sign", 2**31, 2**31),
}
_SLACK = 1e-3  # of the range: what rounding to float16 does


def floating(name: str, value: Any, *, half: bool = False, divide: bool = True, sound: bool = False) -> Tensor:
    """A tensor, an array or a list as a floating-point tensor; infinities and NaN pass.

    Integers are refused with the hint that makes floating-point numbers of them, as many as their type: divided by the
    largest of them with ``divide``, and centered for a ``sound``.
    """
    allowed = (*WIDE, *_HALF) if half else WIDE
    if isinstance(value, Tensor) and value.dtype in allowed and value.layout == torch.strided:
        return value
    if not isinstance(value, Tensor | list | tuple) and not hasattr(value, "__array__"):
        if not hasattr(value, "__array_interface__"):
            raise TypeError(f"{name} must be a real floating-point tensor or array; got {shown(value)}.")
        found = check_tensor(name, np.asarray(value))
    else:
        found = check_tensor(name, value)
    if found.dtype in allowed:
        return found
    word, most, middle = _INTEGERS.get(found.dtype, ("Integers", 0, 0))
    if not divide:
        hint = "{cast}"
    elif not most:
        hint = "{cast}, divided by the largest value that is possible"
    elif not sound:
        hint = f"{{cast}} / {most}"
    else:
        hint = f"{{cast}} / {middle}" if found.dtype.is_signed else f"({{cast}} - {middle}) / {middle}"
    raise not_floating(name, value, found.dtype, f"{word}: {hint}.")


def check_dtype(dtype: Any) -> None:
    """Refuse a dtype that does not tell pixels apart."""
    if not isinstance(dtype, torch.dtype) or dtype not in WIDE:
        raise TypeError(f"dtype must be torch.float32 or torch.float64; got {shown(dtype)}.")


def checked_range(name: str, value: Tensor, given: Any, hint: str = "") -> float:
    """The range of PSNR as a number, if the values of the reference do not contradict it.

    They do if they spread over more than the range and are no picture in [0, range] that noise carries over an end by
    a quarter of it at most.
    """
    most = check_positive("data_range", given)
    limits = spread(value)
    if limits is None or not contradicts(*limits, 0.0, most):
        return most
    low, high = limits
    if low >= -_SLACK and high <= 1 + _SLACK:
        remedy = "For values in [0, 1] use data_range=1.0"
    elif low >= -1 - _SLACK and high <= 1 + _SLACK:
        remedy = "For values in [-1, 1] use data_range=2.0"
    elif low >= 0 and 16 < high <= 255:
        remedy = f"For bytes, 0 to 255, use data_range=255, or divide {name} by 255"
    elif low >= 0 and 4096 < high <= 65535:
        remedy = f"For 16 bits, 0 to 65535, use data_range=65535, or divide {name} by 65535"
    else:
        remedy = f"Use the largest value that is possible less the smallest, data_range={high - low:.4g} at least"
    raise ValueError(
        f"{name} goes from {low:.4g} to {high:.4g}, which data_range={most:g} contradicts. {remedy}.{hint}"
    )


def contradicts(low: float, high: float, lowest: float, most: float) -> bool:
    """Whether values from ``low`` to ``high`` cannot be those of a range ``most`` that begins at ``lowest``."""
    wide = high - low > most * (1 + _SLACK)
    return wide and (low < lowest - most / 4 or high > lowest + 1.25 * most)


def spread(value: Tensor) -> tuple[float, float] | None:
    """Smallest and largest value, where they can be read."""
    if not is_readable(value):
        return None
    low, high = value.detach().aminmax()
    return float(low), float(high)


def channels_last(name: str, value: Tensor) -> str:
    """What to do where channels, or a batch, come first; empty where they do not.

    They are taken to come first where they are few, or where more than 16 would come last and the shape is more like
    that of pictures behind one another: the first side is the shortest, or the last two are equal. A picture with two
    equal sides in front is one of many channels.
    """
    shape = value.shape
    if value.ndim == 4:
        return f" Take one image of a batch: {name}[0]" + (".permute(1, 2, 0)." if shape[1] <= 4 < shape[3] else ".")
    if value.ndim == 3 and (shape[0] <= 4 < shape[2] or (shape[0] <= 16 and min(shape[1:]) >= 32)):
        return f" Channels come last: use {name}.permute(1, 2, 0)" + (f", or {name}[0]." if shape[0] == 1 else ".")
    if value.ndim == 3 and shape[2] > 16 and shape[0] != shape[1]:
        if shape[0] < min(shape[1:]) or shape[1] == shape[2]:
            return (
                f" Channels come last: use {name}.permute(1, 2, 0). Or, if there are {shape[2]} of them, turn the "
                f"picture: {name}.transpose(0, 1)."
            )
    return ""


def check_counts(name: str, value: Tensor, hint: str = "") -> None:
    """Refuse what a mean squared error cannot be taken of, or has nothing to learn from."""
    try:
        check_finite(name, value)
    except ValueError as error:
        raise ValueError(f"{error}{hint}") from None
    limits = spread(value)
    if limits is None:
        return
    low, high = limits
    if low == high:
        raise ValueError(f"{name} is {low:g} everywhere: there is nothing to fit.")
    info = torch.finfo(value.dtype)
    least, most = 1e4 * math.sqrt(info.tiny), 1e-4 * math.sqrt(info.max)  # squares of errors have room of 1e8
    if high - low < least or max(abs(low), abs(high)) > most:
        more = "" if value.dtype == torch.float64 else ", or take float64"
        raise ValueError(
            f"{name} goes from {low:.4g} to {high:.4g}, and squares of that leave the range of {value.dtype}: "
            f"divide it by its largest value{more}."
        )


def check_picture(name: str, image: Any, data_range: Any) -> Tensor:
    """A picture of a shape that makes sense; its values are looked at by others."""
    image = floating(name, image, divide=check_positive("data_range", data_range) == 1)
    turned = channels_last(name, image)
    if turned or image.ndim not in (2, 3) or min(image.shape[:2]) < 2 or image[0, 0].numel() == 0:
        raise ValueError(
            f"{name} must be (height, width) or (height, width, channels), at least two pixels a side; "
            f"got {tuple(image.shape)}.{turned}"
        )
    return image.detach()


def check_mask(mask: Any, image: Tensor) -> Tensor:
    """Which pixels count, (height, width), on the device of the picture."""
    found = check_tensor("mask", mask) if hasattr(mask, "dtype") else None
    if found is None or found.dtype != torch.bool:
        kind = mask.dtype if hasattr(mask, "dtype") else type(mask).__name__
        hint = "np.array(mask) > 0" if found is None else "mask > 0"
        raise TypeError(f"mask must be a boolean tensor or array, true where a pixel counts; got {kind}. Use {hint}.")
    if found.shape != image.shape[:2]:
        flat = " Use mask.all(-1)." if found.shape == image.shape else ""
        raise ValueError(f"mask must be {tuple(image.shape[:2])} as the image is; got {tuple(found.shape)}.{flat}")
    if is_readable(found) and not found.any():
        raise ValueError("mask is false everywhere: no pixel counts.")
    if not image.is_meta:
        check_known(mask=found)
    return found.detach().to(image.device)


def check_reference(reference: Any, shape: Sequence[int], like: Tensor, data_range: Any) -> tuple[Tensor | None, float]:
    """The true picture in the precision of the data, and its range."""
    most = check_positive("data_range", data_range)
    if reference is None:
        return None, most
    found = floating("reference", reference, divide=most == 1)
    if tuple(found.shape) != tuple(shape):
        turned = channels_last("reference", found)
        raise ValueError(f"reference must be {tuple(shape)}; got {tuple(found.shape)}.{turned}")
    check_finite("reference", found)
    if found.is_meta and not like.is_meta:
        raise ValueError(f"reference is on the device meta, without numbers, and the data on {like.device}.")
    return found.detach().to(like), checked_range("reference", found, most)
