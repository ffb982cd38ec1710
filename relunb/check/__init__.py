"""How chapters, and readers in exercises, check their own results.

================  ======================================================================
``identity``      proves that two SymPy expressions are equal, or raises
``agreement``     compares an expression with a torch function, or raises
``NotEqual``      raised by ``identity``: the sides differ, and the message says where
``NotProved``     raised by ``identity``: neither a proof nor a counterexample was found
``Disagreement``  raised by ``agreement``: the function computes something else
================  ======================================================================

Only chapters, tests and benchmarks import this package: ``import relunb`` does not load SymPy.
"""

try:
    from ._agreement import Disagreement as Disagreement
    from ._agreement import agreement as agreement
    from ._identity import NotEqual as NotEqual
    from ._identity import NotProved as NotProved
    from ._identity import identity as identity
except ModuleNotFoundError as error:
    if error.name not in ("sympy", "mpmath"):
        raise
    raise ImportError("relunb.check needs SymPy: install it with pip install 'relunb[chapters]'.") from error

__all__ = [
    "Disagreement",
    "NotEqual",
    "NotProved",
    "agreement",
    "identity",
]
