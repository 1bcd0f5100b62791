r"""Adversarial comp-sum losses of balls that are finite sets of score vectors: exact, without geometry.

A ball of perturbations is an array float[..., K, n] of the scores at its K points. Losses are those of every label,
float[..., n]: the adversarial zero-one loss, the rho-margin loss, and the comp-sum loss maximised over the ball.

Infima over all scores: a constant ball is best, and the rho-margin risk is a concave function of each cell between the
hyperplanes $h_i - h_j \in \{-\rho, 0, \rho\}$, so that it is least at a vertex of one: at scores that are whole
multiples of rho, at most n - 1 of them apart. All are tried.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.labels import QUANTILE, dirichlet
from theorylab.sims.surrogate_losses.score_minimisation import Problems, minimise
from theorylab.sims.surrogate_losses.violation_search import joined, rounded_down, vertices
from theorylab.simulation import Cost, Samples, simulation

Array = np.ndarray
# Points of a ball at most, cases examined at a time, and least zero-one regret of a case that is kept.
POINTS, AT_A_TIME, LEAST = 4, 4096, 1e-3
# Balls that share a label distribution where its infimum is a minimisation.
REUSED = 64
# Rounding of a regret, relative to one plus the risk.
ROUNDING = 1e-14


def outer(u: Array, tau: float) -> Array:
    """The outer function Phi^tau."""
    length = np.log1p(u)
    return np.asarray(length if tau == 1.0 else np.expm1((1.0 - tau) * length) / (1.0 - tau))


def others(n: int) -> Array:
    """The classes other than each, int[n, n - 1]."""
    return np.array([[j for j in range(n) if j != y] for y in range(n)])


def gaps(h: Array) -> Array:
    """Score differences h_y - h_y' to the n - 1 other classes, float[..., n, n - 1], of scores float[..., n]."""
    return np.asarray(h[..., :, None] - h[..., others(h.shape[-1])])


def rho_margin(u: Array, rho: float) -> Array:
    """min(1, max(0, 1 - u/rho))."""
    return np.clip(1.0 - u / rho, 0.0, 1.0)


def margin_losses(h: Array, tau: float, rho: float) -> Array:
    """The adversarial rho-margin loss of each label, float[..., n], over balls float[..., K, n]."""
    return outer(rho_margin(gaps(h), rho).sum(axis=-1).max(axis=-2), tau)


def zero_one_losses(h: Array) -> Array:
    """The adversarial zero-one loss of each label, float[..., n]: a tie at any point of the ball is an error."""
    return np.asarray((gaps(h).min(axis=(-3, -1)) <= 0.0).astype(float))


def maximised_losses(h: Array, tau: float) -> Array:
    """The comp-sum loss of each label maximised over the ball, float[..., n]."""
    return outer(np.exp(-gaps(h)).sum(axis=-1).max(axis=-2), tau)


@lru_cache(maxsize=64)
def least_losses(n: int, tau: float, rho: float) -> tuple[Array, Array]:
    """Loss vectors float[m, n], rho-margin and zero-one, of constant balls with scores at multiples of rho."""
    h = rho * np.stack(np.meshgrid(*[np.arange(n)] * n, indexing="ij"), axis=-1).reshape(-1, 1, n)
    return _undominated(margin_losses(h, tau, rho)), _undominated(zero_one_losses(h))


def _undominated(rows: Array) -> Array:
    """The distinct rows that no other row undercuts in every label: the others are never best."""
    left = rows[np.unique(np.round(rows, 12), axis=0, return_index=True)[1]]
    kept: list[Array] = []
    while len(left):
        first = left[left.sum(axis=1).argmin()]
        kept.append(first)
        left = left[(left < first - 1e-12).any(axis=1)]
    return np.array(kept)


def infima(p: Array, tau: float, rho: float) -> tuple[Array, Array]:
    """Least rho-margin risk and least zero-one risk, float[...], over all scores, at label distributions p."""
    margin, zero_one = least_losses(p.shape[-1], tau, rho)
    return np.asarray((p @ margin.T).min(axis=-1)), np.asarray((p @ zero_one.T).min(axis=-1))


def _infimum_cost(*, n: int, tau: float, rho: float) -> Cost:
    m = sum(len(x) for x in least_losses(n, tau, rho))
    return Cost(flops=2.0 * n * m + n * QUANTILE, bytes=8.0 * (m + 7.0 * n), draws=n + 1.0, moved=16.0 * m)


@simulation(cost=_infimum_cost)
def least_risks(trials: int, rng: Stream, *, n: int, tau: float, rho: float) -> Samples:
    """Infima of the conditional risks at random label distributions (Dirichlet of concentration 10^U(-1, 1)).

    Returns
    -------
    dict
        value, zero_one : float[trials], of the rho-margin and of the zero-one loss; p : float[trials, n].
    """
    p = dirichlet(trials, rng, n)
    margin, zero_one = infima(p, tau, rho)
    return {"value": margin, "zero_one": zero_one, "p": p}


