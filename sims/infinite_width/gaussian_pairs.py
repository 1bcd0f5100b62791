r"""Products of activations over pairs of correlated Gaussians.

A trial is the mean of f(u) f(v) over `pairs` draws of $u = \sqrt a\, z$, $v = \sqrt b\,(z\cos\theta + w\sin\theta)$
with standard normal z and w. Cost: 2 random numbers and two evaluations of f for each draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation


def _cube(z: Any) -> Any:
    return (z * z - 3.0) * z / math.sqrt(6.0)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "heaviside": lambda z: (z > 0).astype(float),
    "relu": lambda z: np.maximum(z, 0.0),
    "relu_squared": lambda z: np.maximum(z, 0.0) ** 2,
    "erf": special.erf,
    "erf_slope": lambda z: 2.0 / math.sqrt(math.pi) * np.exp(-z * z),
    "bump": lambda z: np.exp(-z * z),
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "square": lambda z: z * z,
    "hermite_2": lambda z: (z * z - 1.0) / math.sqrt(2.0),
    "hermite_3": _cube,
}


def _cost(*, pairs: int = 256, **_: object) -> Cost:
    return Cost(flops=60.0 * pairs, bytes=8.0 * 7.0 * pairs, draws=2.0 * pairs, moved=150.0 * pairs)


@simulation(backends=("numpy", "numba"), cost=_cost)
def products(
    trials: int, rng: Stream, *, formula: str, a: float, b: float, theta: float, pairs: int = 256
) -> np.ndarray:
    """Mean of f(u) f(v) over `pairs` pairs, float64[trials].

    Parameters
    ----------
    formula
        Which f, of `FUNCTIONS`.
    a, b, theta
        Variances of u and v, and the angle whose cosine is their correlation.
    """
    function = FUNCTIONS[formula]
    z = rng.normal(trials, 2, pairs)
    u = math.sqrt(a) * z[:, 0]
    v = math.sqrt(b) * (math.cos(theta) * z[:, 0] + math.sin(theta) * z[:, 1])
    mean: np.ndarray = np.mean(function(u) * function(v), axis=1)
    return mean


def _sphere_cost(*, d: int, points: int = 256, **_: object) -> Cost:
    return Cost(flops=(2.0 * d + 300.0) * points, bytes=8.0 * (d + 8.0) * points, draws=float(d * points))


@simulation(backends=("numpy", "numba"), cost=_sphere_cost)
def harmonic_components(
    trials: int, rng: Stream, *, d: int, k: int, kernel: str, D: int = 1, points: int = 256
) -> np.ndarray:
    """f(x.x') P_k(x.x') at uniform points of the sphere of R^d, mean over `points` of them, float64[trials].

    By rotation x' may stay where it is: t = x.x' is a coordinate of x. P_k is the zonal harmonic of degree k with
    P_k(1) = 1, so that the mean is the eigenvalue of f.
    """
    z = rng.normal(trials, points, d)
    t = np.clip(z[..., 0] / np.sqrt(np.sum(z * z, axis=-1)), -1.0, 1.0)
    value = _kernel(kernel, D, t) * _zonal(d, k, t)
    mean: np.ndarray = np.mean(value, axis=1)
    return mean


def _zonal(d: int, k: int, t: np.ndarray) -> np.ndarray:
    if d == 2:
        return np.asarray(np.cos(k * np.arccos(t)))
    return np.asarray(special.eval_gegenbauer(k, d / 2 - 1, t) / special.eval_gegenbauer(k, d / 2 - 1, 1.0))


def _kernel(kernel: str, depth: int, t: np.ndarray) -> np.ndarray:
    if kernel == "exponential":
        return np.exp(t - 1.0)
    angle = np.arccos(t)
    active = 1.0 - angle / np.pi
    if kernel == "heaviside":
        return active
    if kernel == "ntk_squared":
        first = np.sin(angle) + (np.pi - angle) * t
        second = 3.0 * np.sin(angle) * t + (np.pi - angle) * (1.0 + 2.0 * t * t)
        return np.asarray((second + 4.0 * t * first) / (2.0 * np.pi))
    similarity, tangent = t, t
    for _ in range(depth):
        angle = np.arccos(np.clip(similarity, -1.0, 1.0))
        active = 1.0 - angle / np.pi
        similarity = (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
        tangent = similarity + tangent * active
    return tangent if kernel == "ntk" else similarity
