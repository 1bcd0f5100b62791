"""The Huber fit: optimum against SciPy, twins, limits, 50 digits, replays; deterministic, with fixed streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from theorylab.derivations.scaling_laws import scaling_law_inference as d
from theorylab.errors import DomainError
from theorylab.kernels.log_sum_fit import fit_arrays, fit_numba
from theorylab.kernels.random import Stream
from theorylab.prediction import Prediction
from theorylab.sims.scaling_laws import loss_fits

LAW = {p.name: float(p.default) for p in d.LAW}
TRUTH = np.array([np.log(LAW["A"]), np.log(LAW["B"]), np.log(LAW["E"]), LAW["a"], LAW["b"]])
PREDICTIONS = {name: value for name, value in vars(d).items() if isinstance(value, Prediction) and value.derivation}


def runs(sets=6, copies=3, noise=0.005):
    """Data sets of 30 * copies runs: x, y, target."""
    x, y = (np.tile(v, (sets, copies)) for v in loss_fits.grid())
    return x, y, loss_fits.log_loss(x, y, TRUTH) + noise * Stream.from_seed(3).normal(sets, x.shape[1])


def objective(theta, x, y, target, delta):
    """Huber's loss and its gradient, written out."""
    terms = np.exp(np.stack([theta[0] - theta[3] * x, theta[1] - theta[4] * y, theta[2] + 0 * x]))
    r = np.log(terms.sum(axis=0)) - target
    psi = np.clip(r, -delta, delta) * terms / terms.sum(axis=0)
    gradient = np.array([*psi.sum(axis=1), -(psi[0] @ x), -(psi[1] @ y)])
    return np.where(np.abs(r) < delta, r**2 / 2, delta * (np.abs(r) - delta / 2)).sum(), gradient


@pytest.mark.parametrize("fit", [fit_numba, fit_arrays])
@pytest.mark.parametrize("delta", [1e-4, 1e-3, 1.0])
def test_minima_are_those_of_bfgs(fit, delta):
    """The gradient vanishes, and SciPy's minimiser from the same start gets no lower."""
    x, y, target = runs(3)
    found = fit(x, y, target, np.arange(3), np.tile(TRUTH + np.array([0.5, -0.5, 0.1, 0.01, -0.02]), (3, 1)), delta)
    assert np.all(found.converged)
    scale, factor = np.array([1, 1, 0.1, 0.1, 0.1]), 1e4
    for i in range(3):
        value, gradient = objective(found.parameters[i], x[i], y[i], target[i], delta)
        assert value == pytest.approx(found.objective[i], rel=1e-9)
        assert np.max(np.abs(gradient)) < 1e-6 * delta * x.shape[1] + 1e-9

        def scaled(q, i=i):
            f, g = objective(q * scale, x[i], y[i], target[i], delta)
            return factor * f, factor * g * scale

        best = minimize(scaled, TRUTH / scale, jac=True, method="BFGS", options={"gtol": 1e-8})
        assert found.objective[i] <= best.fun / factor * (1 + 1e-9)


def test_twins_agree_fit_by_fit():
    x, y, target = runs()
    start = np.tile(TRUTH, (6, 1)) + 0.3 * Stream.from_seed(4).normal(6, 5) * [1, 1, 0.1, 0.1, 0.1]
    ours, reference = (f(x, y, target, np.arange(6), start, 1e-3) for f in (fit_numba, fit_arrays))
    np.testing.assert_allclose(ours.parameters, reference.parameters, rtol=1e-9)
    np.testing.assert_allclose(ours.objective, reference.objective, rtol=1e-12)
    assert np.array_equal(ours.converged, reference.converged)


def test_standard_arrays():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    x, y, target = runs(2, 1)
    start = np.tile(TRUTH, (2, 1))
    ours = fit_arrays(*(strict.asarray(v) for v in (x, y, target, np.arange(2), start)), 1e-3)
    expected = fit_arrays(x, y, target, np.arange(2), start, 1e-3)
    np.testing.assert_allclose(np.asarray(ours.parameters), expected.parameters, rtol=1e-10)
    pick = Stream.from_seed(2).uniform(2, 3, x.shape[1])
    drawn = [
        np.asarray(loss_fits.bootstrap(*(kind(v) for v in (x, y, target, start, pick)), 1e-3, "numpy"))
        for kind in (strict.asarray, np.asarray)
    ]
    np.testing.assert_allclose(*drawn, rtol=1e-9)
    np.testing.assert_allclose(
        np.asarray(loss_fits.log_loss(*(strict.asarray(v) for v in (x, y, start)))), loss_fits.log_loss(x, y, start)
    )
    values = Stream.from_seed(1).normal(2, 19, 6)
    low, high = loss_fits.symmetric(strict.asarray(values), strict.asarray(values[:, 0]), 0.9)
    assert np.all(np.asarray(high) > np.asarray(low))


def test_starts_far_away():
    """Some of the published grid of starts find the least minimum; none finds a lower one than a start at the truth."""
    x, y, target = runs(1, 8)
    start = loss_fits.starts()[::7]
    found = fit_numba(x, y, target, np.zeros(len(start), dtype=int), start, 1e-3)
    near = fit_numba(x, y, target, np.zeros(1, dtype=int), TRUTH[None], 1e-3)
    reached = found.objective < near.objective[0] * (1 + 1e-9)
    assert reached.mean() > 0.01
    assert found.objective.min() > near.objective[0] * (1 - 1e-9)


