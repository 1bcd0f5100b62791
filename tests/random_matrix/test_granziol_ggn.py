"""The batch curvature under Gauss-Newton noise: limits, symmetries, other routes to the same numbers.

Random inputs are drawn by hypothesis with a fixed seed and every assertion is deterministic: no false alarms.
"""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_twins

from theorylab.derivations.random_matrix import granziol_ggn as population
from theorylab.derivations.random_matrix import granziol_ggn_conditional as conditional
from theorylab.derivations.random_matrix import granziol_ggn_replacement as replacement
from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.prediction import ClosedForm, Implicit, Prediction
from theorylab.sims.random_matrix import bidiagonal, data_batches

MODULES = (population, conditional, replacement)
PREDICTIONS = {
    f"{module.__name__.rsplit('.', 1)[1]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Prediction)
}

fixed = settings(derandomize=True, deadline=None, max_examples=60)
ratios = st.floats(0.01, 50.0)
fractions = st.floats(0.02, 0.98)
deviations = st.floats(0.1, 10.0)
# Relative height of the spike above its threshold.
heights = st.floats(1e-3, 30.0)


def spike(r: float, sigma: float, height: float) -> float:
    return sigma**2 * (1.0 + np.sqrt(r)) * (1.0 + height)


@pytest.mark.parametrize("name", [n for n, p in PREDICTIONS.items() if isinstance(p, ClosedForm | Implicit)])
def test_corners_agree_with_fifty_digits(name):
    prediction = PREDICTIONS[name]
    for corner in prediction.corners:
        exact = prediction.mp(**corner)
        assert abs(mpmath.mpf(float(prediction(**corner))) - exact) <= 1e-10 * abs(exact), corner


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__.rsplit(".", 1)[1])
def test_derivations_replay(module):
    derivations = {id(p.derivation): p.derivation for p in vars(module).values() if isinstance(p, Prediction)}
    for derivation in derivations.values():
        derivation.replay()


@fixed
@given(ratios, fractions, deviations, heights, st.floats(0.1, 10.0))
def test_units(r, t, sigma, height, scale):
    """Scaling every sample scales curvatures by the square and leaves directions alone."""
    theta = spike(r, sigma, height)
    here, there = {"theta": theta, "sigma": sigma}, {"theta": scale**2 * theta, "sigma": scale * sigma}
    for prediction, power in ((population.SHIFT, 2), (population.TURNED, 0), (population.FIRST_ORDER_SHIFT, 2)):
        assert prediction(r=r, t=t, **there) == pytest.approx(scale**power * prediction(r=r, t=t, **here), rel=1e-9)
    assert population.OUTLIER_AT_RATIO(r=r, **there) == pytest.approx(
        scale**2 * population.OUTLIER_AT_RATIO(r=r, **here), rel=1e-12
    )


@fixed
@given(ratios, deviations, heights)
def test_the_outlier_is_outside_the_bulk_and_grows(r, sigma, height):
    theta = spike(r, sigma, height)
    value = population.OUTLIER_AT_RATIO(r=r, theta=theta, sigma=sigma)
    assert value > law.UPPER_EDGE(c=r, sigma=sigma)
    assert value > theta
    assert population.OUTLIER_AT_RATIO(r=r, theta=1.01 * theta, sigma=sigma) > value
    assert population.OUTLIER_AT_RATIO(r=0.99 * r, theta=theta, sigma=sigma) < value
    assert 0 < population.OVERLAP(r=r, theta=theta, sigma=sigma) < 1
    assert population.OVERLAP(r=0.99 * r, theta=theta, sigma=sigma) > population.OVERLAP(r=r, theta=theta, sigma=sigma)


def test_limits_of_the_population_form():
    many = {"r": 1e-10, "theta": 5.0, "sigma": 1.0}
    assert population.OUTLIER_AT_RATIO(**many) == pytest.approx(5.0, rel=1e-9)
    assert population.OVERLAP(**many) == pytest.approx(1.0, rel=1e-9)
    critical = float(population.THRESHOLD(r=0.5, sigma=2.0))
    just = {"r": 0.5, "theta": critical * (1 + 1e-9), "sigma": 2.0}
    assert population.OUTLIER_AT_RATIO(**just) == pytest.approx(law.UPPER_EDGE(c=0.5, sigma=2.0), rel=1e-9)
    assert population.OVERLAP(**just) == pytest.approx(0.0, abs=1e-8)
    whole = {"r": 0.5, "t": 1 - 1e-9, "theta": 5.0}
    assert population.SHIFT(**whole) == pytest.approx(0.0, abs=1e-8)
    assert population.TURNED(**whole) == pytest.approx(1.0, rel=1e-8)
    large = {"r": 2.0, "t": 0.3, "theta": 1e9}
    assert population.SHIFT(**large) == pytest.approx(population.FIRST_ORDER_SHIFT(**large), rel=1e-8)


