"""Networks with the patterns of another network: Eq. (26) written out, what learns, least squares, and refusals."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from relunb.iat import IAT, activation_matrix, activation_pattern
from relunb.iat._transfer import DecoupledNetwork, transfer_patterns

UNTYPED: Any = transfer_patterns


def network(sizes, input_basis="fourier", output_basis="pwq", *, seed=0, bias=True, dtype=torch.float64):
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:-1], strict=False):
        layers += [nn.Linear(before, after, bias, dtype=dtype), IAT(after, None, input_basis, output_basis)]
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:], bias, dtype=dtype))


def problem(samples=120, dtype=torch.float64):
    x = torch.rand(samples, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    y = torch.stack([(3 * x[:, 0]).sin() * x[:, 1], x.square().sum(1)], 1)
    return x.to(dtype), y.to(dtype)


def transferred(*, freeze=True, hidden=(5, 6), **options):
    """From a network of widths 4, 3 to one of other widths and other bases."""
    sizes = 2, *hidden, 2
    source = network((2, *(4, 3)[: len(hidden)], 1), seed=1)
    target = network(sizes, "pwl", "rect", seed=2, **options)
    return transfer_patterns(source, target, freeze), source, target


def test_it_is_equation_26():
    result, source, target = transferred()
    x, _ = problem(9)
    matrices, state = [], x
    for place in (0, 2):
        state = source[place](state)
        own: Any = target[place + 1]
        pattern = activation_pattern(state, "fourier")
        matrices.append(activation_matrix(pattern, own.input_basis, own.output_basis))
        state = source[place + 1](state)
    h = x
    for place, matrix in zip((0, 2), matrices, strict=True):
        h = (matrix @ target[place](h)[..., None]).squeeze(-1)
    torch.testing.assert_close(result(x), target[4](h), rtol=0, atol=1e-14)
    assert (
        result(x[0]).shape == (2,) and result(x.reshape(3, 3, 2)).shape == (3, 3, 2) and result(x[:1]).shape == (1, 2)
    )


def test_with_its_own_patterns_a_network_is_itself():
    own = network((2, 5, 6, 1))
    x, _ = problem(9)
    both = transfer_patterns(own, own, freeze=False)
    torch.testing.assert_close(both(x), own(x), rtol=0, atol=1e-14)
    grads = [torch.autograd.grad(f(x).sum(), list(own.parameters())) for f in (both, own)]
    torch.testing.assert_close(*grads, rtol=1e-11, atol=1e-12)


def test_the_linear_layers_are_the_targets_own():
    result, _, target = transferred()
    assert [id(p) for p in result.linears.parameters()] == [id(p) for p in target.parameters()]
    assert [t.pattern_features for t in result.transforms] == [4, 3]
    other = transferred()[0]
    with torch.no_grad():
        for p in other.parameters():
            p.add_(1)
    other.load_state_dict(result.state_dict())
    x, _ = problem(5)
    assert torch.equal(other(x), result(x)) and torch.equal(copy.deepcopy(result)(x), result(x))


@pytest.mark.parametrize("freeze", [True, False])
def test_what_learns(freeze):
    result, source, target = transferred(freeze=freeze)
    result(problem()[0]).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in target.parameters())
    inner, last = list(source[:-1].parameters()), list(source[-1].parameters())
    assert all(p.grad is None for p in last), "the patterns do not need the source's output"
    assert all((p.grad is None) if freeze else (p.grad.abs().max() > 0) for p in inner)
    assert all(p.requires_grad for p in source.parameters()), "the source is left as it is"


@pytest.mark.parametrize("freeze", [True, False])
def test_the_derivative_in_x_goes_through_the_patterns_too(freeze):
    result = transferred(freeze=freeze, hidden=(4, 3))[0]
    assert gradcheck(result, problem(1)[0].requires_grad_(), check_forward_ad=True)


def test_patterns_learn_with_the_right_gradient():
    result = transferred(freeze=False, hidden=(3,))[0]
    x, _ = problem(3)
    names = [name for name, _ in result.named_parameters() if name.startswith("source.0")]
    values = [dict(result.named_parameters())[name].detach().clone().requires_grad_() for name in names]
    assert len(values) == 2

    def outputs(*values):
        return torch.func.functional_call(result, dict(zip(names, values, strict=True)), (x,))

    assert gradcheck(outputs, values)


@pytest.mark.parametrize("layer", [0, 1, 2, -1])
@pytest.mark.parametrize("bias", [True, False])
def test_a_solved_layer_is_the_minimum_over_its_parameters(layer, bias):
    """Against the least-squares solution with the Jacobian that torch.func finds."""
    result, _, target = transferred(bias=bias)
    x, y = problem()
    names = [f"linears.{layer % 3}.{part}" for part in ("weight", "bias")[: 1 + bias]]
    before = {name: p.detach().clone() for name, p in result.named_parameters()}

    def outputs(chosen):
        return torch.func.functional_call(result, {**before, **chosen}, (x,)).flatten()

    chosen = {name: before[name] * 0 for name in names}
    jacobian = torch.cat([j.flatten(1) for j in torch.func.jacrev(outputs)(chosen).values()], 1)
    solution = torch.linalg.lstsq(jacobian, y.flatten() - outputs(chosen), driver="gelsd").solution
    error = result.solve(x, y, layer)
    torch.testing.assert_close(
        torch.cat([dict(result.named_parameters())[name].flatten() for name in names]), solution, rtol=1e-6, atol=1e-6
    )
    assert error == pytest.approx((result(x) - y).square().mean().item(), rel=1e-12)
    changed = {name for name, p in result.named_parameters() if not torch.equal(p, before[name])}
    assert changed == set(names), "only this layer"
    (result(x) - y).square().mean().backward()
    grads = [dict(result.named_parameters())[name].grad for name in names]
    assert all(grad is not None and grad.abs().max() < 1e-10 for grad in grads)


def test_sweeps_from_the_last_layer_to_the_first_never_raise_the_error():
    result = transferred()[0]
    x, y = problem()
    errors = [(result(x) - y).square().mean().item()]
    errors += [result.solve(x, y, layer) for _ in range(2) for layer in (2, 1, 0)]
    assert all(after <= before * (1 + 1e-9) for before, after in zip(errors, errors[1:], strict=False))
    assert errors[-1] < errors[1] / 4 < errors[0] / 8, "inner layers matter"


def test_with_few_samples_the_solution_is_the_smallest_that_fits():
    result, _, target = transferred()
    x, y = problem(4)
    assert result.solve(x, y) < 1e-24
    last: Any = target[-1]
    with torch.no_grad():
        h = x
        for linear, transform, state in zip(result.linears, result.transforms, result.pattern_states(x), strict=False):
            h = transform(linear(h), state)
    features = torch.cat([h, torch.ones(4, 1, dtype=h.dtype)], 1)
    smallest = (torch.linalg.pinv(features) @ y).mT
    torch.testing.assert_close(torch.cat([last.weight, last.bias[:, None]], 1).detach(), smallest, rtol=1e-8, atol=1e-8)
    assert transferred()[0].solve(x, y, 0) < 1e-20, "an inner layer with few samples"


def test_dependent_basis_functions_are_no_obstacle():
    """rect-w: the sum of its functions is zero, so the outputs are dependent and the matrix has no full rank."""
    target = network((2, 6, 2), "pwl", "rect-w", seed=3)
    result = transfer_patterns(network((2, 4, 1), seed=1), target)
    x, y = problem()
    result.solve(x, y)
    last: Any = target[-1]
    torch.testing.assert_close(last.weight.sum(1), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-8)


def test_solving_finds_the_weights_that_made_the_targets():
    target = network((2, 5, 2), "pwl", "fourier", seed=2)
    result = transfer_patterns(network((2, 4, 1), seed=1), target)
    x, _ = problem()
    last: Any = target[-1]
    true, made = last.weight.detach().clone(), result(x).detach()
    with torch.no_grad():
        last.weight.zero_()
    assert result.solve(x.reshape(6, 20, 2), made.reshape(6, 20, 2)) < 1e-24
    torch.testing.assert_close(last.weight.detach(), true, rtol=1e-7, atol=1e-8)


def test_single_precision_is_solved_in_double():
    result = transferred(dtype=torch.float32)[0]
    x, y = problem(dtype=torch.float32)
    double = copy.deepcopy(result).double()
    exact = [double.solve(x.double(), y.double(), layer) for layer in (2, 1)]
    assert [result.solve(x, y, layer) for layer in (2, 1)] == pytest.approx(exact, rel=1e-3)
    assert all(p.dtype == torch.float32 for p in result.linears.parameters()) and result(x).dtype == torch.float32


def test_a_layer_of_the_pattern_network_is_not_solved():
    own = network((2, 5, 6, 2))
    result = transfer_patterns(own, own)
    with pytest.raises(ValueError, match="linear layer 1 is one of the pattern network's too.*deepcopy"):
        result.solve(*problem(), layer=1)
    assert result.solve(*problem(), layer=-1) < 0.1, "the last one makes no pattern"


MIDPOINT = nn.Sequential(nn.Linear(2, 4), IAT(4, method="midpoint"), nn.Linear(4, 1))
TANH = nn.Sequential(nn.Linear(2, 4), IAT(4, activation="tanh", method="midpoint"), nn.Linear(4, 1))
SCALAR = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda good: transfer_patterns(good, network((2, 4, 4, 1))), ValueError, "has 2 IAT layers and .* 1"),
        (lambda good: transfer_patterns(network((3, 4, 1)), good), ValueError, "reads 2 features and .* 3"),
        (lambda good: UNTYPED(nn.Linear(2, 1), good), TypeError, r"\(the source\) must be an nn.Sequential .* Linear"),
        (
            lambda good: transfer_patterns(SCALAR, good),
            TypeError,
            r"source\) must .* layer 1 is ReLU.* IAT\(width",
        ),
        (lambda good: transfer_patterns(good[1:], good), TypeError, "layer 0 is IAT"),
        (lambda good: transfer_patterns(good, good[:2]), ValueError, r"target\) must begin and end with nn.Linear"),
        (lambda good: transfer_patterns(good, good[:1]), ValueError, "with an IAT layer between"),
        (lambda good: transfer_patterns(good, nn.Sequential()), ValueError, "must begin and end with nn.Linear"),
        (
            lambda good: transfer_patterns(MIDPOINT, good),
            ValueError,
            "layer 1 .* midpoint layer .*relu.*'exact'",
        ),
        (lambda good: transfer_patterns(good, TANH), ValueError, "layer 1 .* activation=tanh: only ReLU"),
        (
            lambda good: transfer_patterns(nn.Sequential(nn.Linear(2, 5), IAT(4), nn.Linear(4, 1)), good),
            ValueError,
            "layer 1 of patterns .* takes 4 numbers, and gets 5",
        ),
        (lambda good: DecoupledNetwork(good, good)(torch.ones(3, 1)), ValueError, r"x must be \(\.\.\., 2\)"),
    ],
)
def test_networks_that_do_not_fit_are_refused(call, error, says):
    with pytest.raises(error, match=says):
        call(network((2, 4, 1)))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda x, y: (x, y, 3), ValueError, "layer must be between -3 and 2: there are 3; got 3"),
        (lambda x, y: (x, y, 1.0), TypeError, "integer"),
        (lambda x, y: (x, y[:, :1]), ValueError, r"targets must be \(\.\.\., 2\)"),
        (lambda x, y: (x, y[:3]), ValueError, r"x has samples \(120,\) and targets \(3,\)"),
        (lambda x, y: (x[:0], y[:0]), ValueError, "no samples"),
        (lambda x, y: (x / 0, y), ValueError, "x has 240 non-finite values"),
        (lambda x, y: (x, y * torch.nan), ValueError, "targets has 240 non-finite values"),
    ],
)
def test_least_squares_refuses_bad_input(change, error, says):
    with pytest.raises(error, match=says):
        transferred()[0].solve(*change(*problem()))
