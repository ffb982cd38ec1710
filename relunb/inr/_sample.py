"""Some of a problem's points: those that a step draws, and those that are kept out of training."""

import torch

from ._measured import Points, SquaredError, is_sum
from ._problem import Problem
from ._processes import Processes


class All:
    """The same points in every step."""

    def __init__(self, points: Points) -> None:
        self.points, self.size = points, len(points.target)

    def __call__(self) -> Points:
        return self.points


class Batches:
    """So many points a step, each drawn from all of them by a generator of its own, the same on every device.

    It begins with the seed of torch's own, so that ``torch.manual_seed`` decides, and draws no number from that.

    Attributes:
        size: how many are this process's, where many share a run.
        state: of the generator before the last step's points.
    """

    def __init__(self, points: Points, size: int, rank: int = 0, processes: int = 1) -> None:
        self.points, self.all, self.mine = points, size, slice(rank, None, processes)
        self.size = len(range(rank, size, processes))
        self.generator = torch.Generator().manual_seed(torch.initial_seed())
        self.state = self.generator.get_state()

    def __call__(self) -> Points:
        self.state = self.generator.get_state()
        index = torch.randint(len(self.points.target), (self.all,), generator=self.generator)
        return self.points.at(index[self.mine].to(self.points.target.device))

    def undo(self) -> None:
        """The last step's points will be drawn again: that step was not made."""
        self.generator.set_state(self.state)


def batches(problem: Problem, size: int, points: Points | None, processes: Processes | None) -> Batches:
    """The batches of a problem whose loss is a sum over points, all that count or the given ones."""
    if points is None:
        points = counted("batch", problem)
    if size >= len(points.target):
        raise ValueError(f"batch must be below {len(points.target)}, the points that count; got {size}. Leave it out.")
    if processes is None:
        return Batches(points, size)
    if size < processes.count:
        raise ValueError(f"batch must be at least {processes.count}, one point a process; got {size}.")
    return Batches(points, size, processes.rank, processes.count)


def parted(problem: Problem, share: float) -> tuple[Points, Points]:
    """The points that are trained on, and a share of all that count which is not: the same in every run."""
    points = counted("holdout", problem)
    total = len(points.target)
    held = round(share * total)
    if not 0 < held < total:
        raise ValueError(f"holdout={share:g} of {total} points leaves none on one side: choose another share.")
    order = torch.randperm(total, generator=torch.Generator().manual_seed(0)).to(points.target.device)
    return points.at(order[held:].sort().values), points.at(order[:held].sort().values)


def counted(name: str, problem: Problem) -> Points:
    """The points of a problem that count, if its loss is a sum over them."""
    if not is_sum(problem):
        more = " Use block=, which takes the points in parts and gives the exact loss and gradient."
        raise ValueError(
            f"{name} needs a loss that is a sum over points, and that of {type(problem).__name__} is made of all "
            f"values together.{more if name == 'batch' else ''}"
        )
    return _counted(problem)


def _counted(problem: SquaredError) -> Points:
    points = Points(problem.coordinates, problem.target, problem.weight)
    return points if points.weight is None else points.at(points.weight.flatten().nonzero().flatten())
