r"""A linear student and a noisy linear teacher: the exact gradient flow of every draw, all times from one spectrum.

N inputs, P = alpha N examples, X (N x P) with entries of variance 1/N; y = w* X + e; the student follows
dw/dt = (y - w X) X^T. In units of the teacher's variance: w* standard normal, w(0) of variance INR, e of variance
1/SNR. With X = U s V^T the error d = w - w* obeys, along U, d' = -s^2 d + s (e V): it is
d(0) exp(-s^2 t) + (e V)(1 - exp(-s^2 t))/s, outside the range of X it stays, and so does the noise outside its row
space. Test errors are |d|^2/N + 1/SNR: the error of a fresh noisy example given the student, no test set.

s^2 are the eigenvalues of the smaller of X X^T and X^T X, and U or V its eigenvectors.

Cost of a trial: P N normals, that matrix and its eigenvectors, 10/3 min(N, P)^3 operations; then for each time and
each of the `draws` teachers O(min(N, P)).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation


class Modes(NamedTuple):
    """Draws along the singular vectors of X.

    Parameters
    ----------
    values : float64[trials, 1, r]
        Singular values s, r = min(N, P).
    left, right : float64[trials, N, r], float64[trials, P, r]
        U and V, whose columns go with them.
    error, noise : float64[trials, draws, r]
        Student minus teacher at the start, and label noise.
    outside, kept : float64[trials, draws]
        Squared length of the error outside the range of X, and of the noise outside its row space.
    """

    values: Any
    left: Any
    right: Any
    error: Any
    noise: Any
    outside: Any
    kept: Any


def _squared(x: Any) -> Any:
    return namespace(x).sum(x * x, axis=-1)


def factors(x: Any) -> tuple[Any, Any, Any]:
    """Singular values float64[trials, r] of x, ascending, and the vectors on its two sides."""
    xp = namespace(x)
    other = xp.matrix_transpose(x)
    wide = x.shape[1] <= x.shape[2]
    squares, vectors = xp.linalg.eigh(x @ other if wide else other @ x)
    # Rounding may leave a square that is nearly zero a hair below it.
    values = xp.sqrt(xp.maximum(squares, xp.asarray(1e-30)))
    across = (other if wide else x) @ vectors / values[:, None, :]
    return (values, vectors, across) if wide else (values, across, vectors)


def drawn(trials: int, rng: Stream, N: int, P: int, snr: float, inr: float, draws: int) -> Modes:
    """X, teachers, starts and noise, projected."""
    x = rng.normal(trials, N, P) / math.sqrt(N)
    xp = namespace(x)
    values, left, right = factors(x)
    start = math.sqrt(inr) * rng.normal(trials, draws, N) - rng.normal(trials, draws, N)
    noise = rng.normal(trials, draws, P) / math.sqrt(snr)
    error, heard = start @ left, noise @ right
    # Rounding may leave a hair of nothing.
    outside, kept = (
        xp.maximum(_squared(all_) - _squared(seen), xp.asarray(0.0)) for all_, seen in ((start, error), (noise, heard))
    )
    return Modes(values[:, None, :], left, right, error, heard, outside, kept)


def errors_at(m: Modes, t: float) -> tuple[Any, Any]:
    """Student minus teacher along U and residuals along V at time t, float64[trials, draws, r] each."""
    xp = namespace(m.values)
    grown = -xp.expm1(-m.values * m.values * t)
    error = m.error * (1.0 - grown) + m.noise * (grown / m.values)
    return error, (m.noise - m.values * m.error) * (1.0 - grown)


def _times(t: Any) -> list[float]:
    return [float(s) for s in np.atleast_1d(t)]


def cost_of(N: float, P: float, draws: float, times: float, extra: float = 0.0) -> Cost:
    """Cost of a trial: the decomposition, projections, and `times` evaluations; `extra` numbers held beside."""
    few = min(N, P)
    drawn_once = draws * (N + P + 3.0 * few + max(N, P))
    products, eigen = 2.0 * draws * few * (N + P) + 4.0 * N * P * few, 10.0 / 3.0 * few**3
    return Cost(
        flops=products + eigen + times * draws * few * 6.0 + times * few * 20.0,
        bytes=8.0 * (N * P + few * (N + P) + few * few + max(N * P + few * few, drawn_once) + extra),
        draws=N * P + draws * (2.0 * N + P),
        moved=24.0 * N * P + 120.0 * times * draws * few,
        products=products,
        factorisations=eigen,
        order=few,
    )


def _flow_cost(*, N: float, alpha: float, t: Any = 1.0, draws: float = 1, **_: object) -> Cost:
    return cost_of(N, round(alpha * N), draws, float(np.size(t)))


@simulation(backends=("numpy", "numba", "cupy"), cost=_flow_cost)
def flow(
    trials: int, rng: Stream, *, N: int, alpha: float, snr: float, inr: float, t: Any, draws: int
) -> dict[str, np.ndarray]:
    """Errors along the flow, each trial one X and the mean over `draws` teachers, starts and noises.

    Returns
    -------
    test, train : float64[trials, k]
        At the k times.
    """
    P = round(alpha * N)
    m = drawn(trials, rng, N, P, snr, inr, draws)
    xp = namespace(m.values)
    test, train = [], []
    for s in _times(t):
        error, residual = errors_at(m, s)
        test.append(xp.mean(m.outside + _squared(error), axis=1) / N + 1.0 / snr)
        train.append(xp.mean(m.kept + _squared(residual), axis=1) / P)
    return {"test": xp.stack(test, axis=1), "train": xp.stack(train, axis=1)}


@simulation(
    backends=("numpy", "numba", "cupy"),
    cost=lambda *, N, draws=1, **_: Cost(
        flops=60.0 * N * draws,
        bytes=8.0 * 8.0 * N * draws,
        draws=3.0 * N * draws,
        moved=8.0 * 30.0 * N * draws,
    ),
)
def mode_slope(
    trials: int, rng: Stream, *, N: int, lam: float, snr: float, inr: float, t: float, draws: int
) -> np.ndarray:
    """Rate of change of the test error at one time, float64[trials], for X = sqrt(lam) I: all modes are alike.

    2 d . d'/N, d' = (y - w X) X^T.
    """
    start = math.sqrt(inr) * rng.normal(trials, draws * N) - rng.normal(trials, draws * N)
    noise = rng.normal(trials, draws * N) / math.sqrt(snr)
    s, left = math.sqrt(lam), math.exp(-lam * t)
    error = start * left + noise * (1.0 - left) / s
    xp = namespace(error)
    slope: np.ndarray = xp.mean(2.0 * s * error * (noise - s * start) * left, axis=1)
    return slope


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, N, P, draws=1, **_: cost_of(N, P, draws, 1.0))
def trained_to_the_end(trials: int, rng: Stream, *, N: int, P: int, snr: float, inr: float, draws: int) -> np.ndarray:
    """Test error as t -> infinity, float64[trials]: what is left of the start outside the range of X, and e X^+."""
    m = drawn(trials, rng, N, P, snr, inr, draws)
    xp = namespace(m.values)
    learned: np.ndarray = xp.mean(m.outside + _squared(m.noise / m.values), axis=1)
    return learned / N + 1.0 / snr


@simulation(backends=("numpy", "numba", "cupy"), cost=_flow_cost)
def ridge(trials: int, rng: Stream, *, N: int, alpha: float, snr: float, g: float, draws: int) -> dict[str, np.ndarray]:
    """Ridge regression w = y X^T (X X^T + g)^-1.

    Returns
    -------
    test, slope : float64[trials]
        Test error, and its derivative with respect to g.
    """
    m = drawn(trials, rng, N, round(alpha * N), snr, 0.0, draws)
    xp = namespace(m.values)
    square = m.values * m.values
    # The start at zero is the error -w*: shrinkage leaves g/(s^2 + g) of it.
    error = (g * m.error + m.values * m.noise) / (square + g)
    change = (m.error - error) / (square + g)
    return {
        "test": xp.mean(m.outside + _squared(error), axis=1) / N + 1.0 / snr,
        "slope": xp.mean(2.0 * xp.sum(error * change, axis=-1), axis=1) / N,
    }


def _accuracy_cost(*, N: float, alpha: float, t: Any = 1.0, draws: float = 1, **_: object) -> Cost:
    P, times = round(alpha * N), float(np.size(t))
    base = cost_of(N, P, draws, times, 3.0 * N * N + draws * (N + P))
    more = times * 2.0 * draws * min(N, P) * (N + P)
    return Cost(
        flops=base.flops + more,
        bytes=base.bytes,
        draws=base.draws + N * N,
        moved=base.moved + 24.0 * N * N + 48.0 * times * draws * (N + P),
        products=base.products + more,
        factorisations=base.factorisations,
        order=base.order,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_accuracy_cost)
def accuracies(
    trials: int, rng: Stream, *, N: int, alpha: float, e0: float, t: Any, draws: int
) -> dict[str, np.ndarray]:
    """Parts of N fresh test points and of the P training points with squared error at most e0; no noise, w(0) = 0.

    Returns
    -------
    test, train : float64[trials, k]
        At the k times.
    """
    P = round(alpha * N)
    x = rng.normal(trials, N, P) / math.sqrt(N)
    xp = namespace(x)
    values, left, right = factors(x)
    teacher = rng.normal(trials, draws, N)
    points = rng.normal(trials, N, N) / math.sqrt(N)
    seen = teacher @ left
    # Fresh points along U, and the part of every point's error that is never learned.
    along = xp.matrix_transpose(left) @ points
    never = teacher @ points - seen @ along
    test: list[Any] = []
    train: list[Any] = []
    for s in _times(t):
        remains = seen * xp.exp(-values * values * s)[:, None, :]
        fresh, residual = remains @ along + never, (remains * values[:, None, :]) @ xp.matrix_transpose(right)
        for found, wrong in ((test, fresh), (train, residual)):
            right_ones = xp.where(wrong * wrong <= e0, xp.asarray(1.0), xp.asarray(0.0))
            found.append(xp.mean(right_ones, axis=(1, 2)))
    return {"test": xp.stack(test, axis=1), "train": xp.stack(train, axis=1)}
