"""Checkpoints: what belongs to a run, who has the file, and that a file which cannot be kept is noticed at once."""

import copy
import functools
import math
import os
import random
import signal
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
import torch
from torch import nn

from relunb.inr import (
    AudioProblem,
    CoordinateNetwork,
    CTProblem,
    ImageProblem,
    Problem,
    SuperResolutionProblem,
    fit,
    pixel_grid,
)
from relunb.inr._checkpoint import Checkpoint
from relunb.inr._description import describe, digest
from relunb.inr._run import Run

STEP = Run.step
IMAGE = torch.rand(8, 8, generator=torch.Generator().manual_seed(2))
MASK = torch.arange(64).reshape(8, 8) % 3 > 0
LAMBDA = 0.1


def network(activation="bw_relu", **options):
    torch.manual_seed(0)
    return CoordinateNetwork(2, 1, **{"hidden_features": 6, "hidden_layers": 2, "activation": activation, **options})


def run(net, what, **options):
    return fit(net, what, **{"steps": 4, "lr": 5e-3, "progress": False, **options})


def scan(angles=(0.0, 60.0, 120.0), **options):
    radon = CTProblem.from_image(IMAGE, [0.0, 60.0, 120.0])
    return CTProblem(radon.sinogram, angles, 8, **options)


class Plain(Problem):
    """A user's own, with plain attributes of many kinds."""

    factor = 1.0

    def __init__(self, **attributes):
        super().__init__(ImageProblem(IMAGE).coordinates)
        self.attributes = {"weight": 1.0}
        for name, value in attributes.items():
            setattr(self, name, value)

    def loss(self, values):
        return self.factor * (values - 1).square().mean()


class Other(Plain):
    factor = 2.0


def of_code(loss):
    """A class of one name with another loss: what editing a cell and running it again gives."""
    return type("Edited", (Plain,), {"loss": loss})()


def hidden(data):
    problem = Plain()
    problem.register_buffer("hidden", data, persistent=False)
    return problem


