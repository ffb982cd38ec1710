"""The lines that any activation makes of one tone and of many."""

import math

import mpmath
import pytest
import torch

from relunb import LinearSpline
from relunb.spectrum import (
    activation_dc,
    activation_harmonics,
    activation_line,
    amplitude_spectrum,
    intermodulation,
    multitone_dc,
    tone_harmonics,
)

D = torch.float64
SPLINES = ["relu", "leaky_relu", "abs", "hardtanh", "relu6", "hardsigmoid", "hat", "bw_relu"]
PSI = [-0.0922787270283407, -0.17733481263718, -0.148408533342398, -0.0918881492369653, -0.0254511828736995]
A, B = [0.0, 0.4, -1.3, 3.0, 7.5], [0.0, 0.2, -2.0]


def by_quadrature(name, a, b, n):
    """The line at n, to 20 digits, between the phases where the spline bends."""
    spline = LinearSpline.named(name)
    knots, jumps = spline.knots.tolist(), spline.jumps.tolist()
    slope, value = spline.slope.item(), spline.value.item()
    cuts = {0.0, math.pi, *(math.acos((k - b) / a) for k in knots if a and abs((k - b) / a) < 1)}

    def f(t):
        x = a * mpmath.cos(t) + b
        return (value + slope * x + sum(j * max(x - k, 0) for j, k in zip(jumps, knots, strict=True))) * mpmath.cos(
            n * t
        )

    with mpmath.workdps(20):
        return float(mpmath.quad(f, sorted(cuts)) / mpmath.pi) * (2 if n else 1)


@pytest.mark.parametrize("name", SPLINES)
def test_lines_of_a_spline_by_an_independent_integral(name):
    for a, b in [(0.4, 0.2), (-1.3, 0.0), (3.0, -2.0), (7.5, 0.2)]:
        lines = activation_harmonics(name, a, b, 5)
        for n in (0, 1, 2, 5):
            assert lines[n].item() == pytest.approx(by_quadrature(name, a, b, n), abs=2e-14)


def test_lines_of_psi_and_the_amplitudes_where_its_dc_vanishes():
    assert activation_harmonics("bw_relu", 1.0, n_harmonics=4).tolist() == pytest.approx(PSI, abs=5e-15)
    for a in (0.673586039586839, 1.349959627258174, 1.98628574763338):
        assert activation_harmonics("bw_relu", a, n_harmonics=0).item() == pytest.approx(0, abs=1e-15)
    assert activation_dc("bw_relu", [0.3]).item() == pytest.approx(0.3 / 6 / math.pi, rel=1e-14)
    assert activation_dc("bw_relu", [60.0]).item() == pytest.approx(-1 / (48 * math.pi * 60.0**3), rel=1e-2)


def test_relu_is_the_exact_tone():
    a, b = torch.tensor(A, dtype=D)[:, None], torch.tensor(B, dtype=D)
    assert torch.equal(activation_harmonics("relu", a, b, 9), tone_harmonics(a, b, 9))


@pytest.mark.parametrize("a", A)
@pytest.mark.parametrize("b", B)
def test_sines_by_jacobi_and_anger(a, b):
    wanted = [(2 if n else 1) * mpmath.besselj(n, a) * mpmath.sin(b + n * mpmath.pi / 2) for n in range(13)]
    assert activation_harmonics("siren", a, b, 12).tolist() == pytest.approx([float(w) for w in wanted], abs=3e-15)


@pytest.mark.parametrize("a", [*A, 40.0])
def test_gaussians_by_modified_bessel_functions(a):
    z = a**2 / 2
    wanted = [(2 if n else 1) * (-1) ** n * mpmath.exp(-z) * mpmath.besseli(n, z) for n in range(7)]
    lines = activation_harmonics("gauss", a, n_harmonics=12)
    assert lines[::2].tolist() == pytest.approx([float(w) for w in wanted], abs=2e-15)
    assert lines[1::2].abs().max() < 1e-15


