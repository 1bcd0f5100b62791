"""Ensembles of wide networks: limits, symmetries, other routes to the same numbers.

Random inputs are drawn by hypothesis with a fixed seed and every assertion is deterministic: no false alarms.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_twins

from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d
from theorylab.derivations.infinite_width import ntk_ensemble_numerics as num
from theorylab.derivations.infinite_width.recursion import gram
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.prediction import Prediction
from theorylab.sims.infinite_width import wide_networks as sim

PREDICTIONS = {name: value for name, value in vars(d).items() if isinstance(value, Prediction)}
fixed = settings(derandomize=True, deadline=None, max_examples=25)
NETWORK = {"depth": 3, "weight_variance": 1.5, "bias_variance": 0.1}


def problem(seed=0, m=4, q=3):
    source = np.random.default_rng(seed)
    return source.standard_normal((m, 3)), source.standard_normal(m), source.standard_normal((q, 3))


def run(x, y, at, **changes):
    return num.ensemble("erf", x, y, at, **{**NETWORK, "eta": 0.05, "times": [0, 1, 7], **changes})


def test_derivations_replay():
    for derivation in {id(q.derivation): q.derivation for q in PREDICTIONS.values()}.values():
        derivation.replay()


@pytest.mark.parametrize("trained", ["all", "readout"])
def test_steps_one_by_one(trained):
    """The recursion of the mean and of the whole covariance, written out over training inputs and points."""
    x, y, at = problem()
    both = np.concatenate([x, at])
    K, Theta = gram("erf", both, **NETWORK)
    Theta = K if trained == "readout" else Theta
    step = np.eye(7)
    step[:, :4] -= 0.05 * Theta[:, :4]
    mean, cov = np.zeros(7), K
    found = run(x, y, at, times=range(8), trained=trained)
    for t in range(8):
        np.testing.assert_allclose(found.mean[t], mean[4:], rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(found.covariance[t], cov[4:, 4:], rtol=1e-11, atol=1e-13)
        mean, cov = mean - 0.05 * Theta[:, :4] @ (mean[:4] - y), step @ cov @ step.T


def test_flow_by_the_matrix_exponential():
    x, y, at = problem(1)
    K, Theta = gram("erf", np.concatenate([x, at]), **NETWORK)
    gain = Theta[4:, :4] @ np.linalg.solve(Theta[:4, :4], np.eye(4) - scipy.linalg.expm(-0.7 * Theta[:4, :4]))
    found = run(x, y, at, eta=0.1, times=[7.0], flow=True)
    np.testing.assert_allclose(found.mean[0], gain @ y, rtol=1e-10)
    expected = K[4:, 4:] + gain @ K[:4, :4] @ gain.T - gain @ K[:4, 4:] - K[4:, :4] @ gain.T
    np.testing.assert_allclose(found.covariance[0], expected, rtol=1e-9)


@pytest.mark.parametrize("flow", [False, True])
def test_at_the_training_inputs(flow):
    """E f - Y = -(1 - eta Theta)^t Y, and the covariance is that power on both sides of K."""
    x, y, _ = problem(2)
    K, Theta = gram("erf", x, **NETWORK)
    power = scipy.linalg.expm(-0.35 * Theta) if flow else np.linalg.matrix_power(np.eye(4) - 0.05 * Theta, 7)
    found = run(x, y, x, times=[7], flow=flow)
    np.testing.assert_allclose(found.mean[0] - y, -power @ y, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.covariance[0], power @ K @ power, rtol=1e-8, atol=1e-12)


@fixed
@given(st.integers(0, 1000), st.sampled_from(["erf", "relu"]), st.integers(2, 4))
def test_order_of_samples_and_points_does_not_matter(seed, act, depth):
    x, y, at = problem(seed)
    order, places = np.array([2, 0, 3, 1]), np.array([1, 2, 0])
    options = {**NETWORK, "depth": depth, "eta": 0.01, "times": [5]}
    a = num.ensemble(act, x, y, at, **options)
    b = num.ensemble(act, x[order], y[order], at[places], **options)
    np.testing.assert_allclose(b.mean, a.mean[:, places], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(b.covariance, a.covariance[:, places][:, :, places], rtol=1e-9, atol=1e-12)
    assert np.all(np.linalg.eigvalsh(a.covariance[0]) > -1e-12)


@fixed
@given(st.integers(0, 1000))
def test_training_error_falls_and_variance_at_the_inputs_too(seed):
    x, y, _ = problem(seed)
    found = run(x, y, x, times=[0, 1, 3, 10, 100])
    errors = np.sum((found.mean - y) ** 2, axis=1)
    spreads = np.trace(found.covariance, axis1=1, axis2=2)
    assert np.all(np.diff(errors) < 0)
    assert np.all(np.diff(spreads) < 0)


def test_a_repeated_sample_and_a_singular_kernel():
    """Twice the same sample with two labels is one at their mean, with twice the learning rate."""
    x, _, at = problem(3)
    twice = run(np.concatenate([x[:1], x[:1]]), np.array([0.2, 0.8]), at)
    once = run(x[:1], np.array([0.5]), at, eta=0.1)
    np.testing.assert_allclose(twice.mean, once.mean, rtol=1e-9)
    np.testing.assert_allclose(twice.covariance, once.covariance, rtol=1e-9)


def test_many_small_steps_are_the_flow_with_an_error_of_order_h():
    at = {"depth": 3, "psi": [0.3, 2.0]}
    exact = d.FLOW_MEAN(tau=0.6, **at)
    gaps = [np.abs(d.MEAN(eta=0.6 / t, t=t, **at) - exact) for t in (200, 400)]
    np.testing.assert_allclose(gaps[0] / gaps[1], 2.0, rtol=0.02)


def test_labels_are_learned_and_the_last_layer_samples_the_posterior():
    inputs = {"psi": [0.0, 1.0, 2.0]}
    for trained in ("all", "readout"):
        np.testing.assert_allclose(d.FLOW_MEAN(tau=1e4, trained=trained, **inputs), np.cos([0, 2, 4]), rtol=1e-9)
        left = d.FLOW_COVARIANCE(tau=1e4, trained=trained, psi2=inputs["psi"], **inputs)
        np.testing.assert_allclose(left, 0.0, atol=1e-9)
    pair = {"psi": 3.5, "psi2": 3.5}
    assert d.FLOW_COVARIANCE(tau=1e4, trained="readout", **pair) == pytest.approx(d.POSTERIOR(**pair), rel=1e-9)
    assert d.FLOW_COVARIANCE(tau=1e4, **pair) > 1.01 * d.POSTERIOR(**pair)


def test_before_training_the_ensemble_is_the_prior():
    K, _ = gram("erf", d.circle([0.3, 0.9], 1.0), depth=2, weight_variance=1.5, bias_variance=0.1)
    assert d.COVARIANCE(t=0, psi=0.3, psi2=0.9) == pytest.approx(K[0, 1], rel=1e-12)
    assert d.MEAN(t=0, psi=0.3) == 0
    assert d.LAW(t=0, psi=0.3, f=0.0) == pytest.approx(0.5, abs=1e-12)


def test_the_critical_learning_rate_is_named_and_is_critical():
    network = {"depth": 3, "activation": "relu", "C_W": 2.0}
    with pytest.raises(DomainError, match=r"eta = 9 is not stable: take eta < 0\.\d+, 2 over the largest") as refused:
        d.MEAN(eta=9.0, **network)
    critical = float(str(refused.value).split("eta < ")[1].split(",")[0])
    assert d.MEAN(eta=0.995 * critical, t=20_000, psi=1.0, **network) == pytest.approx(np.cos(2.0), abs=1e-6)
    with pytest.raises(DomainError, match="not stable"):
        d.MEAN(eta=1.001 * critical, **network)


def test_networks_diverge_above_their_own_critical_rate():
    """With the last layer alone trained: 2 over the largest eigenvalue of each network's own kernel."""
    at = {"n": 20, "depth": 2, "activation": "tanh", "C_W": 1.5, "C_b": 0.1, "m": 3, "spread": 2.0, "waves": 2.0,
          "radius": 1.0, "t": 300, "psi": 0.0}  # fmt: skip
    kernel = sim.last_layer(1, Stream.from_seed(4), eta=0.1, **at)["kernel"][0, :3, :3]
    critical = 2.0 / np.linalg.eigvalsh(kernel)[-1]
    below, above = (sim.last_layer(1, Stream.from_seed(4), eta=f * critical, **at)["own_mean"] for f in (0.97, 1.03))
    assert abs(below[0, 0] - 1.0) < 0.2
    assert abs(above[0, 0]) > 1e3


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (d.MEAN, {"activation": "rleu"}, "not one of"),
        (d.MEAN, {"depth": 1}, "number of weight layers"),
        (d.MEAN, {"C_W": -1.0}, "variance of a weight"),
        (d.MEAN, {"m": 1}, "number of training inputs"),
        (d.COVARIANCE, {"eta": 3.0}, "2 over the largest eigenvalue of the tangent kernel"),
        (d.MEAN_GIVEN, {"kernel": np.eye(4)[None], "eta": 2.0}, "eta = 2 is not stable: take eta < 2"),
        (d.FLOW_MEAN, {"tau": -0.1}, "training time"),
        (d.FLOW_GIVEN, {}, "missing parameter kernel"),
    ],
)
def test_bad_input_is_named(prediction, at, message):
    with pytest.raises(DomainError, match=message):
        prediction(**at)


