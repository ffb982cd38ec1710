"""Real inputs for chapters: what ships with scikit-image or with this package, so that nothing is downloaded."""

from ._photographs import PHOTOGRAPHS as PHOTOGRAPHS
from ._photographs import photograph as photograph
from ._photographs import pixel_grid as pixel_grid
from ._photoplethysmogram import photoplethysmogram as photoplethysmogram
