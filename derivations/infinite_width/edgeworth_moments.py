r"""Moments and cumulants of a wide layer read out at random, for any activation.

With $X = v\,\phi(h)$, $m_{2j} = E v^{2j}\, E\phi(h)^{2j}$, the output $f = \sigma_b b + N^{-1/2} \sum_i X_i$ has the
cumulants $\kappa_{2j}(f) = N^{1-j} \kappa_{2j}(X)$ (and $\sigma_b^2$ more for $j = 1$), odd ones vanish. Averages over
$h \sim N(0, q)$ are sums over Gauss-Legendre panels that shrink towards $h = 0$, where activations have their kinks and
steep ones their slope. Their error is the difference to panels with fewer nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from theorylab.derivations.infinite_width.activations import activation as known
from theorylab.errors import UnknownNameError
from theorylab.prediction import Value

Function = Callable[[np.ndarray], np.ndarray]

ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sin": "sin", "sign": "sign(z)"}
WEIGHTS = ("normal", "uniform", "rademacher")
# Nodes of a panel, fine and coarse.
NODES = (16, 11)
# Ends of the panels in standard deviations: graded towards 0, and as fine everywhere for integrands that oscillate.
GRADED = np.concatenate([[0.0], 2.0 ** np.arange(-44.0, 0.0), np.arange(1.0, 14.0)])
EVEN = np.arange(0.0, 9.01, 0.0625)


@lru_cache
def gaussian_nodes(fine: bool = True, even: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of averages over a standard normal variable, float64[k] each; symmetric about 0."""
    x, w = np.polynomial.legendre.leggauss(NODES[0] if fine else NODES[1])
    edges = EVEN if even else GRADED
    low, width = edges[:-1, None], np.diff(edges)[:, None]
    z = (low + width * (x + 1.0) / 2.0).ravel()
    weight = (width * w / 2.0).ravel() * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return np.concatenate([-z[::-1], z]), np.concatenate([weight[::-1], weight])


@lru_cache
def function(name: str) -> Function:
    """An activation by name."""
    if name not in ACTIVATIONS:
        raise UnknownNameError("activation", name, list(ACTIVATIONS))
    return known(ACTIVATIONS[name])


@lru_cache(256)
def activity(name: str, q: float, power: int) -> Value:
    r"""$E \phi(h)^{power}$, $h \sim N(0, q)$, and its error."""
    phi = function(name)
    fine, coarse = (float(w @ phi(math.sqrt(q) * z) ** power) for z, w in map(gaussian_nodes, (True, False)))
    return Value(np.asarray(fine), np.asarray(abs(fine - coarse) + 1e-14 * abs(fine)))


def weight_moment(weights: str, power: int) -> float:
    """E v^power at E v^2 = 1, even power."""
    if weights == "normal":
        return float(math.prod(range(1, power, 2)))
    return 3.0 ** (power // 2) / (power + 1.0) if weights == "uniform" else 1.0


def site_cumulants(name: str, weights: str, q: float, s: float) -> tuple[np.ndarray, np.ndarray]:
    """Cumulants 2, 4, 6 and 8 of X = v phi(h), and their errors, float64[4] each."""
    moments = [activity(name, q, p) for p in (2, 4, 6, 8)]
    scale = [weight_moment(weights, p) * s**p for p in (2, 4, 6, 8)]
    m = [c * float(x.value) for c, x in zip(scale, moments)]
    e = [c * float(x.error) for c, x in zip(scale, moments)]
    slopes = [
        [1.0, 0.0, 0.0, 0.0],
        [-6.0 * m[0], 1.0, 0.0, 0.0],
        [-15.0 * m[1] + 90.0 * m[0] ** 2, -15.0 * m[0], 1.0, 0.0],
        [
            -28.0 * m[2] + 840.0 * m[1] * m[0] - 2520.0 * m[0] ** 3,
            -70.0 * m[1] + 420.0 * m[0] ** 2,
            -28.0 * m[0],
            1.0,
        ],
    ]
    return np.array(cumulants(*m)), np.abs(slopes) @ np.array(e)


def cumulants(m2: float, m4: float, m6: float, m8: float) -> tuple[float, float, float, float]:
    """Cumulants 2, 4, 6 and 8 from the moments of a symmetric law; numbers or expressions."""
    return (
        m2,
        m4 - 3 * m2**2,
        m6 - 15 * m4 * m2 + 30 * m2**3,
        m8 - 28 * m6 * m2 - 35 * m4**2 + 420 * m4 * m2**2 - 630 * m2**4,
    )
