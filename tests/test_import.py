"""What an import brings along, and what stands where: the doors of the house."""

import ast
import importlib
import json
import re
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest

import relunb

ROOT = Path(relunb.__file__).parent
LIBRARY = sorted(f for f in ROOT.rglob("*.py") if f.relative_to(ROOT).parts[0] not in ("book", "data.py", "results.py"))


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
    assert not foreign(added) and {name for name in added if name.startswith("relunb")} == {"relunb"}


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


@pytest.mark.parametrize("name", ["iat", "inr", "ops", "plot", "spectrum", "wavelet", "book.data"])
def test_what_is_not_loaded_yet_is_listed(name):
    package = importlib.import_module(f"relunb.{name}")
    assert {*package.__all__, "__doc__"} <= set(dir(package))
    with pytest.raises(AttributeError, match=f"module 'relunb.{name}' has no attribute 'rleu'"):
        package.rleu  # noqa: B018


def test_names_are_listed_and_found():
    assert set(relunb.__all__) <= set(dir(relunb))
    for name in relunb.__all__:
        assert getattr(relunb, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'bw_rleu'; it has IAT, BWReLU, LinearSpline, bw_relu"):
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


OLD_NAMES = [
    ("from relunb.data import photograph as found", "relunb.book.data"),
    ("from relunb.results import load as found", "relunb.book.studies"),
    ("from relunb.results import imaging as found", "relunb.book.studies"),
    ("from relunb.plot import one_tone as found", "relunb.book.figures.one_tone"),
    ("from relunb.spectrum import averager as found", "relunb.spectrum.moving_average_network"),
    ("from relunb.spectrum import differentiator as found", "relunb.spectrum.difference_network"),
    ("from relunb.spectrum import shortened_means as found", "relunb.spectrum.truncated_means"),
    ("from relunb.spectrum import train_together as found", "relunb.spectrum.train_ensemble"),
    ("from relunb.iat import most_regions as found", "relunb.iat.max_linear_regions"),
    ("from relunb.ops import BlockedNetwork as found", "relunb.ops.FusedMLP"),
]


def test_an_old_name_still_works_and_names_the_new_one():
    program = f"""
import json, sys, warnings
found_all = []
for line in {[old for old, _ in OLD_NAMES]!r}:
    sys.modules.pop("relunb.results", None)  # it says so when it is imported
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        names = {{}}
        exec(line, names)
    assert names["found"]
    ours = [w for w in told if w.category is DeprecationWarning and "relunb" in str(w.message)]
    found_all.append([str(w.message) for w in ours])
print(json.dumps(found_all))
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    for (old, new), told in zip(OLD_NAMES, json.loads(done.stdout), strict=True):
        assert any(f"is now {new}" in message for message in told), (old, told)
