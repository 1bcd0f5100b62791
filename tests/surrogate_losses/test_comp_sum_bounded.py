"""Bounded scores: limits, order, convexity, the boxes' minima, the searches and instances, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from simulation_twins import demand_twins
from threadpoolctl import threadpool_limits

from theorylab import registry
from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as d
from theorylab.derivations.surrogate_losses import comp_sum_clipped, comp_sum_loss
from theorylab.derivations.surrogate_losses import comp_sum_sharp as sharp
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses import bounded_scores, box_minimisation
from theorylab.sims.surrogate_losses.score_minimisation import risk
from theorylab.simulation import SimulationError

properties = settings(max_examples=60, deadline=None, derandomize=True)
taus = st.one_of(st.floats(0.0, 1.99), st.sampled_from([0.0, 0.5, 1.0, 1.0 + 1e-9, 1.5]))
betas = st.floats(0.0, 1.0)
bounds = st.floats(0.01, 5.0)
classes = st.integers(2, 40)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


def transform(tau, score_bound, beta, n=2):
    return float(d.several_transform(tau=tau, n=n, score_bound=score_bound, beta=beta))


def phi(tau, u):
    return float(comp_sum_loss.outer_function(tau=tau, u=u))


def blind(n, score_bound):
    return float(d.blind_range(n=n, score_bound=score_bound)) if n > 2 else 0.0


# Limits and special cases.


@properties
@given(tau=taus, beta=betas)
def test_wide_bounds_leave_the_transform_of_free_scores(tau, beta):
    free = float(sharp.binary_transform(tau=tau, beta=beta))
    # Within the weight that the bound leaves to the classes: e^(-2 Lambda (2 - tau)).
    assert transform(tau, 20.0, beta) == pytest.approx(free, rel=1e-9, abs=4 * math.exp(-40 * min(1, 2 - tau)))


@properties
@given(tau=taus, beta=betas, score_bound=bounds)
def test_affine_form_beyond_the_threshold(tau, beta, score_bound):
    value = float(d.transform(tau=tau, score_bound=score_bound, beta=beta))
    far, near = phi(tau, math.exp(-2 * score_bound)), phi(tau, math.exp(2 * score_bound))
    affine = phi(tau, 1.0) - (1 + beta) / 2 * far - (1 - beta) / 2 * near
    free = float(sharp.binary_transform(tau=tau, beta=beta))
    scale = 1e-12 * near
    if beta > float(d.threshold(tau=tau, score_bound=score_bound)):
        assert value == pytest.approx(affine, abs=scale)
        assert value <= free * (1 + 1e-12)
    else:
        assert value == pytest.approx(free, rel=1e-11)
        assert value >= affine - scale


@pytest.mark.parametrize("score_bound", [0.1, 0.7, 3.0])
def test_cross_entropy_and_the_absolute_error(score_bound):
    threshold = (math.exp(2 * score_bound) - 1) / (math.exp(2 * score_bound) + 1)
    assert float(d.threshold(tau=1.0, score_bound=score_bound)) == pytest.approx(threshold, rel=1e-14)
    certain = math.log(2) - math.log1p(math.exp(-2 * score_bound))
    assert transform(1.0, score_bound, 1.0) == pytest.approx(certain, rel=1e-12)
    for beta in (0.2, 0.9):
        expected = beta * math.tanh(score_bound) / 2
        assert float(d.steep_regret(tau=2.0, score_bound=score_bound, beta=beta)) == pytest.approx(expected, rel=1e-12)
        assert float(d.steep_transform(tau=2.0, score_bound=score_bound, beta=beta)) == pytest.approx(expected)
        assert transform(2.0 - 1e-7, score_bound, beta) == pytest.approx(expected, rel=1e-5)


@properties
@given(tau=taus, n=classes, score_bound=bounds, u=betas, v=betas, weight=st.floats(0.0, 1.0))
def test_transform_increases_and_is_convex(tau, n, score_bound, u, v, weight):
    low, high = transform(tau, score_bound, u, n), transform(tau, score_bound, v, n)
    rounding = 1e-13 * (1 + low + high)
    assert (v - u) * (high - low) >= -rounding
    mixed = transform(tau, score_bound, weight * u + (1 - weight) * v, n)
    assert mixed <= weight * low + (1 - weight) * high + rounding


@properties
@given(tau=st.floats(0.0, 1.9), n=st.sampled_from([2, 3, 10]), score_bound=bounds)
def test_no_kink_where_the_minimiser_is_clipped(tau, n, score_bound):
    low, turn = blind(n, score_bound), float(d.threshold(tau=tau, score_bound=score_bound))
    at, step = (low + turn) / (1 + low * turn), 1e-4
    if not 2 * step < at < 1 - 2 * step:
        return
    left, middle, right = (transform(tau, score_bound, at + k * step, n) for k in (-1, 0, 1))
    slope = (right - middle) / step
    # The curvature before it, which a difference of slopes sees, grows like the sum of both sides of 1/(1 -+ beta).
    assert abs(right - 2 * middle + left) / step <= 2e-2 * slope + 50 * step / (1 - at)


@properties
@given(tau=taus, n=classes, score_bound=bounds, factor=st.floats(1.0, 3.0), beta=betas)
def test_transform_grows_with_the_bound_and_falls_with_the_classes(tau, n, score_bound, factor, beta):
    value = transform(tau, score_bound, beta)
    assert value <= transform(tau, min(20.0, factor * score_bound), beta) * (1 + 1e-12)
    if beta <= blind(n, score_bound):
        assert transform(tau, score_bound, beta, n) == 0.0


@properties
@given(tau=st.floats(2.0, 6.0), score_bound=bounds, beta=betas)
def test_steep_losses(tau, score_bound, beta):
    """The envelope lies below the regret and touches it at both ends; it grows to that of free scores."""
    regret = float(d.steep_regret(tau=tau, score_bound=score_bound, beta=beta))
    envelope = float(d.steep_transform(tau=tau, score_bound=score_bound, beta=beta))
    assert envelope <= regret + 1e-13
    assert float(d.steep_regret(tau=tau, score_bound=score_bound, beta=1.0)) == pytest.approx(
        float(d.steep_transform(tau=tau, score_bound=score_bound, beta=1.0)), rel=1e-11
    )
    free = beta * (1 - 2 ** (1 - tau)) / (tau - 1)
    assert envelope <= free + 1e-14
    assert float(d.steep_transform(tau=tau, score_bound=20.0, beta=beta)) == pytest.approx(free, rel=1e-10, abs=1e-300)


@pytest.mark.parametrize("tau", [0.0, 0.6, 1.0, 1.5, 1.9])
@pytest.mark.parametrize("n", [2, 3, 10])
def test_transform_against_a_search_over_margins(tau, n):
    """Definition: the tie's risk less the least over the margin between two classes, by SciPy."""
    for score_bound in (0.2, 1.0):
        left = (n - 2) * math.exp(-2 * score_bound)
        for beta in (0.1, 0.4, 0.8, 1.0):

            def at(z, left=left, beta=beta):
                low, high = math.exp(-z) + left, math.exp(z) * (1 + left)
                return (1 + beta) / 2 * phi(tau, low) + (1 - beta) / 2 * phi(tau, high)

            inner = minimize_scalar(at, bounds=(0.0, 2 * score_bound), method="bounded", options={"xatol": 1e-10})
            expected = at(0.0) - min(inner.fun, at(0.0), at(2 * score_bound))
            assert transform(tau, score_bound, beta, n) == pytest.approx(expected, abs=1e-11)


