"""The array library of an array."""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.kernels import activations, eigen, gradient_descent, lanczos, least_squares, ntk
from theorylab.kernels.arrays import host, namespace

X, Y = np.random.default_rng(0).standard_normal((4, 12, 8)), np.random.default_rng(1).standard_normal((4, 12))
SQUARES = X @ X.transpose(0, 2, 1)
TRAINING = {"scales": [0.3, 0.3], "rates": [0.1, 0.1], "times": np.array([0, 3])}


def trained(activation):
    """Of two layers, at weights that are parts of the data."""
    return lambda x, y: gradient_descent.descend(
        [x[:, :5, :], x[:, 5:6, :5]], x[0, ...], x[1, :, :1], activation=activation, **TRAINING
    )[0]


# Array code and two arrays for it, by module.
ARRAY_CODE = {
    "eigen": [(lambda x, y: eigen.gram_eigenvalues(x), X, Y)],
    "gradient_descent": [(trained(activation), X, Y) for activation in activations.ACTIVATIONS],
    "lanczos": [
        (lambda x, y: lanczos.extreme(x, y, count=2), SQUARES, Y),
        (lambda x, y: lanczos.lanczos(lanczos.gram(x), y)[0], X, Y),
    ],
    "least_squares": [
        (least_squares.minimum_norm, X, Y),
        (lambda x, y: least_squares.ridge(x, y, 0.3, "primal"), X, Y),
        (lambda x, y: least_squares.ridge(x, y, 0.3, "dual"), X, Y),
        (lambda x, y: least_squares.ridge_numpy(x, y, 0.3), X, Y),
    ],
    "ntk": [(lambda x, y: ntk.kernel(x[0, ...], x[1, ...], y[0, ...]), X, Y)],
}


@pytest.mark.parametrize("module", ARRAY_CODE)
def test_array_code_keeps_to_the_standard(module):
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    for code, x, y in ARRAY_CODE[module]:
        np.testing.assert_allclose(host(code(strict.asarray(x), strict.asarray(y))), code(x, y), rtol=1e-9)


def test_numpy():
    assert namespace(np.ones(2), np.ones(3)).sum(np.ones(2)) == 2.0
    assert host([1.0]).dtype == float


def test_standard_arrays():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    assert namespace(strict.asarray([1.0])) is strict
    assert type(host(strict.asarray([1.0]))) is np.ndarray


def test_mixtures_and_other_things_are_refused():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    for bad in ((np.ones(1), strict.asarray([1.0])), (), ([1.0],)):
        with pytest.raises(TypeError):
            namespace(*bad)
