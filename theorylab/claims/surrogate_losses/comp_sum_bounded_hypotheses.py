"""H-consistency bounds of comp-sum losses with bounded scores, two classes: where they bend.

Many classes are in `comp_sum_bounded_hypotheses_many`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.claims.surrogate_losses.comp_sum_conditional_risk import IDENTITY, deterministic
from theorylab.theory import Theory

AWASTHI = Source(
    authors="Awasthi, Pranjal and Mao, Anqi and Mohri, Mehryar and Zhong, Yutao",
    title="H-Consistency Bounds for Surrogate Loss Minimizers",
    year=2022,
    where="section 5 (bounded hypothesis sets)",
    arxiv="2205.08017",
    journal="Proceedings of Machine Learning Research 162, 1117-1174",
)

theory = Theory(
    "surrogate_losses/comp-sum-bounded-hypotheses",
    title="Comp-sum losses with bounded scores: two classes, many classes, and zero-one regret that they do not see",
    source=AWASTHI,
)

# Zero-one regrets at which instances are measured.
BETAS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
BOUNDS = [0.25, 0.5, 1.0]
PAPER_BOUNDS = [float(x) for x in np.geomspace(0.05, 4.0, 12)]
PAPER_TAUS = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 1.9]


def searched(paper: Any, margin: float = 0.01) -> dict[str, Budget]:
    """Budgets of a search, in label distributions; each is met with 8 score vectors."""
    return {
        "quick": Budget(trials=1 << 10, margin=margin, block=1 << 10),
        "standard": Budget(trials=1 << 16, margin=margin, block=1 << 13),
        "paper": Budget(trials=10 << 17, margin=margin, block=1 << 15, points=paper),
    }


@theory.claim
def transform() -> Claim:
    """With two classes, scores in [-Lambda, Lambda] and tau < 2 the surrogate regret is at least T_tau(beta) up to
    beta_1 = tanh((2-tau) Lambda), and beyond at least
    Phi(1) - (1+beta)/2 Phi(e^(-2 Lambda)) - (1-beta)/2 Phi(e^(2 Lambda)); the tie of two classes attains it at every
    beta.

    Beyond beta_1 the best bounded scores are at the ends of their range: they have less to lose to a tie. T increases
    with Lambda to the transform of free scores, and is convex.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.sims.surrogate_losses.bounded_scores import bounded_search, tie_at_the_bound

    return Claim(
        prediction=d.transform,
        simulation=bounded_search,
        check=Bound(variable="beta", tight=tie_at_the_bound, at=BETAS),
        points=grid(tau=[0.0, 1.0, 1.5], n=2, score_bound=BOUNDS),
        parameters=[c.N],
        mutants=[
            Mutant("free scores", d.free),
            Mutant("2 Lambda -> Lambda, as where the margin is bounded", _half_the_bound),
            Mutant("affine from the start", d.affine),
        ],
        budgets=searched(grid(tau=PAPER_TAUS, n=2, score_bound=PAPER_BOUNDS)),
    )


def _half_the_bound(value: np.ndarray, score_bound: np.ndarray, **arrays: np.ndarray) -> np.ndarray:
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d

    return d.transform(score_bound=np.asarray(score_bound) / 2.0, **arrays)