def test_points_in_any_order_and_losses_in_any_unit():
    """Symmetries: permuted runs give the same law; losses times 2 give A, B and E times 2."""
    x, y, target = runs(1)
    fits = [
        fit_numba(x[:, order], y[:, order], target[:, order] + shift, np.zeros(1, dtype=int), TRUTH[None] + move, 1e-3)
        for order, shift, move in (
            (slice(None), 0.0, 0.0),
            (slice(None, None, -1), 0.0, 0.0),
            (slice(None), np.log(2.0), np.log(2.0) * np.array([1, 1, 1, 0, 0])),
        )
    ]
    np.testing.assert_allclose(fits[1].parameters, fits[0].parameters, rtol=1e-7)
    shift = np.log(2.0) * np.array([1, 1, 1, 0, 0])
    np.testing.assert_allclose(fits[2].parameters - shift, fits[0].parameters, rtol=1e-7)


def test_percentiles_are_those_of_the_next_value():
    values = np.arange(1.0, 100.0)[None, :, None]
    low, high = loss_fits.percentiles(values[:, ::-1], 0.9)
    assert (low[0, 0], high[0, 0]) == pytest.approx((5.0, 95.0))
    low, high = loss_fits.symmetric(values, np.array([[7.0]]), 0.9)
    assert high[0, 0] - 7.0 == pytest.approx(7.0 - low[0, 0])


@given(c=st.floats(1e-6, 40.0))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_variance_factor_falls_from_the_median_to_the_mean(c):
    value = float(d.variance_factor(s=1.0, delta=c))
    assert 1 - 1e-12 <= value <= np.pi / 2 + 1e-12
    assert float(d.variance_factor(s=1.0, delta=1.01 * c)) <= value * (1 + 1e-14)
    assert float(d.variance_factor(s=3.0, delta=3 * c)) == pytest.approx(value, rel=1e-13)
    assert value == pytest.approx(float(d.variance_factor.mp(s=1.0, delta=c)), rel=1e-12)


@pytest.mark.parametrize("corner", d.variance_factor.corners, ids=str)
def test_corners_agree_with_fifty_digits(corner):
    assert abs(float(d.variance_factor(**corner)) / float(d.variance_factor.mp(**corner)) - 1) < 1e-12


def test_the_catalogued_example():
    """The refitted law on a full grid of 15 x 16 runs: standard deviations from an independent computation."""
    x, y = (v.ravel() for v in np.meshgrid(np.log(np.geomspace(5e7, 1e10, 15)), np.log(np.geomspace(5e8, 2e11, 16))))
    step = 1e-6
    jacobian = np.stack(
        [
            (loss_fits.log_loss(x, y, TRUTH + step * e) - loss_fits.log_loss(x, y, TRUTH - step * e)) / (2 * step)
            for e in np.eye(5)
        ]
    )
    sd = np.sqrt(float(d.variance_factor()) * 0.005**2 * np.diag(np.linalg.inv(jacobian @ jacobian.T)))
    np.testing.assert_allclose(sd, [0.1075, 0.0822, 0.00548, 0.006352, 0.004202], rtol=2e-3)


def test_gram_matrix_is_that_of_the_simulated_design():
    x, y = loss_fits.grid()
    step = 1e-6
    jacobian = np.stack(
        [(loss_fits.log_loss(x, y, TRUTH + step * e) - loss_fits.log_loss(x, y, TRUTH - step * e)) for e in np.eye(5)]
    ) / (2 * step)
    np.testing.assert_allclose(d.gram(**LAW), jacobian @ jacobian.T, rtol=1e-6, atol=1e-6)
    value, error = d.covariance(0.005, 1e-3, **LAW)
    assert np.all(np.diag(error) < 1e-8 * np.diag(value))


def test_width_follows_from_the_variance():
    width = d.interval_width(copies=np.array([1, 4]), level=0.9)
    assert width[0] == pytest.approx(2 * width[1], rel=1e-12)
    sd = np.sqrt(float(d.run_variance(k=5)) / 30)
    assert width[0] == pytest.approx(2 * 1.6448536 * sd, rel=1e-7)
    assert float(d.interval_width(copies=1, level=0.99)) > width[0]


def test_exponent_error_is_evaluated_trial_by_trial():
    aa, bb, ab = np.array([1.0, 2.0]), np.array([2.0, 1.0]), np.array([0.5, -0.5])
    together = d.exponent_error(aa=aa, bb=bb, ab=ab, a=0.3, b=0.4)
    alone = [float(d.exponent_variance(aa=x, bb=y, ab=z, a=0.3, b=0.4)) for x, y, z in zip(aa, bb, ab)]
    np.testing.assert_allclose(together, alone, rtol=1e-14)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_derivations_replay(name):
    PREDICTIONS[name].derivation.replay()


@pytest.mark.parametrize("bad", [{"s": 0.0}, {"s": -1.0}, {"delta": 0.0}])
def test_bad_input(bad):
    with pytest.raises(DomainError, match=next(iter(bad))):
        d.variance_factor(**bad)
