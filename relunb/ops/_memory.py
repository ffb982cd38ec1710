"""Large fresh memory on a CPU without the price of a page fault every 4 KiB, where a caller asks for it."""

import contextlib
import ctypes
import sys
from collections.abc import Iterator

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of glibc's malloc.h

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_mallopt = getattr(_libc, "mallopt", None)  # glibc alone has it


@contextlib.contextmanager
def kept_memory() -> Iterator[None]:
    """Inside, the C library keeps freed memory for the next tensor; afterwards it gives it back.

    By default it returns every large array to the system and gets the next one from there, page by page: a fifth of a
    training step. Elsewhere than with glibc this does nothing.
    """
    if _mallopt is None or _libc is None:
        yield
        return
    _mallopt(_MMAP_THRESHOLD, 1 << 30)
    _mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    try:
        yield
    finally:
        _mallopt(_MMAP_THRESHOLD, 32 << 20)  # what the thresholds grow to by themselves where large arrays are freed
        _mallopt(_TRIM_THRESHOLD, 64 << 20)
        _libc.malloc_trim(0)
