"""Claim: a training step of the paper's size is 10 x as fast with autograd and 15 x by blocks as with seven ReLUs.

65,536 points, 3 x 300, float32, Adam. The reference is the public code's activation, seven ReLUs under
``torch.jit.script``, in a plain loop. Rows: that loop; the same loop with ``bw_relu``; what ``fit`` does by autograd
and by blocks; a sine and a Gaussian by blocks, which are to take at most 1.15 of the time (``beside_bw_relu``, the
median of ratios); and a ReLU network, for scale.

Premises, asserted: all give the same first loss to 1e-6, and at c = 1 both routes of ``fit`` the same three. At the
paper's c = 9 float32 puts a few of 60 million arguments on the other side of a kink, in any implementation, and Adam
makes a full step of a gradient that this turns round: later losses part.

Counted: a step multiplies 6 times for each weight and point, 71 GFLOP in all, and at least reads and writes 8 bytes for
each weight; the floor is that number over the rate of one large matrix product, measured in the same turn: the faster
of MKL's, which ``torch.mm`` takes, and oneDNN's, which is twice as fast on a processor of AMD. The plain
loop moves 0.9 GB of state to memory and back. ``peak_mib`` is what two steps take beyond data and parameters.

Each route has a process of its own and they take turns: what one leaves in the C library's memory helps no other.
"memory kept" is what the reference gains from that alone.
"""

import contextlib
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.measure import Goal, report
from relunb.book.data import photograph
from relunb.inr import CoordinateNetwork, ImageProblem, fit
from relunb.inr._run import Run
from relunb.ops import kept_memory
from relunb.ops._fused_mlp import _linear

REFERENCE, BLOCKS = "seven ReLUs, jit, loop", "bw_relu, fit by blocks"
WIDTH, SCALE, RATE = 300, 9.0, 4e-3
POINTS = 65_536
FLOP = 6 * POINTS * (2 * WIDTH + 2 * WIDTH**2 + WIDTH) - 2 * POINTS * 2 * WIDTH  # no gradient towards the points
CUDA = torch.cuda.is_available()


@torch.jit.script
def seven(x: Tensor, scale: float) -> Tensor:
    """The paper's Eq. (31) term by term, compiled as the public code compiles its own."""
    z = scale * x
    left = torch.relu(z) / 6 - 8 / 6 * torch.relu(z - 0.5) + 23 / 6 * torch.relu(z - 1)
    right = 23 / 6 * torch.relu(z - 2) - 8 / 6 * torch.relu(z - 2.5) + torch.relu(z - 3) / 6
    return left - 16 / 3 * torch.relu(z - 1.5) + right


