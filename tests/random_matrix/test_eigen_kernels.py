"""Eigenvalue kernels: LAPACK as the referee, twins trial by trial, the law and the streams of the chi variables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from theorylab.kernels import eigen
from theorylab.kernels.random import Stream

KEY = Stream.from_seed(8).key
DEGREES = np.array([1, 2, 3, 1, 7, 50, 4000])
often = settings(max_examples=40, deadline=None, derandomize=True)


def dense(diagonal, off):
    """The matrices in full, float64[trials, k, k]."""
    k = diagonal.shape[1]
    full = np.zeros((len(diagonal), k, k))
    i = np.arange(k)
    full[:, i, i] = diagonal
    full[:, i[:-1], i[1:]] = full[:, i[1:], i[:-1]] = off
    return full


def wishart_bands(seed, trials, k):
    """Bands of L L^T for random lower bidiagonal L: positive definite."""
    source = np.random.default_rng(seed)
    on, below = source.normal(size=(trials, k)), source.normal(size=(trials, k - 1))
    diagonal = on**2
    diagonal[:, 1:] += below**2
    return diagonal, on[:, :-1] * below


def both(name, *arguments):
    """The two twins' answers."""
    return tuple(getattr(eigen, f"{name}_{backend}")(*arguments) for backend in ("numpy", "numba"))


