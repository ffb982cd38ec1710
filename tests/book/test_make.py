"""What `make lab` hands to JupyterLab and says where one is root, and what `make clean` leaves."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JUPYTER = """#!/bin/sh
echo "$@"
env | grep ^JUPYTER_ | sort
exit {status}
"""


@pytest.fixture
def lab(tmp_path):
    """Run `make lab` with programs of our own in the place of Jupyter and of `id`."""

    def run(status: int, user: int, *arguments: str) -> subprocess.CompletedProcess:
        programs = {
            "jupyter": JUPYTER.format(status=status),
            "jupytext-config": "#!/bin/sh\n",
            "id": f"#!/bin/sh\necho {user}\n",
        }
        (tmp_path / "bin").mkdir()
        for name, text in programs.items():
            (tmp_path / "bin" / name).write_text(text)
            (tmp_path / "bin" / name).chmod(0o755)
        (tmp_path / ".ready-lab").touch()  # as new as it gets: nothing is installed
        environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "JUPYTER_PATH": "/hub"}
        environment.pop("MAKEFLAGS", None)  # make test runs this
        command = ["make", "--no-print-directory", "lab", f"VENV={tmp_path}", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    return run


def test_arguments_reach_jupyterlab_and_the_kernel_of_the_environment_comes_first(lab):
    outcome = lab(0, 0, "LAB_ARGS=--allow-root --no-browser")
    assert outcome.returncode == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    assert lines[0] == "lab --allow-root --no-browser book/"
    assert "JUPYTER_PATH=" in lines and "JUPYTER_PREFER_ENV_PATH=1" in lines


@pytest.mark.parametrize("user", [0, 1000])
def test_root_is_told_how_to_start_it(lab, user):
    outcome = lab(1, user)
    assert outcome.returncode != 0
    assert ("make lab LAB_ARGS=--allow-root" in outcome.stderr) == (user == 0)


def test_clean_keeps_the_cases_of_long_runs(tmp_path):
    for name in (
        "_build/results/imaging/case.pt",
        "_build/html/index.html",
        "_build/.executed/page",
        ".venv/bin/python",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def clean():
        command = ["make", "--no-print-directory", "-f", ROOT / "Makefile", "clean"]
        outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert outcome.returncode == 0, outcome.stderr
        files = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
        return files, "Kept: _build/results. To delete it too: rm -r _build" in outcome.stdout

    assert clean() == (["_build/results/imaging/case.pt"], True)
    shutil.rmtree(tmp_path / "_build" / "results")
    assert clean() == ([], False)
