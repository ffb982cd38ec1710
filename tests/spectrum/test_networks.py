"""The two networks of fixed weights: what each one does to a signal, as theorems."""

import copy
import math

import pytest
import torch

from relunb.spectrum import FixedFilter, amplitude_spectrum, difference_network, moving_average_network
from tests.tolerance import DEVICES

FLOATS = (torch.float64, torch.float32)
# H^L times a spectrum and L sums of up to 9 samples differ by some tens of roundings of numbers below the largest line.
SPECTRUM = 1e-13


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def cosine(samples: int, periods: int = 1, phase: float = 0.0) -> torch.Tensor:
    n = torch.arange(samples, dtype=torch.float64)
    return torch.cos(2 * torch.pi * periods * n / samples + phase)


def filter_of(net: torch.nn.Sequential) -> FixedFilter:
    layer = net[1]
    assert isinstance(layer, FixedFilter)
    return layer


def settled(x: torch.Tensor, limit: int) -> tuple[int, torch.Tensor]:
    """How many differences it takes until a further one changes nothing, and what is left then."""
    step = difference_network(1)
    y = torch.relu(x)
    for layer in range(limit + 1):
        after = step(y)
        if torch.equal(after, y):
            return layer, y
        y = after
    raise AssertionError(f"not settled after {limit} layers")


def is_impulses(y: torch.Tensor) -> bool:
    return bool((y >= 0).all() and (y * torch.roll(y, 1, -1) == 0).all())


# ---- the filter


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("taps", [[1.0], [1.0, -1.0], [0.5, 0.0, -2.0, 0.25], [1 / 9] * 9])
def test_the_filter_is_a_circular_convolution(taps, dtype, device):
    x = noise(2, 3, 9).to(dtype=dtype, device=device)
    y = FixedFilter(taps)(x)
    assert y.dtype == dtype and y.device == x.device
    for n in range(9):
        by_hand = sum(tap * x[..., (n - k) % 9] for k, tap in enumerate(taps))
        torch.testing.assert_close(y[..., n], by_hand, rtol=0, atol=16 * torch.finfo(dtype).eps)


def test_the_response_is_the_fourier_transform_of_the_taps():
    """A tone comes out as the same tone times H(f), at every bin of the transform."""
    layer = FixedFilter([0.5, -2.0, 0.25, 1.0])
    x = noise(40)
    bins = torch.arange(21, dtype=torch.float64) * 1024 / 40
    expected = layer.frequency_response(bins, sample_rate=1024) * torch.fft.rfft(x)
    torch.testing.assert_close(torch.fft.rfft(layer(x)), expected, rtol=0, atol=1e-13)


def test_the_response_of_both_filters_is_known_in_closed_form():
    f = torch.linspace(0.001, 0.5, 250, dtype=torch.float64)
    difference, mean = filter_of(difference_network(1)), filter_of(moving_average_network(9, 1))
    torch.testing.assert_close(difference.frequency_response(f).abs(), 2 * torch.sin(torch.pi * f), rtol=0, atol=4e-16)
    dirichlet = torch.sin(9 * torch.pi * f) / (9 * torch.sin(torch.pi * f))
    expected = dirichlet * torch.exp(-8j * torch.pi * f)
    torch.testing.assert_close(mean.frequency_response(f), expected, rtol=0, atol=4e-15)
    assert mean.frequency_response(0.0).item() == pytest.approx(1, abs=1e-15)
    assert difference.frequency_response(0.0).item() == 0


def test_the_response_far_beyond_the_sample_rate_repeats_without_losing_digits():
    layer = filter_of(moving_average_network(9, 1))
    near, far = layer.frequency_response([0.375]), layer.frequency_response([2.0**40 + 0.375])
    torch.testing.assert_close(far, near, rtol=0, atol=1e-15)


def test_the_taps_keep_float64_through_moves_and_copies_and_are_no_state():
    net = moving_average_network(9, 2)
    moved = copy.deepcopy(net).float().double()
    x = noise(30)
    assert torch.equal(moved(x), net(x)), "taps that went through float32 would show"
    assert not net.state_dict() and not list(net.parameters())
    assert repr(filter_of(net)) == "FixedFilter(taps=(0.1111, 0.1111, 0.1111, 0.1111, ...), 9 in all, mode='circular')"


