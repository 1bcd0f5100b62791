r"""As many examples as inputs: the errors of a linear student in closed form, and how it overtrains like sqrt(t).

Model
    As in `advani_saxe_linear_dynamics`, at alpha = 1: the spectrum of X X^T reaches down to zero.
Result
    E_g(t) = (1 + INR) M(2t) + (2 G(t) - G(2t))/SNR + 1/SNR with M(t) = exp(-2t) (I_0 + I_1)(2t), the Laplace transform
    of the law, and G its integral from 0, (4 t M(t) + exp(-2t) I_0(2t) - 1)/2. For t -> infinity

        E_g(t) - 1/SNR = (1/SNR) [2 (2 - sqrt 2) sqrt(t/pi) - 1/2] + (1 + INR)/sqrt(2 pi t) + o(1).

    A network of N inputs follows it for t << N^2, when its smallest eigenvalue, of order N^-2, begins to count.
Source
    The model of Advani and Saxe, arXiv:1710.03667v1, section 3; the closed form is derived here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy.special import i0e, i1e

from theorylab.derivation import Derivation, Step
from theorylab.derivations.learning_dynamics.advani_saxe_linear_dynamics import (
    CONVENTIONS,
    INR,
    POSITIVE,
    SNR,
    TEST,
    TIME,
    inr,
    snr,
    t,
)
from theorylab.parameters import Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

LATE = Parameter("t", POSITIVE, "time of gradient flow")

# At alpha = 1: the Laplace transform of the law and its integral.
laplace = sp.exp(-2 * t) * (sp.besseli(0, 2 * t) + sp.besseli(1, 2 * t))
integral = (4 * t * laplace + sp.exp(-2 * t) * sp.besseli(0, 2 * t) - 1) / 2
square_test = (1 + inr) * laplace.subs(t, 2 * t) + (2 * integral - integral.subs(t, 2 * t)) / snr + 1 / snr
square_law = (
    1 / snr + (2 * (2 - sp.sqrt(2)) * sp.sqrt(t / sp.pi) - sp.Rational(1, 2)) / snr + (1 + inr) / sp.sqrt(2 * sp.pi * t)
)


def _square_numeric(*, snr: Any, inr: Any, t: Any) -> np.ndarray:
    def laplace(t: Any) -> Any:
        return i0e(2.0 * t) + i1e(2.0 * t)

    def twice_integral(t: Any) -> Any:
        return 4.0 * t * laplace(t) + i0e(2.0 * t) - 1.0

    # The noise term, (2 G(t) - G(2t)), is small only where 1/SNR itself dominates it.
    noise = twice_integral(t) - 0.5 * twice_integral(2.0 * t)
    return np.asarray((1.0 + inr) * laplace(2.0 * t) + (1.0 + noise) / snr)


def _square_steps() -> list[Step]:
    lam, s = sp.symbols("lam s", positive=True)
    theta, some = sp.Symbol("theta", positive=True), sp.Rational(7, 10)
    lead = (1 + inr) / sp.sqrt(2 * sp.pi * t)
    noise = 2 * integral - integral.subs(t, 2 * t)
    growth = 2 * (2 - sp.sqrt(2)) * sp.sqrt(t / sp.pi)
    return [
        Step(
            "Laplace transform of the law",
            sp.Integral(
                2 * sp.cos(theta / 2) ** 2 / sp.pi * sp.exp(-4 * t * sp.sin(theta / 2) ** 2), (theta, 0, sp.pi)
            ).subs(t, some),
            laplace.subs(t, some),
            "at alpha = 1, lam = 4 sin^2(theta/2): integral representations of I_0 and I_1 (shown at t = 7/10)",
            method="50 digits",
        ),
        Step(
            "its integral",
            integral.diff(t),
            laplace,
            "d/dx [x e^-x (I_0 + I_1)] = e^-x I_0 and d/dx [e^-x I_0] = e^-x (I_1 - I_0)",
        ),
        Step("from zero", sp.Limit(integral, t, 0), sp.S.Zero, "G(0) = 0"),
        Step(
            "the noise term",
            sp.diff((1 - sp.exp(-lam * t)) ** 2 / lam, t),
            2 * (sp.exp(-lam * t) - sp.exp(-2 * lam * t)),
            "so that the noise is 2 G(t) - G(2 t)",
        ),
        Step(
            "overtraining, by parts",
            sp.Derivative(-2 * (1 - sp.exp(-s)) ** 2 / sp.sqrt(s), s),
            s ** sp.Rational(-3, 2) * (1 - sp.exp(-s)) ** 2 - 4 * (sp.exp(-s) - sp.exp(-2 * s)) / sp.sqrt(s),
            "rho ~ 1/(pi sqrt(lam)) at the hard edge and s = lam t: (1/pi) sqrt(t) times the integral of "
            "s^(-3/2) (1 - e^-s)^2 is the growth",
        ),
        Step(
            "overtraining",
            sp.Integral(4 * (sp.exp(-s) - sp.exp(-2 * s)) / sp.sqrt(s), (s, 0, sp.oo)),
            2 * sp.sqrt(sp.pi) * (2 - sp.sqrt(2)),
            "Gamma integrals",
        ),
        *(
            Step(
                f"{name} at late times",
                sp.Limit(_at_large(expr, s), s, 0, "+"),
                value,
                "I_nu(x) = e^x/sqrt(2 pi x) (1 - (4 nu^2 - 1)/(8x) + ...), at t = 1/s^2",
            )
            for name, expr, value in (
                ("the growth", noise / sp.sqrt(t), growth / sp.sqrt(t)),
                ("the constant", noise - growth, -sp.Rational(1, 2)),
                ("the decay", (1 + inr) * laplace.subs(t, 2 * t) / lead, sp.S.One),
            )
        ),
    ]


def _at_large(expr: sp.Expr, s: sp.Symbol) -> sp.Expr:
    """An expression of t at 1/s^2, Bessel functions by two terms of their asymptotic series."""

    def series(order: Any, x: Any) -> Any:
        return sp.exp(x) / sp.sqrt(2 * sp.pi * x) * (1 - (4 * order**2 - 1) / (8 * x))

    return sp.expand(sp.powdenest(sp.expand(expr.replace(sp.besseli, series)).subs(t, 1 / s**2), force=True))


SQUARE_TEST = ClosedForm(
    expr=square_test,
    numeric=_square_numeric,
    space=Space([SNR, INR, TIME]),
    quantity="test error over sw^2 at alpha = 1",
    conventions=CONVENTIONS,
    derivation=Derivation("Laplace transform of the Marchenko-Pastur law at ratio 1", _square_steps),
    corners=({"snr": 4.0, "inr": 0.25, "t": 1e-9}, {"snr": 1e-6, "t": 1e6}, {"snr": 1e6, "inr": 0.0, "t": 1e9}),
)
SQUARE_LAW = ClosedForm(
    expr=square_law.subs(t, LATE.symbol),
    space=Space([SNR, INR, LATE]),
    quantity="test error over sw^2 at alpha = 1, at late times",
    conventions=CONVENTIONS,
    derivation=SQUARE_TEST.derivation,
)
SQUARE_EXPONENT = ClosedForm(
    expr=sp.Rational(1, 2),
    space=Space([SNR, INR]),
    quantity="exponent of overtraining at alpha = 1",
    conventions=CONVENTIONS,
    derivation=SQUARE_TEST.derivation,
)
SQUARE_AVERAGE = Numerical(
    function=lambda *, snr, inr, t: TEST.evaluate(alpha=1.0, snr=snr, inr=inr, t=t),
    space=SQUARE_TEST.space,
    quantity="test error over sw^2 at alpha = 1, by quadrature",
    conventions=CONVENTIONS,
    derivation=TEST.derivation,
    formula=TEST.formula,
)
