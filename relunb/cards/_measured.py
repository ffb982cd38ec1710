"""What is measured of an activation that is known by its values alone: the same findings, each with its resolution."""

import math
import warnings

import numpy as np
import torch
from torch import Tensor

from ..spectrum import activation_harmonics
from ._finding import Finding, dead_fraction, level, without_shifts
from ._subject import EPS, REACH, Subject

RESOLUTION = (
    "values every 2^-15 on [-4, 4], kinks to 2^-19, variation every 2^-12 on [-16, 16], lines to 511, "
    "amplitudes every 1/64, shifts on [-32, 32]"
)
_STEP, _ZOOMS = 2.0**-15, 2
_LINES, _SAMPLES = 511, 2**16
_MOST_KINKS = 512


def measured(subject: Subject) -> dict[str, Finding]:
    """All findings but the cost."""
    x = torch.arange(-round(REACH / _STEP), round(REACH / _STEP) + 1, dtype=torch.float64) * _STEP
    y = subject.values(x)
    size = y.abs().amax().item() or 1.0
    noise = _noise(y, size)
    kinks, breaks = _kinks(subject, x, y, size)
    dead = dead_fraction(_flat(x, y, max(4 * EPS * size, noise)))
    bent = (y.diff(n=2).abs() > max(16 * EPS * size, noise)).double().mean().item()
    where = breaks or kinks
    sharp = _places("jump or vertical slope" if breaks else "kink", where)
    return {
        **_lines(subject, size, [] if breaks else kinks),
        "level_turn": _level(subject),
        "condition_number": _conditioning(subject),
        "dead_fraction": Finding(dead, "measured", "constant to rounding" if dead else ""),
        "slope_variation": _variation(subject, breaks),
        "homogeneous": _homogeneous(subject),
        "continuous_slope": Finding(not where, "measured", sharp),
        "second_derivative": Finding(bent > 0.01, "measured", f"on {bent:.0%} of [-4, 4]" if bent > 0.01 else ""),
    }


def _places(what: str, where: list[float]) -> str:
    if not where:
        return ""
    nearest = round(min(where, key=abs), 4) + 0.0
    return f"{what} near x = {nearest:g}" + (f" and {len(where) - 1} more" if len(where) > 1 else "")


def _noise(y: Tensor, size: float) -> float:
    """The size of the errors of second differences, seen in sixth ones; a smooth function leaves nothing there."""
    sixth = y.diff(n=6).abs().sort().values
    noise = sixth[int(0.9 * len(sixth))].item() / 2
    if noise > 1e-8 * size:
        raise ValueError(
            f"activation is too rough to measure: values {_STEP:.0e} apart scatter by about {noise / size:.0e} of the "
            "largest. Does it compute in float32, or vary that fast?"
        )
    return noise


def _kinks(subject: Subject, x: Tensor, y: Tensor, size: float) -> tuple[list[float], list[float]]:
    """Where the slope jumps, and where the function itself does, or has no finite slope.

    Over three steps the slope changes by the whole jump at a kink, and by next to nothing beside it. With smaller steps
    a kink stays, what is smooth or only steep gets smaller in proportion, and a jump of the function grows.
    """
    slope = y.diff() / _STEP
    spike = _spikes(slope)
    limit = max(1e-7 * max(size, slope.abs().amax().item()), 64 * spike.median().item())
    found = (spike > limit).nonzero().flatten().numpy() + 4
    groups = np.split(found, np.flatnonzero(np.diff(found) > 8) + 1) if len(found) else []
    if len(groups) > _MOST_KINKS:
        raise ValueError(f"activation is too rough to measure: it has more than {_MOST_KINKS} kinks on [-4, 4].")
    kinks, breaks = [], []
    for group in groups:
        place = group[np.argmax(spike[group - 4].numpy())]
        left, step, change = x[place].item(), _STEP, spike[place - 4].item()
        for _ in range(_ZOOMS):
            step /= 4
            near = left + (torch.arange(27, dtype=torch.float64) - 7) * step
            turns = _spikes(subject.values(near).diff() / step)
            best = int(turns.argmax())
            left, now = near[best + 4].item(), turns[best].item()
        if now > 2 * change:
            breaks.append(left + 1.5 * step)
        elif now > change / 2:
            kinks.append(left + 1.5 * step)
    return kinks, breaks


