"""Sample covariances of a general population: limits, special cases, two routes, twins, bad input."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins
from threadpoolctl import threadpool_limits

from theorylab.derivations.random_matrix import rmt_generalized_mp as theory
from theorylab.derivations.random_matrix import rmt_marchenko_pastur as white
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as white_finite
from theorylab.derivations.random_matrix.generalized_mp import GeneralizedMarchenkoPastur
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import covariances as sims

ratios = st.floats(0.02, 20.0)
ridges = st.floats(1e-3, 1e2)
atoms = st.tuples(st.floats(0.1, 20.0), st.floats(0.1, 20.0), st.floats(0.1, 20.0))
masses = st.tuples(st.floats(0.05, 0.45), st.floats(0.05, 0.45))
quickly = settings(max_examples=25, deadline=None, derandomize=True)
EQUAL = {"t1": 2.25, "t2": 2.25, "t3": 2.25}


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


def named(t: tuple[float, ...], w: tuple[float, ...]) -> dict[str, float]:
    return dict(zip(("t1", "t2", "t3", "w1", "w2"), (*t, *w)))


@quickly
@given(ratios, ridges)
def test_equal_eigenvalues_are_the_law_of_marchenko_and_pastur(c: float, lam: float) -> None:
    at = {"c": c, **EQUAL}
    assert theory.RESOLVENT(lam=lam, **at) == pytest.approx(float(white.RESOLVENT(c=c, lam=lam, sigma=1.5)), rel=1e-10)
    assert theory.UPPER_EDGE(**at) == pytest.approx(float(white.UPPER_EDGE(c=c, sigma=1.5)), rel=1e-12)
    assert theory.LOWER_EDGE(**at) == pytest.approx(float(white.LOWER_EDGE(c=c, sigma=1.5)), rel=1e-9, abs=1e-15)
    exact = float(white_finite.RESOLVENT_TRACE(p=10, c=c, lam=lam, sigma=1.5))
    bare = 10.0 * float(white.RESOLVENT(c=c, lam=lam, sigma=1.5))
    assert theory.CORRECTION(lam=lam, **at) == pytest.approx(exact - bare, rel=1e-6, abs=1e-9 * exact)


@pytest.mark.parametrize("c", [0.1, 0.5, 3.0])
def test_equal_eigenvalues_have_the_edges_of_johnstone_and_ma(c: float) -> None:
    """The two expansions differ in order n^(-4/3)."""
    p = 9 * 10**8
    found = np.exp(theory.MEAN_EXTREMES(c=c, p=p, t1=1.0, t2=1.0, t3=1.0) / (p / c) ** (2.0 / 3.0))
    for value, mean in zip(found, (white_finite.mean_extreme(p, round(p / c), sign) for sign in (-1, 1))):
        assert value == pytest.approx(float(mean), rel=1e-10)


@quickly
@given(ratios, ridges, atoms, masses)
def test_the_order_of_atoms_does_not_matter(c: float, lam: float, t: tuple, w: tuple) -> None:
    every = (*w, 1.0 - sum(w))
    values = [
        float(theory.RESOLVENT(c=c, lam=lam, **named([t[i] for i in order], [every[i] for i in order[:2]])))
        for order in permutations(range(3))
    ]
    np.testing.assert_allclose(values, values[0], rtol=1e-9)


@quickly
@given(ratios, ridges, atoms, masses)
def test_the_object_agrees(c: float, lam: float, t: tuple, w: tuple) -> None:
    at = {"c": c, **named(t, w)}
    law = GeneralizedMarchenkoPastur(c, t, [*w, 1.0 - sum(w)])
    assert theory.RESOLVENT(lam=lam, **at) == pytest.approx(-law.stieltjes(-lam).real, rel=1e-9)
    assert theory.COMPANION(lam=lam, **at) == pytest.approx(-1.0 / law.companion(-lam).real, rel=1e-9)
    assert theory.UPPER_EDGE(**at) == pytest.approx(law.support()[1], rel=1e-10)
    assert theory.LOWER_EDGE(**at) == pytest.approx(law.intervals()[0][0], rel=1e-9, abs=1e-14)
    assert theory.LIMIT_MOMENT(k=3, **at) == pytest.approx(law.moment(3), rel=1e-11)


@quickly
@given(ratios, ridges, atoms, masses)
def test_weights(c: float, lam: float, t: tuple, w: tuple) -> None:
    """Equal weights scale the covariance; weights of 0 take samples away."""
    at = {"c": c, **named(t, w)}
    same = theory.WEIGHTED(lam=lam, a1=2.0, a2=2.0, chance=0.4, **at)
    assert same == pytest.approx(float(theory.RESOLVENT(lam=lam / 2.0, **at)) / 2.0, rel=1e-9)
    fewer = theory.WEIGHTED(lam=lam, a1=1e-14, a2=4.0, chance=0.25, **at)
    assert fewer == pytest.approx(float(theory.RESOLVENT(lam=lam, **{**at, "c": 4.0 * c})), rel=1e-6)


def test_the_population_comes_back_from_many_samples() -> None:
    at = {"c": 1e-10, "lam": 0.5}
    assert theory.RESOLVENT(**at) == pytest.approx(0.2 / 1.5 + 0.4 / 3.5 + 0.4 / 10.5, rel=1e-8)
    assert theory.UPPER_EDGE(c=1e-10) == pytest.approx(10.0, rel=1e-4)
    assert theory.LIMIT_MOMENT(k=3, c=1e-12) == pytest.approx(0.2 + 0.4 * 27.0 + 0.4 * 1000.0)


def test_more_ridge_less_resolvent() -> None:
    lam = np.geomspace(1e-3, 1e3, 30)
    assert np.all(np.diff(theory.RESOLVENT(c=0.7, lam=lam)) < 0.0)
    assert np.all(theory.RESOLVENT(c=0.7, lam=lam) * lam < 1.0)


def test_the_splitting_is_where_the_number_of_intervals_changes() -> None:
    assert theory.SPLITTING(t1=1.0, t2=5.0, w1=0.5) == pytest.approx(0.52961, abs=5e-6)
    for t2, w1 in ((5.0, 0.5), (3.0, 0.2), (30.0, 0.9)):
        split = float(theory.SPLITTING(t1=1.0, t2=t2, w1=w1))
        pieces = [
            len(GeneralizedMarchenkoPastur(split * x, [1.0, t2], [w1, 1.0 - w1]).intervals()) for x in (0.9999, 1.0001)
        ]
        assert pieces == [2, 1]


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (theory.RESOLVENT, {"c": 0.5, "lam": 0.0}, "ridge"),
        (theory.RESOLVENT, {"c": 0.5, "w1": 0.7, "w2": 0.7}, "masses of the population's eigenvalues exceed one"),
        (theory.RESOLVENT, {"c": 0.5, "t1": -1.0}, "population eigenvalue 1"),
        (theory.RESOLVENT, {"c": 0.5, "t1": float("nan")}, "population eigenvalue 1"),
        (theory.EDGES, {"c": 0.9, "t2": 5.0, "w1": 0.5, "w2": 0.5}, "above this the bulk is in one piece"),
        (theory.SPLITTING, {"t1": 5.0, "t2": 1.0}, "t1 is the smaller atom"),
        (theory.EXACT_MOMENT, {"k": 4, "p": 5, "n": 7}, "order of the moment"),
    ],
)
def test_bad_input_is_named(prediction, at, message) -> None:
    with pytest.raises(DomainError, match=message):
        prediction(**at)


AT = {"p": 10, "c": 0.5, "t1": 1.0, "t2": 3.0, "t3": 10.0, "w1": 0.2, "w2": 0.4}
SIMULATIONS = {
    "eigenvalues": (sims.eigenvalues, {**AT, "c": 2.0, "entries": "gaussian"}),
    "resolvents": (sims.resolvents, {**AT, "lam": 0.3, "entries": "signs"}),
    "extremes": (sims.extremes, AT),
    "gap": (sims.gap_closing, {"p": 8, "c": 0.5, "t1": 1.0, "t2": 5.0, "w1": 0.5}),
    "power": (sims.power_mean, {**{k: v for k, v in AT.items() if k != "c"}, "n": 7, "k": 3}),
    "power at ratio": (sims.power_mean_at_ratio, {**AT, "k": 3, "entries": "gaussian"}),
    "weighted": (sims.weighted, {**AT, "lam": 0.3, "a1": 0.1, "a2": 4.0, "chance": 0.3}),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name: str) -> None:
    demand_twins(*SIMULATIONS[name], atol=1e-10)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_array_standard(name: str) -> None:
    demand_array_standard(*SIMULATIONS[name], atol=1e-10)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_powers_by_products_are_powers_of_eigenvalues(k: int) -> None:
    population = {name: value for name, value in AT.items() if name not in ("p", "c")}
    by_products = sims.power_mean(20, Stream.from_seed(4), p=10, n=20, k=k, **population)["value"]
    values = sims.eigenvalues(20, Stream.from_seed(4), p=10, c=0.5, entries="gaussian", **population)["value"]
    np.testing.assert_allclose(by_products, np.mean(values**k, axis=1), rtol=1e-11)


def test_the_population_of_a_simulation() -> None:
    """With many samples a covariance has its population's eigenvalues; three standard errors are 2 %."""
    values = sims.eigenvalues(
        4, Stream.from_seed(5), p=10, c=1e-3, entries="gaussian", **{k: AT[k] for k in AT if k not in ("p", "c")}
    )["value"]
    np.testing.assert_allclose(values.mean(axis=0), [1, 1, 3, 3, 3, 3, 10, 10, 10, 10], rtol=0.08)
