"""Linear regions of networks of small integers, where lines coincide and meet, against a count in fractions."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from relunb.iat import (
    IAT,
    PWL,
    PWQ,
    Fourier,
    Mixed,
    PWLWavelet,
    linear_regions,
    region_breakpoints,
    region_polygons,
)

UNITS = [Fraction(0), Fraction(1)]
SQUARE = [(0, 0), (1, 0), (1, 1), (0, 1)]


def split(piece, unit):
    """The parts of a convex piece, a list of corners (place, values), where values[unit] has one sign."""
    values = [corner[1][unit] for corner in piece]
    if not min(values) < 0 < max(values):
        return [piece]
    parts = []
    for sign in (1, -1):
        part = []
        for (place, numbers), (next_place, next_numbers) in zip(piece, [*piece[1:], piece[0]], strict=True):
            here, there = sign * numbers[unit], sign * next_numbers[unit]
            if here >= 0:
                part.append((place, numbers))
            if here * there < 0:
                t = here / (here - there)
                part.append(tuple([a + t * (b - a) for a, b in zip(*pair, strict=True)] for pair in
                                  ((place, next_place), (numbers, next_numbers))))  # fmt: skip
        parts.append([corner for n, corner in enumerate(part) if corner[0] != part[n - 1][0]])
    return parts


def pieces(layers, corners):
    """The linear regions of ReLU after each affine layer (weights, biases): corners with their places."""
    origin, *others = corners
    places = [[t] for t in UNITS] if len(corners) == 2 else SQUARE
    ways = [[b - a for a, b in zip(origin, other, strict=True)] for other in others]
    start = [([Fraction(t) for t in place],
              [a + sum(t * way[i] for t, way in zip(place, ways, strict=True)) for i, a in enumerate(origin)])
             for place in places]  # fmt: skip
    found = [([], start)]
    for weights, biases in layers:
        following = []
        for pattern, piece in found:
            parts = [[(place, [sum(w * v for w, v in zip(row, numbers, strict=True)) + b
                               for row, b in zip(weights, biases, strict=True)])
                      for place, numbers in piece]]  # fmt: skip
            for unit in range(len(biases)):
                parts = [part for whole in parts for part in split(whole, unit)]
            for part in parts:
                signs = [any(numbers[unit] > 0 for _, numbers in part) for unit in range(len(biases))]
                relu = [(place, [v if on else Fraction(0) for v, on in zip(numbers, signs, strict=True)])
                        for place, numbers in part]  # fmt: skip
                following.append((pattern + signs, relu))
        found = following
    assert len({tuple(pattern) for pattern, _ in found}) == len(found)
    return [[place for place, _ in piece] for _, piece in found]


def area(polygon):
    following = [*polygon[1:], polygon[0]]
    return sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(polygon, following, strict=True)) / 2


def family(kind, rng, rows, columns):
    """Weights that make lines coincide, turn round, meet in one point or vanish."""
    if kind == "integers":
        return rng.integers(-2, 3, (rows, columns))
    if kind == "one-hot":
        return np.eye(columns, dtype=int)[rng.integers(0, columns, rows)] * rng.choice([-2, -1, 1, 2], (rows, 1))
    half = rng.integers(-2, 3, (rows, columns))
    return half + (half[:, ::-1] if kind == "symmetric" else -half[::-1])


def network(kind, seed, activation):
    """A network of two hidden layers, the same in whole numbers, and corners that are states of small integers."""
    rng = np.random.default_rng(seed)
    shapes = [(4, 2), (4, 4)]
    weights = [family(kind, rng, *shape) for shape in shapes]
    biases = [rng.integers(-1, 2, rows) * rng.integers(0, 2) for rows, _ in shapes]
    layers, rows = [], []
    for weight, bias in zip(weights, biases, strict=True):
        linear = nn.Linear(*weight.T.shape).double()
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))
        difference = np.eye(4, dtype=int)
        if activation == "rect-w":  # on a cell the state is a number minus the one before
            difference = difference - np.roll(difference, -1, 1)
        layers += [linear, nn.ReLU() if activation == "relu" else IAT(4, 4, activation, "rect")]
        rows.append((difference @ weight, difference @ bias))
    whole = [([list(map(Fraction, map(int, row))) for row in w], list(map(Fraction, map(int, b)))) for w, b in rows]
    while True:
        corners = rng.integers(-3, 4, (3, 2))
        if np.linalg.matrix_rank(corners[1:] - corners[0]) == 2:
            return nn.Sequential(*layers), whole, corners


@pytest.mark.parametrize("activation", ["relu", "rect", "rect-w"])
@pytest.mark.parametrize("kind", ["integers", "one-hot", "symmetric", "antisymmetric"])
def test_regions_are_those_counted_in_fractions(kind, activation):
    for seed in range(8):
        net, whole, corners = network(kind, seed, activation)
        ends = [torch.from_numpy(corner).double() for corner in corners]
        exact = [[Fraction(int(v)) for v in corner] for corner in corners]
        segment, patch = pieces(whole, exact[:2]), pieces(whole, exact)
        places = sorted({float(place[0]) for piece in segment for place in piece})
        assert linear_regions(net, *ends[:2]) == len(segment)
        torch.testing.assert_close(region_breakpoints(net, *ends[:2]).tolist(), places, rtol=0, atol=4e-16)
        assert linear_regions(net, *ends) == len(patch)
        ours = sorted(area(polygon.tolist()) for polygon in region_polygons(net, *ends))
        torch.testing.assert_close(ours, sorted(float(area(polygon)) for polygon in patch), rtol=0, atol=4e-16)
        for side in (-np.inf, np.inf):  # lines that met or coincided do, but for a rounding
            with torch.no_grad():
                for layer in (m for m in net.modules() if isinstance(m, nn.Linear)):
                    moved = torch.nextafter(layer.weight, layer.weight.new_tensor(side))
                    layer.weight.copy_(torch.where(layer.weight == 0, 0, moved))
            assert (linear_regions(net, *ends[:2]), linear_regions(net, *ends)) == (len(segment), len(patch))


CONTINUOUS = [PWL(3), PWL(4), PWQ(3), PWLWavelet(3), Fourier(2), Fourier(3), Mixed(PWL(2), Fourier(1))]


@pytest.mark.parametrize("p", CONTINUOUS, ids=repr)
def test_a_pattern_of_small_integers_moves_or_stands_still(p):
    """Patterns of 97 states of a segment at 1201 places: a few of them, or ever new ones."""
    layer, rng = IAT(p.size, 2, p, "rect"), np.random.default_rng(1)
    t = (np.arange(97) + 0.5 + 0.3 * np.sin(np.arange(97))) / 97
    s = -1 + 2 * (np.arange(1201) + 0.5 + 0.3 * np.sin(np.arange(1201))) / 1201
    values = p(torch.from_numpy(s)).numpy()
    counts = set()
    for n in range(45):
        start, stop = rng.integers(-2, 3, (2, p.size))
        if n % 3 == 0:
            stop = rng.integers(-2, 3) * start  # through the origin, or on a ray
        if n % 3 == 1:
            start, stop = np.eye(p.size)[rng.integers(0, p.size, 2)] * rng.choice([-1, 1, 2], (2, 1))
        if (start == stop).all():
            continue
        states = start + t[:, None] * (stop - start)
        patterns = states @ values.T > 1e-12
        expected = 1 + int((patterns[1:] != patterns[:-1]).any(1).sum())
        ours = linear_regions(layer, *(torch.from_numpy(np.asarray(x, dtype=np.float64)) for x in (start, stop)))
        assert ours == (expected if expected <= 4 else np.inf), (start, stop)
        counts.add(ours)
    assert {1, 2, np.inf} <= counts
