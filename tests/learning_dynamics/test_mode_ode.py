"""One mode of a two-layer linear network: limits, group property, another route to the same numbers.

Random inputs are drawn by hypothesis with a fixed seed and every assertion is deterministic: no false alarms.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import registered
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from theorylab.derivations.learning_dynamics import mode_ode as mode
from theorylab.errors import DomainError

fixed = settings(derandomize=True, deadline=None, max_examples=60)
targets, times = st.floats(0.05, 5.0), st.floats(0.0, 5.0)
# The square of a gap below 1e-154 underflows, and with it the way of a negative start through zero.
gaps = st.just(0.0) | st.floats(1e-100, 10.0)
starts = st.floats(1e-6, 8.0)


@pytest.mark.parametrize("form", [mode.UNBALANCED, mode.UNBALANCED_TIME])
def test_fifty_digits(form):
    for point in registered.points(form, 25, form.quantity):
        exact = form.mp(**point)
        assert abs(mpmath.mpf(float(form(**point))) - exact) <= 1e-11 * abs(exact), point


def test_derivation_replays():
    mode.UNBALANCED_TIME.derivation.replay()


@pytest.mark.parametrize(("s", "k", "u0"), [(1.0, 0.0, 0.05), (1.3, 0.7, -0.4), (0.5, 3.0, 2.0), (2.0, 0.01, 0.0)])
def test_against_the_layers_themselves(s, k, u0):
    """The flow of (a, b), integrated to 1e-11."""
    a = np.sqrt(0.5 * (k + np.hypot(k, 2 * u0)))
    grid = np.linspace(0.0, 4.0, 9)
    flow = solve_ivp(
        lambda _, y: [y[1] * (s - y[0] * y[1]), y[0] * (s - y[0] * y[1])],
        (0.0, 4.0),
        [a, u0 / a],
        method="DOP853",
        t_eval=grid,
        rtol=1e-12,
        atol=1e-14,
    )
    np.testing.assert_allclose(mode.UNBALANCED(t=grid, s=s, k=k, u0=u0), flow.y[0] * flow.y[1], rtol=1e-9, atol=1e-11)


@fixed
@given(times, times, targets, gaps, starts)
def test_time_is_additive(first, second, s, k, u0):
    halfway = mode.UNBALANCED(t=first, s=s, k=k, u0=u0)
    there = mode.UNBALANCED(t=second, s=s, k=k, u0=halfway)
    assert there == pytest.approx(mode.UNBALANCED(t=first + second, s=s, k=k, u0=u0), rel=1e-11)


@fixed
@given(st.floats(1e-3, 1.0), targets, gaps, st.floats(-1.0, 1.0))
def test_time_inverts_strength(t, s, k, u0):
    start = u0 if k > 0 else abs(u0) + 1e-3
    u = float(mode.UNBALANCED(t=t, s=s, k=k, u0=start))
    # Rounding of u near the target is a large error of the time.
    if abs(s - u) > 1e-4 * s and abs(u - start) > 1e-6:
        assert mode.UNBALANCED_TIME(u=u, s=s, k=k, u0=start) == pytest.approx(t, rel=1e-8)


@fixed
@given(times, targets, gaps, starts, st.floats(0.1, 10.0))
def test_units(t, s, k, u0, scale):
    there = mode.UNBALANCED(t=t / scale, s=scale * s, k=scale * k, u0=scale * u0)
    assert there == pytest.approx(scale * mode.UNBALANCED(t=t, s=s, k=k, u0=u0), rel=1e-11)


@fixed
@given(times, targets, gaps, starts)
def test_a_larger_gap_learns_faster(t, s, k, u0):
    here, faster = (float(mode.UNBALANCED(t=t, s=s, k=gap, u0=u0)) for gap in (k, k + 0.5))
    assert abs(s - faster) <= abs(s - here) + 1e-13 * (s + u0)


@fixed
@given(targets, st.floats(-2.0, 2.0), st.floats(0.01, 3.0))
def test_the_lazy_limit(s, u0, x):
    k = 1e8
    assert mode.UNBALANCED(t=x / k, s=s, k=k, u0=u0) == pytest.approx(s + (u0 - s) * np.exp(-x), abs=1e-6)


@pytest.mark.parametrize(
    ("form", "at", "message"),
    [
        (mode.UNBALANCED, {"t": 1.0, "s": 1.0, "k": 0.0, "u0": -0.1}, "balanced layers start with a positive"),
        (mode.UNBALANCED, {"t": -1.0, "s": 1.0, "u0": 0.1}, "time of gradient flow"),
        (mode.UNBALANCED, {"t": 1.0, "s": 0.0, "u0": 0.1}, "strength of the mode in the target"),
        (mode.UNBALANCED_TIME, {"u": 1.1, "s": 1.0, "k": 0.3, "u0": 0.5}, "towards s and not beyond"),
        (mode.UNBALANCED_TIME, {"u": 1.0, "s": 1.0, "k": 0.3, "u0": 0.5}, "never reached"),
    ],
)
def test_bad_input_is_named(form, at, message):
    with pytest.raises(DomainError, match=message):
        form(**at)
