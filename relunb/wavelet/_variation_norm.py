"""Variation norm: how much a network of wavelets bends in total, from its weights alone or kink by kink."""

import math
from collections.abc import Iterator
from fractions import Fraction
from numbers import Rational, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._checks import check_flag, check_real, is_rational, is_readable, shown
from .._scaling import power_of_two
from ._activation import BWReLU, _checked_scale
from ._knots import KNOTS, WEIGHTS

_TOTAL = sum(abs(weight) for weight in WEIGHTS)  # 16
_LAYERS = (nn.Linear, BWReLU)
_NOTHING = (nn.Identity, nn.Flatten, nn.Dropout)


def variation_norm(
    v: Any,
    w: Any,
    scale: Any = 1,
    bias: Any = None,
    exact: bool = False,
    *,
    domain: tuple[Any, Any] | None = None,
) -> Any:
    """Variation norm of ``g(x) = sum_k v_k psi(scale * (w_k x - bias_k))``, or the total variation of its slope.

    The paper's norm is the sum ``16 * scale * sum_k |v_k| |w_k|``, which needs no bias. It is the total variation of g'
    unless kinks of different neurons fall on one another and cancel: then it is larger. ``exact=True`` merges those,
    for networks of one input. Then neighbouring kinks closer than ``4 * eps`` times the sum of their sizes are one,
    with eps of the inputs' dtype and the size ``(m / (2 * scale) + |bias|) / |w|`` of kink m = 0..6 of a neuron: this
    is what rounding leaves of kinks that coincide. Fractions need no such rule.

    Args:
        v: output weights, (K,), or (outputs, K) as ``last.weight`` has them. Of several outputs the Euclidean norm
            counts, of the weights in the sum, and of the merged jump of the slope if ``exact``.
        w: input weights, (K,), or (K, inputs) as ``first.weight`` has them.
        scale: c > 0 in Eq. (29): a number, a 0-dim tensor, or one scale a neuron, (K,).
        bias: (K,), with the paper's sign: for a layer ``first``, pass ``-first.bias``. It stands inside the scale;
            ``psi(scale * w x - b)`` has ``bias = b / scale``. Default: zeros. Only ``exact`` uses it.
        exact: the total variation of the slope g' itself.
        domain: ``(low, high)``, with ``exact``: only kinks strictly inside it count.

    Returns:
        A ``Fraction`` if v, w and bias are lists of integers and fractions, and scale and domain such numbers.
        Otherwise a 0-dim tensor, differentiable in v, w and scale; its gradient in ``bias`` is zero. Where weights,
        or the merged jumps in one place, are zero, the gradient of their size is zero. No scale of the inputs loses
        digits; a result that its dtype cannot hold is infinite.

    Raises:
        TypeError: an input is not real, or is a tensor of a dtype other than float64, float32 or integer.
        ValueError: shapes do not fit, values are not finite, scale is not positive, ``exact`` is asked of several
            inputs, ``domain`` comes without ``exact`` or is empty, or a neuron's ``scale * bias`` is so large that
            rounding merges its own kinks.

    Example:
        >>> variation_norm([1, 1], [1, 1])
        Fraction(32, 1)
        >>> variation_norm([1, 1], [1, 1], bias=[0, Fraction(1, 2)], exact=True)
        Fraction(32, 3)

    Source: Shenouda, Zhou and Nowak (2024), Eq. (25) and (30). Derived in :doc:`/book/wavelet/variation-norm`.
    """
    exact = check_flag("exact", exact)
    if domain is not None:
        if not exact:
            raise ValueError("domain= needs exact=True: the sum of the weights does not know where the kinks are.")
        domain = _interval(domain)
    if all(map(_is_rational_list, (v, w, [] if bias is None else bias))) and is_rational(scale):
        if domain is None or all(is_rational(end) or math.isinf(end) for end in domain):
            return _of_fractions(v, w, scale, bias, exact, domain)
    first = next((value for value in (v, w) if isinstance(value, Tensor)), None)
    v, w = check_real("v", v, like=first), check_real("w", w, like=first)
    if v.ndim not in (1, 2) or w.ndim not in (1, 2) or v.shape[-1] != w.shape[0]:
        raise ValueError(
            "v must be (K,) or (outputs, K) and w (K,) or (K, inputs), with the same K; "
            f"got {tuple(v.shape)} and {tuple(w.shape)}."
        )
    scale = _scale(scale, v)
    if not exact:
        inputs = w[None] if w.ndim == 1 else w.T
        outputs = _length(v if v.ndim == 2 else v[None], 0)
        product, unit = _product(_wide(scale, v), _length(inputs, 0), outputs)
        return _times(float(_TOTAL) * product.sum(), unit).to(_common_dtype(v, w, scale))
    if w.ndim == 2:
        if w.shape[1] != 1:
            raise ValueError(f"exact=True needs one input; got {w.shape[1]}. The sum, exact=False, takes any number.")
        w = w[:, 0]
    bias = torch.zeros_like(w) if bias is None else check_real("bias", bias, like=w)
    if bias.shape != w.shape:
        raise ValueError(f"bias must have one entry a neuron, ({len(w)},); got {tuple(bias.shape)}.")
    return _of_kinks(v if v.ndim == 2 else v[None], w, scale, bias, domain)


