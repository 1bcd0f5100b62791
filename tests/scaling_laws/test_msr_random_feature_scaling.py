"""The solvable model of scaling laws: precision, limits, symmetries, the best ridge, exact forms, simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins
from threadpoolctl import threadpool_limits

from theorylab.derivations.scaling_laws import msr_random_feature_finite as finite
from theorylab.derivations.scaling_laws import msr_random_feature_limits as limits
from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
from theorylab.derivations.scaling_laws.power_spectrum import SpectralSum, used_and_left
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.prediction import ClosedForm, Implicit, Prediction
from theorylab.sims.scaling_laws import random_feature_limits as limit_sims
from theorylab.sims.scaling_laws import random_feature_ridge as sims

MODULES = (model, limits, finite)
PREDICTIONS = {
    f"{module.__name__.rsplit('_', 1)[1]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Prediction)
}

fixed = settings(derandomize=True, deadline=None, max_examples=40)
counts = st.integers(2, 60)
exponents = st.floats(0.2, 3.0)
ridges = st.floats(1e-6, 1e3)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


@pytest.mark.parametrize("name", [n for n, p in PREDICTIONS.items() if isinstance(p, ClosedForm | Implicit)])
def test_corners_agree_with_fifty_digits(name):
    prediction = PREDICTIONS[name]
    for corner in prediction.corners:
        exact = prediction.mp(**corner)
        assert abs(mpmath.mpf(float(prediction(**corner))) - exact) <= 1e-11 * abs(exact), corner


def test_derivations_replay():
    steps = {str((s.name, s.lhs)): s for p in PREDICTIONS.values() for s in p.derivation}
    assert len(steps) > 40
    for step in steps.values():
        step.replay()


@pytest.mark.parametrize(("M", "p", "s"), [(50, 2.0, 1.0), (3999, 1.2, 6.0), (30_000, 2.5, 9.0), (30_000, 1.1, -3.0)])
def test_spectral_sums_are_the_sums(M, p, s):
    y = np.exp(s) * (np.arange(1, M + 1) / M) ** p
    for k, j in ((1, 0), (1, 1), (2, 0), (2, 1), (0, 1)):
        direct = math.fsum(y**j / (1 + y) ** k)
        assert SpectralSum.on_arrays(k, j, s, M, p) == pytest.approx(direct, rel=1e-13)
    used, left = used_and_left([s, s + 1], M, p)
    np.testing.assert_allclose(used + left, M, rtol=1e-12)


def test_spectral_sums_as_symbols():
    s, M, p = sp.Symbol("s"), sp.Symbol("M"), sp.Symbol("p")
    total = SpectralSum(1, 0, s, M, p)
    assert total.diff(s) == -SpectralSum(2, 1, s, M, p)
    assert SpectralSum(2, 1, s, M, p).diff(s) == SpectralSum(2, 1, s, M, p) - 2 * SpectralSum(3, 2, s, M, p)
    assert sp.latex(total) == r"\sum_{I=1}^{M} \frac{1}{(1 + e^{s} (I/M)^{p})^{1}}"
    assert total.diff(p).has(sp.Derivative)
    assert sp.N(SpectralSum(1, 0, 0, 2, 1), 20) == pytest.approx(float(1 / 1.5 + 1 / 2))
    with pytest.raises(ValueError, match="too many to be added"):
        sp.N(SpectralSum(1, 0, 0, 10**6, 1))


@fixed
@given(counts, counts, counts, exponents, ridges, st.floats(0.1, 10.0))
def test_the_equation_is_solved(N, T, M, alpha, g, sigma_u):
    """nu (N - d1)(T - d1) = g M/sigma_u^2, counted from the sums themselves."""
    nu_at = replace(model.LOSS, output=model.lam * sp.exp(model.s), corners=(), derivation=None)
    nu = float(nu_at(N=N, T=T, M=M, alpha=alpha, g=g, lam=0.3, sigma_u=sigma_u))
    spectrum = 0.3 * (M / np.arange(1, M + 1)) ** (1 + alpha)
    d1 = math.fsum(spectrum / (spectrum + nu))
    # Unused counts are known to 1e-12 or so.
    assume(min(N, T) - d1 > 1e-5)
    assert nu * (N - d1) * (T - d1) == pytest.approx(g * M / sigma_u**2, rel=1e-6)


@fixed
@given(counts, counts, counts, exponents, ridges)
def test_features_and_samples_are_dual(N, T, M, alpha, g):
    here = model.LOSS(N=N, T=T, M=M, alpha=alpha, g=g)
    assert model.LOSS(N=T, T=N, M=M, alpha=alpha, g=g) == pytest.approx(here, rel=1e-12)


@fixed
@given(counts, counts, exponents, ridges, st.floats(0.1, 10.0), st.floats(0.0, 2.0))
def test_units(N, T, alpha, g, scale, sigma_eps):
    """Data in other units: lambda and g in proportion; feature weights: g with their square; labels: the loss."""
    at = {"N": N, "T": T, "M": 40, "alpha": alpha}
    here = model.LOSS(**at, g=g, lam=0.3, sigma_eps=sigma_eps)
    teacher = {"sigma_w": 1.0 / math.sqrt(scale)}
    assert model.LOSS(**at, g=scale * g, lam=scale * 0.3, sigma_eps=sigma_eps, **teacher) == pytest.approx(
        here, rel=1e-10
    )
    assert model.LOSS(**at, g=scale**2 * g, lam=0.3, sigma_u=scale, sigma_eps=sigma_eps) == pytest.approx(
        here, rel=1e-10
    )
    louder = model.LOSS(**at, g=g, lam=0.3, sigma_w=scale, sigma_eps=scale * sigma_eps)
    assert louder == pytest.approx(scale**2 * here, rel=1e-10)


@fixed
@given(counts, counts, exponents)
def test_too_large_a_ridge_learns_nothing_and_a_small_one_is_none(N, T, alpha):
    assume(abs(N - T) > 1)
    at = {"N": N, "T": T, "M": 80, "alpha": alpha, "lam": 0.2}
    trace = 0.2 * ((80 / np.arange(1, 81)) ** (1 + alpha)).sum() / 80
    assert model.LOSS(**at, g=1e15) == pytest.approx(trace, rel=1e-6)
    assert model.LOSS(**at, g=1e-11, sigma_eps=0.5) == pytest.approx(model.RIDGELESS(**at, sigma_eps=0.5), rel=1e-5)


def test_many_samples_reach_the_plateau_and_many_features_the_same():
    at = {"M": 300, "alpha": 1.2, "g": 0.0}
    plateau = float(model.INFINITE_DATA(N=40, M=300, alpha=1.2))
    assert model.LOSS(N=40, T=10**9, **at) == pytest.approx(plateau, rel=1e-6)
    assert model.LOSS(N=10**9, T=40, **at) == pytest.approx(plateau, rel=1e-6)
    # Label noise averages out with many samples, but not with many features.
    assert model.LOSS(N=40, T=10**9, **at, sigma_eps=1.0) == pytest.approx(plateau, rel=1e-6)
    assert model.LOSS(N=10**9, T=40, **at, sigma_eps=1.0) > 1.5 * plateau


@fixed
@given(counts, counts, exponents, ridges, st.floats(0.0, 1.0))
def test_the_loss_grows_with_noise_and_falls_with_features_at_the_best_ridge(N, T, alpha, g, sigma_eps):
    at = {"T": T, "M": 200, "alpha": alpha}
    assert model.LOSS(N=N, **at, g=g, sigma_eps=sigma_eps + 0.1) > model.LOSS(N=N, **at, g=g, sigma_eps=sigma_eps)
    best = [float(model.LOSS(N=n, **at, g=limits.BEST_RIDGE(N=n, **at))) for n in (N, 2 * N)]
    assert best[1] < best[0]


def test_the_continuum_is_the_limit_of_many_dimensions():
    for alpha, tolerance in ((0.5, 0.02), (0.8, 0.003), (1.5, 2e-5)):
        nu = model.INFINITE_DATA(N=100, M=200_000, alpha=alpha, lam=0.1) * 200_000 / 100
        assert nu == pytest.approx(limits.HALF_SHIFTED(N=100, M=200_000, alpha=alpha, lam=0.1), rel=tolerance)
    huge = {"M": 10**12, "alpha": 1.5}
    assert model.INFINITE_DATA(N=10**4, **huge) == pytest.approx(limits.INFINITE_DATA(N=10**4, **huge), rel=2e-4)


def test_best_degrees_of_freedom():
    """The values that a search over the ridge found when the theory was noted down."""
    for N, T, alpha, value in ((500, 500, 0.6, 204.6), (500, 900, 0.6, 266.5), (500, 500, 1.4, 282.24)):
        assert limits.BEST_DEGREES(N=N, T=T, alpha=alpha) == pytest.approx(value, rel=3e-4)
    assert limits.SQUARE_DEGREES(N=500, alpha=1.0) == 250.0
    d1 = limits.BEST_DEGREES(N=70, T=110, alpha=1.7)
    assert (70 - d1) * (110 - d1) == pytest.approx(2 * d1**2 / (1.7 * 2.7), rel=1e-12)


@pytest.mark.parametrize(("N", "T", "alpha"), [(50, 50, 1.0), (50, 80, 1.5), (80, 50, 0.7)])
def test_the_best_ridge_is_where_a_search_finds_it(N, T, alpha):
    from scipy.optimize import minimize_scalar

    at = {"N": N, "T": T, "M": 50_000, "alpha": alpha}
    best = float(limits.BEST_RIDGE(**at))
    found = minimize_scalar(
        lambda x: float(model.LOSS(**at, g=best * math.exp(x))),
        bounds=(-2, 2),
        method="bounded",
        options={"xatol": 1e-6},
    )
    assert abs(found.x) < 0.1
    assert model.LOSS(**at, g=best) == pytest.approx(found.fun, rel=2e-4)
    assert best == pytest.approx(float(limits.BEST_RIDGE_CONTINUUM(**at)), rel=0.15)
    assert model.LOSS(**at, g=best) == pytest.approx(float(limits.BEST_LOSS(**at)), rel=0.06)


@fixed
@given(counts, counts, exponents, st.integers(2, 5))
def test_the_best_loss_is_homogeneous_and_symmetric(N, T, alpha, k):
    at = {"M": 1000, "alpha": alpha}
    here = limits.BEST_LOSS(N=N, T=T, **at)
    assert limits.BEST_LOSS(N=k * N, T=k * T, **at) == pytest.approx(here * k**-alpha, rel=1e-12)
    assert limits.BEST_LOSS(N=T, T=N, **at) == pytest.approx(here, rel=1e-12)
    ridges = [float(limits.BEST_RIDGE_CONTINUUM(N=m * N, T=m * T, **at)) for m in (1, k)]
    assert ridges[1] == pytest.approx(ridges[0] * k ** (1 - alpha), rel=1e-12)
    assert limits.BEST_LOSS(N=N, T=10**12, **at) == pytest.approx(limits.INFINITE_DATA(N=N, **at), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 2.0])
def test_equal_numbers_are_best_at_a_given_product(alpha):
    losses = [float(limits.BEST_LOSS(N=n, T=3600 // n, M=10**6, alpha=alpha)) for n in (15, 30, 45, 60, 80, 120, 240)]
    assert np.argmin(losses) == 3
    assert losses[:3] == sorted(losses[:3], reverse=True)
    assert losses[3:] == sorted(losses[3:])


def test_the_small_ridge_past_the_end_joins_the_equivalent():
    at = {"N": 4000, "T": 6000, "M": 20, "alpha": 1.0, "g": 1e-3}
    assert finite.SMALL_RIDGE(**at) == pytest.approx(model.LOSS(**at), rel=3e-3)
    past = {"N": 30, "T": 40, "M": 20, "sigma_eps": 0.7}
    assert model.LOSS(**past, g=1e-9) == pytest.approx(0.49 * 20 / 20, rel=1e-6)
    assert finite.PAST_THE_END(**past) == pytest.approx(0.49 * 20 / 19, rel=1e-14)


def test_exact_forms_tend_to_the_equivalent():
    large = {"N": 20_000, "T": 50_000, "M": 100_000}
    unseen = float(model.INFINITE_DATA(N=20_000, M=100_000))
    exact = float(finite.BELOW(**large, sigma_eps=0.3, unseen=unseen))
    assert exact == pytest.approx(float(model.LOSS(**large, g=0.0, sigma_eps=0.3)), rel=1e-4)
    assert finite.BELOW(N=20_000, T=10**12, M=100_000, unseen=unseen) == pytest.approx(unseen, rel=1e-6)


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (model.LOSS, {"N": 60, "T": 60, "g": 0.0}, "interpolation threshold"),
        (model.LOSS, {"N": 700, "T": 800, "g": 0.0}, "least squares in M dimensions"),
        (model.LOSS, {"alpha": 0.0}, "the spectrum decays"),
        (model.LOSS, {"g": -1.0}, "ridge"),
        (model.RIDGELESS, {"N": 60, "T": 60}, "interpolation threshold"),
        (model.INFINITE_DATA, {"N": 600}, "as many features as dimensions"),
        (model.LOSS_AT_RATIO, {"N": 10, "tau": 0.01, "mu": 4.0, "h": 0.1}, "number of training samples"),
        (limits.BEST_RIDGE, {"N": 700, "T": 700}, "the power law ends there"),
        (finite.BELOW, {"N": 60, "T": 61, "unseen": 1.0}, "the mean is infinite"),
        (finite.ABOVE, {"N": 60, "T": 61, "unseen": 1.0, "fitted": 1.0, "spill": 1.0}, "the mean is infinite"),
        (finite.PAST_THE_END, {"N": 60, "T": 150}, "past the end of the spectrum"),
        (finite.SMALL_RIDGE, {"N": 603, "T": 700}, "the mean square is infinite"),
    ],
)
def test_bad_input_is_named(prediction, at, message):
    with pytest.raises(DomainError, match=message):
        prediction(**at)


BASE = {"alpha": 1.0, "lam": 0.3, "sigma_w": 1.3, "sigma_u": 0.7, "sigma_eps": 0.5}
SHAPES = [(5, 9, 20, 0.4), (9, 5, 20, 0.4), (7, 7, 20, 0.1), (5, 9, 20, 0.0), (9, 5, 20, 0.0), (9, 12, 4, 0.0)]


@pytest.mark.parametrize(("N", "T", "M", "g"), SHAPES)
def test_the_simulated_loss_is_that_of_ridge_regression(N, T, M, g):
    """Written out with the explicit estimator, averaged over many teachers, noises and test points at once."""
    drawn = sims.draw(3, Stream.from_seed(5), N, T, M, BASE["alpha"], BASE["lam"], BASE["sigma_u"])
    out = sims.ridge_loss(3, Stream.from_seed(5), N=N, T=T, M=M, g=g, **BASE)
    spectrum = BASE["lam"] * (M / np.arange(1.0, M + 1.0)) ** 2.0
    for i in range(3):
        u, x = drawn.u[i], drawn.data[i]
        phi = u @ x
        a = phi.T @ np.linalg.inv(g * np.eye(N) + phi @ phi.T) if g else np.linalg.pinv(phi)
        # Column w of the identity as a teacher: theta(phi(x)) - w.x has the squared norm of a column.
        misfit = (x @ a @ u - np.eye(M)) * np.sqrt(spectrum)
        signal = BASE["sigma_w"] ** 2 / M * np.square(misfit).sum()
        noise = BASE["sigma_eps"] ** 2 * np.square((a @ u) * np.sqrt(spectrum)).sum()
        assert out["signal"][i] == pytest.approx(signal, rel=1e-9, abs=1e-12)
        assert out["noise"][i] == pytest.approx(noise, rel=1e-9)
        assert out["value"][i] == pytest.approx(signal + noise, rel=1e-9)


@pytest.mark.parametrize(("N", "T", "g"), [(5, 9, 0.4), (5, 9, 0.0), (8, 8, 0.1)])
def test_duality_holds_trial_by_trial(N, T, g):
    """u for the data and the data for u: the same signal's loss in every trial."""
    drawn = sims.draw(4, Stream.from_seed(6), N, T, 20, 0.8, 0.3, 1.0)
    white = np.swapaxes(drawn.data, 1, 2) / drawn.root
    dual = sims.Drawn(drawn.root, white, drawn.root[:, None] * np.swapaxes(drawn.u, 1, 2))
    here, there = (sims.losses(d, sims.solve(d, g), 1.0, 1.0) for d in (drawn, dual))
    np.testing.assert_allclose(here["signal"], there["signal"], rtol=1e-9)
    assert np.all(np.abs(here["noise"] / there["noise"] - 1.0) > 1e-3)


