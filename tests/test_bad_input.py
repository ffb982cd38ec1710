"""What every public function says to a tensor on another device, to a sparse one, and to "no" where True is meant."""

import re

import pytest
import torch
from torch import nn

from relunb import IAT, BWReLU, bw_relu
from relunb import iat as I
from relunb import inr as N
from relunb import spectrum as S
from relunb import wavelet as W
from relunb.book import data as D


def r(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(len(shape)))


def sp(*shape):
    return r(*shape).to_sparse()


def pat(x):
    return I.activation_pattern(x, "pwl")


def towers(where="cpu"):
    return [nn.Sequential(nn.Linear(4, 4), IAT(4), nn.Linear(4, 2)).to(where) for _ in range(2)]


def fit(**options):
    return N.fit(N.CoordinateNetwork(2), N.ImageProblem(r(4, 4)), **{"steps": 1, "progress": False, **options})


TWO = {  # a function of two tensors, and the two
    "filtered_dc": (lambda a, b: S.filtered_dc(a, b, mode="zero"), r(2, 16), r(2)),
    "relu_series": (lambda a, b: S.relu_series(a, 3, b), r(3, 4), r(3) + 1),
    "threshold": (lambda a, b: S.threshold_accuracy(a, b), r(4), torch.tensor([0, 1, 0, 1])),
    "remove_motion": (lambda a, b: S.remove_motion(a, b, 3), r(2, 16), r(2, 1, 16)),
    "multitone": (S.multitone_dc, r(2, 4), r(2)),
    "intermod": (lambda a, b: S.intermodulation(a, [1, 1, 0, 0], b), r(2, 4), r(2)),
    "intermod orders": (lambda a, b: S.intermodulation(a, b), r(2, 4), torch.tensor([1, 1, 0, 0])),
    "commens phases": (lambda a, b: S.commensurate_dc(a, [1, 2], b), r(3, 2), r(3, 2)),
    "commens harm": (lambda a, b: S.commensurate_dc(a, b), r(3, 2), torch.tensor([1, 2])),
    "tone_harm": (S.tone_harmonics, r(3), r(3)),
    "class_constant": (S.class_constant, torch.tensor([0, 1]), r(2)),
    "train": (
        lambda a, b: S.train_ensemble([S.ToneClassifier()] * 2, a, b, seeds=(0, 1), epochs=1),
        r(2, 4, 16),
        torch.zeros(2, 4).long(),
    ),
    "train nets": (
        lambda a, b: S.train_ensemble(
            [S.ToneClassifier().to(b.device)] * 2, a, torch.zeros(2, 4, device=a.device).long(), seeds=(0, 1), epochs=1
        ),
        r(2, 4, 16),
        r(1),
    ),
    "OneFilter": (lambda a, b: S.OneFilterNetwork().to(b.device)(a), r(2, 16), r(1)),
    "ToneClassifier": (lambda a, b: S.ToneClassifier().to(b.device)(a), r(2, 16), r(1)),
    "ToneClassifierlin": (lambda a, b: S.ToneClassifier("linear").to(b.device)(a), r(2, 16), r(1)),
    "HeartRate": (lambda a, b: S.HeartRateCNN().eval().to(b.device)(a), r(2, 256), r(1)),
    "bw_relu": (bw_relu, r(3, 4), r(4)),
    "bw_relu0": (bw_relu, r(3, 4), torch.tensor(2.0)),
    "BWReLU": (lambda a, b: BWReLU(learnable=True).to(b.device)(a), r(3, 4), torch.tensor(2.0)),
    "seven": (W.seven_relus, r(3, 4), r(4)),
    "seven0": (W.seven_relus, r(3, 4), torch.tensor(2.0)),
    "inner": (lambda a, b: W.inner_product(a, 0.0, b, 0.0), r(4), r(4)),
    "inner0": (lambda a, b: W.inner_product(a, 0.0, b, 0.0), r(4), torch.tensor(2.0)),
    "inner low": (lambda a, b: W.inner_product(a, 0.0, 1.0, 0.0, b), r(4), torch.tensor(-2.0)),
    "varnorm": (W.variation_norm, r(4), r(4)),
    "varnorm scale": (lambda a, b: W.variation_norm(a, a, b), r(4), r(4)),
    "varnorm scale0": (lambda a, b: W.variation_norm(a, a, b), r(4), torch.tensor(2.0)),
    "varnorm bias": (lambda a, b: W.variation_norm(a, a, 1, b, exact=True), r(4), r(4)),
    "contains": (lambda a, b: pat(a).contains(b), r(3, 4), r(5)),
    "contains0": (lambda a, b: pat(a).contains(b), r(3, 4), torch.tensor(0.5)),
    "symdiff": (lambda a, b: pat(a).symmetric_difference(pat(b)), r(3, 4), r(3, 4)),
    "Decoupled": (lambda a, b: I.DecoupledIAT(4)(a, b), r(3, 4), r(3, 4)),
    "Decoupled pat": (lambda a, b: I.DecoupledIAT(4)(a, pat(b)), r(3, 4), r(3, 4)),
    "DecoupledNet": (lambda a, b: I.DecoupledNetwork(*towers(b.device))(a), r(3, 4), r(3, 4)),
    "solve": (lambda a, b: I.DecoupledNetwork(*towers(a.device)).solve(a, b), r(3, 4), r(3, 2)),
    "CWN": (lambda a, b: I.ContinuousWidthNetwork(4, [4], 2).to(b.device)(a), r(3, 4), r(3, 4)),
    "CWNq": (lambda a, b: I.ContinuousWidthNetwork(4, [4], 2).to(b.device).by_quadrature(a), r(3, 4), r(3, 4)),
    "regions": (lambda a, b: I.linear_regions(IAT(4, input_basis="rect"), a, b), r(4), r(4)),
    "regions net": (lambda a, b: I.linear_regions(nn.Linear(4, 4).to(b.device), a, a + 1), r(4), r(4)),
    "polygons": (lambda a, b: I.region_polygons(IAT(4, input_basis="rect"), a, b, r(4)), r(4), r(4)),
    "psnr": (N.psnr, r(8, 8), r(8, 8)),
    "ssim": (N.ssim, r(8, 8), r(8, 8)),
    "psnr range": (lambda a, b: N.psnr(a, a, b), r(8, 8), torch.tensor(1.0)),
    "Image mask": (lambda a, b: N.ImageProblem(a, b), r(8, 8), r(8, 8) > 0.5),
    "SR": (lambda a, b: N.SuperResolutionProblem(a, 2, b), r(4, 4), r(8, 8)),
    "CT": (lambda a, b: N.CTProblem(a, b, 4, circle=True), r(4, 3), r(3)),
    "CTref": (lambda a, b: N.CTProblem(a, [0.0, 1.0, 2.0], 4, True, b), r(4, 3), r(4, 4)),
    "loss": (lambda a, b: N.ImageProblem(a).loss(b), r(4, 4), r(16, 1)),
    "SRloss": (lambda a, b: N.SuperResolutionProblem(a, 2).loss(b), r(4, 4), r(64, 1)),
    "error": (lambda a, b: N.ImageProblem(a).psnr(b), r(4, 4), r(16, 1)),
    "Radon": (lambda a, b: N.Radon(4, [0.0, 1.0]).to(b.device)(a), r(4, 4), r(1)),
    "Grid": (lambda a, b: N.Grid((4, 4)).to(b.device)(a), r(4, 2), r(1)),
    "Coord": (lambda a, b: N.CoordinateNetwork(2, hidden_features=4).to(b.device)(a), r(4, 2), r(1)),
    "fit": (
        lambda a, b: N.fit(
            N.CoordinateNetwork(2, hidden_features=4).to(b.device), N.ImageProblem(a), steps=2, progress=False
        ),
        r(4, 4),
        r(1),
    ),
    "values": (
        lambda a, b: N.ImageProblem(a).values(N.CoordinateNetwork(2, hidden_features=4).to(b.device)),
        r(4, 4),
        r(1),
    ),
    "IAT": (lambda a, b: IAT(4).to(b.device)(a), r(3, 4), r(1)),
    "cond": (lambda a, b: W.conditioning(nn.Linear(4, 1).to(b.device), a), r(3, 4), r(1)),
    "fcond": (lambda a, b: W.feature_condition(nn.Linear(4, 1).to(b.device), a), r(3, 4), r(1)),
    "freq": (lambda a, b: S.FixedFilter(a).frequency_response(b), r(4), r(4)),
}
SENTENCE = "move one with .to()|on torch's meta device|device meta|the input beside it on"
ONE_NUMBER = {"bw_relu0", "BWReLU", "seven0", "inner0", "varnorm scale0"}  # on the CPU it may stand beside any tensor


