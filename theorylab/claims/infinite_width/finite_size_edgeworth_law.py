"""One random hidden layer at finite width: its exact law, and the Edgeworth series held against it.

Further claims of the theory in `finite_size_edgeworth`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant
from theorylab.claims.infinite_width.finite_size_edgeworth import BASE, PETROV, networks, theory


def _law() -> Claim:
    from theorylab.checks import Law
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d
    from theorylab.sims.infinite_width.one_hidden_layer import single

    few = (*networks(("tanh", "normal", 1)), *networks(("relu", "normal", 2), sigma_b=0.2))
    more = (*few, *networks(("tanh", "normal", 2), ("tanh", "uniform", 4), ("sin", "uniform", 8)))

    def normal(value: Any, x: Any, **network: Any) -> Any:
        from scipy.special import ndtr

        return ndtr(x / d.VARIANCE(**network) ** 0.5)

    def uniform(value: Any, x: Any, weights: Any, **network: Any) -> Any:
        return d.CDF(x=x, **{**network, "weights": "uniform"})

    return Claim(
        prediction=d.CDF,
        simulation=single,
        check=Law(variable="x"),
        points=few,
        parameters=[d.LEVEL],
        mutants=[
            Mutant("the Gaussian limit", normal),
            Mutant("sin u/u for exp(-u^2/2)", uniform),
            Mutant("2N units", lambda value, N, **rest: d.CDF(N=2 * N, **rest)),
        ],
        budgets={
            "quick": Budget(trials=262_144, margin=0.0115, points=few[:1]),
            "standard": Budget(trials=4_000_000, margin=0.003, points=more),
            "paper": Budget(trials=40_000_000, margin=0.001, points=more),
        },
    )


@theory.claim
def law() -> Claim:
    """At every width the output has the law whose characteristic function is
    exp(-sigma_b^2 w^2/2) (E cos(w v phi(h)/sqrt N))^N.

    The numerical error of the distribution function is 1e-13 for normal weights at every width, by an integral along a
    ray of the complex plane, and 1e-7 for uniform ones at N = 4, where the characteristic function decays slowly.
    """
    return _law()


@theory.claim(control=True, expected="fails")
def law_five_per_cent_wide() -> Claim:
    """The output has that law with 5 % larger deviations."""
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d

    wrong = d.CDF.altered(lambda _, *, x, **network: d.CDF(x=x / 1.05, **network))
    return replace(
        _law(),
        prediction=wrong,
        mutants=(),
        points=networks(("tanh", "normal", 1)),
        budgets={
            "quick": Budget(trials=1_048_576, margin=0.002),
            "standard": Budget(trials=2_000_000, margin=0.002),
            "paper": Budget(trials=4_000_000, margin=0.001),
        },
    )


@theory.claim
def tail_probability() -> Claim:
    """The probability of |f| beyond two standard deviations is that of the exact law: 11 % more than the Gaussian one
    at N = 4 for tanh and normal weights."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d
    from theorylab.sims.infinite_width.one_hidden_layer import single

    few = networks(("tanh", "normal", 4), level=1.255)
    more = (
        *few,
        *networks(("relu", "normal", 8), s=2.0**0.5, level=2.0),
        *networks(("tanh", "uniform", 8), level=1.255),
    )
    return Claim(
        prediction=d.BEYOND,
        simulation=single,
        check=Expectation(observable="beyond"),
        points=few,
        mutants=[
            Mutant("the Gaussian limit", d.NORMAL_BEYOND),
            Mutant("k_4/12 for k_4/24 in the series", d.DOUBLED_BEYOND),
        ],
        budgets={
            "quick": Budget(trials=4_194_304, margin=0.03, block=65_536),
            "standard": Budget(trials=67_108_864, margin=0.006, points=more, block=524_288),
            "paper": Budget(trials=268_435_456, margin=0.003, points=more, block=1_048_576),
        },
    )


