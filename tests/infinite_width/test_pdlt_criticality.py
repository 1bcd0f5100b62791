"""Recursions of metric and vertex, universality classes, exact moments, and chains of layers against dense networks."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins

from theorylab.derivations.infinite_width import pdlt_criticality as classes
from theorylab.derivations.infinite_width import pdlt_half_stable as half_stable
from theorylab.derivations.infinite_width import pdlt_moments as moments
from theorylab.derivations.infinite_width import pdlt_recursion as recursion
from theorylab.derivations.infinite_width.gaussian_averages import Averages, named, plane
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.prediction import ClosedForm, Prediction
from theorylab.sims.infinite_width import layer_chain

MODULES = (classes, half_stable, moments, recursion)
FORMS = {
    f"{module.__name__.rsplit('.', 1)[1]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, ClosedForm)
}
fixed = settings(derandomize=True, deadline=None, max_examples=30)
widths, depths = st.integers(2, 200), st.integers(1, 20)


@pytest.mark.parametrize("name", FORMS)
def test_corners_agree_with_fifty_digits(name):
    form = FORMS[name]
    for corner in form.corners:
        exact = form.mp(**corner)
        assert abs(mpmath.mpf(float(form(**corner))) - exact) <= 1e-10 * abs(exact), corner


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__.rsplit(".", 1)[1])
def test_derivations_replay(module):
    derivations = {id(p.derivation): p.derivation for p in vars(module).values() if isinstance(p, Prediction)}
    for derivation in derivations.values():
        derivation.replay()


@pytest.mark.parametrize(("name", "power", "value"), [("linear", 2, 1.7), ("relu", 2, 0.85), ("relu", 4, 1.5 * 1.7**2)])
def test_averages_of_known_functions(name, power, value):
    for fine in (True, False):
        found = Averages(named(name), 1.7, fine)
        assert found.mean(found.phi**power) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("name", ["tanh", "sin", "gelu", "swish", "erf"])
def test_the_susceptibility_is_a_derivative(name):
    act, K, h = named(name), 0.8, 1e-4
    ends = [Averages(act, K + s * h, True).second for s in (1, -1)]
    assert Averages(act, K, True).parallel == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-7)
    middle = Averages(act, K, True)
    by_parts = middle.mean(np.sqrt(K) * middle.x * middle.phi * middle.slope) / K
    assert middle.parallel == pytest.approx(by_parts, rel=1e-11)
    slopes = [Averages(act, K + s * h, True).parallel for s in (1, -1)]
    assert middle.curvature == pytest.approx(4 * (slopes[0] - slopes[1]) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("name", ["gelu", "swish"])
def test_half_stable_points_are_critical(name):
    """Both susceptibilities are 1 and the metric is a fixed point, with the closed values."""
    found = {
        "gelu": (half_stable.GELU_METRIC, half_stable.GELU_WEIGHT, half_stable.GELU_BIAS),
        "swish": (half_stable.SWISH_METRIC, half_stable.SWISH_WEIGHT, half_stable.SWISH_BIAS),
    }[name]
    K, weight, bias = (float(p()) for p in found)
    assert recursion.susceptibilities(named(name), weight, K) == pytest.approx((1.0, 1.0), rel=1e-12)
    assert bias + weight * Averages(named(name), K, True).second == pytest.approx(K, rel=1e-12)


def test_swish_to_fifty_digits():
    """The root, checked with adaptive quadrature at 30 digits and with its known digits."""
    with mpmath.workdps(50):
        root, weight, bias = half_stable.swish_critical(mpmath.mp.prec)
        second, parallel, perpendicular = half_stable.swish_averages(root)
        assert abs(parallel / perpendicular - 1) < mpmath.mpf(10) ** -48
        assert abs(weight * second + bias - root) < mpmath.mpf(10) ** -46
    with mpmath.workdps(20):

        def slope(z):
            gate = 1 / (1 + mpmath.exp(-z))
            return gate * (1 + z * (1 - gate))

        deviation = mpmath.sqrt(root)
        direct = mpmath.quad(lambda z: slope(z * deviation) ** 2 * mpmath.npdf(z), mpmath.linspace(-10, 10, 21))
        assert abs(direct / perpendicular - 1) < mpmath.mpf(10) ** -17
    assert float(half_stable.SWISH_METRIC(beta=2.0)) == pytest.approx(14.320173618 / 4, rel=1e-9)


@fixed
@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.5, 2))
def test_nu_is_at_least_that_of_a_linear_network(plus, minus, scale):
    if abs(plus) + abs(minus) > 0.1:
        nu = float(classes.NU(a_plus=plus, a_minus=minus))
        assert 2.0 - 1e-12 <= nu <= 5.0 + 1e-12
        assert nu == pytest.approx(float(classes.NU(a_plus=minus, a_minus=plus)), rel=1e-12)
        if abs(scale * plus) <= 2 and abs(scale * minus) <= 2:
            assert nu == pytest.approx(float(classes.NU(a_plus=scale * plus, a_minus=scale * minus)), rel=1e-10)


@pytest.mark.parametrize(("name", "weight", "nu"), [("relu", 2.0, 5.0), ("linear", 1.0, 2.0)])
def test_scale_invariant_networks_keep_their_metric(name, weight, nu):
    at = {"activation": name, "C_W": weight, "C_b": 0.0, "K": 0.7}
    assert recursion.METRIC_AT_DEPTH(depth=20, **at) == pytest.approx(0.7, rel=1e-12)
    assert recursion.NEXT_METRIC(depth=20, **at) == pytest.approx(0.0, abs=1e-10)
    assert recursion.KURTOSIS(depth=20, **at) == pytest.approx(3 * nu * 20, rel=1e-11)


def test_the_two_quadratures_see_each_other():
    value, error = recursion.VERTEX.evaluate(activation="swish", depth=4, C_W=1.9, C_b=0.5, K=14.0)
    coarse = recursion.layers(named("swish"), [1.0] * 4, 1.9, 0.5, 14.0, fine=False)[-1].V
    assert abs(value - coarse) <= error < 1e-9 * value


def test_one_layer_of_unequal_widths_is_one_of_its_own():
    """With chi_par = 0 below, only the last layer's source counts: here in the limit of a constant metric."""
    equal = recursion.layers(named("tanh"), [1.0, 1.0, 1.0], 1.3, 0.2, 1.0, True)
    scaled = recursion.layers(named("tanh"), [7.0, 7.0, 7.0], 1.3, 0.2, 1.0, True)
    assert pytest.approx(equal[-1].V, rel=1e-13) == scaled[-1].V
    assert pytest.approx(equal[-1].G, rel=1e-13) == scaled[-1].G
    wide = recursion.layers(named("tanh"), [1e9, 1e9, 1.0], 1.3, 0.2, 1.0, True)
    averages = Averages(named("tanh"), equal[2].K, True)
    assert pytest.approx(1.3**2 * (averages.fourth - averages.second**2), rel=1e-8) == wide[-1].V


