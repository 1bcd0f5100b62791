"""Comp-sum losses and least conditional risks: limits, symmetry, order, concavity, scaling, bad input, simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from theorylab.backends import BATCH
from theorylab.derivations.surrogate_losses import comp_sum_conditional_risk as d
from theorylab.derivations.surrogate_losses import comp_sum_loss
from theorylab.errors import DomainError
from theorylab.kernels.conditional_risk import infimum_numpy, risk_numpy
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses import conditional_risk as sims
from theorylab.sims.surrogate_losses import score_minimisation

properties = settings(max_examples=100, deadline=None, derandomize=True)
taus = st.one_of(st.floats(0.0, 3.0), st.sampled_from([0.0, 0.5, 1.0, 1.0 + 1e-9, 1.5, 1.999, 2.0, 2.5]))
arguments = st.floats(0.0, 1e6)


@st.composite
def distributions(draw, at_least=2, at_most=6, count=None):
    """Label distributions, with zeros and nearly certain ones among them."""
    n = draw(st.integers(at_least, at_most))
    weight = st.one_of(st.floats(0.01, 1.0), st.sampled_from([0.0, 1e-9, 1.0]))
    rows = []
    for _ in range(count or 1):
        row = np.array(draw(st.lists(weight, min_size=n, max_size=n).filter(lambda w: max(w) >= 0.01)))
        rows.append(row / row.sum())
    return rows[0] if count is None else np.array(rows)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


def phi(tau, u):
    return float(comp_sum_loss.outer_function(tau=tau, u=u))


def infimum(tau, p):
    return float(d.infimum(tau=tau, p=np.asarray(p)[None])[0])


# The outer function.


@pytest.mark.parametrize(
    ("tau", "expected"),
    [
        (0.0, lambda u: u),
        (0.5, lambda u: 2 * (math.sqrt(1 + u) - 1)),
        (1.0, math.log1p),
        (1.5, lambda u: 2 * (1 - 1 / math.sqrt(1 + u))),
        (2.0, lambda u: u / (1 + u)),
    ],
)
@pytest.mark.parametrize("u", [0.0, 0.3, 2.0, 100.0])
def test_named_losses(tau, expected, u):
    assert phi(tau, u) == pytest.approx(expected(u), rel=1e-14)


@properties
@given(tau=taus, u=arguments, v=arguments)
def test_outer_function_increases_is_concave_and_lipschitz(tau, u, v):
    low, high = sorted((u, v))
    rounding = 1e-14 * (1.0 + high)
    assert 0.0 <= phi(tau, low) <= phi(tau, high) + rounding
    assert phi(tau, high) - phi(tau, low) <= (high - low) + rounding
    assert phi(tau, (low + high) / 2) >= (phi(tau, low) + phi(tau, high)) / 2 - rounding


@properties
@given(tau=taus, other=taus, u=arguments)
def test_outer_function_decreases_in_tau(tau, other, u):
    low, high = sorted((tau, other))
    assert phi(low, u) >= phi(high, u) * (1 - 1e-13)


@properties
@given(tau=taus, u=st.floats(0.0, 1e3), v=st.floats(0.0, 1e3))
def test_outer_function_of_a_product(tau, u, v):
    """Phi((1+u)(1+v) - 1) = Phi(u) + (1+u)^(1-tau) Phi(v): the logarithm's law at tau = 1."""
    expected = phi(tau, u) + (1 + u) ** (1 - tau) * phi(tau, v)
    assert phi(tau, u + v + u * v) == pytest.approx(expected, rel=1e-11, abs=1e-15)


@properties
@given(u=arguments, distance=st.floats(1e-15, 1e-3))
def test_outer_function_meets_the_logarithm(u, distance):
    """Within e L^2/2 e^(e L) of L = log(1+u) at tau = 1 -+ e."""
    length = math.log1p(u)
    bound = distance * length**2 / 2 * math.exp(distance * length) + 1e-14 * length
    assert abs(phi(1 - distance, u) - length) <= bound
    assert abs(phi(1 + distance, u) - length) <= bound


