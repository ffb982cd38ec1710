"""Problems of measurements: an operator, what was measured with it, and the true picture where it is known."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from .._checks import check_dense, check_same_place, is_readable
from ._problem import Problem


class Measurement(NamedTuple):
    """What is known of a picture: ``operator(picture)`` is ``values`` but for noise."""

    operator: nn.Module  # see _operators.py
    values: Tensor
    weight: Tensor | None = None  # how much each value counts; None: all alike


class Points(NamedTuple):
    """Points of a problem whose loss is a sum over them."""

    coordinates: Tensor  # (points, coordinates)
    target: Tensor  # (points, out_features)
    weight: Tensor | None  # (points, 1), or all alike

    def at(self, index: Tensor | slice) -> "Points":
        """Those of an index."""
        weight = None if self.weight is None else self.weight[index]
        return Points(self.coordinates[index], self.target[index], weight)


class Measured(Problem):
    """A problem whose loss is the mean of ``weight * (operator(picture) - measurements)**2``.

    A subclass says what it is by ``_measurement``. These names are private: a user's own subclass may call its buffers
    what it likes.
    """

    reference: Tensor | None  # the true picture, where it is known
    _shape: torch.Size  # of the picture, the sound or the slice

    def _measurement(self) -> Measurement:
        raise NotImplementedError

    def _reference(self) -> Tensor | None:
        return self.reference

    def loss(self, values: Tensor) -> Tensor:
        operator, measured, weight = self._measurement()
        square = (operator(self._on_grid(values)) - measured).square()
        if weight is None:
            return square.mean()
        return (square * weight).sum() / (weight.sum() * self.out_features)

    def error(self, values: Tensor) -> Tensor | None:
        """In float64, which squares small differences without loss."""
        truth = self._reference()
        if truth is None:
            return None
        return (self.shaped(self._at_points(values)).double() - truth.double()).square().mean()

    def shaped(self, values: Tensor) -> Tensor:
        shape = self._picture_shape()
        _check_values(values)
        if values.numel() != math.prod(shape):
            raise self._other_shape(values)
        return values.reshape(shape)

    def _picture_shape(self) -> Sequence[int]:
        return self._shape

    def _on_grid(self, values: Tensor) -> Tensor:
        """What the operator takes."""
        return self.shaped(self._at_points(values))

    def _at_points(self, values: Tensor) -> Tensor:
        """Values of the shape that they must have: another one would spread against the data, and mean nothing."""
        _check_values(values)
        if values.shape != (len(self.coordinates), self.out_features):
            raise self._other_shape(values)
        check_same_place(values=values, coordinates=self.coordinates)
        return values

    def _other_shape(self, values: Tensor) -> ValueError:
        expected = len(self.coordinates), self.out_features
        return ValueError(f"values must be (points, out_features) = {expected}; got {tuple(values.shape)}.")


class SquaredError(Measured):
    """A problem whose values are known at the points themselves, at all or, where a weight is zero, at some.

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
        some_unknown = is_readable(target) and not known.all()
        if some_unknown:  # under the mask: a product with the weight zero would be NaN
            target = torch.where(known, target, 0.0)
        self._keep(target=target, weight=weight, known=known.all(1, keepdim=True) if some_unknown else None)

    def _measurement(self) -> Measurement:
        return Measurement(_IDENTITY, self.target, self.weight)

    def _reference(self) -> Tensor:
        return self.shaped(self.target)

    def _on_grid(self, values: Tensor) -> Tensor:
        """The values as they are: what ``shaped`` makes of them is for the eye."""
        return self._at_points(values)

    def error(self, values: Tensor) -> Tensor | None:
        """Over all points whose values are known, also those without weight."""
        if self.known is None:
            return super().error(values)
        known = self.known.expand_as(self.target)
        return (self._at_points(values).double() - self.target.double())[known].square().mean()


_IDENTITY = nn.Identity()
_METHODS = ("loss", "error", "shaped", "_measurement", "_reference", "_picture_shape", "_on_grid", "_at_points")
_OWN = [getattr(SquaredError, name) for name in _METHODS]


def is_pointwise(problem: Problem) -> TypeGuard[SquaredError]:
    """Whether loss and error are sums over the points, of ``weight * (value - target)**2`` and without the weight.

    Then any part of the points has its part of both: one pass over them finds loss and gradient.
    """
    return is_sum(problem) and problem.known is None


def is_sum(problem: Problem) -> TypeGuard[SquaredError]:
    """Whether the loss is such a sum; the error may know some of the points alone."""
    if not isinstance(problem, SquaredError) or [getattr(type(problem), name) for name in _METHODS] != _OWN:
        return False
    shape, like = (len(problem.coordinates), problem.out_features), problem.coordinates
    weighted = problem.weight is None or (problem.weight.shape == (len(like), 1) and problem.weight.dtype == like.dtype)
    fits = problem.target.shape == shape and problem.target.dtype == like.dtype
    return fits and weighted and not vars(problem).keys() & set(_METHODS)


def _check_values(values: Tensor) -> None:
    if not isinstance(values, Tensor):
        raise TypeError(f"values must be a tensor; got {type(values).__name__}.")
    check_dense("values", values)
