"""What a CT scanner's answer looks like: a real slice that ships with pydicom, and the phantom everyone tests with."""

import torch
from torch import Tensor

from ..._checks import check_count, shown
from ._photographs import shrunk, skimage_module


def ct_slice() -> Tensor:
    """A slice of a real chest CT: a vertebra with its canal, the aorta, and the edges of both lungs.

    Returns:
        float32 tensor (128, 128), the Hounsfield numbers -896 to 1167 mapped linearly onto [0, 1].

    Raises:
        ImportError: pydicom is not installed.

    Example:
        >>> ct_slice().shape
        torch.Size([128, 128])

    Source: ``CT_small.dcm`` among pydicom's test files, one of the compressed samples of David Clunie. Used in
    :doc:`/book/inr/tomography`.
    """
    try:
        import pydicom
        from pydicom.data import get_testdata_file
    except ImportError as error:
        raise ImportError("ct_slice needs pydicom: pip install pydicom.") from error
    stored = pydicom.dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    numbers = torch.from_numpy(stored.pixel_array.astype("float32"))
    return (numbers - numbers.min()) / (numbers.max() - numbers.min())


def phantom(side: int = 400) -> Tensor:
    """The Shepp-Logan phantom, ten ellipses that stand for a head.

    Args:
        side: pixels a side, a divisor of 400; smaller ones are block means.

    Returns:
        float32 tensor (side, side), values in [0, 1].

    Raises:
        ImportError: scikit-image is not installed.
        TypeError: ``side`` is not an integer.
        ValueError: ``side`` does not divide 400.

    Example:
        >>> phantom(50).shape
        torch.Size([50, 50])

    Source: Shepp and Logan (1974), as scikit-image ships it. Used in :doc:`/book/inr/tomography`.
    """
    if 400 % check_count("side", side):
        raise ValueError(f"side must be a divisor of 400; got {shown(side)}.")
    whole = skimage_module("data", "phantom").shepp_logan_phantom()
    return shrunk(torch.from_numpy(whole).float(), 400 // side)
