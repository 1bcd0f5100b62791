r"""Searches for problems in which more samples or more features hurt random-feature ridge regression.

A problem is a spectrum of M eigenvalues, a target, a noise variance, and two sizes (n, k) <= (n', k'). Its score is the
test error of the larger problem over that of the smaller one, from the published formula, each with its best ridge
(`best_ridge`) or both with one ridge (`one_ridge`). A case is a climb: a random problem is changed at random
many times over, and changes that raise the score are kept.

With z = sum lambda/(lambda + g) a g belongs to the ridge g (n - z)(k - z)/k: the best ridge is found over g, on a grid
above the least g and on finer ones around its minima. There may be several: a search that refines only the lowest point
of the grid is led by the climbs to problems with two equal minima, and reports counterexamples that are none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

# Eigenvalues of a problem, attempts to change it, halvings of an interval of log g.
MODES, ROUNDS, HALVINGS = 12, 24, 60
# Points of the grid over all g, minima on it that are looked at more closely, points of the finer grids.
GRID, MINIMA, FINE = 64, 3, 25
# Relative error of the least risk: the last grid's half spacing is 0.002 in log g.
ACCURACY = 1e-5
# Random numbers for a problem or a change: two for each mode, and 8.
NUMBERS = 2 * MODES + 8
LEAST_LOG, MOST_LOG = -14.0, 4.0


class Problems:
    """A batch of problems.

    Parameters
    ----------
    lam, power : float64[cases, M]
        Eigenvalues, squared coefficients.
    noise : float64[cases]
    size, larger : float64[cases, 2]
        (n, k) and (n', k').
    ridge : float64[cases]
        For `one_ridge`.
    """

    def __init__(self, numbers: np.ndarray) -> None:
        """From the logarithms of all that is positive, float64[cases, NUMBERS]."""
        logs = np.clip(numbers, LEAST_LOG, MOST_LOG)
        self.lam, self.power = np.exp(logs[:, :MODES]), np.exp(logs[:, MODES : 2 * MODES])
        rest = numbers[:, 2 * MODES :]
        self.noise = np.exp(np.clip(rest[:, 0], LEAST_LOG, MOST_LOG))
        self.ridge = np.exp(np.clip(rest[:, 1], LEAST_LOG, MOST_LOG))
        # Sizes from 0.5 to 3 M, growth by as much as 20.
        self.size = np.exp(np.clip(rest[:, 2:4], np.log(0.5), np.log(3.0 * MODES)))
        self.larger = self.size * np.exp(np.clip(rest[:, 4:6], 0.0, 3.0))

    @property
    def growth(self) -> np.ndarray:
        """n'k'/(nk), float64[cases]."""
        grown: np.ndarray = np.prod(self.larger / self.size, axis=1)
        return grown


def _sums(problems: Problems, g: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Learnabilities, float64[cases, points, M], and their sums z and q, at g, float64[cases, points]."""
    learned = problems.lam[:, None, :] / (problems.lam[:, None, :] + g[..., None])
    return learned, learned.sum(axis=2), np.square(learned).sum(axis=2)


