"""A network of continuous width: state functions instead of neurons, integral kernels of finite rank as weights."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .._checks import check_beside, check_count, check_finite, check_points
from ..ops import activated
from ._bases import basis as basis_of
from ._basis import Basis
from ._pattern import boundaries
from ._quadrature import _gauss, cuts
from ._transfer import place_of
from ._transform import IAT, Activation, _activation

Bases = str | Basis | Sequence[str | Basis]
_MODULES: dict[Activation, type[nn.Module]] = {torch.relu: nn.ReLU, torch.tanh: nn.Tanh, torch.sigmoid: nn.Sigmoid}


class ContinuousWidthNetwork(nn.Module):
    """A network whose hidden layers are functions on [-1, 1], Eq. (2), with the finite-rank weights of Eq. (3).

    z1(s) = w1(s)^T x + b1(s), then z2(s) = integral of w2(s, s') sigma(z1(s')) ds' + b2(s), and so on, and at the end
    y = integral of w3(s) sigma(z2(s)) ds + b3. Every hidden layer has its own input basis p and output basis q, of its
    own width, with q of unit L1 norms:

        w1(s)^T = p1(s)^T W1,  w2(s, s') = p2(s)^T W2 q1(s'),  w3(s) = W3 q2(s),  b_l(s) = p_l(s)^T b_l.

    Then the coefficients of the state functions are the hidden states of a network of width ``widths`` with IAT layers,
    Eq. (11). That network is how ``forward`` computes y; :meth:`by_quadrature` takes Eq. (2) at its word.

    Args:
        in_features: length of x.
        widths: the number of basis functions of each hidden layer.
        out_features: length of y.
        input_bases: p: a name or a :class:`relunb.iat.Basis` for all hidden layers, or a list with one for each.
        output_bases: q, likewise.
        activation: sigma; see :class:`relunb.IAT`.
        points: nodes of the midpoint rule in ``forward``, as in :meth:`sampled`. None: exact for ReLU, and the default
            of :class:`relunb.IAT` for another activation.

    Attributes:
        layers: nn.Sequential of nn.Linear, which hold W_l and b_l, and :class:`relunb.IAT` layers in turn. The weights
            begin as those of nn.Linear do.

    Raises:
        TypeError: an argument of another type.
        ValueError: no hidden layer, a count below 1, a list of bases of another length, an unknown basis or activation.

    Example:
        >>> ContinuousWidthNetwork(2, [16, 16], 1)(torch.zeros(5, 2)).shape
        torch.Size([5, 1])

    Source: Zhang, Bao and Zhang (2023), Eq. (2), (3) and (11). Derived in :doc:`/book/iat/continuous-width`.
    """

    activation: Activation

    def __init__(
        self,
        in_features: int,
        widths: Sequence[int],
        out_features: int,
        input_bases: Bases = "fourier",
        output_bases: Bases = "pwq",
        activation: str | Activation = "relu",
        points: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(widths, list | tuple):
            raise TypeError(f"widths must be a list, one integer for each hidden layer; got {widths!r:.60}.")
        if not widths:
            raise ValueError("widths is empty: the network needs a hidden layer.")
        self.in_features, self.out_features = (
            check_count("in_features", in_features),
            check_count("out_features", out_features),
        )
        self.widths = [check_count(f"widths[{place}]", width) for place, width in enumerate(widths)]
        self.input_bases = _one_each("input_bases", input_bases, self.widths)
        self.output_bases = _one_each("output_bases", output_bases, self.widths)
        _, self.activation = _activation(activation)
        method = "exact" if self.activation is torch.relu and points is None else "midpoint"
        layers: list[nn.Module] = []
        size = self.in_features
        for width, p, q in zip(self.widths, self.input_bases, self.output_bases, strict=True):
            layers += [nn.Linear(size, width), IAT(width, width, p, q, activation, method, points)]
            size = width
        self.layers = nn.Sequential(*layers, nn.Linear(size, self.out_features))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in_features) to y (..., out_features)."""
        check_points("x", x, self.in_features)
        check_beside(self, x=x)
        return self.layers(x)

    def iat_network(self) -> nn.Sequential:
        """The network of Eq. (11), nn.Linear and IAT layers in turn, with the same parameters (not copies)."""
        return nn.Sequential(*self.layers)

    def kernel(self, layer: int) -> Callable[..., Tensor]:
        """The weight function of a layer: differentiable in its parameters, in the dtype of s.

        Args:
            layer: 0 for the first, -1 for the last.

        Returns:
            For the first layer ``w(s)``, (..., in_features) for s of shape (...). For the last ``w(s)``, (...,
            out_features). For those between ``w(s, t)``, where the shapes of s and t broadcast: ``w(s[:, None], t)``
            is a matrix.
        """
        place = place_of(layer, len(self.widths) + 1)
        weight = self._linear(place).weight
        if place == 0:
            return lambda s: self.input_bases[0](s) @ weight.to(s)
        q = self.output_bases[place - 1]
        if place == len(self.widths):
            return lambda s: _unit(q, s) @ weight.to(s).mT
        p = self.input_bases[place]
        return lambda s, t: torch.einsum("...j,...j->...", p(s) @ weight.to(s), _unit(q, t))

    def bias(self, layer: int) -> Callable[[Tensor], Tensor]:
        """The bias function b(s) of a hidden layer, (...) for s of shape (...); the last layer has a vector instead."""
        place = place_of(layer, len(self.widths))
        bias = self._linear(place).bias
        return lambda s: self.input_bases[place](s) @ bias.to(s)

    def by_quadrature(self, x: Tensor, points: int = 12) -> Tensor:
        """y by Eq. (2) as it stands: state functions at nodes, and the kernels integrated between nodes and nodes.

        Gauss-Legendre nodes between the breakpoints of both bases, cut at whole waves, and for ReLU at the roots of
        the state function too: then 12 nodes are exact to rounding. It is a check of ``forward``, not a way to train:
        a sample takes as many kernel values as there are pairs of nodes.

        Args:
            x: (..., in_features), finite.
            points: nodes on each interval. Another activation wants more: for tanh 24 to 64 gave 1e-8.

        Returns:
            (..., out_features), in the dtype of x; computed in float64.
        """
        check_points("x", x, self.in_features)
        check_beside(self, x=x)
        check_finite("x", x)
        check_count("points", points)
        rows = x.double().reshape(-1, self.in_features)
        t = v = seen = rows  # from the second layer on: nodes of the layer before, and what is integrated there
        for place in range(len(self.widths)):
            linear, bias = self._linear(place), self.bias(place)
            # The coefficients of the state function say where its roots are, and that is all they are used for.
            state = nn.functional.linear(seen, linear.weight.double(), linear.bias.double())
            s, weight = self._nodes(place, state, points)
            if place == 0:
                z = (self.kernel(0)(s) * rows[:, None, :]).sum(-1) + bias(s)
            else:
                z = _integral(v, self.kernel(place)(s[:, :, None], t[:, None, :]).mT) + bias(s)
            t, v = s, weight * activated(self.activation, z)
            seen = _integral(v, _unit(self.output_bases[place], t))
        y = _integral(v, self.kernel(-1)(t)) + self._linear(len(self.widths)).bias
        return y.reshape(*x.shape[:-1], self.out_features).to(x.dtype)

    @torch.no_grad()
    def sampled(self, points: int) -> nn.Sequential:
        """An ordinary network, ``points`` neurons wide: the kernels at the nodes s_m = -1 + (2 m - 1) / points.

        Its weights are w1(s_m), (2/M) w2(s_m, s_m'), (2/M) w3(s_m) for M points, with biases b_l(s_m): new parameters.
        It computes what the network with midpoint IAT layers does; for continuous bases its error falls like M^-2.
        """
        check_count("points", points)
        s = (torch.arange(points, dtype=torch.float64, device=self._linear(0).weight.device) * 2 + 1) / points - 1
        cell, last = 2 / points, len(self.widths)
        layers: list[nn.Module] = [self._written(self.kernel(0)(s), self.bias(0)(s))]
        for place in range(1, last):
            layers += [self._sigma(), self._written(self.kernel(place)(s[:, None], s) * cell, self.bias(place)(s))]
        end = self._written(self.kernel(last)(s).mT * cell, self._linear(last).bias)
        return nn.Sequential(*layers, self._sigma(), end)

    def _linear(self, place: int) -> nn.Linear:
        linear = self.layers[2 * place]
        assert isinstance(linear, nn.Linear)
        return linear

    def _nodes(self, place: int, state: Tensor, points: int) -> tuple[Tensor, Tensor]:
        """Nodes and weights for p and q of a hidden layer, (samples, nodes) each; off the graph."""
        p, q = self.input_bases[place], self.output_bases[place]
        edges = cuts(p, q).to(state.device).expand(len(state), -1)
        if self.activation is torch.relu:
            edges = torch.cat([edges, boundaries(state.detach(), p)[0]], -1).sort(-1).values
        u, weight = (t.to(edges) for t in _gauss(points))
        half, middle = edges.diff(dim=-1)[..., None] / 2, (edges[:, 1:] + edges[:, :-1])[..., None] / 2
        return (middle + half * u).flatten(1), (half * weight).flatten(1)

    def _sigma(self) -> nn.Module:
        if isinstance(self.activation, nn.Module):
            return self.activation
        return _MODULES[self.activation]() if self.activation in _MODULES else _Elementwise(self.activation)

    def _written(self, weight: Tensor, bias: Tensor) -> nn.Linear:
        """An nn.Linear with these numbers, in the precision of the network."""
        like = self._linear(0).weight
        linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], device=like.device, dtype=like.dtype)
        assert isinstance(linear, nn.Linear)
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)
        return linear


class _Elementwise(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Activation) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _unit(q: Basis, s: Tensor) -> Tensor:
    """Output functions at s, scaled to unit L1 norm: (..., size)."""
    return q(s) / q.l1_norms.to(s)


def _integral(v: Tensor, functions: Tensor) -> Tensor:
    """The sum over the nodes of v (samples, nodes) times functions (samples, nodes, many): (samples, many)."""
    return (v[:, None, :] @ functions).squeeze(1)


def _one_each(name: str, given: Bases, widths: list[int]) -> list[Basis]:
    """A basis for each hidden layer."""
    if not isinstance(given, list | tuple):
        return [basis_of(given, width, name) for width in widths]  # pyright: ignore[reportArgumentType]
    if len(given) != len(widths):
        raise ValueError(f"{name} has {len(given)} entries for {len(widths)} hidden layers.")
    return [basis_of(kind, width, f"{name}[{i}]") for i, (kind, width) in enumerate(zip(given, widths, strict=True))]
