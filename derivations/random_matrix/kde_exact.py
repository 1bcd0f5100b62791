r"""Kernel density estimates of Gaussian data at finite n and d: participation ratios, mean logarithm, Kullback-Leibler.

With x fixed, D_i = |x - y_i|^2 are independent noncentral chi-square variables of d degrees of freedom; a bandwidth h
gives weights w_i = exp(-D_i/(2 h^2)), their sum Z, and the Laplace transform psi(s) = E exp(-s w). From
Z^-k = int_0^inf s^(k-1) e^(-s Z) ds / Gamma(k), and log Z = int_0^inf (e^-s - e^(-s Z))/s ds,

    E sum_i w_i^k / Z^k = n/Gamma(k) int_0^inf s^(k-1) (-1)^k psi^(k)(s) psi(s)^(n-1) ds,
    E log Z = int_0^inf (e^-s - psi(s)^n)/s ds.

Both integrals are taken by the trapezoidal rule in u = log s, psi in v, D = c log(1 + e^v): integrands analytic in
strips that vanish at both ends, so that the error falls exponentially with the step. A coarser step measures it.
Everything is kept multiplied by n, under one exponential: n = e^(alpha d) may be beyond all floating-point numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import brentq
from scipy.special import gammaln, ive, logsumexp

from theorylab.errors import DomainError

# Step of both integrals, what it is multiplied by to measure errors, and logarithms of what is left out.
STEP, COARSER = 0.4, 1.5
LEFT_OUT = 45.0
# Bessel functions below this are taken from their series.
TINY = 1e-250
# Elements of an array, the most nodes in D, and what counts as too many data points to tell apart.
AT_A_TIME, MOST, MOST_LOG = 1 << 18, 20_000, 600.0


def log_density(D: np.ndarray, d: float, square: float) -> np.ndarray:
    """Log density of |x - y|^2 at D > 0 for |x|^2 = `square`, float64[len(D)]."""
    order = 0.5 * d - 1.0
    root = np.sqrt(square * D)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        bessel = ive(order, root)
        ratio = order * (np.log(D) - np.log(square))
        log_p = 0.5 * ratio + np.log(bessel) - 0.5 * (np.sqrt(D) - np.sqrt(square)) ** 2
    series = ~((bessel > TINY) & np.isfinite(log_p))
    if series.any():
        log_p[series] = _series(D[series], d, square)
    return np.asarray(log_p - np.log(2.0))


def _series(D: np.ndarray, d: float, square: float) -> np.ndarray:
    """The same (without log 2) as a mixture of chi-square densities, all terms positive."""
    q = 0.25 * square * D
    order = 0.5 * d - 1.0
    peak = 0.5 * (np.sqrt(order**2 + 4.0 * q.max()) - order)
    j = np.arange(int(peak + 12.0 * np.sqrt(peak + 1.0) + 40.0)) if square > 0 else np.zeros(1)
    log_q = np.log(q) if square > 0 else np.zeros_like(D)
    terms = np.multiply.outer(log_q, j) - gammaln(j + 1.0) - gammaln(0.5 * d + j)
    return np.asarray(logsumexp(terms, axis=1) + order * np.log(0.5 * D) - 0.5 * (D + square))


class Sums:
    """Sums of n kernels at a point x.

    Parameters
    ----------
    d
        Dimension.
    log_n
        Logarithm of the number of data points.
    h
        Bandwidth.
    square
        |x|^2.
    step
        Of both quadratures.
    """

    def __init__(self, d: float, log_n: float, h: float, square: float, step: float = STEP) -> None:
        self.log_n, self.step = log_n, step
        spread = np.sqrt(2.0 * d + 4.0 * square)
        unit = min(2.0 * h * h, 0.5 * spread)
        top = (d + square + 12.0 * spread + 80.0) / unit
        low = -(80.0 + log_n) / (0.5 * d)
        v = np.arange(low, top if top > 30.0 else np.log(np.expm1(top)), step)
        D = unit * np.logaddexp(0.0, v)
        weight = log_density(D, d, square) + np.log(unit * step) - np.logaddexp(0.0, -v)
        mode = int(np.argmax(weight))
        kept = weight > np.where(np.arange(v.size) < mode, -LEFT_OUT - 15.0 - log_n, weight[mode] - LEFT_OUT)
        # Energies D/(2 h^2), and log(n p(D) dD).
        self.energy, self.weight = D[kept] / (2.0 * h * h), weight[kept] + log_n
        if self.energy.size > MOST:
            raise DomainError(
                f"h = {h:g} is too small for the integrals at d = {d:g}: energies |x - y|^2/(2 h^2) spread over "
                f"{self.energy[-1]:.0f}; use a larger h"
            )

    def missing(self, u: np.ndarray) -> np.ndarray:
        """n (1 - psi(e^u)), float64[len(u)]."""
        out = np.empty(u.size)
        for rows in self._parts(u.size):
            v = np.minimum(np.subtract.outer(u[rows], self.energy), 4.0)
            factor = np.exp(np.maximum(v, -LEFT_OUT))
            out[rows] = (np.exp(np.minimum(self.weight + v, MOST_LOG)) * (-np.expm1(-factor) / factor)).sum(axis=1)
        return out

    def _parts(self, count: int) -> Iterator[slice]:
        """Parts of the nodes in u, for arrays that stay small."""
        rows = max(1, AT_A_TIME // self.energy.size)
        return (slice(start, start + rows) for start in range(0, count, rows))

    def nodes(self) -> np.ndarray:
        """Where neither psi^n nor 1 - psi^n is negligible."""

        def level(u: float, wanted: float) -> float:
            return float(np.log(self.missing(np.array([u]))[0] + 1e-300) - wanted)

        low, high = self.energy[0] - 2.0 * LEFT_OUT, self.energy[-1] + 4.0
        while level(low, -LEFT_OUT) > 0.0:
            low -= LEFT_OUT
        start = float(brentq(level, low, high, args=(-LEFT_OUT,), xtol=0.1))
        wanted = float(np.log(LEFT_OUT))
        end = float(brentq(level, start, high, args=(wanted,), xtol=0.1)) if level(high, wanted) > 0.0 else high
        return np.arange(start, end + 1.0, self.step)

    def log_survival(self, missing: np.ndarray) -> np.ndarray:
        """n log psi from n (1 - psi)."""
        if self.log_n > MOST_LOG:
            return -missing
        n = np.exp(self.log_n)
        with np.errstate(divide="ignore"):
            return np.asarray(n * np.log1p(-np.minimum(missing / n, 1.0)))

    def participation(self, orders: np.ndarray) -> np.ndarray:
        """E sum_i w_i^k / Z^k for each order k, float64[len(orders)]."""
        u = self.nodes()
        # psi^(n-1).
        others = self.log_survival(self.missing(u)) * -np.expm1(-self.log_n) if self.log_n > 0.0 else np.zeros_like(u)
        values = np.zeros(len(orders))
        for rows in self._parts(u.size):
            v = np.minimum(np.subtract.outer(u[rows], self.energy), 7.0)
            common = self.weight - np.exp(v) + others[rows, None]
            values += [np.exp(common + k * v - gammaln(k)).sum() for k in orders]
        return self.step * values

    def mean_log(self) -> float:
        """E log Z."""
        u = self.nodes()
        left = self.log_survival(self.missing(u))
        middle = u[int(np.argmin(np.abs(left + 0.7)))]
        before = np.exp(-np.exp(np.minimum(u - middle, 7.0)))
        return float(self.step * np.sum(before - np.exp(left)) - middle)


def refined(compute: Callable[[float], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A value at the standard step, with the change from a coarser one as its error."""
    value, coarse = np.asarray(compute(STEP)), np.asarray(compute(COARSER * STEP))
    return value, np.abs(value - coarse) + 1e-12 * np.abs(value)


