"""A(D) v and A(D)^T g for a set D that is given by its edges: by panels beside the sums over nodes."""

import itertools

import pytest
import torch

from relunb.iat import Mixed, activation_pattern
from relunb.iat import _exact as exact
from relunb.iat._bases import BASES, basis
from tests.forms import take
from tests.iat.inputs import normal, numbers

KINDS = ("fourier", "pwq", "pwl", "rect-w")


@pytest.fixture(params=["compiled kernel", "plain"])
def form(request, monkeypatch):
    take(request.param, monkeypatch)


def patterns():
    """Of random states and of whole numbers, which have roots on knots and at ends; joined; all, nothing, twice."""
    whole = torch.randint(-1, 2, (12, 8), generator=torch.Generator().manual_seed(0)).double()
    found = [activation_pattern(x, kind) for kind in BASES for x in (normal(12, 8), whole)]
    joined = [one.symmetric_difference(other) for one, other in itertools.pairwise(found)]
    yield from ((each.edges, each.active) for each in found + joined)
    edges = numbers([-1.0, -1.0, -0.5, -0.5, 0.25, 0.25, 1.0, 1.0]).expand(12, -1)
    for active in (numbers([1] * 7), numbers([0] * 7), numbers([1, 0, 1, 1, 0, 1, 0]), numbers([0, 1, 0, 0, 1, 0, 1])):
        yield edges, active.bool().expand(12, -1)


@pytest.mark.parametrize("pair", [*itertools.product(KINDS, KINDS)], ids=str)
def test_products_are_those_of_the_sums_over_nodes(pair, form):
    p, q = (basis(kind, size) for kind, size in zip(pair, (9, 7), strict=True))
    v, g = normal(12, 9), normal(12, 7, seed=1)
    for edges, active in patterns():
        y, back = exact.product(v, edges, active, p, q), exact.product(g, edges, active, p, q, transposed=True)
        torch.testing.assert_close(y, exact.by_rows(exact.matvec, v, edges, active, p, q), rtol=0, atol=1e-13)
        torch.testing.assert_close(back, exact.by_rows(exact.rmatvec, g, edges, active, p, q), rtol=0, atol=1e-13)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("pair", [("fourier", "pwq"), ("pwq", "fourier"), ("pwl", "pwl")], ids=str)
def test_derivatives_are_those_of_the_sums_over_nodes(pair, transposed):
    """Both first ones and all second ones, in v and in the edges."""
    p, q = (basis(kind, size) for kind, size in zip(pair, (9, 7), strict=True))
    pattern = activation_pattern(normal(12, 9, seed=2), p)
    by_nodes = exact.rmatvec if transposed else exact.matvec
    found = []
    for function in (
        lambda v, edges: exact.product(v, edges, pattern.active, p, q, transposed=transposed),
        lambda v, edges: by_nodes(v, edges, pattern.active, p, q),
    ):
        leaves = normal(12, 7 if transposed else 9).requires_grad_(), pattern.edges.clone().requires_grad_()
        y = function(*leaves)
        first = torch.autograd.grad((y * normal(*y.shape, seed=3)).sum(), leaves, create_graph=True)
        along = sum((part * normal(*part.shape, seed=4)).sum() for part in first)
        found.append([y, *first, *torch.autograd.grad(along, leaves)])
    ours, theirs = found
    # -1 and 1 do not move, and the sums over nodes let them.
    bound = exact.bounding(pattern.active, pattern.edges).bool() & (pattern.edges.abs() < 1)
    for k, (got, wanted) in enumerate(zip(ours, theirs, strict=True)):
        mask = bound if k in (2, 4) else True
        torch.testing.assert_close(got * mask, wanted * mask, rtol=0, atol=1e-10 if k > 2 else 1e-12)


def test_tables_that_would_be_too_large_are_not_made(monkeypatch):
    p, q = Mixed(basis("fourier", 3), basis("pwl", 4)), basis("pwq", 5)
    pattern = activation_pattern(normal(6, 7), p)
    v = normal(6, 7, seed=1)
    by_panels = exact.product(v, pattern.edges, pattern.active, p, q)
    monkeypatch.setattr(exact, "_MOST", 0)
    monkeypatch.setattr(exact._panels, "panels", None)
    torch.testing.assert_close(exact.product(v, pattern.edges, pattern.active, p, q), by_panels, rtol=0, atol=1e-14)
