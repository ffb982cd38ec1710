"""What `make test-fast` runs: the quick tests of one room, or of the rooms whose files differ from git's HEAD."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LENSES = ("ops", "spectrum", "wavelet", "iat", "inr")
ROOMS = {
    **{room: [f"tests/{room}", "tests/test_promises.py"] for room in LENSES},
    "cards": ["tests/cards"],
    "check": ["tests/test_check.py"],
    "plot": ["tests/test_plot.py"],
    "book": ["tests/book", "tests/reference", "tests/test_data.py", "tests/test_results.py", "tests/test_studies.py"],
    "everywhere": ["tests/test_checks.py", "tests/test_import.py", "tests/test_readme.py"],
}


def changed_files() -> list[str]:
    """Those that differ from HEAD, and new ones; none where there is no git."""
    try:
        for_git = ["git", "diff", "--name-only", "HEAD"], ["git", "ls-files", "--others", "--exclude-standard"]
        return [name for c in for_git for name in subprocess.check_output(c, cwd=ROOT, text=True).splitlines()]
    except (OSError, subprocess.CalledProcessError):
        return []


def rooms_of(files: Iterable[str]) -> list[str]:
    """The rooms that files belong to; what belongs to none, or no file at all, is everywhere's."""
    rooms = set()
    for file in files:
        first, *more = Path(file).parts
        room = more[0] if first in ("relunb", "tests") and more else first
        rooms.add(room if room in ROOMS else "everywhere")
    return sorted(rooms or {"everywhere"})


def arguments(rooms: Iterable[str]) -> list[str]:
    """For pytest: the rooms' tests, and of the promises the rooms' rows, whose names begin with the room's."""
    paths = sorted({path for room in rooms for path in ROOMS[room]})
    names = [Path(path).stem for path in paths if path != "tests/test_promises.py"]
    return ["-q", "-m", "not slow", "--dist", "loadfile", "-k", " or ".join(names), *paths]


def main(rooms: list[str], options: list[str]) -> int:
    unknown = set(rooms) - set(ROOMS)
    if unknown:
        print(f"make test-fast: ROOM must be one of {', '.join(ROOMS)}; got {unknown.pop()}", file=sys.stderr)
        return 2
    rooms = rooms or rooms_of(changed_files())
    print("Quick tests of", ", ".join(rooms))
    return pytest.main([*arguments(rooms), *options])


if __name__ == "__main__":
    where = next((k for k, word in enumerate(sys.argv) if word.startswith("-")), len(sys.argv))
    sys.exit(main(sys.argv[1:where], sys.argv[where:]))