class Scaled(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.inner, self.factor = network(), factor

    def forward(self, x):
        return self.factor * self.inner(x)


def with_hook(factor):
    net = network()
    net.layers[1].register_forward_hook(lambda module, given, out: factor * out)
    return net


def frozen():
    net = network()
    net.layers[0].weight.requires_grad_(False)
    return net


def loss_of_a_constant(constant):
    scope = {"CONSTANT": constant, "__name__": "somewhere"}
    exec("def loss(self, values): return CONSTANT * values.square().mean()", scope)
    return scope["loss"]


image = functools.partial(ImageProblem, IMAGE)
# What runs first, what is then asked for with its file, and what the message names. Each is a network and a problem.
CHANGES = {
    "angles": (scan, lambda: scan((90.0, 150.0, 210.0)), r"radon\.angles is \[0\.0, 60\.0, 120\.0\]"),
    "one angle": (scan, lambda: scan((0.0, 60.0, 121.0)), r"radon\.angles"),
    "sinogram": (scan, lambda: CTProblem(scan().sinogram * 2, [0.0, 60.0, 120.0], 8), "problem's sinogram"),
    "slice of the scan": (scan, lambda: CTProblem(scan().sinogram, [0.0, 60.0, 120.0], (8, 7)), "problem's"),
    "a reference": (scan, lambda: scan(reference=IMAGE), "problem's reference is"),
    "data_range": (lambda: image(data_range=1.0), lambda: image(data_range=2.0), "range"),
    "mask": (lambda: image(MASK), lambda: image(~MASK), "problem's weight"),
    "a mask": (image, lambda: image(MASK), "problem's weight is"),
    "one pixel": (image, lambda: ImageProblem(IMAGE + (IMAGE == IMAGE.max()) * 1e-6), "problem's target"),
    "extent": (
        lambda: AudioProblem(IMAGE[0], 10.0),
        lambda: AudioProblem(IMAGE[0], 11.0),
        "problem's coordinates",
    ),
    "factor": (
        lambda: SuperResolutionProblem(IMAGE, 2),
        lambda: SuperResolutionProblem(IMAGE, 3),
        "factor is 2 there and 3 here",
    ),
    "a number": (lambda: Plain(a=0.1), lambda: Plain(a=0.2), "problem's a is 0.1 there and 0.2 here"),
    "an attribute more": (Plain, lambda: Plain(a=0.2), "problem's a is absent there and 0.2 here"),
    "a string": (lambda: Plain(a="l1"), lambda: Plain(a="l2"), "problem's a is 'l1' there and 'l2' here"),
    "in a dictionary": (lambda: Plain(a={"x": [1, 2]}), lambda: Plain(a={"x": [1, 3]}), "problem's a is dict with"),
    "a plain tensor": (lambda: Plain(a=IMAGE), lambda: Plain(a=IMAGE + 1), r"problem's a is \(8, 8\)"),
    "its type": (lambda: Plain(a=IMAGE), lambda: Plain(a=IMAGE.double()), "problem's a is"),
    "an array": (lambda: Plain(a=np.arange(9.0)), lambda: Plain(a=np.arange(9.0)[::-1]), "problem's a is"),
    "a sparse tensor": (lambda: Plain(a=IMAGE.to_sparse()), lambda: Plain(a=(2 * IMAGE).to_sparse()), "problem's a"),
    "a function": (lambda: Plain(a=lambda v: v * 2), lambda: Plain(a=lambda v: v * 3), "problem's a is"),
    "a closure": (
        lambda: Plain(a=functools.partial(torch.add, 1)),
        lambda: Plain(a=functools.partial(torch.add, 2)),
        "problem's a is partial",
    ),
    "an object's attribute": (
        lambda: Plain(a=random.Random(1)),
        lambda: Plain(a=random.Random(2)),
        "problem's a is Random",
    ),
    "a hidden buffer": (lambda: hidden(IMAGE), lambda: hidden(IMAGE + 1), "problem's hidden"),
    "another class": (Plain, Other, "the problem is Plain with .* there and Other with"),
    "edited code": (
        lambda: of_code(lambda self, values: values.square().mean()),
        lambda: of_code(lambda self, values: 2 * values.square().mean()),
        "the problem is Edited with the digest",
    ),
    "a constant in the code": (
        lambda: of_code(loss_of_a_constant(1.0)),
        lambda: of_code(loss_of_a_constant(2.0)),
        "the problem is Edited with the digest",
    ),
    "module's attribute": (lambda: Scaled(1.0), lambda: Scaled(2.0), "network's factor is 1.0 there and 2.0 here"),
    "octaves": (lambda: network(octaves=1), lambda: network(octaves=2), r"encoding\.octaves is 1 there and 2 here"),
    "scale": (network, lambda: network(scale=4.0), r"layers\.1\.scale is 3\.0 there and 4\.0 here"),
    "learned scale": (network, lambda: network(learnable_scale=True), r"layers\.1\.scale is 3\.0 there and \(\)"),
    "sigma": (lambda: network("wire"), lambda: network("wire", sigma=5.0), r"layers\.1\.sigma is 10\.0 there and 5\.0"),
    "activation": (network, lambda: network("siren"), r"activation is 'bw_relu' there and 'siren' here"),
    "skip": (network, lambda: network(skip=True), "skip is None there and Linear here"),
    "a hook": (lambda: with_hook(1), lambda: with_hook(2), r"layers\.1\.forward_hooks is list"),
    "frozen": (network, frozen, r"layers\.0\.weight is \(6, 2\) torch\.float32 there and .*, frozen here"),
    "steps": ({"steps": 4}, {"steps": 5}, "steps is 4 there and 5 here"),
    "lr": ({"lr": 1e-3}, {"lr": 2e-3}, "lr is 0.001 there and 0.002 here"),
    "decay": ({"decay": 0.1}, {"decay": 0.2}, "decay is 0.1 there and 0.2 here"),
    "precision": ({}, {"precision": "bfloat16"}, "precision is float32 there and bfloat16 here"),
    "type": (
        lambda: (network(), image()),
        lambda: (network().double(), ImageProblem(IMAGE.double())),
        "torch.float32 there and .*torch.float64 here",
    ),
}


def pair(made):
    """A network, a problem and options from what a row of the table gives."""
    if isinstance(made, dict):
        return network(), image(), made
    made = made()
    if isinstance(made, tuple):
        return *made, {}
    if isinstance(made, Problem):
        return (CoordinateNetwork(made.coordinates.shape[1], 1, 6, 2), made, {})
    return made, image(), {}


@pytest.mark.parametrize("case", CHANGES)
def test_what_changes_the_numbers_is_another_run(case, tmp_path):
    first, second, says = CHANGES[case]
    torch.manual_seed(0)
    net, what, options = pair(first)
    run(net, what, checkpoint=tmp_path / "run", **options)
    torch.manual_seed(0)
    same, what, options = pair(first)
    assert len(run(same, what, checkpoint=tmp_path / "run", **options).loss) == 5, "the same again is the same run"
    kept = (tmp_path / "run").read_bytes()
    torch.manual_seed(0)
    net, what, options = pair(second)
    with pytest.raises(ValueError, match=f"is of another run: .*({says})"):
        run(net, what, checkpoint=tmp_path / "run", **options)
    assert (tmp_path / "run").read_bytes() == kept


@pytest.mark.slow
def test_a_description_is_the_same_in_every_process():
    script = "from tests.inr.test_checkpoint import *; print(digest(describe(network(octaves=1), Plain(a={'b', 'c'}))))"
    found = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == digest(describe(network(octaves=1), Plain(a={"b", "c"})))


@pytest.mark.parametrize("moved", [Problem, pixel_grid])
def test_what_moved_to_another_file_is_told_as_before(moved):
    """A checkpoint of a user's own problem, whose code names them, was made when both lay in one file."""
    before = type("Stub", (), {}) if isinstance(moved, type) else types.FunctionType(moved.__code__, {})
    before.__module__, before.__qualname__ = "relunb.inr._problems", moved.__qualname__
    assert digest(moved) == digest(before)


def test_other_weights_at_the_start_are_said(tmp_path):
    """The run goes on, with its own weights: a job that starts again without a seed must not lose it."""
    whole = run(network(), image(), checkpoint=tmp_path / "run")
    other = network()
    with torch.no_grad():
        other.layers[0].weight.mul_(2)
    with pytest.warns(UserWarning, match="began with other weights than this network has.*name another file") as said:
        assert run(other, image(), checkpoint=tmp_path / "run").loss == whole.loss
    assert [warning.filename for warning in said] == [__file__], "where fit is called"
    assert run(other, image(), checkpoint=tmp_path / "run").loss == whole.loss, "these weights are the run's own"


def test_what_training_changes_is_kept_in_buffers_or_said(tmp_path, monkeypatch):
    class Counting(Plain):
        def __init__(self):
            super().__init__()
            self.calls = 0
            self.register_buffer("seen", torch.zeros(()))

        def loss(self, values):
            self.calls += 1
            self.seen += 1
            return values.square().mean() * self.seen

    whole = run(network(), Counting(), steps=6)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "step", lambda self: 1 / 0 if self.done == 3 else STEP(self))
        with (
            pytest.warns(UserWarning, match="the problem's calls changes while training, and a checkpoint does not"),
            pytest.raises(ZeroDivisionError),
        ):
            run(network(), Counting(), steps=6, checkpoint=tmp_path / "run", checkpoint_every=3)
    assert run(network(), Counting(), steps=6, checkpoint=tmp_path / "run").loss == whole.loss


