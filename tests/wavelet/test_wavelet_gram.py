"""The dyadic system and its Gram matrix: Theorem 3.3, and what is sharper."""

import math
import time
from fractions import Fraction as F

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.linalg import eigvals_banded
from sympy.polys.matrices import DomainMatrix

from relunb.wavelet import (
    bw_relu,
    dyadic_system,
    inner_product,
    toeplitz_symbol,
    wavelet_condition_number,
    wavelet_fourier,
    wavelet_gram,
)
from tests.tolerance import DEVICES

SHIFTS = ("paper", "interior", "all")


def by_inner_products(levels: int, shifts: str) -> np.ndarray:
    """The Gram matrix entry by entry, with no use of its structure; not normalized."""
    system = dyadic_system(levels, shifts)
    scales = [F(3, 2) * 2**j for j in system.level.tolist()]
    biases = [k - scale for k, scale in zip(system.shift.tolist(), scales, strict=True)]
    neurons = list(zip(scales, biases, strict=True))
    return np.array([[inner_product(*one, *other) for other in neurons] for one in neurons], dtype=object)


@pytest.mark.parametrize("shifts", SHIFTS)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_the_structure_is_that_of_all_inner_products(levels, shifts):
    exact = wavelet_gram(levels, shifts, normalized=False, exact=True)
    assert (exact == by_inner_products(levels, shifts)).all()


@pytest.mark.parametrize("shifts", SHIFTS)
def test_tensors_agree_with_exact_entries(shifts):
    exact = wavelet_gram(4, shifts, normalized=False, exact=True).astype(float)
    np.testing.assert_allclose(wavelet_gram(4, shifts, normalized=False).numpy(), exact, rtol=1e-15)
    root = 2.0 ** (dyadic_system(4, shifts).level.numpy() / 2)
    np.testing.assert_allclose(wavelet_gram(4, shifts).numpy(), root[:, None] * exact * root, rtol=1e-15)
    if shifts != "all":
        np.testing.assert_allclose(wavelet_gram(4, shifts, exact=True).astype(float), wavelet_gram(4, shifts).numpy())


def test_the_blocks_are_toeplitz_with_the_papers_two_overlaps():
    gram = wavelet_gram(5, exact=True)
    system = dyadic_system(5)
    for a, (j, k) in enumerate(zip(*map(torch.Tensor.tolist, system), strict=True)):
        for b, (i, m) in enumerate(zip(*map(torch.Tensor.tolist, system), strict=True)):
            overlap = {0: F(1, 6), 1: F(5, 162), 2: F(-1, 324)}.get(abs(k - m), 0) if i == j else 0
            assert gram[a, b] == overlap


@pytest.mark.parametrize(
    ("shifts", "size", "inside"),
    [("paper", lambda J: 2**J - 1, True), ("interior", lambda J: 3 * (2**J - 1) - 2 * J, True)]
    + [("all", lambda J: 3 * (2**J - 1) + 2 * J, False)],
)
def test_sizes_and_supports(shifts, size, inside):
    for levels in (1, 2, 5):
        level, shift = dyadic_system(levels, shifts)
        assert len(level) == len(shift) == size(levels)
        left, right = shift / 2.0**level, (shift + 3) / 2.0**level  # in t = 3/2 (x + 1), which runs over [0, 3]
        assert ((left >= 0) & (right <= 3)).all() if inside else ((left < 3) & (right > 0)).all()
        if shifts != "paper":  # and none is left out
            outside = torch.arange(-4, 3 * 2 ** (levels - 1) + 4) if levels else None
            fine = 2.0 ** (levels - 1)
            fits = (outside >= 0) & (outside + 3 <= 3 * fine) if inside else (outside < 3 * fine) & (outside + 3 > 0)
            assert shift[level == levels - 1].tolist() == outside[fits].tolist()


