"""One random hidden layer at finite width: cumulants, exact law and Edgeworth series."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.theory import Theory

ANTOGNINI = Source(
    authors="Antognini, Joseph M.",
    title="Finite size corrections for neural network Gaussian processes",
    year=2019,
    where="fourth cumulant and first order of the Edgeworth series",
    arxiv="1908.10030v1",
)
PETROV = Source(
    authors="Petrov, Valentin V.",
    title="Sums of Independent Random Variables",
    year=1975,
    where="chapter VI",
    doi="10.1007/978-3-642-65809-9",
)

theory = Theory(
    "infinite_width/finite-size-edgeworth",
    title="One random hidden layer at finite width: exact cumulants, exact law, Edgeworth series",
    source=ANTOGNINI,
)

BASE = {"q": 1.0, "s": 1.0, "sigma_b": 0.0}
# Large ensembles for tails that are heavy in small ones.
MANY = 4096


def networks(*rows: tuple[str, str, int], **more: Any) -> tuple[dict[str, Any], ...]:
    """Networks by activation, law of the weights and width."""
    return tuple({**BASE, "activation": a, "weights": w, "N": n, **more} for a, w, n in rows)


@theory.claim
def variance() -> Claim:
    """At every width the variance of the output is sigma_b^2 + s^2 E phi^2."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d
    from theorylab.sims.infinite_width.one_hidden_layer import ensembles

    points = (
        {"N": 1, "activation": "tanh", "weights": "normal", "q": 2.0, "s": 0.7, "sigma_b": 0.5},
        {"N": 3, "activation": "relu", "weights": "uniform", "q": 0.5, "s": 1.5, "sigma_b": 0.3},
    )
    return Claim(
        prediction=d.VARIANCE,
        simulation=ensembles,
        check=Expectation(observable="second"),
        points=points,
        parameters=[d.NETWORKS],
        mutants=[
            Mutant("without the bias", lambda value, sigma_b, **_: value - sigma_b**2),
            Mutant("divided by N", lambda value, N, sigma_b, **_: sigma_b**2 + (value - sigma_b**2) / N),
            Mutant("s for s^2", lambda value, s, sigma_b, **_: sigma_b**2 + (value - sigma_b**2) / s),
        ],
        budgets={
            "quick": Budget(trials=8_192, margin=0.04),
            "standard": Budget(trials=65_536, margin=0.01),
            "paper": Budget(trials=1_000_000, margin=0.003),
        },
    )


def _fourth() -> Claim:
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d
    from theorylab.sims.infinite_width.one_hidden_layer import ensembles

    few = (
        *networks(("tanh", "normal", 1), ("tanh", "rademacher", 2)),
        *networks(("relu", "uniform", 2), networks=MANY),
    )
    more = (
        *few,
        *networks(("tanh", "normal", 2), ("tanh", "normal", 4), ("sin", "rademacher", 4)),
        *networks(("relu", "normal", 8), networks=MANY),
    )

    def without_square(value: Any, N: Any, activation: Any, q: Any, s: Any, weights: Any, **_: Any) -> Any:
        second = d.VARIANCE(N=N, activation=activation, weights=weights, q=q, s=s)
        return value + 3.0 * second**2 / N

    def normal_weights(value: Any, **network: Any) -> Any:
        return d.FOURTH(**{**network, "weights": "normal"})

    return Claim(
        prediction=d.FOURTH,
        simulation=ensembles,
        check=Expectation(observable="fourth"),
        points=few,
        parameters=[d.NETWORKS],
        mutants=[
            Mutant("1/N^2", lambda value, N, **_: value / N),
            Mutant("1/sqrt(N)", lambda value, N, **_: value * N**0.5),
            Mutant("without -3 (E v^2 E phi^2)^2", without_square),
            Mutant("normal weights for the others", normal_weights),
        ],
        budgets={
            "quick": Budget(trials=65_536, margin=0.08),
            "standard": Budget(trials=2_000_000, margin=0.03, points=more),
            "paper": Budget(trials=20_000_000, margin=0.01, points=(*more, *networks(("tanh", "normal", 16)))),
        },
    )


@theory.claim
def fourth_cumulant() -> Claim:
    """At every width the fourth cumulant of the output is (E v^4 E phi^4 - 3 (E v^2 E phi^2)^2)/N: positive for normal
    weights, of either sign for uniform and Rademacher ones.

    Exact from a single unit on: there is no correction of higher order in 1/N.
    """
    return _fourth()


