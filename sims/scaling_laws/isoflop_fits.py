r"""Parabolas fitted to noisy losses at equal compute.

A trial trains models of n sizes, equispaced in the logarithm around the best one at compute C, observes
L(N, C/(6 N)) = E + A/N^a + B/D^b with Gaussian noise of standard deviation s = s0/precision, and fits a parabola in ln
N by least squares; the vertex is the fitted size. Cost: 2 n multiplications and n normal variates.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation


def _cost(*, n: float, **_: object) -> Cost:
    return Cost(flops=10.0 * n, bytes=8.0 * (3.0 * n + 8.0), draws=n, moved=24.0 * 3.0 * n, products=4.0 * n)


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
def fitted_vertex(
    trials: int,
    rng: Stream,
    *,
    precision: float,
    s0: float,
    a: float,
    b: float,
    w: float,
    n: int,
    A: float,
    B: float,
    E: float,
    C: float,
) -> Any:
    """ln of the fitted over the best model size, float64[trials]."""
    noise = rng.normal(trials, n)
    xp = namespace(noise)
    # Where the two terms fall equally fast.
    best = (math.log(a * A / (b * B)) + b * math.log(C / 6.0)) / (a + b)
    u = np.linspace(-w, w, n)
    size = best + u
    loss = E + A * np.exp(-a * size) + B * np.exp(-b * (math.log(C / 6.0) - size))
    solver = np.linalg.pinv(np.stack([np.ones(n), u, u**2], axis=1))
    observed = xp.asarray(loss) + (s0 / precision) * noise
    fitted = observed @ xp.asarray(np.ascontiguousarray(solver[1:].T))
    return -0.5 * fitted[:, 0] / fitted[:, 1]
