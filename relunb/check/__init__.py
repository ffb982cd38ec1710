"""How chapters, and readers in exercises, check their own results.

``identity`` proves that two SymPy expressions are equal. ``agreement`` compares an expression with a torch function.
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
