"""Files that are written whole or not at all, and the sentences for paths that are none."""

import contextlib
import os
import uuid
from pathlib import Path
from typing import Any


def checked_path(name: str, file: Any) -> Path:
    """A path, if it is one."""
    if not isinstance(file, str | os.PathLike) or not isinstance(os.fspath(file), str):
        raise TypeError(f"{name} must be a path, a string or a pathlib.Path; got {type(file).__name__}.")
    if "\0" in os.fspath(file):
        raise ValueError(f"{name} must be a path; got {os.fspath(file)!r}.")
    return Path(file)


def checked_target(name: str, file: Any) -> Path:
    """Where a file can be put. A link stays a link: what it leads to is the target."""
    path = Path(os.path.realpath(checked_path(name, file)))
    folder = path.parent
    if os.path.isdir(path):
        raise IsADirectoryError(f"{name} must name a file, and {file} is a folder: name a file in it.")
    if not os.path.isdir(folder):
        what = "is a file and no folder" if os.path.exists(folder) else "does not exist: make it first"
        raise ValueError(f"the folder of the {name}, {folder}, {what}.")
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{name} must name an ordinary file, and {file} is none.")
    return path


def part_of(path: Path) -> Path:
    """Where a file is written before it takes its place: beside it, under a name of its own."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")


def put(data: bytes, path: Path, part: Path) -> None:
    """Write a file; whoever reads sees the one before or the new one, whole.

    Raises:
        OSError: it cannot be written; the one before is still there.
    """
    try:
        with part.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    finally:  # also after Ctrl-C
        with contextlib.suppress(OSError):
            part.unlink()
