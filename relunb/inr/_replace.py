"""Another activation in a network that is there already."""

from collections.abc import Callable
from typing import Any

from torch import nn

from .._checks import shown
from ._network import _KINDS, CoordinateNetwork


def replace_activation(module: nn.Module, old: type[nn.Module] | str, new: Callable[[], nn.Module]) -> nn.Module:
    """Every activation of one kind in a network exchanged for another, in place; all weights stay.

    Initial weights belong to an activation: those of "siren" are not those that another one starts well from.

    Args:
        module: any network, changed in place.
        old: the class of the activations, like ``nn.ReLU``, without its subclasses; or the name of one in
            :class:`relunb.inr.CoordinateNetwork`: "bw_relu", "siren", "wire", "gauss" or "relu".
        new: makes an activation, and is called once for each place: a class, or like ``lambda: BWReLU(3.0)``.

    Returns:
        ``module``; or the new activation, where ``module`` itself is an old one. New parameters are in the network's
        precision and on its device: give them to the optimizer.

    Raises:
        TypeError: ``module`` is no module, ``old`` neither a class of modules nor a name, or ``new`` makes no module.
        ValueError: ``old`` is an unknown name, or no such activation is there.

    Example:
        >>> from relunb import BWReLU
        >>> network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
        >>> replace_activation(network, nn.ReLU, lambda: BWReLU(3.0))[1]
        BWReLU(scale=3, learnable=False)

    Source: the comparison of activations in Section 5 of Shenouda, Zhou and Nowak (2024). See
    :doc:`/book/together/sums-of-relus`.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module; got {shown(module)}.")
    kind = _kind(old)
    if isinstance(new, nn.Module) or not callable(new):
        raise TypeError(f"new must make an activation for each place, like lambda: BWReLU(3.0); got {shown(new)}.")
    like = next((p for p in module.parameters() if p.is_floating_point()), None)

    def made(before: nn.Module) -> nn.Module:
        fresh: Any = new()
        if not isinstance(fresh, nn.Module):
            raise TypeError(f"new must make a torch.nn.Module; it made {shown(fresh)}.")
        return (fresh if like is None else fresh.to(like.device, like.dtype)).train(before.training)

    if type(module) is kind:
        return made(module)
    owners = list(module.modules())
    held = [(owner, name, part) for owner in owners for name, part in owner._modules.items() if part is not None]
    places = [place for place in held if type(place[2]) is kind]
    if not places:
        parts = sorted({type(part).__name__ for part in owners if not part._modules})
        raise ValueError(f"no {kind.__name__} is a part of this {type(module).__name__}, which has {', '.join(parts)}.")
    for (owner, name, _), fresh in zip(places, [made(part) for _, _, part in places], strict=True):
        setattr(owner, name, fresh)
    names = {known: name for name, known in _KINDS.items()}
    for owner in owners:
        if isinstance(owner, CoordinateNetwork):
            first = type(owner.layers[1])
            owner.activation = names.get(first, first.__name__)
    return module


def _kind(old: Any) -> type[nn.Module]:
    """The class of an activation."""
    if isinstance(old, type) and issubclass(old, nn.Module):
        return old
    if not isinstance(old, str):
        raise TypeError(f"old must be a class of modules, like nn.ReLU, or a name; got {shown(old)}.")
    if old not in _KINDS:
        raise ValueError(f"old must be one of {', '.join(map(repr, _KINDS))}, or a class; got {shown(old)}.")
    return _KINDS[old]
