"""The matrix of the Radon transform: for each pixel and angle, the detectors that it reaches and its weights there."""

import math

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
_BLOCK = 2**14  # pixels at a time: their numbers stay in the cache


def turn(degrees: float) -> tuple[float, float]:
    """Cosine and sine, exact at multiples of 90 degrees and equal at those of 45."""
    rest = math.remainder(degrees, 90.0)
    quarters = round((math.fmod(degrees, 360.0) - rest) / 90.0) % 4
    cosine, sine = math.cos(math.radians(rest)), math.sin(math.radians(rest))
    if abs(rest) == 45.0:
        cosine, sine = math.sqrt(0.5), math.copysign(math.sqrt(0.5), rest)
    for _ in range(quarters):
        cosine, sine = -sine, cosine
    return cosine, sine


def frame(height: int, width: int, circle: bool) -> tuple[int, tuple[int, int]]:
    """Side of the square that is rotated, and where its corner lies in the image, as scikit-image places it."""
    if circle:
        side = min(height, width)
        return side, (math.ceil((height - side) / 2), math.ceil((width - side) / 2))
    diagonal = math.sqrt(2) * max(height, width)
    side = height + math.ceil(diagonal - height)
    return side, (height // 2 - side // 2, width // 2 - side // 2)


def matrices(
    size: tuple[int, int], side: int, corner: tuple[int, int], turns: list[tuple[float, float]], kind: type
) -> tuple[Arrays, Arrays]:
    """The transform and its adjoint as sparse matrices: starts of the rows, columns and values.

    Each angle is sorted by its detectors for the first, and lies in the order of the pixels for the second.
    """
    pixels = size[0] * size[1]
    parts = [_footprints(size, side, corner, turn, kind) for turn in turns]
    total = sum(len(detector) for detector, _, _ in parts)
    columns, values = np.empty(total, np.int32), np.empty(total, kind)
    adjoint_columns, adjoint_values = np.empty(total, np.int32), np.empty(total, kind)
    rays, ends = np.zeros(len(turns) * side + 1, np.int32), np.zeros(pixels + 1, np.int64)
    for _, _, reached in parts:
        ends[1:] += reached
    np.cumsum(ends, out=ends)
    place, done = ends[:-1].copy(), 0
    for index in range(len(turns)):
        detector, weight, reached = parts[index]
        parts[index] = (detector[:0], weight[:0], reached[:0])  # its memory is free from here on
        stop = done + len(detector)
        order = np.argsort(detector, kind="stable")
        columns[done:stop] = np.repeat(np.arange(pixels, dtype=np.int32), reached)[order]
        values[done:stop] = weight[order]
        rays[1 + index * side : 1 + (index + 1) * side] = np.bincount(detector, minlength=side)
        before = np.cumsum(reached, dtype=np.int64) - reached
        into = np.repeat(place - before, reached) + np.arange(len(detector))
        adjoint_columns[into] = detector.astype(np.int32) + index * side
        adjoint_values[into] = weight
        place += reached
        done = stop
    return (
        (np.cumsum(rays, dtype=np.int32), columns, values),
        (ends.astype(np.int32), adjoint_columns, adjoint_values),
    )


def _footprints(
    size: tuple[int, int], side: int, corner: tuple[int, int], turn: tuple[float, float], kind: type
) -> Arrays:
    """What each pixel gives to the detectors that it reaches: their numbers, the weights, and how many a pixel has.

    A pixel is a pyramid of linear interpolation, two pixels wide; rotated, it reaches less than sqrt(2) from its
    center, so three detectors at most. Its weight at a detector is the sum of its values at the points of that ray,
    three at most.
    """
    height, width = size
    center, (cosine, sine) = side // 2, turn
    x = np.arange(width, dtype=np.float64) - corner[1] - center
    short = np.uint16 if side < 2**16 else np.int32  # NumPy sorts 16 bits by counting
    found: list[Arrays] = []
    rows = max(1, _BLOCK // width)
    for top in range(0, height, rows):
        y = np.arange(top, min(top + rows, height), dtype=np.float64)[:, None] - corner[0] - center
        across, along = cosine * x - sine * y, sine * x + cosine * y  # where the pixel is for the rotated observer
        first, start = (np.floor(z - math.sqrt(2)) + 1 for z in (across, along))
        d, a = first - across, start - along
        p, q = cosine * d + sine * a, cosine * a - sine * d  # the ray's point seen from the pixel's center
        inside = (x >= -center) & (x < side - center) & (y >= -center) & (y < side - center)
        on_ray = [inside & (start + k >= -center) & (start + k < side - center) for k in range(3)]
        weights = np.zeros((*across.shape, 3))
        for i in range(3):
            for k in range(3):
                near = np.maximum(1 - np.abs(p + (i * cosine + k * sine)), 0)
                near *= np.maximum(1 - np.abs(q + (k * cosine - i * sine)), 0)
                near *= on_ray[k]
                weights[..., i] += near
        detector = (first + center)[..., None] + np.arange(3)
        seen = (weights > 0) & (detector >= 0) & (detector < side)
        found.append((detector[seen].astype(short), weights[seen].astype(kind), seen.sum(-1, dtype=np.uint8).ravel()))
    detector, weight, reached = (np.concatenate(part) for part in zip(*found, strict=True))
    return detector, weight, reached
