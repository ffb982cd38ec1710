"""Train a network on a problem: the paper's schedule, a progress bar, and checkpoints that survive a kill."""

import contextlib
import io
import math
import random
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedTensorMixin  # pyright: ignore[reportAttributeAccessIssue]

from .._checks import count, flag, positive, shown
from ..ops import BlockedNetwork, kept_memory
from ..wavelet import BWReLU
from ._activations import ComplexLinear, Gabor, Gaussian, Sine
from ._checkpoint import Checkpoint
from ._description import describe, digest
from ._network import CoordinateNetwork
from ._problems import Problem, SquaredError

_READ_EVERY = 20  # steps: reading a loss makes a GPU wait
PRECISIONS = ("float32", "tf32", "bfloat16")


@dataclass
class History:
    """What :func:`relunb.inr.fit` saw.

    Attributes:
        loss: after 0, 1, ..., n steps; the last one belongs to the weights as they are.
        psnr: at the same moments, in decibels; NaN where the problem has no reference.
        seconds: spent training, over all parts of a run that was resumed.
        route: "fused", by blocks without autograd, or "autograd".
        stopped: whether ``stop_loss`` was reached.

    Example:
        >>> History(loss=[0.5, 0.1], psnr=[3.0, 10.0], route="fused").loss[-1]
        0.1
    """

    loss: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    seconds: float = 0.0
    route: str = "autograd"
    stopped: bool = False


