"""The gradient noise scale: what a step of SGD gains at a batch size."""

from __future__ import annotations

from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Integers, Interval, Parameter
from theorylab.theory import Theory

theory = Theory(
    "scaling_laws/gradient-noise-scale",
    title="Expected decrease of the loss in a step of SGD, the best learning rate, and the critical batch size",
    source=Source(
        authors="McCandlish, Sam and Kaplan, Jared and Amodei, Dario and OpenAI Dota Team",
        title="An Empirical Model of Large-Batch Training",
        year=2018,
        where="section 2 and appendix A",
        arxiv="1812.06162v1",
    ),
)

# Batches around the noise scale, which is 6.2 for sigma = 2.
POINTS = [{"P": 20, "sigma": 2.0, "B": 2, "eta": 0.8}, {"P": 20, "sigma": 2.0, "B": 8, "eta": 0.8}]
IDENTITY = {
    "quick": Budget(trials=6, margin=1e-10),
    "standard": Budget(trials=100, margin=1e-10),
    "paper": Budget(trials=1000, margin=1e-10),
}


def _noise(factor: float) -> Any:
    """The expected decrease over eta |G|^2 with the noise's part multiplied by a factor."""

    def wrong(value: np.ndarray, P: np.ndarray, B: np.ndarray, sigma: np.ndarray, eta: np.ndarray) -> np.ndarray:
        from scipy.special import digamma

        part = sigma**2 * (digamma(P + 1) + np.euler_gamma + P / 10) / B
        return np.asarray(value - (factor - 1) * eta / (2 * P) * part)

    return wrong


def _no_curvature(value: np.ndarray, P: np.ndarray, B: np.ndarray, sigma: np.ndarray, eta: np.ndarray) -> np.ndarray:
    from scipy.special import digamma

    weighted, plain = digamma(P + 1) + np.euler_gamma + P / 10, P + P * (P + 1) / 20
    return np.asarray(value - eta / (2 * P) * sigma**2 * (plain - weighted) / B)


