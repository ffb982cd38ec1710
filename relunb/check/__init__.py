"""How chapters, and readers in exercises, check their own results.

================  ======================================================================
``identity``      proves that two SymPy expressions are equal, or raises
``agreement``     compares an expression with a torch function, or raises
``Proved``        what ``identity`` returns: a notebook typesets it
``NotEqual``      raised by ``identity``: the sides differ, and the message says where
``NotProved``     raised by ``identity``: neither a proof nor a counterexample was found
``Disagreement``  raised by ``agreement``: the function computes something else
================  ======================================================================

``import relunb`` does not load SymPy, and ``identity`` does not load PyTorch.
"""

from typing import TYPE_CHECKING, Any

try:
    from ._identity import NotEqual as NotEqual
    from ._identity import NotProved as NotProved
    from ._identity import identity as identity
    from ._proved import Proved as Proved
except ModuleNotFoundError as error:
    if error.name not in ("sympy", "mpmath"):
        raise
    raise ImportError("relunb.check needs SymPy: install it with pip install 'relunb[chapters]'.") from error

if TYPE_CHECKING:
    from ._agreement import Disagreement as Disagreement
    from ._agreement import agreement as agreement

__all__ = ["Disagreement", "NotEqual", "NotProved", "Proved", "agreement", "identity"]

if not TYPE_CHECKING:  # A type checker then refuses a name that is not there.

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module 'relunb.check' has no attribute {name!r}; it has {', '.join(__all__)}.")
        from . import _agreement

        globals()[name] = getattr(_agreement, name)
        return globals()[name]


def __dir__() -> list[str]:
    return __all__
