"""The problem of a volume: a stack of slices, or a video, whose first side is time."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_count, check_positive, shown
from ._coordinates import lattice
from ._data import Data, check_counts, checked_range, floating
from ._measured import SquaredError
from ._problem import gathered


class VolumeProblem(SquaredError):
    """A volume from its voxels, or a video from its frames: a network of three coordinates.

    Args:
        volume: (depth, height, width) or (depth, height, width, channels), a tensor or array of float32 or float64, at
            least two voxels a side. The depth of a video is time: a color video is (frames, height, width, 3).
        data_range: for PSNR, as for :class:`relunb.inr.ImageProblem`.

    Raises:
        TypeError: ``volume`` is not a tensor or array of float32 or float64.
        ValueError: the volume has another shape, is constant or not finite, or ``data_range`` is not positive or
            contradicts it.

    Example:
        >>> problem = VolumeProblem(torch.linspace(0, 1, 24).reshape(2, 3, 4))
        >>> problem.coordinates.shape, [tuple(view.shape) for view in problem.views()]
        (torch.Size([24, 3]), [(3, 4), (2, 4), (2, 3)])

    See :doc:`/book/inr/tomography`.
    """

    def __init__(self, volume: Data, data_range: float = 1.0) -> None:
        volume = floating("volume", volume, divide=check_positive("data_range", data_range) == 1)
        if volume.ndim not in (3, 4) or min(volume.shape[:3]) < 2 or volume[0, 0, 0].numel() == 0:
            raise ValueError(_shape_told(volume))
        if hint := _channels_last(volume):
            raise ValueError(f"{_shape_told(volume)}{hint}")
        check_counts("volume", volume)
        most = checked_range("volume", volume, data_range)
        super().__init__(lattice(volume.shape[:3], volume), volume)
        self.data_range = most

    def views(self, network: nn.Module | None = None, at: Any = None) -> tuple[Tensor, Tensor, Tensor]:
        """Three planes through a voxel as pictures, of the data or of a network, which is evaluated there alone.

        Args:
            network: whose values are shown; None: the data.
            at: the indices of the voxel, (depth, height, width); default the middle one.

        Returns:
            (height, width), (depth, width) and (depth, height), with the channels behind where there are several.

        Raises:
            TypeError: ``network`` is no module, or an index is no integer.
            ValueError: ``at`` has not three indices, or one is outside.
        """
        sides = self._shape[:3]
        place = [side // 2 for side in sides] if at is None else list(at) if hasattr(at, "__iter__") else [at]
        if len(place) != 3:
            raise ValueError(f"at must be the three indices of a voxel, (depth, height, width); got {shown(at)}.")
        if network is not None and not isinstance(network, nn.Module):
            raise TypeError(f"network must be a torch.nn.Module; got {shown(network)}.")
        found = []
        with torch.no_grad():
            number = torch.arange(math.prod(sides), device=self.coordinates.device).reshape(sides)
            for axis, index in enumerate(place):
                index = check_count("an index of at", index, least=0, most=sides[axis] - 1)
                plane = number.select(axis, index)
                points = plane.flatten()
                values = self.target[points] if network is None else gathered(network, self.coordinates[points])
                found.append(values.reshape(*plane.shape, *self._shape[3:]))
        return tuple(found)


def _shape_told(volume: Tensor) -> str:
    more = " One picture is an ImageProblem." if volume.ndim == 2 else ""
    return (
        "volume must be (depth, height, width) or (depth, height, width, channels), at least two voxels a side; "
        f"got {tuple(volume.shape)}.{more}"
    )


def _channels_last(volume: Tensor) -> str:
    """What to do where channels come first, or behind the frames."""
    if volume.ndim == 4 and volume.shape[3] > 4:
        if volume.shape[1] <= 4:
            return " Channels come last: use volume.permute(0, 2, 3, 1)."
        if volume.shape[0] <= 4:
            return " Channels come last: use volume.permute(1, 2, 3, 0)."
    return ""