def _of_kinks(v: Tensor, w: Tensor, scale: Tensor | float, bias: Tensor, domain: Any) -> Tensor:
    """Sum of the sizes of the jumps of g' after all jumps in one place have been added."""
    dtype = _common_dtype(v, w, scale, bias)
    eps = max(torch.finfo(value.dtype).eps for value in (w, bias, scale) if isinstance(value, Tensor))
    scale, v, w = _wide(scale, v), v.double(), w.double()
    weights, knots = (v.new_tensor([float(n) for n in numbers]) for numbers in (WEIGHTS, KNOTS))
    product, unit = _product(scale, w * w.detach().sign(), v)
    jumps = (product[..., None] * weights).flatten(-2)
    with torch.no_grad():
        bent = (w != 0) & (v != 0).any(0)  # a constant neuron has no kinks, and must not tie those of others together
        # Places in units of 1 / (the largest w), so that small ones stay finite; and smaller ones where a scale is so
        # small that 3 / scale comes near the largest float.
        across = power_of_two(torch.where(bent, w, 0.0), 0)
        down = (power_of_two(torch.where(bent, scale, 0.0), 0) * 2.0**900).clamp(max=1.0)
        safe = torch.where(bent, w / across, 1.0)[:, None]
        offsets = knots * down / scale[:, None]
        bias = bias.double()
        _require_resolved(bent, scale, bias, eps)
        bias = (bias * down)[:, None]
        place = torch.where(bent[:, None], (offsets + bias) / safe, math.inf).flatten()
        size = ((offsets + bias.abs()) / safe.abs()).flatten()
        order = place.argsort()
        place, size = place[order], size[order]
        apart = place[1:] - place[:-1] > 4 * eps * (size[1:] + size[:-1])
        apart = apart | place[1:].isinf()  # not known: so small a part of the total that it does not matter
        group = torch.cat([torch.zeros_like(order[:1]), apart.long().cumsum(0)])
    jumps = jumps[:, order]
    if domain is not None:
        low, high = (float(end) * across * down for end in domain)
        low_error, high_error = (4 * eps * (size + end.abs().where(end.isfinite(), 0.0)) for end in (low, high))
        inside = (place - low > low_error) & (high - place > high_error)
        jumps = torch.where(inside, jumps, 0.0)
    merged = torch.zeros_like(jumps).index_add(1, group, jumps)
    return _times(_length(merged, 0).sum(), unit).to(dtype)


def _wide(scale: Tensor | float, v: Tensor) -> Tensor:
    """The scales of all neurons, in float64."""
    if not isinstance(scale, Tensor):
        scale = torch.full((), scale, dtype=torch.float64, device=v.device)
    return scale.double().expand(v.shape[-1])


def _common_dtype(*values: Tensor | float) -> torch.dtype:
    dtypes = [value.dtype for value in values if isinstance(value, Tensor)]
    return torch.float64 if torch.float64 in dtypes else torch.float32


def _length(x: Tensor, dim: int) -> Tensor:
    """Euclidean norm in float64, at any scale, with a gradient of zero where it is zero."""
    x = x.double()
    if x.shape[dim] == 1:
        return (x * x.detach().sign()).sum(dim)
    unit = power_of_two(x, dim)
    square = (x / unit).square().sum(dim)
    zero = square == 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, square).sqrt() * unit.squeeze(dim))


