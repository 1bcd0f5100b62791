"""The finite-width tangent kernel: brute force over gates, other routes, limits, symmetries, twins.

Simulations have fixed streams; a comparison at z = 5.5 would fail by chance once in 2e7 where everything is right.
"""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import strict_stream

from theorylab.derivations.infinite_width import ntk_finite_width_recursion as recursion
from theorylab.derivations.infinite_width import ntk_finite_width_variance as d
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.prediction import ClosedForm, Prediction
from theorylab.sims.infinite_width import deep_tangent

FORMS = {name: p for name, p in vars(d).items() if isinstance(p, ClosedForm)}
NETWORK = {"alpha": 0.0, "C_W": 1.7, "q0": 1.3, "lambda_b": 0.6, "lambda_W": 0.8}
fixed = settings(derandomize=True, deadline=None, max_examples=30)
Z = 5.5


def test_derivations_replay():
    derivations = {id(p.derivation): p.derivation for p in vars(d).values() if isinstance(p, Prediction)}
    assert len(derivations) == 2
    for derivation in derivations.values():
        derivation.replay()


@pytest.mark.parametrize("name", FORMS)
def test_corners_agree_with_fifty_digits(name):
    for corner in FORMS[name].corners:
        exact = FORMS[name].mp(**corner)
        assert abs(mpmath.mpf(float(FORMS[name](**corner))) - exact) <= 1e-10 * abs(exact), corner


def by_matrices_of_gates(widths, alpha, C_W, q0, lambda_b, lambda_W):
    """E Theta and E Theta^2 of two or three layers by Gaussian moments written out, for every pattern of gates.

    Theta is a polynomial in the weights once the gates are fixed; a layer whose gates are all 0 switches off the next.
    """
    n = list(widths)
    mean = second = 0.0
    patterns = list(itertools.product(*(itertools.product([1.0, alpha], repeat=k) for k in n)))
    for gates in patterns:
        # Behind a dead layer the gates are alpha, whatever their coins.
        gates = [np.array(g) for g in gates]
        for before, after in itertools.pairwise(gates):
            if not np.any(before):
                after[:] = alpha
        a = np.sum(gates[0] ** 2)
        if len(n) == 1:
            # Theta = (b + W q) C/n chi + b + W q C/n chi': output weights and first preactivations, both per unit.
            u = gates[0] ** 2
            v, x = C_W / n[0] * (lambda_b + lambda_W * q0), lambda_W * q0 * C_W / n[0]
            m1, m2 = np.sum(u), 2 * np.sum(u**2) + np.sum(u) ** 2
            mean += (v + x) * m1 + lambda_b
            second += (v * v + x * x) * m2 + 2 * v * x * m1**2 + 2 * lambda_b * (v + x) * m1 + lambda_b**2
            continue
        # Two hidden layers: sums over the entries of the matrix between them, rows i of gates e, columns j of gates u.
        u, e = gates[0] ** 2, gates[1] ** 2
        c1, c2 = C_W / n[0], C_W / n[1]
        q1, q12 = C_W * q0 * a / n[0], (C_W * q0 / n[0]) ** 2 * (2 * np.sum(u**2) + a**2)
        b, s = np.sum(e), 2 * np.sum(e**2) + np.sum(e) ** 2
        back2, back22 = c2 * b, c2**2 * s
        s2 = C_W / n[1] * b * q1
        s22 = (C_W / n[1]) ** 2 * s * q12
        frob = np.sum(np.outer(e, u))
        row = np.outer(np.sqrt(e), np.sqrt(u)) ** 2
        back1, back12 = (
            c1 * c2 * frob,
            (c1 * c2) ** 2
            * (
                sum(
                    row[i, j] * row[k, m] * (1 + 2 * (i == k)) * (1 + 2 * (j == m))
                    for i, j, k, m in itertools.product(range(n[1]), range(n[0]), range(n[1]), range(n[0]))
                )
            ),
        )
        third = lambda_b + lambda_W * s2
        mean += (lambda_b + lambda_W * q0) * back1 + (lambda_b + lambda_W * q1) * back2 + third
        w1 = lambda_b + lambda_W * q0
        diagonal = (
            w1**2 * back12
            + (lambda_b**2 + 2 * lambda_b * lambda_W * q1 + lambda_W**2 * q12) * back22
            + lambda_b**2
            + 2 * lambda_b * lambda_W * s2
            + lambda_W**2 * s22
        )
        # Layers 1 and 2: output weights shared, |D W^T ...|^2 against q1 alone, independent of W.
        shared = (
            c1
            * c2**2
            * sum(
                u[j] * e[i] * e[k] * (1 + 2 * (i == k))
                for i, j, k in itertools.product(range(n[1]), range(n[0]), range(n[1]))
            )
        )
        pair12 = w1 * (lambda_b + lambda_W * q1) * shared
        # Layers 1 and 3: back1 against s2, sharing the middle matrix only.
        middle = (
            c1
            * c2
            * C_W
            / n[1]
            * (C_W * q0 / n[0])
            * sum(
                row[i, j] * row[k, m] * (1 + 2 * ((i, j) == (k, m)))
                for i, j, k, m in itertools.product(range(n[1]), range(n[0]), range(n[1]), range(n[0]))
            )
        )
        pair13 = w1 * (lambda_b * back1 + lambda_W * middle)
        # Layers 2 and 3: q1 against s2 share the first layer, back2 is of the output weights alone.
        pair23 = lambda_b**2 * back2 + lambda_b * lambda_W * (q1 * back2 + s2 * back2)
        pair23 += lambda_W**2 * back2 * C_W / n[1] * b * q12
        second += diagonal + 2 * (pair12 + pair13 + pair23)
    return mean / len(patterns), second / len(patterns)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 0.3, -0.7])
