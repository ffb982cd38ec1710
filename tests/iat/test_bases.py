"""The bases: what their definitions say, Table 1, and a user's own."""

import math
import subprocess
import sys
from fractions import Fraction

import pytest
import torch

from relunb.iat import IAT, PWL, PWQ, Fourier, Mixed, PiecewisePolynomial, PWLWavelet, Rect, RectWavelet, _cells
from relunb.iat._bases import BASES, basis

WIDTHS = (3, 4, 6, 7, 16)


def fine(count=4001):
    """Points of [-1, 1] that are no breakpoints."""
    return (torch.arange(count, dtype=torch.float64) + math.sqrt(0.5)) * 2 / count - 1


def integral(function, breakpoints):
    """Gauss-Legendre with 40 nodes between breakpoints, and 20 pieces of each: an independent rule."""
    import numpy as np

    u, w = map(torch.from_numpy, np.polynomial.legendre.leggauss(40))
    ends = torch.cat(
        [torch.linspace(a, b, 21, dtype=torch.float64)[:-1] for a, b in zip(breakpoints, breakpoints[1:], strict=False)]
    )
    ends = torch.cat([ends, breakpoints[-1:]])
    half = ends.diff()[:, None] / 2
    s = (ends[1:, None] + ends[:-1, None]) / 2 + half * u
    return torch.einsum("cn,cn...->...", half * w, function(s))


def every():
    for name in BASES:
        for width in WIDTHS:
            yield pytest.param(basis(name, width), id=f"{name}-{width}")
    for width in (1, 2, 5, 6, 8):
        yield pytest.param(RectWavelet(width, multiscale=True), id=f"haar-{width}")
        yield pytest.param(PWLWavelet(width, multiscale=True), id=f"triangles-{width}")
    yield pytest.param(Mixed(Fourier(4), PWL(3), Rect(2)), id="mixed")
    yield pytest.param(PiecewisePolynomial([-1, 0.25, 1], [[[1, -2, 0, 3], [0, 1, 0, 0]]]), id="cubic")


@pytest.mark.parametrize("width", WIDTHS)
def test_rect_partitions_the_interval(width):
    values = Rect(width)(fine())
    assert ((values == 0) | (values == 1)).all()
    assert (values.sum(-1) == 1).all()
    assert torch.equal(values.argmax(-1), ((fine() + 1) * width / 2).long())


