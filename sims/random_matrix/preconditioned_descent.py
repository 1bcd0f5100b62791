r"""Descent on a quadratic whose steps are w <- w - alpha C^-1 H_B w with C = H_B^power, the batch kept or fresh.

Samples are normal in R^P with variance theta along the first axis and sigma^2 along the others, H_B = (1/B) sum x x^T
over a batch. power = 0 is SGD; power = 1/2 the square root of the batch's own curvature, as Adam-type methods have it.
Directions that a batch does not see do not move.

Cost of a trial: one eigendecomposition for each batch, B P normals, and a few products of vectors a step.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation


def _cost(*, P: float, B: float, steps: float, fresh: float, **_: object) -> Cost:
    batches = steps if fresh else 1.0
    products, eigen = 2.0 * batches * P * P * B, batches * 10.0 / 3.0 * P**3
    return Cost(
        flops=products + eigen + 4.0 * steps * P * P,
        bytes=8.0 * (2.0 * P * B + 4.0 * P * P + 6.0 * P),
        draws=P * (batches * B + 1.0),
        moved=batches * (24.0 * P * B + 32.0 * P * P) + steps * (16.0 * P * P + 100.0 * P),
        products=products,
        factorisations=eigen,
        order=P,
    )


def _preconditioned(
    trials: int, rng: Stream, P: int, B: int, theta: float, sigma: float, power: float
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of C^-1 H_B, float64[trials, P], and eigenvectors."""
    x = rng.normal(trials, B, P)
    xp = namespace(x)
    x = x * xp.where(xp.arange(P) == 0, xp.asarray(math.sqrt(theta)), xp.asarray(sigma))
    values, vectors = xp.linalg.eigh(xp.matrix_transpose(x) @ x / B)
    seen = xp.arange(P) >= P - min(P, B)
    return xp.where(seen, xp.where(seen, values, 1.0) ** (1.0 - power), 0.0), vectors


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
def growth(
    trials: int,
    rng: Stream,
    *,
    P: int,
    B: int,
    theta: float,
    sigma: float,
    power: float,
    alpha: float,
    steps: int,
    fresh: int,
) -> np.ndarray:
    """Growth of log|w|^2 a step over the second half of the steps, float64[trials].

    w starts at random; with one batch for ever (`fresh` 0) in the directions that it sees, with a fresh batch at every
    step (`fresh` 1) anywhere.
    """
    w = rng.normal(trials, P)
    xp = namespace(w)
    total = xp.zeros(trials)
    for step in range(steps):
        if fresh or step == 0:
            values, vectors = _preconditioned(trials, rng, P, B, theta, sigma, power)
        along = (xp.matrix_transpose(vectors) @ w[..., None])[..., 0]
        factor = 1.0 - alpha * values
        if not fresh:
            factor = xp.where(values > 0.0, factor, 0.0)
        w = (vectors @ (factor * along)[..., None])[..., 0]
        square = xp.sum(w * w, axis=1)
        w = w / xp.sqrt(square)[:, None]
        if step >= steps // 2:
            total = total + xp.log(square)
    result: np.ndarray = total / (steps - steps // 2)
    return result
