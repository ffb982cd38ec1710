"""What a reader downloads is the chapter, without what only the book's pages need."""

import importlib.util
from pathlib import Path

import jupytext
import nbformat
import pytest

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"
CHAPTER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3}
---

# One

```{index} kink; of ReLU, DC
```

(here)=
## A place

A sentence.

```{index} line
```

Another.

````{code-cell} ipython3
text = '''
```{index} no directive, but what a cell says
```
'''
````

```{index} tap
```

## The end
"""


@pytest.fixture
def notebook(monkeypatch):
    """The notebook that the extension makes of the chapter."""
    monkeypatch.syspath_prepend(EXTENSIONS)
    spec = importlib.util.spec_from_file_location("notebooks_of_the_book", EXTENSIONS / "notebooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.notebook_of(CHAPTER)


def test_the_index_entries_are_left_out(notebook):
    needs, first, last = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert "pip install" in needs
    assert first == "# One\n\n(here)=\n## A place\n\nA sentence.\n\nAnother."
    assert last == "## The end"


def test_the_cells_stay_as_they_are(notebook):
    def code(cells):
        return [cell.source for cell in cells if cell.cell_type == "code"]

    assert code(notebook.cells) == code(jupytext.reads(CHAPTER, fmt="md:myst").cells)
    assert "{index} no directive" in code(notebook.cells)[0]
    nbformat.validate(notebook)
