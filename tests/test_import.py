"""What an import brings along, and what stands where: the doors of the house."""

import ast
import importlib
import json
import py_compile
import re
import shutil
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest

import relunb.book

ROOT = Path(relunb.__file__).parent
LIBRARY = sorted(f for f in ROOT.rglob("*.py") if f.relative_to(ROOT).parts[0] not in ("book", "_renamed.py"))


def loaded(code: str, *before: str, hidden: str = "") -> set[str]:
    """The modules that a line of code adds in a fresh interpreter."""
    program = f"""
import json, sys
sys.modules.update(dict.fromkeys({hidden.split()!r}))
{"; ".join(f"import {name}" for name in before)}
before = set(sys.modules)
{code}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, capture_output=True)
    return set(json.loads(done.stdout))


def foreign(added):
    return {name.split(".")[0] for name in added} & {
        "torch",
        "numpy",
        "sympy",
        "matplotlib",
        "triton",
        "plotly",
        "skimage",
    }


def test_import_relunb_loads_nothing_of_others():
    added = loaded("import relunb")
    assert not foreign(added)
    assert {name for name in added if name.startswith("relunb")} == {"relunb", "relunb._lazy", "relunb._renamed"}


def test_a_name_loads_its_own_room_and_neither_sympy_nor_matplotlib_nor_triton():
    added = loaded("import relunb; relunb.bw_relu", "torch")
    assert "relunb.wavelet" in added and not added & {"relunb.iat", "relunb.spectrum", "relunb.inr", "relunb.book"}
    assert not foreign(added)


def test_identity_works_where_torch_cannot_be_imported():
    """``None`` in ``sys.modules`` makes every ``import torch`` fail, as where it is not installed."""
    code = "import relunb.check; from sympy import *; assert relunb.check.identity(sin(pi / 6), Rational(1, 2))"
    assert "relunb.check._identity" in loaded(code, hidden="torch numpy matplotlib")
    code = "from relunb.book import Table, symbols; print(Table({'n': [1.5]}), file=sys.stderr)"
    assert "relunb.book" in loaded(code, hidden="torch numpy matplotlib")


# All that packages have: what a name needs is loaded when the name is first used.
ALL_OF = "for room in {}: exec(f'from relunb.{{room}} import *')"


def test_the_lenses_together_load_torch_and_little_else():
    added = loaded(ALL_OF.format(["iat", "inr", "spectrum", "wavelet"]), "torch")
    assert {"relunb.iat._decoupled", "relunb.inr._fit", "relunb.wavelet._gershgorin"} <= added
    others = {name.partition(".")[0] for name in added if not name.startswith(("relunb", "torch"))}
    assert not foreign(added) - {"numpy"} and not others & {"scipy", "h5py", "distributed", "tqdm"}, others


def test_a_name_loads_the_files_that_it_needs_and_no_other_of_its_room():
    added = loaded("from relunb import iat; iat.PWL", "torch")
    assert {name for name in added if name.startswith("relunb.iat")} == {
        "relunb.iat",
        "relunb.iat._bases",
        "relunb.iat._basis",
    }


@pytest.mark.parametrize("name", ["iat", "inr", "ops", "plot", "spectrum", "wavelet", "cards", "check", "book.data"])
def test_what_is_not_loaded_yet_is_listed_and_nothing_else(name):
    package = importlib.import_module(f"relunb.{name}")
    assert dir(package) == sorted(package.__all__)
    with pytest.raises(AttributeError, match=f"module 'relunb.{name}' has no attribute 'rleu'"):
        package.rleu  # noqa: B018


def test_names_are_listed_and_found():
    assert dir(relunb) == sorted([*relunb.__all__, "__version__"])
    assert dir(relunb.book) == ["Table", "answers", "benchmarks", "data", "figures", "studies", "symbols"]
    for name in relunb.__all__:
        assert getattr(relunb, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'bw_rleu'; it has BWReLU, IAT, LinearSpline, bw_relu, card"):
        relunb.bw_rleu  # noqa: B018


def test_the_library_never_opens_to_the_book():
    for file in LIBRARY:
        rooms = re.findall(r"^ *(?:from|import) +(?:relunb)?\.*(book|data|results)\b", file.read_text(), re.M)
        assert not rooms, file
    added = loaded(ALL_OF.format(["cards", "check", "iat", "inr", "ops", "plot", "spectrum", "wavelet"]))
    assert "relunb.cards._card" in added
    assert not {name for name in added if name.startswith("relunb.book")}


def test_no_lens_opens_to_the_cards_and_a_card_loads_no_matplotlib():
    for room in ("ops", "spectrum", "wavelet", "iat", "inr", "check", "plot"):
        for file in (ROOT / room).glob("*.py"):
            assert not [name for name in opened(file.read_text(), f"relunb.{room}") if "relunb.cards" in name], file
    added = loaded("import relunb; str(relunb.card('bw_relu'))", "torch")
    assert "relunb.cards" in added and not foreign(added) & {"matplotlib", "sympy"}


def test_private_names_of_functorch_stand_in_one_file():
    """PyTorch may change them in any release: then one file changes here."""
    private = re.compile(r"torch(?:\._C)?\._functorch|from torch(?:\._C)? import .*_functorch")
    assert [file.name for file in sorted(ROOT.rglob("*.py")) if private.search(file.read_text())] == ["_functorch.py"]


def opened(source: str, package: str) -> set[str]:
    """What a module of this package imports, as ``relunb.plot._base.BLUE`` or ``torch.Tensor``."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            room = resolve_name("." * node.level + (node.module or ""), package)
            names |= {f"{room}.{alias.name}" for alias in node.names}
    return names


