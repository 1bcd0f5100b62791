r"""Fitting the law L = E + A/N^a + B/D^b to training runs, and the intervals that the bootstrap gives.

Synthetic runs lie on a grid of model sizes and token counts (`GRID`, spaced evenly in the logarithm), each cell with
the same number of copies; the logarithm of their loss is that of the law plus Gaussian noise of standard deviation s.
Parameters are in the order (ln A, ln B, ln E, a, b), and the estimator minimises the sum over the runs of Huber's loss
of the residual of ln L (`kernels/log_sum_fit.py`). With so many runs there is one minimum near the truth, from which
the fits of synthetic runs start; fits of a user's runs start from the whole grid `STARTS`. The bootstrap draws runs
with replacement and fits again from the minimum of all runs.

Cost of a fit: some eight steps, each of about 150 operations a run.
"""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.log_sum_fit import PARAMETERS, Fits, fit_arrays, fit_numba
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

# Model sizes and token counts of the synthetic runs: first, last, number.
SIZES, TOKENS = (5e7, 1e10, 5), (5e8, 2e11, 6)
CELLS = SIZES[2] * TOKENS[2]
# Starts of Hoffmann et al. (2022): ln A, ln B, ln E, a, b.
STARTS = (
    np.arange(0.0, 26.0, 5.0),
    np.arange(0.0, 26.0, 5.0),
    np.arange(-1.0, 1.1, 0.5),
    np.arange(0.0, 2.1, 0.5),
    np.arange(0.0, 2.1, 0.5),
)
# Steps of a fit from nearby, and operations that a step takes for a run.
STEPS, WORK = 8.0, 150.0


@cache
def starts() -> np.ndarray:
    """All combinations of `STARTS`, float64[4500, 5]."""
    return np.stack([axis.ravel() for axis in np.meshgrid(*STARTS, indexing="ij")], axis=1)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the model sizes and of the token counts of the cells, float64[CELLS] each."""
    sizes, tokens = (np.log(np.geomspace(*axis)) for axis in (SIZES, TOKENS))
    x, y = np.meshgrid(sizes, tokens, indexing="ij")
    return x.ravel(), y.ravel()


def fit(x: Any, y: Any, target: Any, which: Any, start: Any, delta: float, backend: str) -> Fits:
    """Minima from the starts, on the backend; see `fit_arrays` for the shapes."""
    return (fit_numba if backend == "numba" else fit_arrays)(x, y, target, which, start, delta)


def bootstrap(x: Any, y: Any, target: Any, best: Any, pick: Any, delta: float, backend: str) -> Any:
    """Minima for runs drawn with replacement, from the minimum for all runs.

    Parameters
    ----------
    x, y, target : float64[sets, n]
        Logarithms of model sizes, token counts and losses.
    best : float64[sets, 5]
        Minima for all runs.
    pick : float64[sets, resamples, n]
        Uniform random numbers.

    Returns
    -------
    float64[sets, resamples, 5]
    """
    xp = namespace(x, best, pick)
    sets, resamples, n = pick.shape
    rows = xp.reshape(xp.arange(sets), (sets, 1, 1)) * n
    index = xp.reshape(rows + xp.astype(xp.floor(pick * n), xp.int64), (-1,))
    first, second, third = (
        xp.reshape(xp.take(xp.reshape(a, (-1,)), index), (sets * resamples, n)) for a in (x, y, target)
    )
    begin = xp.reshape(xp.broadcast_to(best[:, None, :], (sets, resamples, PARAMETERS)), (-1, PARAMETERS))
    found = fit(first, second, third, xp.arange(sets * resamples), begin, delta, backend)
    return xp.reshape(found.parameters, (sets, resamples, PARAMETERS))


def with_exponent(theta: Any) -> Any:
    """The parameters followed by b/(a+b), the exponent of the best model size, along the last axis."""
    xp = namespace(theta)
    return xp.concat([theta, theta[..., 4:5] / (theta[..., 3:4] + theta[..., 4:5])], axis=-1)


def percentiles(values: Any, level: float) -> tuple[Any, Any]:
    """Ends of the central interval of that level along axis 1, between which a further value falls so often.

    The k-th smallest of R values stands for the probability k/(R+1); between them the ends are interpolated.
    """
    xp = namespace(values)
    ordered = xp.sort(values, axis=1)
    count = values.shape[1]
    ends = []
    for probability in (0.5 * (1.0 - level), 0.5 * (1.0 + level)):
        place = min(max(probability * (count + 1) - 1.0, 0.0), count - 1.0)
        low = min(int(place), count - 2)
        part = place - low
        ends.append((1.0 - part) * ordered[:, low, ...] + part * ordered[:, low + 1, ...])
    return ends[0], ends[1]


def symmetric(values: Any, centre: Any, level: float) -> tuple[Any, Any]:
    """Ends of the interval of that level around the estimates, from their bootstrap values along axis 1.

    The scale is half the width of the central 68.3 % of the values, which no stray resample moves. With few runs the
    interval between percentiles is too wide: the fit is nearly one of least absolute deviations, and the quantiles of
    its bootstrap distribution lean to the side to which the estimate is off.
    """
    low, high = percentiles(values, math.erf(math.sqrt(0.5)))
    reach = 0.5 * NormalDist().inv_cdf(0.5 * (1.0 + level)) * (high - low)
    return centre - reach, centre + reach


def _truth(A: float, B: float, E: float, a: float, b: float) -> np.ndarray:
    return np.array([math.log(A), math.log(B), math.log(E), a, b])


def _synthetic(
    trials: int, rng: Stream, copies: int, s: float, delta: float, truth: np.ndarray
) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Sets of runs, what their log-losses are without noise, the true parameters, and those fitted."""
    noise = rng.normal(trials, CELLS * copies)
    xp = namespace(noise)
    x, y = (xp.broadcast_to(xp.asarray(np.tile(a, copies)), noise.shape) for a in grid())
    exact = xp.asarray(np.tile(log_loss(*grid(), truth), copies))
    target = exact + s * noise
    true = xp.asarray(truth)
    start = xp.broadcast_to(true, (trials, PARAMETERS))
    found = fit(x, y, target, xp.arange(trials), start, delta, rng.backend)
    return x, y, target, exact, true, found.parameters


