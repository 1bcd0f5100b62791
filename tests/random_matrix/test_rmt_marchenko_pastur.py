"""The Marchenko-Pastur law: quadrature, limits, symmetries, exact small sizes, domain, simulations.

Deterministic, with fixed streams; tests of a law state their false-alarm rate for a fresh stream.
"""

from __future__ import annotations

from math import erfc, prod

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from simulation_twins import demand_twins
from threadpoolctl import threadpool_limits

from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as finite
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as moments
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import bidiagonal, wishart

ratios = st.one_of(st.floats(0.01, 0.95), st.floats(1.05, 100), st.just(1.0))
scales = st.floats(0.1, 3)
ridges = st.floats(1e-3, 1e3)
sizes = st.integers(1, 1000)
often = settings(max_examples=30, deadline=None, derandomize=True)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


def at_angle(t, c, sigma):
    """Point of the support, from its lower edge at 0 to its upper edge at pi."""
    return sigma**2 * (1 + c - 2 * c**0.5 * np.cos(t))


def mean_under_the_law(function, c, sigma):
    """Integral of a function against the law: the midpoint rule in the angle, which converges geometrically."""
    step = np.pi / 4096
    t = (np.arange(4096) + 0.5) * step
    x = at_angle(t, c, sigma)
    bulk = law.DENSITY(x=x, c=c, sigma=sigma) * 2 * c**0.5 * sigma**2 * np.sin(t) * step
    return float(law.ATOM(c=c)) * function(0.0) + bulk @ function(x)


@often
@given(c=ratios, sigma=scales)
def test_total_mass_is_one(c, sigma):
    assert mean_under_the_law(np.ones_like, c, sigma) == pytest.approx(1, rel=1e-10)


@often
@given(c=ratios, sigma=scales, k=st.integers(1, 8))
def test_moments_by_quadrature(c, sigma, k):
    exact = float(moments.MOMENT(k=k, c=c, sigma=sigma))
    assert mean_under_the_law(lambda x: x**k, c, sigma) == pytest.approx(exact, rel=1e-9)


@often
@given(c=ratios, sigma=scales, lam=ridges)
def test_resolvents_and_log_determinant_by_quadrature(c, sigma, lam):
    at = {"c": c, "sigma": sigma, "lam": lam}
    for prediction, function in (
        (law.RESOLVENT, lambda x: 1 / (x + lam)),
        (law.SQUARED_RESOLVENT, lambda x: (x + lam) ** -2.0),
        (law.LOG_DETERMINANT, lambda x: np.log(x + lam)),
    ):
        assert mean_under_the_law(function, c, sigma) == pytest.approx(float(prediction(**at)), rel=1e-8, abs=1e-10)


@often
@given(c=st.floats(0.01, 100), sigma=scales, t=st.floats(0.01, 3.0), width=st.floats(0.001, 0.1))
def test_the_distribution_function_grows_by_the_integral_of_the_density(c, sigma, t, width):
    nodes, weights = np.polynomial.legendre.leggauss(60)
    angle = t + width * (nodes + 1) / 2
    slope = law.DENSITY(x=at_angle(angle, c, sigma), c=c, sigma=sigma) * 2 * c**0.5 * sigma**2 * np.sin(angle)
    low, high = law.CDF(x=at_angle(np.array([t, t + width]), c, sigma), c=c, sigma=sigma)
    assert high - low == pytest.approx(slope @ weights * width / 2, rel=1e-7, abs=1e-13)


@pytest.mark.parametrize("c", [0.3, 1.0, 3.0])
def test_the_distribution_function_at_its_corners(c):
    low, high, atom = float(law.LOWER_EDGE(c=c)), float(law.UPPER_EDGE(c=c)), float(law.ATOM(c=c))
    x = np.array([-1.0, -1e-300, 0.0, 0.5 * low, low, high, 2 * high])
    np.testing.assert_allclose(law.CDF(x=x, c=c), [0, 0, atom, atom, atom, 1, 1], atol=1e-15)
    outside = np.array([-1.0, 0.5 * low - 1e-3, high * (1 + 1e-14), high + 1])
    assert not np.any(law.DENSITY(x=outside, c=c))


