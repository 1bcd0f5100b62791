"""Learning rates against batch size: limits, 50 digits, twins, replays, claims; deterministic, with fixed streams."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_twins

from theorylab.derivations.random_matrix import granziol_learning_rate as d
from theorylab.derivations.random_matrix import granziol_learning_rate_finite as finite
from theorylab.derivations.random_matrix import granziol_learning_rate_lyapunov as lyapunov
from theorylab.derivations.random_matrix import granziol_learning_rate_momentum as momentum
from theorylab.derivations.random_matrix import granziol_learning_rate_stability as stability
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.prediction import ClosedForm, Implicit, Prediction
from theorylab.sims.random_matrix import learning_rates, sgd_quadratic, stability_search

MODULES = (d, finite, momentum, stability)
PREDICTIONS = {
    f"{module.__name__.rsplit('_', 1)[-1]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Prediction)
}
EXACT = [name for name, p in PREDICTIONS.items() if isinstance(p, ClosedForm | Implicit) and p.corners]


@pytest.mark.parametrize("name", EXACT)
def test_corners_agree_with_fifty_digits(name):
    prediction = PREDICTIONS[name]
    for corner in prediction.corners:
        exact = prediction.mp(**corner)
        assert abs(float(prediction(**corner)) / float(exact) - 1) < 1e-11


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__.rsplit("_", 1)[-1])
def test_derivations_replay(module):
    """Every prediction has a derivation; steps that several share are replayed once."""
    predictions = [p for p in vars(module).values() if isinstance(p, Prediction)]
    steps = {step.name: step for p in predictions for step in p.derivation}
    for step in steps.values():
        step.replay()
    assert len(steps) >= 4


@given(r=st.floats(1e-6, 1e6), excess=st.floats(1e-3, 1e3), sigma=st.floats(0.1, 3))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_spiked_rate_is_below_both_limits(r, excess, sigma):
    """Less than for the full batch, less than at the bulk edge; scaling sigma^2 and theta by s divides it by s."""
    theta = sigma**2 * (1 + r**0.5) * (1 + excess)
    rate = float(d.spiked_rate(r=r, theta=theta, sigma=sigma))
    assert rate < 2 / theta
    assert rate < float(d.isotropic_rate(r=r, sigma=sigma))
    assert rate == pytest.approx(4 * float(d.spiked_rate(r=r, theta=4 * theta, sigma=2 * sigma)), rel=1e-12)


def test_limits_in_the_batch_size():
    """Linear for b << b*, constant for b >> b*; the Adam rate is the square root up to the factor."""
    small, twice = (float(d.ggn_rate(P=100, b=b, lam1=1.0, sigma=1.0)) for b in (1e-6, 2e-6))
    assert twice / small == pytest.approx(2, rel=1e-6)
    assert float(d.ggn_rate(P=100, b=1e12, lam1=3.0, sigma=1.0)) == pytest.approx(2 / 3, rel=1e-6)
    assert float(d.adaptive_rate(r=1, theta=4.0, sigma=1.0)) ** 2 == pytest.approx(
        2 * float(d.spiked_rate(r=1, theta=4.0))
    )
    assert float(d.two_batch_ratio(r=1.0, k=1 + 1e-9, theta=4.0)) == pytest.approx(1, abs=1e-8)


def test_additive_rate_is_continuous_and_monotone():
    b = np.geomspace(1, 1e6, 200)
    rate = d.additive_rate(P=300, b=b, lam1=1.5, sigma_eps=1.0)
    assert np.all(np.diff(rate) > 0)
    critical = 300 / 1.5**2
    below, above = (
        float(d.additive_rate(P=300, b=critical * f, lam1=1.5, sigma_eps=1.0)) for f in (1 - 1e-9, 1 + 1e-9)
    )
    assert below == pytest.approx(above, rel=1e-8)
    assert above == pytest.approx(1 / 1.5, rel=1e-8)


def test_slope_falls_from_one_to_zero():
    slopes = d.secant_slope(P=1000, b=np.array([100.0, 1000.0, 1e9]), k=1.0001, theta=50.0, sigma=1.0)
    crossover = 1000 / 49
    np.testing.assert_allclose(slopes, 1 / (1 + np.array([100.0, 1000.0, 1e9]) / crossover), rtol=1e-4)


@given(P=st.integers(1, 10**5), B=st.integers(1, 10**5))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_mean_square_threshold_lies_between_its_bounds(P, B):
    threshold = float(stability.mean_square_threshold(P=P, B=B))
    least = float(stability.single_batch_rate(r=P / B))
    assert least <= threshold <= 2 * least
    assert threshold / least == pytest.approx(float(stability.threshold_ratio(r=P / B, B=B)), rel=1e-12)
    assert stability.one_step(P=P, B=B, eta=threshold) == pytest.approx(1.0, rel=1e-9)


@given(P=st.integers(2, 1000), B=st.integers(1, 1000), theta=st.floats(1.01, 1e4))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_spiked_threshold_agrees_with_the_two_moment_map(P, B, theta):
    """A second formulation: the eigenvalue 1 of the 2 x 2 map instead of the secular equation."""
    found = float(stability.spiked_threshold(P=P, B=B, theta=theta))
    assert found == pytest.approx(stability_search.threshold(P, B, theta), rel=1e-9)


def test_spiked_threshold_limits():
    """White data, large systems, and the two values quoted in the claim's notes."""
    almost_white = float(stability.spiked_threshold(P=10, B=20, theta=1 + 1e-9))
    assert almost_white == pytest.approx(float(stability.mean_square_threshold(P=10, B=20)), rel=1e-7)
    for theta, r in ((5.0, 1.0), (3.0, 8.0)):
        large = float(stability.spiked_threshold(P=round(r * 10**7), B=10**7, theta=theta))
        assert large == pytest.approx(min(2 / theta, 2 / (1 + r)), rel=1e-5)
    assert float(stability.spiked_threshold(P=300, B=100, theta=20.0)) == pytest.approx(0.0979, abs=5e-5)
    assert float(stability.spiked_threshold(P=300, B=100, theta=300.0)) < float(d.spiked_rate(r=3, theta=300.0))


