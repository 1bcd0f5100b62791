"""The Marchenko-Pastur law as an object: quantiles, atom, transform, moments. Random draws are seeded."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from theorylab.derivations.random_matrix import rmt_marchenko_pastur as theory
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as exact
from theorylab.derivations.random_matrix.marchenko_pastur import MarchenkoPastur
from theorylab.errors import DomainError

each = pytest.mark.parametrize("c", [0.04, 0.5, 1.0, 1.0001, 3.0, 50.0])


@each
def test_a_law_is_used_like_a_distribution(c: float) -> None:
    law = MarchenkoPastur(c, 1.3)
    atom = max(0.0, 1.0 - 1.0 / c)
    q = atom + (1.0 - atom) * np.array([1e-9, 1e-3, 0.3, 0.5, 0.9, 0.999999])
    assert np.allclose(law.cdf(law.ppf(q)), q, rtol=1e-12)
    assert law.ppf(1.0) == law.support()[1]
    assert law.ppf(0.0) == law.support()[0]
    assert np.all(law.ppf(np.linspace(0.0, atom, 5)[:4]) == law.support()[0]) or atom == 0.0
    assert law.cdf(-1e-9) == 0.0
    assert law.expect(np.ones_like) == pytest.approx(1.0, rel=1e-9)
    assert law.moments(3) == pytest.approx([law.expect(lambda x, k=k: x**k) for k in (1, 2, 3)], rel=1e-8)
    assert law.moments(4) == pytest.approx([float(exact.MOMENT(k=k, c=c, sigma=1.3)) for k in (1, 2, 3, 4)], rel=1e-13)
    assert law.moment(0) == 1.0
    assert law.var() == pytest.approx(law.moment(2) - law.mean() ** 2, rel=1e-12)


@each
def test_transform(c: float) -> None:
    law = MarchenkoPastur(c, 0.8)
    z = np.array([-1e-6, -0.3, 20.0 * c + 9.0, 0.3 + 0.2j, 0.3 - 0.2j, -1e-9 + 1e-9j])
    g = law.stieltjes(z)
    with mpmath.workdps(40):
        for point, found in zip(z, g):
            w, v = mpmath.mpc(complex(point)), mpmath.mpf(0.8) ** 2
            low, high = (v * (1 + sign * mpmath.sqrt(mpmath.mpf(c))) ** 2 for sign in (-1, 1))
            root = mpmath.sqrt(w - low) * mpmath.sqrt(w - high)
            right = (w - v * (1 - mpmath.mpf(c)) - root) / (2 * c * v * w)
            assert abs(complex(found) - complex(right)) < 1e-9 * abs(complex(right))
    assert g[1] == pytest.approx(-float(theory.RESOLVENT(c=c, lam=0.3, sigma=0.8)), rel=1e-12)
    assert g[3] == pytest.approx(complex(law.expect(lambda x: 1.0 / (z[3] - x))), rel=1e-8)
    assert g[4] == np.conj(g[3])
    assert g[3].imag < 0.0
    np.testing.assert_allclose(1.0 / g[1:5] + law.r_transform(g[1:5]), z[1:5], rtol=1e-11)


def test_draws() -> None:
    law = MarchenkoPastur(2.0)
    draws = law.rvs(20_000, random_state=3)
    # Five standard errors of 20 000 draws: one run in 2 million.
    assert abs(draws.mean() - 1.0) < 5.0 * law.std() / np.sqrt(draws.size)
    assert abs(np.mean(draws == 0.0) - 0.5) < 5.0 * 0.5 / np.sqrt(draws.size)
    assert np.array_equal(draws, law.rvs(20_000, random_state=3))


def test_bad_input_gets_one_line() -> None:
    with pytest.raises(DomainError, match="c = 0 must be positive and finite"):
        MarchenkoPastur(0.0)
    with pytest.raises(DomainError, match="sigma = nan must be positive and finite"):
        MarchenkoPastur(1.0, float("nan"))
    with pytest.raises(DomainError, match=r"z = 0\.5 lies on the support"):
        MarchenkoPastur(0.5).stieltjes(0.5)
    with pytest.raises(DomainError, match=r"z = 0 lies on the support"):
        MarchenkoPastur(2.0).stieltjes(0.0)
    with pytest.raises(DomainError, match="no closed form"):
        MarchenkoPastur(2.0).moment(-1)
