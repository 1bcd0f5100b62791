r"""Stability limits of descent on one random batch, from the top eigenvalue of its (preconditioned) curvature.

The limit is 2/lambda_max. Matrices are drawn in tridiagonal form (see `bidiagonal`): P and B up to millions.

- Gauss-Newton batch G = (1/B) X X^T: X is P x B normal, variance theta in the first row, sigma^2 in the others.
- Additive batch lam1 e e^T + E: E is P x P GOE with off-diagonal variance sigma_eps^2/b. Reflections that leave e alone
  turn E into a tridiagonal matrix of normals (variance 2) on the diagonal and chi_{P-1}, chi_{P-2}, ... beside it.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels import eigen
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.bidiagonal import (
    LENGTHS,
    SWEEPS,
    largest,
    leading_rows,
    rows_cost,
    top_cost,
    tridiagonal,
)
from theorylab.simulation import Cost, simulation


def top_eigenvalue(trials: int, rng: Stream, P: int, B: int, theta: float, sigma: float) -> np.ndarray:
    """Largest eigenvalue of a Gauss-Newton batch, float64[trials]."""
    return largest(rng, *tridiagonal(trials, rng, P, B, theta, sigma, leading_rows(P, B)))


@simulation(backends=("numpy", "numba"), cost=lambda *, B, r, **_: top_cost((r * B, B)))
def rates_at_ratio(
    trials: int, rng: Stream, *, B: int, r: float, theta: float, sigma: float, slope: float, cross: float
) -> dict[str, np.ndarray]:
    """Stability limits at P = r B.

    Parameters
    ----------
    slope, cross
        Coefficients of two control variates of mean zero, which take away most of the noise: any values give the
        same means. The variates are e^T G e - theta and |(1 - e e^T) G e|^2 - theta sigma^2 (P - 1)/B.

    Returns
    -------
    sgd, adam : float64[trials]
        2/lambda and 2/sqrt(lambda), the eigenvalue of G^(-1/2) G.
    scaled_sgd, scaled_adam : float64[trials]
        B times these, plus B times the control variates.
    """
    P = round(r * B)
    diagonal, off = tridiagonal(trials, rng, P, B, theta, sigma, leading_rows(P, B))
    top = largest(rng, diagonal, off)
    control = slope * (diagonal[:, 0] - theta) + cross * (np.square(off[:, 0]) - theta * sigma**2 * (P - 1) / B)
    return {
        "sgd": 2.0 / top,
        "adam": 2.0 / np.sqrt(top),
        "scaled_sgd": B * (2.0 / top + control),
        "scaled_adam": B * (2.0 / np.sqrt(top) + control),
    }


@simulation(backends=("numpy", "numba"), cost=lambda *, P, B, **_: top_cost((P, B)))
def isotropic_rates(trials: int, rng: Stream, *, P: int, B: int, sigma: float) -> dict[str, np.ndarray]:
    """`sgd` and `adam` limits for white data at any P and B."""
    top = top_eigenvalue(trials, rng, P, B, sigma**2, sigma)
    return {"sgd": 2.0 / top, "adam": 2.0 / np.sqrt(top)}


@simulation(backends=("numpy", "numba"), cost=lambda *, B, r, **_: top_cost(*3 * [(r * B, B)]))
def spread(trials: int, rng: Stream, *, B: int, r: float, theta: float, sigma: float) -> dict[str, np.ndarray]:
    """What averaging over batches adds, from three independent batches at P = r B.

    Returns
    -------
    inverse : float64[trials]
        Its mean is B (E[lambda] E[1/lambda] - 1): the mean of lambda_i/lambda_j - 1 over all pairs i != j.
    root : float64[trials]
        Its mean is B (E[lambda] E[1/sqrt(lambda)]^2 - 1).
    """
    x, y, z = (top_eigenvalue(trials, rng, round(r * B), B, theta, sigma) for _ in range(3))
    pairs = sum(np.square(u - v) / (u * v) for u, v in ((x, y), (y, z), (z, x)))
    return {
        "inverse": B * pairs / 6.0,
        "root": B * ((x**1.5 + y**1.5 + z**1.5) / (3.0 * np.sqrt(x * y * z)) - 1.0),
    }


@simulation(backends=("numpy", "numba"), cost=lambda *, B, r, k, **_: top_cost((r * B, B), (r * B, k * B)))
def two_batches(trials: int, rng: Stream, *, B: int, r: float, k: float, theta: float, sigma: float) -> np.ndarray:
    """sqrt(lambda(B)/lambda(k B)) for independent batches of B and k B samples at P = r B, float64[trials]."""
    P = round(r * B)
    small = top_eigenvalue(trials, rng, P, B, theta, sigma)
    large = top_eigenvalue(trials, rng, P, round(k * B), theta, sigma)
    return np.asarray(np.sqrt(small / large))


@simulation(
    backends=("numpy", "numba"),
    cost=lambda *, P, b, k, **_: top_cost(*((P, size) for x in np.atleast_1d(b) for size in (x / k, x * k))),
)
def local_slopes(
    trials: int, rng: Stream, *, P: int, b: np.ndarray, k: float, theta: float, sigma: float
) -> np.ndarray:
    """Slope of log(2/lambda) between batches of b/k and b k samples, at each b, float64[trials, len(b)]."""
    columns = []
    for size in np.atleast_1d(b):
        small = top_eigenvalue(trials, rng, P, round(size / k), theta, sigma)
        large = top_eigenvalue(trials, rng, P, round(size * k), theta, sigma)
        columns.append(np.log(small / large) / math.log(round(size * k) / round(size / k)))
    return np.stack(columns, axis=1)


def _goe(trials: int, rng: Stream, P: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Leading rows of a tridiagonal GOE matrix with off-diagonal variance scale^2 before the reduction."""
    rows = min(P, math.ceil(LENGTHS * P ** (1.0 / 3.0)) + 16)
    chi = eigen.chi_numpy if rng.backend == "numpy" else eigen.chi_numba
    diagonal = math.sqrt(2.0) * scale * rng.normal(trials, rows)
    beside = scale * chi(rng.key, rng.next_draw(), rng.first_trial, trials, P - 1 - np.arange(rows - 1))
    return diagonal, beside


