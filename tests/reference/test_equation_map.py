"""The equation map has a row for every item, and every row points at things that exist."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "book/_ext/equation_map.py"

# The book's extensions are not a package: load this one by its path, under the name that Sphinx gives it.
spec = importlib.util.spec_from_file_location("equation_map", EXTENSION)
assert spec and spec.loader, f"cannot load {EXTENSION}"
equation_map = importlib.util.module_from_spec(spec)
sys.modules["equation_map"] = equation_map
spec.loader.exec_module(equation_map)


@pytest.mark.slow
def test_every_row_holds():
    ids = (ROOT / "tests/paper-item-ids.txt").read_text(encoding="utf8").split()
    problems = equation_map.find_problems(ROOT / "book/reference/equation-map.yml", ids, ROOT)
    assert not problems, "book/reference/equation-map.yml:\n" + "\n".join(problems)


# ---- a small repository with a map that holds, to be broken in one place at a time

CHAPTER = """\
---
jupytext:
  text_representation:
    format_name: myst
---

# A chapter

```{admonition} The result
This chapter covers {item}`BW.eq2`, {item}`BW.eq3` and {item}`IAT.eq4`.
```

$$ x $$ (eq-x)

Not in the box: {item}`DC.tab1`.
"""
SECOND = """\
# Another chapter

```{admonition} The result
This chapter returns to {item}`BW.eq2`.
```

(sec-y)=
## Text
"""
TESTS = """\
import pytest

@pytest.mark.parametrize("x", [1])
def test_a(x): ...

class TestB:
    def test_b(self): ...
"""
SETTINGS = f"""\
import sys
sys.path.insert(0, {str(EXTENSION.parent)!r})
extensions = ["myst_parser", "equation_map"]
myst_enable_extensions = ["dollarmath"]
exclude_patterns = ["tests", "out"]
"""
INDEX = """\
# A book

```{toctree}
book/chapter
book/page
book/second
book/reference/map
```
"""
MAP = """\
# The map

```{equation-map} counts
```

```{equation-map} DC
```

```{equation-map} BW
```

