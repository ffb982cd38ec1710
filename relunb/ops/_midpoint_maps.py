"""The linear maps of the midpoint form, row by row: products with a matrix or its bands, and the Fourier synthesis.

A map is prepared for a number of rows once a call, which allocates its scratch, and then run on blocks of up to as
many rows: ``run(x, out)`` writes the image of ``x`` (rows, inputs) into ``out`` (rows, outputs) and returns it. Both
have the precision of the map; only the columns of ``out`` must be contiguous.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Run = Callable[[Tensor, Tensor], Tensor]

# A chunk of a band needs this many columns (or rows) to be a product of matrices that runs at speed. At 512 rows,
# 2048 nodes and 256 means of 8, in ms: 8 a chunk 0.64, 16 a chunk 0.26, 32 a chunk 0.41, the full product 2.8.
_CHUNK = 16
# The Fourier synthesis by FFT does not depend on d, the product with the basis is linear in it. CPU milliseconds of
# midpoint_relu, forward / with backward, 2048 rows, M = 2048, 256 means, float32, one core: FFT 10 / 28 at any d;
# product 7.2 / 20 at d = 32, 9.0 / 24 at 48, 10.2 / 30 at 64, 13.9 / 40 at 96. An FFT of M numbers costs nearly the
# same a node from M = 256 to 4096, but ten times that where M has a prime factor above 13, for which MKL has no fast
# step (512 Ki nodes: 2.6 ms at M = 2039, 0.26 ms at 2048).
_FFT_FROM, _FFT_FROM_ROUGH = 64, 640


class LinearMap(Protocol):
    """x (rows, inputs) -> x @ matrix (rows, outputs)."""

    @property
    def matrix(self) -> Tensor: ...

    def prepare(self, rows: int) -> Run: ...


@dataclass(frozen=True)
class Bands:
    """Where a matrix (inputs, outputs) is not zero: chunks of its columns, each with the rows that it uses.

    Chunk j sees the inputs from ``begin + j * step`` to ``begin + j * step + width``, and ``blocks[j]``
    (width, columns) is that part of the matrix. The columns left over see inputs from ``rest_begin`` on.
    """

    blocks: Tensor
    begin: int
    step: int
    rest: Tensor
    rest_begin: int


@dataclass(frozen=True)
class Product:
    """x @ matrix, by bands if it has them."""

    matrix: Tensor
    bands: Bands | None

    def prepare(self, rows: int) -> Run:
        return self._run

    def _run(self, x: Tensor, out: Tensor) -> Tensor:
        if self.bands is None:
            return torch.mm(x, self.matrix, out=out)
        (chunks, width, columns), (rest_width, rest) = self.bands.blocks.shape, self.bands.rest.shape
        windows = x[:, self.bands.begin :].unfold(1, width, self.bands.step)[:, :chunks].transpose(0, 1)
        whole = out[:, : chunks * columns].unflatten(1, (chunks, columns)).transpose(0, 1)
        torch.bmm(windows, self.bands.blocks, out=whole)
        if rest:
            window = x.narrow(1, self.bands.rest_begin, rest_width)
            torch.mm(window, self.bands.rest, out=out[:, -rest:])
        return out


def product(matrix: Tensor) -> Product:
    """x @ matrix, by bands if they hold at most half of the matrix (inputs, outputs)."""
    return Product(matrix, _find_bands(matrix))


def _find_bands(matrix: Tensor) -> Bands | None:
    inputs, outputs = matrix.shape
    columns = -(-outputs // -(-min(inputs, outputs) // _CHUNK))
    chunks = outputs // columns
    if chunks == 1:
        return None
    whole = matrix[:, : chunks * columns].unflatten(1, (chunks, columns))
    first, last = _used(whole)
    begin, end = int(first.min()), int(last.max())
    widest = max(0, min(inputs // 2, end - begin - chunks + 1))
    # The narrowest windows, evenly spaced from one end to the other, that hold what their chunks use.
    width = torch.arange(1, widest + 1, device=matrix.device)[:, None]
    start = begin + (end - begin - width) // (chunks - 1) * torch.arange(chunks, device=matrix.device)
    fits = ((start <= first) & (start + width >= last)).all(1).tolist()
    if True not in fits:
        return None
    found = fits.index(True)
    starts = start[found].tolist()
    blocks = torch.stack([whole[s : s + found + 1, j] for j, s in enumerate(starts)])
    rest = matrix[:, chunks * columns :]
    rest_begin, rest_end = (int(t) for t in _used(rest[:, None]))
    return Bands(blocks, begin, starts[1] - begin, rest[rest_begin:rest_end].contiguous(), rest_begin)


def _used(chunks: Tensor) -> tuple[Tensor, Tensor]:
    """First used row, and the one after the last, of each chunk (inputs, chunks, columns); none: (inputs, 0)."""
    used = (chunks != 0).any(2).int()
    empty = used.sum(0) == 0
    first, last = used.argmax(0), len(used) - used.flip(0).argmax(0)
    return first.masked_fill(empty, len(used)), last.masked_fill(empty, 0)


@dataclass(frozen=True)
class FourierSynthesis:
    """Coefficients of cos(pi s), sin(pi s), cos(2 pi s), ... -> values at the midpoints; matrix (d, M).

    The value at s is ``Re sum X_k exp(i pi k s)`` with ``X_k = c_k - i s_k``: an inverse real FFT of ``X_k`` times the
    phase at the first midpoint, ``exp(i pi k (-1 + 1/M))``.
    """

    matrix: Tensor
    phase: Tensor

    def prepare(self, rows: int) -> Run:
        nodes = self.matrix.shape[1]
        pairs, numbers, signs = _pairs(rows, self.phase)
        spectrum = self.phase.new_zeros(rows, nodes // 2 + 1)
        half = self.phase / 2  # a real FFT adds every term and its conjugate
        k = len(half)

        def run(x: Tensor, out: Tensor) -> Tensor:
            n, size = x.shape
            torch.mul(x, signs[:size], out=pairs[:n, :size])
            torch.mul(numbers[:n], half, out=spectrum[:n, 1 : k + 1])
            return torch.fft.irfft(spectrum[:n], n=nodes, norm="forward", out=out)

        return run


@dataclass(frozen=True)
class FourierAnalysis:
    """The transpose of :class:`FourierSynthesis`, matrix (M, d): a real FFT, times the conjugate phases, conjugated."""

    matrix: Tensor
    phase: Tensor

    def prepare(self, rows: int) -> Run:
        nodes, size = self.matrix.shape
        pairs, numbers, signs = _pairs(rows, self.phase)
        spectrum = self.phase.new_empty(rows, nodes // 2 + 1)
        back = self.phase.conj().resolve_conj()
        k = len(back)

        def run(x: Tensor, out: Tensor) -> Tensor:
            n = len(x)
            torch.fft.rfft(x, out=spectrum[:n])
            torch.mul(spectrum[:n, 1 : k + 1], back, out=numbers[:n])
            return torch.mul(pairs[:n, :size], signs[:size], out=out)

        return run


def _pairs(rows: int, phase: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One memory as pairs (rows, 2 k) and as complex numbers (rows, k), and the signs that conjugate the pairs.

    ``Tensor.conj`` inside a product would copy to fresh memory: 0.18 ms of the 0.9 ms of an FFT.
    """
    numbers = phase.new_zeros(rows, len(phase))
    pairs = torch.view_as_real(numbers).flatten(1)
    return pairs, numbers, torch.tensor([1.0, -1.0], dtype=pairs.dtype, device=phase.device).repeat(len(phase))


