"""The theory of deep nonlinear networks: limits, linear networks by linear algebra, arrays, derivations, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d
from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear_steps as steps
from theorylab.errors import DomainError
from theorylab.figures.learning_dynamics.dmft_deep_nonlinear import FIGURES

POINT = {"activation": "tanh", "L": 2, "gamma": 1.5, "rate": 0.2, "K": 1.0, "y": 1.0, "samples": 512}


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def by_linear_algebra(L, gamma, eta, K, y, last):
    """Linear networks: Gaussian processes, whose kernels solve a linear system at every step (arXiv:2205.09653)."""
    f = np.zeros(last + 1)
    n = last + 1
    H, G, RA, RB = ([np.zeros((n, n)) for _ in range(L + 2)] for _ in range(4))
    H[0][:], G[L + 1][:] = K, 1.0
    for t in range(n):
        now = np.ix_(range(t + 1), range(t + 1))
        for _ in range(2 * L + 2):
            D = np.tril(np.ones((t + 1, t + 1)), -1) * (y - f[: t + 1])
            for l in range(1, L + 1):
                C = RA[l - 1][now] + eta * gamma * H[l - 1][now] * D
                M = RB[l + 1][now] + eta * gamma * G[l + 1][now] * D
                P, Q = (np.linalg.inv(np.eye(t + 1) - x) for x in (C @ M, M @ C))
                H[l][now] = P @ (H[l - 1][now] + C @ G[l + 1][now] @ C.T) @ P.T
                G[l][now] = Q @ (G[l + 1][now] + M @ H[l - 1][now] @ M.T) @ Q.T
                RA[l][now], RB[l][now] = P @ C, Q @ M
            cross = P @ (H[L - 1][now] @ M.T + C @ G[L + 1][now]) @ Q.T
            f[: t + 1] = np.diag(cross) / gamma
    return f, np.array(H[1:-1]), np.array(G[1:-1])


@pytest.mark.parametrize("L", [2, 3])
def test_linear_networks_are_those_of_linear_algebra(L):
    t = np.arange(7)
    point = {**POINT, "activation": "linear", "L": L, "rate": 0.08, "K": 0.9, "t": t, "samples": 1024}
    f, H, G = by_linear_algebra(L, 1.5, 0.08, 0.9, 1.0, 6)
    for prediction, expected in ((d.OUTPUT, f), (d.FORWARD, H[:, t, t]), (d.BACKWARD, G[:, t, t])):
        value, error = prediction.evaluate(**point)
        np.testing.assert_array_less(np.abs(value - expected), error + 1e-9)
        assert error.max() < 0.03 * np.abs(expected).max()


@pytest.mark.parametrize(("name", "L"), [("tanh", 3), ("erf", 1), ("relu", 2), ("linear", 2)])
def test_lazy_limit_is_descent_with_the_initial_tangent_kernel(name, L):
    point = {**POINT, "activation": name, "L": L, "gamma": 0.001, "t": np.arange(5)}
    value, error = d.OUTPUT.evaluate(**point)
    expected = d.LAZY(**{k: v for k, v in point.items() if k not in ("gamma", "samples")})
    np.testing.assert_array_less(np.abs(value - expected), error + 0.002 * np.abs(expected) + 1e-12)
    assert error.max() < 0.01


def test_initial_tangent_kernel_of_relu_networks():
    for L in (1, 2, 5):
        assert d.tangent_kernel("relu", L, 0.7) == pytest.approx((L + 1) * 0.7 / 2**L, rel=1e-12)
    value, error = d.TANGENT.evaluate(**{**POINT, "activation": "relu", "t": 0})
    assert abs(value - 0.75) < error < 0.01


def test_smooth_networks_approach_the_lazy_limit_like_gamma_squared_and_relu_like_gamma():
    for name, power in (("tanh", 2), ("relu", 1)):
        point = {**POINT, "activation": name, "t": 4, "samples": 4096}
        lazy = d.LAZY(**{k: v for k, v in point.items() if k not in ("gamma", "samples")})
        wide, narrow = (abs(float(d.OUTPUT(**{**point, "gamma": g}) - lazy)) for g in (0.2, 0.1))
        assert 2 ** (power - 0.4) < wide / narrow < 2 ** (power + 0.5)


def test_learning_moves_kernels_more_the_larger_gamma():
    values = [d.FORWARD(**{**POINT, "gamma": g, "t": 6})[-1] for g in (0.1, 0.5, 1.0, 2.0)]
    assert np.all(np.diff(values) > 0.01)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(["tanh", "relu", "erf"]),
    gamma=st.floats(0.1, 2.0),
    rate=st.floats(0.01, 0.1),
    c=st.floats(0.2, 5.0),
)
def test_laziness_and_label_come_as_their_product(name, gamma, rate, c):
    """f(gamma, y) / y is a function of gamma y: outputs are measured in units of 1/gamma."""
    point = {**POINT, "activation": name, "rate": rate, "samples": 16, "t": np.arange(4)}
    a = {q: getattr(d, q)(**{**point, "gamma": gamma, "y": 1.0}) for q in ("OUTPUT", "FORWARD", "BACKWARD")}
    b = {q: getattr(d, q)(**{**point, "gamma": gamma / c, "y": c}) for q in a}
    np.testing.assert_allclose(b["OUTPUT"], c * a["OUTPUT"], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(b["FORWARD"], a["FORWARD"], rtol=1e-8)
    np.testing.assert_allclose(b["BACKWARD"], a["BACKWARD"], rtol=1e-8)


def test_arrays_broadcast_and_times_share_a_solution():
    gammas, times = np.array([0.5, 2.0])[:, None], np.array([1, 3, 3])
    value, error = d.OUTPUT.evaluate(**{**POINT, "samples": 64, "gamma": gammas, "t": times})
    assert value.shape == error.shape == (2, 3)
    one = d.OUTPUT(**{**POINT, "samples": 64, "gamma": 2.0, "t": 3})
    assert value[1, 1] == value[1, 2] == one
    assert d.FORWARD(**{**POINT, "samples": 64, "gamma": gammas, "t": times}).shape == (2, 2, 3)
    two = {**POINT, "rho": 0.3, "y2": -0.5, "samples": 64}
    assert d.OUTPUTS(**{**two, "t": times}).shape == (2, 3)
    assert d.TWO_TIMES(**{**POINT, "samples": 64, "t": times}).shape == (2, 3, 3)


def test_two_independent_patterns_do_not_wait_for_each_other():
    """At gamma -> 0 and rho = 0 linear networks learn each as if alone."""
    point = {**POINT, "activation": "linear", "gamma": 0.001, "rate": 0.1, "t": np.arange(4), "samples": 1024}
    both, error = d.OUTPUTS.evaluate(**{**point, "rho": 0.0, "y2": -0.5})
    alone = d.OUTPUT(**point)
    np.testing.assert_array_less(np.abs(both - np.stack([alone, -0.5 * alone])), 2 * error + 1e-12)


@pytest.mark.parametrize("build", [steps.single_site, steps.lazy])
def test_steps_replay(build):
    found = build()
    assert len(found) >= 6
    for step in found:
        assert step.replay() == "symbolic"


@pytest.mark.parametrize(
    ("prediction", "changes", "message"),
    [
        (d.OUTPUT, {"gamma": 0.0, "t": 1}, "gamma"),
        (d.OUTPUT, {"activation": "sine", "t": 1}, "activation"),
        (d.OUTPUT, {"rate": 30.0, "t": 1}, r"take rate < 2\.[0-9]+"),
        (d.OUTPUT, {"samples": 100, "t": 1}, "power of two"),
        (d.OUTPUT, {"t": 1.5}, "t = 1.5"),
        (d.TWO_TIMES, {"gamma": np.array([1.0, 2.0]), "t": np.array([1, 2])}, "arrays of t alone"),
        (d.BY_TANGENTS, {"activation": "relu", "t": 1}, "no second derivative"),
    ],
)
def test_mistakes_are_named_in_one_line(prediction, changes, message):
    with pytest.raises(DomainError, match=message) as caught:
        prediction.evaluate(**{**POINT, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.full
@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_drawn(name):
    assert FIGURES[name]("quick").axes
