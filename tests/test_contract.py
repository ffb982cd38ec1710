"""What holds for every public function and module, whatever PyTorch has switched on around a call."""

import functools

import pytest
import torch
from torch import nn

from relunb import BWReLU, bw_relu, inr, spectrum, wavelet
from relunb._tables import forget_tables
from relunb.iat import (
    IAT,
    PWL,
    PWQ,
    ContinuousWidthNetwork,
    DecoupledIAT,
    Fourier,
    Mixed,
    PWLWavelet,
    Rect,
    RectWavelet,
    activation_matrix,
    activation_pattern,
    transform,
)
from relunb.iat._cells import cut_cells
from relunb.ops import _bw_relu, _relu_cell_means, linear_cells, midpoint_relu, relu_cell_means
from relunb.ops._bw_relu import bw_relu_plain
from relunb.ops._linear_cells import linear_cells_plain
from relunb.ops._midpoint import midpoint_plain
from relunb.ops._relu_cell_means import relu_cell_means_plain


def rows(*shape):
    """Numbers with no pattern and no ties, which need no generator."""
    return torch.tensor([((i * 0.754877666) % 1) * 2 - 0.97 for i in range(torch.Size(shape).numel())]).double().reshape(shape)


def positive(*shape):
    return rows(*shape).abs() + 0.1


X, AMPLITUDES = (3, 4), (4,)

# name: (function of one float64 tensor, its shape). Each makes what it needs anew, so that a first call is one.
DIFFERENTIABLE = {
    "bw_relu": (bw_relu, X),
    "seven_relus": (wavelet.seven_relus, X),
    "wavelet_fourier": (lambda x: wavelet.wavelet_fourier(x).real, X),
    "toeplitz_symbol": (wavelet.toeplitz_symbol, X),
    "inner_product": (lambda x: wavelet.inner_product(x, 0.1, 1.5, 0.2), AMPLITUDES),
    "relu_gram": (wavelet.relu_gram, AMPLITUDES),
    "variation_norm": (lambda x: wavelet.variation_norm(x, x + 2), AMPLITUDES),
    "tone_harmonics": (lambda x: spectrum.tone_harmonics(x, 0.1), AMPLITUDES),
    "series_tone_harmonics": (lambda x: spectrum.series_tone_harmonics(x, 3), AMPLITUDES),
    "relu_series": (lambda x: spectrum.relu_series(x, 3), X),
    "multitone_dc of two": (lambda x: spectrum.multitone_dc(x[:2], 0.1), AMPLITUDES),
    "multitone_dc": (lambda x: spectrum.multitone_dc(x, 0.1), AMPLITUDES),
    "multitone_dc of many": (spectrum.multitone_dc, (12,)),
    "intermodulation": (lambda x: spectrum.intermodulation(x, [1, 2, 0, 1]), AMPLITUDES),
    "commensurate_dc": (lambda x: spectrum.commensurate_dc(x[:2], [1, 2]), AMPLITUDES),
    "amplitude_spectrum": (lambda x: spectrum.amplitude_spectrum(x, 4.0)[1], (8,)),
    "filtered_dc": (lambda x: spectrum.filtered_dc(x, torch.tensor([0.7, -1.0], dtype=torch.float64)), (2, 16)),
    "shortened_means": (lambda x: spectrum.shortened_means(x, 2), (2, 16)),
    "transform": (transform, X),
    "transform rect": (lambda x: transform(x, "rect", "pwl"), X),
    "transform pwl": (lambda x: transform(x, "pwl", "pwq"), X),
    "transform pwl-w": (lambda x: transform(x, "pwl-w", "rect-w"), X),
    "transform pwq": (lambda x: transform(x, "pwq", "fourier"), X),
    "transform mixed": (lambda x: transform(x, Mixed(Fourier(2), PWL(2)), PWQ(3)), X),
    "transform midpoint": (lambda x: transform(x, method="midpoint"), X),
    "transform tanh": (lambda x: transform(x, activation="tanh", method="midpoint"), X),
    "IAT": (lambda x: IAT(4, 3)(x), X),
    "DecoupledIAT": (lambda x: DecoupledIAT(4)(x, x), X),
    "activation_pattern": (lambda x: activation_pattern(x, "fourier").measure, X),
    "activation_matrix": (lambda x: activation_matrix(activation_pattern(x, "pwq"), Fourier(4), PWL(3)), X),
    "Rect": (lambda x: Rect(4)(x) * x[..., None], X),
    "PWL": (lambda x: PWL(4)(x), X),
    "PWQ": (lambda x: PWQ(4)(x), X),
    "Fourier": (lambda x: Fourier(4)(x), X),
    "RectWavelet": (lambda x: RectWavelet(4, multiscale=True)(x) * x[..., None], X),
    "PWLWavelet": (lambda x: PWLWavelet(4)(x), X),
    "Mixed": (lambda x: Mixed(Fourier(3), PWL(2))(x), X),
    "Radon": (lambda x: inr.Radon(4, [0.0, 33.0], dtype=torch.float64)(x), (4, 4)),
    "PositionalEncoding": (lambda x: inr.PositionalEncoding(4, 2)(x), X),
}


def called(name, x):
    return DIFFERENTIABLE[name][0](x)


def point(name):
    return positive(*DIFFERENTIABLE[name][1])