@torch.inference_mode(False)  # whoever calls: training needs gradients
@torch.enable_grad()
def fit(
    network: nn.Module,
    problem: Problem,
    *,
    steps: int = 1000,
    lr: float = 1e-3,
    decay: float = 0.1,
    stop_loss: float | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    fused: bool | None = None,
    precision: str = "float32",
    compile: bool = False,
    progress: bool = True,
) -> History:
    """Train ``network`` on ``problem`` with Adam, all points in every step, at the rate ``lr * decay**(t / steps)``.

    On a CPU a :class:`relunb.inr.CoordinateNetwork` trains by blocks of rows without autograd where it can: with every
    activation but ``wire``, in float32 or float64, without ``compile`` and in full precision. The history's ``route``
    says which way was taken; both give the same losses to rounding. In float32 rounding may put a point on the other
    side of a kink of psi, so that at a large scale two runs part after some steps, whichever way they go.

    Ctrl-C ends after the step that runs, with a checkpoint where one was asked for; a second Ctrl-C ends at once.

    Args:
        network: takes (points, coordinates) and gives (points, out_features). It is trained in place.
        problem: a :class:`relunb.inr.Problem` on the same device.
        steps: T of the schedule.
        lr: the first learning rate.
        decay: the last learning rate is ``lr * decay``.
        stop_loss: end as soon as the loss is at most this.
        checkpoint: a file. If it exists, the run goes on from there, with the numbers of a run that was never broken;
            after a run it remains. It knows the run by all that changes its numbers: the problem's data and attributes,
            the network's parts and settings, your own code, and the parameters here but ``stop_loss``. Of other weights
            at the start it warns, and goes on with its own.
        checkpoint_every: steps between two checkpoints.
        fused: False takes autograd everywhere; True refuses where the fused step does not apply. Default: by itself.
        precision: "float32" leaves the network's own precision, float64 too; "tf32" lets a CUDA device round factors
            of matrix products; "bfloat16" is autocast.
        compile: train ``torch.compile(network)``.
        progress: show a bar with loss and PSNR.

    Returns:
        :class:`relunb.inr.History`.

    Raises:
        TypeError: a parameter is of another type.
        ValueError: a parameter is out of range, network and problem do not fit, the fused step is asked for where it
            does not apply, or the checkpoint belongs to another run; the message says what differs.
        FloatingPointError: the loss became NaN or infinite.
        OSError: a checkpoint cannot be written, which is tried before the first step, or another run has its file; the
            one before is still there.

    Example:
        >>> from relunb.inr import CoordinateNetwork, ImageProblem, fit
        >>> network = CoordinateNetwork(2, hidden_features=16)
        >>> history = fit(network, ImageProblem(torch.eye(8)), steps=20, progress=False)
        >>> len(history.loss), history.loss[-1] < history.loss[0], history.route
        (21, True, 'fused')

    Source: Shenouda, Zhou and Nowak (2024), Appendix D. Used in :doc:`/book/inr/photograph`.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a torch.nn.Module; got {type(network).__name__}.")
    if not isinstance(problem, Problem):
        raise TypeError(f"problem must be a relunb.inr.Problem; got {type(problem).__name__}.")
    run = _Run(network, problem, count("steps", steps), positive("lr", lr), positive("decay", decay))
    every = count("checkpoint_every", checkpoint_every)
    if stop_loss is not None:
        positive("stop_loss", stop_loss)
    if fused is not None:
        try:
            fused = flag("fused", fused)
        except TypeError:
            raise TypeError(f"fused must be True, False or None; got {shown(fused)}.") from None
    compile, progress = flag("compile", compile), flag("progress", progress)
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(map(repr, PRECISIONS))}; got {shown(precision)}.")
    run.choose_route(fused, precision, compile)
    run.file = None if checkpoint is None else Checkpoint(checkpoint)
    with contextlib.ExitStack() as held:
        if run.file is not None:
            held.enter_context(run.file.held())
            run.resume(every)
        show = held.enter_context(_bar(run, progress))
        interrupted = held.enter_context(_interrupts())
        held.enter_context(_precision(precision))
        held.enter_context(kept_memory())
        while True:
            loss, error = run.evaluate(last=run.done == steps)
            run.note(loss, error)
            reached = stop_loss is not None and float(loss) <= stop_loss
            if run.first or run.done % _READ_EVERY == 0 or reached or run.done == steps or interrupted():
                run.read()
                show()
            if reached or run.done == steps:
                run.history.stopped = reached
                break
            run.step()
            if run.done - (run.saved or 0) >= every or interrupted():
                run.save()
            if interrupted():
                raise KeyboardInterrupt
        run.save()
        if interrupted():
            raise KeyboardInterrupt
    return run.history


class _Run:
    """A training run: where it is, and how it makes a step."""

    def __init__(self, network: nn.Module, problem: Problem, steps: int, lr: float, decay: float) -> None:
        self.network, self.problem, self.steps, self.lr, self.decay = network, problem, steps, lr, decay
        _check_start(network, problem)
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        if not self.parameters:
            raise ValueError("the network has no parameters to train.")
        # PyTorch's fused step refuses complex numbers, and takes strided weights for dense ones.
        plain = all(p.is_floating_point() and p.is_contiguous() for p in self.parameters)
        fused = plain and all(p.device.type in ("cpu", "cuda") for p in self.parameters)
        self.optimizer = torch.optim.Adam(self.parameters, lr=lr, fused=fused)
        self.optimizer.zero_grad()
        self.history, self.done, self.first = History(), 0, True
        self.file: Checkpoint | None = None
        self.saved: int | None = None
        self.description: dict[str, str] = {}  # and what of it training changes, in earlier parts and in all
        self.ignored: set[str] = set()
        self.changing: set[str] | None = None
        self.start = ""  # the digest of the first weights
        self.unread: list[tuple[Tensor, Tensor | None]] = []
        self.blocked: BlockedNetwork | None = None
        self.encoded: tuple[Tensor, Tensor] | None = None
        self.forward: Callable[[Tensor], Tensor] = network
        self.started = time.perf_counter()

    def choose_route(self, fused: bool | None, precision: str, compile: bool) -> None:
        reason = self._why_not_fused(precision, compile)
        if fused and reason:
            raise ValueError(f"the fused step does not apply: {reason}.")
        if fused is not False and reason is None:
            assert isinstance(self.network, CoordinateNetwork)
            self.blocked = self.network.blocked()
            assert self.blocked is not None
            _check_values((len(self.problem.coordinates), self.blocked.widths[-1]), self.problem)
            self.history.route = "fused"
        outer = torch.is_autocast_enabled(self.problem.coordinates.device.type)
        self.precision = f"{precision}, under autocast" if outer else precision
        self.autocast = (
            torch.autocast(self.problem.coordinates.device.type, dtype=torch.bfloat16)
            if precision == "bfloat16"
            else contextlib.nullcontext()
        )
        if compile:
            self.forward = torch.compile(self.network)

    def _why_not_fused(self, precision: str, compile: bool) -> str | None:
        network, points = self.network, self.problem.coordinates
        if not isinstance(network, CoordinateNetwork):
            return f"it is made for CoordinateNetwork, and this is a {type(network).__name__}"
        if compile or precision != "float32" or torch.is_autocast_enabled("cpu"):
            return "it neither compiles nor rounds"
        if any(isinstance(layer, ComplexLinear) for layer in network.modules()):
            return "it has no complex layers, which activation 'wire' needs"
        if len(self.parameters) != len(list(network.parameters())):
            return "some parameters are frozen"
        if not network.is_as_made():
            return "the network's layers, parameters, hooks or forward are not those that CoordinateNetwork makes"
        if network.blocked() is None:
            return "it runs on a CPU, in float32 or float64, with scales between 2**-7 and 2**20"
        if points.requires_grad:
            return "it has no gradient for the points"
        if (points.device, points.dtype, points.shape[1]) != (*_place(network), network.in_features):
            return _mismatch(network, self.problem) or f"points have {points.shape[1]} coordinates"
        return None

    def _points(self) -> Tensor:
        """What the network's layers take: the points, or their encoding, which is found once while they stay."""
        points = self.problem.coordinates
        if self.blocked is None:
            return points
        if self.encoded is None or not torch.equal(self.encoded[0], points):
            with torch.no_grad():
                own = points.clone()  # a loss may move its points in place
                self.encoded = own, cast(CoordinateNetwork, self.network).encoding(own)
        return self.encoded[1]

    def evaluate(self, last: bool) -> tuple[Tensor, Tensor | None]:
        """Loss and mean squared error of the weights as they are, and gradients unless it is the last time."""
        if last:
            values = self.problem.values(self.network)
            return self.problem.loss(values).detach(), self.problem._measured(values)
        points = self._points()
        if self.blocked is None:
            self.optimizer.zero_grad()
            values = self._values(points)
            loss = self._loss(values.to(points.dtype))
            loss.backward()
            return loss.detach(), self.problem._measured(values.detach().to(points.dtype))
        if _is_plain(self.problem):
            return self.blocked.squared_error(points, self.problem.target, self.problem.weight)
        values = self.blocked.values(points).requires_grad_()
        loss = self._loss(values)
        # A loss may also look at the weights themselves.
        cotangent, *direct = torch.autograd.grad(loss, [values, *self.parameters], allow_unused=True)
        self.blocked.backward(points, torch.zeros_like(values) if cotangent is None else cotangent)
        for parameter, gradient in zip(self.parameters, direct, strict=True):
            if gradient is not None and parameter.grad is not None:
                parameter.grad.add_(gradient)
        return loss.detach(), self.problem._measured(values.detach())

    def _values(self, points: Tensor) -> Tensor:
        try:
            with self.autocast:
                values = self.forward(points)
        except Exception as error:
            reason = _mismatch(self.network, self.problem)
            if reason is None:
                raise
            raise ValueError(reason) from error
        if not isinstance(values, Tensor) or not values.is_floating_point():
            kind = values.dtype if isinstance(values, Tensor) else type(values).__name__
            raise TypeError(f"the network must give a tensor of real numbers; it gave {kind}.")
        _check_values(tuple(values.shape), self.problem)
        return values

    def _loss(self, values: Tensor) -> Tensor:
        loss = self.problem.loss(values)
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
            told = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise TypeError(
                f"{type(self.problem).__name__}.loss must give one number, a tensor that depends on the values by "
                f"torch's operations; it gave {told}."
            )
        return loss

    def step(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * self.decay ** (self.done / self.steps)
        self.optimizer.step()
        self.done += 1

    def note(self, loss: Tensor, error: Tensor | None) -> None:
        self.unread.append((loss, error))

    def read(self) -> None:
        """Move what was noted into the history, and look whether it is sound."""
        for loss, error in self.unread:
            value = float(loss)
            if not math.isfinite(value):
                raise FloatingPointError(f"the loss is {value} {self._why_not_finite()}.")
            self.history.loss.append(value)
            self.history.psnr.append(math.nan if error is None else self.problem.decibels(float(error)))
        self.unread.clear()
        self.first = False
        now = time.perf_counter()
        self.history.seconds += now - self.started
        self.started = now

    def _why_not_finite(self) -> str:
        """Where the first infinite loss comes from: before the first step it is no fault of the learning rate."""
        if self.history.loss:
            return f"after {len(self.history.loss)} steps: use a lower lr than {self.lr:g}, or a lower scale"
        for name, parameter in self.network.named_parameters():
            if not parameter.isfinite().all():
                return f"before the first step: the network's {name} has values that are not finite"
        with torch.no_grad():
            values = self.problem.values(self.network)
        if not values.isfinite().all():
            return "before the first step: the network's values are not all finite; its weights or scale are too large"
        data = [tensor for name, tensor in self.problem.named_buffers() if name != "coordinates"]
        largest = max((float(t.abs().max()) for t in data if t.is_floating_point() and t.numel()), default=0.0)
        return (
            f"before the first step, though the network's values are finite. The problem's data reach {largest:g}, and "
            f"squares overflow in {values.dtype}: rescale the data, or look at {type(self.problem).__name__}.loss"
        )

    def save(self) -> None:
        """Write a checkpoint, if one is asked for and does not say the same already."""
        if self.file is None or self.saved == self.done:
            return
        self.read()
        if self.changing is None:
            self._look_for_changes()
        self.file.write(self._state(), self.done)
        self.saved = self.done

    def _state(self) -> bytes:
        memory = io.BytesIO()
        state = {
            "run": {key: told for key, told in self.description.items() if key not in (self.changing or ())},
            "changing": sorted(self.changing or ()),
            "start": self.start,
            "done": self.done,
            "network": self.network.state_dict(),
            "problem": self._changed_buffers(),
            "optimizer": self.optimizer.state_dict()["state"],
            "random": self._random(),
            "generators": _generators(),
            "loss": self.history.loss[: self.done + 1],
            "psnr": self.history.psnr[: self.done + 1],
            "seconds": self.history.seconds,
        }
        torch.save(state, memory)
        return memory.getvalue()

    def _random(self) -> list[Tensor]:
        device = self.problem.coordinates.device
        return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]

    def _changed_buffers(self) -> dict[str, Tensor]:
        state = self.problem.state_dict()
        return {name: tensor for name, tensor in state.items() if f"the problem's {name}" in (self.changing or ())}

    def _look_for_changes(self) -> None:
        """What training itself changes is not compared when the run goes on; what is not kept either is told once."""
        now = self._describe()
        before = self.description
        self.changing = self.ignored | {key for key in {**now, **before} if now.get(key) != before.get(key)}
        kept = {f"the problem's {name}" for name in self.problem.state_dict()}
        lost = sorted(self.changing - self.ignored - kept)
        if lost:
            warnings.warn(
                f"{lost[0]} changes while training, and a checkpoint does not keep it. If the numbers depend on it, "
                "make it a tensor and register it as a buffer.",
                stacklevel=6,
            )

    def resume(self, every: int) -> None:
        """Go on from a checkpoint, if there is one, and look whether the next one can be written."""
        assert self.file is not None
        self.description = self._describe()
        self.start = digest(dict(self.network.state_dict()))
        state = self.file.read(self.problem.coordinates.device)
        if state is not None:
            try:
                theirs, start, self.ignored = dict(state["run"]), state["start"], set(state["changing"])
            except Exception as error:
                raise self.file.damaged() from error
            self._compare(theirs)
            try:
                self._load(state)
            except Exception as error:  # whatever a file with other entries makes of itself
                raise self.file.damaged() from error
            if self.start not in (start, digest(dict(state["network"]))):
                warnings.warn(
                    f"{self.file.file} began with other weights than this network has, and the run goes on from there. "
                    "If this is another run, of another seed, name another file.",
                    stacklevel=5,
                )
            self.start, self.saved = start, self.done
        if self.done == self.steps:
            return
        trained = sum(p.numel() * p.element_size() for p in self.parameters)
        data = self._state()
        self.file.try_room(len(data) + 2 * trained + 20 * min(every, self.steps))
        try:
            torch.load(io.BytesIO(data), weights_only=True)
        except Exception as error:
            raise ValueError(
                "the network's state_dict holds something that a checkpoint cannot keep: tensors, numbers, strings, "
                "lists and dictionaries are kept."
            ) from error

    def _compare(self, theirs: dict[str, str]) -> None:
        ours = {key: told for key, told in self.description.items() if key not in self.ignored}
        differing = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
        if differing:
            sides = [(key, theirs.get(key, "absent"), ours.get(key, "absent")) for key in differing[:3]]
            told = "; ".join(f"{key} is {there} there and {here} here" for key, there, here in sides)
            assert self.file is not None
            raise ValueError(
                f"{self.file.file} is of another run: {told}. Name another file, or delete this one to start anew."
            )

    def _load(self, state: dict[str, Any]) -> None:
        """Take everything from a checkpoint, or nothing if it is not whole."""
        done, loss, psnr, seconds = (state[key] for key in ("done", "loss", "psnr", "seconds"))
        ours, weights = self.network.state_dict(), state["network"]
        buffers, here = self.problem.state_dict(), self._random()
        sound = [
            type(done) is int and 0 <= done <= self.steps and len(loss) == len(psnr) >= done,
            all(type(number) is float for number in (*loss, *psnr, seconds)) and all(map(math.isfinite, loss)),
            weights.keys() == ours.keys() and all(_alike(weights[key], value) for key, value in ours.items()),
            all(_alike(tensor, buffers[name]) for name, tensor in state["problem"].items()),
            _alike(state["random"][0], here[0]),
        ]
        for index, moments in state["optimizer"].items():
            parameter = self.parameters[index]
            sound.append(moments.keys() == {"step", "exp_avg", "exp_avg_sq"} and moments["step"].numel() == 1)
            sound.append(all(_alike(moments[name], parameter) for name in ("exp_avg", "exp_avg_sq")))
        if not all(sound):
            raise ValueError("the checkpoint is not whole.")
        random.setstate(state["generators"]["python"])
        np.random.set_state(state["generators"]["numpy"])
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state["optimizer"]})
        self.network.load_state_dict(weights)
        self.problem.load_state_dict(state["problem"], strict=False)
        torch.set_rng_state(state["random"][0].cpu())
        if len(here) == len(state["random"]) == 2:  # on a GPU before and now
            torch.cuda.set_rng_state(state["random"][1].cpu(), self.problem.coordinates.device)
        self.done = done
        # The loss after the last step is computed again: it belongs to the step that follows.
        self.history.loss, self.history.psnr = loss[:done], psnr[:done]
        self.history.seconds = seconds
        self.started = time.perf_counter()

    def _describe(self) -> dict[str, str]:
        """What must be the same for a run to go on."""
        return {
            **describe(self.network, self.problem),
            "steps": str(self.steps),
            "lr": str(self.lr),
            "decay": str(self.decay),
            "precision": self.precision,
        }


