"""The solvable model of neural scaling laws: the loss of ridge regression on random features of power-law data.

What is exact at finite size is in `msr_random_feature_finite`, power laws and the best ridge in
`msr_random_feature_limits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

if TYPE_CHECKING:
    import sympy as sp

    from theorylab.prediction import Implicit, Numerical

MALONEY = Source(
    authors="Maloney, Alexander and Roberts, Daniel A. and Sully, James",
    title="A Solvable Model of Neural Scaling Laws",
    year=2022,
    where="sections 2 and 3",
    arxiv="2210.16859v1",
)
ZHANG = Source(
    authors="Zhang, Zhengkang",
    title="Neural Scaling Laws From Large-N Field Theory: Solvable Model Beyond the Ridgeless Limit",
    year=2024,
    where="the ridge, the duality of features and samples",
    arxiv="2405.19398v1",
)

theory = Theory(
    "scaling_laws/msr-random-feature-scaling",
    title="Loss of ridge regression on random features of power-law data",
    source=MALONEY,
)


def _other_output(output: sp.Expr) -> Numerical:
    """The same equation with another formula for the loss, at ratios."""
    from theorylab.derivations.scaling_laws.msr_random_feature_scaling import LOSS

    return _at_ratio(with_output(LOSS, output))


def _at_ratio(wrong: Implicit) -> Numerical:
    """A mutant of the loss as one of the loss at ratios."""
    from dataclasses import replace

    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d

    return replace(d.LOSS_AT_RATIO, function=d.at_ratio(wrong), derivation=None)


def _one_sided() -> Numerical:
    """The loss with the effective ridge of infinitely many samples: nu (N - d1) = g M/(sigma_u^2 T)."""
    from dataclasses import replace

    import sympy as sp

    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling_steps as steps

    unused = d.g * d.M / (d.sigma_u**2 * d.lam * d.T) * sp.exp(-d.s)
    counts = (unused, d.T - d.N + unused, d.total(2, 1))
    loss = d.sigma_w**2 * steps.signal(d.N, d.T, d.M, d.lam * sp.exp(d.s), *counts)
    loss += d.sigma_eps**2 * steps.noise(*counts, d.total(2, 0))
    return _at_ratio(replace(d.LOSS, equation=d.total(1, 0) - d.N + unused, output=loss, numeric=None, corners=()))


def with_output(right: Implicit, output: sp.Expr) -> Implicit:
    """The same equation with another formula for the loss."""
    from dataclasses import replace

    return replace(right, output=output, derivation=None, corners=())


def _less_ridge(value: Any, *, N: Any, tau: Any, h: Any, **rest: Any) -> Any:
    """The loss with the ridge g/T in place of g."""
    from theorylab.derivations.scaling_laws.msr_random_feature_scaling import LOSS_AT_RATIO

    return LOSS_AT_RATIO(N=N, tau=tau, h=h / (tau * N), **rest)


def _isotropic_noise(value: Any, *, tau: Any, **_: Any) -> Any:
    return 1.0 / (max(tau, 1.0 / tau) - 1.0) + 0.0 * value


def _swapped(point: dict[str, Any]) -> dict[str, Any]:
    return {**point, "N": point["T"], "T": point["N"]}


def _steeper(point: dict[str, Any]) -> dict[str, Any]:
    return {**point, "alpha": point["alpha"] + 1.0}


def _mutants() -> list[Mutant]:
    """Wrong losses over the space of `LOSS_AT_RATIO`."""
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling_steps as steps

    n, t, e = d.counts
    swapped = d.sigma_eps**2 * steps.noise(t, n, e, d.total(2, 0))
    return [
        Mutant("noise with features and samples swapped", _other_output(d.signal + swapped)),
        Mutant("noise forgotten", _other_output(d.signal)),
        Mutant("half-risk", lambda value, **_: value / 2),
    ]


@theory.claim(source=ZHANG)
def ridge_loss() -> Claim:
    """As N, T, M grow in proportion, N <= T, with a ridge proportional to N, the mean test loss tends to the
    deterministic equivalent, label noise included.

    The loss is above its limit by a relative 0.3/N to 1/N. Den = (N - d1)(T - d1) + (d1 - d2)(N + T - 2 d1) is a sum of
    positive terms, and the two unused counts follow from their product, g M/(sigma_u^2 nu), and their difference: so
    written, the loss keeps all its digits as g -> 0.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d
    from theorylab.sims.scaling_laws.random_feature_ridge import proportional

    return Claim(
        prediction=d.LOSS_AT_RATIO,
        simulation=proportional,
        check=Asymptotic(size="N", rate=1.0),
        points=grid(tau=1.5, h=0.004, sigma_eps=0.3),
        mutants=[
            *_mutants(),
            Mutant("one-sided self-consistency nu (N - d1) = g M/(sigma_u^2 T)", _one_sided()),
            Mutant("ridge divided by T", _less_ridge),
        ],
        budgets={
            "quick": Budget(trials=256, margin=0.05, sizes=(16, 32, 64, 128)),
            "standard": Budget(
                trials=768,
                margin=0.01,
                sizes=(24, 48, 96, 192),
                points=grid(tau=[1.0, 2.5], alpha=[0.5, 1.5], h=0.004, sigma_eps=0.3),
            ),
            "paper": Budget(
                trials=1024,
                margin=0.01,
                sizes=(50, 100, 200, 400),
                points=grid(tau=[1.0, 2.0, 4.0], alpha=[0.5, 1.0, 1.5], h=[0.001, 0.01], sigma_eps=0.3),
            ),
        },
    )


