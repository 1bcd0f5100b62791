r"""Searches for violations of an inequality between zero-one and surrogate regret of a comp-sum loss.

Each search returns points (zero-one regret, surrogate regret), and of these only the vertices of the lower convex
hull of the cloud and the origin, which is exact for convex transforms (`kernels/comp_sum_search.py`).
"""

from __future__ import annotations

import numpy as np

from theorylab.kernels import comp_sum_search, label_descent
from theorylab.kernels.conditional_risk import infimum_numpy, risk_numpy, rounding_error
from theorylab.kernels.lower_hull import lower_hull
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.extremal import OUT, infimum
from theorylab.sims.surrogate_losses.score_minimisation import risk
from theorylab.simulation import Cost, Samples, simulation

PAIRS_PER_DESCENT = 1024
BATCH = 1 << 15
LEAST_BETA = comp_sum_search.LEAST_BETA
# Zero-one regrets are rounded down: a transform that increases, and may be infinitely steep at 1, is not violated by
# rounding.
DOWN = 1.0 - 2.0**-49
# 576 grid points and 100 times 8 moves of 4 points; some 400 operations each, powers most of them. The grid is largest.
COMPETITORS = Cost(flops=3776.0 * 400.0, bytes=576.0 * 8.0 * 25.0, draws=1152.0)


def vertices(rows: Samples) -> Samples:
    """The rows on the lower convex hull of (x, y) and the origin."""
    index = lower_hull(rows["x"], rows["y"])
    return {name: column[index] for name, column in rows.items()}


def rounded_down(rows: Samples) -> Samples:
    """The rows with zero-one regrets x that are certainly not too large."""
    return {**rows, "x": rows["x"] * DOWN}