def test_two_equal_inputs_are_one():
    near = np.array([[1.0, 1.0 - 1e-6], [1.0 - 1e-6, 1.0]])
    K, V = recursion.pair_vertex(named("tanh"), 2, 1.3, 0.2, near, True)
    single = recursion.layers(named("tanh"), [1.0, 1.0], 1.3, 0.2, 1.0, True)[-1]
    assert pytest.approx(np.full((2, 2), single.K), rel=1e-5) == K
    assert pytest.approx(np.full((2, 2, 2, 2), single.V), rel=1e-4) == V


def test_two_inputs_may_be_exchanged_and_mirrored():
    first = np.array([[1.0, 0.3], [0.3, 0.6]])
    _, V = recursion.pair_vertex(named("tanh"), 2, 1.3, 0.2, first, True)
    _, swapped = recursion.pair_vertex(named("tanh"), 2, 1.3, 0.2, first[::-1, ::-1], True)
    np.testing.assert_allclose(V, swapped[::-1, ::-1, ::-1, ::-1], rtol=1e-10)
    mirror = np.array([[1, -1], [-1, 1]])
    _, odd = recursion.pair_vertex(named("tanh"), 2, 1.3, 0.0, first, True)
    _, mirrored = recursion.pair_vertex(named("tanh"), 2, 1.3, 0.0, first * mirror, True)
    np.testing.assert_allclose(mirrored[0, 1, 0, 0], -odd[0, 1, 0, 0], rtol=1e-10)
    np.testing.assert_allclose(mirrored[0, 1, 0, 1], odd[0, 1, 0, 1], rtol=1e-10)


def test_the_plane_is_gaussian():
    for fine in (True, False):
        x, y, weights = plane(fine)
        assert weights.sum() == pytest.approx(1.0, abs=1e-13)
        assert weights @ (x**2 * y**4) == pytest.approx(3.0, rel=1e-12)


