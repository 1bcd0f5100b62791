"""Whether frozen random parameters count in a scaling law: in the solvable model, with fewer features than samples not
at all, with more as much as trained ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

if TYPE_CHECKING:
    from theorylab.parameters import Parameter

CHATELAIN = Source(
    authors="Chatelain, Am{\\'e}lie and Djeghri, Amine and Hesslow, Daniel and Launay, Julien and Poli, Iacopo",
    title="Is the Number of Trainable Parameters All That Actually Matters?",
    year=2021,
    where="the question; here in the solvable model of Maloney, Roberts and Sully, arXiv:2210.16859v1",
    arxiv="2109.11928v1",
)

theory = Theory(
    "scaling_laws/frozen-parameters-do-not-count",
    title="Frozen random parameters in the solvable model of scaling laws",
    source=CHATELAIN,
)

# Places among seven references.
PLACES = 8


def _lowest(value: Any, *, rank: Any) -> Any:
    return np.minimum(1.0, PLACES * rank) + 0.0 * value


def _highest(value: Any, *, rank: Any) -> Any:
    return np.maximum(0.0, 1.0 - PLACES * (1.0 - rank)) + 0.0 * value


def _rank_parameters() -> list[Parameter]:
    from theorylab.derivations.scaling_laws import frozen_parameters_do_not_count as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model

    return [model.FEATURES, model.SAMPLES, model.DIMENSIONS, d.FROZEN, model.ALPHA, model.LEAST, d.REFERENCES]


def _rank_mutants() -> list[Mutant]:
    return [
        Mutant("frozen parameters count as trained: losses below those without them", _lowest),
        Mutant("frozen parameters bring the threshold nearer: losses above those without them", _highest),
        Mutant("mostly smaller losses: the smaller of two", lambda value, rank: 1.0 - (1.0 - rank) ** 2),
    ]


@theory.claim
def invariance() -> Claim:
    """For N < T, H >= N, without a ridge, the loss with a frozen bottleneck of width H has the law of the loss without:
    its rank among losses without a bottleneck is uniform, whatever H.

    Exact at every size and for every spectrum: neither the N H numbers of one frozen layer nor the H M of the other can
    be seen in any property of the loss.
    """
    from theorylab.checks import Law
    from theorylab.derivations.scaling_laws import frozen_parameters_do_not_count as d
    from theorylab.sims.scaling_laws.frozen_bottleneck import bottleneck_rank

    return Claim(
        prediction=d.UNIFORM,
        simulation=bottleneck_rank,
        check=Law(variable="rank"),
        points=grid(N=6, T=15, M=24, H=[6, 24], alpha=0.8, lam=0.01, references=PLACES - 1),
        parameters=_rank_parameters(),
        mutants=_rank_mutants(),
        budgets={
            "quick": Budget(trials=4096, margin=0.08),
            "standard": Budget(
                trials=65_536,
                margin=0.02,
                points=grid(N=8, T=20, M=40, H=[8, 16, 32], alpha=0.8, lam=0.01, references=PLACES - 1),
            ),
            "paper": Budget(
                trials=131_072,
                margin=0.02,
                points=grid(N=20, T=50, M=200, H=[20, 40, 100], alpha=[0.5, 1.5], lam=0.01, references=PLACES - 1),
            ),
        },
    )


@theory.claim
def narrow_bottleneck() -> Claim:
    """For H < N and H < T the loss has the law of the loss of H features without a bottleneck: trained parameters
    beyond the frozen width do not count either."""
    from theorylab.checks import Law
    from theorylab.derivations.scaling_laws import frozen_parameters_do_not_count as d
    from theorylab.sims.scaling_laws.frozen_bottleneck import bottleneck_rank

    return Claim(
        prediction=d.UNIFORM,
        simulation=bottleneck_rank,
        check=Law(variable="rank"),
        points=grid(N=[9, 24], T=15, M=24, H=6, alpha=0.8, lam=0.01, references=PLACES - 1),
        parameters=_rank_parameters(),
        mutants=_rank_mutants(),
        budgets={
            "quick": Budget(trials=4096, margin=0.08),
            "standard": Budget(trials=32_768, margin=0.03),
            "paper": Budget(
                trials=131_072,
                margin=0.02,
                points=grid(N=[40, 80], T=50, M=200, H=20, alpha=[0.5, 1.5], lam=0.01, references=PLACES - 1),
            ),
        },
    )


@theory.claim
def mean_with_a_bottleneck() -> Claim:
    """For N <= T - 2, H >= N the mean loss given the features V u is U (T - 1)/(T - N - 1), U what these do not see:
    the formula without a bottleneck, with N the trained parameters only.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import frozen_parameters_do_not_count as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.frozen_bottleneck import bottleneck_loss

    def counting(count: Any) -> Any:
        """The factor with another count of parameters; above the threshold that of the interpolator."""

        def wrong(value: Any, *, N: Any, T: Any, M: Any, H: Any, unseen: Any) -> Any:
            n = count(N, H)
            return unseen * ((T - 1) / (T - n - 1) if n < T else (n - 1) / (n - T - 1))

        return wrong

    return Claim(
        prediction=d.MEAN_BELOW,
        simulation=bottleneck_loss,
        check=Expectation(given=("unseen",)),
        points=grid(N=8, T=22, M=40, H=[8, 32], alpha=0.8, lam=0.01, sigma_w=1.0),
        parameters=[model.ALPHA, model.LEAST, model.TEACHER],
        mutants=[
            Mutant("N + H parameters", counting(lambda N, H: N + H)),
            Mutant("sqrt(N H) parameters", counting(lambda N, H: np.sqrt(N * H))),
            Mutant("H parameters", counting(lambda N, H: H)),
        ],
        budgets={
            "quick": Budget(trials=4096, margin=0.04),
            "standard": Budget(trials=65_536, margin=0.01),
            "paper": Budget(
                trials=131_072,
                margin=0.01,
                points=grid(N=20, T=60, M=200, H=[20, 40, 100], alpha=[0.5, 1.5], lam=0.01, sigma_w=1.0),
            ),
        },
    )


