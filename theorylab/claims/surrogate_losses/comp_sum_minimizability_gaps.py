"""Minimisability gaps of comp-sum losses: the part of a consistency bound that a set of hypotheses cannot remove."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, grid
from theorylab.claims.surrogate_losses.comp_sum_conditional_risk import MAO
from theorylab.theory import Theory

theory = Theory(
    "surrogate_losses/comp-sum-minimizability-gaps",
    title="Comp-sum losses: minimisability gaps of constant, linear and ReLU scorers",
    source=MAO,
)

MANY_TAUS = [0.25 * k for k in range(9)]
SET = {"slope_bound": 1.0, "bias_bound": 0.5}
# Bounds of slopes in the paper budget.
SLOPES = [float(w) for w in np.geomspace(0.1, 10.0, 20)]


def minimised(quick: int, standard: int, margin: float = 0.005, points: Any = None) -> dict[str, Budget]:
    """Budgets of observables whose only error is that of a numerical minimum."""
    return {
        "quick": Budget(trials=quick, margin=margin),
        "standard": Budget(trials=standard, margin=margin / 5),
        "paper": Budget(trials=4 * standard, margin=margin / 5, points=points),
    }


@theory.claim
def constant_scores() -> Claim:
    """The minimisability gap of scores that do not depend on x is C*(P_Y) - E_x C*(p(.|x)), with C* the infimum of the
    conditional risk.

    Constant scores are a symmetric and complete set: at every x they sweep R^n. The gap is that of Jensen's inequality
    for the concave C*, and vanishes when the label does not depend on the input.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import constant_gap

    return Claim(
        prediction=d.constant_gap,
        simulation=constant_gap,
        check=Expectation(given=("weights", "p")),
        points=grid(tau=[0.0, 0.5, 1.0, 1.5, 2.5], n=3, atoms=4),
        parameters=[c.N, d.ATOMS],
        mutants=[
            Mutant(
                "mutual information for every tau",
                lambda value, tau, weights, p: d.mutual_information(weights=weights, p=p),
            ),
            Mutant("sign reversed", lambda value, **_: -value),
            Mutant("the mean of C* forgotten", _of_mixture),
        ],
        budgets=minimised(64, 256, points=grid(tau=MANY_TAUS, n=[3, 5, 10], atoms=8)),
    )


@theory.claim
def mutual_information() -> Claim:
    """For cross-entropy the minimisability gap of scores that do not depend on x is the mutual information I(X; Y), in
    nats.

    The best constant scores are the logarithms of the label frequencies: the gap is what the inputs tell of the labels.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import constant_gap

    return Claim(
        prediction=d.mutual_information,
        simulation=constant_gap,
        check=Expectation(given=("weights", "p")),
        points=grid(tau=1.0, n=[2, 3, 5], atoms=4),
        parameters=[c.TAU, c.N, d.ATOMS],
        mutants=[
            Mutant("bits", lambda value, **_: value / math.log(2.0)),
            Mutant("half", lambda value, **_: value / 2.0),
            Mutant("conditional entropy H(Y|X)", _conditional_entropy),
        ],
        budgets=minimised(64, 256, points=grid(tau=1.0, n=[3, 5, 10], atoms=[4, 8])),
    )


@theory.claim(control=True, expected="fails")
def mutual_information_times_1_04() -> Claim:
    """For cross-entropy the minimisability gap of scores that do not depend on x is 1.04 I(X; Y)."""
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import constant_gap

    return Claim(
        prediction=d.mutual_information.altered(lambda value, **_: 1.04 * value),
        simulation=constant_gap,
        check=Expectation(given=("weights", "p")),
        points=grid(tau=1.0, n=3, atoms=4),
        parameters=[c.TAU, c.N, d.ATOMS],
        mutants=[Mutant("bits", lambda value, **_: value / math.log(2.0))],
        budgets=minimised(64, 256),
    )


@theory.claim
def zero_one() -> Claim:
    """For the zero-one loss the minimisability gap of predictions that do not depend on x is
    E_x max_y p(y|x) - max_y P_Y(y).

    The least risk over a complete set, less E(1 - max p).
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import constant_zero_one_gap

    return Claim(
        prediction=d.zero_one_gap,
        simulation=constant_zero_one_gap,
        check=Expectation(given=("weights", "p"), scale="absolute"),
        points=grid(n=[2, 3, 5], atoms=4),
        parameters=[c.N, d.ATOMS],
        mutants=[
            Mutant("sign reversed", lambda value, **_: -value),
            Mutant("noise floor forgotten", lambda value, weights, p: value + 1.0 - (weights * p.max(-1)).sum(-1)),
            Mutant("half", lambda value, **_: value / 2.0),
        ],
        budgets=minimised(256, 1024, points=grid(n=[3, 5, 10], atoms=8)),
    )


