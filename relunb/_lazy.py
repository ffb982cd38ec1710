"""Public names of a package that load their module when they are first used (Scientific Python's SPEC 1).

A program loads what it uses. A chapter of the book runs again when a file that it loaded has changed.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pkgutil import resolve_name
from typing import Any

from ._renamed import new_name, warn


def lazy(package: str, homes: dict[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's ``__getattr__`` and ``__dir__``.

    Args:
        package: its ``__name__``.
        homes: a module of the package, to the names that it holds, with blanks between them.
    """
    home = {name: module for module, names in homes.items() for name in names.split()}

    def __getattr__(name: str) -> Any:
        if new := new_name(f"{package}.{name}"):
            warn(f"{package}.{name}")
            return resolve_name(new)
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{home[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home})

    return __getattr__, __dir__
