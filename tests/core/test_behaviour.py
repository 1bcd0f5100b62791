"""What a refuted sample is said to behave like."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from synthetic import THETA, A, B, N, T, X, closed, judge, make

from theorylab.checks import Boundary, Curve, Expectation, Exponent, Law
from theorylab.parameters import Observed, Parameter, Space
from theorylab.prediction import Numerical

a, b = A.symbol, B.symbol


def words(verdict):
    """The explanation of the failing finding, also told as a note."""
    assert verdict.status == "fails"
    (text,) = {f.behaves_as for f in verdict.findings if f.behaves_as}
    assert text in verdict.notes
    return text


def numbers(text):
    """Value and half-width of "... were VALUE +- HALF ..."."""
    value, half = text.split(" were ")[1].split(" (not")[0].split(" +- ")
    return float(value), float(half)


def test_parameter_that_explains_is_named(rng):
    """Mean 2.14 where 2 b / 3 with b = 3 is predicted: b = 3.21."""
    claim = make(Expectation(), closed(2 * b / 3, B), points=[{"b": 3.0}], margin=0.02)
    text = words(judge(claim, [2.14 + 0.1 * rng.normal(size=1024)]))
    assert text.startswith("the sample behaves as if b were 3.2")
    assert text.endswith("(not 3)")
    value, half = numbers(text)
    assert value == pytest.approx(3.21, abs=half)
    assert half < 0.1


def test_of_several_the_one_that_moves_least(rng):
    """Mean 1.21 of a^2 b: a is off by a tenth, b would be by a fifth."""
    claim = make(Expectation(), closed(a**2 * b, A, B), points=[{"a": 1.0, "b": 1.0}], margin=0.02)
    text = words(judge(claim, [1.21 + 0.05 * rng.normal(size=1024)]))
    assert text.startswith("the sample behaves as if a were 1.1")


def test_factor_where_no_parameter_explains(rng):
    """A prediction in an integer alone."""
    claim = make(Expectation(), closed(N.symbol, N), points=[{"n": 2}], margin=0.02)
    text = words(judge(claim, [2.2 + 0.05 * rng.normal(size=1024)]))
    assert text.startswith("the sample behaves as if the prediction were 1.1")
    assert text.endswith("times what it is")


def test_factor_where_the_parameter_would_leave_its_domain(rng):
    from theorylab.parameters import Interval

    narrow = Parameter("a", Interval(0.99, 1.01), "scale")
    claim = make(Expectation(), closed(narrow.symbol, narrow), points=[{"a": 1.0}], margin=0.02)
    text = words(judge(claim, [1.2 + 0.05 * rng.normal(size=1024)]))
    assert "times what it is" in text


def test_zero_predicted(rng):
    claim = make(Expectation(scale="absolute"), closed(a - a, A), points=[{"a": 1.0}], margin=0.02)
    text = words(judge(claim, [0.3 + 0.05 * rng.normal(size=1024)]))
    assert float(text.removesuffix(", not 0").split(" were ")[1]) == pytest.approx(0.3, abs=0.05)


def test_component_of_a_curve(rng):
    """The component that failed is the one explained: at t = 3, e^-3a with a = 1.2."""
    t = np.array([1.0, 2.0, 3.0])
    claim = make(Curve(scale="peak"), closed(sp.exp(-a * T.symbol), A, T), points=[{"a": 1.0, "t": t}], margin=0.02)
    x = np.exp(-1.2 * t) + 0.005 * rng.normal(size=(1024, 3))
    text = words(judge(claim, [x]))
    value, half = numbers(text)
    assert "as if a were" in text
    assert value == pytest.approx(1.2, abs=2 * half)


def test_conditional_prediction_falls_back_on_the_factor(rng):
    gram = Parameter("gram", Observed("a number"), "observed")
    prediction = Numerical(function=lambda a, gram: (a * gram, 0 * gram), space=Space([A, gram]))
    claim = make(Expectation(given=("gram",)), prediction, points=[{"a": 1.0}], margin=0.02)
    seen = 1 + rng.random(1024)
    text = words(judge(claim, [{"value": 1.1 * seen, "gram": seen}]))
    assert "1.1 +-" in text


def test_exponent(rng):
    sizes = (8, 16, 32, 64)
    claim = make(Exponent(size="n"), closed(-a, A), points=[{"a": 1.0}], sizes=sizes, parameters=[N], margin=0.02)
    samples = [n**-1.1 * (1 + 0.05 * rng.normal(size=1024)) for n in sizes]
    value, half = numbers(words(judge(claim, samples)))
    assert value == pytest.approx(1.1, abs=half)


EXPONENTIAL = closed(sp.Piecewise((0, X.symbol < 0), (1 - sp.exp(-X.symbol / a), True)), X, A)


def law(prediction=EXPONENTIAL, trials=8192, **options):
    """The law of a exponential at scale 1."""
    return make(Law(), prediction, points=[{"a": 1.0, **options}], trials=trials, margin=0.02, block=4096)


def test_law_names_the_parameter(rng):
    """Scale 1.3: the parameter is found within its range, and the distance there is small."""
    text = words(judge(law(), [1.3 * rng.exponential(size=8192)]))
    value, half = numbers(text.split(": sup")[0])
    assert text.startswith("the sample behaves as if a were 1.")
    assert value == pytest.approx(1.3, abs=half)
    assert half < 0.2
    there, here = (float(p.split()[0]) for p in text.split("sup-distance ")[1].replace("there, ", "").split(" ", 1))
    assert there < 0.02
    assert here > 0.05


def test_law_of_an_ensemble_names_the_parameter(rng):
    text = words(judge(law(trials=1024), [1.2 * rng.exponential(size=(1024, 16))]))
    assert text.startswith("the sample behaves as if a were 1.")


def test_law_of_two_parameters_names_the_better_one(rng):
    """Scale and shift: a shifted exponential is not a scaled one."""
    x = X.symbol
    shifted = closed(sp.Piecewise((0, x < b), (1 - sp.exp(-(x - b) / a), True)), X, A, B)
    text = words(judge(law(shifted, b=1.0), [1.25 + rng.exponential(size=8192)]))
    value, half = numbers(text.split(": sup")[0])
    assert "as if b were 1.2" in text
    assert value == pytest.approx(1.25, abs=half)


def test_law_that_no_parameter_explains(rng):
    """Uniform where exponential is predicted: the distance is told, with its bound."""
    text = words(judge(law(), [2.0 * rng.random(8192)]))
    assert text.startswith("the sample behaves as a law at sup-distance 0.1")
    assert "at least" in text


def transition(rng, truth, sd=0.1):
    """A transition predicted at 2."""
    claim = make(Boundary(), closed(a, A), points=[{"a": 2.0}], parameters=[THETA])
    rungs = [c.params["theta"] for c in claim.check.cells(claim, claim.budget("quick"))]
    return judge(claim, [t - truth + sd * rng.normal(size=1024) for t in rungs])


def test_boundary_says_where_the_transition_lies(rng):
    text = words(transition(rng, 2.5))
    assert text.startswith("the transition lies at about theta = 2.")
    assert "between 2.4 and 2.8 (not 2)" in text


def test_boundary_beyond_the_ladder(rng):
    assert words(transition(rng, 5.0)) == "the transition lies above theta = 2.8, 1.4 times the one predicted"
    assert words(transition(rng, 0.1)) == "the transition lies below theta = 1.2, 0.6 times the one predicted"
