"""What `import relunb` brings along."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, sys, time
import torch
before, start = set(sys.modules), time.perf_counter()
import relunb
print(json.dumps({"seconds": time.perf_counter() - start, "added": sorted(set(sys.modules) - before)}))
"""


@pytest.fixture(scope="module")
def measured():
    def once():
        # With bytecode, as an installed package has it: compiling the sources is not what an import costs.
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        return json.loads(subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, env=env).stdout)

    return once(), once


def test_import_loads_neither_sympy_nor_matplotlib_nor_triton(measured):
    added = measured[0]["added"]
    assert "relunb.wavelet" in added
    assert not {name for name in added if name.split(".")[0] in ("sympy", "matplotlib", "triton", "plotly", "skimage")}
    foreign = [name for name in added if name.split(".")[0] != "relunb"]
    assert len(foreign) < 16, foreign


def test_import_leaves_the_chapters_tools_alone(measured):
    """The doors of the design: only chapters, tests and benchmarks import check, plot and data."""
    assert not {"relunb.check", "relunb.plot", "relunb.data", "relunb.results"} & set(measured[0]["added"])


def test_import_adds_less_than_three_tenths_of_a_second_to_torch(measured):
    """It adds about a hundredth. The best of three, so that a busy machine does not fail it."""
    first, once = measured
    assert min(first["seconds"], *(once()["seconds"] for _ in range(2 if first["seconds"] >= 0.3 else 0)), 9) < 0.3
