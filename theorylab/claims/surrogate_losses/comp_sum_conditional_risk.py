"""Comp-sum losses (cross-entropy and its relatives): the loss, its gradient, and the infimum of its risk."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

MAO = Source(
    authors="Mao, Anqi and Mohri, Mehryar and Zhong, Yutao",
    title="Cross-Entropy Loss Functions: Theoretical Analysis and Applications",
    year=2023,
    where="sections 3 and 4",
    arxiv="2304.07288v2",
    journal="Proceedings of Machine Learning Research 202, 23803-23828",
)

theory = Theory(
    "surrogate_losses/comp-sum-conditional-risk",
    title="Comp-sum losses: outer function, gradient, and the infimum of the conditional risk",
    source=MAO,
)

Exponent = Callable[[Any], Any]

IDENTITY = {
    "quick": Budget(trials=4, margin=1e-12),
    "standard": Budget(trials=50, margin=1e-12),
    "paper": Budget(trials=500, margin=1e-12),
}
TAUS = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
ALL_TAUS = [0.05 * k for k in range(61)]


def deterministic(points: Any = None) -> dict[str, Budget]:
    """Budgets for observables whose only error is that of a numerical minimum."""
    return {
        "quick": Budget(trials=384, margin=0.005),
        "standard": Budget(trials=512, margin=0.001),
        "paper": Budget(trials=10_000, margin=0.001, points=points),
    }


@theory.claim
def outer_function() -> Claim:
    """The comp-sum outer function, the integral of (1+v)^-tau from 0 to u, is ((1+u)^(1-tau) - 1)/(1-tau), and
    log(1+u) at tau = 1.

    In the softmax probability s of the label: (s^(tau-1) - 1)/(1-tau). tau = 0 is the sum-exponential loss, 1
    cross-entropy, 1 to 2 generalized cross-entropy (1 - s^q)/q with q = tau - 1, 2 the mean absolute error 1 - s.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_loss as d

    right, power = d.outer_function, (1 + d.u) ** (1 - c.tau)
    return Claim(
        prediction=right,
        check=Identity(other=d.outer_function_integral, ranges={"tau": (0.0, 3.0), "u": (0.0, 5.0)}),
        mutants=[
            Mutant("constant of integration forgotten", power / (1 - c.tau)),
            Mutant("exponent -tau", (power / (1 + d.u) - 1) / (-c.tau)),
            Mutant("factor 1/(1-tau) forgotten", power - 1),
        ],
        budgets=IDENTITY,
    )


@theory.claim
def order_in_tau() -> Claim:
    """The outer function decreases with tau at every u: its derivative is minus the integral of
    log(1+v) (1+v)^-tau from 0 to u.

    With its slope (1+u)^-tau in (0, 1], which never increases, the function is increasing, concave and 1-Lipschitz.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.surrogate_losses import comp_sum_loss as d

    right = d.slope_in_tau
    return Claim(
        prediction=right,
        check=Identity(other=d.slope_in_tau_integral, ranges={"tau": (0.0, 3.0), "u": (0.0, 5.0)}),
        mutants=[
            Mutant("half", right.expr / 2),
        ],
        budgets=IDENTITY,
    )


@theory.claim
def margin_curvature() -> Claim:
    """Along the margin log(s/(1-s)) the second derivative of the loss is s^(tau-1) (1-s) (1 - tau (1-s)).

    It is nonnegative for every s just when tau <= 1: only then is the loss convex in the scores. For tau > 1 it is
    concave where 1 - s > 1/tau, on the examples that are most wrong.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_loss as d

    right, s, tau = d.margin_curvature, d.s, c.tau
    return Claim(
        prediction=right,
        check=Identity(other=d.margin_curvature_differentiated, ranges={"tau": (0.0, 3.0), "s": (0.05, 0.95)}),
        mutants=[
            Mutant("tau s instead of tau (1-s)", s ** (tau - 1) * (1 - s) * (1 - tau * s)),
            Mutant("cross-entropy's curvature damped", s**tau * (1 - s)),
        ],
        budgets=IDENTITY,
    )


