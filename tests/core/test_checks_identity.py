"""The Identity check: proof, 50 digits, and designs that cannot work."""

from __future__ import annotations

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


def test_numerical_predictions_have_no_digits_to_compare():
    numerical = Numerical(function=lambda a: (a, 0 * a), space=Space([A]))
    with pytest.raises(DesignError, match="closed forms or implicit"):
        identity(closed(a, A), numerical, {"a": (0.5, 1.0)}).verify()


def test_zero_on_both_sides():
    assert identity(closed(a - a, A), sp.Integer(0), {"a": (0.5, 1.0)}).verify().status == "holds"
    verdict = identity(closed(a - a, A), a, {"a": (0.5, 1.0)}).verify()
    assert verdict.status == "fails"
    assert "where the prediction is 0" in verdict.findings[0].behaves_as
