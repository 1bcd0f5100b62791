"""The proportional limit of the risks of least squares and minimum-norm interpolation.

Further claims of the theory in `gaussian_ols_exact`.
"""

from __future__ import annotations

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.claims.double_descent.gaussian_ols_exact import theory

HASTIE = Source(
    authors="Hastie, Trevor and Montanari, Andrea and Rosset, Saharon and Tibshirani, Ryan J.",
    title="Surprises in High-Dimensional Ridgeless Least Squares Interpolation",
    year=2022,
    where="section 3, isotropic features",
    arxiv="1903.08560v5",
    journal="The Annals of Statistics 50(2), 949-986",
    doi="10.1214/21-AOS2133",
)
IDENTITY = {
    "quick": Budget(trials=10, margin=1e-12),
    "standard": Budget(trials=50, margin=1e-12),
    "paper": Budget(trials=500, margin=1e-12),
}


@theory.claim(source=HASTIE)
def limit_below_threshold() -> Claim:
    """As n and p grow with p/n = gamma < 1 fixed, the mean excess risk tends to sigma2 gamma/(1-gamma), with
    corrections of order 1/n.

    The first coefficient is sigma2 gamma/(1-gamma)^2: the relative correction is 1/(n-p), so that the limit is good
    to 1 % only a hundred features below the threshold.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.sims.double_descent.least_squares import proportional

    gamma, sigma2 = d.gamma, d.sigma2
    return Claim(
        prediction=d.limiting_excess_risk,
        simulation=proportional,
        check=Asymptotic(size="n", rate=1.0, observable="excess"),
        points=[{"gamma": 0.25}],
        parameters=[d.N],
        mutants=[
            Mutant("fixed design: sigma2 gamma", sigma2 * gamma),
            Mutant("gamma/(1+gamma)", sigma2 * gamma / (1 + gamma)),
            Mutant("squared: gamma/(1-gamma)^2", sigma2 * gamma / (1 - gamma) ** 2),
        ],
        budgets={
            "quick": Budget(trials=8_192, margin=0.05, sizes=(24, 48, 96, 192), block=4096),
            "standard": Budget(
                trials=160_000, margin=0.01, sizes=(32, 64, 128, 256), points=grid(gamma=[0.25, 0.5]), block=8192
            ),
            "paper": Budget(
                trials=400_000, margin=0.01, sizes=(50, 100, 200, 400), points=grid(gamma=[0.2, 0.5, 0.8]), block=8192
            ),
        },
    )


@theory.claim(source=HASTIE)
def limit_above_threshold() -> Claim:
    """As n and p grow with p/n = gamma > 1 fixed, the mean excess risk tends to r2 (1-1/gamma) + sigma2/(gamma-1),
    with corrections of order 1/n.

    The first coefficient is sigma2/(gamma-1)^2, all of it from the variance: the bias is exact at every size.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.sims.double_descent.least_squares import proportional

    gamma, sigma2, r2 = d.gamma, d.sigma2, d.r2
    bias = r2 * (1 - 1 / gamma)
    return Claim(
        prediction=d.limiting_excess_risk,
        simulation=proportional,
        check=Asymptotic(size="n", rate=1.0, observable="excess"),
        points=[{"gamma": 3.0}],
        parameters=[d.N],
        mutants=[
            Mutant("bias forgotten", sigma2 / (gamma - 1)),
            Mutant("gamma/(gamma-1) instead of 1/(gamma-1)", bias + sigma2 * gamma / (gamma - 1)),
            Mutant("bias r2 (1-gamma)", r2 * (1 - gamma) + sigma2 / (gamma - 1)),
        ],
        budgets={
            "quick": Budget(trials=1_024, margin=0.03, sizes=(16, 32, 64, 128), block=512),
            "standard": Budget(
                trials=16_384, margin=0.01, sizes=(24, 48, 96, 192), points=grid(gamma=[2.0, 3.0]), block=2048
            ),
            "paper": Budget(
                trials=100_000, margin=0.01, sizes=(50, 100, 200, 400), points=grid(gamma=[1.5, 2.0, 4.0]), block=4096
            ),
        },
    )


@theory.claim(source=HASTIE)
def best_overparametrization() -> Claim:
    """For r2 > sigma2 the limiting risk of interpolation has its one minimum over gamma > 1 at
    gamma = sqrt(snr)/(sqrt(snr)-1), snr = r2/sigma2.

    For snr <= 1 there is none: the risk falls towards r2, that of the estimate zero, and stays above it.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.derivations.double_descent import gaussian_ols_exact_steps as steps

    snr = d.snr
    return Claim(
        prediction=d.best_ratio,
        check=Identity(other=steps.stationary_ratio(snr), ranges={"snr": (1.05, 50.0)}),
        mutants=[
            Mutant("where the risk equals that of zero, snr/(snr-1)", snr / (snr - 1)),
            Mutant("snr without its root", snr / (snr + 1)),
        ],
        budgets=IDENTITY,
    )


@theory.claim(source=HASTIE)
def smallest_interpolating_risk() -> Claim:
    """For r2 > sigma2 the smallest limiting risk of interpolation is sigma2 (2 sqrt(snr) - 1), which is below the
    risk r2 of the estimate zero by sigma2 (sqrt(snr) - 1)^2."""
    from theorylab.checks import Identity
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.derivations.double_descent import gaussian_ols_exact_steps as steps

    snr, sigma2 = d.snr, d.sigma2
    at_minimum = steps.limit_above(d.best_ratio.expr, sigma2, snr * sigma2)
    return Claim(
        prediction=d.best_risk,
        check=Identity(other=at_minimum, ranges={"snr": (1.05, 50.0), "sigma2": (0.1, 3.0)}),
        mutants=[
            Mutant("that of the estimate zero", snr * sigma2),
            Mutant("variance alone", sigma2 * (snr**0.5 - 1)),
        ],
        budgets=IDENTITY,
    )


@theory.claim(control=True, expected="fails", source=HASTIE)
def control_limit() -> Claim:
    """False on purpose, by 4 %: the limiting excess risk of interpolation is 1.04 times what it is, at gamma = 2."""
    from dataclasses import replace

    from theorylab.checks import Asymptotic
    from theorylab.derivations.double_descent import gaussian_ols_exact as d
    from theorylab.sims.double_descent.least_squares import proportional

    right = d.limiting_excess_risk
    return Claim(
        prediction=replace(right, expr=1.04 * right.expr, derivation=None),
        simulation=proportional,
        check=Asymptotic(size="n", rate=1.0, observable="excess"),
        points=[{"gamma": 2.0}],
        parameters=[d.N],
        mutants=[Mutant("bias forgotten", right.expr.subs(d.r2, 0))],
        budgets={
            "quick": Budget(trials=4_096, margin=0.012, sizes=(16, 32, 64, 128), block=512),
            "standard": Budget(trials=10_000, margin=0.01, sizes=(24, 48, 96, 192)),
            "paper": Budget(trials=20_000, margin=0.01, sizes=(50, 100, 200, 400)),
        },
    )
