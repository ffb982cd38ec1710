"""Public names of a package that load their module when they are first used (Scientific Python's SPEC 1).

A program loads what it uses. A chapter of the book runs again when a file that it loaded has changed.
"""

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pkgutil import get_data, resolve_name
from typing import Any

from ._renamed import new_name, warn


def lazy(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """A package's ``__getattr__``, ``__dir__`` and ``__all__``.

    Its public names are those that its ``__init__.py`` imports for type checkers, ``from ._home import name as name``:
    they stand there once, and are read from there.
    """
    try:
        source = get_data(package, "__init__.py")
    except OSError:
        raise ImportError(
            f"{package} reads its public names from its __init__.py, which is not here. "
            "Install relunb with its sources; PyInstaller takes them along with --collect-all relunb."
        ) from None
    home = {
        alias.name: node.module
        for node in ast.walk(ast.parse(source or b""))
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
        if alias.asname == alias.name
    }
    names = sorted(home)

    def __getattr__(name: str) -> Any:
        if new := new_name(f"{package}.{name}"):
            warn(f"{package}.{name}")
            return resolve_name(new)
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(names)}.")
        module = import_module(f".{home[name] or name}", package)
        value = getattr(module, name) if home[name] else module
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__, lambda: sorted({*names, *vars(sys.modules[package]).keys() & {"__version__"}}), names