@pytest.mark.parametrize("widths", [(1,), (3,), (1, 1), (2, 1), (1, 3), (2, 3)])
def test_brute_force_over_gates(widths, alpha):
    network = {**NETWORK, "alpha": alpha}
    mean, second = by_matrices_of_gates(widths, **network)
    assert d.MEAN(widths=np.array(widths), **network) == pytest.approx(mean, rel=1e-12)
    assert d.SECOND(widths=np.array(widths), **network) == pytest.approx(second, rel=1e-12)


def test_no_hidden_layer_is_not_random():
    network = {**NETWORK, "widths": np.array([])}
    assert d.MEAN(**network) == pytest.approx(0.6 + 0.8 * 1.3)
    assert d.SECOND(**network) == pytest.approx((0.6 + 0.8 * 1.3) ** 2)
    assert d.EQUAL_WIDTHS(n=9, L=1, alpha=0.0) == pytest.approx(1.0)


@fixed
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.floats(-1.0, 1.0), st.floats(0.3, 3.0), st.floats(0, 2))
def test_the_second_moment_exceeds_the_squared_mean_and_falls_with_width(widths, alpha, C_W, lambda_b):
    network = {**NETWORK, "alpha": alpha, "C_W": C_W, "lambda_b": lambda_b}
    mean, second = recursion.moments(widths, **network)
    wide_mean, wide_second = recursion.moments([4 * n for n in widths], **network)
    assert second > mean**2
    assert wide_second / wide_mean**2 < second / mean**2
    if alpha != 0 or lambda_b == 0:
        assert wide_mean == pytest.approx(mean, rel=1e-12)
    huge_mean, huge_second = recursion.moments([10**9] * len(widths), **network)
    assert huge_second == pytest.approx(huge_mean**2, rel=1e-5)


@fixed
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.floats(0.0, 1.0), st.floats(0.1, 10.0))
def test_symmetries(widths, alpha, unit):
    """The sign of alpha does not matter, but for a dead layer's; weights alone see no order of the widths."""
    weights = {**NETWORK, "lambda_b": 0.0, "alpha": alpha}
    mean, second = recursion.moments(widths, **weights)
    assert recursion.moments(widths, **{**weights, "alpha": -alpha}) == pytest.approx((mean, second), rel=1e-12)
    assert recursion.moments(widths[::-1], **weights) == pytest.approx((mean, second), rel=1e-10)
    scaled = recursion.moments(widths, **{**weights, "q0": unit * weights["q0"]})
    assert scaled == pytest.approx((unit * mean, unit**2 * second), rel=1e-12)


def test_absolute_value_units_are_like_linear_ones():
    for point in ({"n": 7, "L": 5}, {"n": 1, "L": 3}):
        assert d.EQUAL_WIDTHS(**point, alpha=-1.0) == pytest.approx(
            float(d.EQUAL_WIDTHS(**point, alpha=1.0)), rel=1e-13
        )


@pytest.mark.parametrize(("alpha", "slope", "rate"), [(0.0, 11 / 3, 5), (1.0, 4 / 3, 2)])
def test_limits_of_the_limit(alpha, slope, rate):
    assert (d.LIMIT(r=1e-6, alpha=alpha) - 1) / 1e-6 == pytest.approx(slope, rel=1e-4)
    assert d.LIMIT(r=10.0, alpha=alpha) * np.exp(-rate * 10.0) == pytest.approx(1 / 3, rel=0.15)
    assert d.LIMIT(r=1 / 3, alpha=0.0) * 1.4 == pytest.approx(float(d.QUOTED(r=1 / 3, alpha=0.0)), rel=0.01)


def test_the_distance_at_width_800():
    """Within 3 % at n = 800 for r up to 1.5, as the first correction says."""
    for r in (0.25, 0.75, 1.5):
        gap = d.ratio(800, round(800 * r), 0.0) / float(d.LIMIT(r=r, alpha=0.0)) - 1
        assert -0.03 < gap < -0.008
        assert gap == pytest.approx(float(d.CORRECTION(r=r, alpha=0.0)) / 800, rel=0.03)


def test_bias_gradients_alone():
    """A closed form of another kind: at b = 1, 2 (e^cr - 1 - cr)/(cr)^2."""
    for r, alpha, c in ((0.4, 0.0, 5.0), (1.3, 1.0, 2.0)):
        x = c * r
        expected = 2 * (np.exp(x) - 1 - x) / x**2
        assert d.LIMIT_WITH_BIASES(r=r, alpha=alpha, b=1.0) == pytest.approx(expected, rel=1e-12)


