"""The phases of compute-optimal scaling: table, boundaries, search and finite compute.

No test draws random numbers: none fails by chance.
"""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.scaling_laws import plrf_competition as search
from theorylab.derivations.scaling_laws import plrf_frontier as frontier
from theorylab.derivations.scaling_laws import plrf_phases as phases
from theorylab.derivations.scaling_laws import plrf_phases_published as published
from theorylab.errors import DomainError
from theorylab.prediction import PredictionError

a, b = phases.a, phases.b
HALF = sp.Rational(1, 2)

exponents = st.tuples(
    st.fractions(min_value="1/50", max_value="2", max_denominator=997),
    st.fractions(min_value="1/50", max_value="2", max_denominator=997),
).filter(lambda p: p[0] + p[1] > 0.5)
reproducible = settings(derandomize=True, deadline=None, max_examples=40)


def region(alpha: float, beta: float) -> str:
    (name,) = (n for n, r in phases.PHASES.items() if r.holds({a: sp.Rational(alpha), b: sp.Rational(beta)}))
    return name


def test_there_are_seven_regions_and_these_are_their_boundaries() -> None:
    assert len(phases.COMPETITION.regions) == len(phases.PHASES) == 7
    boundaries = {sp.Poly(sp.Abs(c).args[0], a, b).monic() for r in phases.PHASES.values() for c in r.conditions}
    expected = (2 * a - 1, 2 * b - 1, a - b, 4 * a - 1, 2 * a**2 - 4 * a + 1)
    assert boundaries == {sp.Poly(e, a, b).monic() for e in expected}


@pytest.mark.parametrize("name", phases.PHASES)
def test_published_formulas_phase_by_phase(name: str) -> None:
    at = dict(zip((a, b), phases.NAMES[name]))
    own = phases.PHASES[name]
    for table, derived in ((published.SIZE, own.x), (published.LOSS, -own.value)):
        (formula,) = (e for e, condition in table.args if condition.subs(at) == sp.true)
        assert sp.simplify(formula - derived) == 0


@reproducible
@given(exponents)
def test_search_agrees_at_random_points(point: tuple[float, float]) -> None:
    alpha, beta = (float(c) for c in point)
    size, loss = search.optimum(np.array(alpha), np.array(beta))
    assert float(loss.value) == pytest.approx(float(phases.LOSS(alpha=alpha, beta=beta)), abs=1e-7)
    if abs(2 * alpha**2 - 4 * alpha + 1) > 1e-6:
        assert float(size.value) == pytest.approx(float(phases.SIZE(alpha=alpha, beta=beta)), abs=1e-7)


@reproducible
@given(exponents)
def test_exponents_lie_where_they_must(point: tuple[float, float]) -> None:
    alpha, beta = (float(c) for c in point)
    at = {"alpha": alpha, "beta": beta}
    xi, eta = float(phases.SIZE(**at)), float(phases.LOSS(**at))
    assert 0 < xi < 1
    # No more than the capacity of the optimal size allows, d*^-2a or d*^-(2a+2b-1), and no more than of all compute.
    assert 0 < eta <= xi * min(2 * alpha, 2 * alpha + 2 * beta - 1) + 1e-12
    assert 0 < float(phases.DURATION(**at)) <= 2 * alpha + 1e-12


@reproducible
@given(exponents, st.fractions(min_value="1/1000", max_value="1/2", max_denominator=1000))
def test_easier_targets_never_cost_more(point: tuple[float, float], step: float) -> None:
    alpha, beta, more = float(point[0]), float(point[1]), float(step)
    eta = float(phases.LOSS(alpha=alpha, beta=beta))
    assert float(phases.LOSS(alpha=alpha, beta=beta + more)) >= eta - 1e-12


def test_easier_data_cost_more_in_one_phase() -> None:
    """For 2 beta > 1 eta grows with alpha up to 1/4 or a little more, falls up to 1 - 1/sqrt 2, and grows again."""
    eta = phases.LOSS(alpha=np.array([0.2, 0.25, 0.29289, 0.3, 0.4]), beta=2.0)
    assert eta[0] < eta[1] > eta[2] < eta[3] < eta[4]
    slope = sp.diff(-phases.PHASES["IVb"].value, a).subs({a: sp.Rational(29, 100), b: sp.Rational(9, 10)})
    assert slope < 0


