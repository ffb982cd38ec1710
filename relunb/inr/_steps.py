"""The two ways to loss and gradients at the weights as they are: by autograd, and by the fused step without it.

A problem's loss is a function of the network's values at all points. By blocks, the values are found block by block and
the loss says what it wants of each, its cotangent; then the blocks go once more, forward and back. Where the loss is a
sum over the points, a block has its part of the loss as soon as it has its values, and goes once. The fused step always
goes by blocks, and autograd where a machine has no memory for all points at once.
"""

import contextlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ._activations import ComplexLinear
from ._encoding import PositionalEncoding
from ._match import check_shape, mismatch
from ._measured import Points, is_pointwise
from ._network import CoordinateNetwork
from ._problem import Problem, found_error, gathered
from ._random import random_state, set_random_state
from ._room import points_at_a_time
from ._sample import All, Batches

_ENCODED = 1 << 26  # numbers that an encoding may have to be kept: 256 MB in float32

LossAndError = tuple[Tensor, Tensor | None]


class Autograd:
    """Any network and any problem. Of the precisions, "bfloat16" alone changes something here.

    Args:
        block: how many points go through the network at a time; None: as many as there is memory for.
        source: gives the points of a step, where not all of the problem's are in each.
    """

    route = "autograd"

    def __init__(
        self,
        network: nn.Module,
        problem: Problem,
        parameters: Sequence[nn.Parameter],
        precision: str,
        compile: bool,
        block: int | None = None,
        source: All | Batches | None = None,
    ) -> None:
        self.network, self.problem, self.parameters, self.source = network, problem, parameters, source
        self.forward: Callable[[Tensor], Tensor] = torch.compile(network) if compile else network
        low = precision == "bfloat16"
        device = problem.coordinates.device.type
        self.autocast = torch.autocast(device, dtype=torch.bfloat16) if low else contextlib.nullcontext()
        points = problem.coordinates if source is None else problem.coordinates[: source.size]
        self.points, self.chosen = len(points), block is None
        if block is None:
            with self.autocast:
                whole = why_not_parts(network, problem) is not None
                block = len(points) if whole else points_at_a_time(network, points)
        self.block = min(block, len(points))

    def __call__(self) -> LossAndError:
        """Loss and mean squared error, without a graph; gradients into every ``grad``."""
        problem, points = self.problem, self.problem.coordinates
        for parameter in self.parameters:
            parameter.grad = None
        if self.source is not None:
            return self._once(self.source())
        if self.block < len(points):
            whole = is_pointwise(problem)
            return self._once(Points(points, problem.target, problem.weight)) if whole else self._twice(problem)
        values = self._values(points)
        loss = checked_loss(problem, values)
        loss.backward()
        return loss.detach(), found_error(problem, values.detach())

    def _once(self, points: Points) -> LossAndError:
        """A sum over the points: a block goes forward and back, and adds its part."""
        target, weight = points.target, points.weight
        count = target.numel() if weight is None else float(weight.sum(dtype=torch.float64)) * target.shape[1]
        total, plain = target.new_zeros(2, dtype=torch.float64)
        for start in range(0, len(target), self.block):
            part = points.at(slice(start, start + self.block))
            square = (self._values(part.coordinates) - part.target).square()
            weighted = square if part.weight is None else square * part.weight
            (weighted.sum() / count).backward()
            total += weighted.detach().sum(dtype=torch.float64)
            plain += square.detach().sum(dtype=torch.float64)
        return total / count, plain / target.numel()

    def _twice(self, problem: Problem) -> LossAndError:
        """Any other loss: all values first, and what it wants of each; then the blocks once more, forward and back."""
        blocks, device = problem.coordinates.split(self.block), problem.coordinates.device
        before = random_state(device)
        with torch.no_grad():
            values = gathered(self._values, problem.coordinates, self.block)
        torch.clear_autocast_cache()  # of weights in half precision, here without their gradients
        loss = checked_loss(problem, values.requires_grad_())
        # A loss may also look at the weights themselves.
        cotangent, *direct = torch.autograd.grad(loss, [values, *self.parameters], allow_unused=True)
        after = random_state(device)
        set_random_state(device, before)  # a random layer draws the same again
        if cotangent is not None:
            for points, wanted in zip(blocks, cotangent.split(self.block), strict=True):
                self._values(points).backward(wanted)
        set_random_state(device, after)
        add_gradients(self.parameters, direct)
        return loss.detach(), found_error(problem, values.detach())

    def _values(self, points: Tensor) -> Tensor:
        """At some of the points or all, in their precision."""
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
        check_shape(tuple(values.shape), (len(points), self.problem.out_features))
        return values.to(points.dtype)


