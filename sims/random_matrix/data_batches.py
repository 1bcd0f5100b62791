r"""Batches of one data set: Gauss-Newton matrices of a finite sample and of parts of it.

Model: a data set of N columns x ~ N(0, Sigma) in R^P, Sigma = sigma^2 I + (theta - sigma^2) e e^T, P = rho N;
G = X X^T / N. A batch of B = t N columns, drawn without or with replacement, has G_batch = X_b X_b^T / B. Given the
data set, v^T G_batch v has mean lambda_1 for the top eigenvector v of G under both schemes: subtracting its
deviation takes away most of the noise of a batch.

Cost of a trial: one P x P eigendecomposition for the data set and one for each batch, and their Gram matrices.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels.eigen import gram_eigenvalues
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.bidiagonal import largest, leading_rows, top_cost, tridiagonal
from theorylab.simulation import Cost, simulation

# Numbers in the data sets that are held at a time.
NUMBERS = 1 << 20


def _cost(*, N: float, rho: float, t: float, batches: float, **_: object) -> Cost:
    P = rho * N
    return Cost(flops=(1.0 + batches) * (10.0 * P**3 + P * P * N * max(t, 1.0)), bytes=8.0 * P * N * (2.0 + t))


def _data(trials: int, rng: Stream, P: int, N: int, theta: float, sigma: float) -> np.ndarray:
    x = sigma * rng.normal(trials, P, N)
    x[:, 0] *= math.sqrt(theta) / sigma
    return x


def _gram(x: np.ndarray) -> np.ndarray:
    return np.asarray(x @ x.transpose(0, 2, 1) / x.shape[2])


def _measure(
    trials: int, rng: Stream, N: int, rho: float, t: float, theta: float, sigma: float, batches: int, replace: bool
) -> dict[str, np.ndarray]:
    P, B = round(rho * N), round(t * N)
    parts: dict[str, list[np.ndarray]] = {"shift": [], "overlap": [], "spectrum": []}
    for part, count in rng.split(trials, max(1, NUMBERS // (P * N))):
        x = _data(count, part, P, N, theta, sigma)
        spectrum, vectors = np.linalg.eigh(_gram(x))
        v = vectors[:, :, -1]
        shift, overlap = np.zeros(count), np.zeros(count)
        for _ in range(batches):
            drawn = (N * part.uniform(count, B)).astype(int) if replace else part.permutation(count, N)[:, :B]
            g = _gram(np.take_along_axis(x, drawn[:, None, :], axis=2))
            values, moved = np.linalg.eigh(g)
            shift += values[:, -1] - np.einsum("ti,tij,tj->t", v, g, v)
            overlap += np.square(np.einsum("ti,ti->t", v, moved[:, :, -1]))
        parts["shift"].append(shift / batches)
        parts["overlap"].append(overlap / batches)
        parts["spectrum"].append(spectrum[:, -min(P, N) :])
    return {name: np.concatenate(p) for name, p in parts.items()}


@simulation(backends=("numpy", "numba"), cost=_cost)
def without_replacement(
    trials: int, rng: Stream, *, N: int, rho: float, t: float, theta: float, sigma: float, batches: int
) -> dict[str, np.ndarray]:
    """A trial draws a data set and `batches` batches of it without replacement.

    Returns
    -------
    shift : float64[trials]
        Largest eigenvalue of the batch minus that of the data set, control variate subtracted, mean over batches.
    overlap : float64[trials]
        Squared inner product of the two top eigenvectors, mean over batches.
    spectrum : float64[trials, min(P, N)]
        Nonzero eigenvalues of the data set's G, ascending.
    """
    return _measure(trials, rng, N, rho, t, theta, sigma, batches, replace=False)


@simulation(backends=("numpy", "numba"), cost=_cost)
def with_replacement(
    trials: int, rng: Stream, *, N: int, rho: float, t: float, theta: float, sigma: float, batches: int
) -> dict[str, np.ndarray]:
    """As `without_replacement`, but every draw of a batch is from all N samples."""
    return _measure(trials, rng, N, rho, t, theta, sigma, batches, replace=True)


@simulation(backends=("numpy", "numba"), cost=lambda *, P, B, **_: Cost(4.0 * P * B * min(P, B), 16.0 * P * B))
def batch_spectrum(trials: int, rng: Stream, *, P: int, B: int, theta: float, sigma: float) -> np.ndarray:
    """All P eigenvalues of a batch of B fresh samples, ascending, the zeros of a small batch included."""
    out = np.zeros((trials, P))
    done = 0
    for part, count in rng.split(trials, max(1, NUMBERS // (P * B))):
        values = gram_eigenvalues(_data(count, part, P, B, theta, sigma)) / B
        # Rounding may leave a zero of a singular matrix a hair below zero.
        out[done : done + count, P - min(P, B) :] = np.maximum(values, 0.0)
        done += count
    return out


@simulation(backends=("numpy", "numba"), cost=lambda *, P, B, **_: Cost(flops=30.0 * P * B * B, bytes=16.0 * P * B))
def batch_rank(trials: int, rng: Stream, *, P: int, B: int) -> np.ndarray:
    """Numerical rank of a batch of B normal columns in R^P, float64[trials]."""
    return np.asarray(np.linalg.matrix_rank(rng.normal(trials, P, B)), dtype=float)


@simulation(backends=("numpy", "numba"), cost=lambda *, N, B: Cost(flops=30.0 * N * B * B, bytes=16.0 * N * B))
def resampled_rank(trials: int, rng: Stream, *, N: int, B: int) -> np.ndarray:
    """Numerical rank of B columns drawn with replacement from N normal columns in R^N, float64[trials]."""
    x = rng.normal(trials, N, N)
    drawn = (N * rng.uniform(trials, B)).astype(int)
    return np.asarray(np.linalg.matrix_rank(np.take_along_axis(x, drawn[:, None, :], axis=2)), dtype=float)


@simulation(backends=("numpy", "numba"), cost=top_cost)
def small_batch(trials: int, rng: Stream, *, P: int, B: int, sigma: float) -> np.ndarray:
    """B/P times the largest eigenvalue of a batch of B columns of white noise in R^P, float64[trials]."""
    rows = leading_rows(P, B)
    return B / P * largest(rng, *tridiagonal(trials, rng, P, B, sigma**2, sigma, rows))
