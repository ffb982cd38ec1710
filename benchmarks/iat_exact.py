"""Goal: exact IAT-ReLU costs at most 6 x its midpoint form forward, and 8 x with the backward pass.

Fourier, quadratic splines or both in, quadratic splines out, batch 1024, float32, the midpoint form with its default
points.
"""

import torch
from torch import nn

from benchmarks.measure import at_most, report, side_by_side
from relunb import IAT
from relunb.iat import PWQ, Basis, Fourier, Mixed

ROWS = 1024
FORWARD, BOTH = (at_most("midpoint", ratio) for ratio in (6, 8))


def forward(layer: nn.Module, x: torch.Tensor):
    def run():
        with torch.no_grad():
            layer(x)

    return run


def step(layer: nn.Module, x: torch.Tensor, grad: torch.Tensor):
    """One forward and backward; the gradient's memory is given back, as an optimizer step would."""

    def run():
        layer(x).backward(grad)
        x.grad = None

    return run


def check_premises(exact: IAT, d: int) -> None:
    """The exact form is the limit of the midpoint form."""
    x = torch.randn(8, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    fine = IAT(d, None, exact.input_basis, exact.output_basis, method="midpoint", points=64 * 8 * d).double()
    assert (exact(x) - fine(x)).abs().max() <= 1e-4 * x.abs().sum(1).max()


def bases(d: int) -> dict[str, Basis]:
    return {"fourier": Fourier(d), "pwq": PWQ(d), "mixed": Mixed(Fourier(d // 2), PWQ(d - d // 2))}


def measure(d: int, device: str, runs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x, grad = (torch.randn(ROWS, d, generator=generator).to(device) for _ in range(2))
    for name, p in bases(d).items():
        layers = {"midpoint": IAT(d, input_basis=p, method="midpoint"), "exact": IAT(d, input_basis=p)}
        check_premises(layers["exact"], d)
        what = f"{name} -> pwq, d = {d}, {ROWS:,} rows, float32, {device}"
        rows = side_by_side({k: forward(f, x) for k, f in layers.items()}, base="midpoint", runs=runs)
        report(__file__, f"forward, {what}", rows, {"exact": FORWARD})
        point = x.clone().requires_grad_()
        rows = side_by_side({k: step(f, point, grad) for k, f in layers.items()}, base="midpoint", runs=runs)
        report(__file__, f"forward + backward, {what}", rows, {"exact": BOTH})


def main() -> None:
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        for d in (16, 32, 64, 128):
            measure(d, device, runs=15)


if __name__ == "__main__":
    main()
