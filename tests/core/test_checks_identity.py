"""The Identity check: proof, 50 digits, and designs that cannot work."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from synthetic import A, B, N, closed, make

from theorylab.checks import Identity
from theorylab.errors import DesignError
from theorylab.parameters import Constraint, Space
from theorylab.prediction import ClosedForm, Implicit, Numerical

a, b, n = A.symbol, B.symbol, N.symbol
RANGES = {"a": (0.1, 3.0), "b": (0.1, 3.0)}


def identity(left, right, ranges=None, trials=20):
    """A claim that two expressions are equal."""
    return make(Identity(other=right, ranges=ranges or RANGES), left, trials=trials, margin=1e-12, block=None)


def test_proved():
    verdict = identity(closed((a + b) ** 2, A, B), a**2 + 2 * a * b + b**2).verify()
    assert verdict.status == "holds"
    assert verdict.notes == ("SymPy reduces the difference to zero",)
    assert verdict.samples == 0
    assert verdict.backend is None


def test_fifty_digits_where_sympy_finds_no_proof():
    """The recurrence of the Hurwitz zeta function."""
    verdict = identity(closed(sp.zeta(3, a), A, B), sp.zeta(3, a + 1) + a**-3, trials=3).verify()
    assert verdict.status == "holds"
    assert "3 random points at 50 digits" in verdict.notes[0]


def test_refuted_with_the_worst_point():
    verdict = identity(closed(a / (a + b), A, B), a / (a + b) * (1 + sp.Rational(1, 10**9))).verify()
    assert verdict.status == "fails"
    assert verdict.findings[0].where.startswith("a = ")
    assert verdict.findings[0].discrepancy[1] == pytest.approx(1e-9, rel=1e-6)
    assert "times the prediction" in verdict.findings[0].behaves_as


def test_a_difference_in_the_fortieth_digit_is_agreement_and_in_the_thirtieth_is_not():
    for digits, status in [(40, "holds"), (30, "fails")]:
        assert identity(closed(a, A, B), a + sp.Rational(1, 10**digits) * b).verify().status == status


def test_other_side_may_be_a_prediction():
    root = Implicit(
        equation=sp.Symbol("y") ** 2 - a, unknown=sp.Symbol("y"), bracket=lambda a: (0.0 * a, 1.0 + a), space=Space([A])
    )
    assert identity(closed(sp.sqrt(a), A), root, {"a": (0.1, 3.0)}, trials=5).verify().status == "holds"
    assert identity(closed(sp.sqrt(a), A), closed(a**0.5, A), {"a": (0.1, 3.0)}).verify().status == "holds"
    assert identity(root, sp.sqrt(a), {"a": (0.1, 3.0)}, trials=5).verify().status == "holds"


def test_points_respect_integers_and_constraints():
    space = Space([N, A], [Constraint(sp.Gt(n, 2 * a), "n must exceed 2a")])
    claim = identity(ClosedForm(expr=n - a, space=space), n - a, {"n": (1, 6), "a": (0.1, 2.5)}, trials=50)
    points = claim.check._points(claim, claim.budget("quick"))
    assert len(points) == 50
    assert all(isinstance(p["n"], int) and p["n"] > 2 * p["a"] for p in points)
    assert points == claim.check._points(claim, claim.budget("quick")), "the same points in every run"


def test_mutants_are_rejected_at_the_same_points():
    from theorylab.claim import Mutant

    claim = make(
        Identity(other=(a + b) ** 2, ranges=RANGES),
        closed(a**2 + 2 * a * b + b**2, A, B),
        trials=5,
        margin=1e-12,
        block=None,
        mutants=[Mutant("no cross term", a**2 + b**2), Mutant("the other sign", (a - b) ** 2)],
    )
    verdict = claim.verify()
    assert verdict.status == "holds"
    assert verdict.mutants_rejected == (2, 2)


def test_ranges_outside_the_domain():
    claim = identity(closed(a, A), a + 1, {"a": (-2.0, -1.0)}, trials=3)
    with pytest.raises(DesignError, match="hardly meet the domain"):
        claim.verify()


def computed(shift=0.0, error=0.0, calls=None):
    """The square root of a by Heron's rule, off by `shift`, with a stated error."""

    def function(a):
        if calls is not None:
            calls.append(float(a))
        x = 1.0 + 0.0 * a
        for _ in range(60):
            x = (x + a / x) / 2
        return x * (1.0 + shift), error + 0.0 * x

    return Numerical(function=function, space=Space([A]))