@fixed
@given(widths, depths, st.floats(0.1, 2.0), st.integers(1, 6))
def test_moments_agree_with_each_other(n, depth, weight, m):
    at = {"n": n, "depth": depth, "K": 0.8}
    linear = moments.SECOND_MOMENT(a_plus=1, a_minus=1, C_W=weight, **at)
    assert moments.LINEAR_MOMENT(m=2, C_W=weight, **at) == pytest.approx(linear, rel=1e-11)
    relu = moments.SECOND_MOMENT(a_plus=1, a_minus=0, C_W=weight, **at)
    assert moments.RELU_MOMENT(m=2, C_W=weight, **at) == pytest.approx(relu, rel=1e-10)
    first = moments.RELU_MOMENT(m=1, C_W=weight, **at)
    assert first == pytest.approx(0.8 * (weight / 2) ** depth, rel=1e-10)
    # Jensen, and more fluctuations at greater depth.
    assert moments.RELU_MOMENT(m=m, C_W=weight, **at) >= first**m * (1 - 1e-9)


@fixed
@given(widths, depths)
def test_logarithms_by_differences_of_moments(n, depth):
    """The mean of a logarithm is below the logarithm of the mean; variances add up over layers."""
    assert moments.LINEAR_LOG(n=n, depth=depth) < 0
    assert moments.RELU_LOG_VARIANCE(n=n, depth=depth) == pytest.approx(
        depth * moments.RELU_LOG_VARIANCE(n=n, depth=1), rel=1e-11
    )
    assert moments.RELU_LOG_VARIANCE(n=n, depth=depth) > moments.LINEAR_LOG_VARIANCE(n=n, depth=depth)


def test_limits_of_large_width():
    n = 10**6
    assert n * moments.LINEAR_LOG(n=n, depth=1) == pytest.approx(-1.0, rel=1e-5)
    assert n * moments.LINEAR_LOG_VARIANCE(n=n, depth=1) == pytest.approx(2.0, rel=1e-5)
    assert 400 * moments.RELU_LOG(n=400, depth=1) == pytest.approx(-2.5, rel=2e-2)
    assert 400 * moments.RELU_LOG_VARIANCE(n=400, depth=1) == pytest.approx(5.0, rel=2e-2)
    assert moments.LOG_NORMAL(x=-2.5 * 0.5, nu=5.0, n=64, depth=32) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("function", [moments.ActiveMoment, moments.ActiveLog, moments.ActiveLogVariance])
def test_sums_over_active_units(function):
    """Doubles against 50 digits, and the smallest cases by hand."""
    more = (sp.Integer(3),) if function is moments.ActiveMoment else ()
    for n in (2, 7, 40, 400):
        exact = function(sp.Integer(n), *more).evalf(40)
        assert float(function.on_arrays(float(n), *map(float, more))) == pytest.approx(float(exact), rel=1e-11)
    assert moments.ActiveMoment(sp.Integer(2), sp.Integer(2)).evalf() == pytest.approx(0.5 * 3 + 0.25 * 8)


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (recursion.CORRELATION_DEPTH, {"activation": "relu", "C_W": 3.0, "C_b": 0.1}, "no fixed point"),
        (recursion.METRIC_AT_DEPTH, {"activation": "relu", "C_W": 30.0, "depth": 300}, "leaves double precision"),
        (recursion.VERTEX, {"activation": "cubic", "depth": 2}, "is not one of"),
        (recursion.VERTEX, {"activation": "tanh", "depth": 2, "C_W": -1.0}, "outside its domain"),
        (recursion.PAIR_VERTEX, {"activation": "tanh", "depth": 2, "K11": 1, "K12": 1, "K22": 1}, "two different"),
        (classes.METRIC_LIMIT, {"s1": 1.0, "s2": 3.0, "s3": -1.0}, "the metric grows"),
        (moments.RELU_MOMENT, {"n": 10, "depth": 2, "m": 9}, "power of g"),
    ],
)
def test_bad_input_is_named(prediction, at, message):
    with pytest.raises(DomainError, match=message):
        prediction(**at)


def dense(trials: int, rng: Stream, n: int, depth: int, weight: float, bias: float, activation: str) -> np.ndarray:
    """Variance of the output preactivation given the weights below, by matrices; the first layer has variance 1."""
    z = rng.normal(trials, n)
    for _ in range(depth - 1):
        matrices = rng.normal(trials, n, n) * np.sqrt(weight / n)
        below = layer_chain.activated(z, activation)
        z = np.einsum("tij,tj->ti", matrices, below) + np.sqrt(bias) * rng.normal(trials, n)
    return bias + weight * np.mean(layer_chain.activated(z, activation) ** 2, axis=1)


