"""Every operator of the library, a row each. test_promises.py has the promises, one test each, that all of them keep.

A new operator enters with a row of ``OPERATORS``, named after its room::

    "wavelet.new": function(new, (4,), plain=new_plain),             # a function of (..., 4)
    "wavelet.New": module(lambda: New(4, 3), (4,)),                  # a module that maps (..., 4) to (..., 3)
    "wavelet.new of two": function(new, (4,), (3,), beside=(ONE,)),  # two inputs, and one that all samples share

and ``pytest tests/test_promises.py -k wavelet.new`` says which promises it breaks. Keep them, or refuse in words and
say them in ``refuses={"vmap": "without vmap"}``: the name is that of the test. Where small inputs take another route
than large ones, a second row has in ``settings`` the constant that switches (see the end of the table).
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from relunb import BWReLU, LinearSpline, bw_relu, inr, spectrum, wavelet
from relunb.iat import (
    IAT,
    PWL,
    PWQ,
    ContinuousWidthNetwork,
    DecoupledIAT,
    Fourier,
    Mixed,
    PiecewisePolynomial,
    PWLWavelet,
    Rect,
    RectWavelet,
    activation_matrix,
    activation_pattern,
    transform,
)
from relunb.iat._cells import cut_cells
from relunb.ops import (
    bw_relu_plain,
    linear_cells,
    linear_cells_plain,
    midpoint,
    midpoint_plain,
    midpoint_relu,
    midpoint_tables,
    relu_cell_means,
    relu_cell_means_plain,
)
from tests.ops.midpoint_bases import fourier, hats
from tests.tolerance import DEVICES


def rows(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Numbers in (-1, 1) with no pattern and no ties, which need no generator."""
    steps = torch.arange(torch.Size(shape).numel(), dtype=torch.float64) + 1000 * seed
    return ((steps * 0.754877666) % 1 * 2 - 0.97).reshape(shape)


