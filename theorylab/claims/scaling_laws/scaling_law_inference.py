"""How precisely a scaling law is known: the variance of the Huber fit, and what bootstrap intervals cover."""

from __future__ import annotations

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Integers, Parameter
from theorylab.theory import Theory

BESIROGLU = Source(
    authors="Besiroglu, Tamay and Erdil, Ege and Barnett, Matthew and You, Josh",
    title="Chinchilla Scaling: A replication attempt",
    year=2024,
    where="sections 3 and 4",
    arxiv="2404.10102v2",
)
HOFFMANN = Source(
    authors="Hoffmann, Jordan and others",
    title="Training Compute-Optimal Large Language Models",
    year=2022,
    where="section 3.3 and table 2",
    arxiv="2203.15556v1",
    journal="Advances in Neural Information Processing Systems 35",
)

theory = Theory(
    "scaling_laws/scaling-law-inference",
    title="The Huber fit of L = E + A/N^a + B/D^b: its variance, and the coverage of bootstrap intervals",
    source=BESIROGLU,
)

RESAMPLES = Parameter("resamples", Integers(9), "bootstrap resamples", default=99)
COORDINATES = [0, 1, 2, 3, 4, 5]
# Exponents far enough apart for their exchange to be seen.
UNEQUAL = {"s": 0.001, "delta": 1e-3, "A": 1e4, "B": 450.0, "E": 1.8, "a": 0.5, "b": 0.3}


@theory.claim
def huber_variance() -> Claim:
    """The squared error of the fitted log-loss, summed over the runs, tends to 5 kappa s^2, where kappa depends on
    delta/s alone: the Huber fit has kappa times the variance of least squares.

    kappa = 1.423 at delta/s = 0.2, where real runs are: the fit is nearly one of least absolute deviations (pi/2). At
    30 runs it is 4 % less than its limit.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import scaling_law_inference as d
    from theorylab.sims.scaling_laws.loss_fits import fitted

    return Claim(
        prediction=d.variance_factor,
        simulation=fitted,
        check=Asymptotic("copies", observable="curve"),
        points=[{"s": 0.005, "delta": 1e-3}, {"s": 1e-3, "delta": 1e-3}],
        parameters=[d.COPIES, *d.LAW],
        mutants=[
            Mutant("least squares, without the Huber factor", lambda value, **_: np.ones_like(value)),
            Mutant("least absolute deviations", lambda value, **_: np.full_like(value, np.pi / 2)),
            Mutant("mean of psi' not squared", _not_squared),
            Mutant("psi^2 within delta only", _within),
        ],
        budgets={
            "quick": Budget(trials=8192, margin=0.09, sizes=[1, 2, 4, 8]),
            "standard": Budget(trials=60_000, margin=0.03, sizes=[2, 4, 8, 16]),
            "paper": Budget(trials=400_000, margin=0.01, sizes=[2, 4, 8, 16, 32]),
        },
    )


def _not_squared(value: np.ndarray, s: np.ndarray, delta: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return np.asarray(value * erf(delta / s / np.sqrt(2.0)))


def _within(value: np.ndarray, s: np.ndarray, delta: np.ndarray) -> np.ndarray:
    from scipy.special import erf, erfc

    c = delta / s
    z = c / np.sqrt(2.0)
    return np.asarray(value - c * c * erfc(z) / erf(z) ** 2)


@theory.claim
def covariance() -> Claim:
    """n times the mean square errors of ln A, ln B, ln E, a, b and b/(a+b) tend to kappa s^2 n (J^T J)^-1 and to its
    image under the gradient (-b, a)/(a+b)^2.

    At 240 runs of noise 0.005 the standard errors are 0.0052 for a, 0.0036 for b and 0.0045 for b/(a+b).
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import scaling_law_inference as d
    from theorylab.sims.scaling_laws.loss_fits import fitted

    def uncorrelated(value: np.ndarray, k: np.ndarray, **_: np.ndarray) -> np.ndarray:
        gram = d.gram(**{p.name: float(p.default) for p in d.LAW})
        factor = np.append(1.0 / (np.diag(gram) * np.diag(np.linalg.inv(gram))), 1.0)
        return np.asarray(value * factor[np.asarray(k, dtype=int)])

    return Claim(
        prediction=d.run_variance,
        simulation=fitted,
        check=Asymptotic("copies", observable="squares"),
        points=[{"k": COORDINATES, "s": 0.005, "delta": 1e-3}],
        parameters=[d.COPIES],
        mutants=[
            Mutant("delta method without the square in the denominator", _where_exponent(0.7136**2)),
            Mutant("correlations of the parameters ignored, 1/(J^T J)_kk", uncorrelated),
        ],
        budgets={
            "quick": Budget(trials=16_384, margin=0.15, sizes=[1, 2, 4, 8]),
            "standard": Budget(trials=120_000, margin=0.05, sizes=[2, 4, 8, 16]),
            "paper": Budget(trials=600_000, margin=0.02, sizes=[2, 4, 8, 16, 32]),
        },
    )


