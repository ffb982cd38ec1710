"""Structural similarity, by scikit-image."""

from typing import Any

from torch import Tensor

from ._psnr import checked_images


def ssim(estimate: Tensor, reference: Tensor, data_range: float = 1.0) -> float:
    """Structural similarity of two images, as scikit-image computes it with its default window of 7 pixels.

    Args:
        estimate: (height, width) or (height, width, channels), floating point, at least 7 pixels a side.
        reference: the same shape.
        data_range: the largest value that is possible less the smallest.

    Returns:
        At most 1, for equal images.

    Raises:
        ImportError: scikit-image is not installed.
        TypeError: an image is not a real floating-point tensor, or ``data_range`` is not a number.
        ValueError: shapes differ, a side has fewer than 7 pixels, an image has non-finite values, or ``data_range`` is
            not positive.

    Source: Wang et al. (2004), as ``skimage.metrics.structural_similarity``. Used in :doc:`/book/inr/tomography`.
    """
    checked_images(estimate, reference, data_range)
    if reference.ndim not in (2, 3) or min(reference.shape[:2]) < 7:
        raise ValueError(
            "images must be (height, width) or (height, width, channels), 7 pixels a side; "
            f"got {tuple(reference.shape)}."
        )
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise ImportError("ssim needs scikit-image: pip install scikit-image.") from error
    pair = (image.detach().double().cpu().numpy() for image in (estimate, reference))
    axis = 2 if reference.ndim == 3 else None
    similarity: Any = structural_similarity(*pair, data_range=data_range, channel_axis=axis)
    return float(similarity)
