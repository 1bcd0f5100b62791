"""Hessians of the logistic loss on batches of two Gaussian classes, in full.

Model: x = y mu e_1 + z in R^P, z standard normal, y = +-1; weights w_par e_1 + w_perp e_2; the Hessian of the mean loss
over B = P/c samples is (1/B) sum s(h)(1 - s(h)) x x^T, h = w.x, s the logistic function.

Cost of a trial: P B normals, a product of 2 P^2 B operations and an eigenvalue problem of order P.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

# Eigenvectors that are counted where the transition is sought.
TOP = 3


def _inputs(trials: int, rng: Stream, P: int, B: int, mu: float) -> np.ndarray:
    """Inputs, float64[trials, B, P]."""
    x, label = rng.normal(trials, B, P), rng.rademacher(trials, B)
    xp = namespace(x)
    return x + mu * label[:, :, None] * xp.astype(xp.arange(P) == 0, xp.float64)


def _curvature(x: np.ndarray, w_par: float, w_perp: float) -> np.ndarray:
    """s(h)(1 - s(h)) of every sample, float64[trials, B]."""
    rise = namespace(x).exp(-namespace(x).abs(w_par * x[:, :, 0] + w_perp * x[:, :, 1]))
    return rise / (1.0 + rise) ** 2


def _hessian(x: np.ndarray, a: np.ndarray) -> np.ndarray:
    """(1/B) sum a x x^T, float64[trials, P, P]."""
    return namespace(x).matrix_transpose(x * a[:, :, None]) @ x / x.shape[1]


def _drawn(trials: int, rng: Stream, P: int, c: float, mu: float, w_par: float, w_perp: float) -> np.ndarray:
    """Hessians of fresh batches, float64[trials, P, P]."""
    x = _inputs(trials, rng, P, round(P / c), mu)
    return _hessian(x, _curvature(x, w_par, w_perp))


def _eigh(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, ascending, and eigenvectors."""
    values, vectors = namespace(matrices).linalg.eigh(matrices)
    return values, vectors


def _cost(*, P: float, c: float, vectors: bool = True, problems: float = 1.0, **_: object) -> Cost:
    B = P / c
    gram, eigen = 2.0 * problems * P * P * B, problems * (10.0 if vectors else 4.0) / 3.0 * P**3
    return Cost(
        flops=gram + eigen + 40.0 * B,
        bytes=8.0 * (2.0 * P * B + (3.0 if vectors else 1.0) * P * P + B),
        draws=P * B + B,
        moved=64.0 * P * B + 100.0 * B + 32.0 * P * P,
        products=gram,
        factorisations=eigen,
        order=P,
    )