@theory.claim
def expected_decrease() -> Claim:
    """A step of SGD lowers the expected loss by eta |G|^2 - (eta^2/2)(G^T H G + tr(H Sigma)/B).

    Exact for a quadratic at every batch size; compared in units of eta |G|^2.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import gradient_noise_scale as d
    from theorylab.sims.scaling_laws.gradient_noise import quadratic_step

    return Claim(
        prediction=d.reference_share,
        simulation=quadratic_step,
        check=Expectation(observable="share"),
        points=POINTS,
        mutants=[
            Mutant("noise term without 1/2", _noise(2.0)),
            Mutant("noise term 1/B^2", lambda value, P, B, sigma, eta: _noise(1 / B)(value, P, B, sigma, eta)),
            Mutant("tr Sigma instead of tr(H Sigma)", _no_curvature),
            Mutant("full-batch decrease", _noise(0.0)),
        ],
        budgets={
            "quick": Budget(trials=60_000, margin=0.03),
            "standard": Budget(trials=1_000_000, margin=0.008),
            "paper": Budget(trials=10_000_000, margin=0.003),
        },
    )


@theory.claim(control=True, expected="fails")
def expected_decrease_control() -> Claim:
    """A step of SGD lowers the expected loss by 4 % more than it does."""
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import gradient_noise_scale as d
    from theorylab.sims.scaling_laws.gradient_noise import quadratic_step

    return Claim(
        prediction=d.reference_share.altered(lambda value, **_: 1.04 * value),
        simulation=quadratic_step,
        check=Expectation(observable="share"),
        points=POINTS[1:],
        mutants=[Mutant("twice as much", lambda value, **_: 2 * value)],
        budgets={
            "quick": Budget(trials=120_000, margin=0.01),
            "standard": Budget(trials=400_000, margin=0.008),
            "paper": Budget(trials=2_000_000, margin=0.003),
        },
    )


@theory.claim
def best_learning_rate() -> Claim:
    """The learning rate of the largest expected decrease is eta_max/(1 + B_noise/B), eta_max = |G|^2/(G^T H G),
    B_noise = tr(H Sigma)/(G^T H G).

    Found from the sign of the derivative of the decrease: common gradients on both sides of the optimum.
    """
    from theorylab.checks import Boundary
    from theorylab.derivations.scaling_laws import gradient_noise_scale as d
    from theorylab.sims.scaling_laws.gradient_noise import quadratic_step

    batch = d.noise_batch.subs(d.REFERENCE)
    fastest = d.fastest.subs(d.REFERENCE)
    trace_over_norm = (d.HS / d.G2).subs(d.REFERENCE)
    return Claim(
        prediction=d.reference_rate,
        simulation=quadratic_step,
        check=Boundary(parameter="eta", observable="slope", ladder=(-2.0, -1.0, 1.0, 2.0)),
        points=[{"P": 20, "sigma": 2.0, "B": 4}],
        parameters=[d.ETA],
        mutants=[
            Mutant("eta_max/(1 + B_noise/B)^(1/2)", fastest / (1 + batch / d.B) ** 0.5),
            Mutant("B_noise = tr(H Sigma)/|G|^2", fastest / (1 + trace_over_norm / d.B)),
            Mutant("linear in the batch", fastest * d.B / batch),
            Mutant("eta_max", fastest),
        ],
        budgets={
            "quick": Budget(trials=32_768, margin=0.04),
            "standard": Budget(trials=250_000, margin=0.015),
            "paper": Budget(trials=2_000_000, margin=0.005),
        },
    )


@theory.claim
def best_decrease() -> Claim:
    """The largest expected decrease in a step is dL_max/(1 + B_noise/B), dL_max = |G|^4/(2 G^T H G)."""
    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import gradient_noise_scale as d

    most = d.G2**2 / (2 * d.GHG)
    return Claim(
        prediction=d.best_decrease,
        check=Identity(
            other=d.best_maximised, ranges={"G2": (1.0, 20.0), "GHG": (0.5, 10.0), "HS": (1.0, 50.0), "B": (1, 32)}
        ),
        mutants=[
            Mutant("half a power", most / (1 + d.noise_batch / d.B) ** 0.5),
            Mutant("B_noise = tr(H Sigma)/|G|^2", most / (1 + d.HS / d.G2 / d.B)),
            Mutant("dL_max without 1/2", 2 * d.best_gain),
        ],
        budgets=IDENTITY,
    )


@theory.claim
def steps_at_batch() -> Claim:
    """Along a descent of constant noise scale, of small gains, S = S_min (1 + B_noise/B) steps reach a loss:
    (S/S_min - 1)(E/E_min - 1) = 1 with E = B S.

    Only where a step gains little of what is left. On an isotropic quadratic a noise-free step gains all of it: there
    the steps for a given factor go like 1/log(1 + B/B_noise), and the hyperbola is off by any factor for large batches.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import gradient_noise_scale as d

    return Claim(
        prediction=d.steps_needed,
        check=Identity(other=d.steps_counted, ranges={"ratio": (0.1, 10.0)}),
        mutants=[
            Mutant("1 + B/B_noise", 1 + d.ratio),
            Mutant("(1 + (B_noise/B)^2)^(1/2)", (1 + d.ratio**-2) ** 0.5),
            Mutant("B_noise/B, linear speed-up", 1 / d.ratio),
        ],
        budgets={name: Budget(trials=b.trials, margin=1e-3) for name, b in IDENTITY.items()},
    )


