r"""The Marchenko-Pastur formulas in double precision, without loss of digits anywhere in their domain.

Near an edge of the spectrum the distance from it is all that matters, and plain arithmetic loses it: the distances
are formed in twice double precision, as unevaluated sums (high, low) of doubles (Dekker 1971, Numer. Math. 18:224).
Elsewhere the forms below avoid differences of nearly equal numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Pair = tuple[Any, Any]

# Gauss-Legendre rule for the distribution function near its lower edge.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(28)
# Angle from the upper edge up to which the tail is integrated.
NEAR = 1.0


def exact_sum(a: Any, b: Any) -> Pair:
    """a + b without error."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def exact_product(a: Any, b: Any) -> Pair:
    """a b without error, barring overflow."""

    def halves(x: Any) -> Pair:
        big = 134217729.0 * x
        high = big - (big - x)
        return high, x - high

    p = a * b
    (a1, a2), (b1, b2) = halves(a), halves(b)
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


def add(a: Pair, b: Pair) -> Pair:
    """Sum of two pairs."""
    s, e = exact_sum(a[0], b[0])
    return exact_sum(s, e + (a[1] + b[1]))


def multiply(a: Pair, b: Pair) -> Pair:
    """Product of two pairs."""
    p, e = exact_product(a[0], b[0])
    return exact_sum(p, e + (a[0] * b[1] + a[1] * b[0]))


def root(c: Any) -> Pair:
    """Square root of a double."""
    s = np.sqrt(c)
    square, rest = exact_product(s, s)
    # One Newton step doubles the digits.
    return exact_sum(s, ((c - square) - rest) / (2.0 * s))


def negative(a: Pair) -> Pair:
    """-a."""
    return -a[0], -a[1]


def double(a: Pair) -> np.ndarray:
    """The nearest double."""
    return np.asarray(a[0] + a[1])


def edge_distances(x: Any, c: Any, sigma: Any) -> tuple[np.ndarray, np.ndarray]:
    """x - sigma^2 (1 - sqrt c)^2 and sigma^2 (1 + sqrt c)^2 - x, accurate relative to themselves.

    Parameters
    ----------
    x, c, sigma
        Doubles, taken at their exact values.

    Returns
    -------
    float64[...], float64[...]
    """
    s, variance, one, point = root(c), exact_product(sigma, sigma), (1.0, 0.0), (np.asarray(x, dtype=float), 0.0)
    below, above = (multiply(variance, multiply(e, e)) for e in (add(one, negative(s)), add(one, s)))
    return double(add(point, negative(below))), double(add(above, negative(point)))


def excess(theta: Any, sigma: Any) -> np.ndarray:
    """theta - sigma^2, accurate relative to itself."""
    return double(add((np.asarray(theta, dtype=float), 0.0), negative(exact_product(sigma, sigma))))


def threshold_distance(theta: Any, c: Any, sigma: Any) -> np.ndarray:
    """theta - sigma^2 (1 + sqrt c), the distance of a spike from its threshold, accurate relative to itself."""
    critical = multiply(exact_product(sigma, sigma), add((1.0, 0.0), root(c)))
    return double(add((np.asarray(theta, dtype=float), 0.0), negative(critical)))


def resolvent(*, c: Any, lam: Any, sigma: Any) -> np.ndarray:
    """(1/p) tr (S + lam)^-1."""
    variance = sigma * sigma
    half = lam + variance * (1.0 - c)
    root = np.sqrt(half * half + 4.0 * c * variance * lam)
    # The form without cancellation, on either side of half = 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(half >= 0, 2.0 / (root + half), (root - half) / (2.0 * c * variance * lam)))


def squared_resolvent(*, c: Any, lam: Any, sigma: Any) -> np.ndarray:
    """(1/p) tr (S + lam)^-2."""
    variance = sigma * sigma
    half = lam + variance * (1.0 - c)
    root = np.sqrt(half * half + 4.0 * c * variance * lam)
    m = resolvent(c=c, lam=lam, sigma=sigma)
    return np.asarray(m * m * (root + lam + variance * (1.0 + c)) / (2.0 * root))


def log_determinant(*, c: Any, lam: Any, sigma: Any) -> np.ndarray:
    """(1/p) log det (S + lam)."""
    # The nonzero spectra of X X^T / n and X^T X / n agree: only ratios up to 1 are needed.
    many = np.maximum(c, 1.0)
    ratio, ell = np.minimum(c, 1.0 / c), lam / (sigma * sigma)
    zeros = np.maximum(0.0, (c - 1.0) / c) * np.log(ell)
    return np.asarray(2.0 * np.log(sigma) + zeros + (np.log(many) + _unit_logdet(ratio, ell / many)) / many)


