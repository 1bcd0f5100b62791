"""The Law check. Statistical tests use fixed seeds; each states its chance of a false alarm at a fresh seed."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from synthetic import A, X, closed, judge, make

from theorylab.checks import Law
from theorylab.inference import laws
from theorylab.parameters import Interval, Parameter, Space
from theorylab.prediction import Numerical

POSITIVE = Parameter("x", Interval(0.0, np.inf, open_low=True), "argument")
UNIT = Parameter("x", Interval(0.0, 1.0), "argument")
# Exponential law of scale a, on the whole line.
EXPONENTIAL = closed(sp.Piecewise((0, X.symbol < 0), (1 - sp.exp(-X.symbol / A.symbol), True)), X, A)


def exponential_law(prediction=EXPONENTIAL, *, trials=8192, margin=0.05, **options):
    """Exponential law of scale 1."""
    return make(Law(), prediction, points=[{"a": 1.0}], trials=trials, margin=margin, **options)


def test_holds_and_fails(rng):
    """Sup-distance of scale 1.4 from scale 1: 0.122. False alarm 1e-6 each."""
    assert judge(exponential_law(), [rng.exponential(size=8192)]).status == "holds"
    verdict = judge(exponential_law(), [1.4 * rng.exponential(size=8192)])
    assert verdict.status == "fails"
    assert verdict.interval[0] < 0.123 < verdict.interval[1]
    assert verdict.predicted == 0.0


def test_interval_is_the_dkw_band(rng):
    x = rng.exponential(size=1024)
    verdict = judge(exponential_law(trials=1024, block=1024), [x], level=1e-3)
    estimate, _ = laws.distance(x, lambda v: 1 - np.exp(-v))
    radius = laws.dkw_radius(1024, 1e-3)
    assert verdict.estimate == pytest.approx(estimate)
    assert verdict.interval == pytest.approx((0.0, estimate + radius))
    assert verdict.detectable == pytest.approx(radius)


def test_samples_outside_the_domain_refute(rng):
    """Uniform on [0, 1] predicted, on its domain alone; half of the sample lies beyond it, on either side."""
    claim = make(Law(), closed(UNIT.symbol, UNIT), trials=4096, margin=0.1)
    assert judge(claim, [rng.random(4096)]).status == "holds"
    for shift in (0.5, -0.5):
        verdict = judge(claim, [rng.random(4096) + shift])
        assert verdict.status == "fails"
        assert verdict.estimate == pytest.approx(0.5, abs=0.2)


def test_open_end_of_the_domain(rng):
    """A value exactly at an open end is outside the domain, with a distribution function of 0."""
    claim = make(Law(), closed(1 - sp.exp(-POSITIVE.symbol), POSITIVE), trials=2048, margin=0.1)
    x = rng.exponential(size=2048)
    x[0] = 0.0
    assert judge(claim, [x]).status == "holds"


def test_numerical_error_is_the_largest_on_the_sample(rng):
    """An error of 0.01 in one place widens the interval, wherever the worst distance is."""

    def function(x, a):
        return 1 - np.exp(-np.maximum(x, 0.0) / a), np.where((x > 1.0) & (x < 1.1), 0.01, 1e-12)

    prediction = Numerical(function=function, space=Space([X, A]))
    x = rng.exponential(size=4096)
    rough, exact = (judge(exponential_law(p, trials=4096, margin=0.06), [x]) for p in (prediction, EXPONENTIAL))
    assert rough.prediction_error == 0.01
    assert rough.findings[0].discrepancy[1] == pytest.approx(exact.findings[0].discrepancy[1] + 0.01)


def test_ensembles_are_judged_by_trial(rng):
    """Ten copies of one value a trial: as much evidence as one value, and the verdict knows it. False alarm 1e-6."""
    one = rng.exponential(size=(1024, 1))
    claim = exponential_law(trials=1024, margin=0.12)
    alike, single = judge(claim, [np.repeat(one, 10, axis=1)]), judge(claim, [one])
    assert alike.findings[0].discrepancy[1] == pytest.approx(single.findings[0].discrepancy[1], rel=0.15)
    many = judge(claim, [rng.exponential(size=(1024, 10))])
    assert many.findings[0].discrepancy[1] < 0.7 * alike.findings[0].discrepancy[1]


def test_separation(rng):
    """Distance of two exponential laws, to the resolution of the sample."""
    claim = exponential_law()
    cells = claim.check.cells(claim, claim.budget("quick"))
    mutant = closed(sp.Piecewise((0, X.symbol < 0), (1 - sp.exp(-2 * X.symbol / A.symbol), True)), X, A)
    distance = claim.check.separation(
        claim, mutant, claim.budget("quick"), cells, [{"value": rng.exponential(size=4096)}]
    )
    assert distance == pytest.approx(0.25, abs=0.01), "max of e^-x - e^-2x"


def test_variable_is_no_part_of_the_points():
    claim = exponential_law()
    assert [dict(c.params) for c in claim.check.cells(claim, claim.budget("quick"))] == [{"a": 1.0}]
    assert "sup-distance" in claim.check.statement()
