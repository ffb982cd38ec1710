"""Claim: on a CPU, forward and backward of bw_relu cost at most 1.5 x torch.relu, and less than torch.sin.

At 65,536 x 300 float32, with torch's default allocator and no compiler. A small input costs no more than the folded
form written by hand.
"""

import os

import torch

from benchmarks.measure import report, side_by_side
from relunb import bw_relu
from relunb.wavelet import seven_relus

ROWS, COLUMNS = 65_536, 300


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


def main() -> None:
    assert os.environ.get("THP_MEM_ALLOC_ENABLE") is None, "the claim is about torch's default allocator: unset it"
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(ROWS, COLUMNS, generator=generator) * 2).requires_grad_()
    grad = torch.randn(ROWS, COLUMNS, generator=generator)
    scale = torch.nn.Parameter(torch.tensor(1.5))
    small = (torch.randn(64, 64, generator=generator) * 2).requires_grad_()
    small_grad = torch.randn(64, 64, generator=generator)
    fast = {
        "torch.relu": step(torch.relu, x, grad),
        "torch.sin": step(torch.sin, x, grad),
        "bw_relu": step(lambda t: bw_relu(t, 1.5), x, grad),
        "bw_relu, learned scale": step(lambda t: bw_relu(t, scale), x, grad),
    }
    report(__file__, "forward + backward, 65,536 x 300 float32", side_by_side(fast, base="torch.relu", runs=21))
    # In a run of their own: a pause of a second lets some virtual machines hand free huge pages back to their host, and
    # whoever asks for them next waits.
    slow = {
        "torch.relu": step(torch.relu, x, grad),
        "folded form by hand": step(by_hand, x, grad),
        "seven_relus": step(lambda t: seven_relus(t, 1.5), x, grad),
    }
    report(__file__, "what it replaces, 65,536 x 300 float32", side_by_side(slow, base="torch.relu", runs=7))
    few = side_by_side(
        {
            "folded form by hand": step(by_hand, small, small_grad),
            "bw_relu": step(lambda t: bw_relu(t, 1.5), small, small_grad),
        },
        base="folded form by hand",
        runs=41,
        repeat=50,
    )
    report(__file__, "forward + backward, 64 x 64 float32", few)


if __name__ == "__main__":
    main()