@pytest.mark.parametrize(("activation", "weight", "bias"), [("tanh", 1.5, 0.1), ("relu", 2.0, 0.0), ("gelu", 2.0, 0.2)])
def test_the_chain_has_the_law_of_dense_networks(activation, weight, bias):
    """Mean, second moment and mean logarithm of g; false alarms below 1e-8."""
    trials, n, depth = 20_000, 6, 3
    ours = layer_chain.vertex(
        trials, Stream.from_seed(1), n=n, depth=depth, activation=activation, C_W=weight, C_b=bias, K=1.0
    )["g"]
    theirs = dense(trials, Stream.from_seed(2), n, depth, weight, bias, activation)
    for change in (lambda g: g, lambda g: g**2, lambda g: np.log(g + 0.01)):
        x, y = change(ours), change(theirs)
        assert abs(x.mean() - y.mean()) < 6 * np.sqrt((x.var() + y.var()) / trials)


def test_two_inputs_have_the_law_of_dense_networks():
    """Means and second moments of the three covariances; false alarms below 1e-7."""
    trials, n = 20_000, 5
    first = np.array([[1.0, 0.4], [0.4, 0.7]])
    out = layer_chain.two_inputs(
        trials, Stream.from_seed(1), n=n, depth=2, activation="tanh", C_W=1.5, C_b=0.1, K11=1.0, K12=0.4, K22=0.7
    )
    rng = Stream.from_seed(3)
    z = np.einsum("ab,tbn->tan", np.linalg.cholesky(first), rng.normal(trials, 2, n))
    matrices = rng.normal(trials, n, n) * np.sqrt(1.5 / n)
    z = np.einsum("tij,taj->tai", matrices, np.tanh(z)) + np.sqrt(0.1) * rng.normal(trials, 1, n)
    s = np.tanh(z)
    g = 0.1 + 1.5 * np.einsum("tai,tbi->tab", s, s) / n
    flat = np.stack([g[:, 0, 0], g[:, 0, 1], g[:, 1, 1]], axis=1)
    half = trials // 2
    change = flat[:half] - flat[half:]
    pairs = np.stack([0.5 * n * change[:, i] * change[:, j] for i in range(3) for j in range(i, 3)], axis=1)
    x, y = out["vertex"], pairs
    error = np.sqrt(x.var(axis=0) / len(x) + y.var(axis=0) / len(y))
    assert np.all(np.abs(x.mean(axis=0) - y.mean(axis=0)) < 6 * error)
    distance = (flat[:, 0] + flat[:, 2] - 2 * flat[:, 1]) / (1.0 + 0.7 - 0.8)
    error = np.sqrt(out["distance"].var() / trials + distance.var() / trials)
    assert abs(out["distance"].mean() - distance.mean()) < 6 * error


NETWORK = {"n": 5, "depth": 3, "activation": "tanh", "C_W": 1.5, "C_b": 0.1, "K": 1.0}
SIMULATIONS = {
    "scale invariant": (
        layer_chain.scale_invariant,
        {"n": 5, "depth": 3, "a_plus": 1.0, "a_minus": 0.5, "C_W": 1.5, "K": 0.5, "m": 3},
    ),
    "unequal": (
        layer_chain.scale_invariant_unequal,
        {"n1": 5, "n2": 8, "n3": 3, "a_plus": 1.0, "a_minus": 0.5, "C_W": 1.5, "K": 0.5},
    ),
    "log": (layer_chain.log_norm, {"n": 3, "depth": 3, "activation": "relu", "C_W": 2.0, "K": 1.0}),
    "log at ratio": (layer_chain.log_norm_at_ratio, {"n": 6, "r": 0.5, "activation": "linear", "C_W": 1.0, "K": 1.0}),
    "vertex": (layer_chain.vertex, NETWORK),
    "vertex gelu": (layer_chain.vertex, {**NETWORK, "activation": "gelu"}),
    "vertex swish": (layer_chain.vertex, {**NETWORK, "activation": "swish"}),
    "unequal vertex": (
        layer_chain.vertex_unequal,
        {"n": 4, "second": 2, "third": 3, "activation": "sin", "C_W": 1.0, "C_b": 0.0, "K": 1.0},
    ),
    "two inputs": (
        layer_chain.two_inputs,
        {"n": 5, "depth": 2, "activation": "erf", "C_W": 1.5, "C_b": 0.1, "K11": 1.0, "K12": 0.4, "K22": 0.7},
    ),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name):
    demand_twins(*SIMULATIONS[name])


@pytest.mark.parametrize("name", SIMULATIONS)
def test_array_standard(name):
    demand_array_standard(*SIMULATIONS[name])
