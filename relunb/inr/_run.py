"""A training run: the weights on their way, the rate at each step, and the history of both."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ._match import check_start
from ._measured import Points, is_pointwise
from ._network import CoordinateNetwork
from ._problem import Problem, found_error, gathered
from ._processes import Processes
from ._sample import All, Batches, batches, parted
from ._steps import (
    Autograd,
    Blocks,
    LossAndError,
    add_gradients,
    checked_penalty,
    why_not_blocks,
    why_not_parts,
)

_LOOKS = 10  # at all points in a run whose steps draw some
_HELD_LOOKS = 100  # at the points that are kept out of training, which are few


@dataclass
class History:
    """What :func:`relunb.inr.fit` saw.

    Attributes:
        loss: after 0, 1, ..., n steps, with the penalty; the last one belongs to the weights as they are. With
            ``batch`` each is that of the points which the next step drew, and the last one that of all points.
        psnr: at the same moments, in decibels, over all points, with ``holdout`` those that are trained on; NaN where
            the problem has no reference, and with ``batch`` but after every tenth of the steps and at the end.
        holdout: of the points that were kept out of training, after every hundredth of the steps and at the end, else
            NaN; empty without ``holdout``.
        seconds: spent training, over all parts of a run that was resumed.
        route: "fused", by blocks without autograd, or "autograd".
        block: how many points went through the network at a time.
        batch: how many points a step drew; None: all were in each.
        stopped: whether ``stop_loss`` was reached, or ``patience`` came to its end.

    Example:
        >>> History(loss=[0.5, 0.1], psnr=[3.0, 10.0], route="fused").loss[-1]
        0.1
    """

    loss: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    holdout: list[float] = field(default_factory=list)
    seconds: float = 0.0
    route: str = "autograd"
    block: int = 0
    batch: int | None = None
    stopped: bool = False


class Run:
    """Where a run is, and how it makes a step.

    Attributes:
        done: steps so far.
        gradients: finds loss, error and gradients; see ``_steps.py``.
        chosen_block: points at a time where memory decided it; None: all, or as the caller wished.
        precision: in words, as a checkpoint tells it.
    """

    def __init__(
        self,
        network: nn.Module,
        problem: Problem,
        steps: int,
        lr: float,
        decay: float,
        warmup: int = 0,
        penalty: Callable[[nn.Module], Tensor] | None = None,
    ) -> None:
        self.network, self.problem, self.steps, self.lr, self.decay = network, problem, steps, lr, decay
        self.warmup, self.penalty = warmup, penalty
        check_start(network, problem)
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        if not self.parameters:
            raise ValueError("the network has no parameters to train.")
        # PyTorch's fused step refuses complex numbers, and takes strided weights for dense ones.
        plain = all(p.is_floating_point() and p.is_contiguous() for p in self.parameters)
        fused = plain and all(p.device.type in ("cpu", "cuda") for p in self.parameters)
        self.optimizer = torch.optim.Adam(self.parameters, lr=lr, fused=fused)
        self.optimizer.zero_grad()
        self.history, self.done, self.first = History(), 0, True
        self.unread: list[tuple[Tensor, Tensor | None, Tensor | None]] = []
        self.started = time.perf_counter()
        self.interrupted: Callable[[], bool] = lambda: False
        self.wished = False

    def choose_route(
        self,
        fused: bool | None,
        precision: str,
        compile: bool,
        block: int | None = None,
        batch: int | None = None,
        holdout: float | None = None,
        processes: Processes | None = None,
    ) -> None:
        reason = why_not_blocks(self.network, self.problem, precision, compile)
        if fused and reason:
            raise ValueError(f"the fused step does not apply: {reason}.")
        self.gradients: Autograd | Blocks
        self.trained, self.held = (None, None) if holdout is None else parted(self.problem, holdout)
        self.batches = None if batch is None else batches(self.problem, batch, self.trained, processes)
        self.history.batch, self.holdout, self.processes = batch, holdout, processes
        source = self.batches or (None if self.trained is None else All(self.trained))
        if processes is not None:
            source = self._shared_out(processes)
        if fused is not False and reason is None:
            assert isinstance(self.network, CoordinateNetwork)
            self.gradients = Blocks(self.network, self.problem, self.parameters, block, source)
        else:
            reason = why_not_parts(self.network, self.problem)
            if reason is not None and block is not None and block < len(self.problem.coordinates):
                raise ValueError(f"block={block} does not apply: {reason}.")
            self.gradients = Autograd(self.network, self.problem, self.parameters, precision, compile, block, source)
        self.history.route, self.history.block = self.gradients.route, self.gradients.block
        outer = torch.is_autocast_enabled(self.problem.coordinates.device.type)
        self.precision = f"{precision}, under autocast" if outer else precision

    def _shared_out(self, processes: Processes) -> All | Batches:
        """What this process takes of the points, and how much of all that is."""
        if not is_pointwise(self.problem):
            raise ValueError(
                "processes=True needs a loss and an error that are sums over points, which those of "
                f"{type(self.problem).__name__} are not."
            )
        all_ = self.trained or Points(self.problem.coordinates, self.problem.target, self.problem.weight)
        self.share = share = processes.share(all_)
        mine = share.target.new_tensor(len(share.target)) if share.weight is None else share.weight.sum()
        self.weighed, self.counted = processes.sums(mine, len(share.target)).tolist()
        if self.batches is not None:
            self.part, self.plain = self.batches.size / self.batches.all, 0.0
            return self.batches
        self.part, self.plain = float(mine) / self.weighed, len(share.target) / self.counted
        return All(share)

    @property
    def leads(self) -> bool:
        """Whether this process is alone, or the one that writes files and shows a bar."""
        return self.processes is None or self.processes.rank == 0

    def begin_together(self) -> None:
        """Every process goes on from where the one that leads is."""
        if self.processes is None:
            return
        history = self.history
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict()["state"],
            "done": self.done,
            "history": [history.loss, history.psnr, history.holdout],
            "batches": None if self.batches is None else self.batches.generator.get_state(),
        }
        state = self.processes.given(state, self.problem.coordinates.device)
        if self.leads:
            return
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state["optimizer"]})
        self.done = state["done"]
        history.loss, history.psnr, history.holdout = state["history"]
        if self.batches is not None:
            self.batches.generator.set_state(state["batches"].cpu())

    @property
    def chosen_block(self) -> int | None:
        step = self.gradients
        by_itself = isinstance(step, Autograd) and step.chosen and step.block < step.points
        return step.block if by_itself else None

    def take_block(self, block: int) -> None:
        """That of a run that goes on, which has its numbers to the last bit, unless memory has become less."""
        if isinstance(self.gradients, Autograd) and self.gradients.chosen:
            self.history.block = self.gradients.block = min(block, self.gradients.block)

    def evaluate(self, last: bool) -> LossAndError:
        """Loss and mean squared error of the weights as they are, and gradients unless it is the last time."""
        if last:
            return self.look()
        loss, error = self.gradients()
        if self.processes is not None:
            loss = loss * self.part
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad.mul_(self.part)
        if self.penalty is not None and self.leads:
            more = checked_penalty(self.penalty, self.network)
            add_gradients(self.parameters, torch.autograd.grad(more, self.parameters, allow_unused=True))
            loss = loss + more.detach()
        if self.processes is not None:
            plain = 0.0 if error is None else error * self.plain
            loss, error, wish = self.processes.sum_gradients(self.parameters, loss, plain, float(self.interrupted()))
            self.wished = bool(wish)
        if self.batches is not None:
            error = self.look()[1] if self.done % math.ceil(self.steps / _LOOKS) == 0 else None
        return loss, error

    def look(self) -> LossAndError:
        """Loss and mean squared error of all points that are trained on."""
        loss, error = self._look()
        if self.penalty is not None:
            loss = loss + checked_penalty(self.penalty, self.network).detach()
        return loss, error

    def wished_to_stop(self) -> bool:
        """Whether someone pressed Ctrl-C; of many processes, before the last step of all began."""
        return self.interrupted() if self.processes is None else self.wished

    def _look(self) -> LossAndError:
        if self.processes is not None:
            square = self._squares(self.share)
            weighted = square if self.share.weight is None else square * self.share.weight
            total, plain = self.processes.sums(weighted.sum(), square.sum())
            features = self.problem.out_features
            return total / (self.weighed * features), plain / (self.counted * features)
        if self.trained is None:
            values = self.problem.values(self.network)
            torch.clear_autocast_cache()  # of weights in half precision, here without their gradients
            return self.problem.loss(values).detach(), found_error(self.problem, values)
        error = self._error(self.trained)
        return error, error

    def look_at_held(self, last: bool) -> Tensor | None:
        """Mean squared error of the points that are kept out of training, from time to time."""
        if self.held is None or (self.done % math.ceil(self.steps / _HELD_LOOKS) and not last):
            return None
        return self._error(self.held)

    def _error(self, points: Points) -> Tensor:
        if self.processes is None:
            return self._squares(points).mean()
        mine = self._squares(points.at(slice(self.processes.rank, None, self.processes.count)))
        return self.processes.sums(mine.sum())[0] / points.target.numel()

    @torch.no_grad()
    def _squares(self, points: Points) -> Tensor:
        values = gathered(self.network, points.coordinates)
        torch.clear_autocast_cache()
        return (values.double() - points.target.double()).square()

    def note(self, loss: Tensor, error: Tensor | None, held: Tensor | None = None) -> None:
        self.unread.append((loss, error, held))

    def stale(self) -> int:
        """For how many steps the held-out PSNR has not been better, where it was just looked at; else 0."""
        if self.unread[-1][2] is None:
            return 0
        self.read()
        seen = [-math.inf if math.isnan(decibels) else decibels for decibels in self.history.holdout]
        return len(seen) - 1 - seen.index(max(seen))

    def end_early(self) -> None:
        """A run that ends before its last step knows all points as one that ends with it."""
        self.read()
        if self.batches is not None:
            self.batches.undo()
            loss, error = self.look()
            self.history.loss[-1] = float(loss)
            self.history.psnr[-1] = self._decibels(error)

    def read(self) -> None:
        """Move what was noted into the history, and look whether it is sound."""
        for loss, error, held in self.unread:
            value = float(loss)
            if not math.isfinite(value):
                raise FloatingPointError(f"the loss is {value} {self._why_not_finite()}.")
            self.history.loss.append(value)
            self.history.psnr.append(self._decibels(error))
            if self.held is not None:
                self.history.holdout.append(self._decibels(held))
        self.unread.clear()
        self.first = False
        now = time.perf_counter()
        self.history.seconds += now - self.started
        self.started = now

    def _decibels(self, error: Tensor | None) -> float:
        return math.nan if error is None else self.problem.decibels(float(error))

    def _why_not_finite(self) -> str:
        """Where the first infinite loss comes from: before the first step it is no fault of the learning rate."""
        if self.history.loss:
            return f"after {len(self.history.loss)} steps: use a lower lr than {self.lr:g}, or a lower scale"
        for name, parameter in self.network.named_parameters():
            if not parameter.isfinite().all():
                return f"before the first step: the network's {name} has values that are not finite"
        if self.penalty is not None and not self.penalty(self.network).isfinite().all():
            return "before the first step: the penalty is not finite"
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

    def step(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * self.decay ** (self.done / self.steps)
            if self.done < self.warmup:
                group["lr"] *= (self.done + 1) / self.warmup
        self.optimizer.step()
        torch.clear_autocast_cache()  # under a caller's autocast it would keep the weights of before
        self.done += 1
