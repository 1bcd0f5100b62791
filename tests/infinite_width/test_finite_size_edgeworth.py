"""One random hidden layer: closed special cases, other routes to the same numbers, limits, twins.

Simulations have fixed streams; a comparison at z = 5.5 would fail by chance once in 2e7 where everything is right.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special
from simulation_twins import strict_stream

from theorylab.derivations.infinite_width import edgeworth_joint as joint
from theorylab.derivations.infinite_width import edgeworth_law, edgeworth_moments
from theorylab.derivations.infinite_width import edgeworth_series as numbers
from theorylab.derivations.infinite_width import finite_size_edgeworth as d
from theorylab.errors import DomainError, UnknownNameError
from theorylab.kernels.random import Stream
from theorylab.prediction import Prediction
from theorylab.sims.infinite_width import one_hidden_layer

NETWORK = {"activation": "tanh", "weights": "normal", "q": 1.0, "s": 1.0, "sigma_b": 0.0}
fixed = settings(derandomize=True, deadline=None, max_examples=20)
Z = 5.5


@pytest.mark.parametrize("module", [d, joint])
def test_derivations_replay(module):
    derivations = {id(p.derivation): p.derivation for p in vars(module).values() if isinstance(p, Prediction)}
    assert derivations
    for derivation in derivations.values():
        derivation.replay()


@pytest.mark.parametrize("power", [2, 4, 6, 8])
@pytest.mark.parametrize("q", [1e-3, 1.0, 50.0])
def test_moments_of_activations(power, q):
    """ReLU and sin in closed form, tanh at 30 digits."""
    half = special.factorial2(power - 1) * q ** (power / 2) / 2
    assert edgeworth_moments.activity("relu", q, power).value == pytest.approx(half, rel=1e-12)
    # sin^2k as a sum of cosines, whose normal averages are exp(-(2 j)^2 q / 2).
    k = power // 2
    cosines = sum((-1) ** j * special.comb(power, k - j) * np.exp(-2.0 * j * j * q) for j in range(1, k + 1))
    sine = (special.comb(power, k) + 2 * cosines) / 2.0**power
    found = edgeworth_moments.activity("sin", q, power)
    assert abs(found.value - sine) < found.error + 1e-15
    with mpmath.workdps(30):
        exact = 2 * mpmath.quad(
            lambda z: mpmath.tanh(mpmath.sqrt(q) * z) ** power * mpmath.npdf(z), [0, 0.05, 0.2, 1, 3, 8, 14]
        )
    found = edgeworth_moments.activity("tanh", q, power)
    assert found.value == pytest.approx(float(exact), rel=1e-12)
    assert found.error < 1e-9 * found.value


def test_unknown_activation_is_named():
    with pytest.raises(UnknownNameError, match="tanh"):
        edgeworth_moments.function("tan")
    with pytest.raises(DomainError, match="activation"):
        d.FOURTH(N=4, activation="softplus")
    with pytest.raises(DomainError, match="integers >= 1"):
        d.CDF(N=0, x=0.3)


@fixed
@given(st.integers(1, 200), st.floats(0.05, 20.0), st.floats(0.1, 5.0), st.sampled_from(["tanh", "relu", "sin"]))
def test_cumulants_fall_by_powers_of_the_width_and_scale_with_the_weights(N, q, s, name):
    one, _ = numbers.network_cumulants(N=1, activation=name, weights="uniform", q=q, s=s, sigma_b=0.0)
    many, _ = numbers.network_cumulants(N=N, activation=name, weights="uniform", q=q, s=2 * s, sigma_b=0.0)
    powers = np.arange(4)
    np.testing.assert_allclose(many, one * 4.0 ** (powers + 1) / float(N) ** powers, rtol=1e-12)


@fixed
@given(st.floats(0.05, 20.0), st.sampled_from(["tanh", "relu", "sin"]))
def test_kurtosis_grows_with_that_of_the_weights(q, name):
    k = [float(d.KURTOSIS(N=3, activation=name, weights=w, q=q)) for w in ("rademacher", "uniform", "normal")]
    assert k[0] < k[1] < k[2]
    assert k[0] > -2.0 / 3.0
    assert k[2] > 0


def test_special_cases():
    assert d.RELU_KURTOSIS(N=1) == pytest.approx(15.0)
    assert d.KURTOSIS(N=7, activation="relu", q=0.3, s=2.0) == pytest.approx(15 / 7)
    assert d.KURTOSIS(N=5, activation="sign", weights="rademacher", q=3.0) == pytest.approx(-2 / 5)
    # Small preactivations: linear units, products of two normals.
    assert d.KURTOSIS(N=1, activation="tanh", q=1e-8) == pytest.approx(6.0, rel=1e-6)
    k, _ = numbers.normalised(**{**NETWORK, "N": 1, "activation": "sin", "q": 1e-8})
    assert k[1] == pytest.approx(15**2 - 15 * 9 + 30, rel=1e-6)


@pytest.mark.parametrize("N", [1, 2])
def test_the_law_of_relu_units_is_a_mixture_of_bessel_densities(N):
    """One active unit: a product of two normals, density K_0/pi; two: their sum, a Laplace density."""
    x = np.array([1e-4, 0.02, 0.5, 2.0, 6.0])
    law = edgeworth_law.output(N, "relu", "normal", 1.0, 1.0, 0.0)
    p, error = law.density(x)
    one = special.k0(x * np.sqrt(N)) / np.pi * np.sqrt(N)
    # The sum of two products of normals is Laplace with scale 1.
    exact = one / 2 if N == 1 else one / 2 + np.exp(-x * np.sqrt(2)) * np.sqrt(2) / 8
    np.testing.assert_allclose(p, exact, rtol=1e-9)
    assert np.all(error < 1e-3)
    assert law.atom == 0.5**N
    upper, _ = law.upper(x)
    for place, found in zip(x[1:], upper[1:]):
        rest = integrate.quad(lambda y: float(law.density(np.array([y]))[0][0]), place, 40.0, epsabs=1e-11)[0]
        assert found == pytest.approx(rest, abs=1e-9)
    (below, above), error = d.CDF.evaluate(N=N, activation="relu", x=np.array([-1e-9, 1e-9]))
    assert abs(above - below - 0.5**N) < 2 * error[0] < 1e-3


@pytest.mark.parametrize("weights", ["normal", "uniform", "rademacher"])
def test_the_law_of_one_unit_given_its_activation(weights):
    """P(f > x) as an average over h of the tail of v."""
    x = np.array([0.02, 0.3, 0.8])

    def weighted(h, place):
        return tail(h, place) * np.exp(-h * h / 2) / np.sqrt(2 * np.pi)

    def tail(h, place):
        size = abs(np.tanh(h))
        if weights == "normal":
            return special.ndtr(-place / size)
        if weights == "uniform":
            return max(0.0, 0.5 - place / (2 * np.sqrt(3) * size))
        return 0.5 * (size > place)

    upper, error = edgeworth_law.output(1, "tanh", weights, 1.0, 1.0, 0.0).upper(x)
    for place, found, doubt in zip(x, upper, error):
        edge = np.arctanh(place / np.sqrt(3)) if weights == "uniform" else np.arctanh(place)
        exact = 2 * sum(
            integrate.quad(weighted, *ends, args=(place,), epsabs=1e-13)[0]
            for ends in ((1e-12, edge), (edge, 1.0 + edge), (1.0 + edge, 12.0))
        )
        assert abs(found - exact) < doubt + 1e-9
    assert weights != "normal" or np.all(error < 1e-10)


@pytest.mark.parametrize(("N", "weights", "sigma_b"), [(3, "normal", 0.0), (5, "uniform", 0.4), (200, "normal", 0.0)])
def test_the_moments_of_the_law_are_the_cumulants(N, weights, sigma_b):
    network = {**NETWORK, "weights": weights, "sigma_b": sigma_b}
    law = edgeworth_law.output(N, "tanh", weights, 1.0, 1.0, sigma_b)
    x, w = np.polynomial.legendre.leggauss(40)
    y = np.concatenate([[0.0], np.geomspace(1e-3, 1.0, 8), np.arange(2.0, 16.0)]) * law.deviation
    place = (y[:-1, None] + np.diff(y)[:, None] * (x + 1) / 2).ravel()
    weight = (np.diff(y)[:, None] * w / 2).ravel() * 2 * law.density(place)[0]
    m = [float(np.sum(weight * place**p)) for p in (0, 2, 4, 6, 8)]
    assert m[0] == pytest.approx(1.0, abs=1e-7)
    found = edgeworth_moments.cumulants(*m[1:])
    exact, _ = numbers.network_cumulants(N=N, **network)
    np.testing.assert_allclose(found[:3], exact[:3], rtol=1e-4, atol=1e-7)


def test_many_values_are_interpolated_within_the_stated_error():
    x = np.linspace(-3.0, 3.0, 2001)
    for weights in ("normal", "uniform"):
        network = {**NETWORK, "N": 4, "weights": weights}
        table, few = d.CDF.evaluate(x=x, **network), d.CDF.evaluate(x=x[::50], **network)
        assert np.max(np.abs(table.value[::50] - few.value)) <= np.max(table.error)
        assert np.max(table.error) < 1e-6
        assert np.all(np.diff(table.value) > -1e-9)
        np.testing.assert_allclose(table.value + table.value[::-1], 1.0, atol=1e-12)


def test_the_law_becomes_gaussian():
    x = np.linspace(-3.0, 3.0, 61)
    gaps = []
    for N in (16, 64, 256):
        sigma = float(d.VARIANCE(N=N, **NETWORK)) ** 0.5
        gaps.append(np.max(np.abs(d.CDF(N=N, x=sigma * x, **NETWORK) - special.ndtr(x))))
    assert gaps[0] / gaps[1] == pytest.approx(4.0, rel=0.1)
    assert gaps[1] / gaps[2] == pytest.approx(4.0, rel=0.05)


def test_the_series_of_tail_and_density_belong_together():
    y, k = np.linspace(0.1, 4.0, 40), np.array([0.3, 0.05, -0.02])
    g = np.exp(-0.5 * y * y) / np.sqrt(2 * np.pi)
    step = 1e-5
    for orders in (0, 1, 2, 3):
        slope = (numbers.series(y + step, k, orders, True) - numbers.series(y - step, k, orders, True)) / (2 * step)
        np.testing.assert_allclose(-slope / 2, g * numbers.series(y, k, orders), atol=1e-9)


def test_known_divergences():
    for N, ratio in ((20, 0.93), (40, 0.96), (80, 0.98)):
        k = numbers.normalised(N=N, **NETWORK)[0][0]
        value, error = numbers.divergence(N=N, **NETWORK)
        assert value / (k**2 / 48) == pytest.approx(ratio, abs=0.005)
        assert error < 1e-9 * value + 1e-12


def test_joint_cumulants_of_relu_units():
    """Degree-two arc-cosine kernel of Cho and Saul for two pairs, and the cumulant of one input."""
    angle = 0.7
    value = joint.JOINT(N=2, activation="relu", weights="normal", q=1.3, s=1.1, angle=angle)
    c, s = np.cos(angle), np.sin(angle)
    two = (3 * s * c + (np.pi - angle) * (1 + 2 * c * c)) / (2 * np.pi)
    one = (s + (np.pi - angle) * c) / (2 * np.pi)
    expected = 1.1**4 * 1.3**2 / 2 * (3 * two - (0.25 + 2 * one**2))
    assert value[2] == pytest.approx(expected, rel=1e-11)
    single = d.FOURTH(N=2, activation="relu", weights="normal", q=1.3, s=1.1)
    assert value[0] == pytest.approx(float(single), rel=1e-11)
    same = joint.JOINT(N=3, activation="tanh", weights="uniform", q=2.0, angle=0.0)
    np.testing.assert_allclose(same, float(d.FOURTH(N=3, activation="tanh", weights="uniform", q=2.0)), rtol=1e-9)


SIMULATIONS = {
    "ensembles": (one_hidden_layer.ensembles, {"sigma_b": 0.3, "networks": 6}),
    "single": (one_hidden_layer.single, {"sigma_b": 0.3, "level": 0.5}),
    "joint": (one_hidden_layer.joint, {"angle": 0.4, "networks": 6}),
}


@pytest.mark.parametrize("name", SIMULATIONS)
@pytest.mark.parametrize("weights", ["normal", "uniform", "rademacher"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sin", "sign"])
def test_twins_agree_trial_by_trial(name, weights, activation):
    simulation, more = SIMULATIONS[name]
    params = {"N": 3, "activation": activation, "weights": weights, "q": 1.2, "s": 0.9, **more}
    a, b = (simulation.function(5, Stream.from_seed(4, backend), **params) for backend in ("numpy", "numba"))
    a, b = (x if isinstance(x, dict) else {"value": x} for x in (a, b))
    for key, values in a.items():
        np.testing.assert_allclose(values, b[key], rtol=1e-10, atol=1e-12)


def test_array_code_keeps_to_the_standard():
    for simulation, more in SIMULATIONS.values():
        params = {"N": 3, "activation": "tanh", "weights": "rademacher", "q": 1.2, "s": 0.9, **more}
        found = simulation.function(4, strict_stream(4, "numba"), **params)
        plain = simulation.function(4, Stream.from_seed(4), **params)
        found, plain = (x if isinstance(x, dict) else {"value": x} for x in (found, plain))
        for key, values in plain.items():
            np.testing.assert_allclose(np.asarray(found[key]), values, rtol=1e-13)


def test_estimates_are_averages_over_different_networks():
    y = np.random.default_rng(0).uniform(size=(1, 6))
    found = {k: float(v[0]) for k, v in one_hidden_layer.products(y).items()}

    def brute(*powers):
        from itertools import permutations

        picks = list(permutations(range(6), len(powers)))
        return np.mean([np.prod([y[0, i] ** p for i, p in zip(pick, powers)]) for pick in picks])

    for key, value in found.items():
        assert value == pytest.approx(brute(*map(int, key)), rel=1e-10)


@pytest.mark.parametrize(("activation", "weights"), [("tanh", "normal"), ("sin", "uniform"), ("sign", "rademacher")])
def test_simulated_outputs_have_mean_zero_and_the_predicted_cumulants(activation, weights):
    network = {**NETWORK, "activation": activation, "weights": weights, "q": 0.8, "sigma_b": 0.4}
    out = one_hidden_layer.ensembles(4000, Stream.from_seed(7), N=2, **network)
    kappa, _ = numbers.network_cumulants(N=2, **network)
    expected = {"mean": 0.0, "second": kappa[0], "fourth": kappa[1], "sixth": kappa[2], "sigma4": kappa[0] ** 2}
    for key, value in expected.items():
        error = out[key].std(ddof=1) / np.sqrt(len(out[key]))
        assert abs(out[key].mean() - value) < Z * error, key