def _where_exponent(factor: float) -> object:
    return lambda value, k, **_: np.where(np.asarray(k) == 5, factor * value, value)


@theory.claim
def exponent_error() -> Claim:
    """The mean square error of b/(a+b) is (b^2 <da^2> + a^2 <db^2> - 2 a b <da db>)/(a+b)^4 in those of a and b, up to
    a relative 1/n.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import scaling_law_inference as d
    from theorylab.sims.scaling_laws.loss_fits import fitted

    return Claim(
        prediction=d.exponent_error,
        simulation=fitted,
        check=Asymptotic("copies", observable="exponent", given=("aa", "bb", "ab")),
        points=[UNEQUAL],
        parameters=[d.NOISE, d.DELTA, d.COPIES, *d.LAW[:3]],
        mutants=[
            Mutant("no square in the denominator", lambda value, a, b, **_: value * (a + b) ** 2),
            Mutant("a and b exchanged", _exchanged),
        ],
        budgets={
            "quick": Budget(trials=8192, margin=0.02, sizes=[1, 2, 4, 8]),
            "standard": Budget(trials=30_000, margin=0.01, sizes=[2, 4, 8, 16]),
            "paper": Budget(trials=100_000, margin=0.005, sizes=[4, 8, 16, 32]),
        },
    )


def _exchanged(value: np.ndarray, a: np.ndarray, b: np.ndarray, aa: np.ndarray, bb: np.ndarray, **_: object) -> object:
    return value + (a**2 - b**2) * (aa - bb) / (a + b) ** 4


@theory.claim(control=True, expected="fails")
def exponent_error_control() -> Claim:
    """The mean square error of b/(a+b) is 4 % more than the delta method says."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import scaling_law_inference as d
    from theorylab.sims.scaling_laws.loss_fits import fitted

    right = d.exponent_error
    return Claim(
        prediction=right.altered(lambda value, **_: 1.04 * value),
        simulation=fitted,
        check=Asymptotic("copies", observable="exponent", given=("aa", "bb", "ab")),
        points=[UNEQUAL],
        parameters=[d.NOISE, d.DELTA, d.COPIES, *d.LAW[:3]],
        mutants=[Mutant("twice as much", lambda value, **_: 2 * value)],
        budgets={
            "quick": Budget(trials=8192, margin=0.01, sizes=[1, 2, 4, 8]),
            "standard": Budget(trials=30_000, margin=0.01, sizes=[2, 4, 8, 16]),
            "paper": Budget(trials=100_000, margin=0.005, sizes=[4, 8, 16, 32]),
        },
    )


@theory.claim
def bootstrap_coverage() -> Claim:
    """Around the estimate, z times the bootstrap's scale (half the width of the central 68.3 % of the resamples) covers
    ln A, ln B, ln E, a, b and b/(a+b) with the stated probability.

    Of 90 %, between 89 and 91.5 from 60 runs to 240. The bootstrap draws runs with replacement. It holds for the scale
    and not for the percentiles: see `percentile-coverage`.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import scaling_law_inference as d
    from theorylab.sims.scaling_laws.loss_fits import bootstrapped

    point = {"s": 0.005, "delta": 1e-3, "level": 0.9, "k": COORDINATES}
    return Claim(
        prediction=d.coverage,
        simulation=bootstrapped,
        check=Expectation(observable="covered", scale="absolute"),
        points=[{**point, "copies": 2, "resamples": 49}],
        parameters=[d.WHICH, d.COPIES, RESAMPLES, d.NOISE, d.DELTA, *d.LAW],
        mutants=[
            Mutant("one standard error to either side", lambda value, **_: np.full_like(value, 0.6827)),
            Mutant("half the width", lambda value, **_: np.full_like(value, 0.5892)),
        ],
        budgets={
            "quick": Budget(trials=2048, margin=0.07),
            "standard": Budget(trials=12_000, margin=0.03, points=[{**point, "copies": 4, "resamples": 99}]),
            "paper": Budget(
                trials=40_000, margin=0.02, points=[{**point, "copies": c, "resamples": 199} for c in (2, 4, 8, 16)]
            ),
        },
    )


@theory.claim(expected="fails")
def percentile_coverage() -> Claim:
    """Between the 5 % and 95 % quantiles of the bootstrap lies the truth with probability 90 %.

    The usual intervals are too wide when runs are few: they cover 95 % at 30 runs, 93 % at 60, 92 % at 240. With
    delta/s = 0.2 the fit is nearly one of least absolute deviations, whose bootstrap distribution is too wide by a
    relative amount of order 1/sqrt(n) and leans to the side to which the estimate is off.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import scaling_law_inference as d
    from theorylab.sims.scaling_laws.loss_fits import bootstrapped

    return Claim(
        prediction=d.coverage,
        simulation=bootstrapped,
        check=Expectation(observable="between_percentiles", scale="absolute"),
        points=[{"s": 0.005, "delta": 1e-3, "level": 0.9, "k": COORDINATES, "copies": 1, "resamples": 49}],
        parameters=[d.WHICH, d.COPIES, RESAMPLES, d.NOISE, d.DELTA, *d.LAW],
        mutants=[Mutant("5 % in all outside", lambda value, **_: value - 0.05)],
        budgets={
            "quick": Budget(trials=1536, margin=0.01),
            "standard": Budget(trials=24_000, margin=0.01),
            "paper": Budget(trials=40_000, margin=0.01),
        },
    )


