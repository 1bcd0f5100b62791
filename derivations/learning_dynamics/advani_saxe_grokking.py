r"""Accuracies of a linear student without noise: training ones rise first, test ones later, with nothing learned anew.

Model
    As in `advani_saxe_linear_dynamics` with se = 0 and w(0) = 0; a point counts as right when its squared error is at
    most e_0 (in units of sw^2).
Result
    With L_g(t) = int rho exp(-2 l t) (the atom at 0 included) and L_t(t) = (1/alpha) int_(l>0) rho l exp(-2 l t),

        accuracy(t) = erf(sqrt(e_0 / (2 L(t)))),

    for test points exactly given L_g, because their errors are normal; for the training points as N -> infinity.
    Both reach the accuracy q when L = e_0/(2 erfinv(q)^2); the time between is the delay of "grokking". For alpha < 1
    the test loss stops at 1 - alpha.
Source
    Levi, Beck and Bar-Sinai, arXiv:2310.16441v1, section 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy.optimize import brentq
from scipy.special import erf, erfinv

from theorylab.derivation import Derivation, Step
from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as model
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_averages as averages
from theorylab.errors import DomainError
from theorylab.parameters import Interval, Parameter, Space
from theorylab.prediction import Numerical, Value

LEVEL = Parameter("e0", model.POSITIVE, "largest squared error, over sw^2, of a point that counts as right")
PART = Parameter("q", Interval(0, 1, open_low=True, open_high=True), "accuracy that is to be reached", default=0.9)
ALPHA, TIME = model.ALPHA, model.TIME
CONVENTIONS = {**model.CONVENTIONS, "accuracy": "part of the points with squared error at most e_0; no label noise"}
SOURCE = "Levi, Beck and Bar-Sinai (2023), section 3"
# Times beyond which nothing is looked for.
LATEST = 1e12


def test_loss(*, alpha: Any, t: Any) -> Any:
    """Mean squared error of a test point, and its numerical error."""
    return model.over_spectrum(lambda x, t: model.flow(x, t)[0] ** 2, averages.average, alpha, t=t)


def train_loss(*, alpha: Any, t: Any) -> Any:
    """Mean squared error of a training point, and its numerical error."""
    value, error = model.over_spectrum(
        lambda x, t: x * model.flow(x, t)[0] ** 2, averages.continuous_average, alpha, t=t
    )
    return Value(value / alpha, error / alpha)


def accuracy(loss: Any, e0: Any) -> Any:
    """Part of centred normal errors of this mean square whose square is at most e0."""
    return erf(np.sqrt(e0 / (2.0 * loss)))


def _accuracy_of(loss: Any) -> Any:
    def function(*, alpha: Any, e0: Any, t: Any) -> tuple[Any, Any]:
        # Where the loss underflows every point is right.
        value, error = loss(alpha=alpha, t=t)
        value = np.maximum(value, 1e-300)
        return accuracy(value, e0), np.abs(accuracy(value + error, e0) - accuracy(value, e0)) + 1e-15

    return function


def _time_at(loss: Any, alpha: float, e0: float, q: float) -> tuple[float, float]:
    """When the loss has fallen to the level of accuracy q."""
    level = e0 / (2.0 * erfinv(q) ** 2)

    def above(t: float) -> float:
        return float(np.log(np.maximum(loss(alpha=alpha, t=t).value, 1e-300) / level))

    if above(0.0) <= 0.0:
        return 0.0, 0.0
    high = 1.0
    while above(high) > 0.0:
        high *= 4.0
        if high > LATEST:
            raise DomainError(
                f"alpha = {alpha:g}, e0 = {e0:g}, q = {q:g}: the test error never falls below {max(0.0, 1 - alpha):g}, "
                f"and {level:g} is needed; take more examples, a larger e0 or a smaller q"
            )
    root = float(brentq(above, 0.0, high, xtol=1e-12 * high, rtol=1e-13))
    return root, 4e-12 * high


def _delay(*, alpha: Any, e0: Any, q: Any) -> tuple[Any, Any]:
    late, early = (
        np.vectorize(lambda a, e, p, loss=loss: _time_at(loss, a, e, p), otypes=[float, float])(alpha, e0, q)
        for loss in (test_loss, train_loss)
    )
    return late[0] - early[0], late[1] + early[1]


def _steps() -> list[Step]:
    e, loss, level = sp.symbols("e L e_0", positive=True)
    q = sp.Symbol("q", positive=True)
    normal = sp.exp(-(e**2) / (2 * loss)) / sp.sqrt(2 * sp.pi * loss)
    right = sp.erf(sp.sqrt(level / (2 * loss)))
    return [
        *model.FLOW,
        Step(
            "accuracy of normal errors",
            sp.Integral(2 * normal, (e, 0, sp.sqrt(level))),
            right,
            "the error (w* - w) x of a fresh point is normal of variance |w* - w|^2/N",
        ),
        Step(
            "level of an accuracy",
            right.subs(loss, level / (2 * sp.erfinv(q) ** 2)),
            q,
            "the loss at which a part q is right",
            where={q: (0.1, 0.9)},
            method="50 digits",
        ),
    ]


_DERIVATION = Derivation(SOURCE, _steps)
_SPACE = Space([ALPHA, LEVEL, TIME])
TEST_ACCURACY = Numerical(
    function=_accuracy_of(test_loss),
    space=_SPACE,
    quantity="test accuracy",
    conventions=CONVENTIONS,
    derivation=_DERIVATION,
    formula=r"\mathrm{erf} \sqrt{e_0/(2 L_g)}, \quad L_g = \int \rho\, e^{-2\lambda t} d\lambda",
)
TRAIN_ACCURACY = Numerical(
    function=_accuracy_of(train_loss),
    space=_SPACE,
    quantity="train accuracy",
    conventions=CONVENTIONS,
    derivation=_DERIVATION,
    formula=r"\mathrm{erf} \sqrt{e_0/(2 L_t)}, \quad "
    r"L_t = \frac1\alpha \int_{\lambda>0} \rho\,\lambda e^{-2\lambda t} d\lambda",
)
DELAY = Numerical(
    function=_delay,
    space=Space([ALPHA, LEVEL, PART]),
    quantity="time from the train to the test accuracy q",
    conventions=CONVENTIONS,
    derivation=_DERIVATION,
    formula=r"t_g - t_t, \quad L_g(t_g) = L_t(t_t) = \frac{e_0}{2\,\mathrm{erfinv}(q)^2}",
)
