r"""Random deep networks near criticality: metric, susceptibilities and four-point vertex, to next order in 1/width.

Model
    z^(1) ~ N(0, K^(1)) in every unit, z^(l+1)_i = b_i + sum_j W_ij phi(z^(l)_j), Var W = C_W/n_l, Var b = C_b.
Result
    Given the layers below, the preactivations of a layer are independent normals of one variance g, so that all of
    their law is that of g: E z^4 = 3 E g^2. To leading order E g = K, K' = C_b + C_W <phi^2>_K, and Var g = V/n. The
    recursions of K, V and of the correction G are in `pdlt_recursion`; the steps below derive them, and solve them in
    the two universality classes:
    - phi = a_+ z above 0, a_- z below: critical at C_b = 0, C_W = 1/A_2 for any K; V^(l+1)/K^2 = nu l, G = 0, with
      nu = 3 A_4/A_2^2 - 1, A_2 = (a_+^2 + a_-^2)/2, A_4 = (a_+^4 + a_-^4)/2; 5 for ReLU, 2 for linear.
    - phi(0) = 0, phi'(0) = s_1 (derivatives s_2, s_3): critical at C_b = 0, C_W = 1/s_1^2 with K* = 0; for a_1 < 0,
      a_1 = s_3/s_1 + (3/4)(s_2/s_1)^2, b_1 = s_3/s_1 + (s_2/s_1)^2: K = 1/(-a_1 l), chi_par = 1 - 2/l,
      chi_perp = 1 - p/l with p = b_1/a_1, V/K^2 = (2/3) l, and tangent kernel lambda_b l/(1 + p) +
      lambda_W s_1^2/(-a_1 p). Corrections are of relative order (log l)/l.
    The slopes of width times excess kurtosis per layer are thus 15 (ReLU), 6 (linear) and 2 (tanh).
    Half-stable points of GELU and swish, with K* > 0: `pdlt_half_stable`; exact moments of g at any width:
    `pdlt_moments`.
Source
    Roberts, Yaida and Hanin (2021), The Principles of Deep Learning Theory, arXiv:2106.10165v2, chapters 4 and 5 (and
    8 for the tangent kernel).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

SOURCE = "Roberts, Yaida and Hanin (2021), chapters 4 and 5"
CONVENTIONS = {
    "K": "variance of preactivations",
    "nu": "V/(K^2 l) at large l: a third of the slope of width times excess kurtosis",
    "depth": "number of hidden layers; the numbers belong to the layer after the last of them",
}
_SLOPE = Interval()
A_PLUS = Parameter("a_plus", _SLOPE, "slope of the activation above 0", default=1.0)
A_MINUS = Parameter("a_minus", _SLOPE, "slope of the activation below 0", default=0.0)
METRIC = Parameter("K", Interval(0, open_low=True), "variance of the first layer's preactivations", default=1.0)
DEPTH = Parameter("depth", Integers(1), "number of hidden layers")
a_plus, a_minus, K, depth = A_PLUS.symbol, A_MINUS.symbol, METRIC.symbol, DEPTH.symbol
A2, A4 = (a_plus**2 + a_minus**2) / 2, (a_plus**4 + a_minus**4) / 2
nu = 3 * A4 / A2**2 - 1
s1, s2, s3 = sp.symbols("s1 s2 s3", real=True, nonzero=True)
a1, b1 = s3 / s1 + sp.Rational(3, 4) * (s2 / s1) ** 2, s3 / s1 + (s2 / s1) ** 2
perpendicular_power = b1 / a1


def average(expr: sp.Expr, z: sp.Symbol, variance: sp.Expr) -> sp.Expr:
    """<polynomial in z>, z ~ N(0, variance), monomial by monomial."""
    poly = sp.Poly(sp.expand(expr), z)
    return sp.Add(*(c * (sp.factorial2(k - 1) * variance ** (k // 2) if k % 2 == 0 else 0) for (k,), c in poly.terms()))


def half_line(power: int, variance: sp.Symbol) -> sp.Expr:
    """Integral over z > 0 of z^power against the density of N(0, variance)."""
    z = sp.Symbol("z", positive=True)
    return sp.Integral(z**power * sp.exp(-(z**2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance), (z, 0, sp.oo))


def _recursion_steps() -> list[Step]:
    z, v = sp.Symbol("z", real=True), sp.Symbol("K", positive=True)
    n, below = sp.symbols("n m", positive=True)
    c = sp.symbols("c0:4", real=True)
    phi = sp.Add(*(p * z**k for k, p in enumerate(c)))
    square = average(phi**2, z, v)
    slope, curvature, V, G, fourth, second, weight = sp.symbols("chi j V G F S C_W", real=True)
    g, delta = sp.symbols("g delta", real=True)
    return [
        Step(
            "susceptibility to the metric",
            square.diff(v),
            sp.expand(average(phi**2 * (z**2 - v), z, v) / (2 * v**2)),
            "the Gaussian density's derivative by its variance (shown for any cubic activation)",
        ),
        Step(
            "the same by parts",
            square.diff(v),
            sp.expand(average(z * phi * phi.diff(z), z, v) / v),
            "chi_par = (C_W/K) <z phi phi'>",
        ),
        Step(
            "curvature of the metric",
            4 * square.diff(v, 2),
            sp.expand(average(phi**2 * (z**4 - 6 * v * z**2 + 3 * v**2), z, v) / v**4),
            "j = 4 C_W d^2<phi^2>/dK^2",
        ),
        Step(
            "susceptibility to a small difference",
            sp.Limit((average((phi.subs(z, z + delta * z) - phi) ** 2, z, v) / delta**2).expand(), delta, 0),
            average(z**2 * phi.diff(z) ** 2, z, v),
            "a small difference meets the slope: chi_perp = C_W <phi'^2> where it is independent of z (here delta z)",
        ),
        Step(
            "law of total variance",
            weight**2 * (fourth - second**2) / n + slope**2 * V / below,
            (weight**2 * (fourth - second**2) + slope**2 * V * n / below) / n,
            "given g, the next g' is C_b + a mean of n independent C_W phi^2, and its mean moves with g by chi_par",
        ),
        Step(
            "next order of the mean",
            sp.diff(slope * g + curvature * g**2 / 8, g).subs(g, 0) * G / below
            + sp.diff(slope * g + curvature * g**2 / 8, g, 2) / 2 * V / below,
            (slope * G + curvature * V / 8) / below,
            "E K'(g) to second order around K, with mean G/m and variance V/m of g - K; K'' = j/4",
        ),
        Step(
            "kurtosis",
            3 * (v**2 + V / n) - 3 * v**2,
            3 * V / n,
            "E z^4 = 3 E g^2: excess kurtosis 3 V/(n K^2)",
        ),
    ]


def _scale_invariant_steps() -> list[Step]:
    v, l = sp.Symbol("K", positive=True), sp.Symbol("l", positive=True, integer=True)
    weight = 1 / A2
    source = weight**2 * (3 * A4 - A2**2) * v**2
    return [
        Step(
            "second moment",
            (a_plus**2 + a_minus**2) * half_line(2, v),
            A2 * v,
            "half of <z^2> on either side",
        ),
        Step("fourth moment", (a_plus**4 + a_minus**4) * half_line(4, v), 3 * A4 * v**2, "half of <z^4> = 3 K^2"),
        Step(
            "tangent kernel",
            (A2 * v * (l + 1)) - (A2 * v * l),
            A2 * v,
            "chi_perp = 1: every layer adds lambda_b + lambda_W A_2 K",
        ),
        Step(
            "slopes", (a_plus**2 + a_minus**2) * half_line(0, v), A2, "chi_perp = C_W A_2 = chi_par: critical at 1/A_2"
        ),
        Step("source of the vertex", source, nu * v**2, "C_W^2 (<phi^4> - <phi^2>^2) at criticality"),
        Step(
            "it accumulates",
            nu * v**2 * (l + 1) - nu * v**2 * l,
            source,
            "chi_par = 1: V^(l+1) = nu K^2 l solves V' = V + source with V = 0 in the first layer",
        ),
        Step("no correction of the mean", (A2 * v).diff(v, 2), sp.S.Zero, "j = 0: G = 0 at any width"),
        Step("ReLU", nu.subs({a_plus: 1, a_minus: 0}), sp.Integer(5), "kurtosis slope 3 nu = 15"),
        Step("linear", nu.subs({a_plus: 1, a_minus: 1}), sp.Integer(2), "kurtosis slope 3 nu = 6"),
    ]


def _zero_steps() -> list[Step]:
    z, v = sp.Symbol("z", real=True), sp.Symbol("K", positive=True)
    l, u = sp.symbols("l u", positive=True)
    bias, rate, t = sp.symbols("lambda_b lambda_W t", positive=True)
    phi = s1 * z + s2 * z**2 / 2 + s3 * z**3 / 6
    weight = 1 / s1**2
    second = sp.expand(weight * average(phi**2, z, v))
    slope = sp.expand(weight * average(phi.diff(z) ** 2, z, v))
    fourth = sp.expand(weight**2 * (average(phi**4, z, v) - average(phi**2, z, v) ** 2))
    p, metric = perpendicular_power, -1 / (a1 * l)

    def order(expr: sp.Expr, k: int) -> sp.Expr:
        return sp.expand(expr).coeff(v, k)

    def next_order(expr: sp.Expr, power: int) -> sp.Expr:
        return sp.limit((expr.subs(l, 1 / u) / u**power).together(), u, 0)

    return [
        Step("critical weights", order(second, 1), sp.S.One, "C_W s_1^2 = 1: K' = K + a_1 K^2 + ..."),
        Step("a_1", order(second, 2), a1, "the next order of C_W <phi^2>; of higher derivatives only s_3 enters"),
        Step("b_1", order(slope, 1), b1, "chi_perp = 1 + b_1 K + ..."),
        Step(
            "the metric decays",
            next_order(metric.subs(l, l + 1) - metric - a1 * metric**2, 2),
            sp.S.Zero,
            "K = 1/(-a_1 l) solves K' - K = a_1 K^2 to the leading order, 1/l^2",
        ),
        Step("chi_par", l * (2 * a1 * metric), sp.Integer(-2), "chi_par = dK'/dK = 1 + 2 a_1 K = 1 - 2/l"),
        Step("chi_perp", l * (b1 * metric), -p, "chi_perp = 1 + b_1 K = 1 - p/l"),
        Step("source of the vertex", order(fourth, 2), sp.Integer(2), "that of a linear network: 2 K^2"),
        Step(
            "vertex",
            next_order(
                (sp.Rational(2, 3) * l * metric**2).subs(l, l + 1)
                - (1 - 4 / l) * sp.Rational(2, 3) * l * metric**2
                - 2 * metric**2,
                2,
            ),
            sp.S.Zero,
            "V = (2/3) l K^2 solves V' = chi_par^2 V + 2 K^2 to the leading order",
        ),
        Step(
            "tangent kernel of the biases",
            bias + (1 - p / l) * bias * l / (1 + p) - bias * (l + 1) / (1 + p),
            sp.S.Zero,
            "Theta' = lambda_b + chi_perp Theta is solved by lambda_b l/(1 + p)",
        ),
        Step(
            "tangent kernel of the weights",
            rate * s1**2 * metric - (p / l) * rate * s1**2 / (-a1 * p),
            sp.S.Zero,
            "lambda_W <phi^2> = lambda_W s_1^2 K balances -(p/l) Theta where Theta is constant",
        ),
        Step(
            "tanh",
            sp.Matrix([a1, b1, p]).subs({s1: 1, s2: 0, s3: -2}).dot(sp.Matrix([1, t, t**2])),
            -2 - 2 * t + t**2,
            "a_1 = b_1 = -2 and p = 1 (as coefficients of 1, t, t^2)",
        ),
    ]


RECURSION = Derivation(SOURCE, _recursion_steps)
SCALE_INVARIANT = Derivation(SOURCE, _scale_invariant_steps)
ZERO_CLASS = Derivation(SOURCE, _zero_steps)
_SLOPES = tuple(Parameter(p.name, Interval(-2, 2), p.meaning, default=p.default) for p in (A_PLUS, A_MINUS))
FIRST, SECOND, THIRD = (
    Parameter("s1", Interval(0, 4, open_low=True), "slope of the activation at 0", default=1.0),
    Parameter("s2", Interval(-4, 4), "second derivative at 0", default=0.0),
    Parameter("s3", Interval(-40, 0, open_high=True), "third derivative at 0", default=-2.0),
)
_DECAYING = Constraint(
    4 * THIRD.symbol * FIRST.symbol + 3 * SECOND.symbol**2 < 0, "a_1 >= 0: the metric grows, there is no K* = 0 class"
)
_OWN = {s1: FIRST.symbol, s2: SECOND.symbol, s3: THIRD.symbol}
_ZERO = Space([FIRST, SECOND, THIRD], [_DECAYING])


def _closed(expr: sp.Expr, space: Space, quantity: str, derivation: Derivation) -> ClosedForm:
    return ClosedForm(
        expr=expr.subs(_OWN), space=space, quantity=quantity, conventions=CONVENTIONS, derivation=derivation
    )


NU = _closed(nu, Space(_SLOPES), "nu, a third of the slope of width times excess kurtosis", SCALE_INVARIANT)
CRITICAL_WEIGHT = _closed(1 / A2, Space(_SLOPES), "critical C_W", SCALE_INVARIANT)
SCALE_INVARIANT_VERTEX = _closed(
    nu * K**2 * depth, Space([*_SLOPES, METRIC, DEPTH]), "V at criticality", SCALE_INVARIANT
)
VERTEX_LIMIT = _closed(sp.Rational(2, 3), Space([]), "limit of V/(K^2 l), K* = 0 class", ZERO_CLASS)
METRIC_LIMIT = _closed(-1 / a1, _ZERO, "limit of l K, K* = 0 class", ZERO_CLASS)
PERPENDICULAR_POWER = _closed(perpendicular_power, _ZERO, "limit of l (1 - chi_perp), K* = 0 class", ZERO_CLASS)


def _limits(s1: Any, s2: Any, s3: Any) -> tuple[np.ndarray, np.ndarray]:
    p = float(PERPENDICULAR_POWER(s1=s1, s2=s2, s3=s3))
    value = np.array([2.0, p])
    return value, 1e-12 * np.abs(value)


POWER_LIMITS = Numerical(
    function=_limits,
    space=_ZERO,
    quantity="limits of l (1 - chi), parallel and perpendicular",
    conventions=CONVENTIONS,
    derivation=ZERO_CLASS,
    formula=r"(2, b_1/a_1)",
)


def _tangent_limits(s1: Any, s2: Any, s3: Any) -> tuple[np.ndarray, np.ndarray]:
    at = {"s1": s1, "s2": s2, "s3": s3}
    p, metric = float(PERPENDICULAR_POWER(**at)), float(METRIC_LIMIT(**at))
    value = np.array([1.0 / (1.0 + p), float(s1) ** 2 * metric / p])
    return value, 1e-12 * np.abs(value)


TANGENT_LIMITS = Numerical(
    function=_tangent_limits,
    space=_ZERO,
    quantity="limits of the tangent kernel: part of lambda_b over l, part of lambda_W",
    conventions=CONVENTIONS,
    derivation=ZERO_CLASS,
    formula=r"(1/(1 + p),\ s_1^2/(-a_1 p))",
)


def _tangent_scale_invariant(a_plus: Any, a_minus: Any, K: Any, depth: Any) -> tuple[np.ndarray, np.ndarray]:
    second = 0.5 * (float(a_plus) ** 2 + float(a_minus) ** 2)
    value = np.array([1.0, second * float(K) * (float(depth) + 1.0)])
    return value, np.spacing(value)


TANGENT_SCALE_INVARIANT = Numerical(
    function=_tangent_scale_invariant,
    space=Space([*_SLOPES, METRIC, DEPTH]),
    quantity="tangent kernel at criticality: part of lambda_b over l, part of lambda_W",
    conventions=CONVENTIONS,
    derivation=SCALE_INVARIANT,
    formula=r"(1,\ A_2 K \ell)",
)