def gradient(name):
    """The value and the gradient, taken so that a second would follow: what is saved must be fit for it."""
    x = point(name).requires_grad_()
    y = called(name, x)
    (grad,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    return y.detach(), grad.detach()


def in_inference_mode(name):
    with torch.inference_mode():
        return called(name, point(name))


def with_default_meta(name):
    torch.set_default_device("meta")
    try:
        called(name, torch.empty(DIFFERENTIABLE[name][1], dtype=torch.float64))
    finally:
        torch.set_default_device(None)


def real_with_default_meta(name):
    x = point(name)
    with torch.device("meta"):
        return called(name, x)


def inside_vmap(name):
    return torch.func.vmap(lambda x: called(name, x))(point(name)[None])


def inside_grad(name):
    return torch.func.grad(lambda x: called(name, x).sum())(point(name))


def on_fake_tensors(name):
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True):
        called(name, torch.ones(DIFFERENTIABLE[name][1], dtype=torch.float64))


@functools.cache
def fresh(name):
    forget_tables()
    return gradient(name)


FIRST = [
    in_inference_mode,
    with_default_meta,
    real_with_default_meta,
    inside_vmap,
    inside_grad,
    on_fake_tensors,
]


@pytest.mark.parametrize("first", FIRST, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_what_a_first_call_leaves_behind_does_no_harm_to_the_next(name, first):
    """Tables made in one mode and used in another: the next gradient is that of a process that had no first call."""
    wanted = fresh(name)
    forget_tables()
    try:
        first(name)
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        pass  # what cannot be done there is the business of other tests
    for got, expected in zip(gradient(name), wanted, strict=True):
        assert torch.equal(got, expected)


LAYERS = {
    "exact": lambda: IAT(4),
    "constant": lambda: IAT(4, input_basis="rect"),
    "linear": lambda: IAT(4, input_basis="pwl-w", output_basis="pwl"),
    "midpoint": lambda: IAT(4, method="midpoint"),
    "FFT": lambda: IAT(64, method="midpoint"),
    "tanh": lambda: IAT(4, activation="tanh", method="midpoint"),
    "continuous width": lambda: ContinuousWidthNetwork(4, [5, 6], 2),
    "BWReLU": lambda: BWReLU(learnable=True),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_is_validated_before_it_is_trained(name):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 64 if name == "FFT" else 4), LAYERS[name]()).double()
    with torch.inference_mode():
        validated = net(rows(5, 2))
    x = rows(5, 2).requires_grad_()
    y = net(x)
    torch.testing.assert_close(y.detach(), validated, rtol=0, atol=0)
    (grad,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    grad.square().sum().backward()
    assert net[0].weight.grad.isfinite().all()


CELLS = cut_cells(PWL(4), PWQ(4))
TABLES = IAT(4, method="midpoint").double()._plan._make_tables(torch.device("cpu"), torch.float64)
TWO_ROUTES = {  # the definition in plain operations, and the form that large inputs take
    "bw_relu": (bw_relu_plain, bw_relu),
    "bw_relu of a scale": (lambda x: bw_relu_plain(x, 2.0), lambda x: bw_relu(x, 2.0)),
    "relu_cell_means": (relu_cell_means_plain, relu_cell_means),
    "linear_cells": (lambda x: linear_cells_plain(x, CELLS), lambda x: linear_cells(x, CELLS)),
    "midpoint_relu": (lambda x: midpoint_plain(x, TABLES, torch.relu), lambda x: midpoint_relu(x, TABLES)),
}


def by_itself(f, x):
    x = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    return torch.autograd.grad(grad.sum(), x)[0]


def penalty(f, x):
    x, w = x.clone().requires_grad_(), torch.ones((), dtype=x.dtype, requires_grad=True)
    (grad,) = torch.autograd.grad((w * f(x)).sum(), x, create_graph=True)
    return torch.cat([t.reshape(-1) for t in torch.autograd.grad(grad.square().sum(), (x, w))])


SECOND = {
    "by itself": by_itself,
    "a penalty on the gradient": penalty,
    "autograd.functional.hessian": lambda f, x: torch.autograd.functional.hessian(lambda v: f(v).sum(), x, strict=True),
    "func.hessian": lambda f, x: torch.func.hessian(lambda v: f(v).sum())(x),
    "jacrev of jacrev": lambda f, x: torch.func.jacrev(torch.func.jacrev(lambda v: f(v).sum()))(x),
    "jacfwd of jacfwd": lambda f, x: torch.func.jacfwd(torch.func.jacfwd(lambda v: f(v).sum()))(x),
    "jacrev of jacfwd": lambda f, x: torch.func.jacrev(torch.func.jacfwd(lambda v: f(v).sum()))(x),
}


@pytest.mark.parametrize("way", SECOND)
@pytest.mark.parametrize("name", TWO_ROUTES)
def test_a_second_derivative_does_not_depend_on_size(name, way, monkeypatch):
    """Also at ties, and of an operator whose second derivative is zero: then there are zeros, as for nn.ReLU."""
    monkeypatch.setattr(_bw_relu, "_SMALL", 0)
    monkeypatch.setattr(_relu_cell_means, "_SMALL", 0)
    plain, fast = TWO_ROUTES[name]
    for x in (rows(3, 4) * 3, torch.tensor([[0.0, 1.5, 3.0, 1.0], [2.0, 0.0, 0.0, 0.5], [1.0, -1.0, 1.0, -1.0]]).double()):
        torch.testing.assert_close(SECOND[way](fast, x), SECOND[way](plain, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("height", (255, 256))
@pytest.mark.parametrize("layer", (nn.ReLU, BWReLU, lambda: BWReLU(learnable=True), lambda: IAT(256, None, "pwl", "rect")))
def test_the_second_derivative_of_a_network_on_either_side_of_a_switch(layer, height):
    net = nn.Sequential(layer(), nn.Flatten()).double()
    x = rows(height, 256).requires_grad_()
    with torch.inference_mode():
        net(x)
    (grad,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(grad.sum(), x)
    if not isinstance(net[0], IAT):
        assert torch.equal(second, torch.zeros_like(x))
