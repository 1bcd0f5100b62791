"""Power-law sums, the equivalent spectrum and the double contour: against direct sums, marching, and finer rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.scaling_laws.plrf_numerics import Equivalent
from theorylab.derivations.scaling_laws.plrf_spectrum import Spectrum
from theorylab.derivations.scaling_laws.plrf_sums import kappa, nodes
from theorylab.errors import DomainError

TIMES = np.concatenate([[0.0], np.unique(np.round(np.geomspace(1, 2**36, 40)))])


@pytest.mark.parametrize("p", [0.3, 1.0, 2.6])
@pytest.mark.parametrize("v", [7, 801, 30_000, 3_000_000])
def test_power_sums_are_direct_sums(p: float, v: int) -> None:
    j = np.arange(1.0, v + 1)
    at = nodes(v)
    assert at.weight @ at.j**-p == pytest.approx(np.sum(j**-p), rel=1e-10)
    assert at.weight @ (at.j**-p / (1e-3 + at.j**-1.5)) == pytest.approx(np.sum(j**-p / (1e-3 + j**-1.5)), rel=1e-10)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(alpha=st.floats(0.1, 1.5), d=st.floats(1.0, 36.0).map(lambda x: 2.0**x), ratio=st.floats(0.2, 9).map(np.exp2))
def test_kappa_is_the_root(alpha: float, d: float, ratio: float) -> None:
    """At most 1e-11 off, and falling in the number of features."""
    at = nodes(max(d + 1, d * (1 + ratio)))
    lam = at.j ** (-2 * alpha)
    k = kappa(lam, at.weight, d)
    assert at.weight @ (lam / (lam + k)) == pytest.approx(d, rel=1e-11)
    assert kappa(lam, at.weight, d / 1.01) > k


@pytest.mark.parametrize(
    ("alpha", "beta", "d", "ratio"),
    [(1.0, 0.7, 64, 4), (1.4, 0.7, 2**36, 400), (0.15, 0.8, 2**20, 4), (0.4, 0.3, 2**26, 4), (0.8, 1.2, 12, 2.5)],
)
def test_masses_and_moments(alpha: float, beta: float, d: float, ratio: float) -> None:
    """Measures of forcing and kernel have their known masses; the norm from the resolvent is the kernel's sum."""
    spectrum = Spectrum(alpha, beta, d, ratio * d)
    gamma = 0.5 * spectrum.critical_rate(2)
    fine = Equivalent(alpha, beta, d, ratio * d, gamma, 2)
    (rule, _) = fine._rules
    x, forcing, kernel = rule._measures
    assert forcing.sum().imag == pytest.approx(spectrum.initial - spectrum.capacity, rel=1e-11)
    assert (kernel / x).sum().imag == pytest.approx(rule.norm, rel=1e-10)
    assert kernel.sum().imag == pytest.approx(fine.kernel(0.0).value, rel=1e-12)
    assert fine.risk(0.0).value == pytest.approx(spectrum.initial, rel=1e-11)
    assert fine.risk(1e300).value == pytest.approx(fine.limit_risk.value, rel=1e-14)


@pytest.mark.parametrize(("alpha", "beta", "d", "B", "share"), [(1.1, 0.8, 50, 3, 0.9), (0.3, 0.9, 64, 1, 0.97)])
def test_marching_gives_the_same_risk(alpha: float, beta: float, d: int, B: int, share: float) -> None:
    """The Volterra equation summed step by step from forcing and kernel, without a generating function."""
    gamma = share * Spectrum(alpha, beta, d, 4 * d).critical_rate(B)
    e = Equivalent(alpha, beta, d, 4 * d, gamma, B)
    r = np.arange(200)
    forcing, kernel = e.forcing(r).value, e.kernel(r).value
    risk = np.zeros(r.size)
    for k in r:
        risk[k] = forcing[k] + kernel[:k][::-1] @ risk[:k]
    assert e.risk(r).value == pytest.approx(risk, rel=1e-10)


@pytest.mark.parametrize(
    ("alpha", "beta", "d", "ratio", "B", "share"),
    [
        (1.0, 0.7, 2**26, 400, 3, 0.97),
        (1.4, 0.7, 2**36, 400, 256, 0.5),
        (0.15, 0.8, 2**20, 4, 1, 0.97),
        (0.27, 0.7, 2**8, 4, 1, 0.999),
    ],
)
def test_the_stated_error_bounds_the_error(
    alpha: float, beta: float, d: float, ratio: float, B: int, share: float
) -> None:
    gamma = share * Spectrum(alpha, beta, d, ratio * d).critical_rate(B)
    value, error = Equivalent(alpha, beta, d, ratio * d, gamma, B).risk(TIMES)
    finer = Equivalent(alpha, beta, d, ratio * d, gamma, B, points=24).risk(TIMES).value
    assert np.all(np.abs(value - finer) <= error)
    assert np.max(np.abs(value / finer - 1)) < 1e-10
    assert np.max(error / value) < 1e-5


@pytest.mark.parametrize(("alpha", "B"), [(1.1, 3), (0.3, 1)])
def test_critical_rate(alpha: float, B: int) -> None:
    """The norm is 1 there; against the same root with the population's eigenvalues, less by 1 + (B + 1)/d."""
    d, v = 40, 160
    spectrum = Spectrum(alpha, 1.0, d, v)
    critical = spectrum.critical_rate(B)
    assert spectrum.excess(2 / (critical * (B + 1))) == pytest.approx(B + 1, rel=1e-10)
    lam = np.arange(1.0, v + 1) ** (-2 * alpha)
    gamma = critical * (1 + (B + 1) / d)
    assert np.sum(gamma * lam / (2 - gamma * (B + 1) * lam)) == pytest.approx(1, rel=1e-10)


def test_bad_input_is_named() -> None:
    with pytest.raises(DomainError, match=r"take gamma < 0\.59\d+, the critical value"):
        Equivalent(1.0, 0.7, 100, 400, 1.2)
    with pytest.raises(DomainError, match="take v > d"):
        Equivalent(1.0, 0.7, 100, 100, 0.1)
