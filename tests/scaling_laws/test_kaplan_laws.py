"""Kaplan's laws: published numbers, limits, symmetries, 50 digits, replays; deterministic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.scaling_laws import kaplan_laws as d
from theorylab.errors import DomainError
from theorylab.prediction import ClosedForm

FORMS = {name: value for name, value in vars(d).items() if isinstance(value, ClosedForm)}
EXPONENTS = st.fixed_dictionaries({"aN": st.floats(0.03, 0.9), "aS": st.floats(0.15, 1.5), "aB": st.floats(0.1, 0.9)})


@pytest.mark.parametrize("name", FORMS)
def test_derivations_replay(name):
    FORMS[name].derivation.replay()


@pytest.mark.parametrize("corner", d.overfitting.corners, ids=str)
def test_corners_agree_with_fifty_digits(corner):
    assert abs(float(d.overfitting(**corner)) / float(d.overfitting.mp(**corner)) - 1) < 1e-12


def test_published_numbers():
    exponents = [float(f()) for f in (d.loss_exponent, d.size_exponent, d.batch_exponent, d.steps_exponent)]
    assert exponents == pytest.approx([-0.0525, 0.681, 0.250, 0.069], abs=5e-4)
    assert float(d.stopping()) == pytest.approx(1.1013, abs=1e-4)
    assert float(d.data_exponent(aN=0.076)) == pytest.approx(0.738, abs=1e-3)


@given(law=EXPONENTS)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_exponents_share_the_compute(law):
    """C = 6 N B S: the exponents of N, B and S add up to one; the loss falls more slowly than with any part alone."""
    assert sum(float(f(**law)) for f in (d.size_exponent, d.batch_exponent, d.steps_exponent)) == pytest.approx(1)
    assert -float(d.loss_exponent(**law)) < min(law.values())


@given(law=EXPONENTS, compute=st.floats(1e12, 1e28))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_optimum_spends_the_compute_and_obeys_the_laws(law, compute):
    at = {**law, "C": compute, "Nc": 1e10, "Sc": 1e4, "Bs": 1e6}
    size, steps, batch, loss = (
        float(f(**at)) for f in (d.optimal_size, d.optimal_steps, d.optimal_batch, d.optimal_loss)
    )
    assert 6 * size * steps * batch == pytest.approx(compute, rel=1e-9)
    assert (1e10 / size) ** law["aN"] + (1e4 / steps) ** law["aS"] == pytest.approx(loss, rel=1e-9)
    assert 1e6 * loss ** (-1 / law["aB"]) == pytest.approx(batch, rel=1e-9)
    assert float(d.optimal_loss(**{**at, "C": 2 * compute})) < loss


def test_neighbours_are_worse():
    """At the same compute any other size has a higher loss: bisection in double precision."""
    fit = {p.name: float(p.default) for p in d.FIT}
    best, least = float(d.optimal_size(**fit)), float(d.optimal_loss(**fit))
    for factor in (0.5, 0.9, 1.1, 2.0):
        low, high = 1e-3, 1e3
        for _ in range(200):
            loss = np.sqrt(low * high)
            steps = fit["C"] / (6 * factor * best * fit["Bs"] * loss ** (-1 / fit["aB"]))
            more = (fit["Nc"] / (factor * best)) ** fit["aN"] + (fit["Sc"] / steps) ** fit["aS"] > loss
            low, high = (loss, high) if more else (low, loss)
        assert loss > least


@given(ratio=st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_steps_and_examples_change_places(ratio):
    """The symmetry of the hyperbola: B/B_crit and its inverse exchange steps and examples."""
    assert float(d.steps_needed(ratio=ratio)) == pytest.approx(float(d.compute_needed(ratio=1 / ratio)), rel=1e-12)
    product = (float(d.steps_needed(ratio=ratio)) - 1) * (float(d.compute_needed(ratio=ratio)) - 1)
    assert product == pytest.approx(1.0, rel=1e-9)
    assert float(d.steps_needed()) == float(d.compute_needed()) == 2.0


@given(scale=st.floats(0.1, 10), D=st.floats(1e8, 1e12))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_overfitting_depends_on_one_combination(scale, D):
    power = 0.077 / 0.103
    here, there = (float(d.overfitting(N=1e9 * f, D=D * f**power, aN=0.077, aD=0.103)) for f in (1.0, scale))
    assert here == pytest.approx(there, rel=1e-9)
    assert float(d.overfitting(D=2 * D)) < float(d.overfitting(D=D))
    assert float(d.overfitting(D=1e18)) < 1e-3 * float(d.overfitting(D=1e10))


@pytest.mark.parametrize("bad", [{"aN": 0.0}, {"C": -1.0}, {"Sc": 0.0}])
def test_bad_input(bad):
    with pytest.raises(DomainError, match=next(iter(bad))):
        d.optimal_loss(**bad)
