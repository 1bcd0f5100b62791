r"""The bias of parabolas fitted to curves of equal compute ("Approach 2").

Model
    L(N, D) = E + A N^-a + B D^-b at fixed C = 6 N D. The losses at n equispaced values of u = ln(N/N*) in [-w, w], both
    ends included and centred on the compute-optimal size N*, are fitted by a parabola in u (least squares, unweighted,
    of L and not of its logarithm); its vertex estimates ln N*.
Result
    L - L* = A N*^-a g(u), g(u) = e^(-au) - 1 + (a/b)(e^(bu) - 1), so that the vertex is a function of a, b, w and n
    alone: whatever the compute, the fitted exponent of N* is b/(a+b) without bias, and ln N* is off by a constant.
    With S(c) = sum cosh(c u) = sinh(n c h/2)/sinh(c h/2), h = 2w/(n-1), m_k the mean of u^k, vertex = -(1/2) [(a/b)
    S'(b) - S'(a)] (m_4 - m_2^2)/m_2 / [S''(a) + (a/b) S''(b) - m_2 (S(a) + (a/b) S(b))]. For small w it is -(b-a) w^2
    (3n^2-7)/(30 (n-1)^2), -(b-a) w^2/10 on a dense grid; it is zero just when a = b.
Assumptions
    Noise-free losses (noise changes the mean vertex to second order only); the grid is centred on N*.
Source
    The procedure: Hoffmann et al., arXiv:2203.15556v1, section 3.2. The bias: least squares of the exact curve.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.parameters import Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0, open_low=True)
a_ = Parameter("a", Interval(0.05, 1.5), "exponent of the model size", default=0.34)
b_ = Parameter("b", Interval(0.05, 1.5), "exponent of the token count", default=0.28)
w_ = Parameter("w", Interval(1e-3, 4), "half-width of the grid in ln N", default=2.302585092994046)
n_ = Parameter("n", Integers(3, 200), "model sizes on the grid", default=15)
CONSTANTS = (
    Parameter("A", POSITIVE, "coefficient of the model-size term", default=406.0),
    Parameter("B", POSITIVE, "coefficient of the token term", default=411.0),
    Parameter("E", Interval(0), "irreducible loss", default=1.7, unit="nats per token"),
)
C_ = Parameter("C", POSITIVE, "compute", default=1e21, unit="flops")
a, b, w, n = (p.symbol for p in (a_, b_, w_, n_))

CONVENTIONS = {
    "u": "ln(N/N*), natural logarithm; a decade is ln 10",
    "fit": "unweighted least squares of L by a parabola in u over n equispaced points, ends included",
    "shift": "ln of the fitted over the true optimal size",
}
SOURCE = "Hoffmann et al., arXiv:2203.15556v1, section 3.2 (the procedure)"

_c, _u = sp.symbols("c u", positive=True)
_h = 2 * w / (n - 1)
_m2 = w**2 * (n + 1) / (3 * (n - 1))
_m4 = w**4 * (n + 1) * (3 * n**2 - 7) / (15 * (n - 1) ** 3)


def _sum(c: sp.Expr, order: int) -> sp.Expr:
    return sp.diff(sp.sinh(n * _c * _h / 2) / sp.sinh(_c * _h / 2), _c, order).subs(_c, c)


_slope = (a / b * _sum(b, 1) - _sum(a, 1)) / (n * _m2)
_curvature = (_sum(a, 2) + a / b * _sum(b, 2) - _m2 * (_sum(a, 0) + a / b * _sum(b, 0))) / (n * (_m4 - _m2**2))
_leading = -(b - a) * (3 * n**2 - 7) / (30 * (n - 1) ** 2)


def _steps() -> list[Step]:
    i = sp.Symbol("i", integer=True, nonnegative=True)
    node = -w + i * _h
    five = {n: 5}
    beta = sp.symbols("beta0:3", real=True)
    g = sp.Function("g")
    points = [node.subs({**five, i: j}) for j in range(5)]
    error = sum((beta[0] + beta[1] * x + beta[2] * x**2 - g(x)) ** 2 for x in points)
    solved = sp.solve([sp.diff(error, v) for v in beta], beta)
    second, fourth = (m.subs(five) for m in (_m2, _m4))
    return [
        Step("second moment", sp.Sum(node**2, (i, 0, n - 1)).doit() / n, _m2, "of the grid"),
        Step("fourth moment", sp.Sum(node**4, (i, 0, n - 1)).doit() / n, _m4, "of the grid"),
        Step(
            "slope of the fit",
            solved[beta[1]],
            sum(x * g(x) for x in points) / (5 * second),
            "normal equations; odd and even powers of u do not mix on a symmetric grid (here for five points)",
        ),
        Step(
            "curvature of the fit",
            solved[beta[2]],
            sum((x**2 - second) * g(x) for x in points) / (5 * (fourth - second**2)),
            "and u^2 less its mean is orthogonal to a constant: the constants in g drop out",
        ),
        Step(
            "sum of the grid",
            sum(sp.cosh(_c * x) for x in points),
            sp.sinh(5 * _c * w / 4) / sp.sinh(_c * w / 4),
            "a geometric series; sum u sinh(cu) and sum u^2 cosh(cu) are its derivatives in c (here for five points)",
            where={w: (0.5, 2)},
            method="50 digits",
        ),
    ]


def _leading_steps() -> list[Step]:
    order = sp.exp(-a * _u) - 1 + a / b * (sp.exp(b * _u) - 1)
    third = sp.diff(order, _u, 3).subs(_u, 0) / 6
    second = sp.diff(order, _u, 2).subs(_u, 0) / 2
    return [
        *_steps()[:2],
        Step("no slope at the optimum", sp.diff(order, _u).subs(_u, 0), sp.S.Zero, "L is least at u = 0"),
        Step("second order", second, a * (a + b) / 2, "Taylor coefficient of u^2"),
        Step("third order", third, a * (b**2 - a**2) / 6, "Taylor coefficient of u^3"),
        Step(
            "slope of u^3",
            _m4 / _m2,
            w**2 * (3 * n**2 - 7) / (5 * (n - 1) ** 2),
            "projection of u^3 on u",
        ),
        Step("vertex", -third * _m4 / _m2 / (2 * second), _leading * w**2, "-slope/(2 curvature) to leading order"),
        Step("dense grid", sp.Limit(_leading, n, sp.oo), -(b - a) / 10, "the projection of u^3 tends to (3/5) w^2 u"),
    ]


def _exponent_steps() -> list[Step]:
    A, B, C, N = sp.symbols("A B C N", positive=True)
    best = sp.Symbol("N_best", positive=True)
    loss = A * N**-a + B * (C / (6 * N)) ** -b
    shifted = loss.subs(N, best * sp.exp(_u)) - loss.subs(N, best)
    balanced = a * A * best**-a / (b * (C / (6 * best)) ** -b)
    return [
        Step(
            "the compute drops out",
            shifted.subs(B, balanced),
            A * best**-a * (sp.exp(-a * _u) - 1 + a / b * (sp.exp(b * _u) - 1)),
            "at N* both marginal gains are equal: L - L* is a factor times a function of u, which moves no vertex",
        ),
        Step("exponent", sp.diff(b * sp.log(C) / (a + b) + _u, C) * C, b / (a + b), "ln N* plus a constant shift"),
    ]


def _vertex(a: np.ndarray, b: np.ndarray, w: np.ndarray, n: np.ndarray) -> np.ndarray:
    columns = np.broadcast_arrays(a, b, w, n)
    out = [_series(*map(float, row)) for row in zip(*(c.ravel() for c in columns))]
    return np.array(out).reshape(columns[0].shape)


def _series(a: float, b: float, w: float, n: float) -> float:
    """The vertex by power series in w, each term of one sign, so that no digits are lost where a is near b."""
    t = np.linspace(-1.0, 1.0, round(n)) ** 2
    second, fourth = np.mean(t), np.mean(t**2)
    slope = curvature = difference = 0.0
    power, even_a, even_b, term = t.copy(), 1.0, 1.0, 1.0
    for k in range(1, 40):
        difference = b * b * difference + (b - a) * (b + a) * even_a
        even_a, even_b = even_a * a * a, even_b * b * b
        term *= w * w / (2 * k * (2 * k - 1))
        slope += float(term / (2 * k + 1) * difference * np.mean(power * t))
        curvature += float(term * (even_a + a / b * even_b) * np.mean((t - second) * power))
        power = power * t
    return float(-0.5 * w * a * slope / second * (fourth - second**2) / curvature * w)


vertex = ClosedForm(
    expr=-_slope / (2 * _curvature),
    numeric=_vertex,
    space=Space([a_, b_, w_, n_]),
    quantity="shift of the fitted ln N*",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _steps),
    rtol=1e-12,
    corners=(
        {"a": 0.34, "b": 0.28, "w": 1e-3, "n": 15},
        {"a": 0.34, "b": 0.34 + 1e-9, "w": 2.0, "n": 5},
        {"a": 0.05, "b": 1.5, "w": 4.0, "n": 3},
        {"a": 1.5, "b": 1.4, "w": 4.0, "n": 200},
    ),
)
leading = ClosedForm(
    expr=_leading,
    space=Space([a_, b_, n_]),
    quantity="shift of the fitted ln N* over w^2, for a narrow grid",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _leading_steps),
)
exponent = ClosedForm(
    expr=b / (a + b),
    space=Space([a_, b_, w_, n_, *CONSTANTS]),
    quantity="fitted exponent of the compute in the best model size",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _exponent_steps),
)
no_shift = ClosedForm(
    expr=sp.S.Zero,
    space=Space([a_, b_, w_, n_, *CONSTANTS, C_]),
    quantity=vertex.quantity,
    conventions=CONVENTIONS,
    derivation=Derivation("a parabola's vertex is the minimum of a parabola", lambda: [
        Step("of a parabola", sp.solve(sp.diff((_u - _c) ** 2, _u), _u)[0], _c, "and of no other curve")
    ]),
)  # fmt: skip


@cache
def fitted_size(
    a: float, b: float, w: float, n: float, A: float, B: float, E: float, C: float
) -> tuple[mp.mpf, mp.mpf]:
    """ln N at the vertex of the parabola through the losses themselves, and ln N*, in forty digits.

    N* is found by bisection on the slope of the loss; the fit solves the normal equations in ln N.
    """
    with mp.workdps(40):
        a, b, w, A, B, E, C = (mp.mpf(float(v)) for v in (a, b, w, A, B, E, C))
        budget = mp.log(C / 6)

        def loss(x: Any) -> Any:
            return E + A * mp.exp(-a * x) + B * mp.exp(-b * (budget - x))

        low, high = mp.mpf(-500), mp.mpf(500)
        while high - low > mp.mpf(10) ** -30:
            x = (low + high) / 2
            low, high = (x, high) if a * A * mp.exp(-a * x) > b * B * mp.exp(-b * (budget - x)) else (low, x)
        best = (low + high) / 2
        grid = [best - w + 2 * w * i / (round(n) - 1) for i in range(round(n))]
        middle = sum(grid) / len(grid)
        rows = mp.matrix([[1, x - middle, (x - middle) ** 2] for x in grid])
        beta = mp.lu_solve(rows.T * rows, rows.T * mp.matrix([loss(x) for x in grid]))
        return middle - beta[1] / (2 * beta[2]), best


def _numerical(form: ClosedForm, value: Any, space: Space) -> Numerical:
    def function(**x: np.ndarray) -> tuple[Any, Any]:
        columns = np.broadcast_arrays(*x.values())
        rows = [value(**dict(zip(x, map(float, row)))) for row in zip(*(c.ravel() for c in columns))]
        out = np.array(rows, dtype=float).T
        return tuple(out.reshape(2, *columns[0].shape))

    return Numerical(function=function, space=space, quantity=form.quantity, conventions=CONVENTIONS)


def _fitted_shift(**x: float) -> tuple[float, float]:
    found, best = fitted_size(**x)
    return float(found - best), 1e-18


def _fitted_exponent(**x: float) -> tuple[float, float]:
    """Least-squares slope of the fitted ln N* against ln C at five budgets from 1e18 to 1e22."""
    logs = np.log(10.0) * np.arange(18.0, 23.0)
    sizes = [float(fitted_size(**x, C=float(np.exp(v)))[0]) for v in logs]
    return float(np.polyfit(logs - logs.mean(), sizes, 1)[0]), 1e-13


def _narrow(a: float, b: float, n: float) -> tuple[float, float]:
    """The shift over w^2, extrapolated to w = 0 from six widths by polynomials in w^2."""
    widths = [0.8 / 2**k for k in range(6)]
    table = []
    for width in widths:
        found, best = fitted_size(a, b, width, n, 406.0, 411.0, 1.7, 1e21)
        table.append(float((found - best) / width**2))
    previous = table[-1]
    for order in range(1, 6):
        previous = table[-1]
        table = [(4**order * fine - coarse) / (4**order - 1) for coarse, fine in pairwise(table)]
    return table[-1], abs(table[-1] - previous) + 1e-14


SETTING = Space([a_, b_, w_, n_, *CONSTANTS, C_])
vertex_fitted = _numerical(vertex, _fitted_shift, SETTING)
exponent_fitted = _numerical(exponent, _fitted_exponent, exponent.space)
leading_fitted = _numerical(leading, _narrow, leading.space)
