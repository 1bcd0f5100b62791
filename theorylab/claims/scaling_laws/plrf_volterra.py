"""One-pass SGD on power-law random features: expected risk at every step, stability, and what it converges to."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Integers, Parameter
from theorylab.theory import Theory

theory = Theory(
    "scaling_laws/plrf-volterra",
    title="4+3 phases of compute-optimal scaling laws: the exact dynamics of SGD on power-law random features",
    source=Source(
        authors="Elliot Paquette and Courtney Paquette and Lechao Xiao and Jeffrey Pennington",
        title="4+3 Phases of Compute-Optimal Neural Scaling Laws",
        year=2024,
        where="sections 2 and 3",
        arxiv="2405.15074v2",
    ),
)

RUNS = Parameter("runs", Integers(1), "runs of SGD on the same features", 64)
LONG = Parameter("steps", Integers(1), "steps after which the risk changes no more", 20_000)


@theory.claim
def sgd_at_fixed_features() -> Claim:
    """At every draw of the features the risk of SGD, averaged over inputs, is P_r = F(r) + sum_{s<r} K(r-1-s) P_s.

    F(r) = sum_k rho_k(0) q(lambda_k)^r and K(r) = sum_k a(lambda_k) q(lambda_k)^r with q(l) = 1 - 2 gamma B l +
    gamma^2 B (B+1) l^2 and a(l) = gamma^2 B l^2, over the eigenpairs of the features' own covariance. Every trial has
    features of its own and is compared with their formula, so that no scatter between features is left. Learning rates
    are a sixth to a quarter of the critical one: nearer to it the risk of single runs is heavy-tailed.
    """
    import numpy as np

    from theorylab.checks import Curve
    from theorylab.derivations.scaling_laws import plrf_volterra as v
    from theorylab.sims.scaling_laws import power_law_features as sim

    def wrong(square: Any = None, feed: Any = lambda B: 1.0) -> Any:
        def value(_: Any, *, alpha: Any, d: Any, ratio: Any, rate: Any, B: Any, r: Any, **seen: Any) -> Any:
            gamma = v.learning_rate(rate, alpha, d, ratio)
            return v.volterra(gamma, B, r, **seen, square=square and square(B), feed=feed(B))

        return value

    times = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    shared = {"d": 20, "ratio": 2.0, "r": times, "runs": 32}
    points = [
        {"alpha": 1.0, "beta": 0.7, "rate": 0.15, "B": 2, **shared},
        {"alpha": 0.6, "beta": 0.7, "rate": 0.2, "B": 2, **shared},
        {"alpha": 0.4, "beta": 0.7, "rate": 0.5, "B": 3, **shared},
    ]
    return Claim(
        prediction=v.RISK_GIVEN,
        simulation=sim.stochastic,
        check=Curve(axis="r", observable="risk", given=("eigenvalues", "errors", "least")),
        points=points,
        parameters=[v.BETA, RUNS],
        mutants=[
            Mutant("B^2 instead of B (B + 1) in q: no fourth moments", wrong(square=lambda B: B**2)),
            Mutant("a = gamma^2 B^2 l^2", wrong(feed=lambda B: B)),
            Mutant("gradient flow of the mean: no kernel", wrong(feed=lambda B: 0.0)),
            Mutant("half the learning rate: gradient of half the risk", _halved),
        ],
        budgets={
            "quick": Budget(2048, 0.017, points=[points[0], points[2]]),
            "standard": Budget(65_536, 0.003),
            "paper": Budget(262_144, 0.001),
        },
    )


def _halved(_: Any, **at: Any) -> Any:
    from theorylab.derivations.scaling_laws import plrf_volterra as v

    return v.RISK_GIVEN(**{**at, "rate": at["rate"] / 2})


@theory.claim
def limit_at_fixed_features() -> Claim:
    """At every draw of the features the mean risk tends to F_0 / (1 - |K|), where |K| is the sum over eigenvalues of
    gamma lambda / (2 - gamma (B+1) lambda).

    The recursion is run until it stands still.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import plrf_volterra as v
    from theorylab.sims.scaling_laws import power_law_features as sim

    def wrong(norm: Any) -> Any:
        def value(_: Any, *, alpha: Any, d: Any, ratio: Any, rate: Any, B: Any, eigenvalues: Any, least: Any) -> Any:
            x = v.learning_rate(rate, alpha, d, ratio) * eigenvalues
            return (least / (1.0 - norm(x, B).sum(axis=1)))[:, None]

        return value

    return Claim(
        prediction=v.LIMIT_GIVEN,
        simulation=sim.settled,
        check=Expectation(observable="risk", given=("eigenvalues", "least")),
        points=[
            {"alpha": 0.4, "beta": 0.7, "d": 24, "ratio": 3.0, "rate": 0.6, "B": 1},
            {"alpha": 0.6, "beta": 0.4, "d": 24, "ratio": 3.0, "rate": 0.3, "B": 3},
        ],
        parameters=[v.BETA, LONG],
        mutants=[
            Mutant("norm without its factor 1/2", wrong(lambda x, B: 2 * x / (2 - (B + 1) * x))),
            Mutant("vanishing learning rate, (gamma/2) sum lambda", wrong(lambda x, B: x / 2)),
            Mutant("B instead of B + 1", wrong(lambda x, B: x / (2 - B * x))),
            Mutant("the least risk", wrong(lambda x, B: 0 * x)),
        ],
        budgets={"quick": Budget(256, 0.002), "standard": Budget(4096, 0.001), "paper": Budget(65_536, 0.0001)},
    )


