"""Feature learning at infinite width: limits, symmetries, other routes to the same numbers.

Random inputs are drawn by hypothesis with a fixed seed and every assertion is deterministic: no false alarms.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_twins

from theorylab.derivations.infinite_width import mup_limit_one_hidden as d
from theorylab.derivations.infinite_width import mup_limit_one_hidden_steps as steps
from theorylab.derivations.infinite_width import mup_limit_particles as p
from theorylab.derivations.infinite_width.activations import activation
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.prediction import ClosedForm, Prediction
from theorylab.sims.infinite_width import mup_network as sim

PREDICTIONS = {name: value for name, value in vars(d).items() if isinstance(value, Prediction)}
fixed = settings(derandomize=True, deadline=None, max_examples=40)
labels = st.floats(-3.0, 3.0)
deviations = st.floats(0.2, 2.0)
times = st.floats(0.01, 3.0)
X, Y = np.array([[1.0, 0.2], [-0.3, 0.8]]), np.array([1.0, -0.5])


@pytest.mark.parametrize("name", [n for n, q in PREDICTIONS.items() if isinstance(q, ClosedForm)])
def test_corners_agree_with_fifty_digits(name):
    prediction = PREDICTIONS[name]
    for corner in prediction.corners:
        exact = prediction.mp(**corner)
        assert abs(mpmath.mpf(float(prediction(**corner))) - exact) <= 1e-12 * abs(exact), corner


def test_derivations_replay():
    for derivation in {id(q.derivation): q.derivation for q in PREDICTIONS.values()}.values():
        derivation.replay()


def test_the_flow_solves_its_equation_in_sympy():
    """In u = e^(arsinh(2 f/a0)): `dsolve` finds the solution of the linear pair behind it, `checkodesol` agrees."""
    t, y, a0 = sp.Symbol("t"), sp.Rational(3, 4), sp.Integer(2)
    u = sp.Function("u")
    root = sp.sqrt(a0**2 + 4 * y**2)
    up, um = (2 * y + root) / a0, (2 * y - root) / a0
    e = sp.exp(root * t) * (1 - um) / (up - 1)
    equation = sp.Eq(u(t).diff(t), 2 * y * u(t) - a0 / 2 * (u(t) ** 2 - 1))
    solution = sp.Eq(u(t), (um + up * e) / (1 + e))
    assert sp.checkodesol(equation, solution)[0]
    for tau in (0.1, 0.7, 2.0):
        value = complex(solution.rhs.subs(t, tau).evalf(20)).real
        assert d.FLOW(y=0.75, tau=tau) == pytest.approx(0.5 * (value - 1 / value), rel=1e-12)


@fixed
@given(labels, deviations, deviations, times)
def test_the_flow_is_odd_in_the_label_grows_and_arrives(y, su, sv, tau):
    at = {"sigma_u": su, "sigma_v": sv}
    value = float(d.FLOW(y=y, tau=tau, **at))
    assert d.FLOW(y=-y, tau=tau, **at) == -value
    assert abs(value) <= abs(d.FLOW(y=y, tau=1.1 * tau, **at)) <= abs(y) * (1 + 1e-14)
    assert d.FLOW(y=y, tau=1e4, **at) == pytest.approx(y, rel=1e-12)
    assert d.FLOW_CHANGE(y=y, tau=1e4, **at) == pytest.approx(d.FINAL_CHANGE(y=y, **at), rel=1e-12)
    free = np.array([[su**2, sv**2, 0.0]])
    assert d.FLOW_GIVEN(triple=free, y=y, tau=tau)[0, 0] == pytest.approx(value, rel=1e-10, abs=1e-12)


@fixed
@given(labels, times)
def test_large_weights_are_the_kernel_regime(y, tau):
    """a0 = 2e4: the label moves features by 1e-8 of what is there."""
    assert d.FLOW(y=y, sigma_u=100.0, sigma_v=100.0, tau=tau / 2e4) == pytest.approx(-y * np.expm1(-tau), rel=1e-6)


@fixed
@given(labels, st.floats(0.3, 2.0), st.floats(0.3, 2.0), st.floats(-0.9, 0.9), times)
def test_the_flow_from_any_start_is_the_limit_of_small_steps(y, q, w, correlation, tau):
    triple = np.array([[q, w, correlation * np.sqrt(q * w)]])
    errors = []
    for count in (400, 800):
        value = d.ONE_SAMPLE_GIVEN(triple=triple, y=y, eta=tau / count, t=count)[0, 0]
        errors.append(abs(value - d.FLOW_GIVEN(triple=triple, y=y, tau=tau)[0, 0]))
    assert errors[0] < 0.05
    assert errors[1] < 0.55 * errors[0] + 1e-8


def test_the_first_step_of_a_linear_network_by_hand():
    for psi in (0.0, 0.5, 2.0):
        expected = 0.3 * (1.5**2 + 0.5**2) * (1.0 * np.cos(psi) - 0.7 * np.cos(psi - 1.2))
        assert d.LINEAR(t=1, psi=psi, eta=0.3, sigma_u=1.5, sigma_v=0.5) == pytest.approx(expected, rel=1e-12)


def test_one_sample_is_the_recursion_of_moments_along_it():
    triple = np.array([[1.3, 0.6, 0.2], [0.4, 1.1, -0.3]])
    moments = np.zeros((2, 3, 3))
    moments[:, 0, 0], moments[:, 2, 2], moments[:, 1, 1] = triple[:, 0], triple[:, 1], 0.7
    moments[:, 0, 2] = moments[:, 2, 0] = triple[:, 2]
    t = np.array([0, 1, 4, 9])
    # Twice the same sample is one at twice the learning rate.
    at = {"moments": moments, "angle": 0.0, "y1": 0.8, "y2": 0.8, "psi": 0.0, "t": t}
    one = d.ONE_SAMPLE_GIVEN(triple=triple, y=0.8, eta=0.2, t=t)
    np.testing.assert_allclose(d.LINEAR_GIVEN(eta=0.1, **at), one, rtol=1e-11)


def run(phi, x=X, y=Y, at=X, **changes):
    return p.particles(activation(phi), x, y, at, **{"eta": 0.2, "times": [0, 1, 4], "count": 16, **changes})


@pytest.mark.parametrize("phi", ["tanh", "tanh(z) + z**2/20"])
def test_particles_know_no_coordinates(phi):
    """Rotated inputs, in more dimensions: the same network, within the error of the rule."""
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0][:2]
    a, b = run(phi, count=32), run(phi, x=X @ turn, at=X @ turn, count=32)
    np.testing.assert_allclose(a.outputs, b.outputs, atol=2e-4)
    np.testing.assert_allclose(a.changes, b.changes, atol=2e-4)
    assert not a.changes[0].any()
    np.testing.assert_allclose(a.outputs[0], 0.0, atol=1e-14)


def test_half_of_the_particles_are_enough_for_an_odd_activation():
    """An even part that is next to nothing turns the shortcut off."""
    a, b = run("tanh"), run("tanh(z) + z**2/10**14")
    np.testing.assert_allclose(a.outputs, b.outputs, atol=1e-12)
    np.testing.assert_allclose(a.changes, b.changes, atol=1e-12)


@pytest.mark.parametrize("phi", ["tanh", "erf"])
def test_the_stated_error_bounds_the_true_one(phi):
    fine, doubt = p.limit(activation(phi), X, Y, X, eta=0.2, times=[2, 12])
    better = run(phi, count=64, times=[2, 12])
    for a, b, error in zip(fine, better, doubt):
        assert np.all(np.abs(a - b) <= error)
        assert np.max(error) < 1e-3


def test_the_lazy_limit_is_reached_at_second_order():
    at = {"activation": "erf", "t": 6, "psi": 0.5}
    kernel = d.LAZY(**at)
    data = {"angle": 1.2, "y1": 1.0, "y2": -0.7, "eta": 0.3, "sigma_u": 1.0, "sigma_v": 1.0, **at}
    gaps = [abs(d.coarse("outputs", alpha=a, **data) - kernel) for a in (8.0, 16.0)]
    assert gaps[0] / gaps[1] == pytest.approx(4.0, rel=0.05)
    assert d.CHANGE(alpha=16.0, **at) == pytest.approx(d.CHANGE(alpha=8.0, **at) / 4.0, rel=0.05)


def test_kernel_descent_arrives_at_interpolation():
    labels_at = d.LAZY(activation="tanh", t=4000, psi=[0.0, 1.2], eta=0.3)
    np.testing.assert_allclose(labels_at, [1.0, -0.7], rtol=1e-9)
    together = d.LAZY(activation="tanh", t=40, psi=0.0, angle=0.0, y1=0.5, y2=0.5)
    alone = d.LAZY(activation="tanh", t=40, psi=0.0, angle=0.0, y1=1.0, y2=0.0)
    assert together == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (d.OUTPUT, {"eta": 3.0}, r"eta = 3 is not stable at the start: take eta < 1\.7"),
        (d.OUTPUT, {"activation": "linear", "eta": 0.65, "y1": 2.0}, r"not stable after \d+ steps: take eta < 0"),
        (d.LAZY, {"eta": 3.0}, r"not stable at the start: take eta < 1\.7"),
        (d.LINEAR, {"eta": 3.0}, "2 over the largest eigenvalue of the tangent kernel there"),
        (d.ONE_SAMPLE_GIVEN, {"triple": [[1.0, 1.0, 0.0]], "eta": 1.1}, "eta = 1.1 is not stable .*: take eta < 1,"),
        (d.OUTPUT, {"activation": "tahn"}, "not one of"),
        (d.OUTPUT, {"eta": 0.0}, "learning rate"),
        (d.FLOW, {"tau": -1.0}, "training time"),
        (d.LINEAR_GIVEN, {}, "missing parameter moments"),
    ],
)
def test_bad_input_is_named(prediction, at, message):
    with pytest.raises(DomainError, match=message):
        prediction(**at)


def test_the_critical_learning_rate_is_critical():
    """Just below what is named, kernel descent converges; the named rate is refused."""
    with pytest.raises(DomainError) as refused:
        d.LAZY(eta=5.0)
    critical = float(str(refused.value).split("eta < ")[1].split(",")[0])
    assert d.LAZY(eta=0.999 * critical, t=20_000, psi=0.0) == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(DomainError):
        d.LAZY(eta=1.001 * critical)


def test_a_kink_is_refused():
    with pytest.raises(DomainError, match=r"activation relu has a kink at 0, .*: take a smooth one"):
        run("relu")


DATA = {
    "activation": "erf",
    "angle": 1.0,
    "y1": 1.0,
    "y2": -0.4,
    "eta": 0.2,
    "sigma_u": 0.9,
    "sigma_v": 1.1,
    "alpha": 1.3,
}
SIMULATIONS = {
    "network": (sim.network, {"n": 6, **DATA, "t": np.array([2, 5, 0]), "psi": np.array([0.3, 1.0, 0.3])}),
    "mirrored": (sim.network, {"n": 6, **DATA, "t": 3, "psi": 0.3, "mirrored": 1, "laziness": 0.5}),
    "halves": (sim.halves, {"n": 5, **DATA, "t": 3, "psi": 0.3}),
    "one input": (sim.one_input, {"n": 5, "y": 0.7, "eta": 0.2, "sigma_u": 0.9, "sigma_v": 1.1, "t": np.array([1, 4])}),
    "small steps": (sim.small_steps, {"n": 4, "y": 0.7, "sigma_u": 0.9, "sigma_v": 1.1, "tau": np.array([0.5, 1.0]),
                                      "grain": 2, "growing": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name):
    demand_twins(*SIMULATIONS[name])


def test_networks_by_hand():
    """Two steps in plain NumPy."""
    at = {**DATA, "n": 7, "t": 2, "psi": 0.3}
    found = sim.network(3, Stream.from_seed(5), **at)
    rng = Stream.from_seed(5)
    u, nu = 0.9 * rng.normal(3, 7, 2), 1.1 * rng.normal(3, 7)
    phi = activation("erf")
    x, y, point = d.inputs(1.0), np.array([1.0, -0.4]), d.circle(0.3)[0]
    before = np.mean(phi(u @ point) ** 2, axis=1)
    for _ in range(2):
        h = u @ x.T
        r = 1.3 * np.mean(nu[:, :, None] * phi(h), axis=1) - y
        push = 0.2 / 1.3 * r[:, None, :]
        u, nu = u - (push * nu[:, :, None] * phi.slope(h)) @ x, nu - np.sum(push * phi(h), axis=2)
    np.testing.assert_allclose(found["f"], 1.3 * np.mean(nu * phi(u @ point), axis=1), rtol=1e-10)
    np.testing.assert_allclose(found["dq"], np.mean(phi(u @ point) ** 2, axis=1) - before, rtol=1e-9)


def test_mirrored_networks_start_at_zero_and_halves_at_their_whole():
    start = {**DATA, "t": 0, "psi": 0.3}
    assert np.all(np.abs(sim.network(4, Stream.from_seed(1), n=6, mirrored=1, **start)["f"]) < 1e-15)
    assert np.all(np.abs(sim.halves(4, Stream.from_seed(1), n=6, **start)["defect"]) < 1e-15)


def test_times_that_are_no_whole_steps_are_refused():
    with pytest.raises(ValueError, match="not whole numbers of steps of 1/3"):
        sim.small_steps(1, Stream.from_seed(1), n=4, y=1.0, sigma_u=1.0, sigma_v=1.0, tau=0.5, grain=3, growing=0)


def test_the_flow_formula_is_the_published_one():
    """(a0/4)(u - 1/u) with u from the roots, as it is written in the literature."""
    y, tau, a0 = 1.3, 0.6, 2.0
    root = np.sqrt(a0**2 + 4 * y**2)
    up, um = (2 * y + root) / a0, (2 * y - root) / a0
    e = np.exp(root * tau) * (1 - um) / (up - 1)
    u = (um + e * up) / (1 + e)
    assert d.FLOW(y=y, tau=tau) == pytest.approx(a0 / 4 * (u - 1 / u), rel=1e-12)
    assert sp.simplify(steps.final_change - (sp.sqrt(steps.a0**2 + 4 * steps.y**2) - steps.a0) / 2) == 0
