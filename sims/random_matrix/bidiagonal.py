r"""Real Wishart matrices with one spike, in tridiagonal form: independent chi variables, no dense matrix.

Model: X is P x B with independent normal entries, variance theta in the first row and sigma^2 in the others.
Reflections of the B columns turn the first row into (sqrt(theta) chi_B, 0, ..., 0); reflections of the rows 2..P then
turn the first column below it into (sigma chi_{P-1}, 0, ..., 0); and so on. None of them touches the first
coordinate of R^P, the direction e of the spike. What is left is lower bidiagonal, with independent entries

    diagonal  sqrt(theta) chi_B, sigma chi_{B-1}, sigma chi_{B-2}, ...
    below it  sigma chi_{P-1}, sigma chi_{P-2}, ...

so that X X^T / B has, in law, the spectrum and the squared first eigenvector component of a tridiagonal matrix
(Silverstein 1985, Ann. Probab. 13:1364; Dumitriu and Edelman 2002, arXiv:math-ph/0206043; with a spike:
Bloemendal and Virag 2013, arXiv:1011.1877). A white matrix is theta = sigma^2.

Eigenvectors of the extreme eigenvalues live on the leading rows: at an edge they decay like an Airy function of
argument (row / length), length^3 = P B / (sqrt P +- sqrt B)^2, an outlier's geometrically. So 12 lengths are
enough: what is cut off weighs e^-55.

Cost of a trial: for each row two chi variables (four random numbers and a rejection loop of about six steps that wait
for one another), and for an eigenvalue about 50 recursions over the rows, of one such step a row.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels import eigen
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

# Airy lengths kept.
LENGTHS = 12.0
# Whole recursions that finding an eigenvalue takes: a halving for each bit, some of them ended early.
SWEEPS, SWEEPS_FROM_BELOW = 50.0, 60.0


def leading_rows(P: int, B: int, lower: bool = False) -> int:
    """Rows on which the eigenvector of the largest (or, with `lower`, the smallest) eigenvalue lives."""
    everything = min(P, B + 1)
    gap = math.sqrt(B) - math.sqrt(P) if lower else math.sqrt(B) + math.sqrt(P)
    if gap == 0.0:
        return everything
    length = float(np.cbrt(P * B / gap**2))
    return min(everything, math.ceil(LENGTHS * length) + 16)


def tridiagonal(
    trials: int, rng: Stream, P: int, B: int, theta: float, sigma: float, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Leading `rows` rows of X X^T / B: diagonal float64[trials, rows] and off-diagonal float64[trials, rows - 1].

    At most min(P, B + 1) rows are not identically zero.
    """
    across = min(rows, B)
    chi = eigen.chi_numpy if rng.backend == "numpy" else eigen.chi_numba
    diagonal = np.zeros((trials, rows))
    diagonal[:, :across] = sigma * chi(rng.key, rng.next_draw(), rng.first_trial, trials, B - np.arange(across))
    diagonal[:, 0] *= math.sqrt(theta) / sigma
    below = sigma * chi(rng.key, rng.next_draw(), rng.first_trial, trials, P - 1 - np.arange(rows - 1))
    squared = np.square(diagonal)
    squared[:, 1:] += np.square(below)
    return squared / B, diagonal[:, :-1] * below / B


