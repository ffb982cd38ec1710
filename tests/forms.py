"""The forms of the operators that have a compiled kernel, each at any size."""

import pytest

from relunb.ops import _blocks, _native

KERNELS = _native._KERNELS


def take(form, monkeypatch):
    """Send every CPU tensor that way: "plain", "torch blocks" or "compiled kernel"; "as dispatched" changes nothing."""
    if form == "as dispatched":
        return
    if form == "compiled kernel" and not _native.NATIVE:
        pytest.skip(
            "the kernels are not there: no C compiler at the install, sources newer than it, or RELUNB_NATIVE=0"
        )
    monkeypatch.setattr(_native, "SMALL", 2**62 if form == "plain" else 0)
    monkeypatch.setattr(_native, "_KERNELS", KERNELS if form == "compiled kernel" else None)
    if form == "torch blocks":
        monkeypatch.setattr(_blocks, "_PER_THREAD", 500)  # several blocks, the last of them shorter