def _product(scale: Tensor, w: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """``scale * w * v`` over ``2**unit``, of (K,), (K,) and (..., K), with one ``unit`` for all.

    Nothing overflows; what underflows is nothing beside the largest.
    """
    powers = [power_of_two(f.reshape(-1, f.shape[-1]), 0)[0] for f in (scale, w, v)]
    exponents = torch.stack([torch.frexp(power).exponent - 1 for power in powers]).sum(0)
    silent = (w.detach() == 0) | (v.detach().reshape(-1, len(w)) == 0).all(0)
    unit = torch.where(silent, -4000, exponents).amax()
    parts = torch.exp2((exponents - unit).clamp(max=0).double())
    return (scale / powers[0]) * (w / powers[1]) * (v / powers[2]) * parts, unit


def _times(total: Tensor, unit: Tensor) -> Tensor:
    """``2**unit * total``: in steps, as the power alone may overflow."""
    for _ in range(4):
        step = unit.clamp(-1000, 1000)
        total, unit = total * torch.exp2(step.double()), unit - step
    return total


def _require_resolved(bent: Tensor, scale: Tensor, bias: Tensor, eps: float) -> None:
    blurred = bent & (scale * bias.abs() > 1 / (32 * eps))
    if is_readable(blurred) and blurred.any():
        k = int(blurred.nonzero()[0])
        product = float(scale[k] * bias[k].abs())
        raise ValueError(
            f"neuron {k} has scale * |bias| = {product:.3g}: rounding merges its seven kinks. "
            f"exact=True needs at most {1 / (32 * eps):.3g} in this precision."
        )


def _of_fractions(v: Any, w: Any, scale: Any, bias: Any, exact: bool, domain: Any) -> Fraction:
    v, w, (scale,) = _fractions(v), _fractions(w), _fractions([scale])
    bias = [Fraction(0)] * len(w) if bias is None else _fractions(bias)
    if not len(v) == len(w) == len(bias):
        raise ValueError(f"v, w and bias must have one entry a neuron; got {len(v)}, {len(w)} and {len(bias)}.")
    if not v:
        raise ValueError("v and w are empty: a network has at least one neuron.")
    if scale <= 0:
        raise ValueError(f"scale must be positive; got {shown(scale)}.")
    if not exact:
        return _TOTAL * scale * sum((abs(a * b) for a, b in zip(v, w, strict=True)), Fraction(0))
    low, high = domain or (-math.inf, math.inf)
    slopes: dict[Fraction, Fraction] = {}
    for v_k, w_k, b_k in zip(v, w, bias, strict=True):
        for knot, weight in zip(KNOTS, WEIGHTS, strict=True):
            place = (knot / scale + b_k) / w_k if w_k else None
            if place is not None and low < place < high:
                slopes[place] = slopes.get(place, Fraction(0)) + v_k * scale * abs(w_k) * weight
    return sum(map(abs, slopes.values()), Fraction(0))


def _is_rational_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(entry, Rational) for entry in value)


def _fractions(values: Any) -> list[Fraction]:
    return [Fraction(int(value.numerator), int(value.denominator)) for value in values]


def _interval(domain: Any) -> tuple[Any, Any]:
    try:
        low, high = domain
    except (TypeError, ValueError) as error:
        raise ValueError(f"domain must be (low, high); got {domain!r:.60}.") from error
    if not all(isinstance(end, Real) and not isinstance(end, bool) for end in (low, high)):
        raise TypeError(f"the ends of domain must be numbers; got {domain!r:.60}.")
    if not low < high:
        raise ValueError(f"domain must be (low, high) with low < high; got ({low}, {high}).")
    return low, high


def _scale(scale: Any, v: Tensor) -> Tensor | float:
    if not isinstance(scale, Tensor):
        if not isinstance(scale, list | tuple | np.ndarray) or np.ndim(scale) == 0:
            return _checked_scale(scale)  # pyright: ignore[reportArgumentType]
        scale = check_real("scale", scale, like=v)
    scale = check_real("scale", _checked_scale(scale), like=v)
    if scale.shape not in ((), v.shape[-1:]):
        raise ValueError(f"scale must be one number, or one a neuron, ({v.shape[-1]},); got {tuple(scale.shape)}.")
    return scale


