"""The largest stable learning rate as a function of the batch size: SGD, Adam, momentum and damping."""

from __future__ import annotations

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Interval, Parameter
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
        return (factor * b / (P * sigma**2)) / (1 + b / crossover)

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

    Under generalised Gauss-Newton noise, where the bulk edge sigma^2 (1 + sqrt(P/B))^2 rules. The edge corrects the
    power law by the factor 1 - 2 sqrt(B/P), hence the drift of 1/2 in the fit: at B/P = 1/1000 the local slope is
    still 3 % below 1."""
    return _rate_exponent("sgd_exponent", "sgd", [Mutant("square root", lambda value, **_: value / 2)])


@theory.claim
def adam_exponent() -> Claim:
    """For B << P the largest stable learning rate of an Adam-type method grows like the square root of the batch
    size."""
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
