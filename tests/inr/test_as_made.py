"""What is not as CoordinateNetwork makes it is trained by autograd, with the numbers of the loop one would write."""

import copy
import functools
import types

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from relunb.inr import CoordinateNetwork, Gaussian, ImageProblem, PositionalEncoding, Sine, fit

STEPS = 6
IMAGE = torch.rand(9, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def make(activation="bw_relu", **options):
    torch.manual_seed(0)
    network = CoordinateNetwork(2, 1, 8, 3, activation, **options).double()
    with torch.no_grad():
        for p in network.parameters():  # a layer of zeros would hide a wrong gradient
            p.add_(0.01 * torch.randn(p.shape, dtype=p.dtype))
    return network


def by_hand(network, problem):
    """The loop that one would write, with PyTorch alone."""
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.1 ** (t / STEPS))
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = problem.loss(network(problem.coordinates))
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
        schedule.step()
    return [*losses, problem.loss(network(problem.coordinates)).item()]


class Doubling(nn.Module):
    def forward(self, x):
        return 2 * x


class Louder(CoordinateNetwork):
    def forward(self, coordinates):
        return 2 * super().forward(coordinates)


class Shifted(nn.Linear):
    def forward(self, x):
        return super().forward(x) + 1


class Wavy(Sine):
    def forward(self, z):
        return super().forward(z) + z


def changed(change=None, activation="bw_relu", **options):
    def build():
        network = make(activation, **options)
        return network if change is None else change(network) or network

    return build


def put(index, layer):
    def change(network):
        torch.manual_seed(1)
        network.layers[index] = layer().double()

    return change


def share(first, second, *names):
    def change(network):
        for name in names:
            setattr(network.get_submodule(first), name, getattr(network.get_submodule(second), name))

    return change


def tie_modules(network):
    network.layers[4] = network.layers[2]


def tie_activations(network):
    network.layers[3] = network.layers[1]


def share_memory(network):
    network.layers[4].weight.data = network.layers[2].weight.data


