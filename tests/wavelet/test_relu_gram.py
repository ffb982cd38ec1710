"""The ReLU Gram matrix, Eq. (12), and its condition number: Theorem 3.1 and the sharper K^4."""

import math
from fractions import Fraction as F

import mpmath as mp
import numpy as np
import pytest
import scipy.sparse as sparse
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, eigsh

from relunb.wavelet import relu_condition_number, relu_gram

BETA_1 = 1.8751040687119612  # cos b cosh b = -1, the first mode of a beam clamped at one end


def evenly_spaced(k: int) -> list[F]:
    return [F(-k + 2 * j, k) for j in range(k)]


def in_high_precision(k: int) -> float:
    """kappa from the exact Gram matrix, with 50 digits."""
    gram = relu_gram(evenly_spaced(k))
    with mp.workdps(50):
        matrix = mp.matrix(k, k)
        for i in range(k):
            for j in range(k):
                matrix[i, j] = mp.mpf(gram[i, j].numerator) / gram[i, j].denominator
        eigenvalues = mp.eigsy(matrix, eigvals_only=True)
        return float(eigenvalues[k - 1] / eigenvalues[0])


def by_a_sparse_pencil(k: int) -> float:
    """kappa by ARPACK: the largest eigenvalue of G and the largest of its sparse inverse, in the mesh values."""
    second = sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, -1, -2], shape=(k, k)).tocsc()
    fourth = (second.T @ second).tocsc()
    mass = sparse.diags_array([1.0, 4.0, 1.0], offsets=[-1, 0, 1], shape=(k, k)).tolil()
    mass[-1, -1] = 2.0
    mass = mass.tocsc()

    def four_sums(x):  # the inverse of the fourth differences; a factorisation would lose the digits that matter
        back = x[::-1].cumsum().cumsum()[::-1]
        return back.cumsum().cumsum()

    inverse = LinearOperator((k, k), matvec=four_sums, dtype=float)
    (smallest,) = eigsh(fourth, k=1, M=mass, sigma=0.0, OPinv=inverse, return_eigenvectors=False)
    (largest,) = eigsh(fourth, k=1, M=mass, sigma=8.0, return_eigenvectors=False)  # 8 is above all, and the limit
    return float(largest / smallest)


@settings(deadline=None)  # a busy machine is no fault
@given(st.lists(st.fractions(min_value=-2, max_value=F(3, 2), max_denominator=8), min_size=1, max_size=5))
def test_the_closed_form_is_the_integral(biases):
    exact = relu_gram(biases)
    for i, b in enumerate(biases):
        for j, c in enumerate(biases):
            start = max(b, c, F(-1))

            def cubic(x, b=b, c=c):
                return x**3 / 3 - (b + c) * x**2 / 2 + b * c * x

            assert exact[i, j] == (cubic(F(1)) - cubic(start) if start < 1 else 0)
    floating = relu_gram(torch.tensor([float(b) for b in biases], dtype=torch.float64))
    np.testing.assert_allclose(floating.numpy(), exact.astype(float), atol=1e-14)


def test_exact_numbers_keep_their_kind():
    assert all(type(entry) is F for entry in relu_gram([-1, 0, 2, -3]).flat)
    of_sympy = relu_gram([sp.Rational(1, 3), sp.Integer(-1), sp.Integer(4)])
    assert all(isinstance(entry, sp.Rational) for entry in of_sympy.flat)
    assert (of_sympy == relu_gram([F(1, 3), -1, 4])).all()


def test_batches_dtypes_and_gradients():
    biases = torch.tensor([[-0.9, -0.2, 0.4], [-1.7, 0.0, 1.3]], dtype=torch.float64, requires_grad=True)
    gram = relu_gram(biases)
    assert gram.shape == (2, 3, 3)
    torch.testing.assert_close(gram[1], relu_gram(biases[1]))
    assert torch.equal(gram[1, 2], torch.zeros(3, dtype=torch.float64)), "a bias above 1 is a dead neuron"
    assert torch.autograd.gradcheck(relu_gram, biases) and torch.autograd.gradgradcheck(relu_gram, biases)
    assert relu_gram(torch.tensor([0.5, 0.25])).dtype == torch.float32
    assert relu_gram([0.5, 0.25]).dtype == torch.float64


@pytest.mark.parametrize(
    ("k", "kappa"),
    [(1, 1.0), (8, 17971.36), (16, 278053.3), (32, 4291771.5), (64, 67039034.5)],
)
def test_known_condition_numbers(k, kappa):
    assert relu_condition_number(k) == pytest.approx(kappa, rel=6e-7)


@pytest.mark.parametrize("k", [2, 3, 4, 5, 7, 10, 33, 64])
def test_the_secular_equation_agrees_with_exact_arithmetic(k):
    assert relu_condition_number(k) == pytest.approx(in_high_precision(k), rel=1e-13)


def test_it_agrees_with_a_sparse_eigenvalue_routine_where_dense_ones_fail():
    k = 4096
    assert relu_condition_number(k) == pytest.approx(by_a_sparse_pencil(k), rel=1e-6)
    assert relu_condition_number(65_536) == pytest.approx(7.1626331e19, rel=1e-8)  # Lanczos and a sparse LU, once


