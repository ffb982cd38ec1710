"""What `make test-fast` takes for the tests of a room."""

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
