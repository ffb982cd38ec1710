"""Some of a problem's points: those that a step draws."""

import torch

from ._measured import Points, SquaredError, is_sum
from ._problem import Problem


class Batches:
    """So many points a step, each drawn from all of them by a generator of its own, the same on every device.

    It begins with the seed of torch's own, so that ``torch.manual_seed`` decides, and draws no number from that.
    """

    def __init__(self, points: Points, size: int) -> None:
        self.points, self.size = points, size
        self.generator = torch.Generator().manual_seed(torch.initial_seed())

    def __call__(self) -> Points:
        index = torch.randint(len(self.points.target), (self.size,), generator=self.generator)
        return self.points.at(index.to(self.points.target.device))


def batches(problem: Problem, size: int) -> Batches:
    """The batches of a problem whose loss is a sum over points."""
    if not is_sum(problem):
        raise ValueError(
            f"batch needs a loss that is a sum over points, and that of {type(problem).__name__} is made of all values "
            "together. Use block=, which takes the points in parts and gives the exact loss and gradient."
        )
    points = counted(problem)
    if size >= len(points.target):
        raise ValueError(f"batch must be below {len(points.target)}, the points that count; got {size}. Leave it out.")
    return Batches(points, size)


def counted(problem: SquaredError) -> Points:
    """The points of a problem that count."""
    points = Points(problem.coordinates, problem.target, problem.weight)
    return points if points.weight is None else points.at(points.weight.flatten().nonzero().flatten())
