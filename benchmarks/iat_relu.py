"""Claim: exact IAT-ReLU costs at most 1.3 x torch.relu, forward and backward, at 65,536 x 256 float32.

Hat functions in, rectangles out, on the same mesh; on a CPU with the compiled kernel and torch's default allocator.
Beside it: torch's blocks, which do the work where no compiler was at the install; pauses between the calls; the same
formula in plain operations; meshes that do not fit (256 hats to 256 rectangles), at most 2 x torch.relu; and what a
user would write: midpoint sums by two matrix products. On a GPU the floor is a copy.
"""

import os

import torch

from benchmarks.bw_relu_cpu import step, without_kernels
from benchmarks.measure import at_most, report, side_by_side
from relunb.ops import _native
from relunb.ops._linear_cells import LinearCells, linear_cells, linear_cells_plain
from relunb.ops._relu_cell_means import relu_cell_means, relu_cell_means_plain

ROWS, WIDTH = 65_536, 256
POINTS = 4 * (WIDTH - 1)  # four a cell: a coarse sum, and still two large matrices
FEW = ROWS // 64  # of all rows the midpoint state and its gradient would be half a gibibyte


def unaligned_rectangles() -> LinearCells:
    """256 hats on [0, 255 * 256] (nodes every 256) to 256 rectangles (breaks every 255): 510 cells, in integers."""
    points = torch.cat([torch.arange(WIDTH) * WIDTH, torch.arange(1, WIDTH) * (WIDTH - 1)]).unique()
    left = points[:-1] // WIDTH
    start, stop = ((end - left * WIDTH).double() / WIDTH for end in (points[:-1], points[1:]))
    coefficients = torch.full((1, len(left), 3), 1 / (WIDTH - 1), dtype=torch.float64)
    target = points[None, :-1] // (WIDTH - 1)
    return LinearCells(left, start, stop, points.diff().double(), coefficients, target, WIDTH)


def midpoint(x):
    """Mean of relu over each cell from the midpoints of four parts: what a user would write, of second order."""
    t = (torch.arange(POINTS, dtype=torch.float64) + 0.5) / POINTS * (WIDTH - 1)
    hats = (1 - (t - torch.arange(WIDTH)[:, None]).abs()).relu()
    rectangles = (t.floor() == torch.arange(WIDTH - 1)[:, None]).double()
    hats, rectangles = hats.to(x), (rectangles / rectangles.sum(1, keepdim=True)).to(x)
    return lambda x: (x @ hats).relu() @ rectangles.T


def check_premises() -> None:
    """The fast forms are the exact integral: float64 against many midpoints, whose error falls like M^-2."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(512, WIDTH, dtype=torch.float64, generator=generator)
    t = (torch.arange(4096, dtype=torch.float64) + 0.5) / 4096
    dense = torch.zeros(4, WIDTH - 1, dtype=torch.float64)
    for part in t.split(256):
        dense += (x[:4, :-1, None] * (1 - part) + x[:4, 1:, None] * part).relu().sum(-1) / 4096
    assert (relu_cell_means(x)[:4] - dense).abs().max() <= 1e-6
    assert (relu_cell_means(x) - relu_cell_means_plain(x)).abs().max() <= 1e-15
    plan = unaligned_rectangles()
    assert (linear_cells(x, plan) - linear_cells_plain(x, plan)).abs().max() <= 2e-15
    # Both meshes cut the same interval, so the weighted sums of their means are the same integral.
    total = relu_cell_means(x).sum(-1) / (WIDTH - 1)
    assert (linear_cells(x, plan).mean(-1) - total).abs().max() <= 1e-15


def on_cpu() -> None:
    assert os.environ.get("THP_MEM_ALLOC_ENABLE") is None, "the claim is about torch's default allocator: unset it"
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, WIDTH, generator=generator).requires_grad_()
    grad = torch.randn(ROWS, WIDTH, generator=generator)
    means_grad = grad[:, 1:].contiguous()
    plan = unaligned_rectangles()
    print(f"iat_relu: compiled kernels {'in use' if _native.NATIVE else 'not there: torch does their work'}")
    aligned = step(relu_cell_means, x, means_grad)
    fast = {
        "torch.relu": step(torch.relu, x, grad),
        "torch gelu": step(torch.nn.functional.gelu, x, grad),
        "exact, aligned": aligned,
        "the same, no compiler": without_kernels(aligned),
    }
    no_compiler = at_most("torch.relu", 2.2)
    goals = {
        "exact, aligned": at_most("torch.relu", 1.3) if _native.NATIVE else no_compiler,
        "the same, no compiler": no_compiler,
    }
    threads = torch.get_num_threads()
    for count in sorted({1, threads}):
        torch.set_num_threads(count)
        what = f"forward + backward, 65,536 x 256 float32, {count} threads"
        report(__file__, what, side_by_side(fast, base="torch.relu", runs=15), goals)
    rows = side_by_side(fast, base="torch.relu", runs=5, pause=1.5)
    report(__file__, "the same with pauses of 1.5 s", rows, goals)
    slow = {
        "torch.relu": step(torch.relu, x, grad),
        "plain form, aligned": step(relu_cell_means_plain, x, means_grad),
        "exact, unaligned": step(lambda t: linear_cells(t, plan), x, grad),
    }
    rows = side_by_side(slow, base="torch.relu", runs=5)
    report(__file__, "beside it, 65,536 x 256 float32", rows, {"exact, unaligned": at_most("torch.relu", 2.0)})
    few = x.detach()[:FEW].clone().requires_grad_()
    few_grad = means_grad[:FEW].clone()
    by_hand = {
        "exact, aligned": step(relu_cell_means, few, few_grad),
        "midpoint, 2 matmuls": step(midpoint(few), few, few_grad),
    }
    rows = side_by_side(by_hand, base="exact, aligned", runs=21, repeat=5)
    report(__file__, "what it replaces, 1,024 x 256 float32, M = 1,020 points", rows)


def on_cuda() -> None:
    generator = torch.Generator(device="cuda").manual_seed(0)
    x = torch.randn(ROWS, WIDTH, generator=generator, device="cuda").requires_grad_()
    grad = torch.randn(ROWS, WIDTH, generator=generator, device="cuda")
    plain, means_grad = x.detach(), grad[:, 1:].contiguous()
    forward = {
        "x.clone()": lambda: plain.clone(),
        "torch.relu": lambda: torch.relu(plain),
        "exact, aligned": lambda: relu_cell_means(plain),
    }
    rows = side_by_side(forward, base="x.clone()", runs=21, repeat=20)
    report(__file__, "forward on a GPU, 65,536 x 256 float32", rows)
    both = {
        "torch.relu": step(torch.relu, x, grad),
        "exact, aligned": step(relu_cell_means, x, means_grad),
        "plain form, aligned": step(relu_cell_means_plain, x, means_grad),
    }
    rows = side_by_side(both, base="torch.relu", runs=21, repeat=20)
    report(__file__, "forward + backward on a GPU, 65,536 x 256 float32", rows)


def main() -> None:
    check_premises()
    on_cpu()
    if torch.cuda.is_available():
        on_cuda()


if __name__ == "__main__":
    main()
