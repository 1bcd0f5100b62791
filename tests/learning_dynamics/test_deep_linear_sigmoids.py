"""Deep linear networks: sigmoids of single modes, what the flow conserves, small starts, and bad input.

Random inputs are drawn by hypothesis with a fixed seed and every assertion is deterministic: no false alarms.
"""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import registered
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from simulation_twins import demand_twins

from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as deep
from theorylab.derivations.learning_dynamics import mode_ode
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.prediction import ClosedForm
from theorylab.sims.learning_dynamics import deep_linear

fixed = settings(derandomize=True, deadline=None, max_examples=40)
layers, targets, parts = st.integers(2, 20), st.floats(0.2, 3.0), st.floats(0.01, 0.9)
FORMS = [v for v in vars(deep).values() if isinstance(v, ClosedForm)]


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.quantity[:40])
def test_fifty_digits(form):
    for point in registered.points(form, 6, form.quantity):
        exact = form.mp(**point)
        assert abs(mpmath.mpf(float(form(**point))) - exact) <= max(1e-11 * abs(exact), mpmath.mpf("2.3e-308")), point


@fixed
@given(layers, targets, parts, st.floats(0.0, 3.0))
def test_time_inverts_strength(n, s, part, t):
    """Rounding of u near the target is a large error of the time: compare the distances left."""
    u, error = deep.DEEP.evaluate(t=t, n=n, s=s, u0=part * s)
    assert part * s * (1 - 1e-14) <= u <= s
    assert error <= 1e-12 * s
    if s - u > 1e-4 * s:
        assert deep.DEEP_TIME(u=u, n=n, s=s, u0=part * s) == pytest.approx(t, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize(("n", "s", "u0", "u"), [(1, 1.0, 0.1, 0.7), (3, 2.0, 1e-4, 1.9), (7, 0.5, 0.01, 0.3)])
def test_against_the_integral(n, s, u0, u):
    value, _ = quad(lambda x: 1.0 / (n * x ** (2 - 2 / n) * (s - x)), u0, u, epsrel=1e-12, limit=500)
    assert deep.DEEP_TIME(u=u, n=n, s=s, u0=u0) == pytest.approx(value, rel=1e-10)


@fixed
@given(layers, targets, parts, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_time_is_additive(n, s, part, first, second):
    halfway = float(deep.DEEP(t=first, n=n, s=s, u0=part * s))
    if halfway < s * (1 - 1e-9):
        there = deep.DEEP(t=second, n=n, s=s, u0=halfway)
        assert there == pytest.approx(float(deep.DEEP(t=first + second, n=n, s=s, u0=part * s)), rel=1e-9)


@fixed
@given(targets, parts, st.floats(0.0, 3.0))
def test_two_layers_are_logistic(s, part, t):
    at = {"t": t, "s": s, "u0": part * s}
    assert deep.DEEP(n=2, **at) == pytest.approx(float(mode_ode.UNBALANCED(k=0.0, **at)), rel=1e-12)


def test_deep_networks_tend_to_the_infinitely_deep():
    """The difference is of order 1/n."""
    at = {"u": 0.9, "s": 1.0, "u0": 0.2}
    gaps = [n * float(deep.DEEP_TIME(n=n, **at)) / float(deep.INFINITE_TIME(**at)) - 1 for n in (200, 400)]
    assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("depth", [1, 2, 3, 12, math.inf])
def test_the_general_object(depth):
    """Rate, time and strength of one mode agree with each other."""
    mode = deep.mode(depth, 1.5, 0.2)
    t = np.linspace(0.0, 0.6, 7)
    u = mode.strength(t)
    np.testing.assert_allclose(mode.time(u[1:]), t[1:], rtol=1e-9)
    h = 1e-5
    np.testing.assert_allclose(
        (mode.strength(t[1:] + h) - mode.strength(t[1:] - h)) / (2 * h), mode.rate(u[1:]), rtol=1e-6
    )


def test_the_general_object_of_unequal_layers():
    mode = deep.mode(2, 1.0, -0.3, gap=0.8)
    t = np.array([0.1, 0.5, 2.0])
    np.testing.assert_allclose(mode.time(mode.strength(t)), t, rtol=1e-10)
    h = 1e-5
    np.testing.assert_allclose(
        (mode.strength(t + h) - mode.strength(t - h)) / (2 * h), mode.rate(mode.strength(t)), rtol=1e-6
    )


def test_learning_times_grow_with_depth_for_small_starts():
    """The wait of a start w per layer: w^(2 - n)/((n - 2) s) when it is long."""
    w = 0.05
    times = [float(deep.DEEP_TIME(u=0.5, n=n, s=1.0, u0=w**n)) for n in (2, 3, 4, 5)]
    assert times == sorted(times)
    assert times[3] == pytest.approx(w**-3 / 3, rel=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: deep.DEEP(t=1.0, n=3, s=1.0, u0=1.2), "starts below its target"),
        (lambda: deep.DEEP_TIME(u=0.1, n=3, s=1.0, u0=0.2), "grows from u0 towards s"),
        (lambda: deep.HALF_TIME(s=1.0, u0=0.6), "half of the target"),
        (lambda: deep.mode(3, 1.0, 0.1, gap=0.5), "unequal layers .* two layers, not 3"),
        (
            lambda: deep_linear.descent(2, Stream.from_seed(1), n=3, d=3, per_unit=1),
            r"diverges from .* for 3 layers .* take more steps",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(DomainError, match=message):
        call()


def test_critical_rate_of_descent_on_a_mode():
    """Just below it w -> w + eta w^(n-1) (s - w^n) converges, just above it does not."""
    n, s = 3, 1.3
    critical = float(deep.CRITICAL_RATE(n=n, s=s))
    for factor, converges in ((0.97, True), (1.03, False)):
        w = (s * 1.001) ** (1 / n)
        for _ in range(2000):
            w += factor * critical * w ** (n - 1) * (s - w**n)
        assert (abs(w**n - s) < 1e-6) is converges


def test_the_flow_is_of_fourth_order(monkeypatch):
    at = {"n": 3, "d": 3, "s": 1.0, "u0": 0.1, "t": np.array([1.0])}
    exact = deep.DEEP(t=1.0, n=3, s=1.0, u0=0.1)
    errors = []
    for step in (0.8, 0.4):
        monkeypatch.setattr(deep_linear, "STEP", step)
        errors.append(np.abs(deep_linear.aligned.function(4, Stream.from_seed(1), **at) - exact).max())
    assert 12 < errors[0] / errors[1] < 22


SIMULATIONS = {
    "aligned": (deep_linear.aligned, {"n": 3, "s": 1.0, "u0": 0.1, "t": np.array([0.2, 0.5])}),
    "unequal": (deep_linear.unequal, {"s": 1.0, "k": 0.5, "u0": -0.1, "t": np.array([0.2, 0.5])}),
    "conservation": (deep_linear.conservation, {"n": 3, "t": np.array([0.2])}),
    "descent": (deep_linear.descent, {"n": 3, "per_unit": 30}),
    "small start": (deep_linear.small_start, {"n": 3, "s": 1.0, "shrink": 8.0}),
    "half times": (deep_linear.half_times, {"s": 1.0, "h": 3, "sigma": 0.05, "faster": 1}),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name):
    simulation, at = SIMULATIONS[name]
    demand_twins(simulation, {"d": 3, **at}, rtol=1e-8)


def test_conservation_draw_by_draw():
    out = deep_linear.conservation(4, Stream.from_seed(2), n=4, d=3, t=np.array([0.1, 1.0]))
    assert np.all(out["kept"] < 1e-6)
    assert np.all(out["exchanged"][:, -1] > 0.05)