def mixed_labels(trials: int, rng: Stream, *shape: int) -> Array:
    """Label distributions float[trials, *shape] over the last axis: powers 10^U(-1, 1) of exponentials.

    A third of them have two classes.
    """
    *lead, n = shape
    p = rng.exponential(trials, *shape) ** (10.0 ** (2.0 * rng.uniform(trials, *lead, 1) - 1.0))
    p *= np.arange(n) < np.where(rng.uniform(trials, *lead, 1) < 1.0 / 3.0, 2, n)
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


def _balls(trials: int, rng: Stream, n: int, rho: float) -> Array:
    """Scores float[trials, POINTS, n] at up to `POINTS` points (repeated when fewer): a centre, and what is added.

    The centre is an order of the classes with gaps of rho or more, or normal of scale 10^U(-2, 1) rho; the rest is
    normal of scale 10^U(-3, 1) rho, or nothing.
    """
    order = np.argsort(rng.uniform(trials, n), axis=1) * (1.0 + rng.uniform(trials, 1))
    loose = rng.normal(trials, n) * 10.0 ** (3.0 * rng.uniform(trials, 1) - 2.0)
    centre = rho * np.where(rng.uniform(trials, 1) < 0.5, order, loose)
    count = 1 + (POINTS * rng.uniform(trials, 1)).astype(int)
    spread = rng.normal(trials, POINTS, n) * 10.0 ** (4.0 * rng.uniform(trials, 1, 1) - 3.0)
    spread = rho * np.where((np.arange(POINTS) < count)[..., None], spread, spread[:, :1])
    return np.asarray(centre[:, None] + np.where(count[..., None] == 1, 0.0, spread))


def _search_cost(*, n: int, **_: object) -> Cost:
    """Labels and scores, and for each point of a ball n (n - 1) gaps in a few passes."""
    pairs = POINTS * n * (n - 1.0)
    return Cost(
        flops=40.0 * n + 2.0 * pairs,
        bytes=AT_A_TIME * 8.0 * (4.0 * pairs + 150.0),
        draws=(POINTS + 3.0) * n + 6.0,
        moved=24.0 * 6.0 * pairs,
    )


def _kept(part: Stream, x: Array, y: Array, error: Array) -> Samples:
    some = x >= LEAST
    rows = {"case": part.first_trial + np.arange(len(x)), "x": x, "y": y, "error": error}
    return vertices({name: column[some] for name, column in rows.items()})


def margin_case(p: Array, h: Array, tau: float, rho: float) -> tuple[Array, Array, Array]:
    """Adversarial zero-one and rho-margin regrets of posteriors and balls, and rounding errors of the latter."""
    margin, zero_one = infima(p, tau, rho)
    risk = (p * margin_losses(h, tau, rho)).sum(axis=1)
    return (p * zero_one_losses(h)).sum(axis=1) - zero_one, risk - margin, ROUNDING * (1.0 + risk)


def margin_regrets(trials: int, rng: Stream, n: int, tau: float, rho: float) -> tuple[Array, Array, Array]:
    """The same of random cases."""
    return margin_case(mixed_labels(trials, rng, n), _balls(trials, rng, n, rho), tau, rho)


def replay_margin(case: int, rng: Stream, *, n: int, tau: float, rho: float) -> Samples:
    """A case of `margin_search`, from its number and the stream of its block: x, y, p float[n], h float[POINTS, n]."""
    one = Stream(rng.key, rng.backend, case)
    p, h = mixed_labels(1, one, n), _balls(1, one, n, rho)
    x, y, _ = margin_case(p, h, tau, rho)
    return {"x": x[0], "y": y[0], "p": p[0], "h": h[0]}


@simulation(cost=_search_cost, per_trial=False, replay=replay_margin)
def margin_search(trials: int, rng: Stream, *, n: int, tau: float, rho: float) -> Samples:
    """Search over label distributions and balls of 1 to 4 score vectors.

    Returns
    -------
    dict
        x : adversarial zero-one regrets; y : regrets of the rho-margin loss; error : rounding errors of y; case :
        number of the case; one row for each vertex of the hull of all.
    """
    found = [_kept(part, *margin_regrets(count, part, n, tau, rho)) for part, count in rng.split(trials, AT_A_TIME)]
    return rounded_down(vertices(joined(*found)))


def two_class_infimum(p: Array, tau: float) -> Array:
    """Infimum of the comp-sum risk of two classes, float[b], p float[b, 2], found numerically."""
    starts = np.array([[0.1, 0.0], [0.0, 0.1], [4.0, 0.0], [0.0, 4.0]])
    return np.asarray(minimise(Problems(p, tau), np.broadcast_to(starts, (len(p), *starts.shape)))["value"])


