"""Where the state of whole numbers is positive, in exact arithmetic: what no rounding makes undecided.

With t = tan(pi s / 2) a Fourier state is a polynomial in t over (1 + t^2)^n, and a spline is one of t on each cell. Its
factors without squares say which roots are of odd order: there alone its sign changes.
"""

import functools
import math
from fractions import Fraction

import sympy as sp
import torch

from relunb.iat import Fourier

T = sp.symbols("t")


def exact_pattern(x, p):
    """The intervals where x (whole numbers) is positive, neighbours joined; and whether a root is triple or more."""
    joined, flat = [], False
    for state, place in _polynomials(x, p):
        if state.is_zero:
            continue
        start, stop = place(-math.inf), place(math.inf)
        roots = [(float(place(root)), order) for root, order in _roots(state)]
        flat |= any(order > 2 for _, order in roots)
        ends = [start, *sorted(s for s, order in roots if order % 2 and start < s < stop), stop]
        if isinstance(p, Fourier):
            flat |= 2 * p.harmonics - state.degree() > 2  # at s = 1 and -1, where t is infinite
            positive = state.LC() * (-1) ** state.degree() > 0
        else:
            positive = state.EC() > 0  # right of t = 0, as the lowest power says
        for a, b in zip(ends, ends[1:], strict=False):
            if positive and joined and joined[-1][1] == a:
                joined[-1][1] = b
            elif positive:
                joined.append([a, b])
            positive = not positive
    return joined, flat


def _polynomials(x, p):
    """For each cell the state as a polynomial in t, and the map of t to s."""
    if isinstance(p, Fourier):
        waves = _waves(p.harmonics)
        state = sum((int(v) * wave for v, wave in zip(x, waves, strict=False)), sp.Poly(0, T))
        return [(state, lambda t: 2 * math.atan(t) / math.pi)]
    found = []
    for a, b, functions in zip(p.breakpoints.tolist(), p.breakpoints.tolist()[1:], _pieces(p), strict=False):
        state = sum((int(v) * piece for v, piece in zip(x, functions, strict=True)), sp.Poly(0, T))
        found.append((state, functools.partial(_inside, a, b)))
    return found


def _inside(a, b, t):
    return a if t <= 0 else b if t >= 1 else a + (b - a) * t


def _roots(state):
    """The real roots with their orders."""
    found = []
    for factor, order in state.sqf_list()[1]:
        roots = [root for root in factor.nroots(n=25, maxsteps=200) if abs(sp.im(root)) < 1e-15]
        assert len(roots) == factor.count_roots()
        found += [(sp.re(root), order) for root in roots]
    return found


@functools.cache
def _waves(harmonics):
    """cos and sin of k pi s, times (1 + t^2)^harmonics, for k = 1 .. harmonics."""
    cosine, sine, unit = (sp.Poly(of, T) for of in (1 - T**2, 2 * T, 1 + T**2))
    c, s, found = cosine, sine, []
    for k in range(1, harmonics + 1):
        found += [c * unit ** (harmonics - k), s * unit ** (harmonics - k)]
        c, s = c * cosine - s * sine, s * cosine + c * sine
    return found


@functools.cache
def _pieces(p):
    """The functions on each cell as polynomials in its t from 0 to 1, with fractions of small numbers."""
    t = torch.arange(1, p.degree + 2, dtype=torch.float64) / (p.degree + 2)
    s = p.breakpoints[:-1, None] + p.breakpoints.diff()[:, None] * t
    powers = torch.linalg.solve(t[:, None] ** torch.arange(p.degree + 1), p(s))  # (cells, degree + 1, size)
    return [[_fractions(column) for column in cell.mT.tolist()] for cell in powers]


def _fractions(numbers):
    found = [Fraction(a).limit_denominator(2000) for a in numbers]
    assert all(abs(float(f) - a) < 1e-9 for f, a in zip(found, numbers, strict=True))
    return sp.Poly([sp.Rational(f.numerator, f.denominator) for f in reversed(found)], T)
