"""The CUDA kernel on a machine without a GPU. On one with a GPU, test_bw_relu runs the kernel itself as well."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("triton_interpreter_cases.py")


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed on this machine")
@pytest.mark.slow
def test_the_kernel_in_triton_s_interpreter():
    """A process of its own: Triton decides at import whether to interpret, and torch.compile may import it first."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)]
    run = subprocess.run(command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "13 passed" in run.stdout, run.stdout
