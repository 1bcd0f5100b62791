"""Expectation and Curve: the decision, its scale, vectors, conditional predictions and proportions.

Statistical tests use fixed seeds; each states its chance of a false alarm at a fresh seed.
"""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from synthetic import A, B, T, closed, judge, make, noise

from theorylab.checks import Curve, Expectation
from theorylab.checks.base import Cell, Level, compare_means, decide, describe, scale_of
from theorylab.claim import Budget
from theorylab.errors import DesignError
from theorylab.inference import means
from theorylab.inference.means import Estimate
from theorylab.parameters import Observed, Parameter, Space
from theorylab.prediction import Numerical

LEVEL = Level(1e-6, 1.0)
ENDS = st.floats(-1.0, 1.0)


def estimate(value, error, df=1e9):
    """An unskewed estimate with many degrees of freedom: its interval is the normal one."""
    value = np.asarray(value, dtype=float)
    one = np.ones_like(value)
    return Estimate(value, error * one, 0 * one, df * one, 0 * one)


def compare(value, error, *, predicted=1.0, numerical=0.0, margin=0.1, **options):
    """`compare_means` on the absolute scale."""
    difference = estimate(value, error)
    return compare_means(
        where="here",
        difference=difference,
        value=np.asarray(predicted) * np.ones_like(difference.value),
        error=np.asarray(numerical),
        scale=np.ones_like(difference.value),
        budget=Budget(1000, margin),
        level=options.pop("level", LEVEL),
        **options,
    )


@given(ENDS, ENDS, st.floats(0.01, 1.0))
def test_decide(a, b, margin):
    low, high = min(a, b), max(a, b)
    status = decide(low, high, margin)
    assert (status == "holds") == (-margin < low and high < margin)
    assert (status == "fails") == (low > margin or high < -margin)


@given(value=st.floats(-0.5, 0.5), half=st.floats(1e-3, 0.3), numerical=st.floats(0.0, 0.1))
def test_numerical_error_shrinks_holds_and_fails(value, half, numerical):
    error = half / LEVEL.z()
    status = compare(value, error, numerical=numerical).status
    reach = abs(value) + half
    assert (status == "holds") == (reach + numerical < 0.1) or abs(reach + numerical - 0.1) < 1e-6
    assert (status == "fails") == (abs(value) - half - numerical > 0.1) or abs(
        abs(value) - half - numerical - 0.1
    ) < 1e-6
    # An extrapolation's doubt has the same effect, without being reported as numerical error.
    other = compare(value, error, extrapolation=numerical)
    assert other.status == status
    assert other.prediction_error == 0.0


def test_level_is_split_over_components():
    finding = compare([0.0, 0.0, 0.0, 0.0], 0.01)
    assert finding.discrepancy[1] == pytest.approx(0.01 * Level(1e-6 / 4, 1.0).z(), rel=1e-6)


def test_worst_component_is_reported():
    finding = compare([0.0, 0.5, 0.02], 0.01, predicted=[1.0, 2.0, 3.0])
    assert finding.status == "fails"
    assert finding.where == "here [component 1]"
    assert finding.estimate == pytest.approx(2.5)
    assert finding.predicted == 2.0
    # One that is undecided beside one that fails: the failing one is reported, though its interval reaches less far.
    finding = compare_means(
        where="here",
        difference=Estimate(*(np.array(a) for a in ([0.3, 0.0], [0.01, 1.0], [0.0, 0.0], [1e9, 1e9], [0.0, 0.0]))),
        value=np.ones(2),
        error=np.zeros(2),
        scale=np.ones(2),
        budget=Budget(1000, 0.1),
        level=LEVEL,
    )
    assert finding.status == "fails"
    assert finding.where == "here [component 0]"


def test_one_undecided_component_is_enough_to_leave_it_open():
    assert compare([0.0, 0.095], 0.01).status == "inconclusive"


def test_distrust_needs_ten_times_as_much():
    assert compare(0.0, 0.01).status == "holds"
    undecided = compare(0.0, 0.01, distrust="heavy tails: because")
    assert undecided.status == "inconclusive"
    assert undecided.notes == ("heavy tails: because",)
    assert compare(0.0, 0.001, distrust="heavy tails: because").status == "holds"
    assert compare(5.0, 0.01, distrust="heavy tails: because").status == "fails"
    # What the full budget can see does not depend on the doubt.
    assert undecided.detectable == pytest.approx(compare(0.0, 0.01).detectable)