@often
@given(c=ratios, sigma=scales, lam=ridges)
def test_the_resolvent_solves_its_equation_in_the_admissible_range(c, sigma, lam):
    m = float(law.RESOLVENT(c=c, sigma=sigma, lam=lam))
    assert lam * m + sigma**2 * m / (1 + c * sigma**2 * m) == pytest.approx(1, rel=1e-12)
    # Jensen's inequality, and the mass at zero.
    assert (1 - 1e-12) / (lam + sigma**2) <= m <= (1 + 1e-12) / lam
    assert float(law.SQUARED_RESOLVENT(c=c, sigma=sigma, lam=lam)) >= m * m * (1 - 1e-12)


def test_limits_of_a_vanishing_ridge():
    """c < 1: the mean of 1/x; c = 1: a divergence like lam^(-1/2); c > 1: the atom."""
    at = {"lam": 1e-12, "sigma": 2.0}
    assert float(law.RESOLVENT(c=0.4, **at)) == pytest.approx(1 / (4 * 0.6), rel=1e-9)
    assert float(law.RESOLVENT(c=1.0, **at)) == pytest.approx(1e6 / 2, rel=1e-6)
    assert float(law.RESOLVENT(c=4.0, **at)) == pytest.approx(0.75e12, rel=1e-9)
    assert float(law.SQUARED_RESOLVENT(c=0.4, **at)) == pytest.approx(1 / (16 * 0.6**3), rel=1e-9)
    assert float(law.LOG_DETERMINANT(c=1.0, **at)) == pytest.approx(np.log(4) - 1, rel=1e-5)


@pytest.mark.parametrize("c", [0.2, 1.0, 5.0])
def test_limits_of_a_large_ridge(c):
    """Moments in turn: 1, the mean, the mean square."""
    lam, sigma = 1e4, 1.3
    m = float(law.RESOLVENT(c=c, lam=lam, sigma=sigma))
    mean = lam * (1 - lam * m)
    assert lam * m == pytest.approx(1, rel=1e-3)
    assert mean == pytest.approx(sigma**2, rel=5e-3)
    assert lam * (sigma**2 - mean) == pytest.approx(sigma**4 * (1 + c), rel=1e-2)
    excess = float(law.LOG_DETERMINANT(c=c, lam=lam, sigma=sigma)) - np.log(lam)
    assert lam * excess == pytest.approx(sigma**2, rel=1e-3)


def test_many_samples_recover_the_population():
    """c -> 0: a point mass at sigma^2, of width 2 sigma^2 sqrt c."""
    c, sigma, lam = 1e-12, 1.5, 0.7
    edges = [float(edge(c=c, sigma=sigma)) for edge in (law.LOWER_EDGE, law.UPPER_EDGE)]
    np.testing.assert_allclose(edges, sigma**2 * (1 + np.array([-2e-6, 2e-6])), rtol=1e-11)
    np.testing.assert_allclose(
        law.CDF(x=sigma**2 * np.array([1 - 3e-6, 1, 1 + 3e-6]), c=c, sigma=sigma), [0, 0.5, 1], atol=1e-6
    )
    at = {"c": c, "sigma": sigma, "lam": lam}
    assert float(law.RESOLVENT(**at)) == pytest.approx(1 / (lam + sigma**2), rel=1e-11)
    assert float(law.SQUARED_RESOLVENT(**at)) == pytest.approx((lam + sigma**2) ** -2, rel=1e-11)
    assert float(law.LOG_DETERMINANT(**at)) == pytest.approx(np.log(lam + sigma**2), rel=1e-11)
    for k in range(1, 9):
        assert float(moments.MOMENT(k=k, c=c, sigma=sigma)) == pytest.approx(sigma ** (2 * k), rel=1e-10)


