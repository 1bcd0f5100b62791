"""Adversarial comp-sum losses: ranking, limits, order, geometry against search, simulations against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_twins

from theorylab.derivations.surrogate_losses import comp_sum_adversarial as d
from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import infimum as free_infimum
from theorylab.errors import DomainError
from theorylab.figures.surrogate_losses.comp_sum_adversarial import FIGURES
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses import adversarial_linear as linear
from theorylab.sims.surrogate_losses import adversarial_scores as scores

properties = settings(max_examples=60, deadline=None, derandomize=True)
taus = st.one_of(st.floats(0.0, 3.0), st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0]))


@st.composite
def posteriors(draw):
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    return generator.dirichlet(np.full(draw(st.integers(2, 6)), 0.7))


# Infima and the bound.


@properties
@given(p=posteriors(), tau=taus, seed=st.integers(0, 100))
def test_infimum_does_not_know_the_names_of_classes_and_falls_with_tau(p, tau, seed):
    value = float(d.infimum(tau=tau, p=p))
    moved = np.random.default_rng(seed).permutation(p)
    assert float(d.infimum(tau=tau, p=moved)) == pytest.approx(value, abs=1e-14)
    assert float(d.infimum(tau=tau + 0.1, p=p)) <= value + 1e-15
    assert 1.0 - p.max() <= float(d.infimum(tau=0.0, p=p)) + 1e-15


@properties
@given(q=st.floats(0.5, 1.0), tau=taus)
def test_two_classes_cost_what_the_less_likely_one_does(q, tau):
    p = np.array([q, 1.0 - q])
    assert float(d.infimum(tau=tau, p=p)) == pytest.approx((1.0 - q) * float(d.regret_bound(tau=tau, beta=1.0)))


@properties
@given(p=posteriors())
def test_infimum_of_cross_entropy_and_of_a_certain_label(p):
    ranked = np.sort(p)[::-1]
    value = float(d.infimum(tau=1.0, p=p))
    assert value == pytest.approx(sum(q * math.log(k) for k, q in enumerate(ranked, 1)), abs=1e-14)
    assert float(d.infimum(tau=1.0, p=np.eye(len(p))[0])) == 0.0
    # A loss of at most the entropy: ranks are a code.
    assert value <= float(free_infimum(tau=1.0, p=p)) + 1e-12


def test_slopes_of_the_bound():
    for tau, slope in ((0.0, 1.0), (1.0, math.log(2.0)), (2.0, 0.5), (0.5, 2.0 * (math.sqrt(2.0) - 1.0))):
        assert float(d.regret_bound(tau=tau, beta=1.0)) == pytest.approx(slope, rel=1e-15)
    assert np.all(np.diff(d.regret_bound(tau=np.linspace(0.0, 3.0, 40), beta=0.7)) < 0.0)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_vertices_are_below_random_scores(n):
    """No scores that are drawn, near multiples of rho or not, have a smaller risk than the vertices tried."""
    generator = np.random.default_rng(0)
    p = generator.dirichlet(np.full(n, 0.7), 50)
    for tau in (0.0, 1.0, 2.0):
        least = scores.infima(p, tau, 0.5)
        grid = np.round(generator.normal(size=(3000, 1, n)) * 3) * 0.25
        h = np.concatenate([grid, generator.normal(size=(3000, 1, n))])
        for loss, value in zip((scores.margin_losses(h, tau, 0.5), scores.zero_one_losses(h)), least):
            assert np.all((p @ loss.T).min(axis=1) >= value - 1e-13)


def test_losses_of_a_ball_by_hand():
    h = np.array([[2.0, 1.0, 0.0], [1.0, 1.0, 0.5]])
    np.testing.assert_array_equal(scores.zero_one_losses(h), [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(scores.zero_one_losses(h[:1]), [0.0, 1.0, 1.0])
    # rho = 2: at the second point the sums are 1 + 3/4, 1 + 3/4 and 2.
    np.testing.assert_allclose(scores.margin_losses(h, 0.0, 2.0), [1.75, 1.75, 2.0])
    np.testing.assert_allclose(scores.margin_losses(h, 1.0, 2.0), np.log([2.75, 2.75, 3.0]))
    sums = [1.0 + math.exp(-0.5), math.exp(1.0) + math.exp(-1.0), math.exp(2.0) + math.exp(1.0)]
    np.testing.assert_allclose(scores.maximised_losses(h, 1.0), np.log1p(sums))


@properties
@given(tau=taus, rho=st.floats(0.1, 3.0), n=st.integers(2, 5))
def test_swap_attains_the_bound_at_every_regret(tau, rho, n):
    beta = np.array([0.0, 0.2, 1.0])
    np.testing.assert_allclose(
        scores.swapped(beta, n=n, tau=tau, rho=rho), d.regret_bound(tau=tau, beta=beta), rtol=1e-10, atol=1e-14
    )


# The smooth loss.


@properties
@given(tau=st.floats(0.0, 2.0), n=st.integers(2, 5))
def test_count_of_the_least_weight_is_the_best_one(tau, n):
    k = np.arange(1, n)
    weights = np.sqrt(k) * (1.0 + k) ** -tau
    value = float(d.least_smoothing(tau=tau, n=n, rho=2.0, variation=3.0))
    assert value == pytest.approx(1.5 * weights.max(), rel=1e-13)
    assert value <= float(d.smoothing(n=n, rho=2.0, variation=3.0)) * (1.0 + 1e-13)


def test_least_weight_of_named_losses():
    at = {"n": 5, "rho": 1.0, "variation": 1.0}
    for tau, weight in ((0.0, 2.0), (0.5, math.sqrt(0.8)), (1.0, 0.5), (2.0, 0.25)):
        assert float(d.least_smoothing(tau=tau, **at)) == pytest.approx(weight, rel=1e-14)
    assert float(d.smoothing(**at)) == 2.0


@pytest.mark.parametrize("tau", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("n", [2, 4])
def test_smooth_loss_of_linear_scorers_is_above_the_adversarial_one(tau, n):
    rng = Stream.from_seed(1)
    w, b, x = rng.normal(300, n, 2), rng.normal(300, n), rng.normal(300, 2, 2)
    for rho, radius in ((0.5, 0.3), (2.0, 0.05)):
        nu = float(d.least_smoothing(tau=tau, n=n, rho=rho, variation=1.0))
        smooth = linear.smooth_loss(w, b, x, tau, rho, radius, nu)
        adversarial = linear.margin_loss(w, b, x, tau, rho, radius)
        assert np.all(smooth >= adversarial - 1e-12)
        errors = linear.zero_one_loss(w, b, x, radius)
        # The search over angles may miss the worst one by a little.
        assert np.all(adversarial >= errors * float(d.regret_bound(tau=tau, beta=1.0)) * 0.98 - 1e-12)


def test_five_identical_rows_need_more_than_one_over_rho():
    """|v| = 1, g = 0.1, margin v.x = g, rho = 1, five classes: 4 against 4.019 and 3.819."""
    w = np.array([[1.0, 0.0]] + 4 * [[0.0, 0.0]])
    at = (w, np.zeros(5), np.array([[0.1, 0.0]]), 0.0, 1.0, 0.1)
    assert linear.margin_loss(*at)[0, 0] == pytest.approx(4.0)
    assert linear.smooth_loss(*at, 2.0)[0, 0] == pytest.approx(4.0 * math.exp(-0.1) + 0.4)
    assert linear.smooth_loss(*at, 1.0)[0, 0] == pytest.approx(3.8193, abs=1e-4)


# Geometry.


@pytest.mark.parametrize("inverse_norm", [0.0, 0.3, 0.5, 1.0])
def test_directions_are_on_the_sphere_and_the_dual_norm_its_support(inverse_norm):
    u = linear.direction(np.linspace(0.0, 2.0 * np.pi, 4001), inverse_norm)
    p = np.inf if inverse_norm == 0.0 else 1.0 / inverse_norm
    np.testing.assert_allclose(np.linalg.norm(u, p, axis=1), 1.0, rtol=1e-12)
    v = np.array([0.7, -1.3])
    assert np.max(u @ v) == pytest.approx(float(d.dual_norm(v, inverse_norm)), rel=1e-5)


@properties
@given(seed=st.integers(0, 10_000), radius=st.floats(0.0, 2.0), inverse_norm=st.sampled_from([0.0, 0.5, 1.0]))
def test_margin_falls_with_the_radius_and_the_loss_rises(seed, radius, inverse_norm):
    generator = np.random.default_rng(seed)
    at = {"scorers": generator.normal(size=(2, 2)), "biases": generator.normal(size=2), "x": generator.normal(size=2)}
    margins = [float(d.linear_margin(**at, radius=r, inverse_norm=inverse_norm)) for r in (0.0, radius, radius + 0.1)]
    assert margins[0] >= margins[1] >= margins[2]
    losses = [
        float(d.linear_loss(**at, tau=1.0, rho=1.0, radius=r, inverse_norm=inverse_norm)) for r in (0.0, radius, 9.0)
    ]
    assert 0.0 <= losses[0] <= losses[1] <= losses[2] <= math.log(2.0) + 1e-15


def test_variation_of_parallel_rows():
    w = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, 0.0]])
    assert float(d.linear_variation(scorers=w, radius=0.2)) == pytest.approx(0.2 * 5.0 * math.sqrt(2.0))


# The loss that is only maximised.


@properties
@given(beta=st.floats(0.0, 1.0), tau=st.floats(0.0, 1.9))
def test_maximised_transform_knows_nothing_up_to_one_half(beta, tau):
    value = float(d.maximised_transform(tau=tau, beta=beta))
    assert (value == 0.0) == (beta <= 0.5) or value < 1e-12
    assert value <= float(d.maximised_transform(tau=tau, beta=min(1.0, beta + 0.01)))
    ceiling = float(d.regret_bound(tau=tau, beta=1.0))
    assert value <= ceiling + 1e-12
    assert float(d.maximised_transform(tau=tau, beta=1.0)) == pytest.approx(ceiling, rel=1e-12)


def test_equal_scores_minimise_the_maximised_loss_and_are_always_wrong():
    p, h = np.array([[0.5, 0.5]]), np.zeros((1, 1, 2))
    for tau in (0.0, 0.5, 1.0):
        regret = (p * scores.maximised_losses(h, tau)).sum() - scores.two_class_infimum(p, tau)[0]
        assert regret == pytest.approx(0.0, abs=1e-14)
    assert (p * scores.zero_one_losses(h)).sum() - 0.5 == 0.5


# Contracts.


def test_simulations_do_not_depend_on_batches():
    demand_twins(scores.least_risks, {"n": 3, "tau": 0.5, "rho": 0.5})
    demand_twins(linear.largest_variation, {"n": 4, "radius": 0.2})
    demand_twins(linear.least_margin, {"n": 3, "radius": 0.2, "inverse_norm": 0.0})
    demand_twins(linear.two_class_loss, {"tau": 1.0, "rho": 1.0, "radius": 0.2, "inverse_norm": 1.0})


@pytest.mark.parametrize(
    ("search", "at"),
    [
        (scores.margin_search, {"n": 4, "tau": 1.0, "rho": 0.5}),
        (linear.smooth_search, {"n": 3, "tau": 1.0, "rho": 0.5, "radius": 0.1, "nu": 1.0}),
    ],
)
def test_cases_of_searches_are_made_again_alone(search, at):
    """A case of the second batch is what it was, from the stream of the block and its number; its parts say why."""
    stream = Stream.from_seed(4, "numpy")
    found = search(6000, stream, **at)
    for i in (0, len(found["x"]) // 2, int(np.argmax(found["case"]))):
        again = search.replay(int(found["case"][i]), Stream.from_seed(4, "numpy"), **at)
        assert again["x"] == pytest.approx(found["x"][i], rel=1e-12)
        assert again["y"] == pytest.approx(found["y"][i], abs=1e-12)
    assert again["p"].shape[-1] == at["n"]


def test_counterexample_is_replayed_from_its_case():
    """A case of a search, drawn again alone, has the regrets that the search reported."""
    found = scores.maximised_search(4096, Stream.from_seed(5), tau=1.0)
    beta, t, _ = scores.maximised_regrets(4096, Stream.from_seed(5), 1.0)
    case = int(found["case"][0])
    assert found["x"][0] == pytest.approx(beta[case], rel=1e-12)
    assert found["y"][0] == t[case]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: d.infimum(tau=-0.1, p=np.array([0.5, 0.5])), "tau"),
        (lambda: d.infimum(tau=1.0, p=np.array([0.5, 0.4])), "sums to 0.9"),
        (lambda: d.regret_bound(tau=1.0, beta=1.1), "beta"),
        (lambda: d.least_smoothing(tau=2.1, n=3, rho=1.0, variation=1.0), "tau"),
        (lambda: d.smoothing(n=3, rho=0.0, variation=1.0), "rho"),
        (lambda: d.linear_variation(scorers=np.ones((1, 2)), radius=0.1), "two classes"),
        (lambda: d.maximised_transform(tau=2.0, beta=0.5), "tau"),
    ],
)
def test_values_outside_the_domain_are_refused_in_one_line(call, message):
    with pytest.raises(DomainError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw(name):
    figure = FIGURES[name]("quick")
    assert all(axes.get_xlabel() or figure._supxlabel for axes in figure.axes)
