"""What every operator promises, one test a promise: kept by each row of promises.py, or refused in its own words."""

import contextlib
import copy
import functools
import pickle

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from relunb._functorch import outside_graphs
from relunb._tables import forget_tables
from tests.promises import OPERATORS
from tests.tolerance import DEVICES

REFUSALS = (TypeError, ValueError, RuntimeError)  # a failed assert is none of them
close = functools.partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)


def promise(test, only=lambda operator: True):
    """Run for each operator to which it means something."""
    name = test.__name__.removeprefix("test_")
    names = [row for row, operator in OPERATORS.items() if name not in operator.without and only(operator)]
    return pytest.mark.parametrize("operator", names, indirect=True)(test)


def promise_of_modules(test):
    return promise(test, lambda operator: operator.is_module)


def promise_of_kernels(test):
    return promise(test, lambda operator: operator.plain is not None)


def promise_of_batches(test):
    return promise(test, lambda operator: operator.batch)


@pytest.fixture
def operator(request, monkeypatch):
    operator = OPERATORS[request.param]
    for place, value in operator.settings.items():
        monkeypatch.setattr(place, value)
    return operator


@pytest.fixture
def kept(request, operator):
    """A context: the promise is kept in it, or refused by the operator's sentence."""
    name = request.node.originalname.removeprefix("test_")
    if name in operator.refuses:
        return pytest.raises(REFUSALS, match=operator.refuses[name])
    return contextlib.nullcontext()


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def leaves(xs):
    return tuple(x.detach().clone().requires_grad_() for x in xs)


def weights_of(y, seed=7):
    steps = torch.arange(y.numel(), device=y.device) + 1000 * seed
    return ((steps * 0.754877666) % 1 * 2 - 0.97).to(y.dtype).reshape(y.shape)


def gradients(y, xs, weights, again=False):
    """Zeros where y does not depend on an input. ``again``: more will be asked of y."""
    return torch.autograd.grad(y, xs, weights, retain_graph=again, allow_unused=True, materialize_grads=True)


def value_and_gradients(f, xs, weights=None):
    xs = leaves(xs)
    y = f(*xs)
    return y, *gradients(y, xs, weights_of(y) if weights is None else weights.to(y))


def total(f):
    return lambda *xs: f(*xs).square().sum()


# Values -----------------------------------------------------------------------------------------------------------


@promise
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_full_precision(operator, kept, dtype, device):
    with kept:
        in_precision(operator, dtype, device)


@promise
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision(operator, kept, dtype, device):
    with kept:
        in_precision(operator, dtype, device)


def in_precision(operator, dtype, device):
    """The dtype of the input comes out, a few roundings from what float64 gives, by the definition if there is one."""
    f = operator.made(dtype, device)
    wide = copy.deepcopy(f).double() if isinstance(f, nn.Module) else operator.plain or f
    eps = torch.finfo(dtype).eps
    inside = eps if dtype == torch.float64 or operator.rounds_inside else torch.finfo(torch.float32).eps
    for lead in ((), (2, 3), (1023,) if operator.size < 50 else (33,)):
        xs = operator.inputs(*lead, dtype=dtype, device=device)
        terms = torch.Size(lead).numel() if operator.batch else 1  # of a gradient that all samples share
        got = value_and_gradients(f, xs)
        expected = value_and_gradients(wide, [x.double() for x in xs], weights_of(got[0]))
        for k, (y, truth) in enumerate(zip(got, expected, strict=True)):
            assert (y.dtype, y.shape, y.device.type) == (dtype, truth.shape, device) and y.isfinite().all()
            if k and operator.rounds_inside and eps > 1e-4:
                continue  # a state that is rounded to the other side of a kink has another slope
            size = operator.roundings * max(1.0, truth.abs().max().item())
            if k > len(operator.shapes):
                size *= terms
            torch.testing.assert_close(y.double(), truth, rtol=operator.roundings * eps, atol=inside * size)