@pytest.mark.parametrize("name", TWO)
def test_two_tensors_on_two_devices_give_a_sentence(name):
    """The message is ours. The other order may be allowed, where the second is a number or is moved."""
    f, *tensors = TWO[name]
    for places in (("cpu", "meta"), ("meta", "cpu"), ("meta", "meta")):
        try:
            f(*(tensor.to(place) for tensor, place in zip(tensors, places, strict=True)))
        except ValueError as error:
            assert re.search(SENTENCE, str(error)), error
        else:
            assert places[0] == "meta" or name in ("IAT", "freq"), "a tensor without numbers was taken"


def test_one_number_on_the_cpu_stands_beside_any_tensor():
    for name in ONE_NUMBER:
        f, x, number = TWO[name]
        assert f(x.to("meta"), number).is_meta


SPARSE = {
    "transform": lambda: I.transform(sp(3, 4)),
    "rect": lambda: I.transform(sp(3, 4), "rect"),
    "pwl": lambda: I.transform(sp(3, 4), "pwl"),
    "mid": lambda: I.transform(sp(3, 4), method="midpoint"),
    "tanh": lambda: I.transform(sp(3, 4), method="midpoint", activation="tanh"),
    "own": lambda: I.transform(r(3, 4), method="midpoint", activation=lambda z: z.to_sparse()),
    "own cwn": lambda: I.ContinuousWidthNetwork(4, [4], 2, activation=lambda z: z.to_sparse()).by_quadrature(r(3, 4)),
    "own cwn2": lambda: I.ContinuousWidthNetwork(4, [4], 2, activation=lambda z: z.to_sparse())(r(3, 4)),
    "pattern": lambda: I.activation_pattern(sp(3, 4), "pwl"),
    "contains": lambda: pat(r(3, 4)).contains(sp(3, 4)),
    "basis": lambda: I.PWL(4)(sp(3)),
    "deriv": lambda: I.Fourier(4).derivative(sp(3)),
    "left": lambda: I.PWL(4).left_limit(sp(3)),
    "lv": lambda: I.PWL(4).local_values(sp(3)),
    "lvf": lambda: I.Fourier(4).local_values(sp(3)),
    "D": lambda: I.DecoupledIAT(4)(sp(3, 4), r(3, 4)),
    "D2": lambda: I.DecoupledIAT(4)(r(3, 4), sp(3, 4)),
    "regions": lambda: I.linear_regions(IAT(4, input_basis="rect"), sp(4), r(4)),
    "cwn": lambda: I.ContinuousWidthNetwork(4, [4], 2)(sp(3, 4)),
    "PP": lambda: I.PiecewisePolynomial(sp(3), r(1, 2, 2)),
    "fd": lambda: S.filtered_dc(sp(2, 8), r(2), mode="zero"),
    "fd2": lambda: S.filtered_dc(r(2, 8), sp(2), mode="zero"),
    "FF": lambda: S.FixedFilter([1.0])(sp(2, 8)),
    "sm": lambda: S.truncated_means(sp(2, 8), 2),
    "thr": lambda: S.threshold_accuracy(sp(4), torch.tensor([0, 1, 0, 1])),
    "thr2": lambda: S.threshold_accuracy(r(4), torch.tensor([0, 1, 0, 1]).to_sparse()),
    "cc": lambda: S.class_constant(torch.tensor([0, 1]).to_sparse()),
    "hr": lambda: S.HeartRateCNN()(sp(2, 256)),
    "tc": lambda: S.ToneClassifier()(sp(2, 16)),
    "integers": lambda: S.intermodulation([1.0, 1.0], torch.tensor([1, 1]).to_sparse()),
    "train": lambda: S.train_ensemble(
        [S.ToneClassifier()], sp(1, 4, 16), torch.zeros(1, 4).long(), seeds=[0], epochs=1
    ),
    "coord": lambda: N.CoordinateNetwork(2)(sp(3, 2)),
    "enc": lambda: N.PositionalEncoding(2, 2)(sp(3, 2)),
    "grid": lambda: N.Grid((3, 3))(sp(3, 2)),
    "psnr": lambda: N.psnr(sp(4, 4), r(4, 4)),
    "ssim": lambda: N.ssim(r(8, 8), sp(8, 8)),
    "img": lambda: N.ImageProblem(sp(4, 4)),
    "mask": lambda: N.ImageProblem(r(4, 4), (r(4, 4) > 0.5).to_sparse()),
    "radon": lambda: N.Radon(4, [0.0])(sp(4, 4)),
    "adj": lambda: N.Radon(4, [0.0]).adjoint(sp(6, 1)),
    "loss": lambda: N.ImageProblem(r(4, 4)).loss(sp(16, 1)),
}