# The least conditional risk.


@pytest.mark.parametrize("p", [(0.7, 0.3), (0.5, 0.5), (0.6, 0.3, 0.1), (0.4, 0.4, 0.2, 0.0)])
def test_special_cases(p):
    p = np.array(p)
    entropy = -sum(q * math.log(q) for q in p if q)
    assert infimum(0.0, p) == pytest.approx(np.sqrt(p).sum() ** 2 - 1, rel=1e-13)
    assert infimum(1.0, p) == pytest.approx(entropy, rel=1e-13)
    assert infimum(1.5, p) == pytest.approx(2 * (1 - math.sqrt(np.sum(p**2))), rel=1e-13)
    assert infimum(2.0, p) == pytest.approx(1 - p.max(), rel=1e-13)
    assert infimum(3.0, p) == pytest.approx((1 - p.max()) / 2, rel=1e-13)


@properties
@given(p=distributions(), distance=st.floats(1e-14, 1e-4))
def test_infimum_meets_the_entropy_at_one(p, distance):
    """Of order the distance: the Rényi order changes by as much, and the exponential adds its second term."""
    entropy = infimum(1.0, p)
    squared_waits = sum(q * math.log(q) ** 2 for q in p if q)
    for tau in (1 - distance, 1 + distance):
        assert abs(infimum(tau, p) - entropy) <= 2 * distance * squared_waits + 1e-13


@properties
@given(p=distributions(), distance=st.floats(1e-12, 1e-2))
def test_infimum_meets_that_of_the_absolute_error_at_two(p, distance):
    """max p <= (sum p^a)^(1/a) <= n^(1/a) max p with 1/a = 2 - tau."""
    value, top = infimum(2 - distance, p), p.max()
    rounding = 1e-13
    assert value <= (1 - top) / (1 - distance) + rounding
    assert value >= (1 - len(p) ** distance * top) / (1 - distance) - rounding


@properties
@given(p=distributions(), tau=taus, seed=st.integers(0, 1000))
def test_infimum_is_symmetric_in_the_classes(p, tau, seed):
    shuffled = np.random.default_rng(seed).permutation(p)
    assert infimum(tau, shuffled) == pytest.approx(infimum(tau, p), rel=1e-12, abs=1e-15)


@properties
@given(pair=distributions(count=2), tau=taus, weight=st.floats(0.0, 1.0))
def test_infimum_is_concave_in_the_distribution(pair, tau, weight):
    """As an infimum of linear functions."""
    p, q = pair
    mixed = infimum(tau, weight * p + (1 - weight) * q)
    assert mixed >= weight * infimum(tau, p) + (1 - weight) * infimum(tau, q) - 1e-13


@properties
@given(p=distributions(), tau=taus, other=taus)
def test_infimum_decreases_in_tau(p, tau, other):
    low, high = sorted((tau, other))
    assert infimum(low, p) >= infimum(high, p) - 1e-13


@properties
@given(p=distributions(), tau=taus)
def test_infimum_between_certainty_and_ignorance(p, tau):
    n = len(p)
    uniform = phi(tau, n - 1.0) if tau < 2 else (1 - 1 / n) / (tau - 1)
    assert -1e-15 <= infimum(tau, p) <= uniform + 1e-13
    assert infimum(tau, np.eye(n)[0]) == 0.0
    assert infimum(tau, np.full(n, 1 / n)) == pytest.approx(uniform, rel=1e-12)
    # Classes that never occur cost nothing.
    assert infimum(tau, np.append(p, 0.0)) == pytest.approx(infimum(tau, p), rel=1e-12, abs=1e-15)


@properties
@given(p=distributions(), tau=st.floats(0.0, 1.999), copies=st.integers(2, 5))
def test_infimum_when_every_class_is_split(p, tau, copies):
    """1 + (1-tau) C* scales by k^(1-tau) when each class becomes k equally likely ones: C* by the law of Phi."""
    split = np.repeat(p / copies, copies)
    expected = phi(tau, copies - 1.0) + copies ** (1 - tau) * infimum(tau, p)
    assert infimum(tau, split) == pytest.approx(expected, rel=1e-11)


