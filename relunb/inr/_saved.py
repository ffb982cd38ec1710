"""A network in a file: its settings and its weights, and no code, so that a file of a stranger is safe to load."""

import io
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .._checks import check_known
from ._activations import Gabor
from ._encoding import PositionalEncoding
from ._files import checked_path, checked_target, part_of, put
from ._network import CoordinateNetwork

_KIND = "relunb.inr.CoordinateNetwork"


def save(network: CoordinateNetwork, file: str | Path) -> None:
    """Write a network to a file, with what is needed to make it again.

    The file is written whole or not at all; one that is there is replaced.

    Args:
        network: a :class:`relunb.inr.CoordinateNetwork` as its constructor makes it, with any weights and scales.
        file: where to; by custom it ends with ``.pt``.

    Raises:
        TypeError: ``network`` is not a :class:`relunb.inr.CoordinateNetwork`, or ``file`` is not a path.
        ValueError: parts of the network were added or exchanged: no settings make that again; it is on the device
            meta and has no weights; or the folder of ``file`` does not exist.
        OSError: the file cannot be written; one that was there still is.

    Example:
        >>> import tempfile
        >>> file = tempfile.mkdtemp() + "/photo.pt"
        >>> save(CoordinateNetwork(2, out_features=3, hidden_features=16, activation="siren"), file)
        >>> load(file).activation
        'siren'

    Used in :doc:`/book/inr/image-fitting`.
    """
    if not isinstance(network, CoordinateNetwork):
        raise TypeError(f"network must be a relunb.inr.CoordinateNetwork; got {type(network).__name__}.")
    path = checked_target("file", file)
    check_known(**{"the network": next(network.parameters())})
    frozen = [p for p in network.parameters() if not p.requires_grad]
    try:
        for parameter in frozen:  # which is no part of the network
            parameter.requires_grad_(True)
        as_made = network.is_as_made()
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
    if not as_made:
        raise ValueError(
            "the network's layers, hooks or forward are not those that CoordinateNetwork makes, and its settings would "
            "make another one: keep its weights, torch.save(network.state_dict(), file), beside your code."
        )
    data = io.BytesIO()
    torch.save({"kind": _KIND, **_settings(network), "state": network.state_dict()}, data)
    put(data.getvalue(), path, part_of(path))


def load(file: str | Path, device: torch.device | str = "cpu") -> CoordinateNetwork:
    """The network in a file that :func:`relunb.inr.save` wrote. No code of the file is run, and no weight is frozen.

    Args:
        file: which one.
        device: where the network goes.

    Raises:
        TypeError: ``file`` is not a path.
        OSError: the file cannot be read, or is not there.
        ValueError: it was not written by :func:`relunb.inr.save`, or is damaged.

    Example:
        >>> import tempfile
        >>> file = tempfile.mkdtemp() + "/sound.pt"
        >>> save(CoordinateNetwork(1, hidden_features=16), file)
        >>> load(file)(torch.zeros(5, 1)).shape
        torch.Size([5, 1])

    Used in :doc:`/book/inr/image-fitting`.
    """
    path = checked_path("file", file)
    data = path.read_bytes()
    try:
        kept = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if kept["kind"] != _KIND:
            raise KeyError(kept["kind"])
        state, dtype = kept["state"], kept["dtype"]
        network = CoordinateNetwork(**kept["settings"]).to(dtype)
        for layer, values in zip(list(network.layers)[1::2], kept["activations"], strict=True):
            for name, value in values.items():
                setattr(layer, name, float(value))
        network.load_state_dict(state)
    except Exception as error:  # whatever a damaged file makes of itself
        raise ValueError(f"{path} is not a network that relunb.inr.save wrote, or is damaged.") from error
    return network.to(device)


def _settings(network: CoordinateNetwork) -> dict[str, Any]:
    """The keywords of the constructor, and what the activations hold that is no parameter: they may differ."""
    layers: list[Any] = list(network.layers)
    first, encoding = layers[0], network.encoding
    hidden, activations = len(first.bias), layers[1::2]
    learned = isinstance(getattr(activations[0], "scale", None), nn.Parameter)
    return {
        "settings": {
            "in_features": network.in_features,
            "out_features": network.out_features,
            # A layer of complex neurons has that number over the square root of 2, rounded down.
            "hidden_features": math.ceil(hidden * math.sqrt(2)) if isinstance(activations[0], Gabor) else hidden,
            "hidden_layers": len(activations),
            "activation": network.activation,
            "learnable_scale": learned,
            "octaves": encoding.octaves if isinstance(encoding, PositionalEncoding) else 0,
            "skip": network.skip is not None,
        },
        "activations": [
            {name: vars(layer)[name] for name in ("scale", "sigma") if name in vars(layer)} for layer in activations
        ],
        "dtype": first.weight.dtype,
    }
