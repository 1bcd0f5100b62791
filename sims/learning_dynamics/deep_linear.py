r"""Deep linear networks with whitened inputs: the flow of their weight matrices, and gradient descent.

Loss (1/2)|A - W_n ... W_1|_F^2; dW_l/dt = W_{l+1}^T .. W_n^T (A - W_n .. W_1) W_1^T .. W_{l-1}^T, integrated for all
matrices by the fourth-order Runge-Kutta method. Nothing is projected on modes but what is reported.

Cost of a step: four times about 3 n products of matrices.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from theorylab.errors import DomainError
from theorylab.kernels.arrays import host, namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

# Products that a gradient takes, for each layer; Runge-Kutta stages.
PRODUCTS, STAGES = 4.0, 4.0
# Steps of the flow in units of the fastest rate, the second where steps follow the weights; and the number of steps
# after which a start that has not learned is given up.
STEP, COARSE, MOST = 0.1, 0.35, 100_000


def gradients(weights: list[Any], target: Any) -> list[Any]:
    """Minus the gradient of the loss with respect to every layer, from the first to the last."""
    xp = namespace(target)
    below = [weights[0]]
    for w in weights[1:]:
        below.append(w @ below[-1])
    back = target - below[-1]
    out = []
    for i in range(len(weights) - 1, -1, -1):
        out.append(back @ xp.matrix_transpose(below[i - 1]) if i else back)
        back = xp.matrix_transpose(weights[i]) @ back
    return out[::-1]


def runge_kutta(weights: list[Any], target: Any, step: Any) -> list[Any]:
    """Weights after a step of the flow; `step` broadcasts over trials."""

    def moved(by: list[Any], part: float) -> list[Any]:
        return [w + part * step * g for w, g in zip(weights, by)]

    k1 = gradients(weights, target)
    k2 = gradients(moved(k1, 0.5), target)
    k3 = gradients(moved(k2, 0.5), target)
    k4 = gradients(moved(k3, 1.0), target)
    return [w + step / 6.0 * (a + 2.0 * b + 2.0 * c + d) for w, a, b, c, d in zip(weights, k1, k2, k3, k4)]


def product(weights: list[Any]) -> Any:
    """W_n ... W_1."""
    out = weights[0]
    for w in weights[1:]:
        out = w @ out
    return out


def imbalance(weights: list[Any]) -> Any:
    """W_l W_l^T - W_{l+1}^T W_{l+1} of all neighbours, float64[trials, n - 1, d, d]."""
    xp = namespace(weights[0])
    pairs = [a @ xp.matrix_transpose(a) - xp.matrix_transpose(b) @ b for a, b in pairwise(weights)]
    return xp.stack(pairs, axis=1)


def _norm(x: Any) -> Any:
    xp = namespace(x)
    return xp.sqrt(xp.sum(x * x, axis=(1, 2, 3)))


def _cost(n: float, d: float, steps: float, stages: float = STAGES) -> Cost:
    work = steps * stages * n * PRODUCTS * 2.0 * d**3
    return Cost(
        flops=work,
        bytes=8.0 * d**2 * (10.0 * n + 8.0),
        draws=(n + 1.0) * d**2,
        moved=steps * stages * n * 10.0 * 8.0 * d**2,
        # Products of small matrices wait for their calls.
        steps=steps * stages * n * 40.0,
    )


def _aligned_cost(*, n: float = 2, t: Any = 1.0, s: float = 1.0, d: float = 3, **_: object) -> Cost:
    return _cost(n, d, float(np.max(t)) * fastest(n, s) / STEP)


def fastest(n: float, s: float, k: float = 0.0) -> float:
    """The largest rate of the flow near a target of largest strength s, with a gap k between layers."""
    return float(n * s ** (2.0 - 2.0 / n) + k)


def _flow_through(weights: list[Any], target: Any, t: Any, rate: float) -> Any:
    """Weights at the times t, ascending, by steps of at most `STEP` over the fastest rate."""
    now = 0.0
    for later in np.atleast_1d(t):
        steps = int(np.ceil((float(later) - now) * rate / STEP))
        for _ in range(steps):
            weights = runge_kutta(weights, target, (float(later) - now) / steps)
        now = float(later)
        yield weights


@simulation(
    backends=("numpy", "numba"),
    cost=lambda *, n, d, s, t, **_: _cost(n, d, float(np.max(t)) * fastest(n, 1.5 * s) / STEP),
)
def aligned(trials: int, rng: Stream, *, n: int, d: int, s: float, u0: float, t: Any) -> np.ndarray:
    """Strength of one mode of an aligned start of n equal layers, float64[trials, k], at the k times.

    Bases are Haar-distributed orthogonal matrices, the other d - 1 modes have targets between 0.2 and 1.5 times s and
    starts between 0.1 and 0.9 of their targets, drawn at random.
    """
    bases = [rng.haar(trials, d) for _ in range(n + 1)]
    u = rng.uniform(trials, 2, d)
    strengths = s * (0.2 + 1.3 * u[:, 0])
    starts = strengths * (0.1 + 0.8 * u[:, 1])
    strengths[:, 0], starts[:, 0] = s, u0
    layer = starts ** (1.0 / n)
    weights = [(up * layer[:, None, :]) @ np.swapaxes(down, 1, 2) for down, up in pairwise(bases)]
    target = (bases[-1] * strengths[:, None, :]) @ np.swapaxes(bases[0], 1, 2)
    left, right = bases[-1][:, :, 0], bases[0][:, :, 0]
    out = [
        np.einsum("bi,bij,bj->b", left, product(w), right)
        for w in _flow_through(weights, target, t, fastest(n, 1.5 * s))
    ]
    return np.stack(out, axis=1)


@simulation(
    backends=("numpy", "numba"),
    cost=lambda *, d, s, k, u0, t, **_: _cost(
        2, d, float(np.max(t)) * fastest(2, max(1.5 * s, abs(u0)), 2.0 * k) / STEP
    ),
)
def unequal(trials: int, rng: Stream, *, d: int, s: float, k: float, u0: float, t: Any) -> np.ndarray:
    """As `aligned`, for two layers a > |b| of the mode with a^2 - b^2 = k and ab = u0."""
    bases = [rng.haar(trials, d) for _ in range(3)]
    u = rng.uniform(trials, 3, d)
    strengths = s * (0.2 + 1.3 * u[:, 0])
    first = 0.2 + u[:, 1]
    second = (0.1 + 0.8 * u[:, 2]) * strengths / first
    a = np.sqrt(0.5 * (k + np.hypot(k, 2.0 * u0)))
    strengths[:, 0], first[:, 0], second[:, 0] = s, a, u0 / a
    weights = [
        (up * layer[:, None, :]) @ np.swapaxes(down, 1, 2) for down, up, layer in zip(bases, bases[1:], (first, second))
    ]
    target = (bases[2] * strengths[:, None, :]) @ np.swapaxes(bases[0], 1, 2)
    left, right = bases[2][:, :, 0], bases[0][:, :, 0]
    rate = fastest(2, max(1.5 * s, abs(u0)), 2.0 * k)
    out = [np.einsum("bi,bij,bj->b", left, product(w), right) for w in _flow_through(weights, target, t, rate)]
    return np.stack(out, axis=1)


@simulation(
    backends=("numpy", "numba"),
    cost=lambda *, n, d, t, **_: _cost(n, d, 4.0 * float(np.max(t)) * fastest(n, 3.0) / STEP),
)
def conservation(trials: int, rng: Stream, *, n: int, d: int, t: Any) -> dict[str, np.ndarray]:
    """Any start: weights and target are normal, of variance 1/d, nothing aligned.

    Returns
    -------
    kept, exchanged : float64[trials, k]
        Norm of the change of W_l W_l^T - W_{l+1}^T W_{l+1} over all l, over its norm at the start; the same with the
        factors of either product exchanged, W_l^T W_l - W_{l+1} W_{l+1}^T.
    """
    weights = [rng.normal(trials, d, d) / np.sqrt(d) for _ in range(n)]
    target = rng.normal(trials, d, d) / np.sqrt(d)

    def differences(weights: list[Any]) -> tuple[Any, Any]:
        return imbalance(weights), imbalance([np.swapaxes(w, 1, 2) for w in weights])

    start = differences(weights)
    kept: list[Any] = []
    exchanged: list[Any] = []
    for w in _flow_through(weights, target, t, 4.0 * fastest(n, 3.0)):
        for found, now, then in zip((kept, exchanged), differences(w), start):
            found.append(_norm(now - then) / _norm(then))
    return {"kept": np.stack(kept, axis=1), "exchanged": np.stack(exchanged, axis=1)}


@simulation(
    backends=("numpy", "numba", "cupy"),
    cost=lambda *, n, d, per_unit, **_: replace(_cost(n, d, 3.0 * per_unit, 1.0), bytes=8.0 * d**2 * (4.0 * n + 5.0)),
)
def descent(trials: int, rng: Stream, *, n: int, d: int, per_unit: int) -> dict[str, np.ndarray]:
    """What half the learning rate does to the breaking of W_l W_l^T - W_{l+1}^T W_{l+1}, from any start.

    Gradient descent with `per_unit` and with twice as many steps to a unit of time, from the same weights as in
    `conservation`.

    Returns
    -------
    step, unit : float64[trials]
        Logarithm to the base 2 of the ratio of the norms of the change, over all l, after one step and after a unit of
        time.

    Raises
    ------
    DomainError
        Beyond the learning rate at which descent diverges from the target's largest mode.
    """
    eta = 1.0 / per_unit
    weights = [rng.normal(trials, d, d) / d**0.5 for _ in range(n)]
    target = rng.normal(trials, d, d) / d**0.5
    xp = namespace(target)
    largest = float(np.max(host(xp.linalg.svdvals(target))))
    critical = 2.0 / fastest(n, largest)
    if eta >= critical:
        raise DomainError(
            f"eta = {eta:g} is beyond stability: gradient descent diverges from {critical:.4g} on for {n} layers and a "
            f"target of strength {largest:.3g}; take more steps to a unit of time"
        )
    start, steps, units = imbalance(weights), [], []
    for many in (per_unit, 2 * per_unit):
        moving = weights
        for step in range(many):
            moving = [w + g / many for w, g in zip(moving, gradients(moving, target))]
            if step == 0:
                steps.append(_norm(imbalance(moving) - start))
        units.append(_norm(imbalance(moving) - start))
    return {"step": xp.log2(steps[0] / steps[1]), "unit": xp.log2(units[0] / units[1])}


@simulation(
    backends=("numpy", "numba"),
    cost=lambda *, n, d, shrink, s, **_: _cost(n, d, (20.0 + 10.0 * np.log(shrink)) / COARSE),
)
def small_start(trials: int, rng: Stream, *, n: int, d: int, s: float, shrink: float) -> dict[str, np.ndarray]:
    """Small independent normal weights, nothing aligned; the target is one mode of strength s.

    Weights have the standard deviation 1/shrink. The law of the start does not depend on the basis: the mode is along
    the first axes. Steps are chosen for every trial by itself, by the size of its layers.

    Returns
    -------
    half, rise : float64[trials]
        Time until half of the mode is learned, and from a tenth to nine tenths of it.
    start : float64[trials]
        |a + b|^2/4, with a the first column of the first layer and b the first row of the last.
    """
    weights = [rng.normal(trials, d, d) / shrink for _ in range(n)]
    start = np.sum(np.square(weights[0][:, :, 0] + weights[-1][:, 0, :]), axis=1) / 4.0
    crossed = _times_of_levels(weights, s, 0, np.array([0.1, 0.5, 0.9]))
    return {"half": crossed[:, 1], "rise": crossed[:, 2] - crossed[:, 0], "start": start}


@simulation(
    backends=("numpy", "numba"),
    cost=lambda *, h, sigma, faster=0, **_: _cost(
        2, h + faster, (2.0 + faster) * (10.0 - 5.0 * np.log(sigma)) / COARSE
    ),
)
def half_times(trials: int, rng: Stream, *, h: int, s: float, sigma: float, faster: int) -> np.ndarray:
    """Times until half of a mode of strength s is learned beside `faster` modes of 2 s, 3 s, ..., float64[trials].

    Two layers of (h + faster) x (h + faster) independent normal weights of deviation sigma.
    """
    d = h + faster
    weights = [sigma * rng.normal(trials, d, d) for _ in range(2)]
    out: np.ndarray = _times_of_levels(weights, s, faster, np.array([0.5]))[:, 0]
    return out


def _times_of_levels(weights: list[np.ndarray], s: float, faster: int, levels: np.ndarray) -> np.ndarray:
    """When the mode along the first axes passes parts of its target s, float64[trials, levels], ascending levels.

    Along the next axes are modes of strengths 2 s, 3 s, ...: `faster` of them.
    """
    n, (trials, d, _) = len(weights), weights[0].shape
    target = np.zeros((trials, d, d))
    for i in range(faster + 1):
        target[:, i, i] = s * (i + 1)
    largest = s * (faster + 1)
    time, crossed = np.zeros(trials), np.full((trials, len(levels)), np.nan)
    u, slope = _tracked(weights, target)
    for _ in range(MOST):
        if not np.isnan(crossed[:, -1]).any():
            return crossed
        size = np.max([np.sqrt(np.sum(w * w, axis=(1, 2))) for w in weights], axis=0)
        # The fastest rates: of a mode that grows, and of what is not in the target.
        step = COARSE / (n * largest * size ** (n - 2) + size ** (2 * n - 2))
        weights = runge_kutta(weights, target, step[:, None, None])
        new, new_slope = _tracked(weights, target)
        for i, level in enumerate(s * levels):
            now = np.isnan(crossed[:, i]) & (new >= level)
            if now.any():
                part = _crossing(u[now], new[now], (step * slope)[now], (step * new_slope)[now], level)
                crossed[now, i] = time[now] + step[now] * part
        time, u, slope = time + step, new, new_slope
    raise DomainError(f"a start has not left the saddle after {MOST} steps: take larger weights")


def _tracked(weights: list[np.ndarray], target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strength of the first mode, and its rate of change."""
    moves = gradients(weights, target)
    change = np.zeros_like(target)
    for i, g in enumerate(moves):
        change = change + product([*weights[:i], g, *weights[i + 1 :]])
    return product(weights)[:, 0, 0], change[:, 0, 0]


def _crossing(u: np.ndarray, new: np.ndarray, slope: np.ndarray, new_slope: np.ndarray, level: float) -> np.ndarray:
    """Where the cubic through both ends with their slopes passes a level, as a part of the step."""
    low, high = np.zeros_like(u), np.ones_like(u)
    for _ in range(50):
        x = 0.5 * (low + high)
        cubic = (
            u * (1.0 + 2.0 * x) * (1.0 - x) ** 2
            + slope * x * (1.0 - x) ** 2
            + new * x * x * (3.0 - 2.0 * x)
            - new_slope * x * x * (1.0 - x)
        )
        low, high = np.where(cubic < level, x, low), np.where(cubic < level, high, x)
    return np.asarray(0.5 * (low + high))
