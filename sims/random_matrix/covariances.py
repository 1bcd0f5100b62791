r"""Sample covariances of a population with a few different eigenvalues, their samples weighted or not.

Model: S = Sigma^(1/2) X X^T Sigma^(1/2)/n, X p x n with independent normal entries or random signs, Sigma diagonal with
round(w1 p) eigenvalues t1, round(w2 p) eigenvalues t2 and the rest t3; n = p/c. Weighted: sample i counts a_i times,
a_i one of two values. Eigenvalues are those of the smaller of the two Gram matrices.

Cost of a trial: p n random numbers, a product of 2 p n min(p, n) operations and an eigenvalue problem of
(4/3) min(p, n)^3 more.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.eigen import covariance_eigenvalues
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.wishart import dense_cost
from theorylab.simulation import Cost, simulation

BACKENDS = ("numpy", "numba", "cupy")


def _coloured(
    trials: int, rng: Stream, p: int, n: int, values: tuple[float, ...], masses: tuple[float, ...], entries: str
) -> np.ndarray:
    """Sigma^(1/2) X, float64[trials, p, n]: the population in ascending order of its atoms' numbers."""
    x = {"gaussian": rng.normal, "signs": rng.rademacher}[entries](trials, p, n)
    xp = namespace(x)
    first, second = round(masses[0] * p), round((masses[0] + masses[1]) * p)
    place = xp.arange(p)
    t = xp.where(place < first, xp.asarray(values[0]), xp.asarray(values[2]))
    t = xp.where((place >= first) & (place < second), xp.asarray(values[1]), t)
    return xp.sqrt(t)[:, None] * x


@simulation(backends=BACKENDS, cost=dense_cost)
def eigenvalues(
    trials: int,
    rng: Stream,
    *,
    p: int,
    c: float,
    t1: float,
    t2: float,
    t3: float,
    w1: float,
    w2: float,
    entries: str,
) -> np.ndarray:
    """The whole spectrum of S, float64[trials, p]: the matrix is the unit of replication."""
    return covariance_eigenvalues(_coloured(trials, rng, p, round(p / c), (t1, t2, t3), (w1, w2), entries))


@simulation(backends=BACKENDS, cost=dense_cost)
def resolvents(
    trials: int,
    rng: Stream,
    *,
    p: int,
    c: float,
    lam: float,
    t1: float,
    t2: float,
    t3: float,
    w1: float,
    w2: float,
    entries: str,
) -> dict[str, np.ndarray]:
    """Resolvents at -lam.

    Returns
    -------
    mean, companion : float64[trials]
        (1/p) tr (S + lam)^-1, and the same of X^T Sigma X/n, divided by n.
    trace : float64[trials]
        tr (S + lam)^-1.
    """
    n = round(p / c)
    values = covariance_eigenvalues(_coloured(trials, rng, p, n, (t1, t2, t3), (w1, w2), entries))
    xp = namespace(values)
    trace = xp.sum(1.0 / (values + lam), axis=1)
    return {"mean": trace / p, "companion": (trace + (n - p) / lam) / n, "trace": trace}


@simulation(backends=BACKENDS, cost=dense_cost)
def extremes(
    trials: int, rng: Stream, *, p: int, c: float, t1: float, t2: float, t3: float, w1: float, w2: float
) -> dict[str, np.ndarray]:
    """Eigenvalues at the edges, for p < n.

    Returns
    -------
    edges : float64[trials, 4]
        The smallest, those of number round(w1 p) and the next one from below, the largest.
    logs : float64[trials, 2]
        n^(2/3) times the logarithms of the smallest and the largest, which scatter alike.
    top : float64[trials]
        n^(2/3) times the largest.
    """
    n = round(p / c)
    values = covariance_eigenvalues(_coloured(trials, rng, p, n, (t1, t2, t3), (w1, w2), "gaussian"))
    xp = namespace(values)
    first = round(w1 * p)
    scale = float(n) ** (2.0 / 3.0)
    ends = (values[:, 0], values[:, first - 1], values[:, min(first, p - 1)], values[:, -1])
    return {
        "edges": xp.stack(ends, axis=1),
        "logs": scale * xp.log(xp.stack((ends[0], ends[3]), axis=1)),
        "top": scale * ends[3],
    }


