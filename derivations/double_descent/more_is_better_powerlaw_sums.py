r"""The same quantities at finite n, from the sums of the eigenframework over all eigenvalues $i^{-\alpha}$.

The first `TERMS` n terms are added up; beyond, where $\epsilon = \lambda_i/\kappa$ is small, series in $\epsilon$ are
summed by Hurwitz's zeta function. Everything is parametrized by $\kappa$: $u = \sum L/n$ and the ridge follow.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import zeta

from theorylab.derivations.double_descent import more_is_better_powerlaw as limits
from theorylab.parameters import Space
from theorylab.prediction import Numerical

# Terms added one by one, for each sample.
TERMS = 100
# Tolerances of the roots in log kappa, and width of the search for the least test error.
ROOT, WIDTH = 1e-13, 1e-7


class Sums(NamedTuple):
    """sum L, sum L^2, sum (1-L)^2 i^-beta, and kappa times the derivatives of the last two."""

    learned: float
    squares: float
    missed: float
    squares_slope: float
    missed_slope: float


@lru_cache(8)
def _powers(exponent: float, terms: int) -> np.ndarray:
    values: np.ndarray = np.arange(1.0, terms + 1.0) ** exponent
    return values


class Sample:
    """Power laws at n samples.

    Parameters
    ----------
    alpha, beta
        Exponents of the spectrum and of the target.
    n
        Number of samples.
    """

    def __init__(self, alpha: float, beta: float, n: int) -> None:
        self.alpha, self.beta, self.n, self.terms = alpha, beta, n, TERMS * n
        self.inverse, self.power = _powers(alpha, self.terms), _powers(-beta, self.terms)
        self.kappa = self.at(1.0)
        self.unit = self.risk(self.kappa, 0.0)

    def sums(self, kappa: float) -> Sums:
        """The sums at an implicit ridge."""
        L = 1.0 / (1.0 + kappa * self.inverse)
        left = 1.0 - L
        missed = left * left * self.power
        a, b, start = self.alpha, self.beta, self.terms + 1.0

        def tail(order: int, shift: float = 0.0) -> float:
            return float(zeta(order * a + shift, start)) / kappa**order

        return Sums(
            float(L.sum()) + tail(1) - tail(2) + tail(3),
            float(L @ L) + tail(2) - 2.0 * tail(3),
            float(missed.sum()) + tail(0, b) - 2.0 * tail(1, b) + 3.0 * tail(2, b),
            -2.0 * (float((L * L) @ left) + tail(2) - 3.0 * tail(3)),
            2.0 * (float(L @ missed) + tail(1, b) - 3.0 * tail(2, b)),
        )

    def learned(self, kappa: float) -> float:
        """sum L."""
        a, start = self.alpha, self.terms + 1.0
        series: float = sum((-1.0) ** (j + 1) * float(zeta(j * a, start)) / kappa**j for j in (1, 2, 3))
        whole = float((1.0 / (1.0 + kappa * self.inverse)).sum())
        return whole + series

    def at(self, u: float) -> float:
        """The kappa with sum L = n u."""
        guess = np.log((np.pi / self.alpha / np.sin(np.pi / self.alpha) / (self.n * u)) ** self.alpha)
        found = brentq(lambda v: self.learned(np.exp(v)) - self.n * u, guess - 3.0, guess + 3.0, xtol=ROOT, rtol=ROOT)
        return float(np.exp(found))

    def risk(self, kappa: float, noise: float) -> float:
        """Test error, for noise of that variance."""
        found = self.sums(kappa)
        return self.n / (self.n - found.squares) * (found.missed + noise)

    def accuracy(self) -> float:
        """Relative error of the sums: rounding, roots, and the first term that the series leave out."""
        return 1e-11 + 10.0 * float(self.terms**-self.alpha / self.kappa) ** 3

    def best(self, s: float) -> tuple[float, float]:
        """kappa of least test error, and that error over `unit`; the least kappa where it rises from there."""
        noise, start = s * self.unit, np.log(self.kappa)

        def risk(v: float) -> float:
            return self.risk(float(np.exp(v)), noise) / self.unit

        if self.critical() >= s:
            return self.kappa, risk(start)
        found = minimize_scalar(
            risk, bounds=(start, start + 12.0 * self.alpha), method="bounded", options={"xatol": WIDTH}
        )
        return float(np.exp(found.x)), float(found.fun)

    def critical(self) -> float:
        """Relative noise at which the test error is stationary without ridge."""
        found = self.sums(self.kappa)
        factor = self.n / (self.n - found.squares)
        # d log e_0/d log kappa; the error is e_0 (missed + noise).
        slope = found.squares_slope / (self.n - found.squares)
        return -(found.missed_slope + slope * found.missed) / (slope * self.unit) if factor > 0.0 else 0.0


@lru_cache(32)
def sample(alpha: float, beta: float, n: int) -> Sample:
    """A `Sample`, kept."""
    return Sample(alpha, beta, n)


def _pointwise(value: Any) -> Any:
    def function(**arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        given = np.broadcast_arrays(*arrays.values())
        out = [value(**dict(zip(arrays, map(float, row)))) for row in zip(*(a.flat for a in given))]
        values, errors = (np.reshape(part, given[0].shape) for part in zip(*out))
        return values, errors

    return function


def _curve(alpha: float, beta: float, s: float, R: float, n: float) -> tuple[float, float]:
    found = sample(alpha, beta, int(n))
    value = found.risk(found.at(1.0 - np.sqrt(R)), s * found.unit) / found.unit
    return value, value * found.accuracy()


def _ratio(alpha: float, beta: float, s: float, n: float) -> tuple[float, float]:
    found = sample(alpha, beta, int(n))
    kappa, _ = found.best(s)
    ratio = (1.0 - found.learned(kappa) / found.n) ** 2
    # The search ends within WIDTH of the minimum, to which ratio is not flat, and at the rounding of a parabola.
    return ratio, (found.accuracy() + 100.0 * WIDTH) * max(ratio, 1e-6)


def _cost(alpha: float, beta: float, s: float, R: float, n: float) -> tuple[float, float]:
    value, error = _curve(alpha, beta, s, R, n)
    least = sample(alpha, beta, int(n)).best(s)[1]
    return value / least, 2.0 * error / least


def _critical(alpha: float, beta: float, n: float) -> tuple[float, float]:
    found = sample(alpha, beta, int(n))
    value = found.critical()
    return value, abs(value) * 100.0 * found.accuracy()


def _numerical(function: Any, like: Any, formula: str) -> Numerical:
    return Numerical(
        function=_pointwise(function),
        space=Space([*like.space.parameters, limits.N], like.space.constraints),
        quantity=like.quantity,
        conventions={**limits.CONVENTIONS, "limit": "none: n samples"},
        derivation=limits.DERIVATION,
        formula=formula,
    )


relative_error = _numerical(_curve, limits.relative_error, r"E_{te}(R)/E_{te}(0; s = 0)")
best_ratio = _numerical(_ratio, limits.best_ratio, r"R^* = \arg\min_R E_{te}(R)")
cost = _numerical(_cost, limits.cost, r"E_{te}(R)/\min E_{te}")
critical_noise = _numerical(_critical, limits.critical_noise, r"dE_{te}/d\kappa = 0 \text{ without ridge}")
