"""A fully connected network and its gradient by blocks of rows, whose state stays in cache and is never stored.

Autograd keeps what every layer saw of every row, writes it to memory and reads it back. Here a block of rows goes
forward and back before the next one starts, in buffers that are allocated once. Scale and shift of an activation are
folded into the weights of its layer: for psi, ``u = 2 c (W a + b) - 3``. Forward, one pass over u leaves the value and,
in the place of u, the slope; back, one pass multiplies the gradient by it and sums it. These are compiled kernels, with
torch's operations as the reference and where there is no kernel.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ._native import kernel_for, rows_summed

# Numbers in a buffer of one layer: 2048 rows of 300. Measured: 1024 to 4096 rows are within a tenth of one another.
_BUFFER = 614_400


@dataclass(frozen=True)
class _Pointwise:
    """An activation ``size * f(u)`` of ``u = factor * scale * z + shift``, in place and in blocks."""

    split: Callable[[Tensor, Tensor, Tensor, Tensor], object]  # f(u) into the second, f'(u) in the place of u; scratch
    factor: float = 1.0
    shift: float = 0.0
    size: float = 1.0
    positive: bool = False  # whether the scale must be


_inside = torch.ops.aten.hardtanh_backward.grad_input  # its first argument where the second is inside, else 0


def _bw_relu(u: Tensor, out: Tensor, part: Tensor, scratch: Tensor) -> None:
    # With v = |u|, 12 psi = max(10 - 16 v, min(7 v - 13, (3 - v)_+)).
    v = torch.abs(u, out=part)
    torch.sub(u.new_tensor(3.0), v, out=out).relu_()
    torch.minimum(out, torch.add(u.new_tensor(-13.0), v, alpha=7, out=scratch), out=out)
    torch.maximum(out, torch.add(u.new_tensor(10.0), v, alpha=-16, out=scratch), out=out)
    # (12 psi)' = sign(u) (8 [|u| < 2] - 23 [|u| < 1] - [|u| < 3])
    sign = torch.sign(u, out=part)
    torch.neg(_inside(sign, u, -3.0, 3.0, grad_input=sign), out=scratch)
    scratch.add_(_inside(sign, u, -2.0, 2.0, grad_input=sign), alpha=8)
    torch.add(scratch, _inside(sign, u, -1.0, 1.0, grad_input=sign), alpha=-23, out=u)


def _relu(u: Tensor, out: Tensor, part: Tensor, scratch: Tensor) -> None:
    torch.clamp_min(u, 0.0, out=out)
    torch.gt(u, 0.0, out=u)


def _sine(u: Tensor, out: Tensor, part: Tensor, scratch: Tensor) -> None:
    torch.sin(u, out=out)
    u.cos_()


def _gauss(u: Tensor, out: Tensor, part: Tensor, scratch: Tensor) -> None:
    torch.mul(u, u, out=out).neg_().exp_()
    u.mul_(out).mul_(-2)


POINTWISE = {
    "bw_relu": _Pointwise(_bw_relu, factor=2.0, shift=-3.0, size=1 / 12, positive=True),
    "relu": _Pointwise(_relu),
    "siren": _Pointwise(_sine),
    "gauss": _Pointwise(_gauss),
}

# PyTorch's products of float32 matrices are MKL's, which takes half of what an AMD processor has. Those of its layers
# may be oneDNN's, which takes all of it. On smaller ones MKL is faster: measured on two cores.
_ONEDNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
_LEAST_WIDTH, _LEAST_WORK = 16, 1 << 20


def _onednn(rows: int, weight: Tensor) -> Any:
    """oneDNN's product where it is the faster one for so many rows and a weight of that shape, else None."""
    large = min(weight.shape) >= _LEAST_WIDTH and rows * weight.numel() >= _LEAST_WORK
    return _ONEDNN if large and weight.dtype == torch.float32 else None


