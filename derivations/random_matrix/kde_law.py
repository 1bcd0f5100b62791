r"""Laws of a kernel density estimate of Gaussian data and of its nearest data points, and their stable limits.

The Laplace transform of the sum Z of n kernels at x is psi(s)^n (see `kde_exact`), and its distribution function

    P(Z <= z) = e^(A/2)/(2 z) sum_k (-1)^k Re f((A + 2 pi i k)/(2 z)) + O(e^-A),  f(s) = psi(s)^n / s,

over all integers k (Abate and Whitt, ORSA J. Comput. 7 (1995) 36), summed by Euler's method. In the limit it has the
transform exp(-Gamma(1 - mu) s^mu) in units of the weight z_1 of energy D*/2, F(D*) = 1/n, after its mean is taken off
where mu > 1: a totally skewed stable law.

Order statistics: with F the distribution function of E = |x - y|^2/2, the k-th nearest point has
E (E_(k+1) - E_(k)) = binom(n, k) int F^k (1 - F)^(n-k).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import comb, gamma, gammaln
from scipy.stats import ncx2

from theorylab.derivations.random_matrix.kde_exact import COARSER, STEP, Sums, _each
from theorylab.errors import DomainError

# e^-A is the error of the discretisation; terms are averaged with binomial weights over the last EULER ones.
A, EULER = 23.0, 14
# Probabilities beyond which a law is not tabulated, and points of the table.
EDGE, POINTS = 1e-6, 49
# Shift that makes a two-sided stable variable positive.
SHIFT = 25.0

Transform = Callable[[np.ndarray], np.ndarray]


def invert(log_transform: Transform, z: np.ndarray, terms: int) -> np.ndarray:
    """Distribution function at z > 0, float64[len(z)], from the logarithm of the Laplace transform."""
    k = np.arange(terms + EULER + 1)
    s = (A + 2j * np.pi * k) / (2.0 * z[:, None])
    values = np.exp(log_transform(s.ravel()).reshape(s.shape) + 0.5 * A) / (s * z[:, None])
    signed = np.where(k % 2 == 0, 1.0, -1.0) * values.real
    signed[:, 0] *= 0.5
    partial = np.cumsum(signed, axis=1)[:, terms:]
    total: np.ndarray = partial @ (comb(EULER, np.arange(EULER + 1)) / 2.0**EULER)
    return total


class SumLaw:
    """Distribution function of log Z, tabulated.

    Parameters
    ----------
    d, n, h, square
        Dimension, number of points, bandwidth, |x|^2.
    step
        Of the quadrature.
    terms
        Of the inversion.
    """

    def __init__(self, d: float, n: float, h: float, square: float, step: float, terms: int) -> None:
        self.sums = Sums(d, float(np.log(n)), h, square, step)
        self.log_n, self.terms = float(np.log(n)), terms
        self.weight, self.energy = np.exp(self.sums.weight), self.sums.energy
        self.centre = self.sums.mean_log()
        low, high = self._end(-1.0), self._end(1.0)
        x = np.linspace(low, high, POINTS)
        self.x, self.table = x, np.clip(self(x), 0.0, 1.0)

    def transform(self, s: np.ndarray) -> np.ndarray:
        """n log psi(e^-centre s) at complex s."""
        weights = np.exp(-self.energy - self.centre)
        missing = np.array([-(self.weight @ np.expm1(-each * weights)) for each in s])
        n = np.exp(self.log_n)
        return np.asarray(n * np.log1p(-missing / n))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """P(log Z <= x), not tabulated."""
        return invert(self.transform, np.exp(x - self.centre), self.terms)

    def _end(self, side: float) -> float:
        """A place beyond which the law has no more than EDGE."""
        width = 0.02
        while width < 60.0:
            x = self.centre + side * width
            value = float(self(np.array([x]))[0])
            if (value if side < 0 else 1.0 - value) < EDGE:
                break
            width *= 1.3
        return self.centre + side * width

    def interpolated(self, x: np.ndarray, every: int = 1) -> np.ndarray:
        """P(log Z <= x) from the table, or from a part of it."""
        spline = CubicSpline(self.x[::every], self.table[::every])
        inside = np.clip(x, self.x[0], self.x[::every][-1])
        out = np.clip(spline(inside), 0.0, 1.0)
        return np.asarray(np.where(x < self.x[0], 0.0, np.where(x > self.x[-1], 1.0, out)))


@lru_cache(maxsize=32)
def _law(d: float, n: float, h: float, square: float, step: float, terms: int) -> SumLaw:
    return SumLaw(d, n, h, square, step, terms)


def sum_law(
    x: np.ndarray, d: np.ndarray, n: np.ndarray, h: np.ndarray, rho: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """P(log Z <= x) and its error: from fewer nodes, fewer terms and a third of the table."""
    size, count, width, ratio = (float(np.ravel(a)[0]) for a in (d, n, h, rho))
    if count > 1e15:
        raise DomainError(f"n = {count:g} is too large for the law of the sum; want 1e15 at most")
    place = (size, count, width, ratio * size)
    # Fine steps: at complex s the integrand of psi oscillates.
    fine, coarse = _law(*place, 0.25 * STEP, 28), _law(*place, 0.5 * STEP, 18)
    value = fine.interpolated(x)
    inversion = float(np.abs(fine.table - coarse.interpolated(fine.x)).max())
    # The error of cubic splines falls by 81 when their intervals do by 3.
    table = float(np.abs(fine.interpolated(fine.x, 3) - fine.table).max())
    return value, np.full_like(value, inversion + table / 27.0 + EDGE)


def stable_law(x: np.ndarray, mu: float, terms: int = 400) -> np.ndarray:
    """Distribution function of transform exp(-Gamma(1 - mu) s^mu), 0 < mu < 2 but for 1; on x > 0 for mu < 1."""
    shift = SHIFT if mu > 1.0 else 0.0
    factor = gamma(1.0 - mu)
    out = np.zeros_like(x)
    inside = x + shift > 1e-3
    out[inside] = invert(lambda s: np.asarray(-factor * s**mu - shift * s), x[inside] + shift, terms)
    return np.asarray(np.clip(out, 0.0, 1.0))


def _less_mean(q: np.ndarray) -> np.ndarray:
    """e^-q - 1 + q without cancellation."""
    series = q * q * (0.5 - q * (1.0 / 6.0 - q * (1.0 / 24.0 - q * (1.0 / 120.0 - q / 720.0))))
    return np.asarray(np.where(np.abs(q) < 0.02, series, np.expm1(-q) + q))


def scaled_law(y: float, mu: float, d: int, alpha: float, tau: float) -> tuple[float, float]:
    """P(Z <= y z_1), less the mean of Z where mu > 1, and its error: d dimensions, e^(alpha d) points, h^2 = mu/tau."""

    def compute(step: float, terms: int) -> float:
        sums = Sums(d, alpha * d, float(np.sqrt(mu / tau)), d, step)
        # F(e) = 1/n, by the weights of the quadrature, at half steps of which the sum stands for the integral.
        log_f = np.logaddexp.accumulate(sums.weight) - 0.5 * np.diff(sums.weight, append=sums.weight[-1])
        unit = -float(np.interp(0.0, log_f, sums.energy))
        size = np.exp(-sums.energy - unit)
        weight = np.exp(sums.weight)
        centred, shift = mu > 1.0, SHIFT if mu > 1.0 else 0.0

        def transform(s: np.ndarray) -> np.ndarray:
            parts = (_less_mean(each * size) if centred else np.expm1(-each * size) for each in s)
            return np.array([weight @ part for part in parts]) - shift * s

        return float(invert(transform, np.array([y + shift]), terms)[0])

    value = compute(STEP, 160)
    return value, abs(value - compute(COARSER * STEP, 120)) + 1e-6


def nearest_law(e: np.ndarray, d: np.ndarray, n: np.ndarray, rho: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(min |x - y|^2 / 2 <= e), and its error."""
    below = ncx2.cdf(2.0 * e, d, rho * d)
    value = -np.expm1(n * np.log1p(-below))
    return value, 1e-9 * value


