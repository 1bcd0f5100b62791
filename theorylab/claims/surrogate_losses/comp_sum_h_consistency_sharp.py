"""Sharp transforms of comp-sum losses for tau > 1, beside the published ones; claims of `comp-sum-h-consistency`."""

from __future__ import annotations

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.claims.surrogate_losses.comp_sum_conditional_risk import deterministic
from theorylab.claims.surrogate_losses.comp_sum_h_consistency import BETAS, PAPER_N, searched, theory

PAV = Source(
    authors="Barlow, Richard E. and Bartholomew, David J. and Bremner, John M. and Brunk, H. Daniel",
    title="Statistical Inference under Order Restrictions",
    year=1972,
    where="chapter 1, pool-adjacent-violators algorithm",
)


@theory.claim(source=PAV)
def pooled_regret() -> Claim:
    """The least surrogate regret of predicting class i is C*(pooled p) - C*(p) for tau < 2, where p_i and the classes
    of larger probability that it meets in decreasing order are replaced by their mean; for tau >= 2 it is
    (max p - max_k k^(1-tau) (p_i + the k - 1 largest others))/(tau-1).

    This makes searches over (p, h) searches over p. Scores are minimised numerically with the predicted class's on
    top; the difference from the formula is below 2e-15.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_sharp as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import N
    from theorylab.sims.surrogate_losses.conditional_risk import tied_minimum

    return Claim(
        prediction=d.pooled_regret,
        simulation=tied_minimum,
        check=Expectation(given=("p", "label")),
        points=grid(tau=[0.0, 1.0, 1.5, 1.8, 2.0, 2.5], n=[3]),
        parameters=[N],
        mutants=[
            Mutant("pooled with the most likely class only", d.pooled_regret_variant("pair")),
            Mutant("pooled with every class", d.pooled_regret_variant("all")),
            Mutant("zero-one regret over tau - 1", _linear),
        ],
        budgets={
            "quick": Budget(trials=256, margin=0.002),
            "standard": Budget(
                trials=1024, margin=0.0005, points=grid(tau=[0.0, 0.5, 1.0, 1.5, 1.8, 2.0, 2.5], n=[3, 4])
            ),
            "paper": Budget(trials=4096, margin=0.0005, points=grid(tau=[0.25 * k for k in range(13)], n=[3, 4, 5])),
        },
    )


def _linear(value: np.ndarray, tau: np.ndarray, p: np.ndarray, label: np.ndarray) -> np.ndarray:
    own = np.take_along_axis(p, label.astype(int)[:, None], axis=1)[:, 0]
    return np.asarray((p.max(axis=1) - own) / (tau - 1.0) if tau >= 2.0 else value)


@theory.claim(source=PAV)
def two_class_regret() -> Claim:
    """For tau >= 2 the least surrogate regret of predicting the less likely of two classes is
    min(beta, (1+beta)/2 - 2^(1-tau))/(tau-1).

    It is concave in beta, so that mixtures do better: the transform for risks is beta (1 - 2^(1-tau))/(tau-1).
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_sharp as d
    from theorylab.sims.surrogate_losses.conditional_risk import two_class_minimum

    beta, tau = c.BETA.symbol, c.TAU_ABOVE_TWO.symbol
    return Claim(
        prediction=d.two_class_regret,
        simulation=two_class_minimum,
        check=Expectation(),
        points=grid(tau=[2.0, 2.5, 3.0], beta=[0.2, 0.8]),
        mutants=[
            Mutant("published transform", beta / ((tau - 1) * 2 ** (tau - 1))),
            Mutant("its convex hull", beta * (1 - 2 ** (1 - tau)) / (tau - 1)),
            Mutant("beta/(tau-1)", beta / (tau - 1)),
        ],
        budgets=deterministic(grid(tau=[2.0, 2.25, 2.5, 3.0, 4.0], beta=[0.05 * k for k in range(1, 21)])),
    )


