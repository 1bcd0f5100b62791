"""Domains, defaults and joint constraints: what is allowed passes unchanged, what is not is named."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from theorylab.errors import DomainError, UnknownNameError
from theorylab.parameters import Choices, Constraint, Integers, Interval, Observed, Parameter, Space

N = Parameter("n", Integers(1), "samples")
P = Parameter("p", Integers(0, 50), "features", default=4)
X = Parameter("x", Interval(0, 2, open_low=True), "ratio", default=0.5, unit="nats")
KIND = Parameter("kind", Choices(("ridge", "lasso")), "penalty", default="ridge")
GRAM = Parameter("gram", Observed("the Gram matrix"), "Gram matrix")
SPACE = Space([N, P, X, KIND], [Constraint(N.symbol > P.symbol + 1, "the Gram matrix would be singular")])

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite, finite, st.booleans(), st.booleans())
def test_interval_is_the_set_it_says(a: float, b: float, x: float, open_low: bool, open_high: bool) -> None:
    low, high = sorted((a, b))
    inside = (low < x if open_low else low <= x) and (x < high if open_high else x <= high)
    assert bool(Interval(low, high, open_low, open_high).contains(np.asarray(x))) == inside


@given(st.integers(-9, 9), st.integers(-9, 9), st.one_of(st.integers(-20, 20), finite))
def test_integers_are_the_set_they_say(low: int, high: int, x: float) -> None:
    assert bool(Integers(low, high).contains(np.asarray(x, dtype=float))) == (low <= x <= high and x == int(x))


@pytest.mark.parametrize("domain", [Interval(), Integers(), Observed("anything")])
@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf])
def test_nothing_that_is_not_finite_is_in_any_domain(domain: Any, x: float) -> None:
    assert not domain.contains(np.asarray(x))
    with pytest.raises(DomainError):
        Parameter("x", domain, "x").validate(x)


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        (Interval(), "(-inf, inf)"), (Interval(0), "[0, inf)"), (Interval(0, 1, open_low=True), "(0, 1]"),
        (Interval(0, 1, open_high=True), "[0, 1)"), (Integers(1), "integers >= 1"), (Integers(2, 9), "integers 2..9"),
        (Choices(("a", "b")), "{a, b}"), (Observed("a spectrum"), "observed: a spectrum"),
    ],
)  # fmt: skip
def test_domains_in_words(domain: Any, text: str) -> None:
    assert str(domain) == text


@pytest.mark.parametrize(
    ("domain", "assumption"),
    [
        (Interval(0, open_low=True), "is_positive"), (Interval(1), "is_positive"), (Interval(0), "is_nonnegative"),
        (Interval(-1), "is_real"), (Integers(1), "is_positive"), (Integers(0), "is_nonnegative"),
        (Integers(-3), "is_integer"),
    ],
)  # fmt: skip
def test_symbols_assume_what_the_domain_implies(domain: Any, assumption: str) -> None:
    symbol = Parameter("q", domain, "q").symbol
    assert getattr(symbol, assumption)
    assert symbol.is_integer == (True if isinstance(domain, Integers) else None)
    if assumption not in ("is_positive",):
        assert symbol.is_positive is None


def test_choices_and_observations_have_no_symbol() -> None:
    for parameter in (KIND, GRAM):
        with pytest.raises(TypeError, match="has no symbol"):
            _ = parameter.symbol


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n": 0}, r"n = 0 is outside its domain integers >= 1 \(samples\)"),
        ({"n": 9.5}, r"n = 9\.5 is outside its domain"),
        ({"n": [9, 9, -2]}, r"n = -2 is outside its domain"),
        ({"n": "many"}, r"n = 'many' is not a number; allowed: integers >= 1"),
        ({"n": None}, r"n = nan is outside its domain"),
        ({"n": 1j}, r"n = 1j is not a number"),
        ({"n": 10**400}, r"n = 1000\d* is not a number"),
        ({"n": [[1, 2], [3]]}, r"is not a number"),
        ({"n": 9, "p": 51}, r"p = 51 is outside its domain integers 0\.\.50 \(features\)"),
        ({"n": 9, "x": 0}, r"x = 0 is outside its domain \(0, 2\] \(ratio\)"),
        ({"n": 9, "kind": "none"}, r"kind = 'none' is not one of {ridge, lasso}"),
        ({"n": 9, "kind": 3}, r"kind = 3 is not one of"),
        ({"n": 5}, r"n = 5, p = 4 violates n > p \+ 1: the Gram matrix would be singular"),
        ({"n": [9, 3], "p": [4, 2]}, r"n = 3, p = 2 violates"),
        ({"n": [9, 30, 5]}, r"n = 5, p = 4 violates"),
        ({}, r"missing parameter n: n is samples, integers >= 1"),
    ],
)
def test_what_is_not_allowed_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(DomainError, match=message) as caught:
        SPACE.validate(values)
    assert "\n" not in str(caught.value)


def test_several_missing_parameters_are_named_together() -> None:
    with pytest.raises(DomainError, match="missing parameters n, m: n is samples, integers >= 1; m is trees"):
        Space([N, Parameter("m", Integers(), "trees")]).complete({})


def test_unknown_names_are_suggested() -> None:
    with pytest.raises(UnknownNameError, match="unknown parameter 'knd'; did you mean 'kind'"):
        SPACE.validate({"n": 9, "knd": "lasso"})


def test_plain_values_are_of_plain_types() -> None:
    plain = SPACE.plain({"n": np.float64(9.0), "x": np.float32(0.25)})
    assert plain == {"n": 9, "p": 4, "x": 0.25, "kind": "ridge"}
    assert [type(v) for v in plain.values()] == [int, int, float, str]
    assert isinstance(SPACE.plain({"n": [9, 10]})["n"], np.ndarray)


def test_union_keeps_the_first_and_all_constraints() -> None:
    again = Parameter("n", Integers(1), "samples", default=7)
    both = SPACE | Space([again, GRAM], [Constraint(N.symbol < 100, "too many")])
    assert both.names == ["n", "p", "x", "kind", "gram"]
    assert both["n"].default is None
    assert len(both.constraints) == 2
    assert len((SPACE | SPACE).constraints) == 1


def test_a_part_of_a_space_keeps_the_constraints_that_it_can_check() -> None:
    assert len(SPACE.only(["n", "p"]).constraints) == 1
    assert SPACE.only(["n", "x"]).constraints == ()
    assert SPACE.only(["x", "n"]).names == ["n", "x"]


def test_constraints_are_shown_in_words() -> None:
    n, p = N.symbol, P.symbol
    either = Constraint(sp.Or(p <= n - 2, p >= n + 2), "infinite variance")
    assert str(either) in (
        "p >= n + 2 or p <= n - 2: infinite variance", "p <= n - 2 or p >= n + 2: infinite variance",
    )  # fmt: skip
    both = Constraint(sp.And(p > 1, n > p), "why")
    assert " and " in str(both)


@given(st.lists(st.integers(2, 60), min_size=1, max_size=5), st.lists(st.integers(0, 50), min_size=1, max_size=5))
def test_constraints_hold_elementwise_over_broadcast_arrays(n: list[int], p: list[int]) -> None:
    constraint = SPACE.constraints[0]
    columns = np.array(n, dtype=float)[:, None], np.array(p, dtype=float)[None, :]
    holds = constraint.holds({"n": columns[0], "p": columns[1]})
    assert np.array_equal(holds, columns[0] > columns[1] + 1)


def test_formulas_show_parameters_as_they_are_written() -> None:
    variance = Parameter("sigma2", Interval(0), "variance", written="sigma**2")
    space = Space([variance, N])
    shown = space.displayed(variance.symbol**2 / N.symbol)
    assert str(shown) == "sigma**4/n"
    assert sp.latex(shown) == r"\frac{\sigma^{4}}{n}"
    assert space.displayed(1) == sp.Integer(1)
    assert SPACE.displayed(N.symbol + X.symbol) == N.symbol + X.symbol


def test_a_condition_of_several_parts_takes_arrays_that_broadcast() -> None:
    a, b = Parameter("a", Interval(), "a"), Parameter("b", Interval(), "b")
    space = Space([a, b], [Constraint(sp.Or(a.symbol > 0, b.symbol > 0), "one of them positive")])
    assert space.validate({"a": 1.0, "b": [-1.0, 2.0]})["b"].shape == (2,)
    with pytest.raises(DomainError, match="a = -1, b = -2 violates"):
        space.validate({"a": [[1.0], [-1.0]], "b": [2.0, -2.0]})
