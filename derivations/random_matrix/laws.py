"""Probability laws on the line that are used like the distributions of `scipy.stats`.

A law of random matrix theory may have atoms (null eigenvalues), compact support, several intervals, and a Stieltjes
transform. A subclass gives `support`, `pdf` and `cdf`, `atoms` where there are any, and whatever it knows in closed
form; the rest follows from these.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import integrate
from scipy.optimize import elementwise

from theorylab.errors import DomainError
from theorylab.prediction import PredictionError

# Relative accuracy that is asked of integrals over a law.
ACCURACY = 1e-10


class Law(ABC):
    """A probability law; `pdf` is the density of its continuous part."""

    # (place, mass) of the atoms.
    atoms: tuple[tuple[float, float], ...] = ()

    @abstractmethod
    def support(self) -> tuple[float, float]:
        """The smallest interval of probability one; an infinite end where it is unbounded."""

    @abstractmethod
    def pdf(self, x: Any) -> np.ndarray:
        """Density at x; 0 outside the support."""

    @abstractmethod
    def cdf(self, x: Any) -> np.ndarray:
        """P(X <= x)."""

    def sf(self, x: Any) -> np.ndarray:
        """P(X > x)."""
        return np.asarray(1.0 - self.cdf(x))

    def logpdf(self, x: Any) -> np.ndarray:
        """Logarithm of the density."""
        return _log(self.pdf(x))

    def logcdf(self, x: Any) -> np.ndarray:
        """Logarithm of P(X <= x)."""
        return _log(self.cdf(x))

    def logsf(self, x: Any) -> np.ndarray:
        """Logarithm of P(X > x)."""
        return _log(self.sf(x))

    def ppf(self, q: Any) -> np.ndarray:
        """The smallest x with P(X <= x) >= q.

        Raises
        ------
        DomainError
            For q outside [0, 1].
        """
        return self._inverse(np.asarray(q, dtype=float), self.cdf, rising=True)

    def isf(self, q: Any) -> np.ndarray:
        """The x with P(X > x) = q."""
        return self._inverse(np.asarray(q, dtype=float), self.sf, rising=False)

    def median(self) -> float:
        """The x with P(X <= x) = 1/2."""
        return float(self.ppf(0.5))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Ends of the interval with equal tails that holds this much probability."""
        low, high = self.ppf([(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
        return float(low), float(high)

    def rvs(self, size: int | tuple[int, ...] = (), random_state: Any = None) -> np.ndarray:
        """Independent draws; `random_state` is a seed or a `numpy.random.Generator`."""
        return self.ppf(np.random.default_rng(random_state).uniform(size=size))

    def expect(self, function: Callable[[np.ndarray], Any]) -> Any:
        """Mean of a function, which may be complex.

        Raises
        ------
        PredictionError
            When the integral misses its accuracy.
        """
        atomic = sum(mass * np.asarray(function(np.asarray(place))) for place, mass in self.atoms)
        middle = np.asarray(sum(self._bulk()) / 2.0)
        if np.iscomplexobj(function(middle)):
            return self._mean(lambda x: np.real(function(x))) + 1j * self._mean(lambda x: np.imag(function(x))) + atomic
        return self._mean(function) + atomic

    def _mean(self, function: Callable[[np.ndarray], Any]) -> Any:
        """The integral of a real function times the density."""
        found = integrate.tanhsinh(
            lambda x: np.asarray(function(x)) * self.pdf(x), *self._bulk(), rtol=ACCURACY, atol=ACCURACY * 1e-2
        )
        if not found.success:
            raise PredictionError(f"the mean over {type(self).__name__} is only known to {found.error:.1e}")
        return found.integral

    def moment(self, order: int) -> float:
        """E X^order."""
        return float(self.expect(lambda x: x**order))

    def moments(self, count: int) -> np.ndarray:
        """E X, ..., E X^count."""
        return np.array([self.moment(k) for k in range(1, count + 1)])

    def mean(self) -> float:
        """E X."""
        return self.moment(1)

    def var(self) -> float:
        """Variance."""
        return self._central(2, self.mean())

    def _central(self, order: int, mean: float) -> float:
        return float(self.expect(lambda x: (x - mean) ** order))

    def std(self) -> float:
        """Standard deviation."""
        return float(np.sqrt(self.var()))

    def stats(self) -> tuple[float, float, float, float]:
        """Mean, variance, skewness and excess kurtosis."""
        mean = self.mean()
        second, third, fourth = (self._central(k, mean) for k in (2, 3, 4))
        return mean, second, third / second**1.5, fourth / second**2 - 3.0

    def stieltjes(self, z: Any) -> np.ndarray:
        r"""$G(z) = \int d\mu(x)/(z - x)$ for z off the support: G ~ 1/z at infinity."""

        def at(point: complex) -> complex:
            return complex(self.expect(lambda x: 1.0 / (point - x)))

        return np.array([at(point) for point in np.ravel(z)]).reshape(np.shape(z))

    def _reach(self) -> tuple[float, float]:
        """The support, cut where P(X <= x) and P(X > x) underflow."""
        return self.support()

    def _bulk(self) -> tuple[float, float]:
        """The support, cut where what is left does not count in a mean."""
        return self._reach()

    def _marks(self) -> list[float]:
        """Places between which a quantile is looked for: the ends of every interval, at least."""
        return [*self._reach(), *self._bulk()]

    def _inverse(self, q: np.ndarray, function: Callable[[Any], np.ndarray], rising: bool) -> np.ndarray:
        if not np.all((q >= 0.0) & (q <= 1.0)):
            raise DomainError(f"q = {q[~((q >= 0.0) & (q <= 1.0))].flat[0]:g} is not a probability in [0, 1]")
        # Marks between which the law rises: nearly all draws lie between the middle two.
        marks = np.unique(self._marks())
        levels = function(marks)
        ends = self.support()
        if not rising:
            marks, levels, ends = marks[::-1], levels[::-1], ends[::-1]
        place = np.searchsorted(levels, q, side="left")
        out = np.where(q <= 0.0, ends[0], np.where(q >= 1.0, ends[1], marks[np.minimum(place, len(marks) - 1)]))
        inside = (q > levels[0]) & (q < levels[-1]) & (q > 0.0) & (q < 1.0)
        if np.any(inside):
            right = place[inside]
            root = elementwise.find_root(
                lambda x, p: _log(function(x)) - np.log(p),
                tuple(np.sort([marks[right - 1], marks[right]], axis=0)),
                args=(q[inside],),
                tolerances={"xatol": 0.0, "xrtol": 4e-16, "fatol": 0.0, "frtol": 0.0},
                maxiter=400,
            )
            out[inside] = root.x
        return np.asarray(out)


def _log(x: Any) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(x))
