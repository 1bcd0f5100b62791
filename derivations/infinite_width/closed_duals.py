r"""Dual activations in closed form: E f(u) f(v) over pairs of Gaussians, and what distance it leaves, to all digits.

A dual answers for one function f with variances F_a = E f(u)^2, F_b, covariance G(a, b, c) = E f(u) f(v), and the
distances from its extremes, $\sqrt{F_a F_b} \mp G$, as sums of terms that do not cancel:
$\sqrt{F_a F_b} - G = [\sqrt{F_a F_b} - G(a, b, \sqrt{ab})] + [G(a, b, \sqrt{ab}) - G(a, b, c)]$, radial and angular.
The formulas in SymPy and their derivations are in `ntk_nngp_duals`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import pi
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
        out = Pairs(fa, fb, c, p, q, e)
        step = self._step(pairs)
        if step is None:
            return out
        # Obtuse pairs have no first order to lose.
        return out._replace(g=np.where(pairs.p <= pairs.q, step, np.sqrt(fa) * out.root_gap + p))

    def _step(self, pairs: Pairs) -> np.ndarray | None:
        """E f(u)^2 - E f(u) f(v), for f whose first order in it is a multiple of that of u."""
        return None

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
        return self.dual(pairs).times(self.factor**2)


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

    def _step(self, pairs: Pairs) -> np.ndarray | None:
        return _leaky_step(pairs, 0.0) if self.power == 1 else None


def _leaky_step(pairs: Pairs, alpha: float) -> np.ndarray | None:
    # With G = alpha c + (1 - alpha)^2 [c/2 + sqrt(ab) (sin theta - theta cos theta)/(2 pi)].
    if pairs.g is None:
        return None
    segment = arc_cosine(1, pairs.q, pairs.p)[0]
    part = (1 - alpha) ** 2
    return np.asarray((alpha + part / 2) * pairs.g - part * pairs.mean * segment / (2 * pi))


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

    def _step(self, pairs: Pairs) -> np.ndarray | None:
        return _leaky_step(pairs, self.alpha)

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


def cosine(pairs: Pairs) -> np.ndarray:
    """The correlation; 0 where a variance vanishes, for its powers are then multiplied by zeros."""
    mean = pairs.mean
    return np.asarray(np.clip(np.divide(pairs.c, mean, out=np.zeros_like(mean), where=mean > 0), -1.0, 1.0))


def power_gap(pairs: Pairs, power: int) -> np.ndarray:
    """a^k - b^k = (a - b) times a sum of positive terms."""
    terms = (pairs.a**i * pairs.b ** (power - 1 - i) for i in range(power))
    return np.asarray(pairs.e * sum(terms, np.zeros_like(pairs.a)))


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