@promise
def test_layouts(operator, kept, device):
    """Permuted, strided, shifted and expanded input, and such gradients, give what a contiguous copy gives."""
    with kept:
        f = operator.made(device=device)
        xs = operator.inputs(2, 3, device=device)
        for view in LAYOUTS.values():
            own = [view(x) if x.ndim else x for x in xs[: len(operator.shapes)]]
            given = [x.detach().requires_grad_() for x in (*own, *xs[len(own) :])]
            copies = leaves(x.contiguous() for x in given)
            y, expected = f(*given), f(*copies)
            close(y, expected)
            for weights in (backwards(weights_of(backwards(y))), y.new_ones(()).expand(y.shape)):
                close(gradients(y, given, weights, again=True), gradients(expected, copies, weights, again=True))


def backwards(x):
    return x.permute(tuple(reversed(range(x.ndim))))


LAYOUTS = {
    "permuted": lambda x: backwards(backwards(x).contiguous()),
    "strided": lambda x: torch.stack([x, -x], -1)[..., 0],
    "every other": lambda x: x.repeat_interleave(2, 0)[::2],
    "shifted": lambda x: torch.cat([x.new_zeros(1), x.flatten()])[1:].view(x.shape),
    "expanded": lambda x: x[:1].expand_as(x),
}


@promise_of_batches
def test_samples(operator, kept, device):
    """Each sample has the values that it has alone."""
    with kept:
        f = operator.made(device=device)
        xs = operator.inputs(2, 3, device=device)
        own, beside = xs[: len(operator.shapes)], xs[len(operator.shapes) :]
        y = f(*xs)
        for i, j in ((0, 0), (1, 2)):
            close(f(*(x[i, j] for x in own), *beside), y[i, j])


@promise_of_batches
def test_nan(operator, kept, device):
    """A sample that is not finite leaves the others as they are, and one with a NaN says so."""
    with kept:
        f = operator.made(device=device)
        clean = operator.inputs(4, device=device)
        for k in range(len(operator.shapes)):
            xs = [x.clone() for x in clean]
            xs[k][1].view(-1)[1], xs[k][2].view(-1)[0] = torch.nan, torch.inf
            y = f(*xs)
            assert y[1].isnan().any()
            assert torch.equal(y[[0, 3]], f(*clean)[[0, 3]])


@promise_of_batches
def test_empty(operator, kept, device):
    with kept:
        f = operator.made(device=device)
        shape = f(*operator.inputs(2, device=device)).shape[1:]
        for lead in ((0,), (2, 0)):
            xs = leaves(operator.inputs(*lead, device=device))
            y = f(*xs)
            assert y.shape == (*lead, *shape)
            y.sum().backward()
            assert all(x.grad is None or x.grad.shape == x.shape for x in xs) and xs[0].grad is not None


@promise
def test_in_place(operator, kept, device):
    """The result may be changed in place."""
    with kept:
        f = operator.made(device=device)
        xs = leaves(operator.inputs(3, device=device))
        y = f(*xs)
        expected = gradients(y, xs, torch.ones_like(y), again=True)
        y += 1
        close(gradients(y, xs, torch.ones_like(y)), expected)


@promise
def test_autocast(operator, kept, device):
    """It changes no digit, neither of the values nor of the gradients."""
    with kept:
        for dtype in (torch.float32, torch.bfloat16)[: 1 if "half_precision" in operator.refuses else 2]:
            f = operator.made(dtype, device)
            xs = operator.inputs(3, dtype=dtype, device=device)
            expected = value_and_gradients(f, xs)
            with torch.autocast(device, dtype=torch.bfloat16):
                xs = leaves(xs)
                y = f(*xs)
            got = y, *gradients(y, xs, weights_of(y))
            torch.testing.assert_close(got, expected, rtol=0, atol=0)


# Derivatives ------------------------------------------------------------------------------------------------------


def checked(check, operator, device, **options):
    """gradcheck of two samples, gradgradcheck, which takes longer, of one, as either of long samples."""
    torch.manual_seed(0)  # for the directions that they draw
    xs = leaves(operator.inputs(2 if check is gradcheck and operator.size < 50 else 1, device=device))
    assert check(operator.made(device=device), xs, fast_mode=operator.size >= 50, **options)


@promise
def test_gradient(operator, kept, device):
    """Reverse and forward mode, alone and many at once."""
    forward = "forward_mode" not in operator.without
    with kept:
        checked(
            gradcheck,
            operator,
            device,
            check_batched_grad="vmap" not in operator.without,
            check_forward_ad=forward,
            check_batched_forward_grad=forward,
        )


