"""Asymptotic and Exponent, and the fits behind them.

Statistical tests use fixed seeds; each states its chance of a false alarm at a fresh seed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from scipy import stats
from synthetic import A, N, T, closed, judge, make, noise

from theorylab.checks import Asymptotic, Exponent
from theorylab.checks.fits import fit, power_design
from theorylab.claim import Mutant
from theorylab.errors import DesignError
from theorylab.inference import means
from theorylab.inference.means import Moments

SIZES = (10, 20, 40, 80)
FLAT = closed(A.symbol, A)


def asymptotic(check=None, prediction=FLAT, *, trials=2048, margin=0.02, sizes=SIZES):
    """A claim on a limit at a = 1."""
    return make(
        check or Asymptotic(size="n"),
        prediction,
        points=[{"a": 1.0}],
        sizes=sizes,
        trials=trials,
        margin=margin,
        parameters=[N],
    )


def around(truth, rng, *, trials=2048, sd=0.05, sizes=SIZES, kind="normal"):
    """Samples with mean `truth(n)` at each size."""
    return [truth(float(n)) + sd * noise(kind, rng, trials) for n in sizes]


def test_fit_solves_weighted_least_squares(rng):
    """With errors that follow a power law exactly: SciPy-free normal equations, and a chi-square residual."""
    n = np.array([10.0, 20.0, 40.0, 80.0, 160.0])
    design = power_design(n, [0, -1])
    error = 0.3 * n**-0.4
    y = 1.0 + 2.0 / n + error * rng.normal(size=5)
    fitted = fit(n, design, y, error)
    weight = np.diag(error**-2.0)
    expected = np.linalg.solve(design.T @ weight @ design, design.T @ weight)
    np.testing.assert_allclose(fitted.rows, expected, rtol=1e-9)
    np.testing.assert_allclose(fitted.remainder @ y, y - design @ expected @ y, atol=1e-12)
    assert fitted.residual == pytest.approx(np.sum(((y - design @ expected @ y) / error) ** 2), rel=1e-9)
    assert fitted.freedom == 3
    assert not fitted.lopsided


def test_any_weights_reproduce_the_model(rng):
    """Whatever the errors, a sequence of the model's form is fitted exactly."""
    n = np.array(SIZES, dtype=float)
    for order in (1, 2):
        design = power_design(n, [-float(k) for k in range(order + 1)])
        coefficients = rng.normal(size=order + 1)
        for error in (rng.random(4) + 0.1, np.zeros(4)):
            rows = fit(n, design, design @ coefficients, error).rows
            np.testing.assert_allclose(rows @ design, np.eye(order + 1), atol=1e-9)


def test_weights_come_from_a_power_law(rng):
    """One wild standard error among four does not take the weight away from its size."""
    n = np.array(SIZES, dtype=float)
    design = power_design(n, [0, -1])
    smooth = fit(n, design, n, np.ones(4)).rows[0]
    wild = fit(n, design, n, np.array([1.0, 1.0, 0.2, 1.0])).rows[0]
    own = np.linalg.solve(design.T @ np.diag([1, 1, 25, 1]) @ design, design.T @ np.diag([1, 1, 25, 1]))[0]
    assert np.abs(wild - smooth).max() < 0.5 * np.abs(own - smooth).max()


def test_power_design_is_normalised_at_the_largest_size():
    design = power_design([10, 1000, 10**6], [0, -2, 3])
    np.testing.assert_allclose(design[-1], 1.0)
    np.testing.assert_allclose(design[0], [1.0, 1e10, 1e-15])


def test_residuals_have_a_chi_square_law(rng):
    """False alarm 1e-4: Kolmogorov-Smirnov over 2000 fits."""
    n = np.array(SIZES, dtype=float)
    design = power_design(n, [0, -1])
    residual = [fit(n, design, 1 + 3 / n + rng.normal(size=4) / n, 1 / n).residual for _ in range(2000)]
    assert stats.kstest(residual, stats.chi2(2).cdf).pvalue > 1e-4


def test_tension():
    n = np.array(SIZES, dtype=float)
    design = power_design(n, [0, -1])
    bent = np.array([0.0, 1.0, 0.0, 1.0])
    assert "chi-square" in str(fit(n, design, bent, 0.01 * np.ones(4)).tension(1e-6))
    assert fit(n, design, bent, 10 * np.ones(4)).tension(1e-6) is None
    assert "same value" in str(fit(n, design, bent, np.array([1.0, 0.0, 1.0, 1.0])).tension(1e-6))
    # A deterministic sequence has no noise to compare residuals with.
    assert fit(n, design, bent, np.zeros(4)).tension(1e-6) is None