# The infimum over a box, and its certificate.


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 1.5, 1.9])
@pytest.mark.parametrize("n", [2, 5])
def test_descent_meets_the_clipped_scores_and_is_certified(tau, n):
    generator = np.random.default_rng(1)
    p = generator.dirichlet(np.full(n, 0.3), size=300)
    bound = 10.0 ** generator.uniform(-2, 1, 300)
    found = box_minimisation.box_minimum(p, tau, bound)
    expected = comp_sum_clipped.clipped_infimum(tau=tau, p=p, bounds=bound)
    np.testing.assert_allclose(found["value"], expected, rtol=1e-12, atol=1e-13)
    assert found["residual"].max() < 1e-10
    assert np.all(np.abs(found["h"]) <= bound[:, None])
    softmax = np.exp(found["h"]) / np.exp(found["h"]).sum(axis=1, keepdims=True)
    predicted = comp_sum_clipped.clipped_minimiser(tau=tau, p=p, bounds=bound)
    np.testing.assert_allclose(softmax, predicted, atol=2e-6)


def test_certificate_bounds_what_is_left():
    """At any scores, minimal or not."""
    generator = np.random.default_rng(2)
    for tau in (0.0, 1.0, 1.7):
        p, bound = generator.dirichlet(np.ones(4), size=100), 10.0 ** generator.uniform(-1, 0.5, 100)
        h = bound[:, None] * generator.uniform(-1, 1, (100, 4))
        s, w, _ = box_minimisation._slopes(p, h, tau)
        gain = risk(p, h, tau) - box_minimisation.box_minimum(p, tau, bound)["value"]
        assert np.all(box_minimisation._left(s, w, bound) >= gain - 1e-13)


