"""Kernels of the comp-sum violation search: twins case by case, replays, hulls, and minima by brute force."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy.optimize import minimize

from theorylab.kernels import comp_sum_search as search
from theorylab.kernels import label_descent as descent
from theorylab.kernels.conditional_risk import infimum_numpy, pooled_regret, pooled_regret_numpy, risk_numpy
from theorylab.kernels.lower_hull import below, lower_hull, tabulate
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.violation_search import conditional_search, distribution_search

KEY = np.array([7, 11], dtype=np.uint32)
TAUS = [0.0, 0.5, 1.0 - 1e-3, 1.0, 1.5, 1.95, 2.0, 3.0]


def dirichlet(count, n, seed=1):
    """Label distributions from uniform to concentrated on few classes."""
    generator = np.random.default_rng(seed)
    weights = generator.standard_exponential((count, n)) ** (10.0 ** generator.uniform(-1, 1, (count, 1)))
    return weights / weights.sum(axis=1, keepdims=True)


def exact_infimum(p, tau):
    """The infimum of the conditional risk for tau < 2 at the present precision; p as mpmath numbers."""
    if tau == 1:
        return -sum(q * mpmath.log(q) for q in p)
    return (sum(q ** (1 / (2 - tau)) for q in p) ** (2 - tau) - 1) / (1 - tau)


# The search over pairs.


@pytest.mark.parametrize("n", [2, 3, 10, 33])
@pytest.mark.parametrize("tau", TAUS)
def test_pairs_of_the_twins_agree_case_by_case(tau, n):
    cases = np.arange(4000)
    reference = search.pairs_numpy(KEY, 3, cases, tau, n)
    case, x, y = search.pairs_numba(KEY, 3, 0, len(cases), tau, n, hull=False)
    # Rounding decides on which side of the least regret a case lies; none of these is that close.
    np.testing.assert_array_equal(case, cases[reference["x"] >= search.LEAST_BETA])
    assert len(case) > 500
    np.testing.assert_allclose(x, reference["x"][case], rtol=0, atol=1e-13)
    scale = np.maximum(1.0, np.abs(reference["y"][case])) * (1.0 if tau == 1.0 else max(1.0, 1.0 / abs(1.0 - tau)))
    assert np.max(np.abs(y - reference["y"][case]) / scale) < 1e-12


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_a_case_is_replayed_by_its_number(tau):
    cases = np.arange(100, 1000)
    whole = search.pairs_numpy(KEY, 0, cases, tau, 10)
    for case in (100, 131, 999):
        single = search.pairs_numpy(KEY, 0, np.array([case]), tau, 10)
        for name, column in single.items():
            np.testing.assert_array_equal(column[0], whole[name][case - 100])
    # Whichever case the compiled search starts from, and whatever it finds below.
    for first in (100, 131, 160):
        case, _, y = search.pairs_numba(KEY, 0, first, 1000 - first, tau, 10, hull=False)
        assert case.min() >= first
        np.testing.assert_allclose(y, whole["y"][case - 100], rtol=1e-11, atol=1e-12)


def test_replayed_cases_are_what_they_say():
    found = search.pairs_numpy(KEY, 0, np.arange(20_000), 0.5, 4)
    p, h, rows = found["p"], found["h"], np.arange(20_000)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-14)
    # The predicted class has the largest score, alone or raised to it.
    np.testing.assert_array_equal(h[rows, found["label"]], h.max(axis=1))
    np.testing.assert_array_equal(found["x"], p.max(axis=1) - p[rows, found["label"]])
    assert np.all(p.reshape(-1, search.SHARE, 4) == p[:: search.SHARE, None])
    # Half of the cases raise a random class, which is the winner already in a quarter of them; within 5.5 standard
    # errors, a false alarm once in 2e7.
    tied = np.mean((h == h.max(axis=1, keepdims=True)).sum(axis=1) == 2)
    assert abs(tied - 0.375) < 5.5 * np.sqrt(0.375 * 0.625 / 20_000)


@pytest.mark.parametrize("n", [2, 10, 30])
@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0 - 1e-3, 1.0, 1.5, 1.95])
def test_stated_rounding_errors_hold_against_fifty_digits(tau, n):
    found = search.pairs_numpy(KEY, 0, np.arange(0, 60 * search.SHARE, search.SHARE), tau, n)
    with mpmath.workdps(50):
        for p, h, y, error in zip(found["p"], found["h"], found["y"], found["error"]):
            p, h, exponent = [mpmath.mpf(v) for v in p], [mpmath.mpf(v) for v in h], mpmath.mpf(tau)
            # The search takes the sum of p as one.
            total = sum(p)
            p = [q / total for q in p]
            waits = [mpmath.log(sum(mpmath.exp(other - own) for other in h)) for own in h]
            losses = [w if tau == 1 else (mpmath.exp((1 - exponent) * w) - 1) / (1 - exponent) for w in waits]
            exact = sum(q * loss for q, loss in zip(p, losses)) - exact_infimum(p, exponent)
            assert abs(y - exact) <= error


# The hull.


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("tau", [0.0, 1.0, 1.5, 2.0, 3.0])
def test_the_hull_is_that_of_all_pairs(tau, n):
    """Chords through pairs, of increasing slope, from the origin to the largest beta, with no pair below them."""
    count = 200_000
    case, x, y = search.pairs_numba(KEY, 0, 0, count, tau, n)
    everyone, all_x, all_y = search.pairs_numba(KEY, 0, 0, count, tau, n, hull=False)
    order = np.searchsorted(everyone, case)
    np.testing.assert_array_equal(everyone[order], case)
    np.testing.assert_array_equal(all_x[order], x)
    np.testing.assert_array_equal(all_y[order], y)
    assert x[-1] == all_x.max()
    assert np.all(np.diff(np.diff(y, prepend=0.0) / np.diff(x, prepend=0.0)) > 0)
    chords = np.interp(all_x, np.append(0.0, x), np.append(0.0, y))
    assert np.all(all_y >= chords - 1e-15 * np.maximum(1.0, chords))
    # The filter drops none of them: the same without it.
    np.testing.assert_array_equal(case, everyone[lower_hull(all_x, all_y)])


coordinate = st.integers(0, 12).map(lambda k: k / 12)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(points=st.lists(st.tuples(coordinate.filter(bool), coordinate), min_size=1, max_size=14))
def test_lower_hull_with_ties_against_all_chords(points):
    x, y = np.transpose(points)
    vertices = lower_hull(x, y)
    everything = [(0.0, 0.0), *points]
    # A point is a vertex if it lies below every chord over it, and below what shares its x.
    expected = sorted(
        (u, v)
        for u, v in set(points)
        if all(v <= b for a, b in points if a == u)
        and all(
            v * (c - a) < b * (c - u) + d * (u - a) - 1e-12
            for (a, b), (c, d) in itertools.product(everything, everything)
            if a < u < c
        )
    )
    assert [(x[i], y[i]) for i in vertices] == expected


@njit
def passes(x, y, table):
    return np.array([below(x[i], y[i], table) for i in range(x.size)])


@pytest.mark.parametrize("seed", range(5))
def test_the_filter_lets_through_all_that_is_below_the_hull(seed):
    generator = np.random.default_rng(seed)
    x = 0.01 + 0.9 * generator.random(2000)
    y = x**2 * (1 + generator.exponential(size=2000))
    vertices = lower_hull(x[:1000], y[:1000])
    x_hull, y_hull = np.append(0.0, x[vertices]), np.append(0.0, y[vertices])
    passed = passes(x[1000:], y[1000:], tabulate(x[vertices], y[vertices]))
    new = y[1000:] < np.interp(x[1000:], x_hull, y_hull, right=np.inf)
    assert new.any()
    assert np.all(passed[new])
    # And little else.
    assert passed.sum() < new.sum() + 20


def test_the_search_does_not_depend_on_how_it_is_cut():
    whole = search.pairs_numba(KEY, 0, 0, 30_000, 0.5, 5)
    pieces = [
        search.pairs_numba(KEY, 0, a, b - a, 0.5, 5) for a, b in itertools.pairwise((0, 7, 1000, 4096, 20_001, 30_000))
    ]
    case, x, y = (np.concatenate(column) for column in zip(*pieces))
    kept = lower_hull(x, y)
    for column, expected in zip((case, x, y), whole):
        np.testing.assert_array_equal(column[kept], expected)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("simulation", [conditional_search, distribution_search])
def test_simulations_do_not_depend_on_batches(simulation, backend):
    def rows(first, trials):
        return simulation(trials, Stream(KEY, backend, first), tau=1.5, n=3)

    whole = rows(0, 6144)
    parts = [rows(first, 2048) for first in (0, 2048, 4096)]
    merged = {name: np.concatenate([part[name] for part in parts]) for name in whole}
    # The second returns the surrogate regret first.
    x, y = (merged["x"], merged["y"]) if simulation is conditional_search else (merged["y"], merged["x"])
    kept = lower_hull(x, y)
    for name, column in whole.items():
        np.testing.assert_array_equal(merged[name][kept], column)


def test_backends_of_the_simulation_find_the_same_cases():
    found = [conditional_search(8192, Stream(KEY, backend), tau=0.5, n=3) for backend in ("numpy", "numba")]
    np.testing.assert_array_equal(found[0]["case"], found[1]["case"])
    np.testing.assert_allclose(found[0]["y"], found[1]["y"], rtol=1e-9, atol=1e-13)


# Exponentials.


# Least regrets of predicting a class.


def relative_form(p, label):
    top = p.max()
    rest = np.delete(p, [label, int(np.argmax(p))])
    return top, p[label] / top, np.sort(rest)[::-1] / top


@njit
def pooled(top, own, rest, tau):
    return pooled_regret(top, own, rest, tau)


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("tau", TAUS)
def test_pooled_regrets_of_the_twins_agree(tau, n):
    scale = 1.0 / abs(1.0 - tau) if tau != 1.0 else 1.0
    for p in dirichlet(100, n):
        for label in range(n):
            if label == p.argmax():
                assert abs(pooled_regret_numpy(p, label, tau)) < 4e-15 * (infimum_numpy(p, tau) + scale)
                continue
            value, size = pooled(*relative_form(p, label), float(tau))
            assert abs(value - pooled_regret_numpy(p, label, tau)) < 4e-15 * (size + scale)
            assert value > -1e-14 * size


def test_a_class_without_probability_is_no_exception():
    for tau in TAUS:
        p = np.array([0.5, 0.3, 0.2, 0.0, 0.0])
        value, _ = pooled(*relative_form(p, 4), tau)
        assert value == pytest.approx(pooled_regret_numpy(p, 4, tau), rel=1e-11)
        assert value > 0


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("tau", [0.0, 0.4, 1.0, 1.4, 1.7])
def test_pooled_regret_against_constrained_minimisation(tau, n):
    """Over the softmax probabilities, where the problem is convex: s_i >= s_j for every j."""
    for p in 0.9 * dirichlet(6, n) + 0.1 / n:
        label = int(np.argsort(p)[0])

        def risk(s, p=p):
            return p @ (-np.log(s) if tau == 1.0 else (s ** (tau - 1.0) - 1.0) / (1.0 - tau))

        found = minimize(
            risk,
            np.full(n, 1.0 / n),
            jac=lambda s, p=p: -p * s ** (tau - 2.0),
            method="SLSQP",
            bounds=[(1e-9, 1.0)] * n,
            constraints=[
                {"type": "eq", "fun": lambda s: s.sum() - 1.0, "jac": np.ones_like},
                {
                    "type": "ineq",
                    "fun": lambda s, i=label: s[i] - s,
                    "jac": lambda s, i=label: np.eye(len(s))[i] - np.eye(len(s)),
                },
            ],
            options={"ftol": 1e-14, "maxiter": 500},
        )
        assert found.fun - infimum_numpy(p, tau) == pytest.approx(pooled_regret_numpy(p, label, tau), abs=1e-9)


@pytest.mark.parametrize("n", [2, 4, 6])
@pytest.mark.parametrize("tau", [2.0, 2.3, 3.0])
def test_pooled_regret_against_all_vertices(tau, n):
    """From tau = 2 on the risk is concave in s: least at a vertex, uniform on a set of classes with the label in it."""
    for p in dirichlet(20, n):
        for label in range(n):
            others = [j for j in range(n) if j != label]
            sets = itertools.chain.from_iterable(itertools.combinations(others, k) for k in range(n))
            risks = [
                sum(q * (1.0 - (1.0 / (1 + len(chosen)) if j in (label, *chosen) else 0.0) ** (tau - 1.0))
                    for j, q in enumerate(p)) / (tau - 1.0)
                for chosen in sets
            ]  # fmt: skip
            expected = min(risks) - float(infimum_numpy(p, tau))
            assert pooled_regret_numpy(p, label, tau) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("tau", TAUS)
def test_no_scores_do_better_than_the_pooled_regret(tau):
    generator = np.random.default_rng(5)
    for p in dirichlet(100, 5):
        h = generator.normal(size=(200, 5)) * 10.0 ** generator.uniform(-2, 1, (200, 1))
        regret = risk_numpy(p, h, tau) - infimum_numpy(p, tau)
        least = np.array([pooled_regret_numpy(p, label, tau) for label in range(5)])
        assert np.all(regret >= least[h.argmax(axis=1)] - 1e-12)


# Descents.


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("tau", [0.5, 1.0, 1.8, 2.5])
def test_descents_of_the_twins_agree_start_by_start(tau, n):
    """One comparison that rounding decides sends a twin elsewhere: so most end at the same point, all at a minimum."""
    compiled = descent.descents_numba(KEY, 0, 0, 12, tau, n)
    reference = descent.descents_numpy(KEY, 0, 0, 12, tau, n)
    np.testing.assert_array_equal(compiled["x"], reference["x"])
    same = np.isclose(compiled["y"], reference["y"], rtol=1e-9, atol=1e-12)
    assert same.mean() >= 0.75
    np.testing.assert_allclose(compiled["y"], reference["y"], rtol=0.1)


def test_descents_of_the_reference_try_distributions_only():
    found = descent.descents_numpy(KEY, 0, 0, 12, 1.8, 5)
    assert found["p"].min() >= 0.0


@pytest.mark.parametrize("tau", [0.5, 1.5, 2.0])
def test_descents_keep_the_zero_one_regret_and_only_go_down(tau):
    n = 6
    found = descent.descents_numba(KEY, 0, 0, 100, tau, n)
    beta, rest = descent.starts(KEY, 0, 0, 100, n, compiled=True)
    p = found["p"]
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-13)
    assert p.min() >= 0
    np.testing.assert_array_equal(p.max(axis=1), p[:, 0])
    np.testing.assert_allclose(p[:, 0] - p[:, 1], beta, rtol=1e-12)
    regret = np.array([pooled_regret_numpy(q, 1, tau) for q in p])
    before = np.array([pooled_regret_numpy(q, 1, tau) for q in descent.distributions(beta, rest)])
    assert np.all(np.abs(found["y"] - regret) <= found["error"] + 1e-14)
    assert np.all(regret <= before + 1e-13)
    # At tau = 2 the regret is beta/2 on the whole region where the rest is small.
    assert np.mean(regret < 0.99 * before) > 0.2


def test_descents_do_not_depend_on_their_neighbours():
    whole = descent.descents_numba(KEY, 0, 0, 20, 1.5, 5)
    part = descent.descents_numba(KEY, 0, 7, 3, 1.5, 5)
    for name, column in part.items():
        np.testing.assert_array_equal(column, whole[name][7:10])


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("whole", [conditional_search, distribution_search])
def test_a_search_may_be_of_one_case(whole, backend):
    """Of a few pairs none may be worth keeping."""
    for cases in (1, 2, 3):
        found = whole(cases, Stream.from_seed(cases, backend), tau=1.2, n=4)
        assert len({len(column) for column in found.values()}) == 1
        assert np.all(found["y"] >= 0.0)
