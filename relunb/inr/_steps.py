"""The two ways to loss and gradients at the weights as they are: by autograd, and by blocks of points without it.

A problem's loss is a function of the network's values at all points. By blocks, the values are found block by block and
the loss says what it wants of each, its cotangent; then the blocks go once more, forward and back. Where the loss is a
sum over the points, a block has its part of the loss as soon as it has its values, and goes once.
"""

import contextlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ._activations import ComplexLinear
from ._match import check_shape, mismatch
from ._measured import is_pointwise
from ._network import CoordinateNetwork
from ._problem import Problem, found_error

LossAndError = tuple[Tensor, Tensor | None]


class Autograd:
    """Any network and any problem, all points at once. Of the precisions, "bfloat16" alone changes something here."""

    route = "autograd"

    def __init__(
        self, network: nn.Module, problem: Problem, parameters: Sequence[nn.Parameter], precision: str, compile: bool
    ) -> None:
        self.network, self.problem, self.parameters = network, problem, parameters
        self.forward: Callable[[Tensor], Tensor] = torch.compile(network) if compile else network
        low = precision == "bfloat16"
        device = problem.coordinates.device.type
        self.autocast = torch.autocast(device, dtype=torch.bfloat16) if low else contextlib.nullcontext()

    def __call__(self) -> LossAndError:
        """Loss and mean squared error, without a graph; gradients into every ``grad``."""
        points = self.problem.coordinates
        for parameter in self.parameters:
            parameter.grad = None
        values = self._values(points)
        loss = checked_loss(self.problem, values.to(points.dtype))
        loss.backward()
        return loss.detach(), found_error(self.problem, values.detach().to(points.dtype))

    def _values(self, points: Tensor) -> Tensor:
        try:
            with self.autocast:
                values = self.forward(points)
        except Exception as error:
            reason = mismatch(self.network, self.problem)
            if reason is None:
                raise
            raise ValueError(reason) from error
        if not isinstance(values, Tensor) or not values.is_floating_point():
            kind = values.dtype if isinstance(values, Tensor) else type(values).__name__
            raise TypeError(f"the network must give a tensor of real numbers; it gave {kind}.")
        check_shape(tuple(values.shape), self.problem)
        return values


class Blocks:
    """A :class:`relunb.inr.CoordinateNetwork` on a CPU: see ``ops/_fused_mlp.py``, and ``why_not_blocks``."""

    route = "fused"

    def __init__(self, network: CoordinateNetwork, problem: Problem, parameters: Sequence[nn.Parameter]) -> None:
        self.network, self.problem, self.parameters = network, problem, parameters
        blocked = network.blocked()
        assert blocked is not None
        self.blocked = blocked
        check_shape((len(problem.coordinates), blocked.widths[-1]), problem)
        self.encoded: tuple[Tensor, Tensor] | None = None

    def __call__(self) -> LossAndError:
        """Loss and mean squared error; gradients into every ``grad``."""
        points = self._points()
        if is_pointwise(self.problem):
            return self.blocked.squared_error(points, self.problem.target, self.problem.weight)
        values = self.blocked.values(points).requires_grad_()
        loss = checked_loss(self.problem, values)
        # A loss may also look at the weights themselves.
        cotangent, *direct = torch.autograd.grad(loss, [values, *self.parameters], allow_unused=True)
        self.blocked.backward(points, torch.zeros_like(values) if cotangent is None else cotangent)
        for parameter, gradient in zip(self.parameters, direct, strict=True):
            if gradient is not None and parameter.grad is not None:
                parameter.grad.add_(gradient)
        return loss.detach(), found_error(self.problem, values.detach())

    def _points(self) -> Tensor:
        """What the network's layers take: the points, or their encoding, which is found once while they stay."""
        points = self.problem.coordinates
        if self.encoded is None or not torch.equal(self.encoded[0], points):
            with torch.no_grad():
                own = points.clone()  # a loss may move its points in place
                self.encoded = own, self.network.encoding(own)
        return self.encoded[1]


def why_not_blocks(network: nn.Module, problem: Problem, precision: str, compile: bool) -> str | None:
    """The reason why ``Blocks`` does not apply, None if it does."""
    points = problem.coordinates
    if not isinstance(network, CoordinateNetwork):
        return f"it is made for CoordinateNetwork, and this is a {type(network).__name__}"
    if compile or precision != "float32" or torch.is_autocast_enabled("cpu"):
        return "it neither compiles nor rounds"
    if any(isinstance(layer, ComplexLinear) for layer in network.modules()):
        return "it has no complex layers, which activation 'wire' needs"
    if not all(parameter.requires_grad for parameter in network.parameters()):
        return "some parameters are frozen"
    if not network.is_as_made():
        return "the network's layers, parameters, hooks or forward are not those that CoordinateNetwork makes"
    if network.blocked() is None:
        return "it runs on a CPU, in float32 or float64, with scales between 2**-7 and 2**20"
    if points.requires_grad:
        return "it has no gradient for the points"
    first = next(network.parameters())
    if (points.device, points.dtype, points.shape[1]) != (first.device, first.dtype, network.in_features):
        return mismatch(network, problem) or f"points have {points.shape[1]} coordinates"
    return None


def checked_loss(problem: Problem, values: Tensor) -> Tensor:
    """``problem.loss(values)``, which may be your own."""
    loss = problem.loss(values)
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        told = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
        raise TypeError(
            f"{type(problem).__name__}.loss must give one number, a tensor that depends on the values by torch's "
            f"operations; it gave {told}."
        )
    return loss
