"""Learned linear splines by knots and jumps, as LinearSpline has them, beside B-spline coefficients on equal knots.

The second is how projects that train spline activations compute them: a coefficient a knot, the two neighbours of each
input gathered by its index, and a straight line past both ends. It is written here in plain torch. Its knots cannot
move; those of LinearSpline may, and so a sorted look-up stands in place of a division. No goal: the row says what that
costs. Memory is what autograd keeps for the backward pass, in bytes a number of the input.
"""

import torch
from torch import Tensor, nn

from benchmarks.measure import report, side_by_side
from relunb import LinearSpline

ROWS, CHANNELS = 16_384, 64


class Coefficients(nn.Module):
    """A linear spline a channel by its values at equal knots on [-reach, reach]."""

    def __init__(self, channels: int, knots: int, reach: float = 3.0) -> None:
        super().__init__()
        self.knots, self.reach = knots, reach
        at = torch.linspace(-reach, reach, knots)
        self.values = nn.Parameter(at.relu().expand(channels, -1).clone())

    def forward(self, x: Tensor) -> Tensor:
        place = (x + self.reach) * ((self.knots - 1) / (2 * self.reach))
        left = place.detach().floor().clamp(0, self.knots - 2)
        part = place - left
        index = left.long() + torch.arange(x.shape[-1]) * self.knots
        values = self.values.flatten()
        return values[index] * (1 - part) + values[index + 1] * part


def by_knots(knots: int) -> LinearSpline:
    """The same function, ReLU, with as many knots that may move."""
    at = torch.linspace(-3, 3, knots)[1:-1]
    jumps = torch.zeros(knots - 2)
    jumps[knots // 2 - 1] = 1.0
    channels = (CHANNELS, knots - 2)
    return LinearSpline(at.expand(channels), jumps.expand(channels), learnable=True)


def step(layer: nn.Module, x: Tensor, grad: Tensor):
    def run():
        layer(x).backward(grad)
        x.grad = None
        layer.zero_grad()

    return run


def kept_bytes(layer: nn.Module, x: Tensor) -> float:
    """What autograd keeps of one forward pass, a storage once, the input and parameters left out."""
    own = {part.untyped_storage().data_ptr() for part in (x, *layer.parameters())}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = layer(x)
    assert y.shape == x.shape
    return sum(kept.values()) / x.numel()


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, CHANNELS, generator=generator).requires_grad_()
    grad = torch.randn(ROWS, CHANNELS, generator=generator)
    threads = torch.get_num_threads()
    for knots in (9, 21, 101):
        layers = {"coefficients": Coefficients(CHANNELS, knots), "LinearSpline": by_knots(knots)}
        outputs = [layer(x) for layer in layers.values()]
        torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-5)
        runs = {"nn.ReLU": nn.ReLU()} | layers
        rows = side_by_side({name: step(f, x, grad) for name, f in runs.items()}, base="coefficients", runs=11)
        for name, layer in runs.items():
            rows[name]["kept_bytes_a_number"] = kept_bytes(layer, x)
        what = f"forward + backward, {ROWS:,} x {CHANNELS} channels, {knots} knots, float32, {threads} threads"
        report(__file__, what, rows)


if __name__ == "__main__":
    main()