def _linear(a: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> Tensor:
    """``a @ weight.T + bias``, in new memory or in that of out."""
    product = _onednn(len(a), weight)
    if product is not None:
        return product(a, weight, bias, "none", [], "")
    if bias is None:
        return torch.mm(a, weight.t(), out=out)
    return torch.addmm(bias, a, weight.t(), out=out)


def _add_product(total: Tensor, gradient: Tensor, flipped: Tensor, a: Tensor) -> None:
    """``total += gradient.T @ a``; flipped is that transpose, best not a view of it, which oneDNN would copy."""
    outputs, inputs = total.shape
    product = _onednn(len(a), total)
    if product is not None:
        total.add_(product(flipped, a.t(), None, "none", [], ""))
    elif inputs < outputs:  # a few inputs: BLAS is three times as fast the other way around
        total.add_(torch.mm(a.t(), gradient).t())
    else:
        total.addmm_(flipped, a)


def _weigh(gradient: Tensor, slope: Tensor, total: Tensor, flipped: Tensor | None) -> None:
    """``gradient *= slope``, its sum over the rows is added to total, and flipped becomes its transpose."""
    kernel = kernel_for("step_weigh", gradient, slope)
    if kernel is None:
        total.add_(gradient.mul_(slope).sum(0))
        if flipped is not None:
            flipped.copy_(gradient.t())
        return
    rows, width = gradient.shape
    sums = gradient.new_empty(-(-rows // rows_summed()), width)
    pointers = gradient.data_ptr(), slope.data_ptr(), sums.data_ptr(), None if flipped is None else flipped.data_ptr()
    kernel(*pointers, rows, width, torch.get_num_threads())
    total.add_(sums.sum(0))


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

    @torch.inference_mode(False)
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
        self.activation, self.f = activation, POINTWISE[activation]
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

    @torch.inference_mode(False)
    @torch.no_grad()
    def values(self, x: Tensor) -> Tensor:
        """The network's output, (rows, outputs), without a graph."""
        self._fold()
        out = x.new_empty(len(x), self.widths[-1])
        for start, block in self._blocks(x):
            out[start : start + len(block)] = self._forward(block, keep=False)
        return out

    @torch.inference_mode(False)
    @torch.no_grad()
    def backward(self, x: Tensor, cotangent: Tensor) -> None:
        """Gradients of ``(values(x) * cotangent).sum()`` into every ``grad``; the blocks go forward again."""
        self._fold()
        self._zero_sums()
        for start, block in self._blocks(x):
            self._forward(block, keep=True)
            self._backward(block, cotangent[start : start + len(block)])
        self._write_gradients()

    @torch.inference_mode(False)
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
            error = self._forward(block, keep=True).sub_(target[start:stop])
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

    def _forward(self, block: Tensor, *, keep: bool) -> Tensor:
        rows, a, u = len(block), block, block
        self._slopes: list[Tensor] = []
        for index, (weight, bias, width) in enumerate(zip(self._weights, self._biases, self.widths, strict=True)):
            layer = index if keep else index % 2
            u = _linear(a, weight, bias, self._buffer(f"u{layer}", rows, width))
            if index < len(self.scales):
                a = self._buffer(f"a{layer}", rows, width)
                self._split(u, a)
                if keep:
                    self._slopes.append(u)
        if self.skip is not None:
            u.addmm_(block[:, : self.skip.in_features], self.skip.weight.t()).add_(self.skip.bias)
        return u

    def _split(self, u: Tensor, out: Tensor) -> None:
        kernel = kernel_for(f"step_{self.activation}", u, out)
        if kernel is not None:
            kernel(u.data_ptr(), out.data_ptr(), u.numel(), torch.get_num_threads())
            return
        part, scratch = (self._buffer(name, *u.shape) for name in ("part", "scratch"))
        self.f.split(u, out, part, scratch)

    def _backward(self, block: Tensor, cotangent: Tensor) -> None:
        rows, gradient, flipped = len(block), cotangent, cotangent.t()
        if self.skip is not None:
            self._skip_sums[0].addmm_(cotangent.t(), block[:, : self.skip.in_features])
            self._skip_sums[1].add_(cotangent.sum(0))
        self._bias_sums[-1].add_(cotangent.sum(0))
        for index in reversed(range(len(self.linears))):
            weight, total = self._weights[index], self._weight_sums[index]
            before = self._buffer(f"a{index - 1}", rows, weight.shape[1]) if index else block
            _add_product(total, gradient, flipped, before)
            if index == 0:
                break
            # Two gradients are alive at a time: of this layer and of the one before.
            into = self._buffer(f"gradient{index % 2}", *before.shape)
            if len(weight) == 1:  # an outer product moves memory only
                gradient = torch.mul(gradient, weight, out=into)
            else:
                gradient = _linear(gradient, weight.t(), None, into)
            wished = _onednn(rows, self._weights[index - 1]) is not None
            flipped = self._buffer("flipped", *before.shape).view(-1, rows) if wished else None
            _weigh(gradient, self._slopes.pop(), self._bias_sums[index - 1], flipped)
            flipped = gradient.t() if flipped is None else flipped

    def _scale_sum(self, index: int) -> Tensor:
        """The scale's gradient: u - shift is proportional to it and linear in weight and bias, whose sums are known."""
        weight, bias = self._weights[index].double(), self._biases[index].double() - self.f.shift
        total = (self._weight_sums[index] * weight).sum() + (self._bias_sums[index] * bias).sum()
        return total / self._scale(index)

    def _zero_sums(self) -> None:
        for total in (*self._weight_sums, *self._bias_sums):
            total.zero_()
        if self.skip is not None:
            self._skip_sums = torch.zeros_like(self.skip.weight), torch.zeros_like(self.skip.bias)

    def _write_gradients(self) -> None:
        given: list[tuple[Any, Tensor]] = []
        size = 1.0
        for index, linear in enumerate(self.linears):
            factor = self._factor(index)
            if index < len(self.scales) and isinstance(self.scales[index], nn.Parameter):
                given.append((self.scales[index], self._scale_sum(index)))
            given.append((linear.weight, self._weight_sums[index].mul_(factor * size)))
            given.append((linear.bias, self._bias_sums[index].mul_(factor)))
            size = self.f.size
        if self.skip is not None:
            given += zip((self.skip.weight, self.skip.bias), self._skip_sums, strict=True)
        totals: dict[Any, Tensor] = {}
        for parameter, gradient in given:
            totals[parameter] = totals[parameter] + gradient if parameter in totals else gradient
        for parameter, total in totals.items():
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)
            parameter.grad.copy_(total)
