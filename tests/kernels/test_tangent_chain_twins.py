"""Chains of layers: twins, batches, special cases. All deterministic."""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.kernels import tangent_chain
from theorylab.kernels.random import Stream

KEY = np.array([21, 22], dtype=np.uint32)


@pytest.mark.parametrize("slope", [0.0, 1.0, -1.0, 0.3])
@pytest.mark.parametrize("widths", [(), (1,), (2, 1, 3), (17, 40)])
def test_twins_agree_network_by_network(widths, slope):
    a, b = (tangent_chain.norms(50, Stream(KEY, backend), widths, slope, 1.7) for backend in ("numpy", "numba"))
    for x, y in zip(a, b):
        assert x.shape == (50, len(widths) + 1)
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_batches_of_networks_change_no_bit(backend):
    whole = tangent_chain.norms(7, Stream(KEY, backend), (4, 5), 0.0, 2.0)
    parts = [tangent_chain.norms(n, Stream(KEY, backend, first_trial=s), (4, 5), 0.0, 2.0) for s, n in ((0, 3), (3, 4))]
    for x, *pieces in zip(whole, *parts):
        np.testing.assert_array_equal(np.concatenate(pieces), x)


def test_array_code_keeps_to_the_standard():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    normals = Stream(KEY).normal(6, tangent_chain.numbers((3, 4)))
    for x, y in zip(
        tangent_chain.norms_of(strict.asarray(normals), (3, 4), 0.2, 1.5),
        tangent_chain.norms_of(normals, (3, 4), 0.2, 1.5),
    ):
        np.testing.assert_allclose(np.asarray(x), y, rtol=1e-14)


@pytest.mark.parametrize("norms", [tangent_chain.norms_of, tangent_chain.norms_numba])
def test_a_dead_layer_stops_everything_behind_and_before_it(norms):
    """Three hidden layers, the second with all preactivations below 0."""
    normals = np.abs(Stream(KEY).normal(5, tangent_chain.numbers((3, 2, 4))))
    normals[:, 3:5] *= -1.0
    forward, backward = norms(normals, (3, 2, 4), 0.0, 2.0)
    assert np.all(forward[:, :2] > 0)
    np.testing.assert_array_equal(forward[:, 2:], 0.0)
    np.testing.assert_array_equal(backward[:, :3], 0.0)
    np.testing.assert_array_equal(backward[:, 3], 1.0)


def test_linear_units_one_wide_are_a_product():
    """s^l df/dz^l is the output at every layer: nothing is left for the projection."""
    normals = Stream(KEY).normal(20, tangent_chain.numbers((1, 1, 1)))
    forward, backward = tangent_chain.norms_numba(normals, (1, 1, 1), 1.0, 1.3)
    output = 1.3 * forward[:, 3] * normals[:, 3] ** 2
    np.testing.assert_allclose(forward[:, 1:] * backward[:, :-1], np.outer(output, np.ones(3)), rtol=1e-12)
