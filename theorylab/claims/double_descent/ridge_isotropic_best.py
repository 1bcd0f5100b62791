"""The best ridge, the risk there, and the limit without ridge.

Further claims of the theory are in `ridge_isotropic`.
"""

from __future__ import annotations

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.claims.double_descent.ridge_isotropic import RATIOS, SIZES, theory

HASTIE = Source(
    authors="Hastie, Trevor and Montanari, Andrea and Rosset, Saharon and Tibshirani, Ryan J.",
    title="Surprises in High-Dimensional Ridgeless Least Squares Interpolation",
    year=2022,
    where="section 6, isotropic features",
    arxiv="1903.08560v5",
    journal="The Annals of Statistics 50(2), 949-986",
    doi="10.1214/21-AOS2133",
)
IDENTITY = {
    "quick": Budget(trials=10, margin=1e-12),
    "standard": Budget(trials=50, margin=1e-12),
    "paper": Budget(trials=500, margin=1e-12),
}


@theory.claim
def best_ridge() -> Claim:
    """The mean of |betahat - beta|^2 falls with lam below sigma2 gamma/r2 and rises above.

    At every size, not in the limit only: every eigenvalue of every design has its bias and variance together smallest
    there. Measured on the slope in lam of the error of single fits, for a fixed signal.
    """
    from theorylab.checks import Boundary
    from theorylab.derivations.double_descent import ridge_isotropic as d
    from theorylab.sims.double_descent.ridge import slope

    return Claim(
        prediction=d.best_ridge,
        simulation=slope,
        check=Boundary("lam", ladder=(-2.0, -1.0, 1.0, 2.0)),
        points=[{"n": 20, "gamma": 0.5}, {"n": 20, "gamma": 2.0}],
        parameters=[d.N, d.LAM],
        mutants=[
            Mutant("sigma2/(gamma r2)", d.sigma2 / (d.gamma * d.r2)),
            Mutant("sigma2/r2: the ridge of a prior, not divided by n and not multiplied by p", d.sigma2 / d.r2),
            Mutant("signal and noise exchanged", d.r2 * d.gamma / d.sigma2),
        ],
        budgets={
            "quick": Budget(20_480, 0.05, block=4096),
            "standard": Budget(
                163_840,
                0.02,
                points=[{"n": 20, "gamma": 0.5}, {"n": 20, "gamma": 2.0}, {"n": 20, "gamma": 0.5, "sigma2": 1.0}],
                block=16_384,
            ),
            "paper": Budget(1_000_000, 0.01, points=grid(n=40, gamma=[0.25, 0.5, 2.0, 4.0]), block=16_384),
        },
    )


