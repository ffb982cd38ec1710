"""Training: both routes agree, a broken run goes on with the same numbers, and what goes wrong is said."""

import contextlib
import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from relunb.book.data import photograph
from relunb.inr import CoordinateNetwork, CTProblem, Grid, ImageProblem, Problem, SuperResolutionProblem, fit
from relunb.inr._checkpoint import Checkpoint
from relunb.inr._run import Run
from tests.tolerance import DEVICES

STEP = Run.step
PHOTO = photograph("camera", window=(0, 64, 384), shrink=16)  # 24 x 24
ROUTES = {"bw_relu": "fused", "siren": "fused", "gauss": "fused", "relu": "fused", "wire": "autograd"}


def network(activation="bw_relu", seed=0, **options):
    torch.manual_seed(seed)
    return CoordinateNetwork(2, hidden_features=12, hidden_layers=2, activation=activation, **options)


def problems(dtype=torch.float32):
    image = PHOTO.to(dtype)
    mask = torch.arange(24 * 24).reshape(24, 24) % 3 > 0
    return {
        "image": ImageProblem(image),
        "masked": ImageProblem(image, mask),
        "scan": CTProblem.from_image(image, torch.arange(6) * 30.0),
        "super-resolution": SuperResolutionProblem.from_image(image, 4),
    }


def run(net, problem, **options):
    return fit(net, problem, **{"steps": 30, "lr": 5e-3, "progress": False, **options})


def close(first, second, rel):
    return first == pytest.approx(second, rel=rel, nan_ok=True)


