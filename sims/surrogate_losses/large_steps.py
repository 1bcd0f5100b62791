r"""Gradient descent on the logistic loss with large steps, until the points are separated.

Points come multiplied by their labels, b float[trials, n, d]. Plain descent adds (g/n) sum b_i s_i to theta, the
normalised one g sum b_i s_i / sum s_i and stops once the points are separated, s_i = sigmoid(-b_i . theta),
theta_0 = 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theorylab.kernels.arrays import host, namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, Samples, SimulationError, simulation

PLACES = ("numpy", "numba", "cupy")
# Iterations at which a run that has not separated its points is given up, with an error.
MOST = 1 << 20
# Cases of a search that are kept: those nearest to, or beyond, a bound that is linear in R^2/mu^2.
KEPT = 64
# Cases that a search holds at a time.
SEARCHED = 1024


def update(b: Any, theta: Any, g: Any, normalised: bool) -> tuple[Any, Any]:
    """One step, and the scores b . theta before it: ([trials, d], [trials, n]); g a number or float[trials, 1]."""
    xp = namespace(b, theta)
    score = xp.sum(b * theta[:, None, :], axis=2)
    # 1/(1 + e^z) without overflow.
    weight = 0.5 * (1.0 - xp.tanh(0.5 * score))
    if normalised:
        open_ = xp.astype(xp.any(score <= 0.0, axis=1, keepdims=True), weight.dtype)
        weight = weight * open_ / (xp.sum(weight, axis=1, keepdims=True) + (1.0 - open_))
    else:
        weight = weight / b.shape[1]
    return theta + g * xp.sum(weight[:, :, None] * b, axis=1), score


def mean_loss(score: Any) -> Any:
    """Mean of log(1 + exp(-score)) over the points, without overflow."""
    xp = namespace(score)
    return xp.mean(xp.log1p(xp.exp(-xp.abs(score))) + 0.5 * (xp.abs(score) - score), axis=1)


def iterations(b: Any, g: Any, normalised: bool) -> Any:
    """Steps until all scores are positive, float[trials]; g a number or float[trials, 1].

    Raises
    ------
    SimulationError
        When that does not happen within `MOST` steps.
    """
    xp = namespace(b)
    theta = xp.zeros_like(b[:, 0, :])
    steps = xp.zeros_like(b[:, 0, 0])
    for _ in range(MOST):
        theta, score = update(b, theta, g, normalised)
        waiting = xp.any(score <= 0.0, axis=1)
        if not bool(xp.any(waiting)):
            return steps
        steps = steps + xp.astype(waiting, steps.dtype)
    raise SimulationError(f"points not separated after {MOST} steps: are they separable?")


def planted(trials: int, rng: Stream, n: int, d: int, gap: float, width: float = 1.0) -> Any:
    """Normal points, reflected and moved to first coordinates of at least `gap`: float[trials, n, d].

    The standard deviation is 1 in the first coordinate, `width` in the others.
    """
    z = rng.normal(trials, n, d)
    xp = namespace(z)
    return xp.concat([xp.abs(z[:, :, :1]) + gap, width * z[:, :, 1:]], axis=2)


def one_apart(n: int, c: Any, s: Any) -> Any:
    """n - 1 copies of (1, 0) and one point (-c, s); c and s float[trials]."""
    xp = namespace(c, s)
    apart = xp.stack([-c, s], axis=1)[:, None, :]
    copy = xp.stack([xp.ones_like(c), xp.zeros_like(c)], axis=1)[:, None, :]
    return xp.concat([copy + xp.zeros((1, n - 1, 1)), apart], axis=1)


def margin(b: np.ndarray) -> float:
    """Largest distance from a hyperplane through the origin that all points of b[n, d] keep, from below.

    The point of the convex hull nearest to the origin by non-negative least squares: minimising
    |b' w|^2 + (sum w - 1)^2 over w >= 0 gives its direction whatever the weight of the second term.
    """
    from scipy.optimize import nnls

    rows = np.concatenate([b.T, np.ones((1, len(b)))])
    w, _ = nnls(rows, np.append(np.zeros(b.shape[1]), 1.0))
    v = b.T @ w
    return float(np.min(b @ v) / np.linalg.norm(v))


def _path_cost(*, n: int, d: int, t: np.ndarray, **_: object) -> Cost:
    """A step reads and writes the points three times, and six arrays of n."""
    steps = float(np.max(t)) + 1.0
    return Cost(
        flops=steps * n * (4.0 * d + 30.0),
        bytes=8.0 * max(3.0 * n * d, 2.0 * n * d + 6.0 * n + 2.0 * steps * (d + 1.0)),
        draws=n * d,
        moved=steps * 24.0 * n * (2.0 * d + 6.0),
    )


def _scaling_cost(*, n: int, m: int, algorithm: str = "plain") -> Cost:
    """As many steps as the point apart takes, and a small least-squares problem."""
    runs = m / 2.0 * (n / 2.0 if algorithm == "plain" else 1.0) + 2.0
    return Cost(
        flops=runs * n * 40.0,
        bytes=8.0 * (9.0 * n + 10.0),
        draws=1.0,
        moved=runs * 24.0 * n * 10.0,
        steps=4_000.0,
    )


def _count_cost(*, n: int, d: int = 2, **_: object) -> Cost:
    """As many steps as points is the order of magnitude."""
    return Cost(
        flops=n * n * (4.0 * d + 30.0),
        bytes=8.0 * (2.5 * n * d + 4.0 * n + 10.0),
        draws=n * d,
        moved=n * 24.0 * n * (2.0 * d + 6.0),
    )


@simulation(backends=PLACES, cost=_path_cost)
def paths(
    trials: int,
    rng: Stream,
    *,
    n: int,
    d: int,
    t: np.ndarray,
    gap: float,
    width: float,
    g: float,
    algorithm: str = "plain",
) -> dict[str, Any]:
    """Iterates over random separable points.

    Returns
    -------
    dict
        b : points times labels, float[trials, n, d]; iterate : theta_t/g, float[trials, times, d];
        loss : f(theta_t)/g, float[trials, times].
    """
    b = planted(trials, rng, n, d, gap, width)
    xp = namespace(b)
    theta = xp.zeros_like(b[:, 0, :])
    wanted = np.atleast_1d(np.asarray(t)).astype(int)
    iterates, losses = [], []
    for _ in range(int(wanted.max()) + 1):
        following, score = update(b, theta, g, algorithm == "normalised")
        iterates.append(theta / g)
        losses.append(mean_loss(score) / g)
        theta = following
    return {
        "b": b,
        "iterate": xp.stack([iterates[k] for k in wanted], axis=1),
        "loss": xp.stack([losses[k] for k in wanted], axis=1),
    }


@simulation(backends=PLACES, cost=_count_cost)
def counts(
    trials: int, rng: Stream, *, n: int, d: int, gap: float, width: float, g: float, algorithm: str = "plain"
) -> dict[str, Any]:
    """Steps until random separable points are separated: float[trials], with the points b float[trials, n, d]."""
    b = planted(trials, rng, n, d, gap, width)
    return {"b": b, "value": iterations(b, g, algorithm == "normalised")}


@simulation(backends=PLACES, cost=_count_cost)
def family_counts(trials: int, rng: Stream, *, n: int, c: float, s: float, algorithm: str = "plain") -> Any:
    """Steps until n - 1 copies of (1, 0) and one point (-c, s) are separated, by steps of 10^U(8, 10): float[trials].

    The points are rotated at random.
    """
    u = rng.uniform(trials, 2)
    xp = namespace(u)
    ones = xp.ones_like(u[:, 0])
    b = one_apart(n, c * ones, s * ones)
    angle = 2.0 * np.pi * u[:, :1]
    x, y = b[:, :, 0], b[:, :, 1]
    turned = xp.stack([xp.cos(angle) * x - xp.sin(angle) * y, xp.sin(angle) * x + xp.cos(angle) * y], axis=2)
    return iterations(turned, 10.0 ** (8.0 + 2.0 * u[:, 1:]), algorithm == "normalised")


@simulation(backends=PLACES, cost=_scaling_cost)
def family_scaling(trials: int, rng: Stream, *, n: int, m: int, algorithm: str = "plain") -> dict[str, Any]:
    """Steps until n - 1 copies of (1, 0) and one point (-c, c) are separated, c uniform within a tenth of 1/m.

    Returns
    -------
    dict
        steps : float[trials]; scaled : steps times margin, divided by n for plain descent.
    """
    u = rng.uniform(trials)
    xp = namespace(u)
    c = (0.9 + 0.2 * u) / m
    b = one_apart(n, c, c)
    steps = iterations(b, 1e9, algorithm == "normalised")
    margins = xp.asarray(np.array([margin(points) for points in host(b[:, -2:, :])]))
    scaled = steps * margins
    return {"steps": steps, "scaled": scaled if algorithm == "normalised" else scaled / n}


def _search_cost(*, n: int, d: int = 3, **_: object) -> Cost:
    """A case: some n steps, and a least-squares problem of some n passes over the points; four arrays of them."""
    return Cost(
        flops=n * n * (4.0 * d + 30.0) + 4.0 * n * n * d,
        bytes=8.0 * SEARCHED * (4.0 * n * d + 4.0 * n + 20.0),
        draws=n * d + 3.0,
        moved=n * 24.0 * n * (2.0 * d + 6.0),
        steps=4_000.0,
    )


def _distance_cost(*, n: int, d: int = 3, last: int = 5) -> Cost:
    """Twice `last` steps; the arrays are those of the longer search."""
    return Cost(
        flops=2.0 * last * n * (4.0 * d + 30.0),
        bytes=8.0 * SEARCHED * (4.0 * n * d + 4.0 * n + 20.0),
        draws=n * d + 1.0,
        moved=2.0 * last * 24.0 * n * (2.0 * d + 6.0),
    )


def _cases(count: int, rng: Stream, n: int, d: int) -> np.ndarray:
    """Points of three kinds in turn: planted, a tight cluster, and one apart (of all sizes)."""
    number = rng.first_trial + np.arange(count)
    z, u = np.asarray(rng.normal(count, n, d)), np.asarray(rng.uniform(count, 3))
    kind = (number % 3)[:, None, None]
    axis = np.eye(d)[0]
    wide = 10.0 ** (2.0 * u[:, :1, None] - 2.0)
    planted_ = np.concatenate([np.abs(z[:, :, :1]) + wide, z[:, :, 1:]], axis=2)
    cluster = axis + 10.0 ** (-4.0 * u[:, :1, None]) * z / (10.0 * np.sqrt(n * d))
    apart = np.zeros((count, n, d))
    apart[:, :, :2] = one_apart(n, 10.0 ** (-1.5 * u[:, 1]), 10.0 ** (0.5 - 1.5 * u[:, 2]))
    return np.where(kind == 0, planted_, np.where(kind == 1, cluster, apart))


@simulation(cost=_search_cost, per_trial=False)
def longest_runs(trials: int, rng: Stream, *, n: int, d: int = 3, algorithm: str = "plain") -> Samples:
    """Search for point sets that take many steps for their R^2/mu^2.

    Returns
    -------
    dict
        x : R^2/mu^2, not less than it is; y : steps; error : 0, steps are counted; case : number of the case. The
        `KEPT` rows of largest y/x.
    """
    found: list[np.ndarray] = []
    for part, count in rng.split(trials, SEARCHED):
        b = _cases(count, part, n, d)
        mu = np.array([margin(points) for points in b])
        good = mu > 1e-6
        b, mu, case = b[good], mu[good], (part.first_trial + np.arange(count))[good]
        steps = iterations(b, 1e9, algorithm == "normalised")
        longest = np.linalg.norm(b, axis=2).max(axis=1)
        found.append(np.stack([np.maximum((longest / mu) ** 2, 1.0), steps, case]))
    x, y, case = np.concatenate(found, axis=1)
    top = np.argsort(-y / x, kind="stable")[:KEPT]
    return {"x": x[top], "y": y[top], "error": np.zeros(len(top)), "case": case[top].astype(int)}


@simulation(cost=_distance_cost, per_trial=False)
def distances(trials: int, rng: Stream, *, n: int, d: int = 3, last: int = 5) -> Samples:
    """Distance of gradient descent with step g = 10^U(0, 4) from the batch perceptron after `last` steps.

    Cases with 2 g (last - 1) R^2 exp(-g m) <= log 2, m the least |b_i . v_s| of the perceptron at 1 <= s < last.

    Returns
    -------
    dict
        x : g m, at most 30; y : |theta/g - v|/((last - 1) R); error : of y by rounding; case : number of the case.
    """
    found = [_distances(count, part, n, d, last) for part, count in rng.split(trials, SEARCHED)]
    return {name: np.concatenate([rows[name] for rows in found]) for name in found[0]}


def _distances(count: int, rng: Stream, n: int, d: int, last: int) -> Samples:
    b = np.asarray(planted(count, rng, n, d, 0.05))
    g = 10.0 ** (4.0 * np.asarray(rng.uniform(count, 1)))
    longest = np.linalg.norm(b, axis=2).max(axis=1)
    theta, v = np.zeros((count, d)), np.zeros((count, d))
    nearest = np.full(count, np.inf)
    for step in range(last):
        theta = update(b, theta, g, False)[0]
        side = (b @ v[:, :, None])[:, :, 0]
        if step:
            nearest = np.minimum(nearest, np.abs(side).min(axis=1))
        v = v + (((side < 0) + 0.5 * (side == 0))[:, :, None] * b).mean(axis=1)
    x = g[:, 0] * nearest
    kept = (2.0 * g[:, 0] * (last - 1) * longest**2 * np.exp(-x) <= np.log(2.0)) & (x <= 30.0)
    y = np.linalg.norm(theta / g - v, axis=1) / ((last - 1) * longest)
    error = np.full(count, 1e-14)
    number = rng.first_trial + np.arange(count)
    return {name: column[kept] for name, column in (("x", x), ("y", y), ("error", error), ("case", number))}
