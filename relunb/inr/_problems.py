"""What a coordinate network is fitted to: a picture, a sound, a scan, or a picture of lower resolution."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import count, finite, positive
from ._radon import Radon

_ROWS = 8192  # evaluated at a time: 10 MB a layer of width 300


def pixel_grid(height: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The coordinates of every pixel of a picture, the input of a coordinate network.

    Args:
        height: rows.
        width: columns.
        dtype: of the coordinates.

    Returns:
        Tensor of shape (height * width, 2) with the row and column of each pixel in [-1, 1], row by row.

    Raises:
        TypeError: a side is not an integer.
        ValueError: a side has no pixel.

    Used in :doc:`/book/wavelet/seven-relus`.
    """
    sides = (count(name, n) for name, n in (("height", height), ("width", width)))
    return torch.cartesian_prod(*(torch.linspace(-1, 1, n, dtype=dtype) for n in sides))


class Problem(nn.Module):
    """A problem for :func:`relunb.inr.fit`. Your own needs ``coordinates`` and ``loss``, and nothing else::

        class Edges(Problem):  # a picture known by the differences of its neighbours
            def __init__(self, image):
                super().__init__(pixel_grid(*image.shape), out_features=1)
                self.register_buffer("edges", image.diff())

            def loss(self, values):
                return (values.reshape(len(self.edges), -1).diff() - self.edges).square().mean()

    Tensors that are registered as buffers move with ``.to(device)``, and a checkpoint remembers them.

    Args:
        coordinates: (points, coordinates), where the network is evaluated.
        out_features: values at a point.

    Raises:
        TypeError: ``coordinates`` is not a real floating-point tensor, or ``out_features`` not an integer.
        ValueError: ``coordinates`` have another shape or are not finite, or ``out_features`` is below 1.
    """

    coordinates: Tensor
    _range = 1.0

    def __init__(self, coordinates: Tensor, out_features: int = 1) -> None:
        super().__init__()
        _floating("coordinates", coordinates)
        if coordinates.ndim != 2:
            raise ValueError(f"coordinates must be (points, coordinates); got {tuple(coordinates.shape)}.")
        self.register_buffer("coordinates", coordinates)
        self.out_features = count("out_features", out_features)

    def loss(self, values: Tensor) -> Tensor:
        """What is made small, a 0-dim tensor, of the network's values, (points, out_features)."""
        raise NotImplementedError(f"{type(self).__name__} must define loss(values).")

    def error(self, values: Tensor) -> Tensor | None:
        """Mean squared error against the true picture where it is known, else None."""
        return None

    def psnr(self, values: Tensor) -> float:
        """PSNR of the network's values against the true picture in decibels; NaN where it is not known."""
        error = self.error(values)
        return math.nan if error is None else self.decibels(float(error))

    def decibels(self, error: float) -> float:
        """PSNR of a mean squared error."""
        if math.isnan(error):
            return math.nan
        return 20 * math.log10(self._range) - 10 * math.log10(error) if error > 0 else math.inf

    @torch.no_grad()
    def values(self, network: nn.Module) -> Tensor:
        """The network at all points, (points, out_features), a part at a time and without a graph."""
        return torch.cat([network(points) for points in self.coordinates.split(_ROWS)])

    def estimate(self, network: nn.Module) -> Tensor:
        """The picture, scan or sound that the network stands for, in the shape of the data."""
        return self.shaped(self.values(network))

    def shaped(self, values: Tensor) -> Tensor:
        """Values at the points, in the shape of the data."""
        return values


class SquaredError(Problem):
    """A problem whose values are known: its loss is the mean squared difference from them.

    :func:`relunb.inr.fit` then goes through the points once a step and not twice.
    """

    target: Tensor
    weight: Tensor | None

    def __init__(self, coordinates: Tensor, data: Tensor, weight: Tensor | None = None) -> None:
        target = data.detach().reshape(len(coordinates), -1)
        super().__init__(coordinates, target.shape[1])
        self._shape = data.shape
        self.register_buffer("target", target)
        self.register_buffer("weight", weight)

    def loss(self, values: Tensor) -> Tensor:
        square = (values - self.target).square()
        if self.weight is None:
            return square.mean()
        return (square * self.weight).sum() / (self.weight.sum() * self.out_features)

    def error(self, values: Tensor) -> Tensor:
        """Over all points, also those without weight."""
        return (values - self.target).square().mean()

    def shaped(self, values: Tensor) -> Tensor:
        return values.reshape(self._shape)


