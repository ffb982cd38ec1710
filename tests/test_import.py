"""What `import relunb` brings along."""

import json
import statistics
import subprocess
import sys


def _modules(statement: str) -> set[str]:
    code = f"{statement}; import sys, json; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(json.loads(run.stdout))


def test_import_loads_neither_sympy_nor_matplotlib_nor_triton():
    added = _modules("import torch, relunb") - _modules("import torch")
    assert "relunb.wavelet" in added
    assert not {name for name in added if name.split(".")[0] in ("sympy", "matplotlib", "triton", "plotly", "skimage")}
    assert len(added) < 40, sorted(added)


def test_lenses_do_not_import_one_another_and_nothing_imports_the_chapters_tools():
    """The doors of the design: ops <- lenses; only chapters import check, plot and data."""
    added = _modules("import relunb")
    assert not {"relunb.check", "relunb.plot", "relunb.data"} & added


def test_import_adds_less_than_three_tenths_of_a_second_to_torch():
    """Measured inside one process, after torch: the cost that the import itself adds. It is about a hundredth."""
    code = "import torch, time; t = time.perf_counter(); import relunb; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", code]
    seconds = [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(3)]
    assert statistics.median(seconds) < 0.3