@theory.claim
def sharp_transform() -> Claim:
    """For 1 < tau <= 1.6629 and any number of classes the least surrogate regret at zero-one regret beta is that of two
    classes, (m_a(beta) - 1)/((tau-1) 2^(tau-1)): larger than the published one by (n/2)^(tau-1).

    Found by search (descents over label distributions, exact in the scores, to n = 30); a proof is known for n = 2
    only. The end of the range is `critical-tau`.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as published
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency_steps as steps
    from theorylab.derivations.surrogate_losses import comp_sum_sharp as d
    from theorylab.sims.surrogate_losses.extremal import two_class_tie
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    return Claim(
        prediction=d.binary_transform,
        simulation=conditional_search,
        check=Bound(variable="beta", tight=two_class_tie, at=BETAS),
        points=[*grid(tau=[1.2, 1.5, 1.66], n=[3, 5]), {"tau": 1.8, "n": 2}],
        parameters=[c.N],
        mutants=[
            Mutant("published, n^(tau-1)", published.transform),
            Mutant("no power of 2", lambda value, tau, **_: value * 2.0 ** (tau - 1.0)),
            Mutant("a = 2 - tau", steps.power_transform(2, 1 / c.a)),
        ],
        budgets=searched([*grid(tau=[1.1, 1.3, 1.5, 1.6, 1.6625], n=PAPER_N), {"tau": 1.6625, "n": 30}]),
    )


@theory.claim(expected="fails")
def sharp_transform_up_to_two() -> Claim:
    """For every 1 < tau < 2 and any number of classes the surrogate regret is at least that of two classes,
    (m_a(beta) - 1)/((tau-1) 2^(tau-1)).

    From tau = 1.663 on three pooled classes do better: at tau = 1.8 the least ratio is 0.847 for n = 3, 0.794 for
    n = 4, 0.778 from n = 5 on. Between there and tau = 2 the sharp transform depends on n and has no known form.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_sharp as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import N
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    return Claim(
        prediction=d.binary_transform,
        simulation=conditional_search,
        check=Bound(variable="beta"),
        points=grid(tau=1.8, n=[3, 5]),
        parameters=[N],
        mutants=[Mutant("twice", lambda value, **_: 2.0 * value)],
        budgets=searched(grid(tau=[1.7, 1.8, 1.9], n=PAPER_N)),
    )


@theory.claim
def critical_tau() -> Claim:
    """Three pooled classes, p = (b, 1-b, 0) with the third predicted, first reach the regret of two at tau = 1.66298.

    The root in (tau, b) of [b^a + (1-b)^a]^(1/a) - 3^(1-tau) = 2^(1-tau) (m_a(b) - 1) and of its derivative in b;
    b = 0.60013. With the label mass on k = 3, 4, 5 classes instead of 2: 1.68997, 1.70895, 1.72317.
    """
    from theorylab.checks import Boundary
    from theorylab.derivations.surrogate_losses import comp_sum_sharp as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import TAU_BELOW_TWO
    from theorylab.sims.surrogate_losses.violation_search import competitor_gap

    return Claim(
        prediction=d.critical_tau,
        simulation=competitor_gap,
        check=Boundary("tau"),
        points=[{"k": 2}],
        parameters=[TAU_BELOW_TWO],
        mutants=[
            Mutant("label mass on three classes", lambda value, k: d.critical_tau(k=k + 1)),
            Mutant("tau = 5/3 + 1/20", lambda value, **_: np.full_like(value, 5.0 / 3.0 + 0.05)),
        ],
        budgets={
            "quick": Budget(trials=64, margin=0.005),
            "standard": Budget(trials=512, margin=0.001),
            "paper": Budget(trials=4096, margin=0.0002),
        },
    )


@theory.claim
def hull_transform() -> Claim:
    """For tau >= 2 the least surrogate regret at zero-one regret beta is the lower convex hull of (0, 0) and the points
    (1/k, r_k/(k (tau-1))), k = 1..n-1, r_k = 1 - max_{j=2..k+1} (j-1) j^(1-tau).

    A theorem: the regret at fixed order of the classes is concave in p, so that its least value given the mean zero-one
    regret is on extreme rays, p uniform on k classes with another class predicted. Attained by mixtures of two such
    inputs.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as published
    from theorylab.derivations.surrogate_losses import comp_sum_sharp as d
    from theorylab.sims.surrogate_losses.extremal import uniform_mixture
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    beta, tau = c.BETA.symbol, c.TAU_ABOVE_TWO.symbol
    return Claim(
        prediction=d.hull_transform,
        simulation=conditional_search,
        check=Bound(variable="beta", tight=uniform_mixture, at=BETAS),
        points=grid(tau=[2.0, 2.2, 2.5, 3.0], n=[2, 5]),
        mutants=[
            Mutant("published", published.transform),
            Mutant("two classes for every tau", beta * (1 - 2 ** (1 - tau)) / (tau - 1)),
            Mutant(
                "r_k of tau = 2 for every tau", lambda value, tau, n, beta: d.mae_transform(n=n, beta=beta) / (tau - 1)
            ),
        ],
        budgets=searched(grid(tau=[2.0, 2.2, 2.5, 2.7, 2.75, 3.0, 4.0], n=PAPER_N)),
    )


@theory.claim
def mae_transform() -> Claim:
    """For the mean absolute error the sharp transform is piecewise linear through (0, 0) and (1/k, 1/(k (k+1))),
    k = 1..n-1: beta/n up to 1/(n-1), and slope 2/(k+1) between 1/k and 1/(k-1).

    So the published beta/n is sharp only for beta <= 1/(n-1); one class in doubt costs 1/2, not 1/n.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_sharp as d
    from theorylab.sims.surrogate_losses.extremal import uniform_mixture
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    n, beta = c.n, c.beta
    return Claim(
        prediction=d.mae_transform,
        simulation=conditional_search,
        check=Bound(variable="beta", tight=uniform_mixture, at=BETAS),
        points=grid(tau=2.0, n=[2, 3, 5, 10]),
        parameters=[c.TAU_ABOVE_TWO],
        mutants=[
            Mutant("published beta/n", beta / n),
            Mutant("beta/2 for every n", beta / 2),
            Mutant("the common curve beta^2/(1+beta)", beta**2 / (1 + beta)),
        ],
        budgets=searched(grid(tau=2.0, n=[3, PAPER_N])),
    )


