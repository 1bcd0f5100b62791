"""A linear student along training: test and train error at every time."""

from __future__ import annotations

from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.parameters import Integers, Parameter
from theorylab.theory import Theory

theory = Theory(
    "learning_dynamics/advani-saxe-linear-dynamics",
    title="Generalisation of a linear student along training, when inputs and examples are both many",
    source=Source(
        authors="Madhu S. Advani and Andrew M. Saxe",
        title="High-dimensional dynamics of generalization error in neural networks",
        year=2017,
        where="sections 2 and 3",
        arxiv="1710.03667v1",
    ),
)

DRAWS = Parameter("draws", Integers(1), "teachers, starts and noises for each X", 32)
TIMES = np.array([0.2, 1.0, 4.0])
# (SNR, INR): four for each of three numbers of examples.
CONDITIONS = ((4.0, 0.25), (1.0, 0.0), (20.0, 1.0), (0.5, 2.0))
TWELVE = [{"alpha": a, "snr": s, "inr": i, "t": TIMES} for a in (0.5, 1.0, 2.0) for s, i in CONDITIONS]
SOME = [TWELVE[0], TWELVE[8]]


def _over(mode: Any, over: str = "average") -> Any:
    """A mutant: an average of another function of the eigenvalue, without the noise of the labels."""

    def value(_: Any, *, alpha: Any, snr: Any, inr: Any, t: Any) -> Any:
        from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d
        from theorylab.derivations.random_matrix import rmt_marchenko_pastur_averages as averages

        found = d.over_spectrum(
            lambda x, snr, inr, t, a: mode(x, snr, inr, t, a),
            getattr(averages, over),
            alpha,
            snr=snr,
            inr=inr,
            t=t,
            a=alpha,
        )
        return found.value

    return value


def _test_mutants() -> list[Mutant]:
    from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d

    def inverted(x: Any, snr: Any, inr: Any, t: Any, a: Any) -> Any:
        return d.test_mode(x, *d.flow(x, t), 1.0 / snr, inr) + 1.0 / snr

    def merged(x: Any, snr: Any, inr: Any, t: Any, a: Any) -> Any:
        left, moved = d.flow(x, 2.0 * t)
        return (1.0 + inr) * left + moved / snr + 1.0 / snr

    def by_examples(x: Any, snr: Any, inr: Any, t: Any, a: Any) -> Any:
        return d.test_mode(x / a, *d.flow(x / a, t), snr, inr) + 1.0 / snr

    return [
        Mutant("SNR instead of 1/SNR in the variance", _over(inverted)),
        Mutant("1 - exp(-2 l t) instead of (1 - exp(-l t))^2", _over(merged)),
        Mutant("X normalised by sqrt(P)", _over(by_examples)),
        Mutant("without the modes that never move", _over(_moving, "continuous_average")),
    ]


def _moving(x: Any, snr: Any, inr: Any, t: Any, a: Any) -> Any:
    from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d

    return d.test_mode(x, *d.flow(x, t), snr, inr) + 1.0 / snr / np.minimum(1.0, a)


def _train_mutants() -> list[Mutant]:
    from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d

    def by_examples(x: Any, snr: Any, inr: Any, t: Any, a: Any) -> Any:
        floor = np.maximum(0.0, 1.0 - 1.0 / a) / snr
        return d.train_mode(x / a, d.flow(x / a, t)[0], snr, inr) / a + floor / np.minimum(1.0, a)

    return [
        Mutant(
            "without the floor (1 - 1/alpha)/SNR",
            lambda value, *, alpha, snr, inr, t: value - np.maximum(0.0, 1.0 - 1.0 / alpha) / snr,
        ),
        Mutant("X normalised by sqrt(P)", _over(by_examples, "continuous_average")),
        Mutant("over N instead of P", lambda value, *, alpha, snr, inr, t: value * alpha),
    ]