def test_detectable_is_what_the_full_budget_sees():
    half = compare(0.0, 0.02).detectable
    assert half == pytest.approx(0.02 * LEVEL.z(), rel=1e-6)
    assert compare(0.0, 0.02, level=Level(1e-6, 0.25)).detectable == pytest.approx(half / 2, rel=1e-6)


def test_scales():
    value = np.array([1.0, -4.0])
    np.testing.assert_array_equal(scale_of("relative", value, "c"), [1.0, 4.0])
    np.testing.assert_array_equal(scale_of("absolute", value, "c"), [1.0, 1.0])
    np.testing.assert_array_equal(scale_of("peak", value, "c"), [4.0, 4.0])
    with pytest.raises(DesignError, match="use scale='absolute'"):
        scale_of("relative", np.array([0.0, 1.0]), "c")
    assert scale_of("peak", np.array([0.0, 1.0]), "c")[0] == 1.0


def test_describe():
    assert (
        describe({"a": 0.5, "kind": "gaussian", "t": np.array([1.0, 2.0, 8.0])}) == "a = 0.5, kind = gaussian, t = 1..8"
    )
    assert str(Cell({"n": 3})) == "n = 3"


def test_expectation_holds_and_fails(rng):
    """False alarm 1e-6 each."""
    claim = make(Expectation(), closed(A.symbol, A), points=[{"a": 2.0}], trials=4096)
    for shift, expected in [(0.0, "holds"), (0.5, "fails"), (-0.5, "fails")]:
        verdict = judge(claim, [2.0 + shift + 0.5 * noise("exponential", rng, 4096)])
        assert verdict.status == expected, verdict


def test_missing_observable_is_named(rng):
    claim = make(Expectation("risk"), closed(A.symbol, A), points=[{"a": 2.0}])
    with pytest.raises(DesignError, match="no observable 'risk'; it returns value, other"):
        judge(claim, [{"value": np.zeros(1024), "other": np.zeros(1024)}])


def test_conditional_prediction(rng):
    """E[X - f(seen)] = 0 is tested, with far less spread than E[X] - E[f]; relative to the mean of f.

    False alarm 1e-6.
    """
    seen = 10.0 ** rng.uniform(-1, 1, size=2048)
    x = seen * (1 + 0.01 * rng.normal(size=2048))
    prediction = Numerical(
        function=lambda a, gram: (a * gram, 0.0 * gram + 1e-9),
        space=Space([A, Parameter("gram", Observed("a number"), "observed")]),
    )
    claim = make(Expectation(given=("gram",)), prediction, points=[{"a": 1.0}], trials=2048, margin=0.005)
    verdict = judge(claim, [{"value": x, "gram": seen}])
    assert verdict.status == "holds"
    assert verdict.predicted == pytest.approx(seen[: verdict.samples].mean(), rel=0.5)
    assert verdict.prediction_error == pytest.approx(1e-9)
    wrong = judge(claim, [{"value": 1.02 * x, "gram": seen}])
    assert wrong.status == "fails"


def test_vector_prediction(rng):
    """Six components at once, through an array-valued parameter; the wrong one is named. False alarm 1e-6."""
    t = np.arange(1.0, 7.0)
    x = np.sqrt(t) * (1 + 0.05 * rng.normal(size=(2048, 6)))
    claim = make(Expectation(), closed(T.symbol**0.5, T), points=[{"t": t}], trials=2048, margin=0.02)
    assert judge(claim, [x]).status == "holds"
    x[:, 4] *= 1.06
    verdict = judge(claim, [x])
    assert verdict.status == "fails"
    assert "[component 4]" in verdict.findings[0].where


def test_curve_on_the_scale_of_its_peak(rng):
    """A curve that decays to nothing cannot be tested relative to itself, but relative to its peak it can."""
    t = np.linspace(0.0, 20.0, 30)
    truth = np.exp(-t)
    x = truth + 0.01 * rng.normal(size=(2048, 30))
    prediction = closed(sp.exp(-T.symbol), T)
    peak, relative = (
        make(Curve(scale=s), prediction, points=[{"t": t}], trials=2048, margin=0.02) for s in ("peak", "relative")
    )
    assert judge(peak, [x]).status == "holds"
    assert judge(relative, [x]).status == "inconclusive"
    x[:, 3] += 0.05
    assert judge(peak, [x]).status == "fails"
    assert Curve().kind == "curve"
    assert "all t" in Curve().statement()