# ---- both networks


@pytest.mark.parametrize("build", [difference_network, lambda depth: moving_average_network(5, depth)])
def test_a_slice_of_the_network_is_its_layer_and_depth_zero_is_relu(build):
    net, x = build(4), noise(2, 16)
    y = torch.relu(x)
    assert torch.equal(build(0)(x), y)
    for depth in range(5):
        assert torch.equal(net[: 1 + 2 * depth](x), y)
        if depth < 4:
            y = torch.relu(filter_of(net)(y))
    assert isinstance(net, torch.nn.Sequential) and len(net) == 9


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("build", [difference_network, lambda depth: moving_average_network(5, depth)])
def test_a_positive_factor_passes_through(build, dtype):
    """ReLU(c x) = c ReLU(x): the sample rate in the authors' differences only scales the result. 8 is exact."""
    net, x = build(3), noise(16).to(dtype)
    assert torch.equal(net(8 * x), 8 * net(x))
    assert net(x).dtype == dtype


def test_relu_twice_is_relu_once_and_a_constant_stays_a_constant():
    x = noise(64)
    once = torch.relu(x)
    assert torch.equal(torch.relu(once), once)
    _, amplitudes = amplitude_spectrum(torch.relu(torch.full((64,), 0.75, dtype=torch.float64)), 1.0)
    assert amplitudes[0].item() == 0.75 and amplitudes[1:].max() == 0


# ---- the averager


