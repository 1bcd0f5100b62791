r"""Gradient flow of two-layer linear networks of finite width: Runge-Kutta steps of order 4 on all neurons.

Model and conventions are those of `two_layer_linear`; fields and readouts are kept, weights are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from theorylab.kernels.arrays import host, namespace
from theorylab.kernels.random import Stream
from theorylab.sims.learning_dynamics.two_layer_linear import (
    BACKENDS,
    alternating,
    data,
    field_kernel,
    kernels_before,
    mean_product,
)
from theorylab.simulation import Cost, simulation

# Steps of flows, in units of 1/(1 + gamma y), whose inverse is half of the fastest rate: relative errors of 6e-5 where
# many networks are averaged, and of 1e-6 where each is compared with a prediction of its own.
FLOW_STEP, FINE_STEP = 0.24, 0.06


def flow(
    h: Any, a: Any, gram: Any, targets: Any, gamma: float, times: np.ndarray, step: float
) -> list[tuple[Any, Any]]:
    """The fields and readouts (h, a) at each of the times, increasing; steps of at most `step`."""

    def rate(h: Any, a: Any) -> tuple[Any, Any]:
        errors = targets - mean_product(h, a) / gamma
        push = gamma * (gram @ errors[..., None])[..., 0]
        return push[:, :, None] * a[:, None, :], gamma * (errors[:, None, :] @ h)[:, 0, :]

    states, now = [], 0.0
    for t in times:
        count = math.ceil((float(t) - now) / step - 1e-9)
        dt = (float(t) - now) / max(count, 1)
        for _ in range(count):
            h1, a1 = rate(h, a)
            h2, a2 = rate(h + dt / 2 * h1, a + dt / 2 * a1)
            h3, a3 = rate(h + dt / 2 * h2, a + dt / 2 * a2)
            h4, a4 = rate(h + dt * h3, a + dt * a3)
            h = h + dt / 6 * (h1 + 2 * (h2 + h3) + h4)
            a = a + dt / 6 * (a1 + 2 * (a2 + a3) + a4)
        now = float(t)
        states.append((h, a))
    return states


def _fine_step(gamma: float, y: float, P: int) -> float:
    return FINE_STEP / (1.0 + gamma * y * math.sqrt(P))


def flow_cost(nets: float, held: float, unit: float = FLOW_STEP) -> Callable[..., Cost]:
    """Cost of flows of `nets` networks of the width N, each state of which is held `held` times at once."""

    def cost(*, N: float, gamma: float, y: float, t: Any, P: float = 1.0, **_: object) -> Cost:
        size = y * math.sqrt(P) if unit == FINE_STEP else y
        steps = 4.0 * nets * (float(np.max(t)) * (1.0 + gamma * size) / unit + np.size(t))
        return Cost(
            flops=steps * 12.0 * N * P,
            bytes=8.0 * held * N * (P + 1.0) + 64.0 * np.size(t) * (P * P + 1.0),
            draws=2.0 * N * (P + 1.0),
            moved=steps * 100.0 * N * (P + 1.0),
        )

    return cost


def _held(*, t: Any, **_: object) -> float:
    """States at once: those that are looked at, and eight in a step."""
    return np.size(t) + 8.0


@simulation(backends=BACKENDS, cost=lambda **p: flow_cost(1.0, _held(**p), FINE_STEP)(**p))
def gradient_flow(
    trials: int, rng: Stream, *, N: int, D: int, P: int, gamma: float, y: float, t: Any
) -> dict[str, np.ndarray]:
    """Gradient flow with inputs of each trial's own.

    Returns
    -------
    outputs : float64[trials, times, P]
    tangent : float64[trials, times, P, P]
    trace : float64[trials, times]
        G - tr(K^-1 H).
    neurons, neurons_before : float64[trials, times], float64[trials]
        |a_1 a_2 - h_1^T K^-1 h_2| of the first two neurons, and before training.
    gram, targets, fields, readout, overlap
        Data, and the kernels before training.
    """
    _, gram, targets = data(trials, rng, P, D, y)
    xp = namespace(gram)
    h, a = xp.linalg.cholesky(gram) @ rng.normal(trials, P, N), rng.normal(trials, N)
    inverse = xp.linalg.inv(gram)

    def pair(h: Any, a: Any) -> Any:
        return xp.abs(a[:, 0] * a[:, 1] - xp.sum(h[:, :, 0] * (inverse @ h[:, :, 1:2])[..., 0], axis=1))

    states = flow(h, a, gram, targets, gamma, np.asarray(t), _fine_step(gamma, y, P))
    readouts = [xp.mean(a * a, axis=1) for _, a in states]
    fields = [field_kernel(h) for h, _ in states]
    return {
        "outputs": xp.stack([mean_product(h, a) / gamma for h, a in states], axis=1),
        "tangent": xp.stack([k + r[:, None, None] * gram for k, r in zip(fields, readouts)], axis=1),
        "trace": xp.stack([r - xp.sum(inverse * k, axis=(1, 2)) for k, r in zip(fields, readouts)], axis=1),
        "neurons": xp.stack([pair(*state) for state in states], axis=1),
        "neurons_before": pair(h, a),
        "gram": gram,
        "targets": targets,
        **kernels_before(h, a),
    }


def _whitened(trials: int, rng: Stream, N: int, P: int, y: float) -> tuple[Any, Any, Any, Any]:
    """Fields and readouts float64[trials, P, N], float64[trials, N]; K = I; targets of length y."""
    h, a = rng.normal(trials, P, N), rng.normal(trials, N)
    xp = namespace(h)
    gram = xp.broadcast_to(xp.eye(P), (trials, P, P))
    return h, a, gram, alternating(xp, trials, P, y / math.sqrt(P))


@simulation(backends=BACKENDS, cost=lambda **p: flow_cost(2.0, _held(**p) + 1.0)(**p))
def whitened_flow(trials: int, rng: Stream, *, N: int, P: int, gamma: float, y: float, t: Any) -> dict[str, np.ndarray]:
    """Gradient flow of a pair of networks on whitened data, K = I; means over the pair.

    Returns
    -------
    output, fields, readout, tangent : float64[trials, times]
        Along the targets' direction: f, H, G, and their tangent kernel H + G.
    alignment : float64[trials, times]
        y^T (H + G) y / (|y|^2 |H + G|_F), the alignment of the tangent kernel with the targets.
    """
    h0, a0, gram, targets = _whitened(trials, rng, N, P, y)
    xp = namespace(h0)
    along = targets / y
    step = FLOW_STEP / (1.0 + gamma * y)
    names = ("output", "fields", "readout", "tangent", "alignment")
    found: list[dict[str, Any]] = []
    for sign in (1.0, -1.0):
        looks = []
        for h, a in flow(h0, sign * a0, gram, targets, gamma, np.asarray(t), step):
            output = xp.sum(along * mean_product(h, a), axis=1) / gamma
            own = (along[:, None, :] @ h)[:, 0, :]
            fields, readout = xp.mean(own * own, axis=1), xp.mean(a * a, axis=1)
            kernel = field_kernel(h) + readout[:, None, None] * gram
            size = xp.sqrt(xp.sum(kernel * kernel, axis=(1, 2)))
            looks.append((output, fields, readout, fields + readout, (fields + readout) / size))
        found.append({n: xp.stack(list(column), axis=1) for n, column in zip(names, zip(*looks))})
    return {name: (found[0][name] + found[1][name]) / 2.0 for name in names}


@simulation(backends=BACKENDS, cost=lambda **p: flow_cost(1.0, _held(**p), FINE_STEP)(**p))
def whitened_net(trials: int, rng: Stream, *, N: int, gamma: float, y: float, t: Any) -> dict[str, np.ndarray]:
    """Gradient flow of one network on one pattern, K = 1: outputs float64[trials, times] and its initial kernels.

    Returns
    -------
    output : float64[trials, times]
    total, overlap : float64[trials]
        H + G and c before training.
    """
    h, a, gram, targets = _whitened(trials, rng, N, 1, y)
    xp = namespace(h)
    states = flow(h, a, gram, targets, gamma, np.asarray(t), _fine_step(gamma, y, 1))
    before = kernels_before(h, a)
    return {
        "output": xp.stack([mean_product(h, a)[:, 0] / gamma for h, a in states], axis=1),
        "total": before["fields"][:, 0, 0] + before["readout"],
        "overlap": before["overlap"][:, 0],
    }


@simulation(backends=BACKENDS, cost=lambda **p: flow_cost(4.0, _held(**p) + 4.0)(**{**p, "N": 2.0 * p["N"]}))
def halves(trials: int, rng: Stream, *, N: int, gamma: float, y: float, t: Any) -> dict[str, np.ndarray]:
    """What the width does to gradient flow on one pattern, K = 1: two networks of width N, and both as one of 2 N.

    Returns
    -------
    bias : float64[trials, times]
        2 N ((f_1 + f_2)/2 - f_12): the mean over networks of width N is off by 1/N times its limit.
    variance : float64[trials, times]
        N (f_1 - f_2)^2 / 2.
    """
    h, a, gram, targets = _whitened(trials, rng, 2 * N, 1, y)
    xp = namespace(h)
    parts = [(h[:, :, :N], a[:, :N]), (h[:, :, N:], a[:, N:]), (h, a)]
    outputs = []
    for fields, readout in parts:
        states = flow(fields, readout, gram, targets, gamma, np.asarray(t), FLOW_STEP / (1.0 + gamma * y))
        outputs.append(xp.stack([mean_product(u, v)[:, 0] / gamma for u, v in states], axis=1))
    one, two, both = outputs
    return {"bias": 2.0 * N * ((one + two) / 2.0 - both), "variance": N * (one - two) ** 2 / 2.0}


def _time_cost(*, N: float, gamma: float, y: float, until: float, **_: object) -> Cost:
    return flow_cost(2.0, 12.0)(N=N, gamma=gamma, y=y, t=np.asarray([until]))


@simulation(backends=BACKENDS, cost=_time_cost)
def time_to_reach(
    trials: int, rng: Stream, *, N: int, gamma: float, y: float, fraction: float, until: float
) -> np.ndarray:
    """Time at which gradient flow on one pattern, K = 1, has learned a fraction of its target, float64[trials].

    Mean over a pair of networks; cubic interpolation within a step. A network that knew as much before training counts
    as 0, one that does not by the time `until` as `until`.
    """
    h0, a0, gram, targets = _whitened(trials, rng, N, 1, y)
    steps = math.ceil(until / (FLOW_STEP / (1.0 + gamma * y)))
    dt, level = until / steps, fraction * y
    total = np.zeros(trials)
    for sign in (1.0, -1.0):
        h, a = h0, sign * a0
        arrived, coming = np.full(trials, until), np.ones(trials, dtype=bool)
        before, slope = np.full(trials, -np.inf), np.zeros(trials)
        for k in range(steps + 1):
            if k:
                ((h, a),) = flow(h, a, gram, targets, gamma, np.asarray([dt]), dt)
            after = host(mean_product(h, a)[:, 0] / gamma)
            rate = dt * host(namespace(h).mean(h[:, 0, :] ** 2 + a * a, axis=1)) * (y - after)
            there = coming & (after >= level)
            if k:
                ends = (before[there], after[there], slope[there], rate[there])
                arrived[there] = dt * (k - 1 + _crossing(level, *ends))
            else:
                arrived[there] = 0.0
            coming, before, slope = coming & ~there, after, rate
        total += arrived
    return total / 2.0


def _crossing(level: float, f0: np.ndarray, f1: np.ndarray, d0: np.ndarray, d1: np.ndarray) -> np.ndarray:
    """Where in [0, 1] the cubic with these ends and slopes takes the value `level`, by bisection."""
    low, high = np.zeros_like(f0), np.ones_like(f0)
    for _ in range(45):
        x = (low + high) / 2.0
        z = 1.0 - x
        below = (1.0 + 2.0 * x) * z * z * f0 + x * z * z * d0 + x * x * (3.0 - 2.0 * x) * f1 - x * x * z * d1 < level
        low, high = np.where(below, x, low), np.where(below, high, x)
    return (low + high) / 2.0
