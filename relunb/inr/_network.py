"""Coordinate networks: a point goes in, the value of an image, scan or sound there comes out."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as _torch_module

from .._checks import check_beside, check_count, check_flag, check_points, shown
from ..ops import FusedMLP
from ..wavelet import BWReLU
from ._activations import ComplexLinear, Gabor, Gaussian, Sine, number
from ._encoding import MOST_OCTAVES, PositionalEncoding


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


_MOST = 2**31  # weights: 8 GB
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
        ValueError: ``activation`` is not in the table, a parameter does not belong to it, or a count is below 1 or too
            large: more than 127 octaves, 10,000 layers or 2**31 weights.

    Example:
        >>> network = CoordinateNetwork(2, out_features=3, hidden_features=16, octaves=4)
        >>> network(torch.zeros(64, 2)).shape
        torch.Size([64, 3])

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
        if not isinstance(activation, str) or activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(map(repr, ACTIVATIONS))}; got {shown(activation)}.")
        row = ACTIVATIONS[activation]
        learnable_scale, skip = check_flag("learnable_scale", learnable_scale), check_flag("skip", skip)
        if row.scale is None and (scale is not None or learnable_scale):
            raise ValueError(
                f"activation {activation!r} has no scale: scaling its input scales its output. "
                f"Those that have one: {', '.join(repr(n) for n, r in ACTIVATIONS.items() if r.scale)}."
            )
        if row.sigma is None and sigma is not None:
            raise ValueError(f"sigma belongs to activation 'wire' alone; got activation {activation!r}.")
        self.in_features, self.out_features = (
            check_count("in_features", in_features),
            check_count("out_features", out_features),
        )
        self.activation = activation
        hidden, depth = (
            check_count("hidden_features", hidden_features),
            check_count("hidden_layers", hidden_layers, most=10_000),
        )
        encoded = check_count("octaves", octaves, least=0, most=MOST_OCTAVES) > 0
        self.encoding = PositionalEncoding(in_features, octaves) if encoded else nn.Identity()
        size = self.encoding.out_features if isinstance(self.encoding, PositionalEncoding) else in_features
        if activation == "wire":
            hidden = max(int(hidden / math.sqrt(2)), 1)
        numbers = (size + self.out_features) * hidden + (depth - 1) * hidden**2
        numbers += in_features * out_features if skip else 0
        if numbers > _MOST:
            raise ValueError(
                f"the network would have {shown(numbers)} weights, and at most {_MOST:,} are made: use fewer features."
            )
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
            TypeError: ``coordinates`` are not real floating-point numbers, or of another precision than the weights.
            ValueError: a point has another number of coordinates.
        """
        check_points("coordinates", coordinates, self.in_features)
        check_beside(self, coordinates=coordinates)
        first = self.layers[0]
        if type(first) is nn.Linear and type(self.encoding) in (nn.Identity, PositionalEncoding):
            autocast = not coordinates.is_meta and torch.is_autocast_enabled(coordinates.device.type)
            if coordinates.dtype != first.weight.dtype and not autocast and not first._forward_pre_hooks:
                raise TypeError(
                    f"coordinates are {coordinates.dtype} and the weights {first.weight.dtype}: convert one, "
                    "coordinates.float() or network.double() for example."
                )
        values = self.layers(self.encoding(coordinates))
        if values.is_complex():
            values = values.real.to(coordinates.dtype)
        return values if self.skip is None else values + self.skip(coordinates)

    def _linears(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def is_as_made(self) -> bool:
        """Whether every part is what the constructor makes: nothing added, exchanged, shared, frozen or hooked on.

        It knows what belongs there, and does not look for what could have been done: all else is not as made.
        """
        layers, modules = self._modules.get("layers"), dict(self.named_modules())
        last = len(layers) - 1 if type(layers) is nn.Sequential else 0
        kind, encoding = type(modules.get("layers.1")), type(modules.get("encoding"))
        linear = ComplexLinear if kind is Gabor else nn.Linear
        expected: dict[str, type] = {"": CoordinateNetwork, "encoding": encoding, "layers": nn.Sequential}
        expected["layers.0"] = nn.Linear
        expected |= {f"layers.{index}": kind if index % 2 else linear for index in range(1, last + 1)}
        if self.skip is not None:
            expected["skip"] = nn.Linear
        return (
            last % 2 == 0
            and kind in _KINDS.values()
            and encoding in (nn.Identity, PositionalEncoding)
            and [(name, type(module)) for name, module in modules.items()] == list(expected.items())
            and all(_untouched(module) for module in modules.values())
            and self._chains()
            and _separate([p for _, p in self.named_parameters(remove_duplicate=False)])
            and not any(getattr(_torch_module, name) for name in _GLOBAL_HOOKS)
        )

    def _chains(self) -> bool:
        """Whether each layer takes what the one before it gives; the kinds of all parts are known."""
        width = self.in_features
        if isinstance(self.encoding, PositionalEncoding):
            width *= 1 + 2 * self.encoding.octaves
        layers: list[Any] = list(self.layers)[::2]
        for layer in layers:
            before, width = width, len(layer.bias)
            if layer.weight.shape[:2] != (width, before) or layer.bias.shape != (width, *layer.weight.shape[2:]):
                return False
        skip = self.skip
        return skip is None or (skip.weight.shape == (width, self.in_features) and skip.bias.shape == (width,))

    def blocked(self, rows: int | None = None) -> FusedMLP | None:
        """The same weights for the fused training step, by so many rows at a time; None where it does not apply.

        It applies to a network that is as made, without complex layers, on a CPU, in float32 or float64. Its scales lie
        between 2**-7 and 2**20: the step folds them into weights and biases, whose digits must not be lost.
        """
        kinds = {(p.device.type, p.dtype) for p in self.parameters()}
        if kinds not in ({("cpu", torch.float32)}, {("cpu", torch.float64)}) or not self.is_as_made():
            return None
        kind = type(self.layers[1])
        scales: list[Any] = [getattr(layer, "scale", 1.0) for layer in list(self.layers)[1::2]]
        if kind is Gabor or not all(2**-7 <= abs(number(scale)) <= 2**20 for scale in scales):
            return None
        name = next(name for name in _KINDS if _KINDS[name] is kind)
        return FusedMLP(self._linears(), name, scales, self.skip, rows)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, activation={self.activation!r}"


_PARTS = (CoordinateNetwork, nn.Sequential, nn.Identity, PositionalEncoding, nn.Linear, ComplexLinear, *_KINDS.values())
_COMPUTES = ("__call__", "_call_impl", "__getattr__", "forward")
_METHODS = {kind: [getattr(kind, name) for name in _COMPUTES] for kind in _PARTS}
_GLOBAL_HOOKS = [f"_global_{name}_hooks" for name in ("forward_pre", "forward", "backward_pre", "backward")]
# The hooks of a fresh module, all empty, and its buffers, none.
_EMPTY = {name: v for name, v in vars(nn.Module()).items() if name not in ("training", "_parameters", "_modules")}


def _untouched(module: nn.Module) -> bool:
    """Whether a part has the methods and the parameters of its kind, no hook and no buffer, and overrides nothing."""
    kind, own, parameters = type(module), vars(module), module._parameters
    names = {"weight", "bias"} if kind in (nn.Linear, ComplexLinear) else parameters.keys() & {"scale"}
    scale = own.get("scale", parameters.get("scale"))
    scaled = kind in (BWReLU, Sine, Gabor, Gaussian)
    return (
        [getattr(kind, name) for name in _COMPUTES] == _METHODS[kind]
        and all(own.get(name) == value for name, value in _EMPTY.items())
        and not own.keys() & {*dir(kind), *module._modules, *parameters}
        and parameters.keys() == names
        and all(_plain(parameter) for parameter in parameters.values())
        and (type(scale) is float or (isinstance(scale, nn.Parameter) and scale.ndim == 0) if scaled else scale is None)
    )


def _plain(parameter: Any) -> bool:
    """Whether a parameter is one that a constructor makes."""
    return (
        type(parameter) is nn.Parameter
        and parameter.requires_grad
        and parameter.is_leaf
        and parameter.layout == torch.strided
        and parameter.is_contiguous()
        and not parameter._backward_hooks
        and not parameter._post_accumulate_grad_hooks
    )


def _separate(parameters: list[nn.Parameter]) -> bool:
    """Whether no two parameters have memory in common."""
    spans = sorted((p.data_ptr(), p.data_ptr() + p.numel() * p.element_size()) for p in parameters)
    return all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))


def _activation(name: str, scale: float | None, sigma: float | None, learnable: bool) -> nn.Module:
    if scale is None:
        return nn.ReLU()
    if name == "wire":
        assert sigma is not None
        return Gabor(scale, sigma, learnable)
    return _KINDS[name](scale, learnable)
