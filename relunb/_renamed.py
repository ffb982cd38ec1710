"""Old names of public functions and classes, which work for this version and name the new one."""

import sys
import warnings
from collections.abc import Callable
from typing import Any


def renamed(module: str, names: dict[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` that knows ``names``, old to new, and says so where an old one is used."""

    def __getattr__(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        new = names[name]
        warnings.warn(
            f"{module}.{name} is now {module}.{new}; the old name goes with the next version.", DeprecationWarning, 2
        )
        return getattr(sys.modules[module], new)

    return __getattr__
