"""What an activation costs on this machine, in units of ``torch.relu``."""

import statistics

import torch
from torch import Tensor
from torch.utils.benchmark import Timer

from ._finding import Finding
from ._subject import Subject

_TURNS, _SECONDS = 11, 0.004


def cost(subject: Subject) -> dict[str, Finding]:
    """Medians of the ratios in interleaved turns, on float32 tensors of 2^22 numbers and one thread."""
    x = torch.randn(2**22, generator=torch.Generator("cpu").manual_seed(0)).requires_grad_()
    note = "2^22 float32 numbers, one thread"
    forward = _ratio(*(_forward(f, x) for f in (subject.function, torch.relu)))
    found = {"cost_forward": Finding(forward, "measured", note)}
    with torch.enable_grad():
        y = subject.function(x.clone())
    if not y.requires_grad:
        return found | {"cost_backward": Finding(None, "", "it has no gradient")}
    backward = _ratio(*(_backward(f, x) for f in (subject.function, torch.relu)))
    return found | {"cost_backward": Finding(backward, "measured", note)}


def _forward(f, x: Tensor) -> Timer:
    code = "with torch.no_grad():\n    f(x)"
    return Timer(code, globals={"f": f, "x": x.detach().clone(), "torch": torch})


def _backward(f, x: Tensor) -> Timer:
    with torch.enable_grad():
        y = f(x.clone())
    names = {"y": y, "x": x, "g": torch.ones_like(y), "torch": torch}
    return Timer("torch.autograd.grad(y, x, g, retain_graph=True)", globals=names)


def _ratio(ours: Timer, base: Timer) -> float:
    once = max(ours.timeit(1).mean, 1e-7)
    runs = max(1, min(1000, round(_SECONDS / once)))
    ratios = [ours.timeit(runs).mean / base.timeit(runs).mean for _ in range(_TURNS)]
    return statistics.median(ratios)
