"""Claim: a training step of the paper's size is 10 x as fast with autograd and 15 x by blocks as with seven ReLUs.

65,536 points, 3 x 300, float32, Adam. The reference is the public code's activation, seven ReLUs under
``torch.jit.script``, in a plain loop. Rows: that loop; the same loop with ``bw_relu``; what ``fit`` does by autograd
and by blocks; and a ReLU network, for scale. Premise, asserted: all give the same first losses to 1e-6.

Counted: a step multiplies 6 times for each weight and point, 71 GFLOP in all, and at least reads and writes 8 bytes for
each weight; the floor is that number over the rate of one large matrix product, measured in the same turn. The plain
loop moves 0.9 GB of state to memory and back. ``peak_mib`` is what a step takes beyond data, parameters and Adam.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.measure import report
from relunb.data import photograph
from relunb.inr import CoordinateNetwork, ImageProblem, fit
from relunb.inr._fit import _Run
from relunb.ops import kept_memory

WIDTH, SCALE, RATE = 300, 9.0, 4e-3
POINTS = 65_536
FLOP = 6 * POINTS * (2 * WIDTH + 2 * WIDTH**2 + WIDTH) - 2 * POINTS * 2 * WIDTH  # no gradient towards the points
CUDA = torch.cuda.is_available()


@torch.jit.script
def seven(x: Tensor, scale: float) -> Tensor:
    """The wavelet as the paper's Eq. (2) has it, compiled as the public code compiles its own."""
    z = scale * x
    ends = torch.relu(z) + torch.relu(z - 3)
    second = torch.relu(z - 0.5) + torch.relu(z - 2.5)
    third = torch.relu(z - 1) + torch.relu(z - 2)
    return ends / 6 - 8 / 6 * second + 23 / 6 * third - 16 / 3 * torch.relu(z - 1.5)


class Seven(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return seven(x, SCALE)


def problem() -> ImageProblem:
    return ImageProblem(photograph("camera", shrink=2)).to("cuda" if CUDA else "cpu")


def network(activation: str = "bw_relu", reference: bool = False) -> CoordinateNetwork:
    torch.manual_seed(0)
    scale = None if activation == "relu" else SCALE
    made = CoordinateNetwork(2, 1, WIDTH, 3, activation, scale=scale)
    if reference:
        for index in (1, 3, 5):
            made.layers[index] = Seven()
    return made.to("cuda" if CUDA else "cpu")


Step = Callable[[], float]


def loop(net: nn.Module, what: ImageProblem) -> Step:
    """The loop that one writes first."""
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)

    def step() -> float:
        optimizer.zero_grad()
        loss = what.loss(net(what.coordinates))
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def fitted(net: nn.Module, what: ImageProblem, *options: Any) -> Step:
    """One step of ``fit``."""
    run = _Run(net, what, 1000, RATE, 0.1)
    run.choose_route(*(options or (None, "float32", False)))

    def step() -> float:
        loss, _ = run.evaluate(last=False)
        run.step()
        return loss.item()

    return step


def routes(what: ImageProblem) -> dict[str, tuple[Step, bool]]:
    """Each step, and whether it runs where freed memory is kept, as inside ``fit``."""
    found = {
        "seven ReLUs, jit, loop": (loop(network(reference=True), what), False),
        "bw_relu, loop": (loop(network(), what), False),
        "bw_relu, fit by autograd": (fitted(network(), what, False, "float32", False), True),
        "ReLU network, loop": (loop(network("relu"), what), False),
    }
    if CUDA:
        found["bw_relu, compiled"] = fitted(network(), what, False, "float32", True), True
        found["bw_relu, compiled, tf32"] = fitted(network(), what, False, "tf32", True), True
        found["bw_relu, compiled, bfloat16"] = fitted(network(), what, False, "bfloat16", True), True
    else:
        found["bw_relu, fit by blocks"] = fitted(network(), what), True
        found["bw_relu, bfloat16"] = fitted(network(), what, False, "bfloat16", False), True
        found["bw_relu, compiled"] = fitted(network(), what, False, "float32", True), True
        found["seven ReLUs, memory kept"] = loop(network(reference=True), what), True
    return found


