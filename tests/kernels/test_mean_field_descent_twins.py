"""Gradient descent in the mean-field parametrisation: twins, full weights by the general kernel, array standard."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorylab.kernels import gradient_descent
from theorylab.kernels.arrays import host
from theorylab.kernels.mean_field_descent import ACTIVATIONS, descend, descend_numba

GRAM = np.array([[1.0, 0.3], [0.3, 0.7]])
TARGETS = np.array([1.0, -0.6])
GAMMA, RATE, STEPS = 1.7, 0.08, 6


def start(depth, replicas=2, heads=2, width=7, seed=0):
    source = np.random.default_rng(seed)
    first = np.linalg.cholesky(GRAM) @ source.standard_normal((replicas, 2, width))
    hidden = source.standard_normal((replicas, depth - 1, width, width))
    return first, hidden, source.standard_normal((replicas, heads, width))


def options(activation="tanh", **changes):
    return {"activation": activation, "gamma": GAMMA, "rate": RATE, "steps": STEPS, **changes}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_twins_agree_replica_by_replica(activation, depth):
    given = start(depth)
    a, b = (body(*given, GRAM, TARGETS, **options(activation)) for body in (descend, descend_numba))
    assert a[0].shape == (2, 2, STEPS + 1, 2)
    assert a[1].shape == a[2].shape == (2, depth, 2, STEPS + 1, 2, 7)
    for mine, theirs in zip(a, b):
        np.testing.assert_allclose(mine, theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("depth", [1, 3])
def test_outputs_are_those_of_full_weights(activation, depth):
    """The general kernel, which changes whole matrices, on inputs with this Gram matrix."""
    first, hidden, readout = start(depth, heads=1)
    width = first.shape[2]
    inputs = np.linalg.cholesky(GRAM) * math.sqrt(2)
    below = np.linalg.solve(inputs, first * math.sqrt(2)).transpose(0, 2, 1)
    scales = [1 / math.sqrt(2), *[1 / math.sqrt(width)] * (depth - 1), 1 / (GAMMA * width)]
    full = gradient_descent.descend(
        [below, *np.moveaxis(hidden, 1, 0), readout],
        inputs,
        TARGETS[:, None],
        scales=scales,
        rates=[RATE * GAMMA**2 * width] * (depth + 1),
        activation=activation,
        times=np.arange(STEPS + 1),
    )[0]
    ours = descend(first, hidden, readout, GRAM, TARGETS, **options(activation))[0]
    np.testing.assert_allclose(ours[:, 0], full[..., 0], rtol=1e-11, atol=1e-12)


def test_backward_fields_are_the_gradient_of_the_output():
    """With respect to h^1, in units of 1/(gamma N), by central differences."""
    first, hidden, readout = start(3)
    fields = descend(first, hidden, readout, GRAM, TARGETS, **options(steps=0))
    width = first.shape[2]
    for i in range(width):
        moved = np.zeros_like(first)
        moved[..., i] = 1e-6
        up, down = (descend(first + s * moved, hidden, readout, GRAM, TARGETS, **options(steps=0))[0] for s in (1, -1))
        slope = GAMMA * width * (up - down) / 2e-6
        np.testing.assert_allclose(fields[2][:, 0, :, 0, :, i], slope[:, :, 0], rtol=1e-8, atol=1e-9)


def test_opposite_readouts_start_from_opposite_outputs():
    first, hidden, readout = start(2, heads=1)
    f = descend_numba(first, hidden, np.concatenate([readout, -readout], axis=1), GRAM, TARGETS, **options())[0]
    np.testing.assert_allclose(f[:, 0, 0], -f[:, 1, 0], rtol=1e-13)
    assert np.all(np.abs(f[:, 0, 1] + f[:, 1, 1]) > 1e-6)


def test_array_code_keeps_to_the_standard():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    first, hidden, readout = start(3)
    for activation in ACTIVATIONS:
        expected = descend(first, hidden, readout, GRAM, TARGETS, **options(activation))
        got = descend(
            strict.asarray(first),
            strict.asarray(hidden),
            strict.asarray(readout),
            strict.asarray(GRAM),
            strict.asarray(TARGETS),
            **options(activation),
        )
        for a, b in zip(got, expected):
            np.testing.assert_array_equal(host(a), b)


def test_mistakes_are_named():
    first, hidden, readout = start(2)
    with pytest.raises(ValueError, match="activation 'sine'; known are linear, relu, tanh, erf"):
        descend(first, hidden, readout, GRAM, TARGETS, **options("sine"))
    with pytest.raises(ValueError, match="do not fit"):
        descend_numba(first, hidden, readout[..., :-1], GRAM, TARGETS, **options())