@theory.claim(source=PETROV)
def hermite_moments() -> Claim:
    """sigma^n E He_n(f/sigma) is kappa_4, kappa_6 and kappa_8 + 35 kappa_4^2 for n = 4, 6, 8: the eighth falls like the
    sixth, because of the square."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d
    from theorylab.sims.infinite_width.one_hidden_layer import ensembles

    def without_square(value: Any, **network: Any) -> Any:
        return value - eighth * value[0] ** 2

    eighth = np.array([0.0, 0.0, 35.0])
    few = (("tanh", "rademacher", 1),)
    return Claim(
        prediction=d.HERMITE,
        simulation=ensembles,
        check=Expectation(observable="hermite"),
        points=networks(*few),
        parameters=[d.NETWORKS],
        mutants=[
            Mutant("kappa_8 alone", without_square),
            Mutant("70 kappa_4^2", lambda value, **_: value + eighth * value[0] ** 2),
            Mutant("half of He_4", lambda value, **_: value * np.array([0.5, 1.0, 1.0])),
        ],
        budgets={
            "quick": Budget(trials=65_536, margin=0.05),
            "standard": Budget(trials=2_000_000, margin=0.05, points=networks(*few, ("tanh", "rademacher", 4))),
            "paper": Budget(
                trials=20_000_000, margin=0.02, points=networks(*few, ("tanh", "rademacher", 4), ("tanh", "uniform", 1))
            ),
        },
    )


@theory.claim(source=PETROV)
def series_tail() -> Claim:
    """Through 1/N^2 the Edgeworth series gives the exact probability of two and three standard deviations to 0.04 %
    from N = 16 on, for tanh units.

    At N = 16 the first order alone is off by 0.16 % at two standard deviations.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d

    points = (*networks(("tanh", "normal", 16), ("tanh", "normal", 32), ("tanh", "uniform", 16), T=2.0),)
    return Claim(
        prediction=d.SERIES_TAIL,
        check=Identity(other=d.TAIL),
        points=points,
        mutants=[
            Mutant("first order", d.FIRST_TAIL),
            Mutant("k_4/12 for k_4/24", d.DOUBLED_TAIL),
            Mutant("the Gaussian limit", d.NORMAL_TAIL),
        ],
        budgets={name: Budget(trials=1, margin=4e-4) for name in ("quick", "standard", "paper")},
    )


def _orders(*orders: int, activation: str = "tanh", weights: str = "normal") -> tuple[dict[str, Any], ...]:
    return tuple({**BASE, "activation": activation, "weights": weights, "order": r, "T": 1.0} for r in orders)


@theory.claim(source=PETROV)
def next_term() -> Claim:
    """What the density leaves of its Edgeworth series after r orders is the next order in 1/N: He_4 alone, He_6 and
    He_8, and He_8, He_10 and He_12."""
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d

    more = (*_orders(0, 1, 2), *_orders(0, 1, activation="sin", weights="uniform"))
    return Claim(
        prediction=d.NEXT_TERM,
        check=Identity(other=d.OBSERVED_TERM),
        points=_orders(0, 1, 2),
        mutants=[
            Mutant("without powers of k_4", d.WITHOUT_SQUARES),
            Mutant("k_4/12 for k_4/24", lambda value, order, **_: value * (1.0 + (order == 0))),
        ],
        budgets={
            "quick": Budget(trials=1, margin=1e-3),
            "standard": Budget(trials=1, margin=1e-3, points=more),
            "paper": Budget(trials=1, margin=1e-3, points=more),
        },
    )


@theory.claim(source=PETROV)
def residual_rate() -> Claim:
    """After r orders in 1/N the Edgeworth series of the density is off by N^-(r + 1): 1/N for the Gaussian limit, 1/N^2
    with He_4, 1/N^3 with all of the second order."""
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d

    return Claim(
        prediction=d.RATE,
        check=Identity(other=d.OBSERVED_RATE, scale="absolute"),
        points=_orders(0, 1, 2),
        parameters=[d.THRESHOLD, *d.NETWORK[1:]],
        mutants=[
            Mutant("a power less", d.ORDER.symbol),
            Mutant("twice the power", 2 * d.ORDER.symbol + 2),
            Mutant("half a power more", d.ORDER.symbol + 1.5),
        ],
        budgets={name: Budget(trials=1, margin=0.01) for name in ("quick", "standard", "paper")},
    )


@theory.claim(source=PETROV)
def divergence() -> Claim:
    """The divergence of the output's law from the normal one of its variance is k_4^2/48 + O(N^-3).

    For tanh units and normal weights the ratio to k_4^2/48 is 0.93, 0.96 and 0.98 at N = 20, 40 and 80.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d

    points = tuple({**BASE, "activation": "tanh", "weights": "normal", "q": q} for q in (1.0, 4.0))
    return Claim(
        prediction=d.DIVERGENCE,
        check=Identity(other=d.OBSERVED_DIVERGENCE),
        points=points[:1],
        mutants=[
            Mutant("k_4^2/24", lambda value, **_: 2.0 * value),
            Mutant("k_4^2/50", lambda value, **_: value * 48.0 / 50.0),
        ],
        budgets={
            "quick": Budget(trials=1, margin=1e-3),
            "standard": Budget(trials=1, margin=1e-3, points=points),
            "paper": Budget(trials=1, margin=1e-3, points=points),
        },
    )
