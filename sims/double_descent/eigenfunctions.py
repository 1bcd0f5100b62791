r"""Ridge regression in an eigensystem with a power law: with its kernel, and with random features of it.

Eigenfunctions are independent standard normal variables, $x \in R^M$, with eigenvalues $\lambda_i = i^{-\alpha}$,
$i = 1..M$. A target $\sum_i v_i x_i$ with $v_i^2 = i^{-\beta}$ is learned from n samples, the rows of X, with label
noise of variance sigma2. The kernel is $K = X \Lambda X^T$, or that of k random features
$\Phi = X G^T$, $G_{ji} = \sqrt{\lambda_i/k}\, w_{ji}$, $w_{ji} \sim N(0, 1)$: $\Phi \Phi^T$. Predictions are
$K_x (K + \delta)^{-1} y$. M = ratio n and k = rho n,
rounded; $\delta = h n^{1 - \alpha}$ and sigma2 $= s n^{1 - \beta}$, the orders that $n \kappa$ and the bias have.

A trial draws X (and w). The predictor's coefficients are $P v$ + noise with an M x M matrix P, and means over the noise
and over the signs of the $v_i$ are taken exactly, test points included:

    test error  sum_i v_i^2 |e_i - P e_i|^2 + sigma2 (1 + noise part)
              = sum_i v_i^2 (1 - 2 P_ii + (P^T P)_ii) + ...

With H (m x M, m the smaller of n and k) and R (m x M), P = R^T H: its diagonal and that of P^T P = H^T (R R^T) H cost
$m^2 M$ operations.

Cost of a trial: products of $2 n k M$ operations for the features and as many for R or H, $4 m^2 M$ for the errors
($2 n^2 M$ more for the kernel matrix), an inverse of order m.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, Samples, simulation

# Ends of the ranges of modes, in units of n, over which learnabilities are averaged.
OCTAVES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)


def _cost(n: float, M: float, k: float | None = None, draws: int = 1) -> Cost:
    m = n if k is None else min(n, k)
    features = 0.0 if k is None else 2.0 * n * k * M + 2.0 * m * n * k
    products = features + 2.0 * n * m * M + 4.0 * m * m * M + 4.0 * m**3
    drawn = (n + (k or 0.0)) * M
    return Cost(
        flops=draws * (products + 2.0 * m**3),
        bytes=8.0 * (draws * drawn + 3.5 * m * M + n * (k or 0.0) + 6.0 * m * m + 4.0 * M),
        draws=draws * drawn,
        moved=draws * (48.0 * drawn + 96.0 * m * M),
        products=draws * products,
        factorisations=draws * 2.0 * m**3,
        order=m,
    )


class Fit(NamedTuple):
    """What a fit does to each mode and to noise.

    Parameters
    ----------
    learned, square : float64[trials, M]
        Diagonals of P and of P^T P.
    noise : float64[trials]
        Squared norm of the predictor for labels that are noise of variance 1.
    misfit : float64[trials, M]
        Squared residuals of a fit to one mode.
    misfit_noise : float64[trials]
        The same for noise.
    resolvent : float64[trials]
        tr (K + delta)^-1.
    """

    learned: Any
    square: Any
    noise: Any
    misfit: Any
    misfit_noise: Any
    resolvent: Any


def _t(a: Any) -> Any:
    return namespace(a).matrix_transpose(a)


def _columns(a: Any, b: Any) -> Any:
    """Scalar products of the columns, float64[trials, columns]."""
    return namespace(a).sum(a * b, axis=1)


def _entries(a: Any, b: Any) -> Any:
    """Sum of products of the entries, float64[trials]."""
    return namespace(a).sum(a * b, axis=(1, 2))


def fit_kernel(x: Any, values: Any, delta: float, rows: Any = None, kernel: Any = None) -> Fit:
    """Kernel ridge regression; `rows` and `kernel` where the kernel is not that of the eigenvalues.

    `rows` R, float64[trials, n, M], are the coefficients of K_x: the predictor of labels y is R^T (K + delta)^-1 y.
    """
    xp = namespace(x)
    rows = x * values if rows is None else rows
    kernel = rows @ _t(x) if kernel is None else kernel
    inverse = xp.linalg.inv(kernel + delta * xp.eye(x.shape[1]))
    solved, gram = inverse @ x, rows @ _t(rows)
    return Fit(
        _columns(rows, solved),
        _columns(solved, gram @ solved),
        _entries(inverse @ gram, inverse),
        delta**2 * _columns(solved, solved),
        delta**2 * _entries(inverse, inverse),
        xp.linalg.trace(inverse),
    )


def fit_features(x: Any, weights: Any, delta: float) -> Fit:
    """Ridge regression on features with `weights` G, float64[trials, k, M]."""
    xp = namespace(x)
    features = x @ _t(weights)
    n, k = features.shape[1:]
    if n <= k:
        return fit_kernel(x, None, delta, features @ weights, features @ _t(features))
    across = _t(features) @ features
    inverse = xp.linalg.inv(across + delta * xp.eye(k))
    seen = _t(features) @ x
    solved, gram, hat = inverse @ seen, weights @ _t(weights), inverse @ across
    return Fit(
        _columns(weights, solved),
        _columns(solved, gram @ solved),
        _entries(hat @ inverse, gram),
        _columns(x, x) - 2.0 * _columns(seen, solved) + _columns(solved, across @ solved),
        n - 2.0 * xp.linalg.trace(hat) + _entries(hat, _t(hat)),
        # Of (Phi Phi^T + delta)^-1: the n - k further directions have 1/delta each.
        xp.linalg.trace(inverse) + (n - k) / delta if delta > 0 else xp.linalg.trace(inverse),
    )


def power_law(x: Any, exponent: float) -> Any:
    """i^-exponent, float64[M], in the library of `x`."""
    xp = namespace(x)
    return xp.arange(1, x.shape[-1] + 1, dtype=xp.float64) ** -exponent


def errors(fit: Fit, n: int, power: Any, sigma2: float) -> Samples:
    """Test and training error, float64[trials] each; the resolvent's trace."""
    xp = namespace(fit.learned)
    signal = xp.sum(power * (1.0 - 2.0 * fit.learned + fit.square), axis=1)
    residual = xp.sum(power * fit.misfit, axis=1) + sigma2 * fit.misfit_noise
    return {"test": signal + sigma2 * (1.0 + fit.noise), "train": residual / n, "resolvent": fit.resolvent}


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, n, ratio, **_: _cost(n, round(ratio * n)))
def kernel_ridge(
    trials: int, rng: Stream, *, n: int, ratio: float, alpha: float, beta: float, h: float, s: float
) -> Samples:
    """Kernel ridge regression.

    Returns
    -------
    dict of arrays
        ``test``, ``train``, ``resolvent`` (the trace of (K + delta)^-1), ``total`` (the trace of P): float64[trials];
        ``learned``: float64[trials, 5], P_ii averaged over the modes between those of `OCTAVES` (ratio >= 4).
    """
    x = rng.normal(trials, n, round(ratio * n))
    fit = fit_kernel(x, power_law(x, alpha), h * n ** (1.0 - alpha))
    xp = namespace(x)
    ends = [round(n * end) for end in OCTAVES]
    learned = [xp.mean(fit.learned[:, a:b], axis=1) for a, b in pairwise(ends)]
    return {
        **errors(fit, n, power_law(x, beta), s * n ** (1.0 - beta)),
        "learned": xp.stack(learned, axis=1),
        "total": xp.sum(fit.learned, axis=1),
    }


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, n, ratio, **_: _cost(n, round(ratio * n)))
def cross_validation(
    trials: int, rng: Stream, *, n: int, ratio: float, alpha: float, beta: float, h: float, s: float
) -> Samples:
    """Kernel ridge regression, with the training error over the square of (delta/n) tr (K + delta)^-1; h > 0.

    Returns
    -------
    dict of float64[trials]
        ``gcv``: generalized cross-validation; ``test``.
    """
    x = rng.normal(trials, n, round(ratio * n))
    found = errors(
        fit_kernel(x, power_law(x, alpha), h * n ** (1.0 - alpha)), n, power_law(x, beta), s * n ** (1.0 - beta)
    )
    return {"gcv": found["train"] / (h * n**-alpha * found["resolvent"]) ** 2, "test": found["test"]}


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, n, ratio, **_: _cost(n, round(ratio * n), draws=2))
def mean_predictor(trials: int, rng: Stream, *, n: int, ratio: float, alpha: float, beta: float, h: float) -> Samples:
    """Squared error of the mean predictor of kernel ridge regression, without bias: from two independent data sets.

    Off its diagonal P has mean zero, by the symmetry of each eigenfunction's sign.

    Returns
    -------
    dict of float64[trials]
        ``bias``: sum_i v_i^2 (1 - P_ii)(1 - P'_ii).
    """
    x = rng.normal(trials, 2, n, round(ratio * n))
    xp = namespace(x)
    one, other = (fit_kernel(x[:, i, :, :], power_law(x, alpha), h * n ** (1.0 - alpha)).learned for i in range(2))
    return {"bias": xp.sum(power_law(x, beta) * (1.0 - one) * (1.0 - other), axis=1)}


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, n, ratio, **_: _cost(n, round(ratio * n)))
def pure_noise(trials: int, rng: Stream, *, n: int, ratio: float, alpha: float) -> Any:
    """Test error of the kernel interpolator of least norm for labels that are noise of variance 1, float64[trials]."""
    x = rng.normal(trials, n, round(ratio * n))
    return 1.0 + fit_kernel(x, power_law(x, alpha), 0.0).noise


@simulation(
    backends=("numpy", "numba", "cupy"),
    cost=lambda *, n, ratio, rho, **_: _cost(n, round(ratio * n), round(rho * n)),
)
def random_features(
    trials: int,
    rng: Stream,
    *,
    n: int,
    rho: float,
    ratio: float,
    alpha: float,
    beta: float,
    h: float,
    s: float,
) -> Samples:
    """Ridge regression on k = rho n random features.

    Returns
    -------
    dict of float64[trials]
        ``test``, ``train``, ``resolvent``.
    """
    k, M = round(rho * n), round(ratio * n)
    x = rng.normal(trials, n, M)
    weights = rng.normal(trials, k, M) * (power_law(x, alpha / 2.0) / k**0.5)
    return errors(fit_features(x, weights, h * n ** (1.0 - alpha)), n, power_law(x, beta), s * n ** (1.0 - beta))
