"""Margin losses: how much zero-one regret a surrogate regret leaves, over bounded scores, in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

BJM = Source(
    authors="Bartlett, Peter L. and Jordan, Michael I. and McAuliffe, Jon D.",
    title="Convexity, Classification, and Risk Bounds",
    year=2006,
    where="section 2",
    doi="10.1198/016214505000000907",
    journal="Journal of the American Statistical Association 101 (473), 138-156",
)

theory = Theory(
    "surrogate_losses/margin-loss-transforms",
    title="Margin losses: sharp transforms, over scores of any size and over bounded ones",
    source=BJM,
)

# Zero-one regrets at which the named instance is measured, and bounds of scores: small, and next to none.
THETAS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
BOUNDS = [0.5, 20.0]
SEARCHED = {
    "quick": Budget(trials=1 << 12, margin=0.01, block=1 << 12),
    "standard": Budget(trials=1 << 18, margin=0.001, block=1 << 16),
    "paper": Budget(trials=1 << 22, margin=0.001, block=1 << 18),
}


def attained(loss: str, **more: Any) -> Claim:
    """The transform of a loss is a bound that a named score attains; `more` are mutants of its own, by name."""
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import margin_losses as d
    from theorylab.sims.surrogate_losses.margin_scores import best_wrong, wrong_signs

    right = d.KNOWN[loss].prediction()

    def bounded_by(factor: float) -> Any:
        return lambda value, theta, score_bound: right(theta=theta, score_bound=factor * score_bound)

    return Claim(
        prediction=right,
        simulation=wrong_signs,
        check=Bound(variable="theta", tight=best_wrong, at=THETAS),
        points=grid(loss=loss, score_bound=BOUNDS),
        parameters=[d.LOSS],
        mutants=[
            Mutant("scores of any size", lambda value, theta, score_bound: right(theta=theta, score_bound=100.0)),
            Mutant("bound on each of two scores", bounded_by(2.0)),
            Mutant("half the bound", bounded_by(0.5)),
            *(Mutant(name.replace("_", " "), formula) for name, formula in more.items()),
        ],
        budgets=SEARCHED,
    )


@theory.claim
def exponential() -> Claim:
    """The exponential loss of a score of the wrong sign has regret at least 1 - sqrt(1 - theta^2) at zero-one regret
    theta, and over scores |z| <= B < artanh(theta) at least 1 - cosh B + theta sinh B; the score 0 attains both.

    From theta = tanh B on the transform is a line: bounded scores cannot use what is certain.
    """
    return attained(
        "exponential",
        half_of_it=lambda value, **_: value / 2.0,
        without_the_square=lambda value, theta, **_: 1.0 - np.sqrt(1.0 - theta),
    )


@theory.claim
def logistic() -> Claim:
    """The logistic loss of a score of the wrong sign has regret at least
    (1+theta)/2 log(1+theta) + (1-theta)/2 log(1-theta), and over scores |z| <= B < 2 artanh(theta) at least
    theta B/2 - log cosh(B/2); the score 0 attains both.
    """
    return attained(
        "logistic",
        in_bits=lambda value, **_: value / np.log(2.0),
        parabola=lambda value, theta, **_: theta**2 / 2.0,
    )


@theory.claim
def hinge() -> Claim:
    """The hinge loss of a score of the wrong sign has regret at least theta min(1, B); the score 0 attains it."""
    return attained("hinge", square=lambda value, theta, **_: value * theta)


@theory.claim
def rho_margin() -> Claim:
    """The rho-margin loss (rho = 1) of a score of the wrong sign has regret at least theta min(1, B); the score
    -min(1, B) attains it.

    As for the hinge loss, though the loss is not convex: the best score of the wrong sign is not 0.
    """
    return attained("rho-margin", the_wrong_score_0=lambda value, theta, score_bound: (1.0 + theta) / 2.0 * np.minimum(
        1.0, score_bound))  # fmt: skip


@theory.claim
def squared_hinge() -> Claim:
    """The squared hinge loss of a score of the wrong sign has regret at least theta^2, and over scores
    |z| <= B < theta at least B (2 theta - B); the score 0 attains both.
    """
    return attained("squared-hinge", half_of_it=lambda value, **_: value / 2.0)


@theory.claim
def squared() -> Claim:
    """The squared loss of a score of the wrong sign has regret at least theta^2, and over scores |z| <= B < theta at
    least B (2 theta - B): what squared hinge has, whose penalty of confident scores is for nothing here.
    """
    return attained("squared", half_of_it=lambda value, **_: value / 2.0)


@theory.claim
def sigmoid() -> Claim:
    """The sigmoid loss 1/(1 + e^z) of a score of the wrong sign has regret at least theta tanh(B/2)/2; the score 0
    attains it.

    Linear, as for every loss with phi(z) + phi(-z) = 1.
    """
    return attained("sigmoid", without_the_half=lambda value, **_: 2.0 * value)


@theory.claim
def savage() -> Claim:
    """The Savage loss (1 + e^z)^-2 of a score of the wrong sign has regret at least theta^2/4, and over scores with
    d = tanh(B/2)/2 < theta/2 at least d (theta - d); the score 0 attains both.

    A square loss in the probability 1/(1 + e^-z); not convex in the score.
    """
    return attained("savage", square_loss=lambda value, **_: 4.0 * value)


def computed(loss: str) -> Claim:
    """The transform that is computed from the loss alone is the closed form."""
    from theorylab.checks import Identity
    from theorylab.derivations.surrogate_losses import margin_losses as d

    right = d.KNOWN[loss].prediction()
    return Claim(
        prediction=right,
        check=Identity(other=d.computed(loss), ranges={"theta": (0.05, 0.999), "score_bound": (0.1, 5.0)}),
        mutants=[
            Mutant("bound on each of two scores", lambda value, theta, score_bound: right(
                theta=theta, score_bound=2.0 * score_bound)),
            Mutant("one in a million", lambda value, **_: value * (1.0 + 1e-6)),
        ],
        budgets={
            "quick": Budget(trials=4, margin=1e-9),
            "standard": Budget(trials=40, margin=1e-11),
            "paper": Budget(trials=400, margin=1e-11),
        },
    )  # fmt: skip


@theory.claim
def computed_logistic() -> Claim:
    """The transform of the logistic loss that is computed from its conditional risk, by search and refinement, is the
    closed form to 1e-11.

    The machinery of `theorylab apply surrogate_losses/transform`, which knows nothing of the loss but its values.
    """
    return computed("logistic")


@theory.claim
def computed_savage() -> Claim:
    """The transform of the Savage loss, which is not convex, that is computed from its conditional risk is the closed
    form to 1e-11."""
    return computed("savage")


@theory.claim(control=True, expected="fails")
def logistic_times_1_04() -> Claim:
    """The logistic loss of a score of the wrong sign has regret at least 1.04 times its transform."""
    from theorylab.checks import Bound
    from theorylab.derivations.surrogate_losses import margin_losses as d
    from theorylab.sims.surrogate_losses.margin_scores import wrong_signs

    return Claim(
        prediction=d.KNOWN["logistic"].prediction().altered(lambda value, **_: 1.04 * value),
        simulation=wrong_signs,
        check=Bound(variable="theta"),
        points=grid(loss="logistic", score_bound=BOUNDS),
        parameters=[d.LOSS],
        mutants=[Mutant("twice", lambda value, **_: 2.0 * value)],
        budgets=SEARCHED,
    )