def deep_variation_norm(network: nn.Module) -> Tensor:
    """Sum of the variation norms of the layers of a deep network, each layer with its own scale.

    With the matrices W_0, ..., W_L and the scales c_1, ..., c_L of the L hidden layers it is::

        16 c_1 sum_k ||W_0[k, :]|| ||W_1[:, k]|| + 16 c_2 sum_k ||W_2[:, k]|| + ... + 16 c_L sum_k ||W_L[:, k]||

    For one hidden layer this is :func:`relunb.wavelet.variation_norm`. For more it measures one way to write the
    network, and not the function: two networks that compute the same can have different sums.

    Args:
        network: ``nn.Linear`` and :class:`relunb.BWReLU` in turn, from the first ``nn.Linear`` to the last, in the
            order in which they were registered: an ``nn.Sequential``, or a module that calls them in that order. One
            ``BWReLU`` may stand in several places of an ``nn.Sequential``. Skip connections cannot be seen and are not
            counted; biases do not matter.

    Returns:
        0-dim tensor, differentiable in the weights and in learnable scales.

    Raises:
        TypeError: ``network`` is not a module, or contains a layer of another kind, which the message names.
            ``nn.Identity``, ``nn.Flatten`` and ``nn.Dropout`` have no weights and may stand anywhere.
        ValueError: layers do not alternate, their widths do not fit, or weights are not finite.

    Example:
        >>> net = nn.Sequential(nn.Linear(1, 1), BWReLU(3.0), nn.Linear(1, 1))
        >>> for layer in (net[0], net[2]):
        ...     _ = nn.init.ones_(layer.weight)
        >>> deep_variation_norm(net).item()
        48.0

    Source: Shenouda, Zhou and Nowak (2024), Eq. (48) to (53). Derived in :doc:`/book/wavelet/variation-norm`.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a torch.nn.Module; got {type(network).__name__}.")
    layers = [(name, layer) for name, layer in _leaves("", network) if not isinstance(layer, _NOTHING)]
    for position, (name, layer) in enumerate(layers):
        if not isinstance(layer, _LAYERS):
            raise TypeError(
                f"{_called(name)} is a {type(layer).__name__}: the sum is known for nn.Linear and relunb.BWReLU in "
                "turn, and for no other layer."
            )
        if not isinstance(layer, _LAYERS[position % 2]):
            raise ValueError(
                f"{_called(name)} is a {type(layer).__name__} where a {_LAYERS[position % 2].__name__} is "
                "expected: nn.Linear and relunb.BWReLU must alternate, beginning with nn.Linear."
            )
    if len(layers) < 3 or len(layers) % 2 == 0:
        raise ValueError(
            "the network must begin and end with nn.Linear and have a relunb.BWReLU between; "
            f"found {', '.join(type(layer).__name__ for _, layer in layers) or 'no layers'}."
        )
    for name, layer in layers[::2]:
        if isinstance(layer.weight, nn.UninitializedParameter):
            raise ValueError(f"{_called(name)} has no weights yet: call the network once.")
        if layer.weight.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"the weights must be float64 or float32; got {layer.weight.dtype}. Use network.float().")
    weights = [check_real(f"the weight of {_called(name)}", layer.weight) for name, layer in layers[::2]]
    for below, (name, _), weight in zip(weights, layers[2::2], weights[1:], strict=False):
        if weight.shape[1] != len(below):
            raise ValueError(
                f"{_called(name)} takes {weight.shape[1]} inputs, but the nn.Linear before it has {len(below)}."
            )
    scales = [layer.scale for _, layer in layers[1::2]]
    total = variation_norm(weights[1], weights[0], scales[0])
    for scale, weight in zip(scales[1:], weights[2:], strict=True):
        total = total + variation_norm(weight, weight.new_ones(weight.shape[1]), scale)
    return total


def _called(name: str) -> str:
    return f"the network's layer {name!r}" if name else "the network"


def _leaves(name: str, module: nn.Module) -> Iterator[tuple[str, Any]]:
    """All layers in order; one that is used twice is met twice, and what is inside an ``nn.Linear`` is not met."""
    children = {key: child for key, child in module._modules.items() if child is not None}
    if isinstance(module, _LAYERS) or not children or any(p is not None for p in module._parameters.values()):
        yield name, module
        return
    for key, child in children.items():
        yield from _leaves(f"{name}.{key}" if name else key, child)
