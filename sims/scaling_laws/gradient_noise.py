r"""One step of SGD, many times over: on a quadratic with Gaussian gradients, and on power-law random features.

The quadratic has H = diag(1/i), gradients of single examples N(G, Sigma) with G = (1, ..., 1) and
Sigma = sigma^2 diag(1 + i/10), i = 1..P. The random features are those of `power_law_features`: inputs with standard
deviations j^-alpha, target coefficients j^-beta, features W^T x; the step starts from zero weights, where
L = E(<W^T x, theta> - <x, b>)^2 / 2. What a step gains is exact given the gradient of the batch: no test set is drawn.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

BACKENDS = ("numpy", "numba", "cupy")


def _quadratic_cost(*, P: float, **_: object) -> Cost:
    return Cost(flops=10.0 * P, bytes=8.0 * (2.1 * P + 4.0), draws=P, moved=24.0 * 6.0 * P)


def _pair_cost(*, P: float, **_: object) -> Cost:
    return Cost(flops=12.0 * P, bytes=8.0 * (3.0 * P + 4.0), draws=2.0 * P, moved=24.0 * 8.0 * P)


def _features_cost(*, d: float, ratio: float, B: float, **_: object) -> Cost:
    v = ratio * d
    products = 2.0 * v * d * d + 6.0 * B * v + 8.0 * v * d
    numbers = 3.0 * v * d + 2.0 * d * d + 3.0 * B * v
    held = v * d + B * v + max(v * d, B * v) + d * d
    return Cost(products, 8.0 * held, draws=v * d + B * v, moved=24.0 * numbers, products=products, order=d)


def _noisy(trials: int, rng: Stream, P: int, B: float, sigma: float) -> Any:
    """Gradients of batches, float64[trials, P]."""
    normal = rng.normal(trials, P)
    scale = sigma * np.sqrt((1.0 + np.arange(1.0, P + 1.0) / 10.0) / B)
    return 1.0 + namespace(normal).asarray(scale) * normal


@simulation(backends=BACKENDS, cost=_quadratic_cost)
def quadratic_step(trials: int, rng: Stream, *, P: int, B: int, sigma: float, eta: float) -> dict[str, Any]:
    """A step of learning rate eta.

    Returns
    -------
    share : float64[trials]
        Decrease of the loss over eta |G|^2.
    slope : float64[trials]
        Minus the derivative of the decrease in the learning rate, over |G|^2: negative below the best one.
    """
    gradient = _noisy(trials, rng, P, B, sigma)
    xp = namespace(gradient)
    curvature = xp.asarray(1.0 / np.arange(1.0, P + 1.0))
    along = xp.sum(gradient, axis=1)
    bent = xp.sum(curvature * gradient * gradient, axis=1)
    return {"share": (along - 0.5 * eta * bent) / P, "slope": (eta * bent - along) / P}


@simulation(backends=BACKENDS, cost=_pair_cost)
def two_batches(trials: int, rng: Stream, *, P: int, sigma: float, small: int, large: int) -> dict[str, Any]:
    """Estimates from the gradients of a small and a large batch.

    Returns
    -------
    norm, trace : float64[trials]
        Of |G|^2 and of tr Sigma.
    plain : float64[trials]
        Squared norm of the large batch's gradient.
    """
    norms = []
    for size in (small, large):
        gradient = _noisy(trials, rng, P, size, sigma)
        norms.append(namespace(gradient).sum(gradient * gradient, axis=1))
    return {
        "norm": (large * norms[1] - small * norms[0]) / (large - small),
        "trace": (norms[0] - norms[1]) / (1.0 / small - 1.0 / large),
        "plain": norms[1],
    }


@simulation(backends=BACKENDS, cost=_features_cost)
def feature_step(
    trials: int, rng: Stream, *, d: int, ratio: int, alpha: float, beta: float, B: int, eta: float
) -> dict[str, Any]:
    """A step on a batch of B inputs, with features drawn for each trial; v = ratio * d inputs coordinates.

    Returns
    -------
    decrease : float64[trials]
        Of the loss.
    G2, GHG, HS : float64[trials]
        |G|^2, G^T H G and tr(H Sigma) of the loss at the features drawn.
    """
    v = ratio * d
    features = rng.normal(trials, v, d)
    inputs = rng.normal(trials, B, v)
    xp = namespace(features)
    index = np.arange(1.0, v + 1.0)
    features = features * xp.asarray(index**-alpha / math.sqrt(d))[:, None]
    residual = xp.asarray(-(index ** -(alpha + beta)))
    # Gradients at zero weights: of the loss, and of the batch.
    mean = xp.sum(features * residual[:, None], axis=1)
    errors = xp.sum(inputs * residual, axis=2)
    seen = xp.sum(inputs * errors[:, :, None], axis=1) / B
    drawn = xp.sum(features * seen[:, :, None], axis=1)
    hessian = xp.matrix_transpose(features) @ features

    def bent(vector: Any) -> Any:
        return xp.sum(vector * xp.sum(hessian * vector[:, None, :], axis=2), axis=1)

    curved = bent(mean)
    # A gradient is a product of jointly Gaussian numbers: its covariance is |residual|^2 H + G G^T.
    spread = xp.sum(residual * residual) * xp.sum(hessian * hessian, axis=(1, 2)) + curved
    return {
        "decrease": eta * xp.sum(drawn * mean, axis=1) - 0.5 * eta * eta * bent(drawn),
        "G2": xp.sum(mean * mean, axis=1),
        "GHG": curved,
        "HS": spread,
    }
