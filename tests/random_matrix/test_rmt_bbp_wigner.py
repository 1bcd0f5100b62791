"""A spike in a Gaussian matrix: limits, symmetries, the tridiagonal form against dense matrices, twins, bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_twins

from theorylab.derivations.random_matrix import rmt_bbp_wigner as theory
from theorylab.derivations.random_matrix.tracy_widom import TracyWidom
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import spiked_gaussian as sims

scales = st.floats(0.05, 20.0)
strengths = st.floats(1.001, 30.0)
hidden = st.floats(0.001, 0.999)
betas = st.sampled_from([1, 2, 4])
quickly = settings(max_examples=25, deadline=None, derandomize=True)


@quickly
@given(strengths, scales, betas)
def test_only_the_ratio_matters(x: float, s: float, beta: int) -> None:
    at, unit = {"theta": x * s, "s": s}, {"theta": x, "s": 1.0}
    assert theory.OUTLIER(**at) == pytest.approx(s * theory.OUTLIER(**unit), rel=1e-12)
    assert theory.OVERLAP(**at) == pytest.approx(theory.OVERLAP(**unit), rel=1e-10)
    assert theory.VARIANCE(**at, beta=beta) == pytest.approx(s**2 * theory.VARIANCE(**unit, beta=beta), rel=1e-10)
    assert theory.OVERLAP_SHIFT(**at, beta=beta) == pytest.approx(theory.OVERLAP_SHIFT(**unit, beta=beta), rel=1e-9)


@quickly
@given(st.floats(1.01, 30.0), betas)
def test_the_overlap_is_the_slope_of_the_eigenvalue(x: float, beta: int) -> None:
    step = 1e-5 * (x - 1.0)
    for value, slope, at in (
        (theory.OUTLIER, theory.OVERLAP, {}),
        (theory.SHIFT, theory.OVERLAP_SHIFT, {"beta": beta}),
    ):
        rise = value(theta=x + step, **at) - value(theta=x - step, **at)
        exact = float(slope(theta=x, **at))
        assert rise / (2.0 * step) == pytest.approx(exact, rel=1e-5, abs=1e-5)


@quickly
@given(hidden)
def test_below_the_transition_too(x: float) -> None:
    step = 1e-5 * min(x, 1.0 - x)
    rise = theory.PUSH(theta=x + step) - theory.PUSH(theta=x - step)
    assert rise / (2.0 * step) == pytest.approx(float(theory.HIDDEN_OVERLAP(theta=x)), rel=1e-5)


@quickly
@given(strengths, st.floats(1.0001, 2.0))
def test_stronger_spikes_are_seen_better(x: float, factor: float) -> None:
    assert theory.OUTLIER(theta=x * factor) > theory.OUTLIER(theta=x) > 2.0
    assert theory.OVERLAP(theta=x * factor) > theory.OVERLAP(theta=x) > 0.0


def test_at_the_threshold_the_outlier_reaches_the_edge() -> None:
    just = {"theta": 1.5 * (1.0 + 1e-9), "s": 1.5}
    assert theory.OUTLIER(**just) == pytest.approx(3.0, rel=1e-9)
    assert theory.OVERLAP(**just) == pytest.approx(2e-9, rel=1e-6)
    assert theory.THRESHOLD(s=1.5) == 1.5


def test_special_cases() -> None:
    # Real matrices: (2 - x^2)/(x (x^2 - 1)), zero at sqrt(2); complex ones: -1/x.
    assert theory.SHIFT(theta=2.0, beta=1) == pytest.approx(-1.0 / 3.0)
    assert theory.SHIFT(theta=3.0, beta=1) == pytest.approx(-7.0 / 24.0)
    assert theory.SHIFT(theta=2.0**0.5, beta=1) == pytest.approx(0.0, abs=1e-14)
    assert theory.SHIFT(theta=2.0, beta=2) == pytest.approx(-0.5)
    # A huge spike: u^* W u alone moves it, and the missing row.
    assert theory.VARIANCE(theta=1e6, beta=1) == pytest.approx(2.0)
    # No spike: a random direction, of weight 1/P.
    assert theory.HIDDEN_OVERLAP(theta=1e-14) == pytest.approx(1.0)


def test_laws() -> None:
    x = np.linspace(-4.0, 2.0, 7)
    for beta in (1, 2, 4):
        law = theory.HIDDEN_CDF(x=x, theta=0.5, beta=beta)
        np.testing.assert_allclose(law, TracyWidom(beta).cdf(x), rtol=1e-14)
        if beta != 1:
            # The critical spike moves the eigenvalue up.
            assert np.all(theory.CRITICAL_CDF(x=x, beta=beta) < law)
    np.testing.assert_allclose(theory.CRITICAL_CDF(x=x, beta=2), TracyWidom(1).cdf(x) ** 2, rtol=1e-14)
    one = theory.FLUCTUATIONS(x=np.sqrt(1.5), theta=2.0, beta=1)
    assert one == pytest.approx(0.8413447460685429, rel=1e-12)
    both = theory.FLUCTUATIONS(x=x, theta=2.0, beta=2) + theory.FLUCTUATIONS(x=-x, theta=2.0, beta=2)
    np.testing.assert_allclose(both, 1.0, rtol=1e-14)


def test_two_spikes_are_two_single_ones() -> None:
    pair = theory.OUTLIERS(theta=[4.0, 5.0], second=2.5, s=1.5)
    assert pair.shape == (2, 2)
    np.testing.assert_allclose(pair[:, 0], theory.OUTLIER(theta=[4.0, 5.0], s=1.5))
    np.testing.assert_allclose(pair[:, 1], theory.OUTLIER(theta=2.5, s=1.5))
    np.testing.assert_allclose(theory.OVERLAPS(theta=4.0, second=2.5)[1], theory.OVERLAP(theta=2.5))


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (theory.OUTLIER, {"theta": 0.9}, "the spike leaves no outlier"),
        (theory.OVERLAP, {"theta": 1.0}, "the spike leaves no outlier"),
        (theory.SHIFT, {"theta": -2.0}, "strength of the spike"),
        (theory.PUSH, {"theta": 1.0}, "the spike leaves an outlier"),
        (theory.HIDDEN_CDF, {"x": 0.0, "theta": 0.5, "beta": 3}, "beta = 1, 2 or 4"),
        (theory.CRITICAL_CDF, {"x": 0.0, "beta": 1}, "of real matrices no closed form is known"),
        (theory.OUTLIERS, {"theta": 2.0, "second": 3.0}, "the second spike is the weaker one"),
        (theory.OVERLAPS, {"theta": 2.0, "second": 0.5}, "the spike leaves no outlier"),
        (theory.THRESHOLD, {"s": 0.0}, "standard deviation"),
    ],
)
def test_bad_input_is_named(prediction, at, message) -> None:
    with pytest.raises(DomainError, match=message):
        prediction(**at)


SIMULATIONS = {
    "top": (sims.spiked_top, {"P": 40, "theta": 2.0, "s": 1.5, "beta": 1}),
    "outlier": (sims.outlier, {"P": 60, "theta": 3.0, "s": 1.5, "beta": 4}),
    "push": (sims.push, {"P": 40, "theta": 0.7, "s": 1.5, "beta": 2}),
    "growth": (sims.overlap_growth, {"P": 30, "theta": 1.6, "s": 1.5, "beta": 2}),
    "two spikes": (sims.two_spikes, {"P": 30, "theta": 4.0, "second": 3.0, "s": 1.5}),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name: str) -> None:
    demand_twins(*SIMULATIONS[name], atol=1e-10)


def dense(trials: int, P: int, spikes: tuple[float, ...], s: float, beta: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of full matrices, the spikes in general orthogonal directions' place: the first axes."""
    rng = Stream.from_seed(8)
    a = rng.normal(trials, P, P)
    if beta == 2:
        a = a + 1j * rng.normal(trials, P, P)
    w = s * (a + np.conj(np.swapaxes(a, 1, 2))) / np.sqrt(2.0 * beta * P)
    for k, strength in enumerate(spikes):
        w[:, k, k] += strength
    values, vectors = np.linalg.eigh(w)
    return values, np.abs(vectors) ** 2


