"""Tracy-Widom laws: 50 digits in both tails, published moments, two routes, and the edges of real matrices."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from simulation_twins import demand_twins

from theorylab.derivations.random_matrix import hastings_mcleod as painleve
from theorylab.derivations.random_matrix import rmt_tracy_widom as theory
from theorylab.derivations.random_matrix.tracy_widom import TracyWidom
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.soft_edges import gaussian_edge, wishart_edge
from theorylab.simulation import Simulation

BETAS = (1, 2, 4)
betas = st.sampled_from(BETAS)


def nodes(count: int) -> list[tuple[mpmath.mpf, mpmath.mpf]]:
    """Gauss-Legendre nodes and weights to the working precision."""
    found = []
    for start in np.polynomial.legendre.leggauss(count)[0]:
        t = mpmath.mpf(float(start))
        for _ in range(4):
            before, now = mpmath.mpf(1), t
            for k in range(2, count + 1):
                before, now = now, ((2 * k - 1) * t * now - (k - 1) * before) / k
            slope = count * (t * now - before) / (t * t - 1)
            t -= now / slope
        found.append((t, 2 / ((1 - t * t) * slope * slope)))
    return found


def determinants(s: float, count: int) -> tuple[mpmath.mpf, mpmath.mpf]:
    """det(1 - A_s) and det(1 + A_s), A_s(x, y) = Ai((x + y)/2 + s)/2, in multiple precision."""
    length = 2 * ((mpmath.mpf(1.8) * mpmath.mp.dps + max(s, 0) ** 1.5) ** (mpmath.mpf(2) / 3) - s)
    rule = nodes(count)
    y, root = [(t + 1) / 2 * length for t, _ in rule], [mpmath.sqrt(w * length / 2) for _, w in rule]
    matrix = mpmath.matrix(count, count)
    for i in range(count):
        for j in range(i + 1):
            matrix[i, j] = matrix[j, i] = root[i] * root[j] * mpmath.airyai((y[i] + y[j]) / 2 + s) / 2
    return mpmath.det(mpmath.eye(count) - matrix), mpmath.det(mpmath.eye(count) + matrix)


def demand_digits(s: float, count: int) -> None:
    minus, plus = determinants(s, count)
    for beta, exact, x in ((1, minus, s), (2, minus * plus, s), (4, (minus + plus) / 2, s / 2 ** (2 / 3))):
        law = TracyWidom(beta)
        assert abs(mpmath.mpf(float(law.cdf(x))) / exact - 1) < 1e-11
        assert abs(mpmath.mpf(float(law.sf(x))) / (1 - exact) - 1) < 1e-11


@pytest.mark.parametrize("s", [-5.0, 4.0])
def test_both_tails_agree_with_multiple_precision(s: float) -> None:
    with mpmath.workdps(30):
        demand_digits(s, 34)


@pytest.mark.full
@pytest.mark.parametrize("s", [-13.0, -10.0, -8.0, -6.0, -3.5, -3.0, -1.0, 0.0, 2.0, 8.0, 14.0])
def test_both_tails_agree_with_fifty_digits(s: float) -> None:
    with mpmath.workdps(50):
        demand_digits(s, 96 if s < -9.0 else 70)


def test_painleve_solution_at_zero() -> None:
    # Hastings-McLeod at 0 to 18 digits: Prahofer and Spohn's tables (2003), as quoted by Bornemann (2010).
    assert float(painleve.integrals(np.array(0.0)).q) == pytest.approx(0.367061551548078427, rel=1e-14)


def test_the_series_and_the_boundary_value_problem_join() -> None:
    left, right = painleve.integrals(np.array([painleve.LEFT - 1e-9, painleve.LEFT + 1e-9])).q
    assert left == pytest.approx(right, rel=1e-9)
    w = np.array([12.0, 13.0, 13.9])
    for a, b in zip(painleve._far(w), painleve._solved(-w)):
        assert np.allclose(a, b, rtol=3e-14, atol=0.0)


def test_the_series_begins_as_published() -> None:
    # Tracy and Widom (1994), eq. (1.19).
    assert [str(a) for a in painleve.series(4)] == ["1", "-1/8", "-73/128", "-10657/1024"]


@pytest.mark.parametrize(
    ("beta", "moments"),
    [
        # Bornemann (2010), Table 10.
        (1, (-1.2065335745820, 1.607781034581, 0.29346452408, 0.1652429384)),
        (2, (-1.7710868074, 0.8131947928329, 0.224084203610, 0.0934480876)),
        # The same table, with the unit 2^(1/2) of quaternion matrices changed into 2^(2/3).
        (4, (-2.306884893241 * 2 ** (-1 / 6), 0.5177237207726 * 2 ** (-1 / 3), 0.16550949435, 0.0491951565)),
    ],
)
def test_published_moments(beta: int, moments: tuple[float, ...]) -> None:
    assert TracyWidom(beta).stats() == pytest.approx(moments, rel=2e-9)


def test_the_mean_that_wishart_matrices_use_is_this_one() -> None:
    from theorylab.derivations.random_matrix.rmt_marchenko_pastur_finite import TRACY_WIDOM_MEAN

    assert TracyWidom(1).mean() == pytest.approx(float(TRACY_WIDOM_MEAN), rel=1e-12)


@pytest.mark.parametrize("beta", BETAS)
def test_a_law_is_used_like_a_distribution(beta: int) -> None:
    law = TracyWidom(beta)
    q = np.array([1e-200, 1e-30, 1e-3, 0.3, 0.5, 0.999])
    assert np.allclose(law.cdf(law.ppf(q)), q, rtol=1e-11)
    assert np.allclose(law.sf(law.isf(q)), q, rtol=1e-11)
    assert law.ppf([0.0, 1.0]).tolist() == [-np.inf, np.inf]
    assert law.median() == pytest.approx(float(law.isf(0.5)), abs=1e-12)
    low, high = law.interval(0.9)
    assert law.cdf(high) - law.cdf(low) == pytest.approx(0.9)
    draws = law.rvs((400, 50), random_state=1)
    # 20 000 draws: the mean is off by 5 standard errors in one run of 2 million.
    assert abs(draws.mean() - law.mean()) < 5.0 * law.std() / np.sqrt(draws.size)
    assert np.array_equal(draws, law.rvs((400, 50), random_state=1))
    assert law.moments(2)[1] == pytest.approx(law.var() + law.mean() ** 2, rel=1e-9)
    assert law.expect(np.ones_like) == pytest.approx(1.0, rel=1e-9)
    z = 30.0 + 0.0j
    assert law.stieltjes(z) == pytest.approx(sum(law.moment(k) / 30.0 ** (k + 1) for k in range(12)), rel=1e-9)
    assert law.support() == (-np.inf, np.inf)


@settings(max_examples=15, deadline=None)
@given(betas, st.floats(-20.0, 20.0), st.floats(1e-3, 3.0))
def test_monotone_and_consistent(beta: int, x: float, step: float) -> None:
    law = TracyWidom(beta)
    assert law.logcdf(x) < law.logcdf(x + step) or law.sf(x) < 1e-13
    assert law.sf(x) > law.sf(x + step) or law.cdf(x) < 1e-13
    assert law.cdf(x) + law.sf(x) == pytest.approx(1.0, abs=1e-15)
    assert law.pdf(x) == pytest.approx(np.exp(law.logpdf(x)), rel=1e-9)
    h = 1e-4
    slope = (law.logcdf(x + h) - law.logcdf(x - h)) / (2 * h)
    assert slope == pytest.approx(float(np.exp(law.logpdf(x) - law.logcdf(x))), rel=1e-5, abs=1e-8)


def test_upper_tails_are_traces() -> None:
    # Far out 1 - F is the trace of the operator alone.
    for s in (6.0, 12.0, 30.0):
        airy, slope = special.airy(s)[:2]
        squared = (2 * s**2 * airy**2 - 2 * s * slope**2 - airy * slope) / 3.0
        with mpmath.workdps(30):
            single = float(mpmath.quad(mpmath.airyai, [s, s + 2, s + 8, s + 40]) / 2)
        assert TracyWidom(1).sf(s) == pytest.approx(single, rel=1e-4)
        assert TracyWidom(2).sf(s) == pytest.approx(squared, rel=2e-6)


def test_far_out_nothing_is_lost() -> None:
    law = TracyWidom(2)
    assert law.logcdf(-200.0) == pytest.approx(-(200.0**3) / 12, rel=2e-6)
    assert law.cdf(-200.0) == 0.0
    assert law.sf(200.0) == 0.0
    assert law.cdf(200.0) == 1.0
    assert law.pdf(200.0) == 0.0


def test_bad_input_gets_one_line() -> None:
    with pytest.raises(DomainError, match="beta = 3 has no known distribution function; choose from 1, 2, 4"):
        TracyWidom(3)
    with pytest.raises(DomainError, match=r"q = 1\.5 is not a probability"):
        TracyWidom(1).ppf([0.5, 1.5])
    with pytest.raises(DomainError, match="beta = 1, 2 or 4"):
        theory.CDF(x=0.0, beta=3)


@pytest.mark.parametrize("edge", ["largest", "smallest"])
@pytest.mark.parametrize("beta", [1, 2])
def test_wishart_edges_are_those_of_dense_matrices(beta: int, edge: str) -> None:
    p, n, trials = 8, 20, 20_000
    source = np.random.default_rng(3)
    x = source.normal(size=(trials, p, n)) + (0.0 if beta == 1 else 1j * source.normal(size=(trials, p, n)))
    values = np.linalg.eigvalsh(x @ np.conj(np.swapaxes(x, 1, 2))) / beta
    sign = -1.0 if edge == "smallest" else 1.0
    half = 0.5 if beta == 1 else 0.0
    a, b = np.sqrt(n - half), sign * np.sqrt(p - half)
    dense = sign * (values[:, -1 if sign > 0 else 0] - (a + b) ** 2) / (a + b) / abs(1 / a + 1 / b) ** (1 / 3)
    found = wishart_edge(trials, Stream.from_seed(5), p=p, n=n, beta=beta, edge=edge)["shifted"]
    # Two means of 20 000 each: 5 standard errors, one run in 2 million.
    assert abs(np.mean(found) - np.mean(dense)) < 5.0 * np.sqrt((np.var(found) + np.var(dense)) / trials)
    assert np.std(found) == pytest.approx(np.std(dense), rel=0.04)


@pytest.mark.parametrize("beta", [1, 2])
def test_gaussian_edges_are_those_of_dense_matrices(beta: int) -> None:
    size, trials = 12, 20_000
    source = np.random.default_rng(4)
    x = source.normal(size=(trials, size, size)) + (0.0 if beta == 1 else 1j * source.normal(size=(trials, size, size)))
    # Off the diagonal |entry|^2 has mean 1 in both cases.
    matrix = (x + np.conj(np.swapaxes(x, 1, 2))) / (np.sqrt(2.0) if beta == 1 else 2.0)
    dense = size ** (1 / 6) * (np.linalg.eigvalsh(matrix)[:, -1] - 2.0 * np.sqrt(size))
    found = gaussian_edge(trials, Stream.from_seed(6), P=size, beta=beta)["plain"]
    assert abs(np.mean(found) - np.mean(dense)) < 5.0 * np.sqrt((np.var(found) + np.var(dense)) / trials)
    assert np.std(found) == pytest.approx(np.std(dense), rel=0.04)


@pytest.mark.parametrize("simulated", [gaussian_edge, wishart_edge])
def test_twins_and_batches(simulated: Simulation) -> None:
    at = {"P": 40, "beta": 4} if simulated is gaussian_edge else {"p": 12, "n": 30, "beta": 2, "edge": "smallest"}
    demand_twins(simulated, at)
