r"""Both regrets of comp-sum losses when every score is in $[-\Lambda, \Lambda]$: searches, instances, order parameters.

The surrogate regret is the risk less the pointwise infimum over bounded scores, which is found numerically and
certified (`box_minimisation`). A case of a search is a label distribution, normalised powers 10^U(-1, 1) of exponential
variables, half of them with little or nothing on all classes but two; a class to be predicted; and `SCORES` score
vectors: the best with that class tied to more likely ones, the minimiser with it raised, all more likely classes tied
at the bound, vertices of the box, and points inside it.
"""

from __future__ import annotations

import numpy as np

from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.box_minimisation import box_minimum, mistaken_minimum, vertex_minimum
from theorylab.sims.surrogate_losses.labels import QUANTILE, dirichlet
from theorylab.sims.surrogate_losses.score_minimisation import risk
from theorylab.sims.surrogate_losses.violation_search import LEAST_BETA, joined, rounded_down, vertices
from theorylab.simulation import Cost, Samples, simulation

Array = np.ndarray
SCORES, ATOMS = 8, 4
# Label distributions at a time.
AT_A_TIME = 1 << 11
ROUNDING = 1e-14
# Newton steps of a minimum, and passes over its scores in each, halved steps included.
STEPS, PASSES = 10.0, 90.0


def _minimum(p: Array, tau: float, bound: Array) -> Samples:
    if tau < 2.0:
        return box_minimum(p, tau, bound)
    return {"value": vertex_minimum(p, tau, bound), "residual": np.zeros(len(p))}


def _labels(count: int, rng: Stream, n: int) -> tuple[Array, Array]:
    """Label distributions float[count, n] and classes int[count] to be predicted, none the most likely."""
    power = 10.0 ** (2.0 * rng.uniform(count, 1) - 1.0)
    weights = rng.exponential(count, n) ** power
    kind, size, place = rng.uniform(count, 1), rng.uniform(count, 1), rng.uniform(count)
    weights[:, 2:] *= np.where(kind < 0.25, 0.0, np.where(kind < 0.5, 10.0 ** (-6.0 * size), 1.0))
    p = weights / weights.sum(axis=1, keepdims=True)
    # Of the order by probability; the first two are taken more often.
    rank = 1 + np.floor((n - 1) * place**2).astype(int)
    label = np.take_along_axis(np.argsort(-p, axis=1), rank[:, None], axis=1)[:, 0]
    return p, label


def _pooled(p: Array, label: Array) -> Array:
    """Distributions in which the label and the more likely classes that it meets share their mass equally."""
    rows, n = np.arange(len(p)), p.shape[1]
    first = np.where(np.arange(n) == label[:, None], 2.0, p)
    order = np.argsort(-first, axis=1)
    ordered = np.take_along_axis(p, order, axis=1)
    means = np.cumsum(ordered, axis=1) / np.arange(1, n + 1)
    size = means.argmax(axis=1)
    shared = np.where(np.arange(n) <= size[:, None], means[rows, size][:, None], ordered)
    out = np.empty_like(p)
    np.put_along_axis(out, order, shared, axis=1)
    return out


def _scores(p: Array, label: Array, bound: Array, tau: float, rng: Stream) -> tuple[Array, Samples]:
    """Score vectors float[count, SCORES, n] with the label on top of the first three, and the minimum at p."""
    count, n = p.shape
    rows, room = np.arange(count), bound[:, None]
    least = _minimum(p, tau, bound)
    u, scale = rng.uniform(count, SCORES - 3, n), rng.uniform(count)
    h = np.empty((count, SCORES, n))
    h[:, 1] = least.get("h", np.zeros((count, n)))
    h[rows, 1, label] = h[:, 1].max(axis=1)
    h[:, 2] = np.where(p >= p[rows, label][:, None], room, -room)
    h[:, 0] = _minimum(_pooled(p, label), tau, bound).get("h", h[:, 2])
    h[:, 3:] = room[..., None] * (2.0 * u - 1.0)
    h[:, 3] *= (10.0 ** (-2.0 * scale))[:, None]
    h[:, 4:6] = np.where(u[:, 1:3] < 0.5, room[..., None], -room[..., None])
    return h, least


def _regrets(p: Array, label: Array, bound: Array, tau: float, rng: Stream) -> Samples:
    """Zero-one and surrogate regrets of the cases, float[count, SCORES] each, and bounds on errors of the second."""
    h, least = _scores(p, label, bound, tau, rng)
    chosen = p.shape[1] - 1 - np.argmax(h[..., ::-1], axis=2)
    chosen[:, :3] = label[:, None]
    own = np.take_along_axis(p[:, None], chosen[..., None], axis=2)[..., 0]
    risks = risk(p[:, None], h, tau)
    error = ROUNDING * (1.0 + risks) + least["residual"][:, None]
    return {
        "x": p.max(axis=1)[:, None] - own,
        "y": risks - least["value"][:, None],
        "error": error,
        "h": h,
        "label": chosen,
    }