def test_shapes_that_do_not_fit_are_named():
    x, y, at = problem()
    message = r"inputs \(4, 3\), labels \(%s,\) and points \(3, %s\) do not fit: want"
    with pytest.raises(DomainError, match=message % (4, 2)):
        run(x, y, at[:, :2])
    with pytest.raises(DomainError, match=message % (3, 3)):
        run(x, y[:3], at)
    with pytest.raises(DomainError, match=r"norm zero|zero norm|norm 0"):
        num.ensemble("relu", 0 * x, y, at, depth=2, eta=0.1, times=[1])


DATA = {"C_W": 1.5, "C_b": 0.1, "m": 3, "spread": 2.0, "waves": 2.0, "radius": 1.2}
PAIR = {"t": np.array([2, 5]), "psi": np.array([0.5, 1.0])}
ALL = {"n": 6, "trained": "all", "eta": 0.1, **DATA}
SIMULATIONS = {
    "mean": (sim.mean_output, {**ALL, "depth": 3, "activation": "erf", **PAIR}),
    "readout": (sim.mean_output, {**ALL, "depth": 3, "activation": "relu", "trained": "readout", **PAIR}),
    "output": (sim.output, {**ALL, "depth": 2, "activation": "tanh", "t": 3, "psi": 0.5}),
    "covariance": (sim.covariance, {**ALL, "depth": 2, "activation": "erf", "psi2": 1.5, **PAIR}),
    "last layer": (sim.last_layer, {"n": 6, "depth": 3, "activation": "relu", "eta": 0.1, **DATA, **PAIR}),
    "small steps": (sim.last_layer_in_small_steps, {"n": 6, "depth": 2, "activation": "erf", "grain": 4, "psi": 0.5,
                                                    "tau": np.array([0.5, 1.0]), **DATA}),
}  # fmt: skip


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name):
    demand_twins(*SIMULATIONS[name], atol=1e-11)