def largest(rng: Stream, diagonal: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Largest eigenvalue on the stream's backend."""
    numpy = rng.backend == "numpy"
    return np.asarray((eigen.largest_tridiagonal_numpy if numpy else eigen.largest_tridiagonal_numba)(diagonal, off))


def leading_weight(rng: Stream, diagonal: np.ndarray, off: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Squared first component of the top eigenvector on the stream's backend."""
    numpy = rng.backend == "numpy"
    return np.asarray((eigen.leading_weight_numpy if numpy else eigen.leading_weight_numba)(diagonal, off, top))


def rows_cost(rows: float, sweeps: float, chis: float = 2.0, normals: float = 0.0, held: float | None = None) -> Cost:
    """Cost of tridiagonal matrices with so many rows in all, chi variables and normals in a row, and of recursions.

    Of a matrix, one array is held for a normal and two for a chi variable of a row, and one more for its square; `held`
    is the number of rows of the matrices that are held at once, `rows` when None.
    """
    return Cost(
        flops=4.0 * rows,
        bytes=8.0 * ((2.0 * chis + 1.0) * (rows if held is None else held) + 4.0),
        draws=(4.0 * chis + normals) * rows,
        moved=24.0 * 6.0 * rows,
        steps=(6.0 * chis + sweeps) * rows,
    )


def top_cost(*sizes: tuple[float, float]) -> Cost:
    """Chi variables and bisection on the leading rows of matrices of the sizes (P, B), one after the other."""
    rows = [leading_rows(round(P), round(B)) for P, B in sizes]
    return rows_cost(sum(rows), SWEEPS + 1.0, held=max(rows))


@simulation(backends=("numpy", "numba"), cost=lambda *, P, B, **_: top_cost((P, B)))
def spiked_top(trials: int, rng: Stream, *, P: int, B: int, theta: float, sigma: float) -> dict[str, np.ndarray]:
    """The top eigenpair of the batch Gram matrix.

    Returns
    -------
    eigenvalue, overlap : float64[trials]
        Largest eigenvalue; squared component of its eigenvector along the spike.
    """
    diagonal, off = tridiagonal(trials, rng, P, B, theta, sigma, leading_rows(P, B))
    top = largest(rng, diagonal, off)
    overlap = leading_weight(rng, diagonal, off, top)
    return {"eigenvalue": top, "overlap": overlap}


@simulation(backends=("numpy", "numba"), cost=lambda *, B, r, **_: top_cost((r * B, B)))
def spiked_top_at_ratio(
    trials: int, rng: Stream, *, B: int, r: float, theta: float, sigma: float
) -> dict[str, np.ndarray]:
    """`spiked_top` at P = r B."""
    return dict(spiked_top.function(trials, rng, P=round(r * B), B=B, theta=theta, sigma=sigma))


def _scaling_cost(*, P: float, r: float, **_: object) -> Cost:
    small, large = (leading_rows(round(size), round(size / r)) for size in (P, 2 * P))
    # Two arrays of the small matrix are still there while the large one is made.
    return rows_cost(small + large, SWEEPS + 1.0, held=large + 0.4 * small)


@simulation(backends=("numpy", "numba"), cost=_scaling_cost)
def overlap_scaling(trials: int, rng: Stream, *, P: int, r: float, theta: float, sigma: float) -> np.ndarray:
    """How the overlap of top eigenvector and spike falls when the matrix doubles, float64[trials].

    log(O_{2P} / O_P) + (1/3) log 2, at P/B = r: the overlap O falls like 1/P below the transition, P^(-1/3) at it
    and not at all above, so that the mean is negative, zero and positive.
    """
    logs = []
    for size in (P, 2 * P):
        B = round(size / r)
        diagonal, off = tridiagonal(trials, rng, size, B, theta, sigma, leading_rows(size, B))
        logs.append(np.log(leading_weight(rng, diagonal, off, largest(rng, diagonal, off))))
    return np.asarray(logs[1] - logs[0] + math.log(2.0) / 3.0)


@simulation(backends=("numpy", "numba"), cost=lambda *, p, c, **_: top_cost((p, p / c)))
def largest_eigenvalue(trials: int, rng: Stream, *, p: int, c: float, sigma: float) -> dict[str, np.ndarray]:
    """Largest eigenvalue of the white sample covariance S = X X^T / n with n = p/c.

    Returns
    -------
    value : float64[trials]
    scaled : float64[trials]
        n^(2/3) times it: the edge fluctuates like n^(-2/3), so that corrections of that order stay finite.
    """
    n = round(p / c)
    top = largest(rng, *tridiagonal(trials, rng, p, n, sigma**2, sigma, leading_rows(p, n)))
    scale = n ** (2.0 / 3.0)
    return {"value": top, "scaled": scale * top}


def _bottom_cost(*, p: float, c: float, **_: object) -> Cost:
    few, many = sorted((round(p), round(p / c)))
    return rows_cost(leading_rows(few, many, lower=True), SWEEPS_FROM_BELOW)


def _hard_edge_cost(*, n: float) -> Cost:
    # The eigenvalue is of the order of 1/n^2 of the largest: as many more bits.
    return rows_cost(n, SWEEPS_FROM_BELOW + 2.0 * math.log2(n))


@simulation(backends=("numpy", "numba"), cost=_bottom_cost)
def smallest_eigenvalue(trials: int, rng: Stream, *, p: int, c: float, sigma: float) -> dict[str, np.ndarray]:
    """Smallest nonzero eigenvalue of S = X X^T / n with n = p/c.

    Returns
    -------
    value, scaled : float64[trials]
        As in `largest_eigenvalue`.
    """
    n = round(p / c)
    # X X^T and X^T X have the same nonzero eigenvalues: take the smaller matrix.
    few, many = min(p, n), max(p, n)
    diagonal, off = tridiagonal(trials, rng, few, many, sigma**2, sigma, leading_rows(few, many, lower=True))
    bottom = -largest(rng, -diagonal, off) * many / n
    return {"value": bottom, "scaled": n ** (2.0 / 3.0) * bottom}


@simulation(backends=("numpy", "numba"), cost=_hard_edge_cost)
def hard_edge(trials: int, rng: Stream, *, n: int) -> np.ndarray:
    """n times the smallest eigenvalue of X X^T, X square n x n with unit variance, float64[trials]."""
    diagonal, off = tridiagonal(trials, rng, n, n, 1.0, 1.0, n)
    return -largest(rng, -diagonal, off) * n**2


@simulation(backends=("numpy", "numba"), cost=lambda *, p, c, **_: rows_cost(min(p, round(p / c) + 1), 3.0))
def traces(trials: int, rng: Stream, *, p: int, c: float, lam: float, sigma: float) -> dict[str, np.ndarray]:
    """Traces over all p eigenvalues of S = X X^T / n at n = p/c, not divided by p.

    Returns
    -------
    resolvent, logdet : float64[trials]
        tr (S + lam)^-1 and log det (S + lam).
    """
    n = round(p / c)
    rows = min(p, n + 1)
    diagonal, off = tridiagonal(trials, rng, p, n, sigma**2, sigma, rows)
    numpy = rng.backend == "numpy"
    trace, logdet = (eigen.shifted_traces_numpy if numpy else eigen.shifted_traces_numba)(diagonal, off, lam)
    return {"resolvent": trace + (p - rows) / lam, "logdet": logdet + (p - rows) * math.log(lam)}
