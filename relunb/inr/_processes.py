"""One run by many processes: each has its share of the points, and what is summed over points is summed over all."""

import io
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor, nn

from ._measured import Points


class Processes:
    """Those of the default group of ``torch.distributed``, as ``torchrun`` starts them.

    Attributes:
        rank: the number of this one, from 0; that one leads.
        count: how many there are.
    """

    def __init__(self) -> None:
        if not (distributed.is_available() and distributed.is_initialized()):
            raise ValueError(
                'processes=True needs a group: call torch.distributed.init_process_group("gloo") first, or "nccl" on '
                "GPUs, and start the script with torchrun."
            )
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()

    def share(self, points: Points) -> Points:
        """This one's part, drawn from all over: a mask may hide whole sides or every second column."""
        total = len(points.target)
        order = torch.randperm(total, generator=torch.Generator().manual_seed(0))
        mine = points.at(order[self.rank :: self.count].sort().values.to(points.target.device))
        if total < self.count or (mine.weight is not None and not mine.weight.any()):
            raise ValueError(f"{self.count} processes have no points that count for each: use fewer.")
        return mine

    def sums(self, *numbers: Tensor | float) -> Tensor:
        """Of numbers of every process, in float64; the same to the last bit in each."""
        like = next(number for number in numbers if isinstance(number, Tensor))
        flat = torch.stack([torch.as_tensor(number, dtype=torch.float64, device=like.device) for number in numbers])
        distributed.all_reduce(flat)
        return flat

    def sum_gradients(self, parameters: Sequence[nn.Parameter], *numbers: Tensor | float) -> Tensor:
        """Every ``grad`` becomes the sum of those of all processes; and sums of numbers beside them."""
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad.double().flatten() for parameter in parameters if parameter.grad is not None]
        beside = [torch.as_tensor(number, dtype=torch.float64, device=gradients[0].device) for number in numbers]
        flat = torch.cat([*gradients, torch.stack(beside)])
        distributed.all_reduce(flat)
        *totals, beside = flat.split([*(len(gradient) for gradient in gradients), len(beside)])
        for parameter, total in zip(parameters, totals, strict=True):
            if parameter.grad is not None:
                parameter.grad.copy_(total.reshape(parameter.shape))
        return beside

    def given(self, state: dict[str, Any], device: torch.device) -> dict[str, Any]:
        """What the one that leads has, tensors and plain values."""
        data: list[Any] = [None]
        if self.rank == 0:
            memory = io.BytesIO()
            torch.save(state, memory)
            data = [memory.getvalue()]
        distributed.broadcast_object_list(data, src=0)
        return torch.load(io.BytesIO(data[0]), map_location=device, weights_only=True)
