"""Train a network on a problem: the loop, with the paper's schedule, a progress bar and a Ctrl-C that loses nothing."""

import contextlib
import math
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_count, check_flag, check_positive, shown
from ..ops import kept_memory
from ._problem import Problem
from ._processes import Processes
from ._resume import Kept
from ._run import History, Run
from ._steps import Autograd, Blocks

_READ_EVERY = 20  # steps: reading a loss makes a GPU wait
PRECISIONS = ("float32", "tf32", "bfloat16")


@torch.inference_mode(False)  # whoever calls: training needs gradients
@torch.enable_grad()
def fit(
    network: nn.Module,
    problem: Problem,
    *,
    steps: int = 1000,
    lr: float = 1e-3,
    decay: float = 0.1,
    warmup: int = 0,
    penalty: Callable[[nn.Module], Tensor] | None = None,
    stop_loss: float | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    fused: bool | None = None,
    block: int | None = None,
    batch: int | None = None,
    holdout: float | None = None,
    patience: int | None = None,
    processes: bool = False,
    precision: str = "float32",
    compile: bool = False,
    progress: bool = True,
) -> History:
    """Train ``network`` on ``problem`` with Adam at the rate ``lr * decay**(t / steps)``, all points in every step.

    On a CPU a :class:`relunb.inr.CoordinateNetwork` trains by blocks of rows without autograd where it can: with every
    activation but ``wire``, in float32 or float64, without ``compile`` and in full precision. The history's ``route``
    says which way was taken; both give the same losses to rounding. In float32 rounding may put a point on the other
    side of a kink of psi, so that at a large scale two runs part after some steps, whichever way they go.

    A ``penalty`` is a function of the network that is added to the loss. The variation norm of the paper, weight decay
    and total variation, here of the picture at 64 x 64 points::

        penalty=lambda network: 1e-7 * relunb.wavelet.deep_variation_norm(network)
        penalty=lambda network: 1e-6 * sum(weight.square().sum() for weight in network.parameters())

        points = relunb.inr.pixel_grid(64, 64)

        def penalty(network):
            picture = network(points).reshape(64, 64)
            return 1e-2 * (picture.diff(dim=0).abs().mean() + picture.diff(dim=1).abs().mean())

    Ctrl-C ends after the step that runs, with a checkpoint where one was asked for; a second Ctrl-C ends at once.

    Args:
        network: takes (points, coordinates) and gives (points, out_features). It is trained in place.
        problem: a :class:`relunb.inr.Problem` on the same device.
        steps: T of the schedule.
        lr: the first learning rate.
        decay: the last learning rate is ``lr * decay``.
        warmup: over so many steps the rate rises to that of the schedule, evenly.
        penalty: takes the network and gives a number, a tensor that its gradient can be taken of.
        stop_loss: end as soon as the loss is at most this.
        checkpoint: a file. If it exists, the run goes on from there, with the numbers of a run that was never broken;
            after a run it remains. It knows the run by all that changes its numbers: the problem's data and attributes,
            the network's parts and settings, your own code, and the parameters here but ``stop_loss`` and
            ``patience``. Of other weights at the start it warns, and goes on with its own.
        checkpoint_every: steps between two checkpoints.
        fused: False takes autograd everywhere; True refuses where the fused step does not apply. Default: by itself.
        block: how many points go through the network at a time. By autograd all do by default, or a part where memory
            would not hold what it keeps of all; the fused step takes as many as a cache holds. Loss and gradients are
            those of all points, to rounding; the history says which block it was.
        batch: how many points a step draws, each from all that count, where the loss is a sum over points; default: all
            are in every step. A step is then as quick for a large picture as for a small one, and its gradient has
            noise. ``torch.manual_seed`` decides which are drawn, and a run that goes on draws those of an unbroken one.
        holdout: the share of the points that count which is kept out of training, 0.1 for a tenth, where the loss is a
            sum over points. The history has their PSNR: it tells of values between the points, which training PSNR does
            not. They are the same points in every run.
        patience: end when the PSNR of ``holdout`` has not been better for so many steps. The weights stay those of the
            end.
        processes: share the points out among the processes of ``torch.distributed``, where the loss is a sum over
            points. Each calls ``fit`` with the same problem and settings; they begin with the weights of the first,
            which alone writes the checkpoint and shows the bar. The numbers are those of one process to rounding, and a
            run may go on with more processes or fewer. ``torch.distributed.init_process_group("gloo")`` comes first,
            and ``torchrun --nproc-per-node 2 script.py`` starts them.
        precision: "float32" leaves the network's own precision, float64 too; "tf32" lets a CUDA device round factors
            of matrix products; "bfloat16" is autocast.
        compile: train ``torch.compile(network)``.
        progress: show a bar with loss and PSNR.

    Returns:
        :class:`relunb.inr.History`.

    Raises:
        TypeError: a parameter is of another type, or ``penalty`` gives something else than one number.
        ValueError: a parameter is out of range, network and problem do not fit, the fused step, a block, a batch,
            points to hold out or processes are asked for where they do not apply, or the checkpoint belongs to another
            run; the message says what differs.
        FloatingPointError: the loss became NaN or infinite.
        OSError: a checkpoint cannot be written, which is tried before the first step, or another run has its file; the
            one before is still there.

    Example:
        >>> from relunb.inr import CoordinateNetwork, ImageProblem, fit
        >>> network = CoordinateNetwork(2, hidden_features=16)
        >>> history = fit(network, ImageProblem(torch.eye(8)), steps=20, progress=False)
        >>> len(history.loss), history.loss[-1] < history.loss[0], history.route
        (21, True, 'fused')

    Source: Shenouda, Zhou and Nowak (2024), Appendix D. Used in :doc:`/book/inr/image-fitting`.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a torch.nn.Module; got {type(network).__name__}.")
    if not isinstance(problem, Problem):
        raise TypeError(f"problem must be a relunb.inr.Problem; got {type(problem).__name__}.")
    steps = check_count("steps", steps)
    warmup = check_count("warmup", warmup, least=0, most=steps)
    if penalty is not None and not callable(penalty):
        raise TypeError(f"penalty must be a function of the network, like lambda network: ...; got {shown(penalty)}.")
    run = Run(network, problem, steps, check_positive("lr", lr), check_positive("decay", decay), warmup, penalty)
    every = check_count("checkpoint_every", checkpoint_every)
    if stop_loss is not None:
        check_positive("stop_loss", stop_loss)
    if fused is not None:
        try:
            fused = check_flag("fused", fused)
        except TypeError:
            raise TypeError(f"fused must be True, False or None; got {shown(fused)}.") from None
    block = None if block is None else check_count("block", block)
    if batch is not None:
        batch = check_count("batch", batch)
        if stop_loss is not None:
            raise ValueError("stop_loss needs the loss of all points, and with batch a step has that of some: use one.")
    if holdout is not None:
        holdout = check_positive("holdout", holdout)
        if holdout >= 1:
            raise ValueError(f"holdout is a share of the points, between 0 and 1; got {holdout:g}.")
    if patience is not None:
        patience = check_count("patience", patience)
        if holdout is None:
            raise ValueError("patience looks at points that are kept out of training: use holdout=0.1 with it.")
    compile, progress = check_flag("compile", compile), check_flag("progress", progress)
    group = Processes() if check_flag("processes", processes) else None
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(map(repr, PRECISIONS))}; got {shown(precision)}.")
    run.choose_route(fused, precision, compile, block, batch, holdout, group)
    kept = Kept(run, checkpoint) if checkpoint is not None and run.leads else None
    with contextlib.ExitStack() as held:
        if kept is not None:
            held.enter_context(kept.file.held())
            kept.resume(every)
        run.begin_together()
        show = held.enter_context(_bar(run, progress and run.leads))
        run.interrupted = held.enter_context(_interrupts())
        held.enter_context(_precision(precision))
        held.enter_context(kept_memory())
        while True:
            last = run.done == steps
            loss, error = run.evaluate(last)
            run.note(loss, error, run.look_at_held(last))
            reached = stop_loss is not None and float(loss) <= stop_loss
            reached |= patience is not None and run.stale() >= patience
            if run.first or run.done % _READ_EVERY == 0 or reached or last or run.wished_to_stop():
                run.read()
                show()
            if reached or last:
                run.history.stopped = reached
                if reached and not last:
                    run.end_early()
                break
            run.step()
            if kept is not None and (run.done - (kept.saved or 0) >= every or run.wished_to_stop()):
                kept.save()
            if run.wished_to_stop():
                raise KeyboardInterrupt
        if kept is not None:
            kept.save()
        if run.wished_to_stop():
            raise KeyboardInterrupt
    return run.history


@contextlib.contextmanager
def _bar(run: Run, progress: bool) -> Iterator[Callable[[], None]]:
    if not progress:
        yield lambda: None
        return
    from tqdm.auto import tqdm

    way = "fused step" if run.history.route == Blocks.route else Autograd.route
    if run.history.batch is not None:
        way += f", {run.history.batch:,} points a step"
    if run.history.route == Autograd.route and run.history.block < run.gradients.points:
        way += f", {run.history.block:,} points at a time"
    with tqdm(total=run.steps, initial=run.done, unit="step", desc=f"{way}, resumed" if run.done else way) as bar:

        def show() -> None:
            numbers = {"loss": f"{run.history.loss[-1]:.2e}"}
            known = next((decibels for decibels in reversed(run.history.psnr) if not math.isnan(decibels)), None)
            if known is not None:
                numbers["PSNR"] = f"{known:.2f} dB"
            held = next((decibels for decibels in reversed(run.history.holdout) if not math.isnan(decibels)), None)
            if held is not None:
                numbers["held out"] = f"{held:.2f} dB"
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