def fourier_basis(size: int, nodes: int, device: torch.device) -> Tensor:
    """cos(pi s), sin(pi s), cos(2 pi s), ... (size, nodes) at the midpoints, in float64."""
    harmonic = torch.arange(1, (size + 1) // 2 + 1, device=device)[:, None]
    turns = harmonic * (2 * torch.arange(nodes, device=device) + 1 - nodes) % (2 * nodes)  # exact, in 1/(2M)
    angle = turns.double() * (math.pi / nodes)
    return torch.stack([angle.cos(), angle.sin()], 1).flatten(0, 1)[:size]


def fft_is_faster(size: int, nodes: int) -> bool:
    """Whether the FFT may synthesise a Fourier basis (every k < M/2, so none is an alias) and is the faster route."""
    rough = _largest_prime_factor(nodes) > 13
    return (_FFT_FROM_ROUGH if rough else _FFT_FROM) <= size < nodes - 1 + nodes % 2


def fft_maps(p: Tensor) -> tuple[LinearMap, LinearMap]:
    """Synthesis and analysis of the Fourier basis p (d, M) by FFT."""
    size, nodes = p.shape
    first = fourier_basis(size + size % 2, nodes, p.device)[:, 0].reshape(-1, 2).contiguous()
    phase = torch.view_as_complex(first.to(p.dtype))
    return FourierSynthesis(p, phase), FourierAnalysis(p.T, phase)


def _largest_prime_factor(n: int) -> int:
    factor, largest = 2, 1
    while n > 1:
        if n % factor:
            factor += 1
        else:
            n, largest = n // factor, factor
    return largest
