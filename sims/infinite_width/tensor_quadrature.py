r"""Tensor Gauss-Hermite quadrature of E f(u) f(v), as it is commonly done: how it converges where f has a kink."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.linalg import eigh_tridiagonal

from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width.gaussian_pairs import FUNCTIONS
from theorylab.simulation import Cost, simulation


@cache
def _rule(m: int) -> tuple[np.ndarray, np.ndarray]:
    # Eigenvalues of the Jacobi matrix (Golub and Welsch): recurrences overflow beyond m = 370.
    nodes, vectors = eigh_tridiagonal(np.zeros(m), np.sqrt(np.arange(1.0, m)))
    return nodes, vectors[0] ** 2


def _tensor(formula: str, theta: float, m: int) -> float:
    nodes, weights = _rule(m)
    function = FUNCTIONS[formula]
    second = function(math.cos(theta) * nodes[:, None] + math.sin(theta) * nodes)
    return float((weights * function(nodes)) @ second @ weights)


def _cost(*, m: int, **_: object) -> Cost:
    # One angle at a time: what a trial holds is its result.
    return Cost(flops=20.0 * 5 * m * m, bytes=24.0, draws=1.0, moved=200.0 * m * m)


@simulation(backends=("numpy", "numba"), cost=_cost)
def change_on_doubling(trials: int, rng: Stream, *, formula: str, m: int) -> np.ndarray:
    """|Q_2m - Q_m| at unit variances and angles drawn uniformly from (0.5, 2.5), float64[trials]."""
    angles = 0.5 + 2.0 * rng.uniform(trials, 1)[:, 0]
    return np.array([abs(_tensor(formula, t, 2 * m) - _tensor(formula, t, m)) for t in angles])