@theory.claim(control=True, expected="fails")
def fourth_cumulant_four_per_cent_more() -> Claim:
    """The fourth cumulant of the output is 1.04 (E v^4 E phi^4 - 3 (E v^2 E phi^2)^2)/N."""
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d

    return replace(
        _fourth(),
        prediction=d.FOURTH.altered(lambda value, **_: 1.04 * value),
        mutants=(),
        points=networks(("tanh", "rademacher", 1)),
        budgets={
            "quick": Budget(trials=65_536, margin=0.01),
            "standard": Budget(trials=262_144, margin=0.01),
            "paper": Budget(trials=1_000_000, margin=0.005),
        },
    )


@theory.claim
def relu_kurtosis() -> Claim:
    """The output of ReLU units with normal weights has excess kurtosis 15/N at every width, a single unit included,
    times ((sigma^2 - sigma_b^2)/sigma^2)^2 with a bias."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d
    from theorylab.sims.infinite_width.one_hidden_layer import ensembles

    def relu(*widths: int) -> tuple[dict[str, Any], ...]:
        return tuple(
            p for n in widths for b in (0.0, 0.3) for p in networks(("relu", "normal", n), sigma_b=b, networks=MANY)
        )

    return Claim(
        prediction=d.RELU_FOURTH,
        simulation=ensembles,
        check=Expectation(observable="fourth", given=("sigma4",)),
        points=relu(1, 3)[1:3],
        parameters=[d.ACTIVATION, d.WEIGHTS, d.NETWORKS],
        mutants=[
            Mutant("18/N: without the -3", lambda value, **_: value * 18.0 / 15.0),
            Mutant("6/N: the fourth moment of an even function", lambda value, **_: value * 6.0 / 15.0),
            Mutant("1/N^2", lambda value, N, **_: value / N),
        ],
        budgets={
            "quick": Budget(trials=4_096, margin=0.06),
            "standard": Budget(trials=65_536, margin=0.02, points=relu(1, 2, 4, 8)),
            "paper": Budget(trials=500_000, margin=0.01, points=relu(1, 2, 4, 8, 16)),
        },
    )


@theory.claim
def relu_closed_form() -> Claim:
    """The closed form of the excess kurtosis for ReLU units and normal weights is what quadrature gives for it."""
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d

    points = tuple(
        {"N": n, "q": q, "s": 0.7, "sigma_b": b, "activation": "relu", "weights": "normal"}
        for n, q, b in ((1, 1.0, 0.0), (5, 0.3, 0.4), (64, 8.0, 2.0))
    )
    return Claim(
        prediction=d.RELU_KURTOSIS,
        check=Identity(other=d.KURTOSIS),
        points=points,
        parameters=[d.ACTIVATION, d.WEIGHTS],
        mutants=[
            Mutant("without the bias", lambda value, N, **_: 15.0 / N),
            Mutant(
                "q^2 for q^2/4",
                lambda value, q, s, sigma_b, N, **_: 15 * s**4 * q**2 / N / (sigma_b**2 + s**2 * q) ** 2,
            ),
        ],
        budgets={name: Budget(trials=3, margin=1e-10) for name in ("quick", "standard", "paper")},
    )


@theory.claim
def negative_kurtosis() -> Claim:
    """Units of constant magnitude with Rademacher weights have fourth cumulant -2 s^4/N, and uniform weights on
    saturating units a negative one as well: tails can be lighter than the Gaussian limit's."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d
    from theorylab.sims.infinite_width.one_hidden_layer import ensembles

    points = (*networks(("sign", "rademacher", 2), ("sign", "uniform", 1)), *networks(("tanh", "uniform", 1), q=9.0))
    return Claim(
        prediction=d.FOURTH,
        simulation=ensembles,
        check=Expectation(observable="fourth"),
        points=points,
        parameters=[d.NETWORKS],
        mutants=[
            Mutant("1/N^2", lambda value, N, **_: value / N),
            Mutant("positive", lambda value, **_: -value),
            Mutant("without a factor 2", lambda value, **_: value / 2.0),
        ],
        budgets={
            "quick": Budget(trials=32_768, margin=0.05),
            "standard": Budget(trials=500_000, margin=0.01),
            "paper": Budget(trials=5_000_000, margin=0.004),
        },
    )


