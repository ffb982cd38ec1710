"""Problems: their losses written out, the classical answers, and the sentences that bad input gets."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from skimage.data import camera
from skimage.transform import iradon

from relunb.book.data import ct_slice, photograph
from relunb.inr import (
    AudioProblem,
    CoordinateNetwork,
    CTProblem,
    Grid,
    ImageProblem,
    PositionalEncoding,
    Problem,
    Radon,
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


@pytest.mark.parametrize(
    "problem",
    [
        ImageProblem(PHOTO),
        ImageProblem(COLOR, PHOTO > 0.3),
        AudioProblem(PHOTO[0]),
        SuperResolutionProblem.from_image(PHOTO, 2),
        CTProblem.from_image(PHOTO, ANGLES),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_values_of_another_shape_are_refused_and_not_spread_against_the_data(problem):
    """(N,) minus (N, 1) is (N, N): the exact values once had 8 dB."""
    points, features = len(problem.coordinates), problem.out_features
    exact = (problem.target if hasattr(problem, "target") else problem.reference).reshape(points, features)
    assert problem.psnr(exact) == math.inf and problem.loss(exact).item() < 1e-25
    wrong = [exact[:, 0], exact.reshape(-1), exact[None], exact[:-1], exact.T, exact[:1], exact.expand(2, -1, -1)]
    for values in wrong:
        for method in (problem.loss, problem.error, problem.psnr):
            with pytest.raises(ValueError, match=rf"values must be .* = \({points}, {features}\); got"):
                method(values)
    with pytest.raises(ValueError, match=r"values must be \(points, out_features\)"):
        problem.shaped(exact[:-1])
    with pytest.raises(TypeError, match="values must be a tensor; got ndarray"):
        problem.loss(exact.numpy())
    with pytest.raises(ValueError, match="values is on meta and coordinates on cpu"):
        problem.loss(exact.to("meta"))


@pytest.mark.parametrize("image", [PHOTO, COLOR], ids=["gray", "color"])
@pytest.mark.parametrize("hidden", [math.nan, math.inf, -math.inf])
def test_what_a_mask_hides_is_never_looked_at(image, hidden):
    broken = torch.where(SEEN if image.ndim == 2 else SEEN[..., None], image, hidden)
    problem, whole = ImageProblem(broken, SEEN), ImageProblem(image, SEEN)
    values = noise(24 * 24, problem.out_features).requires_grad_()
    assert problem.loss(values).item() == whole.loss(values).item()
    gradients = [torch.autograd.grad(p.loss(values), values)[0] for p in (problem, whole)]
    assert torch.equal(*gradients)
    picture = problem.shaped(values)
    exact = -10 * math.log10((picture - image)[SEEN].square().mean().item())
    assert problem.psnr(values) == pytest.approx(exact, abs=1e-9), "over what is known"
    assert problem.psnr(whole.target) == math.inf


def test_a_mask_with_unknown_pixels_trains_the_same_by_both_routes():
    problem = ImageProblem(torch.where(SEEN, PHOTO, math.nan), SEEN)
    histories = []
    for fused in (None, False):
        torch.manual_seed(0)
        network = CoordinateNetwork(2, hidden_features=8, hidden_layers=1, activation="siren").double()
        histories.append(fit(network, problem, steps=4, fused=fused, progress=False))
    assert histories[0].route == "fused" and histories[1].route == "autograd"
    assert histories[0].loss == pytest.approx(histories[1].loss, rel=1e-9)
    assert histories[0].psnr == pytest.approx(histories[1].psnr, rel=1e-9)
    assert all(map(math.isfinite, histories[0].psnr))


def test_pixels_that_are_hidden_and_known_count_in_psnr_and_channels_hide_together():
    broken = COLOR.clone()
    broken[2, 17, 1] = math.nan
    mask = torch.ones(24, 24, dtype=torch.bool)
    mask[2, 17] = mask[3, 3] = False
    problem = ImageProblem(broken, mask)
    values = noise(24 * 24, 3)
    difference = (problem.shaped(values) - COLOR).square()
    difference[2, 17] = 0
    exact = difference.sum().item() / (24 * 24 - 1) / 3
    assert problem.error(values).item() == pytest.approx(exact, rel=1e-12)


LAYOUTS = {
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "strided": lambda a: np.repeat(a, 2, 0)[::2],
    "by columns": np.asfortranarray,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "a tensor": lambda a: torch.from_numpy(a.copy()),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_of_every_layout_are_taken_as_they_are(layout, dtype):
    photo, color = PHOTO.numpy().astype(dtype), COLOR.numpy().astype(dtype)
    made = {
        "image": lambda f: ImageProblem(f(color), mask=f(photo > 0.3)),
        "audio": lambda f: AudioProblem(f(photo[0])),
        "stereo": lambda f: AudioProblem(f(color[0])),
        "super-resolution": lambda f: SuperResolutionProblem.from_image(f(color), 2),
        "with a reference": lambda f: SuperResolutionProblem(f(photo[:5, :6]), 2, f(photo[:10, :12])),
        "scan": lambda f: CTProblem.from_image(f(photo), f(np.array(ANGLES))),
        "measured": lambda f: CTProblem(f(photo[:12, :5]), f(np.array(ANGLES)), 8, False, f(photo[:8, :8])),
        "coordinates": lambda f: Problem(f(photo)),
    }
    for name, make in made.items():
        problem, plain = make(layout), make(LAYOUTS["a tensor"])
        assert problem.coordinates.dtype == torch.from_numpy(photo).dtype
        for key, buffer in plain.state_dict().items():
            assert torch.equal(problem.state_dict()[key], buffer), (name, key)
        values = torch.from_numpy(noise(len(problem.coordinates), problem.out_features).numpy().astype(dtype))
        if name != "coordinates":
            assert problem.loss(values) == plain.loss(values)
    radon = Radon(24, ANGLES, dtype=torch.from_numpy(photo).dtype)
    assert torch.equal(radon(layout(photo)), radon(torch.from_numpy(photo)))
    sinogram = noise(34, 5).numpy().astype(dtype)
    assert torch.equal(radon.adjoint(layout(sinogram)), radon.adjoint(torch.from_numpy(sinogram)))


def test_a_problem_says_what_defines_it():
    assert ImageProblem(2 * PHOTO - 1, data_range=2).data_range == 2.0
    assert AudioProblem(PHOTO[0], extent=7).extent == 7.0 and AudioProblem(PHOTO[0]).data_range == 2.0
    assert SuperResolutionProblem.from_image(PHOTO, 4, 3.0).factor == 4
    assert SuperResolutionProblem.from_image(PHOTO, 4, 3.0).data_range == 3.0
    scan = CTProblem.from_image(PHOTO, [10.0, 50.0], circle=True, data_range=1.5)
    assert (scan.data_range, scan.radon.angles.tolist(), scan.radon.circle) == (1.5, [10.0, 50.0], True)
    values = noise(24 * 24, 1)
    shifted = ImageProblem(PHOTO, data_range=10.0)
    assert shifted.psnr(values) == pytest.approx(ImageProblem(PHOTO).psnr(values) + 20, abs=1e-9)


def test_errors_of_any_size_have_their_decibels():
    problem = ImageProblem(PHOTO.float())
    for error in (1e-6, 1e3, 1e18):
        values = problem.target + error
        exact = -20 * math.log10((values.double() - problem.target.double()).square().mean().sqrt())
        assert problem.psnr(values) == pytest.approx(exact, abs=1e-9)
    dark = ImageProblem(PHOTO.float() - PHOTO.float().min())
    values = dark.target.clone()
    values[dark.target.argmin()] = 1e-23
    assert dark.psnr(values) == pytest.approx(460 + 10 * math.log10(24 * 24), abs=1e-4)
    with pytest.raises(ValueError, match="a mean squared error is not negative; got -1"):
        problem.decibels(-1.0)


def test_a_scan_is_checked_before_its_transform_is_made_and_the_transform_is_made_once(monkeypatch):
    made = []
    make = Radon._make
    monkeypatch.setattr(Radon, "_make", lambda self, *rest: (made.append(1), make(self, *rest))[1])
    with pytest.raises(ValueError, match="sinogram must be"):
        CTProblem(torch.rand(9, 3), [0.0, 1.0, 2.0], 4000)
    with pytest.raises(ValueError, match=r"reference must be \(24, 24\)"):
        CTProblem(noise(34, 5), ANGLES, 24, reference=PHOTO[:5])
    assert not made
    CTProblem.from_image(PHOTO, ANGLES)
    assert len(made) == 1


def test_a_problem_made_in_inference_mode_can_be_trained():
    with torch.inference_mode():
        image = PHOTO.float() * 1
        problems = [
            ImageProblem(image, image > 0.3),
            AudioProblem(image[0]),
            SuperResolutionProblem.from_image(image, 2),
            CTProblem.from_image(image, ANGLES),
        ]
    for problem in problems:
        assert not any(buffer.is_inference() for buffer in problem.buffers())
        network = CoordinateNetwork(problem.coordinates.shape[1], 1, 4, 1)
        fit(network, problem, steps=1, fused=False, progress=False)


def test_the_default_device_plays_no_part_in_the_device_of_the_data():
    sinogram = noise(34, 5)
    with torch.device("meta"):
        problems = [
            ImageProblem(PHOTO, PHOTO > 0.3),
            AudioProblem(PHOTO[0]),
            SuperResolutionProblem.from_image(PHOTO, 2),
            CTProblem.from_image(PHOTO, ANGLES),
            CTProblem(sinogram, ANGLES, 24),
        ]
        assert pixel_grid(3, 3).is_meta and Grid((3, 3)).values.is_meta
        for problem in problems:
            assert {buffer.device.type for buffer in problem.buffers()} == {"cpu"}
            assert problem.loss(torch.zeros_like(problem.coordinates[:, :1])).item() > 0
        found = problems[3].filtered_back_projection()
        assert psnr(found, PHOTO).item() > 5 and -1 < ssim(found, PHOTO) < 1
    meta = ImageProblem(PHOTO.to("meta"), mask=SEEN.to("meta"))
    scan = CTProblem.from_image(PHOTO.to("meta"), ANGLES)
    for problem in (meta, scan):
        assert problem.loss(torch.empty(24 * 24, 1, dtype=torch.float64, device="meta")).is_meta
    with pytest.raises(ValueError, match="device meta, without numbers"):
        CTProblem(noise(34, 5), ANGLES, 24, reference=PHOTO.to("meta"))
    with pytest.raises(ValueError, match="estimate has a shape and no values"):
        ssim(PHOTO.to("meta"), PHOTO.to("meta"))


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
    with pytest.raises(ValueError, match="two points along each coordinate, 4 parameters; 3 parameters are too few"):
        Grid.within(3, (30, 30))


@pytest.mark.parametrize("size", [(30,), (30, 30), (3, 100), (100, 3), (2, 2), (20, 81), (7, 11, 13), (2, 300, 40)])
def test_a_grid_within_a_budget_is_the_finest_of_its_shape(size):
    for budget in (2 ** len(size), 10, 30, 100, 101, 999):
        if budget < 2 ** len(size):
            continue
        found = Grid.within(budget, size).size
        # Every grid of the shape, from the coarsest to the one asked for
        parts = sorted({k / n for n in size for k in range(1, n + 1)})
        shapes = [tuple(max(math.floor(n * part + 1e-9), 2) for n in size) for part in parts]
        assert found == [s for s in shapes if math.prod(s) <= budget][-1]
    assert Grid.within(10**400, size).size == size


def test_a_grid_says_nan_of_nowhere_and_works_in_low_precision():
    grid = Grid((3, 4)).double()
    with torch.no_grad():
        grid.values.copy_(noise(1, 3, 4))
    places = torch.tensor([[math.nan, 0.0], [0.0, math.nan], [math.inf, -1.0], [-1e300, 1.0]], dtype=torch.float64)
    found = grid(places).flatten()
    assert found.isnan().tolist() == [True, True, False, False]
    assert found[2:].tolist() == [grid.values[0, 2, 0].item(), grid.values[0, 0, 3].item()]
    for dtype in (torch.bfloat16, torch.float16):
        low, points = Grid((3, 4)).to(dtype), (2 * noise(9, 2) - 1).to(dtype)
        low.values.data = grid.values.data.to(dtype)
        exact = Grid((3, 4))
        exact.values.data = low.values.data.float()
        assert torch.equal(low(points), exact(points.float()).to(dtype))


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
SEEN = PHOTO > 0.3


class Picture:
    """What an image library hands out: NumPy reads it, and it has no ``astype``."""

    __array_interface__ = np.zeros((8, 8), np.uint8).__array_interface__


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: ImageProblem(HOLE), ValueError, r"image has 1 non-finite value; the first is at \(2, 17\)"),
        (lambda: ImageProblem(PHOTO[:1]), ValueError, r"at least two pixels a side; got \(1, 24\)"),
        (lambda: ImageProblem(PHOTO[0, 0]), ValueError, r"image must be \(height, width\)"),
        (lambda: ImageProblem(torch.full((8, 8), 0.5)), ValueError, "image is 0.5 everywhere: there is nothing to fit"),
        (lambda: ImageProblem((PHOTO * 255).byte()), TypeError, r"got torch\.uint8\. Bytes: image\.float\(\) / 255"),
        (lambda: UNTYPED("photo.png"), TypeError, "must be a real floating-point tensor or array; got 'photo.png'"),
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
        (
            lambda: UNTYPED_PROBLEM(None),
            TypeError,
            "coordinates must be a real floating-point tensor or array; got None",
        ),
        (lambda: Problem(torch.zeros(0, 2)), ValueError, r"coordinates must be \(points, coordinates\); got \(0, 2\)"),
        (lambda: UNTYPED_AUDIO(PHOTO[0], extent="long"), TypeError, "extent must be a number; got 'long'"),
        (lambda: preset("denoising", "siren"), ValueError, "'image', 'super-resolution', 'ct'; got 'denoising'"),
        (lambda: preset("ct", "gauss"), ValueError, "'wire', 'relu_pe', 'relu'; got 'gauss'"),
        (lambda: ssim(PHOTO[:5], PHOTO[:5]), ValueError, "7 pixels a side; got"),
        (lambda: ssim(PHOTO, PHOTO[:9]), ValueError, "the images differ in shape"),
        (lambda: pixel_grid(0, 3), ValueError, "height must be at least 1; got 0"),
        (lambda: pixel_grid(2, 4, dtype=torch.int64), TypeError, r"dtype must be .*float64; got torch\.int64"),
        (lambda: pixel_grid(2, 4, dtype=torch.bfloat16), TypeError, r"dtype must be .*float64; got torch\.bfloat16"),
        (lambda: pixel_grid(10**6, 10**6), ValueError, "at most 1,073,741,824 pixels; got 1000000000000"),
        (
            lambda: Grid((10**6, 10**6)),
            ValueError,
            r"a grid of size \(1000000, 1000000\) has .* 1,073,741,824 are the most",
        ),
        (lambda: Grid.within(100, (-4, -4)), ValueError, "size must be at least 2; got -4"),
        (lambda: Grid.within(100, (4.0, 4)), TypeError, r"size must be an integer; got 4\.0"),
        (lambda: Grid.within(7, (9, 9), out_features=2), ValueError, "8 parameters; 7 parameters are too few"),
        (lambda: Grid((5, 5))(torch.zeros(3, 2).double()), TypeError, r"grid\.to\(torch\.float64\)"),
        (
            lambda: Grid((5, 5))(torch.zeros(3, 2, device="meta")),
            ValueError,
            "coordinates is on meta and values on cpu",
        ),
        # Channels first
        (lambda: ImageProblem(COLOR.permute(2, 0, 1)), ValueError, r"use image\.permute\(1, 2, 0\)"),
        (lambda: ImageProblem(PHOTO[None]), ValueError, r"use image\.permute\(1, 2, 0\), or image\[0\]"),
        (lambda: ImageProblem(COLOR.permute(2, 0, 1)[None]), ValueError, r"image\[0\]\.permute\(1, 2, 0\)"),
        (lambda: ImageProblem(COLOR[None]), ValueError, r"Take one image of a batch: image\[0\]\."),
        (lambda: SuperResolutionProblem(COLOR.permute(2, 0, 1), 2), ValueError, r"use low\.permute\(1, 2, 0\)"),
        (
            lambda: SuperResolutionProblem.from_image(COLOR.permute(2, 0, 1), 3),
            ValueError,
            r"use image\.permute\(1, 2, 0\)",
        ),
        (
            lambda: SuperResolutionProblem(COLOR[::2, ::2], 2, COLOR.permute(2, 0, 1)),
            ValueError,
            r"got \(3, 24, 24\)\. .*use reference\.permute\(1, 2, 0\)",
        ),
        (lambda: AudioProblem(noise(2, 1000)), ValueError, r"got \(2, 1000\)\. Use samples\.T"),
        (lambda: AudioProblem(noise(1, 1000)), ValueError, r"got \(1, 1000\)\. Use samples\.T"),
        (lambda: CTProblem(noise(5, 34), ANGLES, 24), ValueError, r"got \(5, 34\)\. Use sinogram\.T"),
        (lambda: ssim(COLOR.permute(2, 0, 1), COLOR.permute(2, 0, 1)), ValueError, r"use image\.permute\(1, 2, 0\)"),
        # The range
        (lambda: ImageProblem(2 * PHOTO - 1), ValueError, r"image goes from -.* contradicts.* use data_range=2\.0"),
        (lambda: ImageProblem(255 * PHOTO), ValueError, "image goes from .* contradicts.* use data_range=255"),
        (lambda: SuperResolutionProblem.from_image(255 * PHOTO, 2), ValueError, "image goes .*data_range=255"),
        (
            lambda: SuperResolutionProblem(PHOTO[::2, ::2], 2, 255 * PHOTO),
            ValueError,
            "reference goes .*data_range=255",
        ),
        (
            lambda: CTProblem.from_image(PHOTO * 4000 - 1000, ANGLES),
            ValueError,
            "image goes .*data_range=[0-9.]* at least",
        ),
        (lambda: AudioProblem(noise(100) * 65535 - 32768), ValueError, "a sound lies in .* 32768 for 16 bits"),
        (lambda: AudioProblem(3 * torch.sin(torch.arange(99.0))), ValueError, r"samples / abs\(samples\)\.max\(\)"),
        # Squares that leave the precision
        (lambda: ImageProblem(PHOTO.float() * 1e30, data_range=1e30), ValueError, r"leave the range of torch\.float32"),
        (
            lambda: ImageProblem(PHOTO.float() * 1e-23, data_range=1e-23),
            ValueError,
            "divide it by its largest value, or",
        ),
        (lambda: ImageProblem(PHOTO * 1e-200, data_range=1e-200), ValueError, r"leave the range of torch\.float64"),
        (lambda: AudioProblem(PHOTO[0].float() * 1e-23), ValueError, "samples goes from .* leave the range"),
        (lambda: SuperResolutionProblem(PHOTO.float() * 1e30, 2), ValueError, "low goes from .* leave the range"),
        (lambda: CTProblem(torch.rand(34, 5) * 1e30, ANGLES, 24), ValueError, "sinogram goes from .* leave the range"),
        # Types, each with its own way out
        (lambda: ImageProblem(PHOTO.half()), TypeError, r"got torch\.float16\. Use image\.float\(\)"),
        (lambda: ImageProblem(PHOTO > 0.5), TypeError, r"got torch\.bool\. Use image\.float\(\)"),
        (lambda: ImageProblem(PHOTO * 1j), TypeError, r"got torch\.complex128\. Use its \.real"),
        (lambda: ImageProblem((PHOTO * 9e3).long()), TypeError, r"image\.float\(\), divided by the largest value"),
        (lambda: ImageProblem((PHOTO * 255).byte(), data_range=255), TypeError, r"Bytes: image\.float\(\)\."),
        (lambda: ImageProblem(camera()), TypeError, r'got uint8\. Bytes: image\.astype\("float32"\) / 255'),
        (
            lambda: ImageProblem(camera().astype(">u2")),
            TypeError,
            r'uint16\. 16 bits: image\.astype\("float32"\) / 65535',
        ),
        (lambda: ImageProblem(torch.from_numpy(camera().astype("u2"))), TypeError, r"image\.float\(\) / 65535"),
        (
            lambda: UNTYPED(Picture()),
            TypeError,
            r'got Picture of torch\.uint8\. Bytes: np\.asarray\(image, "float32"\) / 255',
        ),
        (lambda: AudioProblem((PHOTO[0] * 9e3).short()), TypeError, r"samples\.float\(\) / 32768"),
        (lambda: AudioProblem((PHOTO[0] * 9e3).short().numpy()), TypeError, r'samples\.astype\("float32"\) / 32768'),
        (lambda: AudioProblem((PHOTO[0] * 255).byte()), TypeError, r"\(samples\.float\(\) - 128\) / 128"),
        (lambda: AudioProblem((PHOTO[0] * 9e8).int()), TypeError, r"samples\.float\(\) / 2147483648"),
        (lambda: CTProblem(np.zeros((34, 5), "i2"), ANGLES, 24), TypeError, "sinogram must be a real .* got int16"),
        # Masks
        (lambda: ImageProblem(HOLE), ValueError, r"at \(2, 17\)\. .*hidden: mask=image\.isfinite\(\)"),
        (lambda: ImageProblem(HOLE, PHOTO < 2), ValueError, r"1 non-finite value; the first is at \(2, 17\)"),
        (lambda: ImageProblem(PHOTO, (PHOTO > 0.5).int()), TypeError, r"got torch\.int32\. Use mask > 0"),
        (lambda: UNTYPED(PHOTO, [[True]]), TypeError, r"got list\. Use np\.array\(mask\) > 0"),
        (lambda: ImageProblem(PHOTO).shaped([0.0]), TypeError, "values must be a tensor; got list"),
        (lambda: ImageProblem(PHOTO).estimate(None), TypeError, r"network must be a torch\.nn\.Module; got None"),
        (lambda: ImageProblem(PHOTO).decibels("1"), TypeError, "error must be a number; got '1'"),
        (lambda: CTProblem(PHOTO, ANGLES, 10**400), ValueError, "size must be at most 700,000,000"),
        (
            lambda: pixel_grid(2, 2, np.zeros(2)),
            TypeError,
            r"dtype must be torch\.float32 or torch\.float64; got array",
        ),
        (lambda: AudioProblem(torch.zeros(0, 8)), ValueError, r"at least two; got \(0, 8\)"),
        (lambda: ImageProblem(COLOR, COLOR > 0.1), ValueError, r"Use mask\.all\(-1\)"),
        (
            lambda: ImageProblem(PHOTO, PHOTO == PHOTO[0, 0]),
            ValueError,
            "image is .* everywhere: there is nothing to fit",
        ),
        (
            lambda: ImageProblem(torch.where(SEEN, PHOTO, -9999.0), SEEN),
            ValueError,
            "goes from -9999.* Pixels under the mask count as well; NaN says that they are not known",
        ),
    ],
)
def test_bad_input_gets_a_sentence_that_helps(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("extent", [1e308, 1e-320, 1e-37, 1e-44])
def test_an_extent_that_the_samples_cannot_hold_is_refused(extent):
    with pytest.raises(ValueError, match=r"float32 does not tell 50 times .* apart: .* samples\.double\(\)"):
        AudioProblem(torch.linspace(-0.5, 0.5, 50), extent=extent)


def test_a_problem_keeps_its_data_when_the_users_tensor_changes():
    image = torch.eye(4)
    problem = ImageProblem(image)
    image.fill_(0.5)
    assert problem.loss(torch.eye(4).reshape(-1, 1)) == 0


def test_many_channels_first_are_refused_too():
    with pytest.raises(ValueError, match=r"image\.permute\(1, 2, 0\)"):
        ImageProblem(torch.rand(8, 40, 48))
    for shape in ((31, 64, 64), (31, 64, 48), (200, 145, 145), (17, 20, 18)):
        picture = torch.rand(shape)
        with pytest.raises(ValueError, match=r"use image\.permute\(1, 2, 0\)\. Or, .* image\.transpose\(0, 1\)"):
            ImageProblem(picture)
        with pytest.raises(ValueError, match=r"use image\.permute\(1, 2, 0\)"):
            ssim(picture, picture)
        for turned in (picture.permute(1, 2, 0), picture.transpose(0, 1)):  # what the message says is taken
            assert ImageProblem(turned).out_features == turned.shape[2]
    for shape in ((145, 145, 200), (64, 48, 31), (40, 30, 3)):
        assert ImageProblem(torch.rand(shape)).out_features == shape[2]


def test_ssim_is_refused_inside_torch_func_and_psnr_is_right_there():
    one, other = torch.rand(3, 8, 8), torch.rand(3, 8, 8)
    several = torch.func.vmap(psnr)(one, other)
    torch.testing.assert_close(several, torch.stack([psnr(x, y) for x, y in zip(one, other, strict=True)]))
    for f, args in ((torch.func.vmap(ssim), (one, other)), (torch.func.grad(ssim), (one[0], other[0]))):
        with pytest.raises(TypeError, match=r"ssim has no gradient and takes one image at a time"):
            f(*args)


def test_a_problem_of_ones_own_may_call_its_data_measured():
    class Own(Problem):
        def __init__(self):
            super().__init__(pixel_grid(2, 2))
            self.register_buffer("measured", torch.ones(4, 1))

        def loss(self, values):
            return (values - self.measured).square().mean()

    assert Own().loss(torch.zeros(4, 1)) == 1


def test_a_subclass_may_call_its_own_what_problems_are_made_of():
    """A plain name that the library took would refuse such a buffer, or hide such a module."""

    class Own(CTProblem):
        def __init__(self):
            super().__init__(CTProblem.from_image(PHOTO, ANGLES).sinogram, ANGLES, 24)
            for name in ("weight", "target", "known", "measurements"):
                self.register_buffer(name, torch.ones(()))
            self.operator = torch.nn.Softplus()

        def loss(self, values):
            return self.operator(super().loss(values)) * self.weight

    values = noise(24 * 24, 1)
    plain = CTProblem.from_image(PHOTO, ANGLES).loss(values)
    assert Own().loss(values) == torch.nn.functional.softplus(plain)


def test_a_range_that_is_too_small_for_values_from_0_to_1_is_told_so():
    with pytest.raises(ValueError, match=r"For values in \[0, 1\] use data_range=1\.0"):
        ImageProblem(torch.eye(4), data_range=0.1)