@fixed
@given(ratios, fractions, deviations, heights)
def test_the_shift_joins_the_two_outliers(r, t, sigma, height):
    theta = spike(r, sigma, height)
    batch, full = (population.OUTLIER_AT_RATIO(r=q, theta=theta, sigma=sigma) for q in (r, r * t))
    assert population.SHIFT(r=r, t=t, theta=theta, sigma=sigma) == pytest.approx(
        batch - full, rel=1e-6, abs=1e-9 * batch
    )


@fixed
@given(ratios, fractions, fractions, deviations, heights)
def test_batches_of_batches(r, t, again, sigma, height):
    """Thinning twice adds the shifts and multiplies the overlaps."""
    theta = spike(r, sigma, height)
    at = {"theta": theta, "sigma": sigma}
    steps = population.SHIFT(r=r, t=again, **at) + population.SHIFT(r=r * again, t=t, **at)
    assert population.SHIFT(r=r, t=t * again, **at) == pytest.approx(steps, rel=1e-9)
    turns = population.TURNED(r=r, t=again, **at) * population.TURNED(r=r * again, t=t, **at)
    assert population.TURNED(r=r, t=t * again, **at) == pytest.approx(turns, rel=1e-9)


def full_spectrum(p: int, ratio: float, theta: float) -> np.ndarray:
    """Quantiles of the Marchenko-Pastur law with the outlier on top: a data set without fluctuations."""
    x = np.linspace(float(law.LOWER_EDGE(c=ratio)), float(law.UPPER_EDGE(c=ratio)), 40_001)
    quantiles = np.interp((np.arange(p - 1) + 0.5) / (p - 1), law.CDF(x=x, c=ratio), x)
    return np.append(quantiles, float(population.OUTLIER_AT_RATIO(r=ratio, theta=theta)))


@pytest.mark.parametrize(("t", "theta"), [(0.5, 5.0), (0.25, 4.0), (0.1, 8.0), (0.9, 3.0)])
def test_the_conditional_form_of_an_ideal_data_set(t, theta):
    """Error 1/N of the quantiles, N = 16000."""
    ratio, p = 0.25, 4000
    n = round(p / ratio)
    spectrum = full_spectrum(p, ratio, theta)
    right = population.SHIFT(r=ratio / t, t=t, theta=theta)
    assert conditional.CONDITIONAL_SHIFT(spectrum=spectrum, N=n, t=t) == pytest.approx(right, rel=2e-3)
    right = population.TURNED(r=ratio / t, t=t, theta=theta)
    assert conditional.CONDITIONAL_OVERLAP(spectrum=spectrum, N=n, t=t) == pytest.approx(right, rel=2e-3)


def test_the_conditional_form_counts_zeros_that_are_left_out():
    spectrum = full_spectrum(30, 0.25, 5.0)
    padded = np.concatenate([np.zeros(90), spectrum])
    for prediction in (conditional.CONDITIONAL_SHIFT, conditional.CONDITIONAL_OVERLAP):
        short, long = (prediction(spectrum=s, N=120, t=0.4) for s in (spectrum, padded))
        assert short == pytest.approx(long, rel=1e-12)


def test_the_conditional_form_of_the_whole_data_set():
    spectrum = full_spectrum(30, 0.25, 5.0)
    assert conditional.CONDITIONAL_SHIFT(spectrum=spectrum, N=120, t=1 - 1e-12) == pytest.approx(0.0, abs=1e-10)
    assert conditional.CONDITIONAL_OVERLAP(spectrum=spectrum, N=120, t=1 - 1e-12) == pytest.approx(1.0, rel=1e-10)


@pytest.mark.parametrize("theta", [1.6, 2.0, 2.9])
def test_the_conditional_form_of_a_spike_that_the_batch_hides(theta):
    """Visible in the data set (threshold 1.5) but not in a batch of a sixteenth (3): the edge, and no overlap."""
    spectrum = full_spectrum(2000, 0.25, theta)
    moved = conditional.CONDITIONAL_SHIFT(spectrum=spectrum, N=8000, t=1 / 16) + spectrum[-1]
    assert moved == pytest.approx(law.UPPER_EDGE(c=4.0), rel=5e-3)
    assert conditional.CONDITIONAL_OVERLAP(spectrum=spectrum, N=8000, t=1 / 16) == 0.0


