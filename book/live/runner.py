"""The Python side of a page that runs: executes a cell as a notebook does, and sends what it shows.

It stands in the browser's worker beside SymPy and `relunb.check`. What is not there (torch, NumPy, pictures, the rest
of `relunb`) can be imported, because first cells import everything, and says so when it is used.
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import json
import linecache
import re
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

ABSENT = "torch numpy scipy matplotlib plotly skimage kornia tqdm h5py pydicom IPython".split()
PURE = {"relunb.wavelet": ("_knots", ("KNOTS", "VALUES", "WEIGHTS"))}  # what of such packages needs neither
MOST = 100_000  # characters of one output
SIDES = re.compile(  # what relunb.check.identity says of two sides that differ
    r"not equal: (?:at (?P<point>.*) )?lhs is (?P<left>.*) and rhs is (?P<right>.*)\. "
    r"lhs - rhs (?:simplifies to|is) (?P<gap>.*)\.",
    re.DOTALL,
)
FORMS = {"text/latex": "_repr_latex_", "text/markdown": "_repr_markdown_", "text/html": "_repr_html_"}


class NotHere(RuntimeError):
    """What the reader used needs PyTorch or NumPy, and a browser has neither."""


class _Absent:
    """Stands for something that only a full installation has."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def _refuse(self, *_: Any, **__: Any) -> Any:
        name = self.__dict__["_name"]
        raise NotHere(f"{name} does not run in a browser. Run this cell in the notebook: make lab, or download it.")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(f"{self.__dict__['_name']}.{name}")

    __call__ = __getitem__ = __setitem__ = __iter__ = __len__ = __bool__ = __setattr__ = __enter__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = _refuse
    __neg__ = __matmul__ = __float__ = __int__ = __array__ = _sympy_ = __repr__ = _refuse


class _AbsentModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        part, names = PURE.get(self.__name__, ("", ()))
        if name in names:
            return getattr(importlib.import_module(f"{self.__name__}.{part}"), name)
        return _Absent(f"{self.__name__}.{name}")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Comes first: what is there is left to Python, a folder without its `__init__` (a part of `relunb`) is not."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] not in (*ABSENT, "relunb"):
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        if found is not None and found.loader is not None and found.origin is not None:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, is_package=True)
        spec.submodule_search_locations = [f"{place}/{name.rpartition('.')[2]}" for place in path or ()]
        return spec

    def create_module(self, spec: Any) -> ModuleType:
        module = _AbsentModule(spec.name)
        if spec.name == "IPython.display":
            module.__dict__["display"] = lambda *shown: Session.current.display(*shown)
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Stream:
    """What a cell prints goes to the page line by line."""

    encoding, errors = "utf-8", "strict"

    def __init__(self, name: str) -> None:
        self._name, self._kept = name, ""

    def write(self, text: str) -> int:
        self._kept += text
        if "\n" in self._kept:
            self.flush()
        return len(text)

    def flush(self) -> None:
        if self._kept:
            Session.current.send({"stream": self._name, "text": self._kept})
            self._kept = ""

    def isatty(self) -> bool:
        return False


class Session:
    """The names of one page, as its cells leave them.

    Args:
        send: takes each output as it comes, a dictionary that JSON can hold.
    """

    current: "Session"

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        Session.current, self.send = self, send
        self._names: dict[str, Any] = {"__name__": "__main__", "display": self.display}
        self._count = 0

    def run(self, source: str) -> bool:
        """Execute a cell; whether it ran to its end."""
        self._count += 1
        file = f"cell {self._count}"
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        out, err = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Stream("stdout"), _Stream("stderr")
        try:
            tree = ast.parse(source, file)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, file, "exec"), self._names)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), file, "eval"), self._names)
                if value is not None and not source.rstrip().endswith(";"):
                    self.display(value)
            return True
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: the page goes on
            self.send(_told(error, file))
            return False
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = out, err

    def display(self, *shown: Any) -> None:
        sys.stdout.flush()
        for value in shown:
            forms = {"text/plain": repr(value)[:MOST]}
            for form, method in FORMS.items():
                text = getattr(value, method, lambda: None)() if not isinstance(value, type) else None
                if isinstance(text, str):
                    forms[form] = text[:MOST]
            self.send({"data": forms})


def _told(error: BaseException, file: str) -> dict[str, Any]:
    """An error as a reader of the page needs it: its kind, its words, and the line of the cell."""
    if isinstance(error, SyntaxError) and error.filename == file:
        line = error.lineno
    else:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        line = lines[-1] if lines else None
    return {"error": type(error).__name__, "message": _words(error), "line": line}


def _words(error: BaseException) -> str:
    """What an error says; of two sides that differ the values first, and no more of their difference than is read."""
    if isinstance(error, SyntaxError):
        number = " Write the times sign: 2*a." if error.msg == "invalid decimal literal" else ""
        return f"{error.msg}.{number}"
    text = str(error)
    found = SIDES.search(text)
    if found is None:
        return text
    place = f"at {found['point']} " if found["point"] else ""
    sides = f"{text[: found.start()]}{place}the left side is {found['left']}, and the right side is {found['right']}."
    gap = found["gap"] if len(found["gap"]) <= 120 else f"{found['gap'][:120]} ..."
    return f"{sides[0].upper()}{sides[1:]}\nThe left side minus the right one: {gap}"


def judge(question: str, typed: str) -> str:
    """Compare what a reader typed with the solution of a question; both as JSON."""
    answers = importlib.import_module("relunb.book.answers")
    return json.dumps(answers.judge(json.loads(question), typed))


sys.meta_path.insert(0, _Finder())
