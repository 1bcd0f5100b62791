r"""Spiked sample covariances and spiked rectangular matrices: tridiagonal where the rest is white, dense otherwise.

Models: (a) samples of covariance sigma^2 I but ell along one direction; (b) a bulk of a few population eigenvalues and
one eigenvalue alpha apart; (c) Y = theta u v^T + X/sqrt n. (a) is reduced as in `bidiagonal`. So is (c): rotated so
that u and v are the first directions, the first row of Y is (theta + g/sqrt n, chi/sqrt n) in two directions; a
rotation of R^n makes it the first column direction without changing the law of the other rows, and what is left is
lower bidiagonal with the root of (theta sqrt n + g)^2 + chi_{n-1}^2 in its corner, d sqrt n. The right singular vector
has the component sigma_1 u_1/d along that row, u_1 the first component of the left one, and v has
(theta sqrt n + g)/(sqrt n d) along it; the rest of v is a random direction among n - 1, whose part in the overlap is
averaged.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels import eigen
from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.bidiagonal import (
    SWEEPS,
    SWEEPS_FROM_BELOW,
    largest,
    leading_rows,
    leading_weight,
    rows_cost,
    top_cost,
    tridiagonal,
)
from theorylab.simulation import Cost, simulation

BACKENDS = ("numpy", "numba")


def _top(trials: int, rng: Stream, p: int, c: float, ell: float, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    n = round(p / c)
    diagonal, off = tridiagonal(trials, rng, p, n, ell, sigma, leading_rows(p, n))
    top = largest(rng, diagonal, off)
    return top, leading_weight(rng, diagonal, off, top)


@simulation(backends=BACKENDS, cost=lambda *, p, c, **_: top_cost((p, p / c)))
def spiked_top(trials: int, rng: Stream, *, p: int, c: float, ell: float, sigma: float) -> dict[str, np.ndarray]:
    """The top eigenpair of a spiked sample covariance.

    Returns
    -------
    eigenvalue, overlap : float64[trials]
        Largest eigenvalue; squared component of its eigenvector along the spike.
    weight : float64[trials]
        n times the overlap.
    """
    top, overlap = _top(trials, rng, p, c, ell, sigma)
    return {"eigenvalue": top, "overlap": overlap, "weight": round(p / c) * overlap}


@simulation(backends=BACKENDS, cost=lambda *, p, c, **_: top_cost((p, p / c)))
def fluctuation(trials: int, rng: Stream, *, p: int, c: float, ell: float, sigma: float) -> dict[str, np.ndarray]:
    """Deviation of the largest eigenvalue from e = ell (1 + c sigma^2/(ell - sigma^2)), ell above its threshold.

    Returns
    -------
    scaled, square : float64[trials]
        sqrt(n) (lambda_1 - e), and its square.
    """
    n = round(p / c)
    top, _ = _top(trials, rng, p, c, ell, sigma)
    scaled = math.sqrt(n) * (top - ell * (1.0 + c * sigma**2 / (ell - sigma**2)))
    return {"scaled": scaled, "square": scaled**2}


@simulation(
    backends=BACKENDS,
    cost=lambda *, p, c, **_: rows_cost(leading_rows(round(p), round(p / c), lower=True), SWEEPS_FROM_BELOW + 1.0),
)
def spiked_bottom(trials: int, rng: Stream, *, p: int, c: float, ell: float, sigma: float) -> np.ndarray:
    """Smallest eigenvalue of a spiked sample covariance with p < n, and the squared overlap of its eigenvector,
    float64[trials, 2]."""
    n = round(p / c)
    diagonal, off = tridiagonal(trials, rng, p, n, ell, sigma, leading_rows(p, n, lower=True))
    low = largest(rng, -diagonal, off)
    return np.stack([-low, leading_weight(rng, -diagonal, off, low)], axis=1)


def _growth_cost(*, p: float, c: float, **_: object) -> Cost:
    small, large = (leading_rows(round(size), round(size / c)) for size in (p, 2 * p))
    return rows_cost(small + large, SWEEPS + 1.0, held=large)


@simulation(backends=BACKENDS, cost=_growth_cost)
def overlap_growth(trials: int, rng: Stream, *, p: int, c: float, ell: float, sigma: float) -> np.ndarray:
    """(2 p)^(1/3) times the overlap in dimension 2 p, less p^(1/3) times that in dimension p, float64[trials].

    The overlap falls like 1/p below the transition, like p^(-1/3) at it and not at all above.
    """
    parts = [float(np.cbrt(size)) * _top(trials, rng, size, c, ell, sigma)[1] for size in (p, 2 * p)]
    return np.asarray(parts[1] - parts[0])


def _rectangular(trials: int, rng: Stream, p: int, c: float, theta: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Largest squared singular value, and the squared overlaps of left and right singular vector."""
    n = round(p / c)
    rows = leading_rows(p, n)
    chi = eigen.chi_numpy if rng.backend == "numpy" else eigen.chi_numba
    across = min(rows, n)
    diagonal = np.zeros((trials, rows))
    diagonal[:, :across] = chi(rng.key, rng.next_draw(), rng.first_trial, trials, n - np.arange(across))
    rest = chi(rng.key, rng.next_draw(), rng.first_trial, trials, np.array([n - 1]))[:, 0]
    below = chi(rng.key, rng.next_draw(), rng.first_trial, trials, p - 1 - np.arange(rows - 1))
    along = theta * math.sqrt(n) + rng.normal(trials)
    corner = along**2 + rest**2
    diagonal[:, 0] = np.sqrt(corner)
    squared = np.square(diagonal)
    squared[:, 1:] += np.square(below)
    squared /= n
    off = diagonal[:, :-1] * below / n
    top = largest(rng, squared, off)
    left = leading_weight(rng, squared, off, top)
    first = left * top * n / corner
    cosine = along**2 / corner
    return top, left, cosine * first + (1.0 - cosine) * np.maximum(1.0 - first, 0.0) / (n - 1)