class ImageProblem(SquaredError):
    """An image from its pixels, all of them or those of a mask.

    Args:
        image: (height, width) or (height, width, channels), floating point, at least two pixels a side.
        mask: (height, width), true where a pixel counts; the others are left to the network. Default: all count.
        data_range: for PSNR: the largest value that is possible less the smallest. Nothing is rescaled.

    Raises:
        TypeError: ``image`` is not a real floating-point tensor, or ``mask`` is not boolean.
        ValueError: the image has another shape, is constant or has non-finite values, the mask has another shape or
            hides everything, or ``data_range`` is not positive.

    Source: Shenouda, Zhou and Nowak (2024), Section 5.2. Used in :doc:`/book/inr/photograph`.
    """

    def __init__(self, image: Tensor, mask: Tensor | None = None, data_range: float = 1.0) -> None:
        image, self._range = _image("image", image), positive("data_range", data_range)
        weight = None if mask is None else _mask(mask, image).to(image).reshape(-1, 1)
        super().__init__(_grid(image.shape, image), image, weight)


class AudioProblem(SquaredError):
    """A sound from its samples.

    Args:
        samples: (time,) or (time, channels), floating point, in [-1, 1], at least two.
        extent: time runs from ``-extent`` to ``extent``. A sound has so many periods that on [-1, 1] no activation
            of a usual scale could follow. Sines like a wide extent; activations with a place, as the wavelet, get lost.

    Raises:
        TypeError: ``samples`` is not a real floating-point tensor.
        ValueError: the samples have another shape, are constant or not finite, or ``extent`` is not positive.

    Source: the audio script beside Shenouda, Zhou and Nowak (2024); the extent is that of Sitzmann et al. (2020).
    Used in :doc:`/book/inr/spectral-bias`.
    """

    _range = 2.0

    def __init__(self, samples: Tensor, extent: float = 100.0) -> None:
        _floating("samples", samples)
        if samples.ndim not in (1, 2) or len(samples) < 2:
            raise ValueError(f"samples must be (time,) or (time, channels), at least two; got {tuple(samples.shape)}.")
        _varied("samples", samples)
        extent = positive("extent", extent)
        time = torch.linspace(-extent, extent, len(samples), dtype=samples.dtype, device=samples.device)
        super().__init__(time[:, None], samples)