@theory.claim(expected="fails")
def free_transform() -> Claim:
    """With two classes and bounded scores the surrogate regret is at least the transform of free scores.

    True up to beta_1 only: at beta = 1, tau = 1 and Lambda = 1/4 the transform of free scores is 3.2 times too large.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_sharp as sharp
    from theorylab.derivations.surrogate_losses.comp_sum_bounded_steps import SCORE
    from theorylab.sims.surrogate_losses.bounded_scores import bounded_search

    return Claim(
        prediction=sharp.binary_transform,
        simulation=bounded_search,
        check=Bound(variable="beta"),
        points=grid(tau=[0.0, 1.0, 1.5], n=2, score_bound=0.5),
        parameters=[c.N, SCORE],
        mutants=[Mutant("twice", lambda value, **_: 2.0 * value)],
        budgets=searched(grid(tau=PAPER_TAUS, n=2, score_bound=0.5)),
    )


@theory.claim
def threshold() -> Claim:
    """The margin of the risk minimiser of two classes reaches the end of its range, 2 Lambda, at the zero-one regret
    tanh((2-tau) Lambda).
    """
    import sympy as sp

    from theorylab.checks import Boundary
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.sims.surrogate_losses.bounded_scores import end_slope

    tau, lam = c.tau, d.lam
    return Claim(
        prediction=d.threshold,
        simulation=end_slope,
        check=Boundary("beta"),
        points=grid(tau=[0.0, 1.0, 1.5], score_bound=[0.25, 0.5]),
        parameters=[c.BETA],
        mutants=[
            Mutant("Lambda -> Lambda/2, as where the margin is bounded", sp.tanh((2 - tau) * lam / 2)),
            Mutant("that of cross-entropy for every tau", sp.tanh(lam)),
            Mutant("tanh(Lambda/(2-tau))", sp.tanh(lam / (2 - tau))),
        ],
        budgets=order_parameters(grid(tau=PAPER_TAUS, score_bound=[0.1, 0.25, 0.5, 1.0])),
    )


def order_parameters(paper: Any) -> dict[str, Budget]:
    """Budgets of slopes, which have rounding errors only."""
    return {
        "quick": Budget(trials=64, margin=0.005),
        "standard": Budget(trials=256, margin=0.0005),
        "paper": Budget(trials=256, margin=0.0005, points=paper),
    }


@theory.claim
def cross_entropy_threshold() -> Claim:
    """For cross-entropy the threshold is (e^(2 Lambda) - 1)/(e^(2 Lambda) + 1).

    Papers that bound the margin by B instead of the scores have B in place of 2 Lambda.
    """
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
    from theorylab.derivations.surrogate_losses import comp_sum_common as c

    lam = d.lam
    at_one = replace(d.threshold, expr=d.threshold_expression.subs(c.tau, 1))
    return Claim(
        prediction=at_one,
        check=Identity(other=(sp.exp(2 * lam) - 1) / (sp.exp(2 * lam) + 1), ranges={"score_bound": (0.01, 5.0)}),
        mutants=[
            Mutant("e^Lambda", (sp.exp(lam) - 1) / (sp.exp(lam) + 1)),
            Mutant("1 - e^(-2 Lambda)", 1 - sp.exp(-2 * lam)),
        ],
        budgets=IDENTITY,
    )


@theory.claim
def slope_at_the_threshold() -> Claim:
    """The two parts of the transform meet with the same slope, (Phi(e^(2 Lambda)) - Phi(e^(-2 Lambda)))/2.

    As a maximum over margins of functions affine in beta, the transform is convex, and its slope is that at the best
    margin.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d

    right = d.slope_beyond
    return Claim(
        prediction=right,
        check=Identity(other=d.slope_before, ranges={"tau": (0.0, 1.9), "score_bound": (0.05, 2.0)}),
        mutants=[
            Mutant("not halved", 2 * right.expr),
            Mutant("Lambda -> Lambda/2", right.expr.subs(d.lam, d.lam / 2)),
        ],
        budgets=IDENTITY,
    )


