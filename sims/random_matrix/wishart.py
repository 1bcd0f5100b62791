r"""Sample covariance matrices with independent entries, in full: X is p x n, S = X X^T / n.

Entries have mean 0 and variance sigma^2 and are Gaussian or, where a result does not depend on more, signs.
The number of samples is n = p/c. Eigenvalues come from the smaller of X X^T and X^T X; the remaining
p - min(p, n) are exact zeros.

Cost of a trial: p n random numbers, a product of 2 p n min(p, n) operations and an eigenvalue problem of
(4/3) min(p, n)^3 more; memory for X twice.
"""

from __future__ import annotations

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.eigen import covariance_eigenvalues
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation


def entries_of(trials: int, rng: Stream, p: int, n: int, sigma: float, entries: str) -> np.ndarray:
    """X, float64[trials, p, n]; `entries` is "gaussian" or "signs"."""
    draw = {"gaussian": rng.normal, "signs": rng.rademacher}[entries]
    return sigma * draw(trials, p, n)


def spectrum(trials: int, rng: Stream, p: int, n: int, sigma: float, entries: str) -> np.ndarray:
    """Eigenvalues of S with their zeros, float64[trials, p], ascending."""
    return covariance_eigenvalues(entries_of(trials, rng, p, n, sigma, entries))


def dense_cost(*, p: float, c: float = 1.0, n: float = 0.0, **_: object) -> Cost:
    """Cost of the spectrum of one dense matrix, of n = p/c columns where n is not given."""
    n = n or p / c
    few = min(p, n)
    gram, eigen = 2.0 * p * n * few, 4.0 / 3.0 * few**3
    return Cost(
        flops=gram + eigen,
        bytes=8.0 * (p * n + max(1.15 * p * n, 2.0 * few**2) + 2.0 * p),
        draws=p * n,
        moved=24.0 * p * n + 16.0 * few**2 + 100.0 * p,
        products=gram,
        factorisations=eigen,
        order=few,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=dense_cost)
def eigenvalues(trials: int, rng: Stream, *, p: int, c: float, sigma: float, entries: str) -> np.ndarray:
    """The whole spectrum of S, float64[trials, p]: the matrix is the unit of replication."""
    return spectrum(trials, rng, p, round(p / c), sigma, entries)


@simulation(backends=("numpy", "numba", "cupy"), cost=dense_cost)
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
    xp = namespace(shifted)
    return {
        "resolvent": xp.mean(1.0 / shifted, axis=1),
        "squared_resolvent": xp.mean(1.0 / shifted**2, axis=1),
        "logdet": xp.mean(xp.log(shifted), axis=1),
    }


def _power_mean(values: np.ndarray, k: int) -> np.ndarray:
    mean: np.ndarray = namespace(values).mean(values ** float(k), axis=1)
    return mean


@simulation(backends=("numpy", "numba", "cupy"), cost=dense_cost)
def power_mean(trials: int, rng: Stream, *, p: int, n: int, k: int, sigma: float) -> np.ndarray:
    """(1/p) tr S^k for Gaussian entries, float64[trials]; k = -1 is the inverse."""
    return _power_mean(spectrum(trials, rng, p, n, sigma, "gaussian"), k)


@simulation(backends=("numpy", "numba", "cupy"), cost=dense_cost)
def power_mean_at_ratio(
    trials: int, rng: Stream, *, p: int, c: float, k: int, sigma: float, entries: str
) -> np.ndarray:
    """(1/p) tr S^k at n = p/c, float64[trials]."""
    return _power_mean(spectrum(trials, rng, p, round(p / c), sigma, entries), k)


def _two_cost(p: float, c1: float, c2: float, products: float, eigen: float) -> Cost:
    n, large = p / c1 + p / c2, p / min(c1, c2)
    products = 2.0 * p**2 * n + 2.0 * p**3 * products
    return Cost(
        flops=products + eigen,
        bytes=8.0 * p * (large + max(large, 4.0 * p)),
        draws=p * n,
        moved=16.0 * p * n + 64.0 * p**2,
        products=products,
        factorisations=eigen,
        order=p,
    )


def _two(trials: int, rng: Stream, p: int, c1: float, c2: float, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    pair = []
    for c in (c1, c2):
        x = entries_of(trials, rng, p, round(p / c), sigma, "gaussian")
        pair.append(x @ namespace(x).matrix_transpose(x) / x.shape[2])
    return pair[0], pair[1]


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, p, c1, c2, **_: _two_cost(p, c1, c2, 0, 4 / 3 * p**3))
def sum_of_two(trials: int, rng: Stream, *, p: int, c1: float, c2: float, lam: float, sigma: float) -> np.ndarray:
    """(1/p) tr (S_1 + S_2 + lam)^-1 for independent S_i with n_i = p/c_i, float64[trials]."""
    first, second = _two(trials, rng, p, c1, c2, sigma)
    xp = namespace(first)
    resolvent: np.ndarray = xp.mean(1.0 / (xp.linalg.eigvalsh(first + second) + lam), axis=1)
    return resolvent


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, p, c1, c2, k, **_: _two_cost(p, c1, c2, k, 0))
def product_of_two(trials: int, rng: Stream, *, p: int, c1: float, c2: float, k: int, sigma: float) -> np.ndarray:
    """(1/p) tr (S_1 S_2)^k for independent S_i with n_i = p/c_i, float64[trials]."""
    first, second = _two(trials, rng, p, c1, c2, sigma)
    product = first @ second
    power = product
    for _ in range(k - 1):
        power = power @ product
    xp = namespace(power)
    trace: np.ndarray = xp.sum(power * xp.eye(p), axis=(1, 2))
    return trace / p
