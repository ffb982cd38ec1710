"""The old name of :mod:`relunb.book.studies`, for this version only."""

import warnings
from importlib import import_module
from typing import Any

from .book import studies

warnings.warn(
    "relunb.results is now relunb.book.studies; the old name goes with the next version.", DeprecationWarning, 2
)


def __getattr__(name: str) -> Any:
    return import_module(f"{studies.__name__}.{name}") if name in studies.NAMES else getattr(studies, name)