def _unit_logdet(c: Any, ell: Any) -> np.ndarray:
    """(1/p) log det (S + ell) at sigma = 1 and c <= 1."""
    m = resolvent(c=c, lam=ell, sigma=1.0)
    y = c * m
    # 1/m - 1 = ell - c (1 - ell m), without a difference of nearly equal numbers when m is near 1.
    minus_log_m = np.where((m > 0.5) & (m < 2.0), np.log1p(ell - c * (1.0 - ell * m)), -np.log(m))
    # log(1 + y)/y - 1/(1 + y), by its series where the two nearly cancel.
    small = y < 0.02
    safe = np.where(small, 1.0, y)
    series = sum((-1) ** (k + 1) * k / (k + 1.0) * np.where(small, y, 0.0) ** k for k in range(1, 11))
    return np.asarray(minus_log_m + m * np.where(small, series, np.log1p(safe) / safe - 1.0 / (1.0 + safe)))


def density(*, x: Any, c: Any, sigma: Any) -> np.ndarray:
    """Density of the continuous part."""
    below, above = edge_distances(x, c, sigma)
    inside = (below > 0) & (above > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.sqrt(np.where(inside, below * above, 0.0)) / (2.0 * np.pi * c * sigma**2 * x)
    return np.where(inside, value, 0.0)


def cdf(*, x: Any, c: Any, sigma: Any) -> np.ndarray:
    """Distribution function, atom included."""
    x, c, sigma = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (x, c, sigma)))
    below, above = edge_distances(x, c, sigma)
    inside = (below > 0) & (above > 0)
    angle = 2.0 * np.arctan2(np.sqrt(np.where(inside, below, 0.0)), np.sqrt(np.where(inside, above, 1.0)))
    # The nonzero spectra of X X^T and X^T X agree: only ratios up to 1 are needed.
    s = np.sqrt(np.minimum(c, 1.0 / c))
    gap = np.abs(1.0 - c) / ((1.0 + np.sqrt(c)) * np.where(c > 1, np.sqrt(c), 1.0))
    excess = np.where(c > 1, c - 1.0, (1.0 - c) / c)
    turn = np.arctan2(s * np.sin(angle), gap + 2.0 * s * np.sin(angle / 2.0) ** 2)
    closed = (angle + np.sin(angle) / s - excess * turn) / np.pi
    # Near the lower edge the three terms cancel; there the integrand is smooth on the scale of -log s.
    nodes = angle[..., None] * (NODES + 1.0) / 2.0
    integrand = np.sin(nodes) ** 2 / (gap[..., None] ** 2 + 4.0 * s[..., None] * np.sin(nodes / 2.0) ** 2 + 1e-300)
    integral = angle / np.pi * (integrand @ WEIGHTS)
    bulk = np.where(angle <= -2.0 * np.log1p(-gap), integral, closed)
    mass, zero = np.minimum(1.0, 1.0 / c), np.maximum(0.0, (c - 1.0) / c)
    return np.where(above <= 0, 1.0, zero * (x >= 0) + mass * np.where(inside, bulk, 0.0))


def sf(*, x: Any, c: Any, sigma: Any) -> np.ndarray:
    """1 - cdf, accurate relative to itself: near the upper edge an integral over the angle from there."""
    x, c, sigma = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (x, c, sigma)))
    below, above = edge_distances(x, c, sigma)
    inside = (below > 0) & (above > 0)
    angle = 2.0 * np.arctan2(np.sqrt(np.where(inside, above, 0.0)), np.sqrt(np.where(inside, below, 1.0)))
    nodes = np.minimum(angle, NEAR)[..., None] * (NODES + 1.0) / 2.0
    point = (1.0 + c + 2.0 * np.sqrt(c))[..., None] - 4.0 * np.sqrt(c)[..., None] * np.sin(nodes / 2.0) ** 2
    integral = angle / np.pi * ((np.sin(nodes) ** 2 / point) @ WEIGHTS)
    return np.where(inside & (angle < NEAR), integral, 1.0 - cdf(x=x, c=c, sigma=sigma))


def lower_edge(*, c: Any, sigma: Any) -> np.ndarray:
    """sigma^2 (1 - sqrt c)^2."""
    return np.asarray((sigma * (1.0 - c) / (1.0 + np.sqrt(c))) ** 2)
