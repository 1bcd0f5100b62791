r"""Sums over power laws, $\sum_{j=1}^{v} g(j)$ for smooth $g$, at a cost that hardly depends on $v$.

The first terms are added one by one; the others become an integral over $\log j$ (Euler and Maclaurin's formula with
its first correction, the derivative as a difference of neighbours), by Gauss and Legendre's rule on short panels. So
$v$ may be $10^{13}$, and need not be whole.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

HEAD = 400
PANEL = 0.5


class Nodes(NamedTuple):
    r"""$\sum_{j \le v} g(j) \approx \sum_i w_i\, g(j_i)$: float64[n] each."""

    j: np.ndarray
    weight: np.ndarray


def nodes(v: float, points: int = 12, head: int = HEAD) -> Nodes:
    """Nodes and weights of a sum from 1 to `v`.

    Parameters
    ----------
    v
        Number of terms.
    points
        Points on each panel of the tail; fewer make a coarser rule, whose difference from a finer one is its error.
    head
        Terms that are added one by one; all of them where there are at most twice as many.
    """
    if v <= 2 * head:
        j = np.arange(1.0, round(v) + 1.0)
        return Nodes(j, np.ones_like(j))
    low, high = np.log(head + 0.5), np.log(v + 0.5)
    panels = int(np.ceil((high - low) / PANEL))
    x, w = panel_rule(np.linspace(low, high, panels + 1), points)
    j = np.exp(x)
    # The correction -(g'(end) - g'(start))/24 of the rule of midpoints.
    edge = np.array([head, head + 1.0, v, v + 1.0])
    return Nodes(
        np.concatenate([np.arange(1.0, head + 1.0), edge, j]),
        np.concatenate([np.ones(head), np.array([-1.0, 1.0, 1.0, -1.0]) / 24.0, w * j]),
    )


def panel_rule(ends: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Legendre's rule with `points` points between neighbouring `ends`: nodes and weights, ascending."""
    x, w = np.polynomial.legendre.leggauss(points)
    half = np.diff(ends)[:, None] / 2.0
    return (ends[:-1, None] + half * (x + 1.0)).ravel(), (half * w).ravel()


def kappa(spectrum: np.ndarray, weight: np.ndarray, count: float) -> float:
    r"""The root $\kappa$ of $\sum_j \lambda_j / (\lambda_j + \kappa) = K$, for $0 < K <$ the number of $\lambda_j$.

    Parameters
    ----------
    spectrum, weight : float64[n]
        Eigenvalues at the nodes of a sum, and its weights.
    count
        K, as a rule the number of features or samples.
    """

    def excess(log_kappa: float) -> float:
        k = np.exp(log_kappa)
        return float(weight @ (spectrum / (spectrum + k))) - count

    # Between the least eigenvalue's scale and the trace over K.
    top = np.log(float(weight @ spectrum) / count)
    low = top - 1.0
    while excess(low) < 0.0:
        low -= 8.0
        if low < -650.0:
            raise ValueError(f"no root: {count} is not below the number of eigenvalues")
    return float(np.exp(brentq(excess, low, top, xtol=1e-15, rtol=1e-15)))
