"""Linear regions of a ReLU network along a segment and in a plane: pieces on which no ReLU's pattern changes.

On a piece the network is affine, so each piece has one affine map of its coordinates, t or (u, v), to a layer's state.
Layer by layer a piece is cut where a state changes its sign, and each part gets its own map. The state of a node or of
a scalar ReLU is one number, zero at one point of a segment or on one line of a plane. The state of an exact transform
is a function. On each cell of its basis it changes its sign everywhere at once (it is a number times a fixed function),
or its roots move, and then the regions are infinitely many.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .._checks import check_count, check_finite, check_known, check_points
from .._scaling import power_of_two
from ._basis import Basis, PiecewisePolynomial
from ._cells import ConstantCells, constant_cells, sizes, times
from ._pattern import activation_matrix, activation_pattern
from ._transform import IAT

# A state below this part of the sum of its terms' magnitudes is zero: float64 rounds 4000 times finer, and cuts that
# coincide in exact arithmetic (antipodal nodes, rays through the origin) differ by such roundings.
_ROUNDING = 1e-12
# Numbers that a block of pieces holds at a time: 16 MiB of float64.
_HELD = 1 << 21
# Numbers that the maps behind one layer may have: 2 GiB of float64.
_MOST = 1 << 28


def linear_regions(network: nn.Module, start: Tensor, stop: Tensor, third: Tensor | None = None) -> int | float:
    """How many linear regions of a ReLU network a segment crosses, or a plane patch meets. Exact, not sampled.

    A region is a piece on which no ReLU changes its pattern: the network is linear there. Patterns are counted, so two
    neighbours may carry the same linear map, as where the next weights are zero.

    A pattern is the signs of the states: of each neuron for ReLU, at the M nodes of ``IAT(..., method="midpoint")``, on
    the cells of an exact transform with "rect" or "rect-w" input. The pattern of an exact transform with continuous
    input functions is a set whose ends move: then the answer is infinity, unless the set stands still along each piece
    (inside the positive cone of "pwl", say) or flips as a whole (on a line through the origin).

    Args:
        network: ``nn.Sequential``, nested or not, of ``nn.Linear``, ``nn.ReLU``, :class:`relunb.IAT` with ReLU,
            ``nn.Flatten`` and ``nn.Identity``; or one of these. Computed in float64 from a copy of its weights.
        start: (in_features,), where the segment begins, or a corner of the patch.
        stop: (in_features,), where the segment ends, or the corner after ``start``.
        third: None for the segment. Else (in_features,), the other corner beside ``start``, of the parallelogram
            ``start + u (stop - start) + v (third - start)`` with u and v in [0, 1].

    Returns:
        The number of regions, at least 1, or ``math.inf``. A state below 1e-12 of the terms it is the sum of counts as
        zero, so what is narrower than that is not seen.

    Raises:
        TypeError: another kind of module, named with its place, or points that are not floating-point tensors.
        ValueError: points of another size or not finite, a segment without length, a patch without area, layers that do
            not fit one another, or weights that are not finite.

    Example:
        >>> relu = IAT(2, input_basis="rect", output_basis="rect")
        >>> linear_regions(relu, torch.tensor([-1.0, -3.0]), torch.tensor([1.0, 1.0]))
        3

    Source: Zhang, Bao and Zhang (2023), Sections 4.2.2 and 4.3. Chapter :doc:`/book/iat/activation-pattern`.
    """
    pieces = _regions(network, [start, stop] if third is None else [start, stop, third])
    return math.inf if pieces is None else len(pieces.maps)


def region_breakpoints(network: nn.Module, start: Tensor, stop: Tensor) -> Tensor:
    """Where a segment passes from one linear region to the next: the geometry behind :func:`linear_regions`.

    Args:
        network, start, stop: see :func:`linear_regions`.

    Returns:
        Tensor (regions + 1,), float64, the parameters t from 0 to 1 of the points ``start + t (stop - start)``.

    Raises:
        ValueError: there are infinitely many regions; and see :func:`linear_regions`.

    Example:
        >>> relu = IAT(2, input_basis="rect", output_basis="rect")
        >>> region_breakpoints(relu, torch.tensor([-1.0, -3.0]), torch.tensor([1.0, 1.0])).tolist()
        [0.0, 0.5, 0.75, 1.0]

    Source: Zhang, Bao and Zhang (2023), Section 4.3. Chapter :doc:`/book/iat/activation-pattern`.
    """
    corners = _finitely_many(_regions(network, [start, stop])).corners[..., 0]
    return torch.cat([corners[:, 0], corners[-1:, 1]])


def region_polygons(network: nn.Module, start: Tensor, stop: Tensor, third: Tensor) -> list[Tensor]:
    """The convex polygons in which a plane patch meets the linear regions: for pictures of :func:`linear_regions`.

    Args:
        network, start, stop, third: see :func:`linear_regions`.

    Returns:
        One tensor (corners, 2) of float64 for each region, in no order. It has the corners (u, v), counterclockwise, of
        the points ``start + u (stop - start) + v (third - start)``. Together they fill the unit square.

    Raises:
        ValueError: there are infinitely many regions; and see :func:`linear_regions`.

    Example:
        >>> relu = IAT(2, input_basis="rect", output_basis="rect")
        >>> corners = [torch.tensor(corner) for corner in ([-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0])]
        >>> len(region_polygons(relu, *corners))  # one a quadrant
        4

    Source: Zhang, Bao and Zhang (2023), Section 4.3. Chapter :doc:`/book/iat/activation-pattern`.
    """
    pieces = _finitely_many(_regions(network, [start, stop, third]))
    return [corners[:n] for corners, n in zip(pieces.corners, pieces.count.tolist(), strict=True)]


def max_linear_regions(width: int, points: int) -> int:
    """The most linear regions that one midpoint transform without a bias can have: 2 sum_(i < width) C(points - 1, i).

    Its nodes cut the space of x by ``points`` planes through the origin, and that is how many parts planes in general
    position make. "fourier" of odd width reaches it, "pwl" does not, nor does "fourier" of width 2 with an even number
    of points, where antipodal nodes share a plane.

    Args:
        width: in_features of the transform.
        points: nodes of the midpoint rule.

    Raises:
        TypeError: an argument that is not an integer.
        ValueError: an argument below 1, or a number of too many digits to be summed.

    Example:
        >>> max_linear_regions(3, 8), max_linear_regions(10**9, 3)
        (58, 8)

    Source: Cover (1965), for Section 4.3 of Zhang, Bao and Zhang (2023). Chapter :doc:`/book/iat/activation-pattern`.
    """
    check_count("width", width)
    check_count("points", points)
    if width >= points:
        terms, bits = 1, float(points)  # every pattern
    else:
        terms, bits = width, _bits(points - 1, min(width - 1, (points - 1) // 2))
    if terms * bits > 4e9:
        digits = f"about {bits * math.log10(2):.2g}"
        raise ValueError(f"width={width} and points={points}: the number has {digits} digits, too many to be summed.")
    if width >= points:
        return 1 << points
    number = term = 1
    for i in range(1, width):
        term = term * (points - i) // i
        number += term
    return 2 * number


def _bits(n: int, k: int) -> float:
    """The base-2 logarithm of C(n, k)."""
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2)


@dataclass
class _Pieces:
    """Segments or convex polygons, each with the affine map to the layer's state: maps[0] + t maps[1] on a segment."""

    corners: Tensor  # (pieces, most, r), r = 1 for a segment and 2 for a plane; filled up with the first corner
    count: Tensor  # (pieces,): corners that are no filling
    maps: Tensor  # (pieces, 1 + r, features)
    size: Tensor  # (pieces, features): magnitudes whose sum a state is, which its rounding is measured against

    def split(self, rows: int) -> Iterator["_Pieces"]:
        fields = (self.corners, self.count, self.maps, self.size)
        return (_Pieces(*block) for block in zip(*(t.split(rows) for t in fields), strict=True))


