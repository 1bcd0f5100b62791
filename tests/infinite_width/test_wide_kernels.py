"""Gram matrices of wide networks: digits, neural-tangents' values, architectures, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.infinite_width import recursion
from theorylab.derivations.infinite_width.activations import activation
from theorylab.derivations.infinite_width.recursion import differences, gram, layers
from theorylab.errors import DomainError

REFERENCE = json.loads((Path(__file__).parent / "neural_tangents.json").read_text())
ACTIVATIONS = {
    name: activation(name)
    for name in ("relu", "erf", "sin", "cos", "bump", "tanh", "gelu", "linear", "abs", "exp", "Abs(z - 1)")
}
ACTIVATIONS["leaky"] = activation("leaky_relu", alpha=0.1)
ACTIVATIONS["hermite"] = activation("hermite", degree=3)


def data(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimension))


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda c: f"{c['activation']}-{c['depth']}")
def test_agrees_with_neural_tangents(case):
    """To its precision: its Theta of rectifiers is off by 2e-8 where two inputs coincide."""
    K, theta = gram(
        ACTIVATIONS[case["activation"]],
        np.array(REFERENCE["x"]),
        depth=case["depth"],
        weight_variance=case["weights"],
        bias_variance=case["biases"],
    )
    np.testing.assert_allclose(K, case["K"], rtol=1e-13, atol=1e-13)
    apart = ~np.eye(len(K), dtype=bool)
    np.testing.assert_allclose(theta[apart], np.array(case["Theta"])[apart], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(theta, case["Theta"], rtol=1e-7)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_fast_and_careful_ways_agree(name):
    act, x, y = ACTIVATIONS[name], 0.5 * data(12, 5), 0.5 * data(7, 5, 1)
    x[5], x[6] = 1.5 * x[4], x[3] + 1e-3
    scales = layers(3, 0.8, 0.1, 0.5, 0.2)
    if name == "Abs(z - 1)":
        x, y = x[:4], y[:2]
    for other in (x, y):
        found = gram(
            act,
            x,
            None if other is x else other,
            depth=3,
            weight_variance=0.8,
            bias_variance=0.1,
            weight_rate=0.5,
            bias_rate=0.2,
        )
        careful = recursion._careful(act, x, other, scales, True, False)
        for fast, slow in zip(found, careful):
            np.testing.assert_allclose(fast, slow, rtol=1e-11, atol=1e-13)
    alone = gram(act, x, depth=3, weight_variance=0.8, bias_variance=0.1, tangent=False)
    assert alone.Theta is None
    np.testing.assert_allclose(alone.K, gram(act, x, depth=3, weight_variance=0.8, bias_variance=0.1).K, rtol=1e-14)


def exact(name: str, x: np.ndarray, y: np.ndarray, depth: int, weights: float, biases: float) -> list[mpmath.mpf]:
    """K, Theta, and K(x, x) - K(x, x'), Theta(x, x) - Theta(x, x'), by the textbook formulas to 80 digits."""

    def dual(a: mpmath.mpf, b: mpmath.mpf, c: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
        if name == "relu":
            mean = mpmath.sqrt(a * b)
            t = min(c / mean, mpmath.mpf(1))
            angle = mpmath.acos(t)
            return (
                mean * (mpmath.sin(angle) + (mpmath.pi - angle) * t) / (2 * mpmath.pi),
                (mpmath.pi - angle) / (2 * mpmath.pi),
            )
        if name == "erf":
            below = (1 + 2 * a) * (1 + 2 * b)
            return 2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt(below)), 4 / mpmath.pi / mpmath.sqrt(
                below - 4 * c * c
            )
        return mpmath.exp(-(a + b) / 2) * mpmath.sinh(c), mpmath.exp(-(a + b) / 2) * mpmath.cosh(c)

    u, v = ([mpmath.mpf(float(t)) for t in row] for row in (x, y))
    triple = [mpmath.fsum(s * t for s, t in zip(*both)) / len(u) for both in ((u, u), (v, v), (u, v))]
    kernel = [mpmath.mpf(biases) + mpmath.mpf(weights) * t for t in triple]
    tangent = list(kernel)
    for _ in range(depth - 1):
        a, b, c = kernel
        found = [dual(a, a, a), dual(b, b, b), dual(a, b, c)]
        kernel = [mpmath.mpf(biases) + mpmath.mpf(weights) * g for g, _ in found]
        tangent = [k + mpmath.mpf(weights) * h * t for k, (_, h), t in zip(kernel, found, tangent)]
    return [kernel[2], tangent[2], kernel[0] - kernel[2], tangent[0] - tangent[2]]


@pytest.mark.parametrize("name", ["relu", "erf", "sin"])
@pytest.mark.parametrize(("depth", "weights", "biases"), [(2, 1.5, 0.1), (4, 2.0, 0.0), (40, 1.5, 0.1)])
def test_close_opposite_and_deep_keep_their_digits(name, depth, weights, biases):
    """All digits at distances of 1e-8 from coincidence and opposition; a rounded correlation would keep none."""
    x = data(1, 4)[0]
    across = data(1, 4, 1)[0]
    orthogonal = np.array([x[1], -x[0], x[3], -x[2]])
    for y in (x + 1e-8 * across, x + 1e-9 * orthogonal, 1.3 * x + 1e-6 * across, -x + 1e-7 * across, across):
        with mpmath.workdps(80):
            expected = exact(name, x, y, depth, weights, biases)
            scales = {"depth": depth, "weight_variance": weights, "bias_variance": biases}
            values, gaps = gram(name, x[None], y[None], **scales), differences(name, x[None], y[None], **scales)
            for ours, right in zip((*values, *gaps), expected):
                assert abs(mpmath.mpf(float(ours[0, 0])) - right) <= 1e-12 * abs(right), (name, y)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    depth=st.integers(1, 6),
    biases=st.floats(0, 1),
    name=st.sampled_from(["relu", "erf", "sin", "abs"]),
)
def test_kernels_are_symmetric_and_positive(seed, depth, biases, name):
    x = data(9, 3, seed)
    for matrix in gram(name, x, depth=depth, weight_variance=1.5, bias_variance=biases):
        np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, atol=1e-14)
        assert np.linalg.eigvalsh(matrix)[0] > -1e-11 * np.trace(matrix)


def test_limits_and_special_cases():
    x = data(6, 4)
    inner = x @ x.T / 4
    K, theta = gram("erf", x, depth=1, weight_variance=1.5, bias_variance=0.1)
    np.testing.assert_allclose(K, 0.1 + 1.5 * inner, rtol=1e-13)
    np.testing.assert_allclose(theta, K, rtol=1e-13)
    # Linear networks: every layer multiplies, Theta = L K.
    K, theta = gram("linear", x, depth=4, weight_variance=1.0)
    np.testing.assert_allclose(K, inner, rtol=1e-13)
    np.testing.assert_allclose(theta, 4 * inner, rtol=1e-13)
    # A leaky ReLU of slope 1 is linear; one that scales its inputs scales its kernels.
    np.testing.assert_allclose(
        gram(activation("leaky_relu", alpha=1.0), x, depth=4).Theta, gram("linear", x, depth=4).Theta, rtol=1e-12
    )
    np.testing.assert_allclose(gram("relu", 3 * x, depth=4).Theta, 9 * gram("relu", x, depth=4).Theta, rtol=1e-12)
    # Small weights make erf linear: 2/sqrt(pi) z.
    small = gram("erf", 1e-4 * x, depth=2).K
    np.testing.assert_allclose(small, 1e-8 * 4 / np.pi * inner, rtol=1e-6)


def test_layers_of_their_own():
    """No biases at the output: C_b and lambda_b are dropped there, in K and in Theta; trained readouts alone give K."""
    x = data(5, 4)
    with_bias = gram("relu", x, depth=3, weight_variance=1.5, bias_variance=0.2)
    without = gram("relu", x, depth=3, weight_variance=1.5, bias_variance=[0.2, 0.2, 0.0])
    for one, other in zip(with_bias, without):
        np.testing.assert_allclose(one - other, 0.2, rtol=1e-12)
    readout = gram("relu", x, depth=3, weight_variance=1.5, weight_rate=[0, 0, 1.5], bias_rate=0.0)
    np.testing.assert_allclose(readout.Theta, readout.K, rtol=1e-13)
    rates = gram("erf", x, depth=3, weight_variance=1.5, bias_variance=0.2, weight_rate=3.0, bias_rate=0.4)
    np.testing.assert_allclose(rates.Theta, 2 * gram("erf", x, depth=3, weight_variance=1.5, bias_variance=0.2).Theta)


def test_differences_of_far_inputs_are_differences():
    x, y = data(8, 6), data(5, 6, 2)
    for name in ("relu", "erf", "tanh"):
        values, gaps = gram(name, x, y, depth=3), differences(name, x, y, depth=3)
        own = gram(name, x, depth=3)
        np.testing.assert_allclose(gaps.K, np.diag(own.K)[:, None] - values.K, atol=1e-13)
        np.testing.assert_allclose(gaps.Theta, np.diag(own.Theta)[:, None] - values.Theta, atol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"depth": 0}, "depth = 0 is outside its domain"),
        ({"depth": 2, "weight_variance": -1.0}, "weight_variance = -1"),
        ({"depth": 2, "bias_variance": [0.1, 0.2, 0.3]}, "3 values for 2 weight layers"),
        ({"depth": 2, "y": np.ones((2, 3))}, "same dimension"),
        ({"depth": 2, "x": np.ones(3)}, "rows of a matrix"),
        ({"depth": 2, "x": np.array([[1.0, np.inf]])}, "not finite"),
        ({"depth": 2, "x": np.array([[1.0, 0.0], [0.0, 0.0]])}, "norm zero"),
        ({"depth": 8, "act": "exp"}, "exceed double precision"),
        ({"depth": 2, "act": "heaviside"}, "jumps"),
    ],
)
def test_bad_inputs_are_refused_in_one_line(arguments, words):
    given_to = {"act": "relu", "x": data(3, 2), **arguments}
    with pytest.raises(DomainError, match=words) as caught:
        gram(**given_to)
    assert "\n" not in str(caught.value)


def test_norm_zero_needs_no_angle_with_biases():
    x = np.array([[1.0, 0.0], [0.0, 0.0]])
    K, theta = gram("relu", x, depth=2, bias_variance=0.1)
    assert np.all(np.isfinite(K))
    assert theta[1, 1] > 0
    K, _ = gram("erf", x, depth=2)
    assert K[0, 1] == 0.0


def test_many_inputs_go_in_blocks():
    """More pairs than a block holds, compiled pass and array code: the same as their parts."""
    x = data(260, 5)
    for name in ("relu", "erf", "tanh"):
        whole = gram(name, x, depth=3, weight_variance=1.5, bias_variance=0.1)
        part = gram(name, x[200:], x[:30], depth=3, weight_variance=1.5, bias_variance=0.1)
        np.testing.assert_allclose(whole.Theta[200:, :30], part.Theta, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(whole.Theta, whole.Theta.T, rtol=1e-13)
