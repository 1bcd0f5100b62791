"""Exact dynamics of SGD on power-law random features: limits, special cases, twins, references, bad input."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.scaling_laws import plrf_volterra as v
from theorylab.errors import DomainError
from theorylab.kernels import second_moments
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws import power_law_features as sim

TIMES = np.array([0.0, 1.0, 5.0, 40.0])


def test_one_eigenvalue_by_hand() -> None:
    """d = 1: rho' = q rho + a (rho + F_0) is a scalar affine map."""
    gamma, batch, lam, rho, floor = 0.3, 4, 0.7, 2.0, 0.1
    x = gamma * lam
    factor = 1 - 2 * batch * x + batch * (batch + 1) * x**2 + batch * x**2
    fixed = batch * x**2 * floor / (1 - factor)
    expected = floor + fixed + factor**TIMES * (rho - fixed)
    found = v.volterra(gamma, batch, TIMES, *(np.array(a) for a in ([[lam]], [[rho]], [floor])))
    np.testing.assert_allclose(found[0], expected, rtol=1e-13)


def test_full_batch_is_gradient_descent() -> None:
    """Many samples at a learning rate over B: each mode decays like (1 - rate lambda)^(2 r), without noise."""
    lam, rho = np.array([[1.0, 0.3]]), np.array([[0.5, 0.2]])
    found = v.volterra(0.4 / 1e9, 1e9, TIMES, lam, rho, np.zeros(1))
    np.testing.assert_allclose(found[0], ((1 - 0.4 * lam) ** (2 * TIMES[:, None]) * rho).sum(axis=1), rtol=1e-7)


def test_volterra_is_the_recursion() -> None:
    """Two routes to the risk at the same features, of which the simulation takes the other."""
    rng = np.random.default_rng(0)
    lam, rho = rng.random((3, 7)), rng.random((3, 7))
    floor = rng.random(3)
    found = v.volterra(0.11, 3, TIMES, lam, rho, floor)
    for backend in ("numpy", "numba"):
        marched = second_moments.recursion(lam, rho, floor, np.full(3, 0.11), 3, TIMES, backend)
        np.testing.assert_allclose(found, marched, rtol=1e-12)