def matrix_rate() -> float:
    """GFLOP/s of one large product."""
    size = 8192 if CUDA else 4096
    a = torch.randn(size, size, device="cuda" if CUDA else "cpu")
    _synchronize()
    start = time.perf_counter()
    a @ a
    _synchronize()
    return 2e-9 * size**3 / (time.perf_counter() - start)


def _synchronize() -> None:
    if CUDA:
        torch.cuda.synchronize()


def timed(step: Step, keep: bool) -> float:
    """Milliseconds of a step after one that warms up: memory, clocks and, the first time, a compiler."""
    times = []
    if keep:
        with kept_memory():
            for _ in range(2):
                _synchronize()
                start = time.perf_counter()
                step()
                _synchronize()
                times.append((time.perf_counter() - start) * 1e3)
        return times[-1]
    for _ in range(2):
        _synchronize()
        start = time.perf_counter()
        step()
        _synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return times[-1]


def peak(name: str) -> float:
    """MiB that one step takes beyond what was there before, in a process of its own."""
    code = f"from benchmarks.inr_step import one_step; one_step({name!r})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return json.loads(out.splitlines()[-1])


def one_step(name: str) -> None:
    """Print what a step of a route takes; what libraries take once is left out by a small step before."""
    small = ImageProblem(torch.rand(8, 8))
    fitted(CoordinateNetwork(2, 1, 8), small)()
    loop(CoordinateNetwork(2, 1, 8), small)()
    step, _ = routes(problem())[name]
    torch.randn(WIDTH, WIDTH) @ torch.randn(WIDTH, WIDTH)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step()
    print(json.dumps((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))


def main() -> None:
    what = problem()
    steps = routes(what)
    first = {name: [step() for _ in range(3)] for name, (step, _) in steps.items()}
    for name, losses in first.items():
        if name.startswith("ReLU"):
            continue
        within = {"bfloat16": 0.05, "tf32": 5e-3}.get(name.split(", ")[-1], 1e-6)
        for ours, theirs in zip(losses, first["seven ReLUs, jit, loop"], strict=True):
            assert abs(ours / theirs - 1) < within, (name, losses)
    times: dict[str, list[float]] = {name: [] for name in steps}
    rates = []
    for _ in tqdm(range(5), desc="turns", leave=False):
        rates.append(matrix_rate())
        for name, (step, keep) in steps.items():
            times[name].append(timed(step, keep))
    rate = statistics.median(rates)
    rows: dict[str, dict[str, Any]] = {}
    for name, values in times.items():
        median = statistics.median(values)
        ratios = [theirs / ours for ours, theirs in zip(values, times["seven ReLUs, jit, loop"], strict=True)]
        rows[name] = {
            "median_ms": median,
            "lowest_ms": min(values),
            "highest_ms": max(values),
            "times_as_fast": statistics.median(ratios),
            "gflop_s": FLOP / median * 1e-6,
            "share_of_matrix_rate": FLOP / median * 1e-6 / rate,
        }
        if not CUDA and name in ("bw_relu, loop", "bw_relu, fit by blocks"):
            rows[name]["peak_mib"] = peak(name)
    report(__file__, f"one step, {POINTS} points, 3 x {WIDTH}, float32, {FLOP * 1e-9:.1f} GFLOP", rows)
    if CUDA:
        decibels = {}
        for precision in ("float32", "tf32", "bfloat16"):
            history = fit(network(), what, lr=RATE, precision=precision, compile=True, progress=False)
            decibels[precision] = {"psnr": history.psnr[-1], "seconds": history.seconds}
        report(__file__, "the whole fit of 1000 steps, compiled", decibels)


if __name__ == "__main__":
    main()
