r"""Gaussian matrices with one spike or two, in tridiagonal or pentadiagonal form: no dense matrix of size P.

Model: M = theta u u^* + W, W Gaussian of index beta with off-diagonal entries of variance s^2/P and diagonal entries of
variance 2 s^2/(beta P). Rotated so that u is the first direction, and reduced by reflections that leave that direction
alone, W is (s/sqrt P) times the tridiagonal matrix with normal entries of variance 2/beta on the diagonal and
chi_{beta (P-1)}, chi_{beta (P-2)}, ... over sqrt(beta) beside it (Dumitriu and Edelman 2002, arXiv:math-ph/0206043;
with a spike Bloemendal and Virag 2013, arXiv:1011.1877). The spike stands in the first diagonal entry, the overlap is
the squared first component of the eigenvector. With two spikes reflections that leave two directions alone end in five
diagonals: normal entries on three of them, chi_{P-2}, chi_{P-3}, ... on the outer two.

At the edge eigenvectors decay like an Airy function of length P^(1/3), of which 12 are kept; that of an outlier of
strength x = theta/s decays like x^-row, and rows are kept until its square is exp(-REACH), if those are fewer.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels import eigen
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.bidiagonal import LENGTHS, SWEEPS, largest, leading_weight, rows_cost
from theorylab.simulation import Cost, simulation

# Largest logarithm of the weight of an outlier that is cut off, with room for rows that differ from their means.
REACH, ROOM = 32.0, 12


def kept_rows(P: int, x: float = 0.0) -> int:
    """Leading rows on which the top eigenvector lives; x is the strength of the spike over s."""
    rows = min(P, math.ceil(LENGTHS * float(np.cbrt(P))) + 16)
    # Outliers are well away from the edge only where x exceeds 1 by several P^(-1/3).
    if (x - 1.0) * float(np.cbrt(P)) > 3.0:
        rows = min(rows, math.ceil(REACH / (2.0 * math.log(x))) + ROOM)
    return rows


def _chi(rng: Stream, trials: int, df: np.ndarray) -> np.ndarray:
    chi = eigen.chi_numpy if rng.backend == "numpy" else eigen.chi_numba
    return np.asarray(chi(rng.key, rng.next_draw(), rng.first_trial, trials, df))


def noise(trials: int, rng: Stream, P: int, beta: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Diagonal float64[trials, rows] and off-diagonal float64[trials, rows - 1] of W/s."""
    diagonal = math.sqrt(2.0 / (beta * P)) * rng.normal(trials, rows)
    off = _chi(rng, trials, beta * (P - 1 - np.arange(rows - 1))) / math.sqrt(beta * P)
    return diagonal, off


def _cost(rows: int, sweeps: float) -> Cost:
    return rows_cost(rows, sweeps, chis=1.0, normals=1.0)


def _one_cost(*, P: float, theta: float, s: float, **_: object) -> Cost:
    return _cost(kept_rows(round(P), theta / s), SWEEPS + 1.0)


@simulation(backends=("numpy", "numba"), cost=_one_cost)
def spiked_top(trials: int, rng: Stream, *, P: int, theta: float, s: float, beta: int) -> dict[str, np.ndarray]:
    """The top eigenpair of M.

    Returns
    -------
    eigenvalue, overlap : float64[trials]
        Largest eigenvalue; squared component of its eigenvector along the spike.
    gap : float64[trials]
        P^(2/3) (lambda_1/s - 2).
    weight : float64[trials]
        P times the overlap.
    """
    diagonal, off = noise(trials, rng, P, beta, kept_rows(P, theta / s))
    diagonal[:, 0] += theta / s
    top = largest(rng, diagonal, off)
    overlap = leading_weight(rng, diagonal, off, top)
    return {"eigenvalue": s * top, "overlap": overlap, "gap": P ** (2.0 / 3.0) * (top - 2.0), "weight": P * overlap}


def control_variates(diagonal: np.ndarray, off: np.ndarray, P: int, x: float) -> tuple[np.ndarray, np.ndarray]:
    """What the outlier of strength x, over s, and its overlap follow to first order in the noise, float64[trials]."""
    i = np.arange(diagonal.shape[1])
    squares = off**2 - (P - 1 - i[:-1]) / P
    weights, slopes = (1.0 - x**-2) * x ** (-2.0 * i), (2.0 * x**-2 - 2.0 * i * (1.0 - x**-2)) * x ** (-2.0 * i) / x
    # The same one half row further.
    half = i[:-1] + 0.5
    beside = (1.0 - x**-2) * x ** (-2.0 * half)
    beside_slopes = (2.0 * x**-2 - 2.0 * half * (1.0 - x**-2)) * x ** (-2.0 * half) / x
    return diagonal @ weights + squares @ beside, diagonal @ slopes + squares @ beside_slopes


def _outlier_cost(*, P: float, theta: float, s: float, **_: object) -> Cost:
    rows = kept_rows(round(P), theta / s)
    # The squares of the entries beside the diagonal are a fourth array.
    return rows_cost(rows, SWEEPS + 1.0, chis=1.0, normals=1.0, held=4.0 * rows / 3.0 + 2.0)


