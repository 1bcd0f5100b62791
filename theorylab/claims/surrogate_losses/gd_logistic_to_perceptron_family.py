"""Gradient descent with a large step on one point apart from the others: the exact number of iterations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from theorylab.claim import Budget, Claim, Mutant, grid
from theorylab.claims.surrogate_losses.gd_logistic_to_perceptron import theory

Sizes = dict[str, tuple[int, ...]]

FAMILY = {
    "plain": ({"n": 50, "c": 0.7, "s": 0.3}, {"n": 200, "c": 0.35, "s": 0.21}),
    "normalised": ({"n": 1000, "c": 0.04, "s": 0.04}, {"n": 50, "c": 0.05, "s": 0.08}),
}
LARGER = {
    "plain": ({"n": 1000, "c": 0.35, "s": 0.21}, {"n": 400, "c": 0.04, "s": 0.04}),
    "normalised": ({"n": 1000, "c": 0.01, "s": 0.01}, {"n": 400, "c": 0.02, "s": 0.03}),
}


def _family(prediction: Any, algorithm: str, mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Expectation
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d
    from theorylab.sims.surrogate_losses.large_steps import family_counts

    small, large = (tuple({**p, "algorithm": algorithm} for p in of[algorithm]) for of in (FAMILY, LARGER))
    return Claim(
        prediction=prediction,
        simulation=family_counts,
        check=Expectation(scale="absolute"),
        points=small,
        parameters=[d.ALGORITHM],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=32, margin=0.3),
            "standard": Budget(trials=64, margin=0.3, points=(*small, *large)),
            "paper": Budget(trials=64, margin=0.3, points=(*small, *large)),
        },
    )


def _plain_mutants() -> list[Mutant]:
    import sympy as sp

    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    return [
        Mutant("full weight at ties", 2 + sp.floor(2 * d.excess)),
        Mutant("n for n - 1 - c", 2 + sp.floor((d.c * d.n - d.s**2) / (2 * (d.c**2 + d.s**2)))),
    ]


def _normalised_mutants() -> list[Mutant]:
    import sympy as sp

    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    return [
        Mutant("half the mean first", 2 + sp.floor(d.normalised_excess / 2)),
        Mutant("as many as without normalisation", 2 + sp.floor(d.excess)),
    ]


@theory.claim
def family_count() -> Claim:
    """n - 1 copies of (1, 0) and one point (-c, s) take exactly 2 + floor(X) iterations of large-step gradient descent,
    X = (c (n-1-c) - s^2)/(2 (c^2 + s^2)), in any rotation, while the copies stay well classified.

    31 for (n, c, s) = (50, 0.7, 0.3), 210 for (200, 0.35, 0.21), 2495 for (400, 0.04, 0.04).
    """
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    return _family(d.FAMILY_PLAIN, "plain", _plain_mutants())


@theory.claim
def normalised_family_count() -> Claim:
    """The same points take exactly 2 + floor(X) iterations of normalised descent, with
    X = (c (n-1-c) - s^2)/(n (c^2 + s^2)).

    14 for (n, c, s) = (1000, 0.04, 0.04), where plain descent takes 6245.
    """
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    return _family(d.FAMILY_NORMALISED, "normalised", _normalised_mutants())


@theory.claim(control=True, expected="fails")
def family_count_four_per_cent_more() -> Claim:
    """The points of `family_count` take 1.04 times as many iterations.

    A control: false by 4 %.
    """
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    prediction = replace(d.FAMILY_PLAIN, expr=1.04 * d.FAMILY_PLAIN.expr, derivation=None)
    return _family(prediction, "plain", [])


def _exact(prediction: Any, exact: Any, points: list[dict[str, Any]], mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Identity

    return Claim(
        prediction=prediction,
        check=Identity(other=exact, scale="absolute"),
        points=points,
        mutants=mutants,
        budgets={name: Budget(trials=1, margin=1e-6) for name in ("quick", "standard", "paper")},
    )


@theory.claim
def exact_family_count() -> Claim:
    """The closed count of `family_count` is that of the batch perceptron in rational numbers, exact ties included.

    At c = s = 1/2 and even n the point apart comes to lie exactly on the boundary.
    """
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    points = [*FAMILY["plain"], *grid(n=[10, 40], c=0.5, s=0.5), *grid(n=[20, 100], c=0.125, s=[0.125, 0.25])]
    return _exact(d.FAMILY_PLAIN, d.EXACT_PLAIN, points, _plain_mutants())


@theory.claim
def exact_normalised_family_count() -> Claim:
    """The closed count of `normalised_family_count` is that of the normalised perceptron in rational numbers."""
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    points = [*FAMILY["normalised"], *grid(n=[20, 100], c=0.0625, s=[0.0625, 0.09375])]
    return _exact(d.FAMILY_NORMALISED, d.EXACT_NORMALISED, points, _normalised_mutants())


SCALES: Sizes = {"quick": (8, 16, 32, 64), "standard": (16, 32, 64, 128, 256), "paper": (64, 128, 256, 512, 1024)}


def _rate(prediction: Any, algorithm: str, mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d
    from theorylab.sims.surrogate_losses.large_steps import family_scaling

    return Claim(
        prediction=prediction,
        simulation=family_scaling,
        check=Asymptotic(size="m", observable="scaled", order=2),
        points=grid(n=[10, 20], algorithm=algorithm),
        parameters=[d.RESOLUTION, d.ALGORITHM],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=1_024, margin=0.03, sizes=SCALES["quick"]),
            "standard": Budget(trials=4_096, margin=0.01, sizes=SCALES["standard"]),
            "paper": Budget(trials=16_384, margin=0.01, sizes=SCALES["paper"]),
        },
    )


@theory.claim
def family_rate() -> Claim:
    """As c = s -> 0, gradient descent with a large step takes (n-1)/(4 mu) iterations: T mu/n -> (n-1)/(4n).

    One power of mu less than the bounds.
    """
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    return _rate(
        d.PLAIN_RATE,
        "plain",
        [
            Mutant("full weight at ties: (n-1)/(2n)", 2 * d.PLAIN_RATE.expr),
            Mutant("n for n - 1: 1/4", d.PLAIN_RATE.expr * d.n / (d.n - 1)),
        ],
    )


@theory.claim
def normalised_family_rate() -> Claim:
    """As c = s -> 0, normalised descent with a large step takes (n-1)/(2 n mu) iterations: n/2 times fewer."""
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    return _rate(
        d.NORMALISED_RATE,
        "normalised",
        [
            Mutant("half the mean first: (n-1)/(4n)", d.NORMALISED_RATE.expr / 2),
            Mutant("1 - 1/n", 2 * d.NORMALISED_RATE.expr),
        ],
    )


def _power(prediction: Any, size: str, point: dict[str, Any], sizes: Sizes, wrong: Any) -> Claim:
    from theorylab.checks import Exponent
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d
    from theorylab.sims.surrogate_losses.large_steps import family_scaling

    return Claim(
        prediction=prediction,
        simulation=family_scaling,
        check=Exponent(size=size, observable="steps", drift=-1.0),
        points=[point],
        parameters=[d.POINTS, d.RESOLUTION, d.ALGORITHM],
        mutants=[Mutant(name, lambda value, shift=shift, **_: value + shift) for name, shift in wrong],
        budgets={
            "quick": Budget(trials=2_048, margin=0.05, sizes=sizes["quick"]),
            "standard": Budget(trials=8_192, margin=0.02, sizes=sizes["standard"]),
            "paper": Budget(trials=16_384, margin=0.01, sizes=sizes["paper"]),
        },
    )


NUMBERS: Sizes = {"quick": (8, 16, 32, 64), "standard": (16, 32, 64, 128), "paper": (64, 256, 1024, 4096)}


@theory.claim
def growth_with_points() -> Claim:
    """The iterations of large-step gradient descent grow like n when one point lies apart from n - 1 others."""
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    wrong = [("n^(1/2)", -0.5), ("not at all", -1.0)]
    return _power(d.FIRST_POWER, "n", {"m": 10, "algorithm": "plain"}, NUMBERS, wrong)


@theory.claim
def no_growth_with_points() -> Claim:
    """The iterations of large-step normalised descent tend to a constant as n grows with one point apart."""
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    wrong = [("n^(1/2)", 0.5), ("n, as without normalisation", 1.0)]
    return _power(d.NO_POWER, "n", {"m": 10, "algorithm": "normalised"}, NUMBERS, wrong)


@theory.claim
def growth_with_inverse_margin() -> Claim:
    """The iterations of large-step gradient descent grow like 1/mu as c = s -> 0, not like the 1/mu^2 of the bounds."""
    from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as d

    wrong = [("1/mu^2", 1.0), ("mu^(-1/2)", -0.5)]
    return _power(d.FIRST_POWER, "m", {"n": 10, "algorithm": "plain"}, SCALES, wrong)
