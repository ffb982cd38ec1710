"""What holds for every public function and module, whatever PyTorch has switched on around a call."""

import copy
import functools
import pickle

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
    return (
        torch.tensor([((i * 0.754877666) % 1) * 2 - 0.97 for i in range(torch.Size(shape).numel())])
        .double()
        .reshape(shape)
    )


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
    "filtered_dc": (lambda x: spectrum.filtered_dc(x, x[0, :2].detach(), mode="zero"), (2, 16)),
    "truncated_means": (lambda x: spectrum.truncated_means(x, 2), (2, 16)),
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
    "psnr": (lambda x: inr.psnr(x, x.detach().flip(0), data_range=2), X),
    "ssim": (lambda x: x * inr.ssim(x.detach(), x.detach().flip(0), data_range=2), (7, 8)),  # without a gradient
    "feature_condition": (lambda x: wavelet.feature_condition(torch.relu, x), X),
    "conditioning": (lambda x: x * wavelet.conditioning(torch.relu, x.detach()).condition_number, X),  # without one
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


NEEDS_NUMBERS = {  # they decide how many edges there are, or which sum
    "activation_pattern",
    "activation_matrix",
    "multitone_dc of two",
    "multitone_dc",
    "multitone_dc of many",
    "intermodulation",
    "commensurate_dc",
    "feature_condition",
    "conditioning",
    "ssim",
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_the_device_meta_gives_shapes_or_a_sentence(name):
    """Also a gradient; and as a default device beside real numbers it changes nothing."""
    f, shape = DIFFERENTIABLE[name]
    x = point(name)
    y = f(x)
    with torch.device("meta"):
        made_on_meta = name == "Radon"  # as any nn.Module: its tensors are where it was made
        if not made_on_meta:
            assert torch.equal(f(x), y)
        on_meta = torch.empty(shape, dtype=torch.float64, requires_grad=True)
        if name in NEEDS_NUMBERS:
            with pytest.raises(ValueError, match="shape and no (numbers|values)"):
                f(on_meta)
            return
        z = f(on_meta)
        z.sum().backward()
    assert z.is_meta and z.shape == y.shape and z.dtype == y.dtype
    assert on_meta.grad.shape == shape


MODULES = {
    "exact": (lambda: IAT(16), (3, 16)),
    "exact of other numbers": (lambda: IAT(5, 7, "pwq", "fourier", normalized=False), (3, 5)),
    "constant": (lambda: IAT(16, input_basis="rect"), (3, 16)),
    "element-wise": (lambda: IAT(16, None, "rect", "rect"), (3, 16)),
    "linear": (lambda: IAT(16, input_basis="pwl-w", output_basis="pwl"), (3, 16)),
    "means": (lambda: IAT(256, 255, "pwl", "rect"), (300, 256)),
    "midpoint": (lambda: IAT(16, method="midpoint"), (3, 16)),
    "FFT": (lambda: IAT(128, method="midpoint"), (3, 128)),
    "tanh": (lambda: IAT(16, method="midpoint", activation="tanh"), (3, 16)),
    "DecoupledIAT": (lambda: DecoupledIAT(6, 4, 5), (3, 6), (3, 4)),
    "ContinuousWidthNetwork": (lambda: ContinuousWidthNetwork(2, [5, 6], 3), (4, 2)),
    "ContinuousWidthNetwork with points": (lambda: ContinuousWidthNetwork(2, [5, 6], 3, points=64), (4, 2)),
    "BWReLU": (lambda: BWReLU(2.0), (3, 4)),
    "BWReLU learned": (lambda: BWReLU(2.0, learnable=True), (300, 300)),
    "CoordinateNetwork": (lambda: inr.CoordinateNetwork(2, learnable_scale=True), (300, 2)),
    "CoordinateNetwork encoded": (
        lambda: inr.CoordinateNetwork(2, 3, 8, octaves=3, skip=True, activation="siren"),
        (3, 2),
    ),
    "CoordinateNetwork wire": (lambda: inr.CoordinateNetwork(2, hidden_features=8, activation="wire"), (3, 2)),
    "Grid": (lambda: inr.Grid((4, 5), 3), (6, 2)),
    "PositionalEncoding": (lambda: inr.PositionalEncoding(2, 3), (6, 2)),
    "Radon": (lambda: inr.Radon(6, [0.0, 33.0]), (2, 6, 6)),
    "FixedFilter": (lambda: spectrum.FixedFilter([0.7, -1.0]), (3, 32)),
    "OneFilterNetwork": (lambda: spectrum.OneFilterNetwork(), (3, 32)),
    "HeartRateCNN": (lambda: spectrum.HeartRateCNN(), (2, 256)),
    "ToneClassifier": (lambda: spectrum.ToneClassifier(), (2, 64)),
}
FINDS_ROOTS = {"exact", "exact of other numbers", "DecoupledIAT", "ContinuousWidthNetwork"}


def made(name):
    make, *shapes = MODULES[name]
    torch.manual_seed(0)
    return make().eval(), tuple(rows(*shape).float() for shape in shapes)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_made_on_meta(name):
    """Its shape is right; it takes its memory and a saved state, and is then the module that was saved."""
    module, inputs = made(name)
    wanted = module(*inputs)
    for switch in (torch.device("meta"), torch.inference_mode()):
        with switch:
            empty = MODULES[name][0]().eval()
            if isinstance(switch, torch.device):
                out = empty(*(torch.empty_like(x, device="meta") for x in inputs))
                assert out.is_meta and out.shape == wanted.shape and out.dtype == wanted.dtype
        if isinstance(switch, torch.device):
            empty.to_empty(device="cpu").load_state_dict(module.state_dict())
            torch.testing.assert_close(empty(*inputs), wanted)
    assert module.to("meta")(*(x.to("meta") for x in inputs)).shape == wanted.shape


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_copied_pickled_and_saved_whole(name):
    module, inputs = made(name)
    with torch.inference_mode():
        wanted = module(*inputs)  # and what the first call leaves behind comes along
    other = MODULES[name][0]().eval()
    other.load_state_dict(module.state_dict())
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), other):
        x = tuple(t.clone().requires_grad_() for t in inputs)
        y = twin(*x)
        torch.testing.assert_close(y.detach(), wanted, rtol=0, atol=0)
        y.sum().backward()
        assert repr(twin) == repr(module)


