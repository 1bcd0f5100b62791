"""Dual activations: closed forms to all digits, quadrature of anything else, and what is refused."""

from __future__ import annotations

import math
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.infinite_width.activations import Activation, activation
from theorylab.derivations.infinite_width.closed_duals import Scaled
from theorylab.derivations.infinite_width.dual_quadrature import Quadrature
from theorylab.derivations.infinite_width.gaussian_pairs import Pairs, dot, inputs
from theorylab.derivations.infinite_width.half_angle import arc_cosine
from theorylab.derivations.infinite_width.ntk_nngp_duals import pairs_at
from theorylab.errors import DomainError, UsageError

LEAKY = activation("leaky_relu", alpha=0.2)
CLOSED = {
    "linear": activation("linear"),
    "relu": activation("relu"),
    "leaky": LEAKY,
    "abs": activation("abs"),
    "erf": activation("erf"),
    "sin": activation("sin"),
    "cos": activation("cos"),
    "exp": activation("exp"),
    "bump": activation("bump"),
    "cube": activation("monomial", power=3),
    "hermite": activation("hermite", degree=4),
    "relu^3": activation("rectified_power", power=3),
}


def by_quadrature(act: Activation) -> Quadrature:
    """The dual of the same function, nothing being known of it."""
    return Quadrature(act, act.slope, act.kinks, act.name)


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("theta", [0.0, 1e-6, 0.4, 1.9, 2.9, math.pi])
def test_closed_forms_agree_with_quadrature(name, theta):
    act, pairs = CLOSED[name], pairs_at(0.4, 0.55, theta)
    found, (referee, error) = act.kernel(pairs), by_quadrature(act).measured(pairs)
    assert error <= 1e-12 * found.a
    for ours, theirs in zip(found[:6], referee):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13 * float(found.a))


@pytest.mark.parametrize("name", CLOSED)
def test_slopes_agree_with_quadrature(name):
    act, pairs = CLOSED[name], pairs_at(0.4, 0.55, 1.1)
    second = Activation(act.slope_expr)
    referee = Quadrature(act.slope, None, act.kinks, second.name).measured(pairs)[0]
    np.testing.assert_allclose(act.slope_kernel(pairs).c, referee.c, rtol=1e-12)


@pytest.mark.parametrize("name", ["relu", "leaky", "abs", "erf", "sin", "cos", "bump", "cube", "hermite", "relu^3"])
def test_distances_keep_their_digits(name):
    """E (f(u) - f(v))^2 and its mirror image against 40 digits, at angles down to 1e-10 from either end."""
    act = CLOSED[name]
    for theta in (1e-10, 1e-5, math.pi - 1e-7):
        pairs = pairs_at(1.0, 1.0, theta)
        found = act.kernel(pairs)
        with mpmath.workdps(100):
            top = exact_dual(act.expr, 0.0)
            value = exact_dual(act.expr, theta)
            for ours, exact in ((found.p, top - value), (found.q, top + value), (found.c, value)):
                assert abs(mpmath.mpf(float(ours)) - exact) <= 1e-13 * abs(exact), (name, theta)


def exact_dual(expr: sp.Expr, theta: float) -> mpmath.mpf:
    """E f(u) f(v) at unit variances, from formulas that are written down here once more."""
    t = mpmath.cos(mpmath.mpf(theta))
    angle = mpmath.mpf(theta)
    one = (mpmath.sin(angle) + (mpmath.pi - angle) * t) / (2 * mpmath.pi)
    if expr.has(sp.Max):
        return one
    if expr.has(sp.Piecewise):
        alpha = mpmath.mpf(1) / 5
        return alpha * t + (1 - alpha) ** 2 * one
    if expr.has(sp.Abs):
        return -t + 4 * one
    if expr.has(sp.Heaviside):
        third = (4 * mpmath.sin(angle) + 11 * mpmath.sin(angle) * t**2) + (mpmath.pi - angle) * (9 * t + 6 * t**3)
        return third / (2 * mpmath.pi)
    if expr.has(sp.erf):
        return 2 / mpmath.pi * mpmath.asin(2 * t / 3)
    if expr.has(sp.sin):
        return mpmath.exp(-1) * mpmath.sinh(t)
    if expr.has(sp.cos):
        return mpmath.exp(-1) * mpmath.cosh(t)
    if expr.has(sp.exp):
        return 1 / mpmath.sqrt(9 - 4 * t**2)
    if sp.degree(expr) == 3:
        return 9 * t + 6 * t**3
    return t**4


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    a=st.floats(0.05, 5),
    b=st.floats(0.05, 5),
    rho=st.floats(-1, 1),
    name=st.sampled_from(sorted(CLOSED)),
    c=st.floats(0, 1),
)
def test_symmetric_bounded_and_homogeneous(a, b, rho, name, c):
    act, covariance = CLOSED[name], rho * math.sqrt(a * b)
    value = act.dual(a, b, covariance)
    np.testing.assert_allclose(value, act.dual(b, a, covariance), rtol=1e-10, atol=1e-13)
    # Cauchy and Schwarz, and the trace of a covariance matrix.
    bound = math.sqrt(float(act.kernel.square(a) * act.kernel.square(b)))
    assert abs(float(value)) <= bound * (1 + 1e-12)
    if name in ("relu", "leaky", "abs", "linear"):
        np.testing.assert_allclose(
            act.dual((1 + c) * a, (1 + c) * b, (1 + c) * covariance), (1 + c) * value, atol=1e-13
        )


