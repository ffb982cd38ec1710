"""The closed Fourier transform of psi."""

import math

import mpmath as mp
import pytest
import torch

from relunb.wavelet import KNOTS, WEIGHTS, wavelet_fourier

PEAK = 5.13979256352  # where the modulus is largest, MATH: to 12 digits


def by_the_definition(omega: float) -> complex:
    """-sum c_k exp(-i omega k/2) / omega^2, the transform of seven ReLUs, in 40 digits."""
    with mp.workdps(40):
        w = mp.mpf(omega)
        total = mp.fsum(
            mp.mpf(c.numerator) / c.denominator * mp.expj(-w * mp.mpf(b.numerator) / b.denominator)
            for b, c in zip(KNOTS, WEIGHTS, strict=True)
        )
        return complex(-total / w**2)


@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 2e-16), (torch.float32, 1e-7)])
def test_the_closed_form_is_the_transform_of_seven_relus(dtype, within):
    omega = torch.tensor([-40.3, -3.0, -0.01, 1e-4, 0.5, 1.0, 4 * math.pi, 7.7, 100.0], dtype=dtype)
    values = wavelet_fourier(omega)
    assert values.dtype == (torch.complex128 if dtype == torch.float64 else torch.complex64)
    for w, value in zip(omega.tolist(), values.tolist(), strict=True):
        phase_error = 1.5 * abs(w) * torch.finfo(dtype).eps  # rounding of the angle 3 omega / 2
        truth = by_the_definition(w)
        assert abs(value - truth) <= within + abs(truth) * phase_error


def test_two_vanishing_moments_make_it_start_as_a_parabola():
    omega = torch.tensor([1e-3, 2e-3], dtype=torch.float64)
    coefficient = wavelet_fourier(omega).abs() / omega.square()
    torch.testing.assert_close(coefficient, torch.full_like(omega, 1 / 48), rtol=1e-6, atol=0)
    assert wavelet_fourier(0.0).item() == 0


def test_its_modulus_peaks_where_the_derivative_vanishes():
    omega = torch.tensor(PEAK, dtype=torch.float64, requires_grad=True)
    modulus = wavelet_fourier(omega).abs()
    assert modulus.item() == pytest.approx(0.485977974, abs=5e-10)
    (slope,) = torch.autograd.grad(modulus, omega)
    assert abs(slope.item()) < 1e-11
    grid = torch.linspace(-60, 60, 20_001, dtype=torch.float64)
    assert wavelet_fourier(grid).abs().max() <= modulus


def test_parseval_gives_the_norm_of_psi():
    omega = torch.arange(-100_000.0, 100_001.0, dtype=torch.float64)  # steps below 2 pi over 3, the support
    energy = wavelet_fourier(omega).abs().square().sum().item() / (2 * math.pi)
    assert energy == pytest.approx(0.25, abs=1e-13)  # the modulus falls like omega^-2


def test_gradient_and_its_gradient():
    omega = torch.tensor([0.0, 0.3, 4 * math.pi, -5.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(wavelet_fourier, omega)
    assert torch.autograd.gradgradcheck(wavelet_fourier, omega)


def test_lists_become_float64_and_bad_input_is_refused():
    assert wavelet_fourier([1, 2]).dtype == torch.complex128
    with pytest.raises(TypeError, match="omega must be real"):
        wavelet_fourier(torch.ones(2, dtype=torch.complex64))
    with pytest.raises(ValueError, match="omega has 1 non-finite value"):
        wavelet_fourier([1.0, math.nan])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_frequency_is_too_high_or_too_low(dtype):
    held = torch.finfo(dtype)
    omega = torch.tensor([0.0, held.tiny, 1e-30, 1e-4, 0.19, 0.21, 1e8, 1e15, held.max / 1.2, -held.max], dtype=dtype)
    omega.requires_grad_()
    value = wavelet_fourier(omega)
    (first,) = torch.autograd.grad(value.real.sum() + value.imag.sum(), omega, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), omega)
    assert value.isfinite().all() and first.isfinite().all() and second.isfinite().all()
    for w, found in zip(omega.tolist()[1:8], value.tolist()[1:8], strict=True):
        truth = by_the_definition(w) if w > 1e-3 else w**2 / 48 * complex(1, -1.5 * w)
        assert abs(found - truth) <= 4 * held.eps * abs(truth) + held.tiny + 4 * held.eps / max(1.0, w) ** 2
