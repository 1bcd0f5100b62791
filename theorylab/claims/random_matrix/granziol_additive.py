"""The curvature of a batch under additive noise: outliers, edges, critical batch size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Parameter
from theorylab.theory import Theory

GRANZIOL = Source(
    authors="Granziol, Diego and Zohren, Stefan and Roberts, Stephen",
    title="Learning Rates as a Function of Batch Size: A Random Matrix Theory Approach to Neural Network Training",
    year=2022,
    where="additive noise",
    arxiv="2006.09092v6",
    journal="Journal of Machine Learning Research 23(173), 1-65",
)

theory = Theory(
    "random_matrix/granziol-additive",
    title="The curvature of a batch under additive noise: outliers, edges, critical batch size",
    source=GRANZIOL,
)

SIZES = {"quick": (50, 100, 200, 400), "standard": (100, 200, 400, 800), "paper": (400, 800, 1600, 3200)}


def _limit(
    prediction: str,
    simulation: str,
    observable: str,
    points: list[dict[str, Any]],
    mutants: list[Mutant],
    budgets: dict[str, tuple[int, float]],
    rate: float = 1.0,
    sizes: Mapping[str, tuple[int, ...]] = SIZES,
) -> Claim:
    """A mean as P, B and N grow in proportion; `budgets` gives trials and margins."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_additive as d
    from theorylab.sims.random_matrix import additive_batches as sims

    predicted = getattr(d, prediction)
    given = ("spectrum",) if "spectrum" in predicted.space else ()
    extra = [
        d.DIM,
        d.TOP_SPIKE,
        d.DEPTH,
        d.WIDTH,
        Parameter("theta", d.POSITIVE, "spike that samples scatter about"),
    ]
    known = {"P", *points[0]} - set(predicted.space.names)
    return Claim(
        prediction=predicted,
        simulation=getattr(sims, simulation),
        check=Asymptotic(size="P", observable=observable, rate=rate, given=given),
        points=points,
        parameters=[p for p in extra if p.name in known],
        mutants=mutants,
        budgets={name: Budget(trials=n, margin=m, sizes=sizes[name]) for name, (n, m) in budgets.items()},
    )


NEAR = [{"r": 0.5, "t": 0.5, "lam1": 0.8, "sigma_eps": 1.0}, {"r": 2.0, "t": 0.3, "lam1": 2.0, "sigma_eps": 0.9}]


@theory.claim
def outlier_shift() -> Claim:
    """Above the critical batch size the batch's largest eigenvalue exceeds that of the full Hessian by
    (P/b) sigma_eps^2/lambda_1, 1/b = 1/B - 1/N, when the bulk of the full Hessian is at zero.

    The shift itself is compared: a tenth to a half of lambda_1, it hardly shows in lambda_1'.
    """
    from theorylab.derivations.random_matrix import granziol_additive as d

    return _limit(
        "SHIFT",
        "top",
        "shift",
        NEAR,
        [
            Mutant("B for b", d.square / (1 - d.t) / d.lam1),
            Mutant("over lambda_1^2", d.square / d.lam1**2),
            Mutant("multiplicative noise", d.square),
            Mutant("half the push", d.square / (2 * d.lam1)),
        ],
        {"quick": (2_048, 0.05), "standard": (16_384, 0.02), "paper": (65_536, 0.005)},
    )


@theory.claim
def overlap() -> Claim:
    """Above the critical batch size the top eigenvectors of batch and full Hessian have the squared overlap
    1 - (P/b) sigma_eps^2/lambda_1^2.

    It is the part of the outlier's eigenvector that a batch sees: 61 % at b = 2.6 b_c.
    """
    from theorylab.derivations.random_matrix import granziol_additive as d

    return _limit(
        "OVERLAP",
        "top",
        "overlap",
        NEAR,
        [
            Mutant("B for b", 1 - d.square / (1 - d.t) / d.lam1**2),
            Mutant("1 - s/lambda_1", 1 - d.s / d.lam1),
            Mutant("cosine, not its square", d.overlap**0.5),
        ],
        {"quick": (2_048, 0.05), "standard": (32_768, 0.01), "paper": (65_536, 0.004)},
    )


@theory.claim(control=True, expected="fails")
def overlap_four_per_cent_less() -> Claim:
    """The squared overlap is 0.96 (1 - (P/b) sigma_eps^2/lambda_1^2).

    A control: false by 4 %.
    """
    from dataclasses import replace

    from theorylab.derivations.random_matrix import granziol_additive as d

    claim = _limit(
        "OVERLAP",
        "top",
        "overlap",
        NEAR[1:],
        [],
        {"quick": (8_192, 0.01), "standard": (32_768, 0.01), "paper": (65_536, 0.004)},
    )
    return replace(claim, prediction=d.OVERLAP.altered(lambda value, **_: 0.96 * value))