@often
@given(c=ratios, sigma=scales, lam=ridges, t=st.floats(0.1, 3.0))
def test_transposition_leaves_the_nonzero_eigenvalues(c, sigma, lam, t):
    """X^T X / p, of ratio 1/c, has the nonzero eigenvalues of X X^T / n divided by c, each p/n = c times as often."""
    x, there = at_angle(t, c, sigma), {"c": 1 / c, "sigma": sigma}
    here = {"c": c, "sigma": sigma}
    assert c * (1 - law.CDF(x=x, **here)) == pytest.approx(float(1 - law.CDF(x=x / c, **there)), rel=1e-8)
    assert c**2 * law.DENSITY(x=x, **here) == pytest.approx(float(law.DENSITY(x=x / c, **there)), rel=1e-9)
    assert law.UPPER_EDGE(**here) == pytest.approx(float(c * law.UPPER_EDGE(**there)), rel=1e-13)
    transposed = float(law.RESOLVENT(lam=lam / c, **there)) / c
    # The c - 1 further eigenvalues are zeros (or, for c < 1, missing zeros).
    left = c * float(law.RESOLVENT(lam=lam, **here)) - (c - 1) / lam
    assert left == pytest.approx(transposed, rel=1e-9, abs=1e-11 / lam * max(1, c))
    logs = c * float(law.LOG_DETERMINANT(lam=lam, **here)) - (c - 1) * np.log(lam)
    other = float(law.LOG_DETERMINANT(lam=lam / c, **there)) + np.log(c)
    assert logs == pytest.approx(other, rel=1e-9, abs=1e-9 * max(1, c))


@often
@given(c=ratios, sigma=scales, lam=ridges, t=st.floats(0.1, 3.0), factor=st.floats(0.1, 10))
def test_scaling_of_the_entries(c, sigma, lam, t, factor):
    """Entries f times as large: eigenvalues f^2 times as large."""
    x, s = at_angle(t, c, sigma), factor**2
    here, there = {"c": c, "sigma": sigma}, {"c": c, "sigma": factor * sigma}
    assert law.CDF(x=s * x, **there) == pytest.approx(float(law.CDF(x=x, **here)), rel=1e-8)
    assert s * law.DENSITY(x=s * x, **there) == pytest.approx(float(law.DENSITY(x=x, **here)), rel=1e-8)
    for prediction, power in ((law.RESOLVENT, 1), (law.SQUARED_RESOLVENT, 2)):
        scaled = s**power * prediction(lam=s * lam, **there)
        assert scaled == pytest.approx(float(prediction(lam=lam, **here)), rel=1e-11)
    shifted = float(law.LOG_DETERMINANT(lam=s * lam, **there)) - np.log(s)
    assert shifted == pytest.approx(float(law.LOG_DETERMINANT(lam=lam, **here)), rel=1e-10, abs=1e-10)
    for k in (1, 4, 8):
        assert moments.MOMENT(k=k, **there) == pytest.approx(float(s**k * moments.MOMENT(k=k, **here)), rel=1e-12)


@often
@given(c=ratios, sigma=scales, lam=ridges)
def test_monotone(c, sigma, lam):
    """In the ridge, the point and the ratio: a larger ratio spreads the law (at a fixed mean) and its top edge."""
    grid = np.geomspace(0.1, 10, 30)
    here = {"c": c, "sigma": sigma}
    assert np.all(np.diff(law.RESOLVENT(lam=lam * grid, **here)) < 0)
    assert np.all(np.diff(law.SQUARED_RESOLVENT(lam=lam * grid, **here)) < 0)
    assert np.all(np.diff(law.LOG_DETERMINANT(lam=lam * grid, **here)) > 0)
    assert np.all(np.diff(law.CDF(x=at_angle(np.linspace(0.01, 3.1, 200), c, sigma), **here)) > 0)
    assert np.all(np.diff(law.UPPER_EDGE(c=c * grid, sigma=sigma)) > 0)
    assert np.all(np.diff(law.RESOLVENT(c=c * grid, sigma=sigma, lam=lam)) > 0)
    assert np.all(np.diff(law.LOG_DETERMINANT(c=c * grid, sigma=sigma, lam=lam)) < 0)
    for k in (2, 5, 8):
        assert np.all(np.diff(moments.MOMENT(k=k, c=c * grid, sigma=sigma)) > 0)