def test_bad_input_is_one_line():
    with pytest.raises(DomainError, match="widths is the array of one network's widths"):
        d.SECOND(widths=np.array([3, 4]), alpha=np.array([0.0, 1.0]))
    with pytest.raises(DomainError, match="integers >= 1"):
        d.SECOND(widths=np.array([3, 0]))
    with pytest.raises(DomainError, match=r"alpha = 2 is outside its domain \[-1, 1\]"):
        d.LIMIT(r=0.5, alpha=2.0)
    with pytest.raises(DomainError, match="r = 0 is outside its domain"):
        d.LIMIT(r=0.0)


SIMULATED = {"widths": np.array([5, 3, 4]), **NETWORK}


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, 0.3])
@pytest.mark.parametrize("simulation", [deep_tangent.chains, deep_tangent.matrices])
def test_twins_agree_trial_by_trial(simulation, alpha):
    found = [
        simulation.function(4, Stream.from_seed(3, backend), **{**SIMULATED, "alpha": alpha}, networks=7)
        for backend in ("numpy", "numba")
    ]
    for name, values in found[0].items():
        np.testing.assert_allclose(values, found[1][name], rtol=1e-12)


def test_matrices_keep_to_the_array_standard():
    for simulation in (deep_tangent.chains, deep_tangent.matrices):
        found = simulation.function(3, strict_stream(3, "numpy"), **SIMULATED, networks=5)
        plain = simulation.function(3, Stream.from_seed(3, "numpy"), **SIMULATED, networks=5)
        for name, values in plain.items():
            np.testing.assert_allclose(np.asarray(found[name]), values, rtol=1e-13)


def test_matrices_are_the_gradients():
    """The kernel from the passes against finite differences of the network itself."""
    sizes = [4, 3]
    forward, backward = deep_tangent.passes(1, Stream.from_seed(9), 1, sizes, 0.2, 1.4)
    theta = float(np.sum((0.6 + 0.8 * 1.3 * forward) * backward))
    shape = [deep_tangent.INPUTS, *sizes, 1]
    stream = Stream.from_seed(9)
    w = [stream.normal(1, 1, b, a)[0, 0] for a, b in itertools.pairwise(shape)]
    biases = [np.zeros(b) for b in shape[1:]]
    x = np.zeros(deep_tangent.INPUTS)
    x[0] = np.sqrt(1.3 * deep_tangent.INPUTS)

    def output():
        s = x
        for matrix, bias in zip(w, biases):
            z = np.sqrt(1.4 / len(s)) * matrix @ s + bias
            s = np.where(z > 0, z, 0.2 * z)
        return z[0]

    total, step = 0.0, 1e-6
    for arrays, factor in ((w, 0.8 / 1.4), (biases, 0.6)):
        for array in arrays:
            for i in np.ndindex(array.shape):
                keep = array[i]
                array[i] = keep + step
                high = output()
                array[i] = keep - step
                total += factor * ((high - output()) / (2 * step)) ** 2
                array[i] = keep
    assert theta == pytest.approx(total, rel=1e-7)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_chains_have_the_law_of_the_matrices(alpha):
    """Means and correlations of all norms of both simulations, 3000 networks of each."""
    sizes, count = [4, 2, 3], 3000
    chain = deep_tangent._of_all(count, Stream.from_seed(11), 1, sizes, alpha, 2.0)
    full = deep_tangent.passes(count, Stream.from_seed(12), 1, sizes, alpha, 2.0)
    columns = []
    for forward, backward in (chain, full):
        norms = np.concatenate([forward[:, 1:], backward[:, :-1]], axis=1)
        # Square roots have lighter tails; products of any two see how they hang together.
        root = np.sqrt(norms)
        pairs = [root[:, i] * root[:, j] for i in range(root.shape[1]) for j in range(i + 1)]
        columns.append(np.stack([*root.T, *pairs]))
    gap = columns[0].mean(axis=1) - columns[1].mean(axis=1)
    error = np.sqrt(sum(c.var(axis=1, ddof=1) for c in columns) / count)
    assert np.all(np.abs(gap) < Z * error)


@pytest.mark.parametrize(("widths", "alpha", "lambda_b"), [((3, 2, 3), 0.0, 1.0), ((6, 4), 1.0, 0.0)])
def test_simulated_kernels_have_the_predicted_moments(widths, alpha, lambda_b):
    network = {**SIMULATED, "widths": np.array(widths), "alpha": alpha, "lambda_b": lambda_b}
    out = deep_tangent.chains(800, Stream.from_seed(5), **network, networks=256)
    network.pop("networks", None)
    for name, prediction in (("theta", d.MEAN), ("square", d.SECOND)):
        error = out[name].std(ddof=1) / np.sqrt(len(out[name]))
        assert abs(out[name].mean() - float(prediction(**network))) < Z * error