@theory.claim
def affine_logits() -> Claim:
    """Linear scorers without bounds have no minimisability gap where log p(y|x) is affine in x, up to a term common to
    the classes.

    Not for cross-entropy alone: the minimiser s ~ p^(1/(2-tau)) is the softmax of affine scores for every tau < 2.
    Gaussian classes with a common covariance are a case. Measured up to tau = 1, where the risk is convex: below 1e-14.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import affine_gap

    return Claim(
        prediction=d.affine_gap,
        simulation=affine_gap,
        check=Expectation(given=("weights", "p"), scale="absolute"),
        points=grid(tau=[0.0, 1.0], n=3, atoms=4),
        parameters=[c.TAU, c.N, d.ATOMS],
        mutants=[
            Mutant("the gap of constant scores", lambda value, weights, p: d.mutual_information(weights=weights, p=p)),
            Mutant("one hundredth", lambda value, **_: value + 0.01),
        ],
        budgets={
            "quick": Budget(trials=64, margin=0.001),
            "standard": Budget(trials=128, margin=1e-5, points=grid(tau=[0.0, 0.5, 1.0], n=3, atoms=4)),
            "paper": Budget(trials=512, margin=1e-5, points=grid(tau=[0.0, 0.5, 1.0], n=[3, 5], atoms=8)),
        },
    )


@theory.claim
def certain_labels() -> Claim:
    """Over linear scorers with |W_y|_q <= W and |b_y| <= B and certain labels the minimisability gap is
    R*(H) - E_x Phi^tau((n-1) e^(-2 (W|x|_p + B))).

    The pointwise infimum has the true score at its upper bound and the others at the lower one. Least risks are taken
    from the simulation, which finds the pointwise infima numerically too.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import bounded_gap

    return Claim(
        prediction=d.certain_gap,
        simulation=bounded_gap,
        check=Expectation(given=("risk", "weights", "norms")),
        points=[{"tau": t, "n": 3, "atoms": 4, **SET} for t in (0.0, 1.0, 1.5)],
        parameters=[d.ATOMS],
        mutants=[
            Mutant(
                "e^-Lambda",
                lambda value, **a: _other_infimum(value, a, lambda u, n: (n - 1.0) * np.sqrt(u / (n - 1.0))),
            ),
            Mutant("n instead of n - 1", lambda value, **a: _other_infimum(value, a, lambda u, n: n / (n - 1.0) * u)),
            Mutant("as without bounds: M = R*", lambda value, risk, **_: risk),
            Mutant("sign reversed", lambda value, **_: -value),
        ],
        budgets=minimised(
            64, 256, points=grid(tau=MANY_TAUS[:7], n=[3, 5], atoms=8, slope_bound=SLOPES[::3], bias_bound=0.5)
        ),
    )


@theory.claim
def label_noise() -> Claim:
    """Over linear scorers with bounds and noisy labels the minimisability gap is R*(H) - E_x C*(H, x), where C*(H, x)
    is the risk at scores clip((c + log p_y)/(2-tau), -Lambda(x), Lambda(x)) with
    c = log sum e^(h_y) - log sum p_y e^((tau-1) h_y).

    In the softmax the feasible set s_i <= e^(2 Lambda) s_j is convex and so is the risk, for tau < 2: the root is the
    minimum, also where the risk is not convex in the scores.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import noisy_gap

    return Claim(
        prediction=d.noisy_gap,
        simulation=noisy_gap,
        check=Expectation(given=("risk", "weights", "p", "norms")),
        points=[{"tau": t, "n": 3, "atoms": 4, "slope_bound": 0.5, "bias_bound": 0.2} for t in (0.0, 1.5)],
        parameters=[c.N, d.ATOMS],
        mutants=[
            Mutant("infimum of free scores", _free_infimum),
            Mutant("Lambda instead of 2 Lambda", _half_the_range),
            Mutant("sign reversed", lambda value, **_: -value),
        ],
        budgets=minimised(
            64, 256, points=grid(tau=MANY_TAUS[:7], n=[3, 5], atoms=8, slope_bound=SLOPES[::3], bias_bound=0.5)
        ),
    )


@theory.claim
def relu_infimum() -> Claim:
    """Over one hidden layer of ReLUs with |u|_1 <= L, |w_j|_q <= W and |b_j| <= B the infimum of the conditional risk
    under a certain label is Phi^tau((n-1) e^(-2 L (W|x|_p + B))).

    One unit attains the largest score. Descent over 8 units for each class finds it from most starts; from the others
    all units of a class die.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import relu_infimum as simulated

    right, n = d.relu_infimum, d.CLASSES.symbol
    return Claim(
        prediction=right,
        simulation=simulated,
        check=Expectation(),
        points=[{"tau": t, "n": 3, "outer_bound": 1.5, "norm": 0.7, **SET} for t in (0.0, 1.0)],
        mutants=[
            Mutant("e^-Lambda", d.certain(d.relu_range / 2)),
            Mutant("n instead of n - 1", right.expr.xreplace({n: n + 1})),
            Mutant("output weights forgotten", d.certain(d.linear_range)),
            Mutant("biases outside L", d.certain(d.L * d.W * d.r + d.B)),
        ],
        budgets=minimised(
            8,
            64,
            points=grid(tau=[0.0, 0.5, 1.0, 1.5], n=[3, 5], outer_bound=1.5, norm=[0.5, 2.0], **SET),
        ),
    )


