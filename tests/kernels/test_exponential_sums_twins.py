"""Exponential sums: twins trial by trial, direct evaluation, laws of the energies, and streams of any length."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from theorylab.kernels import exponential_sums as sums
from theorylab.kernels.random import Stream

KEY = np.array([9, 10], dtype=np.uint32)
FALSE_ALARM = 1e-6
T = np.array([0.1, 1.0, 7.0, 300.0])
CASES = [
    ("gaussian", ()),
    *(("isotropic", (3.0, d)) for d in (1, 2, 3, 9, 10, 75)),
    ("isotropic", (np.array([1.0, 4.0, 2.0]), 6)),
    ("isotropic", (np.array([1.0, 4.0, 2.0]), 21)),
    ("quadratic", (np.array([1.0, -2.0]), np.array([1.0, 0.3]))),
    ("quadratic", (np.arange(6.0).reshape(3, 2), np.array([1.0, 0.3]))),
]


def run(backend, name, arguments, terms, t=T, trials=3, first_trial=0):
    return getattr(sums, name)(trials, Stream(KEY, backend, first_trial=first_trial), terms, t, *arguments)


@pytest.mark.parametrize("terms", [1, 2, 127, 129, 2047, 2049, 5000])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_twins_agree_trial_by_trial(name, arguments, terms):
    a, b = (run(backend, name, arguments, terms) for backend in ("numpy", "numba"))
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize(("name", "arguments"), CASES[:5])
def test_the_bits_depend_neither_on_batches_of_trials_nor_on_the_other_temperatures(name, arguments, backend):
    whole = run(backend, name, arguments, 3000)
    alone = [run(backend, name, arguments, 3000, trials=1, first_trial=i) for i in range(3)]
    np.testing.assert_array_equal(np.concatenate(alone), whole)
    np.testing.assert_array_equal(run(backend, name, arguments, 3000, t=T[1:3]), whole[:, 1:3])


@pytest.mark.parametrize("count", [3, 8, 9, 20])
def test_equally_spaced_temperatures_share_exponentials(count):
    """Up to rounding, the sums are those of each temperature alone; descending ones take the plain way."""
    t = np.linspace(0.2, 60, count)
    whole = run("numba", "isotropic", (3.0, 12), 3000, t=t)
    assert sums.spacing(t) > 0
    assert sums.spacing(t[::-1]) == sums.spacing(np.geomspace(0.2, 60, count)) == sums.spacing(t[:2]) == 0
    alone = [run("numba", "isotropic", (3.0, 12), 3000, t=t[i : i + 1]) for i in range(count)]
    np.testing.assert_allclose(whole, np.concatenate(alone, axis=1), rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(run("numba", "isotropic", (3.0, 12), 3000, t=t[::-1])[:, ::-1][:, 0], whole[:, 0])
    np.testing.assert_allclose(run("numpy", "isotropic", (3.0, 12), 3000, t=t), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_both_backends_leave_the_stream_at_the_same_place(name, arguments):
    places = []
    for backend in ("numpy", "numba"):
        rng = Stream(KEY, backend)
        getattr(sums, name)(3, rng, 5000, T, *arguments)
        places.append(rng.next_draw())
    assert places[0] == places[1]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_gaussian_energies_are_those_of_the_stream(backend):
    rng = Stream(KEY, backend)
    energy = np.concatenate([rng.normal(3, 2048), rng.normal(3, 952)], axis=1)
    expected = special.logsumexp(-T * energy[:, :, None], axis=1)
    np.testing.assert_allclose(run(backend, "gaussian", (), 3000), expected, rtol=1e-13)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_extreme_temperatures_neither_overflow_nor_vanish(backend):
    t = np.array([1e-12, 1e9])
    got = run(backend, "gaussian", (), 5000, t=t)
    lowest = -run(backend, "gaussian", (), 5000, t=np.array([1e7]))[:, 0] / 1e7
    np.testing.assert_allclose(got[:, 0], math.log(5000), rtol=1e-11)
    np.testing.assert_allclose(got[:, 1], -1e9 * lowest, rtol=1e-6)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 9, 10, 11, 36, 80, 2000])
def test_distances_have_the_law_of_distances(d):
    """One term is its own energy: noncentral chi-square by the sup-distance of 40000 draws, false alarm 1e-6."""
    norm, trials = 1.7, 40000
    energy = -run("numba", "isotropic", (norm, d), 1, t=np.ones(1), trials=trials)[:, 0]
    x = np.sort(2 * energy)
    cdf = stats.ncx2.cdf(x, d, norm**2)
    grid = np.arange(trials + 1) / trials
    distance = max(np.max(grid[1:] - cdf), np.max(cdf - grid[:-1]))
    assert distance < math.sqrt(math.log(2 / FALSE_ALARM) / (2 * trials))


def test_neighbouring_terms_are_independent():
    """E Z = n E w and Var Z = n Var w for quadratic energies: two z-tests of 20000 sums, false alarm 1e-6 in all."""
    n, trials, s, x = 30, 20000, 0.8, 0.5
    z = np.exp(run("numba", "quadratic", (np.array([x]), np.array([s])), n, t=np.ones(1), trials=trials)[:, 0])

    def moment(t):
        return math.exp(-t * x * x / (2 * (1 + t * s * s))) / math.sqrt(1 + t * s * s)

    mean, variance = n * moment(1), n * (moment(2) - moment(1) ** 2)
    limit = stats.norm.isf(FALSE_ALARM / 4)
    assert abs(z.mean() - mean) < limit * math.sqrt(variance / trials)
    square = (z - mean) ** 2
    assert abs(square.mean() - variance) < limit * square.std() / math.sqrt(trials)


def test_a_participation_ratio_lies_between_one_over_n_and_one():
    log_sums = run("numba", "isotropic", (4.0, 16), 2000, t=np.array([1.0, 2.0, 4.0]), trials=50)
    for k in (0, 1):
        ratio = np.exp(log_sums[:, k + 1] - 2 * log_sums[:, k])
        assert np.all((ratio >= 1 / 2000) & (ratio <= 1))


def test_memory_does_not_grow_with_the_number_of_terms():
    import tracemalloc

    peaks = []
    for terms in (20_000, 200_000):
        rng = Stream(KEY, "numpy")
        tracemalloc.start()
        sums.gaussian(1, rng, terms, np.ones(1))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize(("call", "message"), [
    (lambda rng: sums.gaussian(1, rng, 0, np.ones(1)), "0 terms"),
    (lambda rng: sums.gaussian(1, rng, 5, np.array([1.0, 0.0])), "must be positive"),
    (lambda rng: sums.gaussian(1, rng, 5, np.array([np.nan])), "must be positive"),
    (lambda rng: sums.isotropic(1, rng, 5, np.ones(1), 1.0, 0), "dimension d = 0"),
    (lambda rng: sums.quadratic(2, rng, 5, np.ones(1), np.ones((3, 2)), np.ones(2)), "do not fit 2 trials"),
])  # fmt: skip
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(Stream(KEY))