@pytest.mark.parametrize("kind", (torch.float16, torch.bfloat16))
@pytest.mark.parametrize("name", MODULES)
def test_a_module_in_half_precision(name, kind):
    module, inputs = made(name)
    if name in ("CoordinateNetwork wire", "HeartRateCNN"):
        return  # PyTorch has no complex bfloat16; and the network of heart rates says what it takes
    wanted = module(*inputs)
    y = module.to(kind)(*(x.to(kind) for x in inputs))
    assert y.dtype == kind and y.shape == wanted.shape and y.isfinite().all()


def exported(module, inputs):
    return torch.export.export(module, inputs).module()


RECORDERS = {"torch.export": exported, "torch.jit.trace": lambda module, inputs: torch.jit.trace(module, inputs)}


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:`torch.jit.trace:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`isinstance:FutureWarning")
@pytest.mark.parametrize("how", RECORDERS)
@pytest.mark.parametrize("name", MODULES)
def test_a_recorded_module_is_right_on_other_numbers_or_says_why_not(name, how):
    module, inputs = made(name)
    if name in FINDS_ROOTS:
        with pytest.raises(RuntimeError, match="cannot record how roots are found"):
            RECORDERS[how](module, inputs)
        return
    recorded = RECORDERS[how](module, inputs)
    others = tuple((1.3 * x - 0.1).flip(0) for x in inputs)
    torch.testing.assert_close(recorded(*others), module(*others), rtol=1e-5, atol=1e-6)


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
TABLES = IAT(4, method="midpoint").double()._plan.means.tables(torch.device("cpu"), torch.float64)
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
    for x in (
        rows(3, 4) * 3,
        torch.tensor([[0.0, 1.5, 3.0, 1.0], [2.0, 0.0, 0.0, 0.5], [1.0, -1.0, 1.0, -1.0]]).double(),
    ):
        torch.testing.assert_close(SECOND[way](fast, x), SECOND[way](plain, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("height", (255, 256))
@pytest.mark.parametrize(
    "layer", (nn.ReLU, BWReLU, lambda: BWReLU(learnable=True), lambda: IAT(256, None, "pwl", "rect"))
)
def test_the_second_derivative_of_a_network_on_either_side_of_a_switch(layer, height):
    net = nn.Sequential(layer(), nn.Flatten()).double()
    x = rows(height, 256).requires_grad_()
    with torch.inference_mode():
        net(x)
    (grad,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(grad.sum(), x)
    if not isinstance(net[0], IAT):
        assert torch.equal(second, torch.zeros_like(x))
