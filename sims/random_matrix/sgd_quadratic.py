r"""Gradient descent on a random quadratic: w <- w - eta C^-1 H_B w, with one batch for ever or a fresh one every step.

Samples x are normal in R^P with variance theta along the first axis and sigma^2 along the others; H_B = (1/B) sum x x^T
(targets are zero, so that w is the error vector and there is no label noise). Fresh batches cost P B normals and four
passes over them a step; one batch costs an eigenvalue problem and a pass over P^2 numbers a step.

Mean squares over runs are dominated by rare runs after a few steps. They are therefore measured over one step only,
from which the second moments of any number of steps follow, because the batches are independent.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation


def _batch(trials: int, rng: Stream, P: int, B: int, theta: float, sigma: float) -> np.ndarray:
    """Samples, float64[trials, B, P]."""
    x = rng.normal(trials, B, P)
    xp = namespace(x)
    deviation = xp.where(xp.arange(P) == 0, xp.asarray(math.sqrt(theta)), xp.asarray(sigma))
    return x * deviation


def _product(matrices: np.ndarray, w: np.ndarray) -> np.ndarray:
    """One matrix-vector product a trial, float64[trials, rows]."""
    return (matrices @ w[..., None])[..., 0]


def _step(x: np.ndarray, w: np.ndarray, eta: float) -> np.ndarray:
    """(I - eta X^T X / B) w."""
    return w - eta / x.shape[1] * _product(namespace(x).matrix_transpose(x), _product(x, w))


def _squared_length(w: np.ndarray) -> np.ndarray:
    length: np.ndarray = namespace(w).sum(w * w, axis=1)
    return length


def _fixed_cost(*, P: float, B: float, steps: float, **_: object) -> Cost:
    products, eigen = 2.0 * P * P * (B + P), 10.0 / 3.0 * P**3
    return Cost(
        flops=products + eigen,
        bytes=8.0 * (P * B + 3.0 * P**2 + 3.0 * P),
        draws=P * (B + 1.0),
        # A step reads the curvature and takes about six sums or products of vectors.
        moved=8.0 * P * B + 64.0 * P**2 + steps * (8.0 * P**2 + 144.0 * P),
        products=products,
        factorisations=eigen,
        order=P,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_fixed_cost)
def one_batch_growth(
    trials: int, rng: Stream, *, P: int, B: int, rho: float, power: float, sharpness: float, steps: int
) -> dict[str, np.ndarray]:
    """Growth of log|C^-1 gradient|^2 per step, float64[trials], of heavy-ball descent with the same batch at every
    step.

    C = H_B^power on its range: power 0 is SGD, power 1/2 an Adam-type method. The learning rate is `sharpness` over the
    largest eigenvalue of C^-1 H_B. White data; the first half of the steps is discarded.

    Returns
    -------
    growth, sign : float64[trials]
        Growth of log|C^-1 gradient|^2 per step, and its sign: 1.0 or -1.0.
    """
    x = rng.normal(trials, B, P)
    xp = namespace(x)
    values, vectors = xp.linalg.eigh(xp.matrix_transpose(x) @ x / B)
    values = xp.where(xp.arange(P) < P - min(P, B), xp.asarray(0.0), values)
    curvature = (vectors * values[:, None, :] ** (1.0 - power)) @ xp.matrix_transpose(vectors)
    alpha = sharpness / values[:, -1:] ** (1.0 - power)
    # In the range of H_B: what lies outside never moves, and would hide the decay of the rest by rounding.
    w = _product(curvature, rng.normal(trials, P))
    before = w
    halfway = xp.zeros(trials)
    for t in range(steps):
        force = _product(curvature, w)
        if t == steps // 2:
            halfway = xp.log(_squared_length(force))
        w, before = w - alpha * force + rho * (w - before), w
    growth = (xp.log(_squared_length(_product(curvature, w))) - halfway) / (steps - steps // 2)
    return {"growth": growth, "sign": xp.where(growth > 0.0, xp.asarray(1.0), xp.asarray(-1.0))}


def _fresh_cost(*, P: float, B: float, steps: float = 1, batches: float = 2, **_: object) -> Cost:
    return Cost(
        flops=4.0 * steps * P * B,
        bytes=8.0 * (batches * P * B + 3.0 * P),
        draws=P * (steps * B + 1.0),
        # Scaling, with an inner loop for each sample, writes the samples once more; two products a trial read them.
        moved=steps * (32.0 * P * B + 120.0 * P),
        steps=steps * (3.0 * B + 20.0),
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_fresh_cost)
def fresh_batch_growth(
    trials: int, rng: Stream, *, P: int, B: int, theta: float, sigma: float, eta: float, steps: int
) -> np.ndarray:
    """Growth of log|w|^2 per step, float64[trials], with a fresh batch at every step.

    The first half of the steps is discarded, so that w has found its stationary direction.
    """
    w = rng.normal(trials, P)
    xp = namespace(w)
    total = xp.zeros(trials)
    for t in range(steps):
        w = _step(_batch(trials, rng, P, B, theta, sigma), w, eta)
        square = _squared_length(w)
        w = w / xp.sqrt(square)[:, None]
        if t >= steps // 2:
            total = total + xp.log(square)
    return total / (steps - steps // 2)


@simulation(backends=("numpy", "numba", "cupy"), cost=_fresh_cost)
def one_step(trials: int, rng: Stream, *, P: int, B: int, sigma: float, eta: float) -> dict[str, np.ndarray]:
    """One step from a random direction on white data.

    Returns
    -------
    ratio, growth : float64[trials]
        |(I - eta H_B) w|^2 / |w|^2, and this minus 1.
    """
    w = rng.normal(trials, P)
    moved = _step(_batch(trials, rng, P, B, sigma**2, sigma), w, eta)
    ratio = _squared_length(moved) / _squared_length(w)
    return {"ratio": ratio, "growth": ratio - 1.0}


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda **p: _fresh_cost(**{**p, "steps": 2, "batches": 3}))
def second_moment_order(
    trials: int, rng: Stream, *, P: int, B: int, theta: float, sigma: float, eta: float
) -> np.ndarray:
    """Minus det(I - M), float64[trials], M the map of (E w_1^2, sum_{j>1} E w_j^2) under one step.

    A step from the first axis gives the first column of M, an independent one from the second axis the second column
    (all directions but the first are alike), so that the products have the right mean. Negative where second moments
    decay: det(I - M) is the product of 1 - (eigenvalue) over both eigenvalues."""
    columns = []
    for axis in (0, 1):
        x = _batch(trials, rng, P, B, theta, sigma)
        xp = namespace(x)
        w = xp.where(xp.arange(P) == axis, xp.ones((trials, P)), xp.asarray(0.0))
        square = xp.square(_step(x, w, eta))
        columns.append((square[:, 0], xp.sum(square[:, 1:], axis=1)))
    (m11, m21), (m12, m22) = columns
    return m12 * m21 - (1.0 - m11) * (1.0 - m22)
