"""Parabolas at equal compute: numbers, limits, symmetries, 50 digits, replays; deterministic, fixed streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.scaling_laws import isoflop_parabola_bias as d
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.prediction import ClosedForm
from theorylab.sims.scaling_laws.isoflop_fits import fitted_vertex

FORMS = {name: value for name, value in vars(d).items() if isinstance(value, ClosedForm)}


@pytest.mark.parametrize("corner", d.vertex.corners, ids=str)
def test_corners_agree_with_fifty_digits(corner):
    assert abs(float(d.vertex(**corner)) / float(d.vertex.mp(**corner)) - 1) < 1e-12


@pytest.mark.parametrize("name", FORMS)
def test_derivations_replay(name):
    FORMS[name].derivation.replay()


def test_catalogued_numbers():
    """a = 0.34, b = 0.28, two decades, 15 sizes: +0.03612; the leading order is within 0.1 %, 1 % at w = 3."""
    assert float(d.vertex()) == pytest.approx(0.03612, abs=5e-6)
    at = {"a": 0.34, "b": 0.28, "n": 15}
    for w, tolerance in ((0.2, 1e-4), (np.log(10), 1e-3)):
        assert float(d.leading(**at)) * w**2 == pytest.approx(float(d.vertex(**at, w=w)), rel=tolerance)
    wide = {"a": 0.3, "b": 0.45, "n": 15}
    assert float(d.leading(**wide)) * 9 == pytest.approx(float(d.vertex(**wide, w=3.0)), rel=1e-2)


@given(a=st.floats(0.05, 1.5), b=st.floats(0.05, 1.5), w=st.floats(0.01, 4), n=st.integers(3, 60))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_symmetry_and_sign(a, b, w, n):
    """Exchanging a and b (N and D) turns the shift round; it has the sign of a - b; no shift when they are equal."""
    here, there = (float(d.vertex(a=x, b=y, w=w, n=n)) for x, y in ((a, b), (b, a)))
    assert here == pytest.approx(-there, rel=1e-10)
    assert np.sign(here) == np.sign(a - b)
    assert float(d.vertex(a=a, b=a, w=w, n=n)) == 0.0


@given(a=st.floats(0.3, 0.6), b=st.floats(0.1, 0.25), w=st.floats(0.1, 3))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_wider_grids_are_worse(a, b, w):
    narrow, wide = (float(d.vertex(a=a, b=b, w=x, n=15)) for x in (w, 1.1 * w))
    assert wide > narrow > 0


def test_numpy_fits_agree():
    """A third way: polyfit in double precision, at two budgets."""
    for budget in (1e18, 1e24):
        A, B, a, b, w, n = 406.0, 411.0, 0.34, 0.28, 2.0, 9
        best = (np.log(a * A / (b * B)) + b * np.log(budget / 6)) / (a + b)
        u = np.linspace(-w, w, n)
        loss = 1.7 + A * np.exp(-a * (best + u)) + B * np.exp(-b * (np.log(budget / 6) - best - u))
        second, first, _ = np.polyfit(u, loss, 2)
        assert -first / (2 * second) == pytest.approx(float(d.vertex(a=a, b=b, w=w, n=n)), abs=1e-10)


def test_simulation_without_noise_is_the_exact_vertex():
    at = {"a": 0.5, "b": 0.3, "w": 2.0, "n": 7}
    found = fitted_vertex(3, Stream.from_seed(0), precision=1e12, s0=1e-3, A=400.0, B=400.0, E=1.0, C=1e20, **at)
    np.testing.assert_allclose(found["value"], float(d.vertex(**at)), rtol=1e-9)


def test_twins_agree():
    at = {"precision": 1.0, "s0": 0.01, "a": 0.5, "b": 0.3, "w": 2.0, "n": 7, "A": 400.0, "B": 400.0, "E": 1.0}
    ours, reference = (fitted_vertex(50, Stream.from_seed(5, k), C=1e20, **at)["value"] for k in ("numba", "numpy"))
    np.testing.assert_allclose(ours, reference, rtol=1e-10)


def test_the_limit_of_narrow_grids_states_its_error():
    found = d.leading_fitted.evaluate(a=0.5, b=0.2, n=6)
    exact = float(d.leading(a=0.5, b=0.2, n=6))
    assert abs(float(found.value) - exact) < float(found.error) < 1e-8


@pytest.mark.parametrize("bad", [{"n": 2}, {"a": 0.0}, {"w": 0.0}, {"n": 4.5}])
def test_bad_input(bad):
    with pytest.raises(DomainError, match=next(iter(bad))):
        d.vertex(**bad)
