r"""The laws of Tracy and Widom, beta = 1, 2, 4, to ten digits and more, relative, in both tails.

With $A_s(x, y) = \tfrac12 \mathrm{Ai}(\tfrac{x + y}2 + s)$ on $L^2(0, \infty)$,

    F_1(s) = det(1 - A_s),  F_2(s) = det(1 - A_s^2),  F_4(2^(-2/3) s) = (det(1 - A_s) + det(1 + A_s))/2

and, with q, I, V of `hastings_mcleod`,

    F_2 = exp(-V),  F_1 = exp(-(V + I)/2),  F_4(2^(-2/3) s) = exp(-V/2) cosh(I/2)

The determinants, by Gauss-Legendre quadrature, have the upper tail to all digits: it is a sum over small eigenvalues.
On the left, where eigenvalues come close to 1, they lose them and the logarithm of F, a sum of positive integrals, has
them. Both agree to 1e-12 between -4 and 5. Of F_2 that is the relative error at s = -14 too, where F_2 is 1e-100.

The scale is that of the largest eigenvalue of the beta-Hermite ensemble, n^(1/6) (lambda_max - 2 sqrt n): the mean of
beta = 4 is then -2.0552. Tables that state -2.3069 divide by 2^(1/2) where this divides by 2^(2/3).

Source
    Tracy and Widom, Commun. Math. Phys. 159 (1994) 151 and 177 (1996) 727; Ferrari and Spohn, J. Phys. A 38 (2005) L557
    (F_1 as one determinant); Bornemann, Math. Comp. 79 (2010) 871 (quadrature); for the scale of beta = 4 Ramirez,
    Rider and Virag, J. Amer. Math. Soc. 24 (2011) 919.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy import special

from theorylab.derivations.random_matrix.hastings_mcleod import integrals
from theorylab.derivations.random_matrix.laws import Law
from theorylab.errors import DomainError

# Left of SWITCH by Painleve II, right of it by determinants with so many nodes; up to FAR from a table of them.
SWITCH, FAR, NODES, POINTS = -3.0, 14.0, 48, 100
# Beyond these the distribution functions underflow.
LOWEST, HIGHEST = -30.0, 110.0
# Arguments further left are taken for this one, of which log F is -6e10 already.
LEFTMOST = -9000.0
# Less than 1e-16 is outside of these.
BULK = -16.0, 14.0
# The kernel is cut where it has fallen by exp(-CUT).
CUT = 40.0
# Arguments that are worked on at a time.
AT_A_TIME = 256


class TracyWidom(Law):
    """The law of Tracy and Widom.

    Parameters
    ----------
    beta
        1 for real, 2 for complex, 4 for quaternion matrices.

    Raises
    ------
    DomainError
        For another beta.
    """

    def __init__(self, beta: int = 1) -> None:
        if beta not in (1, 2, 4):
            raise DomainError(f"beta = {beta} has no known distribution function; choose from 1, 2, 4")
        self.beta = beta
        self._unit = 2.0 ** (2.0 / 3.0) if beta == 4 else 1.0

    def support(self) -> tuple[float, float]:
        """The whole line."""
        return -np.inf, np.inf

    def pdf(self, x: Any) -> np.ndarray:
        """Density."""
        log_cdf, _, slope = self._at(x)
        return np.asarray(np.exp(log_cdf) * slope)

    def logpdf(self, x: Any) -> np.ndarray:
        """Logarithm of the density."""
        log_cdf, _, slope = self._at(x)
        return np.asarray(log_cdf + np.log(slope))

    def cdf(self, x: Any) -> np.ndarray:
        """P(X <= x)."""
        return np.asarray(np.exp(self._at(x)[0]))

    def logcdf(self, x: Any) -> np.ndarray:
        """Logarithm of P(X <= x), where that underflows too."""
        return self._at(x)[0]

    def sf(self, x: Any) -> np.ndarray:
        """P(X > x)."""
        return self._at(x)[1]

    def _reach(self) -> tuple[float, float]:
        return LOWEST / self._unit, HIGHEST / self._unit

    def _bulk(self) -> tuple[float, float]:
        return BULK[0] / self._unit, BULK[1] / self._unit

    def by_painleve(self, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """log F, 1 - F and the derivative of log F, from Painleve II; x at most 9 in units of beta = 1."""
        log_cdf, sf, slope = self._by_painleve(np.asarray(x, dtype=float) * self._unit)
        return log_cdf, sf, slope * self._unit

    def by_determinant(self, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same from determinants."""
        s = np.asarray(x, dtype=float) * self._unit
        log_cdf, sf, slope = (v.reshape(s.shape) for v in _by_determinant(np.ravel(s), self.beta))
        return log_cdf, sf, slope * self._unit

    def _at(self, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """log F, 1 - F and (log F)'."""
        s = np.asarray(x, dtype=float) * self._unit
        flat = np.clip(np.ravel(s), LEFTMOST, HIGHEST)
        out = np.empty((3, flat.size))
        left = flat < SWITCH
        if np.any(left):
            out[:, left] = self._by_painleve(flat[left])
        middle = ~left & (flat <= FAR)
        if np.any(middle):
            log_sf, log_slope = (chebyshev.chebval(_to_unit(flat[middle]), c) for c in _table(self.beta))
            sf = np.exp(log_sf)
            out[:, middle] = np.log1p(-sf), sf, np.exp(log_slope)
        far = np.flatnonzero(flat > FAR)
        for start in range(0, len(far), AT_A_TIME):
            part = far[start : start + AT_A_TIME]
            out[:, part] = _by_determinant(flat[part], self.beta)
        log_cdf, sf, slope = out.reshape(3, *s.shape)
        beyond = s > HIGHEST
        log_cdf, sf, slope = (np.where(beyond, 0.0, v) for v in (log_cdf, sf, slope))
        return log_cdf, sf, slope * self._unit

    def _by_painleve(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        q, first, square, double = integrals(s)
        if self.beta == 2:
            log_cdf, slope = -double, square
        elif self.beta == 1:
            log_cdf, slope = -(double + first) / 2.0, (square + q) / 2.0
        else:
            # log cosh(I/2) = I/2 + log((1 + exp(-I))/2)
            log_cdf = (first - double) / 2.0 + np.log1p(np.exp(-first)) - np.log(2.0)
            slope = (square - q * np.tanh(first / 2.0)) / 2.0
        return log_cdf, 0.0 - np.expm1(log_cdf), slope


@cache
def _table(beta: int) -> tuple[np.ndarray, np.ndarray]:
    """Chebyshev coefficients of log(1 - F) and log (log F)' between SWITCH and FAR, of s in units of beta = 1."""
    t = np.cos(np.pi * (np.arange(POINTS) + 0.5) / POINTS)
    _, sf, slope = _by_determinant((SWITCH + FAR) / 2.0 + (FAR - SWITCH) / 2.0 * t, beta)
    basis = chebyshev.chebvander(t, POINTS - 1)
    weight = np.full(POINTS, 2.0 / POINTS)
    weight[0] = 1.0 / POINTS
    return weight * (np.log(sf) @ basis), weight * (np.log(slope) @ basis)


def _to_unit(s: np.ndarray) -> np.ndarray:
    return (2.0 * s - SWITCH - FAR) / (FAR - SWITCH)


def _by_determinant(s: np.ndarray, beta: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log F, 1 - F and (log F)'."""
    values, moved = _spectrum(s)
    if beta == 2:
        log_cdf = np.sum(np.log1p(-(values**2)), axis=1)
        slope = np.sum(-2.0 * values / (1.0 - values**2) * moved, axis=1)
        return log_cdf, 0.0 - np.expm1(log_cdf), slope
    if beta == 1:
        log_cdf = np.sum(np.log1p(-values), axis=1)
        slope = np.sum(-moved / (1.0 - values), axis=1)
        return log_cdf, 0.0 - np.expm1(log_cdf), slope
    # F_4 = exp(half) cosh(odd); 1 - F_4 without the cancellation of its leading parts.
    half = np.sum(np.log1p(-(values**2)), axis=1) / 2.0
    odd = np.sum(np.arctanh(values), axis=1)
    sf = -(np.expm1(half) + np.exp(half) * 2.0 * np.sinh(odd / 2.0) ** 2)
    even = np.sum(-values / (1.0 - values**2) * moved, axis=1)
    slope = even + np.tanh(odd) * np.sum(moved / (1.0 - values**2), axis=1)
    return np.log1p(-sf), sf, slope


def _spectrum(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of A_s and their derivatives in s, float64[len(s), NODES]."""
    t, w = _nodes()
    reach = (1.5 * CUT + np.maximum(s, 0.0) ** 1.5) ** (2.0 / 3.0)
    length = 2.0 * (reach - s)[:, None]
    y, root = length * t, np.sqrt(length * w)
    argument = (y[:, :, None] + y[:, None, :]) / 2.0 + s[:, None, None]
    weight = root[:, :, None] * root[:, None, :] / 2.0
    airy, slope = special.airy(argument)[:2]
    values, vectors = np.linalg.eigh(weight * airy)
    moved = np.einsum("kij,kil,klj->kj", vectors, weight * slope, vectors, optimize=True)
    return values, moved


@cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    t, w = np.polynomial.legendre.leggauss(NODES)
    return (t + 1.0) / 2.0, w / 2.0