def _spikes(slope: Tensor) -> Tensor:
    """How much the change of slope over three steps exceeds that four steps away, from the fifth place on."""
    change = slope[2:] - slope[:-2]
    return (change[4:-4] - (change[8:] + change[:-8]) / 2).abs()


def _lines(subject: Subject, size: float, kinks: list[float]) -> dict[str, Finding]:
    one = torch.tensor(1.0, dtype=torch.float64)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        first = activation_harmonics(subject.values, one).tolist()
    note = next((str(w.message).split(":")[0] for w in told if "lines are known" in str(w.message)), "")
    lines = activation_harmonics(subject.values, one, n_harmonics=_LINES, samples_per_period=_SAMPLES)
    decay, p = _decay(lines[1:].abs().numpy() / size)
    exponent = Finding(p, "measured", "lines 64 to 511") if p else Finding(None, "", "no power of n")
    inside = [kink for kink in kinks if abs(kink) < 1 - _STEP]
    if p and inside:  # several kinks interfere, and the law shows late: but it is known
        decay, exponent = "like n^-2", Finding(2.0, "measured", _places("kink", inside))
    return {
        "lines": Finding(tuple(0.0 if abs(line) < 1e-10 * size else line for line in first), "measured", note),
        "decay": Finding(decay, "measured"),
        "decay_exponent": exponent,
    }


def _decay(sizes: np.ndarray) -> tuple[str, float | None]:
    """How lines 1, 2, ... fall: the law in words, and the exponent of a power of n."""
    envelope = np.maximum.accumulate(sizes[::-1])[::-1]
    last = int((envelope > 1e-13).sum())  # the highest line that is more than rounding
    if last == 0:
        return "no lines", None
    if envelope[last - 1] > 1e-6 and last < 64:
        return f"ends after line {last}", None
    if last > 448:
        return _power(envelope)
    # Where the envelope falls, its logarithm against n: a straight line is a geometric law.
    n = np.flatnonzero(envelope[:last] > 1.0001 * np.append(envelope[1:], 0.0)[:last])
    n = n[n >= int(np.argmax(sizes))]
    if len(n) < 4:
        return "no law seen", None
    rates, middle = np.diff(np.log(envelope[n])) / np.diff(n), len(n) // 2
    first, second = rates[:middle].mean(), rates[middle:].mean()
    if second > first / 2:
        return _power(envelope[:last])
    if second < 1.1 * first:
        return "faster than geometric", None
    return f"geometric, {math.exp(second):.2g} a line", None


def _power(envelope: np.ndarray) -> tuple[str, float]:
    """The slope on logarithmic axes over the last three octaves."""
    octaves = 2.0 ** np.arange(3) * (len(envelope) + 1) / 8
    tops = [envelope[int(n) - 1] for n in octaves]
    p = -np.polyfit(np.log(octaves), np.log(tops), 1)[0]
    return f"like n^-{p:.2g}", float(p)


def _level(subject: Subject) -> Finding:
    """The first amplitude where the DC stops to rise, or to fall, found to 1/2048."""
    a = torch.arange(257, dtype=torch.float64) / 64
    dc, error = _dc(subject, a)
    steps = dc.diff()
    signs = torch.where(steps.abs() > error, steps.sign(), 0.0)
    if signs[0] == 0:
        return Finding(0.0, "measured", level(0.0))
    turned = (signs != signs[0]).nonzero().flatten().tolist()
    if not turned:
        return Finding(None, "measured", level(None))
    near = a[turned[0]] + torch.arange(-32, 33, dtype=torch.float64) / 2048
    turn = near[int((signs[0] * _dc(subject, near)[0]).argmax())].item()
    return Finding(turn, "measured", level(turn))


def _dc(subject: Subject, a: Tensor) -> tuple[Tensor, float]:
    """The mean over half a period by the trapezoid rule, and what it differs by from that with half of the points."""
    t = torch.arange(2**13 + 1, dtype=torch.float64) * (math.pi / 2**13)
    y = subject.values(a.unsqueeze(-1) * t.cos())
    dc, coarse = (torch.trapezoid(part, dim=1) / (part.shape[1] - 1) for part in (y, y[:, ::2]))
    return dc, (4 * (dc - coarse).abs().amax() + 16 * EPS * y.abs().amax()).item()


