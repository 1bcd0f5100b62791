"""Comp-sum losses with bounded scores and many classes; claims of `comp-sum-bounded-hypotheses`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, grid
from theorylab.claims.surrogate_losses.comp_sum_bounded_hypotheses import (
    BETAS,
    PAPER_TAUS,
    order_parameters,
    searched,
    theory,
)
from theorylab.claims.surrogate_losses.comp_sum_conditional_risk import deterministic


@theory.claim(expected="fails")
def two_class_transform_for_many() -> Claim:
    """With bounded scores and any number of classes the surrogate regret is at least the transform of two classes.

    It is zero on a whole range of zero-one regrets (`blind-range`): free scores differ, for which the transform of two
    classes holds for every n.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import N
    from theorylab.sims.surrogate_losses.bounded_scores import bounded_search

    return Claim(
        prediction=d.transform,
        simulation=bounded_search,
        check=Bound(variable="beta"),
        points=grid(tau=[0.0, 1.0, 1.5], n=3, score_bound=1.0),
        parameters=[N],
        mutants=[Mutant("twice", lambda value, **_: 2.0 * value)],
        budgets=searched(grid(tau=[0.0, 1.0, 1.5], n=10, score_bound=[0.5, 2.0])),
    )


@theory.claim
def blind_range() -> Claim:
    """With scores in [-Lambda, Lambda] and n > 2 classes the risk minimiser itself may predict a class that is less
    likely than the best by up to u/(2+u), u = (n-2) e^(-2 Lambda), whatever tau < 2: zero surrogate regret says nothing
    of smaller zero-one regrets.

    Two classes that hold all the mass are tied at the bound until their probabilities differ by so much: the others
    cannot be pushed further down, and both would be raised. 0.60 for ten classes and Lambda = 1/2, 0.07 at Lambda = 2.
    """
    from theorylab.checks import Boundary
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.sims.surrogate_losses.bounded_scores import tie_slope

    return Claim(
        prediction=d.blind_range,
        simulation=tie_slope,
        check=Boundary("beta"),
        points=[*grid(tau=[0.0, 1.0, 1.5], n=3, score_bound=0.5), *grid(tau=1.0, n=10, score_bound=[0.5, 1.0])],
        parameters=[c.TAU_BELOW_TWO, c.BETA],
        mutants=[
            Mutant("n - 1 classes left out", lambda value, n, **a: d.blind_range(n=n + 1, **a)),
            Mutant("e^-Lambda", lambda value, score_bound, **a: d.blind_range(score_bound=score_bound / 2.0, **a)),
            Mutant("u/(1+u)", lambda value, **_: 2.0 * value / (1.0 + value)),
        ],
        budgets=order_parameters(grid(tau=[0.0, 0.5, 1.0, 1.5, 1.9], n=[3, 10, 100], score_bound=[0.5, 1.0, 2.0])),
    )


