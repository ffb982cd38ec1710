"""How many points a network takes at a time: all of them where there is memory, else as many as keep a machine busy."""

import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from ._random import random_state, set_random_state

_FEW = 4096  # points that are taken together without a question
_BUSY = 65_536  # points that keep a GPU busy: more of them take memory and save no time
_SAMPLE = 1024
_ASSUMED = 8 << 30  # bytes, where nobody says how many are free


def points_at_a_time(network: nn.Module, points: Tensor) -> int:
    """All points where what autograd keeps of them takes half of the free memory at most; else a power of two."""
    if len(points) <= _FEW:
        return len(points)
    try:
        each = kept_of_a_point(network, points[:_SAMPLE])
    except Exception:  # network and problem do not fit: the first step says so, with its own sentence
        return len(points)
    free = free_memory(points.device)
    if 2 * each * len(points) <= free:
        return len(points)
    fits = max(int(free / (4 * each)), 1)
    return min(1 << (fits.bit_length() - 1), _BUSY)


def kept_of_a_point(network: nn.Module, sample: Tensor) -> float:
    """Bytes that autograd keeps of a point until it comes back to it, found with a few points."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers(), sample)}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    before = random_state(sample.device)
    try:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            values = network(sample)
    finally:
        set_random_state(sample.device, before)
    given = values.numel() * values.element_size()
    return (given + sum(size for place, size in kept.items() if place not in own)) / len(sample)


def free_memory(device: torch.device) -> int:
    """Bytes still to be had on a device, from the system and in the control group of a container or a batch job."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type != "cpu":
        return _ASSUMED
    return min([_of_the_system(), *_of_the_groups()])


def _of_the_system() -> int:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):  # Windows
        return _ASSUMED


def _of_the_groups() -> Iterator[int]:
    """What is left in this process's group and in those around it, where they have a limit."""
    root = Path("/sys/fs/cgroup")
    for line in _lines(Path("/proc/self/cgroup")):
        _, kinds, path = line.split(":", 2)
        if kinds not in ("", "memory"):
            continue
        top = root / kinds
        most, used = ("memory.limit_in_bytes", "memory.usage_in_bytes") if kinds else ("memory.max", "memory.current")
        group = top / path.strip("/")
        for folder in (group, *group.parents):
            limit, now = _lines(folder / most), _lines(folder / used)
            if limit and now and limit[0].isdigit():
                stat = dict(entry.split() for entry in _lines(folder / "memory.stat"))
                given_back = int(stat.get("inactive_file", 0))  # of files, dropped when memory is wanted
                yield max(int(limit[0]) - int(now[0]) + given_back, 0)
            if folder == top:
                break


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
