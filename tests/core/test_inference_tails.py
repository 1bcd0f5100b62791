"""The tail diagnostic: the laws that it names, and what it lets pass."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats
from synthetic import noise

from theorylab.inference import tails

Z = 5.3

# Law, and the share of the variance that the module says its largest 0.1 % carry.
NAMED = {
    "normal": (stats.norm(), 0.013),
    "exponential": (stats.expon(), 0.049),
    "chi-square(1)": (stats.chi2(1), 0.070),
    "Student t(5)": (stats.t(5), 0.049),
    "log-normal": (stats.lognorm(1.0), 0.20),
    "Pareto(3)": (stats.pareto(3), 0.34),
}


def share_of_the_top(law):
    """Share of the variance beyond the quantile of |X - mean| at 1 - TOP, by quadrature over probabilities."""
    mean, variance = law.stats("mv")
    both_sides = law.support()[0] == -np.inf
    # A law bounded below has its largest deviations on the right only; a symmetric one on both sides.
    beyond = tails.TOP / 2 if both_sides else tails.TOP
    # The substitution p = e^-u tames the integrand, which is singular at p = 0.
    integral, _ = integrate.quad(lambda u: np.exp(-u) * (law.isf(np.exp(-u)) - mean) ** 2, -np.log(beyond), 300)
    return (2 if both_sides else 1) * integral / variance


@pytest.mark.parametrize("name", NAMED)
def test_shares_of_the_laws_named(name):
    law, stated = NAMED[name]
    assert share_of_the_top(law) == pytest.approx(stated, rel=0.03)


@pytest.mark.parametrize("name", ["normal", "exponential", "chi-square(1)"])
def test_tame_laws_pass(name, rng):
    """False alarm below 1e-6: the sample kurtosis of 20 000 trials is far from the limit of 304."""
    assert tails.distrust(noise(name, rng, 20_000), Z) is None


@pytest.mark.parametrize("name", ["log-normal", "Pareto(3)"])
@pytest.mark.parametrize("n", [20_000, 200_000])
def test_heavy_laws_are_stopped(name, n, rng):
    """At many trials, when the share of the top can be seen, 9 samples in 10 or more are. False alarm below 1e-4."""
    stopped = sum(tails.distrust(noise(name, rng, n), Z) is not None for _ in range(20))
    assert stopped >= 12


def test_infinite_variance_is_stopped(rng):
    x = rng.pareto(1.5, size=(50_000, 10))
    assert all(tails.distrust(x[:, i], 2.0) is not None for i in range(10))


def test_kurtosis_needs_trials(rng):
    """A rare event: enough trials make its mean trustworthy."""
    x = np.zeros(4000)
    x[:4] = 1.0
    reason = tails.distrust(x, Z)
    assert reason is not None
    assert "4000 trials" in reason
    x = (rng.random(1_000_000) < 0.01).astype(float)
    assert tails.distrust(x, Z) is None


def test_small_samples_have_a_floor():
    """Of 64 normal trials the kurtosis is uncertain by 0.6: the limit does not fall below 3."""
    assert tails._most_kurtosis(64, Z) == 3.0
    assert tails._most_kurtosis(100_000, Z) == pytest.approx(12 * 100_000 / Z**4)


def test_worst_component_decides(rng):
    x = rng.normal(size=(5000, 3))
    assert tails.distrust(x, Z) is None
    x[:, 1] = noise("Pareto(3)", rng, 5000)
    assert tails.distrust(x, Z) is not None
    np.testing.assert_array_equal(tails.tame(x, Z), [True, False, True])


def test_tame_keeps_the_shape(rng):
    assert tails.tame(rng.normal(size=(100, 2, 5)), Z).shape == (2, 5)


def test_constants_are_taken_for_constants():
    assert tails.distrust(np.full((100, 2), 0.3), Z) is None
    assert tails.tame(np.full((100, 2), 0.3), Z).all()


def test_a_single_trial_shows_nothing():
    assert tails.distrust(np.array([1.0]), Z) == "a single trial"


def test_flat_laws_are_as_bad_as_heavy_ones_only_at_few_trials():
    """Excess kurtosis -2, of a fair coin: an Edgeworth term like any other."""
    coin = np.tile([0.0, 1.0], 32)
    assert tails.distrust(coin, Z) is None
