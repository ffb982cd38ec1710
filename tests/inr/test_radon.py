"""The Radon transform: scikit-image's, with an exact adjoint and derivatives."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.data import shepp_logan_phantom
from skimage.transform import radon as skimage_radon
from skimage.transform import resize

from relunb.inr import Radon
from tests.tolerance import DEVICES

UNTYPED: Any = Radon  # for input that the types already forbid
ANGLES = [0.0, 17.0, 45.0, 90.0, 133.7, 179.0]


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_rotating(image: torch.Tensor, angles: list[float], detectors: int) -> torch.Tensor:
    """The same transform of a square image as one writes it first: rotate with grid_sample and sum, angle by angle."""
    side, size = detectors, image.shape[-1]
    before = side // 2 - size // 2
    padded = F.pad(image, (before, side - size - before) * 2)[None, None]
    index = torch.arange(side, dtype=image.dtype) - side // 2
    along, detector = torch.meshgrid(index, index, indexing="ij")
    columns = []
    for angle in angles:
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        x, y = c * detector + s * along + side // 2, -s * detector + c * along + side // 2
        grid = torch.stack([x, y], -1) * 2 / (side - 1) - 1
        columns.append(F.grid_sample(padded, grid[None], align_corners=True)[0, 0].sum(0))
    return torch.stack(columns, -1)


@pytest.mark.parametrize("shape", [(16, 16), (17, 17), (33, 20), (20, 33), (2, 3)])
def test_it_is_scikit_images_radon_of_the_whole_image(shape):
    image = images(*shape)
    radon = Radon(shape, ANGLES, dtype=torch.float64)
    expected = skimage_radon(image.numpy(), ANGLES, circle=False)
    assert expected.shape == (radon.detectors, len(ANGLES))
    np.testing.assert_allclose(radon(image).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("size", [16, 17, 64])
def test_it_is_scikit_images_radon_of_a_circle(size):
    phantom = resize(shepp_logan_phantom(), (size, size))
    y, x = np.ogrid[:size, :size]
    phantom[(x - size // 2) ** 2 + (y - size // 2) ** 2 > (size // 2) ** 2] = 0
    radon = Radon(size, ANGLES, circle=True, dtype=torch.float64)
    assert radon.detectors == size
    expected = skimage_radon(phantom, ANGLES, circle=True)
    np.testing.assert_allclose(radon(torch.from_numpy(phantom)).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(33, 20), (20, 33), (9, 16), (16, 9)])
def test_what_lies_outside_the_square_around_the_circle_is_not_seen(shape):
    image = images(*shape)
    with pytest.warns(UserWarning, match="must be zero outside"):
        expected = skimage_radon(image.numpy(), ANGLES, circle=True)
    radon = Radon(shape, ANGLES, circle=True, dtype=torch.float64)
    np.testing.assert_allclose(radon(image).numpy(), expected, atol=1e-12)


def test_it_is_the_rotation_by_grid_sample_with_its_gradient():
    image, cotangent = images(24, 24).requires_grad_(), images(34, len(ANGLES), seed=1)
    radon = Radon(24, ANGLES, dtype=torch.float64)
    slow = by_rotating(image, ANGLES, radon.detectors)
    torch.testing.assert_close(radon(image), slow, rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad((f * cotangent).sum(), image)[0] for f in (radon(image), slow)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
@pytest.mark.parametrize("circle", [False, True])
def test_the_adjoint_passes_the_dot_product_test(device, dtype, within, circle):
    radon = Radon((40, 31), ANGLES, circle=circle, dtype=dtype).to(device)
    x = images(3, 40, 31).to(device, dtype)
    y = images(3, radon.detectors, len(ANGLES), seed=1).to(device, dtype)
    forward, backward = (radon(x).double() * y.double()).sum(), (x.double() * radon.adjoint(y).double()).sum()
    assert abs(forward / backward - 1) < within
    (gradient,) = torch.autograd.grad((radon(x.requires_grad_()) * y).sum(), x)
    torch.testing.assert_close(gradient, radon.adjoint(y))


def test_rays_through_a_disc_have_the_lengths_of_its_chords():
    """A known answer: a disc of radius r has the projection 2 sqrt(r^2 - s^2) from every side."""
    size, r = 201, 70.0
    y, x = np.ogrid[:size, :size]
    disc = torch.from_numpy(np.clip(r + 0.5 - np.hypot(x - size // 2, y - size // 2), 0, 1))
    radon = Radon(size, np.linspace(0, 180, 7, endpoint=False), circle=True, dtype=torch.float64)
    s = torch.arange(size, dtype=torch.float64) - size // 2
    chord = 2 * (r**2 - s**2).clamp(min=0).sqrt()
    inside = s.abs() < 0.9 * r
    error = (radon(disc) - chord[:, None]).abs()[inside]
    assert error.max() < 0.02 * r
    mass = radon(disc).sum(0)
    torch.testing.assert_close(mass, disc.sum().expand_as(mass), rtol=2e-3, atol=0)


@pytest.mark.parametrize("turns", [-4.0, 0.0, 3.0, 1e6, 2.0**1000])
def test_right_angles_are_sums_of_rows_and_columns_without_rounding(turns):
    image = (images(15, 15) * 99).round()
    sinogram = Radon(15, [turns * 360 + 0.0, 90.0], circle=True, dtype=torch.float64)(image)
    assert torch.equal(sinogram[:, 0], image.sum(0))
    assert torch.equal(sinogram[:, 1], image.sum(1).flip(0))


@pytest.mark.parametrize("circle", [False, True])
@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (4, 4), (5, 5), (3, 5), (4, 3)])
def test_every_pixel_alone_at_multiples_of_45_degrees_where_rays_meet_corners_and_borders(shape, circle):
    """One-hot images, every one: no pixel is lost or counted twice where a ray runs along an edge."""
    angles = [45.0 * k for k in range(-4, 13)]
    radon = Radon(shape, angles, circle, torch.float64)
    for pixel in torch.eye(shape[0] * shape[1], dtype=torch.float64).reshape(-1, *shape):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*must be zero outside")  # what is seen of it is compared
            expected = skimage_radon(pixel.numpy(), angles, circle=circle)
        np.testing.assert_allclose(radon(pixel).numpy(), expected, rtol=0, atol=4e-15)


def test_a_diagonal_ray_has_the_exact_sum_of_its_pyramids():
    """At 45 degrees the points of a ray lie at multiples of 1/sqrt(2) from a pixel, along both axes."""
    pixel = torch.zeros(5, 5, dtype=torch.float64)
    pixel[2, 2] = 1
    seen = Radon(5, [45.0, 135.0, 225.0, -45.0], dtype=torch.float64)(pixel)
    # Point (d, a) of the turned lattice is (d + a, a - d) / sqrt(2) from the pixel.
    exact = [
        sum(math.prod(max(0.0, 1 - abs(z) * math.sqrt(0.5)) for z in (d + a, a - d)) for a in (-1, 0, 1))
        for d in (-1, 0, 1)
    ]
    middle = len(seen) // 2
    for column in seen.T:
        assert column[middle - 1 : middle + 2].tolist() == pytest.approx(exact, abs=1e-15)
        assert column.sum().item() == pytest.approx(sum(exact), abs=1e-15)


def test_angles_come_in_any_order_and_repeated_and_columns_stay_with_them():
    image = images(9, 12)
    order = [3, 0, 5, 3, 1, 4, 2, 2]
    sorted_ = Radon((9, 12), ANGLES, dtype=torch.float64)
    shuffled = Radon((9, 12), [ANGLES[k] for k in order], dtype=torch.float64)
    assert shuffled.angles.tolist() == [ANGLES[k] for k in order]
    assert torch.equal(shuffled(image), sorted_(image)[:, order])
    sinogram = images(sorted_.detectors, len(order), seed=1)
    merged = torch.zeros(sorted_.detectors, len(ANGLES), dtype=torch.float64).index_add_(
        1, torch.tensor(order), sinogram
    )
    torch.testing.assert_close(shuffled.adjoint(sinogram), sorted_.adjoint(merged), rtol=0, atol=1e-13)


def test_a_turn_by_180_degrees_reverses_the_detectors_of_an_odd_side():
    image = images(9, 9)
    radon = Radon(9, [20.0, 200.0, -160.0, 20.0 + 360 * 10**6], circle=True, dtype=torch.float64)
    seen = radon(image)
    torch.testing.assert_close(seen[:, 0].flip(0), seen[:, 1], rtol=0, atol=1e-13)
    torch.testing.assert_close(seen[:, 1], seen[:, 2], rtol=0, atol=1e-13)
    torch.testing.assert_close(seen[:, 0], seen[:, 3], rtol=0, atol=1e-13)


def test_the_two_matrices_hold_the_same_numbers_sorted_by_ray_and_by_pixel():
    radon = Radon((7, 11), [133.7, 0.0, 45.0, 45.0], dtype=torch.float64)
    rays, pixels = radon.detectors * 4, 77
    matrix = torch.sparse_csr_tensor(radon.crow, radon.columns, radon.values, (rays, pixels), check_invariants=True)
    adjoint = torch.sparse_csr_tensor(
        radon.adjoint_crow, radon.adjoint_columns, radon.adjoint_values, (pixels, rays), check_invariants=True
    )
    assert torch.equal(matrix.to_dense().T, adjoint.to_dense())
    assert radon.values.numel() < 2.6 * 4 * pixels, "no more is kept than pixels reach"


@pytest.mark.parametrize("size", [(300, 2), (2, 300), (130, 130)])
def test_a_picture_in_several_blocks_is_the_same(size, monkeypatch):
    whole = Radon(size, ANGLES)
    monkeypatch.setattr("relunb.inr._radon_matrix._BLOCK", 64)
    parts = Radon(size, ANGLES)
    for name, buffer in whole.named_buffers():
        assert torch.equal(buffer, parts.get_buffer(name)), name


def test_a_cast_keeps_or_finds_the_precision_that_the_weights_need():
    image = images(8, 8)
    exact = Radon(8, ANGLES, dtype=torch.float64)
    for cast in (lambda r: r.half(), lambda r: r.to(torch.bfloat16)):
        assert torch.equal(cast(Radon(8, ANGLES))(image.float()), Radon(8, ANGLES)(image.float()))
        assert torch.equal(cast(Radon(8, ANGLES, dtype=torch.float64))(image), exact(image))
    assert torch.equal(Radon(8, ANGLES).double()(image), exact(image)), "not the rounded weights"
    assert torch.equal(Radon(8, ANGLES, dtype=torch.float64).float()(image.float()), Radon(8, ANGLES)(image.float()))
    half = Radon(8, [0.0]).half()(image.half())
    assert half.dtype == torch.float16 and torch.equal(half, Radon(8, [0.0])(image.half()))


def test_a_transform_made_without_memory_gets_its_numbers_with_memory():
    with torch.device("meta"):
        radon = Radon(8, ANGLES)
    assert radon.values.is_meta
    image = images(8, 8).float()
    assert torch.equal(radon.to_empty(device="cpu")(image), Radon(8, ANGLES)(image))
    with torch.inference_mode():
        made = Radon(8, ANGLES)
    assert not any(buffer.is_inference() for buffer in made.buffers())


def test_the_adjoint_of_batches():
    radon = Radon((12, 10), ANGLES, dtype=torch.float64)
    batch = images(2, 3, 12, 10)
    sinograms = radon(batch)
    torch.testing.assert_close(radon.adjoint(sinograms)[1, 2], radon.adjoint(sinograms[1, 2]))


def test_derivatives_of_the_adjoint():
    radon = Radon(5, [10.0, 80.0], dtype=torch.float64)
    image, sinogram = images(2, 5, 5), images(2, radon.detectors, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(radon.adjoint, sinogram, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(lambda z: radon.adjoint(z).square(), sinogram)
    per_sample = torch.func.vmap(torch.func.grad(lambda z: radon(z).square().sum() / 2))(image)
    torch.testing.assert_close(per_sample, radon.adjoint(radon(image)))


def test_low_precision_is_computed_in_that_of_the_transform():
    radon, image = Radon(16, ANGLES), images(16, 16)
    half = radon(image.half())
    assert half.dtype == torch.float16
    torch.testing.assert_close(half, radon(image.half().float()).half(), rtol=0, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert radon(image.float()).dtype == torch.float32


def test_a_transform_is_no_part_of_a_saved_network():
    assert Radon(8, ANGLES).state_dict() == {}


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Radon(1, ANGLES), ValueError, "size must be at least 2; got 1"),
        (lambda: UNTYPED(8.0, ANGLES), TypeError, "size must be an integer"),
        (lambda: Radon(8, []), ValueError, "angles is empty"),
        (lambda: Radon(8, [0, math.nan]), ValueError, "angles has 1 non-finite value"),
        (
            lambda: UNTYPED((8, 8, 3), ANGLES),
            ValueError,
            r"size must be one number or \(height, width\); got \(8, 8, 3\)",
        ),
        (lambda: UNTYPED(8, 30.0), ValueError, r"angles must be a list, \(angles,\); got the shape \(\)"),
        (lambda: Radon(8, torch.ones(1, requires_grad=True)), ValueError, r"use angles\.detach\(\)"),
        (lambda: Radon(8, torch.ones(1, device="meta")), ValueError, "angles are on the device meta, without numbers"),
        (lambda: Radon(10**6, [0.0]), ValueError, "pixels times angles must be at most 7e[+]08"),
        (lambda: Radon(3000, range(100)), ValueError, "3000 x 3000 pixels and 100 angles are too many"),
        (lambda: UNTYPED(8, [[0.0]]), ValueError, r"angles must be a list, \(angles,\)"),
        (lambda: Radon(8, ANGLES, dtype=torch.float16), TypeError, r"float32 or torch\.float64; got torch\.float16"),
        (lambda: Radon(8, ANGLES)(torch.ones(8, 9)), ValueError, r"image must be \(\.\.\., 8, 8\); got \(8, 9\)"),
        (lambda: Radon(8, ANGLES).adjoint(torch.ones(12)), ValueError, r"sinogram must be \(\.\.\., 12, 6\)"),
        (lambda: Radon(8, ANGLES)(torch.ones(8, 8).long()), TypeError, "image must be a real floating-point tensor"),
        (lambda: Radon(8, ANGLES)(torch.ones(8, 8).double()), TypeError, r"make it with dtype=torch\.float64"),
    ],
)
def test_bad_input_gets_a_sentence_that_helps(make, error, says):
    with pytest.raises(error, match=says):
        make()
