"""Extreme eigenvalues: ARPACK and the Lanczos iteration against LAPACK, in batches and at both ends."""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.kernels.lanczos import dense, extreme, gram, lanczos
from theorylab.kernels.random import Stream

KEY = np.array([15, 16], dtype=np.uint32)


def factors(trials, n, m):
    return Stream(KEY).normal(trials, n, m) / np.sqrt(m)


def batch(trials=4, n=60, m=80):
    x = factors(trials, n, m)
    return x @ x.transpose(0, 2, 1), Stream(KEY, first_trial=100).normal(trials, n)


def iterated(matrices, start, **options):
    return lanczos(dense(matrices), start, **options)[0]


BODIES = pytest.mark.parametrize("body", [extreme, iterated])


@BODIES
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("shift", [0.0, -10.0])
def test_values_are_lapacks(body, count, largest, shift):
    matrices, start = batch()
    matrices = matrices + shift * np.eye(60)
    expected = np.linalg.eigvalsh(matrices)
    expected = expected[:, ::-1][:, :count] if largest else expected[:, :count]
    got = body(matrices, start, count=count, largest=largest)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(matrices).max() * 60)


@BODIES
def test_other_trials_in_the_batch_change_no_bit(body):
    matrices, start = batch(6, 90, 100)
    matrices[0] *= np.linspace(0.1, 3, 90)[:, None] * np.linspace(0.1, 3, 90)  # one that converges at another step
    whole = body(matrices, start, count=2)
    alone = np.concatenate([body(matrices[i : i + 1], start[i : i + 1], count=2) for i in range(6)])
    np.testing.assert_array_equal(whole, alone)


def test_gram_operators_and_residuals():
    x = factors(3, 50, 30)
    _, start = batch(3, 50)
    values, residuals = lanczos(gram(x), start, count=2)
    expected = np.linalg.eigvalsh(x @ x.transpose(0, 2, 1))[:, ::-1][:, :2]
    assert np.all(np.abs(values - expected) <= residuals + 1e-14)
    assert np.all(residuals <= 1e-10 * values.max())


def test_array_code_keeps_to_the_standard():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    matrices, start = batch()
    got = extreme(strict.asarray(matrices), strict.asarray(start), count=2)
    np.testing.assert_array_equal(got, iterated(matrices, start, count=2))
    x = factors(4, 60, 80)
    got, _ = lanczos(gram(strict.asarray(x)), strict.asarray(start))
    np.testing.assert_array_equal(got, lanczos(gram(x), start)[0])


@BODIES
def test_single_precision(body):
    matrices, start = batch()
    got = body(matrices.astype(np.float32), start.astype(np.float32), tolerance=1e-5)
    np.testing.assert_allclose(got[:, 0], np.linalg.eigvalsh(matrices)[:, -1], rtol=1e-5)


def test_a_whole_spectrum_can_be_asked_for():
    start = Stream(KEY).normal(1, 20)
    got = iterated(np.diag(np.arange(20.0))[None], start, count=20)
    np.testing.assert_allclose(got[0], np.arange(20.0)[::-1], atol=1e-12)


def test_invariant_spaces_end_the_iteration_without_inventing_eigenvalues():
    """Ten copies each of three negative eigenvalues: the iteration stops at three dimensions, none of them zero."""
    diagonal = -np.repeat([1.0, 2.0, 3.0], 10)
    start = Stream(KEY).normal(2, 30)
    matrices = np.stack([np.diag(diagonal)] * 2)
    np.testing.assert_allclose(iterated(matrices, start, count=3), [[-1, -2, -3]] * 2, rtol=1e-13)
    with pytest.raises(ArithmeticError, match="trial 0 has repeated eigenvalues: its start leads to 3"):
        iterated(matrices, start, count=4)


def test_the_zero_matrix():
    np.testing.assert_array_equal(iterated(np.zeros((1, 9, 9)), np.ones((1, 9))), [[0.0]])


@BODIES
def test_no_convergence_is_an_error(body):
    matrices, start = batch(2, 300, 400)
    with pytest.raises(ArithmeticError, match="not converged after 22 products"):
        body(matrices, start, products=22, tolerance=1e-14)


@BODIES
@pytest.mark.parametrize("count", [0, 61])
def test_counts_that_do_not_fit_are_refused(body, count):
    matrices, start = batch()
    with pytest.raises(ValueError, match=f"{count} eigenvalues wanted"):
        body(matrices, start, count=count)
