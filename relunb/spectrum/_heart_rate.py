"""The heart-rate network: three blocks of causal convolutions, attention, and a number in beats a minute."""

import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from .._checks import (
    check_beside,
    check_count,
    check_dense,
    check_finite,
    check_real,
    check_same_place,
    check_single,
    is_readable,
)
from .._scaling import power_of_two

_CHANNELS, _POOLS = (32, 48, 64), (4, 2, 2)
_TAPS, _DILATION, _EPS = 5, 2, 1e-3
_HEADS, _KEY, _HIDDEN = 4, 16, 32
_MOST_TAPS = 2048  # of all axes together
_BLOCK = 1 << 22  # numbers worked on at once


class HeartRateCNN(nn.Module):
    """Heart rate from eight seconds of a photoplethysmogram: the network of the DC paper's Section V-B.

    Three blocks of three causal convolutions (5 taps, dilation 2, ReLU after each), with 32, 48 and 64 channels, end
    in average pooling by 4, 2 and 2. Attention with 4 heads of 16, layer normalisation and two dense layers follow.
    147,473 parameters, which start as Keras starts them: Glorot's uniform weights, biases zero.

    The network has biases, so the scale of its input matters. The published weights want zero-mean windows in the
    units of PPG-DaLiA's wrist sensor, where a window has a standard deviation of 10 to 100; set to 1, as a z-score
    does, they read 77 beats a minute wrong. They were trained after :func:`remove_motion`.

    Args:
        dropout: share of the values that each block drops in training; 0.5 in the paper.

    Raises:
        TypeError: ``dropout`` is not a number.
        ValueError: ``dropout`` is not in [0, 1).

    Example:
        >>> network = HeartRateCNN().eval()
        >>> network(torch.zeros(5, 256)).shape, sum(p.numel() for p in network.parameters())
        (torch.Size([5]), 147473)

    Input: (..., 256), 256 samples at 32 Hz, in the dtype and on the device of the weights. Output: (...), beats a
    minute. ``HeartRateCNN.WINDOW`` and ``HeartRateCNN.SAMPLE_RATE`` hold the two numbers.

    Source: Kechris et al. (2024), Section V-B. Used in :doc:`/book/spectrum/heart-rate`.
    """

    WINDOW = 256
    SAMPLE_RATE = 32.0

    def __init__(self, dropout: float = 0.5) -> None:
        super().__init__()
        share = check_single("dropout", dropout)
        if not 0 <= share < 1:
            raise ValueError(f"dropout must be at least 0 and below 1; got {share:g}.")
        widths = (1, *_CHANNELS)
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Conv1d(width, after, _TAPS, dilation=_DILATION) for width in (before, after, after))
            for before, after in zip(widths, widths[1:], strict=False)
        )
        self.dropout = nn.Dropout(share)
        wide, steps = _CHANNELS[-1], self.WINDOW
        for pool in _POOLS:
            steps //= pool
        self.query, self.key, self.value = (nn.Linear(wide, _HEADS * _KEY) for _ in range(3))
        self.attention_output = nn.Linear(_HEADS * _KEY, wide)
        self.norm = nn.LayerNorm(wide, eps=_EPS)
        self.hidden = nn.Linear(steps * wide, _HIDDEN)
        self.rate = nn.Linear(_HIDDEN, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Beats a minute for each window.

        Args:
            x: windows (..., 256).

        Returns:
            Tensor (...).

        Raises:
            TypeError: ``x`` is not a tensor of the weights' dtype.
            ValueError: ``x`` is not 256 long, is empty, or is not finite.
        """
        return self._run(x)["rate"]

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """What every layer says, by name, in order.

        Args:
            x: windows (..., 256).

        Returns:
            ``block1_conv1``, ``block1_conv2``, ``block1_conv3`` (each after its ReLU), ``block1_pool``, the same for
            blocks 2 and 3, ``attention``, ``norm``: (..., channels, time). ``hidden``: (..., 32). ``rate``: (...).
            The time steps of block 1 are 1/32 s apart, and pooling multiplies the distance by 4, 2 and 2.

        Raises:
            TypeError: ``x`` is not a tensor of the weights' dtype.
            ValueError: ``x`` is not 256 long, is empty, or is not finite.
        """
        return self._run(x)

    def _run(self, x: Tensor) -> dict[str, Tensor]:
        lead = self._checked(x).shape[:-1]
        y = x.reshape(-1, 1, self.WINDOW)
        said: dict[str, Tensor] = {}
        for number, (block, pool) in enumerate(zip(self.blocks, _POOLS, strict=True), start=1):
            assert isinstance(block, nn.ModuleList)
            for layer, conv in enumerate(block, start=1):
                past = nn.functional.pad(y, ((_TAPS - 1) * _DILATION, 0))  # causal: zeros before the window
                y = said[f"block{number}_conv{layer}"] = torch.relu(conv(past))
            y = said[f"block{number}_pool"] = nn.functional.avg_pool1d(y, pool)
            y = self.dropout(y)
        y = y.mT
        heads = [layer(y).unflatten(-1, (_HEADS, _KEY)).transpose(1, 2) for layer in (self.query, self.key, self.value)]
        mixed = nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        y = self.attention_output(mixed)
        said["attention"] = y.mT
        y = self.norm(y)
        said["norm"] = y.mT
        y = said["hidden"] = torch.relu(self.hidden(y.flatten(1)))
        said["rate"] = self.rate(y).squeeze(-1)
        if is_readable(x) and not said["rate"].detach().isfinite().all():
            raise ValueError(
                f"the rate is not finite: x is as large as {x.detach().abs().max().item():.3g}, or a weight, and "
                f"{x.dtype} overflows between the layers. The published weights want a standard deviation of 10 to 100."
            )
        return {name: value.reshape((*lead, *value.shape[1:])) for name, value in said.items()}

    def _checked(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor):
            raise TypeError(f"x must be a torch.Tensor; got {type(x).__name__}. Use torch.as_tensor(x).")
        dtype = self.rate.weight.dtype
        if x.dtype != dtype:
            other = f", or network.to({x.dtype})" if x.dtype.is_floating_point else ""
            raise TypeError(f"x is {x.dtype} and the network {dtype}: use x.to({dtype}){other}.")
        if x.ndim == 0 or x.shape[-1] != self.WINDOW:
            raise ValueError(
                f"x must end in a dimension of {self.WINDOW} samples, 8 s at {self.SAMPLE_RATE:g} Hz; "
                f"its shape is {tuple(x.shape)}."
            )
        if x.numel() == 0:
            raise ValueError(f"x is empty: its shape is {tuple(x.shape)}.")
        check_dense("x", x)
        check_beside(self, x=x)
        check_finite("x", x)
        return x

    @classmethod
    def from_keras(cls, path: str | os.PathLike[str], dropout: float = 0.5) -> Self:
        """The network with weights from a Keras ``.h5`` file, such as the authors' published ``model_S5.h5``.

        Reads the file with h5py; TensorFlow is not needed. It takes the whole model as Keras 2 saves it (``.h5``), its
        weights alone, and the ``.weights.h5`` of Keras 3, which a ``.keras`` archive holds as ``model.weights.h5``.
        Weights alone say nothing of padding, dilation and pooling: see that the model is the one above.

        Args:
            path: the file.
            dropout: as for the class.

        Returns:
            A float32 network in evaluation mode.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not HDF5, or its layers are not those of this network; the message says which.
            ImportError: h5py is not installed.

        Source: the weights that Kechris et al. (2024) publish beside their scripts; they are under GPL-3.0 and no part
        of this package.
        """
        path = Path(path)
        if path.is_dir():
            raise ValueError(f"{path} is a folder; expected a Keras .h5 file.")
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}.")
        network = cls(dropout)
        found = _read(path)
        with torch.no_grad():
            for role, parameter, axes in network._roles():
                parameter.copy_(found[role].permute(axes).reshape(parameter.shape))
        return network.eval()

    def _roles(self) -> Iterator[tuple[tuple[str, int, str], Tensor, tuple[int, ...]]]:
        """Every parameter with the place of its values in a Keras file, and the order of its axes there."""
        convolutions = [conv for block in self.blocks for conv in block]  # type: ignore[attr-defined]
        for index, conv in enumerate(convolutions):
            yield ("conv1d", index, "kernel"), conv.weight, (2, 1, 0)
            yield ("conv1d", index, "bias"), conv.bias, (0,)
        for name in ("query", "key", "value"):
            layer = getattr(self, name)
            yield ("multi_head_attention", 0, f"{name}/kernel"), layer.weight, (1, 2, 0)
            yield ("multi_head_attention", 0, f"{name}/bias"), layer.bias, (0, 1)
        yield ("multi_head_attention", 0, "attention_output/kernel"), self.attention_output.weight, (2, 0, 1)
        yield ("multi_head_attention", 0, "attention_output/bias"), self.attention_output.bias, (0,)
        yield ("layer_normalization", 0, "gamma"), self.norm.weight, (0,)
        yield ("layer_normalization", 0, "beta"), self.norm.bias, (0,)
        for index, layer in enumerate((self.hidden, self.rate)):
            yield ("dense", index, "kernel"), layer.weight, (1, 0)
            yield ("dense", index, "bias"), layer.bias, (0,)


def _shapes() -> dict[tuple[str, int, str], tuple[int, ...]]:
    """The shape that each array of a Keras file must have."""
    shapes: dict[tuple[str, int, str], tuple[int, ...]] = {}
    before, index = 1, 0
    for channels in _CHANNELS:
        for _ in range(3):
            shapes["conv1d", index, "kernel"] = (_TAPS, before, channels)
            shapes["conv1d", index, "bias"] = (channels,)
            before, index = channels, index + 1
    for name in ("query", "key", "value"):
        shapes["multi_head_attention", 0, f"{name}/kernel"] = (before, _HEADS, _KEY)
        shapes["multi_head_attention", 0, f"{name}/bias"] = (_HEADS, _KEY)
    shapes["multi_head_attention", 0, "attention_output/kernel"] = (_HEADS, _KEY, before)
    shapes["multi_head_attention", 0, "attention_output/bias"] = (before,)
    shapes["layer_normalization", 0, "gamma"] = shapes["layer_normalization", 0, "beta"] = (before,)
    steps = HeartRateCNN.WINDOW
    for pool in _POOLS:
        steps //= pool
    for index, (inputs, units) in enumerate(((steps * before, _HIDDEN), (_HIDDEN, 1))):
        shapes["dense", index, "kernel"], shapes["dense", index, "bias"] = (inputs, units), (units,)
    return shapes


def _read(path: Path) -> dict[tuple[str, int, str], Tensor]:
    """The arrays of the file by (kind of layer, number among its kind, name), all present and of the right shape."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError("from_keras reads the file with h5py, which is missing: pip install h5py") from error
    if zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is a zip archive, as Keras 3 saves a whole model: unzip it and give its model.weights.h5."
        )
    if not h5py.is_hdf5(path):
        raise ValueError(f"{path} is not an HDF5 file; expected the .h5 file that Keras saves.")
    arrays: dict[str, Any] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = np.asarray(item[()])

    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
            group = file["model_weights"] if "model_weights" in file else file
            group.visititems(keep)  # type: ignore[union-attr]
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be read to its end: {error}") from error
    if config is not None:
        _check_settings(path, config)
    return _sorted_by_role(path, arrays)


