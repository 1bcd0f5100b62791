r"""Importance sampling of the chance that an interval for a mean misses, at levels too small to count.

The event is that a self-normalised sum exceeds t: by Shao's (1997) large-deviation theorem its typical cause is
that every trial follows the tilted density :math:`f(y) \exp(\lambda y - \mu y^2) / Z` (with the truth at 0), where
of all tilts that make mean / standard deviation equal to :math:`t / \sqrt n` the one of least relative entropy is
taken. Samples are drawn from it and weighted back. The density is discretised, so that any law will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize, special, stats

from theorylab.inference import means, tails


@dataclass(frozen=True)
class Noise:
    """A law on a fine grid between its extreme quantiles, standardised.

    Parameters
    ----------
    law
        A frozen SciPy distribution with two moments.
    low, high
        Ends of the grid.
    logarithmic
        Whether the grid is uniform in the logarithm.
    points
        Size of the grid.
    """

    law: object
    low: float
    high: float
    logarithmic: bool = False
    points: int = 20_001

    @cached_property
    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Standardised values and log-probabilities."""
        if self.logarithmic:
            x = np.exp(np.linspace(np.log(self.low), np.log(self.high), self.points))
        else:
            x = np.linspace(self.low, self.high, self.points)
        mass = self.law.logpdf(x) + np.log(np.gradient(x))
        mass -= special.logsumexp(mass)
        mean = np.exp(mass) @ x
        return (x - mean) / np.sqrt(np.exp(mass) @ (x - mean) ** 2), mass

    def tilted(self, linear: float, square: float) -> tuple[np.ndarray, float]:
        """Probabilities proportional to f exp(linear y - square y^2), and the log of the normaliser."""
        y, mass = self.grid
        exponent = mass + linear * y - square * y * y
        norm = float(special.logsumexp(exponent))
        return np.exp(exponent - norm), norm

    def _moments(self, linear: float, square: float) -> tuple[float, float]:
        """Mean over standard deviation, and relative entropy, of a tilt."""
        y, _ = self.grid
        p, norm = self.tilted(linear, square)
        mean, second = float(p @ y), float(p @ (y * y))
        return mean / np.sqrt(second - mean * mean), linear * mean - square * second - norm

    def likeliest(self, ratio: float) -> tuple[float, float]:
        """The tilt of least relative entropy that makes mean / standard deviation equal to `ratio`."""
        sign = np.sign(ratio)

        def linear_for(square: float) -> float:
            end = sign * 1e-3
            while (self._moments(end, square)[0] - ratio) * sign < 0:
                end *= 2.0
            return float(optimize.brentq(lambda a: self._moments(a, square)[0] - ratio, -5.0 * sign, end))

        def entropy(log_square: float) -> float:
            square = float(np.exp(log_square))
            return self._moments(linear_for(square), square)[1]

        square = float(np.exp(optimize.minimize_scalar(entropy, bounds=(-12.0, 4.0), method="bounded").x))
        return linear_for(square), square


LAWS = {
    "normal": Noise(stats.norm(), -12.0, 12.0),
    "exponential": Noise(stats.expon(), 1e-9, 60.0),
    "chi-square(1)": Noise(stats.chi2(1), 1e-14, 120.0, logarithmic=True),
    "Student t(5)": Noise(stats.t(5), -200.0, 200.0, points=40_001),
    "log-normal": Noise(stats.lognorm(1.0), 1e-5, 1e5, logarithmic=True),
    "Pareto(3)": Noise(stats.pareto(3), 1.0 + 1e-12, 1e6, logarithmic=True),
}


@dataclass(frozen=True)
class Miss:
    """Chance that an interval lies wholly on one side of the truth, in units of its level, with standard errors.

    `plain` is Student's interval, of which half the level falls on each side under normality; `engine` the one of
    the engine; `decided` counts only the misses that the tail diagnostic lets pass.
    """

    plain: tuple[float, float]
    engine: tuple[float, float]
    decided: tuple[float, float]


def miss(law: Noise, n: int, level: float, side: int, draws: int, rng: np.random.Generator) -> Miss:
    """Estimate the chance that intervals for the mean of `n` trials at `level` miss on one `side` (-1: too low)."""
    z = float(-special.ndtri(level / 2.0))
    # The engine's threshold is further out than Student's: aim between the two.
    aim = -special.stdtrit(n - 1.0, level * np.exp(-0.7 * z**4 / n) / 2.0)
    linear, square = law.likeliest(side * float(aim) / np.sqrt(n))
    p, norm = law.tilted(linear, square)
    y, _ = law.grid
    below = np.cumsum(p)
    sample = y[np.minimum(np.searchsorted(below, rng.random((n, draws)) * below[-1]), y.size - 1)]
    weight = np.exp(n * norm - linear * sample.sum(axis=0) + square * np.square(sample).sum(axis=0))
    estimate = means.mean(sample)
    student = -special.stdtrit(n - 1.0, level / 2.0)
    low, high = estimate.interval(level)
    missed = low > 0 if side > 0 else high < 0
    decided = missed.copy()
    if missed.any():
        decided[missed] = tails.tame(sample[:, missed], z)

    def in_levels(event: np.ndarray) -> tuple[float, float]:
        x = weight * event / level
        return float(x.mean()), float(x.std() / np.sqrt(draws))

    return Miss(in_levels(side * estimate.value > student * estimate.error), in_levels(missed), in_levels(decided))
