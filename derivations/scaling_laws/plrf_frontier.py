r"""Compute-optimal frontiers of power-law random features, from the deterministic equivalent.

At a budget of $f = r B d$ multiplications the loss of a run with d features is $P(f/(dB), d)$. The frontier is its
minimum over d: the compute-optimal size $d^*(f)$ and the loss $P^*(f)$ there. Its slopes in doubly logarithmic
coordinates are exponents at *finite* compute; they tend to the exponents of `plrf_phases`.

    frontier(alpha, beta, budgets, sizes)    d* and P* at given budgets, from losses at given sizes
    slopes(alpha, beta, top)                 both exponents where d* is a little below 2^top

Conventions, unless told otherwise: B = 1; v = 400 d inputs above the high-dimensional line 2 alpha = 1 (the limit of
infinitely many) and v = 4 d below it (where the law depends on v/d); the learning rate is the natural one,
min(1/2, 1/sum_j j^(-2 alpha)): constant above the line and of order $d^{2\alpha - 1}$ below it.

At a fixed budget the logarithm of the loss is a smooth function of the logarithm of d: a spline through its values at a
few sizes has its minimum where the loss has. The error is the difference from the spline through every other size, and
what the errors of the losses can move.

How far finite compute is from the limit. Slope minus exponent, over six octaves of f, where the largest size is 2^26
and where it is 2^36; next to a boundary two components stay of the same order for many octaves:

    across alpha = 1/2                            across beta = 1/2
    alpha   beta  xi              eta             alpha   beta  xi              eta
    0.4     0.3   -0.002 -0.000   -0.001 -0.000   0.8     0.4   +0.002 +0.000   -0.002 -0.000
    0.45    0.3   -0.007 -0.003   -0.004 -0.002   0.8     0.45  +0.006 +0.003   -0.006 -0.003
    0.48    0.3   -0.013 -0.008   -0.006 -0.004   0.8     0.48  +0.010 +0.006   -0.011 -0.007
    0.52    0.3   -0.010 -0.007   -0.008 -0.005   0.8     0.52  +0.010 +0.006   -0.011 -0.007
    0.55    0.3   -0.007 -0.003   -0.005 -0.002   0.8     0.55  +0.006 +0.002   -0.007 -0.003
    0.6     0.3   -0.002 -0.001   -0.002 -0.000   0.8     0.6   +0.003 +0.001   -0.002 -0.001
    0.4     1     +0.005 -0.000   -0.000 -0.000   0.4     0.4   +0.001 +0.000   -0.005 -0.001
    0.45    1     -0.001 -0.001   -0.003 -0.001   0.4     0.45  +0.006 +0.003   -0.014 -0.006
    0.48    1     -0.003 -0.002   -0.006 -0.003   0.4     0.48  +0.011 +0.007   -0.022 -0.012
    0.52    1     -0.007 -0.004   -0.011 -0.007   0.4     0.52  +0.019 +0.014   -0.020 -0.010
    0.55    1     -0.008 -0.004   -0.011 -0.006   0.4     0.55  +0.025 +0.019   -0.008 -0.001
    0.6     1     -0.006 -0.001   -0.007 -0.003   0.4     0.6   +0.035 +0.021   +0.004 +0.005
                                                  0.4     0.8   +0.028 +0.001   +0.005 -0.000

    across beta = alpha                           across alpha = 1 - 1/sqrt 2 = 0.2929
    1       0.8   +0.002 +0.001   +0.002 +0.000   0.26    0.9   -0.001 -0.001   +0.002 +0.005
    1       0.9   +0.007 +0.004   +0.004 +0.002   0.27    0.9   -0.004 -0.005   +0.014 +0.014
    1       0.95  +0.006 +0.005   +0.003 +0.003   0.28    0.9   -0.009 -0.009   +0.025 +0.023
    1       1.05  +0.002 +0.002   +0.001 +0.001   0.29    0.9   -0.014 -0.015   +0.036 +0.030
    1       1.1   +0.002 +0.001   +0.001 +0.001   0.296   0.9   +0.104 +0.102   +0.038 +0.030
    1       1.2   +0.001 +0.000   +0.001 +0.000   0.31    0.9   +0.105 +0.096   +0.036 +0.020
                                                  0.33    0.9   +0.100 +0.043   +0.028 +0.004
                                                  0.36    0.9   +0.062 +0.001   +0.012 +0.000

So 0.1 away from a straight boundary slopes are exponents to 0.01, and 0.02 away to about 0.02. Below the high-
dimensional line with 2 beta > 1 that takes more: in IVa the size approaches its exponent from that of IVb, slowly if
beta is near 1/2 or alpha near the jump, next to which no feasible compute tells 1/2 from the value beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.interpolate import make_interp_spline

from theorylab.derivations.scaling_laws.plrf_numerics import Equivalent
from theorylab.derivations.scaling_laws.plrf_phases import CONVENTIONS, SPACE
from theorylab.derivations.scaling_laws.plrf_sums import nodes
from theorylab.parameters import Interval, Parameter, Space
from theorylab.prediction import Numerical, PredictionError, Value

TOP = Parameter("top", Interval(12.0, 60.0), "binary logarithm of the largest number of features", default=26.0)

# Points a panel in the quadratures.
POINTS = 10
# Inputs per feature above the high-dimensional line, and below it.
MANY, FEW = 400.0, 4.0
# Octaves of compute over which a slope is measured, and below the largest size in which sizes are taken.
SPAN, DEPTH = 6, 6.0
# Refinements, spacing of sizes in octaves and points a panel, and the error of a slope with which one is content.
REFINEMENTS = ((0.5, 8), (0.25, 10), (0.125, 12))
SLOPE_ERROR = 2e-3


class Setting(NamedTuple):
    """Samples a step, points a panel of the quadratures, inputs per feature, and gamma sum_j j^(-2 alpha) at most."""

    batch: float = 1.0
    points: int = POINTS
    ratio: float | None = None
    rate: float = 1.0


USUAL = Setting()


class Frontier(NamedTuple):
    """Binary logarithms of the compute-optimal size and of the loss there, float64[budgets], with their errors."""

    size: Value
    loss: Value


class Slopes(NamedTuple):
    """Finite-compute exponents of d* and of 1/P*, each with its error, and the budgets (binary logarithms) used."""

    size: Value
    loss: Value
    budgets: tuple[float, float]


def inputs(alpha: float, d: float) -> float:
    """Number of inputs v for d features."""
    return (MANY if 2.0 * alpha > 1.0 else FEW) * d


def natural_rate(alpha: float, v: float, rate: float = 1.0) -> float:
    """min(1/2, rate/sum_j j^(-2 alpha)) over v inputs."""
    j, weight = nodes(v)
    return min(0.5, rate / float(weight @ j ** (-2.0 * alpha)))


@lru_cache(maxsize=128)
def model(alpha: float, beta: float, d: float, setting: Setting = USUAL) -> Equivalent:
    """The deterministic equivalent at the conventions of this module."""
    v = inputs(alpha, d) if setting.ratio is None else setting.ratio * d
    gamma = natural_rate(alpha, v, setting.rate)
    return Equivalent(alpha, beta, d, v, gamma, setting.batch, points=setting.points)


def losses(alpha: float, beta: float, budgets: np.ndarray, sizes: np.ndarray, setting: Setting = USUAL) -> Value:
    """Binary logarithm of P(f/(dB), d), float64[sizes, budgets]; sizes and budgets are binary logarithms too."""
    curves = [model(alpha, beta, 2.0**size, setting).risk(2.0 ** (budgets - size) / setting.batch) for size in sizes]
    value, error = (np.stack([curve[i] for curve in curves]) for i in range(2))
    return Value(np.log2(value), error / (value * np.log(2.0)))


def frontier(alpha: float, beta: float, budgets: np.ndarray, sizes: np.ndarray, setting: Setting = USUAL) -> Frontier:
    """Compute-optimal size and loss at given budgets, from the losses at given sizes.

    Parameters
    ----------
    alpha, beta
        Exponents of data and target.
    budgets : float64[n]
        Binary logarithms of f = r B d.
    sizes : float64[m]
        Binary logarithms of d, ascending, m >= 11; every minimum must lie between them.
    setting
        What differs from the conventions of this module.

    Raises
    ------
    PredictionError
        When at some budget the loss is smallest at the smallest or the largest size.
    """
    value, error = losses(alpha, beta, budgets, sizes, setting)
    best = np.argmin(value, axis=0)
    outside = (best == 0) | (best == len(sizes) - 1)
    if np.any(outside):
        raise PredictionError(
            f"the compute-optimal size at f = 2^{budgets[outside][0]:g} is not between the sizes given, "
            f"2^{sizes[0]:g} and 2^{sizes[-1]:g}"
        )
    return Frontier(*(_judged(versions) for versions in _minima(sizes, value, error)))


@lru_cache(maxsize=4096)
def slopes(alpha: float, beta: float, top: float = 26.0, accuracy: float = SLOPE_ERROR) -> Slopes:
    """Exponents at finite compute: slopes of log d* and of -log P* over six octaves of f, by least squares.

    The last budget is the largest power of two at which d* stays a factor of two below the largest size, 2^top. Sizes
    and quadratures are refined until the slopes are known to `accuracy`.

    Parameters
    ----------
    alpha, beta
        Exponents of data and target.
    top
        Binary logarithm of the largest size.
    accuracy
        Error of the slopes with which one is content.
    """
    budgets = _last_budgets(alpha, beta, top)
    row = np.polyfit(budgets, np.eye(len(budgets)), 1)[0]
    for step, points in REFINEMENTS:
        sizes = np.arange(top - DEPTH, top + step / 2.0, step)
        size, loss = _minima(sizes, *losses(alpha, beta, budgets, sizes, Setting(points=points)))
        found = Slopes(_judged(size @ row), _judged(-loss @ row), (float(budgets[0]), float(budgets[-1])))
        if max(found.size.error, found.loss.error) <= accuracy:
            break
    return found


def _last_budgets(alpha: float, beta: float, top: float) -> np.ndarray:
    """Whole binary logarithms of budgets, the last of which has its optimum just below 2^(top - 1)."""
    step, points = REFINEMENTS[0]
    sizes = np.arange(top - DEPTH, top + step / 2.0, step)
    # d* grows like a power of f between 1/4 and 2/3.
    candidates = np.arange(np.ceil(top), 5.0 * top)
    best = sizes[np.argmin(losses(alpha, beta, candidates, sizes, Setting(points=points)).value, axis=0)]
    last = candidates[(best > sizes[0]) & (best <= top - 1.0)][-1]
    return np.arange(last - SPAN, last + 0.5)


def _judged(versions: np.ndarray) -> Value:
    """The first of several versions, and what the others differ from it by, together."""
    return Value(versions[0], np.abs(versions[1:] - versions[0]).sum(axis=0))


def _minima(sizes: np.ndarray, value: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the loss is smallest and how small, float64[3, budgets] each.

    The versions are: all sizes; their losses off by their errors, of alternating sign, which moves a minimum most; and
    every other size.
    """
    signs = np.resize([1.0, -1.0], len(sizes))[:, None]
    versions = [_minimum(sizes, value), _minimum(sizes, value + signs * error), _minimum(sizes[::2], value[::2])]
    place, least = np.stack(versions, axis=1)
    return place, least


