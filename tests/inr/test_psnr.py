"""PSNR: the standard definition, scikit-image's, and no hidden normalisation."""

import math
from typing import Any

import pytest
import torch
from skimage.data import camera
from skimage.metrics import peak_signal_noise_ratio

from relunb.inr import psnr

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
            r"got torch\.uint8\. Bytes: image\.float\(\) / 255",
        ),
        (lambda: UNTYPED(camera(), PHOTO), TypeError, "estimate must be a real floating-point tensor; got ndarray"),
    ],
)
def test_bad_input_gets_a_sentence_that_helps(call, error, says):
    with pytest.raises(error, match=says):
        call()