@often
@given(c=ratios, sigma=scales, lam=ridges)
def test_transforms_invert_the_resolvent(c, sigma, lam):
    """On the negative axis: G(-lam) = -m, and the moment series at -1/lam is -(1 - lam m)."""
    m = float(law.RESOLVENT(c=c, sigma=sigma, lam=lam))
    assert float(moments.R_TRANSFORM(g=-m, c=c, sigma=sigma)) - 1 / m == pytest.approx(-lam, rel=1e-8, abs=1e-12)
    # 1 - lam m, without a difference.
    absorbed = sigma**2 * m / (1 + c * sigma**2 * m)
    s = float(moments.S_TRANSFORM(u=-absorbed, c=c, sigma=sigma))
    assert s == pytest.approx((1 - absorbed) / absorbed / lam, rel=1e-7)


@often
@given(c=ratios, other=ratios, sigma=scales, lam=ridges)
def test_sums_of_two(c, other, sigma, lam):
    """Of equal ratios: one matrix of twice as many samples and twice the variance; with many samples: a shift."""
    at = {"sigma": sigma, "lam": lam}
    pooled = float(law.RESOLVENT(c=c / 2, sigma=2**0.5 * sigma, lam=lam))
    assert moments.SUM_RESOLVENT(c1=c, c2=c, **at) == pytest.approx(pooled, rel=1e-10)
    shifted = float(law.RESOLVENT(c=c, sigma=sigma, lam=lam + sigma**2))
    assert moments.SUM_RESOLVENT(c1=c, c2=1e-13, **at) == pytest.approx(shifted, rel=1e-9)
    swapped = float(moments.SUM_RESOLVENT(c1=other, c2=c, **at))
    assert moments.SUM_RESOLVENT(c1=c, c2=other, **at) == pytest.approx(swapped, rel=1e-10)


@often
@given(c=ratios, other=ratios, sigma=scales, k=st.integers(1, 3))
def test_products_of_two(c, other, sigma, k):
    swapped = float(moments.PRODUCT_MOMENT(k=k, c1=other, c2=c, sigma=sigma))
    assert moments.PRODUCT_MOMENT(k=k, c1=c, c2=other, sigma=sigma) == pytest.approx(swapped, rel=1e-13)
    single = float(sigma ** (2 * k) * moments.MOMENT(k=k, c=c, sigma=sigma))
    assert moments.PRODUCT_MOMENT(k=k, c1=c, c2=1e-14, sigma=sigma) == pytest.approx(single, rel=1e-11)


@often
@given(n=sizes, sigma=scales)
def test_one_row_is_a_chi_square(n, sigma):
    """S = sigma^2 chi^2_n / n."""
    for k in (1, 2, 3):
        exact = sigma ** (2 * k) * prod((n + 2 * j) / n for j in range(k))
        assert moments.EXACT_MOMENT(k=k, p=1, n=n, sigma=sigma) == pytest.approx(exact, rel=1e-13)
    if n > 2:
        assert moments.INVERSE_MOMENT(p=1, n=n, sigma=sigma) == pytest.approx(n / (sigma**2 * (n - 2)), rel=1e-13)


@pytest.mark.parametrize("n", [5, 7, 11])
def test_two_rows_by_the_joint_law_of_the_eigenvalues(n):
    """(xy)^((n-3)/2) (x - y) e^(-(x+y)/2): Gauss-Laguerre in y and x - y is exact, odd n making it a polynomial."""
    nodes, weights = np.polynomial.laguerre.laggauss(30)
    y, gap = nodes[:, None], 2 * nodes[None, :]
    x, mass = y + gap, weights[:, None] * weights[None, :] * gap
    power = (n - 3) // 2

    def mean(k):
        # x^k + y^k over (xy)^min(k, 0) is a polynomial.
        total = (x**k + y**k) * (x * y) ** power if k > 0 else (x + y) * (x * y) ** (power - 1)
        return (mass * total).sum() / (mass * (x * y) ** power).sum() / 2 / float(n) ** k

    for k in (1, 2, 3):
        assert moments.EXACT_MOMENT(k=k, p=2, n=n, sigma=1.0) == pytest.approx(mean(k), rel=1e-11)
    assert moments.INVERSE_MOMENT(p=2, n=n, sigma=1.0) == pytest.approx(mean(-1), rel=1e-11)


