r"""Empirical kernels of random fully-connected networks, initialised and differentiated, not trained.

L weight layers, $z^{(l)} = b^{(l)} + W^{(l)} \phi(z^{(l-1)})$, Var W = C_W/fan-in, Var b = C_b, n units in every hidden
layer, two-dimensional inputs of squared norm 2. The tangent kernel of an output is
$\sum_l (\lambda_b + \lambda_W\, s^{(l-1)} \cdot s'^{(l-1)}/n_{l-1})\, \delta^{(l)} \cdot \delta'^{(l)}$ with $\delta$
the gradients by preactivations. It is averaged over `outputs` outputs and over four rotations of the inputs, which
leave the law of the network as it is.

Cost of a trial: (L - 2) n^2 random numbers and twice as many products for each of 8 inputs, forth, and `outputs` times
as many back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from theorylab.kernels import ntk
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

ROTATIONS = 4
Pair = tuple[Callable[[Any], Any], Callable[[Any], Any]]
ROOT = math.sqrt(2.0 * math.pi)
ACTIVATIONS: dict[str, Pair] = {
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0).astype(float)),
    "leaky": (lambda z: np.where(z > 0, z, 0.1 * z), lambda z: np.where(z > 0, 1.0, 0.1)),
    "erf": (special.erf, lambda z: 2.0 / math.sqrt(math.pi) * np.exp(-z * z)),
    "tanh": (np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
    "sin": (np.sin, np.cos),
    "gelu": (lambda z: z * special.ndtr(z), lambda z: special.ndtr(z) + z * np.exp(-z * z / 2) / ROOT),
    "linear": (lambda z: z, np.ones_like),
}


def _cost(*, n: int, L: int, outputs: int = 8, **_: object) -> Cost:
    inputs = 2 * ROTATIONS
    inner = max(0, L - 2) * n * n + (outputs + 3) * n
    signals = inputs * n * (2.0 * L + 3.0 * outputs)
    return Cost(
        flops=2.0 * inputs * inner * (1 + outputs) + 30.0 * signals,
        bytes=8.0 * (inner + 1.5 * n * n + signals),
        draws=float(inner + L * n),
        moved=24.0 * signals,
        products=2.0 * inputs * inner * (1 + outputs),
        order=float(n),
    )


@simulation(backends=("numpy", "numba"), cost=_cost)
def empirical_kernels(
    trials: int,
    rng: Stream,
    *,
    n: int,
    L: int,
    theta: float,
    activation: str,
    C_W: float,
    C_b: float,
    lambda_W: float = 1.0,
    lambda_b: float = 1.0,
    outputs: int = 8,
) -> dict[str, np.ndarray]:
    """Empirical kernels between two inputs at an angle.

    Returns
    -------
    nngp, ntk : float64[trials]
        Covariance of the outputs given the hidden layers, and the tangent kernel.
    """
    function, slope = ACTIVATIONS[activation]
    x = _inputs(theta)
    widths = [2, *[n] * (L - 1), outputs]
    weights, signals, slopes = [], [np.broadcast_to(x, (trials, *x.shape))], []
    for layer in range(1, L + 1):
        w = math.sqrt(C_W / widths[layer - 1]) * rng.normal(trials, widths[layer], widths[layer - 1])
        bias = math.sqrt(C_b) * rng.normal(trials, widths[layer], 1)
        weights.append(w)
        if layer < L:
            z = w @ signals[-1] + bias
            signals.append(function(z))
            slopes.append(slope(z))
    last = signals[-1]
    nngp = C_b + C_W * _overlap(last) / widths[-2]
    # Gradients of every output by the preactivations of a layer: [trials, outputs, units, inputs], from the top.
    gradient: np.ndarray | None = None
    ntk_sum = lambda_b + lambda_W * _overlap(last) / widths[-2]
    for layer in range(L - 1, 0, -1):
        w = weights[layer]
        if gradient is None:
            gradient = w[:, :, :, None] * slopes[layer - 1][:, None]
        else:
            gradient = (w.transpose(0, 2, 1)[:, None] @ gradient) * slopes[layer - 1][:, None]
        below = lambda_b + lambda_W * _overlap(signals[layer - 1]) / widths[layer - 1]
        ntk_sum = ntk_sum + below * np.mean(_overlap(gradient), axis=1)
    return {"nngp": np.mean(nngp, axis=1), "ntk": np.mean(ntk_sum, axis=1)}


def _inputs(theta: float) -> np.ndarray:
    """Columns: the first inputs of each rotation, then the second ones."""
    start = 2.0 * math.pi * np.arange(ROTATIONS) / ROTATIONS
    angles = np.concatenate([start, start + theta])
    return math.sqrt(2.0) * np.stack([np.cos(angles), np.sin(angles)])


def _overlap(signals: np.ndarray) -> np.ndarray:
    """Inner products over units of each first input with its second."""
    product: np.ndarray = np.sum(signals[..., :ROTATIONS] * signals[..., ROTATIONS:], axis=-2)
    return product


def _one_layer_cost(*, n: int, **_: object) -> Cost:
    # One draw at a time: what a trial holds is its kernel.
    return Cost(flops=40.0 * n, bytes=40.0, draws=3.0 * n, moved=200.0 * n)


@simulation(backends=("numpy", "numba"), cost=_one_layer_cost)
def one_hidden_layer(trials: int, rng: Stream, *, n: int, theta: float) -> np.ndarray:
    """Tangent kernel of n^(-1/2) sum_i a_i relu(w_i.x) between unit inputs at an angle, float64[trials]."""
    x = np.array([[1.0, 0.0], [math.cos(theta), math.sin(theta)]])
    found: np.ndarray = ntk.draws(trials, rng, x, n)[:, 0, 1]
    return found


def _law_cost(*, n: int, L: int, **_: object) -> Cost:
    return Cost(flops=120.0 * n * L, bytes=8.0 * 8.0 * n, draws=2.0 * n * (L - 1), moved=150.0 * n * L)


@simulation(backends=("numpy", "numba"), cost=_law_cost)
def covariance_chain(
    trials: int, rng: Stream, *, n: int, L: int, theta: float, activation: str, C_W: float, C_b: float
) -> np.ndarray:
    """Covariance of the outputs given the hidden layers, float64[trials], layer by layer at a cost of n each.

    Given the layer below, the preactivations of the n units are independent Gaussians whose covariance is that layer's
    empirical kernel: networks need not be drawn entry by entry.
    """
    function, _ = ACTIVATIONS[activation]
    a = b = np.full(trials, C_b + C_W)
    c = np.full(trials, C_b + C_W * math.cos(theta))
    for _ in range(L - 1):
        z = rng.normal(trials, 2, n)
        root = np.sqrt(a)[:, None]
        tilt = c[:, None] / root
        u = root * z[:, 0]
        v = tilt * z[:, 0] + np.sqrt(np.maximum(b[:, None] - tilt**2, 0.0)) * z[:, 1]
        u, v = function(u), function(v)
        a, b, c = (C_b + C_W * np.mean(s, axis=1) for s in (u * u, v * v, u * v))
    return np.asarray(c)
