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
    where="section 3",
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


def _points(*rows: tuple[str, str, int], **more: Any) -> tuple[dict[str, Any], ...]:
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

    few = (*_points(("tanh", "normal", 1), ("tanh", "rademacher", 2)), *_points(("relu", "uniform", 2), networks=MANY))
    more = (
        *few,
        *_points(("tanh", "normal", 2), ("tanh", "normal", 4), ("sin", "rademacher", 4)),
        *_points(("relu", "normal", 8), networks=MANY),
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
            "paper": Budget(trials=20_000_000, margin=0.01, points=(*more, *_points(("tanh", "normal", 16)))),
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
    from theorylab.prediction import Numerical

    def function(**arrays: Any) -> Any:
        value, error = d.FOURTH.evaluate(**arrays)
        return 1.04 * value, error

    wrong = Numerical(
        function=function, space=d.FOURTH.space, quantity=d.FOURTH.quantity, conventions=d.FOURTH.conventions
    )
    return replace(
        _fourth(),
        prediction=wrong,
        mutants=(),
        points=_points(("tanh", "rademacher", 1)),
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

    def points(*widths: int) -> tuple[dict[str, Any], ...]:
        return tuple(
            p for n in widths for b in (0.0, 0.3) for p in _points(("relu", "normal", n), sigma_b=b, networks=MANY)
        )

    return Claim(
        prediction=d.RELU_FOURTH,
        simulation=ensembles,
        check=Expectation(observable="fourth", given=("sigma4",)),
        points=points(1, 3)[1:3],
        parameters=[d.ACTIVATION, d.WEIGHTS, d.NETWORKS],
        mutants=[
            Mutant("18/N: without the -3", lambda value, **_: value * 18.0 / 15.0),
            Mutant("6/N: the fourth moment of an even function", lambda value, **_: value * 6.0 / 15.0),
            Mutant("1/N^2", lambda value, N, **_: value / N),
        ],
        budgets={
            "quick": Budget(trials=4_096, margin=0.06),
            "standard": Budget(trials=65_536, margin=0.02, points=points(1, 2, 4, 8)),
            "paper": Budget(trials=500_000, margin=0.01, points=points(1, 2, 4, 8, 16)),
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

    points = (*_points(("sign", "rademacher", 2), ("sign", "uniform", 1)), *_points(("tanh", "uniform", 1), q=9.0))
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

    few = _points(("tanh", "rademacher", 1), ("tanh", "rademacher", 2))
    more = (*few, *_points(("tanh", "rademacher", 4)), *_points(("relu", "uniform", 1), networks=MANY))
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
        points=_points(*few),
        parameters=[d.NETWORKS],
        mutants=[
            Mutant("kappa_8 alone", without_square),
            Mutant("70 kappa_4^2", lambda value, **_: value + eighth * value[0] ** 2),
            Mutant("half of He_4", lambda value, **_: value * np.array([0.5, 1.0, 1.0])),
        ],
        budgets={
            "quick": Budget(trials=65_536, margin=0.05),
            "standard": Budget(trials=2_000_000, margin=0.05, points=_points(*few, ("tanh", "rademacher", 4))),
            "paper": Budget(
                trials=20_000_000, margin=0.02, points=_points(*few, ("tanh", "rademacher", 4), ("tanh", "uniform", 1))
            ),
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


def _law() -> Claim:
    from theorylab.checks import Law
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d
    from theorylab.sims.infinite_width.one_hidden_layer import single

    few = (*_points(("tanh", "normal", 1)), *_points(("relu", "normal", 2), sigma_b=0.2))
    more = (*few, *_points(("tanh", "normal", 2), ("tanh", "uniform", 4), ("sin", "uniform", 8)))

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
    from theorylab.prediction import Numerical

    def function(x: Any, **network: Any) -> Any:
        return d.CDF.evaluate(x=x / 1.05, **network)

    wrong = Numerical(function=function, space=d.CDF.space, quantity=d.CDF.quantity, conventions=d.CDF.conventions)
    return replace(
        _law(),
        prediction=wrong,
        mutants=(),
        points=_points(("tanh", "normal", 1)),
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

    few = _points(("tanh", "normal", 4), level=1.255)
    more = (*few, *_points(("relu", "normal", 8), s=2.0**0.5, level=2.0), *_points(("tanh", "uniform", 8), level=1.255))
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
def series_tail() -> Claim:
    """Through 1/N^2 the Edgeworth series gives the exact probability of two and three standard deviations to 0.04 %
    from N = 16 on, for tanh units.

    At N = 16 the first order alone is off by 0.16 % at two standard deviations.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import finite_size_edgeworth as d

    points = (*_points(("tanh", "normal", 16), ("tanh", "normal", 32), ("tanh", "uniform", 16), T=2.0),)
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


@theory.claim
def joint_cumulants() -> Claim:
    """At every width the joint fourth cumulant of the outputs at four inputs is (E v^4 E phi_a phi_b phi_c phi_d -
    (E v^2)^2 sum over the three pairings of E phi_a phi_b E phi_c phi_d)/N."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import edgeworth_joint as d
    from theorylab.derivations.infinite_width import finite_size_edgeworth as single
    from theorylab.sims.infinite_width.one_hidden_layer import joint

    points = (
        *_points(("tanh", "rademacher", 1), ("tanh", "normal", 1), angle=0.5),
        *_points(("relu", "uniform", 2), angle=0.5, networks=MANY),
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
