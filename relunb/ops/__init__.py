"""Fast forms of operators on large tensors, each beside a plain torch form that defines what it must return."""

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from ._bw_relu import bw_relu_fused as bw_relu_fused
    from ._bw_relu import bw_relu_plain as bw_relu_plain
    from ._fused_mlp import FusedMLP as FusedMLP
    from ._linear_cells import LinearCells as LinearCells
    from ._linear_cells import linear_cells as linear_cells
    from ._linear_cells import linear_cells_plain as linear_cells_plain
    from ._linear_spline import linear_spline as linear_spline
    from ._linear_spline import linear_spline_plain as linear_spline_plain
    from ._linear_spline import spline_pieces as spline_pieces
    from ._linear_spline_layer import LinearSpline as LinearSpline
    from ._memory import kept_memory as kept_memory
    from ._midpoint import MidpointTables as MidpointTables
    from ._midpoint import activated as activated
    from ._midpoint import midpoint as midpoint
    from ._midpoint import midpoint_plain as midpoint_plain
    from ._midpoint import midpoint_relu as midpoint_relu
    from ._midpoint import midpoint_tables as midpoint_tables
    from ._relu_cell_means import relu_cell_means as relu_cell_means
    from ._relu_cell_means import relu_cell_means_plain as relu_cell_means_plain

__all__ = [
    "FusedMLP",
    "LinearCells",
    "LinearSpline",
    "MidpointTables",
    "activated",
    "bw_relu_fused",
    "bw_relu_plain",
    "kept_memory",
    "linear_cells",
    "linear_cells_plain",
    "linear_spline",
    "linear_spline_plain",
    "midpoint",
    "midpoint_plain",
    "midpoint_relu",
    "midpoint_tables",
    "relu_cell_means",
    "relu_cell_means_plain",
    "spline_pieces",
]

if not TYPE_CHECKING:  # A type checker then refuses a name that is not there.
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "_bw_relu": "bw_relu_fused bw_relu_plain",
            "_fused_mlp": "FusedMLP",
            "_linear_cells": "LinearCells linear_cells linear_cells_plain",
            "_linear_spline": "linear_spline linear_spline_plain spline_pieces",
            "_linear_spline_layer": "LinearSpline",
            "_memory": "kept_memory",
            "_midpoint": "MidpointTables activated midpoint midpoint_plain midpoint_relu midpoint_tables",
            "_relu_cell_means": "relu_cell_means relu_cell_means_plain",
        },
    )
