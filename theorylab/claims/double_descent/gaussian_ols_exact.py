"""Exact finite-size risks of least squares and minimum-norm interpolation.

The proportional limit has its claims in `gaussian_ols_exact_limit`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

Formula = Callable[..., Any]

BREIMAN = Source(
    authors="Breiman, Leo and Freedman, David",
    title="How Many Variables Should Be Entered in a Regression Equation?",
    year=1983,
    journal="Journal of the American Statistical Association 78(381), 131-136",
    doi="10.1080/01621459.1983.10477941",
)
BELKIN = Source(
    authors="Belkin, Mikhail and Hsu, Daniel and Xu, Ji",
    title="Two Models of Double Descent for Weak Features",
    year=2020,
    where="section 2, Theorem 1",
    arxiv="1903.07571v2",
    journal="SIAM Journal on Mathematics of Data Science 2(4), 1167-1180",
    doi="10.1137/20M1336072",
)
theory = Theory(
    "double_descent/gaussian-ols-exact",
    title="Exact risks of least squares and minimum-norm interpolation on Gaussian designs",
    source=BELKIN,
)

# Blocks are large: the fourth moment of a risk near the threshold is seen in thousands of trials only, and a mean
# is not trusted before.
#
# Sizes of the paper budgets: 40 numbers of features from 1 to 10 n on a logarithmic scale, without the
# neighbourhood of n = 100, where the fourth moment of the risk is infinite or nearly so.
PAPER_P = [
    *(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20, 24, 28, 33, 40, 48, 56, 64, 72, 80, 86),
    *(116, 122, 130, 140, 160, 180, 200, 250, 300, 360, 430, 510, 600, 720, 850, 1000),
]
HIDDEN = [
    {"n": 30, "p": 10, "decay": 1.0},
    {"n": 30, "p": 60, "decay": 0.5},
    {"n": 30, "p": 60, "decay": -0.5},
]
HIDDEN_PAPER_P = [5, 10, 15, 20, 25, 30, 50, 60, 70, 80, 90, 100]


@theory.claim
def excess_risk() -> Claim:
    """The mean excess risk of the minimum-norm least-squares fit of n Gaussian samples with p features is
    sigma2 p/(n-p-1) for p <= n-2 and r2 (1-n/p) + sigma2 n/(p-n-1) for p >= n+2.

    Infinite for |n - p| <= 1. The mean exists from |n - p| = 2 on, the variance of the risk only from 4 and its
    fourth moment from 8 on: points nearer to the threshold would need medians. At equal distance from the
    threshold the risk is symmetric but for the bias: exchanging n and p exchanges the two variances.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.derivations.double_descent import gaussian_ols_exact_steps as steps
    from theorylab.sims.double_descent.least_squares import minimum_norm

    below, above, n, p = steps.excess_below, steps.excess_above, d.n, d.p
    return Claim(
        prediction=d.excess_risk,
        simulation=minimum_norm,
        check=Expectation("excess"),
        points=grid(n=30, p=[20, 42, 60]),
        mutants=[
            Mutant(
                "n - p instead of n - p - 1",
                d.two_sided(d.sigma2 * p / (n - p), d.r2 * (1 - n / p) + d.sigma2 * n / (p - n)),
            ),
            Mutant(
                "p/(p-n-1) instead of n/(p-n-1)",
                d.two_sided(below(n, p, d.sigma2), d.r2 * (1 - n / p) + d.sigma2 * p / (p - n - 1)),
            ),
            Mutant(
                "bias 1 - p/n instead of 1 - n/p",
                d.two_sided(below(n, p, d.sigma2), d.r2 * (1 - p / n) + d.sigma2 * n / (p - n - 1)),
            ),
            Mutant("no bias", d.two_sided(below(n, p, d.sigma2), above(n, p, d.sigma2, 0))),
        ],
        budgets={
            "quick": Budget(trials=60_000, margin=0.033, block=7500),
            "standard": Budget(
                trials=600_000, margin=0.01, points=grid(n=30, p=[6, 12, 20, 42, 60, 120]), block=37_500
            ),
            "paper": Budget(trials=2_000_000, margin=0.01, points=grid(n=100, p=PAPER_P), block=20_000),
        },
    )


