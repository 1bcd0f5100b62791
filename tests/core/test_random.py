"""Streams: the twins agree, batches and prefixes do not matter, and the laws are right.

Statistical tests use fixed seeds; each states its chance of a false alarm at a fresh seed.
"""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from numba import njit
from scipy import special, stats

from theorylab.kernels.random import (
    Stream,
    cos_sin_turns,
    log_unit,
    normal_numba,
    normal_numpy,
    normal_pair,
    to_uniform,
    uniform_numba,
    uniform_numpy,
)

KEY = np.array([123, 456], dtype=np.uint32)
FALSE_ALARM = 1e-6
SHAPES = [(1, 1), (3, 1), (7, 2), (100, 3), (5, 511), (3, 512), (2, 1025)]


@njit(error_model="numpy")
def logs(u):  # type: ignore[no-untyped-def]
    """`log_unit` over an array."""
    return np.array([log_unit(x) for x in u])


@njit(error_model="numpy")
def turns(v):  # type: ignore[no-untyped-def]
    """`cos_sin_turns` over an array."""
    out = np.empty((len(v), 2))
    for i in range(len(v)):
        out[i, 0], out[i, 1] = cos_sin_turns(v[i])
    return out


@njit(error_model="numpy")
def scalar_draw(a, b, c, d):  # type: ignore[no-untyped-def]
    """The draw of a kernel inside its loop: a uniform and a pair of normals."""
    return to_uniform(a, b), normal_pair(a, b, c, d)


def ulps(got, exact):
    """Largest error in units in the last place of the exact value, itself to more digits."""
    with mpmath.workdps(40):
        return max(float(abs(float(g) - e) / math.ulp(float(e))) for g, e in zip(got, exact))


@pytest.mark.parametrize(("trials", "count"), SHAPES)
def test_twins_agree(trials, count):
    arguments = (KEY, 3, 11, trials, count)
    np.testing.assert_array_equal(uniform_numba(*arguments), uniform_numpy(*arguments))
    # Logarithm 1 ulp each, cosine or sine 2 each, with the roundings of root and product: 6 in all.
    np.testing.assert_allclose(normal_numba(*arguments), normal_numpy(*arguments), rtol=6 * 2.0**-52, atol=0)


def test_logarithm_within_one_ulp():
    source = np.random.default_rng(0)
    u = np.concatenate(
        [
            source.random(1500),
            0.5 ** (53 * source.random(500)),
            [2.0**-53, 1 - 2.0**-53, 0.5, math.sqrt(0.5), np.nextafter(0.5, 0), np.nextafter(math.sqrt(0.5), 0)],
        ]
    )
    with mpmath.workdps(40):
        exact = [mpmath.log(mpmath.mpf(float(x))) for x in u]
    assert ulps(logs(u), exact) < 1.0


def test_cosine_and_sine_within_two_ulps():
    source = np.random.default_rng(0)
    v = np.concatenate(
        [
            source.random(1500),
            [2.0**-53, 1 - 2.0**-53],
            *((k / 8 + 2.0**-52 * np.arange(-3.5, 4)) for k in range(1, 8)),
        ]
    )
    with mpmath.workdps(40):
        doubled = [2 * mpmath.mpf(float(x)) for x in v]
        cosine, sine = [mpmath.cospi(x) for x in doubled], [mpmath.sinpi(x) for x in doubled]
    got = turns(v)
    assert ulps(got[:, 0], cosine) < 2.0
    assert ulps(got[:, 1], sine) < 2.0


def test_uniforms_never_reach_zero_or_one():
    lowest, _ = scalar_draw(0, 0, 0, 0)
    highest, (x, y) = scalar_draw(*(np.uint32(0xFFFFFFFF) for _ in range(4)))
    assert lowest == 2.0**-53
    assert highest == 1 - 2.0**-53
    assert math.isfinite(x)
    assert math.isfinite(y)


def test_a_kernel_that_draws_gets_the_numbers_of_the_stream():
    from theorylab.kernels.philox import philox4x32

    words = philox4x32(np.array([4, 2, 9, 0], dtype=np.uint32), KEY)
    u, (x, y) = scalar_draw(*words)
    stream = Stream(KEY, "numba", first_trial=9, _draws=2)
    np.testing.assert_array_equal(stream.normal(1, 10)[0, 8:], [x, y])
    stream = Stream(KEY, "numba", first_trial=9, _draws=2)
    assert stream.uniform(1, 10)[0, 8] == u


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("method", ["uniform", "normal", "exponential", "rademacher"])
def test_a_smaller_draw_is_a_prefix_of_a_larger_one(backend, method):
    small = getattr(Stream(KEY, backend), method)(5, 7)
    large = getattr(Stream(KEY, backend), method)(9, 700)
    np.testing.assert_array_equal(small, large[:5, :7])


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("at_most", [1, 3, 10, 64])
def test_batches_do_not_change_the_numbers(backend, at_most):
    def draw(rng, trials):
        return np.concatenate(
            [
                rng.normal(trials, 2, 3).reshape(trials, -1),
                rng.uniform(trials, 5),
                rng.permutation(trials, 4),
                rng.chi(np.array([3.0, 1.5]), trials),
                rng.haar(trials, 3).reshape(trials, -1),
            ],
            axis=1,
        )

    whole, parted = Stream(KEY, backend), Stream(KEY, backend)
    expected = draw(whole, 10)
    batches = np.concatenate([draw(*part) for part in parted.split(10, at_most)])
    np.testing.assert_array_equal(batches, expected)
    # Draws after the batches are new ones, the same however the batches were cut.
    np.testing.assert_array_equal(parted.normal(10, 2), whole.normal(10, 2))


