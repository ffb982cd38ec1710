"""Activation patterns: every root, the set between them, Eq. (18)-(22), and the book's sharper statements."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from relunb.iat import (
    PWL,
    PWQ,
    ActivationPattern,
    DecoupledIAT,
    Fourier,
    Mixed,
    PiecewisePolynomial,
    PWLWavelet,
    RectWavelet,
    activation_matrix,
    activation_pattern,
    transform,
)
from relunb.iat._bases import BASES, basis
from tests.iat.inputs import normal

CONTINUOUS = ("pwl", "pwq", "fourier", "pwl-w")


def cubic(size=4, cells=3):
    generator = torch.Generator().manual_seed(7)
    return PiecewisePolynomial([-1, -0.2, 0.5, 1], torch.randn(size, cells, 4, generator=generator).numpy())


def bases():
    for name in BASES:
        for width in (3, 6, 17):
            yield pytest.param(basis(name, width), id=f"{name}-{width}")
    yield pytest.param(Mixed(Fourier(6), PWL(5)), id="mixed")
    yield pytest.param(cubic(), id="cubic")
    yield pytest.param(PWLWavelet(7, multiscale=True), id="triangles")
    yield pytest.param(RectWavelet(7, multiscale=True), id="haar")


def sample(p, count=200, seed=0):
    return normal(count, p.size, seed=seed)


@pytest.mark.parametrize("p", list(bases()))
def test_the_pattern_is_where_the_state_function_is_positive(p):
    x = sample(p)
    pattern = activation_pattern(x, p)
    s = (torch.arange(20_000, dtype=torch.float64) + 0.318) / 10_000 - 1
    z = x @ p(s).T
    clear = z.abs() > 1e-12
    assert clear.double().mean() > 0.99
    assert torch.equal((z > 0)[clear], pattern.contains(s)[clear])
    roots = pattern.roots
    values = torch.einsum("brd,bd->br", p(roots.nan_to_num(0)), x)
    assert (values.abs()[~roots.isnan()] < 1e-12).all()
    intervals = pattern.intervals
    torch.testing.assert_close((intervals[..., 1] - intervals[..., 0]).nan_to_num(0).sum(-1), pattern.measure)


def test_the_roots_of_chebyshev_like_trigonometric_polynomials_are_found_to_the_last_digit():
    """cos(pi s) + ... with known roots: prod of sines of half differences, also of neighbours 1e-5 apart."""
    roots = torch.tensor([-0.9, -0.30001, -0.3, 0.1, 0.1004, 0.7], dtype=torch.float64)
    s = (torch.arange(64, dtype=torch.float64) + 0.5) / 32 - 1
    z = torch.sin(math.pi / 2 * (s[:, None] - roots)).prod(1)
    coefficients = z @ Fourier(6)(s) * (2 / 64)
    constant = z.mean()
    p = Mixed(Fourier(6), PiecewisePolynomial([-1, 1], [[[1]]]))
    x = torch.cat([coefficients, constant[None]])
    found = activation_pattern(x, p).roots
    assert len(found) == 6
    # A simple root is known to eps / |z'|: z' is smallest at the pair.
    slope = (p.derivative(roots) @ x).abs()
    assert ((found - roots).abs() <= 4e-16 / slope + 2e-16).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTINUOUS)
def test_roots_move_as_equation_22_says_and_have_two_derivatives(name):
    p = basis(name, 5)
    x = sample(p, 6, seed=3).requires_grad_()
    pattern = activation_pattern(x, p)
    for row in range(len(x)):
        roots = pattern[row].roots
        assert len(roots)
        for root in roots[~roots.isnan()]:
            (gradient,) = torch.autograd.grad(root, x, retain_graph=True)
            s = root.detach()
            expected = -p(s) / (p.derivative(s) @ x[row].detach())
            torch.testing.assert_close(gradient[row], expected, rtol=1e-12, atol=1e-12)

    def measure(t):
        return activation_pattern(t, p).measure

    assert gradcheck(measure, (x,), check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(measure, (x,))


@pytest.mark.parametrize("output", [*BASES, "mixed"])
@pytest.mark.parametrize("p", list(bases()))
def test_gradient_is_the_activation_matrix_and_the_two_identities(p, output):
    q = Mixed(Fourier(3), PWL(4)) if output == "mixed" else basis(output, 5)
    x = sample(p, 7, seed=1).requires_grad_()
    y = transform(x, p, q)
    matrix = activation_matrix(activation_pattern(x.detach(), p), p, q)
    torch.testing.assert_close((matrix @ x[..., None]).squeeze(-1), y, rtol=0, atol=3e-15 * p.size)  # Eq. (17), Euler
    for i in range(q.size):
        (gradient,) = torch.autograd.grad(y[:, i].sum(), x, retain_graph=True)
        torch.testing.assert_close(gradient, matrix[:, i], rtol=0, atol=3e-15 * p.size)  # Eq. (21)
    other = activation_matrix(activation_pattern(-x.detach(), p), p, q)
    everything = activation_matrix(activation_pattern(torch.ones(1, dtype=torch.float64), "rect"), p, q)
    torch.testing.assert_close(matrix + other, everything.expand_as(matrix), rtol=0, atol=1e-14)  # A(x) + A(-x) = G
    torch.testing.assert_close(transform(x, p, q) - transform(-x, p, q), x @ everything.T, rtol=0, atol=1e-13)


def test_with_q_equal_to_p_the_matrix_is_symmetric_between_zero_and_the_gram_matrix():
    for name in BASES:
        p = basis(name, 6)
        matrix = activation_matrix(activation_pattern(sample(p), p), p, p, normalized=False)
        gram = activation_matrix(activation_pattern(torch.ones(1).double(), "rect"), p, p, normalized=False)
        torch.testing.assert_close(matrix, matrix.mT, rtol=0, atol=1e-15)
        assert torch.linalg.eigvalsh(matrix).min() > -1e-14
        assert torch.linalg.eigvalsh(gram - matrix).min() > -1e-14


def test_a_fourier_state_of_width_two_makes_a_linear_layer():
    p = Fourier(2)
    matrix = activation_matrix(activation_pattern(sample(p), p), p, p, normalized=False)
    torch.testing.assert_close(matrix, torch.eye(2).double().expand_as(matrix) / 2, rtol=0, atol=1e-14)


def test_the_active_part_of_a_fourier_state_is_bounded_and_the_bound_is_attained():
    """n harmonics: between 1/(n+1) and n/(n+1) of [-1, 1], attained by a product with double roots (MATH.md IAT.3)."""
    for n in range(1, 7):
        p = Fourier(2 * n)
        fraction = activation_pattern(sample(p, 2000), p).measure / 2
        assert fraction.min() >= 1 / (n + 1) - 1e-9
        assert fraction.max() <= n / (n + 1) + 1e-9
        s = (torch.arange(256, dtype=torch.float64) + 0.5) / 128 - 1
        cosine = (math.pi * s).cos()
        z = cosine - math.cos(math.pi / (n + 1))
        for j in range(1, (n + 1) // 2):
            z = z * (cosine - math.cos((2 * j + 1) * math.pi / (n + 1))) ** 2
        if n % 2 == 0:
            z = z * (1 + cosine)
        x = z @ p(s) / 128
        # Double roots are known to sqrt(eps); one may be the middle of an interval on which z is negative.
        assert abs(activation_pattern(x, p).measure / 2 - 1 / (n + 1)) < 1e-6
        assert abs(activation_pattern(x * 1.000001, p).measure / 2 - 1 / (n + 1)) < 1e-6


def test_a_double_root_in_the_middle_of_an_interval_does_not_switch_it_on():
    """z = (c - cos(pi/5)) (c - cos(3 pi/5))^2 (c + 1) in c = cos(pi s): -3/5 is the middle of [-1, -1/5]."""
    places = [math.cos(math.pi / 5), math.cos(3 * math.pi / 5), math.cos(3 * math.pi / 5), -1]
    x = torch.zeros(8, dtype=torch.float64)
    x[::2] = torch.from_numpy(np.polynomial.chebyshev.chebfromroots(places)[1:])
    for scale in (1, 1.000001, 3.7, 1e-5):
        torch.testing.assert_close(activation_pattern(scale * x, "fourier").measure.item(), 0.4, rtol=0, atol=1e-6)


def test_symmetric_difference_is_a_distance_in_measure():
    p, other = Fourier(6), PWL(5)
    a, b = activation_pattern(sample(p, 50), p), activation_pattern(sample(other, 50), other)
    s = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 50_000 - 1
    expected = (a.contains(s) ^ b.contains(s)).double().mean(-1) * 2
    torch.testing.assert_close(a.symmetric_difference(b).measure, expected, rtol=0, atol=3e-4)
    torch.testing.assert_close(a.symmetric_difference(b).measure, b.symmetric_difference(a).measure)
    assert (a.symmetric_difference(a).measure == 0).all()
    torch.testing.assert_close(a.symmetric_difference(b[3]).measure[7], a[7].symmetric_difference(b[3]).measure)
    torch.testing.assert_close(b[3].symmetric_difference(a).measure[7], a[7].symmetric_difference(b[3]).measure)
    with pytest.raises(TypeError, match="got list"):
        a.symmetric_difference([])  # pyright: ignore[reportArgumentType]


def test_degenerate_states():
    p = PWL(5)
    nothing = activation_pattern(torch.zeros(5), p)
    assert (float(nothing.measure), len(nothing.roots), len(nothing.intervals)) == (0, 0, 0)
    everything = activation_pattern(torch.ones(5), p)
    assert float(everything.measure) == 2
    assert everything.intervals.tolist() == [[-1, 1]]
    # Zero on a segment: not active, and the segment's ends are no moving roots of the zero part.
    flat = activation_pattern(torch.tensor([1.0, 0, 0, 0, 1.0]), p)
    torch.testing.assert_close(flat.measure, torch.tensor(1.0).double())
    # A double root touches zero: it bounds nothing.
    touching = activation_pattern(torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0]), p)
    assert float(touching.measure) == 2
    assert touching.intervals.tolist() == [[-1, 1]]
    assert len(touching.roots) == 0
    # At an end of [-1, 1] a root bounds the active part if the state is positive beside it.
    ends = activation_pattern(torch.tensor([0.0, 1.0, 2.0, 1.0, 0.0]), p)
    assert (float(ends.measure), ends.roots.tolist()) == (2, [-1, 1])
    assert activation_pattern(torch.tensor([0.0, -1.0, 1.0, -1.0, 0.0]), p).roots.tolist() == [-0.25, 0.25]
    # A root on a knot is one root.
    knot = activation_pattern(torch.tensor([2.0, 1.0, 0.0, -1.0, -2.0]), p)
    assert knot.roots.tolist() == [0.0]
    square = activation_pattern(torch.tensor([2.0, 0.0, 0.0, 1.0]).double(), Fourier(4))  # 2 cos(pi s) + sin(2 pi s)
    assert square.roots.tolist() == pytest.approx(
        [-0.5, 0.5], abs=1e-5
    )  # a triple root at -1/2: to the cube root of eps


def test_the_measure_is_homogeneous_of_degree_zero():
    p = Fourier(5)
    x = sample(p, 1)[0]
    measure = lambda t: activation_pattern(t, p).measure  # noqa: E731
    hessian, gradient = torch.func.hessian(measure)(x), torch.func.grad(measure)(x)
    torch.testing.assert_close(hessian @ x, -gradient, rtol=1e-9, atol=1e-9)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"x has 1 non-finite value; the first is at \(1, 2\)"):
        activation_pattern(torch.tensor([[1.0, 2, 3], [1, 2, math.nan]]), "pwl")
    with pytest.raises(TypeError, match="floating-point"):
        activation_pattern(torch.tensor([1, 2]), "pwl")
    with pytest.raises(ValueError, match="single number"):
        activation_pattern(torch.tensor(1.0), "pwl")
    with pytest.raises(ValueError, match="basis must be one of"):
        activation_pattern(torch.ones(3), "hat")
    with pytest.raises(TypeError, match="must be a Basis, like Fourier"):
        activation_matrix(activation_pattern(torch.ones(3), "pwl"), "pwl", "pwq")
    with pytest.raises(ValueError, match="output_basis must be one of"):
        activation_matrix(activation_pattern(torch.ones(3), "pwl"), PWL(3), "hat")
    with pytest.raises(TypeError, match="pattern must come from activation_pattern"):
        activation_matrix(torch.ones(3), PWL(3), PWL(3))  # pyright: ignore[reportArgumentType]


def test_a_name_is_taken_for_as_many_functions_as_the_other_basis_has():
    pattern = activation_pattern(torch.tensor([1.0, -2.0, 0.5]), "pwl")
    wanted = activation_matrix(pattern, PWL(3), PWQ(3))
    assert torch.equal(activation_matrix(pattern, PWL(3), "pwq"), wanted)
    assert torch.equal(activation_matrix(pattern, "pwl", PWQ(3)), wanted)


@pytest.mark.slow
@pytest.mark.parametrize(("what", "few", "many"), [("measure", 400, 4000), ("matrix", 40, 400)])
def test_gradients_of_many_samples_take_the_memory_of_a_block(what, few, many):
    """The values at all roots, or at all nodes, of these states of 64 functions would take 400 MiB."""
    code = f"""
