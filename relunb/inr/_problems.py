"""What a coordinate network is fitted to: a picture, a sound, a scan, or a picture of lower resolution."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import count, dense, finite, known, positive, readable, same_place, shown, single, tensor
from ._data import Data, channels_last, check_dtype, checked_range, contradicts, floating, spread
from ._radon import Radon, sinogram_shape

_ROWS = 8192  # evaluated at a time: 10 MB a layer of width 300
_MOST = 2**30  # pixels: 8 GB of coordinates


def pixel_grid(height: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The coordinates of every pixel of a picture, the input of a coordinate network.

    Args:
        height: rows.
        width: columns.
        dtype: of the coordinates, float32 or float64. Lower precision does not tell neighbours apart.

    Returns:
        Tensor of shape (height * width, 2) with the row and column of each pixel in [-1, 1], row by row.

    Raises:
        TypeError: a side is not an integer, or ``dtype`` is another one.
        ValueError: a side has no pixel, or there are more than 2**30 pixels.

    Example:
        >>> pixel_grid(2, 3).tolist()
        [[-1.0, -1.0], [-1.0, 0.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 0.0], [1.0, 1.0]]

    Used in :doc:`/book/wavelet/seven-relus`.
    """
    check_dtype(dtype)
    sides = [count(name, n) for name, n in (("height", height), ("width", width))]
    if math.prod(sides) > _MOST:
        raise ValueError(f"height times width must be at most {_MOST:,} pixels; got {shown(math.prod(sides))}.")
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
        coordinates: (points, coordinates), a tensor or array, where the network is evaluated.
        out_features: values at a point.

    Attributes:
        data_range: for PSNR, the largest value that is possible less the smallest.

    Raises:
        TypeError: ``coordinates`` is not a tensor or array of float32 or float64, or ``out_features`` not an integer.
        ValueError: ``coordinates`` have another shape or are not finite, or ``out_features`` is below 1.

    Example:
        >>> class Flat(Problem):
        ...     def loss(self, values):
        ...         return values.square().mean()
        >>> Flat(pixel_grid(2, 2)).loss(torch.full((4, 1), 0.5)).item()
        0.25
    """

    coordinates: Tensor
    data_range = 1.0

    def __init__(self, coordinates: Data, out_features: int = 1) -> None:
        super().__init__()
        coordinates = floating("coordinates", coordinates, divide=False)
        if coordinates.ndim != 2 or coordinates.numel() == 0:
            raise ValueError(f"coordinates must be (points, coordinates); got {tuple(coordinates.shape)}.")
        finite("coordinates", coordinates)
        self._keep(coordinates=coordinates)
        self.out_features = count("out_features", out_features)

    @torch.inference_mode(False)
    def _keep(self, **buffers: Tensor | None) -> None:
        """Copies of data as buffers, also of a problem that is made in inference mode and trained later."""
        for name, data in buffers.items():
            if data is not None:
                data = data.detach().clone()  # what becomes of the user's tensor later is no matter here
            self.register_buffer(name, data)

    def loss(self, values: Tensor) -> Tensor:
        """What is made small, a 0-dim tensor, of the network's values, (points, out_features)."""
        raise NotImplementedError(f"{type(self).__name__} must define loss(values).")

    def error(self, values: Tensor) -> Tensor | None:
        """Mean squared error against the true picture where it is known, else None."""
        return None

    def psnr(self, values: Tensor) -> float:
        """PSNR of the network's values against the true picture in decibels; NaN where it is not known."""
        error = self._measured(values)
        known(**{"the error": error})
        return math.nan if error is None else self.decibels(float(error))

    def _measured(self, values: Tensor) -> Tensor | None:
        """``error(values)``, which may be your own, without a graph."""
        error = self.error(values)
        if error is None:
            return None
        if isinstance(error, float | int):
            return torch.tensor(float(error), dtype=torch.float64)
        if not isinstance(error, Tensor) or error.numel() != 1 or error.is_complex():
            told = (
                f"a tensor of shape {tuple(error.shape)}" if isinstance(error, Tensor) else f"a {type(error).__name__}"
            )
            raise TypeError(f"{type(self).__name__}.error must give one number, or None; it gave {told}.")
        return error.detach()

    def decibels(self, error: float) -> float:
        """PSNR of a mean squared error."""
        error = single("error", error)
        if math.isnan(error):
            return math.nan
        if error < 0:
            raise ValueError(f"a mean squared error is not negative; got {error:g}.")
        return 20 * math.log10(self.data_range) - 10 * math.log10(error) if error > 0 else math.inf

    @torch.no_grad()
    def values(self, network: nn.Module) -> Tensor:
        """The network at all points, (points, out_features), a part at a time and without a graph."""
        if not callable(network):
            raise TypeError(f"network must be a torch.nn.Module; got {shown(network)}.")
        return torch.cat([network(points) for points in self.coordinates.split(_ROWS)])

    def estimate(self, network: nn.Module) -> Tensor:
        """The picture, scan or sound that the network stands for, in the shape of the data."""
        return self.shaped(self.values(network))

    def shaped(self, values: Tensor) -> Tensor:
        """Values at the points, in the shape of the data."""
        return values

    def _reshaped(self, values: Tensor, shape: Sequence[int]) -> Tensor:
        if not isinstance(values, Tensor):
            raise TypeError(f"values must be a tensor; got {type(values).__name__}.")
        dense("values", values)
        if values.numel() != math.prod(shape):
            raise ValueError(
                f"values must be (points, out_features) = {len(self.coordinates), self.out_features}; "
                f"got {tuple(values.shape)}."
            )
        return values.reshape(shape)

    def _at_points(self, values: Tensor) -> Tensor:
        """Values of the shape that they must have: another one would spread against the data, and mean nothing."""
        if not isinstance(values, Tensor):
            raise TypeError(f"values must be a tensor; got {type(values).__name__}.")
        dense("values", values)
        if values.shape != (len(self.coordinates), self.out_features):
            raise ValueError(
                f"values must be (points, out_features) = {len(self.coordinates), self.out_features}; "
                f"got {tuple(values.shape)}."
            )
        same_place(values=values, coordinates=self.coordinates)
        return values

    def _error(self, values: Tensor, truth: Tensor | None) -> Tensor | None:
        """In float64, which squares small differences without loss."""
        if truth is None:
            return None
        return (self.shaped(self._at_points(values)).double() - truth.double()).square().mean()