@pytest.mark.parametrize("shape", [(5, 4, 9), (5, 9, 4), (3, 6, 6), (2, 3, 1, 8), (4, 1, 1)])
def test_gram_eigenvalues_against_the_large_matrix(shape):
    x = np.random.default_rng(0).normal(size=shape)
    found = eigen.gram_eigenvalues(x)
    p, n = shape[-2:]
    whole = np.linalg.eigvalsh(x @ np.swapaxes(x, -1, -2))
    assert found.shape == (*shape[:-2], min(p, n))
    np.testing.assert_allclose(found, whole[..., max(0, p - n) :], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(whole[..., : max(0, p - n)], 0, atol=1e-13 * whole.max())
    np.testing.assert_allclose(eigen.gram_eigenvalues(np.swapaxes(x, -1, -2)), found, rtol=1e-10, atol=1e-12)


def test_chi_twins_agree():
    reference, fast = both("chi", KEY, 3, 11, 400, DEGREES)
    np.testing.assert_allclose(fast, reference, rtol=1e-12)


@pytest.mark.parametrize("chi", [eigen.chi_numpy, eigen.chi_numba])
def test_chi_variables_do_not_depend_on_their_company(chi):
    """Neither on the trials drawn before nor on the length of the vector; another draw is another matter."""
    whole = chi(KEY, 2, 5, 60, DEGREES)
    np.testing.assert_array_equal(chi(KEY, 2, 25, 40, DEGREES), whole[20:])
    np.testing.assert_array_equal(chi(KEY, 2, 5, 60, DEGREES[:3]), whole[:, :3])
    assert not np.any(chi(KEY, 3, 5, 60, DEGREES) == whole)


@pytest.mark.parametrize("df", [1, 2, 3, 10, 1000])
def test_chi_variables_have_their_law(df):
    """Kolmogorov and Smirnov's test; false alarm 1e-6 for each fresh stream."""
    sample = eigen.chi_numba(KEY, 0, 0, 50_000, np.array([df]))[:, 0]
    assert stats.kstest(sample, stats.chi(df).cdf).pvalue > 1e-6


def test_chi_variables_of_one_trial_are_uncorrelated():
    """Fisher's z of 21 pairs, 6 standard errors: false alarm 4e-8. Equal degrees of freedom give other numbers."""
    sample = eigen.chi_numba(KEY, 0, 0, 50_000, DEGREES)
    correlation = np.corrcoef(sample.T)[np.triu_indices(len(DEGREES), 1)]
    assert np.max(np.abs(np.arctanh(correlation))) < 6 / 50_000**0.5
    assert not np.any(sample[:, 0] == sample[:, 3])


@pytest.mark.parametrize("k", [1, 2, 3, 30])
@pytest.mark.parametrize("shift", [0.0, -50.0])
def test_largest_eigenvalue_against_lapack(k, shift):
    """Both signs: negated, the same bisection gives smallest eigenvalues."""
    diagonal, off = wishart_bands(k, 20, k)
    diagonal += shift
    reference, fast = both("largest_tridiagonal", diagonal, off)
    np.testing.assert_array_equal(reference, fast)
    spectrum = np.linalg.eigvalsh(dense(diagonal, off))
    norm = np.abs(spectrum).max(axis=1)
    assert np.all(np.abs(fast - spectrum[:, -1]) < 1e-14 * norm)
    assert np.all(np.abs(-eigen.largest_tridiagonal_numba(-diagonal, off) - spectrum[:, 0]) < 1e-14 * norm)


@pytest.mark.parametrize(
    ("diagonal", "off", "known"),
    [
        ([3.0, 1.0, 2.0], [0.0, 0.0], 3.0),
        ([0.0, 0.0], [1.0], 1.0),
        ([0.0, 0.0, 0.0], [0.0, 0.0], 0.0),
        ([1.0, 1.0, 1.0], [1.0, 1.0], 1 + 2**0.5),
        ([0.0] * 7, [1.0] * 6, 2 * np.cos(np.pi / 8)),
        ([1.0, 5.0], [0.0], 5.0),
        ([-2e100, 3e100], [1e100], 1e100 * (0.5 + 29**0.5 / 2)),
    ],
)
def test_largest_eigenvalue_of_special_matrices(diagonal, off, known):
    """Decoupled, zero and exactly known ones, where a pivot of the search may vanish."""
    reference, fast = both("largest_tridiagonal", np.array([diagonal]), np.array([off]))
    np.testing.assert_array_equal(reference, fast)
    assert fast[0] == pytest.approx(known, rel=1e-15, abs=1e-300)


@often
@given(
    diagonal=st.lists(st.floats(-10, 10), min_size=2, max_size=6),
    off=st.lists(st.floats(-10, 10), min_size=5, max_size=5),
)
def test_largest_eigenvalue_of_any_matrix(diagonal, off):
    d, e = np.array([diagonal]), np.array([off[: len(diagonal) - 1]])
    reference, fast = both("largest_tridiagonal", d, e)
    np.testing.assert_array_equal(reference, fast)
    spectrum = np.linalg.eigvalsh(dense(d, e)[0])
    assert abs(fast[0] - spectrum[-1]) <= 1e-14 * np.abs(spectrum).max()


@pytest.mark.parametrize("k", [1, 2, 25])
def test_leading_weight_against_lapack(k):
    """On real Wishart matrices, where the first component is not small: its relative error is 1e-16 over its square."""
    source, i = np.random.default_rng(k), np.arange(k)
    on, below = (np.sqrt(source.chisquare(df, size=(30, df.size))) for df in (2 * k - i, k - 1 - i[:-1]))
    diagonal, off = on**2, on[:, :-1] * below
    diagonal[:, 1:] += below**2
    top = eigen.largest_tridiagonal_numba(diagonal, off)
    reference, fast = both("leading_weight", diagonal, off, top)
    np.testing.assert_allclose(reference, fast, rtol=1e-13)
    vectors = np.linalg.eigh(dense(diagonal, off))[1]
    np.testing.assert_allclose(fast, vectors[:, 0, -1] ** 2, rtol=1e-10)


@pytest.mark.parametrize("k", [1, 2, 40])
@pytest.mark.parametrize("shift", [1e-3, 1.0, 1e6])
def test_shifted_traces_against_lapack(k, shift):
    diagonal, off = wishart_bands(k, 20, k)
    reference, fast = both("shifted_traces", diagonal, off, shift)
    spectrum = np.linalg.eigvalsh(dense(diagonal, off)) + shift
    expected = (1 / spectrum).sum(axis=1), np.log(spectrum).sum(axis=1)
    for one, two, known in zip(reference, fast, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12)
        np.testing.assert_allclose(two, known, rtol=1e-10)
