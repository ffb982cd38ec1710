"""What `make test-fast` takes for the tests of a room, and what `make test` leaves out."""

import importlib.util
import re
from types import SimpleNamespace

import pytest

from tests.rooms import LENSES, ROOMS, ROOT, arguments, main, rooms_of


def test_every_room_of_the_package_has_tests():
    rooms = {file.parent.name for file in (ROOT / "relunb").glob("*/__init__.py")}
    assert rooms == set(ROOMS) - {"everywhere"}
    assert all((ROOT / path).exists() for paths in ROOMS.values() for path in paths)


@pytest.mark.parametrize(
    ("files", "rooms"),
    [
        (["relunb/spectrum/_tone.py", "tests/spectrum/test_tone.py"], ["spectrum"]),
        (["relunb/iat/_iat.py", "relunb/ops/_midpoint.py"], ["iat", "ops"]),
        (["book/wavelet/coverage.md", "relunb/book/figures/one_tone.py"], ["book"]),
        (["relunb/_checks.py"], ["everywhere"]),
        (["tests/golden/iat/exact.json", "README.md"], ["everywhere"]),
        ([], ["everywhere"]),
    ],
)
def test_files_belong_to_rooms(files, rooms):
    assert rooms_of(files) == rooms


def test_the_promises_that_run_are_the_rooms_own():
    words = arguments(["iat"])
    assert words[-2:] == ["tests/iat", "tests/test_promises.py"] and words[words.index("-k") + 1] == "iat"
    names = arguments([*ROOMS])[6].split(" or ")
    assert {*LENSES, "test_check", "book"} <= set(names) and "test_promises" not in names


def test_a_room_that_is_none_is_named(capsys):
    assert main(["kitchen"], []) == 2
    assert (
        "ROOM must be one of ops, spectrum, wavelet, iat, inr, cards, check, plot, book, everywhere; got kitchen"
        in (capsys.readouterr().err)
    )


def test_ci_runs_what_make_test_leaves_out():
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    runs = dict(re.findall(r"^(test[a-z-]*):.*\n\t@(.*)", makefile, re.MULTILINE))
    assert runs["test"] == '$(PYTEST) -m "not slow"' and runs["test-slow"] == "$(PYTEST) -m slow"
    assert runs["test-all"] == "$(PYTEST)"
    in_ci = re.findall(r"^RELUNB_REQUIRE_BROWSER=1 make (.*)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert in_ci == ["test", "test-slow"]


@pytest.mark.parametrize(("chosen", "said"), [("not slow", ["make test-all"]), ("slow", []), ("", [])])
def test_a_run_without_the_slow_tests_says_so_at_its_end(chosen, said):
    spec = importlib.util.spec_from_file_location("the_conftest_of_the_root", ROOT / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines: list[str] = []
    plugins = SimpleNamespace(get_plugin=lambda name: SimpleNamespace(write_line=lines.append))
    config = SimpleNamespace(pluginmanager=plugins, option=SimpleNamespace(markexpr=chosen))
    assert len(list(module.pytest_sessionfinish(SimpleNamespace(config=config)))) == 1
    assert len(lines) == len(said) and all(word in line for word, line in zip(said, lines, strict=True))
