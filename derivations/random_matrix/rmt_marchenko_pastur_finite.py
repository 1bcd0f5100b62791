r"""Finite sizes of the Marchenko-Pastur law: the 1/p correction, the mean extreme eigenvalues, the hard edge.

Model
    S = X X^T / n, X p x n with real Gaussian entries of variance sigma^2, c = p/n.
Result
    E tr f(S) - p int f drho -> (f(a_-) + f(a_+))/4 - (1/(2 pi)) int_0^pi f(sigma^2 (1 + c + 2 sqrt c cos t)) dt;
    for the resolvent and the log-determinant the correction is, with A, B = lam + a_-, lam + a_+,
    (1/4) (A^(-1/2) - B^(-1/2))^2 and log(sqrt(sqrt A sqrt B) / ((sqrt A + sqrt B)/2)).
    E lambda_max = (sigma^2/n) (mu + TW s) with mu = (sqrt(n - 1/2) + sqrt(p - 1/2))^2,
    s = sqrt(mu) (1/sqrt(n - 1/2) + 1/sqrt(p - 1/2))^(1/3), TW = -1.20653 the mean of the Tracy-Widom law;
    likewise for the smallest. For p = n and unit variance, P(n lambda_min(X X^T) > x) -> exp(-x/2 - sqrt x).
Assumptions
    Real Gaussian entries: complex entries have no 1/p term, other real entries add one from their fourth cumulant.
    c = 1 is allowed for a function f that is smooth at 0, such as the resolvent at lam > 0.
Source
    The loop equation is derived here; the measure is that of Dumitriu and Edelman, J. Math. Phys. 47 (2006) 063302.
    Johnstone, Ann. Statist. 29 (2001) 295, Theorem 1.1, with the centring of Ma, Bernoulli 18 (2012) 322, Theorem 2;
    Bornemann, Math. Comp. 79 (2010) 871, Table 10, for the mean; Edelman, SIAM J. Matrix Anal. Appl. 9 (1988) 543.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as exact
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_numerics as numerics
from theorylab.parameters import Constraint, Interval, Parameter, Space
from theorylab.prediction import ClosedForm

C, LAM, SIGMA, P, CONVENTIONS = law.C, law.LAM, law.SIGMA, exact.P, law.CONVENTIONS
c, lam, sigma, p = law.c, law.lam, law.sigma, exact.p
X = Parameter("x", Interval(0), "n times the smallest eigenvalue of X X^T", default=1.0)
x = X.symbol
# Mean of the Tracy-Widom law of index 1 (Bornemann 2010, Table 10).
TRACY_WIDOM_MEAN = sp.Rational("-1.2065335745820")

_A, _B = lam + law.lower_edge, lam + law.upper_edge
resolvent_correction = (1 / sp.sqrt(_A) - 1 / sp.sqrt(_B)) ** 2 / 4
logdet_correction = sp.log(sp.sqrt(sp.sqrt(_A) * sp.sqrt(_B)) / ((sp.sqrt(_A) + sp.sqrt(_B)) / 2))


def edge_centre_and_scale(p: Any, n: Any, sign: int) -> tuple[sp.Expr, sp.Expr]:
    """Centre and scale of the largest (sign 1) or smallest nonzero (sign -1) eigenvalue of X X^T at sigma = 1."""
    few, many = (sp.sqrt(q - sp.Rational(1, 2)) for q in (p, n))
    if sign > 0:
        return (many + few) ** 2, (many + few) * (1 / many + 1 / few) ** sp.Rational(1, 3)
    return (many - few) ** 2, sp.Abs(many - few) * sp.Abs(1 / few - 1 / many) ** sp.Rational(1, 3)


def mean_extreme(p: Any, n: Any, sign: int) -> sp.Expr:
    """Mean of the largest (sign 1) or smallest nonzero (sign -1) eigenvalue of S = X X^T / n at sigma = 1."""
    centre, scale = edge_centre_and_scale(p, n, sign)
    return (centre + sign * TRACY_WIDOM_MEAN * scale) / n


def _loop_steps() -> list[Step]:
    y = sp.Symbol("y", real=True)
    m, m2, m1 = sp.symbols("m m2 m1", positive=True)
    t = sp.Symbol("t", positive=True)
    gauss = sp.exp(-(y**2) / (2 * sigma**2)) / (sp.sqrt(2 * sp.pi) * sigma)
    r, s = 1 / (y**2 + lam), y**2
    # The loop equation divided by p, at m + m1/p, to first order in 1/p.
    loop = (1 - lam * m) - sigma**2 * m + sigma**2 * c * m * (1 - lam * m)
    linear = m1 * loop.diff(m) + sigma**2 * c * (m - lam * m2)
    solved = sp.solve(linear, m1)[0].subs(m2, law.squared_resolvent).subs(m, law.resolvent)
    circle = lam + sigma**2 * (1 + c + 2 * sp.sqrt(c) * sp.cos(t))
    return [
        Step(
            "Gaussian integration by parts",
            (s * r - sigma**2 * (r - s * r**2 - s * r * r)) * gauss,
            sp.Derivative(-(sigma**2) * y * r * gauss, y),
            "a total derivative, whose integral vanishes. For every p and n so E tr SR = "
            "sigma^2 E [tr R - tr(S R^2)/n - tr(SR) tr R/n], R = (S + lam)^-1 (shown for p = n = 1, S = y^2); for "
            "complex entries the middle term is absent",
        ),
        Step(
            "leading order",
            (-loop).subs(m, law.resolvent),
            sp.S.Zero,
            "tr SR = p - lam tr R, and Var tr R = O(1): as p -> infinity this is the self-consistent equation",
        ),
        Step(
            "first order",
            solved,
            resolvent_correction,
            "the middle term, (sigma^2 c/p)(m - lam m_2), is of order 1/p: solve the linearised equation",
        ),
        Step(
            "as a measure",
            1 / (4 * _A) + 1 / (4 * _B) - sp.Integral(1 / circle, (t, 0, sp.pi)) / (2 * sp.pi),
            resolvent_correction,
            "(delta(x - a_-) + delta(x - a_+))/4 - 1/(2 pi sqrt((a_+ - x)(x - a_-))) has this law.resolvent",
            where={c: (0.3, 0.9), lam: (0.3, 2), sigma: (0.8, 1.2)},
            method="50 digits",
        ),
        Step(
            "log-determinant",
            logdet_correction.diff(lam),
            resolvent_correction,
            "d/dlam tr log(S + lam) = tr (S + lam)^-1",
            where={c: (0.2, 0.8)},
            method="50 digits",
        ),
        Step(
            "constant",
            sp.Limit(logdet_correction.subs({c: sp.Rational(1, 4), sigma: 1}), lam, sp.oo),
            sp.S.Zero,
            "the correction has no total mass (at c = 1/4, sigma = 1)",
        ),
        Step(
            "second moment",
            (law.lower_edge**2 + law.upper_edge**2) / 4 - sp.Integral((circle - lam) ** 2, (t, 0, sp.pi)) / (2 * sp.pi),
            c * sigma**4,
            "f = x^2 gives p times the term 1/n of E (1/p) tr S^2 = sigma^4 (1 + (p + 1)/n)",
        ),
    ]


def _edge_steps() -> list[Step]:
    n, v = sp.symbols("n v", positive=True)
    location = -1 / v + c / (1 + v)
    steps = []
    for sign, edge in ((1, law.upper_edge), (-1, law.lower_edge)):
        centre, scale = (
            q.subs({sp.sqrt(n - sp.Rational(1, 2)): sp.sqrt(n), sp.sqrt(c * n - sp.Rational(1, 2)): sp.sqrt(c * n)})
            for q in edge_centre_and_scale(c * n, n, sign)
        )
        curvature = sp.Abs(location.diff(v, 2).subs(v, -1 / (1 + sign * sp.sqrt(c)))) / 2
        steps += [
            Step(
                f"centre, sign {sign:+d}",
                centre / n,
                edge.subs(sigma, 1),
                "to leading order the centre of the Tracy-Widom fluctuation is the edge",
                where={c: (0.1, 0.9)},
            ),
            Step(
                f"scale, sign {sign:+d}",
                scale / n,
                n ** sp.Rational(-2, 3) * curvature ** sp.Rational(1, 3),
                "the edge is a square root in v of curvature z''(v): fluctuations n^(-2/3) (|z''|/2)^(1/3) TW",
                where={c: (0.1, 0.9)},
                method="50 digits",
            ),
        ]
    return steps


def _hard_steps() -> list[Step]:
    y = sp.Symbol("y", positive=True)
    return [
        Step(
            "distribution function",
            sp.Integral((1 + sp.sqrt(y)) / (2 * sp.sqrt(y)) * sp.exp(-(y / 2 + sp.sqrt(y))), (y, 0, x)),
            1 - sp.exp(-x / 2 - sp.sqrt(x)),
            "Edelman (1988): n lambda_min(X X^T) has the limiting density (1 + sqrt y) e^-(y/2 + sqrt y) / (2 sqrt y)",
            where={x: (0.2, 4)},
        )
    ]


def _roots(c: Any, lam: Any, sigma: Any) -> tuple[Any, Any, Any]:
    """sqrt A, sqrt B and their difference, without cancellation."""
    a = np.sqrt(lam + numerics.lower_edge(c=c, sigma=sigma))
    b = np.sqrt(lam + (sigma * (1.0 + np.sqrt(c))) ** 2)
    return a, b, 4.0 * np.sqrt(c) * sigma**2 / (a + b)


def _resolvent_trace(*, p: Any, c: Any, lam: Any, sigma: Any) -> np.ndarray:
    a, b, difference = _roots(c, lam, sigma)
    return np.asarray(p * numerics.resolvent(c=c, lam=lam, sigma=sigma) + (difference / (a * b)) ** 2 / 4.0)


def _bottom_mean(*, p: Any, c: Any, sigma: Any) -> np.ndarray:
    n = p / c
    few, many = np.sqrt(p - 0.5), np.sqrt(n - 0.5)
    gap = np.abs(p * (1.0 - c) / c) / (few + many)
    scale = gap * (gap / (few * many)) ** (1.0 / 3.0)
    return np.asarray(sigma**2 * (gap**2 - float(TRACY_WIDOM_MEAN) * scale) / np.cbrt(n))


def _logdet_trace(*, p: Any, c: Any, lam: Any, sigma: Any) -> np.ndarray:
    a, b, difference = _roots(c, lam, sigma)
    correction = -0.5 * np.log1p(difference**2 / (4.0 * a * b))
    return np.asarray(p * numerics.log_determinant(c=c, lam=lam, sigma=sigma) + correction)


_REAL = {**CONVENTIONS, "entries": "real Gaussian"}
_LOOP = Derivation("loop equation by Gaussian integration by parts", _loop_steps)
_CORNERS = (
    {"p": 8, "c": 1.0, "lam": 1e-9},
    {"p": 8, "c": 1 + 1e-9, "lam": 1e-9},
    {"p": 100, "c": 1e-9, "lam": 1.0},
    {"p": 3, "c": 0.5, "lam": 1e9},
    {"p": 3, "c": 1e6, "lam": 1e-6},
)
RESOLVENT_TRACE = ClosedForm(
    expr=p * law.resolvent + resolvent_correction,
    numeric=_resolvent_trace,
    space=Space([P, C, LAM, SIGMA]),
    quantity="E tr (S + lam)^-1",
    conventions=_REAL,
    derivation=_LOOP,
    corners=_CORNERS,
)
LOGDET_TRACE = ClosedForm(
    expr=p * law.log_determinant + logdet_correction,
    numeric=_logdet_trace,
    space=Space([P, C, LAM, SIGMA]),
    quantity="E log det (S + lam)",
    conventions=_REAL,
    derivation=_LOOP,
    corners=_CORNERS,
)
_SIZED = Space([P, C, SIGMA], [Constraint(p >= c, "n = p/c must be at least 1: take p >= c")])
_SCALED = {**_REAL, "scale": "multiplied by n^(2/3), n = p/c: the edges fluctuate like n^(-2/3)"}
_EDGE = Derivation("Johnstone (2001), Theorem 1.1; Ma (2012), Theorem 2", _edge_steps)
TOP_MEAN = ClosedForm(
    expr=sigma**2 * (p / c) ** sp.Rational(2, 3) * mean_extreme(p, p / c, 1),
    space=_SIZED,
    quantity="n^(2/3) E lambda_max",
    conventions=_SCALED,
    derivation=_EDGE,
)
BOTTOM_MEAN = ClosedForm(
    expr=sigma**2 * (p / c) ** sp.Rational(2, 3) * mean_extreme(p, p / c, -1),
    numeric=_bottom_mean,
    space=Space([P, C, SIGMA], [*_SIZED.constraints, Constraint(sp.Ne(c, 1), "for c = 1 the lower edge is hard")]),
    quantity="n^(2/3) E lambda_min",
    conventions={**_SCALED, "lambda_min": "the smallest of the min(p, n) nonzero eigenvalues"},
    derivation=_EDGE,
    corners=({"p": 50, "c": 1 + 1e-9}, {"p": 50, "c": 1 - 1e-6}, {"p": 1, "c": 1e-6}),
)
HARD_EDGE = ClosedForm(
    expr=1 - sp.exp(-x / 2 - sp.sqrt(x)),
    numeric=lambda *, x: -np.expm1(-(x / 2.0 + np.sqrt(x))),
    space=Space([X]),
    quantity="P(n lambda_min(X X^T) <= x)",
    conventions={"X": "square, n x n, real Gaussian with unit variance; X X^T is not divided by n"},
    derivation=Derivation("Edelman (1988)", _hard_steps),
    corners=({"x": 1e-14}, {"x": 0.0}, {"x": 700.0}),
)
