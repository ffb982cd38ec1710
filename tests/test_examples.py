"""Every public name has an example that runs, and its package's docstring names it."""

import contextlib
import doctest
import importlib
import inspect
import io
import pkgutil
import re
import warnings
from pathlib import Path

import pytest

ROOMS = ["book", "book.data", "cards", "check", "iat", "inr", "plot", "spectrum", "wavelet"]


def modules(package):
    """The package and its modules."""
    names = [f"{package.__name__}.{found.name}" for found in pkgutil.iter_modules(package.__path__)]
    return [package] + [importlib.import_module(name) for name in names if not name.endswith("__main__")]


def names(package):
    """What the package is used by."""
    return sorted(package.__all__)


def documented(package):
    """The public functions and classes: a number or a table has no docstring of its own."""
    return [name for name in names(package) if callable(getattr(package, name))]


def room(name):
    return importlib.import_module(f"relunb.{name}")


EXAMPLES = [(name, module.__name__) for name in ROOMS for module in modules(room(name))]


@pytest.mark.parametrize("name", ROOMS)
def test_every_public_name_has_an_example(name):
    package = room(name)
    assert documented(package), "nothing was looked at"
    without = [each for each in documented(package) if ">>> " not in (getattr(package, each).__doc__ or "")]
    assert not without


@pytest.mark.parametrize("name", [*ROOMS, "book.studies", "ops"])
def test_all_is_what_the_package_has(name):
    """Functions, classes and constants that it imports from its own modules, or makes, in its ``__all__``."""
    package = room(name)
    assert all(hasattr(package, each) for each in names(package)), "those that load when asked for are loaded now"
    has = {
        key
        for key, value in vars(package).items()
        if getattr(value, "__module__", "").startswith(package.__name__) or key.isupper()
    }
    has -= {"HERE", "NAMES", "TYPE_CHECKING"}  # where studies look, and what no reader wants
    assert {key for key in has if key[0] != "_"} == set(names(package))


REFERENCE = Path(__file__).parents[1] / "book" / "reference" / "api.md"


@pytest.mark.parametrize("name", [*ROOMS, "book.studies"])
def test_the_reference_lists_every_public_name(name):
    text = REFERENCE.read_text(encoding="utf8")
    listed = set(re.findall(r"auto\w+:: relunb\.(?:\w+\.)*(\w+)$", text, re.MULTILINE))
    assert not [each for each in documented(room(name)) if each not in listed]


@pytest.mark.parametrize("name", ROOMS)
def test_package_names_what_it_has(name):
    package = room(name)
    assert [each for each in names(package) if f"``{each}``" not in str(package.__doc__)] == []


def taken_for_a_type(text):
    """What the book's builder would look up: the words before a colon in the first line of what is returned."""
    first = re.search(r"Returns:\n *(.*)", inspect.getdoc(text) or "")
    before, colon, _ = first[1].partition(": ") if first else ("", "", "")
    return before if colon and "`" not in before else None


@pytest.mark.parametrize("name", [*ROOMS, "ops"])
def test_no_sentence_is_taken_for_a_type(name):
    package = room(name)
    assert {each: found for each in documented(package) if (found := taken_for_a_type(getattr(package, each)))} == {}


def test_a_sentence_with_a_colon_is_seen():
    def wrong():
        """Two.

        Returns:
            (height, width): float32.
        """

    assert taken_for_a_type(wrong) == "(height, width)" and taken_for_a_type(len) is None


@pytest.mark.parametrize(("name", "module"), EXAMPLES, ids=[module for _, module in EXAMPLES])
def test_examples_run(name, module):
    module = importlib.import_module(module)
    report = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False)
    with warnings.catch_warnings(), contextlib.redirect_stdout(report):
        warnings.simplefilter("error")
        for test in doctest.DocTestFinder(exclude_empty=True).find(module, module.__name__):
            runner.run(test, out=report.write)
    assert runner.failures == 0, report.getvalue()


def test_a_wrong_example_is_seen():
    runner = doctest.DocTestRunner(verbose=False)
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert runner.run(test, out=lambda _: None).failed == 1
