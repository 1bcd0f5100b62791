"""H-consistency bounds of comp-sum losses as published: zero-one regret against surrogate regret.

The sharp forms for tau > 1 are in `comp_sum_h_consistency_sharp`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, grid
from theorylab.claims.surrogate_losses.comp_sum_conditional_risk import IDENTITY, MAO
from theorylab.theory import Theory

SOURCE = replace(MAO, where="section 3")

theory = Theory(
    "surrogate_losses/comp-sum-h-consistency",
    title="H-consistency bounds of comp-sum losses: published, sharp, and where they part",
    source=SOURCE,
)

# Zero-one and surrogate regrets at which named instances are measured.
BETAS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
REGRETS = (1e-3, 1e-2, 0.1, 0.3)
PAPER_N = 10
PAPER_TAUS_TO_ONE = [0.0, 0.25, 0.5, 0.75, 1.0]


def searched(paper: Any, margin: float = 0.01) -> dict[str, Budget]:
    """Budgets of a search, in pairs of label distribution and scores; each 1024 pairs bring one descent."""
    return {
        "quick": Budget(trials=1 << 16, margin=margin, block=1 << 16),
        "standard": Budget(trials=1 << 22, margin=margin, block=1 << 20),
        "paper": Budget(trials=100 << 20, margin=margin, block=1 << 22, points=paper),
    }


def at_tau(condition: Any, factor: Any) -> Any:
    """A mutant: the right value times `factor(tau, ...)` where `condition(tau)`."""

    def wrong(value: np.ndarray, *, tau: np.ndarray, **arrays: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(condition(tau), value * factor(tau=tau, **arrays), value))

    return wrong


@theory.claim
def transform() -> Claim:
    """For tau <= 1 and every n, and for two classes and tau < 2, the surrogate regret is at least T(beta) at zero-one
    regret beta, with T = 2^(1-tau) (1 - m_a(beta))/(1-tau) (cross-entropy: (1+beta)/2 log(1+beta) + (1-beta)/2
    log(1-beta)), and some distribution attains it at every beta.

    m_a is the power mean of 1 + beta and 1 - beta of order a = 1/(2-tau). The extremal instance has two classes of
    probability (1 +- beta)/2, tied in the scores, the tie broken to the less likely one; other scores are far below.
    T is convex, so that the conditional statement is the one for risks, minimisability gaps included.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.extremal import two_class_tie
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    return Claim(
        prediction=d.transform,
        simulation=conditional_search,
        check=Bound(variable="beta", tight=two_class_tie, at=BETAS),
        points=[*grid(tau=[0.0, 0.5, 1.0], n=[2, 3, 5]), {"tau": 1.5, "n": 2}],
        mutants=[
            Mutant("tau < 1 without 2^(1-tau)", at_tau(lambda t: t < 1, lambda tau, **_: 2.0 ** (tau - 1.0))),
            Mutant("n^(tau-1) in the numerator", at_tau(lambda t: t > 1, lambda tau, n, **_: n ** (2.0 * tau - 2.0))),
            Mutant("a = 2 - tau", d.transform_of_order(1 / c.a)),
            Mutant("cross-entropy's transform halved", at_tau(lambda t: t == 1, lambda **_: 0.5)),
            Mutant("cross-entropy's transform doubled", at_tau(lambda t: t == 1, lambda **_: 2.0)),
        ],
        budgets=searched([*grid(tau=PAPER_TAUS_TO_ONE, n=PAPER_N), *grid(tau=[1.2, 1.5, 1.8, 1.95], n=2)]),
    )


