"""SGD with fresh Gaussian batches: limits, references by cubature and 50 digits, symmetry, twins, bad input."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins

from theorylab.derivations.random_matrix import granziol_learning_rate_stability as relatives
from theorylab.derivations.random_matrix import sgd_stability_gaussian as theory
from theorylab.errors import DomainError
from theorylab.sims.random_matrix import sgd_moments

FIVE = np.array([0.1, 0.3, 0.6, 1.2, 2.0])
spectra = st.lists(st.floats(1e-3, 10.0), min_size=1, max_size=8).map(np.array)
batches = st.integers(1, 1000)


@settings(max_examples=40, deadline=None)
@given(spectra, batches)
def test_the_root_of_the_secular_equation_is_where_an_eigenvalue_is_one(spectrum: np.ndarray, B: int) -> None:
    eta = float(theory.threshold(spectrum=spectrum, B=B))
    assert np.linalg.eigvalsh(theory.update(spectrum, float(B), eta))[-1] == pytest.approx(1.0, abs=1e-9)
    assert sgd_moments.measured_threshold(spectrum, B) == pytest.approx(eta, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(spectra, batches, st.floats(0.1, 10.0))
def test_scale_order_and_monotony(spectrum: np.ndarray, B: int, factor: float) -> None:
    eta = float(theory.threshold(spectrum=spectrum, B=B))
    # Data of another unit, axes in another order, larger batches, one more direction.
    assert float(theory.threshold(spectrum=factor * spectrum, B=B)) == pytest.approx(eta / factor, rel=1e-12)
    assert float(theory.threshold(spectrum=spectrum[::-1], B=B)) == pytest.approx(eta, rel=1e-12)
    assert float(theory.threshold(spectrum=spectrum, B=2 * B)) > eta
    assert float(theory.threshold(spectrum=np.append(spectrum, 0.5), B=B)) < eta


@settings(max_examples=40, deadline=None)
@given(spectra, batches)
def test_bounds(spectrum: np.ndarray, B: int) -> None:
    top, trace = spectrum.max(), spectrum.sum()
    eta = float(theory.threshold(spectrum=spectrum, B=B)) * (1 + 1e-12)
    assert eta * top >= float(theory.least_threshold(Y=(trace / top + 1) / B)) * (1 - 1e-12)
    assert eta * top <= float(theory.largest_threshold(X=trace / (B * top))) * (1 + 1e-9)


def test_limits_of_the_batch_size() -> None:
    assert float(theory.threshold(spectrum=FIVE, B=10**9)) == pytest.approx(2.0 / FIVE.max(), rel=1e-8)
    many = np.full(10**5, 0.3)
    assert float(theory.threshold(spectrum=many, B=2)) == pytest.approx(4.0 / many.sum(), rel=1e-4)
    # Equal eigenvalues, and the two-valued spectrum of the relatives.
    assert float(theory.threshold(spectrum=np.full(8, 1.44), B=16)) == pytest.approx(
        float(relatives.mean_square_threshold(P=8, B=16, sigma=1.2)), rel=1e-13
    )
    spiked = np.array([3.0, *[1.0] * 9])
    assert float(theory.threshold(spectrum=spiked, B=20)) == pytest.approx(
        float(relatives.spiked_threshold(P=10, B=20, theta=3.0, sigma=1.0)), rel=1e-10
    )


@pytest.mark.parametrize("B", [1, 3, 500])
def test_fifty_digits_of_the_threshold(B: int) -> None:
    with mpmath.workdps(50):
        lam = [mpmath.mpf(float(l)) for l in FIVE]

        def q(eta: mpmath.mpf) -> mpmath.mpf:
            return eta / B * sum(l / (2 - eta * l * (1 + mpmath.mpf(1) / B)) for l in lam) - 1

        value, error = theory.threshold.evaluate(spectrum=FIVE, B=B)
        root = mpmath.findroot(q, (float(value) * (1 - 1e-6), float(value) * (1 + 1e-6)), solver="anderson")
        assert abs(mpmath.mpf(float(value)) - root) <= float(error)
        assert float(error) < 1e-13


def test_the_map_of_second_moments_by_cubature() -> None:
    # Two inputs, a batch of one: E over x of the step applied twice, by Gauss-Hermite products, exact for polynomials.
    lam, eta, tau = np.array([0.7, 1.6]), 0.4, 0.3
    start = np.array([0.8, -1.1])
    node, weight = np.polynomial.hermite_e.hermegauss(8)
    weight = weight / weight.sum()
    total = np.zeros((2, 2))
    for i, a in enumerate(node):
        for j, b in enumerate(node):
            x = np.sqrt(lam) * np.array([a, b])
            step = start - eta * x * (x @ start)
            total += weight[i] * weight[j] * (np.outer(step, step) + eta**2 * tau**2 * np.outer(x, x))
    found = theory.outer(spectrum=lam, B=1, eta=eta, tau=tau, start=start).reshape(2, 2)
    assert found == pytest.approx(total, rel=1e-12)
    # The diagonal is the recursion of c.
    c, _ = theory.march(lam, 1, eta, tau, 1)
    both = theory.outer(spectrum=lam, B=1, eta=eta, tau=tau, start=np.ones(2)).reshape(2, 2)
    assert np.diag(both) == pytest.approx(c, rel=1e-13)


def test_stationary_moments_are_where_runs_end() -> None:
    c, _ = theory.march(FIVE, 3, 0.3, 0.8, 2000)
    assert theory.stationary(spectrum=FIVE, B=3, eta=0.3, tau=0.8) == pytest.approx(c, rel=1e-10)
    assert np.all(theory.stationary(spectrum=FIVE, B=3, eta=0.3, tau=0.0) == 0.0)


def test_white_data_at_the_best_rate() -> None:
    P, B = 4, 2
    eta = B / (B + P + 1.0)
    c, _ = theory.march(np.ones(P), B, eta, 0.0, 1)
    assert c.sum() / P == pytest.approx(float(theory.best_factor(P=P, B=B)), rel=1e-14)
    for other in (0.9, 1.1):
        assert theory.march(np.ones(P), B, other * eta, 0.0, 1)[0].sum() > c.sum()


@pytest.mark.parametrize(("B", "value"), [(1, 2.421250), (2, 2.684510), (4, 2.662996)])
def test_almost_sure_thresholds(B: int, value: float) -> None:
    assert float(theory.almost_sure(B=B)) == pytest.approx(value, abs=2e-6)
    assert value > float(theory.threshold(spectrum=np.ones(1), B=B)) == pytest.approx(2 * B / (B + 2), rel=1e-12)


CASES = {
    "squares": {"spectrum": FIVE, "B": 3, "eta": 0.2, "tau": 0.5, "steps": 3, "runs": 4},
    "products": {"spectrum": FIVE, "B": 2, "eta": 0.3, "tau": 0.5, "start": np.arange(5.0), "runs": 3},
    "moment_order": {"spectrum": FIVE[2:], "B": 2, "eta": 0.5, "runs": 4},
    "log_contraction": {"B": 3, "eta": 2.0, "runs": 5},
    "logarithms": {"spectrum": FIVE, "B": 2, "eta": 0.3, "times": np.array([0, 2, 5])},
}


@pytest.mark.parametrize("name", CASES)
def test_twins_and_batches(name: str) -> None:
    demand_twins(getattr(sgd_moments, name), CASES[name])


@pytest.mark.parametrize("name", ["squares", "products", "log_contraction", "logarithms"])
def test_array_standard(name: str) -> None:
    demand_array_standard(getattr(sgd_moments, name), CASES[name])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: theory.stationary(spectrum=FIVE, B=2, eta=0.6, tau=1.0),
            r"eta = 0\.6 has no stationary second moments; they need eta < 0\.",
        ),
        (lambda: theory.threshold(spectrum=[0.5, -0.1], B=2), r"spectrum = -0\.1 is outside its domain \(0, inf\)"),
        (lambda: theory.threshold(spectrum=[0.5, np.nan], B=2), "spectrum = nan is outside its domain"),
        (lambda: theory.threshold(spectrum=np.ones((2, 2)), B=2), r"spectrum of shape \(2, 2\): want the eigenvalues"),
        (lambda: theory.threshold(spectrum=0.5, B=2), r"spectrum of shape \(\): want the eigenvalues"),
        (lambda: theory.threshold(spectrum=FIVE, B=0), "B = 0 is outside its domain"),
    ],
)
def test_bad_input_gets_one_line(call: object, message: str) -> None:
    with pytest.raises(DomainError, match=message) as caught:
        call()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
