"""The theories of wide-network kernels: predictions, derivations, the spectrum on the sphere, and the simulations."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from theorylab.derivations.infinite_width import ntk_nngp_duals as duals
from theorylab.derivations.infinite_width import ntk_nngp_sphere as sphere
from theorylab.derivations.infinite_width import ntk_nngp_toolbox as toolbox
from theorylab.errors import DomainError, UsageError
from theorylab.kernels.random import Stream
from theorylab.prediction import PredictionError
from theorylab.sims.infinite_width import gaussian_pairs, random_networks, tensor_quadrature

NETWORK = {"L": 3, "theta": 0.9, "activation": "erf", "C_W": 1.5, "C_b": 0.1, "lambda_W": 0.7, "lambda_b": 0.4}


@pytest.mark.parametrize(
    "form", [duals.HEAVISIDE, duals.ERF, duals.SINE, duals.QUADRATIC, toolbox.ONE_HIDDEN_LAYER, sphere.MELLIN]
)
def test_derivations_replay(form):
    assert form.derivation.replay()


def test_duals_at_special_angles():
    """Coincident, orthogonal and opposite arguments."""
    for form, top in ((duals.HEAVISIDE, 0.5), (duals.RELU, 0.5), (duals.RELU_SQUARED, 1.5)):
        np.testing.assert_allclose(form(theta=[0.0, math.pi]), [top, 0.0], atol=1e-15)
    np.testing.assert_allclose(duals.RELU(a=2.0, b=3.0, theta=math.pi / 2), math.sqrt(6) / (2 * math.pi), rtol=1e-14)
    np.testing.assert_allclose(duals.SINE(theta=math.pi / 2), 0.0, atol=1e-16)
    np.testing.assert_allclose(duals.ERF(theta=0.0), 2 / math.pi * math.asin(2 / 3), rtol=1e-14)
    np.testing.assert_allclose(duals.BUMP(theta=0.7), math.pi / 4 * duals.ERF_SLOPE(theta=0.7), rtol=1e-14)
    np.testing.assert_allclose(duals.ERF_SLOPE_IN_C(a=1.0, b=1.0, c=0.3), duals.ERF_SLOPE(theta=math.acos(0.3)))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(theta=st.floats(0.01, 3.1), step=st.floats(0.001, 0.03))
def test_rectified_duals_fall_with_the_angle(theta, step):
    for form in (duals.HEAVISIDE, duals.RELU, duals.RELU_SQUARED, toolbox.CLOSED):
        extra = {"formula": "relu"} if form is toolbox.CLOSED else {}
        assert form(theta=theta, **extra) > form(theta=theta + step, **extra)


def test_closed_forms_and_quadrature_are_two_computations():
    for formula in ("heaviside", "relu_squared", "hermite_3"):
        value, error = toolbox.QUADRATURE.evaluate(formula=formula, a=0.7, b=1.2, theta=1.0)
        np.testing.assert_allclose(value, toolbox.CLOSED(formula=formula, a=0.7, b=1.2, theta=1.0), rtol=1e-12)
        assert error < 1e-12


def test_tangent_kernel_at_parametrisations():
    """Learning rates that are the variances are the NTK parametrisation; those of zero leave nothing to train."""
    at = {"activation": "relu", "L": 4, "theta": 1.1, "C_W": 2.0, "C_b": 0.0}
    np.testing.assert_allclose(
        toolbox.NTK(**at, lambda_W=2.0, lambda_b=0.0), toolbox.RELU_DEPTH(L=4, theta=1.1), rtol=1e-13
    )
    assert toolbox.NTK(**at, lambda_W=0.0, lambda_b=0.0) == 0.0
    assert toolbox.NTK(**at, lambda_W=1.0, lambda_b=0.5) > toolbox.NTK(**at, lambda_W=1.0, lambda_b=0.0)
    one = toolbox.NTK(activation="relu", L=2, theta=1.1, C_W=2.0, C_b=0.0, lambda_W=2.0, lambda_b=0.0)
    # Inputs of squared norm n_0 and C_W = 2: the first layer has variance 2, the second multiplies by 2.
    np.testing.assert_allclose(one, 4 * toolbox.ONE_HIDDEN_LAYER(theta=1.1), rtol=1e-13)
    # Theta(1) = D + 1 at C_W = 2 up to the factor 2; broadcasting over depths.
    np.testing.assert_allclose(toolbox.RELU_DEPTH(L=[1, 2, 7], theta=0.0), [2.0, 4.0, 14.0], rtol=1e-13)
    wrong = toolbox.without_weights_on_slopes(0.0, **at, lambda_W=2.0, lambda_b=0.0)
    assert wrong < toolbox.NTK(**at, lambda_W=2.0, lambda_b=0.0)
    same = toolbox.without_weights_on_slopes(0.0, **{**at, "C_W": 1.0}, lambda_W=2.0, lambda_b=0.0)
    np.testing.assert_allclose(same, toolbox.NTK(**{**at, "C_W": 1.0}, lambda_W=2.0, lambda_b=0.0), rtol=1e-13)


def test_domains():
    with pytest.raises(DomainError, match="theta"):
        toolbox.ONE_HIDDEN_LAYER(theta=4.0)
    with pytest.raises(UsageError, match="activation"):
        toolbox.NNGP(activation="sigmoidal", L=2, theta=1.0)
    with pytest.raises(DomainError, match="polynomial"):
        sphere.MELLIN(d=3, k=4, alpha=2.0)
    with pytest.raises(DomainError, match="outside its domain"):
        sphere.EIGENVALUE(d=1, k=4, kernel="ntk", D=1)
    with pytest.raises(PredictionError, match="below rounding"):
        sphere.SLOPE(d=16, kernel="relu")


def test_eigenvalues_of_known_kernels():
    """Bessel functions for the exponential kernel on the 2-sphere; odd degrees of one hidden layer vanish."""
    for k in (0, 1, 3, 6):
        bessel = special.spherical_in(k, 1.0) * math.exp(-1.0)
        np.testing.assert_allclose(sphere.EIGENVALUE(d=3, k=k, kernel="exponential", D=1), bessel, rtol=1e-10)
    # Fourier coefficients on the circle: Bessel functions again.
    np.testing.assert_allclose(
        sphere.EIGENVALUE(d=2, k=[0, 2, 5], kernel="exponential", D=1), special.ive([0, 2, 5], 1.0), rtol=1e-10
    )
    assert sphere.multiplicity(2, 7) == 2
    assert abs(float(sphere.EIGENVALUE(d=3, k=8, kernel="ntk_squared", D=1))) < 1e-15
    value, error = sphere.EIGENVALUE.evaluate(d=4, k=[3, 5, 7], kernel="ntk", D=1)
    assert np.all(np.abs(value) <= error)
    assert np.all(sphere.EIGENVALUE(d=4, k=[3, 5, 7], kernel="ntk", D=2) > 1e-5)
    # The trace: multiplicities, slowly for a kernel with a kink.
    total = sum(sphere.multiplicity(3, k) * float(sphere.EIGENVALUE(d=3, k=k, kernel="ntk", D=1)) for k in range(61))
    assert 0.97 < total / 2 < 1.0
    assert [sphere.multiplicity(3, k) for k in range(4)] == [1, 3, 5, 7]
    assert sphere.multiplicity(5, 2) == 14


def test_power_of_distance_is_exact_and_asymptotic():
    for d, k, alpha in ((3, 4, 0.5), (4, 9, 1.5), (6, 3, -0.5)):
        np.testing.assert_allclose(
            sphere.POWER_EIGENVALUE(d=d, k=k, alpha=alpha), sphere.MELLIN(d=d, k=k, alpha=alpha), rtol=1e-7
        )
    # mu_k k^(2 alpha + d - 1) settles.
    scaled = sphere.MELLIN(d=4, k=[500, 1000, 2000], alpha=0.5) * np.array([500.0, 1000.0, 2000.0]) ** 4
    assert abs(scaled[2] / scaled[1] - 1) < abs(scaled[1] / scaled[0] - 1) < 0.01


def test_constants_of_depth():
    np.testing.assert_allclose(sphere.DEPTH_CONSTANT(d=3, parity=[0, 1], D=1), [1 / math.pi, 0.0], atol=1e-15)
    np.testing.assert_allclose(sphere.product_of_slopes(3), 0.3016, atol=1e-4)
    value, error = sphere.SCALED_LIMIT.evaluate(d=3, parity=1, D=3)
    np.testing.assert_allclose(value, sphere.DEPTH_CONSTANT(d=3, parity=1, D=3), atol=float(error) + 1e-9)
    grows = sphere.DEPTH_CONSTANT(d=5, parity=0, D=[1, 2, 4, 8])
    assert np.all(np.diff(grows) > 0)


@pytest.mark.parametrize(
    ("simulation", "parameters"),
    [
        (gaussian_pairs.products, {"formula": "erf", "a": 0.5, "b": 1.5, "theta": 0.8, "pairs": 16}),
        (gaussian_pairs.harmonic_components, {"d": 4, "k": 2, "kernel": "ntk", "D": 2, "points": 16}),
        (random_networks.empirical_kernels, {"n": 12, **NETWORK}),
        (random_networks.one_hidden_layer, {"n": 12, "theta": 0.8}),
        (random_networks.covariance_chain, {"n": 12, **{k: v for k, v in NETWORK.items() if "lambda" not in k}}),
        (tensor_quadrature.change_on_doubling, {"formula": "relu", "m": 10}),
    ],
)
def test_backends_agree_trial_by_trial(simulation, parameters):
    one, other = (simulation(6, Stream.from_seed(3, backend), **parameters) for backend in ("numpy", "numba"))
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-13)


def test_empirical_kernel_is_a_sum_over_gradients():
    """Against finite differences of the outputs by every weight and bias of one network."""
    n, outputs, x = 5, 2, random_networks._inputs(0.7)
    rng = Stream.from_seed(5)
    found = random_networks.empirical_kernels(1, rng, n=n, outputs=outputs, **{**NETWORK, "theta": 0.7})["ntk"][0]
    again = Stream.from_seed(5)
    widths, parameters = [2, n, n, outputs], []
    for fan_in, fan_out in pairwise(widths):
        parameters.append(math.sqrt(1.5 / fan_in) * again.normal(1, fan_out, fan_in)[0])
        parameters.append(math.sqrt(0.1) * again.normal(1, fan_out, 1)[0])

    def network(values):
        signal = x
        for w, b in zip(values[::2], values[1::2]):
            z = w @ signal + b
            signal = special.erf(z)
        return z

    total, step, m = 0.0, 1e-5, random_networks.ROTATIONS
    for i, array in enumerate(parameters):
        rate = 0.4 if i % 2 else 0.7 / widths[i // 2]
        for index in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = [v.copy() for v in parameters]
                moved[i][index] += sign * step
                ends.append(network(moved))
            slope = (ends[0] - ends[1]) / (2 * step)
            total += rate * np.mean(slope[:, :m] * slope[:, m:]) * outputs
    np.testing.assert_allclose(found, total / outputs, rtol=1e-7)


def test_networks_and_their_law_have_one_mean():
    """Entry by entry and layer by layer: false alarm at 5 standard errors, less than one in a million."""
    at = {k: v for k, v in NETWORK.items() if "lambda" not in k}
    drawn = random_networks.empirical_kernels(3000, Stream.from_seed(1), n=8, **NETWORK)["nngp"]
    chain = random_networks.covariance_chain(20000, Stream.from_seed(2), n=8, **at)["value"]
    error = math.hypot(drawn.std() / math.sqrt(len(drawn)), chain.std() / math.sqrt(len(chain)))
    assert abs(drawn.mean() - chain.mean()) < 5 * error