def positive(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return rows(shape, seed).abs() + 0.1


def across_the_support(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """From left of the wavelet's support to right of it."""
    return 1.5 + 2 * rows(shape, seed)


@dataclass(frozen=True)
class Operator:
    """How to make an operator, and what to give it.

    ``shapes`` are those of one sample, an input each; with ``batch`` any dimensions may stand before them. ``refuses``
    has, for a promise that the operator does not keep, what it says instead; ``without`` names promises that mean
    nothing to it. ``settings`` are constants of ours that send small inputs through the form that large ones take.
    """

    make: Callable[[], Callable[..., Tensor]]
    shapes: tuple[tuple[int, ...], ...]
    beside: tuple[Tensor, ...] = ()  # further inputs, which all samples share
    batch: bool = True
    numbers: Callable[[tuple[int, ...], int], Tensor] = rows
    plain: Callable[..., Tensor] | None = None  # the definition, in operations that torch differentiates by itself
    refuses: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    without: tuple[str, ...] = ()
    settings: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    roundings: float = 4.0  # of a result, in units of its precision
    rounds_inside: bool = False  # what low precision gets is computed in it, not in float32

    @property
    def size(self) -> int:
        return sum(torch.Size(shape).numel() for shape in self.shapes)

    @functools.cached_property
    def is_module(self) -> bool:
        return isinstance(self.make(), nn.Module)

    def made(self, dtype: torch.dtype = torch.float64, device: str = "cpu") -> Callable[..., Tensor]:
        torch.manual_seed(0)
        made = self.make()
        return made.eval().to(device, dtype) if isinstance(made, nn.Module) else made

    def inputs(
        self, *lead: int, seed: int = 0, dtype: torch.dtype = torch.float64, device: str = "cpu"
    ) -> tuple[Tensor, ...]:
        lead = lead if self.batch else ()
        own = [self.numbers((*lead, *shape), 10 * seed + k) for k, shape in enumerate(self.shapes)]
        return tuple(x.to(device, dtype) for x in (*own, *(x * (1 + seed / 8) for x in self.beside)))


def function(f: Callable[..., Tensor], *shapes: tuple[int, ...], **more) -> Operator:
    return Operator(lambda: f, shapes, **more)


def module(make: Callable[[], nn.Module], *shapes: tuple[int, ...], **more) -> Operator:
    return Operator(make, shapes, **more)


def linear(p: PiecewisePolynomial, q: PiecewisePolynomial) -> Operator:
    """linear_cells of two bases, in several blocks of samples."""
    cells = cut_cells(p, q)
    return function(
        lambda x: linear_cells(x, cells),
        (p.size,),
        plain=lambda x: linear_cells_plain(x, cells),
        settings={"relunb.ops._blocks._PER_THREAD": 10},
    )


def midpoint_by(form: Callable[..., Tensor], *more) -> Callable[[], Callable[[Tensor], Tensor]]:
    """Makes a form with the tables of each dtype and device, on the route that ``settings`` ask for."""

    def make() -> Callable[[Tensor], Tensor]:
        p, q = fourier(6, 99), hats(33, 99)
        tables = {
            (device, dtype): midpoint_tables(p.to(device, dtype), q.to(device, dtype), fourier=True)
            for device in DEVICES
            for dtype in (torch.float64, torch.float32)
        }
        wide = {torch.float64: torch.float64}
        return lambda x: form(x, tables[x.device.type, wide.get(x.dtype, torch.float32)], *more)

    return make


def on_route(first: int) -> dict[str, int]:
    """The FFT from so many functions on, and blocks of a row or two of its 99 nodes."""
    sizes = dict.fromkeys(("relunb.ops._midpoint_maps._FFT_FROM", "relunb.ops._midpoint_maps._FFT_FROM_ROUGH"), first)
    return {**sizes, "relunb.ops._blocks._PER_THREAD": 100}


NO_TABLES = ("meta", "first_call")  # they are made for devices that hold numbers; the rows of iat.IAT promise it
BY_FFT, BY_PRODUCT = on_route(1), on_route(10**9)


# What several say in place of a promise.
NO_HALF = {"half_precision": r"must be float64(,| or) float32.*\.float\(\)"}
NAN = {"nan": "non-finite value"}
FINITE = NAN | {"empty": "is empty"}
NO_SHAPE = {"meta": "shape and no (numbers|values)"}  # they decide how many edges there are, or which sum
NO_VMAP = dict.fromkeys(("vmap", "vmap_of_derivatives"), "call it on all rows, without vmap")
ONE_FORWARD_LEVEL = {"forward_in_forward": "jvp inside jvp|jvp of jvp"}
ROOTS = ONE_FORWARD_LEVEL | {
    "recorded": "cannot record how roots are found",
    "compile": "function `disable`",  # fullgraph=True; else they stay outside the graph
}
# PyTorch's attention and grid_sample have no forward mode, and no fast vmap of a gradient.
NO_FORWARD_MODE = (
    "forward_mode",
    "vmap_of_derivatives",
    "jacobians",
    "second_derivatives",
    "hessians",
    "forward_in_forward",
)
MANY_TONES = FINITE | NO_HALF | NO_SHAPE | NO_VMAP | ONE_FORWARD_LEVEL
# They choose by numbers, or make tables on the way: no graph of torch.compile holds them whole, and none is promised.
EAGER = ("compile",)

PLAIN_RELU, PLAIN_TANH = (midpoint_by(midpoint_plain, f)() for f in (torch.relu, torch.tanh))
# PyTorch's layers round between them, and under autocast.
NETWORK = {"roundings": 64.0, "rounds_inside": True, "without": ("autocast",)}
TENTH = torch.tensor(0.1, dtype=torch.float64)
ONE = torch.tensor(1.3, dtype=torch.float64)
CHANNELS = torch.tensor([0.5, 1.0, 4.0, 2.0], dtype=torch.float64)

OPERATORS: dict[str, Operator] = {
    # wavelet
    "wavelet.bw_relu": function(bw_relu, (4,), numbers=across_the_support, plain=bw_relu_plain),
    "wavelet.bw_relu of a scale": function(
        bw_relu, (4,), beside=(ONE,), numbers=across_the_support, plain=bw_relu_plain
    ),
    "wavelet.bw_relu of a scale a channel": function(
        bw_relu, (4,), beside=(CHANNELS,), numbers=across_the_support, plain=bw_relu_plain
    ),
    "wavelet.BWReLU": module(lambda: BWReLU(2.0), (4,), numbers=across_the_support),
    "wavelet.BWReLU learned": module(lambda: BWReLU(2.0, learnable=True), (4,), numbers=across_the_support),
    "wavelet.seven_relus": function(  # their sum is of terms up to 23 times as large
        wavelet.seven_relus, (4,), numbers=across_the_support, roundings=32.0, rounds_inside=True
    ),
    "wavelet.wavelet_fourier": function(
        lambda x: torch.view_as_real(wavelet.wavelet_fourier(x)), (4,), refuses=FINITE | NO_HALF
    ),
    "wavelet.toeplitz_symbol": function(wavelet.toeplitz_symbol, (4,), refuses=FINITE | NO_HALF),
    "wavelet.inner_product": function(
        wavelet.inner_product, (2,), (2,), (2,), (2,), numbers=positive, refuses=FINITE | NO_HALF
    ),
    "wavelet.relu_gram": function(wavelet.relu_gram, (4,), batch=False, refuses=NO_HALF),
    "wavelet.variation_norm": function(
        wavelet.variation_norm, (4,), (4,), (), batch=False, numbers=positive, refuses=NO_HALF
    ),
    "wavelet.variation_norm exact": function(
        lambda v, w, b: wavelet.variation_norm(v, w, 2.0, b, exact=True, domain=(-1, 1)),
        (4,),
        (4,),
        (4,),
        batch=False,
        refuses=NO_HALF,
    ),
    "wavelet.feature_condition": function(
        lambda x: wavelet.feature_condition(torch.relu, x), (5, 3), batch=False, refuses=NO_HALF | NO_SHAPE
    ),
    # ops
    "ops.relu_cell_means": function(relu_cell_means, (9,), plain=relu_cell_means_plain),
    "ops.linear_cells": linear(PWL(4), PWQ(4)),
    "ops.linear_cells constant": linear(PWL(5), Rect(3)),
    "ops.linear_cells signed": linear(PWL(4), PWLWavelet(4)),
    "ops.midpoint_relu by FFT": Operator(
        midpoint_by(midpoint_relu), ((6,),), plain=PLAIN_RELU, settings=BY_FFT, without=NO_TABLES
    ),
    "ops.midpoint_relu by product": Operator(
        midpoint_by(midpoint_relu), ((6,),), plain=PLAIN_RELU, settings=BY_PRODUCT, without=NO_TABLES
    ),
    "ops.midpoint by FFT": Operator(
        midpoint_by(midpoint, torch.tanh), ((6,),), plain=PLAIN_TANH, settings=BY_FFT, without=NO_TABLES
    ),
    "ops.midpoint by product": Operator(
        midpoint_by(midpoint, torch.tanh), ((6,),), plain=PLAIN_TANH, settings=BY_PRODUCT, without=NO_TABLES
    ),
    "ops.LinearSpline": module(lambda: LinearSpline.named("bw_relu"), (4,), numbers=across_the_support),
    "ops.LinearSpline learned": module(
        lambda: LinearSpline.named("hardtanh", learnable=True), (4,), numbers=across_the_support
    ),
    "ops.LinearSpline of channels": module(lambda: LinearSpline([[-0.6, 0.2]] * 4, [[1.0, -2.0]] * 4, slope=0.5), (4,)),
    # spectrum
    "spectrum.tone_harmonics": function(spectrum.tone_harmonics, (4,), beside=(TENTH,), refuses=FINITE | NO_HALF),
    "spectrum.series_tone_harmonics": function(
        lambda x: spectrum.series_tone_harmonics(x, 3), (4,), refuses=FINITE | NO_HALF, without=EAGER
    ),
    "spectrum.relu_series": function(
        lambda x: spectrum.relu_series(x, 3), (4,), refuses=FINITE | NO_HALF, without=EAGER
    ),
    "spectrum.multitone_dc of two": function(
        spectrum.multitone_dc, (2,), beside=(TENTH,), refuses=MANY_TONES, without=EAGER
    ),
    "spectrum.multitone_dc": function(spectrum.multitone_dc, (4,), beside=(TENTH,), refuses=MANY_TONES, without=EAGER),
    "spectrum.multitone_dc of many": function(
        spectrum.multitone_dc, (9,), beside=(TENTH,), refuses=MANY_TONES, without=EAGER
    ),
    "spectrum.intermodulation": function(
        lambda x, b: spectrum.intermodulation(x, [1, 2, 0], b), (3,), beside=(TENTH,), refuses=MANY_TONES, without=EAGER
    ),
    "spectrum.commensurate_dc": function(
        lambda x, phases: spectrum.commensurate_dc(x, [1, 3, 4], phases),
        (3,),
        (3,),
        refuses=FINITE | NO_HALF | NO_SHAPE | NO_VMAP,
        without=EAGER,
    ),
    "spectrum.amplitude_spectrum": function(
        lambda x: spectrum.amplitude_spectrum(x, 4.0)[1], (8,), refuses=FINITE | NO_HALF
    ),
    "spectrum.filtered_dc": function(
        lambda x, taps: spectrum.filtered_dc(x, taps, mode="zero"), (16,), beside=(CHANNELS[:2],), **NETWORK
    ),
    "spectrum.truncated_means": function(lambda x: spectrum.truncated_means(x, 2), (16,), rounds_inside=True),
    "spectrum.FixedFilter": module(lambda: spectrum.FixedFilter([0.7, -1.0]), (32,)),
    "spectrum.OneFilterNetwork": module(spectrum.OneFilterNetwork, (32,), **NETWORK),
    "spectrum.HeartRateCNN": module(  # PyTorch's attention has one derivative
        spectrum.HeartRateCNN,
        (256,),
        refuses=FINITE | {"second_gradient": "is not implemented"},
        **NETWORK | {"without": ("autocast", "vmap", *NO_FORWARD_MODE)},
    ),
    "spectrum.ToneClassifier": module(spectrum.ToneClassifier, (16,), **NETWORK),
    "spectrum.activation_harmonics": function(
        lambda x: spectrum.activation_harmonics("bw_relu", x, 0.1, 3), (4,), refuses=FINITE | NO_HALF, without=EAGER
    ),
    "spectrum.activation_harmonics of a function": function(
        lambda x: spectrum.activation_harmonics(torch.tanh, x, 0.1, 3),
        (4,),
        refuses=FINITE | NO_HALF | NO_SHAPE | NO_VMAP,
        without=EAGER,
    ),
    "spectrum.activation_line": function(
        lambda x: spectrum.activation_line("siren", x, [1, 1]), (2,), refuses=MANY_TONES, without=EAGER
    ),
    # iat
    "iat.transform": function(transform, (4,), refuses=ROOTS),
    "iat.transform mixed": function(lambda x: transform(x, Mixed(Fourier(2), PWL(2)), PWQ(3)), (4,), refuses=ROOTS),
    "iat.IAT": module(lambda: IAT(6, 5), (6,), refuses=ROOTS),
    "iat.IAT not normalized": module(
        lambda: IAT(5, 7, "pwq", "fourier", normalized=False), (5,), refuses=ROOTS, rounds_inside=True
    ),
    "iat.IAT constant": module(lambda: IAT(6, 5, "rect", "pwq"), (6,)),
    "iat.IAT element-wise": module(lambda: IAT(16, None, "rect", "rect"), (16,)),
    "iat.IAT linear": module(lambda: IAT(6, 5, "pwl", "pwq"), (6,)),
    "iat.IAT linear wavelets": module(lambda: IAT(6, 5, "pwl-w", "rect"), (6,)),
    "iat.IAT means": module(lambda: IAT(6, 5, "pwl", "rect"), (6,)),
    "iat.IAT midpoint": module(lambda: IAT(6, 5, method="midpoint"), (6,)),
    "iat.IAT midpoint FFT": module(lambda: IAT(64, 5, method="midpoint"), (64,)),
    "iat.IAT midpoint rect": module(lambda: IAT(6, 5, "rect", "pwq", method="midpoint"), (6,)),
    "iat.IAT midpoint pwl": module(lambda: IAT(6, 5, "pwl", "pwq", method="midpoint"), (6,)),
    "iat.IAT midpoint pwq": module(lambda: IAT(6, 5, "pwq", "fourier", method="midpoint"), (6,)),
    "iat.IAT midpoint tanh": module(lambda: IAT(6, 5, "pwl-w", activation="tanh", method="midpoint"), (6,)),
    "iat.IAT spline": module(
        lambda: IAT(6, 5, "pwl", "pwq", LinearSpline.named("bw_relu")), (6,), numbers=across_the_support
    ),
    "iat.IAT spline constant": module(
        lambda: IAT(6, 5, "rect", "pwq", LinearSpline.named("leaky_relu", learnable=True)), (6,)
    ),
    "iat.IAT spline learned": module(
        lambda: IAT(6, 5, "pwq", "fourier", LinearSpline([-0.4, 0.3], [1.0, -2.0], 0.5, 0.1, learnable=True)),
        (6,),
        refuses=ROOTS,
    ),
    "iat.IAT spline with a constant": module(
        lambda: IAT(6, 5, Mixed(Rect(1), Fourier(5)), "rect", LinearSpline.named("hardtanh")), (6,), refuses=ROOTS
    ),
    "iat.IAT spline midpoint": module(
        lambda: IAT(6, 5, "fourier", "pwq", LinearSpline.named("abs", learnable=True), "midpoint"), (6,)
    ),
    "iat.DecoupledIAT": module(lambda: DecoupledIAT(3, 4, 3), (3,), (4,), refuses=ROOTS),
    "iat.DecoupledIAT pwl": module(lambda: DecoupledIAT(3, 4, 3, "pwl", "rect", "fourier"), (3,), (4,), refuses=ROOTS),
    "iat.DecoupledIAT pwq": module(lambda: DecoupledIAT(3, 4, 3, "pwq", "pwl", "pwl"), (3,), (4,), refuses=ROOTS),
    "iat.DecoupledIAT rect": module(lambda: DecoupledIAT(3, 4, 3, "rect", "fourier", "pwq"), (3,), (4,), refuses=ROOTS),
    "iat.DecoupledIAT wavelets": module(
        lambda: DecoupledIAT(3, 4, 3, "pwl-w", "rect-w", "pwl-w"), (3,), (4,), refuses=ROOTS
    ),
    "iat.ContinuousWidthNetwork": module(lambda: ContinuousWidthNetwork(2, [5, 6], 3), (2,), refuses=ROOTS, **NETWORK),
    "iat.ContinuousWidthNetwork with points": module(
        lambda: ContinuousWidthNetwork(2, [5, 6], 3, points=64), (2,), **NETWORK
    ),
    "iat.activation_pattern": function(  # always float64
        lambda x: activation_pattern(x, "fourier").measure.to(x.dtype), (5,), refuses=ROOTS | NO_SHAPE | NAN
    ),
    "iat.activation_matrix": function(
        lambda x: activation_matrix(activation_pattern(x, "pwq"), Fourier(4), PWL(3)).to(x.dtype),
        (4,),
        refuses=ROOTS | NO_SHAPE | NAN,
    ),
    "iat.Rect": function(lambda x: Rect(4)(x) * x[..., None], (4,), rounds_inside=True),
    "iat.PWL": function(lambda x: PWL(4)(x), (4,), rounds_inside=True),
    "iat.PWQ": function(lambda x: PWQ(4)(x), (4,), rounds_inside=True),
    "iat.Fourier": function(lambda x: Fourier(4)(x), (4,), rounds_inside=True),
    "iat.RectWavelet": function(lambda x: RectWavelet(4, multiscale=True)(x) * x[..., None], (4,), rounds_inside=True),
    "iat.PWLWavelet": function(lambda x: PWLWavelet(4)(x), (4,), rounds_inside=True),
    "iat.Mixed": function(lambda x: Mixed(Fourier(3), PWL(2))(x), (4,), rounds_inside=True),
    # inr
    "inr.Radon": module(lambda: inr.Radon((5, 4), [0.0, 33.0]), (5, 4)),
    "inr.psnr": function(  # of half precision in float32
        lambda x, y: inr.psnr(x, y, data_range=2), (3, 4), (3, 4), batch=False, without=("half_precision",)
    ),
    "inr.PositionalEncoding": module(lambda: inr.PositionalEncoding(2, 3), (2,), rounds_inside=True),
    "inr.CoordinateNetwork": module(
        lambda: inr.CoordinateNetwork(2, hidden_features=16, learnable_scale=True), (2,), **NETWORK
    ),
    "inr.CoordinateNetwork encoded": module(
        lambda: inr.CoordinateNetwork(2, 3, 8, octaves=3, skip=True, activation="siren"), (2,), **NETWORK
    ),
    "inr.CoordinateNetwork relu": module(
        lambda: inr.CoordinateNetwork(2, 3, 8, skip=True, activation="relu"), (2,), **NETWORK
    ),
    "inr.CoordinateNetwork gauss": module(lambda: inr.CoordinateNetwork(2, 3, 8, activation="gauss"), (2,), **NETWORK),
    "inr.CoordinateNetwork wire": module(
        lambda: inr.CoordinateNetwork(2, hidden_features=8, activation="wire"), (2,), **NETWORK
    ),
    "inr.Grid": module(lambda: inr.Grid((4, 5), 3), (2,), without=NO_FORWARD_MODE),
}

# Small inputs take the compiled kernel, or the plain form where there is none; these send them through the blocks, or
# on a GPU through its kernel, as well.
IN_BLOCKS = {"relunb.ops._native.SMALL": 0, "relunb.ops._native._KERNELS": None}
for name in (
    "wavelet.bw_relu",
    "wavelet.bw_relu of a scale",
    "wavelet.bw_relu of a scale a channel",
    "wavelet.BWReLU learned",
    "ops.relu_cell_means",
    "iat.IAT means",
    "inr.CoordinateNetwork",
):
    OPERATORS[f"{name} in blocks"] = replace(OPERATORS[name], settings=IN_BLOCKS)

# No graph of torch.compile holds these whole: they look at numbers, or at what they were made of.
for name in (
    *(f"iat.{basis}" for basis in ("Rect", "PWL", "PWQ", "Fourier", "RectWavelet", "PWLWavelet", "Mixed")),
    *(f"iat.DecoupledIAT{bases}" for bases in ("", " pwl", " pwq", " rect", " wavelets")),
    *("iat.transform mixed", "iat.activation_pattern", "iat.activation_matrix", "inr.Radon"),
):
    OPERATORS[name] = replace(OPERATORS[name], without=(*OPERATORS[name].without, "compile"))