def test_the_form_scale_x_minus_bias_is_the_papers_neuron():
    level, shift = dyadic_system(3, "all")
    x = torch.linspace(-1, 1, 101, dtype=torch.float64)
    papers = 2 ** (level[:, None] / 2) * bw_relu(2.0 ** level[:, None] * 1.5 * (x + 1) - shift[:, None])
    scale = 1.5 * 2.0**level
    ours = 2 ** (level[:, None] / 2) * bw_relu(scale[:, None] * x - (shift - scale)[:, None])
    torch.testing.assert_close(papers, ours, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("levels", "rank"), [(1, 5), (2, 11), (3, 23), (4, 47)])
def test_all_translates_have_the_rank_of_the_splines_less_two(levels, rank):
    gram = wavelet_gram(levels, "all", normalized=False, exact=True)
    assert DomainMatrix.from_Matrix(sp.Matrix(gram)).to_field().rank() == rank == 3 * 2**levels - 1
    assert (wavelet_condition_number(levels, "all") == math.inf) == (rank < len(gram))


def test_exact_condition_numbers_of_one_two_and_three_levels():
    r106, r146 = math.sqrt(106), math.sqrt(146)
    assert wavelet_condition_number(1) == 1
    assert wavelet_condition_number(2) == pytest.approx(16 / 11, rel=1e-15)
    assert wavelet_condition_number(3) == pytest.approx((59 + r106) / (49 - r146), rel=1e-15)
    block = sp.Matrix(wavelet_gram(3, exact=True))[3:, 3:]
    z = sp.Symbol("z")
    lower, upper = (sp.Rational(49) - sp.sqrt(146)) / 324, (sp.Rational(59) + sp.sqrt(106)) / 324
    for eigenvalue in (lower, upper):
        assert sp.expand(block.charpoly(z).as_expr().subs(z, eigenvalue)) == 0


@pytest.mark.parametrize(
    ("levels", "kappa"),
    [(4, 2.1182417), (5, 2.2110804), (6, 2.2394843), (7, 2.2472730), (8, 2.2493061), (9, 2.2498250), (10, 2.2499561)]
    + [(11, 2.2499890), (12, 2.2499972)],
)
def test_known_condition_numbers(levels, kappa):
    assert wavelet_condition_number(levels) == pytest.approx(kappa, abs=6e-8)


def test_known_condition_numbers_of_the_other_shifts():
    interior = [wavelet_condition_number(levels, "interior") for levels in (2, 3, 4, 5)]
    assert interior == pytest.approx([1.8771, 2.1597, 2.2285, 2.2448], abs=6e-5)
    assert wavelet_condition_number(1, "interior") == 1
    assert wavelet_condition_number(1, "all") == pytest.approx(9.0928, abs=6e-5)


@pytest.mark.parametrize("shifts", ["paper", "interior"])
def test_the_secular_equation_agrees_with_dense_and_banded_eigenvalues(shifts):
    for levels in range(1, 8):
        spectrum = np.linalg.eigvalsh(wavelet_gram(levels, shifts).numpy())
        assert wavelet_condition_number(levels, shifts) == pytest.approx(spectrum[-1] / spectrum[0], rel=1e-13)
    size = 2**11 if shifts == "paper" else 3 * 2**11 - 2
    bands = np.array([[1 / 6], [5 / 162], [-1 / 324]]) * np.ones(size)
    low = eigvals_banded(bands, lower=True, select="i", select_range=(0, 0))
    high = eigvals_banded(bands, lower=True, select="i", select_range=(size - 1, size - 1))
    assert wavelet_condition_number(12, shifts) == pytest.approx(float(high[0] / low[0]), rel=1e-12)


def test_theorem_3_3_sharper_it_stays_below_nine_quarters_and_tends_to_it_like_n_to_the_minus_two():
    kappas = [wavelet_condition_number(levels) for levels in range(1, 21)]
    assert all(a < b < 9 / 4 for a, b in zip(kappas, kappas[1:], strict=False))
    gaps = [(9 / 4 - kappas[levels - 1]) * 4 ** (levels - 1) for levels in (12, 13, 14, 15, 16)]
    constant = 75 / 64 * math.pi**2
    errors = [1 - gap / constant for gap in gaps]
    assert errors[-1] == pytest.approx(0, abs=1e-4)
    assert [a / b for a, b in zip(errors, errors[1:], strict=False)] == pytest.approx([2] * 4, rel=1e-2)
    assert wavelet_condition_number(500) == 9 / 4


