"""The problems of the paper and its script: a picture, a sound, a picture of lower resolution, and a scan."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_count, check_finite, check_positive, is_readable, shown
from ._coordinates import pixels, times
from ._data import (
    Data,
    check_counts,
    check_mask,
    check_picture,
    check_reference,
    checked_range,
    contradicts,
    floating,
    spread,
)
from ._measured import Measured, Measurement, SquaredError
from ._operators import BlockMean
from ._radon import Radon, sinogram_shape


class ImageProblem(SquaredError):
    """An image from its pixels, all of them or those of a mask.

    Args:
        image: (height, width) or (height, width, channels), a tensor or array of float32 or float64, at least two
            pixels a side. Under the mask it may be NaN.
        mask: (height, width), true where a pixel counts; the others are left to the network. Default: all count.
            PSNR counts hidden pixels too, but for those that are NaN or infinite: they are not known.
        data_range: for PSNR: the largest value that is possible less the smallest. Nothing is rescaled. A range that
            the image contradicts is refused, as by :func:`relunb.inr.psnr`: 1 is for [0, 1], 2 for [-1, 1].

    Raises:
        TypeError: ``image`` is not a tensor or array of float32 or float64, or ``mask`` is not boolean.
        ValueError: the image has another shape, is constant, has non-finite values that count or values whose squares
            leave its precision, the mask has another shape or hides everything, or ``data_range`` is not positive or
            contradicts the image.

    Example:
        >>> problem = ImageProblem(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> problem.loss(torch.full((4, 1), 0.5)).item(), round(problem.psnr(torch.full((4, 1), 0.5)), 2)
        (0.25, 6.02)

    Source: Shenouda, Zhou and Nowak (2024), Section 5.2. Used in :doc:`/book/inr/image-fitting`.
    """

    def __init__(self, image: Data, mask: Data | None = None, data_range: float = 1.0) -> None:
        image, weight, hint = check_picture("image", image, data_range), None, ""
        if mask is None:
            known = "image.isfinite()" if image.ndim == 2 else "image.isfinite().all(-1)"
            check_counts("image", image, hint=f" Pixels that are not known can be hidden: mask={known}.")
        else:
            mask = check_mask(mask, image)
            weight = mask.to(image).reshape(-1, 1)
            hint = " Pixels under the mask count as well; NaN says that they are not known."
            check_finite("image", torch.where(mask if image.ndim == 2 else mask[..., None], image, 0.0))
            if is_readable(image):
                check_counts("image", image[mask])
        most = checked_range("image", image[image.isfinite()] if is_readable(image) else image, data_range, hint)
        super().__init__(pixels(image.shape, image), image, weight)
        self.data_range = most


class AudioProblem(SquaredError):
    """A sound from its samples.

    Args:
        samples: (time,) or (time, channels), a tensor or array of float32 or float64, in [-1, 1], at least two.
        extent: time runs from ``-extent`` to ``extent``. A sound has so many periods that on [-1, 1] no activation
            of a usual scale could follow. Sines like a wide extent; activations with a place, as the wavelet, get lost.

    Raises:
        TypeError: ``samples`` is not a tensor or array of float32 or float64.
        ValueError: the samples have another shape, are constant, not finite or clearly beyond [-1, 1], or ``extent``
            is not positive.

    Example:
        >>> AudioProblem(torch.tensor([0.0, 0.5, 0.0]), extent=10).coordinates.tolist()
        [[-10.0], [0.0], [10.0]]

    Source: the audio script beside Shenouda, Zhou and Nowak (2024); the extent is that of Sitzmann et al. (2020).
    Used in :doc:`/book/inr/spectral-bias`.
    """

    data_range = 2.0

    def __init__(self, samples: Data, extent: float = 100.0) -> None:
        extent, samples = check_positive("extent", extent), floating("samples", samples, sound=True)
        if samples.ndim == 2 and 0 < len(samples) < samples.shape[1]:
            raise ValueError(f"samples must be (time, channels); got {tuple(samples.shape)}. Use samples.T.")
        if samples.ndim not in (1, 2) or len(samples) < 2 or samples[0].numel() == 0:
            raise ValueError(f"samples must be (time,) or (time, channels), at least two; got {tuple(samples.shape)}.")
        check_counts("samples", samples)
        limits = spread(samples)
        if limits is not None and contradicts(*limits, -1.0, self.data_range):
            raise ValueError(
                f"samples go from {limits[0]:.4g} to {limits[1]:.4g}, and a sound lies in [-1, 1]: divide by the "
                "largest value that is possible, 32768 for 16 bits, or use samples / abs(samples).max()."
            )
        super().__init__(times(extent, samples)[:, None], samples)
        self.extent = extent


class SuperResolutionProblem(Measured):
    """An image from one of lower resolution, whose pixels are means of ``factor * factor`` of the pixels wanted.

    Args:
        low: the image of low resolution, (height, width) or (height, width, channels), a tensor or array of float32 or
            float64.
        factor: how many times finer the answer is along each side.
        reference: the true image, (factor * height, factor * width), with the channels of ``low``; for PSNR alone.
        data_range: for PSNR, as for :class:`relunb.inr.ImageProblem`; the reference must not contradict it.

    Raises:
        TypeError: an image is not a tensor or array of float32 or float64, or ``factor`` is not an integer.
        ValueError: ``factor`` is below 2, an image is constant or not finite, or ``reference`` does not fit.

    Example:
        >>> problem = SuperResolutionProblem.from_image(torch.arange(16.0).reshape(4, 4) / 16, factor=2)
        >>> problem.low.tolist(), problem.loss(problem.reference.reshape(-1, 1)).item()
        ([[0.15625, 0.28125], [0.65625, 0.78125]], 0.0)

    Source: Shenouda, Zhou and Nowak (2024), Section 5.3. Used in :doc:`/book/inr/super-resolution`.
    """

    low: Tensor

    def __init__(self, low: Data, factor: int, reference: Data | None = None, data_range: float = 1.0) -> None:
        low, factor = check_picture("low", low, data_range), check_count("factor", factor, least=2)
        check_counts("low", low)
        shape = factor * low.shape[0], factor * low.shape[1], *low.shape[2:]
        truth, most = check_reference(reference, shape, low, data_range)
        super().__init__(pixels(shape, low), low[0, 0].numel())
        self.factor, self.data_range, self._shape = factor, most, torch.Size(shape)
        self._keep(low=low, reference=truth)

    @classmethod
    def from_image(cls, image: Data, factor: int, data_range: float = 1.0) -> "SuperResolutionProblem":
        """The problem whose answer is known: the image is averaged over blocks, and kept as the reference.

        Raises:
            ValueError: also if a side is not a multiple of ``factor``; the message says what to cut off.
        """
        image, factor = _whole_picture(image, data_range), check_count("factor", factor, least=2)
        height, width = (n // factor * factor for n in image.shape[:2])
        if not height or not width:
            raise ValueError(f"factor must be at most {min(image.shape[:2])}, the shorter side; got {shown(factor)}.")
        if (height, width) != image.shape[:2]:
            raise ValueError(
                f"both sides of the image, {tuple(image.shape[:2])}, must be multiples of {factor}: "
                f"use image[:{height}, :{width}]."
            )
        return cls(BlockMean(factor)(image), factor, image, data_range)

    def _measurement(self) -> Measurement:
        return Measurement(BlockMean(self.factor), self.low)

    def bicubic(self) -> Tensor:
        """The classical answer: bicubic interpolation of the image of low resolution, in the shape of the answer."""
        planes = self.low.reshape(*self.low.shape[:2], -1).permute(2, 0, 1)[None]
        finer = nn.functional.interpolate(planes, scale_factor=self.factor, mode="bicubic", align_corners=False)
        return finer[0].permute(1, 2, 0).reshape(self._shape)


class CTProblem(Measured):
    """A slice from its X-ray projections.

    Args:
        sinogram: what was measured, (detectors, angles), floating point, as :class:`relunb.inr.Radon` lays it out.
        angles: in degrees, one for each column of the sinogram, in any order. 0 and 180 see the same line integrals:
            one of them is wasted.
        size: height and width of the slice, or one number for both.
        circle: the scanner sees the inscribed circle only, as for :class:`relunb.inr.Radon`.
        reference: the true slice, (height, width); for PSNR alone.
        data_range: for PSNR, as for :class:`relunb.inr.ImageProblem`.

    Attributes:
        radon: the transform.

    Raises:
        TypeError: an image is not a tensor or array of float32 or float64.
        ValueError: a shape does not fit, values are constant or not finite, angles are not finite, or ``data_range`` is
            not positive or contradicts the reference.

    Example:
        >>> problem = CTProblem.from_image(torch.eye(4), [90.0, 0.0, 45.0])
        >>> problem.sinogram.shape, problem.loss(problem.reference.reshape(-1, 1)).item()
        (torch.Size([6, 3]), 0.0)

    Source: Shenouda, Zhou and Nowak (2024), Section 5.1. Used in :doc:`/book/inr/tomography`.
    """

    sinogram: Tensor

    def __init__(
        self,
        sinogram: Data,
        angles: Any,
        size: int | tuple[int, int],
        circle: bool = False,
        reference: Data | None = None,
        data_range: float = 1.0,
    ) -> None:
        sinogram = floating("sinogram", sinogram)
        given = angles if isinstance(angles, Radon) else None  # from_image has made it
        expected = (given.detectors, len(given.angles)) if given else sinogram_shape(size, angles, circle)
        slice_ = size if isinstance(size, tuple | list) else (size, size)
        if tuple(sinogram.shape) != expected:
            turned = " Use sinogram.T." if tuple(sinogram.shape) == expected[::-1] else ""
            raise ValueError(
                f"sinogram must be (detectors, angles) = {expected} for a slice of {tuple(slice_)}; "
                f"got {tuple(sinogram.shape)}.{turned}"
            )
        check_counts("sinogram", sinogram)
        truth, most = check_reference(reference, slice_, sinogram, data_range)
        radon = given or _radon(size, angles, circle, sinogram)
        super().__init__(pixels(slice_, sinogram))
        self.radon, self.data_range = radon, most
        self._keep(sinogram=sinogram, reference=truth)

    @classmethod
    def from_image(cls, image: Data, angles: Any, circle: bool = False, data_range: float = 1.0) -> "CTProblem":
        """The problem whose answer is known: the slice is projected, and kept as the reference."""
        image = _whole_picture(image, data_range)
        if image.ndim != 2:
            raise ValueError(f"image must be (height, width); got {tuple(image.shape)}.")
        radon = _radon(tuple(image.shape), angles, circle, image)
        return cls(radon(image), radon, radon.size, circle, image, data_range)

    def _measurement(self) -> Measurement:
        return Measurement(self.radon, self.sinogram)

    def _picture_shape(self) -> tuple[int, int]:
        return self.radon.size

    def filtered_back_projection(self) -> Tensor:
        """The classical answer: scikit-image's filtered back-projection with the ramp filter, (height, width).

        The order of the angles plays no part. Each column has the same weight, as there: angles that lie unevenly, or
        twice in the list, are not weighed by the gaps between them.

        Raises:
            ImportError: scikit-image is not installed.
        """
        try:
            from skimage.transform import iradon
        except ImportError as error:
            raise ImportError("filtered_back_projection needs scikit-image: pip install scikit-image.") from error
        height, width = self.radon.size
        side = min(height, width) if self.radon.circle else max(height, width)
        square = iradon(
            self.sinogram.double().cpu().numpy(),
            self.radon.angles.numpy() % 360,
            output_size=side,
            circle=self.radon.circle,
        )
        out = self.sinogram.new_zeros(height, width)
        # Where the square lies in the slice, or the slice in the square: their centers are one point.
        top, left = side // 2 - height // 2, side // 2 - width // 2
        if self.radon.circle:
            top, left = -math.ceil((height - side) / 2), -math.ceil((width - side) / 2)
        seen = torch.from_numpy(square)[max(top, 0) :, max(left, 0) :][:height, :width]
        row, column = max(-top, 0), max(-left, 0)
        out[row : row + seen.shape[0], column : column + seen.shape[1]] = seen.to(out)
        return out


def _whole_picture(image: Any, data_range: Any) -> Tensor:
    """The picture that a problem is made from whose answer is known."""
    image = check_picture("image", image, data_range)
    check_counts("image", image)
    checked_range("image", image, data_range)
    return image


def _radon(size: Any, angles: Any, circle: bool, like: Tensor) -> Radon:
    with torch.device(like.device):
        return Radon(size, angles, circle, like.dtype)
