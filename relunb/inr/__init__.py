"""The wavelet lens in use: images, scans and sounds as functions of coordinates."""

from ._psnr import psnr as psnr
from ._radon import Radon as Radon

__all__ = ["Radon", "psnr"]
