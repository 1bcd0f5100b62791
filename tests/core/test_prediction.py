"""Predictions: broadcasting, their own error, agreement with 50 digits, and refusals instead of wrong numbers."""

from __future__ import annotations

import warnings
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.claim import Mutant
from theorylab.errors import DomainError, UnknownNameError, UsageError
from theorylab.parameters import Choices, Constraint, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Implicit, Numerical, Prediction, PredictionError, Value

C = Parameter("c", Interval(0, open_low=True), "ratio")
LAM = Parameter("lam", Interval(0, open_low=True), "ridge", default=1.0)
N = Parameter("n", Integers(1), "size")
m = sp.Symbol("m", positive=True)
c, lam, n = C.symbol, LAM.symbol, N.symbol

RATIO = ClosedForm(expr=c / (1 + lam), space=Space([C, LAM]), quantity="ratio")
# Resolvent of the Marchenko-Pastur law at -lam: c lam m^2 + (lam + 1 - c) m = 1, and its explicit root.
RESOLVENT = Implicit(
    equation=c * lam * m**2 + (lam + 1 - c) * m - 1, unknown=m, bracket=lambda c, lam: (0.0 * c, 2.0 / lam),
    space=Space([C, LAM]), quantity="resolvent",
)  # fmt: skip


def resolvent(ratio: Any, ridge: Any) -> Any:
    b = ridge + 1 - ratio
    root = np.sqrt(b * b + 4 * ratio * ridge)
    return np.where(b > 0, 2 / (np.abs(b) + root), (np.abs(b) + root) / (2 * ratio * ridge))


def test_closed_form_broadcasts() -> None:
    value = RATIO.evaluate(c=[[1.0], [2.0]], lam=[1.0, 3.0, 7.0])
    assert isinstance(value, Value)
    np.testing.assert_allclose(value.value, [[1 / 2, 1 / 4, 1 / 8], [1, 1 / 2, 1 / 4]])
    np.testing.assert_allclose(value.error, 1e-12 * value.value)
    assert RATIO(c=3.0) == 1.5
    assert RATIO(c=3.0).shape == ()
    assert RATIO(c=[]).shape == (0,)


def test_a_domain_is_guarded() -> None:
    for values, message in (({"c": -1}, "outside its domain"), ({}, "missing parameter c")):
        with pytest.raises(DomainError, match=message):
            RATIO(**values)
    with pytest.raises(UnknownNameError, match="unknown parameter 'lamda'; did you mean 'lam'"):
        RATIO(c=1, lamda=2)


def test_arrays_that_do_not_fit_are_refused_in_one_line() -> None:
    with pytest.raises(DomainError, match=r"shapes .*c \(2,\).*lam \(3,\)"):
        RATIO(c=[1, 2], lam=[1, 2, 3])


def test_a_value_that_is_not_finite_is_an_error_without_noise() -> None:
    bad = ClosedForm(expr=1 / (c - 2), space=Space([C]), quantity="pole")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PredictionError, match=r"pole is not finite at c = 1 \.\.\."):
            bad(c=[1.0, 2.0])


def test_numeric_evaluation_replaces_the_expression_in_double_precision_only() -> None:
    form = ClosedForm(expr=(sp.exp(c) - 1) / c, space=Space([C]), numeric=lambda c: np.expm1(c) / c)
    assert form(c=1e-12) == pytest.approx(1.0, rel=1e-11)
    with mpmath.workdps(50):
        tiny = mpmath.mpf(1e-12)
        assert abs(form.mp(c=1e-12) - (1 + tiny / 2 + tiny**2 / 6)) < 1e-36


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_implicit_is_the_root(ratio: float, ridge: float) -> None:
    value, error = RESOLVENT.evaluate(c=ratio, lam=ridge)
    assert value == pytest.approx(resolvent(ratio, ridge), rel=1e-9)
    assert abs(float(RESOLVENT.mp(c=ratio, lam=ridge)) / value - 1) < 1e-10
    assert error == pytest.approx(1e-11 * value)


def test_implicit_broadcasts_and_takes_a_root_at_an_end() -> None:
    out = RESOLVENT(c=[[0.5], [2.0]], lam=[0.1, 1.0])
    np.testing.assert_allclose(out, resolvent(np.array([[0.5], [2.0]]), np.array([0.1, 1.0])), rtol=1e-12)
    at_end = Implicit(equation=m - c, unknown=m, bracket=lambda c: (c, 2 * c), space=Space([C]))
    assert at_end(c=0.3) == 0.3
    doubled = Implicit(equation=m - c, unknown=m, bracket=lambda c: (0 * c, 3 * c), space=Space([C]), output=2 * m + c)
    assert doubled(c=0.3) == pytest.approx(0.9)
    assert float(doubled.mp(c=0.25)) == 0.75


def test_fifty_digits_where_a_fraction_is_the_exponent_of_an_integer() -> None:
    """An exact rational there would be factored for ever."""
    power = Implicit(equation=m - n**lam, unknown=m, bracket=lambda n, lam: (0 * n, 2 * n**lam), space=Space([N, LAM]))
    with mpmath.workdps(50):
        assert abs(power.mp(n=600, lam=1.1) - mpmath.mpf(600) ** mpmath.mpf(1.1)) < mpmath.mpf(10) ** -45


