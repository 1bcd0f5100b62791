"""Training beyond the compute-optimal number of tokens: parallel power laws in the compute."""

from __future__ import annotations

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.theory import Theory

theory = Theory(
    "scaling_laws/overtraining-law",
    title="L - E = lambda(M) C^(-alpha/2): the same exponent of the compute at every number of tokens per parameter",
    source=Source(
        authors="Gadre, Samir Yitzhak and others",
        title="Language models scale reliably with over-training and on downstream tasks",
        year=2024,
        where="equations (4) and (5), appendix B",
        arxiv="2403.08540v2",
    ),
)

LAW = {"A": (50.0, 500.0), "B": (50.0, 1000.0), "alpha": (0.1, 0.8)}
BUDGETS = {
    "quick": Budget(trials=6, margin=1e-10),
    "standard": Budget(trials=100, margin=1e-10),
    "paper": Budget(trials=1000, margin=1e-10),
}


@theory.claim
def parallel_power_laws() -> Claim:
    """With equal exponents, at compute C and M tokens per parameter L - E = 6^h (A M^h + B M^-h) C^-h, h = alpha/2."""
    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import overtraining_law as d

    right = d.reducible.expr
    return Claim(
        prediction=d.reducible,
        check=Identity(other=d.reducible_solved, ranges={**LAW, "C": (1e17, 1e21), "M": (5.0, 640.0)}),
        mutants=[
            Mutant("D = (C/(6M))^(1/2)", (d.A + d.B) * d.size**-d.alpha),
            Mutant("h = alpha", right.subs(d.alpha, 2 * d.alpha)),
            Mutant("6^h forgotten", right / 6**d.h),
            Mutant("M and 1/M exchanged", right.subs(d.M, 1 / d.M)),
        ],
        budgets=BUDGETS,
    )


@theory.claim
def same_exponent() -> Claim:
    """At a fixed number of tokens per parameter L - E falls like C^(-alpha/2), whatever that number."""
    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import overtraining_law as d

    return Claim(
        prediction=d.exponent,
        check=Identity(other=d.exponent_measured, ranges={**LAW, "M": (5.0, 640.0)}),
        mutants=[
            Mutant("h = alpha", -d.alpha),
            Mutant("flatter when trained longer", -d.h * (1 - d.M / 10_000)),
        ],
        budgets=BUDGETS,
    )


@theory.claim(control=True, expected="fails")
def same_exponent_control() -> Claim:
    """At a fixed number of tokens per parameter L - E falls like C^(-0.52 alpha)."""
    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import overtraining_law as d

    right = d.exponent
    return Claim(
        prediction=right.altered(1.04 * right.expr),
        check=Identity(other=d.exponent_measured, ranges={**LAW, "M": (5.0, 640.0)}),
        mutants=[Mutant("h = alpha", -d.alpha)],
        budgets=BUDGETS,
    )


@theory.claim
def best_multiplier() -> Claim:
    """The loss at given compute is least at M* = (B/A)^(1/alpha) tokens per parameter, whatever the compute."""
    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import overtraining_law as d

    return Claim(
        prediction=d.best_multiplier,
        check=Identity(other=d.best_minimised, ranges=LAW),
        mutants=[
            Mutant("A/B", (d.A / d.B) ** (1 / d.alpha)),
            Mutant("power 1/h", (d.B / d.A) ** (1 / d.h)),
        ],
        budgets=BUDGETS,
    )


@theory.claim
def penalty() -> Claim:
    """M tokens per parameter instead of M* multiply the reducible loss by cosh(h ln(M/M*)).

    Overtraining by a factor of ten costs 5 % of it at alpha = 0.28, by a hundred 21 %.
    """
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import overtraining_law as d

    distance = sp.log(d.M / d.best)
    return Claim(
        prediction=d.penalty,
        check=Identity(other=d.penalty_minimised, ranges={**LAW, "M": (1e3, 1e6)}),
        mutants=[
            Mutant("cosh of alpha ln(M/M*)", sp.cosh(d.alpha * distance)),
            Mutant("parabola", 1 + (d.h * distance) ** 2 / 2),
            Mutant("power law", (d.M / d.best) ** d.h),
        ],
        budgets=BUDGETS,
    )


@theory.claim
def unequal_exponents() -> Claim:
    """With exponents a of N and b of D, at a fixed number of tokens per parameter L - E falls like C^(-min(a,b)/2) at
    large compute.

    The law is then no single power: curves of different multipliers bend at different compute.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import overtraining_law as d

    a, b = d.a_.symbol, d.b_.symbol
    # Exponents far enough apart for the other term to be gone where the slope is measured.
    return Claim(
        prediction=d.unequal_exponent,
        check=Identity(
            other=d.unequal_measured,
            ranges={"A": (50.0, 500.0), "B": (50.0, 1000.0), "a": (0.2, 0.4), "b": (0.5, 0.7), "M": (5.0, 640.0)},
        ),
        mutants=[Mutant("mean of the exponents", -(a + b) / 4), Mutant("not halved", -a)],
        budgets=BUDGETS,
    )


@theory.claim
def downstream_error() -> Claim:
    """A downstream error eps - kappa e^(-gamma L) is eps - kappa e^(-gamma E) exp(-gamma lambda(M) C^-h) in compute and
    tokens per parameter.

    Compared is eps less the error, of which no digits are lost.
    """
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import overtraining_law as d

    skill = d.kappa * sp.exp(-d.gamma * d.E)
    return Claim(
        prediction=d.downstream,
        check=Identity(
            other=d.downstream_solved,
            ranges={
                **LAW,
                "E": (1.0, 2.5),
                "C": (1e17, 1e21),
                "M": (5.0, 640.0),
                "kappa": (0.5, 2.0),
                "gamma": (0.3, 1.5),
            },
        ),
        mutants=[
            Mutant("E forgotten", d.kappa * sp.exp(-d.gamma * d.prefactor * d.C**-d.h)),
            Mutant("linear in the loss", skill * (1 - d.gamma * d.prefactor * d.C**-d.h)),
        ],
        budgets=BUDGETS,
    )
