"""Ridge regression with isotropic features: derivation, precision, limits, symmetries, domain, simulation."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins
from threadpoolctl import threadpool_limits

from theorylab.derivations.double_descent import gaussian_ols_exact as ols
from theorylab.derivations.double_descent import ridge_isotropic as d
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_averages as averages
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.double_descent import ridge as sims

PREDICTIONS = {
    name: getattr(d, name)
    for name in (
        "bias_risk",
        "variance_risk",
        "excess_risk",
        "degrees_of_freedom",
        "training_error",
        "test_error",
        "best_ridge",
        "best_excess_risk",
        "best_slope",
    )
}
ACCURACY = 1e-10
AT = {"n": 12, "gamma": 0.5, "lam": 0.3, "sigma2": 0.5, "r2": 2.0}

positive = st.floats(1e-3, 1e3)
ridges = st.one_of(st.just(0.0), st.floats(1e-9, 1e6))
ratios = st.floats(1e-4, 1e4)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


def close(value, exact):
    return abs(mpmath.mpf(float(value)) - exact) <= ACCURACY * abs(exact)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_derivation_replays(name):
    assert PREDICTIONS[name].derivation.replay()


def test_the_derivations_end_at_the_formulas():
    few, many = (branch for branch, _ in d.bias.args)
    assert [step.rhs for step in d.bias_steps()[-2:]] == [few, many]
    assert d.variance_steps()[-1].rhs == d.variance
    assert d.degrees_steps()[1].rhs == d.degrees
    few, many = (branch for branch, _ in d.kept.args)
    assert [step.rhs for step in d.degrees_steps()[-2:]] == [few, many]
    few, many = (branch for branch, _ in d.best_excess.args)
    assert [step.rhs for step in d.best_steps()[2:4]] == [few, many]


@pytest.mark.parametrize("name", PREDICTIONS)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(gamma=ratios, lam=ridges, sigma2=positive, r2=positive)
def test_double_precision_against_fifty_digits(name, gamma, lam, sigma2, r2):
    assume(gamma != 1.0 or lam > 0)
    everything = {"gamma": gamma, "lam": lam, "sigma2": sigma2, "r2": r2}
    prediction = PREDICTIONS[name]
    point = {parameter: everything[parameter] for parameter in prediction.space.names}
    assert close(prediction(**point), prediction.mp(**point))


@pytest.mark.parametrize(("name", "point"), [(name, point) for name, f in PREDICTIONS.items() for point in f.corners])
def test_corners_against_fifty_digits(name, point):
    prediction = PREDICTIONS[name]
    point = {parameter: value for parameter, value in point.items() if parameter in prediction.space.names}
    assert close(prediction(**point), prediction.mp(**point))


@pytest.mark.parametrize("gamma", [0.3, 0.99, 1.0, 1.5, 6.0])
@pytest.mark.parametrize("lam", [0.02, 1.3])
def test_averages_over_the_spectrum_by_quadrature(gamma, lam):
    """Bias, variance and degrees of freedom as integrals against the Marchenko-Pastur law, its zeros added by hand."""
    zeros = max(0.0, 1.0 - 1.0 / gamma)
    lost = averages.continuous_average(lambda s: (lam / (s + lam)) ** 2, gamma).value + zeros
    noise = averages.continuous_average(lambda s: s / (s + lam) ** 2, gamma).value
    used = averages.continuous_average(lambda s: s / (s + lam), gamma).value
    assert float(d.bias_risk(gamma=gamma, lam=lam, r2=3.0)) == pytest.approx(3.0 * lost, rel=1e-11)
    assert float(d.variance_risk(gamma=gamma, lam=lam, sigma2=0.7)) == pytest.approx(0.7 * gamma * noise, rel=1e-11)
    assert float(d.degrees_of_freedom(gamma=gamma, lam=lam)) == pytest.approx(gamma * used, rel=1e-11)


@pytest.mark.parametrize("name", ["bias_risk", "variance_risk", "excess_risk", "training_error", "test_error"])
def test_zero_ridge_at_the_threshold_names_the_divergence(name):
    with pytest.raises(DomainError, match="diverges at the interpolation threshold gamma = 1: take lam > 0"):
        PREDICTIONS[name](gamma=1.0, lam=0.0)
    with pytest.raises(DomainError, match="gamma = 1, lam = 0"):
        PREDICTIONS[name](gamma=np.array([0.5, 1.0, 2.0]), lam=0.0)


@pytest.mark.parametrize(
    ("name", "point", "message"),
    [
        ("excess_risk", {"gamma": 0.0}, "gamma = 0 is outside"),
        ("excess_risk", {"lam": -0.1}, "lam = -0.1 is outside"),
        ("excess_risk", {"sigma2": float("nan")}, "sigma2 = nan is outside"),
        ("best_ridge", {"r2": 0.0}, "without a signal the best ridge is infinite"),
        ("best_excess_risk", {"r2": 0.0}, "without a signal the best ridge is infinite"),
        ("best_slope", {"sigma2": 0.0}, "without noise the best ridge is 0"),
    ],
)
def test_bad_input_is_named(name, point, message):
    with pytest.raises(DomainError, match=message):
        PREDICTIONS[name](**point)


def test_the_peak_without_ridge_is_that_of_interpolation_and_a_ridge_caps_it():
    for gamma in (0.2, 0.9, 1.1, 5.0):
        assert d.excess_risk(gamma=gamma, lam=0.0) == pytest.approx(float(ols.limiting_excess_risk(gamma=gamma)))
    lam = np.array([1e-4, 1e-6, 1e-8])
    np.testing.assert_allclose(d.variance_risk(gamma=1.0, lam=lam, sigma2=1.0) * 2 * np.sqrt(lam), 1.0, atol=0.03)


def test_training_error_without_ridge():
    assert d.training_error(gamma=0.25, lam=0.0, sigma2=0.8) == pytest.approx(0.8 * 0.75, rel=1e-13)
    assert d.training_error(gamma=3.0, lam=0.0, sigma2=0.8) == 0.0


@settings(deadline=None, derandomize=True, max_examples=20)
@given(gamma=st.floats(0.01, 100), sigma2=positive, r2=positive)
def test_an_infinite_ridge_estimates_zero(gamma, sigma2, r2):
    at = {"gamma": gamma, "lam": 1e12, "sigma2": sigma2, "r2": r2}
    assert d.excess_risk(**at) == pytest.approx(r2, rel=1e-6)
    assert d.training_error(**at) == pytest.approx(r2 + sigma2, rel=1e-6)
    assert d.degrees_of_freedom(gamma=gamma, lam=1e12) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("lam", [0.05, 1.0, 7.0])
def test_few_features_see_the_population(lam):
    """gamma -> 0: bias r2 lam^2/(1+lam)^2, variance sigma2 gamma/(1+lam)^2."""
    assert d.bias_risk(gamma=1e-8, lam=lam) == pytest.approx(lam**2 / (1 + lam) ** 2, rel=1e-6)
    assert d.variance_risk(gamma=1e-8, lam=lam, sigma2=1.0) == pytest.approx(1e-8 / (1 + lam) ** 2, rel=1e-6)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(gamma=st.floats(0.01, 100), lam=st.floats(1e-3, 100), sigma2=positive, r2=positive)
def test_exchange_of_samples_and_features(gamma, lam, sigma2, r2):
    """X X^T / n and X^T X / p have the same nonzero spectrum but for the scale gamma: the variance and the degrees of
    freedom of the problem with n and p exchanged are those at the ridge lam/gamma."""
    other = {"gamma": 1 / gamma, "lam": lam / gamma}
    assert d.variance_risk(gamma=gamma, lam=lam, sigma2=sigma2) == pytest.approx(
        float(d.variance_risk(**other, sigma2=sigma2)), rel=1e-9
    )
    assert d.degrees_of_freedom(gamma=gamma, lam=lam) == pytest.approx(
        gamma * float(d.degrees_of_freedom(**other)), rel=1e-9
    )


@settings(deadline=None, derandomize=True, max_examples=30)
@given(gamma=st.floats(0.01, 100), sigma2=positive, r2=positive)
def test_the_best_ridge_is_best(gamma, sigma2, r2):
    best = float(d.best_ridge(gamma=gamma, sigma2=sigma2, r2=r2))
    ladder = best * np.array([0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 2.0])
    risk = d.excess_risk(gamma=gamma, lam=ladder, sigma2=sigma2, r2=r2)
    assert np.all(risk >= risk[3] * (1 - 1e-12))
    assert risk[3] == pytest.approx(float(d.best_excess_risk(gamma=gamma, sigma2=sigma2, r2=r2)), rel=1e-9)
    assert risk[3] <= min(r2, sigma2 * gamma / max(1 - gamma, 1e-300)) if gamma < 1 else risk[3] <= r2


def test_at_the_best_ridge_the_risk_rises_and_at_a_fixed_one_it_peaks():
    gamma = np.geomspace(1e-3, 1e3, 400)
    for snr in (0.1, 1.0, 30.0):
        best = d.best_excess_risk(gamma=gamma, sigma2=1.0, r2=snr)
        assert np.all(np.diff(best) > 0)
        assert best[-1] < snr
        slopes = d.best_slope(gamma=gamma, sigma2=1.0, r2=snr)
        np.testing.assert_allclose(np.gradient(best, gamma)[1:-1], slopes[1:-1], rtol=3e-3)
    fixed = d.excess_risk(gamma=gamma, lam=0.01)
    assert fixed.max() == pytest.approx(float(d.excess_risk(gamma=1.0, lam=0.01)), rel=0.02)
    assert 0.8 < gamma[fixed.argmax()] < 1.2


def test_without_noise_the_best_ridge_is_none():
    assert d.best_ridge(sigma2=0.0) == 0.0
    assert d.best_excess_risk(gamma=4.0, sigma2=0.0) == pytest.approx(0.75)
    assert d.best_excess_risk(gamma=0.5, sigma2=0.0) == 0.0


@settings(deadline=None, derandomize=True, max_examples=30)
@given(gamma=st.floats(0.01, 100), sigma2=positive, r2=positive)
def test_more_ridge_more_bias_less_variance(gamma, sigma2, r2):
    lam = np.geomspace(1e-3, 1e3, 60)
    assert np.all(np.diff(d.bias_risk(gamma=gamma, lam=lam, r2=r2)) > 0)
    assert np.all(np.diff(d.variance_risk(gamma=gamma, lam=lam, sigma2=sigma2)) < 0)
    assert np.all(np.diff(d.training_error(gamma=gamma, lam=lam, sigma2=sigma2, r2=r2)) > 0)
    assert np.all(np.diff(d.degrees_of_freedom(gamma=gamma, lam=lam)) < 0)


def test_the_training_error_from_the_companion_spectrum():
    point = {d.gamma: sp.Rational(7, 3), d.lam: sp.Rational(1, 5), d.sigma2: sp.Rational(2, 3), d.r2: sp.Rational(3, 2)}
    exact = sp.N(d.spectral_training(d.resolvent).subs(point), 30)
    assert float(exact) == pytest.approx(float(d.training_error(**{s.name: float(v) for s, v in point.items()})))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 1.75])
@pytest.mark.parametrize("simulation", [sims.conditional, sims.fitted, sims.slope])
def test_twins(simulation, gamma):
    demand_twins(simulation, {**AT, "gamma": gamma})
    demand_array_standard(simulation, {**AT, "gamma": gamma})


def test_twins_of_the_search():
    at = {name: value for name, value in AT.items() if name != "lam"}
    demand_twins(sims.smallest_risk, at, rtol=1e-5)
    demand_array_standard(sims.smallest_risk, at, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_conditional_means_are_those_of_dense_algebra(gamma):
    n, lam, sigma2, r2 = 10, 0.3, 0.5, 2.0
    p = round(gamma * n)
    found = sims.conditional(3, Stream.from_seed(5, "numpy"), n=n, gamma=gamma, lam=lam, sigma2=sigma2, r2=r2)
    designs = np.moveaxis(Stream.from_seed(5, "numpy").normal(3, p, n), 1, 2)
    for trial, x in enumerate(designs):
        map_ = np.linalg.solve(x.T @ x / n + lam * np.eye(p), x.T / n)
        missed, smoother = map_ @ x - np.eye(p), x @ map_
        rest = np.eye(n) - smoother
        expected = {
            "bias": r2 / p * np.sum(missed**2),
            "variance": sigma2 * np.sum(map_**2),
            "train": (r2 / p * np.sum((rest @ x) ** 2) + sigma2 * np.sum(rest**2)) / n,
            "df": np.trace(smoother) / n,
        }
        expected["excess"] = expected["bias"] + expected["variance"]
        expected["gcv"] = expected["train"] / (1 - expected["df"]) ** 2
        for name, value in expected.items():
            assert found[name][trial] == pytest.approx(value, rel=1e-11)


def test_the_slope_is_the_difference_quotient():
    at = {**AT, "lam": 0.3}
    step = 1e-5
    high, low = (sims.fitted(6, Stream.from_seed(5), **{**at, "lam": 0.3 + s})["excess"] for s in (step, -step))
    found = sims.slope(6, Stream.from_seed(5), **at)["value"]
    np.testing.assert_allclose(found, (high - low) / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_every_design_has_the_same_best_ridge(gamma):
    found = sims.smallest_risk(20, Stream.from_seed(6), n=16, gamma=gamma, sigma2=0.5, r2=2.0)
    np.testing.assert_allclose(found["lam"], 0.5 * gamma / 2.0, rtol=1e-5)


def test_a_vanishing_ridge_leaves_cross_validation_finite():
    found = sims.conditional(4, Stream.from_seed(7), n=12, gamma=2.0, lam=0.0, sigma2=0.5, r2=1.0)
    near = sims.conditional(4, Stream.from_seed(7), n=12, gamma=2.0, lam=1e-9, sigma2=0.5, r2=1.0)
    np.testing.assert_array_equal(found["train"], 0.0)
    np.testing.assert_allclose(found["gcv"], near["gcv"], rtol=1e-6)
    np.testing.assert_allclose(found["bias"], 0.5, rtol=1e-12)
