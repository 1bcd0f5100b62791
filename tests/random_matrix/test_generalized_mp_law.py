"""The generalized Marchenko-Pastur law as an object, against 50 digits by another route, and against itself.

Random draws are seeded. The reference solves the polynomial of Silverstein's equation in mpmath and integrates the
density; it shares nothing with the curve and the closed form that the law uses.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.random_matrix.generalized_mp import GeneralizedMarchenkoPastur
from theorylab.derivations.random_matrix.marchenko_pastur import MarchenkoPastur
from theorylab.derivations.random_matrix.silverstein import Population
from theorylab.errors import DomainError

each = pytest.mark.parametrize("c", [0.05, 0.4, 1.0, 3.0])
populations = st.lists(st.tuples(st.floats(0.1, 20.0), st.floats(0.05, 1.0)), min_size=1, max_size=5)
ratios = st.floats(0.02, 8.0)
often = settings(max_examples=7, deadline=None, derandomize=True)


def law_of(c: float, atoms: list[tuple[float, float]]) -> GeneralizedMarchenkoPastur:
    values, masses = np.array(atoms).T
    return GeneralizedMarchenkoPastur(c, values, masses / masses.sum())


def exact_omega(c: float, values: list[float], masses: list[float], z: mpmath.mpc) -> mpmath.mpc:
    """The root of the polynomial (z(omega) - z) prod (omega - t) with the largest imaginary part."""
    t, w = [mpmath.mpf(v) for v in values], [mpmath.mpf(v) for v in masses]

    def times(one: list[mpmath.mpf], other: list[mpmath.mpf]) -> list[mpmath.mpf]:
        out = [mpmath.mpf(0)] * (len(one) + len(other) - 1)
        for i, a in enumerate(one):
            for j, b in enumerate(other):
                out[i + j] += a * b
        return out

    full = [1, mpmath.mpf(c) * mpmath.fsum(a * b for a, b in zip(t, w)) - z]
    for value in t:
        full = times(full, [1, -value])
    for i, (value, mass) in enumerate(zip(t, w)):
        rest = [mpmath.mpf(c) * mass * value**2]
        for other in t[:i] + t[i + 1 :]:
            rest = times(rest, [1, -other])
        for j, term in enumerate(rest):
            full[len(full) - len(rest) + j] += term
    return max(mpmath.polyroots(full, maxsteps=400, extraprec=400), key=lambda root: root.imag)


def exact_density(c: float, values: list[float], masses: list[float], x: mpmath.mpf) -> mpmath.mpf:
    omega = exact_omega(c, values, masses, x)
    return omega.imag / (mpmath.pi * c * abs(omega) ** 2)


CASES = [
    (0.5297, [1.0, 5.0], [0.5, 0.5]),
    (2.0, [1.0, 3.0, 10.0], [0.25, 0.25, 0.5]),
]


@pytest.mark.parametrize(("c", "values", "masses"), CASES)
def test_density_and_tails_to_all_digits(c: float, values: list[float], masses: list[float]) -> None:
    law = GeneralizedMarchenkoPastur(c, values, masses)
    for low, high in law.intervals():
        x = low + (high - low) * np.array([1e-9, 1e-4, 0.03, 0.4, 0.97, 1.0 - 1e-7])
        with mpmath.workdps(50):
            exact = [float(exact_density(c, values, masses, mpmath.mpf(float(v)))) for v in x]
        np.testing.assert_allclose(law.pdf(x), exact, rtol=2e-13)
    low, high = law.intervals()[-1]
    x = high - 0.02 * (high - low)
    with mpmath.workdps(30):
        # The end of the support to 30 digits: the reference's own edge.
        end = mpmath.findroot(
            lambda o: 1 - mpmath.fsum(c * w * (t / (o - t)) ** 2 for t, w in zip(values, masses)),
            law.population.edges[-1].omega,
        )
        top = end * (1 + c * mpmath.fsum(w * t / (end - t) for t, w in zip(values, masses)))
        width = top - mpmath.mpf(x)
        tail = mpmath.quad(lambda s: exact_density(c, values, masses, top - width * s**2) * 2 * s * width, [0, 1])
    assert float(law.sf(x)) == pytest.approx(float(tail), rel=1e-12)


@each
def test_one_atom_is_the_law_of_marchenko_and_pastur(c: float) -> None:
    law, white = GeneralizedMarchenkoPastur(c, [4.0]), MarchenkoPastur(c, 2.0)
    np.testing.assert_allclose(law.intervals()[0], white.edges(), rtol=1e-14, atol=1e-30)
    low, high = white.edges()
    x = low + (high - low) * np.linspace(0.001, 0.999, 9)
    np.testing.assert_allclose(law.pdf(x), white.pdf(x), rtol=1e-12)
    np.testing.assert_allclose(law.cdf(x), white.cdf(x), rtol=1e-11)
    z = np.array([-0.3, 60.0 + 60.0 * c, 1.0 + 0.2j, 1.0 - 0.2j, 1e-9 - 1e-9j])
    np.testing.assert_allclose(law.stieltjes(z), white.stieltjes(z), rtol=1e-11)
    np.testing.assert_allclose(law.moments(5), white.moments(5), rtol=1e-13)
    assert law.var() == pytest.approx(white.var(), rel=1e-14)
    assert sum(mass for _, mass in law.atoms) == pytest.approx(sum(mass for _, mass in white.atoms))


@often
@given(ratios, populations)
def test_it_is_used_like_a_distribution(c: float, atoms: list[tuple[float, float]]) -> None:
    law = law_of(c, atoms)
    assert law.expect(np.ones_like) == pytest.approx(1.0, rel=1e-9)
    assert law.moments(3) == pytest.approx([law.expect(lambda x, k=k: x**k) for k in (1, 2, 3)], rel=1e-9)
    assert law.var() == pytest.approx(law.moment(2) - law.moment(1) ** 2, rel=1e-9)
    q = np.array([1e-6, 0.1, 0.5, 0.9, 0.99999])
    zero = sum(mass for _, mass in law.atoms)
    x = law.ppf(q)
    assert np.all(x[q < zero * (1.0 - 1e-12)] == 0.0)
    np.testing.assert_allclose(law.cdf(x)[q > zero], q[q > zero], rtol=1e-9)
    np.testing.assert_allclose(law.isf(1.0 - q[q > zero]), x[q > zero], rtol=1e-6)
    np.testing.assert_allclose(law.cdf(x) + law.sf(x), 1.0, rtol=1e-12)
    low, high = law.support()
    assert law.cdf(low - 1e-9) == 0.0
    assert law.cdf(high) == 1.0
    assert np.all(law.pdf([low - 0.1, high * 1.001]) == 0.0)


@often
@given(ratios, populations, st.floats(-3.0, 30.0), st.floats(0.01, 5.0))
def test_the_transform_solves_its_equation(c: float, atoms: list[tuple[float, float]], x: float, y: float) -> None:
    law = law_of(c, atoms)
    z = complex(x, y)
    assert law.stieltjes(z) == pytest.approx(complex(law.expect(lambda v: 1.0 / (z - v))), rel=1e-8)
    assert law.stieltjes(z.conjugate()) == law.stieltjes(z).conjugate()
    assert law.stieltjes(z).imag < 0.0
    outside = law.support()[1] * 1.5
    assert law.stieltjes(outside) == pytest.approx(law.expect(lambda v: 1.0 / (outside - v)), rel=1e-8)


def test_a_scale_is_a_scale() -> None:
    one, ten = (GeneralizedMarchenkoPastur(0.7, np.array([1.0, 2.0, 8.0]) * s) for s in (1.0, 10.0))
    x = np.linspace(*one.support(), 7)[1:-1]
    np.testing.assert_allclose(10.0 * ten.pdf(10.0 * x), one.pdf(x), rtol=1e-12)
    np.testing.assert_allclose(ten.cdf(10.0 * x), one.cdf(x), rtol=1e-12)


def test_few_samples_are_wider_than_many() -> None:
    widths = [np.diff(GeneralizedMarchenkoPastur(c, [1.0, 5.0]).support())[0] for c in (0.01, 0.1, 0.5, 0.9)]
    assert np.all(np.diff(widths) > 0.0)


def test_newton_and_brackets_agree() -> None:
    population = Population(0.5301, [1.0, 5.0])
    z = np.array([0.2, 1.6, 1.65, 1.7, 6.0, 11.0, 1.6 + 1e-9j, 3.0 + 2.0j]) + 0j
    np.testing.assert_allclose(population.omega(z), population._bracketed(z, 1200), rtol=1e-9)


def test_a_whole_spectrum_and_zeros_in_the_population() -> None:
    rng = np.random.default_rng(3)
    values = rng.chisquare(2, size=120)
    values[:30] = 0.0
    law = GeneralizedMarchenkoPastur(0.5, values)
    assert law.atoms == ((0.0, 0.25),)
    assert law.expect(np.ones_like) == pytest.approx(1.0, rel=1e-10)
    x = np.sqrt(values)[:, None] * rng.standard_normal((120, 240))
    found = np.linalg.eigvalsh(x @ x.T / 240)
    # One matrix: eigenvalues are rigid, to a few hundredths at 120.
    assert np.max(np.abs(law.cdf(found[30:]) - np.arange(30.5, 120.0) / 120.0)) < 0.03
    assert law.moment(1) == pytest.approx(values.mean(), rel=1e-13)


def test_draws() -> None:
    law = GeneralizedMarchenkoPastur(2.0, [1.0, 5.0])
    draws = law.rvs(4_000, random_state=3)
    # Five standard errors: one run in 2 million.
    assert abs(draws.mean() - 3.0) < 5.0 * law.std() / np.sqrt(draws.size)
    assert abs(np.mean(draws == 0.0) - 0.5) < 5.0 * 0.5 / np.sqrt(draws.size)
    assert np.array_equal(draws, law.rvs(4_000, random_state=3))


def test_spikes() -> None:
    law = GeneralizedMarchenkoPastur(0.5, [1.0])
    seen = law.outlier(4.0)
    assert seen.detached
    assert seen.value == pytest.approx(4.0 * (1.0 + 0.5 / 3.0))
    assert seen.overlap == pytest.approx((1.0 - 0.5 / 9.0) / (1.0 + 0.5 / 3.0))
    assert seen.note == "the spike 4 has an outlier at 4.66667"
    hidden = law.outlier(1.5)
    assert (hidden.value, hidden.overlap, hidden.detached) == (law.support()[1], 0.0, False)
    assert "no outlier: the spike 1.5 is inside" in hidden.note
    assert "at the edge 2.91421 of the bulk" in hidden.note
    # One below the bulk, and one in the gap of a split bulk.
    assert law.outlier(0.1).value < law.support()[0]
    assert law.outlier(0.6).value == law.support()[0]
    split = GeneralizedMarchenkoPastur(0.1, [1.0, 5.0])
    (_, low), (high, _) = split.intervals()
    assert low < split.outlier(2.4).value < high
    assert split.outlier(1.1).value == low


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, [1.0]), "c = 0 must be positive and finite"),
        ((float("nan"), [1.0]), "c = nan must be positive and finite"),
        ((0.5, [1.0, -0.3]), r"population eigenvalue 1 is -0\.3: covariances have none below 0"),
        ((0.5, [float("nan"), 1.0]), "population eigenvalue 0 is nan"),
        ((0.5, [1.0, 2.0], [1.5, -0.5]), r"mass 1 is -0\.5: masses are probabilities"),
        ((0.5, [1.0, 2.0], [0.5, 0.6]), r"the masses sum to 1\.1, not to 1: divide them by their sum"),
        ((0.5, [1.0, 2.0], [1.0]), "2 population eigenvalues need as many masses, at least one; got 1"),
        ((0.5, []), "0 population eigenvalues"),
        ((0.5, [0.0, 1.0], [1.0, 0.0]), "the population is zero"),
    ],
)
def test_bad_input_gets_one_line(arguments, message) -> None:
    with pytest.raises(DomainError, match=message):
        GeneralizedMarchenkoPastur(*arguments)


def test_bad_places_get_one_line() -> None:
    law = GeneralizedMarchenkoPastur(2.0, [1.0, 5.0])
    with pytest.raises(DomainError, match="z = 5 lies on the support"):
        law.stieltjes(5.0)
    with pytest.raises(DomainError, match="z = 0 lies on the support"):
        law.stieltjes(0.0)
    with pytest.raises(DomainError, match=r"q = 1\.5 is not a probability"):
        law.ppf(1.5)
    with pytest.raises(DomainError, match="no closed form"):
        law.moment(-1)
    with pytest.raises(DomainError, match="the spike -1 is not a population eigenvalue"):
        law.outlier(-1.0)
