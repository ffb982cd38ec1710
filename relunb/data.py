"""The old name of :mod:`relunb.book.data`, for this version only."""

import warnings

from .book.data import PHOTOGRAPHS as PHOTOGRAPHS
from .book.data import ct_slice as ct_slice
from .book.data import phantom as phantom
from .book.data import photograph as photograph
from .book.data import photoplethysmogram as photoplethysmogram

warnings.warn("relunb.data is now relunb.book.data; the old name goes with the next version.", DeprecationWarning, 2)
