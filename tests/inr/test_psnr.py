"""PSNR: the standard definition, scikit-image's, and no hidden normalisation."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from skimage.data import camera
from skimage.metrics import peak_signal_noise_ratio

from relunb.inr import psnr, ssim

UNTYPED: Any = psnr  # for input that the types already forbid
PHOTO = torch.from_numpy(camera()).double() / 255


def noisy() -> torch.Tensor:
    return PHOTO + 0.05 * torch.randn(PHOTO.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("data_range", [1.0, 255.0, 0.25])
def test_it_is_scikit_images(data_range):
    estimate, reference = noisy() * data_range, PHOTO * data_range
    expected = peak_signal_noise_ratio(reference.numpy(), estimate.numpy(), data_range=data_range)
    assert psnr(estimate, reference, data_range).item() == pytest.approx(expected, abs=1e-12)


def test_a_known_answer():
    assert psnr(PHOTO + 0.1, PHOTO).item() == pytest.approx(20, abs=1e-12)
    assert psnr(PHOTO, PHOTO).item() == math.inf


def test_an_affine_distortion_is_an_error_and_is_not_taken_out():
    """The paper's script for signals stretches the estimate to [0, 1] first, and so gives 0.5 x + 0.2 some 320 dB."""
    assert psnr(0.5 * PHOTO + 0.2, PHOTO).item() == pytest.approx(
        -10 * math.log10(((0.2 - 0.5 * PHOTO) ** 2).mean().item()), abs=1e-12
    )
    assert psnr(0.5 * PHOTO + 0.2, PHOTO) < 20


def test_the_peak_is_squared():
    """The paper's helper divides the largest value, not its square, by the error: for a peak of 1/4 it is 6 dB off."""
    quarter, estimate = PHOTO / 4, noisy() / 4
    assert psnr(estimate, quarter, 0.25).item() == pytest.approx(psnr(noisy(), PHOTO).item(), abs=1e-12)


def test_gradient_and_dtypes():
    estimate, reference = noisy()[:6, :6].clone().requires_grad_(), PHOTO[:6, :6]
    assert torch.autograd.gradcheck(lambda image: psnr(image, reference), estimate)
    assert psnr(estimate.float(), reference.float()).dtype == torch.float32
    half = psnr(estimate.half(), reference.half())
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(psnr(estimate.half().float(), reference.half().float()).item(), rel=1e-6)
    assert psnr(estimate.float(), reference).dtype == torch.float64


@pytest.mark.parametrize(
    ("dtype", "exponents"), [(torch.float64, range(-307, 308, 6)), (torch.float32, range(-37, 38))]
)
def test_a_scale_adds_its_decibels_and_no_square_leaves_the_dtype(dtype, exponents):
    error = torch.tensor([0.0, 1, -1, 0.5], dtype=dtype)
    for exponent in exponents:
        scale = torch.tensor(10.0**exponent, dtype=dtype)
        exact = -10 * math.log10(2.25 / 4) - 20 * math.log10(scale.item())
        assert psnr(error * scale, 0 * error).item() == pytest.approx(exact, rel=1e-6), exponent
        assert psnr(error * scale, 0 * error, scale).item() == pytest.approx(-10 * math.log10(2.25 / 4), abs=2e-4)


@pytest.mark.parametrize(("dtype", "ends"), [(torch.float64, (1e-310, 1.7e308)), (torch.float32, (1e-44, 3e38))])
def test_the_ends_of_the_exponents(dtype, ends):
    for value in ends:
        whole = torch.full((4,), value, dtype=dtype)
        exact = -20 * math.log10(whole[0].double().item())
        assert psnr(whole, 0 * whole).item() == pytest.approx(exact, rel=1e-6)
    assert psnr(whole, -whole, 1e308).item() == pytest.approx(exact - 20 * math.log10(2) + 6160, rel=1e-6)
    one_rounding = psnr(torch.full((9,), 1 + torch.finfo(dtype).eps, dtype=dtype), torch.ones(9, dtype=dtype)).item()
    assert one_rounding == pytest.approx(-20 * math.log10(torch.finfo(dtype).eps), rel=1e-6)


def test_equal_images_have_a_gradient_of_zero_and_near_them_it_is_the_exact_one():
    estimate = PHOTO[:4, :4].clone().requires_grad_()
    value = psnr(estimate, PHOTO[:4, :4])
    (gradient,) = torch.autograd.grad(value, estimate)
    assert value.item() == math.inf and torch.equal(gradient, torch.zeros_like(gradient))
    for values in ([1e-200] * 4, [1e-160, 0, 0, -1e-160], [0, 3, 3, -3], [1e160, -1e160, 1e-160, 0]):
        error = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(psnr(error, torch.zeros(4, dtype=torch.float64)), error)
        size = error.abs().max().item()
        small = error.detach() / size
        exact = -20 / math.log(10) * small / small.square().sum() / size
        torch.testing.assert_close(gradient, exact, rtol=1e-12, atol=0)
    many = torch.stack([PHOTO[:4, :4], PHOTO[4:8, :4]])
    values = torch.func.vmap(psnr)(many, many.flip(0))
    assert values.tolist() == pytest.approx([psnr(many[0], many[1]).item()] * 2)


RANGES = {
    "in [-1, 1]": (2 * PHOTO - 1, 1.0, "data_range=2.0"),
    "in [-1, 1] with little contrast": (1.4 * PHOTO - 0.8, 1.0, "data_range=2.0"),
    "bytes": (PHOTO * 255, 1.0, "data_range=255"),
    "dark bytes": (PHOTO * 60, 1.0, "data_range=255"),
    "bytes, the range of [-1, 1]": (PHOTO * 255, 2.0, "data_range=255"),
    "16 bits": (PHOTO * 60000, 1.0, "data_range=65535"),
    "16 bits, the range of bytes": (PHOTO * 60000, 255.0, "data_range=65535"),
    "a scan in Hounsfield units": (PHOTO * 4000 - 1000, 1.0, "data_range=4000 at least"),
    "one pixel is far out": (PHOTO + 9 * (PHOTO == PHOTO.max()), 1.0, "data_range=10 at least"),
}