@theory.claim
def best_excess_risk() -> Claim:
    """The smallest excess risk that a ridge can give tends to sigma2 gamma m(sigma2 gamma/r2), with corrections of
    order 1/n.

    The simulation looks for the best ridge of each design by itself.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.double_descent import ridge_isotropic as d
    from theorylab.sims.double_descent.ridge import smallest_risk

    gamma, sigma2, r2 = d.gamma, d.sigma2, d.r2
    return Claim(
        prediction=d.best_excess_risk,
        simulation=smallest_risk,
        check=Asymptotic(size="n", rate=1.0, observable="excess"),
        points=[{"gamma": 0.5}, {"gamma": 2.0}],
        parameters=[d.N],
        mutants=[
            Mutant("excess risk at lam = sigma2/(gamma r2)", d.excess.subs(d.lam, sigma2 / (gamma * r2))),
            Mutant("gamma forgotten: sigma2 m", d.best_excess / gamma),
            Mutant("m at lam = sigma2/r2", sigma2 * gamma * d.resolvent.subs(d.lam, sigma2 / r2)),
            Mutant("a tenth of the ridge", d.excess.subs(d.lam, d.best / 10)),
        ],
        budgets={
            "quick": Budget(256, 0.02, sizes=SIZES["quick"]),
            "standard": Budget(256, 0.005, sizes=SIZES["standard"], points=grid(gamma=[0.25, 0.5, 1.0, 2.0, 4.0])),
            "paper": Budget(128, 0.003, sizes=SIZES["paper"], points=grid(gamma=RATIOS)),
        },
    )


@theory.claim
def no_double_descent() -> Claim:
    """At the best ridge the limiting excess risk R rises with gamma, with slope r2 R^2 / (gamma^2 (R^2 + sigma2 r2)).

    The slope is positive term by term: whatever the signal-to-noise ratio, the peak at gamma = 1 is due to too small a
    ridge. It is also the slope at the ridge held fixed: that of a minimum over lam does not feel how the minimum moves.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.double_descent import ridge_isotropic as d

    gamma, sigma2, r2, risk = d.gamma, d.sigma2, d.r2, d.best_excess
    return Claim(
        prediction=d.best_slope,
        check=Identity(
            other=(sigma2 * gamma * d.resolvent.subs(d.lam, d.best)).diff(gamma),
            ranges={"gamma": (0.1, 10.0), "sigma2": (0.05, 3.0), "r2": (0.2, 3.0)},
        ),
        mutants=[
            Mutant("1/gamma instead of 1/gamma^2", r2 * risk**2 / (gamma * (risk**2 + sigma2 * r2))),
            Mutant("a difference: R^2 - sigma2 r2", r2 * risk**2 / (gamma**2 * (risk**2 - sigma2 * r2))),
            Mutant("slope of the variance at a fixed ridge", d.variance.diff(gamma).subs(d.lam, d.best)),
        ],
        budgets=IDENTITY,
    )


@theory.claim(source=HASTIE)
def ridgeless_limit() -> Claim:
    """At lam = 0 the excess risk of ridge regression is that of minimum-norm interpolation: sigma2 gamma/(1-gamma)
    below the threshold, r2 (1-1/gamma) + sigma2/(gamma-1) above.

    One formula, regular at lam = 0 on both sides of gamma = 1, and divergent there.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.double_descent import gaussian_ols_exact as ols
    from theorylab.derivations.double_descent import ridge_isotropic as d
    from theorylab.prediction import Numerical

    right = ols.limiting_excess_risk
    return Claim(
        prediction=right,
        check=Identity(
            other=Numerical(
                function=lambda **at: d.excess_risk.evaluate(lam=0.0, **at), space=right.space, quantity=right.quantity
            ),
            ranges={"gamma": (0.05, 8.0), "sigma2": (0.1, 3.0), "r2": (0.1, 3.0)},
        ),
        mutants=[
            Mutant("noise of the test label included", right.expr + d.sigma2),
            Mutant("no bias", right.expr.subs(d.r2, 0)),
        ],
        budgets={name: Budget(trials, 1e-10) for name, trials in {"quick": 20, "standard": 200, "paper": 2000}.items()},
    )


@theory.claim(control=True, expected="fails")
def control_best_ridge() -> Claim:
    """False on purpose, by 5 %: the error is smallest at lam = 1.05 sigma2 gamma/r2, here at gamma = 1/2."""
    from dataclasses import replace

    from theorylab.checks import Boundary
    from theorylab.derivations.double_descent import ridge_isotropic as d
    from theorylab.sims.double_descent.ridge import slope

    return Claim(
        prediction=replace(d.best_ridge, expr=1.05 * d.best, derivation=None),
        simulation=slope,
        check=Boundary("lam", ladder=(-2.0, -1.0, 1.0)),
        points=[{"n": 20, "gamma": 0.5}],
        parameters=[d.N, d.LAM],
        mutants=[Mutant("sigma2/(gamma r2)", d.sigma2 / (d.gamma * d.r2))],
        budgets={
            "quick": Budget(81_920, 0.012, block=8192),
            "standard": Budget(163_840, 0.012, block=16_384),
            "paper": Budget(1_000_000, 0.012, block=16_384),
        },
    )
