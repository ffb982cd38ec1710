"""Run ruff over the code cells of every chapter: each is written as a script, and named again in the report."""

import subprocess
import sys
import tempfile
from pathlib import Path

import jupytext
from execute import ROOT, chapters

# In a chapter, imports stand where they are first used, a last expression is shown, and cells share names.
NOT_IN_CHAPTERS = "E402,B018,F811,I001"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        for chapter in chapters():
            script = Path(folder) / f"{chapter.relative_to(ROOT / 'book')}".replace("/", "__").replace(".md", ".py")
            jupytext.write(jupytext.read(chapter), script, fmt="py:percent")
        ruff = [str(Path(sys.executable).with_name("ruff")), "check", "--extend-ignore", NOT_IN_CHAPTERS]
        config = ["--config", str(ROOT / "pyproject.toml")]
        return subprocess.run([*ruff, *config, "--output-format", "concise", "."], cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
