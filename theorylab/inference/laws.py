"""Confidence bounds on the distance between a sampled distribution and a stated one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from theorylab.inference import means, tails

Cdf = Callable[[np.ndarray], np.ndarray]


def dkw_radius(n: int, level: float) -> float:
    """Half-width of the Dvoretzky-Kiefer-Wolfowitz band with Massart's (1990) constant."""
    return float(np.sqrt(np.log(2.0 / level) / (2.0 * n)))


def distance(sample: np.ndarray, cdf: Cdf) -> tuple[float, float]:
    """Sup-distance between the empirical CDF of `sample`[n] and a CDF, and where it is attained.

    Both one-sided limits of the empirical CDF are looked at, so that atoms of `cdf` at sample points do not
    count as discrepancies: ties are taken together.
    """
    x, counts = np.unique(sample, return_counts=True)
    upper = np.cumsum(counts) / sample.size
    lower = np.concatenate([[0.0], upper[:-1]])
    at = cdf(x)
    # The limit from the left of a CDF with an atom at x; at continuous points it equals the value.
    left = cdf(np.nextafter(x, -np.inf))
    gaps = np.maximum(np.abs(upper - at), np.abs(lower - left))
    worst = int(np.argmax(gaps))
    return float(gaps[worst]), float(x[worst])


def ensemble_distance(
    sample: np.ndarray, cdf: Cdf, level: float, points: int = 512
) -> tuple[float, tuple[float, float], float]:
    """Sup-distance between the *expected* spectral distribution and a CDF, with a confidence interval.

    The trial (a matrix) is the unit of replication: its eigenvalues repel and are not independent. On a grid
    of quantiles of the pooled sample each trial gives the fraction of its values at or below the point; the
    means of these fractions get simultaneous intervals (union bound). Both CDFs are monotone, so that between
    two grid points the distance exceeds that at the points by at most the rise of one of the two CDFs. Where
    few trials have values on one side (in the tails) the fractions are too far from normal for an interval: there
    the expected CDF is only known to lie between its bounds at the neighbours.

    Parameters
    ----------
    sample : float64[trials, m]
    cdf
        The stated distribution function.
    level
        Error probability of the whole interval.
    points
        Size of the grid.

    Returns
    -------
    estimate, (low, high), where
        Largest distance seen, its interval, and the grid point of the largest distance.
    """
    from scipy.special import ndtri

    pooled = np.sort(sample, axis=None)
    # Midway between neighbours: a value of the sample would count itself. At an atom the neighbours coincide.
    index = np.unique(np.linspace(0, pooled.size - 2, points).astype(int))
    grid = np.unique((pooled[index] + pooled[index + 1]) / 2.0)
    # Fractions at each grid point and just left of it, so that an atom of the law may sit on a grid point.
    fractions = np.stack([_fractions(sample, grid, "right"), _fractions(sample, grid, "left")], axis=1)
    at = np.stack([cdf(grid), cdf(np.nextafter(grid, -np.inf))])
    gaps = np.abs(fractions.mean(axis=0) - at).max(axis=0)
    worst = int(np.argmax(gaps))
    alpha = level / (2 * grid.size)
    wild = ~tails.tame(fractions, float(-ndtri(alpha / 2.0))) | _unknown(fractions)
    low, high = means.mean(fractions).interval(alpha)
    low, high = _monotone(np.where(wild, 0.0, low), np.where(wild, 1.0, high))
    lower = max(0.0, float(np.max(low - at)), float(np.max(at - high)))
    # Between neighbours a < b both CDFs lie between their values at a and just left of b.
    high_left, low_right = np.append(high[1], 1.0), np.insert(low[0], 0, 0.0)
    at_left, at_right = np.append(at[1], 1.0), np.insert(at[0], 0, 0.0)
    upper = max(
        float(np.max(high - at)),
        float(np.max(at - low)),
        float(np.max(high_left - at_right)),
        float(np.max(at_left - low_right)),
    )
    return float(gaps[worst]), (lower, upper), float(grid[worst])


def _fractions(sample: np.ndarray, grid: np.ndarray, side: Literal["right", "left"]) -> np.ndarray:
    """For each trial the share of its values at or below (side "right"), or below, each point: [trials, points]."""
    trials, m = sample.shape
    # A value counts from the first grid point on that is not below it (or that is above it).
    first = np.searchsorted(grid, sample, "left" if side == "right" else "right")
    bins = grid.size + 1
    counts = np.bincount((first + bins * np.arange(trials)[:, None]).ravel(), minlength=bins * trials)
    shares: np.ndarray = np.cumsum(counts.reshape(trials, bins)[:, :-1], axis=1) / m
    return shares


def _unknown(fractions: np.ndarray) -> np.ndarray:
    """Where all trials agree, bool[side, point]: the spread then says nothing of what other trials may do.

    Only an atom that every trial has in the same measure is taken for a fact, and so are its two sides.
    """
    constant = np.ptp(fractions, axis=0) == 0
    atom = constant.all(axis=0) & (fractions[0, 0] != fractions[0, 1])
    return np.asarray(constant & ~atom)


def _monotone(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds [side, point] on a CDF right and left of a grid's points, sharpened by its being monotone."""
    # In the order of the line: left of the first point, right of it, left of the second, ...
    lowest = np.maximum.accumulate(low[::-1].T.ravel())
    highest = np.minimum.accumulate(high[::-1].T.ravel()[::-1])[::-1]
    return lowest.reshape(-1, 2).T[::-1], highest.reshape(-1, 2).T[::-1]
