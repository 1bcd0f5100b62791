"""Competition of monomials: optima and regions by exact arithmetic, for terms of any origin."""

from __future__ import annotations

import random

import pytest
import sympy as sp

from theorylab.derivations.scaling_laws.tropical import Competition, CompetitionError, Programme, Term, piecewise

a, b = sp.symbols("a b", positive=True)
ZERO, ONE = sp.Integer(0), sp.Integer(1)


def competition(terms: list[Term], low: sp.Expr = ZERO, high: sp.Expr = ONE) -> Competition:
    return Competition([Programme(tuple(terms), low, high)], (a, b), (a, b))


def searched(terms: list[Term], low: sp.Expr, high: sp.Expr, at: dict[sp.Symbol, sp.Rational]) -> sp.Rational:
    """Smallest maximum over all crossings and ends, exactly."""
    lines = [(t.power.subs(at), t.slope.subs(at)) for t in terms]
    ends = [sp.sympify(e).subs(at) for e in (low, high)]
    places = [*ends]
    for i, (p, q) in enumerate(lines):
        places += [(r - p) / (q - s) for r, s in lines[:i] if q != s]
    return min(max(p + q * x for p, q in lines) for x in places if ends[0] <= x <= ends[1])


def test_two_bottlenecks_share_a_budget() -> None:
    """L = N^-a + D^-b with C = N D: N ~ C^(b/(a+b)), L ~ C^(-ab/(a+b)), in one region."""
    (region,) = competition([Term("N", ZERO, -a), Term("D", -b, b)]).regions
    assert sp.simplify(region.x - b / (a + b)) == 0
    assert sp.simplify(region.value + a * b / (a + b)) == 0
    assert region.largest == ("N", "D")
    assert region.conditions == ()


def test_a_floor_makes_a_second_region() -> None:
    """With a third term C^(-1/2) the budget buys no more where ab/(a+b) > 1/2."""
    found = competition([Term("N", ZERO, -a), Term("D", -b, b), Term("floor", -sp.Rational(1, 2), ZERO)]).regions
    assert {r.value for r in found} == {-sp.Rational(1, 2), sp.factor(-a * b / (a + b))}
    (boundary,) = {sp.Abs(c) for r in found for c in r.conditions}
    assert boundary == sp.Abs(2 * a * b - a - b)


def test_an_end_of_the_range_may_be_best() -> None:
    falling = competition([Term("N", ZERO, -a), Term("D", -ONE, -b)], high=sp.Rational(1, 3)).regions
    assert {r.x for r in falling} == {sp.Rational(1, 3)}
    rising = competition([Term("N", ZERO, a), Term("D", -ONE, b)], low=sp.Rational(1, 4)).regions
    assert {r.x for r in rising} == {sp.Rational(1, 4)}


def test_random_terms_against_all_crossings() -> None:
    """Every region's formulas at random points of it, for random terms with coefficients linear in the parameters."""
    source = random.Random(3)
    for _ in range(3):
        terms = [
            Term(str(i), sp.Integer(source.randint(-3, 3)) + source.randint(-2, 2) * a, source.randint(-3, 3) * b - i)
            for i in range(4)
        ]
        regions = competition(terms).regions
        for _ in range(25):
            at = {s: sp.Rational(source.randint(1, 400), 101) for s in (a, b)}
            inside = [r for r in regions if r.holds(at)]
            assert len(inside) == 1
            assert inside[0].value.subs(at) == searched(terms, ZERO, ONE, at)


def test_programmes_hold_where_they_are_stated() -> None:
    one = Programme((Term("flat", -a, ZERO),), ZERO, ONE, (a - b,))
    two = Programme((Term("flat", -b, ZERO),), ZERO, ONE, (b - a,))
    regions = Competition([one, two], (a, b), (a, b)).regions
    assert {(r.value, r.conditions) for r in regions} == {(-a, (a - b,)), (-b, (b - a,))}
    with pytest.raises(CompetitionError, match="no terms are given at a = "):
        _ = Competition([one], (a, b), (a, b)).regions


def test_a_curved_boundary_comes_with_its_roots() -> None:
    """max(a^2 - 3a + 1, 0) + x: the region where the first wins is left of a root or right of the other."""
    terms = [Term("one", a**2 - 3 * a + 1, ONE), Term("two", ZERO, ONE)]
    regions = {r.largest: r for r in competition(terms).regions}
    assert regions["one",].conditions == (a**2 - 3 * a + 1,)
    assert regions["two",].conditions == (-(a**2) + 3 * a - 1,)


def test_a_region_that_is_no_conjunction_is_refused() -> None:
    terms = [Term("product", (a - 1) * (b - 1), ZERO), Term("zero", ZERO, ZERO)]
    with pytest.raises(CompetitionError, match="needs an alternative"):
        _ = competition(terms).regions


def test_table_takes_the_first_region_on_a_boundary() -> None:
    terms = [Term("N", ZERO, -a), Term("D", -b, b), Term("floor", -sp.Rational(1, 2), ZERO)]
    table = piecewise(competition(terms).regions, lambda r: r.value)
    assert table.subs({a: 1, b: 1}) == -sp.Rational(1, 2)
    assert table.subs({a: sp.Rational(1, 2), b: sp.Rational(1, 2)}) == -sp.Rational(1, 4)