FIGURES = sorted((ROOT / "book" / "figures").glob("*.py"))


@pytest.mark.parametrize("file", FIGURES, ids=lambda file: file.stem)
def test_a_figure_draws_and_computes_nothing(file):
    """It imports of the library the plots alone, of torch a type, and no mathematics: the chapter hands it numbers."""
    names = opened(file.read_text(), "relunb.book.figures")
    assert all(name.startswith("relunb.plot") for name in names if name.startswith("relunb"))
    assert {name for name in names if name.startswith("torch")} <= {"torch.Tensor"}
    assert not {name.split(".")[0] for name in names} & {"sympy", "mpmath", "scipy"}


def test_the_look_at_a_figure_sees_each_way_to_import():
    source = "from ...iat import Basis\nimport torch\ndef f():\n    from relunb import spectrum\nfrom . import one_tone"
    wanted = {"relunb.iat.Basis", "torch", "relunb.spectrum", "relunb.book.figures.one_tone"}
    assert opened(source, "relunb.book.figures") == wanted


# A line that uses an old name, and its new one; ``found`` is what a reader then holds.
OLD_NAMES = [
    ("import relunb.data; found = relunb.data", "relunb.book.data"),
    ("from relunb import data as found", "relunb.book.data"),
    ("from relunb.data import photograph as found", "relunb.book.data.photograph"),
    ("import relunb.results; found = relunb.results", "relunb.book.studies"),
    ("from relunb import results as found", "relunb.book.studies"),
    ("from relunb.results import load as found", "relunb.book.studies.load"),
    ("import relunb.results.imaging; found = relunb.results.imaging", "relunb.book.studies.imaging"),
    ("import relunb.results.imaging as found", "relunb.book.studies.imaging"),
    ("from relunb.results import imaging as found", "relunb.book.studies.imaging"),
    ("from relunb.results.imaging import compare as found", "relunb.book.studies.imaging.compare"),
    ("import relunb.plot.one_tone; found = relunb.plot.one_tone", "relunb.book.figures.one_tone"),
    ("import relunb.plot; found = relunb.plot.one_tone", "relunb.book.figures.one_tone"),
    ("from relunb.plot import one_tone as found", "relunb.book.figures.one_tone"),
    ("from relunb.plot import seven_relus as found", "relunb.book.figures.wavelet_activation"),
    ("from relunb.plot.photograph import ruler as found", "relunb.book.figures.image_fitting.ruler"),
    ("from relunb.spectrum import averager as found", "relunb.spectrum.moving_average_network"),
    ("from relunb.spectrum import differentiator as found", "relunb.spectrum.difference_network"),
    ("from relunb.spectrum import shortened_means as found", "relunb.spectrum.truncated_means"),
    ("from relunb.spectrum import train_together as found", "relunb.spectrum.train_ensemble"),
    ("from relunb.iat import most_regions as found", "relunb.iat.max_linear_regions"),
    ("from relunb.ops import BlockedNetwork as found", "relunb.ops.FusedMLP"),
]


def test_an_old_name_is_the_new_one_and_the_line_that_uses_it_is_told():
    """Each line in a process of its own, forked where all that a new name needs is not loaded yet."""
    program = f"""
import json, os, sys, warnings
from pkgutil import resolve_name
import torch, matplotlib.pyplot

def told(line, new):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        names = {{}}
        exec(compile(line, "the line", "exec"), names)
    assert names["found"] is resolve_name(new), line
    return [str(w.message) for w in told if w.category is DeprecationWarning and w.filename == "the line"]

for line, new in {OLD_NAMES!r}:
    if os.fork() == 0:
        print(json.dumps([line, told(line, new)]), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, line
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    told = dict(map(json.loads, done.stdout.splitlines()))
    for line, new in OLD_NAMES:
        package = new.rpartition(".")[0]
        assert any(f" is now {name};" in said for said in told[line] for name in (new, package)), line


def test_an_old_module_is_not_loaded_before_it_is_used_and_no_other_name_is_taken_for_one():
    code = "from importlib.util import find_spec; found = [find_spec(f'relunb.{name}') for name in %r]; assert %s"
    added = loaded(code % (["data", "results", "plot.one_tone"], "all(found)"))
    assert (
        not foreign(added) and not {"relunb.book.studies", "relunb.book.data", "relunb.book.figures.one_tone"} & added
    )
    added = loaded(code % (["dato", "plot.no_tone", "plot.__wrapped__"], "not any(found)"))
    assert not {name for name in added if name.startswith("relunb.book")}


def test_a_study_runs_under_its_old_name():
    command = [sys.executable, "-m", "relunb.results.imaging", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("usage: imaging.py")
    assert "relunb.results.imaging is now relunb.book.studies.imaging;" in done.stderr


def test_an_install_without_sources_says_what_to_do(tmp_path):
    for name in ("__init__", "_lazy", "_renamed"):
        py_compile.compile(str(ROOT / f"{name}.py"), str(tmp_path / "relunb" / f"{name}.pyc"), doraise=True)
    found = subprocess.run([sys.executable, "-c", "import relunb"], cwd=tmp_path, capture_output=True, text=True)
    assert "ImportError: relunb reads its public names from its __init__.py, which is not here." in found.stderr
    shutil.copy(ROOT / "__init__.py", tmp_path / "relunb")  # as pages that run Python have it
    code = "import relunb; print(relunb.__file__, *relunb.__all__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout.split()[1:] == relunb.__all__ and str(tmp_path) in found.stdout
