"""Public names of a package that load their module when they are first used (Scientific Python's SPEC 1).

A program loads what it uses. A chapter of the book runs again when a file that it loaded has changed.
"""

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazy(
    package: str, homes: dict[str, str], renamed: dict[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's ``__getattr__`` and ``__dir__``.

    Args:
        package: its ``__name__``.
        homes: a module of the package, to the names that it holds, with blanks between them.
        renamed: old names, which work for this version, to new ones. Using one gives a DeprecationWarning.
    """
    home = {name: module for module, names in homes.items() for name in names.split()}
    renamed = renamed or {}

    def __getattr__(name: str) -> Any:
        if name in renamed:
            new = renamed[name]
            warnings.warn(
                f"{package}.{name} is now {package}.{new}; the old name goes with the next version.",
                DeprecationWarning,
                2,
            )
            return getattr(sys.modules[package], new)
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{home[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home})

    return __getattr__, __dir__
