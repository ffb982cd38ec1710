"""The classifiers of Section V-C."""

import math

import pytest
import torch

from relunb.spectrum import ToneClassifier, class_constant, tone_classes, truncated_means


def network(activation, **sizes):
    return ToneClassifier(activation, generator=torch.Generator().manual_seed(0), **sizes)


def noise(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


def test_sizes_are_those_of_the_authors_script():
    shapes = {name: tuple(value.shape) for name, value in network("relu").named_parameters()}
    assert shapes == {
        "first": (32, 1, 3),
        "second": (32, 32, 3),
        "hidden": (32, 32),
        "hidden_bias": (32,),
        "output": (3, 32),
        "output_bias": (3,),
    }


def test_initial_weights_are_glorot_uniform_and_biases_zero():
    net = network("relu")
    # fan in and fan out of a convolution count its taps
    for weight, fans in ((net.first, 3 + 96), (net.second, 96 + 96), (net.hidden, 32 + 32), (net.output, 32 + 3)):
        bound = math.sqrt(6 / fans)
        assert 0.9 * bound < weight.abs().max() <= bound
    assert not net.hidden_bias.any() and not net.output_bias.any()
    assert abs(net.second.std() - math.sqrt(6 / 192 / 3)) < 0.01 * math.sqrt(6 / 192 / 3) * 3


def test_the_last_tap_meets_the_present_and_the_signal_starts_from_zero():
    net = network("linear", n_filters=1)
    with torch.no_grad():
        net.first.copy_(torch.tensor([[[3.0, 2.0, 1.0]]]))
    first, _ = net.activations(torch.tensor([1.0, 0, 0, 0, 10.0]))
    assert first.tolist() == [[1, 2, 3, 0, 10]]


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
def test_a_linear_network_reads_shortened_means_and_nothing_else(kernel_size):
    net, x = network("linear", n_filters=4, kernel_size=kernel_size).double(), noise(6, 40)
    literal = net.activations(x)[1].mean(-1)
    assert (net.features(x) - literal).abs().max() < 1e-15
    parameters = (net.first, net.second)
    ours = torch.autograd.grad((net.features(x) * noise(6, 4)).sum(), parameters)
    theirs = torch.autograd.grad((literal * noise(6, 4)).sum(), parameters)
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).abs().max() < 1e-14


def test_a_linear_network_cannot_tell_signals_with_equal_shortened_means_apart():
    net, x = network("linear").double(), noise(256)
    shuffled = torch.cat([x[:252][torch.randperm(252, generator=torch.Generator().manual_seed(0))], x[252:]])
    assert (net.features(x) - net.features(shuffled)).abs().max() < 1e-15
    assert (net.activations(x)[1] - net.activations(shuffled)[1]).abs().max() > 0.1
    relu = network("relu").double()
    assert (relu.features(x) - relu.features(shuffled)).abs().max() > 1e-3


def test_shortened_means_leave_out_the_last_samples():
    x = torch.tensor([[1.0, 2, 3, 4], [0, 0, 0, 8]])
    assert truncated_means(x, 3).tolist() == [[10 / 4, 6 / 4, 3 / 4], [2, 0, 0]]
    assert truncated_means(x, 4)[0, 3] == 1 / 4


def test_whole_cycles_leave_a_linear_network_only_the_last_four_samples():
    data = tone_classes(1, jitter=0.0)
    means = truncated_means(data.signals.double(), 5)
    assert means[:, 0].abs().max() < 1e-8  # float32 data
    assert means[:, 1:].abs().max() <= 4 / 256


def test_relu_features_are_the_mean_of_nonnegative_activations():
    net, x = network("relu").double(), noise(5, 64)
    first, second = net.activations(x)
    assert first.min() == 0 and second.min() == 0
    assert torch.equal(net.features(x), second.mean(-1))


def test_the_two_activations_differ_in_nothing_else():
    relu, linear = network("relu").double(), network("linear").double()
    assert all(torch.equal(a, b) for a, b in zip(relu.parameters(), linear.parameters(), strict=True))
    # A positive signal through positive kernels never meets the kink.
    for net in (relu, linear):
        with torch.no_grad():
            net.first.abs_()
            net.second.abs_()
    x = noise(3, 50).abs()
    assert (relu(x) - linear(x)).abs().max() < 1e-14


@pytest.mark.parametrize("activation", ["relu", "linear"])
@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_leading_dimensions_are_kept(activation, leading):
    net, x = network(activation), noise(*leading, 30, dtype=torch.float32)
    assert net(x).shape == (*leading, 3)
    assert net.features(x).shape == (*leading, 32)
    assert net.activations(x)[0].shape == (*leading, 32, 30)


def test_a_threshold_on_the_mean_alone_reads_the_papers_constant():
    data = tone_classes(1024, generator=torch.Generator().manual_seed(0))
    mean = (data.signals + class_constant(data.labels)[:, None]).mean(-1)
    assert torch.equal(torch.bucketize(mean, torch.tensor([1.0, 4.0])), data.labels)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"activation": "tanh"}, ValueError, "'relu', 'linear'; got 'tanh'"),
        ({"n_filters": 0}, ValueError, "n_filters must be at least 1"),
        ({"kernel_size": 1.5}, TypeError, "kernel_size must be an integer"),
    ],
)
def test_a_mistake_gets_a_sentence(arguments, error, words):
    with pytest.raises(error, match=words):
        ToneClassifier(**arguments)


def test_bad_signals_get_a_sentence():
    with pytest.raises(TypeError, match="floating-point"):
        network("relu")(torch.zeros(3, 10, dtype=torch.long))
    with pytest.raises(TypeError, match="list"):
        network("linear").features([0.0, 1.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no samples"):
        network("linear")(torch.zeros(3, 0))
    with pytest.raises(ValueError, match="between 1 and the number of samples, 4; got 5"):
        truncated_means(torch.zeros(4), 5)


@pytest.mark.parametrize("samples", [1, 2, 4, 5])
def test_a_linear_classifier_takes_signals_shorter_than_its_memory(samples):
    linear = ToneClassifier("linear", generator=torch.Generator().manual_seed(0))
    signals = torch.randn(3, samples, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(linear.features(signals), linear.activations(signals)[1].mean(-1))


@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_another_dtype_and_too_many_weights_get_a_sentence(activation):
    with pytest.raises(TypeError, match=r"signals are torch.float64 and the network torch.float32: use signals.to"):
        ToneClassifier(activation)(torch.zeros(4, dtype=torch.float64))
    with pytest.raises(ValueError, match="134,217,728 is the limit"):
        ToneClassifier(activation, n_filters=10**9)
    with torch.autocast("cpu", torch.bfloat16):
        assert ToneClassifier(activation)(torch.zeros(4, dtype=torch.bfloat16)).shape == (3,)