_LAYER = re.compile(r"(?P<kind>conv1d|dense|layer_normalization|multi_head_attention)(?:_(?P<number>\d+))?")


_PLACES = {"conv1d": ("kernel", "bias"), "dense": ("kernel", "bias"), "layer_normalization": ("gamma", "beta")}


def _named(name: str) -> list[str] | None:
    """The parts of an array's name as Keras 2 gives them; None for what is no weight: an optimiser's or a seed's state.

    Keras 3 numbers the arrays of a layer, ``layers/conv1d_2/vars/0``, and calls the parts of an attention
    ``query_dense``.
    """
    parts = [part.removeprefix("_") for part in name.split(":")[0].split("/")]
    if parts[0] in ("optimizer", "metrics") or "seed_generator" in parts:
        return None
    if len(parts) >= 3 and parts[-2] == "vars" and parts[-1] in ("0", "1"):
        *before, owner, _, place = parts
        names = ("kernel", "bias")
        if match := _LAYER.fullmatch(owner):
            names = _PLACES.get(match["kind"], names)
        elif owner == "output_dense":
            owner = "attention_output"
        else:
            owner = owner.removesuffix("_dense")
        parts = [*before, owner, names[int(place)]]
    return parts


def _sorted_by_role(path: Path, arrays: dict[str, Any]) -> dict[tuple[str, int, str], Tensor]:
    layers: dict[str, dict[tuple[int, ...], dict[str, Any]]] = {}
    for name, array in arrays.items():
        parts = _named(name)
        if parts is None:
            continue
        at = [index for index, part in enumerate(parts) if _LAYER.fullmatch(part)]
        if not at:
            raise ValueError(f"{path} has the array {name}, which belongs to no layer of this network.")
        match = _LAYER.fullmatch(parts[at[-1]])
        assert match is not None
        number: tuple[int, ...] = (int(match["number"] or 0),)
        if parts[0] == "layers":  # Keras 3 counts anew in every model within the model
            number = tuple(int(re.sub(r".*?_?(\d*)$", r"\1", part) or 0) for part in parts[: at[-1] + 1])
        layers.setdefault(match["kind"], {}).setdefault(number, {})["/".join(parts[at[-1] + 1 :])] = array
    shapes = _shapes()
    wanted = {kind: 1 + max(index for other, index, _ in shapes if other == kind) for kind, _, _ in shapes}
    for kind, needed in wanted.items():
        found = len(layers.get(kind, {}))
        if found != needed:
            raise ValueError(f"{path} has {found} layers {kind}; this network has {needed}.")
    result = {}
    for kind, members in layers.items():
        for index, number in enumerate(sorted(members)):
            label = f"layer {index + 1} of the kind {kind} in {path}"
            expected = {name: shape for (other, n, name), shape in shapes.items() if (other, n) == (kind, index)}
            for name in sorted(set(expected) ^ set(members[number])):
                raise ValueError(f"{label} {'lacks' if name in expected else 'has an extra array'} {name}.")
            for name, shape in expected.items():
                array = members[number][name]
                if array.shape != shape:
                    raise ValueError(f"{label} has {name} of shape {array.shape}; expected {shape}.")
                if array.dtype.kind != "f":
                    raise ValueError(f"{label} has {name} of type {array.dtype}; expected floating point.")
                values = torch.from_numpy(array.astype("float32"))
                if not values.isfinite().all():
                    raise ValueError(f"{label} has values in {name} that are not finite.")
                result[kind, index, name] = values
    return result