@theory.claim
def gradient_ratio() -> Claim:
    """The gradient of the comp-sum loss in the scores is that of cross-entropy times s^(tau-1), s the softmax
    probability of the label.

    tau > 1 damps the gradients of hard examples, tau < 1 amplifies them. Gradients are those of the defining integral,
    differentiated by complex steps.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_loss as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import N
    from theorylab.sims.surrogate_losses.conditional_risk import gradient_ratios

    return Claim(
        prediction=d.gradient_ratio,
        simulation=gradient_ratios,
        check=Expectation(given=("s",)),
        points=grid(tau=[0.8, 1.5, 2.0], n=[2, 5]),
        parameters=[N],
        mutants=[
            Mutant("s^tau", lambda value, s, **_: value * s),
            Mutant("s^(1-tau)", lambda value, **_: 1.0 / value),
            Mutant("(1-s)^(tau-1), the focal factor", lambda value, tau, s, **_: (1.0 - s) ** (tau - 1.0)),
        ],
        budgets={
            "quick": Budget(trials=512, margin=0.005),
            "standard": Budget(trials=20_000, margin=0.001),
            "paper": Budget(trials=100_000, margin=0.001, points=grid(tau=ALL_TAUS, n=[10])),
        },
    )


@theory.claim
def gradient() -> Claim:
    """The gradient of the comp-sum loss in the scores is s_y^(tau-1) (s_k - 1[k = y]), y the label and s the softmax.

    Components sum to zero, so that shifts of all scores change nothing. Components are those of the defining integral,
    differentiated by complex steps, the label's first: in another order their means would vanish.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_loss as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import N
    from theorylab.sims.surrogate_losses.conditional_risk import gradient_ratios

    def first(p: np.ndarray) -> np.ndarray:
        return np.asarray(np.arange(p.shape[-1]) == 0, dtype=float)

    return Claim(
        prediction=d.gradient,
        simulation=gradient_ratios,
        check=Expectation("gradient", given=("softmax",), scale="absolute"),
        points=grid(tau=[0.8, 1.0, 1.5, 2.0], n=[2, 5]),
        parameters=[N],
        mutants=[
            Mutant("s^tau", lambda value, softmax, **_: value * softmax[..., :1]),
            Mutant("cross-entropy's", lambda value, softmax, **_: softmax - first(softmax)),
            Mutant("sign", lambda value, **_: -value),
            Mutant(
                "1[k = y] forgotten",
                lambda value, softmax, tau: value + softmax[..., :1] ** (tau - 1.0) * first(softmax),
            ),
        ],
        budgets={
            "quick": Budget(trials=512, margin=0.005),
            "standard": Budget(trials=20_000, margin=0.001),
            "paper": Budget(trials=100_000, margin=0.001, points=grid(tau=ALL_TAUS, n=[10])),
        },
    )


@theory.claim
def infimum() -> Claim:
    """The infimum over the scores of the conditional risk is ((sum p^a)^(1/a) - 1)/(1-tau), a = 1/(2-tau), for
    tau < 2 (the entropy at tau = 1), and (1 - max p)/(tau-1) from tau = 2 on.

    Newton minimisation from several starts meets it to 1e-15, from above but for rounding. At tau = 2 and beyond the
    infimum is at a vertex of the simplex, approached as scores grow. Below, it is (e^((1-tau) H) - 1)/(1-tau) with
    the Rényi entropy H of order a.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_conditional_risk as d
    from theorylab.sims.surrogate_losses.conditional_risk import score_minimum

    return Claim(
        prediction=d.infimum,
        simulation=score_minimum,
        check=Expectation(given=("p",)),
        points=grid(tau=TAUS, n=3),
        parameters=[c.N],
        mutants=[
            Mutant("a = 2 - tau", _with_exponents(lambda tau: 2 - tau, lambda tau: 1 / (2 - tau))),
            Mutant("outer power 2 - tau missing", _with_exponents(lambda tau: 1 / (2 - tau), lambda tau: 1.0)),
            Mutant("entropy in bits", lambda value, tau, **_: value / math.log(2.0) if tau == 1 else value),
            Mutant(
                "formula of tau < 2 used above", _with_exponents(lambda tau: 1 / (2 - tau), lambda tau: 2 - tau, 2.0)
            ),
        ],
        budgets=deterministic(grid(tau=ALL_TAUS, n=[2, 4, 10])),
    )


@theory.claim
def minimiser() -> Claim:
    """The risk minimiser's softmax probabilities are proportional to p^(1/(2-tau)) for tau < 2, and concentrated on the
    most likely class from tau = 2 on.

    Only cross-entropy is proper: for tau < 1 the minimiser is flatter than p, for tau > 1 sharper. Classes are in
    decreasing order of p: in another order the means over label distributions would not depend on the exponent.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_conditional_risk as d
    from theorylab.sims.surrogate_losses.conditional_risk import score_minimum

    return Claim(
        prediction=d.minimiser,
        simulation=score_minimum,
        check=Expectation("softmax", given=("p",), scale="absolute"),
        points=grid(tau=TAUS, n=3),
        parameters=[c.N],
        mutants=[
            Mutant("p itself, as for cross-entropy", lambda value, p, **_: p),
            Mutant("exponent 2 - tau", _proportional_to_power(lambda tau: 2 - tau)),
        ],
        budgets=deterministic(grid(tau=ALL_TAUS, n=[2, 4, 10])),
    )


