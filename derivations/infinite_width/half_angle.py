r"""Functions of half an angle: what arc-cosine kernels are made of, without losing digits at either end.

Two Gaussians of variances a, b and covariance c = sqrt(ab) cos(theta) have $p = \sqrt{ab} - c$ and $q = \sqrt{ab} + c$,
so that $\sin^2(\theta/2) = p/(p + q)$ and $\cos^2(\theta/2) = q/(p + q)$: where p and q are known to all digits, so is
everything here. The rectified powers have $E\,u_+^s v_+^s = (ab)^{s/2} J_s(\theta)/(2\pi)$ with

$$J_s(\theta) = (-1)^s (\sin\theta)^{2s+1}
  \Big(\frac{1}{\sin\theta}\frac{d}{d\theta}\Big)^s \frac{\pi-\theta}{\sin\theta}
  = y^{s + 1/2} S_s(y), \qquad y = \cos^2(\theta/2), \qquad
  S_s(y) = 2^{s+1} \frac{\Gamma(s+1)^2\, \Gamma(3/2)}{\Gamma(s+3/2)}\; {}_2F_1(1/2, 1/2; s + 3/2; y)$$

(with $t = \cos\theta = 2y - 1$ the derivative is $-d/dt$, and $(\pi-\theta)/\sin\theta = {}_2F_1(1, 1; 3/2; y)$; then
Euler's transformation), a sum of positive terms. Near $\theta = 0$ it is
$J_s(\theta) = \pi A_s(\cos\theta) - (-1)^s J_s(\pi - \theta)$ with the polynomial
$A_s(t) = (1 - t^2)^{s + 1/2} (d/dt)^s (1 - t^2)^{-1/2}$.
Source: Cho and Saul, NIPS 22 (2009), eqs. (3)-(5).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from scipy import special

# Degree at which the Chebyshev series on [0, 1/2] is exact in double precision: the nearest singularity is at y = 1.
DEGREE = 21


def series_factor(power: float) -> float:
    """S_s(0)."""
    return float(
        2.0 ** (power + 1) * np.exp(2 * special.gammaln(power + 1) - special.gammaln(power + 1.5)) * special.gamma(1.5)
    )


@cache
def series_coefficients(power: int) -> np.ndarray:
    """Coefficients of S_s(y) on 0 <= y <= 1/2, in powers of 4 y - 1, lowest first."""
    nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
    values = series_factor(power) * special.hyp2f1(0.5, 0.5, power + 1.5, (nodes + 1) / 4)
    series = np.polynomial.chebyshev.chebfit(nodes, values, DEGREE)
    coefficients: np.ndarray = np.polynomial.chebyshev.cheb2poly(series)
    return coefficients


def series(power: int, y: Any) -> np.ndarray:
    """S_s(y) at 0 <= y <= 1/2."""
    coefficients = series_coefficients(power)
    t = 4.0 * np.asarray(y) - 1.0
    out = np.full(np.shape(t), coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        out *= t
        out += coefficient
    return out


@cache
def polynomial(power: int) -> sp.Poly:
    """A_s as a polynomial in y = sin^2(theta/2), t = 1 - 2 y."""
    t, y = sp.symbols("t y")
    value = sp.Integer(1)
    # With D = (1 - t^2)^(-1/2 - k) P_k the next is P_(k+1) = (1 - t^2) P_k' + (2 k + 1) t P_k.
    for k in range(power):
        value = sp.expand((1 - t**2) * sp.diff(value, t) + (2 * k + 1) * t * value)
    return sp.Poly(sp.expand(value.subs(t, 1 - 2 * y)), y)


def arc_cosine(power: int, p: Any, q: Any) -> tuple[np.ndarray, np.ndarray]:
    """J_s(theta) and J_s(0) - J_s(theta), each to all its digits, for an integer power s.

    Parameters
    ----------
    power
        The power s >= 0 of the rectifier.
    p, q
        sqrt(ab) - c and sqrt(ab) + c, not both zero.
    """
    p, q = np.broadcast_arrays(np.asarray(p, dtype=float), np.asarray(q, dtype=float))
    y = np.minimum(p, q) / (p + q)
    small = np.sqrt(y) * y**power * series(power, y)
    coefficients = [float(v) for v in polynomial(power).all_coeffs()]
    whole = np.pi * np.polyval(coefficients, y)
    lost = -np.pi * y * np.polyval(coefficients[:-1], y) if power else np.zeros_like(y)
    sign = (-1.0) ** power
    top = np.pi * coefficients[-1]
    acute = p <= q
    return np.where(acute, whole - sign * small, small), np.where(acute, lost + sign * small, top - small)
