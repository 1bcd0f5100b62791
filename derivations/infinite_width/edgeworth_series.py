"""Numbers of the Edgeworth series of a random hidden layer: cumulants, orders in 1/N, and what the exact law leaves.

Limits in 1/N are extrapolated by polynomials from values at `WIDTHS`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial import hermite_e
from scipy.special import ndtr

from theorylab.derivations.infinite_width import edgeworth_law, edgeworth_moments
from theorylab.derivations.infinite_width import finite_size_edgeworth_steps as steps

# Widths from which limits are extrapolated.
WIDTHS = (64, 128, 256, 512)


def network_cumulants(
    *, N: float, activation: str, weights: str, q: float, s: float, sigma_b: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cumulants 2, 4, 6 and 8 of the output, and their errors, float64[4] each."""
    site, error = edgeworth_moments.site_cumulants(activation, weights, q, s)
    falls = float(N) ** -np.arange(4.0)
    return site * falls + np.array([sigma_b**2, 0.0, 0.0, 0.0]), error * falls


def normalised(**network: Any) -> tuple[np.ndarray, np.ndarray]:
    """k_4, k_6 and k_8: cumulants of the output at unit variance, and their errors, float64[3] each."""
    kappa, error = network_cumulants(**network)
    powers = np.arange(2.0, 5.0)
    k = kappa[1:] / kappa[0] ** powers
    return k, error[1:] / kappa[0] ** powers + powers * np.abs(k) * error[0] / kappa[0]


def hermite_moments(**network: Any) -> tuple[np.ndarray, np.ndarray]:
    """sigma^n E He_n(f/sigma) for n = 4, 6, 8, float64[3], and their errors."""
    kappa, error = network_cumulants(**network)
    eighth = kappa[3] + 35.0 * kappa[1] ** 2
    return np.array([kappa[1], kappa[2], eighth]), np.array(
        [error[1], error[2], error[3] + 70.0 * abs(kappa[1]) * error[1]]
    )


def law(**point: Any) -> edgeworth_law.Output:
    """The exact law of the output."""
    return edgeworth_law.output(
        *(point[k] for k in ("N", "activation", "weights")), *(float(point[k]) for k in ("q", "s", "sigma_b"))
    )


@cache
def corrections(order: int) -> Mapping[int, Any]:
    """Coefficients of He_n at one order in 1/N, as functions of (k4, k6, k8)."""
    import sympy as sp

    return {n: sp.lambdify(steps.K, c) for n, c in steps.hermite_coefficients(order).items()}


def series(y: np.ndarray, k: np.ndarray, orders: int, tail: bool = False) -> np.ndarray:
    """The Edgeworth series through an order in 1/N: density over the normal one, or P(|f| > y sigma)."""
    total = np.ones_like(y) if not tail else 2.0 * ndtr(-y)
    for order in range(1, orders + 1):
        total = total + term(y, k, order, tail)
    return np.asarray(total)


def term(y: np.ndarray, k: np.ndarray, order: int, tail: bool = False) -> np.ndarray:
    """One order of `series`."""
    coefficients = np.zeros(4 * order + 1)
    for n, c in corrections(order).items():
        coefficients[n] = c(*k)
    if not tail:
        return np.asarray(hermite_e.hermeval(y, coefficients))
    # The integral of g He_n from T on is g(T) He_(n-1)(T).
    density = np.exp(-0.5 * np.square(y)) / math.sqrt(2.0 * math.pi)
    return np.asarray(2.0 * density * hermite_e.hermeval(y, coefficients[1:]))


def residuals(order: int, T: float, **network: Any) -> tuple[np.ndarray, np.ndarray]:
    """p/g minus the series through an order at y = T and `WIDTHS`, and its error."""
    values, errors = [], []
    for width in WIDTHS:
        output = law(N=width, **network)
        p, error = output.density(np.asarray(T * output.deviation))
        scale = output.deviation * math.sqrt(2.0 * math.pi) * math.exp(0.5 * T * T)
        k, e = normalised(N=width, **network)
        one = series(np.asarray(T), k, order)
        values.append(scale * p - one)
        errors.append(scale * error + abs(series(np.asarray(T), k + e, order) - one))
    return np.array(values), np.array(errors)


def limit(values: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Extrapolate values at the last of `WIDTHS` in powers of 1/N; the error is the last improvement."""
    sizes = np.array(WIDTHS[-len(values) :], dtype=float)
    weights = [_at_infinity(sizes[i:]) for i in (0, 1)]
    full, short = (float(w @ values[-len(w) :]) for w in weights)
    return full, abs(full - short) + float(np.abs(weights[0]) @ errors)


def _at_infinity(sizes: np.ndarray) -> np.ndarray:
    """Weights of polynomial extrapolation to 1/N = 0."""
    x = 1.0 / sizes
    return np.array([np.prod(np.delete(x, i) / (np.delete(x, i) - x[i])) for i in range(len(x))])


def divergence(**network: Any) -> tuple[float, float]:
    """KL(p || g) of the output at unit variance, and its error; no atom, and a bounded density."""
    output = law(**network)
    found = []
    for nodes in (20, 14):
        x, w = np.polynomial.legendre.leggauss(nodes)
        low = np.arange(0.0, 9.0, 1.5)[:, None]
        y, weight = (low + 0.75 * (x + 1.0)).ravel(), np.tile(0.75 * w, len(low))
        p, blur = output.density(y * output.deviation)
        ratio = p * output.deviation * math.sqrt(2.0 * math.pi) * np.exp(0.5 * y * y)
        g = np.exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi)
        # r log r - r + 1, the same integral, is of second order in the small r - 1 everywhere.
        found.append(2.0 * float(np.sum(weight * g * _entropy(ratio))))
    error = 2.0 * float(np.sum(weight * output.deviation * blur * np.abs(np.log(np.maximum(ratio, 1e-300)))))
    return found[0], abs(found[0] - found[1]) + error


def _entropy(r: np.ndarray) -> np.ndarray:
    small = np.abs(r - 1.0) < 1e-3
    d = np.where(small, r - 1.0, 0.0)
    safe = np.maximum(r, 1e-300)
    return np.where(small, d * d * (0.5 - d / 6.0 + d * d / 12.0 - d**3 / 20.0), safe * np.log(safe) - safe + 1.0)
