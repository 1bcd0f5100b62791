"""The batch Hessian of logistic regression: limits, symmetries, 30 digits, and the errors that name the mend.

Random inputs are drawn by hypothesis with a fixed seed and every assertion is deterministic: no false alarms.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins

from theorylab.derivations.random_matrix import granziol_ggn as population
from theorylab.derivations.random_matrix import granziol_network_logistic as theory
from theorylab.derivations.random_matrix.granziol_network_logistic_numerics import Curvature
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.prediction import Prediction
from theorylab.sims.random_matrix import logistic_batches

fixed = settings(derandomize=True, deadline=None, max_examples=25)
MODEL = {"mu": 2.4, "w_par": 0.5, "w_perp": 0.5, "c": 0.4}
weights = st.floats(-1.5, 1.5)


def test_derivations_replay():
    for derivation in {
        id(p.derivation): p.derivation for p in vars(theory).values() if isinstance(p, Prediction)
    }.values():
        derivation.replay()


def test_values_of_record():
    """The numbers against which the formulas were first checked by simulation."""
    assert theory.OUTLIER(**MODEL) == pytest.approx(1.0808, abs=1e-4)
    assert theory.PLANE(**MODEL) == pytest.approx(0.9065, abs=1e-4)
    assert theory.UPPER_EDGE(**MODEL) == pytest.approx(0.4850, abs=1e-4)
    near = {"mu": 1.6, "w_par": 1.0, "w_perp": 0.4, "c": 0.4}
    assert theory.OUTLIER(**near) == pytest.approx(0.4271, abs=1e-4)
    assert theory.UPPER_EDGE(**near) == pytest.approx(0.4230, abs=1e-4)


@fixed
@given(st.floats(0.0, 3.0), st.floats(0.2, 1.5), st.floats(0.05, 3.0))
def test_uniform_curvature_is_the_spiked_covariance(mu, weight, c):
    """With every a at its mean, the Hessian is a sample covariance with the spike 1 + mu^2, times that mean."""
    uniform = Curvature(mu, weight, weight, c, uniform=True)
    a, spike = uniform.mean, 1.0 + mu**2
    assert uniform.edge() == pytest.approx(a * (1 + np.sqrt(c)) ** 2, rel=1e-10)
    found = uniform.outlier()
    # At the threshold itself rounding decides.
    if abs(spike - 1 - np.sqrt(c)) < 1e-6:
        return
    assert (found is not None) == (spike > 1 + np.sqrt(c))
    if found is not None:
        at = {"r": c, "theta": spike, "sigma": 1.0}
        assert found.value == pytest.approx(a * population.OUTLIER_AT_RATIO(**at), rel=1e-9)
        assert found.plane == pytest.approx(population.OVERLAP(**at), rel=1e-6)
        assert found.axis == pytest.approx(found.plane, rel=1e-9)


@fixed
@given(st.floats(0.0, 3.0), weights, weights.filter(lambda w: abs(w) > 0.05), st.floats(0.01, 3.0))
def test_signs_of_the_weights_do_not_matter(mu, w_par, w_perp, c):
    values = [theory.TOP(mu=mu, w_par=a * w_par, w_perp=b * w_perp, c=c) for a in (1, -1) for b in (1, -1)]
    np.testing.assert_allclose(values, values[0], rtol=1e-10)


@fixed
@given(st.floats(1.8, 3.0), st.floats(0.1, 0.8), st.floats(0.1, 0.8), st.floats(0.01, 1.0))
def test_smaller_batches_have_larger_outliers_that_point_less_well(mu, w_par, w_perp, c):
    here, there = ({"mu": mu, "w_par": w_par, "w_perp": w_perp, "c": ratio} for ratio in (c, 1.1 * c))
    assert theory.OUTLIER(**there) > theory.OUTLIER(**here) > theory.UPPER_EDGE(**here)
    assert theory.PLANE(**there) < theory.PLANE(**here) < 1.0
    assert 0.0 < theory.AXIS(**here) <= theory.PLANE(**here)
    assert theory.UPPER_EDGE(**there) > theory.UPPER_EDGE(**here)


def test_many_samples_give_the_population():
    many = {**MODEL, "c": 1e-6}
    known = {k: MODEL[k] for k in ("mu", "w_par", "w_perp")}
    assert theory.OUTLIER(**many) == pytest.approx(theory.POPULATION(**known), rel=1e-6)
    assert theory.PLANE(**many) == pytest.approx(1.0, abs=1e-5)
    mean = Curvature(**MODEL).mean
    for edge in (theory.UPPER_EDGE, theory.LOWER_EDGE):
        assert edge(**many) == pytest.approx(mean, rel=0.01)
    rest = Curvature(**MODEL)
    np.testing.assert_allclose(rest.second @ rest.weight, np.diag([1 + 2.4**2, 1.0]), atol=1e-12)


def test_the_outlier_starts_at_the_edge_with_no_overlap():
    at = {"w_par": 0.5, "w_perp": 1.0, "c": 0.4}
    critical = float(theory.THRESHOLD(**at))
    just = {"mu": critical * (1 + 1e-6), **at}
    assert theory.OUTLIER(**just) == pytest.approx(theory.UPPER_EDGE(**just), rel=1e-9)
    assert theory.PLANE(**just) == pytest.approx(0.0, abs=1e-4)
    below = {"mu": critical * (1 - 1e-6), **at}
    assert theory.TOP(**below) == theory.UPPER_EDGE(**below)


def test_the_density_is_that_of_the_transform():
    spectrum = Curvature(**MODEL)
    low, high = spectrum.z(spectrum.lower()), spectrum.edge()
    t = (np.arange(400) + 0.5) / 400 * np.pi
    x = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(t)
    mass = spectrum.density(x) * 0.5 * (high - low) * np.sin(t) * np.pi / 400
    assert mass.sum() == pytest.approx(1.0, abs=1e-4)
    assert mass @ x == pytest.approx(spectrum.mean, rel=1e-4)
    m = theory.RESOLVENT(**MODEL, lam=0.1)
    assert mass @ (1 / (x + 0.1)) == pytest.approx(m, rel=1e-4)
    assert spectrum.z(float(m)) == pytest.approx(-0.1, rel=1e-9)
    assert theory.LOWER_EDGE(**MODEL) == pytest.approx(low)


def test_thirty_digits():
    """Outlier and edge from integrals and roots by mpmath."""
    mu, w1, w2, c = (mpmath.mpf(MODEL[k]) for k in ("mu", "w_par", "w_perp", "c"))
    with mpmath.workdps(30):
        s = mpmath.sqrt(w1**2 + w2**2)

        def mean(f):
            return mpmath.quad(
                lambda t: f(t, 1 / (4 * mpmath.cosh((mu * w1 + s * t) / 2) ** 2)) * mpmath.npdf(t),
                [-12, -4, 0, 4, 12],
            )

        def second(m, i, j):
            u = [(mu, w1 / s), (mpmath.mpf(0), w2 / s)]
            rest = (1 if i == j else 0) - u[i][1] * u[j][1]
            return mean(lambda t, a: a / (1 + a * c * m) * ((u[i][0] + u[i][1] * t) * (u[j][0] + u[j][1] * t) + rest))

        def place(m):
            return mean(lambda t, a: a / (1 + a * c * m)) - 1 / m

        def secular(m):
            z, off = place(m), second(m, 0, 1)
            return (second(m, 0, 0) - z) * (second(m, 1, 1) - z) - off**2

        spectrum = Curvature(**MODEL)
        edge = mpmath.findroot(
            lambda m: 1 / m**2 - c * mean(lambda t, a: (a / (1 + a * c * m)) ** 2), spectrum.upper(), tol=1e-25
        )
        guess = -1 / (float(theory.OUTLIER(**MODEL)) - spectrum.mean)
        root = mpmath.findroot(secular, guess, tol=1e-25)
        assert theory.UPPER_EDGE(**MODEL) == pytest.approx(float(place(edge)), rel=1e-10)
        assert theory.OUTLIER(**MODEL) == pytest.approx(float(place(root)), rel=1e-10)


def test_bad_input_is_named():
    with pytest.raises(DomainError, match=r"no outlier above the bulk .* its edge 0\.60"):
        theory.OUTLIER(mu=0.0)
    with pytest.raises(DomainError, match="no outlier below"):
        theory.LOW_OUTLIER(mu=0.0, w_par=0.1, w_perp=0.1)
    with pytest.raises(DomainError, match="zero weights"):
        theory.UPPER_EDGE(w_par=0.0, w_perp=0.0)
    with pytest.raises(DomainError, match="outside its domain"):
        theory.UPPER_EDGE(c=0.0)
    with pytest.raises(DomainError, match="outside its domain"):
        theory.LOWER_EDGE(c=1.0)
    with pytest.raises(DomainError, match="no outlier appears"):
        theory.THRESHOLD(w_par=1.0, w_perp=0.4, c=2.0)


SIMULATIONS = {
    "extremes": {"P": 8, "c": 0.4},
    "spectra": {"P": 8, "c": 2.0},
    "resolvent": {"P": 8, "c": 0.4, "lam": 0.1},
    "overlap_growth": {"P": 6, "c": 0.4},
    "inflation": {"P": 8, "c": 0.4, "t": 0.25},
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins(name):
    at = {"mu": 2.0, "w_par": 0.5, "w_perp": 1.0, **SIMULATIONS[name]}
    demand_twins(getattr(logistic_batches, name), at, rtol=1e-8)
    demand_array_standard(getattr(logistic_batches, name), at, rtol=1e-8)


def test_the_simulated_hessian_is_that_of_the_loss():
    """Second differences of the mean loss, whatever the labels."""
    x = logistic_batches._inputs(1, Stream.from_seed(1, "numpy"), 3, 5, 1.0)
    labels, w, step = np.array([1, -1, 1, 1, -1]), np.array([0.5, -0.7, 0.0]), 1e-4
    found = logistic_batches._hessian(x, logistic_batches._curvature(x, 0.5, -0.7))[0]

    def loss(v):
        return np.mean(np.log1p(np.exp(-labels * (x[0] @ v))))

    e = step * np.eye(3)
    for i in range(3):
        for j in range(3):
            mixed = loss(w + e[i] + e[j]) - loss(w + e[i] - e[j]) - loss(w - e[i] + e[j]) + loss(w - e[i] - e[j])
            assert found[i, j] == pytest.approx(mixed / (4 * step**2), abs=1e-6)
