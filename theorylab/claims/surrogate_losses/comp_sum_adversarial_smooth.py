"""The smooth adversarial comp-sum loss: the least weight of its penalty, and linear scorers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorylab.claim import Claim, Mutant, grid
from theorylab.claims.surrogate_losses.comp_sum_adversarial import (
    TAUS,
    TIES,
    exact,
    of_power,
    phi_of_two,
    searched,
    theory,
)

# Small changes of score differences: the constant is that of the limit.
SMALL = (1e-4, 1e-3)


@theory.claim
def smooth_loss_dominates() -> Claim:
    """The rho-margin loss exceeds Phi^tau(sum exp(-gaps/rho)) at the centre of the ball by at most sqrt(n-1)/rho times
    the largest change of the score differences: the smooth loss with nu >= sqrt(n-1)/rho is an upper bound.

    The constant is needed at tau = 0, where all differences are small and drop to 0 together; from tau > 0 on a smaller
    one does (`least-smoothing`).
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import TAU
    from theorylab.sims.surrogate_losses.adversarial_scores import smoothing_search

    return Claim(
        prediction=d.smoothing,
        simulation=smoothing_search,
        check=Bound(variable="variation", sense="<="),
        points=[*grid(tau=[0.0, 1.0, 2.0], n=5, rho=0.5), {"tau": 0.0, "n": 3, "rho": 2.0}],
        parameters=[TAU],
        mutants=[
            Mutant("1/rho, without sqrt(n-1)", d.variation / d.rho),
            Mutant("sqrt(n-1), without 1/rho", lambda value, rho, **_: value * rho),
            Mutant("half", lambda value, **_: value / 2.0),
        ],
        budgets=searched(grid(tau=TAUS, n=[2, 3, 5], rho=[0.5, 2.0])),
    )


@theory.claim(expected="fails")
def smoothing_is_needed() -> Claim:
    """The smooth loss needs nu = sqrt(n-1)/rho for every tau: no smaller weight makes it an upper bound.

    Only at tau = 0. The proof takes Phi^tau to be 1-Lipschitz; but where it is steep, few exponentials are large, and
    the drops are short.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import TAU
    from theorylab.sims.surrogate_losses.adversarial_scores import dropped, smoothing_search

    return Claim(
        prediction=d.smoothing,
        simulation=smoothing_search,
        check=Bound(variable="variation", sense="<=", tight=dropped, at=SMALL),
        points=grid(tau=[0.5, 1.0, 2.0], n=5, rho=0.5),
        parameters=[TAU],
        mutants=[Mutant("twice", lambda value, **_: 2.0 * value)],
        budgets=searched(paper=1 << 20),
    )


@theory.claim
def least_smoothing() -> Claim:
    """For tau <= 2 the smooth loss is an upper bound of the rho-margin loss just when
    nu >= max_{1 <= k < n} sqrt(k) (1+k)^(-tau)/rho: 1/(2 rho) for cross-entropy and any number of classes.

    A theorem: with e = exp(-differences/rho) along the way, the sum of e moves by at most |e| times the change, and
    |e| (1 + sum e)^(-tau) is largest when k of the e are 1 and the others 0. Attained in the limit of k small
    differences that drop to 0. The published sqrt(n-1)/rho is too large by 2 sqrt(n-1) for cross-entropy. Beyond
    tau = 2 the worst e lies between 0 and 1.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.sims.surrogate_losses.adversarial_scores import dropped, smoothing_search

    def with_count(count: Any) -> Any:
        """The constant of another k."""

        def wrong(value: np.ndarray, *, tau: Any, n: Any, rho: Any, variation: Any) -> np.ndarray:
            k = count(n)
            return np.asarray(np.sqrt(k) * (1.0 + k) ** -tau / rho * variation)

        return wrong

    return Claim(
        prediction=d.least_smoothing,
        simulation=smoothing_search,
        check=Bound(variable="variation", sense="<=", tight=dropped, at=SMALL),
        points=[*grid(tau=[0.0, 0.5, 0.6, 1.0, 2.0], n=5, rho=0.5), {"tau": 1.0, "n": 2, "rho": 2.0}],
        mutants=[
            Mutant("published, sqrt(n-1)", d.smoothing),
            Mutant("k = n - 1 always", with_count(lambda n: n - 1.0)),
            Mutant("k = 1 always", with_count(lambda n: np.ones_like(n))),
            Mutant("Lipschitz constant 2^-tau", lambda value, tau, n, rho, variation: 2.0**-tau / rho * variation),
        ],
        budgets=searched(grid(tau=[0.2 * k for k in range(11)], n=[2, 3, 5], rho=0.5)),
    )


