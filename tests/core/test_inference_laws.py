"""Distances between distributions: by brute force, at atoms, between grid points, and their bounds by simulation.

Statistical tests use fixed seeds; each states its chance of a false alarm at a fresh seed.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from theorylab.inference import laws

EPS = 1e-9


def uniform(x):
    """CDF of the uniform law on [0, 1]."""
    return np.clip(x, 0.0, 1.0)


def brute(sample, cdf):
    """Largest gap just left of, at and just right of every jump and on a fine grid."""
    at = np.unique(np.concatenate([sample.ravel(), np.linspace(-0.5, 1.5, 4001)]))
    pooled = np.sort(sample, axis=None)
    gaps = []
    for side, x in (("right", at), ("left", at)):
        empirical = np.searchsorted(pooled, at, side) / pooled.size
        gaps.append(np.abs(empirical - cdf(x if side == "right" else np.nextafter(x, -np.inf))))
    return float(np.max(gaps))


@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=30))
def test_distance_by_brute_force_and_scipy(values):
    x = np.array(values)
    distance, where = laws.distance(x, uniform)
    assert distance == pytest.approx(brute(x, uniform), abs=1e-12)
    assert distance == pytest.approx(stats.kstest(x, "uniform").statistic, abs=1e-12)
    assert where in x


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30))
def test_atoms_of_both_do_not_count_as_gaps(values):
    """A law with atoms 1/4, 1/4, 1/2 at 0, 1/2, 1 against ties in the sample: only true differences count."""
    x = np.array(values)

    def cdf(v):
        return 0.25 * (np.asarray(v) >= 0) + 0.25 * (np.asarray(v) >= 0.5) + 0.5 * (np.asarray(v) >= 1)

    gaps = [abs((x <= a).mean() - float(cdf(a))) for a in (0.0, 0.25, 0.5, 1.0)]
    assert laws.distance(x, cdf)[0] == pytest.approx(max(gaps), abs=1e-12)


def test_massart_constant():
    """P(sup |F_n - F| > r) <= 2 exp(-2 n r^2): at the radius this is the level."""
    for n, level in [(10, 0.05), (1000, 1e-6), (10**6, 1e-9)]:
        assert 2 * np.exp(-2 * n * laws.dkw_radius(n, level) ** 2) == pytest.approx(level)
    # It is the exact law for large n: Kolmogorov's quantile, to a part in a thousand.
    n = 4000
    assert laws.dkw_radius(n, 1e-3) == pytest.approx(stats.kstwo.isf(1e-3, n), rel=5e-3)
    assert laws.dkw_radius(n, 1e-3) >= stats.kstwo.isf(1e-3, n)


def test_dkw_coverage(rng):
    """False alarm: the exact law makes the miss rate 0.05 at most; 6 standard errors of 4000 draws are 0.02."""
    x = np.sort(rng.random((4000, 50)), axis=1)
    ranks = np.arange(1, 51) / 50
    distance = np.maximum(np.abs(x - ranks), np.abs(x - ranks + 1 / 50)).max(axis=1)
    assert (distance > laws.dkw_radius(50, 0.05)).mean() < 0.07


@pytest.mark.parametrize("side", ["right", "left"])
def test_fractions_by_counting(side, rng):
    sample = rng.choice([0.1, 0.2, 0.3, 0.7], size=(6, 5))
    grid = np.array([0.05, 0.1, 0.15, 0.3, 0.7, 0.9])
    expected = [[np.mean(row <= g) if side == "right" else np.mean(row < g) for g in grid] for row in sample]
    np.testing.assert_allclose(laws._fractions(sample, grid, side), expected)


@given(st.integers(0, 2**32 - 1))
def test_monotone_bounds_by_brute_force(seed):
    """The sharpest bounds that a monotone function between the given ones allows, in the order of the line."""
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.random((2, 2, 5)), axis=0)
    lowest, highest = laws._monotone(low, high)
    # The line: left of a point, then right of it; sides are stored right, left.
    places = [(i, side) for i in range(5) for side in (1, 0)]
    for k, (i, side) in enumerate(places):
        assert lowest[side, i] == max(low[s, j] for j, s in places[: k + 1])
        assert highest[side, i] == min(high[s, j] for j, s in places[k:])


def ensemble(rng, trials, values, kind="independent"):
    """Uniform values with independent, repelling or identical members of a trial."""
    u = rng.random((trials, values))
    if kind == "repelling":
        return (np.arange(values) + u) / values
    return np.repeat(u[:, :1], values, axis=1) if kind == "alike" else u


@pytest.mark.parametrize("kind", ["independent", "repelling", "alike"])
def test_ensemble_estimate_by_brute_force(kind, rng):
    """On its grid of pooled quantiles the estimate misses at most one step of the pooled distribution function."""
    sample = ensemble(rng, 40, 20, kind)
    estimate, _, where = laws.ensemble_distance(sample, uniform, 1e-3, points=256)
    exact = brute(sample, uniform)
    assert exact - 2 / 256 <= estimate <= exact + EPS
    assert abs((sample <= where).mean() - where) <= exact + EPS


@pytest.mark.parametrize("kind", ["independent", "repelling"])
@pytest.mark.parametrize("shift", [0.0, 0.05, -0.2])
def test_ensemble_interval_holds_the_truth(kind, shift, rng):
    """True sup-distance |shift|. False alarm below 6e-6 (the level 1e-6 for each of the six cases)."""
    sample = ensemble(rng, 300, 30, kind) + shift
    estimate, (low, high), _ = laws.ensemble_distance(sample, uniform, 1e-6)
    assert low <= abs(shift) <= high
    assert low <= estimate <= high


def test_bound_between_grid_points_is_rigorous(rng):
    """A gap that opens only between two grid points: the bound must cover it, whatever the grid."""

    def cliff(x):
        # Equal to the uniform law but for a jump to 0.6 and a plateau within (0.5, 0.6).
        return np.where((x >= 0.5) & (x < 0.6), 0.6, uniform(x))

    sample = ensemble(rng, 2000, 50, "repelling")
    for points in (5, 8, 32, 512):
        _, (_, high), _ = laws.ensemble_distance(sample, cliff, 1e-6, points=points)
        assert high >= 0.1


def test_coarse_grids_are_worse_but_valid(rng):
    sample = ensemble(rng, 500, 40, "repelling")
    highs = [laws.ensemble_distance(sample, uniform, 1e-6, points=p)[1][1] for p in (8, 64, 512)]
    assert highs == sorted(highs, reverse=True)
    assert highs[0] > 1 / 8
    assert highs[-1] < 0.03


def test_atom_of_a_rank_deficient_ensemble(rng):
    """Half of every spectrum exactly 0, the rest uniform: the atom is no gap, and its absence is one of 1/2."""
    sample = np.concatenate([np.zeros((300, 20)), ensemble(rng, 300, 20, "repelling")], axis=1)

    def with_atom(x):
        return np.where(x < 0, 0.0, 0.5 + 0.5 * uniform(x))

    estimate, (low, high), _ = laws.ensemble_distance(sample, with_atom, 1e-6)
    assert low == 0.0
    assert estimate < 0.02
    assert high < 0.05
    estimate, (low, high), _ = laws.ensemble_distance(sample, uniform, 1e-6)
    assert low > 0.45
    assert estimate == pytest.approx(0.5, abs=0.03)


def test_rare_matrices_are_not_excluded(rng):
    """Where nothing was seen on one side, the interval does not pretend that nothing is there.

    One matrix in forty lies far to the left (true distance 0.0244 at x < 0). In 64 matrices it is missed one time in
    five: the interval must then admit it.
    """
    for _ in range(50):
        sample = ensemble(rng, 64, 10, "alike")
        sample[rng.random(64) < 1 / 41] = -1.0
        _, (low, high), _ = laws.ensemble_distance(sample, uniform, 1e-3)
        assert low <= 1 / 41 <= high


def test_nothing_known_at_few_trials(rng):
    """Two matrices: no spread can be trusted, the interval is everything or nearly so."""
    _, (low, high), _ = laws.ensemble_distance(ensemble(rng, 2, 4), uniform, 1e-6)
    assert low == 0.0
    assert high > 0.9
