"""Gauss-Legendre nodes on the intervals of a mesh: exact for polynomials, and to the last digits for harmonics."""

import numpy as np
import torch
from torch import Tensor

from .._tables import kept_table
from ._basis import Basis, merged

# An interval holds at most one wave of the product's highest harmonic: 12 nodes leave an error of 3e-19 of it,
# with a quartic beside it too; each two powers more want one more.
_TRIG_NODES = 12


@kept_table(64)
def cuts(*bases: Basis) -> Tensor:
    """Where a product of these bases' functions must be cut to be integrated: breakpoints, and whole waves."""
    harmonics = sum(basis.harmonics for basis in bases)
    meshes = [basis.breakpoints for basis in bases]
    if harmonics:
        meshes.append(torch.linspace(-1, 1, harmonics + 1, dtype=torch.float64))
    return merged(meshes)


@kept_table(64)
def _gauss(nodes: int) -> tuple[Tensor, Tensor]:
    u, weight = np.polynomial.legendre.leggauss(nodes)
    return torch.from_numpy(u), torch.from_numpy(weight)


def interval_nodes(edges: Tensor, *bases: Basis) -> tuple[Tensor, Tensor]:
    """Nodes and weights, (..., points) each, for a product of the bases' functions on the intervals between edges.

    The intervals are cut further where the product is not smooth. Differentiable in the edges.
    """
    mesh = cuts(*bases).to(edges.device)
    edges = torch.cat([edges, mesh.expand(*edges.shape[:-1], -1)], -1).sort(-1).values
    return gauss_nodes(edges, *bases)


def gauss_nodes(edges: Tensor, *bases: Basis) -> tuple[Tensor, Tensor]:
    """Nodes and weights on intervals that no further cut is needed in: (..., intervals * nodes) each."""
    trig = any(basis.harmonics for basis in bases)
    powers = sum(basis.degree for basis in bases) // 2
    count = _TRIG_NODES + max(0, powers - 2) if trig else powers + 1
    u, weight = (t.to(edges) for t in _gauss(count))
    half = (edges[..., 1:] - edges[..., :-1])[..., None] / 2
    middle = (edges[..., 1:] + edges[..., :-1])[..., None] / 2
    return (middle + half * u).flatten(-2), (half * weight).flatten(-2)