@pytest.mark.parametrize(("picture", "most", "says"), RANGES.values(), ids=RANGES.keys())
@pytest.mark.parametrize("score", [psnr, ssim])
def test_a_range_that_the_reference_contradicts_is_refused(picture, most, says, score):
    with pytest.raises(ValueError, match="reference goes from .* contradicts.*" + says.replace(".", r"\.")):
        score(picture, picture, most)


@pytest.mark.parametrize("score", [psnr, ssim])
def test_a_range_that_the_reference_keeps_is_taken(score):
    noise = noisy() - PHOTO  # some 0.25 at most
    pictures = [
        (PHOTO, PHOTO + noise, 1.0),  # a noisy reference
        (3 * PHOTO - 1, PHOTO, 1.0),  # an estimate may overshoot
        (PHOTO, PHOTO.half().double() * 1.0005, 1.0),  # and values be rounded
        (PHOTO, PHOTO - 0.5, 1.0),
        (PHOTO, 2 * PHOTO - 1, 2.0),
        (PHOTO, (255 * PHOTO).round(), 255.0),
        (PHOTO, 4000 * PHOTO - 1000, 4000.0),
        (PHOTO, 1e-3 * PHOTO, 1e-3),
    ]
    for estimate, reference, most in pictures:
        assert math.isfinite(score(estimate, reference, most))


def test_the_wrong_range_was_six_decibels_off():
    clean, estimate = 2 * PHOTO - 1, 2 * noisy() - 1
    assert psnr(estimate, clean, 2.0).item() == pytest.approx(psnr(noisy(), PHOTO).item(), abs=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-23, 255.0, 1e23, 1e160, 1e300])
def test_similarity_does_not_depend_on_the_unit(scale):
    picture, estimate = PHOTO[::8, ::8], noisy()[::8, ::8]
    assert ssim(estimate * scale, picture * scale, scale) == pytest.approx(ssim(estimate, picture), abs=1e-12)
    with pytest.raises(ValueError, match="beyond 1e[+]70 times data_range"):
        ssim(estimate * 1e80, picture, 1.0)


def test_arrays_of_every_layout_are_taken():
    picture, estimate = camera()[::8, ::8] / 255, noisy()[::8, ::8].numpy()
    exact = psnr(torch.from_numpy(estimate.copy()), torch.from_numpy(picture)).item()
    frozen = picture.copy()
    frozen.flags.writeable = False
    for change in (
        lambda a: a[::-1, ::-1],
        lambda a: a.astype(">f8"),
        lambda a: np.asfortranarray(a),
        lambda a: a.repeat(2, 0)[::2],
        lambda a: a.tolist(),
    ):
        assert psnr(change(estimate), change(picture)).item() == pytest.approx(exact, abs=1e-12)
        assert ssim(change(estimate), change(picture)) == pytest.approx(ssim(change(estimate), change(picture)))
    assert psnr(estimate, frozen).item() == exact
    assert psnr(estimate.astype(np.float16), picture.astype(np.float16)).dtype == torch.float32


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: psnr(PHOTO, PHOTO[:5]), ValueError, r"differ in shape: \(512, 512\) and \(5, 512\)"),
        (lambda: psnr(PHOTO[:0], PHOTO[:0]), ValueError, "the images are empty"),
        (lambda: psnr(PHOTO / 0, PHOTO), ValueError, "estimate has .* non-finite values; the first is at"),
        (lambda: psnr(PHOTO, PHOTO, 0.0), ValueError, "data_range must be positive and finite; got 0"),
        (lambda: UNTYPED(PHOTO, PHOTO, "1"), TypeError, "data_range must be a number"),
        (
            lambda: psnr(torch.from_numpy(camera()), PHOTO),
            TypeError,
            r"got torch\.uint8\. Bytes: estimate\.float\(\) / 255",
        ),
        (
            lambda: psnr(PHOTO, torch.from_numpy(camera()), 255),
            TypeError,
            r"got torch\.uint8\. Bytes: reference\.float\(\)\.",
        ),
        (
            lambda: UNTYPED(camera(), PHOTO),
            TypeError,
            r'estimate must be a real floating-point array; got uint8\. Bytes: estimate\.astype\("float32"\) / 255',
        ),
        (
            lambda: UNTYPED("photo.png", PHOTO),
            TypeError,
            "must be a real floating-point tensor or array; got 'photo.png'",
        ),
        (lambda: psnr(PHOTO * 1j, PHOTO), TypeError, r"got torch\.complex128\. Use its \.real"),
        (lambda: psnr(PHOTO > 0, PHOTO), TypeError, r"got torch\.bool\. Use estimate\.float\(\)"),
        (lambda: psnr(PHOTO, PHOTO.to("meta")), ValueError, "estimate is on cpu and reference on meta: move one"),
        (
            lambda: psnr(PHOTO, PHOTO, 10**400),
            ValueError,
            "data_range is an integer of 1329 bits|data_range is 1000.*too large for float64",
        ),
    ],
)
def test_bad_input_gets_a_sentence_that_helps(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_decibels_of_the_largest_doubles_have_all_digits():
    a, b = torch.linspace(0, 1, 7, dtype=torch.float64), torch.linspace(0.1, 0.9, 7, dtype=torch.float64)
    assert psnr(a * 1e308, b * 1e308, data_range=1e308) == pytest.approx(psnr(a, b).item(), abs=1e-11)