def test_vertices_from_tau_two_on():
    generator = np.random.default_rng(3)
    p, bound = generator.dirichlet(np.ones(4), size=100), np.full(100, 0.7)
    for tau in (2.0, 3.0):
        found = box_minimisation.vertex_minimum(p, tau, bound)
        expected = comp_sum_clipped.clipped_infimum(tau=tau, p=p, bounds=bound)
        np.testing.assert_allclose(found, expected, rtol=1e-13)
        h = 0.7 * generator.uniform(-1, 1, (200, 4))
        assert np.all(risk(p[:, None], h, tau) >= found[:, None] - 1e-14)


def test_a_minimum_that_is_not_reached_is_an_error(monkeypatch):
    monkeypatch.setattr(box_minimisation, "MOST_STEPS", 1)
    with pytest.raises(SimulationError, match="was not reached"):
        box_minimisation.box_minimum(np.array([[0.6, 0.3, 0.1]]), 0.5, np.array([1.0]))


# Blindness.


@pytest.mark.parametrize("tau", [0.0, 1.0, 1.8])
@pytest.mark.parametrize(("n", "score_bound"), [(3, 0.5), (10, 1.0)])
def test_the_minimiser_ties_unequal_classes_up_to_the_blind_range(tau, n, score_bound):
    low = blind(n, score_bound)
    for beta, tied in ((0.9 * low, True), (1.1 * low, False)):
        p = np.zeros((1, n))
        p[0, :2] = (1 + beta) / 2, (1 - beta) / 2
        s = comp_sum_clipped.clipped_minimiser(tau=tau, p=p, bounds=np.array([score_bound]))[0]
        assert (abs(s[0] - s[1]) < 1e-12) == tied
        assert (transform(tau, score_bound, beta, n) == 0.0) == tied


# Searches and instances.


@pytest.mark.parametrize("tau", [0.0, 1.0, 1.6])
@pytest.mark.parametrize("n", [2, 3, 10])
def test_tie_at_the_bound_reaches_the_transform(tau, n):
    beta = np.array([0.05, 0.3, 0.6, 0.9, 1.0])
    for score_bound in (0.3, 1.5):
        expected = d.several_transform(tau=tau, n=n, score_bound=score_bound, beta=beta)
        found = bounded_scores.tie_at_the_bound(beta, tau=tau, n=n, score_bound=score_bound)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 6])
@pytest.mark.parametrize("tau", [0.0, 1.0, 1.6])
def test_searches_come_near_the_transform_and_not_below(tau, n):
    at = {"tau": tau, "n": n, "score_bound": 0.6}
    found = bounded_scores.bounded_search(2048, Stream.from_seed(1), **at)
    value = d.several_transform(beta=found["x"], **at)
    assert np.all(found["y"] >= value - found["error"])
    some = found["x"] > blind(n, 0.6) + 0.1
    assert np.min(found["y"][some] / value[some]) < 1.01