def _minimum(sizes: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each column's spline is smallest, and how small, float64[budgets] each."""
    spline = make_interp_spline(sizes, value, k=5)
    fine = np.linspace(sizes[0], sizes[-1], 64 * (len(sizes) - 1) + 1)
    table = spline(fine)
    # The vertex of the parabola through the least value and its neighbours.
    i = np.clip(np.argmin(table, axis=0), 1, len(fine) - 2)
    left, middle, right = (np.take_along_axis(table, (i + k)[None], axis=0)[0] for k in (-1, 0, 1))
    slope, bend = (right - left) / 2.0, right - 2.0 * middle + left
    shift = np.clip(-slope / bend, -1.0, 1.0)
    return fine[i] + shift * (fine[1] - fine[0]), middle + slope * shift + bend * shift**2 / 2.0


def _each(index: int) -> Callable[..., Value]:
    def function(alpha: np.ndarray, beta: np.ndarray, top: np.ndarray) -> Value:
        points = np.broadcast(alpha, beta, top)
        found = [slopes(float(p), float(q), float(t))[index] for p, q, t in points]
        return Value(*(np.reshape([f[i] for f in found], points.shape) for i in range(2)))

    return function


def _measured(index: int, quantity: str) -> Numerical:
    return Numerical(
        function=_each(index),
        space=Space([*SPACE.parameters, TOP], SPACE.constraints),
        quantity=quantity,
        conventions=CONVENTIONS,
    )


SIZE = _measured(0, "slope of log d* against log f")
LOSS = _measured(1, "slope of -log P* against log f")