@theory.claim
def loss_with_a_bottleneck() -> Claim:
    """For N < T the loss of N trained of N (H + 1) + H M parameters tends to the deterministic equivalent of N
    features, whatever H >= N.

    With the same coefficient of 1/N as without a bottleneck.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import frozen_parameters_do_not_count as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.frozen_bottleneck import proportional_bottleneck

    def counting(ratio: Any) -> Any:
        """The loss with another count of parameters, `ratio` times N."""

        def wrong(value: Any, *, N: Any, tau: Any, mu: Any, alpha: Any, lam: Any, sigma_w: Any, eta: Any) -> Any:
            at = {"T": np.floor(tau * N + 0.5), "M": np.floor(mu * N + 0.5), "alpha": alpha, "lam": lam}
            return model.RIDGELESS(N=np.round(ratio(eta) * N), **at, sigma_w=sigma_w)

        return wrong

    return Claim(
        prediction=d.LIMIT,
        simulation=proportional_bottleneck,
        check=Asymptotic(size="N", rate=1.0),
        points=grid(tau=2.5, mu=5.0, alpha=0.8, eta=[1.0, 4.0]),
        mutants=[
            Mutant("N + H parameters", counting(lambda eta: 1.0 + eta)),
            Mutant("sqrt(N H) parameters", counting(np.sqrt)),
            Mutant("H parameters", counting(lambda eta: eta)),
        ],
        budgets={
            "quick": Budget(trials=128, margin=0.05, sizes=(10, 20, 40, 80)),
            "standard": Budget(
                trials=1024,
                margin=0.01,
                sizes=(20, 40, 80, 160),
                points=grid(tau=2.5, mu=5.0, alpha=0.8, eta=[1.0, 2.0, 4.0]),
            ),
            "paper": Budget(
                trials=1024,
                margin=0.01,
                sizes=(50, 100, 200, 400),
                points=grid(tau=2.5, mu=5.0, alpha=[0.5, 0.8, 1.5], eta=[1.0, 2.0, 5.0]),
            ),
        },
    )


@theory.claim
def mean_above_the_threshold() -> Claim:
    """For T <= N - 2, H - 2 the mean loss given the samples is exactly
    U (1 + T (N + H - 2 T - 1)/((N - T - 1)(H - T - 1))), U what the samples do not see: frozen features count as much
    as trained ones.

    In the limit 1 + T/(N - T) + T/(H - T), a pole for each layer: at H = N the excess over U is twice that of a model
    without a bottleneck.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import frozen_parameters_do_not_count as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.frozen_bottleneck import bottleneck_loss

    def limit(value: Any, *, N: Any, T: Any, M: Any, H: Any, unseen: Any) -> Any:
        return unseen * (1.0 + T / (N - T) + T / (H - T))

    return Claim(
        prediction=d.MEAN_ABOVE,
        simulation=bottleneck_loss,
        check=Expectation(given=("unseen",)),
        points=grid(N=24, T=8, M=40, H=[20, 48], alpha=0.8, lam=0.01, sigma_w=1.0),
        parameters=[model.ALPHA, model.LEAST, model.TEACHER],
        mutants=[
            Mutant("no bottleneck", lambda value, N, T, M, H, unseen: unseen * (N - 1) / (N - T - 1)),
            Mutant("the frozen layer alone", lambda value, N, T, M, H, unseen: unseen * (H - 1) / (H - T - 1)),
            Mutant("as in the limit", limit),
        ],
        budgets={
            "quick": Budget(trials=32_768, margin=0.02),
            "standard": Budget(trials=131_072, margin=0.01),
            "paper": Budget(
                trials=262_144,
                margin=0.01,
                points=grid(N=50, T=[15, 20], M=[50, 200], H=[45, 100], alpha=[0.5, 1.5], lam=0.01, sigma_w=1.0),
            ),
        },
    )


