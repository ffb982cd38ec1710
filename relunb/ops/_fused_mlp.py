"""A fully connected network and its gradient by blocks of rows, whose state stays in cache and is never stored.

Autograd keeps what every layer saw of every row, writes it to memory and reads it back. Here a block of rows goes
forward and back before the next one starts, in buffers that are allocated once. Scale and shift of an activation are
folded into the weights of its layer: for psi, ``u = 2 c (W a + b) - 3`` leaves seven operations forward and seven back.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

# Numbers in a buffer of one layer: 2048 rows of 300. Measured: 1024 to 4096 rows are within a tenth of one another.
_BUFFER = 614_400


@dataclass(frozen=True)
class _Pointwise:
    """An activation ``size * f(u)`` of ``u = factor * scale * z + shift``, in place and in blocks."""

    value: Callable[[Tensor, Tensor, Tensor, Tensor], object]  # f(u) into its second argument; two scratch
    weigh: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], object]  # gradient *= f'(u), knowing f(u); two scratch
    factor: float = 1.0
    shift: float = 0.0
    size: float = 1.0
    positive: bool = False  # whether the scale must be


def _bw_relu(u: Tensor, out: Tensor, part: Tensor, scratch: Tensor) -> None:
    # With v = |u|, 12 psi = max(10 - 16 v, min(7 v - 13, (3 - v)_+)).
    v = torch.abs(u, out=part)
    torch.sub(u.new_tensor(3.0), v, out=out).relu_()
    torch.minimum(out, torch.add(u.new_tensor(-13.0), v, alpha=7, out=scratch), out=out)
    torch.maximum(out, torch.add(u.new_tensor(10.0), v, alpha=-16, out=scratch), out=out)


_inside = torch.ops.aten.hardtanh_backward.grad_input  # its first argument where the second is inside, else 0


def _bw_relu_weigh(u: Tensor, f: Tensor, gradient: Tensor, part: Tensor, scratch: Tensor) -> None:
    # (12 psi)' = sign(u) (-23 [|u| < 1] + 8 [|u| < 2] - [|u| < 3])
    signed = torch.addcmul(u.new_zeros(()), torch.sign(u, out=part), gradient, value=8, out=gradient)
    _inside(signed, u, -1.0, 1.0, grad_input=part)
    torch.add(_inside(signed, u, -2.0, 2.0, grad_input=scratch), part, alpha=-23 / 8, out=part)
    torch.add(part, _inside(signed, u, -3.0, 3.0, grad_input=scratch), alpha=-1 / 8, out=gradient)


def _relu(u: Tensor, out: Tensor, part: Tensor, scratch: Tensor) -> None:
    torch.clamp_min(u, 0.0, out=out)


def _relu_weigh(u: Tensor, f: Tensor, gradient: Tensor, part: Tensor, scratch: Tensor) -> None:
    torch.ops.aten.threshold_backward.grad_input(gradient, u, 0.0, grad_input=gradient)


def _sine(u: Tensor, out: Tensor, part: Tensor, scratch: Tensor) -> None:
    torch.sin(u, out=out)


def _sine_weigh(u: Tensor, f: Tensor, gradient: Tensor, part: Tensor, scratch: Tensor) -> None:
    gradient.mul_(torch.cos(u, out=part))


def _gauss(u: Tensor, out: Tensor, part: Tensor, scratch: Tensor) -> None:
    torch.mul(u, u, out=out).neg_().exp_()


def _gauss_weigh(u: Tensor, f: Tensor, gradient: Tensor, part: Tensor, scratch: Tensor) -> None:
    gradient.mul_(u).mul_(f).mul_(-2)


POINTWISE = {
    "bw_relu": _Pointwise(_bw_relu, _bw_relu_weigh, factor=2.0, shift=-3.0, size=1 / 12, positive=True),
    "relu": _Pointwise(_relu, _relu_weigh),
    "siren": _Pointwise(_sine, _sine_weigh),
    "gauss": _Pointwise(_gauss, _gauss_weigh),
}


class FusedMLP:
    """Values and gradients of ``last(f(c f(c first(x))))`` with linear layers, an activation f and scales c, on a CPU.

    The layers stay where they are: this reads their weights in every call and writes their ``grad``.

    Args:
        linears: the layers, each with a bias, all of one dtype, float32 or float64, on the CPU. Layers may share
            parameters: a shared one gets the sum of the gradients.
        activation: a key of ``POINTWISE``.
        scales: one scale behind every layer but the last; a parameter gets its gradient as well.
        skip: a linear layer with a bias from the first columns of the input to the output, added, or None.
        rows: how many rows a block has. Default: 2048 of width 300, and as many numbers at other widths.
        encode: what is made of a block before its first layer, without a gradient; None: nothing.
    """

    def __init__(
        self,
        linears: Sequence[nn.Linear],
        activation: str,
        scales: Sequence[float | nn.Parameter],
        skip: nn.Linear | None = None,
        rows: int | None = None,
        encode: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.encode = encode
        self.linears, self.scales, self.skip = list(linears), list(scales), skip
        self.f = POINTWISE[activation]
        self.widths = [len(linear.weight) for linear in self.linears]
        self.rows = rows or max(_BUFFER // max(self.widths), 1)
        like = self.linears[0].weight
        self._buffers: dict[tuple[str, int], Tensor] = {}
        self._like = like.detach()
        # What the folded weights are of the layer's own, and what its gradients are of the folded ones'.
        self._weights = [torch.empty_like(linear.weight) for linear in self.linears]
        self._biases = [torch.empty_like(linear.bias) for linear in self.linears]
        self._weight_sums = [torch.empty_like(linear.weight) for linear in self.linears]
        self._bias_sums = [torch.empty_like(linear.bias) for linear in self.linears]

    @torch.no_grad()
    def values(self, x: Tensor) -> Tensor:
        """The network's output, (rows, outputs), without a graph."""
        self._fold()
        out = x.new_empty(len(x), self.widths[-1])
        for start, block in self._blocks(x):
            self._forward(block, out[start : start + len(block)], keep=False)
        return out

    @torch.no_grad()
    def backward(self, x: Tensor, cotangent: Tensor) -> None:
        """Gradients of ``(values(x) * cotangent).sum()`` into every ``grad``; the blocks go forward again."""
        self._fold()
        self._zero_sums()
        for start, block in self._blocks(x):
            self._forward(block, self._buffer("output", len(block), self.widths[-1]), keep=True)
            self._backward(block, cotangent[start : start + len(block)])
        self._write_gradients()

    @torch.no_grad()
    def squared_error(self, x: Tensor, target: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weighted and plain mean of ``(values(x) - target)**2``, and gradients of the first: one pass over the blocks.

        ``weight`` is (rows, 1), and the mean divides by its sum; None weighs all rows alike.
        """
        self._fold()
        self._zero_sums()
        total, plain = self._like.new_zeros(2, dtype=torch.float64)
        count = target.numel() if weight is None else float(weight.sum(dtype=torch.float64)) * target.shape[1]
        for start, block in self._blocks(x):
            stop = start + len(block)
            error = self._buffer("output", len(block), self.widths[-1])
            self._forward(block, error, keep=True)
            error.sub_(target[start:stop])
            cotangent = error
            if weight is not None:
                plain += error.square().sum(dtype=torch.float64)
                cotangent = error * weight[start:stop]
            total += (cotangent * error).sum(dtype=torch.float64)
            self._backward(block, cotangent.mul_(2 / count))
        self._write_gradients()
        return total / count, (total if weight is None else plain) / target.numel()

    def _blocks(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        for start in range(0, len(x), self.rows):
            block = x[start : start + self.rows]
            yield start, block if self.encode is None else self.encode(block)

    def _buffer(self, name: str, rows: int, width: int) -> Tensor:
        key = name, width
        if key not in self._buffers:
            self._buffers[key] = self._like.new_empty(self.rows, width)
        return self._buffers[key][:rows]

    def _fold(self) -> None:
        size = 1.0
        for index, (linear, weight, bias) in enumerate(zip(self.linears, self._weights, self._biases, strict=True)):
            factor = self._factor(index)
            torch.mul(linear.weight, factor * size, out=weight)
            torch.mul(linear.bias, factor, out=bias)
            if index < len(self.scales):
                bias.add_(self.f.shift)
            size = self.f.size

    def _factor(self, index: int) -> float:
        if index == len(self.scales):
            return 1.0
        scale = self._scale(index)
        if self.f.positive and not 0 < scale < math.inf:
            raise ValueError(
                f"scale must be positive and finite; got {scale:g}. If it is learned, a step took it there: "
                "use a lower learning rate for it, or learn its logarithm."
            )
        return self.f.factor * scale

    def _scale(self, index: int) -> float:
        scale = self.scales[index]
        return scale.item() if isinstance(scale, Tensor) else scale

    def _forward(self, block: Tensor, out: Tensor, *, keep: bool) -> None:
        a, rows = block, len(block)
        for index, (weight, bias, width) in enumerate(zip(self._weights, self._biases, self.widths, strict=True)):
            if index == len(self.scales):
                torch.addmm(bias, a, weight.t(), out=out)
                break
            layer = index if keep else index % 2
            u, a_next = self._buffer(f"u{layer}", rows, width), self._buffer(f"a{layer}", rows, width)
            torch.addmm(bias, a, weight.t(), out=u)
            self.f.value(u, a_next, self._buffer("part", rows, width), self._buffer("scratch", rows, width))
            a = a_next
        if self.skip is not None:
            out.addmm_(block[:, : self.skip.in_features], self.skip.weight.t()).add_(self.skip.bias)

    def _backward(self, block: Tensor, cotangent: Tensor) -> None:
        rows, gradient = len(block), cotangent
        if self.skip is not None:
            self._skip_sums[0].addmm_(cotangent.t(), block[:, : self.skip.in_features])
            self._skip_sums[1].add_(cotangent.sum(0))
        for index in reversed(range(len(self.linears))):
            width = self.widths[index]
            if index < len(self.scales):
                u, f = self._buffer(f"u{index}", rows, width), self._buffer(f"a{index}", rows, width)
                part, scratch = self._buffer("part", rows, width), self._buffer("scratch", rows, width)
                self.f.weigh(u, f, gradient, part, scratch)
                if isinstance(self.scales[index], nn.Parameter):
                    product = torch.mul(u, gradient, out=part).sum(dtype=torch.float64)
                    shifted = self.f.shift * gradient.sum(dtype=torch.float64)
                    self._scale_sums[index] += (product - shifted) / self._scale(index)
            before = self._buffer(f"a{index - 1}", rows, self.widths[index - 1]) if index else block
            if before.shape[1] < width:  # a few inputs: BLAS is three times as fast the other way around
                self._weight_sums[index].add_(torch.mm(before.t(), gradient).t())
            else:
                self._weight_sums[index].addmm_(gradient.t(), before)
            self._bias_sums[index].add_(gradient.sum(0))
            if index:
                # Two gradients are alive at a time: of this layer and of the one before.
                into = self._buffer(f"gradient{index % 2}", rows, self.widths[index - 1])
                multiply = torch.mul if width == 1 else torch.mm  # an outer product moves memory only
                gradient = multiply(gradient, self._weights[index], out=into)

    def _zero_sums(self) -> None:
        for total in (*self._weight_sums, *self._bias_sums):
            total.zero_()
        self._scale_sums = [self._like.new_zeros((), dtype=torch.float64) for _ in self.scales]
        if self.skip is not None:
            self._skip_sums = torch.zeros_like(self.skip.weight), torch.zeros_like(self.skip.bias)

    def _write_gradients(self) -> None:
        given: list[tuple[Any, Tensor]] = []
        size = 1.0
        for index, linear in enumerate(self.linears):
            factor = self._factor(index)
            given.append((linear.weight, self._weight_sums[index].mul_(factor * size)))
            given.append((linear.bias, self._bias_sums[index].mul_(factor)))
            size = self.f.size
        given += [pair for pair in zip(self.scales, self._scale_sums, strict=True) if isinstance(pair[0], nn.Parameter)]
        if self.skip is not None:
            given += zip((self.skip.weight, self.skip.bias), self._skip_sums, strict=True)
        totals: dict[Any, Tensor] = {}
        for parameter, gradient in given:
            totals[parameter] = totals[parameter] + gradient if parameter in totals else gradient
        for parameter, total in totals.items():
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)
            parameter.grad.copy_(total)
