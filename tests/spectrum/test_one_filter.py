"""The one-filter network of Section V-D and its readout."""

import itertools
import math

import pytest
import torch

from relunb.spectrum import FixedFilter, OneFilterNetwork, filtered_dc, threshold_accuracy, tone_classes


def tone(frequency, phase=0.0, seconds=8, rate=32):
    time = torch.arange(seconds * rate, dtype=torch.float64) / rate
    return torch.cos(2 * math.pi * frequency * time + phase)


def gain(taps, frequency, rate=32):
    w0, w1 = taps
    return math.sqrt(w0 * w0 + w1 * w1 + 2 * w0 * w1 * math.cos(2 * math.pi * frequency / rate))


def test_the_dc_lies_between_the_bounds_of_finite_sampling():
    """P samples a period, P even: the mean of ReLU(a cos) lies in a/P [cot(pi/P), 1/sin(pi/P)], whatever the phase."""
    taps = (0.7, -1.1)
    for frequency, period in ((3.0, 32), (5.0, 32), (10.0, 16)):
        low, high = 1 / math.tan(math.pi / period) / period, 1 / math.sin(math.pi / period) / period
        seen = []
        for phase in torch.linspace(0, math.pi, 65).tolist():
            x = torch.cat([tone(frequency, phase)[-1:], tone(frequency, phase)])  # a periodic past instead of silence
            filtered = taps[0] * x[:-1] + taps[1] * x[1:]
            seen.append(filtered.relu().mean().item() / gain(taps, frequency))
        assert low - 1e-12 <= min(seen) and max(seen) <= high + 1e-12
        assert max(seen) - min(seen) > 0.5 * (high - low), "the bounds are not idle"


def test_silence_before_the_first_sample_changes_one_term_of_the_mean():
    taps = torch.tensor([0.7, -1.1], dtype=torch.float64)
    x = tone(3.0)
    filtered = taps[0] * x[:-1] + taps[1] * x[1:]
    expected = (filtered.relu().sum() + (taps[1] * x[0]).relu()) / 256
    assert abs(filtered_dc(x, taps.flip(-1), mode="zero") - expected) < 1e-15


@pytest.mark.parametrize("mode", ["circular", "zero"])
@pytest.mark.parametrize("taps", [[0.7, -1.0], [-1.0, 0.7], [0.2, 0.5, -1.1], [2.0]])
def test_every_filter_of_the_package_has_the_present_sample_first(taps, mode):
    """Two taps have one gain in either order, so a slip would go unseen in any spectrum."""
    x = torch.randn(3, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    past = x[:, -2:] if mode == "circular" else torch.zeros(3, 2, dtype=torch.float64)
    long = torch.cat([past, x], -1)
    y = torch.stack([sum(tap * long[:, n + 2 - k] for k, tap in enumerate(taps)) for n in range(50)], -1)
    torch.testing.assert_close(FixedFilter(taps, mode=mode)(x), y, rtol=0, atol=1e-15)
    dc = filtered_dc(x, torch.tensor(taps, dtype=torch.float64), mode=mode)
    torch.testing.assert_close(dc, y.relu().mean(-1), rtol=0, atol=1e-15)
    network = OneFilterNetwork(len(taps), mode=mode).double()
    network.load_state_dict({"taps": torch.tensor(taps[::-1])})  # of version 0.1.0: the present sample last
    torch.testing.assert_close(network(x), dc, rtol=0, atol=1e-7)
    assert list(network.state_dict()) == ["kernel"]


@pytest.mark.parametrize("exponent", [-1000, 5, 1022])
def test_loud_and_quiet_signals_have_the_digits_of_others(exponent):
    x, taps = tone(3.0) / 2, torch.tensor([0.75, -1.0], dtype=torch.float64)
    assert filtered_dc(x * 2.0**exponent, taps, mode="zero") == filtered_dc(x, taps, mode="zero") * 2.0**exponent


def test_dc_scales_with_the_signal_and_with_the_taps():
    x, taps = tone(4.3), torch.tensor([0.3, 0.8], dtype=torch.float64)
    assert abs(filtered_dc(5 * x, 3 * taps, mode="zero") - 15 * filtered_dc(x, taps, mode="zero")) < 1e-14


def test_many_filters_are_many_single_filters():
    x = torch.stack([tone(3.0), tone(5.0)])
    taps = torch.tensor([[0.3, 0.8], [-1.0, 0.2], [0.0, 1.0]], dtype=torch.float64)
    single = torch.stack([filtered_dc(x, t, mode="zero") for t in taps], -1)
    together = filtered_dc(x, taps, mode="zero")
    assert (together - single).abs().max() < 1e-15
    assert filtered_dc(x[0], taps, mode="zero").shape == (3,) and filtered_dc(x[0], taps[0], mode="zero").shape == ()


def test_the_network_is_the_function_with_glorot_taps():
    net = OneFilterNetwork(generator=torch.Generator().manual_seed(0))
    x = tone_classes(2).signals
    assert torch.equal(net(x), filtered_dc(x, net.taps, mode="zero"))
    drawn = torch.stack([OneFilterNetwork(generator=torch.Generator().manual_seed(s)).taps for s in range(300)])
    bound = math.sqrt(1.5)
    assert 0.98 * bound < drawn.abs().max() <= bound
    net(x).sum().backward()
    assert net.kernel.grad is not None and net.kernel.grad.shape == (2,)


@pytest.mark.parametrize("taps", [(1.0, 0.5), (0.5, 1.0), (-1.0, -0.5)])
def test_equal_signs_order_the_classes_downwards_and_opposite_signs_upwards(taps):
    data = tone_classes(200, generator=torch.Generator().manual_seed(0))
    down = filtered_dc(data.signals, torch.tensor(taps), mode="zero")
    up = filtered_dc(data.signals, torch.tensor([taps[0], -taps[1]]), mode="zero")
    for label in (0, 1):
        here, higher = data.labels == label, data.labels == label + 1
        assert down[here].min() > down[higher].max()
        assert up[here].max() < up[higher].min()


def test_a_zero_tap_leaves_nothing_to_separate():
    data = tone_classes(200, generator=torch.Generator().manual_seed(0))
    dc = filtered_dc(data.signals, torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.5]]), mode="zero")
    accuracy = threshold_accuracy(dc.T, data.labels)
    assert accuracy[:2].max() < 0.8 and accuracy[2] == 1


