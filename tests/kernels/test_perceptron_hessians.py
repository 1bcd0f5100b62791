"""Hessians of a small network at every sample: twins, complex steps of the gradient, and second differences."""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.kernels.perceptron_hessians import hessians_numba, hessians_numpy
from theorylab.kernels.random import Stream

SHAPES = [(7, 3, 2), (5, 1, 1), (1, 4, 3), (20, 6, 5)]


def problem(n, d, h):
    rng = Stream.from_seed(4)
    return rng.normal(1, h, d)[0], rng.normal(1, h)[0], rng.normal(1, n, d)[0], rng.normal(1, n)[0]


def losses(parameters, d, h, x, y):
    """Losses of all samples, real or complex."""
    w, a = parameters[: h * d].reshape(h, d), parameters[h * d :]
    return (np.tanh(x @ w.T) @ a - y) ** 2 / 2


@pytest.mark.parametrize(("n", "d", "h"), SHAPES)
def test_twins_agree(n, d, h):
    np.testing.assert_allclose(hessians_numba(*problem(n, d, h)), hessians_numpy(*problem(n, d, h)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("body", [hessians_numpy, hessians_numba])
@pytest.mark.parametrize(("n", "d", "h"), SHAPES)
def test_complex_steps(body, n, d, h):
    """Im loss(p + i s e_j + t e_k) - Im loss(p + i s e_j - t e_k) over 2 s t: exact in s, fourth order in t."""
    w, a, x, y = problem(n, d, h)
    found = body(w, a, x, y)
    p = np.concatenate([w.ravel(), a])
    np.testing.assert_array_equal(found, np.swapaxes(found, 1, 2))
    tiny = 1e-40j

    def slope(point, j):
        moved = point.astype(complex)
        moved[j] += tiny
        return losses(moved, d, h, x, y).imag / tiny.imag

    for k in range(len(p)):
        step = 1e-3 * np.eye(len(p))[k]
        for j in range(len(p)):
            near = slope(p + step, j) - slope(p - step, j)
            far = slope(p + 2 * step, j) - slope(p - 2 * step, j)
            np.testing.assert_allclose(found[:, j, k], (8 * near - far) / 12e-3, rtol=1e-8, atol=1e-8)


def test_a_perfect_fit_leaves_the_gauss_newton_matrix():
    """Without residuals every Hessian has rank one, and its trace is the squared gradient."""
    w, a, x, _ = problem(6, 3, 2)
    found = hessians_numpy(w, a, x, np.tanh(x @ w.T) @ a)
    values = np.linalg.eigvalsh(found)
    np.testing.assert_allclose(values[:, :-1], 0.0, atol=1e-13)
    hidden = np.tanh(x @ w.T)
    square = np.sum(hidden**2, axis=1) + np.sum((a * (1 - hidden**2)) ** 2, axis=1) * np.sum(x**2, axis=1)
    np.testing.assert_allclose(values[:, -1], square, rtol=1e-12)
