"""Fast forms of operators on large tensors, each beside a plain torch form that defines what it must return."""

from typing import TYPE_CHECKING

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
else:  # The rest of Python sees these names, and loads each when it is first used.
    from .._lazy import lazy

    __getattr__, __dir__, __all__ = lazy(__name__)
