"""Coordinate networks: a point goes in, the value of an image, scan or sound there comes out."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import count, points
from ..ops import BlockedNetwork
from ..wavelet import BWReLU
from ._activations import ComplexLinear, Gabor, Gaussian, Sine
from ._encoding import PositionalEncoding


@dataclass(frozen=True)
class _Activation:
    """One row of the table of activations."""

    scale: float | None  # the default; None where a scale would change nothing but the size
    sigma: float | None = None


ACTIVATIONS = {
    "bw_relu": _Activation(3.0),
    "siren": _Activation(30.0),
    "wire": _Activation(10.0, 10.0),
    "gauss": _Activation(10.0),
    "relu": _Activation(None),
}


_KINDS: dict[str, Any] = {"bw_relu": BWReLU, "siren": Sine, "wire": Gabor, "gauss": Gaussian, "relu": nn.ReLU}


class CoordinateNetwork(nn.Module):
    """A fully connected network from coordinates to values, with one of five activations and its initial weights.

    ========= ========================= ================ ===================================================
    name      activation of z = Wx + b  default scale c  initial weights
    ========= ========================= ================ ===================================================
    bw_relu   psi(c z)                  3                PyTorch's: W and b uniform within 1/sqrt(fan-in)
    siren     sin(c z)                  30               first W within 1/fan-in, the others within
                                                         sqrt(6/fan-in)/c; b as PyTorch has it
    wire      exp(i c z - (sigma|z|)^2) 10 (sigma 10)    complex from the second layer on, PyTorch's
    gauss     exp(-(c z)^2)             10               PyTorch's
    relu      max(z, 0)                 none             PyTorch's
    ========= ========================= ================ ===================================================

    With PyTorch's weights ``E z^2 = (E a^2) / 3 + 1 / (3 width)`` behind a layer with outputs a. With SIREN's the
    argument of every sine but the first has the mean square ``2 E a^2 + c^2 / (3 width)``, one and what the biases add,
    and every sine one half, at any depth.

    Args:
        in_features: how many coordinates a point has.
        out_features: how many values: 1 for gray, 3 for color.
        hidden_features: neurons in a hidden layer. A layer of ``wire`` has ``hidden_features / sqrt(2)`` complex
            neurons, as its authors do, so that it has as many real numbers.
        hidden_layers: how many hidden layers.
        activation: a name from the table.
        scale: c of the table, in every hidden layer; default as the table has it.
        sigma: of ``wire`` alone: how narrow its window is.
        learnable_scale: make c a parameter, one for each hidden layer.
        octaves: positional encoding with so many frequencies before the first layer; 0 for none.
        skip: add a linear layer from the coordinates to the values.

    Attributes:
        layers: ``nn.Sequential`` of linear layers and activations in turn.

    Raises:
        TypeError: a number is not one.
        ValueError: ``activation`` is not in the table, a parameter does not belong to it, or a count is below 1.

    Source: Shenouda, Zhou and Nowak (2024), Section 5, and the papers it compares with: Sitzmann et al. (2020),
    Saragadam et al. (2023), Ramasinghe and Lucey (2022). Derived in :doc:`/book/inr/spectral-bias`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int = 1,
        hidden_features: int = 256,
        hidden_layers: int = 3,
        activation: str = "bw_relu",
        *,
        scale: float | None = None,
        sigma: float | None = None,
        learnable_scale: bool = False,
        octaves: int = 0,
        skip: bool = False,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(map(repr, ACTIVATIONS))}; got {activation!r}.")
        row = ACTIVATIONS[activation]
        if row.scale is None and (scale is not None or learnable_scale):
            raise ValueError(
                f"activation {activation!r} has no scale: scaling its input scales its output. "
                f"Those that have one: {', '.join(repr(n) for n, r in ACTIVATIONS.items() if r.scale)}."
            )
        if row.sigma is None and sigma is not None:
            raise ValueError(f"sigma belongs to activation 'wire' alone; got activation {activation!r}.")
        self.in_features, self.out_features = count("in_features", in_features), count("out_features", out_features)
        self.activation = activation
        hidden, depth = count("hidden_features", hidden_features), count("hidden_layers", hidden_layers)
        self.encoding = (
            PositionalEncoding(in_features, octaves) if count("octaves", octaves, least=0) else nn.Identity()
        )
        size = self.encoding.out_features if isinstance(self.encoding, PositionalEncoding) else in_features
        if activation == "wire":
            hidden = max(int(hidden / math.sqrt(2)), 1)
        scale = row.scale if scale is None else scale
        layers: list[nn.Module] = []
        for index in range(depth):
            complex_ = activation == "wire" and index > 0
            layers.append(ComplexLinear(size, hidden) if complex_ else nn.Linear(size, hidden))
            layers.append(_activation(activation, scale, row.sigma if sigma is None else sigma, learnable_scale))
            size = hidden
        layers.append(ComplexLinear(size, out_features) if activation == "wire" else nn.Linear(size, out_features))
        self.layers = nn.Sequential(*layers)
        self.skip = nn.Linear(in_features, out_features) if skip else None
        if activation == "siren":
            assert scale is not None
            for index, layer in enumerate(self._linears()):
                fan_in = layer.in_features
                bound = math.sqrt(6 / fan_in) / scale if index else 1 / fan_in
                nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, coordinates: Tensor) -> Tensor:
        """Values at points.

        Args:
            coordinates: (..., in_features), of the dtype of the weights; images and scans lie in [-1, 1].

        Returns:
            (..., out_features).

        Raises:
            TypeError: ``coordinates`` are not real floating-point numbers.
            ValueError: a point has another number of coordinates.
        """
        points("coordinates", coordinates, self.in_features)
        values = self.layers(self.encoding(coordinates))
        if values.is_complex():
            values = values.real
        return values if self.skip is None else values + self.skip(coordinates)

    def _linears(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def is_as_made(self) -> bool:
        """Whether nothing was put in, exchanged or hooked on since: what computes is what ``activation`` names."""
        layers, kind = list(self.layers), _KINDS[self.activation]
        plain = [layer for layer in layers[1::2] if type(layer) is kind]
        hooks = any(module._forward_hooks or module._forward_pre_hooks for module in self.modules())
        return (
            type(self) is CoordinateNetwork
            and not hooks
            and len(plain) == len(layers) // 2
            and all(type(layer) in (nn.Linear, ComplexLinear) for layer in layers[::2])
            and type(self.skip) in (nn.Linear, type(None))
        )

    def blocked(self) -> BlockedNetwork | None:
        """The same weights for the fused training step; None where it does not apply: complex layers, or no CPU."""
        scales: list[Any] = [getattr(layer, "scale", 1.0) for layer in list(self.layers)[1::2]]
        kinds = {(p.device.type, p.dtype) for p in self.parameters()}
        if self.activation == "wire" or kinds not in ({("cpu", torch.float32)}, {("cpu", torch.float64)}):
            return None
        return BlockedNetwork(self._linears(), self.activation, scales, self.skip)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, activation={self.activation!r}"


def _activation(name: str, scale: float | None, sigma: float | None, learnable: bool) -> nn.Module:
    if scale is None:
        return nn.ReLU()
    if name == "wire":
        assert sigma is not None
        return Gabor(scale, sigma, learnable)
    return _KINDS[name](scale, learnable)