# Values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", problems())
@pytest.mark.parametrize("activation", ROUTES)
def test_the_fused_step_and_autograd_give_the_same_run(activation, problem):
    """In float64 all the way; in float32 the first losses to 1e-6, after which a point may cross a kink earlier."""
    for dtype, steps, rel in ((torch.float64, 30, 1e-9), (torch.float32, 3, 1e-6)):
        what, options = problems(dtype)[problem], {"octaves": 1, "skip": True, "learnable_scale": activation != "relu"}
        first, second = (network(activation, **options).to(dtype) for _ in range(2))
        history, plain = run(first, what), run(second, what, fused=False)
        assert (history.route, plain.route) == (ROUTES[activation], "autograd")
        assert len(history.loss) == len(history.psnr) == 31
        assert close(history.loss[:steps], plain.loss[:steps], rel)
        assert close(history.psnr[:steps], plain.psnr[:steps], 1e-4)
        if dtype == torch.float64:
            for p, q in zip(first.parameters(), second.parameters(), strict=True):
                torch.testing.assert_close(p, q, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("activation", ["bw_relu", "wire"])
@pytest.mark.parametrize("problem", problems())
def test_it_is_the_loop_that_one_would_write(activation, problem):
    what, net, same = problems(torch.float64)[problem], network(activation).double(), network(activation).double()
    optimizer = torch.optim.Adam(same.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.3 ** (t / 30))
    losses, decibels = [], []
    for _ in range(30):
        optimizer.zero_grad()
        values = same(what.coordinates)
        loss = what.loss(values)
        loss.backward()
        losses.append(loss.item())
        decibels.append(what.psnr(values.detach()))
        optimizer.step()
        schedule.step()
    history = run(net, what, decay=0.3)
    assert close(history.loss[:-1], losses, 1e-8) and close(history.psnr[:-1], decibels, 1e-6)
    values = same(what.coordinates).detach()
    assert close(history.loss[-1], what.loss(values).item(), 1e-8)
    assert close(history.psnr[-1], what.psnr(values), 1e-6)
    assert history.loss[-1] < history.loss[0] and history.seconds > 0 and not history.stopped


@pytest.mark.parametrize("activation", ["siren", "wire"])
def test_it_stops_at_a_loss_with_the_weights_that_reached_it(activation):
    what, net = problems()["image"], network(activation)
    whole = run(network(activation), what, steps=200)
    wanted = whole.loss[50]
    history = run(net, what, steps=200, stop_loss=wanted)
    assert history.stopped and history.loss == whole.loss[: len(history.loss)]
    assert history.loss[-1] <= wanted < min(history.loss[:-1])
    assert what.loss(what.values(net)).item() == pytest.approx(history.loss[-1], rel=1e-5)
    again = run(net, what, steps=200, stop_loss=wanted)
    assert len(again.loss) == 1, "nothing left to do"


@pytest.mark.parametrize("device", DEVICES)
def test_options_that_round_or_compile_are_close(device):
    what = problems()["image"].to(device)
    plain = run(network().to(device), what, fused=False)
    half = run(network().to(device), what, precision="bfloat16")
    assert half.route == "autograd"
    assert half.loss[0] == pytest.approx(plain.loss[0], rel=0.02) and half.loss[0] != plain.loss[0]
    tf32 = run(network().to(device), what, precision="tf32")
    assert close(tf32.loss[:3], plain.loss[:3], 1e-2)
    assert torch.get_float32_matmul_precision() == "highest", "as before"


def test_under_a_callers_autocast_the_weights_of_each_step_count():
    """Its cache kept the first ones in half precision for the whole run, and the loss never fell."""
    what = problems()["image"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        history = run(network(), what)
    own = run(network(), what, precision="bfloat16")
    assert history.loss[:-1] == own.loss[:-1] and history.loss[-1] < 0.9 * history.loss[0]


def test_psnr_by_either_route_is_that_of_the_known_pixels():
    """Under a mask a pixel may be unknown, and its placeholder is no truth to compare with."""
    mask = torch.arange(24 * 24).reshape(24, 24) % 3 > 0
    what = ImageProblem(torch.where(mask, PHOTO, math.nan), mask)
    expected = what.psnr(what.values(network()))
    for fused in (None, False):
        history = run(network(), what, steps=2, fused=fused)
        assert history.psnr[0] == pytest.approx(expected, rel=1e-5)
        assert history.route == ("autograd" if fused is False else "fused")


def test_a_loss_of_ones_own_on_an_image_is_the_one_that_is_made_small():
    """A subclass keeps the image as its target; the single pass for squared errors would overlook what it adds."""

    class Smooth(ImageProblem):
        def loss(self, values):
            return super().loss(values) + self.shaped(values).diff().square().mean()

    histories = [run(network(), Smooth(PHOTO), steps=3, fused=fused) for fused in (None, False)]
    assert histories[0].route == "fused" and close(histories[0].loss, histories[1].loss, 1e-5)
    assert histories[0].loss[0] > run(network(), ImageProblem(PHOTO), steps=1).loss[0] * (1 + 1e-6)


class Louder(CoordinateNetwork):
    def forward(self, coordinates):
        return 2 * super().forward(coordinates)


def exchanged():
    net = network()
    net.layers[1] = torch.nn.ReLU()
    return net


def with_dropout():
    net = network()
    net.layers.insert(2, torch.nn.Dropout(0.0))
    return net


def hooked():
    net = network()
    net.layers[1].register_forward_hook(lambda module, given, out: 2 * out)
    return net


def normalised():
    net = network()
    torch.nn.utils.parametrizations.weight_norm(net.layers[2])
    return net


@pytest.mark.parametrize("make", [lambda: Louder(2, hidden_features=8), exchanged, with_dropout, hooked, normalised])
def test_a_network_that_was_changed_is_trained_as_it_is(make):
    """The step by blocks knows the layers that CoordinateNetwork makes; what else was put in it would not see."""
    torch.manual_seed(0)
    net, what = make(), problems()["image"]
    expected = what.loss(net(what.coordinates)).item()
    history = run(net, what)
    assert history.route == "autograd" and history.loss[0] == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="does not apply: the network's layers, parameters, hooks or forward are not"):
        run(make(), what, fused=True)


@pytest.mark.parametrize("fused", [None, False])
def test_a_learned_scale_that_a_step_takes_below_zero_is_said(fused, monkeypatch):
    made = []

    def too_far(self):
        STEP(self)
        made.append(self.done)
        with torch.no_grad():
            self.network.layers[3].scale.fill_(-1)

    monkeypatch.setattr(Run, "step", too_far)
    with pytest.raises(ValueError, match="scale must be positive and finite; got -1.* a step took it there"):
        run(network(learnable_scale=True), problems()["image"], fused=fused)
    assert made == [1], "at once, and not when the run ends"


@pytest.mark.slow
def test_a_compiled_network_gives_the_same_run():
    what = problems(torch.float64)["image"]
    plain, compiled = (run(network().double(), what, steps=3, fused=False, compile=c) for c in (False, True))
    assert compiled.route == "autograd" and close(compiled.loss, plain.loss, 1e-9)


def test_a_bar_tells_the_route_the_loss_and_the_psnr(capsys):
    fit(network(), problems()["image"], steps=20)
    told = capsys.readouterr().err
    assert "fused step" in told and "20/20" in told and "PSNR" in told and "loss" in told


# Broken runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", problems())
@pytest.mark.parametrize("activation", ["bw_relu", "wire"])
@pytest.mark.parametrize("every", [1, 7])
def test_a_run_that_was_cut_goes_on_with_the_same_numbers(activation, problem, every, tmp_path, monkeypatch):
    what, file = problems()[problem], tmp_path / "run"
    whole_network = network(activation, learnable_scale=True)
    whole = run(whole_network, what)

    def killed(self):
        if self.done == 17:
            raise RuntimeError("the machine is gone")
        STEP(self)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "step", killed)
        with pytest.raises(RuntimeError, match="the machine is gone"):
            run(network(activation, learnable_scale=True), what, checkpoint=file, checkpoint_every=every)
    resumed_network = network(activation, learnable_scale=True)
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(Run, "step", lambda self: (seen.append(self.done), STEP(self)))
        resumed = run(resumed_network, what, checkpoint=file)
    assert seen[0] == 17 // every * every, "from the last checkpoint"
    assert resumed.loss == whole.loss and close(resumed.psnr, whole.psnr, 0)
    for p, q in zip(resumed_network.parameters(), whole_network.parameters(), strict=True):
        assert torch.equal(p, q)
    finished = run(network(activation, learnable_scale=True), what, checkpoint=file)
    assert finished.loss == whole.loss, "a finished run is read and not made again"
    assert [f.name for f in tmp_path.iterdir()] == ["run"]


