r"""Ridge regression on random features behind a frozen random bottleneck.

Model: that of `random_feature_ridge` without a ridge and without label noise, with features $V u x$: $u$ of H x M as
there, $V$ of N x H with entries N(0, 1/H), both frozen; N weights are trained.

Cost of a trial: that of the model without a bottleneck, and 2 N H M operations for the product of the layers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws.random_feature_limits import mean_draw, repeated_infinite_cost
from theorylab.sims.scaling_laws.random_feature_ridge import draw, losses, problem_cost, solve, unseen_part
from theorylab.simulation import Cost, Samples, simulation


@simulation(backends=("numpy", "numba", "cupy"), cost=problem_cost)
def bottleneck_loss(
    trials: int, rng: Stream, *, N: int, T: int, M: int, H: int, alpha: float, lam: float, sigma_w: float
) -> Samples:
    """`ridgeless_loss` without label noise, of N features of H frozen ones.

    Returns
    -------
    dict of float64[trials]
        ``value``: the loss; ``unseen`` as in `ridgeless_loss`.
    """
    drawn = draw(trials, rng, N, T, M, alpha, lam, 1.0, H)
    solved = solve(drawn, 0.0)
    return {"value": losses(drawn, solved, sigma_w, 0.0)["value"], "unseen": unseen_part(drawn, solved.rows, sigma_w)}


@simulation(
    backends=("numpy", "numba", "cupy"),
    cost=lambda *, N, tau, mu, eta, **_: problem_cost(N=N, T=tau * N, M=mu * N, H=eta * N),
)
def proportional_bottleneck(
    trials: int, rng: Stream, *, N: int, tau: float, mu: float, eta: float, alpha: float, lam: float, sigma_w: float
) -> Any:
    """The loss of `bottleneck_loss` with T = tau N, M = mu N, H = eta N (rounded), float64[trials]."""
    T, M, H = (round(ratio * N) for ratio in (tau, mu, eta))
    drawn = draw(trials, rng, N, T, M, alpha, lam, 1.0, H)
    return losses(drawn, solve(drawn, 0.0), sigma_w, 0.0)["value"]


@simulation(
    backends=("numpy", "numba", "cupy"),
    cost=lambda *, N, M, rows, **_: repeated_infinite_cost(N=N, M=M, rows=rows, H=2.0 * N),
)
def infinite_data_with_a_bottleneck(trials: int, rng: Stream, *, N: int, M: int, alpha: float, rows: int) -> Any:
    """The loss of `bottleneck_loss` after infinitely many samples, H = 2 N, lam = sigma_w = 1; float64[trials].

    Mean over rows/N draws.
    """

    def once() -> Any:
        drawn = draw(trials, rng, N, 0, M, alpha, 1.0, 1.0, 2 * N)
        return unseen_part(drawn, drawn.u * drawn.root, 1.0)

    return mean_draw(once, rows // N)


def _rank_cost(*, N: float, T: float, M: float, H: float, references: float, **_: object) -> Cost:
    one = problem_cost(N=N, T=T, M=M, H=H)
    return replace(
        one,
        **{
            name: (1.0 + references) * getattr(one, name)
            for name in ("flops", "draws", "moved", "products", "factorisations")
        },
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_rank_cost)
def bottleneck_rank(
    trials: int, rng: Stream, *, N: int, T: int, M: int, H: int, alpha: float, lam: float, references: int
) -> Any:
    """Place of a loss with a bottleneck among losses without one, of min(N, H) features; no ridge, no label noise.

    Returns
    -------
    float64[trials]
        (k + uniform)/(references + 1), k of the reference losses being smaller.
    """
    drawn = draw(trials, rng, N, T, M, alpha, lam, 1.0, H)
    loss = losses(drawn, solve(drawn, 0.0, H), 1.0, 0.0)["value"]
    place = rng.uniform(trials)
    xp = namespace(loss)
    for _ in range(references):
        drawn = draw(trials, rng, min(N, H), T, M, alpha, lam, 1.0)
        place = place + xp.astype(losses(drawn, solve(drawn, 0.0), 1.0, 0.0)["value"] < loss, xp.float64)
    return place / (references + 1)
