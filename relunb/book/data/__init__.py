"""Real inputs for chapters: what ships with scikit-image, pydicom or this package, so that nothing is downloaded.

======================  =================================================
``photograph``          A photograph as gray values.
``PHOTOGRAPHS``         Their names.
``photoplethysmogram``  A person's pulse as an optical sensor saw it.
``ct_slice``            A slice of a real chest CT.
``phantom``             The Shepp-Logan phantom, ten ellipses for a head.
======================  =================================================
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._photographs import PHOTOGRAPHS as PHOTOGRAPHS
    from ._photographs import photograph as photograph
    from ._photoplethysmogram import photoplethysmogram as photoplethysmogram
    from ._scans import ct_slice as ct_slice
    from ._scans import phantom as phantom
else:  # The rest of Python sees these names, and loads each when it is first used.
    from ..._lazy import lazy

    __getattr__, __dir__, __all__ = lazy(__name__)
