"""Averages over the Marchenko-Pastur law by quadrature: against closed forms, at the hard edge and away from it.

Deterministic: no false alarms.
"""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_averages as averages
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as finite
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as moments

RATIOS = [(1.0, 1.0), (0.3, 1.2), (2.0, 1.0), (1 + 1e-7, 1.0), (1 - 1e-4, 0.5), (1e-3, 1.0), (100.0, 0.7)]


@pytest.mark.parametrize(("c", "sigma"), RATIOS)
@pytest.mark.parametrize("lam", [1e-9, 1e-3, 1.0])
def test_resolvent(c, sigma, lam):
    """At lam = 1e-9 and c = 1 the integrand changes over a millionth of the spectrum."""
    value, error = averages.average(lambda x: 1.0 / (x + lam), c, sigma)
    exact = law.RESOLVENT(c=c, lam=lam, sigma=sigma)
    assert abs(value - exact) <= 3 * error + 1e-14 * exact
    assert error <= 1e-13 * exact


@pytest.mark.parametrize(("c", "sigma"), RATIOS)
def test_mass_and_moments(c, sigma):
    assert averages.continuous_average(np.ones_like, c, sigma).value == pytest.approx(min(1.0, 1.0 / c), rel=1e-13)
    for order in (1, 2, 3):
        value = averages.average(lambda x, order=order: x**order, c, sigma).value
        assert value == pytest.approx(float(moments.MOMENT(k=order, c=c, sigma=sigma)), rel=1e-12)


@pytest.mark.parametrize(("c", "sigma"), RATIOS[:5])
def test_first_correction(c, sigma):
    """Of the resolvent's trace at p = 1, whose closed form is derived from the loop equation."""
    value, error = averages.correction(lambda x: 1.0 / (x + 0.3), c, sigma)
    exact = float(finite.RESOLVENT_TRACE(p=1, c=c, lam=0.3, sigma=sigma) - law.RESOLVENT(c=c, lam=0.3, sigma=sigma))
    assert abs(value - exact) <= error + 1e-13


def test_arrays_of_ratios():
    c, t = np.array([[0.5], [2.0]]), np.array([0.1, 1.0, 3.0])
    value, error = averages.of_ratios(lambda x, t: np.exp(-x * t), averages.average, c, 1.0, t=t)
    assert value.shape == error.shape == (2, 3)
    one = averages.average(lambda x: np.exp(-3.0 * x), 2.0).value
    assert value[1, 2] == pytest.approx(float(one), rel=1e-15)
