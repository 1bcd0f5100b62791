"""The largest stable learning rate as a function of the batch size: SGD, Adam, momentum and damping."""

from __future__ import annotations

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.parameters import Integers, Interval, Parameter
from theorylab.theory import Theory

GRANZIOL = Source(
    authors="Granziol, Diego and Zohren, Stefan and Roberts, Stephen",
    title="Learning Rates as a Function of Batch Size: A Random Matrix Theory Approach to Neural Network Training",
    year=2022,
    arxiv="2006.09092v6",
    journal="Journal of Machine Learning Research 23(173), 1-65",
)

theory = Theory(
    "random_matrix/granziol-learning-rate",
    title="Maximal learning rate against batch size: linear for SGD, square root for Adam, and where they saturate",
    source=GRANZIOL,
)

# Coefficients of the control variates in the simulation; they change no mean.
CONTROLS = [
    Parameter("slope", Interval(), "coefficient of the first control variate"),
    Parameter("cross", Interval(), "coefficient of the second control variate"),
]
PLAIN = {"slope": 0.0, "cross": 0.0}
STEPS = Parameter("steps", Integers(2), "number of steps; the first half is discarded")


@theory.claim
def linear_then_saturating() -> Claim:
    """Under generalised Gauss-Newton noise the largest stable learning rate 2/(lambda_1 + P sigma^2/b) is
    (2 b/(P sigma^2)) / (1 + b/b*) with b* = P sigma^2/lambda_1: linear in the batch size below b*, constant above.

    The large-spike form of lambda_1'. The exact crossover of the population outlier is at P sigma^2/(theta - sigma^2).
    """
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    P, b, lam1, sigma = d.P, d.b, d.lam1, d.sigma
    star = P * sigma**2 / lam1

    def other(crossover: object, factor: object = 2) -> object:
        return (factor * b / (P * sigma**2)) / (1 + b / crossover)  # type: ignore[operator]

    return Claim(
        prediction=d.ggn_rate,
        check=Identity(
            other=other(star), ranges={"P": (1, 1000), "b": (1.0, 1000.0), "lam1": (0.1, 50.0), "sigma": (0.2, 3.0)}
        ),
        mutants=[
            Mutant("crossover of additive noise, P sigma^2/lambda_1^2", other(P * sigma**2 / lam1**2)),
            Mutant("1/lambda_1'", other(star, 1)),
        ],
        budgets={name: Budget(trials=20, margin=0.01) for name in ("quick", "standard", "paper")},
    )


@theory.claim
def spiked_rate() -> Claim:
    """With one population spike theta > sigma^2 (1 + sqrt(P/B)) the largest stable learning rate on a batch tends to
    2/Lambda_B(theta), Lambda_B = theta (1 + (P/B) sigma^2/(theta - sigma^2)), as P and B grow in proportion.

    The mean over batches is off by (2/Lambda) (V/Lambda^2 - beta/Lambda)/B: see `fluctuations`.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f
    from theorylab.sims.random_matrix.learning_rates import rates_at_ratio

    return Claim(
        prediction=d.spiked_rate,
        simulation=rates_at_ratio,
        check=Asymptotic("B", observable="sgd"),
        points=[{"r": 1.0, "theta": 4.0, "sigma": 1.0, **PLAIN}, {"r": 3.0, "theta": 4.0, "sigma": 0.9, **PLAIN}],
        parameters=[f.BATCH, *CONTROLS],
        mutants=[
            Mutant("1/lambda_1'", 1 / d.outlier),
            Mutant("shift without theta/(theta - sigma^2)", 2 / (d.theta + d.r * d.sigma**2)),
            Mutant("shift of additive noise", 2 / (d.theta + d.r * d.sigma**4 / d.theta)),
            Mutant("full-batch curvature", 2 / d.theta),
            Mutant("bulk edge", 2 / d.edge),
        ],
        budgets={
            "quick": Budget(trials=2048, margin=0.02, sizes=[40, 80, 160, 320]),
            "standard": Budget(trials=30_000, margin=0.005, sizes=[50, 100, 200, 400]),
            "paper": Budget(trials=100_000, margin=0.003, sizes=[100, 200, 400, 800, 1600]),
        },
    )


@theory.claim(expected="fails")
def large_spike_form() -> Claim:
    """The largest stable learning rate under generalised Gauss-Newton noise is 2/(theta + (P/B) sigma^2).

    The scaling form of the literature leaves out theta/(theta - sigma^2): at P = B and theta = 3 sigma^2 the learning
    rate is 12 % lower. It becomes right for theta >> sigma^2.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f
    from theorylab.sims.random_matrix.learning_rates import rates_at_ratio

    return Claim(
        prediction=d.large_spike_rate,
        simulation=rates_at_ratio,
        check=Asymptotic("B", observable="sgd"),
        points=[{"r": 1.0, "theta": 3.0, "sigma": 1.0, **PLAIN}],
        parameters=[f.BATCH, *CONTROLS],
        mutants=[Mutant("1/lambda_1'", 1 / (d.theta + d.r * d.sigma**2))],
        budgets={
            "quick": Budget(trials=2048, margin=0.02, sizes=[40, 80, 160, 320]),
            "standard": Budget(trials=30_000, margin=0.01, sizes=[50, 100, 200, 400]),
            "paper": Budget(trials=100_000, margin=0.005, sizes=[100, 200, 400, 800, 1600]),
        },
    )