def _check_start(network: nn.Module, problem: Problem) -> None:
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


def _generators() -> dict[str, Any]:
    """The generators of Python and NumPy, from which a loss may draw as well as from PyTorch's."""
    state: Any = np.random.get_state(legacy=False)
    numbers = {key: v.tolist() if isinstance(v, np.ndarray) else v for key, v in state["state"].items()}
    return {"python": random.getstate(), "numpy": {**state, "state": numbers}}


def _alike(ours: Any, theirs: Any) -> bool:
    """Whether both are tensors of one shape and type; what is no tensor is not looked at."""
    if not isinstance(theirs, Tensor):
        return True
    return isinstance(ours, Tensor) and (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)


def _mismatch(network: nn.Module, problem: Problem) -> str | None:
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


def _place(network: nn.Module) -> tuple[torch.device, torch.dtype]:
    parameter = next(network.parameters())
    return parameter.device, parameter.dtype


def _check_values(shape: tuple[int, ...], problem: Problem) -> None:
    expected = len(problem.coordinates), problem.out_features
    if shape != expected:
        hint = f": use out_features={expected[1]}" if len(shape) == 2 and shape[0] == expected[0] else ""
        raise ValueError(f"the network gives {shape} for {expected[0]} points and the problem needs {expected}{hint}.")


