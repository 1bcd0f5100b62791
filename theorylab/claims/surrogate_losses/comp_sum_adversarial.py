"""Adversarial comp-sum losses: a consistent one, its smooth upper bound, and one that is not consistent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, grid
from theorylab.claims.surrogate_losses.comp_sum_conditional_risk import MAO
from theorylab.theory import Theory

theory = Theory(
    "surrogate_losses/comp-sum-adversarial",
    title="Adversarial comp-sum losses: bound, smooth loss and its least weight, and where cross-entropy fails",
    source=replace(MAO, where="section 5"),
)

# Regrets at which named instances are measured: of a swap, and of a tie.
BETAS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
TIES = (0.5, 0.6, 0.8, 1.0)
TAUS = [0.0, 0.5, 1.0, 1.5, 2.0]


def exact(points: Any = None, quick: int = 256) -> dict[str, Budget]:
    """Budgets of observables without noise."""
    return {
        "quick": Budget(trials=quick, margin=1e-3),
        "standard": Budget(trials=1024, margin=1e-4),
        "paper": Budget(trials=10_000, margin=1e-4, points=points),
    }


def searched(points: Any = None, paper: int = 10**7) -> dict[str, Budget]:
    """Budgets of a search, in cases."""
    return {
        "quick": Budget(trials=1 << 13, margin=0.01, block=1 << 13),
        "standard": Budget(trials=1 << 19, margin=0.01, block=1 << 17),
        "paper": Budget(trials=paper, margin=0.01, block=1 << 20, points=points),
    }


def of_power(exponent: float) -> Any:
    """A mutant: the value at tau times Phi^tau(1)^exponent."""

    def wrong(value: np.ndarray, *, tau: Any, **_: Any) -> np.ndarray:
        from theorylab.derivations.surrogate_losses.comp_sum_numerics import comp_sum

        return np.asarray(value * comp_sum(tau, 1.0) ** exponent)

    return wrong


def phi_of_two(value: np.ndarray, *, tau: Any, **_: Any) -> np.ndarray:
    """Phi^tau(2) for Phi^tau(1)."""
    from theorylab.derivations.surrogate_losses.comp_sum_numerics import comp_sum

    return np.asarray(value * comp_sum(tau, 2.0) / comp_sum(tau, 1.0))


@theory.claim
def infimum() -> Claim:
    """The infimum of the conditional risk of the adversarial rho-margin loss is sum_k p_(k) Phi^tau(k-1), p_(1) the
    largest posterior, p_(2) the next.

    The class ranked k loses to the k - 1 above it. The ball and rho play no part. Scores are minimised over exactly, by
    trying every vertex of the cells on which the risk is concave.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import infimum as free
    from theorylab.derivations.surrogate_losses.comp_sum_numerics import comp_sum
    from theorylab.sims.surrogate_losses.adversarial_scores import least_risks

    def of(numbers: Any) -> Any:
        """Another order, or other numbers, in place of the ranking."""

        def wrong(value: np.ndarray, *, tau: Any, p: np.ndarray) -> np.ndarray:
            ranked = np.sort(p, axis=-1)[..., ::-1]
            return np.asarray((ranked * comp_sum(tau, numbers(p.shape[-1]))).sum(axis=-1))

        return wrong

    return Claim(
        prediction=d.infimum,
        simulation=least_risks,
        check=Expectation(given=("p",)),
        points=[*grid(tau=[0.0, 0.5, 1.0, 2.0], n=3, rho=0.5), {"tau": 1.0, "n": 5, "rho": 2.0}],
        parameters=[d.CLASSES, d.RHO],
        mutants=[
            Mutant("Phi(k) for Phi(k-1)", of(lambda n: np.arange(1.0, n + 1.0))),
            Mutant("least likely class first", of(lambda n: np.arange(n - 1.0, -1.0, -1.0))),
            Mutant("every other class lost to all", of(lambda n: (n - 1.0) * (np.arange(n) > 0))),
            Mutant("infimum of the comp-sum loss itself", lambda value, tau, p: free(tau=tau, p=p)),
        ],
        budgets=exact([*grid(tau=[0.25 * k for k in range(10)], n=[2, 3, 4, 5], rho=0.5)]),
    )


