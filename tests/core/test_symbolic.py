"""Expressions become numbers: arrays in double precision branch by branch, and any number of digits."""

from __future__ import annotations

import math
import warnings
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from theorylab.symbolic import Computed, compile_expression, exact_number, high_precision, mpmath_function

x, y = sp.symbols("x y", real=True)
n = sp.Symbol("n", integer=True, positive=True)


@pytest.mark.parametrize(
    ("expr", "reference"),
    [
        (x**2 + sp.exp(-y), lambda a, b: a**2 + math.exp(-b)),
        (sp.erf(x) * sp.gamma(1 + y**2), lambda a, b: math.erf(a) * math.gamma(1 + b * b)),
        (sp.binomial(7, 3) * sp.besselj(1, x) + 0 * y, lambda a, b: 35 * float(mpmath.besselj(1, a))),
        (sp.Max(x, y) - sp.Abs(y), lambda a, b: max(a, b) - abs(b)),
        (sp.pi + sp.Integer(2), lambda a, b: math.pi + 2),
        (sp.sqrt(1 + x**2 + y**2) + sp.log(3), lambda a, b: math.sqrt(1 + a * a + b * b) + math.log(3)),
    ],
)
def test_agrees_with_plain_python(expr: sp.Expr, reference: object) -> None:
    f = compile_expression(expr, [x, y])
    a, b = np.linspace(-2, 2, 7)[:, None], np.linspace(-1, 3, 5)[None, :]
    out = f(a, b)
    assert out.shape == (7, 5)
    expected = [[reference(u, v) for v in b.ravel()] for u in a.ravel()]  # type: ignore[operator]
    np.testing.assert_allclose(out, expected, rtol=1e-13)
    assert f(0.5, 0.25).shape == ()


def test_a_branch_is_evaluated_only_where_it_holds() -> None:
    expr = 1 + 2 * sp.Piecewise((sp.log(x), x > 1), (sp.sqrt(-x), x < 0), (x / (x - 2), True))
    f = compile_expression(expr, [x])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = f(np.array([-4.0, 0.0, 1.0, np.e, 2.0]))
    np.testing.assert_allclose(out, [5, 1, -1, 3, 1 + 2 * math.log(2)])


def test_first_branch_that_holds_wins_and_none_is_nan() -> None:
    f = compile_expression(sp.Piecewise((1, x < 2), (2, x < 3)), [x])
    assert f(1.0) == 1
    assert f(2.5) == 2
    assert np.isnan(f(4.0))


def test_a_constant_and_no_symbols() -> None:
    assert compile_expression(sp.Rational(1, 3), [])() == 1 / 3
    assert compile_expression(sp.Integer(2), [x])(np.zeros((2, 3))).tolist() == [[2, 2, 2], [2, 2, 2]]


def test_an_unknown_symbol_is_named() -> None:
    with pytest.raises(ValueError, match=r"free symbols without a parameter: \['y'\]"):
        compile_expression(x + y, [x])


def test_integers_are_computed_in_floating_point() -> None:
    # 10^20 would overflow 64-bit integers.
    assert compile_expression(n**10, [n])(np.array([100])) == 1e20


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_exact_number_is_the_double_itself(value: float) -> None:
    exact = exact_number(value)
    assert isinstance(exact, sp.Rational)
    assert float(exact) == value
    assert sp.Rational(*value.as_integer_ratio()) == exact


def test_fifty_digits() -> None:
    with mpmath.workdps(60):
        for expr, expected in (
            (sp.sqrt(x), mpmath.sqrt(2)),
            (sp.Integral(sp.exp(-x * y**2), (y, -sp.oo, sp.oo)), mpmath.sqrt(mpmath.pi / 2)),
            (sp.Sum(1 / n**x, (n, 1, sp.oo)), mpmath.zeta(2)),
            (sp.Limit((1 + 1 / n) ** n, n, sp.oo) + 0 * x, mpmath.e),
            (sp.Piecewise((1 / (x - 2), x > 3), (x, True)), 2),
        ):
            value = high_precision(expr, {x: 2}, 50)
            assert abs(value - expected) < mpmath.mpf(10) ** -48


def test_doubles_are_taken_at_their_exact_value() -> None:
    with mpmath.workdps(60):
        assert abs(high_precision(x, {x: 0.1}) - mpmath.mpf(0.1)) < 1e-50 < abs(mpmath.mpf(0.1) - mpmath.mpf("0.1"))


def test_cancellation_costs_no_digits() -> None:
    tiny = 1e-30
    value = high_precision((sp.exp(x) - 1 - x) / x**2, {x: tiny})
    assert abs(value - mpmath.mpf(1) / 2) < 1e-29


@pytest.mark.parametrize(
    ("expr", "message"),
    [(x + y, "does not evaluate to a number"), (sp.sqrt(x - 5), "is not real"), (sp.log(x - 5), "is not real")],
)
def test_what_is_no_real_number_is_refused(expr: sp.Expr, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        high_precision(expr, {x: 2})


@pytest.mark.parametrize("expr", [1 / (x - 2), sp.log(x - 2), (x - 2) / (x - 2) ** 2])
def test_a_pole_is_refused(expr: sp.Expr) -> None:
    with pytest.raises(ValueError, match="is not finite at"):
        high_precision(expr, {x: 2})


class Harmonic(Computed):
    """1 + 2^-s + ... + n^-s."""

    nargs = 2

    @staticmethod
    def on_arrays(n: Any, s: Any) -> Any:
        terms, n, s = np.arange(1.0, np.max(n) + 1.0), np.asarray(n)[..., None], np.asarray(s)[..., None]
        return np.where(terms <= n, terms**-s, 0.0).sum(axis=-1)

    @staticmethod
    def to_digits(n: Any, s: Any) -> Any:
        return mpmath.fsum(mpmath.mpf(i) ** -s for i in range(1, int(n) + 1))


def test_a_function_of_our_own_has_arrays_and_digits() -> None:
    expr = 2 * Harmonic(n, x) + Harmonic(3, x)
    out = compile_expression(expr, [n, x])([[2.0], [3.0]], [1.0, 2.0])
    np.testing.assert_allclose(out, [[3 + 11 / 6, 2.5 + 49 / 36], [11 / 2, 49 / 12]])
    with mpmath.workdps(60):
        assert abs(high_precision(expr, {n: 2, x: 1}) - mpmath.mpf(29) / 6) < 1e-48
    assert mpmath_function(Harmonic(2, x), x)(mpmath.mpf(1)) == 1.5
    assert sp.N(Harmonic(n, x)).free_symbols == {n, x}
