r"""The Hastings-McLeod solution of Painleve II and its integrals.

    q'' = x q + 2 q^3,  q(x) ~ Ai(x) as x -> inf,  q(x) ~ sqrt(-x/2) as x -> -inf

The laws of Tracy and Widom need I = int_x^inf q, U = int_x^inf q^2 and V = int_x^inf (y - x) q(y)^2 dy. As an initial
value problem from the right, q is a separatrix: errors grow like exp((2 sqrt 2/3) |x|^(3/2)) and at x = -8 all digits
are gone. Between two ends where q is known it is a well-conditioned boundary value problem. Here q'' is the unknown, at
Chebyshev points: integration loses no digits where differentiation would. Further left the series in 1/|x|^3, whose
coefficients follow from the equation, is correct to double precision.

Accuracy: 1e-14 for q, I, U; V, which grows like |x|^3/12, to 1e-14 of itself.

Source
    Hastings and McLeod, Arch. Rational Mech. Anal. 73 (1980) 31. The constants of integration of the series:
    Deift, Its and Krasovsky, Comm. Math. Phys. 278 (2008) 643, for V; Baik, Buckingham and DiFranco, Comm. Math. Phys.
    280 (2008) 463, for I.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from scipy import integrate, special

from theorylab.prediction import PredictionError

# Where q is found as a boundary value problem, and with how many points; left of it the series is used.
LEFT, RIGHT, POINTS = -14.0, 9.0, 240
# Below this size the residual of q'' = x q + 2 q^3 and the last Chebyshev coefficients count as nothing.
RESIDUAL = 1e-12
MOST_STEPS = 100
TERMS = 9
# zeta'(-1).
ZETA = -0.16542114370045092921


class Integrals(NamedTuple):
    """q(x), I(x), U(x), V(x), float64 arrays of one shape."""

    q: np.ndarray
    first: np.ndarray
    square: np.ndarray
    double: np.ndarray


def series(terms: int = TERMS) -> list[Fraction]:
    r"""Coefficients a_k of $q = \sqrt{w/2} \sum_k a_k w^{-3k}$, w = -x -> inf.

    With S the sum, Painleve II reads $S^3 - S = \sum_k a_k (9 k^2 - 1/4) w^{-3(k+1)}$.
    """
    a = [Fraction(1)]
    for m in range(1, terms):
        known = [*a, Fraction(0)]
        cube = sum(known[i] * known[j] * known[m - i - j] for i in range(m + 1) for j in range(m + 1 - i))
        a.append(((9 * Fraction(m - 1) ** 2 - Fraction(1, 4)) * a[-1] - cube) / 2)
    return a


def integrals(x: np.ndarray) -> Integrals:
    """q and its integrals for x <= 9, in double precision."""
    x = np.asarray(x, dtype=float)
    out = np.empty((4, *x.shape))
    far = x < LEFT
    out[:, far], out[:, ~far] = _far(-x[far]), _solved(x[~far])
    return Integrals(*out)


def _far(w: np.ndarray) -> Integrals:
    """The series at x = -w, w large."""
    a = series()
    b = [sum((a[i] * a[k - i] for i in range(k + 1)), Fraction(0)) for k in range(len(a))]

    def power_sum(coefficients: list[Fraction], power: float) -> np.ndarray:
        return np.asarray(sum(float(value) * w ** (power - 3 * k) for k, value in enumerate(coefficients)))

    q = power_sum(a, 0.5) / np.sqrt(2.0)
    first = power_sum([v / (Fraction(3, 2) - 3 * k) for k, v in enumerate(a)], 1.5) / np.sqrt(2.0) + np.log(2.0) / 2.0
    square = power_sum([v / (2 - 3 * k) for k, v in enumerate(b)], 2.0) / 2.0
    twice = [Fraction(0) if k == 1 else v / ((3 - 3 * k) * (2 - 3 * k)) for k, v in enumerate(b)]
    double = power_sum(twice, 3.0) / 2.0 + np.log(w) / 8.0 - ZETA - np.log(2.0) / 24.0
    return Integrals(q, first, square, double)


def _solved(x: np.ndarray) -> Integrals:
    t = (2.0 * x - LEFT - RIGHT) / (RIGHT - LEFT)
    return Integrals(*(chebyshev.chebval(t, c) for c in _coefficients()))


@cache
def _coefficients() -> tuple[np.ndarray, ...]:
    """Chebyshev coefficients of q, I, U and V on [LEFT, RIGHT]."""
    t = -np.cos(np.pi * np.arange(POINTS) / (POINTS - 1))
    half = (RIGHT - LEFT) / 2.0
    x = LEFT + half * (t + 1.0)
    to_coefficients = np.linalg.inv(chebyshev.chebvander(t, POINTS - 1))
    antiderivative = chebyshev.chebint(np.eye(POINTS), lbnd=-1, axis=0)
    # Values of int_LEFT^x, from values.
    running = half * chebyshev.chebvander(t, POINTS) @ antiderivative @ to_coefficients
    q = _boundary_value_problem(x, running @ running)
    airy, slope = special.airy(RIGHT)[:2]
    # Right of RIGHT, q is Ai to double precision.
    # (SciPy's own integral of Ai, itairy, is wrong between 6 and 9.)
    remaining = integrate.quad(lambda y: special.airy(y)[0], RIGHT, np.inf)[0]

    def to_the_right(values: np.ndarray, beyond: float) -> np.ndarray:
        total = running @ values
        return np.asarray(total[-1] - total + beyond)

    first, square = to_the_right(q, remaining), to_the_right(q * q, slope**2 - RIGHT * airy**2)
    double = to_the_right(square, (2.0 * (RIGHT**2 * airy**2 - RIGHT * slope**2) - airy * slope) / 3.0)
    return tuple(to_coefficients @ values for values in (q, first, square, double))


def _boundary_value_problem(x: np.ndarray, twice: np.ndarray) -> np.ndarray:
    """q at the points x by Newton's method with halved steps, from the two asymptotic forms joined."""
    ends = float(_far(np.asarray(-LEFT)).q), float(special.airy(RIGHT)[0])
    along = (x - x[0]) / (x[-1] - x[0])
    # q = line + greens @ q'' meets both ends.
    line, greens = ends[0] + (ends[1] - ends[0]) * along, twice - np.outer(along, twice[-1])
    # A smooth function of the same size, sqrt(w/2) on the left and 0.37 at 0, and its second derivative.
    radius = np.sqrt(x * x + 0.3)
    bend = np.sqrt((radius - x) / 4.0) * (radius + 2.0 * x) / (4.0 * radius**3)

    def misses(bend: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        q = line + greens @ bend
        return q, bend - x * q - 2.0 * q**3

    q, residual = misses(bend)
    for _ in range(MOST_STEPS):
        if np.max(np.abs(residual)) < RESIDUAL:
            return q
        step = np.linalg.solve(np.eye(len(x)) - (x + 6.0 * q * q)[:, None] * greens, -residual)
        before = np.linalg.norm(residual)
        for _ in range(MOST_STEPS):
            q, residual = misses(bend + step)
            if np.linalg.norm(residual) < before:
                break
            step = step / 2.0
        bend = bend + step
    raise PredictionError(f"Painleve II: residual {np.max(np.abs(residual)):.1e} after {MOST_STEPS} steps")