@pytest.mark.parametrize("d", [2, 3, 17, 60])
def test_spectral_measures_agree(d: int) -> None:
    """Tridiagonal form against eigenvectors: eigenvalues to rounding of the largest, weights in law and sum."""
    rng = np.random.default_rng(d)
    a = rng.normal(size=(3, 2 * d, d)) * (np.arange(2 * d) + 1.0)[:, None] ** -0.8
    matrix, vector = np.swapaxes(a, 1, 2) @ a, rng.normal(size=(3, d))
    (one, p), (two, w) = (second_moments.spectral_measure(matrix, vector, b) for b in ("numpy", "numba"))
    np.testing.assert_allclose(one, two, atol=1e-13 * one.max())
    np.testing.assert_allclose(p, w, atol=1e-10 * p.max())
    np.testing.assert_allclose(w.sum(axis=1), np.square(vector).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", ["expected", "stochastic", "settled", "growth"])
def test_backends_agree_trial_by_trial(name: str) -> None:
    at = {"alpha": 0.7, "beta": 0.6, "d": 9, "ratio": 2.0, "rate": 0.4, "B": 2}
    extra = {"expected": {"r": TIMES}, "stochastic": {"r": TIMES, "runs": 3}, "settled": {"steps": 50}, "growth": {}}
    if name == "growth":
        del at["beta"]
    function = getattr(sim, name)
    one, two = (function(4, Stream.from_seed(3, b), **at, **extra[name]) for b in ("numpy", "numba"))
    for key, value in one.items():
        np.testing.assert_allclose(value, two[key], rtol=1e-9, err_msg=key)


def test_array_code_follows_the_standard() -> None:
    """Eigenvectors and recursion on array-api-strict."""
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    rng = np.random.default_rng(1)
    a = rng.normal(size=(2, 6, 4))
    matrix, vector = np.swapaxes(a, 1, 2) @ a, rng.normal(size=(2, 4))
    values, weights = second_moments.spectral_measure(strict.asarray(matrix), strict.asarray(vector), "cupy")
    rates, floor = strict.asarray([0.01, 0.02]), strict.asarray([0.0, 1.0])
    risk = second_moments.recursion(values, weights, floor, rates, 2, TIMES, "cupy")
    other = second_moments.spectral_measure(matrix, vector, "numba")
    right = second_moments.recursion(*other, np.array([0.0, 1.0]), np.array([0.01, 0.02]), 2, TIMES, "numba")
    np.testing.assert_allclose(np.asarray(risk), right, rtol=1e-10)


def test_the_least_risk_is_that_of_least_squares() -> None:
    """Features of one trial, solved by least squares; risk and eigenvalues by their definitions."""
    alpha, beta, d, size = 0.8, 0.4, 5, 15
    a = sim._features(1, Stream.from_seed(5), alpha, d, size)[0]
    goal = np.arange(1.0, size + 1) ** -(alpha + beta)
    at = {"alpha": alpha, "beta": beta, "d": d, "ratio": 3.0, "rate": 0.2, "B": 1, "r": TIMES}
    found = sim.expected(1, Stream.from_seed(5), **at)
    weights = np.linalg.lstsq(a, goal, rcond=None)[0]
    assert found["least"][0] == pytest.approx(np.sum((a @ weights - goal) ** 2), rel=1e-11)
    assert found["smallest"][0] == pytest.approx(np.linalg.svd(a)[1][-1] ** 2, rel=1e-11)
    assert found["risk"][0, 0] == pytest.approx(goal @ goal, rel=1e-13)


@settings(max_examples=12, derandomize=True, deadline=None)
@given(alpha=st.floats(0.1, 1.5), beta=st.floats(0.5, 1.5), log_d=st.floats(3, 20), share=st.floats(0.05, 0.9))
def test_equivalent_risk_between_its_bounds(alpha: float, beta: float, log_d: float, share: float) -> None:
    """The risk starts at that of zero weights and is never below the least risk nor the forcing, which never rises."""
    d = round(2**log_d)
    at = {"alpha": alpha, "d": d, "ratio": 4.0, "B": 1}
    rate = share * float(v.CRITICAL_RATE(**at))
    r = np.concatenate([[0.0], np.geomspace(1, 1e12, 25)])
    value, error = v.RISK.evaluate(**at, beta=beta, rate=rate, r=r)
    assert value[0] == pytest.approx(v.spectrum(alpha, beta, d, 4.0)[0].initial, rel=1e-10)
    forcing = v.FORCING(**at, beta=beta, rate=rate, r=r)
    assert np.all(value >= forcing - error - 1e-12 * value[0])
    assert np.all(value >= v.LEAST_RISK(alpha=alpha, beta=beta, d=d, ratio=4.0) - error)
    assert np.all(np.diff(forcing) <= 1e-11 * forcing[0])


def test_vanishing_learning_rate_has_no_noise() -> None:
    """At rate -> 0 with r ~ 1/rate the risk is the forcing; the difference is of the order of the rate."""
    at = {"alpha": 0.9, "beta": 0.5, "d": 64, "ratio": 2.0, "B": 1}
    gaps = [
        float(v.RISK(**at, rate=rate, r=20 / rate) / v.FORCING(**at, rate=rate, r=20 / rate)) - 1
        for rate in (0.02, 0.01)
    ]
    assert 0 < gaps[0] < 0.02
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize(("alpha", "slack"), [(1.5, 2e-4), (0.8, 0.03)])
def test_laws_of_many_features(alpha: float, slack: float) -> None:
    """Closed forms for infinitely many inputs against the sums, whose inputs beyond v = 1e5 d they include."""
    d = 2**14
    least = v.LEAST_RISK(alpha=alpha, beta=1.2, d=d, ratio=1e5)
    assert v.LEAST_RISK_LAW(alpha=alpha, beta=1.2, d=d) == pytest.approx(least, rel=slack)
    assert v.SMALLEST_LAW(alpha=alpha, d=d) == pytest.approx(v.SMALLEST(alpha=alpha, d=d, ratio=1e5), rel=slack)


@pytest.mark.parametrize("prediction", [v.LEAST_RISK_LAW, v.SMALLEST_LAW])
def test_laws_to_fifty_digits(prediction: v.ClosedForm) -> None:
    points = [*prediction.corners, {"alpha": 0.73, "d": 1000}, {"alpha": 1.31, "d": 2}]
    for point in points:
        at = {k: x for k, x in {"beta": 0.9, **point}.items() if k in prediction.space}
        assert float(prediction(**at)) == pytest.approx(float(prediction.mp(**at)), rel=1e-12)


def test_kappa_to_fifty_digits() -> None:
    """The root of sum_j lambda_j/(lambda_j + kappa) = d among 60 inputs."""
    with mpmath.workdps(50):
        lam = [mpmath.mpf(j) ** -2 for j in range(1, 61)]
        kappa = mpmath.findroot(lambda k: sum(x / (x + k) for x in lam) - 20, (1e-4, 1e-1), solver="anderson")
        least = sum(x * mpmath.mpf(j) ** mpmath.mpf("-1") * kappa / (x + kappa) for j, x in enumerate(lam, 1))
    assert float(v.LEAST_RISK(alpha=1.0, beta=0.5, d=20, ratio=3.0)) == pytest.approx(float(least), rel=1e-12)


def test_predictions_broadcast() -> None:
    whole = v.RISK(alpha=np.array([[0.4], [1.0]]), rate=0.2, r=TIMES)
    assert whole.shape == (2, TIMES.size)
    np.testing.assert_allclose(whole[1], v.RISK(alpha=1.0, rate=0.2, r=TIMES))


def test_bad_input_is_named() -> None:
    with pytest.raises(DomainError, match=r"there is no power law: take 2 \(alpha \+ beta\) > 1"):
        v.RISK(alpha=0.2, beta=0.2)
    with pytest.raises(DomainError, match=r"rate = 1.5 is not stable .* take rate < 0\.99\d+, the critical value"):
        v.RISK(rate=1.5)
    with pytest.raises(DomainError, match="as many features as inputs"):
        v.RISK(d=10, ratio=1.05)
