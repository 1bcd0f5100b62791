r"""Confidence intervals for means, and for linear combinations of independent means.

The t statistic is made more normal by Hall's (1992) monotone cubic transformation, which removes the effect
of skewness to the next order. One routine serves a single mean, an extrapolated limit and a log-slope: each
is a linear combination :math:`\sum_i a_i \bar X_i` of independent means, of which the variance and the third
cumulant are known sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Sample size, mean, variance (n - 1 in the denominator) and third central moment; arrays over components.

    Parameters
    ----------
    n
        Number of trials.
    mean, variance, third
        float64[...], one entry per component of the observable.
    """

    n: int
    mean: np.ndarray
    variance: np.ndarray
    third: np.ndarray

    @classmethod
    def of(cls, sample: np.ndarray) -> Moments:
        """Moments of `sample`[trials, ...] along its first axis."""
        n = sample.shape[0]
        mean = sample.mean(axis=0)
        centred = sample - mean
        square = centred * centred
        variance = square.sum(axis=0) / max(n - 1, 1)
        return cls(n, np.asarray(mean), np.asarray(variance), np.asarray((square * centred).mean(axis=0)))


@dataclass(frozen=True)
class Estimate:
    """An estimator's value, standard error, skewness and degrees of freedom."""

    value: np.ndarray
    error: np.ndarray
    skewness: np.ndarray
    df: np.ndarray

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Two-sided interval that misses the truth with probability about `level` (half in each tail).

        Parameters
        ----------
        level
            Total error probability of this interval.

        Returns
        -------
        low, high : float64[...]
        """
        from scipy.special import stdtrit

        quantile = stdtrit(self.df, 1.0 - level / 2.0)
        low = self.value - self.error * hall_inverse(quantile, self.skewness)
        high = self.value - self.error * hall_inverse(-quantile, self.skewness)
        return low, high


def combination(weights: Sequence[np.ndarray | float], moments: Sequence[Moments]) -> Estimate:
    r"""Estimate :math:`\sum_i a_i E X_i` from independent samples.

    Degrees of freedom are Welch-Satterthwaite's.
    """
    n = [m.n for m in moments]
    value = sum(a * m.mean for a, m in zip(weights, moments))
    variances = [np.square(a) * m.variance / k for a, m, k in zip(weights, moments, n)]
    variance = sum(variances)
    third = sum(np.power(a, 3) * m.third / k**2 for a, m, k in zip(weights, moments, n))
    error = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness = np.where(error > 0, third / np.where(error > 0, error, 1.0) ** 3, 0.0)
        df = np.square(variance) / sum(np.square(v) / max(k - 1, 1) for v, k in zip(variances, n))
    df = np.where(np.isfinite(df), df, sum(n) - len(n))
    return Estimate(np.asarray(value), np.asarray(error), np.asarray(skewness), np.asarray(df))


def mean(sample: np.ndarray) -> Estimate:
    """Estimate the mean of `sample`[trials, ...] along its first axis."""
    return combination([1.0], [Moments.of(sample)])


def hall_inverse(x: np.ndarray | float, skewness: np.ndarray | float) -> np.ndarray:
    r"""Invert Hall's transformation of a studentised statistic.

    With :math:`a` the skewness of the *estimator* (sample skewness over :math:`\sqrt n`),
    :math:`g(t) = t + a t^2/3 + a^2 t^3/27 + a/6 = ((1 + a t/3)^3 - 1)/a + a/6` is close to normal; this
    returns :math:`g^{-1}(x)` (P. Hall, "On the removal of skewness by transformation", J. R. Statist. Soc. B
    54 (1992), eq. (2.1) there written for the mean).
    """
    x, a = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(skewness, dtype=float))
    small = np.abs(a) < 1e-8
    b = np.where(small, 1.0, a)
    inner = 1.0 + b * (x - b / 6.0)
    return np.asarray(np.where(small, x, 3.0 / b * (np.cbrt(inner) - 1.0)))
