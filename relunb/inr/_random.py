"""Torch's generators, that of the CPU and that of a GPU: where they are, and back to there."""

from collections.abc import Sequence

import torch
from torch import Tensor


def random_state(device: torch.device) -> list[Tensor]:
    """Of the CPU, and of the device where that is a GPU."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def set_random_state(device: torch.device, state: Sequence[Tensor]) -> None:
    """What was kept on a machine with a GPU may be set on one without, and the other way round."""
    torch.set_rng_state(state[0].cpu())
    if device.type == "cuda" and len(state) == 2:
        torch.cuda.set_rng_state(state[1].cpu(), device)