def hill(d: np.ndarray, n: np.ndarray, rho: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of E_(k+1) less the mean of the k smallest energies, and its error."""

    def one(size: float, count: float, ratio: float, few: float) -> Any:
        if few >= count:
            raise DomainError(f"k = {few:g} nearest of n = {count:g} points: want k < n")
        value, coarse = (_hill(size, count, ratio * size, int(few), nodes) for nodes in (400, 200))
        return value, abs(value - coarse) + 1e-9 * value

    return _each(one, d, n, rho, k)


def _hill(d: float, n: float, square: float, k: int, nodes: int) -> float:
    low = ncx2.ppf(1e-15 / n, d, square)
    # Beyond it fewer than k points are left, but for e^-40.
    high = ncx2.isf(np.exp(-40.0 * (1.0 + k) / n), d, square)
    t, weight = np.polynomial.legendre.leggauss(nodes)
    D = low + 0.5 * (high - low) * (t + 1.0)
    below = ncx2.cdf(D, d, square)
    above = np.log(ncx2.sf(D, d, square))
    j = np.arange(1, k + 1)[:, None]
    choose = gammaln(n + 1.0) - gammaln(j + 1.0) - gammaln(n - j + 1.0)
    terms = j * np.exp(choose + j * np.log(np.maximum(below, 1e-300)) + (n - j) * above)
    # Energies are D/2.
    return float(0.25 * (high - low) * (weight @ terms.sum(axis=0)) / k)
