"""Two-time equations of deep linear networks: causality, identities, limits, orders, references, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.learning_dynamics import dmft_deep_linear as d
from theorylab.derivations.learning_dynamics import dmft_deep_linear_steps as steps
from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as two
from theorylab.derivations.learning_dynamics import linear_dmft, linear_dmft_flow, linear_dmft_map
from theorylab.derivations.learning_dynamics import two_layer_kernels as maps
from theorylab.derivations.learning_dynamics.linear_dmft import solve
from theorylab.errors import DomainError, TheorylabError
from theorylab.prediction import PredictionError

GRAM, TARGETS = np.array([[1.0, 0.3, -0.2], [0.3, 0.8, 0.1], [-0.2, 0.1, 1.4]]), np.array([1.0, -0.7, 0.4])
problems = st.tuples(st.integers(1, 4), st.floats(0.0, 2.0), st.floats(0.005, 0.04))


@settings(max_examples=8, derandomize=True, deadline=None)
@given(problem=problems)
def test_solutions_satisfy_their_equations(problem: tuple[int, float, float]) -> None:
    """Residual of the whole map at rounding, f the same from every layer, kernels symmetric, responses causal."""
    depth, gamma, eta = problem
    found = solve(GRAM, TARGETS, depth=depth, gamma=gamma, eta=eta, steps=12)
    assert found.residual < 1e-13
    assert np.ptp(found.layer_outputs(), axis=0).max() < 1e-13
    np.testing.assert_allclose(found.layer_outputs()[0], found.outputs, atol=1e-13)
    np.testing.assert_allclose(found.fields, np.swapaxes(found.fields, 1, 2), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(found.gradients, np.swapaxes(found.gradients, 1, 2), rtol=1e-13)
    row = np.repeat(np.arange(13), 3)
    assert not np.any(found.forward[:, row[:, None] <= np.arange(13)])
    assert not np.any(found.backward[:, np.arange(13)[:, None] <= row])


def test_later_updates_leave_earlier_ones_alone() -> None:
    short, long = (solve(GRAM, TARGETS, depth=2, gamma=1.3, eta=0.03, steps=n) for n in (6, 15))
    np.testing.assert_allclose(long.outputs[:7], short.outputs, rtol=1e-13)
    np.testing.assert_allclose(long.fields[:, :21, :21], short.fields, rtol=1e-13)


@pytest.mark.parametrize(("depth", "count"), [(1, 4), (2, 3), (3, 2)])
def test_against_the_symbolic_window(depth: int, count: int) -> None:
    """Outputs and kernels as polynomials in gamma, eta, y and K, from another implementation."""
    at = {steps.gamma: 1.3, steps.eta: 0.07, steps.y: 1.1, steps.K: 0.8}
    expected = steps.symbolic_window(depth, count)
    found = solve([[0.8]], [1.1], depth=depth, gamma=1.3, eta=0.07, steps=count - 1)
    np.testing.assert_allclose(found.outputs[:, 0], [float(f.subs(at)) for f in expected.f], rtol=1e-12)
    for l in range(depth):
        np.testing.assert_allclose(found.fields[l], np.array(expected.H[l].subs(at), dtype=float), rtol=1e-12)
        np.testing.assert_allclose(found.gradients[l], np.array(expected.G[l].subs(at), dtype=float), rtol=1e-12)


@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_sweeps_reach_the_same_fixed_point(damping: float) -> None:
    start = linear_dmft_map.lazy_start(GRAM, TARGETS, 2, 1.2, 0.04, 10)
    swept = linear_dmft_map.sweep(start, damping=damping)
    found = solve(GRAM, TARGETS, depth=2, gamma=1.2, eta=0.04, steps=10)
    assert linear_dmft_map.distance(swept, found) < 1e-11


def test_one_hidden_layer_on_several_patterns() -> None:
    """L = 1 is the closed system of two layers, output and tangent kernel."""
    found = solve(GRAM, TARGETS, depth=1, gamma=1.5, eta=0.04, steps=30)
    at = np.array([0.0, 3.0, 30.0])
    path = maps.descend(maps.infinite_width(GRAM[None]), GRAM[None], TARGETS[None], 1.5, 0.04, at)
    np.testing.assert_allclose(found.outputs[at.astype(int)], path.outputs[0], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found.tangent()[at.astype(int)], path.tangent[0], rtol=1e-11)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_mirror(depth: int) -> None:
    """At K = 1, and not at K = 0.5."""
    found = solve([[1.0]], [1.0], depth=depth, gamma=1.5, eta=0.02, steps=20)
    np.testing.assert_allclose(found.fields, found.gradients[::-1], rtol=1e-12)
    other = solve([[0.5]], [1.0], depth=depth, gamma=1.5, eta=0.02, steps=20)
    assert np.max(np.abs(other.fields - other.gradients[::-1])) > 0.1


def test_whitened_patterns_learn_like_one() -> None:
    """K = I: the direction of the targets moves as a single pattern with their length."""
    targets = np.array([0.6, 0.0, -0.8])
    many = solve(np.eye(3), targets, depth=2, gamma=1.1, eta=0.05, steps=12)
    one = solve([[1.0]], [1.0], depth=2, gamma=1.1, eta=0.05, steps=12)
    np.testing.assert_allclose(many.outputs, one.outputs * targets, rtol=1e-12, atol=1e-14)


@settings(max_examples=10, derandomize=True, deadline=None)
@given(factor=st.floats(0.3, 3.0))
def test_symmetries(factor: float) -> None:
    """f/y depends on gamma y; the targets' sign is that of the output; patterns may change places."""
    one = solve([[1.0]], [1.0], depth=2, gamma=1.0, eta=0.05, steps=10).outputs
    scaled = solve([[1.0]], [factor], depth=2, gamma=1.0 / factor, eta=0.05, steps=10).outputs
    np.testing.assert_allclose(scaled, factor * one, rtol=1e-11)
    there = solve(GRAM, -TARGETS, depth=2, gamma=1.0, eta=0.05, steps=10).outputs
    back = solve(GRAM[::-1, ::-1], TARGETS[::-1], depth=2, gamma=1.0, eta=0.05, steps=10).outputs
    np.testing.assert_allclose(there, -back[:, ::-1], rtol=1e-11)