@theory.claim
def steep_regret() -> Claim:
    """With two classes, bounded scores and tau >= 2 the least surrogate regret of predicting the less likely class is
    the smaller of the affine form and beta (Phi(e^(2 Lambda)) - Phi(e^(-2 Lambda))).

    The risk is concave in the softmax: the mistaken margin is at an end, 0 or -2 Lambda. At tau = 2 the first is the
    smaller at every beta, (beta/2) tanh(Lambda).
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.sims.surrogate_losses.bounded_scores import mistaken_regret

    above = c.TAU_ABOVE_TWO.symbol
    return Claim(
        prediction=d.steep_regret,
        simulation=mistaken_regret,
        check=Expectation(),
        points=[*grid(tau=[2.0, 3.0], score_bound=0.5, beta=[0.1, 0.8]), {"tau": 2.5, "score_bound": 1.0, "beta": 0.3}],
        mutants=[
            Mutant("affine for every beta", d.affine.subs(c.tau, above)),
            Mutant("margin at its end for every beta", d.steep_away),
            Mutant("convex envelope", d.steep_transform.expr),
        ],
        budgets=deterministic(grid(tau=[2.0, 2.25, 2.5, 3.0, 4.0], score_bound=[0.25, 1.0, 2.0], beta=list(BETAS))),
    )


@theory.claim
def steep_transform() -> Claim:
    """With two classes, bounded scores and tau >= 2 the surrogate regret is at least
    beta (Phi(1) - Phi(e^(-2 Lambda))), (beta/2) tanh(Lambda) for the mean absolute error; inputs with certain labels
    and tied scores attain it in any proportion.

    The convex envelope of `steep-regret`: mixtures of inputs do better than one.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.sims.surrogate_losses.bounded_scores import bounded_search, certain_mixture

    return Claim(
        prediction=d.steep_transform,
        simulation=bounded_search,
        check=Bound(variable="beta", tight=certain_mixture, at=BETAS),
        points=grid(tau=[2.0, 2.5, 3.0], n=2, score_bound=[0.25, 1.0]),
        parameters=[c.N],
        mutants=[
            Mutant("least conditional regret", d.steep_regret),
            Mutant("free scores", lambda value, tau, beta, **_: beta * -np.expm1((1 - tau) * np.log(2.0)) / (tau - 1)),
            Mutant("e^-Lambda", lambda value, score_bound, **a: d.steep_transform(score_bound=score_bound / 2.0, **a)),
        ],
        budgets=searched(grid(tau=[2.0, 2.5, 3.0, 4.0], n=2, score_bound=PAPER_BOUNDS[::2])),
    )


@theory.claim
def least_bound_of_all_inputs() -> Claim:
    """Where the bound on the scores depends on the input, surrogate regret is at least the transform of the smallest,
    which is B for linear scorers with slopes and biases bounded by W and B: Lambda(x) = W |x| + B.

    At one input the transform of its own Lambda(x) holds; it increases with Lambda and is convex. A distribution on the
    input x = 0 attains the bound. Two classes.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.parameters import Interval, Parameter
    from theorylab.sims.surrogate_losses.bounded_scores import bounded_distribution_search, tie_at_the_bound

    slope = Parameter("slope_bound", Interval(0.0, 10.0), "bound W on the norm of slopes", default=0.5)

    def wider(value: np.ndarray, score_bound: np.ndarray, **arrays: np.ndarray) -> np.ndarray:
        # The mean of |x| is sqrt(pi/2).
        return d.transform(score_bound=score_bound + 0.5 * np.sqrt(np.pi / 2.0), **arrays)

    return Claim(
        prediction=d.transform,
        simulation=bounded_distribution_search,
        check=Bound(variable="beta", tight=tie_at_the_bound, at=BETAS),
        points=grid(tau=[0.0, 1.0, 1.5], n=2, slope_bound=0.5, score_bound=0.25),
        parameters=[c.N, slope],
        mutants=[
            Mutant("mean bound W E|x| + B", wider),
            Mutant("free scores", d.free),
            Mutant("B -> B/2", _half_the_bound),
        ],
        budgets=searched(grid(tau=PAPER_TAUS[::2], n=2, slope_bound=0.5, score_bound=[0.1, 0.25, 0.5, 1.0])),
    )


@theory.claim(control=True, expected="fails")
def transform_times_1_04() -> Claim:
    """With two classes and bounded scores the surrogate regret is at least 1.04 times the transform."""
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import N
    from theorylab.sims.surrogate_losses.bounded_scores import bounded_search

    return Claim(
        prediction=d.transform.altered(lambda value, **_: 1.04 * value),
        simulation=bounded_search,
        check=Bound(variable="beta"),
        points=grid(tau=1.0, n=2, score_bound=[0.25, 0.5]),
        parameters=[N],
        mutants=[Mutant("twice", lambda value, **_: 2.0 * value)],
        budgets=searched(grid(tau=1.0, n=2, score_bound=[0.25, 0.5])),
    )