class Blocks:
    """A :class:`relunb.inr.CoordinateNetwork` on a CPU: see ``ops/_fused_mlp.py``, and ``why_not_blocks``."""

    route = "fused"

    def __init__(
        self,
        network: CoordinateNetwork,
        problem: Problem,
        parameters: Sequence[nn.Parameter],
        block: int | None = None,
        source: All | Batches | None = None,
    ) -> None:
        self.network, self.problem, self.parameters, self.source = network, problem, parameters, source
        self.points = points = len(problem.coordinates) if source is None else source.size
        blocked = network.blocked(None if block is None else min(block, points))
        assert blocked is not None
        self.blocked, self.block = blocked, min(blocked.rows, points)
        check_shape((points, blocked.widths[-1]), (points, problem.out_features))
        self.encoded: tuple[Tensor, Tensor] | None = None
        encoding = network.encoding
        if isinstance(encoding, PositionalEncoding):
            if source is not None or points * encoding.out_features > _ENCODED:
                self.blocked.encode = encoding

    def __call__(self) -> LossAndError:
        """Loss and mean squared error; gradients into every ``grad``."""
        if self.source is not None:
            return self.blocked.squared_error(*self.source())
        points = self._points()
        if is_pointwise(self.problem):
            return self.blocked.squared_error(points, self.problem.target, self.problem.weight)
        values = self.blocked.values(points).requires_grad_()
        loss = checked_loss(self.problem, values)
        # A loss may also look at the weights themselves.
        cotangent, *direct = torch.autograd.grad(loss, [values, *self.parameters], allow_unused=True)
        self.blocked.backward(points, torch.zeros_like(values) if cotangent is None else cotangent)
        add_gradients(self.parameters, direct)
        return loss.detach(), found_error(self.problem, values.detach())

    def _points(self) -> Tensor:
        """What the network's layers take: the points, or their encoding, which is found once while they stay.

        That of very many points is found block by block and not kept.
        """
        points = self.problem.coordinates
        if self.blocked.encode is not None:
            return points
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


def why_not_parts(network: nn.Module, problem: Problem) -> str | None:
    """The reason why autograd cannot take the points block by block, None if it can."""
    if problem.coordinates.requires_grad:
        return "the problem's points ask for gradients, and a loss may look at the derivatives there"
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training:
            return f"the network's {name} looks at all points together, and in blocks it would see fewer"
    return None


def add_gradients(parameters: Sequence[nn.Parameter], more: Sequence[Tensor | None]) -> None:
    """Add gradients to those that are there."""
    for parameter, gradient in zip(parameters, more, strict=True):
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)


def checked_penalty(penalty: Callable[[nn.Module], Tensor], network: nn.Module) -> Tensor:
    """``penalty(network)``, which is your own."""
    found = penalty(network)
    if not isinstance(found, Tensor) or found.numel() != 1 or not found.requires_grad:
        told = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        if isinstance(found, Tensor) and found.numel() == 1:
            told = "a number that does not depend on them"
        raise TypeError(
            "penalty must make one number of the network, a tensor that depends on its weights by torch's operations; "
            f"it gave {told}."
        )
    return found.reshape(())


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
