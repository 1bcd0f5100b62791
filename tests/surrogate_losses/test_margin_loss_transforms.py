"""Transforms of named margin losses: limits, order in the bound, shape, the search's own infimum, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.surrogate_losses import margin_losses as d
from theorylab.derivations.surrogate_losses.comp_sum_sharp import binary_transform
from theorylab.derivations.surrogate_losses.margin_risk import MarginLoss, Risk
from theorylab.errors import DomainError
from theorylab.expressions import parse
from theorylab.figures.surrogate_losses.margin_loss_transforms import FIGURES
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses import margin_scores as sims

properties = settings(max_examples=40, deadline=None, derandomize=True)
names = st.sampled_from(sorted(d.KNOWN))
thetas, bounds = st.floats(0.0, 1.0), st.floats(0.01, 30.0)


def psi(name: str, theta: float, bound: float) -> float:
    return float(d.KNOWN[name].prediction()(theta=theta, score_bound=bound))


@properties
@given(name=names, theta=thetas, bound=bounds)
def test_transforms_rise_with_the_regret_and_with_the_bound(name, theta, bound):
    value = psi(name, theta, bound)
    assert 0.0 <= value <= psi(name, min(1.0, theta + 0.01), bound) + 1e-15
    assert value <= psi(name, theta, min(100.0, 2.0 * bound)) + 1e-13


@properties
@given(name=names, one=thetas, other=thetas, bound=bounds)
def test_transforms_are_convex(name, one, other, bound):
    middle = psi(name, (one + other) / 2.0, bound)
    assert middle <= (psi(name, one, bound) + psi(name, other, bound)) / 2.0 + 1e-13


@pytest.mark.parametrize(("name", "tau"), [("exponential", 0.0), ("logistic", 1.0)])
def test_binary_comp_sum_losses_are_margin_losses(name, tau):
    theta = np.linspace(0.0, 1.0, 31)
    free = d.KNOWN[name].prediction()(theta=theta, score_bound=100.0)
    np.testing.assert_allclose(free, binary_transform(tau=tau, beta=theta), rtol=1e-12, atol=1e-15)


@properties
@given(theta=st.floats(0.01, 1.0))
def test_order_of_the_losses(theta):
    values = {name: psi(name, theta, 100.0) for name in d.KNOWN}
    assert values["squared"] == values["squared-hinge"] == pytest.approx(theta**2)
    assert values["savage"] == pytest.approx(theta**2 / 4.0)
    assert values["savage"] <= values["logistic"] <= values["exponential"] + 1e-12 <= values["hinge"] + 2e-12
    assert values["hinge"] == values["rho-margin"] == theta


def test_certain_labels_and_small_bounds():
    assert psi("exponential", 1.0, 100.0) == pytest.approx(1.0)
    assert psi("logistic", 1.0, 100.0) == pytest.approx(math.log(2.0))
    # Bounded scores of size B change a smooth loss by its slope at 0: all transforms are a line.
    for name, slope in (("exponential", 1.0), ("logistic", 0.5), ("hinge", 1.0), ("sigmoid", 0.25), ("squared", 2.0)):
        assert psi(name, 0.7, 1e-4) == pytest.approx(slope * 0.7 * 1e-4, rel=1e-3)


@properties
@given(theta=st.floats(0.0, 1.0), bound=st.floats(0.05, 10.0), name=names)
def test_the_search_finds_the_infimum(theta, bound, name):
    least = float(sims.infimum(name, np.array([theta]), bound)[0])
    at = sims.risk(name, np.full(2001, theta), np.linspace(-bound, bound, 2001))
    assert least <= at.min() + 1e-12
    assert least >= at.min() - 1e-3 * bound * np.ptp(at)


def test_losses_of_the_search_are_those_of_the_theory():
    z = np.linspace(-3.0, 3.0, 25)
    assert set(sims.LOSSES) == set(d.KNOWN)
    for name, loss in sims.LOSSES.items():
        np.testing.assert_allclose(loss(z), MarginLoss(parse(d.KNOWN[name].text, d.z))(z), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", sorted(d.KNOWN))
def test_computed_transform_is_the_closed_form(name):
    computed, closed = d.computed(name), d.KNOWN[name].prediction()
    at = {"theta": np.array([0.03, 0.6, 1.0]), "score_bound": 0.8}
    value, error = computed.evaluate(**at)
    assert np.all(np.abs(value - closed(**at)) <= error + 1e-15)
    assert np.all(error < 1e-12)


def test_a_bound_is_part_of_the_grid_and_of_half_of_it():
    for bound in (0.013, 0.5, 3.7, 200.0):
        sizes = Risk(MarginLoss(parse("exp(-z)", d.z)), bound).sizes
        assert (sizes[0], sizes[-1]) == (0.0, bound)
        assert sizes[::2][-1] == bound
        assert np.all(np.diff(sizes) > 0)


def test_search_stays_above_the_transform_and_comes_near():
    found = sims.wrong_signs(8192, Stream.from_seed(2), loss="logistic", score_bound=1.0)
    closed = d.KNOWN["logistic"].prediction()(theta=found["x"], score_bound=1.0)
    assert np.all(found["y"] >= closed - 1e-13)
    assert np.min(found["y"] / closed) < 1.0 + 1e-9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"theta": -0.1, "score_bound": 1.0}, "theta = -0.1 is outside"),
        ({"theta": 1.1, "score_bound": 1.0}, "theta = 1.1 is outside"),
        ({"theta": 0.5, "score_bound": 0.0}, "score_bound = 0 is outside"),
        ({"theta": math.nan, "score_bound": 1.0}, "theta = nan is outside"),
    ],
)
def test_values_outside_the_domain_are_refused_in_one_line(values, message):
    with pytest.raises(DomainError, match=message) as caught:
        d.KNOWN["logistic"].prediction()(**values)
    assert "\n" not in str(caught.value)


def test_figure_draws():
    figure = FIGURES["margin-loss-transforms"]("quick")
    assert len(figure.axes) == 3