@often
@given(p=sizes, n=sizes)
def test_exact_moments_do_not_change_under_transposition(p, n):
    """tr (X X^T)^k = tr (X^T X)^k."""
    for k in (1, 2, 3):
        here = float(moments.EXACT_MOMENT(k=k, p=p, n=n)) * p * float(n) ** k
        assert float(moments.EXACT_MOMENT(k=k, p=n, n=p)) * n * float(p) ** k == pytest.approx(here, rel=1e-12)


@pytest.mark.parametrize("c", [0.25, 1.0, 3.0])
def test_exact_moments_approach_the_law(c):
    for k in (2, 3):
        limit = float(moments.MOMENT(k=k, c=c, sigma=1.2))
        errors = [float(moments.EXACT_MOMENT(k=k, p=p, n=round(p / c), sigma=1.2)) - limit for p in (3000, 6000)]
        assert errors[0] == pytest.approx(2 * errors[1], rel=1e-2)
        assert 0 < errors[1] < 0.01 * limit
    inverse = float(moments.INVERSE_MOMENT(p=10**7, n=4 * 10**7))
    assert inverse == pytest.approx(float(law.RESOLVENT(c=0.25, lam=1e-14)), rel=1e-6)


def test_the_correction_contains_that_of_the_exact_moments():
    """Coefficients of lam^(-3) and lam^(-4): p times the terms 1/n and 1/n^2 p of the second and third moment."""
    inverse = sp.Symbol("inverse", positive=True)
    for c in (sp.Rational(1, 4), sp.Integer(1), sp.Integer(4)):
        series = finite.resolvent_correction.subs({finite.c: c, finite.sigma: 1, finite.lam: 1 / inverse})
        found = sp.series(sp.simplify(series), inverse, 0, 5).removeO()
        assert sp.expand(found - c * inverse**3 + 3 * c * (1 + c) * inverse**4) == 0


@often
@given(c=ratios, sigma=scales, lam=st.floats(0.01, 100))
def test_the_log_determinants_correction_integrates_that_of_the_resolvent(c, sigma, lam):
    nodes, weights = np.polynomial.legendre.leggauss(40)
    step = 0.2 * lam
    at = {"p": 1, "c": c, "sigma": sigma}
    slope = finite.RESOLVENT_TRACE(lam=lam + step * (nodes + 1) / 2, **at) @ weights * step / 2
    low, high = finite.LOGDET_TRACE(lam=np.array([lam, lam + step]), **at)
    assert high - low == pytest.approx(slope, rel=1e-9)


@often
@given(c=ratios, sigma=scales, lam=ridges)
def test_signs_of_the_corrections(c, sigma, lam):
    at = {"c": c, "sigma": sigma, "lam": lam}
    resolvent = finite.RESOLVENT_TRACE(p=1, **at) - law.RESOLVENT(**at)
    logdet = finite.LOGDET_TRACE(p=1, **at) - law.LOG_DETERMINANT(**at)
    assert resolvent >= -1e-13 / lam
    assert logdet <= 1e-13 * (1 + abs(law.LOG_DETERMINANT(**at)))


@often
@given(p=st.integers(1, 500), n=st.integers(1, 500), sigma=scales)
def test_mean_edges_do_not_change_under_transposition(p, n, sigma):
    """n^(1/3) times the prediction, a mean eigenvalue of X X^T, is symmetric in p and n."""
    pair = [(finite.TOP_MEAN, 1e-11)] + ([(finite.BOTTOM_MEAN, 1e-9)] if p != n else [])
    for prediction, rtol in pair:
        here = float(prediction(p=p, c=p / n, sigma=sigma)) * n ** (1 / 3)
        assert float(prediction(p=n, c=n / p, sigma=sigma)) * p ** (1 / 3) == pytest.approx(here, rel=rtol)


