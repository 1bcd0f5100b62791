r"""Extreme eigenvalues of Gaussian and of white Wishart matrices, real, complex or quaternion, in tridiagonal form.

Model: the Gaussian ensemble of index beta has in law the spectrum of the symmetric tridiagonal matrix with normal
entries of variance 2/beta on the diagonal and chi_{beta (P-1)}, chi_{beta (P-2)}, ... over sqrt(beta) beside it; X X^*
that of L L^T, L lower bidiagonal with chi_{beta n}, chi_{beta (n-1)}, ... on the diagonal and chi_{beta (p-1)}, ...
below it, over sqrt(beta) (Dumitriu and Edelman 2002, arXiv:math-ph/0206043). Eigenvectors of extreme eigenvalues live
on the leading rows: at an edge they decay like an Airy function of length P^(1/3), of which 12 are kept.

Cost of a trial: one or two chi variables a row and about 50 recursions over the rows.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels import eigen
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.bidiagonal import LENGTHS, SWEEPS, SWEEPS_FROM_BELOW, largest, leading_rows, rows_cost
from theorylab.simulation import Cost, simulation


def _rows(P: int) -> int:
    return min(P, math.ceil(LENGTHS * float(np.cbrt(P))) + 16)


def _chi(rng: Stream, trials: int, df: np.ndarray) -> np.ndarray:
    chi = eigen.chi_numpy if rng.backend == "numpy" else eigen.chi_numba
    return np.asarray(chi(rng.key, rng.next_draw(), rng.first_trial, trials, df))


def _gaussian_cost(*, P: float, **_: object) -> Cost:
    return rows_cost(_rows(round(P)), SWEEPS + 1.0, chis=1.0, normals=1.0)


@simulation(backends=("numpy", "numba"), cost=_gaussian_cost)
def gaussian_edge(trials: int, rng: Stream, *, P: int, beta: int) -> dict[str, np.ndarray]:
    """The largest eigenvalue of a Gaussian matrix whose off-diagonal entries have variance 1/P.

    Returns
    -------
    dict of float64[trials]
        ``gap``: 2 - lambda_1; ``plain``: P^(2/3) (lambda_1 - 2); ``shifted``: the same with the edge of
        P + 1/2 - 1/beta rows, P^(1/6) (sqrt(P) lambda_1 - 2 sqrt(P + 1/2 - 1/beta)).
    """
    rows = _rows(P)
    diagonal = math.sqrt(2.0 / beta) * rng.normal(trials, rows)
    off = _chi(rng, trials, beta * (P - 1 - np.arange(rows - 1))) / math.sqrt(beta)
    top = largest(rng, diagonal, off)
    scale = P ** (1.0 / 6.0)
    return {
        "gap": 2.0 - top / math.sqrt(P),
        "plain": scale * (top - 2.0 * math.sqrt(P)),
        "shifted": scale * (top - 2.0 * math.sqrt(P + 0.5 - 1.0 / beta)),
    }


def _wishart_cost(*, p: float, n: float, edge: str, **_: object) -> Cost:
    lower = edge == "smallest"
    rows = leading_rows(round(p), round(n), lower=lower)
    return rows_cost(rows, SWEEPS_FROM_BELOW if lower else SWEEPS + 1.0)


@simulation(backends=("numpy", "numba"), cost=_wishart_cost)
def wishart_edge(trials: int, rng: Stream, *, p: int, n: int, beta: int, edge: str) -> dict[str, np.ndarray]:
    """The largest or the smallest eigenvalue of X X^*, X p x n with p < n, standardised.

    Returns
    -------
    dict of float64[trials]
        ``shifted``: with n - 1/2 and p - 1/2 for real entries, n and p for complex ones; ``plain``: with n - 1 and p.
        The smallest eigenvalue with the sign turned.
    """
    rows = leading_rows(p, n, lower=edge == "smallest")
    along = _chi(rng, trials, beta * (n - np.arange(rows))) ** 2 / beta
    below = _chi(rng, trials, beta * (p - 1 - np.arange(rows - 1))) ** 2 / beta if rows > 1 else along[:, :0]
    diagonal = along.copy()
    diagonal[:, 1:] += below
    off = np.sqrt(along[:, :-1] * below)
    sign = -1.0 if edge == "smallest" else 1.0
    extreme = largest(rng, sign * diagonal, off)
    half = 0.5 if beta == 1 else 0.0
    return {
        "shifted": _standardised(extreme, n - half, p - half, sign),
        "plain": _standardised(extreme, n - 1.0, float(p), sign),
    }


def _standardised(extreme: np.ndarray, n: float, p: float, sign: float) -> np.ndarray:
    a, b = math.sqrt(n), sign * math.sqrt(p)
    return np.asarray((extreme - sign * (a + b) ** 2) / ((a + b) * abs(1.0 / a + 1.0 / b) ** (1.0 / 3.0)))
