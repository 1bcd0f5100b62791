"""Double precision of comp-sum formulas against hundreds of digits, in every corner of the domain."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.surrogate_losses import comp_sum_conditional_risk, comp_sum_sharp
from theorylab.derivations.surrogate_losses import comp_sum_numerics as numerics

# Powers of order 1/(2 - tau) up to 1e12 of numbers next to 1, and beta down to 1e-100, leave 50 of these.
DIGITS = 400
NEAR_ONE = [1.0 - 2.0**-50, 1.0 - 1e-8, 1.0, 1.0 + 2.0**-50, 1.0 + 1e-8]
NEAR_TWO = [1.5, 1.99, 2.0 - 1e-6, 2.0 - 1e-12]
TAUS = [0.0, 1e-12, 0.5, *NEAR_ONE, *NEAR_TWO]
BETAS = [1e-100, 1e-12, 1e-4, 0.29999, 0.3, 0.7, 1.0 - 1e-8, 1.0 - 2.0**-53, 1.0]


def power_sum(tau, p):
    """(sum p^a)^(1/a) with a = 1/(2 - tau)."""
    order = 1 / (2 - mpmath.mpf(tau))
    return sum(q**order for q in p if q > 0) ** (1 / order)


def exact_infimum(tau, p):
    """From the definition; p need not be normalised."""
    p = [mpmath.mpf(float(q)) for q in p]
    p = [q / sum(p) for q in p]
    if tau == 1:
        return -sum(q * mpmath.log(q) for q in p if q > 0)
    if tau >= 2:
        return (1 - max(p)) / (mpmath.mpf(tau) - 1)
    return (power_sum(tau, p) - 1) / (1 - mpmath.mpf(tau))


def exact_transform(tau, beta, classes):
    """The regret of two tied classes, times (2/classes)^(tau-1)."""
    pair = [(1 + mpmath.mpf(beta)) / 2, (1 - mpmath.mpf(beta)) / 2]
    if tau == 1:
        return mpmath.log(2) + sum(q * mpmath.log(q) for q in pair if q > 0)
    tau = mpmath.mpf(tau)
    regret = ((mpmath.mpf(2) ** (1 - tau) - 1) - (power_sum(tau, pair) - 1)) / (1 - tau)
    return regret * (mpmath.mpf(2) / classes) ** (tau - 1)


@pytest.mark.parametrize("tau", TAUS)
def test_transform(tau):
    with mpmath.workdps(DIGITS):
        for beta, classes in itertools.product(BETAS, (2, 1000)):
            exact = exact_transform(tau, beta, classes)
            value = float(numerics.power_transform(tau, beta, float(classes)))
            assert abs(value / exact - 1) < 1e-12, (beta, classes)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tau=st.floats(0.0, 1.9999), beta=st.floats(1e-6, 1.0))
def test_transform_anywhere(tau, beta):
    with mpmath.workdps(DIGITS):
        exact = exact_transform(tau, beta, 2)
        assert abs(float(numerics.power_transform(tau, beta, 2.0)) / exact - 1) < 1e-12


@pytest.mark.parametrize("tau", [*TAUS, 2.0, 3.0])
def test_infimum(tau):
    """The relative error counts from 1e-15: p sums to one only to rounding, and the formula takes it as one."""
    generator = np.random.default_rng(1)
    with mpmath.workdps(DIGITS):
        for n, concentration in itertools.product((2, 3, 30), (0.05, 0.5, 10.0)):
            p = generator.dirichlet(np.full(n, concentration))
            (value,), (error,) = comp_sum_conditional_risk.infimum.evaluate(tau=tau, p=p[None])
            gap = abs(float(value) - exact_infimum(tau, p))
            assert gap <= error
            assert gap <= 1e-12 * float(value) + 1e-15


@pytest.mark.parametrize("tau", [0.0, *NEAR_ONE, 1.7, 2.0, 4.0, 10.0])
@pytest.mark.parametrize("u", [0.0, 1e-300, 1e-12, 0.3, 1e3, 1e300])
def test_outer_function_and_its_derivative_in_tau(tau, u):
    value, slope = numerics.comp_sum(tau, u), numerics.comp_sum_slope_in_tau(tau, u)
    with mpmath.workdps(DIGITS):
        length, e = mpmath.log1p(mpmath.mpf(u)), 1 - mpmath.mpf(tau)
        exact = mpmath.expm1(e * length) / e if e else length
        exact_slope = -(1 + (e * length - 1) * mpmath.exp(e * length)) / e**2 if e else -(length**2) / 2
        assert abs(float(value) - exact) <= 1e-12 * exact
        assert abs(float(slope) - exact_slope) <= max(1e-11 * abs(exact_slope), mpmath.mpf("3e-308"))


@pytest.mark.parametrize("n", [2, 3, 7, 40])
@pytest.mark.parametrize("tau", [2.0, 2.0 + 1e-9, 2.1, 2.5, 2.7, 2.72, 4.0])
def test_hull(tau, n):
    """Against all chords between the rays' points, in 50 digits."""
    with mpmath.workdps(50):
        exponent = 1 - mpmath.mpf(tau)
        points = [(mpmath.mpf(0), mpmath.mpf(0))]
        for k in range(1, n):
            r = 1 - max((j - 1) * mpmath.mpf(j) ** exponent for j in range(2, k + 2))
            points.append((mpmath.mpf(1) / k, r / k / -exponent))
        for beta in (0.01, 0.17, 0.26, 0.4, 0.5, 0.83, 1.0):
            at = mpmath.mpf(beta)
            chords = (
                v + (at - u) * (z - v) / (x - u) for (u, v), (x, z) in itertools.product(points, points) if u < at <= x
            )
            exact = min(chords)
            value, error = comp_sum_sharp.hull_transform.evaluate(tau=tau, n=n, beta=beta)
            assert abs(float(value) - exact) <= float(error)
            assert abs(float(comp_sum_sharp.hull_gamma(tau=tau, n=n, t=float(exact))) - beta) < 1e-12


def test_critical_tau_solves_both_equations():
    """At the root the competitor ties with two classes, and is best at its b."""
    for k in (2, 3, 4):
        tau, b, error = comp_sum_sharp._critical(k)
        with mpmath.workdps(40):

            def gap(b, tau=tau, k=k):
                b = mpmath.mpf(b)
                competitor = [b, *[(1 - b) / (k - 1)] * (k - 1)]
                pooled = mpmath.mpf(k + 1) ** (1 - mpmath.mpf(tau))
                regret = (pooled - power_sum(tau, competitor)) / (1 - mpmath.mpf(tau))
                return regret - exact_transform(tau, b, 2)

            assert abs(gap(b)) < 1e-14
            assert min(gap(b + d) for d in (-0.05, -0.01, 0.01, 0.05)) > 1e-6
        assert error < 1e-14
