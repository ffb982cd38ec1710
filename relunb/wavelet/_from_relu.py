"""Proposition 3.2: a ReLU network on a bounded domain is a network of wavelets, of the same widths."""

import math
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_finite, check_known, check_real, check_tensor, shown
from ._activation import BWReLU


@torch.no_grad()
def from_relu(network: nn.Sequential, domain: Any) -> nn.Sequential:
    """The same function on a bounded domain, with a wavelet in place of every ReLU.

    Up to its second knot psi is a ReLU: ``relu(u) = 6/a * psi(a u)`` for all u up to ``1/(2a)``. Each layer gets one
    scale a, the largest power of two that serves all its neurons: no input of theirs on the domain is above ``1/(2a)``.
    The layer behind it takes the factor ``6/a``, all else stays. Outside the domain the two networks differ.

    The inputs of the first layer are bounded exactly, those of later ones by interval arithmetic, which leaves a margin
    that grows with the depth. The error of a neuron is a rounding of ``1/a``: convert ``network.double()`` where the
    digits of a deep network matter.

    Args:
        network: ``nn.Sequential`` of ``nn.Linear`` and ``nn.ReLU``, with ``nn.Linear`` behind each ``nn.ReLU``.
        domain: ``(low, high)`` for every coordinate of the input, or such a pair for each, (in_features, 2).

    Returns:
        ``nn.Sequential`` with parameters of its own and the names, the dtype and the device of the network's:
        :class:`relunb.BWReLU` where a ReLU was.

    Raises:
        TypeError: ``network`` is not such an ``nn.Sequential``, or ``domain`` is not of real numbers.
        ValueError: ``domain`` is not bounded, is empty or has another shape; an ``nn.ReLU`` has no ``nn.Linear`` right
            behind it; widths do not fit; weights are not finite, or too large.

    Example:
        >>> relus = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))
        >>> wavelets = from_relu(relus, (-1, 1))
        >>> x = torch.linspace(-1, 1, 9)[:, None]
        >>> torch.allclose(wavelets(x), relus(x), atol=1e-5), type(wavelets[1]).__name__
        (True, 'BWReLU')

    Source: Shenouda, Zhou and Nowak (2024), Proposition 3.2. Derived in :doc:`/book/wavelet/wavelet-activation`.
    """
    layers = _checked(network)
    first = next(layer for layer in layers.values() if isinstance(layer, nn.Linear))
    low, high = _box(domain, first.in_features).unbind(-1)
    made: OrderedDict[str, nn.Module] = OrderedDict()
    factor = 1.0
    for place, (name, layer) in enumerate(layers.items()):
        if isinstance(layer, nn.ReLU):
            scale = _scale(place, high)
            low, high, factor = low.relu(), high.relu(), 6 / scale
            made[name] = BWReLU(scale)
            continue
        weight = layer.weight.detach().double().cpu()
        bias = torch.zeros(len(weight)).double() if layer.bias is None else layer.bias.detach().double().cpu()
        middle, half = weight @ ((low + high) / 2) + bias, weight.abs() @ ((high - low) / 2)
        low, high = middle - half, middle + half
        made[name] = _copy(layer, factor)
        factor = 1.0
    check_finite("the weights times 6/a", torch.cat([p.flatten() for m in made.values() for p in m.parameters()]))
    return nn.Sequential(made).train(network.training)


def _checked(network: Any) -> OrderedDict[str, nn.Linear | nn.ReLU]:
    """The layers by their names, in the order that the wavelets need."""
    if not isinstance(network, nn.Sequential) or type(network).forward is not nn.Sequential.forward:
        hint = " Its .layers may be one." if isinstance(getattr(network, "layers", None), nn.Sequential) else ""
        raise TypeError(
            f"network must be an nn.Sequential of nn.Linear and nn.ReLU; got {type(network).__name__}.{hint}"
        )
    layers: OrderedDict[str, nn.Linear | nn.ReLU] = OrderedDict()
    width: int | None = None
    for place, (name, layer) in enumerate(network._modules.items()):  # a module that stands twice is two here
        if isinstance(layer, nn.Linear) and type(layer).forward is nn.Linear.forward:
            if width not in (None, layer.in_features):
                raise ValueError(f"layer {place} of network takes {layer.in_features} numbers, and gets {width}.")
            width = layer.out_features
            for kind, parameter in layer.named_parameters():
                check_known(**{f"the {kind} of layer {place}": parameter})
                check_finite(f"the {kind} of layer {place}", parameter)
        elif not isinstance(layer, nn.ReLU) or type(layer).forward is not nn.ReLU.forward:
            raise TypeError(
                f"layer {place} of network is {type(layer).__name__}: only nn.Linear and nn.ReLU are known."
            )
        elif layers and isinstance(next(reversed(layers.values())), nn.ReLU):
            raise ValueError(
                f"layer {place} of network is a second nn.ReLU after one, which does nothing: leave it out."
            )
        layers[name] = layer
    if not layers or not isinstance(next(reversed(layers.values())), nn.Linear):
        raise ValueError("network must end with nn.Linear: the layer behind a wavelet takes the factor 6/a.")
    return layers


def _box(domain: Any, size: int) -> Tensor:
    """Ends of every coordinate, (size, 2), float64."""
    given = check_tensor("domain", domain)
    check_known(domain=given)
    if given.is_floating_point() and not given.isfinite().all():
        raise ValueError(
            f"domain must be bounded, as a sum of wavelets is zero far away and a ReLU is not; got {shown(domain)}."
        )
    ends = check_real("domain", given).detach().cpu().double()
    if ends.shape not in ((2,), (size, 2)):
        raise ValueError(
            f"domain must be (low, high), or such a pair for each of {size} coordinates; got {shown(domain)}."
        )
    if not (ends[..., 0] < ends[..., 1]).all():
        raise ValueError(f"domain must be (low, high) with low < high; got {shown(domain)}.")
    return ends.expand(size, 2)


def _scale(place: int, high: Tensor) -> float:
    """The largest power of two a with a * high <= 1/2; 1 where no neuron is on."""
    most = float(high.max())
    if most <= 0:
        return 1.0
    size, power = math.frexp(2 * most)
    power = 1 - power if size == 0.5 else -power
    if not math.isfinite(2 * most) or power < -1000:
        raise ValueError(f"layer {place} of network gets numbers up to {most:.3g}: too large for a scale.")
    return 2.0**power


def _copy(layer: nn.Linear, factor: float) -> nn.Linear:
    """A layer of its own with the weights times a factor, and the same bias."""
    size = layer.in_features, layer.out_features
    made: Any = nn.utils.skip_init(
        nn.Linear, *size, bias=layer.bias is not None, device=layer.weight.device, dtype=layer.weight.dtype
    )
    made.weight.copy_(layer.weight * factor)
    if layer.bias is not None:
        made.bias.copy_(layer.bias)
    return made
