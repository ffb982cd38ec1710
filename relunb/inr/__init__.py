"""The wavelet lens in use: images, scans and sounds as functions of coordinates."""

from ._activations import Gabor as Gabor
from ._activations import Gaussian as Gaussian
from ._activations import Sine as Sine
from ._encoding import PositionalEncoding as PositionalEncoding
from ._fit import History as History
from ._fit import fit as fit
from ._grid import Grid as Grid
from ._network import CoordinateNetwork as CoordinateNetwork
from ._presets import Preset as Preset
from ._presets import preset as preset
from ._problems import AudioProblem as AudioProblem
from ._problems import CTProblem as CTProblem
from ._problems import ImageProblem as ImageProblem
from ._problems import Problem as Problem
from ._problems import SuperResolutionProblem as SuperResolutionProblem
from ._problems import pixel_grid as pixel_grid
from ._psnr import psnr as psnr
from ._radon import Radon as Radon
from ._ssim import ssim as ssim

__all__ = [
    "AudioProblem",
    "CTProblem",
    "CoordinateNetwork",
    "Gabor",
    "Gaussian",
    "Grid",
    "History",
    "ImageProblem",
    "PositionalEncoding",
    "Preset",
    "Problem",
    "Radon",
    "Sine",
    "SuperResolutionProblem",
    "fit",
    "pixel_grid",
    "preset",
    "psnr",
    "ssim",
]
