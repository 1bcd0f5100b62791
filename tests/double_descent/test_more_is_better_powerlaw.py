"""The best fitting ratio for power laws: derivation, precision, limits, sums at finite n, domain, simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import zeta
from simulation_twins import demand_array_standard, demand_twins
from threadpoolctl import threadpool_limits

from theorylab.derivations.double_descent import more_is_better_powerlaw as d
from theorylab.derivations.double_descent import more_is_better_powerlaw_sums as finite
from theorylab.derivations.double_descent.eigenframework import Spectrum, solve_krr
from theorylab.derivations.double_descent.eigenframework_best import best_krr
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.double_descent import power_law_ridge as sims

PREDICTIONS = {
    name: getattr(d, name)
    for name in (
        "relative_error",
        "best_ratio",
        "cost",
        "noiseless_ratio",
        "critical_noise",
        "critical_variance",
        "test_error",
        "train_error",
        "best_ridge",
        "decay",
    )
}
RANGES = {
    "alpha": st.floats(1.05, 6.0),
    "beta": st.floats(1.05, 8.0),
    "s": st.floats(0.0, 50.0),
    "R": st.floats(0.0, 0.95),
    "nu": st.floats(0.0, 50.0),
    "h": st.floats(0.0, 100.0),
}


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


def test_derivation_replays():
    assert d.relative_error.derivation.replay()


@pytest.mark.parametrize("name", PREDICTIONS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_double_precision_against_fifty_digits(name, data):
    prediction = PREDICTIONS[name]
    point = {k: round(data.draw(RANGES[k]), 3) for k in prediction.space.names}
    try:
        value = float(prediction(**point))
    except DomainError:
        assume(False)
    exact = prediction.mp(**point)
    # At a root that comes out of a difference, absolute digits are what there is.
    assert abs(value - exact) <= 1e-10 * abs(exact) + 1e-14


@pytest.mark.parametrize(("name", "point"), [(name, point) for name, f in PREDICTIONS.items() for point in f.corners])
def test_corners_against_fifty_digits(name, point):
    exact = PREDICTIONS[name].mp(**point)
    assert abs(float(PREDICTIONS[name](**point)) - exact) <= 1e-10 * abs(exact)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(alpha=st.floats(1.1, 5.0), beta=st.floats(1.1, 6.0), s=st.floats(0.0, 10.0))
def test_the_best_ratio_is_where_a_search_finds_the_least_error(alpha, beta, s):
    assume(beta < 2 * alpha + 1)
    best = float(d.best_ratio(alpha=alpha, beta=beta, s=s))
    ratios = np.linspace(0.0, 0.99, 2000) ** 2
    risks = d.relative_error(alpha=alpha, beta=beta, s=s, R=ratios)
    assert float(d.relative_error(alpha=alpha, beta=beta, s=s, R=best)) <= risks.min() * (1 + 1e-12)
    assert best == pytest.approx(ratios[np.argmin(risks)], abs=2e-3)
    assert np.all(d.cost(alpha=alpha, beta=beta, s=s, R=ratios) >= 1.0 - 1e-12)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(alpha=st.floats(1.1, 5.0), beta=st.floats(1.1, 6.0), s=st.floats(0.0, 10.0), more=st.floats(0.1, 5.0))
def test_noisier_labels_are_fitted_less_closely(alpha, beta, s, more):
    assume(beta < 2 * alpha + 1)
    low, high = (float(d.best_ratio(alpha=alpha, beta=beta, s=noise)) for noise in (s, s + more))
    assert 0.0 <= low <= high < 1.0


def test_on_either_side_of_the_threshold():
    critical = float(d.critical_noise(alpha=2.0, beta=2.4))
    assert critical == pytest.approx(0.2)
    assert float(d.best_ratio(alpha=2.0, beta=2.4, s=0.999 * critical)) == 0.0
    assert 0.0 < float(d.best_ratio(alpha=2.0, beta=2.4, s=1.01 * critical)) < 1e-4


def test_without_enough_noise_the_best_ridge_is_none():
    critical = float(d.critical_variance(alpha=2.0, beta=3.0))
    assert float(d.best_ridge(alpha=2.0, beta=3.0, nu=0.99 * critical)) == 0.0
    assert 0.0 < float(d.best_ridge(alpha=2.0, beta=3.0, nu=1.01 * critical)) < 0.1


def test_the_formula_with_its_power_lowered_is_told_apart():
    wrong = d.wrong_best(1)
    for s in (0.15, 0.3, 1.0):
        at = {"alpha": 2.0, "beta": 1.6, "s": s}
        assert abs(float(wrong(**at)) / float(d.best_ratio(**at)) - 1) > 0.2
    assert float(wrong(alpha=2.0, beta=1.6, s=0.0)) == float(d.best_ratio(alpha=2.0, beta=1.6, s=0.0))


def test_a_target_from_the_prior_of_the_kernel_wants_the_noise_for_a_ridge():
    for nu in (0.1, 1.0, 4.0):
        assert float(d.best_ridge(alpha=2.0, beta=2.0, nu=nu)) == pytest.approx(nu, rel=1e-12)


@pytest.mark.parametrize(("alpha", "beta", "s"), [(1.5, 1.3, 0.3), (2.0, 2.4, 1.0)])
def test_sums_with_tails_against_the_solver(alpha, beta, s):
    """The same n with 10^5 eigenvalues one by one, what is beyond as ridge and noise."""
    n, M = 40, 100_000
    sample = finite.Sample(alpha, beta, n)
    spectrum, power = Spectrum(np.arange(1.0, M + 1.0) ** -alpha), np.arange(1.0, M + 1.0) ** -beta
    beyond = float(zeta(beta, M + 1.0))
    tail = float(zeta(alpha, M + 1.0))
    kappa = solve_krr(spectrum, n, tail).kappa
    assert sample.kappa == pytest.approx(kappa, rel=1e-4)
    best = best_krr(spectrum, n, power, s * sample.unit + beyond)
    assert sample.best(s)[1] * sample.unit == pytest.approx(best.test_risk(power, s * sample.unit + beyond), rel=1e-4)


def test_derivatives_of_sums_against_differences():
    sample, h = finite.Sample(1.7, 1.9, 30), 1e-6
    at = 1.3 * sample.kappa
    low, middle, high = (sample.sums(at * np.exp(step)) for step in (-h, 0.0, h))
    assert (high.squares - low.squares) / (2 * h) == pytest.approx(middle.squares_slope, rel=1e-6)
    assert (high.missed - low.missed) / (2 * h) == pytest.approx(middle.missed_slope, rel=1e-6)


def test_finite_samples_tend_to_the_limit_like_one_over_n():
    at = {"alpha": 2.0, "beta": 1.6, "s": 0.5, "R": 0.2}
    limit = float(d.relative_error(**at))
    gaps = [n * (float(finite.relative_error(**at, n=n)) - limit) for n in (100, 1000)]
    assert gaps[1] == pytest.approx(gaps[0], rel=0.1)


@pytest.mark.parametrize(
    ("name", "point", "message"),
    [
        ("best_ratio", {"alpha": 1.0}, "alpha = 1 is outside"),
        ("best_ratio", {"alpha": 1.5, "beta": 4.0}, "smoother targets are missed in the first directions"),
        ("critical_noise", {"alpha": 2.0, "beta": 1.5}, "for rougher targets a ridge helps without noise"),
        ("relative_error", {"R": 1.0}, "R = 1 is outside"),
        ("cost", {"s": -0.1}, "s = -0.1 is outside"),
    ],
)
def test_bad_input_is_named(name, point, message):
    with pytest.raises(DomainError, match=message):
        PREDICTIONS[name](**point)


AT = {"n": 12, "ratio": 4.0, "alpha": 2.0, "beta": 1.6, "nu": 0.5}


@pytest.mark.parametrize(
    ("simulation", "at"),
    [
        (sims.errors_at_ridge, {**AT, "h": 0.4}),
        (sims.slope, {**AT, "h": 0.4}),
        (sims.gain, AT),
        (sims.interpolation, {k: v for k, v in AT.items() if k != "nu"}),
    ],
)
def test_twins_and_array_standard(simulation, at):
    demand_twins(simulation, at, rtol=1e-7)
    demand_array_standard(simulation, at, rtol=1e-7)


def test_the_slope_is_the_difference_of_errors():
    at, step = {**AT, "n": 20}, 1e-4

    def risk(h):
        return sims.errors_at_ridge(5, Stream.from_seed(2, "numpy"), **at, h=h)["test"] / 20**0.6

    found = sims.slope(5, Stream.from_seed(2, "numpy"), **at, h=0.5)["value"] / 20 ** (1.6 - 2.0)
    ridge = 2 * step * 20 ** (1.0 - 2.0)
    np.testing.assert_allclose((risk(0.5 + step) - risk(0.5 - step)) / ridge, found, rtol=1e-6)


def test_the_end_of_the_spectrum_does_not_matter():
    """Eigenvalues one by one up to 4 n or 32 n: the same mean error to 1 %, five standard errors beside."""
    at = {"n": 24, "alpha": 2.0, "beta": 1.6, "nu": 0.3, "h": 0.5}
    short, long = (sims.errors_at_ridge(300, Stream.from_seed(1), **at, ratio=ratio)["test"] for ratio in (4.0, 32.0))
    error = np.hypot(short.std(), long.std()) / np.sqrt(300)
    assert abs(short.mean() - long.mean()) < 0.01 * long.mean() + 5 * error