def test_the_conditional_form_is_continuous_where_the_outlier_appears():
    spectrum = full_spectrum(200, 0.25, 3.0)
    tops = np.linspace(0.97, 1.6, 400) * spectrum[-1]
    many = np.concatenate([np.broadcast_to(spectrum[:-1], (400, 199)), tops[:, None]], axis=1)
    values = tops + conditional.CONDITIONAL_SHIFT(spectrum=many, N=800, t=1 / 16)
    overlaps = conditional.CONDITIONAL_OVERLAP(spectrum=many, N=800, t=1 / 16)
    assert overlaps[0] == 0 < overlaps[-1]
    assert np.all(np.diff(values) >= -1e-9)
    assert np.all(np.diff(overlaps) >= 0)
    assert np.max(np.diff(overlaps)) < 0.02


@pytest.mark.parametrize(("rho", "t"), [(0.25, 0.5), (0.5, 0.25), (1.0, 0.5)])
def test_the_conditional_bulk_of_levels(rho, t):
    """Its zeros and its first two moments: the second free cumulant of K is multiplied by t."""
    x = np.append(0.0, np.geomspace(1e-5, 40.0, 6_000))
    cdf = conditional.CONDITIONAL_CDF(x=x, rho=rho, t=t, level=4.0)
    assert cdf[0] == pytest.approx(max(0.0, 1.0 - t / rho), abs=1e-9)
    assert cdf[-1] == pytest.approx(1.0, abs=1e-9)
    middle = (x[1:] + x[:-1]) / 2.0
    for order, exact in ((1, 2.5), (2, 8.5 + (1.0 - t) / t * rho * 2.5**2)):
        assert np.sum(middle**order * np.diff(cdf)) == pytest.approx(exact, rel=2e-3)


@fixed
@given(st.floats(0.01, 2.0), st.floats(0.01, 3.0), deviations, heights)
def test_samples_drawn_at_most_once_are_a_batch_without_replacement(rho, t, sigma, height):
    """kmax = 1 keeps a part t/(1 + t) of the samples, with equal weights."""
    kept = t / (1.0 + t)
    theta = spike(rho / kept, sigma, height)
    at = {"rho": rho, "t": t, "kmax": 1, "theta": theta, "sigma": sigma}
    once = {"r": rho / kept, "theta": theta, "sigma": sigma}
    assert replacement.REPLACEMENT_OUTLIER(**at) == pytest.approx(population.OUTLIER_AT_RATIO(**once), rel=1e-10)
    assert replacement.REPLACEMENT_SHIFT(**at) == pytest.approx(population.SHIFT(t=kept, **once), rel=1e-9)
    threshold = replacement.REPLACEMENT_THRESHOLD(rho=rho, t=t, kmax=1, sigma=sigma)
    assert threshold == pytest.approx(population.THRESHOLD(r=rho / kept, sigma=sigma), rel=1e-10)


@settings(fixed, max_examples=20)
@given(st.floats(0.02, 1.0), st.floats(0.1, 2.0), st.integers(1, 6), deviations)
def test_with_replacement_the_outlier_leaves_the_bulk_at_its_threshold(rho, t, kmax, sigma):
    """The eigenvalue as a function of the spike is stationary there, as it is at the edge of a bulk."""
    at = {"rho": rho, "t": t, "kmax": kmax, "sigma": sigma}
    critical = float(replacement.REPLACEMENT_THRESHOLD(**at))
    low, here, high = (
        float(replacement.REPLACEMENT_OUTLIER(theta=critical * f, **at)) for f in (1 - 1e-4, 1.0, 1 + 1e-4)
    )
    assert here <= min(low, high)
    assert (high - low) / here < 1e-6
    assert high - here == pytest.approx(low - here, rel=0.05)


@settings(fixed, max_examples=20)
@given(st.floats(0.05, 0.5), st.floats(0.1, 0.95))
def test_drawing_with_replacement_inflates_more(rho, t):
    at = {"rho": rho, "t": t, "theta": 30.0}
    shift = float(replacement.REPLACEMENT_SHIFT(kmax=6, **at))
    outlier = float(replacement.REPLACEMENT_OUTLIER(kmax=6, **at))
    assert shift == pytest.approx(outlier - float(population.OUTLIER_AT_RATIO(r=rho, theta=30.0)), rel=1e-7)
    assert shift > float(population.SHIFT(r=rho / t, t=t, theta=30.0))