def compared(other, margin=0.01, left=None, ranges=None, **options):
    left = closed(sp.sqrt(a), A) if left is None else left
    check = Identity(other=other, ranges={"a": (0.5, 4.0)} if ranges is None else ranges, **options)
    return make(check, left, trials=10, margin=margin, block=None, points=[{"a": 1.0}, {"a": 4.0}])


@pytest.mark.parametrize(
    ("shift", "error", "status"),
    [
        (0.0, 0.0, "holds"),
        (0.005, 0.0, "holds"),
        (0.02, 0.0, "fails"),
        (-0.02, 0.0, "fails"),
        # An error of its own widens the difference, for both verdicts.
        (0.005, 0.02, "inconclusive"),
        (0.02, 0.05, "inconclusive"),
        (0.2, 0.05, "fails"),
    ],
)
def test_a_computation_agrees_within_the_margin_with_its_error_counted(shift, error, status):
    verdict = compared(computed(shift, error)).verify()
    assert verdict.status == status
    assert verdict.samples == 0
    low, high = verdict.findings[0].discrepancy
    assert low < shift < high
    if status == "fails":
        assert "the other side behaves as" in verdict.findings[0].behaves_as


def test_either_side_or_both_may_be_computed():
    assert compared(sp.sqrt(a), left=computed(1e-9)).verify().status == "holds"
    assert compared(computed(0.004), left=computed()).verify().status == "holds"
    assert compared(computed(0.04), left=computed()).verify().status == "fails"


def test_without_ranges_each_point_of_the_claim_is_a_finding():
    verdict = compared(computed(0.004), ranges={}).verify()
    assert [f.where for f in verdict.findings] == ["a = 1", "a = 4"]
    # At a = 4 the same relative shift is twice the absolute one.
    absolute = compared(computed(0.004), margin=0.006, ranges={}, scale="absolute").verify()
    assert [f.status for f in absolute.findings] == ["holds", "fails"]
    assert compared(sp.sqrt(a), ranges={}).verify().status == "holds"


def test_a_computed_identity_owes_its_mutants_three_margins_and_is_computed_once():
    from dataclasses import replace

    from theorylab.claim import Mutant

    calls = []
    right = replace(compared(computed(calls=calls), ranges={}), mutants=[Mutant("the number itself", a)])
    verdict = right.verify()
    assert verdict.status == "holds"
    assert verdict.mutants_rejected == (1, 1)
    assert calls == [1.0, 4.0]
    near = replace(compared(computed(), ranges={}), mutants=[Mutant("two per cent more", 1.02 * sp.sqrt(a))])
    with pytest.raises(DesignError, match="more than a third of the distance"):
        near.verify()


def test_zero_on_both_sides():
    assert identity(closed(a - a, A), sp.Integer(0), {"a": (0.5, 1.0)}).verify().status == "holds"
    verdict = identity(closed(a - a, A), a, {"a": (0.5, 1.0)}).verify()
    assert verdict.status == "fails"
    assert "where the prediction is 0" in verdict.findings[0].behaves_as


@pytest.mark.parametrize(("bend", "status"), [(1.005, "holds"), (1.02, "fails")])
def test_a_curve_is_compared_point_by_point(bend, status):
    """Points may hold arrays, as curves do: the entry that strains the margin most decides."""

    def root(**arrays):
        return np.sqrt(arrays["a"]) * np.array([1.0, 1.0, bend]), 0.0 * arrays["a"]

    other = Numerical(function=root, space=Space([A]))
    points = [{"a": np.array([1.0, 2.0, 4.0])}]
    verdict = make(Identity(other=other), closed(sp.sqrt(a), A), margin=0.01, block=None, points=points).verify()
    assert verdict.status == status
    assert verdict.predicted == pytest.approx(2.0)
