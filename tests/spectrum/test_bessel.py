"""The Bessel functions that torch lacks, against mpmath and SciPy."""

import mpmath
import numpy as np
import pytest
import torch
from scipy import special

from relunb.spectrum import _bessel as bessel
from tests.tolerance import DEVICES

# A value of J is at most 1 and comes from about 20 products and sums: 20 roundings.
J_ERROR = 5e-15


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("order", [0, 1])
def test_j0_and_j1_have_fifteen_digits_where_torch_has_seven(order, device):
    x = torch.cat([torch.linspace(-20, 20, 4001), torch.linspace(20, 3000, 4001)]).double()
    ours = (bessel.bessel_j0, bessel.bessel_j1)[order](x.to(device)).cpu()
    truth = torch.from_numpy(special.jv(order, x.numpy()))
    assert (ours - truth).abs().max() < J_ERROR
    # The reason for the module: if torch mends this, the module can go.
    assert ((torch.special.bessel_j0, torch.special.bessel_j1)[order](x) - truth).abs().max() > 1e-8


@pytest.mark.parametrize("x", [0.0, 1e-9, 2.404825557695773, 7.999999, 8.0, 8.000001, 5.0005, 1e4])
def test_j0_at_single_points_against_thirty_digits(x):
    with mpmath.workdps(30):
        truth = float(mpmath.besselj(0, mpmath.mpf(x)))
    # At 1e4 the phase x - pi/4 itself is rounded, by eps x / 2.
    assert abs(bessel.bessel_j0(torch.tensor(x, dtype=torch.float64)).item() - truth) < J_ERROR + 2e-16 * x * 0.01


@pytest.mark.parametrize("order", [2, 3, 6, 12, 30])
def test_higher_orders_on_both_sides_of_the_recurrence(order):
    x = torch.cat([torch.linspace(0, 3 * order, 3001), torch.linspace(3 * order, 500, 1001)]).double()
    truth = special.jv(order, x.numpy())
    assert np.abs(bessel.bessel_j(order, x).numpy() - truth).max() < 2e-14


@pytest.mark.parametrize("order", [0, 1, 2, 4, 7, 12, 20])
def test_scaled_i_and_k_keep_their_digits_even_where_they_are_tiny(order):
    x = torch.logspace(-3, 5, 2001, dtype=torch.float64)
    for ours, truth in ((bessel.ie, special.ive), (bessel.ke, special.kve)):
        exact = truth(order, x.numpy())
        representable = (exact > 1e-280) & (exact < 1e280)
        error = np.abs(ours(order, x).numpy() / exact - 1)[representable].max()
        # Above n^2/4 the recurrence for I multiplies a rounding by up to exp(n^2 / x) < exp(4).
        assert error < (2e-13 if order < 8 else 5e-12), (ours.__name__, error)


@pytest.mark.parametrize("order", [0, 1, 3, 6])
def test_power_series_on_the_quarter_circle(order):
    size = torch.tensor([1e-6, 0.01, 0.4, 1.5], dtype=torch.float64).unsqueeze(-1)
    angle = torch.linspace(0, np.pi / 2, 9, dtype=torch.float64)
    z = size.numpy() * np.exp(1j * angle.numpy())
    j, y = bessel.jy_near_zero(order, size, angle)
    np.testing.assert_allclose(j, special.jv(order, z), rtol=2e-14)
    np.testing.assert_allclose(bessel.j_near_zero(order, size, angle), special.jv(order, z), rtol=2e-14)
    np.testing.assert_allclose(y, special.yv(order, z), rtol=2e-14)


def test_derivatives_are_those_of_the_functions():
    x = torch.tensor([-9.0, -0.3, 0.0, 0.7, 7.9, 8.1, 30.0], dtype=torch.float64, requires_grad=True)
    positive = torch.tensor([0.02, 0.7, 7.9, 40.0], dtype=torch.float64, requires_grad=True)
    for function in (bessel.bessel_j0, bessel.bessel_j1):
        assert torch.autograd.gradcheck(function, x)
        assert torch.autograd.gradgradcheck(function, x)
    for function in (bessel.k0e, bessel.k1e, lambda v: bessel.ie(3, v), lambda v: bessel.ke(3, v)):
        assert torch.autograd.gradcheck(function, positive)
    assert torch.autograd.gradgradcheck(bessel.k0e, positive)
    assert torch.autograd.gradgradcheck(bessel.k1e, positive)
    size, angle = torch.tensor([[0.3], [1.2]]).double().requires_grad_(), torch.tensor([0.0, 0.7, 1.5]).double()
    for order in (0, 1, 3):
        assert torch.autograd.gradcheck(
            lambda v, order=order: bessel.jy_near_zero(order, v, angle), size, check_forward_ad=True
        )
        assert torch.autograd.gradgradcheck(lambda v, order=order: bessel.jy_near_zero(order, v, angle), size)
