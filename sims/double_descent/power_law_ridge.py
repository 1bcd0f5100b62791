r"""Kernel ridge regression with a power-law spectrum that has no end.

As in `eigenfunctions`, but the eigenvalues beyond the first M = ratio n, $i^{-\alpha}$ with i > M, are there too: their
part of the kernel matrix is its mean, $\sum_{i > M} i^{-\alpha}$ on the diagonal, and what the target has in their
directions, $\sum_{i > M} i^{-\beta}$, is label noise and is missed. Errors of this are of the order of
$(n/M)^\alpha$ of what is beyond M. The ridge is $h n^{1-\alpha}$, the variance of the noise $\nu n^{1-\beta}$.

Cost of a trial: $6 n^2 M$ operations in products and the inverse of an n x n matrix; see `eigenfunctions`.
"""

from __future__ import annotations

from typing import Any

from scipy.special import zeta

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.sims.double_descent.eigenfunctions import errors, fit_kernel, power_law
from theorylab.simulation import Cost, Samples, simulation

BACKENDS = ("numpy", "numba", "cupy")


def _cost(n: float, ratio: float, solves: float = 1.0) -> Cost:
    M = round(ratio * n)
    products = (4.0 + 2.0 * solves) * n * n * M + 4.0 * n**3
    return Cost(
        flops=products + 2.0 * n**3,
        bytes=8.0 * ((3.0 + 2.0 * solves) * n * M + 6.0 * n * n + 6.0 * M),
        draws=n * M,
        moved=96.0 * (1.0 + solves) * n * M,
        products=products,
        factorisations=2.0 * n**3,
        order=n,
    )


def _tails(n: int, ratio: float, alpha: float, beta: float) -> tuple[float, float]:
    """What lies beyond M of the spectrum and of the target."""
    start = round(ratio * n) + 1.0
    return float(zeta(alpha, start)), float(zeta(beta, start))


@simulation(backends=BACKENDS, cost=lambda *, n, ratio, **_: _cost(n, ratio))
def errors_at_ridge(
    trials: int, rng: Stream, *, n: int, ratio: float, alpha: float, beta: float, h: float, nu: float
) -> Samples:
    """Errors times n^(beta - 1), means over the label noise and the target's signs.

    Returns
    -------
    dict of float64[trials]
        ``test``, ``train``.
    """
    x = rng.normal(trials, n, round(ratio * n))
    spectrum, target = _tails(n, ratio, alpha, beta)
    ridge = h * n ** (1.0 - alpha)
    noise = nu * n ** (1.0 - beta) + target
    found = errors(fit_kernel(x, power_law(x, alpha), ridge + spectrum), n, power_law(x, beta), noise)
    # Residuals are the ridge times the dual coefficients; `errors` takes all of the diagonal for the ridge.
    own = (ridge / (ridge + spectrum)) ** 2
    scale = n ** (beta - 1.0)
    return {"test": scale * found["test"], "train": scale * own * found["train"]}


def _slope(trials: int, rng: Stream, n: int, ratio: float, alpha: float, beta: float, h: float, nu: float) -> Any:
    r"""Derivative of the test error with respect to the ridge, times $n^{\beta - \alpha}$, float64[trials].

    With $B = (K + \delta)^{-1}$ and R the coefficients of $K_x$: $P = R^T B X$ and $dP/d\delta = -R^T B^2 X$.
    """
    x = rng.normal(trials, n, round(ratio * n))
    xp = namespace(x)
    spectrum, target = _tails(n, ratio, alpha, beta)
    rows = x * power_law(x, alpha)
    kernel = rows @ xp.matrix_transpose(x)
    inverse = xp.linalg.inv(kernel + (h * n ** (1.0 - alpha) + spectrum) * xp.eye(n))
    gram = rows @ xp.matrix_transpose(rows)
    solved = inverse @ x
    twice = inverse @ solved
    power = power_law(x, beta)
    signal = 2.0 * xp.sum(power * xp.sum((rows - gram @ solved) * twice, axis=1), axis=1)
    noise = -2.0 * xp.sum((inverse @ gram) * (inverse @ inverse), axis=(1, 2))
    moved = signal + (nu * n ** (1.0 - beta) + target) * noise
    return n ** (beta - alpha) * moved


@simulation(backends=BACKENDS, cost=lambda *, n, ratio, **_: _cost(n, ratio, 2.0))
def slope(trials: int, rng: Stream, *, n: int, ratio: float, alpha: float, beta: float, h: float, nu: float) -> Any:
    """Derivative of the test error with respect to the ridge, times n^(beta - alpha), float64[trials]."""
    return _slope(trials, rng, n, ratio, alpha, beta, h, nu)


@simulation(backends=BACKENDS, cost=lambda *, n, ratio, **_: _cost(n, ratio, 2.0))
def gain(trials: int, rng: Stream, *, n: int, ratio: float, alpha: float, beta: float, nu: float) -> Any:
    """What a small ridge takes off the test error of interpolation, per ridge, times n^(beta - alpha)."""
    return -_slope(trials, rng, n, ratio, alpha, beta, 0.0, nu)


@simulation(backends=BACKENDS, cost=lambda *, n, ratio, **_: _cost(n, ratio))
def interpolation(trials: int, rng: Stream, *, n: int, ratio: float, alpha: float, beta: float) -> Any:
    """Test error without ridge and without noise, float64[trials]."""
    x = rng.normal(trials, n, round(ratio * n))
    spectrum, target = _tails(n, ratio, alpha, beta)
    return errors(fit_kernel(x, power_law(x, alpha), spectrum), n, power_law(x, beta), target)["test"]
