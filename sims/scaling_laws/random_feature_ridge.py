r"""Ridge regression on linear random features of power-law data; teacher and label noise are averaged analytically.

Model: latent $x \in R^M$, $x \sim N(0, \Lambda)$, $\Lambda = \operatorname{diag} \lambda_I$,
$\lambda_I = \lambda_- (M/I)^{1+\alpha}$. Features $\varphi = u x \in R^N$, $u_{jI} \sim N(0, \sigma_u^2/M)$, frozen.
Labels $y = w^T x + \varepsilon$ with $w_I \sim N(0, \sigma_w^2/M)$, $\varepsilon \sim N(0, \sigma_\varepsilon^2)$.
From T samples, the columns of $X$ (M x T), ridge regression with penalty g, not divided by T, gives
$\hat\theta = Y \varphi^T (g + \varphi\varphi^T)^{-1} =: Y A$ with $\varphi = u X$ (N x T); at g = 0 the solution of
least norm. A trial draws u and X. Over test points, teacher and noise the mean squared error of
$\hat\theta \varphi(x)$ against $w^T x$ is, exactly,

    (sigma_w^2/M) |(X A u - 1) Lambda^(1/2)|^2 + sigma_eps^2 |A u Lambda^(1/2)|^2.

A bottleneck replaces u by V u, u of H x M and V of N x H with entries N(0, 1/H), both frozen.

Cost of a trial, K = min(N, T): products of 2 N T M operations for the features, 2 N T M and 4 K^2 M for the loss, a
solution with a K x K Gram matrix.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, Samples, simulation


def problem_cost(*, N: float, T: float, M: float, H: float = 0.0, solutions: float = 1.0, **_: object) -> Cost:
    """Cost of a trial of N features, of H frozen ones if any, with so many solutions with the Gram matrix."""
    few, many = min(N, T), max(N, T)
    products = 4.0 * N * T * M + (2.0 + 2.0 * solutions) * few**2 * M + 2.0 * N * H * M + 2.0 * few**2 * many
    solved = 2.0 / 3.0 * few**3 + 2.0 * solutions * few**2 * many
    drawn = (H or N) * M + N * H + T * M
    # The most: the weights of both layers, or what the loss is made of.
    held = max(2.0 * H * M + 2.0 * N * H, (2.0 * N + T + 3.0 * few) * M + N * T + 5.0 * few**2)
    return Cost(
        flops=products + solved,
        bytes=8.0 * held,
        draws=drawn,
        moved=24.0 * (drawn + 2.0 * few * M) + 48.0 * few**2,
        products=products,
        factorisations=solved,
        order=few,
    )


def _ratio_cost(*, N: float, tau: float, mu: float, **_: object) -> Cost:
    return problem_cost(N=N, T=tau * N, M=mu * N)


class Drawn(NamedTuple):
    """Roots of the spectrum, float64[M]; u (or V u), float64[trials, N, M]; the data X, float64[trials, M, T]."""

    root: Any
    u: Any
    data: Any


class Solved(NamedTuple):
    r"""Ridge regression seen from the shorter side, K = min(N, T).

    Parameters
    ----------
    rows : float64[trials, K, M]
        $u \Lambda^{1/2}$, or $X^T$ where T < N.
    inner : float64[trials, M, K]
        $X A$, or $(A u \Lambda^{1/2})^T$ where T < N.
    weights : float64[trials, K, Q]
        $(g + \varphi\varphi^T)^{-1} \varphi$, or that of $\varphi^T$: the transpose of A, or A.
    gram : float64[trials, K, K]
        Of the features, g added.
    """

    rows: Any
    inner: Any
    weights: Any
    gram: Any


def draw(
    trials: int, rng: Stream, N: int, T: int, M: int, alpha: float, lam: float, sigma_u: float, H: int | None = None
) -> Drawn:
    """Features (behind H frozen ones, if any) and samples of all trials."""
    u = sigma_u / math.sqrt(M) * rng.normal(trials, N if H is None else H, M)
    if H is not None:
        u = rng.normal(trials, N, H) / math.sqrt(H) @ u
    x = rng.normal(trials, M, T)
    xp = namespace(x)
    root = xp.sqrt(lam * (M / xp.arange(1, M + 1, dtype=xp.float64)) ** (1.0 + alpha))
    return Drawn(root, u, root[:, None] * x)


def solve(drawn: Drawn, g: float, rank: int | None = None) -> Solved:
    """Ridge regression; `rank` is that of the features where it is less than N and M."""
    root, u, data = drawn
    xp = namespace(u)
    features = u @ data
    rows, columns = u * root, data
    if features.shape[1] > features.shape[2]:
        rows, columns, features = (xp.matrix_transpose(m) for m in (data, rows, features))
    few, M = rows.shape[1:]
    gram = features @ xp.matrix_transpose(features) + g * xp.eye(few)
    # More of both than the features have rank: without a ridge the Gram matrix is singular.
    singular = g == 0 and few > (M if rank is None else min(rank, M))
    weights = xp.matrix_transpose(xp.linalg.pinv(features)) if singular else xp.linalg.solve(gram, features)
    return Solved(rows, columns @ xp.matrix_transpose(weights), weights, gram)


def _dot(a: Any, b: Any) -> Any:
    """Sum of products of the entries, float64[trials]."""
    return namespace(a).sum(a * b, axis=(1, 2))


def losses(drawn: Drawn, solved: Solved, sigma_w: float, sigma_eps: float) -> Samples:
    """Loss over test points, teacher and label noise, and its two parts: float64[trials] each."""
    root, rows, inner, weights = drawn.root, solved.rows, solved.inner, solved.weights
    xp = namespace(rows)
    transposed = xp.matrix_transpose
    across, outer = transposed(inner) @ inner, rows @ transposed(rows)
    # The signal's part is the same seen from either side: the squared norm of a matrix and of its transpose.
    misfit = _dot(across, outer) - 2.0 * _dot(rows * root, transposed(inner)) + xp.sum(root * root)
    samples_fewer = drawn.u.shape[1] > drawn.data.shape[2]
    noise = xp.linalg.trace(across) if samples_fewer else _dot(weights @ transposed(weights), outer)
    signal, noise = sigma_w**2 / root.shape[0] * misfit, sigma_eps**2 * noise
    return {"value": signal + noise, "signal": signal, "noise": noise}


def unseen_part(drawn: Drawn, rows: Any, sigma_w: float) -> Any:
    r"""(sigma_w^2/M) tr Lambda (1 - projector on the rows), float64[trials]."""
    xp = namespace(rows)
    weighted = rows * drawn.root
    transposed = xp.matrix_transpose
    projected = xp.linalg.solve(rows @ transposed(rows), weighted @ transposed(weighted))
    total = xp.sum(drawn.root * drawn.root)
    return sigma_w**2 / drawn.root.shape[0] * (total - xp.linalg.trace(projected))


@simulation(backends=("numpy", "numba", "cupy"), cost=problem_cost)
def ridge_loss(
    trials: int,
    rng: Stream,
    *,
    N: int,
    T: int,
    M: int,
    alpha: float,
    lam: float,
    g: float,
    sigma_w: float,
    sigma_u: float,
    sigma_eps: float,
) -> Samples:
    """Loss of ridge regression on N features of T samples of M-dimensional data.

    Returns
    -------
    dict of float64[trials]
        ``value``: the loss; ``signal`` and ``noise``: its two parts.
    """
    drawn = draw(trials, rng, N, T, M, alpha, lam, sigma_u)
    return losses(drawn, solve(drawn, g), sigma_w, sigma_eps)


@simulation(backends=("numpy", "numba", "cupy"), cost=_ratio_cost)
def proportional(
    trials: int,
    rng: Stream,
    *,
    N: int,
    tau: float,
    mu: float,
    alpha: float,
    lam: float,
    h: float,
    sigma_w: float,
    sigma_u: float,
    sigma_eps: float,
) -> Samples:
    """`ridge_loss` with T = tau N, M = mu N (rounded) and g = h N."""
    drawn = draw(trials, rng, N, round(tau * N), round(mu * N), alpha, lam, sigma_u)
    return losses(drawn, solve(drawn, h * N), sigma_w, sigma_eps)


@simulation(backends=("numpy", "numba", "cupy"), cost=problem_cost)
def ridgeless_loss(
    trials: int,
    rng: Stream,
    *,
    N: int,
    T: int,
    M: int,
    alpha: float,
    lam: float,
    sigma_w: float,
    sigma_u: float,
    sigma_eps: float,
) -> Samples:
    r"""`ridge_loss` at g = 0, with what the features (or, where T < N, the samples) do not see of the data.

    Returns
    -------
    dict of float64[trials]
        Those of `ridge_loss`, and ``unseen``: $(\\sigma_w^2/M) \\operatorname{tr} \\Lambda (1 - \\Pi)$, $\\Pi$ the
        projector on the rows of $u \\Lambda^{1/2}$ or, where T < N, on the samples.
    """
    drawn = draw(trials, rng, N, T, M, alpha, lam, sigma_u)
    solved = solve(drawn, 0.0)
    return {**losses(drawn, solved, sigma_w, sigma_eps), "unseen": unseen_part(drawn, solved.rows, sigma_w)}


def _singular_cost(*, N: float, T: float, M: float, **_: object) -> Cost:
    few, many = min(N, T), max(N, T)
    cost = problem_cost(N=N, T=T, M=M)
    # Singular values and vectors of the features.
    return replace(cost, factorisations=4.0 * many * few**2 + 8.0 * few**3, flops=cost.flops + 12.0 * many * few**2)


@simulation(backends=("numpy", "numba", "cupy"), cost=_singular_cost)
def ridgeless_loss_past_the_end(
    trials: int,
    rng: Stream,
    *,
    N: int,
    T: int,
    M: int,
    alpha: float,
    lam: float,
    sigma_w: float,
    sigma_u: float,
    sigma_eps: float,
) -> Samples:
    """`ridge_loss` at g = 0 with more features and more samples than dimensions: the solution of least norm.

    Returns
    -------
    dict of float64[trials]
        Those of `ridge_loss`.
    """
    drawn = draw(trials, rng, N, T, M, alpha, lam, sigma_u)
    return losses(drawn, solve(drawn, 0.0), sigma_w, sigma_eps)


@simulation(backends=("numpy", "numba", "cupy"), cost=problem_cost)
def interpolating_loss(
    trials: int,
    rng: Stream,
    *,
    N: int,
    T: int,
    M: int,
    alpha: float,
    lam: float,
    sigma_w: float,
    sigma_u: float,
    sigma_eps: float,
) -> Samples:
    r"""`ridgeless_loss` for T < N, with what label noise does in the directions of the samples and in the others.

    Returns
    -------
    dict of float64[trials]
        Those of `ridgeless_loss`, and ``fitted``: $|X^+ \Lambda^{1/2}|^2$; ``spill``:
        $\operatorname{tr} \Lambda (1 - \Pi) \operatorname{tr} (X^T X)^{-1}$.
    """
    drawn = draw(trials, rng, N, T, M, alpha, lam, sigma_u)
    root, _, data = drawn
    solved = solve(drawn, 0.0)
    xp = namespace(data)
    inverse = xp.linalg.inv(solved.rows @ data)
    weighted = xp.matrix_transpose(data) * root
    unseen = unseen_part(drawn, solved.rows, 1.0)
    return {
        **losses(drawn, solved, sigma_w, sigma_eps),
        "unseen": sigma_w**2 * unseen,
        "fitted": _dot(inverse @ inverse, weighted @ xp.matrix_transpose(weighted)),
        "spill": M * unseen * xp.linalg.trace(inverse),
    }


def _spectrum_cost(*, N: float, T: float, M: float, **_: object) -> Cost:
    products, eigen = 2.0 * N * T * (M + N), 4.0 / 3.0 * N**3
    return Cost(
        flops=products + eigen,
        bytes=8.0 * (N * M + 2.0 * T * M + N * T + 3.0 * N**2),
        draws=(N + T) * M,
        moved=24.0 * (N + T) * M,
        products=products,
        factorisations=eigen,
        order=N,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_spectrum_cost)
def feature_spectrum(
    trials: int, rng: Stream, *, N: int, T: int, M: int, alpha: float, lam: float, sigma_u: float
) -> Any:
    """Eigenvalues of phi phi^T/T over sigma_u^2 N/M, descending, float64[trials, N]."""
    drawn = draw(trials, rng, N, T, M, alpha, lam, sigma_u)
    features = drawn.u @ drawn.data
    xp = namespace(features)
    values = xp.linalg.eigvalsh(features @ xp.matrix_transpose(features))
    return xp.flip(values, axis=1) * (M / (sigma_u**2 * N * T))
