r"""Conditional risks at random label distributions, minimised numerically over the scores.

A trial draws a label distribution p (Dirichlet of concentration 10^U(-1, 1)) and minimises
$\sum_y p_y \Phi^\tau(1/s_y - 1)$ over scores $h \in R^n$, $s = \mathrm{softmax}(h)$; see `score_minimisation`. Cost:
about 20 Newton steps from 3 starts, each with an eigenvalue decomposition of size n; 3 + n starts and 40 steps from
$\tau = 2$ on.
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
    starts,
    waits,
)
from theorylab.simulation import Cost, Samples, simulation


def _cost(n: int, tau: float, tied: bool = False) -> Cost:
    tries = [count_starts(n, tau, kind) for kind in (False, True)[: 1 + tied]]
    cost = minimum_cost(sum(tries), n, tau)
    return replace(
        cost,
        flops=cost.flops + n * QUANTILE,
        # The two problems are solved one after the other.
        bytes=minimum_cost(max(tries), n, tau).bytes + 8.0 * (4.0 * n + 8.0),
        draws=cost.draws + n + 2.0,
    )


def _zero_one_cost(*, n: int) -> Cost:
    return Cost(flops=n * QUANTILE, bytes=8.0 * (15.0 + 3.5 * n), draws=2.0 * n + 2.0, moved=24.0 * 6.0 * n)


def _gradient_cost(*, n: int, **_: object) -> Cost:
    # Exponentials of complex numbers at 24 nodes for each score, and of n x n scores: each worth some 60 operations.
    return Cost(flops=60.0 * (24.0 * n + n**2), bytes=16.0 * (2.25 * 24.0 * n + n**2), draws=n + 1.0)


def _minimum(p: np.ndarray, rng: Stream, tau: float, label: np.ndarray | None = None) -> Samples:
    trials, n = p.shape
    tied = label is not None
    noise = rng.normal(trials, count_starts(n, tau, tied), n)
    return minimise(Problems(p, tau, label), starts(noise, tau, tied))


def _regret(p: np.ndarray, rng: Stream, tau: float, label: np.ndarray) -> Samples:
    """Least risk when `label` has the largest score, less the least risk of all."""
    tied, free = _minimum(p, rng, tau, label), _minimum(p, rng, tau)
    return {"value": tied["value"] - free["value"], "residual": np.maximum(tied["residual"], free["residual"])}


@simulation(cost=lambda n, tau, **_: _cost(n, tau))
def score_minimum(trials: int, rng: Stream, *, n: int, tau: float) -> Samples:
    """Infimum over the scores at random label distributions.

    Returns
    -------
    dict
        value : float[trials], least risk; p : float[trials, n], in decreasing order; softmax : float[trials, n] at
        the minimum; residual : float[trials], half the Newton decrement.
    """
    p = np.sort(dirichlet(trials, rng, n), axis=1)[:, ::-1]
    return {**_minimum(p, rng, tau), "p": p}


@simulation(cost=lambda n, tau, **_: _cost(n, tau))
def label_noise_minimum(trials: int, rng: Stream, *, n: int, tau: float, q: float) -> Samples:
    """Infimum at p = (q, (1-q)/(n-1), ...) from random starts: value and residual, float[trials]."""
    p = np.full((trials, n), (1.0 - q) / (n - 1.0))
    p[:, 0] = q
    return _minimum(p, rng, tau)


@simulation(cost=lambda n, tau, **_: _cost(n, tau, tied=True))
def tied_minimum(trials: int, rng: Stream, *, n: int, tau: float) -> Samples:
    """Least regret of predicting a random class at random label distributions.

    The infimum over scores of which the class has the largest, less the infimum over all scores.

    Returns
    -------
    dict
        value : float[trials]; p : float[trials, n]; label : int[trials]; residual : float[trials].
    """
    p = dirichlet(trials, rng, n)
    label = (rng.uniform(trials) * n).astype(int)
    return {**_regret(p, rng, tau, label), "p": p, "label": label}


@simulation(cost=lambda tau, **_: _cost(2, tau, tied=True))
def two_class_minimum(trials: int, rng: Stream, *, tau: float, beta: float) -> Samples:
    """Least regret of predicting the less likely of two classes, p = ((1+beta)/2, (1-beta)/2): value and residual."""
    p = np.tile([(1.0 + beta) / 2.0, (1.0 - beta) / 2.0], (trials, 1))
    return _regret(p, rng, tau, np.ones(trials, dtype=int))


@simulation(cost=_zero_one_cost)
def zero_one_losses(trials: int, rng: Stream, *, n: int) -> Samples:
    """Zero-one loss of random scores on one drawn label, less that of the most likely class.

    Returns
    -------
    dict
        value : float[trials] in {-1, 0, 1}; p : float[trials, n]; label : int[trials], the prediction (the largest
        index among equal scores).
    """
    p = dirichlet(trials, rng, n)
    scores = rng.normal(trials, n)
    label = n - 1 - np.argmax(scores[:, ::-1], axis=1)
    drawn = np.minimum((np.cumsum(p, axis=1) < rng.uniform(trials, 1)).sum(axis=1), n - 1)
    return {"value": (drawn != label).astype(float) - (drawn != p.argmax(axis=1)), "p": p, "label": label}


@simulation(cost=_gradient_cost)
def gradient_ratios(trials: int, rng: Stream, *, n: int, tau: float) -> Samples:
    """Gradient norm of the loss of a random label over that of cross-entropy, by complex-step differentiation.

    The loss is taken from its definition, the integral of (1 + u)^-tau from 0 to S, by Gauss-Legendre quadrature in
    log(1 + u); S = sum of exp(h_y' - h_y).

    Returns
    -------
    dict
        value : float[trials], the ratio; s : float[trials], softmax probability of the label; gradient, softmax :
        float[trials, n], the label's component first.
    """
    step = 1e-30
    nodes, weights = np.polynomial.legendre.leggauss(24)
    h = 2.0 * rng.normal(trials, n)
    label = (rng.uniform(trials) * n).astype(int)
    moved = h[:, None, :] + 1j * step * np.eye(n)
    moved -= np.take_along_axis(moved, np.broadcast_to(label[:, None, None], (trials, n, 1)), axis=2)
    length = np.log(np.exp(moved).sum(axis=2))
    slopes = np.exp((1.0 - tau) * length[..., None] * (nodes + 1.0) / 2.0)
    loss = length / 2.0 * (slopes * weights).sum(axis=2)
    gradient, reference = loss.imag / step, length.imag / step
    ratio = np.linalg.norm(gradient, axis=1) / np.linalg.norm(reference, axis=1)
    order = np.argsort(np.arange(n) != label[:, None], axis=1, kind="stable")
    gradient, softmax = (np.take_along_axis(x, order, axis=1) for x in (gradient, np.exp(-waits(h))))
    return {"value": ratio, "s": softmax[:, 0], "gradient": gradient, "softmax": softmax}