def _drawn(name: str, mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d
    from theorylab.sims.learning_dynamics.linear_student import flow

    early = [{**p, "t": TIMES[:2]} for p in SOME]
    return Claim(
        prediction=d.TEST if name == "test" else d.TRAIN,
        simulation=flow,
        check=Asymptotic(size="N", observable=name),
        points=early,
        parameters=[d.INPUTS, DRAWS],
        mutants=mutants,
        budgets={
            "quick": Budget(256, 0.08, sizes=(8, 16, 32, 64)),
            "standard": Budget(2048, 0.015, sizes=(16, 32, 64, 128)),
            "paper": Budget(2048, 0.008, sizes=(50, 100, 200, 400), points=SOME),
        },
    )


@theory.claim
def test_error() -> Claim:
    """For many inputs the test error over sw^2 is int rho [(1 + INR) exp(-2 l t) + (1 - exp(-l t))^2/(l SNR)] + 1/SNR
    over the Marchenko-Pastur law of X X^T, its atom 1 - alpha at zero included.

    Every trial draws X, teachers, starts and noise, and follows their flow exactly.
    """
    return _drawn("test", _test_mutants())


@theory.claim
def train_error() -> Claim:
    """For many inputs the train error over sw^2 is (1/alpha) int_(l>0) rho [l (1 + INR) + 1/SNR] exp(-2 l t) +
    max(0, 1 - 1/alpha)/SNR.

    Every trial draws X, teachers, starts and noise, and follows their flow exactly.
    """
    return _drawn("train", _train_mutants())


def _averaged(name: str, mutants: list[Mutant], prediction: Any = None) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d
    from theorylab.sims.learning_dynamics.linear_spectra import mean_errors

    # Late train errors at alpha = 1/2 are those of the slowest mode, e^-30, which has no 1/N expansion worth the name.
    points = TWELVE if name == "test" else [{**p, "t": TIMES[:2]} for p in TWELVE]
    return Claim(
        prediction=prediction or (d.TEST if name == "test" else d.TRAIN),
        simulation=mean_errors,
        check=Asymptotic(size="N", observable=name),
        points=points,
        parameters=[d.INPUTS],
        mutants=mutants,
        budgets={
            "quick": Budget(128, 0.05, sizes=(8, 16, 32, 64), points=[points[1], points[6], points[11]]),
            "standard": Budget(4096, 0.004, sizes=(20, 40, 80, 160)),
            "paper": Budget(4096, 0.002, sizes=(100, 200, 400, 800)),
        },
    )


@theory.claim
def test_error_in_twelve_conditions() -> Claim:
    """The test error has this limit at alpha = 1/2, 1, 2 and four pairs (SNR, INR) each, before and after the best
    stopping time; finite sizes approach it like 1/N.

    Averaged over teachers, starts and noise at every X, so that only the spectrum scatters.
    """
    return _averaged("test", _test_mutants())


@theory.claim
def train_error_in_twelve_conditions() -> Claim:
    """The train error has this limit at alpha = 1/2, 1, 2 and four pairs (SNR, INR) each; finite sizes approach it
    like 1/N.

    Averaged over teachers, starts and noise at every X, so that only the spectrum scatters.
    """
    return _averaged("train", _train_mutants())


@theory.claim(control=True, expected="fails")
def slower_by_four_per_cent() -> Claim:
    """Control: every mode learns at 0.96 of its rate."""
    from dataclasses import replace

    from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d

    slower = d.TRAIN.altered(lambda _, *, t, **rest: d.TRAIN(t=0.96 * t, **rest))
    claim = _averaged("train", [], slower)
    points = [{"alpha": 2.0, "snr": 20.0, "inr": 1.0, "t": np.array([0.5, 1.0])}]
    budgets = {
        "quick": Budget(256, 0.01, sizes=(8, 16, 32, 64), points=points),
        "standard": Budget(4096, 0.005, sizes=(20, 40, 80, 160), points=points),
        "paper": Budget(4096, 0.002, sizes=(100, 200, 400, 800), points=points),
    }
    return replace(claim, budgets=budgets)


@theory.claim
def descent_at_given_inputs() -> Claim:
    """At every X, gradient descent with step eta has the test error of the flow with (1 - eta l)^k in place of
    exp(-l t), averaged over the N eigenvalues of X X^T itself.

    Exact at every size, up to eta = 2/l_max; beyond it predictions and simulations refuse, and name that value.
    """
    from theorylab.checks import Curve
    from theorylab.derivations.learning_dynamics import advani_saxe_limits as limits
    from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d
    from theorylab.sims.learning_dynamics.linear_descent import descent

    def with_modes(change: Any) -> Any:
        def value(_: Any, *, snr: Any, inr: Any, eta: Any, k: Any, spectrum: Any) -> Any:
            x = spectrum[:, None, :]
            left, moved = change(x, eta, k[:, None])
            return d.test_mode(x, left, moved, snr, inr).mean(axis=-1) + 1.0 / snr

        return value

    shared = {"snr": 4.0, "inr": 1.0, "k": np.array([1, 2, 6]), "draws": 32}
    points = [{"N": 12, "P": 6, "eta": 0.25, **shared}, {"N": 12, "P": 24, "eta": 0.15, **shared}]
    return Claim(
        prediction=d.DESCENT_GIVEN,
        simulation=descent,
        check=Curve(axis="k", observable="test", given=("spectrum",)),
        points=points,
        parameters=[d.INPUTS, limits.EXAMPLES, DRAWS],
        mutants=[
            Mutant("flow: exp(-eta l k)", with_modes(lambda x, eta, k: d.flow(x, eta * k))),
            Mutant("loss without its 1/2: twice the rate", with_modes(lambda x, eta, k: d.descent(x, eta, 2 * k))),
            Mutant(
                "loss over P",
                lambda value, *, k, spectrum, **at: d.DESCENT_GIVEN(k=np.maximum(k - 1, 0), spectrum=spectrum, **at),
            ),
        ],
        budgets={"quick": Budget(1024, 0.025), "standard": Budget(32_768, 0.006), "paper": Budget(262_144, 0.002)},
    )


@theory.claim
def frozen_subspace() -> Claim:
    """With fewer examples than inputs the part of the weights orthogonal to all examples never moves:
    |w P_0|^2/(N sw^2) stays INR (1 - P/N) on average.

    Draw by draw it is constant to rounding, which a test shows; the noise has no part in it.
    """
    from theorylab.checks import Curve
    from theorylab.derivations.learning_dynamics import advani_saxe_limits as limits
    from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d
    from theorylab.sims.learning_dynamics.linear_descent import descent

    point = {"N": 12, "P": 8, "inr": 0.5, "snr": 0.5, "eta": 0.2, "k": np.array([0, 4, 16]), "draws": 32}
    return Claim(
        prediction=limits.FROZEN,
        simulation=descent,
        check=Curve(axis="k", observable="frozen"),
        points=[point],
        parameters=[d.SNR, d.RATE, d.STEPS, DRAWS],
        mutants=[
            Mutant("all directions", limits.inr),
            Mutant("those that are seen", limits.inr * limits.P / limits.N),
        ],
        budgets={"quick": Budget(1024, 0.04), "standard": Budget(32_768, 0.006), "paper": Budget(262_144, 0.002)},
    )


def _square(prediction: Any, times: tuple[float, ...], margins: Any, mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Identity
    from theorylab.derivations.learning_dynamics import advani_saxe_square as s

    return Claim(
        prediction=prediction,
        check=Identity(other=s.SQUARE_AVERAGE),
        points=grid(snr=[0.5, 4.0], inr=0.25, t=list(times)),
        mutants=mutants,
        budgets={name: Budget(1, margin) for name, margin in zip(("quick", "standard", "paper"), margins)},
    )


@theory.claim
def as_many_examples_as_inputs() -> Claim:
    """At alpha = 1 the test error is (1 + INR) M(2t) + (2 G(t) - G(2t))/SNR + 1/SNR, M(t) = exp(-2t) (I_0 + I_1)(2t)
    and G its integral: closed form and quadrature agree at all times, the hard edge included.

    The published form is the integral; the closed one lets the quadrature be tested where it is hardest.
    """
    from theorylab.derivations.learning_dynamics import advani_saxe_square as s

    return _square(
        s.SQUARE_TEST,
        (0.01, 1.0, 1e2, 1e5, 1e8),
        (1e-11, 1e-11, 1e-11),
        [
            Mutant("I_0 alone", lambda value, snr, inr, t: value - (1 + inr) * _bessel(1, 4 * t)),
            Mutant("M(t) for M(2t)", lambda value, snr, inr, t: value + (1 + inr) * _doubled(t)),
        ],
    )


def _bessel(order: int, x: Any) -> Any:
    from scipy.special import i0e, i1e

    return (i0e, i1e)[order](x)


def _doubled(t: Any) -> Any:
    return sum(_bessel(order, 2 * t) - _bessel(order, 4 * t) for order in (0, 1))


@theory.claim
def square_root_law() -> Claim:
    """At alpha = 1 and late times E_g/sw^2 - 1/SNR = (1/SNR) [2 (2 - sqrt 2) sqrt(t/pi) - 1/2] +
    (1 + INR)/sqrt(2 pi t): overtraining grows like sqrt(t).

    Relative errors 1.4e-4 at t = 1000, 1.4e-6 at t = 10^5.
    """
    import sympy as sp

    from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d
    from theorylab.derivations.learning_dynamics import advani_saxe_square as s

    late, t = s.SQUARE_LAW.expr, s.LATE.symbol
    root, noise = sp.sqrt(t / sp.pi), 1 / d.snr
    return _square(
        s.SQUARE_LAW,
        (1e3, 1e4, 1e5),
        (5e-4, 5e-4, 5e-4),
        [
            Mutant("constant +1/2", late + noise),
            Mutant("without the constant", late + noise / 2),
            Mutant("1 - exp(-2 l t) instead of the square", late + (4 * sp.sqrt(2) - 4) * root * noise),
            Mutant("start forgotten", late - (1 + d.inr) / sp.sqrt(2 * sp.pi * t)),
        ],
    )


@theory.claim
def overtraining_exponent() -> Claim:
    """At alpha = 1 the test error less its noise grows like t^(1/2), for 1 << t << N^2."""
    from theorylab.checks import Exponent
    from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d
    from theorylab.derivations.learning_dynamics import advani_saxe_square as s
    from theorylab.sims.learning_dynamics.linear_spectra import overtraining

    return Claim(
        prediction=s.SQUARE_EXPONENT,
        simulation=overtraining,
        check=Exponent(size="t", drift=-0.5),
        points=[{"alpha": 1.0, "snr": 0.5, "inr": 0.0, "N": 100}],
        parameters=[d.ALPHA, d.INPUTS, d.TIME],
        mutants=[
            Mutant("1/3", s.SQUARE_EXPONENT.expr - 1.0 / 6.0),
            Mutant(
                "linear in t, as 1/lambda would be cut at 1/t for a law with a density at 0", s.SQUARE_EXPONENT.expr * 2
            ),
        ],
        budgets={
            "quick": Budget(256, 0.05, sizes=(10, 20, 40, 80, 160)),
            "standard": Budget(4096, 0.02, sizes=(20, 40, 80, 160, 320)),
            "paper": Budget(
                4096,
                0.008,
                sizes=(50, 100, 200, 400, 800, 1600),
                points=[{"alpha": 1.0, "snr": 0.5, "inr": 0.0, "N": 1000}],
            ),
        },
    )


@theory.claim
def early_times() -> Claim:
    """At early times E_g/sw^2 = 1 + INR + 1/SNR - 2 alpha (1 + INR) t + [2 (1 + INR) (alpha^2 + alpha) + alpha/SNR] t^2
    - [(4/3) (1 + INR) (alpha^3 + 3 alpha^2 + alpha) + (alpha^2 + alpha)/SNR] t^3 + O(t^4).

    The published expansion ends at t^2.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as d

    noise = d.alpha / d.snr * d.t**2
    return Claim(
        prediction=d.EARLY,
        check=Identity(other=d.TEST),
        points=grid(alpha=[0.5, 1.0, 2.0], snr=2.0, inr=0.25, t=0.01),
        mutants=[
            Mutant("no noise at second order", d.early - noise),
            Mutant("squared first moment for the second", d.early - 2 * (1 + d.inr) * d.alpha * d.t**2),
            Mutant("half the slope", d.early + d.alpha * (1 + d.inr) * d.t),
        ],
        budgets={"quick": Budget(1, 3e-6), "standard": Budget(1, 3e-6), "paper": Budget(1, 3e-6)},
    )