def test_derivative_in_the_covariance_is_the_dual_of_the_slope():
    for name in ("relu", "leaky", "erf", "sin", "exp", "cube", "relu^3"):
        act, step = CLOSED[name], 1e-5
        change = (act.dual(1.0, 1.3, 0.4 + step) - act.dual(1.0, 1.3, 0.4 - step)) / (2 * step)
        np.testing.assert_allclose(change, act.dual_slope(1.0, 1.3, 0.4), rtol=1e-8)


@pytest.mark.parametrize(
    ("text", "name"),
    [("Max(z, 0)", "relu"), ("erf(z)", "erf"), ("exp(-z**2)", "bump"), ("z**3 - 2*z", None), ("Abs(z)", "abs")],
)
def test_known_expressions_have_closed_forms(text, name):
    act = activation(text)
    assert act.closed
    if name:
        assert act.name == name
    assert activation(act) is act


@pytest.mark.parametrize("text", ["tanh(z)", "z/(1 + exp(-z))", "Max(z, 0) + Min(z, 1)/3", "Abs(z - 1)", "sin(2*z)"])
def test_user_expressions_by_quadrature(text):
    """Against a tensor rule on either side of the kinks, which shares nothing with ours but the nodes."""
    act = activation(text)
    assert not act.closed
    value, error = act.dual_with_error(1.1, 0.7, 0.5)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    ends = np.array([-9.0, -3.0, *act.kinks, 3.0, 9.0])
    z = np.concatenate([(y - x) / 2 * nodes + (x + y) / 2 for x, y in pairwise(ends)])
    w = np.concatenate([(y - x) / 2 * weights for x, y in pairwise(ends)])
    covariance = np.array([[1.1, 0.5], [0.5, 0.7]])
    inverse, norm = np.linalg.inv(covariance), 2 * np.pi * math.sqrt(np.linalg.det(covariance))
    u, v = np.meshgrid(z, z, indexing="ij")
    density = np.exp(-(inverse[0, 0] * u * u + 2 * inverse[0, 1] * u * v + inverse[1, 1] * v * v) / 2) / norm
    direct = (w * act(z)) @ density @ (w * act(z))
    assert error < 1e-12
    np.testing.assert_allclose(value, direct, rtol=1e-11)


def test_error_of_quadrature_is_one():
    """The stated error covers the distance from the closed form, kinks and steep slopes included."""
    for name in ("relu", "erf", "leaky"):
        act = CLOSED[name]
        for theta in (1e-4, 0.3, 1.5, 3.0):
            pairs = pairs_at(2.0, 0.3, theta)
            found, error = by_quadrature(act).measured(pairs)
            assert abs(float(found.c) - float(act.kernel.value(pairs))) <= float(error) + 1e-15
    steep = activation("tanh(5*z)")
    value, error = steep.dual_with_error(1.0, 1.0, [0.5, 0.999])
    assert np.all(error < 1e-9)
    assert np.all(np.abs(value) < 1)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("exp(z**2)", "no finite second moment"),
        ("1/z", "no finite second moment"),
        ("tan(z)", "no finite second moment"),
        ("z*w", "unknown name .w. in .z\\*w., an expression of z"),
        ("Max(", "is not an expression"),
        ("tanhh", "did you mean 'tanh'"),
        (3.5, "an expression of z alone"),
    ],
)
def test_what_is_no_activation_is_refused_in_one_line(what, words):
    with pytest.raises(UsageError, match=words) as caught:
        activation(what)
    assert "\n" not in str(caught.value)


