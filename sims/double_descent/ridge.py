r"""Ridge regression on Gaussian designs with isotropic features.

A trial draws a design of n samples and $p = \gamma n$ features (rounded), $X_{ij} \sim N(0, 1)$; the labels are
$y = X \beta + \varepsilon$ with $\|\beta\|^2$ = r2 and noise of variance sigma2, and
$\hat\beta = (X^T X/n + \lambda)^{-1} X^T y/n$.

`conditional` and `smallest_risk` draw no labels: given the design, means over the noise and over the direction of the
signal are sums over its spectrum. `fitted` and `slope` fit drawn labels.

Cost of a trial: $2 n p m$ operations, $m = \min(n, p)$, for the smaller Gram matrix and $4 m^3/3$ for its eigenvalues,
or $m^3/3$ for its Cholesky factor (`kernels/least_squares.py`).
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels import least_squares
from theorylab.kernels.arrays import namespace
from theorylab.kernels.eigen import gram_eigenvalues
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, Samples, simulation

SOLVERS = {
    "numpy": least_squares.ridge_numpy,
    "numba": least_squares.ridge_numba,
    "cupy": least_squares.ridge,
}
# The best ridge is looked for between e^-SPAN and e^SPAN, until the bracket is narrower than WIDTH in log lam: the risk
# is flat at its minimum, so that half the digits suffice.
SPAN, WIDTH = 12.0, 1e-6
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def _spectral_cost(n: int, gamma: float, passes: float) -> Cost:
    p = round(gamma * n)
    small = min(n, p)
    gram, eigen = 2.0 * n * p * small, 4.0 / 3.0 * small**3
    return Cost(
        flops=gram + eigen,
        bytes=8.0 * (n * p + small**2 + 12.0 * small),
        draws=n * p,
        moved=24.0 * n * p + 24.0 * passes * small,
        products=gram,
        factorisations=eigen,
        order=small,
    )


def _fit_cost(n: int, gamma: float, fits: int) -> Cost:
    p = round(gamma * n)
    small = min(n, p)
    gram, factor = 2.0 * n * p * small, small**3 / 3.0
    blocked = small >= least_squares.BLOCKED
    # The solvers work on a part of a batch at a time: not every trial holds its Gram matrix.
    return Cost(
        flops=fits * (gram + factor + 4.0 * small**2),
        bytes=8.0 * (n * p + small**2 / 2.0 + 2.0 * (n + p)),
        draws=n * (p + 1.0),
        moved=8.0 * n * p * (1.0 + 4.0 * fits),
        steps=fits * ((0.0 if blocked else small**2 / 2.0) + 4.0 * small),
        products=fits * gram,
        factorisations=fits * factor if blocked else 0.0,
        order=small,
    )


def _spectrum(trials: int, rng: Stream, n: int, p: int) -> np.ndarray:
    """Eigenvalues of X^T X / n without its structural zeros, float64[trials, min(n, p)]."""
    values = gram_eigenvalues(rng.normal(trials, p, n)) / n
    xp = namespace(values)
    # Rounding may take a small one below zero.
    positive: np.ndarray = xp.maximum(values, xp.asarray(0.0))
    return positive


@simulation(backends=tuple(SOLVERS), cost=lambda n, gamma, **_: _spectral_cost(n, gamma, 12.0))
def conditional(trials: int, rng: Stream, *, n: int, gamma: float, lam: float, sigma2: float, r2: float) -> Samples:
    r"""Means given the design, over the label noise and over the direction of the signal.

    Returns
    -------
    dict of float64[trials]
        ``bias``, ``variance``, ``excess``: of $\|\hat\beta - \beta\|^2$; ``train``: $\|y - X \hat\beta\|^2/n$;
        ``df``: the trace of the smoother, divided by n; ``gcv``: generalized cross-validation, train/(1 - df)^2.
    """
    p = round(gamma * n)
    s = _spectrum(trials, rng, n, p)
    xp = namespace(s)
    shift = s + lam
    lost = lam / shift
    bias = r2 / p * (xp.sum(lost**2, axis=1) + max(p - n, 0))
    variance = sigma2 / n * xp.sum(s / shift**2, axis=1)
    # Residuals are of order lam where the fit can interpolate: in that unit their ratio is a number at lam = 0 too.
    unit, idle = (1.0 / shift, 0) if p >= n else (lost, n - p)
    residual = r2 / p * xp.sum(s * unit**2, axis=1) + sigma2 / n * (xp.sum(unit**2, axis=1) + idle)
    free = (xp.sum(unit, axis=1) + idle) / n
    return {
        "bias": bias,
        "variance": variance,
        "excess": bias + variance,
        "train": residual * lam**2 if p >= n else residual,
        "df": xp.sum(s / shift, axis=1) / n,
        "gcv": residual / free**2,
    }


@simulation(backends=tuple(SOLVERS), cost=lambda n, gamma, **_: _spectral_cost(n, gamma, 330.0))
def smallest_risk(trials: int, rng: Stream, *, n: int, gamma: float, sigma2: float, r2: float) -> Samples:
    """The smallest excess risk that any ridge gives on the design, by golden-section search over log lam.

    Returns
    -------
    dict of float64[trials]
        ``excess``: the risk, a mean given the design as in `conditional`; ``lam``: the ridge.
    """
    p = round(gamma * n)
    s = _spectrum(trials, rng, n, p)
    xp = namespace(s)

    def risk(log_lam: np.ndarray) -> np.ndarray:
        lam = xp.exp(log_lam)[:, None]
        shift = s + lam
        terms = r2 / p * (lam / shift) ** 2 + sigma2 / n * s / shift**2
        total: np.ndarray = xp.sum(terms, axis=1) + r2 / p * max(p - n, 0)
        return total

    low, high = xp.full(trials, -SPAN), xp.full(trials, SPAN)
    for _ in range(math.ceil(math.log(WIDTH / (2.0 * SPAN)) / math.log(GOLDEN))):
        step = GOLDEN * (high - low)
        left, right = high - step, low + step
        falls = risk(left) > risk(right)
        low, high = xp.where(falls, left, low), xp.where(falls, high, right)
    centre = (low + high) / 2.0
    return {"excess": risk(centre), "lam": xp.exp(centre)}


def _problem(
    trials: int, rng: Stream, n: int, p: int, sigma2: float, r2: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Designs, labels, and the signal, r2 spread evenly over the features."""
    design = rng.normal(trials, n, p)
    signal = namespace(design).full(p, math.sqrt(r2 / p))
    return design, _product(design, signal) + math.sqrt(sigma2) * rng.normal(trials, n), signal