@promise
@pytest.mark.slow
def test_second_gradient(operator, kept, device):
    """Reverse and forward mode over reverse mode, alone and many at once."""
    forward = "forward_mode" not in operator.without
    with kept:
        checked(gradgradcheck, operator, device, check_batched_grad=forward, check_fwd_over_rev=forward)


# torch.func -------------------------------------------------------------------------------------------------------


@promise
def test_vmap(operator, kept, device):
    """Over any dimension, over all inputs or one, and twice."""
    with kept:
        f = operator.made(device=device)
        one, other = (operator.inputs(3, seed=seed, device=device) for seed in (0, 1))
        expected = torch.stack([f(*one), f(*other)])
        for dim in (0, -1):
            pairs = [torch.stack(pair, dim) for pair in zip(one, other, strict=True)]
            close(torch.func.vmap(f, in_dims=dim)(*pairs), expected)
        for k, x in enumerate(one if len(one) > 1 else ()):
            dims = [0 if j == k else None for j in range(len(one))]
            pair = torch.stack([x, other[k]])
            mixed = [pair if j == k else v for j, v in enumerate(one)]
            changed = [other[j] if j == k else v for j, v in enumerate(one)]
            close(torch.func.vmap(f, in_dims=tuple(dims))(*mixed), torch.stack([f(*one), f(*changed)]))
        twice = torch.func.vmap(torch.func.vmap(f))(
            *(torch.stack([torch.stack(pair)] * 2) for pair in zip(one, other, strict=True))
        )
        close(twice, torch.stack([expected] * 2))


@promise
@pytest.mark.slow
def test_vmap_of_derivatives(operator, kept, device):
    """The gradient and the Hessian of each sample, at once."""
    with kept:
        f = total(operator.made(device=device))
        samples = [operator.inputs(1, seed=seed, device=device) for seed in (0, 1)]
        pairs = [torch.stack(pair) for pair in zip(*samples, strict=True)]
        for derivative in (torch.func.grad, torch.func.hessian):
            for k in range(len(pairs)):
                one_by_one = [derivative(f, argnums=k)(*xs) for xs in samples]
                close(torch.func.vmap(derivative(f, argnums=k))(*pairs), torch.stack(one_by_one))


@promise
def test_jacobians(operator, kept, device):
    """By rows and by columns as by autograd, and times a vector."""
    with kept:
        f = operator.made(device=device)
        xs, tangents = (operator.inputs(2, seed=seed, device=device) for seed in (0, 1))
        every = tuple(range(len(xs)))
        expected = torch.autograd.functional.jacobian(f, xs)
        close(torch.func.jacrev(f, argnums=every)(*xs), expected)
        close(torch.func.jacfwd(f, argnums=every)(*xs), expected)
        value, moved = torch.func.jvp(f, xs, tangents)
        close(value, f(*xs))
        along = [(j.reshape(-1, t.numel()) @ t.reshape(-1)) for j, t in zip(expected, tangents, strict=True)]
        close(moved, sum(along).reshape(moved.shape))