import resource, sys, torch
from relunb.iat import Fourier, Rect, activation_matrix, activation_pattern
from tests.iat.inputs import normal

def peak(rows):
    x = torch.randn(rows, 64, dtype=torch.float64).requires_grad_()
    pattern = activation_pattern(x, "fourier")
    out = pattern.measure if {what == "measure"} else activation_matrix(pattern, Fourier(64), Rect(2))
    out.square().sum().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

torch.set_num_threads(1)
print(-peak({few}) + peak({many}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 150  # MiB


def test_forward_mode_in_forward_mode_through_edges_of_ones_own():
    """Where PyTorch gives every autograd.Function the second derivative zero (issue 197867)."""
    found = activation_pattern(torch.tensor([1.0, 2, -1, -0.5]), "fourier")
    x, layer = torch.tensor([1.0, -0.3, 0.2]).double(), DecoupledIAT(3, 4, 3, "pwq", "pwq", "fourier")

    def matrix(edges):
        return activation_matrix(ActivationPattern(edges, found.active, found.moving), PWL(4), PWQ(3))

    def values(edges):
        return layer(x, ActivationPattern(edges, found.active, found.moving))

    for function in (matrix, values):
        nested = torch.func.jacfwd(torch.func.jacfwd(function))(found.edges)
        assert nested.abs().max() > 0.1
        torch.testing.assert_close(nested, torch.func.hessian(function)(found.edges), rtol=0, atol=1e-12)
