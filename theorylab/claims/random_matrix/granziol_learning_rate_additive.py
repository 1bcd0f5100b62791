"""Additive batch noise, where SGD follows a square-root law, and the least damping of second-order methods."""

from __future__ import annotations

from theorylab.claim import Budget, Claim, Mutant
from theorylab.claims.random_matrix.granziol_learning_rate import theory
from theorylab.parameters import Interval, Parameter


def _additive(points: list[dict[str, float]], rate: float, mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.sims.random_matrix.learning_rates import additive_rate

    return Claim(
        prediction=d.additive_rate_at_ratio,
        simulation=additive_rate,
        check=Asymptotic("P", rate=rate),
        points=points,
        parameters=[d.DIM],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=2048, margin=0.015, sizes=[100, 200, 400, 800]),
            "standard": Budget(trials=20_000, margin=0.005, sizes=[100, 200, 400, 800, 1600]),
            "paper": Budget(trials=50_000, margin=0.003, sizes=[250, 500, 1000, 2000, 4000]),
        },
    )


@theory.claim
def additive_above() -> Claim:
    """Under additive noise and above the critical batch b_c = P sigma_eps^2/lambda_1^2 the largest stable learning
    rate is 2 lambda_1 b/(lambda_1^2 b + P sigma_eps^2)."""
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    lam1, r, eps = d.lam1, d.r, d.sigma_eps
    return _additive(
        [{"r": 1.0, "lam1": 1.6, "sigma_eps": 1.0}, {"r": 0.5, "lam1": 1.2, "sigma_eps": 0.8}],
        1.0,
        [
            Mutant("1/lambda_1'", lambda value, **_: value / 2),
            Mutant("multiplicative noise, lambda_1 + P sigma_eps^2/b", 2 / (lam1 + r * eps**2)),
            Mutant("shift over lambda_1^2", 2 / (lam1 + r * eps**2 / lam1**2)),
            Mutant("full-batch curvature", 2 / lam1),
        ],
    )


@theory.claim
def additive_below() -> Claim:
    """Under additive noise and below the critical batch the largest stable learning rate is sqrt(b/P)/sigma_eps: a
    square-root law for plain SGD.

    The linear law needs multiplicative noise.
    """
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    lam1, r, eps = d.lam1, d.r, d.sigma_eps
    return _additive(
        [{"r": 9.0, "lam1": 1.0, "sigma_eps": 1.0}, {"r": 4.0, "lam1": 0.5, "sigma_eps": 0.7}],
        2.0 / 3.0,
        [
            Mutant("outlier formula continued below b_c", 2 * lam1 / (lam1**2 + r * eps**2)),
            Mutant("linear law", lambda value, **_: value**2),
            Mutant("2 sqrt(b/P)", lambda value, **_: 2 * value),
        ],
    )


@theory.claim
def additive_factor_two() -> Claim:
    """Under additive noise a batch as small as b_c = P sigma_eps^2/lambda_1^2 costs a factor 2 in learning rate, no
    more: alpha_max(b_c) = 1/lambda_1."""
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    return Claim(
        prediction=d.additive_half,
        check=Identity(other=1 / d.lam1, ranges={"P": (1, 1000), "lam1": (0.1, 9.0), "sigma_eps": (0.1, 3.0)}),
        mutants=[Mutant("no loss", 2 / d.lam1), Mutant("a factor 4", 1 / (2 * d.lam1))],
        budgets={name: Budget(trials=20, margin=0.01) for name in ("quick", "standard", "paper")},
    )


def _exponent(prediction: str, mutants: list[Mutant], margin: float = 0.01) -> Claim:
    from theorylab.checks import Exponent
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.sims.random_matrix.learning_rates import additive_rate_at_batch

    return Claim(
        prediction=getattr(d, prediction),
        simulation=additive_rate_at_batch,
        check=Exponent("b"),
        points=[{"P": 20_000, "lam1": 1.0, "sigma_eps": 1.0}],
        parameters=[d.DIM, d.BATCH, d.LAMBDA, d.NOISE],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=512, margin=margin, sizes=[20, 60, 200, 600, 2000]),
            "standard": Budget(trials=4096, margin=0.3 * margin, sizes=[20, 60, 200, 600, 2000]),
            "paper": Budget(trials=16_384, margin=0.2 * margin, sizes=[20, 60, 200, 600, 2000]),
        },
    )


@theory.claim
def additive_exponent() -> Claim:
    """Under additive noise and far below b_c the largest stable learning rate of SGD grows like the square root of
    b."""
    return _exponent("additive_exponent", [Mutant("linear", lambda value, **_: 2 * value)])


@theory.claim(expected="fails")
def additive_linear_scaling() -> Claim:
    """Under additive noise the largest stable learning rate of SGD grows linearly with the batch size where batches are
    small.

    The linear rule of SGD read off lambda_1' = lambda_1 + P sigma_eps^2/(b lambda_1) for small b, where that is no
    longer the largest eigenvalue: below b_c the edge is, and the law is `additive_exponent`. The linear rule is right
    under multiplicative noise, `sgd_exponent`.
    """
    return _exponent("sgd_exponent", [])


def _damping(prediction: str, simulation: str, point: dict[str, float], mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.sims.random_matrix import learning_rates

    damping = Parameter("delta", Interval(0, open_low=True), "damping")
    return Claim(
        prediction=getattr(d, prediction),
        simulation=getattr(learning_rates, simulation),
        check=Boundary("delta"),
        points=[{**point, "P": 100_000}],
        parameters=[d.DIM, d.LAMBDA, damping],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=256, margin=0.01),
            "standard": Budget(trials=4096, margin=0.005),
            "paper": Budget(trials=16_384, margin=0.005),
        },
    )


@theory.claim
def ggn_damping() -> Claim:
    """With C = H_emp + delta I and Gauss-Newton noise a step is stable from delta_min = alpha sigma^2 (1 +
    sqrt(P/b))^2/2 on, which is alpha P sigma^2/(2b) for b << P: proportional to alpha/b.

    For directions that the full batch sees as flat. A finite system needs less, by the Tracy-Widom shift of the edge.
    """
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    small_batch = d.alpha * d.r * d.sigma**2 / 2
    return _damping(
        "ggn_damping",
        "damped_growth",
        {"r": 4.0, "alpha": 0.2, "lam1": 5.0, "sigma": 1.0},
        [
            Mutant("alpha e", lambda value, **_: 2 * value),
            Mutant("small-batch form at any batch size", small_batch),
            Mutant("additive noise", d.alpha * d.sigma * d.r**0.5),
        ],
    )


@theory.claim
def additive_damping() -> Claim:
    """With C = H_emp + delta I and additive noise a step is stable from delta_min = alpha sigma_eps sqrt(P/b) on."""
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    return _damping(
        "additive_damping",
        "damped_additive_growth",
        {"r": 4.0, "alpha": 0.2, "lam1": 5.0, "sigma_eps": 1.0},
        [
            Mutant("edge at sigma_eps sqrt(P/b)", lambda value, **_: value / 2),
            Mutant("proportional to P/b", d.alpha * d.sigma_eps * d.r / 2 * 3),
        ],
    )