@theory.claim
def gamma() -> Claim:
    """The zero-one regret is at most Gamma(t) = T^-1(t) at surrogate regret t, with equality for some distribution at
    every t, for tau <= 1 and every n and for two classes and tau < 2.

    sqrt(t (2 - t)) at tau = 0. Beyond T(1) the bound is 1, which says nothing.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.extremal import two_class_tie_inverse
    from theorylab.sims.surrogate_losses.violation_search import conditional_search_inverse

    return Claim(
        prediction=d.gamma,
        simulation=conditional_search_inverse,
        check=Bound(variable="t", sense="<=", tight=two_class_tie_inverse, at=REGRETS),
        points=[*grid(tau=[0.0, 0.5, 1.0], n=3), {"tau": 1.5, "n": 2}],
        mutants=[
            Mutant("sqrt(t) instead of sqrt(2 t)", lambda value, **_: value / np.sqrt(2.0)),
            Mutant("sqrt(4 t) instead of sqrt(2 t)", lambda value, **_: value * np.sqrt(2.0)),
        ],
        budgets=searched([*grid(tau=PAPER_TAUS_TO_ONE, n=PAPER_N), *grid(tau=[1.2, 1.5, 1.8], n=2)]),
    )


@theory.claim
def risk_bound() -> Claim:
    """For every distribution and every hypothesis of a symmetric and complete class, zero-one estimation error plus
    minimisability gap is at most Gamma of the same of the surrogate.

    Both sides are means over inputs of conditional regrets, here over 1 to 8 inputs with random weights. The one-point
    distribution of the two-class tie attains it.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.extremal import two_class_tie_inverse
    from theorylab.sims.surrogate_losses.violation_search import distribution_search

    return Claim(
        prediction=d.gamma,
        simulation=distribution_search,
        check=Bound(variable="t", sense="<=", tight=two_class_tie_inverse, at=REGRETS),
        points=[*grid(tau=[0.0, 1.0], n=3), {"tau": 1.5, "n": 2}],
        mutants=[
            Mutant("sqrt(t) instead of sqrt(2 t)", lambda value, **_: value / np.sqrt(2.0)),
            Mutant("no square root: Gamma(t)^2", lambda value, **_: value**2),
        ],
        budgets={
            "quick": Budget(trials=4096, margin=0.01, block=4096),
            "standard": Budget(trials=1 << 18, margin=0.01, block=1 << 15),
            "paper": Budget(trials=1 << 22, margin=0.01, block=1 << 16, points=grid(tau=PAPER_TAUS_TO_ONE, n=PAPER_N)),
        },
    )


@theory.claim
def training_paths() -> Claim:
    """Along gradient descent on a comp-sum loss, zero-one regret stays below Gamma of the surrogate regret, for linear
    models and for one-hidden-layer ReLU networks.

    Label distributions are known, so that both regrets are exact at every step. With two classes and small initial
    scores the paths come within a fifth of the bound; it is not attained, since one step rarely ends at a tie.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.parameters import Integers, Parameter
    from theorylab.sims.surrogate_losses.trained_models import training_paths as paths

    return Claim(
        prediction=d.gamma,
        simulation=paths,
        check=Bound(variable="t", sense="<="),
        points=grid(tau=[0.0, 1.0, 1.5, 2.0], n=[2, 3], steps=100),
        parameters=[Parameter("steps", Integers(2, 100_000), "steps of gradient descent", default=100)],
        mutants=[
            Mutant("Gamma halved", lambda value, **_: value / 2.0),
            Mutant("sqrt(t) instead of sqrt(2 t)", lambda value, **_: value / np.sqrt(2.0)),
        ],
        budgets={
            "quick": Budget(trials=64, margin=0.01, block=64),
            "standard": Budget(trials=2048, margin=0.01, block=512),
            "paper": Budget(
                trials=8192,
                margin=0.01,
                block=512,
                points=grid(tau=[0.0, 0.5, 1.0, 1.5, 2.0], n=[2, 5, 10], steps=1000),
            ),
        },
    )


@theory.claim
def generalized_cross_entropy() -> Claim:
    """For 1 < tau < 2 and n > 2 the surrogate regret is at least (m_a(beta) - 1)/((tau-1) n^(tau-1)).

    A bound, but a loose one: see `sharp-transform`.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    return Claim(
        prediction=d.transform,
        simulation=conditional_search,
        check=Bound(variable="beta"),
        points=grid(tau=[1.2, 1.5, 1.8], n=[3, 5]),
        mutants=[
            Mutant("n^(tau-1) in the numerator", lambda value, tau, n, **_: value * n ** (2.0 * tau - 2.0)),
            Mutant("n^(tau-1) left out", lambda value, tau, n, **_: value * n ** (tau - 1.0)),
        ],
        budgets=searched(grid(tau=[1.1, 1.2, 1.5, 1.8, 1.95], n=PAPER_N)),
    )


