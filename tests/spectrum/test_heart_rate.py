"""The heart-rate network: layer by layer against plain loops, its file reader, and the recorded heart rates."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from relunb.spectrum import HeartRateCNN, remove_motion

h5py = pytest.importorskip("h5py", reason="h5py is absent: pip install h5py")

DATA = Path(os.environ.get("RELUNB_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
WEIGHTS, STRETCH = DATA / "kid_ppg_model_S5.h5", DATA / "ppg_dalia_s6_stairs.npz"
published = pytest.mark.skipif(
    not (WEIGHTS.is_file() and STRETCH.is_file()),
    reason=f"needs {WEIGHTS.name} and {STRETCH.name} in ../shared/data or in $RELUNB_DATA; absent",
)


def random_network(seed):
    """One whose biases and normalisation are not the zeros and ones they start as."""
    torch.manual_seed(seed)
    network = HeartRateCNN().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return network


@pytest.fixture
def network():
    return random_network(0).double()


@pytest.fixture(scope="module")
def stretch():
    with np.load(STRETCH) as file:
        windows, truth = torch.from_numpy(file["X"]), torch.from_numpy(file["y"])[:, 0]
    return windows[:, 0], windows[:, 1:], truth


# One window in float64 numpy, with loops and no convolution routine: what the architecture says, word for word.


def by_hand(network, window):
    """Every named activation of one window."""
    weight = {name: p.detach().numpy() for name, p in network.named_parameters()}
    said, signal = {}, window.numpy()[:, None]  # (time, channels)
    for block, pool in enumerate((4, 2, 2)):
        for layer in range(3):
            kernel, bias = weight[f"blocks.{block}.{layer}.weight"], weight[f"blocks.{block}.{layer}.bias"]
            out = np.zeros((len(signal), len(bias)))
            for t in range(len(signal)):
                out[t] = bias
                for tap in range(5):  # the last tap sees the present, the first eight samples ago
                    past = t - 2 * (4 - tap)
                    if past >= 0:
                        out[t] += kernel[:, :, tap] @ signal[past]
            signal = said[f"block{block + 1}_conv{layer + 1}"] = np.maximum(out, 0)
        means = [signal[start : start + pool].mean(0) for start in range(0, len(signal), pool)]
        signal = said[f"block{block + 1}_pool"] = np.array(means)

    def dense(name, x):
        return x @ weight[f"{name}.weight"].T + weight[f"{name}.bias"]

    query, key, value = (dense(name, signal) for name in ("query", "key", "value"))
    mixed = np.zeros_like(query)
    for head in range(4):
        part = slice(16 * head, 16 * head + 16)
        for t in range(len(signal)):
            score = np.array([query[t, part] @ key[s, part] / 4 for s in range(len(signal))])
            share = np.exp(score) / np.exp(score).sum()
            mixed[t, part] = share @ value[:, part]
    signal = said["attention"] = dense("attention_output", mixed)
    spread = np.sqrt(signal.var(1, keepdims=True) + 1e-3)
    signal = (signal - signal.mean(1, keepdims=True)) / spread * weight["norm.weight"] + weight["norm.bias"]
    said["norm"] = signal
    hidden = said["hidden"] = np.maximum(dense("hidden", signal.reshape(-1)), 0)  # time first, then channels
    said["rate"] = dense("rate", hidden)[0]
    return said


def test_every_layer_is_what_plain_loops_compute(network):
    window = torch.randn(256, dtype=torch.float64) * 20
    with torch.no_grad():
        said, expected = network.activations(window), by_hand(network, window)
    assert list(said) == list(expected)
    for name, value in expected.items():
        got = said[name].numpy().T
        assert got.shape == np.shape(value), name
        np.testing.assert_allclose(got, value, rtol=1e-9, atol=1e-9, err_msg=name)


def test_leading_dimensions_are_windows_each_by_itself(network):
    x = torch.randn(2, 3, 256, dtype=torch.float64)
    together = network.activations(x)
    assert network(x).shape == (2, 3) and together["block2_pool"].shape == (2, 3, 48, 32)
    alone = network.activations(x[1, 2])
    for name in together:
        assert torch.allclose(together[name][1, 2], alone[name], atol=1e-10), name


def test_no_sample_of_a_block_sees_the_future(network):
    x = torch.randn(256, dtype=torch.float64)
    later = x.clone()
    later[128:] += 1
    before, after = network.activations(x), network.activations(later)
    for block, first in ((1, 32), (2, 16), (3, 8)):
        name = f"block{block}_pool"
        assert torch.equal(before[name][:, :first], after[name][:, :first])
        assert not torch.equal(before[name][:, first:], after[name][:, first:])


def test_average_pooling_keeps_the_mean_of_every_channel(network):
    said = network.activations(torch.randn(5, 256, dtype=torch.float64))
    for block in (1, 2, 3):
        before, after = said[f"block{block}_conv3"].mean(-1), said[f"block{block}_pool"].mean(-1)
        assert before.max() > 0.01 and torch.allclose(before, after, rtol=1e-12, atol=1e-15)


def test_weights_start_as_keras_starts_them():
    torch.manual_seed(0)
    for name, parameter in HeartRateCNN().named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif not name.startswith("norm"):
            taps = parameter[0, 0].numel()
            bound = (6 / (taps * (parameter.shape[0] + parameter.shape[1]))) ** 0.5
            assert 0.8 * bound < parameter.abs().max() <= bound, name


def test_dropout_is_for_training_alone():
    torch.manual_seed(0)
    network, x = HeartRateCNN(), torch.randn(256)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
    assert torch.equal(HeartRateCNN(dropout=0).train()(x) * 0, torch.tensor(0.0))


def test_it_learns_in_both_precisions_and_survives_a_state_dict():
    for dtype in (torch.float32, torch.float64):
        network = HeartRateCNN().to(dtype)
        network(torch.randn(4, 256, dtype=dtype)).square().mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
        twin = HeartRateCNN().to(dtype)
        twin.load_state_dict(network.state_dict())
        x = torch.randn(256, dtype=dtype)
        assert torch.equal(network.eval()(x), twin.eval()(x))
    assert sum(p.numel() for p in HeartRateCNN().parameters()) == 147_473


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (torch.zeros(4, 255, dtype=torch.float64), ValueError, r"256 samples, 8 s at 32 Hz.*\(4, 255\)"),
        (torch.tensor(0.0, dtype=torch.float64), ValueError, r"256 samples"),
        (torch.zeros(0, 256, dtype=torch.float64), ValueError, "x is empty"),
        (torch.full((256,), float("nan"), dtype=torch.float64), ValueError, "x has 256 non-finite values"),
        (torch.zeros(256), TypeError, r"x is torch.float32 and the network torch.float64: use x.to\(torch.float64\)"),
        ([0.0] * 256, TypeError, "must be a torch.Tensor; got list"),
    ],
)
def test_a_wrong_window_is_refused_in_a_sentence(network, x, error, words):
    with pytest.raises(error, match=words):
        network(x)
    with pytest.raises(error, match=words):
        network.activations(x)


@pytest.mark.parametrize(("dropout", "error"), [(1, ValueError), (-0.1, ValueError), ("half", TypeError)])
def test_a_wrong_dropout_is_refused(dropout, error):
    with pytest.raises(error, match="dropout"):
        HeartRateCNN(dropout)


# The file reader. A file is made here as Keras lays it out; each refusal spoils one thing in it.

_POOLING = [{"class_name": "AveragePooling1D", "config": {"name": f"pool_{n}", "pool_size": [n]}} for n in (4, 2, 2)]


def config(layers=(), pooling=_POOLING):
    """A Keras model_config with these layers, the rest left to its defaults."""
    return json.dumps({"class_name": "Functional", "config": {"name": "model", "layers": [*layers, *pooling]}})


def arrays(network):
    """The arrays of a Keras file for these weights, laid out from what Keras documents of each layer."""
    weight = {name: p.detach().numpy() for name, p in network.named_parameters()}
    result, number = {}, 45
    for block in range(3):
        for layer in range(3):
            name = f"model_{20 + block}/conv1d_{number}"
            kernel = weight[f"blocks.{block}.{layer}.weight"]
            result[f"{name}/kernel:0"] = np.moveaxis(kernel, (0, 1, 2), (2, 1, 0))  # (taps, in, out)
            result[f"{name}/bias:0"] = weight[f"blocks.{block}.{layer}.bias"]
            number += 1
    attention = "multi_head_attention_5/multi_head_attention_5"
    for name in ("query", "key", "value"):
        result[f"{attention}/{name}/kernel:0"] = weight[f"{name}.weight"].T.reshape(64, 4, 16)
        result[f"{attention}/{name}/bias:0"] = weight[f"{name}.bias"].reshape(4, 16)
    result[f"{attention}/attention_output/kernel:0"] = weight["attention_output.weight"].T.reshape(4, 16, 64)
    result[f"{attention}/attention_output/bias:0"] = weight["attention_output.bias"]
    norm = "layer_normalization_5/layer_normalization_5"
    result[f"{norm}/gamma:0"], result[f"{norm}/beta:0"] = weight["norm.weight"], weight["norm.bias"]
    for number, name in ((10, "hidden"), (11, "rate")):
        result[f"dense_{number}/dense_{number}/kernel:0"] = weight[f"{name}.weight"].T
        result[f"dense_{number}/dense_{number}/bias:0"] = weight[f"{name}.bias"]
    return result


@pytest.fixture
def source():
    return random_network(1)


def write(path, contents, *, whole=True, model_config=None):
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        for name, array in contents.items():
            group.create_dataset(name, data=array)
        if whole:
            file.create_dataset("optimizer_weights/Adam/m/conv1d_45/kernel:0", data=np.zeros(3))
        if model_config is not None:
            file.attrs["model_config"] = model_config
    return path


@pytest.mark.parametrize("whole", [True, False], ids=["a whole model", "weights alone"])
def test_a_keras_file_gives_back_the_network_it_came_from(tmp_path, source, whole):
    path = write(tmp_path / "m.h5", arrays(source), whole=whole, model_config=config() if whole else None)
    read = HeartRateCNN.from_keras(path)
    x = torch.randn(3, 256)
    assert not read.training and torch.equal(read(x), source(x))
    assert HeartRateCNN.from_keras(str(path), dropout=0.25).dropout.p == 0.25


CONV, DENSE = "model_20/conv1d_47", "dense_10/dense_10"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda a: [a.pop(f"{CONV}/{n}:0") for n in ("kernel", "bias")], "8 layers conv1d; this network has 9"),
        (lambda a: a.update({"dense_12/dense_12/bias:0": np.zeros(1)}), "3 layers dense; this network has 2"),
        (lambda a: a.update({"lstm_1/lstm_1/kernel:0": np.zeros(1)}), "array lstm_1/lstm_1/kernel:0.*no layer"),
        (lambda a: a.clear(), "0 layers conv1d; this network has 9"),
        (lambda a: a.pop(f"{CONV}/bias:0"), "layer 3 of the kind conv1d in .* lacks bias"),
        (lambda a: a.update({f"{CONV}/scale:0": np.zeros(1)}), "layer 3 of the kind conv1d.* extra array scale"),
        (
            lambda a: a.update({f"{DENSE}/kernel:0": np.zeros((1024, 256))}),
            r"layer 1 of the kind dense in .* has kernel of shape \(1024, 256\); expected \(1024, 32\)",
        ),
        (lambda a: a.update({f"{CONV}/bias:0": np.full(32, np.nan)}), "layer 3 .* values in bias that are not finite"),
        (lambda a: a.update({f"{CONV}/bias:0": np.zeros(32, int)}), "layer 3 .* bias of type int64; expected floating"),
    ],
)
def test_a_file_with_other_layers_is_refused_by_name(tmp_path, source, spoil, words):
    contents = arrays(source)
    spoil(contents)
    path = write(tmp_path / "other.h5", contents)
    with pytest.raises(ValueError, match=words) as told:
        HeartRateCNN.from_keras(path)
    assert str(path) in str(told.value)


@pytest.mark.parametrize(
    ("model_config", "words"),
    [
        (
            config([{"class_name": "Conv1D", "config": {"name": "c", "padding": "same"}}]),
            "c has padding 'same'.*causal",
        ),
        (config([{"class_name": "Conv1D", "config": {"name": "c", "dilation_rate": [1]}}]), r"dilation_rate \[1\]"),
        (config([{"class_name": "LayerNormalization", "config": {"name": "n", "epsilon": 1e-5}}]), "epsilon 1e-05"),
        (config(pooling=_POOLING[:2]), r"pools with .* expected .*\(.AveragePooling1D., \[2\]\)"),
        ("no json", "model_config that is not a Keras model's"),
        ("[]", "model_config that is not a Keras model's"),
    ],
)
def test_the_right_shapes_with_other_settings_are_refused(tmp_path, source, model_config, words):
    path = write(tmp_path / "settings.h5", arrays(source), model_config=model_config)
    with pytest.raises(ValueError, match=words) as told:
        HeartRateCNN.from_keras(path)
    assert str(path) in str(told.value)


def test_what_is_not_a_keras_file_is_refused(tmp_path, source):
    with pytest.raises(FileNotFoundError, match="there is no file .*absent.h5"):
        HeartRateCNN.from_keras(tmp_path / "absent.h5")
    with pytest.raises(ValueError, match="is a folder"):
        HeartRateCNN.from_keras(tmp_path)
    text = tmp_path / "text.h5"
    text.write_text("these are no weights")
    with pytest.raises(ValueError, match="text.h5 is not an HDF5 file"):
        HeartRateCNN.from_keras(text)
    cut = tmp_path / "cut.h5"
    whole = write(tmp_path / "whole.h5", arrays(source)).read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut.h5 cannot be read to its end"):
        HeartRateCNN.from_keras(cut)


@pytest.mark.parametrize("nested", [False, True], ids=["one model", "models within the model"])
def test_the_weights_of_keras_3_are_read(tmp_path, source, nested):
    """layers/<class name, counted in each model>/vars/<number>, beside an optimiser's state and dropout's seeds."""
    contents = {}
    for name, array in arrays(source).items():
        *_, layer, place = name.split(":")[0].split("/")
        kind, number = layer.rsplit("_", 1) if layer[-1].isdigit() else (layer, "0")
        which = {"kernel": 0, "gamma": 0, "bias": 1, "beta": 1}[place]
        if kind == "conv1d":
            number = int(number) - 45
            block = f"layers/functional{f'_{number // 3}' if number >= 3 else ''}/" if nested else ""
            number = number % 3 if nested else number
            new = f"{block}layers/conv1d{f'_{number}' if number else ''}"
        elif kind == "dense":
            new = "layers/dense" if number == "10" else "layers/dense_1"
        elif kind == "layer_normalization":
            new = "layers/layer_normalization"
        else:
            part = "output" if layer == "attention_output" else layer
            new = f"layers/multi_head_attention/{part}_dense"
        contents[f"{new}/vars/{which}"] = array
    contents["layers/dropout/seed_generator/vars/0"] = np.zeros(2, dtype="uint32")
    contents["optimizer/vars/0"] = np.zeros((), dtype="int64")
    path = write(tmp_path / "m.weights.h5", contents, whole=False)
    x = torch.randn(3, 256)
    assert torch.equal(HeartRateCNN.from_keras(path)(x), source(x))


def test_an_archive_of_keras_3_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match="zip archive, as Keras 3 saves a whole model: unzip it and"):
        HeartRateCNN.from_keras(tmp_path / "m.keras")


def test_text_among_the_weights_is_refused(tmp_path, source):
    contents = arrays(source)
    contents[f"{CONV}/bias:0"] = b"text"
    with pytest.raises(ValueError, match="layer 3 of the kind conv1d in .* has bias of shape"):
        HeartRateCNN.from_keras(write(tmp_path / "m.h5", contents))


def test_half_precision_runs_and_what_overflows_or_is_no_float_is_told():
    network = HeartRateCNN().eval()
    x = torch.randn(2, 256)
    half = network.to(torch.bfloat16)(x.bfloat16())
    assert half.dtype == torch.bfloat16 and (half.float() - network.float()(x)).abs().max() < 0.2
    with pytest.raises(ValueError, match="the rate is not finite: x is as large as .*e.30.*float32 overflows"):
        network(x * 1e30)
    with pytest.raises(
        TypeError, match=r"x is torch.int64 and the network torch.float32: use x.to\(torch.float32\)\.$"
    ):
        network(torch.zeros(2, 256, dtype=torch.int64))
    with pytest.raises(TypeError, match="dropout must be a number"):
        HeartRateCNN([0.1, 0.2])


def test_without_h5py_the_reader_says_what_to_install(tmp_path, source, monkeypatch):
    path = write(tmp_path / "m.h5", arrays(source))
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match="pip install h5py"):
        HeartRateCNN.from_keras(path)


# The motion filter.


def test_what_a_short_filter_makes_of_the_acceleration_is_removed_whole():
    torch.manual_seed(0)
    windows, axes, time, taps = 12, 3, 256, 5
    acceleration = torch.randn(windows, axes, time, dtype=torch.float64)
    acceleration = acceleration - acceleration.mean(-1, keepdim=True)
    filters = torch.randn(1, axes, taps, dtype=torch.float64)
    motion = torch.nn.functional.conv1d(acceleration, filters, padding=taps // 2)[:, 0]
    motion = motion - motion.mean(-1, keepdim=True)
    left = remove_motion(motion + 7, acceleration, taps=taps)
    assert left.abs().max() < 0.05 * motion.abs().max()
    assert remove_motion(motion, acceleration, taps=1).square().mean() > 0.2 * motion.square().mean()


def test_a_pulse_that_motion_does_not_explain_stays():
    time = torch.arange(256, dtype=torch.float64) / 32
    pulse = torch.cos(2 * torch.pi * 1.5 * time).expand(40, 256)
    torch.manual_seed(0)
    left = remove_motion(pulse, torch.randn(40, 3, 256, dtype=torch.float64))
    assert (left - pulse).square().mean() < 0.02
    still = remove_motion(pulse.float() + 3, torch.ones(40, 3, 256))
    assert still.dtype == torch.float32 and torch.allclose(still, pulse.float(), atol=1e-5)


@pytest.mark.parametrize(("loud", "far"), [(1.0, 1e-170), (1e-300, 1e300), (1e300, 1e-300), (1.0, 1e-310)])
def test_motion_is_removed_at_any_scale_of_either(loud, far):
    """The square of 1e-170 is no number: nothing was removed."""
    acceleration = torch.randn(6, 2, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    motion = acceleration[:, 0] - 0.5 * acceleration[:, 1].roll(1, -1)
    motion = motion - motion.mean(-1, keepdim=True)
    units = torch.tensor([far, 1.0], dtype=torch.float64).unsqueeze(-1)  # the axes need not have one unit
    expected = remove_motion(motion, acceleration, 3)
    left = remove_motion(motion * loud, acceleration * units, 3)
    torch.testing.assert_close(left / loud, expected, rtol=0, atol=1e-11)
    plain = remove_motion(acceleration[:, 0] * loud, acceleration * units, 3)
    assert (plain / loud).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("ppg", "acceleration", "taps", "error", "words"),
    [
        (torch.zeros(4, 256), torch.zeros(4, 3, 255), 21, ValueError, r"\(windows, axes, time\).*\(4, 3, 255\)"),
        (torch.zeros(256), torch.zeros(1, 3, 256), 21, ValueError, r"got \(256,\)"),
        (torch.zeros(4, 256), torch.zeros(4, 3, 256), 20, ValueError, "taps must be odd.*got 20"),
        (torch.zeros(4, 256), torch.zeros(4, 3, 256), 0, ValueError, "taps must be at least 1"),
        (torch.zeros(4, 256), torch.zeros(4, 3, 256), 2.5, TypeError, "taps must be an integer"),
        (torch.zeros(4, 256), torch.zeros(4, 3, 256), 2001, ValueError, "taps must be at most 511; got 2001"),
        (torch.zeros(4, 999), torch.zeros(4, 3, 999), 901, ValueError, "2703 in all; the limit is 2048"),
        (torch.full((4, 256), torch.inf), torch.zeros(4, 3, 256), 21, ValueError, "ppg has 1024 non-finite"),
    ],
)
def test_windows_that_do_not_fit_are_refused(ppg, acceleration, taps, error, words):
    with pytest.raises(error, match=words):
        remove_motion(ppg, acceleration, taps)


# The published weights on a published stretch: subject 6 of PPG-DaLiA climbs stairs, 215 windows of 8 s, 2 s apart.


def test_error(prediction, truth):
    return (prediction - truth).abs().mean().item()


test_error.__test__ = False  # a helper


@published
def test_heart_rates_agree_with_the_recorded_ones(stretch):
    ppg, acceleration, truth = stretch
    assert len(truth) == 215 and 117 < truth.min() < truth.max() < 170
    network = HeartRateCNN.from_keras(WEIGHTS)
    with torch.no_grad():
        rates = network(remove_motion(ppg, acceleration))
    constant = test_error(truth.mean(), truth)
    assert test_error(rates, truth) < 1.5, "measured 1.39 beats a minute"
    assert (rates - truth).abs().max() < 10, "no window is far off"
    assert constant > 9, "the best constant, which knows the answer's mean, measured 9.24"
    assert np.corrcoef(rates.numpy(), truth.numpy())[0, 1] > 0.98


@published
def test_the_units_and_the_motion_filter_both_matter(stretch):
    ppg, acceleration, truth = stretch
    centred = ppg - ppg.mean(-1, keepdim=True)
    network = HeartRateCNN.from_keras(WEIGHTS)
    with torch.no_grad():
        unfiltered = network(centred)
        normalised = network(centred / centred.std(-1, keepdim=True))
    assert 4 < test_error(unfiltered, truth) < 6, "measured 5.02: a dozen windows follow the steps"
    assert (unfiltered - truth).abs().median() < 1.5, "measured 1.31"
    assert test_error(normalised, truth) > 50, "measured 77: the network was not trained on unit variance"


@published
def test_both_precisions_read_the_same_heart_rate(stretch):
    x = remove_motion(*stretch[:2])[::10]
    network = HeartRateCNN.from_keras(WEIGHTS)
    with torch.no_grad():
        assert (network.double()(x.double()) - network.float()(x)).abs().max() < 1e-3


@published
def test_the_port_is_what_plain_loops_make_of_the_published_weights(stretch):
    network = HeartRateCNN.from_keras(WEIGHTS).double()
    x = remove_motion(*stretch[:2])[100].double()
    with torch.no_grad():
        assert network(x).item() == pytest.approx(by_hand(network, x)["rate"], abs=1e-8)


@published
def test_every_activation_that_lives_has_a_dc(stretch):
    network = HeartRateCNN.from_keras(WEIGHTS)
    with torch.no_grad():
        said = network.activations(remove_motion(*stretch[:2]))
    for name in ("block1_conv3", "block1_pool", "block2_conv3", "block2_pool"):
        alive = said[name].amax(-1) > 0
        assert torch.equal(alive, said[name].mean(-1) > 0) and alive.float().mean() > 0.5, name
