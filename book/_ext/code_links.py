"""sphinx-codeautolink, which makes names in code cells link to the API, beside sphinx-proof.

sphinx-proof puts the body of a theorem or an exercise into a section that has no title. sphinx-codeautolink takes one
title off its stack for each section it leaves, and so runs out of titles. Here it takes one only where there was one.
"""

from typing import Any

from docutils import nodes
from sphinx_codeautolink.extension.block import CodeBlockAnalyser


def _depart_section(self: CodeBlockAnalyser, node: nodes.section) -> None:
    if node.children and isinstance(node.children[0], nodes.title):
        self.title_stack.pop()


def setup(app: Any) -> dict[str, bool]:
    CodeBlockAnalyser.depart_section = _depart_section
    app.setup_extension("sphinx_codeautolink")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