@theory.claim
def isotropic_rate() -> Claim:
    """On white data the mean of 2/lambda_max over batches is 2B/(sigma^2 (mu + tau s)) within 0.5 %: the bulk edge with
    the mean tau = -1.2065 of the Tracy-Widom law.

    The bare edge is 1 to 5 % low for P of a few hundred. The residual error is 0.1 to 0.2 % there and falls like P^(-4/3).
    """
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
def adam_rate() -> Claim:
    """Preconditioning with the square root of the batch curvature makes the largest stable learning rate
    2/sqrt(Lambda_B(theta)): the square-root law of Adam-type methods.

    The preconditioned curvature G^(-1/2) G has the square roots of G's eigenvalues.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f
    from theorylab.sims.random_matrix.learning_rates import rates_at_ratio

    return Claim(
        prediction=d.adaptive_rate,
        simulation=rates_at_ratio,
        check=Asymptotic("B", observable="adam"),
        points=[{"r": 2.0, "theta": 4.0, "sigma": 1.1, **PLAIN}],
        parameters=[f.BATCH, *CONTROLS],
        mutants=[
            Mutant("linear scaling", 2 / d.outlier),
            Mutant("1/sqrt(lambda_1')", 1 / d.outlier**0.5),
            Mutant("full-batch curvature", 2 / d.theta**0.5),
        ],
        budgets={
            "quick": Budget(trials=2048, margin=0.015, sizes=[40, 80, 160, 320]),
            "standard": Budget(trials=30_000, margin=0.004, sizes=[50, 100, 200, 400]),
            "paper": Budget(trials=100_000, margin=0.002, sizes=[100, 200, 400, 800, 1600]),
        },
    )


@theory.claim
def two_batch_rule() -> Claim:
    """From batch size B to k B the learning rate of an Adam-type method may grow by sqrt(lambda'(B)/lambda'(kB)).

    At most sqrt(k), reached for B << P sigma^2/theta.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f
    from theorylab.sims.random_matrix.learning_rates import two_batches

    larger = d.outlier.subs(d.r, d.r / d.k)
    return Claim(
        prediction=d.two_batch_ratio,
        simulation=two_batches,
        check=Asymptotic("B"),
        points=[{"r": 4.0, "k": 4.0, "theta": 5.0, "sigma": 1.0}],
        parameters=[f.BATCH],
        mutants=[
            Mutant("linear rule, without the root", d.outlier / larger),
            Mutant("inverse ratio", (larger / d.outlier) ** 0.5),
            Mutant("sqrt(k) at any batch size", d.k**0.5),
        ],
        budgets={
            "quick": Budget(trials=2048, margin=0.02, sizes=[20, 40, 80, 160]),
            "standard": Budget(trials=30_000, margin=0.005, sizes=[50, 100, 200, 400]),
            "paper": Budget(trials=100_000, margin=0.003, sizes=[100, 200, 400, 800]),
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


def _mean_rate(prediction: str, observable: str, controls: dict[str, float], mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f
    from theorylab.sims.random_matrix.learning_rates import rates_at_ratio

    return Claim(
        prediction=getattr(f, prediction),
        simulation=rates_at_ratio,
        check=Asymptotic("B", observable=observable, scale="absolute"),
        points=[{"r": 2.0, "theta": 3.0, "sigma": 1.0, **controls}],
        parameters=CONTROLS,
        mutants=mutants,
        budgets={
            "quick": Budget(trials=60_000, margin=0.05, sizes=[30, 60, 120, 240]),
            "standard": Budget(trials=600_000, margin=0.025, sizes=[40, 80, 160, 320]),
            "paper": Budget(trials=4_000_000, margin=0.015, sizes=[50, 100, 200, 400]),
        },
    )


@theory.claim
def mean_rate() -> Claim:
    """The mean of 2/lambda over batches is (2/Lambda) (1 + (V/Lambda^2 - beta/Lambda)/B) up to O(1/B^2), where beta/B is
    how far the mean of the outlier lies above Lambda.

    beta = theta (s^2 - 2r - rs)/(s (r - s^2)) with s = theta/sigma^2 - 1 and r = P/B. It is of the same order as V/Lambda
    and changes the sign of the correction near the threshold: -1/4 at r = 2, theta = 3 in place of +1/4.
    """
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f

    return _mean_rate(
        "scaled_rate",
        "scaled_sgd",
        {"slope": 0.0, "cross": 0.013},
        [Mutant("fluctuations alone, the outlier's mean at Lambda", f.published_scaled_rate)],
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
        [Mutant("fluctuations alone, the outlier's mean at Lambda", f.published_scaled_root_rate)],
    )


@theory.claim(expected="fails")
def fluctuations_alone() -> Claim:
    """The mean of 2/lambda over batches is (2/Lambda) (1 + V/(B Lambda^2)).

    Right to order 1/B only if the outlier's mean were Lambda; it is off by beta/B. See `mean_rate`.
    """
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f

    doubled = 2 * f.B / f.outlier + 2 * (f.published_scaled_rate.expr - 2 * f.B / f.outlier)
    return _mean_rate(
        "published_scaled_rate", "scaled_sgd", {"slope": 0.0, "cross": 0.013}, [Mutant("twice the variance", doubled)]
    )


def _rate_exponent(prediction: str, observable: str, mutants: list[Mutant], margin: float = 0.005) -> Claim:
    from theorylab.checks import Exponent
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.derivations.random_matrix import granziol_learning_rate_finite as f
    from theorylab.sims.random_matrix.learning_rates import isotropic_rates

    return Claim(
        prediction=getattr(d, prediction),
        simulation=isotropic_rates,
        check=Exponent("B", observable=observable, drift=0.5),
        points=[{"P": 1_000_000, "sigma": 1.0}],
        parameters=[f.DIM, f.BATCH, d.SIGMA],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=512, margin=margin, sizes=[32, 64, 128, 256, 512]),
            "standard": Budget(trials=4096, margin=margin, sizes=[32, 64, 128, 256, 512, 1024]),
            "paper": Budget(trials=16_384, margin=margin / 2, sizes=[32, 64, 128, 256, 512, 1024, 2048]),
        },
    )


@theory.claim
def sgd_exponent() -> Claim:
    """For B << P the largest stable learning rate of SGD grows linearly with the batch size.

    Under generalised Gauss-Newton noise, where the bulk edge sigma^2 (1 + sqrt(P/B))^2 rules. The edge corrects the power
    law by the factor 1 - 2 sqrt(B/P), hence the drift of 1/2 in the fit: at B/P = 1/1000 the local slope is still 3 %
    below 1.
    """
    return _rate_exponent("sgd_exponent", "sgd", [Mutant("square root", lambda value, **_: value / 2)])


@theory.claim
def adam_exponent() -> Claim:
    """For B << P the largest stable learning rate of an Adam-type method grows like the square root of the batch size."""
    return _rate_exponent("adam_exponent", "adam", [Mutant("linear scaling", lambda value, **_: 2 * value)])


@theory.claim(control=True, expected="fails")
def control_exponent() -> Claim:
    """For B << P the largest stable learning rate of SGD grows like B^0.97."""
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    return _rate_exponent("control_exponent", "sgd", [Mutant("square root", d.adam_exponent)])


def _crossover(prediction: str, margin: float, mutants: list[Mutant]) -> Claim:
    import numpy as np

    from theorylab.checks import Curve
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.sims.random_matrix.learning_rates import local_slopes

    def point(P: int, count: int) -> dict[str, object]:
        return {"P": P, "b": np.rint(np.geomspace(P / 3, P * 3, count)), "k": 2.0, "theta": 5.0, "sigma": 1.0}

    return Claim(
        prediction=getattr(d, prediction),
        simulation=local_slopes,
        check=Curve(axis="b", scale="absolute"),
        points=[point(3000, 5)],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=1024, margin=margin),
            "standard": Budget(trials=20_000, margin=margin / 2, points=[point(6000, 9)]),
            "paper": Budget(trials=50_000, margin=margin / 3, points=[point(10_000, 15)]),
        },
    )


