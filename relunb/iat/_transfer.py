"""A network whose activation patterns come from another network: decoupled training, transfer, least squares."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .._checks import check_beside, check_count, check_finite, check_flag, check_known, check_points
from ._decoupled import DecoupledIAT
from ._pattern import ActivationPattern, activation_pattern
from ._transform import IAT


class DecoupledNetwork(nn.Module):
    """One network for the values, another for the patterns: y = W3 A(D2) (W2 A(D1) (W1 x + b1) + b2) + b3.

    D1, D2, ... are the activation patterns of the hidden states of the pattern network, which sees the same x. For
    given patterns y is linear in each (W_l, b_l): :meth:`solve` sets one of them to the least-squares solution.

    Args:
        values: nn.Sequential of nn.Linear and exact :class:`relunb.IAT` layers in turn, from linear to linear. Its
            linear layers (themselves, not copies) and the bases of its IAT layers are used.
        patterns: likewise, with as many IAT layers, of any widths and bases.
        freeze: no gradient to the parameters of ``patterns``. The derivative in x still goes through the patterns.

    Attributes:
        linears: the linear layers of ``values``.
        transforms: :class:`DecoupledIAT` layers between them.
        source: ``patterns``.

    Raises:
        TypeError: a network is not an nn.Sequential, or a layer is of another kind.
        ValueError: the networks have different numbers of IAT layers or read different inputs, a layer does not fit
            the next one, or an IAT layer is not exact: only the exact one has a pattern on [-1, 1].

    Example:
        >>> from torch.nn import Linear, Sequential
        >>> values, patterns = (Sequential(Linear(1, 4), IAT(4), Linear(4, 2)) for _ in range(2))
        >>> DecoupledNetwork(values, patterns)(torch.zeros(5, 1)).shape
        torch.Size([5, 2])

    Source: Zhang, Bao and Zhang (2023), Eq. (26). Derived in :doc:`/book/iat/decoupling`.
    """

    def __init__(self, values: nn.Sequential, patterns: nn.Sequential, freeze: bool = True) -> None:
        super().__init__()
        linears, transforms = _stages("values (the target)", values)
        readers, makers = _stages("patterns (the source)", patterns)
        if len(transforms) != len(makers):
            raise ValueError(
                f"values (the target) has {len(transforms)} IAT layers and patterns (the source) {len(makers)}: "
                "every layer takes the pattern of one."
            )
        if linears[0].in_features != readers[0].in_features:
            raise ValueError(
                f"values (the target) reads {linears[0].in_features} features and patterns (the source) "
                f"{readers[0].in_features}: both get the same x."
            )
        self.in_features, self.out_features = linears[0].in_features, linears[-1].out_features
        self.linears = nn.ModuleList(linears)
        self.transforms = nn.ModuleList(
            DecoupledIAT(
                own.in_features,
                other.in_features,
                own.out_features,
                own.input_basis,
                own.output_basis,
                other.input_basis,
                normalized=own.normalized,
            )
            for own, other in zip(transforms, makers, strict=True)
        )
        self.source = patterns
        self.freeze = check_flag("freeze", freeze)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., features) to (..., outputs)."""
        check_points("x", x, self.in_features)
        check_beside(self, x=x)
        return _onward(self.linears[0](x), self.pattern_states(x), self.linears[1:], self.transforms)

    def pattern_states(self, x: Tensor) -> list[Tensor]:
        """The hidden states of the pattern network, one for each IAT layer: each defines the pattern there."""
        linears, transforms = _stages("patterns (the source)", self.source)
        states: list[Tensor] = []
        for place, linear in enumerate(linears[:-1]):
            before = transforms[place - 1](states[-1]) if place else x.to(linear.weight.dtype)
            weight, bias = linear.weight, linear.bias
            if self.freeze:
                weight, bias = weight.detach(), None if bias is None else bias.detach()
            states.append(nn.functional.linear(before, weight, bias))
        return states

    @torch.no_grad()
    def solve(self, x: Tensor, targets: Tensor, layer: int = -1) -> float:
        """Set one linear layer to the least-squares solution, all patterns and all other layers held.

        The output is ``c(x) + C(x) (W h(x) + b)`` for the layer's W and b: a linear least-squares problem, solved in
        float64 by singular values (LAPACK's gelsd, on the CPU). Where several solutions are equally good, as with
        fewer samples than unknowns or with "rect-w", it is the one of least norm. The matrix of an inner layer has
        samples x outputs rows and a column for each of the layer's parameters.

        Solved from the last layer to the first, again and again, the error never rises (but by rounding).

        Args:
            x: (..., features), finite.
            targets: (..., outputs), finite.
            layer: which linear layer; -1 is the last.

        Returns:
            The mean squared error of the network afterwards, over samples and outputs.

        Raises:
            TypeError: x or targets are not floating-point tensors, or layer is not an integer.
            ValueError: shapes that do not fit, no samples, values that are not finite, a layer that there is not, or
                one that the pattern network shares: the patterns would change with it.

        Source: Zhang, Bao and Zhang (2023), Section 6. Derived in :doc:`/book/iat/decoupling`.
        """
        check_points("x", x, self.in_features)
        check_points("targets", targets, self.out_features)
        check_beside(self, x=x, targets=targets)
        check_known(x=x)
        if x.shape[:-1] != targets.shape[:-1]:
            raise ValueError(f"x has samples {tuple(x.shape[:-1])} and targets {tuple(targets.shape[:-1])}.")
        if not x.numel():
            raise ValueError("x has no samples.")
        check_finite("x", x)
        check_finite("targets", targets)
        place = place_of(layer, len(self.linears))
        linear = self.linears[place]
        assert isinstance(linear, nn.Linear)
        readers, makers = _stages("patterns (the source)", self.source)
        held = {id(p) for reader in readers[:-1] for p in reader.parameters()}
        if any(id(p) in held for p in linear.parameters()):
            raise ValueError(
                f"linear layer {place} is one of the pattern network's too: the patterns would change with it. "
                "Transfer from a copy (copy.deepcopy)."
            )
        x, targets = x.reshape(-1, self.in_features), targets.reshape(-1, self.out_features)
        states = zip(self.pattern_states(x), makers, strict=True)
        patterns = [activation_pattern(state, maker.input_basis) for state, maker in states]
        exact = copy.deepcopy(self.linears).double()  # the patterns stay those of the network as it is
        h = x.double()
        for before, transform, pattern in zip(exact[:place], self.transforms, patterns, strict=False):
            h = transform(before(h), pattern)
        zero = h.new_zeros(len(h), linear.out_features)
        if linear.bias is not None:
            h = torch.cat([h, torch.ones_like(h[:, :1])], -1)
        if place == len(exact) - 1:
            solution = _least_squares(h, targets.double()).mT
        else:
            constant, response = _response(zero, patterns[place:], exact[place + 1 :], self.transforms[place:])
            columns = (response[..., None] * h[:, None, None, :]).flatten(2).flatten(0, 1)
            solution = _least_squares(columns, (targets - constant).reshape(-1, 1)).reshape(linear.out_features, -1)
        linear.weight.copy_(solution[:, : linear.in_features])
        if linear.bias is not None:
            linear.bias.copy_(solution[:, -1])
        output = _onward(self.linears[0](x), patterns, self.linears[1:], self.transforms)
        return (output - targets).double().square().mean().item()

    def extra_repr(self) -> str:
        return f"freeze={self.freeze}"