def test_corrections_for_fitted_weights(rng):
    """Exponential noise, 16 trials a size: bias and variance of the coefficient against 4000 fits.

    Without the corrections the standard error is too small by a tenth. False alarm below 1e-6: six standard errors.
    """
    n = np.array(SIZES, dtype=float)
    design = power_design(n, [0, -1])
    value, error, plain = [], [], []
    for _ in range(4000):
        moments = [Moments.of(noise("exponential", rng, 16)) for _ in n]
        y = np.array([m.mean for m in moments])
        fitted = fit(n, design, y, np.array([np.sqrt(m.variance / m.n) for m in moments]))
        estimate = fitted.coefficient(0, moments)
        value.append(float(estimate.value))
        error.append(float(estimate.error) ** 2)
        raw = means.combination(list(fitted.rows[0]), moments)
        plain.append((float(raw.value), float(raw.error) ** 2))
    spread, claimed = np.std(value), np.sqrt(np.mean(error))
    raw_value, raw_error = np.array(plain).T
    noise_of_mean = spread / np.sqrt(len(value))
    assert abs(np.mean(value)) < max(0.5 * abs(raw_value.mean()), 6 * noise_of_mean)
    assert abs(claimed / spread - 1) < abs(np.sqrt(raw_error.mean()) / raw_value.std() - 1)
    assert claimed == pytest.approx(spread, rel=0.08)


def test_asymptotic_holds_and_reports_its_coefficient(rng):
    """Truth 1 + 0.5/n: limit and coefficient. False alarm 1e-6 (the verdict), 1e-6 (five standard errors)."""
    verdict = judge(asymptotic(), around(lambda n: 1 + 0.5 / n, rng))
    assert verdict.status == "holds"
    (note,) = [x for x in verdict.notes if x.startswith("coefficient of n^-1")]
    value, error = (float(x) for x in note.split(": ")[1].replace(" (1 s.e.)", "").split(" +- "))
    assert abs(value - 0.5) < 5 * error
    assert error < 0.2


def test_asymptotic_refutes_another_limit(rng):
    """False alarm 1e-6 each."""
    for limit in (1.06, 0.94):
        verdict = judge(asymptotic(), around(lambda n, limit=limit: limit + 0.5 / n, rng))
        assert verdict.status == "fails"


def test_a_single_size_would_have_agreed(rng):
    """Truth 0.95 + 4/n: within a per cent of 1 at n = 80, but the limit is 5 % off. False alarm 1e-6."""
    samples = around(lambda n: 0.95 + 4 / n, rng, sd=0.02)
    assert abs(samples[-1].mean() - 1.0) < 0.02
    assert judge(asymptotic(), samples).status == "fails"


def test_asymptotic_with_another_rate_is_not_confirmed(rng):
    """A correction like n^-0.3 that is taken for 1/n: residuals, rate or drift must leave it open."""
    verdict = judge(
        asymptotic(margin=0.05, trials=8192), around(lambda n: 1 + 0.3 * n**-0.3, rng, sd=0.02, trials=8192)
    )
    assert verdict.status != "holds"


def test_mutant_of_another_rate_is_rejected(rng):
    """Truth 1 + 0.5/n. A mutant that is 1 + 2 n^-0.3 has the right limit; its differences do not fall like 1/n."""
    size = N.symbol
    right = asymptotic(prediction=closed(A.symbol, A, N), margin=0.05, trials=8192)
    claim = replace(right, mutants=[Mutant("slow", 1 + 2 / size**0.3)])
    samples = around(lambda n: 1 + 0.5 / n, rng, sd=0.02, trials=8192)
    assert judge(claim, samples).mutants == {"slow": True}
    # Where the right prediction does not follow the rate either, that tells nothing of the mutant.
    bent = around(lambda n: 1 + 0.5 / n + 1 / n**0.3, rng, sd=0.02, trials=8192)
    assert judge(replace(right, mutants=[Mutant("part", 1 + 0.8 / size**0.3)]), bent).mutants == {"part": False}


def test_rate_is_compared_where_it_is_seen(rng):
    """Limit inside a wide margin, but the correction falls like n^-2 and not like n^-1/2."""
    claim = asymptotic(Asymptotic(size="n", rate=0.5), margin=0.5)
    verdict = judge(claim, around(lambda n: 1 + 30 / n**2, rng, sd=0.01))
    assert verdict.status == "inconclusive"
    right = judge(asymptotic(Asymptotic(size="n", rate=2.0), margin=0.5), around(lambda n: 1 + 30 / n**2, rng, sd=0.01))
    assert right.status == "holds"


def test_second_order_fits_what_the_first_does_not(rng):
    """Truth 1 + 1/n + 20/n^2. False alarm 1e-6."""
    samples = around(lambda n: 1 + 1 / n + 20 / n**2, rng, sd=0.002)
    assert judge(asymptotic(Asymptotic(size="n", order=2), margin=0.01), samples).status == "holds"
    assert judge(asymptotic(margin=0.001), samples).status != "holds"