def test_theorem_3_1_is_not_tight_kappa_grows_with_the_fourth_power():
    widths = [2**n for n in range(4, 24)]
    ratios = [relu_condition_number(k) / k**4 for k in widths]
    limit = 48 / BETA_1**4
    assert limit == pytest.approx(3.8827527204856, abs=1e-12)
    gaps = [ratio - limit for ratio in ratios]
    assert all(gap > 0 for gap in gaps)
    assert ratios[-1] == pytest.approx(limit, rel=3e-7)
    orders = [math.log2(a / b) for a, b in zip(gaps[8:16], gaps[9:17], strict=True)]
    assert orders == pytest.approx([1.0] * 8, abs=5e-3), "the gap closes like 1/K"


def test_both_sides_hold_for_every_width():
    for k in (*range(2, 200), 1000, 65_536, 10**6):
        assert 2.4 * k**4 < relu_condition_number(k) < 4 * k**2 * (k + 1) ** 2


def test_any_biases_have_an_eigenvalue_below_the_three_point_bound():
    generator = torch.Generator().manual_seed(0)
    for k in (3, 5, 9, 24):
        biases = (2 * torch.rand(50, k, dtype=torch.float64, generator=generator) - 1).sort(-1).values
        smallest = torch.linalg.eigvalsh(relu_gram(biases))[..., 0]
        assert (smallest <= 8 / 9 / (k - 2) ** 3 * (1 + 1e-9)).all()


@pytest.mark.parametrize(("k", "error"), [(0, ValueError), (-3, ValueError), (2.0, TypeError), (True, TypeError)])
def test_bad_widths_are_refused(k, error):
    with pytest.raises(error, match="k must be"):
        relu_condition_number(k)


def test_bad_biases_are_refused():
    with pytest.raises(ValueError, match=r"biases must have a dimension.*Use \[b\]"):
        relu_gram(0.5)
    with pytest.raises(ValueError, match="biases is empty"):
        relu_gram([])
    with pytest.raises(ValueError, match="biases has 1 non-finite value; the first is at"):
        relu_gram([0.0, math.inf])


# Scales, ties and sizes


def test_ties_and_biases_on_the_ends():
    """Equal biases, and biases on -1 and on 1: the derivative towards b_i is the one that the integral has."""
    given = [F(-2), F(-1), F(-1), F(0), F(0), F(1), F(3)]
    biases = torch.tensor([float(b) for b in given], dtype=torch.float64, requires_grad=True)
    gram = relu_gram(biases)
    np.testing.assert_allclose(gram.detach().numpy(), relu_gram(given).astype(float), atol=1e-15)
    small = F(1, 10**9)
    for i, b in enumerate(given):
        (gradient,) = torch.autograd.grad(gram.sum(), biases, retain_graph=True)
        above, below = (relu_gram([*given[:i], b + sign * small, *given[i + 1 :]]).sum() for sign in (1, -1))
        assert gradient[i].item() == pytest.approx(float((above - below) / (2 * small)), abs=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_biases_of_any_size(dtype):
    held = torch.finfo(dtype)
    far = math.sqrt(held.max) / 4
    given = [held.max, far, 1.0, 0.0, -held.tiny, -far]
    biases = torch.tensor(given, dtype=dtype, requires_grad=True)
    gram = relu_gram(biases)
    exact = relu_gram([F(b) for b in biases.tolist()]).astype(float)
    np.testing.assert_allclose(gram.detach().double().numpy(), exact, rtol=8 * held.eps, atol=held.tiny)
    (gradient,) = torch.autograd.grad(gram.sum(), biases)
    assert gradient.isfinite().all()
    with pytest.raises(ValueError, match="Gram matrix of these biases has 1 non-finite value"):
        relu_gram(torch.tensor([0.0, -held.max / 2], dtype=dtype)[1:])


def test_integers_of_numpy_stay_exact():
    assert (relu_gram([np.int64(-1), np.int64(0)]) == relu_gram([-1, 0])).all()
    assert type(relu_gram([np.int64(-1)])[0, 0]) is F


def test_too_many_are_refused_before_anything_is_made():
    with pytest.raises(ValueError, match="1,000,000 biases.*at most 268,435,456 are built"):
        relu_gram(torch.zeros(1).expand(10**6))
    with pytest.raises(ValueError, match="k must be at most 8e76"):
        relu_condition_number(10**78)
    with pytest.raises(ValueError, match="k must be at most 8e76"):
        relu_condition_number(10**5000)


@pytest.mark.parametrize("k", [10**6, 10**8, 10**8 + 1, 10**12, 10**18, 10**50, 8 * 10**76])
def test_any_number_of_neurons(k):
    """The gap to the limit closes like 1/k: 7.7653 / k, from widths where both agree."""
    limit = 48 / BETA_1**4 + 7.7655 / k
    assert relu_condition_number(k) / float(k) ** 4 == pytest.approx(limit, rel=2e-12 + 10 / k**2)