def _participation(orders: np.ndarray, *at: float) -> np.ndarray:
    return Sums(*at).participation(orders)


def participation(
    d: np.ndarray, n: np.ndarray, h: np.ndarray, rho: np.ndarray, k: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """E sum_i w_i^k / Z^k at |x|^2 = rho d, and its error."""
    d, n, h, rho, k = np.broadcast_arrays(d, n, h, rho, k)
    out = np.empty((2, *d.shape))
    places = np.stack([a.ravel() for a in (d, n, h, rho)], axis=1)
    for place in np.unique(places, axis=0):
        same = (places == place).all(axis=1).reshape(d.shape)
        size, count, width, ratio = (float(a) for a in place)
        out[:, same] = refined(partial(_participation, k[same], size, float(np.log(count)), width, ratio * size))
    return out[0], out[1]


def mean_log_density(d: np.ndarray, n: np.ndarray, h: np.ndarray, rho: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(1/d) E log rho_hat at |x|^2 = rho d, and its error."""

    def one(size: float, count: float, width: float, ratio: float) -> Any:
        value, error = refined(lambda step: np.asarray(Sums(size, np.log(count), width, ratio * size, step).mean_log()))
        return (value - np.log(count)) / size - 0.5 * np.log(2.0 * np.pi * width**2), error / size

    return _each(one, d, n, h, rho)


def divergence(d: np.ndarray, n: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(1/d) E KL(rho || rho_hat), and its error, for n standard normal points."""

    def one(size: float, count: float, width: float) -> Any:
        def average(nodes: int, step: float) -> float:
            squares, weights = chi_square_rule(size, nodes)
            logs = [Sums(size, np.log(count), width, float(square), step).mean_log() for square in squares]
            return float(weights @ np.array(logs))

        # In high dimension |x|^2 is almost normal, and so is close to its mean.
        nodes = 16 if size < 64 else 6
        value = average(nodes, STEP)
        error = abs(value - average(nodes - 2, COARSER * STEP))
        # log rho has the mean -d (log 2 pi + 1)/2.
        entropy = 0.5 * (np.log(2.0 * np.pi) + 1.0)
        return np.log(width) + 0.5 * np.log(2.0 * np.pi) + (np.log(count) - value) / size - entropy, error / size

    return _each(one, d, n, h)


def chi_square_rule(d: float, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss's nodes and weights for averages over chi^2_d."""
    a, j = 0.5 * d - 1.0, np.arange(nodes)
    values, vectors = eigh_tridiagonal(2.0 * j + a + 1.0, np.sqrt(j[1:] * (j[1:] + a)))
    return 2.0 * values, vectors[0] ** 2


def _each(function: Callable[..., Any], *arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and errors, place by place."""
    columns = np.broadcast_arrays(*arrays)
    found = np.array([function(*(float(a) for a in place)) for place in zip(*(c.ravel() for c in columns))])
    found = found.reshape(*columns[0].shape, 2)
    return found[..., 0], found[..., 1]