def _gap_cost(*, p: float, c: float, **_: object) -> Cost:
    small, large = dense_cost(p=p, c=c), dense_cost(p=2 * p, c=c)
    both = {k: getattr(small, k) + getattr(large, k) for k in ("flops", "draws", "moved", "products", "factorisations")}
    return Cost(**both, bytes=large.bytes + 16.0, order=large.order)


@simulation(backends=BACKENDS, cost=_gap_cost)
def gap_closing(trials: int, rng: Stream, *, p: int, c: float, t1: float, t2: float, w1: float) -> np.ndarray:
    """How fast the gap between the eigenvalues of two atoms closes as the matrix doubles, float64[trials].

    With d_p the distance of the eigenvalues of number round(w1 p) and the next one from below,
    p^(3/4) d_p - (2 p)^(3/4) d_2p: two pieces stay apart, and the mean is negative; in one piece eigenvalues are 1/p
    apart, and it is positive; where two pieces meet they are p^(-3/4) apart.
    """
    parts = []
    for size in (p, 2 * p):
        x = _coloured(trials, rng, size, round(size / c), (t1, t2, t2), (w1, 1.0 - w1), "gaussian")
        values = covariance_eigenvalues(x)
        first = round(w1 * size)
        parts.append(float(size) ** 0.75 * (values[:, first] - values[:, first - 1]))
    closing: np.ndarray = parts[0] - parts[1]
    return closing


@simulation(backends=BACKENDS, cost=lambda *, p, n, **_: dense_cost(p=p, n=n))
def power_mean(
    trials: int,
    rng: Stream,
    *,
    p: int,
    n: int,
    k: int,
    t1: float,
    t2: float,
    t3: float,
    w1: float,
    w2: float,
) -> np.ndarray:
    """(1/p) tr S^k for normal entries, float64[trials], by products of matrices; k = 1, 2, 3."""
    x = _coloured(trials, rng, p, n, (t1, t2, t3), (w1, w2), "gaussian")
    xp = namespace(x)
    if k == 1:
        mean: np.ndarray = xp.mean(xp.sum(x * x, axis=2), axis=1) / n
        return mean
    gram = x @ xp.matrix_transpose(x) / n
    other = gram if k == 2 else gram @ gram
    power: np.ndarray = xp.sum(gram * other, axis=(1, 2)) / p
    return power


@simulation(backends=BACKENDS, cost=lambda *, p, c, k, **_: dense_cost(p=p, n=p / c))
def power_mean_at_ratio(
    trials: int,
    rng: Stream,
    *,
    p: int,
    c: float,
    k: int,
    t1: float,
    t2: float,
    t3: float,
    w1: float,
    w2: float,
    entries: str,
) -> np.ndarray:
    """(1/p) tr S^k at n = p/c, float64[trials]."""
    values = covariance_eigenvalues(_coloured(trials, rng, p, round(p / c), (t1, t2, t3), (w1, w2), entries))
    mean: np.ndarray = namespace(values).mean(values ** float(k), axis=1)
    return mean


@simulation(backends=BACKENDS, cost=dense_cost)
def weighted(
    trials: int,
    rng: Stream,
    *,
    p: int,
    c: float,
    lam: float,
    t1: float,
    t2: float,
    t3: float,
    w1: float,
    w2: float,
    a1: float,
    a2: float,
    chance: float,
) -> np.ndarray:
    """(1/p) tr (S + lam)^-1 of S = (1/n) sum_i a_i x_i x_i^T, a_i = a2 with probability chance, else a1;
    float64[trials]."""
    n = round(p / c)
    x = _coloured(trials, rng, p, n, (t1, t2, t3), (w1, w2), "gaussian")
    xp = namespace(x)
    root = xp.where(rng.uniform(trials, n) < chance, xp.asarray(math.sqrt(a2)), xp.asarray(math.sqrt(a1)))
    mean: np.ndarray = xp.mean(1.0 / (covariance_eigenvalues(x * root[:, None, :]) + lam), axis=1)
    return mean
