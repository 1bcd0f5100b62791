r"""Linear scorers in the plane under perturbations of bounded norm: suprema over the ball by search.

Scores are $h_y(x) = w_y \cdot x + b_y$; the perturbed input runs over 720 angles of the sphere $|x' - x|_p = g$, at
three radii where the supremum may lie inside, and the best angle is refined by golden section.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.adversarial_scores import (
    LEAST,
    ROUNDING,
    gaps,
    infima,
    margin_losses,
    mixed_labels,
    others,
    outer,
    rho_margin,
)
from theorylab.sims.surrogate_losses.violation_search import joined, rounded_down, vertices
from theorylab.simulation import Cost, Samples, simulation

Array = np.ndarray
ANGLES, RADII, HALVINGS = 720, (1.0, 2.0 / 3.0, 1.0 / 3.0), 40
GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
PLANE = 2
# Inputs of a distribution, angles at which scores are searched for the worst, and problems examined at a time.
ATOMS, COARSE, AT_A_TIME = 3, 48, 1024


def direction(angle: Array, inverse_norm: float) -> Array:
    """Points float[..., 2] of the unit sphere of the p-norm at given angles; inverse_norm = 1/p."""
    u = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    size = np.abs(u)
    if inverse_norm == 0.0:
        return np.asarray(u / size.max(axis=-1, keepdims=True))
    return np.asarray(u / ((size ** (1.0 / inverse_norm)).sum(axis=-1, keepdims=True)) ** inverse_norm)


def over_circle(f: Callable[[Array], Array], trials: int) -> Array:
    """Largest values float[trials] of f, from angles float[trials, m] to values of the same shape."""
    step = 2.0 * np.pi / ANGLES
    angles = np.broadcast_to(step * np.arange(ANGLES), (trials, ANGLES))
    values = f(angles)
    best = values.argmax(axis=1)[:, None]
    low, high = step * (best - 1.0), step * (best + 1.0)
    value = np.take_along_axis(values, best, axis=1)
    for _ in range(HALVINGS):
        inner = np.concatenate([high - GOLDEN * (high - low), low + GOLDEN * (high - low)], axis=1)
        pair = f(inner)
        value = np.maximum(value, pair.max(axis=1, keepdims=True))
        left = pair[:, :1] > pair[:, 1:]
        low, high = np.where(left, low, inner[:, :1]), np.where(left, inner[:, 1:], high)
    return np.asarray(value[:, 0])


def _cost(n: int) -> Cost:
    """A pass over the angles; a refinement costs a ninth of it."""
    size = ANGLES * (n - 1.0)
    return Cost(
        flops=60.0 * ANGLES, bytes=8.0 * (2.5 * size + 5.0 * ANGLES), draws=3.0 * n + 2.0, moved=24.0 * 6.0 * size
    )


@simulation(cost=lambda n, **_: _cost(n))
def largest_variation(trials: int, rng: Stream, *, n: int, radius: float) -> Samples:
    """Largest 2-norm, over the ball, of the change of the score differences of class 0.

    Returns
    -------
    dict
        value : float[trials]; scorers : float[trials, n, 2], the slopes, normal.
    """
    w = rng.normal(trials, n, PLANE)
    rows = w[:, :1] - w[:, 1:]

    def change(angle: Array) -> Array:
        moved = radius * direction(angle, 0.5)
        return np.asarray(np.sqrt(((moved @ rows.transpose(0, 2, 1)) ** 2).sum(axis=2)))

    return {"value": over_circle(change, trials), "scorers": w}


def _scorers(trials: int, rng: Stream, n: int) -> tuple[Array, Array, Array]:
    """Slopes, biases and an input, all normal."""
    return rng.normal(trials, n, PLANE), rng.normal(trials, n), rng.normal(trials, PLANE)


@simulation(cost=lambda n, **_: _cost(n))
def least_margin(trials: int, rng: Stream, *, n: int, radius: float, inverse_norm: float) -> Samples:
    """Least margin of class 0 over the ball of the p-norm, 1/p = inverse_norm.

    Returns
    -------
    dict
        value : float[trials]; scorers : float[trials, n, 2]; biases : float[trials, n]; x : float[trials, 2].
    """
    w, b, x = _scorers(trials, rng, n)
    rows, at = w[:, :1] - w[:, 1:], b[:, :1] - b[:, 1:]

    def loss(angle: Array) -> Array:
        moved = x[:, None] + radius * direction(angle, inverse_norm)
        return np.asarray(-(moved @ rows.transpose(0, 2, 1) + at[:, None]).min(axis=2))

    return {"value": -over_circle(loss, trials), "scorers": w, "biases": b, "x": x}


@simulation(cost=lambda **_: _cost(2))
def two_class_loss(trials: int, rng: Stream, *, tau: float, rho: float, radius: float, inverse_norm: float) -> Samples:
    """Adversarial rho-margin loss of class 0 of two, over the sphere and two spheres inside it.

    Returns
    -------
    dict
        As of `least_margin`, value the loss.
    """
    w, b, x = _scorers(trials, rng, 2)
    row, at = w[:, 0] - w[:, 1], b[:, :1] - b[:, 1:]

    def at_radius(part: float) -> Array:
        def loss(angle: Array) -> Array:
            moved = x[:, None] + part * radius * direction(angle, inverse_norm)
            return outer(rho_margin((moved * row[:, None]).sum(axis=2) + at, rho), tau)

        return over_circle(loss, trials)

    return {"value": np.max([at_radius(part) for part in RADII], axis=0), "scorers": w, "biases": b, "x": x}


def rows_of(w: Array) -> Array:
    """Rows w_y - w_y' of every class y, float[..., n, n - 1, 2], of slopes float[..., n, 2]."""
    return np.asarray(w[..., :, None, :] - w[..., others(w.shape[-2]), :])