def test_richer_is_faster_and_deeper_is_faster() -> None:
    half = [solve([[1.0]], [1.0], depth=2, gamma=g, eta=0.02, steps=10).outputs[-1, 0] for g in (0.0, 0.5, 1.0, 2.0)]
    assert np.all(np.diff(half) > 0)
    half = [solve([[1.0]], [1.0], depth=n, gamma=1.0, eta=0.02, steps=10).outputs[-1, 0] for n in (1, 2, 3, 4)]
    assert np.all(np.diff(half) > 0)


def test_the_lazy_limit_is_approached_like_gamma_squared() -> None:
    lazy = d.LAZY(L=3, rate=0.02, K=1.0, y=1.0, t=10)
    gaps = [float(d.ONE["f"](L=3, gamma=g, rate=0.02, K=1.0, y=1.0, t=10) - lazy) for g in (0.02, 0.01)]
    assert gaps[0] / gaps[1] == pytest.approx(4.0, rel=1e-2)
    assert float(d.ONE["f"](L=3, gamma=0.0, rate=0.02, K=1.0, y=1.0, t=10)) == pytest.approx(float(lazy), rel=1e-13)


def test_moments_of_the_first_update() -> None:
    """L = 2: H_2 = 1 + 5 e^2, from the second moment of W W^T."""
    found = solve([[1.0]], [0.9], depth=2, gamma=1.4, eta=0.05, steps=1)
    assert found.fields[1, 1, 1] == pytest.approx(1 + 5 * (0.05 * 1.4 * 0.9) ** 2, rel=1e-13)


def _flow(step: float, tolerance: float = 1.0) -> tuple[linear_dmft_flow.Flow, linear_dmft_flow.Flow]:
    times = np.array([0.12, 0.36])
    return linear_dmft_flow.flow(
        [[1.0]], np.array([1.0]), depth=1, gamma=1.5, times=times, step=step, tolerance=tolerance
    )


def test_flow_is_of_order_three_and_its_error_is_a_bound() -> None:
    """At L = 1, where the exact output is known: halving the step divides the error by 8, the stated one by 4."""
    exact = two.OUTPUT(gamma=1.5, y=1.0, t=np.array([0.12, 0.36]))
    errors, stated = [], []
    for step in (0.06, 0.03, 0.015):
        found, error = _flow(step)
        gap = np.abs(found.outputs[:, 0] - exact)
        assert np.all(gap <= error.outputs[:, 0])
        errors.append(gap.max())
        stated.append(error.outputs.max())
    slopes = np.log2(np.array([errors[:-1], stated[:-1]]) / np.array([errors[1:], stated[1:]]))
    assert np.all(np.abs(slopes[0] - 3.0) < 0.3), slopes
    assert np.all(np.abs(slopes[1] - 2.0) < 0.3), slopes


