"""Whom a card is about: an activation as a function of tensors, looked at, and its exact form where one is known."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_dense, check_known, shown
from .._tables import made_plainly
from ..ops import LinearSpline
from ..ops._linear_spline_layer import NAMED
from ..spectrum._activation_lines import _values
from ..wavelet import bw_relu

REACH = 4.0  # an activation must be finite up to here, on both sides of zero
EPS = torch.finfo(torch.float64).eps

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "abs": torch.abs,
    "hardtanh": F.hardtanh,
    "relu6": F.relu6,
    "hardsigmoid": F.hardsigmoid,
    "hat": made_plainly(LinearSpline.named, "hat"),
    "bw_relu": bw_relu,
    "siren": torch.sin,
    "gauss": lambda x: torch.exp(-x.square()),
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
}


class Subject(NamedTuple):
    """An activation with its name; ``form`` is a spline, "siren" or "gauss", or None where it is known by values."""

    name: str
    function: Callable[[Tensor], Tensor]
    form: LinearSpline | str | None

    def values(self, x: Tensor) -> Tensor:
        """The activation in float64, without a gradient. It gets a copy, as it may write into its input."""
        with torch.no_grad():
            return _values(self.function)(x.clone())


def subject_of(activation: Any) -> Subject:
    """The subject of a card, or a sentence why it can be none."""
    if isinstance(activation, str):
        if activation not in _FUNCTIONS:
            names = ", ".join(map(repr, _FUNCTIONS))
            raise ValueError(
                f"activation must be one of {names}, a LinearSpline or a function; got {activation!r:.60}."
            )
        form = LinearSpline.named(activation) if activation in NAMED else activation
        return Subject(activation, _FUNCTIONS[activation], form if activation in (*NAMED, "siren", "gauss") else None)
    if isinstance(activation, type):
        name = activation.__name__
        raise TypeError(f"activation is the class {name}: give one of its kind, as {name}().")
    if not callable(activation):
        raise TypeError(f"activation must be a LinearSpline, a name or a function; got {shown(activation)}.")
    form = None
    if isinstance(activation, LinearSpline):
        if activation.knots.ndim == 2:
            raise ValueError("activation has a spline in each channel: give them one by one.")
        check_known(**{"the spline": activation.knots})
        form = activation.frozen().to("cpu")
    function: Any = activation
    subject = Subject(_name(activation), function, form)
    if form is None:
        _look(subject)
    return subject


def _name(activation: Any) -> str:
    if isinstance(activation, nn.Module):
        return " ".join(repr(activation).split())[:40]
    name = getattr(activation, "__name__", type(activation).__name__)
    return "a function" if name == "<lambda>" else str(name)


def _look(subject: Subject) -> None:
    """Refuse what is no function of one number: it mixes the elements, is drawn at random, or is not finite."""
    x = torch.arange(-512, 513, dtype=torch.float64) * (REACH / 512)
    y = subject.values(x)
    check_dense("what activation returns", y)
    check_known(**{"what activation returns": y})
    bad = ~y.isfinite()
    if bad.any():
        raise ValueError(
            f"activation must be finite on [-{REACH:g}, {REACH:g}]; it is {y[bad][0]:g} at x = {x[bad][0]:g}."
        )
    limit = 64 * EPS * y.abs().amax()
    if (subject.values(x) - y).abs().amax() > limit:
        raise ValueError(
            "activation must give the same values twice; it draws them at random. Use .eval() on a module with dropout."
        )
    apart = torch.cat([subject.values(x[k::5].reshape(5, 41)).flatten() for k in range(5)])
    if (apart - torch.cat([y[k::5] for k in range(5)])).abs().amax() > limit:
        raise ValueError(
            "activation must act element by element; a value of it changes with the numbers beside it, as in softmax."
        )
