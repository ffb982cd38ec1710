"""What a training run is, in words: two runs whose descriptions agree have the same numbers."""

import argparse
import collections
import functools
import hashlib
import numbers
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._checks import shown

_SITE = Path(torch.__file__).parents[1]  # where packages are installed
_INTERNAL = vars(nn.Module()).keys() - {"training"}
_HOOKS = [name for name in _INTERNAL if "hooks" in name and not name.endswith(("_with_kwargs", "_always_called"))]
_PLAIN = (
    *(type(None), type(...), bool, int, float, complex, str, bytes, range, slice),
    *(torch.dtype, torch.device, PurePath),
)
# Objects of libraries that hold what a user puts in. Others, a log or a bar, may differ from run to run.
_HOLDERS = (
    *(list, dict, set, frozenset, collections.deque, types.MappingProxyType, types.SimpleNamespace, argparse.Namespace),
    *(Tensor, np.ndarray, np.generic, nn.Module, functools.partial, numbers.Number),
)
# Where checkpoints of before know our parts from that have moved to another file.
_BEFORE = {"relunb.inr._problem": "relunb.inr._problems", "relunb.inr._coordinates": "relunb.inr._problems"}
_UNTOLD = {"__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__firstlineno__", "__qualname__"}


def describe(network: nn.Module, problem: nn.Module, **more: Any) -> dict[str, str]:
    """Every part, attribute, hook, shape and datum of a network and a problem, and the code that is not of a library.

    And of what else has a part in the run, by its name.

    What the network learns is told by its shape alone, and what its state keeps as well.
    """
    told: dict[str, str] = {}
    known, beside = {id(network): "the network"}, {}
    for name, part in (*network.named_modules(), *network.named_parameters(), *network.named_buffers()):
        known.setdefault(id(part), f"the network's {name}")
    for owner, root in (("the network", network), ("the problem", problem)):
        state = root.state_dict().keys() if root is network else ()
        for path, module in root.named_modules():
            if root is problem and id(module) in known:
                continue
            of = f"{owner}'s {path}." if path else f"{owner}'s "
            told[f"{owner}'s {path}" if path else owner] = _kind(type(module), known, beside)
            for key, value in vars(module).items():
                if key not in _INTERNAL and (key != "training" or _looks_at_training(type(module))):
                    told[of + key] = _told(value, known, beside)
            for key in _HOOKS:
                if hooks := list((getattr(module, key) or {}).values()):
                    told[of + key.strip("_")] = _told(hooks, known, beside)
        for name, tensor in (*root.named_parameters(), *root.named_buffers()):
            if root is network and (name in state or isinstance(tensor, nn.Parameter)):
                frozen = "" if tensor.requires_grad or not isinstance(tensor, nn.Parameter) else ", frozen"
                told[f"{owner}'s {name}"] = f"{tuple(tensor.shape)} {tensor.dtype}{frozen}"
            elif id(tensor) not in known:
                told[f"{owner}'s {name}"] = _told(tensor, known, beside)
    for name, value in more.items():
        told[name] = _told(value, known, beside)
    while new := beside.keys() - told.keys():
        for name in new:
            told[name] = _told(beside[name], known, beside)
    return told


class _Seen(dict[int, tuple[str, Any]]):
    """What a digest has met by its name, and where it puts the globals that a run may change: they have their own."""

    beside: dict[str, Any] | None = None


def digest(value: Any, known: dict[int, str] | None = None, beside: dict[str, Any] | None = None) -> str:
    """A short name of a value that another value does not have; of tensors and arrays by what they hold."""
    hasher, seen = hashlib.sha256(), _Seen({key: (name, None) for key, name in (known or {}).items()})
    seen.beside = beside
    _feed(hasher, value, seen)
    return hasher.hexdigest()[:12]


def _told(value: Any, known: dict[int, str], beside: dict[str, Any]) -> str:
    """A value in few words, and in full where it is short."""
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, Tensor | np.ndarray):
        numbers = value.size if isinstance(value, np.ndarray) else value.numel()
        if numbers <= 6 and not (isinstance(value, Tensor) and value.layout != torch.strided):
            return f"{value.tolist()} ({value.dtype})"
        return f"{tuple(value.shape)} {value.dtype} with the digest {digest(value)}"
    if isinstance(value, _PLAIN) or (isinstance(value, tuple | list) and all(isinstance(v, _PLAIN) for v in value)):
        text = shown(value)
        return f"{text} with the digest {digest(value)}" if text.startswith("an integer") or text[-1] == "." else text
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return f"{name} with the digest {digest(value, known, beside)}"


def _kind(kind: type, known: dict[int, str], beside: dict[str, Any]) -> str:
    """A class by its name, and by its code where that may change from run to run."""
    own = [base for base in kind.__mro__ if not _of_a_library(base.__module__)]
    return kind.__name__ if not own else f"{kind.__name__} with the digest {digest(own, known, beside)}"


