"""Exact risks of minimum-norm least squares: derivation, precision, limits, symmetries, domain, simulation."""

from __future__ import annotations

import itertools
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from theorylab.backends import BATCH
from theorylab.derivations.double_descent import gaussian_ols_exact as d
from theorylab.derivations.double_descent import gaussian_ols_exact_steps as steps
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.double_descent import least_squares as sims

PREDICTIONS = {
    name: getattr(d, name)
    for name in (
        "excess_risk",
        "training_error",
        "squared_norm",
        "correlated_excess_risk",
        "first_features_test_error",
        "random_features_test_error",
        "limiting_excess_risk",
        "best_ratio",
        "best_risk",
    )
}
ACCURACY = 1e-10

positive = st.floats(1e-3, 1e3)
sizes = st.integers(1, 300)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


def away(n, p):
    """Keep to where the mean exists."""
    assume(abs(n - p) >= 2)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_derivation_replays(name):
    assert PREDICTIONS[name].derivation.replay()


def test_the_derivations_end_at_the_formulas():
    below, above = (branch for branch, _ in d.excess_risk.expr.args)
    assert sp.simplify(steps.below()[-1].rhs - below) == 0
    assert sp.simplify(steps.above()[-1].rhs - above) == 0
    below, above = (branch for branch, _ in d.squared_norm.expr.args)
    assert [sp.simplify(step.rhs - side) for step, side in zip(steps.norm(), (below, above))] == [0, 0]
    below, above = (branch for branch, _ in d.limiting_excess_risk.expr.args)
    assert [sp.simplify(step.rhs - side) for step, side in zip(steps.limits(), (below, above))] == [0, 0]
    # With the noise and the signal of the hidden-feature steps put in.
    test_errors = {step.name: step.rhs for step in steps.hidden()}
    signal, unseen = sp.symbols("A U", nonnegative=True)
    below, above = (branch for branch, _ in d.random_features_test_error.expr.args)
    shares = {signal: d.MEAN_SEEN, unseen: d.MEAN_UNSEEN}
    assert sp.simplify(test_errors["test error below"].subs(shares) - below) == 0
    assert sp.simplify(test_errors["test error above"].subs(shares) - above) == 0


@pytest.mark.parametrize("name", PREDICTIONS)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_double_precision_against_fifty_digits(name, data):
    prediction = PREDICTIONS[name]
    ranges = {
        "n": sizes,
        "p": sizes,
        "D": sizes,
        "sigma2": positive,
        "r2": positive,
        "decay": st.floats(-4, 4),
        "spread": st.floats(-4, 4),
        "gamma": st.floats(1e-6, 1e6),
        "snr": st.floats(1.0001, 1e6),
    }
    point = {parameter: data.draw(ranges[parameter]) for parameter in prediction.space.names}
    try:
        value = prediction(**point)
    except DomainError:
        assume(False)
    exact = prediction.mp(**point)
    assert abs(mpmath.mpf(float(value)) - exact) <= ACCURACY * abs(exact)


@pytest.mark.parametrize(("name", "point"), [(name, point) for name, f in PREDICTIONS.items() for point in f.corners])
def test_corners_against_fifty_digits(name, point):
    exact = PREDICTIONS[name].mp(**point)
    assert abs(mpmath.mpf(float(PREDICTIONS[name](**point))) - exact) <= ACCURACY * abs(exact)


@pytest.mark.parametrize(("n", "p"), [(30, 30), (30, 29), (30, 31), (1, 1), (1, 2)])
@pytest.mark.parametrize("name", ["excess_risk", "squared_norm", "random_features_test_error"])
def test_the_threshold_is_refused_with_its_reason(name, n, p):
    with pytest.raises(DomainError, match=f"n = {n}, p = {p} violates .*infinite at the interpolation threshold"):
        PREDICTIONS[name](n=n, p=p)


@pytest.mark.parametrize(
    ("name", "point", "message"),
    [
        ("excess_risk", {"p": 2.5}, "p = 2.5 is outside its domain integers >= 1"),
        ("excess_risk", {"sigma2": -1.0}, "sigma2 = -1 is outside"),
        ("first_features_test_error", {"p": 151}, "no more features can be fitted than there are"),
        ("correlated_excess_risk", {"p": 60}, "only with fewer features than samples does the covariance drop out"),
        ("limiting_excess_risk", {"gamma": 1.0}, "infinite at the interpolation threshold gamma = 1"),
        ("best_ratio", {"snr": 1.0}, "snr = 1 is outside"),
    ],
)
def test_bad_input_is_named(name, point, message):
    with pytest.raises(DomainError, match=message):
        PREDICTIONS[name](**point)


def test_an_array_across_the_threshold_is_refused_and_one_that_skips_it_is_not():
    p = np.arange(1, 1001)
    with pytest.raises(DomainError, match="p = 29"):
        d.excess_risk(p=p)
    value = d.excess_risk(p=p[np.abs(p - 30) >= 2])
    assert value.shape == (997,)


