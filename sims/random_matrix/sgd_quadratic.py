r"""Gradient descent on a random quadratic: w <- w - eta C^-1 H_B w, with one batch for ever or a fresh one every step.

Samples x are normal in R^P with variance theta along the first axis and sigma^2 along the others; H_B = (1/B) sum x x^T
(targets are zero, so that w is the error vector and there is no label noise). Fresh batches cost 2 P B operations and
P B normals a step; one batch costs an eigenvalue problem and P^2 operations a step.

Mean squares over runs are dominated by rare runs after a few steps. They are therefore measured over one step only,
from which the second moments of any number of steps follow, because the batches are independent.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

# Doubles held at a time, about 32 MB.
MOST = 4_000_000


def _batch(trials: int, rng: Stream, P: int, B: int, theta: float, sigma: float) -> np.ndarray:
    """Samples, float64[trials, B, P]."""
    x = sigma * rng.normal(trials, B, P)
    x[:, :, 0] *= math.sqrt(theta) / sigma
    return x


def _step(x: np.ndarray, w: np.ndarray, eta: float) -> np.ndarray:
    """(I - eta X^T X / B) w."""
    inner = np.einsum("tbp,tp->tb", x, w)
    return np.asarray(w - eta / x.shape[1] * np.einsum("tbp,tb->tp", x, inner))


def _fixed_cost(*, P: float, B: float, steps: float, **_: object) -> Cost:
    return Cost(flops=2 * P * P * B + 10 * P**3 + 2 * steps * P**2, bytes=8 * (P * B + 3 * P**2))


@simulation(backends=("numpy", "numba"), cost=_fixed_cost)
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
    out = np.empty(trials)
    done = 0
    for part, count in rng.split(trials, max(1, MOST // (P * max(P, B)))):
        x = part.normal(count, B, P)
        values, vectors = np.linalg.eigh(np.swapaxes(x, 1, 2) @ x / B)
        values[:, : P - min(P, B)] = 0.0
        curvature = (vectors * values[:, None, :] ** (1.0 - power)) @ np.swapaxes(vectors, 1, 2)
        alpha = sharpness / values[:, -1] ** (1.0 - power)
        # In the range of H_B: what lies outside never moves, and would hide the decay of the rest by rounding.
        w = (curvature @ part.normal(count, P, 1))[..., 0]
        before = w
        halfway = np.zeros(count)
        for t in range(steps):
            force = (curvature @ w[..., None])[..., 0]
            if t == steps // 2:
                halfway = np.log(np.sum(force**2, axis=1))
            w, before = w - alpha[:, None] * force + rho * (w - before), w
        force = (curvature @ w[..., None])[..., 0]
        out[done : done + count] = (np.log(np.sum(force**2, axis=1)) - halfway) / (steps - steps // 2)
        done += count
    return {"growth": out, "sign": np.where(out > 0.0, 1.0, -1.0)}


def _fresh_cost(*, P: float, B: float, steps: float = 1, **_: object) -> Cost:
    return Cost(flops=steps * P * B * (4 + 10), bytes=8 * P * (B + 2))


@simulation(backends=("numpy", "numba"), cost=_fresh_cost)
def fresh_batch_growth(
    trials: int, rng: Stream, *, P: int, B: int, theta: float, sigma: float, eta: float, steps: int
) -> np.ndarray:
    """Growth of log|w|^2 per step, float64[trials], with a fresh batch at every step.

    The first half of the steps is discarded, so that w has found its stationary direction.
    """
    out = np.empty(trials)
    done = 0
    for part, count in rng.split(trials, max(1, MOST // (P * B))):
        w = part.normal(count, P)
        total = np.zeros(count)
        for t in range(steps):
            w = _step(_batch(count, part, P, B, theta, sigma), w, eta)
            length = np.linalg.norm(w, axis=1)
            w /= length[:, None]
            if t >= steps // 2:
                total += 2.0 * np.log(length)
        out[done : done + count] = total / (steps - steps // 2)
        done += count
    return out


@simulation(backends=("numpy", "numba"), cost=_fresh_cost)
def one_step(trials: int, rng: Stream, *, P: int, B: int, sigma: float, eta: float) -> dict[str, np.ndarray]:
    """One step from a random direction on white data.

    Returns
    -------
    ratio, growth : float64[trials]
        |(I - eta H_B) w|^2 / |w|^2, and this minus 1.
    """
    ratio = np.empty(trials)
    done = 0
    for part, count in rng.split(trials, max(1, MOST // (P * B))):
        w = part.normal(count, P)
        moved = _step(_batch(count, part, P, B, sigma**2, sigma), w, eta)
        ratio[done : done + count] = np.sum(moved**2, axis=1) / np.sum(w**2, axis=1)
        done += count
    return {"ratio": ratio, "growth": ratio - 1.0}


@simulation(backends=("numpy", "numba"), cost=lambda **p: _fresh_cost(**{**p, "steps": 2}))
def second_moment_order(
    trials: int, rng: Stream, *, P: int, B: int, theta: float, sigma: float, eta: float
) -> np.ndarray:
    """Minus det(I - M), float64[trials], M the map of (E w_1^2, sum_{j>1} E w_j^2) under one step.

    A step from the first axis gives the first column of M, an independent one from the second axis the second column
    (all directions but the first are alike), so that the products have the right mean. Negative where second moments
    decay: det(I - M) is the product of 1 - (eigenvalue) over both eigenvalues."""
    columns = []
    for axis in (0, 1):
        first, rest = np.empty(trials), np.empty(trials)
        done = 0
        for part, count in rng.split(trials, max(1, MOST // (P * B))):
            w = np.zeros((count, P))
            w[:, axis] = 1.0
            square = np.square(_step(_batch(count, part, P, B, theta, sigma), w, eta))
            first[done : done + count] = square[:, 0]
            rest[done : done + count] = square[:, 1:].sum(axis=1)
            done += count
        columns.append((first, rest))
    (m11, m21), (m12, m22) = columns
    return np.asarray(m12 * m21 - (1.0 - m11) * (1.0 - m22))