@theory.claim(source=ZHANG)
def ridge_loss_more_features() -> Claim:
    """The same with more features than samples, T < N.

    The signal's part is that of N and T exchanged; the noise is amplified more.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d
    from theorylab.sims.scaling_laws.random_feature_ridge import proportional

    return Claim(
        prediction=d.LOSS_AT_RATIO,
        simulation=proportional,
        check=Asymptotic(size="N", rate=1.0),
        points=grid(tau=0.5, mu=2.0, h=0.004, sigma_eps=0.3),
        mutants=[*_mutants(), Mutant("ridge divided by T", _less_ridge)],
        budgets={
            "quick": Budget(trials=192, margin=0.05, sizes=(24, 48, 96, 192)),
            "standard": Budget(
                trials=768,
                margin=0.01,
                sizes=(48, 96, 192, 384),
                points=grid(tau=0.5, mu=2.0, alpha=[0.5, 1.5], h=0.002, sigma_eps=0.3),
            ),
            "paper": Budget(
                trials=1024,
                margin=0.01,
                sizes=(100, 200, 400, 800),
                points=grid(tau=[0.25, 0.5], mu=2.0, alpha=[0.5, 1.0, 1.5], h=[0.0005, 0.005], sigma_eps=0.3),
            ),
        },
    )


@theory.claim(source=ZHANG)
def loss_at_size() -> Claim:
    """At min(N, T) of 200 and more the deterministic equivalent is within 1 % of the mean test loss, on both sides of
    N = T and on it.

    The equivalent for the sizes at hand, with the sum over all M eigenvalues; no extrapolation.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d
    from theorylab.sims.scaling_laws.random_feature_ridge import ridge_loss as simulated

    def at(*shapes: tuple[int, int, float], M: int, alpha: list[float]) -> list[dict[str, Any]]:
        fixed = {"M": M, "sigma_eps": 0.2}
        return [{"N": n, "T": t, "g": g, "alpha": a, **fixed} for n, t, g in shapes for a in alpha]

    right = d.LOSS
    return Claim(
        prediction=right,
        simulation=simulated,
        check=Expectation(),
        points=at((80, 200, 0.2), (200, 80, 0.2), (120, 120, 1.0), M=300, alpha=[1.0]),
        mutants=[
            Mutant("noise forgotten", lambda value, **point: right(**{**point, "sigma_eps": 0.0})),
            Mutant("features and samples swapped", lambda value, **point: right(**_swapped(point))),
            Mutant("no ridge", lambda value, **point: right(**{**point, "g": 1e-3 * point["g"]})),
            Mutant("exponent 1 + alpha taken for alpha", lambda value, **point: right(**_steeper(point))),
        ],
        budgets={
            "quick": Budget(trials=128, margin=0.03),
            "standard": Budget(
                trials=384,
                margin=0.01,
                points=at((200, 450, 0.3), (450, 200, 0.3), (250, 250, 3.0), M=500, alpha=[0.5, 1.0, 1.5]),
            ),
            "paper": Budget(
                trials=256,
                margin=0.01,
                points=at(
                    (200, 1000, 0.3),
                    (300, 800, 0.3),
                    (800, 300, 0.3),
                    (1000, 200, 0.3),
                    (500, 500, 3.0),
                    M=2000,
                    alpha=[0.3, 0.5, 1.0, 1.5, 2.0],
                ),
            ),
        },
    )


