"""Run ruff over the code cells of every chapter: each is written as a script, and named again in the report."""

import subprocess
import sys
import tempfile
from pathlib import Path

import jupytext
from execute import ROOT, chapters, source_of

# In a chapter, imports stand where they are first used, a last expression is shown or silenced with a semicolon,
# cells share names and use them at once, and zip(..., strict=True) would hide the mathematics.
NOT_IN_CHAPTERS = "E402,B018,F811,I001,E703,B023,B905"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        for chapter in chapters():
            script = Path(folder) / f"{chapter.relative_to(ROOT / 'book')}".replace("/", "__").replace(".md", ".py")
            notebook = jupytext.reads(source_of(chapter), fmt="md:myst")
            cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
            script.write_text("\n\n".join(cells) + "\n", encoding="utf8")
        ruff = [str(Path(sys.executable).with_name("ruff")), "check", "--extend-ignore", NOT_IN_CHAPTERS]
        # 84 columns are what a page shows without scrolling sideways; a notebook has display.
        config = [str(ROOT / "pyproject.toml"), "line-length=84", "builtins=['display']"]
        config = [word for setting in config for word in ("--config", setting)]
        return subprocess.run([*ruff, *config, "--output-format", "concise", "."], cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
