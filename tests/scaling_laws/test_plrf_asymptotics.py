"""Components of the risk of SGD on power-law features: limits, references, crossovers, bad input."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.scaling_laws import plrf_asymptotics as a
from theorylab.derivations.scaling_laws import plrf_volterra as v
from theorylab.errors import DomainError

MODEL = {"d": 2**16, "ratio": 400.0, "rate": 0.3, "B": 1}


@pytest.mark.parametrize("prediction", [a.POLE, a.CONTINUOUS, a.KERNEL])
@pytest.mark.parametrize("x", [1e-9, 0.3, 1.0, 40.0, 1e6, 1e12])
@pytest.mark.parametrize("alpha", [0.56, 1.0, 1.9])
def test_components_to_fifty_digits(prediction: a.ClosedForm, x: float, alpha: float) -> None:
    at = {"alpha": alpha, "beta": 0.7, "d": 2**10, "gamma": 0.2, "B": 3, "x": x}
    at = {k: value for k, value in at.items() if k in prediction.space}
    right = prediction.mp(**at)
    # Cut off exponentially: what is below the least double is 0.
    assert float(prediction(**at)) == pytest.approx(float(right), rel=1e-10, abs=1e-300)


@pytest.mark.parametrize("alpha", [0.6, 1.3])
def test_continuous_part_is_its_integral(alpha: float) -> None:
    """Quadrature of zeta(2 beta)/(2 alpha d) u^(-1/(2 alpha)) e^(-x u) over [d^(-2 alpha), 1]."""
    d, beta, x = 50, 0.8, 12.0
    power = -1 / (2 * alpha)
    integral = mpmath.quad(lambda u: u**power * mpmath.exp(-x * u), [d ** (-2 * alpha), 0.01, 0.1, 1])
    expected = mpmath.zeta(2 * beta) / (2 * alpha * d) * integral
    assert float(a.CONTINUOUS(alpha=alpha, beta=beta, d=d, x=x)) == pytest.approx(float(expected), rel=1e-12)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(alpha=st.floats(0.3, 1.9), beta=st.floats(0.3, 2.0), log_x=st.floats(-6, 12))
def test_components_fall_and_start_at_their_masses(alpha: float, beta: float, log_x: float) -> None:
    """Each falls with x, from 1/(2 alpha p)."""
    x = 10.0**log_x
    pole = a.POLE(alpha=alpha, beta=beta, x=np.array([0.0, x, 1.5 * x]))
    assert pole[0] == pytest.approx(1 / (2 * alpha + 2 * beta - 1), rel=1e-13)
    assert pole[0] >= pole[1] > pole[2]
    kernel = a.KERNEL(alpha=alpha, gamma=0.1, B=2, x=np.array([0.0, x, 1.5 * x]))
    assert kernel[0] == pytest.approx(0.02 / (4 * alpha - 1), rel=1e-12)
    assert kernel[0] >= kernel[1] > kernel[2]


@pytest.mark.parametrize(("alpha", "beta"), [(0.8, 0.3), (0.4, 1.0), (1.2, 2.0)])
def test_power_laws_at_late_times(alpha: float, beta: float) -> None:
    """x^-p Gamma(p)/(2 alpha): a factor of 2 in x is a factor of 2^-p."""
    ratio = a.POLE(alpha=alpha, beta=beta, x=2e6) / a.POLE(alpha=alpha, beta=beta, x=1e6)
    assert np.log2(ratio) == pytest.approx(float(a.POLE_SLOPE(alpha=alpha, beta=beta)), rel=1e-9)
    ratio = a.KERNEL(alpha=alpha, x=2e6) / a.KERNEL(alpha=alpha, x=1e6)
    assert np.log2(ratio) == pytest.approx(float(a.NOISE_SLOPE(alpha=alpha, beta=beta)), rel=1e-9)


def test_the_formula_ends_at_the_limit_of_the_risk() -> None:
    """Long after the cut-off all formulas but the published one are F_0/(1 - |K|)."""
    at = {"alpha": 0.9, "beta": 0.8, **MODEL}
    limit = float(v.equivalent(0.9, 0.8, 2**16, 400.0, 0.3, 1.0).limit_risk.value)
    for formula in (a.SHARP, a.WITHOUT_TAIL):
        assert float(formula(**at, r=1e18)) == pytest.approx(limit, rel=1e-9)
    assert float(a.PUBLISHED(**at, r=1e18)) < 0.9 * limit


def test_the_noise_fades_with_the_learning_rate() -> None:
    """At the same x the noise's share of the formula is proportional to the learning rate."""
    shares = []
    for rate in (0.02, 0.01):
        at = {"alpha": 0.8, "beta": 1.2, **MODEL, "rate": rate, "r": 100 / rate}
        shares.append(float(a.SHARP(**at) / a.WITHOUT_TAIL(**at)) - 1)
    assert shares[0] / shares[1] == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("alpha", [0.2, 0.3])
def test_the_plateau_of_the_bulk(alpha: float) -> None:
    """Where F_pp is gone and the bulk not yet learnt the forcing is the plateau, above the least risk."""
    at = {"alpha": alpha, "beta": 1.2, "d": 2**34, "ratio": 4.0}
    x = 3e-3 * 2**34 / v.spectrum(alpha, 1.2, 2**34, 4.0)[0].trace
    gamma, _ = a.time(alpha, 2**34, 4.0, 0.5, 1, 1.0)
    forcing = float(v.FORCING(**at, rate=0.5, B=1, r=x / (2 * gamma)))
    assert a.plateau(**at) > 1.3 * float(v.LEAST_RISK(**at))
    assert a.plateau(**at) + float(a.POLE(alpha=alpha, beta=1.2, x=x)) == pytest.approx(forcing, rel=0.02)


def test_no_continuous_part_below_the_lines() -> None:
    assert a.continuous(0.4, 1.0, 100, 5.0) == 0
    assert a.continuous(0.8, 0.4, 100, 5.0) == 0
    assert a.continuous(0.8, 0.8, 100, 5.0) == pytest.approx(float(a.CONTINUOUS(alpha=0.8, beta=0.8, d=100, x=5.0)))


def test_bad_input_is_named() -> None:
    with pytest.raises(DomainError, match=r"the integral diverges: take alpha > 1/4"):
        a.KERNEL(alpha=0.2)
    with pytest.raises(DomainError, match=r"zeta\(2 beta\) diverges: take beta > 1/2"):
        a.CONTINUOUS(beta=0.4)
    with pytest.raises(DomainError, match=r"rate = 1.5 is not stable .* the critical value"):
        a.SHARP(rate=1.5)
