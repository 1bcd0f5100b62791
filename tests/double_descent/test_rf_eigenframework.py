"""Random-feature ridge regression: limits, duality, monotonicity, simulations against their definition, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins

from theorylab.derivations.double_descent import krr_eigenframework as kernel
from theorylab.derivations.double_descent import rf_eigenframework as theory
from theorylab.derivations.double_descent.eigenframework import Spectrum, at_gamma
from theorylab.derivations.double_descent.eigenframework_best import best_rf
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.double_descent import eigenfunctions as sims
from theorylab.sims.double_descent import more_is_better as search

quickly = settings(max_examples=25, deadline=None, derandomize=True)
AT = {"alpha": 1.5, "beta": 2.0, "n": 20, "rho": 1.5, "ratio": 5.0, "h": 0.5, "s": 0.5}
models = st.fixed_dictionaries(
    {
        "alpha": st.floats(0.5, 2.5),
        "beta": st.floats(0.0, 3.0),
        "n": st.integers(4, 40),
        "rho": st.floats(0.3, 4.0),
        "ratio": st.floats(2.0, 8.0),
        "h": st.floats(0.01, 10.0),
        "s": st.floats(0.0, 3.0),
    }
)


@quickly
@given(models)
def test_errors_from_their_published_form(at) -> None:
    n, k, M = at["n"], round(at["rho"] * at["n"]), round(at["ratio"] * at["n"])
    delta, noise = at["h"] * n ** (1.0 - at["alpha"]), at["s"] * n ** (1.0 - at["beta"])
    values, weights = np.arange(1.0, M + 1.0) ** -at["alpha"], np.arange(1.0, M + 1.0) ** -at["beta"]
    found = theory.solution(*(at[name] for name in ("alpha", "n", "rho", "ratio", "h")))
    kappa, g = found.kappa, found.gamma
    learned = values / (values + g)
    z, q = learned.sum(), (learned**2).sum()
    assert z + delta / kappa == pytest.approx(n, rel=1e-11)
    assert z + k * kappa / g == pytest.approx(k, rel=1e-11)
    signal = ((g / (values + g) - kappa * values / (values + g) ** 2 * k / (k - q)) * weights).sum()
    test = (signal + noise) / (1.0 - (q * (k - 2.0 * z) + z**2) / (n * (k - q)))
    assert theory.TEST(**at) == pytest.approx(test, rel=1e-8)
    assert theory.TRAIN(**at) == pytest.approx((delta / (n * kappa)) ** 2 * test, rel=1e-8)


@quickly
@given(models, st.floats(1.0, 3.0))
def test_more_noise_and_a_harder_target_are_worse(at, factor) -> None:
    assert theory.TEST(**{**at, "s": at["s"] + factor}) > theory.TEST(**at)
    assert theory.TEST(**{**at, "beta": 0.0, "s": 0.0}) >= theory.TEST(**{**at, "beta": factor, "s": 0.0})


@quickly
@given(st.floats(0.05, 5.0), st.floats(1.0, 40.0), st.floats(1.0, 40.0), st.floats(1.01, 3.0), st.floats(0.0, 3.0))
def test_at_given_gamma_more_is_better(gamma, n, k, factor, noise) -> None:
    spectrum, weights = Spectrum(np.arange(1.0, 31.0) ** -1.5), np.arange(1.0, 31.0) ** -1.0
    z = spectrum.split(gamma)
    total = z.larger - z.missed + z.seen
    n, k = n + total, k + total
    risks = [
        at_gamma(spectrum, *size, gamma).test_risk(weights, noise)
        for size in ((n, k), (factor * n, k), (n, factor * k), (factor * n, factor * k))
    ]
    assert risks[3] < min(risks[1], risks[2]) <= max(risks[1], risks[2]) < risks[0]


def test_with_the_best_ridge_more_is_better_on_a_grid() -> None:
    spectrum, weights = Spectrum(np.arange(1.0, 301.0) ** -1.5), np.arange(1.0, 301.0) ** -2.0
    sizes = (10, 20, 40, 41, 80, 160)
    risks = np.array([[best_rf(spectrum, n, k, weights, 0.02).test_risk(weights, 0.02) for n in sizes] for k in sizes])
    assert np.all(np.diff(risks, axis=0) < 0.0)
    assert np.all(np.diff(risks, axis=1) < 0.0)


def test_infinitely_many_features_are_the_kernel() -> None:
    shape = {name: AT[name] for name in AT if name != "rho"}
    gaps = [float(theory.TEST(**{**AT, "rho": rho}) / kernel.TEST(**shape)) - 1.0 for rho in (1e3, 1e4)]
    assert gaps[0] > gaps[1] > 0.0
    assert gaps[1] / gaps[0] == pytest.approx(0.1, rel=0.01)


def test_both_sides_of_the_peak() -> None:
    at = {"alpha": 1.5, "beta": 2.0, "n": 50, "ratio": 5.0, "s": 0.5}
    amplitude = theory.AMPLITUDE(**at)
    for gap in (-1e-3, 1e-3):
        assert theory.NEAR_PEAK(**at, gap=gap) == pytest.approx(amplitude, rel=3e-3)


def test_kappa_over_gamma_is_not_close_to_the_simulation() -> None:
    """The second equation without its factor k is off by a factor where there are more features than samples."""
    from theorylab.claims.double_descent.rf_eigenframework import _kappa_over_gamma

    at = {**AT, "n": 30}
    measured = sims.random_features(100, Stream.from_seed(1), **at)["test"].mean()
    found = theory.solution(*(at[name] for name in ("alpha", "n", "rho", "ratio", "h")))
    wrong = _kappa_over_gamma(found, kernel.power(2.0, 150), 0.5 / 30)
    assert measured == pytest.approx(float(theory.TEST(**at)), rel=0.1)
    assert abs(wrong / measured - 1.0) > 1.0


SIMULATIONS = {
    "more features": {**AT, "n": 12},
    "more samples": {**AT, "n": 12, "rho": 0.5},
    "no ridge, more features": {**AT, "n": 12, "h": 0.0, "rho": 2.0},
    "no ridge, more samples": {**AT, "n": 12, "h": 0.0, "rho": 0.5},
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name: str) -> None:
    demand_twins(sims.random_features, SIMULATIONS[name])


@pytest.mark.parametrize("name", SIMULATIONS)
def test_array_standard(name: str) -> None:
    demand_array_standard(sims.random_features, SIMULATIONS[name])


@pytest.mark.parametrize(("n", "k"), [(4, 7), (7, 4), (5, 5)])
def test_means_given_data_and_features_are_those_of_drawn_labels(n: int, k: int) -> None:
    """All signs of two coefficients, and noise by its second moments: exact sums, no sampling."""
    x, weights = Stream.from_seed(5).normal(1, n, 9), Stream.from_seed(6).normal(1, k, 9)
    power = np.zeros(9)
    power[[0, 3]] = [1.0, 0.5]
    features = x[0] @ weights[0].T
    test = train = 0.0
    for sign in (-1.0, 1.0):
        v = np.sqrt(power) * np.where(np.arange(9) == 3, sign, 1.0)
        for j in range(n):
            for side in (-1.0, 1.0):
                noise = side * math.sqrt(n * 0.3) * np.eye(n)[j]
                labels = x[0] @ v + noise
                fitted = np.linalg.solve(features.T @ features + 0.2 * np.eye(k), features.T @ labels)
                test += np.sum((weights[0].T @ fitted - v) ** 2) / (4.0 * n)
                train += np.mean((labels - features @ fitted) ** 2) / (4.0 * n)
    found = sims.errors(sims.fit_features(x, weights, 0.2), n, power, 0.3)
    assert found["test"][0] == pytest.approx(test + 0.3, rel=1e-10)
    assert found["train"][0] == pytest.approx(train, rel=1e-10)
    resolvent = np.trace(np.linalg.inv(features @ features.T + 0.2 * np.eye(n)))
    assert found["resolvent"][0] == pytest.approx(resolvent, rel=1e-10)


def _climbed() -> search.Problems:
    return search.Problems(search._start(Stream.from_seed(4), 24))


def test_the_search_measures_what_the_solver_computes() -> None:
    problems = _climbed()
    least = search.best_risk(problems, problems.size)
    for i in range(24):
        lam, power, noise = problems.lam[i], problems.power[i], float(problems.noise[i])
        best = best_rf(lam, *problems.size[i], power, noise)
        assert least[i] == pytest.approx(best.test_risk(power, noise), rel=search.ACCURACY)


def test_the_search_is_repeatable_and_climbs() -> None:
    one, other = (search.best_ridge(12, Stream.from_seed(7)) for _ in range(2))
    np.testing.assert_array_equal(one["y"], other["y"])
    problems = search.Problems(search._start(Stream.from_seed(7), 12))
    before = search.best_risk(problems, problems.larger) / search.best_risk(problems, problems.size)
    assert np.all(one["y"] >= before)
    assert np.all(one["y"] <= 1.0 + search.ACCURACY)
    assert np.all(one["x"] >= 1.05 - 1e-12)


def test_without_tuning_the_search_finds_double_descent() -> None:
    assert search.one_ridge(30, Stream.from_seed(7))["y"].max() > 2.0


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (theory.TEST, {**AT, "rho": 1.0, "h": 0.0}, "interpolation threshold, as many samples as features"),
        (theory.TEST, {**AT, "rho": 9.0, "ratio": 1.0, "h": 0.0}, "as many samples as nonzero eigenvalues"),
        (theory.TEST, {**AT, "rho": 0.001}, "k = 0 features"),
        (theory.TEST, {**AT, "s": -1.0}, "label noise"),
        (theory.TRACE, {"alpha": 1.5, "n": 9, "h": 0.0}, "take h > 0"),
        (theory.NEAR_PEAK, {"alpha": 1.5, "n": 9, "gap": 0.0}, "diverges at the threshold"),
        (theory.AMPLITUDE, {"alpha": 1.5, "n": 9, "ratio": 1.0}, "take ratio > 1"),
    ],
)
def test_bad_input_is_named(prediction, at, message) -> None:
    with pytest.raises(DomainError, match=message):
        prediction(**at)