class _Affine(NamedTuple):
    weight: Tensor  # (in, out)
    bias: Tensor  # (out,)


class _Exact(NamedTuple):
    p: Basis
    q: Basis


class _Scale(NamedTuple):
    by: Tensor  # (out,)


_Layer = _Affine | _Scale | ConstantCells | _Exact  # constant cells: scalar ReLU, midpoint nodes, exact rectangles


def _regions(network: nn.Module, ends: list[Tensor]) -> _Pieces | None:
    """The pieces of a segment (two ends) or a patch (three); None where there are infinitely many."""
    names = ("start", "stop", "third")[: len(ends)]
    layers, width = _layers(network)
    if width is None and isinstance(ends[0], Tensor) and ends[0].ndim:
        width = ends[0].shape[-1]  # no layer asks for another one
    for name, end in zip(names, ends, strict=True):
        check_points(name, end, 1 if width is None else width)
        if end.ndim != 1:
            raise ValueError(f"{name} must be one point, ({width},); got {tuple(end.shape)}.")
        check_known(**{name: end})
        check_finite(name, end)
    origin, *others = (end.detach().cpu().double() for end in ends)
    maps = torch.stack([origin, *(other - origin for other in others)])[None]
    _check_extent(maps[0, 1:], names)
    corners = [[0.0], [1.0]] if len(ends) == 2 else [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    pieces = _Pieces(
        torch.tensor([corners], dtype=torch.float64), torch.tensor([len(corners)]), maps, maps.abs().sum(1)
    )
    last = max((i for i, (_, layer) in enumerate(layers) if not isinstance(layer, _Affine | _Scale)), default=-1)
    for i, (name, layer) in enumerate(layers):
        if i == last and isinstance(layer, ConstantCells):  # no map is needed behind the last cut
            return _through(layer, pieces, _last_cells)
        found = _through(layer, pieces, _exact if isinstance(layer, _Exact) else _cells)
        if found is None:
            return None
        pieces = found
        if not (pieces.maps.isfinite().all() and pieces.size.isfinite().all()):
            raise ValueError(f"{name}: the network's values overflow float64 between these points.")
    return pieces


def _check_extent(directions: Tensor, names: tuple[str, ...]) -> None:
    size = directions.abs().sum(1, keepdim=True)
    if not size.isfinite().all():
        raise ValueError(f"{', '.join(names)} lie too far apart for float64.")
    if len(names) == 2 and not size.all():
        raise ValueError("start and stop are the same point: there is no segment between them.")
    if len(names) == 3 and not (size.all() and torch.linalg.matrix_rank(directions / size, rtol=_ROUNDING) == 2):
        raise ValueError("start, stop and third lie on one line: there is no patch between them.")


def _finitely_many(pieces: _Pieces | None) -> _Pieces:
    if pieces is None:
        raise ValueError("there are infinitely many regions: the pattern of an exact transform moves.")
    return pieces


# The network, as float64 layers


def _layers(network: nn.Module) -> tuple[list[tuple[str, _Layer]], int | None]:
    """The layers with their names, and the width of the input where a layer tells it."""
    layers: list[tuple[str, _Layer]] = []
    first = width = None
    for name, module in _flat(network, "network"):
        layer = _layer(name, module)
        if layer is not None:
            layers.append((name, layer))
        if isinstance(module, IAT) and not module.normalized:
            layers.append((name, _Scale(module.output_basis.l1_norms)))
        if isinstance(module, nn.Linear | IAT):
            if width not in (None, module.in_features):
                raise ValueError(f"{name} takes {module.in_features} features, and {width} come to it.")
            first, width = (module.in_features if first is None else first), module.out_features
    return layers, first


def _flat(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    if not isinstance(module, nn.Module):
        raise TypeError(f"{name} must be an nn.Module; got {type(module).__name__}.")
    if _is(module, nn.Sequential):
        for i, child in enumerate(module):  # pyright: ignore[reportArgumentType]
            yield from _flat(child, f"{name}[{i}]")
    else:
        yield name, module


def _is(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether the module computes what ``kind`` does: a subclass may, if it has no ``forward`` of its own."""
    return type(module).forward is kind.forward


def _layer(name: str, module: nn.Module) -> _Layer | None:
    """None for a module that changes nothing."""
    if isinstance(module, nn.Linear) and _is(module, nn.Linear):
        check_known(**{f"the weight of {name}": module.weight})
        weight = module.weight.detach().cpu().double()
        bias = weight.new_zeros(len(weight)) if module.bias is None else module.bias.detach().cpu().double()
        check_finite(f"the weight of {name}", weight)
        check_finite(f"the bias of {name}", bias)
        return _Affine(weight.T, bias)
    if _is(module, nn.ReLU):
        return ConstantCells(None, None)
    if isinstance(module, IAT) and _is(module, IAT):
        p, q = module.input_basis, module.output_basis
        if module.activation != "relu":
            raise TypeError(
                f"{name} is an IAT with activation={module.activation}: regions are linear for 'relu' only."
            )
        if module.points is not None:
            s = (torch.arange(module.points, dtype=torch.float64) * 2 + 1) / module.points - 1
            return ConstantCells(p(s).T, q(s) / q.l1_norms * (2 / module.points))
        return constant_cells(p, q) if isinstance(p, PiecewisePolynomial) and p.degree == 0 else _Exact(p, q)
    if _is(module, nn.Flatten) or _is(module, nn.Identity):
        return None
    raise TypeError(
        f"{name} is {type(module).__name__}: linear regions are counted for Sequential, Linear, ReLU, IAT, Flatten and "
        "Identity."
    )


# One layer: cut the pieces, and find the map on each


def _through(layer: _Layer, pieces: _Pieces, step: Callable[[Any, _Pieces], _Pieces | None]) -> _Pieces | None:
    if isinstance(layer, _Affine):
        maps = pieces.maps @ layer.weight
        maps[:, 0] += layer.bias
        return _Pieces(pieces.corners, pieces.count, maps, pieces.size @ layer.weight.abs() + layer.bias.abs())
    if isinstance(layer, _Scale):
        return _Pieces(pieces.corners, pieces.count, pieces.maps * layer.by, pieces.size * layer.by)
    corners, features = pieces.corners.shape[1], pieces.size.shape[1]
    if isinstance(layer, _Exact):
        p = layer.p  # at 16 nodes for each edge of a corner's pattern, a row of basis values
        numbers = 16 * corners * (len(p.breakpoints) + 4 * p.harmonics) * features
    else:
        numbers = 4 * corners * (features if layer.values is None else layer.values.shape[1])
    blocks = []
    for block in pieces.split(max(1, _HELD // numbers)):
        found = step(layer, block)
        if found is None:
            return None
        blocks.append(found)
    most = max(block.corners.shape[1] for block in blocks)
    corners = torch.cat([_filled(block.corners, most) for block in blocks])
    return _Pieces(corners, *(torch.cat([getattr(b, name) for b in blocks]) for name in ("count", "maps", "size")))


def _states(layer: ConstantCells, pieces: _Pieces) -> tuple[Tensor, Tensor]:
    """values^T h, and the margin within which it is zero."""
    if layer.values is None:
        return pieces.maps, _ROUNDING * pieces.size
    return times(pieces.maps, layer.values), _ROUNDING * times(pieces.size, sizes(layer.values))


def _last_cells(layer: ConstantCells, pieces: _Pieces) -> _Pieces:
    """The parts alone, without a map on them."""
    corners, count, _ = _cut(pieces, *_states(layer, pieces))
    nothing = corners.new_zeros(len(corners), 0)
    return _Pieces(corners, count, nothing, nothing)


def _cells(layer: ConstantCells, pieces: _Pieces) -> _Pieces:
    """ReLU of numbers: values^T h, activated, and pooled by the weights."""
    maps, margin = _states(layer, pieces)
    corners, count, source = _cut(pieces, maps, margin)
    numbers = len(source) * maps[0].numel()
    if numbers > _MOST:
        raise ValueError(
            f"{len(source)} regions with a map to {maps.shape[-1]} states each take {8 * numbers / 2**30:.0f} GiB, "
            f"more than {8 * _MOST >> 30}: take less of the input space, or narrower layers before the last one."
        )
    maps = maps[source]
    maps = maps * (_at(_center(corners, count), maps) > margin[source, None])
    size = maps.abs().sum(1)
    if layer.weights is not None:
        maps, size = times(maps, layer.weights), times(size, sizes(layer.weights))
    return _Pieces(corners, count, maps, size)


def _exact(layer: _Exact, pieces: _Pieces) -> _Pieces | None:
    """The exact transform: y = A(D) h with one set D for each piece, or None where D moves."""
    unit = power_of_two(pieces.size, 1)  # squares of large and of small numbers are none that float64 holds
    pieces = _Pieces(pieces.corners, pieces.count, pieces.maps / unit[:, None], pieces.size / unit)
    p, cells = layer.p, len(layer.p.breakpoints) - 1
    # As many values on each cell as determine a function of the basis there.
    most = p.degree + 1 + 2 * p.harmonics
    place = (torch.arange(most, dtype=torch.float64) + 0.5) / most
    table = p((p.breakpoints[:-1, None] + p.breakpoints.diff()[:, None] * place).flatten()).T
    margin = _ROUNDING * (pieces.size @ table.abs()).unflatten(-1, (cells, most)).norm(dim=-1)
    maps = (pieces.maps @ table).unflatten(-1, (cells, most))
    values = _at(pieces.corners, maps.flatten(2)).unflatten(-1, (cells, most))  # (pieces, corners, cells, most)
    # A cell whose state is a number times one function, whatever the corner, flips as a whole where that number does.
    largest = values.norm(dim=-1).argmax(1)[:, None, :, None].expand(-1, 1, -1, most)
    function = nn.functional.normalize(values.gather(1, largest), dim=-1, eps=1e-300)
    rest = values - (values * function).sum(-1, keepdim=True) * function
    flips = (rest.norm(dim=-1) <= margin[:, None]).all(1)
    if _moves(p, pieces, ~flips):
        return None
    corners, count, source = _cut(pieces, (maps * function).sum(-1) * flips[:, None], margin)
    maps, size = pieces.maps[source], pieces.size[source]
    pattern = activation_pattern(_at(_center(corners, count), maps).squeeze(1), p)
    matrix = activation_matrix(pattern, p, layer.q)
    unit = unit[source]
    size = (size[:, None] @ matrix.abs().mT).squeeze(1)
    return _Pieces(corners, count, maps @ matrix.mT * unit[:, None], size * unit)


def _moves(p: Basis, pieces: _Pieces, cells: Tensor) -> bool:
    """Whether somewhere on these cells, (pieces, cells), two corners of a piece have states of opposite signs."""
    rows = cells.any(1).nonzero().squeeze(1)
    states = _at(pieces.corners, pieces.maps)[rows]
    edges = activation_pattern(states, p).edges.flatten(1)
    # No state changes its sign between two of these edges: a pattern has no edge where a state leaves zero for the sign
    # that it had before, and this happens at breakpoints only. Not the middle: there it may touch zero.
    edges = torch.cat([edges, p.breakpoints.to(edges).expand(len(edges), -1)], 1).sort(1).values
    s = edges[:, :-1] + 0.38 * edges.diff(dim=1)
    basis = p(s)
    values, margin = basis @ states.mT, _ROUNDING * (basis.abs() @ pieces.size[rows, :, None])
    opposite = (values > margin).any(-1) & (values < -margin).any(-1)
    cell = torch.searchsorted(p.breakpoints[1:-1].contiguous(), s, right=True)
    return bool((opposite & cells[rows].gather(1, cell)).any())


def _at(places: Tensor, maps: Tensor) -> Tensor:
    """The values (pieces, places, features) of the pieces' maps at places (pieces, places, r)."""
    values = maps[:, :1]
    for i in range(places.shape[-1]):
        values = values + places[..., i : i + 1] * maps[:, 1 + i : 2 + i]
    return values


def _center(corners: Tensor, count: Tensor) -> Tensor:
    """(pieces, 1, r), inside each piece."""
    real = torch.arange(corners.shape[1]) < count[:, None]
    return ((corners * real[..., None]).sum(1) / count[:, None])[:, None]


def _filled(corners: Tensor, most: int) -> Tensor:
    return torch.cat([corners, corners[:, :1].expand(-1, most - corners.shape[1], -1)], 1)


# Cutting: where an affine number changes its sign inside a piece. Values within the margin (pieces, units) are zero.


def _cut(pieces: _Pieces, maps: Tensor, margin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Corners and counts of the parts, and the piece that each part comes from; maps (pieces, 1 + r, units)."""
    if pieces.corners.shape[-1] == 1:
        corners, source = _cut_segments(pieces.corners, maps, margin)
        return corners, pieces.count[source], source
    return _cut_polygons(pieces.corners, pieces.count, maps, margin)


def _cut_segments(corners: Tensor, maps: Tensor, margin: Tensor) -> tuple[Tensor, Tensor]:
    """All crossings of all pieces, which follow one another, at once."""
    values = _at(corners, maps)
    low, high = values[:, 0], values[:, 1]
    crossed = (torch.minimum(low, high) < -margin) & (torch.maximum(low, high) > margin)
    piece, unit = crossed.nonzero(as_tuple=True)
    low, high = low[piece, unit], high[piece, unit]
    starts, length = corners[:, 0, 0], (corners[:, 1] - corners[:, 0])[:, 0]
    t = starts[piece] + length[piece] * (low / (low - high))
    radius = length[piece] * margin[piece, unit] / (low - high).abs()  # how far rounding may have moved t
    t, order = t.sort()
    radius, piece = radius[order], piece[order]
    # Neighbours that rounding cannot tell apart are one crossing: the one that is known better stays.
    while (near := t.diff() <= torch.maximum(radius[1:], radius[:-1])).any():
        first_is_worse = radius[:-1] > radius[1:]
        keep = torch.ones_like(t, dtype=torch.bool)
        keep[:-1] &= ~(near & first_is_worse)
        keep[1:] &= ~(near & ~first_is_worse)
        t, radius, piece = t[keep], radius[keep], piece[keep]
    starts, order = torch.cat([starts, t]).sort()
    ends = torch.cat([starts[1:], corners[-1:, 1, 0]])
    return torch.stack([starts, ends], 1)[..., None], torch.cat([torch.arange(len(corners)), piece])[order]


def _cut_polygons(corners: Tensor, count: Tensor, maps: Tensor, margin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One unit's line after another, through all polygons at once."""
    source = torch.arange(len(corners))
    for line, allowed in zip(maps.movedim(-1, 0).contiguous(), margin.T.contiguous(), strict=True):
        values = _at(corners, line[source][..., None])[..., 0]
        values = torch.where(values.abs() <= allowed[source, None], 0, values)
        values = values / power_of_two(values, 1)  # products of two of them say on which sides they lie
        cut = (values > 0).any(1) & (values < 0).any(1)
        if not cut.any():
            continue
        parts = [_side(corners[cut], count[cut], side * values[cut]) for side in (1, -1)]
        whole = corners[~cut]
        most = max(whole.shape[1], *(part.shape[1] for part, _ in parts))
        corners = torch.cat([_filled(c, most) for c in (whole, *(part for part, _ in parts))])
        count = torch.cat([count[~cut], *(n for _, n in parts)])
        source = torch.cat([source[~cut], source[cut], source[cut]])
    return corners, count, source


def _side(corners: Tensor, count: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The part of each polygon where the value is not negative: corners in the same order, and their count."""
    following, next_values = corners.roll(-1, 1), values.roll(-1, 1)  # filled up with the first corner: that closes it
    crossed = values * next_values < 0
    ratio = torch.where(crossed, values / (values - next_values), 0)
    point = corners + ratio[..., None] * (following - corners)
    real = torch.arange(corners.shape[1]) < count[:, None]
    taken = torch.stack([(values >= 0) & real, crossed & real], 2).flatten(1)
    slots = torch.stack([corners, point], 2).flatten(1, 2)
    count = taken.sum(1)
    most = int(count.max())
    order = (~taken).to(torch.int8).argsort(dim=1, stable=True)[:, :most]
    order = torch.where(torch.arange(most) < count[:, None], order, order[:, :1])
    return slots.gather(1, order[..., None].expand(-1, -1, 2)), count