@theory.claim
def negative_outlier() -> Claim:
    """A negative outlier lambda_P of the full Hessian moves down, by (P/b) sigma_eps^2/lambda_P, in the presence of a
    positive one: small batches show more negative curvature than there is."""
    from theorylab.derivations.random_matrix import granziol_additive as d

    return _limit(
        "BOTTOM_SHIFT",
        "both_ends",
        "bottom",
        [{"r": 1.0, "t": 0.5, "lam1": 1.5, "depth": 1.4, "sigma_eps": 1.0}],
        [
            Mutant("B for b", -d.square / (1 - d.t) / d.depth),
            Mutant("upwards", d.square / d.depth),
            Mutant("over lambda_P^2", -d.square / d.depth**2),
        ],
        {"quick": (512, 0.09), "standard": (16_384, 0.02), "paper": (65_536, 0.01)},
    )


@theory.claim
def lost_outlier() -> Claim:
    """Below the critical batch size the largest eigenvalue of a batch is the edge 2 sigma_eps sqrt(P/b) of the noise,
    whatever lambda_1."""
    from theorylab.derivations.random_matrix import granziol_additive as d

    return _limit(
        "TOP",
        "top",
        "eigenvalue",
        [{"r": 4.0, "t": 0.5, "lam1": 0.6, "sigma_eps": 1.0}, {"r": 2.0, "t": 0.25, "lam1": 0.3, "sigma_eps": 0.7}],
        [
            Mutant("B for b", 2 * d.s / (1 - d.t) ** 0.5),
            Mutant("outlier formula continued", d.outlier),
            Mutant("radius s", d.s),
        ],
        {"quick": (1_024, 0.02), "standard": (16_384, 0.006), "paper": (65_536, 0.003)},
        rate=2.0 / 3.0,
    )


@theory.claim
def critical_batch_size() -> Claim:
    """A batch shows the outlier when B exceeds B_c = N b_c/(N + b_c), b_c = P sigma_eps^2/lambda_1^2.

    The overlap falls like 1/P below, like P^(-1/3) at the transition and not at all above: its change when the system
    doubles, plus (1/3) log 2, changes sign there. The width of the transition in b is 2 P^(-1/3) of b_c.
    """
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import granziol_additive as d
    from theorylab.sims.random_matrix.additive_batches import overlap_growth

    noise = d.sigma_eps**2

    def at(P: int) -> list[dict[str, float]]:
        return [{"P": P, "N": P, "lam1": 2.0, "sigma_eps": 2.0}]

    return Claim(
        prediction=d.CRITICAL_BATCH,
        simulation=overlap_growth,
        check=Boundary(parameter="B", ladder=(-2.0, -1.0, 1.0, 2.0)),
        points=at(8_000),
        parameters=[_real_batch()],
        mutants=[
            Mutant("b_c: as if N were infinite", d.critical_b),
            Mutant("edge for spike: lambda_1 = 2 s", 4 * d.critical_batch),
            Mutant("P sigma_eps^2/lambda_1 for b_c", d.N * d.P * noise / (d.N * d.lam1 + d.P * noise)),
        ],
        budgets={
            "quick": Budget(trials=4_096, margin=0.08),
            "standard": Budget(trials=16_384, margin=0.03, points=at(32_000)),
            "paper": Budget(trials=65_536, margin=0.015, points=at(1_000_000)),
        },
    )


def _real_batch() -> Any:
    from theorylab.parameters import Interval, Parameter

    return Parameter("B", Interval(0, open_low=True), "batch size, real where only ratios matter")


@theory.claim
def doubled_at_critical_batch() -> Claim:
    """At the critical batch size, where the outlier is lost, it stands at 2 lambda_1 exactly."""
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import granziol_additive as d

    return Claim(
        prediction=d.AT_CRITICAL,
        check=Identity(other=2 * d.lam1, ranges={"P": (1, 1000), "lam1": (0.1, 9.0), "sigma_eps": (0.1, 3.0)}),
        mutants=[Mutant("not moved", d.lam1), Mutant("half as far", 3 * d.lam1 / 2)],
        budgets={name: Budget(trials=20, margin=0.01) for name in ("quick", "standard", "paper")},
    )


@theory.claim
def small_batch_exponent() -> Claim:
    """Far below the critical batch size the largest eigenvalue of a batch falls like b^(-1/2), not like 1/b."""
    from theorylab.checks import Exponent
    from theorylab.derivations.random_matrix import granziol_additive as d
    from theorylab.parameters import Interval, Parameter
    from theorylab.sims.random_matrix.additive_batches import small_batches

    return Claim(
        prediction=d.SMALL_BATCHES,
        simulation=small_batches,
        check=Exponent("b"),
        points=[{"P": 50_000, "lam1": 1.0, "sigma_eps": 1.0}],
        parameters=[d.DIM, Parameter("b", Interval(0, open_low=True), "effective batch size")],
        mutants=[
            Mutant("1/b, the outlier formula continued", lambda value, **_: 2 * value),
            Mutant("b^(-1/3)", lambda value, **_: value * 2 / 3),
        ],
        budgets={
            "quick": Budget(trials=256, margin=0.01, sizes=[20, 60, 200, 600, 2000]),
            "standard": Budget(trials=4096, margin=0.003, sizes=[20, 60, 200, 600, 2000]),
            "paper": Budget(trials=16_384, margin=0.002, sizes=[20, 60, 200, 600, 2000]),
        },
    )