def test_twenty_levels_take_no_time():
    start = time.process_time()
    wavelet_condition_number(20)
    assert time.process_time() - start < 2, "a million neurons without a matrix"


def test_the_symbol_bounds_every_block_and_is_monotone():
    theta = torch.linspace(0, math.pi, 1001, dtype=torch.float64)
    symbol = toeplitz_symbol(theta)
    assert (symbol.diff() < 0).all()
    assert symbol[0].item() == pytest.approx(2 / 9, rel=1e-15) and symbol[-1].item() == pytest.approx(8 / 81, rel=1e-15)
    spectrum = torch.linalg.eigvalsh(wavelet_gram(8))
    assert spectrum[0] > 8 / 81 and spectrum[-1] < 2 / 9
    fourier_series = 1 / 6 + 2 * 5 / 162 * theta.cos() - 2 / 324 * (2 * theta).cos()
    torch.testing.assert_close(symbol, fourier_series, rtol=1e-14, atol=0)


def test_the_symbol_is_the_periodised_power_spectrum_of_psi():
    theta = torch.linspace(-3, 3, 7, dtype=torch.float64)
    turns = 2 * math.pi * torch.arange(-3000, 3001, dtype=torch.float64)
    power = wavelet_fourier(theta[:, None] + turns).abs().square().sum(-1)
    torch.testing.assert_close(toeplitz_symbol(theta), 2 / 3 * power, rtol=1e-9, atol=0)


def test_the_symbol_is_differentiable_and_keeps_float32():
    theta = torch.tensor([0.3, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(toeplitz_symbol, theta)
    assert toeplitz_symbol(torch.tensor(1.0)).dtype == torch.float32


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dtype_and_device_are_the_callers(device, dtype):
    gram = wavelet_gram(3, "all", dtype=dtype, device=device)
    assert gram.dtype == dtype and gram.device.type == device
    torch.testing.assert_close(gram.cpu().double(), wavelet_gram(3, "all"), rtol=1e-2, atol=1e-3)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="shifts must be one of 'paper', 'interior', 'all'; got 'papers'"):
        wavelet_gram(2, "papers")
    with pytest.raises(ValueError, match="shifts must be one of"):
        wavelet_condition_number(2, "some")
    with pytest.raises(ValueError, match="levels must be at least 1; got 0"):
        wavelet_condition_number(0)
    with pytest.raises(TypeError, match="levels must be an integer"):
        dyadic_system(2.5)
    with pytest.raises(ValueError, match=r"at most 14: no more than 16,384 neurons.*got 20.*wavelet_condition_number"):
        wavelet_gram(20)
    with pytest.raises(ValueError, match="levels must be at most 24"):
        dyadic_system(100)
    with pytest.raises(ValueError, match=r"square root of 2.*normalized=False"):
        wavelet_gram(2, "all", exact=True)
    with pytest.raises(TypeError, match=r"dtype must be a floating-point torch.dtype; got torch\.int64"):
        wavelet_gram(2, dtype=torch.int64)


@pytest.mark.parametrize("levels", [25, 60, 10**9, 10**5000], ids=["25", "60", "1e9", "1e5000"])
def test_too_many_neurons_are_refused_before_anything_is_made(levels):
    with pytest.raises(ValueError, match="levels must be at most 24: no more than 16,777,216 neurons are listed"):
        dyadic_system(levels)
    with pytest.raises(ValueError, match="levels must be at most 14: no more than 16,384 neurons fit into a matrix"):
        wavelet_gram(levels, exact=True)
    assert wavelet_condition_number(levels) == pytest.approx(9 / 4)
    for shifts in ("interior", "all"):
        with pytest.raises(ValueError, match="levels must be at most 22"):
            dyadic_system(levels, shifts)


def test_a_dtype_must_be_one():
    for dtype in ("float32", float, torch.int64, torch.complex64):
        with pytest.raises(TypeError, match="dtype must be a floating-point torch.dtype"):
            wavelet_gram(2, dtype=dtype)