@pytest.mark.parametrize("depth", [2, 3])
def test_the_adjoint_is_descent_of_the_readout(depth):
    """The same hidden layers, trained with many readouts: means of the outputs with opposite ones are the adjoint's."""
    at = {"n": 7, "depth": depth, "activation": "erf", "eta": 0.15, **DATA, **PAIR}
    adjoint = sim.last_layer(4, Stream.from_seed(6), **at)["own_mean"]
    trained = sim.mean_output(4, Stream.from_seed(6), trained="readout", **at)["value"]
    np.testing.assert_allclose(trained, adjoint, rtol=1e-9, atol=1e-12)


def test_the_adjoint_keeps_the_variance_over_readouts():
    """Differences of outputs with opposite readouts, over one draw of hidden layers and 40 000 readouts: within 5 %.

    False alarm 1e-12: the standard error is 0.7 %.
    """
    at = {"n": 3, "depth": 2, "activation": "erf", "eta": 0.15, **DATA, **PAIR}
    kernel = sim.last_layer(1, Stream.from_seed(6), **at)
    rng = Stream.from_seed(6)
    weights, biases = sim._drawn(1, rng, 3, 2)
    hidden = sim.hidden_features(weights[:1], d.circle([0.0, 1.0, 2.0, 0.5, 1.0], 1.2), scales=[np.sqrt(0.75)],
                                 activation="erf", biases=biases[:1], bias_scales=[np.sqrt(0.1)])[0]  # fmt: skip
    z = np.concatenate([np.sqrt(0.5) * hidden, np.full((5, 1), np.sqrt(0.1))], axis=1)
    np.testing.assert_allclose(kernel["kernel"][0], z @ z.T, rtol=1e-10)
    v = np.random.default_rng(0).standard_normal((40_000, 4))
    outputs, labels = [], np.cos(2.0 * np.array([0.0, 1.0, 2.0]))
    for step in range(6):
        if step in (2, 5):
            outputs.append(v @ z[3 if step == 2 else 4])
        v = v - 0.15 * (v @ z[:3].T - labels) @ z[:3]
    np.testing.assert_allclose(np.mean(outputs, axis=1), kernel["own_mean"][0], atol=0.03)
    np.testing.assert_allclose(np.var(outputs, axis=1), kernel["own_variance"][0], rtol=0.05)


def test_no_scatter_between_pairs_at_the_start():
    at = {"n": 6, "depth": 3, "activation": "erf", "trained": "all", "eta": 0.1, "t": 0, "psi": 0.5, **DATA}
    assert np.all(np.abs(sim.mean_output(4, Stream.from_seed(1), **at)["value"]) < 1e-15)
