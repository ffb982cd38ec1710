"""What PyTorch is doing around a call: the one place that asks its private parts."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch._C._functorch import (
    TransformType,
    get_unwrapped,
    is_batchedtensor,
    is_functorch_wrapped_tensor,
    is_gradtrackingtensor,
    is_legacy_batchedtensor,
    peek_interpreter_stack,
)
from torch._functorch.pyfunctorch import retrieve_all_functorch_interpreters
from torch.autograd import forward_ad
from torch.jit import is_tracing  # pyright: ignore[reportPrivateImportUsage]

P = ParamSpec("P")
T = TypeVar("T")


def nested_forward_mode() -> bool:
    """True inside ``jvp`` of ``jvp`` or ``jacfwd`` of ``jacfwd``.

    There PyTorch (issue 197867, seen in 2.13) gives every ``autograd.Function`` the second derivative zero. Plain
    operations are right, and so is one forward level around reverse mode, as in ``torch.func.hessian``.
    """
    if torch.compiler.is_compiling() or not inside_transform():
        return False
    levels = retrieve_all_functorch_interpreters()
    return sum(level.key() == TransformType.Jvp for level in levels) > 1


def inside_transform() -> bool:
    """Inside ``vmap``, ``grad``, ``jvp`` or what is made of them."""
    return peek_interpreter_stack() is not None


def wrapped(x: Tensor) -> bool:
    """Whether x stands for another tensor in a transform of torch.func, also one that has ended: it has no memory."""
    return is_functorch_wrapped_tensor(x)


def has_tangent(x: Tensor) -> bool:
    """Whether x carries a tangent of ``torch.autograd.forward_ad``."""
    return forward_ad.unpack_dual(x).tangent is not None


def dispatch_is_watched() -> bool:
    """Whether a mode watches torch's operations, to count them or to record them: it sees no others."""
    return torch._C._len_torch_dispatch_stack() > 0


def batched(x: Tensor) -> bool:
    """Whether ``vmap``, or ``is_grads_batched`` of autograd, hides a dimension of x."""
    return is_batchedtensor(x) or is_legacy_batchedtensor(x)


def legacy_batched(x: Tensor) -> bool:
    """Whether ``is_grads_batched`` hides a dimension of x. That vmap does not know ``autograd.Function``."""
    return is_legacy_batchedtensor(x)


def hidden_batch(x: Tensor) -> bool:
    """Whether ``vmap`` hides a dimension of x, also where ``grad`` is inside it."""
    while is_gradtrackingtensor(x):
        x = get_unwrapped(x)
    return is_batchedtensor(x)


def exporting() -> bool:
    """Inside ``torch.export``."""
    if not torch.compiler.is_compiling():
        return False
    asked = getattr(torch.compiler, "is_exporting", None)  # torch 2.7 and later
    return (asked is not None and asked()) or not torch.compiler.is_dynamo_compiling()


def recorded() -> bool:
    """Inside ``torch.export`` or ``torch.jit.trace``: what runs now will run again on other numbers."""
    return exporting() or is_tracing()


def outside_graphs(reason: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator for what looks at numbers: between two graphs of torch.compile it runs as it is.

    Without it the compiler would trace what it cannot hold, piece by piece, for a minute, or give up.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            if torch.compiler.is_compiling() and not recorded():
                # Made here and not outside: that would import the compiler, which takes seconds.
                outside: Any = torch.compiler.disable(function, reason=reason)
                return outside(*args, **kwargs)
            return function(*args, **kwargs)

        return run

    return decorate


def valueless(x: Tensor) -> bool:
    """Whether x has a shape and no numbers: on the device meta, or a fake tensor."""
    return x.is_meta or type(x).__name__ in ("FakeTensor", "FunctionalTensor")


def plain_only(x: Tensor) -> bool:
    """Whether only plain torch operations will do on x: while one compiles or records, or without numbers."""
    return torch.compiler.is_compiling() or is_tracing() or valueless(x) or nested_forward_mode()


def shape_alone(size: int, *inputs: Tensor) -> Tensor:
    """What a function of ``valueless`` inputs (..., features) returns: (..., size), of the first one's dtype."""
    total = functools.reduce(torch.add, (x.to(inputs[0].dtype).sum(-1, keepdim=True) for x in inputs))
    return total * total.new_ones(size)


def without_autocast(x: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Full precision inside; autocast does not know the device meta."""
    return contextlib.nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)
