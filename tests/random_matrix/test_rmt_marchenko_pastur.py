"""The Marchenko-Pastur law: quadrature, limits, symmetries, exact small sizes, domain, simulations.

Deterministic but for the fixed streams; tests of a law state their false-alarm rate for a fresh stream.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as moments

ratios = st.one_of(st.floats(0.01, 0.95), st.floats(1.05, 100), st.just(1.0))
scales = st.floats(0.1, 3)
ridges = st.floats(1e-3, 1e3)
often = settings(max_examples=30, deadline=None, derandomize=True)


def mean_under_the_law(function, c, sigma):
    """Integral of a function against the law: the midpoint rule in the angle, which converges geometrically."""
    step = np.pi / 4096
    t = (np.arange(4096) + 0.5) * step
    x = sigma**2 * (1 + c - 2 * c**0.5 * np.cos(t))
    bulk = law.DENSITY(x=x, c=c, sigma=sigma) * 2 * c**0.5 * sigma**2 * np.sin(t) * step
    return float(law.ATOM(c=c)) * function(0.0) + bulk @ function(x)


@often
@given(c=ratios, sigma=scales)
def test_total_mass_is_one(c, sigma):
    assert mean_under_the_law(np.ones_like, c, sigma) == pytest.approx(1, rel=1e-10)


@often
@given(c=ratios, sigma=scales, k=st.integers(1, 8))
def test_moments_by_quadrature(c, sigma, k):
    exact = float(moments.MOMENT(k=k, c=c, sigma=sigma))
    assert mean_under_the_law(lambda x: x**k, c, sigma) == pytest.approx(exact, rel=1e-9)
