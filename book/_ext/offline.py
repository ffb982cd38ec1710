"""The book asks nobody: MathJax and plotly.js come from its own folder, and no page logs an error."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

MATHJAX_PARTS = ("tex-mml-chtml.js", "output/chtml/fonts", "input/tex/extensions")


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the Python package {package!r} is missing: run make book, which installs it")
    return Path(next(iter(spec.submodule_search_locations)))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _add_assets(app: Any) -> None:
    if app.builder.format != "html":
        return
    assets = Path(app.doctreedir).parent / ".assets"
    mathjax = _folder_of("mathjax") / "static" / "mathjax" / "es5"
    for part in MATHJAX_PARTS:
        _copy(mathjax / part, assets / "mathjax" / part)
    _copy(_folder_of("plotly") / "package_data" / "plotly.min.js", assets / "plotly.min.js")
    app.config.mathjax_path = "mathjax/tex-mml-chtml.js"
    app.config.html_static_path += [str(assets), str(Path(app.confdir) / "book" / "_static")]
    app.add_css_file("book.css")


def _plotly_where_used(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    if "plotly-graph-div" in (context.get("body") or ""):
        app.add_js_file("plotly.min.js", priority=100)
        app.add_js_file("plotly-theme.js", priority=900)


def _search(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    if pagename == "search":
        app.add_js_file("search.js")


def _drop_thebe(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Live cells need a server this book does not have, and thebe's script is listed twice: an error on every page."""

    def is_thebe(asset: Any) -> bool:
        text = f"{getattr(asset, 'filename', None) or asset} {getattr(asset, 'attributes', {}).get('body')}"
        return "thebe" in text.lower()

    for kind in ("script_files", "css_files"):
        context[kind][:] = [asset for asset in context.get(kind, []) if not is_thebe(asset)]


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", _add_assets)
    app.connect("html-page-context", _plotly_where_used)
    app.connect("html-page-context", _search)
    app.connect("html-page-context", _drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