def maximised_regrets(trials: int, rng: Stream, tau: float) -> tuple[Array, Array, Array]:
    """Regrets of random cases of the comp-sum loss maximised over the ball, two classes.

    A constant ball is best for this loss too. The infimum at a label distribution is a minimisation: it serves
    `REUSED` balls.
    """
    distributions = mixed_labels(-(-trials // REUSED), rng, 2)
    p = np.repeat(distributions, REUSED, axis=0)[:trials]
    h = _balls(trials, rng, 2, 1.0) * np.where(rng.uniform(trials, 1, 1) < 0.25, 1e-3, 1.0)
    risk = (p * maximised_losses(h, tau)).sum(axis=1)
    least = np.repeat(two_class_infimum(distributions, tau), REUSED)[:trials]
    return (p * zero_one_losses(h)).sum(axis=1) - p.min(axis=1), risk - least, ROUNDING * (1.0 + risk)


@simulation(cost=lambda **_: Cost(flops=8000.0, bytes=AT_A_TIME * 1000.0, draws=20.0), per_trial=False)
def maximised_search(trials: int, rng: Stream, *, tau: float) -> Samples:
    """The same search for the comp-sum loss maximised over the ball, for two classes; y are its regrets."""
    found = [_kept(part, *maximised_regrets(count, part, tau)) for part, count in rng.split(trials, AT_A_TIME)]
    return rounded_down(vertices(joined(*found)))


@simulation(
    cost=lambda n, **_: Cost(
        flops=100.0 * n, bytes=AT_A_TIME * 8.0 * 12.0 * n, draws=2.0 * n + 3.0, moved=24.0 * 20.0 * n
    ),
    per_trial=False,
)
def smoothing_search(trials: int, rng: Stream, *, n: int, tau: float, rho: float) -> Samples:
    """Search over score differences at the centre of a ball and at its worst point.

    At the centre some differences are small and the others large; at the worst point they have dropped by random
    parts, or all to 0.

    Returns
    -------
    dict
        x : 2-norm of the drop; y : rho-margin loss at the worst point less the smooth part at the centre; error; case.
    """
    found = []
    for part, count in rng.split(trials, AT_A_TIME):
        near = part.uniform(count, n - 1) < part.uniform(count, 1)
        scale = rho * 10.0 ** (5.0 * part.uniform(count, 1) - 4.0)
        same = part.uniform(count, 1) < 0.5
        centre = np.where(near, scale * np.where(same, 1.0, part.exponential(count, n - 1)), 50.0 * rho)
        drop = np.where(near, centre * np.where(part.uniform(count, 1) < 0.5, 1.0, part.uniform(count, n - 1)), 0.0)
        high = outer(rho_margin(centre - drop, rho).sum(axis=1), tau)
        low = outer(np.exp(-centre / rho).sum(axis=1), tau)
        x = np.sqrt((drop**2).sum(axis=1))
        some = x > 0.0
        rows = {"case": part.first_trial + np.arange(count), "x": x, "y": low - high, "error": ROUNDING * (1.0 + high)}
        found.append(vertices({name: column[some] for name, column in rows.items()}))
    rows = vertices(joined(*found))
    return {**rows, "y": -rows["y"]}


# Named instances.


def swapped(beta: Array, *, n: int, tau: float, rho: float, **_: float) -> Array:
    """Regrets of the rho-margin loss at p = ((1+beta)/2, (1-beta)/2, 0, ...), the second class robustly first."""
    p = np.zeros((len(beta), n))
    p[:, 0], p[:, 1] = (1.0 + beta) / 2.0, (1.0 - beta) / 2.0
    h = -2.0 * rho * np.arange(n, dtype=float)
    h[[0, 1]] = h[[1, 0]]
    return np.asarray((p * margin_losses(h[None], tau, rho)).sum(axis=1) - infima(p, tau, rho)[0])


def tied(beta: Array, *, tau: float, **_: float) -> Array:
    """Least regrets of the maximised loss of two tied classes at p = (beta, 1 - beta), beta >= 1/2."""
    p = np.stack([beta, 1.0 - beta], axis=1)
    return np.asarray((p * maximised_losses(np.zeros((1, 2)), tau)).sum(axis=1) - two_class_infimum(p, tau))


def dropped(variation: Array, *, n: int, tau: float, rho: float, **_: float) -> Array:
    """Largest rise, over k, when k score differences drop to 0 together and the other n - 1 - k are far above."""
    rises = []
    for k in range(1, n):
        centre = np.full((len(variation), n - 1), 50.0 * rho)
        centre[:, :k] = variation[:, None] / np.sqrt(k)
        worst = centre.copy()
        worst[:, :k] = 0.0
        rise = outer(rho_margin(worst, rho).sum(axis=1), tau) - outer(np.exp(-centre / rho).sum(axis=1), tau)
        rises.append(rise)
    return np.max(rises, axis=0)