def by_itself(f, x):
    (x,) = leaves([x])
    (grad,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    return torch.autograd.grad(grad.sum(), x)[0]


def penalty(f, x):
    x, w = x.clone().requires_grad_(), torch.ones((), dtype=x.dtype, device=x.device, requires_grad=True)
    (grad,) = torch.autograd.grad((w * f(x)).sum(), x, create_graph=True)
    return torch.cat([t.reshape(-1) for t in torch.autograd.grad(grad.square().sum(), (x, w))])


REVERSE = {
    "by itself": by_itself,
    "a penalty on the gradient": penalty,
    "autograd.functional.hessian": lambda f, x: torch.autograd.functional.hessian(lambda v: f(v).sum(), x, strict=True),
    "jacrev of jacrev": lambda f, x: torch.func.jacrev(torch.func.jacrev(lambda v: f(v).sum()))(x),
}
MIXED = {
    "func.hessian": lambda f, x: torch.func.hessian(lambda v: f(v).sum())(x),
    "jacrev of jacfwd": lambda f, x: torch.func.jacrev(torch.func.jacfwd(lambda v: f(v).sum()))(x),
}


def second_by(way, operator, device):
    """Of the first input, against what torch makes of the definition, or of the operator itself; zeros are given.

    With a definition also at ties. Without one of a square, as torch has no second derivative of what is linear.
    """
    ways = (
        REVERSE
        | MIXED
        | {"jacfwd of jacfwd": lambda f, x: torch.func.jacfwd(torch.func.jacfwd(lambda v: f(v).sum()))(x)}
    )
    f = operator.made(device=device)
    reference = ways[way if way in ("by itself", "a penalty on the gradient") else "autograd.functional.hessian"]
    x, *others = operator.inputs(*(2,) if operator.size < 16 else (), device=device)
    if operator.plain is None:
        g = h = lambda v: f(v, *others).square()
    else:
        g, h = (lambda v: f(v, *others)), (lambda v: operator.plain(v, *others))
    for point in (x,) if operator.plain is None else (x, TIES.to(x)[: x.shape[-1]].repeat(2, 1)):
        close(ways[way](g, point), reference(h, point), rtol=1e-10, atol=1e-10)


TIES = torch.tensor([0.0, 1.5, 3.0, 0.0, 0.0, -1.0, 1.0, 0.5, 2.0])


@promise
@pytest.mark.slow
@pytest.mark.parametrize("way", REVERSE)
def test_second_derivatives(operator, kept, way, device):
    with kept:
        second_by(way, operator, device)


@promise
@pytest.mark.slow
@pytest.mark.parametrize("way", MIXED)
def test_hessians(operator, kept, way, device):
    """By one forward level around reverse mode, or inside it."""
    with kept:
        second_by(way, operator, device)


@promise
def test_forward_in_forward(operator, kept, device):
    """Right or refused: PyTorch gives an autograd.Function the second derivative zero there (issue 197867)."""
    with kept:
        second_by("jacfwd of jacfwd", operator, device)


# Compiled, recorded -----------------------------------------------------------------------------------------------


@promise
@pytest.mark.slow
def test_compile(operator, kept, device):
    """Into one graph."""
    with kept:
        compiles(operator, device, fullgraph=True, dynamic=False, backend="aot_eager")


@pytest.mark.slow
# What it warns of where it breaks, and of its own look at what it carries across the break.
@pytest.mark.filterwarnings("ignore:Dynamo does not know how to trace", "ignore:The .grad attribute of a Tensor that")
@pytest.mark.parametrize("operator", [row for row in OPERATORS if "compile" in OPERATORS[row].without], indirect=True)
def test_compile_with_breaks(operator, device):
    """As torch.compile does it when it is not told otherwise: what no graph can hold runs between two."""
    compiles(operator, device, backend="aot_eager")


@pytest.mark.slow
def test_what_looks_at_numbers_is_not_traced():
    traced = []

    @outside_graphs("It looks at numbers.")
    def function(x):
        traced.append(torch.compiler.is_compiling())
        return x * 2

    torch.compiler.reset()
    assert torch.compile(lambda x: function(x) + 1, backend="eager")(torch.ones(2)).tolist() == [3, 3]
    assert traced == [False]


@promise_of_kernels
@pytest.mark.slow
def test_compile_dynamic(operator, kept, device):
    """Into one graph that changing numbers of samples share."""
    with kept:
        compiles(operator, device, fullgraph=True, dynamic=True, backend="aot_eager")


def compiles(operator, device, **options):
    torch.compiler.reset()
    f = operator.made(torch.float32, device)
    compiled = torch.compile(f, **options)
    for lead in (3, 8):
        xs = operator.inputs(lead, dtype=torch.float32, device=device)
        torch.testing.assert_close(value_and_gradients(compiled, xs), value_and_gradients(f, xs), rtol=1e-5, atol=1e-5)


def exported(module, inputs):
    return torch.export.export(module, inputs).module()


RECORDERS = {"torch.export": exported, "torch.jit.trace": lambda module, inputs: torch.jit.trace(module, inputs)}


@promise_of_modules
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:`torch.jit.trace:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`isinstance:FutureWarning")
@pytest.mark.parametrize("how", RECORDERS)
def test_recorded(operator, kept, how):
    """Right on other numbers than those it was recorded with."""
    with kept:
        module = operator.made(torch.float32)
        inputs = operator.inputs(3, dtype=torch.float32)
        recorded = RECORDERS[how](module, inputs)
        others = operator.inputs(3, seed=1, dtype=torch.float32)
        torch.testing.assert_close(recorded(*others), module(*others), rtol=1e-5, atol=1e-6)


# Modules ----------------------------------------------------------------------------------------------------------


@promise_of_modules
def test_copies(operator, kept):
    """Copied, pickled or saved after a first call: the same numbers, the same text, and it trains."""
    with kept:
        module = operator.made()
        inputs = operator.inputs(3)
        with torch.inference_mode():
            wanted = module(*inputs)  # and what the first call leaves behind comes along
        other = operator.make().eval().double()
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.add_(1)
        other.load_state_dict(module.state_dict())
        for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), other):
            xs = leaves(inputs)
            y = twin(*xs)
            torch.testing.assert_close(y.detach(), wanted, rtol=0, atol=0)
            y.sum().backward()
            assert repr(twin) == repr(module)