@simulation(backends=("numpy", "numba"), cost=_outlier_cost)
def outlier(trials: int, rng: Stream, *, P: int, theta: float, s: float, beta: int) -> dict[str, np.ndarray]:
    """The top eigenpair above the transition, standardised with e = theta + s^2/theta and o = 1 - s^2/theta^2.

    Returns
    -------
    scaled, square, size : float64[trials]
        sqrt(P) (lambda_1 - e); its square; |lambda_1 - e|.
    shift, overlap_shift : float64[trials]
        P (lambda_1 - e) and P (overlap - o), less control variates: combinations of diagonal entries and of squares of
        the others less their means. Whatever the weights, the mean is zero; these are the squares and products of the
        components of (1, 1/x, 1/x^2, ...), and their derivatives, and leave a scatter that does not grow with P.
    """
    x = theta / s
    diagonal, off = noise(trials, rng, P, beta, kept_rows(P, x))
    control, control_slope = control_variates(diagonal, off, P, x)
    diagonal[:, 0] += x
    top = largest(rng, diagonal, off)
    overlap = leading_weight(rng, diagonal, off, top)
    away = top - x - 1.0 / x
    return {
        "scaled": s * math.sqrt(P) * away,
        "square": s**2 * P * away**2,
        "size": s * np.abs(away),
        "shift": s * P * (away - control),
        "overlap_shift": P * (overlap - 1.0 + x**-2 - control_slope),
    }


def _push_cost(*, P: float, **_: object) -> Cost:
    return _cost(kept_rows(round(P)), 2.0 * SWEEPS)


@simulation(backends=("numpy", "numba"), cost=_push_cost)
def push(trials: int, rng: Stream, *, P: int, theta: float, s: float, beta: int) -> np.ndarray:
    """P (lambda_1 with the spike - lambda_1 of the same noise without it), float64[trials]."""
    diagonal, off = noise(trials, rng, P, beta, kept_rows(P))
    without = largest(rng, diagonal, off)
    diagonal[:, 0] += theta / s
    return np.asarray(s * P * (largest(rng, diagonal, off) - without))


def _growth_cost(*, P: float, **_: object) -> Cost:
    small, large = kept_rows(round(P)), kept_rows(2 * round(P))
    return rows_cost(small + large, SWEEPS + 1.0, chis=1.0, normals=1.0, held=large + 0.67 * small)


@simulation(backends=("numpy", "numba"), cost=_growth_cost)
def overlap_growth(trials: int, rng: Stream, *, P: int, theta: float, s: float, beta: int) -> np.ndarray:
    """(2 P)^(1/3) times the overlap at 2 P rows, less P^(1/3) times that at P rows, float64[trials].

    The overlap falls like 1/P below the transition, like P^(-1/3) at it and not at all above, so that the mean is
    negative, zero and positive.
    """
    parts = []
    for size in (P, 2 * P):
        diagonal, off = noise(trials, rng, size, beta, kept_rows(size))
        diagonal[:, 0] += theta / s
        parts.append(np.cbrt(size) * leading_weight(rng, diagonal, off, largest(rng, diagonal, off)))
    return np.asarray(parts[1] - parts[0])


def pair_rows(P: int, x: float) -> int:
    """Leading rows kept of a matrix with two spikes, the weaker of them x: outliers decay over pairs of rows."""
    return min(P, 2 * (math.ceil(REACH / (2.0 * math.log(x))) + ROOM // 2))


def pentadiagonal(trials: int, rng: Stream, P: int, rows: int) -> np.ndarray:
    """Leading rows of a real W/s reduced by reflections that leave two directions alone, float64[trials, rows, rows].

    The lower triangle is filled, which is what eigenvalue routines read.
    """
    matrix = np.zeros((trials, rows, rows))
    i = np.arange(rows)
    matrix[:, i, i] = math.sqrt(2.0 / P) * rng.normal(trials, rows)
    matrix[:, i[1:], i[:-1]] = rng.normal(trials, rows - 1) / math.sqrt(P)
    matrix[:, i[2:], i[:-2]] = _chi(rng, trials, P - 2 - i[:-2]) / math.sqrt(P)
    return matrix


def pair_cost(rows: int, vectors: bool = True) -> Cost:
    """Of such a matrix and its eigenpairs, or eigenvalues."""
    work = (10.0 if vectors else 4.0) * rows**3 / 3.0
    return Cost(
        flops=work,
        factorisations=work,
        order=rows,
        bytes=8.0 * ((2.2 if vectors else 1.0) * rows**2 + 8.0 * rows),
        draws=6.0 * rows,
        steps=6.0 * rows,
        moved=8.0 * 8.0 * rows,
    )


def _pair_cost(*, P: float, second: float, s: float, **_: object) -> Cost:
    return pair_cost(pair_rows(round(P), second / s))


@simulation(backends=("numpy", "numba"), cost=_pair_cost)
def two_spikes(trials: int, rng: Stream, *, P: int, theta: float, second: float, s: float) -> dict[str, np.ndarray]:
    """The two largest eigenvalues of a real matrix with two spikes, theta > second > s, in orthogonal directions.

    Returns
    -------
    eigenvalues : float64[trials, 2]
        Largest first.
    overlaps : float64[trials, 2]
        Squared component of the first eigenvector along the first spike, and of the second along the second.
    """
    matrix = pentadiagonal(trials, rng, P, pair_rows(P, second / s))
    matrix[:, 0, 0] += theta / s
    matrix[:, 1, 1] += second / s
    values, vectors = np.linalg.eigh(matrix)
    return {
        "eigenvalues": s * values[:, :-3:-1],
        "overlaps": np.stack([vectors[:, 0, -1], vectors[:, 1, -2]], axis=1) ** 2,
    }