def _least_cost(n: int) -> Cost:
    """A least risk over a box: two exponentials or logarithms a score and step."""
    return Cost(flops=STEPS * n * 100.0, bytes=8.0 * 30.0 * n, moved=24.0 * STEPS * PASSES * n / 4.0)


def _search_cost(*, n: int, inputs: float = 1.0, **_: float) -> Cost:
    least = _least_cost(n)
    return Cost(
        flops=inputs * (2.0 * least.flops + SCORES * n * 60.0),
        bytes=AT_A_TIME * inputs * 8.0 * (8.0 * SCORES * n + 10.0 * SCORES),
        draws=inputs * (n * (SCORES - 2.0) + 6.0),
        moved=inputs * (2.0 * least.moved + 24.0 * 6.0 * SCORES * n),
    )


def replay_case(case: int, rng: Stream, *, tau: float, n: int, score_bound: float) -> Samples:
    """A case of `bounded_search`: x, y, error; p, h : float[n]; label : int, index of the predicted class."""
    ((part, _),) = Stream(rng.key, rng.backend, case // SCORES).split(1, 1)
    p, label = _labels(1, part, n)
    rows = _regrets(p, label, np.array([score_bound]), tau, part)
    return {"p": p[0], **{name: np.asarray(column[0, case % SCORES]) for name, column in rows.items()}}


@simulation(cost=_search_cost, per_trial=False, replay=replay_case)
def bounded_search(trials: int, rng: Stream, *, tau: float, n: int, score_bound: float) -> Samples:
    """Search over label distributions, and score vectors in a box, at one input; `SCORES` pairs a trial.

    Returns
    -------
    dict
        x : zero-one regrets; y : surrogate regrets; error : of y; case : `SCORES` times the trial, plus the number of
        the score vector; one row for each vertex of the hull.
    """
    found = []
    for part, count in rng.split(trials, AT_A_TIME):
        p, label = _labels(count, part, n)
        rows = _regrets(p, label, np.full(count, score_bound), tau, part)
        case = SCORES * (part.first_trial + np.arange(count))[:, None] + np.arange(SCORES)
        kept = rows["x"] >= LEAST_BETA
        columns = {"case": case, **{name: rows[name] for name in ("x", "y", "error")}}
        found.append(vertices({name: column[kept] for name, column in columns.items()}))
    return rounded_down(vertices(joined(*found)))


@simulation(cost=lambda n, **_: _search_cost(n=n, inputs=ATOMS), per_trial=False)
def bounded_distribution_search(
    trials: int, rng: Stream, *, tau: float, n: int, slope_bound: float, score_bound: float
) -> Samples:
    """Search over distributions of 4 inputs with random weights, at which scores have different bounds.

    The bounds are those of linear scorers, `slope_bound` |x| + `score_bound`, x standard normal in the plane. At every
    input the first of the score vectors is taken, in three of four trials.

    Returns
    -------
    dict
        x : mean zero-one regrets; y : mean surrogate regrets; error, case : as in `bounded_search`, case the trial.
    """
    found = []
    for part, count in rng.split(trials, AT_A_TIME // ATOMS):
        weights = part.exponential(count, ATOMS) ** (10.0 * part.uniform(count, 1))
        weights /= weights.sum(axis=1, keepdims=True)
        bounds = slope_bound * np.sqrt((part.normal(count, ATOMS, 2) ** 2).sum(axis=2)) + score_bound
        kind = np.where(part.uniform(count, 1) < 0.75, 0, (SCORES * part.uniform(count, ATOMS)).astype(int))
        drawn = [_labels(count, part, n) for _ in range(ATOMS)]
        sets = [_regrets(p, label, bounds[:, i], tau, part) for i, (p, label) in enumerate(drawn)]
        rows = np.arange(count)
        means = {
            name: sum(weights[:, i] * one[name][rows, kind[:, i]] for i, one in enumerate(sets))
            for name in ("x", "y", "error")
        }
        kept = means["x"] >= LEAST_BETA
        columns = {"case": part.first_trial + rows, **means}
        found.append(vertices({name: np.asarray(column)[kept] for name, column in columns.items()}))
    return rounded_down(vertices(joined(*found)))


def _infimum_cost(*, n: int, tau: float) -> Cost:
    least = _least_cost(n)
    # From tau = 2 on all vertices at once.
    held = 14.0 * n + 8.0 if tau < 2.0 else 4.0 * n * 2.0**n
    return Cost(flops=n * QUANTILE + least.flops, bytes=8.0 * held, draws=n + 2.0, moved=least.moved)


@simulation(cost=_infimum_cost)
def box_infimum(trials: int, rng: Stream, *, n: int, tau: float) -> Samples:
    """Least risks over boxes at random label distributions, the bounds 10^U(-1.5, 0.5).

    Returns
    -------
    dict
        value : float[trials]; softmax : float[trials, n], where it was found, only for tau < 2; p : float[trials, n],
        in decreasing order; bounds : float[trials]; residual : float[trials].
    """
    p = np.sort(dirichlet(trials, rng, n), axis=1)[:, ::-1]
    bounds = 10.0 ** (2.0 * rng.uniform(trials) - 1.5)
    found = _minimum(p, tau, bounds)
    h = found.pop("h", None)
    if h is not None:
        weight = np.exp(h)
        found["softmax"] = weight / weight.sum(axis=1, keepdims=True)
    return {**found, "p": p, "bounds": bounds}


@simulation(cost=lambda **_: Cost(flops=65.0 * 100.0, bytes=65.0 * 8.0 * 12.0, draws=1.0))
def mistaken_regret(trials: int, rng: Stream, *, tau: float, beta: float, score_bound: float) -> Array:
    """Least regrets float[trials] of predicting the less likely of two classes, tau >= 2."""
    p = np.tile([(1.0 + beta) / 2.0, (1.0 - beta) / 2.0], (trials, 1))
    bound = np.full(trials, score_bound)
    return mistaken_minimum(beta, tau, bound) - vertex_minimum(p, tau, bound)


def _slope(p: Array, h: Array, label: int, tau: float, step: Array) -> Array:
    """Slope of the risk in one score, by central differences of sizes step float[trials]."""
    move = step[:, None] * np.eye(len(p))[label]
    return np.asarray((risk(p, h + move, tau) - risk(p, h - move, tau)) / (2.0 * step))


@simulation(cost=lambda **_: Cost(flops=300.0, bytes=80.0, draws=1.0))
def end_slope(trials: int, rng: Stream, *, tau: float, score_bound: float, beta: float) -> Array:
    """Order parameter float[trials] of clipping: what raising the margin of two classes beyond its range would gain.

    Negative where the risk minimiser is inside its range. By differences of size 0.001 to 0.002.
    """
    p = np.array([(1.0 + beta) / 2.0, (1.0 - beta) / 2.0])
    return -_slope(p, np.array([score_bound, -score_bound]), 0, tau, 1e-3 * (1.0 + rng.uniform(trials)))


@simulation(cost=lambda n, **_: Cost(flops=150.0 * n, bytes=8.0 * (5.0 * n + 2.0), draws=1.0))
def tie_slope(trials: int, rng: Stream, *, tau: float, n: int, score_bound: float, beta: float) -> Array:
    """Order parameter float[trials] of blindness: what lowering the less likely of two tied classes would gain.

    The two hold all the mass and have the scores Lambda, the others -Lambda. Negative where the tie is the minimum.
    """
    p, h = np.zeros(n), np.full(n, -score_bound)
    p[:2], h[:2] = ((1.0 + beta) / 2.0, (1.0 - beta) / 2.0), score_bound
    return _slope(p, h, 1, tau, 1e-3 * (1.0 + rng.uniform(trials)))


def tie_at_the_bound(beta: Array, *, tau: float, n: int = 2, score_bound: float, **_: float) -> Array:
    """Surrogate regrets of p = ((1+beta)/2, (1-beta)/2, 0, ...), the two tied at the bound, the others at minus it."""
    p = np.zeros((len(beta), int(n)))
    p[:, 0], p[:, 1] = (1.0 + beta) / 2.0, (1.0 - beta) / 2.0
    h = np.full(int(n), -float(score_bound))
    h[:2] = score_bound
    least = box_minimum(p, float(tau), np.full(len(beta), float(score_bound)))
    return np.asarray(risk(p, h, float(tau)) - least["value"])


def certain_mixture(beta: Array, *, tau: float, score_bound: float, **_: float) -> Array:
    """Surrogate regrets of a share beta of inputs with certain labels, both scores tied, and no regret at the rest."""
    p, bound = np.array([[1.0, 0.0]]), np.array([float(score_bound)])
    regret = risk(p, np.zeros((1, 2)), float(tau)) - _minimum(p, float(tau), bound)["value"]
    return np.asarray(beta * regret[0])