def test_limit_that_moves_without_the_smallest_size_is_doubted(rng):
    """Truth 1.025 + 0.4/n + 12/n^2 at a margin of 0.02: the fit of 1/n alone lands near 1, wrongly."""
    samples = around(lambda n: 1.025 + 0.4 / n + 12 / n**2, rng, sd=0.05, trials=4096)
    verdict = judge(asymptotic(margin=0.02, trials=4096), samples)
    assert abs(verdict.estimate - 1.0) < 0.01
    assert max(np.abs(verdict.interval) - 1.0) < 0.02, "without the doubt it would have been confirmed"
    assert verdict.status != "holds"
    assert any("without the smallest size" in note for note in verdict.notes)


def test_prediction_that_depends_on_the_size(rng):
    """f(n) = a (1 + 1/n): only what is left over must vanish. False alarm 1e-6."""
    claim = asymptotic(prediction=closed(A.symbol * (1 + 1 / N.symbol), A, N))
    assert judge(claim, around(lambda n: 1 + 1 / n + 0.3 / n, rng)).status == "holds"


def test_errors_of_all_sizes_enter_the_limit(rng):
    """Numerical error e at every size gives e times the sum of the absolute weights, more than e."""
    from dataclasses import replace

    exact = asymptotic()
    rough = asymptotic(prediction=replace(FLAT, rtol=1e-3))
    samples = around(lambda n: 1 + 0.5 / n, rng)
    a, b = (judge(c, samples) for c in (exact, rough))
    assert b.prediction_error > 1.3e-3
    assert b.findings[0].discrepancy[1] - a.findings[0].discrepancy[1] == pytest.approx(b.prediction_error, rel=0.01)


def test_deterministic_sequence():
    """No spread at all: the limit is that of the fit, doubted by what the smallest size changes."""
    truth = [np.full(64, 1 + 0.5 / n) for n in SIZES]
    assert judge(asymptotic(trials=64), truth).status == "holds"
    other = [np.full(64, 1.1 + 0.5 / n) for n in SIZES]
    assert judge(asymptotic(trials=64), other).status == "fails"


def test_sizes_without_spread_beside_others_decide_nothing(rng):
    samples = around(lambda n: 1 + 0.5 / n, rng)
    samples[0][:] = 1.05
    verdict = judge(asymptotic(), samples)
    assert verdict.status == "inconclusive"
    assert any("same value" in note for note in verdict.notes)


@pytest.mark.parametrize("check", [Asymptotic(size="n"), Exponent(size="n")])
def test_a_trend_needs_four_sizes(check):
    claim = asymptotic(check, sizes=(10, 20, 40))
    with pytest.raises(DesignError, match="3 sizes; a trend needs at least 4"):
        claim.check.cells(claim, claim.budget("quick"))


def test_sizes_must_differ():
    claim = asymptotic(sizes=(10, 20, 30, 60))
    with pytest.raises(DesignError, match="sizes 20 and 30 are less than a factor of 2 apart"):
        claim.check.cells(claim, claim.budget("quick"))


def test_cells_and_groups_of_sizes():
    claim = make(Asymptotic(size="n"), FLAT, points=[{"a": 1.0}, {"a": 2.0}], sizes=(80, 10, 40, 20), parameters=[N])
    budget = claim.budget("quick")
    cells = claim.check.cells(claim, budget)
    assert [c.params["n"] for c in cells] == [10, 20, 40, 80] * 2
    assert claim.check.groups(claim, budget, cells) == [(0, 1, 2, 3), (4, 5, 6, 7)]


def power(prediction=None, drift=None, margin=0.05, trials=2048):
    """A claim on an exponent -a at a = 1."""
    check = Exponent(size="n", drift=drift)
    return make(
        check,
        prediction or closed(-A.symbol, A),
        points=[{"a": 1.0}],
        sizes=SIZES,
        margin=margin,
        trials=trials,
        parameters=[N],
    )


def test_exponent_holds_and_fails(rng):
    """Relative spread 1/2. False alarm 1e-6 each."""
    for exponent, expected in [(-1.0, "holds"), (-1.15, "fails"), (-0.85, "fails")]:
        samples = [n**exponent * (1 + 0.5 * noise("exponential", rng, 2048)) for n in map(float, SIZES)]
        verdict = judge(power(), samples)
        assert verdict.status == expected
        assert verdict.estimate == pytest.approx(exponent, abs=0.08)