@properties
@given(p=distributions(), tau=taus, seed=st.integers(0, 10_000))
def test_no_scores_do_better_and_the_minimiser_does_as_well(p, tau, seed):
    generator = np.random.default_rng(seed)
    h = generator.normal(size=(50, len(p))) * 10.0 ** generator.uniform(-2, 1, (50, 1))
    least = infimum(tau, p)
    assert np.all(risk_numpy(p, h, tau) >= least - 1e-12)
    p = np.sort(p)[::-1]
    s = d.minimiser(tau=tau, p=p[None])[0]
    assert s.sum() == pytest.approx(1.0, rel=1e-13)
    if tau < 2 and s[p > 0].min() > 1e-100:
        # Where p is zero the loss does not matter.
        loss = np.where(p > 0, -np.log(np.where(p > 0, s, 1.0)), 0.0)
        if tau != 1:
            loss = np.expm1((1 - tau) * loss) / (1 - tau)
        assert p @ loss == pytest.approx(least, rel=1e-9, abs=1e-13)


def test_minimiser_is_flatter_than_the_labels_below_cross_entropy_and_sharper_above():
    p = np.array([[0.6, 0.3, 0.1]])
    np.testing.assert_allclose(d.minimiser(tau=1.0, p=p), p, rtol=1e-14)
    tops = [float(d.minimiser(tau=tau, p=p)[0, 0]) for tau in (0.0, 0.5, 1.0, 1.5, 1.9, 2.0)]
    assert tops == sorted(tops)
    assert tops[-1] == 1.0


@properties
@given(
    tau=st.one_of(st.floats(0.0, 3.0).filter(lambda x: abs(x - 1) > 1e-3 or x == 1), st.just(1.0)),
    n=st.integers(2, 30),
    q=st.floats(0.0, 1.0),
)
def test_label_noise_is_a_case_of_the_general_formula(tau, n, q):
    p = np.append(q, np.full(n - 1, (1 - q) / (n - 1)))
    value = float(d.label_noise_risk(tau=tau, n=n, q=q))
    assert value == pytest.approx(infimum(tau, p), rel=1e-10, abs=1e-14)
    # The kernel of the violation search knows the formula too.
    scale = 1 / abs(1 - tau) if tau != 1 else 1.0
    assert value == pytest.approx(float(infimum_numpy(p, tau)), rel=1e-10, abs=1e-14 * scale)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: d.infimum(tau=1.0, p=np.array([[0.5, 0.4]])), "not a distribution over two or more labels.*0.9"),
        (lambda: d.infimum(tau=1.0, p=np.array([[1.5, -0.5]])), "not a distribution"),
        (lambda: d.infimum(tau=1.0, p=np.array([[1.0]])), "not a distribution"),
        (lambda: d.infimum(tau=1.0, p=np.array([[0.5, np.nan]])), "p = nan is outside"),
        (lambda: d.minimiser(tau=1.0, p=np.array([[0.5, 0.6]])), "not a distribution.*1.1"),
        (lambda: d.zero_one_regret(p=np.array([[0.5, 0.6]]), label=np.array([0])), "not a distribution.*1.1"),
        (lambda: d.zero_one_regret(p=np.array([[0.5, 0.5]]), label=np.array([2])), "label 2 is no class of 2"),
        (lambda: d.infimum(tau=-0.5, p=np.array([[0.5, 0.5]])), "tau = -0.5 is outside"),
        (lambda: d.label_noise_risk(tau=1.0, n=1, q=0.5), "n = 1 is outside"),
        (lambda: d.label_noise_risk(tau=1.0, n=3, q=1.2), "q = 1.2 is outside"),
        (lambda: comp_sum_loss.outer_function(tau=1.0, u=-0.1), "u = -0.1 is outside"),
        (lambda: d.label_noise_renyi(tau=1.0, n=3, q=0.5), "the entropy of order 1 is a limit"),
    ],
)
def test_bad_input_is_refused_with_its_reason(call, message):
    with pytest.raises(DomainError, match=message):
        call()