@pytest.mark.parametrize("c", [0.1, 0.5, 4.0])
def test_mean_edges_approach_the_edges_from_inside(c):
    for prediction, edge, sign in ((finite.TOP_MEAN, law.UPPER_EDGE, -1), (finite.BOTTOM_MEAN, law.LOWER_EDGE, 1)):
        limit = float(edge(c=c, sigma=1.5))
        shifts = [float(prediction(p=p, c=c, sigma=1.5)) / (p / c) ** (2 / 3) - limit for p in (10**4, 8 * 10**4)]
        assert sign * shifts[1] > 0
        assert shifts[0] == pytest.approx(4 * shifts[1], rel=0.05)
    assert finite.TOP_MEAN(p=100, c=1.0) / 100 ** (2 / 3) < 4


def test_hard_edge():
    """Edelman's law: like sqrt x at 0; its mean is 2 - sqrt(2 pi e) erfc(1/sqrt 2)."""
    from scipy.integrate import quad

    x = np.geomspace(1e-12, 50, 300)
    value = finite.HARD_EDGE(x=x)
    assert float(finite.HARD_EDGE(x=0.0)) == 0
    assert np.all(np.diff(value) >= 0)
    assert value[-1] == pytest.approx(1, abs=1e-13)
    np.testing.assert_allclose(value[:50], np.sqrt(x[:50]), rtol=1e-4)
    mean = quad(lambda y: 2 * y * (1 - float(finite.HARD_EDGE(x=y * y))), 0, 12)[0]
    assert mean == pytest.approx(2 - (2 * np.pi * np.e) ** 0.5 * erfc(2**-0.5), rel=1e-9)


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (law.DENSITY, {"x": 0.0, "c": 2.0}, "no density at the atom"),
        (law.CDF, {"x": 1.0, "c": 0.0}, "c = 0 is outside"),
        (law.RESOLVENT, {"c": 0.5, "lam": 0.0}, "lam = 0 is outside"),
        (law.RESOLVENT, {"c": 0.5, "lam": 1.0, "sigma": -1.0}, "sigma = -1 is outside"),
        (moments.MOMENT, {"k": 9, "c": 0.5}, "k = 9 is outside"),
        (moments.EXACT_MOMENT, {"k": 4, "p": 3, "n": 3}, "k = 4 is outside"),
        (moments.INVERSE_MOMENT, {"p": 4, "n": 5}, "infinite unless n > p \\+ 1"),
        (moments.R_TRANSFORM, {"g": 2.0, "c": 0.5}, "R has a pole there"),
        (moments.S_TRANSFORM, {"u": -0.5, "c": 2.0}, "lives on u > -1/c"),
        (finite.TOP_MEAN, {"p": 2, "c": 3.0}, "n = p/c must be at least 1"),
        (finite.BOTTOM_MEAN, {"p": 10, "c": 1.0}, "for c = 1 the lower edge is hard"),
        (finite.HARD_EDGE, {"x": -1e-9}, "x = -1e-09 is outside"),
    ],
)
def test_bad_input_is_named(prediction, at, message):
    with pytest.raises(DomainError, match=message):
        prediction(**at)


SIMULATIONS = [
    (wishart.eigenvalues, {"p": 6, "c": 0.5, "sigma": 1.2, "entries": "gaussian"}),
    (wishart.eigenvalues, {"p": 6, "c": 2.0, "sigma": 1.2, "entries": "signs"}),
    (wishart.linear_statistics, {"p": 6, "c": 1.5, "lam": 0.3, "sigma": 1.2, "entries": "gaussian"}),
    (wishart.power_mean, {"p": 4, "n": 7, "k": 3, "sigma": 1.2}),
    (wishart.power_mean, {"p": 4, "n": 9, "k": -1, "sigma": 1.2}),
    (wishart.power_mean_at_ratio, {"p": 6, "c": 0.5, "k": 4, "sigma": 1.2, "entries": "signs"}),
    (wishart.sum_of_two, {"p": 6, "c1": 0.5, "c2": 2.0, "lam": 0.5, "sigma": 1.2}),
    (wishart.product_of_two, {"p": 6, "c1": 0.5, "c2": 2.0, "k": 3, "sigma": 1.2}),
    (bidiagonal.spiked_top, {"P": 9, "B": 6, "theta": 4.0, "sigma": 1.2}),
    (bidiagonal.spiked_top_at_ratio, {"B": 6, "r": 1.5, "theta": 4.0, "sigma": 1.2}),
    (bidiagonal.overlap_scaling, {"P": 10, "r": 1.0, "theta": 3.0, "sigma": 1.2}),
    (bidiagonal.largest_eigenvalue, {"p": 8, "c": 2.0, "sigma": 1.2}),
    (bidiagonal.smallest_eigenvalue, {"p": 8, "c": 0.5, "sigma": 1.2}),
    (bidiagonal.hard_edge, {"n": 7}),
    (bidiagonal.traces, {"p": 8, "c": 2.0, "lam": 0.3, "sigma": 1.2}),
]