def _rectangular_cost(*, p: float, c: float, **_: object) -> Cost:
    rows = leading_rows(round(p), round(p / c))
    return rows_cost(rows, SWEEPS + 1.0, held=0.9 * rows)


@simulation(backends=BACKENDS, cost=_rectangular_cost)
def rectangular(trials: int, rng: Stream, *, p: int, c: float, theta: float) -> dict[str, np.ndarray]:
    """The top singular triple of Y = theta u v^T + X/sqrt n.

    Returns
    -------
    value : float64[trials]
        Square of the largest singular value.
    overlaps : float64[trials, 2]
        Squared overlaps of the left vector with u and of the right vector with v; of the right one the mean over a
        direction that is independent of all else.
    """
    top, left, right = _rectangular(trials, rng, p, c, theta)
    return {"value": top, "overlaps": np.stack([left, right], axis=1)}


def _rectangular_growth_cost(*, p: float, c: float, **_: object) -> Cost:
    small, large = (leading_rows(round(size), round(size / c)) for size in (p, 2 * p))
    return rows_cost(small + large, SWEEPS + 1.0, held=0.9 * large)


@simulation(backends=BACKENDS, cost=_rectangular_growth_cost)
def rectangular_growth(trials: int, rng: Stream, *, p: int, c: float, theta: float) -> np.ndarray:
    """`overlap_growth` of the left singular vector, float64[trials]."""
    parts = [float(np.cbrt(size)) * _rectangular(trials, rng, size, c, theta)[1] for size in (p, 2 * p)]
    return np.asarray(parts[1] - parts[0])


def _bulk_cost(*, p: float, c: float, **_: object) -> Cost:
    n, rows = p / c, p + 1.0
    gram, work = 2.0 * rows * rows * n, 10.0 / 3.0 * rows**3
    return Cost(
        flops=gram + work,
        bytes=8.0 * (1.6 * rows * n + 2.2 * rows**2),
        draws=rows * n,
        moved=40.0 * rows * n + 32.0 * rows**2,
        products=gram,
        factorisations=work,
        order=rows,
    )


@simulation(backends=(*BACKENDS, "cupy"), cost=_bulk_cost)
def spiked_bulk(
    trials: int,
    rng: Stream,
    *,
    p: int,
    c: float,
    alpha: float,
    t1: float,
    t2: float,
    t3: float,
    w1: float,
    w2: float,
) -> dict[str, np.ndarray]:
    """A bulk of p population eigenvalues and one spike alpha more: the sample eigenpair of the spike's rank.

    Returns
    -------
    eigenvalue, overlap : float64[trials]
        The eigenvalue with as many below it as the population has below alpha; the squared component of its
        eigenvector along the spike.
    """
    n = round(p / c)
    first, second = round(w1 * p), round((w1 + w2) * p)
    counts = ((t1, first), (t2, second - first), (t3, p - second))
    roots = np.sqrt(np.concatenate([[alpha], *(np.full(count, t) for t, count in counts)]))
    below = sum(count for t, count in counts if t < alpha)
    x = rng.normal(trials, p + 1, n)
    xp = namespace(x)
    x = x * xp.asarray(roots)[:, None]
    values, vectors = xp.linalg.eigh(x @ xp.matrix_transpose(x) / n)
    return {"eigenvalue": values[:, below], "overlap": vectors[:, 0, below] ** 2}
