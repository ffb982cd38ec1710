"""Points block by block: the loss and the gradients of all points to rounding, in the memory of a few."""

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from relunb.inr import CoordinateNetwork, CTProblem, Grid, ImageProblem, Problem, SuperResolutionProblem, fit
from relunb.inr import _room as room
from relunb.inr import _steps as steps
from relunb.inr._run import Run
from relunb.inr._steps import Autograd
from tests.inr.small import PHOTO, POINTS
from tests.tolerance import BLOCKS, DEVICES

STEP = Run.step


def image(dtype=torch.float32):
    return ImageProblem(PHOTO.to(dtype))


def masked(dtype=torch.float32):
    """Its loss is a sum over points, and one of them is not known: two passes."""
    mask = torch.arange(POINTS).reshape(24, 24) % 3 > 0
    return ImageProblem(torch.where(mask, PHOTO, math.nan).to(dtype), mask)


def weighted(dtype=torch.float32):
    return ImageProblem(PHOTO.to(dtype), torch.arange(POINTS).reshape(24, 24) % 3 > 0)


def scan(dtype=torch.float32):
    return CTProblem.from_image(PHOTO.to(dtype), torch.arange(6) * 30.0)


def finer(dtype=torch.float32):
    return SuperResolutionProblem.from_image(PHOTO.to(dtype), 4)


class Weighing(Problem):
    """A loss of all values together, and of the weights themselves."""

    def __init__(self, coordinates, net):
        super().__init__(coordinates)
        self.net = net

    def loss(self, values):
        return values.std() * values.abs().max() + self.net.layers[0].weight.square().sum()


PROBLEMS = {"image": image, "weighted": weighted, "masked": masked, "scan": scan, "super-resolution": finer}


def network(activation="wire", seed=0, **options):
    torch.manual_seed(seed)
    return CoordinateNetwork(2, hidden_features=12, hidden_layers=2, activation=activation, **options)


def run(net, problem, **options):
    return fit(net, problem, **{"steps": 5, "lr": 5e-3, "progress": False, **options})