# What shapes alone do not tell: a file with padding "same" would fit, and read a heart rate that is wrong.
_SETTINGS: dict[str, dict[str, Any]] = {
    "Conv1D": {"padding": "causal", "dilation_rate": [_DILATION], "strides": [1], "activation": "relu"},
    "LayerNormalization": {"epsilon": _EPS},
    "MultiHeadAttention": {"num_heads": _HEADS, "key_dim": _KEY},
}


def _check_settings(path: Path, config: str | bytes) -> None:
    try:
        layers = list(_layers(json.loads(config)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} has a model_config that is not a Keras model's: {error!r}.") from error
    pools = []
    for kind, name, settings in layers:
        for key, expected in _SETTINGS.get(kind, {}).items():
            if settings.get(key, expected) != expected:
                raise ValueError(f"{path}: {name} has {key} {settings[key]!r}; expected {expected!r}.")
        if "Pooling" in kind:
            pools.append((kind, settings.get("pool_size")))
    expected_pools = [("AveragePooling1D", [pool]) for pool in _POOLS]
    if pools != expected_pools:
        raise ValueError(f"{path} pools with {pools}; expected {expected_pools}.")


def _layers(node: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    inner = node["config"].get("layers")
    if inner is None:
        yield node["class_name"], node["config"].get("name", ""), node["config"]
    for layer in inner or ():
        yield from _layers(layer)


def remove_motion(ppg: Tensor, acceleration: Tensor, taps: int = 21) -> Tensor:
    """Take from each window of a photoplethysmogram what a linear filter of the acceleration explains.

    One filter for all windows: for every axis ``taps`` weights around each sample, all fitted by least squares. An arm
    that swings at the pace of the steps puts a line into the signal that is no heartbeat, and this finds it.

    Args:
        ppg: windows (windows, time).
        acceleration: the same windows, (windows, axes, time).
        taps: odd, at most ``2 time - 1``; 21 taps at 32 Hz reach a third of a second to each side. Taps times axes may
            be 2,048 at most: the work grows with the cube of it.

    Returns:
        Tensor like ``ppg``, each window with mean zero before the fit is subtracted.

    Raises:
        TypeError: an input is not real, or ``taps`` is not an integer.
        ValueError: an input is empty or not finite, the shapes do not fit, or ``taps`` is even, below 1 or too large.

    Example:
        >>> motion = torch.randn(2, 1, 64, generator=torch.Generator().manual_seed(0))
        >>> f"{remove_motion(3 * motion[:, 0], motion, taps=3).abs().max():.4f}"
        '0.0000'

    Source: our reading of the motion filter of Kechris et al. (2024), whose authors fit one by gradient descent; the
    taps are theirs. Used in :doc:`/book/spectrum/heart-rate`.
    """
    ppg, acceleration = check_real("ppg", ppg), check_real("acceleration", acceleration)
    check_same_place(ppg=ppg, acceleration=acceleration)
    taps = check_count("taps", taps)
    if taps % 2 == 0:
        raise ValueError(f"taps must be odd, as many before a sample as after it; got {taps}.")
    if ppg.ndim != 2 or acceleration.ndim != 3 or acceleration[:, 0].shape != ppg.shape:
        raise ValueError(
            "ppg must be (windows, time) and acceleration (windows, axes, time) for the same windows; "
            f"got {tuple(ppg.shape)} and {tuple(acceleration.shape)}."
        )
    axes, time = acceleration.shape[1:]
    check_count("taps", taps, most=2 * time - 1)  # others would meet the silence around the windows alone
    if taps * axes > _MOST_TAPS:
        raise ValueError(f"{taps} taps for each of {axes} axes are {taps * axes} in all; the limit is {_MOST_TAPS}.")
    unit = power_of_two(ppg.double().flatten(), 0)
    signal = ppg.double() / unit
    signal = signal - signal.mean(-1, keepdim=True)
    # The filter of an axis takes up its scale, so an axis in any unit counts as much as the others.
    moves = acceleration.double()
    moves = moves / power_of_two(moves.transpose(0, 1).flatten(1), 1).unsqueeze(0)
    moves = moves - moves.mean(-1, keepdim=True)
    moves = nn.functional.pad(moves, (taps // 2, taps // 2))

    def shifted(windows: Tensor) -> Tensor:
        """(windows x time, axes x taps): every sample with what surrounds it."""
        return windows.unfold(-1, taps, 1).transpose(1, 2).flatten(2).flatten(0, 1)

    block = max(_BLOCK // (time * axes * taps), 1)
    columns = axes * taps
    normal, right = moves.new_zeros(columns, columns), moves.new_zeros(columns)
    for some, target in zip(moves.split(block), signal.split(block), strict=True):
        x = shifted(some)
        normal, right = normal + x.mT @ x, right + x.mT @ target.flatten()
    weights = torch.linalg.pinv(normal, hermitian=True, rtol=1e-12) @ right
    fitted = torch.cat([(shifted(some) @ weights).reshape(-1, time) for some in moves.split(block)])
    return ((signal - fitted) * unit).to(ppg.dtype)
