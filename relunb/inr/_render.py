"""A network as a picture of any size: a part at a time, so that only a part is in memory beside the answer."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .._checks import check_count, check_flag, check_positive, shown
from ._data import WIDE

_MOST = 2**36  # points: 256 GB of answers


@torch.no_grad()
def render(
    network: nn.Module,
    shape: int | Sequence[int],
    *,
    extent: float = 1.0,
    block: int = 65_536,
    progress: bool = False,
) -> Tensor:
    """The picture, sound or volume that a network stands for, at any resolution.

    The first and the last point along a side lie at ``-extent`` and ``extent``, as those of
    :func:`relunb.inr.pixel_grid`. So the corners stay where they are, and more points lie closer.

    Args:
        network: takes (points, coordinates) and gives (points, channels), on any device.
        shape: points along each side: (height, width) for a picture, a number for a sound, three for a volume.
        extent: coordinates run from ``-extent`` to ``extent``: 1 for pictures, that of the problem for a sound.
        block: points that are evaluated at a time.
        progress: show a bar.

    Returns:
        The shape asked for, with the channels behind it where there are several, on the device of the network.

    Raises:
        TypeError: ``network`` is not a module, or a number is not one.
        ValueError: a side has less than two points, the network takes another number of coordinates, or is of lower
            precision than float32, which does not tell neighbouring points apart.

    Example:
        >>> from relunb.inr import CoordinateNetwork
        >>> network = CoordinateNetwork(2, out_features=3, hidden_features=16)
        >>> render(network, (90, 120)).shape
        torch.Size([90, 120, 3])

    Used in :doc:`/book/inr/super-resolution`.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a torch.nn.Module; got {type(network).__name__}.")
    sides = _sides(shape)
    extent, block = check_positive("extent", extent), check_count("block", block)
    weight = next((p for p in network.parameters() if p.is_floating_point() or p.is_complex()), torch.zeros(()))
    dtype = weight.real.dtype if weight.is_complex() else weight.dtype
    if dtype not in WIDE:
        raise ValueError(
            f"the network's {dtype} does not tell neighbouring points apart: render(network.float(), ...)."
        )
    takes = getattr(network, "in_features", len(sides))
    if takes != len(sides):
        more = ": channels are not part of it" if len(sides) > takes else ""
        raise ValueError(f"shape has {len(sides)} sides, and the network takes {takes} coordinates{more}.")
    along = [torch.linspace(-extent, extent, side, dtype=dtype, device=weight.device) for side in sides]
    total, answer = math.prod(sides), None
    for start in _shown(range(0, total, block), progress):
        place = torch.arange(start, min(start + block, total), device=weight.device)
        points = [axis[index] for axis, index in zip(along, torch.unravel_index(place, sides), strict=True)]
        values = network(torch.stack(points, 1))
        if not isinstance(values, Tensor) or values.ndim != 2 or len(values) != len(place):
            told = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(f"the network must give (points, channels), one row a point; got {told}.")
        if answer is None:
            answer = values.new_empty(total, values.shape[1])
        answer[start : start + block] = values
    assert answer is not None
    return answer.reshape(sides if answer.shape[1] == 1 else (*sides, answer.shape[1]))


def _sides(shape: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(shape, Sequence) and not isinstance(shape, str | bytes):
        sides = tuple(check_count("a side of shape", side, least=2) for side in shape)
    elif isinstance(shape, Tensor) or hasattr(shape, "__array__"):
        raise TypeError(f"shape must be an integer or a tuple of them; got {shown(shape)}.")
    else:
        sides = (check_count("shape", shape, least=2),)
    if not sides or math.prod(sides) > _MOST:
        raise ValueError(f"shape must have a side, and at most {_MOST:,} points; got {shown(shape)}.")
    return sides


def _shown(starts: range, progress: bool):
    if not check_flag("progress", progress):
        return starts
    from tqdm.auto import tqdm

    return tqdm(starts, desc="render", unit="block")