def log_loss(x: Any, y: Any, theta: Any) -> Any:
    """Logarithm of the law's loss; the parameters along the last axis of theta, broadcast against x and y."""
    xp = namespace(x, theta)
    terms = (
        theta[..., 0, None] - theta[..., 3, None] * x,
        theta[..., 1, None] - theta[..., 4, None] * y,
        theta[..., 2, None] + 0.0 * x,
    )
    return xp.logaddexp(xp.logaddexp(terms[0], terms[1]), terms[2])


def _fit_cost(*, copies: float, **_: object) -> Cost:
    n = CELLS * copies
    flops = STEPS * WORK * n + 60.0 * n
    return Cost(flops, 8.0 * (6.2 * n + 24.0), draws=n, moved=24.0 * 20.0 * n, steps=60.0 * STEPS)


@simulation(backends=("numpy", "numba", "cupy"), cost=_fit_cost)
def fitted(
    trials: int,
    rng: Stream,
    *,
    copies: int,
    s: float,
    delta: float,
    A: float,
    B: float,
    E: float,
    a: float,
    b: float,
) -> dict[str, Any]:
    """Errors of the fitted parameters, for n = copies * CELLS runs.

    Returns
    -------
    curve : float64[trials]
        Squared error of the fitted log-loss, summed over the runs, in units of 5 s^2.
    squares : float64[trials, 6]
        n times the squared errors of (ln A, ln B, ln E, a, b) and of b/(a+b).
    exponent, aa, bb, ab : float64[trials]
        n times the squared error of b/(a+b), and n times the products of the errors of a and b.
    """
    truth = _truth(A, B, E, a, b)
    x, y, _, exact, true, found = _synthetic(trials, rng, copies, s, delta, truth)
    xp = namespace(found)
    n = exact.shape[0]
    error = with_exponent(found) - with_exponent(true)
    squares = n * error * error
    curve = xp.sum((log_loss(x, y, found) - exact) ** 2, axis=1) / (PARAMETERS * s * s)
    return {
        "curve": curve,
        "squares": squares,
        "exponent": squares[:, 5],
        "aa": squares[:, 3],
        "bb": squares[:, 4],
        "ab": n * error[:, 3] * error[:, 4],
    }


def _bootstrap_cost(*, copies: float, resamples: float, **_: object) -> Cost:
    n = CELLS * copies
    draws = (resamples + 1.0) * n
    steps = 60.0 * STEPS * (resamples + 1.0)
    held = 8.0 * 5.3 * draws + 160.0 * resamples
    return Cost(STEPS * WORK * draws, held, draws=draws, moved=24.0 * 8.0 * draws, steps=steps)


@simulation(backends=("numpy", "numba", "cupy"), cost=_bootstrap_cost)
def bootstrapped(
    trials: int,
    rng: Stream,
    *,
    copies: int,
    s: float,
    delta: float,
    resamples: int,
    level: float,
    A: float,
    B: float,
    E: float,
    a: float,
    b: float,
) -> dict[str, Any]:
    """Intervals from the bootstrap, for n = copies * CELLS runs.

    Returns
    -------
    covered, between_percentiles : float64[trials, 6]
        1 where the symmetric interval of (ln A, ln B, ln E, a, b) and of b/(a+b) holds the truth; the same for the
        interval between percentiles.
    width, scaled_width : float64[trials]
        Width of the symmetric interval of b/(a+b), and sqrt(n) times it.
    """
    x, y, target, exact, true, found = _synthetic(trials, rng, copies, s, delta, _truth(A, B, E, a, b))
    xp = namespace(found)
    n = exact.shape[0]
    pick = rng.uniform(trials, resamples, n)
    values = with_exponent(bootstrap(x, y, target, found, pick, delta, rng.backend))
    truth = with_exponent(true)
    ends = symmetric(values, with_exponent(found), level), percentiles(values, level)
    covered = [xp.astype((low <= truth) & (truth <= high), xp.float64) for low, high in ends]
    width = ends[0][1][:, 5] - ends[0][0][:, 5]
    return {
        "covered": covered[0],
        "between_percentiles": covered[1],
        "width": width,
        "scaled_width": math.sqrt(n) * width,
    }