def test_the_slope_is_the_derivative():
    at = {"M": 30, "alpha": 1.2, "lam": 0.3, "sigma_u": 0.7}
    for N, T in ((6, 9), (9, 6)):
        slope = limit_sims.ridge_slope(3, Stream.from_seed(2), N=N, T=T, g=0.2, **at)["value"]
        losses = [
            sims.ridge_loss(3, Stream.from_seed(2), N=N, T=T, g=0.2 * math.exp(x), sigma_w=1.0, sigma_eps=0.0, **at)
            for x in (1e-4, -1e-4)
        ]
        np.testing.assert_allclose((losses[0]["value"] - losses[1]["value"]) / 2e-4, slope, rtol=1e-5)


SIMULATIONS = {
    "ridge": (sims.ridge_loss, {"N": 6, "T": 11, "M": 20, "g": 0.3, **BASE}),
    "ratios": (sims.proportional, {"N": 8, "tau": 0.5, "mu": 3.0, "h": 0.1, **BASE}),
    "ridgeless": (sims.ridgeless_loss, {"N": 6, "T": 11, "M": 20, **BASE}),
    "past the end": (sims.ridgeless_loss_past_the_end, {"N": 8, "T": 11, "M": 5, **BASE}),
    "interpolating": (sims.interpolating_loss, {"N": 11, "T": 6, "M": 20, **BASE}),
    "infinite data": (limit_sims.infinite_data, {"N": 6, "mu": 3.0, "alpha": 1.0, "lam": 0.3, "sigma_w": 1.0}),
    "infinite data at": (limit_sims.infinite_data_at, {"N": 6, "M": 20, "alpha": 1.0, "lam": 0.3, "rows": 18}),
    "collapsed": (limit_sims.collapsed_infinite_data, {"N": 5, "rho": 1.0, "alpha": 1.5}),
    "scaled": (limit_sims.scaled_ridge, {"N": 6, "tau": 2.0, "M": 30, "alpha": 1.5, "h": 0.5, "rows": 4}),
    "slope": (limit_sims.ridge_slope, {"N": 6, "T": 9, "M": 20, "alpha": 1.0, "lam": 0.3, "g": 0.2, "sigma_u": 1.0}),
    "shapes": (limit_sims.two_shapes, {"product": 100, "theta": 0.8, "M": 30, "alpha": 1.0, "lam": 0.3, "g": 0.5}),
    "spectrum": (sims.feature_spectrum, {"N": 6, "T": 9, "M": 20, "alpha": 1.0, "lam": 0.3, "sigma_u": 1.0}),
    "root": (limit_sims.kernel_ridge_parameter, {"N": 6, "M": 20, "alpha": 1.0, "lam": 0.3}),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name):
    demand_twins(*SIMULATIONS[name])


@pytest.mark.parametrize("name", SIMULATIONS)
def test_array_code_keeps_to_the_standard(name):
    if "cupy" in SIMULATIONS[name][0].backends:
        demand_array_standard(*SIMULATIONS[name])


def test_the_mean_spectrum_has_the_trace_of_the_data():
    """Mean trace of phi phi^T/T over sigma_u^2 N/M: that of the data. 6 standard errors."""
    at = {"N": 10, "T": 20, "M": 30, "alpha": 0.5, "lam": 0.3, "sigma_u": 2.0}
    traces = sims.feature_spectrum(4000, Stream.from_seed(9), **at)["value"].sum(axis=1)
    spectrum = 0.3 * (30 / np.arange(1.0, 31.0)) ** 1.5
    assert abs(traces.mean() - spectrum.sum()) < 6 * traces.std() / math.sqrt(4000)


def test_costs_grow_with_the_problem():
    small, large = (sims.ridge_loss.cost(N=n, T=2 * n, M=10 * n) for n in (10, 40))
    assert 50 * small.flops < large.flops < 80 * small.flops
    assert 10 * small.bytes < large.bytes < 20 * small.bytes
