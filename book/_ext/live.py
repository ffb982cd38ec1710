"""Chapters that run where they are read: the button, what each cell needs, and a policy that asks nobody else."""

import json
import posixpath
import shutil
from pathlib import Path
from typing import Any

import live_cells
import live_files
from execute import source_of

# Scripts and styles that the theme writes into the page are ours; no other host is asked, whatever a cell does.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)


def entries(chapter: Path) -> list[dict[str, str]]:
    """The code cells of a page for its script, in their order.

    ``why``: what a cell needs that a browser lacks. ``hidden``: the source of a live cell that the page does not show,
    where a later cell needs it. Neither: a live cell, whose source stands on the page.
    """
    import jupytext

    notebook = jupytext.reads(source_of(chapter), fmt="md:myst")
    code = [(cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells if cell.cell_type == "code"]
    found = []
    for cell in live_cells.analysed(code):
        if not cell.hidden:
            found.append({} if cell.live else {"why": _words(cell.missing)})
        elif cell.live and cell.binds:
            found.append({"hidden": cell.source})
    return found


def _words(missing: tuple[str, ...]) -> str:
    return " and ".join(sorted(missing, key=lambda name: (name != "torch", name))[:2])


def _copy_files(app: Any) -> None:
    if app.builder.format != "html":
        return
    app.relunb_megabytes = round(sum(file.stat().st_size for file in live_files.made().iterdir()) / 1e6)
    shutil.rmtree(Path(app.outdir) / "_static" / "live", ignore_errors=True)  # what earlier versions left
    app.config.html_static_path.append(str(live_files.SERVED))
    app.add_css_file("live.css")


def _add_to_page(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    if app.builder.format != "html":
        return
    tag = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    context["metatags"] = f"{context.get('metatags', '')}\n{tag}"
    source = Path(app.confdir) / f"{pagename}.md"
    if doctree is None or not source.exists() or "{code-cell}" not in source_of(source):
        return
    cells = entries(source)
    if {} not in cells:
        return
    up = "../" * pagename.count("/")
    data = {
        "home": f"{up}_static/live/",
        "notebook": posixpath.join(f"{up}_sources", f"{pagename}.ipynb"),
        "megabytes": app.relunb_megabytes,
        "cells": cells,
    }
    text = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    context["body"] += f'<script type="application/json" id="relunb-live">{text}</script>'
    app.add_js_file("live/button.js", defer="defer")


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", _copy_files)
    app.connect("html-page-context", _add_to_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