class SquaredError(Problem):
    """A problem whose values are known: its loss is the mean squared difference from them.

    :func:`relunb.inr.fit` then goes through the points once a step and not twice.
    """

    target: Tensor
    weight: Tensor | None
    known: Tensor | None

    def __init__(self, coordinates: Tensor, data: Tensor, weight: Tensor | None = None) -> None:
        target = data.detach().reshape(len(coordinates), -1)
        super().__init__(coordinates, target.shape[1])
        self._shape = data.shape
        known = target.isfinite()
        some_unknown = readable(target) and not known.all()
        if some_unknown:  # under the mask: a product with the weight zero would be NaN
            target = torch.where(known, target, 0.0)
        self._keep(target=target, weight=weight, known=known.all(1, keepdim=True) if some_unknown else None)

    def loss(self, values: Tensor) -> Tensor:
        square = (self._at_points(values) - self.target).square()
        if self.weight is None:
            return square.mean()
        return (square * self.weight).sum() / (self.weight.sum() * self.out_features)

    def error(self, values: Tensor) -> Tensor | None:
        """Over all points whose values are known, also those without weight."""
        if self.known is None:
            return self._error(values, self.shaped(self.target))
        known = self.known.expand_as(self.target)
        return (self._at_points(values).double() - self.target.double())[known].square().mean()

    def shaped(self, values: Tensor) -> Tensor:
        return self._reshaped(values, self._shape)


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

    Source: Shenouda, Zhou and Nowak (2024), Section 5.2. Used in :doc:`/book/inr/photograph`.
    """

    def __init__(self, image: Data, mask: Data | None = None, data_range: float = 1.0) -> None:
        image, weight, hint = _picture("image", image, data_range), None, ""
        if mask is None:
            known = "image.isfinite()" if image.ndim == 2 else "image.isfinite().all(-1)"
            _counts("image", image, hint=f" Pixels that are not known can be hidden: mask={known}.")
        else:
            mask = _mask(mask, image)
            weight = mask.to(image).reshape(-1, 1)
            hint = " Pixels under the mask count as well; NaN says that they are not known."
            finite("image", torch.where(mask if image.ndim == 2 else mask[..., None], image, 0.0))
            if readable(image):
                _counts("image", image[mask])
        most = checked_range("image", image[image.isfinite()] if readable(image) else image, data_range, hint)
        super().__init__(_grid(image.shape, image), image, weight)
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
        extent, samples = positive("extent", extent), floating("samples", samples, sound=True)
        if samples.ndim == 2 and 0 < len(samples) < samples.shape[1]:
            raise ValueError(f"samples must be (time, channels); got {tuple(samples.shape)}. Use samples.T.")
        if samples.ndim not in (1, 2) or len(samples) < 2 or samples[0].numel() == 0:
            raise ValueError(f"samples must be (time,) or (time, channels), at least two; got {tuple(samples.shape)}.")
        _counts("samples", samples)
        limits = spread(samples)
        if limits is not None and contradicts(*limits, -1.0, self.data_range):
            raise ValueError(
                f"samples go from {limits[0]:.4g} to {limits[1]:.4g}, and a sound lies in [-1, 1]: divide by the "
                "largest value that is possible, 32768 for 16 bits, or use samples / abs(samples).max()."
            )
        super().__init__(_times(extent, samples)[:, None], samples)
        self.extent = extent


class SuperResolutionProblem(Problem):
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
    reference: Tensor | None

    def __init__(self, low: Data, factor: int, reference: Data | None = None, data_range: float = 1.0) -> None:
        low, factor = _picture("low", low, data_range), count("factor", factor, least=2)
        _counts("low", low)
        shape = factor * low.shape[0], factor * low.shape[1], *low.shape[2:]
        truth, most = _reference(reference, shape, low, data_range)
        super().__init__(_grid(shape, low), low[0, 0].numel())
        self.factor, self.data_range, self._shape = factor, most, torch.Size(shape)
        self._keep(low=low, reference=truth)

    @classmethod
    def from_image(cls, image: Data, factor: int, data_range: float = 1.0) -> "SuperResolutionProblem":
        """The problem whose answer is known: the image is averaged over blocks, and kept as the reference.

        Raises:
            ValueError: also if a side is not a multiple of ``factor``; the message says what to cut off.
        """
        image, factor = _picture("image", image, data_range), count("factor", factor, least=2)
        _counts("image", image)
        checked_range("image", image, data_range)
        height, width = (n // factor * factor for n in image.shape[:2])
        if not height or not width:
            raise ValueError(f"factor must be at most {min(image.shape[:2])}, the shorter side; got {shown(factor)}.")
        if (height, width) != image.shape[:2]:
            raise ValueError(
                f"both sides of the image, {tuple(image.shape[:2])}, must be multiples of {factor}: "
                f"use image[:{height}, :{width}]."
            )
        return cls(_means(image, factor), factor, image, data_range)

    def loss(self, values: Tensor) -> Tensor:
        return (_means(self.shaped(self._at_points(values)), self.factor) - self.low).square().mean()

    def error(self, values: Tensor) -> Tensor | None:
        return self._error(values, self.reference)

    def shaped(self, values: Tensor) -> Tensor:
        return self._reshaped(values, self._shape)

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
    reference: Tensor | None

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
        _counts("sinogram", sinogram)
        truth, most = _reference(reference, slice_, sinogram, data_range)
        radon = given or _radon(size, angles, circle, sinogram)
        super().__init__(_grid(slice_, sinogram))
        self.radon, self.data_range = radon, most
        self._keep(sinogram=sinogram, reference=truth)

    @classmethod
    def from_image(cls, image: Data, angles: Any, circle: bool = False, data_range: float = 1.0) -> "CTProblem":
        """The problem whose answer is known: the slice is projected, and kept as the reference."""
        image = _picture("image", image, data_range)
        if image.ndim != 2:
            raise ValueError(f"image must be (height, width); got {tuple(image.shape)}.")
        _counts("image", image)
        checked_range("image", image, data_range)
        radon = _radon(tuple(image.shape), angles, circle, image)
        return cls(radon(image), radon, radon.size, circle, image, data_range)

    def loss(self, values: Tensor) -> Tensor:
        return (self.radon(self.shaped(self._at_points(values))) - self.sinogram).square().mean()

    def error(self, values: Tensor) -> Tensor | None:
        return self._error(values, self.reference)

    def shaped(self, values: Tensor) -> Tensor:
        return self._reshaped(values, self.radon.size)

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


def _times(extent: float, samples: Tensor) -> Tensor:
    """A time for each sample, and no two alike."""
    info = torch.finfo(samples.dtype)
    if info.tiny * len(samples) <= extent <= info.max / 2:
        times = torch.linspace(-extent, extent, len(samples), dtype=samples.dtype, device=samples.device)
        if not readable(times) or (times.diff() > 0).all():
            return times
    more = "" if samples.dtype == torch.float64 else ", or take float64, with samples.double()"
    raise ValueError(
        f"{samples.dtype} does not tell {len(samples):,} times between -{extent:g} and {extent:g} apart: use another "
        f"extent{more}."
    )


def _radon(size: Any, angles: Any, circle: bool, like: Tensor) -> Radon:
    with torch.device(like.device):
        return Radon(size, angles, circle, like.dtype)


def _counts(name: str, value: Tensor, hint: str = "") -> None:
    """Refuse what a mean squared error cannot be taken of, or has nothing to learn from."""
    try:
        finite(name, value)
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


def _picture(name: str, image: Any, data_range: Any) -> Tensor:
    """A picture of a shape that makes sense; its values are looked at by others."""
    image = floating(name, image, divide=positive("data_range", data_range) == 1)
    turned = channels_last(name, image)
    if turned or image.ndim not in (2, 3) or min(image.shape[:2]) < 2 or image[0, 0].numel() == 0:
        raise ValueError(
            f"{name} must be (height, width) or (height, width, channels), at least two pixels a side; "
            f"got {tuple(image.shape)}.{turned}"
        )
    return image.detach()


def _mask(mask: Any, image: Tensor) -> Tensor:
    found = tensor("mask", mask) if hasattr(mask, "dtype") else None
    if found is None or found.dtype != torch.bool:
        kind = mask.dtype if hasattr(mask, "dtype") else type(mask).__name__
        hint = "np.array(mask) > 0" if found is None else "mask > 0"
        raise TypeError(f"mask must be a boolean tensor or array, true where a pixel counts; got {kind}. Use {hint}.")
    if found.shape != image.shape[:2]:
        flat = " Use mask.all(-1)." if found.shape == image.shape else ""
        raise ValueError(f"mask must be {tuple(image.shape[:2])} as the image is; got {tuple(found.shape)}.{flat}")
    if readable(found) and not found.any():
        raise ValueError("mask is false everywhere: no pixel counts.")
    if not image.is_meta:
        known(mask=found)
    return found.detach().to(image.device)


def _reference(reference: Any, shape: Sequence[int], like: Tensor, data_range: Any) -> tuple[Tensor | None, float]:
    """The true picture in the precision of the data, and its range."""
    most = positive("data_range", data_range)
    if reference is None:
        return None, most
    found = floating("reference", reference, divide=most == 1)
    if tuple(found.shape) != tuple(shape):
        turned = channels_last("reference", found)
        raise ValueError(f"reference must be {tuple(shape)}; got {tuple(found.shape)}.{turned}")
    finite("reference", found)
    if found.is_meta and not like.is_meta:
        raise ValueError(f"reference is on the device meta, without numbers, and the data on {like.device}.")
    return found.detach().to(like), checked_range("reference", found, most)


def _grid(shape: Sequence[int], data: Tensor) -> Tensor:
    """The coordinates of pixels, in the precision and on the device of the data."""
    with torch.device(data.device):
        return pixel_grid(shape[0], shape[1], data.dtype)