def test_flow_of_deep_networks_refined() -> None:
    """L = 3, where no closed form is known: against a finer grid, within the stated error."""
    at = {"L": 3, "gamma": 1.0, "K": 1.0, "y": 1.0, "t": np.array([0.05, 0.1])}
    for name in ("f", "H", "G"):
        coarse, error = d.FLOW[name].evaluate(**at, step=0.01, tolerance=1e-3)
        fine, _ = d.FLOW[name].evaluate(**at, step=0.005, tolerance=1e-3)
        assert np.all(np.abs(coarse - fine) <= error)


def test_a_grid_too_coarse_is_refused_and_the_step_named_suffices() -> None:
    with pytest.raises(DomainError, match=r"step = 0.04 is too coarse for tolerance = 1e-05 .*: take step <= ") as info:
        _flow(0.04, 1e-5)
    assert "\n" not in str(info.value)
    needed = float(str(info.value).rsplit(" ", 1)[1])
    step = 0.12 / np.ceil(0.12 / needed)
    assert _flow(step, 1e-5)[1].outputs.max() <= 1e-5
    with pytest.raises(DomainError, match=r"t = 0.12 is not a multiple of step = 0.05"):
        _flow(0.05)


def test_an_unstable_learning_rate_is_refused_and_the_critical_one_named() -> None:
    with pytest.raises(DomainError, match=r"eta = 0.8 is not stable at depth 2 and gamma = 1: .* take eta < ") as info:
        solve([[1.0]], [1.0], depth=2, gamma=1.0, eta=0.8, steps=200)
    assert "\n" not in str(info.value)
    critical = float(str(info.value).rsplit(" ", 1)[1])
    solve([[1.0]], [1.0], depth=2, gamma=1.0, eta=0.98 * critical, steps=60)
    with pytest.raises(DomainError):
        solve([[1.0]], [1.0], depth=2, gamma=1.0, eta=1.05 * critical, steps=60)


def test_lazy_stability() -> None:
    """gamma = 0: the critical learning rate is 2/((L + 1) K)."""
    with pytest.raises(DomainError) as info:
        solve([[1.0]], [1.0], depth=3, gamma=0.0, eta=0.7, steps=100)
    assert float(str(info.value).rsplit(" ", 1)[1]) == pytest.approx(0.5, rel=0.1)


def test_sweeps_that_do_not_converge_say_so() -> None:
    """All times at once, far from the solution."""
    start = linear_dmft_map.lazy_start(np.eye(1), np.ones(1), 3, 3.0, 0.3, 40)
    with pytest.raises(PredictionError, match=r"do not converge at 41 times: residual .*; try damping = 0.5") as info:
        linear_dmft_map.sweep(start, window=41)
    assert "\n" not in str(info.value)


def test_a_residual_is_never_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_dmft, "TOLERANCE", 0.0)
    with pytest.raises(PredictionError, match="are left with a residual of"):
        solve([[1.0]], [1.0], depth=2, gamma=1.0, eta=0.05, steps=5)


def test_bad_parameters() -> None:
    at = {"L": 2, "gamma": 1.0, "rate": 0.05, "K": 1.0, "y": 1.0, "t": 3}
    with pytest.raises(TheorylabError, match="K = 0 is outside its domain"):
        d.ONE["f"](**{**at, "K": 0.0})
    with pytest.raises(TheorylabError, match="L = 0 is outside its domain"):
        d.ONE["f"](**{**at, "L": 0})
    with pytest.raises(TheorylabError, match="take rate < 1/"):
        d.LAZY(L=2, rate=0.4, K=1.0, y=1.0, t=3)


def test_control_by_norms_has_no_bias() -> None:
    """At norms of 1 the prediction is that of the equations; it is linear in the norms."""
    at = {"L": 3, "gamma": 1.0, "rate": 0.03, "K": 1.0, "y": 1.0, "t": np.array([2.0, 9.0])}
    for name in ("f", "H", "G", "ntk"):
        plain = d.ONE[name](**at)
        norms = np.array([[1.0, 1.0, 1.0, 1.0], [1.1, 1.0, 0.8, 1.2], [0.9, 1.0, 1.2, 0.8]])
        given = d.GIVEN[name](**at, norms=norms)
        np.testing.assert_allclose(given[0], plain, rtol=1e-14)
        np.testing.assert_allclose((given[1] + given[2]) / 2, plain, rtol=1e-12)
