r"""Dual activations as formulas: E phi(u) phi(v) over Gaussians of variances a, b and angle theta, derived.

Model
    (u, v) Gaussian with Var u = a, Var v = b, Cov(u, v) = c = sqrt(ab) cos(theta).
Result
    Rectified powers: E u_+^s v_+^s = (ab)^(s/2) J_s(theta)/(2 pi), J_s = (pi - theta) A_s(cos theta) + sin(theta)
    B_s(cos theta); erf: (2/pi) arcsin(2c/sqrt((1 + 2a)(1 + 2b))), and of its slopes (4/pi)/sqrt((1 + 2a)(1 + 2b) -
    4c^2); sin: exp(-(a + b)/2) sinh c; cos: exp(-(a + b)/2) cosh c; exp: exp((a + b)/2 + c); exp(-z^2): 1/sqrt((1 +
    2a)(1 + 2b) - 4c^2); z^2: ab + 2c^2; normalised Hermite polynomials at a = b = 1: cos^k(theta).
    The derivative in c of the dual is the dual of the derivative (Price).
Source
    Cho and Saul, NIPS 22 (2009), eqs. (3)-(7); Williams, NIPS 9 (1997), eq. (11); Price, IRE Trans. Inf. Theory 4
    (1958) 69.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.infinite_width import closed_duals as closed
from theorylab.derivations.infinite_width import smooth_duals as smooth
from theorylab.derivations.infinite_width.closed_duals import Dual
from theorylab.derivations.infinite_width.gaussian_pairs import Pairs
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm

A = Parameter("a", Interval(0, 50, open_low=True), "variance of u", default=1.0)
B = Parameter("b", Interval(0, 50, open_low=True), "variance of v", default=1.0)
THETA = Parameter("theta", Interval(0, float(np.pi)), "angle between u and v: cosine is their correlation")
COVARIANCE = Parameter("c", Interval(-50, 50), "covariance of u and v")
DEGREE = Parameter("k", Integers(0, 12), "degree")
a, b, theta, k = (q.symbol for q in (A, B, THETA, DEGREE))
c = COVARIANCE.symbol
t = sp.Symbol("t", real=True)

CONVENTIONS = {
    "theta": "arccos of the correlation c/sqrt(ab)",
    "Heaviside": "E of the product of steps is (pi - theta)/(2 pi): 1/2 at theta = 0",
}
# What a double lacks of pi.
PI_REST = 1.2246467991473532e-16


@cache
def angular(power: int) -> tuple[sp.Expr, sp.Expr]:
    """A_s and B_s: J_s = (pi - theta) A_s(t) + sqrt(1 - t^2) B_s(t) at t = cos(theta), by s derivatives in t."""
    first, second = sp.Integer(1), sp.Integer(0)
    for s in range(power):
        # D^s (pi - theta)/sqrt(1 - t^2) = (1 - t^2)^(-s - 1/2) [(pi - theta) A_s + sqrt(1 - t^2) B_s], once more.
        first, second = (
            sp.expand((1 - t**2) * sp.diff(first, t) + (2 * s + 1) * t * first),
            sp.expand(first + (1 - t**2) * sp.diff(second, t) + 2 * s * t * second),
        )
    return first, second


def angular_factor(power: int) -> sp.Expr:
    """J_s(theta)."""
    first, second = angular(power)
    return (sp.pi - theta) * first.subs(t, sp.cos(theta)) + sp.sin(theta) * second.subs(t, sp.cos(theta))


def rectified_form(power: int) -> sp.Expr:
    """E u_+^s v_+^s."""
    return (a * b) ** sp.Rational(power, 2) * angular_factor(power) / (2 * sp.pi)


determinant = (1 + 2 * a) * (1 + 2 * b) - 4 * c**2
erf_in_c = 2 / sp.pi * sp.asin(2 * c / sp.sqrt((1 + 2 * a) * (1 + 2 * b)))
erf_slope_in_c = 4 / sp.pi / sp.sqrt(determinant)
bump_in_c = 1 / sp.sqrt(determinant)
sine_in_c = sp.exp(-(a + b) / 2) * sp.sinh(c)
cosine_in_c = sp.exp(-(a + b) / 2) * sp.cosh(c)
exponential_in_c = sp.exp((a + b) / 2 + c)
quadratic_in_c = a * b + 2 * c**2


def at_angle(formula: sp.Expr) -> sp.Expr:
    """A formula in c as one in theta."""
    return formula.subs(c, sp.sqrt(a * b) * sp.cos(theta))


def pairs_at(a: Any, b: Any, theta: Any) -> Pairs:
    """Pairs at an angle, to all digits near 0 and pi."""
    a, b, theta = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (a, b, theta)))
    mean = np.sqrt(a) * np.sqrt(b)
    rest = (np.pi - theta) + PI_REST
    return Pairs(a, b, mean * np.cos(theta), 2 * mean * np.sin(theta / 2) ** 2, 2 * mean * np.sin(rest / 2) ** 2, a - b)


def _form(formula: sp.Expr, dual: Dual, quantity: str, build: Any, source: str) -> ClosedForm:
    return ClosedForm(
        expr=formula,
        numeric=lambda a, b, theta: dual.value(pairs_at(a, b, theta)),
        space=Space([A, B, THETA]),
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=Derivation(source, build),
        corners=(
            {"a": 1.0, "b": 1.0, "theta": 1e-9},
            {"a": 0.3, "b": 2.0, "theta": 3.14159264},
            {"a": 1e-6, "b": 40.0, "theta": 3.0},
        ),
    )


def _steps(name: str) -> Any:
    def build() -> Any:
        from theorylab.derivations.infinite_width import ntk_nngp_duals_steps

        return getattr(ntk_nngp_duals_steps, name)()

    return build


CHO_SAUL = "Cho and Saul (2009), eqs. (3)-(7)"
WILLIAMS = "Williams (1997), eq. (11); Price (1958)"
HEAVISIDE = _form(rectified_form(0), closed.Rectified(0), "E 1(u > 0) 1(v > 0)", _steps("rectified"), CHO_SAUL)
RELU = _form(rectified_form(1), closed.Rectified(1), "E relu(u) relu(v)", _steps("rectified"), CHO_SAUL)
RELU_SQUARED = _form(rectified_form(2), closed.Rectified(2), "E relu(u)^2 relu(v)^2", _steps("rectified"), CHO_SAUL)
ERF = _form(at_angle(erf_in_c), smooth.Erf(), "E erf(u) erf(v)", _steps("error_function"), WILLIAMS)
ERF_SLOPE = _form(
    at_angle(erf_slope_in_c),
    closed.Scaled(smooth.Bump(), 2 / np.sqrt(np.pi)),
    "E erf'(u) erf'(v)",
    _steps("error_function"),
    WILLIAMS,
)
BUMP = _form(at_angle(bump_in_c), smooth.Bump(), "E exp(-u^2 - v^2)", _steps("error_function"), WILLIAMS)
SINE = _form(at_angle(sine_in_c), smooth.Sine(), "E sin(u) sin(v)", _steps("waves"), "generating function")
COSINE = _form(at_angle(cosine_in_c), smooth.Cosine(), "E cos(u) cos(v)", _steps("waves"), "generating function")
ERF_SLOPE_IN_C = ClosedForm(
    expr=erf_slope_in_c,
    space=Space([A, B, COVARIANCE], [Constraint(c**2 <= a * b, "no Gaussians have this covariance")]),
    quantity="E erf'(u) erf'(v)",
    conventions=CONVENTIONS,
    derivation=Derivation(WILLIAMS, _steps("error_function")),
)
EXPONENTIAL = ClosedForm(
    expr=at_angle(exponential_in_c),
    space=Space([A, B, THETA]),
    quantity="E exp(u) exp(v)",
    conventions=CONVENTIONS,
    derivation=Derivation("generating function", _steps("waves")),
)
QUADRATIC = ClosedForm(
    expr=at_angle(quadratic_in_c),
    space=Space([A, B, THETA]),
    quantity="E u^2 v^2",
    conventions=CONVENTIONS,
    derivation=Derivation("Isserlis (1918)", _steps("polynomials")),
)
HERMITE = ClosedForm(
    expr=sp.cos(theta) ** k,
    space=Space([DEGREE, THETA]),
    quantity="E h_k(u) h_k(v), h_k = He_k/sqrt(k!)",
    conventions=CONVENTIONS,
    derivation=Derivation("Mehler (1866)", _steps("polynomials")),
)
TENSOR_EXPONENT = ClosedForm(
    expr=sp.Integer(-1),
    space=Space([]),
    quantity="exponent of the error of tensor Gauss-Hermite quadrature of a kink, in the nodes",
    conventions={"error": "change on doubling the nodes, mean over angles"},
    derivation=Derivation("spacing of the zeros of Hermite polynomials near 0: pi/sqrt(2 m)", _steps("kink")),
)
