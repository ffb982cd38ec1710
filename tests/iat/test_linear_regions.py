"""Linear regions along a segment and in a plane, against known counts and against the patterns themselves."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from relunb.iat import IAT, PiecewisePolynomial, _linear_regions
from relunb.iat._linear_regions import linear_regions, max_linear_regions, region_breakpoints, region_polygons
from tests.iat.inputs import normal, numbers

CONTINUOUS = ("pwl", "pwq", "fourier", "pwl-w")


def points(count, width, seed=0):
    return normal(count, width, seed=1000 + seed)


def through(seed):
    """A segment through the middle of the space, where the regions are."""
    middle, way = points(2, 3, seed)
    return middle - 5 * way, middle + 5 * way


def network(*layers, seed=0):
    """A Sequential in float64 with weights of unit variance: small enough to see all regions, biases not small."""
    net = nn.Sequential(*layers).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        fan = parameter.shape[-1] if parameter.ndim > 1 else 4
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=generator) / fan**0.5
    return net


def relu_network(seed=0):
    hidden = [nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 11), nn.ReLU(), nn.Linear(11, 9), nn.ReLU()]
    return network(*hidden, nn.Linear(9, 2), seed=seed)


def midpoint_network(seed=0, basis="fourier"):
    return network(
        nn.Linear(3, 8),
        IAT(8, 6, basis, "pwl", method="midpoint", points=18),
        nn.Sequential(nn.Identity(), nn.Linear(6, 7)),
        IAT(7, 4, basis, "fourier", method="midpoint", points=15),
        nn.Linear(4, 1),
        seed=seed,
    )


def exact_network(basis, seed=0):
    return network(
        nn.Linear(3, 14), IAT(14, 5, basis, "pwl"), nn.Linear(5, 13), IAT(13, 6, basis, "fourier"), seed=seed
    )


FINITE = {
    "relu": relu_network,
    "midpoint fourier": midpoint_network,
    "midpoint rect-w": lambda seed=0: midpoint_network(seed, "rect-w"),
    "exact rect": lambda seed=0: exact_network("rect", seed),
    "exact rect-w": lambda seed=0: exact_network("rect-w", seed),
}
finite_network = pytest.mark.parametrize("make", FINITE.values(), ids=FINITE.keys())


def signs(net, x):
    """The patterns of a finite network at x (points, in_features), by its own layers: bool, (points, units)."""
    found = []
    for layer in (m for m in net.modules() if not isinstance(m, nn.Sequential)):
        if isinstance(layer, nn.ReLU):
            found.append(x > 0)
        elif isinstance(layer, IAT):
            units = layer.points or len(layer.input_basis.breakpoints) - 1
            middles = torch.tensor([-1 + (2 * m + 1) / units for m in range(units)], dtype=torch.float64)
            found.append(x @ layer.input_basis(middles).T > 0)
        x = layer(x)
    return torch.cat(found, 1)


def along(start, stop, t):
    return start + t[:, None] * (stop - start)


def bends(net, start, stop, breakpoints):
    """How far the network is from linear between neighbouring breakpoints, at most."""
    middle = (breakpoints[1:] + breakpoints[:-1]) / 2
    ends = net(along(start, stop, breakpoints))
    return (net(along(start, stop, middle)) - (ends[1:] + ends[:-1]) / 2).abs().max().item()


def area(polygon):
    u, v = polygon.T
    return ((u * v.roll(-1) - v * u.roll(-1)).sum() / 2).item()


def lines(normals, offsets):
    """One ReLU for each line normal . (x, y) = offset."""
    layer = nn.Linear(2, len(normals)).double()
    layer.weight.data, layer.bias.data = normals, -offsets
    return nn.Sequential(layer, nn.ReLU())


def square(radius, *rest):
    """start, stop and third of the square [-radius, radius]^2, with further coordinates."""
    corners = [(-radius, -radius), (radius, -radius), (-radius, radius)]
    return [torch.tensor([*corner, *rest], dtype=torch.float64) for corner in corners]


# A segment


def test_one_hidden_layer_along_a_segment():
    net = network(nn.Linear(3, 40), nn.ReLU(), nn.Linear(40, 1))
    start, stop = points(2, 3)
    a, b = net[0](start), net[0](stop)
    crossed = a * b < 0
    expected = (a / (a - b))[crossed].sort().values
    found = region_breakpoints(net, start, stop)
    assert 5 < len(expected) == linear_regions(net, start, stop) - 1
    torch.testing.assert_close(found, torch.cat([numbers(0), expected, numbers(1)]))
    pattern = signs(net, along(start, stop, torch.linspace(0, 1, 20_001, dtype=torch.float64)))
    assert len(pattern.unique(dim=0)) == len(expected) + 1


@finite_network
@pytest.mark.parametrize("seed", range(4))
def test_pieces_of_a_segment_are_the_regions(make, seed):
    """Patterns are the same inside a piece and all different: regions are convex, so this is the count itself."""
    net = make(seed)
    start, stop = through(seed)
    ends = region_breakpoints(net, start, stop)
    assert linear_regions(net, start, stop) == len(ends) - 1 >= 4
    assert ends[0] == 0 and ends[-1] == 1 and (ends.diff() > 0).all()
    inside = ends[:-1, None] + ends.diff()[:, None] * torch.tensor([1e-3, 0.2, 0.5, 0.9, 0.999], dtype=torch.float64)
    pattern = signs(net, along(start, stop, inside.flatten())).unflatten(0, inside.shape)
    assert (pattern == pattern[:, :1]).all()
    assert len(pattern[:, 0].unique(dim=0)) == len(pattern)
    assert bends(net, start, stop, ends) < 1e-13


@pytest.mark.parametrize("depth", [1, 2, 5, 12])
def test_sawtooth(depth):
    """The tent map applied ``depth`` times has 2^depth pieces of equal length."""
    tent = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    tent[0].weight.data, tent[0].bias.data = torch.tensor([[1.0], [1.0]]), torch.tensor([0.0, -0.5])
    tent[2].weight.data, tent[2].bias.data = torch.tensor([[2.0, -4.0]]), torch.tensor([0.0])
    net = nn.Sequential(*[tent] * depth)
    assert linear_regions(net, torch.zeros(1), torch.ones(1)) == 2**depth
    found = region_breakpoints(net, torch.zeros(1), torch.ones(1))
    torch.testing.assert_close(found, torch.arange(2**depth + 1).double() / 2**depth, rtol=0, atol=1e-14)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(list(FINITE)), st.integers(0, 10**6), st.floats(0.05, 0.95))
def test_counts_of_two_parts_add(kind, seed, t):
    net = FINITE[kind](seed)
    start, stop = through(seed)
    middle = start + t * (stop - start)
    whole = linear_regions(net, start, stop)
    assert linear_regions(net, start, middle) + linear_regions(net, middle, stop) == whole + 1
    assert linear_regions(net, stop, start) == whole


def test_crossings_that_coincide_are_one():
    direction = points(1, 3, 3)[0]
    layer = nn.Linear(3, 7).double()
    layer.weight.data = direction * torch.tensor([1, 1, -1, 1 / 3, -0.7, 1e6, -1e-6])[:, None].double()
    layer.bias.data = layer.weight.data @ points(1, 3, 4)[0]
    start, stop = -points(1, 3, 4)[0] - direction, direction
    once = nn.Sequential(layer, nn.ReLU())
    assert linear_regions(once, start, stop) == 2
    # The next layers cross nothing where only the first one does, and where all of their input is zero.
    assert linear_regions(nn.Sequential(once, nn.ReLU(), nn.Identity(), nn.ReLU()), start, stop) == 2
    mix = network(nn.Linear(7, 20, bias=False), nn.ReLU(), nn.Linear(20, 20, bias=False), nn.ReLU())
    dead = nn.Sequential(network(nn.Linear(3, 7, bias=False), nn.ReLU()), mix)
    assert linear_regions(dead, -start, start) == 2  # a line through the origin, without biases: one bend


def test_crossings_that_nearly_coincide_are_two():
    layer = nn.Linear(1, 2).double()
    layer.weight.data, layer.bias.data = torch.ones(2, 1).double(), -0.5 - numbers(0, 1e-10)
    net = nn.Sequential(layer, nn.ReLU())
    assert linear_regions(net, torch.zeros(1), torch.ones(1)) == 3


@pytest.mark.parametrize("place", [0.495, 0.505])
def test_of_two_crossings_the_one_that_is_known_better_stays(place):
    """Terms of 1e10 cancel in the second unit: its crossing is known to 0.02, and within that it is the first one's."""
    layer = nn.Linear(2, 2).double()
    layer.weight.data, layer.bias.data = numbers([1, 0], [1, 1]), numbers(-0.5, -place - 1e10)
    found = region_breakpoints(nn.Sequential(layer, nn.ReLU()), numbers(0, 1e10), numbers(1, 1e10))
    torch.testing.assert_close(found, numbers(0, 0.5, 1))


