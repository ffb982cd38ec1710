"""A broken package, a changed pin or a failed build never leaves a book that looks up to date."""

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbclient
import pytest

pytestmark = pytest.mark.slow  # each starts kernels
SCRIPTS = Path(__file__).parents[2] / "book" / "_ext"
HEADER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3}
---
"""
# A shell without job control, as on many CI runners, starts background jobs with Ctrl-C ignored, and they hand it on.
AT_A_TERMINAL = """
import os, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
del sys.argv[0]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TOC = "format: jb-book\nroot: book/intro\nparts:\n  - chapters:\n      - file: book/one\n      - file: book/plain\n"


@pytest.fixture
def project(tmp_path):
    """A small project with the real script at its place in it."""
    for name, text in {
        "relunb/__init__.py": "answer = 42\n",
        "constraints.txt": "torch==1\n",
        "pyproject.toml": "",
        "_config.yml": "title: a\n",
        "_toc.yml": TOC,
        "book/intro.md": "# Intro\n",
        "book/plain.md": "# No code\n",
        "book/one.md": HEADER + "# One\n\n```{code-cell}\nprint(6 * 7)\n```\n",
        "book/not-in-toc.md": "```{code-cell}\n```\n",
        "book/_ext/execute.py": (SCRIPTS / "execute.py").read_text(),
        "book/_ext/forked.py": (SCRIPTS / "forked.py").read_text(),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def execute(project):
    spec = importlib.util.spec_from_file_location(
        "execute_of_a_small_project", project / "book" / "_ext" / "execute.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(project, *arguments):
    command = [sys.executable, str(project / "book" / "_ext" / "execute.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_chapters_are_the_pages_with_code_in_the_table_of_contents(execute, project):
    assert execute.chapters() == [project / "book" / "one.md"]


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "relunb" / "__init__.py").write_text("answer = 43\n"),
        lambda root: (root / "relunb" / "__init__.py").rename(root / "relunb" / "other.py"),
        lambda root: (root / "constraints.txt").write_text("torch==2\n"),
        lambda root: (root / "book" / "plain.md").write_text("# Another title\n"),
        lambda root: (root / "book" / "plain.md").unlink(),
        lambda root: (root / "_config.yml").write_text("title: b\n"),
    ],
    ids=["code", "name of a file", "pin", "page", "page gone", "configuration"],
)
def test_a_book_is_up_to_date_until_anything_changes(execute, project, change):
    (project / "_build" / "html").mkdir(parents=True)
    assert not execute.is_built(), "no build has succeeded yet"
    execute.BUILT_FROM.write_text(json.dumps(execute.state()))
    assert execute.is_built()
    change(project)
    assert not execute.is_built()


@pytest.mark.parametrize("failures", [2, 3])
def test_a_kernel_that_dies_at_its_start_is_started_again_twice(execute, project, monkeypatch, failures):
    tries = []

    class Client(nbclient.NotebookClient):
        def execute(self):
            tries.append(self)
            assert len(tries) > failures, "another kernel has the port"
            return super().execute()

    monkeypatch.setattr(nbclient, "NotebookClient", Client)
    if failures == 3:
        with pytest.raises(AssertionError, match="has the port"):
            execute.execute(project / "book" / "one.md")
        return
    done = execute.execute(project / "book" / "one.md")
    assert not done.problem and done.notebook.cells[-1].outputs[0].text == "42\n"


def test_what_jupyterlab_leaves_behind_is_no_change(execute, project):
    before = execute.state()
    (project / "book" / ".ipynb_checkpoints").mkdir()
    (project / "book" / ".ipynb_checkpoints" / "one-checkpoint.md").write_text("# One\n")
    assert execute.state() == before


@pytest.mark.parametrize("forked", [False, True])
def test_ctrl_c_stops_at_once_and_says_what_is_kept(project, forked):
    pid = project / "pid"
    waits = f"import os, pathlib, time\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(100)"
    (project / "book" / "one.md").write_text(f"{HEADER}# One\n\n```{{code-cell}}\n{waits}\n```\n")
    if forked:  # where there are more chapters than run at once
        (project / "book" / "plain.md").write_text(HEADER + "# Two\n\n```{code-cell}\nprint(2)\n```\n")
    command = [sys.executable, "-c", AT_A_TERMINAL, str(project / "book" / "_ext" / "execute.py"), "--jobs", "1"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not (pid.exists() and pid.read_text()):  # the kernel is at work
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=20)
    assert run.returncode == 130
    assert "run make book again to go on" in output
    for _ in range(100):
        if not _lives(int(pid.read_text())):
            return
        time.sleep(0.1)
    pytest.fail("the kernel goes on")


def _lives(pid):
    """Is there such a process, and has it not ended?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


TELLS = """
import os, sys
print(os.getcwd() == os.path.realpath(sys.path[0] or "."), "numpy" in sys.modules, sorted(globals()))
print(sys.path, sys.stdin.read(), os.environ.get("MPLBACKEND"), __name__)
print(sorted(name for name in sys.modules if name.startswith(("relunb", "execute", "forked"))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")
def test_a_forked_kernel_has_numpy_and_is_otherwise_one_that_started_by_itself(project, execute):
    (project / "book" / "one.md").write_text(f"{HEADER}# One\n\n```{{code-cell}}\n{TELLS}\n```\n")
    (project / "book" / "plain.md").write_text(HEADER + "# Two\n\n```{code-cell}\nimport os; os._exit(3)\n```\n")
    by_itself = execute.execute(project / "book" / "one.md").notebook.cells[-1].outputs[0].text
    run = _run(project, "--jobs", "1")
    assert run.returncode == 1 and "a cell of book/plain.md failed" in run.stdout + run.stderr, "it died"
    forked = execute.executed(project / "book" / "one.md").cells[-1].outputs[0].text
    assert " True " in forked and forked.replace(" True ", " False ", 1) == by_itself


USES = {
    "relunb/__init__.py": "",
    "relunb/used/__init__.py": "from relunb.used import deep\n",
    "relunb/used/deep.py": "answer = 42\n",
    "relunb/used/numbers.json": "[42]",
    "relunb/used/kernel.c": "int answer = 42;",
    "relunb/used/kernel.cpython-311-x86_64-linux-gnu.so": "made of kernel.c, whenever that is installed",
    "relunb/unused.py": "answer = 42\n",
    "pyproject.toml": "",
    "book/one.md": HEADER + "# One\n\n```{code-cell}\nfrom relunb import used\nused.deep.answer\n```\n",
}


@pytest.fixture
def uses(project, monkeypatch):
    """The project again, with a chapter that loads some files of the package and not others."""
    for name, text in USES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(project))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    first = _run(project)
    assert first.returncode == 0 and "book/one.md" in first.stdout, first.stderr
    return project


@pytest.mark.parametrize(
    ("name", "runs_again"),
    [
        ("relunb/__init__.py", True),
        ("relunb/used/deep.py", True),
        ("relunb/used/numbers.json", True),
        ("relunb/used/kernel.c", True),
        ("relunb/used/kernel.cpython-311-x86_64-linux-gnu.so", False),
        ("constraints.txt", True),
        ("relunb/unused.py", False),
        ("pyproject.toml", False),
        ("book/plain.md", False),
    ],
)
def test_a_chapter_runs_again_when_a_file_that_it_loaded_changes_and_only_then(uses, execute, name, runs_again):
    assert execute.executed(uses / "book" / "one.md") is not None
    assert "book/one.md" not in _run(uses).stdout, "nothing changed: the cache has it"
    with (uses / name).open("a") as file:
        file.write("\n")
    assert (execute.executed(uses / "book" / "one.md") is None) == runs_again
    assert ("book/one.md" in _run(uses).stdout) == runs_again


def test_what_is_stored_is_the_notebook_that_ran(uses, execute):
    one = uses / "book" / "one.md"
    code = [cell for cell in execute.executed(one).cells if cell.cell_type == "code"]
    assert [cell.outputs[0].data["text/plain"] for cell in code] == ["42"]
    for spoil in (
        lambda: (uses / "relunb" / "used" / "deep.py").unlink(),
        lambda: one.write_text(one.read_text().replace("deep.answer", "deep.answer + 1")),
        lambda: (uses / "_build" / ".executed" / "one.json").write_text("{"),
    ):
        spoil()
        assert execute.executed(one) is None
        for name, text in USES.items():
            (uses / name).write_text(text)
        assert _run(uses).returncode == 0 and execute.executed(one) is not None


def test_a_file_saved_while_a_chapter_runs_makes_it_old_at_once(uses, execute):
    """What is noted is the file as it was when the chapter began, not as it is when it ends."""
    one, deep = uses / "book" / "one.md", uses / "relunb" / "used" / "deep.py"
    saves = f"open({str(deep)!r}, 'a').write('# saved meanwhile\\n');"
    one.write_text(one.read_text().replace("used.deep.answer", f"{saves} used.deep.answer"))
    assert _run(uses).returncode == 0 and "saved meanwhile" in deep.read_text()
    assert execute.executed(one) is None


def test_a_chapter_that_leaves_a_file_fails(project):
    (project / "book" / "one.md").write_text(HEADER + "# One\n\n```{code-cell}\nopen('out.txt', 'w').close()\n```\n")
    run = _run(project)
    assert run.returncode == 1 and "A chapter writes no file, but this one left out.txt" in run.stdout + run.stderr


@pytest.mark.parametrize("where", ["JUPYTER_PATH", "JUPYTER_DATA_DIR"])
def test_another_kernel_called_python3_is_not_taken(project, monkeypatch, where):
    """A hub has one, of an interpreter that knows nothing of the package."""
    kernel = project / "hub" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {"argv": [sys.executable, "-c", "raise SystemExit(1)"], "display_name": "Hub", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv(where, str(project / "hub"))
    run = _run(project)
    assert run.returncode == 0 and "book/one.md" in run.stdout, run.stderr


def test_a_byte_order_mark_is_no_part_of_a_chapter(project):
    one = project / "book" / "one.md"
    one.write_bytes(b"\xef\xbb\xbf" + one.read_bytes())
    assert "book/one.md" in _run(project).stdout
    assert "book/one.md" not in _run(project).stdout, "the cache has it"


def test_a_failing_chapter_is_named_and_stops_the_build(project):
    (project / "book" / "one.md").write_text(HEADER + "# One\n\n```{code-cell}\nassert 6 * 7 == 43, 'seven'\n```\n")
    for _ in range(2):  # a failure is not remembered as a success
        run = _run(project)
        assert run.returncode == 1
        assert "a cell of book/one.md failed" in run.stdout + run.stderr
        assert "AssertionError" in run.stdout + run.stderr