@theory.claim
def smooth_bound() -> Claim:
    """For linear scorers in the plane the smooth risk less the mean infimum of the rho-margin loss is at least
    Phi^tau(1) times the adversarial zero-one regret, with nu = sqrt(n-1)/rho and with the least nu.

    So Phi^tau(1) (R_g(h) - R*_g) <= R_smooth(h) - R*_margin + M_margin - Phi^tau(1) M_g. Attained without slopes, by
    two tied classes of which the more likely one has probability beta.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.sims.surrogate_losses.adversarial_linear import smooth_search, tied_biases

    def point(tau: float, n: int, weight: float) -> dict[str, float]:
        return {"tau": tau, "n": n, "rho": 0.5, "radius": 0.1, "nu": weight / 0.5}

    return Claim(
        prediction=d.regret_bound,
        simulation=smooth_search,
        check=Bound(variable="beta", tight=tied_biases, at=TIES),
        points=[
            point(0.0, 3, math.sqrt(2.0)),
            point(1.0, 2, 1.0),
            point(1.0, 4, math.sqrt(3.0)),
            point(1.0, 4, 0.5),
            point(2.0, 3, 0.25),
        ],
        parameters=[d.CLASSES, d.RHO, d.RADIUS, d.NU],
        mutants=[
            Mutant("1/Phi(1) for Phi(1)", of_power(-2.0)),
            Mutant("Phi(1)^2 for Phi(1)", of_power(1.0)),
            Mutant("Phi(2) for Phi(1)", phi_of_two),
            Mutant("half", lambda value, **_: value / 2.0),
        ],
        budgets=searched(
            [point(t, n, math.sqrt(n - 1.0)) for t in TAUS for n in (2, 3, 5)],
            paper=1 << 22,
        ),
    )


@theory.claim
def linear_variation() -> Claim:
    """For linear scores and perturbations of 2-norm up to g the largest change of the score differences of a class is
    g sigma_max(D), D the rows w_y - w_y', at every input.

    The regulariser of the smooth loss is the spectral norm of n matrices; it does not depend on the data.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.sims.surrogate_losses.adversarial_linear import largest_variation

    def norm(of: Any) -> Any:
        def wrong(value: np.ndarray, *, scorers: np.ndarray, radius: Any) -> np.ndarray:
            return np.asarray(radius * of(d.differences(scorers)))

        return wrong

    return Claim(
        prediction=d.linear_variation,
        simulation=largest_variation,
        check=Expectation(given=("scorers",)),
        points=grid(n=[3, 5], radius=0.3),
        parameters=[d.CLASSES],
        mutants=[
            Mutant("Frobenius norm", norm(lambda rows: np.linalg.norm(rows, axis=(-2, -1)))),
            Mutant("longest row", norm(lambda rows: np.linalg.norm(rows, axis=-1).max(axis=-1))),
            Mutant(
                "slopes instead of differences",
                lambda value, scorers, radius: radius * np.linalg.norm(scorers, 2, axis=(-2, -1)),
            ),
        ],
        budgets=exact(grid(n=[2, 3, 4, 5], radius=[0.1, 1.0])),
    )