@theory.claim
def exponent() -> Claim:
    """After infinitely many samples the loss falls like N^-alpha in the trained parameters, at a frozen width of twice
    as many."""
    from theorylab.checks import Exponent
    from theorylab.derivations.scaling_laws import msr_random_feature_limits as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.frozen_bottleneck import infinite_data_with_a_bottleneck

    alpha = d.alpha
    return Claim(
        prediction=replace(d.SLOPE, quantity="exponent of the loss in the trained parameters"),
        simulation=infinite_data_with_a_bottleneck,
        check=Exponent(size="N", drift=-1.0),
        points=grid(M=500, alpha=1.5, rows=64),
        parameters=[model.FEATURES, model.DIMENSIONS, d.ROWS],
        mutants=[
            Mutant("all N (H + M) parameters count, as N^2 and N", -2 * alpha),
            Mutant("that of the spectrum, 1 + alpha", -(1 + alpha)),
            Mutant("sqrt(N H) with H fixed", -alpha / 2),
        ],
        budgets={
            "quick": Budget(trials=256, margin=0.2, sizes=(8, 16, 32, 64)),
            "standard": Budget(
                trials=1024, margin=0.05, sizes=(8, 16, 32, 64), points=grid(M=2000, alpha=[1.5, 2.0], rows=64)
            ),
            "paper": Budget(
                trials=2048,
                margin=0.03,
                sizes=(10, 20, 40, 80, 160),
                points=grid(M=20_000, alpha=[1.2, 1.5, 2.0], rows=160),
            ),
        },
    )


@theory.claim(expected="fails")
def invariance_above_the_threshold() -> Claim:
    """Beyond its range: for T < N, too, the law of the loss does not depend on the frozen width.

    It does: with more features than samples the solution of least norm sees the metric V^T V. The correct mean is
    `mean-above-the-threshold`.
    """
    from theorylab.checks import Law
    from theorylab.derivations.scaling_laws import frozen_parameters_do_not_count as d
    from theorylab.sims.scaling_laws.frozen_bottleneck import bottleneck_rank

    return Claim(
        prediction=d.UNIFORM,
        simulation=bottleneck_rank,
        check=Law(variable="rank"),
        points=grid(N=20, T=8, M=40, H=20, alpha=0.8, lam=0.01, references=PLACES - 1),
        parameters=_rank_parameters(),
        mutants=_rank_mutants(),
        budgets={
            "quick": Budget(trials=4096, margin=0.08),
            "standard": Budget(trials=16_384, margin=0.03),
            "paper": Budget(
                trials=32_768,
                margin=0.02,
                points=grid(N=60, T=20, M=200, H=[60, 120], alpha=0.8, lam=0.01, references=PLACES - 1),
            ),
        },
    )


@theory.claim(control=True, expected="fails")
def control_mean() -> Claim:
    """False on purpose, by 4 %: the mean loss with a bottleneck is 1.04 U (T - 1)/(T - N - 1)."""
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import frozen_parameters_do_not_count as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.frozen_bottleneck import bottleneck_loss

    return Claim(
        prediction=d.MEAN_BELOW.altered(lambda value, **_: 1.04 * value),
        simulation=bottleneck_loss,
        check=Expectation(given=("unseen",)),
        points=grid(N=8, T=22, M=40, H=16, alpha=0.8, lam=0.01, sigma_w=1.0),
        parameters=[model.ALPHA, model.LEAST, model.TEACHER],
        mutants=[Mutant("half-risk", lambda value, **_: value / 2)],
        budgets={
            "quick": Budget(trials=32_768, margin=0.015),
            "standard": Budget(trials=65_536, margin=0.01),
            "paper": Budget(trials=131_072, margin=0.01),
        },
    )