@theory.claim
def label_noise_risk() -> Claim:
    """Under symmetric label noise, p = (q, (1-q)/(n-1), ...), the infimum of the conditional risk is
    ((q^a + (n-1) ((1-q)/(n-1))^a)^(1/a) - 1)/(1-tau) for tau < 2, and (1 - max p)/(tau-1) from tau = 2 on.

    This is the least risk that a model of any size can reach; at tau = 1 it is the entropy.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_conditional_risk as d
    from theorylab.sims.surrogate_losses.conditional_risk import label_noise_minimum

    a, entropy = c.a, d.label_noise_entropy
    below, above = d.label_noise_below(a, 1 / a), d.label_noise_above
    return Claim(
        prediction=d.label_noise_risk,
        simulation=label_noise_minimum,
        check=Expectation(),
        points=[*grid(tau=TAUS, n=3, q=0.7), *grid(tau=[0.5, 1.5, 2.0], n=5, q=0.1)],
        mutants=[
            Mutant("a = 2 - tau", c.in_tau(entropy, d.label_noise_below(1 / a, a), above)),
            Mutant("outer power 2 - tau missing", c.in_tau(entropy, d.label_noise_below(a, 1), above)),
            Mutant("binary entropy", c.in_tau(d.binary_entropy, below, above)),
            Mutant("1 - q at tau >= 2 even where q < 1/n", c.in_tau(entropy, below, (1 - d.q) / (c.tau - 1))),
            Mutant("1 - max p not over tau - 1", c.in_tau(entropy, below, above * (c.tau - 1))),
        ],
        budgets=deterministic(grid(tau=ALL_TAUS, n=[2, 10, 30], q=[0.05, 0.5, 0.9])),
    )


@theory.claim
def renyi_form() -> Claim:
    """For tau < 2 the infimum of the conditional risk is (e^((1-tau) H) - 1)/(1-tau) with H the Rényi entropy of order
    1/(2-tau) of the label distribution.

    So the losses differ by an order of entropy and a monotone map: min-entropy at tau = 2, order 1/2 at tau = 0. It is
    the form to compute with: nothing cancels as tau -> 1.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_conditional_risk as d
    from theorylab.sims.surrogate_losses.conditional_risk import label_noise_minimum

    return Claim(
        prediction=d.label_noise_renyi,
        simulation=label_noise_minimum,
        check=Expectation(),
        points=grid(tau=[0.0, 0.5, 1.5, 1.9], n=4, q=[0.3, 0.8]),
        mutants=[
            Mutant("order 2 - tau", d.renyi_risk(1 / c.a)),
            Mutant("Shannon entropy for every tau", d.renyi_risk(d.ONE)),
            Mutant("the entropy itself for every tau", d.renyi_entropy(c.a)),
        ],
        budgets=deterministic(grid(tau=[0.05 * k for k in range(40) if k != 20], n=[2, 10, 30], q=[0.05, 0.5, 0.9])),
    )


@theory.claim
def zero_one_regret() -> Claim:
    """The conditional zero-one regret of predicting class i is max p - p_i, since the least conditional zero-one risk
    is 1 - max p.

    Losses are drawn: a label y ~ p and the two predictions, with the largest index among equal scores.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_conditional_risk as d
    from theorylab.sims.surrogate_losses.conditional_risk import zero_one_losses

    return Claim(
        prediction=d.zero_one_regret,
        simulation=zero_one_losses,
        check=Expectation(given=("p", "label"), scale="absolute"),
        points=grid(n=[2, 5]),
        parameters=[c.N],
        mutants=[
            Mutant("noise floor forgotten: 1 - p_i", lambda value, p, **_: value + 1.0 - p.max(axis=-1)),
            Mutant("half the regret", lambda value, **_: value / 2.0),
        ],
        budgets={
            "quick": Budget(trials=40_000, margin=0.03),
            "standard": Budget(trials=1_000_000, margin=0.005),
            "paper": Budget(trials=10_000_000, margin=0.002, points=grid(n=[2, 4, 10, 100])),
        },
    )


@theory.claim(control=True, expected="fails")
def outer_function_times_1_04() -> Claim:
    """The comp-sum outer function is 1.04 times the integral of (1+v)^-tau from 0 to u."""
    from theorylab.checks import Identity
    from theorylab.derivations.surrogate_losses import comp_sum_loss as d

    return Claim(
        prediction=d.outer_function,
        check=Identity(other=1.04 * d.outer_function_integral, ranges={"tau": (0.0, 3.0), "u": (0.0, 5.0)}),
        mutants=[Mutant("1.5 times the integral", 1.5 * d.outer_function.expr)],
        budgets=IDENTITY,
    )


def _with_exponents(inner: Exponent, outer: Exponent, least_tau: float = 0.0) -> Callable[..., Any]:
    """The closed form for tau < 2 with other exponents, put in place of the right value from `least_tau` on."""

    def wrong(value: np.ndarray, *, tau: np.ndarray, p: np.ndarray) -> np.ndarray:
        applies = tau > least_tau if least_tau else tau < 2.0
        if not applies or tau == 1.0:
            return value
        with np.errstate(over="ignore"):
            return np.asarray(((p ** inner(tau)).sum(axis=-1) ** outer(tau) - 1.0) / (1.0 - tau))

    return wrong


def _proportional_to_power(exponent: Exponent) -> Callable[..., Any]:
    def wrong(value: np.ndarray, *, tau: np.ndarray, p: np.ndarray) -> np.ndarray:
        if tau >= 2.0:
            return value
        weights = p ** exponent(tau)
        return np.asarray(weights / weights.sum(axis=-1, keepdims=True))

    return wrong