@pytest.mark.parametrize("width", WIDTHS)
def test_hats_interpolate_at_their_nodes_and_sum_to_one(width):
    nodes = torch.linspace(-1, 1, width, dtype=torch.float64)
    torch.testing.assert_close(PWL(width)(nodes), torch.eye(width, dtype=torch.float64), rtol=0, atol=1e-15)
    torch.testing.assert_close(
        PWL(width)(fine()).sum(-1), torch.ones(len(fine()), dtype=torch.float64), rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_quadratic_splines_are_translates_with_peak_one(width):
    h = 2 / (width - 2)
    centres = torch.arange(width, dtype=torch.float64) * h - 1 - h / 2
    u = (fine()[:, None] - centres).abs() / h
    spline = torch.where(u < 0.5, 1 - u**2 * 4 / 3, torch.where(u < 1.5, (1.5 - u) ** 2 * 2 / 3, 0))
    torch.testing.assert_close(PWQ(width)(fine()), spline, rtol=0, atol=2e-15)
    torch.testing.assert_close(
        PWQ(width)(fine()).sum(-1), torch.full((len(fine()),), 4 / 3, dtype=torch.float64), rtol=0, atol=2e-15
    )


@pytest.mark.parametrize("width", [1, *WIDTHS])
def test_fourier_is_orthonormal_without_a_constant(width):
    p = Fourier(width)
    gram = integral(lambda s: p(s)[..., None] * p(s)[..., None, :], p.breakpoints)
    torch.testing.assert_close(gram, torch.eye(width, dtype=torch.float64), rtol=0, atol=1e-14)
    torch.testing.assert_close(p(fine())[:, 0], (math.pi * fine()).cos())


def test_shifted_wavelets_are_a_function_minus_the_next_around_the_circle():
    width, s = 6, fine()
    distance = ((s[:, None] + 1 - torch.arange(width, dtype=torch.float64) * 2 / width + 1) % 2 - 1).abs()
    hats = (1 - distance * width / 2).clamp_min(0)
    for wavelets, functions in ((RectWavelet, Rect(width)(s)), (PWLWavelet, hats)):
        expected = functions - functions.roll(-1, 1)
        torch.testing.assert_close(wavelets(width)(s), expected, rtol=0, atol=1e-14)
        assert wavelets(width)(s).sum(-1).abs().max() < 1e-14  # they span width - 1 dimensions


def test_multiscale_wavelets_are_one_wave_on_halves_of_halves():
    s = fine()
    haar, triangles = RectWavelet(7, multiscale=True)(s), PWLWavelet(7, multiscale=True)(s)
    for i in range(7):
        level = (i + 1).bit_length() - 1
        length = 2 / 2**level
        t = (s + 1 - (i + 1 - 2**level) * length) / length
        inside = (t >= 0) & (t < 1)
        square = torch.where(t < 0.5, 1.0, -1.0)
        wave = torch.where(t < 0.25, 4 * t, torch.where(t < 0.75, 2 - 4 * t, 4 * t - 4))
        torch.testing.assert_close(haar[:, i], torch.where(inside, square, 0.0).double(), rtol=0, atol=0)
        torch.testing.assert_close(triangles[:, i], torch.where(inside, wave, 0), rtol=0, atol=1e-14)


@pytest.mark.parametrize("p", list(every()))
def test_peaks_norms_integrals_and_derivatives(p):
    s = fine()
    assert p(s).shape == (len(s), p.size)
    assert p(s).abs().max() <= 4
    step = 1e-6
    away = (s[:, None] - p.breakpoints).abs().amin(1) > 2 * step
    difference = (p(s + step) - p(s - step)) / (2 * step)
    torch.testing.assert_close(p.derivative(s)[away], difference[away], rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(p.integrals, integral(p, p.breakpoints), rtol=0, atol=1e-13)
    # |p_i| has kinks where p_i changes its sign: only there does the independent rule err.
    torch.testing.assert_close(p.l1_norms, integral(lambda s: p(s).abs(), p.breakpoints), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("width", [2, 3, 8])
def test_l1_norms_in_closed_form(width):
    def exact(values):
        return torch.tensor([float(v) for v in values], dtype=torch.float64)

    cell = Fraction(2, width)
    hat = Fraction(2, width - 1)
    torch.testing.assert_close(Rect(width).l1_norms, exact([cell] * width), rtol=1e-15, atol=0)
    ends = [hat / 2] + [hat] * (width - 2) + [hat / 2]
    torch.testing.assert_close(PWL(width).l1_norms, exact(ends), rtol=1e-15, atol=0)
    torch.testing.assert_close(RectWavelet(width).l1_norms, exact([2 * cell] * width), rtol=1e-15, atol=0)
    torch.testing.assert_close(
        Fourier(width).l1_norms, torch.full((width,), 4 / math.pi, dtype=torch.float64), rtol=1e-15, atol=0
    )
    if width > 2:  # two periodic hats overlap on both sides
        torch.testing.assert_close(
            PWLWavelet(width).l1_norms, exact([cell * Fraction(3, 2)] * width), rtol=1e-14, atol=0
        )


def test_table_1():
    table = {
        "rect": (False, False, False, False),
        "pwl": (True, False, False, False),
        "pwq": (True, True, False, False),
        "fourier": (True, True, True, True),
        "pwl-w": (True, False, False, True),
        "rect-w": (False, False, False, True),
    }
    columns = ("continuous", "smooth", "global", "zero_integral")
    for width in (6, 7, 16):
        for name, row in table.items():
            assert tuple(basis(name, width).properties[c] for c in columns) == row, (name, width)
    assert RectWavelet(8, multiscale=True).properties["global"]
    assert PWLWavelet(8, multiscale=True).properties["global"]


def test_your_own_basis():
    own = PiecewisePolynomial([-1, 0, 1], [[[0, 1], [1, -1]], [[1, 0], [1, 0]]])
    s = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
    assert own(s).tolist() == [[0, 1], [0.5, 1], [1, 1], [0.5, 1], [0, 1]]
    assert own.properties == {"continuous": True, "smooth": False, "global": True, "zero_integral": False}
    assert own(torch.tensor([-1.1, 1.1])).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PWL(1), "'pwl' needs a width of at least 2: a hat needs a second node; got 1"),
        (lambda: PWQ(2), "'pwq' needs a width of at least 3"),
        (lambda: RectWavelet(1), "'rect-w' needs a width of at least 2"),
        (lambda: PWLWavelet(1), "'pwl-w' needs a width of at least 2"),
        (lambda: Rect(0), "size must be at least 1; got 0"),
        (lambda: basis("furier", 4, "input_basis"), "input_basis must be one of 'rect', 'pwl', 'pwq', 'fourier'"),
        (lambda: basis(Rect(3), 4), "basis has 3 functions, and 4 are needed"),
        (lambda: PiecewisePolynomial([-1, 1, 0], [[[1], [1]]]), "must increase from -1 to 1"),
        (lambda: PiecewisePolynomial([-1, 1], [[[1], [1]]]), r"coefficients must be \(size, 1, degree \+ 1\)"),
        (lambda: PiecewisePolynomial([-1, 1], [[[1]], [[0]]]), "function 1 is zero everywhere"),
        (lambda: PiecewisePolynomial([-1, 1], [[[math.nan]]]), "coefficients has 1 non-finite value"),
        (lambda: Mixed(Rect(2)), "two or more"),
    ],
)
def test_bad_input_is_refused_with_a_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_types_are_refused():
    with pytest.raises(TypeError, match="Mixed takes bases"):
        Mixed(Rect(2), "pwl")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="must be a name or a Basis"):
        basis(3, 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="s must be a real floating-point tensor"):
        Rect(2)(torch.tensor([0, 1]))