def test_a_function_is_sampled_until_it_settles():
    smooth = activation_harmonics(torch.sin, torch.tensor(A), 0.2, 8)
    torch.testing.assert_close(smooth, activation_harmonics("siren", torch.tensor(A), 0.2, 8), rtol=0, atol=1e-9)
    kinked = activation_harmonics(torch.relu, 3.0, 0.4, 8)
    torch.testing.assert_close(kinked, tone_harmonics(3.0, 0.4, 8), rtol=0, atol=1e-9)
    with pytest.warns(UserWarning, match="known to about"):
        activation_harmonics(lambda x: (x > 0.3).to(D), 1.0)


def test_what_samples_show_is_what_the_fourier_transform_reads():
    period, a, b = 12, 1.4, 0.3
    t = torch.arange(10 * period, dtype=D) * (2 * math.pi / period)
    for activation, f in (("bw_relu", LinearSpline.named("bw_relu")), ("siren", torch.sin), (torch.tanh, torch.tanh)):
        _, read = amplitude_spectrum(f(a * t.cos() + b), 1.0)
        lines = activation_harmonics(activation, a, b, 5, samples_per_period=period)
        torch.testing.assert_close(lines.abs(), read[:60:10], rtol=0, atol=1e-14)
    folded = activation_harmonics("relu", a, b, 6, samples_per_period=period)
    torch.testing.assert_close(folded, tone_harmonics(a, b, 6, samples_per_period=period), rtol=0, atol=1e-14)


MANY = [
    ([1.0, 0.7], [0, 0]),
    ([1.0, -0.7], [1, 1]),
    ([1.3, 0.4], [2, -1]),
    ([0.5, 0.9, 0.2], [1, 0, 1]),
    ([2.0, 1.0], [1, 0]),
]


@pytest.mark.parametrize(("amplitudes", "orders"), MANY)
@pytest.mark.parametrize("activation", ["siren", "gauss"])
def test_many_tones_of_a_smooth_activation_by_a_mean_over_phases(activation, amplitudes, orders):
    f = {"siren": torch.sin, "gauss": lambda x: torch.exp(-x.square())}[activation]
    line = activation_line(activation, amplitudes, orders, 0.3).item()
    assert line == pytest.approx(activation_line(f, amplitudes, orders, 0.3).item(), abs=1e-13)


@pytest.mark.parametrize(("amplitudes", "orders"), MANY)
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "hardtanh", "bw_relu"])
def test_many_tones_of_a_spline_by_a_mean_over_one_phase(name, amplitudes, orders):
    """Over the phase of the last tone, of exact lines of those before it."""
    points = 4096
    t = (torch.arange(points, dtype=D) + 0.5) * (math.pi / points)
    biases = 0.3 + amplitudes[-1] * t.cos()
    rest = torch.tensor(amplitudes[:-1], dtype=D).expand(points, -1)
    lines = activation_line(name, rest, orders[:-1], biases)
    wanted = (lines * torch.cos(orders[-1] * t)).mean().item()
    # A line is twice a mean over all phases; that of the first tones holds the 2 already, unless it is a DC.
    factor = 2 if any(orders) and not any(orders[:-1]) else 1
    assert activation_line(name, amplitudes, orders, 0.3).item() == pytest.approx(factor * wanted, abs=1e-6)


def test_what_symmetry_makes_zero_is_zero():
    assert activation_line("siren", [1.0, 0.5], [1, 1]).item() == 0 == activation_dc("siren", [1.0, 0.5]).item()
    assert activation_line("gauss", [1.0, 0.5], [2, 1]).item() == 0
    assert activation_line("hardtanh", [3.0, 0.5], [0, 0]).item() == pytest.approx(0, abs=1e-15)


