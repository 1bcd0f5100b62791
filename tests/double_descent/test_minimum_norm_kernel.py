"""The batched least-squares kernel against LAPACK and against 40 digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from theorylab.kernels.least_squares import minimum_norm_numba, minimum_norm_numpy
from theorylab.kernels.random import Stream

SHAPES = [(30, 20), (30, 60), (200, 100), (12, 12), (12, 13), (5, 1), (1, 5), (1, 1)]


@pytest.fixture(autouse=True)
def one_thread():
    """As in a worker: on small matrices several threads mostly wait for one another."""
    with threadpool_limits(limits=1):
        yield


def problem(n, p, trials=50, seed=1):
    stream = Stream.from_seed(seed)
    return stream.normal(trials, n, p), stream.normal(trials, n)


def distance(a, b):
    """Largest relative distance of two batches of vectors."""
    return np.max(np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1))


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_twins_agree_trial_by_trial(n, p):
    design, response = problem(n, p)
    # Square Gaussian designs have condition numbers of thousands, the others of less than a hundred.
    accuracy = 1e-13 if abs(n - p) > 1 else 1e-9
    assert distance(minimum_norm_numba(design, response), minimum_norm_numpy(design, response)) < accuracy


@pytest.mark.parametrize("solve", [minimum_norm_numpy, minimum_norm_numba])
def test_defining_properties(solve):
    design, response = problem(30, 20)
    residual = response - np.einsum("tnp,tp->tn", design, solve(design, response))
    np.testing.assert_allclose(np.einsum("tnp,tn->tp", design, residual), 0.0, atol=1e-11)

    design, response = problem(20, 30)
    found = solve(design, response)
    np.testing.assert_allclose(np.einsum("tnp,tp->tn", design, found), response, atol=1e-11)
    # Of least norm: orthogonal to every direction that the design does not see.
    seen = np.linalg.svd(design)[2][:, :20]
    unseen = found - np.einsum("tkp,tk->tp", seen, np.einsum("tkp,tp->tk", seen, found))
    np.testing.assert_allclose(unseen, 0.0, atol=1e-11)


@pytest.mark.parametrize("tall", [True, False])
@pytest.mark.parametrize("condition", [1e1, 1e3, 1e5, 1e7, 1e9, 1e11])
def test_accuracy_degrades_no_faster_than_that_of_the_decomposition(condition, tall):
    """One design of each condition number, against 40 digits; normal equations alone would be off by 1e-2 at 1e7."""
    source = np.random.default_rng(3)
    left, right = np.linalg.qr(source.normal(size=(12, 6)))[0], np.linalg.qr(source.normal(size=(6, 6)))[0]
    x = (left * np.geomspace(1, 1 / condition, 6)) @ right
    x = x if tall else np.ascontiguousarray(x.T)
    y = x @ source.normal(size=x.shape[1])
    with mpmath.workdps(40):
        a, b = mpmath.matrix(x), mpmath.matrix(y)
        exact = mpmath.lu_solve(a.T * a, a.T * b) if tall else a.T * mpmath.lu_solve(a * a.T, b)
        truth = np.array([[float(v) for v in exact]])
    assert distance(minimum_norm_numba(x[None], y[None]), truth) < 50 * condition * 2.0**-52


def test_trials_do_not_affect_each_other():
    design, response = problem(15, 15, trials=40)
    design[7, :, 3] = design[7, :, 2] * (1 + 1e-9)
    whole = minimum_norm_numba(design, response)
    single = np.concatenate([minimum_norm_numba(design[i : i + 1], response[i : i + 1]) for i in range(40)])
    np.testing.assert_array_equal(whole, single)


def test_a_singular_design_gets_the_solution_of_least_norm():
    design, response = problem(10, 4, trials=3)
    design[1, :, 3] = 0.0
    found = minimum_norm_numba(design, response)
    np.testing.assert_allclose(found, minimum_norm_numpy(design, response), rtol=1e-12, atol=1e-14)
    assert found[1, 3] == 0.0
