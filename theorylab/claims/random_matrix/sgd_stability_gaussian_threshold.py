"""SGD with fresh Gaussian batches: where second moments, and single runs, begin to grow."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.claims.random_matrix.sgd_stability_gaussian import BUDGETS, THREE, as_array, theory

GRANZIOL = Source(
    authors="Granziol, Diego and Zohren, Stefan and Roberts, Stephen",
    title="Learning Rates as a Function of Batch Size: A Random Matrix Theory Approach to Neural Network Training",
    year=2022,
    arxiv="2006.09092v6",
    journal="Journal of Machine Learning Research 23(173), 1-65",
)


def _boundary(prediction: str, mutants: list[Mutant], quick: float) -> Claim:
    """Where det(I - K) changes sign, K measured column by column."""
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import sgd_stability_gaussian as d
    from theorylab.sims.random_matrix.sgd_moments import moment_order

    return Claim(
        prediction=getattr(d, prediction),
        simulation=moment_order,
        check=Boundary("eta"),
        points=[{"spectrum": as_array(THREE), "B": B} for B in (2, 8)],
        parameters=[d.ETA, d.RUNS],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=8192, margin=quick),
            "standard": Budget(trials=65_536, margin=quick / 3),
            "paper": Budget(trials=500_000, margin=quick / 8),
        },
    )


@theory.claim
def threshold() -> Claim:
    """Second moments decay below eta_c and grow above, (eta_c/B) sum_j lambda_j/(2 - eta_c lambda_j (1 + 1/B)) = 1 with
    eta_c lambda_max (1 + 1/B) < 2: the largest eigenvalue of K passes 1."""
    from theorylab.derivations.random_matrix import sgd_stability_gaussian as d

    return _boundary(
        "threshold",
        [
            Mutant("2/lambda_max", d.full_batch),
            Mutant("2B/tr Sigma", lambda value, spectrum, B: 2 * B / spectrum.sum()),
            Mutant("1 for 1 + 1/B", lambda value, spectrum, B: d.critical(spectrum, B, 0.0)[0]),
        ],
        0.05,
    )


@theory.claim(expected="fails")
def full_batch_threshold() -> Claim:
    """SGD is stable in the mean square up to 2/lambda_max of the mean loss, as gradient descent is.

    The edge of gradient descent. With batches of 2 at eigenvalues 0.3, 0.7 and 1.5 the threshold is half of it, and
    with batches of 8 still a fifth lower."""
    return _boundary("full_batch", [], 0.03)


@theory.claim(expected="fails", source=GRANZIOL)
def single_batch_threshold() -> Claim:
    """SGD with fresh batches of white data grows in the mean square beyond 2/lambda_1'(B), lambda_1' = sigma^2 (1 +
    sqrt(P/B))^2 the largest eigenvalue of a batch.

    It bears up to twice as much, here 0.94 against 0.5: the direction of largest curvature changes with the batch."""
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as s
    from theorylab.sims.random_matrix.sgd_quadratic import one_step

    return Claim(
        prediction=s.published_divergence,
        simulation=one_step,
        check=Boundary("eta", observable="growth"),
        points=[{"P": 8, "B": 8, "sigma": 1.0}],
        parameters=[s.ETA],
        budgets={name: Budget(trials=16_384, margin=0.03) for name in BUDGETS},
    )


@theory.claim
def white_threshold() -> Claim:
    """For equal eigenvalues eta_c = 2B/(lambda (B + P + 1)), and twice eta_c/2 = B/(lambda (B + P + 1)) is the best
    rate: the root of the secular equation in closed form."""
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as s
    from theorylab.derivations.random_matrix import sgd_stability_gaussian as d

    return Claim(
        prediction=s.mean_square_threshold,
        check=Identity(other=d.flat_threshold),
        points=[{"P": P, "B": B, "sigma": 1.3} for P in (1, 4, 60) for B in (1, 2, 300)],
        mutants=[
            Mutant("P for P + 1 (15 % at P = 4, B = 2)", 2 * s.B / (s.sigma**2 * (s.B + s.P))),
            Mutant("2/lambda", 2 / s.sigma**2),
        ],
        budgets={name: Budget(trials=1, margin=1e-10) for name in BUDGETS},
    )


def _bound(prediction: str, simulation: str, variable: str, sense: str, mutants: list[Mutant], **check: Any) -> Claim:
    from theorylab.checks import Bound
    from theorylab.derivations.random_matrix import sgd_stability_gaussian as d
    from theorylab.sims.random_matrix import sgd_moments

    return Claim(
        prediction=getattr(d, prediction),
        simulation=getattr(sgd_moments, simulation),
        check=Bound(variable, sense, **check),  # type: ignore[arg-type]
        mutants=mutants,
        budgets={
            "quick": Budget(trials=256, margin=0.05),
            "standard": Budget(trials=4096, margin=0.03),
            "paper": Budget(trials=65_536, margin=0.02),
        },
    )


@theory.claim
def lower_bound() -> Claim:
    """eta_c lambda_max is at least 2/(1 + Y), Y = (tr Sigma/lambda_max + 1)/B, for every covariance and batch size;
    equal eigenvalues reach it."""
    from theorylab.sims.random_matrix.sgd_moments import flat_spectrum

    return _bound(
        "least_threshold",
        "thresholds",
        "Y",
        ">=",
        [
            Mutant("20 % more", lambda value, **_: 1.2 * value),
            Mutant("1/(1 + Y)", lambda value, **_: value / 2),
        ],
        tight=flat_spectrum,
        at=(0.5, 2.0, 20.0),
    )


@theory.claim
def upper_bound() -> Claim:
    """eta_c is at most 2/lambda_max and at most 2B/tr Sigma: linear in B below B = tr Sigma/lambda_max, constant above;
    both are approached."""
    return _bound(
        "largest_threshold",
        "thresholds_by_trace",
        "X",
        "<=",
        [
            Mutant("20 % less", lambda value, **_: 0.8 * value),
            Mutant("2/X alone doubled", lambda value, X: 2 * value),
        ],
        tight="search",
        at=((0.001, 0.01),),
    )


@theory.claim
def almost_sure_threshold() -> Claim:
    """A single run of one parameter converges while E log|1 - eta lambda chi^2_B/B| < 0: up to eta lambda = 2.421250 (B
    = 1), 2.684510 (2), 2.662996 (4), against 2B/(B + 2) in the mean square.

    Between the two the mean square diverges, carried by ever rarer runs, while almost every run converges."""
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import sgd_stability_gaussian as d
    from theorylab.sims.random_matrix.sgd_moments import log_contraction

    return Claim(
        prediction=d.almost_sure,
        simulation=log_contraction,
        check=Boundary("eta"),
        points=[{"B": 1}, {"B": 2}, {"B": 4}],
        parameters=[d.ETA, d.RUNS],
        mutants=[
            Mutant("mean-square threshold", 2 * d.B / (d.B + 2)),
            Mutant("full-batch limit", lambda value, **_: 0 * value + 2),
        ],
        budgets={
            "quick": Budget(trials=8192, margin=0.05),
            "standard": Budget(trials=131_072, margin=0.012),
            "paper": Budget(trials=1_000_000, margin=0.005),
        },
    )
