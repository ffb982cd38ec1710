"""What a checkpoint holds of a run, and whether a run goes on from it."""

import io
import math
import random
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._checkpoint import Checkpoint
from ._description import describe, digest
from ._random import random_state, set_random_state
from ._run import Run


class Kept:
    """A run and its file. It asks that nothing is another's which changes the numbers, and keeps all that has changed.

    Attributes:
        saved: after how many steps the file was written; None: not yet.
    """

    def __init__(self, run: Run, file: str | Path) -> None:
        self.run, self.file = run, Checkpoint(file)
        self.saved: int | None = None
        self.description: dict[str, str] = {}  # and what of it training changes, in earlier parts and in all
        self.ignored: set[str] = set()
        self.changing: set[str] | None = None
        self.start = ""  # the digest of the first weights

    def save(self) -> None:
        """Write a checkpoint, unless it says the same already."""
        if self.saved == self.run.done:
            return
        self.run.read()
        if self.changing is None:
            self._look_for_changes()
        self.file.write(self._state(), self.run.done)
        self.saved = self.run.done

    def _state(self) -> bytes:
        run, memory = self.run, io.BytesIO()
        state = {
            "run": {key: told for key, told in self.description.items() if key not in (self.changing or ())},
            "changing": sorted(self.changing or ()),
            "start": self.start,
            "done": run.done,
            "network": run.network.state_dict(),
            "problem": self._changed_buffers(),
            "optimizer": run.optimizer.state_dict()["state"],
            "random": random_state(run.problem.coordinates.device),
            "generators": _generators(),
            "loss": run.history.loss[: run.done + 1],
            "psnr": run.history.psnr[: run.done + 1],
            "seconds": run.history.seconds,
        }
        if run.chosen_block is not None:
            state["block"] = run.chosen_block
        if run.held is not None:
            state["holdout"] = run.history.holdout[: run.done + 1]
        if run.batches is not None:
            state["batches"] = run.batches.generator.get_state()
        torch.save(state, memory)
        return memory.getvalue()

    def _changed_buffers(self) -> dict[str, Tensor]:
        state = self.run.problem.state_dict()
        return {name: tensor for name, tensor in state.items() if f"the problem's {name}" in (self.changing or ())}

    def _look_for_changes(self) -> None:
        """What training itself changes is not compared when the run goes on; what is not kept either is told once."""
        now = self._describe()
        before = self.description
        self.changing = self.ignored | {key for key in {**now, **before} if now.get(key) != before.get(key)}
        kept = {f"the problem's {name}" for name in self.run.problem.state_dict()}
        lost = sorted(self.changing - self.ignored - kept)
        if lost:
            warnings.warn(
                f"{lost[0]} changes while training, and a checkpoint does not keep it. If the numbers depend on it, "
                "make it a tensor and register it as a buffer.",
                stacklevel=6,
            )

    def resume(self, every: int) -> None:
        """Go on from a checkpoint, if there is one, and look whether the next one can be written."""
        run = self.run
        self.description = self._describe()
        self.start = digest(dict(run.network.state_dict()))
        state = self.file.read(run.problem.coordinates.device)
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
            self.start, self.saved = start, run.done
        if run.done == run.steps:
            return
        trained = sum(p.numel() * p.element_size() for p in run.parameters)
        data = self._state()
        self.file.try_room(len(data) + 2 * trained + 30 * min(every, run.steps))
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
            raise ValueError(
                f"{self.file.file} is of another run: {told}. Name another file, or delete this one to start anew."
            )

    def _load(self, state: dict[str, Any]) -> None:
        """Take everything from a checkpoint, or nothing if it is not whole."""
        run = self.run
        done, loss, psnr, seconds = (state[key] for key in ("done", "loss", "psnr", "seconds"))
        ours, weights = run.network.state_dict(), state["network"]
        buffers, here = run.problem.state_dict(), torch.get_rng_state()
        block = state.get("block")
        sound = [
            block is None or (type(block) is int and block > 0),
            type(done) is int and 0 <= done <= run.steps and len(loss) == len(psnr) >= done,
            all(type(number) is float for number in (*loss, *psnr, seconds)) and all(map(math.isfinite, loss)),
            weights.keys() == ours.keys() and all(_alike(weights[key], value) for key, value in ours.items()),
            all(_alike(tensor, buffers[name]) for name, tensor in state["problem"].items()),
            _alike(state["random"][0], here),
        ]
        if run.held is not None:
            sound.append(len(state["holdout"]) >= done and all(type(number) is float for number in state["holdout"]))
        if run.batches is not None:
            sound.append(_alike(state["batches"], run.batches.generator.get_state()))
        for index, moments in state["optimizer"].items():
            parameter = run.parameters[index]
            sound.append(moments.keys() == {"step", "exp_avg", "exp_avg_sq"} and moments["step"].numel() == 1)
            sound.append(all(_alike(moments[name], parameter) for name in ("exp_avg", "exp_avg_sq")))
        if not all(sound):
            raise ValueError("the checkpoint is not whole.")
        random.setstate(state["generators"]["python"])
        np.random.set_state(state["generators"]["numpy"])
        run.optimizer.load_state_dict({**run.optimizer.state_dict(), "state": state["optimizer"]})
        run.network.load_state_dict(weights)
        run.problem.load_state_dict(state["problem"], strict=False)
        set_random_state(run.problem.coordinates.device, state["random"])
        if block is not None:
            run.take_block(block)
        if run.batches is not None:
            run.batches.generator.set_state(state["batches"].cpu())
        run.done = done
        # The loss after the last step is computed again: it belongs to the step that follows.
        run.history.loss, run.history.psnr = loss[:done], psnr[:done]
        if run.held is not None:
            run.history.holdout = state["holdout"][:done]
        run.history.seconds = seconds
        run.started = time.perf_counter()

    def _describe(self) -> dict[str, str]:
        """What must be the same for a run to go on."""
        run = self.run
        more = {} if run.penalty is None else {"the penalty": run.penalty}
        told = {
            **describe(run.network, run.problem, **more),
            "steps": str(run.steps),
            "lr": str(run.lr),
            "decay": str(run.decay),
            "precision": run.precision,
        }
        later = {"batch": run.history.batch, "holdout": run.holdout, "warmup": run.warmup or None}
        return told | {name: str(value) for name, value in later.items() if value is not None}


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