def scores(w: Array, b: Array, x: Array) -> Array:
    """Linear scores float[..., K, n] at inputs float[..., K, 2]."""
    return np.asarray((x[..., :, None, :] * w[..., None, :, :]).sum(axis=-1) + b[..., None, :])


def margin_loss(w: Array, b: Array, x: Array, tau: float, rho: float, radius: float) -> Array:
    """Adversarial rho-margin losses float[..., K, n] over `COARSE` angles at three radii: from below."""
    angles = 2.0 * np.pi * np.arange(COARSE) / COARSE
    ball = radius * (np.array(RADII)[:, None, None] * direction(angles, 0.5)).reshape(-1, PLANE)
    moved = x[..., :, None, :] + np.concatenate([np.zeros((1, PLANE)), ball])
    h = scores(w[..., None, :, :], b[..., None, :], moved)
    return margin_losses(h, tau, rho)


def smooth_loss(w: Array, b: Array, x: Array, tau: float, rho: float, radius: float, nu: float) -> Array:
    """Smooth losses float[..., K, n]; the change of score differences is radius times a largest singular value."""
    smooth = outer(np.exp(-gaps(scores(w, b, x)) / rho).sum(axis=-1), tau)
    change = radius * np.linalg.norm(rows_of(w), 2, axis=(-2, -1))
    return np.asarray(smooth + nu * change[..., None, :])


def zero_one_loss(w: Array, b: Array, x: Array, radius: float) -> Array:
    """Adversarial zero-one losses float[..., K, n], exact: the worst input is along each row."""
    length = np.sqrt((rows_of(w) ** 2).sum(axis=-1))
    least = (gaps(scores(w, b, x)) - radius * length[..., None, :, :]).min(axis=-1)
    return (least <= 0.0).astype(float)