def step(net, problem, block):
    """Loss, error and gradients of one step by autograd."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    loss, error = Autograd(net, problem, parameters, "float32", False, block)()
    return loss.double(), error, [p.grad.clone() for p in parameters]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("block", [7, 100, POINTS - 1, POINTS + 1])
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_blocks_give_the_loss_and_the_gradients_of_all_points(problem, block, dtype, device):
    what, net = PROBLEMS[problem](dtype).to(device), network("siren", learnable_scale=True).to(device, dtype)
    loss, error, whole = step(net, what, POINTS)
    parts_loss, parts_error, parts = step(net, what, block)
    close = {"rtol": BLOCKS[dtype], "atol": 0.0}
    torch.testing.assert_close(parts_loss, loss, **close)
    torch.testing.assert_close(parts_error.double(), error.double(), **close)
    for part, all_ in zip(parts, whole, strict=True):
        torch.testing.assert_close(part, all_, rtol=0.0, atol=BLOCKS[dtype] * float(all_.abs().max()))


@pytest.mark.parametrize(
    "make", [network, lambda: Grid((5, 7)), lambda: nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))]
)
@pytest.mark.parametrize("problem", ["image", "scan"])
def test_any_network_goes_by_blocks(make, problem):
    what, net = PROBLEMS[problem](), make()
    loss, _, whole = step(net, what, POINTS)
    parts_loss, _, parts = step(net, what, 50)
    torch.testing.assert_close(parts_loss, loss, rtol=BLOCKS[torch.float32], atol=0.0)
    for part, all_ in zip(parts, whole, strict=True):
        torch.testing.assert_close(part, all_, rtol=0.0, atol=BLOCKS[torch.float32] * float(all_.abs().max()))


def test_a_loss_of_ones_own_goes_by_blocks_with_what_it_says_of_the_weights():
    net = network("siren").double()
    what = Weighing(image(torch.float64).coordinates, net)
    loss, error, whole = step(net, what, POINTS)
    parts_loss, _, parts = step(net, what, 100)
    assert error is None and parts_loss == pytest.approx(loss.item(), rel=1e-12)
    for part, all_ in zip(parts, whole, strict=True):
        torch.testing.assert_close(part, all_, rtol=1e-9, atol=1e-12)


def test_random_layers_draw_the_same_in_both_passes():
    """The cotangent belongs to the values of the first pass: with other noise the gradient would be of neither."""

    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.size = nn.Parameter(torch.tensor(2.0))

        def forward(self, points):
            return self.size * torch.randn(len(points), 1)

    class Power(Problem):
        def loss(self, values):
            return values.square().sum() + 0 * torch.rand(())

    net = Noisy()
    loss, _, (gradient,) = step(net, Power(image().coordinates), 100)
    assert gradient.item() == pytest.approx(loss.item(), rel=1e-5), "of 2**2 s by 2 as of s by 1"
    again, _, _ = step(net, Power(image().coordinates), 100)
    assert again != loss, "and the next step draws others"


@pytest.mark.parametrize("problem", ["image", "scan"])
@pytest.mark.parametrize("block", [100, POINTS + 1])
def test_the_fused_step_takes_a_block_too(problem, block):
    first, second = (network("bw_relu", octaves=2).double() for _ in range(2))
    what = PROBLEMS[problem](torch.float64)
    parts, whole = run(first, what, block=block), run(second, what)
    assert (parts.route, parts.block) == ("fused", min(block, POINTS)) and whole.block == POINTS
    assert parts.loss == pytest.approx(whole.loss, rel=1e-9)


def test_an_encoding_of_very_many_points_is_not_kept(monkeypatch):
    kept = run(network("relu", octaves=3), image(), block=100)
    monkeypatch.setattr(steps, "_ENCODED", 100)
    monkeypatch.setattr(torch, "equal", lambda *_: pytest.fail("the encoding was looked up"))
    assert run(network("relu", octaves=3), image(), block=100).loss == pytest.approx(kept.loss, rel=1e-6)


def test_half_precision_goes_by_blocks():
    whole, parts = (run(network("bw_relu"), scan(), precision="bfloat16", block=b) for b in (None, 100))
    assert parts.loss == pytest.approx(whole.loss, rel=1e-3) and parts.loss[-1] < parts.loss[0]


PEAK = """
import resource, sys, torch
from relunb.inr import CoordinateNetwork, ImageProblem, fit
problem = ImageProblem(torch.linspace(0, 1, 1024 * 1024).reshape(1024, 1024))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fit(CoordinateNetwork(2, hidden_features=64), problem, steps=1, fused=False, block=8192, progress=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the peak has another unit")
def test_blocks_take_the_memory_of_a_few_points():
    """All points at once take 3 GB."""
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 400_000, "kilobytes"


# Chosen by itself -------------------------------------------------------------------------------------------------


def test_all_points_go_together_where_they_fit():
    history = run(network(), image())
    assert (history.route, history.block) == ("autograd", POINTS)


def test_a_block_is_chosen_from_what_autograd_keeps_and_what_is_free(monkeypatch):
    monkeypatch.setattr(room, "_FEW", 10)
    net, what = network(), image()
    each = room.kept_of_a_point(net, what.coordinates)
    for share, block in ((2.01, POINTS), (1.99, 256), (0.5, 64)):
        monkeypatch.setattr(room, "free_memory", lambda device, share=share: int(share * each * POINTS))
        assert room.points_at_a_time(net, what.coordinates) == block
    whole = run(network(), image(), block=POINTS)
    history = run(network(), image())
    assert history.block == 64 and history.loss == pytest.approx(whole.loss, rel=1e-5)


def test_what_autograd_keeps_of_a_point_is_counted():
    """A line with two outputs keeps its input, which was there before, and gives the values; a sine keeps its own."""
    points = image().coordinates
    assert room.kept_of_a_point(nn.Linear(2, 2), points) == pytest.approx(2 * 4)
    layers = nn.Sequential(nn.Linear(2, 50), nn.Tanh(), nn.Linear(50, 1))
    assert room.kept_of_a_point(layers, points) == pytest.approx(4 * (50 + 1))


def test_looking_for_room_draws_no_number(monkeypatch):
    monkeypatch.setattr(room, "_FEW", 10)
    net = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    room.points_at_a_time(net, image().coordinates)
    assert torch.equal(torch.rand(3), expected)


def test_free_memory_is_that_of_the_system_or_of_a_group_with_a_limit(monkeypatch):
    files = {
        "/proc/meminfo": ["MemTotal: 9000 kB", "MemAvailable: 8000 kB"],
        "/proc/self/cgroup": ["0::/job/step"],
        "/sys/fs/cgroup/job/step/memory.max": ["max"],
        "/sys/fs/cgroup/job/step/memory.current": ["50"],
        "/sys/fs/cgroup/job/memory.max": ["3000000"],
        "/sys/fs/cgroup/job/memory.current": ["1000000"],
        "/sys/fs/cgroup/job/memory.stat": ["anon 5", "inactive_file 400000"],
    }
    monkeypatch.setattr(room, "_lines", lambda file: files.get(str(file), []))
    assert room.free_memory(torch.device("cpu")) == 2_400_000
    files["/sys/fs/cgroup/job/memory.max"] = ["max"]
    assert room.free_memory(torch.device("cpu")) == 8000 * 1024
    files["/proc/self/cgroup"] = ["4:memory:/job", "3:cpu,cpuacct:/job"]
    files["/sys/fs/cgroup/memory/job/memory.limit_in_bytes"] = ["700"]
    files["/sys/fs/cgroup/memory/job/memory.usage_in_bytes"] = ["900"]
    assert room.free_memory(torch.device("cpu")) == 0
    files.clear()
    assert room.free_memory(torch.device("cpu")) > 1 << 20, "elsewhere than on Linux"


def test_a_run_goes_on_with_the_block_that_it_began_with(tmp_path, monkeypatch):
    """With its numbers to the last bit, although more memory is free now."""
    monkeypatch.setattr(room, "_FEW", 10)
    monkeypatch.setattr(room, "free_memory", lambda device: 1 << 17)
    whole = run(network(), scan())
    assert whole.block < POINTS
    with monkeypatch.context() as patch:
        patch.setattr(Run, "step", lambda self: 1 / 0 if self.done == 3 else STEP(self))
        with pytest.raises(ZeroDivisionError):
            run(network(), scan(), checkpoint=tmp_path / "run", checkpoint_every=1)
    monkeypatch.setattr(room, "free_memory", lambda device: 1 << 40)
    resumed = run(network(), scan(), checkpoint=tmp_path / "run")
    assert (resumed.block, resumed.loss) == (whole.block, whole.loss)
    assert run(network(), scan()).block == POINTS


def test_a_bar_tells_the_block(capsys):
    fit(network(), image(), steps=20, block=100)
    assert "autograd, 100 points at a time" in capsys.readouterr().err


# Bad input --------------------------------------------------------------------------------------------------------


def with_batch_norm():
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))


