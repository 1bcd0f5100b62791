r"""Batches of one data set: Gauss-Newton matrices of a finite sample and of parts of it.

Model: a data set of N columns x ~ N(0, Sigma) in R^P, Sigma = sigma^2 I + (theta - sigma^2) e e^T, P = rho N;
G = X X^T / N. A batch of B = t N columns, drawn without or with replacement, has G_batch = X_b X_b^T / B. Given the
data set, v^T G_batch v has mean lambda_1 for the top eigenvector v of G under both schemes: subtracting its
deviation takes away most of the noise of a batch.

Cost of a trial: one P x P eigendecomposition for the data set and one for each batch, their Gram matrices, the columns
of the batches gathered, and P N normals.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.eigen import covariance_eigenvalues
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.bidiagonal import largest, leading_rows, top_cost, tridiagonal
from theorylab.simulation import Cost, simulation


def _cost(*, N: float, rho: float, t: float, batches: float, **_: object) -> Cost:
    P, B = rho * N, t * N
    gram, eigen = 2.0 * P * P * (N + batches * B), (1.0 + batches) * 10.0 / 3.0 * P**3
    return Cost(
        flops=gram + eigen,
        bytes=8.0 * (P * (N + B) + 5.0 * P * P + 2.0 * N),
        draws=P * N + batches * N,
        moved=24.0 * P * N + (1.0 + batches) * 32.0 * P * P,
        steps=batches * (P * B + N * math.log2(N)),
        products=gram,
        factorisations=eigen,
        order=P,
    )


def _spectrum_cost(*, P: float, B: float, **_: object) -> Cost:
    few = min(P, B)
    gram, eigen = 2.0 * P * B * few, 4.0 / 3.0 * few**3
    return Cost(
        flops=gram + eigen,
        bytes=8.0 * (P * B + max(P * B, 2.0 * few**2) + 2.0 * P),
        draws=P * B,
        moved=16.0 * P * B + 16.0 * few**2,
        products=gram,
        factorisations=eigen,
        order=few,
    )


def _rank_cost(rows: float, columns: float, drawn: float, held: float) -> Cost:
    few, many = min(rows, columns), max(rows, columns)
    singular = 4.0 * many * few**2 - 4.0 / 3.0 * few**3
    return Cost(
        flops=singular,
        bytes=8.0 * (held + 2.0 * columns),
        draws=drawn,
        moved=16.0 * rows * columns,
        factorisations=singular,
        order=math.sqrt(rows * columns),
    )


def _data(trials: int, rng: Stream, P: int, N: int, theta: float, sigma: float) -> np.ndarray:
    x = rng.normal(trials, P, N)
    xp = namespace(x)
    return x * xp.where(xp.arange(P) == 0, xp.asarray(math.sqrt(theta)), xp.asarray(sigma))[:, None]


def _gram(x: np.ndarray) -> np.ndarray:
    return x @ namespace(x).matrix_transpose(x) / x.shape[2]


def _columns(x: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The columns `drawn`, int[trials, B], of x, float64[trials, P, N]."""
    columns: np.ndarray = namespace(x).take_along_axis(x, drawn[:, None, :], axis=2)
    return columns


def _with_replacement(trials: int, rng: Stream, N: int, B: int) -> np.ndarray:
    uniform = rng.uniform(trials, B)
    xp = namespace(uniform)
    drawn: np.ndarray = xp.astype(N * uniform, xp.int64)
    return drawn