def _problems(trials: int, rng: Stream, n: int) -> tuple[Array, Array, Array, Array, Array]:
    """Slopes, biases, inputs, posteriors and weights of the inputs.

    A third of the scorers have no slopes; of half of these, two classes tie and the others are far below. All weight is
    on one input in a third of the cases.
    """
    w = rng.normal(trials, n, PLANE) * 10.0 ** (3.0 * rng.uniform(trials, 1, 1) - 2.0)
    flat = rng.uniform(trials, 1) < 1.0 / 3.0
    tie = np.where(rng.uniform(trials, 1) < 0.5, -50.0 * (np.arange(n) >= 2), rng.normal(trials, n))
    b = np.where(flat, tie, rng.normal(trials, n))
    w = np.where(flat[..., None], 0.0, w)
    x, p = rng.normal(trials, ATOMS, PLANE), mixed_labels(trials, rng, ATOMS, n)
    weights = rng.exponential(trials, ATOMS)
    weights = np.where(rng.uniform(trials, 1) < 1.0 / 3.0, np.arange(ATOMS) == 0, weights)
    return w, b, x, p, weights / weights.sum(axis=1, keepdims=True)


def _smooth_regrets(
    problems: tuple[Array, Array, Array, Array, Array], *, tau: float, rho: float, radius: float, nu: float
) -> tuple[Array, Array, Array]:
    """Zero-one regrets, smooth risks less the mean infimum of the rho-margin loss, and rounding errors of these."""
    w, b, x, p, weights = problems
    risk = (weights * (p * smooth_loss(w, b, x, tau, rho, radius, nu)).sum(axis=2)).sum(axis=1)
    margin, zero_one = infima(p, tau, rho)
    beta = (weights * ((p * zero_one_loss(w, b, x, radius)).sum(axis=2) - zero_one)).sum(axis=1)
    return beta, risk - (weights * margin).sum(axis=1), ROUNDING * (1.0 + risk)


def replay_smooth(case: int, rng: Stream, *, n: int, tau: float, rho: float, radius: float, nu: float) -> Samples:
    """A case of `smooth_search`, from its number and the stream of its block: x, y, and the problem by its parts."""
    problems = _problems(1, Stream(rng.key, rng.backend, case), n)
    x, y, _ = _smooth_regrets(problems, tau=tau, rho=rho, radius=radius, nu=nu)
    parts = dict(zip(("slopes", "biases", "inputs", "p", "weights"), (part[0] for part in problems)))
    return {"x": x[0], "y": y[0], **parts}


@simulation(
    cost=lambda n, **_: Cost(
        flops=400.0 * n**2, bytes=AT_A_TIME * 8.0 * 6.0 * ATOMS * n**2, draws=20.0 * n, moved=24.0 * 30.0 * n**2
    ),
    per_trial=False,
    replay=replay_smooth,
)
def smooth_search(trials: int, rng: Stream, *, n: int, tau: float, rho: float, radius: float, nu: float) -> Samples:
    """Search over distributions of three inputs in the plane and linear scorers, some of them without slopes.

    Returns
    -------
    dict
        x : adversarial zero-one regrets; y : smooth risks less the mean infimum of the rho-margin loss; error :
        rounding errors of y; case : number of the case; one row for each vertex of the hull of all.
    """
    at = {"tau": tau, "rho": rho, "radius": radius, "nu": nu}
    found = []
    for part, count in rng.split(trials, AT_A_TIME):
        x, y, error = _smooth_regrets(_problems(count, part, n), **at)
        some = x >= LEAST
        rows = {"case": part.first_trial + np.arange(count), "x": x, "y": y, "error": error}
        found.append(vertices({name: column[some] for name, column in rows.items()}))
    return rounded_down(vertices(joined(*found)))


def tied_biases(beta: Array, *, n: int, tau: float, rho: float, radius: float, nu: float, **_: float) -> Array:
    """The same of a scorer without slopes that ties classes 0 and 1, p = (beta, 1 - beta, 0, ...), beta >= 1/2."""
    p = np.zeros((len(beta), 1, n))
    p[:, 0, 0], p[:, 0, 1] = beta, 1.0 - beta
    b = -50.0 * (np.arange(n) >= 2)
    loss = smooth_loss(np.zeros((n, PLANE)), b, np.zeros((1, PLANE)), tau, rho, radius, nu)
    return np.asarray((p * loss).sum(axis=(1, 2)) - infima(p[:, 0], tau, rho)[0])