# Gradients.


@properties
@given(p=distributions(), tau=st.floats(0.0, 3.0))
def test_gradients_sum_to_zero_and_are_those_of_cross_entropy_times_a_power(p, tau):
    s = (p + 0.1) / (1 + 0.1 * len(p))
    gradient = comp_sum_loss.gradient(tau=tau, softmax=s)
    assert gradient.sum() == pytest.approx(0.0, abs=1e-13 * np.abs(gradient).max())
    factor = float(comp_sum_loss.gradient_ratio(tau=tau, s=s[0]))
    np.testing.assert_allclose(gradient, factor * comp_sum_loss.gradient(tau=1.0, softmax=s), rtol=1e-12)


# Simulations.


@pytest.mark.parametrize("tau", [0.0, 0.9, 1.0, 1.7, 2.0, 3.0])
def test_risks_of_kernel_and_minimiser_agree(tau):
    """Two programs, one for the search and one for the minimisation."""
    generator = np.random.default_rng(1)
    p = generator.dirichlet(np.ones(5), size=200)
    h = 3 * generator.normal(size=(200, 5))
    np.testing.assert_allclose(risk_numpy(p, h, tau), score_minimisation.risk(p, h, tau), rtol=1e-13)


@pytest.mark.parametrize("tau", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("tied", [False, True])
def test_derivatives_of_the_minimiser_against_differences(tau, tied):
    generator = np.random.default_rng(2)
    p, z = generator.dirichlet(np.ones(4), size=3), generator.normal(size=(3, 4))
    label = np.array([0, 2, 3]) if tied else None
    problems = score_minimisation.Problems(p, tau, label)
    gradient, hessian, _ = problems.derivatives(z)
    step = 1e-5
    for j in range(4):
        # A predicted class has no variable of its own.
        rows = label != j if tied else np.ones(3, dtype=bool)
        up, down = z + step * np.eye(4)[j], z - step * np.eye(4)[j]
        slope = (problems.risk(up) - problems.risk(down)) / (2 * step)
        np.testing.assert_allclose(gradient[rows, j], slope[rows], atol=1e-9)
        change = (problems.derivatives(up)[0] - problems.derivatives(down)[0]) / (2 * step)
        np.testing.assert_allclose(hessian[rows, :, j], change[rows], atol=1e-7)


@pytest.mark.parametrize(
    ("simulation", "point"),
    [
        (sims.score_minimum, {"n": 3, "tau": 0.5}),
        (sims.score_minimum, {"n": 3, "tau": 2.0}),
        (sims.tied_minimum, {"n": 3, "tau": 1.5}),
        (sims.label_noise_minimum, {"n": 3, "tau": 1.5, "q": 0.7}),
        (sims.two_class_minimum, {"tau": 2.5, "beta": 0.4}),
        (sims.zero_one_losses, {"n": 4}),
        (sims.gradient_ratios, {"n": 3, "tau": 1.5}),
    ],
)
def test_trials_do_not_depend_on_batches(monkeypatch, simulation, point):
    def rows(first, trials):
        return simulation(trials, Stream(np.array([3, 4], dtype=np.uint32), "numpy", first), **point)

    whole, tail = rows(0, 40), rows(25, 15)
    for name, column in whole.items():
        # Sums over a batch of another size may be rounded otherwise; a softmax is known to the root of that.
        np.testing.assert_allclose(tail[name], column[25:], rtol=1e-6, atol=1e-7)
    monkeypatch.setitem(BATCH, "numpy", 7 * 8 * 3 * 4 * 9)
    for name, column in rows(0, 40).items():
        np.testing.assert_allclose(column, whole[name], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 1.5])
def test_minima_are_one_sided_and_reached(tau):
    found = sims.score_minimum(60, Stream.from_seed(2), n=4, tau=tau)
    above = found["value"] - d.infimum(tau=tau, p=found["p"])
    assert above.min() > -1e-13
    assert above.max() < 1e-11
    assert np.all(np.diff(found["p"], axis=1) <= 0)
