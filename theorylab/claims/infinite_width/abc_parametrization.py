"""Powers of the width in weights, gradients and rate: which networks are stable, and which learn features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.theory import Theory

YANG = Source(
    authors="Yang, Greg and Hu, Edward J.",
    title="Feature Learning in Infinite-Width Neural Networks",
    year=2021,
    where="Definition 3.1 and Theorem 3.2",
    arxiv="2011.14522v3",
    journal="Proceedings of the 38th International Conference on Machine Learning, PMLR 139",
)

theory = Theory(
    "infinite_width/abc-parametrization",
    title="Stability and feature learning by powers of the width",
    source=YANG,
)

Exponents = tuple[Sequence[float], Sequence[float], float]

# Two hidden layers: (a; b; c).
STANDARD: Exponents = (0, 0, 0), (0, 0.5, 0.5), 1
NEURAL_TANGENT: Exponents = (0, 0.5, 0.5), (0, 0, 0), 0
MAXIMAL_UPDATE: Exponents = (-0.5, 0, 0.5), (0.5, 0.5, 0.5), 0
SMALL_READOUT: Exponents = (-0.5, 0, 0.5), (0.5, 0.5, 1.25), 0
FIRST_LAYER_LEARNS: Exponents = (-0.5, 0.5, 0.5), (0.5, 0, 0.5), 0
SECOND_LAYER_LEARNS: Exponents = (0, 0, 0.5), (0, 0.5, 0.5), 0
BETWEEN: Exponents = (-0.25, 0.25, 0.5), (0.25, 0.25, 0.25), 0
STABLE: tuple[Exponents, ...] = (
    STANDARD,
    SMALL_READOUT,
    FIRST_LAYER_LEARNS,
    BETWEEN,
    NEURAL_TANGENT,
    MAXIMAL_UPDATE,
    SECOND_LAYER_LEARNS,
    ((-0.5, 0, 0.5), (0.5, 0.5, 0.5), 0.5),
    ((-0.25, 0.25, 0.5), (0.25, 0.25, 0.5), 0),
    ((0, 0.5, 0.5), (0, 0, 1.5), 0),
    ((0, 0, 0), (0, 0.5, 0.5), 1.5),
    ((0.25, 0.5, 0.5), (-0.25, 0, 0), 0),
    ((-0.4, 0.1, 0.5), (0.4, 0.4, 0.5), 0),
    ((-0.1, 0.4, 0.5), (0.1, 0.1, 0.1), 0),
)
UNSTABLE: tuple[Exponents, ...] = (
    ((0, 0, 0), (0, 0.5, 0.5), 0),
    ((-0.75, 0, 0.5), (0.75, 0.5, 0.5), 0),
    ((0, 0.5, 0.5), (0, 0, -0.25), 0),
    ((0, 0.25, 0.5), (0, 0, 0), 0),
    ((0.5, 0.5, 0.5), (0, 0, 0), 0),
    ((-0.5, 0, 0.5), (0.5, 0.5, 0.5), -0.5),
)


def _point(exponents: Exponents, steps: int = 3, **more: float) -> dict[str, Any]:
    a, b, c = exponents
    named = {f"{letter}{l}": float(x) for letter, row in (("a", a), ("b", b)) for l, x in enumerate(row, 1)}
    return {**named, "c": float(c), "steps": steps, "eta": 0.1, "target": 4.0, **more}


def _points(listed: Sequence[Exponents], steps: int = 3) -> tuple[dict[str, Any], ...]:
    return tuple(_point(exponents, steps) for exponents in listed)


def _own(depth: int) -> list[Any]:
    """Parameters of the simulation alone."""
    from theorylab.derivations.infinite_width.abc_parametrization import parameters
    from theorylab.parameters import Integers, Interval, Parameter

    positive = Interval(0, open_low=True)
    return [
        *parameters(depth)[1][:-1],
        Parameter("n", Integers(1), "width"),
        Parameter("steps", Integers(1), "steps of gradient descent", default=3),
        Parameter("eta", positive, "learning rate at width 1", default=0.1),
        Parameter("target", Interval(), "label of the sample", default=4.0),
    ]


def _budgets(listed: Sequence[Exponents], quick: Sequence[Exponents], steps: int = 3) -> dict[str, Budget]:
    return {
        "quick": Budget(trials=256, margin=0.08, sizes=(64, 128, 256, 512), points=_points(quick, steps)),
        "standard": Budget(trials=256, margin=0.04, sizes=(256, 1024, 4096, 16384), points=_points(listed, steps)),
        "paper": Budget(trials=1024, margin=0.03, sizes=(1024, 4096, 16384, 65536), points=_points(listed, steps)),
    }


def _feature_mutants(depth: int) -> list[Mutant]:
    import sympy as sp

    from theorylab.derivations.infinite_width import abc_parametrization as d

    a, b = ([p.symbol for p in row] for row in d.parameters(depth))
    m, r, c = d.slowest(depth), d.features(depth, 2), d.RATE.symbol
    mutants = [
        Mutant("without 1(l = 1)", m - sp.Min(*(2 * p for p in a[:-1])) - r),
        Mutant(
            "max for min in the readout",
            sp.Min(a[-1] + b[-1], 2 * a[-1] + c) - sp.Max(a[-1] + b[-1], 2 * a[-1] + c) - r,
        ),
        Mutant("-1 left out", -1 - r),
    ]
    if depth > 1:
        mutants.append(Mutant("max over the layers", m - sp.Max(2 * a[0] + 1, *(2 * p for p in a[1:-1])) - r))
    return mutants


@theory.claim
def features() -> Claim:
    """After a few steps the features of the last hidden layer of a stable network have changed by n^-r,
    r = min(a_{L+1} + b_{L+1}, 2 a_{L+1} + c) + c - 1 + min over l of (2 a_l + 1(l = 1)).

    Two hidden layers; fourteen parametrisations at the standard budget. Corrections are of relative order n^(-1/2), or
    as small as the second term of a minimum is against the first: with a_{L+1} + b_{L+1} = 1.5, 2 a_{L+1} + c = 1 the
    slope between n = 64 and 512 is still 0.09 off.
    """
    from theorylab.checks import Exponent
    from theorylab.derivations.infinite_width import abc_parametrization as d
    from theorylab.sims.infinite_width.one_sample_descent import two_hidden

    return Claim(
        prediction=d.growth_of_features(2, 2),
        simulation=two_hidden,
        check=Exponent(size="n", observable="features"),
        points=_points(STABLE),
        parameters=_own(2),
        mutants=_feature_mutants(2),
        budgets=_budgets(STABLE, STABLE[:4]),
    )


ONE_HIDDEN: tuple[Exponents, ...] = (
    ((0, 1), (0, 0), -1),
    ((-0.5, 0.5), (0.5, 1.25), 0),
    ((0, 0.5), (0, 0), 0),
    ((-0.25, 0.5), (0.25, 0.5), 0),
)
THREE_HIDDEN: tuple[Exponents, ...] = (
    ((-0.5, 0.25, 0, 0.5), (0.5, 0.25, 0.5, 0.5), 0),
    ((0.25, 0.75, 0.25, 0.5), (-0.25, -0.25, 0.25, 1.25), 0),
    ((0, 0.5, 0.5, 0.5), (0, 0, 0, 0), 0),
    ((-0.5, 0, 0, 0.5), (0.5, 0.5, 0.5, 0.5), 0),
)


@theory.claim
def features_one_hidden() -> Claim:
    """With one hidden layer, too, the features change by n^-r: by order 1 in the mean-field parametrisation."""
    from theorylab.checks import Exponent
    from theorylab.derivations.infinite_width import abc_parametrization as d
    from theorylab.sims.infinite_width.one_sample_descent import one_hidden

    return Claim(
        prediction=d.growth_of_features(1, 2),
        simulation=one_hidden,
        check=Exponent(size="n", observable="features"),
        points=_points(ONE_HIDDEN),
        parameters=_own(1),
        mutants=_feature_mutants(1),
        budgets=_budgets(ONE_HIDDEN, ONE_HIDDEN[:2]),
    )


@theory.claim
def features_three_hidden() -> Claim:
    """With three hidden layers the features change by n^-r, the minimum running over all three."""
    from theorylab.checks import Exponent
    from theorylab.derivations.infinite_width import abc_parametrization as d
    from theorylab.sims.infinite_width.one_sample_descent import three_hidden

    return Claim(
        prediction=d.growth_of_features(3, 2),
        simulation=three_hidden,
        check=Exponent(size="n", observable="features"),
        points=_points(THREE_HIDDEN),
        parameters=_own(3),
        mutants=_feature_mutants(3),
        budgets=_budgets(THREE_HIDDEN, THREE_HIDDEN[:2]),
    )


FIRST: tuple[Exponents, ...] = (SMALL_READOUT, UNSTABLE[0], NEURAL_TANGENT, STABLE[9], STABLE[12])


@theory.claim
def features_after_one_step() -> Claim:
    """After the first step the features have changed by n^-r with a_{L+1} + b_{L+1} for the minimum in r: the trained
    readout sends signals from the second step on.

    So the exponent changes between the first step and the second where a_{L+1} + b_{L+1} > 2 a_{L+1} + c: from 3/4 to 0
    in maximal update with a readout that starts at n^(-3/4) of its usual size. Standard parametrisation at a constant
    rate blows up, like n^(1/2) in the first step.
    """
    from theorylab.checks import Exponent
    from theorylab.derivations.infinite_width import abc_parametrization as d
    from theorylab.sims.infinite_width.one_sample_descent import two_hidden

    return Claim(
        prediction=d.growth_of_features(2, 1),
        simulation=two_hidden,
        check=Exponent(size="n", observable="features"),
        points=_points(FIRST, 1),
        parameters=_own(2),
        mutants=[
            Mutant("the exponent of later steps", -d.features(2, 2)),
            Mutant("-1 left out", -1 - d.features(2, 1)),
        ],
        budgets=_budgets(FIRST, FIRST[:2], 1),
    )


OUTPUT: tuple[Exponents, ...] = (
    ((0, 0.5, 0.75), (0, 0, -0.25), 0),
    ((0, 0.5, 0.5), (0, 0, 1), 0),
    ((0, 0, 0), (0, 0.5, 0.5), 1.5),
    ((0, 0.5, 0.75), (0, 0, 0), 0),
    ((-0.5, 0, 0.5), (0.5, 0.5, 0.5), 0.5),
    STANDARD,
    NEURAL_TANGENT,
    MAXIMAL_UPDATE,
)


@theory.claim
def output() -> Claim:
    """The output of a stable network changes by n^-min(a_{L+1} + b_{L+1} + r - 1, 2 a_{L+1} + c - 1): by its features,
    or by its readout.

    The exponent is the same after one step: where the two forms of r differ, the readout prevails.
    """
    from theorylab.checks import Exponent
    from theorylab.derivations.infinite_width import abc_parametrization as d
    from theorylab.sims.infinite_width.one_sample_descent import two_hidden

    a, b, c = d.parameters(2)[0][-1].symbol, d.parameters(2)[1][-1].symbol, d.RATE.symbol
    return Claim(
        prediction=d.growth_of_output(2, 2),
        simulation=two_hidden,
        check=Exponent(size="n", observable="output"),
        points=_points(OUTPUT),
        parameters=_own(2),
        mutants=[
            Mutant("by the readout alone", 1 - 2 * a - c),
            Mutant("by the features alone", 1 - a - b - d.features(2, 2)),
            Mutant("-1 left out", -1 - d.output(2, 2)),
        ],
        budgets=_budgets(OUTPUT, OUTPUT[:3]),
    )


def _judged(r: Any) -> Any:
    """Outcome of a parametrisation when the exponent of its features is another function of (a, b, c)."""

    def wrong(value: Any, **at: Any) -> Any:
        import numpy as np

        a, b = ([float(at[f"{letter}{l}"]) for l in (1, 2, 3)] for letter in "ab")
        c = float(at["c"])
        change = r(a, b, c)
        moved = min(a[2] + b[2] + change, 2 * a[2] + c) - 1
        start = abs(a[0] + b[0]) < 1e-9 and abs(a[1] + b[1] - 0.5) < 1e-9 and a[2] + b[2] > 0.5 - 1e-9
        stable = start and min(change, moved) > -1e-9
        return np.array([stable, stable and moved < 1e-9, stable and moved < 1e-9 and change < 1e-9], dtype=float)

    return wrong


def _exchanged(value: Any, **at: Any) -> Any:
    import numpy as np

    return np.array([value[0], value[1], value[1] - value[2]])


@theory.claim
def outcome() -> Claim:
    """Measured exponents say of every parametrisation what the theory says: unstable, trivial, kernel or feature
    learning.

    Twenty parametrisations at the standard budget, six of them unstable. Every trial measures six exponents on several
    networks at each of four widths and judges by them alone. Where tanh saturates, blow-up in the first layer shows in
    its preactivations only: the last layer's stay of order 1.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width.abc_classification import OUTCOME
    from theorylab.parameters import Integers, Parameter
    from theorylab.sims.infinite_width import one_sample_descent

    def several(listed: Sequence[Exponents], n: int, seeds: int) -> tuple[dict[str, Any], ...]:
        return tuple({**_point(exponents), "n": n, "seeds": seeds} for exponents in listed)

    chosen = (STABLE[9], UNSTABLE[0], FIRST_LAYER_LEARNS, SMALL_READOUT)
    return Claim(
        prediction=OUTCOME,
        simulation=one_sample_descent.outcome,
        check=Expectation(scale="absolute"),
        points=several(chosen, 16, 8),
        parameters=[*_own(2)[2:], Parameter("seeds", Integers(1), "networks at each width")],
        mutants=[
            Mutant("kernel regime iff r = 0", _exchanged),
            Mutant(
                "without 1(l = 1)",
                _judged(lambda a, b, c: min(a[2] + b[2], 2 * a[2] + c) + c - 1 + min(2 * a[0], 2 * a[1])),
            ),
            Mutant(
                "max over the layers",
                _judged(lambda a, b, c: min(a[2] + b[2], 2 * a[2] + c) + c - 1 + max(2 * a[0] + 1, 2 * a[1])),
            ),
            Mutant(
                "max for min in the readout",
                _judged(lambda a, b, c: max(a[2] + b[2], 2 * a[2] + c) + c - 1 + min(2 * a[0] + 1, 2 * a[1])),
            ),
        ],
        budgets={
            "quick": Budget(trials=32, margin=0.33),
            "standard": Budget(trials=64, margin=0.3, points=several((*STABLE, *UNSTABLE), 64, 16)),
            "paper": Budget(trials=256, margin=0.1, points=several((*STABLE, *UNSTABLE), 256, 32)),
        },
    )