@pytest.mark.parametrize("name", SPARSE)
def test_a_sparse_tensor_gives_a_sentence(name):
    with pytest.raises(TypeError, match=r"must be a dense tensor; got torch.sparse_coo. Use .*\.to_dense\(\)"):
        SPARSE[name]()


FLAGS = {
    "normalized of transform": ("normalized", lambda v: I.transform(r(3, 4), normalized=v)),
    "normalized of IAT": ("normalized", lambda v: IAT(4, normalized=v)),
    "normalized of DecoupledIAT": ("normalized", lambda v: I.DecoupledIAT(4, normalized=v)),
    "normalized of activation_matrix": (
        "normalized",
        lambda v: I.activation_matrix(I.activation_pattern(r(4), "pwl"), I.PWL(4), "pwl", normalized=v),
    ),
    "normalized of wavelet_gram": ("normalized", lambda v: W.wavelet_gram(2, normalized=v)),
    "exact of wavelet_gram": ("exact", lambda v: W.wavelet_gram(2, exact=v)),
    "exact of variation_norm": ("exact", lambda v: W.variation_norm([1], [1], exact=v)),
    "multiscale of RectWavelet": ("multiscale", lambda v: I.RectWavelet(4, multiscale=v)),
    "multiscale of PWLWavelet": ("multiscale", lambda v: I.PWLWavelet(4, multiscale=v)),
    "freeze of DecoupledNetwork": ("freeze", lambda v: I.DecoupledNetwork(*towers(), freeze=v)),
    "freeze of transfer_patterns": ("freeze", lambda v: I.transfer_patterns(*towers(), freeze=v)),
    "learnable of BWReLU": ("learnable", lambda v: BWReLU(learnable=v)),
    "learnable of Sine": ("learnable", lambda v: N.Sine(1.0, learnable=v)),
    "learnable of Gaussian": ("learnable", lambda v: N.Gaussian(1.0, learnable=v)),
    "learnable of Gabor": ("learnable", lambda v: N.Gabor(1.0, 1.0, learnable=v)),
    "learnable_scale of CoordinateNetwork": ("learnable_scale", lambda v: N.CoordinateNetwork(2, learnable_scale=v)),
    "learnable_scale, relu": (
        "learnable_scale",
        lambda v: N.CoordinateNetwork(2, activation="relu", learnable_scale=v),
    ),
    "skip": ("skip", lambda v: N.CoordinateNetwork(2, skip=v)),
    "circle of Radon": ("circle", lambda v: N.Radon(4, [0.0], circle=v)),
    "circle of CTProblem": ("circle", lambda v: N.CTProblem(r(4, 3), [0.0, 1.0, 2.0], 4, circle=v)),
    "circle of CTProblem.from_image": ("circle", lambda v: N.CTProblem.from_image(r(4, 4), [0.0, 1.0, 2.0], circle=v)),
    "fused": ("fused", lambda v: fit(fused=v)),
    "compile": ("compile", lambda v: fit(compile=v)),
    "progress": ("progress", lambda v: fit(progress=v)),
    "complex": ("complex", lambda v: S.amplitude_spectrum(r(8), 1.0, complex=v)),
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_is_true_or_false(name):
    """Else "no" would be yes."""
    option, f = FLAGS[name]
    for value in ("no", 1, 0.0, None, [True]):
        if (value, option) != (None, "fused"):
            with pytest.raises(TypeError, match=f"^{option} must be True(, False or None| or False); got"):
                f(value)


def test_a_flag_of_numpy_is_one():
    import numpy as np

    assert S.amplitude_spectrum([1.0, 2.0], 1.0, complex=np.True_)[1].is_complex()
    assert N.Radon(4, [0.0], circle=np.False_).circle is False


NUMBERS = {
    "in_features": lambda v: IAT(v),
    "points": lambda v: IAT(4, method="midpoint", points=v),
    "width": lambda v: I.max_linear_regions(v, 3),
    "layer": lambda v: I.ContinuousWidthNetwork(2, [4], 1).kernel(v),
    "order": lambda v: I.PWL(4).left_limit(r(3), v),
    "extent": lambda v: N.AudioProblem(r(8), v),
    "data_range": lambda v: N.psnr(r(4, 4), r(4, 4), v),
    "data_range 2": lambda v: N.ImageProblem(r(4, 4), data_range=v),
    "data_range 3": lambda v: N.ssim(r(8, 8), r(8, 8), data_range=v),
    "data_range 4": lambda v: N.SuperResolutionProblem(r(4, 4), 2, data_range=v),
    "data_range 5": lambda v: N.CTProblem(r(4, 3), [0.0, 1.0, 2.0], 4, True, data_range=v),
    "scale": lambda v: N.Sine(v),
    "scale 2": lambda v: N.CoordinateNetwork(2, scale=v),
    "scale 3": lambda v: BWReLU(v),
    "scale 4": lambda v: bw_relu(r(3), v),
    "scale 5": lambda v: W.seven_relus(r(3), v),
    "sigma": lambda v: N.Gabor(1.0, v),
    "sigma 2": lambda v: N.CoordinateNetwork(2, activation="wire", sigma=v),
    "steps": lambda v: fit(steps=v),
    "lr": lambda v: fit(lr=v),
    "decay": lambda v: fit(decay=v),
    "stop_loss": lambda v: fit(stop_loss=v),
    "checkpoint_every": lambda v: fit(checkpoint_every=v),
    "error": lambda v: N.ImageProblem(r(4, 4)).decibels(v),
    "size": lambda v: N.Radon(v, [0.0]),
    "angles": lambda v: N.Radon(4, v),
    "factor": lambda v: N.SuperResolutionProblem(r(4, 4), v),
    "octaves": lambda v: N.CoordinateNetwork(2, octaves=v),
    "sample_rate": lambda v: S.amplitude_spectrum(r(8), v),
    "sample_rate 2": lambda v: S.FixedFilter([1.0]).frequency_response(0.1, v),
    "sample_rate 3": lambda v: S.tone_classes(2, sample_rate=v),
    "frequencies": lambda v: S.FixedFilter([1.0]).frequency_response(v),
    "taps": lambda v: S.FixedFilter(v),
    "taps 2": lambda v: S.remove_motion(r(2, 8), r(2, 1, 8), v),
    "dropout": lambda v: S.HeartRateCNN(v),
    "jitter": lambda v: S.tone_classes(2, jitter=v),
    "each of frequencies": lambda v: S.tone_classes(2, frequencies=[v]),
    "each of levels": lambda v: S.class_constant(torch.tensor([0]), [v]),
    "amplitude": lambda v: S.tone_harmonics(v),
    "bias": lambda v: S.tone_harmonics(1.0, v),
    "bias 2": lambda v: S.multitone_dc([1.0, 0.5], v),
    "bias 3": lambda v: S.intermodulation([1.0, 0.5], [1, 1], v),
    "phases": lambda v: S.commensurate_dc([1.0], [1], v),
    "amplitude 2": lambda v: S.series_tone_harmonics(v, 3),
    "center": lambda v: S.relu_series(r(4), 3, v),
    "center 2": lambda v: S.series_sup_error(3, v),
    "each harmonic": lambda v: S.commensurate_dc([1.0], [v]),
    "each order": lambda v: S.intermodulation([1.0], [v]),
    "learning_rate": lambda v: S.train_ensemble(
        [S.ToneClassifier()] * 1, r(1, 4, 16), torch.zeros(1, 4).long(), seeds=[0], epochs=1, learning_rate=v
    ),
    "scale_a": lambda v: W.inner_product(v, 0, 1, 1),
    "shift_b": lambda v: W.inner_product(1, 0, 1, v),
    "shift_b 2": lambda v: W.inner_product(1.0, 0, 1, v),
    "low": lambda v: W.inner_product(1, 0, 1, 1, v, 2),
    "high": lambda v: W.inner_product(1.0, 0, 1, 1, -1, v),
    "scale 6": lambda v: W.variation_norm([1], [1], v),
    "scale 7": lambda v: W.variation_norm([1.0], [1.0], v),
    "domain": lambda v: W.variation_norm([1], [1], exact=True, domain=(0, v)),
    "domain 2": lambda v: W.variation_norm([1.0], [1.0], exact=True, domain=(-1, v)),
    "theta": lambda v: W.toeplitz_symbol(v),
    "omega": lambda v: W.wavelet_fourier(v),
    "levels": lambda v: W.wavelet_gram(v),
    "k": lambda v: W.relu_condition_number(v),
    "x": lambda v: S.relu_series(v, 3),
    "sample_rate 4": lambda v: D.photoplethysmogram(v),
    "seconds": lambda v: D.photoplethysmogram(seconds=(0, v)),
    "side": lambda v: D.phantom(v),
    "shrink": lambda v: D.photograph(shrink=v),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_true_and_a_string_are_no_numbers(name):
    option = re.sub(" [0-9]$", "", name)
    for value in (True, "1"):
        with pytest.raises(TypeError, match=option):
            NUMBERS[name](value)