@pytest.mark.parametrize(("n", "draws"), [(2, 1), (2, 4), (3, 3), (4, 3)])
def test_distinct_samples_by_enumeration(n, draws):
    counts = [len(set(d)) for d in itertools.product(range(n), repeat=draws)]
    assert replacement.RANK_WITH_REPLACEMENT(N=n, B=draws) == pytest.approx(np.mean(counts), rel=1e-12)


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (population.OUTLIER_AT_RATIO, {"r": 4.0, "theta": 2.9}, "the spike leaves no outlier"),
        (population.OUTLIER, {"P": 40, "B": 10, "theta": 2.9}, "the spike leaves no outlier"),
        (population.SHIFT, {"r": 1.0, "t": 1.0}, "part of the data set"),
        (population.SHIFT_IN_SAMPLES, {"P": 5, "B": 20, "N": 10, "theta": 9.0}, "a batch is part of the data set"),
        (population.THRESHOLD, {"r": -1.0}, "parameters per batch sample"),
        (replacement.REPLACEMENT_OUTLIER, {"rho": 0.2, "t": 0.5, "theta": 0.9}, "a spike above the background"),
        (replacement.REPLACEMENT_OUTLIER, {"rho": 0.2, "t": 0.5, "kmax": 7}, "largest number of draws"),
        (replacement.RANK_WITH_REPLACEMENT, {"N": 1, "B": 3}, "a data set of one sample"),
        (conditional.CONDITIONAL_SHIFT, {"N": 10, "t": 0.5}, "missing parameter spectrum"),
    ],
)
def test_bad_input_is_named(prediction, at, message):
    with pytest.raises(DomainError, match=message):
        prediction(**at)


SIMULATIONS = {
    "without replacement": (
        data_batches.without_replacement,
        {"N": 24, "rho": 0.5, "t": 0.5, "theta": 9.0, "sigma": 1.5, "batches": 2},
    ),
    "with replacement": (
        data_batches.with_replacement,
        {"N": 24, "rho": 0.5, "t": 0.5, "theta": 9.0, "sigma": 1.5, "batches": 2},
    ),
    "spectrum of levels": (data_batches.batch_of_levels, {"N": 12, "rho": 0.5, "t": 0.25, "level": 4.0}),
    "spectrum": (data_batches.batch_spectrum, {"P": 9, "B": 6, "theta": 9.0, "sigma": 1.5}),
    "rank": (data_batches.batch_rank, {"P": 6, "B": 9}),
    "rank with replacement": (data_batches.resampled_rank, {"N": 8, "B": 6}),
    "spiked top": (bidiagonal.spiked_top_at_ratio, {"B": 40, "r": 0.5, "theta": 4.0, "sigma": 1.5}),
    "overlap scaling": (bidiagonal.overlap_scaling, {"P": 60, "r": 0.5, "theta": 4.0, "sigma": 1.5}),
    "small batch": (data_batches.small_batch, {"P": 400, "B": 3, "sigma": 1.5}),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name):
    demand_twins(*SIMULATIONS[name])


@pytest.mark.parametrize(("P", "B", "theta"), [(12, 30, 4.0), (30, 12, 9.0), (20, 20, 1.5)])
def test_the_tridiagonal_form_of_a_spiked_matrix_has_the_law_of_the_dense_one(P, B, theta):
    """Mean and mean square of the top eigenvalue and of its overlap with the spike; false alarms below 1e-8."""
    trials, sigma = 20_000, 1.5
    reduced = bidiagonal.spiked_top(trials, Stream.from_seed(7), P=P, B=B, theta=theta, sigma=sigma)
    x = sigma * Stream.from_seed(8).normal(trials, P, B)
    x[:, 0] *= np.sqrt(theta) / sigma
    values, vectors = np.linalg.eigh(x @ np.swapaxes(x, 1, 2) / B)
    dense = {"eigenvalue": values[:, -1], "overlap": np.square(vectors[:, 0, -1])}
    for name, power in itertools.product(dense, (1, 2)):
        ours, theirs = reduced[name] ** power, dense[name] ** power
        error = np.sqrt((ours.var() + theirs.var()) / trials)
        assert abs(ours.mean() - theirs.mean()) < 6 * error, (name, power)


def test_a_small_batch_has_its_zeros():
    values = data_batches.batch_spectrum(4, Stream.from_seed(1), P=9, B=6, theta=5.0, sigma=1.0)["value"]
    assert np.all(values[:, :3] == 0)
    assert np.all(np.diff(values, axis=1) >= 0)
    assert np.all(values[:, 3:] > 0)


def test_batches_of_the_whole_data_set_change_nothing():
    out = data_batches.without_replacement(
        5, Stream.from_seed(1), N=20, rho=0.5, t=1.0, theta=5.0, sigma=1.0, batches=2
    )
    np.testing.assert_allclose(out["shift"], 0.0, atol=1e-12)
    np.testing.assert_allclose(out["overlap"], 1.0, rtol=1e-12)


def test_the_control_variate_has_mean_zero():
    """Over all batches of a small data set."""
    x = np.random.default_rng(5).standard_normal((3, 6))
    g = x @ x.T / 6
    v = np.linalg.eigh(g)[1][:, -1]
    batches = [x[:, chosen] for chosen in itertools.combinations(range(6), 2)]
    assert np.mean([v @ (part @ part.T / 2 - g) @ v for part in batches]) == pytest.approx(0.0, abs=1e-12)
