r"""Sample covariance matrices with independent entries, in full: X is p x n, S = X X^T / n.

Entries have mean 0 and variance sigma^2 and are Gaussian or, where a result does not depend on more, signs.
The number of samples is n = p/c. Eigenvalues come from the smaller of X X^T and X^T X; the remaining
p - min(p, n) are exact zeros.

Cost of a trial: p n random numbers, a product of 2 p n min(p, n) operations and an eigenvalue problem of about
(4/3) min(p, n)^3 more; memory 8 (p n + min(p, n)^2) bytes.
"""

from __future__ import annotations

import numpy as np

from theorylab.kernels.eigen import gram_eigenvalues
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

# Doubles held at a time, about 32 MB.
MOST = 4_000_000


def entries_of(trials: int, rng: Stream, p: int, n: int, sigma: float, entries: str) -> np.ndarray:
    """X, float64[trials, p, n]; `entries` is "gaussian" or "signs"."""
    draw = {"gaussian": rng.normal, "signs": rng.rademacher}[entries]
    return sigma * draw(trials, p, n)


def spectrum(trials: int, rng: Stream, p: int, n: int, sigma: float, entries: str) -> np.ndarray:
    """Eigenvalues of S with their zeros, float64[trials, p], ascending."""
    out = np.zeros((trials, p))
    done = 0
    for part, count in rng.split(trials, max(1, MOST // (p * n))):
        values = gram_eigenvalues(entries_of(count, part, p, n, sigma, entries)) / n
        # Rounding may leave a zero of a singular matrix a hair below zero.
        out[done : done + count, p - min(p, n) :] = np.maximum(values, 0.0)
        done += count
    return out


def _cost(*, p: float, c: float = 1.0, n: float = 0.0, **_: object) -> Cost:
    n = n or p / c
    few = min(p, n)
    return Cost(flops=10 * p * n + 2 * p * n * few + 1.4 * few**3, bytes=8 * (p * n + few**2))


@simulation(backends=("numpy", "numba"), cost=_cost)
def eigenvalues(trials: int, rng: Stream, *, p: int, c: float, sigma: float, entries: str) -> np.ndarray:
    """The whole spectrum of S, float64[trials, p]: the matrix is the unit of replication."""
    return spectrum(trials, rng, p, round(p / c), sigma, entries)


@simulation(backends=("numpy", "numba"), cost=_cost)
def linear_statistics(
    trials: int, rng: Stream, *, p: int, c: float, lam: float, sigma: float, entries: str
) -> dict[str, np.ndarray]:
    """Averages over the spectrum of S.

    Returns
    -------
    resolvent, squared_resolvent, logdet : float64[trials]
        (1/p) tr of (S + lam)^-1, (S + lam)^-2 and log(S + lam).
    """
    shifted = spectrum(trials, rng, p, round(p / c), sigma, entries) + lam
    return {
        "resolvent": (1.0 / shifted).mean(axis=1),
        "squared_resolvent": (1.0 / shifted**2).mean(axis=1),
        "logdet": np.log(shifted).mean(axis=1),
    }


@simulation(backends=("numpy", "numba"), cost=_cost)
def power_mean(trials: int, rng: Stream, *, p: int, n: int, k: int, sigma: float) -> np.ndarray:
    """(1/p) tr S^k for Gaussian entries, float64[trials]; k = -1 is the inverse."""
    return np.asarray((spectrum(trials, rng, p, n, sigma, "gaussian") ** float(k)).mean(axis=1))


@simulation(backends=("numpy", "numba"), cost=_cost)
def power_mean_at_ratio(
    trials: int, rng: Stream, *, p: int, c: float, k: int, sigma: float, entries: str
) -> np.ndarray:
    """(1/p) tr S^k at n = p/c, float64[trials]."""
    return np.asarray((spectrum(trials, rng, p, round(p / c), sigma, entries) ** float(k)).mean(axis=1))


def _two_cost(*, p: float, c1: float, c2: float, **_: object) -> Cost:
    return Cost(flops=2 * p**2 * (p / c1 + p / c2) + 4 * p**3, bytes=8 * p * (p / c1 + p / c2 + 2 * p))


def _two(trials: int, rng: Stream, p: int, c1: float, c2: float, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    pair = []
    for c in (c1, c2):
        x = entries_of(trials, rng, p, round(p / c), sigma, "gaussian")
        pair.append(x @ np.swapaxes(x, 1, 2) / x.shape[2])
    return pair[0], pair[1]


@simulation(backends=("numpy", "numba"), cost=_two_cost)
def sum_of_two(trials: int, rng: Stream, *, p: int, c1: float, c2: float, lam: float, sigma: float) -> np.ndarray:
    """(1/p) tr (S_1 + S_2 + lam)^-1 for independent S_i with n_i = p/c_i, float64[trials]."""
    first, second = _two(trials, rng, p, c1, c2, sigma)
    return np.asarray((1.0 / (np.linalg.eigvalsh(first + second) + lam)).mean(axis=1))


@simulation(backends=("numpy", "numba"), cost=_two_cost)
def product_of_two(trials: int, rng: Stream, *, p: int, c1: float, c2: float, k: int, sigma: float) -> np.ndarray:
    """(1/p) tr (S_1 S_2)^k for independent S_i with n_i = p/c_i, float64[trials]."""
    first, second = _two(trials, rng, p, c1, c2, sigma)
    product = first @ second
    power = product
    for _ in range(k - 1):
        power = power @ product
    return np.asarray(np.trace(power, axis1=1, axis2=2) / p)
