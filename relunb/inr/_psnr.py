"""Peak signal-to-noise ratio, without a hidden normalisation: of two pictures, and of an error that is known."""

import math
from typing import Any, TypeVar

import torch
from torch import Tensor

from .._checks import check_finite, check_positive, check_same_place, check_single
from ._data import Data, checked_range, floating

_Number = TypeVar("_Number", float, Tensor)


def psnr(estimate: Data, reference: Data, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio in decibels, ``10 log10(data_range**2 / mean((estimate - reference)**2))``.

    Neither image is shifted, scaled or clipped first: an estimate that is brighter than the reference is a worse one.
    The mean is over all elements, so a batch gets one number.

    A range that the reference contradicts is refused: values that spread over more than ``data_range``, unless they lie
    in [0, data_range] but for noise, a quarter of it at either end. The estimate may overshoot as it likes.

    Args:
        estimate: a tensor or array of any shape, floating point. float16 and bfloat16 are compared in float32.
        reference: the same shape.
        data_range: the largest value that is possible less the smallest: 1 for images in [0, 1], 2 for values in
            [-1, 1], 255 for bytes.

    Returns:
        0-dim tensor, float64 if an input is and else float32. Differentiable. If the images are equal it is ``inf``,
        and its gradient is zero.

    Raises:
        TypeError: an image is not a real floating-point tensor or array, or ``data_range`` is not a number.
        ValueError: shapes or devices differ, images are empty or have non-finite values, or ``data_range`` is not
            positive or contradicts the reference.

    Example:
        >>> picture = torch.tensor([[0.0, 0.5], [0.5, 1.0]])
        >>> round(psnr(picture + 0.1, picture).item(), 3)
        20.0

    Source: what Shenouda, Zhou and Nowak (2024) report in Section 5.
    """
    estimate, reference, most = checked_images(estimate, reference, data_range)
    wide = torch.promote_types(torch.promote_types(estimate.dtype, reference.dtype), torch.float32)
    estimate, reference = estimate.to(wide), reference.to(wide)
    # No difference leaves the range of the dtype, and, divided by the largest of them, no square does.
    large = torch.maximum(_largest(estimate), _largest(reference)) > torch.finfo(wide).max / 4
    part = torch.where(large, 0.25, 1.0).to(wide)
    error = estimate * part - reference * part
    size = _largest(error)
    equal = size == 0
    mean = (error / torch.where(equal, 1.0, size)).square().mean() + equal  # a logarithm of 1 and not of 0
    return torch.where(equal, math.inf, _of_logarithm(mean.log10() + 2 * (size.log10() - part.log10()), most))


def decibels(error: float, data_range: float) -> float:
    """PSNR of a mean squared error that is known already: infinite of zero, NaN of NaN."""
    error = check_single("error", error)
    if math.isnan(error):
        return math.nan
    if error < 0:
        raise ValueError(f"a mean squared error is not negative; got {error:g}.")
    return _of_logarithm(math.log10(error), data_range) if error > 0 else math.inf


def _of_logarithm(error: _Number, data_range: float) -> _Number:
    """PSNR of a mean squared error that is given by its logarithm: that of any error fits its dtype."""
    return 20 * math.log10(data_range) - 10 * error


def _largest(image: Tensor) -> Tensor:
    return image.detach().abs().amax()


def checked_images(estimate: Any, reference: Any, data_range: Any) -> tuple[Tensor, Tensor, float]:
    """Both images as tensors, and the range; what cannot be compared is refused."""
    most = check_positive("data_range", data_range)
    images = {
        name: floating(name, image, half=True, divide=most == 1)
        for name, image in (("estimate", estimate), ("reference", reference))
    }
    for name, image in images.items():
        check_finite(name, image)
    estimate, reference = images.values()
    if estimate.shape != reference.shape:
        raise ValueError(f"the images differ in shape: {tuple(estimate.shape)} and {tuple(reference.shape)}.")
    if estimate.numel() == 0:
        raise ValueError(f"the images are empty: their shape is {tuple(estimate.shape)}.")
    check_same_place(**images)
    return estimate, reference, checked_range("reference", reference, most)
