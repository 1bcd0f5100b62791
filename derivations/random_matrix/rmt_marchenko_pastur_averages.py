r"""Averages of functions over the Marchenko-Pastur law and over its 1/p correction, by quadrature.

With x = a_- + 4 sqrt c sigma^2 sin^2(th/2), th from 0 to pi, the law's continuous part is
2 sigma^2 sin^2(th) / (pi x) dth: smooth but for its scale at the lower edge, |1 - sqrt c|, which vanishes at c = 1,
and for the scale of the function, which for exp(-x t) is t^(-1/2). Panels that halve towards both edges see every
scale, so that nothing depends on how near the hard edge is. Two Gauss-Legendre rules on the same panels give the value
and its error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_numerics as numerics
from theorylab.prediction import Value

# Halvings of the panels towards each edge: down to angles of pi 2^-44. Nodes of a panel in the value and in its check.
HALVINGS, FINE, COARSE = 44, 16, 12
ROUNDING = 1e-15

Function = Callable[[np.ndarray], np.ndarray]


class Rule(NamedTuple):
    """Points of the spectrum with their weights in the law's continuous part and in an angle uniform on (0, pi)."""

    x: np.ndarray
    mass: np.ndarray
    angle: np.ndarray


@lru_cache(maxsize=256)
def rule(c: float, sigma: float, nodes: int = FINE) -> Rule:
    """The quadrature on all panels, float64[nodes x panels]."""
    y, w = np.polynomial.legendre.leggauss(nodes)
    ends = np.pi * np.concatenate([[0.0], 2.0 ** -np.arange(HALVINGS, 0, -1)])
    half = np.diff(ends)[:, None] / 2.0
    theta = (ends[:-1, None] + half + half * y).ravel()
    weight = (half * w).ravel()
    # From 0 to pi/2, and the same from the upper edge down.
    sine, small = np.sin(theta), np.sin(theta / 2.0) ** 2
    low, width = float(numerics.lower_edge(c=c, sigma=sigma)), 4.0 * np.sqrt(c) * sigma**2
    x = np.concatenate([low + width * small, low + width * (1.0 - small)])
    angle = np.concatenate([weight, weight])
    mass = angle * np.concatenate([sine, sine]) ** 2 * 2.0 * sigma**2 / (np.pi * x)
    return Rule(x, mass, angle)


def continuous_average(f: Function, c: float, sigma: float = 1.0) -> Value:
    """The integral of f over the continuous part, whose mass is min(1, 1/c).

    Parameters
    ----------
    f
        Maps points float64[m] of the spectrum to values float64[..., m].
    c, sigma
        As in `rmt_marchenko_pastur`.

    Returns
    -------
    value, error : float64[...]
        The error is the difference of two rules, and rounding.
    """
    (fine, size), (coarse, _) = (_sums(f, rule(c, sigma, nodes)) for nodes in (FINE, COARSE))
    return Value(fine, np.abs(fine - coarse) + ROUNDING * size)


def _sums(f: Function, points: Rule) -> tuple[np.ndarray, np.ndarray]:
    values = f(points.x)
    return values @ points.mass, np.abs(values) @ points.mass


def average(f: Function, c: float, sigma: float = 1.0) -> Value:
    """The integral of f over the whole law, its mass at zero included."""
    bulk = continuous_average(f, c, sigma)
    atom = float(law.ATOM(c=c)) * f(np.zeros(1))[..., 0]
    return Value(bulk.value + atom, bulk.error)


def correction(f: Function, c: float, sigma: float = 1.0) -> Value:
    r"""E tr f(S) - p int f drho as p -> infinity, for real Gaussian entries.

    (f(a_-) + f(a_+))/4 - (1/(2 pi)) int_0^pi f(sigma^2 (1 + c - 2 sqrt c cos t)) dt: see
    `rmt_marchenko_pastur_finite`, whose loop equation gives this measure.
    """
    edges = f(np.array([float(e(c=c, sigma=sigma)) for e in (law.LOWER_EDGE, law.UPPER_EDGE)]))
    fine, coarse = (f(points.x) @ points.angle for points in (rule(c, sigma, FINE), rule(c, sigma, COARSE)))
    value = edges.sum(axis=-1) / 4.0 - fine / (2.0 * np.pi)
    return Value(value, np.abs(fine - coarse) / (2.0 * np.pi) + ROUNDING * np.abs(edges).sum(axis=-1))


def of_ratios(f: Callable[..., np.ndarray], over: Callable[..., Value], c: Any, sigma: Any, **columns: Any) -> Value:
    """An average at arrays of parameters: one quadrature for each distinct (c, sigma).

    Parameters
    ----------
    f
        f(x, **columns) for points float64[m] and columns float64[k, 1]: float64[k, m].
    over
        `average`, `continuous_average` or `correction`.
    c, sigma, columns
        Arrays that broadcast.
    """
    names = list(columns)
    c, sigma, *arrays = np.broadcast_arrays(c, sigma, *columns.values())
    value, error = np.empty(c.shape), np.empty(c.shape)
    for ratio, deviation in {(float(a), float(b)) for a, b in zip(c.ravel(), sigma.ravel())}:
        here = (c == ratio) & (sigma == deviation)
        own = {name: array[here][:, None] for name, array in zip(names, arrays)}
        value[here], error[here] = over(lambda x, own=own: f(x, **own), ratio, deviation)
    return Value(value, error)
