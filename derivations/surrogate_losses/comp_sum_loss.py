r"""The comp-sum losses: outer function, gradient and curvature in the scores.

Model: $\Phi^\tau(0) = 0$, $d\Phi^\tau/du = (1 + u)^{-\tau}$, $\tau \ge 0$; loss $\Phi^\tau(S)$ with
$1 + S = 1/s_y$, $s = \mathrm{softmax}(h)$. Results:

- $\Phi^\tau(u) = ((1+u)^{1-\tau} - 1)/(1-\tau)$, $\log(1+u)$ at $\tau = 1$: increasing, concave, 1-Lipschitz, and
  decreasing in $\tau$;
- $\partial\ell_\tau/\partial h_k = s_y^{\tau-1}(s_k - 1[k = y])$: the gradient of cross-entropy times
  $s_y^{\tau-1}$;
- along the margin $m = h_y - \log\sum_{y' \ne y} e^{h_{y'}}$ the curvature is
  $s_y^{\tau-1}(1-s_y)(1 - \tau(1-s_y))$: the loss is convex in the scores only for $\tau \le 1$.

Source: A. Mao, M. Mohri, Y. Zhong, "Cross-entropy loss functions: theoretical analysis and applications",
arXiv:2304.07288v2, section 3 (definition) and section 4 (special cases).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.surrogate_losses import comp_sum_numerics as numerics
from theorylab.derivations.surrogate_losses.comp_sum_common import CONVENTIONS, MAO, TAU, tau
from theorylab.parameters import Constraint, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

U = Parameter("u", Interval(0.0), "sum of exponentiated score differences, 1/s_y - 1", default=1.0)
S = Parameter("s", Interval(0.0, 1.0, open_low=True), "softmax probability of the label", default=0.5)
LABEL_PROBABILITY = Parameter("s", Observed("softmax probability of the label"), S.meaning)
SOFTMAX = Parameter("softmax", Observed("n softmax probabilities, the label's first"), "softmax probabilities")

u, s = U.symbol, S.symbol
v = sp.Symbol("v", nonnegative=True)

GENERIC = ((1 + u) ** (1 - tau) - 1) / (1 - tau)
PHI = sp.Piecewise((sp.log(1 + u), sp.Eq(tau, 1)), (GENERIC, True))
# The definition: the integral of the slope.
outer_function_integral = sp.Integral((1 + v) ** -tau, (v, 0, u))
# The derivative of the definition, in x = log(1 + v): minus the integral of x exp((1 - tau) x), a positive function.
slope_in_tau_integral = sp.Derivative(sp.Integral(sp.exp((1 - tau) * v), (v, 0, sp.log(1 + u))), tau)
CORNERS = tuple(
    {"tau": x, "u": y} for x in (0.0, 1.0, 1.0 + 1e-9, 1.0 - 2.0**-50, 2.0, 10.0) for y in (0.0, 1e-12, 1.0, 1e12)
)
# tau in steps of 1/10 without 1, so that the steps' powers stay short.
TAUS = [sp.Rational(k, 10) for k in (0, 2, 5, 8, 11, 15, 19, 20, 25)]


def _integrated() -> list[Step]:
    positive = sp.Symbol("u", positive=True)
    slope = sp.Derivative(GENERIC, u)
    return [
        Step("value at zero", GENERIC.subs(u, 0), sp.S.Zero, "the constant of integration"),
        Step("slope", slope, (1 + u) ** -tau, "differentiate: the definition", where={tau: TAUS}),
        Step("integral", outer_function_integral, GENERIC, "so it is the integral of the slope", where={tau: TAUS}),
        Step(
            "cross-entropy",
            sp.Limit(GENERIC.subs(u, positive), tau, 1),
            sp.log(1 + positive),
            "the limit tau -> 1 is the logarithm",
        ),
        Step(
            "in the softmax",
            GENERIC.subs(u, 1 / s - 1),
            (s ** (tau - 1) - 1) / (1 - tau),
            "1 + S = 1/s_y",
            where={tau: TAUS, s: (0.05, 0.95)},
        ),
        Step("mean absolute error", GENERIC.subs({tau: 2, u: 1 / s - 1}), 1 - s, "tau = 2"),
        Step("sum-exponential", GENERIC.subs(tau, 0), u, "tau = 0"),
        Step(
            "concavity",
            sp.Derivative((1 + u) ** -tau, u),
            -tau * (1 + u) ** (-tau - 1),
            "the slope lies in (0, 1] and never increases",
        ),
        Step(
            "order in tau",
            sp.Derivative((1 + v) ** -tau, tau),
            -sp.log(1 + v) * (1 + v) ** -tau,
            "the integrand, hence the integral, decreases with tau",
        ),
    ]


def _gradient() -> list[Step]:
    h1, h2, h3 = sp.symbols("h1 h2 h3", real=True)
    sums = sp.exp(h2 - h1) + sp.exp(h3 - h1)
    total = sp.exp(h1) + sp.exp(h2) + sp.exp(h3)
    s1, s2 = sp.exp(h1) / total, sp.exp(h2) / total
    loss = GENERIC.subs(u, sums)
    m = sp.Symbol("m", real=True)
    margin_loss = GENERIC.subs(u, sp.exp(-m))
    softmax = 1 / (1 + sp.exp(-m))
    where = {tau: TAUS, **{h: [sp.Rational(k, 2) for k in range(-3, 4)] for h in (h1, h2, h3)}}
    return [
        Step(
            "own score",
            sp.Derivative(loss, h1),
            s1 ** (tau - 1) * (s1 - 1),
            "chain rule, three classes, label 1",
            where=where,
            method="50 digits",
        ),
        Step(
            "other score",
            sp.Derivative(loss, h2),
            s1 ** (tau - 1) * s2,
            "chain rule",
            where=where,
            method="50 digits",
        ),
        Step(
            "ratio to cross-entropy",
            sp.Derivative(loss, h1) / sp.Derivative(sp.log(1 + sums), h1),
            s1 ** (tau - 1),
            "every component carries the same factor",
            where=where,
            method="50 digits",
        ),
        Step(
            "along the margin",
            sp.Derivative(margin_loss, m),
            -(softmax ** (tau - 1)) * (1 - softmax),
            "S = exp(-m), s_y = 1/(1 + exp(-m))",
            where=where,
        ),
        Step(
            "curvature along the margin",
            sp.Derivative(margin_loss, (m, 2)),
            softmax ** (tau - 1) * (1 - softmax) * (1 - tau * (1 - softmax)),
            "nonnegative for every margin just when tau <= 1",
            where=where,
        ),
    ]


def _damping(tau: Any, s: Any) -> tuple[np.ndarray, np.ndarray]:
    value = np.power(s, tau - 1.0)
    return value, 1e-14 * value


def _label_first(tau: Any, softmax: Any) -> tuple[np.ndarray, np.ndarray]:
    softmax = np.asarray(softmax, dtype=float)
    value = softmax[..., :1] ** (tau - 1.0) * (softmax - (np.arange(softmax.shape[-1]) == 0))
    return value, 1e-14 * (1.0 + np.abs(value))


outer_function = ClosedForm(
    expr=PHI,
    numeric=numerics.comp_sum,
    space=Space([TAU, U]),
    quantity="comp-sum outer function Phi^tau(u)",
    conventions=CONVENTIONS,
    derivation=Derivation(f"{MAO}, section 3", _integrated),
    corners=CORNERS,
)

slope_in_tau = ClosedForm(
    expr=sp.Piecewise((-(sp.log(1 + u) ** 2) / 2, sp.Eq(tau, 1)), (sp.diff(GENERIC, tau), True)),
    numeric=numerics.comp_sum_slope_in_tau,
    space=Space([TAU, U]),
    quantity="derivative of Phi^tau(u) with respect to tau",
    conventions=CONVENTIONS,
    derivation=Derivation(f"{MAO}, section 3", _integrated),
    corners=CORNERS,
)

gradient_ratio = Numerical(
    function=_damping,
    formula=sp.latex(s ** (tau - 1)),
    space=Space([TAU, LABEL_PROBABILITY]),
    quantity="gradient norm relative to cross-entropy",
    conventions=CONVENTIONS,
    derivation=Derivation(f"{MAO}, section 4", _gradient),
)

gradient = Numerical(
    function=_label_first,
    formula=r"s_y^{\tau-1} (s_k - 1[k = y])",
    space=Space([TAU, SOFTMAX]),
    quantity="gradient of the loss in the scores",
    conventions={**CONVENTIONS, "order": "the label's component first"},
    derivation=Derivation(f"{MAO}, section 4", _gradient),
)

margin_curvature = ClosedForm(
    expr=s ** (tau - 1) * (1 - s) * (1 - tau * (1 - s)),
    space=Space([TAU, S]),
    quantity="second derivative of the loss along the margin",
    conventions=CONVENTIONS,
    derivation=Derivation(f"{MAO}, section 4", _gradient),
)

_m = sp.Symbol("m", real=True)
margin_curvature_differentiated = ClosedForm(
    expr=sp.diff(GENERIC.subs(u, sp.exp(-_m)), _m, 2).subs(_m, sp.log(s / (1 - s))),
    space=Space([TAU, S], [Constraint(sp.Ne(tau, 1), "the formula for tau other than 1 is differentiated")]),
    quantity=margin_curvature.quantity,
)
