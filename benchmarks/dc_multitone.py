"""The exact DC of a thousand inputs: ours beside a sum of Bessel functions and beside random phases, with their errors.

Premise, asserted: ours holds 1e-9 against a reference with twice the points on every panel and eight times the terms of
every sum. The two others are what a user would write with SciPy or with nothing at all.

Goal: with its gradient at most twice the cost of the value.

Floor: four tones are 2^4 terms on 45 + 14 points, a few flops each, and 2 x 45 x 4 Bessel functions a row; sixty-four
tones are 16 points of a product of 64 Bessel functions, 1024 a row at about 20 multiply-adds each.
"""

import math

import numpy as np
import torch
from scipy.special import j0

from relunb.spectrum import _phase_mean as phase_mean
from relunb.spectrum import multitone_dc

from .measure import at_most, report, side_by_side

ROWS = 1000


def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    four = torch.rand(ROWS, 4, dtype=torch.float64, generator=generator)
    pairs = four.clone()
    pairs[:, 1] = pairs[:, 0] * (1 + 1e-6)
    pairs[:, 2:] *= 1e-3
    many = torch.rand(ROWS, 64, dtype=torch.float64, generator=generator)
    many[:, 1] = many[:, 0] * (1 + 1e-6)
    return {"4 tones": four, "4 tones, nearly equal pairs": pairs, "64 tones": many}


def bessel_sum(amplitudes: np.ndarray, terms: int) -> np.ndarray:
    """The Fourier series of |x| on the range of the signal, cut after a fixed number of terms."""
    reach = amplitudes.sum(-1, keepdims=True)
    k = np.arange(1, 2 * terms, 2)
    product = np.ones((len(amplitudes), terms))
    for i in range(amplitudes.shape[1]):
        product *= j0(amplitudes[:, i : i + 1] * k * np.pi / reach)
    return reach[:, 0] * (0.25 - 2 / np.pi**2 * (product / k**2).sum(-1))


def random_phases(amplitudes: torch.Tensor, draws: int = 2000) -> torch.Tensor:
    """The definition, by Monte Carlo: the mean of ReLU over random phases, one row at a time to bound the memory."""
    phases = 2 * math.pi * torch.rand(draws, amplitudes.shape[1], dtype=torch.float64)
    wave = torch.cos(phases)
    return torch.stack([(wave @ row).relu().mean() for row in amplitudes])


def reference(amplitudes: torch.Tensor) -> torch.Tensor:
    """More points everywhere: the same integral with nothing saved."""
    before = phase_mean._PANEL, phase_mean._ARC
    phase_mean._PANEL, phase_mean._ARC = 18, 28
    try:
        orders = [0] * amplitudes.shape[1]
        exact = phase_mean.phase_mean_integral(amplitudes, orders, None) / math.pi
    finally:
        phase_mean._PANEL, phase_mean._ARC = before
    if amplitudes.shape[1] > 4:
        exact = torch.from_numpy(bessel_sum(amplitudes.numpy(), 128))
    return exact


def main() -> None:
    for what, amplitudes in inputs().items():
        exact = reference(amplitudes)
        leaf = amplitudes.clone().requires_grad_()
        functions = {
            "multitone_dc": lambda a=amplitudes: multitone_dc(a),
            "with gradient": lambda a=leaf: torch.autograd.grad(multitone_dc(a).sum(), a),
            "1024 Bessel terms, SciPy": lambda a=amplitudes: bessel_sum(a.numpy(), 1024),
            "2000 random phases": lambda a=amplitudes: random_phases(a),
        }
        rows = side_by_side(functions, base="multitone_dc", runs=9)
        answers = {
            "multitone_dc": multitone_dc(amplitudes),
            "1024 Bessel terms, SciPy": torch.from_numpy(bessel_sum(amplitudes.numpy(), 1024)),
            "2000 random phases": random_phases(amplitudes),
        }
        for name, answer in answers.items():
            rows[name]["worst_relative_error"] = float((answer / exact - 1).abs().max())
        assert rows["multitone_dc"]["worst_relative_error"] < 1e-9, rows
        report(__file__, f"{ROWS} rows, {what}, float64", rows, {"with gradient": at_most("multitone_dc", 2.0)})


if __name__ == "__main__":
    main()