def demand_same_law(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    """Means and mean squares agree within six standard errors: false alarms below 1e-8."""
    for name, power in itertools.product(theirs, (1, 2)):
        a, b = ours[name] ** power, theirs[name] ** power
        error = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))
        assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0)) < 6.0 * error), (name, power)


@pytest.mark.parametrize(("theta", "beta"), [(0.9, 1), (3.0, 1), (2.0, 2)])
def test_the_tridiagonal_form_has_the_law_of_dense_matrices(theta: float, beta: int) -> None:
    values, weights = dense(6_000, 12, (theta,), 1.5, beta)
    reduced = sims.spiked_top(20_000, Stream.from_seed(7), P=12, theta=theta, s=1.5, beta=beta)
    demand_same_law(reduced, {"eigenvalue": values[:, -1], "overlap": weights[:, 0, -1]})


def test_the_pentadiagonal_form_has_the_law_of_dense_matrices() -> None:
    values, weights = dense(6_000, 12, (4.0, 3.0), 1.5, 1)
    reduced = sims.two_spikes(10_000, Stream.from_seed(7), P=12, theta=4.0, second=3.0, s=1.5)
    overlaps = np.stack([weights[:, 0, -1], weights[:, 1, -2]], axis=1)
    demand_same_law(reduced, {"eigenvalues": values[:, :-3:-1], "overlaps": overlaps})


def test_a_negative_spike_is_the_mirror_image() -> None:
    values, weights = dense(4_000, 12, (-3.0,), 1.5, 1)
    reduced = sims.spiked_top(20_000, Stream.from_seed(7), P=12, theta=3.0, s=1.5, beta=1)
    demand_same_law(reduced, {"eigenvalue": -values[:, 0], "overlap": weights[:, 0, 0]})


@pytest.mark.parametrize("x", [1.35, 2.0])
def test_rows_that_are_cut_off_do_not_count(x: float, monkeypatch: pytest.MonkeyPatch) -> None:
    at = {"P": 2_000, "theta": x, "s": 1.0, "beta": 1}
    cut = sims.spiked_top(50, Stream.from_seed(3), **at)
    rows = sims.kept_rows(2_000, x)
    assert rows < sims.kept_rows(2_000)
    monkeypatch.setattr(sims, "kept_rows", lambda P, x=0.0: 400)
    whole = sims.spiked_top(50, Stream.from_seed(3), **at)
    # Normal variables of a trial are drawn in one run, chi variables by place: the first rows are the same.
    for name in ("eigenvalue", "overlap"):
        np.testing.assert_allclose(cut[name], whole[name], rtol=1e-9)


def test_control_variates_have_mean_zero_and_take_the_scatter_away() -> None:
    """Five standard errors: one false alarm in a million."""
    out = sims.outlier(40_000, Stream.from_seed(5), P=200, theta=2.0, s=1.5, beta=2)
    plain = np.sqrt(200.0) * out["scaled"]
    control = plain - out["shift"]
    assert abs(control.mean()) < 5.0 * control.std() / np.sqrt(control.size)
    assert out["shift"].std() < 0.5 * plain.std()


def test_the_same_noise_is_pushed_up() -> None:
    assert np.all(sims.push(200, Stream.from_seed(6), P=100, theta=0.5, s=1.0, beta=1)["value"] > 0.0)
