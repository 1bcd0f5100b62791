"""Intervals for means: formulas against other derivations, against SciPy and against direct simulation.

Statistical tests use fixed seeds; each states its chance of a false alarm at a fresh seed.
"""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from theorylab.inference import means
from theorylab.inference.means import Estimate, Moments, Proportion, hall_inverse

SKEW = st.floats(-3.0, 3.0)


def hall(t, a):
    """Hall's transformation, as the sum of its terms."""
    return t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6


def with_moments(variance, third, n, mean=0.0, fourth=None):
    """Moments given directly."""
    fourth = 3 * variance**2 if fourth is None else fourth
    return Moments(n, *(np.asarray(float(m)) for m in (mean, variance, third, fourth)))


@given(x=st.floats(-10.0, 10.0), a=SKEW)
def test_inverse_of_the_cubic(x, a):
    assert float(hall(hall_inverse(x, a), a)) == pytest.approx(x, abs=1e-6)


@given(x=st.floats(-10.0, 10.0), a=SKEW.filter(lambda a: abs(a) > 1e-7))
def test_inverse_to_30_digits(x, a):
    with mpmath.workdps(30):
        inner = 1 + mpmath.mpf(a) * (mpmath.mpf(x) - mpmath.mpf(a) / 6)
        exact = 3 / mpmath.mpf(a) * (mpmath.sign(inner) * abs(inner) ** (mpmath.mpf(1) / 3) - 1)
    assert abs(float(hall_inverse(x, a)) - float(exact)) < 1e-14 * (1 + abs(x)) / abs(a) + 1e-9


@given(a=SKEW, x=st.lists(st.floats(-10, 10), min_size=2, max_size=20, unique=True))
def test_inverse_is_monotone_and_odd(a, x):
    x = np.sort(np.array(x))
    forward = hall_inverse(x, a)
    assert np.all(np.diff(forward) >= 0)
    np.testing.assert_allclose(hall_inverse(-x, -a), -forward, atol=1e-12)


@given(x=st.floats(-10.0, 10.0))
def test_no_skewness_no_transformation(x):
    assert float(hall_inverse(x, 0.0)) == x
    assert float(hall_inverse(x, 1e-7)) == pytest.approx(x, abs=1e-5)


def test_transformation_takes_mean_and_third_cumulant_off(rng):
    """To first order t has mean -a/2, variance 1 and third cumulant -2a (Johnson 1978): of g(t) both vanish.

    E g = -a/2 + a/3 (1 + a^2/4) + a/6 + O(a^2); the third cumulant gains 6 a/3.
    """
    a = mpmath.mpf("1e-6")
    assert abs(-a / 2 + a / 3 + a / 6) < a * a
    assert abs(-2 * a + 6 * a / 3) < a * a
    # And by simulation: exponential means at n = 30. False alarm below 1e-9: the standard error is 0.01.
    x = rng.exponential(size=(30, 200_000)) - 1.0
    t = np.sqrt(30) * x.mean(axis=0) / x.std(axis=0, ddof=1)
    assert stats.skew(t) < -0.7
    assert abs(stats.skew(hall(t, 2.0 / np.sqrt(30)))) < 0.3


@pytest.mark.parametrize("shape", [(5,), (64,), (100, 3), (50, 2, 4)])
def test_moments_of_a_sample(shape, rng):
    x = rng.gamma(2.0, size=shape)
    m = Moments.of(x)
    np.testing.assert_allclose(m.mean, x.mean(axis=0))
    np.testing.assert_allclose(m.variance, x.var(axis=0, ddof=1))
    np.testing.assert_allclose(m.third, stats.moment(x, 3, axis=0), rtol=1e-9)
    np.testing.assert_allclose(m.fourth, stats.moment(x, 4, axis=0), rtol=1e-9)
    assert m.n == shape[0]


def test_welch_by_scipy(rng):
    """A difference of two means without skewness: SciPy's Welch interval at the level left by the allowance."""
    half = rng.normal(size=(40, 1)), 3.0 * rng.normal(size=(15, 1))
    x, y = (np.concatenate([h, -h]) + shift for h, shift in zip(half, (1.0, 0.2)))
    estimate = means.combination([1.0, -1.0], [Moments.of(x), Moments.of(y)])
    result = stats.ttest_ind(x, y, equal_var=False)
    assert estimate.df == pytest.approx(result.df)
    assert estimate.value / estimate.error == pytest.approx(result.statistic)
    level = 1e-3
    own = level * np.exp(-means.ALLOWANCE[0] / 30 * stats.norm.isf(level / 2) ** 4)
    expected = result.confidence_interval(1 - own)
    low, high = estimate.interval(level)
    assert low == pytest.approx(expected.low, rel=1e-6)
    assert high == pytest.approx(expected.high, rel=1e-6)


