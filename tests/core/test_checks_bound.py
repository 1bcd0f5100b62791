"""The Bound check: counterexamples, tightness and effort."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import A, X, closed, judge, make

from theorylab.checks import Bound

SQUARE = closed(A.symbol * X.symbol**2, A, X)
CASES = np.linspace(-2.0, 2.0, 401)


def attained(x, a):
    """An extremal instance that reaches the bound."""
    return a * x**2


def bound(check=None, *, margin=0.01, trials=400):
    """A claim that y >= x^2."""
    return make(check or Bound(), SQUARE, points=[{"a": 1.0}], trials=trials, margin=margin, block=100)


def cases(x, y, error=1e-12):
    """What a search returns."""
    x, y = np.broadcast_arrays(x, y)
    return {
        "x": x.copy(),
        "y": y.copy(),
        "error": np.full(x.shape, error),
        "case": np.arange(x.size),
        "block": np.arange(x.size) // 100,
    }


def test_holds_when_the_search_ends():
    verdict = judge(bound(), [cases(CASES, CASES**2 + 0.1)])
    assert verdict.status == "holds"
    assert verdict.interval is None
    assert any("smallest slack" in note for note in verdict.notes)
    # Not before: the effort is the claim.
    claim = bound()
    (cell,) = claim.check.cells(claim, claim.budget("quick"))
    from theorylab.checks.base import Level

    early = claim.check.assess(
        claim, SQUARE, claim.budget("quick"), [cell], [cases(CASES, CASES**2 + 0.1)], Level(1e-6, 0.5)
    )
    assert early.status == "inconclusive"


@pytest.mark.parametrize(("sense", "sign"), [(">=", -1.0), ("<=", 1.0)])
def test_a_counterexample_refutes_at_once_and_can_be_replayed(sense, sign):
    y = CASES**2 - sign * 0.1
    y[250] = CASES[250] ** 2 + sign * 1e-3
    verdict = judge(bound(Bound(sense=sense)), [cases(CASES, y)])
    assert verdict.status == "fails"
    note = verdict.notes[0]
    assert note.startswith("counterexample: x = 0.5")
    assert "(block 2, case 250)" in note
    assert verdict.estimate == pytest.approx(y[250])
    assert verdict.findings[0].behaves_as.startswith("the extreme case behaves as")


def test_violations_within_the_numerical_error_do_not_count():
    """Of the cases, and of the prediction."""
    y = CASES**2 + 0.1
    y[250] = CASES[250] ** 2 - 1e-3
    assert judge(bound(), [cases(CASES, y, error=2e-3)]).status == "holds"
    assert judge(bound(), [cases(CASES, y, error=5e-4)]).status == "fails"
    from dataclasses import replace

    rough = make(Bound(), replace(SQUARE, rtol=0.01), points=[{"a": 1.0}], trials=400, margin=0.01, block=100)
    assert judge(rough, [cases(CASES, y)]).status == "holds"


def test_named_instance_must_attain_the_bound():
    check = Bound(tight=attained, at=(0.5, 1.0, 2.0))
    assert judge(bound(check), [cases(CASES, CASES**2 + 0.1)]).status == "holds"
    almost = Bound(tight=lambda x, a: 1.02 * a * x**2, at=(0.5, 1.0))
    verdict = judge(bound(almost), [cases(CASES, CASES**2 + 0.1)])
    assert verdict.status == "fails"
    assert any("extremal instance within 0.02 of equality" in note for note in verdict.notes)
    assert "0.02 of it away" in verdict.findings[0].behaves_as
    assert judge(bound(almost, margin=0.03), [cases(CASES, CASES**2 + 0.1)]).status == "holds"


def test_instance_where_the_bound_is_zero():
    """An absolute distance takes the place of the relative one, and no warning is raised."""
    check = Bound(tight=attained, at=(0.0, 1.0))
    assert judge(bound(check), [cases(CASES, CASES**2 + 0.1)]).status == "holds"


def test_search_must_come_near_in_every_range():
    check = Bound(tight="search", at=((0.0, 1.0), (1.0, 2.0)))
    near = CASES**2 * np.where(CASES > 1, 1.001, 1.1)
    near[CASES == 0.5] = 0.2501
    assert judge(bound(check), [cases(CASES, near)]).status == "holds"
    far = CASES**2 * np.where(CASES > 1, 1.001, 1.1)
    verdict = judge(bound(check), [cases(CASES, far)])
    assert verdict.status == "fails"
    assert any("in (0.0, 1.0)" in note for note in verdict.notes)
    # Nothing found in a range at all: as far as can be, and still plain JSON.
    verdict = judge(bound(check), [cases(CASES[CASES < 1], far[CASES < 1])])
    assert verdict.status == "fails"
    verdict.to_json()


def test_a_search_without_cases_shows_nothing():
    nothing = {k: v[:0] for k, v in cases(CASES, CASES).items()}
    verdict = judge(bound(), [nothing])
    assert verdict.status == "inconclusive"
    assert "the search returned no case" in verdict.notes


def test_mutants_too_strong_and_too_weak_are_rejected():
    from theorylab.claim import Mutant

    claim = make(
        Bound(tight=attained, at=(1.0, 2.0)),
        SQUARE,
        points=[{"a": 1.0}],
        trials=400,
        margin=0.01,
        block=100,
        mutants=[
            Mutant("too strong", 1.05 * A.symbol * X.symbol**2),
            Mutant("too weak", 0.95 * A.symbol * X.symbol**2),
        ],
    )
    verdict = judge(claim, [cases(CASES, CASES**2 * 1.001 + 1e-9)])
    assert verdict.status == "holds"
    assert verdict.mutants == {"too strong": True, "too weak": True}


def test_statement_names_the_kind_of_tightness():
    assert Bound().statement().endswith("searched")
    assert "approached by the search" in Bound(tight="search").statement()
    assert "attained by a named instance" in Bound(tight=attained).statement()