def _product(design: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    product: np.ndarray = (design @ coefficients[..., None])[..., 0]
    return product


@simulation(backends=tuple(SOLVERS), cost=lambda n, gamma, **_: _fit_cost(n, gamma, 1))
def fitted(trials: int, rng: Stream, *, n: int, gamma: float, lam: float, sigma2: float, r2: float) -> Samples:
    r"""Ridge regression on drawn labels, for a fixed signal.

    Returns
    -------
    dict of float64[trials]
        ``excess``: $\|\hat\beta - \beta\|^2$; ``train``: $\|y - X \hat\beta\|^2/n$.
    """
    design, labels, signal = _problem(trials, rng, n, round(gamma * n), sigma2, r2)
    found = SOLVERS[rng.backend](design, labels, n * lam)
    xp = namespace(found)
    return {
        "excess": xp.sum((found - signal) ** 2, axis=1),
        "train": xp.mean((labels - _product(design, found)) ** 2, axis=1),
    }


@simulation(backends=tuple(SOLVERS), cost=lambda n, gamma, **_: _fit_cost(n, gamma, 2))
def slope(trials: int, rng: Stream, *, n: int, gamma: float, lam: float, sigma2: float, r2: float) -> np.ndarray:
    r"""Derivative of $\|\hat\beta - \beta\|^2$ with respect to lam, for drawn labels, float64[trials]; lam > 0.

    $d\hat\beta/d\lambda = -n (X^T X + n \lambda)^{-1} \hat\beta$ is $-1/\lambda$ times the ridge fit of the residuals,
    because $n \lambda \hat\beta = X^T (y - X \hat\beta)$.
    """
    design, labels, signal = _problem(trials, rng, n, round(gamma * n), sigma2, r2)
    found = SOLVERS[rng.backend](design, labels, n * lam)
    moved = SOLVERS[rng.backend](design, labels - _product(design, found), n * lam)
    derivative: np.ndarray = namespace(found).sum((found - signal) * moved, axis=1) * (-2.0 / lam)
    return derivative
