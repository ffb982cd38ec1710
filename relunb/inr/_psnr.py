"""Peak signal-to-noise ratio, without a hidden normalisation."""

import math
from typing import Any

import torch
from torch import Tensor

from .._checks import finite, positive


def psnr(estimate: Tensor, reference: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio in decibels, ``10 log10(data_range**2 / mean((estimate - reference)**2))``.

    Neither image is shifted, scaled or clipped first: an estimate that is brighter than the reference is a worse one.
    The mean is over all elements, so a batch gets one number.

    Args:
        estimate: any shape, floating point. float16 and bfloat16 are compared in float32.
        reference: the same shape.
        data_range: the largest value that is possible less the smallest: 1 for images in [0, 1], 255 for bytes.

    Returns:
        0-dim tensor, float64 if an input is and else float32; ``inf`` if the images are equal. Differentiable.

    Raises:
        TypeError: an image is not a real floating-point tensor, or ``data_range`` is not a number.
        ValueError: shapes differ or are empty, an image has non-finite values, or ``data_range`` is not positive.

    Source: what Shenouda, Zhou and Nowak (2024) report in Section 5.
    """
    checked_images(estimate, reference, data_range)
    wide = torch.promote_types(torch.promote_types(estimate.dtype, reference.dtype), torch.float32)
    error = (estimate.to(wide) - reference.to(wide)).square().mean()
    return 20 * math.log10(data_range) - 10 * error.log10()


def checked_images(estimate: Tensor, reference: Tensor, data_range: float) -> None:
    """Refuse what cannot be compared."""
    for name, image in (("estimate", estimate), ("reference", reference)):
        if not isinstance(image, Tensor) or not image.is_floating_point():
            kind: Any = image.dtype if isinstance(image, Tensor) else type(image).__name__
            raise TypeError(f"{name} must be a real floating-point tensor; got {kind}. Bytes: image.float() / 255.")
        finite(name, image)
    if estimate.shape != reference.shape:
        raise ValueError(f"the images differ in shape: {tuple(estimate.shape)} and {tuple(reference.shape)}.")
    if estimate.numel() == 0:
        raise ValueError(f"the images are empty: their shape is {tuple(estimate.shape)}.")
    positive("data_range", data_range)
