r"""Exponents of compute-optimal scaling at the budgets of a study, as its minima at equal compute should show them.

Model
    That of `plrf_phases`, batch size 1, v = ratio d inputs and learning rate gamma = rate/sum_j j^(-2 alpha), at most
    1/2. A study trains many sizes d up to the budgets f = r d = 2^(last - budgets + 1), ..., 2^last, and finds d* and
    P* at each as the vertex of a parabola through the logarithms of the losses next to the smallest.
Result
    The slopes of log d* and -log P* in log f over these budgets are those of the frontier of the deterministic
    equivalent over the same budgets. They are not the exponents of the phase: at the compute of a study the components
    of the loss still cross.
Assumptions
    Large d: the mean loss exceeds its equivalent by a relative 1/d or so, more at the smaller sizes. Many runs a size:
    the logarithm of a noisy mean is too small, more at the smaller sizes, whose features scatter more.
Source
    Paquette, Paquette, Xiao and Pennington (2024), arXiv:2405.15074v2, the measured exponents; the equivalent is that
    of `plrf_numerics`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.scaling_laws.plrf_frontier import Frontier, Setting, frontier, losses
from theorylab.derivations.scaling_laws.plrf_phases import ALPHA, BETA, SPACE
from theorylab.parameters import Integers, Interval, Parameter, Space
from theorylab.prediction import Numerical, Value

RATIO = Parameter("ratio", Interval(1.0, open_low=True), "inputs per feature, v/d", default=4.0)
RATE = Parameter("rate", Interval(0.0, 1.0, open_low=True), "learning rate times the sum of j^-2alpha", default=0.5)
LAST = Parameter("last", Integers(8, 60), "binary logarithm of the largest budget f = r d", default=13)
BUDGETS = Parameter("budgets", Integers(2, 20), "budgets, a factor of 2 apart", default=5)

CONVENTIONS = {
    "slopes": "least squares of log d* and of -log P* against log f over the budgets",
    "P": "full risk, no 1/2",
    "f": "steps times features, batch size 1",
    "gamma": "gradient summed over the batch, no factor 2",
}
# Sizes that are tried: from 2 features, by octaves, until the last budget buys four steps; then closer to the best.
SMALLEST, STEPS_LEFT, STEP = 1.0, 2.0, 0.25


@lru_cache(maxsize=256)
def over(alpha: float, beta: float, ratio: float, rate: float, last: int, budgets: int) -> Frontier:
    """The frontier at the budgets of a study."""
    f = np.arange(last - budgets + 1.0, last + 1.0)
    setting = Setting(ratio=ratio, rate=rate)
    octaves = np.arange(SMALLEST, last - STEPS_LEFT)
    best = octaves[np.argmin(losses(alpha, beta, f, octaves, setting).value, axis=0)]
    between = np.arange(max(SMALLEST, best.min() - 1.0), best.max() + 1.0 + STEP / 2.0, STEP)
    # Whole numbers, for which the number of inputs is whole too: at small sizes rounding it shows.
    return frontier(alpha, beta, f, np.log2(np.unique(np.rint(2.0**between))), setting)


def _slope(part: int, sign: float) -> Callable[..., Value]:
    def function(**arrays: np.ndarray) -> Value:
        points = np.broadcast(*arrays.values())
        value, error = np.empty(points.shape), np.empty(points.shape)
        for i, (alpha, beta, ratio, rate, last, budgets) in zip(np.ndindex(points.shape), points):
            found = over(float(alpha), float(beta), float(ratio), float(rate), int(last), int(budgets))[part]
            row = np.polyfit(np.arange(float(budgets)), np.eye(int(budgets)), 1)[0]
            value[i], error[i] = sign * (row @ found.value), np.abs(row) @ found.error
        return Value(value, error)

    return function


def _steps() -> list[Step]:
    f, d, A, C, p, q = sp.symbols("f d A C p q", positive=True)
    u, b0, b1, b2, h = sp.symbols("u b0 b1 b2 h", real=True)
    loss = A * (f / d) ** -p + C * d**-q
    best = (q * C / (p * A) * f**p) ** (1 / (p + q))
    parabola = b0 + b1 * u + b2 * u**2
    rows = sp.Matrix([[1, k * h, (k * h) ** 2] for k in range(-2, 3)])
    fitted = (rows.T * rows).inv() * rows.T * sp.Matrix([parabola.subs(u, k * h) for k in range(-2, 3)])
    where = {s: (sp.Rational(1, 2), sp.Integer(2)) for s in (f, A, C, p, q)}
    return [
        Step(
            "fixed budget",
            sp.Derivative(loss, d).doit().subs(d, best),
            sp.Integer(0),
            "of two components one falls with the steps r = f/d and one with the size: they balance at the best size",
            where=where,
        ),
        Step(
            "slope of the size",
            f * sp.diff(sp.log(best), f),
            p / (p + q),
            "xi of two components that cross; where more than two matter, slopes change along the way",
        ),
        Step(
            "slope of the loss",
            (-f * sp.diff(loss, f) / loss).subs(d, best),
            p * q / (p + q),
            "at the minimum the loss changes with the budget as it does at fixed size (envelope theorem)",
            where=where,
        ),
        Step(
            "parabola",
            -fitted[1] / (2 * fitted[2]),
            -b1 / (2 * b2),
            "least squares at equispaced places returns the vertex of a parabola (shown for five)",
        ),
    ]


_DERIVATION = Derivation("Paquette, Paquette, Xiao and Pennington (2024), measured exponents", _steps)
_SPACE = Space([ALPHA, BETA, RATIO, RATE, LAST, BUDGETS], SPACE.constraints)


def _measured(part: int, sign: float, quantity: str, formula: str) -> Numerical:
    return Numerical(
        function=_slope(part, sign),
        space=_SPACE,
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=_DERIVATION,
        formula=formula,
    )


SIZE = _measured(0, 1.0, "slope of the compute-optimal size", r"\partial \log d^\star / \partial \log f")
LOSS = _measured(1, -1.0, "slope of the compute-optimal loss", r"-\partial \log P^\star / \partial \log f")
