"""What is exact at finite size in the solvable model of scaling laws.

Further claims of the theory in `msr_random_feature_scaling`.
"""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, grid
from theorylab.claims.scaling_laws.msr_random_feature_scaling import theory


@theory.claim
def exact_below() -> Claim:
    """For N <= T - 2, without a ridge, the mean test loss given the features is exactly
    U (T - 1)/(T - N - 1) + sigma_eps^2 N/(T - N - 1), U = (sigma_w^2/M) tr Lambda (1 - P) what they do not see.

    What the features do not see is Gaussian, independent of them, and acts as label noise. With U -> (sigma_w^2/M) N nu
    this is the ridgeless limit, whose factor 1/(1 - N/T) is too small by a relative N/(T (T - N - 1)).
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import msr_random_feature_finite as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.random_feature_ridge import ridgeless_loss

    def limit(value: Any, *, N: Any, T: Any, sigma_eps: Any, unseen: Any, **_: Any) -> Any:
        return (unseen + sigma_eps**2 * N / T) / (1 - N / T)

    def swapped(value: Any, *, N: Any, T: Any, sigma_eps: Any, unseen: Any, **_: Any) -> Any:
        return (unseen * (T - 1) + sigma_eps**2 * T) / (T - N - 1)

    return Claim(
        prediction=d.BELOW,
        simulation=ridgeless_loss,
        check=Expectation(given=("unseen",)),
        points=[
            {"N": 8, "T": 20, "M": 40, "alpha": 1.0, "lam": 0.01, "sigma_w": 1.0, "sigma_u": 1.0, "sigma_eps": 0.4}
        ],
        parameters=[model.ALPHA, model.LEAST, model.TEACHER, model.WEIGHTS],
        mutants=[
            Mutant("as in the limit, 1/(1 - N/T)", limit),
            Mutant("noise with T for N", swapped),
            Mutant("no label noise", lambda value, N, T, unseen, **_: unseen * (T - 1) / (T - N - 1)),
        ],
        budgets={
            "quick": Budget(trials=65_536, margin=0.015),
            "standard": Budget(
                trials=131_072,
                margin=0.01,
                points=grid(
                    N=[8, 10],
                    T=20,
                    M=60,
                    alpha=[0.5, 1.5],
                    lam=0.01,
                    sigma_w=1.0,
                    sigma_u=2.0,
                    sigma_eps=0.4,
                ),
            ),
            "paper": Budget(
                trials=262_144,
                margin=0.01,
                points=grid(
                    N=[10, 15], T=30, M=[30, 200], alpha=[0.5, 1.5], lam=0.01, sigma_w=1.0, sigma_u=2.0, sigma_eps=0.4
                ),
            ),
        },
    )


@theory.claim
def exact_above() -> Claim:
    """For T <= N - 2, without a ridge, the mean test loss given the samples is exactly U (N - 1)/(N - T - 1) +
    sigma_eps^2 (|X^+ Lambda^(1/2)|^2 + tr Lambda (1 - P) tr (X^T X)^-1/(N - T - 1)), U and P those of the samples.

    The signal's part is that of `exact-below` with features and samples exchanged. The noise is fitted along the
    samples whatever the features, and carried into all other directions by their random weights.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import msr_random_feature_finite as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.random_feature_ridge import interpolating_loss

    def dual(value: Any, *, N: Any, T: Any, sigma_eps: Any, unseen: Any, **_: Any) -> Any:
        return (unseen * (N - 1) + sigma_eps**2 * T) / (N - T - 1)

    def along(value: Any, *, N: Any, T: Any, sigma_eps: Any, unseen: Any, fitted: Any, **_: Any) -> Any:
        return unseen * (N - 1) / (N - T - 1) + sigma_eps**2 * fitted

    def limit(value: Any, *, N: Any, T: Any, **_: Any) -> Any:
        return value * (N - T - 1) / (N - T)

    return Claim(
        prediction=d.ABOVE,
        simulation=interpolating_loss,
        check=Expectation(given=("unseen", "fitted", "spill")),
        points=[
            {"N": 20, "T": 8, "M": 40, "alpha": 1.0, "lam": 0.01, "sigma_w": 1.0, "sigma_u": 1.0, "sigma_eps": 0.4}
        ],
        parameters=[model.ALPHA, model.LEAST, model.TEACHER, model.WEIGHTS],
        mutants=[
            Mutant("noise of `exact-below` with features and samples exchanged", dual),
            Mutant("noise along the samples only", along),
            Mutant("N - T instead of N - T - 1", limit),
        ],
        budgets={
            "quick": Budget(trials=65_536, margin=0.015),
            "standard": Budget(
                trials=131_072,
                margin=0.01,
                points=grid(N=20, T=[8, 10], M=60, alpha=[0.5, 1.5], lam=0.01, sigma_w=1.0, sigma_u=2.0, sigma_eps=0.4),
            ),
            "paper": Budget(
                trials=262_144,
                margin=0.01,
                points=grid(
                    N=30, T=[10, 15], M=[30, 200], alpha=[0.5, 1.5], lam=0.01, sigma_w=1.0, sigma_u=2.0, sigma_eps=0.4
                ),
            ),
        },
    )