@theory.claim
def crossover() -> Claim:
    """The slope of log alpha_max against log b falls from 1 to 0 as 1/(1 + b/b*) with b* = P sigma^2/(theta - sigma^2);
    measured between b/2 and 2b it is the slope of the secant.

    The published b* = P sigma^2/lambda_1 is its large-spike form, b* = P sigma^2/lambda_1^2 that of additive noise.
    """
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    return _crossover(
        "secant_slope",
        0.012,
        [
            Mutant("crossover of additive noise, P sigma^2/theta^2", d.secant(d.P * d.sigma**2 / d.theta**2)),
            Mutant("large-spike crossover, P sigma^2/theta", d.secant(d.P * d.sigma**2 / d.theta)),
            Mutant("half the slope, as for Adam", lambda value, **_: value / 2),
        ],
    )


@theory.claim(control=True, expected="fails")
def control_crossover() -> Claim:
    """The slope of log alpha_max against log b is 0.96/(1 + b/b*)."""
    return _crossover("control_slope", 0.003, [Mutant("half the slope", lambda value, **_: value / 2)])


def _additive(points: list[dict[str, float]], rate: float, mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.sims.random_matrix.learning_rates import additive_rate

    return Claim(
        prediction=d.additive_rate_at_ratio,
        simulation=additive_rate,
        check=Asymptotic("P", rate=rate),
        points=points,
        parameters=[d.DIM],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=2048, margin=0.015, sizes=[100, 200, 400, 800]),
            "standard": Budget(trials=20_000, margin=0.005, sizes=[100, 200, 400, 800, 1600]),
            "paper": Budget(trials=50_000, margin=0.003, sizes=[250, 500, 1000, 2000, 4000]),
        },
    )


