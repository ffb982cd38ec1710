"""Results of runs too long for a chapter, each beside the script that makes it, on this machine or on a cluster.

``python -m relunb.book.studies.features`` makes ``features.json``. A result carries its provenance: command, commit,
versions, device, seeds, date. What guards it is behaviour: tests make a part of every result again and compare.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["commit", "load", "pictures"]

HERE = Path(__file__).parent
NAMES = ("activations", "at_scale", "basis_pairs", "derivatives", "features", "imaging", "overlap")


def load(name: str) -> dict[str, Any]:
    """A stored result, with its ``provenance``; runs of ``imaging_paper`` have theirs one by one, in their row.

    Raises:
        ValueError: there is no such result.
    """
    having = sorted(found.stem for found in HERE.glob("*.json"))
    if name not in having:
        raise ValueError(f"name must be one of {', '.join(map(repr, having))}; got {name!r}.")
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


def commit() -> str:
    """The commit that a case is made from, with "+" where the package differs from it; "unknown" outside git.

    What the cases write, the stored results, is no such difference.
    """

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=HERE.parents[1], capture_output=True, text=True, check=True).stdout

    results = [f":(exclude){HERE.parent.name}/{HERE.name}/*.{kind}" for kind in ("json", "npz")]
    try:
        differs = git("status", "--porcelain", ".", *results)
        return git("rev-parse", "--short=12", "HEAD").strip() + ("+" if differs else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
