"""Problems: their losses written out, the classical answers, and the sentences that bad input gets."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from skimage.transform import iradon

from relunb.data import ct_slice, photograph
from relunb.inr import (
    AudioProblem,
    CoordinateNetwork,
    CTProblem,
    Grid,
    ImageProblem,
    PositionalEncoding,
    Problem,
    SuperResolutionProblem,
    fit,
    pixel_grid,
    preset,
    psnr,
    ssim,
)
from tests.tolerance import DEVICES

UNTYPED: Any = ImageProblem
UNTYPED_PROBLEM: Any = Problem
UNTYPED_AUDIO: Any = AudioProblem
PHOTO = photograph("camera", window=(0, 64, 384), shrink=16).double()  # 24 x 24
COLOR = torch.stack([PHOTO, PHOTO.flip(0), PHOTO.T], -1)
ANGLES = [0.0, 40.0, 80.0, 120.0, 160.0]


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_the_grid_names_each_pixel_row_by_row():
    grid = pixel_grid(3, 5)
    assert grid.shape == (15, 2)
    assert grid[0].tolist() == [-1, -1] and grid[1].tolist() == [-1, -0.5] and grid[-1].tolist() == [1, 1]


@pytest.mark.parametrize("image", [PHOTO, COLOR, PHOTO[:5]])
def test_an_images_loss_is_its_mean_squared_error(image):
    problem = ImageProblem(image)
    values = noise(problem.target.shape[0], problem.out_features)
    picture = problem.shaped(values)
    assert picture.shape == image.shape
    assert problem.loss(values).item() == pytest.approx((picture - image).square().mean().item(), rel=1e-12)
    assert problem.psnr(values) == pytest.approx(psnr(picture, image).item(), abs=1e-9)
    assert problem.psnr(problem.target) == math.inf


def test_a_mask_chooses_the_pixels_of_the_loss_and_not_of_the_psnr():
    mask = noise(24, 24) > 0.5
    problem = ImageProblem(COLOR, mask)
    values = noise(24 * 24, 3)
    difference = problem.shaped(values) - COLOR
    assert problem.loss(values).item() == pytest.approx(difference[mask].square().mean().item(), rel=1e-12)
    assert problem.psnr(values) == pytest.approx(psnr(problem.shaped(values), COLOR).item(), abs=1e-9)


def test_a_sounds_loss_is_its_mean_squared_error_and_its_peak_to_peak_range_is_two():
    samples = torch.sin(torch.arange(100, dtype=torch.float64))
    problem = AudioProblem(samples, extent=50.0)
    assert problem.coordinates.flatten().tolist() == pytest.approx(np.linspace(-50, 50, 100).tolist())
    values = noise(100, 1)
    assert problem.loss(values).item() == pytest.approx((values[:, 0] - samples).square().mean().item())
    assert problem.psnr(values) == pytest.approx(psnr(values[:, 0], samples, 2.0).item(), abs=1e-9)
    assert AudioProblem(torch.stack([samples, samples.flip(0)], -1)).out_features == 2


@pytest.mark.parametrize("image", [PHOTO, COLOR, PHOTO[:8]])
@pytest.mark.parametrize("factor", [2, 4])
def test_super_resolutions_loss_compares_means_of_blocks(image, factor):
    problem = SuperResolutionProblem.from_image(image, factor)
    low = torch.stack(
        [torch.stack([block.mean((0, 1)) for block in rows.split(factor, 1)]) for rows in image.split(factor)]
    )
    torch.testing.assert_close(problem.low, low)
    assert problem.loss(image.reshape(-1, problem.out_features)).item() < 1e-30
    values = noise(image[..., 0].numel() if image.ndim == 3 else image.numel(), problem.out_features)
    assert problem.psnr(values) == pytest.approx(psnr(problem.shaped(values), image).item(), abs=1e-9)
    again = SuperResolutionProblem(problem.low, factor)
    assert math.isnan(again.psnr(values)) and again.loss(values) == problem.loss(values)
    bicubic = problem.bicubic()
    assert bicubic.shape == image.shape and psnr(bicubic, image) > 15


def test_bicubic_takes_channels_one_by_one_and_pixels_from_the_middle_of_their_blocks():
    problem = SuperResolutionProblem.from_image(COLOR, 4)
    for channel in range(3):
        alone = SuperResolutionProblem.from_image(COLOR[..., channel], 4).bicubic()
        torch.testing.assert_close(problem.bicubic()[..., channel], alone)
    torch.testing.assert_close(
        problem.bicubic().flip(0, 1), SuperResolutionProblem(problem.low.flip(0, 1), 4).bicubic()
    )
    assert psnr(problem.bicubic(), COLOR) > psnr(problem.bicubic().roll(1, 0), COLOR) + 1


@pytest.mark.parametrize("circle", [False, True])
def test_a_scans_loss_compares_sinograms(circle):
    problem = CTProblem.from_image(PHOTO, ANGLES, circle=circle)
    assert problem.loss(PHOTO.reshape(-1, 1)).item() < 1e-25
    values = noise(24 * 24, 1)
    expected = (problem.radon(problem.shaped(values)) - problem.radon(PHOTO)).square().mean()
    assert problem.loss(values).item() == pytest.approx(expected.item(), rel=1e-12)
    measured = CTProblem(problem.sinogram, ANGLES, 24, circle)
    assert measured.loss(values).item() == problem.loss(values).item()
    assert math.isnan(measured.psnr(values))


@pytest.mark.parametrize("shape", [(24, 24), (25, 25)])
@pytest.mark.parametrize("circle", [False, True])
def test_filtered_back_projection_is_scikit_images(shape, circle):
    image = photograph("camera")[: shape[0], : shape[1]].double()
    problem = CTProblem.from_image(image, ANGLES, circle=circle)
    expected = iradon(problem.sinogram.numpy(), ANGLES, circle=circle, output_size=shape[0])
    np.testing.assert_allclose(problem.filtered_back_projection().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(64, 48), (48, 64), (63, 48), (48, 63)])
@pytest.mark.parametrize("circle", [False, True])
def test_filtered_back_projection_puts_a_slice_that_is_not_square_in_its_place(shape, circle):
    y, x = np.ogrid[: shape[0], : shape[1]]
    disc = torch.from_numpy(np.clip(14.5 - np.hypot(y - shape[0] // 2 - 3, x - shape[1] // 2 + 4), 0, 1))
    problem = CTProblem.from_image(disc, np.arange(0, 180, 2.0), circle=circle)
    found = problem.filtered_back_projection()
    assert found.shape == shape
    assert psnr(found, disc) > 24
    moved = [psnr(found.roll(1, axis), disc).item() for axis in (0, 1)]
    assert psnr(found, disc) > max(moved) + 1


GOLDEN = [k * 180 / ((1 + math.sqrt(5)) / 2) % 180 for k in range(21)]
UNORDERED = {
    "golden angles": GOLDEN,
    "golden angles that are not taken back into half a turn": [k * 111.24611797498107 for k in range(21)],
    "every angle twice": [*np.arange(0, 180, 15.0), *np.arange(0, 180, 15.0)],
    "backwards, and below zero": list(np.arange(0, -180, -9.0)),
    "a whole turn": list(np.arange(0, 360, 12.0)),
}


@pytest.mark.parametrize("angles", UNORDERED.values(), ids=UNORDERED.keys())
@pytest.mark.parametrize("circle", [False, True])
def test_filtered_back_projection_takes_angles_in_any_order_as_scikit_image_does(angles, circle):
    image = photograph("camera", window=(0, 64, 384), shrink=16).double()
    problem = CTProblem.from_image(image, angles, circle=circle)
    found = problem.filtered_back_projection()
    expected = iradon(problem.sinogram.numpy(), angles, circle=circle, output_size=24)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-12)
    order = np.argsort(angles, kind="stable")
    sorted_ = CTProblem(problem.sinogram[:, order], np.array(angles)[order], 24, circle)
    torch.testing.assert_close(found, sorted_.filtered_back_projection(), rtol=0, atol=1e-13)
    values = noise(24 * 24, 1)
    torch.testing.assert_close(CTProblem.loss(sorted_, values), problem.loss(values), rtol=1e-12, atol=0)


def test_sorting_the_angles_and_not_the_columns_shows():
    """What a refusal of unsorted angles once led to: the right columns at the wrong angles, 10 dB below."""
    image = photograph("camera", window=(0, 64, 384), shrink=16).double()
    problem = CTProblem.from_image(image, GOLDEN)
    mixed = CTProblem(problem.sinogram, sorted(GOLDEN), 24)
    right, wrong = (psnr(p.filtered_back_projection(), image).item() for p in (problem, mixed))
    assert right > 18 > 14 > wrong


def test_a_problem_of_ones_own_is_a_few_lines():
    class Edges(Problem):
        def __init__(self, image):
            super().__init__(pixel_grid(*image.shape), out_features=1)
            self.register_buffer("edges", image.diff())

        def loss(self, values):
            return (values.reshape(len(self.edges), -1).diff() - self.edges).square().mean()

    torch.manual_seed(0)
    problem = Edges(PHOTO.float())
    network = CoordinateNetwork(2, hidden_features=16, activation="siren")
    history = fit(network, problem, steps=30, lr=1e-2, progress=False)
    assert history.route == "fused" and history.loss[-1] < history.loss[0] / 4
    assert all(map(math.isnan, history.psnr))
    with pytest.raises(NotImplementedError, match="Problem must define loss"):
        fit(network, Problem(pixel_grid(2, 2)), progress=False)


@pytest.mark.parametrize("device", DEVICES)
def test_a_problem_moves_with_to(device):
    problem = CTProblem.from_image(PHOTO.float(), ANGLES).to(device)
    assert problem.loss(PHOTO.float().reshape(-1, 1).to(device)) < 1e-6
    assert problem.filtered_back_projection().device.type == device


def test_estimate_is_the_network_in_the_shape_of_the_data():
    torch.manual_seed(0)
    network = CoordinateNetwork(2, 3, 8, 1).double()
    problem = ImageProblem(COLOR[:5])
    expected = network(pixel_grid(5, 24).double()).reshape(5, 24, 3)
    torch.testing.assert_close(problem.estimate(network), expected)


# The plain grid -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(5,), (4, 6), (3, 4, 5)])
def test_a_grid_has_its_own_values_at_its_points_and_is_linear_between(size):
    grid = Grid(size, 2).double()
    with torch.no_grad():
        grid.values.copy_(noise(2, *size))
    points = torch.cartesian_prod(*(torch.linspace(-1, 1, n, dtype=torch.float64) for n in size)).reshape(-1, len(size))
    torch.testing.assert_close(grid(points), grid.values.reshape(2, -1).T)
    first, second = points[0], points[-1]
    corner = torch.full((len(size),), -1.0, dtype=torch.float64)
    step = torch.zeros_like(corner)
    step[0] = 2 / (size[0] - 1)
    middle = grid(corner + step / 2)
    torch.testing.assert_close(middle, (grid(corner) + grid(corner + step)) / 2)
    torch.testing.assert_close(grid(torch.stack([first, second])[None])[0, 1], grid(second))
    assert torch.autograd.gradcheck(lambda x: grid(x), (noise(4, len(size)) - 0.5).requires_grad_())


def test_a_grid_of_pixels_fits_an_image_exactly():
    problem, grid = ImageProblem(PHOTO.float()), Grid((24, 24))
    history = fit(grid, problem, steps=300, lr=2e-2, progress=False)
    assert history.route == "autograd" and history.psnr[-1] > 60


def test_a_grid_within_a_budget():
    assert Grid.within(100, (30, 30)).size == (10, 10)
    assert Grid.within(100, (20, 80)).size == (5, 20)
    assert Grid.within(10**6, (30, 40)).size == (30, 40), "no finer than asked for"
    assert Grid.within(300, (30, 30), out_features=3).values.numel() == 300
    with pytest.raises(ValueError, match="two points along each coordinate; 3 parameters are too few"):
        Grid.within(3, (30, 30))


# Presets and SSIM -----------------------------------------------------------------------------------------------


def test_presets_are_appendix_d():
    table = {
        ("image", "bw_relu"): (9, 4e-3),
        ("image", "siren"): (50, 2e-3),
        ("image", "wire"): (20, 1e-3),
        ("super-resolution", "bw_relu"): (3, 3e-3),
        ("super-resolution", "siren"): (12, 2e-3),
        ("super-resolution", "wire"): (8, 3e-3),
        ("ct", "bw_relu"): (3, 2e-3),
        ("ct", "siren"): (25, 1e-3),
        ("ct", "wire"): (7, 5e-3),
    }
    for (task, method), (scale, lr) in table.items():
        found = preset(task, method)
        assert found.network["scale"] == scale and found.training["lr"] == lr
    widths = {"image": (300, 1000, 0.1), "super-resolution": (256, 2000, 0.2), "ct": (300, 10_000, 0.1)}
    for task, (width, steps, decay) in widths.items():
        for method in ("bw_relu", "siren", "wire", "relu_pe", "relu"):
            found = preset(task, method)
            assert found.network["hidden_features"] == width and found.network["hidden_layers"] == 3
            assert (found.training["steps"], found.training["decay"]) == (steps, decay)
            network = CoordinateNetwork(2, **found.network)
            assert network(torch.zeros(1, 2)).shape == (1, 1)
    assert [preset("image", "wire").network["sigma"], preset("super-resolution", "wire").network["sigma"]] == [10, 6]
    assert [preset(task, "relu_pe").training["lr"] for task in widths] == [4e-3, 4e-3, 3e-3]
    assert "no rate" in preset("ct", "relu").note


def test_ssim_is_one_for_equal_images_and_sees_blur():
    image = photograph("camera", shrink=8)
    blurred = torch.nn.functional.avg_pool2d(image[None], 3, 1, 1)[0]
    assert ssim(image, image) == pytest.approx(1)
    assert 0.3 < ssim(blurred, image) < 0.95
    assert ssim(torch.stack([image] * 3, -1), torch.stack([image] * 3, -1)) == pytest.approx(1)


def test_the_slice_is_a_vertebra_between_lungs():
    scan = ct_slice()
    assert scan.shape == (128, 128) and scan.dtype == torch.float32
    assert scan.min() == 0 and scan.max() == 1
    assert scan[5:40, :15].mean() < 0.1, "air"
    assert scan[60:75, 45:75].mean() > 0.65, "bone"


# Bad input ------------------------------------------------------------------------------------------------------

HOLE = PHOTO.clone()
HOLE[2, 17] = math.nan


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: ImageProblem(HOLE), ValueError, r"image has 1 non-finite value; the first is at \(2, 17\)"),
        (lambda: ImageProblem(PHOTO[:1]), ValueError, r"at least two pixels a side; got \(1, 24\)"),
        (lambda: ImageProblem(PHOTO[0, 0]), ValueError, r"image must be \(height, width\)"),
        (lambda: ImageProblem(torch.full((8, 8), 0.5)), ValueError, "image is 0.5 everywhere: there is nothing to fit"),
        (lambda: ImageProblem((PHOTO * 255).byte()), TypeError, r"got torch\.uint8\. Bytes: image\.float\(\) / 255"),
        (lambda: UNTYPED(PHOTO.numpy()), TypeError, "image must be a real floating-point tensor; got ndarray"),
        (lambda: ImageProblem(PHOTO, PHOTO > 2), ValueError, "mask is false everywhere"),
        (lambda: ImageProblem(PHOTO, (PHOTO > 0)[:5]), ValueError, r"mask must be \(24, 24\) .* got \(5, 24\)"),
        (lambda: ImageProblem(PHOTO, PHOTO), TypeError, "mask must be a boolean tensor"),
        (lambda: ImageProblem(PHOTO, data_range=0.0), ValueError, "data_range must be positive and finite; got 0"),
        (lambda: AudioProblem(PHOTO[0, :1]), ValueError, r"at least two; got \(1,\)"),
        (lambda: AudioProblem(torch.zeros(9)), ValueError, "samples is 0 everywhere"),
        (lambda: AudioProblem(PHOTO[0], extent=-1.0), ValueError, "extent must be positive and finite; got -1"),
        (lambda: SuperResolutionProblem(PHOTO, 1), ValueError, "factor must be at least 2; got 1"),
        (
            lambda: SuperResolutionProblem.from_image(PHOTO, 5),
            ValueError,
            r"must be multiples of 5: use image\[:20, :20\]",
        ),
        (
            lambda: SuperResolutionProblem(PHOTO, 2, PHOTO),
            ValueError,
            r"reference must be \(48, 48\); got \(24, 24\)",
        ),
        (lambda: CTProblem.from_image(HOLE, ANGLES), ValueError, "image has 1 non-finite value"),
        (lambda: CTProblem.from_image(COLOR, ANGLES), ValueError, r"image must be \(height, width\)"),
        (
            lambda: CTProblem(PHOTO, ANGLES, 24),
            ValueError,
            r"sinogram must be \(detectors, angles\) = \(34, 5\) for a slice of \(24, 24\); got \(24, 24\)",
        ),
        (lambda: CTProblem(torch.zeros(34, 5), ANGLES, 24), ValueError, "sinogram is 0 everywhere"),
        (lambda: Grid((5,) * 4), ValueError, "one to three of them"),
        (lambda: Grid((5, 1)), ValueError, "size must be at least 2; got 1"),
        (lambda: Grid((5, 5))(torch.zeros(3, 1)), ValueError, r"coordinates must be \(\.\.\., 2\); got \(3, 1\)"),
        (lambda: Grid((5, 5))(torch.zeros(3, 2).long()), TypeError, r"coordinates must be a real .* got torch\.int64"),
        (lambda: PositionalEncoding(2, 3)(torch.zeros(3, 1)), ValueError, r"x must be \(\.\.\., 2\); got \(3, 1\)"),
        (lambda: Problem(torch.zeros(3)), ValueError, r"coordinates must be \(points, coordinates\); got \(3,\)"),
        (lambda: UNTYPED_PROBLEM([[0.0]]), TypeError, "coordinates must be a real floating-point tensor; got list"),
        (lambda: UNTYPED_AUDIO(PHOTO[0], extent="long"), TypeError, "extent must be a number; got 'long'"),
        (lambda: preset("denoising", "siren"), ValueError, "'image', 'super-resolution', 'ct'; got 'denoising'"),
        (lambda: preset("ct", "gauss"), ValueError, "'wire', 'relu_pe', 'relu'; got 'gauss'"),
        (lambda: ssim(PHOTO[:5], PHOTO[:5]), ValueError, "7 pixels a side; got"),
        (lambda: ssim(PHOTO, PHOTO[:9]), ValueError, "the images differ in shape"),
        (lambda: pixel_grid(0, 3), ValueError, "height must be at least 1; got 0"),
    ],
)
def test_bad_input_gets_a_sentence_that_helps(call, error, says):
    with pytest.raises(error, match=says):
        call()