def brute_force(values, labels, classes):
    best = 0.0
    cuts = sorted({-math.inf, math.inf, *values})
    for edges in itertools.combinations_with_replacement(cuts, classes - 1):
        for order in itertools.permutations(range(classes)):
            place = [order[sum(v >= e for e in edges)] for v in values]
            best = max(best, sum(p == y for p, y in zip(place, labels, strict=True)) / len(labels))
    return best


@pytest.mark.parametrize("classes", [2, 3])
def test_threshold_accuracy_is_the_best_over_all_thresholds_and_orders(classes):
    generator = torch.Generator().manual_seed(classes)
    for _ in range(20):
        labels = torch.cat([torch.arange(classes), torch.randint(classes, (5,), generator=generator)])
        values = torch.randint(5, (len(labels),), generator=generator).double()  # with ties
        assert threshold_accuracy(values, labels).item() == pytest.approx(
            brute_force(values.tolist(), labels.tolist(), classes), abs=1e-15
        )


def test_threshold_accuracy_at_its_ends():
    labels = torch.arange(3).repeat_interleave(4)
    assert threshold_accuracy(labels.double() * 1e-9, labels) == 1
    assert threshold_accuracy(torch.zeros(12), labels) == pytest.approx(1 / 3)
    assert threshold_accuracy(torch.stack([labels.double(), torch.zeros(12)]), labels).shape == (2,)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: filtered_dc(torch.zeros(4), torch.zeros(2).double(), mode="zero"),
            TypeError,
            "dtype of signals, torch.float32",
        ),
        (lambda: filtered_dc(torch.zeros(4), [1.0, 2.0], mode="zero"), TypeError, "list"),
        (lambda: filtered_dc(torch.zeros(4), torch.zeros(0), mode="zero"), ValueError, "K at least 1"),
        (lambda: filtered_dc(torch.zeros(4), torch.zeros(1, 1, 2), mode="zero"), ValueError, "filters, K"),
        (lambda: filtered_dc(torch.zeros(0), torch.zeros(2), mode="zero"), ValueError, "no samples"),
        (
            lambda: filtered_dc(torch.zeros(4), torch.zeros(2), mode="same"),
            ValueError,
            "mode must be 'circular' or 'zero'",
        ),
        (lambda: filtered_dc(torch.zeros(4), torch.zeros(2)), TypeError, "required keyword-only argument: 'mode'"),
        (lambda: filtered_dc(torch.zeros(2), torch.zeros(3), mode="circular"), ValueError, "3 taps and the signal 2"),
        (lambda: threshold_accuracy([0.0, 1.0], torch.tensor([0, 1])), TypeError, "values must be a tensor; got list"),
        (lambda: OneFilterNetwork(0), ValueError, "kernel_size must be at least 1"),
        (lambda: threshold_accuracy(torch.zeros(3), torch.tensor([0, 1])), ValueError, "must agree"),
        (lambda: threshold_accuracy(torch.zeros(2), torch.tensor([0, 2])), ValueError, "each present"),
        (lambda: threshold_accuracy(torch.tensor([0, math.nan]), torch.tensor([0, 1])), ValueError, "not finite"),
    ],
)
def test_a_mistake_gets_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(
    ("values", "labels", "error", "words"),
    [
        (torch.zeros(2), torch.tensor([0, 10**12]), ValueError, r"each present; got \[0, 1000000000000\]"),
        (torch.zeros(2, device="meta"), torch.tensor([0, 1]), ValueError, "no values"),
        (torch.zeros(2, dtype=torch.complex64), torch.tensor([0, 1]), TypeError, "must be real"),
    ],
)
def test_thresholds_refuse_what_has_no_order(values, labels, error, words):
    with pytest.raises(error, match=words):
        threshold_accuracy(values, labels)


def test_a_loud_signal_and_faint_taps_give_what_lies_between():
    """The signal's power of two times the filter's answer overflowed before the taps' one came."""
    loud, faint = torch.full((8,), 3e38), torch.full((2,), 1e-38)
    assert filtered_dc(loud, faint, mode="circular").item() == pytest.approx(6, rel=1e-6)
    assert filtered_dc(faint, loud[:2], mode="circular").item() == pytest.approx(6, rel=1e-6)
    loud, faint = loud.double() * 1e269, faint.double() * 1e-269
    assert filtered_dc(loud, faint, mode="circular").item() == pytest.approx(6, rel=1e-6)
    half = torch.full((4,), 6e4, dtype=torch.float16)
    assert filtered_dc(half, (1 / half)[:1], mode="zero").item() == pytest.approx(1, rel=1e-2)
