"""Tables that are made once for the whole process: how to make them, and how to keep them.

Inference mode, a default device, ``vmap`` and ``grad``, fake tensors, tracing: whatever is on when a table is first
needed marks every tensor that is made then. Such a tensor must not be kept, as it breaks the next call.
"""

import functools
from collections.abc import Callable, Hashable
from functools import cached_property
from threading import Thread
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")
_all_kept: list[dict[Hashable, Any]] = []


def made_plainly(make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``make`` returns: made on the CPU, as ordinary tensors without gradient, whatever is switched on.

    All those modes belong to a thread, so ``make`` runs in another one.
    """
    made: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with torch.no_grad():
                made.append(make(*args, **kwargs))
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def kept_table(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator: the function's results, :func:`made_plainly`, are kept; ``most`` of them.

    It is for the use of ``functools.lru_cache``, which ``torch.compile`` warns of. Arguments are given by position.
    """

    def decorate(make: Callable[P, T]) -> Callable[P, T]:
        kept: dict[Hashable, T] = {}
        _all_kept.append(kept)

        @functools.wraps(make)
        def table(*args: P.args, **kwargs: P.kwargs) -> T:
            found = kept.get(args)
            if found is None:
                found = made_plainly(make, *args, **kwargs)
                for oldest in list(kept)[: len(kept) + 1 - most]:
                    kept.pop(oldest, None)
                kept[args] = found
            return found

        return table

    return decorate


def kept_property(make: Callable[[Any], T]) -> cached_property[T]:
    """``functools.cached_property`` of what is :func:`made_plainly`."""
    return cached_property(functools.wraps(make)(lambda self: made_plainly(make, self)))


def forget_tables() -> None:
    """Empty every :func:`kept_table`: the next call is a first call again."""
    for kept in _all_kept:
        kept.clear()