@theory.claim
def training_error() -> Claim:
    """The mean training error of the fit is sigma2 (1 - p/n) for p < n and 0 for p >= n.

    The sum of squares is divided by n. It vanishes where the test error peaks, so that it says nothing of the
    second descent; there is no exception at |n - p| <= 1.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.sims.double_descent.least_squares import minimum_norm

    n, p, sigma2 = d.n, d.p, d.sigma2
    return Claim(
        prediction=d.training_error,
        simulation=minimum_norm,
        check=Expectation("train", scale="absolute"),
        points=grid(n=30, p=[6, 20, 31]),
        parameters=[d.R2],
        mutants=[
            Mutant("n - p - 1 degrees of freedom", d.two_sided(sigma2 * (n - p - 1) / n, 0)),
            Mutant("divided by n - p", d.two_sided(sigma2, 0)),
            Mutant("continued above the threshold", sigma2 * (n - p) / n),
        ],
        budgets={
            "quick": Budget(trials=60_000, margin=0.005),
            "standard": Budget(trials=600_000, margin=0.002, points=grid(n=30, p=[6, 12, 20, 28, 30, 31, 60])),
            "paper": Budget(trials=1_000_000, margin=0.0015, points=grid(n=100, p=[5, 20, 50, 80, 95, 100, 200])),
        },
    )


@theory.claim
def squared_norm() -> Claim:
    """The mean squared norm of the fitted coefficients is r2 min(1, n/p) plus the variance of the fit.

    The norm peaks at the threshold with the risk and falls beyond it: of the interpolating solutions the one of
    least norm is a small one because many features leave a choice.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.derivations.double_descent import gaussian_ols_exact_steps as steps
    from theorylab.sims.double_descent.least_squares import minimum_norm

    n, p, sigma2, r2 = d.n, d.p, d.sigma2, d.r2
    below, above = steps.norm_below(n, p, sigma2, r2), steps.norm_above(n, p, sigma2, r2)
    return Claim(
        prediction=d.squared_norm,
        simulation=minimum_norm,
        check=Expectation("norm"),
        points=grid(n=30, p=[12, 42, 60]),
        mutants=[
            Mutant("signal not shrunk above the threshold", d.two_sided(below, above + r2 * (1 - n / p))),
            Mutant("signal shrunk twice", d.two_sided(below, above - r2 * n / p * (1 - n / p))),
            Mutant("without the noise", d.two_sided(r2, r2 * n / p)),
            Mutant("p/(p-n-1) instead of n/(p-n-1)", d.two_sided(below, r2 * n / p + sigma2 * p / (p - n - 1))),
        ],
        budgets={
            "quick": Budget(trials=40_000, margin=0.03, block=5000),
            "standard": Budget(
                trials=400_000, margin=0.01, points=grid(n=30, p=[6, 12, 20, 42, 60, 120]), block=25_000
            ),
            "paper": Budget(
                trials=1_000_000, margin=0.005, points=grid(n=100, p=[10, 50, 80, 130, 200, 1000]), block=20_000
            ),
        },
    )


@theory.claim(source=BREIMAN)
def general_covariance() -> Claim:
    """For p <= n-2 the mean excess risk on fresh features is sigma2 p/(n-p-1) whatever their covariance.

    Least squares commutes with every invertible linear map of the features. For p > n this is lost: the least
    norm prefers directions, and the risk depends on the covariance and on the signal's place in it.
    """
    import numpy as np

    from theorylab.checks import Expectation
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.sims.double_descent.least_squares import correlated

    def unweighted(value: Any, p: Any, spread: Any, **_: Any) -> Any:
        return value * np.mean(np.arange(1.0, p + 1.0) ** spread)

    def weighted_once_too_often(value: Any, p: Any, spread: Any, **_: Any) -> Any:
        return value * np.mean(np.arange(1.0, p + 1.0) ** -spread)

    return Claim(
        prediction=d.correlated_excess_risk,
        simulation=correlated,
        check=Expectation("excess"),
        points=[{"n": 30, "p": 20, "spread": 1.0}, {"n": 30, "p": 20, "spread": -2.0}],
        mutants=[
            Mutant("n - p instead of n - p - 1", d.sigma2 * d.p / (d.n - d.p)),
            Mutant("risk of the coefficients, not weighted by the covariance", unweighted),
            Mutant("noise weighted by the covariance", weighted_once_too_often),
        ],
        budgets={
            "quick": Budget(trials=60_000, margin=0.033, block=7500),
            "standard": Budget(
                trials=600_000, margin=0.01, points=grid(n=30, p=[6, 20], spread=[-2.0, 0.5, 1.0, 2.0]), block=37_500
            ),
            "paper": Budget(
                trials=1_000_000, margin=0.01, points=grid(n=100, p=[10, 50, 86], spread=[-2.0, 1.0, 2.0]), block=20_000
            ),
        },
    )