def test_states_that_are_zero_but_for_rounding():
    """Rows that cancel the layer before: what rounding leaves of them is no state to be cut."""
    before, after = network(nn.Linear(1, 5)), nn.Linear(5, 8, bias=False).double()
    before[0].weight.data, before[0].bias.data = points(1, 5).abs().T, points(1, 5, 1)[0].abs()
    both = torch.stack([before[0].weight.data[:, 0], before[0].bias.data])
    after.weight.data = points(8, 5, 2) @ (torch.eye(5).double() - torch.linalg.pinv(both) @ both)
    mix = network(nn.Linear(8, 50, bias=False), nn.ReLU(), nn.Linear(50, 50, bias=False), nn.ReLU())
    net = nn.Sequential(before, nn.ReLU(), after, nn.ReLU(), mix)
    assert linear_regions(net, numbers(0), numbers(1)) == 1


def test_a_unit_that_touches_zero_adds_no_region():
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1), nn.ReLU()).double()
    net[0].weight.data, net[0].bias.data = torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([-0.3, 0.3]).double()
    net[2].weight.data, net[2].bias.data = torch.ones(1, 2).double(), torch.zeros(1).double()  # |t - 0.3|
    assert linear_regions(net, torch.zeros(1), torch.ones(1)) == 2
    net[2].bias.data -= 0.1
    assert linear_regions(net, torch.zeros(1), torch.ones(1)) == 4