@theory.claim
def additive_above() -> Claim:
    """Under additive noise and above the critical batch b_c = P sigma_eps^2/lambda_1^2 the largest stable learning rate is
    2 lambda_1 b/(lambda_1^2 b + P sigma_eps^2).
    """
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    lam1, r, eps = d.lam1, d.r, d.sigma_eps
    return _additive(
        [{"r": 1.0, "lam1": 1.6, "sigma_eps": 1.0}, {"r": 0.5, "lam1": 1.2, "sigma_eps": 0.8}],
        1.0,
        [
            Mutant("1/lambda_1'", lambda value, **_: value / 2),
            Mutant("multiplicative noise, lambda_1 + P sigma_eps^2/b", 2 / (lam1 + r * eps**2)),
            Mutant("shift over lambda_1^2", 2 / (lam1 + r * eps**2 / lam1**2)),
            Mutant("full-batch curvature", 2 / lam1),
        ],
    )


@theory.claim
def additive_below() -> Claim:
    """Under additive noise and below the critical batch the largest stable learning rate is sqrt(b/P)/sigma_eps: a
    square-root law for plain SGD.

    The linear law needs multiplicative noise.
    """
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    lam1, r, eps = d.lam1, d.r, d.sigma_eps
    return _additive(
        [{"r": 9.0, "lam1": 1.0, "sigma_eps": 1.0}, {"r": 4.0, "lam1": 0.5, "sigma_eps": 0.7}],
        2.0 / 3.0,
        [
            Mutant("outlier formula continued below b_c", 2 * lam1 / (lam1**2 + r * eps**2)),
            Mutant("linear law", lambda value, **_: value**2),
            Mutant("2 sqrt(b/P)", lambda value, **_: 2 * value),
        ],
    )


