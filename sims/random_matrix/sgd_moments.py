r"""SGD on a random quadratic with fresh Gaussian batches: second moments of many runs, and thresholds of one step.

Inputs x are normal with covariance eigenvalues `spectrum`, labels normal with standard deviation tau; theta is the
error vector. A step is theta <- theta - (eta/B) sum_b x_b (x_b.theta - eps_b), of B (P + 1) normals.

Moments of many steps are dominated by rare runs near the threshold: there the map of the second moments is measured one
column at a time, by single steps from the axes. Columns are independent, so that the determinant of I less the map has
the right mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation


def _step(rng: Stream, theta: Any, spectrum: np.ndarray, B: int, eta: float, tau: float) -> Any:
    """theta after one step, float64[trials, runs, P]."""
    trials, runs, P = theta.shape
    z = rng.normal(trials, runs, B, P)
    xp = namespace(z)
    x = z * xp.asarray(np.sqrt(spectrum))
    error = x @ theta[..., None]
    if tau:
        error = error - tau * rng.normal(trials, runs, B, 1)
    return theta - eta / B * (xp.matrix_transpose(x) @ error)[..., 0]


def _cost(
    *, spectrum: np.ndarray, B: float, runs: float, steps: float = 1.0, outputs: float = 0.0, **_: object
) -> Cost:
    P = float(np.size(spectrum))
    return Cost(
        flops=runs * steps * 4.0 * B * P,
        bytes=8.0 * (runs * (2.0 * B * P + 2.0 * B + 3.0 * P) + outputs + 8.0),
        draws=runs * steps * B * (P + 1.0),
        moved=runs * steps * (40.0 * B * P + 60.0 * P),
        # Two small products a run and step, one by one.
        steps=runs * steps * (3.0 * B + 40.0),
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
def squares(
    trials: int, rng: Stream, *, spectrum: np.ndarray, B: int, eta: float, tau: float, steps: int, runs: int
) -> np.ndarray:
    """theta_j^2 in the eigenbasis after some steps from (1, ..., 1), float64[trials, P]: the mean of some runs.

    Squares have heavy tails, means of runs less so."""
    xp = namespace(rng.normal(1, 1))
    theta = xp.ones((trials, runs, spectrum.size))
    for _ in range(steps):
        theta = _step(rng, theta, spectrum, B, eta, tau)
    return xp.mean(theta * theta, axis=1)


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda **p: _cost(**p, outputs=np.size(p["spectrum"]) ** 2))
def products(
    trials: int, rng: Stream, *, spectrum: np.ndarray, B: int, eta: float, tau: float, start: np.ndarray, runs: int
) -> np.ndarray:
    """All products theta_i theta_j after one step from `start`, float64[trials, P P]: the mean of some runs."""
    xp = namespace(rng.normal(1, 1))
    theta = xp.zeros((trials, runs, spectrum.size)) + xp.asarray(start)
    theta = _step(rng, theta, spectrum, B, eta, tau)
    return xp.reshape(xp.matrix_transpose(theta) @ theta / runs, (trials, -1))


@simulation(backends=("numpy", "numba"), cost=lambda **p: _cost(**p, outputs=3 * np.size(p["spectrum"]) ** 2))
def moment_order(trials: int, rng: Stream, *, spectrum: np.ndarray, B: int, eta: float, runs: int) -> np.ndarray:
    """Minus det(I - K), float64[trials], K the map of the E theta_j^2 under one step: each column the mean of some
    runs from an axis.

    Negative where second moments decay, positive where they begin to grow."""
    axes = np.eye(spectrum.size)
    columns = [
        np.square(_step(rng, np.tile(axis, (trials, runs, 1)), spectrum, B, eta, 0.0)).mean(axis=1) for axis in axes
    ]
    return -np.linalg.det(axes - np.stack(columns, axis=2))


def _log_cost(*, B: float, runs: float, **_: object) -> Cost:
    numbers = B * runs
    return Cost(
        flops=40.0 * runs,
        bytes=8.0 * (2.0 * numbers + 1.5 * runs + 8.0),
        draws=numbers,
        moved=40.0 * numbers + 80.0 * runs,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_log_cost)
def log_contraction(trials: int, rng: Stream, *, B: int, eta: float, runs: int) -> np.ndarray:
    """log of |theta| after a step over |theta| before, float64[trials]: one parameter, unit variance, mean of some
    runs."""
    z = rng.normal(trials, runs, B)
    xp = namespace(z)
    return xp.mean(xp.log(xp.abs(1.0 - eta / B * xp.sum(z * z, axis=2))), axis=1)


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, times, **p: _cost(**p, runs=1, outputs=np.size(times)))
def logarithms(trials: int, rng: Stream, *, spectrum: np.ndarray, B: int, eta: float, times: np.ndarray) -> np.ndarray:
    """log |theta|^2 along a run without noise from (1, ..., 1) after `times` steps, float64[trials, times]."""
    xp = namespace(rng.normal(1, 1))
    theta = xp.ones((trials, 1, spectrum.size))
    found, total = [], xp.zeros(trials)
    for step in range(int(np.max(times)) + 1):
        square = xp.sum(theta * theta, axis=(1, 2))
        # Of unit length from here on: what grows or decays is in the sum of logarithms.
        total, theta = total + xp.log(square), theta / xp.sqrt(square)[:, None, None]
        found += [total] * int(np.count_nonzero(np.asarray(times) == step))
        theta = _step(rng, theta, spectrum, B, eta, 0.0)
    return xp.stack(found, axis=1)


def measured_threshold(spectrum: np.ndarray, B: int) -> float:
    """Learning rate at which the largest eigenvalue of the map of second moments is 1, from moments of chi^2_B.

    From the axis k the j-th component of H_B theta is sqrt(lambda_j lambda_k) (z_j.z_k)/B with normal z in R^B: its
    mean square is the second moment of chi^2_B for j = k, the first for j != k."""
    mean, square = float(chi2.moment(1, B)) / B, float(chi2.moment(2, B)) / B**2
    lam = np.asarray(spectrum, dtype=float)
    across = np.outer(lam, lam) * float(chi2.moment(1, B)) / B**2

    def growth(eta: float) -> float:
        matrix = eta**2 * across
        np.fill_diagonal(matrix, 1.0 - 2.0 * eta * lam * mean + eta**2 * lam**2 * square)
        # Less 1 and over eta: no small differences for small spectra.
        return float(np.linalg.eigvalsh((matrix - np.eye(lam.size)) / eta)[-1])

    high = 2.0 * mean / (lam.max() * square)
    return high if lam.size == 1 else float(brentq(growth, 1e-9 * high, high, xtol=1e-14 * high, rtol=1e-13))


# A bracketed root takes some thirty small eigenvalue problems.
SEARCH = Cost(flops=1e4, bytes=5e5, draws=16.0, steps=60_000.0)


@simulation(backends=("numpy", "numba"), per_trial=False, cost=lambda **_: SEARCH)
def thresholds(trials: int, rng: Stream) -> dict[str, np.ndarray]:
    """Thresholds of random spectra of up to 12 eigenvalues, the largest 1, at random batch sizes.

    Returns
    -------
    x : float64[trials]
        (tr Sigma/lambda_max + 1)/B.
    y, error, case
        Threshold times lambda_max, its numerical error, the number of the case.
    """
    return _searched(trials, rng, 1.0)


@simulation(backends=("numpy", "numba"), per_trial=False, cost=lambda **_: SEARCH)
def thresholds_by_trace(trials: int, rng: Stream) -> dict[str, np.ndarray]:
    """The same with x = tr Sigma/(B lambda_max)."""
    return _searched(trials, rng, 0.0)


def _searched(trials: int, rng: Stream, more: float) -> dict[str, np.ndarray]:
    u = rng.uniform(trials, 15)
    x, y = np.empty(trials), np.empty(trials)
    for i, row in enumerate(u):
        # A third of the spectra is flat; of the others eigenvalues may be small.
        size, B = 1 + int(12 * row[0]), round(10.0 ** (3.0 * row[1]))
        spread = 0.0 if row[2] < 1 / 3 else 4.0 * row[2]
        spectrum = 10.0 ** (-spread * row[3 : 3 + size])
        spectrum /= spectrum.max()
        x[i], y[i] = (spectrum.sum() + more) / B, measured_threshold(spectrum, B)
    return {"x": x, "y": y, "error": 1e-11 * y, "case": np.arange(trials)}


def flat_spectrum(Y: np.ndarray) -> np.ndarray:
    """The threshold of equal unit eigenvalues in as many dimensions as give (P + 1)/B = Y."""
    return np.array([measured_threshold(np.ones(round(8 * float(y)) - 1), 8) for y in np.ravel(Y)]).reshape(np.shape(Y))
