"""Whether a network can be trained on a problem, and the sentence that says why not."""

import math

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedTensorMixin  # pyright: ignore[reportAttributeAccessIssue]

from ..wavelet import BWReLU
from ._activations import Gabor, Gaussian, Sine
from ._problem import Problem


def check_start(network: nn.Module, problem: Problem) -> None:
    """What can be known before the first step."""
    if not len(problem.coordinates):
        raise ValueError("the problem has no points.")
    for owner, module in (("network", network), ("problem", problem)):
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if isinstance(tensor, UninitializedTensorMixin):
                raise ValueError(
                    f"the {owner}'s {name} has no shape before the first call of its lazy layer: call the {owner} once "
                    "on some points."
                )
            if tensor.is_meta:
                raise ValueError(f"the {owner}'s {name} is on the device meta, which holds no numbers.")
            if tensor.is_inference():
                raise ValueError(
                    f"the {owner}'s {name} was made under torch.inference_mode(), and PyTorch refuses to train with "
                    f"it: make the {owner} outside."
                )
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and parameter.dtype in (torch.float16, torch.bfloat16):
            raise ValueError(
                f"the network's {name} is {parameter.dtype}, in which small steps are lost: train in float32 or "
                "float64. precision='bfloat16' rounds the products alone."
            )
    for name, module in network.named_modules():
        if isinstance(module, BWReLU | Gabor | Gaussian | Sine):
            scales = module.scale.flatten().tolist() if isinstance(module.scale, Tensor) else [module.scale]
            wavelet = isinstance(module, BWReLU)  # which has no meaning turned round
            bad = [scale for scale in scales if not 0 < (scale if wavelet else abs(scale)) < math.inf]
            if bad:
                hint = "If the network was converted to lower precision, that cannot hold it."
                raise ValueError(
                    f"the scale of the network's {name} is {bad[0]:g} before the first step. "
                    + ("It must be positive." if bad[0] < 0 else hint)
                )


def mismatch(network: nn.Module, problem: Problem) -> str | None:
    """In what network and problem differ that may be why one cannot be computed on the other."""
    points = problem.coordinates
    for name, parameter in network.named_parameters():
        if parameter.device != points.device:
            return (
                f"the network's {name} is on {parameter.device} and the problem on {points.device}: "
                "move one with .to()."
            )
        if parameter.dtype != points.dtype:
            return (
                f"the network's {name} is {parameter.dtype} and the problem's data {points.dtype}: "
                "convert one, for example network.to(torch.float64)."
            )
    return None


def check_shape(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    """Refuse values of another shape than (points, out_features)."""
    if shape != expected:
        hint = f": use out_features={expected[1]}" if len(shape) == 2 and shape[0] == expected[0] else ""
        raise ValueError(f"the network gives {shape} for {expected[0]} points and the problem needs {expected}{hint}.")
