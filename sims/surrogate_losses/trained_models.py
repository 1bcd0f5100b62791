r"""Training on a distribution that is written down: both regrets along the path of gradient descent.

A run draws 6 inputs in the plane, equally likely, with label distributions p(y|x) (Dirichlet of concentration
10^U(-1, 1)), and trains a linear model (even runs) or a one-hidden-layer ReLU network of width 16 (odd runs), both
with biases, by gradient descent on the exact risk of a comp-sum loss, with gradients clipped to norm 1. Both regrets
are exact given the scores; the infimum of the risk at each input is found numerically. Scores start near zero, so
that paths cross ties.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.labels import QUANTILE, dirichlet
from theorylab.sims.surrogate_losses.score_minimisation import (
    Problems,
    count_starts,
    minimise,
    minimum_cost,
    risk,
    starts,
    waits,
)
from theorylab.sims.surrogate_losses.violation_search import LEAST_BETA, joined, rounded_down, surrogate_first, vertices
from theorylab.simulation import Cost, Samples, simulation

INPUTS, WIDTH = 6, 16
RATE = 0.2


def _cost(*, tau: float, n: int, steps: int) -> Cost:
    """A pair of runs, and the infimum at each input; memory of a search of 128 pairs at a time."""
    found = minimum_cost(count_starts(n, tau, False), n, tau, INPUTS)
    # A step of both models: about ten passes over the hidden layer and forty over the scores of the inputs, six small
    # products a pair.
    passes = 24.0 * INPUTS * (10.0 * WIDTH + 40.0 * n)
    records = 2.0 * np.log2(steps) * INPUTS * n
    return replace(
        found,
        flops=found.flops + INPUTS * n * QUANTILE,
        bytes=128.0 * (max(found.bytes, 48.0 * records) + 16.0 * INPUTS * (WIDTH + n)),
        draws=found.draws + INPUTS * (n + 3.0) + 2.0 * WIDTH * (3.0 + n),
        moved=found.moved + steps * passes,
        steps=60.0 * steps,
    )


def _clipped(*gradients: np.ndarray) -> list[np.ndarray]:
    norm = np.sqrt(sum((g**2).sum(axis=tuple(range(1, g.ndim))) for g in gradients))
    return [g / np.maximum(norm, 1.0).reshape(-1, *[1] * (g.ndim - 1)) for g in gradients]


def _score_gradient(p: np.ndarray, h: np.ndarray, tau: float) -> np.ndarray:
    """Gradient of the mean risk over inputs in the scores, float[runs, inputs, n]."""
    wait = waits(h)
    s = np.exp(-wait)
    w = p * np.exp((1.0 - tau) * wait)
    return np.asarray((w.sum(axis=2, keepdims=True) * s - w) / INPUTS)


def _paths(rng: Stream, runs: int, p: np.ndarray, tau: float, steps: int, hidden: bool) -> np.ndarray:
    """Scores float[records, runs, inputs, n] at steps 0, 1, 2, 3, 4, 6, 8, ... of one architecture."""
    n = p.shape[2]
    inputs = np.concatenate([rng.normal(runs, INPUTS, 2), np.ones((runs, INPUTS, 1))], axis=2)
    first = rng.normal(runs, 3, WIDTH)
    features = 3 if not hidden else WIDTH
    last = 0.05 * rng.normal(runs, features, n)
    records = []
    times = {int(t) for t in np.unique(np.round(2.0 ** np.arange(0.0, np.log2(steps), 0.5)))}
    for step in range(steps):
        before = inputs @ first
        active = np.maximum(before, 0.0) if hidden else inputs
        h = active @ last
        if step in times or step == 0:
            records.append(h)
        back = _score_gradient(p, h, tau)
        last_gradient = active.transpose(0, 2, 1) @ back
        if hidden:
            first_gradient = inputs.transpose(0, 2, 1) @ ((back @ last.transpose(0, 2, 1)) * (before > 0.0))
            first_gradient, last_gradient = _clipped(first_gradient, last_gradient)
            first = first - RATE * first_gradient
        else:
            (last_gradient,) = _clipped(last_gradient)
        last = last - RATE * last_gradient
    return np.array(records)


@simulation(
    cost=_cost,
    per_trial=False,
)
def training_paths(trials: int, rng: Stream, *, tau: float, n: int, steps: int) -> Samples:
    """Points along training paths, of which the vertices of the hull are returned.

    Returns
    -------
    dict
        x : surrogate regrets; y : zero-one regrets; error : of y, from rounding and the numerical infimum; case :
        twice the number of a pair of runs, plus one for the network.
    """
    found = []
    for part, count in rng.split(trials, 128):
        both = _both_regrets(count, part, tau, n, steps)
        for hidden, rows in enumerate(both):
            case = 2 * (part.first_trial + np.arange(count)) + hidden
            columns = {"case": np.broadcast_to(case, rows["x"].shape), **rows}
            kept = rows["x"] >= LEAST_BETA
            found.append(vertices({name: column[kept] for name, column in columns.items()}))
    return surrogate_first(rounded_down(vertices(joined(*found))))


def _both_regrets(count: int, rng: Stream, tau: float, n: int, steps: int) -> list[Samples]:
    """Zero-one (x) and surrogate (y) regrets, float[records, count], of linear models and of networks, and errors."""
    p = dirichlet(count, rng, INPUTS, n)
    flat = p.reshape(-1, n)
    noise = rng.normal(count, INPUTS, count_starts(n, tau, False), n).reshape(len(flat), -1, n)
    least = minimise(Problems(flat, tau), starts(noise, tau, False))
    infimum = least["value"].reshape(count, INPUTS)
    promise = least["residual"].reshape(count, INPUTS)
    found = []
    for hidden in (False, True):
        h = _paths(rng, count, p, tau, steps, hidden)
        own = np.take_along_axis(np.broadcast_to(p, h.shape), h.argmax(axis=3)[..., None], axis=3)[..., 0]
        surrogate = risk(p, h, tau)
        error = (np.abs(surrogate) + 1.0) * 1e-13 + promise
        found.append(
            {
                "x": (p.max(axis=2) - own).mean(axis=2),
                "y": (surrogate - infimum).mean(axis=2),
                "error": error.mean(axis=2),
            }
        )
    return found


def trajectories(trials: int, rng: Stream, *, tau: float, n: int, steps: int) -> Samples:
    """Both regrets along training, of `trials` linear models and as many networks.

    Returns
    -------
    dict
        zero_one, surrogate : float[2, records, trials], at steps 0, 1, 2, 3, 4, 6, 8, ... up to `steps`; linear models
        first.
    """
    both = _both_regrets(trials, rng, tau, n, steps)
    return {"zero_one": np.array([b["x"] for b in both]), "surrogate": np.array([b["y"] for b in both])}
