r"""One-pass SGD on power-law random features: the process itself, and its exact mean at the features drawn.

Inputs $x \in R^v$ have independent Gaussian coordinates of standard deviations $j^{-\alpha}$, the target is
$\langle x, b\rangle$ with $b_j = j^{-\beta}$, the features are $W^T x$ with independent $W_{ji} \sim N(0, 1/d)$. SGD
starts from zero weights and sums the gradient over a fresh batch of B inputs a step. The learning rate is given as
`rate` $= \gamma \sum_j j^{-2\alpha}$, so that one value serves all sizes. Risks are exact given the weights, without a
half.

Every trial draws features of its own. `stochastic` runs SGD on them; `expected` averages over all inputs by the
recursion for second moments, so that only the scatter between features is left. Its cost is that of the Gram matrix and
of its tridiagonal form: 1 ms at d = 128, 0.1 s at d = 800.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorylab.kernels import second_moments, sgd
from theorylab.kernels.arrays import host, namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation


def _scales(alpha: float, v: int) -> np.ndarray:
    """Standard deviations of the inputs, float64[v]."""
    return np.arange(1.0, v + 1.0) ** -alpha


def _target(alpha: float, beta: float, v: int) -> np.ndarray:
    """The target's coefficients in units of the inputs' standard deviations, float64[v]."""
    return np.arange(1.0, v + 1.0) ** -(alpha + beta)


def _features(trials: int, rng: Stream, alpha: float, d: int, v: int) -> np.ndarray:
    """diag(j^-alpha) W, float64[trials, v, d]."""
    normal = rng.normal(trials, v, d)
    normal *= namespace(normal).asarray(_scales(alpha, v) / math.sqrt(d))[:, None]
    return normal


def _decomposed(features: np.ndarray, target: np.ndarray, backend: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nonzero eigenvalues of the features' covariance and squared errors along them at zero weights,
    float64[trials, d], and the least risk, float64[trials]."""
    xp = namespace(features)
    turned, goal = xp.matrix_transpose(features), xp.asarray(target)
    values, weights = second_moments.spectral_measure(turned @ features, turned @ goal, backend)
    errors = weights / values
    return values, errors, xp.sum(goal * goal) - xp.sum(errors, axis=1)


def _learning_rate(rate: float, alpha: float, v: int) -> float:
    return rate / float(np.sum(np.square(_scales(alpha, v))))


