"""What a network is fitted to: the class that every problem derives from."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .._checks import check_count, check_finite, check_known, shown
from ._data import Data, floating
from ._psnr import decibels

_ROWS = 8192  # evaluated at a time: 10 MB a layer of width 300


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
        >>> from relunb.inr import pixel_grid
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
        check_finite("coordinates", coordinates)
        self._keep(coordinates=coordinates)
        self.out_features = check_count("out_features", out_features)

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
        error = found_error(self, values)
        check_known(**{"the error": error})
        return math.nan if error is None else self.decibels(float(error))

    def decibels(self, error: float) -> float:
        """PSNR of a mean squared error."""
        return decibels(error, self.data_range)

    @torch.no_grad()
    def values(self, network: nn.Module) -> Tensor:
        """The network at all points, (points, out_features), a part at a time and without a graph."""
        if not callable(network):
            raise TypeError(f"network must be a torch.nn.Module; got {shown(network)}.")
        return gathered(network, self.coordinates)

    def estimate(self, network: nn.Module) -> Tensor:
        """The picture, scan or sound that the network stands for, in the shape of the data."""
        return self.shaped(self.values(network))

    def shaped(self, values: Tensor) -> Tensor:
        """Values at the points, in the shape of the data."""
        return values


def gathered(network: Callable[[Tensor], Tensor], points: Tensor, rows: int = _ROWS) -> Tensor:
    """A network's values at so many points at a time, in one tensor.

    It is made first: between two parts' layers, the values of a part would keep the memory around them from reuse.
    """
    first = network(points[:rows])
    if len(points) <= rows:
        return first
    if first.ndim == 0 or len(first) != rows:
        raise ValueError(f"the network must give (points, features), one row a point; it gave {tuple(first.shape)}.")
    values = first.new_empty(len(points), *first.shape[1:])
    values[:rows] = first
    for start in range(rows, len(points), rows):
        values[start : start + rows] = network(points[start : start + rows])
    return values


def found_error(problem: Problem, values: Tensor) -> Tensor | None:
    """``problem.error(values)``, which may be your own, without a graph."""
    error = problem.error(values)
    if error is None:
        return None
    if isinstance(error, float | int):
        return torch.tensor(float(error), dtype=torch.float64)
    if not isinstance(error, Tensor) or error.numel() != 1 or error.is_complex():
        told = f"a tensor of shape {tuple(error.shape)}" if isinstance(error, Tensor) else f"a {type(error).__name__}"
        raise TypeError(f"{type(problem).__name__}.error must give one number, or None; it gave {told}.")
    return error.detach()
