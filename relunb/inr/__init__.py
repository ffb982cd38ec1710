"""The wavelet lens in use: images, scans and sounds as functions of coordinates.

Networks and their training:

=========================== =============================================================================
name                        what it is
=========================== =============================================================================
``CoordinateNetwork``       a network from coordinates to values, with one of five activations
``PositionalEncoding``      sines and cosines of the coordinates, in octaves
``Sine``                    the activation ``sin(c z)``
``Gaussian``                the activation ``exp(-(c z)**2)``
``Gabor``                   the complex activation ``exp(i c z - |sigma z|**2)``
``replace_activation``      another activation in a network that is there already
``Grid``                    values on a grid, interpolated: the alternative to a network
``fit``                     trains a network on a problem, with checkpoints that survive a kill
``History``                 what ``fit`` returns: loss and PSNR after every step
``choose_scale``            the scale whose network is best at points that it was not trained on
``ScaleChoice``             what ``choose_scale`` returns
``preset``                  the paper's settings for a task and a method
``Preset``                  what ``preset`` returns: keywords of a network and of ``fit``
``render``                  a network as a picture, sound or volume of any size
``save``                    a network in a file: settings and weights, no code
``load``                    the network in such a file
=========================== =============================================================================

What a network is fitted to, and how well it fits:

=========================== =============================================================================
name                        what it is
=========================== =============================================================================
``ImageProblem``            an image from its pixels, or from some of them
``AudioProblem``            a sound from its samples
``VolumeProblem``           a volume from its voxels, or a video from its frames
``ShapeProblem``            the distance to a shape, from points of its surface or a mesh
``SuperResolutionProblem``  an image from one of lower resolution
``CTProblem``               a slice from its X-ray projections
``Problem``                 the class to derive your own from
``Radon``                   line integrals of an image, and their exact adjoint
``read_image``              a picture from a file, upright and in [0, 1]
``write_image``             a picture to a file
``read_sound``              a sound from a WAV file, all its channels in [-1, 1]
``write_sound``             a sound to a WAV file
``pixel_grid``              the coordinates of every pixel
``psnr``                    peak signal-to-noise ratio in decibels
``ssim``                    structural similarity
=========================== =============================================================================
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._activations import Gabor as Gabor
    from ._activations import Gaussian as Gaussian
    from ._activations import Sine as Sine
    from ._choose_scale import ScaleChoice as ScaleChoice
    from ._choose_scale import choose_scale as choose_scale
    from ._coordinates import pixel_grid as pixel_grid
    from ._encoding import PositionalEncoding as PositionalEncoding
    from ._fit import fit as fit
    from ._grid import Grid as Grid
    from ._images import read_image as read_image
    from ._images import write_image as write_image
    from ._network import CoordinateNetwork as CoordinateNetwork
    from ._presets import Preset as Preset
    from ._presets import preset as preset
    from ._problem import Problem as Problem
    from ._problems import AudioProblem as AudioProblem
    from ._problems import CTProblem as CTProblem
    from ._problems import ImageProblem as ImageProblem
    from ._problems import SuperResolutionProblem as SuperResolutionProblem
    from ._psnr import psnr as psnr
    from ._radon import Radon as Radon
    from ._render import render as render
    from ._replace import replace_activation as replace_activation
    from ._run import History as History
    from ._saved import load as load
    from ._saved import save as save
    from ._shape import ShapeProblem as ShapeProblem
    from ._sounds import read_sound as read_sound
    from ._sounds import write_sound as write_sound
    from ._ssim import ssim as ssim
    from ._volume import VolumeProblem as VolumeProblem
else:  # The rest of Python sees these names, and loads each when it is first used.
    from .._lazy import lazy

    __getattr__, __dir__, __all__ = lazy(__name__)