def _goe_cost(*, P: float, **_: object) -> Cost:
    return rows_cost(min(P, LENGTHS * P ** (1.0 / 3.0) + 16.0), SWEEPS, chis=1.0, normals=1.0)


@simulation(backends=("numpy", "numba"), cost=_goe_cost)
def additive_rate(trials: int, rng: Stream, *, P: int, r: float, lam1: float, sigma_eps: float) -> np.ndarray:
    """2/lambda_max of an additive batch with b = P/r, float64[trials]."""
    diagonal, beside = _goe(trials, rng, P, sigma_eps * math.sqrt(r / P))
    diagonal[:, 0] += lam1
    return 2.0 / largest(rng, diagonal, beside)


@simulation(backends=("numpy", "numba"), cost=_goe_cost)
def additive_rate_at_batch(trials: int, rng: Stream, *, P: int, b: float, lam1: float, sigma_eps: float) -> np.ndarray:
    """2/lambda_max of an additive batch of effective size b, float64[trials]."""
    return np.asarray(additive_rate.function(trials, rng, P=P, r=P / b, lam1=lam1, sigma_eps=sigma_eps))


@simulation(backends=("numpy", "numba"), cost=lambda *, P, r, **_: top_cost((P, P / r)))
def damped_growth(
    trials: int, rng: Stream, *, P: int, r: float, alpha: float, delta: float, lam1: float, sigma: float
) -> np.ndarray:
    """-log|1 - alpha lambda_max(C^-1 G)|, float64[trials], for a Gauss-Newton batch with B = P/r.

    The full-batch curvature H_emp = lam1 e e^T is flat but for one direction, C = H_emp + delta I. Samples have
    variance lam1 along e and sigma^2 elsewhere. Positive where damping delta keeps the step stable.
    """
    B = round(P / r)
    top = top_eigenvalue(trials, rng, P, B, lam1 / (lam1 + delta), sigma / math.sqrt(delta))
    return -np.log(np.abs(1.0 - alpha * top))


@simulation(backends=("numpy", "numba"), cost=_goe_cost)
def damped_additive_growth(
    trials: int, rng: Stream, *, P: int, r: float, alpha: float, delta: float, lam1: float, sigma_eps: float
) -> np.ndarray:
    """The same for an additive batch lam1 e e^T + E with b = P/r and C = lam1 e e^T + delta I, float64[trials]."""
    diagonal, beside = _goe(trials, rng, P, sigma_eps * math.sqrt(r / P))
    along = math.sqrt(lam1 + delta)
    diagonal[:, 0] = (diagonal[:, 0] + lam1) / along**2
    beside[:, 0] /= along * math.sqrt(delta)
    diagonal[:, 1:] /= delta
    beside[:, 1:] /= delta
    return -np.log(np.abs(1.0 - alpha * largest(rng, diagonal, beside)))
