"""Kernel ridge regression in its eigensystem: identities, limits, orders of corrections, simulations, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins

from theorylab.derivations.double_descent import krr_eigenframework as theory
from theorylab.derivations.double_descent import krr_overfitting as overfitting
from theorylab.derivations.double_descent.eigenframework import solve_krr
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.double_descent import eigenfunctions as sims

quickly = settings(max_examples=25, deadline=None, derandomize=True)
AT = {"alpha": 1.5, "beta": 2.0, "n": 20, "ratio": 5.0, "h": 0.5, "s": 0.5}
SHAPE = {name: AT[name] for name in ("alpha", "n", "ratio", "h")}
shapes = st.fixed_dictionaries(
    {
        "alpha": st.floats(0.3, 3.0),
        "n": st.integers(4, 60),
        "ratio": st.floats(4.0, 10.0),
        "h": st.floats(0.001, 30.0),
    }
)


@quickly
@given(shapes, st.floats(0.0, 4.0), st.floats(0.0, 5.0))
def test_errors_from_their_definition(shape, beta, s) -> None:
    n, alpha = shape["n"], shape["alpha"]
    M, delta, noise = round(shape["ratio"] * n), shape["h"] * n ** (1.0 - alpha), s * n ** (1.0 - beta)
    values, weights = np.arange(1.0, M + 1.0) ** -alpha, np.arange(1.0, M + 1.0) ** -beta
    kappa = 1.0 / theory.TRACE(**shape)
    learned = values / (values + kappa)
    assert learned.sum() + delta / kappa == pytest.approx(n, rel=1e-12)
    test = n / (n - (learned**2).sum()) * (((1.0 - learned) ** 2 * weights).sum() + noise)
    at = {**shape, "beta": beta, "s": s}
    assert theory.TEST(**at) == pytest.approx(test, rel=1e-10)
    assert theory.TRAIN(**at) == pytest.approx((delta / (n * kappa)) ** 2 * test, rel=1e-10)
    bias = theory.BIAS(**{k: v for k, v in at.items() if k != "s"})
    assert bias == pytest.approx(((1.0 - learned) ** 2 * weights).sum(), rel=1e-10)
    octaves = theory.LEARNED(**shape)
    assert octaves.shape == (5,)
    ends = [round(end * n) for end in theory.OCTAVES]
    assert octaves[4] == pytest.approx(learned[ends[4] : ends[5]].mean(), rel=1e-12)


@quickly
@given(shapes, st.floats(1.1, 5.0))
def test_more_ridge_learns_less(shape, factor) -> None:
    more = {**shape, "h": factor * shape["h"]}
    assert theory.TRACE(**more) < theory.TRACE(**shape)
    assert np.all(theory.LEARNED(**more) < theory.LEARNED(**shape))
    assert theory.TRAIN(**more, beta=2.0, s=0.5) > theory.TRAIN(**shape, beta=2.0, s=0.5)


def test_predictions_broadcast_and_know_their_error() -> None:
    value, error = theory.TEST.evaluate(**{**AT, "n": np.array([10, 20, 40]), "s": np.array([[0.1], [1.0]])})
    assert value.shape == error.shape == (2, 3)
    assert np.all(error <= 1e-12 * value)
    assert value[1, 1] == theory.TEST(**{**AT, "s": 1.0})
    assert theory.LEARNED(**{**SHAPE, "h": np.array([0.1, 1.0])}).shape == (2, 5)


def test_overfitting_of_finite_spectra_grows_without_bound_towards_interpolation() -> None:
    values = [float(theory.OVERFITTING(alpha=1.5, n=50, ratio=ratio)) for ratio in (100.0, 8.0, 2.0, 1.1, 1.02)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(1.5 * 50 / 50.5, rel=0.06)
    # One eigenvalue more than samples: e_0 is about n.
    assert values[-1] > 20.0


def test_finite_sums_reach_their_limits_at_the_stated_order() -> None:
    assert overfitting.TEMPERED(alpha=1.5, n=10**9) == pytest.approx(1.5)
    for alpha, order in ((1.5, 2.5), (3.0, 4.0)):
        gaps = [
            float(overfitting.TEMPERED_SUM(alpha=alpha, n=n) / overfitting.TEMPERED(alpha=alpha, n=n)) - 1.0
            for n in (5, 10)
        ]
        assert math.log2(abs(gaps[0] / gaps[1])) == pytest.approx(order, abs=0.4)
    gaps = [float(overfitting.SPHERE_SUM(d=5, n=n)) - 1.25 for n in (10**3, 10**5)]
    assert gaps[1] / gaps[0] == pytest.approx(0.1, rel=0.05)
    assert overfitting.SPHERE_SUM(d=4, n=1000) == pytest.approx(4.0 / 3.0, abs=1e-9)
    gaps = [
        float(overfitting.BORDERLINE_SUM(b=2.0, log_n=x) / overfitting.BORDERLINE(b=2.0, log_n=x)) - 1.0
        for x in (100.0, 400.0)
    ]
    assert gaps[1] / gaps[0] == pytest.approx(0.25, rel=0.1)


def test_modes_in_a_continuum() -> None:
    assert overfitting.CATASTROPHIC(c=0.2, n=100) == pytest.approx(20.0, rel=1e-12)
    assert overfitting.CATASTROPHIC(c=2.0, n=100) == pytest.approx(200.0 * 1.00204, rel=1e-5)


@pytest.mark.parametrize("sums", ["TEMPERED_SUM", "CATASTROPHIC_SUM", "SPHERE_SUM", "BORDERLINE_SUM"])
def test_sums_know_their_error(sums: str) -> None:
    at = {
        "TEMPERED_SUM": {"alpha": 1.7, "n": 300},
        "CATASTROPHIC_SUM": {"c": 0.5, "n": 60},
        "SPHERE_SUM": {"d": 3, "n": 10**4},
        "BORDERLINE_SUM": {"b": 1.5, "log_n": 50.0},
    }[sums]
    value, error = getattr(overfitting, sums).evaluate(**at)
    assert 0.0 < error < 1e-6 * value


SIMULATIONS = {
    "kernel": (sims.kernel_ridge, {**AT, "n": 12}),
    "kernel without a ridge": (sims.kernel_ridge, {**AT, "n": 12, "h": 0.0}),
    "cross-validation": (sims.cross_validation, {**AT, "n": 12}),
    "mean predictor": (sims.mean_predictor, {k: v for k, v in {**AT, "n": 12}.items() if k != "s"}),
    "pure noise": (sims.pure_noise, {"alpha": 1.5, "n": 12, "ratio": 5.0}),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name: str) -> None:
    demand_twins(*SIMULATIONS[name])


@pytest.mark.parametrize("name", SIMULATIONS)
def test_array_standard(name: str) -> None:
    demand_array_standard(*SIMULATIONS[name])


def drawn_labels(x: np.ndarray, values: np.ndarray, v: np.ndarray, delta: float, noise: np.ndarray):
    """Test error without label noise, and training error, of a fit to drawn labels, by definition."""
    labels = x @ v + noise
    kernel = (x * values) @ x.T
    dual = np.linalg.solve(kernel + delta * np.eye(len(x)), labels)
    return np.sum((values * (x.T @ dual) - v) ** 2), np.mean((labels - kernel @ dual) ** 2)


def test_means_given_the_data_are_those_of_drawn_labels() -> None:
    """All signs of three coefficients, and noise by its second moments: exact sums, no sampling."""
    x = Stream.from_seed(5).normal(1, 4, 9)[0]
    values, weights = np.arange(1.0, 10.0) ** -1.5, np.zeros(9)
    weights[[0, 2, 6]] = [1.0, 0.5, 0.2]
    signs = [np.array([a, 0, b, 0, 0, 0, c, 0, 0]) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    test = train = 0.0
    for sign in signs:
        for j in range(4):
            for side in (-1.0, 1.0):
                # Noise of covariance identity: twice the axes' ends, with equal weights.
                noise = side * 2.0 * np.eye(4)[j] * math.sqrt(0.3)
                a, b = drawn_labels(x, values, np.sqrt(weights) * sign, 0.05, noise)
                test, train = test + a / 64.0, train + b / 64.0
    fit = sims.fit_kernel(x[None], values, 0.05)
    found = sims.errors(fit, 4, weights, 0.3)
    assert found["test"][0] == pytest.approx(test + 0.3, rel=1e-12)
    assert found["train"][0] == pytest.approx(train, rel=1e-12)


def test_learnability_is_conserved_for_every_data_set() -> None:
    found = sims.kernel_ridge(20, Stream.from_seed(2), **{**AT, "h": 0.0})
    np.testing.assert_allclose(found["total"], AT["n"], rtol=1e-10)
    np.testing.assert_allclose(found["train"], 0.0)


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (theory.TEST, {**AT, "n": 0}, "number of samples"),
        (theory.TEST, {**AT, "h": -1.0}, "ridge"),
        (theory.TEST, {**AT, "ratio": 1.0, "h": 0.0}, "interpolation threshold"),
        (theory.TRACE, {**SHAPE, "ratio": 0.5, "h": 0.0}, "take h > 0"),
        (theory.LEARNED, {**SHAPE, "ratio": 2.0}, "modes from n/4 to 4n"),
        (theory.ISOTROPIC, {"gamma": 1.0, "lam": 0.0}, "interpolation threshold gamma = 1"),
        (overfitting.TEMPERED, {"alpha": 1.0, "n": 10}, "take alpha > 1"),
        (overfitting.CATASTROPHIC, {"c": 4.0, "n": 10}, "rate of the spectrum"),
        (overfitting.SPHERE, {"d": 2}, "dimension of the space"),
        (overfitting.BORDERLINE, {"b": 1.001, "log_n": 6.0}, "so few samples"),
    ],
)
def test_bad_input_is_named(prediction, at, message) -> None:
    with pytest.raises(DomainError, match=message):
        prediction(**at)


def test_a_spectrum_with_nan_is_named() -> None:
    with pytest.raises(DomainError, match="must be finite: number 2 is nan"):
        solve_krr([1.0, 0.5, math.nan], 2, 0.1)
