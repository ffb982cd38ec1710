"""The Radon transform as a sparse matrix: what a parallel-beam CT scanner sees of an image, and its exact adjoint."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._checks import count, real


class Radon(nn.Module):
    """Line integrals of an image: for each angle, the image is rotated by linear interpolation and summed by columns.

    This is what scikit-image's ``radon`` computes, to rounding. The interpolation weights do not depend on the image:
    they are found once and kept as a sparse matrix, about two numbers for a pixel and an angle. The adjoint is kept as
    well, so that a gradient costs what a transform costs.

    Args:
        size: height and width of the images, or one number for both; at least 2 pixels.
        angles: in degrees, at least one, strictly increasing.
        circle: look at the inscribed circle only, with as many detectors as the image is wide; the image should be zero
            outside. Otherwise there are ``ceil(sqrt(2) * max(size))`` detectors and the whole image is seen.
        dtype: of images and sinograms, float32 or float64. Lower precision is computed in it and rounded back.

    Attributes:
        detectors: how many columns a rotated image has.

    Raises:
        TypeError: ``size`` is not an integer or a pair of them, ``dtype`` is another one.
        ValueError: ``size`` is below 2, ``angles`` are empty, not finite or not increasing.
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
        height, width = size if isinstance(size, tuple | list) else (size, size)
        self.size = count("size", height, least=2), count("size", width, least=2)
        self.angles = _angles(angles)
        if dtype not in (torch.float32, torch.float64):
            raise TypeError(f"dtype must be torch.float32 or torch.float64; got {dtype}.")
        self.circle = circle
        self.detectors, corner = _frame(*self.size, circle)
        parts = [_footprints(self.size, self.detectors, corner, math.radians(a), dtype) for a in self.angles.tolist()]
        pixels, rays = height * width, len(self.angles) * self.detectors
        pixel = torch.arange(pixels, dtype=torch.int32)[:, None].expand(pixels, 3)
        entries: list[list[Tensor]] = [[], [], []]  # row, column, value
        for index, (detector, weight) in enumerate(parts):
            seen = weight > 0
            row, column, value = detector[seen] + index * self.detectors, pixel[seen], weight[seen]
            order = row.argsort(stable=True)
            for whole, part in zip(entries, (row, column, value), strict=True):
                whole.append(part[order])
        row, column, value = (torch.cat(whole) for whole in entries)
        self._keep("", row, column, value, rays)
        first = torch.arange(len(parts), dtype=torch.int32)[:, None] * self.detectors
        ray = torch.stack([detector for detector, _ in parts], 1) + first  # (pixels, angles, 3)
        weight = torch.stack([weight for _, weight in parts], 1)
        seen = weight > 0
        self._keep("adjoint_", pixel[:, :1, None].expand_as(ray)[seen], ray[seen], weight[seen], pixels)

    def _keep(self, name: str, row: Tensor, column: Tensor, value: Tensor, rows: int) -> None:
        starts = torch.zeros(rows + 1, dtype=torch.int32)
        starts[1:] = torch.bincount(row, minlength=rows).cumsum(0)
        for part, tensor in (("crow", starts), ("columns", column), ("values", value)):
            self.register_buffer(name + part, tensor, persistent=False)  # size and angles say it all

    def forward(self, image: Tensor) -> Tensor:
        """Sinograms of images.

        Args:
            image: (..., height, width).

        Returns:
            (..., detectors, angles), as scikit-image lays it out, same dtype and device.

        Raises:
            TypeError: ``image`` is not real, or is float64 and this transform float32.
            ValueError: ``image`` has another size.
        """
        flat = self._flat("image", image, self.size)
        angles = len(self.angles)
        sinogram = _SparseProduct.apply(flat, self._forward_matrix(), self._adjoint_matrix()).mT
        sinogram = sinogram.reshape(*image.shape[:-2], angles, self.detectors)
        return sinogram.transpose(-1, -2).to(image.dtype)

    def adjoint(self, sinogram: Tensor) -> Tensor:
        """The adjoint, ``<radon(x), y> = <x, radon.adjoint(y)>``: back-projection without a filter.

        Args:
            sinogram: (..., detectors, angles).

        Returns:
            (..., height, width), same dtype and device.

        Raises:
            TypeError: ``sinogram`` is not real, or is float64 and this transform float32.
            ValueError: ``sinogram`` has another size.
        """
        self._check("sinogram", sinogram, (self.detectors, len(self.angles)))
        flat = self._flat("sinogram", sinogram.transpose(-1, -2), (len(self.angles), self.detectors))
        image = _SparseProduct.apply(flat, self._adjoint_matrix(), self._forward_matrix()).mT
        return image.reshape(*sinogram.shape[:-2], *self.size).to(sinogram.dtype)

    def _check(self, name: str, value: Any, shape: tuple[int, int]) -> None:
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise TypeError(f"{name} must be a real floating-point tensor; got {getattr(value, 'dtype', type(value))}.")
        if tuple(value.shape[-2:]) != shape:
            raise ValueError(f"{name} must be (..., {shape[0]}, {shape[1]}); got {tuple(value.shape)}.")
        if value.dtype == torch.float64 and self.values.dtype == torch.float32:
            raise TypeError(f"{name} is float64 and this transform float32: make it with dtype=torch.float64.")

    def _flat(self, name: str, value: Tensor, shape: tuple[int, int]) -> Tensor:
        """(pixels, batch) in the dtype of the transform."""
        self._check(name, value, shape)
        return value.to(self.values.dtype).reshape(-1, shape[0] * shape[1]).mT

    def _forward_matrix(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.crow, self.columns, self.values

    def _adjoint_matrix(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.adjoint_crow, self.adjoint_columns, self.adjoint_values

    def extra_repr(self) -> str:
        return f"size={self.size}, {len(self.angles)} angles, {self.detectors} detectors, circle={self.circle}"


Matrix = tuple[Tensor, Tensor, Tensor]


class _SparseProduct(torch.autograd.Function):
    """A sparse matrix times columns; backward with its transpose, kept beside it, and so on for ever."""

    @staticmethod
    def forward(x: Tensor, matrix: Matrix, transpose: Matrix) -> Tensor:
        crow, columns, values = matrix
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            sparse = torch.sparse_csr_tensor(
                crow, columns, values, (len(crow) - 1, len(transpose[0]) - 1), check_invariants=False
            )
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


def _angles(angles: Any) -> Tensor:
    degrees = real("angles", angles).double().cpu()
    if degrees.ndim != 1:
        raise ValueError(f"angles must be a list, (angles,); got the shape {tuple(degrees.shape)}.")
    steps = degrees.diff()
    if (steps <= 0).any():
        k = int((steps <= 0).nonzero()[0])
        raise ValueError(
            f"angles must increase; number {k + 1}, {degrees[k + 1]:g}, follows {degrees[k]:g}. Sort them."
        )
    return degrees


def _frame(height: int, width: int, circle: bool) -> tuple[int, tuple[int, int]]:
    """Side of the square that is rotated, and where its corner lies in the image, as scikit-image places it."""
    if circle:
        side = min(height, width)
        return side, (math.ceil((height - side) / 2), math.ceil((width - side) / 2))
    diagonal = math.sqrt(2) * max(height, width)
    side = height + math.ceil(diagonal - height)
    return side, (height // 2 - side // 2, width // 2 - side // 2)


def _footprints(
    size: tuple[int, int], side: int, corner: tuple[int, int], angle: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """What each pixel gives to the three detectors it may reach: their numbers and the weights, (pixels, 3) both.

    A pixel is a pyramid of linear interpolation, two pixels wide; rotated, it reaches less than sqrt(2) from its
    center. Its weight at a detector is the sum of its values at the points of that ray, three at most.
    """
    row, column = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in size), indexing="ij")
    center, cosine, sine = side // 2, math.cos(angle), math.sin(angle)
    x, y = column.flatten() - corner[1] - center, row.flatten() - corner[0] - center
    inside = (x >= -center) & (x < side - center) & (y >= -center) & (y < side - center)
    across, along = cosine * x - sine * y, sine * x + cosine * y  # where the pixel is for the rotated observer
    first, start = ((z - math.sqrt(2)).floor() + 1 for z in (across, along))
    weights = torch.zeros(len(x), 3, dtype=torch.float64)
    for i in range(3):
        d = first + i - across
        for k in range(3):
            a = start + k - along
            height = (1 - (cosine * d + sine * a).abs()).clamp_(min=0) * (1 - (cosine * a - sine * d).abs()).clamp_(
                min=0
            )
            point = start + k + center
            weights[:, i] += height * ((point >= 0) & (point < side))
    detector = first[:, None] + torch.arange(3) + center
    weights *= inside[:, None] & (detector >= 0) & (detector < side)
    return detector.int(), weights.to(dtype)
