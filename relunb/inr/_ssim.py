"""Structural similarity, by scikit-image."""

from typing import Any

from .._checks import check_known
from .._functorch import wrapped
from ._data import Data, channels_last
from ._psnr import checked_images

_MOST = 1e70  # in units of the range: similarity has fourth powers


def ssim(estimate: Data, reference: Data, data_range: float = 1.0) -> float:
    """Structural similarity of two images, as scikit-image computes it with its default window of 7 pixels.

    Args:
        estimate: a tensor or array, (height, width) or (height, width, channels), floating point, at least 7 pixels a
            side.
        reference: the same shape.
        data_range: the largest value that is possible less the smallest. A range that the reference contradicts is
            refused, as by :func:`relunb.inr.psnr`.

    Returns:
        A number, at most 1, for equal images. It has no gradient.

    Raises:
        ImportError: scikit-image is not installed.
        TypeError: an image is not a real floating-point tensor or array, or comes from ``torch.func``; or
            ``data_range`` is not a number.
        ValueError: shapes or devices differ, a side has fewer than 7 pixels, an image has non-finite values or values
            beyond 1e70 times the range, or ``data_range`` is not positive or contradicts the reference.

    Example:
        >>> import torch
        >>> picture = torch.linspace(0, 1, 64).reshape(8, 8)
        >>> round(ssim(picture, picture), 6), round(ssim(picture.flip(0), picture), 2)
        (1.0, -0.93)

    Source: Wang et al. (2004), as ``skimage.metrics.structural_similarity``. Used in :doc:`/book/inr/tomography`.
    """
    estimate, reference, most = checked_images(estimate, reference, data_range)
    if any(map(wrapped, (estimate, reference))):
        raise TypeError(
            "ssim has no gradient and takes one image at a time, as scikit-image computes it: call it outside "
            "torch.func.vmap and torch.func.grad."
        )
    turned = channels_last("image", reference)
    if turned or reference.ndim not in (2, 3) or min(reference.shape[:2]) < 7:
        raise ValueError(
            "images must be (height, width) or (height, width, channels), 7 pixels a side; "
            f"got {tuple(reference.shape)}.{turned}"
        )
    check_known(estimate=estimate, reference=reference)
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise ImportError("ssim needs scikit-image: pip install scikit-image.") from error
    # In units of the range, which changes nothing else: its square does not leave the range of float64.
    pair = [image.detach().double().cpu().numpy() / most for image in (estimate, reference)]
    if max(abs(image).max() for image in pair) > _MOST:
        raise ValueError(f"the images reach beyond {_MOST:g} times data_range={most:g}: rescale them.")
    axis = 2 if reference.ndim == 3 else None
    similarity: Any = structural_similarity(*pair, data_range=1.0, channel_axis=axis)
    return float(similarity)
