"""Claim: the midpoint form for ReLU beats two matrix products, 5 x forward and 2.5 x with the backward pass.

On a CPU with a Fourier basis of d = 256, 256 means of M = 2048 nodes, batch 4096, float32. On either side of the width
where FFT and product cross, the route that is picked costs at most 1.1 x the other one. On a GPU the products are timed
beside the kernel.
"""

import dataclasses

import torch

from benchmarks.measure import Goal, report, side_by_side
from relunb.ops._midpoint import MidpointTables, midpoint, midpoint_plain, midpoint_relu, midpoint_tables
from relunb.ops._midpoint_maps import FourierSynthesis, fft_maps, fourier_basis, product

ROWS, NODES, CELLS = 4096, 2048, 256
RATIO = "ratio_to_midpoint_relu"


def tables_of(d: int, device: str) -> MidpointTables:
    p = fourier_basis(d, NODES, torch.device(device)).float()
    q = torch.eye(CELLS, device=device).repeat_interleave(NODES // CELLS, dim=1) * (CELLS / NODES)
    return midpoint_tables(p, q, fourier=True)


def other_route(tables: MidpointTables) -> MidpointTables:
    """By product where the FFT was picked, and the other way round."""
    by_fft = isinstance(tables.synthesis, FourierSynthesis)
    synthesis, analysis = (product(tables.p), product(tables.p.T)) if by_fft else fft_maps(tables.p)
    return dataclasses.replace(tables, synthesis=synthesis, analysis=analysis)


def forward(function, x):
    def run():
        with torch.no_grad():
            function(x)

    return run


def step(function, x, grad):
    """One forward and backward; the gradient's memory is given back, as an optimizer step would."""

    def run():
        function(x).backward(grad)
        x.grad = None

    return run


def assert_agreement(functions, x, grad) -> None:
    """The premise: every route returns the value and the gradient of two products, to float32 accuracy."""
    first, *others = [(y, *torch.autograd.grad(y, x, grad)) for y in (f(x) for f in functions)]
    for other in others:
        for got, expected in zip(other, first, strict=True):
            assert (got - expected).abs().max() <= 3e-6 * expected.abs().max()


def measure(d: int, device: str, runs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, d, generator=generator).to(device).requires_grad_()
    grad = torch.randn(ROWS, CELLS, generator=generator).to(device)
    tables = tables_of(d, device)
    other = other_route(tables)
    functions = {
        "two products": lambda t: midpoint_plain(t, tables, torch.relu),
        "midpoint_relu": lambda t: midpoint_relu(t, tables),
        "midpoint of relu": lambda t: midpoint(t, tables, torch.relu),
    }
    if device == "cpu":  # the kernel has one route
        functions["the other route"] = lambda t: midpoint_relu(t, other)
    # A node whose state is within rounding of 0 may switch: 8 rows have no such node.
    few = x.detach()[:8].requires_grad_()
    assert_agreement(functions.values(), few, grad[:8])
    picked = "FFT" if isinstance(tables.synthesis, FourierSynthesis) else "product"
    what = f"d = {d}, {ROWS:,} x {NODES:,} nodes, {CELLS} means, float32, {device}; picked: {picked}"
    kinds = {"forward": (lambda f: forward(f, x), 5.0), "forward + backward": (lambda f: step(f, x, grad), 2.5)}
    for kind, (prepared, times) in kinds.items():
        fast = {name: prepared(f) for name, f in functions.items()}
        goals = {"two products": Goal(RATIO, least=times)} if (d, device) == (256, "cpu") else {}
        if "the other route" in fast:
            goals["the other route"] = Goal(RATIO, least=1 / 1.1)
        report(__file__, f"{kind}, {what}", side_by_side(fast, base="midpoint_relu", runs=runs), goals)


def main() -> None:
    measure(256, "cpu", runs=11)
    for d in (16, 64, 128, 512):
        measure(d, "cpu", runs=7)
    if torch.cuda.is_available():
        for d in (16, 64, 128, 256):
            measure(d, "cuda", runs=41)


if __name__ == "__main__":
    main()
