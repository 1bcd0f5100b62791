"""Kernel evolution of two-layer linear networks: closed form, limits, symmetries, orders, width, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
from theorylab.derivations.learning_dynamics import dmft_two_layer_linear_steps as steps
from theorylab.derivations.learning_dynamics import two_layer_kernels as maps
from theorylab.derivations.learning_dynamics.jets import Jet
from theorylab.errors import DomainError, TheorylabError
from theorylab.kernels.random import Stream
from theorylab.prediction import PredictionError
from theorylab.sims.learning_dynamics import two_layer_linear as sim
from theorylab.sims.learning_dynamics import two_layer_linear_flow as flow_sim
from theorylab.symbolic import high_precision

TIMES = np.array([0.0, 0.1, 0.5, 1.5])
ONE = np.ones((1, 1, 1))
reals = st.floats(0.05, 8.0)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(gamma=reals, y=reals, t=st.floats(0.0, 3.0))
def test_it_solves_its_equation(gamma: float, y: float, t: float) -> None:
    """dphi/dt = 2 sqrt(1 + gamma^2 phi^2)(|y| - phi), by central differences."""
    h = 1e-4 / (1.0 + gamma * y)
    phi, after, before = (float(d.OUTPUT(gamma=gamma, y=y, t=s)) for s in (t + h, t + 2 * h, t))
    rate = 2.0 * np.hypot(1.0, gamma * phi) * (y - phi)
    assert (after - before) / (2 * h) == pytest.approx(rate, rel=1e-5, abs=1e-6 * y)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(gamma=reals, y=reals, factor=st.floats(0.2, 5.0), t=st.floats(0.01, 3.0))
def test_symmetry_and_monotonicity(gamma: float, y: float, factor: float, t: float) -> None:
    """phi/|y| depends on gamma |y| alone; it grows with the time and with the richness, below 1."""
    one = d.OUTPUT(gamma=gamma, y=y, t=t) / y
    assert one == pytest.approx(d.OUTPUT(gamma=gamma / factor, y=y * factor, t=t) / (y * factor), rel=1e-12)
    assert 0 < one <= 1
    assert d.OUTPUT(gamma=gamma, y=y, t=1.1 * t) >= one * y * (1 - 1e-14)
    assert d.OUTPUT(gamma=1.1 * gamma, y=y, t=t) >= one * y * (1 - 1e-14)


def test_limits() -> None:
    """Lazy, late and rich."""
    np.testing.assert_allclose(d.OUTPUT(gamma=1e-7, y=1.3, t=TIMES), d.LAZY(y=1.3, t=TIMES), rtol=1e-12)
    left = 1.0 - d.OUTPUT(gamma=1.5, y=1.0, t=np.array([4.0, 4.1]))
    assert np.log(left[0] / left[1]) / 0.1 == pytest.approx(2 * np.sqrt(3.25), rel=1e-4)
    a = 100.0
    t = np.array([0.02, 0.03, 0.04])
    logistic = 1.0 / (1.0 + 2.0 * a * np.exp(-2.0 * a * t))
    np.testing.assert_allclose(d.OUTPUT(gamma=a, y=1.0, t=t), logistic, rtol=0.03)


def test_time_is_the_inverse_and_half_of_the_loss_has_a_time() -> None:
    for gamma, fraction in ((1e-6, 0.3), (1.0, 1e-6), (3.0, 1.0 - np.sqrt(0.5)), (50.0, 0.999)):
        t = d.TIME_TO_REACH(gamma=gamma, y=1.7, fraction=fraction)
        assert float(d.OUTPUT(gamma=gamma, y=1.7, t=t)) == pytest.approx(1.7 * fraction, rel=1e-9)


@pytest.mark.parametrize(("gamma", "t"), [(0.05, 0.3), (2.0, 0.5), (5.0, 1.0)])
def test_width_to_fifty_digits(gamma: float, t: float) -> None:
    """The delta method's derivatives, carried through the arithmetic, against SymPy's."""
    at = dict(zip((steps.gamma, steps.y, steps.t), (gamma, 1.2, t)))
    for prediction, build in ((d.BIAS, steps.bias), (d.VARIANCE, steps.variance)):
        value, error = prediction.evaluate(gamma=gamma, y=1.2, t=t)
        exact = float(high_precision(build(steps.gamma, steps.y, steps.t), at))
        assert abs(float(value) - exact) <= 20 * float(error) + 1e-14 * abs(exact)


def test_lazy_width() -> None:
    """gamma -> 0: y(1 - exp(-S t)) with S of variance 4/N, and f_0 of variance 1/(gamma^2 N)."""
    t = np.array([0.2, 0.7])
    np.testing.assert_allclose(d.VARIANCE(gamma=1e-3, y=1.0, t=t) * 1e-6, np.exp(-4 * t), rtol=1e-4)
    s, _ = d.derivatives(np.asarray(1e-6), np.asarray(1.0), t)
    np.testing.assert_allclose(s.first, t * np.exp(-2 * t), rtol=1e-9)
    np.testing.assert_allclose(s.second, -t * t * np.exp(-2 * t), rtol=1e-9)


def test_jets_are_derivatives() -> None:
    x = sp.Symbol("x")
    expr = sp.tanh(sp.sqrt(x * x + 1) / (x + 2) - x)
    jet = Jet(np.array(0.7), np.array(1.0), np.array(0.0))
    found = ((jet * jet + 1.0).sqrt() / (jet + 2.0) - jet).tanh()
    for k, value in enumerate(found):
        assert float(value) == pytest.approx(float(expr.diff(x, k).subs(x, 0.7)), rel=1e-12)


def test_descent_by_hand() -> None:
    """One pattern, two updates."""
    start = maps.infinite_width(ONE)
    path = maps.descend(start, ONE, np.array([[2.0]]), 1.5, 0.1, np.array([0.0, 1.0, 2.0]))
    g = 0.15
    h = 1 + g**2 * 4
    c1 = 2 * g * 2
    error = 2 - c1 / 1.5
    c2 = c1 + g * 2 * h * error + g**2 * error * c1 * error
    np.testing.assert_allclose(path.outputs[0, :, 0], [0.0, c1 / 1.5, c2 / 1.5], rtol=1e-14)
    np.testing.assert_allclose(path.tangent[0, :2, 0, 0], [2.0, 2 * h], rtol=1e-14)


def test_flow_is_the_closed_form_on_whitened_data() -> None:
    """Three patterns, K = I: along the targets phi, across them nothing."""
    targets = np.array([[1.0, -2.0, 0.5]])
    length = float(np.linalg.norm(targets))
    eye = np.eye(3)[None]
    path, error = maps.flow(maps.infinite_width(eye), eye, targets, 0.8, TIMES[1:])
    expected = d.OUTPUT(gamma=0.8, y=length, t=TIMES[1:])[:, None] * targets / length
    assert np.max(np.abs(path.outputs[0] - expected)) <= np.max(error.outputs) + 1e-12
    kernel = path.tangent[0, -1]
    grown = 2 * d.READOUT_KERNEL(gamma=0.8, y=length, t=TIMES[-1])
    values = np.linalg.eigvalsh(kernel)
    np.testing.assert_allclose(values, [1 + grown / 2, 1 + grown / 2, grown], rtol=1e-8)


def test_flow_is_of_order_four() -> None:
    """Halving the step divides the error by 16."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 3, 6))
    gram, targets = x @ np.swapaxes(x, 1, 2) / 6, rng.normal(size=(1, 3))
    start, times = maps.infinite_width(gram), np.array([0.6])
    exact = maps._runge_kutta(start, gram, targets, 2.0, times, np.array([400])).outputs
    errors = [
        float(np.max(np.abs(maps._runge_kutta(start, gram, targets, 2.0, times, np.array([n])).outputs - exact)))
        for n in (8, 16, 32)
    ]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(slopes - 4.0) < 0.3), slopes