def test_combination_by_direct_simulation(rng):
    """Standard error and skewness of 2 X - 0.5 Y + Z, three gamma means: against 400 000 draws of the estimator.

    False alarm below 1e-6: bounds are 6 standard errors wide.
    """
    weights, shapes, sizes = (2.0, -0.5, 1.0), (0.5, 1.0, 3.0), (20, 50, 10)
    draws = 400_000
    # The mean of n gamma(k) variables is gamma(nk)/n.
    estimator = sum(w * rng.gamma(n * k, size=draws) / n for w, k, n in zip(weights, shapes, sizes))
    moments = [with_moments(k, 2 * k, n, mean=k) for k, n in zip(shapes, sizes)]
    estimate = means.combination(list(weights), moments)
    assert float(estimate.value) == pytest.approx(estimator.mean(), abs=6 * estimator.std() / np.sqrt(draws))
    assert float(estimate.error) == pytest.approx(estimator.std(), rel=6 / np.sqrt(draws))
    assert float(estimate.skewness) == pytest.approx(stats.skew(estimator), abs=6 * np.sqrt(10 / draws))


def test_combination_is_that_of_a_pooled_sample(rng):
    """Sum of means over halves with weights 1/2 each is the mean of the whole, and so is its standard error."""
    x = rng.exponential(size=2000)
    whole, halves = Moments.of(x), [Moments.of(h) for h in np.split(x, 2)]
    both = means.combination([0.5, 0.5], halves)
    one = means.combination([1.0], [whole])
    assert float(both.value) == pytest.approx(float(one.value))
    assert float(both.error) == pytest.approx(float(one.error), rel=1e-3)
    assert float(both.skewness) == pytest.approx(float(one.skewness), rel=1e-2)


def test_interval_widens_as_the_level_falls_and_narrows_with_trials(rng):
    estimate = means.mean(rng.gamma(2.0, size=500))
    widths = [float(np.subtract(*estimate.interval(a)[::-1])) for a in (0.05, 1e-3, 1e-6, 1e-9)]
    assert widths == sorted(widths)
    more = estimate.with_trials(4.0)
    assert float(more.error) == pytest.approx(float(estimate.error) / 2)
    assert np.subtract(*more.interval(1e-6)[::-1]) < widths[2] / 2
    # What is projected is what twice the sample would give, if it had the same moments.
    x = rng.gamma(2.0, size=500)
    twice, projected = means.mean(np.tile(x, 2)), means.mean(x).with_trials(2.0)
    for a, b in zip(twice.interval(1e-6), projected.interval(1e-6)):
        assert float(a) == pytest.approx(float(b), rel=2e-3)


def test_skewed_sample_has_its_longer_arm_upwards(rng):
    """A right-skewed sample may be missing large values: the truth may be further above the mean than below it."""
    estimate = means.mean(rng.exponential(size=200))
    low, high = estimate.interval(1e-6)
    assert high - estimate.value > 1.5 * (estimate.value - low)