@theory.claim(expected="fails")
def generalized_cross_entropy_attained() -> Claim:
    """For 1 < tau < 2 and n > 2 some distribution attains (m_a(beta) - 1)/((tau-1) n^(tau-1)) at every beta.

    It does not: the least surrogate regret is (n/2)^(tau-1) times as large up to tau = 1.663 (`sharp-transform`). The
    proof gives the predicted class a softmax probability of only 1/n, which forces the other classes to share mass
    that they do not need.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    return Claim(
        prediction=d.transform,
        simulation=conditional_search,
        check=Bound(variable="beta", tight="search", at=((0.2, 0.4), (0.6, 1.0))),
        points=grid(tau=[1.2, 1.5], n=[3, 5]),
        mutants=[Mutant("n^(tau-1) in the numerator", lambda value, tau, n, **_: value * n ** (2.0 * tau - 2.0))],
        budgets=searched(grid(tau=[1.2, 1.5], n=PAPER_N)),
    )


@theory.claim
def linear_bound() -> Claim:
    """For tau >= 2 the surrogate regret is at least beta/((tau-1) n^(tau-1)).

    At tau = 2 (mean absolute error) it is attained for beta <= 1/(n-1), nowhere else and for no larger tau.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    return Claim(
        prediction=d.transform,
        simulation=conditional_search,
        check=Bound(variable="beta"),
        points=grid(tau=[2.0, 2.5, 3.0], n=[3, 5]),
        mutants=[
            Mutant("n^(tau-1) in the numerator", lambda value, tau, n, **_: value * n ** (2.0 * tau - 2.0)),
            Mutant("n - 1 instead of n", lambda value, tau, n, **_: value * (n / (n - 1.0)) ** (tau - 1.0)),
        ],
        budgets=searched(grid(tau=[2.0, 2.5, 3.0], n=PAPER_N)),
    )


@theory.claim(expected="fails")
def linear_bound_attained() -> Claim:
    """For tau >= 2 some distribution attains beta/((tau-1) n^(tau-1)) at every beta.

    At tau = 2 only for beta <= 1/(n-1); from tau = 2.71 on the least surrogate regret is larger by the factor
    n^(tau-1) (1 - 2^(1-tau)), 75 at tau = 3 and n = 10: see `hull-transform` and `steep-transform`.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.extremal import uniform_mixture
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    return Claim(
        prediction=d.transform,
        simulation=conditional_search,
        check=Bound(variable="beta", tight=uniform_mixture, at=BETAS),
        points=grid(tau=[2.0, 2.5, 3.0], n=3),
        mutants=[Mutant("half", lambda value, **_: value / 2.0)],
        budgets=searched(grid(tau=[2.0, 2.5, 3.0], n=PAPER_N)),
    )


@theory.claim
def simple_gamma() -> Claim:
    """For tau < 1 the zero-one regret is at most sqrt(2^tau (2-tau) t), for cross-entropy at most sqrt(2 t), and both
    are attained in the limit of small t.
    """
    import sympy as sp

    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.extremal import two_class_tie_inverse
    from theorylab.sims.surrogate_losses.violation_search import conditional_search_inverse

    return Claim(
        prediction=d.simple_gamma,
        simulation=conditional_search_inverse,
        check=Bound(variable="t", sense="<=", tight=two_class_tie_inverse, at=(1e-4, 1e-3)),
        points=grid(tau=[0.0, 0.5, 1.0], n=3),
        mutants=[
            Mutant("without 2^tau", sp.sqrt((2 - c.tau) * c.t)),
            Mutant("without 2 - tau", sp.sqrt(2**c.tau * c.t)),
            Mutant("sqrt(t) instead of sqrt(2 t)", lambda value, **_: value / np.sqrt(2.0)),
        ],
        budgets=searched(grid(tau=PAPER_TAUS_TO_ONE, n=PAPER_N)),
    )


@theory.claim
def simple_gamma_generalized() -> Claim:
    """For 1 < tau < 2 the zero-one regret is at most sqrt(2 n^(tau-1) t), and for tau >= 2 at most (tau-1) n^(tau-1) t.

    The square root is never attained: at small t, where the sharp bound is smaller by sqrt((2-tau) (2/n)^(tau-1)), nor
    at large t.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.violation_search import conditional_search_inverse

    return Claim(
        prediction=d.simple_gamma,
        simulation=conditional_search_inverse,
        check=Bound(variable="t", sense="<="),
        points=[*grid(tau=[1.2, 1.5, 1.95], n=2), {"tau": 1.5, "n": 4}, {"tau": 2.0, "n": 3}],
        mutants=[
            Mutant("sqrt(t) instead of sqrt(2 t)", lambda value, **_: value / np.sqrt(2.0)),
            Mutant("constant of small t", d.small_regret_gamma),
        ],
        budgets=searched(grid(tau=[1.1, 1.2, 1.5, 1.95, 2.0, 2.5], n=[2, PAPER_N])),
    )


