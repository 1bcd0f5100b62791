"""Random-feature ridge regression in its limits: infinitely many samples, collapsed sizes, slopes in the ridge.

The model is that of `random_feature_ridge`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws.random_feature_ridge import Drawn, draw, losses, problem_cost, solve, unseen_part
from theorylab.simulation import Cost, simulation


def infinite_cost(*, N: float, M: float, H: float = 0.0, **_: object) -> Cost:
    """Cost of what N features do not see."""
    products, solved, drawn = 4.0 * N**2 * M + 2.0 * N * H * M, 8.0 / 3.0 * N**3, (H or N) * M + N * H
    return Cost(
        flops=products + solved,
        bytes=8.0 * max(2.0 * H * M + 2.0 * N * H, 3.0 * N * M + 3.0 * N**2),
        draws=drawn,
        moved=24.0 * (drawn + 2.0 * N * M),
        products=products,
        factorisations=solved,
        order=N,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, N, mu, **_: infinite_cost(N=N, M=mu * N))
def infinite_data(trials: int, rng: Stream, *, N: int, mu: float, alpha: float, lam: float, sigma_w: float) -> Any:
    """Loss of N features of M = mu N dimensional data after infinitely many samples, float64[trials]."""
    drawn = draw(trials, rng, N, 0, round(mu * N), alpha, lam, 1.0)
    return unseen_part(drawn, drawn.u * drawn.root, sigma_w)


def _times(one: Cost, draws: float) -> Cost:
    """Cost of several draws in a trial, one after the other."""
    names = ("flops", "draws", "moved", "products", "factorisations")
    return replace(one, **{name: max(1.0, draws) * getattr(one, name) for name in names})


def mean_draw(draw_one: Callable[[], Any], draws: int) -> Any:
    """Mean over several draws, at least one: tamer than a single one, which matters for small systems."""
    total = draw_one()
    for _ in range(1, draws):
        total = total + draw_one()
    return total / max(1, draws)


def repeated_infinite_cost(*, N: float, M: float, rows: float, H: float = 0.0, **_: object) -> Cost:
    """Cost of rows/N draws of what N features do not see."""
    return _times(infinite_cost(N=N, M=M, H=H), rows // N)


@simulation(backends=("numpy", "numba", "cupy"), cost=repeated_infinite_cost)
def infinite_data_at(trials: int, rng: Stream, *, N: int, M: int, alpha: float, lam: float, rows: int) -> Any:
    """`infinite_data` at a given number of dimensions, sigma_w = 1, mean over rows/N draws; float64[trials]."""

    def once() -> Any:
        drawn = draw(trials, rng, N, 0, M, alpha, lam, 1.0)
        return unseen_part(drawn, drawn.u * drawn.root, 1.0)

    return mean_draw(once, rows // N)


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, N, rho, **_: infinite_cost(N=N, M=rho * N**2))
def collapsed_infinite_data(trials: int, rng: Stream, *, N: int, rho: float, alpha: float) -> Any:
    """Loss after infinitely many samples times (N/M)^alpha, for M = rho N^2, lam = sigma_w = 1; float64[trials]."""
    M = round(rho * N**2)
    drawn = draw(trials, rng, N, 0, M, alpha, 1.0, 1.0)
    return (N / M) ** alpha * unseen_part(drawn, drawn.u * drawn.root, 1.0)


@simulation(
    backends=("numpy", "numba", "cupy"),
    cost=lambda *, N, tau, M, rows, **_: _times(problem_cost(N=N, T=tau * N, M=M), rows // N),
)
def scaled_ridge(trials: int, rng: Stream, *, N: int, tau: float, M: int, alpha: float, h: float, rows: int) -> Any:
    """Loss without noise at T = tau N, g = h N^(1 - alpha), lam = sigma_w = sigma_u = 1; float64[trials].

    Mean over rows/N draws.
    """

    def once() -> Any:
        drawn = draw(trials, rng, N, round(tau * N), M, alpha, 1.0, 1.0)
        return losses(drawn, solve(drawn, h * N ** (1.0 - alpha)), 1.0, 0.0)["signal"]

    return mean_draw(once, rows // N)


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda **at: problem_cost(solutions=2.0, **at))
def ridge_slope(
    trials: int, rng: Stream, *, N: int, T: int, M: int, alpha: float, lam: float, g: float, sigma_u: float
) -> Any:
    """Derivative of the loss without noise with respect to log g, sigma_w = 1; float64[trials]."""
    drawn = draw(trials, rng, N, T, M, alpha, lam, sigma_u)
    rows, inner, _, gram = solve(drawn, g)
    xp = namespace(rows)
    transposed = xp.matrix_transpose
    across, outer = transposed(inner) @ inner, rows @ transposed(rows)
    # inner = columns features^T gram^-1, and d gram/d log g = g.
    towards = transposed((rows * drawn.root) @ inner) - across @ outer
    return 2.0 * g / M * xp.linalg.trace(xp.linalg.solve(gram, towards))


@simulation(
    backends=("numpy", "numba", "cupy"), cost=lambda *, product, M, theta, **_: _two_shapes_cost(product, M, theta)
)
def two_shapes(
    trials: int, rng: Stream, *, product: int, theta: float, M: int, alpha: float, lam: float, g: float
) -> Any:
    r"""Loss without noise at N = sqrt(2 theta product), T = product/N, minus that at N = sqrt(theta product/2).

    Both have the product N T, up to rounding, and ratios N/T of 2 theta and theta/2. The smaller problem is part of the
    larger one's numbers. sigma_w = sigma_u = 1; float64[trials].
    """
    shapes = [(round(math.sqrt(r * product)), round(math.sqrt(product / r))) for r in (2.0 * theta, theta / 2.0)]
    drawn = draw(trials, rng, max(n for n, _ in shapes), max(t for _, t in shapes), M, alpha, lam, 1.0)
    parts = [Drawn(drawn.root, drawn.u[:, :n, :], drawn.data[:, :, :t]) for n, t in shapes]
    wide, tall = (losses(part, solve(part, g), 1.0, 0.0)["signal"] for part in parts)
    return wide - tall


def _two_shapes_cost(product: float, M: float, theta: float) -> Cost:
    return problem_cost(N=math.sqrt(2.0 * theta * product), T=math.sqrt(2.0 * product / theta), M=M)


@simulation(backends=("numpy",), cost=lambda *, M, **_: Cost(flops=100.0 * M, bytes=40.0 * M, moved=100.0 * 24.0 * M))
def kernel_ridge_parameter(trials: int, rng: Stream, *, N: int, M: int, alpha: float, lam: float) -> Any:
    """The number k at which sum_I lambda_I/(lambda_I + k) = N, by halving, the same in every trial: float64[trials]."""
    spectrum = lam * (M / np.arange(1.0, M + 1.0)) ** (1.0 + alpha)
    low, high = 0.0, float(spectrum.sum()) / N
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if float((spectrum / (spectrum + middle)).sum()) > N else (low, middle)
    return np.full(trials, low)
