"""How well conditioned the last layer of a network is: the singular values of its features, and what they allow."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .._checks import check_beside, check_dense, check_finite, check_known
from .._scaling import power_of_two

_DTYPES = (torch.float64, torch.float32, torch.complex128, torch.complex64)


class Conditioning(NamedTuple):
    """What :func:`relunb.wavelet.conditioning` found.

    Attributes:
        singular_values: of the feature matrix, (min(K, N),), from the largest to the smallest.
        condition_number: largest over smallest of them; ``inf`` if the rank is less than min(K, N).
        rank: how many are above ``max(K, N) * eps`` times the largest, eps of the features' dtype.
        dead: which of the K neurons are zero at every sample, bool (K,).
        rate: by which gradient descent on the output weights multiplies its error a step, at worst; from 0 to 1.
        step: the constant learning rate with that rate, for the loss ``1/2 * sum |output - target|**2``. It goes with
            the inverse square of the features: zero for features above 1e162, infinite below 1e-154.

    Example:
        >>> x = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
        >>> found = conditioning(lambda x: x, x)
        >>> found.rank, round(found.condition_number, 5), round(found.rate, 5), round(found.step, 5)
        (2, 3.0, 0.8, 0.2)
    """

    singular_values: Tensor
    condition_number: float
    rank: int
    dead: Tensor
    rate: float
    step: float


def feature_condition(network: nn.Module | Callable[[Any], Tensor], x: Any) -> Tensor:
    """Condition number of the feature matrix: largest over smallest of its min(K, N) singular values.

    The feature matrix has the value of each of the K neurons of the last hidden layer at each of the N samples. This
    is what the paper's Figure 2 shows. The condition number of the Hessian of the output weights is its square if
    K <= N; if K > N that Hessian is singular, and the square belongs to the N x N kernel of the samples.

    Args:
        network: a module whose output is that of an ``nn.Linear``, found by a forward pass: its features are that
            layer's input. It runs in evaluation mode (no dropout, no new running statistics). Or any other function:
            the feature map itself, which returns (N, K), float64, float32 or complex.
        x: what the network takes, (N, d) or any (..., d).

    Returns:
        0-dim real tensor on the features' device, at least 1; ``inf``, with a gradient of zero, if the smallest
        singular value is below ``max(K, N) * eps`` times the largest. Differentiable where the smallest and the largest
        singular value are simple.

    Raises:
        TypeError: ``network`` is not callable, or its features are not a tensor of these dtypes.
        ValueError: the output does not come straight from an ``nn.Linear``; there are no samples; or features are not
            finite.

    Example:
        >>> x = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
        >>> f"{feature_condition(lambda x: x, x):.4f}"
        '3.0000'

    Source: Shenouda, Zhou and Nowak (2024), Eq. (8) and Figure 2. Derived in :doc:`/book/wavelet/coverage`.
    """
    features = _features(network, x)
    values = torch.linalg.svdvals(features / _unit(features))
    full = values[-1] > _tolerance(features) * values[0]
    ratio = values[0] / torch.where(full, values[-1], 1)  # no 0 / 0, whose gradient would be NaN
    return torch.where(full, ratio, math.inf)


def conditioning(network: nn.Module | Callable[[Any], Tensor], x: Any) -> Conditioning:
    """What the features of a network, of any activation, say about gradient descent on its output weights.

    With all other weights fixed, an error along the i-th singular direction is multiplied by ``1 - step * s_i**2`` in
    each step. The best constant step is ``2 / (s_1**2 + s_r**2)``, with s_r the smallest singular value that is not
    zero, and the slowest error then shrinks by ``(kappa**2 - 1) / (kappa**2 + 1)``, with kappa = s_1 / s_r. Neither
    depends on the target. PyTorch's mean squared error of N samples has the gradient times 2 / N: multiply the step by
    N / 2 there. The last layer's bias is not one of the features; a feature map with a column of ones counts it.

    Args:
        network: as for :func:`relunb.wavelet.feature_condition`. Gradients, hooks and modes stay as they are.
        x: what the network takes, (N, d) or any (..., d): the samples it is trained on.

    Returns:
        :class:`relunb.wavelet.Conditioning`. If all features are zero, ``rate`` and ``step`` are NaN: no error can
        shrink. :func:`relunb.plot.conditioning` draws it.

    Raises:
        TypeError: ``network`` is not callable, or its features are not a tensor of these dtypes.
        ValueError: the output does not come straight from an ``nn.Linear``; there are no samples; or features are not
            finite.

    Example:
        >>> network = nn.Linear(2, 1)  # its features are its input
        >>> round(conditioning(network, torch.eye(2)).condition_number, 4)
        1.0

    Source: Shenouda, Zhou and Nowak (2024), Eq. (7) and (8). Derived in :doc:`/book/wavelet/coverage`.
    """
    with torch.no_grad():
        features = _features(network, x)
        unit = _unit(features)
        values = torch.linalg.svdvals(features / unit)
        rank = int((values > _tolerance(features) * values[0]).sum())
        dead = (features == 0).all(0)
    largest, smallest, unit = float(values[0]), float(values[max(rank, 1) - 1]), float(unit)
    values = values * unit
    check_finite("the list of singular values, of features near the largest float,", values)
    if rank == 0:
        return Conditioning(values, math.inf, 0, dead, math.nan, math.nan)
    inverse = smallest / largest
    return Conditioning(
        singular_values=values,
        condition_number=largest / smallest if rank == len(values) else math.inf,
        rank=rank,
        dead=dead,
        rate=(1 - inverse) * (1 + inverse) / (1 + inverse**2),
        step=2 / (largest**2 + smallest**2) / unit / unit,
    )


def _unit(features: Tensor) -> Tensor:
    """The power of two below the largest feature: LAPACK and the squares then see numbers near 1."""
    parts = features.detach()
    parts = torch.view_as_real(parts.resolve_conj()) if parts.is_complex() else parts
    return power_of_two(parts.reshape(-1), 0)[0]


def _tolerance(features: Tensor) -> float:
    return max(features.shape) * torch.finfo(features.dtype).eps


def _features(network: Any, x: Any) -> Tensor:
    """The feature matrix, one row a sample and one column a neuron."""
    if isinstance(network, nn.Module):
        features = _input_of_the_last_layer(network, x)
    elif callable(network):
        features = network(x)
        if isinstance(features, Tensor) and features.ndim < 2:
            raise ValueError(
                "a feature map must return one row a sample and one column a neuron, (N, K); "
                f"got the shape {tuple(features.shape)}."
            )
    else:
        raise TypeError(f"network must be a torch.nn.Module or a function; got {type(network).__name__}.")
    if not isinstance(features, Tensor):
        raise TypeError(f"a feature map must return a torch.Tensor; got {type(features).__name__}.")
    if features.dtype not in _DTYPES:
        raise TypeError(
            f"features must be float64, float32 or complex; got {features.dtype}, too coarse for small singular "
            "values. Use network.float() and x.float(), without autocast."
        )
    check_dense("features", features)
    check_known(**{"the feature matrix": features})
    if features.numel() == 0:
        raise ValueError(f"there is nothing to measure: the features have the shape {tuple(features.shape)}.")
    check_finite("the feature matrix", features)
    return features.reshape(-1, features.shape[-1])


def _input_of_the_last_layer(network: nn.Module, x: Any) -> Tensor:
    """What goes into the ``nn.Linear`` whose output, perhaps in another shape, is the output of the network."""
    check_beside(network, x=x)
    network = getattr(network, "_orig_mod", network)  # under torch.compile: a compiled graph calls no hooks
    calls: list[tuple[Tensor, Tensor, int]] = []  # all of them: memory that is freed could be used again

    def record(_: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        calls.append((args[0] if args else kwargs["input"], output, output._version))

    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    hooks = [layer.register_forward_hook(record, with_kwargs=True) for layer in layers]
    keep_graph = torch.is_grad_enabled()
    try:
        # inference mode counts no versions, and only they tell an activation in place
        with torch.inference_mode(False), torch.set_grad_enabled(keep_graph), _evaluation(network):
            result = network(x)
    finally:
        for hook in hooks:
            hook.remove()
    if isinstance(result, Tensor):
        place = result.untyped_storage().data_ptr()
        for features, output, version in calls:
            same = output.untyped_storage().data_ptr() == place and output.numel() == result.numel()
            if same and output._version == version:
                return features
    raise ValueError(
        f"the output of this {type(network).__name__} does not come straight from an nn.Linear, whose input would be "
        "the features. Pass the feature map as a function that returns (N, K); if it is this one, lambda x: network(x)."
    )


@contextmanager
def _evaluation(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    try:
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, mode in modes:
            module.training = mode
