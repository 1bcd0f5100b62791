r"""Dual activations of smooth functions in closed form: erf, sin, cos, exp, exp(-z^2), polynomials.

See `closed_duals` for what a dual answers, and why each formula is a sum of terms that do not cancel.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial, pi
from typing import Any

import numpy as np

from theorylab.derivations.infinite_width.closed_duals import NODES, Dual, cosine, power_gap
from theorylab.derivations.infinite_width.gaussian_pairs import Pairs


class Erf(Dual):
    """f(z) = erf(z)."""

    parity = "odd"

    plain_limit = 20.0

    def plain(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
        """E f(u) f(v) from rounded covariances."""
        sine = c * (np.sqrt(2 / (1 + 2 * a)) * np.sqrt(2 / (1 + 2 * b)))
        return 2 / pi * np.arcsin(sine, out=sine)

    def _square(self, a: np.ndarray) -> Any:
        return 2 / pi * np.arctan2(2 * a, np.sqrt(1 + 4 * a))

    def _value(self, pairs: Pairs) -> Any:
        a, b, c, p, q = pairs[:5]
        return 2 / pi * np.arctan2(2 * c, np.sqrt(1 + 2 * a + 2 * b + 4 * p * q))

    def _fall(self, pairs: Pairs) -> Any:
        a, b, c, p, q = pairs[:5]
        total, mean = 1 + 2 * a + 2 * b, pairs.mean
        root, whole = np.sqrt(total), np.sqrt(total + 4 * p * q)
        # mean * whole + c * root, without cancellation when c < 0.
        side = mean * whole + np.abs(c) * root
        sine = np.where(c >= 0, 2 * p * q / side, (mean * whole - c * root) * 2 / ((1 + 2 * a) * (1 + 2 * b)))
        cosine = (root * whole + 4 * mean * c) / ((1 + 2 * a) * (1 + 2 * b))
        return np.where(side > 0, 2 / pi * np.arctan2(sine, cosine), 0.0)

    def _square_gap(self, pairs: Pairs) -> Any:
        a, b, e = pairs.a, pairs.b, pairs.e
        x, y = np.sqrt(1 + 4 * a), np.sqrt(1 + 4 * b)
        below = (1 + 2 * a) * (1 + 2 * b)
        side = a * y + b * x
        sine = 2 * e * (a + b + 4 * a * b) / (below * np.where(side > 0, side, 1.0))
        return 2 / pi * np.arctan2(sine, (x * y + 4 * a * b) / below)

    def _tilt(self, s: np.ndarray, t: np.ndarray) -> Any:
        return 4 / pi * (1 + 2 * (s * s + t * t)) ** -1.5


class Bump(Dual):
    """f(z) = exp(-z^2)."""

    parity = "even"

    plain_limit = 20.0

    def plain(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
        """E f(u) f(v) from rounded covariances."""
        root = np.multiply(1 + 2 * a, 1 + 2 * b)
        root -= 4 * c * c
        return 1 / np.sqrt(root, out=root)

    def _square(self, a: np.ndarray) -> Any:
        return 1 / np.sqrt(1 + 4 * a)

    def _value(self, pairs: Pairs) -> Any:
        return 1 / np.sqrt(1 + 2 * pairs.a + 2 * pairs.b + 4 * pairs.p * pairs.q)

    def _fall(self, pairs: Pairs) -> Any:
        total, extra = 1 + 2 * pairs.a + 2 * pairs.b, 4 * pairs.p * pairs.q
        x, y = np.sqrt(total), np.sqrt(total + extra)
        return extra / (x * y * (x + y))

    def _square_gap(self, pairs: Pairs) -> Any:
        x, y = np.sqrt(1 + 4 * pairs.a), np.sqrt(1 + 4 * pairs.b)
        return -4 * pairs.e / (x * y * (x + y))

    def _tilt(self, s: np.ndarray, t: np.ndarray) -> Any:
        return 12 * s * t * (1 + 2 * (s * s + t * t)) ** -2.5


class BumpSlope(Dual):
    """f(z) = -2 z exp(-z^2)."""

    parity = "odd"

    plain_limit = 20.0

    def plain(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
        """E f(u) f(v) from rounded covariances."""
        below = np.multiply(1 + 2 * a, 1 + 2 * b)
        below -= 4 * c * c
        return 4 * c / (below * np.sqrt(below))

    def _square(self, a: np.ndarray) -> Any:
        return 4 * a * (1 + 4 * a) ** -1.5

    def _value(self, pairs: Pairs) -> Any:
        return 4 * pairs.c * (1 + 2 * pairs.a + 2 * pairs.b + 4 * pairs.p * pairs.q) ** -1.5

    def _fall(self, pairs: Pairs) -> Any:
        total, extra = 1 + 2 * pairs.a + 2 * pairs.b, 4 * pairs.p * pairs.q
        x, y = total**1.5, (total + extra) ** 1.5
        # sqrt(ab)/x - c/y with y - x = extra (3 total^2 + 3 total extra + extra^2)/(x + y).
        return 4 * (pairs.p / x + pairs.c * extra * (3 * total * (total + extra) + extra**2) / ((x + y) * x * y))

    def _square_gap(self, pairs: Pairs) -> Any:
        a, b = pairs.a, pairs.b
        x, y = (1 + 4 * a) ** 1.5, (1 + 4 * b) ** 1.5
        side = np.where(a + b > 0, a * y + b * x, 1.0)
        return 4 * pairs.e * (a + b + 12 * a * b - 64 * (a * b) ** 2) / (x * y * side)

    def _tilt(self, s: np.ndarray, t: np.ndarray) -> Any:
        # f' = (4 z^2 - 2) exp(-z^2): moments 2, 4, 6 of a normal of variance 1/k.
        k, s2, t2 = 1 + 2 * (s * s + t * t), s * s, t * t
        return k**-1.5 * (4 - 8 * (s2 + t2) * 3 / k + 16 * s2 * t2 * 15 / k**2)


class Sine(Dual):
    """f(z) = sin(z)."""

    parity = "odd"

    plain_limit = 300.0

    def plain(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
        """E f(u) f(v) from rounded covariances."""
        # 2 sinh(c) from exp(c) - 1, which keeps its digits where c is small.
        wave = np.expm1(c)
        wave += wave / (1 + wave)
        wave *= np.exp(-a / 2) * (np.exp(-b / 2) / 2)
        return wave

    def _square(self, a: np.ndarray) -> Any:
        return -np.expm1(-2 * a) / 2

    def _value(self, pairs: Pairs) -> Any:
        # exp(-(a + b)/2) sinh(c) as a difference of exponentials that do not overflow.
        half = (pairs.root_gap) ** 2 / 2
        return np.sign(pairs.c) * np.exp(-half - np.minimum(pairs.p, pairs.q)) * -np.expm1(-2 * np.abs(pairs.c)) / 2

    def _fall(self, pairs: Pairs) -> Any:
        half = pairs.root_gap**2 / 2
        # 2 cosh(q/2) sinh(p/2) exp(-(a + b)/2), with (a + b)/2 = (p + q)/2 + half.
        return np.exp(-half) * (1 + np.exp(-pairs.q)) * -np.expm1(-pairs.p) / 2

    def _square_gap(self, pairs: Pairs) -> Any:
        return np.exp(-2 * pairs.b) * -np.expm1(-2 * pairs.e) / 2

    def _tilt(self, s: np.ndarray, t: np.ndarray) -> Any:
        return (wave(s - t) + wave(s + t)) / 2


class Cosine(Dual):
    """f(z) = cos(z)."""

    parity = "even"

    plain_limit = 300.0

    def plain(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
        """E f(u) f(v) from rounded covariances."""
        wave = np.exp(c)
        wave += 1 / wave
        wave *= np.exp(-a / 2) * (np.exp(-b / 2) / 2)
        return wave

    def _square(self, a: np.ndarray) -> Any:
        return (1 + np.exp(-2 * a)) / 2

    def _value(self, pairs: Pairs) -> Any:
        half = pairs.root_gap**2 / 2
        return np.exp(-half) * (np.exp(-pairs.p) + np.exp(-pairs.q)) / 2

    def _fall(self, pairs: Pairs) -> Any:
        return np.exp(-(pairs.root_gap**2) / 2) * np.expm1(-pairs.p) * np.expm1(-pairs.q) / 2

    def _square_gap(self, pairs: Pairs) -> Any:
        return np.exp(-2 * pairs.b) * np.expm1(-2 * pairs.e) / 2

    def _tilt(self, s: np.ndarray, t: np.ndarray) -> Any:
        return (wave(s - t) - wave(s + t)) / 2


class Exponential(Dual):
    """f(z) = exp(z)."""

    plain_limit = 100.0

    def plain(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
        """E f(u) f(v) from rounded covariances."""
        return np.exp(a / 2) * np.exp(b / 2) * np.exp(c)

    def _square(self, a: np.ndarray) -> Any:
        return np.exp(2 * a)

    def _value(self, pairs: Pairs) -> Any:
        return np.exp((pairs.a + pairs.b) / 2 + pairs.c)

    def _fall(self, pairs: Pairs) -> Any:
        return np.exp((pairs.a + pairs.b) / 2 + pairs.c) * np.expm1(pairs.p)

    def _square_gap(self, pairs: Pairs) -> Any:
        return np.exp(2 * pairs.b) * np.expm1(2 * pairs.e)

    def _tilt(self, s: np.ndarray, t: np.ndarray) -> Any:
        return (1 + (s + t) ** 2) * np.exp((s + t) ** 2 / 2)


class Polynomial(Dual):
    """f(z) = sum_m w_m z^m, through its Hermite coefficients at the variance: G = sum_j h_j(a) h_j(b) rho^j."""

    def __init__(self, weights: Sequence[float]) -> None:
        self.weights = [float(w) for w in weights] or [0.0]
        powers = [m for m, w in enumerate(self.weights) if w]
        self.parity = "odd" if all(m % 2 for m in powers) else "even" if not any(m % 2 for m in powers) else None
        self.homogeneous = len(powers) <= 1
        # The nodes integrate products of slopes of this degree exactly.
        self.near = 2.0 if len(self.weights) <= 2 * len(NODES) else Dual.near

    plain_limit = np.inf

    def plain(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
        """E f(u) f(v) from rounded covariances."""
        mean = np.sqrt(a) * np.sqrt(b)
        rho = np.divide(c, mean, out=np.zeros_like(c), where=mean > 0)
        out = np.zeros_like(c)
        for x, y in zip(self.hermite(np.sqrt(a))[::-1], self.hermite(np.sqrt(b))[::-1]):
            out *= rho
            out += x * y
        return out

    def hermite(self, s: np.ndarray) -> list[np.ndarray]:
        """Coefficients of f(s z) in normalised Hermite polynomials."""
        out = []
        for j in range(len(self.weights)):
            terms = [
                self.weights[m]
                * (factorial(m) / (2 ** ((m - j) // 2) * factorial((m - j) // 2) * factorial(j) ** 0.5))
                * s**m
                for m in range(j, len(self.weights), 2)
            ]
            out.append(np.asarray(sum(terms, np.zeros_like(s))))
        return out

    def _square(self, a: np.ndarray) -> Any:
        return np.asarray(sum(h * h for h in self.hermite(np.sqrt(a))))

    def _value(self, pairs: Pairs) -> Any:
        rho = cosine(pairs)
        both = zip(self.hermite(np.sqrt(pairs.a)), self.hermite(np.sqrt(pairs.b)))
        return np.asarray(sum(x * y * rho**j for j, (x, y) in enumerate(both)))

    def _fall(self, pairs: Pairs) -> Any:
        total = pairs.p + pairs.q
        lost = 2 * np.divide(pairs.p, total, out=np.zeros_like(total), where=total > 0)
        rest = 2 * np.divide(pairs.q, total, out=np.zeros_like(total), where=total > 0)
        rho = 1 - lost
        out = np.zeros_like(total)
        both = zip(self.hermite(np.sqrt(pairs.a)), self.hermite(np.sqrt(pairs.b)))
        for j, (x, y) in enumerate(both):
            if j % 2:
                # 1 - rho^j = (1 - rho)(1 + rho + ... + rho^(j - 1)).
                out += x * y * lost * sum((rho**i for i in range(j)), np.zeros_like(rho))
            elif j:
                out += x * y * lost * rest * sum((rho ** (2 * i) for i in range(j // 2)), np.zeros_like(rho))
        return out

    def _square_gap(self, pairs: Pairs) -> Any:
        out = np.zeros_like(pairs.a)
        for m, x in enumerate(self.weights):
            for k, y in enumerate(self.weights):
                if x and y and (m + k) % 2 == 0 and m + k:
                    moment = factorial(m + k) / (2 ** ((m + k) // 2) * factorial((m + k) // 2))
                    out += x * y * moment * power_gap(pairs, (m + k) // 2)
        return out

    def _step(self, pairs: Pairs) -> np.ndarray | None:
        linear = len(self.weights) == 2 and self.weights[0] == 0.0
        return self.weights[1] ** 2 * pairs.g if linear and pairs.g is not None else None

    def _tilt(self, s: np.ndarray, t: np.ndarray) -> Any:
        if self.homogeneous:
            return None
        out = np.zeros(np.broadcast_shapes(np.shape(s), np.shape(t)))
        for m, x in enumerate(self.weights):
            for k, y in enumerate(self.weights):
                if m and k and (m + k) % 2 == 0:
                    moment = factorial(m + k) / (2 ** ((m + k) // 2) * factorial((m + k) // 2))
                    out = out + x * y * m * k * moment * s ** (m - 1) * t ** (k - 1)
        return out


def wave(t: np.ndarray) -> np.ndarray:
    """E z^2 cos(t z)."""
    return np.asarray((1 - t * t) * np.exp(-t * t / 2))
