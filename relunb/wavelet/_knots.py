"""The knots of the wavelet, its slopes' jumps and its values there: exact, without torch."""

from fractions import Fraction

#: Where the slope of psi changes: 0, 1/2, 1, ..., 3. Exact.
KNOTS: tuple[Fraction, ...] = tuple(Fraction(k, 2) for k in range(7))

#: By how much the slope changes at each knot. They add up to zero, and so do WEIGHTS x KNOTS.
WEIGHTS: tuple[Fraction, ...] = tuple(Fraction(n, 6) for n in (1, -8, 23, -32, 23, -8, 1))

#: psi at each knot. Between two knots psi is a straight line.
VALUES: tuple[Fraction, ...] = tuple(Fraction(n, 12) for n in (0, 1, -6, 10, -6, 1, 0))
