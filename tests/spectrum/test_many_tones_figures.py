"""The pictures of the chapter on the DC of many tones show what they say."""

import math

import numpy as np
import pytest
import torch

from relunb.book.figures import many_tones
from relunb.spectrum import multitone_dc
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def test_every_walk_starts_at_zero_and_ends_at_its_sum():
    amplitudes = torch.tensor([1.0, 0.5, 0, 0], dtype=torch.float64)
    angles = torch.tensor([[0.0, math.pi / 2, 0, 0], [math.pi, math.pi, 0, 0]], dtype=torch.float64).repeat(6, 1)
    lengths = torch.tensor([math.sqrt(1.25), 1.5], dtype=torch.float64)
    names = {"figures": many_tones, "torch": torch, "amplitudes": amplitudes, "angles": angles, "lengths": lengths}
    plane, histogram = shown("spectrum/many-tones", "fig-many-walks", **names).axes
    first, second, ends, mean = (
        np.stack([np.asarray(line.get_xdata()), np.asarray(line.get_ydata())], -1)
        for line in [*plane.lines[:2], plane.lines[12], histogram.lines[0]]
    )
    np.testing.assert_allclose(first, [[0, 0], [1, 0], *[[1, 0.5]] * 3], atol=1e-12)
    np.testing.assert_allclose(second, [[0, 0], [-1, 0], *[[-1.5, 0]] * 3], atol=1e-12)
    np.testing.assert_allclose(ends, [[1, 0.5], [-1.5, 0]] * 6, atol=1e-12)
    np.testing.assert_allclose(mean[:, 0], (math.sqrt(1.25) + 1.5) / 2)


def test_equal_tones_start_at_the_upper_bound_and_are_not_monotone():
    sets = {2: torch.ones(3, 2, dtype=torch.float64)}
    bounds = {"low": 1 / math.sqrt(2 * math.pi), "high": math.sqrt(2) / math.pi}
    names = {"figures": many_tones, "torch": torch, "multitone_dc": multitone_dc, "sets": sets, **bounds}
    ax = shown("spectrum/many-tones", "fig-many-ratio", **names).axes[0]
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in ax.lines}
    equal = lines["equal"]
    np.testing.assert_allclose(equal[0], math.sqrt(2) / math.pi)
    np.testing.assert_allclose(lines["random"], 4 / math.pi**2)
    assert equal[1] < equal[2] > equal[3]
    assert (equal > lines[r"$1/\sqrt{2\pi}$"][0]).all()