@theory.claim
def mae_published_part() -> Claim:
    """For the mean absolute error the published beta/n is attained for beta <= 1/(n-1), at a single input: p_1 = ... =
    p_{n-1} = (1+beta)/n, p_n = (1+beta)/n - beta, all scores tied, class n predicted.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
    from theorylab.sims.surrogate_losses.extremal import uniform_tie
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    return Claim(
        prediction=d.transform,
        simulation=conditional_search,
        check=Bound(variable="beta", tight=uniform_tie, at=(0.05, 0.1, 0.2, 0.25)),
        points=grid(tau=2.0, n=[3, 4, 5]),
        mutants=[
            Mutant("beta/(n-1)", lambda value, n, **_: value * n / (n - 1.0)),
            Mutant("beta/(n+1)", lambda value, n, **_: value * n / (n + 1.0)),
        ],
        budgets=searched(grid(tau=2.0, n=5)),
    )


@theory.claim
def mae_gamma() -> Claim:
    """For the mean absolute error the zero-one regret is at most n t up to t = 1/(n (n-1)), and at most
    (k (k+1) t + 1)/(2 k) for t between 1/(k (k+1)) and 1/(k (k-1)); mixtures of two inputs attain it.

    The published n t is sharp on the first piece only.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_sharp as d
    from theorylab.sims.surrogate_losses.extremal import uniform_atoms_inverse
    from theorylab.sims.surrogate_losses.violation_search import conditional_search_inverse

    return Claim(
        prediction=d.mae_gamma,
        simulation=conditional_search_inverse,
        check=Bound(variable="t", sense="<=", tight=uniform_atoms_inverse, at=(0.03, 0.1, 0.3, 0.45)),
        points=grid(tau=2.0, n=[3, 5]),
        parameters=[c.TAU_ABOVE_TWO],
        mutants=[
            Mutant("published n t", c.n * c.t),
            Mutant("2 t for every n", 2 * c.t),
            Mutant("the curve for every n", d.mae_gamma_any_n),
        ],
        budgets=searched(grid(tau=2.0, n=[3, PAPER_N])),
    )


@theory.claim
def mae_gamma_any_n() -> Claim:
    """For the mean absolute error and any number of classes the zero-one regret is at most (t + sqrt(t^2 + 4 t))/2,
    with equality at t = 1/(k (k+1)), k < n.

    The published n t grows without bound with n; this does not.
    """
    import sympy as sp

    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_common as c
    from theorylab.derivations.surrogate_losses import comp_sum_sharp as d
    from theorylab.sims.surrogate_losses.extremal import uniform_atoms_inverse
    from theorylab.sims.surrogate_losses.violation_search import conditional_search_inverse

    t = c.t
    return Claim(
        prediction=d.mae_gamma_any_n,
        simulation=conditional_search_inverse,
        check=Bound(variable="t", sense="<=", tight=uniform_atoms_inverse, at=(1 / 20, 1 / 12, 1 / 6, 1 / 2)),
        points=grid(tau=2.0, n=[5, 10]),
        parameters=[c.TAU_ABOVE_TWO, c.N],
        mutants=[
            Mutant("sqrt(t^2 + 2 t)", (t + sp.sqrt(t**2 + 2 * t)) / 2),
            Mutant("2 sqrt(t)", 2 * sp.sqrt(t)),
        ],
        budgets=searched(grid(tau=2.0, n=[PAPER_N, 30])),
    )


@theory.claim
def steep_transform() -> Claim:
    """For tau >= 1 + log 2/log 1.5 = 2.7095 and any number of classes the sharp transform is
    beta (1 - 2^(1-tau))/(tau-1), larger than the published one by n^(tau-1) (1 - 2^(1-tau)).

    75 times at tau = 3 and n = 10.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as published
    from theorylab.derivations.surrogate_losses import comp_sum_sharp as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import N
    from theorylab.sims.surrogate_losses.extremal import uniform_mixture
    from theorylab.sims.surrogate_losses.violation_search import conditional_search

    return Claim(
        prediction=d.steep_transform,
        simulation=conditional_search,
        check=Bound(variable="beta", tight=uniform_mixture, at=BETAS),
        points=grid(tau=[2.75, 3.0], n=[3, 10]),
        parameters=[N],
        mutants=[
            Mutant("published", published.transform),
            Mutant("2^-tau", lambda value, tau, **_: value * (1 - 2.0**-tau) / (1 - 2.0 ** (1 - tau))),
            Mutant("not over tau - 1", lambda value, tau, **_: value * (tau - 1.0)),
        ],
        budgets=searched(grid(tau=[2.71, 3.0, 4.0], n=[PAPER_N, 30])),
    )