def test_one_feature_by_hand():
    """p = 1: sigma2 E 1/chi^2_n = sigma2/(n-2). n = 1, p = 3: 2/3 of the signal is missed, and E 1/chi^2_3 = 1."""
    assert d.excess_risk(n=7, p=1, sigma2=3.0) == pytest.approx(3.0 / 5, rel=1e-15)
    assert d.excess_risk(n=1, p=3, sigma2=3.0, r2=6.0) == pytest.approx(4.0 + 3.0, rel=1e-15)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(n=sizes, p=sizes, sigma2=positive)
def test_the_variance_is_symmetric_in_samples_and_features(n, p, sigma2):
    away(n, p)
    assert d.excess_risk(n=n, p=p, sigma2=sigma2, r2=0.0) == d.excess_risk(n=p, p=n, sigma2=sigma2, r2=0.0)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(n=sizes, p=sizes, sigma2=positive, r2=positive, factor=positive)
def test_risks_scale_with_the_squared_labels(n, p, sigma2, r2, factor):
    away(n, p)
    for f in (d.excess_risk, d.squared_norm):
        scaled = f(n=n, p=p, sigma2=factor * sigma2, r2=factor * r2)
        assert scaled == pytest.approx(factor * f(n=n, p=p, sigma2=sigma2, r2=r2), rel=1e-12)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(n=st.integers(4, 300), sigma2=positive, r2=positive)
def test_monotone_on_either_side(n, sigma2, r2):
    below, above = np.arange(1, n - 1), np.arange(n + 2, 6 * n)
    assert np.all(np.diff(d.excess_risk(n=n, p=below, sigma2=sigma2, r2=r2)) > 0)
    assert np.all(np.diff(d.excess_risk(n=n, p=above, sigma2=sigma2, r2=0.0)) < 0)
    assert np.all(np.diff(d.squared_norm(n=n, p=above, sigma2=sigma2, r2=r2)) < 0)
    assert np.all(np.diff(d.training_error(n=n, p=below, sigma2=sigma2)) < 0)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(n=sizes, p=sizes, sigma2=positive, r2=positive)
def test_error_and_norm_are_two_sides_of_the_interpolator(n, p, sigma2, r2):
    """For p > n: E |betahat - beta|^2 + r2 - E |betahat|^2 = 2 E beta^T (I - P) beta = 2 r2 (1 - n/p)."""
    assume(p >= n + 2)
    at = {"n": n, "p": p, "sigma2": sigma2, "r2": r2}
    assert d.excess_risk(**at) + r2 - d.squared_norm(**at) == pytest.approx(2 * r2 * (p - n) / p, rel=1e-9, abs=1e-12)


def test_many_features_recover_the_estimate_zero_and_many_samples_the_truth():
    assert d.excess_risk(n=30, p=10**9) == pytest.approx(1.0, rel=1e-6)
    assert d.squared_norm(n=30, p=10**9) == pytest.approx(0.0, abs=1e-6)
    assert d.excess_risk(n=10**9, p=30) * 10**9 == pytest.approx(30 * 0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("gamma", "coefficient"), [(Fraction(1, 2), 1.0), (Fraction(4, 5), 10.0), (Fraction(3), 0.125)]
)
def test_finite_size_coefficient(gamma, coefficient):
    """n (risk - limit) tends to sigma2 gamma/(1-gamma)^2 or sigma2/(gamma-1)^2, here with sigma2 = 1/2."""
    limit = float(d.limiting_excess_risk(gamma=float(gamma)))
    for n in (1000, 10_000):
        correction = n * (float(d.excess_risk(n=n, p=int(gamma * n))) - limit)
        assert correction == pytest.approx(coefficient, rel=20 / n)


def test_training_and_test_error_meet_as_samples_grow():
    p, n = 5, np.array([100, 1000, 10_000])
    gap = 0.5 + d.excess_risk(n=n, p=p) - d.training_error(n=n, p=p)
    np.testing.assert_allclose(gap * n, 2 * 0.5 * p, rtol=0.1)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(n=sizes, p=sizes, sigma2=positive, r2=positive, decay=st.floats(-2, 2))
def test_with_all_features_fitted_the_test_error_is_excess_risk_and_noise(n, p, sigma2, r2, decay):
    away(n, p)
    at = {"n": n, "p": p, "sigma2": sigma2, "r2": r2}
    plain = d.excess_risk(**at) + sigma2
    assert d.first_features_test_error(D=p, decay=decay, **at) == pytest.approx(plain, rel=1e-12)
    assert d.random_features_test_error(D=p, **at) == pytest.approx(plain, rel=1e-12)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(n=sizes, p=sizes, more=sizes, sigma2=positive, r2=positive)
def test_with_equal_coefficients_the_choice_of_features_does_not_matter(n, p, more, sigma2, r2):
    away(n, p)
    at = {"n": n, "p": p, "D": p + more, "sigma2": sigma2, "r2": r2}
    assert d.first_features_test_error(decay=0.0, **at) == pytest.approx(d.random_features_test_error(**at), rel=1e-12)