```{equation-map} IAT
```
"""
ROWS = {
    "DC.eq1": {"status": "planned"},
    "DC.tab1": {"status": "not covered", "why": "It is long."},
    "BW.eq2": {"status": "derived", "chapter": ["eq-x", "sec-y"], "function": "fractions.Fraction.limit_denominator",
               "test": "tests/test_x.py::test_a"},
    "BW.eq3": {"status": "used", "chapter": "eq-x", "function": None, "test": "book/chapter.md"},
    "IAT.eq4": {"status": "derived with a correction", "why": "It is $2x$.", "chapter": "eq-x", "function": None,
                "test": "tests/test_x.py::TestB::test_b"},
}  # fmt: skip


@pytest.fixture
def repository(tmp_path):
    """Return a function that writes the rows into a repository where they hold, and gives back its root."""
    (tmp_path / "book/reference").mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    (tmp_path / "book/chapter.md").write_text(CHAPTER, encoding="utf8")
    (tmp_path / "book/second.md").write_text(SECOND, encoding="utf8")
    (tmp_path / "book/page.md").write_text("# Not a chapter\n", encoding="utf8")
    (tmp_path / "tests/test_x.py").write_text(TESTS, encoding="utf8")
    (tmp_path / "conf.py").write_text(SETTINGS, encoding="utf8")
    (tmp_path / "index.md").write_text(INDEX, encoding="utf8")
    (tmp_path / "book/reference/map.md").write_text(MAP, encoding="utf8")

    def write(rows):
        text = yaml.safe_dump(rows)
        (tmp_path / "book/reference/equation-map.yml").write_text(text, encoding="utf8")
        return tmp_path

    return write


def good_rows():
    return [{"id": name, "kind": "equation", "says": "$x$ is $x$.", **fields} for name, fields in ROWS.items()]


def problems_of(root):
    return equation_map.find_problems(root / "book/reference/equation-map.yml", list(ROWS), root)


def test_a_map_that_holds_has_no_problem(repository):
    assert problems_of(repository(good_rows())) == []


BROKEN = [
    ("BW.eq2", {"chapter": ["eq-x", "eq-y"]}, "no page of the book has the label 'eq-y'. Add it there"),
    ("BW.eq2", {"chapter": "eq-x"}, "the first box of book/second.md lists the item, and no label in `chapter` is"),
    ("BW.eq3", {"chapter": ["eq-x", "sec-y"]}, "`chapter` leads to book/second.md, whose first box does not list the"),
    ("BW.eq3", {"chapter": []}, "`chapter` must be a text, not []"),
    ("BW.eq2", {"function": "fractions.Faction"}, "the function 'fractions.Faction' cannot be imported"),
    ("BW.eq2", {"function": "fraction.Fraction"}, "the function 'fraction.Fraction' cannot be imported"),
    ("BW.eq2", {"test": "tests/test_y.py::test_a"}, "the test file 'tests/test_y.py' does not exist"),
    ("BW.eq2", {"test": "tests/test_x.py::test_b"}, "the test 'tests/test_x.py::test_b' does not exist"),
    ("BW.eq2", {"test": "tests/test_x.py::TestB::test_a"}, "the test 'tests/test_x.py::TestB::test_a' does not exist"),
    ("BW.eq2", {"test": "tests/test_x.py"}, "the test 'tests/test_x.py' does not exist. Write `test` as"),
    ("BW.eq3", {"test": "book/gone.md"}, "the test file 'book/gone.md' does not exist"),
    ("BW.eq3", {"test": "book/page.md"}, "'book/page.md' is not a chapter that runs"),
    ("BW.eq3", {"status": "done"}, "the status is 'done'. Use one of: derived, "),
    ("BW.eq3", {"kind": "lemma"}, "the kind is 'lemma'. Use one of: equation, "),
    ("BW.eq3", {"says": " "}, "`says` must be a text, not ' '"),
    ("BW.eq3", {"chapter": None}, "`chapter` must be a text, not None"),
    ("BW.eq3", {"id": "XY.eq3"}, "the id must begin with the name of a paper"),
    ("DC.eq1", {"chapter": "eq-x"}, "`chapter` does not belong to a row with the status 'planned'. Remove it"),
]


@pytest.mark.parametrize(("item", "change", "message"), BROKEN)
def test_a_wrong_value_is_reported(repository, item, change, message):
    rows = [{**row, **change} if row["id"] == item else row for row in good_rows()]
    [problem] = problems_of(repository(rows))
    assert problem.startswith(f"{change.get('id', item)}: {message}")


@pytest.mark.parametrize(
    ("item", "field"),
    [("IAT.eq4", "why"), ("DC.tab1", "why"), ("BW.eq2", "chapter"), ("BW.eq2", "function"), ("BW.eq3", "test")],
)
def test_a_missing_field_is_reported(repository, item, field):
    rows = good_rows()
    del next(row for row in rows if row["id"] == item)[field]
    [problem] = problems_of(repository(rows))
    assert problem.startswith(f"{item}: `{field}` is missing")


def test_a_missing_item_is_reported(repository):
    [problem] = problems_of(repository(good_rows()[1:]))
    assert problem == "DC.eq1: the item has no row. Add one to equation-map.yml."


def test_an_unknown_item_is_reported(repository):
    extra = {"id": "DC.eq99", "kind": "equation", "says": "No.", "status": "planned"}
    [problem] = problems_of(repository([*good_rows(), extra]))
    assert problem == "DC.eq99: no item has this id. Correct it or remove the row."


def test_an_item_of_a_box_without_a_row_is_reported(repository):
    root = repository(good_rows())
    (root / "book/second.md").write_text(SECOND.replace("BW.eq2`", "BW.eq2` and {item}`BW.eq9`"), encoding="utf8")
    [problem] = problems_of(root)
    assert problem == "BW.eq9: the first box of book/second.md lists the item, and it has no row."


def test_a_why_that_is_another_rows_is_reported(repository):
    rows = good_rows()
    rows[1]["why"] = next(row["why"] for row in rows if row["id"] == "IAT.eq4")
    [problem] = problems_of(repository(rows))
    assert problem == "IAT.eq4: `why` is that of DC.tab1. Write its own."


def test_a_second_row_for_an_item_is_reported(repository):
    rows = good_rows()
    [problem] = problems_of(repository([*rows, rows[0]]))
    assert problem.startswith("DC.eq1: this id has more than one row")


@pytest.mark.parametrize("rows", [{"DC.eq1": "planned"}, None, "DC.eq1"])
def test_a_file_that_is_no_list_is_reported(repository, rows):
    [problem] = problems_of(repository(rows))
    assert "must be a list of rows" in problem


def test_a_row_that_is_no_mapping_is_reported_by_its_number(repository):
    [problem] = problems_of(repository([*good_rows(), "DC.eq1"]))
    assert problem.startswith("row 6: a row must be a mapping")


def test_a_file_that_is_no_yaml_is_reported(repository):
    root = repository([])
    (root / "book/reference/equation-map.yml").write_text("- id: [", encoding="utf8")
    assert "is not valid YAML" in problems_of(root)[0]


# ---- labels

PAGE = """\
---
title: front matter
label: not-a-label
---