WIDE = """
import resource
import torch
from relunb.iat import IAT, PWQ, PWLWavelet, Rect

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
x = torch.linspace(-1, 1, 10_000)
assert torch.equal(IAT(10_000, None, "rect", "rect")(x), x.relu())
for pair in (("pwl", "pwl"), ("pwl-w", "rect-w"), ("rect-w", "pwq")):
    assert IAT(10_000, None, *pair)(x).isfinite().all()
for basis in (Rect(20_000), PWQ(20_000), PWLWavelet(20_000), PWLWavelet(5_000, multiscale=True)):
    assert basis.l1_norms.shape == basis.integrals.shape == (basis.size,)
    assert basis.properties["smooth"] == isinstance(basis, PWQ)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_bases_of_local_functions_take_memory_in_proportion_to_their_width():
    """A matrix of 10,000 x 10,000 float64 numbers alone has 763 MiB."""
    ran = subprocess.run([sys.executable, "-c", WIDE], check=True, capture_output=True, text=True)
    assert int(ran.stdout) < 400


@pytest.mark.parametrize("p", ["rect", "pwl", "rect-w", "pwl-w"])
def test_a_sparse_matrix_is_the_whole_one_without_its_zeros(p, monkeypatch):
    x = torch.linspace(-3, 3, 21, dtype=torch.float64).sin().reshape(3, 7).requires_grad_()
    for q in (*BASES, Mixed(PWL(3), Rect(2))):
        found = []
        for dense in (1 << 22, 0):
            monkeypatch.setattr(_cells, "_DENSE", dense)
            y = IAT(7, 5, p, q)(x)
            found.append((y, *torch.autograd.grad(y.square().sum(), x)))
        torch.testing.assert_close(found[0], found[1], rtol=1e-13, atol=1e-14)


def test_a_table_that_no_memory_holds_is_refused_before_it_is_made():
    for pair, numbers in ((("fourier", "pwq"), "29,520,820,000"), (("rect", "fourier"), "400,000,000")):
        with pytest.raises(ValueError, match=f"{numbers} numbers"):
            IAT(20_000, None, *pair)
    with pytest.raises(ValueError, match="7,199,280,000 numbers"):
        IAT(20_000, method="midpoint")


def test_small_functions_jump_too():
    """The jump at 0 is 1.5e-10, and as large as the functions."""
    small = PiecewisePolynomial([-1, 0, 1], [[[1e-10, 5e-11], [0, 0]], [[0, 0], [1e-10, -2.5e-10]]])
    large = PiecewisePolynomial([-1, 0, 1], [[[1, 0.5], [0, 0]], [[0, 0], [1, -2.5]]])
    assert small.properties == large.properties
    assert not small.properties["continuous"]
    torch.testing.assert_close(small.l1_norms, large.l1_norms * 1e-10, rtol=1e-14, atol=0)


@pytest.mark.parametrize("degree", range(1, 7))
def test_l1_norms_of_polynomials_of_any_degree(degree):
    """Against a sum of the modulus at many points of each cell."""
    powers = torch.tensor([((i * 0.754877666) % 1) - 0.5 for i in range(6 * (degree + 1))]).double()
    own = PiecewisePolynomial([-1, -0.2, 1], powers.reshape(3, 2, degree + 1))
    t = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    wanted = sum(width * own(start + width * t).abs().mean(0) for start, width in ((-1, 0.8), (-0.2, 1.2)))
    torch.testing.assert_close(own.l1_norms, wanted, rtol=0, atol=1e-9)


def test_a_place_that_is_no_number_has_no_values():
    s = torch.tensor([math.nan, 0.3])
    for kind in BASES.values():
        values = kind(9)(s)
        assert values[0].isnan().all() and values[1].isfinite().all()