def _weights(vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared length of the projection on the plane, and on e_1."""
    axis = vector[:, 0] ** 2
    return axis + vector[:, 1] ** 2, axis


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
def extremes(
    trials: int, rng: Stream, *, P: int, c: float, mu: float, w_par: float, w_perp: float
) -> dict[str, np.ndarray]:
    """The ends of the spectrum of a fresh batch.

    Returns
    -------
    value, plane, axis : float64[trials]
        Largest eigenvalue, and squared overlaps of its eigenvector with the plane (e_1, e_2) and with e_1.
    low, low_plane : float64[trials]
        Smallest eigenvalue, and its eigenvector's overlap with the plane: the mean over the null space where B < P.
    """
    values, vectors = _eigh(_drawn(trials, rng, P, c, mu, w_par, w_perp))
    plane, axis = _weights(vectors[:, :, -1])
    # With fewer samples than dimensions the eigenvectors of 0 are any basis of their space.
    lowest = max(P - round(P / c), 1)
    xp = namespace(vectors)
    return {
        "value": values[:, -1],
        "plane": plane,
        "axis": axis,
        "low": values[:, 0],
        "low_plane": xp.sum(vectors[:, :2, :lowest] ** 2, axis=(1, 2)) / lowest,
    }


def _spectra_cost(*, P: float, c: float, **_: object) -> Cost:
    few = min(P, P / c)
    gram, eigen = 2.0 * P * P / c * few, 4.0 / 3.0 * few**3
    return replace(
        _cost(P=P, c=c, vectors=False),
        flops=gram + eigen + 40.0 * P / c,
        bytes=8.0 * (2.0 * P * P / c + 2.0 * few**2 + P / c),
        products=gram,
        factorisations=eigen,
        order=few,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_spectra_cost)
def spectra(
    trials: int, rng: Stream, *, P: int, c: float, mu: float, w_par: float, w_perp: float
) -> dict[str, np.ndarray]:
    """The nonzero eigenvalues of a fresh batch.

    Returns
    -------
    value : float64[trials]
        The largest.
    spectrum : float64[trials, min(P, B)]
        All, ascending.
    """
    x = _inputs(trials, rng, P, round(P / c), mu)
    xp = namespace(x)
    scaled = x * xp.sqrt(_curvature(x, w_par, w_perp))[:, :, None]
    # Eigenvalues come from the smaller of the two matrices with the same nonzero ones.
    few = scaled if x.shape[1] < P else xp.matrix_transpose(scaled)
    values = xp.linalg.eigvalsh(few @ xp.matrix_transpose(few) / x.shape[1])
    return {"value": values[:, -1], "spectrum": values}


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda **at: _cost(**at, vectors=False))
def resolvent(
    trials: int, rng: Stream, *, P: int, c: float, mu: float, w_par: float, w_perp: float, lam: float
) -> np.ndarray:
    """(1/P) tr (H + lam)^-1, float64[trials]."""
    h = _drawn(trials, rng, P, c, mu, w_par, w_perp)
    xp = namespace(h)
    trace: np.ndarray = xp.mean(1.0 / (xp.linalg.eigvalsh(h) + lam), axis=1)
    return trace


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda **at: _cost(**{**at, "P": 2.0 * at["P"]}))
def overlap_growth(trials: int, rng: Stream, *, P: int, c: float, mu: float, w_par: float, w_perp: float) -> np.ndarray:
    """log of the weight of the plane on the top eigenvectors at 2 P over that at P, plus (1/3) log 2, float64[trials].

    The weight falls like 1/P without an outlier, like P^(-1/3) at the transition, and not at all beyond. Near it the
    plane is shared by several eigenvectors: TOP of them are counted, which scatter less than one.
    """
    small, large = (
        namespace(v).sum(v[:, :2, -TOP:] ** 2, axis=(1, 2))
        for v in (_eigh(_drawn(trials, rng, size, c, mu, w_par, w_perp))[1] for size in (P, 2 * P))
    )
    growth: np.ndarray = namespace(small).log(large / small) + math.log(2.0) / 3.0
    return growth


def _nested_cost(*, P: float, c: float, t: float, **at: object) -> Cost:
    return _cost(P=P, c=c * t, problems=1.0 + t)


@simulation(backends=("numpy", "numba", "cupy"), cost=_nested_cost)
def inflation(
    trials: int, rng: Stream, *, P: int, c: float, t: float, mu: float, w_par: float, w_perp: float
) -> np.ndarray:
    """Largest eigenvalue of a batch of B = P/c samples minus that of its data set of B/t, float64[trials].

    The batch is the first B of exchangeable samples. v^T (H_batch - H) v, v the data set's top eigenvector, has mean
    zero and is subtracted.
    """
    B = round(P / c)
    x = _inputs(trials, rng, P, round(B / t), mu)
    a = _curvature(x, w_par, w_perp)
    vectors = _eigh(_hessian(x, a))[1]
    batch, v = _hessian(x[:, :B, :], a[:, :B]), vectors[:, :, -1:]
    xp = namespace(x)
    along = xp.sum(v * (batch @ v), axis=(1, 2))
    top: np.ndarray = xp.linalg.eigvalsh(batch)[:, -1] - along
    return top
