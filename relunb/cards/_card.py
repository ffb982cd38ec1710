"""Cards: one activation through three lenses, alone and beside others."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .._checks import check_flag, shown
from .._tables import made_plainly
from ._chapters import CHAPTERS
from ._cost import cost as cost_of
from ._exact import proved
from ._finding import Finding
from ._measured import RESOLUTION, measured
from ._subject import Subject, subject_of
from ._table import as_html, as_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_CARDS = 32
_MINUS, _TONES, _HEADS = "\N{MINUS SIGN}", "together/harmonics", ["", "value", "known", "chapter"]
_UNASKED = {name: Finding(None, "", "not asked for: cost=True") for name in ("cost_forward", "cost_backward")}

# field, what a table calls it, its chapter
_ROWS = (
    ("decay", "lines fall", _TONES),
    ("level_turn", "DC measures a level", _TONES),
    ("condition_number", "κ of shifts by 1", "together/shifted-activations"),
    ("dead_fraction", "dead at PyTorch's start", "wavelet/coverage"),
    ("slope_variation", "variation of the slope", "wavelet/variation-norm"),
    ("homogeneous", "homogeneous", "together/sums-of-relus"),
    ("continuous_slope", "continuous slope", "together/sums-of-relus"),
    ("second_derivative", "second derivative not 0", "together/which-activation"),
    ("cost_forward", "forward, torch.relu = 1", "together/which-activation"),
    ("cost_backward", "backward, torch.relu = 1", "together/which-activation"),
)


@dataclass(frozen=True, repr=False, eq=False)
class ActivationCard:
    """What :func:`relunb.card` found; it shows itself as a table, and with :meth:`plot` as a picture.

    What is None has its reason in ``notes``.

    Attributes:
        name: of the activation.
        lines: DC and the signed amplitudes of ``cos t, ..., cos 8t`` that it makes of ``cos t``.
        decay: how the lines fall, in words.
        decay_exponent: p where they fall like n^-p: 2 where the tone reaches a kink.
        measures_level: whether the DC of ``a cos t`` is strictly monotone for 0 < a <= 4.
        level_turn: the first amplitude where it is not; 0 where it does not change from the start.
        condition_number: of its shifts by 1, on the whole line.
        dead_fraction: how many neurons of a first layer with one input are constant on [-1, 1] at PyTorch's start.
        slope_variation: the total variation of its slope; on [-16, 16] where it is measured.
        homogeneous: whether ``f(c x) = c f(x)`` for all c > 0.
        continuous_slope: whether it has no kink.
        second_derivative: whether that is more than zero almost everywhere, so that a Laplacian can train it.
        cost_forward, cost_backward: the time in units of ``torch.relu``.
        how: by attribute, "proved" from a formula, or "measured" from values.
        notes: by attribute, a reason, a place or a range.

    Example:
        >>> found = card("hat")
        >>> found.condition_number, found.how["condition_number"], found.slope_variation
        (3.0, 'proved', 4.0)
    """

    name: str
    lines: tuple[float, ...]
    decay: str
    decay_exponent: float | None
    measures_level: bool
    level_turn: float | None
    condition_number: float | None
    dead_fraction: float
    slope_variation: float | None
    homogeneous: bool
    continuous_slope: bool
    second_derivative: bool
    cost_forward: float | None
    cost_backward: float | None
    how: Mapping[str, str]
    notes: Mapping[str, str]
    _subject: Subject = field(repr=False)

    def plot(self) -> "Figure":
        """The function and its slope, its lines, and how its shifts overlap. Needs matplotlib.

        Example:
            >>> [ax.get_xlabel() for ax in card("hat").plot().axes]
            ['$x$', 'harmonic', 'phase $\\\\theta$']
        """
        from ._picture import picture

        return picture([self._subject], [self.condition_number is not None])

    def __repr__(self) -> str:
        return as_text(self.name, _HEADS, self._rows(), [self._foot(), _chapters()])

    def _repr_html_(self) -> str:
        rows = [[*row[:-1], f"{CHAPTERS[row[-1]]} ({row[-1]})"] for row in self._rows()]
        return as_html(self.name, _HEADS, rows, [self._foot()])

    def _rows(self) -> list[list[str]]:
        first = (("DC of cos t", 0, 1), ("its lines 1 to 4", 1, 5), ("its lines 5 to 8", 5, 9))
        note = self.notes.get("lines")
        rows = [
            [
                label,
                _with(", ".join(map(_number, self.lines[low:high])), note if low == 0 else None),
                self.how["lines"],
                _TONES,
            ]
            for label, low, high in first
        ]
        return rows + [
            [label, _with(_value(self, name), self.notes.get(name)), self.how[name], chapter]
            for name, label, chapter in _asked([self])
        ]

    def _foot(self) -> str:
        return f"measured: {RESOLUTION}." if _seen(self) else ""


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """What :func:`relunb.compare` found: a card an activation, shown side by side.

    Attributes:
        cards (tuple): the cards, in the order given.

    Example:
        >>> [one.dead_fraction for one in compare(["relu", "abs"]).cards]
        [0.25, 0.0]
    """

    cards: tuple[ActivationCard, ...]

    def plot(self) -> "Figure":
        """The picture of a card with a curve an activation. Needs matplotlib.

        Example:
            >>> len(compare(["relu", "tanh"]).plot().axes)
            3
        """
        from ._picture import picture

        return picture([one._subject for one in self.cards], [one.condition_number is not None for one in self.cards])

    def __repr__(self) -> str:
        return as_text("", self._heads(), self._rows(), [self._foot(), _chapters()])

    def _repr_html_(self) -> str:
        return as_html("", self._heads(), self._rows(), [self._foot(), _chapters()])

    def _heads(self) -> list[str]:
        return ["", *(one.name for one in self.cards), "chapter"]

    def _rows(self) -> list[list[str]]:
        rows = [
            [
                f"line {n} of cos t" if n else "DC of cos t",
                *(_starred(_number(one.lines[n]), one, "lines") for one in self.cards),
                _TONES,
            ]
            for n in range(9)
        ]
        return rows + [
            [label, *(_starred(_value(one, name), one, name) for one in self.cards), chapter]
            for name, label, chapter in _asked(self.cards)
        ]

    def _foot(self) -> str:
        return f"* measured: {RESOLUTION}; the rest is proved." if any(map(_seen, self.cards)) else ""


def card(activation: Any, cost: bool = False) -> ActivationCard:
    """What the three lenses say of one activation: tones, shifts, kinks.

    A linear spline, the sine and the Gaussian are known by formulas. All else is known by its values: each answer is
    measured, and the table says so and how finely.

    Args:
        activation: a name: one of ``LinearSpline.named``, "siren" (``sin x``), "gauss" (``exp(-x^2)``), "tanh",
            "gelu", "silu" or "softplus"; a :class:`relunb.LinearSpline`; or a module or function that torch applies
            element by element to a real tensor, in float64.
        cost: measure also the time beside that of ``torch.relu``. It depends on the machine and on the moment.

    Returns:
        :class:`relunb.cards.ActivationCard`, which a notebook shows as a table.

    Raises:
        TypeError: ``activation`` is none of these, or does not return a real tensor.
        ValueError: the name is not known; the function mixes elements, is not finite on [-4, 4], is random, or too
            rough to measure; or a spline has channels.

    Example:
        >>> psi = card("bw_relu")
        >>> psi.condition_number, psi.measures_level, round(psi.level_turn, 6)
        (2.25, False, 0.503953)

    Source: the lines and condition numbers are derived in :doc:`/book/together/harmonics` and
    :doc:`/book/together/shifted-activations`; each row of the table names its chapter.
    """
    return made_plainly(_card, activation, check_flag("cost", cost))


def compare(activations: Iterable[Any] | Mapping[str, Any], cost: bool = False) -> Comparison:
    """Cards of several activations, side by side.

    Args:
        activations: a list of what :func:`relunb.card` takes, or a mapping to such from the names to show.
        cost: as for :func:`relunb.card`.

    Returns:
        :class:`relunb.cards.Comparison`.

    Raises:
        TypeError: ``activations`` is neither a list nor a mapping, or holds anything else.
        ValueError: it is empty or has more than 32 entries; and as :func:`relunb.card`.

    Example:
        >>> both = compare({"psi": "bw_relu", "Gaussian": "gauss"})
        >>> [f"{one.name}: {one.condition_number:.6g}" for one in both.cards]
        ['psi: 2.25', 'Gaussian: 69.5228']

    Source: as :func:`relunb.card`. Used in :doc:`/book/together/which-activation`.
    """
    cost = check_flag("cost", cost)
    if isinstance(activations, str) or not isinstance(activations, Iterable) or hasattr(activations, "forward"):
        raise TypeError(f"activations must be a list of activations, or a mapping to them; got {shown(activations)}.")
    if isinstance(activations, Mapping):
        named = [(str(name), one) for name, one in activations.items()]
    else:
        named = [(None, one) for one in islice(activations, _MOST_CARDS + 1)]
    if not 0 < len(named) <= _MOST_CARDS:
        raise ValueError(f"activations must have 1 to {_MOST_CARDS} entries; it has {'more' if named else 'none'}.")
    return Comparison(tuple(made_plainly(_card, one, cost, name) for name, one in named))


def _card(activation: Any, cost: bool, name: str | None = None) -> ActivationCard:
    subject = subject_of(activation)
    subject = subject if name is None else subject._replace(name=name)
    found = proved(subject) if subject.form is not None else measured(subject)
    found |= cost_of(subject) if cost else _UNASKED
    turn = found["level_turn"]
    found["measures_level"] = Finding(turn.value is None, turn.how, turn.note)
    return ActivationCard(
        name=subject.name,
        **{name: finding.value for name, finding in found.items()},
        how=MappingProxyType({name: finding.how for name, finding in found.items()}),
        notes=MappingProxyType({name: finding.note for name, finding in found.items() if finding.note}),
        _subject=subject,
    )


def _asked(cards: Iterable[ActivationCard]) -> list[tuple[str, str, str]]:
    """The rows below the lines; the cost is among them where it was asked for."""
    unasked = {name for one in cards for name in _UNASKED if one.notes[name] == _UNASKED[name].note}
    return [row for row in _ROWS if row[0] not in unasked]


def _seen(one: ActivationCard) -> bool:
    """Whether something but the cost is measured."""
    return any(how == "measured" for name, how in one.how.items() if name not in _UNASKED)


def _chapters() -> str:
    return "chapters: " + "; ".join(f"{title} ({file})" for file, title in CHAPTERS.items()) + "."


def _with(text: str, note: str | None) -> str:
    return f"{text}: {note}" if note else text


def _starred(text: str, one: ActivationCard, name: str) -> str:
    return text + "*" if one.how[name] == "measured" else text


def _value(one: ActivationCard, name: str) -> str:
    value = one.measures_level if name == "level_turn" else getattr(one, name)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.replace("^-", f"^{_MINUS}") if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return "\N{INFINITY}" if math.isinf(value) else f"{value:.5g}".replace("-", _MINUS)