def published_risk(problems: Problems, size: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Test error at g, float64[cases, points]; infinite where the ridge would be negative."""
    n, k = size[:, 0, None], size[:, 1, None]
    learned, z, q = _sums(problems, g)
    missed = 1.0 - learned
    kappa = g * (k - z) / k
    with np.errstate(divide="ignore", invalid="ignore"):
        turned = (kappa * k / (k - q) / g)[..., None] * learned * missed
        signal = ((missed - turned) * problems.power[:, None, :]).sum(axis=2)
        factor = 1.0 - (q * (k - 2.0 * z) + z * z) / (n * (k - q))
        risk = (signal + problems.noise[:, None]) / factor
    # Rounding leaves nothing of a factor that is smaller.
    allowed = (z < np.minimum(n, k)) & (factor > 1e-10) & (k - q > 1e-10 * k)
    return np.where(allowed, risk, np.inf)


def _root(function: Callable[[np.ndarray], np.ndarray], cases: int) -> np.ndarray:
    """Zero of a function that falls with log g, by halving, float64[cases]."""
    low, high = np.full(cases, LEAST_LOG - 30.0), np.full(cases, MOST_LOG + 30.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        above = function(np.exp(middle)) > 0.0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return high


def best_risk(problems: Problems, size: np.ndarray) -> np.ndarray:
    """Test error with the best ridge, float64[cases]."""
    cases, fewer = len(size), size.min(axis=1)
    least = np.exp(_root(lambda g: _sums(problems, g[:, None])[1][:, 0] - fewer, cases))
    least = np.where(fewer >= MODES, 0.0, least)
    bottom = np.log(np.where(least > 0.0, least, problems.lam.min(axis=1)))
    low, high = bottom - 12.0, np.maximum(np.log(problems.lam.max(axis=1)), bottom) + 12.0
    step = (high - low) / (GRID - 1)
    u = low[:, None] + step[:, None] * np.arange(GRID)
    risk = published_risk(problems, size, least[:, None] + np.exp(u))
    sides = np.pad(risk, ((0, 0), (1, 1)), constant_values=np.inf)
    lowest = np.where((risk <= sides[:, :-2]) & (risk <= sides[:, 2:]), risk, np.inf)
    places = lowest.argsort(axis=1)[:, :MINIMA]
    best = lowest.min(axis=1)
    rows = np.arange(cases)
    # Between the neighbours of each of these minima, and again.
    for place in places.T:
        centre, width = u[rows, place], step
        for _ in range(2):
            width = 2.0 * width / (FINE - 1)
            around = centre[:, None] + width[:, None] * (np.arange(FINE) - (FINE - 1) / 2.0)
            near = published_risk(problems, size, least[:, None] + np.exp(around))
            i = near.argmin(axis=1)
            best, centre = np.minimum(best, near[rows, i]), around[rows, i]
    return best


def _risk_at_one_ridge(problems: Problems, size: np.ndarray) -> np.ndarray:
    n, k = size[:, 0], size[:, 1]

    def excess(g: np.ndarray) -> np.ndarray:
        z = _sums(problems, g[:, None])[1][:, 0]
        return np.where(z >= np.minimum(n, k), 1.0, problems.ridge * k / g - (n - z) * (k - z))

    return published_risk(problems, size, np.exp(_root(excess, len(size)))[:, None])[:, 0]


def _score(problems: Problems, risk: Callable[[Problems, np.ndarray], np.ndarray]) -> np.ndarray:
    before, after = risk(problems, problems.size), risk(problems, problems.larger)
    found = np.isfinite(before) & np.isfinite(after)
    return np.where(found, after / np.where(found, before, 1.0), 0.0)


def _start(rng: Stream, trials: int) -> np.ndarray:
    """Random problems: power laws, eigenvalues of any size, or two groups; targets alike; growth of n, k, or both."""
    normal, u = rng.normal(trials, NUMBERS), rng.uniform(trials, 8)
    numbers = np.empty_like(normal)
    places = np.log(np.arange(1.0, MODES + 1.0))
    kind = np.arange(trials) % 3
    power_law = -(0.3 + 3.0 * u[:, :1]) * places
    groups = np.where(np.arange(MODES) < 1 + MODES // 2 * u[:, :1], 0.0, -10.0 * u[:, 1:2])
    spread = 3.0 * normal[:, :MODES]
    numbers[:, :MODES] = np.select([kind[:, None] == 0, kind[:, None] == 1], [power_law, groups], spread)
    decay = -4.0 * u[:, 2:3] * places
    numbers[:, MODES : 2 * MODES] = np.where(u[:, 3:4] < 0.5, decay, 3.0 * normal[:, MODES : 2 * MODES])
    rest = numbers[:, 2 * MODES :]
    rest[:, 0], rest[:, 1] = -2.0 + 4.0 * normal[:, -1], -3.0 + 3.0 * normal[:, -2]
    rest[:, 2:4] = np.log(MODES * (0.1 + 1.5 * u[:, 4:6]))
    growth = 0.05 + np.abs(normal[:, -4:-2])
    which = np.arange(trials) // 3 % 3
    rest[:, 4], rest[:, 5] = np.where(which == 1, 0.0, growth[:, 0]), np.where(which == 0, 0.0, growth[:, 1])
    rest[:, 6:] = 0.0
    return numbers


def _climb(trials: int, rng: Stream, risk: Callable[[Problems, np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
    numbers = _start(rng, trials)
    growing = numbers[:, 2 * MODES + 4 : 2 * MODES + 6] > 0.0
    score = _score(Problems(numbers), risk)
    scales = np.exp(-2.5 * rng.uniform(trials, ROUNDS))
    for i in range(ROUNDS):
        changed = numbers + scales[:, i, None] * rng.normal(trials, NUMBERS)
        # What grows keeps growing, by a factor of 1.05 at least; the rest stays.
        grown = changed[:, 2 * MODES + 4 : 2 * MODES + 6]
        changed[:, 2 * MODES + 4 : 2 * MODES + 6] = np.where(growing, np.maximum(grown, 0.05), 0.0)
        new = _score(Problems(changed), risk)
        better = new > score
        numbers, score = np.where(better[:, None], changed, numbers), np.where(better, new, score)
    growth = Problems(numbers).growth
    return {"x": growth, "y": score, "error": ACCURACY * score, "case": np.arange(trials)}


def _cost(points: float) -> Cost:
    evaluations = 2.0 * (ROUNDS + 1.0)
    # Memory: of 512 cases, the most in a block.
    return Cost(
        flops=evaluations * points * MODES * 12.0,
        bytes=512.0 * 8.0 * 6.0 * GRID * MODES,
        draws=(ROUNDS + 1.0) * NUMBERS + ROUNDS,
        moved=evaluations * points * MODES * 120.0,
    )


@simulation(backends=("numpy", "numba"), per_trial=False, cost=lambda **_: _cost(GRID + 2.0 * MINIMA * FINE + HALVINGS))
def best_ridge(trials: int, rng: Stream) -> dict[str, np.ndarray]:
    """Climbs for the risk with the best ridge, after over before the problem grows.

    Returns
    -------
    x, y, error, case : float64[trials]
        n'k'/(nk), the ratio of risks, its numerical error (of the grids), the number of the case.
    """
    return _climb(trials, rng, best_risk)


@simulation(backends=("numpy", "numba"), per_trial=False, cost=lambda **_: _cost(HALVINGS + 1.0))
def one_ridge(trials: int, rng: Stream) -> dict[str, np.ndarray]:
    """The same with a ridge that stays as it is, not tuned to either size.

    Returns
    -------
    x, y, error, case : float64[trials]
        As `best_ridge`.
    """
    return _climb(trials, rng, _risk_at_one_ridge)
