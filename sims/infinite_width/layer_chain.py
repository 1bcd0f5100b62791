r"""Random networks seen through one input or two: layer by layer, without weight matrices.

Given the activations of a layer, the preactivations of the next are independent normals, one for each unit, with the
same covariance of inputs, $g^{l+1}_{ab} = C_b + \frac{C_W}{n_l} \sum_j \phi(z^l_{j;a}) \phi(z^l_{j;b})$. So these
matrices are a Markov chain, and a network of width n and depth L costs O(n L) instead of O(n^2 L), with exactly the law
of the network at any width. The first covariance is given. A trial holds two independent networks where a variance is
asked for, of which half of the squared difference is an unbiased estimate.

Cost of a network: a normal number and an activation for each unit and input.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

BACKENDS = ("numpy", "numba", "cupy")
# Operations of an activation, as `Cost` counts them.
OPERATIONS = {"linear": 1.0, "relu": 1.0, "tanh": 20.0, "sin": 20.0, "erf": 40.0, "gelu": 40.0, "swish": 20.0}


def activated(h: Any, activation: str) -> Any:
    """phi(h)."""
    xp = namespace(h)
    if activation == "linear":
        return h
    if activation == "relu":
        return xp.where(h > 0, h, 0.0)
    if activation == "swish":
        # As a hyperbolic tangent, which does not overflow.
        return 0.5 * h * (1.0 + xp.tanh(0.5 * h))
    if activation in ("erf", "gelu"):
        return _erf(h) if activation == "erf" else 0.5 * h * (1.0 + _erf(h / math.sqrt(2.0)))
    return {"tanh": xp.tanh, "sin": xp.sin}[activation](h)


def _erf(h: Any) -> Any:
    """The error function is not in the array standard."""
    if type(h).__module__.partition(".")[0] == "cupy":
        return importlib.import_module("cupyx.scipy.special").erf(h)
    from scipy.special import erf

    return namespace(h).asarray(erf(np.asarray(h)))


def chain(
    rng: Stream, g: Any, widths: Sequence[int], activation: str, weight_variance: float, bias_variance: float
) -> Any:
    """Variance of the preactivations after so many hidden layers, from that of the first, [trials, networks]."""
    xp = namespace(g)
    for n in widths:
        s = activated(xp.sqrt(g)[..., None] * rng.normal(*g.shape, n), activation)
        g = bias_variance + (weight_variance / n) * xp.sum(s * s, axis=-1)
    return g


def _start(trials: int, rng: Stream, networks: int, value: float) -> Any:
    """An array [trials, networks] of one value, where the numbers of the stream live."""
    return 0.0 * rng.uniform(trials, networks) + value


def _cost(n: int, depth: float, networks: float = 1.0, activation: str = "relu", arrays: float = 3.0) -> Cost:
    """Of a trial that holds so many arrays of a layer at a time."""
    units = n * depth * networks
    return Cost(
        flops=(4.0 + OPERATIONS[activation]) * units,
        bytes=8.0 * networks * (arrays * n + 8.0),
        draws=units,
        moved=64.0 * units,
    )


@simulation(backends=BACKENDS, cost=lambda n, depth, **_: _cost(n, depth, arrays=5.0))
def scale_invariant(
    trials: int,
    rng: Stream,
    *,
    n: int,
    depth: int,
    a_plus: float,
    a_minus: float,
    C_W: float,
    K: float,
    m: int,
) -> dict[str, Any]:
    """Powers of the variance of the output's preactivation, for phi = a_plus z above 0 and a_minus z below.

    Parameters
    ----------
    trials, rng
        Networks and their random numbers.
    n, depth
        Width and number of hidden layers.
    a_plus, a_minus
        Slopes.
    C_W, K
        n times the variance of a weight, and the variance of the first preactivations. No biases.
    m
        Power.

    Returns
    -------
    dict
        "moment", g^m, and "growth", g/K - 1, [trials].
    """
    return _powers(trials, rng, (n,) * depth, a_plus, a_minus, C_W, K, m)


@simulation(backends=BACKENDS, cost=lambda n1, n2, n3, **_: _cost(max(n1, n2, n3), 3, arrays=5.0))
def scale_invariant_unequal(
    trials: int,
    rng: Stream,
    *,
    n1: int,
    n2: int,
    n3: int,
    a_plus: float,
    a_minus: float,
    C_W: float,
    K: float,
) -> dict[str, Any]:
    """As `scale_invariant` with three hidden layers of widths n1, n2, n3, and m = 2."""
    return _powers(trials, rng, (n1, n2, n3), a_plus, a_minus, C_W, K, 2)


def _powers(
    trials: int, rng: Stream, widths: Sequence[int], a_plus: float, a_minus: float, C_W: float, K: float, m: int
) -> dict[str, Any]:
    g = _start(trials, rng, 1, K)[:, 0]
    xp = namespace(g)
    for n in widths:
        h = rng.normal(trials, n)
        # Homogeneous: the size of the layer below is a factor.
        s = xp.where(h > 0, a_plus * h, a_minus * h)
        g = g * (C_W / n) * xp.sum(s * s, axis=1)
    return {"moment": g**m, "growth": g / K - 1.0}


@simulation(backends=BACKENDS, cost=lambda n, depth, **_: _cost(n, depth, 2.0))
def log_norm(trials: int, rng: Stream, *, n: int, depth: int, activation: str, C_W: float, K: float) -> dict[str, Any]:
    """Logarithm of g/K, g the variance of the output's preactivation, in two networks where neither has a dead layer.

    Parameters
    ----------
    trials, rng
        Pairs of networks and their random numbers.
    n, depth
        Width and number of hidden layers.
    activation
        "relu" or "linear", without biases.
    C_W, K
        n times the variance of a weight, and the variance of the first preactivations.

    Returns
    -------
    dict
        "mean" and "variance" of the pair, 0 where one of the two is dead; "alive", 1 where neither is; "survives", 1
        where the first is not; "log", of the first (of the second where the first is dead), [trials].
    """
    g = chain(rng, _start(trials, rng, 2, K), (n,) * depth, activation, C_W, 0.0)
    xp = namespace(g)
    living = g > 0
    alive = xp.astype(living[:, 0] & living[:, 1], g.dtype)
    x = xp.log(xp.where(living, g, 1.0)) - math.log(K)
    return {
        "mean": alive * 0.5 * (x[:, 0] + x[:, 1]),
        "variance": alive * 0.5 * (x[:, 0] - x[:, 1]) ** 2,
        "alive": alive,
        "survives": xp.astype(living[:, 0], g.dtype),
        "log": xp.where(living[:, 0], x[:, 0], x[:, 1]),
    }


@simulation(backends=BACKENDS, cost=lambda n, r, **_: _cost(n, max(1, round(r * n)), 2.0))
def log_norm_at_ratio(
    trials: int, rng: Stream, *, n: int, r: float, activation: str, C_W: float, K: float
) -> dict[str, Any]:
    """ "moments", float[trials, 2]: "mean" and "variance" of `log_norm` at depth r n."""
    found = log_norm.function(trials, rng, n=n, depth=max(1, round(r * n)), activation=activation, C_W=C_W, K=K)
    return {"moments": namespace(found["mean"]).stack([found["mean"], found["variance"]], axis=-1)}


@simulation(backends=BACKENDS, cost=lambda n, depth, activation, **_: _cost(n, depth, 2.0, activation))
def vertex(
    trials: int,
    rng: Stream,
    *,
    n: int,
    depth: int,
    activation: str,
    C_W: float,
    C_b: float,
    K: float,
) -> dict[str, Any]:
    """Width times the variance of the conditional variance g, and times g itself.

    Parameters
    ----------
    trials, rng
        Pairs of networks and their random numbers.
    n, depth
        Width and number of hidden layers.
    activation
        "linear", "relu", "tanh", "sin", "erf", "gelu" or "swish".
    C_W, C_b, K
        n times the variance of a weight, the variance of a bias, and that of the first preactivations.

    Returns
    -------
    dict
        "vertex", n (g - g')^2/2; "metric", n (g + g')/2; "g", of the first network, [trials].
    """
    return _pair(rng, _start(trials, rng, 2, K), (n,) * depth, activation, C_W, C_b)


@simulation(
    backends=BACKENDS,
    cost=lambda n, second, third, activation, **_: _cost(max(1, second, third) * n, 3, 2.0, activation),
)
def vertex_unequal(
    trials: int,
    rng: Stream,
    *,
    n: int,
    second: int,
    third: int,
    activation: str,
    C_W: float,
    C_b: float,
    K: float,
) -> dict[str, Any]:
    """As `vertex` with three hidden layers of widths n, second n and third n; times the width of the last."""
    return _pair(rng, _start(trials, rng, 2, K), (n, second * n, third * n), activation, C_W, C_b)


def _pair(rng: Stream, g: Any, widths: Sequence[int], activation: str, C_W: float, C_b: float) -> dict[str, Any]:
    g = chain(rng, g, widths, activation, C_W, C_b)
    n = widths[-1]
    return {
        "vertex": 0.5 * n * (g[:, 0] - g[:, 1]) ** 2,
        "metric": 0.5 * n * (g[:, 0] + g[:, 1]),
        "g": g[:, 0],
    }


@simulation(backends=BACKENDS, cost=lambda n, depth, activation, **_: _two_cost(n, depth, activation))
def two_inputs(
    trials: int,
    rng: Stream,
    *,
    n: int,
    depth: int,
    activation: str,
    C_W: float,
    C_b: float,
    K11: float,
    K12: float,
    K22: float,
) -> dict[str, Any]:
    """Covariances of the conditional covariances of two inputs, and how their differences grow.

    Parameters
    ----------
    trials, rng
        Pairs of networks and their random numbers.
    n, depth, activation, C_W, C_b
        As of `vertex`.
    K11, K12, K22
        Covariances of the first preactivations of the two inputs.

    Returns
    -------
    dict
        "vertex", float[trials, 6], unbiased estimates of n times the covariances of g_11, g_12 and g_22 in the order
        (11)(11), (11)(12), (11)(22), (12)(12), (12)(22), (22)(22); "distance", g_11 + g_22 - 2 g_12 in proportion to
        its value in the first layer, and "norm", the same of g_11 - g_22, means of the two networks, [trials].
    """
    first = _start(trials, rng, 2, 0.0)
    xp = namespace(first)
    g11, gap, g22 = first + K11, first + (K11 + K22 - 2.0 * K12), first + K22
    for _ in range(depth):
        x, y = rng.normal(trials, 2, n), rng.normal(trials, 2, n)
        # The second input as the first and a difference, whose digits are kept: Cov(u, v - u) = g12 - g11.
        across = 0.5 * (g22 - g11 - gap)
        rest = xp.sqrt(gap - across * across / g11)
        u = xp.sqrt(g11)[..., None] * x
        d = (across / xp.sqrt(g11))[..., None] * x + rest[..., None] * y
        s, t = activated(u, activation), activated(u + d, activation)
        g11, gap, g22 = (
            offset + (C_W / n) * xp.sum(p * p, axis=-1) for offset, p in ((C_b, s), (0.0, t - s), (C_b, t))
        )
    flat = (g11, 0.5 * (g11 + g22 - gap), g22)
    change = [q[:, 0] - q[:, 1] for q in flat]
    pairs = [0.5 * n * change[i] * change[j] for i in range(3) for j in range(i, 3)]
    return {
        "vertex": xp.stack(pairs, axis=-1),
        "distance": xp.mean(gap, axis=1) / (K11 + K22 - 2.0 * K12),
        "norm": xp.mean(g11 - g22, axis=1) / (K11 - K22) if K11 != K22 else 0.0 * g11[:, 0],
    }


def _two_cost(n: int, depth: int, activation: str) -> Cost:
    units = 4.0 * n * depth
    return Cost(
        flops=(12.0 + OPERATIONS[activation]) * units,
        bytes=8.0 * 2.0 * (9.0 * n + 24.0),
        draws=units,
        moved=120.0 * units,
    )