@pytest.mark.parametrize("n", [64, 1000])
def test_allowance(n, rng):
    """A normal-looking sample: the t quantile at level * exp(-0.7 z^4/n)."""
    half = rng.normal(size=n // 2)
    x = np.concatenate([half, -half])
    level = 1e-7
    z = stats.norm.isf(level / 2)
    quantile = stats.t.isf(level * np.exp(-0.7 * z**4 / n) / 2, n - 1)
    low, high = means.mean(x).interval(level)
    assert float(high) == pytest.approx(quantile * x.std(ddof=1) / np.sqrt(n), rel=1e-6)
    assert float(low) == pytest.approx(-float(high), rel=1e-6)


def test_allowance_of_a_combination_is_that_of_its_worst_part():
    tame, wild = with_moments(1.0, 0.0, 1000), with_moments(1.0, 3.0, 50)
    both = means.combination([1.0, 0.1], [tame, wild])
    assert float(both.unseen) == float(wild.unseen) == pytest.approx((0.7 + 0.5 * 9.0) / 50)


def test_level_without_quantiles_is_capped(rng):
    """A handful of trials at 1e-9: a finite, very wide interval, not an infinite one."""
    low, high = means.mean(rng.exponential(size=8)).interval(1e-9)
    assert np.isfinite([low, high]).all()


def test_constant_sample_has_no_width():
    estimate = means.mean(np.full((10, 2), 3.0))
    low, high = estimate.interval(1e-6)
    np.testing.assert_array_equal(low, high)
    np.testing.assert_array_equal(low, 3.0)


def test_logarithm_of_a_mean_to_second_order(rng):
    """g(t) of the logarithm, with the skewness of the pseudo-moments, is centred and unskewed to order 1/sqrt(n).

    Exponential with mean 1: rho = 1, third moment 2, so that the pseudo-moments have skewness 1/2. False alarm below
    1e-9: the standard errors (times sqrt n) are 0.02 for the mean and 0.05 for the skewness.
    """
    n, draws = 100, 200_000
    logs = np.concatenate([log_statistics(n, draws // 10, rng) for _ in range(10)], axis=1)
    shifted, plain = (hall(t, a / np.sqrt(n)) for t, a in zip(logs, (0.5, 2.0)))
    assert abs(shifted.mean()) * np.sqrt(n) < 0.15
    assert abs(stats.skew(shifted)) * np.sqrt(n) < 0.4
    # The delta method to first order leaves half a standard error over sqrt(n), and a skewness of three.
    assert abs(plain.mean()) * np.sqrt(n) > 0.4
    assert abs(stats.skew(plain)) * np.sqrt(n) > 2.5


def log_statistics(n, draws, rng):
    """t statistics of log means of exponentials: with the shift of the pseudo-moments, and without."""
    m = Moments.of(rng.exponential(size=(n, draws)))
    logs = m.log()
    error = np.sqrt(logs.variance / n)
    return np.stack([logs.mean / error, np.log(m.mean) / error])


def test_log_moments_of_a_nearly_constant_sample(rng):
    """Where the spread is small, the logarithm is linear."""
    x = 5.0 + 1e-4 * rng.exponential(size=1000)
    m, logs = Moments.of(x), Moments.of(x).log()
    assert float(logs.mean) == pytest.approx(np.log(x.mean()), abs=1e-12)
    assert float(logs.variance) == pytest.approx(float(m.variance) / 25, rel=1e-3)
    assert float(logs.third) == pytest.approx(float(m.third) / 125, rel=1e-2)


@pytest.mark.parametrize(("k", "n"), [(0, 64), (1, 10), (37, 64), (64, 64)])
@pytest.mark.parametrize("level", [0.05, 1e-6])
def test_proportion_by_scipy(k, n, level):
    sample = np.repeat([1.0, 0.0], [k, n - k])
    estimate = Proportion.of(sample, np.asarray(0.25))
    low, high = estimate.interval(level)
    expected = stats.binomtest(k, n).proportion_ci(1 - level, method="exact")
    assert float(estimate.value) == pytest.approx(k / n - 0.25)
    assert float(low) + 0.25 == pytest.approx(expected.low, abs=1e-9)
    assert float(high) + 0.25 == pytest.approx(expected.high, abs=1e-9)
    low, high = estimate.with_trials(2.0).interval(level)
    expected = stats.binomtest(2 * k, 2 * n).proportion_ci(1 - level, method="exact")
    assert (float(low) + 0.25, float(high) + 0.25) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_proportions_component_by_component(rng):
    sample = (rng.random((40, 3)) < [0.0, 0.5, 1.0]).astype(float)
    low, high = Proportion.of(sample, np.zeros(3)).interval(1e-3)
    for i in range(3):
        expected = stats.binomtest(int(sample[:, i].sum()), 40).proportion_ci(0.999, method="exact")
        assert (low[i], high[i]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_estimates_are_per_component(rng):
    x = rng.gamma(1.5, size=(80, 4, 2))
    whole = means.mean(x)
    for i, j in itertools.product(range(4), range(2)):
        part = means.mean(x[:, i, j])
        for a, b in zip(whole.interval(1e-4), part.interval(1e-4)):
            assert a[i, j] == pytest.approx(float(b))
    assert isinstance(whole, Estimate)
