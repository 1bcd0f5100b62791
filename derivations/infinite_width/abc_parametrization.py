r"""Which parametrisations of a wide network are stable, and which of them learn features.

Model
    Tanh network with L hidden layers of width n, fixed input dimension: W^l = n^(-a_l) w^l with w^l ~ N(0, n^(-2 b_l)),
    l = 1..L hidden and L + 1 the readout, trained by SGD on w at rate eta n^(-c); half squared loss.
Result
    With m = min over l <= L of 2 a_l + 1(l = 1), after two steps or more

        r = min(a_{L+1} + b_{L+1}, 2 a_{L+1} + c) + c - 1 + m

    is the decay exponent of the change of the last hidden layer's coordinates, and that of the change of the output is
    min(a_{L+1} + b_{L+1} + r - 1, 2 a_{L+1} + c - 1). After the first step the trained readout does not act yet:
    a_{L+1} + b_{L+1} stands for the minimum in r.
    Stable: a_1 + b_1 = 0, a_l + b_l = 1/2 for 2 <= l <= L, a_{L+1} + b_{L+1} >= 1/2, r >= 0 and both exponents of the
    output >= 0. A stable parametrisation is trivial if the output does not move (exponent > 0); else it learns
    features if r = 0, and is in the kernel regime if r > 0.
    Nothing of this is typed in: `power_counting.count` follows the updates, and the steps below show what comes out.
Critical values
    r = 0 and the vanishing of the output's exponent, solved for the readout's multiplier a_{L+1} and for c.
Source
    Yang and Hu (2021), arXiv:2011.14522v3, Theorem 3.2 and Definition 3.1; the exponent of the first step is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.infinite_width.power_counting import Counted, count
from theorylab.parameters import Constraint, Interval, Parameter, Space
from theorylab.prediction import ClosedForm

SOURCE = "Yang and Hu (2021), Theorem 3.2"
CONVENTIONS = {
    "exponents": "a_l of the multipliers, b_l of the standard deviations of the trained w^l, c of the rate; l from 1",
    "loss": "half squared loss of one sample",
    "change": "root mean square over the units; growth exponents, minus the decay exponents of the paper",
    "features": "preactivations of the last hidden layer",
}
# Exponents closer than this to their critical values count as critical.
CRITICAL = 1e-9
HALF = sp.Rational(1, 2)
_RANGE = Interval(-3, 3)
RATE = Parameter("c", _RANGE, "exponent of the learning rate eta n^-c")
SHIFT = Parameter("theta", Interval(-1, 1), "power of n moved from the standard deviations to the multipliers")
WIDTH_FREE = "the residual grows with the width before any training"


@cache
def parameters(depth: int) -> tuple[tuple[Parameter, ...], tuple[Parameter, ...]]:
    """The exponents a_l and b_l of a network with so many hidden layers."""
    layers = range(1, depth + 2)
    multipliers = tuple(
        Parameter(f"a{l}", _RANGE, f"exponent of the multiplier n^-a of layer {l}", written=f"a_{l}") for l in layers
    )
    deviations = tuple(
        Parameter(f"b{l}", _RANGE, f"exponent of the standard deviation n^-b of layer {l}", written=f"b_{l}")
        for l in layers
    )
    return multipliers, deviations


@cache
def counted(depth: int, steps: int) -> Counted:
    """What is counted where the preactivations are of order 1 at the start: b_1 = -a_1, b_l = 1/2 - a_l."""
    multipliers, deviations = parameters(depth)
    a = [p.symbol for p in multipliers]
    b = [-a[0], *(HALF - p for p in a[1:-1]), deviations[-1].symbol]
    return count(a, b, RATE.symbol, steps, sp.Min, HALF)


def slowest(depth: int) -> sp.Expr:
    """m, the exponent of the layer whose update moves the features most."""
    a = [p.symbol for p in parameters(depth)[0]]
    return sp.Min(2 * a[0] + 1, *(2 * p for p in a[1:-1]))


def features(depth: int, steps: int) -> sp.Expr:
    """r after one step, or after several: the closed form that `counted` is shown to equal."""
    a, b = (p[-1].symbol for p in parameters(depth))
    c = RATE.symbol
    return (a + b if steps == 1 else sp.Min(a + b, 2 * a + c)) + c - 1 + slowest(depth)


def output(depth: int, steps: int) -> sp.Expr:
    """Decay exponent of the change of the output."""
    a, b = (p[-1].symbol for p in parameters(depth))
    return sp.Min(a + b + features(depth, steps) - 1, 2 * a + RATE.symbol - 1)


def shifted(theta: sp.Expr, faster: sp.Expr) -> sp.Expr:
    """r of two hidden layers, n^-theta moved from the standard deviations to the multipliers and c less `faster`."""
    (multipliers, deviations), c = parameters(2), RATE.symbol
    moved = {p.symbol: p.symbol + theta for p in multipliers}
    b = deviations[-1].symbol
    return features(2, 2).subs({**moved, b: b - theta, c: c - faster}, simultaneous=True)


def critical_multiplier(depth: int) -> sp.Expr:
    """The a_{L+1} at which r = 0: below it the features blow up."""
    b, c = parameters(depth)[1][-1].symbol, RATE.symbol
    return sp.Max(1 - c - b - slowest(depth), (1 - slowest(depth)) / 2 - c)


def critical_rate(depth: int) -> sp.Expr:
    """The c at which the output moves by order 1: below it blows up, above it stays where it was."""
    a, b = (p[-1].symbol for p in parameters(depth))
    m = slowest(depth)
    return sp.Max(1 - 2 * a, 2 - m - 2 * (a + b), 1 - (m + a + b + 2 * a) / 2)


NAMED: dict[str, tuple[tuple[sp.Expr, ...], tuple[sp.Expr, ...], sp.Expr]] = {
    "standard": ((sp.S.Zero,) * 3, (sp.S.Zero, HALF, HALF), sp.S.One),
    "neural tangent": ((sp.S.Zero, HALF, HALF), (sp.S.Zero,) * 3, sp.S.Zero),
    "maximal update": ((-HALF, sp.S.Zero, HALF), (HALF,) * 3, sp.S.Zero),
    "mean field": ((sp.S.Zero, sp.S.One), (sp.S.Zero,) * 2, -sp.S.One),
}


def at(expr: sp.Expr, a: Sequence[Any], b: Sequence[Any], c: Any) -> sp.Expr:
    """An expression of the exponents at given ones."""
    multipliers, deviations = parameters(len(a) - 1)
    symbols = [p.symbol for p in (*multipliers, *deviations, RATE)]
    return expr.subs(dict(zip(symbols, (*a, *b, c))), simultaneous=True)


def _steps(depth: int) -> list[Step]:
    first, second, third = (counted(depth, steps) for steps in (1, 2, 3))
    a, b = (p[-1].symbol for p in parameters(depth))
    layers = f"{depth} hidden layer{'s' * (depth > 1)}"
    return [
        *(
            Step(
                f"signal to layer {l + 1} of {layers}",
                first.signals[l],
                a + b,
                "initial hidden weights of variance 1/n send signals back at the size of the readout's weights",
            )
            for l in range(depth)
        ),
        *(
            Step(
                f"feedback to layer {l + 1} of {layers}",
                second.feedback[l] - second.signals[l],
                second.updates[l + 1],
                "an update adds to the signal in the proportion in which it moves the preactivations: nothing if r > 0",
            )
            for l in range(depth - 1)
        ),
        Step(
            f"features after one step, {layers}",
            first.features[-1],
            features(depth, 1),
            "the largest of the layers' updates, carried upwards by initial weights",
            method="50 digits",
        ),
        Step(
            f"features after two steps, {layers}",
            second.features[-1],
            features(depth, 2),
            "the readout has been trained meanwhile: its update n^(-2 a - c) sends signals, too",
            method="50 digits",
        ),
        Step(
            f"features after three steps, {layers}",
            third.features[-1],
            features(depth, 2),
            "nothing new comes after the second step",
            method="50 digits",
        ),
        Step(
            f"output, {layers}",
            sp.Min(third.by_features, third.by_readout),
            output(depth, 2),
            "f_t - f_0 = (W_t - W_0) . x_t + W_0 . (x_t - x_0): n terms of one sign in both",
            method="50 digits",
        ),
    ]


def _consequences(depth: int) -> list[Step]:
    multipliers, deviations = parameters(depth)
    a, c = [p.symbol for p in multipliers], RATE.symbol
    b = [-a[0], *(HALF - p for p in a[1:-1]), deviations[-1].symbol]
    r = features(depth, 2)
    steps = [
        Step(
            "weights and rate exchange a power of n",
            shifted(SHIFT.symbol, 2 * SHIFT.symbol),
            r,
            "a_l + theta, b_l - theta, c - 2 theta is the same training of the same functions",
            method="50 digits",
        ),
        Step(
            "the slowest layer by its standard deviation",
            slowest(depth),
            1 - 2 * sp.Max(*b[:-1]),
            "where the start is stable, 2 a_l + 1(l = 1) = 1 - 2 b_l",
            method="50 digits",
        ),
        Step(
            "critical multiplier",
            r.subs(a[-1], critical_multiplier(depth)),
            sp.S.Zero,
            "r grows with a_{L+1}: the larger of the roots of its two branches",
            method="50 digits",
        ),
        Step(
            "critical rate",
            output(depth, 2).subs(c, critical_rate(depth)),
            sp.S.Zero,
            "the exponents of all terms grow with c: the largest of their roots",
            method="50 digits",
        ),
    ]
    for name, value in (("standard", HALF), ("neural tangent", HALF), ("maximal update", 0), ("mean field", 0)):
        form = features(len(NAMED[name][0]) - 1, 2)
        steps.append(Step(f"{name} parametrisation", at(form, *NAMED[name]), sp.sympify(value), "its r"))
    return steps


def _build(depth: int) -> list[Step]:
    return [*_steps(depth), *(_consequences(depth) if depth == 2 else [])]


@cache
def derivation(depth: int) -> Derivation:
    """From the update rules to the exponents of a network with so many hidden layers."""
    return Derivation(SOURCE, lambda: _build(depth))


def _exact(expr: sp.Expr) -> Any:
    """An expression of exponents without rounding: where they cancel, the sign of what is left is what matters."""
    symbols = sorted(expr.free_symbols, key=str)
    value = np.vectorize(lambda *x: float(expr.xreplace(dict(zip(symbols, map(sp.Rational, x))))), otypes=[float])
    return lambda **at: value(*(at[s.name] for s in symbols))


def _not_below(expr: sp.Expr, why: str) -> Constraint:
    return Constraint(expr + CRITICAL >= 0, why)


@cache
def growth_of_features(depth: int, steps: int) -> ClosedForm:
    """Prediction: the change of the features grows like n^value, after one step or after several (`steps` = 2)."""
    multipliers, deviations = parameters(depth)
    a, b, r = multipliers[-1].symbol, deviations[-1].symbol, features(depth, steps)
    bounds = [_not_below(a + b - HALF, WIDTH_FREE)]
    if steps > 1:
        bounds.append(_not_below(r, "the features blow up, and powers are not counted beyond the first step"))
    return ClosedForm(
        expr=-r,
        numeric=_exact(-r),
        space=Space([*multipliers, deviations[-1], RATE], bounds),
        quantity="growth exponent of the change of the features",
        conventions=CONVENTIONS,
        derivation=derivation(depth),
        corners=_corners(depth),
    )


@cache
def growth_of_output(depth: int, steps: int) -> ClosedForm:
    """Prediction: the change of the output grows like n^value, after one step or after several (`steps` = 2)."""
    features_moved = growth_of_features(depth, steps)
    expr = -output(depth, steps)
    return ClosedForm(
        expr=expr,
        numeric=_exact(expr),
        space=features_moved.space,
        quantity="growth exponent of the change of the output",
        conventions=CONVENTIONS,
        derivation=derivation(depth),
        corners=_corners(depth),
    )


def _corners(depth: int) -> tuple[dict[str, float], ...]:
    """Maximal update, where everything cancels, and 1e-13 beside it."""
    names = [p.name for p in (*parameters(depth)[0], parameters(depth)[1][-1])]
    values = [-0.5, *[0.0] * (depth - 1), 0.5, 0.5]
    here = dict(zip(names, values))
    return (
        {**here, "c": 0.0},
        {**here, "c": 1e-13},
        {**here, names[0]: -0.5 + 1e-13, "c": 0.0},
        {**here, names[-1]: 0.5 + 1e-13, "c": 0.0},
    )


def _critical(expr: sp.Expr, names: set[str], quantity: str) -> ClosedForm:
    multipliers, deviations = parameters(2)
    return ClosedForm(
        expr=expr,
        numeric=_exact(expr),
        space=Space([*multipliers, deviations[-1], RATE]).only(names),
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=derivation(2),
        corners=({**dict.fromkeys(names, 0.25), "a1": -0.5, "b3": 0.75 + 1e-13},),
    )


CRITICAL_MULTIPLIER = _critical(
    critical_multiplier(2), {"a1", "a2", "b3", "c"}, "multiplier's exponent a_3 of the readout at which r = 0"
)
CRITICAL_RATE = _critical(critical_rate(2), {"a1", "a2", "a3", "b3"}, "exponent c of the largest stable learning rate")


SHIFTED = ClosedForm(
    expr=-shifted(SHIFT.symbol, 2 * SHIFT.symbol),
    numeric=_exact(-shifted(SHIFT.symbol, 2 * SHIFT.symbol)),
    space=growth_of_features(2, 2).space | Space([SHIFT]),
    quantity="growth exponent of the change of the features",
    conventions=CONVENTIONS,
    derivation=derivation(2),
)