_MEASURES = ("loss", "error", "shaped", "_error", "_at_points", "_reshaped")
_OWN = [getattr(SquaredError, name) for name in _MEASURES]


def _is_plain(problem: Problem) -> TypeGuard[SquaredError]:
    """Whether loss and error are the squared differences from a target, which one pass over the points can find."""
    if not isinstance(problem, SquaredError) or [getattr(type(problem), name) for name in _MEASURES] != _OWN:
        return False
    shape, like = (len(problem.coordinates), problem.out_features), problem.coordinates
    weighted = problem.weight is None or (problem.weight.shape == (len(like), 1) and problem.weight.dtype == like.dtype)
    fits = problem.target.shape == shape and problem.target.dtype == like.dtype and problem.known is None
    return fits and weighted and not vars(problem).keys() & set(_MEASURES)


@contextlib.contextmanager
def _bar(run: _Run, progress: bool) -> Iterator[Callable[[], None]]:
    if not progress:
        yield lambda: None
        return
    from tqdm.auto import tqdm

    way = "fused step" if run.blocked else "autograd"
    with tqdm(total=run.steps, initial=run.done, unit="step", desc=f"{way}, resumed" if run.done else way) as bar:

        def show() -> None:
            numbers = {"loss": f"{run.history.loss[-1]:.2e}"}
            if not math.isnan(run.history.psnr[-1]):
                numbers["PSNR"] = f"{run.history.psnr[-1]:.2f} dB"
            bar.set_postfix(numbers, refresh=False)
            bar.update(run.done - bar.n)

        yield show


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C is told and does not strike in the middle of a step; the second one does."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # someone else decides what Ctrl-C means
        yield lambda: False
        return

    def handle(number: int, frame: Any) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(caught)
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _precision(precision: str) -> Iterator[None]:
    if precision != "tf32":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
