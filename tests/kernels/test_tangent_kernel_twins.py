"""Monte-Carlo tangent kernels: twins, gradients of the network itself, and the infinite-width mean."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from theorylab.kernels import ntk
from theorylab.kernels.random import Stream

KEY = np.array([13, 14], dtype=np.uint32)
FALSE_ALARM = 1e-6
X = np.random.default_rng(0).standard_normal((7, 5))


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-4)])
@pytest.mark.parametrize("width", [1, 2, 300])
def test_twins_agree_draw_by_draw(width, dtype, rtol):
    a, b = (ntk.draws(3, Stream(KEY, backend), X, width, dtype) for backend in ("numpy", "numba"))
    assert a.dtype == b.dtype == dtype
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
    np.testing.assert_array_equal(b, b.transpose(0, 2, 1))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_batches_of_draws_change_no_bit(backend):
    whole = ntk.draws(5, Stream(KEY, backend), X, 30)
    parts = [ntk.draws(n, Stream(KEY, backend, first_trial=start), X, 30) for start, n in ((0, 2), (2, 3))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_array_code_keeps_to_the_standard():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    rng = Stream(KEY)
    w, a = rng.normal(1, 20, 5)[0], rng.normal(1, 20)[0]
    got = ntk.kernel(*(strict.asarray(array) for array in (X, w, a)))
    np.testing.assert_array_equal(np.asarray(got), ntk.kernel(X, w, a))


def test_the_kernel_is_the_product_of_the_gradients():
    width = 6
    rng = Stream(KEY)
    w, a = rng.normal(1, width, 5)[0], rng.normal(1, width)[0]
    h = X @ w.T
    by_readout = np.maximum(h, 0) / np.sqrt(width)
    by_input = ((h > 0) * a / np.sqrt(width))[:, :, None] * X[:, None, :]
    gradients = np.concatenate([by_readout, by_input.reshape(len(X), -1)], axis=1)
    np.testing.assert_allclose(ntk.draws(1, Stream(KEY), X, width)[0], gradients @ gradients.T, rtol=1e-12, atol=1e-14)


def test_the_mean_is_the_kernel_of_infinite_width():
    """Arc-cosine formulas of Cho and Saul; 28 entries, 4000 draws: false alarm 1e-6 in all."""
    mean, error = ntk.moments(4000, Stream(KEY), X, 20)
    norm = np.linalg.norm(X, axis=1)
    angle = np.arccos(np.clip(X @ X.T / np.outer(norm, norm), -1, 1))
    first = np.outer(norm, norm) * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    second = X @ X.T * (np.pi - angle) / (2 * np.pi)
    assert np.all(np.abs(mean - first - second) < stats.norm.isf(FALSE_ALARM / 56) * error)
    assert np.all(error < 0.05 * np.outer(norm, norm))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_moments_are_those_of_the_draws(backend):
    mean, error = ntk.moments(6, Stream(KEY, backend), X, 30)
    every = ntk.draws(6, Stream(KEY, backend), X, 30)
    np.testing.assert_allclose(mean, every.mean(axis=0), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(error, every.std(axis=0, ddof=1) / np.sqrt(6), rtol=1e-11, atol=1e-14)


def test_one_draw_has_no_standard_error():
    with pytest.raises(ValueError, match="1 trials have no standard error"):
        ntk.moments(1, Stream(KEY), X, 3)