@theory.claim(expected="fails")
def small_regret_gamma() -> Claim:
    """For 1 < tau < 2 the zero-one regret is at most sqrt(2 (2-tau) n^(tau-1) t), the asymptote of Gamma at small t.

    The constant is right as t -> 0, but near tau = 2 the transform falls far below its parabola: to a tenth of it at
    tau = 1.95, beta = 1.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.violation_search import conditional_search_inverse

    return Claim(
        prediction=d.small_regret_gamma,
        simulation=conditional_search_inverse,
        check=Bound(variable="t", sense="<="),
        points=[{"tau": 1.95, "n": 2}],
        mutants=[Mutant("half", lambda value, **_: value / 2.0)],
        budgets=searched([{"tau": 1.95, "n": 2}]),
    )


@theory.claim
def small_regret_coefficient() -> Claim:
    """T/beta^2 tends to 1/(2^tau (2-tau)) for tau < 1 and to 1/(2 (2-tau) n^(tau-1)) for 1 < tau < 2 as beta -> 0.

    So zero-one regret is of the order of the square root of surrogate regret for every tau < 2, with a constant that
    vanishes as tau -> 2, where the order becomes linear.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d

    right = d.small_regret_coefficient
    return Claim(
        prediction=right,
        check=Identity(other=d.transform_at_zero, ranges={"tau": (0.0, 1.95), "n": (2, 20)}),
        mutants=[
            Mutant("without 2 - tau", right.expr * (2 - c.tau)),
            Mutant("n^(tau-1) in the numerator", right.expr * d.CLASSES ** (2 * c.tau - 2)),
        ],
        budgets=IDENTITY,
    )


@theory.claim
def convexity() -> Claim:
    """The second derivative of T is k^(1-tau) M^(-tau) (1-beta^2)^((2 tau-3)/(2-tau))/(2-tau) > 0, with k = 2 or n and
    M = ((1+beta)^a + (1-beta)^a)/2: T is convex for every tau < 2.

    So the bound at one input is one for risks, by Jensen's inequality. From tau = 2 on T is linear.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency_steps as steps

    right = d.curvature
    return Claim(
        prediction=right,
        check=Identity(
            other=d.transform_second_derivative, ranges={"tau": (0.0, 1.9), "n": (2, 20), "beta": (0.0, 0.95)}
        ),
        mutants=[
            Mutant("M^tau", right.expr * steps.MEAN_POWER ** (2 * c.tau)),
            Mutant("without (1-beta^2)", right.expr.subs(c.beta, 0)),
        ],
        budgets=IDENTITY,
    )


@theory.claim(control=True, expected="fails")
def transform_times_1_04() -> Claim:
    """The surrogate regret is at least 1.04 T(beta) at zero-one regret beta, for tau <= 1."""
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    return Claim(
        prediction=d.transform_enlarged(1.04),
        simulation=conditional_search,
        check=Bound(variable="beta"),
        points=grid(tau=[0.5, 1.0], n=3),
        mutants=[Mutant("twice", lambda value, **_: 2.0 * value)],
        budgets=searched(grid(tau=[0.5, 1.0], n=PAPER_N)),
    )
