r"""Dual activations in closed form: E f(u) f(v) over pairs of Gaussians, and what distance it leaves, to all digits.

A dual answers for one function f with variances F_a = E f(u)^2, F_b, covariance G(a, b, c) = E f(u) f(v), and the
distances from its extremes, $\sqrt{F_a F_b} \mp G$, as sums of terms that do not cancel:
$\sqrt{F_a F_b} - G = [\sqrt{F_a F_b} - G(a, b, \sqrt{ab})] + [G(a, b, \sqrt{ab}) - G(a, b, c)]$, radial and angular.
The formulas in SymPy and their derivations are in `ntk_nngp_duals`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import factorial, pi
from typing import Any, Literal

import numpy as np

from theorylab.derivations.infinite_width.gaussian_pairs import Pairs
from theorylab.derivations.infinite_width.half_angle import arc_cosine
from theorylab.errors import DomainError

NODES, WEIGHTS = np.polynomial.legendre.leggauss(10)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2


class Dual(ABC):
    """E f(u) f(v) of one function f."""

    parity: Literal["odd", "even", None] = None
    # Relative difference of standard deviations up to which the radial part is integrated rather than subtracted.
    near = 0.2
    # Variance up to which `plain` keeps its digits; none where f has a kink.
    plain_limit = 0.0

    def square(self, a: Any) -> np.ndarray:
        """E f(u)^2 at variance a."""
        return np.asarray(self._square(np.asarray(a, dtype=float)))

    def value(self, pairs: Pairs) -> np.ndarray:
        """E f(u) f(v)."""
        return np.asarray(self._value(pairs))

    def plain(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
        """E f(u) f(v) from rounded covariances, for a smooth f and variances up to `plain_limit`: soon computed."""
        raise NotImplementedError

    @abstractmethod
    def _square(self, a: np.ndarray) -> Any:
        """E f(u)^2 at variance a."""

    @abstractmethod
    def _value(self, pairs: Pairs) -> Any:
        """E f(u) f(v)."""

    @abstractmethod
    def _fall(self, pairs: Pairs) -> Any:
        """G(sqrt(ab)) - G(c)."""

    def _rise(self, pairs: Pairs) -> Any:
        """G(c) - G(-sqrt(ab)); asked of odd functions, for which it is the fall of the reflected pair."""
        return self._fall(pairs._replace(c=-pairs.c, p=pairs.q, q=pairs.p))

    def _square_gap(self, pairs: Pairs) -> Any:
        """E f(u)^2 - E f(v)^2."""
        return np.asarray(self._square(pairs.a) - self._square(pairs.b))

    def _tilt(self, s: np.ndarray, t: np.ndarray) -> Any:
        """E z^2 f'(s z) f'(t z) of a standard normal z; None for homogeneous f, whose radial part vanishes."""
        return None

    def __call__(self, pairs: Pairs) -> Pairs:
        """Covariances of f(u) and f(v)."""
        return self._pairs(pairs)

    def _pairs(self, pairs: Pairs) -> Pairs:
        with np.errstate(divide="ignore", invalid="ignore"):
            fa, fb, c = self._square(pairs.a), self._square(pairs.b), self._value(pairs)
            e = self._square_gap(pairs)
            mean = np.sqrt(fa) * np.sqrt(fb)
            radial = self._radial(pairs, e, fa, fb)
            p = radial + self._fall(pairs)
            q = radial + self._rise(pairs) if self.parity == "odd" else mean + c
        return Pairs(fa, fb, c, p, q, e)

    def _radial(self, pairs: Pairs, e: np.ndarray, fa: np.ndarray, fb: np.ndarray) -> Any:
        """sqrt(F_a F_b) - G(a, b, sqrt(ab)): half of E (f(sqrt(a) z) - f(sqrt(b) z))^2, less that of the norms."""
        if not np.any(pairs.e) or self._tilt(np.ones(1), np.ones(1)) is None:
            return 0.0
        s, t, gap = np.sqrt(pairs.a), np.sqrt(pairs.b), pairs.root_gap
        near = np.abs(gap) < self.near * np.maximum(s, t)
        aligned = Pairs(pairs.a, pairs.b, pairs.mean, np.zeros_like(s), 2 * pairs.mean, pairs.e)
        plain = np.sqrt(fa) * np.sqrt(fb) - self._value(aligned)
        inside = np.zeros_like(s)
        for x, wx in zip(NODES, WEIGHTS):
            for y, wy in zip(NODES, WEIGHTS):
                inside += wx * wy * self._tilt(t + x * gap, t + y * gap)
        roots = e / (np.sqrt(fa) + np.sqrt(fb))
        return np.where(near, np.maximum(0.5 * (gap**2 * inside - roots**2), 0.0), plain)


class Scaled(Dual):
    """The dual of factor * f."""

    def __init__(self, dual: Dual, factor: float) -> None:
        self.dual, self.factor, self.parity, self.plain_limit = dual, factor, dual.parity, dual.plain_limit

    def plain(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
        """E f(u) f(v) from rounded covariances."""
        return self.factor**2 * self.dual.plain(a, b, c)

    def _square(self, a: np.ndarray) -> Any:
        return self.factor**2 * self.dual._square(a)

    def _value(self, pairs: Pairs) -> Any:
        return self.factor**2 * self.dual._value(pairs)

    def _fall(self, pairs: Pairs) -> Any:
        return self.factor**2 * self.dual._fall(pairs)

    def _pairs(self, pairs: Pairs) -> Pairs:
        return Pairs(*(self.factor**2 * v for v in self.dual(pairs)))


class Rectified(Dual):
    """f(z) = z^power for z > 0, else 0: power 0 is the Heaviside step, 1 the ReLU."""

    def __init__(self, power: int) -> None:
        self.power = power
        # E z^(2 power), the half-line being a half of it.
        self.top = float(np.prod(np.arange(1, 2 * power, 2))) / 2

    def _square(self, a: np.ndarray) -> Any:
        return self.top * a**self.power

    def _both(self, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
        demand_angles(pairs)
        scale = pairs.mean**self.power / (2 * pi)
        value, lost = arc_cosine(self.power, pairs.p, pairs.q)
        return scale * value, scale * lost

    def _value(self, pairs: Pairs) -> Any:
        return self._both(pairs)[0]

    def _fall(self, pairs: Pairs) -> Any:
        return self._both(pairs)[1]

    def _square_gap(self, pairs: Pairs) -> Any:
        return self.top * power_gap(pairs, self.power)


class Leaky(Dual):
    """f(z) = z for z > 0, else alpha z."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def _square(self, a: np.ndarray) -> Any:
        return (1 + self.alpha**2) / 2 * a

    def _rectified(self, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
        demand_angles(pairs)
        value, lost = arc_cosine(1, pairs.p, pairs.q)
        scale = (1 - self.alpha) ** 2 * pairs.mean / (2 * pi)
        return scale * value, scale * lost

    def _value(self, pairs: Pairs) -> Any:
        return self.alpha * pairs.c + self._rectified(pairs)[0]

    def _fall(self, pairs: Pairs) -> Any:
        value, lost = self._rectified(pairs)
        # Obtuse pairs by what is left of q: where alpha < 0 the terms in p would cancel.
        obtuse = (1 + self.alpha) ** 2 / 2 * pairs.mean - self.alpha * pairs.q - value
        return np.where(pairs.p <= pairs.q, self.alpha * pairs.p + lost, obtuse)

    def _square_gap(self, pairs: Pairs) -> Any:
        return (1 + self.alpha**2) / 2 * pairs.e

    def _pairs(self, pairs: Pairs) -> Pairs:
        out = super()._pairs(pairs)
        # sqrt(F_a F_b) + G with (1 + alpha^2)/2 sqrt(ab) + alpha c summed first.
        q = (1 - self.alpha) ** 2 / 2 * pairs.mean + self.alpha * pairs.q + self._rectified(pairs)[0]
        return out._replace(q=q)


class LeakySlope(Dual):
    """f(z) = 1 for z > 0, else alpha."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def _square(self, a: np.ndarray) -> Any:
        return np.full(np.shape(a), (1 + self.alpha**2) / 2)

    def _value(self, pairs: Pairs) -> Any:
        demand_angles(pairs)
        return self.alpha + (1 - self.alpha) ** 2 / (2 * pi) * arc_cosine(0, pairs.p, pairs.q)[0]

    def _fall(self, pairs: Pairs) -> Any:
        return (1 - self.alpha) ** 2 / (2 * pi) * arc_cosine(0, pairs.p, pairs.q)[1]

    def _square_gap(self, pairs: Pairs) -> Any:
        return np.zeros_like(pairs.a)

    def _pairs(self, pairs: Pairs) -> Pairs:
        out = super()._pairs(pairs)
        value = arc_cosine(0, pairs.p, pairs.q)[0]
        return out._replace(q=(1 + self.alpha) ** 2 / 2 + (1 - self.alpha) ** 2 / (2 * pi) * value)


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
        a, b, c, p, q, _ = pairs
        return 2 / pi * np.arctan2(2 * c, np.sqrt(1 + 2 * a + 2 * b + 4 * p * q))

    def _fall(self, pairs: Pairs) -> Any:
        a, b, c, p, q, _ = pairs
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
        wave = np.exp(c)
        wave -= 1 / wave
        wave *= np.exp(-a / 2) * (np.exp(-b / 2) / 2)
        # Where c is small the difference has lost digits.
        small = np.abs(c) < 0.25
        wave[small] = (np.exp(-(a + b) / 2) * np.sinh(np.where(small, c, 0.0)))[small] if small.any() else 0.0
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


def cosine(pairs: Pairs) -> np.ndarray:
    """The correlation; 0 where a variance vanishes, for its powers are then multiplied by zeros."""
    mean = pairs.mean
    return np.asarray(np.clip(np.divide(pairs.c, mean, out=np.zeros_like(mean), where=mean > 0), -1.0, 1.0))


def power_gap(pairs: Pairs, power: int) -> np.ndarray:
    """a^k - b^k = (a - b) times a sum of positive terms."""
    terms = (pairs.a**i * pairs.b ** (power - 1 - i) for i in range(power))
    return np.asarray(pairs.e * sum(terms, np.zeros_like(pairs.a)))


def wave(t: np.ndarray) -> np.ndarray:
    """E z^2 cos(t z)."""
    return np.asarray((1 - t * t) * np.exp(-t * t / 2))


def demand_angles(pairs: Pairs) -> None:
    """Refuse pairs without an angle.

    Raises
    ------
    DomainError
        When a variance is zero.
    """
    if np.any(pairs.p + pairs.q <= 0):
        raise DomainError(
            "an input of norm zero has no angle to the others, which this activation needs: leave it out, or add biases"
        )