SCRIPT = """
import signal, sys, torch
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell without job control hands on one that is ignored
from relunb.inr import CoordinateNetwork, ImageProblem, fit
torch.manual_seed(0)
torch.set_num_threads(1)
image = torch.linspace(0, 1, 32 * 32).reshape(32, 32) ** 2
network = CoordinateNetwork(2, hidden_features=32)
print("ready", flush=True)
history = fit(network, ImageProblem(image), steps=int(sys.argv[2]), checkpoint=sys.argv[1], checkpoint_every=20)
print(history.loss[-1].hex(), len(history.loss))
"""


def start(file: Path, steps: int) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(file), str(steps)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """What a run prints that nobody disturbs."""
    out, _ = start(tmp_path_factory.mktemp("whole") / "run", 200).communicate(timeout=110)
    assert out
    return out


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_real_kill_and_a_real_ctrl_c_lose_nothing(number, tmp_path, unbroken):
    file = tmp_path / "run"
    process = start(file, 200)
    until = time.monotonic() + 110
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode != 0 and out == ""
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)
    assert 0 < torch.load(file)["done"] < 200
    resumed, _ = start(file, 200).communicate(timeout=110)
    assert resumed == unbroken


@pytest.fixture
def full_disk():
    """Inside, the system refuses files of more than 4 kB, as a full disk would; Python does not die of the signal."""

    @contextlib.contextmanager
    def full():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return full