@theory.claim
def several_transform() -> Claim:
    """With scores in [-Lambda, Lambda], n classes and tau <= 1.66 the least surrogate regret at zero-one regret beta is
    that of two tied classes with all the mass, the others at -Lambda: zero up to beta_0 = u/(2+u),
    u = (n-2) e^(-2 Lambda), then (2+u)^(1-tau) (1 - M^(1/a))/(1-tau) with M = sum q^(1-a) eta^a over the coins
    eta = (1 +- beta)/2 and q = (1 +- beta_0)/2, and affine from artanh beta = artanh beta_0 + (2-tau) Lambda on.

    Found by search; for two classes it is `transform`. A Rényi divergence of order a = 1/(2-tau) takes the place of
    that from the fair coin. From tau = 1.663 on three pooled classes do better where Lambda is large, as with free
    scores.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
    from theorylab.sims.surrogate_losses.bounded_scores import bounded_search, tie_at_the_bound

    return Claim(
        prediction=d.several_transform,
        simulation=bounded_search,
        check=Bound(variable="beta", tight=tie_at_the_bound, at=BETAS),
        points=[*grid(tau=[0.0, 1.0, 1.5], n=3, score_bound=[0.5, 1.0]), {"tau": 1.0, "n": 10, "score_bound": 2.0}],
        mutants=[
            Mutant("two classes", lambda value, n, **a: d.transform(**a)),
            Mutant("n - 1 classes left out", lambda value, n, **a: d.several_transform(n=n + 1, **a)),
            Mutant(
                "e^-Lambda", lambda value, score_bound, **a: d.several_transform(score_bound=score_bound / 2.0, **a)
            ),
            Mutant("never clipped", _never_clipped),
        ],
        budgets=searched(grid(tau=[0.0, 0.5, 1.0, 1.5, 1.66], n=[3, 5, 10], score_bound=[0.25, 1.0, 2.0])),
    )


def _never_clipped(
    value: np.ndarray, tau: np.ndarray, n: np.ndarray, score_bound: np.ndarray, beta: np.ndarray
) -> np.ndarray:
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d

    return d.unclipped_numeric(tau, n, score_bound, beta)


@theory.claim
def clipped_infimum() -> Claim:
    """Over scores in [-Lambda, Lambda]^n the infimum of the conditional risk is at h_y = clip((c + log p_y)/(2-tau),
    -Lambda, Lambda), c = log sum e^(h_y) - log sum p_y e^((tau-1) h_y), for tau < 2, and from tau = 2 on at a vertex
    with the k most likely classes at Lambda, for the best k.

    The minimum is found by descent, and certified by the linear model of the risk in the softmax: to 1e-12.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_clipped as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import N
    from theorylab.sims.surrogate_losses.bounded_scores import box_infimum

    return Claim(
        prediction=d.clipped_infimum,
        simulation=box_infimum,
        check=Expectation(given=("p", "bounds")),
        points=grid(tau=[0.0, 0.8, 1.0, 1.5, 1.9, 2.0, 3.0], n=[2, 4]),
        parameters=[N],
        mutants=[
            Mutant("free scores", _free_infimum),
            Mutant("Lambda -> Lambda/2", lambda value, bounds, **a: d.clipped_infimum(bounds=bounds / 2.0, **a)),
            Mutant("scores of cross-entropy for every tau", _of_cross_entropy),
        ],
        budgets={
            "quick": Budget(trials=256, margin=0.001),
            "standard": Budget(trials=1024, margin=0.0002),
            "paper": Budget(trials=10_000, margin=0.0002, points=grid(tau=[0.25 * k for k in range(13)], n=[2, 5])),
        },
    )


@theory.claim
def clipped_minimiser() -> Claim:
    """The softmax of the risk minimiser over bounded scores, tau < 2, is that of clip((c + log p_y)/(2-tau), -Lambda,
    Lambda).

    Where Lambda is so small that every score is clipped c is not unique, but the scores are.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_clipped as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import N
    from theorylab.sims.surrogate_losses.bounded_scores import box_infimum

    return Claim(
        prediction=d.clipped_minimiser,
        simulation=box_infimum,
        check=Expectation("softmax", given=("p", "bounds"), scale="absolute"),
        points=grid(tau=[0.0, 1.0, 1.5], n=[2, 4]),
        parameters=[N],
        mutants=[
            Mutant("free scores", _free_softmax),
            Mutant("Lambda -> Lambda/2", lambda value, bounds, **a: d.clipped_minimiser(bounds=bounds / 2.0, **a)),
        ],
        budgets=deterministic(grid(tau=PAPER_TAUS, n=[2, 5, 10])),
    )


def _free_infimum(value: np.ndarray, tau: np.ndarray, p: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import infimum

    return infimum(tau=tau, p=p)


def _free_softmax(value: np.ndarray, tau: np.ndarray, p: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import minimiser

    return minimiser(tau=tau, p=p)


def _of_cross_entropy(value: np.ndarray, tau: np.ndarray, p: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """The risk at the minimiser of cross-entropy."""
    from theorylab.derivations.surrogate_losses.comp_sum_clipped import clipped_minimiser

    if float(tau) in (1.0, 2.0):
        return value
    s = clipped_minimiser(tau=1.0, p=p, bounds=bounds)
    return np.asarray((p * (s ** (tau - 1.0) - 1.0)).sum(axis=-1) / (1.0 - tau))


@theory.claim(control=True, expected="fails")
def blind_range_times_1_04() -> Claim:
    """With n classes and scores in [-Lambda, Lambda] the risk minimiser ties two classes up to 1.04 u/(2+u)."""
    from theorylab.checks import Boundary
    from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.sims.surrogate_losses.bounded_scores import tie_slope

    return Claim(
        prediction=replace(d.blind_range, expr=1.04 * d.blind_range.expr),
        simulation=tie_slope,
        check=Boundary("beta"),
        points=grid(tau=1.0, n=[3, 10], score_bound=0.5),
        parameters=[c.TAU_BELOW_TWO, c.BETA],
        mutants=[Mutant("twice", 2 * d.blind_range.expr)],
        budgets=order_parameters(grid(tau=1.0, n=[3, 10], score_bound=0.5)),
    )