@theory.claim
def two_inputs() -> Claim:
    """On two opposite unit inputs with different labels the minimisability gap of linear scorers with bounds is
    Phi^tau(e^(-2W) + (n-2) e^(-W-2B)) - Phi^tau((n-1) e^(-2(W+B))) for 0 <= tau <= 1.

    Slopes separate, biases cannot: without biases and with two classes there is no gap. For tau > 1 the symmetric
    scorer need not be the best: at tau = 2, n = 5 and W = B = 0.1 the gap is smaller by 0.3 %.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import two_input_gap

    low, n = d.least_sum.xreplace({d.lam: d.W + d.B}), d.CLASSES.symbol
    return Claim(
        prediction=d.two_input_gap,
        simulation=two_input_gap,
        check=Expectation(),
        points=[{"tau": t, "n": m, **SET} for t, m in ((0.0, 2), (0.0, 3), (0.5, 3), (1.0, 3), (1.0, 5))],
        mutants=[
            Mutant("e^-Lambda", d.outer(d.two_input_sum) - d.certain((d.W + d.B) / 2)),
            Mutant("n instead of n - 1", d.outer(d.two_input_sum) - d.outer(low * n / (n - 1))),
            Mutant("sign reversed", -d.two_input_gap.expr),
            Mutant("infimum zero, as without bounds", d.outer(d.two_input_sum)),
        ],
        budgets=minimised(
            16,
            64,
            points=grid(tau=[0.0, 0.25, 0.5, 0.75, 1.0], n=[2, 3, 5, 10], slope_bound=SLOPES[::2], bias_bound=0.5),
        ),
    )


@theory.claim(control=True, expected="fails")
def two_inputs_wider_range() -> Claim:
    """On two opposite unit inputs with different labels the gap is
    Phi^tau(e^(-2W) + (n-2) e^(-W-2B)) - Phi^tau((n-1) e^(-2.1(W+B))): range of scores larger by 5 %."""
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import two_input_gap

    wrong = d.outer(d.two_input_sum) - d.certain(1.05 * (d.W + d.B))
    return Claim(
        prediction=d.two_input_gap.altered(wrong),
        simulation=two_input_gap,
        check=Expectation(),
        points=[{"tau": t, "n": 3, **SET} for t in (0.0, 1.0)],
        mutants=[Mutant("e^-Lambda", d.outer(d.two_input_sum) - d.certain((d.W + d.B) / 2))],
        budgets=minimised(16, 64),
    )


@theory.claim
def jensen_bound() -> Claim:
    """With certain labels and one bound Lambda on the scores at all inputs the minimisability gap is at most
    Phi^tau(R_0) - Phi^tau(R_0 - M_0), with R_0 the least risk and M_0 the gap of tau = 0, and
    R_0 - M_0 = (n-1) e^(-2 Lambda); two opposite inputs with different labels attain it.

    There the best scorer is the same for every tau and has the same loss at both inputs, so that Jensen's inequality
    is an equality. At tau = 0 it is one always.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import jensen_search, two_input_instance

    low, gap, n, tau = d.least_sum, d.gap, d.CLASSES.symbol, c.TAU.symbol
    return Claim(
        prediction=d.jensen_bound,
        simulation=jensen_search,
        check=Bound(variable="gap", sense="<=", tight=two_input_instance, at=(0.4, 0.6, 0.8)),
        points=[*grid(tau=[0.5, 1.0], n=2, score_bound=1.0), {"tau": 1.5, "n": 3, "score_bound": 1.0}],
        mutants=[
            Mutant("lower end forgotten: Phi(M_0)", d.outer(gap)),
            Mutant("M_0, the bound of tau = 0", gap),
            Mutant("tangent at R_0 - M_0", gap * (1 + low) ** -tau),
            Mutant("tangent at R_0", gap * (1 + low + gap) ** -tau),
            Mutant("e^-Lambda", d.jensen_expression.xreplace({d.lam: d.lam / 2})),
            Mutant("n instead of n - 1", d.jensen_expression.xreplace({n: n + 1})),
        ],
        budgets={
            "quick": Budget(trials=64, margin=0.01, block=64),
            "standard": Budget(trials=8192, margin=0.001, block=2048),
            "paper": Budget(
                trials=100_000,
                margin=0.001,
                block=4096,
                points=grid(tau=[0.25, 0.5, 0.75, 1.0, 1.25, 1.5], n=[2, 3], score_bound=1.0),
            ),
        },
    )


