"""The integral lens: ReLU made smooth by integrating over basis functions.

* ``IAT``: the integral activation transform, a layer; ``transform`` is it as a function.
* ``Fourier``, ``PWL``, ``PWQ``, ``Rect``, ``PWLWavelet``, ``RectWavelet``: the paper's six bases.
* ``PiecewisePolynomial``: a basis of your own; ``Mixed``: several together; ``Basis``: what each can do.
* ``gram``: the inner products of the functions of two bases.
* ``activation_pattern``: where a state function is positive, an ``ActivationPattern``.
* ``activation_matrix``: the integral of q p^T over a pattern.
* ``DecoupledIAT``: values from one input, pattern from another.
* ``DecoupledNetwork``, ``transfer_patterns``: a network with the patterns of another one.
* ``ContinuousWidthNetwork``: layers that are functions on [-1, 1].
* ``linear_regions``: how many a segment or a patch meets; ``region_breakpoints``, ``region_polygons``: where they are.
* ``max_linear_regions``: how many a midpoint transform can have.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._bases import PWL as PWL
    from ._bases import PWQ as PWQ
    from ._bases import Fourier as Fourier
    from ._bases import PWLWavelet as PWLWavelet
    from ._bases import Rect as Rect
    from ._bases import RectWavelet as RectWavelet
    from ._basis import Basis as Basis
    from ._basis import Mixed as Mixed
    from ._basis import PiecewisePolynomial as PiecewisePolynomial
    from ._continuous_width import ContinuousWidthNetwork as ContinuousWidthNetwork
    from ._decoupled import DecoupledIAT as DecoupledIAT
    from ._gram import gram as gram
    from ._linear_regions import linear_regions as linear_regions
    from ._linear_regions import max_linear_regions as max_linear_regions
    from ._linear_regions import region_breakpoints as region_breakpoints
    from ._linear_regions import region_polygons as region_polygons
    from ._pattern import ActivationPattern as ActivationPattern
    from ._pattern import activation_matrix as activation_matrix
    from ._pattern import activation_pattern as activation_pattern
    from ._transfer import DecoupledNetwork as DecoupledNetwork
    from ._transfer import transfer_patterns as transfer_patterns
    from ._transform import IAT as IAT
    from ._transform import transform as transform
else:  # The rest of Python sees these names, and loads each when it is first used.
    from .._lazy import lazy

    __getattr__, __dir__, __all__ = lazy(__name__)
