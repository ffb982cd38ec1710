"""What only the book needs: its larger figures, its real inputs, its long runs and their stored results.

==============  ====================================================================================
``symbols``     The symbols of a chapter with their assumptions and meanings, as a table.
``Table``       A table of numbers or exact values that a notebook typesets.
``answers``     Judges what a reader types as the answer to an exercise.
``benchmarks``  What the benchmarks measured, with machine and date.
``data``        Photographs, CT slices and a pulse that ship with the book's dependencies.
``figures``     One module a chapter: figures that are too long for a cell.
``studies``     Runs too long for a chapter, and what came out of them.
==============  ====================================================================================

The library never imports this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._show import Table as Table
from ._show import symbols as symbols

__all__ = ["Table", "symbols"]
_ROOMS = ("answers", "benchmarks", "data", "figures", "studies")

if not TYPE_CHECKING:  # A type checker then refuses a name that is not there.

    def __getattr__(name: str) -> Any:
        if name not in _ROOMS:
            raise AttributeError(
                f"module 'relunb.book' has no attribute {name!r}; it has {', '.join((*__all__, *_ROOMS))}."
            )
        return import_module(f".{name}", __name__)


def __dir__() -> list[str]:
    return [*__all__, *_ROOMS]
