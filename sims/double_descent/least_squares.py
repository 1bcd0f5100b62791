r"""Least squares and minimum-norm interpolation on Gaussian designs.

A trial draws n samples $x_i$ and labels $y_i = x_i^T \beta + \varepsilon_i$, $\varepsilon_i \sim N(0, \sigma^2)$, and
fits $\hat\beta = X^+ y$ (Moore-Penrose): least squares where it is unique, the interpolator of least norm
otherwise. Risks are exact given the fit, since the test distribution is known; there is no test set.

Cost of a trial: a normal for each number of the design, $2 n p m$ operations for the Gram matrix of the shorter side,
$m = \min(n, p)$, $m^3/3$ and a division for each of $m^2/2$ entries of its Cholesky factor, and five products of the
design and a vector; see `kernels/least_squares.py`.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels import least_squares
from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, Samples, simulation

SOLVERS = {
    "numpy": least_squares.minimum_norm_numpy,
    "numba": least_squares.minimum_norm_numba,
    "cupy": least_squares.minimum_norm,
}


def _cost(n: int, p: int, drawn: int | None = None, chosen: bool = False, scaled: bool = False) -> Cost:
    small, features = min(n, p), drawn or p
    gram = 2.0 * n * p * small
    # Random columns: D uniforms are sorted, n p numbers gathered.
    sorting = features * math.log2(features) + n * p if chosen else 0.0
    # From some order on LAPACK makes the Cholesky factor.
    blocked = small >= least_squares.BLOCKED
    return Cost(
        flops=gram + small**3 / 3.0 + 4.0 * small**2,
        bytes=8.0 * (n * (features + (p if drawn or scaled else 0)) + small**2 + 4.0 * (n + p)),
        draws=n * (features + 1.0),
        moved=8.0 * n * (features + 4.0 * p + (2.0 * p if drawn or scaled else 0.0)),
        steps=(0.0 if blocked else small**2 / 2.0) + 4.0 * small + sorting,
        products=gram,
        factorisations=small**3 / 3.0 if blocked else 0.0,
        order=small,
    )


def _fit(rng: Stream, design: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return SOLVERS[rng.backend](design, labels)


def _squares(x: np.ndarray, axis: int) -> np.ndarray:
    """Sums of squares along an axis."""
    sums: np.ndarray = namespace(x).sum(x * x, axis=axis)
    return sums


def _product(design: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Labels without noise, float64[trials, n], of coefficients float64[p] or float64[trials, p]."""
    labels: np.ndarray = (design @ coefficients[..., None])[..., 0]
    return labels


@simulation(backends=tuple(SOLVERS), cost=lambda n, p, **_: _cost(n, p))
def minimum_norm(trials: int, rng: Stream, *, n: int, p: int, sigma2: float, r2: float) -> Samples:
    r"""Isotropic features, $x \sim N(0, I_p)$, and a signal of squared norm r2 spread evenly over them.

    Returns
    -------
    dict of float64[trials]
        ``excess``: $\|\hat\beta - \beta\|^2$; ``train``: $\|y - X \hat\beta\|^2 / n$; ``norm``:
        $\|\hat\beta\|^2$.
    """
    design = rng.normal(trials, n, p)
    xp = namespace(design)
    signal = xp.full(p, math.sqrt(r2 / p))
    labels = _product(design, signal) + math.sqrt(sigma2) * rng.normal(trials, n)
    found = _fit(rng, design, labels)
    return {
        "excess": _squares(found - signal, 1),
        "train": _squares(labels - _product(design, found), 1) / n,
        "norm": _squares(found, 1),
    }


@simulation(backends=tuple(SOLVERS), cost=lambda n, gamma, **_: _cost(n, round(gamma * n)))
def proportional(trials: int, rng: Stream, *, n: int, gamma: float, sigma2: float, r2: float) -> Samples:
    """`minimum_norm` with p = gamma n features, rounded to an integer."""
    found: Samples = minimum_norm.function(trials, rng, n=n, p=round(gamma * n), sigma2=sigma2, r2=r2)
    return found


@simulation(backends=tuple(SOLVERS), cost=lambda n, p, **_: _cost(n, p, scaled=True))
def correlated(
    trials: int, rng: Stream, *, n: int, p: int, sigma2: float, r2: float, spread: float
) -> dict[str, np.ndarray]:
    r"""Features of covariance $\Sigma$ with eigenvalues $j^{-s}$, $j = 1..p$, $s$ = `spread`.

    The eigenvectors are the axes: rotating the features rotates $\hat\beta$ with them.

    Returns
    -------
    dict of float64[trials]
        ``excess``: $(\hat\beta - \beta)^T \Sigma (\hat\beta - \beta)$, the mean squared error of the prediction
        of the signal on fresh features.
    """
    normal = rng.normal(trials, n, p)
    xp = namespace(normal)
    deviation = xp.asarray(np.arange(1, p + 1) ** (-spread / 2.0))
    design = normal * deviation
    signal = xp.full(p, math.sqrt(r2 / p))
    labels = _product(design, signal) + math.sqrt(sigma2) * rng.normal(trials, n)
    return {"excess": _squares((_fit(rng, design, labels) - signal) * deviation, 1)}


def _power_law(features: int, decay: float, r2: float) -> np.ndarray:
    coefficients = np.arange(1.0, features + 1.0) ** -decay
    scaled: np.ndarray = coefficients * np.sqrt(r2 / np.square(coefficients).sum())
    return scaled


@simulation(backends=tuple(SOLVERS), cost=lambda n, p, D, **_: _cost(n, p, D))
def first_features(
    trials: int, rng: Stream, *, n: int, p: int, D: int, decay: float, sigma2: float, r2: float
) -> dict[str, np.ndarray]:
    r"""Labels from D isotropic features, coefficients $\beta_i \propto i^{-\text{decay}}$ with
    $\|\beta\|^2$ = r2; the fit sees the first p features only.

    Returns
    -------
    dict of float64[trials]
        ``test``: mean squared error on a fresh label,
        $\|\hat\beta_T - \beta_T\|^2 + \|\beta_{T^c}\|^2 + \sigma^2$.
    """
    features = rng.normal(trials, n, D)
    xp = namespace(features)
    signal = xp.asarray(_power_law(D, decay, r2))
    labels = _product(features, signal) + math.sqrt(sigma2) * rng.normal(trials, n)
    found = _fit(rng, xp.asarray(features[:, :, :p], copy=True), labels)
    return {"test": _squares(found - signal[:p], 1) + _squares(signal[p:], 0) + sigma2}


@simulation(backends=tuple(SOLVERS), cost=lambda n, p, D, **_: _cost(n, p, D, chosen=True))
def random_features(
    trials: int, rng: Stream, *, n: int, p: int, D: int, decay: float, sigma2: float, r2: float
) -> dict[str, np.ndarray]:
    """As `first_features`, but each trial fits its own p features, drawn uniformly without replacement."""
    features = rng.normal(trials, n, D)
    xp = namespace(features)
    signal = xp.asarray(_power_law(D, decay, r2))
    labels = _product(features, signal) + math.sqrt(sigma2) * rng.normal(trials, n)
    chosen = rng.permutation(trials, D)[:, :p]
    found = _fit(rng, xp.take_along_axis(features, chosen[:, None, :], axis=2), labels)
    seen = xp.reshape(xp.take(signal, xp.reshape(chosen, (-1,))), (trials, p))
    unseen = _squares(signal, 0) - _squares(seen, 1)
    return {"test": _squares(found - seen, 1) + unseen + sigma2}