def transfer_patterns(source: nn.Sequential, target: nn.Sequential, freeze: bool = True) -> DecoupledNetwork:
    """The target network with the activation patterns of the source: patterns live on [-1, 1], whatever the width.

    Args:
        source: a trained nn.Sequential of nn.Linear and exact :class:`relunb.IAT` layers in turn, say narrow.
        target: another one with as many IAT layers, say wide. Training or solving the result trains its linear layers.
        freeze: keep the patterns. False: they learn too, through their roots.

    Returns:
        ``DecoupledNetwork(target, source, freeze)``; see there for what is refused.

    Example:
        >>> from torch.nn import Linear, Sequential
        >>> source, target = (Sequential(Linear(1, 4), IAT(4), Linear(4, 2)) for _ in range(2))
        >>> transfer_patterns(source, target).out_features
        2

    Source: Zhang, Bao and Zhang (2023), Section 6. Derived in :doc:`/book/iat/decoupling`.
    """
    return DecoupledNetwork(target, source, freeze)


def place_of(layer: int, layers: int) -> int:
    """A layer's place, counted from the first, from one that may be counted from the last."""
    place = check_count("layer", layer, least=None)
    if not -layers <= place < layers:
        raise ValueError(f"layer must be between {-layers} and {layers - 1}: there are {layers}; got {place}.")
    return place % layers


def _onward(
    state: Tensor, patterns: Sequence[Tensor | ActivationPattern], linears: nn.ModuleList, transforms: nn.ModuleList
) -> Tensor:
    """From a hidden state, the values at an IAT layer, to the output."""
    for transform, pattern, linear in zip(transforms, patterns, linears, strict=True):
        state = linear(transform(state, pattern))
    return state


@torch.enable_grad()
def _response(
    zero: Tensor, patterns: list[ActivationPattern], linears: nn.ModuleList, transforms: nn.ModuleList
) -> tuple[Tensor, Tensor]:
    """The output is constant + response @ state: (samples, outputs) and (samples, outputs, width)."""
    zero.requires_grad_()
    output = _onward(zero, patterns, linears, transforms)
    rows = [torch.autograd.grad(column.sum(), zero, retain_graph=True)[0] for column in output.unbind(-1)]
    return output.detach(), torch.stack(rows, 1)


def _least_squares(columns: Tensor, goal: Tensor) -> Tensor:
    solution = torch.linalg.lstsq(columns.cpu(), goal.cpu(), driver="gelsd").solution
    return solution.to(columns.device)


def _stages(name: str, network: nn.Sequential) -> tuple[list[nn.Linear], list[IAT]]:
    """The linear layers and the IAT layers of a network, checked."""
    if not isinstance(network, nn.Sequential):
        raise TypeError(f"{name} must be an nn.Sequential of nn.Linear and IAT layers; got {type(network).__name__}.")
    linears, transforms, width = [], [], None
    for place, layer in enumerate(network):
        wanted = IAT if place % 2 else nn.Linear
        if not isinstance(layer, wanted):
            hint = ' An nn.ReLU is IAT(width, input_basis="rect", output_basis="rect").' if place % 2 else ""
            raise TypeError(
                f"{name} must be nn.Linear and IAT layers in turn; layer {place} is {type(layer).__name__}.{hint}"
            )
        if width not in (None, layer.in_features):
            raise ValueError(f"layer {place} of {name} takes {layer.in_features} numbers, and gets {width}.")
        if isinstance(layer, IAT):
            if layer.method != "exact" or layer.activation != "relu":
                kind = "an exact" if layer.method == "exact" else "a midpoint"
                raise ValueError(
                    f"layer {place} of {name} is {kind} layer with activation={layer.activation}: "
                    "only ReLU with method='exact' has a pattern on [-1, 1]."
                )
            transforms.append(layer)
        else:
            linears.append(layer)
        width = layer.out_features
    if len(linears) != len(transforms) + 1 or not transforms:
        raise ValueError(f"{name} must begin and end with nn.Linear, with an IAT layer between; got {network}.")
    return linears, transforms
