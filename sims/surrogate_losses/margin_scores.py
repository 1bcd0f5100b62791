r"""Searches over posteriors and scores of the wrong sign for the least regret of a margin loss.

Labels are 1 with probability $\eta = (1+\theta)/2$, else -1; a score z costs $\eta\phi(z) + (1-\eta)\phi(-z)$. The
infimum over scores $|z| \le B$ is found on a grid and refined by golden section.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.violation_search import joined, rounded_down, vertices
from theorylab.simulation import Cost, Samples, simulation

Array = np.ndarray
LOSSES: dict[str, Callable[[Array], Array]] = {
    "exponential": lambda z: np.exp(-z),
    "logistic": lambda z: np.logaddexp(0.0, -z),
    "hinge": lambda z: np.maximum(0.0, 1.0 - z),
    "rho-margin": lambda z: np.clip(1.0 - z, 0.0, 1.0),
    "squared-hinge": lambda z: np.maximum(0.0, 1.0 - z) ** 2,
    "squared": lambda z: (1.0 - z) ** 2,
    "sigmoid": lambda z: 0.5 * (1.0 - np.tanh(z / 2.0)),
    "savage": lambda z: (0.5 * (1.0 - np.tanh(z / 2.0))) ** 2,
}
# Scores of the grid, steps of golden section, scores that share a posterior, cases at a time, least regret kept.
GRID, SECTIONS, REUSED, AT_A_TIME, LEAST = 801, 50, 64, 4096, 1e-3
GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
ROUNDING = 1e-14


def risk(loss: str, theta: Array, z: Array) -> Array:
    """Conditional risk at eta = (1 + theta)/2; arrays broadcast."""
    phi = LOSSES[loss]
    return np.asarray(0.5 * ((1.0 + theta) * phi(z) + (1.0 - theta) * phi(-z)))


def infimum(loss: str, theta: Array, score_bound: float) -> Array:
    """Least risk, float[m], over scores |z| <= score_bound, at theta float[m]."""
    side = np.linspace(0.0, 1.0, GRID // 2 + 1) ** 2
    grid = score_bound * np.concatenate([-side[:0:-1], side])
    values = risk(loss, theta[:, None], grid)
    at = values.argmin(axis=1)
    low, high = grid[np.maximum(at - 1, 0)], grid[np.minimum(at + 1, len(grid) - 1)]
    value = values[np.arange(len(theta)), at]
    for _ in range(SECTIONS):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        first, second = risk(loss, theta, left), risk(loss, theta, right)
        value = np.minimum(value, np.minimum(first, second))
        nearer = first <= second
        low, high = np.where(nearer, low, left), np.where(nearer, right, high)
    return np.asarray(value)


@simulation(cost=lambda **_: Cost(flops=1000.0, bytes=AT_A_TIME * 400.0, draws=2.0, moved=24.0 * 20.0), per_trial=False)
def wrong_signs(trials: int, rng: Stream, *, loss: str, score_bound: float) -> Samples:
    """Search over posteriors (theta uniform, each for 64 scores) and scores of the wrong sign, 0 included.

    Returns
    -------
    dict
        x : zero-one regrets theta; y : surrogate regrets; error : rounding errors of y; case : number of the case; one
        row for each vertex of the hull of all.
    """
    found = []
    for part, count in rng.split(trials, AT_A_TIME):
        posteriors = LEAST + (1.0 - LEAST) * part.uniform(-(-count // REUSED))
        theta = np.repeat(posteriors, REUSED)[:count]
        place = part.uniform(count)
        # A quarter at 0, some at the bound, the others closer to 0 than to the bound.
        z = -score_bound * np.clip((place - 0.25) / 0.7, 0.0, 1.0) ** 3
        at = risk(loss, theta, z)
        least = np.repeat(infimum(loss, posteriors, score_bound), REUSED)[:count]
        rows = {
            "case": part.first_trial + np.arange(count),
            "x": theta,
            "y": at - least,
            "error": ROUNDING * (1.0 + at),
        }
        found.append(vertices(rows))
    return rounded_down(vertices(joined(*found)))


def best_wrong(theta: Array, *, loss: str, score_bound: float, **_: float) -> Array:
    """Regrets of a score of 0, or (rho-margin loss) of the score of the wrong sign that is certain to be wrong."""
    z = -min(1.0, score_bound) if loss == "rho-margin" else 0.0
    return risk(loss, theta, np.full(len(theta), z)) - infimum(loss, theta, score_bound)