def _measure(
    trials: int, rng: Stream, N: int, rho: float, t: float, theta: float, sigma: float, batches: int, replace: bool
) -> dict[str, np.ndarray]:
    P, B = round(rho * N), round(t * N)
    x = _data(trials, rng, P, N, theta, sigma)
    xp = namespace(x)
    spectrum, vectors = xp.linalg.eigh(_gram(x))
    v = vectors[:, :, -1]
    shift, overlap = xp.zeros(trials), xp.zeros(trials)
    for _ in range(batches):
        drawn = _with_replacement(trials, rng, N, B) if replace else rng.permutation(trials, N)[:, :B]
        g = _gram(_columns(x, drawn))
        values, moved = xp.linalg.eigh(g)
        shift = shift + values[:, -1] - xp.sum(v * (g @ v[..., None])[..., 0], axis=1)
        overlap = overlap + xp.square(xp.sum(v * moved[:, :, -1], axis=1))
    return {"shift": shift / batches, "overlap": overlap / batches, "spectrum": spectrum[:, -min(P, N) :]}


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
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


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
def with_replacement(
    trials: int, rng: Stream, *, N: int, rho: float, t: float, theta: float, sigma: float, batches: int
) -> dict[str, np.ndarray]:
    """As `without_replacement`, but every draw of a batch is from all N samples."""
    return _measure(trials, rng, N, rho, t, theta, sigma, batches, replace=True)


@simulation(backends=("numpy", "numba", "cupy"), cost=_spectrum_cost)
def batch_spectrum(trials: int, rng: Stream, *, P: int, B: int, theta: float, sigma: float) -> np.ndarray:
    """All P eigenvalues of a batch of B fresh samples, ascending, the zeros of a small batch included."""
    return covariance_eigenvalues(_data(trials, rng, P, B, theta, sigma))


def _corner_cost(*, N: float, rho: float, t: float, **_: object) -> Cost:
    P, B = rho * N, t * N
    few = min(P, B)
    work = 8.0 / 3.0 * N**3 + 2.0 * P * B * few + 4.0 / 3.0 * few**3
    return Cost(
        flops=work,
        bytes=8.0 * (4.2 * N**2 + P * B),
        draws=N**2,
        moved=24.0 * 4.0 * N**2,
        products=2.0 * P * B * few,
        factorisations=work - 2.0 * P * B * few,
        order=N,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_corner_cost)
def batch_of_levels(trials: int, rng: Stream, *, N: int, rho: float, t: float, level: float) -> np.ndarray:
    """All P eigenvalues of a batch, float64[trials, P], ascending, zeros included, of a data set whose G has half of
    its eigenvalues at 1 and half at `level`: X = sqrt(N G) V, V the first P rows of a Haar matrix."""
    P, B = round(rho * N), round(t * N)
    v = rng.haar(trials, N)[:, :P, :B]
    xp = namespace(v)
    scale = xp.where(xp.arange(P) < P // 2, xp.asarray(1.0), xp.asarray(math.sqrt(level))) * math.sqrt(N)
    return covariance_eigenvalues(v * scale[:, None])


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, P, B: _rank_cost(P, B, P * B, P * B))
def batch_rank(trials: int, rng: Stream, *, P: int, B: int) -> np.ndarray:
    """Numerical rank of a batch of B normal columns in R^P, float64[trials]."""
    return _rank(rng.normal(trials, P, B))


def _rank(x: np.ndarray) -> np.ndarray:
    xp = namespace(x)
    rank: np.ndarray = xp.astype(xp.linalg.matrix_rank(x), xp.float64)
    return rank


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, N, B: _rank_cost(N, B, N * N + B, N * (N + B)))
def resampled_rank(trials: int, rng: Stream, *, N: int, B: int) -> np.ndarray:
    """Numerical rank of B columns drawn with replacement from N normal columns in R^N, float64[trials]."""
    x = rng.normal(trials, N, N)
    return _rank(_columns(x, _with_replacement(trials, rng, N, B)))


@simulation(backends=("numpy", "numba"), cost=lambda *, P, B, **_: top_cost((P, B)))
def small_batch(trials: int, rng: Stream, *, P: int, B: int, sigma: float) -> np.ndarray:
    """B/P times the largest eigenvalue of a batch of B columns of white noise in R^P, float64[trials]."""
    rows = leading_rows(P, B)
    return B / P * largest(rng, *tridiagonal(trials, rng, P, B, sigma**2, sigma, rows))