class Seven(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return seven(x, SCALE)


def problem() -> ImageProblem:
    return ImageProblem(photograph("camera", shrink=2)).to("cuda" if CUDA else "cpu")


def network(activation: str = "bw_relu", reference: bool = False, scale: float | None = SCALE) -> CoordinateNetwork:
    torch.manual_seed(0)
    scale = None if activation == "relu" else scale
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


def fitted(
    net: nn.Module, what: ImageProblem, fused: bool | None = None, precision: str = "float32", compiled: bool = False
) -> Step:
    """One step of ``fit``."""
    run = Run(net, what, 1000, RATE, 0.1)
    run.choose_route(fused, precision, compiled)

    def step() -> float:
        loss, _ = run.evaluate(last=False)
        run.step()
        return loss.item()

    return step


def routes(what: ImageProblem) -> dict[str, tuple[Callable[[], Step], bool]]:
    """What makes each step, and whether it runs where freed memory is kept, as inside ``fit``."""
    found: dict[str, tuple[Callable[[], Step], bool]] = {
        REFERENCE: (lambda: loop(network(reference=True), what), False),
        "bw_relu, loop": (lambda: loop(network(), what), False),
        "bw_relu, fit by autograd": (lambda: fitted(network(), what, False), True),
        "ReLU network, loop": (lambda: loop(network("relu"), what), False),
    }
    if CUDA:
        for precision in ("float32", "tf32", "bfloat16"):
            name = f"bw_relu, compiled, {precision}"
            found[name] = (lambda p=precision: fitted(network(), what, False, p, True)), True
    else:
        for activation in ("bw_relu", "siren", "gauss"):
            name = f"{activation}, fit by blocks"
            found[name] = (lambda a=activation: fitted(network(a, scale=SCALE if a == "bw_relu" else None), what)), True
        found["bw_relu, bfloat16"] = (lambda: fitted(network(), what, False, "bfloat16")), True
        found["bw_relu, compiled"] = (lambda: fitted(network(), what, False, "float32", True)), True
        found["seven ReLUs, memory kept"] = (lambda: loop(network(reference=True), what)), True
    return found


def matrix_rate() -> float:
    """GFLOP/s of one large product, by the faster library."""
    size = 8192 if CUDA else 4096
    a = torch.randn(size, size, device="cuda" if CUDA else "cpu")
    seconds = []
    for product in (torch.mm, lambda a, b: _linear(a, b, None, torch.empty_like(a)))[: 1 if CUDA else 2]:
        _synchronize()
        start = time.perf_counter()
        product(a, a)
        _synchronize()
        seconds.append(time.perf_counter() - start)
    return 2e-9 * size**3 / min(seconds)


def _synchronize() -> None:
    if CUDA:
        torch.cuda.synchronize()


def serve(name: str, pipe: Connection) -> None:
    """In a process of its own: a first step with its loss and memory, then two steps for each request, timed."""
    what = problem()
    make, keep = routes(what)[name]
    fitted(
        CoordinateNetwork(2, 1, 8).to(what.coordinates.device),
        ImageProblem(torch.rand(8, 8)).to(what.coordinates.device),
    )()
    step, before = make(), _high_water()
    with kept_memory() if keep else contextlib.nullcontext():
        loss = step()
        step()
        pipe.send((loss, _high_water() - before))
        while pipe.recv():
            for _ in range(2):  # the first one warms up
                _synchronize()
                start = time.perf_counter()
                step()
                _synchronize()
                milliseconds = (time.perf_counter() - start) * 1e3
            pipe.send(milliseconds)


def _high_water() -> float:
    """The most memory that this process has had, in MiB."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return math.nan
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def goals() -> dict[str, Goal | list[Goal]]:
    if CUDA:
        return {}
    held: dict[str, Goal | list[Goal]] = {"bw_relu, fit by autograd": Goal("times_as_fast", least=10)}
    held[BLOCKS] = [Goal("times_as_fast", least=15), Goal("share_of_matrix_rate", least=0.65)]
    return held | {f"{name}, fit by blocks": Goal("beside_bw_relu", most=1.15) for name in ("siren", "gauss")}


def main() -> None:
    what = problem()
    pipes, losses, peaks = {}, {}, {}
    spawn = multiprocessing.get_context("spawn")
    for name in routes(what):
        pipes[name], theirs = spawn.Pipe()
        spawn.Process(target=serve, args=(name, theirs), daemon=True).start()
        losses[name], peaks[name] = pipes[name].recv()
        within = {"bfloat16": 0.05, "tf32": 5e-3}.get(name.split(", ")[-1], 1e-6)
        alike = name.startswith(("bw_relu", "seven"))
        assert not alike or abs(losses[name] / losses[REFERENCE] - 1) < within, (name, losses)
    if not CUDA:
        pair = [fitted(network(scale=1.0), what, fused) for fused in (True, False)]
        for blocks, autograd in ([step() for step in pair] for _ in range(3)):
            assert abs(blocks / autograd - 1) < 1e-6, (blocks, autograd)
    times: dict[str, list[float]] = {name: [] for name in pipes}
    rates = []
    for _ in tqdm(range(7), desc="turns", leave=False):
        rates.append(matrix_rate())
        for name, pipe in pipes.items():
            pipe.send(True)
            times[name].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    rate = statistics.median(rates)
    rows: dict[str, dict[str, Any]] = {}
    for name, values in times.items():
        median = statistics.median(values)
        ratios = [theirs / ours for ours, theirs in zip(values, times[REFERENCE], strict=True)]
        rows[name] = {
            "median_ms": median,
            "lowest_ms": min(values),
            "highest_ms": max(values),
            "times_as_fast": statistics.median(ratios),
            "gflop_s": FLOP / median * 1e-6,
            "share_of_matrix_rate": FLOP / median * 1e-6 / rate,
        }
        if not CUDA:
            besides = [theirs / ours for theirs, ours in zip(values, times[BLOCKS], strict=True)]
            rows[name] |= {"beside_bw_relu": statistics.median(besides), "peak_mib": peaks[name]}
    report(__file__, f"one step, {POINTS} points, 3 x {WIDTH}, float32, {FLOP * 1e-9:.1f} GFLOP", rows, goals())
    if CUDA:
        decibels = {}
        for precision in ("float32", "tf32", "bfloat16"):
            history = fit(network(), what, lr=RATE, precision=precision, compile=True, progress=False)
            decibels[precision] = {"psnr": history.psnr[-1], "seconds": history.seconds}
        report(__file__, "the whole fit of 1000 steps, compiled", decibels)


if __name__ == "__main__":
    main()