@theory.claim
def hidden_features() -> Claim:
    """When the labels depend on D Gaussian features and p of them are fitted, the others act as label noise:
    the mean test error is B (1 + p/(n-p-1)) for p <= n-2 and A (1-n/p) + B (1 + n/(p-n-1)) for p >= n+2.

    A is the squared norm of the coefficients fitted, B that of the others plus sigma2. Fitting the strongest
    features first, the minimum may lie below the threshold (the "prescient" choice); fitting the weakest first
    it does not, and more features help.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.sims.double_descent.least_squares import first_features

    def sides(below: Formula, above: Formula) -> Formula:
        def wrong(value: Any, *, n: Any, p: Any, D: Any, decay: Any, sigma2: Any, r2: Any) -> Any:
            seen, unseen = d.power_law_shares(p, D, decay)
            A, B = r2 * seen, r2 * unseen + sigma2
            return below(n, p, B, sigma2) if p < n else above(n, p, A, B, sigma2)

        return wrong

    return Claim(
        prediction=d.first_features_test_error,
        simulation=first_features,
        check=Expectation("test"),
        points=HIDDEN,
        mutants=[
            Mutant(
                "noise of the test label forgotten: B p/(n-p-1) instead of B (1 + p/(n-p-1))",
                sides(
                    lambda n, p, B, sigma2: B * p / (n - p - 1),
                    lambda n, p, A, B, sigma2: A * (1 - n / p) + B * n / (p - n - 1),
                ),
            ),
            Mutant(
                "hidden features disturb the test but not the fit",
                sides(
                    lambda n, p, B, sigma2: B + sigma2 * p / (n - p - 1),
                    lambda n, p, A, B, sigma2: A * (1 - n / p) + B + sigma2 * n / (p - n - 1),
                ),
            ),
            Mutant(
                "the signal fitted is not lost in part for p > n",
                sides(
                    lambda n, p, B, sigma2: B * (n - 1) / (n - p - 1),
                    lambda n, p, A, B, sigma2: B * (p - 1) / (p - n - 1),
                ),
            ),
        ],
        budgets={
            "quick": Budget(trials=12_000, margin=0.03, block=3000),
            "standard": Budget(
                trials=200_000, margin=0.01, points=grid(n=30, p=[10, 20, 42, 60, 120], decay=[-0.5, 1.0]), block=25_000
            ),
            "paper": Budget(
                trials=1_000_000, margin=0.01, points=grid(n=40, D=100, decay=1.0, p=HIDDEN_PAPER_P), block=20_000
            ),
        },
    )


@theory.claim
def random_features() -> Claim:
    """When the p features are drawn uniformly from the D that the labels depend on, r2 p/D takes the place of
    the squared norm fitted and r2 (1-p/D) that of the squared norm left out, whatever the coefficients.

    The test error then falls in p from n+2 to D when the signal is strong enough: the second descent without
    knowledge of which features matter.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.derivations.double_descent import gaussian_ols_exact_steps as steps
    from theorylab.sims.double_descent.least_squares import random_features as simulation

    n, p, sigma2, r2 = d.n, d.p, d.sigma2, d.r2
    noise = d.MEAN_UNSEEN + sigma2
    return Claim(
        prediction=d.random_features_test_error,
        simulation=simulation,
        check=Expectation("test"),
        points=grid(n=30, p=[10, 60], decay=0.5),
        parameters=[d.DECAY],
        mutants=[
            Mutant(
                "shares fitted and left out exchanged",
                d.two_sided(
                    steps.hidden_below(n, p, d.MEAN_SEEN + sigma2),
                    steps.hidden_above(n, p, d.MEAN_UNSEEN, d.MEAN_SEEN + sigma2),
                ),
            ),
            Mutant(
                "features left out do not count",
                d.two_sided(steps.hidden_below(n, p, sigma2), steps.hidden_above(n, p, d.MEAN_SEEN, sigma2)),
            ),
            Mutant(
                "all of the signal is shrunk",
                d.two_sided(steps.hidden_below(n, p, noise), steps.hidden_above(n, p, r2, noise)),
            ),
        ],
        budgets={
            "quick": Budget(trials=12_000, margin=0.03, block=3000),
            "standard": Budget(
                trials=200_000, margin=0.01, points=grid(n=30, p=[10, 20, 42, 60, 120], decay=[0.5, 2.0]), block=25_000
            ),
            "paper": Budget(
                trials=1_000_000, margin=0.01, points=grid(n=40, D=100, decay=1.0, p=HIDDEN_PAPER_P), block=20_000
            ),
        },
    )


@theory.claim(control=True, expected="fails")
def control_degrees_of_freedom() -> Claim:
    """False on purpose, by 4.5 %: the mean excess risk is sigma2 p/(n-p), here at n = 30, p = 8."""
    from dataclasses import replace

    from theorylab.checks import Expectation
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.sims.double_descent.least_squares import minimum_norm

    return Claim(
        prediction=replace(d.excess_risk, expr=d.sigma2 * d.p / (d.n - d.p), derivation=None),
        simulation=minimum_norm,
        check=Expectation("excess"),
        points=[{"n": 30, "p": 8}],
        mutants=[Mutant("fixed design: sigma2 p/n", d.sigma2 * d.p / d.n)],
        budgets={
            "quick": Budget(trials=60_000, margin=0.015),
            "standard": Budget(trials=200_000, margin=0.01),
            "paper": Budget(trials=1_000_000, margin=0.01),
        },
    )