@theory.claim
def zero_one_infimum() -> Claim:
    """The infimum of the conditional adversarial zero-one risk is 1 - max p.

    That without an adversary: some hypothesis predicts the most likely class all over the ball.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.derivations.surrogate_losses.comp_sum_common import TAU
    from theorylab.sims.surrogate_losses.adversarial_scores import least_risks

    return Claim(
        prediction=d.zero_one_infimum,
        simulation=least_risks,
        check=Expectation(observable="zero_one", given=("p",)),
        points=grid(n=[2, 3, 5], tau=1.0, rho=0.5),
        parameters=[d.CLASSES, d.RHO, TAU],
        mutants=[
            Mutant("a random label: 1 - sum p^2", lambda value, p: 1.0 - (p**2).sum(axis=-1)),
            Mutant("the second class's posterior", lambda value, p: np.sort(p, axis=-1)[..., -2]),
            Mutant("no class robust", lambda value, p: np.ones_like(value)),
        ],
        budgets=exact(grid(n=[2, 3, 4, 5], tau=1.0, rho=0.5)),
    )


@theory.claim
def regret_bound() -> Claim:
    """The regret of the adversarial rho-margin loss is at least Phi^tau(1) times the adversarial zero-one regret, and
    some distribution attains it at every regret.

    Phi^tau(1) is 1 for the sum-exponential loss, log 2 for cross-entropy, 1/2 for the mean absolute error. Attained by
    two classes of probability (1 +- beta)/2 whose scores are robustly in the wrong order. Linear in beta, so that it is
    the bound for risks, minimisability gaps included.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.sims.surrogate_losses.adversarial_scores import margin_search, swapped

    return Claim(
        prediction=d.regret_bound,
        simulation=margin_search,
        check=Bound(variable="beta", tight=swapped, at=BETAS),
        points=[*grid(tau=TAUS, n=3, rho=0.5), *grid(tau=[0.5, 1.0], n=[2, 5], rho=0.5)],
        parameters=[d.CLASSES, d.RHO],
        mutants=[
            Mutant("1/Phi(1) for Phi(1)", of_power(-2.0)),
            Mutant("slope 1", of_power(-1.0)),
            Mutant("Phi(1)^2 for Phi(1)", of_power(1.0)),
            Mutant("Phi(2) for Phi(1)", phi_of_two),
            Mutant("half", lambda value, **_: value / 2.0),
        ],
        budgets=searched(grid(tau=[*TAUS, 2.4], n=[2, 3, 4, 5], rho=0.5)),
    )


@theory.claim(control=True, expected="fails")
def regret_bound_times_1_04() -> Claim:
    """The regret of the adversarial rho-margin loss is at least 1.04 Phi^tau(1) times the zero-one regret."""
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.sims.surrogate_losses.adversarial_scores import margin_search

    return Claim(
        prediction=d.regret_bound.altered(lambda value, **_: 1.04 * value),
        simulation=margin_search,
        check=Bound(variable="beta"),
        points=grid(tau=[0.5, 1.0], n=3, rho=0.5),
        parameters=[d.CLASSES, d.RHO],
        mutants=[Mutant("twice", lambda value, **_: 2.0 * value)],
        budgets=searched(paper=1 << 20),
    )


@theory.claim(expected="fails")
def maximised_loss_bound() -> Claim:
    """The comp-sum loss that is only maximised over the ball (adversarial cross-entropy) obeys the same bound: its
    regret is at least Phi^tau(1) times the adversarial zero-one regret.

    It is not consistent at all: at p = (1/2, 1/2) equal scores minimise it, regret 0, and every margin is a tie,
    adversarial zero-one regret 1/2. See `maximised-loss-transform`.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.sims.surrogate_losses.adversarial_scores import maximised_search

    return Claim(
        prediction=d.regret_bound,
        simulation=maximised_search,
        check=Bound(variable="beta"),
        points=grid(tau=[0.0, 0.5, 1.0]),
        mutants=[Mutant("twice", lambda value, **_: 2.0 * value)],
        budgets=searched(paper=1 << 20),
    )


@theory.claim
def maximised_loss_transform() -> Claim:
    """For two classes and tau < 2 the regret of the comp-sum loss maximised over the ball is at least
    T_tau(max(0, 2 beta - 1)) at adversarial zero-one regret beta, T_tau the transform without an adversary, and some
    distribution attains it at every beta >= 1/2.

    So a small regret of adversarial cross-entropy says that the adversarial zero-one regret is little above 1/2, and no
    more. Ours: a ball whose margins have either sign, or a 0, costs Phi^tau(1) at least; its zero-one regret is the
    larger posterior.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
    from theorylab.sims.surrogate_losses.adversarial_scores import maximised_search, tied

    def plain(value: np.ndarray, *, tau: Any, beta: Any) -> np.ndarray:
        from theorylab.derivations.surrogate_losses.comp_sum_numerics import power_transform

        return np.asarray(power_transform(tau, beta, 2.0))

    return Claim(
        prediction=d.maximised_transform,
        simulation=maximised_search,
        check=Bound(variable="beta", tight=tied, at=TIES),
        points=grid(tau=[0.0, 0.5, 1.0, 1.5]),
        mutants=[
            Mutant("T(beta), as without an adversary", plain),
            Mutant("half", lambda value, **_: value / 2.0),
            Mutant("twice", lambda value, **_: 2.0 * value),
        ],
        budgets=searched(grid(tau=[0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]), paper=1 << 22),
    )