def _threshold(prediction: Any, points: Any, mutants: Any, margins: Any) -> Claim:
    from theorylab.checks import Boundary
    from theorylab.derivations.scaling_laws import plrf_volterra as v
    from theorylab.sims.scaling_laws import power_law_features as sim

    quick, standard, paper = margins
    return Claim(
        prediction=prediction,
        simulation=sim.growth,
        check=Boundary(parameter="rate"),
        points=[{**p, "d": 100} for p in points],
        parameters=[v.RATE],
        mutants=mutants,
        budgets={
            "quick": Budget(128, quick),
            "standard": Budget(512, standard, points=[{**p, "d": 200} for p in points]),
            "paper": Budget(1024, paper, points=[{**p, "d": 400} for p in points]),
        },
    )


@theory.claim
def stability() -> Claim:
    """The mean risk is bounded up to the learning rate 2 mu / ((B+1) (1 + (B+1)/d)), where mu solves
    sum_j lambda_j mu / (1 - lambda_j mu) = B+1: the critical one of the population spectrum over 1 + (B+1)/d.

    For features at large d and alpha < 1/2, where single draws scatter little. The order parameter is the growth of the
    risk under the exact map of second moments, averaged over features.
    """
    from theorylab.derivations.scaling_laws import plrf_volterra as v

    def largest(_: Any, *, alpha: Any, d: Any, ratio: Any, B: Any) -> Any:
        s = v.spectrum(float(alpha), 1.0, float(d), float(ratio))[0]
        return 2.0 * s.trace / ((B + 1.0) * s.edges.high)

    points = [{"alpha": 0.4, "ratio": 2.0, "B": 1}, {"alpha": 0.3, "ratio": 3.0, "B": 8}]
    mutants = [
        Mutant("largest eigenvalue alone: gamma (B + 1) lambda_max = 2", largest),
        Mutant("norm without its factor 1/2", lambda value, **_: value / 2),
        Mutant("vanishing learning rate: gamma tr D = 2", lambda value, **_: value * 0 + 2.0),
    ]
    return _threshold(v.CRITICAL_RATE, points, mutants, (0.05, 0.025, 0.0125))


@theory.claim(expected="fails")
def stability_for_vanishing_rates() -> Claim:
    """The mean risk is bounded up to gamma = 2 / sum_j j^(-2 alpha), where (gamma/2) sum_j j^(-2 alpha) = 1.

    The norm of the kernel is (gamma/2) tr D only where gamma (B+1) lambda_1 << 1. For alpha < 1/2 that is so for many
    features; at alpha = 1 the critical rate is half of it, because the first few eigenvalues make most of the trace.
    """
    from theorylab.derivations.scaling_laws import plrf_volterra as v

    mutants = [Mutant("gradient of half the risk", 2 * v.SMALL_STEPS.expr)]
    return _threshold(v.SMALL_STEPS, [{"alpha": 1.0, "ratio": 2.0, "B": 1}], mutants, (0.1, 0.05, 0.025))


