"""The solver of the eigenframework: published equations, 50 digits, limits, invariances, the best ridge, bad input."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.double_descent.eigenframework import Spectrum, at_gamma, solve_krr, solve_rf
from theorylab.derivations.double_descent.eigenframework_best import best_krr, best_rf
from theorylab.errors import DomainError

quickly = settings(max_examples=40, deadline=None, derandomize=True)
SPECTRA = {
    "power law": np.arange(1.0, 61.0) ** -1.5,
    "gap": np.r_[np.ones(20), np.full(20, 1e-12)],
    "exponential": np.exp(-0.5 * np.arange(50.0)),
    "wide": 10.0 ** np.random.default_rng(1).uniform(-8.0, 0.0, 30),
}
spectra = st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=20)
sizes = st.floats(0.3, 60.0)
ridges = st.floats(1e-9, 1e3)


def published(values: np.ndarray, n: float, k: float, ridge: float, power: np.ndarray, noise: float, near: float):
    """kappa, gamma, test and training error as printed, to 50 digits; the root is looked for beside `near`."""
    with mpmath.workdps(60):
        lam, v = [mpmath.mpf(float(x)) for x in values], [mpmath.mpf(float(x)) for x in power]

        def z(g):
            return mpmath.fsum(x / (x + g) for x in lam)

        def equation(t):
            g = mpmath.exp(t)
            return (n - z(g)) * (k - z(g)) - mpmath.mpf(ridge) * k / g

        t = mpmath.log(near)
        ends = (t - mpmath.mpf(10) ** -9, t + mpmath.mpf(10) ** -9)
        assert equation(ends[0]) * equation(ends[1]) < 0
        g = mpmath.exp(mpmath.findroot(equation, ends, solver="anderson", verify=False, tol=mpmath.mpf(10) ** -90))
        q, sum_l = mpmath.fsum((x / (x + g)) ** 2 for x in lam), z(g)
        kappa = g * (k - sum_l) / k
        factor = 1 / (1 - (q * (k - 2 * sum_l) + sum_l**2) / (n * (k - q)))
        signal = mpmath.fsum((g / (x + g) - kappa * x / (x + g) ** 2 * k / (k - q)) * w for x, w in zip(lam, v))
        test = factor * (signal + mpmath.mpf(noise))
        return kappa, g, test, (mpmath.mpf(ridge) / (n * kappa)) ** 2 * test


@pytest.mark.parametrize("name", SPECTRA)
def test_published_equations_to_13_digits(name: str) -> None:
    values = SPECTRA[name]
    m, power = values.size, np.arange(1.0, values.size + 1.0) ** -2.0
    for n, k, ridge in (
        (10, 20, 1e-3),
        (m // 2, m // 2, 1e-10),
        (m - 1, m + 5, 1e-9),
        (m, m, 1e-12),
        (m // 2, 2 * m, 1e-14),
        (3 * m, 2 * m, 1e-5),
        (7, 5, 100.0),
    ):
        found = solve_rf(values, n, k, ridge)
        kappa, gamma, test, train = published(values, n, k, ridge, power, 0.1, found.gamma)
        assert found.residual <= 1e-14
        for ours, exact in (
            (found.kappa, kappa),
            (found.gamma, gamma),
            (found.test_risk(power, 0.1), test),
            (found.train_error(power, 0.1), train),
        ):
            assert abs(ours / exact - 1) < 1e-13


@quickly
@given(spectra, sizes, ridges)
def test_infinitely_many_features_are_a_kernel(values: list[float], n: float, ridge: float) -> None:
    power = np.ones(len(values))
    kernel, many = solve_krr(values, n, ridge), solve_rf(values, n, 1e14, ridge)
    assert many.gamma == pytest.approx(kernel.kappa, rel=1e-10)
    assert many.test_risk(power, 0.3) == pytest.approx(kernel.test_risk(power, 0.3), rel=1e-9)
    assert kernel.learnabilities.sum() + ridge / kernel.kappa == pytest.approx(n, rel=1e-10)


@quickly
@given(spectra, sizes, sizes, ridges, st.integers(-20, 20))
def test_units_do_not_matter(values: list[float], n: float, k: float, ridge: float, shift: int) -> None:
    power, scale = np.arange(1.0, len(values) + 1.0), 2.0**shift
    one, other = solve_rf(values, n, k, ridge), solve_rf(scale * np.array(values), n, k, scale * ridge)
    assert other.gamma == pytest.approx(scale * one.gamma, rel=1e-12)
    assert other.test_risk(power, 0.3) == pytest.approx(one.test_risk(power, 0.3), rel=1e-11)


@quickly
@given(spectra, sizes, sizes, ridges)
def test_samples_and_features_enter_gamma_alike(values: list[float], n: float, k: float, ridge: float) -> None:
    # (n - z)(k - z) = ridge k / gamma: symmetric where ridge times k is.
    one, other = solve_rf(values, n, k, ridge / k), solve_rf(values, k, n, ridge / n)
    assert one.gamma == pytest.approx(other.gamma, rel=1e-12)


@quickly
@given(st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=6), st.lists(st.integers(1, 5), min_size=6, max_size=6))
def test_multiplicities_are_repetitions(values: list[float], counts: list[int]) -> None:
    counts = counts[: len(values)]
    power = np.arange(1.0, len(values) + 1.0)
    repeated, each = np.repeat(values, counts), np.repeat(power / counts, counts)
    one, other = solve_rf(Spectrum(values, counts), 4.3, 7.1, 0.01), solve_rf(repeated, 4.3, 7.1, 0.01)
    assert one.gamma == pytest.approx(other.gamma, rel=1e-12)
    assert one.test_risk(power, 0.2) == pytest.approx(other.test_risk(each, 0.2), rel=1e-12)


def test_order_does_not_matter_and_zeros_are_never_learned() -> None:
    values = np.array([0.0, 0.3, 2.0, 0.0, 1.0])
    found, plain = solve_krr(values, 2.5, 0.1), solve_krr([2.0, 1.0, 0.3], 2.5, 0.1)
    assert found.kappa == plain.kappa
    np.testing.assert_array_equal(found.learnabilities[[0, 3]], 0.0)
    assert found.test_risk([1.0, 0, 0, 1.0, 0], 0.0) == pytest.approx(2.0 * found.e_0)
    # Least squares learn everything else.
    exact = solve_krr(values, 10.0, 0.0)
    np.testing.assert_array_equal(exact.learnabilities, values > 0.0)
    assert exact.test_risk([1.0, 1, 1, 1, 1], 0.5) == pytest.approx(10.0 / 7.0 * 2.5)


def test_limits_without_ridge() -> None:
    values, power = np.arange(1.0, 401.0) ** -1.5, np.arange(1.0, 401.0) ** -2.0
    few = solve_rf(values, 100, 50, 0.0)
    signal = np.sum(few.gamma / (values + few.gamma) * power)
    assert few.kappa == 0.0
    assert few.learnabilities.sum() == pytest.approx(50.0, rel=1e-12)
    assert few.test_risk(power, 0.1) == pytest.approx((signal + 0.1) / (1 - 50 / 100), rel=1e-12)
    assert few.train_factor == pytest.approx(0.25)
    many = solve_rf(values, 50, 100, 0.0)
    q = np.sum(many.learnabilities**2)
    assert many.kappa == pytest.approx(many.gamma * (1 - 50 / 100), rel=1e-12)
    assert many.e_0 == pytest.approx(50 * (100 - q) / ((50 - q) * (100 - 50)), rel=1e-12)
    assert many.train_error(power, 0.1) == 0.0
    # Samples and features past the end of the spectrum: least squares.
    for k in (400.0, 700.0):
        past = solve_rf(values, 800, k, 0.0)
        assert past.test_risk(power, 0.1) == pytest.approx(0.1 * 800 / (800 - 400))
    small = solve_rf(values, 800, 700, 1e-14)
    assert small.test_risk(power, 0.1) == pytest.approx(0.2, rel=1e-6)


def test_a_million_eigenvalues() -> None:
    values = np.arange(1.0, 1e6 + 1.0) ** -1.5
    for n in (100.0, 999_999.0):
        found = solve_krr(values, n, 0.0)
        assert found.residual <= 1e-14
        left, right = found.unlearned.sum(), 1e6 - n
        assert left == pytest.approx(right, rel=1e-12)


@quickly
@given(spectra, sizes, sizes, ridges)
def test_at_gamma_is_the_inverse(values: list[float], n: float, k: float, ridge: float) -> None:
    found = solve_rf(values, n, k, ridge)
    back = at_gamma(found.spectrum, n, k, found.gamma)
    power = np.ones(len(values))
    # n - z loses digits where the ridge is small; the risk does not.
    assert back.ridge == pytest.approx(ridge, rel=1e-6, abs=1e-12 * sum(values))
    assert back.test_risk(power, 0.3) == pytest.approx(found.test_risk(power, 0.3), rel=1e-9)


@pytest.mark.parametrize(("n", "k", "noise"), [(60, 30, 0.1), (60, 60, 0.004), (60, 200, 0.0), (300, 400, 2.0)])
def test_best_ridge_against_a_scan(n: float, k: float, noise: float) -> None:
    spectrum, power = Spectrum(np.arange(1.0, 201.0) ** -1.5), np.arange(1.0, 201.0) ** -2.0
    best = best_rf(spectrum, n, k, power, noise)
    scan = [solve_rf(spectrum, n, k, ridge).test_risk(power, noise) for ridge in np.geomspace(1e-8, 1e3, 300)]
    risk = best.test_risk(power, noise)
    assert risk <= min(scan) * (1.0 + 1e-10)
    assert risk == pytest.approx(min(scan), rel=1e-3)


def test_the_better_of_two_minima() -> None:
    """Found by a search: the risk has minima at ridges of 1.3 and of 450, equal to 0.1 %."""
    values = [54.6, 1.47, 54.6, 0.233, 0.0178, 54.6, 0.205, 4.96, 1.7, 0.513, 0.2, 0.005]
    power = [0.445, 0.207, 0.168, 0.848, 0.238, 11.9, 0.00546, 0.791, 33.6, 1.62, 9.41, 0.14]
    ridges = np.geomspace(0.1, 1e4, 200)
    for noise, low, high in ((2.4, 0.5, 5.0), (3.4, 200.0, 1000.0)):
        risks = np.array([solve_rf(values, 6.34, 34.2, ridge).test_risk(power, noise) for ridge in ridges])
        inner = risks[1:-1]
        assert np.count_nonzero((inner < risks[:-2]) & (inner < risks[2:])) == 2
        best = best_rf(values, 6.34, 34.2, power, noise)
        assert low < best.ridge < high
        assert best.test_risk(power, noise) <= risks.min()


def test_best_ridge_of_isotropic_features() -> None:
    """Dobriban and Wager: sigma2 p/r2 on the kernel matrix."""
    best = best_krr(np.ones(50), 100, np.full(50, 1.0 / 50), 0.5)
    assert best.ridge == pytest.approx(0.5 * 50, rel=1e-5)


def test_best_ridge_where_there_is_nothing_to_learn() -> None:
    best = best_krr([1.0, 0.5], 1, [0.0, 0.0], 0.3)
    assert best.test_risk([0.0, 0.0], 0.3) == pytest.approx(0.3, rel=1e-5)


def test_the_best_is_no_ridge_for_smooth_targets() -> None:
    values = np.arange(1.0, 301.0) ** -1.2
    power = np.zeros(300)
    power[0] = 1.0
    assert best_krr(values, 40, power, 0.0).ridge == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Spectrum([]), "a list of numbers"),
        (lambda: Spectrum([[1.0]]), "shape"),
        (lambda: Spectrum(["a"]), "must be numbers"),
        (lambda: Spectrum([1.0, math.nan]), "must be finite: number 1 is nan"),
        (lambda: Spectrum([1.0, -0.5]), r"eigenvalue -0.5 \(number 1\) is negative"),
        (lambda: Spectrum([0.0, 0.0]), "all eigenvalues are 0"),
        (lambda: Spectrum([1.0, 2.0], [1.0]), "1 multiplicities for 2 eigenvalues"),
        (lambda: Spectrum([1.0], [0.0]), "multiplicity 0"),
        (lambda: solve_krr([1.0, 2.0], 2, 0.0), "interpolation threshold, as many samples as nonzero eigenvalues"),
        (lambda: solve_rf([1.0, 2.0, 3.0], 2, 2, 0.0), "interpolation threshold, as many samples as features"),
        (lambda: solve_rf([1.0, 2.0], 2, 5, 0.0), "interpolation threshold, as many samples as nonzero eigenvalues"),
        (lambda: solve_krr([1.0], 0, 0.1), "n = 0 samples"),
        (lambda: solve_krr([1.0], math.nan, 0.1), "n = nan samples"),
        (lambda: solve_krr([1.0], 2, -0.1), "ridge = -0.1"),
        (lambda: solve_rf([1.0], 2, math.inf, 0.1), "solve_krr for infinitely many"),
        (lambda: solve_krr([1.0], 2, 0.1).test_risk([1.0, 2.0], 0.1), "2 squared coefficients of the target for 1"),
        (lambda: solve_krr([1.0], 2, 0.1).test_risk([-1.0], 0.1), "is negative: give v_i"),
        (lambda: solve_krr([1.0], 2, 0.1).test_risk([1.0], -0.1), "noise = -0.1"),
        (lambda: solve_krr([1.0], 2, 0.1).test_risk([math.nan], 0.1), "must be finite"),
        (lambda: best_rf([1.0], 2, -1, [1.0], 0.1), "k = -1 features"),
        (lambda: at_gamma(Spectrum([1.0, 2.0]), 1, 3, 1e-3), "negative ridge"),
    ],
)
def test_bad_input_is_named_in_one_line(call, message) -> None:
    with pytest.raises(DomainError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