def test_relu_of_many_tones():
    a = torch.tensor([[1.0, 0.5, 0.25], [0.3, 0.3, 2.0]], dtype=D)
    torch.testing.assert_close(activation_dc("relu", a, 0.2), multitone_dc(a, 0.2), rtol=1e-15, atol=0)
    torch.testing.assert_close(
        activation_line("relu", a, [1, 1, 0], 0.2), intermodulation(a, [1, 1, 0], 0.2), rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("orders", [[1, 0], [0, 1], [0, 0], [1, 1]])
def test_the_affine_part_is_in_the_tones_own_lines_and_in_the_dc(orders):
    a, b = [2.0, 1.0], 0.3
    own = {(1, 0): 2.0, (0, 1): 1.0, (0, 0): b}.get(tuple(orders), 0.0)
    wanted = 0.01 * own + 0.99 * intermodulation(a, orders, b).item()
    assert activation_line("leaky_relu", a, orders, b).item() == pytest.approx(wanted, abs=1e-14)


@pytest.mark.parametrize("activation", ["bw_relu", "siren", "gauss", torch.tanh])
def test_two_derivatives(activation):
    a = torch.tensor([1.0, 0.7], dtype=D, requires_grad=True)
    b = torch.tensor(0.2, dtype=D, requires_grad=True)

    def lines(a, b):
        return activation_harmonics(activation, a, b, 3)

    assert torch.autograd.gradcheck(lines, (a, b)) and torch.autograd.gradgradcheck(lines, (a, b))
    assert torch.autograd.gradcheck(lambda a, b: activation_line(activation, a, [1, 1], b), (a, b))


def test_a_learned_spline_is_followed():
    spline = LinearSpline.named("hat", learnable=True).double()
    activation_harmonics(spline, 1.2, 0.1, 2)[2].backward()
    h, before = 1e-6, spline.jumps.grad[1].item()
    moved = [activation_harmonics(LinearSpline([-1, 0, 1], [1, -2 + e, 1]), 1.2, 0.1, 2)[2].item() for e in (h, -h)]
    assert before == pytest.approx((moved[0] - moved[1]) / (2 * h), rel=1e-7)


def test_a_learned_module_of_float32_is_taken_in_float64_and_followed():
    leaky = torch.nn.PReLU(init=0.25)
    lines = activation_harmonics(leaky, 1.3, 0.2, 4)
    wanted = activation_harmonics(LinearSpline([0], [0.75], slope=0.25), 1.3, 0.2, 4)
    torch.testing.assert_close(lines, wanted, rtol=0, atol=1e-9)
    lines[0].backward()  # the DC of min(x, 0) = x - ReLU(x)
    dc = 0.2 - tone_harmonics(1.3, 0.2, 0).item()
    assert leaky.weight.grad.item() == pytest.approx(dc, rel=1e-6)


def test_shapes_and_dtypes():
    a = torch.ones(4, 1, dtype=torch.float32)
    assert activation_harmonics("hat", a, torch.zeros(3), 5).shape == (4, 3, 6)
    assert activation_harmonics("siren", a).dtype == torch.float32
    assert activation_line("gauss", torch.ones(2, 3), [1, 0, 1]).shape == (2,)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: activation_harmonics("swish", 1.0), ValueError, "'siren'"),
        (lambda: activation_harmonics(3, 1.0), TypeError, "activation must be"),
        (lambda: activation_harmonics(LinearSpline([[0.0]], [[1.0]]), 1.0), ValueError, "one by one"),
        (lambda: activation_harmonics("hat", 1.0, n_harmonics=7, samples_per_period=12), ValueError, "at most 6"),
        (lambda: activation_harmonics("siren", 1e9), ValueError, "smaller amplitudes"),
        (lambda: activation_harmonics("hat", math.nan), ValueError, "amplitude"),
        (lambda: activation_line(torch.tanh, [1.0] * 4, [0] * 4), ValueError, "3 is the limit"),
        (lambda: activation_line("hat", [1.0, 1.0], [1]), ValueError, "one integer a tone"),
        (lambda: activation_dc("gauss", [1e7, 1.0]), ValueError, "too many points"),
        (lambda: activation_harmonics(torch.nn.Linear(1, 2).double(), 1.0), ValueError, "element by element"),
        (lambda: activation_harmonics(lambda x: "no", 1.0), TypeError, "activation"),
        (lambda: activation_harmonics(lambda x: x.sum(), 1.0), ValueError, "element by element"),
    ],
)
def test_a_sentence_for_each_mistake(call, error, words):
    with pytest.raises(error, match=words):
        call()
