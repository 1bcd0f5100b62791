"""What the learning rates mean for training: one batch for ever, fresh batches, and momentum."""

from __future__ import annotations

from theorylab.claim import Budget, Claim, Mutant
from theorylab.claims.random_matrix.granziol_learning_rate import theory
from theorylab.parameters import Integers, Interval, Parameter

# Cases of a search.
COUNTS = {"quick": 600, "standard": 6000, "paper": 60_000}
STEPS = Parameter("steps", Integers(2), "number of steps; the first half is discarded")


@theory.claim
def criterion() -> Claim:
    """Descent on one batch for ever diverges where the learning rate exceeds 2 (1 + rho)/lambda_max(C^-1 H_batch): SGD
    and Adam-type preconditioning, with and without heavy-ball momentum rho.

    2/lambda_1' is the stability limit of a fixed batch. With a fresh batch at every step it is not: see
    `mean_square_threshold` and `typical_threshold`.
    """
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import granziol_learning_rate_momentum as d
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as s
    from theorylab.sims.random_matrix.sgd_quadratic import one_batch_growth

    size = {"P": 10, "B": 8, "steps": 160}
    return Claim(
        prediction=d.critical_sharpness,
        simulation=one_batch_growth,
        check=Boundary("sharpness", observable="sign"),
        points=[
            {**size, "rho": 0.0, "power": 0.0},
            {**size, "rho": 0.0, "power": 0.5},
            {**size, "rho": 0.5, "power": 0.0},
        ],
        parameters=[
            s.DIM,
            s.BATCH,
            STEPS,
            Parameter("power", Interval(0, 1), "power of the batch curvature that preconditions"),
            Parameter("sharpness", Interval(0, open_low=True), "learning rate times largest eigenvalue"),
        ],
        mutants=[
            Mutant("1/lambda_1'", 1 + d.rho),
            Mutant("momentum without effect", lambda value, rho, **_: value / (1 + rho)),
            Mutant("effective learning rate alpha/(1 - rho)", 2 * (1 - d.rho)),
        ],
        budgets={
            "quick": Budget(trials=512, margin=0.05),
            "standard": Budget(
                trials=1024,
                margin=0.005,
                points=[
                    {"P": 60, "B": b, "steps": 400, "rho": rho, "power": power}
                    for b in (20, 120)
                    for rho in (0.0, 0.5, 0.9)
                    for power in (0.0, 0.5)
                ],
            ),
            "paper": Budget(
                trials=1024,
                margin=0.005,
                points=[
                    {"P": 256, "B": 128, "steps": 400, "rho": rho, "power": power}
                    for rho in (0.0, 0.9)
                    for power in (0.0, 0.5)
                ],
            ),
        },
    )


@theory.claim
def momentum_is_optimal() -> Claim:
    """No learning rate and momentum make the spectral radius of heavy-ball descent over a spectrum [mu, L] smaller than
    (sqrt(kappa) - 1)/(sqrt(kappa) + 1), kappa = L/mu; alpha = 4/(sqrt L + sqrt mu)^2 and rho = ((sqrt L - sqrt mu)/
    (sqrt L + sqrt mu))^2 reach it.
    """
    from theorylab.checks import Bound
    from theorylab.derivations.random_matrix import granziol_learning_rate_momentum as d
    from theorylab.sims.random_matrix.stability_search import momentum_search, tuned_momentum

    return Claim(
        prediction=d.best_rate,
        simulation=momentum_search,
        check=Bound("kappa", ">=", tight=tuned_momentum, at=(2.0, 10.0, 1000.0)),
        mutants=[
            Mutant("plain gradient descent, (kappa - 1)/(kappa + 1)", (d.kappa - 1) / (d.kappa + 1)),
            Mutant("rho itself, the square", lambda value, **_: value**2),
        ],
        budgets={name: Budget(trials=n, margin=0.001) for name, n in COUNTS.items()},
    )


