"""A linear student along training: limits, monotonicity, other routes to the same numbers, and bad input.

Random inputs are drawn by hypothesis with a fixed seed and every assertion is deterministic: no false alarms.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_twins

from theorylab.derivations.learning_dynamics import advani_saxe_grokking as grokking
from theorylab.derivations.learning_dynamics import advani_saxe_limits as limits
from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as model
from theorylab.derivations.learning_dynamics import advani_saxe_square as square
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.learning_dynamics import linear_descent, linear_spectra, linear_student

fixed = settings(derandomize=True, deadline=None, max_examples=30)
alphas, ratios, times = st.floats(0.1, 5.0), st.floats(0.05, 50.0), st.floats(0.0, 50.0)


@fixed
@given(alphas, ratios, st.floats(0.0, 3.0))
def test_start_of_training(alpha, snr, inr):
    assert model.TEST(alpha=alpha, snr=snr, inr=inr, t=0.0) == pytest.approx(1 + inr + 1 / snr, rel=1e-12)
    assert model.TRAIN(alpha=alpha, snr=snr, inr=inr, t=0.0) == pytest.approx(1 + inr + 1 / snr, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.3, 0.7, 1.5, 4.0])
def test_end_of_training_is_the_limit_of_the_exact_one(alpha):
    late = float(model.TEST(alpha=alpha, snr=3.0, inr=0.5, t=1e6))
    sized = float(limits.FINAL(N=10**7, P=round(alpha * 10**7), snr=3.0, inr=0.5))
    assert late == pytest.approx(sized, rel=1e-5)
    left = max(0.0, 1 - 1 / alpha) / 3.0
    assert model.TRAIN(alpha=alpha, snr=3.0, inr=0.5, t=1e6) == pytest.approx(left, abs=1e-12)


@fixed
@given(alphas, ratios, st.floats(0.0, 3.0), times, st.floats(0.01, 10.0))
def test_train_error_falls_and_ridge_bounds_the_test_error(alpha, snr, inr, t, more):
    first, later = model.TRAIN(alpha=alpha, snr=snr, inr=inr, t=np.array([t, t + more]))
    assert later <= first * (1 + 1e-12)
    best = float(limits.BEST_RIDGE_TEST(alpha=alpha, snr=snr))
    assert float(model.TEST(alpha=alpha, snr=snr, inr=inr, t=t)) >= best * (1 - 1e-12)


@fixed
@given(alphas, ratios, st.floats(0.0, 3.0))
def test_the_best_time_is_a_minimum(alpha, snr, inr):
    stop, error = limits.STOP.evaluate(alpha=alpha, snr=snr, inr=inr)
    assert error <= 1e-8 * stop
    around = model.TEST(alpha=alpha, snr=snr, inr=inr, t=stop * np.array([0.9, 1.0, 1.1]))
    assert around[1] < min(around[0], around[2])


@pytest.mark.parametrize("lam", [0.01, 1.0, 9.0])
def test_many_examples_are_one_mode(lam):
    """For alpha >> 1 all eigenvalues are alpha: the best time is that of a mode."""
    assert limits.STOP(alpha=1e6, snr=lam, inr=0.5) == pytest.approx(
        float(limits.MODE_STOP(lam=1e6, snr=lam, inr=0.5)), rel=1e-3
    )


@fixed
@given(alphas, ratios, st.floats(1e-3, 1e3))
def test_ridge_against_quadrature_and_its_minimum(alpha, snr, g):
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_averages as averages

    value, _ = averages.average(lambda x: (g**2 + x / snr) / (x + g) ** 2, 1 / alpha, np.sqrt(alpha))
    assert limits.RIDGE_TEST(alpha=alpha, snr=snr, g=g) == pytest.approx(float(value) + 1 / snr, rel=1e-12)
    best = float(limits.RIDGE_TEST(alpha=alpha, snr=snr, g=1 / snr))
    assert best == pytest.approx(float(limits.BEST_RIDGE_TEST(alpha=alpha, snr=snr)), rel=1e-12)
    assert limits.RIDGE_TEST(alpha=alpha, snr=snr, g=g) >= best * (1 - 1e-14)


def test_small_steps_of_descent_are_the_flow():
    """The difference is of first order in the learning rate."""
    at = {"alpha": np.array([0.5, 1.0, 2.0]), "snr": 4.0, "inr": 0.25}
    flow = model.TEST(t=1.0, **at)
    gaps = [np.abs(model.DESCENT(eta=eta, k=round(1 / eta), **at) - flow) for eta in (1e-3, 5e-4)]
    np.testing.assert_allclose(gaps[0] / gaps[1], 2.0, rtol=0.01)


def test_as_many_examples_as_inputs():
    t = np.array([1e-6, 1e-2, 1.0, 30.0, 1e4, 1e8])
    np.testing.assert_allclose(
        square.SQUARE_TEST(snr=4.0, inr=0.25, t=t), model.TEST(alpha=1.0, snr=4.0, inr=0.25, t=t), rtol=1e-13
    )
    late = square.SQUARE_LAW(snr=4.0, inr=0.25, t=1e6)
    assert late == pytest.approx(float(square.SQUARE_TEST(snr=4.0, inr=0.25, t=1e6)), rel=1e-6)


def test_the_largest_excess():
    value, error, alpha, snr = limits.largest_excess()
    assert (round(value, 5), round(alpha, 2), round(snr, 1)) == (0.04014, 1.5, 9.5)
    assert error < 1e-6
    around = limits.EXCESS(alpha=alpha * np.array([0.9, 1.1, 1, 1]), snr=snr * np.array([1, 1, 0.8, 1.2]))
    assert np.all(around < value)


def test_delays_shrink_with_examples_and_with_the_level():
    delays = grokking.DELAY(alpha=np.array([1.2, 1.5, 2.0, 4.0]), e0=0.05)
    assert np.all(np.diff(delays) < 0)
    assert grokking.DELAY(alpha=1.5, e0=0.1) < grokking.DELAY(alpha=1.5, e0=0.05)
    late = grokking.TEST_ACCURACY(alpha=0.5, e0=0.5, t=1e6)
    assert late == pytest.approx(grokking.accuracy(0.5, 0.5), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: model.DESCENT(alpha=1.0, snr=1.0, eta=0.6, k=3), r"diverges from 0.5 on .* take a smaller one"),
        (
            lambda: model.DESCENT_GIVEN(snr=1.0, inr=0.0, eta=0.6, k=[3], spectrum=np.array([[1.0, 4.0]])),
            "diverges from 0.5 on",
        ),
        (
            lambda: linear_descent.descent(
                4, Stream.from_seed(1), N=6, P=12, snr=1.0, inr=0.0, eta=1.5, k=np.array([1]), draws=2
            ),
            "with these inputs gradient descent diverges from 0",
        ),
        (lambda: limits.FINAL(N=20, P=19, snr=1.0), "the mean is infinite"),
        (lambda: limits.FROZEN(N=10, P=12, inr=1.0), "leave no direction out"),
        (lambda: limits.PEAK(snr=100.0, t=0.1), "no peak"),
        (lambda: grokking.DELAY(alpha=0.5, e0=0.01), "never falls below 0.5"),
        (lambda: model.TEST(alpha=1.0, snr=-1.0, t=1.0), "signal to noise"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(DomainError, match=message):
        call()


def test_the_frozen_part_never_moves():
    out = linear_descent.descent(
        5, Stream.from_seed(3), N=9, P=4, snr=0.5, inr=1.0, eta=0.2, k=np.array([0, 7, 40]), draws=3
    )
    np.testing.assert_allclose(out["frozen"], out["frozen"][:, :1] * np.ones(3), rtol=1e-12)


def test_the_flow_is_the_limit_of_small_steps():
    """Same draws: X, teacher, start and noise come in the same order."""
    at = {"N": 8, "snr": 2.0, "inr": 0.5, "draws": 2}
    flow = linear_student.flow(3, Stream.from_seed(5), alpha=1.5, t=np.array([0.8]), **at)["test"]
    steps = [
        linear_descent.descent(3, Stream.from_seed(5), P=12, eta=0.8 / k, k=np.array([k]), **at)["test"]
        for k in (4000, 8000)
    ]
    np.testing.assert_allclose(2 * steps[1] - steps[0], flow, rtol=1e-7)
    np.testing.assert_allclose((steps[0] - flow) / (steps[1] - flow), 2.0, rtol=1e-2)


SIMULATIONS = {
    "flow": (linear_student.flow, {"alpha": 0.5, "snr": 2.0, "inr": 0.5, "t": np.array([0.1, 2.0]), "draws": 3}),
    "end": (linear_student.trained_to_the_end, {"P": 21, "snr": 2.0, "inr": 0.5, "draws": 3}),
    "ridge": (linear_student.ridge, {"alpha": 2.0, "snr": 2.0, "g": 0.3, "draws": 3}),
    "mode": (linear_student.mode_slope, {"lam": 2.0, "snr": 2.0, "inr": 0.5, "t": 0.4, "draws": 3}),
    "accuracies": (linear_student.accuracies, {"alpha": 1.5, "e0": 0.1, "t": np.array([0.5, 2.0]), "draws": 3}),
    "descent": (
        linear_descent.descent,
        {"P": 5, "snr": 2.0, "inr": 0.5, "eta": 0.2, "k": np.array([1, 5]), "draws": 3},
    ),
    "spectra": (linear_spectra.mean_errors, {"alpha": 0.5, "snr": 2.0, "inr": 0.5, "t": np.array([0.1, 2.0])}),
    "total": (linear_spectra.total_error, {"alpha": 2.0, "snr": 2.0, "inr": 0.5, "t": np.array([0.1, 0.5])}),
    "slope": (linear_spectra.mean_slope, {"alpha": 2.0, "snr": 2.0, "inr": 0.5, "t": 0.5}),
    "against ridge": (linear_spectra.stopping_against_ridge, {"alpha": 1.5, "snr": 10.0}),
    "change": (linear_spectra.change_with_examples, {"alpha": 1.0, "snr": 1.0, "inr": 0.0, "t": 5.0, "part": 0.25}),
    "delay": (linear_spectra.delay, {"alpha": 2.0, "e0": 0.1, "q": 0.9}),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name):
    simulation, at = SIMULATIONS[name]
    demand_twins(simulation, {"N": 12, **at}, rtol=1e-7, atol=1e-10)


def test_the_gauss_rule_of_the_limit_is_the_law():
    """Resolvent and second moment of the limiting spectrum, by another route than the quadrature's."""
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law

    alpha = np.array([0.4, 2.0, 4.0])
    values, weights = linear_spectra.jacobi(alpha, 80)
    zero = 1.0 - weights.sum(axis=1)
    np.testing.assert_allclose(zero, np.maximum(0.0, 1 - alpha), atol=1e-8)
    found = (weights / (values + 0.5)).sum(axis=1) + zero / 0.5
    np.testing.assert_allclose(found, law.RESOLVENT(c=1 / alpha, lam=0.5, sigma=np.sqrt(alpha)), rtol=1e-9)


def test_the_search_keeps_its_word():
    out = linear_spectra.limiting_ratios(24, Stream.from_seed(2))
    assert np.all(out["y"] - out["error"] >= 1.0 - 1e-9)
    assert out["y"].max() <= limits.LARGEST_RATIO(alpha=1.0)
