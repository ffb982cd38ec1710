"""Operators: what is measured of a picture.

An operator is a ``torch.nn.Module`` whose ``forward`` takes values on the grid and gives what would be measured of
them. It is linear, torch knows its gradient, and it holds nothing to train. :class:`relunb.inr.Radon` is one, and
where the values themselves are known it is ``torch.nn.Identity``.
"""

from torch import Tensor, nn


class BlockMean(nn.Module):
    """Means over blocks of ``factor * factor`` pixels: what a camera of lower resolution sees.

    Args:
        factor: pixels along a side of a block.

    Example:
        >>> import torch
        >>> BlockMean(2)(torch.arange(8.0).reshape(2, 4)).tolist()
        [[2.5, 4.5]]
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, image: Tensor) -> Tensor:
        """(height, width, ...) to (height / factor, width / factor, ...); both sides are multiples of the factor."""
        height, width, *rest = image.shape
        blocks = image.reshape(height // self.factor, self.factor, width // self.factor, self.factor, *rest)
        return blocks.mean((1, 3))