def _looks_at_training(kind: Any) -> bool:
    """Whether a module may compute something else after ``eval()``, as dropout does."""
    return not _of_a_library(kind.__module__) or "training" in kind.forward.__code__.co_names


def _of_a_library(module: str | None) -> bool:
    root = (module or "builtins").partition(".")[0]
    if root in sys.stdlib_module_names or root == __name__.partition(".")[0]:
        return root != "__main__"
    file = getattr(sys.modules.get(root), "__file__", None)
    return file is not None and _SITE in Path(file).parents


def _home(value: Any) -> str | None:
    """The module that a class or a function is of."""
    return _BEFORE.get(value.__module__, value.__module__)


def _feed(hasher: Any, value: Any, seen: _Seen) -> None:
    """Put a value into a digest, with all that it is made of, the same in every process."""

    def put(*parts: Any) -> None:
        for part in parts:
            hasher.update(part if isinstance(part, bytes | np.ndarray) else f"{part}\0".encode())

    def within(values: Iterable[Any]) -> None:
        for v in values:
            _feed(hasher, v, seen)

    if isinstance(value, _PLAIN):
        put(type(value).__name__, hex(value) if type(value) is int else repr(value))
        return
    if id(value) in seen:
        put(seen[id(value)][0])
        return
    if not isinstance(value, tuple | frozenset | types.CodeType):  # these may be one object or two, and are the same
        seen[id(value)] = f"number {len(seen)}", value
    put(type(value).__qualname__)
    match value:
        case Tensor():
            put(value.dtype, tuple(value.shape), value.layout, *_bytes(value))
        case np.ndarray() if value.dtype.hasobject:
            within(value.ravel().tolist())
        case np.ndarray() | np.generic():
            put(value.dtype.str, value.shape, value.tobytes())
        case list() | tuple():
            put(len(value))
            within(value)
        case set() | frozenset():
            put(*sorted(digest(v) for v in value))
        case dict() | types.MappingProxyType():
            put(len(value))
            for key, v in value.items():
                within((key, v))
        case functools.partial():
            within((value.func, value.args, value.keywords))
        case types.MethodType():
            within((value.__func__, value.__self__))
        case types.FunctionType():
            _feed_code(put, within, value, seen.beside)
        case staticmethod() | classmethod():
            within((value.__func__,))
        case property():
            within((value.fget, value.fset))
        case types.CodeType():
            put(value.co_code, value.co_names, value.co_varnames)
            within(value.co_consts)
        case types.ModuleType():
            put(value.__name__)
        case type():
            put(_home(value), value.__qualname__)
            if not _of_a_library(value.__module__):
                for key, v in vars(value).items():
                    if key not in _UNTOLD:
                        within((key, v))
        case _:
            try:
                made = value.__reduce_ex__(4)  # what copying it would take: its class, arguments and state
            except Exception:  # a lock, a socket, an open file: it has no numbers
                made = getattr(value, "__qualname__", "")
            within([list(part) if isinstance(part, Iterator) else part for part in made])


def _feed_code(put: Any, within: Any, function: types.FunctionType, beside: dict[str, Any] | None) -> None:
    """A function of the user's by its code and by what it uses of its own module and of the user's other ones."""
    put(_home(function), function.__qualname__)
    if _of_a_library(function.__module__):
        return
    within((function.__code__, function.__defaults__, function.__kwdefaults__))
    for cell in function.__closure__ or ():
        try:
            within((cell.cell_contents,))
        except ValueError:  # not filled yet
            put("empty")
    names, codes = set(), [function.__code__]
    for code in codes:
        names |= set(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    spaces = [(function.__module__, function.__globals__)]
    for module, space in spaces:
        for name in sorted(names & space.keys()):
            value = space[name]
            if isinstance(value, types.ModuleType):
                if not _of_a_library(value.__name__) and all(vars(value) is not known for _, known in spaces):
                    spaces.append((value.__name__, vars(value)))
            elif isinstance(value, (*_PLAIN, tuple, type, types.FunctionType, types.MethodType)) or beside is None:
                within((name, value))
            elif isinstance(value, _HOLDERS) or not _of_a_library(type(value).__module__):
                put(name)
                beside[f"{module}.{name}"] = value


def _bytes(tensor: Tensor) -> list[np.ndarray]:
    whole = tensor.detach().cpu().resolve_conj().resolve_neg()
    if whole.layout != torch.strided:
        whole = whole.to_sparse_coo().coalesce()
        return [*_bytes(whole.indices()), *_bytes(whole.values())]
    return [whole.contiguous().reshape(-1).view(torch.uint8).numpy()]