# A plane


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_lines_in_general_position(count):
    normals, offsets = points(count, 2, 1), points(1, count, 2)[0]
    pairs = torch.combinations(torch.arange(count))
    crossings = torch.linalg.solve(normals[pairs], offsets[pairs][..., None]) if count > 1 else torch.ones(1)
    net, corners = lines(normals, offsets), square(2 * crossings.abs().max().item() + 2)
    assert linear_regions(net, *corners) == 1 + count + math.comb(count, 2)
    assert linear_regions(lines(normals, 0 * offsets), *corners) == 2 * count


@finite_network
@pytest.mark.parametrize("seed", range(2))
def test_polygons_are_the_regions(make, seed):
    net = make(seed)
    start, stop, third = points(3, 3, seed) * 2
    polygons = region_polygons(net, start, stop, third)
    assert linear_regions(net, start, stop, third) == len(polygons) > 15
    areas = [area(polygon) for polygon in polygons]
    assert min(areas) > 0 and math.isclose(sum(areas), 1, rel_tol=1e-12)
    patterns = []
    for n, polygon in enumerate(polygons):
        edges = polygon.roll(-1, 0) - polygon
        following = edges.roll(-1, 0)
        turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
        assert len(polygon) >= 3 and (turns > -1e-12).all()
        weight = torch.rand(20, len(polygon), generator=torch.Generator().manual_seed(n), dtype=torch.float64) + 1e-3
        places = (weight / weight.sum(1, keepdim=True)) @ polygon
        pattern = signs(net, start + places[:, :1] * (stop - start) + places[:, 1:] * (third - start))
        assert (pattern == pattern[0]).all()
        patterns.append(pattern[0])
    assert len(torch.stack(patterns).unique(dim=0)) == len(polygons)


@finite_network
def test_a_segment_in_the_patch_crosses_the_same_lines(make):
    net = make(5)
    start, stop, third = points(3, 3, 5)
    polygons = region_polygons(net, start, stop, third)
    bottom = [polygon for polygon in polygons if (polygon[:, 1] == 0).sum() >= 2]
    ends = torch.cat([polygon[polygon[:, 1] == 0, 0] for polygon in bottom]).sort().values
    torch.testing.assert_close(ends[1::2], region_breakpoints(net, start, stop)[1:], rtol=0, atol=1e-11)
    assert linear_regions(net, start, third, stop) == len(polygons)


# The midpoint transform


