"""The semicircle law: 50 digits at its edges, moments at finite size, the transform near the real line, simulations."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins

from theorylab.derivations.random_matrix import rmt_semicircle as theory
from theorylab.derivations.random_matrix import rmt_semicircle_finite as finite
from theorylab.derivations.random_matrix.semicircle import Semicircle, stieltjes_parts
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import wigner
from theorylab.simulation import Simulation

scales = st.floats(1e-3, 1e3)


def transform(x: float, y: float, s: float) -> mpmath.mpc:
    z, s = mpmath.mpc(x, y), mpmath.mpf(s)
    return (z - mpmath.sqrt(z - 2 * s) * mpmath.sqrt(z + 2 * s)) / (2 * s * s)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(scales, st.floats(-14.0, -0.01), st.booleans(), st.floats(-12.0, 3.0))
def test_digits_at_the_edges_and_near_the_line(s: float, distance: float, upper: bool, height: float) -> None:
    x = (2.0 if upper else -2.0) * s * (1.0 - 10.0**distance)
    y = s * 10.0**height
    law = Semicircle(s)
    with mpmath.workdps(50):
        angle = 2 * mpmath.acos(-mpmath.mpf(x) / (2 * mpmath.mpf(s)))
        exact = (angle - mpmath.sin(angle)) / (2 * mpmath.pi)
        root = mpmath.sqrt(4 * mpmath.mpf(s) ** 2 - mpmath.mpf(x) ** 2)
        assert abs(float(law.cdf(x)) / exact - 1) < 1e-14
        assert abs(float(law.sf(-x)) / exact - 1) < 1e-14
        assert abs(float(law.pdf(x)) / (root / (2 * mpmath.pi * mpmath.mpf(s) ** 2)) - 1) < 1e-14
        real, imaginary = stieltjes_parts(x, y, s)
        g = transform(x, y, s)
        assert abs(float(real) / g.real - 1) < 1e-14
        assert abs(float(imaginary) / g.imag - 1) < 1e-14


@settings(max_examples=30, deadline=None, derandomize=True)
@given(scales, st.floats(1e-12, 1.0 - 1e-12))
def test_quantiles_invert_the_distribution(s: float, q: float) -> None:
    law = Semicircle(s)
    x = law.ppf(q)
    # A quantile next to the edge is known to a rounding of the edge.
    assert abs(law.cdf(x) - q) <= 1e-15 + 3e-16 * s * float(law.pdf(x))
    assert law.isf(q) == -x
    assert law.ppf(1.0 - q) == pytest.approx(-x, abs=1e-9 * s)


def test_a_law_is_used_like_a_distribution() -> None:
    law = Semicircle(1.5)
    assert law.support() == (-3.0, 3.0)
    assert law.ppf([0.0, 0.5, 1.0]) == pytest.approx([-3.0, 0.0, 3.0], abs=1e-15)
    assert law.cdf([-4.0, -3.0, 0.0, 3.0, 4.0]).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert law.pdf([-3.0, 3.0, 5.0]).tolist() == [0.0, 0.0, 0.0]
    assert law.mean() == 0.0
    assert law.std() == 1.5
    assert law.stats() == (0.0, 2.25, 0.0, -1.0)
    assert law.moments(6).tolist() == pytest.approx([law.expect(lambda x, k=k: x**k) for k in range(1, 7)], abs=1e-8)
    low, high = law.interval(0.9)
    assert law.cdf(high) - law.cdf(low) == pytest.approx(0.9, rel=1e-14)
    draws = law.rvs((400, 50), random_state=1)
    # Standard errors of 20 000 draws: five are exceeded in one run of 2 million.
    assert abs(draws.mean()) < 5.0 * law.std() / np.sqrt(draws.size)
    assert draws.std() == pytest.approx(1.5, rel=0.03)
    assert np.array_equal(draws, law.rvs((400, 50), random_state=1))


def test_the_transform_is_an_inverse_of_a_sum() -> None:
    law = Semicircle(0.8)
    z = np.array([2.0, -2.0, 0.3 + 0.1j, 0.3 - 0.1j, 1e5 + 1j, 1.6])
    g = law.stieltjes(z)
    np.testing.assert_allclose(1.0 / g + law.r_transform(g), z, rtol=1e-12)
    assert g[3] == np.conj(g[2])
    assert g[2].imag < 0.0
    assert g[4] * z[4] == pytest.approx(1.0, rel=1e-9)
    assert g[2] == pytest.approx(complex(law.expect(lambda x: 1.0 / (z[2] - x))), rel=1e-9)
    # The sum of two free semicircles: R-transforms add.
    both = Semicircle(np.hypot(0.8, 0.6))
    h = both.stieltjes(z[2:5])
    np.testing.assert_allclose(1.0 / h + law.r_transform(h) + Semicircle(0.6).r_transform(h), z[2:5], rtol=1e-12)


@pytest.mark.parametrize(
    ("beta", "moments"),
    [
        # Harer and Zagier (1986) for complex, Ledoux (2009) for real matrices, at P = 5.
        (1, [Fraction(6, 5), 2 + Fraction(6, 5), 5 + Fraction(22, 5) + Fraction(52, 25) + Fraction(41, 125)]),
        (2, [1, 2 + Fraction(1, 25), 5 + Fraction(10, 25)]),
    ],
)
def test_published_moments(beta: int, moments: list[Fraction]) -> None:
    found = finite.EXACT_MOMENT(k=np.array([2, 4, 6]), P=5, beta=beta, s=1.0)
    assert found == pytest.approx([float(m) for m in moments], rel=1e-14)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.sampled_from([2, 4, 6]), st.integers(1, 40), st.sampled_from([1.0, 2.0, 4.0, 0.5]), scales)
def test_moments_of_one_row_and_of_many(k: int, size: int, beta: float, s: float) -> None:
    # One row is a normal number of variance u s^2; many rows have the moments of the law.
    normal = {2: 1.0, 4: 3.0, 6: 15.0}[k] * (2.0 / beta) ** (k // 2)
    assert finite.EXACT_MOMENT(k=k, P=1, beta=beta, s=1.0) == pytest.approx(normal, rel=1e-12)
    many = float(finite.EXACT_MOMENT(k=k, P=10**9, beta=beta, s=s))
    assert many == pytest.approx(Semicircle(s).moment(k), rel=1e-7)
    real = [float(finite.EXACT_MOMENT(k=k, P=p, beta=1, s=s)) for p in (size, size + 1)]
    assert real[0] > real[1] > Semicircle(s).moment(k)


def test_variances_of_one_row() -> None:
    # W is normal of variance 2/beta: Var W^2 = 2 u^2, Var W^4 = 96 u^4.
    for beta in (1, 2):
        u = 2.0 / beta
        assert finite.TRACE_VARIANCE(P=1, beta=beta, s=1.0) == pytest.approx(2.0 * u**2)
        assert finite.QUARTIC_VARIANCE(P=1, beta=beta, s=1.0) == pytest.approx(96.0 * u**4)


@pytest.mark.parametrize("beta", [1, 2, 4])
def test_first_correction_has_the_digits_that_it_claims(beta: int) -> None:
    for a, b in ((0.5, 0.4), (1.9, 1e-3), (-2.1, 0.01), (30.0, 5.0)):
        value, error = finite.RESOLVENT_TRACE.evaluate(P=7, a=a, b=b, part=np.array([0, 1]), beta=beta, s=1.7)
        with mpmath.workdps(40):
            s, z = mpmath.mpf(1.7), mpmath.mpc(a, b) * mpmath.mpf(1.7)
            root = mpmath.sqrt(z - 2 * s) * mpmath.sqrt(z + 2 * s)
            exact = 7 * transform(z.real, z.imag, s) + (mpmath.mpf(2) / beta - 1) * (z / root**2 - 1 / root) / 2
            assert abs(value[0] - exact.real) <= error[0]
            assert abs(value[1] - exact.imag) <= error[1]
        assert np.all(error < 1e-9 * np.max(np.abs(value)))


@pytest.mark.parametrize(
    "derivation",
    [
        theory.DERIVATION,
        finite.EXACT_MOMENT.derivation,
        finite.TRACE_VARIANCE.derivation,
        finite.RESOLVENT_TRACE.derivation,
    ],
    ids=["law", "moments", "variances", "correction"],
)
def test_derivations_replay(derivation) -> None:
    for step in derivation:
        step.replay()


@pytest.mark.parametrize("beta", [1, 2])
def test_tridiagonal_matrices_have_the_traces_of_full_ones(beta: int) -> None:
    full = wigner.power_means(40_000, Stream.from_seed(1), P=6, beta=beta, s=1.2)["low"]
    other = wigner.tridiagonal_power_means(40_000, Stream.from_seed(2), P=6, beta=beta, s=1.2)["low"]
    # Differences of two means of 40 000 each: 5 standard errors, one run in 2 million.
    error = np.sqrt((full.var(axis=0) + other.var(axis=0)) / 40_000)
    assert np.all(np.abs(full.mean(axis=0) - other.mean(axis=0)) < 5.0 * error)
    np.testing.assert_allclose(full.std(axis=0), other.std(axis=0), rtol=0.06)


@pytest.mark.parametrize("beta", [1, 2, 4])
def test_traces_of_tridiagonal_matrices_are_those_of_their_eigenvalues(beta: int) -> None:
    size, s, trials = 9, 0.7, 5
    a, b = wigner.tridiagonal(trials, Stream.from_seed(4), size, beta, s)
    dense = np.stack([np.diag(x) + np.diag(y, 1) + np.diag(y, -1) for x, y in zip(a, b)])
    values = np.linalg.eigvalsh(dense)
    low = wigner.tridiagonal_power_means(trials, Stream.from_seed(4), P=size, beta=beta, s=s)["low"]
    np.testing.assert_allclose(low, np.stack([(values**k).mean(axis=1) for k in (2, 4)], axis=1), rtol=1e-12)
    found = wigner.resolvent_trace(trials, Stream.from_seed(4), P=size, a=0.5, b=0.3, beta=beta, s=s)["trace"]
    exact = (1.0 / (complex(0.5, 0.3) * s - values)).sum(axis=1)
    np.testing.assert_allclose(found, np.stack([exact.real, exact.imag], axis=1), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("simulated", "at"),
    [
        (wigner.power_means, {"P": 5, "beta": 2, "s": 1.1}),
        (wigner.eigenvalues, {"P": 6, "beta": 1, "s": 1.1}),
        (wigner.trace_scatter, {"P": 6, "beta": 4, "s": 1.1}),
        (wigner.tridiagonal_power_means, {"P": 1, "beta": 2, "s": 1.1}),
        (wigner.resolvent_trace, {"P": 6, "beta": 1, "s": 1.1, "a": 0.5, "b": 0.4}),
    ],
)
def test_twins_and_batches(simulated: Simulation, at: dict[str, float]) -> None:
    demand_twins(simulated, at)


@pytest.mark.parametrize("simulated", [wigner.power_means, wigner.eigenvalues])
@pytest.mark.parametrize("beta", [1, 2])
def test_array_standard(simulated: Simulation, beta: int) -> None:
    demand_array_standard(simulated, {"P": 5, "beta": beta, "s": 1.1})


def test_bad_input_gets_one_line() -> None:
    with pytest.raises(DomainError, match=r"s = -1 is not a standard deviation"):
        Semicircle(-1.0)
    with pytest.raises(DomainError, match=r"q = 1\.5 is not a probability in \[0, 1\]"):
        Semicircle().ppf([0.5, 1.5])
    with pytest.raises(DomainError, match=r"z = 0\.5 lies on the support, where G jumps: take Im z != 0"):
        Semicircle().stieltjes([3.0, 0.5])
    with pytest.raises(DomainError, match=r"order = -1 has no closed form"):
        Semicircle().moment(-1)
    with pytest.raises(DomainError, match="odd moments vanish"):
        finite.EXACT_MOMENT(k=3, P=5, beta=1, s=1.0)
    with pytest.raises(DomainError, match="beta"):
        finite.QUARTIC_VARIANCE(P=5, beta=4, s=1.0)
