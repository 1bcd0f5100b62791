"""Finite batches: the mean of the largest stable learning rate, and what its fluctuations do to it."""

from __future__ import annotations

from theorylab.claim import Budget, Claim, Mutant, grid
from theorylab.claims.random_matrix.granziol_learning_rate import CONTROLS, theory


@theory.claim
def isotropic_rate() -> Claim:
    """On white data the mean of 2/lambda_max over batches is 2B/(sigma^2 (mu + tau s)) within 0.5 %: the bulk edge with
    the mean tau = -1.2065 of the Tracy-Widom law.

    The bare edge is 1 to 5 % low for P of a few hundred. The residual error is 0.1 to 0.2 % there and falls like
    P^(-4/3)."""
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f
    from theorylab.sims.random_matrix.learning_rates import isotropic_rates

    def bare(value: object, P: object, B: object, sigma: object) -> object:
        return 2 * B / (sigma**2 * (P**0.5 + B**0.5) ** 2)  # type: ignore[operator]

    centre = f.root_mean**2
    return Claim(
        prediction=f.corrected_isotropic_rate,
        simulation=isotropic_rates,
        check=Expectation("sgd"),
        points=[{"P": 200, "B": 500}, {"P": 200, "B": 60}, {"P": 250, "B": 10, "sigma": 1.3}],
        mutants=[
            Mutant("bare edge", bare),
            Mutant("mean of the complex Tracy-Widom law", 2 * f.B / (f.sigma**2 * (centre - 1.7710868 * f.edge_scale))),
            Mutant("correction of the other sign", 2 * f.B / (f.sigma**2 * (centre + 1.2065335 * f.edge_scale))),
            Mutant("1/lambda_1'", lambda value, **_: value / 2),
        ],
        budgets={
            "quick": Budget(trials=16_384, margin=0.005),
            "standard": Budget(trials=200_000, margin=0.003, points=grid(P=[200, 400], B=[20, 200, 1000])),
            "paper": Budget(trials=400_000, margin=0.003, points=grid(P=256, B=[16, 32, 64, 128, 256, 512, 1024])),
        },
    )


@theory.claim
def inverse_spread() -> Claim:
    """Fluctuations of the outlier raise the mean of 2/lambda over 2/E[lambda] by the factor 1 + V/(B Lambda^2),
    V = 2 theta^2 (1 - (P/B) sigma^4/(theta - sigma^2)^2).
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f
    from theorylab.sims.random_matrix.learning_rates import spread

    return Claim(
        prediction=f.inverse_spread,
        simulation=spread,
        check=Asymptotic("B", observable="inverse"),
        points=[{"r": 1.0, "theta": 4.0, "sigma": 1.0}],
        parameters=[f.BATCH],
        mutants=[
            Mutant("curvature of 2/lambda twice too large", lambda value, **_: 2 * value),
            Mutant("half the variance", lambda value, **_: value / 2),
        ],
        budgets={
            "quick": Budget(trials=10_000, margin=0.15, sizes=[20, 40, 80, 160]),
            "standard": Budget(trials=200_000, margin=0.04, sizes=[50, 100, 200, 400]),
            "paper": Budget(trials=1_000_000, margin=0.02, sizes=[100, 200, 400, 800]),
        },
    )


@theory.claim
def root_spread() -> Claim:
    """Fluctuations of the outlier raise the mean of 2/sqrt(lambda) over 2/sqrt(E[lambda]) by the factor
    1 + 3V/(8 B Lambda^2).
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f
    from theorylab.sims.random_matrix.learning_rates import spread

    return Claim(
        prediction=f.root_spread,
        simulation=spread,
        check=Asymptotic("B", observable="root"),
        points=[{"r": 1.0, "theta": 4.0, "sigma": 1.0}],
        parameters=[f.BATCH],
        mutants=[
            Mutant("1/8, the coefficient of sqrt(lambda)", lambda value, **_: value / 3),
            Mutant("3/4 in place of 3/8", lambda value, **_: 2 * value),
        ],
        budgets={
            "quick": Budget(trials=10_000, margin=0.15, sizes=[20, 40, 80, 160]),
            "standard": Budget(trials=200_000, margin=0.04, sizes=[50, 100, 200, 400]),
            "paper": Budget(trials=1_000_000, margin=0.02, sizes=[100, 200, 400, 800]),
        },
    )


def _mean_rate(
    prediction: str, observable: str, controls: dict[str, float], mutants: list[Mutant], margin: float = 0.1
) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f
    from theorylab.sims.random_matrix.learning_rates import rates_at_ratio

    return Claim(
        prediction=getattr(f, prediction),
        simulation=rates_at_ratio,
        check=Asymptotic("B", observable=observable, scale="absolute", order=2),
        points=[{"r": 2.0, "theta": 3.0, "sigma": 1.0, **controls}],
        parameters=CONTROLS,
        mutants=mutants,
        budgets={
            "quick": Budget(trials=50_000, margin=margin, sizes=[20, 40, 80, 160]),
            "standard": Budget(trials=600_000, margin=margin / 2, sizes=[30, 60, 120, 240]),
            "paper": Budget(trials=4_000_000, margin=margin / 3, sizes=[50, 100, 200, 400]),
        },
    )


@theory.claim
def mean_rate() -> Claim:
    """The mean of 2/lambda over batches is (2/Lambda) (1 + (V/Lambda^2 - beta/Lambda)/B) up to O(1/B^2), where beta/B
    is how far the mean of the outlier lies above Lambda.

    beta = theta (s^2 - 2r - rs)/(s (r - s^2)) with s = theta/sigma^2 - 1 and r = P/B. It is of the same order as
    V/Lambda and changes the sign of the correction near the threshold: -1/4 at r = 2, theta = 3 in place of +1/4."""
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f

    return _mean_rate(
        "scaled_rate",
        "scaled_sgd",
        {"slope": 0.0, "cross": 0.013},
        [
            Mutant(
                "shift of the outlier's mean with the other sign", 2 * f.published_scaled_rate.expr - f.scaled_rate.expr
            )
        ],
    )


@theory.claim
def mean_root_rate() -> Claim:
    """The mean of 2/sqrt(lambda) over batches is (2/sqrt(Lambda)) (1 + (3V/(8 Lambda^2) - beta/(2 Lambda))/B) up to
    O(1/B^2).
    """
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f

    return _mean_rate(
        "scaled_root_rate",
        "scaled_adam",
        {"slope": 0.015, "cross": 0.015},
        [
            Mutant(
                "shift of the outlier's mean with the other sign",
                2 * f.published_scaled_root_rate.expr - f.scaled_root_rate.expr,
            )
        ],
        margin=0.13,
    )


@theory.claim(expected="fails")
def fluctuations_alone() -> Claim:
    """The mean of 2/lambda over batches is (2/Lambda) (1 + V/(B Lambda^2)).

    Right to order 1/B only if the outlier's mean were Lambda; it is off by beta/B. See `mean_rate`.
    """
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f

    return _mean_rate(
        "published_scaled_rate",
        "scaled_sgd",
        {"slope": 0.0, "cross": 0.013},
        [Mutant("batch of B - 3 samples", 2 * (f.B - 3) / f.outlier)],
    )