def test_parameters_of_named_activations():
    assert activation("hermite", degree=2).expr.equals((activation("linear").expr ** 2 - 1) / sp.sqrt(2))
    with pytest.raises(UsageError, match="leaky_relu"):
        activation("leaky_relu", slope=0.1)
    with pytest.raises(UsageError, match="only named"):
        activation("tanh(z)", alpha=0.1)


def test_jumps_have_no_tangent_kernel():
    step = activation("heaviside")
    np.testing.assert_allclose(step.dual(1.0, 1.0, 0.5), (math.pi - math.acos(0.5)) / (2 * math.pi), rtol=1e-14)
    for act in (step, activation(sp.Piecewise((1, sp.Symbol("z") > 1), (0, True))), activation("sign(z)")):
        with pytest.raises(DomainError, match="jumps"):
            act.dual_slope(1.0, 1.0, 0.5)


def test_covariances_that_are_none_are_refused():
    with pytest.raises(DomainError, match="exceeds"):
        activation("erf").dual(1.0, 1.0, 1.5)
    with pytest.raises(DomainError, match="never negative"):
        activation("erf").dual(-1.0, 1.0, 0.0)
    with pytest.raises(DomainError, match="finite numbers"):
        activation("erf").dual(np.nan, 1.0, 0.0)
    with pytest.raises(DomainError, match="norm zero"):
        activation("relu").dual(0.0, 1.0, 0.0)


def test_half_angle_functions_to_50_digits():
    """J_s and J_s(0) - J_s against the definition, at both ends."""
    for power in (0, 1, 2, 3):
        for theta in (1e-9, 0.3, 1.5, 1.7, 3.0, math.pi - 1e-6):
            pairs = pairs_at(1.0, 1.0, theta)
            value, lost = arc_cosine(power, pairs.p, pairs.q)
            with mpmath.workdps(80):
                angle = mpmath.mpf(theta)
                t, s = mpmath.cos(angle), mpmath.sin(angle)
                exact = {
                    0: mpmath.pi - angle,
                    1: s + (mpmath.pi - angle) * t,
                    2: 3 * s * t + (mpmath.pi - angle) * (1 + 2 * t**2),
                    3: (4 + 11 * t**2) * s + (mpmath.pi - angle) * (9 * t + 6 * t**3),
                }[power]
                top = mpmath.pi * {0: 1, 1: 1, 2: 3, 3: 15}[power]
                assert abs(float(value) - exact) <= 4e-15 * exact
                assert abs(float(lost) - (top - exact)) <= 4e-15 * (top - exact)


def test_inner_products_of_close_inputs():
    """p and e of inputs that differ by 1e-9, one of them twice as long, against 60 digits."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 5))
    y = (x + 1e-9 * rng.normal(size=x.shape)) * np.array([1.0, 2.0, -1.0, -2.0])[np.arange(20) % 4, None]
    found = inputs(x, y)
    with mpmath.workdps(60):
        for i in range(20):
            u, v = ([mpmath.mpf(float(t)) for t in row] for row in (x[i], y[i]))
            a, b, c = (mpmath.fsum(s * t for s, t in zip(*both)) for both in ((u, u), (v, v), (u, v)))
            mean = mpmath.sqrt(a * b)
            for ours, exact in ((found.p[i], mean - c), (found.q[i], mean + c), (found.e[i], a - b)):
                assert abs(mpmath.mpf(float(ours)) - exact) <= 1e-12 * abs(exact) + 1e-25
    np.testing.assert_allclose(dot(x, y), np.sum(x * y, 1), rtol=1e-13)


def test_affine_maps_keep_distances():
    pairs = pairs_at(1.0, 1.3, 1e-7)
    out = pairs.affine(0.3, 1.7)
    np.testing.assert_allclose(out.distance, 1.7 * pairs.distance, rtol=1e-12)
    np.testing.assert_allclose(out.c, 0.3 + 1.7 * pairs.c)
    again = Pairs.of(1.0, 1.0, 1.0)
    assert float(again.distance) == 0.0
    np.testing.assert_allclose(
        Scaled(CLOSED["erf"].kernel, 3.0)(pairs).distance, 9 * CLOSED["erf"].kernel(pairs).distance, rtol=1e-13
    )
