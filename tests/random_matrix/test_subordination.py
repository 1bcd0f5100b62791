"""A given spectrum under free noise: closed cases, both tails, moments, transforms, matrices, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.random_matrix import rmt_marchenko_pastur as wishart
from theorylab.derivations.random_matrix.semicircle import Semicircle
from theorylab.derivations.random_matrix.subordination import BatchLaw, DeformedSemicircle, SubordinatedLaw
from theorylab.errors import DomainError

quickly = settings(max_examples=20, deadline=None, derandomize=True)
spectra = st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=8, unique=True)
scales = st.floats(0.05, 5.0)


def gram(ratio: float, samples: int = 2_000) -> np.ndarray:
    """Quantiles of the spectrum of a Gram matrix of white data, with its zeros: P = ratio N."""
    p = round(ratio * samples)
    x = np.linspace(float(wishart.LOWER_EDGE(c=ratio)), float(wishart.UPPER_EDGE(c=ratio)), 40_001)
    return np.append(np.zeros(samples - p), np.interp((np.arange(p) + 0.5) / p, wishart.CDF(x=x, c=ratio), x))


@quickly
@given(scales, st.floats(-2.0, 2.0))
def test_one_level_gives_the_semicircle(s: float, level: float) -> None:
    law, exact = DeformedSemicircle([level], s), Semicircle(s)
    x = np.linspace(-2.2, 2.2, 23) * s
    assert law.pdf(x + level) == pytest.approx(exact.pdf(x), abs=1e-10 / s)
    assert law.cdf(x + level) == pytest.approx(exact.cdf(x), abs=1e-10)
    assert law.support() == pytest.approx((level - 2 * s, level + 2 * s), abs=1e-10 * s)
    z = np.array([0.3 + 0.1j, 2.4 + 1e-3j, -1.0 - 0.2j]) * s
    assert law.stieltjes(z + level) == pytest.approx(exact.stieltjes(z), rel=1e-9)


def test_a_semicircle_and_a_semicircle_are_one() -> None:
    """The error of 4000 quantiles."""
    levels = Semicircle(0.8).ppf((np.arange(4_000) + 0.5) / 4_000)
    law, exact = DeformedSemicircle(levels, 0.6), Semicircle(1.0)
    x = np.linspace(-2.1, 2.1, 15)
    assert law.cdf(x) == pytest.approx(exact.cdf(x), abs=1e-6)
    assert law.edge() == pytest.approx(2.0, abs=2e-4)


@pytest.mark.parametrize("t", [0.8, 0.5, 0.2])
def test_batches_of_white_data_follow_marchenko_pastur(t: float) -> None:
    """The law of ratio P/N goes to that of ratio P/B, with its zeros; the error of the quantiles."""
    ratio = 0.25
    law = BatchLaw(gram(ratio), t)
    c = ratio / t
    x = np.array([-0.5, 0.05, 0.3, 1.0, 2.0, 3.0, 5.0])
    assert law.cdf(x) == pytest.approx(c * wishart.CDF(x=x, c=c) + (1 - c) * (x >= 0), abs=5e-6)
    assert law.edge() == pytest.approx(float(wishart.UPPER_EDGE(c=c)), rel=3e-3)
    assert law.moments(2) == pytest.approx([c, c * (1 + c)], rel=1e-4)
    if c < 1:
        assert law.atoms == ((0.0, pytest.approx(1 - c, abs=1e-9)),)
        assert law.cdf(0.0) == pytest.approx(1 - c, abs=1e-9)


def test_batches_of_batches_are_batches() -> None:
    whole = np.array([0.0, 0.0, 0.5, 0.7, 1.0, 1.3, 2.0, 4.0])
    half = BatchLaw(whole, 0.5)
    levels = half.ppf((np.arange(300) + 0.5) / 300)
    x = np.linspace(0.1, 8.0, 20)
    assert BatchLaw(levels, 0.6).cdf(x) == pytest.approx(BatchLaw(whole, 0.3).cdf(x), abs=2e-3)


@quickly
@given(spectra, st.floats(0.1, 2.0))
def test_the_mirror_image(levels: list[float], s: float) -> None:
    law, mirror = DeformedSemicircle(levels, s), DeformedSemicircle([-v for v in levels], s)
    x = np.linspace(-3.0 - 2 * s, 3.0 + 2 * s, 9)
    assert law.cdf(x) + mirror.cdf(-x) == pytest.approx(1.0, abs=1e-9)
    assert law.support() == pytest.approx([-v for v in reversed(mirror.support())], abs=1e-9)


LAWS: list[SubordinatedLaw] = [
    DeformedSemicircle([-1.0, 0.5, 3.0], 0.4, [0.2, 0.5, 0.3]),
    DeformedSemicircle([-2.0, 0.0, 0.1, 2.0], 1.5),
    BatchLaw([0.0, 0.5, 1.0, 4.0], 0.6),
    BatchLaw([0.0, 1.0, 2.0], 0.25, [0.5, 0.3, 0.2]),
    BatchLaw([0.0, 1.0, 2.0], 0.9, [0.5, 0.3, 0.2]),
]


@pytest.mark.parametrize("law", LAWS)
def test_density_distribution_and_moments_are_of_one_law(law: SubordinatedLaw) -> None:
    """By the trapezoidal rule along the curve, with square-root edges on a grid of 20000 points."""
    x, density, rising = law.curve(law.grid(20_000))
    assert np.all(np.diff(x) >= -1e-12)
    assert np.all(np.diff(rising) >= -1e-9)
    assert rising[[0, -1]] == pytest.approx([0.0, 1.0], abs=1e-9)
    for order in range(5):
        atoms = sum(mass * place**order for place, mass in law.atoms)
        found = np.trapezoid(x**order * density, x) + atoms
        assert found == pytest.approx(law.moment(order), abs=2e-3 * np.max(np.abs(x)) ** order)


@quickly
@given(spectra, st.floats(0.2, 2.0), st.floats(0.15, 0.9), st.floats(-3.0, 3.0), st.floats(0.01, 2.0))
def test_the_transform_is_the_integral_of_the_law(levels: list[float], s: float, t: float, x: float, y: float) -> None:
    law = DeformedSemicircle(levels, s)
    g = complex(law.stieltjes(x + 1j * y))
    omega = x + 1j * y - s**2 * g
    assert g == pytest.approx(np.mean(1.0 / (omega - np.array(levels))), rel=1e-9)
    assert complex(law.stieltjes(x - 1j * y)) == pytest.approx(g.conjugate(), rel=1e-12)
    assert g.imag < 0.0
    batch = BatchLaw(np.abs(levels) + np.linspace(0.0, 0.5, len(levels)), t)
    g = complex(batch.stieltjes(x + 1j * y))
    assert g.imag < 0.0
    far = 1e4 * (1.0 + 1.0j)
    assert complex(batch.stieltjes(far)) * far == pytest.approx(1.0 + batch.mean() / far, rel=1e-6)


def test_two_levels_split_where_the_noise_is_as_wide() -> None:
    middle = [float(DeformedSemicircle([-1.0, 1.0], s).pdf(0.0)) for s in (0.9, 0.999, 1.001, 1.1)]
    assert middle[:2] == [0.0, 0.0]
    assert 0.0 < middle[2] < middle[3]


def test_the_outlier_leaves_at_the_edge() -> None:
    levels = np.linspace(-1.0, 1.0, 400)
    for law in (DeformedSemicircle(levels, 0.7), BatchLaw(levels + 1.5, 0.3)):
        strengths = law.places[-1] + np.geomspace(1e-3, 8.0, 300)
        place, rate = law.outlier(strengths)
        assert place[0] == law.edge()
        assert rate[0] == 0.0 < rate[-1]
        assert np.all(np.diff(place) >= 0.0)
        assert np.all(np.diff(rate) >= 0.0)
        first = int(np.argmax(rate > 0.0))
        assert place[first] == pytest.approx(law.edge(), rel=1e-3)


def test_matrices_have_these_spectra() -> None:
    """One matrix of 600 rows: the distribution function is within a few 1/P of the law, the false-alarm rate nil."""
    rng = np.random.default_rng(11)
    size = 600
    w = rng.standard_normal((size, size))
    levels = rng.gamma(2.0, size=size)
    found = np.linalg.eigvalsh(np.diag(levels) + 0.5 * (w + w.T) / np.sqrt(2.0 * size))
    middle = (np.arange(size) + 0.5) / size
    assert DeformedSemicircle(levels, 0.5).cdf(found) == pytest.approx(middle, abs=6.0 / size)
    haar = np.linalg.qr(rng.standard_normal((size, size)))[0]
    part = size // 3
    corner = ((haar * levels) @ haar.T)[:part, :part] * size / part
    found = np.linalg.eigvalsh(corner)
    assert BatchLaw(levels, part / size).cdf(found) == pytest.approx((np.arange(part) + 0.5) / part, abs=6.0 / part)


def test_laws_are_used_like_those_of_scipy() -> None:
    law = DeformedSemicircle([-1.0, 0.5, 3.0], 0.4, [0.2, 0.5, 0.3])
    q = np.array([0.05, 0.2, 0.5, 0.95])
    assert law.cdf(law.ppf(q)) == pytest.approx(q, abs=1e-9)
    assert law.mean() == pytest.approx(0.95)
    assert law.var() == pytest.approx(0.2 * 1.95**2 + 0.5 * 0.45**2 + 0.3 * 2.05**2 + 0.16, rel=1e-6)
    assert law.rvs(5, random_state=1).shape == (5,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeformedSemicircle([0.0, np.nan], 1.0), "finite numbers"),
        (lambda: DeformedSemicircle([], 1.0), "at least one"),
        (lambda: DeformedSemicircle([0.0, 1.0], 0.0), "s = 0 is not a standard deviation"),
        (lambda: DeformedSemicircle([0.0, 1.0], 1.0, [0.7, 0.7]), "sum to one"),
        (lambda: DeformedSemicircle([0.0, 1.0], 1.0, [1.5, -0.5]), "not negative"),
        (lambda: BatchLaw([0.0, 1.0], 1.0), "part of a data set"),
        (lambda: BatchLaw([1.0, 1.0], 0.5), "one point"),
        (lambda: DeformedSemicircle([0.0], 1.0).stieltjes(0.5), "real line"),
        (lambda: DeformedSemicircle([0.0], 1.0).moment(-1), "orders are 0, 1, 2"),
        (lambda: BatchLaw([0.0, 1.0], 0.5).moment(0.5), "orders are 0, 1, 2"),
        (lambda: DeformedSemicircle([0.0], 1.0).ppf(1.5), "not a probability"),
    ],
)
def test_bad_input_is_named(make, message: str) -> None:
    with pytest.raises(DomainError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
