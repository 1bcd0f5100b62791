r"""Ridge regression with isotropic features in the proportional limit.

Model
    $x_i$ of $p$ independent entries with mean 0 and variance 1, $i = 1..n$; $y = X \beta + \varepsilon$, noise of
    variance $\sigma^2$; $\hat\beta = (X^T X/n + \lambda)^{-1} X^T y/n$; $n, p \to \infty$ at $p/n = \gamma$, with
    $\|\beta\|^2 = r^2$ fixed.
Result
    With $m$ the Stieltjes transform of the Marchenko-Pastur law at $-\lambda$,
    $\gamma \lambda m^2 + (1 - \gamma + \lambda) m = 1$, and $D = -m'$:

    - bias $r^2 \lambda^2 D$, variance $\sigma^2 \gamma (m - \lambda D)$, excess risk their sum;
    - degrees of freedom per sample $\gamma (1 - \lambda m)$;
    - training error $(1 - \gamma (1 - \lambda m))^2$ (excess risk + $\sigma^2$): generalized cross-validation is right;
    - the best ridge is $\lambda^* = \sigma^2 \gamma/r^2$, at every size and for every design; the excess risk there,
      $R = \sigma^2 \gamma m(\lambda^*)$, has the slope $r^2 R^2 / (\gamma^2 (R^2 + \sigma^2 r^2)) > 0$ in $\gamma$: no
      double descent.

    In terms of $q = \sqrt{(1-\gamma)^2 + 2 \lambda (1 + \gamma) + \lambda^2}$, $m = (q - (1 - \gamma + \lambda)) /
    (2 \gamma \lambda)$, nothing is singular at $\lambda = 0$ but for $\gamma = 1$, and no digits cancel:
    variance $2 \sigma^2 \gamma / (q (1 + \gamma + \lambda + q))$, for instance.
Assumptions
    Real entries with enough moments; isotropic features, so that the direction of $\beta$ does not matter.
Sources
    L. Dicker, Bernoulli 22 (2016) 1-37; E. Dobriban and S. Wager, arXiv:1507.03003v2, Theorem 2.1 and section 2.1; T.
    Hastie, A. Montanari, S. Rosset, R. Tibshirani, arXiv:1903.08560v5, section 6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.double_descent.gaussian_ols_exact import GAMMA, R2, SIGMA2, N
from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.parameters import Constraint, Interval, Parameter, Space
from theorylab.prediction import ClosedForm

LAM = Parameter("lam", Interval(0.0), "ridge: lam I is added to X^T X / n", default=0.1)
gamma, lam, sigma2, r2 = (parameter.symbol for parameter in (GAMMA, LAM, SIGMA2, R2))
__all__ = ["GAMMA", "LAM", "R2", "SIGMA2", "N"]

DOBRIBAN = "Dobriban and Wager, arXiv:1507.03003v2, Theorem 2.1"
HASTIE = "Hastie, Montanari, Rosset, Tibshirani, arXiv:1903.08560v5, section 6"

resolvent = law.resolvent.subs({law.c: gamma, law.sigma: 1, law.lam: lam})
squared_resolvent = -resolvent.diff(lam)

_root = sp.sqrt((1 - gamma) ** 2 + 2 * lam * (1 + gamma) + lam**2)
_half, _sum = 1 - gamma + lam, 1 + gamma + lam
_inner = (1 - gamma) ** 2 + lam * (1 + gamma)
# Twice gamma times the bias is inner/root - (1 - gamma): a difference below gamma = 1, a sum above.
_bias_few = 2 * r2 * lam**2 / (_root * (_inner + (1 - gamma) * _root))
_bias_many = r2 * (_inner + (gamma - 1) * _root) / (2 * gamma * _root)
_kept_few = (_half + _root) / (_sum + _root)
_kept_many = 4 * gamma * lam / ((_root - _half) * (_sum + _root))

bias = sp.Piecewise((_bias_few, gamma <= 1), (_bias_many, True))
variance = 2 * sigma2 * gamma / (_root * (_sum + _root))
degrees = 2 * gamma / (_sum + _root)
excess = bias + variance
# One minus the degrees of freedom per sample.
kept = sp.Piecewise((_kept_few, _half >= 0), (_kept_many, True))

best = sigma2 * gamma / r2
_best_root, _best_half = _root.subs(lam, best), _half.subs(lam, best)
_best_few, _best_many = 2 * sigma2 * gamma / (_best_half + _best_root), r2 * (_best_root - _best_half) / (2 * gamma)
best_excess = sp.Piecewise((_best_few, _best_half > 0), (_best_many, True))


def slope_of(risk: sp.Expr) -> sp.Expr:
    """Derivative with respect to gamma of the risk at the best ridge, in terms of that risk."""
    return r2 * risk**2 / (gamma**2 * (risk**2 + sigma2 * r2))


_RANGES = {gamma: (0.2, 0.9), lam: (0.1, 2), sigma2: (0.2, 2), r2: (0.2, 2)}
_ABOVE = {**_RANGES, gamma: (1.1, 4)}


def _resolvent_steps() -> list[Step]:
    m = sp.Symbol("m", positive=True)
    quadratic = gamma * lam * m**2 + _half * m - 1
    return [
        Step(
            "the resolvent's equation",
            quadratic.subs(m, resolvent),
            sp.S.Zero,
            "the Marchenko-Pastur law at unit variance and c = gamma; see random_matrix/rmt-marchenko-pastur",
            where=_RANGES,
        ),
        Step(
            "its branch",
            sp.Limit(resolvent.subs(lam, 1), gamma, 0, "+"),
            sp.Rational(1, 2),
            "m -> 1/(1 + lam) as gamma -> 0, when S -> I (at lam = 1)",
        ),
        Step(
            "its derivative",
            (resolvent * (1 + gamma * resolvent)) / (_half + 2 * gamma * lam * resolvent),
            squared_resolvent,
            "differentiate the equation: D = -m' = m (1 + gamma m)/(1 - gamma + lam + 2 gamma lam m)",
            where=_RANGES,
            method="50 digits",
        ),
    ]


def bias_steps() -> list[Step]:
    """The bias."""
    s, b = sp.symbols("s b", positive=True)
    value = r2 * lam**2 * squared_resolvent
    return [
        *_resolvent_steps(),
        Step(
            "one eigenvalue",
            (s / (s + lam) * b - b) ** 2,
            lam**2 * b**2 / (s + lam) ** 2,
            "along an eigenvector of S = X^T X/n the signal is shrunk by s/(s + lam); by isotropy a fixed beta has "
            "r2/p on each, so that the bias is r2 lam^2 (1/p) tr (S + lam)^-2 -> r2 lam^2 D",
        ),
        Step("below", value, _bias_few, "insert m, gamma <= 1", where=_RANGES, method="50 digits"),
        Step("above", value, _bias_many, "insert m, gamma > 1", where=_ABOVE, method="50 digits"),
    ]


def variance_steps() -> list[Step]:
    """The variance."""
    s = sp.Symbol("s", positive=True)
    return [
        *_resolvent_steps(),
        Step(
            "one eigenvalue",
            s / (s + lam) ** 2,
            1 / (s + lam) - lam / (s + lam) ** 2,
            "the noise gives (sigma2/n) tr S (S + lam)^-2 -> sigma2 gamma (m - lam D)",
        ),
        Step(
            "as a derivative",
            resolvent - lam * squared_resolvent,
            sp.Derivative(lam * resolvent, lam),
            "D = -m'",
            where=_RANGES,
        ),
        Step(
            "variance",
            sigma2 * gamma * (resolvent - lam * squared_resolvent),
            variance,
            "insert m",
            where=_ABOVE,
            method="50 digits",
        ),
    ]


def degrees_steps() -> list[Step]:
    """Degrees of freedom."""
    s = sp.Symbol("s", positive=True)
    return [
        Step(
            "one eigenvalue",
            s / (s + lam),
            1 - lam / (s + lam),
            "tr X (X^T X + n lam)^-1 X^T / n = (1/n) tr S (S + lam)^-1 -> gamma (1 - lam m)",
        ),
        Step(
            "degrees of freedom",
            gamma * (1 - lam * resolvent),
            degrees,
            "insert m",
            where=_RANGES,
            method="50 digits",
        ),
        Step("kept, below", 1 - degrees, _kept_few, "one minus that", where=_RANGES, method="50 digits"),
        Step("kept, above", 1 - degrees, _kept_many, "the same number", where=_ABOVE, method="50 digits"),
    ]


def spectral_training(m: sp.Expr) -> sp.Expr:
    """The training error from the companion spectrum, for m as a function of lam."""
    companion = gamma * m + (1 - gamma) / lam
    square = -companion.diff(lam)
    return r2 / gamma * lam**2 * (companion - lam * square) + sigma2 * lam**2 * square


def training_steps() -> list[Step]:
    """The training error, and with it generalized cross-validation."""
    g, signal = sp.symbols("g signal", positive=True)
    return [
        *degrees_steps(),
        Step(
            "one eigenvalue",
            (signal + sigma2) * (1 - g / (g + lam)) ** 2,
            (signal + sigma2) * lam**2 / (g + lam) ** 2,
            "along an eigenvector of X X^T/n with eigenvalue g the labels, of variance signal + sigma2, are fitted by "
            "the part g/(g + lam); signal = r2 n g/p. The companion transform is gamma m + (1 - gamma)/lam",
        ),
        *(
            Step(
                f"factor, {name}",
                spectral_training(resolvent),
                (inner * (excess_here + sigma2)),
                "the excess risk comes out, with the square of 1 - df/n",
                where=where,
                method="50 digits",
            )
            for name, inner, excess_here, where in (
                ("below", _kept_few**2, _bias_few + variance, _RANGES),
                ("above", _kept_many**2, _bias_many + variance, _ABOVE),
            )
        ),
    ]


def best_steps() -> list[Step]:
    """The best ridge and the risk there."""
    s = sp.Symbol("s", positive=True)
    risk = sp.Symbol("R", positive=True)
    at_best = resolvent.subs(lam, best)
    quadratic = risk**2 / r2 + risk * (1 / gamma - 1 + sigma2 / r2) - sigma2
    return [
        Step(
            "slope in lam",
            sp.Derivative(r2 * lam**2 / (s + lam) ** 2 + sigma2 * gamma * s / (s + lam) ** 2, lam),
            2 * s * (r2 * lam - sigma2 * gamma) / (s + lam) ** 3,
            "bias and variance of one eigenvalue: each is smallest at lam = sigma2 gamma/r2, at every size",
        ),
        Step(
            "risk there",
            (r2 * lam**2 * squared_resolvent + sigma2 * gamma * (resolvent - lam * squared_resolvent)).subs(lam, best),
            sigma2 * gamma * at_best,
            "the two terms in D cancel",
            where=_RANGES,
            method="50 digits",
        ),
        Step("below", sigma2 * gamma * at_best, _best_few, "insert m", where=_RANGES, method="50 digits"),
        Step("above", sigma2 * gamma * at_best, _best_many, "the same number", where=_ABOVE, method="50 digits"),
        Step(
            "equation of the risk",
            quadratic.subs(risk, _best_many),
            sp.S.Zero,
            "the resolvent's equation at m = R/(sigma2 gamma) and the best ridge",
            where=_ABOVE,
        ),
        Step(
            "slope in gamma",
            -quadratic.diff(gamma) / quadratic.diff(risk),
            risk / (gamma**2 * (2 * risk / r2 + 1 / gamma - 1 + sigma2 / r2)),
            "implicit differentiation",
        ),
        Step(
            "its sign",
            (risk / (gamma**2 * (risk / r2 + sigma2 / risk))),
            slope_of(risk),
            "by the equation of the risk 1/gamma - 1 + sigma2/r2 = sigma2/R - R/r2: positive term by term, so that the "
            "risk rises with gamma",
        ),
    ]


def _stable_root(gamma: Any, lam: Any) -> tuple[Any, Any]:
    """The root and 1 - gamma + lam, the latter with the difference taken first."""
    return np.sqrt((1.0 - gamma) ** 2 + 2.0 * lam * (1.0 + gamma) + lam**2), (1.0 - gamma) + lam


def _numeric_excess(*, gamma: Any, lam: Any, sigma2: Any, r2: Any) -> np.ndarray:
    root, _ = _stable_root(gamma, lam)
    inner = (1.0 - gamma) ** 2 + lam * (1.0 + gamma)
    few = 2.0 * lam**2 / (root * (inner + (1.0 - gamma) * root))
    many = (inner + (gamma - 1.0) * root) / (2.0 * gamma * root)
    noise = 2.0 * sigma2 * gamma / (root * (1.0 + gamma + lam + root))
    return np.asarray(r2 * np.where(gamma <= 1.0, few, many) + noise)


def _numeric_training(*, gamma: Any, lam: Any, sigma2: Any, r2: Any) -> np.ndarray:
    root, half = _stable_root(gamma, lam)
    free = np.where(half >= 0, half + root, 4.0 * gamma * lam / np.where(half < 0, root - half, 1.0))
    test = _numeric_excess(gamma=gamma, lam=lam, sigma2=sigma2, r2=r2) + sigma2
    return np.asarray((free / (1.0 + gamma + lam + root)) ** 2 * test)


def _numeric_best(*, gamma: Any, sigma2: Any, r2: Any) -> np.ndarray:
    root, half = _stable_root(gamma, sigma2 * gamma / r2)
    few = 2.0 * sigma2 * gamma / np.where(half > 0, half + root, 1.0)
    return np.asarray(np.where(half > 0, few, r2 * (root - half) / (2.0 * gamma)))


def _numeric_slope(*, gamma: Any, sigma2: Any, r2: Any) -> np.ndarray:
    risk = _numeric_best(gamma=gamma, sigma2=sigma2, r2=r2)
    return np.asarray(r2 * risk**2 / (gamma**2 * (risk**2 + sigma2 * r2)))


FINITE = Constraint(
    sp.Or(lam > 0, sp.Ne(gamma, 1)),
    "without ridge the variance, and with it the risk, diverges at the interpolation threshold gamma = 1: take lam > 0",
)
SIGNAL = Constraint(r2 > 0, "without a signal the best ridge is infinite")
NOISE = Constraint(sigma2 > 0, "without noise the best ridge is 0, and the slope jumps at gamma = 1")
CONVENTIONS = {
    "ratio": "gamma = p/n, features per sample",
    "ridge": "lam I is added to X^T X / n: raw penalty n lam |beta|^2 beside |y - X beta|^2",
    "error": "full squared error, no factor 1/2",
    "excess risk": "label noise not included",
}
NOISY = {**CONVENTIONS, "training and test error": "label noise included; training error divided by n"}
CORNERS = (
    {"gamma": 1.0, "lam": 1e-12},
    {"gamma": 1.0, "lam": 1e-18},
    {"gamma": 1 - 2.0**-40, "lam": 0.0},
    {"gamma": 1 + 2.0**-40, "lam": 0.0},
    {"gamma": 1 + 2.0**-40, "lam": 1e-14},
    {"gamma": 0.5, "lam": 0.0},
    {"gamma": 0.5, "lam": 1e-12},
    {"gamma": 2.0, "lam": 1e-12},
    {"gamma": 1e-9, "lam": 1e-6},
    {"gamma": 1e-9, "lam": 1e6},
    {"gamma": 1e9, "lam": 1e-6},
    {"gamma": 1e6, "lam": 999_999.0},
    {"gamma": 2.0, "lam": 1e9},
)

bias_risk = ClosedForm(
    expr=bias,
    space=Space([GAMMA, LAM, R2], [FINITE]),
    quantity="bias",
    conventions=CONVENTIONS,
    derivation=Derivation(HASTIE, bias_steps),
    corners=CORNERS,
)
variance_risk = ClosedForm(
    expr=variance,
    space=Space([GAMMA, LAM, SIGMA2], [FINITE]),
    quantity="variance",
    conventions=CONVENTIONS,
    derivation=Derivation(HASTIE, variance_steps),
    corners=CORNERS,
)
_RISK = Space([GAMMA, LAM, SIGMA2, R2], [FINITE])
excess_risk = ClosedForm(
    expr=excess,
    space=_RISK,
    quantity="excess risk",
    conventions=CONVENTIONS,
    derivation=Derivation(HASTIE, lambda: [*bias_steps(), *variance_steps()[3:]]),
    corners=CORNERS,
)
degrees_of_freedom = ClosedForm(
    expr=degrees,
    space=Space([GAMMA, LAM]),
    quantity="degrees of freedom per sample",
    conventions=CONVENTIONS,
    derivation=Derivation("trace of the smoother", degrees_steps),
    corners=(*CORNERS, {"gamma": 1.0, "lam": 0.0}),
)
training_error = ClosedForm(
    expr=kept**2 * (excess + sigma2),
    numeric=_numeric_training,
    space=_RISK,
    quantity="training error",
    conventions=NOISY,
    derivation=Derivation("the companion spectrum", training_steps),
    corners=CORNERS,
)
test_error = ClosedForm(
    expr=excess + sigma2,
    space=_RISK,
    quantity="test error",
    conventions=NOISY,
    derivation=excess_risk.derivation,
    corners=CORNERS,
)
_BEST_CORNERS = (
    {"gamma": 1.0, "sigma2": 1e-12},
    {"gamma": 1.0, "sigma2": 1e-18},
    {"gamma": 1 - 2.0**-40, "sigma2": 1e-9},
    {"gamma": 1e-9},
    {"gamma": 1e9},
    {"gamma": 3.0, "sigma2": 1e-9},
    {"gamma": 3.0, "r2": 0.75},
    {"gamma": 0.5, "sigma2": 1e9},
)
best_ridge = ClosedForm(
    expr=best,
    space=Space([GAMMA, SIGMA2, R2], [SIGNAL]),
    quantity="ridge of smallest risk",
    conventions=CONVENTIONS,
    derivation=Derivation(DOBRIBAN, best_steps),
)
best_excess_risk = ClosedForm(
    expr=best_excess,
    numeric=_numeric_best,
    space=Space([GAMMA, SIGMA2, R2], [SIGNAL]),
    quantity="excess risk at the best ridge",
    conventions=CONVENTIONS,
    derivation=Derivation(DOBRIBAN, best_steps),
    corners=(
        *_BEST_CORNERS,
        {"gamma": 1.0, "sigma2": 0.0},
        {"gamma": 0.5, "sigma2": 0.0},
        {"gamma": 2.0, "sigma2": 0.0},
    ),
)
best_slope = ClosedForm(
    expr=slope_of(best_excess),
    numeric=_numeric_slope,
    space=Space([GAMMA, SIGMA2, R2], [SIGNAL, NOISE]),
    quantity="slope of the excess risk at the best ridge",
    conventions=CONVENTIONS,
    derivation=Derivation("implicit differentiation", best_steps),
    corners=_BEST_CORNERS,
)