@pytest.mark.parametrize(("B", "known"), [(1, 2.421250), (2, 2.684510), (4, 2.662996)])
def test_typical_threshold_of_one_parameter(B, known):
    """Against quadrature split at the logarithmic singularity."""
    assert float(stability.typical_threshold(P=1, B=B)) == pytest.approx(known, abs=1e-6)


@given(P=st.integers(1, 60), B=st.integers(1, 60))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_typical_threshold_exceeds_the_mean_square_one(P, B):
    value = stability.typical_threshold.evaluate(P=P, B=B)
    assert value.value > stability.mean_square_threshold(P=P, B=B)
    assert value.error < 1e-10 * value.value


def test_lyapunov_exponent_of_two_parameters_by_plain_quadrature():
    from scipy.integrate import quad

    inner = [
        quad(lambda z, y=y: np.log((1 - 0.2 * y) ** 2 + 0.04 * y * z**2) * np.exp(-z * z / 2), 0, 12)[0] for y in (1, 4)
    ]
    z, weight = lyapunov._chi_square_rule(1, 1 / 32)
    for y, expected in zip((1.0, 4.0), inner):
        value = float(np.log((1 - 0.2 * y) ** 2 + 0.04 * y * z) @ weight)
        assert value == pytest.approx(expected * np.sqrt(2 / np.pi), rel=1e-8)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
def test_momentum_threshold_by_eigenvalues(rho):
    critical = float(momentum.critical_sharpness(rho=rho))
    radius = stability_search.spectral_radius(np.ones(2), np.full(2, rho), critical * np.array([1 - 1e-6, 1 + 1e-6]))
    assert radius[0] < 1 < radius[1]


SIMULATIONS = {
    "rates_at_ratio": {"B": 20, "r": 1.5, "theta": 4.0, "sigma": 1.0, "slope": 0.1, "cross": 0.1},
    "isotropic_rates": {"P": 20, "B": 7, "sigma": 1.2},
    "spread": {"B": 20, "r": 1.0, "theta": 4.0, "sigma": 1.0},
    "two_batches": {"B": 10, "r": 2.0, "k": 3.0, "theta": 5.0, "sigma": 1.0},
    "local_slopes": {"P": 30, "b": np.array([20.0, 60.0]), "k": 2.0, "theta": 5.0, "sigma": 1.0},
    "additive_rate": {"P": 40, "r": 2.0, "lam1": 1.0, "sigma_eps": 1.0},
    "additive_rate_at_batch": {"P": 40, "b": 20.0, "lam1": 1.0, "sigma_eps": 1.0},
    "damped_growth": {"P": 40, "r": 2.0, "alpha": 0.1, "delta": 0.5, "lam1": 5.0, "sigma": 1.0},
    "damped_additive_growth": {"P": 40, "r": 2.0, "alpha": 0.1, "delta": 0.5, "lam1": 5.0, "sigma_eps": 1.0},
    "one_batch_growth": {"P": 5, "B": 4, "rho": 0.2, "power": 0.5, "sharpness": 2.6, "steps": 20},
    "fresh_batch_growth": {"P": 5, "B": 4, "theta": 2.0, "sigma": 1.0, "eta": 0.4, "steps": 6},
    "one_step": {"P": 5, "B": 4, "sigma": 1.1, "eta": 0.3},
    "second_moment_order": {"P": 5, "B": 4, "theta": 2.0, "sigma": 1.0, "eta": 0.3},
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name):
    simulation = getattr(learning_rates, name, None) or getattr(sgd_quadratic, name)
    demand_twins(simulation, SIMULATIONS[name], rtol=1e-7, atol=1e-9)


def test_tridiagonal_outlier_against_dense_matrices():
    """Means of the largest eigenvalue agree within 5 standard errors (false alarm 6e-7)."""
    source = np.random.default_rng(0)
    x = source.normal(size=(2000, 12, 8))
    x[:, 0] *= 2.0
    dense = 2 / np.linalg.eigvalsh(np.swapaxes(x, 1, 2) @ x / 8)[:, -1]
    fast = learning_rates.rates_at_ratio(
        2000, Stream.from_seed(1), B=8, r=1.5, theta=4.0, sigma=1.0, slope=0.0, cross=0.0
    )["sgd"]
    assert abs(dense.mean() - fast.mean()) < 5 * np.hypot(dense.std(), fast.std()) / 2000**0.5


def test_bad_input_is_named():
    with pytest.raises(DomainError, match="leaves no outlier"):
        d.spiked_rate(r=1.0, theta=1.5, sigma=1.0)
    with pytest.raises(DomainError, match="largest eigenvalue of the population"):
        stability.spiked_threshold(P=3, B=3, theta=0.5)
    with pytest.raises(DomainError, match="momentum"):
        momentum.critical_sharpness(rho=1.0)
    with pytest.raises(DomainError, match="clear of its threshold"):
        finite.scaled_rate(r=1.0, B=10, theta=2.001)


def test_claims_are_registered_once():
    entries = {}
    for part in ("", "_finite", "_additive", "_stability"):
        module = importlib.import_module(f"theorylab.claims.random_matrix.granziol_learning_rate{part}")
        entries |= module.theory.entries
    assert sum(e.control for e in entries.values()) == 3
    assert all(e.expected == "fails" for e in entries.values() if e.control)