def by_derivatives():
    what = image()
    what.coordinates.requires_grad_()
    return what


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: run(network(), image(), block=0), ValueError, "block must be at least 1; got 0"),
        (lambda: run(network(), image(), block=1.5), TypeError, "block must be an integer; got 1.5"),
        (
            lambda: run(with_batch_norm(), image(), block=10),
            ValueError,
            "does not apply: the network's 1 looks",
        ),
        (
            lambda: run(network(), by_derivatives(), block=10),
            ValueError,
            "=10 does not apply: .* derivatives there",
        ),
    ],
)
def test_a_block_that_does_not_apply_gets_a_sentence(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_batch_normalisation_takes_all_points_whatever_is_free(monkeypatch):
    monkeypatch.setattr(room, "_FEW", 10)
    monkeypatch.setattr(room, "free_memory", lambda device: 0)
    assert run(with_batch_norm(), image()).block == POINTS
    assert run(with_batch_norm().eval(), image(), block=100).block == 100


def test_a_network_that_does_not_fit_is_told_by_the_step(monkeypatch):
    monkeypatch.setattr(room, "_FEW", 10)
    with pytest.raises(ValueError, match=r"gives \(100, 3\) for 100 points and the problem needs \(100, 1\)"):
        run(network(out_features=3), image(), block=100)
    with pytest.raises(ValueError, match="is torch.float32 and the problem's data torch.float64"):
        run(network(), image(torch.float64))
