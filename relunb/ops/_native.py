"""The compiled CPU kernels, where a C compiler made them when the package was installed; else torch does their work.

They are left out with ``RELUNB_NATIVE=0`` in the environment, and where they were built from other sources than those
beside this file. ``NATIVE`` tells if they are in use.
"""

import contextlib
import ctypes
import hashlib
import importlib.machinery
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .._functorch import dispatch_is_watched, inside_transform, wrapped

_HERE = Path(__file__).parent
_DTYPES = {torch.float32: "float", torch.float64: "double"}
_POINTER, _SIZE, _INT, _DOUBLE = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_double
_ARGUMENTS = {
    "psi": [_POINTER, _POINTER, _SIZE, _DOUBLE, _INT],
    "psi_gradient": [_POINTER, _POINTER, _INT, _POINTER, _SIZE, _DOUBLE, _POINTER, _INT],
    "cell_means": [_POINTER, _POINTER, _SIZE, _SIZE, _INT],
    "cell_means_gradient": [_POINTER, _POINTER, _INT, _POINTER, _SIZE, _SIZE, _INT],
    "linear_cells": [*[_POINTER] * 10, *[_SIZE] * 5, _INT],
    **{f"step_{name}": [_POINTER, _POINTER, _SIZE, _INT] for name in ("bw_relu", "relu", "siren", "gauss")},
    "step_weigh": [*[_POINTER] * 4, _SIZE, _SIZE, _INT],
}
_ARGUMENTS_OF_PANELS = {
    "panel_roots": [*[_POINTER] * 9, _SIZE, _DOUBLE, _SIZE, _SIZE, _INT, _INT],
    "panel_restricted": [_POINTER, _INT, _POINTER, _POINTER, _INT, *[_SIZE] * 3, *[_POINTER] * 5, _SIZE, _INT],
}


def _library() -> Any:
    if os.environ.get("RELUNB_NATIVE") == "0":
        return None
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        with contextlib.suppress(OSError):  # it is not there, or was built for another machine
            return load(_HERE / f"_kernels{suffix}")
    return None


def load(file: Path) -> Any:
    """The kernels in that file, on torch's threads. None if their sources are not ours, or without such threads."""
    library: Any = ctypes.CDLL(str(file))
    threads = _entry_of_torchs_threads()
    if threads is None or bytes((ctypes.c_char * 64).in_dll(library, "relunb_sources")) != _sources():
        return None
    library.relunb_use_threads(threads)
    of_types = {f"{name}_{kind}": of for name, of in _ARGUMENTS.items() for kind in _DTYPES.values()}
    for name, arguments in (of_types | _ARGUMENTS_OF_PANELS).items():
        kernel = getattr(library, f"relunb_{name}")
        kernel.argtypes, kernel.restype = arguments, _SIZE if name == "panel_roots" else None
    library.most_coefficients = ctypes.c_ssize_t.in_dll(library, "relunb_most_coefficients").value
    return library


def _sources() -> bytes:
    """The SHA-256 of the sources beside this file, as setup.py counts it."""
    parts = (".c", "_of_type.h", "_of_activations.h", "_of_panels.h", "_of_lanes.h")
    files = (_HERE / f"_kernels{part}" for part in parts)
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest().encode()


def _entry_of_torchs_threads() -> Any:
    """GOMP_parallel of the OpenMP that torch is linked to, of GNU or another that has GNU's entry points."""
    with contextlib.suppress(OSError, AttributeError):
        libtorch = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        return ctypes.cast(libtorch.GOMP_parallel, ctypes.c_void_p)
    return None


_KERNELS = _library()
NATIVE = _KERNELS is not None

# Where there is no kernel, fewer numbers than these take the plain form: its dozen small operations then cost less than
# an autograd.Function with a loop over blocks. Measured on two cores: the crossings lie between 40 and 65 thousand.
SMALL = 65_536


def is_small(x: Tensor) -> bool:
    """Whether the plain form is the fastest for that CPU tensor: with a kernel never, outside torch's transforms."""
    kernel = _KERNELS is not None and x.dtype in _DTYPES and not inside_transform()
    return x.numel() < (1 if kernel else SMALL)


def kernel_for(name: str, *tensors: Tensor) -> Any:
    """The kernel of that name if it may read the memory of these CPU tensors as it is; else None."""
    dtype = tensors[0].dtype
    if _KERNELS is None or dtype not in _DTYPES or dispatch_is_watched():
        return None
    if not all(t.dtype == dtype and _is_in_memory(t) for t in tensors):
        return None
    return getattr(_KERNELS, f"relunb_{name}_{_DTYPES[dtype]}")


def kernel_of_panels(name: str, size: int, *tensors: Tensor) -> Any:
    """The kernel of that name for panels of ``size`` coefficients in these tensors, if it may read them; else None."""
    if _KERNELS is None or dispatch_is_watched() or not all(t.is_cpu and _is_in_memory(t) for t in tensors):
        return None
    return getattr(_KERNELS, f"relunb_{name}") if size <= _KERNELS.most_coefficients else None


def _is_in_memory(t: Tensor) -> bool:
    ours = type(t) in (Tensor, torch.nn.Parameter) and not wrapped(t)
    return ours and not t.is_neg() and t.data_ptr() != 0  # torch's stand-in for zeros has no address


def partial_sums(x: Tensor) -> Tensor:
    """Zeros for the sums that a kernel makes of the numbers of x, chunk by chunk."""
    chunk = ctypes.c_ssize_t.in_dll(_KERNELS, "relunb_chunk").value
    return x.new_zeros(-(-x.numel() // chunk), dtype=torch.float64)


def one_number(gradient: Tensor) -> bool:
    """Whether a gradient is one number in memory, which all places share: that of a sum is."""
    return not any(gradient.stride())


def rows_summed() -> int:
    """Over how many rows a kernel takes each of its sums."""
    return ctypes.c_ssize_t.in_dll(_KERNELS, "relunb_summed").value
