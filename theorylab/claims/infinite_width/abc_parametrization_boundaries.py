"""Claims on where parametrisations stop to be stable, on identities between exponents, and controls."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant
from theorylab.claims.infinite_width.abc_parametrization import _own, _points, features, theory


@theory.claim
def critical_multiplier() -> Claim:
    """Features blow up when the readout's multiplier exponent a_3 falls below the root of r = 0,
    max(1 - c - b_3 - m, (1 - m)/2 - c) with m = min(2 a_1 + 1, 2 a_2).

    The order parameter compares networks of width n and 16 n that were trained for three steps.
    """
    from theorylab.checks import Boundary
    from theorylab.derivations.infinite_width import abc_parametrization as d
    from theorylab.sims.infinite_width.one_sample_descent import decay_with_width

    early = {"a1": -0.6, "b1": 0.6, "a2": 0.5, "b2": 0.0, "b3": 0.0, "c": 0.0}
    return _scan(
        d.CRITICAL_MULTIPLIER,
        decay_with_width,
        Boundary(parameter="a3", observable="features", ladder=(-2.0, -1.0, 1.0, 2.0)),
        (early,),
        (early, {"a1": -0.25, "b1": 0.25, "a2": 0.5, "b2": 0.0, "b3": 1.5, "c": -0.5}),
        [
            Mutant(
                "without 1(l = 1)",
                d.critical_multiplier(2).subs(d.parameters(2)[0][0].symbol, d.parameters(2)[0][0].symbol - d.HALF),
            ),
            Mutant("-1 left out", d.critical_multiplier(2) - 1),
        ],
    )


@theory.claim
def critical_rate() -> Claim:
    """The largest learning rate at which the output stays stable is n^-c with
    c = max(1 - 2 a_3, 2 - m - 2 (a_3 + b_3), 1 - (m + 3 a_3 + b_3)/2); a smaller one leaves the output where it was.

    1 in the standard parametrisation, 0 in the neural-tangent one.
    """
    from theorylab.checks import Boundary
    from theorylab.derivations.infinite_width import abc_parametrization as d
    from theorylab.sims.infinite_width.one_sample_descent import decay_with_width

    standard = {"a1": 0.0, "b1": 0.0, "a2": 0.0, "b2": 0.5, "a3": 0.0, "b3": 0.5}
    return _scan(
        d.CRITICAL_RATE,
        decay_with_width,
        Boundary(parameter="c", observable="output", ladder=(-2.0, -1.0, 1.0, 2.0)),
        (standard,),
        (standard, {**standard, "a1": -0.25, "b1": 0.25}, {**standard, "a3": 0.1, "b3": 0.9}),
        [
            Mutant(
                "that of the first layer's features alone",
                1 - d.parameters(2)[0][0].symbol - d.parameters(2)[0][2].symbol - d.HALF,
            ),
            Mutant("twice", 2 * d.critical_rate(2)),
        ],
    )


def _scan(prediction: Any, simulation: Any, check: Any, quick: Any, listed: Any, mutants: list[Mutant]) -> Claim:
    from theorylab.derivations.infinite_width.abc_parametrization import RATE, parameters

    def sized(points: Any, n: int) -> tuple[dict[str, Any], ...]:
        return tuple({**p, "n": n, "steps": 3, "eta": 0.1, "target": 4.0} for p in points)

    return Claim(
        prediction=prediction,
        simulation=simulation,
        check=check,
        points=sized(quick, 64),
        parameters=[*parameters(2)[0], RATE, *_own(2), parameters(2)[1][-1]],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=256, margin=0.06, points=sized(quick, 64)),
            "standard": Budget(trials=512, margin=0.04, points=sized(listed, 256)),
            "paper": Budget(trials=2048, margin=0.02, points=sized(listed, 1024)),
        },
    )


EXACT = {
    "quick": Budget(trials=10, margin=1e-12),
    "standard": Budget(trials=50, margin=1e-12),
    "paper": Budget(trials=200, margin=1e-12),
}
RANGES = {"a1": (0.0, 0.5), "a2": (0.3, 1.0), "a3": (0.3, 1.0), "b3": (0.3, 1.0), "c": (0.0, 1.0)}


@theory.claim
def symmetry() -> Claim:
    """Moving a power of n from the standard deviations to the multipliers, a_l + theta and b_l - theta, changes nothing
    when the rate is n^-(c - 2 theta)."""
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import abc_parametrization as d

    t = d.SHIFT.symbol
    return Claim(
        prediction=d.SHIFTED,
        check=Identity(other=-d.features(2, 2), ranges={**RANGES, "theta": (-0.5, 0.5)}),
        mutants=[
            Mutant("the rate unchanged", -d.shifted(t, sp.S.Zero)),
            Mutant("the rate times n^theta", -d.shifted(t, t)),
        ],
        budgets=EXACT,
    )


@theory.claim
def slowest_layer() -> Claim:
    """Where the start is stable, min over l of (2 a_l + 1(l = 1)) = 1 - 2 max over l of b_l: the layer whose weights
    start smallest, in units of what is trained, moves the features."""
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import abc_parametrization as d

    a, b, c = [p.symbol for p in d.parameters(2)[0]], d.parameters(2)[1][-1].symbol, d.RATE.symbol
    b1, b2 = -a[0], d.HALF - a[1]

    def growth(m: Any) -> Any:
        return 1 - c - sp.Min(a[2] + b, 2 * a[2] + c) - m

    return Claim(
        prediction=d.growth_of_features(2, 2),
        check=Identity(other=growth(1 - 2 * sp.Max(b1, b2)), ranges=RANGES),
        mutants=[
            Mutant("min over b", growth(1 - 2 * sp.Min(b1, b2))),
            Mutant("b for 2 b", growth(1 - sp.Max(b1, b2))),
        ],
        budgets=EXACT,
    )


@theory.claim(control=True, expected="fails")
def features_too_fast() -> Claim:
    """The features change by n^(-1.05 r)."""
    from dataclasses import replace

    from theorylab.derivations.infinite_width import abc_parametrization as d

    right = d.growth_of_features(2, 2)
    form = right.altered(1.05 * right.expr)
    point = (((0, 0, 0), (0, 0.5, 0.5), 1.5),)
    return replace(
        features(),
        prediction=form,
        mutants=(),
        points=_points(point),
        budgets={
            name: Budget(trials=trials, margin=0.01, sizes=(64, 256, 1024, 4096))
            for name, trials in (("quick", 384), ("standard", 1024), ("paper", 4096))
        },
    )


@theory.claim(control=True, expected="fails")
def rate_too_small() -> Claim:
    """The exponent of the largest stable learning rate is 1.05 times what it is."""
    from dataclasses import replace

    from theorylab.derivations.infinite_width import abc_parametrization as d

    right = d.CRITICAL_RATE
    form = right.altered(1.05 * right.expr)
    base = critical_rate()
    budgets = {name: Budget(trials=1024, margin=0.015, points=base.budgets["quick"].points) for name in base.budgets}
    return replace(base, prediction=form, mutants=(), budgets=budgets)