@theory.claim
def ridgeless_loss() -> Claim:
    """Without ridge and noise the mean test loss tends to (sigma_w^2/M) K nu/(1 - K/Q), K = min(N, T) = d1(nu),
    Q = max(N, T): the pole of double descent, of first order in 1 - K/Q.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d
    from theorylab.sims.scaling_laws.random_feature_ridge import proportional

    def squared_pole(value: Any, *, tau: Any, **_: Any) -> Any:
        return value / (1.0 - min(tau, 1.0 / tau))

    return Claim(
        prediction=d.LOSS_AT_RATIO,
        simulation=proportional,
        check=Asymptotic(size="N", rate=1.0),
        points=grid(tau=2.5, mu=4.0),
        mutants=[
            Mutant("pole of second order, 1/(1 - K/Q)^2", squared_pole),
            Mutant("no pole", lambda value, tau, **_: value * (1.0 - min(tau, 1.0 / tau))),
            Mutant("nu (T - d1) for nu T: bias of infinitely many samples", lambda value, tau, **_: value * tau),
        ],
        budgets={
            "quick": Budget(trials=128, margin=0.05, sizes=(12, 24, 48, 96)),
            "standard": Budget(
                trials=1024, margin=0.01, sizes=(30, 60, 120, 240), points=grid(tau=[0.4, 1.6, 2.5], mu=3.0, alpha=0.8)
            ),
            "paper": Budget(
                trials=1024,
                margin=0.01,
                sizes=(50, 100, 200, 400),
                points=grid(tau=[0.4, 0.6, 1.6, 2.5, 4.0], mu=5.0, alpha=[0.5, 1.0, 1.5]),
            ),
        },
    )


@theory.claim
def noise_loss() -> Claim:
    """The part of the loss that is due to label noise, without a ridge: N/(T - N) below N = T, independent of the
    spectrum, and (T^2 + N d2 - 2 T d2)/((N - T)(T - d2)) above, which is not that of N and T exchanged.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling_steps as steps
    from theorylab.sims.scaling_laws.random_feature_ridge import proportional

    n, t, e = d.counts
    right = d.NOISE_AT_RATIO
    swapped = d.sigma_eps**2 * steps.noise(t, n, e, d.total(2, 0))
    return Claim(
        prediction=right,
        simulation=proportional,
        check=Asymptotic(size="N", rate=1.0, observable="noise"),
        points=[{"tau": 0.4, "mu": 2.0, "sigma_eps": 1.0}],
        parameters=[d.TEACHER],
        mutants=[
            Mutant("features and samples swapped", _other_output(swapped)),
            Mutant("that of isotropic features, K/(Q - K), on both sides", _isotropic_noise),
            Mutant("K/Q, without the pole", lambda value, tau, **_: min(tau, 1.0 / tau) + 0.0 * value),
        ],
        budgets={
            "quick": Budget(trials=128, margin=0.05, sizes=(32, 64, 128, 256)),
            "standard": Budget(
                trials=1024, margin=0.01, sizes=(40, 80, 160, 320), points=grid(tau=[0.4, 2.5], mu=2.0, sigma_eps=1.0)
            ),
            "paper": Budget(
                trials=2048,
                margin=0.01,
                sizes=(50, 100, 200, 400),
                points=grid(tau=[0.4, 0.6, 1.6, 2.5], mu=4.0, alpha=[0.5, 1.5], sigma_eps=1.0),
            ),
        },
    )


@theory.claim(control=True, expected="fails")
def control_loss() -> Claim:
    """False on purpose, by 4 %: the mean test loss at N = 80, T = 200 is 1.04 times the deterministic equivalent."""
    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d
    from theorylab.sims.scaling_laws.random_feature_ridge import ridge_loss as simulated

    right = d.LOSS
    return Claim(
        prediction=with_output(right, 1.04 * (d.signal + d.noise)),
        simulation=simulated,
        check=Expectation(),
        points=[{"N": 80, "T": 200, "M": 200, "g": 0.1, "sigma_eps": 0.2}],
        mutants=[Mutant("noise forgotten", with_output(right, d.signal))],
        budgets={
            "quick": Budget(trials=128, margin=0.015),
            "standard": Budget(trials=256, margin=0.01),
            "paper": Budget(trials=1024, margin=0.01),
        },
    )