def test_descent_tends_to_flow() -> None:
    """At learning rate eta the difference is of the order of eta, with a ratio of two."""
    gaps = []
    for eta in (0.01, 0.005):
        at = np.array([round(0.4 / eta)])
        path = maps.descend(maps.infinite_width(ONE), ONE, np.ones((1, 1)), 1.5, eta, at)
        gaps.append(float(path.outputs[0, 0, 0] - d.OUTPUT(gamma=1.5, y=1.0, t=0.4)))
    assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.03)


def test_the_sign_of_the_targets() -> None:
    gram = np.array([[[1.0, 0.3], [0.3, 2.0]]])
    start = maps.infinite_width(gram)
    one, two = (maps.descend(start, gram, s * np.array([[1.0, 0.4]]), 1.0, 0.05, TIMES * 20) for s in (1.0, -1.0))
    np.testing.assert_allclose(one.outputs, -two.outputs)
    np.testing.assert_allclose(one.tangent, two.tangent)


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "weights": (sim.weights_descent, {"N": 5, "D": 4, "P": 2, "gamma": 1.5, "eta": 0.05, "y": 1.0, "t": TIMES * 4}),
    "fields": (sim.fields_descent, {"N": 5, "D": 4, "P": 2, "gamma": 1.5, "eta": 0.05, "y": 1.0, "t": TIMES * 4}),
    "untrained": (sim.untrained, {"N": 5, "gamma": 1.5, "rho": 0.3}),
    "flow": (flow_sim.gradient_flow, {"N": 5, "D": 4, "P": 2, "gamma": 1.5, "y": 1.0, "t": TIMES}),
    "whitened": (flow_sim.whitened_flow, {"N": 5, "P": 3, "gamma": 1.5, "y": 1.0, "t": TIMES}),
    "net": (flow_sim.whitened_net, {"N": 5, "gamma": 1.5, "y": 1.0, "t": TIMES}),
    "halves": (flow_sim.halves, {"N": 5, "gamma": 1.5, "y": 1.0, "t": TIMES}),
    "time": (flow_sim.time_to_reach, {"N": 5, "gamma": 1.5, "y": 1.0, "fraction": 0.5, "until": 1.0}),
}


