"""A linear spline as a layer: the one kind of activation that every exact result on ReLU carries over to."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Self

import torch
from torch import Tensor, nn

from .._checks import check_flag, check_floating, check_real, shown
from ._linear_spline import linear_spline, spline_pieces

_SIXTH = Fraction(1, 6)
# name: knots, jumps of the slope there, slope of the leftmost piece, its value at 0
NAMED: dict[str, tuple[Sequence[Any], Sequence[Any], Any, Any]] = {
    "relu": ([0], [1], 0, 0),
    "leaky_relu": ([0], [Fraction(99, 100)], Fraction(1, 100), 0),
    "abs": ([0], [2], -1, 0),
    "hardtanh": ([-1, 1], [1, -1], 0, -1),
    "relu6": ([0, 6], [1, -1], 0, 0),
    "hardsigmoid": ([-3, 3], [_SIXTH, -_SIXTH], 0, 0),
    "hat": ([-1, 0, 1], [1, -2, 1], 0, 0),
    "bw_relu": ([Fraction(k, 2) for k in range(7)], [n * _SIXTH for n in (1, -8, 23, -32, 23, -8, 1)], 0, 0),
}
_MOST_KNOTS = 10**6
_EXACT = 4096  # numbers: more are added up in float64


class LinearSpline(nn.Module):
    """``l(x) = value + slope x + sum_k jumps_k ReLU(x - knots_k)``: a continuous, piecewise linear activation.

    Leaky ReLU, ``|x|``, hard tanh, ReLU6, the hat and the wavelet psi are such splines, see :meth:`named`, and what is
    proved of ReLU carries over to all of them, knot by knot: give one to
    :func:`relunb.spectrum.activation_harmonics`, or put it into a network like any activation.

    Args:
        knots: where the slope changes, in any order; (knots,), or (channels, knots) for a spline of its own in each
            channel, the last dimension of the input.
        jumps: by how much the slope changes at each knot; the shape of ``knots``. Fractions stay exact: a spline whose
            jumps cancel is flat on the right.
        slope: of the leftmost piece; a number, or (channels,).
        value: of the leftmost piece, continued to x = 0; a number, or (channels,).
        learnable: make all four parameters, in float32 or torch's default dtype. Else they are constants in float64.

    Input and output have one shape, any or (..., channels), and one floating-point dtype. Half precision is computed
    in float32. At a knot the derivative is that of the left side, as ``torch.relu`` has it. The time grows with the
    logarithm of the number of knots.

    Raises:
        TypeError: a number is not real, or the input is not floating point.
        ValueError: shapes do not fit, a number is not finite, or there is no knot.

    Example:
        >>> hard = LinearSpline([-1, 1], [1, -1], value=-1)  # hard tanh
        >>> hard(torch.tensor([-2.0, 0.25, 9.0])).tolist()
        [-1.0, 0.25, 1.0]

    Source: the representation is classical; what carries over is derived in :doc:`/book/together/sums-of-relus`.
    """

    knots: Tensor
    jumps: Tensor
    slope: Tensor
    value: Tensor
    pieces: Tensor

    def __init__(self, knots: Any, jumps: Any, slope: Any = 0.0, value: Any = 0.0, learnable: bool = False) -> None:
        super().__init__()
        given = {"knots": knots, "jumps": jumps, "slope": slope, "value": value}
        parts = {name: check_real(name, part).detach() for name, part in given.items()}
        shape = parts["knots"].shape
        if len(shape) not in (1, 2) or parts["jumps"].shape != shape:
            raise ValueError(
                "knots and jumps must have one shape, (knots,) or (channels, knots); "
                f"got {tuple(shape)} and {tuple(parts['jumps'].shape)}."
            )
        if shape.numel() > _MOST_KNOTS:
            raise ValueError(f"knots has {shape.numel():,} numbers, and {_MOST_KNOTS:,} is the limit.")
        for name in ("slope", "value"):
            if parts[name].ndim and parts[name].shape != shape[:-1]:
                wanted = f"a number, or of shape {tuple(shape[:-1])}, one a channel" if len(shape) == 2 else "a number"
                raise ValueError(f"{name} must be {wanted}; got the shape {tuple(parts[name].shape)}.")
            parts[name] = parts[name].expand(shape[:-1])
        self.learnable = check_flag("learnable", learnable)
        dtype = torch.promote_types(torch.get_default_dtype(), torch.float32) if self.learnable else torch.float64
        parts = {name: part.to(dtype, copy=True) for name, part in parts.items()}
        for name, part in parts.items():
            if self.learnable:
                self.register_parameter(name, nn.Parameter(part))
            else:
                self.register_buffer(name, part)
        if not self.learnable:
            exact = shape.numel() <= _EXACT and not parts["knots"].is_meta
            self.register_buffer("pieces", _exact_pieces(*given.values()) if exact else spline_pieces(*parts.values()))

    @classmethod
    def named(cls, name: str, learnable: bool = False) -> Self:
        """A spline by its name in PyTorch, or of this book.

        Args:
            name: "relu", "leaky_relu" (0.01 on the left, as in PyTorch), "abs", "hardtanh", "relu6", "hardsigmoid",
                "hat" (``max(0, 1 - |x|)``) or "bw_relu" (the wavelet psi).
            learnable: as above.

        Raises:
            ValueError: ``name`` is none of them.

        Example:
            >>> LinearSpline.named("bw_relu")(torch.tensor(1.5, dtype=torch.float64)).item()  # psi(3/2) = 5/6
            0.8333333333333334
        """
        if not isinstance(name, str) or name not in NAMED:
            raise ValueError(f"name must be one of {', '.join(map(repr, NAMED))}; got {shown(name)}.")
        return cls(*NAMED[name], learnable=learnable)

    def frozen(self) -> "LinearSpline":
        """The same spline with constants.

        Example:
            >>> LinearSpline.named("hat", learnable=True).frozen()
            LinearSpline(knots=3, learnable=False)
        """
        return LinearSpline(self.knots, self.jumps, self.slope, self.value)

    def forward(self, x: Tensor) -> Tensor:
        check_floating("x", x)
        if self.knots.ndim == 2 and (x.ndim == 0 or x.shape[-1] != len(self.knots)):
            raise ValueError(
                f"x must have {len(self.knots)} channels in its last dimension; got the shape {tuple(x.shape)}. "
                "Where they are in another one: spline(x.movedim(1, -1)).movedim(-1, 1)."
            )
        wide = torch.promote_types(x.dtype, torch.float32)
        pieces = spline_pieces(self.knots, self.jumps, self.slope, self.value) if self.learnable else self.pieces
        return linear_spline(x.to(wide), pieces.to(wide)).to(x.dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves to a device; parameters stay in float32 at least, constants in float64 where the device has it."""

        def kept(part: Tensor) -> Tensor:
            moved = fn(part)
            if (
                moved.dtype == part.dtype
                or (self.learnable and moved.dtype.itemsize >= 4)
                or moved.device.type == "mps"
            ):
                return moved
            return part.to(moved.device)

        return super()._apply(kept, recurse)

    def extra_repr(self) -> str:
        channels = f"channels={len(self.knots)}, " if self.knots.ndim == 2 else ""
        return f"{channels}knots={self.knots.shape[-1]}, learnable={self.learnable}"


def _exact_pieces(knots: Any, jumps: Any, slope: Any, value: Any) -> Tensor:
    """As :func:`relunb.ops.spline_pieces`, each number rounded once, to float64."""
    knots, jumps, slope, value = (_fractions(part) for part in (knots, jumps, slope, value))
    if isinstance(knots[0], list):
        shared = (part if isinstance(part, list) else [part] * len(knots) for part in (slope, value))
        return torch.stack([_exact_pieces(*channel) for channel in zip(knots, jumps, *shared, strict=True)])
    pieces = [(Fraction(0), value, slope)]
    height, left = None, None
    for knot, jump in sorted(zip(knots, jumps, strict=True)):
        height = value + slope * knot if height is None else height + slope * (knot - left)
        slope, left = slope + jump, knot
        pieces.append((knot, height, slope))
    return torch.tensor([[float(number) for number in piece] for piece in pieces], dtype=torch.float64)


def _fractions(part: Any) -> Any:
    part = part.tolist() if hasattr(part, "tolist") else part
    return [_fractions(each) for each in part] if isinstance(part, Sequence) else Fraction(part)
