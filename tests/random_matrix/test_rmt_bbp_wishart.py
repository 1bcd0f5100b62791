"""Spiked covariances and rectangular matrices: limits, symmetries, reduced forms against dense matrices, bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins
from threadpoolctl import threadpool_limits

from theorylab.derivations.random_matrix import granziol_ggn as batches
from theorylab.derivations.random_matrix import rmt_bbp_wishart as theory
from theorylab.derivations.random_matrix.generalized_mp import GeneralizedMarchenkoPastur
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import spiked_covariances as sims

ratios = st.floats(0.02, 20.0)
strengths = st.floats(1.001, 30.0)
quickly = settings(max_examples=25, deadline=None, derandomize=True)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


@quickly
@given(ratios, strengths, st.floats(0.2, 5.0))
def test_only_the_ratio_to_the_noise_matters(c: float, x: float, sigma: float) -> None:
    at = {"c": c, "ell": x * (1.0 + np.sqrt(c))}
    scaled = {"c": c, "ell": at["ell"] * sigma**2, "sigma": sigma}
    assert theory.OUTLIER(**scaled) == pytest.approx(sigma**2 * theory.OUTLIER(**at), rel=1e-10)
    assert theory.OVERLAP(**scaled) == pytest.approx(float(theory.OVERLAP(**at)), rel=1e-8)
    assert theory.VARIANCE(**scaled) == pytest.approx(sigma**4 * theory.VARIANCE(**at), rel=1e-8)
    assert theory.THRESHOLD(c=c, sigma=sigma) == pytest.approx(sigma**2 * (1.0 + np.sqrt(c)))


@quickly
@given(ratios, strengths, st.floats(0.2, 5.0))
def test_it_is_the_batch_of_a_single_spike(c: float, x: float, sigma: float) -> None:
    ell = x * sigma**2 * (1.0 + np.sqrt(c))
    there = {"r": c, "theta": ell, "sigma": sigma}
    assert theory.OUTLIER(c=c, ell=ell, sigma=sigma) == pytest.approx(
        float(batches.OUTLIER_AT_RATIO(**there)), rel=1e-9
    )
    assert theory.OVERLAP(c=c, ell=ell, sigma=sigma) == pytest.approx(float(batches.OVERLAP(**there)), rel=1e-8)


@quickly
@given(ratios, strengths, st.floats(1.0001, 2.0))
def test_stronger_spikes_are_seen_better(c: float, x: float, factor: float) -> None:
    at, more = ({"c": c, "ell": x * f * (1.0 + np.sqrt(c))} for f in (1.0, factor))
    assert theory.OUTLIER(**more) > theory.OUTLIER(**at) > (1.0 + np.sqrt(c)) ** 2 * (1.0 - 1e-12)
    assert theory.OVERLAP(**more) > theory.OVERLAP(**at) > 0.0


@quickly
@given(st.floats(0.02, 20.0), st.floats(1.01, 10.0))
def test_the_overlap_is_the_slope_of_the_eigenvalue(c: float, x: float) -> None:
    """d log lambda/d log ell, above the threshold and below it."""
    ell = x * (1.0 + np.sqrt(c))
    step = 1e-5 * (x - 1.0)
    rise = np.log(theory.OUTLIER(c=c, ell=ell * (1 + step)) / theory.OUTLIER(c=c, ell=ell * (1 - step)))
    assert rise / np.log((1 + step) / (1 - step)) == pytest.approx(float(theory.OVERLAP(c=c, ell=ell)), rel=1e-4)


@quickly
@given(st.floats(0.02, 20.0), st.floats(1.01, 10.0))
def test_a_rectangular_spike_is_one_of_a_covariance(c: float, x: float) -> None:
    theta = x * c**0.25
    at = {"c": c, "theta": theta}
    ell = 1.0 + theta**2
    assert theory.SINGULAR(**at) == pytest.approx(float(theory.OUTLIER(c=c, ell=ell)), rel=1e-9)
    assert theory.LEFT(**at) == pytest.approx(float(theory.OVERLAP(c=c, ell=ell)), rel=1e-7)
    # Transposed and scaled by sqrt(n/p), left is right.
    there = {"c": 1.0 / c, "theta": theta / np.sqrt(c)}
    assert theory.RIGHT(**there) == pytest.approx(float(theory.LEFT(**at)), rel=1e-8)
    assert theory.SINGULAR(**there) == pytest.approx(float(theory.SINGULAR(**at)) / c, rel=1e-10)
    np.testing.assert_allclose(theory.OVERLAPS(**at), [theory.LEFT(**at), theory.RIGHT(**at)])


@quickly
@given(st.floats(0.02, 5.0), st.floats(0.05, 60.0))
def test_a_general_bulk_agrees_with_the_law_object(c: float, alpha: float) -> None:
    values, masses = [1.0, 3.0, 10.0], [0.2, 0.4, 0.4]
    assume(min(abs(alpha - t) for t in values) > 1e-3)
    seen = GeneralizedMarchenkoPastur(c, values, masses).outlier(alpha)
    if seen.detached:
        assert theory.BULK_OUTLIER(c=c, alpha=alpha) == pytest.approx(seen.value, rel=1e-10)
        assert theory.BULK_OVERLAP(c=c, alpha=alpha) == pytest.approx(seen.overlap, rel=1e-8)
    else:
        with pytest.raises(DomainError, match="no outlier"):
            theory.BULK_OUTLIER(c=c, alpha=alpha)


def test_a_bulk_of_equal_eigenvalues_is_white() -> None:
    at = {"c": 0.4, "alpha": 5.0, "t1": 2.0, "t2": 2.0, "t3": 2.0}
    white = {"c": 0.4, "ell": 5.0, "sigma": 2.0**0.5}
    assert theory.BULK_OUTLIER(**at) == pytest.approx(float(theory.OUTLIER(**white)), rel=1e-12)
    assert theory.BULK_OVERLAP(**at) == pytest.approx(float(theory.OVERLAP(**white)), rel=1e-12)


def test_special_cases() -> None:
    # Many samples: the spike itself, known exactly, with the variance of chi-square.
    assert theory.OUTLIER(c=1e-12, ell=3.0) == pytest.approx(3.0)
    assert theory.OVERLAP(c=1e-12, ell=3.0) == pytest.approx(1.0)
    assert theory.VARIANCE(c=1e-12, ell=3.0) == pytest.approx(18.0)
    # At the threshold: the edge, and nothing left of the overlap.
    just = {"c": 4.0, "ell": 3.0 * (1.0 + 1e-10)}
    assert theory.OUTLIER(**just) == pytest.approx(9.0, rel=1e-9)
    assert 0.0 < theory.OVERLAP(**just) < 1e-9
    # No spike: a random direction, 1/p.
    assert theory.HIDDEN_OVERLAP(c=0.5, ell=1.0) == pytest.approx(2.0)
    # Where there is no outlier, the edge.
    np.testing.assert_allclose(theory.LARGEST(c=4.0, ell=[1.0, 2.9, 3.5]), [9.0, 9.0, theory.OUTLIER(c=4.0, ell=3.5)])
    one = theory.FLUCTUATIONS(x=np.sqrt(float(theory.VARIANCE(c=0.5, ell=3.0))), c=0.5, ell=3.0)
    assert one == pytest.approx(0.8413447460685429, rel=1e-12)
    np.testing.assert_allclose(
        theory.LOW_SPIKE(c=0.25, ell=0.3), [theory.OUTLIER(c=0.25, ell=0.3), theory.OVERLAP(c=0.25, ell=0.3)]
    )
    assert theory.OUTLIER(c=0.25, ell=0.3) < 0.25


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (theory.OUTLIER, {"c": 4.0, "ell": 2.9}, "no outlier: the eigenvalue is at the edge of the bulk"),
        (theory.OVERLAP, {"c": 0.25, "ell": 0.6}, "no outlier: the eigenvalue is at the edge of the bulk"),
        (theory.OUTLIER, {"c": 2.0, "ell": 0.01}, "no outlier"),
        (theory.FLUCTUATIONS, {"x": 0.0, "c": 0.25, "ell": 0.3}, "the largest eigenvalue is at the edge"),
        (theory.LOW_SPIKE, {"c": 0.25, "ell": 0.6}, "no outlier below the bulk"),
        (theory.HIDDEN_OVERLAP, {"c": 0.5, "ell": 2.0}, "above this the spike leaves an outlier"),
        (theory.BULK_OUTLIER, {"c": 0.5, "alpha": 10.0}, "the spike is apart from the bulk"),
        (theory.BULK_OVERLAP, {"c": 0.5, "alpha": 10.5}, "no outlier: the spike's eigenvalue is at an edge"),
        (theory.SINGULAR, {"c": 1.0, "theta": 1.0}, "no outlier: the largest singular value is at the edge"),
        (theory.THRESHOLD, {"c": -1.0}, "aspect ratio"),
    ],
)
def test_bad_input_is_named(prediction, at, message) -> None:
    with pytest.raises(DomainError, match=message):
        prediction(**at)


POPULATION = {"t1": 1.0, "t2": 5.0, "t3": 5.0, "w1": 0.5, "w2": 0.5}
SIMULATIONS = {
    "top": (sims.spiked_top, {"p": 40, "c": 0.5, "ell": 3.0, "sigma": 1.2}),
    "fluctuation": (sims.fluctuation, {"p": 40, "c": 2.0, "ell": 6.0, "sigma": 1.2}),
    "bottom": (sims.spiked_bottom, {"p": 40, "c": 0.25, "ell": 0.3, "sigma": 1.2}),
    "growth": (sims.overlap_growth, {"p": 30, "c": 4.0, "ell": 3.0, "sigma": 1.0}),
    "rectangular": (sims.rectangular, {"p": 40, "c": 0.5, "theta": 2.0}),
    "rectangular growth": (sims.rectangular_growth, {"p": 30, "c": 2.0, "theta": 1.2}),
    "bulk": (sims.spiked_bulk, {"p": 10, "c": 0.1, "alpha": 2.3, **POPULATION}),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name: str) -> None:
    demand_twins(*SIMULATIONS[name], atol=1e-10)


def test_array_standard() -> None:
    demand_array_standard(*SIMULATIONS["bulk"], atol=1e-10)


def demand_same_law(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    """Means and mean squares agree within six standard errors: false alarms below 1e-8."""
    for name, power in itertools.product(theirs, (1, 2)):
        a, b = ours[name] ** power, theirs[name] ** power
        error = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))
        assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0)) < 6.0 * error), (name, power)


@pytest.mark.parametrize(("p", "n", "ell"), [(6, 12, 4.0), (12, 4, 5.0)])
def test_the_reduced_covariance_has_the_law_of_dense_ones(p: int, n: int, ell: float) -> None:
    x = Stream.from_seed(8).normal(8_000, p, n)
    x[:, 0] *= np.sqrt(ell)
    values, vectors = np.linalg.eigh(x @ np.swapaxes(x, 1, 2) / n)
    reduced = sims.spiked_top(20_000, Stream.from_seed(7), p=p, c=p / n, ell=ell, sigma=1.0)
    demand_same_law(reduced, {"eigenvalue": values[:, -1], "overlap": vectors[:, 0, -1] ** 2})


@pytest.mark.parametrize(("p", "n"), [(6, 12), (12, 5)])
def test_the_reduced_rectangle_has_the_law_of_dense_ones(p: int, n: int) -> None:
    """Means only of the right overlap, which is averaged over a direction."""
    y = Stream.from_seed(8).normal(8_000, p, n) / np.sqrt(n)
    y[:, 0, 0] += 1.7
    u, s, vt = np.linalg.svd(y, full_matrices=False)
    reduced = sims.rectangular(20_000, Stream.from_seed(7), p=p, c=p / n, theta=1.7)
    demand_same_law(
        {"value": reduced["value"], "left": reduced["overlaps"][:, 0]}, {"value": s[:, 0] ** 2, "left": u[:, 0, 0] ** 2}
    )
    ours, theirs = reduced["overlaps"][:, 1], vt[:, 0, 0] ** 2
    error = np.sqrt(ours.var() / ours.size + theirs.var() / theirs.size)
    assert abs(ours.mean() - theirs.mean()) < 6.0 * error


def test_a_spike_below_the_bulk_against_dense_matrices() -> None:
    x = Stream.from_seed(8).normal(8_000, 6, 24)
    x[:, 0] *= np.sqrt(0.2)
    values, vectors = np.linalg.eigh(x @ np.swapaxes(x, 1, 2) / 24)
    reduced = sims.spiked_bottom(20_000, Stream.from_seed(7), p=6, c=0.25, ell=0.2, sigma=1.0)["value"]
    demand_same_law(
        {"eigenvalue": reduced[:, 0], "overlap": reduced[:, 1]},
        {"eigenvalue": values[:, 0], "overlap": vectors[:, 0, 0] ** 2},
    )