def _conditioning(subject: Subject) -> Finding:
    y = on_the_line(subject)
    if not y.isfinite().all():
        return Finding(None, "", "not finite on [-32, 32]")
    energy = y.square().sum(1)
    inner, outer, total = energy[24:40].sum(), energy[:16].sum() + energy[48:].sum(), energy.sum()
    near = energy[16:24].sum() + energy[40:48].sum()
    if total == 0:
        return Finding(None, "", "it is zero")
    if outer > 1e-13 * total:
        if outer < near < inner:
            return Finding(None, "", f"tails too heavy: {outer / total:.0e} of the energy beyond |x| = 16")
        return without_shifts(subject, "not square integrable as far as seen")
    low, high = _extreme(y, 1), -_extreme(y, -1)
    if low <= 1e-12 * high:
        return Finding(math.inf, "measured", "above 1e12")
    return Finding(high / low, "measured")


def on_the_line(subject: Subject, reach: int = 32) -> Tensor:
    """The values at the midpoints of 512 parts of each unit interval, a row an interval."""
    x = (torch.arange(512, dtype=torch.float64, device="cpu") + 0.5) / 512
    return subject.values(x + torch.arange(-reach, reach, dtype=torch.float64, device="cpu").unsqueeze(-1))


def symbol(y: Tensor, theta: Tensor) -> Tensor:
    """``S(theta) = int_0^1 |sum_m f(x + m) e^(i m theta)|^2 dx``, the symbol of shifts by 1; f is a row an m."""
    angle = theta.unsqueeze(-1) * torch.arange(len(y), dtype=y.dtype, device=y.device)
    return ((angle.cos() @ y).square() + (angle.sin() @ y).square()).mean(1)


def _extreme(y: Tensor, sign: int) -> float:
    """The smallest value of the symbol times the sign, at ever closer points."""
    low, high, best = 0.0, math.pi, math.inf
    for _ in range(3):
        theta = torch.linspace(low, high, 257, dtype=torch.float64)
        values = sign * symbol(y, theta)
        at = int(values.argmin())
        best = min(best, values[at].item())
        low, high = theta[max(at - 1, 0)].item(), theta[min(at + 1, 256)].item()
    return best


def _flat(x: Tensor, y: Tensor, limit: float) -> list[tuple[float, float]]:
    """Where the values do not change: a neuron of one input sees [-2, 2], what is flat to an end is so beyond."""
    inside = x.abs() <= 2
    x, still = x[inside], y[inside].diff().abs() <= limit
    edges = torch.cat([torch.tensor([False]), still, torch.tensor([False])]).int().diff()
    starts, ends = (edges == 1).nonzero().flatten().tolist(), (edges == -1).nonzero().flatten().tolist()
    last = len(still)
    return [
        (-math.inf if low == 0 else x[low].item(), math.inf if high == last else x[high].item())
        for low, high in zip(starts, ends, strict=True)
        if high - low >= 16
    ]


def _variation(subject: Subject, breaks: list[float]) -> Finding:
    if breaks:
        return Finding(math.inf, "measured", "its slope has no bound")
    total = math.nan
    for power in (10, 12, 14):  # until finer steps say the same
        cells = 2**power
        x = torch.arange(-16 * cells, 16 * cells + 1, dtype=torch.float64) / cells
        y = subject.values(x)
        if not y.isfinite().all():
            return Finding(None, "", "not finite on [-16, 16]")
        turns = (y.diff() * cells).diff().abs()
        before, total, half = total, turns.sum().item(), turns[8 * cells : -8 * cells].sum().item()
        if abs(total - before) <= 1e-3 * total:
            break
    return Finding(total, "measured", "on [-16, 16], and still growing" if total > 1.01 * half else "on [-16, 16]")


def _homogeneous(subject: Subject) -> Finding:
    x = torch.linspace(-4, 4, 2001, dtype=torch.float64)
    y = subject.values(x)
    size = subject.values(4 * x).abs().amax() + y.abs().amax()
    worst = max((subject.values(c * x) - c * y).abs().amax().item() for c in (0.5, 1.5, 3.0, 4.0))
    return Finding(worst <= 1e-12 * size.item(), "measured")