@theory.claim(source=PETROV)
def sixth_cumulant() -> Claim:
    """At every width the sixth cumulant of the output is (m_6 - 15 m_4 m_2 + 30 m_2^3)/N^2,
    m_2j = E v^2j E phi^2j."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import edgeworth_moments as moments
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d
    from theorylab.sims.infinite_width.one_hidden_layer import ensembles

    def without_cube(value: Any, N: Any, activation: Any, weights: Any, q: Any, s: Any, **_: Any) -> Any:
        m2 = moments.site_cumulants(str(activation), str(weights), float(q), float(s))[0][0]
        return value - 30.0 * m2**3 / N**2

    few = networks(("tanh", "rademacher", 1), ("tanh", "rademacher", 2))
    more = (*few, *networks(("tanh", "rademacher", 4)), *networks(("relu", "uniform", 1), networks=MANY))
    return Claim(
        prediction=d.SIXTH,
        simulation=ensembles,
        check=Expectation(observable="sixth"),
        points=few,
        parameters=[d.NETWORKS],
        mutants=[
            Mutant("1/N", lambda value, N, **_: value * N),
            Mutant("1/N^3", lambda value, N, **_: value / N),
            Mutant("without 30 m_2^3", without_cube),
            Mutant(
                "normal weights for the others", lambda value, **network: d.SIXTH(**{**network, "weights": "normal"})
            ),
        ],
        budgets={
            "quick": Budget(trials=98_304, margin=0.1),
            "standard": Budget(trials=2_000_000, margin=0.04, points=more),
            "paper": Budget(trials=20_000_000, margin=0.01, points=more),
        },
    )


def _rate(power: int, observable: str, activation: str, weights: str, budgets: dict[str, Budget]) -> Claim:
    from theorylab.checks import Exponent
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d
    from theorylab.parameters import Space
    from theorylab.prediction import ClosedForm
    from theorylab.sims.infinite_width.one_hidden_layer import ensembles

    prediction = ClosedForm(
        expr=-power, space=Space([]), quantity="power of N", conventions=d.CONVENTIONS, derivation=d.FOURTH.derivation
    )
    return Claim(
        prediction=prediction,
        simulation=ensembles,
        check=Exponent(size="N", observable=observable),
        points=({**BASE, "activation": activation, "weights": weights},),
        parameters=[*d.NETWORK, d.NETWORKS],
        mutants=[
            Mutant("a power more", -power - 1),
            Mutant("half the power", -power / 2),
        ],
        budgets=budgets,
    )


@theory.claim
def fourth_cumulant_rate() -> Claim:
    """The fourth cumulant of the output falls like 1/N."""
    return _rate(
        1,
        "fourth",
        "tanh",
        "normal",
        {
            "quick": Budget(trials=16_384, margin=0.16, sizes=(1, 2, 4, 8)),
            "standard": Budget(trials=262_144, margin=0.05, sizes=(1, 2, 4, 8, 16)),
            "paper": Budget(trials=4_000_000, margin=0.02, sizes=(1, 2, 4, 8, 16)),
        },
    )


@theory.claim(source=PETROV)
def sixth_cumulant_rate() -> Claim:
    """The sixth cumulant of the output falls like 1/N^2."""
    return _rate(
        2,
        "sixth",
        "tanh",
        "rademacher",
        {
            "quick": Budget(trials=16_384, margin=0.25, sizes=(1, 2, 4, 8)),
            "standard": Budget(trials=262_144, margin=0.05, sizes=(1, 2, 4, 8)),
            "paper": Budget(trials=4_000_000, margin=0.02, sizes=(1, 2, 4, 8, 16)),
        },
    )


@theory.claim
def joint_cumulants() -> Claim:
    """At every width the joint fourth cumulant of the outputs at four inputs is (E v^4 E phi_a phi_b phi_c phi_d -
    (E v^2)^2 sum over the three pairings of E phi_a phi_b E phi_c phi_d)/N."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import edgeworth_joint as d
    from theorylab.derivations.infinite_width import finite_size_edgeworth as single
    from theorylab.sims.infinite_width.one_hidden_layer import joint

    points = (
        *networks(("tanh", "rademacher", 1), ("tanh", "normal", 1), angle=0.5),
        *networks(("relu", "uniform", 2), angle=0.5, networks=MANY),
    )
    points = tuple({k: v for k, v in p.items() if k != "sigma_b"} for p in points)

    def one_pairing(value: Any, N: Any, s: Any, q: Any, angle: Any, activation: Any, **_: Any) -> Any:
        name, q, angle = str(activation), float(q), float(angle)
        rest = []
        for group in d.GROUPS:
            a, b, c, e = (k * angle for k in group)
            rest.append(d.average(name, q, (a, c)) * d.average(name, q, (b, e)))
            rest[-1] += d.average(name, q, (a, e)) * d.average(name, q, (b, c))
        return value + s**4 / N * np.array(rest)

    return Claim(
        prediction=d.JOINT,
        simulation=joint,
        check=Expectation(observable="value"),
        points=points[:2],
        parameters=[single.NETWORKS],
        mutants=[
            Mutant("one pairing of three", one_pairing),
            Mutant("independent of the inputs", lambda value, **_: np.full_like(value, value[0])),
            Mutant(
                "normal weights for the others", lambda value, **network: d.JOINT(**{**network, "weights": "normal"})
            ),
        ],
        budgets={
            "quick": Budget(trials=65_536, margin=0.08),
            "standard": Budget(trials=500_000, margin=0.02, points=points),
            "paper": Budget(trials=8_000_000, margin=0.005, points=points),
        },
    )
