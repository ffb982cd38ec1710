"""The Radon transform as a sparse matrix: what a parallel-beam CT scanner sees of an image, and its exact adjoint."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._checks import count, flag, real, same_place
from .._functorch import recorded, valueless
from ._data import Data, check_dtype, floating


class Radon(nn.Module):
    """Line integrals of an image: for each angle, the image is rotated by linear interpolation and summed by columns.

    This is what scikit-image's ``radon`` computes, to rounding. The interpolation weights do not depend on the image:
    they are found once and kept as a sparse matrix, about two numbers for a pixel and an angle. The adjoint is kept as
    well, so that a gradient costs what a transform costs. Both together take about 32 bytes for a pixel and an angle in
    float32, 48 in float64, and twice that while they are made; 700 million pixels times angles are the most.

    Args:
        size: height and width of the images, or one number for both; at least 2 pixels.
        angles: in degrees, at least one, in any order, also repeated. Each has its column of the sinogram, where it
            stands. 180 degrees on, the same line integrals are seen from behind.
        circle: look at the inscribed circle only, with as many detectors as the image is wide; the image should be zero
            outside. Otherwise there are ``ceil(sqrt(2) * max(size))`` detectors and the whole image is seen.
        dtype: of images and sinograms, float32 or float64. Lower precision is computed in it and rounded back, also
            after ``.half()``.

    Attributes:
        detectors: how many columns a rotated image has.
        angles: in degrees, a float64 tensor on the CPU.

    Raises:
        TypeError: ``size`` is not an integer or a pair of them, ``dtype`` is another one.
        ValueError: ``size`` is below 2, ``angles`` are empty or not finite, or there are too many pixels and angles.

    Example:
        >>> radon = Radon(3, [0.0, 90.0], circle=True)
        >>> radon(torch.arange(9.0).reshape(3, 3))  # sums of columns, and of rows from below
        tensor([[ 9., 21.],
                [12., 12.],
                [15.,  3.]])

    Source: Shenouda, Zhou and Nowak (2024), Section 5.1. Derived in :doc:`/book/inr/tomography`.
    """

    crow: Tensor
    columns: Tensor
    values: Tensor
    adjoint_crow: Tensor
    adjoint_columns: Tensor
    adjoint_values: Tensor

    def __init__(
        self,
        size: int | tuple[int, int],
        angles: Sequence[float] | np.ndarray | Tensor,
        circle: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.size = _size(size)
        self.angles = _angles(angles)
        check_dtype(dtype)
        if self.size[0] * self.size[1] * len(self.angles) > _MOST:
            raise ValueError(
                f"{self.size[0]} x {self.size[1]} pixels and {len(self.angles)} angles are too many for one transform: "
                f"pixels times angles must be at most {_MOST:.0e}. Give each part of the angles a transform of its own."
            )
        self.circle = flag("circle", circle)
        self.detectors, self._corner = _frame(*self.size, self.circle)
        self._make(dtype, torch.empty(0).device)

    @torch.inference_mode(False)  # a tensor that is made for inference alone cannot be trained with later
    def _make(self, dtype: torch.dtype, device: torch.device) -> None:
        kind = np.float64 if dtype == torch.float64 else np.float32
        turns = [_turn(angle) for angle in self.angles.tolist()]
        matrix, adjoint = _matrices(self.size, self.detectors, self._corner, turns, kind)
        for name, parts in (("", matrix), ("adjoint_", adjoint)):
            for part, array in zip(("crow", "columns", "values"), parts, strict=True):
                # Size and angles say it all: no part of a saved network.
                self.register_buffer(name + part, torch.from_numpy(array).to(device), persistent=False)

    def _apply(self, fn: Any, recurse: bool = True) -> "Radon":
        """Keep float32 or float64 when a network is cast, and make anew what a cast or an empty device cannot give."""
        before = self.values, self.adjoint_values
        super()._apply(fn, recurse)
        kept, found = before[0].dtype, self.values.dtype
        if self.values.is_meta:
            return self
        if before[0].is_meta or (kept, found) == (torch.float32, torch.float64):
            self._make(found if found in _DTYPES else kept, self.values.device)
        elif found not in _DTYPES:
            self.values, self.adjoint_values = (weights.to(self.values.device) for weights in before)
        return self

    def forward(self, image: Data) -> Tensor:
        """Sinograms of images.

        Args:
            image: (..., height, width), a tensor or array.

        Returns:
            (..., detectors, angles), as scikit-image lays it out, same dtype and device.

        Raises:
            TypeError: ``image`` is not real, or is float64 and this transform float32.
            ValueError: ``image`` has another size.
        """
        image = self._checked("image", image, self.size)
        flat = self._flat(image)
        angles = len(self.angles)
        sinogram = _product(flat, self._forward_matrix(), self._adjoint_matrix()).mT
        sinogram = sinogram.reshape(*image.shape[:-2], angles, self.detectors)
        return sinogram.transpose(-1, -2).to(image.dtype)

    def adjoint(self, sinogram: Data) -> Tensor:
        """The adjoint, ``<radon(x), y> = <x, radon.adjoint(y)>``: back-projection without a filter.

        Args:
            sinogram: (..., detectors, angles), a tensor or array.

        Returns:
            (..., height, width), same dtype and device.

        Raises:
            TypeError: ``sinogram`` is not real, or is float64 and this transform float32.
            ValueError: ``sinogram`` has another size.
        """
        sinogram = self._checked("sinogram", sinogram, (self.detectors, len(self.angles)))
        flat = self._flat(sinogram.transpose(-1, -2))
        image = _product(flat, self._adjoint_matrix(), self._forward_matrix()).mT
        return image.reshape(*sinogram.shape[:-2], *self.size).to(sinogram.dtype)

    def _checked(self, name: str, value: Any, shape: tuple[int, int]) -> Tensor:
        value = floating(name, value, half=True)
        if tuple(value.shape[-2:]) != shape:
            hint = ""
            if tuple(value.shape[-3:-1]) == shape:
                hint = f" Channels come first here: use {name}.permute(2, 0, 1)."
            elif tuple(value.shape[-2:]) == shape[::-1]:
                hint = f" Use {name}.mT."
            raise ValueError(f"{name} must be (..., {shape[0]}, {shape[1]}); got {tuple(value.shape)}.{hint}")
        if value.dtype == torch.float64 and self.values.dtype == torch.float32:
            raise TypeError(f"{name} is float64 and this transform float32: make it with dtype=torch.float64.")
        same_place(**{name: value, "the transform": self.values})
        return value

    def _flat(self, value: Tensor) -> Tensor:
        """(pixels, batch) in the dtype of the transform."""
        return value.to(self.values.dtype).reshape(-1, value.shape[-2] * value.shape[-1]).mT

    def _forward_matrix(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.crow, self.columns, self.values

    def _adjoint_matrix(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.adjoint_crow, self.adjoint_columns, self.adjoint_values

    def extra_repr(self) -> str:
        return f"size={self.size}, {len(self.angles)} angles, {self.detectors} detectors, circle={self.circle}"


Matrix = tuple[Tensor, Tensor, Tensor]
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
_DTYPES = torch.float32, torch.float64
_MOST = 7 * 10**8  # pixels times angles: three numbers each at most, whose places have 32 bits
_BLOCK = 2**14  # pixels at a time: their numbers stay in the cache


def _product(x: Tensor, matrix: Matrix, transpose: Matrix) -> Tensor:
    """The product of a sparse matrix and columns; in plain operations where no sparse matrix can be."""
    if not (recorded() or valueless(x)):
        return _SparseProduct.apply(x, matrix, transpose)  # pyright: ignore[reportReturnType]
    crow, columns, values = matrix
    row = torch.repeat_interleave(crow.diff().long(), output_size=len(columns))
    terms = values[:, None] * x.index_select(0, columns.long())
    return terms.new_zeros(len(crow) - 1, x.shape[1]).index_add(0, row, terms)


class _SparseProduct(torch.autograd.Function):
    """A sparse matrix times columns; backward with its transpose, kept beside it, and so on for ever."""

    @staticmethod
    def forward(x: Tensor, matrix: Matrix, transpose: Matrix) -> Tensor:
        crow, columns, values = matrix
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            shape = len(crow) - 1, len(transpose[0]) - 1
            sparse = torch.sparse_csr_tensor(crow, columns, values, shape, device=values.device, check_invariants=False)
        with torch.autocast(x.device.type, enabled=False):  # there is no sparse product in bfloat16
            return sparse @ x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Matrix, Matrix], output: Tensor) -> None:
        ctx.matrices = inputs[1:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        matrix, transpose = ctx.matrices
        return _SparseProduct.apply(gradients[0], transpose, matrix), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return _SparseProduct.apply(tangents[0], *ctx.matrices)

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, matrix: Matrix, transpose: Matrix) -> tuple[Tensor, int]:
        many = x.movedim(in_dims[0], -1)  # (pixels, columns, batch)
        product = _SparseProduct.apply(many.flatten(1), matrix, transpose)
        return product.reshape(len(product), *many.shape[1:]), 2


def sinogram_shape(size: Any, angles: Any, circle: bool) -> tuple[int, int]:
    """Detectors and angles of a transform, without making it."""
    return _frame(*_size(size), flag("circle", circle))[0], len(_angles(angles))


def _size(size: Any) -> tuple[int, int]:
    """Height and width."""
    pair = size if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2:
        raise ValueError(f"size must be one number or (height, width); got {size!r:.60}.")
    return count("size", pair[0], least=2, most=_MOST), count("size", pair[1], least=2, most=_MOST)


def _angles(angles: Any) -> Tensor:
    with torch.device("cpu"):  # wherever else tensors are made: sines are taken of them now
        degrees = real("angles", angles)
    if degrees.is_meta:
        raise ValueError("angles are on the device meta, without numbers: give them as a list.")
    if degrees.requires_grad:
        raise ValueError("angles carry a gradient, which the transform does not give: use angles.detach().")
    if degrees.ndim != 1:
        raise ValueError(f"angles must be a list, (angles,); got the shape {tuple(degrees.shape)}.")
    return degrees.double().cpu()


def _turn(degrees: float) -> tuple[float, float]:
    """Cosine and sine, exact at multiples of 90 degrees and equal at those of 45."""
    rest = math.remainder(degrees, 90.0)
    quarters = round((math.fmod(degrees, 360.0) - rest) / 90.0) % 4
    cosine, sine = math.cos(math.radians(rest)), math.sin(math.radians(rest))
    if abs(rest) == 45.0:
        cosine, sine = math.sqrt(0.5), math.copysign(math.sqrt(0.5), rest)
    for _ in range(quarters):
        cosine, sine = -sine, cosine
    return cosine, sine


def _frame(height: int, width: int, circle: bool) -> tuple[int, tuple[int, int]]:
    """Side of the square that is rotated, and where its corner lies in the image, as scikit-image places it."""
    if circle:
        side = min(height, width)
        return side, (math.ceil((height - side) / 2), math.ceil((width - side) / 2))
    diagonal = math.sqrt(2) * max(height, width)
    side = height + math.ceil(diagonal - height)
    return side, (height // 2 - side // 2, width // 2 - side // 2)


def _matrices(
    size: tuple[int, int], side: int, corner: tuple[int, int], turns: list[tuple[float, float]], kind: type
) -> tuple[Arrays, Arrays]:
    """The transform and its adjoint as sparse matrices: starts of the rows, columns and values.

    Each angle is sorted by its detectors for the first, and lies in the order of the pixels for the second.
    """
    pixels = size[0] * size[1]
    parts = [_footprints(size, side, corner, turn, kind) for turn in turns]
    total = sum(len(detector) for detector, _, _ in parts)
    columns, values = np.empty(total, np.int32), np.empty(total, kind)
    adjoint_columns, adjoint_values = np.empty(total, np.int32), np.empty(total, kind)
    rays, ends = np.zeros(len(turns) * side + 1, np.int32), np.zeros(pixels + 1, np.int64)
    for _, _, reached in parts:
        ends[1:] += reached
    np.cumsum(ends, out=ends)
    place, done = ends[:-1].copy(), 0
    for index in range(len(turns)):
        detector, weight, reached = parts[index]
        parts[index] = (detector[:0], weight[:0], reached[:0])  # its memory is free from here on
        stop = done + len(detector)
        order = np.argsort(detector, kind="stable")
        columns[done:stop] = np.repeat(np.arange(pixels, dtype=np.int32), reached)[order]
        values[done:stop] = weight[order]
        rays[1 + index * side : 1 + (index + 1) * side] = np.bincount(detector, minlength=side)
        before = np.cumsum(reached, dtype=np.int64) - reached
        into = np.repeat(place - before, reached) + np.arange(len(detector))
        adjoint_columns[into] = detector.astype(np.int32) + index * side
        adjoint_values[into] = weight
        place += reached
        done = stop
    return (
        (np.cumsum(rays, dtype=np.int32), columns, values),
        (ends.astype(np.int32), adjoint_columns, adjoint_values),
    )


def _footprints(
    size: tuple[int, int], side: int, corner: tuple[int, int], turn: tuple[float, float], kind: type
) -> Arrays:
    """What each pixel gives to the detectors that it reaches: their numbers, the weights, and how many a pixel has.

    A pixel is a pyramid of linear interpolation, two pixels wide; rotated, it reaches less than sqrt(2) from its
    center, so three detectors at most. Its weight at a detector is the sum of its values at the points of that ray,
    three at most.
    """
    height, width = size
    center, (cosine, sine) = side // 2, turn
    x = np.arange(width, dtype=np.float64) - corner[1] - center
    short = np.uint16 if side < 2**16 else np.int32  # NumPy sorts 16 bits by counting
    found: list[Arrays] = []
    rows = max(1, _BLOCK // width)
    for top in range(0, height, rows):
        y = np.arange(top, min(top + rows, height), dtype=np.float64)[:, None] - corner[0] - center
        across, along = cosine * x - sine * y, sine * x + cosine * y  # where the pixel is for the rotated observer
        first, start = (np.floor(z - math.sqrt(2)) + 1 for z in (across, along))
        d, a = first - across, start - along
        p, q = cosine * d + sine * a, cosine * a - sine * d  # the ray's point seen from the pixel's center
        inside = (x >= -center) & (x < side - center) & (y >= -center) & (y < side - center)
        on_ray = [inside & (start + k >= -center) & (start + k < side - center) for k in range(3)]
        weights = np.zeros((*across.shape, 3))
        for i in range(3):
            for k in range(3):
                near = np.maximum(1 - np.abs(p + (i * cosine + k * sine)), 0)
                near *= np.maximum(1 - np.abs(q + (k * cosine - i * sine)), 0)
                near *= on_ray[k]
                weights[..., i] += near
        detector = (first + center)[..., None] + np.arange(3)
        seen = (weights > 0) & (detector >= 0) & (detector < side)
        found.append((detector[seen].astype(short), weights[seen].astype(kind), seen.sum(-1, dtype=np.uint8).ravel()))
    detector, weight, reached = (np.concatenate(part) for part in zip(*found, strict=True))
    return detector, weight, reached