def _cost(*, d: float, ratio: float, r: object = 0.0, steps: float = 0.0, **_: object) -> Cost:
    v = ratio * d
    gram, reduction = 2.0 * v * d * d, 4.0 / 3.0 * d**3
    times = np.atleast_1d(np.asarray(r, dtype=float))
    steps = max(steps, float(times[-1]))
    return Cost(
        flops=gram + reduction + 4.0 * d * steps,
        bytes=8.0 * (v * d + d * d + 6.0 * d + times.size),
        draws=v * d,
        moved=16.0 * v * d + 32.0 * d * d,
        steps=steps,
        products=gram,
        factorisations=reduction,
        order=d,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
def expected(
    trials: int, rng: Stream, *, alpha: float, beta: float, d: int, ratio: float, rate: float, B: int, r: np.ndarray
) -> dict[str, np.ndarray]:
    """Risk of SGD averaged over all inputs, at features drawn with v = ratio d.

    Returns
    -------
    risk : float64[trials, times]
        After r steps.
    least : float64[trials]
        Least risk of any weights.
    smallest : float64[trials]
        Smallest nonzero eigenvalue of the covariance.
    """
    v = round(ratio * d)
    values, errors, least = _decomposed(_features(trials, rng, alpha, d, v), _target(alpha, beta, v), rng.backend)
    xp = namespace(values)
    gamma = _learning_rate(rate, alpha, v)
    rates = xp.full((trials,), gamma)
    risk = second_moments.recursion(values, errors, least, rates, B, np.atleast_1d(host(r)), rng.backend)
    return {"risk": risk, "least": least, "smallest": values[:, 0]}


def _stochastic_cost(*, d: float, ratio: float, B: float, r: object, runs: float, **_: object) -> Cost:
    v, times = ratio * d, np.atleast_1d(np.asarray(r, dtype=float))
    steps = runs * float(times[-1])
    once = _cost(d=d, ratio=ratio)
    products = 2.0 * steps * B * v * (d + 1.0)
    return Cost(
        flops=once.flops + products + 4.0 * steps * B * d + 2.0 * runs * times.size * v * d,
        bytes=once.bytes + 24.0 * times.size,
        draws=once.draws + steps * B * v,
        moved=once.moved,
        steps=once.steps,
        products=once.products + products,
        factorisations=once.factorisations,
        order=d,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_stochastic_cost)
def stochastic(
    trials: int,
    rng: Stream,
    *,
    alpha: float,
    beta: float,
    d: int,
    ratio: float,
    rate: float,
    B: int,
    r: np.ndarray,
    runs: int,
) -> dict[str, np.ndarray]:
    """Mean risk of `runs` runs of SGD that share the features of their trial and nothing else.

    Returns
    -------
    risk : float64[trials, times]
    eigenvalues, errors : float64[trials, d]
        Nonzero eigenvalues of the covariance of the features in use, and squared errors of zero weights along them.
    least : float64[trials]
        Least risk of any weights.
    """
    v = round(ratio * d)
    a = _features(trials, rng, alpha, d, v)
    values, errors, least = _decomposed(a, _target(alpha, beta, v), rng.backend)
    features, goal, times = host(a), _target(alpha, beta, v), np.atleast_1d(host(r)).astype(np.int64)
    gamma = _learning_rate(rate, alpha, v)
    total: Any = 0.0
    for _ in range(runs):
        total = total + sgd.random_features(
            trials, rng, features, goal, rate=gamma, batch=B, times=times, form="direct"
        )
    return {"risk": total / runs, "eigenvalues": values, "errors": errors, "least": least}


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
def settled(
    trials: int, rng: Stream, *, alpha: float, beta: float, d: int, ratio: float, rate: float, B: int, steps: int
) -> dict[str, np.ndarray]:
    """Risk averaged over all inputs after so many steps that it changes no more.

    Returns
    -------
    risk : float64[trials, 1]
    eigenvalues : float64[trials, d]
        Nonzero eigenvalues of the covariance of the features.
    least : float64[trials]
        Least risk of any weights.
    """
    v = round(ratio * d)
    values, errors, least = _decomposed(_features(trials, rng, alpha, d, v), _target(alpha, beta, v), rng.backend)
    rates = namespace(values).full((trials,), _learning_rate(rate, alpha, v))
    risk = second_moments.recursion(values, errors, least, rates, B, np.array([steps]), rng.backend)
    return {"risk": risk, "eigenvalues": values, "least": least}


def _growth_cost(*, d: float, ratio: float, **_: object) -> Cost:
    once = _cost(d=d, ratio=ratio)
    return Cost(
        flops=once.flops + 4.0 / 3.0 * d**3,
        bytes=once.bytes + 24.0 * d * d,
        draws=once.draws,
        moved=once.moved + 96.0 * d * d,
        products=once.products,
        factorisations=once.factorisations + 4.0 / 3.0 * d**3,
        order=d,
    )


@simulation(backends=("numpy", "numba"), cost=_growth_cost)
def growth(trials: int, rng: Stream, *, alpha: float, d: int, ratio: float, rate: float, B: int) -> np.ndarray:
    """d times the logarithm of the largest eigenvalue of SGD's map of second moments, float64[trials].

    Positive where the mean risk grows without bound. The map is diagonal plus of rank one, and similar to a symmetric
    matrix.
    """
    v = round(ratio * d)
    a = _features(trials, rng, alpha, d, v)
    values = np.linalg.eigvalsh(np.swapaxes(a, 1, 2) @ a)
    gamma = _learning_rate(rate, alpha, v)
    feed = B * (gamma * values) ** 2
    keep = 1.0 - 2.0 * gamma * B * values + B * (B + 1.0) * (gamma * values) ** 2
    root = np.sqrt(feed)
    maps = keep[:, :, None] * np.eye(d) + root[:, :, None] * root[:, None, :]
    return d * np.log(np.linalg.eigvalsh(maps)[:, -1])