def test_a_full_disk_is_said_and_the_checkpoint_before_survives(tmp_path, full_disk, monkeypatch):
    file, what = tmp_path / "run", problems()["image"]
    with full_disk(), pytest.raises(OSError, match="no room for a checkpoint of .*MB.*there is none yet. Make room"):
        run(network(), what, checkpoint=file, checkpoint_every=5)
    assert list(tmp_path.iterdir()) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "step", lambda self: 1 / 0 if self.done == 12 else STEP(self))
        with pytest.raises(ZeroDivisionError):
            run(network(), what, checkpoint=file, checkpoint_every=5)
    kept = file.read_bytes()
    assert len(kept) > 4096 and torch.load(file)["done"] == 10
    with full_disk(), pytest.raises(OSError, match="no room .*; the one before is still there"):
        run(network(), what, checkpoint=file, checkpoint_every=5)
    monkeypatch.setattr(Checkpoint, "try_room", lambda *_: None)  # the disk fills up later
    with full_disk(), pytest.raises(OSError, match="after 15 steps .*; the one before is still there"):
        run(network(), what, checkpoint=file, checkpoint_every=5)
    assert file.read_bytes() == kept and [f.name for f in tmp_path.iterdir()] == ["run"]
    assert run(network(), what, checkpoint=file).loss == run(network(), what).loss


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"net": lambda: network(scale=5.0)}, r"layers\.1\.scale is 3\.0 there and 5\.0 here"),
        ({"net": lambda: network("siren")}, "layers.1 is BWReLU.* there and Sine"),
        ({"net": lambda: network(skip=True)}, "skip is None there and Linear"),
        ({"net": lambda: Grid((24, 24))}, "the network is CoordinateNetwork there and Grid here"),
        ({"steps": 31}, "steps is 30 there and 31 here"),
        ({"lr": 1e-3}, "lr is 0.005 there and 0.001 here"),
        ({"decay": 0.5}, "decay is 0.1 there and 0.5 here"),
        ({"what": lambda: ImageProblem(PHOTO.flip(0))}, "the problem's target is .* with the digest .* there"),
        ({"what": lambda: problems()["scan"]}, "the problem is ImageProblem there and CTProblem here"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_kept(change, says, tmp_path):
    file = tmp_path / "run"
    run(network(), problems()["image"], checkpoint=file)
    kept = file.read_bytes()
    net = change.pop("net", network)()
    what = change.pop("what", lambda: problems()["image"])()
    with pytest.raises(ValueError, match=says) as caught:
        run(net, what, checkpoint=file, **change)
    assert "is of another run" in str(caught.value) and "Name another file" in str(caught.value)
    assert file.read_bytes() == kept


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", "half", "other"])
def test_a_damaged_checkpoint_is_refused(damage, tmp_path):
    file = tmp_path / "run"
    run(network(), problems()["image"], checkpoint=file)
    if damage == "other":
        torch.save({"weights": torch.zeros(3)}, file)
    else:
        file.write_bytes(damage if isinstance(damage, bytes) else file.read_bytes()[:2000])
    with pytest.raises(ValueError, match="is not a checkpoint of fit, or is damaged: delete it or name another"):
        run(network(), problems()["image"], checkpoint=file)


def test_a_checkpoint_that_cannot_be_read_is_not_called_damaged(tmp_path):
    """Advice to delete it would be wrong: here the name is that of a folder."""
    with pytest.raises(IsADirectoryError):
        run(network(), problems()["image"], checkpoint=tmp_path)


# Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fused", [None, False])
def test_a_loss_that_is_not_finite_is_said(fused):
    net = network()
    with torch.no_grad():
        list(net.parameters())[-1].fill_(math.nan)
    with pytest.raises(FloatingPointError, match=r"the loss is nan before the first step: .* layers\.4\.bias has"):
        run(net, problems()["image"], fused=fused)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: run(network(), PHOTO), TypeError, "problem must be a relunb.inr.Problem; got Tensor"),
        (lambda: run(lambda x: x, problems()["image"]), TypeError, "network must be a torch.nn.Module; got function"),
        (lambda: run(network(), problems()["image"], stop_loss=math.nan), ValueError, "stop_loss must be positive"),
        (lambda: run(network(), problems()["image"], lr="fast"), TypeError, "lr must be a number; got 'fast'"),
        (lambda: run(network(), problems()["image"], steps=0), ValueError, "steps must be at least 1; got 0"),
        (lambda: run(network(), problems()["image"], lr=0.0), ValueError, "lr must be positive and finite; got 0"),
        (lambda: run(network(), problems()["image"], decay=-1.0), ValueError, "decay must be positive"),
        (lambda: run(network(), problems()["image"], checkpoint_every=0), ValueError, "checkpoint_every must be at"),
        (
            lambda: run(network(), problems()["image"], precision="float16"),
            ValueError,
            "'float32', 'tf32', 'bfloat16'; got 'float16'",
        ),
        (
            lambda: run(network(), problems()["image"], checkpoint="/nowhere/run"),
            ValueError,
            "the folder of the checkpoint, /nowhere, does not exist",
        ),
        (
            lambda: run(network("wire"), problems()["image"], fused=True),
            ValueError,
            "it has no complex layers",
        ),
        (lambda: run(Grid((24, 24)), problems()["image"], fused=True), ValueError, "made for CoordinateNetwork"),
        (lambda: run(network(), problems()["image"], fused=True, compile=True), ValueError, "neither compiles nor"),
        (
            lambda: run(network(out_features=3), problems()["image"]),
            ValueError,
            r"gives \(576, 3\) for 576 points and the problem needs \(576, 1\): use out_features=1",
        ),
        (
            lambda: run(network(), problems(torch.float64)["image"]),
            ValueError,
            r"layers\.0\.weight is torch\.float32 and the problem's data torch\.float64",
        ),
        (lambda: run(network().requires_grad_(False), problems()["image"]), ValueError, "no parameters to train"),
    ],
)
def test_bad_input_gets_a_sentence_that_helps(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_numbers_too_large_are_not_blamed_on_the_learning_rate():
    class Bright(Problem):
        def loss(self, values):
            return (values - self.light).square().mean()

    what = Bright(problems()["image"].coordinates)
    what.register_buffer("light", torch.tensor(1e30))
    with pytest.raises(FloatingPointError, match=r"before the first step, though .* reach 1e\+30, .*Bright"):
        run(network(), what)
    net = network("relu")
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(1e30)
    with pytest.raises(FloatingPointError, match="before the first step: the network's values are not all finite"):
        run(net, ImageProblem(PHOTO))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_refused_before_the_first_step(dtype):
    with pytest.raises(ValueError, match=r"layers\.0\.weight is torch\..*, in which small steps are lost"):
        run(network().to(dtype), problems()["image"])


@pytest.mark.parametrize("value", [0.0, math.inf, math.nan])
@pytest.mark.parametrize("activation", ["bw_relu", "siren", "gauss", "wire"])
def test_a_scale_that_is_none_is_noticed_before_the_first_step(activation, value):
    net = network(activation, learnable_scale=True)
    with torch.no_grad():
        net.layers[3].scale.fill_(value)
    with pytest.raises(ValueError, match=r"scale of the network's layers\.3 is (0|inf|nan) before the first step"):
        run(net, problems()["image"])


@pytest.mark.parametrize("fused", [None, False])
def test_a_negative_scale_of_the_wavelet_is_named_before_the_first_step(fused):
    net = network(learnable_scale=True)
    with torch.no_grad():
        net.layers[3].scale.fill_(-3)
    with pytest.raises(ValueError, match=r"network's layers\.3 is -3 before the first step\. It must be positive\.$"):
        run(net, problems()["image"], fused=fused)


@pytest.mark.parametrize(
    ("net", "says"),
    [
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Flatten(0)), r"gives \(1152,\) for 576 points and .* needs \(576"),
        (lambda: CoordinateNetwork(3), r"coordinates must be \(\.\.\., 3\); got \(576, 2\)"),
    ],
)
def test_values_of_another_shape_are_said(net, says):
    with pytest.raises(ValueError, match=says):
        run(net(), problems()["image"])


@pytest.mark.parametrize("loss", [lambda values: values, lambda values: 0.5, lambda values: values.detach().mean()])
@pytest.mark.parametrize("fused", [None, False])
def test_a_loss_that_cannot_be_followed_is_said(loss, fused):
    what = ImageProblem(PHOTO)
    what.loss = loss
    with pytest.raises(TypeError, match=r"ImageProblem\.loss must give one number, a tensor that depends"):
        run(network(), what, fused=fused)


def test_frozen_parameters_stay_and_take_autograd():
    net = network()
    first = list(net.parameters())[0].requires_grad_(False)
    before = first.clone()
    history = run(net, problems()["image"])
    assert history.route == "autograd" and torch.equal(first, before)
