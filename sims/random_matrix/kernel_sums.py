r"""Kernel density estimates of Gaussian data at one point, from streamed distances.

Model: data y_1..y_n ~ N(0, Sigma), weights w_i = exp(-|x - y_i|^2/(2 h^2)) at a point x that is given by its norm. Only
distances enter: with Sigma = I, |x - y|^2 = (|x| - g)^2 + chi^2_{d-1}, two normals and a uniform for each data point in
any dimension. The sums over them are streamed (`kernels.exponential_sums`): the memory of a trial does not depend on n.

Cost of a data point: its distance (some 10 ns on one core) and an exponential for each bandwidth; powers of the weights
are bandwidths too, and equally spaced ones share their exponentials.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels import exponential_sums
from theorylab.kernels.arrays import host
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation


def _data(alpha: float, d: int) -> int:
    """Number of data points e^(alpha d), rounded, one at least."""
    return max(1, round(math.exp(alpha * d)))


def _cost(n: float, sums: float, numbers: float = 3.0, estimates: float = 1.0) -> Cost:
    return Cost(
        # A distance is two logarithms and some arithmetic; a further sum an exponential.
        flops=estimates * n * (60.0 + 20.0 * sums),
        # Terms of a piece in array code, whatever n; compiled code holds less, and once for all trials.
        bytes=8.0 * exponential_sums.TERMS * (sums + 15.0),
        draws=estimates * n * numbers,
    )


def _powers(k: int | np.ndarray) -> np.ndarray:
    return np.atleast_1d(np.asarray(k, dtype=float))


def _logs(
    trials: int, rng: Stream, d: int, n: int, factors: np.ndarray, h: float, norm: float | np.ndarray
) -> np.ndarray:
    """log sum_i w_i^factor, float64[trials, factors]."""
    return host(exponential_sums.isotropic(trials, rng, n, factors / h**2, norm, d))


def _moments(logs: np.ndarray, k: int | np.ndarray) -> np.ndarray:
    """sum of normalised weights to the powers k, from log-sums at 1 and k."""
    moments = np.exp(logs[:, 1:] - _powers(k) * logs[:, :1])
    return moments if np.ndim(k) else moments[:, 0]


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, n, k, **_: _cost(n, 1.0 + np.size(k)))
def participation(trials: int, rng: Stream, *, d: int, n: int, h: float, rho: float, k: int | np.ndarray) -> np.ndarray:
    """sum_i w_i^k / (sum_i w_i)^k for each power k, float64[trials] or float64[trials, powers], at |x|^2 = rho d."""
    factors = np.concatenate([[1.0], _powers(k)])
    return _moments(_logs(trials, rng, d, n, factors, h, math.sqrt(rho * d)), k)


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, alpha, d, k=2, **_: _cost(_data(alpha, round(d)), 4.0))
def condensation(
    trials: int, rng: Stream, *, alpha: float, d: int, h: float, k: int | np.ndarray
) -> dict[str, np.ndarray]:
    """Powers of the weights of e^(alpha d) data points at |x|^2 = d.

    Returns
    -------
    moments : float64[trials] or float64[trials, powers]
        As of `participation`.
    squares : float64[trials]
        sum_i w_i^4 / (sum_i w_i^2)^2: the participation ratio of the squared kernel.
    """
    powers = _powers(k)
    factors = np.unique(np.concatenate([[1.0, 2.0, 4.0], powers]))
    logs = _logs(trials, rng, d, _data(alpha, d), factors, h, math.sqrt(d))
    at = np.searchsorted(factors, np.concatenate([[1.0], powers]))
    two, four = np.searchsorted(factors, [2.0, 4.0])
    return {"moments": _moments(logs[:, at], k), "squares": np.exp(logs[:, four] - 2.0 * logs[:, two])}


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, n, **_: _cost(n, 1.0))
def log_sum(trials: int, rng: Stream, *, d: int, n: int, h: float, rho: float) -> dict[str, np.ndarray]:
    """The sum of kernels at |x|^2 = rho d.

    Returns
    -------
    sum, density : float64[trials]
        log sum_i w_i, and (1/d) log rho_hat.
    """
    logs = _logs(trials, rng, d, n, np.ones(1), h, math.sqrt(rho * d))[:, 0]
    return {"sum": logs, "density": (logs - math.log(n)) / d - 0.5 * math.log(2.0 * math.pi * h**2)}


@simulation(backends=("numpy", "numba"), cost=lambda *, n, **_: _cost(n, 1.0))
def log_ratio(trials: int, rng: Stream, *, d: int, n: int, h: float) -> np.ndarray:
    """(1/d) log(rho/rho_hat) at a point of the law rho of the data, float64[trials]."""
    norm = rng.chi(np.array([d]), trials)[:, 0]
    logs = _logs(trials, rng, d, n, np.ones(1), h, norm)[:, 0]
    own = -0.5 * norm**2 / d - 0.5 * math.log(2.0 * math.pi)
    return np.asarray(own - (logs - math.log(n)) / d + 0.5 * math.log(2.0 * math.pi * h**2))


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, n, m, **_: _cost(n, 1.0, 2.0 * m, 2.0))
def density(trials: int, rng: Stream, *, m: int, r: float, s: float, h: float, n: int) -> dict[str, np.ndarray]:
    """Two independent estimates at one x; m axes of variance 1 and m of variance s, x_j^2 = r^2 s_j/(2 m).

    Returns
    -------
    mean, scatter : float64[trials]
        Mean of the two, and half of their squared difference.
    """
    scales = np.sqrt(np.repeat([1.0, s], m))
    centre = r / math.sqrt(2.0 * m) * scales
    log_norm = math.log(n) + m * math.log(2.0 * math.pi * h**2)
    one, two = (
        np.exp(host(exponential_sums.quadratic(trials, rng, n, np.array([h**-2]), centre, scales))[:, 0] - log_norm)
        for _ in range(2)
    )
    return {"mean": 0.5 * (one + two), "scatter": 0.5 * (one - two) ** 2}


def _nearest_cost(*, n: float, **_: object) -> Cost:
    return Cost(flops=300.0 * n, bytes=40.0 * n + 64.0, draws=2.0 * n, moved=120.0 * n)


@simulation(backends=("numpy", "numba"), cost=_nearest_cost)
def nearest(trials: int, rng: Stream, *, d: int, n: int, rho: float, k: int) -> dict[str, np.ndarray]:
    """The data points nearest to x at |x|^2 = rho d, d > 1; energies are half squared distances.

    Returns
    -------
    least, excess : float64[trials]
        The smallest energy; the (k+1)-th smallest less the mean of the k smallest.
    """
    energy = 0.5 * ((math.sqrt(rho * d) - rng.normal(trials, n)) ** 2 + rng.chi(np.full(n, d - 1.0), trials) ** 2)
    lowest = np.sort(np.partition(energy, k, axis=1)[:, : k + 1], axis=1)
    return {"least": lowest[:, 0], "excess": lowest[:, k] - lowest[:, :k].mean(axis=1)}