def test_the_tied_candidate_is_the_best_of_all_scores():
    """The first score vector of a case, with the label tied to classes that it meets, against random ones."""
    rng = Stream.from_seed(4)
    for tau in (0.0, 1.0, 1.6):
        p, label = bounded_scores._labels(200, rng, 4)
        bound = 10.0 ** (1.5 * rng.uniform(200) - 1.0)
        h, _ = bounded_scores._scores(p, label, bound, tau, rng)
        rows = np.arange(200)
        assert np.all(h[rows, 0, label] >= h[:, 0].max(axis=1))
        noise = bound[:, None, None] * (2.0 * rng.uniform(200, 300, 4) - 1.0)
        tops = noise.argmax(axis=2)
        risks = np.where(tops == label[:, None], risk(p[:, None], noise, tau), np.inf)
        assert np.all(risk(p, h[:, 0], tau) <= risks.min(axis=1) + 1e-12)


@pytest.mark.parametrize("search", [bounded_scores.bounded_search, bounded_scores.bounded_distribution_search])
def test_searches_do_not_depend_on_batches(search):
    from theorylab.kernels.lower_hull import lower_hull

    def rows(first, trials):
        stream = Stream(np.array([5, 6], dtype=np.uint32), "numpy", first)
        return search(trials, stream, tau=1.2, n=3, score_bound=0.5, slope_bound=0.5)

    whole, parts = rows(0, 600), [rows(first, 200) for first in (0, 200, 400)]
    merged = {name: np.concatenate([part[name] for part in parts]) for name in whole}
    kept = lower_hull(merged["x"], merged["y"])
    np.testing.assert_array_equal(merged["case"][kept], whole["case"])
    np.testing.assert_allclose(merged["y"][kept], whole["y"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("simulation", "at"),
    [
        (bounded_scores.box_infimum, {"n": 3, "tau": 0.5}),
        (bounded_scores.box_infimum, {"n": 3, "tau": 2.5}),
        (bounded_scores.mistaken_regret, {"tau": 2.5, "beta": 0.4, "score_bound": 0.5}),
        (bounded_scores.end_slope, {"tau": 0.5, "score_bound": 0.5, "beta": 0.6}),
        (bounded_scores.tie_slope, {"tau": 0.5, "n": 4, "score_bound": 0.5, "beta": 0.6}),
    ],
)
def test_trials_do_not_depend_on_batches(simulation, at):
    demand_twins(simulation, at, rtol=1e-6, atol=1e-8)


def test_order_parameters_change_sign_where_they_should():
    turn = float(d.threshold(tau=0.5, score_bound=0.5))
    low = blind(5, 0.5)
    for factor, sign in ((0.99, -1), (1.01, 1)):
        end = bounded_scores.end_slope(5, Stream.from_seed(0), tau=0.5, score_bound=0.5, beta=factor * turn)["value"]
        tie = bounded_scores.tie_slope(5, Stream.from_seed(0), tau=0.5, n=5, score_bound=0.5, beta=factor * low)
        assert np.all(sign * end > 0)
        assert np.all(sign * tie["value"] > 0)


# What the catalogue says, and refuses.


def test_what_fails_stands_beside_its_correction():
    entries = registry.theories()["surrogate_losses/comp-sum-bounded-hypotheses"].entries
    expected = {name.rpartition("/")[2]: entry.expected for name, entry in entries.items() if not entry.control}
    fails = {name for name, status in expected.items() if status == "fails"}
    assert fails == {"free-transform", "two-class-transform-for-many"}
    assert {"transform", "blind-range", "several-transform"} <= set(expected) - fails


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: d.transform(tau=-0.1, score_bound=1.0, beta=0.5), r"tau = -0.1 is outside its domain \[0, 2\)"),
        (lambda: d.transform(tau=2.0, score_bound=1.0, beta=0.5), r"tau = 2 is outside its domain \[0, 2\)"),
        (lambda: d.transform(tau=1.0, score_bound=-1.0, beta=0.5), "score_bound = -1 is outside"),
        (lambda: d.steep_transform(tau=1.5, score_bound=1.0, beta=0.5), "tau = 1.5 is outside"),
        (lambda: d.blind_range(n=2, score_bound=1.0), "n = 2 is outside"),
        (
            lambda: comp_sum_clipped.clipped_minimiser(tau=1.0, p=np.array([[0.5, 0.4]]), bounds=np.ones(1)),
            "p is not a distribution over two or more labels .*0.9",
        ),
    ],
)
def test_bad_input_is_refused_with_its_reason(call, message):
    with pytest.raises(DomainError, match=message):
        call()
