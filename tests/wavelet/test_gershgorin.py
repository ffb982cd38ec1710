"""Gershgorin's circle theorem, Theorem B.1."""

from fractions import Fraction as F

import numpy as np
import pytest
import sympy as sp
import torch

from relunb.wavelet import gershgorin_interval, wavelet_gram


def test_the_dyadic_systems_discs_are_those_of_the_proof():
    interval, discs = gershgorin_interval(wavelet_gram(4, exact=True))
    assert interval == (F(8, 81), F(19, 81))
    assert set(discs.centers) == {F(1, 6)} and max(discs.radii) == F(11, 162)
    assert interval[1] / interval[0] == F(19, 8)


def test_tensors_agree_with_exact_numbers():
    exact, floating = gershgorin_interval(wavelet_gram(3, exact=True)), gershgorin_interval(wavelet_gram(3))
    torch.testing.assert_close(
        torch.stack(floating.interval), torch.tensor([float(v) for v in exact.interval]).double()
    )
    torch.testing.assert_close(floating.discs.radii, torch.tensor([float(v) for v in exact.discs.radii]).double())


def test_every_eigenvalue_lies_in_a_disc_of_a_matrix_that_is_not_symmetric():
    matrix = torch.randn(40, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (low, high), (centers, radii) = gershgorin_interval(matrix)
    eigenvalues = torch.linalg.eigvals(matrix)
    distance = (eigenvalues[..., :, None] - centers[..., None, :]).abs()
    assert ((distance <= radii[..., None, :] + 1e-12).any(-1)).all()
    assert (eigenvalues.real >= low[:, None] - 1e-12).all() and (eigenvalues.real <= high[:, None] + 1e-12).all()


def test_a_row_counts_absolute_values_and_leaves_the_diagonal_out():
    matrix = [[-3.0, 1.0, -2.0], [0.5, 5.0, 0.0], [1.0, 1.0, 0.0]]
    exact = np.array([[F(entry) for entry in row] for row in matrix], dtype=object)
    for given in (matrix, np.array(matrix), torch.tensor(matrix), exact):
        (low, high), (centers, radii) = gershgorin_interval(given)
        assert centers.tolist() == [-3, 5, 0] and radii.tolist() == [3, 0.5, 2]
        assert (float(low), float(high)) == (-6, 5.5)


def test_a_sympy_matrix_stays_exact():
    interval, _ = gershgorin_interval(sp.Matrix([[sp.Rational(1, 3), -sp.sqrt(2)], [1, 2]]))
    assert interval == (sp.Rational(1, 3) - sp.sqrt(2), 3)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"square, \(n, n\); got the shape \(2, 3\)"):
        gershgorin_interval(torch.ones(2, 3))
    with pytest.raises(ValueError, match="square"):
        gershgorin_interval(np.array([F(1), F(2)], dtype=object))
    with pytest.raises(ValueError, match=r"matrix has 1 non-finite value; the first is at \(0, 1\)"):
        gershgorin_interval(torch.tensor([[1.0, torch.nan], [0.0, 1.0]]))
    with pytest.raises(TypeError, match="matrix must be real"):
        gershgorin_interval(torch.eye(2, dtype=torch.complex64))


def test_any_scale_and_our_own_choice_at_a_tie():
    matrix = torch.tensor([[1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.5]], dtype=torch.float64)
    for scale in (1e-300, 1.0, 1e300):
        (low, high), (_, radii) = gershgorin_interval(scale * matrix)
        assert (low.item(), high.item()) == (0, 2 * scale) and radii.tolist() == [scale, scale, 0]
    leaf = matrix.clone().requires_grad_()
    (low, high), _ = gershgorin_interval(leaf)
    (gradient,) = torch.autograd.grad(high - low, leaf)
    assert gradient.tolist() == [[0, -2, 0], [0, 0, 0], [0, 0, 0]], "of the first disc alone"


@pytest.mark.parametrize(
    ("matrix", "error", "words"),
    [
        (np.zeros((0, 0), dtype=object), ValueError, r"exact matrix must be square.*\(0, 0\)"),
        (np.full((2, 2, 2), F(1), dtype=object), ValueError, "exact matrix must be square"),
        (sp.Matrix([[sp.Symbol("x"), 1], [1, 1]]), TypeError, "matrix must have real numbers; got x"),
        (sp.Matrix([[sp.I, 1], [1, 1]]), TypeError, "matrix must have real numbers; got I"),
        (np.array([[F(1), None], [F(1), F(2)]], dtype=object), TypeError, "real numbers; got None"),
        (np.array([[F(1), float("nan")], [F(1), F(2)]], dtype=object), ValueError, "non-finite entry: nan"),
        ([[1.0, 2.0], [3.0]], TypeError, "matrix must be a number, a list of numbers or a tensor"),
        ("ab", TypeError, "matrix must be"),
    ],
)
def test_a_mistake_about_exact_entries_gets_a_sentence(matrix, error, words):
    with pytest.raises(error, match=words):
        gershgorin_interval(matrix)
