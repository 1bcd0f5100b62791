r"""Least squares and minimum-norm interpolation on Gaussian designs.

A trial draws n samples $x_i$ and labels $y_i = x_i^T \beta + \varepsilon_i$, $\varepsilon_i \sim N(0, \sigma^2)$, and
fits $\hat\beta = X^+ y$ (Moore-Penrose): least squares where it is unique, the interpolator of least norm
otherwise. Risks are exact given the fit, since the test distribution is known; there is no test set.

Cost of a trial: $n p$ normals and $n p \min(n, p)$ operations for the Gram matrix of the shorter side, which is
Cholesky-factored; see `kernels/least_squares.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from theorylab.kernels.least_squares import minimum_norm_numba, minimum_norm_numpy
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, Samples, simulation

# Numbers drawn at a time: the batch stays in a second-level cache of 1 MB.
BATCH = 1 << 17


def _cost(n: int, p: int, drawn: int | None = None) -> Cost:
    small, drawn = min(n, p), drawn or p
    # A normal costs about as much as 30 operations.
    return Cost(flops=30.0 * n * drawn + n * p * small + small**3 / 3 + 10.0 * n * p, bytes=8.0 * n * (drawn + p))


def _batches(trials: int, rng: Stream, numbers: int) -> Iterator[tuple[Stream, int]]:
    return rng.split(trials, max(1, BATCH // numbers))


def _fit(rng: Stream, design: np.ndarray, labels: np.ndarray) -> np.ndarray:
    solve = minimum_norm_numpy if rng.backend == "numpy" else minimum_norm_numba
    return solve(design, labels)


def _joined(parts: list[Samples]) -> Samples:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@simulation(backends=("numpy", "numba"), cost=lambda n, p, **_: _cost(n, p))
def minimum_norm(trials: int, rng: Stream, *, n: int, p: int, sigma2: float, r2: float) -> Samples:
    r"""Isotropic features, $x \sim N(0, I_p)$, and a signal of squared norm r2 spread evenly over them.

    Returns
    -------
    dict of float64[trials]
        ``excess``: $\|\hat\beta - \beta\|^2$; ``train``: $\|y - X \hat\beta\|^2 / n$; ``norm``:
        $\|\hat\beta\|^2$.
    """
    signal = np.full(p, np.sqrt(r2 / p))
    parts = []
    for part, count in _batches(trials, rng, n * p):
        design = part.normal(count, n, p)
        labels = design @ signal + np.sqrt(sigma2) * part.normal(count, n)
        found = _fit(part, design, labels)
        residual = labels - (design @ found[..., None])[..., 0]
        parts.append(
            {
                "excess": np.square(found - signal).sum(axis=1),
                "train": np.square(residual).mean(axis=1),
                "norm": np.square(found).sum(axis=1),
            }
        )
    return _joined(parts)


@simulation(backends=("numpy", "numba"), cost=lambda n, gamma, **_: _cost(n, round(gamma * n)))
def proportional(trials: int, rng: Stream, *, n: int, gamma: float, sigma2: float, r2: float) -> Samples:
    """`minimum_norm` with p = gamma n features, rounded to an integer."""
    return minimum_norm(trials, rng, n=n, p=round(gamma * n), sigma2=sigma2, r2=r2)


@simulation(backends=("numpy", "numba"), cost=lambda n, p, **_: _cost(n, p))
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
    deviation = np.arange(1, p + 1) ** (-spread / 2.0)
    signal = np.full(p, np.sqrt(r2 / p))
    excess = []
    for part, count in _batches(trials, rng, n * p):
        design = part.normal(count, n, p) * deviation
        labels = design @ signal + np.sqrt(sigma2) * part.normal(count, n)
        found = _fit(part, design, labels)
        excess.append(np.square((found - signal) * deviation).sum(axis=1))
    return {"excess": np.concatenate(excess)}


def _power_law(features: int, decay: float, r2: float) -> np.ndarray:
    coefficients = np.arange(1.0, features + 1.0) ** -decay
    scaled: np.ndarray = coefficients * np.sqrt(r2 / np.square(coefficients).sum())
    return scaled


@simulation(backends=("numpy", "numba"), cost=lambda n, p, D, **_: _cost(n, p, D))
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
    signal = _power_law(D, decay, r2)
    test = []
    for part, count in _batches(trials, rng, n * D):
        features = part.normal(count, n, D)
        labels = features @ signal + np.sqrt(sigma2) * part.normal(count, n)
        found = _fit(part, np.ascontiguousarray(features[..., :p]), labels)
        test.append(np.square(found - signal[:p]).sum(axis=1) + np.square(signal[p:]).sum() + sigma2)
    return {"test": np.concatenate(test)}


@simulation(backends=("numpy", "numba"), cost=lambda n, p, D, **_: _cost(n, p, D))
def random_features(
    trials: int, rng: Stream, *, n: int, p: int, D: int, decay: float, sigma2: float, r2: float
) -> dict[str, np.ndarray]:
    """As `first_features`, but each trial fits its own p features, drawn uniformly without replacement."""
    signal = _power_law(D, decay, r2)
    test = []
    for part, count in _batches(trials, rng, n * D):
        features = part.normal(count, n, D)
        labels = features @ signal + np.sqrt(sigma2) * part.normal(count, n)
        chosen = part.permutation(count, D)[:, :p]
        found = _fit(part, np.take_along_axis(features, chosen[:, None, :], axis=2), labels)
        seen = signal[chosen]
        unseen = np.square(signal).sum() - np.square(seen).sum(axis=1)
        test.append(np.square(found - seen).sum(axis=1) + unseen + sigma2)
    return {"test": np.concatenate(test)}
