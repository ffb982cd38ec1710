"""The training settings of the paper's Appendix D, by task and method."""

from dataclasses import dataclass, field
from typing import Any

from .._checks import shown

TASKS = ("image", "super-resolution", "ct")
METHODS = ("bw_relu", "siren", "wire", "relu_pe", "relu")


@dataclass(frozen=True)
class Preset:
    """Settings of one method for one task.

    Attributes:
        network: keywords of :class:`relunb.inr.CoordinateNetwork`.
        training: keywords of :func:`relunb.inr.fit`.
        note: where the paper says nothing, or its public scripts say something else.

    Example:
        >>> preset("super-resolution", "bw_relu").training
        {'steps': 2000, 'lr': 0.003, 'decay': 0.2}
    """

    network: dict[str, Any]
    training: dict[str, Any]
    note: str = field(default="")


# task: width, steps, decay, and a note for all methods
_TASKS = {
    "image": (300, 1000, 0.1, ""),
    "super-resolution": (256, 2000, 0.2, "The script's own default for the decay is 0.1."),
    "ct": (300, 10_000, 0.1, "An early version of the script decays over 5000 steps, whatever their number."),
}
# method: network, then the first learning rate of image, super-resolution and ct
_SCALES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "bw_relu": ({"scale": 9.0}, {"scale": 3.0}, {"scale": 3.0}),
    "siren": ({"scale": 50.0}, {"scale": 12.0}, {"scale": 25.0}),
    "wire": ({"scale": 20.0, "sigma": 10.0}, {"scale": 8.0, "sigma": 6.0}, {"scale": 7.0, "sigma": 10.0}),
    "relu_pe": ({"octaves": 7}, {"octaves": 6}, {"octaves": 4}),
    "relu": ({}, {}, {}),
}
_RATES = {
    "bw_relu": (4e-3, 3e-3, 2e-3),
    "siren": (2e-3, 2e-3, 1e-3),
    "wire": (1e-3, 3e-3, 5e-3),
    "relu_pe": (4e-3, 4e-3, 3e-3),
    "relu": (4e-3, 4e-3, 3e-3),
}
_NO_RATE = "The paper gives no rate for the plain ReLU: this is that of the encoded one."
_NOTES = {
    ("bw_relu", "image"): "The scripts' README has the learning rate 3e-3.",
    ("bw_relu", "ct"): "The script of Figure 7 has the learning rate 3e-3.",
    ("relu", "image"): _NO_RATE,
    ("relu", "super-resolution"): _NO_RATE,
    ("relu", "ct"): _NO_RATE,
    ("relu_pe", "image"): "Octaves as in the script: floor(log2(512 / 4)), its default side, for any image.",
    ("relu_pe", "super-resolution"): "Octaves by the script's rule, floor(log2(side / 4)), for a side of 256 to 511.",
    ("relu_pe", "ct"): "Octaves as in the script: floor(log2(100 / 4)), from the number of angles, not the size.",
}


def preset(task: str, method: str) -> Preset:
    """The settings of the paper's Appendix D: three hidden layers, Adam, an exponentially falling rate.

    ``settings = preset("ct", "siren")``, then ``CoordinateNetwork(2, **settings.network)`` and
    ``fit(network, problem, **settings.training)``.

    Args:
        task: "image", "super-resolution" or "ct".
        method: "bw_relu", "siren", "wire", "relu_pe" (ReLU with positional encoding) or "relu".

    Raises:
        ValueError: there is no such task or method.

    Example:
        >>> preset("ct", "siren").network
        {'activation': 'siren', 'hidden_features': 300, 'hidden_layers': 3, 'scale': 25.0}

    Source: Shenouda, Zhou and Nowak (2024), Appendix D.1 to D.3. Used in :doc:`/book/inr/image-fitting`.
    """
    for name, value, valid in (("task", task, TASKS), ("method", method, METHODS)):
        if not isinstance(value, str) or value not in valid:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, valid))}; got {shown(value)}.")
    width, steps, decay, note = _TASKS[task]
    column = TASKS.index(task)
    activation = "relu" if method == "relu_pe" else method
    network = {"activation": activation, "hidden_features": width, "hidden_layers": 3, **_SCALES[method][column]}
    training = {"steps": steps, "lr": _RATES[method][column], "decay": decay}
    return Preset(network, training, " ".join(filter(None, (_NOTES.get((method, task)), note))))