def tie_to_the_encoding(network):
    class Features(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = network.layers[0].weight

        def forward(self, x):
            return x + (x @ self.weight.T)[..., :2]

    network.encoding = Features()


def forward_of_the_instance(network):
    plain = network.forward
    network.forward = lambda x: 0.5 * plain(x) + 0.1


def forward_of_a_layer(network):
    layer = network.layers[2]
    layer.forward = types.MethodType(lambda self, x: nn.functional.linear(x, self.weight) - self.bias, layer)


def forward_of_an_activation(network):
    network.layers[3].forward = torch.tanh


def low_rank(network):
    class Product(nn.Module):
        def forward(self, w):
            return w.cumsum(0) / 2

    nn.utils.parametrize.register_parametrization(network.layers[2], "weight", Product())


def transposed(network):
    network.layers[2].weight = nn.Parameter(network.layers[2].weight.detach().t())


def every_other(network):
    network.layers[2].weight = nn.Parameter(torch.rand(16, 8, dtype=torch.float64)[::2])


def scale_of_a_channel(network):
    network.layers[1].scale = nn.Parameter(torch.linspace(1, 3, 8, dtype=torch.float64))


def scale_of_one_row(network):
    network.layers[1].scale = nn.Parameter(torch.full((1,), 3.0, dtype=torch.float64))


def scale_that_is_no_parameter(network):
    network.layers[1].scale = torch.tensor(2.0, dtype=torch.float64)


def narrow_bias(network):
    network.layers[0].bias = nn.Parameter(torch.full((1,), 0.2, dtype=torch.float64))


def no_bias(network, index):
    network.layers[index] = nn.Linear(*reversed(network.layers[index].weight.shape), bias=False).double()


def bias_set_to_none(network):
    network.layers[2].bias = None


def skip_without_bias(network):
    network.skip = nn.Linear(2, 1, bias=False).double()


def a_skip_of_another_kind(network):
    network.skip = nn.Sequential(nn.Linear(2, 1), nn.Tanh()).double()


def encoding_of_another_kind(network):
    network.encoding = Doubling()


def trained_encoding(network):
    torch.manual_seed(1)
    network.encoding = nn.Linear(2, 2).double()


def hook(place, kind, function):
    return lambda network: getattr(network.get_submodule(place), kind)(function) and None


def gradient_hook(network):
    network.layers[0].weight.register_hook(lambda g: g * 0)


def accumulated_hook(network):
    def stop(parameter):
        parameter.grad.mul_(0)

    network.layers[0].weight.register_post_accumulate_grad_hook(stop)


def one_hidden_layer_less(network):
    del network.layers[3:5]


def half_the_neurons(network):
    first, second = network.layers[0], network.layers[2]
    parts = (first, "weight", slice(4)), (first, "bias", slice(4)), (second, "weight", (..., slice(4)))
    for layer, name, part in parts:
        setattr(layer, name, nn.Parameter(getattr(layer, name)[part].detach().clone()))


def frozen(network):
    network.layers[0].weight.requires_grad_(False)


def subclass_of_a_parameter(network):
    class Mine(nn.Parameter):
        @classmethod
        def __torch_function__(cls, function, kinds, arguments=(), options=None):
            with torch._C.DisableTorchFunctionSubclass():
                out = function(*arguments, **(options or {}))
            return out + 0.1 if function is nn.functional.linear else out

    network.layers[2].weight = Mine(network.layers[2].weight.detach())


def mixed_precision(network):
    """One layer in float32, between two that convert."""

    class Float(nn.Linear):
        def forward(self, x):
            return super().forward(x.float()).double()

    network.layers[2] = Float(8, 8)


CHANGES = {
    "tied weights": share("layers.4", "layers.2", "weight"),
    "tied biases": share("layers.4", "layers.2", "bias"),
    "tied biases of unlike layers": share("layers.2", "layers.0", "bias"),
    "tied modules": tie_modules,
    "weights in one memory": share_memory,
    "weights tied to the encoding": tie_to_the_encoding,
    "trained encoding": trained_encoding,
    "encoding of another kind": encoding_of_another_kind,
    "forward of the network": forward_of_the_instance,
    "forward of a layer": forward_of_a_layer,
    "forward of an activation": forward_of_an_activation,
    "weight norm": lambda n: parametrizations.weight_norm(n.layers[2]) and None,
    "orthogonal": lambda n: parametrizations.orthogonal(n.layers[2]) and None,
    "parametrization": low_rank,
    "pruned": lambda n: prune.l1_unstructured(n.layers[2], "weight", 0.5) and None,
    "frozen weight": frozen,
    "subclass of a parameter": subclass_of_a_parameter,
    "transposed weight": transposed,
    "strided weight": every_other,
    "scale of a channel": scale_of_a_channel,
    "scale of shape (1,)": scale_of_one_row,
    "scale as a tensor": scale_that_is_no_parameter,
    "bias of one number": narrow_bias,
    "first layer without bias": lambda n: no_bias(n, 0),
    "middle layer without bias": lambda n: no_bias(n, 2),
    "last layer without bias": lambda n: no_bias(n, -1),
    "bias set to None": bias_set_to_none,
    "skip without bias": skip_without_bias,
    "skip of another kind": a_skip_of_another_kind,
    "one activation exchanged": put(3, nn.ReLU),
    "activation of one's own": put(1, lambda: Wavy(2.0)),
    "linear layer of one's own": put(2, lambda: Shifted(8, 8)),
    "normalised": put(3, lambda: nn.BatchNorm1d(8)),
    "dropout": lambda n: n.layers.insert(2, nn.Dropout(0.5)) and None,
    "dropout of nothing": lambda n: n.layers.insert(2, nn.Dropout(0.0)) and None,
    "a layer more": lambda n: n.layers.insert(2, nn.Linear(8, 8).double()) and None,
    "an activation at the end": lambda n: n.layers.append(nn.Sigmoid()) and None,
    "one layer in float32": mixed_precision,
    "hook on a weight": gradient_hook,
    "hook on an accumulated gradient": accumulated_hook,
    "hook behind the network": hook("", "register_forward_hook", lambda m, x, y: 2 * y),
    "hook behind a layer": hook("layers.1", "register_forward_hook", lambda m, x, y: 2 * y),
    "hook before a layer": hook("layers.2", "register_forward_pre_hook", lambda m, x: (x[0] + 0.3,)),
    "hook on the whole backward": hook("layers.2", "register_full_backward_hook", lambda m, a, b: (0.5 * a[0],)),
    "hook before the backward": hook("layers.2", "register_full_backward_pre_hook", lambda m, g: (0.5 * g[0],)),
}
SKIPPED = {
    "skip beside an encoding of another kind": encoding_of_another_kind,
    "skip tied to the first layer": share("layers.6", "skip", "bias"),
}
CASES = {
    **{name: changed(change) for name, change in CHANGES.items()},
    **{name: changed(change, skip=True) for name, change in SKIPPED.items()},
    "forward of a subclass": lambda: Louder(2, 1, 8, 3).double(),
    "one scale for two layers": changed(share("layers.3", "layers.1", "scale"), learnable_scale=True),
    "the same activation twice": changed(tie_activations, learnable_scale=True),
    "a scale that is not folded": changed(activation="siren", scale=1e-3),
    "wire": changed(activation="wire"),
    "compiled": lambda: make_compiled(),
}
# Changes that leave a network as the constructor could have made it.
STILL = {
    "as made": changed(),
    "everything": changed(octaves=2, skip=True, learnable_scale=True),
    "another activation everywhere": changed(lambda n: [put(i, lambda: Gaussian(2.0))(n) for i in (1, 3, 5)] and None),
    "a hidden layer less": changed(one_hidden_layer_less),
    "half the neurons": changed(half_the_neurons),
    "copied": changed(copy.deepcopy),
    "a name of the user's": changed(lambda n: setattr(n, "title", "mine")),
    "evaluated": changed(lambda n: n.eval()),
    "a shared activation without parameters": changed(activation="relu"),
}


def make_compiled():
    network = make()
    network._compiled_call_impl = lambda x: network._call_impl(x) + 0.1  # what nn.Module.compile sets
    return network


@pytest.mark.parametrize("case", [*CASES, *STILL])
def test_every_step_is_that_of_the_loop_one_would_write(case):
    build, problem = {**CASES, **STILL}[case], ImageProblem(IMAGE)
    runs = {}
    for fused in (None, False):
        network = build()
        torch.manual_seed(5)
        history = fit(network, problem, steps=STEPS, lr=5e-3, fused=fused, progress=False)
        runs[fused] = history.loss, network.state_dict()
    network = build()
    torch.manual_seed(5)
    expected = by_hand(network, problem)
    for losses, weights in runs.values():
        assert losses == pytest.approx(expected, rel=1e-9)
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(weights[name], tensor, rtol=1e-7, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")
    assert expected[-1] != expected[0], "something was trained"


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_as_made_takes_autograd(case):
    problem = ImageProblem(IMAGE)
    assert fit(CASES[case](), problem, steps=1, progress=False).route == "autograd"
    with pytest.raises(ValueError, match="the fused step does not apply"):
        fit(CASES[case](), problem, steps=1, fused=True, progress=False)


@pytest.mark.parametrize("case", STILL)
def test_what_the_constructor_could_have_made_takes_the_fused_step(case):
    assert fit(STILL[case](), ImageProblem(IMAGE), steps=1, progress=False).route == "fused"


@pytest.mark.parametrize("kind", [nn.Linear, Sine, nn.Sequential, CoordinateNetwork, PositionalEncoding])
def test_a_class_whose_forward_was_replaced_is_not_as_made(kind, monkeypatch):
    network = make("siren", octaves=1)
    assert network.is_as_made()
    with monkeypatch.context() as patch:
        patch.setattr(kind, "forward", functools.partialmethod(kind.forward))
        assert not network.is_as_made()
    assert network.is_as_made()


def test_a_hook_for_all_modules_is_not_as_made():
    handle = nn.modules.module.register_module_forward_hook(lambda m, x, y: None)
    try:
        assert not make().is_as_made()
    finally:
        handle.remove()
    assert make().is_as_made()


def test_under_autocast_autograd_rounds():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        history = fit(CoordinateNetwork(2, 1, 8, 2), ImageProblem(IMAGE.float()), steps=2, progress=False)
    assert history.route == "autograd"


@pytest.mark.parametrize("fused", [None, False])
def test_a_loss_that_looks_at_the_weights_has_their_gradient(fused):
    """A penalty on the weights is in the graph beside the values; the fused step once dropped it."""

    class Decayed(ImageProblem):
        def loss(self, values):
            return super().loss(values) + 0.1 * sum(p.square().sum() for p in self.weights)

    def build():
        network, problem = make(), Decayed(IMAGE)
        problem.weights = list(network.parameters())
        return network, problem

    network, problem = build()
    history = fit(network, problem, steps=STEPS, lr=5e-3, fused=fused, progress=False)
    assert history.loss == pytest.approx(by_hand(*build()), rel=1e-9)
    assert (history.route == "fused") == (fused is None)


def test_a_loss_of_the_instance_is_the_one_that_is_made_small():
    def build():
        network, problem = make(), ImageProblem(IMAGE)
        problem.loss = lambda values: values.square().mean()
        return network, problem

    assert fit(*build(), steps=STEPS, lr=5e-3, progress=False).loss == pytest.approx(by_hand(*build()), rel=1e-9)


def test_points_that_move_between_steps_are_read_again():
    class Moving(ImageProblem):
        def loss(self, values):
            loss = super().loss(values)
            self.coordinates.mul_(0.9)
            return loss

    runs = [fit(make(octaves=1), Moving(IMAGE), steps=STEPS, fused=f, progress=False).loss for f in (None, False)]
    assert runs[0] == pytest.approx(runs[1], rel=1e-9)
    assert runs[0] != pytest.approx(fit(make(octaves=1), ImageProblem(IMAGE), steps=STEPS, progress=False).loss)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
@pytest.mark.parametrize("activation", ["bw_relu", "wire"])
def test_training_inside_a_mode_without_gradients(mode, activation):
    problem, network = ImageProblem(IMAGE), make(activation)
    expected = fit(make(activation), problem, steps=2, progress=False)
    with mode():
        assert fit(network, problem, steps=2, progress=False).loss == expected.loss
    with torch.inference_mode():
        made = CoordinateNetwork(2, 1, 8, 2).double()
    with pytest.raises(ValueError, match=r"layers\.0\.weight was made under torch\.inference_mode\(\).*outside"):
        fit(made, problem, steps=2, progress=False)


@pytest.mark.parametrize("fused", [None, False])
@pytest.mark.parametrize("default", [torch.float64, torch.float16])
def test_a_default_dtype_changes_nothing(default, fused):
    problem = ImageProblem(IMAGE.float())
    expected = fit(make(learnable_scale=True).float(), problem, steps=3, fused=fused, progress=False)
    network = make(learnable_scale=True).float()
    torch.set_default_dtype(default)
    try:
        assert fit(network, problem, steps=3, fused=fused, progress=False).loss == expected.loss
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_default_device_changes_nothing():
    problem, network = ImageProblem(IMAGE), make()
    expected = fit(make(), problem, steps=2, progress=False).loss
    with torch.device("meta"):
        assert fit(network, problem, steps=2, progress=False).loss == expected
        empty = CoordinateNetwork(2, 1, 8, 2).double()
        assert "CoordinateNetwork" in repr(CoordinateNetwork(2, activation="siren", learnable_scale=True))
    with pytest.raises(ValueError, match="the network's layers.0.weight is on the device meta, which holds no"):
        fit(empty, problem, steps=2, progress=False)


def clamped(self, values):
    return ImageProblem.shaped(self, values.clamp(0.3, 0.6))


def doubled(self, values):
    return 2 * ImageProblem._at_points(self, values)


def moved(self, values):
    self.coordinates.data.mul_(0.9)
    return ImageProblem.error(self, values)


def moved_in_loss(self, values):
    self.coordinates.mul_(0.9)
    return ImageProblem.loss(self, values)


@pytest.mark.parametrize(("name", "own"), [("shaped", clamped), ("_at_points", doubled), ("error", moved)])
def test_what_a_users_problem_overrides_is_used_by_both_routes(name, own):
    kind, seen = type("Own", (ImageProblem,), {name: own}), []
    for fused in (None, False):
        torch.manual_seed(0)
        net = CoordinateNetwork(2, 1, 6, 2, octaves=2)
        seen.append(fit(net, kind(torch.eye(6)), steps=4, lr=1e-2, progress=False, fused=fused))
    assert [history.route for history in seen] == ["fused", "autograd"]
    assert seen[0].loss == pytest.approx(seen[1].loss, rel=1e-4)
    assert seen[0].psnr == pytest.approx(seen[1].psnr, rel=1e-4)


def test_points_that_a_loss_moves_have_the_gradient_of_where_they_were():
    kind = type("Own", (ImageProblem,), {"loss": moved_in_loss})
    seen = []
    for problem in (kind(torch.eye(6)), ImageProblem(torch.eye(6))):
        torch.manual_seed(0)
        net = CoordinateNetwork(2, 1, 6, 2)
        fit(net, problem, steps=1, progress=False, fused=True)
        seen.append(net.layers[0].weight.detach().clone())
    assert torch.allclose(*seen, atol=1e-6)  # a first step of Adam is lr times a sign, but for tiny gradients


def test_an_attribute_that_the_plain_relu_ignores_scales_nothing():
    losses = []
    for scale in (None, -3.0):
        torch.manual_seed(0)
        net = CoordinateNetwork(2, 1, 6, 2, activation="relu")
        if scale is not None:
            net.layers[1].scale = scale
        losses.append(fit(net, ImageProblem(torch.eye(6)), steps=3, progress=False).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_lazy_layer_is_told_to_be_called_first():
    net = CoordinateNetwork(2, 1, 6, 2)
    net.layers[0] = torch.nn.LazyLinear(6)
    with pytest.raises(ValueError, match=r"layers\.0\.weight has no shape .* call the network once"):
        fit(net, ImageProblem(torch.eye(6)), steps=1, progress=False)


@pytest.mark.parametrize("error", [0.25, torch.tensor([0.25]), torch.tensor(0.25, requires_grad=True)], ids=str)
def test_an_error_of_ones_own_may_be_any_one_number(error):
    problem = type("Own", (ImageProblem,), {"error": lambda self, values: error})(torch.eye(6))
    assert fit(CoordinateNetwork(2, 1, 6, 2), problem, steps=1, progress=False).psnr == [problem.psnr(None)] * 2
    assert problem.psnr(None) == pytest.approx(6.0206, abs=1e-4)


def test_an_error_of_many_numbers_gets_a_sentence():
    problem = type("Own", (ImageProblem,), {"error": lambda self, values: values})(torch.eye(6))
    with pytest.raises(
        TypeError, match=r"Own\.error must give one number, or None; it gave a tensor of shape \(36, 1\)"
    ):
        fit(CoordinateNetwork(2, 1, 6, 2), problem, steps=1, progress=False)
