"""Minimisability gaps: limits, signs, order, symmetry, clipped optimum, descent over sets, simulations, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from theorylab.backends import BATCH
from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as d
from theorylab.derivations.surrogate_losses.comp_sum_clipped import clipped_infimum
from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import infimum
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses import hypothesis_sets, minimizability
from theorylab.sims.surrogate_losses.score_minimisation import risk
from theorylab.simulation import SimulationError

properties = settings(max_examples=60, deadline=None, derandomize=True)
taus = st.one_of(st.floats(0.0, 3.0), st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0]))
bounds = st.floats(0.0, 5.0)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


@st.composite
def joints(draw):
    """Weights and label distributions of a few inputs."""
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    atoms, n = draw(st.integers(1, 5)), draw(st.integers(2, 5))
    return generator.dirichlet(np.ones(atoms)), generator.dirichlet(np.full(n, 0.5), size=atoms)


# Constant scores.


@properties
@given(joint=joints(), tau=taus)
def test_gap_of_constant_scores_is_not_negative_and_vanishes_without_information(joint, tau):
    weights, p = joint
    assert d.constant_gap(tau=tau, weights=weights, p=p) >= -1e-12
    same = np.repeat(p[:1], len(p), axis=0)
    assert d.constant_gap(tau=tau, weights=weights, p=same) == pytest.approx(0.0, abs=1e-12)


@properties
@given(joint=joints())
def test_gap_of_cross_entropy_is_mutual_information(joint):
    weights, p = joint
    information = float(d.mutual_information(weights=weights, p=p))
    assert float(d.constant_gap(tau=1.0, weights=weights, p=p)) == pytest.approx(information, abs=1e-12)
    assert information <= math.log(p.shape[1]) + 1e-12


@properties
@given(joint=joints(), seed=st.integers(0, 1000))
def test_gaps_are_symmetric_in_inputs_and_in_classes(joint, seed):
    weights, p = joint
    generator = np.random.default_rng(seed)
    rows, columns = generator.permutation(len(p)), generator.permutation(p.shape[1])
    for gap in (d.mutual_information, d.zero_one_gap):
        moved = gap(weights=weights[rows], p=p[rows][:, columns])
        assert float(moved) == pytest.approx(float(gap(weights=weights, p=p)), abs=1e-13)


def test_zero_one_gap_is_that_of_the_absolute_error():
    """Both have the infimum 1 - max p."""
    weights, p = np.array([0.25, 0.75]), np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
    assert float(d.zero_one_gap(weights=weights, p=p)) == pytest.approx(0.225 + 0.375 - 0.375)
    assert float(d.constant_gap(tau=2.0, weights=weights, p=p)) == pytest.approx(0.225)


# Bounded scores.


@properties
@given(tau=taus, w=bounds, b=bounds, n=st.integers(2, 9))
def test_certain_infimum_falls_with_the_bounds_from_ignorance(tau, w, b, n):
    at = {"tau": tau, "n": n, "norm": 1.0}
    value = float(d.certain_infimum(**at, slope_bound=w, bias_bound=b))
    assert value >= float(d.certain_infimum(**at, slope_bound=w + 0.1, bias_bound=b)) > 0.0
    nothing = float(d.certain_infimum(**at, slope_bound=0.0, bias_bound=0.0))
    assert nothing == pytest.approx(float(infimum(tau=min(tau, 1.9), p=np.full(n, 1 / n)))) or tau > 1.9
    one_unit = float(d.relu_infimum(**at, slope_bound=w, bias_bound=b, outer_bound=1.0))
    assert one_unit == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("tau", [0.0, 0.7, 1.0, 1.3, 1.9])
@pytest.mark.parametrize("bound", [0.0, 0.2, 0.7, 2.0])
def test_clipped_infimum_against_a_box_constrained_minimiser(tau, bound):
    generator = np.random.default_rng(7)
    for n in (2, 3, 5):
        p = generator.dirichlet(np.full(n, 0.7))
        box = [(-bound, bound)] * n
        tries = [
            minimize(lambda h, p=p: float(risk(p, h, tau)), start, bounds=box, options={"ftol": 1e-15, "gtol": 1e-11})
            for start in generator.uniform(-bound, bound, (4, n))
        ]
        value = float(clipped_infimum(tau=tau, p=p[None], bounds=np.array([bound]))[0])
        assert value == pytest.approx(min(found.fun for found in tries), rel=1e-9)


@properties
@given(joint=joints(), tau=taus, bound=st.floats(0.0, 20.0))
def test_clipped_infimum_lies_between_that_of_free_scores_and_ignorance(joint, tau, bound):
    _, p = joint
    value = clipped_infimum(tau=tau, p=p, bounds=np.full(len(p), bound))
    assert np.all(value >= infimum(tau=tau, p=p) - 1e-12)
    assert np.all(value <= risk(p, np.zeros_like(p), tau) + 1e-12)
    wider = clipped_infimum(tau=tau, p=p, bounds=np.full(len(p), bound + 0.5))
    assert np.all(wider <= value + 1e-12)


def test_clipped_infimum_of_wide_bounds_and_of_certain_labels():
    p = np.array([[0.5, 0.3, 0.2], [0.9, 0.06, 0.04]])
    for tau in (0.0, 1.0, 1.5):
        wide = clipped_infimum(tau=tau, p=p, bounds=np.array([30.0, 30.0]))
        np.testing.assert_allclose(wide, infimum(tau=tau, p=p), rtol=1e-12)
    for tau in (0.0, 1.0, 1.5, 2.0, 3.0):
        certain = clipped_infimum(tau=tau, p=np.eye(3)[:1], bounds=np.array([0.6]))
        closed = d.certain_infimum(tau=tau, n=3, slope_bound=0.1, norm=1.0, bias_bound=0.5)
        assert float(certain[0]) == pytest.approx(float(closed), rel=1e-13)


# The bound from tau = 0.


@properties
@given(tau=taus, other=taus, gap=st.floats(0.0, 5.0), bound=bounds, n=st.integers(2, 9))
def test_bound_from_tau_zero_falls_with_tau_and_rises_with_the_gap(tau, other, gap, bound, n):
    low, high = sorted((tau, other))
    at = {"n": n, "score_bound": bound}
    value = float(d.jensen_bound(tau=low, gap=gap, **at))
    assert value >= float(d.jensen_bound(tau=high, gap=gap, **at)) - 1e-13
    assert value <= float(d.jensen_bound(tau=low, gap=gap + 0.1, **at))
    assert float(d.jensen_bound(tau=0.0, gap=gap, **at)) == pytest.approx(gap, rel=1e-13)


@properties
@given(tau=st.floats(0.0, 1.0), w=bounds, b=bounds, n=st.integers(2, 9))
def test_gap_of_two_inputs_attains_the_bound(tau, w, b, n):
    at_zero = float(d.two_input_gap(tau=0.0, n=n, slope_bound=w, bias_bound=b))
    bound = d.jensen_bound(tau=tau, n=n, score_bound=w + b, gap=at_zero)
    assert float(d.two_input_gap(tau=tau, n=n, slope_bound=w, bias_bound=b)) == pytest.approx(float(bound), rel=1e-12)


def test_two_inputs_need_biases_or_a_third_class_to_have_a_gap():
    assert float(d.two_input_gap(tau=1.0, n=2, slope_bound=1.0, bias_bound=0.0)) == 0.0
    assert float(d.two_input_gap(tau=1.0, n=3, slope_bound=1.0, bias_bound=0.0)) > 0.01


# Descent over sets of scorers.


@pytest.mark.parametrize("q", [1, 2, np.inf])
def test_projection_is_nearest_and_the_dual_norm_its_support(q):
    generator = np.random.default_rng(3)
    v = 3 * generator.normal(size=(40, 4))
    inside = hypothesis_sets.onto_ball(v, 1.5, q)
    assert np.all(np.linalg.norm(inside, q, axis=1) <= 1.5 * (1 + 1e-12))
    np.testing.assert_allclose(hypothesis_sets.onto_ball(inside, 1.5, q), inside, atol=1e-12)
    others = hypothesis_sets.onto_ball(3 * generator.normal(size=(500, 4)), 1.5, q)
    # The angle at a projection is obtuse towards every point of the ball.
    assert np.all(((v - inside)[:, None] * (others - inside[:, None])).sum(axis=-1) <= 1e-9)
    inner = (v[:, None] * others).sum(axis=-1)
    assert np.all(inner <= 1.5 * hypothesis_sets.dual_norm(v, q)[:, None] + 1e-9)
    assert np.all(hypothesis_sets.onto_ball(v, 0.0, q) == 0.0)


@pytest.mark.parametrize("tau", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("kind", ["linear", "relu"])
def test_gradients_against_differences(tau, kind):
    generator = np.random.default_rng(4)
    x, n = generator.normal(size=(2, 3, 2)), 3
    wide = np.full(2, 9.0)
    scorers = hypothesis_sets.Linear(x, wide, wide) if kind == "linear" else hypothesis_sets.Relu(x, 9.0, 9.0, 9.0)
    risks = hypothesis_sets.Risks(
        scorers, generator.dirichlet(np.ones(3), 2), generator.dirichlet(np.ones(n), (2, 3)), tau
    )
    theta = generator.normal(size=(2, scorers.size(n)))
    gradient = risks.value_and_gradient(theta)[1]
    for j in range(theta.shape[1]):
        step = 1e-6 * np.eye(theta.shape[1])[j]
        slope = (risks.value_and_gradient(theta + step)[0] - risks.value_and_gradient(theta - step)[0]) / 2e-6
        np.testing.assert_allclose(gradient[:, j], slope, atol=1e-8)


def test_a_descent_that_does_not_arrive_says_so(monkeypatch):
    monkeypatch.setattr(hypothesis_sets, "MOST_STEPS", 10)
    with pytest.raises(SimulationError, match=r"a least risk was not reached: a gap of .* after 10 steps"):
        minimizability.noisy_gap(4, Stream.from_seed(0), n=3, tau=0.5, slope_bound=1.0, bias_bound=0.5, atoms=3)


@pytest.mark.parametrize(
    ("simulation", "point"),
    [
        (minimizability.constant_gap, {"n": 3, "tau": 0.5, "atoms": 3}),
        (minimizability.constant_zero_one_gap, {"n": 3, "atoms": 3}),
        (minimizability.affine_gap, {"n": 3, "tau": 0.0, "atoms": 3}),
        (minimizability.bounded_gap, {"n": 3, "tau": 1.5, "atoms": 3, "slope_bound": 1.0, "bias_bound": 0.5}),
        (minimizability.noisy_gap, {"n": 3, "tau": 1.0, "atoms": 3, "slope_bound": 1.0, "bias_bound": 0.5}),
        (minimizability.two_input_gap, {"n": 3, "tau": 1.0, "slope_bound": 1.0, "bias_bound": 0.5}),
        (
            minimizability.relu_infimum,
            {"n": 3, "tau": 1.0, "slope_bound": 1.0, "bias_bound": 0.5, "outer_bound": 1.5, "norm": 0.7},
        ),
    ],
)
def test_trials_do_not_depend_on_batches_and_gaps_are_not_negative(monkeypatch, simulation, point):
    def rows(first, trials):
        return simulation(trials, Stream(np.array([3, 4], dtype=np.uint32), "numpy", first), **point)

    whole, tail = rows(0, 8), rows(5, 3)
    assert whole["value"].min() > -1e-7
    for name, column in whole.items():
        # A descent ends where its gap is below 1e-8, a step earlier or later when sums are rounded otherwise.
        np.testing.assert_allclose(tail[name], column[5:], rtol=1e-6, atol=3e-8)
    monkeypatch.setitem(BATCH, "numpy", 1)
    for name, column in rows(0, 3).items():
        np.testing.assert_allclose(column, whole[name][:3], rtol=1e-6, atol=3e-8)


def test_search_replays_its_cases_wherever_it_begins():
    at = {"n": 2, "tau": 1.0, "score_bound": 1.0}
    key = Stream.from_seed(3).key
    whole = minimizability.jensen_search(8, Stream(key, "numpy"), **at)
    later = minimizability.jensen_search(3, Stream(key, "numpy", 5), **at)
    assert list(later["case"]) == [5, 6, 7]
    np.testing.assert_allclose(later["y"], whole["y"][5:], atol=1e-7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: d.constant_gap(tau=1.0, weights=np.array([0.5, 0.4]), p=np.full((2, 2), 0.5)),
            "weights are not a distribution over the inputs .*0.9",
        ),
        (
            lambda: d.constant_gap(tau=1.0, weights=np.array([0.5, 0.2, 0.3]), p=np.full((2, 2), 0.5)),
            "give one weight for each input",
        ),
        (lambda: d.mutual_information(weights=np.array([1.0]), p=np.array([[0.5, 0.4]])), "p is not a distribution"),
        (
            lambda: d.two_input_gap(tau=1.5, n=3, slope_bound=1.0, bias_bound=0.5),
            r"tau = 1.5 is outside",
        ),
        (lambda: d.jensen_bound(tau=-0.1, n=3, score_bound=1.0, gap=0.1), "tau = -0.1 is outside"),
        (
            lambda: clipped_infimum(tau=1.0, p=np.full((1, 2), 0.5), bounds=np.array([-1.0])),
            "a bound on the scores is negative: -1",
        ),
        (
            lambda: clipped_infimum(tau=np.array([0.5, 1.0]), p=np.full((2, 2), 0.5), bounds=np.ones(2)),
            "one tau at a time",
        ),
    ],
)
def test_bad_input_is_refused_with_its_reason(call, message):
    with pytest.raises(DomainError, match=message):
        call()
