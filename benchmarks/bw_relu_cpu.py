"""Claim: with the compiled kernel, forward and backward of bw_relu cost at most 1.2 x torch.relu on a CPU.

At 65,536 x 300 float32, scale fixed or learned, with torch's default allocator; at most 1.3 x with pauses of 1.5 s
between the calls, and a training step of a 3 x 300 network at most 1.3 x that of nn.ReLU. Without a compiler, by
torch's blocks, at most 2.2 x. Small inputs, one thread, and what it replaces stand beside it.
"""

import contextlib
import os

import torch
from torch import nn

from benchmarks.measure import Goal, at_most, report, side_by_side
from relunb import BWReLU, bw_relu
from relunb.ops import _native
from relunb.wavelet import seven_relus

ROWS, COLUMNS = 65_536, 300
ONE_LOOP, PAUSES, NO_COMPILER = (at_most("torch.relu", ratio) for ratio in (1.2, 1.3, 2.2))


def step(function, x, grad):
    """One forward and backward; the gradient's memory is given back, as an optimizer step would."""

    def run():
        function(x).backward(grad)
        x.grad = None

    return run


def by_hand(x):
    """The chapter's folded form, as a reader would type it."""
    t = (1.5 * x - 1.5).abs()
    return (1.5 - t).relu() / 6 - 4 / 3 * (1 - t).relu() + 23 / 6 * (0.5 - t).relu()


@contextlib.contextmanager
def no_kernels():
    """As without a C compiler at the install."""
    kernels, _native._KERNELS = _native._KERNELS, None
    try:
        yield
    finally:
        _native._KERNELS = kernels


def without_kernels(run):
    def other():
        with no_kernels():
            run()

    return other


def functions(x, grad, scale):
    return {
        "torch.relu": step(torch.relu, x, grad),
        "torch.sin": step(torch.sin, x, grad),
        "torch gelu": step(nn.functional.gelu, x, grad),
        "bw_relu": step(lambda t: bw_relu(t, 1.5), x, grad),
        "bw_relu, learned scale": step(lambda t: bw_relu(t, scale), x, grad),
    }


def goals(goal: Goal) -> dict[str, Goal]:
    """Those of bw_relu with both kinds of scale, by the kernel where there is one."""
    goal = goal if _native.NATIVE else NO_COMPILER
    return {"bw_relu": goal, "bw_relu, learned scale": goal}


def with_fallback(goal: Goal) -> dict[str, Goal]:
    """The same, and torch's blocks beside them."""
    return goals(goal) | {f"{name}, no compiler": NO_COMPILER for name in goals(goal)}


def training_step(layer):
    """Of a network 2-300-300-300-1 on 16,384 points."""
    torch.manual_seed(0)
    widths = (2, 300, 300, 300)
    hidden = [part for a, b in zip(widths, widths[1:], strict=False) for part in (nn.Linear(a, b), layer())]
    net = nn.Sequential(*hidden, nn.Linear(300, 1))
    optimizer = torch.optim.Adam(net.parameters())
    x, y = torch.rand(16_384, 2), torch.rand(16_384, 1)

    def run():
        optimizer.zero_grad()
        (net(x) - y).square().mean().backward()
        optimizer.step()

    return run


def main() -> None:
    assert os.environ.get("THP_MEM_ALLOC_ENABLE") is None, "the claim is about torch's default allocator: unset it"
    print(f"bw_relu_cpu: compiled kernels {'in use' if _native.NATIVE else 'not there: torch does their work'}")
    generator = torch.Generator().manual_seed(0)

    def sample(*shape):
        x = (torch.randn(*shape, generator=generator) * 2).requires_grad_()
        return x, torch.randn(*shape, generator=generator)

    x, grad = sample(ROWS, COLUMNS)
    scale = nn.Parameter(torch.tensor(1.5))
    fast = functions(x, grad, scale)
    for name in ("bw_relu", "bw_relu, learned scale"):
        fast[f"{name}, no compiler"] = without_kernels(fast[name])
    threads = torch.get_num_threads()
    for count in sorted({1, threads}):
        torch.set_num_threads(count)
        what = f"forward + backward, 65,536 x 300 float32, {count} threads"
        report(__file__, what, side_by_side(fast, base="torch.relu", runs=15), with_fallback(ONE_LOOP))
    rows = side_by_side(fast, base="torch.relu", runs=5, pause=1.5)
    report(__file__, "the same with pauses of 1.5 s", rows, with_fallback(PAUSES))
    layers = {"torch.relu": nn.ReLU, "torch gelu": nn.GELU, "bw_relu": BWReLU}
    layers["bw_relu, learned scale"] = lambda: BWReLU(learnable=True)
    steps = {name: training_step(layer) for name, layer in layers.items()}
    steps["bw_relu, no compiler"] = without_kernels(steps["bw_relu"])
    rows = side_by_side(steps, base="torch.relu", runs=9)
    report(
        __file__,
        "a training step, 3 x 300, 16,384 points",
        rows,
        {**goals(PAUSES), "bw_relu, no compiler": NO_COMPILER},
    )
    for count in sorted({1, threads}):
        torch.set_num_threads(count)
        for size in (1_000, 10_000, 100_000, 1_000_000, 10_000_000):
            few = {**functions(*sample(size), scale)}
            rows = side_by_side(few, base="torch.relu", runs=11, repeat=max(1, 300_000 // size))
            report(__file__, f"forward + backward, {size:,} float32, {count} threads", rows)
    slow = {
        "torch.relu": step(torch.relu, x, grad),
        "folded form by hand": step(by_hand, x, grad),
        "seven_relus": step(lambda t: seven_relus(t, 1.5), x, grad),
    }
    report(__file__, "what it replaces, 65,536 x 300 float32", side_by_side(slow, base="torch.relu", runs=5))


if __name__ == "__main__":
    main()