@pytest.mark.parametrize("name", CASES)
def test_backends_agree_trial_by_trial(name: str) -> None:
    function, at = CASES[name]
    one, two = (function(4, Stream.from_seed(3, b), **at) for b in ("numpy", "numba"))
    for key, value in one.items():
        np.testing.assert_allclose(value, two[key], rtol=1e-9, atol=1e-12, err_msg=key)


def test_fields_of_a_pair_follow_the_weights() -> None:
    """The mean of a pair, each of which is what its own kernels say."""
    at = {"N": 6, "D": 4, "P": 2, "gamma": 1.2, "eta": 0.05, "y": 1.0, "t": np.array([0.0, 7.0])}
    seen = sim.fields_descent(3, Stream.from_seed(5), **at)
    rng = Stream.from_seed(5)
    _, gram, targets = sim.data(3, rng, 2, 4, 1.0)
    h = np.linalg.cholesky(gram) @ rng.normal(3, 2, 6)
    a = rng.normal(3, 6)
    outputs = []
    for sign in (1.0, -1.0):
        before = sim.kernels_before(h, sign * a)
        start = maps.Kernels(before["fields"], before["readout"], before["overlap"])
        outputs.append(maps.descend(start, gram, targets, 1.2, 0.05, at["t"]).outputs)
    np.testing.assert_allclose(seen["outputs"], (outputs[0] + outputs[1]) / 2, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(seen["outputs"][:, 0], 0.0, atol=1e-15)


def test_time_to_reach_of_one_network() -> None:
    """The interpolated crossing against the exact output of each network; those that are late or early count so."""
    at = {"N": 4, "gamma": 1.0, "y": 1.0}
    found = flow_sim.time_to_reach(6, Stream.from_seed(8), **at, fraction=0.5, until=1.0)["value"]
    rng = Stream.from_seed(8)
    h, a = rng.normal(6, 1, 4)[:, 0], rng.normal(6, 4)
    total, times = np.mean(h * h + a * a, axis=1), np.linspace(0.0, 1.0, 20_001)
    expected = np.zeros(6)
    for sign in (1.0, -1.0):
        f = d.GIVEN_START(gamma=1.0, y=1.0, t=times, total=total, overlap=sign * np.mean(h * a, axis=1))
        expected += np.where(np.any(f >= 0.5, axis=1), times[np.argmax(f >= 0.5, axis=1)], 1.0) / 2
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_bad_input_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"gram": ONE, "targets": np.ones((1, 1))}
    with pytest.raises(DomainError, match=r"eta = 1.5 is not stable at gamma = 1: take eta < 1 = 2/\(largest") as info:
        d.DESCENT["outputs"](gamma=1.0, eta=1.5, t=np.array([300.0]), **data)
    assert "\n" not in str(info.value)
    monkeypatch.setattr(maps, "MOST_STEPS", 64)
    with pytest.raises(PredictionError, match="when the step is halved, wanted"):
        maps.flow(maps.infinite_width(ONE), ONE, np.ones((1, 1)) * 1e6, 100.0, np.array([1e3]))
    with pytest.raises(TheorylabError, match="gamma = -1 is outside its domain"):
        d.OUTPUT(gamma=-1.0, y=1.0, t=1.0)
    with pytest.raises(TheorylabError, match="fraction = 1 is outside its domain"):
        d.TIME_TO_REACH(gamma=1.0, y=1.0, fraction=1.0)