def test_calls_trials_and_keys_give_different_numbers():
    stream, other = Stream(KEY), Stream(KEY[::-1].copy())
    arrays = [stream.uniform(50, 40), stream.uniform(50, 40), other.uniform(50, 40)]
    assert np.unique(np.stack(arrays)).size == 6000


def test_shapes():
    stream = Stream.from_seed(7)
    assert stream.normal(4).shape == (4,)
    assert stream.normal(4, 3, 5).shape == (4, 3, 5)
    assert stream.uniform(0, 3).shape == (0, 3)
    assert stream.normal(3, 0).shape == (3, 0)
    assert stream.normal(4, 3).flags.c_contiguous


def test_moments_of_the_normals():
    """Five moments, each with its exact standard error: false alarm 1e-6 in all."""
    x = Stream.from_seed(1).normal(1000, 1001)
    z = stats.norm.isf(FALSE_ALARM / 10)
    for power in range(1, 6):
        mean = special.factorial2(power - 1) * (power % 2 == 0)
        variance = special.factorial2(2 * power - 1) - mean**2
        assert abs((x**power).mean() - mean) < z * math.sqrt(variance / x.size), power


def test_the_two_normals_of_a_pair_and_neighbouring_trials_are_uncorrelated():
    """Three correlations of 5e5 products, of the values and of their squares: false alarm 1e-6 in all."""
    x = Stream.from_seed(2).normal(1000, 1000)
    z = stats.norm.isf(FALSE_ALARM / 12)
    for f in (lambda a: a, lambda a: (a * a - 1) / math.sqrt(2)):
        for a, b in ((x[:, ::2], x[:, 1::2]), (x[:, 1:-1:2], x[:, 2::2]), (x[::2], x[1::2])):
            assert abs((f(a) * f(b)).mean()) < z / math.sqrt(a.size)


@pytest.mark.parametrize(
    ("method", "law"),
    [
        ("uniform", stats.uniform.cdf),
        ("normal", stats.norm.cdf),
        ("exponential", stats.expon.cdf),
    ],
)
def test_laws(method, law):
    """Sup-distance of 2e5 draws by Dvoretzky, Kiefer, Wolfowitz and Massart: false alarm at most 1e-6."""
    x = np.sort(getattr(Stream.from_seed(3), method)(400, 500).ravel())
    grid = np.arange(x.size + 1) / x.size
    distance = max(np.max(grid[1:] - law(x)), np.max(law(x) - grid[:-1]))
    assert distance < math.sqrt(math.log(2 / FALSE_ALARM) / (2 * x.size))


def test_far_tail():
    """Draws beyond 4.5 among 4e6: Poisson with mean 27.2; false alarm 1e-6."""
    count = int((np.abs(Stream.from_seed(4).normal(2000, 2000)) > 4.5).sum())
    mean = 4e6 * 2 * stats.norm.sf(4.5)
    low, high = stats.poisson.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], mean)
    assert low <= count <= high


def test_chi_has_its_second_and_fourth_moments():
    """E chi_k^2 = k and E chi_k^4 = k (k + 2) at two k, 20000 draws each: false alarm 1e-6 in all."""
    df = np.array([1.0, 9.5])
    x = Stream.from_seed(5).chi(df, 20000)
    z = stats.norm.isf(FALSE_ALARM / 8)
    fourth = df * (df + 2)
    eighth = fourth * (df + 4) * (df + 6)
    assert np.all(np.abs((x**2).mean(0) - df) < z * np.sqrt((fourth - df**2) / len(x)))
    assert np.all(np.abs((x**4).mean(0) - fourth) < z * np.sqrt((eighth - fourth**2) / len(x)))


def test_haar_matrices():
    """Orthogonal, and E (O_11)^2 = 1/n, E O_11 = 0, E tr O = 0, E (tr O)^2 = 1: false alarm 1e-6 in all."""
    n, trials = 4, 20000
    o = Stream.from_seed(6).haar(trials, n)
    np.testing.assert_allclose(o @ o.transpose(0, 2, 1), np.broadcast_to(np.eye(n), o.shape), atol=1e-13)
    trace = np.trace(o, axis1=1, axis2=2)
    z = stats.norm.isf(FALSE_ALARM / 8)
    for sample, mean in ((o[:, 0, 0] ** 2, 1 / n), (o[:, 0, 0], 0), (trace, 0), (trace**2, 1)):
        assert abs(sample.mean() - mean) < z * sample.std() / math.sqrt(trials)


def test_permutations_are_uniform():
    """Chi-square over the 24 permutations of four, 24000 draws: false alarm 1e-6."""
    p = Stream.from_seed(8).permutation(24000, 4)
    counts = np.unique(p @ np.array([64, 16, 4, 1]), return_counts=True)[1]
    assert counts.size == 24
    assert ((counts - 1000) ** 2 / 1000).sum() < stats.chi2.isf(FALSE_ALARM, 23)


def test_signs_are_even():
    """2e5 signs: false alarm 1e-6."""
    signs = Stream.from_seed(9).rademacher(400, 500)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(signs.mean()) < stats.norm.isf(FALSE_ALARM / 2) / math.sqrt(signs.size)
