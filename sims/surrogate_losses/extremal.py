r"""Named extremal instances of the inequality between zero-one and surrogate regret, measured.

Each function maps values of one regret to the other's at a label distribution (or a mixture) that is written down,
with scores that are written down; the infimum of the risk is found numerically.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from theorylab.sims.surrogate_losses.score_minimisation import Problems, minimise, risk

# Score of a class left out: its softmax probability is below 1e-86.
OUT = -200.0


def infimum(p: np.ndarray, tau: float) -> np.ndarray:
    """Infimum of the risk, float[b], from starts near and far from each vertex; p float[b, n]."""
    n = p.shape[1]
    tilt = 0.1 * np.cos(np.arange(n))
    starts = np.concatenate([tilt + scale * np.eye(n) for scale in (0.5, 4.0)])
    return np.asarray(minimise(Problems(p, tau), np.broadcast_to(starts, (len(p), *starts.shape)))["value"])


@lru_cache(maxsize=1024)
def _two_class_tie(beta: float, tau: float, n: int) -> float:
    p, h = np.zeros(n), np.full(n, OUT)
    p[:2], h[:2] = ((1.0 + beta) / 2.0, (1.0 - beta) / 2.0), 0.0
    return float(risk(p, h, tau) - infimum(p[None, :2], tau)[0])


def two_class_tie(beta: np.ndarray, *, tau: float, n: int = 2, **_: float) -> np.ndarray:
    """Surrogate regrets of p = ((1+beta)/2, (1-beta)/2, 0, ...) with the two classes tied, broken to the second."""
    return np.array([_two_class_tie(float(b), float(tau), int(n)) for b in beta])


@lru_cache(maxsize=1024)
def _tie_beta(t: float, tau: float) -> float:
    return float(brentq(lambda b: _two_class_tie(b, tau, 2) - t, 1e-6, 1.0, xtol=1e-13))


def two_class_tie_inverse(t: np.ndarray, *, tau: float, **_: float) -> np.ndarray:
    """Zero-one regrets of the same instance at surrogate regrets t."""
    return np.array([_tie_beta(float(x), float(tau)) for x in t])


def uniform_tie(beta: np.ndarray, *, n: int, tau: float = 2.0, **_: float) -> np.ndarray:
    """Surrogate regrets of p = ((1+beta)/n, ..., (1+beta)/n, (1+beta)/n - beta), all classes tied, the last predicted.

    For beta <= 1/(n-1).
    """
    p = np.repeat((1.0 + beta)[:, None] / n, n, axis=1)
    p[:, -1] -= beta
    return np.asarray(risk(p, np.zeros_like(p), tau) - infimum(p, tau))


@lru_cache(maxsize=64)
def _uniform_atoms(tau: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Zero-one and surrogate regrets of p uniform on k < n classes, another predicted, tied with j - 1 of the k."""
    x, y = [0.0], [0.0]
    for k in range(1, n):
        p = np.zeros((1, n))
        p[0, :k] = 1.0 / k
        least = infimum(p, tau)[0]
        for j in range(2, k + 2):
            h = np.full(n, OUT)
            h[: j - 1] = h[-1] = 0.0
            x.append(1.0 / k)
            y.append(float(risk(p[0], h, tau)) - least)
    return np.array(x), np.array(y)


def uniform_mixture(beta: np.ndarray, *, tau: float, n: int = 2, **_: float) -> np.ndarray:
    """Least surrogate regrets among distributions of two inputs, each uniform on some classes, another predicted."""
    x, y = _uniform_atoms(float(tau), int(n))
    low, high = np.meshgrid(np.arange(len(x)), np.arange(len(x)), indexing="ij")
    apart = x[low] < x[high]
    low, high = low[apart], high[apart]
    weight = (beta[:, None] - x[low]) / (x[high] - x[low])
    mixed = (1.0 - weight) * y[low] + weight * y[high]
    return np.asarray(np.where((weight >= 0.0) & (weight <= 1.0), mixed, np.inf).min(axis=1))


def uniform_atoms_inverse(t: np.ndarray, *, n: int, tau: float = 2.0, **_: float) -> np.ndarray:
    """Largest zero-one regrets at surrogate regrets t among the mixtures of two uniform inputs."""

    def excess(b: float, x: float) -> float:
        return float(uniform_mixture(np.array([b]), tau=tau, n=n)[0]) - x

    return np.array([brentq(excess, 0.0, 1.0, args=(x,)) for x in t])
