"""Whether forward-mode differentiation is inside forward-mode differentiation, which PyTorch gets silently wrong."""

import torch
from torch._C._functorch import TransformType, peek_interpreter_stack
from torch._functorch.pyfunctorch import retrieve_all_functorch_interpreters


def nested_forward_mode() -> bool:
    """True inside ``jvp`` of ``jvp`` or ``jacfwd`` of ``jacfwd``.

    There PyTorch (issue 197867, seen in 2.13) gives every ``autograd.Function`` the second derivative zero. Plain
    operations are right, and so is one forward level around reverse mode, as in ``torch.func.hessian``.
    """
    if torch.compiler.is_compiling() or peek_interpreter_stack() is None:
        return False
    levels = retrieve_all_functorch_interpreters()
    return sum(level.key() == TransformType.Jvp for level in levels) > 1
