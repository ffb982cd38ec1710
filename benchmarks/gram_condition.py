"""Condition numbers of the two Gram matrices as the size grows: the secular equations beside SciPy's eigenvalues.

Premise, asserted: both agree as far as float64 lets the dense route be right. For the ReLU matrix that is not far: its
error is kappa times machine epsilon, and the rows show it.

Floor: the secular equations are two scalar roots of about ten evaluations each, whatever the size. A dense route writes
8 n^2 bytes and spends (4/3) n^3 flops to make the matrix tridiagonal; SciPy's banded routine spends about 6 n^2 b flops
for bandwidth b. The exponents are least-squares slopes of log time against log size over the sizes shown.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy.linalg import block_diag, eigh, eigvals_banded, toeplitz

from relunb.wavelet import relu_condition_number, relu_gram, wavelet_condition_number, wavelet_gram

from .measure import report, side_by_side

SIZES = (128, 256, 512, 1024, 2048)
ROW = (1 / 6, 5 / 162, -1 / 324)


def ends(matrix: np.ndarray) -> float:
    """The condition number from all eigenvalues: asking SciPy for the two ends alone is not faster."""
    spectrum = eigh(matrix, eigvals_only=True, check_finite=False)
    return float(spectrum[-1] / spectrum[0])


def dense_relu(k: int) -> float:
    return ends(relu_gram(torch.arange(k, dtype=torch.float64) * (2 / k) - 1).numpy())


def dense_wavelet(size: int) -> float:
    """The finest block, which decides."""
    return ends(toeplitz(np.r_[ROW, np.zeros(size - 3)]))


def banded_wavelet(size: int) -> float:
    spectrum = eigvals_banded(np.outer(ROW, np.ones(size)), lower=True)
    return float(spectrum[-1] / spectrum[0])


def dense_blocks(levels: int) -> np.ndarray:
    """The Gram matrix of all levels as one would build it with SciPy."""
    return np.asarray(block_diag(*(toeplitz(np.r_[ROW, np.zeros(2**j)][: 2**j]) for j in range(levels))))


def exponent(sizes: tuple[int, ...], rows: list[dict[str, dict[str, float]]], name: str) -> float:
    times = [row[name]["median_ms"] for row in rows]
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def grow(
    what: str,
    base: str,
    functions_of: Callable[[int], Mapping[str, Callable[[], object]]],
    errors_of: Callable[[int], Mapping[str, float]],
) -> None:
    """Time and error at every size, then the exponents."""
    rows = []
    for size in SIZES:
        functions = functions_of(size)
        rows.append(side_by_side(functions, base=base, runs=5 if size < 2000 else 3))
        for name, error in errors_of(size).items():
            rows[-1][name]["relative_error"] = error
        report(__file__, f"{what}, {size} neurons, float64", rows[-1])
    report(
        __file__,
        f"{what}: exponents of time in the size, {SIZES[0]} to {SIZES[-1]}",
        {name: {"exponent": exponent(SIZES, rows, name)} for name in rows[0]},
    )


def relu_errors(k: int) -> dict[str, float]:
    error = abs(dense_relu(k) / relu_condition_number(k) - 1)
    assert error < 10 * relu_condition_number(k) * np.finfo(float).eps, (
        "the dense route is as good as float64 lets it be"
    )
    return {"SciPy eigh, dense": error}


def wavelet_errors(size: int) -> dict[str, float]:
    levels = int(math.log2(size)) + 1
    truth = wavelet_condition_number(levels)
    errors = {
        "SciPy eigh, dense": abs(dense_wavelet(size) / truth - 1),
        "SciPy eigvals_banded": abs(banded_wavelet(size) / truth - 1),
    }
    assert max(errors.values()) < 1e-11, errors
    return errors


def main() -> None:
    grow(
        "ReLU Gram matrix",
        "relu_condition_number",
        lambda k: {
            "relu_condition_number": lambda: relu_condition_number(k),
            "SciPy eigh, dense": lambda: dense_relu(k),
        },
        relu_errors,
    )
    grow(
        "finest block of the wavelet Gram matrix",
        "wavelet_condition_number",
        lambda size: {
            "wavelet_condition_number": lambda: wavelet_condition_number(int(math.log2(size)) + 1),
            "SciPy eigh, dense": lambda: dense_wavelet(size),
            "SciPy eigvals_banded": lambda: banded_wavelet(size),
        },
        wavelet_errors,
    )
    large = {
        "relu_condition_number(65536)": lambda: relu_condition_number(65_536),
        "wavelet_condition_number(20)": lambda: wavelet_condition_number(20),
    }
    report(__file__, "sizes no dense matrix reaches", side_by_side(large, base="wavelet_condition_number(20)", runs=9))
    for levels in (8, 10, 12):
        build = {
            "wavelet_gram": lambda n=levels: wavelet_gram(n),
            "SciPy block_diag": lambda n=levels: dense_blocks(n),
        }
        assert np.array_equal(wavelet_gram(levels).numpy(), dense_blocks(levels))
        rows = side_by_side(build, base="wavelet_gram", runs=9)
        report(__file__, f"building the Gram matrix of {2**levels - 1} neurons, {8 * 4**levels / 2**20:.3g} MiB", rows)


if __name__ == "__main__":
    main()