def arrangement(basis, nodes):
    """Regions of one midpoint layer of width 3, from three planes: those that meet x_3 = 0 are seen from both sides."""
    layer = IAT(3, input_basis=basis, method="midpoint", points=nodes)
    above, at, below = (linear_regions(layer, *square(1e3, height)) for height in (1.0, 0.0, -1.0))
    return above + below - at


def test_most_regions():
    assert max_linear_regions(3, 8) == 58
    assert [max_linear_regions(2, m) for m in (1, 2, 7)] == [2, 4, 14]
    assert max_linear_regions(9, 5) == 2**5  # more dimensions than nodes: every pattern
    assert arrangement("fourier", 8) == max_linear_regions(3, 8)
    assert arrangement("fourier", 7) == max_linear_regions(3, 7)
    assert arrangement("pwl", 8) == 46  # neighbours share the planes' directions: not in general position
    for basis, nodes, expected in (("fourier", 8, 58), ("pwl", 8, 46)):
        layer = IAT(3, input_basis=basis, method="midpoint", points=nodes)
        assert len(signs(nn.Sequential(layer), points(100_000, 3)).unique(dim=0)) == expected


@pytest.mark.parametrize("nodes", [2, 3, 8, 9, 64, 65])
def test_antipodal_nodes_share_a_line(nodes):
    layer = IAT(2, input_basis="fourier", output_basis="rect", method="midpoint", points=nodes)
    assert linear_regions(layer, *square(1.0)) == (nodes if nodes % 2 == 0 else max_linear_regions(2, nodes))


# The exact transform


@pytest.mark.parametrize("basis", CONTINUOUS)
def test_a_moving_pattern_has_infinitely_many_regions(basis):
    start, stop, third = points(3, 6)
    layer = IAT(6, input_basis=basis)
    assert linear_regions(layer, start, stop) == math.inf
    assert linear_regions(layer, start, stop, third) == math.inf
    with pytest.raises(ValueError, match="infinitely many"):
        region_breakpoints(layer, start, stop)
    with pytest.raises(ValueError, match="infinitely many"):
        region_polygons(layer, start, stop, third)
    behind = network(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6), layer)
    assert linear_regions(behind, start, stop) == math.inf


@pytest.mark.parametrize("basis", ["rect", *CONTINUOUS])
def test_a_line_through_the_origin_has_two_regions(basis):
    x = points(1, 6, 2)[0]
    layer = IAT(6, input_basis=basis)
    assert linear_regions(layer, -x, 3 * x) == 2
    torch.testing.assert_close(region_breakpoints(layer, -x, 3 * x), numbers(0, 0.25, 1))
    assert linear_regions(layer, x, 3 * x) == linear_regions(layer, 0 * x, x) == 1
    assert linear_regions(layer, -1e-30 * x, 3e-30 * x) == linear_regions(layer, -1e30 * x, 3e30 * x) == 2
    deep = network(layer, nn.Linear(6, 7, bias=False), IAT(7), nn.Linear(7, 8, bias=False), nn.ReLU())
    assert linear_regions(deep, -x, 3 * x) == 2
    # Later layers see the right map on either side.
    net = nn.Sequential(layer, *network(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 1), seed=1))
    ends = region_breakpoints(net, -5 * x, 5 * x)
    assert len(ends) > 5 and bends(net, -5 * x, 5 * x, ends) < 1e-13


def test_exact_rectangles_are_scalar_relu():
    relu = relu_network()
    rect = nn.Sequential(*relu)
    for place, width in ((1, 12), (3, 11), (5, 9)):
        rect[place] = IAT(width, input_basis="rect", output_basis="rect")
    start, stop, third = points(3, 3)
    assert torch.equal(region_breakpoints(relu, start, stop), region_breakpoints(rect, start, stop))
    assert linear_regions(relu, start, stop, third) == linear_regions(rect, start, stop, third)


@pytest.mark.parametrize("basis", ["pwl", "pwq"])
def test_a_cone_where_the_pattern_stands_still(basis):
    start, *further = points(3, 6).abs() + 0.01
    stop, third = (start + way for way in further)  # the corner opposite start is positive too
    layer = IAT(6, input_basis=basis)
    for sign in (1, -1):
        assert linear_regions(layer, sign * start, sign * stop) == 1
        assert linear_regions(layer, sign * start, sign * stop, sign * third) == 1
    net = nn.Sequential(layer, *network(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 1), seed=3))
    ends = region_breakpoints(net, start, stop)
    assert len(ends) > 3 and bends(net, start, stop, ends) < 1e-13
    assert len(region_polygons(net, start, stop, third)) >= len(ends) - 1
    stop[3] = -5
    assert linear_regions(layer, start, stop) == math.inf


