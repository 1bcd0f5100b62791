r"""Linear students averaged over teachers, starts and noise at every draw of the inputs: spectra alone decide.

The model is that of `linear_student`. Given X, errors are quadratic forms in independent Gaussian variables, so that
their means are traces of functions of X X^T; no teacher is drawn. The eigenvalues of X X^T for Gaussian X are, in law,
those of a tridiagonal matrix of independent chi variables (`random_matrix.bidiagonal`).

Cost of a trial: 2 min(N, P) chi variables and the eigenvalues of a tridiagonal matrix, about 30 min(N, P)^2 operations;
then O(min(N, P)) for each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal
from scipy.special import erfinv

from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.bidiagonal import tridiagonal
from theorylab.simulation import Cost, simulation

# Golden sections and halvings of a bracket of logarithms: to 1e-8 and 1e-11 of its width.
SECTIONS, HALVINGS = 40, 36
GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def eigenvalues(trials: int, rng: Stream, N: int, P: int) -> np.ndarray:
    """The min(N, P) positive eigenvalues of X X^T, float64[trials, min(N, P)]."""
    rows = min(N, P + 1)
    diagonal, off = tridiagonal(trials, rng, N, P, 1.0, 1.0, rows)
    values = [eigvalsh_tridiagonal(d, o, check_finite=False, lapack_driver="sterf") for d, o in zip(diagonal, off)]
    # For P < N there is one row more than there are examples: one eigenvalue is zero.
    return np.maximum(np.stack(values)[:, rows - min(N, P) :] * P / N, 1e-30)


def _cost(*, N: float, alpha: float, t: Any = 1.0, **_: object) -> Cost:
    few, times = min(N, alpha * N), float(np.size(t))
    return Cost(
        flops=30.0 * few**2 + 60.0 * times * few,
        bytes=8.0 * (6.0 * few + 20.0 + 4.0 * times),
        draws=8.0 * few,
        moved=8.0 * (30.0 + 16.0 * times) * few,
        steps=12.0 * few + 2000.0,
    )


def _mean_test(values: np.ndarray, N: int, snr: float, inr: float, t: Any) -> np.ndarray:
    """Test error less its noise, float64[trials], with the modes that no example reaches."""
    left = np.exp(-values * t)
    modes = (1.0 + inr) * left**2 + np.square(1.0 - left) / (values * snr)
    return np.asarray((np.sum(modes, axis=1) + (1.0 + inr) * (N - values.shape[1])) / N)


@simulation(backends=("numpy", "numba"), cost=_cost)
def mean_errors(
    trials: int, rng: Stream, *, N: int, alpha: float, snr: float, inr: float, t: Any
) -> dict[str, np.ndarray]:
    """Mean errors at every draw of the inputs.

    Returns
    -------
    test, train : float64[trials, k]
        At the k times.
    """
    P = round(alpha * N)
    values = eigenvalues(trials, rng, N, P)
    test, train = [], []
    for s in np.atleast_1d(t):
        test.append(_mean_test(values, N, snr, inr, s) + 1.0 / snr)
        residual = np.sum((values * (1.0 + inr) + 1.0 / snr) * np.exp(-2.0 * values * s), axis=1)
        train.append((residual + max(P - N, 0) / snr) / P)
    return {"test": np.stack(test, axis=1), "train": np.stack(train, axis=1)}


# Degree of the polynomials whose traces have known means.
DEGREE = 2


@simulation(
    backends=("numpy", "numba"),
    cost=lambda **p: replace(_cost(**p), bytes=_cost(**p).bytes + 24.0 * min(p["N"], p["alpha"] * p["N"])),
)
def total_error(trials: int, rng: Stream, *, N: int, alpha: float, snr: float, inr: float, t: Any) -> np.ndarray:
    """N times the mean test error at every draw of the inputs, float64[trials, k], at the k times.

    Traces of (X X^T)^j have exactly known means for j = 0, 1, 2 (Wick's theorem): the polynomial nearest to the error
    as a function of the eigenvalue is subtracted from every trace, and its mean added. That changes no mean, and takes
    away most of the scatter. A cubic would take away more, and leave heavy tails.
    """
    P = round(alpha * N)
    values = eigenvalues(trials, rng, N, P)
    known = np.array([P, P * (N + P + 1.0) / N])
    powers = values[:, :, None] ** np.arange(1, DEGREE + 1)
    unexpected = powers.sum(axis=1) - known
    root = np.sqrt(P / N)
    angle = np.pi * (np.arange(64) + 0.5) / 64
    grid = 1.0 + root**2 + 2.0 * root * np.cos(angle)
    basis = grid[:, None] ** np.arange(DEGREE + 1) * np.sin(angle)[:, None]
    out = []
    for s in np.atleast_1d(t):
        left = np.exp(-grid * s)
        shape = (1.0 + inr) * left**2 + np.square(1.0 - left) / (np.maximum(grid, 1e-12) * snr)
        coefficients = np.linalg.lstsq(basis, shape * np.sin(angle), rcond=None)[0]
        out.append(N * (_mean_test(values, N, snr, inr, s) + 1.0 / snr) - unexpected @ coefficients[1:])
    return np.stack(out, axis=1)


@simulation(backends=("numpy", "numba"), cost=_cost)
def overtraining(trials: int, rng: Stream, *, N: int, alpha: float, snr: float, inr: float, t: float) -> np.ndarray:
    """Mean test error less the noise of the test labels at one time, float64[trials]."""
    return _mean_test(eigenvalues(trials, rng, N, round(alpha * N)), N, snr, inr, t)


@simulation(backends=("numpy", "numba"), cost=_cost)
def mean_slope(trials: int, rng: Stream, *, N: int, alpha: float, snr: float, inr: float, t: float) -> np.ndarray:
    """Rate of change of the mean test error at one time, float64[trials]."""
    values = eigenvalues(trials, rng, N, round(alpha * N))
    left = np.exp(-values * t)
    # 2 d d' of a mode, with d' = -s (s d(0) - noise) exp(-s^2 t).
    slope = 2.0 * left * ((1.0 - left) / snr - (1.0 + inr) * values * left)
    return np.asarray(np.sum(slope, axis=1) / N)


def _delay_cost(*, N: float, alpha: float, **_: object) -> Cost:
    few = min(N, alpha * N)
    return Cost(
        flops=30.0 * few**2 + 2.0 * HALVINGS * 25.0 * few,
        bytes=8.0 * (9.0 * few + N),
        draws=8.0 * few + N,
        moved=8.0 * 2.0 * HALVINGS * 6.0 * few,
        steps=12.0 * few + 2000.0,
    )


@simulation(backends=("numpy", "numba"), cost=_delay_cost)
def delay(trials: int, rng: Stream, *, N: int, alpha: float, e0: float, q: float) -> np.ndarray:
    """Time from a part q of training points right to a part q of test points right, float64[trials].

    No label noise, w(0) = 0. Right is a squared error of at most e0; errors are normal, given the student, so that a
    part q is right when their mean square is e0/(2 erfinv(q)^2). Each trial is one X and one teacher.
    """
    P = round(alpha * N)
    values = eigenvalues(trials, rng, N, P)
    squares = np.square(rng.normal(trials, N))
    seen, never = squares[:, : values.shape[1]], squares[:, values.shape[1] :].sum(axis=1)
    level = e0 / (2.0 * erfinv(q) ** 2)

    def when(weights: np.ndarray, rest: np.ndarray) -> np.ndarray:
        low, high = np.full(trials, -20.0), np.full(trials, 20.0)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            loss = rest + np.sum(weights * np.exp(-2.0 * values * np.exp(middle)[:, None]), axis=1)
            low, high = np.where(loss > level, middle, low), np.where(loss > level, high, middle)
        return np.asarray(np.exp(low))

    return when(seen / N, never / N) - when(seen * values / P, 0.0 * never)


@simulation(backends=("numpy", "numba"), cost=_cost)
def change_with_examples(
    trials: int, rng: Stream, *, N: int, alpha: float, snr: float, inr: float, t: float, part: float
) -> np.ndarray:
    """Mean test error at (alpha - part) N examples minus that at (alpha + part) N, float64[trials]."""
    few, many = (
        _mean_test(eigenvalues(trials, rng, N, round((alpha + sign * part) * N)), N, snr, inr, t) for sign in (-1, 1)
    )
    return few - many


def least(function: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Least values over brackets, by golden sections, elementwise: functions that fall and then rise."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(SECTIONS):
        fell = at_left < at_right
        low, high = np.where(fell, low, left), np.where(fell, right, high)
        new = np.where(fell, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        at_new = function(new)
        left, right, at_left, at_right = (
            np.where(fell, new, right),
            np.where(fell, left, new),
            np.where(fell, at_new, at_right),
            np.where(fell, at_left, at_new),
        )
    return np.minimum(at_left, at_right)


def _best(values: np.ndarray, weights: np.ndarray, snr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least noise-free errors over stopping times from w = 0, and over ridges.

    Parameters
    ----------
    values, weights : float64[cases, n]
        A spectrum; what is missing to weight one is zero.
    snr : float64[cases]
    """
    zero = 1.0 - weights.sum(axis=1)
    noise = 1.0 / snr[:, None]

    def stopped(log_time: np.ndarray) -> np.ndarray:
        left = np.exp(-values * np.exp(log_time)[:, None])
        return np.asarray(zero + np.sum(weights * (left**2 + np.square(1.0 - left) * noise / values), axis=1))

    def shrunk(log_ridge: np.ndarray) -> np.ndarray:
        g = np.exp(log_ridge)[:, None]
        return np.asarray(zero + np.sum(weights * (g**2 + values * noise) / np.square(values + g), axis=1))

    # The best times of the fastest and of the slowest mode; ridges around the noise.
    first = np.log(np.log1p(values[:, -1] * snr) / values[:, -1])
    last = np.log(snr)
    return least(stopped, first - 0.1, last + 0.1), least(shrunk, -np.log(snr) - 3.0, -np.log(snr) + 3.0)


@simulation(
    backends=("numpy", "numba"),
    cost=lambda *, N, alpha, **_: Cost(
        flops=30.0 * min(N, alpha * N) ** 2 + 60.0 * SECTIONS * min(N, alpha * N),
        bytes=8.0 * 10.0 * min(N, alpha * N),
        draws=8.0 * min(N, alpha * N),
        moved=8.0 * 25.0 * SECTIONS * min(N, alpha * N),
        steps=12.0 * min(N, alpha * N) + 2000.0,
    ),
)
def stopping_against_ridge(trials: int, rng: Stream, *, N: int, alpha: float, snr: float) -> np.ndarray:
    """Least noise-free error along the flow from w = 0 over that of ridge, minus one, float64[trials]."""
    values = eigenvalues(trials, rng, N, round(alpha * N))
    stop, shrink = _best(values, np.full(values.shape, 1.0 / N), np.full(trials, snr))
    return stop / shrink - 1.0


def jacobi(alpha: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Gauss quadrature for the limiting spectrum of X X^T, without its atom: nodes and weights float64[cases, nodes].

    In the limit of many inputs the chi variables of the tridiagonal matrix are their means: alpha, then alpha + 1 on
    the diagonal, sqrt(alpha) beside it; squared first components of the eigenvectors are the weights (Golub and Welsch
    1969). For alpha < 1 the eigenvector of the smallest eigenvalue carries the atom.
    """
    matrix = np.zeros((alpha.size, nodes, nodes))
    i = np.arange(nodes)
    matrix[:, i, i] = alpha[:, None] + 1.0
    matrix[:, 0, 0] = alpha
    matrix[:, i[1:], i[:-1]] = matrix[:, i[:-1], i[1:]] = np.sqrt(alpha)[:, None]
    values, vectors = np.linalg.eigh(matrix)
    weights = np.square(vectors[:, 0, :])
    # Below alpha = 1 the atom is what the smallest node stands for, or a part of it where it is not yet apart.
    low = np.square(1.0 - np.sqrt(alpha))
    atom = (alpha < 1.0)[:, None] & (values < 0.5 * low[:, None])
    return np.maximum(values, 1e-30), np.where(atom, 0.0, weights)


# Nodes of the spectrum; half as many tell the error.
NODES = 96


@simulation(
    backends=("numpy", "numba"),
    per_trial=False,
    cost=lambda **_: Cost(
        flops=10.0 / 3.0 * NODES**3,
        bytes=8.0 * 512 * 3.0 * NODES**2,
        draws=2.0,
        moved=8.0 * (2.0 * NODES**2 + 25.0 * SECTIONS * NODES),
        factorisations=10.0 / 3.0 * NODES**3,
        order=NODES,
    ),
)
def limiting_ratios(trials: int, rng: Stream) -> dict[str, np.ndarray]:
    """Early stopping against ridge for many inputs: alpha in [0.3, 5] and SNR in [0.1, 1000], log-uniform.

    Half of the cases are near the places where stopping loses most, as a search over the first half finds them.

    Returns
    -------
    x, y, error, case : float64[trials]
        alpha, the ratio of the least noise-free errors, its numerical error, the number of the case.
    """
    u = rng.uniform(trials, 2)
    alpha, snr = 0.3 * (5.0 / 0.3) ** u[:, 0], 0.1 * 1e4 ** u[:, 1]

    def ratios(some: slice) -> np.ndarray:
        pair = []
        for nodes in (NODES, NODES // 2):
            stop, shrink = _best(*jacobi(alpha[some], nodes), snr[some])
            pair.append(stop / shrink)
        return np.stack(pair)

    half = trials // 2
    first = ratios(slice(0, half))
    best = int(np.argmax(first[0]))
    # A quarter of the range around the worst case found, inside the range.
    for x, low, high in ((alpha, 0.3, 5.0), (snr, 0.1, 1000.0)):
        x[half:] = np.clip(x[best] * (x[half:] / np.sqrt(low * high)) ** 0.25, low, high)
    y, coarse = np.concatenate([first, ratios(slice(half, trials))], axis=1)
    return {"x": alpha, "y": y, "error": np.abs(y - coarse) + 1e-12, "case": np.arange(trials)}
