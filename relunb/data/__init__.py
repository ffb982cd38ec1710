"""Real inputs for chapters: what ships with scikit-image or with this package, so that nothing is downloaded."""

from ._photographs import PHOTOGRAPHS as PHOTOGRAPHS
from ._photographs import photograph as photograph
from ._photoplethysmogram import photoplethysmogram as photoplethysmogram
from ._scans import ct_slice as ct_slice
from ._scans import phantom as phantom
