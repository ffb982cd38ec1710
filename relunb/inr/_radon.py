"""The Radon transform as a sparse matrix: what a parallel-beam CT scanner sees of an image, and its exact adjoint."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._checks import check_count, check_flag, check_real, check_same_place
from .._functorch import recorded, valueless
from ._data import WIDE, Data, check_dtype, floating
from ._radon_matrix import frame, matrices, turn


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
        self.circle = check_flag("circle", circle)
        self.detectors, self._corner = frame(*self.size, self.circle)
        self._make(dtype, torch.empty(0).device)

    @torch.inference_mode(False)  # a tensor that is made for inference alone cannot be trained with later
    def _make(self, dtype: torch.dtype, device: torch.device) -> None:
        kind = np.float64 if dtype == torch.float64 else np.float32
        turns = [turn(angle) for angle in self.angles.tolist()]
        matrix, adjoint = matrices(self.size, self.detectors, self._corner, turns, kind)
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
            self._make(found if found in WIDE else kept, self.values.device)
        elif found not in WIDE:
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
        check_same_place(**{name: value, "the transform": self.values})
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
_MOST = 7 * 10**8  # pixels times angles: three numbers each at most, whose places have 32 bits


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
    return frame(*_size(size), check_flag("circle", circle))[0], len(_angles(angles))


def _size(size: Any) -> tuple[int, int]:
    """Height and width."""
    pair = size if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2:
        raise ValueError(f"size must be one number or (height, width); got {size!r:.60}.")
    return check_count("size", pair[0], least=2, most=_MOST), check_count("size", pair[1], least=2, most=_MOST)


def _angles(angles: Any) -> Tensor:
    with torch.device("cpu"):  # wherever else tensors are made: sines are taken of them now
        degrees = check_real("angles", angles)
    if degrees.is_meta:
        raise ValueError("angles are on the device meta, without numbers: give them as a list.")
    if degrees.requires_grad:
        raise ValueError("angles carry a gradient, which the transform does not give: use angles.detach().")
    if degrees.ndim != 1:
        raise ValueError(f"angles must be a list, (angles,); got the shape {tuple(degrees.shape)}.")
    return degrees.double().cpu()
