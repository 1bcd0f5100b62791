"""Additive batch noise: limits, symmetries, thresholds, perturbation theory, the simulations, bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins

from theorylab.derivations.random_matrix import granziol_additive as theory
from theorylab.derivations.random_matrix import rmt_bbp_wigner as spike
from theorylab.derivations.random_matrix.subordination import DeformedSemicircle
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import additive_batches as sims

quickly = settings(max_examples=25, deadline=None, derandomize=True)
ratios, parts, noises = st.floats(0.01, 20.0), st.floats(0.01, 0.99), st.floats(0.1, 5.0)
heights = st.floats(1.01, 20.0)


def scale(r: float, t: float, noise: float) -> float:
    return noise * float(np.sqrt(r * (1.0 - t)))


@quickly
@given(ratios, parts, noises, heights)
def test_it_is_a_spike_in_a_gaussian_matrix(r: float, t: float, noise: float, height: float) -> None:
    s = scale(r, t, noise)
    at = {"r": r, "t": t, "sigma_eps": noise, "lam1": height * s}
    exact = {"theta": height * s, "s": s}
    assert theory.TOP(**at) == pytest.approx(spike.OUTLIER(**exact), rel=1e-10)
    assert theory.OVERLAP(**at) == pytest.approx(spike.OVERLAP(**exact), rel=1e-8)
    assert theory.SHIFT(**at) == pytest.approx(theory.TOP(**at) - height * s, rel=1e-6, abs=1e-9 * height * s)


@quickly
@given(ratios, parts, noises, st.floats(0.01, 0.99))
def test_hidden_outliers_leave_the_edge(r: float, t: float, noise: float, height: float) -> None:
    at = {"r": r, "t": t, "sigma_eps": noise}
    assert theory.TOP(lam1=height * scale(r, t, noise), **at) == pytest.approx(theory.EDGE(**at), rel=1e-12)
    assert theory.OVERLAP(lam1=height * scale(r, t, noise), **at) == 0.0


@quickly
@given(ratios, parts, noises, heights)
def test_the_negative_outlier_is_the_mirror_image(r: float, t: float, noise: float, height: float) -> None:
    at = {"r": r, "t": t, "sigma_eps": noise}
    strength = height * scale(r, t, noise)
    assert theory.BOTTOM_SHIFT(depth=strength, **at) == pytest.approx(-theory.SHIFT(lam1=strength, **at), rel=1e-12)


@quickly
@given(st.integers(10, 1_000), st.integers(50, 5_000), st.floats(0.2, 5.0), noises)
def test_the_outlier_is_lost_at_the_critical_batch(P: int, N: int, lam1: float, noise: float) -> None:
    B = float(theory.CRITICAL_BATCH(P=P, N=N, lam1=lam1, sigma_eps=noise))
    b = float(theory.CRITICAL_B(P=P, lam1=lam1, sigma_eps=noise))
    assert 0.0 < B < min(N, b)
    assert B * (1.0 / b + 1.0 / N) == pytest.approx(1.0, rel=1e-9)
    assert sims.noise_scale(P, B, N, noise) == pytest.approx(lam1, rel=1e-9)
    if B < 0.99 * N:
        at = {"r": P / B, "t": B / N, "sigma_eps": noise}
        assert theory.TOP(lam1=lam1, **at) == pytest.approx(2.0 * lam1, rel=1e-9)
        assert theory.OVERLAP(lam1=1.01 * lam1, **at) > 0.0 == theory.OVERLAP(lam1=0.99 * lam1, **at)


def test_the_whole_data_set_and_very_large_ones() -> None:
    at = {"lam1": 1.5, "sigma_eps": 1.0}
    assert theory.TOP(r=2.0, t=1 - 1e-13, **at) == pytest.approx(1.5, rel=1e-12)
    assert theory.OVERLAP(r=2.0, t=1 - 1e-13, **at) == pytest.approx(1.0, rel=1e-12)
    # N -> infinity: b = B.
    assert theory.TOP(r=0.5, t=1e-13, **at) == pytest.approx(1.5 + 0.5 / 1.5, rel=1e-12)


@quickly
@given(ratios, parts, noises, st.floats(0.01, 3.0), heights)
def test_a_uniform_bulk(r: float, t: float, noise: float, a: float, height: float) -> None:
    """Against 4000 levels by the general law; an outlier is above the edge, and the overlap its slope."""
    at = {"r": r, "t": t, "sigma_eps": noise, "a": a}
    s = scale(r, t, noise)
    lam1 = height * float(np.hypot(a, s))
    law = DeformedSemicircle(a * ((2.0 * np.arange(4_000) + 1.0) / 4_000 - 1.0), s)
    place, _ = law.outlier(lam1)
    assert theory.UNIFORM_SHIFT(lam1=lam1, **at) + lam1 == pytest.approx(float(place), rel=1e-5)
    assert theory.UNIFORM_EDGE(**at) == pytest.approx(law.edge(), rel=1e-4)
    assert theory.UNIFORM_SHIFT(lam1=lam1, **at) + lam1 > theory.UNIFORM_EDGE(**at)
    assert theory.UNIFORM_SHIFT(lam1=lam1, **at) > theory.FLAT_SHIFT(lam1=lam1, **at)


def test_a_bulk_that_shrinks_to_zero() -> None:
    at = {"r": 0.5, "t": 0.5, "sigma_eps": 1.0, "a": 1e-6}
    assert theory.UNIFORM_SHIFT(lam1=2.0, **at) == pytest.approx(theory.FLAT_SHIFT(lam1=2.0, **at), rel=1e-10)
    assert theory.UNIFORM_EDGE(**at) == pytest.approx(1.0, rel=1e-10)
    assert theory.TWO_LEVEL_ROTATION(lam1=2.0, **at) == pytest.approx(0.25 / 4.0, rel=1e-10)


def test_two_levels_against_the_general_law() -> None:
    at = {"r": 1.0, "t": 0.5, "sigma_eps": 0.9, "a": 1.0}
    law = DeformedSemicircle([-1.0, 1.0], scale(1.0, 0.5, 0.9))
    assert 1.0 - theory.TWO_LEVEL_ROTATION(lam1=2.3, **at) == pytest.approx(float(law.outlier(2.3)[1]), rel=1e-12)
    x = np.linspace(-3.0, 3.0, 11)
    assert theory.TWO_ATOM_CDF(x=x, **at) == pytest.approx(law.cdf(x), abs=1e-11)


@quickly
@given(st.integers(3, 30), st.integers(0, 10**6))
def test_the_conditional_form_is_second_order_perturbation(P: int, seed: int) -> None:
    """E lambda_1(H + E) by exact differentiation: the second derivative along E_1j is 2/(lambda_1 - lambda_j)."""
    spectrum = np.sort(np.random.default_rng(seed).normal(size=P))
    spectrum[-1] = spectrum[-2] + 1.0
    shift = theory.GIVEN_SHIFT(spectrum=spectrum, r=2.0, t=0.5, sigma_eps=0.3)
    rotation = theory.GIVEN_ROTATION(spectrum=spectrum, r=2.0, t=0.5, sigma_eps=0.3)
    variance, step = 0.3**2 / P, 1e-3
    expected, turned = 0.0, 0.0
    for j in range(P - 1):
        matrix = np.diag(spectrum)
        matrix[j, -1] = matrix[-1, j] = step
        values, vectors = np.linalg.eigh(matrix)
        expected += variance * (values[-1] - spectrum[-1]) / step**2
        turned += variance * (1.0 - vectors[-1, -1] ** 2) / step**2
    assert shift == pytest.approx(expected, rel=1e-4)
    assert rotation == pytest.approx(turned, rel=1e-4)


@pytest.mark.parametrize(("N", "B"), [(5, 2), (6, 4), (4, 4), (5, 1)])
def test_batches_by_enumeration(N: int, B: int) -> None:
    h = np.random.default_rng(3).gamma(1.0, size=(N, 3))
    spread = np.sum((h - h.mean(axis=0)) ** 2) / (N - 1)
    once, often = itertools.combinations(range(N), B), itertools.product(range(N), repeat=B)
    for prediction, drawn in ((theory.DISTANCE, once), (theory.DISTANCE_WITH_REPLACEMENT, often)):
        mean = np.mean([np.sum((h[list(d)].mean(axis=0) - h.mean(axis=0)) ** 2) for d in drawn])
        assert prediction(S2=spread, N=N, B=B) == pytest.approx(mean, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (theory.SHIFT, {"r": 4.0, "t": 0.5, "lam1": 1.0}, "hides the outlier: its largest eigenvalue is the edge 2 s"),
        (theory.BOTTOM_SHIFT, {"r": 4.0, "t": 0.5, "depth": 1.0}, "hides the negative outlier"),
        (theory.BOTTOM_SHIFT, {"r": 4.0, "t": 0.5, "depth": -1.0}, "smallest eigenvalue"),
        (theory.UNIFORM_SHIFT, {"r": 4.0, "t": 0.5, "lam1": 1.0}, "in its bulk"),
        (theory.DISTANCE, {"S2": 1.0, "N": 10, "B": 11}, "part of the data set"),
        (theory.TOP, {"r": 1.0, "t": 1.0}, "part of the data set in a batch"),
        (theory.EDGE, {"r": 1.0, "t": 0.5, "sigma_eps": 0.0}, "standard deviation"),
        (theory.GIVEN_SHIFT, {"r": 1.0, "t": 0.5}, "missing parameter spectrum"),
        (theory.GIVEN_SHIFT, {"r": 1.0, "t": 0.5, "spectrum": [0.0, np.nan]}, "spectrum"),
    ],
)
def test_bad_input_is_named(prediction, at, message) -> None:
    with pytest.raises(DomainError, match=message) as caught:
        prediction(**at)
    assert "\n" not in str(caught.value)


AT = {"P": 60, "r": 0.5, "t": 0.5, "sigma_eps": 1.0}
SIMULATIONS = {
    "top": (sims.top, {**AT, "lam1": 1.2}),
    "top, hidden": (sims.top, {**AT, "lam1": 0.2}),
    "both ends": (sims.both_ends, {**AT, "lam1": 1.2, "depth": 1.1}),
    "growth": (sims.overlap_growth, {"P": 60, "N": 80, "B": 33.5, "lam1": 1.5, "sigma_eps": 1.0}),
    "small batches": (sims.small_batches, {"P": 60, "b": 3.0, "lam1": 1.0, "sigma_eps": 1.0}),
}
DENSE = {
    "over a bulk": (sims.over_bulk, {**AT, "P": 9, "a": 1.0, "lam1": 2.0}),
    "over two levels": (sims.over_two_levels, {**AT, "P": 9, "a": 1.0, "lam1": 2.0}),
    "two levels": (sims.two_levels, {**AT, "P": 8, "a": 1.0}),
    "data set": (sims.dense_batches, {**AT, "P": 8, "theta": 2.0}),
    "distances": (sims.distances, {"P": 2, "N": 7, "B": 3}),
    "noise estimate": (sims.noise_estimate, {"P": 3, "N": 4, "sigma_eps": 1.3}),
}


@pytest.mark.parametrize("name", [*SIMULATIONS, *DENSE])
def test_twins_and_batches(name: str) -> None:
    demand_twins(*{**SIMULATIONS, **DENSE}[name])


@pytest.mark.parametrize("name", DENSE)
def test_array_standard(name: str) -> None:
    demand_array_standard(*DENSE[name])


def test_the_reduced_form_has_the_law_of_dense_matrices() -> None:
    """Means and mean squares of both extreme eigenvalues and of the overlap; false alarms below 1e-8 in all."""
    trials, P, B, N = 4_000, 12, 20, 50
    at = {"P": P, "r": P / B, "t": B / N, "lam1": 2.0, "sigma_eps": 1.0}
    reduced = sims.both_ends(trials, Stream.from_seed(1), depth=1.7, **at)
    one = sims.top(trials, Stream.from_seed(2), **at)
    x = Stream.from_seed(3).normal(trials, 2, P, P)
    w = (x + np.swapaxes(x, 2, 3)) / np.sqrt(2.0)
    noise = (1.0 / B - 1.0 / N) * np.sqrt(B) * w[:, 0] - np.sqrt(N - B) / N * w[:, 1]
    both = np.linalg.eigvalsh(noise + np.diag([2.0, -1.7, *np.zeros(P - 2)]))
    values, vectors = np.linalg.eigh(noise + np.diag([2.0, *np.zeros(P - 1)]))
    pairs = [
        (reduced["top"], both[:, -1] - 2.0 - noise[:, 0, 0]),
        (reduced["bottom"], both[:, 0] + 1.7 - noise[:, 1, 1]),
        (one["eigenvalue"], values[:, -1]),
        (one["overlap"], vectors[:, 0, -1] ** 2),
    ]
    for (ours, theirs), power in itertools.product(pairs, (1, 2)):
        a, b = ours**power, theirs**power
        assert abs(a.mean() - b.mean()) < 6.0 * np.sqrt((a.var() + b.var()) / trials)


def test_control_variates_change_no_mean() -> None:
    """With and without them, on the same matrices; false alarms below 1e-8."""
    trials = 6_000
    out = sims.top(trials, Stream.from_seed(5), P=40, r=0.5, t=0.5, lam1=1.0, sigma_eps=1.0)
    plain = out["eigenvalue"] - 1.0
    removed = plain - out["shift"]
    assert abs(removed.mean()) < 6.0 * removed.std() / np.sqrt(trials)
    assert out["shift"].std() < 0.6 * plain.std()