@theory.claim
def additive_factor_two() -> Claim:
    """Under additive noise a batch as small as b_c = P sigma_eps^2/lambda_1^2 costs a factor 2 in learning rate, no more:
    alpha_max(b_c) = 1/lambda_1.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    return Claim(
        prediction=d.additive_half,
        check=Identity(other=1 / d.lam1, ranges={"P": (1, 1000), "lam1": (0.1, 9.0), "sigma_eps": (0.1, 3.0)}),
        mutants=[Mutant("no loss", 2 / d.lam1), Mutant("a factor 4", 1 / (2 * d.lam1))],
        budgets={name: Budget(trials=20, margin=0.01) for name in ("quick", "standard", "paper")},
    )


@theory.claim
def additive_exponent() -> Claim:
    """Under additive noise and far below b_c the largest stable learning rate of SGD grows like the square root of b."""
    from theorylab.checks import Exponent
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.sims.random_matrix.learning_rates import additive_rate_at_batch

    return Claim(
        prediction=d.additive_exponent,
        simulation=additive_rate_at_batch,
        check=Exponent("b"),
        points=[{"P": 20_000, "lam1": 1.0, "sigma_eps": 1.0}],
        parameters=[d.DIM, d.BATCH, d.LAMBDA, d.NOISE],
        mutants=[Mutant("linear", lambda value, **_: 2 * value)],
        budgets={
            "quick": Budget(trials=512, margin=0.01, sizes=[20, 60, 200, 600, 2000]),
            "standard": Budget(trials=4096, margin=0.003, sizes=[20, 60, 200, 600, 2000]),
            "paper": Budget(trials=16_384, margin=0.002, sizes=[20, 60, 200, 600, 2000]),
        },
    )


def _damping(prediction: str, simulation: str, point: dict[str, float], mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import granziol_learning_rate as d
    from theorylab.sims.random_matrix import learning_rates

    damping = Parameter("delta", Interval(0, open_low=True), "damping")
    return Claim(
        prediction=getattr(d, prediction),
        simulation=getattr(learning_rates, simulation),
        check=Boundary("delta"),
        points=[{**point, "P": 100_000}],
        parameters=[d.DIM, d.LAMBDA, damping],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=256, margin=0.01),
            "standard": Budget(trials=4096, margin=0.005),
            "paper": Budget(trials=16_384, margin=0.005),
        },
    )


@theory.claim
def ggn_damping() -> Claim:
    """With C = H_emp + delta I and Gauss-Newton noise a step is stable from delta_min = alpha sigma^2 (1 + sqrt(P/b))^2/2
    on, which is alpha P sigma^2/(2b) for b << P: proportional to alpha/b.

    For directions that the full batch sees as flat. A finite system needs less, by the Tracy-Widom shift of the edge.
    """
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    small_batch = d.alpha * d.r * d.sigma**2 / 2
    return _damping(
        "ggn_damping",
        "damped_growth",
        {"r": 4.0, "alpha": 0.2, "lam1": 5.0, "sigma": 1.0},
        [
            Mutant("alpha e", lambda value, **_: 2 * value),
            Mutant("small-batch form at any batch size", small_batch),
            Mutant("additive noise", d.alpha * d.sigma * d.r**0.5),
        ],
    )


@theory.claim
def additive_damping() -> Claim:
    """With C = H_emp + delta I and additive noise a step is stable from delta_min = alpha sigma_eps sqrt(P/b) on."""
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    return _damping(
        "additive_damping",
        "damped_additive_growth",
        {"r": 4.0, "alpha": 0.2, "lam1": 5.0, "sigma_eps": 1.0},
        [
            Mutant("edge at sigma_eps sqrt(P/b)", lambda value, **_: value / 2),
            Mutant("proportional to P/b", d.alpha * d.sigma_eps * d.r / 2 * 3),
        ],
    )