@theory.claim(control=True, expected="fails")
def linear_variation_times_1_04() -> Claim:
    """For linear scores the largest change of the score differences of a class is 1.04 g sigma_max(D)."""
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.sims.surrogate_losses.adversarial_linear import largest_variation

    return Claim(
        prediction=d.linear_variation.altered(lambda value, **_: 1.04 * value),
        simulation=largest_variation,
        check=Expectation(given=("scorers",)),
        points=[{"n": 3, "radius": 0.3}],
        parameters=[d.CLASSES],
        mutants=[Mutant("twice", lambda value, **_: 2.0 * value)],
        budgets=exact(),
    )


@theory.claim
def linear_margin() -> Claim:
    """For linear scores the least margin over the ball of radius g in the p-norm is min_y' (D_y'.x + b_y - b_y' -
    g |D_y'|_q), 1/p + 1/q = 1; the adversarial zero-one loss is 1 when it is not positive.

    Each difference is worst along its own row; the least of them is the margin's.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.sims.surrogate_losses.adversarial_linear import least_margin

    return Claim(
        prediction=d.linear_margin,
        simulation=least_margin,
        check=Expectation(given=("scorers", "biases", "x"), scale="absolute"),
        points=[*grid(n=3, radius=0.3, inverse_norm=[0.0, 0.5, 1.0]), {"n": 2, "radius": 1.0, "inverse_norm": 0.7}],
        parameters=[d.CLASSES],
        mutants=[
            Mutant(
                "norm p instead of q",
                lambda value, inverse_norm, **a: d.linear_margin(**a, inverse_norm=1.0 - np.asarray(inverse_norm)),
            ),
            Mutant("half the radius", lambda value, radius, **a: d.linear_margin(**a, radius=radius / 2.0)),
            Mutant("no adversary", lambda value, radius, **a: d.linear_margin(**a, radius=0.0 * np.asarray(radius))),
        ],
        budgets=exact(grid(n=[2, 3, 5], radius=0.3, inverse_norm=[0.0, 0.25, 0.5, 0.75, 1.0])),
    )


@theory.claim
def linear_loss() -> Claim:
    """For linear scores and two classes the adversarial rho-margin loss is
    Phi^tau(Phi_rho(D.x + b_0 - b_1 - g |D|_q)).

    Monotone in one margin: the worst input for the margin is the worst for the loss. With more classes the supremum is
    a search.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.sims.surrogate_losses.adversarial_linear import two_class_loss

    def margin(**a: Any) -> np.ndarray:
        return np.asarray(d.linear_margin(**{k: v for k, v in a.items() if k not in ("tau", "rho")}))

    return Claim(
        prediction=d.linear_loss,
        simulation=two_class_loss,
        check=Expectation(given=("scorers", "biases", "x")),
        points=[
            {"tau": 0.0, "rho": 4.0, "radius": 0.5, "inverse_norm": 0.5},
            {"tau": 1.0, "rho": 4.0, "radius": 0.5, "inverse_norm": 0.0},
            {"tau": 1.5, "rho": 4.0, "radius": 0.5, "inverse_norm": 1.0},
        ],
        mutants=[
            Mutant("no adversary", lambda value, radius, **a: d.linear_loss(**a, radius=0.0 * np.asarray(radius))),
            Mutant("rho = 1", lambda value, rho, **a: d.linear_loss(**a, rho=1.0 + 0.0 * np.asarray(rho))),
            Mutant(
                "Phi forgotten",
                lambda value, rho, **a: np.clip(1.0 - margin(**a) / rho, 0.0, 1.0) if a["tau"] > 0 else value,
            ),
        ],
        budgets=exact(
            grid(tau=TAUS, rho=[2.0, 4.0], radius=0.5, inverse_norm=[0.0, 0.5, 1.0]),
            quick=512,
        ),
    )