@pytest.mark.parametrize("n", [2, 8])
def test_random_features_are_the_mean_over_all_subsets(n):
    p, total, sigma2 = 4, 7, 0.3
    squares = np.arange(1, total + 1) ** -1.4
    squares /= squares.sum()
    errors = []
    for subset in itertools.combinations(range(total), p):
        seen = squares[list(subset)].sum()
        noise = 1 - seen + sigma2
        errors.append(noise * (1 + p / (n - p - 1)) if p < n else seen * (1 - n / p) + noise * (1 + n / (p - n - 1)))
    assert np.mean(errors) == pytest.approx(float(d.random_features_test_error(n=n, p=p, D=total, sigma2=sigma2)))


@settings(deadline=None, derandomize=True, max_examples=30)
@given(n=sizes, p=sizes, more=sizes, decay=st.floats(0.1, 2))
def test_strongest_first_beats_random_beats_weakest_first(n, p, more, decay):
    away(n, p)
    at = {"n": n, "p": p, "D": p + more}
    strongest, weakest = (float(d.first_features_test_error(decay=s * decay, **at)) for s in (1, -1))
    assert strongest < float(d.random_features_test_error(**at)) < weakest


def test_best_ratio_is_where_a_search_finds_it():
    from scipy.optimize import minimize_scalar

    for snr in (1.5, 4.0, 25.0):
        found = minimize_scalar(
            lambda gamma, snr=snr: float(d.limiting_excess_risk(gamma=gamma, sigma2=1.0, r2=snr)),
            bounds=(1.0001, 50.0),
            method="bounded",
            options={"xatol": 1e-9},
        )
        assert found.x == pytest.approx(float(d.best_ratio(snr=snr)), rel=1e-4)
        assert found.fun == pytest.approx(float(d.best_risk(snr=snr, sigma2=1.0)), rel=1e-9)
        assert found.fun < snr


def test_a_weak_signal_makes_interpolation_worse_than_the_estimate_zero():
    gamma = np.geomspace(1.0001, 1e6, 500)
    for snr in (0.1, 0.9, 1.0):
        assert np.all(d.limiting_excess_risk(gamma=gamma, sigma2=1.0, r2=snr) > snr)


def test_power_sum():
    assert d.PowerSum(3, 2, sp.Rational(1, 2)) == 0
    assert sp.N(d.PowerSum(1, 4, 1), 30) == sp.N(sp.harmonic(4), 30)
    assert sp.latex(d.PowerSum(1, d.p, 2 * d.decay)) == r"\sum_{i=1}^{p} i^{-2 decay}"


TWINS = [
    (sims.minimum_norm, {"n": 12, "p": 7}),
    (sims.minimum_norm, {"n": 12, "p": 12}),
    (sims.minimum_norm, {"n": 12, "p": 25}),
    (sims.proportional, {"n": 12, "gamma": 0.5}),
    (sims.correlated, {"n": 12, "p": 7, "spread": 1.5}),
    (sims.first_features, {"n": 12, "p": 7, "D": 20, "decay": 1.0}),
    (sims.random_features, {"n": 12, "p": 17, "D": 20, "decay": 1.0}),
]


@pytest.mark.parametrize(("simulation", "at"), TWINS)
def test_backends_agree_trial_by_trial(simulation, at):
    at = {**at, "sigma2": 0.5, "r2": 1.0}
    fast, plain = (simulation(60, Stream.from_seed(4, backend), **at) for backend in ("numba", "numpy"))
    for name, values in fast.items():
        # A square design may be ill-conditioned.
        np.testing.assert_allclose(values, plain[name], rtol=1e-6 if at["n"] == at.get("p") else 1e-11, atol=1e-20)


@pytest.mark.parametrize(("simulation", "at"), TWINS)
def test_batches_do_not_change_the_trials(simulation, at, monkeypatch):
    at = {**at, "sigma2": 0.5, "r2": 1.0}
    whole = simulation(40, Stream.from_seed(4), **at)
    monkeypatch.setitem(BATCH, "numba", 8 * 7 * 12 * 20)
    parted = simulation(40, Stream.from_seed(4), **at)
    for name, values in whole.items():
        np.testing.assert_allclose(parted[name], values, rtol=1e-12, atol=1e-20)


def test_noiseless_least_squares_finds_the_signal_and_the_interpolator_is_shorter():
    found = sims.minimum_norm(20, Stream.from_seed(4), n=12, p=7, sigma2=0.0, r2=2.0)
    np.testing.assert_allclose(found["excess"], 0.0, atol=1e-20)
    np.testing.assert_allclose(found["norm"], 2.0, rtol=1e-12)
    found = sims.minimum_norm(20, Stream.from_seed(4), n=12, p=20, sigma2=0.0, r2=2.0)
    # Projection: the parts of the signal seen and missed are orthogonal.
    np.testing.assert_allclose(found["excess"] + found["norm"], 2.0, rtol=1e-11)
    np.testing.assert_allclose(found["train"], 0.0, atol=1e-20)


def test_costs_grow_with_the_design():
    small, large = (sims.minimum_norm.cost(n=30, p=p, sigma2=0.5, r2=1.0) for p in (20, 200))
    assert small.flops < large.flops
    assert small.bytes < large.bytes
    assert sims.first_features.cost(n=30, p=20, D=200, decay=1, sigma2=1, r2=1).draws > small.draws
