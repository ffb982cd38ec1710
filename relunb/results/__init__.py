"""Results of runs too long for a chapter, each beside the script that makes it.

``python -m relunb.results.features`` makes ``features.json``. A result carries its provenance and the fingerprint of
the code that made it: a test fails when that code has changed since.
"""

import ast
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

HERE = Path(__file__).parent
# What each result depends on, from the folder of the package.
SOURCES = {
    "basis_pairs": (
        "results/basis_pairs.py",
        "iat/_bases.py",
        "iat/_basis.py",
        "iat/_quadrature.py",
        "iat/_roots.py",
    ),
    "features": (
        "results/features.py",
        "spectrum/_classifiers.py",
        "spectrum/_one_filter.py",
        "spectrum/_repetitions.py",
        "spectrum/_tone_classes.py",
    ),
    "imaging": (
        "results/imaging.py",
        "data/_photographs.py",
        "data/_scans.py",
        "inr/_activations.py",
        "inr/_encoding.py",
        "inr/_fit.py",
        "inr/_grid.py",
        "inr/_network.py",
        "inr/_presets.py",
        "inr/_problems.py",
        "inr/_psnr.py",
        "inr/_radon.py",
        "inr/_ssim.py",
        "ops/_blocked_network.py",
        "ops/_bw_relu.py",
        "wavelet/_variation_norm.py",
    ),
}


def load(name: str) -> dict[str, Any]:
    """A stored result, with its ``provenance``.

    Raises:
        ValueError: there is no such result.
    """
    if name not in SOURCES:
        raise ValueError(f"name must be one of {', '.join(map(repr, SOURCES))}; got {name!r}.")
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf8"))


def pictures(name: str) -> dict[str, Tensor]:
    """The pictures beside a stored result, by name: float32 tensors (height, width) in [0, 1], 256 gray levels.

    Raises:
        ValueError: there is no such result, or it has no pictures.
    """
    file = HERE / f"{name}.npz"
    if not file.exists():
        having = sorted(found.stem for found in HERE.glob("*.npz"))
        raise ValueError(f"name must be one of {', '.join(map(repr, having))}; got {name!r}.")
    with np.load(file) as stored:
        return {key: torch.from_numpy(stored[key]).float() / 255 for key in stored.files}


def fingerprint(name: str) -> str:
    """A number for the code that makes a result.

    Comments, docstrings, layout, error messages and the folder of an imported module of ours do not count.
    """
    total = hashlib.sha256()
    for source in SOURCES[name]:
        tree = _Bare().visit(ast.parse((HERE.parent / source).read_text(encoding="utf8")))
        total.update(f"{source}\0{ast.unparse(tree)}\0".encode())
    return total.hexdigest()[:16]


class _Bare(ast.NodeTransformer):
    """Drops docstrings, what stands behind ``raise``, and how many folders up a relative import goes."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:  # noqa: N802
        bare = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.copy_location(ast.Pass(), node) if bare else node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:  # noqa: N802
        return ast.copy_location(ast.Raise(exc=None, cause=None), node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:  # noqa: N802
        return ast.copy_location(ast.ImportFrom(node.module, node.names, min(node.level, 1)), node)