@theory.claim
def momentum_double_root() -> Claim:
    """At the optimal learning rate and momentum the companion matrix has a double eigenvalue at the largest curvature:
    (1 + rho - alpha L)^2 = 4 rho.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import granziol_learning_rate_momentum as d

    return Claim(
        prediction=d.squared_trace,
        check=Identity(other=4 * d.best_rho, ranges={"mu": (0.01, 1.0), "L": (1.0, 100.0)}),
        mutants=[Mutant("rho in place of 4 rho", d.best_rho), Mutant("rho^2", 4 * d.best_rho**2)],
        budgets={name: Budget(trials=20, margin=0.01) for name in ("quick", "standard", "paper")},
    )


@theory.claim
def one_step() -> Claim:
    """With a fresh Gaussian batch a step multiplies E|w|^2 by 1 - 2 eta sigma^2 + eta^2 sigma^4 (1 + (P+1)/B)
    exactly."""
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as d
    from theorylab.sims.random_matrix.sgd_quadratic import one_step as simulation

    half = d.eta * d.sigma**2
    return Claim(
        prediction=d.one_step,
        simulation=simulation,
        check=Expectation("ratio"),
        points=[{"P": 4, "B": 10, "sigma": 1.0, "eta": 0.6}, {"P": 8, "B": 16, "sigma": 1.3, "eta": 0.4}],
        mutants=[
            Mutant("P in place of P + 1", 1 - 2 * half + half**2 * (1 + d.P / d.B)),
            Mutant("no fluctuation along w", 1 - 2 * half + half**2 * (1 + (d.P - 1) / d.B)),
            Mutant("mean batch", (1 - half) ** 2),
        ],
        budgets={
            "quick": Budget(trials=60_000, margin=0.03),
            "standard": Budget(trials=600_000, margin=0.01),
            "paper": Budget(trials=2_000_000, margin=0.006),
        },
    )


def _growth_boundary(prediction: str, point: dict[str, float], mutants: list[Mutant], margin: float) -> Claim:
    """Where E|w|^2 begins to grow on white data."""
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as d
    from theorylab.sims.random_matrix.sgd_quadratic import one_step as simulation

    return Claim(
        prediction=getattr(d, prediction),
        simulation=simulation,
        check=Boundary("eta", observable="growth"),
        points=[point],
        parameters=[d.ETA],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=60_000, margin=margin),
            "standard": Budget(trials=600_000, margin=margin / 2),
            "paper": Budget(trials=2_000_000, margin=margin / 3),
        },
    )


@theory.claim
def mean_square_threshold() -> Claim:
    """With fresh batches of white Gaussian data E|w|^2 grows beyond eta_c = 2B/(sigma^2 (B + P + 1)) and not before.

    Between 1 and 2 times the single-batch limit 2/(sigma^2 (1 + sqrt(P/B))^2).
    """
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as d

    return _growth_boundary(
        "mean_square_threshold",
        {"P": 8, "B": 16, "sigma": 1.2},
        [
            Mutant("single-batch limit", 2 / (d.sigma**2 * (1 + (d.P / d.B) ** 0.5) ** 2)),
            Mutant("full-batch limit", 2 / d.sigma**2),
            Mutant("fluctuation along w left out", 2 * d.B / (d.sigma**2 * (d.B + d.P - 1))),
        ],
        0.015,
    )


@theory.claim(control=True, expected="fails")
def control_boundary() -> Claim:
    """With fresh batches of white Gaussian data E|w|^2 grows beyond 2B/(sigma^2 (B + P))."""
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as d

    return _growth_boundary(
        "control_threshold",
        {"P": 8, "B": 16, "sigma": 1.2},
        [Mutant("full-batch limit", 2 / d.sigma**2)],
        0.01,
    )


@theory.claim
def threshold_ratio() -> Claim:
    """The mean-square threshold of fresh batches is (1 + sqrt r)^2/(1 + r + 1/B) times the limit of a single batch, r
    = P/B."""
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as d

    quotient = (d.critical / d.edge_rate).subs(d.P, d.r * d.B)
    return Claim(
        prediction=d.threshold_ratio,
        check=Identity(other=sp.simplify(quotient), ranges={"r": (0.01, 50.0), "B": (1, 1000)}),
        mutants=[
            Mutant("without 1/B", (1 + sp.sqrt(d.r)) ** 2 / (1 + d.r)),
            Mutant("1 + r in place of (1 + sqrt r)^2", (1 + d.r) / (1 + d.r + 1 / d.B)),
        ],
        budgets={name: Budget(trials=20, margin=0.01) for name in ("quick", "standard", "paper")},
    )


def _isotropic_bound(prediction: str, sense: str, at: tuple[tuple[float, float], ...], mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Bound
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as d
    from theorylab.sims.random_matrix.stability_search import isotropic_thresholds

    return Claim(
        prediction=getattr(d, prediction),
        simulation=isotropic_thresholds,
        check=Bound("r", sense, tight="search", at=at),  # type: ignore[arg-type]
        mutants=mutants,
        budgets={name: Budget(trials=n, margin=0.02) for name, n in COUNTS.items()},
    )


@theory.claim
def threshold_lower_bound() -> Claim:
    """On white data the mean-square threshold of fresh batches is at least the single-batch limit 2/lambda',
    lambda' = sigma^2 (1 + sqrt(P/B))^2, for every P and B.

    Approached for P/B -> 0 and P/B -> infinity.
    """
    return _isotropic_bound(
        "single_batch_rate",
        ">=",
        ((0.0, 1e-4), (1e4, 1e7)),
        [Mutant("10 % larger", lambda value, **_: 1.1 * value), Mutant("1/lambda'", lambda value, **_: value / 2)],
    )


@theory.claim
def threshold_upper_bound() -> Claim:
    """On white data the mean-square threshold of fresh batches is at most 4/lambda', for every P and B.

    Approached at P = B -> infinity.
    """
    return _isotropic_bound(
        "twice_single_batch_rate",
        "<=",
        ((0.99, 1.01),),
        [Mutant("10 % smaller", lambda value, **_: 0.9 * value), Mutant("8/lambda'", lambda value, **_: 2 * value)],
    )


@theory.claim
def spiked_threshold() -> Claim:
    """With a spike theta the mean-square threshold of fresh batches solves
    (eta/B) sum_j lambda_j/(2 - eta lambda_j (1 + 1/B)) = 1.

    As P, B -> infinity it tends to min(2/theta, 2/(sigma^2 (1 + P/B))): it does not see the inflation of the outlier,
    whose direction is averaged over the batches.
    """
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import granziol_learning_rate as g
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as d
    from theorylab.sims.random_matrix.sgd_quadratic import second_moment_order

    limit = 2 / g.outlier.subs(g.r, d.P / d.B)
    return Claim(
        prediction=d.spiked_threshold,
        simulation=second_moment_order,
        check=Boundary("eta"),
        points=[{"P": 10, "B": 20, "theta": 3.0, "sigma": 1.0}],
        parameters=[d.ETA],
        mutants=[
            Mutant("single-batch limit 2/Lambda_B", limit),
            Mutant("limit of large systems", lambda value, theta, **_: 2 / theta + 0 * value),
            Mutant("white data", 2 * d.B / (d.sigma**2 * (d.B + d.P + 1))),
        ],
        budgets={
            "quick": Budget(trials=60_000, margin=0.03),
            "standard": Budget(trials=1_000_000, margin=0.01),
            "paper": Budget(trials=4_000_000, margin=0.006),
        },
    )


@theory.claim(expected="fails")
def outlier_rate_is_safe() -> Claim:
    """A learning rate below 2/Lambda_B(theta) keeps SGD with fresh batches stable in the mean square.

    True in the limit of large systems. At finite B the curvature along a strong spike fluctuates by O(1/B), which can
    push the threshold 1 to 2 % below 2/Lambda_B: .00654 against .00660 at P = 300, B = 100, theta = 300."""
    from theorylab.checks import Bound
    from theorylab.derivations.random_matrix import granziol_learning_rate as g
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as d
    from theorylab.sims.random_matrix.stability_search import spiked_thresholds

    return Claim(
        prediction=g.spiked_rate,
        simulation=spiked_thresholds,
        check=Bound("theta", ">="),
        points=[{"r": 3.0, "B": 100, "sigma": 1.0}],
        parameters=[d.BATCH],
        mutants=[Mutant("2/theta", 2 / g.theta)],
        budgets={name: Budget(trials=n, margin=0.02) for name, n in COUNTS.items()},
    )


def _divergence(prediction: object, points: list[dict[str, float]], mutants: list[Mutant], margin: float) -> Claim:
    """Where log|w| of a typical run with fresh batches begins to grow."""
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import granziol_learning_rate as g
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as d
    from theorylab.sims.random_matrix.sgd_quadratic import fresh_batch_growth

    return Claim(
        prediction=prediction,  # type: ignore[arg-type]
        simulation=fresh_batch_growth,
        check=Boundary("eta"),
        points=points,
        parameters=[g.THETA, d.ETA, STEPS],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=16_384, margin=margin),
            "standard": Budget(trials=200_000, margin=margin / 2),
            "paper": Budget(trials=1_000_000, margin=margin / 3),
        },
    )


@theory.claim
def typical_threshold() -> Claim:
    """A typical run with fresh batches of white Gaussian data diverges where E log|(I - eta H_B) w|/|w| > 0, beyond the
    mean-square threshold and so beyond 2/lambda_1'(B).

    The sign of the mean growth of log|w| per step. For P = 1 the thresholds are 2.4212 (B = 1), 2.6845 (2), 2.6630
    (4), two to four times eta_c; for P = B = 50 the excess over eta_c is 2 %."""
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as d

    return _divergence(
        d.typical_threshold,
        [
            {"P": 10, "B": 5, "theta": 1.0, "sigma": 1.0, "steps": 8},
            {"P": 3, "B": 6, "theta": 1.0, "sigma": 1.0, "steps": 8},
        ],
        [
            Mutant("mean-square threshold", 2 * d.B / (d.sigma**2 * (d.B + d.P + 1))),
            Mutant("2/lambda_1'", 2 / (d.sigma**2 * (1 + (d.P / d.B) ** 0.5) ** 2)),
            Mutant("full-batch limit", 2 / d.sigma**2),
        ],
        0.02,
    )


@theory.claim(expected="fails")
def divergence_at_batch_edge() -> Claim:
    """SGD with fresh batches diverges at the learning rate 2/lambda_1'(B) of a single batch.

    The identification made when alpha_max is fitted to training runs. It is 2/lambda_1' that is conservative: at P =
    B fresh batches bear twice as much, because the direction of largest curvature changes with the batch."""
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as d

    return _divergence(
        d.published_divergence,
        [{"P": 20, "B": 20, "theta": 1.0, "sigma": 1.0, "steps": 8}],
        [Mutant("1/lambda_1'", lambda value, **_: value / 2)],
        0.02,
    )
