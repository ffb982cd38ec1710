"""Values from one input, pattern from another: formulas, derivatives, where it jumps, and what is refused."""

import math
from typing import Any

import pytest
import torch

from relunb.iat import IAT, Fourier, Mixed, RectWavelet, activation_matrix, activation_pattern
from relunb.iat._bases import BASES
from relunb.iat._decoupled import DecoupledIAT
from tests.iat.inputs import normal

UNTYPED: Any = DecoupledIAT
# Input, output and pattern basis: continuous and not, local and global, alike and not.
TRIPLES = [
    ("fourier", "pwq", "fourier"),
    ("pwl", "rect", "fourier"),
    ("pwq", "pwl", "pwl"),
    ("rect", "fourier", "pwq"),
    ("pwl-w", "rect-w", "pwl-w"),
]


def generic(names, *, samples=3):
    """A layer with 5 values, 6 numbers for the pattern and 4 outputs, and input at which every root is simple."""
    return DecoupledIAT(5, 6, 4, *names), normal(samples, 5), normal(samples, 6, seed=1)


@pytest.mark.parametrize("output_basis", BASES)
@pytest.mark.parametrize("input_basis", BASES)
def test_with_its_own_state_it_is_iat_relu_in_values_and_gradient(input_basis, output_basis):
    x, grad = normal(20, 6).requires_grad_(), normal(20, 5, seed=1)
    expected = IAT(6, 5, input_basis, output_basis)(x)
    y = DecoupledIAT(6, None, 5, input_basis, output_basis)(x, x)
    torch.testing.assert_close(y, expected, rtol=0, atol=2e-14)
    torch.testing.assert_close(*(torch.autograd.grad(v, x, grad) for v in (y, expected)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("names", TRIPLES)
def test_it_is_the_integral_over_the_pattern(names):
    """The midpoint rule, coded here, with 200,000 nodes: an error of a node for each root and jump."""
    layer, x, u = generic(names)
    s = (torch.arange(200_000, dtype=torch.float64) * 2 + 1) / 200_000 - 1
    active = (layer.pattern_basis(s) @ u.mT > 0).mT
    weighted = active * (x @ layer.input_basis(s).mT) * 1e-5
    expected = weighted @ (layer.output_basis(s) / layer.output_basis.l1_norms)
    torch.testing.assert_close(layer(x, u), expected, rtol=0, atol=2e-4)
    pattern = activation_pattern(u, layer.pattern_basis)
    matrix = activation_matrix(pattern, layer.input_basis, layer.output_basis)
    torch.testing.assert_close(layer(x, u), (matrix @ x[..., None]).squeeze(-1), rtol=0, atol=1e-14)


@pytest.mark.parametrize("names", TRIPLES)
def test_the_derivative_in_the_pattern_is_a_sum_over_its_roots(names):
    """sum over the roots s of q(s) (p(s)^T x) r(s)^T / |r'(s)^T u|."""
    layer, x, u = generic(names)
    jacobian = torch.autograd.functional.jacobian(lambda u: layer(x, u).sum(0), u)
    for sample in range(3):
        s = activation_pattern(u[sample], layer.pattern_basis).roots.detach()
        assert len(s), "a pattern without roots checks nothing"
        r, slope = layer.pattern_basis(s), layer.pattern_basis.derivative(s) @ u[sample]
        q = layer.output_basis(s) / layer.output_basis.l1_norms
        weight = layer.input_basis(s) @ x[sample] / slope.abs()
        torch.testing.assert_close(
            jacobian[:, sample], torch.einsum("k,ki,kj->ij", weight, q, r), rtol=1e-11, atol=1e-12
        )


def test_rectangles_have_no_derivative_in_the_pattern():
    layer, x, u = generic(("pwq", "pwl", "rect"))
    u.requires_grad_()
    assert torch.equal(torch.autograd.grad(layer(x, u).sum(), u)[0], torch.zeros_like(u))


def test_it_is_homogeneous_of_degree_zero_in_the_pattern():
    layer, x, u = generic(("fourier", "pwq", "fourier"))
    y = lambda u: layer(x[0], u).sum()  # noqa: E731
    torch.testing.assert_close(torch.func.hessian(y)(u[0]) @ u[0], -torch.func.grad(y)(u[0]))


def test_one_rectangle_jumps_where_its_pattern_changes_its_sign():
    """y = x for u = x - 1 > 0, else 0: from 0 to 1 at x = 1."""
    layer = DecoupledIAT(1, input_basis="rect", output_basis="rect")
    x = torch.tensor([[1 - 1e-12], [1.0], [1 + 1e-12]], dtype=torch.float64)
    torch.testing.assert_close(layer(x, x - 1), torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64))


def test_an_analytic_pattern_jumps_where_its_state_is_zero():
    """u = t v turns from D to its complement at t = 0: from (G - A) x to A x, and 0 at u = 0 itself."""
    layer, v, x = DecoupledIAT(4, input_basis="fourier", output_basis="pwl"), normal(4), normal(4, seed=1)
    bases = layer.input_basis, layer.output_basis
    A = activation_matrix(activation_pattern(v, "fourier"), *bases)
    G = A + activation_matrix(activation_pattern(-v, "fourier"), *bases)
    t = torch.tensor([[-1e-9], [0.0], [1e-9]], dtype=torch.float64)
    below, at, above = layer(x, t * v)
    torch.testing.assert_close(below - above, (G - 2 * A) @ x, rtol=0, atol=1e-14)
    assert (below - above).abs().max() > 0.1
    assert torch.equal(at, torch.zeros_like(at))


@pytest.mark.parametrize("basis", ["pwl", "pwq", "fourier"])
def test_it_is_continuous_where_no_piece_of_the_state_vanishes(basis):
    """Also where one number in u changes its sign; steps of 1e-7 there move y by less than 1e-6."""
    layer, x = DecoupledIAT(6, input_basis="pwq", output_basis="pwl", pattern_basis=basis), normal(6)
    u = torch.tensor([1.0, -0.5, 0.0, 0.8, -1.2, 0.6], dtype=torch.float64)
    steps = torch.linspace(-1e-7, 1e-7, 3, dtype=torch.float64)[:, None] * torch.eye(6, dtype=torch.float64)[2]
    y = layer(x, u + steps)
    assert 0 < (y - y[1]).abs().max() < 1e-6


def test_hats_jump_where_two_neighbours_vanish():
    """[1, 1, e, e, 1, 1] at e = 0: a whole cell, and no measure on one side of it."""
    layer, x = DecoupledIAT(6, input_basis="pwq", output_basis="pwl", pattern_basis="pwl"), normal(6)
    e = torch.tensor([-1e-12, 1e-12], dtype=torch.float64)
    ones = torch.ones_like(e)
    below, above = layer(x, torch.stack([ones, ones, e, e, ones, ones], -1))
    assert (above - below).abs().max() > 0.05


def test_at_a_double_root_it_is_hoelder_one_half():
    """cos(pi s) + (1 + e) cos(2 pi s) touches zero at the ends; for e > 0 D gains sqrt(2 e / (3 pi^2)) at each."""
    layer, x = DecoupledIAT(4, output_basis="pwl"), normal(4)
    e = 10.0 ** -torch.arange(4, 11, dtype=torch.float64)
    u = torch.stack([torch.ones_like(e), 0 * e, 1 + e, 0 * e], -1)
    change = layer(x, u) - layer(x, torch.tensor([1.0, 0, 1, 0], dtype=torch.float64))
    end, width = torch.ones(1, dtype=torch.float64), (2 * e / (3 * math.pi**2)).sqrt()[:, None]
    q = (layer.output_basis(end) + layer.output_basis(-end)) / layer.output_basis.l1_norms
    leading = width * (layer.input_basis(end) @ x) * q
    assert ((change - leading).abs() < 100 * width**2).all() and (leading.norm(dim=-1) > width[:, 0]).all()
    rate = (change[-3].norm() / change[-1].norm()).log10().item() / 2
    assert rate == pytest.approx(0.5, abs=1e-3)


def test_a_pattern_serves_as_well_as_the_numbers_it_comes_from():
    layer, x, u = generic(("pwl", "pwq", "fourier"))
    u.requires_grad_()
    pattern = activation_pattern(u, Fourier(6))
    assert torch.equal(layer(x, pattern), layer(x, u))
    grads = [torch.autograd.grad(layer(x, given).sum(), u)[0] for given in (pattern, u)]
    assert torch.equal(*grads) and grads[0].abs().max() > 0
    many = layer(normal(7, 3, 5), pattern[0])
    assert many.shape == (7, 3, 4)
    torch.testing.assert_close(many, layer(normal(7, 3, 5), u[0].expand(7, 3, 6)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_low_precision_is_rounded_once(dtype):
    layer, x, u = generic(("fourier", "pwq", "fourier"))
    x, u = x.to(dtype), u.to(dtype)
    y = layer(x, u)
    assert y.dtype == dtype
    assert torch.equal(y, layer(x.double(), u.double()).to(dtype))
    assert layer(x.double(), u).dtype == torch.float64, "the precision of the values is the output's"


def test_samples_that_are_not_finite_give_nan():
    layer, x, u = generic(("fourier", "pwq", "fourier"), samples=5)
    x[1, 2], u[3, 0] = math.nan, math.inf
    y = layer(x.requires_grad_(), u.requires_grad_())
    assert y.isnan().all(-1).tolist() == [False, True, False, True, False]
    assert y[::2].isfinite().all()
    for grad in torch.autograd.grad(y[::2].sum(), (x, u)):
        assert grad.isfinite().all()


def test_it_has_no_state_and_says_what_it_is():
    layer, _, _ = generic(("fourier", "pwq", "fourier"))
    assert not list(layer.parameters()) and not layer.state_dict()
    assert "5, 6, 4" in repr(layer) and "pattern_basis=Fourier(6)" in repr(layer)


def test_more_samples_than_one_block_holds():
    layer, x, u = generic(("fourier", "fourier", "fourier"), samples=3000)
    torch.testing.assert_close(layer(x, u)[-2:], layer(x[-2:], u[-2:]), rtol=0, atol=1e-15)


def test_the_pattern_basis_is_of_the_input_basis_kind():
    assert repr(DecoupledIAT(5, 7, input_basis="pwl").pattern_basis) == "PWL(7)"
    haar = DecoupledIAT(4, 6, input_basis=RectWavelet(4, multiscale=True)).pattern_basis
    assert isinstance(haar, RectWavelet) and haar.multiscale and haar.size == 6
    mixed = Mixed(Fourier(2), Fourier(3))
    assert DecoupledIAT(5, input_basis=mixed).pattern_basis is mixed


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: UNTYPED(2.5), TypeError, "in_features must be an integer"),
        (lambda: DecoupledIAT(3, 0), ValueError, "pattern_features must be at least 1; got 0"),
        (
            lambda: DecoupledIAT(3, pattern_basis="furier"),
            ValueError,
            "pattern_basis must be one of .*'furier'",
        ),
        (lambda: DecoupledIAT(3, 4, pattern_basis=Fourier(3)), ValueError, "pattern_basis has 3 functions, and 4"),
        (lambda: DecoupledIAT(4, 5, input_basis=Mixed(Fourier(2), Fourier(2))), ValueError, "pattern_basis is needed"),
        (lambda: DecoupledIAT(3)(normal(2, 4), normal(2, 3)), ValueError, r"x must be \(\.\.\., 3\); got \(2, 4\)"),
        (lambda: DecoupledIAT(3, 5)(normal(2, 3), normal(2, 3)), ValueError, r"pattern_from must be \(\.\.\., 5\)"),
        (lambda: DecoupledIAT(3)(normal(2, 3), normal(4, 3)), ValueError, r"x has samples \(2,\) and .* \(4,\)"),
        (
            lambda: DecoupledIAT(3)(normal(2, 3), activation_pattern(normal(4, 3), "fourier")),
            ValueError,
            r"x has samples \(2,\) and .* \(4,\)",
        ),
        (lambda: UNTYPED(3)(normal(2, 3), [1.0, 2, 3]), TypeError, "a tensor or a pattern; got list"),
        (lambda: DecoupledIAT(3)(normal(2, 3).long(), normal(2, 3)), TypeError, r"x must be a real .* torch\.int64"),
    ],
)
def test_bad_input_gets_a_sentence_that_helps(call, error, says):
    with pytest.raises(error, match=says):
        call()
