r"""Pairs of Gaussians, given so that nearly equal and nearly opposite ones lose no digits.

Variances a and b, covariance c, and beside them what cannot be recovered from these once they are rounded:
$p = \sqrt{ab} - c$, $q = \sqrt{ab} + c$ and $e = a - b$.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from theorylab.errors import DomainError


class Pairs(NamedTuple):
    """Covariances of pairs (u, v): arrays of one shape.

    `a`, `b`, `c` are E u^2, E v^2, E uv; `p` = sqrt(ab) - c, `q` = sqrt(ab) + c, `e` = a - b, each to its own digits.
    `g` is a - c, where it is known better than from these: it is of higher order for steps across u.
    """

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    p: np.ndarray
    q: np.ndarray
    e: np.ndarray
    g: np.ndarray | None = None

    @classmethod
    def of(cls, a: Any, b: Any, c: Any) -> Pairs:
        """From variances and covariance alone; c may exceed sqrt(ab) by rounding.

        Raises
        ------
        DomainError
            When these are not the covariances of two real numbers.
        """
        a, b, c = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (a, b, c)))
        if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b)) and np.all(np.isfinite(c))):
            raise DomainError("variances and covariances are finite numbers")
        if np.any(a < 0) or np.any(b < 0):
            raise DomainError(f"a variance is {min(np.min(a), np.min(b)):g}: it is never negative")
        mean = np.sqrt(a) * np.sqrt(b)
        if np.any(np.abs(c) > mean * (1 + 1e-8)):
            worst = int(np.argmax(np.abs(c) - mean))
            raise DomainError(
                f"covariance {c.flat[worst]:g} exceeds sqrt({a.flat[worst]:g} * {b.flat[worst]:g}): no such Gaussians"
            )
        p, q = np.maximum(mean - c, 0.0), np.maximum(mean + c, 0.0)
        return cls(a, b, c, p, q, a - b)

    @classmethod
    def equal(cls, a: Any) -> Pairs:
        """u = v of variance a."""
        a = np.asarray(a, dtype=float)
        return cls(a, a, a, np.zeros_like(a), 2 * a, np.zeros_like(a))

    @property
    def mean(self) -> np.ndarray:
        """sqrt(ab)."""
        return np.asarray(np.sqrt(self.a) * np.sqrt(self.b))

    @property
    def root_gap(self) -> np.ndarray:
        """sqrt(a) - sqrt(b)."""
        total = np.sqrt(self.a) + np.sqrt(self.b)
        return np.asarray(np.divide(self.e, total, out=np.zeros_like(total), where=total > 0))

    @property
    def distance(self) -> np.ndarray:
        """E (u - v)^2."""
        return np.asarray(2 * self.p + self.root_gap**2)

    @property
    def reach(self) -> np.ndarray:
        """E (u + v)^2."""
        return np.asarray(2 * self.q + self.root_gap**2)

    def times(self, factor: float) -> Pairs:
        """All covariances multiplied."""
        a, b, c, p, q, e = (factor * v for v in self[:6])
        return Pairs(a, b, c, p, q, e, None if self.g is None else factor * self.g)

    def affine(self, offset: float, factor: float) -> Pairs:
        """Covariances offset + factor * (a, b, c): a layer's biases and weights."""
        if offset == 0.0:
            return self.times(factor)
        a, b, c = (offset + factor * v for v in (self.a, self.b, self.c))
        # ab - c^2 as a sum of positive terms.
        determinant = factor * (factor * self.p * self.q + offset * self.distance)
        mean = np.sqrt(a) * np.sqrt(b)
        larger = mean + np.abs(c)
        smaller = np.divide(determinant, larger, out=np.zeros_like(larger), where=larger > 0)
        up = c >= 0
        g = None if self.g is None else factor * self.g
        return Pairs(a, b, c, np.where(up, smaller, larger), np.where(up, larger, smaller), factor * self.e, g)


def inputs(x: np.ndarray, y: np.ndarray) -> Pairs:
    """Inner products of rows of x with rows of y, one pair each, summed so that close and opposite rows keep digits.

    Parameters
    ----------
    x, y : float[..., d]
        Broadcast against each other.
    """
    x, y = np.broadcast_arrays(x, y)
    a, b, c = np.sum(x * x, -1), np.sum(y * y, -1), np.sum(x * y, -1)
    sign = np.where(c < 0, -1.0, 1.0)
    d = sign[..., None] * y - x
    # |y|^2 - |x|^2 = (y - x).(2 x + (y - x)): the step may be all but orthogonal to x.
    step = dot(x, d)
    e = -(2 * step + np.sum(d * d, -1))
    # |x|^2 |y|^2 - (x.y)^2 = |x|^2 |y - (x.y / x.x) x|^2: the rest is first taken with exact products, and what the
    # rounded x.y / x.x leaves of x in it is taken off after that.
    along = np.divide(c, a, out=np.zeros_like(a), where=a > 0)[..., None]
    product, lost = _exact_product(along, x)
    rest = (y - product) - lost
    across = rest - np.divide(np.sum(x * rest, -1), a, out=np.zeros_like(a), where=a > 0)[..., None] * x
    determinant = a * np.sum(across * across, -1)
    larger = np.sqrt(a) * np.sqrt(b) + np.abs(c)
    smaller = np.divide(determinant, larger, out=np.zeros_like(larger), where=larger > 0)
    up = c >= 0
    g = np.where(up, -step, a - c)
    return Pairs(a, b, c, np.where(up, smaller, larger), np.where(up, larger, smaller), e, g)


def dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Inner products along the last axis as in twice the working precision (Ogita, Rump and Oishi, 2005, Dot2)."""
    total = np.zeros(x.shape[:-1])
    rest = np.zeros_like(total)
    for i in range(x.shape[-1]):
        product, lost = _exact_product(x[..., i], y[..., i])
        new = total + product
        back = new - total
        rest += (total - (new - back)) + (product - back) + lost
        total = new
    return total + rest


def _exact_product(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x y rounded, and what rounding lost (Dekker)."""
    product = x * y
    (xh, xl), (yh, yl) = _halves(x), _halves(y)
    return product, xl * yl - (((product - xh * yh) - xl * yh) - xh * yl)


def _halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x as a sum of two numbers of half the digits (Veltkamp)."""
    big = 134217729.0 * x
    high = big - (big - x)
    return high, x - high