def test_fifty_digits_do_not_rest_on_the_double_precision_root() -> None:
    wrong = Implicit(
        equation=m - c, unknown=m, bracket=lambda c: (0 * c, 3 * c), numeric=lambda x, c: x - 1.5 * c, space=Space([C])
    )
    assert wrong(c=0.5) == 0.75
    assert wrong.mp(c=0.5) == 0.5


def test_a_bracket_without_a_root_is_an_error() -> None:
    outside = Implicit(equation=m - c, unknown=m, bracket=lambda c: (2 * c, 3 * c), space=Space([C]))
    with pytest.raises(PredictionError, match="no root of -c \\+ m in the bracket at c = 1"):
        outside(c=1.0)


def test_numerical_returns_its_own_error() -> None:
    p = Numerical(function=lambda c: (c**2, 1e-3 * c), space=Space([C]), quantity="square", formula="c^2")
    value, error = p.evaluate(c=[1.0, 2.0])
    assert value.tolist() == [1, 4]
    assert error.tolist() == [1e-3, 2e-3]
    assert p.latex() == "c^2"
    assert Numerical(function=p.function, space=p.space, quantity="square").latex() == r"\text{square}"


def test_choices_and_observations_reach_a_numerical_prediction() -> None:
    space = Space([Parameter("kind", Choices(("a", "b")), "kind"), Parameter("g", Observed("a vector"), "data")])
    p = Numerical(function=lambda kind, g: ((1 if kind == "a" else 2) * g.sum(axis=-1), 0.0), space=space)
    assert p(kind="b", g=np.ones((4, 3))).tolist() == [6, 6, 6, 6]


def test_latex_and_display() -> None:
    assert RATIO.latex() == r"\frac{c}{lam + 1}"
    assert RESOLVENT.latex().endswith("= 0")
    variance = Parameter("s2", Interval(0), "variance", written="sigma**2")
    assert ClosedForm(expr=variance.symbol / 2, space=Space([variance])).latex() == r"\frac{\sigma^{2}}{2}"


def test_on_another_array_library_takes_keywords() -> None:
    assert RATIO.on("numpy")(c=np.array([2.0]), lam=np.array([1.0])).tolist() == [1.0]


def test_mutants_are_predictions_over_the_same_domain() -> None:
    space = Space([C, LAM], [Constraint(c > lam, "c must exceed lam")])
    right = ClosedForm(expr=c - lam, space=space, quantity="gap", conventions={"gap": "c - lam"})
    wrongs: list[Prediction] = [
        Mutant("sum", c + lam).prediction(right),
        Mutant("shifted", lambda value, c, lam: value + 2 * lam).prediction(right),
        Mutant("sum again", ClosedForm(expr=c + lam, space=space)).prediction(right),
    ]
    for wrong in wrongs:
        assert wrong(c=3.0, lam=1.0) == 4.0
        assert wrong.derivation is None
        with pytest.raises(DomainError, match="c must exceed lam"):
            wrong(c=1.0, lam=2.0)
    for wrong in wrongs[:2]:
        assert (wrong.quantity, wrong.conventions) == (right.quantity, right.conventions)


def test_an_altered_computation_keeps_its_error() -> None:
    right = Numerical(function=lambda c: (c, 0.0 * c + 1e-3), space=Space([C]))
    value, error = right.altered(lambda value, c: 1.04 * value).evaluate(c=2.0)
    assert (value, error) == (2.08, 1e-3)


def test_a_closed_form_may_be_a_number_and_nothing_else():
    assert ClosedForm(expr=2, space=Space([])).evaluate().value == 2.0
    for wrong in ("x + 1", [1, 2], None):
        with pytest.raises(UsageError, match="a closed form is a SymPy expression or a number, not"):
            ClosedForm(expr=wrong, space=Space([]))


def test_a_computation_is_done_once_for_the_same_values() -> None:
    calls: list[np.ndarray] = []

    def slow(c: np.ndarray) -> tuple[np.ndarray, float]:
        calls.append(c)
        return c**2, 1e-3

    p = Numerical(function=slow, space=Space([C]))
    first = p(c=[2.0, 3.0])
    first[:] = 0.0
    assert np.array_equal(p(c=[2.0, 3.0]), [4.0, 9.0])
    assert p.evaluate(c=np.array([2.0, 3.0])).error.shape == (2,)
    assert len(calls) == 1
    p(c=[[2.0, 3.0]])
    p(c=2.0)
    assert len(calls) == 3


def test_large_arrays_are_not_remembered() -> None:
    calls: list[int] = []

    def count(c: np.ndarray) -> tuple[np.ndarray, float]:
        calls.append(len(c))
        return c, 0.0

    p = Numerical(function=count, space=Space([C]))
    for _ in range(2):
        p(c=np.full(10_000, 2.0))
    assert calls == [10_000, 10_000]


def test_an_equation_without_parameters_has_its_root() -> None:
    p = Implicit(equation=sp.cos(m) - m, unknown=m, bracket=lambda: (0.0, 1.0), space=Space([]))
    assert float(p()) == pytest.approx(0.7390851332151607, rel=1e-15)
    assert abs(p.mp() - mpmath.findroot(lambda x: mpmath.cos(x) - x, 0.7)) < 1e-14