@pytest.mark.parametrize(("kernel_size", "depth", "samples"), [(9, 5, 8192), (2, 20, 64), (7, 3, 63), (64, 1, 64)])
def test_averager_spectrum_is_the_gain_to_the_depth_times_that_of_one_relu(kernel_size, depth, samples):
    net, x = moving_average_network(kernel_size, depth), noise(3, samples)
    bins = torch.arange(samples // 2 + 1, dtype=torch.float64) / samples
    gain = filter_of(net).frequency_response(bins)
    expected = gain**depth * torch.fft.rfft(torch.relu(x)) / samples
    torch.testing.assert_close(torch.fft.rfft(net(x)) / samples, expected, rtol=0, atol=SPECTRUM)


def test_averager_relus_after_the_first_are_the_identity():
    """Bit for bit: a mean of nonnegative numbers is nonnegative, in floating point too."""
    net, x = moving_average_network(9, 5), noise(4, 100)
    filters_alone = torch.nn.Sequential(net[0], *[layer for layer in net[1:] if isinstance(layer, FixedFilter)])
    assert len(filters_alone) == 6
    assert torch.equal(filters_alone(x), net(x))
    assert not torch.equal(filters_alone[1:](x), net(x)), "the first ReLU is not"


@pytest.mark.parametrize("dtype", FLOATS)
def test_averager_keeps_the_mean(dtype):
    x = noise(8, 1000).to(dtype)
    kept = torch.relu(x).mean(-1)
    for depth in (1, 5, 50):
        error = (moving_average_network(9, depth)(x).mean(-1) - kept).abs().max().item()
        assert error <= 2 * depth * torch.finfo(dtype).eps


def test_averager_in_the_end_leaves_nothing_but_the_mean():
    """Every gain but that of DC is below one, so depth removes the rest, at the rate of the lowest line, 1/2 here."""
    x = torch.relu(cosine(64))
    (gain,) = filter_of(moving_average_network(9, 1)).frequency_response([1 / 64]).abs().tolist()
    for depth in (100, 200, 400):
        away = (moving_average_network(9, depth)(x) - x.mean()).abs().max().item()
        assert away == pytest.approx(gain**depth / 2, rel=1e-3)
    assert away < 2e-6


# ---- the differentiator


def test_differentiator_fixed_points_are_the_nonnegative_sequences_without_neighbours():
    """All 3^7 sequences with values -1, 0 and 2, wrap-around included: fixed if and only if y >= 0, y[n] y[n-1] = 0."""
    values = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
    every = torch.cartesian_prod(*[values] * 7)
    fixed = (torch.relu(FixedFilter([1, -1])(every)) == every).all(-1)
    condition = (every >= 0).all(-1) & (every * torch.roll(every, 1, -1) == 0).all(-1)
    assert torch.equal(fixed, condition)
    assert fixed.sum() == 29, "the seventh Lucas number counts the sets of a 7-cycle without neighbours"


@pytest.mark.parametrize("periods", [1, 2, 4, 8])
def test_a_cosine_becomes_one_impulse_a_period(periods):
    layers, y = settled(cosine(64, periods), limit=100)
    assert layers == 2 and is_impulses(y)
    assert torch.count_nonzero(y) == periods
    n = torch.arange(64)
    assert torch.equal(y > 0, n % (64 // periods) == 48 // periods + 1), "the first sample after an upward crossing"
    torch.testing.assert_close(y.max().item(), math.sin(2 * math.pi * periods / 64), rtol=0, atol=1e-15)


@pytest.mark.parametrize("share", [0.011, 0.03, 0.1, 0.3, 0.45, 0.7, 1.0])
def test_the_number_of_layers_is_the_ratio_of_the_first_two_positive_samples(share):
    """share: how far into its sample spacing the upward crossing leaves the first positive sample."""
    step = 2 * math.pi / 64
    x = torch.sin(step * (torch.arange(64, dtype=torch.float64) + share))
    layers, y = settled(x, limit=100)
    ratio = math.cos(step) + math.sin(step) / math.tan(share * step)
    assert layers == max(2, math.ceil(ratio))
    assert torch.count_nonzero(y) == 1 and y.max().item() == pytest.approx(math.sin(share * step), rel=1e-14)


def test_every_signal_of_whole_numbers_settles_into_isolated_impulses():
    """Their differences are exact, so the theorem holds to the last bit."""
    for seed in range(20):
        x = (10 * noise(50, seed=seed)).round()
        layers, y = settled(x, limit=int(x.max()) * 50)
        assert is_impulses(y) and layers > 0


def test_no_layer_makes_a_zero_positive_or_a_sample_larger():
    y = torch.relu(noise(200))
    for _ in range(30):
        after = difference_network(1)(y)
        assert (after <= y).all()
        y = after


def test_a_first_sample_below_rounding_never_ends_its_run():
    """Exactly this takes 1e20 layers. In float64 the layer stands still where no fixed point is."""
    x = torch.tensor([0.0, 1e-20, 1.0, 0.0], dtype=torch.float64)
    layers, y = settled(x, limit=5)
    assert layers == 0 and not is_impulses(y)


@pytest.mark.parametrize(("periods", "lines"), [(4, 4), (3, 1)])
def test_lines_only_at_multiples_of_the_common_frequency(periods, lines):
    """Of the tone and the sample rate, that is: 3 periods in 64 samples repeat after 64 samples and no fewer."""
    _, y = settled(cosine(64, periods), limit=100)
    _, amplitudes = amplitude_spectrum(y, 64.0)
    bins = torch.arange(33)
    assert amplitudes[bins % lines != 0].sum() < 1e-14
    assert amplitudes[bins % lines == 0].min() > 1e-3


def test_one_impulse_a_period_has_a_flat_spectrum():
    _, y = settled(cosine(64, 4), limit=100)
    _, amplitudes = amplitude_spectrum(y, 64.0)
    height, period = math.sin(2 * math.pi * 4 / 64), 16
    expected = torch.zeros(33, dtype=torch.float64)
    expected[::4] = 2 * height / period
    expected[[0, -1]] = height / period
    torch.testing.assert_close(amplitudes, expected, rtol=0, atol=1e-16)


def test_differentiation_keeps_the_lines_of_a_signal_and_changes_their_heights():
    x = 0.5 + cosine(64, 3) + 2 * cosine(64, 10, phase=1.0)
    frequencies, before = amplitude_spectrum(x, 64.0)
    _, after = amplitude_spectrum(filter_of(difference_network(1))(x), 64.0)
    torch.testing.assert_close(after, before * 2 * torch.sin(torch.pi * frequencies / 64), rtol=0, atol=1e-14)
    assert before[0] > 0.49 and after[0] < 1e-15


# ---- pooling


@pytest.mark.parametrize("pool", [2, 3, 8, 96])
def test_average_pooling_keeps_the_mean_and_max_pooling_does_not(pool):
    x = noise(1, 96)
    averaged = torch.nn.functional.avg_pool1d(x, pool)
    torch.testing.assert_close(averaged.mean(), x.mean(), rtol=0, atol=1e-15)
    assert torch.nn.functional.max_pool1d(x, pool).mean() > x.mean() + 0.1


def test_average_pooling_loses_the_mean_where_the_window_does_not_divide_the_length():
    x = torch.arange(10, dtype=torch.float64)[None]
    assert torch.nn.functional.avg_pool1d(x, 4).mean() == 3.5
    assert x.mean() == 4.5


def test_average_pooling_is_the_moving_average_and_one_sample_in_p():
    x, pool = noise(1, 96), 4
    moving = filter_of(moving_average_network(pool, 1))(x)
    torch.testing.assert_close(torch.nn.functional.avg_pool1d(x, pool), moving[:, pool - 1 :: pool], rtol=0, atol=1e-15)


@pytest.mark.parametrize("frequency", [20, 100, 150, 300, 400, 500])
def test_average_pooling_folds_what_is_above_the_new_nyquist_frequency(frequency):
    """A tone comes back at its distance from the nearest multiple of the new rate, with the moving average's gain."""
    rate, pool = 1024, 4
    x = cosine(rate, frequency, phase=0.3)
    pooled = torch.nn.functional.avg_pool1d(x[None], pool)[0]
    frequencies, amplitudes = amplitude_spectrum(pooled, rate / pool)
    new_rate = rate // pool
    alias = abs(frequency - new_rate * round(frequency / new_rate))
    gain = filter_of(moving_average_network(pool, 1)).frequency_response(frequency, rate).abs().item()
    expected = torch.zeros_like(amplitudes)
    expected[alias] = gain
    torch.testing.assert_close(amplitudes, expected, rtol=0, atol=1e-13)
    assert gain > 0.02 and frequencies[alias] == alias


# ---- mistakes


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: difference_network(-1), ValueError, "depth must be at least 0"),
        (lambda: difference_network(1.5), TypeError, "depth must be an integer"),
        (lambda: moving_average_network(0, 2), ValueError, "kernel_size must be at least 1"),
        (lambda: moving_average_network(3, -2), ValueError, "depth must be at least 0"),
        (lambda: moving_average_network(9, 1)(torch.ones(8)), ValueError, "9 taps and the signal 8 samples"),
        (lambda: difference_network(1)(torch.ones(3, 0)), ValueError, "no samples"),
        (lambda: difference_network(1)(torch.tensor(1.0)), ValueError, "no samples"),
        (lambda: difference_network(1)(torch.ones(8, dtype=torch.long)), TypeError, r"Use x\.float\(\)"),
        (lambda: FixedFilter([1.0])([1.0, 2.0]), TypeError, "tensor; got list"),
        (lambda: FixedFilter([]), ValueError, "taps is empty"),
        (lambda: FixedFilter([[1.0, 2.0]]), ValueError, "flat"),
        (lambda: FixedFilter([1.0, math.inf]), ValueError, "non-finite"),
        (lambda: FixedFilter(["a"]), TypeError, "taps must be"),
        (lambda: FixedFilter([1.0]).frequency_response([1.0], 0), ValueError, "sample_rate must be positive"),
    ],
)
def test_a_mistake_gets_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_tap_that_the_signal_cannot_hold_is_refused():
    """It made infinity, or NaN, without a word."""
    with pytest.raises(ValueError, match=r"the tap 1e\+300 is too large for torch.float32.*x.double"):
        FixedFilter([1.0, 1e300])(torch.ones(3))
    assert FixedFilter([1e300])(torch.ones(1, dtype=torch.float64)).item() == 1e300


@pytest.mark.parametrize(
    "make",
    [
        lambda: difference_network(10**8),
        lambda: moving_average_network(10**9, 1),
        lambda: moving_average_network(2, 10**9),
    ],
)
def test_networks_that_no_memory_holds_are_refused(make):
    with pytest.raises(ValueError, match="must be at most"):
        make()