def test_roots_that_stand_still():
    layer = IAT(5, input_basis="pwl")
    start = numbers(1, 2, -1, -1, -1)
    assert linear_regions(layer, start, numbers(3, 2, -1, -1, -2)) == 1  # its root lies between nodes 1 and 2
    assert linear_regions(layer, start, numbers(3, 2.1, -1, -1, -1)) == math.inf
    assert linear_regions(layer, numbers(1, 0, 1, 1, 1), numbers(1, 1, 1, 1, 1)) == 1  # touches zero, and leaves it
    assert linear_regions(layer, numbers(1, 0, 1, 1, 1), numbers(1, -1, 1, 1, 1)) == math.inf
    assert linear_regions(layer, numbers(0, 0, 0, 1, 1), numbers(1, 1, 0, 1, 1)) == 1  # zero on a cell, then positive
    double = IAT(3, input_basis=PiecewisePolynomial([-1, 1], [[[1, -4, 4]], [[1, 0, 0]], [[0, 1, 0]]]))
    assert linear_regions(double, numbers(1, 0, 0), numbers(1, 1, 0)) == 1  # 4 s^2: a double root in the middle
    assert linear_regions(double, numbers(1, 0, 0), numbers(1, -1, 0)) == math.inf
    assert linear_regions(double, numbers(1, 0, 0), numbers(1, -0.05, 0)) == math.inf


def test_cells_that_flip_one_by_one():
    tents = PiecewisePolynomial([-1, 0, 1], [[[0, 1], [0, 0]], [[0, 0], [1, -1]]])  # on [-1, 0], and on [0, 1]
    layer = IAT(2, input_basis=tents, output_basis="rect")
    assert linear_regions(layer, torch.tensor([-1.0, -2.0]), torch.tensor([1.0, 1.0])) == 3
    assert linear_regions(layer, *square(1.0)) == 4
    net = nn.Sequential(nn.Linear(2, 1), IAT(1, input_basis="fourier", output_basis="rect"))
    assert linear_regions(net, *square(10.0)) == 2  # width 1: the whole pattern flips


def test_constant_cells_beside_moving_ones():
    """Ones on the left half, and a hat that rises on the right one: only the right half can move."""
    basis = PiecewisePolynomial([-1, 0, 1], [[[1, 0], [0, 0]], [[0, 0], [1, 0]], [[0, 0], [0, 1]]])
    layer = IAT(3, input_basis=basis)
    assert linear_regions(layer, numbers(-1, 1, 2), numbers(1, 2, 1)) == 2
    assert linear_regions(layer, numbers(-1, 1, -2), numbers(1, 2, -3)) == math.inf
    assert linear_regions(layer, numbers(-1, 1, -2), numbers(1, 2, -4)) == 2  # the root at 1/2 stays


# Bad input, and what stays as it was


def test_points_that_are_refused():
    net, (start, stop) = relu_network(), points(2, 3)
    with pytest.raises(ValueError, match="start and stop are the same point"):
        linear_regions(net, start, start.clone())
    with pytest.raises(ValueError, match="on one line"):
        linear_regions(net, start, stop, start + 2 * (stop - start))
    with pytest.raises(ValueError, match="on one line"):
        linear_regions(net, start, stop, start)
    with pytest.raises(ValueError, match=r"stop must be \(\.\.\., 3\); got \(4,\)"):
        linear_regions(net, start, torch.zeros(4))
    with pytest.raises(ValueError, match=r"start must be one point, \(3,\); got \(2, 3\)"):
        linear_regions(net, points(2, 3), stop)
    with pytest.raises(ValueError, match=r"start must be \(\.\.\., 3\); got \(\)"):
        linear_regions(net, torch.tensor(1.0), stop)
    with pytest.raises(ValueError, match="third has 1 non-finite value; the first is at \\(1,\\)"):
        linear_regions(net, start, stop, torch.tensor([0, math.nan, 1]))
    with pytest.raises(ValueError, match="stop has 3 non-finite values"):
        linear_regions(net, start, stop / 0)
    with pytest.raises(TypeError, match="start must be a real floating-point tensor; got list"):
        linear_regions(net, [0, 0, 0], stop)
    with pytest.raises(TypeError, match="stop must be a real floating-point tensor; got torch.int64"):
        linear_regions(net, start, torch.arange(3))
    with pytest.raises(ValueError, match="too far apart"):
        linear_regions(net, -1e308 * torch.ones(3).double(), 1e308 * torch.ones(3).double())
    with pytest.raises(ValueError, match=r"stop must be \(\.\.\., 3\)"):
        linear_regions(nn.ReLU(), start, torch.zeros(2))
    with pytest.raises(ValueError, match="same point"):
        linear_regions(nn.ReLU(), torch.zeros(0), torch.zeros(0))


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    "layer, name",
    [(nn.Tanh(), "Tanh"), (nn.LeakyReLU(), "LeakyReLU"), (Doubled(3, 3), "Doubled"), (nn.Dropout(), "Dropout")],
)
def test_modules_that_are_refused(layer, name):
    start, stop = points(2, 3)
    net = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.ReLU(), layer))
    with pytest.raises(TypeError, match=rf"network\[1\]\[1\] is {name}: .*Sequential, Linear, ReLU, IAT"):
        linear_regions(net, start, stop)


