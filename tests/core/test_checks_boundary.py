"""The Boundary check: rungs, brackets and what they decide.

Statistical tests use fixed seeds; each states its chance of a false alarm at a fresh seed.
"""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import THETA, A, closed, judge, make

from theorylab.checks import Boundary
from theorylab.errors import DesignError
from theorylab.parameters import Space
from theorylab.prediction import Numerical

TRIALS = 1024


def transition(prediction=None, *, margin=0.1, point=2.0, ladder=None):
    """A claim that the transition is at a = 2."""
    check = Boundary() if ladder is None else Boundary(ladder=ladder)
    prediction = prediction or closed(A.symbol, A)
    return make(check, prediction, points=[{"a": point}], parameters=[THETA], trials=TRIALS, margin=margin)


def rungs(claim):
    """Values of the parameter that is varied."""
    return np.array([c.params["theta"] for c in claim.check.cells(claim, claim.budget("quick"))])


def order(claim, truth, rng, slope=1.0, sd=0.1):
    """Samples whose order parameter vanishes at `truth`."""
    return [slope * (t - truth) + sd * rng.normal(size=TRIALS) for t in rungs(claim)]


def test_rungs_stand_at_margins():
    claim = transition()
    np.testing.assert_allclose(rungs(claim), 2.0 * (1 + 0.1 * np.array([-4, -2, -1, 1, 2, 4])))
    assert claim.check.groups(claim, claim.budget("quick"), [None] * 12) == [tuple(range(6)), tuple(range(6, 12))]
    np.testing.assert_allclose(rungs(transition(ladder=(3, 1, -1))), [1.8, 2.2, 2.6])


def test_holds_with_its_bracket(rng):
    """False alarm 1e-6."""
    claim = transition()
    verdict = judge(claim, order(claim, 2.03, rng))
    assert verdict.status == "holds"
    assert verdict.interval == pytest.approx((1.8, 2.2))
    assert verdict.estimate == pytest.approx(2.03, abs=0.05)
    assert verdict.findings[0].discrepancy == pytest.approx((-0.1, 0.1), abs=1e-9)


@pytest.mark.parametrize(("truth", "bracket"), [(2.5, (2.4, 2.8)), (1.7, (1.6, 1.8))])
def test_bracket_of_the_truth(truth, bracket, rng):
    """2.5 lies beyond the rung at 2 margins, and is refuted; 1.7 is nearer than that, and is left open."""
    claim = transition()
    verdict = judge(claim, order(claim, truth, rng))
    assert verdict.interval == pytest.approx(bracket)
    assert verdict.status == ("fails" if truth == 2.5 else "inconclusive")


@pytest.mark.parametrize(("truth", "sign"), [(5.0, -1), (0.5, 1)])
def test_transition_beyond_the_ladder(truth, sign, rng):
    claim = transition()
    verdict = judge(claim, order(claim, truth, rng))
    assert verdict.status == "fails"
    assert verdict.interval is None
    low, high = verdict.findings[0].discrepancy
    assert (high == 1e300) == (sign < 0)
    assert (low == pytest.approx(-1.0)) == (sign > 0)


def test_uncertain_signs_widen_the_bracket(rng):
    """Noise that hides the inner rungs: the bracket is that of the next ones, and nothing is decided."""
    claim = transition()
    samples = order(claim, 2.0, rng, sd=0.01)
    samples[2], samples[3] = rng.normal(size=TRIALS), rng.normal(size=TRIALS)
    verdict = judge(claim, samples)
    assert verdict.status == "inconclusive"
    assert verdict.interval == pytest.approx((1.6, 2.4))


def test_nothing_certain_at_all(rng):
    claim = transition()
    verdict = judge(claim, [rng.normal(size=TRIALS) for _ in range(6)])
    assert verdict.status == "inconclusive"
    assert verdict.interval is None


def test_heavy_tails_certify_nothing(rng):
    claim = transition()
    samples = [s + 5 * (rng.pareto(1.5, size=TRIALS) - 2.0) for s in order(claim, 2.0, rng)]
    assert judge(claim, samples).status == "inconclusive"


def test_falling_order_parameter_is_named(rng):
    claim = transition()
    verdict = judge(claim, order(claim, 2.0, rng, slope=-1.0))
    assert verdict.status == "inconclusive"
    assert any("not monotone" in note for note in verdict.notes)


def with_error(error):
    """Prediction 2 with a numerical error."""
    return Numerical(function=lambda a: (a, 0.0 * a + error), space=Space([A]))


def test_prediction_with_an_error_can_hold(rng):
    """The inner rungs move inwards by the relative error: the widened bracket is the margin. False alarm 1e-6."""
    claim = transition(with_error(0.02))
    np.testing.assert_allclose(rungs(claim)[2:4], 2.0 * (1 + 0.09 * np.array([-1, 1])))
    verdict = judge(claim, order(claim, 2.0, rng))
    assert verdict.status == "holds"
    assert verdict.findings[0].discrepancy == pytest.approx((-0.1, 0.1))
    assert verdict.prediction_error == 0.02


def test_numerical_error_counts_against_fails_too(rng):
    """A bracket from 2.36 on excludes 2 (1 + margin) but not 2 (1 + margin + error)."""
    sharp, rough = transition(with_error(1e-9)), transition(with_error(0.1))
    assert judge(sharp, order(sharp, 2.5, rng)).status == "fails"
    assert rungs(rough)[4] == pytest.approx(2.2)
    assert judge(rough, order(rough, 2.3, rng)).status == "inconclusive"


@pytest.mark.parametrize("claim", [transition(with_error(0.5)), transition(closed(-A.symbol, A))])
def test_designs_that_cannot_work(claim):
    with pytest.raises(DesignError, match="positive transition known more closely"):
        claim.check.cells(claim, claim.budget("quick"))


def test_separation_is_relative():
    claim = transition()
    cells = claim.check.cells(claim, claim.budget("quick"))
    assert claim.check.separation(claim, closed(A.symbol * 1.5, A), claim.budget("quick"), cells, []) == 0.5
    assert "sign" in claim.check.statement()