def test_proportions_get_the_binomial_interval(rng):
    """An event that never happens in the first look decides nothing. False alarm 1e-6."""
    claim = make(Expectation(scale="absolute"), closed(A.symbol / 20, A), points=[{"a": 1.0}], trials=4096, margin=0.04)
    nothing = np.zeros(4096)
    finding = claim.check.assess(
        claim,
        claim.prediction,
        claim.budget("quick"),
        claim.check.cells(claim, claim.budget("quick")),
        [{"value": nothing[:64]}],
        Level(1e-7, 1 / 64),
    )
    assert finding.status == "inconclusive"
    assert finding.discrepancy[1] > 0.15
    # Predicted 0.05 and never seen in 4096 trials: off by 0.05, more than the margin.
    assert judge(claim, [nothing]).status == "fails"
    assert judge(claim, [(rng.random(4096) < 0.05).astype(float)]).status == "holds"


def test_zeros_where_zero_is_predicted_agree():
    claim = make(Expectation(scale="absolute"), closed(A.symbol - A.symbol, A), points=[{"a": 1.0}], margin=0.01)
    assert judge(claim, [np.zeros(1024)]).status == "holds"


def test_separation_is_the_largest_over_points_and_components():
    claim = make(Expectation(), closed(A.symbol, A), points=[{"a": 1.0}, {"a": 2.0}])
    cells = claim.check.cells(claim, claim.budget("quick"))
    samples = [{"value": np.zeros(4)}, {"value": np.zeros(4)}]
    distance = claim.check.separation(claim, closed(A.symbol**2, A), claim.budget("quick"), cells, samples)
    assert distance == pytest.approx(1.0), "a^2 against a at 2, relative to 2"


def test_other_parameters_do_not_disturb(rng):
    """A parameter that only the simulation has is in the cells, not in the prediction."""
    claim = make(Expectation(), closed(A.symbol, A), points=[{"a": 1.0, "b": 3.0}], parameters=[B])
    (cell,) = claim.check.cells(claim, claim.budget("quick"))
    assert dict(cell.params) == {"a": 1.0, "b": 3.0}
    assert judge(claim, [1.0 + 0.01 * rng.normal(size=1024)]).status == "holds"


def test_interval_is_that_of_the_mean(rng):
    x = 1.0 + 0.1 * noise("exponential", rng, 64)
    claim = make(Expectation(), closed(A.symbol, A), points=[{"a": 1.0}], trials=64)
    verdict = judge(claim, [x], level=1e-3)
    low, high = means.mean(x).interval(1e-3)
    assert verdict.interval == pytest.approx((float(low), float(high)))
    assert verdict.estimate == pytest.approx(x.mean())


@pytest.mark.parametrize(
    ("shape", "t", "wrong"),
    [((64,), [1.0, 2.0], True), ((64, 1), [1.0, 2.0], True), ((64, 2), [1.0, 2.0], False), ((64, 3), [1.0], False)],
)
def test_several_predictions_for_one_component_are_a_mistake(shape, t, wrong):
    """Broadcasting must not compare one observable with several predictions, nor trials with components."""
    claim = make(Expectation(), closed(T.symbol, T), points=[{"t": np.array(t)}], trials=64)
    if wrong:
        with pytest.raises(DesignError, match="the prediction has shape"):
            judge(claim, [np.ones(shape)])
    else:
        judge(claim, [np.ones(shape)])


def test_trials_are_not_components():
    """Sixty-four predictions and sixty-four trials of a number: no accident of shapes."""
    claim = make(Expectation(), closed(T.symbol, T), points=[{"t": np.arange(1.0, 65.0)}], trials=64)
    with pytest.raises(DesignError, match=r"the prediction has shape \(64,\), the observable 'value' \(\)"):
        judge(claim, [np.ones(64)])


def test_a_curve_needs_its_axis():
    claim = make(Curve(axis="t"), closed(T.symbol, T), points=[{"t": 2.0}])
    with pytest.raises(DesignError, match="hold an array for t"):
        judge(claim, [np.ones((1024, 1))])