(section)=
# A section

$$ x $$ (short-equation)

$$
x
$$ (long-equation)

```{math}
:label: directive-equation

x
```

::::{prf:theorem} A theorem
:label: theorem

:::{note}
:name: nested
(inner)=
Text.
:::
::::

::::{prf:proof}
:::{note}
:name: nested-first
:::
::::

- ```{figure} x.png
  :name: figure

  A caption
  ```

```{code-cell} ipython3
---
tags: [hide-input]
mystnb:
  figure:
    name: plotted
    caption: A caption
---
name: str = "not-an-option"
```

```{code-cell} ipython3
:tags: [hide-input]

text = '''
(in-a-string)=
'''
```

```text
(in-an-example)=
```
"""


def test_every_form_of_label_is_found_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf8")
    anchors = equation_map.read_anchors([page])
    assert {label: anchor.role for label, anchor in anchors.items()} == {
        "section": "ref",
        "short-equation": "eq",
        "long-equation": "eq",
        "directive-equation": "eq",
        "theorem": "prf:ref",
        "nested": "ref",
        "nested-first": "ref",
        "inner": "ref",
        "figure": "numref",
        "plotted": "numref",
    }


# ---- the page


def build(root):
    """Build the repository's book with warnings as errors, in two processes, and return the outcome."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-j", "2", "-b", "html", str(root), str(root / "out")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def page_rows():
    """Rows that a build without the API reference can show."""
    return [{**row, "function": None} if "function" in row else row for row in good_rows()]


@pytest.mark.slow
def test_a_chapter_links_to_its_row_and_the_row_to_the_chapter(repository):
    root = repository(page_rows())
    outcome = build(root)
    assert outcome.returncode == 0, outcome.stderr
    page = (root / "out/book/reference/map.html").read_text(encoding="utf8")
    row = page.split('id="map-bw-eq2"')[1].split("</tr>")[0]
    assert "BW.eq2" in row
    assert r"\(x\)" in row, "the math of `says` is not rendered"
    assert 'href="../chapter.html#equation-eq-x"' in row
    assert 'href="reference/map.html#map-bw-eq2"' in (root / "out/book/chapter.html").read_text(encoding="utf8")


@pytest.mark.slow
def test_the_page_follows_its_data_file(repository):
    root = repository(page_rows())
    assert build(root).returncode == 0
    repository([{**row, "says": "Something else."} for row in page_rows()])
    assert build(root).returncode == 0
    assert "Something else." in (root / "out/book/reference/map.html").read_text(encoding="utf8")


@pytest.mark.slow
def test_the_build_refuses_a_label_that_has_gone(repository):
    root = repository(page_rows())
    assert build(root).returncode == 0
    chapter = root / "book/chapter.md"
    chapter.write_text(CHAPTER.replace("(eq-x)", "(eq-z)"), encoding="utf8")
    outcome = build(root)
    assert outcome.returncode != 0
    assert "BW.eq2: no page of the book has the label 'eq-x'" in outcome.stderr


def test_the_build_refuses_a_link_to_an_unknown_item(repository):
    root = repository(page_rows())
    (root / "book/page.md").write_text("# Page\n\n{item}`BW.eq99`\n", encoding="utf8")
    outcome = build(root)
    assert outcome.returncode != 0
    assert "the equation map has no item 'BW.eq99'. Take an id from equation-map.yml." in outcome.stderr


def test_the_build_refuses_a_malformed_row(repository):
    outcome = build(repository([{**row, "status": "done"} for row in page_rows()]))
    assert outcome.returncode != 0
    assert "the equation map cannot be shown.\nDC.eq1: the status is 'done'" in outcome.stderr