@theory.claim
def plateau() -> Claim:
    """At fixed N the ridgeless loss tends, as the samples grow, to a plateau: what the features do not see, U.

    Approached like N/T, from above: the coefficient of 1/T is N U. By duality the same holds at fixed T.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import msr_random_feature_finite as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.random_feature_ridge import ridgeless_loss

    at = {"N": 10, "M": 60, "lam": 0.01, "sigma_w": 1.0, "sigma_u": 1.0, "sigma_eps": 0.0}
    return Claim(
        prediction=d.PLATEAU,
        simulation=ridgeless_loss,
        check=Asymptotic(size="T", rate=1.0, order=2, given=("unseen",)),
        points=grid(**at, alpha=1.0),
        parameters=[
            model.FEATURES,
            model.SAMPLES,
            model.DIMENSIONS,
            model.ALPHA,
            model.LEAST,
            model.TEACHER,
            model.WEIGHTS,
            model.NOISE,
        ],
        mutants=[
            Mutant("half-risk", lambda value, **_: value / 2),
            Mutant("U (1 - N/M): as if the directions were alike", lambda value, **_: value * (1.0 - 10.0 / 60.0)),
        ],
        budgets={
            "quick": Budget(trials=1024, margin=0.03, sizes=(40, 80, 160, 320)),
            "standard": Budget(
                trials=4096, margin=0.01, sizes=(60, 120, 240, 480), points=grid(**at, alpha=[0.5, 1.5])
            ),
            "paper": Budget(
                trials=8192, margin=0.01, sizes=(100, 200, 400, 800, 1600), points=grid(**at, alpha=[0.5, 1.0, 1.5])
            ),
        },
    )


@theory.claim
def past_the_end() -> Claim:
    """With N >= M and T >= M + 2 the power law has ended: without a ridge the mean test loss is exactly that of least
    squares in M dimensions, sigma_eps^2 M/(T - M - 1), and zero without label noise.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import msr_random_feature_finite as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.random_feature_ridge import ridgeless_loss_past_the_end

    T, M, variance = d.T, d.M, d.sigma_eps**2
    return Claim(
        prediction=d.PAST_THE_END,
        simulation=ridgeless_loss_past_the_end,
        check=Expectation(),
        points=grid(N=[16, 30], T=24, M=12, alpha=1.0, lam=0.01, sigma_w=1.0, sigma_u=1.0, sigma_eps=0.5),
        parameters=[model.ALPHA, model.LEAST, model.TEACHER, model.WEIGHTS],
        mutants=[
            Mutant("N parameters fitted: N/|T - N - 1|", lambda value, N, T, sigma_eps, **_: sigma_eps**2 * N / 7.0),
            Mutant("M/(T - M), as in the limit", variance * M / (T - M)),
            Mutant("M/T", variance * M / T),
        ],
        budgets={
            "quick": Budget(trials=4096, margin=0.025),
            "standard": Budget(trials=32_768, margin=0.01),
            "paper": Budget(
                trials=65_536,
                margin=0.01,
                points=grid(
                    N=[20, 40], T=30, M=[12, 18], alpha=[0.5, 1.5], lam=0.01, sigma_w=1.0, sigma_u=1.0, sigma_eps=0.5
                ),
            ),
        },
    )


@theory.claim
def small_ridge_past_the_end() -> Claim:
    """With N, T >= M + 4 and a small ridge the mean loss without label noise is, to leading order and exactly in the
    sizes, (g^2 M sigma_w^2/sigma_u^4) sum_I 1/lambda_I i(N) i(T), i(k) = (k - 1)/((k - M)(k - M - 1)(k - M - 3)).

    In the limit (sigma_w^2/M) nu^2 sum_I 1/lambda_I N T/((N - M)(T - M)), nu = g M/(sigma_u^2 (N - M)(T - M)).
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import msr_random_feature_finite as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.random_feature_ridge import ridge_loss

    N, T, M = d.N, d.T, d.M
    limit = d.SMALL_RIDGE.expr / (d.square_of_inverse(N) * d.square_of_inverse(T)) * N * T / ((N - M) * (T - M)) ** 3
    return Claim(
        prediction=d.SMALL_RIDGE,
        simulation=ridge_loss,
        check=Expectation(),
        points=grid(N=40, T=50, M=6, alpha=1.0, lam=1.0, g=0.01, sigma_eps=0.0),
        parameters=[model.NOISE],
        mutants=[
            Mutant("sizes as in the limit", limit),
            Mutant("linear in the ridge", d.SMALL_RIDGE.expr / d.g),
            Mutant("sum of 1/lambda_I taken for M/lambda_-", d.SMALL_RIDGE.expr / d.inverses * M / d.lam),
        ],
        budgets={
            "quick": Budget(trials=16_384, margin=0.05),
            "standard": Budget(trials=262_144, margin=0.01),
            "paper": Budget(
                trials=1_048_576,
                margin=0.01,
                points=grid(N=[40, 60], T=50, M=6, alpha=[0.5, 1.0], lam=1.0, g=0.01, sigma_u=1.5, sigma_eps=0.0),
            ),
        },
    )
