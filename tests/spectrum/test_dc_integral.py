"""The integral of the DC with its gradient beside it, against the plain form and its autograd."""

import math

import pytest
import torch

from relunb.spectrum import _dc_integral as dc
from relunb.spectrum import _phase_mean as phase_mean
from relunb.spectrum import multitone_dc
from tests.tolerance import DC_GRADIENT, DC_VALUE, DEVICES

TONES = (2, 3, 4, 5, 8, 9, 12, 16)


def rows(kind: str, tones: int, number: int = 24) -> torch.Tensor:
    uniform = torch.rand(number, tones, dtype=torch.float64, generator=torch.Generator().manual_seed(tones))
    if kind == "log":
        return 10 ** (-3 * uniform)
    if kind == "pairs":
        uniform[:, 1] = uniform[:, 0] * (1 + 1e-5)
        uniform[:, 2:] *= 0.03
    if kind == "ties":
        uniform[::2, 0] = uniform[::2, 1]
        uniform[::3, -1] = 0
        uniform[::5] = 0.7
    return uniform


def with_bias(amplitudes: torch.Tensor, biased: bool) -> torch.Tensor:
    """A column more, from zero to almost the sum of the row."""
    share = torch.linspace(0, 0.999, len(amplitudes), dtype=torch.float64, device=amplitudes.device)
    return torch.cat([amplitudes, (share * amplitudes.sum(-1)).unsqueeze(-1)], -1) if biased else amplitudes


def value_and_gradient(function, weights):
    weights = weights.detach().requires_grad_()
    value = function(weights)
    return value.detach(), torch.autograd.grad(value.sum(), weights)[0]


def compare(found, expected):
    for got, truth, tolerance in zip(found, expected, (DC_VALUE, DC_GRADIENT), strict=True):
        torch.testing.assert_close(got, truth, rtol=tolerance, atol=tolerance)


def both(weights, biased):
    """What the fast form gives, by the door that users take, and what the plain one does."""
    amplitudes, bias = (slice(-1), -1) if biased else (slice(None), None)
    fast = value_and_gradient(lambda w: dc.dc_integral(w[:, amplitudes], None if bias is None else w[:, bias]), weights)
    return fast, value_and_gradient(lambda w: dc._plain(w, biased), weights)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("kind", ["uniform", "log", "pairs", "ties"])
def test_values_and_gradients_are_those_of_the_plain_form(kind, biased, device):
    for tones in TONES:
        compare(*both(with_bias(rows(kind, tones), biased).to(device), biased))


@pytest.mark.parametrize("biased", [False, True])
def test_both_routes_give_the_gradient(biased, monkeypatch):
    """The path into the complex plane and the sum over the real axis, for the rows on which both can be had."""
    compared = 0
    for tones in (5, 6, 9, 12):
        for kind in ("uniform", "log", "pairs"):
            weights = with_bias(rows(kind, tones), biased)
            weights = weights / phase_mean.scale_of(weights)
            factors = [phase_mean.BesselFactor(0)] * tones + [phase_mean.BiasFactor(odd=False)] * biased
            points = phase_mean._points_on_real_axis(weights, factors)
            weights = weights[phase_mean._tones_to_split(weights)[1] & (points <= 1 << 14)]
            if len(weights):
                found = []
                for long in (0, 1 << 30):
                    monkeypatch.setattr(phase_mean, "_LONG", long)
                    found.append(dc._of_block(weights, biased, True))
                torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-10)
                compared += len(weights)
    assert compared > 60


@pytest.mark.parametrize("panel", [3, 4])
def test_panels_are_left_out_where_every_term_has_died_away(panel):
    """A pair whose difference is so small that one panel more is needed, and one in which it is not."""
    edge = dc._SILENT / (math.exp(phase_mean.PANELS[panel]) * phase_mean.RADIUS)
    weights = torch.tensor([[1.0, 1 - edge * (1 - 1e-6)], [1.0, 1 - edge * (1 + 1e-6)]], dtype=torch.float64)
    split = torch.ones_like(weights, dtype=torch.bool)
    needed = dc._panels_needed(phase_mean.terms_of(weights, split, torch.zeros(2, dtype=torch.bool)))
    assert [(number, mine.tolist()) for number, mine in needed] == [(panel, [1]), (panel + 1, [0])]
    compare(*both(weights, False))


def test_a_silent_tone_has_no_slope_and_equal_tones_have_one():
    a = torch.tensor([[1.0, 0.4, 0.0], [0.7, 0.7, 0.7], [1.0, 1.0, 0.0]], dtype=torch.float64)
    _, slope = value_and_gradient(multitone_dc, a)
    assert slope[0, 2] == 0 and slope[2, 2] == 0 and (slope[:, :2] > 0).all()
    torch.testing.assert_close(slope[1], slope[1, :1].expand(3), rtol=1e-13, atol=0)


def test_without_gradient_and_in_inference_mode():
    for tones in TONES:
        a = rows("pairs", tones).requires_grad_()
        value = multitone_dc(a)
        assert value.requires_grad
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                alone = multitone_dc(a)
            assert not alone.requires_grad and alone.is_inference() == (mode is torch.inference_mode)
            torch.testing.assert_close(alone, value.detach(), rtol=DC_VALUE, atol=0)
        kept = torch.autograd.grad(value.sum(), a, retain_graph=True)
        torch.testing.assert_close(torch.autograd.grad(value.sum(), a), kept, rtol=0, atol=0)


@pytest.mark.parametrize("tones", [2, 4, 9])
def test_second_derivatives_are_those_of_the_plain_form(tones):
    a = rows("uniform", tones, 2)

    def hessian(function):
        return torch.autograd.functional.hessian(lambda v: function(v).square().sum(), a)

    ours, plain = hessian(lambda v: dc.dc_integral(v, None)), hessian(lambda v: dc._plain(v, False))
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_a_dual_tensor_keeps_its_tangent():
    """Forward mode over a gradient that was not asked to be differentiable."""
    a, step = rows("uniform", 3, 2), rows("log", 3, 2)
    with torch.autograd.forward_ad.dual_level():
        leaf = torch.autograd.forward_ad.make_dual(a, step).requires_grad_()
        (slope,) = torch.autograd.grad(multitone_dc(leaf).sum(), leaf)
        moved = torch.autograd.forward_ad.unpack_dual(slope).tangent
    hessian = torch.autograd.functional.hessian(lambda v: multitone_dc(v).sum(), a).reshape(6, 6)
    torch.testing.assert_close(moved.reshape(-1), hessian @ step.reshape(-1), rtol=1e-10, atol=1e-10)
