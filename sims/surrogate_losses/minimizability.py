r"""Minimisability gaps by their definition: the least risk over a set of hypotheses less the mean of pointwise infima.

A trial draws a distribution on a few inputs: weights (Dirichlet of concentration 1), inputs in the plane (standard
normal, or on the unit circle), and label distributions (Dirichlet of concentration 10^U(-1, 1), or certain labels).
Both terms of the gap are found numerically: over bounded linear or ReLU scorers by `hypothesis_sets`, the pointwise
infimum over the same set with one input alone; over free scores by `score_minimisation`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.hypothesis_sets import Linear, Relu, Risks, descent_cost, least_risk
from theorylab.sims.surrogate_losses.labels import QUANTILE, dirichlet
from theorylab.sims.surrogate_losses.score_minimisation import (
    Problems,
    count_starts,
    minimise,
    minimum_cost,
    starts,
)
from theorylab.simulation import Cost, Samples, simulation

Array = np.ndarray
# Inputs are points of the plane; slopes have a bounded 2-norm.
PLANE = 2
# Starts of a descent where the risk is not convex, and of one over ReLU scorers; hidden units of these for each class.
SEVERAL, RELU_STARTS, UNITS = 6, 12, 8
# Bound of slopes and biases that counts as none, where the minimum is far inside.
FREE = 20.0
STEPS = 250.0
# Inputs of a problem of the search, and problems solved at a time.
ATOMS, AT_A_TIME = 4, 256


def _weights(trials: int, rng: Stream, atoms: int) -> Array:
    e = rng.exponential(trials, atoms)
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _certain(trials: int, rng: Stream, atoms: int, n: int) -> Array:
    """Labels known with certainty, as distributions float[trials, atoms, n]."""
    return np.eye(n)[np.minimum((rng.uniform(trials, atoms) * n).astype(int), n - 1)]


def _tries(tau: float) -> int:
    return 1 if tau <= 1.0 else SEVERAL


def _linear(x: Array, slope: Array | float, bias: Array | float) -> Linear:
    slopes, biases = (np.broadcast_to(np.asarray(bound, dtype=float), len(x)) for bound in (slope, bias))
    return Linear(x, slopes, biases)


def _linear_risk(
    rng: Stream,
    x: Array,
    weights: Array,
    p: Array,
    tau: float,
    slope: Array | float,
    bias: Array | float,
) -> Samples:
    """Least risk over linear scorers from random starts; the mean over the inputs that is minimised is exact."""
    scorers = _linear(x, slope, bias)
    noise = rng.normal(len(x), _tries(tau), scorers.size(p.shape[2]))
    return least_risk(Risks(scorers, weights, p, tau), noise)


def _pointwise(rng: Stream, x: Array, p: Array, tau: float, slope: Array | float, bias: Array | float) -> Samples:
    """Infima over the linear scorers at each input alone, float[trials, atoms]."""
    trials, atoms, n = p.shape
    bounds = [np.repeat(np.broadcast_to(np.asarray(bound, dtype=float), trials), atoms) for bound in (slope, bias)]
    scorers = _linear(x.reshape(-1, 1, PLANE), *bounds)
    noise = rng.normal(trials, atoms * _tries(tau), scorers.size(n)).reshape(trials * atoms, _tries(tau), -1)
    risks = Risks(scorers, np.ones((trials * atoms, 1)), p.reshape(-1, 1, n), tau)
    found = least_risk(risks, noise)
    return {name: found[name].reshape(trials, atoms) for name in ("value", "residual")}


def _free(rng: Stream, p: Array, tau: float) -> Array:
    """Infima over free scores of label distributions float[trials, atoms, n]."""
    trials, atoms, n = p.shape
    several = count_starts(n, tau, False)
    noise = rng.normal(trials, atoms * several, n).reshape(trials * atoms, several, n)
    found = minimise(Problems(p.reshape(-1, n), tau), starts(noise, tau, False))
    return np.asarray(found["value"].reshape(trials, atoms))


def _linear_cost(*, n: int, tau: float, atoms: int) -> Cost:
    """The common scorer, and one for each input."""
    size = n * (PLANE + 1)
    common = descent_cost(_tries(tau), atoms, n, size, STEPS)
    alone = descent_cost(atoms * _tries(tau), 1, n, size, STEPS)
    return replace(
        common,
        flops=common.flops + alone.flops + atoms * n * QUANTILE,
        # Of single inputs, many have arrived before the largest arrays are needed.
        bytes=max(common.bytes, 0.65 * alone.bytes) + 8.0 * atoms * (4.0 * n + 8.0),
        draws=common.draws + alone.draws + atoms * (n + 4.0),
        moved=common.moved + alone.moved,
    )


def _free_cost(n: int, tau: float, atoms: int) -> Cost:
    """The infimum of the mixture, and that at each input."""
    found = minimum_cost(count_starts(n, tau, False), n, tau, atoms)
    return replace(
        found,
        flops=found.flops * (1.0 + 1.0 / atoms) + atoms * n * QUANTILE,
        bytes=found.bytes + 8.0 * atoms * (6.0 * n + 8.0),
        draws=found.draws * (1.0 + 1.0 / atoms) + atoms * (n + 2.0),
    )


def _affine_cost(*, n: int, tau: float, atoms: int) -> Cost:
    common, free = descent_cost(_tries(tau), atoms, n, n * (PLANE + 1), 3.0 * STEPS), _free_cost(n, tau, atoms)
    return replace(
        free,
        flops=common.flops + free.flops,
        bytes=max(common.bytes, free.bytes) + 8.0 * atoms * (4.0 * n + 8.0),
        draws=common.draws + free.draws,
        moved=common.moved + free.moved,
    )


def _joint(trials: int, rng: Stream, atoms: int, n: int) -> tuple[Array, Array]:
    return _weights(trials, rng, atoms), dirichlet(trials, rng, atoms, n)


@simulation(cost=lambda n, tau, atoms: _free_cost(n, tau, atoms))
def constant_gap(trials: int, rng: Stream, *, n: int, tau: float, atoms: int) -> Samples:
    """Gap of scores that do not depend on the input.

    Their risk is that of one input with the label distribution of the mixture: it is linear in the distribution.

    Returns
    -------
    dict
        value : float[trials], the gap; weights : float[trials, atoms]; p : float[trials, atoms, n].
    """
    weights, p = _joint(trials, rng, atoms, n)
    marginal = (weights[..., None] * p).sum(axis=1, keepdims=True)
    value = _free(rng, marginal, tau)[:, 0] - (weights * _free(rng, p, tau)).sum(axis=1)
    return {"value": value, "weights": weights, "p": p}


@simulation(cost=lambda n, atoms: Cost(flops=atoms * n * (QUANTILE + 6.0), bytes=8.0 * atoms * (6.0 * n + 6.0)))
def constant_zero_one_gap(trials: int, rng: Stream, *, n: int, atoms: int) -> Samples:
    """Gap of the zero-one loss of predictions that do not depend on the input, by trying every prediction.

    Returns
    -------
    dict
        value : float[trials]; weights : float[trials, atoms]; p : float[trials, atoms, n].
    """
    weights, p = _joint(trials, rng, atoms, n)
    # Risk of predicting class i: the mass of the other classes.
    others = p @ (1.0 - np.eye(n))
    common = (weights[..., None] * others).sum(axis=1).min(axis=1)
    return {"value": common - (weights * others.min(axis=2)).sum(axis=1), "weights": weights, "p": p}


@simulation(cost=_affine_cost)
def affine_gap(trials: int, rng: Stream, *, n: int, tau: float, atoms: int) -> Samples:
    """Gap of linear scorers where log p(y|x) is affine in x up to a constant common to the classes.

    Returns
    -------
    dict
        value : float[trials]; weights : float[trials, atoms]; p : float[trials, atoms, n]; residual : float[trials].
    """
    weights, x = _weights(trials, rng, atoms), rng.normal(trials, atoms, PLANE)
    slope, bias = 0.7 * rng.normal(trials, n, PLANE), 0.7 * rng.normal(trials, n)
    logits = (x[:, :, None, :] * slope[:, None]).sum(axis=-1) + bias[:, None]
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    found = _linear_risk(rng, x, weights, p, tau, FREE, FREE)
    value = found["value"] - (weights * _free(rng, p, tau)).sum(axis=1)
    return {"value": value, "weights": weights, "p": p, "residual": found["residual"]}


def _bounded(
    trials: int, rng: Stream, n: int, tau: float, slope: float, bias: float, atoms: int, certain: bool
) -> Samples:
    weights, x = _weights(trials, rng, atoms), rng.normal(trials, atoms, PLANE)
    p = _certain(trials, rng, atoms, n) if certain else dirichlet(trials, rng, atoms, n)
    common = _linear_risk(rng, x, weights, p, tau, slope, bias)
    alone = _pointwise(rng, x, p, tau, slope, bias)
    return {
        "value": common["value"] - (weights * alone["value"]).sum(axis=1),
        "risk": common["value"],
        "weights": weights,
        "p": p,
        "norms": np.sqrt((x**2).sum(axis=2)),
        "residual": np.maximum(common["residual"], alone["residual"].max(axis=1)),
    }


@simulation(cost=lambda n, tau, atoms, **_: _linear_cost(n=n, tau=tau, atoms=atoms))
def bounded_gap(
    trials: int, rng: Stream, *, n: int, tau: float, slope_bound: float, bias_bound: float, atoms: int
) -> Samples:
    """Gap of bounded linear scorers under certain labels.

    Returns
    -------
    dict
        value : float[trials], the gap; risk : float[trials], the least risk; weights, norms : float[trials, atoms],
        norms |x|_2 of the inputs; p : float[trials, atoms, n]; residual : float[trials].
    """
    return _bounded(trials, rng, n, tau, slope_bound, bias_bound, atoms, certain=True)


@simulation(cost=lambda n, tau, atoms, **_: _linear_cost(n=n, tau=tau, atoms=atoms))
def noisy_gap(
    trials: int, rng: Stream, *, n: int, tau: float, slope_bound: float, bias_bound: float, atoms: int
) -> Samples:
    """The same under label noise."""
    return _bounded(trials, rng, n, tau, slope_bound, bias_bound, atoms, certain=False)


def _relu_cost(*, n: int, **_: float) -> Cost:
    cost = descent_cost(RELU_STARTS, 1, n, n * UNITS * (PLANE + 2), STEPS)
    # One input: its arrays of parameters are views.
    return replace(cost, bytes=0.75 * cost.bytes)


@simulation(cost=_relu_cost)
def relu_infimum(
    trials: int,
    rng: Stream,
    *,
    n: int,
    tau: float,
    slope_bound: float,
    bias_bound: float,
    outer_bound: float,
    norm: float,
) -> Samples:
    """Least risk over bounded ReLU scorers at one input of a given norm, in a random direction, with a certain label.

    Returns
    -------
    dict
        value : float[trials]; residual : float[trials].
    """
    x = rng.normal(trials, 1, PLANE)
    x *= norm / np.sqrt((x**2).sum(axis=2, keepdims=True))
    scorers = Relu(x, slope_bound, bias_bound, outer_bound, UNITS)
    noise = rng.normal(trials, RELU_STARTS, scorers.size(n))
    found = least_risk(Risks(scorers, np.ones((trials, 1)), _certain(trials, rng, 1, n), tau), noise)
    return {"value": found["value"], "residual": found["residual"]}


@simulation(cost=lambda n, tau, **_: descent_cost(_tries(tau), 2, n, n * (PLANE + 1), STEPS))
def two_input_gap(trials: int, rng: Stream, *, n: int, tau: float, slope_bound: float, bias_bound: float) -> Samples:
    """Gap of bounded linear scorers on two opposite inputs of norm 1, equally likely, whose labels differ.

    Returns
    -------
    dict
        value : float[trials]; residual : float[trials].
    """
    angle = 2.0 * np.pi * rng.uniform(trials, 1)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=2) * np.array([[[1.0], [-1.0]]])
    p = np.broadcast_to(np.eye(n)[:2], (trials, 2, n))
    weights = np.full((trials, 2), 0.5)
    common = _linear_risk(rng, x, weights, p, tau, slope_bound, bias_bound)
    alone = _pointwise(rng, x, p, tau, slope_bound, bias_bound)
    value = common["value"] - alone["value"].mean(axis=1)
    return {"value": value, "residual": np.maximum(common["residual"], alone["residual"].max(axis=1))}


def _search_cost(n: int, tau: float) -> Cost:
    parts = [_linear_cost(n=n, tau=t, atoms=ATOMS) for t in (0.0, tau)]
    return Cost(
        flops=sum(c.flops for c in parts),
        bytes=AT_A_TIME * max(c.bytes for c in parts),
        draws=sum(c.draws for c in parts),
        moved=sum(c.moved for c in parts),
    )


@simulation(cost=lambda n, tau, **_: _search_cost(n, tau), per_trial=False)
def jensen_search(trials: int, rng: Stream, *, n: int, tau: float, score_bound: float) -> Samples:
    """Gaps of one problem at tau = 0 and at tau: certain labels on 4 inputs of norm 1, random weights.

    The bounds of slopes and biases share `score_bound` at random, so that scores at every input have that range.

    Returns
    -------
    dict
        x, y, error : float[trials], gap at 0, gap at tau, and what the descents may have missed; case : int[trials].
    """
    found = [_gaps(count, part, n, tau, score_bound) for part, count in rng.split(trials, AT_A_TIME)]
    rows = {name: np.concatenate([row[name] for row in found]) for name in found[0]}
    return {**rows, "case": rng.first_trial + np.arange(trials)}


def _gaps(trials: int, rng: Stream, n: int, tau: float, score_bound: float) -> Samples:
    slope = score_bound * rng.uniform(trials)
    x = rng.normal(trials, ATOMS, PLANE)
    x /= np.sqrt((x**2).sum(axis=2, keepdims=True))
    weights, p = _weights(trials, rng, ATOMS), _certain(trials, rng, ATOMS, n)
    sums, errors = [], []
    for t in (0.0, tau):
        common = _linear_risk(rng, x, weights, p, t, slope, score_bound - slope)
        alone = _pointwise(rng, x, p, t, slope, score_bound - slope)
        sums.append(common["value"] - (weights * alone["value"]).sum(axis=1))
        errors.append(common["residual"] + alone["residual"].max(axis=1))
    # A gap is not negative; the bound rises with the gap at 0, by at most as much.
    return {"x": np.maximum(sums[0], 0.0), "y": sums[1], "error": errors[0] + errors[1]}


def _two_inputs(slope: float, tau: float, n: int, score_bound: float) -> float:
    """Gap on two opposite inputs with different labels, from a symmetric start and from a tilted one."""
    x, p = np.array([[[1.0, 0.0], [-1.0, 0.0]]]), np.eye(n)[None, :2]
    scorers = _linear(x, slope, score_bound - slope)
    first = np.zeros((2, n, PLANE + 1))
    first[:, 0, 0], first[:, 1, 0], first[1, :, 1:] = 0.1, -0.1, 0.1 * np.cos(np.arange(2 * n)).reshape(n, 2)
    common = least_risk(Risks(scorers, np.full((1, 2), 0.5), p, tau), first.reshape(1, 2, -1))["value"]
    single = _linear(x.transpose(1, 0, 2), slope, score_bound - slope)
    alone = least_risk(
        Risks(single, np.ones((2, 1)), p.transpose(1, 0, 2), tau),
        np.broadcast_to(first.reshape(2, -1), (2, 2, first[0].size)),
    )["value"]
    return float(common[0] - alone.mean())


@lru_cache(maxsize=256)
def _slope_of(gap: float, n: int, score_bound: float) -> float:
    return float(brentq(lambda w: _two_inputs(w, 0.0, n, score_bound) - gap, 0.0, score_bound, xtol=1e-9))


def two_input_instance(gap: Array, *, n: int, tau: float, score_bound: float, **_: float) -> Array:
    """Gaps at tau on two opposite inputs with different labels, the bounds such that those at tau = 0 are `gap`."""
    bound = float(score_bound)
    slopes = [_slope_of(float(g), int(n), bound) for g in gap]
    return np.array([_two_inputs(slope, float(tau), int(n), bound) for slope in slopes])