BOUNDARIES = [
    ("Ia", "Ib", {a: HALF}, {b: sp.Rational(3, 10)}),
    ("III", "IVa", {a: HALF}, {b: sp.Integer(1)}),
    ("Ia", "II", {b: HALF}, {a: sp.Rational(4, 5)}),
    ("Ib", "IVa", {b: HALF}, {a: sp.Rational(2, 5)}),
    ("Ib", "Ic", {b: HALF}, {a: sp.Rational(1, 5)}),
    ("Ib", "IVb", {b: HALF}, {a: sp.Rational(27, 100)}),
    ("II", "III", {b: a}, {a: sp.Integer(1)}),
    ("Ic", "IVb", {a: sp.Rational(1, 4)}, {b: sp.Rational(4, 5)}),
    ("IVb", "IVa", {a: phases.universality}, {b: sp.Rational(9, 10)}),
]


@pytest.mark.parametrize(("one", "two", "line", "at"), BOUNDARIES)
def test_the_loss_is_continuous_and_the_size_but_for_one_jump(one, two, line, at) -> None:
    first, second = phases.PHASES[one], phases.PHASES[two]
    assert sp.simplify((first.value - second.value).subs(line)) == 0
    jump = sp.simplify((first.x - second.x).subs(line).subs(at))
    assert (jump == 0) == ((one, two) != ("IVb", "IVa"))


def test_the_end_of_universality_is_a_root() -> None:
    assert phases.universality == 1 - sp.sqrt(2) / 2
    assert region(0.29, 0.9) == "IVb"
    assert region(0.296, 0.9) == "IVa"
    value = search.departure(np.array([0.6, 0.9, 2.0]))
    np.testing.assert_allclose(value.value, 1 - 0.5**0.5, atol=2e-5)


def test_limits() -> None:
    """Hard targets on the line cost all; the smoothest data make the loss as good as one over compute."""
    assert float(phases.LOSS(alpha=0.3, beta=0.2 + 1e-9)) == pytest.approx(1e-9, rel=1e-6)
    assert float(phases.LOSS(alpha=1e6, beta=2e6)) == pytest.approx(1.0, abs=1e-6)
    assert float(phases.SIZE(alpha=1e6, beta=0.1)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("form", [phases.SIZE, phases.LOSS, phases.DURATION])
def test_bad_input(form) -> None:
    with pytest.raises(DomainError, match="follows no power law"):
        form(alpha=0.2, beta=0.2)
    with pytest.raises(DomainError, match="beta = -1 is outside its domain"):
        form(alpha=1.0, beta=-1.0)


def test_digits_next_to_the_line_without_power_laws() -> None:
    for alpha, beta in ((0.3, 0.2 + 3e-16), (0.49999999999, 2e-11), (1e-12, 0.5 + 1e-11)):
        at = {"alpha": alpha, "beta": beta}
        exact = phases.LOSS.mp(**at)
        assert abs(float(phases.LOSS(**at)) - exact) < 1e-14 * abs(exact)


def test_a_frontier_follows_its_own_minimum() -> None:
    """Splines through sizes an octave's half apart against the loss computed next to the minimum."""
    budgets, sizes = np.array([30.0, 32.0]), np.arange(9.0, 17.1, 0.5)
    found = frontier.frontier(1.0, 0.7, budgets, sizes)
    assert np.all(found.size.error < 5e-3)
    assert np.all(found.loss.error < 1e-3)
    for k, budget in enumerate(budgets):
        near = found.size.value[k] + np.array([-0.05, 0.0, 0.05])
        value = frontier.losses(1.0, 0.7, np.array([budget]), near).value[:, 0]
        assert value[1] == pytest.approx(found.loss.value[k], abs=1e-4)
        assert value[1] < min(value[0], value[2])


def test_a_frontier_outside_its_sizes_is_refused() -> None:
    with pytest.raises(PredictionError, match=r"f = 2\^60 is not between the sizes given, 2\^8 and 2\^13"):
        frontier.frontier(0.8, 0.3, np.array([60.0]), np.arange(8.0, 13.1, 0.5))


def test_slopes_at_finite_compute_know_their_error() -> None:
    rough = frontier.slopes(0.4, 0.3, 16.0)
    assert rough.size.error < frontier.SLOPE_ERROR
    assert rough.loss.error < frontier.SLOPE_ERROR
    assert rough.budgets[1] - rough.budgets[0] == frontier.SPAN
    # Towards the limit as sizes grow.
    gaps = [abs(frontier.slopes(0.4, 0.3, top).loss.value - 0.2) for top in (16.0, 20.0)]
    assert gaps[0] > gaps[1]


def test_the_natural_learning_rate_falls_with_size_below_the_high_dimensional_line_only() -> None:
    rates = [frontier.natural_rate(0.4, frontier.inputs(0.4, d)) for d in (2.0**14, 2.0**18)]
    assert np.log2(rates[1] / rates[0]) == pytest.approx(4 * (2 * 0.4 - 1), abs=0.1)
    assert frontier.natural_rate(1.2, 1e6) == 0.5
    assert frontier.inputs(0.4, 100.0) < frontier.inputs(0.6, 100.0)