@pytest.mark.parametrize(("simulation", "at"), SIMULATIONS)
def test_twins_and_batches(simulation, at):
    demand_twins(simulation, at, atol=1e-11)


@pytest.mark.parametrize("c", [0.5, 2.0])
def test_spectra_have_their_zeros(c):
    values = wishart.eigenvalues(20, Stream.from_seed(1), p=8, c=c, sigma=1.0, entries="gaussian")["value"]
    assert values.shape == (20, 8)
    assert np.all(np.diff(values, axis=1) >= 0)
    assert np.all((values == 0).sum(axis=1) == max(0, 8 - round(8 / c)))


@pytest.mark.parametrize("c", [0.5, 1.0, 2.0])
def test_the_tridiagonal_ensemble_has_the_law_of_the_dense_one(c):
    """Two-sample Kolmogorov and Smirnov tests; false alarm 1e-6 each, 4e-6 for each fresh pair of streams."""
    p, lam, trials = 6, 0.3, 4000
    dense = wishart.eigenvalues(trials, Stream.from_seed(2), p=p, c=c, sigma=1.2, entries="gaussian")["value"]
    one = {"p": p, "c": c, "sigma": 1.2}
    top = bidiagonal.largest_eigenvalue(trials, Stream.from_seed(3), **one)
    bottom = bidiagonal.smallest_eigenvalue(trials, Stream.from_seed(4), **one)
    traces = bidiagonal.traces(trials, Stream.from_seed(5), lam=lam, **one)
    for fast, slow in (
        (top["value"], dense[:, -1]),
        (bottom["value"], dense[:, max(0, p - round(p / c))]),
        (traces["resolvent"], (1 / (dense + lam)).sum(axis=1)),
        (traces["logdet"], np.log(dense + lam).sum(axis=1)),
    ):
        assert stats.ks_2samp(fast, slow).pvalue > 1e-6
    np.testing.assert_allclose(top["scaled"] / top["value"], round(p / c) ** (2 / 3), rtol=1e-12)


def test_the_smallest_eigenvalue_of_a_square_matrix():
    """Of one entry a chi square; of 7 x 7 as for dense matrices; false alarm 1e-6 each."""
    one = bidiagonal.hard_edge(4000, Stream.from_seed(2), n=1)["value"]
    assert stats.kstest(one, stats.chi2(1).cdf).pvalue > 1e-6
    x = Stream.from_seed(3).normal(4000, 7, 7)
    dense = 7 * np.linalg.svd(x, compute_uv=False)[:, -1] ** 2
    assert stats.ks_2samp(bidiagonal.hard_edge(4000, Stream.from_seed(4), n=7)["value"], dense).pvalue > 1e-6


@pytest.mark.parametrize(("p", "c"), [(3000, 0.5), (3000, 4.0)])
def test_the_leading_rows_are_enough(p, c, monkeypatch):
    """Extreme eigenvalues from the leading rows alone and from all: the same to rounding."""
    at = {"p": p, "c": c, "sigma": 1.0}
    assert bidiagonal.leading_rows(p, round(p / c)) < 0.2 * p
    simulations = (bidiagonal.largest_eigenvalue, bidiagonal.smallest_eigenvalue)
    short = [f(10, Stream.from_seed(3), **at)["value"] for f in simulations]
    monkeypatch.setattr(bidiagonal, "LENGTHS", 1e9)
    whole = [f(10, Stream.from_seed(3), **at)["value"] for f in simulations]
    np.testing.assert_allclose(short, whole, rtol=1e-12)