def test_networks_that_are_refused():
    start, stop = points(2, 3)
    with pytest.raises(TypeError, match=r"network\[0\] is an IAT with activation=tanh"):
        linear_regions(nn.Sequential(IAT(3, activation="tanh", method="midpoint")), start, stop)
    with pytest.raises(TypeError, match="network must be an nn.Module; got builtin"):
        linear_regions(torch.relu, start, stop)
    with pytest.raises(ValueError, match=r"network\[2\] takes 5 features, and 4 come to it"):
        linear_regions(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), IAT(5)), start, stop)
    net = relu_network()
    net[2].weight.data[1, 2] = math.nan
    with pytest.raises(ValueError, match=r"the weight of network\[2\] has 1 non-finite .* at \(1, 2\)"):
        linear_regions(net, start, stop)
    big = network(nn.Linear(3, 3), nn.Linear(3, 3))
    big[0].weight.data *= 1e200
    big[1].weight.data *= 1e200
    with pytest.raises(ValueError, match=r"network\[1\]: .*overflow float64"):
        linear_regions(big, start, stop)


def test_counts_that_are_refused():
    for width, nodes in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match="must be at least 1"):
            max_linear_regions(width, nodes)
    with pytest.raises(TypeError, match="points must be an integer"):
        max_linear_regions(3, 2.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_network_stays_as_it_was(dtype):
    net = midpoint_network().to(dtype).train()
    before = copy.deepcopy(net.state_dict())
    start, stop = points(2, 3).to(dtype)
    count = linear_regions(net, start.requires_grad_(), stop)
    assert count == linear_regions(copy.deepcopy(net).double(), start.detach().double(), stop.double())
    assert net.training and all(p.requires_grad and p.grad is None and p.dtype == dtype for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_layers_that_change_nothing_and_layers_alone():
    start, stop = points(2, 3)
    assert linear_regions(nn.Linear(3, 5), start, stop) == linear_regions(nn.Sequential(), start, stop) == 1
    assert linear_regions(nn.ReLU(), -start.abs(), start.abs()) == 2  # all three cross at the origin
    shared = nn.ReLU()
    layers = relu_network()
    rest = nn.Sequential(nn.Identity(), layers[2], nn.Sequential(shared, layers[4]), shared)
    again = nn.Sequential(nn.Flatten(), layers[0], shared, rest)
    assert linear_regions(again, start, stop) == linear_regions(layers, start, stop)


@pytest.mark.parametrize("make", [relu_network, midpoint_network, lambda: exact_network("rect")])
def test_blocks_change_nothing(make, monkeypatch):
    net, (start, stop, third) = make(), points(3, 3)
    ends, polygons = region_breakpoints(net, start, stop), region_polygons(net, start, stop, third)
    monkeypatch.setattr(_linear_regions, "_HELD", 1)  # one piece at a time
    torch.testing.assert_close(region_breakpoints(net, start, stop), ends, rtol=0, atol=1e-15)
    areas = [sorted(map(area, p)) for p in (polygons, region_polygons(net, start, stop, third))]
    assert len(areas[0]) == len(areas[1])
    assert all(math.isclose(a, b, abs_tol=1e-12) for a, b in zip(*areas, strict=True))
