"""Which cells of a chapter can run in a browser, where there is Python and SymPy but no torch: read off their names.

A cell is live when every name it uses comes from a live cell, from Python, or from what the browser has. A dead cell
makes what it binds, and what it changes, dead as well. The tags ``live`` and ``not-live`` overrule this.
"""

import ast
import builtins
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MODULES = {"sympy", "mpmath", "relunb.check", "relunb.book"}
NAMES = {  # of our packages these; the rest needs torch or NumPy
    "relunb": {"check"},
    "relunb.check": {"identity", "NotEqual", "NotProved", "Proved"},
    "relunb.book": {"Table", "symbols"},
    "relunb.wavelet": {"KNOTS", "VALUES", "WEIGHTS"},
}
NOT_THERE = {"ctypes", "multiprocessing", "resource", "socket", "subprocess", "tempfile", "threading", "tkinter"}
BUILTINS = {*dir(builtins), "display", "__name__"}


@dataclass
class Cell:
    """What becomes of one code cell: ``missing`` is empty where it can run, else the names that it lacks."""

    source: str
    hidden: bool  # the page does not show its source
    missing: tuple[str, ...]
    binds: frozenset[str]  # names that later cells may use

    @property
    def live(self) -> bool:
        return not self.missing


def is_there(module: str, name: str = "") -> bool:
    """Can ``import module``, or ``from module import name``, run in the browser?"""
    if module in NAMES and name:
        return name in NAMES[module]
    root = module.partition(".")[0]
    if root in ("sympy", "mpmath"):
        return True
    return module in MODULES or (root in sys.stdlib_module_names and root not in NOT_THERE)


class _Names(ast.NodeVisitor):
    """The names that a cell needs from before, in the order in which Python would look them up; and what it binds."""

    def __init__(self) -> None:
        self.needs: dict[str, None] = {}
        self.bound: set[str] = set()
        self.changed: set[str] = set()  # objects that the cell writes into
        self.absent: set[str] = set()  # names of imports that the browser lacks
        self._later: list[tuple[ast.AST, set[str]]] = []  # bodies run after the whole cell is bound
        self._local: list[set[str]] = []

    def of(self, cell: ast.Module) -> "_Names":
        for statement in cell.body:
            self.visit(statement)
        while self._later:
            node, local = self._later.pop(0)
            self._local.append(local)
            for child in ast.iter_child_nodes(node):
                self.visit(child)
            self._local.pop()
        return self

    def _bind(self, name: str) -> None:
        (self._local[-1] if self._local else self.bound).add(name)

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._bind(node.id)
        elif node.id not in self.bound and node.id not in BUILTINS and not any(node.id in s for s in self._local):
            self.needs[node.id] = None

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            self._bind(name)
            if not is_there(alias.name):
                self.absent.add(name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            name = alias.asname or alias.name
            self._bind(name)
            if not is_there(node.module or "", alias.name):
                self.absent.add(name)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._written(target)
            self.visit(target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.visit_Name(ast.Name(node.target.id, ast.Load()))
        self._written(node.target)
        self.visit(node.value)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self.visit(node.target)
        for child in (*node.body, *node.orelse):
            self.visit(child)

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            self._written(call.func)  # rows.append(...)
        self.visit(call)

    def _written(self, target: ast.expr) -> None:
        inside = isinstance(target, ast.Attribute | ast.Subscript)
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
        if inside and isinstance(target, ast.Name):
            self.changed.add(target.id)

    def _function(self, node: ast.FunctionDef | ast.Lambda) -> None:
        arguments = node.args
        for default in (*arguments.defaults, *(d for d in arguments.kw_defaults if d)):
            self.visit(default)
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
        local = {argument.arg for argument in every if argument}
        body = node.body if isinstance(node.body, list) else [node.body]
        local |= {
            inner.id
            for part in body
            for inner in ast.walk(part)
            if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load)
        }
        statements = [part if isinstance(part, ast.stmt) else ast.Expr(part) for part in body]
        self._later.append((ast.Module(statements, []), local.union(*self._local)))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._bind(node.name)
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(part)
        self._bind(node.name)
        self._local.append(set())
        for statement in node.body:
            self.visit(statement)
        self._local.pop()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self._local.append(set())
        for generator in node.generators:
            self.visit(generator.iter)
            self.visit(generator.target)
            for condition in generator.ifs:
                self.visit(condition)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        self._local.pop()

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension


def analysed(cells: Iterable[tuple[str, Sequence[str]]]) -> list[Cell]:
    """What becomes of each code cell of a chapter, given as its source and its tags, in their order."""
    dead: dict[str, str] = {}  # a name, and what it lacks
    found = []
    for source, tags in cells:
        names = _Names().of(ast.parse(source))
        lacks = {dead[name]: None for name in names.needs if name in dead}
        lacks |= {name: None for name in names.absent if _is_used(source, name)}
        only_imports = all(isinstance(s, ast.Import | ast.ImportFrom) for s in ast.parse(source).body)
        if only_imports and names.absent == names.bound:
            lacks |= dict.fromkeys(sorted(names.absent))
        if "live" in tags:
            lacks = {}
        elif "not-live" in tags:
            lacks = lacks or {"time": None}
        for name in names.bound:
            dead.pop(name, None)
        dead |= {name: name for name in names.absent}
        if lacks:
            dead |= {name: next(iter(lacks)) for name in (names.bound | names.changed) - names.absent}
        hidden = bool({"remove-cell", "remove-input"} & set(tags))
        found.append(Cell(source, hidden, tuple(lacks), frozenset(names.bound - names.absent)))
    return found


def _is_used(source: str, name: str) -> bool:
    """Does the cell use a name that it imports itself?"""
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        for node in ast.walk(ast.parse(source))
    )