# Damage -----------------------------------------------------------------------------------------------------------


def saved(file, **changes):
    run(network(), image(), checkpoint=file)
    state = torch.load(file)
    for name, value in changes.items():
        if value is None:
            del state[name]
        else:
            state[name] = value(state[name])
    torch.save(state, file)


@pytest.mark.parametrize(
    "change",
    [
        {"done": lambda n: 99},
        {"done": lambda n: -1},
        {"done": lambda n: True},
        {"done": lambda n: 2.0},
        {"loss": lambda x: x[:1]},
        {"loss": lambda x: [math.nan] * len(x)},
        {"loss": lambda x: "12345"},
        {"psnr": lambda x: None},
        {"network": lambda w: {}},
        {"network": lambda w: {k: v[:1] for k, v in w.items()}},
        {"network": lambda w: {k: v.double() for k, v in w.items()}},
        {"optimizer": lambda o: {}.fromkeys(range(3), 1)},
        {"optimizer": lambda o: {99: o[0]}},
        {"optimizer": lambda o: {**o, 0: {**o[0], "exp_avg": torch.zeros(1)}}},
        {"random": lambda r: [torch.zeros(3)]},
        {"seconds": lambda s: "long"},
        {"run": lambda r: 3},
        *({name: None} for name in ("run", "done", "network", "optimizer", "random", "loss", "psnr", "start")),
        {"generators": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_file_with_other_entries_is_refused(change, tmp_path):
    """A count of 99 steps of 4 once trained for ever."""
    saved(tmp_path / "run", **change)
    net = network()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match="is not a checkpoint of fit, or is damaged: delete it or name another"):
        run(net, image(), checkpoint=tmp_path / "run")
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items()), "and nothing is taken"


def test_a_file_cut_anywhere_is_refused(tmp_path):
    file = tmp_path / "run"
    run(network(), image(), checkpoint=file)
    data = file.read_bytes()
    for length in (0, 1, 3, 30, *range(100, len(data), len(data) // 9), len(data) - 1):
        file.write_bytes(data[:length])
        with pytest.raises(ValueError, match="is damaged"):
            run(network(), image(), checkpoint=file)


# The file ---------------------------------------------------------------------------------------------------------

HOLDER = """
import signal, sys, time
from relunb.inr._checkpoint import Checkpoint
signal.signal(signal.SIGINT, signal.default_int_handler)
with Checkpoint(sys.argv[1]).held():
    print("held", flush=True)
    if len(sys.argv) > 2:
        import os
        if os.fork() == 0:
            print(os.getpid(), flush=True)
    time.sleep(60)
"""


def hold(file, *options):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(file), *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_file_is_one_runs_until_that_ends(number, tmp_path):
    file = tmp_path / "run"
    process = hold(file)
    try:
        with pytest.raises(BlockingIOError, match=f"another run has this checkpoint: process {process.pid} on .*Wait"):
            run(network(), image(), checkpoint=file)
        run(network(), image(), checkpoint=tmp_path / "another")
    finally:
        process.send_signal(number)
        process.communicate(timeout=30)
    run(network(), image(), checkpoint=file)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["another", "run"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a fork is POSIX's")
def test_a_copy_of_a_dead_process_does_not_keep_the_file(tmp_path):
    process = hold(tmp_path / "run", "fork")
    child = int(process.stdout.readline())
    process.kill()
    process.wait(30)
    try:
        run(network(), image(), checkpoint=tmp_path / "run")
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate()


def test_two_runs_in_one_process_do_not_share_a_file(tmp_path):
    with Checkpoint(tmp_path / "run").held(), pytest.raises(BlockingIOError, match=f"process {os.getpid()} on"):
        run(network(), image(), checkpoint=tmp_path / "run")


def test_many_runs_at_once_leave_a_whole_file(tmp_path):
    ends = []

    def one():
        try:
            ends.append(len(fit(make(), image(), steps=30, checkpoint=file, checkpoint_every=1, progress=False).loss))
        except BlockingIOError:
            ends.append("busy")

    file, nets = tmp_path / "run", [network() for _ in range(4)]
    make = nets.pop
    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == 4 and set(ends) <= {31, "busy"} and 31 in ends
    assert torch.load(file)["done"] == 30 and [f.name for f in tmp_path.iterdir()] == ["run"]


def test_a_file_system_without_locks_does_without(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("relunb.inr._checkpoint.fcntl.flock", refuse)
    with Checkpoint(tmp_path / "run").held():
        assert len(run(network(), image(), checkpoint=tmp_path / "run").loss) == 5
    monkeypatch.setattr("relunb.inr._checkpoint.fcntl", None)
    assert len(run(network(), image(), checkpoint=tmp_path / "run").loss) == 5
    assert [f.name for f in tmp_path.iterdir()] == ["run"]


def test_what_a_killed_write_left_is_taken_away_and_nothing_else(tmp_path):
    for name in ("run.0a1b2c3d.part", "other.0a1b2c3d.part", "run.txt"):
        (tmp_path / name).write_text("")
    run(network(), image(), checkpoint=tmp_path / "run")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["other.0a1b2c3d.part", "run", "run.txt"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "run")
    run(network(), image(), checkpoint=tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and [f.name for f in (tmp_path / "folder").iterdir()] == ["run"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/sys refuses files to everyone")
def test_a_folder_that_takes_no_file_is_noticed_before_the_first_step(monkeypatch):
    monkeypatch.setattr(Run, "step", lambda self: pytest.fail("a step was made"))
    with pytest.raises(OSError, match="no checkpoint can be written in /sys .*name a file in another folder"):
        run(network(), image(), checkpoint="/sys/run")


def test_a_state_that_cannot_be_kept_is_noticed_before_the_first_step(tmp_path, monkeypatch):
    class Odd(CoordinateNetwork):
        def get_extra_state(self):
            return random.Random(1)

        def set_extra_state(self, state):
            pass

    monkeypatch.setattr(Run, "step", lambda self: pytest.fail("a step was made"))
    with pytest.raises(ValueError, match="state_dict holds something that a checkpoint cannot keep"):
        run(Odd(2, 1, 6, 2), image(), checkpoint=tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        (lambda d: d, IsADirectoryError, "checkpoint must name a file, and .* is a folder: name a file in it"),
        (lambda d: d / "no" / "run", ValueError, "the folder of the checkpoint, .*no, does not exist: make it first"),
        (lambda d: d / "file" / "run", ValueError, "the folder of the checkpoint, .*file, is a file and no folder"),
        (lambda d: os.devnull, ValueError, "checkpoint must name an ordinary file"),
        (lambda d: 3, TypeError, "checkpoint must be a path, a string or a pathlib.Path; got int"),
        (lambda d: b"run", TypeError, "checkpoint must be a path, a string or a pathlib.Path; got bytes"),
        (lambda d: "a\0b", ValueError, "checkpoint must be a path; got 'a.x00b'"),
        (lambda d: str(d / ("a" * 300)), OSError, "no checkpoint can be written in .*too long"),
    ],
)
def test_a_name_that_is_none_gets_a_sentence(name, error, says, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(error, match=says):
        run(network(), image(), checkpoint=name(tmp_path))


WEIGHTS, SETTINGS, CRITIC, LOG = [1.0, 2.0], types.SimpleNamespace(weight=1.0), nn.Linear(1, 1), []


def beside_it(change):
    """A loss that uses what lies beside it, and the same after a change of that."""
    module = types.ModuleType("users_losses")
    module.__file__ = "users_losses.py"
    exec("scale = 1.0\ndef term(v):\n    return (v * 2).square().mean()", module.__dict__)
    uses = {
        "list": lambda v: WEIGHTS[0] * v.square().mean(),
        "namespace": lambda v: SETTINGS.weight * v.square().mean(),
        "network": lambda v: CRITIC(v).square().mean(),
        "module's number": lambda v: users_losses.scale * v.square().mean(),  # noqa: F821
        "module's function": lambda v: users_losses.term(v),  # noqa: F821
    }
    return module, types.FunctionType(uses[change].__code__, globals(), "loss")


BESIDE = {
    "list": lambda module: WEIGHTS.__setitem__(0, WEIGHTS[0] + 1),
    "namespace": lambda module: vars(SETTINGS).update(weight=SETTINGS.weight + 1),
    "network": lambda module: nn.init.constant_(CRITIC.weight, CRITIC.weight.item() + 1),
    "module's number": lambda module: vars(module).update(scale=2.0),
    "module's function": lambda module: exec("def term(v):\n    return (v * 3).square().mean()", vars(module)),
}


@pytest.mark.parametrize("change", BESIDE)
def test_what_a_loss_uses_from_beside_it_is_of_the_run(change, monkeypatch):
    module, loss = beside_it(change)
    monkeypatch.setitem(globals(), "users_losses", module)
    monkeypatch.setitem(sys.modules, "users_losses", module)
    problem = Plain()
    problem.loss = loss
    before = describe(network(), problem)
    assert describe(network(), problem) == before
    BESIDE[change](module)
    assert describe(network(), problem) != before


class Logged(Plain):
    def loss(self, values):
        LOG.append(1.0)
        return super().loss(values)


def test_a_list_that_a_loss_fills_hides_no_other_change(tmp_path):
    file = tmp_path / "run"
    with pytest.warns(UserWarning, match=r"test_checkpoint\.LOG changes while training") as said:
        run(network(), Logged(), checkpoint=file)
    assert [warning.filename for warning in said] == [__file__], "where fit is called"
    run(network(), Logged(), checkpoint=file)
    with pytest.raises(ValueError, match=r"the problem's attributes is"):
        run(network(), Logged(attributes={"weight": 2.0}), checkpoint=file)


class Drawn(Plain):
    def loss(self, values):
        return super().loss(values) * (1 + random.random() + np.random.rand() + float(torch.rand(())))


def seeded(number):
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(number)


def test_a_broken_run_draws_the_numbers_of_a_whole_one(tmp_path, monkeypatch):
    net = network()
    seeded(0)
    whole = run(net, Drawn()).loss
    net = network()
    seeded(0)
    monkeypatch.setattr(Run, "step", lambda self: STEP(self) if self.done < 2 else sys.exit(3))
    with pytest.raises(SystemExit):
        run(net, Drawn(), checkpoint=tmp_path / "run", checkpoint_every=1)
    monkeypatch.setattr(Run, "step", STEP)
    net = network()
    seeded(9)
    assert run(net, Drawn(), checkpoint=tmp_path / "run").loss == whole
