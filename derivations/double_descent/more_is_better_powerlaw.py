r"""When fitting is obligatory: the best ratio of training to test error for power-law spectra.

Kernel ridge regression with eigenvalues $\lambda_i = i^{-\alpha}$, $\alpha > 1$, a target with $v_i^2 = i^{-\beta}$,
$1 < \beta < 2\alpha + 1$, and label noise of variance $s$ times the test error of noiseless interpolation at the same
n. Let $R = E_{tr}/E_{te}$ and $u = 1 - \sqrt R$. As n grows

$$\frac{E_{te}(u)}{E_{te}(u = 1, s = 0)} = \frac{u^{1-\beta} + \alpha s}{\alpha - (\alpha - 1) u},$$

which is least at $R = r^2$ with $\alpha - \beta - (\alpha - 1) \beta r + \alpha (\alpha - 1)(1 - r)^\beta s = 0$, or at
$R = 0$ where that has no root: interpolation is best for $\beta > \alpha$ and
$s \le (\beta - \alpha)/(\alpha (\alpha - 1))$. The best ratio does not depend on n: to fit less closely costs a fixed
part of the test error however many samples there are.

With the ridge $\delta = h n^{1 - \alpha}$ and noise of variance $\nu n^{1 - \beta}$, $h = (C_1/u)^\alpha (1 - u)$ and
$n^{\beta-1} E_{te}(u = 1, s = 0) \to \alpha C_\beta C_1^{\beta - 1}$, $C_1 = (\pi/\alpha)/\sin(\pi/\alpha)$,
$C_\beta = B(\frac{\beta-1}{\alpha}, 2 - \frac{\beta-1}{\alpha})/\alpha$.

Source: J. B. Simon, D. Karkada, N. Ghosh, M. Belkin, "More is Better in Modern Machine Learning: when Infinite
Overparameterization is Optimal and Overfitting is Obligatory", arXiv:2311.14646v4, section 5.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.double_descent import more_is_better_powerlaw_steps as steps
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Implicit
from theorylab.symbolic import compile_expression

SIMON = "Simon, Karkada, Ghosh, Belkin, arXiv:2311.14646v4, section 5"

ALPHA = Parameter("alpha", Interval(1.0, 10.0, open_low=True), "exponent of the spectrum i^-alpha", default=1.6)
BETA = Parameter(
    "beta", Interval(1.0, 21.0, open_low=True), "exponent of the squared coefficients i^-beta", default=1.4
)
S = Parameter("s", Interval(0.0, 1e3), "noise variance over the test error of noiseless interpolation", default=0.3)
R = Parameter("R", Interval(0.0, 1.0, open_high=True), "training error over test error", default=0.2)
NU = Parameter("nu", Interval(0.0, 1e3), "noise variance over n^(1 - beta)", default=0.5)
H = Parameter("h", Interval(0.0, 1e3), "ridge over n^(1 - alpha)", default=0.5)
N = Parameter("n", Integers(1), "number of samples", default=1000)
RATIO = Parameter("ratio", Interval(1.0, 1e4), "eigenvalues per sample that are drawn one by one", default=8.0)

alpha, beta, s, R_, nu, h = (parameter.symbol for parameter in (ALPHA, BETA, S, R, NU, H))
r, u = sp.Symbol("r", nonnegative=True), sp.Symbol("u", positive=True)
FINITE = Constraint(beta < 2 * alpha + 1, "smoother targets are missed in the first directions, not at the scale of n")
CONVENTIONS = {
    "error": "full squared error; training and test error include label noise, training error divided by n",
    "noise": "s is relative to the test error of noiseless interpolation at the same n",
    "limit": "n to infinity",
}
DERIVATION = Derivation(SIMON, steps.everything)

C1 = steps.C1.xreplace({steps.alpha: alpha})
C_BETA = steps.C_BETA.xreplace({steps.alpha: alpha, steps.beta: beta})
# n^(beta - 1) times the test error of noiseless interpolation.
UNIT = alpha * C_BETA * C1 ** (beta - 1)
# 1 - sqrt(R), without its cancellation at R = 1.
FITTED = (1 - R_) / (1 + sp.sqrt(R_))
STATIONARY = steps.stationary(alpha, beta, s, r)
# Nothing is gained by a ridge.
INTERPOLATE = sp.Le(alpha - beta + alpha * (alpha - 1) * s, 0)


def _closed(expr: sp.Expr, space: Space, quantity: str, corners: Any = (), **more: Any) -> ClosedForm:
    return ClosedForm(
        expr=expr,
        space=space,
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=DERIVATION,
        corners=tuple(corners),
        **more,
    )


def relative_risk(alpha: Any, beta: Any, s: Any, R: Any) -> Any:
    """Test error over that of noiseless interpolation, in double precision."""
    u = (1.0 - R) / (1.0 + np.sqrt(R))
    return (u ** (1.0 - beta) + alpha * s) / (alpha - (alpha - 1.0) * u)


relative_error = _closed(
    steps.curve(alpha, beta, s, FITTED),
    Space([ALPHA, BETA, S, R], [FINITE]),
    "test error over that of noiseless interpolation",
    ({"R": 0.0}, {"R": 0.9, "beta": 3.9}, {"R": 0.2, "alpha": 1.001, "beta": 1.001, "s": 0.0}, {"R": 0.5, "s": 1e3}),
)


def _unit_interval(**arrays: Any) -> tuple[Any, Any]:
    """Bracket of r; the single point 0 where interpolation is best."""
    a, b, noise = arrays["alpha"], arrays["beta"], arrays["s"]
    high = np.where(a - b + a * (a - 1.0) * noise <= 0.0, 0.0, 1.0)
    return np.zeros_like(high), high


def _best(output: sp.Expr, space: Space, quantity: str, corners: Any = ()) -> Implicit:
    return Implicit(
        equation=sp.Piecewise((r, INTERPOLATE), (STATIONARY, True)),
        unknown=r,
        bracket=_unit_interval,
        output=output,
        space=space,
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=DERIVATION,
        corners=tuple(corners),
    )


best_ratio = _best(
    r**2,
    Space([ALPHA, BETA, S], [FINITE]),
    "training over test error at the best ridge",
    ({"alpha": 1.3, "beta": 2.4, "s": 0.3}, {"alpha": 4.0, "beta": 1.1, "s": 0.0}, {"s": 1e3}),
)


def wrong_best(lower: int = 0, divided: int = 0) -> Implicit:
    """The best ratio with the power of 1 - r lower by that, or without a factor alpha of the noise."""
    noise = alpha ** (1 - divided) * (alpha - 1) * (1 - r) ** (beta - lower) * s
    rest = alpha - beta - (alpha - 1) * beta * r
    wrong = sp.Piecewise((r, sp.Le((rest + noise).subs(r, 0), 0)), (rest + noise, True))

    def bracket(**arrays: Any) -> tuple[Any, Any]:
        a, b, n = arrays["alpha"], arrays["beta"], arrays["s"]
        high = np.where(a - b + a ** (1 - divided) * (a - 1.0) * n <= 0.0, 0.0, 1.0)
        return np.zeros_like(high), high

    return replace(best_ratio, equation=wrong, bracket=bracket)


cost = _best(
    steps.curve(alpha, beta, s, FITTED) / steps.curve(alpha, beta, s, 1 - r),
    Space([ALPHA, BETA, S, R], [FINITE]),
    "test error over the least one",
    ({"R": 0.9}, {"alpha": 1.3, "beta": 2.4, "R": 0.5}),
)
noiseless_ratio = _closed(
    sp.Max(0, (alpha - beta) / ((alpha - 1) * beta)) ** 2,
    Space([ALPHA, BETA], [FINITE]),
    "training over test error at the best ridge, no noise",
    ({"alpha": 4.0, "beta": 1.1}, {"alpha": 1.5, "beta": 2.0}),
)
_SMOOTH = Constraint(beta > alpha, "for rougher targets a ridge helps without noise")
critical_noise = _closed(
    steps.threshold(alpha, beta),
    Space([ALPHA, BETA], [FINITE, _SMOOTH]),
    "relative noise up to which interpolation is best",
    ({"alpha": 1.001, "beta": 1.5}, {"alpha": 2.0, "beta": 2.001}),
)
critical_variance = _closed(
    steps.threshold(alpha, beta) * UNIT,
    Space([ALPHA, BETA], [FINITE, _SMOOTH]),
    "noise variance over n^(1 - beta) up to which interpolation is best",
    ({"alpha": 2.0, "beta": 2.001}, {"alpha": 3.0, "beta": 6.9}),
)


def _ridge_bracket(**arrays: Any) -> tuple[Any, Any]:
    """r below which h lies: (C1/u)^alpha/2 >= h at u <= 1/2."""
    a, ridge = np.asarray(arrays["alpha"]), np.asarray(arrays["h"])
    first = np.pi / a / np.sin(np.pi / a)
    low = np.minimum(0.5, 0.5 * first * np.maximum(2.0 * ridge, 1e-300) ** (-1.0 / a))
    return np.zeros_like(low), 1.0 - low


def _at_ridge(output: sp.Expr, quantity: str) -> Implicit:
    return Implicit(
        equation=h * (1 - r) ** alpha - C1**alpha * r,
        unknown=r,
        bracket=_ridge_bracket,
        output=output,
        space=Space([ALPHA, BETA, NU, H], [FINITE]),
        quantity=quantity,
        conventions={**CONVENTIONS, "noise": "of variance nu n^(1 - beta)", "ridge": "h n^(1 - alpha), on K itself"},
        derivation=DERIVATION,
        corners=({"h": 0.0}, {"h": 1e-6, "nu": 0.0}, {"h": 100.0}),
    )


RISK = (UNIT * (1 - r) ** (1 - beta) + alpha * nu) / (alpha - (alpha - 1) * (1 - r))
test_error = _at_ridge(RISK, "test error times n^(beta - 1)")
train_error = _at_ridge(r**2 * RISK, "training error times n^(beta - 1)")

_WORTH = alpha - beta + (alpha - 1) * nu / (C_BETA * C1 ** (beta - 1))


def _noise_bracket(**arrays: Any) -> tuple[Any, Any]:
    """As `_unit_interval`."""
    gained = compile_expression(_WORTH, [alpha, beta, nu])(*(arrays[k] for k in ("alpha", "beta", "nu")))
    return np.zeros_like(gained), np.where(gained <= 0.0, 0.0, 1.0)


def with_output(expr: sp.Expr) -> Implicit:
    """Another expression of r and the parameters at the same ridge, for what is wrong."""
    return replace(test_error, output=expr)


best_ridge = Implicit(
    equation=sp.Piecewise((r, sp.Le(_WORTH, 0)), (STATIONARY.xreplace({s: nu / UNIT}), True)),
    unknown=r,
    bracket=_noise_bracket,
    output=(C1 / (1 - r)) ** alpha * r,
    space=Space([ALPHA, BETA, NU], [FINITE]),
    quantity="best ridge over n^(1 - alpha)",
    conventions={**CONVENTIONS, "noise": "of variance nu n^(1 - beta)", "ridge": "h n^(1 - alpha), on K itself"},
    derivation=DERIVATION,
    corners=({"alpha": 2.0, "beta": 1.5, "nu": 0.1}, {"alpha": 2.0, "beta": 3.0, "nu": 0.1}),
)
decay = _closed(1 - beta, Space([ALPHA, BETA], [FINITE]), "exponent of n in the test error")
