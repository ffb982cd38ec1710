"""The exact numbers: knots, weights, values, and the seven ReLUs that they make."""

from fractions import Fraction
from pathlib import Path

import torch

from relunb.wavelet import KNOTS, VALUES, WEIGHTS, seven_relus


def psi_exact(u: Fraction) -> Fraction:
    return sum((w * max(u - k, Fraction(0)) for k, w in zip(KNOTS, WEIGHTS, strict=True)), Fraction(0))


def test_values_are_the_seven_relus_at_the_knots():
    assert tuple(psi_exact(k) for k in KNOTS) == VALUES


def test_weights_have_no_mass_and_no_first_moment_so_psi_vanishes_on_the_right():
    assert sum(WEIGHTS) == 0
    assert sum(w * k for k, w in zip(KNOTS, WEIGHTS, strict=True)) == 0
    assert psi_exact(Fraction(1000)) == 0


def test_total_variation_of_the_slope_is_sixteen():
    assert sum(abs(w) for w in WEIGHTS) == 16


def test_psi_is_even_about_three_halves():
    assert WEIGHTS == WEIGHTS[::-1]
    assert VALUES == VALUES[::-1]


def test_seven_relus_match_the_exact_knot_values():
    knots = torch.tensor([float(k) for k in KNOTS], dtype=torch.float64)
    values = torch.tensor([float(v) for v in VALUES], dtype=torch.float64)
    torch.testing.assert_close(seven_relus(knots), values, rtol=0, atol=4e-15)
    torch.testing.assert_close(seven_relus(knots / 5, scale=5.0), values, rtol=0, atol=4e-15)


def test_seven_relus_lose_six_eps_times_x_off_the_support():
    """BW.1: the rounding that the folded form is there to avoid. The error must be seen, and be of that size."""
    eps = torch.finfo(torch.float32).eps
    for size in (10.0, 1e3, 1e6):
        x = torch.linspace(size / 2, size, 100_001)
        worst = seven_relus(x).abs().max().item()
        assert 2 * eps * size < worst < 12 * eps * size


def test_the_reference_page_prints_these_numbers():
    page = (Path(__file__).parents[2] / "book" / "reference" / "api.md").read_text(encoding="utf8")
    for name, numbers in (("KNOTS", KNOTS), ("WEIGHTS", WEIGHTS), ("VALUES", VALUES)):
        described = page.split(f"py:data:: relunb.wavelet.{name}")[1].split(".. py:data")[0]
        assert ", ".join(str(number) for number in numbers) in described