@theory.claim
def least_risk() -> Claim:
    """The least risk of d features is F_0 = sum_j j^(-2 alpha - 2 beta) kappa / (j^(-2 alpha) + kappa) on average, with
    sum_j j^(-2 alpha) / (j^(-2 alpha) + kappa) = d, up to order 1/d.

    One formula on both sides of alpha = 1/2 and beta = 1/2. Coefficients of 1/d are 0.2 to 1.3.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import plrf_volterra as v
    from theorylab.sims.scaling_laws import power_law_features as sim

    def beyond(_: Any, *, alpha: Any, beta: Any, d: Any, ratio: Any) -> Any:
        s = v.spectrum(float(alpha), float(beta), float(d), float(ratio))[0]
        return s.initial - v.spectrum(float(alpha), float(beta), 2.0, float(d) / 2.0)[0].initial

    def bare(_: Any, *, alpha: Any, beta: Any, d: Any, ratio: Any) -> Any:
        s = v.spectrum(float(alpha), float(beta), float(d), float(ratio))[0]
        return s.weight @ (s.target / (1.0 + s.lam * d ** (2.0 * alpha)))

    points = [{"alpha": a, "beta": b, "ratio": 2.0, "r": 0.0} for a, b in ((1.0, 0.7), (0.4, 0.3), (0.8, 1.2))]
    return Claim(
        prediction=v.LEAST_RISK,
        simulation=sim.expected,
        check=Asymptotic(size="d", rate=1.0, observable="least"),
        points=points[:2],
        parameters=[v.RATE, v.BATCH, v.STEPS],
        mutants=[
            Mutant("the best d inputs: sum over j > d", beyond),
            Mutant("kappa = d^(-2 alpha)", bare),
            Mutant("half as many features", lambda value, **at: v.LEAST_RISK(**{**at, "d": at["d"] // 2})),
        ],
        budgets={
            "quick": Budget(1024, 0.08, sizes=[12, 24, 48, 96]),
            "standard": Budget(8192, 0.02, sizes=[25, 50, 100, 200], points=points),
            "paper": Budget(32_768, 0.01, sizes=[50, 100, 200, 400], points=points),
        },
    )


@theory.claim
def smallest_eigenvalue() -> Claim:
    """The smallest nonzero eigenvalue of the features' covariance is max over mu < 0 of 1/mu - (1/d) sum_j lambda_j /
    (lambda_j mu - 1), up to fluctuations of relative order d^(-2/3).
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import plrf_volterra as v
    from theorylab.sims.scaling_laws import power_law_features as sim

    def kappa(_: Any, *, alpha: Any, d: Any, ratio: Any) -> Any:
        return v.spectrum(float(alpha), 1.0, float(d), float(ratio))[0].kappa

    return Claim(
        prediction=v.SMALLEST,
        simulation=sim.expected,
        check=Asymptotic(size="d", rate=2.0 / 3.0, observable="smallest", order=2),
        points=[{"alpha": a, "ratio": 4.0, "r": 0.0} for a in (0.4, 1.0)],
        parameters=[v.BETA, v.RATE, v.BATCH, v.STEPS],
        mutants=[
            Mutant("kappa", kappa),
            Mutant(
                "the smallest of the population, v^(-2 alpha)",
                lambda _, *, alpha, d, ratio: (ratio * d) ** (-2 * alpha),
            ),
            Mutant("half as many features", lambda value, **at: v.SMALLEST(**{**at, "d": at["d"] // 2})),
        ],
        budgets={
            "quick": Budget(512, 0.12, sizes=[12, 24, 48, 96]),
            "standard": Budget(4096, 0.03, sizes=[12, 24, 48, 96, 192]),
            "paper": Budget(16_384, 0.015, sizes=[25, 50, 100, 200, 400]),
        },
    )