def test_exponent_corrected_for_drift(rng):
    """Truth (1 + 3/n)/n: the plain slope is off by a tenth, the corrected one is not. False alarm 1e-6."""
    samples = [(1 + 3 / n) / n * (1 + 0.05 * rng.normal(size=4096)) for n in map(float, SIZES)]
    assert judge(power(drift=-1.0, trials=4096), samples).status == "holds"
    assert judge(power(trials=4096), samples).status != "holds"


def test_exponent_with_drift_at_small_sizes(rng):
    """Truth n (1 + n/400): the law holds at small sizes. False alarm 1e-6."""
    samples = [n * (1 + n / 400) * (1 + 0.02 * rng.normal(size=4096)) for n in map(float, SIZES)]
    claim = power(closed(A.symbol, A), drift=1.0, trials=4096)
    assert judge(claim, samples).status == "holds"


def test_exponent_of_what_is_no_power_law_is_left_open(rng):
    samples = [np.exp(-n / 20) * (1 + 0.01 * rng.normal(size=2048)) for n in map(float, SIZES)]
    verdict = judge(power(margin=10.0), samples)
    assert verdict.status == "inconclusive"
    assert any("do not follow the model" in note for note in verdict.notes)


def test_exponent_needs_positive_means():
    with pytest.raises(DesignError, match="positive means"):
        judge(power(), [np.full(2048, -1.0)] * 4)


def test_exponent_separation():
    claim = power()
    cells = claim.check.cells(claim, claim.budget("quick"))
    assert claim.check.separation(claim, closed(-A.symbol / 2, A), claim.budget("quick"), cells, [{}] * 4) == 0.5


def test_statements():
    assert "n^-1" in Asymptotic(size="n").statement()
    assert "n^f" in Exponent(size="n").statement()


TIMES = np.array([1.0, 3.0, 10.0])
CURVE = closed(A.symbol / T.symbol, A, T)


def curves(truth, rng, *, trials=4096, sd=0.05):
    """Samples of a curve over `TIMES` with mean `truth(n, t)`, its points correlated."""
    return [
        truth(float(n), TIMES) * (1.0 + sd * (rng.normal(size=(trials, 1)) + 0.3 * rng.normal(size=(trials, 3))))
        for n in SIZES
    ]


def curve_claim(prediction=CURVE, *, margin=0.02, mutants=()):
    return make(
        Asymptotic(size="n"),
        prediction,
        points=[{"a": 1.0, "t": TIMES}],
        sizes=SIZES,
        trials=4096,
        margin=margin,
        parameters=[N],
        mutants=mutants,
    )


def test_a_curve_is_extrapolated_at_every_point(rng):
    """Truth (1 + t/(5n))/t: holds, with a coefficient for each time. False alarm 1e-6, five standard errors."""
    verdict = judge(curve_claim(), curves(lambda n, t: (1 + 0.2 * t / n) / t, rng))
    assert verdict.status == "holds"
    (note,) = [x for x in verdict.notes if x.startswith("coefficient of n^-1 (relative, each component)")]
    pairs = [part.split(" +- ") for part in note.split(": ")[1].replace(" (1 s.e.)", "").split(", ")]
    for (value, error), expected in zip(pairs, 0.2 * TIMES, strict=True):
        assert abs(float(value) - expected) < 5 * float(error)


def test_a_curve_wrong_at_one_time_fails(rng):
    """Six per cent at the last time only. False alarm 1e-6."""
    verdict = judge(curve_claim(), curves(lambda n, t: (1 + 0.2 / n) * np.where(t > 5, 1.06, 1.0) / t, rng))
    assert verdict.status == "fails"
    assert "component 2" in verdict.findings[0].where


def test_each_size_is_compared_with_its_own_prediction(rng):
    """f(n, t) = a t/n^2 shrinks; the excess is 1/n of it, so that only the ratio to f follows the model."""
    shrinking = closed(A.symbol * T.symbol / N.symbol**2, A, N, T)
    samples = curves(lambda n, t: t / n**2 * (1 + 2 / n), rng)
    assert judge(curve_claim(shrinking), samples).status == "holds"
    wrong = closed(sp.Rational(106, 100) * A.symbol * T.symbol / N.symbol**2, A, N, T)
    assert judge(curve_claim(wrong), samples).status == "fails"


def test_a_bent_component_cannot_hide_another_that_fails(rng):
    """The first component follows no 1/n and decides nothing; the last is six per cent off. False alarm 1e-6."""
    samples = curves(lambda n, t: np.where(t < 2, 1 + 0.1 * np.cos(n), np.where(t > 5, 1.06, 1.0)) / t, rng, sd=0.01)
    assert judge(curve_claim(), samples).status == "fails"
    samples = curves(lambda n, t: np.where(t < 2, 1 + 0.1 * np.cos(n), 1.0) / t, rng, sd=0.01)
    verdict = judge(curve_claim(), samples)
    assert verdict.status == "inconclusive"