class SuperResolutionProblem(Problem):
    """An image from one of lower resolution, whose pixels are means of ``factor * factor`` of the pixels wanted.

    Args:
        low: the image of low resolution, (height, width) or (height, width, channels), floating point.
        factor: how many times finer the answer is along each side.
        reference: the true image, (factor * height, factor * width), with the channels of ``low``; for PSNR alone.
        data_range: for PSNR, as for :class:`relunb.inr.ImageProblem`.

    Raises:
        TypeError: an image is not a real floating-point tensor, or ``factor`` is not an integer.
        ValueError: ``factor`` is below 2, an image is constant or not finite, or ``reference`` does not fit.

    Source: Shenouda, Zhou and Nowak (2024), Section 5.3. Used in :doc:`/book/inr/super-resolution`.
    """

    low: Tensor
    reference: Tensor | None

    def __init__(self, low: Tensor, factor: int, reference: Tensor | None = None, data_range: float = 1.0) -> None:
        low, self.factor = _image("low", low), count("factor", factor, least=2)
        self._range = positive("data_range", data_range)
        self._shape = torch.Size([factor * low.shape[0], factor * low.shape[1], *low.shape[2:]])
        super().__init__(_grid(self._shape, low), low[0, 0].numel())
        self.register_buffer("low", low)
        self.register_buffer("reference", None if reference is None else _fitting(reference, self._shape, low))

    @classmethod
    def from_image(cls, image: Tensor, factor: int, data_range: float = 1.0) -> "SuperResolutionProblem":
        """The problem whose answer is known: the image is averaged over blocks, and kept as the reference.

        Raises:
            ValueError: also if a side is not a multiple of ``factor``; the message says what to cut off.
        """
        image, factor = _image("image", image), count("factor", factor, least=2)
        if image.shape[0] % factor or image.shape[1] % factor:
            height, width = (n // factor * factor for n in image.shape[:2])
            raise ValueError(
                f"both sides of the image, {tuple(image.shape[:2])}, must be multiples of {factor}: "
                f"use image[:{height}, :{width}]."
            )
        return cls(_means(image, factor), factor, image, data_range)

    def loss(self, values: Tensor) -> Tensor:
        return (_means(self.shaped(values), self.factor) - self.low).square().mean()

    def error(self, values: Tensor) -> Tensor | None:
        return None if self.reference is None else (self.shaped(values) - self.reference).square().mean()

    def shaped(self, values: Tensor) -> Tensor:
        return values.reshape(self._shape)

    def bicubic(self) -> Tensor:
        """The classical answer: bicubic interpolation of the image of low resolution, in the shape of the answer."""
        planes = self.low.reshape(*self.low.shape[:2], -1).permute(2, 0, 1)[None]
        finer = nn.functional.interpolate(planes, scale_factor=self.factor, mode="bicubic", align_corners=False)
        return finer[0].permute(1, 2, 0).reshape(self._shape)


class CTProblem(Problem):
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
        TypeError: an image is not a real floating-point tensor.
        ValueError: a shape does not fit, values are constant or not finite, or angles are not finite.

    Source: Shenouda, Zhou and Nowak (2024), Section 5.1. Used in :doc:`/book/inr/tomography`.
    """

    sinogram: Tensor
    reference: Tensor | None

    def __init__(
        self,
        sinogram: Tensor,
        angles: Any,
        size: int | tuple[int, int],
        circle: bool = False,
        reference: Tensor | None = None,
        data_range: float = 1.0,
    ) -> None:
        _floating("sinogram", sinogram)
        dtype = torch.float64 if sinogram.dtype == torch.float64 else torch.float32
        radon = Radon(size, angles, circle, dtype).to(sinogram.device)
        expected = radon.detectors, len(radon.angles)
        if tuple(sinogram.shape) != expected:
            raise ValueError(
                f"sinogram must be (detectors, angles) = {expected} for a slice of {radon.size}; "
                f"got {tuple(sinogram.shape)}."
            )
        _varied("sinogram", sinogram)
        self._range = positive("data_range", data_range)
        super().__init__(_grid(radon.size, sinogram))
        self.radon = radon
        self.register_buffer("sinogram", sinogram.detach())
        size_ = torch.Size(radon.size)
        self.register_buffer("reference", None if reference is None else _fitting(reference, size_, sinogram))

    @classmethod
    def from_image(cls, image: Tensor, angles: Any, circle: bool = False, data_range: float = 1.0) -> "CTProblem":
        """The problem whose answer is known: the slice is projected, and kept as the reference."""
        image = _image("image", image)
        if image.ndim != 2:
            raise ValueError(f"image must be (height, width); got {tuple(image.shape)}.")
        dtype = torch.float64 if image.dtype == torch.float64 else torch.float32
        height, width = image.shape
        radon = Radon((height, width), angles, circle, dtype).to(image.device)
        return cls(radon(image), angles, (height, width), circle, image, data_range)

    def loss(self, values: Tensor) -> Tensor:
        return (self.radon(self.shaped(values)) - self.sinogram).square().mean()

    def error(self, values: Tensor) -> Tensor | None:
        return None if self.reference is None else (self.shaped(values) - self.reference).square().mean()

    def shaped(self, values: Tensor) -> Tensor:
        return values.reshape(self.radon.size)

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


def _means(image: Tensor, factor: int) -> Tensor:
    height, width, *rest = image.shape
    return image.reshape(height // factor, factor, width // factor, factor, *rest).mean((1, 3))


def _floating(name: str, value: Any) -> None:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must be a real floating-point tensor; got {kind}. Bytes: {name}.float() / 255.")
    finite(name, value)


def _varied(name: str, value: Tensor) -> None:
    low, high = value.detach().aminmax()
    if low == high:
        raise ValueError(f"{name} is {float(low):g} everywhere: there is nothing to fit.")


def _image(name: str, image: Any) -> Tensor:
    _floating(name, image)
    if image.ndim not in (2, 3) or min(image.shape[:2]) < 2 or image[0, 0].numel() == 0:
        raise ValueError(
            f"{name} must be (height, width) or (height, width, channels), at least two pixels a side; "
            f"got {tuple(image.shape)}."
        )
    _varied(name, image)
    return image.detach()


def _mask(mask: Any, image: Tensor) -> Tensor:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"mask must be a boolean tensor, true where a pixel counts; got {kind}.")
    if mask.shape != image.shape[:2]:
        raise ValueError(f"mask must be {tuple(image.shape[:2])} as the image is; got {tuple(mask.shape)}.")
    if not mask.any():
        raise ValueError("mask is false everywhere: no pixel counts.")
    return mask


def _fitting(reference: Any, shape: torch.Size, like: Tensor) -> Tensor:
    _floating("reference", reference)
    if reference.shape != shape:
        raise ValueError(f"reference must be {tuple(shape)}; got {tuple(reference.shape)}.")
    return reference.detach().to(like)


def _grid(shape: Sequence[int], data: Tensor) -> Tensor:
    """The coordinates of pixels, in the precision and on the device of the data."""
    return pixel_grid(shape[0], shape[1], data.dtype).to(data.device)