@theory.claim
def power_law_features() -> Claim:
    """On power-law random features a step of one-pass SGD gains in the mean what |G|^2, G^T H G and tr(H Sigma) of the
    features drawn say.

    The gradients are not Gaussian there: the covariance of a gradient is |residual|^2 H + G G^T.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import gradient_noise_scale as d
    from theorylab.sims.scaling_laws.gradient_noise import feature_step

    positive = Interval(0, open_low=True)
    point = {"ratio": 4, "alpha": 0.4, "beta": 0.5, "B": 16, "eta": 0.4}
    return Claim(
        prediction=d.expected_decrease,
        simulation=feature_step,
        check=Expectation(observable="decrease", given=("G2", "GHG", "HS")),
        points=[{**point, "d": 16}],
        parameters=[
            Parameter("d", Integers(1), "features"),
            Parameter("ratio", Integers(1), "input coordinates for each feature"),
            Parameter("alpha", positive, "exponent of the inputs' standard deviations"),
            Parameter("beta", Interval(), "exponent of the target's coefficients"),
        ],
        mutants=[
            Mutant("noise term without 1/2", _given(lambda G2, GHG, HS, B, eta: -(eta**2) / 2 * HS / B)),
            Mutant("noise forgotten", _given(lambda G2, GHG, HS, B, eta: eta**2 / 2 * HS / B)),
            Mutant("the batch's sum instead of its mean", _given(lambda G2, GHG, HS, B, eta: eta * (B - 1) * G2)),
        ],
        budgets={
            "quick": Budget(trials=8192, margin=0.05),
            "standard": Budget(trials=80_000, margin=0.015),
            "paper": Budget(trials=100_000, margin=0.01, points=[{**point, "d": 200}]),
        },
    )


def _given(extra: Any) -> Any:
    return lambda value, **x: value + extra(x["G2"], x["GHG"], x["HS"], x["B"], x["eta"])


BATCHES = [
    Parameter("small", Integers(1), "batch size of the first gradient", default=2),
    Parameter("large", Integers(2), "batch size of the second gradient", default=16),
]


@theory.claim
def squared_norm() -> Claim:
    """(B_2 |g_2|^2 - B_1 |g_1|^2)/(B_2 - B_1) is an unbiased estimate of |G|^2."""
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import gradient_noise_scale as d
    from theorylab.sims.scaling_laws.gradient_noise import two_batches

    return Claim(
        prediction=d.squared_norm,
        simulation=two_batches,
        check=Expectation(observable="norm"),
        points=[{"P": 20, "sigma": 2.0, "small": 2, "large": 16}],
        parameters=[d.SIGMA, *BATCHES],
        mutants=[
            Mutant("the large batch's own norm", lambda value, P, **_: value + 4.0 * (P + P * (P + 1) / 20) / 16),
            Mutant("half", lambda value, **_: value / 2),
        ],
        budgets={
            "quick": Budget(trials=16_384, margin=0.06),
            "standard": Budget(trials=400_000, margin=0.01),
            "paper": Budget(trials=4_000_000, margin=0.003),
        },
    )


@theory.claim(expected="fails")
def plain_norm() -> Claim:
    """The squared norm of a batch's gradient is that of the gradient.

    It is more by tr Sigma/B: 51 % at a batch of 16, where the noise scale is 6. `squared-norm` takes that off.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import gradient_noise_scale as d
    from theorylab.sims.scaling_laws.gradient_noise import two_batches

    return Claim(
        prediction=d.squared_norm,
        simulation=two_batches,
        check=Expectation(observable="plain"),
        points=[{"P": 20, "sigma": 2.0, "small": 2, "large": 16}],
        parameters=[d.SIGMA, *BATCHES],
        mutants=[Mutant("half", lambda value, **_: value / 2)],
        budgets={
            "quick": Budget(trials=8192, margin=0.05),
            "standard": Budget(trials=50_000, margin=0.02),
            "paper": Budget(trials=500_000, margin=0.01),
        },
    )


@theory.claim
def noise_trace() -> Claim:
    """(|g_1|^2 - |g_2|^2)/(1/B_1 - 1/B_2) is an unbiased estimate of tr Sigma."""
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import gradient_noise_scale as d
    from theorylab.sims.scaling_laws.gradient_noise import two_batches

    return Claim(
        prediction=d.noise_trace,
        simulation=two_batches,
        check=Expectation(observable="trace"),
        points=[{"P": 20, "sigma": 2.0, "small": 2, "large": 16}],
        parameters=BATCHES,
        mutants=[
            Mutant("tr(H Sigma)", _weighted),
            Mutant("standard deviation for variance", lambda value, P, sigma: value / sigma),
        ],
        budgets={
            "quick": Budget(trials=16_384, margin=0.06),
            "standard": Budget(trials=400_000, margin=0.01),
            "paper": Budget(trials=4_000_000, margin=0.003),
        },
    )


def _weighted(value: np.ndarray, P: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    from scipy.special import digamma

    return np.asarray(sigma**2 * (digamma(P + 1) + np.euler_gamma + P / 10) + 0 * value)


@theory.claim
def isotropic_curvature() -> Claim:
    """Where the curvature is a multiple of the identity, the noise scale tr(H Sigma)/(G^T H G) is tr Sigma/|G|^2."""
    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import gradient_noise_scale as d

    h = 3
    return Claim(
        prediction=d.isotropic_scale,
        check=Identity(
            other=d.noise_batch.subs({d.HS: h * d.spread, d.GHG: h * d.P}), ranges={"P": (2, 100), "sigma": (0.1, 3.0)}
        ),
        mutants=[
            Mutant("the noise scale of the reference curvature", d.noise_batch.subs(d.REFERENCE)),
            Mutant("tr Sigma/|G|", d.spread / d.P**0.5),
        ],
        budgets={name: Budget(trials=b.trials, margin=1e-12) for name, b in IDENTITY.items()},
    )