@theory.claim
def width_and_runs() -> Claim:
    """The width of an interval of b/(a+b) falls like one over the square root of the number of runs.

    The fitted exponent is -0.55 between 30 and 240 runs, where the bootstrap is up to a tenth too wide, and -0.52 from
    there to 960.
    """
    from theorylab.checks import Exponent
    from theorylab.derivations.scaling_laws import scaling_law_inference as d
    from theorylab.sims.scaling_laws.loss_fits import bootstrapped

    point = {"s": 0.005, "delta": 1e-3, "level": 0.9}
    return Claim(
        prediction=d.width_exponent,
        simulation=bootstrapped,
        check=Exponent("copies", observable="width"),
        points=[{**point, "resamples": 49}],
        parameters=[d.LEVEL, d.COPIES, RESAMPLES, d.NOISE, d.DELTA, *d.LAW],
        mutants=[
            Mutant("1/n", lambda value, **_: 2 * value),
            Mutant("no runs too many: n^0", lambda value, **_: 0 * value),
        ],
        budgets={
            "quick": Budget(trials=384, margin=0.1, sizes=[2, 4, 8, 16], points=[{**point, "resamples": 19}]),
            "standard": Budget(trials=800, margin=0.06, sizes=[4, 8, 16, 32]),
            "paper": Budget(trials=10_000, margin=0.02, sizes=[16, 32, 64, 128]),
        },
    )


@theory.claim
def interval_width() -> Claim:
    """The bootstrap interval of b/(a+b) is 2 z kappa^(1/2) s (g . (J^T J)^-1 g)^(1/2) wide, with the gradient g.

    In the mean it is 4 % wider at 240 runs. For noise of 0.005 the 80 % interval from 240 runs is 0.012 wide.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import scaling_law_inference as d
    from theorylab.sims.scaling_laws.loss_fits import bootstrapped

    point = {"s": 0.005, "delta": 1e-3, "level": 0.8}
    return Claim(
        prediction=d.interval_width,
        simulation=bootstrapped,
        check=Expectation(observable="width"),
        points=[{**point, "copies": 8, "resamples": 49}],
        parameters=[RESAMPLES],
        mutants=[
            Mutant("half of it", lambda value, **_: value / 2),
            Mutant("variance for standard deviation", lambda value, **_: value**2),
        ],
        budgets={
            "quick": Budget(trials=320, margin=0.14),
            "standard": Budget(trials=1500, margin=0.08, points=[{**point, "copies": 16, "resamples": 99}]),
            "paper": Budget(trials=5000, margin=0.04, points=[{**point, "copies": 64, "resamples": 199}]),
        },
    )


@theory.claim(expected="fails", source=HOFFMANN)
def published_width() -> Claim:
    """From 240 training runs the 80 % interval of the exponent of the compute-optimal model size is 0.001 wide.

    The published interval is 0.454 to 0.455. At a noise of 0.005 it takes 3e4 runs on this design to know the exponent
    so well; from 240 the interval is 0.012 wide (`interval-width`). Besiroglu et al. trace the published one to an
    optimiser that stopped early, on the mean instead of the sum of the losses.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import scaling_law_inference as d
    from theorylab.sims.scaling_laws.loss_fits import bootstrapped

    return Claim(
        prediction=d.published_width,
        simulation=bootstrapped,
        check=Expectation(observable="width"),
        points=[{"s": 0.005, "delta": 1e-3, "level": 0.8, "copies": 8, "resamples": 49}],
        parameters=[d.LEVEL, d.COPIES, RESAMPLES, d.NOISE, d.DELTA, *d.LAW],
        mutants=[Mutant("a tenth", lambda value, **_: value / 10)],
        budgets={
            "quick": Budget(trials=128, margin=0.3),
            "standard": Budget(trials=512, margin=0.3),
            "paper": Budget(trials=2000, margin=0.3),
        },
    )
