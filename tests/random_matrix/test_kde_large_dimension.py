"""Kernel density estimates in large dimension: special cases, references, limits, twins, bad input."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy.special import erfc
from scipy.stats import ncx2
from simulation_twins import demand_twins

from theorylab.derivations.random_matrix import kde_exact, kde_law
from theorylab.derivations.random_matrix import kde_large_dimension as theory
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import kernel_sums

alphas = st.floats(0.02, 3.0)


@settings(max_examples=20, deadline=None)
@given(alphas, st.floats(0.05, 20.0))
def test_one_transition_for_every_covariance(alpha: float, s: float) -> None:
    glass = float(theory.glass(alpha=alpha, s=s))
    assert float(theory.gaussian_limit(alpha=alpha, s=s)) == pytest.approx(2**0.5 * glass, rel=1e-11)
    # Data twice as wide have twice the bandwidth; which half is which does not matter.
    swapped = float(theory.glass(alpha=alpha, s=1.0 / s))
    assert swapped * s**0.5 == pytest.approx(glass, rel=1e-10)
    assert theory.glass(alpha=1.1 * alpha, s=s) < glass


@settings(max_examples=20, deadline=None)
@given(alphas)
def test_best_width_is_condensed(alpha: float) -> None:
    best, glass = float(theory.best_width(alpha=alpha)), float(theory.glass(alpha=alpha))
    tau = glass**-2
    assert glass**2 - best**2 == pytest.approx(1.0 / (tau * (1 + tau) ** 2), rel=1e-9)
    assert best**2 == pytest.approx(2.0 * float(theory.least_energy(alpha=alpha)), rel=1e-12)
    h = best * np.array([0.99, 1.0, 1.01])
    lower, least, upper = theory.kl_limit(alpha=alpha, h=np.maximum(h, 0.2))
    assert best < 0.203 or (least < lower and least < upper)


def test_values_of_the_catalogue() -> None:
    assert float(theory.glass(alpha=0.5)) == pytest.approx(0.6521, abs=1e-4)
    assert float(theory.best_width(alpha=0.5)) == pytest.approx(0.6224, abs=1e-4)
    # Few data points: tau_c is small, alpha = 3 tau^2/4.
    assert float(theory.glass(alpha=1e-10)) == pytest.approx((4e-10 / 3) ** -0.25, rel=1e-4)


@pytest.mark.parametrize(("d", "best"), [(16, 0.7552), (48, 0.6880), (144, 0.6534)])
def test_best_width_comes_down_slowly(d: int, best: float) -> None:
    n = round(np.exp(0.5 * d))
    h = np.linspace(best - 0.03, best + 0.03, 7)
    curve = np.polynomial.Polynomial.fit(h, theory.mean_log_density(d=d, n=n, h=h), 4)
    found = [x.real for x in curve.deriv().roots() if abs(x.imag) < 1e-9 and abs(x.real - best) < 0.03]
    assert found == pytest.approx([best], abs=4e-4)


@pytest.mark.parametrize(("d", "square"), [(1, 1.0), (2, 0.0), (3, 0.5), (20, 20.0), (500, 500.0)])
def test_density_of_distances(d: int, square: float) -> None:
    D = (d + square) * np.array([0.01, 0.2, 0.9, 1.0, 1.3, 2.0])
    assert kde_exact.log_density(D, d, square) == pytest.approx(ncx2.logpdf(D, d, square), rel=1e-11)
    series = kde_exact._series(D, d, square) - np.log(2.0)
    assert series == pytest.approx(ncx2.logpdf(D, d, square), rel=1e-11)


def test_two_data_points_by_a_double_integral() -> None:
    # d = 2, x = 0: D is exponential of mean 2.
    h = 0.8

    # Differences of two exponential variables are those of Laplace: one integral is enough.
    for k in (2, 3):

        def integrand(gap: float, k: int = k) -> float:
            w = 1.0 / (1.0 + np.exp(-gap / (2 * h * h)))
            return float((w**k + (1 - w) ** k) * 0.5 * np.exp(-0.5 * gap))

        exact, _ = integrate.quad(integrand, 0.0, 200.0, epsabs=1e-13)
        value, error = theory.participation.evaluate(d=2, n=2, h=h, rho=0.0, k=k)
        assert abs(float(value) - exact) <= float(error)
        assert float(error) < 1e-5


def test_mean_logarithm_of_three_uniform_variables() -> None:
    # d = 2, x = 0, h = 1: kernels are uniform on (0, 1), psi(s) = (1 - e^-s)/s.
    with mpmath.workdps(30):

        def difference(s: mpmath.mpf) -> mpmath.mpf:
            return (mpmath.exp(-s) - (-mpmath.expm1(-s) / s) ** 3) / s

        exact = float(mpmath.quad(difference, [0, 0.5, 1, 2, 4, 8, 16, 40, 100, 1000, mpmath.inf]))
    value, error = theory.mean_log_density.evaluate(d=2, n=3, h=1.0, rho=0.0)
    reference = (exact - np.log(3)) / 2 - 0.5 * np.log(2 * np.pi)
    assert abs(float(value) - reference) <= float(error) + 1e-12
    assert float(error) < 1e-6


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 40), st.floats(0.5, 5.0), st.floats(0.0, 2.0))
def test_one_data_point(d: int, h: float, rho: float) -> None:
    assert float(theory.participation(d=d, n=1, h=h, rho=rho, k=3)) == pytest.approx(1.0, abs=1e-5)
    expected = -0.5 * np.log(2 * np.pi * h**2) - (1.0 + rho) / (2 * h**2)
    value, error = theory.mean_log_density.evaluate(d=d, n=1, h=h, rho=rho)
    assert abs(float(value) - expected) <= float(error) + 1e-9


@settings(max_examples=8, deadline=None)
@given(st.integers(2, 40), st.floats(0.6, 2.0), st.integers(5, 10_000))
def test_weights_spread_with_bandwidth_and_data(d: int, h: float, n: int) -> None:
    at = {"d": d, "h": h, "n": n}
    value = float(theory.participation(**at))
    assert 1.0 / n <= value <= 1.0
    assert float(theory.participation(**{**at, "h": 1.2 * h})) < value
    assert float(theory.participation(**{**at, "n": 2 * n})) < value
    assert float(theory.participation(**at, k=3)) < value
    # log of a mean is more than the mean of a log.
    annealed = -0.5 * np.log(2 * np.pi * (1 + h**2)) - 0.5 / (1 + h**2)
    assert float(theory.mean_log_density(**at)) < annealed


def test_more_data_points_than_floating_point_has_numbers() -> None:
    # n = e^735 through log n; the limit is 1 - mu up to (log d)/d.
    alpha, d = 0.35, 2100
    h = 0.7 * float(theory.glass(alpha=alpha))
    found = kde_exact.Sums(d, alpha * d, h, d).participation(np.array([2.0]))[0]
    assert found == pytest.approx(float(theory.weights_at_size(alpha=alpha, h=h, d=d)), abs=2e-3)
    assert abs(found - (1 - 0.49)) < 0.02


def test_finite_size_widths_tend_to_the_limit_like_log_d_over_d() -> None:
    d = np.array([1e3, 1e4, 1e5, 1e6])
    gap = (theory.finite_glass(alpha=0.35, d=d) / theory.glass(alpha=0.35) - 1) * d / np.log(d)
    assert np.all(gap > 0)
    assert gap[-1] == pytest.approx(gap[-2], rel=0.05)


def test_stable_laws() -> None:
    y = np.array([0.2, 1.0, 5.0, 40.0])
    # Index 1/2: the law of Levy.
    assert kde_law.stable_law(y, 0.5) == pytest.approx(erfc(np.sqrt(np.pi / (4 * y))), abs=1e-9)
    # Above 1 a totally skewed law has 1/mu on its heavy-tailed side's other side (Zolotarev).
    assert kde_law.stable_law(np.zeros(1), 1.5) == pytest.approx([2.0 / 3.0], abs=1e-8)
    assert np.all(np.diff(kde_law.stable_law(np.linspace(-5.0, 20.0, 40), 1.4)) > 0)


def test_law_of_one_kernel() -> None:
    # n = 1: log Z = -D/(2 h^2).
    h, d = 1.0, 6
    x = np.array([-10.0, -6.0, -4.0, -2.0])
    value, error = theory.sum_law.evaluate(x=x, d=d, n=1, h=h)
    assert np.all(np.abs(value - ncx2.sf(-2 * h**2 * x, d, d)) <= error + 1e-4)


def test_nearest_points() -> None:
    # Two points: the excess of the second over the first is the mean distance of two energies.
    gap = float(theory.hill(d=2, n=2, rho=0.0, k=1))
    assert gap == pytest.approx(1.0, rel=1e-8)
    # At x = 0 in two dimensions energies are exponential: spacings 1/(n - k).
    assert float(theory.hill(d=2, n=10, rho=0.0, k=3)) == pytest.approx((1 / 9 + 2 / 8 + 3 / 7) / 3, rel=1e-8)
    assert float(theory.nearest_law(e=1.0, d=2, n=5, rho=0.0)) == pytest.approx(1 - np.exp(-5), rel=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 5), st.floats(0.3, 3.0), st.floats(0.0, 3.0))
def test_variance_at_wide_kernels_keeps_its_digits(m: int, h: float, r: float) -> None:
    at = {"m": m, "r": r, "s": 1.0, "h": h, "n": 3}
    assert float(theory.density_variance(**at)) == pytest.approx(float(theory.density_variance.mp(**at)), rel=1e-11)
    assert float(theory.density_variance(**{**at, "n": 6})) == pytest.approx(
        0.5 * float(theory.density_variance(**at)), rel=1e-14
    )


def test_distances_are_those_of_vectors() -> None:
    d, n, trials, h = 6, 40, 4000, 0.7
    source = np.random.default_rng(1)
    x = np.sqrt(d) * np.eye(d)[0]
    squared = np.square(x - source.normal(size=(trials, n, d))).sum(axis=2)
    w = np.exp(-0.5 * squared / h**2)
    dense = (w**2).sum(axis=1) / w.sum(axis=1) ** 2
    found = kernel_sums.participation(trials, Stream.from_seed(2), d=d, n=n, h=h, rho=1.0, k=2)["value"]
    # Two means of 4000: 5 standard errors, one run in 2 million.
    assert abs(dense.mean() - found.mean()) < 5.0 * np.sqrt((dense.var() + found.var()) / trials)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("participation", {"d": 20, "n": 3000, "h": 0.6, "rho": 1.0, "k": np.array([2, 3, 4])}),
        ("condensation", {"alpha": 0.2, "d": 30, "h": 0.7, "k": 2}),
        ("log_sum", {"d": 5, "n": 100, "h": 0.6, "rho": 0.5}),
        ("log_ratio", {"d": 12, "n": 300, "h": 0.8}),
        ("density", {"m": 2, "r": 1.0, "s": 0.4, "h": 0.5, "n": 30}),
        ("nearest", {"d": 10, "n": 30, "rho": 1.0, "k": 4}),
    ],
)
def test_twins_and_batches(name: str, at: dict[str, object]) -> None:
    demand_twins(getattr(kernel_sums, name), at)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.participation(d=600, n=10, h=0.25), "h = 0.25 is too small for the integrals at d = 600"),
        (lambda: theory.participation(d=6, n=10, h=0.1), r"h = 0\.1 is outside its domain \[0\.2, inf\)"),
        (lambda: theory.participation(d=6, n=0, h=1.0), r"n = 0 is outside its domain"),
        (lambda: theory.hill(d=6, n=3, k=3), "k = 3 nearest of n = 3 points: want k < n"),
        (lambda: theory.sum_law(x=0.0, d=60, n=1e16, h=1.0), r"n = 1e\+16 is too large for the law of the sum"),
        (lambda: theory.glass(alpha=0.0), r"alpha = 0 is outside its domain \(0, 20\]"),
    ],
)
def test_bad_input_gets_one_line(call: object, message: str) -> None:
    with pytest.raises(DomainError, match=message) as caught:
        call()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