@theory.claim(control=True, expected="fails")
def jensen_bound_times_0_96() -> Claim:
    """With certain labels the minimisability gap is at most 0.96 (Phi^tau(R_0) - Phi^tau(R_0 - M_0))."""
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
    from theorylab.sims.surrogate_losses.minimizability import jensen_search, two_input_instance

    return Claim(
        prediction=d.jensen_bound.altered(lambda value, **_: 0.96 * value),
        simulation=jensen_search,
        check=Bound(variable="gap", sense="<=", tight=two_input_instance, at=(0.4, 0.6, 0.8)),
        points=grid(tau=0.5, n=2, score_bound=1.0),
        mutants=[Mutant("half", lambda value, **_: value / 2.0)],
        budgets={
            "quick": Budget(trials=64, margin=0.01, block=64),
            "standard": Budget(trials=1024, margin=0.01, block=1024),
            "paper": Budget(trials=8192, margin=0.01, block=4096),
        },
    )


@theory.claim
def jensen_bound_is_an_integral() -> Claim:
    """The bound Phi^tau(R_0) - Phi^tau(R_0 - M_0) is the integral of (1+u)^-tau from R_0 - M_0 to R_0: it decreases
    with tau.

    So the consistency bound of a larger tau carries a smaller gap in the units of its loss.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d

    right = d.jensen_rise
    return Claim(
        prediction=right,
        check=Identity(other=d.jensen_integral, ranges={"tau": (0.0, 3.0), "low": (0.01, 2.0), "gap": (0.01, 3.0)}),
        mutants=[
            Mutant("from 0 to M_0", d.outer(d.gap)),
            Mutant("from 0 to R_0", d.outer(d.low + d.gap)),
        ],
        budgets={
            "quick": Budget(trials=20, margin=1e-11),
            "standard": Budget(trials=200, margin=1e-11),
            "paper": Budget(trials=2000, margin=1e-11),
        },
    )


def _of_mixture(value: np.ndarray, *, tau: Any, weights: np.ndarray, p: np.ndarray) -> np.ndarray:
    from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import infimum

    return infimum(tau=tau, p=(weights[..., None] * p).sum(axis=-2))


def _conditional_entropy(value: np.ndarray, *, weights: np.ndarray, p: np.ndarray) -> np.ndarray:
    from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import infimum

    return np.asarray((weights * infimum(tau=1.0, p=p)).sum(axis=-1))


def _other_infimum(value: np.ndarray, given: dict[str, Any], other: Any) -> np.ndarray:
    """The gap with another argument of Phi^tau in the pointwise infimum."""
    from theorylab.derivations.surrogate_losses.comp_sum_numerics import comp_sum

    tau, n = given["tau"], given["n"]
    right = (n - 1.0) * np.exp(-2.0 * (given["slope_bound"] * given["norms"] + given["bias_bound"]))
    change = comp_sum(tau, other(right, n)) - comp_sum(tau, right)
    return np.asarray(value - (given["weights"] * change).sum(axis=-1))


def _free_infimum(
    value: np.ndarray, *, tau: Any, risk: Any, weights: np.ndarray, p: np.ndarray, **_: Any
) -> np.ndarray:
    from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import infimum

    return np.asarray(risk - (weights * infimum(tau=tau, p=p)).sum(axis=-1))


def _half_the_range(
    value: np.ndarray, *, tau: Any, risk: Any, weights: np.ndarray, p: np.ndarray, **given: Any
) -> np.ndarray:
    from theorylab.derivations.surrogate_losses.comp_sum_clipped import clipped_infimum

    bounds = (given["slope_bound"] * given["norms"] + given["bias_bound"]) / 2.0
    return np.asarray(risk - (weights * clipped_infimum(tau=tau, p=p, bounds=bounds)).sum(axis=-1))