def joined(*parts: Samples) -> Samples:
    """Concatenate the columns of several results."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def surrogate_first(rows: Samples) -> Samples:
    """Exchange the axes: x the surrogate regret, y the zero-one regret.

    A bound that is concave and zero at zero rises by at most its value times e/x when x grows by e: so the
    rounding error of the surrogate regret counts as one of the zero-one regret.
    """
    t = np.maximum(rows["y"], 1e-300)
    return {**rows, "x": t, "y": rows["x"], "error": rows["error"] * rows["x"] / t}


def _search_cost(*, n: int, tau: float) -> Cost:
    """A pair: two exponentials and a random word a class (a quarter of the work of a normal); and its share of a
    descent, of so many sweeps, each with three moves of n - 2 coordinates, each a sum over n."""
    sweeps = 14.0 if tau < 2.0 else 40.0
    return Cost(
        flops=150.0 + 50.0 * n,
        # The points of two classes lie on a convex curve: the hull of a few million cases has a million vertices.
        bytes=4e7 if n == 2 else 4e6,
        draws=n / 4.0 + 1.0,
        steps=2.0 + sweeps * 3.0 * (n - 2.0) * n / PAIRS_PER_DESCENT,
    )


def _distribution_cost(*, n: int, **_: object) -> Cost:
    """Eight inputs with n exponentials and normals each, their powers, and about 25 passes over them."""
    return Cost(
        flops=8.0 * 20.0 * n,
        bytes=2048.0 * 8.0 * 8.0 * 12.0 * n,
        draws=8.0 * (2.0 * n + 3.0) + 1.0,
        moved=8.0 * 25.0 * 24.0 * n,
    )


def _pairs(trials: int, rng: Stream, tau: float, n: int) -> Samples:
    draw = rng.next_draw()
    rng.next_draw()
    if rng.backend != "numpy":
        search = comp_sum_search.pairs_numba
        if rng.backend == "cupy":
            from theorylab.kernels.cuda import pairs as search
        return _replayed(rng, draw, search(rng.key, draw, rng.first_trial, trials, tau, n)[0], tau, n)
    found = []
    for part, count in rng.split(trials, BATCH):
        cases = part.first_trial + np.arange(count)
        found.append(vertices(_replayed(rng, draw, cases, tau, n)))
    return vertices(joined(*found))


def _replayed(rng: Stream, draw: int, cases: np.ndarray, tau: float, n: int) -> Samples:
    replay = comp_sum_search.pairs_numpy(rng.key, draw, cases, tau, n)
    kept = replay["x"] >= LEAST_BETA
    return {"case": cases[kept], **{name: replay[name][kept] for name in ("x", "y", "error")}}


def _descents(trials: int, rng: Stream, tau: float, n: int) -> Samples:
    first = -(-rng.first_trial // PAIRS_PER_DESCENT)
    count = max(1, trials // PAIRS_PER_DESCENT)
    run = label_descent.descents_numpy if rng.backend == "numpy" else label_descent.descents_numba
    found = run(rng.key, rng.next_draw(), first, count, tau, n)
    return {"case": -1 - (first + np.arange(count)), **{name: found[name] for name in ("x", "y", "error")}}


def _search(trials: int, rng: Stream, tau: float, n: int) -> Samples:
    return rounded_down(vertices(joined(_pairs(trials, rng, tau, n), _descents(trials, rng, tau, n))))


def _tied_scores(p: np.ndarray, label: int, tau: float) -> np.ndarray:
    """Scores float[n] of the least risk with `label` on top, from the classes that it is tied with."""
    others = np.delete(np.argsort(-p, kind="stable"), np.flatnonzero(np.argsort(-p, kind="stable") == label))
    order = np.concatenate([[label], others])
    sums, counts = np.cumsum(p[order]), np.arange(1, len(p) + 1)
    scores = np.full(len(p), OUT)
    if tau >= 2.0:
        scores[order[: int(np.argmax(counts ** (1.0 - tau) * sums)) + 1]] = 0.0
        return scores
    size = int(np.argmax(sums / counts)) + 1
    pooled = p.copy()
    pooled[order[:size]] = sums[size - 1] / size
    some = pooled > 0.0
    scores[some] = np.maximum(np.log(pooled[some]) / (2.0 - tau), OUT)
    return scores


def replay_pair(case: int, rng: Stream, *, tau: float, n: int) -> Samples:
    """A case of `conditional_search`, from its number and the stream of its block.

    The risk is taken from the loss at the scores, and its infimum is minimised for: not by the formulas of the search.

    Returns
    -------
    dict
        x, y : the point; p, h : float[n], label distribution and scores; label : int, index of the predicted class.
    """
    draws = [rng.next_draw() for _ in range(3)]
    if case >= 0:
        found = comp_sum_search.pairs_numpy(rng.key, draws[0], np.array([case]), tau, n)
        p, h, label = found["p"][0], found["h"][0], int(found["label"][0])
    else:
        p = label_descent.descents_numba(rng.key, draws[2], -1 - case, 1, tau, n)["p"][0]
        label = 1
        h = _tied_scores(p, label, tau)
    y = risk(p, h, tau) - infimum(p[None], tau)[0]
    return {"x": np.asarray(p.max() - p[label]), "y": np.asarray(y), "p": p, "h": h, "label": np.asarray(label)}


def replay_exchanged(case: int, rng: Stream, *, tau: float, n: int) -> Samples:
    """The same with the axes exchanged."""
    found = replay_pair(case, rng, tau=tau, n=n)
    return {**found, "x": found["y"], "y": found["x"]}


@simulation(backends=("numpy", "numba", "cupy"), cost=_search_cost, per_trial=False, replay=replay_pair)
def conditional_search(trials: int, rng: Stream, *, tau: float, n: int) -> Samples:
    """Search over label distributions and scores at one x.

    Examines `trials` random pairs and, for every 1024 of them, descends from one random label distribution at fixed
    zero-one regret, exactly in the scores.

    Returns
    -------
    dict
        x : zero-one regrets; y : surrogate regrets; error : rounding errors of y; case : number of the pair, or
        minus one minus the number of the descent; one row for each vertex of the hull.
    """
    return _search(trials, rng, tau, n)


@simulation(backends=("numpy", "numba", "cupy"), cost=_search_cost, per_trial=False, replay=replay_exchanged)
def conditional_search_inverse(trials: int, rng: Stream, *, tau: float, n: int) -> Samples:
    """The same search with the axes exchanged: x the surrogate regret, y the zero-one regret."""
    return surrogate_first(_search(trials, rng, tau, n))


@simulation(backends=("numpy", "numba", "cupy"), cost=_search_cost, per_trial=False, replay=replay_exchanged)
def conditional_search_to_one(trials: int, rng: Stream, *, tau: float, n: int) -> Samples:
    """The same, surrogate regrets from 1 on left out."""
    rows = conditional_search_inverse.function(trials, rng, tau=tau, n=n)
    kept = rows["x"] < 1.0
    return {name: column[kept] for name, column in rows.items()}


@simulation(cost=_distribution_cost, per_trial=False)
def distribution_search(trials: int, rng: Stream, *, tau: float, n: int) -> Samples:
    """Search over distributions of 1 to 8 inputs with random weights, label distributions and scores.

    Label distributions are normalised powers 10^U(-1, 1) of exponential variables, scores normal of scale
    10^U(-2, 1).

    Returns
    -------
    dict
        x : mean surrogate regrets; y : mean zero-one regrets; error, case: as in `conditional_search`.
    """
    atoms = 8
    found = []
    for part, count in rng.split(trials, 2048):
        some = np.arange(atoms) < 1 + (atoms * part.uniform(count, 1)).astype(int)
        weights = part.exponential(count, atoms) * some
        weights /= weights.sum(axis=1, keepdims=True)
        p = part.exponential(count, atoms, n) ** (10.0 ** (2.0 * part.uniform(count, atoms, 1) - 1.0))
        p /= p.sum(axis=2, keepdims=True)
        h = part.normal(count, atoms, n) * 10.0 ** (3.0 * part.uniform(count, atoms, 1) - 2.0)
        own = np.take_along_axis(p, h.argmax(axis=2)[..., None], axis=2)[..., 0]
        risk, least = risk_numpy(p, h, tau), infimum_numpy(p, tau)
        rows = {
            "case": part.first_trial + np.arange(count),
            "x": (weights * (p.max(axis=2) - own)).sum(axis=1),
            "y": (weights * (risk - least)).sum(axis=1),
            "error": (weights * rounding_error(np.maximum(risk, least), tau)).sum(axis=1),
        }
        kept = rows["x"] >= LEAST_BETA
        found.append(vertices({name: column[kept] for name, column in rows.items()}))
    return surrogate_first(rounded_down(vertices(joined(*found))))


@simulation(cost=lambda **_: COMPETITORS)
def competitor_gap(trials: int, rng: Stream, *, tau: float) -> np.ndarray:
    """Order parameter of the change of extremal instance at three classes, 1 < tau < 2.

    One minus the least ratio, over label distributions away from the binary ones (the third class holds at least
    0.1), of the least surrogate regret to that of two classes at the same zero-one regret: a jittered grid over the
    probabilities of the most likely and of the third class, refined by compass search. Negative while two classes
    are extremal.

    Returns
    -------
    float[trials]
    """
    side, bands = 24, 4
    moves = np.array([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)])
    cells = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), axis=-1)
    # A start in each of four bands of the most likely class's probability: one descent may be caught in a corner.
    points = ((cells + rng.uniform(trials, side, side, 2)) / side).reshape(trials * bands, -1, 2)
    rows = np.arange(trials * bands)

    def least(tries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ratio = _ratio(tries[..., 0], tries[..., 1], tau)
        best = ratio.argmin(axis=1)
        return tries[rows, best], ratio[rows, best]

    at, value = least(points)
    step = np.full(len(rows), 1.0 / side)
    for _ in range(100):
        tried, ratio = least(at[:, None, :] + step[:, None, None] * moves)
        better = ratio < value
        at, value = np.where(better[:, None], tried, at), np.where(better, ratio, value)
        step = np.where(better, step, step / 2.0)
    return np.asarray(1.0 - value.reshape(trials, bands).min(axis=1))


def _ratio(top: np.ndarray, third: np.ndarray, tau: float) -> np.ndarray:
    """Least regret of the predicted of three classes over that of two; infinite outside the region searched."""
    own = 1.0 - top - third
    beta = top - own
    inside = (own >= 0.0) & (third >= 0.1) & (third <= top) & (beta >= 0.05)
    # Outside, any distribution will do.
    p = np.where(inside[..., None], np.stack([top, own, third], axis=-1), [0.5, 0.3, 0.2])
    beta = np.where(inside, beta, 0.2)
    two = (p[..., 0] + p[..., 1]) / 2.0
    pair = np.stack([two, two, p[..., 2]], axis=-1)
    tied = np.where((p[..., 2] > two)[..., None], 1.0 / 3.0, pair)
    binary = np.stack([(1.0 + beta) / 2.0, (1.0 - beta) / 2.0], axis=-1)
    regret = infimum_numpy(tied, tau) - infimum_numpy(p, tau)
    reference = infimum_numpy(np.full_like(binary, 0.5), tau) - infimum_numpy(binary, tau)
    return np.where(inside, regret / reference, np.inf)


@simulation(cost=lambda k, **_: Cost(flops=3e4 * k, bytes=8.0 * 512.0 * (3.0 * k + 6.0), draws=1.0))
def larger_competitor_gap(trials: int, rng: Stream, *, tau: float, k: int) -> np.ndarray:
    """Order parameter of the competitor with the label mass on k classes, 1 < tau < 2.

    One minus the least ratio over b of the regret of p = (b, (1-b)/(k-1), ..., 0), all k + 1 classes tied and the one
    without mass predicted, to that of two classes at the zero-one regret b: over a grid of 512 with a random start.

    Returns
    -------
    float[trials]
    """
    side = 512
    b = 1.0 / k + (1.0 - 1.0 / k) * (np.arange(side) + rng.uniform(trials, 1)) / side
    p = np.concatenate([b[..., None], np.repeat((1.0 - b)[..., None] / (k - 1.0), k - 1, axis=-1)], axis=-1)
    regret = infimum_numpy(np.full(k + 1, 1.0 / (k + 1.0)), tau) - infimum_numpy(p, tau)
    binary = np.stack([(1.0 + b) / 2.0, (1.0 - b) / 2.0], axis=-1)
    reference = infimum_numpy(np.full(2, 0.5), tau) - infimum_numpy(binary, tau)
    return np.asarray(1.0 - (regret / reference).min(axis=1))