# meta -------------------------------------------------------------------------------------------------------------


@promise
def test_meta(operator, kept):
    """Shapes, and a gradient's; and as a default device beside real numbers meta changes nothing."""
    f, xs = operator.made(), operator.inputs(3)
    y = f(*xs)
    with torch.device("meta"):
        assert torch.equal(f(*xs), y)
    there = leaves([x.to("meta") for x in xs])
    with kept:
        z = (f.to("meta") if isinstance(f, nn.Module) else f)(*there)
        z.sum().backward()
        assert z.is_meta and z.shape == y.shape and z.dtype == y.dtype
        assert there[0].grad.shape == xs[0].shape


@promise_of_modules
def test_made_on_meta(operator, kept):
    """Its shape is right; it takes its memory and a saved state, and is then the module that was saved."""
    with kept:
        module, inputs = operator.made(torch.float32), operator.inputs(3, dtype=torch.float32)
        wanted = module(*inputs)
        with torch.device("meta"):
            empty = operator.make().eval()
            out = empty(*(x.to("meta") for x in inputs))
        assert out.is_meta and out.shape == wanted.shape and out.dtype == wanted.dtype
        empty.to_empty(device="cpu").load_state_dict(module.state_dict())
        torch.testing.assert_close(empty(*inputs), wanted)


# What a first call leaves behind ----------------------------------------------------------------------------------


def two_derivatives(f, xs):
    """The value, the gradient and, where it has one, the second derivative along it."""
    xs = leaves(xs)
    y = f(*xs)
    first = torch.autograd.grad(y.sum(), xs, create_graph=True, allow_unused=True, materialize_grads=True)
    square = sum(g.square().sum() for g in first)
    second = torch.autograd.grad(square, xs, allow_unused=True, materialize_grads=True) if square.requires_grad else ()
    return y.detach(), *(g.detach() for g in (*first, *second))


def in_inference_mode(f, xs):
    with torch.inference_mode():
        return f(*xs)


def with_default_meta(f, xs):
    torch.set_default_device("meta")
    try:
        f(*(x.to("meta") for x in xs))
    finally:
        torch.set_default_device(None)


def real_with_default_meta(f, xs):
    with torch.device("meta"):
        return f(*xs)


def inside_vmap(f, xs):
    return torch.func.vmap(f)(*(x[None] for x in xs))


def inside_grad(f, xs):
    return torch.func.grad(lambda *xs: f(*xs).sum())(*xs)


def on_fake_tensors(f, xs):
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True):
        f(*(torch.ones(x.shape, dtype=torch.float64) for x in xs))


FIRST = [in_inference_mode, with_default_meta, real_with_default_meta, inside_vmap, inside_grad, on_fake_tensors]


@promise
@pytest.mark.filterwarnings("ignore:There is a performance drop")  # of PyTorch's attention under vmap
@pytest.mark.parametrize("first", FIRST, ids=lambda f: f.__name__)
def test_first_call(operator, first):
    """Tables made in one mode and used in another: what follows is as in a process that had no first call."""
    xs = operator.inputs(3)
    forget_tables()
    derivatives = two_derivatives if "second_gradient" not in operator.refuses else value_and_gradients
    wanted = derivatives(operator.made(), xs)
    forget_tables()
    f = operator.made()
    with contextlib.suppress(*REFUSALS):  # what cannot be done there is the business of other promises
        first(f, xs)
    with contextlib.suppress(*REFUSALS):
        first(lambda *xs: operator.made()(*xs), xs)
    for g in (f, operator.made()):
        got = derivatives(g, xs)
        assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))
